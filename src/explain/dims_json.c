/* Dimensions as JSON: docs/explain-json.md describes it. */
#include "explain/dims.h"
#include "tool/json.h"

enum { WHOLE = 256 }; /* elements whose places are listed */

static void dims(struct ebb__json *j, const char *key, ebb_dims d) {
    ebb__json_open(j, key, '(');
    for (int i = 0; i < d.n; i++) ebb__json_int(j, NULL, d.d[i]);
    ebb__json_close(j);
}

static void write_tensor(struct ebb__json *j, struct ebb__arena *a, const struct ebb__dims_report *r,
                         const struct ebb__dims_tensor *x) {
    int64_t n = ebb_tensor_numel(x->t);
    double data[WHOLE];
    ebb__json_open(j, NULL, '{');
    ebb__json_text(j, "name", x->name);
    ebb__json_text(j, "dtype", ebb_dtype_name(ebb_tensor_dtype(x->t)));
    dims(j, "shape", ebb_tensor_shape(x->t));
    dims(j, "strides", ebb_tensor_strides(x->t));
    ebb__json_int(j, "offset", ebb_tensor_storage_offset(x->t));
    ebb__json_bool(j, "contiguous", ebb_tensor_is_contiguous(x->t));
    ebb__json_int(j, "storage", x->storage);
    ebb__json_int(j, "storage_elements", ebb_tensor_numel(r->storages[x->storage]));
    ebb__json_text(j, "address", ebb__dims_address(a, x->t));
    if (n <= WHOLE && !(ebb_tensor_read)(x->t, EBB_F64, data)) {
        ebb__json_open(j, "places", '(');
        for (int64_t i = 0; i < n; i++) ebb__json_int(j, NULL, ebb__dims_place(x->t, i));
        ebb__json_close(j);
        ebb__json_open(j, "data", '(');
        for (int64_t i = 0; i < n; i++) ebb__json_number(j, NULL, data[i]);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

static void write_gives(struct ebb__json *j, const struct ebb__dims_step *s) {
    ebb__json_open(j, "gives", '[');
    for (int64_t i = 0; i < s->n_gives; i++) {
        const struct ebb__dims_give *g = &s->gives[i];
        ebb__json_open(j, NULL, '{');
        ebb__json_text(j, "symbol", g->symbol.in[EBB__UNICODE]);
        ebb__json_text(j, "symbol_latex", g->symbol.in[EBB__LATEX]);
        ebb__json_text(j, "formula", g->formula.in[EBB__UNICODE]);
        ebb__json_text(j, "formula_latex", g->formula.in[EBB__LATEX]);
        if (g->shapes) ebb__json_text(j, "shapes", g->shapes);
        dims(j, "shape", g->shape);
        dims(j, "summed", g->summed);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

static void write_step(struct ebb__json *j, struct ebb__arena *a, const struct ebb__dims_report *r,
                       const struct ebb__dims_step *s, enum ebb_language lang) {
    const char *alignment = ebb__dims_alignment(a, s);
    ebb__json_open(j, NULL, '{');
    ebb__json_text(j, "source", s->source);
    ebb__json_int(j, "start", s->place.at);
    ebb__json_int(j, "end", s->place.end);
    ebb__json_text(j, "op", s->op);
    ebb__json_text(j, "local", s->local);
    ebb__json_open(j, "inputs", '[');
    for (int64_t i = 0; i < s->n_in; i++) write_tensor(j, a, r, &s->in[i]);
    ebb__json_close(j);
    ebb__json_open(j, "outputs", '[');
    for (int64_t i = 0; i < s->n_out; i++) write_tensor(j, a, r, &s->out[i]);
    ebb__json_close(j);
    ebb__json_bool(j, "shares", s->shares);
    if (alignment) ebb__json_text(j, "alignment", alignment);
    if (s->what != EBB__N_PHRASES) ebb__json_text(j, "what", ebb__phrase_of(a, lang, s->what));
    if (s->back != EBB__N_PHRASES) ebb__json_text(j, "backward", ebb__phrase_of(a, lang, s->back));
    write_gives(j, s);
    ebb__json_close(j);
}

void ebb__dims_json(const struct ebb__dims_report *r, struct ebb__json *j, enum ebb_language lang) {
    struct ebb__arena a = {0};
    ebb__json_open(j, NULL, '{');
    ebb__json_text(j, "expression", r->expression);
    ebb__json_open(j, "steps", '[');
    for (int64_t i = 0; i < r->n; i++) write_step(j, &a, r, &r->steps[i], lang);
    ebb__json_close(j);
    if (r->failure) ebb__json_text(j, "failure", r->failure);
    if (r->caret) ebb__json_text(j, "caret", r->caret);
    ebb__json_close(j);
    ebb__arena_free(&a);
}
