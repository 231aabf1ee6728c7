/* Elementwise functions of one tensor. */
#include "ops/ops.h"

#define RULE(name, gradient) \
    static void name##_vjp(struct ebb_vjp *v) { \
        ebb_tensor *g = v->grad[0], *x = v->in[0], *y = v->out[0]; \
        (void)g, (void)x, (void)y; \
        ebb_vjp_give(v, 0, gradient); \
    }

RULE(neg, ebb_neg(g))
RULE(abs, ebb_mul(g, ebb_sign(x)))
RULE(exp, ebb_mul(g, y))
RULE(log, ebb_div(g, x))
RULE(sqrt, ebb_div(g, ebb_mul(y, 2)))
RULE(rsqrt, ebb_mul(ebb_mul(g, -0.5), ebb_pow(y, 3)))
RULE(sin, ebb_mul(g, ebb_cos(x)))
RULE(cos, ebb_neg(ebb_mul(g, ebb_sin(x))))
RULE(tanh, ebb_tanh_backward(g, y))
RULE(sigmoid, ebb_sigmoid_backward(g, y))
RULE(relu, ebb_threshold_backward(g, y))
RULE(square, ebb_mul(g, ebb_mul(x, 2)))
RULE(reciprocal, ebb_neg(ebb_mul(g, ebb_mul(y, y))))
RULE(flat, ebb_zero(g)) /* of a step function: zero, and PyTorch records it */

/* Rounding leaves integers as they are. */
#define COPY_LOOP(dtype) \
    static void copy_##dtype(int64_t n, char *const *p, const int64_t *stride, const void *attrs) { \
        ebb__loops_cast[dtype][dtype](n, p, stride, attrs); \
    }
COPY_LOOP(EBB_U8)
COPY_LOOP(EBB_I32)
COPY_LOOP(EBB_I64)
#define FLOOR_LOOP(dtype) \
    static void floor_##dtype(int64_t n, char *const *p, const int64_t *stride, const void *attrs) { \
        ebb__loops_floor[dtype](n, p, stride, attrs); \
    }
FLOOR_LOOP(EBB_F32)
FLOOR_LOOP(EBB_F64)
static const ebb_loop floor_loops[EBB_DTYPE_COUNT] = {
    [EBB_U8] = copy_EBB_U8,    [EBB_I32] = copy_EBB_I32,  [EBB_I64] = copy_EBB_I64,
    [EBB_F32] = floor_EBB_F32, [EBB_F64] = floor_EBB_F64,
};

#define UNARY(op, node_name, text, how, accepts, rule, saved, gradient, ...) \
    const struct ebb_op ebb_op_##op = { \
        EBB_SIGNATURE(op, "Tensor self -> Tensor"), \
        .doc = text, \
        .torch = "torch." #op, \
        .node = #node_name "Backward0", \
        .promote = EBB_PROMOTE_##how, \
        .dtypes = accepts, \
        .inplace = true, \
        .vjp = rule##_vjp, \
        .saves = {saved}, \
        .formula = {gradient}, \
        __VA_ARGS__ \
    };
#define SHAPES "(3,4)", "()", "(0,3)", "(2,1,3)"

UNARY(neg, Neg, "-self.", COMMON, EBB_NUMERIC, neg, 0, "-g", /**/
      .loops = ebb__loops_neg, .samples = {SHAPES, "i5(4)", "! b(2)"})
UNARY(abs, Abs, "The absolute value.", COMMON, EBB_NUMERIC, abs, EBB_IN(0), "g * sign(self), 0 at 0", /**/
      .loops = ebb__loops_abs, .samples = {SHAPES, "i5(4)", "! b(2)"})
UNARY(sign, Sign, "-1, 0 or 1; 0 for NaN.", COMMON, EBB_NUMERIC, flat, 0, "0", /**/
      .loops = ebb__loops_sign, .samples = {SHAPES, "i5(4)"})
UNARY(floor, Floor, "The greatest integer that is not above self.", COMMON, EBB_NUMERIC, flat, 0, "0", /**/
      .loops = floor_loops, .samples = {SHAPES, "i5(4)", "! b(2)"})
UNARY(relu, Relu, "max(self, 0); NaN stays NaN.", COMMON, EBB_NUMERIC, relu, EBB_OUT(0), "g where y > 0, else 0", /**/
      .loops = ebb__loops_relu, .samples = {SHAPES, "i5(4)", "! b(2)"})
UNARY(square, Pow, "self * self.", COMMON, EBB_NUMERIC, square, EBB_IN(0), "g * 2 * self", /**/
      .loops = ebb__loops_square, .samples = {SHAPES, "i5(4)"})
UNARY(exp, Exp, "e to the power of self.", FLOAT, EBB_FLOATING, exp, EBB_OUT(0), "g * y", /**/
      .loops = ebb__loops_exp, .samples = {SHAPES, "i5(4)"})
UNARY(log, Log, "The natural logarithm; NaN below 0.", FLOAT, EBB_FLOATING, log, EBB_IN(0), "g / self", /**/
      .loops = ebb__loops_log, .samples = {SHAPES, "i5(4)"}, .domain = {0.1, 4})
UNARY(sqrt, Sqrt, "The square root; NaN below 0.", FLOAT, EBB_FLOATING, sqrt, EBB_OUT(0), "g / (2 * y)", /**/
      .loops = ebb__loops_sqrt, .samples = {SHAPES, "i5(4)"}, .domain = {0.1, 4})
UNARY(rsqrt, Rsqrt, "1 / sqrt(self).", FLOAT, EBB_FLOATING, rsqrt, EBB_OUT(0), "-0.5 * g * y^3", /**/
      .loops = ebb__loops_rsqrt, .samples = {SHAPES, "i5(4)"}, .domain = {0.1, 4})
UNARY(reciprocal, Reciprocal, "1 / self.", FLOAT, EBB_FLOATING, reciprocal, EBB_OUT(0), "-g * y * y", /**/
      .loops = ebb__loops_reciprocal, .samples = {SHAPES, "i5(4)"}, .domain = {0.2, 4})
UNARY(sin, Sin, "The sine of self, in radians.", FLOAT, EBB_FLOATING, sin, EBB_IN(0), "g * cos(self)", /**/
      .loops = ebb__loops_sin, .samples = {SHAPES, "i5(4)"})
UNARY(cos, Cos, "The cosine of self, in radians.", FLOAT, EBB_FLOATING, cos, EBB_IN(0), "-g * sin(self)", /**/
      .loops = ebb__loops_cos, .samples = {SHAPES, "i5(4)"})
UNARY(tanh, Tanh, "The hyperbolic tangent.", FLOAT, EBB_FLOATING, tanh, EBB_OUT(0), "g * (1 - y * y)", /**/
      .loops = ebb__loops_tanh, .samples = {SHAPES, "i5(4)"})
UNARY(sigmoid, Sigmoid, "1 / (1 + exp(-self)).", FLOAT, EBB_FLOATING, sigmoid, EBB_OUT(0), "g * (1 - y) * y", /**/
      .loops = ebb__loops_sigmoid, .samples = {SHAPES, "i5(4)"})
