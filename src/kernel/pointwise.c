/* Elementwise functions that are seldom what a program waits for: one plain loop each, compiled once, on libm's
 * functions. Whatever needs vectors of the CPU's own is in the *.isa.c files. */
#include "base/half.h"
#include "base/number.h"
#include "kernel/kernel.h"
#include "kernel/special.h"

#include <ebb/opdef.h>
#include <float.h>
#include <tgmath.h>

/* The loops. Operands are a, b, c of type T; the result is cast to R. */
#define LOOP(fn, R, OPERANDS, expr) \
    static void fn(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        (void)param; \
        for (int64_t i = 0; i < n; i++) { \
            OPERANDS; \
            *(R *)(p[0] + i * stride[0]) = (R)(expr); \
        } \
    }
#define OPERAND(T, name, j) const T name = *(const T *)(p[j] + i * stride[j])
#define ONE(T) OPERAND(T, a, 1)
#define TWO(T) OPERAND(T, a, 1), b = *(const T *)(p[2] + i * stride[2])
#define THREE(T) TWO(T), c = *(const T *)(p[3] + i * stride[3])

/* Parameters: the j-th of an array of settings, or of plain numbers. */
#define PI 3.14159265358979323846
#define SETTING(j) (((const ebb_setting *)param)[j].value)
#define IS_GIVEN(j) (((const ebb_setting *)param)[j].given)
#define WHOLE(j) ebb__whole((const ebb_setting *)param + (j))
#define INTEGER(j) (((const int64_t *)param)[j])

/* Of x rounded to `decimals` places, halves to even; as PyTorch has it, by scaling. */
static inline double rounded(double x, int64_t decimals) {
    if (decimals == 0) return rint(x);
    double scale = pow(10.0, fabs((double)decimals));
    return decimals < 0 ? rint(x / scale) * scale : rint(x * scale) / scale;
}

static inline double finite_or(double x, const void *param, double greatest) {
    if (isnan(x)) return SETTING(0);
    if (isinf(x)) return x > 0 ? IS_GIVEN(1) ? SETTING(1) : greatest : IS_GIVEN(2) ? SETTING(2) : -greatest;
    return x;
}

static inline double logit(double x, const void *param) {
    if (IS_GIVEN(0)) x = x < SETTING(0) ? SETTING(0) : x > 1 - SETTING(0) ? 1 - SETTING(0) : x;
    return log(x / (1 - x));
}

static inline double log_add_exp(double a, double b) {
    double most = a > b ? a : b;
    return a == b && isinf(a) ? a : most + log1p(exp(-fabs(a - b)));
}

static inline double floor_mod(double a, double b) {
    double m = fmod(a, b);
    return m != 0 && (b < 0) != (m < 0) ? m + b : m;
}

/* From the remainder, which is exact, so that the quotient is not rounded up to the next whole number. */
static inline double floor_div(double a, double b) {
    if (b == 0) return a / b;
    double m = fmod(a, b), quotient = (a - m) / b;
    if (m != 0 && (b < 0) != (m < 0)) quotient -= 1;
    if (quotient == 0) return copysign(0.0, a / b);
    double whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1 : whole;
}

/* Softplus with beta and threshold as PyTorch defines it. */
static inline double softplus(double x, double beta, double threshold) {
    return x * beta > threshold ? x : log1p(exp(x * beta)) / beta;
}

/* Functions of floating point, by the number of operands. tgmath.h picks libm's function of type T. */
#define FLOAT_1(X, S, T) \
    X(exp2, S, T, ONE, exp2(a)) \
    X(expm1, S, T, ONE, expm1(a)) \
    X(log1p, S, T, ONE, log1p(a)) \
    X(log2, S, T, ONE, log2(a)) \
    X(log10, S, T, ONE, log10(a)) \
    X(tan, S, T, ONE, tan(a)) \
    X(asin, S, T, ONE, asin(a)) \
    X(acos, S, T, ONE, acos(a)) \
    X(atan, S, T, ONE, atan(a)) \
    X(sinh, S, T, ONE, sinh(a)) \
    X(cosh, S, T, ONE, cosh(a)) \
    X(asinh, S, T, ONE, asinh(a)) \
    X(acosh, S, T, ONE, acosh(a)) \
    X(atanh, S, T, ONE, atanh(a)) \
    X(erfc, S, T, ONE, erfc(a)) \
    X(lgamma, S, T, ONE, lgamma(a)) \
    X(digamma, S, T, ONE, ebb__digamma(a)) \
    X(polygamma, S, T, ONE, ebb__polygamma(INTEGER(0), a)) \
    X(erfinv, S, T, ONE, ebb__erfinv(a)) \
    X(logit, S, T, ONE, logit(a, param)) \
    X(frac, S, T, ONE, a - trunc(a)) \
    X(leaky_relu, S, T, ONE, a > 0 ? a : a * (T)SETTING(0)) \
    X(elu, S, T, ONE, a > 0 ? a : (T)SETTING(0) * expm1(a)) \
    X(celu, S, T, ONE, a > 0 ? a : (T)SETTING(0) * expm1(a / (T)SETTING(0))) \
    X(mish, S, T, ONE, a *tanh(softplus(a, 1, 20))) \
    X(softplus, S, T, ONE, softplus(a, SETTING(0), SETTING(1))) \
    X(hardswish, S, T, ONE, a *(a < -3 ? 0 : a > 3 ? 6 : a + 3) / 6) \
    X(hardsigmoid, S, T, ONE, (a < -3 ? 0 : a > 3 ? 6 : a + 3) / 6) \
    X(sinc, S, T, ONE, a == 0 ? 1 : sin((T)PI * a) / ((T)PI * a)) \
    X(hardshrink, S, T, ONE, a >= -(T)SETTING(0) && a <= (T)SETTING(0) ? 0 : a) \
    X(softshrink, S, T, ONE, a > (T)SETTING(0) ? a - (T)SETTING(0) : a < -(T)SETTING(0) ? a + (T)SETTING(0) : a * 0)
#define FLOAT_2(X, S, T) \
    X(atan2, S, T, TWO, atan2(a, b)) \
    X(hypot, S, T, TWO, hypot(a, b)) \
    X(copysign, S, T, TWO, copysign(a, b)) \
    X(xlogy, S, T, TWO, a == 0 && !isnan(b) ? 0 : a * log(b)) \
    X(logaddexp, S, T, TWO, log_add_exp(a, b)) \
    X(prelu, S, T, TWO, a > 0 ? a : b * a)
#define FLOAT_3(X, S, T) \
    X(lerp, S, T, THREE, c < (T)0.5 ? a + c * (b - a) : b - (b - a) * (1 - c)) \
    X(addcdiv, S, T, THREE, a + (T)SETTING(0) * b / c)

/* Of floating point here, and of integers below. */
#define FLOAT_OR_INT(X, S, T) \
    X(fmod, S, T, TWO, fmod(a, b)) \
    X(remainder, S, T, TWO, floor_mod(a, b)) \
    X(div_trunc, S, T, TWO, trunc(a / b)) \
    X(floor_divide, S, T, TWO, floor_div(a, b)) \
    X(addcmul, S, T, THREE, a + (T)SETTING(0) * b * c)
#define FLOAT_BOUNDS(X, S, T) \
    X(hardtanh, S, T, ONE, a<(T)SETTING(0) ? (T)SETTING(0) : a>(T) SETTING(1) ? (T)SETTING(1) : a) \
    X(threshold, S, T, ONE, a <= (T)SETTING(0) ? (T)SETTING(1) : a)
/* Bounds of integers lose their fraction. */
#define INT_BOUNDS(X, S, T) \
    X(hardtanh, S, T, ONE, a<(T)WHOLE(0) ? (T)WHOLE(0) : a>(T) WHOLE(1) ? (T)WHOLE(1) : a) \
    X(threshold, S, T, ONE, a <= (T)WHOLE(0) ? (T)WHOLE(1) : a)
#define FLOAT_OR_COPY(X, S, T) \
    X(ceil, S, T, ONE, ceil(a)) \
    X(round, S, T, ONE, rounded(a, INTEGER(0))) \
    X(trunc, S, T, ONE, trunc(a))
#define FLOAT_FINITE(X, S, T) X(nan_to_num, S, T, ONE, finite_or(a, param, GREATEST_##S))
#define FLOAT_OR_WHOLE(X, S, T) \
    X(fmax, S, T, TWO, a > b || isnan(b) ? a : b) \
    X(fmin, S, T, TWO, a < b || isnan(b) ? a : b)
#define GREATEST_f32 FLT_MAX
#define GREATEST_f64 DBL_MAX

/* Division of integers. By 0 gives 0, which callers refuse: a loop cannot fail. By -1 wraps. */
static inline int64_t int_div(int64_t a, int64_t b) {
    return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}
static inline int64_t int_mod(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }
static inline int64_t int_floor_mod(int64_t a, int64_t b) {
    int64_t m = int_mod(a, b);
    return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}
static inline int64_t int_floor_div(int64_t a, int64_t b) {
    return int_div(a, b) - (int_mod(a, b) != 0 && (a < 0) != (b < 0));
}
/* Shifts by less than nothing, and by all bits or more, leave nothing, or the sign alone. */
static inline uint64_t shifted_left(uint64_t a, int64_t by, int64_t bits) { return by < 0 || by >= bits ? 0 : a << by; }
static inline int64_t shifted_right(int64_t a, int64_t by, int64_t bits) {
    by = by < 0 || by >= bits ? bits - 1 + (a >= 0) : by;
    by = by > 63 ? 63 : by;
    return a < 0 ? ~(~a >> by) : a >> by;
}

#define INT(X, S, T) \
    X(bitwise_left_shift, S, T, TWO, shifted_left((uint64_t)a, b, 8 * (int64_t)sizeof(T))) \
    X(bitwise_right_shift, S, T, TWO, shifted_right(a, b, 8 * (int64_t)sizeof(T))) \
    X(fmod, S, T, TWO, int_mod(a, b)) \
    X(remainder, S, T, TWO, int_floor_mod(a, b)) \
    X(div_trunc, S, T, TWO, int_div(a, b)) \
    X(floor_divide, S, T, TWO, int_floor_div(a, b)) \
    X(addcmul, S, T, THREE, (uint64_t)a + (uint64_t)WHOLE(0) * (uint64_t)b * (uint64_t)c)
#define INT_OR_BOOL(X, S, T) \
    X(fmax, S, T, TWO, a > b ? a : b) \
    X(fmin, S, T, TWO, a < b ? a : b) \
    X(bitwise_and, S, T, TWO, a &b) \
    X(bitwise_or, S, T, TWO, a | b) \
    X(bitwise_xor, S, T, TWO, a ^ b) \
    X(copy, S, T, ONE, a)

#define DEFINE(name, S, T, OPERANDS, expr) LOOP(name##_##S, T, OPERANDS(T), expr)
#define DEFINE_ALL(LIST, S, T) LIST(DEFINE, S, T)
#define FLOATING(LIST) DEFINE_ALL(LIST, f32, float) DEFINE_ALL(LIST, f64, double)
FLOATING(FLOAT_1)
FLOATING(FLOAT_2)
FLOATING(FLOAT_3)
FLOATING(FLOAT_OR_INT)
FLOATING(FLOAT_BOUNDS)
FLOATING(FLOAT_OR_COPY)
FLOATING(FLOAT_FINITE)
FLOATING(FLOAT_OR_WHOLE)
#define INTEGERS(LIST) DEFINE_ALL(LIST, u8, uint8_t) DEFINE_ALL(LIST, i32, int32_t) DEFINE_ALL(LIST, i64, int64_t)
INTEGERS(INT)
INTEGERS(INT_BOUNDS)
INTEGERS(INT_OR_BOOL)
DEFINE_ALL(INT_OR_BOOL, b8, uint8_t)
/* The greatest number of 16 bits is not that of float32, in which other functions of them are computed. */
#define HALF_FINITE(S, greatest) \
    LOOP(nan_to_num_##S, uint16_t, ONE(uint16_t), \
         ebb__##S##_of_float((float)finite_or((double)ebb__##S##_to_float(a), param, greatest)))
HALF_FINITE(f16, 0x1.ffcp15)
HALF_FINITE(bf16, 0x1.fep127)
#define NOT(S, T, expr) LOOP(bitwise_not_##S, T, ONE(T), expr)
NOT(b8, uint8_t, !a)
NOT(u8, uint8_t, ~a)
NOT(i32, int32_t, ~a)
NOT(i64, int64_t, ~a)

/* The tables. */
#define FLOATS(name) [EBB_F32] = name##_f32, [EBB_F64] = name##_f64
#define INTS(name) [EBB_U8] = name##_u8, [EBB_I32] = name##_i32, [EBB_I64] = name##_i64
#define WHOLES(name) [EBB_BOOL] = name##_b8, INTS(name)
#define TABLE(name, ...) ebb__loop ebb__loops_##name[EBB_DTYPE_COUNT] = {__VA_ARGS__};
#define OF_FLOATS(name, S, T, OPERANDS, expr) TABLE(name, FLOATS(name))
#define OF_NUMBERS(name, S, T, OPERANDS, expr) TABLE(name, INTS(name), FLOATS(name))
#define OF_FLOATS_AND_COPIES(name, S, T, OPERANDS, expr) TABLE(name, WHOLES(copy), FLOATS(name))
#define OF_ALL(name, S, T, OPERANDS, expr) TABLE(name, WHOLES(name), FLOATS(name))
FLOAT_1(OF_FLOATS, , )
FLOAT_2(OF_FLOATS, , )
FLOAT_3(OF_FLOATS, , )
FLOAT_OR_INT(OF_NUMBERS, , )
FLOAT_BOUNDS(OF_NUMBERS, , )
FLOAT_OR_COPY(OF_FLOATS_AND_COPIES, , )
TABLE(nan_to_num, WHOLES(copy), FLOATS(nan_to_num), [EBB_F16] = nan_to_num_f16, [EBB_BF16] = nan_to_num_bf16)
FLOAT_OR_WHOLE(OF_ALL, , )
TABLE(bitwise_left_shift, INTS(bitwise_left_shift))
TABLE(bitwise_right_shift, INTS(bitwise_right_shift))
TABLE(bitwise_and, WHOLES(bitwise_and))
TABLE(bitwise_or, WHOLES(bitwise_or))
TABLE(bitwise_xor, WHOLES(bitwise_xor))
TABLE(bitwise_not, WHOLES(bitwise_not))
