/* The largest and the smallest: max, min, amax, amin, argmax, argmin, and max and min along one dimension with their
 * indices. Every one is a pair that differs in the kernel and its names only. */
#define EBB_FAMILY "Reductions"
#include "ops/batching.h"
#include "ops/reduce.h"
#include <math.h>

typedef ebb_status extreme_kernel(int ndim, const int64_t *shape, ebb_dtype dtype, const void *src,
                                  const int64_t *src_stride, void *dst, const int64_t *dst_stride, int64_t *index,
                                  const int64_t *index_stride);

/* Values into `values`, places into `indices`; either may be NULL. */
static ebb_status run(extreme_kernel *kernel, const ebb_tensor *x, const ebb_dims *dim, ebb_tensor *values,
                      ebb_tensor *indices) {
    struct ebb__reduction v = ebb__reduction_of(x, dim, ebb__dtype_sizes[x->dtype]);
    struct ebb__reduction i = ebb__reduction_of(x, dim, sizeof(int64_t));
    return kernel(x->ndim, x->dims, (ebb_dtype)x->dtype, x->data, v.from, values ? values->data : NULL, v.to,
                  indices ? (int64_t *)(void *)indices->data : NULL, i.to);
}

static ebb_status infer_shape(const struct ebb_infer *f, const ebb_dims *dim, bool keepdim, ebb_meta *out) {
    const ebb_dims *shape = &f->in[0].shape;
    out->shape = ebb__reduced_shape(shape, dim, keepdim);
    if (ebb__reduced_count(shape, dim)) return EBB_OK;
    for (int i = 0; i < out->shape.n; i++)
        if (out->shape.d[i] == 0) return EBB_OK; /* nothing of nothing */
    return ebb_fail(EBB_ERR_SHAPE, "there are no elements to choose from");
}

/* ---- over all elements: ties share the gradient ---- */

static ebb_status all_infer(struct ebb_infer *f) { return infer_shape(f, &EBB_NO_DIMS, false, f->out); }

ebb_tensor *ebb__is_chosen(ebb_tensor *x, ebb_tensor *y) {
    if (ebb__is_batched(y)) return ebb_where(ebb_isnan(y), ebb_isnan(x), ebb_eq(x, y));
    return isnan(ebb_item(y)) ? ebb_isnan(x) : ebb_eq(x, y);
}

static void all_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *x = v->in[0], *y = v->out[0];
    ebb_tensor *chosen = ebb__is_chosen(x, y);
    ebb_vjp_give(v, 0, ebb_where(chosen, ebb_div(v->grad[0], ebb_sum(chosen)), 0.0));
}

#define ALL(name_, node_, words) \
    static void name_##_batch(struct ebb_batch_call *b) { \
        ebb_tensor *lines = ebb_reshape(b->in[0], EBB_DIMS(b->size, -1)); \
        ebb_batch_give(b, 0, ebb_a##name_(lines, .dim = EBB_DIMS(1))); \
    } \
    static ebb_status name_##_forward(struct ebb_forward *f) { \
        return run(ebb__reduce_##name_, f->in[0], &EBB_NO_DIMS, f->out[0], NULL); \
    } \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor self -> Tensor"), \
        .doc = EBB_TEXT( \
            "The " words \
            " of all elements; NaN if any is. Elements that tie share the gradient evenly. Along one dimension, " \
            "with indices: " #name_ "_dim."), \
        .batch = name_##_batch, \
        .torch = EBB_TEXT("torch." #name_), \
        .node = node_, \
        .infer = all_infer, \
        .forward = name_##_forward, \
        .vjp = all_vjp, \
        .saves = {EBB_IN(0) | EBB_OUT(0)}, \
        .formula = EBB_FORMULAS("where(self == y, g / sum(self == y), 0)"), \
        .samples = EBB_SAMPLES("(3,4)", "()", "(2,3,4)", "i5(7)", "b(3)", "! (0)", "! (2,0)"), \
    };

ALL(max, "MaxBackward1", "largest")
ALL(min, "MinBackward1", "smallest")

/* ---- over some dimensions: ties share the gradient ---- */

#define SAME_LAYOUT(a, b) \
    _Static_assert(sizeof(struct ebb__attrs_##a) == sizeof(struct ebb__attrs_##b) && \
                       offsetof(struct ebb__attrs_##a, keepdim) == offsetof(struct ebb__attrs_##b, keepdim), \
                   #a " and " #b " have the same attributes, so their rules read them alike")
SAME_LAYOUT(amax, amin);
SAME_LAYOUT(argmax, argmin);
SAME_LAYOUT(amax, argmax);
SAME_LAYOUT(max_dim, min_dim);

static ebb_status some_infer(struct ebb_infer *f) {
    const struct ebb__attrs_amax *a = f->attrs;
    return infer_shape(f, &a->dim, a->keepdim, f->out);
}

static void some_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_amax *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0);
    ebb_tensor *g = ebb__reduced_restore(v->grad[0], shape, &a->dim, a->keepdim);
    ebb_tensor *chosen = ebb_eq(v->in[0], ebb__reduced_restore(v->out[0], shape, &a->dim, a->keepdim));
    ebb_tensor *count = ebb_sum(chosen, .dim = a->dim, .keepdim = true);
    ebb_vjp_give(v, 0, ebb_div(ebb_mul(g, chosen), count));
}

#define SOME(name_, kernel_, node_, words) \
    static ebb_status name_##_forward(struct ebb_forward *f) { \
        const struct ebb__attrs_##name_ *a = f->attrs; \
        return run(kernel_, f->in[0], &a->dim, f->out[0], NULL); \
    } \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor self, dims dim=all, bool keepdim=false -> Tensor"), \
        .doc = EBB_TEXT( \
            "The " words \
            " over the dimensions listed in dim, or over all; NaN if any is. Elements that tie share the gradient " \
            "evenly."), \
        .batch = ebb_batch_dims, \
        .torch = EBB_TEXT("torch." #name_), \
        .node = node_, \
        .infer = some_infer, \
        .forward = name_##_forward, \
        .vjp = some_vjp, \
        .saves = {EBB_IN(0) | EBB_OUT(0)}, \
        .formula = EBB_FORMULAS( \
            "m = self == restore(y, self, dim, keepdim); restore(g, self, dim, keepdim) * m / sum(m, dim, True)"), \
        .samples = EBB_SAMPLES("(3,4)", "(3,4) dim=(1)", "(2,3,4) dim=(0,2) keepdim=true", "(0,3) dim=(1)", "()", \
                               "() dim=(-1)", "i5(3,4) dim=(0)", "! (0,3) dim=(0)", "! (3) dim=(1)"), \
    };

SOME(amax, ebb__reduce_max, "AmaxBackward0", "largest")
SOME(amin, ebb__reduce_min, "AminBackward0", "smallest")

/* ---- where it is ---- */

static ebb_status arg_infer(struct ebb_infer *f) {
    const struct ebb__attrs_argmax *a = f->attrs;
    f->out->dtype = EBB_I64;
    if (a->dim.n > 1)
        return ebb_fail(EBB_ERR_ARGUMENT, "dim lists %d dimensions; expected one, or none for all", (int)a->dim.n);
    return infer_shape(f, &a->dim, a->keepdim, f->out);
}

#define ARG(name_, kernel_, words) \
    static ebb_status name_##_forward(struct ebb_forward *f) { \
        const struct ebb__attrs_##name_ *a = f->attrs; \
        return run(kernel_, f->in[0], &a->dim, NULL, f->out[0]); \
    } \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor self, dims dim=all, bool keepdim=false -> Tensor"), \
        .doc = EBB_TEXT("The index (int64) of the first " words \
                        " element along dim, a list of one, or in row-major order over all. A NaN " \
                        "counts as the " words "."), \
        .batch = ebb_batch_dims, \
        .torch = EBB_TEXT("torch." #name_), \
        .dtypes = EBB_NUMERIC, \
        .infer = arg_infer, \
        .forward = name_##_forward, \
        .no_derivative = true, \
        .samples = EBB_SAMPLES("(3,4)", "(3,4) dim=(1)", "(2,3,4) dim=(-2) keepdim=true", "()", "(0,3) dim=(1)", \
                               "i5(9)", "! (0)", "! (3,4) dim=(0,1)"), \
    };

ARG(argmax, ebb__reduce_max, "largest")
ARG(argmin, ebb__reduce_min, "smallest")

/* ---- along one dimension, with its index, which receives the gradient ---- */

static ebb_status dim_infer(struct ebb_infer *f) {
    const struct ebb__attrs_max_dim *a = f->attrs;
    ebb_dims dim = EBB_DIMS(a->dim);
    ebb_status status = infer_shape(f, &dim, a->keepdim, &f->out[0]);
    f->out[1].shape = f->out[0].shape;
    f->out[1].dtype = EBB_I64;
    return status;
}

static void dim_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_max_dim *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0), dim = EBB_DIMS(a->dim);
    ebb_tensor *g = ebb__reduced_restore(v->grad[0], shape, &dim, a->keepdim);
    ebb_tensor *index = ebb__reduced_restore(v->out[1], shape, &dim, a->keepdim);
    ebb_vjp_give(v, 0, ebb_scatter_add(ebb_zeros(shape, .dtype = ebb_tensor_dtype(g)), index, g, a->dim));
}

#define DIM(name_, of_, kernel_, node_, torch_, words) \
    static ebb_status name_##_forward(struct ebb_forward *f) { \
        const struct ebb__attrs_##name_ *a = f->attrs; \
        return run(kernel_, f->in[0], &EBB_DIMS(a->dim), f->out[0], f->out[1]); \
    } \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor self, dim dim, bool keepdim=false -> Tensor values, Tensor indices"), \
        .doc = EBB_TEXT( \
            "The " words \
            " element along dim and its index (int64), the first one where several tie; that element receives the " \
            "gradient. NaN if any is."), \
        .batch = ebb_batch_dims, \
        .torch = EBB_TEXT(torch_), \
        .overload = of_, \
        .node = node_, \
        .infer = dim_infer, \
        .forward = name_##_forward, \
        .vjp = dim_vjp, \
        .saves = {EBB_OUT(1)}, \
        .formula = EBB_FORMULAS( \
            "scatter(zeros_like(self), dim, restore(indices, self, dim, keepdim), restore(g, self, dim, keepdim))"), \
        .samples = EBB_SAMPLES("(3,4) dim=1", "(2,3,4) dim=-2 keepdim=true", "() dim=0", "(0,3) dim=1", \
                               "i5(4,3) dim=0", "! (0,3) dim=0", "! (3) dim=1"), \
    };

DIM(max_dim, "max", ebb__reduce_max, "MaxBackward0", "torch.max(input, dim)", "largest")
DIM(min_dim, "min", ebb__reduce_min, "MinBackward0", "torch.min(input, dim)", "smallest")
