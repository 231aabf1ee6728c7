/* Losses of regression: mse_loss, l1_loss, smooth_l1_loss, huber_loss, gaussian_nll_loss, poisson_nll_loss. */
#define EBB_FAMILY "Losses"
#include "ops/batching.h"
#include "ops/loss.h"
#include "ops/reduce.h"

#define HALF_LOG_2_PI 0.91893853320467274178

ebb_tensor *ebb__loss_reduced(ebb_tensor *terms, int reduction) {
    if (reduction == EBB_REDUCTION_NONE) return terms;
    return reduction == EBB_REDUCTION_SUM ? ebb_sum(terms) : ebb_mean(terms);
}

ebb_tensor *ebb__loss_spread(ebb_tensor *g, const ebb_tensor *like, int reduction) {
    return reduction == EBB_REDUCTION_MEAN ? ebb__reduced_share(g, ebb_tensor_numel(like)) : g;
}

ebb_tensor *ebb__at_least(ebb_tensor *t, double least) {
    ebb_tensor *copy = ebb_clone(t);
    if (!copy) return NULL;
    bool before = ebb__thread.no_grad;
    ebb__thread.no_grad = true;
    ebb_tensor *clamped = ebb_clamp_(copy, .min = ebb_number_f64(least));
    ebb__thread.no_grad = before;
    return clamped;
}

/* The weight of mse_loss, l1_loss and huber_loss is of the input's shape. */
static bool weight_fits(const struct ebb_forward *f) {
    if (!f->in[2] || ebb__same_shape(f->in[2], f->in[0])) return true;
    (void)ebb_fail(EBB_ERR_SHAPE, "weight must have the shape of self");
    return false;
}

/* Means of weighted terms divide by the sum of the weights. */
static ebb_tensor *weighted(ebb_tensor *terms, ebb_tensor *weight, int reduction) {
    if (!weight) return ebb__loss_reduced(terms, reduction);
    terms = ebb_mul(terms, weight);
    if (reduction != EBB_REDUCTION_MEAN) return ebb__loss_reduced(terms, reduction);
    return ebb_div(ebb_sum(terms), ebb_sum(weight));
}

/* ---- mse_loss, l1_loss ---- */

static ebb_tensor *mse_compose(struct ebb_forward *f) {
    const struct ebb__attrs_mse_loss *a = f->attrs;
    if (!ebb__loss_defined(f) || !weight_fits(f)) return NULL;
    return weighted(ebb_square(ebb_sub(f->in[0], f->in[1])), f->in[2], a->reduction);
}

static void mse_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_mse_loss *a = v->attrs;
    ebb_tensor *difference = ebb_sub(v->in[0], v->in[1]), *g = v->grad[0], *weight = v->in[2];
    bool mean = a->reduction == EBB_REDUCTION_MEAN;
    if (mean && weight) g = ebb_div(g, ebb_sum(weight));
    if (v->needs[0] || v->needs[1]) {
        double scale = 2;
        if (mean && !weight && difference && difference->numel) scale /= (double)ebb_tensor_numel(difference);
        ebb_tensor *d = ebb_mul(difference, ebb_mul(g, scale));
        if (weight) d = ebb_mul(d, weight);
        ebb_vjp_give(v, 0, d);
        if (v->needs[1]) ebb_vjp_give(v, 1, ebb_neg(d));
    }
    if (!v->needs[2]) return;
    ebb_tensor *square = ebb_square(difference);
    ebb_vjp_give(v, 2, ebb_mul(mean ? ebb_sub(square, v->out[0]) : square, g));
}

static ebb_tensor *l1_compose(struct ebb_forward *f) {
    const struct ebb__attrs_l1_loss *a = f->attrs;
    if (!weight_fits(f)) return NULL;
    return weighted(ebb_abs(ebb_sub(f->in[0], f->in[1])), f->in[2], a->reduction);
}

#define PAIR (EBB_IN(0) | EBB_IN(1))
#define TRIPLE (PAIR | EBB_IN(2))
/* what the mean divides by, and the weights */
#define OF_SQUARES \
    "n = 1 if reduction != 'mean' else (self - target).numel() if weight == None else sum(weight); w = 1 if weight == None " \
    "else weight; "
#define OF_DIFFERENCE "d = self - target; n = d.numel() if reduction == 'mean' else 1; "
#define SHAPES "(3,4) (3,4)", "(3,4) (3,4) reduction=sum", "(3,4) (3,4) reduction=none", "() ()", "(3,1) (4)"
#define WEIGHTED "(3,4) (3,4) (3,4)", "(3,4) (4) (3,4) reduction=sum", "(3) (3) (3) reduction=none", "! (3,4) (3,4) (4)"

/* A weighted mean is divided by the sum of the weights. */
static void mse_batch(struct ebb_batch_call *b) {
    const struct ebb__attrs_mse_loss *a = b->attrs;
    if (b->in[2] && a->reduction == EBB_REDUCTION_MEAN) ebb_batch_loop(b);
    else ebb__batch_loss(b);
}

const struct ebb_op ebb_op_mse_loss = {
    EBB_SIGNATURE(mse_loss, "Tensor self, Tensor target, Tensor? weight, " EBB__REDUCTION " -> Tensor"),
    .order = "self, target, reduction, weight",
    .doc = EBB_TEXT(
        "The squared error (self - target)^2, its mean or sum. weight, of self's shape, multiplies the terms; the mean "
        "then divides by the sum of the weights."),
    .torch = EBB_TEXT("torch.nn.functional.mse_loss"),
    .node = "MseLossBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = mse_compose,
    .vjp = mse_vjp,
    .batch = mse_batch,
    .saves = {TRIPLE, TRIPLE, TRIPLE | EBB_OUT(0)},
    .formula = EBB_FORMULAS(OF_SQUARES "g * 2 * (self - target) * w / n", OF_SQUARES "-g * 2 * (self - target) * w / n",
                            OF_SQUARES "g * ((self - target)**2 - (y if reduction == 'mean' else 0)) / n"),
    .samples = EBB_SAMPLES(SHAPES, WEIGHTED, "(0) (0)", "! (3) (4)", "! i5(3) i5(3)"),
    .domain = {0.3, 3},
};

const struct ebb_op ebb_op_l1_loss = {
    EBB_SIGNATURE(l1_loss, "Tensor self, Tensor target, Tensor? weight, " EBB__REDUCTION " -> Tensor"),
    .order = "self, target, reduction, weight",
    .doc = EBB_TEXT("The absolute error |self - target|, its mean or sum; weight as in mse_loss."),
    .torch = EBB_TEXT("torch.nn.functional.l1_loss"),
    .autocast = EBB_AUTOCAST_F32,
    .compose = l1_compose,
    .parts = EBB_TEXT(
        "l = abs(self - target) * (1 if weight == None else weight); sum(l) / sum(weight) if weight != None and reduction == 'mean' else mean(l) if reduction == 'mean' else sum(l) if reduction == 'sum' else l"),
    .samples = EBB_SAMPLES(SHAPES, WEIGHTED, "! (3) (4)"),
    .domain = {0.3, 3},
};

/* ---- smooth_l1_loss, huber_loss (Huber 1964) ----
 * Huber's function is d^2 / 2 up to delta and linear beyond; smooth L1 is the same divided by its beta. */

static ebb_tensor *huber(ebb_tensor *d, double delta) {
    ebb_tensor *size = ebb_abs(d);
    return ebb_where(ebb_lt(size, delta), ebb_mul(ebb_square(d), 0.5), ebb_mul(ebb_sub(size, 0.5 * delta), delta));
}

/* Its derivative, whose own is 0 from delta on. */
static ebb_tensor *huber_slope(ebb_tensor *d, double delta) {
    return ebb_where(ebb_ge(ebb_abs(d), delta), ebb_mul(ebb_sign(d), delta), d);
}

static void give_difference(struct ebb_vjp_call *v, ebb_tensor *slope) {
    ebb_vjp_give(v, 0, slope);
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_neg(slope));
}

static ebb_tensor *smooth_l1_compose(struct ebb_forward *f) {
    const struct ebb__attrs_smooth_l1_loss *a = f->attrs;
    double beta = a->beta.value;
    if (!ebb__loss_defined(f)) return NULL;
    if (!(beta >= 0)) return EBB__LOSS_FAIL(EBB_ERR_ARGUMENT, "beta must not be negative, got %g", beta);
    ebb_tensor *d = ebb_sub(f->in[0], f->in[1]);
    return ebb__loss_reduced(beta == 0 ? ebb_abs(d) : ebb_div(huber(d, beta), beta), a->reduction);
}

static void smooth_l1_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_smooth_l1_loss *a = v->attrs;
    ebb_tensor *d = ebb_sub(v->in[0], v->in[1]), *g = ebb__loss_spread(v->grad[0], d, a->reduction);
    double beta = a->beta.value;
    give_difference(v, ebb_mul(g, beta == 0 ? ebb_sign(d) : ebb_div(huber_slope(d, beta), beta)));
}

static ebb_tensor *huber_compose(struct ebb_forward *f) {
    const struct ebb__attrs_huber_loss *a = f->attrs;
    if (!ebb__loss_defined(f) || !weight_fits(f)) return NULL;
    if (!(a->delta.value > 0))
        return EBB__LOSS_FAIL(EBB_ERR_ARGUMENT, "delta must be positive, got %g", a->delta.value);
    ebb_tensor *terms = huber(ebb_sub(f->in[0], f->in[1]), a->delta.value);
    return ebb__loss_reduced(f->in[2] ? ebb_mul(terms, f->in[2]) : terms, a->reduction);
}

static void huber_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_huber_loss *a = v->attrs;
    ebb_tensor *d = ebb_sub(v->in[0], v->in[1]), *g = ebb__loss_spread(v->grad[0], d, a->reduction);
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_mul(g, huber(d, a->delta.value)));
    if (!v->needs[0] && !v->needs[1]) return;
    ebb_tensor *slope = huber_slope(d, a->delta.value);
    give_difference(v, ebb_mul(g, v->in[2] ? ebb_mul(slope, v->in[2]) : slope));
}

const struct ebb_op ebb_op_smooth_l1_loss = {
    EBB_SIGNATURE(smooth_l1_loss, "Tensor self, Tensor target, " EBB__REDUCTION ", float? beta=1 -> Tensor"),
    .doc = EBB_TEXT(
        "For the difference d = self - target: d^2 / (2 beta) where |d| < beta, else |d| - beta / 2; the mean or sum of it. "
        "With beta 0 it is l1_loss."),
    .torch = EBB_TEXT("torch.nn.functional.smooth_l1_loss"),
    .node = "SmoothL1LossBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = smooth_l1_compose,
    .vjp = smooth_l1_vjp,
    .batch = ebb__batch_loss,
    .saves = {PAIR, PAIR},
    .formula = EBB_FORMULAS(OF_DIFFERENCE "g * (sign(d) if beta == 0 else clamp(d / beta, -1, 1)) / n",
                            OF_DIFFERENCE "-g * (sign(d) if beta == 0 else clamp(d / beta, -1, 1)) / n"),
    .samples = EBB_SAMPLES(SHAPES, "(3,4) (3,4) beta=0.3", "(3,4) (3,4) beta=0", "(0) (0) reduction=sum", "! (3) (4)",
                           "! (3) (3) beta=-1", "! i5(3) i5(3)"),
};

const struct ebb_op ebb_op_huber_loss = {
    EBB_SIGNATURE(huber_loss,
                  "Tensor self, Tensor target, Tensor? weight, " EBB__REDUCTION ", float? delta=1 -> Tensor"),
    .order = "self, target, reduction, delta, weight",
    .doc = EBB_TEXT(
        "For the difference d = self - target: d^2 / 2 where |d| < delta, else delta (|d| - delta / 2); the mean or sum "
        "of it. weight, of self's shape, multiplies the terms; the mean still divides by their number."),
    .torch = EBB_TEXT("torch.nn.functional.huber_loss"),
    .node = "HuberLossBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = huber_compose,
    .vjp = huber_vjp,
    .batch = ebb__batch_loss,
    .saves = {TRIPLE, TRIPLE, PAIR},
    .formula = EBB_FORMULAS(OF_DIFFERENCE "g * clamp(d, -delta, delta) / n * (1 if weight == None else weight)",
                            OF_DIFFERENCE "-g * clamp(d, -delta, delta) / n * (1 if weight == None else weight)",
                            OF_DIFFERENCE "g * where(abs(d) <= delta, d**2 / 2, delta * (abs(d) - delta / 2)) / n"),
    .samples = EBB_SAMPLES(SHAPES, WEIGHTED, "(3,4) (3,4) delta=0.3", "(0) (0) reduction=sum", "! (3) (4)",
                           "! (3) (3) delta=0", "! i5(3) i5(3)"),
};

/* ---- gaussian_nll_loss, poisson_nll_loss ---- */

/* The variance as it broadcasts against the input: of its shape, without its last dimension, or with one dimension of
 * size 1. */
static ebb_tensor *variance(ebb_tensor *var, const ebb_tensor *x) {
    if (ebb_tensor_is_number(var) || ebb__same_shape(var, x)) return var;
    int same = 0, ones = 0;
    for (int i = 0; i < var->ndim && i < x->ndim; i++) {
        same += var->dims[i] == x->dims[i];
        ones += var->dims[i] != x->dims[i] && var->dims[i] == 1;
    }
    if (var->ndim == x->ndim - 1 && same == var->ndim) return ebb_unsqueeze(var, -1);
    if (var->ndim == x->ndim && same == x->ndim - 1 && ones == 1) return var;
    return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "var must have the shape of self, or lack its last dimension, or have one "
                                         "dimension of size 1");
}

static ebb_tensor *gaussian_compose(struct ebb_forward *f) {
    const struct ebb__attrs_gaussian_nll_loss *a = f->attrs;
    ebb_tensor *x = f->in[0], *target = f->in[1];
    if (!ebb__loss_defined(f)) return NULL;
    ebb_tensor *var = variance(f->in[2], x);
    if (var && var->numel && !ebb__is_batched(var) && ebb_item(ebb_amin(var)) < 0)
        return EBB__LOSS_FAIL(EBB_ERR_ARGUMENT, "var has a negative entry");
    if (var && ebb_tensor_is_number(var)) var = ebb_full_like(x, ebb_item(var));
    var = ebb__at_least(var, a->eps.value);
    ebb_tensor *loss = ebb_mul(ebb_add(ebb_log(var), ebb_div(ebb_square(ebb_sub(x, target)), var)), 0.5);
    if (a->full) loss = ebb_add(loss, HALF_LOG_2_PI);
    return ebb__loss_reduced(loss, a->reduction);
}

const struct ebb_op ebb_op_gaussian_nll_loss = {
    EBB_SIGNATURE(gaussian_nll_loss,
                  "Tensor self, Tensor target, Number var, bool full=false, float? eps=1e-6, " EBB__REDUCTION
                  " -> Tensor"),
    .doc = EBB_TEXT(
        "The negative log likelihood of target under normal distributions with means self and variances var: "
        "(log(var) + (self - target)^2 / var) / 2, plus log(2 pi) / 2 with full. var is a number, or has self's shape, or "
        "lacks its last dimension, or has size 1 in one; it counts as at least eps. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.gaussian_nll_loss"),
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = gaussian_compose,
    .parts = EBB_TEXT(
        "v = to(var, self.dtype); v = clamp(v[..., None] if 0 < v.ndim < self.ndim else v * ones_like(self), eps); l = (log(v) + (self - target)**2 / v) / 2 + (log(2 * pi) / 2 if full else 0)" EBB__REDUCED),
    .samples = EBB_SAMPLES("(3,4) (3,4) (3,4)", "(3,4) (3,4) (3) full=true", "(3,4) (3,4) (3,1) reduction=none",
                           "(3,4) (3,4) 0.5 reduction=sum", "() () ()", "(3) (3) (3) eps=0.1", "! (3,4) (3,4) (4)",
                           "! (3) (3) -1.0"),
    .domain = {0.3, 3},
};

/* Stirling's approximation of log(target!), for more than 1. */
static ebb_tensor *stirling(ebb_tensor *target) {
    ebb_tensor *half_log = ebb_mul(ebb_log(ebb_mul(target, 2 * 3.14159265358979323846)), 0.5);
    ebb_tensor *terms = ebb_add(ebb_sub(ebb_mul(target, ebb_log(target)), target), half_log);
    return ebb_masked_fill(terms, ebb_le(target, 1), 0);
}

static ebb_tensor *poisson_compose(struct ebb_forward *f) {
    const struct ebb__attrs_poisson_nll_loss *a = f->attrs;
    ebb_tensor *x = f->in[0], *target = f->in[1];
    ebb_tensor *loss = a->log_input.value != 0 ? ebb_sub(ebb_exp(x), ebb_mul(target, x))
                                               : ebb_sub(x, ebb_mul(target, ebb_log(ebb_add(x, a->eps.value))));
    if (a->full) loss = ebb_add(loss, stirling(target));
    return ebb__loss_reduced(loss, a->reduction);
}

const struct ebb_op ebb_op_poisson_nll_loss = {
    EBB_SIGNATURE(poisson_nll_loss,
                  "Tensor self, Tensor target, bool? log_input=true, bool full=false, float? eps=1e-8, " EBB__REDUCTION
                  " -> Tensor"),
    .doc = EBB_TEXT(
        "The negative log likelihood of the counts target under Poisson distributions: exp(self) - target * self; with "
        "log_input false self - target * log(self + eps). full adds Stirling's approximation of log(target!) where target is "
        "more than 1. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.poisson_nll_loss"),
    .autocast = EBB_AUTOCAST_F32,
    .compose = poisson_compose,
    .parts = EBB_TEXT(
        "l = exp(self) - target * self if log_input else self - target * log(self + eps); l = l + (where(target > 1, target * log(target) - target + log(2 * pi * target) / 2, 0) if full else 0)" EBB__REDUCED),
    .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (3,4) log_input=false eps=0.1", "(3,4) (3,4) full=true reduction=none",
                           "(3,4) (4) reduction=sum", "() ()", "! (3) (4)"),
    .domain = {0.3, 3},
};
