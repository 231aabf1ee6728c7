/* Sums, means, products, and what is like them, over any dimensions. */
#define EBB_FAMILY "Reductions"
#include "ops/batching.h"
#include "ops/reduce.h"
#include "ops/scan.h"

/* ---- what all reductions share ---- */

static bool is_reduced(int i, const ebb_dims *dim) {
    for (int k = 0; k < dim->n; k++)
        if (dim->d[k] == i) return true;
    return dim->n == 0;
}

ebb_dims ebb__reduced_shape(const ebb_dims *shape, const ebb_dims *dim, bool keepdim) {
    ebb_dims r = {0};
    for (int i = 0; i < shape->n; i++) {
        bool gone = is_reduced(i, dim);
        if (!gone || keepdim) r.d[r.n++] = gone ? 1 : shape->d[i];
    }
    return r;
}

bool ebb__one_dim(const ebb_dims *dim, int64_t otherwise, int ndim, int64_t *ret_dim) {
    *ret_dim = dim->n ? dim->d[0] : otherwise;
    if (dim->n <= 1 && ebb__wrap_dim(ret_dim, ndim)) return true;
    if (dim->n > 1) (void)ebb_fail(EBB_ERR_INDEX, "dim lists %d dimensions; expected one", (int)dim->n);
    else (void)ebb_fail(EBB_ERR_INDEX, "dim is out of range: dimension %lld of %d", (long long)*ret_dim, ndim);
    return false;
}

int64_t ebb__reduced_count(const ebb_dims *shape, const ebb_dims *dim) {
    int64_t count = 1;
    for (int i = 0; i < shape->n; i++)
        if (is_reduced(i, dim)) count *= shape->d[i];
    return count;
}

ebb_tensor *ebb__reduced_share(ebb_tensor *g, int64_t count) { return count ? ebb_div(g, (double)count) : g; }

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

ebb_status ebb__fold_into(ebb__fold what, ebb_tensor *x, const ebb_dims *dim, ebb_tensor *y) {
    ebb_dtype to = (ebb_dtype)y->dtype, in = ebb_dtype_is_floating(to) ? to : EBB_I64;
    bool cast_in =
        x->dtype != to && (to != EBB_I64 || (ebb_dtype_is_floating((ebb_dtype)x->dtype) && what != EBB__FOLD_COUNT));
    ebb_tensor *from = cast_in ? ebb__cast(x, to) : x;
    ebb_tensor *into = in == to ? y : ebb__tensor_new_like(y, in);
    ebb_status status = from && into ? EBB_OK : ebb_error_status();
    if (!status) {
        struct ebb__reduction r = ebb__reduction_of(from, dim, ebb__dtype_sizes[in]);
        status = ebb__reduce_fold(what, from->ndim, from->dims, (ebb_dtype)from->dtype, from->data, r.from, in,
                                  into->data, r.to);
    }
    if (!status && into != y) status = ebb__copy_into(y, into);
    if (into != y) ebb__unref(into);
    if (from != x) ebb__unref(from);
    return status;
}

/* ---- sum, nansum, mean ---- */

_Static_assert(sizeof(struct ebb__attrs_sum) == sizeof(struct ebb__attrs_mean) &&
                   offsetof(struct ebb__attrs_sum, keepdim) == offsetof(struct ebb__attrs_mean, keepdim) &&
                   offsetof(struct ebb__attrs_sum, dtype) == offsetof(struct ebb__attrs_mean, dtype) &&
                   sizeof(struct ebb__attrs_sum) == sizeof(struct ebb__attrs_nansum) &&
                   sizeof(struct ebb__attrs_sum) == sizeof(struct ebb__attrs_prod) &&
                   offsetof(struct ebb__attrs_sum, dtype) == offsetof(struct ebb__attrs_nansum, dtype) &&
                   offsetof(struct ebb__attrs_sum, dtype) == offsetof(struct ebb__attrs_prod, dtype),
               "these have the same attributes, so their rules read them alike");

static ebb_status sum_infer(struct ebb_infer *f) {
    const struct ebb__attrs_sum *a = f->attrs;
    f->out->shape = ebb__reduced_shape(&f->in[0].shape, &a->dim, a->keepdim);
    f->out->dtype = a->dtype ? a->dtype : ebb_dtype_is_floating(f->dtype) ? f->dtype : EBB_I64;
    return EBB_OK;
}

static ebb_status sum_forward(struct ebb_forward *f) {
    return ebb__fold_into(EBB__FOLD_SUM, f->in[0], &((const struct ebb__attrs_sum *)f->attrs)->dim, f->out[0]);
}

/* Integers are never NaN. */
static ebb_status nansum_forward(struct ebb_forward *f) {
    bool floating = ebb_dtype_is_floating((ebb_dtype)f->out[0]->dtype);
    return ebb__fold_into(floating ? EBB__FOLD_NANSUM : EBB__FOLD_SUM, f->in[0],
                          &((const struct ebb__attrs_nansum *)f->attrs)->dim, f->out[0]);
}

static const char *sum_node(const void *attrs, ebb_tensor *const *in) {
    (void)in;
    return ((const struct ebb__attrs_sum *)attrs)->dim.n ? "SumBackward1" : "SumBackward0";
}

static void sum_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_sum *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0);
    ebb_vjp_give(v, 0, ebb_expand(ebb__reduced_restore(v->grad[0], shape, &a->dim, a->keepdim), shape));
}

const struct ebb_op ebb_op_sum = {
    EBB_SIGNATURE(sum, "Tensor self, dims dim=all, bool keepdim=false, dtype dtype=none -> Tensor"),
    .doc = EBB_TEXT(
        "The sum over the dimensions listed in dim, or over all. Integers and bool sum to int64; dtype casts first. The sum "
        "of nothing is 0. Floating sums are pairwise, so that rounding grows with the logarithm of the count."),
    .torch = EBB_TEXT("torch.sum"),
    .node = "SumBackward0",
    .node_variant = sum_node,
    .infer = sum_infer,
    .forward = sum_forward,
    .vjp = sum_vjp,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("expand(restore(g, self, dim, keepdim), self.shape)"),
    .samples =
        EBB_SAMPLES("(3,4)", "(3,4) dim=(1)", "(2,3,4) dim=(0,-1) keepdim=true", "(2,0,3) dim=(1)", "()", "() dim=(0)",
                    "i5(3,4)", "b(2,3) dim=(0)", "i5(3) dtype=float64", "! (3,4) dim=(2)", "! (3,4) dim=(0,-2)"),
};

static void nansum_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_nansum *a = v->attrs;
    ebb_tensor *g = ebb__reduced_restore(v->grad[0], ebb_vjp_shape(v, 0), &a->dim, a->keepdim);
    ebb_vjp_give(v, 0, ebb_where(ebb_isnan(v->in[0]), 0, g));
}

const struct ebb_op ebb_op_nansum = {
    EBB_SIGNATURE(nansum, "Tensor self, dims dim=all, bool keepdim=false, dtype dtype=none -> Tensor"),
    .doc = EBB_TEXT("The sum over the dimensions listed in dim, or over all, with NaN counting as 0."),
    .torch = EBB_TEXT("torch.nansum"),
    .node = "NansumBackward0",
    .infer = sum_infer,
    .forward = nansum_forward,
    .vjp = nansum_vjp,
    .batch = ebb_batch_dims,
    .saves = {EBB_IN(0)},
    .formula = EBB_FORMULAS("where(isnan(self), 0, restore(g, self, dim, keepdim))"),
    .samples = EBB_SAMPLES("(3,4)", "(3,4) dim=(1)", "(2,3,4) dim=(0,-1) keepdim=true", "(2,0,3) dim=(1)", "()",
                           "i5(3,4)", "i5(3) dtype=float64", "! (3,4) dim=(2)"),
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

static void mean_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_mean *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0);
    ebb_tensor *g = ebb__reduced_share(v->grad[0], ebb__reduced_count(&shape, &a->dim));
    ebb_vjp_give(v, 0, ebb_expand(ebb__reduced_restore(g, shape, &a->dim, a->keepdim), shape));
}

const struct ebb_op ebb_op_mean = {
    EBB_SIGNATURE(mean, "Tensor self, dims dim=all, bool keepdim=false, dtype dtype=none -> Tensor"),
    .doc = EBB_TEXT(
        "The mean over the dimensions listed in dim, or over all: sum / count. For floating point; integers need dtype, which "
        "casts first. The mean of nothing is NaN."),
    .torch = EBB_TEXT("torch.mean"),
    .node = "MeanBackward0",
    .node_variant = mean_node,
    .infer = mean_infer,
    .forward = mean_forward,
    .vjp = mean_vjp,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("expand(restore(g, self, dim, keepdim) / (self.numel() / g.numel()), self.shape)"),
    .samples = EBB_SAMPLES("(3,4)", "(3,4) dim=(-1)", "(2,3,4) dim=(0,2) keepdim=true", "(2,0,3) dim=(0)", "()",
                           "i5(3) dtype=float64", "! i5(3,4)", "! (3,4) dim=(5)"),
};

static ebb_tensor *nanmean_compose(struct ebb_forward *f) {
    const struct ebb__attrs_nanmean *a = f->attrs;
    ebb_tensor *x = f->in[0];
    ebb_dtype dtype = ebb_tensor_dtype(x);
    if (!ebb_dtype_is_floating(dtype)) {
        ebb_fail(EBB_ERR_DTYPE, "needs floating point, got %s", ebb_dtype_name(dtype));
        return NULL;
    }
    ebb_tensor *count = ebb_sum(ebb_logical_not(ebb_isnan(x)), .dim = a->dim, .keepdim = a->keepdim);
    return ebb_div(ebb_nansum(x, .dim = a->dim, .keepdim = a->keepdim, .dtype = a->dtype), count);
}

const struct ebb_op ebb_op_nanmean = {
    EBB_SIGNATURE(nanmean, "Tensor self, dims dim=all, bool keepdim=false, dtype dtype=none -> Tensor"),
    .doc =
        EBB_TEXT("The mean of what is not NaN, over the dimensions listed in dim, or over all; NaN where nothing is."),
    .torch = EBB_TEXT("torch.nanmean"),
    .compose = nanmean_compose,
    .parts = EBB_TEXT("nansum(self, dim, keepdim, dtype) / sum(not isnan(self), dim, keepdim)"),
    .samples =
        EBB_SAMPLES("(3,4)", "(3,4) dim=(1)", "(2,3,4) dim=(0,-1) keepdim=true", "()", "(0,3) dim=(1)", "! i5(3)"),
};

/* ---- prod ---- */

static ebb_status prod_infer(struct ebb_infer *f) {
    const struct ebb__attrs_prod *a = f->attrs;
    if (a->dim.n > 1)
        return ebb_fail(EBB_ERR_ARGUMENT, "dim lists %d dimensions; expected one, or none for all", (int)a->dim.n);
    return sum_infer(f);
}

static ebb_status prod_forward(struct ebb_forward *f) {
    return ebb__fold_into(EBB__FOLD_PROD, f->in[0], &((const struct ebb__attrs_prod *)f->attrs)->dim, f->out[0]);
}

static const char *prod_node(const void *attrs, ebb_tensor *const *in) {
    (void)in;
    return ((const struct ebb__attrs_prod *)attrs)->dim.n ? "ProdBackward1" : "ProdBackward0";
}

/* g times the product of all the others, without a division: those before are a running product, those behind come from
 * a recurrence that begins with g. */
static ebb_tensor *prod_of_others(ebb_tensor *g, ebb_tensor *x, int64_t dim) {
    ebb_dims before = ebb_tensor_shape(x);
    before.d[dim]--;
    ebb_tensor *last = ebb_cat(EBB_LIST(ebb_zeros(before, .dtype = ebb_tensor_dtype(g)), g), dim);
    return ebb_mul(ebb__shifted(ebb_cumprod(x, dim), dim, 1), ebb_linear_recurrence(last, x, dim, .reverse = true));
}

/* y / x, except where a product is 0: then there may be factors that are. */
static void prod_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_prod *a = v->attrs;
    ebb_tensor *x = v->in[0];
    ebb_dims shape = ebb_tensor_shape(x), line = EBB_DIMS(ebb_tensor_numel(x)), one = EBB_DIMS(1);
    ebb_tensor *g = ebb__reduced_restore(v->grad[0], shape, &a->dim, a->keepdim);
    ebb_tensor *y = ebb__reduced_restore(v->out[0], shape, &a->dim, a->keepdim);
    bool plain = x->numel == 0 || (!ebb__is_batched(y) && ebb_item(ebb_all(ebb_gt(ebb_abs(y), 0))) != 0);
    if (plain) ebb_vjp_give(v, 0, ebb_mul(g, ebb_div(y, x)));
    else if (a->dim.n && shape.n) ebb_vjp_give(v, 0, prod_of_others(g, x, a->dim.d[0]));
    else ebb_vjp_give(v, 0, ebb_reshape(prod_of_others(ebb_reshape(g, one), ebb_reshape(x, line), 0), shape));
}

const struct ebb_op ebb_op_prod = {
    EBB_SIGNATURE(prod, "Tensor self, dims dim=all, bool keepdim=false, dtype dtype=none -> Tensor"),
    .doc = EBB_TEXT(
        "The product over dim, a list of one dimension, or over all. Integers and bool give int64; dtype casts first. "
        "The product of nothing is 1. The gradient is exact also where factors are 0."),
    .torch = EBB_TEXT("torch.prod"),
    .node = "ProdBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .node_variant = prod_node,
    .infer = prod_infer,
    .forward = prod_forward,
    .vjp = prod_vjp,
    .batch = ebb_batch_dims,
    .saves = {EBB_IN(0) | EBB_OUT(0)},
    .formula = EBB_FORMULAS("restore(g * y, self, dim, keepdim) / self if all(y != 0) else "
                            "restore(g, self, dim, keepdim) * (products_of_others(self, dim[0]) if dim "
                            "else products_of_others(self))"),
    .samples =
        EBB_SAMPLES("(3,4)", "(3,4) dim=1", "(2,3,4) dim=-2 keepdim=true", "(2,0,3) dim=1", "(0,3)", "()", "() dim=0",
                    "i5(3,4)", "i2(2,3) dim=0 dtype=float64", "b(2,3) dim=0", "! (3,4) dim=2", "! (3,4) dim=(0,1)"),
};

/* ---- trace ---- */

static ebb_tensor *trace_compose(struct ebb_forward *f) {
    int ndim = ebb_tensor_ndim(f->in[0]);
    if (ndim == 2) return ebb_sum(ebb_diagonal(f->in[0], 0, 0, 1));
    ebb_fail(EBB_ERR_SHAPE, "expected a matrix, got %d dimensions", ndim);
    return NULL;
}

static void trace_vjp(struct ebb_vjp_call *v) {
    ebb_dims shape = ebb_vjp_shape(v, 0);
    int64_t n = shape.d[0] < shape.d[1] ? shape.d[0] : shape.d[1];
    ebb_vjp_give(v, 0, ebb_diagonal_backward(ebb_expand(v->grad[0], EBB_DIMS(n)), shape, 0, 0, 1));
}

static void batch_trace(struct ebb_batch_call *b) {
    if (b->in[0]->ndim != 3) ebb_fail(EBB_ERR_SHAPE, "expected a matrix, got %d dimensions", ebb__batch_ndim(b, 0));
    else ebb_batch_give(b, 0, ebb_sum(ebb_diagonal(b->in[0], 0, 1, 2), .dim = EBB_DIMS(1)));
}

const struct ebb_op ebb_op_trace = {
    EBB_SIGNATURE(trace, "Tensor self -> Tensor"),
    .doc = EBB_TEXT("The sum of the diagonal of a matrix. Integers sum to int64."),
    .torch = EBB_TEXT("torch.trace"),
    .node = "TraceBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .compose = trace_compose,
    .vjp = trace_vjp,
    .batch = batch_trace,
    .formula = EBB_FORMULAS("g * eye(self.size(0), self.size(1), dtype=g.dtype)"),
    .samples = EBB_SAMPLES("(3,3)", "(2,4)", "(4,2)", "(0,3)", "i5(3,3)", "! (3)", "! (2,3,4)"),
};
