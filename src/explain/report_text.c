/* The report as text for a terminal, in the order of a lecture: values forward, gradients backward, the check. */
#include "explain/report_view.h"
#include "explain/values.h"
#include "tool/table.h"
#include "tool/terminal.h"
#include <ebb/ops.h>

#include <math.h>
#include <string.h>

struct teller {
    const struct ebb__report *r;
    const struct ebb__view *view;
    FILE *to;
    struct ebb__arena arena;
    const char *bold, *dim, *good, *bad, *title, *plain;
};

#define SAY(t, phrase, ...) ebb__phrase_of(&(t)->arena, (t)->view->lang, phrase, __VA_ARGS__)
#define COMMA(t) ebb__phrase_of(&(t)->arena, (t)->view->lang, EBB__SAY_COMMA)
#define PRINT(t, ...) ebb__arena_print(&(t)->arena, __VA_ARGS__)

static const char *integer(struct teller *t, int64_t n) {
    const char *text = PRINT(t, "%lld", (long long)n);
    return text ? text : "";
}

static const char *value(struct teller *t, ebb_tensor *v) { return ebb__value_text(&t->arena, t->view->lang, v); }

static const char *name_of(const struct ebb__report *r, int32_t node, int32_t output) {
    return ebb__report_of(r, node, output)->name.in[EBB__UNICODE];
}

static const char *shape(struct teller *t, ebb_dims d) { return ebb__report_shape(&t->arena, d); }

static void heading(struct teller *t, const char *text) {
    (void)fprintf(t->to, "\n%s%s%s\n", t->title, text, t->plain);
}

static void remark(struct teller *t, const char *text) { (void)fprintf(t->to, "%s\n", text); }

/* A line in place of what is left out. */
static void left_out(struct teller *t, enum ebb__phrase phrase, int64_t n) {
    (void)fprintf(t->to, "  %s%s%s\n", t->dim, SAY(t, phrase, integer(t, n)), t->plain);
}

/* Lines after the first are indented. */
static const char *indented(struct teller *t, const char *lead, const char *text) {
    struct ebb__text out = {0};
    ebb__text_put(&out, "%s", lead);
    for (const char *c = text; *c;) {
        size_t n = strcspn(c, "\n");
        ebb__text_add(&out, c, n);
        c += n;
        if (*c++ != '\n') break;
        ebb__text_put(&out, "\n%*s", ebb__columns(lead), "");
    }
    const char *copy = ebb__arena_copy(&t->arena, ebb__text_of(&out), (size_t)out.n);
    ebb__text_free(&out);
    return copy ? copy : "";
}

static void head(struct teller *t, struct ebb__table *table, const enum ebb__phrase *phrases) {
    for (int c = 0; c < table->columns; c++)
        ebb__table_add(table, phrases[c] == EBB__N_PHRASES ? "" : ebb__phrase_of(&t->arena, t->view->lang, phrases[c]));
}

static void print_table(struct teller *t, struct ebb__table *table) {
    ebb__table_print(table, t->to, 2, t->dim, t->plain, 2);
    ebb__table_free(table);
}

/* ---- variables and operations ---- */

static void tell_variables(struct teller *t) {
    static const enum ebb__phrase phrases[] = {EBB__SAY_HEAD_NAME, EBB__SAY_HEAD_SHAPE, EBB__SAY_HEAD_VALUE,
                                               EBB__N_PHRASES};
    struct ebb__table table = {.columns = 4};
    int64_t count = 0, shown = 0;
    for (int64_t i = 0; i < t->r->n_nodes; i++)
        count += t->r->nodes[i].kind != EBB__OPERATION && !t->r->nodes[i].number;
    heading(t, ebb__phrase_of(&t->arena, t->view->lang, EBB__SAY_VARIABLES));
    head(t, &table, phrases);
    for (int32_t i = 0; i < t->r->n_nodes && shown < t->view->limit; i++) {
        const struct ebb__report_node *n = &t->r->nodes[i];
        if (n->kind == EBB__OPERATION || n->number) continue;
        ebb__table_add(&table, name_of(t->r, i, 0));
        ebb__table_add(&table, shape(t, n->out[0].shape));
        ebb__table_add(&table, value(t, n->out[0].value));
        ebb__table_add(&table, ebb__report_constant(&t->arena, n, t->view->lang));
        shown++;
    }
    print_table(t, &table);
    if (count > shown) left_out(t, EBB__SAY_LEFT_OUT_VARIABLES, count - shown);
}

static const char *saved(struct teller *t, const struct ebb__report_node *n) {
    const char *text = "";
    for (int64_t i = 0; i < n->n_saved && text; i++) {
        if (t->r->nodes[n->saved[i].node].number) continue;
        const char *name = name_of(t->r, n->saved[i].node, n->saved[i].output);
        bool twice = false;
        for (int64_t k = 0; k < i; k++)
            twice = twice || (n->saved[k].node == n->saved[i].node && n->saved[k].output == n->saved[i].output);
        if (!twice) text = PRINT(t, "%s%s%s", text, text[0] ? ", " : "", name);
    }
    return text && text[0] ? text : "–";
}

/* What an operation is to the composition that it is a part of, behind something. */
static const char *part(struct teller *t, const struct ebb__report_node *n, const char *behind) {
    const char *text = ebb__report_part(&t->arena, n, t->view->lang);
    text = text ? PRINT(t, "%s%s", behind, text) : NULL;
    return text ? text : "";
}

/* Operation i, counted from 0: a row for each of its outputs. */
static void operation_rows(struct teller *t, struct ebb__table *table, int64_t i) {
    const struct ebb__report_node *n = &t->r->nodes[t->r->forward[i]];
    for (int32_t k = 0; k < n->n_out; k++) {
        ebb__table_add(table, k ? "" : PRINT(t, "%*lld", t->r->n_forward > 9 ? 2 : 1, (long long)i + 1));
        ebb__table_add(table, n->out[k].name.in[EBB__UNICODE]);
        ebb__table_add(table, k ? "" : PRINT(t, "= %s%s", n->text.in[EBB__UNICODE], part(t, n, "   ")));
        ebb__table_add(table, shape(t, n->out[k].shape));
        ebb__table_add(table, value(t, n->out[k].value));
        ebb__table_add(table, k ? "" : saved(t, n));
    }
}

static void tell_forward(struct teller *t) {
    static const enum ebb__phrase phrases[] = {EBB__N_PHRASES,      EBB__SAY_HEAD_NAME,  EBB__SAY_HEAD_TEXT,
                                               EBB__SAY_HEAD_SHAPE, EBB__SAY_HEAD_VALUE, EBB__SAY_HEAD_SAVED};
    struct ebb__table table = {.columns = 6};
    int64_t n = t->r->n_forward, first = n, last = 0;
    if (n > t->view->limit) {
        first = t->view->limit / 2;
        last = t->view->limit - first;
    }
    heading(t, SAY(t, EBB__SAY_FORWARD, integer(t, n)));
    if (!n) return;
    head(t, &table, phrases);
    for (int64_t i = 0; i < first; i++) operation_rows(t, &table, i);
    print_table(t, &table);
    if (!last) return;
    left_out(t, EBB__SAY_LEFT_OUT_OPERATIONS, n - first - last);
    table = (struct ebb__table){.columns = 6};
    head(t, &table, phrases);
    for (int64_t i = n - last; i < n; i++) operation_rows(t, &table, i);
    print_table(t, &table);
}

/* ---- backward ---- */

/* What stands under a formula: definitions of names in it, its shapes, and what is summed. */
static const char *under_formula(struct teller *t, const struct ebb__report_give *g) {
    const char *to = name_of(t->r, g->to, g->output), *text = "";
    const struct ebb__report_output *o = ebb__report_of(t->r, g->to, g->output);
    if (g->definitions.in[EBB__UNICODE])
        text = PRINT(t, "\n%s", SAY(t, EBB__SAY_WITH, g->definitions.in[EBB__UNICODE]));
    if (g->shapes && g->summed.n == 0)
        text = PRINT(t, "%s\n%s%s%s %s✓%s", text ? text : "", g->shapes, COMMA(t), SAY(t, EBB__SAY_SHAPE_OF, to),
                     t->good, t->plain);
    else if (g->shapes) text = PRINT(t, "%s\n%s", text ? text : "", g->shapes);
    if (g->summed.n && text)
        text = PRINT(
            t, "%s\n%s %s✓%s", text,
            SAY(t, EBB__SAY_SUMMED, ebb__report_list(&t->arena, g->summed), to, shape(t, g->shape), shape(t, o->shape)),
            t->good, t->plain);
    return text ? text : "";
}

static const char *path_note(struct teller *t, const struct ebb__report_give *g) {
    const struct ebb__report_output *o = ebb__report_of(t->r, g->to, g->output);
    const char *of = integer(t, o->uses);
    if (o->uses < 2) return "";
    if (g->arrival == 1) return SAY(t, EBB__SAY_FIRST_PATH, of, o->name.in[EBB__UNICODE]);
    const char *lead = SAY(t, EBB__SAY_NEXT_PATH, ebb__ordinal(&t->arena, t->view->lang, g->arrival), of,
                           g->symbol.in[EBB__UNICODE], "");
    return indented(t, lead, value(t, g->total));
}

/* "dL/dx  = " and "dL/dx += ", one as wide as the others. */
static const char *target(struct teller *t, const char *symbol, bool more, int width) {
    int blanks = width - ebb__columns(symbol);
    return PRINT(t, "%s%*s %s=", symbol, blanks > 0 ? blanks : 0, "", more ? "+" : " ");
}

/* A formula and its value, beside each other or, when they are long, one under the other. */
static void give_row(struct teller *t, struct ebb__table *table, const struct ebb__report_give *g, int width) {
    enum { LONG = 52 };
    const char *words = g->words[t->view->lang],
               *formula = words ? SAY(t, EBB__SAY_BRACKETS, words) : g->formula.in[EBB__UNICODE],
               *shown = value(t, g->value), *cell = "";
    bool none = !formula || !formula[0],
         wide = !none && (ebb__columns(formula) > LONG || g->definitions.in[EBB__UNICODE]);
    if (!none) cell = PRINT(t, "%s%s", formula, under_formula(t, g));
    if (!none) shown = indented(t, "= ", shown);
    if (wide) cell = PRINT(t, "%s\n%s", cell, shown);
    ebb__table_add(table, target(t, g->symbol.in[EBB__UNICODE], g->arrival > 1, width));
    ebb__table_add(table, none ? shown : cell);
    ebb__table_add(table, none || wide ? "" : shown);
    const char *note = path_note(t, g);
    ebb__table_add(table, note[0] ? indented(t, "  ", note) : "");
}

static void tell_rule(struct teller *t, const struct ebb__report_step *s) {
    const struct ebb__report_node *n = &t->r->nodes[s->node];
    const char *where = n->file && n->file[0] ? PRINT(t, "%s%s:%d", COMMA(t), n->file, (int)n->line) : "";
    const char *names = "";
    int width = 0;
    for (int64_t k = 0; k < n->n_out && names && k < 4; k++)
        names = PRINT(t, "%s%s%s", names, k ? ", " : "", n->out[k].name.in[EBB__UNICODE]);
    (void)fprintf(t->to, "%s%s = %s%s   %s%s%s%s%s\n", t->bold, names, n->text.in[EBB__UNICODE], t->plain, t->dim,
                  ebb_node_name(n->node), part(t, n, COMMA(t)), where ? where : "", t->plain);
    for (int64_t k = 0; k < n->n_out; k++) {
        if (!s->upstream[k]) continue;
        const char *lead =
            PRINT(t, "       %s%s%s  %s = ", t->dim, ebb__phrase_of(&t->arena, t->view->lang, EBB__SAY_UPSTREAM),
                  t->plain, s->symbol[k].in[EBB__UNICODE]);
        (void)fprintf(t->to, "%s\n", indented(t, lead ? lead : "", value(t, s->upstream[k])));
    }
    struct ebb__table table = {.columns = 4};
    for (int64_t i = 0; i < s->n; i++) {
        int w = ebb__columns(s->gives[i].symbol.in[EBB__UNICODE]);
        if (w > width) width = w;
    }
    for (int64_t i = 0; i < s->n; i++) give_row(t, &table, &s->gives[i], width);
    ebb__table_print(&table, t->to, 7, "", "", 1);
    ebb__table_free(&table);
}

static void tell_step(struct teller *t, int64_t i) {
    const struct ebb__report_step *s = &t->r->steps[i];
    const struct ebb__report_output *o = &t->r->nodes[s->node].out[0];
    (void)fprintf(t->to, "  %*lld  ", t->r->n_steps > 9 ? 2 : 1, (long long)i + 1);
    if (t->r->nodes[s->node].kind == EBB__OPERATION) {
        tell_rule(t, s);
        return;
    }
    const char *name = o->name.in[EBB__UNICODE], *symbol = s->symbol[0].in[EBB__UNICODE];
    const char *text = o->uses > 1 ? SAY(t, EBB__SAY_COMPLETE_PATHS, name, symbol, integer(t, o->uses))
                                   : SAY(t, EBB__SAY_COMPLETE, name, symbol);
    (void)fprintf(t->to, "%s%s%s\n", t->good, text, t->plain);
}

static void tell_backward(struct teller *t) {
    const struct ebb__report_output *root = ebb__report_of(t->r, t->r->root, t->r->root_output);
    const char *name = root->name.in[EBB__UNICODE];
    const char *start = PRINT(t, "d%s/d%s", name, name);
    int64_t n = t->r->n_steps, most = t->view->limit + t->view->limit / 2, first = n, last = 0;
    if (n > most) {
        first = most / 2;
        last = most - first;
    }
    heading(t, t->r->summed_root ? SAY(t, EBB__SAY_BACKWARD_SUM, start, name) : SAY(t, EBB__SAY_BACKWARD, start));
    for (int64_t i = 0; i < first; i++) tell_step(t, i);
    if (last) left_out(t, EBB__SAY_LEFT_OUT_STEPS, n - first - last);
    for (int64_t i = n - last; i < n; i++) tell_step(t, i);
    const char *signs = ebb__report_signs(&t->arena, t->r, t->view->lang);
    if (signs[0]) (void)fprintf(t->to, "  %s%s%s\n", t->dim, signs, t->plain);
}

/* ---- gradients ---- */

static void gradient_row(struct teller *t, struct ebb__table *table, int32_t i) {
    const struct ebb__report_output *o = &t->r->nodes[i].out[0],
                                    *root = ebb__report_of(t->r, t->r->root, t->r->root_output);
    const struct ebb__report_check *c = ebb__report_check_of(t->r, i);
    ebb__table_add(table, PRINT(t, "d%s/d%s", root->name.in[EBB__UNICODE], o->name.in[EBB__UNICODE]));
    ebb__table_add(table, shape(t, o->shape));
    ebb__table_add(table, o->gradient ? value(t, o->gradient)
                                      : ebb__phrase_of(&t->arena, t->view->lang, EBB__SAY_NO_GRADIENT));
    bool all = c && c->numeric && c->checked == ebb_tensor_numel(c->numeric);
    ebb__table_add(
        table, !c || !c->numeric ? "–"
               : all             ? value(t, c->numeric)
                     : SAY(t, EBB__SAY_CHECK_SOME, integer(t, c->checked), integer(t, ebb_tensor_numel(c->numeric))));
    if (c && c->numeric)
        ebb__table_add(table, PRINT(t, "%.1e %s%s%s", c->worst, c->ok ? t->good : t->bad, c->ok ? "✓" : "✗", t->plain));
    else ebb__table_add(table, "");
}

static void tell_gradients(struct teller *t) {
    static const enum ebb__phrase phrases[] = {EBB__SAY_HEAD_GRADIENT, EBB__SAY_HEAD_SHAPE, EBB__SAY_HEAD_VALUE,
                                               EBB__SAY_HEAD_DIFFERENCES, EBB__SAY_HEAD_WORST};
    struct ebb__table table = {.columns = t->r->checked ? 5 : 3};
    int64_t count = 0, shown = 0;
    heading(t, ebb__phrase_of(&t->arena, t->view->lang, EBB__SAY_GRADIENTS));
    head(t, &table, phrases);
    for (int32_t i = 0; i < t->r->n_nodes; i++) {
        if (t->r->nodes[i].kind != EBB__VARIABLE || ++count > t->view->limit) continue;
        shown++;
        if (t->r->checked) gradient_row(t, &table, i);
        else {
            struct ebb__table one = {.columns = 5};
            gradient_row(t, &one, i);
            for (int k = 0; k < 3 && k < one.n; k++) ebb__table_add(&table, one.cells[k]);
            ebb__table_free(&one);
        }
    }
    print_table(t, &table);
    if (count > shown) left_out(t, EBB__SAY_LEFT_OUT_VARIABLES, count - shown);
}

static void tell_check(struct teller *t) {
    bool ok;
    const char *verdict = ebb__report_verdict(&t->arena, t->r, t->view->lang, &ok);
    (void)fputc('\n', t->to);
    if (!t->r->checked) remark(t, verdict);
    else (void)fprintf(t->to, "%s%s%s\n", ok ? t->good : t->bad, verdict, t->plain);
    const char *bad = ebb__report_not_finite(&t->arena, t->r, t->view->lang);
    if (bad[0]) remark(t, bad);
    if (t->r->saved_bytes) remark(t, SAY(t, EBB__SAY_SAVED, integer(t, t->r->saved_bytes)));
    else remark(t, ebb__phrase_of(&t->arena, t->view->lang, EBB__SAY_SAVED_NOTHING));
}

/* ---- second derivatives, forward mode ---- */

static void tell_verdict(struct teller *t, const char *(*of)(struct ebb__arena *, const struct ebb__report *,
                                                             enum ebb_language, bool *)) {
    bool ok;
    const char *verdict = of(&t->arena, t->r, t->view->lang, &ok);
    (void)fprintf(t->to, "%s%s%s\n", ok ? t->good : t->bad, verdict, t->plain);
}

static void tell_hessian(struct teller *t) {
    struct ebb__table table = {.columns = 3};
    const char *root = name_of(t->r, t->r->root, t->r->root_output);
    if (!t->r->hessian_elements) return;
    heading(t, ebb__phrase_of(&t->arena, t->view->lang, EBB__SAY_HESSIAN));
    if (!t->r->n_hessian) {
        remark(t, SAY(t, EBB__SAY_HESSIAN_LARGE, integer(t, t->r->hessian_elements), integer(t, EBB__HESSIAN_MOST)));
        return;
    }
    for (int64_t i = 0; i < t->r->n_hessian; i++) {
        const struct ebb__report_hessian *h = &t->r->hessian[i];
        const struct ebb__report_output *row = &t->r->nodes[h->row].out[0], *column = &t->r->nodes[h->column].out[0];
        if (h->row > h->column) continue; /* it is symmetric */
        int64_t rows = ebb_tensor_numel(row->value), columns = ebb_tensor_numel(column->value);
        bool square = h->row == h->column;
        ebb__table_add(
            &table, square ? PRINT(t, "d²%s/d%s²", root, row->name.in[EBB__UNICODE])
                           : PRINT(t, "d²%s/d%s d%s", root, row->name.in[EBB__UNICODE], column->name.in[EBB__UNICODE]));
        ebb__table_add(&table, PRINT(t, "(%lld×%lld)", (long long)rows, (long long)columns));
        ebb_scope scope = ebb_scope_open();
        ebb__table_add(&table, value(t, rows * columns == 1 ? ebb_reshape(h->value, EBB_NO_DIMS)
                                                            : ebb_reshape(h->value, EBB_DIMS(rows, columns))));
        ebb_scope_close(&scope);
    }
    print_table(t, &table);
    (void)fputc('\n', t->to);
    if (t->r->n_hessian > 1) remark(t, ebb__phrase_of(&t->arena, t->view->lang, EBB__SAY_HESSIAN_BLOCKS));
    tell_verdict(t, ebb__report_hessian_verdict);
}

static void tell_tangents(struct teller *t) {
    struct ebb__table table = {.columns = 2 + (int)t->r->n_tangents};
    int64_t shown = 0;
    if (!t->r->n_tangents) return;
    heading(t, ebb__phrase_of(&t->arena, t->view->lang, EBB__SAY_TANGENTS));
    ebb__table_add(&table, ebb__phrase_of(&t->arena, t->view->lang, EBB__SAY_HEAD_NAME));
    ebb__table_add(&table, ebb__phrase_of(&t->arena, t->view->lang, EBB__SAY_HEAD_VALUE));
    for (int64_t k = 0; k < t->r->n_tangents; k++)
        ebb__table_add(&table, SAY(t, EBB__SAY_HEAD_MOVES, name_of(t->r, t->r->tangents[k].node, 0)));
    for (int64_t i = 0; i < t->r->n_nodes && shown < t->view->limit; i++) {
        const struct ebb__report_output *o = &t->r->nodes[i].out[0];
        bool any = false;
        for (int64_t k = 0; k < t->r->n_tangents; k++) any = any || t->r->tangents[k].values[i];
        if (!any) continue;
        ebb__table_add(&table, o->name.in[EBB__UNICODE]);
        ebb__table_add(&table, value(t, o->value));
        for (int64_t k = 0; k < t->r->n_tangents; k++)
            ebb__table_add(&table, t->r->tangents[k].values[i] ? value(t, t->r->tangents[k].values[i]) : "0");
        shown++;
    }
    print_table(t, &table);
    if (t->r->tangents_left) left_out(t, EBB__SAY_LEFT_OUT_VARIABLES, t->r->tangents_left);
    (void)fputc('\n', t->to);
    tell_verdict(t, ebb__report_tangents_verdict);
}

/* ---- the whole ---- */

ebb_status ebb__report_text(const struct ebb__report *r, const struct ebb__view *view) {
    struct teller t = {.r = r, .view = view, .to = view->to};
    const char **styles[] = {&t.bold, &t.dim, &t.good, &t.bad, &t.title, &t.plain};
    static const enum ebb__style which[] = {EBB__BOLD, EBB__DIM, EBB__GOOD, EBB__BAD, EBB__TITLE, EBB__PLAIN};
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) *styles[i] = ebb__style(view->to, which[i]);
    (void)fprintf(t.to, "%s%s%s\n", t.bold, ebb__report_title(&t.arena, r, view->lang), t.plain);
    if (r->expression) (void)fprintf(t.to, "%s%s%s\n", t.dim, ebb__report_setting(&t.arena, r, view->lang), t.plain);
    tell_variables(&t);
    tell_forward(&t);
    tell_backward(&t);
    tell_gradients(&t);
    tell_check(&t);
    tell_hessian(&t);
    tell_tangents(&t);
    ebb__arena_free(&t.arena);
    return ebb_error_status();
}
