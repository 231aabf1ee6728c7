/* Where elements lie: places in the storage, what keeps a tensor from being a view, or contiguous, and shapes under one
 * another. */
#include "explain/dims.h"

const char ebb__dims_indices[] = "ijklmnop";

int64_t ebb__dims_place(const ebb_tensor *t, int64_t at) {
    ebb_dims shape = ebb_tensor_shape(t), strides = ebb_tensor_strides(t);
    int64_t place = ebb_tensor_storage_offset(t);
    for (int d = shape.n - 1; d >= 0; d--) {
        place += at % shape.d[d] * strides.d[d];
        at /= shape.d[d];
    }
    return place;
}

const char *ebb__dims_address(struct ebb__arena *a, const ebb_tensor *t) {
    ebb_dims shape = ebb_tensor_shape(t), strides = ebb_tensor_strides(t);
    int64_t offset = ebb_tensor_storage_offset(t);
    const char *text = offset ? ebb__arena_print(a, "%lld", (long long)offset) : "";
    for (int d = 0; d < shape.n && text; d++) {
        if (strides.d[d] == 0 || shape.d[d] == 1) continue;
        const char *plus = text[0] ? " + " : "";
        text = strides.d[d] == 1
                   ? ebb__arena_print(a, "%s%s%c", text, plus, ebb__dims_indices[d])
                   : ebb__arena_print(a, "%s%s%lld·%c", text, plus, (long long)strides.d[d], ebb__dims_indices[d]);
    }
    return text && text[0] ? text : "0";
}

ebb_dims ebb__dims_row_by_row(ebb_dims shape) {
    ebb_dims strides = shape;
    int64_t next = 1;
    for (int d = shape.n - 1; d >= 0; d--) {
        strides.d[d] = next;
        next *= shape.d[d] > 1 ? shape.d[d] : 1;
    }
    return strides;
}

/* ---- why there is no view ---- */

/* Whether the last dimensions of a shape have `n` elements together. */
static bool ends_with(ebb_dims shape, int64_t n) {
    int64_t together = 1;
    for (int d = shape.n - 1; d >= 0 && together < n; d--) together *= shape.d[d];
    return together == n;
}

/* Dimensions whose elements do not follow one another evenly may stay apart in the new shape, but not become one. */
bool ebb__dims_clash(const ebb_tensor *t, ebb_dims shape, struct ebb__dims_clash *ret_clash) {
    ebb_dims sizes = ebb_tensor_shape(t), strides = ebb_tensor_strides(t);
    int64_t behind = 1; /* elements of the dimensions behind d */
    int inner = -1;     /* the next of these that has more than one */
    for (int d = sizes.n - 1; d >= 0; d--) {
        if (sizes.d[d] == 0) return false;
        if (sizes.d[d] == 1) continue;
        if (inner >= 0 && strides.d[d] != sizes.d[inner] * strides.d[inner] && !ends_with(shape, behind)) {
            *ret_clash = (struct ebb__dims_clash){d, inner, strides.d[d], sizes.d[inner], strides.d[inner]};
            return true;
        }
        behind *= sizes.d[d];
        inner = d;
    }
    return false;
}

const char *ebb__dims_why_no_view(struct ebb__arena *a, enum ebb_language lang, const struct ebb__dims_step *s) {
    const struct ebb__dims_clash *c = &s->clash;
    if (!c->inner) return NULL;
    const char *product = ebb__arena_print(a, "%lld·%lld = %lld", (long long)c->inner_size, (long long)c->inner_stride,
                                           (long long)(c->inner_size * c->inner_stride));
    return ebb__phrase_of(a, lang, EBB__SAY_WHY_NO_VIEW, ebb__arena_print(a, "%d", c->outer),
                          ebb__arena_print(a, "%d", c->inner), s->in[0].name,
                          ebb__arena_print(a, "%lld", (long long)c->outer_stride), product);
}

const char *ebb__dims_why_not_contiguous(struct ebb__arena *a, enum ebb_language lang,
                                         const struct ebb__dims_tensor *x) {
    if (ebb_tensor_is_contiguous(x->t)) return NULL;
    struct ebb__text strides = {0};
    ebb__typeset_dims(&strides, ebb__dims_row_by_row(ebb_tensor_shape(x->t)));
    const char *text = ebb__phrase_of(a, lang, EBB__SAY_WHY_NOT_CONTIGUOUS, x->name, ebb__text_of(&strides));
    ebb__text_free(&strides);
    return text;
}

/* ---- how inputs are brought together ---- */

/* A shape in columns of `width` dimensions, the last one to the right; of a vector in a product to the right of it, the
 * last but one. */
static void align(struct ebb__text *text, const struct ebb__dims_tensor *x, int width, bool column) {
    ebb_dims d = ebb_tensor_shape(x->t);
    int from = width - d.n - column;
    ebb__text_put(text, "%-5s", x->name);
    for (int k = 0; k < from + d.n; k++) {
        if (k < from) ebb__text_put(text, "%5s", "");
        else ebb__text_put(text, "%5lld", (long long)d.d[k - from]);
    }
}

/* An input; the factors of A @ A are one. */
static const struct ebb__dims_tensor *factor(const struct ebb__dims_step *s, int64_t i) {
    return &s->in[i < s->n_in ? i : s->n_in - 1];
}

const char *ebb__dims_alignment(struct ebb__arena *a, const struct ebb__dims_step *s) {
    bool matrices = ebb__dims_is_matmul(s), broadcast = s->what == EBB__SAY_BROADCAST;
    if ((!matrices && !broadcast) || s->n_out != 1 || !s->n_in) return NULL;
    int64_t n_in = matrices ? 2 : s->n_in;
    int width = matrices ? 2 : 1;
    struct ebb__text text = {0};
    for (int64_t i = 0; i <= n_in; i++) {
        int n = ebb_tensor_ndim(i < n_in ? factor(s, i)->t : s->out[0].t);
        if (n > width) width = n;
    }
    for (int64_t i = 0; i < n_in; i++) {
        align(&text, factor(s, i), width, matrices && i == 1 && ebb_tensor_ndim(factor(s, i)->t) == 1);
        ebb__text_put(&text, "\n");
    }
    /* of a product the row, or the column, that was made up is gone again */
    align(&text, &s->out[0], width,
          matrices && ebb_tensor_ndim(factor(s, 1)->t) == 1 && ebb_tensor_ndim(s->out[0].t) > 0);
    const char *copy = ebb__arena_copy(a, ebb__text_of(&text), (size_t)text.n);
    ebb__text_free(&text);
    return copy;
}
