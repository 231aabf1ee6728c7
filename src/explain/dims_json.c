/* Dimensions as JSON: docs/explain-json.md describes it. */
#include "explain/dims.h"
#include "explain/json.h"

enum { WHOLE = 256 }; /* elements whose places and values are listed */

/* A sentence made by a function of language and arguments, in the languages of the view. */
#define SAY(v, key, make, ...) \
    ebb__json_say(v, key, make((v)->arena, EBB_ENGLISH, __VA_ARGS__), make((v)->arena, EBB_CHINESE, __VA_ARGS__))

static void write_tensor(const struct ebb__json_view *v, const struct ebb__dims_report *r,
                         const struct ebb__dims_tensor *x) {
    struct ebb__json *j = v->j;
    int64_t n = ebb_tensor_numel(x->t);
    bool contiguous = ebb_tensor_is_contiguous(x->t);
    double data[WHOLE];
    ebb__json_open(j, NULL, '{');
    ebb__json_text(j, "name", x->name);
    ebb__json_text(j, "dtype", ebb_dtype_name(ebb_tensor_dtype(x->t)));
    ebb__json_dims(j, "shape", ebb_tensor_shape(x->t));
    ebb__json_dims(j, "strides", ebb_tensor_strides(x->t));
    ebb__json_int(j, "offset", ebb_tensor_storage_offset(x->t));
    ebb__json_bool(j, "contiguous", contiguous);
    if (!contiguous) SAY(v, "why_not_contiguous", ebb__dims_why_not_contiguous, x);
    if (x->from) {
        ebb__json_open(j, "from", '{');
        ebb__json_int(j, "step", x->from);
        ebb__json_text(j, "name", x->from_name);
        ebb__json_close(j);
    }
    ebb__json_int(j, "storage", x->storage);
    ebb__json_int(j, "storage_elements", r->storages[x->storage].elements);
    ebb__json_text(j, "address", ebb__dims_address(v->arena, x->t));
    if (n <= WHOLE && !(ebb_tensor_read)(x->then, EBB_F64, data)) {
        ebb__json_open(j, "places", '(');
        for (int64_t i = 0; i < n; i++) ebb__json_int(j, NULL, ebb__dims_place(x->t, i));
        ebb__json_close(j);
        ebb__json_open(j, "data", '(');
        for (int64_t i = 0; i < n; i++) ebb__json_value(j, NULL, data[i]);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

static void write_gives(struct ebb__json *j, const struct ebb__dims_step *s) {
    ebb__json_open(j, "gives", '[');
    for (int64_t i = 0; i < s->n_gives; i++) {
        const struct ebb__dims_give *g = &s->gives[i];
        ebb__json_open(j, NULL, '{');
        ebb__json_text(j, "to", g->name);
        ebb__json_bool(j, "again", g->again);
        ebb__json_text(j, "symbol", g->symbol.in[EBB__UNICODE]);
        ebb__json_text(j, "symbol_latex", g->symbol.in[EBB__LATEX]);
        ebb__json_text(j, "formula", g->formula.in[EBB__UNICODE]);
        ebb__json_text(j, "formula_latex", g->formula.in[EBB__LATEX]);
        if (g->shapes) ebb__json_text(j, "shapes", g->shapes);
        ebb__json_dims(j, "shape", g->shape);
        ebb__json_dims(j, "summed", g->summed);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

static void write_step(const struct ebb__json_view *v, const struct ebb__dims_report *r,
                       const struct ebb__dims_step *s) {
    struct ebb__json *j = v->j;
    const char *alignment = ebb__dims_alignment(v->arena, s);
    ebb__json_open(j, NULL, '{');
    ebb__json_text(j, "source", s->source);
    ebb__json_int(j, "start", s->place.at);
    ebb__json_int(j, "end", s->place.end);
    ebb__json_text(j, "op", s->op);
    ebb__json_text(j, "local", s->local);
    ebb__json_open(j, "inputs", '[');
    for (int64_t i = 0; i < s->n_in; i++) write_tensor(v, r, &s->in[i]);
    ebb__json_close(j);
    ebb__json_open(j, "outputs", '[');
    for (int64_t i = 0; i < s->n_out; i++) write_tensor(v, r, &s->out[i]);
    ebb__json_close(j);
    ebb__json_bool(j, "shares", s->shares);
    if (alignment) ebb__json_text(j, "alignment", alignment);
    if (s->what != EBB__N_PHRASES) SAY(v, "what", ebb__phrase_of, s->what);
    if (s->clash.inner) SAY(v, "why_no_view", ebb__dims_why_no_view, s);
    if (s->back != EBB__N_PHRASES) SAY(v, "backward", ebb__phrase_of, s->back);
    write_gives(j, s);
    ebb__json_close(j);
}

void ebb__dims_json(const struct ebb__dims_report *r, const struct ebb__json_view *v) {
    ebb__json_open(v->j, NULL, '{');
    ebb__json_text(v->j, "expression", r->expression);
    ebb__json_open(v->j, "steps", '[');
    for (int64_t i = 0; i < r->n; i++) write_step(v, r, &r->steps[i]);
    ebb__json_close(v->j);
    if (r->error.status) ebb__json_text(v->j, "failure", r->error.message);
    if (r->caret) ebb__json_text(v->j, "caret", r->caret);
    ebb__json_close(v->j);
}
