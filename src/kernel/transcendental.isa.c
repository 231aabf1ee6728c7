/* Elementwise exp, log, sin, cos, tanh, erf, pow and activations made of them: by vecmath.h, and what it lacks
 * through SLEEF's vectors (Shibata and Petrogalli 2020) where they are there, through libm otherwise. Every element,
 * also a lone or a strided one, goes through the same vector function, so that its value does not depend on where it
 * stands. */
#include "kernel/loops.h"
#include "kernel/vecmath.h"

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
    } \
    /* The derivative. From 22 on tanh is 1, but what it is multiplied by would overflow; of infinity it is NaN, as in \
     * PyTorch. */ \
    static EBB__INLINE ebb__v##F ebb__gelu_tanh_slope_##F(ebb__v##F x) { \
        const ebb__v##F far = ebb__splat_##F(22), z = ebb__max_##F(-far, ebb__min_##F(far, x)), square = z * z; \
        const ebb__v##F t = ebb__tanh_##F((T)0.79788456080286535588 * z * (1 + (T)0.044715 * square)); \
        const ebb__v##F du = (T)0.79788456080286535588 * (1 + (T)0.134145 * square); \
        return (T)0.5 * (1 + t + z * (1 - t * t) * du) + 0 * x; \
    } \
    static EBB__INLINE ebb__v##F ebb__gelu_slope_##F(ebb__v##F x) { \
        const ebb__v##F p = (T)0.5 + (T)0.5 * ebb__erf_##F((T)0.70710678118654752440 * x); \
        return p + x * ((T)0.39894228040143267794 * ebb__exp_##F((T)-0.5 * x * x)); \
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
            ebb__strided(n, p, stride, param, fn##_##F, EBB__SIZES(sizeof(T), sizeof(T), 0, 0)); \
            return; \
        } \
        for (int64_t i = 0; i < n; i += W) \
            ebb__store_part_##F(y + i, n - i, ebb__##fn##_##F(ebb__load_part_##F(x + i, n - i, 1))); \
    }
#define DEFINE_BOTH(fn) DEFINE_UNARY(fn, f32, float) DEFINE_UNARY(fn, f64, double)
DEFINE_BOTH(exp)
DEFINE_BOTH(log)
DEFINE_BOTH(sin)
DEFINE_BOTH(cos)
DEFINE_BOTH(tanh)
DEFINE_BOTH(sigmoid)
DEFINE_BOTH(logsigmoid)
DEFINE_BOTH(erf)
DEFINE_BOTH(silu)
DEFINE_BOTH(gelu)
DEFINE_BOTH(gelu_tanh)

/* p[1] times the derivative at p[2]. */
#define DEFINE_GRADIENT(fn, slope, F, T) \
    static void fn##_##F(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T), S = sizeof(T) }; \
        const T *g = (const T *)p[1], *x = (const T *)p[2]; \
        T *y = (T *)p[0]; \
        if (n > 1 && (stride[0] != S || stride[1] != S || stride[2] != S)) { \
            ebb__strided(n, p, stride, param, fn##_##F, EBB__SIZES(S, S, S, 0)); \
            return; \
        } \
        for (int64_t i = 0; i < n; i += W) \
            ebb__store_part_##F( \
                y + i, n - i, ebb__load_part_##F(g + i, n - i, 1) * slope##_##F(ebb__load_part_##F(x + i, n - i, 1))); \
    }
DEFINE_GRADIENT(gelu_backward, ebb__gelu_slope, f32, float)
DEFINE_GRADIENT(gelu_backward, ebb__gelu_slope, f64, double)
DEFINE_GRADIENT(gelu_tanh_backward, ebb__gelu_tanh_slope, f32, float)
DEFINE_GRADIENT(gelu_tanh_backward, ebb__gelu_tanh_slope, f64, double)

/* ---- pow: exponents 2, 3, 1/2 and -1/2 as PyTorch computes them; where exponents differ, -inf to the power of 1/2 is
 * inf and -0 to it is 0, not NaN and -0 as the roots are ---- */
#define DEFINE_POW(F, T, dtype) \
    EBB__UNARY(cube_##F, T, T, a *a *a) \
    static ebb__loop plain_loop_##F(T b) { \
        return b == 2         ? ebb__loops_square[dtype] \
               : b == 3       ? cube_##F \
               : b == (T)0.5  ? ebb__loops_sqrt[dtype] \
               : b == -(T)0.5 ? ebb__loops_rsqrt[dtype] \
                              : NULL; \
    } \
    static void pow_##F(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const int64_t so = stride[0], sa = stride[1], sb = stride[2]; \
        const ebb__loop plain = n == 1 || (n > 0 && sb == 0) ? plain_loop_##F(*(const T *)p[2]) : NULL; \
        if (plain) { \
            plain(n, p, stride, param); \
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
                const ebb__loop one = plain_loop_##F(b[j]); \
                if (one && (a[j] > 0 || b[j] > 1)) \
                    one(1, (char *const[]){(char *)(c + j), (char *)(a + j)}, (const int64_t[]){0, 0}, NULL); \
                *(T *)(p[0] + (i + j) * so) = c[j]; \
            } \
        } \
    }
DEFINE_POW(f32, float, EBB_F32)
DEFINE_POW(f64, double, EBB_F64)

#define FLOATS(fn) [EBB_F32] = fn##_f32, [EBB_F64] = fn##_f64
#if EBB__ISA_LEVEL == 0 /* no vectors */
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
#define NUMBERS(fn) [EBB_U8] = fn##_u8, [EBB_I32] = fn##_i32, [EBB_I64] = fn##_i64, FLOATS(fn)
#else
#define NUMBERS(fn) FLOATS(fn)
#endif

/* clang-format off */
#define TABLES(X) \
    X(exp, FLOATS) \
    X(log, FLOATS) \
    X(sin, FLOATS) \
    X(cos, FLOATS) \
    X(tanh, FLOATS) \
    X(sigmoid, FLOATS) \
    X(logsigmoid, FLOATS) \
    X(erf, FLOATS) \
    X(silu, FLOATS) \
    X(gelu, FLOATS) \
    X(gelu_tanh, FLOATS) \
    X(gelu_backward, FLOATS) \
    X(gelu_tanh_backward, FLOATS) \
    X(pow, NUMBERS)
/* clang-format on */
EBB__TABLES_INIT(transcendental)
