/* Losses of probabilities: binary_cross_entropy, with and without logits, kl_div, soft_margin_loss. */
#define EBB_FAMILY "Losses"
#include "ops/batching.h"
#include "ops/loss.h"

#define ALL (EBB_IN(0) | EBB_IN(1) | EBB_IN(2))

static ebb_tensor *times(ebb_tensor *t, ebb_tensor *weight) { return weight ? ebb_mul(t, weight) : t; }

static bool same_shapes(const struct ebb_forward *f) {
    if (ebb__same_shape(f->in[0], f->in[1])) return true;
    (void)ebb_fail(EBB_ERR_SHAPE, "target must have the shape of self");
    return false;
}

/* ---- binary_cross_entropy ---- */

static bool is_probability(ebb_tensor *t, const char *name) {
    if (t->numel == 0 || ebb__is_batched(t) || /* whose elements cannot be looked at */
        (ebb_item(ebb_amin(t)) >= 0 && ebb_item(ebb_amax(t)) <= 1))
        return true;
    (void)ebb_fail(EBB_ERR_ARGUMENT, "all elements of %s must lie between 0 and 1", name);
    return false;
}

/* The logarithms are taken as at least -100, so that a wrong certainty costs much and not infinitely much. */
static ebb_tensor *bce_terms(ebb_tensor *x, ebb_tensor *target) {
    ebb_tensor *floor = ebb_number_f64(-100);
    ebb_tensor *yes = ebb_mul(target, ebb_maximum(ebb_log(x), floor));
    ebb_tensor *no = ebb_mul(ebb_sub(target, 1), ebb_maximum(ebb_log1p(ebb_neg(x)), floor));
    return ebb_sub(no, yes);
}

static ebb_tensor *bce_compose(struct ebb_forward *f) {
    const struct ebb__attrs_binary_cross_entropy *a = f->attrs;
    ebb_tensor *x = f->in[0], *target = f->in[1];
    if (!ebb__loss_defined(f) || !same_shapes(f)) return NULL;
    if (!is_probability(x, "self") || !is_probability(target, "target")) return NULL;
    return ebb__loss_reduced(times(bce_terms(x, target), f->in[2]), a->reduction);
}

static void bce_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_binary_cross_entropy *a = v->attrs;
    ebb_tensor *x = v->in[0], *target = v->in[1], *weight = v->in[2];
    ebb_tensor *g = ebb__loss_spread(v->grad[0], weight ? ebb_mul(x, weight) : x, a->reduction);
    if (v->needs[0]) {
        ebb_tensor *spread = ebb_clamp(ebb_mul(ebb_sub(1, x), x), .min = ebb_number_f64((double)1e-12f));
        ebb_vjp_give(v, 0, ebb_mul(times(g, weight), ebb_div(ebb_sub(x, target), spread)));
    }
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mul(times(g, weight), ebb_sub(ebb_log1p(ebb_neg(x)), ebb_log(x))));
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_mul(g, bce_terms(x, target)));
}

/* what the mean divides by, and the weights */
#define OF_TERMS \
    "n = (self if weight == None else self * weight).numel() if reduction == 'mean' else 1; w = 1 if weight == None else " \
    "weight; "

const struct ebb_op ebb_op_binary_cross_entropy = {
    EBB_SIGNATURE(binary_cross_entropy, "Tensor self, Tensor target, Tensor? weight, " EBB__REDUCTION " -> Tensor"),
    .doc = EBB_TEXT(
        "-weight * (target * log(self) + (1 - target) * log(1 - self)), its mean or sum, for probabilities self and target "
        "of one shape. The logarithms are taken as at least -100."),
    .torch = EBB_TEXT("torch.nn.functional.binary_cross_entropy"),
    .node = "BinaryCrossEntropyBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = bce_compose,
    .vjp = bce_vjp,
    .batch = ebb__batch_loss,
    .saves = {ALL, ALL, ALL},
    .formula = EBB_FORMULAS(OF_TERMS "g * w * (self - target) / (self * (1 - self)) / n",
                            OF_TERMS "g * w * (log(1 - self) - log(self)) / n",
                            OF_TERMS "-g * (target * log(self) + (1 - target) * log(1 - self)) / n"),
    .samples =
        EBB_SAMPLES("(3,4) (3,4)", "(3,4) (3,4) (4)", "(3,4) (3,4) (3,4) reduction=sum", "(3,4) (3,4) reduction=none",
                    "() ()", "(0,3) (0,3) reduction=sum", "! (3,4) (4)", "! i5(3) i5(3)"),
    .domain = {0.05, 0.95},
};

/* ---- binary_cross_entropy_with_logits ---- */

/* (1 - target) x - (1 + (pos_weight - 1) target) log(sigmoid(x)) */
static ebb_tensor *logits_terms(ebb_tensor *x, ebb_tensor *target, ebb_tensor *pos_weight) {
    ebb_tensor *log_sigmoid = ebb_logsigmoid(x), *linear = ebb_mul(ebb_sub(1, target), x);
    if (pos_weight) log_sigmoid = ebb_mul(log_sigmoid, ebb_add(ebb_mul(ebb_sub(pos_weight, 1), target), 1));
    return ebb_sub(linear, log_sigmoid);
}

static ebb_tensor *logits_compose(struct ebb_forward *f) {
    const struct ebb__attrs_binary_cross_entropy_with_logits *a = f->attrs;
    if (!ebb__loss_defined(f) || !same_shapes(f)) return NULL;
    return ebb__loss_reduced(times(logits_terms(f->in[0], f->in[1], f->in[3]), f->in[2]), a->reduction);
}

/* A tensor of as many elements as the loss has terms: weights broadcast. */
static ebb_tensor *logits_count(struct ebb_vjp_call *v) {
    ebb_tensor *like = v->in[0];
    for (int i = 2; i < 4; i++) like = v->in[i] ? ebb_mul(like, v->in[i]) : like;
    return like;
}

static void logits_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_binary_cross_entropy_with_logits *a = v->attrs;
    ebb_tensor *x = v->in[0], *target = v->in[1], *weight = v->in[2], *pos_weight = v->in[3];
    ebb_tensor *plain = ebb__loss_spread(v->grad[0], logits_count(v), a->reduction), *g = times(plain, weight);
    if (v->needs[0]) {
        ebb_tensor *s = ebb_sigmoid(x), *positive = times(target, pos_weight);
        if (pos_weight) s = ebb_mul(s, ebb_add(ebb_sub(positive, target), 1));
        ebb_vjp_give(v, 0, ebb_mul(g, ebb_sub(s, positive)));
    }
    if (v->needs[1]) {
        ebb_tensor *slope =
            pos_weight ? ebb_sub(ebb_logsigmoid(ebb_neg(x)), ebb_mul(pos_weight, ebb_logsigmoid(x))) : ebb_neg(x);
        ebb_vjp_give(v, 1, ebb_mul(g, slope));
    }
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_mul(plain, logits_terms(x, target, pos_weight)));
    if (v->needs[3]) ebb_vjp_give(v, 3, ebb_neg(ebb_mul(g, ebb_mul(target, ebb_logsigmoid(x)))));
}

#define OF_LOGITS \
    "p = 1 if pos_weight == None else pos_weight; w = 1 if weight == None else weight; n = (self * w * p).numel() if " \
    "reduction == 'mean' else 1; "

const struct ebb_op ebb_op_binary_cross_entropy_with_logits = {
    EBB_SIGNATURE(binary_cross_entropy_with_logits,
                  "Tensor self, Tensor target, Tensor? weight, Tensor? pos_weight, " EBB__REDUCTION " -> Tensor"),
    .order = "self, target, weight, reduction, pos_weight",
    .doc = EBB_TEXT(
        "binary_cross_entropy of sigmoid(self), without overflow: weight * ((1 - target) * self - (1 + (pos_weight - 1) * "
        "target) * log(sigmoid(self))), its mean or sum. pos_weight is the weight of what is positive."),
    .torch = EBB_TEXT("torch.nn.functional.binary_cross_entropy_with_logits"),
    .node = "BinaryCrossEntropyWithLogitsBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = logits_compose,
    .vjp = logits_vjp,
    .batch = ebb__batch_loss,
    .saves = {ALL | EBB_IN(3), ALL | EBB_IN(3), ALL | EBB_IN(3), ALL | EBB_IN(3)},
    .formula = EBB_FORMULAS(OF_LOGITS "g * w * (sigmoid(self) * (1 + (p - 1) * target) - p * target) / n",
                            OF_LOGITS "g * w * (logsigmoid(-self) - p * logsigmoid(self)) / n",
                            OF_LOGITS "g * ((1 - target) * self - (1 + (p - 1) * target) * logsigmoid(self)) / n",
                            OF_LOGITS "-g * w * target * logsigmoid(self) / n"),
    .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (3,4) (4)", "(3,4) (3,4) none (4) reduction=sum",
                           "(3,4) (3,4) (3,1) (4) reduction=none", "(3,4) (3,4) (4) (4)", "() ()",
                           "(0,3) (0,3) reduction=sum", "! (3,4) (4)", "! (3) (3) (4)", "! i5(3) i5(3)"),
};

/* ---- kl_div ---- */

enum { BATCHMEAN = EBB_REDUCTION_NONE + 1 };

static ebb_tensor *kl_compose(struct ebb_forward *f) {
    const struct ebb__attrs_kl_div *a = f->attrs;
    ebb_tensor *x = f->in[0], *target = f->in[1];
    ebb_tensor *terms = a->log_target ? ebb_mul(ebb_exp(target), ebb_sub(target, x))
                                      : ebb_sub(ebb_xlogy(target, target), ebb_mul(target, x));
    if (a->reduction != BATCHMEAN) return ebb__loss_reduced(terms, a->reduction);
    return x->ndim ? ebb_div(ebb_sum(terms), (double)x->dims[0]) : ebb_sum(terms);
}

const struct ebb_op ebb_op_kl_div = {
    EBB_SIGNATURE(kl_div, "Tensor self, Tensor target, enum(mean|sum|none|batchmean) reduction=mean, bool "
                          "log_target=false -> Tensor"),
    .doc = EBB_TEXT(
        "The divergence of Kullback and Leibler: target * (log(target) - self) for log-probabilities self, and 0 where "
        "target is; with log_target exp(target) * (target - self). batchmean divides the sum by the first dimension's size, "
        "as the definition has it; mean by the number of terms. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.kl_div"),
    .autocast = EBB_AUTOCAST_F32,
    .compose = kl_compose,
    .parts = EBB_TEXT(
        "l = exp(target) * (target - self) if log_target else xlogy(target, target) - target * self; sum(l) / (self.shape[0] if self.ndim else 1) if reduction == 'batchmean' else mean(l) if reduction == 'mean' else sum(l) if reduction == 'sum' else l"),
    .samples =
        EBB_SAMPLES("(3,4) (3,4)", "(3,4) (3,4) reduction=batchmean", "(3,4) (3,4) log_target=true reduction=sum",
                    "(3,4) (4) reduction=none", "() () reduction=batchmean", "(0,3) (0,3) reduction=sum", "! (3) (4)"),
    .domain = {0.1, 2},
};

/* ---- soft_margin_loss ---- */

static ebb_tensor *soft_margin_compose(struct ebb_forward *f) {
    const struct ebb__attrs_soft_margin_loss *a = f->attrs;
    ebb_dims shape = ebb_tensor_shape(f->in[0]), target = ebb_tensor_shape(f->in[1]), all = shape;
    if (!ebb__loss_defined(f)) return NULL;
    if (ebb__broadcast(&all, &target) && !ebb__dims_equal(&all, &shape))
        return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "target must broadcast to the shape of self");
    return ebb__loss_reduced(ebb_neg(ebb_logsigmoid(ebb_mul(f->in[1], f->in[0]))), a->reduction);
}

static void soft_margin_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_soft_margin_loss *a = v->attrs;
    ebb_tensor *z = ebb_mul(v->in[1], v->in[0]), *g = ebb__loss_spread(v->grad[0], z, a->reduction);
    ebb_tensor *slope = ebb_neg(ebb_mul(g, ebb_sigmoid(ebb_neg(z))));
    for (int i = 0; i < 2; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_mul(slope, v->in[1 - i]));
}

const struct ebb_op ebb_op_soft_margin_loss = {
    EBB_SIGNATURE(soft_margin_loss, "Tensor self, Tensor target, " EBB__REDUCTION " -> Tensor"),
    .doc = EBB_TEXT(
        "log(1 + exp(-target * self)), its mean or sum, without overflow; target is 1 or -1, and broadcasts to self."),
    .torch = EBB_TEXT("torch.nn.functional.soft_margin_loss"),
    .node = "SoftMarginLossBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = soft_margin_compose,
    .vjp = soft_margin_vjp,
    .batch = ebb__batch_loss,
    .saves = {EBB_IN(0) | EBB_IN(1), EBB_IN(0) | EBB_IN(1)},
    .formula = EBB_FORMULAS(
        "n = (self * target).numel() if reduction == 'mean' else 1; -g * target * sigmoid(-target * self) / n",
        "n = (self * target).numel() if reduction == 'mean' else 1; -g * self * sigmoid(-target * self) / n"),
    .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (3,4) reduction=sum", "(3,4) (4) reduction=none", "() ()", "! (3) (4)",
                           "! (4) (3,4)", "! i5(3) i5(3)"),
};
