/* Elementwise comparisons, logic, selection and filling. */
#include "kernel/loops.h"

#define DTYPES(X, ...) \
    X(u8, uint8_t, __VA_ARGS__) \
    X(i32, int32_t, __VA_ARGS__) X(i64, int64_t, __VA_ARGS__) X(f32, float, __VA_ARGS__) X(f64, double, __VA_ARGS__)

#define DEFINE_BINARY(S, T, name, expr) EBB__BINARY(name##_##S, T, uint8_t, expr)
DTYPES(DEFINE_BINARY, eq, a == b)
DTYPES(DEFINE_BINARY, ne, a != b)
DTYPES(DEFINE_BINARY, lt, a < b)
DTYPES(DEFINE_BINARY, le, a <= b)
/* a > b is b < a. */
#define DEFINE_SWAPPED(S, T, name, of) \
    static void name##_##S(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        of##_##S(n, (char *const[]){p[0], p[2], p[1]}, (const int64_t[]){stride[0], stride[2], stride[1]}, param); \
    }
DTYPES(DEFINE_SWAPPED, gt, lt)
DTYPES(DEFINE_SWAPPED, ge, le)
EBB__BINARY(logical_and, uint8_t, uint8_t, a != 0 && b != 0)
EBB__BINARY(logical_or, uint8_t, uint8_t, (a | b) != 0)
EBB__BINARY(logical_xor, uint8_t, uint8_t, (a != 0) ^ (b != 0))
EBB__UNARY(logical_not, uint8_t, uint8_t, a == 0)

/* where and fill only move bits: one loop for every size of element. */
#define STEP_3(m) p1 += (m)*s1, p2 += (m)*s2, p3 += (m)*s3
#define DEFINE_WHERE(T) \
    EBB__LOOP(where_##T, T, EBB__ROUND(T, uint8_t), EBB__SIZES(sizeof(T), 1, sizeof(T), sizeof(T)), (void)param, \
              EBB__OPERAND(1) EBB__OPERAND_COPIED(T, 2) EBB__OPERAND_COPIED(T, 3), \
              EBB__FLAT(uint8_t, 1) && EBB__FLAT_OR_REPEATED(T, 2) && EBB__FLAT_OR_REPEATED(T, 3), \
              EBB__REPEAT(T, 2) EBB__REPEAT(T, 3), const uint8_t a = EBB__AT(uint8_t, 1); \
              const T b = EBB__AT(T, 2); const T c = EBB__AT(T, 3), STEP_3, a ? b : c)
#define DEFINE_FILL(T) \
    static void fill_##T(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        T value; \
        memcpy(&value, param, sizeof value); \
        if (stride[0] == (int64_t)sizeof(T)) { \
            T *o = (T *)p[0]; \
            for (int64_t i = 0; i < n; i++) o[i] = value; \
        } else { \
            for (int64_t i = 0; i < n; i++) *(T *)(p[0] + i * stride[0]) = value; \
        } \
    }
DEFINE_WHERE(uint8_t)
DEFINE_WHERE(uint32_t)
DEFINE_WHERE(uint64_t)
DEFINE_FILL(uint8_t)
DEFINE_FILL(uint32_t)
DEFINE_FILL(uint64_t)

#define EACH_DTYPE(name) \
    [EBB_BOOL] = name##_u8, [EBB_U8] = name##_u8, [EBB_I32] = name##_i32, [EBB_I64] = name##_i64, \
    [EBB_F32] = name##_f32, [EBB_F64] = name##_f64
#define EACH_SIZE(name) \
    [EBB_BOOL] = name##_uint8_t, [EBB_U8] = name##_uint8_t, [EBB_I32] = name##_uint32_t, [EBB_I64] = name##_uint64_t, \
    [EBB_F32] = name##_uint32_t, [EBB_F64] = name##_uint64_t
#define ONLY_BOOL(name) [EBB_BOOL] = name
/* clang-format off */
#define TABLES(X) \
    X(eq, EACH_DTYPE) \
    X(ne, EACH_DTYPE) \
    X(lt, EACH_DTYPE) \
    X(le, EACH_DTYPE) \
    X(gt, EACH_DTYPE) \
    X(ge, EACH_DTYPE) \
    X(logical_not, ONLY_BOOL) \
    X(logical_and, ONLY_BOOL) \
    X(logical_or, ONLY_BOOL) \
    X(logical_xor, ONLY_BOOL) \
    X(where, EACH_SIZE) \
    X(fill, EACH_SIZE)
/* clang-format on */
EBB__TABLES_INIT(compare)
