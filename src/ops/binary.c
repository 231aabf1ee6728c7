/* Elementwise arithmetic of two tensors, or of a tensor and a number. */
#define EBB_FAMILY "Arithmetic"
#include "base/number.h"
#include "ops/ops.h"
#include <math.h>

static void add_vjp(struct ebb_vjp_call *v) {
    for (int i = 0; i < 2; i++) ebb_vjp_give(v, i, v->grad[0]);
}

static void scaled_vjp(struct ebb_vjp_call *v, double scale) {
    if (v->needs[0]) ebb_vjp_give(v, 0, v->grad[0]);
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mul(v->grad[0], scale));
}
static void add_scaled_vjp(struct ebb_vjp_call *v) {
    scaled_vjp(v, ((const struct ebb__attrs_add_scaled *)v->attrs)->alpha.value);
}
static void sub_scaled_vjp(struct ebb_vjp_call *v) {
    scaled_vjp(v, -((const struct ebb__attrs_sub_scaled *)v->attrs)->alpha.value);
}

/* Integers take whole multiples only. */
static ebb_status check_alpha(const void *attrs, ebb_tensor *const *in, int64_t n_in, ebb_dtype dtype) {
    const ebb_setting *alpha = attrs;
    (void)in, (void)n_in;
    if (ebb_dtype_is_floating(dtype) || alpha->dtype != EBB_F64) return EBB_OK;
    if (trunc(alpha->value) == alpha->value && fabs(alpha->value) < 0x1p63) return EBB_OK;
    return ebb_fail(EBB_ERR_ARGUMENT, "alpha is %g; of %s it must be a whole number", alpha->value,
                    ebb_dtype_name(dtype));
}

/* Subtraction by the loops of addition. */
#define SUB_SCALED(dtype) \
    static void sub_scaled_##dtype(int64_t n, char *const *p, const int64_t *stride, const void *attrs) { \
        const ebb_setting alpha = ebb__negated(*(const ebb_setting *)attrs); \
        ebb__loops_add_scaled[dtype](n, p, stride, &alpha); \
    }
SUB_SCALED(EBB_U8)
SUB_SCALED(EBB_I32)
SUB_SCALED(EBB_I64)
SUB_SCALED(EBB_F32)
SUB_SCALED(EBB_F64)
static const ebb_loop sub_scaled_loops[EBB_DTYPE_COUNT] = {
    [EBB_U8] = sub_scaled_EBB_U8,   [EBB_I32] = sub_scaled_EBB_I32, [EBB_I64] = sub_scaled_EBB_I64,
    [EBB_F32] = sub_scaled_EBB_F32, [EBB_F64] = sub_scaled_EBB_F64,
};

static void sub_vjp(struct ebb_vjp_call *v) {
    ebb_vjp_give(v, 0, v->grad[0]);
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_neg(v->grad[0]));
}

static void mul_vjp(struct ebb_vjp_call *v) {
    for (int i = 0; i < 2; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_mul(v->grad[0], v->in[1 - i]));
}

static void div_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *a = v->in[0], *b = v->in[1], *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_div(g, b));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_neg(ebb_mul(g, ebb_div(ebb_div(a, b), b))));
}

/* d x^e / dx = e x^(e-1). x^0 is 1 everywhere, so its gradient is 0 also where x^(-1) is infinite. */
static ebb_tensor *pow_base_grad(ebb_tensor *g, ebb_tensor *x, ebb_tensor *e) {
    if (!ebb_tensor_is_number(e)) return ebb_where(ebb_eq(e, 0), 0, ebb_mul(g, ebb_mul(e, ebb_pow(x, ebb_sub(e, 1)))));
    double value = ebb_item(e);
    if (value == 0) return ebb_zero(g);
    return ebb_mul(g, ebb_mul(value == 2 ? x : ebb_pow(x, value - 1), e));
}

/* d x^e / de = x^e log(x), in the limit 0 for x = 0 and e >= 0, where the logarithm is not taken: its infinity would
 * come back in the second derivative as 0 times infinity. */
static ebb_tensor *pow_exponent_grad(ebb_tensor *g, ebb_tensor *x, ebb_tensor *e, ebb_tensor *y) {
    double number = ebb_tensor_is_number(x) ? ebb_item(x) : 0;
    /* in double precision, whatever the default dtype is */
    if (number != 0) return ebb_mul(g, ebb_mul(y, log(number)));
    ebb_tensor *limit = ebb_logical_and(ebb_eq(x, 0), ebb_ge(e, 0));
    ebb_tensor *base = ebb_where(limit, 1, ebb_to(x, ebb_tensor_dtype(y)));
    return ebb_mul(g, ebb_where(limit, 0, ebb_mul(y, ebb_log(base))));
}

static void pow_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *x = v->in[0], *e = v->in[1], *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, pow_base_grad(g, x, e));
    if (v->needs[1]) ebb_vjp_give(v, 1, pow_exponent_grad(g, x, e, v->out[0]));
}

/* A tensor may have negative exponents of integers, which give 0; a number, as PyTorch has it, may not. */
static ebb_status check_exponent(const void *attrs, ebb_tensor *const *in, int64_t n_in, ebb_dtype dtype) {
    (void)attrs, (void)n_in;
    if (ebb_dtype_is_floating(dtype) || !ebb_tensor_is_number(in[1]) || ebb_item(in[1]) >= 0) return EBB_OK;
    return ebb_fail(EBB_ERR_ARGUMENT, "integers to negative integer powers are not allowed");
}

/* The chosen element gets the gradient; where both are equal, each gets half. `loses` says which is not chosen. */
static void choice_vjp(struct ebb_vjp_call *v, ebb_tensor *(*loses)(ebb_tensor *, ebb_tensor *)) {
    ebb_tensor *g = v->grad[0];
    for (int i = 0; i < 2; i++) {
        ebb_tensor *mine = v->in[i], *other = v->in[1 - i];
        if (!v->needs[i]) continue;
        ebb_vjp_give(v, i, ebb_where(ebb_eq(mine, other), ebb_mul(g, 0.5), ebb_where(loses(mine, other), 0, g)));
    }
}
static void maximum_vjp(struct ebb_vjp_call *v) { choice_vjp(v, ebb_lt); }
static void minimum_vjp(struct ebb_vjp_call *v) { choice_vjp(v, ebb_gt); }

/* Of a number: in double precision, which an operator would not give for a number alone. */
static ebb_tensor *squared(ebb_tensor *x) {
    return ebb_tensor_is_number(x) ? ebb_number_f64(ebb_item(x) * ebb_item(x)) : ebb_square(x);
}

/* At the origin, where the angle is not defined, PyTorch's gradient is 0. */
static void atan2_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *y = v->in[0], *x = v->in[1], *square = ebb_add(squared(y), squared(x));
    ebb_tensor *g = ebb_div(v->grad[0], ebb_where(ebb_eq(square, 0), (double)INFINITY, square)); /* 0 at the origin */
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_mul(g, x));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_neg(ebb_mul(g, y)));
}

static void hypot_vjp(struct ebb_vjp_call *v) {
    for (int i = 0; i < 2; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_mul(v->grad[0], ebb_div(v->in[i], v->out[0])));
}

static void copysign_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *g = v->grad[0], *x = v->in[0];
    ebb_tensor *sign = v->needs[0] ? ebb_where(ebb_isnan(x), (double)NAN, ebb_sign(x)) : NULL;
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_mul(g, ebb_mul(sign, ebb_copysign(1, v->in[1]))));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_zero(g));
}

/* Where both are equal, self has the gradient. `wins` says so. */
static void fchoice_vjp(struct ebb_vjp_call *v, ebb_tensor *(*wins)(ebb_tensor *, ebb_tensor *)) {
    ebb_tensor *first = ebb_logical_or(wins(v->in[0], v->in[1]), ebb_isnan(v->in[1]));
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_where(first, v->grad[0], 0));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_where(first, 0, v->grad[0]));
}
static void fmax_vjp(struct ebb_vjp_call *v) { fchoice_vjp(v, ebb_ge); }
static void fmin_vjp(struct ebb_vjp_call *v) { fchoice_vjp(v, ebb_le); }

/* PyTorch's overloads for numbers have nodes of their own. */
static const char *copysign_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[1]) ? "CopysignBackward1" : "CopysignBackward0";
}
static const char *sub_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[0]) ? "RsubBackward1" : "SubBackward0";
}
static const char *pow_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[1]) ? "PowBackward0" : ebb_tensor_is_number(in[0]) ? "PowBackward2" : "PowBackward1";
}

#define BINARY_OF(has_inplace, op, second, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, "Number self, Number " #second " -> Tensor"), \
                                       .torch = EBB_TEXT("torch." #op), \
                                       .loops = ebb__loops_##op, \
                                       .vjp = op##_vjp, \
                                       .inplace = has_inplace, \
                                       .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (4)", "(2,1,3) (4,1)", "() (3)", \
                                                              "(2,3) 2.5", "1.5 (2,3)", "(2,3) 2", "(0,3) (3)", \
                                                              "i5(4) (4)", "i5(4) i5(3,4)", "! (3) (4)"), \
                                       __VA_ARGS__};
#define BINARY(op, second, ...) BINARY_OF(true, op, second, __VA_ARGS__)
#define BOTH (EBB_IN(0) | EBB_IN(1))

BINARY(add, other, .promote = EBB_PROMOTE_COMMON, .node = "AddBackward0",
       .doc = EBB_TEXT("self + other; of bools, or."), .formula = EBB_FORMULAS("g", "g"))
BINARY(sub, other, .promote = EBB_PROMOTE_COMMON, .dtypes = EBB_NUMERIC, .node = "SubBackward0",
       .node_variant = sub_node, .doc = EBB_TEXT("self - other."), .formula = EBB_FORMULAS("g", "-g"))
BINARY(mul, other, .promote = EBB_PROMOTE_COMMON, .node = "MulBackward0",
       .doc = EBB_TEXT("self * other; of bools, and."), .saves = {EBB_IN(1), EBB_IN(0)},
       .formula = EBB_FORMULAS("g * other", "g * self"))
BINARY(div, other, .promote = EBB_PROMOTE_FLOAT, .dtypes = EBB_FLOATING, .node = "DivBackward0",
       .doc = EBB_TEXT("self / other, true division also of integers."), .saves = {EBB_IN(1), BOTH},
       .formula = EBB_FORMULAS("g / other", "-g * (self / other) / other"), .domain = {0.2, 3})
BINARY(pow, exponent, .promote = EBB_PROMOTE_COMMON, .dtypes = EBB_NUMERIC, .node = "PowBackward0",
       .node_variant = pow_node, .check = check_exponent,
       .doc = EBB_TEXT(
           "self to the power of exponent. Of integers, a negative exponent gives 0, except for bases 1 and -1; a "
           "negative number is an error."),
       .saves = {BOTH, BOTH | EBB_OUT(0)},
       .formula = EBB_FORMULAS("where(exponent == 0, 0, g * exponent * self**(exponent - 1))",
                               "where(self == 0 and exponent >= 0, 0, g * y * log(self))"),
       .domain = {0.2, 3})
BINARY_OF(false, maximum, other, .overload = "max", .promote = EBB_PROMOTE_COMMON, .node = "MaximumBackward0",
          .doc = EBB_TEXT("The greater of self and other; NaN where either is NaN."), .saves = {BOTH, BOTH},
          .formula = EBB_FORMULAS("where(self > other, g, where(self == other, g / 2, 0))",
                                  "where(other > self, g, where(self == other, g / 2, 0))"))
BINARY_OF(false, minimum, other, .overload = "min", .promote = EBB_PROMOTE_COMMON, .node = "MinimumBackward0",
          .doc = EBB_TEXT("The smaller of self and other; NaN where either is NaN."), .saves = {BOTH, BOTH},
          .formula = EBB_FORMULAS("where(self < other, g, where(self == other, g / 2, 0))",
                                  "where(other < self, g, where(self == other, g / 2, 0))"))
BINARY(atan2, other, .promote = EBB_PROMOTE_FLOAT, .dtypes = EBB_FLOATING, .node = "Atan2Backward0",
       .doc = EBB_TEXT("The angle of the point (other, self), from -pi to pi."), .saves = {BOTH, BOTH},
       .formula = EBB_FORMULAS("g * other / (self**2 + other**2)", "-g * self / (self**2 + other**2)"))
BINARY(hypot, other, .promote = EBB_PROMOTE_FLOAT, .dtypes = EBB_FLOATING, .node = "HypotBackward0",
       .doc = EBB_TEXT("sqrt(self^2 + other^2), without overflow."),
       .saves = {EBB_IN(0) | EBB_OUT(0), EBB_IN(1) | EBB_OUT(0)},
       .formula = EBB_FORMULAS("g * self / y", "g * other / y"), .domain = {0.3, 3})
BINARY(copysign, other, .promote = EBB_PROMOTE_FLOAT, .dtypes = EBB_FLOATING, .node = "CopysignBackward0",
       .node_variant = copysign_node, .doc = EBB_TEXT("The size of self with the sign of other."), .saves = {BOTH, 0},
       .formula = EBB_FORMULAS("g * where(isnan(self), nan, sign(self)) * sign(other)", "0"))
BINARY_OF(false, fmax, other, .promote = EBB_PROMOTE_COMMON, .node = "FmaxBackward0",
          .doc = EBB_TEXT("The greater of self and other; NaN only where both are."), .saves = {BOTH, BOTH},
          .formula = EBB_FORMULAS("where(self >= other, g, 0)", "where(other > self, g, 0)"))
BINARY_OF(false, fmin, other, .promote = EBB_PROMOTE_COMMON, .node = "FminBackward0",
          .doc = EBB_TEXT("The smaller of self and other; NaN only where both are."), .saves = {BOTH, BOTH},
          .formula = EBB_FORMULAS("where(self <= other, g, 0)", "where(other < self, g, 0)"))

/* Apart from add and sub, which are called so often that they carry no attribute. */
#define SCALED(op, of, ...) \
    const struct ebb_op ebb_op_##op = { \
        EBB_SIGNATURE(op, "Number self, Number other, number alpha -> Tensor"), \
        .torch = EBB_TEXT("torch." of "(alpha=)"), \
        .overload = of, \
        .promote = EBB_PROMOTE_COMMON, \
        .check = check_alpha, \
        .inplace = true, \
        .vjp = op##_vjp, \
        .samples = EBB_SAMPLES("(3,4) (3,4) alpha=-2", "(3,4) (4) alpha=0.5", "() (3) alpha=0", "(0,3) (3) alpha=1", \
                               "(2,3) 1.5 alpha=2", "2 (3) alpha=3", "i5(4) (4) alpha=2", "i5(4) i5(3,4) alpha=-2", \
                               "! (3) (4) alpha=1", "! i5(4) i5(4) alpha=0.5"), \
        __VA_ARGS__};
SCALED(add_scaled, "add", .loops = ebb__loops_add_scaled, .node = "AddBackward0",
       .formula = EBB_FORMULAS("g", "g * alpha"),
       .doc = EBB_TEXT("self + alpha * other: PyTorch's add with alpha, of integers a whole number."))
SCALED(sub_scaled, "sub", .loops = sub_scaled_loops, .dtypes = EBB_NUMERIC, .node = "SubBackward0",
       .formula = EBB_FORMULAS("g", "-g * alpha"),
       .doc = EBB_TEXT("self - alpha * other: PyTorch's sub with alpha, of integers a whole number."))

static ebb_tensor *float_power_compose(struct ebb_forward *f) {
    ebb_tensor *in[2];
    for (int i = 0; i < 2; i++)
        in[i] = ebb_tensor_is_number(f->in[i]) ? ebb_number_f64(ebb_item(f->in[i])) : ebb_to(f->in[i], EBB_F64);
    return ebb_pow(in[0], in[1]);
}

const struct ebb_op ebb_op_float_power = {
    EBB_SIGNATURE(float_power, "Number self, Number exponent -> Tensor"),
    .doc = EBB_TEXT("pow in double precision, whatever the dtypes. Recorded as its parts."),
    .torch = EBB_TEXT("torch.float_power"),
    .compose = float_power_compose,
    .inplace = true,
    .parts = EBB_TEXT("pow(to(self, float64), to(exponent, float64))"),
    .samples =
        EBB_SAMPLES("(3,4) (3,4)", "(3,4) (4)", "(2,3) 2.5", "2 (3)", "() (3)", "(0,3) 2", "i5(4) 2", "! (3) (4)"),
    .domain = {0.2, 3},
};
