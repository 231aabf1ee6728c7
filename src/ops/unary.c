/* Elementwise functions of one tensor. */
#define EBB_FAMILY "Unary"
#include "ops/ops.h"

#define PI 3.14159265358979323846
#define LN2 0.69314718055994530942
#define LN10 2.30258509299404568402

#define RULE(op, gradient) \
    static void op##_vjp(struct ebb_vjp_call *v) { \
        ebb_tensor *g = v->grad[0], *x = v->in[0], *y = v->out[0]; \
        (void)x, (void)y; \
        ebb_vjp_give(v, 0, gradient); \
    }

RULE(neg, ebb_neg(g))
RULE(abs, ebb_mul(g, ebb_sign(x)))
RULE(sign, ebb_zero(g)) /* flat nearly everywhere: zero, and recorded as PyTorch does */
RULE(floor, ebb_zero(g))
RULE(relu, ebb_threshold_backward(g, y))
RULE(square, ebb_mul(g, ebb_mul(x, 2)))
RULE(exp, ebb_mul(g, y))
RULE(log, ebb_div(g, x))
RULE(sqrt, ebb_div(g, ebb_mul(y, 2)))
RULE(rsqrt, ebb_mul(ebb_mul(g, -0.5), ebb_pow(y, 3)))
RULE(reciprocal, ebb_neg(ebb_mul(g, ebb_mul(y, y))))
RULE(sin, ebb_mul(g, ebb_cos(x)))
RULE(cos, ebb_neg(ebb_mul(g, ebb_sin(x))))
RULE(tanh, ebb_tanh_backward(g, y))
RULE(sigmoid, ebb_sigmoid_backward(g, y))
RULE(exp2, ebb_mul(g, ebb_mul(y, LN2)))
RULE(expm1, ebb_mul(g, ebb_add(y, 1)))
RULE(log1p, ebb_div(g, ebb_add(x, 1)))
RULE(log2, ebb_div(g, ebb_mul(x, LN2)))
RULE(log10, ebb_div(g, ebb_mul(x, LN10)))
RULE(tan, ebb_mul(g, ebb_add(ebb_square(y), 1)))
RULE(asin, ebb_mul(g, ebb_rsqrt(ebb_sub(1, ebb_square(x)))))
RULE(acos, ebb_neg(ebb_mul(g, ebb_rsqrt(ebb_sub(1, ebb_square(x))))))
RULE(atan, ebb_div(g, ebb_add(ebb_square(x), 1)))
RULE(sinh, ebb_mul(g, ebb_cosh(x)))
RULE(cosh, ebb_mul(g, ebb_sinh(x)))
RULE(asinh, ebb_mul(g, ebb_rsqrt(ebb_add(ebb_square(x), 1))))
RULE(acosh, ebb_mul(g, ebb_rsqrt(ebb_sub(ebb_square(x), 1))))
RULE(atanh, ebb_div(g, ebb_sub(1, ebb_square(x))))

/* (cos(pi x) - sinc(x)) / x; near 0, where that is what rounding leaves, and its own derivatives more so, by the series
 * x times the sum of 2k (-1)^k pi^2k x^(2k - 2) / (2k + 1)!. */
static ebb_tensor *sinc_slope(ebb_tensor *x) {
    enum { TERMS = 9 };
    double c[TERMS + 1] = {1};
    for (int k = 1; k <= TERMS; k++) c[k] = -c[k - 1] * PI * PI / (2 * k * (2 * k + 1));
    ebb_tensor *near = ebb_lt(ebb_abs(x), 0.1), *far = ebb_where(near, 1, x);
    ebb_tensor *close = ebb_where(near, x, 0), *square = ebb_square(close);
    ebb_tensor *series = ebb_mul(square, c[TERMS] * 2 * TERMS);
    for (int k = TERMS - 1; k > 0; k--) {
        series = ebb_add(series, c[k] * 2 * k);
        if (k > 1) series = ebb_mul(series, square);
    }
    ebb_tensor *slope = ebb_div(ebb_sub(ebb_cos(ebb_mul(far, PI)), ebb_sinc(far)), far);
    return ebb_where(near, ebb_mul(series, close), slope);
}
RULE(sinc, ebb_mul(g, sinc_slope(x)))

/* The kernels' floor is for floating point; integers are their own. */
#define FLOOR_LOOP(dtype, loop) \
    static void floor_##dtype(int64_t n, char *const *p, const int64_t *stride, const void *attrs) { \
        (loop)(n, p, stride, attrs); \
    }
FLOOR_LOOP(EBB_U8, ebb__loops_cast[EBB_U8][EBB_U8])
FLOOR_LOOP(EBB_I32, ebb__loops_cast[EBB_I32][EBB_I32])
FLOOR_LOOP(EBB_I64, ebb__loops_cast[EBB_I64][EBB_I64])
FLOOR_LOOP(EBB_F32, ebb__loops_floor[EBB_F32])
FLOOR_LOOP(EBB_F64, ebb__loops_floor[EBB_F64])
static const ebb_loop floor_loops[EBB_DTYPE_COUNT] = {
    [EBB_U8] = floor_EBB_U8,   [EBB_I32] = floor_EBB_I32, [EBB_I64] = floor_EBB_I64,
    [EBB_F32] = floor_EBB_F32, [EBB_F64] = floor_EBB_F64,
};

#define UNARY(op, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, "Tensor self -> Tensor"), .torch = EBB_TEXT("torch." #op), \
                                       .inplace = true, .vjp = op##_vjp, __VA_ARGS__};

/* What those have in common that keep integers, and those that make them floating point. */
#define SHAPES "(3,4)", "()", "(0,3)", "(2,1,3)", "i5(4)"
#define KEEPING .promote = EBB_PROMOTE_COMMON, .dtypes = EBB_NUMERIC, .samples = EBB_SAMPLES(SHAPES, "! b(2)")
#define ANY .promote = EBB_PROMOTE_COMMON, .samples = EBB_SAMPLES(SHAPES, "b(2)")
#define FLOATING .promote = EBB_PROMOTE_FLOAT, .dtypes = EBB_FLOATING, .samples = EBB_SAMPLES(SHAPES, "b(2)")

UNARY(neg, KEEPING, .node = "NegBackward0", .loops = ebb__loops_neg, .doc = EBB_TEXT("-self."),
      .formula = EBB_FORMULAS("-g"))
UNARY(abs, KEEPING, .node = "AbsBackward0", .loops = ebb__loops_abs, .doc = EBB_TEXT("The absolute value."),
      .saves = {EBB_IN(0)}, .formula = EBB_FORMULAS("g * sign(self)"))
UNARY(sign, ANY, .node = "SignBackward0", .loops = ebb__loops_sign, .doc = EBB_TEXT("-1, 0 or 1; 0 for NaN."),
      .formula = EBB_FORMULAS("0"))
UNARY(floor, KEEPING, .node = "FloorBackward0", .loops = floor_loops,
      .doc = EBB_TEXT("The greatest integer that is not above self."), .formula = EBB_FORMULAS("0"))
UNARY(relu, KEEPING, .node = "ReluBackward0", .loops = ebb__loops_relu, .doc = EBB_TEXT("max(self, 0); NaN stays NaN."),
      .saves = {EBB_OUT(0)}, .formula = EBB_FORMULAS("where(y > 0, g, 0)"))
UNARY(square, .promote = EBB_PROMOTE_NUMERIC, .dtypes = EBB_NUMERIC, .samples = EBB_SAMPLES(SHAPES, "b(2)"),
      .node = "PowBackward0", .loops = ebb__loops_square, .doc = EBB_TEXT("self * self."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("g * 2 * self"))
UNARY(exp, FLOATING, .node = "ExpBackward0", .loops = ebb__loops_exp,
      .doc = EBB_TEXT("The exponential: e to the power of self."), .saves = {EBB_OUT(0)},
      .formula = EBB_FORMULAS("g * y"))
UNARY(log, FLOATING, .node = "LogBackward0", .loops = ebb__loops_log,
      .doc = EBB_TEXT("The natural logarithm; NaN below 0."), .saves = {EBB_IN(0)}, .formula = EBB_FORMULAS("g / self"),
      .domain = {0.1, 4})
UNARY(sqrt, FLOATING, .node = "SqrtBackward0", .loops = ebb__loops_sqrt,
      .doc = EBB_TEXT("The square root; NaN below 0."), .saves = {EBB_OUT(0)}, .formula = EBB_FORMULAS("g / (2 * y)"),
      .domain = {0.1, 4})
UNARY(rsqrt, FLOATING, .node = "RsqrtBackward0", .loops = ebb__loops_rsqrt,
      .doc = EBB_TEXT("1 / sqrt(self); NaN below 0."), .saves = {EBB_OUT(0)},
      .formula = EBB_FORMULAS("-0.5 * g * y**3"), .domain = {0.1, 4})
UNARY(reciprocal, FLOATING, .node = "ReciprocalBackward0", .loops = ebb__loops_reciprocal, .doc = EBB_TEXT("1 / self."),
      .saves = {EBB_OUT(0)}, .formula = EBB_FORMULAS("-g * y * y"), .domain = {0.2, 4})
UNARY(sin, FLOATING, .node = "SinBackward0", .loops = ebb__loops_sin, .doc = EBB_TEXT("The sine of self, in radians."),
      .saves = {EBB_IN(0)}, .formula = EBB_FORMULAS("g * cos(self)"))
UNARY(cos, FLOATING, .node = "CosBackward0", .loops = ebb__loops_cos,
      .doc = EBB_TEXT("The cosine of self, in radians."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("-g * sin(self)"))
UNARY(tanh, FLOATING, .node = "TanhBackward0", .loops = ebb__loops_tanh, .doc = EBB_TEXT("The hyperbolic tangent."),
      .saves = {EBB_OUT(0)}, .formula = EBB_FORMULAS("g * (1 - y * y)"))
UNARY(sigmoid, FLOATING, .node = "SigmoidBackward0", .loops = ebb__loops_sigmoid,
      .doc = EBB_TEXT("1 / (1 + exp(-self))."), .saves = {EBB_OUT(0)}, .formula = EBB_FORMULAS("g * (1 - y) * y"))

UNARY(exp2, FLOATING, .node = "Exp2Backward0", .loops = ebb__loops_exp2, .doc = EBB_TEXT("2 to the power of self."),
      .saves = {EBB_OUT(0)}, .formula = EBB_FORMULAS("g * y * log(2)"))
UNARY(expm1, FLOATING, .node = "Expm1Backward0", .loops = ebb__loops_expm1,
      .doc = EBB_TEXT("exp(self) - 1, exact also near 0."), .saves = {EBB_OUT(0)},
      .formula = EBB_FORMULAS("g * (y + 1)"))
UNARY(log1p, FLOATING, .node = "Log1PBackward0", .loops = ebb__loops_log1p,
      .doc = EBB_TEXT("log(1 + self), exact also near 0; NaN below -1."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("g / (self + 1)"), .domain = {-0.8, 3})
UNARY(log2, FLOATING, .node = "Log2Backward0", .loops = ebb__loops_log2,
      .doc = EBB_TEXT("The logarithm to base 2; NaN below 0."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("g / (self * log(2))"), .domain = {0.1, 4})
UNARY(log10, FLOATING, .node = "Log10Backward0", .loops = ebb__loops_log10,
      .doc = EBB_TEXT("The logarithm to base 10; NaN below 0."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("g / (self * log(10))"), .domain = {0.1, 4})
UNARY(tan, FLOATING, .node = "TanBackward0", .loops = ebb__loops_tan,
      .doc = EBB_TEXT("The tangent of self, in radians."), .saves = {EBB_OUT(0)},
      .formula = EBB_FORMULAS("g * (y**2 + 1)"), .domain = {-1.2, 1.2})
UNARY(asin, FLOATING, .node = "AsinBackward0", .loops = ebb__loops_asin,
      .doc = EBB_TEXT("The inverse of sin, in radians; NaN outside of -1 to 1."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("g / sqrt(1 - self**2)"), .domain = {-0.9, 0.9})
UNARY(acos, FLOATING, .node = "AcosBackward0", .loops = ebb__loops_acos,
      .doc = EBB_TEXT("The inverse of cos, in radians; NaN outside of -1 to 1."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("-g / sqrt(1 - self**2)"), .domain = {-0.9, 0.9})
UNARY(atan, FLOATING, .node = "AtanBackward0", .loops = ebb__loops_atan,
      .doc = EBB_TEXT("The inverse of tan, in radians."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("g / (self**2 + 1)"))
UNARY(sinh, FLOATING, .node = "SinhBackward0", .loops = ebb__loops_sinh, .doc = EBB_TEXT("The hyperbolic sine."),
      .saves = {EBB_IN(0)}, .formula = EBB_FORMULAS("g * cosh(self)"))
UNARY(cosh, FLOATING, .node = "CoshBackward0", .loops = ebb__loops_cosh, .doc = EBB_TEXT("The hyperbolic cosine."),
      .saves = {EBB_IN(0)}, .formula = EBB_FORMULAS("g * sinh(self)"))
UNARY(asinh, FLOATING, .node = "AsinhBackward0", .loops = ebb__loops_asinh, .doc = EBB_TEXT("The inverse of sinh."),
      .saves = {EBB_IN(0)}, .formula = EBB_FORMULAS("g / sqrt(self**2 + 1)"))
UNARY(acosh, FLOATING, .node = "AcoshBackward0", .loops = ebb__loops_acosh,
      .doc = EBB_TEXT("The inverse of cosh; NaN below 1."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("g / sqrt(self**2 - 1)"), .domain = {1.2, 4})
UNARY(atanh, FLOATING, .node = "AtanhBackward0", .loops = ebb__loops_atanh,
      .doc = EBB_TEXT("The inverse of tanh; NaN outside of -1 to 1."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("g / (1 - self**2)"), .domain = {-0.9, 0.9})
UNARY(sinc, FLOATING, .node = "SincBackward0", .loops = ebb__loops_sinc,
      .doc = EBB_TEXT("sin(pi * self) / (pi * self), and 1 at 0."), .saves = {EBB_IN(0)},
      .formula = EBB_FORMULAS("where(self == 0, 0, g * (cos(pi * self) - y) / self)"))
