/* Running sums, products and extremes along one dimension, and the recurrence that their gradients are made of. */
#define EBB_FAMILY "Reductions"
#include "ops/batching.h"
#include "ops/scan.h"
#include <math.h>

ebb_tensor *ebb__shifted(ebb_tensor *t, int64_t dim, double first) {
    ebb_dims shape = ebb_tensor_shape(t);
    ebb_dtype dtype = ebb_tensor_dtype(t);
    if (shape.n == 0) return ebb_full(shape, first, .dtype = dtype);
    if (shape.d[dim] == 0) return t;
    ebb_tensor *rest = ebb_narrow(t, dim, 0, shape.d[dim] - 1);
    shape.d[dim] = 1;
    return ebb_cat(EBB_LIST(ebb_full(shape, first, .dtype = dtype), rest), dim);
}

/* A contiguous tensor seen as (outer, n, inner), with n along dim. */
struct sides {
    int64_t outer, n, inner;
};
static struct sides sides(const ebb_tensor *t, int64_t dim) {
    struct sides s = {1, 1, 1};
    for (int i = 0; i < t->ndim; i++) *(i < dim ? &s.outer : i == dim ? &s.n : &s.inner) *= t->dims[i];
    return s;
}

/* ---- cumsum, cumprod, logcumsumexp ---- */

_Static_assert(sizeof(struct ebb__attrs_cumsum) == sizeof(struct ebb__attrs_cumprod) &&
                   offsetof(struct ebb__attrs_cumsum, dim) == offsetof(struct ebb__attrs_cumprod, dim) &&
                   offsetof(struct ebb__attrs_cumsum, dtype) == offsetof(struct ebb__attrs_cumprod, dtype),
               "both have the same attributes, so their rules read them alike");

static ebb_status cum_infer(struct ebb_infer *f) {
    const struct ebb__attrs_cumsum *a = f->attrs;
    f->out->shape = f->in[0].shape;
    f->out->dtype = a->dtype ? a->dtype : ebb_dtype_is_floating(f->dtype) ? f->dtype : EBB_I64;
    return f->out->dtype == EBB_BOOL ? ebb_fail(EBB_ERR_DTYPE, "not defined for bool") : EBB_OK;
}

static ebb_status scan(ebb__scan what, ebb_tensor *x, ebb_tensor *y, int64_t dim) {
    struct sides s = sides(y, dim);
    bool cast = x->dtype != y->dtype || !ebb__is_contiguous(x);
    ebb_status status = cast ? ebb__copy_into(y, x) : EBB_OK;
    if (status) return status;
    return ebb__scan_run(what, (ebb_dtype)y->dtype, s.outer, s.n, s.inner, cast ? y->data : x->data, y->data);
}

static ebb_status cumsum_forward(struct ebb_forward *f) {
    return scan(EBB__SCAN_SUM, f->in[0], f->out[0], ((const struct ebb__attrs_cumsum *)f->attrs)->dim);
}
static ebb_status cumprod_forward(struct ebb_forward *f) {
    return scan(EBB__SCAN_PROD, f->in[0], f->out[0], ((const struct ebb__attrs_cumprod *)f->attrs)->dim);
}
static ebb_status logcumsumexp_forward(struct ebb_forward *f) {
    return scan(EBB__SCAN_LOGSUMEXP, f->in[0], f->out[0], ((const struct ebb__attrs_logcumsumexp *)f->attrs)->dim);
}

static void cumsum_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_cumsum *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_linear_recurrence(v->grad[0], 1, a->dim, .reverse = true));
}

/* What stands before x[k], times the sum over i >= k of g[i] and the factors from k + 1 to i. No division, so that
 * zeros are factors like all others. */
static void cumprod_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_cumprod *a = v->attrs;
    ebb_tensor *rest = ebb_linear_recurrence(v->grad[0], v->in[0], a->dim, .reverse = true);
    ebb_vjp_give(v, 0, ebb_mul(ebb__shifted(v->out[0], a->dim, 1), rest));
}

/* The sum over i >= k of g[i] exp(x[k] - y[i]), from factors exp(y[k - 1] - y[k]), which are at most 1. */
static void logcumsumexp_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_logcumsumexp *a = v->attrs;
    ebb_tensor *x = v->in[0], *y = v->out[0], *before = ebb__shifted(y, a->dim, -(double)INFINITY);
    ebb_tensor *factor = ebb_exp(ebb_where(ebb_eq(before, y), 0, ebb_sub(before, y)));
    ebb_tensor *share = ebb_exp(ebb_sub(x, ebb_where(ebb_eq(y, -(double)INFINITY), 0, y)));
    ebb_vjp_give(v, 0, ebb_mul(share, ebb_linear_recurrence(v->grad[0], factor, a->dim, .reverse = true)));
}

#define CUMULATIVE(op, text, ...) \
    const struct ebb_op ebb_op_##op = { \
        EBB_SIGNATURE(op, text), .batch = ebb_batch_dims, .torch = EBB_TEXT("torch." #op), \
        .forward = op##_forward, .vjp = op##_vjp,         __VA_ARGS__};
#define SAMPLES \
    "(3,4) dim=1", "(3,4) dim=0", "(2,3,4) dim=-2", "(70,2) dim=0", "(2,70) dim=0", "() dim=0", "(0,3) dim=0"
#define OF_NUMBERS \
    .infer = cum_infer, .inplace = true, \
    .samples = EBB_SAMPLES(SAMPLES, "i5(3,4) dim=1", "b(2,3) dim=0", "i5(3) dim=0 dtype=float64", "! (3) dim=1", \
                           "! b(3) dim=0 dtype=bool")

CUMULATIVE(cumsum, "Tensor self, dim dim, dtype dtype=none -> Tensor", OF_NUMBERS, .node = "CumsumBackward0",
           .doc = EBB_TEXT("Running sums along dim. Integers and bool give int64; dtype casts first."),
           .formula = EBB_FORMULAS("flip(cumsum(flip(g, dim), dim), dim)"))
CUMULATIVE(
    cumprod, "Tensor self, dim dim, dtype dtype=none -> Tensor", OF_NUMBERS, .node = "CumprodBackward0",
    .doc = EBB_TEXT(
        "Running products along dim. Integers and bool give int64; dtype casts first. The gradient is exact also "
        "where factors are 0."),
    .saves = {EBB_IN(0) | EBB_OUT(0)},
    .formula = EBB_FORMULAS("flip(cumsum(flip(g * y, dim), dim), dim) / self if all(self != 0) else "
                            "products_before(self, dim) * linear_recurrence(g, self, dim, True)"))
CUMULATIVE(logcumsumexp, "Tensor self, dim dim -> Tensor", .dtypes = EBB_FLOATING, .node = "LogcumsumexpBackward0",
           .doc = EBB_TEXT("log(cumsum(exp(self))) along dim, without overflow."), .saves = {EBB_IN(0) | EBB_OUT(0)},
           .formula = EBB_FORMULAS("exp(self) * flip(cumsum(flip(g * exp(-y), dim), dim), dim)"),
           .samples = EBB_SAMPLES(SAMPLES, "! i5(3) dim=0"))

/* ---- cummax, cummin ---- */

_Static_assert(sizeof(struct ebb__attrs_cummax) == sizeof(struct ebb__attrs_cummin), "their rules read them alike");

static ebb_status extreme_infer(struct ebb_infer *f) {
    f->out[0].shape = f->out[1].shape = f->in[0].shape;
    f->out[1].dtype = EBB_I64;
    return EBB_OK;
}

static ebb_status extreme_forward(struct ebb_forward *f, bool max) {
    const struct ebb__attrs_cummax *a = f->attrs;
    const ebb_tensor *x = f->in[0];
    struct sides s = sides(x, a->dim);
    ebb__scan_extreme(max, (ebb_dtype)x->dtype, s.outer, s.n, s.inner, x->data, f->out[0]->data,
                      (int64_t *)(void *)f->out[1]->data);
    return EBB_OK;
}
static ebb_status cummax_forward(struct ebb_forward *f) { return extreme_forward(f, true); }
static ebb_status cummin_forward(struct ebb_forward *f) { return extreme_forward(f, false); }

static void extreme_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_cummax *a = v->attrs;
    ebb_tensor *g = v->grad[0], *zeros = ebb_zeros(ebb_vjp_shape(v, 0), .dtype = ebb_tensor_dtype(g));
    ebb_vjp_give(v, 0, ebb_scatter_add(zeros, v->out[1], g, a->dim));
}

#define EXTREME(op, words, node_) \
    CUMULATIVE(op, "Tensor self, dim dim -> Tensor values, Tensor indices", .infer = extreme_infer, \
               .contiguous = true, .node = node_, .saves = {EBB_OUT(1)}, \
               .formula = EBB_FORMULAS("scatter_add(zeros_like(self), dim, indices, g)"), \
               .samples = EBB_SAMPLES(SAMPLES, "i5(3,4) dim=1", "b(2,3) dim=0", "! (3) dim=1"), \
               .doc = EBB_TEXT("The " words \
                               " so far along dim and where it is (int64), the latest place where several tie. A NaN " \
                               "is the " words ", and stays."))
#define cummax_vjp extreme_vjp
#define cummin_vjp extreme_vjp
EXTREME(cummax, "largest", "CummaxBackward0")
EXTREME(cummin, "smallest", "CumminBackward0")

/* ---- linear_recurrence ---- */

static ebb_status linear_infer(struct ebb_infer *f) {
    ebb_dims shape = f->out->shape = f->in[0].shape;
    if (ebb__broadcast(&shape, &f->in[1].shape) && ebb__dims_equal(&shape, &f->in[0].shape)) return EBB_OK;
    return ebb_fail(EBB_ERR_SHAPE, "factor does not broadcast to self");
}

static ebb_status linear_recurrence_forward(struct ebb_forward *f) {
    const struct ebb__attrs_linear_recurrence *a = f->attrs;
    ebb_tensor *x = f->in[0], *factor = f->in[1], *y = f->out[0];
    struct sides s = sides(x, a->dim);
    bool one = factor->numel == 1;
    if (one || ebb__same_shape(factor, x)) ebb__ref(factor);
    else if ((factor = ebb__tensor_new_like(x, (ebb_dtype)x->dtype))) ebb__copy_into(factor, f->in[1]);
    if (!factor) return ebb_error_status();
    ebb_status status =
        ebb__scan_linear(a->reverse, (ebb_dtype)x->dtype, s.outer, s.n, s.inner, x->data, factor->data, one, y->data);
    ebb__unref(factor);
    return status;
}

/* The gradient of self, h, is the recurrence with the same factors the other way. A factor's gradient is h where its
 * step leads, times y where it comes from. */
static void linear_recurrence_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_linear_recurrence *a = v->attrs;
    ebb_tensor *h = ebb_linear_recurrence(v->grad[0], v->in[1], a->dim, .reverse = !a->reverse), *y = v->out[0];
    ebb_vjp_give(v, 0, h);
    if (!v->needs[1]) return;
    ebb_vjp_give(v, 1, a->reverse ? ebb_mul(ebb__shifted(h, a->dim, 0), y) : ebb_mul(h, ebb__shifted(y, a->dim, 0)));
}

/* factor broadcasts to self. */
static void batch_linear(struct ebb_batch_call *b) {
    struct ebb__attrs_linear_recurrence a = *(const struct ebb__attrs_linear_recurrence *)b->attrs;
    int ndim = ebb__batch_ndim(b, 0);
    if (ndim == 0) ndim = 1;
    ebb_tensor *in[] = {ebb__batch_input(b, 0, ndim), b->in[1]};
    if (b->batched[1]) in[1] = ebb__batch_aligned(in[1], ndim + 1);
    a.dim++;
    if (in[0] && in[1]) ebb__batch_forward(b, in, &a);
}

const struct ebb_op ebb_op_linear_recurrence = {
    EBB_SIGNATURE(linear_recurrence, "Tensor self, Number factor, dim dim, bool reverse=false -> Tensor"),
    .doc = EBB_TEXT(
        "y[k] = self[k] + factor[k] * y[k - 1] along dim, with y[0] = self[0]; in reverse y[k] = self[k] + "
        "factor[k + 1] * y[k + 1], which is the transposed map. factor broadcasts to self. Gradients of running "
        "products are made of it, and discounted sums are it."),
    .torch = EBB_TEXT("no counterpart in PyTorch"),
    .node = "LinearRecurrenceBackward0",
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = linear_infer,
    .forward = linear_recurrence_forward,
    .vjp = linear_recurrence_vjp,
    .batch = batch_linear,
    .saves = {EBB_IN(1), EBB_IN(1) | EBB_OUT(0)},
    .formula =
        EBB_FORMULAS("'h = linear_recurrence(g, factor, the other way)'", "'h * y[k - 1], in reverse h[k - 1] * y'"),
    .samples = EBB_SAMPLES("(3,4) (3,4) dim=1", "(3,4) (3,4) dim=-1 reverse=true", "(2,3,4) (3,1) dim=1 reverse=true",
                           "(2,3,4) (4) dim=0", "(70,2) 0.9 dim=0", "(2,5) 0.9 dim=1 reverse=true", "() () dim=0",
                           "(0,3) (3) dim=0", "! (3) (2,3) dim=0", "! i5(3) i5(3) dim=0", "! (3) (3) dim=1"),
};
