/* Elementwise conversion between all pairs of dtypes. */
#include "base/half.h"
#include "kernel/loops.h"

/* What C leaves undefined (NaN, out of range) gives the least value, as the CPU's own conversion does on x86. */
static EBB__INLINE int32_t i32_of_double(double a) {
    return a > -2147483649.0 && a < 2147483648.0 ? (int32_t)a : INT32_MIN;
}
static EBB__INLINE int64_t i64_of_double(double a) {
    return a >= -9223372036854775808.0 && a < 9223372036854775808.0 ? (int64_t)a : INT64_MIN;
}
static EBB__INLINE int32_t i32_of_float(float a) {
    return a >= -2147483648.0f && a < 2147483648.0f ? (int32_t)a : INT32_MIN;
}
static EBB__INLINE int64_t i64_of_float(float a) {
    return a >= -9223372036854775808.0f && a < 9223372036854775808.0f ? (int64_t)a : INT64_MIN;
}

/* TO_<to>_<kind of from>(a): integers of any width share a kind. */
#define TO_b8(from) a != 0
#define TO_u8(from) TO_u8_##from
#define TO_u8_int (uint32_t) a & 255
#define TO_u8_f32 (uint32_t) i32_of_float(a) & 255
#define TO_u8_f64 (uint32_t) i32_of_double(a) & 255
#define TO_i32(from) TO_i32_##from
#define TO_i32_int (uint32_t) a
#define TO_i32_f32 i32_of_float(a)
#define TO_i32_f64 i32_of_double(a)
#define TO_i64(from) TO_i64_##from
#define TO_i64_int a
#define TO_i64_f32 i64_of_float(a)
#define TO_i64_f64 i64_of_double(a)
#define TO_f32(from) a
#define TO_f64(from) a

#define DEFINE_CAST(to, R, from, A, kind) EBB__UNARY(cast_##to##_##from, A, R, TO_##to(kind))
#define FROM_EACH(to, R) \
    DEFINE_CAST(to, R, u8, uint8_t, int) \
    DEFINE_CAST(to, R, i32, int32_t, int) \
    DEFINE_CAST(to, R, i64, int64_t, int) DEFINE_CAST(to, R, f32, float, f32) DEFINE_CAST(to, R, f64, double, f64)
FROM_EACH(b8, uint8_t)
FROM_EACH(u8, uint8_t)
FROM_EACH(i32, int32_t)
FROM_EACH(i64, int64_t)
FROM_EACH(f32, float)
FROM_EACH(f64, double)

/* Floating point of 16 bits goes through float32, by way of a buffer. */
static void through_f32(int64_t n, char *const *p, const int64_t *stride, ebb__loop to_f32, ebb__loop from_f32) {
    enum { SOME = 256 };
    float buffer[SOME];
    char *const between = (char *)buffer;
    for (int64_t i = 0; i < n; i += SOME) {
        const int64_t m = n - i < SOME ? n - i : SOME;
        to_f32(m, (char *const[]){between, p[1] + i * stride[1]}, (const int64_t[]){sizeof(float), stride[1]}, NULL);
        from_f32(m, (char *const[]){p[0] + i * stride[0], between}, (const int64_t[]){stride[0], sizeof(float)}, NULL);
    }
}
#define DEFINE_THROUGH(to, from) \
    static void cast_##to##_##from(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        (void)param; \
        through_f32(n, p, stride, cast_f32_##from, cast_##to##_f32); \
    }
#define DEFINE_HALF(half) \
    EBB__UNARY(cast_##half##_f32, float, uint16_t, ebb__##half##_of_float(a)) \
    EBB__UNARY(cast_f32_##half, uint16_t, float, ebb__##half##_to_float(a)) \
    DEFINE_THROUGH(half, u8) \
    DEFINE_THROUGH(half, i32) \
    DEFINE_THROUGH(half, i64) \
    DEFINE_THROUGH(half, f64) \
    DEFINE_THROUGH(b8, half) \
    DEFINE_THROUGH(u8, half) \
    DEFINE_THROUGH(i32, half) DEFINE_THROUGH(i64, half) DEFINE_THROUGH(f64, half)
DEFINE_HALF(f16)
DEFINE_HALF(bf16)
DEFINE_THROUGH(f16, bf16)
DEFINE_THROUGH(bf16, f16)
EBB__UNARY(same, uint16_t, uint16_t, a) /* of a NaN every bit */
#define cast_f16_f16 same
#define cast_bf16_bf16 same

#if EBB__ISA_LEVEL == 0
ebb__loop ebb__loops_cast[EBB_DTYPE_COUNT][EBB_DTYPE_COUNT];
#endif
#define ROW(dtype, to) \
    { \
        ebb__loops_cast[dtype], { \
            [EBB_BOOL] = cast_##to##_u8, [EBB_U8] = cast_##to##_u8, [EBB_I32] = cast_##to##_i32, \
            [EBB_I64] = cast_##to##_i64, [EBB_F16] = cast_##to##_f16, [EBB_BF16] = cast_##to##_bf16, \
            [EBB_F32] = cast_##to##_f32, [EBB_F64] = cast_##to##_f64 \
        } \
    }
void EBB__ISA(ebb__init_cast)(void) {
    static const ebb__loop_row rows[] = {ROW(EBB_BOOL, b8), ROW(EBB_U8, u8),     ROW(EBB_I32, i32), ROW(EBB_I64, i64),
                                         ROW(EBB_F16, f16), ROW(EBB_BF16, bf16), ROW(EBB_F32, f32), ROW(EBB_F64, f64)};
    ebb__loops_take(rows, (int)(sizeof rows / sizeof *rows));
}
