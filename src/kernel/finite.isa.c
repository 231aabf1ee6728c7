/* Looking for what is not finite: an exponent of all ones, plus one, carries into the sign bit, so that or-ing whole
 * runs of bits together, as fast as they are read, tells whether any element is a NaN or an infinity. */
#include "kernel/loops.h"

#include <stdatomic.h>

#define DEFINE_NONFINITE(S, T, one) \
    static void nonfinite_##S(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        const T sign = (T)((T)1 << (8 * sizeof(T) - 1)), bits = (T)(sign - 1), exponent_one = (T)(one); \
        T any = 0; \
        if (stride[0] == (int64_t)sizeof(T)) { \
            const T *x = (const T *)p[0]; \
            for (int64_t i = 0; i < n; i++) any = (T)(any | (T)((T)(x[i] & bits) + exponent_one)); \
        } else { \
            for (int64_t i = 0; i < n; i++) \
                any = (T)(any | (T)((T)(*(const T *)(p[0] + i * stride[0]) & bits) + exponent_one)); \
        } \
        if (any & sign) atomic_store_explicit(*(atomic_bool *const *)param, true, memory_order_relaxed); \
    }
DEFINE_NONFINITE(f16, uint16_t, 1u << 10)
DEFINE_NONFINITE(bf16, uint16_t, 1u << 7)
DEFINE_NONFINITE(f32, uint32_t, 1u << 23)
DEFINE_NONFINITE(f64, uint64_t, UINT64_C(1) << 52)

#define EACH(name) [EBB_F16] = name##_f16, [EBB_BF16] = name##_bf16, [EBB_F32] = name##_f32, [EBB_F64] = name##_f64
#define TABLES(X) X(nonfinite, EACH)
EBB__TABLES_INIT(finite)
