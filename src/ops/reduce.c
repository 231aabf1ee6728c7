/* Sums and means over any dimensions. */
#define EBB_FAMILY "Reductions"
#include "ops/reduce.h"

/* ---- what all reductions share ---- */

static bool is_reduced(int i, const ebb_dims *dim) {
    for (int k = 0; k < dim->n; k++)
        if (dim->d[k] == i) return true;
    return dim->n == 0;
}

ebb_dims ebb__reduced_shape(const ebb_dims *shape, const ebb_dims *dim, bool keepdim) {
    ebb_dims r = {0, {0}};
    for (int i = 0; i < shape->n; i++) {
        bool gone = is_reduced(i, dim);
        if (!gone || keepdim) r.d[r.n++] = gone ? 1 : shape->d[i];
    }
    return r;
}

int64_t ebb__reduced_count(const ebb_dims *shape, const ebb_dims *dim) {
    int64_t count = 1;
    for (int i = 0; i < shape->n; i++)
        if (is_reduced(i, dim)) count *= shape->d[i];
    return count;
}

struct ebb__reduction ebb__reduction_of(const ebb_tensor *x, const ebb_dims *dim, size_t element) {
    struct ebb__reduction r = {{0}, {0}};
    int64_t next = (int64_t)element;
    for (int i = x->ndim - 1; i >= 0; i--) {
        r.from[i] = ebb__strides(x)[i] * (int64_t)ebb__dtype_sizes[x->dtype];
        if (is_reduced(i, dim)) continue;
        r.to[i] = next;
        next *= x->dims[i] > 1 ? x->dims[i] : 1;
    }
    return r;
}

ebb_tensor *ebb__reduced_restore(ebb_tensor *y, ebb_dims shape, const ebb_dims *dim, bool keepdim) {
    if (keepdim || dim->n == 0 || shape.n == 0) return y; /* of all dimensions: 0-d, and broadcasts as it is */
    return ebb_view(y, ebb__reduced_shape(&shape, dim, true));
}

/* ---- sum, mean ---- */

_Static_assert(sizeof(struct ebb__attrs_sum) == sizeof(struct ebb__attrs_mean) &&
                   offsetof(struct ebb__attrs_sum, keepdim) == offsetof(struct ebb__attrs_mean, keepdim) &&
                   offsetof(struct ebb__attrs_sum, dtype) == offsetof(struct ebb__attrs_mean, dtype),
               "sum and mean have the same attributes, so their rules read them alike");

static ebb_status sum_infer(struct ebb_infer *f) {
    const struct ebb__attrs_sum *a = f->attrs;
    f->out->shape = ebb__reduced_shape(&f->in[0].shape, &a->dim, a->keepdim);
    f->out->dtype = a->dtype ? a->dtype : ebb_dtype_is_floating(f->dtype) ? f->dtype : EBB_I64;
    return EBB_OK;
}

/* The kernel sums floats in their own dtype and integers in int64; other dtypes are reached by a cast before and
 * after. */
static ebb_status sum_forward(struct ebb_forward *f) {
    const struct ebb__attrs_sum *a = f->attrs;
    ebb_tensor *x = f->in[0], *y = f->out[0];
    ebb_dtype to = (ebb_dtype)y->dtype, in = ebb_dtype_is_floating(to) ? to : EBB_I64;
    bool cast_in = x->dtype != to && (to != EBB_I64 || ebb_dtype_is_floating((ebb_dtype)x->dtype));
    ebb_tensor *from = cast_in ? ebb__cast(x, to) : x;
    ebb_tensor *into = in == to ? y : ebb__tensor_new_like(y, in);
    ebb_status status = from && into ? EBB_OK : ebb_error_status();
    if (!status) {
        struct ebb__reduction r = ebb__reduction_of(from, &a->dim, ebb__dtype_sizes[in]);
        status =
            ebb__reduce_sum(from->ndim, from->dims, (ebb_dtype)from->dtype, from->data, r.from, in, into->data, r.to);
    }
    if (!status && into != y) status = ebb__copy_into(y, into);
    if (into != y) ebb__unref(into);
    if (from != x) ebb__unref(from);
    return status;
}

static const char *sum_node(const void *attrs, ebb_tensor *const *in) {
    (void)in;
    return ((const struct ebb__attrs_sum *)attrs)->dim.n ? "SumBackward1" : "SumBackward0";
}

static void sum_vjp(struct ebb_vjp *v) {
    const struct ebb__attrs_sum *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0);
    ebb_vjp_give(v, 0, ebb_expand(ebb__reduced_restore(v->grad[0], shape, &a->dim, a->keepdim), shape));
}

const struct ebb_op ebb_op_sum = {
    EBB_SIGNATURE(sum, "Tensor self, dims dim=all, bool keepdim=false, dtype dtype=none -> Tensor"),
    .doc =
        "The sum over the dimensions listed in dim, or over all. Integers and bool sum to int64; dtype casts first. The sum "
        "of nothing is 0. Floating sums are pairwise, so that rounding grows with the logarithm of the count.",
    .torch = "torch.sum",
    .node = "SumBackward0",
    .node_variant = sum_node,
    .infer = sum_infer,
    .forward = sum_forward,
    .vjp = sum_vjp,
    .jvp = ebb_jvp_linear,
    .formula = {"expand(g, shape of self)"},
    .samples = {"(3,4)", "(3,4) dim=(1)", "(2,3,4) dim=(0,-1) keepdim=true", "(2,0,3) dim=(1)", "()", "() dim=(0)",
                "i5(3,4)", "b(2,3) dim=(0)", "i5(3) dtype=float64", "! (3,4) dim=(2)", "! (3,4) dim=(0,-2)"},
};

static ebb_status mean_infer(struct ebb_infer *f) {
    const struct ebb__attrs_mean *a = f->attrs;
    f->out->shape = ebb__reduced_shape(&f->in[0].shape, &a->dim, a->keepdim);
    f->out->dtype = a->dtype ? a->dtype : f->dtype;
    if (ebb_dtype_is_floating(f->out->dtype)) return EBB_OK;
    return ebb_fail(EBB_ERR_DTYPE, "needs a floating-point dtype, got %s; choose one with .dtype",
                    ebb_dtype_name(f->out->dtype));
}

static ebb_status mean_forward(struct ebb_forward *f) {
    const struct ebb__attrs_mean *a = f->attrs;
    ebb_tensor *y = f->out[0];
    ebb_status status = sum_forward(f);
    if (status) return status;
    ebb_dims shape = ebb_tensor_shape(f->in[0]);
    char count[sizeof(double)];
    ebb__store(count, (ebb_dtype)y->dtype, (double)ebb__reduced_count(&shape, &a->dim));
    int64_t step = (int64_t)ebb__dtype_sizes[y->dtype];
    ebb__loops_div[y->dtype](y->numel, (char *const[]){y->data, y->data, count}, (const int64_t[]){step, step, 0},
                             NULL);
    return EBB_OK;
}

static const char *mean_node(const void *attrs, ebb_tensor *const *in) {
    (void)in;
    return ((const struct ebb__attrs_mean *)attrs)->dim.n ? "MeanBackward1" : "MeanBackward0";
}

static void mean_vjp(struct ebb_vjp *v) {
    const struct ebb__attrs_mean *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0);
    ebb_tensor *g = ebb_div(v->grad[0], (double)ebb__reduced_count(&shape, &a->dim));
    ebb_vjp_give(v, 0, ebb_expand(ebb__reduced_restore(g, shape, &a->dim, a->keepdim), shape));
}

const struct ebb_op ebb_op_mean = {
    EBB_SIGNATURE(mean, "Tensor self, dims dim=all, bool keepdim=false, dtype dtype=none -> Tensor"),
    .doc =
        "The mean over the dimensions listed in dim, or over all: sum / count. For floating point; integers need dtype, which "
        "casts first. The mean of nothing is NaN.",
    .torch = "torch.mean",
    .node = "MeanBackward0",
    .node_variant = mean_node,
    .infer = mean_infer,
    .forward = mean_forward,
    .vjp = mean_vjp,
    .jvp = ebb_jvp_linear,
    .formula = {"expand(g / count, shape of self)"},
    .samples = {"(3,4)", "(3,4) dim=(-1)", "(2,3,4) dim=(0,2) keepdim=true", "(2,0,3) dim=(0)", "()",
                "i5(3) dtype=float64", "! i5(3,4)", "! (3,4) dim=(5)"},
};
