/* exp, log, tanh, erf, sin and cos of vectors of float32, exp, log and tanh of float64, for *.isa.c files: the same
 * formulas on every CPU, without a branch for each element.
 *
 * The methods are the usual ones (Cody and Waite 1980; Muller, Elementary Functions, 2016): an argument is reduced to a
 * small interval by a multiple of ln 2 or pi / 2 that is given in parts, and a polynomial does the rest. Coefficients
 * are minimax ones for the relative error of the result, fitted by Lawson's iteration and rounded to the type one after
 * another, those that remain being fitted anew. Errors are the largest found over every 101st float32 or fewer, in
 * units of the last place. Other functions of float64 go to SLEEF and libm; so do all where vectors are narrow. */
#ifndef EBB_KERNEL_VECMATH_H
#define EBB_KERNEL_VECMATH_H

#include "kernel/vec.h"

#define EBB__LOG2_E 1.44269504088896340736
#define EBB__LN2_HIGH_f32 0x1.62e4p-1f /* 16 bits: products with exponents are exact */
#define EBB__LN2_LOW_f32 0x1.7f7d1cp-20f
#define EBB__LN2_HIGH_f64 0x1.62e42fefa38p-1 /* 42 bits */
#define EBB__LN2_LOW_f64 0x1.ef35793c7673p-45
/* 1.5 * 2^23 and 1.5 * 2^52: what is added to them is rounded to a whole number, in the last bits. */
#define EBB__ROUNDER_f32 0x1.8p23f
#define EBB__ROUNDER_f64 0x1.8p52
#define EBB__ROUNDER_BITS_f32 0x4b400000
#define EBB__ROUNDER_BITS_f64 0x4338000000000000
/* Below the one, exp is 0; from the other on it is infinite. */
#define EBB__EXP_LEAST_f32 -103.98f
#define EBB__EXP_LEAST_f64 -745.14
#define EBB__EXP_MOST_f32 89.0f
#define EBB__EXP_MOST_f64 710.0

#define EBB__POLYNOMIAL(F, T, x, ...) \
    ebb__polynomial_##F(x, (const T[]){__VA_ARGS__}, sizeof((const T[]){__VA_ARGS__}) / sizeof(T))

#if EBB__ISA_LEVEL == 2
#define EBB__TIMES_POWER_OF_2(F, I, PS, M, vanishes, y, n, whole) \
    ((void)(whole), (ebb__v##F)_mm512_maskz_scalef_##PS((M) ~(vanishes), (EBB__CAT(__m512, EBB__SUFFIX_##F))(y), \
                                                        (EBB__CAT(__m512, EBB__SUFFIX_##F))(n)))
#else /* in two steps, of which the second may lead out of the normal numbers */
#define EBB__TIMES_POWER_OF_2(F, I, PS, M, vanishes, y, n, whole) \
    ebb__pick_##F(vanishes, ebb__splat_##F(0), \
                  (y)*ebb__power_of_2_##F((whole) >> 1) * ebb__power_of_2_##F((whole) - ((whole) >> 1)))
#endif

#define EBB__DEFINE_POLYNOMIAL(F, T, I, BIAS, BITS) \
    /* The polynomial c[0] + c[1] x + ... of so many terms, 3 or more: even and odd ones apart, for half of the \
     * latency. */ \
    static EBB__INLINE ebb__v##F ebb__polynomial_##F(ebb__v##F x, const T *c, int terms) { \
        const ebb__v##F square = x * x; \
        ebb__v##F a = ebb__splat_##F(c[terms - 1]), b = ebb__splat_##F(c[terms - 2]); \
        EBB__UNROLL for (int i = terms - 3; i >= 0; i -= 2) { \
            a = ebb__fma_##F(a, square, ebb__splat_##F(c[i])); \
            if (i > 0) b = ebb__fma_##F(b, square, ebb__splat_##F(c[i - 1])); \
        } \
        return terms % 2 ? ebb__fma_##F(b, x, a) : ebb__fma_##F(a, x, b); \
    } \
    /* x = n ln2 + r; ret_whole is n as integer. */ \
    static EBB__INLINE ebb__v##F ebb__reduce_ln2_##F(ebb__v##F x, ebb__v##F *ret_n, ebb__v##I *ret_whole) { \
        const ebb__v##F rounded = ebb__fma_##F(x, ebb__splat_##F((T)EBB__LOG2_E), ebb__splat_##F(EBB__ROUNDER_##F)); \
        const ebb__v##F n = rounded - EBB__ROUNDER_##F; \
        *ret_n = n; \
        *ret_whole = ebb__bits_##F(rounded) - EBB__ROUNDER_BITS_##F; \
        const ebb__v##F r = ebb__fma_##F(n, ebb__splat_##F(-EBB__LN2_HIGH_##F), x); \
        return ebb__fma_##F(n, ebb__splat_##F(-EBB__LN2_LOW_##F), r); \
    } \
    /* 2^n, a normal number */ \
    static EBB__INLINE ebb__v##F ebb__power_of_2_##F(ebb__v##I n) { return ebb__of_bits_##F((n + (BIAS)) << (BITS)); }

#define EBB__DEFINE_EXP(F, T, I, PS, M) \
    /* What would be 0 is not computed: CPUs take a hundred cycles to find out that a result is less than the least \
     * number, and rows of attention are full of exp(-inf). */ \
    static EBB__INLINE ebb__v##F ebb__exp_##F(ebb__v##F x) { \
        ebb__v##F n; \
        ebb__v##I whole; \
        const ebb__mask_##F vanishes = ebb__less_##F(x, ebb__splat_##F(EBB__EXP_LEAST_##F)); \
        if (EBB__ISA_LEVEL < 2) x = ebb__pick_##F(vanishes, ebb__splat_##F(0), x); \
        x = ebb__min_##F(ebb__splat_##F(EBB__EXP_MOST_##F), x); \
        const ebb__v##F r = ebb__reduce_ln2_##F(x, &n, &whole), y = 1 + ebb__expm1_small_##F(r); \
        return EBB__TIMES_POWER_OF_2(F, I, PS, M, vanishes, y, n, whole); \
    } \
    /* With e = exp(-2|x|) - 1, which keeps its relative error near 0: |tanh(x)| = -e / (2 + e), and near 1, where \
     * what is missing counts, 1 - 2 (1 + e) / (2 + e). */ \
    static EBB__INLINE ebb__v##F ebb__tanh_##F(ebb__v##F x) { \
        ebb__v##F n; \
        ebb__v##I whole; \
        const ebb__mask_##F large = ebb__less_##F(ebb__splat_##F((T)0.55), ebb__magnitude_##F(x)); \
        const ebb__v##F z = ebb__max_##F(ebb__splat_##F(-40), ebb__magnitude_##F(x) * -2); \
        const ebb__v##F q = ebb__expm1_small_##F(ebb__reduce_ln2_##F(z, &n, &whole)); \
        const ebb__v##F scale = ebb__power_of_2_##F(whole), e = ebb__fma_##F(scale, q, scale - 1); \
        const ebb__v##F y = ebb__pick_##F(large, 2 * ebb__fma_##F(scale, q, scale), -e) / (2 + e); \
        return ebb__with_sign_##F(ebb__pick_##F(large, 1 - y, y), x); \
    }

/* exp(r) - 1, |r| <= ln2 / 2; relative error of the polynomials 1.4e-8 and 2.9e-19 */
EBB__DEFINE_POLYNOMIAL(f32, float, i32, 127, 23)
static EBB__INLINE ebb__vf32 ebb__expm1_small_f32(ebb__vf32 r) {
    const ebb__vf32 q =
        EBB__POLYNOMIAL(f32, float, r, 0.49999997f, 0.16666542f, 0.0416674316f, 0.00836687535f, 0.00138718635f);
    return ebb__fma_f32(r * r, q, r);
}
EBB__DEFINE_EXP(f32, float, i32, ps, __mmask16)

#if EBB__ISA_LEVEL > 0
EBB__DEFINE_POLYNOMIAL(f64, double, i64, 1023, 52)
static EBB__INLINE ebb__vf64 ebb__expm1_small_f64(ebb__vf64 r) {
    const ebb__vf64 q =
        EBB__POLYNOMIAL(f64, double, r, 0.5, 0.16666666666666677, 0.041666666666666685, 0.008333333333321782,
                        0.001388888888889215, 0.00019841269885373483, 2.4801587284108174e-05, 2.7557245135185417e-06,
                        2.755732399915597e-07, 2.510868712443261e-08, 2.089585783107193e-09);
    return ebb__fma_f64(r * r, q, r);
}
EBB__DEFINE_EXP(f64, double, i64, pd, __mmask8)

/* With m 2^n = x, 0.75 <= m < 1.5, f = m - 1, s = f / (2 + f), z = s^2: log(1 + f) = 2 atanh(s) =
 * f - (f^2 / 2 - s (f^2 / 2 + z P(z))), where what is cut off f is small. Relative error of the polynomial 1.4e-19. */
static EBB__INLINE ebb__vf64 ebb__log_f64(ebb__vf64 x) {
#if EBB__ISA_LEVEL == 2 /* 0, infinity, NaN and what is below 0 come out right by themselves */
    const __m512d m = _mm512_getmant_pd((__m512d)x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
    const ebb__vf64 f = (ebb__vf64)m - 1, n = (ebb__vf64)_mm512_getexp_pd((__m512d)x) - (ebb__vf64)_mm512_getexp_pd(m);
#else
    const ebb__mask_f64 denormal = ebb__less_f64(x, ebb__splat_f64(0x1p-1022));
    /* What comes out for others than positive numbers is not used: as 0 their bits do not wrap. */
    const ebb__vf64 zero = ebb__splat_f64(0);
    const ebb__vi64 bits = ebb__bits_f64(
                        ebb__pick_f64(ebb__less_f64(zero, x), ebb__pick_f64(denormal, x * 0x1p52, x), zero)),
                    k = (bits - 0x3fe8000000000000) >> 52;
    const ebb__vf64 f = ebb__of_bits_f64(bits - (k << 52)) - 1;
    const ebb__vf64 n = ebb__of_bits_f64(k + EBB__ROUNDER_BITS_f64) - EBB__ROUNDER_f64 -
                        ebb__pick_f64(denormal, ebb__splat_f64(52), ebb__splat_f64(0));
#endif
    const ebb__vf64 s = f / (2 + f), z = s * s, half = 0.5 * f * f;
    const ebb__vf64 p = z * EBB__POLYNOMIAL(f64, double, z, 0.666666666666666, 0.40000000000056457, 0.2857142855591162,
                                            0.22222224284912614, 0.18181666652741174, 0.1539108464211831,
                                            0.1317408182987366, 0.13839653800978613);
    const ebb__vf64 low = ebb__fma_f64(s, half + p, n * EBB__LN2_LOW_f64);
    ebb__vf64 y = ebb__fma_f64(n, ebb__splat_f64(EBB__LN2_HIGH_f64), f - (half - low));
#if EBB__ISA_LEVEL < 2
    const ebb__vf64 infinity = ebb__splat_f64((double)INFINITY);
    y = ebb__pick_f64(ebb__less_f64(x, infinity), y, x); /* infinity and NaN are their own */
    y = ebb__pick_f64(ebb__less_f64(zero, x), y,
                      ebb__pick_f64(ebb__less_f64(x, zero), ebb__splat_f64((double)NAN), x - infinity));
#endif
    return y;
}
#else
EBB__VEC_MATH(exp, f64, double, exp)
EBB__VEC_MATH(log, f64, double, log)
EBB__VEC_MATH(tanh, f64, double, tanh)
#endif

/* With m 2^n = x, 0.75 <= m < 1.5, f = m - 1: log(1 + f) = f - f^2 / 2 + f^3 P(f). */
static EBB__INLINE ebb__vf32 ebb__log_f32(ebb__vf32 x) {
#if EBB__ISA_LEVEL == 2 /* 0, infinity, NaN and what is below 0 come out right by themselves */
    const __m512 m = _mm512_getmant_ps((__m512)x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
    const ebb__vf32 f = (ebb__vf32)m - 1, n = (ebb__vf32)_mm512_getexp_ps((__m512)x) - (ebb__vf32)_mm512_getexp_ps(m);
#else
    const ebb__mask_f32 denormal = ebb__less_f32(x, ebb__splat_f32(0x1p-126f));
    /* What comes out for others than positive numbers is not used: as 0 their bits do not wrap. */
    const ebb__vf32 zero = ebb__splat_f32(0);
    const ebb__vi32 bits = ebb__bits_f32(
                        ebb__pick_f32(ebb__less_f32(zero, x), ebb__pick_f32(denormal, x * 0x1p23f, x), zero)),
                    k = (bits - 0x3f400000) >> 23;
    const ebb__vf32 f = ebb__of_bits_f32(bits - (k << 23)) - 1;
    const ebb__vf32 n = ebb__whole_f32(k) - ebb__pick_f32(denormal, ebb__splat_f32(23), ebb__splat_f32(0));
#endif
    const ebb__vf32 square = f * f;
    ebb__vf32 y = f * square *
                  EBB__POLYNOMIAL(f32, float, f, 0.333334506f, -0.250001043f, 0.199908197f, -0.166469991f, 0.144783214f,
                                  -0.131638736f, 0.104688875f, -0.0451122373f);
    y = ebb__fma_f32(n, ebb__splat_f32(EBB__LN2_LOW_f32), y);
    y = f + ebb__fma_f32(ebb__splat_f32(-0.5f), square, y);
    y = ebb__fma_f32(n, ebb__splat_f32(EBB__LN2_HIGH_f32), y);
#if EBB__ISA_LEVEL < 2
    const ebb__vf32 infinity = ebb__splat_f32(INFINITY);
    y = ebb__pick_f32(ebb__less_f32(x, infinity), y, x); /* infinity and NaN are their own */
    y = ebb__pick_f32(ebb__less_f32(zero, x), y,
                      ebb__pick_f32(ebb__less_f32(x, zero), ebb__splat_f32(NAN), x - infinity));
#endif
    return y;
}

/* 2^z, -126 < z <= 0 */
static EBB__INLINE ebb__vf32 ebb__exp2_f32(ebb__vf32 z) {
#if EBB__ISA_LEVEL == 2
    const ebb__vf32 n = (ebb__vf32)_mm512_roundscale_ps((__m512)z, _MM_FROUND_TO_NEAREST_INT);
#else
    const ebb__vf32 rounded = z + EBB__ROUNDER_f32, n = rounded - EBB__ROUNDER_f32;
#endif
    const ebb__vf32 q = EBB__POLYNOMIAL(f32, float, z - n, 1, 0.693147004f, 0.240222469f, 0.0555071086f, 0.00967129227f,
                                        0.00132695376f);
#if EBB__ISA_LEVEL == 2
    return (ebb__vf32)_mm512_scalef_ps((__m512)q, (__m512)n);
#else
    return ebb__of_bits_f32(ebb__bits_f32(q) + (ebb__bits_f32(rounded) << 23));
#endif
}

/* x + x P(x^2) to 0.9375, 1 - 2^(|x| P(|x|)) from there on. */
static EBB__INLINE ebb__vf32 ebb__erf_f32(ebb__vf32 x) {
    const ebb__vf32 a = ebb__magnitude_f32(x);
    const ebb__vf32 p = EBB__POLYNOMIAL(f32, float, x *x, 0.128379151f, -0.376124889f, 0.112817161f, -0.0267619528f,
                                        0.00498530408f, -0.000594685262f);
    const ebb__vf32 t = ebb__min_f32(ebb__splat_f32(3.95f), a); /* erf is 1 from there on */
    const ebb__vf32 z = t * EBB__POLYNOMIAL(f32, float, t, -1.62809372f, -0.91717571f, -0.151824012f, 0.032999821f,
                                            -0.00463093538f, 0.000307838112f);
    const ebb__vf32 large = 1 - ebb__exp2_f32(z);
    return ebb__pick_f32(ebb__less_f32(ebb__splat_f32(0.9375f), a), ebb__with_sign_f32(large, x),
                         ebb__fma_f32(x, p, x));
}

/* h + h erf(sqrt(2) h), h = x / 2, where near 0 the absolute error of erf counts: |erf| is 1 - 2^(|h| P(|h|))
 * everywhere, and h erf is |h| |erf|. */
static EBB__INLINE ebb__vf32 ebb__gelu_f32(ebb__vf32 x) {
    const ebb__vf32 h = 0.5f * x, a = ebb__magnitude_f32(h), t = ebb__min_f32(ebb__splat_f32(2.8f), a);
    const ebb__vf32 z = t * EBB__POLYNOMIAL(f32, float, t, -2.30221033f, -1.83683407f, -0.419961959f, 0.112993725f,
                                            -0.00435027247f, -0.0119417086f, 0.00505145313f, -0.000727627252f);
    return ebb__fma_f32(a, 1 - ebb__exp2_f32(z), h);
}

#if EBB__ISA_LEVEL > 0
/* sin and cos: x = n pi / 2 + r, with fused multiply-adds, as long as n is exact. Beyond, each element by libm in
 * double precision. */
#define EBB__PERIODIC_LIMIT 39000.0f
#define EBB__DEFINE_PERIODIC(fn, turn) \
    static __attribute__((noinline)) ebb__vf32 ebb__##fn##_far(ebb__vf32 x, ebb__vf32 y) { \
        enum { W = sizeof x / sizeof(float) }; \
        float a[W], ret[W]; \
        memcpy(a, &x, sizeof x); \
        memcpy(ret, &y, sizeof y); \
        for (int i = 0; i < W; i++) \
            if (!(fabsf(a[i]) < EBB__PERIODIC_LIMIT)) ret[i] = (float)fn((double)a[i]); \
        memcpy(&y, ret, sizeof y); \
        return y; \
    } \
    static EBB__INLINE ebb__vf32 ebb__##fn##_f32(ebb__vf32 x) { \
        const ebb__vf32 rounded = ebb__fma_f32(x, ebb__splat_f32(0.636619772f), ebb__splat_f32(EBB__ROUNDER_f32)); \
        const ebb__vf32 n = rounded - EBB__ROUNDER_f32; \
        const ebb__vi32 quarter = ebb__bits_f32(rounded) + (turn); \
        ebb__vf32 r = ebb__fma_f32(n, ebb__splat_f32(-0x1.921fb6p+0f), x); \
        r = ebb__fma_f32(n, ebb__splat_f32(0x1.777a5cp-25f), r); \
        r = ebb__fma_f32(n, ebb__splat_f32(0x1.ee59dap-50f), r); \
        const ebb__vf32 z = r * r; \
        const ebb__vf32 sine = \
            ebb__fma_f32(r * z, EBB__POLYNOMIAL(f32, float, z, -0.166666538f, 0.00833210628f, -0.000195078814f), r); \
        const ebb__vf32 cosine = \
            ebb__fma_f32(z * z, EBB__POLYNOMIAL(f32, float, z, 0.0416666456f, -0.00138873048f, 2.44314251e-05f), \
                         ebb__fma_f32(z, ebb__splat_f32(-0.5f), ebb__splat_f32(1))); \
        const ebb__vi32 sign = (quarter & 2) << 30; \
        const ebb__vf32 y = ebb__of_bits_f32(ebb__bits_f32(ebb__pick_f32(ebb__odd(quarter), cosine, sine)) ^ sign); \
        return ebb__all_less(ebb__magnitude_f32(x), EBB__PERIODIC_LIMIT) ? y : ebb__##fn##_far(x, y); \
    }
EBB__DEFINE_PERIODIC(sin, 0)
EBB__DEFINE_PERIODIC(cos, 1)
#endif

#endif
