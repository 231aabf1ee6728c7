/* Elementwise comparisons, logic, selection and filling. */
#include "kernel/loops.h"

#define DTYPES(X, ...) \
    X(b8, uint8_t, __VA_ARGS__) \
    X(u8, uint8_t, __VA_ARGS__) \
    X(i32, int32_t, __VA_ARGS__) X(i64, int64_t, __VA_ARGS__) X(f32, float, __VA_ARGS__) X(f64, double, __VA_ARGS__)

#define DEFINE_BINARY(S, T, name, expr) EBB__BINARY(name##_##S, T, uint8_t, expr)
#define DEFINE_UNARY(S, T, name, expr) EBB__UNARY(name##_##S, T, uint8_t, expr)
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
DTYPES(DEFINE_BINARY, logical_and, a != 0 && b != 0)
DTYPES(DEFINE_BINARY, logical_or, a != 0 || b != 0)
DTYPES(DEFINE_UNARY, logical_not, a == 0)

/* where and fill only move bits: one loop for every size of element. */
#define WHERE_FLAT(T, index_b, index_c) \
    { \
        const T *y = (const T *)p[2], *z = (const T *)p[3]; \
        const T y0 = y[0], z0 = z[0]; \
        (void)y0, (void)z0; \
        EBB__IVDEP for (int64_t i = 0; i < n; i++) { \
            const T b = index_b, c = index_c; \
            o[i] = cond[i] ? b : c; \
        } \
    }
#define DEFINE_WHERE(T) \
    static void where_##T(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        (void)param; \
        T *o = (T *)p[0]; \
        const uint8_t *cond = (const uint8_t *)p[1]; \
        const int64_t so = stride[0], sa = stride[1], sb = stride[2], sc = stride[3], size = (int64_t)sizeof(T); \
        const bool flat = so == size && sa == 1; \
        if (n < 1) return; \
        if (flat && sb == size && sc == size) { \
            WHERE_FLAT(T, y[i], z[i]) \
        } else if (flat && sb == size && sc == 0) { \
            WHERE_FLAT(T, y[i], z0) \
        } else if (flat && sb == 0 && sc == size) { \
            WHERE_FLAT(T, y0, z[i]) \
        } else { \
            for (int64_t i = 0; i < n; i++) \
                *(T *)(p[0] + i * so) = *(const T *)(p[1 + (cond[i * sa] ? 1 : 2)] + i * (cond[i * sa] ? sb : sc)); \
        } \
    }
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
    [EBB_BOOL] = name##_b8, [EBB_U8] = name##_u8, [EBB_I32] = name##_i32, [EBB_I64] = name##_i64, \
    [EBB_F32] = name##_f32, [EBB_F64] = name##_f64
#define EACH_SIZE(name) \
    [EBB_BOOL] = name##_uint8_t, [EBB_U8] = name##_uint8_t, [EBB_I32] = name##_uint32_t, [EBB_I64] = name##_uint64_t, \
    [EBB_F32] = name##_uint32_t, [EBB_F64] = name##_uint64_t
/* clang-format off */
#define TABLES(X) \
    X(eq, EACH_DTYPE) \
    X(ne, EACH_DTYPE) \
    X(lt, EACH_DTYPE) \
    X(le, EACH_DTYPE) \
    X(gt, EACH_DTYPE) \
    X(ge, EACH_DTYPE) \
    X(logical_not, EACH_DTYPE) \
    X(logical_and, EACH_DTYPE) \
    X(logical_or, EACH_DTYPE) \
    X(where, EACH_SIZE) \
    X(fill, EACH_SIZE)
/* clang-format on */
#define DEFINE_TABLE(name, which) EBB__TABLE(name, which(name))
TABLES(DEFINE_TABLE)

void EBB__ISA(ebb__init_compare)(void) {
#define USE_TABLE(name, which) EBB__TABLE_USE(name)
    TABLES(USE_TABLE)
}
