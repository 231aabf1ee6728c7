/* Elementwise arithmetic that compilers vectorize by themselves: one expression a loop. */
#include "base/number.h"
#include "kernel/loops.h"

/* Expressions: T is the element type, U its unsigned partner, in which integers wrap. */

#define FLOAT_UNARY(X, S, T) \
    X(neg, S, T, -a) \
    X(abs, S, T, ABS_##S(a)) \
    X(relu, S, T, a <= 0 ? 0 : a) \
    X(square, S, T, a *a) \
    X(sign, S, T, (a > 0) - (a < 0)) \
    X(sqrt, S, T, SQRT_##S(a)) \
    X(rsqrt, S, T, 1 / SQRT_##S(a)) \
    X(reciprocal, S, T, 1 / a) \
    X(floor, S, T, FLOOR_##S(a))
#define ABS_f32 fabsf
#define ABS_f64 fabs
#define SQRT_f32 sqrtf
#define SQRT_f64 sqrt
#define FLOOR_f32 floorf
#define FLOOR_f64 floor

#define FLOAT_BINARY(X, S, T) \
    X(add, S, T, a + b) \
    X(sub, S, T, a - b) \
    X(mul, S, T, a *b) \
    X(div, S, T, a / b) \
    X(maximum, S, T, a > b || a != a ? a : b) \
    X(minimum, S, T, a < b || a != a ? a : b) \
    X(threshold_backward, S, T, b <= 0 ? 0 : a) \
    X(sigmoid_backward, S, T, a *(1 - b) * b) \
    X(tanh_backward, S, T, a *(1 - b * b))

#define INT_UNARY(X, S, T, U) \
    X(neg, S, T, (U)(0 - (U)a)) \
    X(abs, S, T, a > 0 ? (U)a : (U)(0 - (U)a)) \
    X(relu, S, T, a > 0 ? a : 0) \
    X(square, S, T, (U)a *(U)a) \
    X(sign, S, T, a > 0 ? 1 : -(a != 0))

#define INT_BINARY(X, S, T, U) \
    X(add, S, T, (U)a + (U)b) \
    X(sub, S, T, (U)a - (U)b) \
    X(mul, S, T, (U)a *(U)b) \
    X(maximum, S, T, a > b ? a : b) \
    X(minimum, S, T, a < b ? a : b)

#define ALPHA(T) const T alpha = (T)((const ebb_setting *)param)->value
#define WHOLE_ALPHA(T) const T alpha = (T)ebb__whole(param)
#define BOOL_ALPHA const uint8_t alpha = ((const ebb_setting *)param)->value != 0 ? 255 : 0

#define DEFINE_UNARY(name, S, T, expr) EBB__UNARY(name##_##S, T, T, expr)
#define DEFINE_BINARY(name, S, T, expr) EBB__BINARY(name##_##S, T, T, expr)
FLOAT_UNARY(DEFINE_UNARY, f32, float)
FLOAT_UNARY(DEFINE_UNARY, f64, double)
FLOAT_BINARY(DEFINE_BINARY, f32, float)
FLOAT_BINARY(DEFINE_BINARY, f64, double)
EBB__BINARY_PARAM(add_scaled_f32, float, float, ALPHA(float), a + alpha * b)
EBB__BINARY_PARAM(add_scaled_f64, double, double, ALPHA(double), a + alpha * b)
#define FLOATS(name) [EBB_F32] = name##_f32, [EBB_F64] = name##_f64

#if EBB__ISA_LEVEL < 2 /* integers are seldom worth more than AVX2 */
INT_UNARY(DEFINE_UNARY, u8, uint8_t, unsigned)
INT_UNARY(DEFINE_UNARY, i32, int32_t, uint32_t)
INT_UNARY(DEFINE_UNARY, i64, int64_t, uint64_t)
INT_BINARY(DEFINE_BINARY, u8, uint8_t, unsigned)
INT_BINARY(DEFINE_BINARY, i32, int32_t, uint32_t)
INT_BINARY(DEFINE_BINARY, i64, int64_t, uint64_t)
EBB__BINARY(add_b8, uint8_t, uint8_t, (a | b) != 0)
EBB__BINARY(mul_b8, uint8_t, uint8_t, a != 0 && b != 0)
EBB__UNARY(sign_b8, uint8_t, uint8_t, a)
#define maximum_b8 add_b8
#define minimum_b8 mul_b8
EBB__BINARY_PARAM(add_scaled_b8, uint8_t, uint8_t, BOOL_ALPHA, (a | (b & alpha)) != 0)
EBB__BINARY_PARAM(add_scaled_u8, uint8_t, uint8_t, WHOLE_ALPHA(uint8_t), a + alpha * b)
EBB__BINARY_PARAM(add_scaled_i32, int32_t, int32_t, WHOLE_ALPHA(uint32_t), (uint32_t)a + alpha * (uint32_t)b)
EBB__BINARY_PARAM(add_scaled_i64, int64_t, int64_t, WHOLE_ALPHA(uint64_t), (uint64_t)a + alpha * (uint64_t)b)
#define NUMBERS(name) [EBB_U8] = name##_u8, [EBB_I32] = name##_i32, [EBB_I64] = name##_i64, FLOATS(name)
#define ALL(name) [EBB_BOOL] = name##_b8, NUMBERS(name)
#else
#define NUMBERS(name) FLOATS(name)
#define ALL(name) FLOATS(name)
#endif

/* clang-format off */
#define TABLES(X) \
    X(neg, NUMBERS) \
    X(abs, NUMBERS) \
    X(relu, NUMBERS) \
    X(square, NUMBERS) \
    X(sign, ALL) \
    X(sqrt, FLOATS) \
    X(rsqrt, FLOATS) \
    X(reciprocal, FLOATS) \
    X(floor, FLOATS) \
    X(add, ALL) \
    X(sub, NUMBERS) \
    X(mul, ALL) \
    X(div, FLOATS) \
    X(maximum, ALL) \
    X(minimum, ALL) \
    X(add_scaled, ALL) \
    X(threshold_backward, FLOATS) \
    X(sigmoid_backward, FLOATS) \
    X(tanh_backward, FLOATS)
/* clang-format on */
EBB__TABLES_INIT(arith)
