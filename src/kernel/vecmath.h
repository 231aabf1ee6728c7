/* exp, log, tanh, erf, sin and cos of vectors of float32, for *.isa.c files: the same formulas on every CPU, without a
 * branch for each element.
 *
 * The methods are the usual ones (Cody and Waite 1980; Muller, Elementary Functions, 2016): an argument is reduced to a
 * small interval by a multiple of ln 2 or pi / 2 that is given in parts, and a polynomial does the rest. Coefficients
 * are minimax ones for the relative error of the result, fitted by Lawson's iteration and rounded to float32 one after
 * another, those that remain being fitted anew. Errors are the largest found over every 101st float32 or fewer, in
 * units of the last place. Double precision goes to SLEEF and libm. */
#ifndef EBB_KERNEL_VECMATH_H
#define EBB_KERNEL_VECMATH_H

#include "kernel/vec.h"

#define EBB__LOG2_E 1.44269504f
#define EBB__LN2_HIGH 0x1.62e4p-1f /* 16 bits: products with exponents are exact */
#define EBB__LN2_LOW 0x1.7f7d1cp-20f
#define EBB__ROUNDER 12582912.0f /* 1.5 * 2^23: what is added to it is rounded to a whole number, in its last bits */
#define EBB__ROUNDER_BITS 0x4b400000

/* x = n ln2 + r; ret_whole is n as integer. */
static EBB__INLINE ebb__vf32 ebb__reduce_ln2(ebb__vf32 x, ebb__vf32 *ret_n, ebb__vi32 *ret_whole) {
    const ebb__vf32 rounded = ebb__fma_f32(x, ebb__splat_f32(EBB__LOG2_E), ebb__splat_f32(EBB__ROUNDER));
    const ebb__vf32 n = rounded - EBB__ROUNDER;
    *ret_n = n;
    *ret_whole = ebb__bits(rounded) - EBB__ROUNDER_BITS;
    const ebb__vf32 r = ebb__fma_f32(n, ebb__splat_f32(-EBB__LN2_HIGH), x);
    return ebb__fma_f32(n, ebb__splat_f32(-EBB__LN2_LOW), r);
}

/* The polynomial c[0] + c[1] x + ... of so many terms, 3 or more: even and odd ones apart, for half of the latency. */
static EBB__INLINE ebb__vf32 ebb__polynomial(ebb__vf32 x, const float *c, int terms) {
    const ebb__vf32 square = x * x;
    ebb__vf32 a = ebb__splat_f32(c[terms - 1]), b = ebb__splat_f32(c[terms - 2]);
    EBB__UNROLL for (int i = terms - 3; i >= 0; i -= 2) {
        a = ebb__fma_f32(a, square, ebb__splat_f32(c[i]));
        if (i > 0) b = ebb__fma_f32(b, square, ebb__splat_f32(c[i - 1]));
    }
    return terms % 2 ? ebb__fma_f32(b, x, a) : ebb__fma_f32(a, x, b);
}
#define EBB__POLYNOMIAL(x, ...) \
    ebb__polynomial(x, (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

/* exp(r) - 1, |r| <= ln2 / 2; relative error of the polynomial 1.4e-8 */
static EBB__INLINE ebb__vf32 ebb__expm1_small(ebb__vf32 r) {
    const ebb__vf32 q = EBB__POLYNOMIAL(r, 0.49999997f, 0.16666542f, 0.0416674316f, 0.00836687535f, 0.00138718635f);
    return ebb__fma_f32(r * r, q, r);
}

/* 2^n, -126 <= n <= 127 */
static EBB__INLINE ebb__vf32 ebb__power_of_2(ebb__vi32 n) { return ebb__of_bits((n + 127) << 23); }

/* What would be 0 is not computed: CPUs take a hundred cycles to find out that a result is less than the least number,
 * and rows of attention are full of exp(-inf). */
static EBB__INLINE ebb__vf32 ebb__exp_f32(ebb__vf32 x) {
    ebb__vf32 n;
    ebb__vi32 whole;
    const ebb__vf32 least = ebb__splat_f32(-103.98f);
    const ebb__mask vanishes = ebb__less(x, least);
#if EBB__ISA_LEVEL < 2
    x = ebb__pick(vanishes, ebb__splat_f32(0), x);
#endif
    x = ebb__min_f32(ebb__splat_f32(89.0f), x); /* infinite from there on */
    const ebb__vf32 r = ebb__reduce_ln2(x, &n, &whole), y = 1 + ebb__expm1_small(r);
#if EBB__ISA_LEVEL == 2
    (void)whole;
    return (ebb__vf32)_mm512_maskz_scalef_ps((__mmask16)~vanishes, (__m512)y, (__m512)n);
#else
    const ebb__vi32 half = whole >> 1; /* in two steps, of which the second may lead out of the normal numbers */
    return ebb__pick(vanishes, ebb__splat_f32(0), y * ebb__power_of_2(half) * ebb__power_of_2(whole - half));
#endif
}

/* With m 2^n = x, 0.75 <= m < 1.5, f = m - 1: log(1 + f) = f - f^2 / 2 + f^3 P(f). */
static EBB__INLINE ebb__vf32 ebb__log_f32(ebb__vf32 x) {
#if EBB__ISA_LEVEL == 2 /* 0, infinity, NaN and what is below 0 come out right by themselves */
    const __m512 m = _mm512_getmant_ps((__m512)x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
    const ebb__vf32 f = (ebb__vf32)m - 1, n = (ebb__vf32)_mm512_getexp_ps((__m512)x) - (ebb__vf32)_mm512_getexp_ps(m);
#else
    const ebb__mask denormal = ebb__less(x, ebb__splat_f32(0x1p-126f));
    /* What comes out for others than positive numbers is not used: as 0 their bits do not wrap. */
    const ebb__vf32 zero = ebb__splat_f32(0);
    const ebb__vi32 bits = ebb__bits(ebb__pick(ebb__less(zero, x), ebb__pick(denormal, x * 0x1p23f, x), zero)),
                    k = (bits - 0x3f400000) >> 23;
    const ebb__vf32 f = ebb__of_bits(bits - (k << 23)) - 1;
    const ebb__vf32 n = ebb__whole_f32(k) - ebb__pick(denormal, ebb__splat_f32(23), ebb__splat_f32(0));
#endif
    const ebb__vf32 square = f * f;
    ebb__vf32 y = f * square *
                  EBB__POLYNOMIAL(f, 0.333334506f, -0.250001043f, 0.199908197f, -0.166469991f, 0.144783214f,
                                  -0.131638736f, 0.104688875f, -0.0451122373f);
    y = ebb__fma_f32(n, ebb__splat_f32(EBB__LN2_LOW), y);
    y = f + ebb__fma_f32(ebb__splat_f32(-0.5f), square, y);
    y = ebb__fma_f32(n, ebb__splat_f32(EBB__LN2_HIGH), y);
#if EBB__ISA_LEVEL < 2
    const ebb__vf32 infinity = ebb__splat_f32(INFINITY);
    y = ebb__pick(ebb__less(x, infinity), y, x); /* infinity and NaN are their own */
    y = ebb__pick(ebb__less(zero, x), y, ebb__pick(ebb__less(x, zero), ebb__splat_f32(NAN), x - infinity));
#endif
    return y;
}

/* With e = exp(-2|x|) - 1, which keeps its relative error near 0: |tanh(x)| = -e / (e + 2). */
static EBB__INLINE ebb__vf32 ebb__tanh_f32(ebb__vf32 x) {
    ebb__vf32 n;
    ebb__vi32 whole;
    const ebb__vf32 z = ebb__max_f32(ebb__splat_f32(-20), ebb__magnitude(x) * -2);
    const ebb__vf32 q = ebb__expm1_small(ebb__reduce_ln2(z, &n, &whole)), scale = ebb__power_of_2(whole);
    const ebb__vf32 e = ebb__fma_f32(scale, q, scale - 1);
    return ebb__with_sign(e / (-2 - e), x);
}

/* 2^z, -126 < z <= 0 */
static EBB__INLINE ebb__vf32 ebb__exp2_f32(ebb__vf32 z) {
#if EBB__ISA_LEVEL == 2
    const ebb__vf32 n = (ebb__vf32)_mm512_roundscale_ps((__m512)z, _MM_FROUND_TO_NEAREST_INT);
#else
    const ebb__vf32 rounded = z + EBB__ROUNDER, n = rounded - EBB__ROUNDER;
#endif
    const ebb__vf32 q =
        EBB__POLYNOMIAL(z - n, 1, 0.693147004f, 0.240222469f, 0.0555071086f, 0.00967129227f, 0.00132695376f);
#if EBB__ISA_LEVEL == 2
    return (ebb__vf32)_mm512_scalef_ps((__m512)q, (__m512)n);
#else
    return ebb__of_bits(ebb__bits(q) + (ebb__bits(rounded) << 23));
#endif
}

/* x + x P(x^2) to 0.9375, 1 - 2^(|x| P(|x|)) from there on. */
static EBB__INLINE ebb__vf32 ebb__erf_f32(ebb__vf32 x) {
    const ebb__vf32 a = ebb__magnitude(x);
    const ebb__vf32 p = EBB__POLYNOMIAL(x * x, 0.128379151f, -0.376124889f, 0.112817161f, -0.0267619528f,
                                        0.00498530408f, -0.000594685262f);
    const ebb__vf32 t = ebb__min_f32(ebb__splat_f32(3.95f), a); /* erf is 1 from there on */
    const ebb__vf32 z = t * EBB__POLYNOMIAL(t, -1.62809372f, -0.91717571f, -0.151824012f, 0.032999821f, -0.00463093538f,
                                            0.000307838112f);
    const ebb__vf32 large = 1 - ebb__exp2_f32(z);
    return ebb__pick(ebb__less(ebb__splat_f32(0.9375f), a), ebb__with_sign(large, x), ebb__fma_f32(x, p, x));
}

/* h + h erf(sqrt(2) h), h = x / 2, where near 0 the absolute error of erf counts: |erf| is 1 - 2^(|h| P(|h|))
 * everywhere, and h erf is |h| |erf|. */
static EBB__INLINE ebb__vf32 ebb__gelu_f32(ebb__vf32 x) {
    const ebb__vf32 h = 0.5f * x, a = ebb__magnitude(h), t = ebb__min_f32(ebb__splat_f32(2.8f), a);
    const ebb__vf32 z = t * EBB__POLYNOMIAL(t, -2.30221033f, -1.83683407f, -0.419961959f, 0.112993725f, -0.00435027247f,
                                            -0.0119417086f, 0.00505145313f, -0.000727627252f);
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
        const ebb__vf32 rounded = ebb__fma_f32(x, ebb__splat_f32(0.636619772f), ebb__splat_f32(EBB__ROUNDER)); \
        const ebb__vf32 n = rounded - EBB__ROUNDER; \
        const ebb__vi32 quarter = ebb__bits(rounded) + (turn); \
        ebb__vf32 r = ebb__fma_f32(n, ebb__splat_f32(-0x1.921fb6p+0f), x); \
        r = ebb__fma_f32(n, ebb__splat_f32(0x1.777a5cp-25f), r); \
        r = ebb__fma_f32(n, ebb__splat_f32(0x1.ee59dap-50f), r); \
        const ebb__vf32 z = r * r; \
        const ebb__vf32 sine = \
            ebb__fma_f32(r * z, EBB__POLYNOMIAL(z, -0.166666538f, 0.00833210628f, -0.000195078814f), r); \
        const ebb__vf32 cosine = \
            ebb__fma_f32(z * z, EBB__POLYNOMIAL(z, 0.0416666456f, -0.00138873048f, 2.44314251e-05f), \
                         ebb__fma_f32(z, ebb__splat_f32(-0.5f), ebb__splat_f32(1))); \
        const ebb__vi32 sign = (quarter & 2) << 30; \
        const ebb__vf32 y = ebb__of_bits(ebb__bits(ebb__pick(ebb__odd(quarter), cosine, sine)) ^ sign); \
        return ebb__all_less(ebb__magnitude(x), EBB__PERIODIC_LIMIT) ? y : ebb__##fn##_far(x, y); \
    }
EBB__DEFINE_PERIODIC(sin, 0)
EBB__DEFINE_PERIODIC(cos, 1)
#endif

#endif
