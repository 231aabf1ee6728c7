/* Special functions: the error function and its relatives, the logarithm of the gamma function and its derivatives. */
#define EBB_FAMILY "Unary"
#include "ops/ops.h"
#include <math.h>

#define TWO_BY_SQRT_PI 1.12837916709551257390

/* d erf(x) / dx */
static ebb_tensor *erf_slope(ebb_tensor *x) { return ebb_mul(ebb_exp(ebb_neg(ebb_square(x))), TWO_BY_SQRT_PI); }

static void erf_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_mul(v->grad[0], erf_slope(v->in[0]))); }
static void erfc_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_neg(ebb_mul(v->grad[0], erf_slope(v->in[0])))); }
static void erfinv_vjp(struct ebb_vjp_call *v) {
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], ebb_mul(ebb_exp(ebb_square(v->out[0])), 1 / TWO_BY_SQRT_PI)));
}
static void lgamma_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_mul(v->grad[0], ebb_digamma(v->in[0]))); }
static void digamma_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_mul(v->grad[0], ebb_polygamma(1, v->in[0]))); }

static void polygamma_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_polygamma *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], ebb_polygamma(a->n < INT64_MAX ? a->n + 1 : a->n, v->in[0])));
}

/* Outside of the bounds that eps gives the result is constant; without them logit is not defined outside of 0 to 1. */
static void logit_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_logit *a = v->attrs;
    ebb_tensor *x = v->in[0], *g = ebb_div(v->grad[0], ebb_mul(x, ebb_sub(1, x)));
    double low = a->eps.given ? a->eps.value : 0;
    ebb_tensor *inside = ebb_logical_and(ebb_ge(x, low), ebb_le(x, 1 - low));
    ebb_vjp_give(v, 0, ebb_where(inside, g, a->eps.given ? 0 : (double)NAN));
}

/* 0 log(other) is 0, and stays so in the gradient. */
static void xlogy_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *x = v->in[0], *other = v->in[1], *g = v->grad[0];
    if (v->needs[0]) {
        ebb_tensor *known = ebb_tensor_is_number(other) ? ebb_logical_not(ebb_gt(other, 0)) : ebb_le(other, 0);
        ebb_vjp_give(v, 0, ebb_where(ebb_logical_and(ebb_eq(x, 0), known), 0, ebb_xlogy(g, other)));
    }
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mul(g, ebb_div(x, other)));
}

static void logaddexp_vjp(struct ebb_vjp_call *v) {
    for (int i = 0; i < 2; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_mul(v->grad[0], ebb_sigmoid(ebb_sub(v->in[i], v->in[1 - i]))));
}

static const char *xlogy_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[0])   ? "XlogyBackward1"
           : ebb_tensor_is_number(in[1]) ? "XlogyBackward2"
                                         : "XlogyBackward0";
}

#define SPECIAL(op, text, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, text), \
                                       .torch = EBB_TEXT("torch." #op), \
                                       .promote = EBB_PROMOTE_FLOAT, \
                                       .dtypes = EBB_FLOATING, \
                                       .inplace = true, \
                                       .loops = ebb__loops_##op, \
                                       .vjp = op##_vjp, \
                                       __VA_ARGS__};
#define SAMPLES .samples = EBB_SAMPLES("(3,4)", "()", "(0,3)", "(2,1,3)", "i5(4)", "b(2)")
#define ONE "Tensor self -> Tensor"
#define PAIR "Number self, Number other -> Tensor"
#define PAIRS \
    .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (4)", "(2,1,3) (4,1)", "() (3)", "(0,3) (3)", "i5(3) (3)", "! (3) (4)")
#define BOTH (EBB_IN(0) | EBB_IN(1))

SPECIAL(erf, ONE, SAMPLES, .node = "ErfBackward0", .doc = EBB_TEXT("The error function."), .saves = {EBB_IN(0)},
        .formula = EBB_FORMULAS("g * 2 / sqrt(pi) * exp(-self**2)"))
SPECIAL(erfc, ONE, SAMPLES, .node = "ErfcBackward0", .doc = EBB_TEXT("1 - erf(self), exact also where that is small."),
        .saves = {EBB_IN(0)}, .formula = EBB_FORMULAS("-g * 2 / sqrt(pi) * exp(-self**2)"))
SPECIAL(erfinv, ONE, SAMPLES, .node = "ErfinvBackward0", .doc = EBB_TEXT("The inverse of erf; NaN outside of -1 to 1."),
        .saves = {EBB_OUT(0)}, .formula = EBB_FORMULAS("g * sqrt(pi) / 2 * exp(y**2)"), .domain = {-0.9, 0.9})
SPECIAL(lgamma, ONE, SAMPLES, .node = "LgammaBackward0",
        .doc = EBB_TEXT("The logarithm of the absolute value of gamma(self)."), .saves = {EBB_IN(0)},
        .formula = EBB_FORMULAS("g * digamma(self)"), .domain = {0.4, 4})
SPECIAL(digamma, ONE, SAMPLES, .node = "DigammaBackward0",
        .doc = EBB_TEXT("The derivative of lgamma. At 0 infinite, at whole numbers below NaN."), .saves = {EBB_IN(0)},
        .formula = EBB_FORMULAS("g * polygamma(1, self)"), .domain = {0.4, 4})
SPECIAL(polygamma, "int n, Tensor self -> Tensor", .node = "PolygammaBackward0",
        .doc = EBB_TEXT("The n-th derivative of digamma, n >= 0."), .saves = {EBB_IN(0)},
        .formula = EBB_FORMULAS("g * polygamma(n + 1, self)"), .domain = {0.6, 4},
        .samples = EBB_SAMPLES("(3,4) n=1", "(4) n=2", "() n=0", "(0,3) n=3", "i5(4) n=1"))
SPECIAL(logit, "Tensor self, float? eps=none -> Tensor", .node = "LogitBackward0",
        .doc = EBB_TEXT("log(self / (1 - self)). With eps, self is first brought into eps to 1 - eps."),
        .saves = {EBB_IN(0)},
        .formula = EBB_FORMULAS("where(eps == None or eps <= self <= 1 - eps, g / (self * (1 - self)), 0)"),
        .domain = {0.05, 0.95},
        .samples = EBB_SAMPLES("(3,4)", "()", "(0,3)", "(2,3) eps=0.2", "(3) eps=0", "b(2) eps=0.1"))
SPECIAL(xlogy, PAIR, PAIRS, .node = "XlogyBackward0", .node_variant = xlogy_node,
        .doc = EBB_TEXT("self * log(other), and 0 where self is 0 and other is not NaN."), .saves = {BOTH, BOTH},
        .formula = EBB_FORMULAS("where(self == 0 and other <= 0, 0, g * log(other))", "g * self / other"),
        .domain = {0.2, 3})
SPECIAL(logaddexp, "Tensor self, Tensor other -> Tensor", PAIRS, .node = "LogaddexpBackward0",
        .doc = EBB_TEXT("log(exp(self) + exp(other)), without overflow."), .saves = {BOTH, BOTH},
        .formula = EBB_FORMULAS("g * sigmoid(self - other)", "g * sigmoid(other - self)"))
