/* Variances and standard deviations, alone or with the mean. */
#define EBB_FAMILY "Reductions"
#include "ops/reduce.h"
#include <math.h>

#define SAME_LAYOUT(other) \
    _Static_assert(sizeof(struct ebb__attrs_var) == sizeof(struct ebb__attrs_##other) && \
                       offsetof(struct ebb__attrs_var, correction) == \
                           offsetof(struct ebb__attrs_##other, correction) && \
                       offsetof(struct ebb__attrs_var, keepdim) == offsetof(struct ebb__attrs_##other, keepdim), \
                   "var and " #other " have the same attributes, so their rules read them alike")
SAME_LAYOUT(std);
SAME_LAYOUT(var_mean);
SAME_LAYOUT(std_mean);

static ebb_status infer(struct ebb_infer *f) {
    const struct ebb__attrs_var *a = f->attrs;
    for (int i = 0; i < (f->op->n_out == 2 ? 2 : 1); i++)
        f->out[i].shape = ebb__reduced_shape(&f->in[0].shape, &a->dim, a->keepdim);
    return EBB_OK;
}

static ebb_status reduce(struct ebb_forward *f, bool root, ebb_tensor *mean) {
    const struct ebb__attrs_var *a = f->attrs;
    const ebb_tensor *x = f->in[0];
    struct ebb__reduction r = ebb__reduction_of(x, &a->dim, ebb__dtype_sizes[x->dtype]);
    return ebb__reduce_var(x->ndim, x->dims, (ebb_dtype)x->dtype, x->data, r.from, a->correction.value, root,
                           f->out[0]->data, mean ? mean->data : NULL, r.to);
}
static ebb_status var_forward(struct ebb_forward *f) { return reduce(f, false, NULL); }
static ebb_status std_forward(struct ebb_forward *f) { return reduce(f, true, NULL); }
static ebb_status var_mean_forward(struct ebb_forward *f) { return reduce(f, false, f->out[1]); }
static ebb_status std_mean_forward(struct ebb_forward *f) { return reduce(f, true, f->out[1]); }

/* g 2 (x - mean) / (count - correction). Over all elements, where nothing is left to divide by, PyTorch's limits. */
static ebb_tensor *var_grad(const struct ebb_vjp_call *v, ebb_tensor *g) {
    const struct ebb__attrs_var *a = v->attrs;
    ebb_tensor *x = v->in[0];
    ebb_dims shape = ebb_tensor_shape(x);
    double free = (double)ebb__reduced_count(&shape, &a->dim) - a->correction.value;
    ebb_tensor *mean = ebb_mean(x, .dim = a->dim, .keepdim = true);
    g = ebb__reduced_restore(g, shape, &a->dim, a->keepdim);
    if (free <= 0 && (a->dim.n == 0 || shape.n == 0))
        return ebb_mul(g, ebb_where(ebb_eq(x, mean), (double)NAN, (double)INFINITY));
    return ebb_mul(ebb_mul(g, 2 / free), ebb_sub(x, mean));
}

/* Of the root y: the gradient of the variance is g / (2 y), and 0 where y is. */
static ebb_tensor *std_grad(const struct ebb_vjp_call *v, ebb_tensor *g) {
    ebb_tensor *y = v->out[0];
    return var_grad(v, ebb_div(g, ebb_where(ebb_eq(y, 0), (double)INFINITY, ebb_mul(y, 2))));
}

static void var_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, var_grad(v, v->grad[0])); }
static void std_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, std_grad(v, v->grad[0])); }

static void with_mean_vjp(struct ebb_vjp_call *v,
                          ebb_tensor *(*spread_grad)(const struct ebb_vjp_call *, ebb_tensor *)) {
    const struct ebb__attrs_var *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0);
    ebb_tensor *of_spread = v->grad[0] ? spread_grad(v, v->grad[0]) : NULL, *of_mean = NULL;
    if (v->grad[1]) {
        ebb_tensor *g = ebb__reduced_share(v->grad[1], ebb__reduced_count(&shape, &a->dim));
        of_mean = ebb_expand(ebb__reduced_restore(g, shape, &a->dim, a->keepdim), shape);
    }
    if (v->grad[0] && v->grad[1]) ebb_vjp_give(v, 0, ebb_add(of_spread, of_mean));
    else if (v->grad[0] || v->grad[1]) ebb_vjp_give(v, 0, v->grad[0] ? of_spread : of_mean);
}
static void var_mean_vjp(struct ebb_vjp_call *v) { with_mean_vjp(v, var_grad); }
static void std_mean_vjp(struct ebb_vjp_call *v) { with_mean_vjp(v, std_grad); }

#define MOMENT(op, outputs, node_, ...) \
    const struct ebb_op ebb_op_##op = { \
        EBB_SIGNATURE(op, "Tensor self, dims dim=all, float? correction|unbiased=1, bool keepdim=false -> " outputs), \
        .batch = ebb_batch_dims, \
        .torch = EBB_TEXT("torch." #op), \
        .node = node_, \
        .dtypes = EBB_FLOATING, \
        .infer = infer, \
        .forward = op##_forward, \
        .vjp = op##_vjp, \
        .samples = \
            EBB_SAMPLES("(3,4)", "(3,4) dim=(1)", "(2,3,4) dim=(0,-1) keepdim=true", "(3,4) dim=(0) correction=0", \
                        "(2,3) correction=0.5", "(20,3) dim=(0)", "(0,3) dim=(1)", "(1) correction=0", \
                        "() correction=0", "! i5(3,4)", "! (3,4) dim=(2)"), \
        __VA_ARGS__};
#define VARIANCE "sum((self - mean)^2) / max(0, count - correction), over the dimensions listed in dim, or over all"

MOMENT(
    var, "Tensor", "VarBackward0", .doc = EBB_TEXT("The variance: " VARIANCE ". Of nothing, NaN."),
    .saves = {EBB_IN(0)},
    .formula = EBB_FORMULAS(
        "restore(g, self, dim, keepdim) * 2 * (self - mean(self, dim, True)) / (self.numel() / y.numel() - correction)"))
MOMENT(
    std, "Tensor", "StdBackward0", .doc = EBB_TEXT("The standard deviation, the root of the variance " VARIANCE "."),
    .saves = {EBB_IN(0) | EBB_OUT(0)},
    .formula = EBB_FORMULAS(
        "restore(where(y == 0, 0, g / y), self, dim, keepdim) * (self - mean(self, dim, True)) / (self.numel() / y.numel() - correction)"))
MOMENT(
    var_mean, "Tensor var, Tensor mean", "VarMeanBackward0", .undefined_grads = true,
    .doc = EBB_TEXT("The variance, " VARIANCE ", and the mean, in one reading."), .saves = {EBB_IN(0)},
    .formula = EBB_FORMULAS(
        "n = self.numel() / y.numel(); restore(g_var * 2 / (n - correction), self, dim, keepdim) * (self - mean(self, dim, True)) + restore(g_mean, self, dim, keepdim) / n"))
MOMENT(
    std_mean, "Tensor std, Tensor mean", "StdMeanBackward0", .undefined_grads = true,
    .doc = EBB_TEXT("The standard deviation, the root of " VARIANCE ", and the mean, in one reading."),
    .saves = {EBB_IN(0) | EBB_OUT(0)},
    .formula = EBB_FORMULAS(
        "n = self.numel() / y.numel(); restore(where(std == 0, 0, g_std / std) / (n - correction), self, dim, keepdim) * (self - mean(self, dim, True)) + restore(g_mean, self, dim, keepdim) / n"))
