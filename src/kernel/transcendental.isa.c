/* Elementwise exp, log, sin, cos, tanh, erf, pow and activations made of them: float32 by vecmath.h, float64 and pow
 * through SLEEF's vectors (Shibata and Petrogalli 2020) where they are there, through libm otherwise. Every element,
 * also a lone or a strided one, goes through the same vector function, so that its value does not depend on where it
 * stands. */
#include "kernel/loops.h"
#include "kernel/vecmath.h"

EBB__VEC_MATH(exp, f64, double, exp)
EBB__VEC_MATH(log, f64, double, log)
EBB__VEC_MATH(tanh, f64, double, tanh)
EBB__VEC_MATH2(pow, f32, float, powf)
EBB__VEC_MATH2(pow, f64, double, pow)

EBB__VEC_MATH(log1p, f32, float, log1pf)
EBB__VEC_MATH(log1p, f64, double, log1p)
EBB__VEC_MATH(erf, f64, double, erf)

#define DEFINE_ACTIVATIONS(F, T) \
    static EBB__INLINE ebb__v##F ebb__sigmoid_##F(ebb__v##F x) { return 1 / (1 + ebb__exp_##F(-x)); } \
    /* min(x, 0) - log(1 + exp(-|x|)) */ \
    static EBB__INLINE ebb__v##F ebb__logsigmoid_##F(ebb__v##F x) { \
        const ebb__v##F zero = {0}; \
        return -ebb__max_##F(-x, zero) - ebb__log1p_##F(ebb__exp_##F(-ebb__max_##F(x, -x))); \
    } \
    static EBB__INLINE ebb__v##F ebb__silu_##F(ebb__v##F x) { return x / (1 + ebb__exp_##F(-x)); } \
    static EBB__INLINE ebb__v##F ebb__gelu_tanh_##F(ebb__v##F x) { \
        return (T)0.5 * x * (1 + ebb__tanh_##F((T)0.79788456080286535588 * (x + (T)0.044715 * x * x * x))); \
    }
DEFINE_ACTIVATIONS(f32, float)
DEFINE_ACTIVATIONS(f64, double)
static EBB__INLINE ebb__vf64 ebb__gelu_f64(ebb__vf64 x) {
    const ebb__vf64 half = 0.5 * x;
    return ebb__fma_f64(half, ebb__erf_f64(x * 0.70710678118654752440), half);
}

#if EBB__VECTOR_MATH
/* SLEEF's sin and cos reduce the argument by a method that they choose by the largest lane: a lane's last bit may
 * depend on its neighbours. So lanes of different ranges are computed apart. The limits are those of SLEEF's misc.h. */
#define DEFINE_PERIODIC(fn) \
    static __attribute__((noinline)) ebb__vf64 fn##_apart(ebb__vf64 x) { \
        enum { W = sizeof x / sizeof(double) }; \
        static const double limit[] = {15.0, 1e14}; \
        double a[W], ret[W]; \
        int range[W]; \
        memcpy(a, &x, sizeof x); \
        for (int i = 0; i < W; i++) { \
            for (range[i] = 0; range[i] < 2 && !(fabs(a[i]) < limit[range[i]]);) range[i]++; \
        } \
        for (int r = 0; r < 3; r++) { \
            double mine[W]; \
            int count = 0; \
            for (int i = 0; i < W; i++) { \
                mine[i] = range[i] == r ? a[i] : r == 0 ? 0 : limit[r - 1]; \
                count += range[i] == r; \
            } \
            if (count == 0) continue; \
            memcpy(&x, mine, sizeof x); \
            x = (ebb__vf64)EBB__SLEEF_f64(fn)((ebb__mf64)x); \
            memcpy(mine, &x, sizeof x); \
            for (int i = 0; i < W; i++) \
                if (range[i] == r) ret[i] = mine[i]; \
        } \
        memcpy(&x, ret, sizeof x); \
        return x; \
    } \
    static EBB__INLINE ebb__vf64 ebb__##fn##_f64(ebb__vf64 x) { \
        return ALL_BELOW_15(x) ? (ebb__vf64)EBB__SLEEF_f64(fn)((ebb__mf64)x) : fn##_apart(x); \
    }
#if EBB__ISA_LEVEL == 2
#define ALL_BELOW_15(x) (_mm512_cmp_pd_mask(_mm512_abs_pd((__m512d)x), _mm512_set1_pd(15.0), _CMP_LT_OQ) == 0xff)
#else
#define ALL_BELOW_15(x) \
    (_mm256_movemask_pd( \
         _mm256_cmp_pd(_mm256_andnot_pd(_mm256_set1_pd(-0.0), (__m256d)x), _mm256_set1_pd(15.0), _CMP_LT_OQ)) == 0xf)
#endif
DEFINE_PERIODIC(sin)
DEFINE_PERIODIC(cos)
#else
EBB__VEC_MATH(sin, f64, double, sin)
EBB__VEC_MATH(cos, f64, double, cos)
#endif
#if EBB__ISA_LEVEL == 0
EBB__VEC_MATH(sin, f32, float, sinf)
EBB__VEC_MATH(cos, f32, float, cosf)
#endif

/* A short last vector is filled up with ones. */
#define DEFINE_UNARY(fn, F, T) \
    static void fn##_##F(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const T *x = (const T *)p[1]; \
        T *y = (T *)p[0]; \
        if (n > 1 && (stride[0] != (int64_t)sizeof(T) || stride[1] != (int64_t)sizeof(T))) { \
            ebb__strided(fn##_##F, 2, (const uint8_t[]){sizeof(T), sizeof(T)}, n, p, stride, param); \
            return; \
        } \
        for (int64_t i = 0; i < n; i += W) \
            ebb__store_part_##F(y + i, n - i, ebb__##fn##_##F(ebb__load_part_##F(x + i, n - i, 1))); \
    }
#define UNARY(X) X(exp) X(log) X(sin) X(cos) X(tanh) X(sigmoid) X(logsigmoid) X(erf) X(silu) X(gelu) X(gelu_tanh)
#define DEFINE_BOTH(fn) DEFINE_UNARY(fn, f32, float) DEFINE_UNARY(fn, f64, double)
UNARY(DEFINE_BOTH)

/* ---- pow: exponents 2, 3, 1/2 and -1/2 as PyTorch computes them; where exponents differ, -inf to the power of 1/2 is
 * inf and -0 to it is 0, not NaN and -0 as the roots are ---- */
#define DEFINE_POW(F, T, SQRT) \
    static EBB__INLINE bool plain_exponent_##F(T b) { return b == 2 || b == 3 || b == (T)0.5 || b == (T)-0.5; } \
    static EBB__INLINE T plain_power_##F(T a, T b) { \
        return b == 2 ? a * a : b == 3 ? a * a * a : b > 0 ? SQRT(a) : 1 / SQRT(a); \
    } \
    static void pow_plain_##F(int64_t n, char *const *p, const int64_t *stride, T b) { \
        for (int64_t i = 0; i < n; i++) { \
            const T a = *(const T *)(p[1] + i * stride[1]); \
            *(T *)(p[0] + i * stride[0]) = plain_power_##F(a, b); \
        } \
    } \
    static void pow_flat_##F(int64_t n, T *o, const T *a, T b) { \
        if (b == 2) { \
            EBB__IVDEP for (int64_t i = 0; i < n; i++) o[i] = a[i] * a[i]; \
        } else if (b == 3) { \
            EBB__IVDEP for (int64_t i = 0; i < n; i++) o[i] = a[i] * a[i] * a[i]; \
        } else if (b > 0) { \
            EBB__IVDEP for (int64_t i = 0; i < n; i++) o[i] = SQRT(a[i]); \
        } else { \
            EBB__IVDEP for (int64_t i = 0; i < n; i++) o[i] = 1 / SQRT(a[i]); \
        } \
    } \
    static void pow_##F(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        (void)param; \
        const int64_t so = stride[0], sa = stride[1], sb = stride[2], size = (int64_t)sizeof(T); \
        if (n < 1) return; \
        if ((n == 1 || sb == 0) && plain_exponent_##F(*(const T *)p[2])) { \
            if (n > 1 && so == size && sa == size) pow_flat_##F(n, (T *)p[0], (const T *)p[1], *(const T *)p[2]); \
            else pow_plain_##F(n, p, stride, *(const T *)p[2]); \
            return; \
        } \
        for (int64_t i = 0; i < n; i += W) { \
            const int m = n - i < W ? (int)(n - i) : W; \
            T a[W], b[W], c[W]; \
            for (int j = 0; j < W; j++) { \
                const int64_t at = i + (j < m ? j : 0); \
                a[j] = *(const T *)(p[1] + at * sa); \
                b[j] = *(const T *)(p[2] + at * sb); \
            } \
            ebb__store_##F(c, ebb__pow_##F(ebb__load_##F(a), ebb__load_##F(b))); \
            for (int j = 0; j < m; j++) { \
                if (plain_exponent_##F(b[j]) && (a[j] > 0 || b[j] > 1)) c[j] = plain_power_##F(a[j], b[j]); \
                *(T *)(p[0] + (i + j) * so) = c[j]; \
            } \
        } \
    }
DEFINE_POW(f32, float, sqrtf)
DEFINE_POW(f64, double, sqrt)

/* Wrapping in 64 bits and cutting off gives the wrapped result of every narrower type. */
static int64_t integer_power(int64_t base, int64_t exponent) {
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    uint64_t result = 1;
    for (uint64_t square = (uint64_t)base; exponent; exponent >>= 1, square *= square)
        if (exponent & 1) result *= square;
    return (int64_t)result;
}
EBB__BINARY(pow_u8, uint8_t, uint8_t, integer_power(a, b))
EBB__BINARY(pow_i32, int32_t, int32_t, integer_power(a, b))
EBB__BINARY(pow_i64, int64_t, int64_t, integer_power(a, b))

#define FLOATS(fn) [EBB_F32] = fn##_f32, [EBB_F64] = fn##_f64
#define DEFINE_TABLE(fn) EBB__TABLE(fn, FLOATS(fn))
UNARY(DEFINE_TABLE)
EBB__TABLE(pow, FLOATS(pow), [EBB_U8] = pow_u8, [EBB_I32] = pow_i32, [EBB_I64] = pow_i64)

void EBB__ISA(ebb__init_transcendental)(void) {
    UNARY(EBB__TABLE_USE)
    EBB__TABLE_USE(pow)
}
