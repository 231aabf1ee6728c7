/* The same values in other layouts, and how far two tensors are apart. For tests that run over many operators; made
 * without any operator. */
#ifndef EBB_TESTS_LAYOUTS_H
#define EBB_TESTS_LAYOUTS_H

#include "tensor/tensor.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum layout { CONTIGUOUS, TRANSPOSED, SLICED, EXPANDED, LAYOUTS };
static const char *const layout_names[LAYOUTS] = {"contiguous", "transposed", "sliced", "expanded"};

/* Strides: the first dimension innermost; every second element of something larger; the first dimension of more than
 * one element repeated. Returns whether the layout differs from the contiguous one. */
static inline bool layout_strides(enum layout layout, const ebb_dims *shape, ebb_dims *ret_strides) {
    ebb_dims s = {{0}, shape->n};
    int64_t next = layout == SLICED ? 2 : 1;
    bool repeated = false;
    for (int i = 0; i < shape->n; i++) {
        int d = layout == TRANSPOSED ? i : shape->n - 1 - i;
        s.d[d] = next;
        next *= shape->d[d] > 1 ? shape->d[d] : 1;
    }
    for (int d = 0; d < shape->n && layout == EXPANDED && !repeated; d++) {
        repeated = shape->d[d] > 1;
        if (repeated) s.d[d] = 0;
    }
    *ret_strides = s;
    return layout == SLICED || repeated || (layout == TRANSPOSED && shape->n > 1);
}

/* t's values in a layout, as a new leaf of the scope: NULL and numbers stay what they are. In the expanded layout the
 * values of the last row are everybody's. *changed becomes true when it is not simply contiguous. */
static inline ebb_tensor *lay_out(ebb_tensor *t, enum layout layout, bool *changed) {
    if (!t || ebb_tensor_is_number(t)) return t;
    ebb_dims shape = ebb_tensor_shape(t), strides;
    ebb_dtype dtype = ebb_tensor_dtype(t);
    int64_t offset = layout == SLICED, room = 2 * ebb_tensor_numel(t) + 2;
    if (layout_strides(layout, &shape, &strides)) *changed = true;
    ebb_tensor *all = ebb__tensor_new(dtype, 1, &room), *r = NULL;
    if (all) r = ebb__own(ebb__tensor_alias(all, shape.n, shape.d, strides.d, offset));
    ebb__unref(all);
    int64_t index[EBB_MAX_NDIM] = {0};
    for (int64_t e = 0; r && e < ebb_tensor_numel(t); e++) {
        int64_t from = 0, to = 0, size = (int64_t)ebb_dtype_size(dtype), rest = e;
        for (int d = shape.n - 1; d >= 0; d--) {
            index[d] = rest % shape.d[d];
            rest /= shape.d[d];
            from += index[d] * ebb__strides(t)[d];
            to += index[d] * strides.d[d];
        }
        memcpy(r->data + to * size, t->data + from * size, (size_t)size);
    }
    return r;
}

/* The largest |a - b| over all elements, relative to the largest |b| or 1; infinite for different shapes or dtypes, or
 * where only one is NaN or infinite. */
static inline double difference(const ebb_tensor *a, const ebb_tensor *b) {
    if (!a || !b) return a == b ? 0 : (double)INFINITY;
    ebb_dims p = ebb_tensor_shape(a), q = ebb_tensor_shape(b);
    if (!ebb__dims_equal(&p, &q)) return (double)INFINITY;
    size_t n = (size_t)ebb_tensor_numel(a);
    double *x = malloc((2 * n + 1) * sizeof *x), *y = x + n, worst = 0, scale = 1;
    if (!x || ebb_tensor_read(a, EBB_F64, x) || ebb_tensor_read(b, EBB_F64, y)) worst = (double)INFINITY;
    for (size_t i = 0; i < n && worst < (double)INFINITY; i++) {
        if (x[i] == y[i] || (isnan(x[i]) && isnan(y[i]))) continue;
        double d = fabs(x[i] - y[i]);
        worst = isfinite(d) ? fmax(worst, d) : (double)INFINITY;
        scale = fmax(scale, fabs(y[i]));
    }
    free(x);
    return worst / scale;
}

#endif
