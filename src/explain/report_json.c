/* The report as JSON: everything that it holds, for pages and programs. docs/explain-json.md describes it. */
#include "explain/json.h"
#include "explain/report_view.h"
#include <ebb/explain.h>
#include <ebb/ops.h>

#include <math.h>

enum { WHOLE = 256, GRID = 32 }; /* elements that are written in full; rows and columns of the grid of larger ones */

/* ---- values ---- */

/* The means of blocks of a matrix: what a heat map of a large tensor shows. */
static void grid(struct ebb__json *j, const double *data, int64_t rows, int64_t columns) {
    int64_t height = rows < GRID ? rows : GRID, width = columns < GRID ? columns : GRID;
    ebb__json_open(j, "grid", '{');
    ebb__json_int(j, "rows", height);
    ebb__json_int(j, "columns", width);
    ebb__json_open(j, "data", '(');
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            double sum = 0;
            int64_t top = y * rows / height, bottom = (y + 1) * rows / height;
            int64_t left = x * columns / width, right = (x + 1) * columns / width;
            for (int64_t i = top; i < bottom; i++)
                for (int64_t k = left; k < right; k++) sum += data[i * columns + k];
            ebb__json_value(j, NULL, sum / (double)((bottom - top) * (right - left)));
        }
    ebb__json_close(j);
    ebb__json_close(j);
}

static void summary(struct ebb__json *j, const double *data, int64_t n, ebb_dims shape, bool folded) {
    double least = (double)INFINITY, most = -(double)INFINITY, sum = 0;
    int64_t finite = 0, columns = shape.n ? shape.d[shape.n - 1] : 1;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(data[i])) continue;
        least = fmin(least, data[i]);
        most = fmax(most, data[i]);
        sum += data[i];
        finite++;
    }
    ebb__json_value(j, "min", finite ? least : (double)NAN);
    ebb__json_value(j, "max", finite ? most : (double)NAN);
    ebb__json_value(j, "mean", finite ? sum / (double)finite : (double)NAN);
    ebb__json_int(j, "not_finite", n - finite);
    if (!folded) return;
    if (shape.n == 1) { /* a long vector is folded into rows */
        columns = (int64_t)ceil(sqrt((double)n));
        while (n % columns) columns++;
    }
    grid(j, data, n / columns, columns);
}

static void value_up_to(struct ebb__json *j, const char *key, ebb_tensor *t, int64_t whole) {
    if (!t) return;
    int64_t n = ebb_tensor_numel(t);
    size_t bytes = (size_t)(n ? n : 1) * sizeof(double);
    double *data = ebb_alloc(bytes);
    ebb__json_open(j, key, '{');
    ebb__json_text(j, "dtype", ebb_dtype_name(ebb_tensor_dtype(t)));
    ebb__json_dims(j, "shape", ebb_tensor_shape(t));
    if (data && !(ebb_tensor_read)(t, EBB_F64, data)) {
        if (n <= whole) {
            ebb__json_open(j, "data", '(');
            for (int64_t i = 0; i < n; i++) ebb__json_value(j, NULL, data[i]);
            ebb__json_close(j);
        }
        if (n > whole || (n > 1 && !j->in_html)) summary(j, data, n, ebb_tensor_shape(t), n > whole);
    }
    ebb__json_close(j);
    ebb_free(data, bytes);
}

static void value(struct ebb__json *j, const char *key, ebb_tensor *t) { value_up_to(j, key, t, WHOLE); }

/* A page shows no LaTeX, nor what its script finds out by itself, and is the smaller for it. */
static void shown(struct ebb__json *j, const char *key, const char *latex_key, const struct ebb__shown *s) {
    if (s->in[EBB__UNICODE]) ebb__json_text(j, key, s->in[EBB__UNICODE]);
    if (s->in[EBB__LATEX] && !j->in_html) ebb__json_text(j, latex_key, s->in[EBB__LATEX]);
}

/* ---- nodes ---- */

static void source(struct ebb__json *j, const struct ebb__report *r, const struct ebb__report_node *n) {
    if (n->file && n->file[0]) {
        ebb__json_open(j, "source", '{');
        ebb__json_text(j, "file", n->file);
        ebb__json_int(j, "line", n->line);
        ebb__json_close(j);
    } else if (n->place.end && r->expression) {
        ebb__json_open(j, "source", '{');
        ebb__json_int(j, "start", n->place.at);
        ebb__json_int(j, "end", n->place.end);
        ebb__json_close(j);
    }
}

static void node_inputs(struct ebb__json *j, const struct ebb__report_node *n) {
    ebb__json_open(j, "inputs", '[');
    for (int64_t i = 0; i < n->n_in; i++) {
        ebb__json_open(j, NULL, '{');
        ebb__json_text(j, "role", n->in[i].role);
        if (n->in[i].node >= 0) ebb__json_int(j, "node", n->in[i].node);
        if (n->in[i].node >= 0) ebb__json_int(j, "output", n->in[i].output);
        ebb__json_bool(j, "gradient", n->in[i].gradient);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

static void node_outputs(struct ebb__json *j, const struct ebb__report_node *n) {
    ebb__json_open(j, "outputs", '[');
    for (int64_t k = 0; k < n->n_out; k++) {
        const struct ebb__report_output *o = &n->out[k];
        ebb__json_open(j, NULL, '{');
        shown(j, "name", "latex", &o->name);
        if (o->role[0]) ebb__json_text(j, "role", o->role);
        ebb__json_text(j, "dtype", ebb_dtype_name(o->dtype));
        ebb__json_dims(j, "shape", o->shape);
        ebb__json_int(j, "uses", o->uses);
        value(j, "value", o->value);
        value(j, "gradient", o->gradient);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

static void node_saved(struct ebb__json *j, const struct ebb__report *r, const struct ebb__report_node *n) {
    ebb__json_open(j, "saved", '[');
    for (int64_t i = 0; i < n->n_saved; i++) {
        const struct ebb__report_saved *s = &n->saved[i];
        ebb__json_open(j, NULL, '{');
        ebb__json_text(j, "role", s->role);
        ebb__json_int(j, "node", s->node);
        ebb__json_int(j, "output", s->output);
        ebb__json_text(j, "name", ebb__report_of(r, s->node, s->output)->name.in[EBB__UNICODE]);
        ebb__json_int(j, "bytes", s->bytes);
        ebb__json_bool(j, "shared", s->shared);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

/* Of which composition an operation is a part: the operator, and the same in words. */
static void write_part(const struct ebb__json_view *v, const struct ebb__report_node *n) {
    if (!n->part_of) return;
    ebb__json_text(v->j, "part_of", ebb__op_called(n->part_of));
    ebb__json_say(v, "part", ebb__report_part(v->arena, n, EBB_ENGLISH), ebb__report_part(v->arena, n, EBB_CHINESE));
}

static void write_node(const struct ebb__json_view *v, const struct ebb__report *r, int64_t id) {
    struct ebb__json *j = v->j;
    static const char *const kinds[] = {"variable", "constant", "operation"};
    const struct ebb__report_node *n = &r->nodes[id];
    ebb__json_open(j, NULL, '{');
    ebb__json_int(j, "id", id);
    ebb__json_text(j, "kind", kinds[n->kind]);
    shown(j, "name", "latex", &n->out[0].name);
    if (n->kind == EBB__CONSTANT) ebb__json_bool(j, "number", n->number);
    if (n->kind == EBB__OPERATION) {
        ebb__json_text(j, "op", n->op->name);
        ebb__json_text(j, "node", ebb_node_name(n->node));
        write_part(v, n);
        const char *doc = ebb_op_text(n->op).doc;
        if (doc) ebb__json_text(j, "doc", doc);
        if (n->op->family) ebb__json_text(j, "family", n->op->family);
        shown(j, "text", "text_latex", &n->text);
        ebb__json_text(j, "attributes", n->attributes);
        ebb__json_bool(j, "view", n->op->view);
        node_inputs(j, n);
    }
    node_outputs(j, n);
    if (n->kind == EBB__OPERATION) node_saved(j, r, n);
    value(j, "mask", n->mask);
    source(j, r, n);
    ebb__json_close(j);
}

static void write_edges(struct ebb__json *j, const struct ebb__report *r) {
    ebb__json_open(j, "edges", '[');
    for (int64_t id = 0; id < r->n_nodes; id++)
        for (int64_t i = 0; i < r->nodes[id].n_in; i++) {
            const struct ebb__report_input *in = &r->nodes[id].in[i];
            if (in->node < 0) continue;
            ebb__json_open(j, NULL, '{');
            ebb__json_int(j, "from", in->node);
            ebb__json_int(j, "output", in->output);
            ebb__json_int(j, "to", id);
            ebb__json_int(j, "input", i);
            ebb__json_bool(j, "gradient", in->gradient);
            ebb__json_close(j);
        }
    ebb__json_close(j);
}

/* ---- steps ---- */

static void write_give(const struct ebb__json_view *v, const struct ebb__report *r, const struct ebb__report_give *g) {
    struct ebb__json *j = v->j;
    const struct ebb__report_output *to = ebb__report_of(r, g->to, g->output);
    ebb__json_open(j, NULL, '{');
    ebb__json_int(j, "input", g->input);
    ebb__json_int(j, "to", g->to);
    ebb__json_int(j, "output", g->output);
    shown(j, "symbol", "symbol_latex", &g->symbol);
    if (g->words[EBB_ENGLISH]) ebb__json_say(v, "words", g->words[EBB_ENGLISH], g->words[EBB_CHINESE]);
    else shown(j, "formula", "formula_latex", &g->formula);
    shown(j, "definitions", "definitions_latex", &g->definitions);
    if (g->shapes) ebb__json_text(j, "shapes", g->shapes);
    ebb__json_dims(j, "shape", g->shape);
    ebb__json_dims(j, "summed", g->summed);
    ebb__json_int(j, "arrival", g->arrival);
    ebb__json_int(j, "of", to->uses);
    value(j, "value", g->value);
    value(j, "total", g->total);
    ebb__json_close(j);
}

static void write_steps(const struct ebb__json_view *v, const struct ebb__report *r) {
    struct ebb__json *j = v->j;
    ebb__json_open(j, "backward", '[');
    for (int64_t i = 0; i < r->n_steps; i++) {
        const struct ebb__report_step *s = &r->steps[i];
        const struct ebb__report_node *n = &r->nodes[s->node];
        ebb__json_open(j, NULL, '{');
        ebb__json_int(j, "node", s->node);
        ebb__json_text(j, "kind", n->kind == EBB__VARIABLE ? "accumulate" : "rule");
        ebb__json_open(j, "upstream", '[');
        for (int64_t k = 0; k < n->n_out; k++) {
            if (!s->upstream[k]) continue;
            ebb__json_open(j, NULL, '{');
            ebb__json_int(j, "output", k);
            shown(j, "symbol", "symbol_latex", &s->symbol[k]);
            value(j, "value", s->upstream[k]);
            ebb__json_close(j);
        }
        ebb__json_close(j);
        ebb__json_open(j, "gives", '[');
        for (int64_t k = 0; k < s->n; k++) write_give(v, r, &s->gives[k]);
        ebb__json_close(j);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

/* ---- gradients ---- */

static void write_gradients(struct ebb__json *j, const struct ebb__report *r) {
    ebb__json_open(j, "gradients", '[');
    for (int64_t id = 0; id < r->n_nodes; id++) {
        if (r->nodes[id].kind != EBB__VARIABLE) continue;
        const struct ebb__report_output *o = &r->nodes[id].out[0];
        const struct ebb__report_check *c = ebb__report_check_of(r, (int32_t)id);
        ebb__json_open(j, NULL, '{');
        ebb__json_int(j, "node", id);
        shown(j, "name", "latex", &o->name);
        value(j, "value", o->gradient);
        if (c && c->numeric) {
            ebb__json_open(j, "check", '{');
            ebb__json_bool(j, "ok", c->ok);
            ebb__json_value(j, "worst", c->worst);
            ebb__json_int(j, "checked", c->checked);
            ebb__json_int(j, "elements", ebb_tensor_numel(c->numeric));
            value(j, "differences", c->numeric);
            ebb__json_close(j);
        }
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

/* Whether a check came out well; null where there was nothing to compare. */
static void write_ok(struct ebb__json *j, bool compared, bool ok) {
    if (compared) ebb__json_bool(j, "ok", ok);
    else ebb__json_null(j, "ok");
}

static void write_check(const struct ebb__json_view *v, const struct ebb__report *r) {
    struct ebb__json *j = v->j;
    bool ok;
    double worst = ebb__report_worst(r, &ok);
    if (!r->checked) return;
    ebb__json_open(j, "check", '{');
    write_ok(j, ebb__report_any_check(r), ok);
    ebb__json_value(j, "worst", worst);
    ebb__json_value(j, "tolerance", r->tolerance);
    const char *bad[2], *verdict[2];
    for (int lang = 0; lang < 2; lang++) {
        bad[lang] = ebb__report_not_finite(v->arena, r, (enum ebb_language)lang);
        verdict[lang] = ebb__report_verdict(v->arena, r, (enum ebb_language)lang, &ok);
    }
    ebb__json_say(v, "verdict", verdict[EBB_ENGLISH], verdict[EBB_CHINESE]);
    if (bad[0][0]) ebb__json_say(v, "not_finite", bad[EBB_ENGLISH], bad[EBB_CHINESE]);
    ebb__json_close(j);
}

static void write_hessian(const struct ebb__json_view *v, const struct ebb__report *r) {
    struct ebb__json *j = v->j;
    if (!r->hessian_elements) return;
    ebb__json_open(j, "hessian", '{');
    ebb__json_int(j, "elements", r->hessian_elements);
    ebb__json_int(j, "most", EBB__HESSIAN_MOST);
    if (!r->n_hessian) {
        ebb__json_close(j);
        return;
    }
    ebb__json_open(j, "blocks", '[');
    for (int64_t i = 0; i < r->n_hessian; i++) {
        ebb__json_open(j, NULL, '{');
        ebb__json_int(j, "row", r->hessian[i].row);
        ebb__json_int(j, "column", r->hessian[i].column);
        value_up_to(j, "value", r->hessian[i].value, ebb_tensor_numel(r->hessian[i].value));
        ebb__json_close(j);
    }
    ebb__json_close(j);
    bool ok;
    const char *en = ebb__report_hessian_verdict(v->arena, r, EBB_ENGLISH, &ok);
    write_ok(j, r->hessian_checked, ok);
    ebb__json_value(j, "worst", r->hessian_worst);
    ebb__json_say(v, "verdict", en, ebb__report_hessian_verdict(v->arena, r, EBB_CHINESE, &ok));
    ebb__json_close(j);
}

static void write_tangents(struct ebb__json *j, const struct ebb__report *r) {
    if (!r->n_tangents) return;
    if (r->tangents_left) ebb__json_int(j, "tangents_left_out", r->tangents_left);
    ebb__json_open(j, "tangents", '[');
    for (int64_t i = 0; i < r->n_tangents; i++) {
        const struct ebb__report_tangents *t = &r->tangents[i];
        ebb__json_open(j, NULL, '{');
        ebb__json_int(j, "node", t->node);
        ebb__json_open(j, "values", '[');
        for (int64_t k = 0; k < r->n_nodes; k++) {
            if (!t->values[k]) continue;
            ebb__json_open(j, NULL, '{');
            ebb__json_int(j, "node", k);
            value(j, "value", t->values[k]);
            ebb__json_close(j);
        }
        ebb__json_close(j);
        ebb__json_value(j, "sum", t->sum);
        ebb__json_value(j, "expected", t->expected);
        write_ok(j, !isnan(t->away), t->away <= r->tolerance);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

ebb_status ebb__report_json_in(const struct ebb__report *r, const struct ebb__json_view *v) {
    struct ebb__json *j = v->j;
    ebb__json_open(j, v->key, '{');
    ebb__json_text(j, "format", "ebb-explain");
    ebb__json_int(j, "version", 1);
    ebb__json_text(j, "ebb", ebb_version());
    if (r->expression) ebb__json_text(j, "expression", r->expression);
    ebb__json_text(j, "dtype", ebb_dtype_name(r->dtype));
    ebb__json_uint(j, "seed", r->seed);
    ebb__json_open(j, "root", '{');
    ebb__json_int(j, "node", r->root);
    ebb__json_int(j, "output", r->root_output);
    ebb__json_bool(j, "summed", r->summed_root);
    ebb__json_close(j);
    ebb__json_int(j, "saved_bytes", r->saved_bytes);
    ebb__json_open(j, "nodes", '[');
    for (int64_t i = 0; i < r->n_nodes; i++) write_node(v, r, i);
    ebb__json_close(j);
    write_edges(j, r);
    ebb__json_open(j, "forward", '(');
    for (int64_t i = 0; i < r->n_forward; i++) ebb__json_int(j, NULL, r->forward[i]);
    ebb__json_close(j);
    write_steps(v, r);
    write_gradients(j, r);
    write_check(v, r);
    write_hessian(v, r);
    write_tangents(j, r);
    ebb__json_close(j);
    return ebb_error_status();
}

ebb_status ebb__report_json(const struct ebb__report *r, const struct ebb__view *view) {
    struct ebb__json j = {.to = view->to};
    struct ebb__arena a = {0};
    ebb_status status = ebb__report_json_in(r, &(struct ebb__json_view){.j = &j, .arena = &a, .lang = view->lang});
    ebb__arena_free(&a);
    return status;
}
