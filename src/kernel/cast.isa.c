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
#define TO_b8(from) VALUE_##from != 0
#define TO_f16(from) TO_f16_##from
#define TO_f16_int ebb__f16_of_float((float)a)
#define TO_f16_f16 a /* as it is: of a NaN every bit */
#define TO_f16_bf16 ebb__f16_of_float(VALUE_bf16)
#define TO_f16_f32 ebb__f16_of_float(a)
#define TO_f16_f64 ebb__f16_of_float((float)a)
#define TO_bf16(from) TO_bf16_##from
#define TO_bf16_int ebb__bf16_of_float((float)a)
#define TO_bf16_f16 ebb__bf16_of_float(VALUE_f16)
#define TO_bf16_bf16 a
#define TO_bf16_f32 ebb__bf16_of_float(a)
#define TO_bf16_f64 ebb__bf16_of_float((float)a)
#define TO_f32(from) VALUE_##from
#define TO_f64(from) VALUE_##from
#define VALUE_int a
#define VALUE_f16 ebb__f16_to_float(a)
#define VALUE_bf16 ebb__bf16_to_float(a)
#define VALUE_f32 a
#define VALUE_f64 a
#define TO_u8(from) TO_u8_##from
#define TO_i32(from) TO_i32_##from
#define TO_i64(from) TO_i64_##from
#define TO_u8_int (uint32_t) a & 255
#define TO_u8_f32 (uint32_t) i32_of_float(a) & 255
#define TO_u8_f16 (uint32_t) i32_of_float(VALUE_f16) & 255
#define TO_u8_bf16 (uint32_t) i32_of_float(VALUE_bf16) & 255
#define TO_u8_f64 (uint32_t) i32_of_double(a) & 255
#define TO_i32_int (uint32_t) a
#define TO_i32_f32 i32_of_float(a)
#define TO_i32_f16 i32_of_float(VALUE_f16)
#define TO_i32_bf16 i32_of_float(VALUE_bf16)
#define TO_i32_f64 i32_of_double(a)
#define TO_i64_int a
#define TO_i64_f32 i64_of_float(a)
#define TO_i64_f16 i64_of_float(VALUE_f16)
#define TO_i64_bf16 i64_of_float(VALUE_bf16)
#define TO_i64_f64 i64_of_double(a)

#define FROM_EACH(X, to, R) \
    X(to, R, b8, uint8_t, int) \
    X(to, R, u8, uint8_t, int) \
    X(to, R, i32, int32_t, int) \
    X(to, R, i64, int64_t, int) \
    X(to, R, f16, uint16_t, f16) X(to, R, bf16, uint16_t, bf16) X(to, R, f32, float, f32) X(to, R, f64, double, f64)
#define DEFINE_CAST(to, R, from, A, kind) EBB__UNARY(cast_##to##_##from, A, R, TO_##to(kind))

#if EBB__ISA_LEVEL == 2
/* What wider vectors make faster: conversions between float32 and 16 bits. The others are AVX2's. */
DEFINE_CAST(f16, uint16_t, f32, float, f32)
DEFINE_CAST(f32, float, f16, uint16_t, f16)
DEFINE_CAST(bf16, uint16_t, f32, float, f32)
DEFINE_CAST(f32, float, bf16, uint16_t, bf16)

void EBB__ISA(ebb__init_cast)(void) {
    ebb__loops_cast[EBB_F16][EBB_F32] = cast_f16_f32;
    ebb__loops_cast[EBB_F32][EBB_F16] = cast_f32_f16;
    ebb__loops_cast[EBB_BF16][EBB_F32] = cast_bf16_f32;
    ebb__loops_cast[EBB_F32][EBB_BF16] = cast_f32_bf16;
}
#else
FROM_EACH(DEFINE_CAST, b8, uint8_t)
FROM_EACH(DEFINE_CAST, u8, uint8_t)
FROM_EACH(DEFINE_CAST, i32, int32_t)
FROM_EACH(DEFINE_CAST, i64, int64_t)
FROM_EACH(DEFINE_CAST, f16, uint16_t)
FROM_EACH(DEFINE_CAST, bf16, uint16_t)
FROM_EACH(DEFINE_CAST, f32, float)
FROM_EACH(DEFINE_CAST, f64, double)

#define ROW(to) \
    { \
        [EBB_BOOL] = cast_##to##_b8, [EBB_U8] = cast_##to##_u8, [EBB_I32] = cast_##to##_i32, \
        [EBB_I64] = cast_##to##_i64, [EBB_F16] = cast_##to##_f16, [EBB_BF16] = cast_##to##_bf16, \
        [EBB_F32] = cast_##to##_f32, [EBB_F64] = cast_##to##_f64 \
    }
#define TABLE \
    { \
        [EBB_BOOL] = ROW(b8), [EBB_U8] = ROW(u8), [EBB_I32] = ROW(i32), [EBB_I64] = ROW(i64), [EBB_F16] = ROW(f16), \
        [EBB_BF16] = ROW(bf16), [EBB_F32] = ROW(f32), [EBB_F64] = ROW(f64) \
    }
#if EBB__ISA_LEVEL == 0
ebb__loop ebb__loops_cast[EBB_DTYPE_COUNT][EBB_DTYPE_COUNT] = TABLE;
#endif
static const ebb__loop table[EBB_DTYPE_COUNT][EBB_DTYPE_COUNT] = TABLE;

void EBB__ISA(ebb__init_cast)(void) { memcpy(ebb__loops_cast, table, sizeof table); }
#endif
