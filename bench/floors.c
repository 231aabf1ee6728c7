/* What the machine can do at most: a stream, y = a x, for working sets from 8 KB to 256 MB, and fused multiply-adds in
 * registers; on one thread, or on several at once. */
#include "bench/floors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define X86 1
#endif

typedef struct machine {
    double (*fma_f32)(int64_t n), (*fma_f64)(int64_t n); /* n rounds; returns flops */
    double (*dot_bf16)(int64_t n);                       /* the same; where there is no instruction, fma_f32 */
    void (*stream)(int64_t n, const float *x, float *y); /* n a multiple of 64 */
} machine;

static volatile double sink;

/* Without vector instructions of our own: what the compiler makes of it. Sums begin at different numbers here and
 * below, since of equal ones it would compute one. */
static double plain_fma_f32(int64_t n) {
    float a[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < 8; j++) a[j] = fmaf(a[j], 0.5f, 1.0f);
    sink = (double)(((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7])));
    return 16.0 * (double)n;
}
static double plain_fma_f64(int64_t n) {
    double a[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < 8; j++) a[j] = fma(a[j], 0.5, 1.0);
    sink = ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7]));
    return 16.0 * (double)n;
}
static void plain_stream(int64_t n, const float *x, float *y) {
    for (int64_t i = 0; i < n; i++) y[i] = 0.5f * x[i];
}

#if X86
/* Twelve independent sums hide the latency of a multiply-add on every core there is. */
#define DEFINE_FMA(name, target_, V, P, S, width) \
    __attribute__((target(target_))) static double name(int64_t n) { \
        V a0 = P##set1_##S(0), a1 = P##set1_##S(1), a2 = P##set1_##S(2), a3 = P##set1_##S(3); \
        V a4 = P##set1_##S(4), a5 = P##set1_##S(5), a6 = P##set1_##S(6), a7 = P##set1_##S(7); \
        V a8 = P##set1_##S(8), a9 = P##set1_##S(9), a10 = P##set1_##S(10), a11 = P##set1_##S(11); \
        const V x = P##set1_##S(0.5), y = P##set1_##S(1); \
        for (int64_t i = 0; i < n; i++) { \
            a0 = P##fmadd_##S(a0, x, y), a1 = P##fmadd_##S(a1, x, y), a2 = P##fmadd_##S(a2, x, y); \
            a3 = P##fmadd_##S(a3, x, y), a4 = P##fmadd_##S(a4, x, y), a5 = P##fmadd_##S(a5, x, y); \
            a6 = P##fmadd_##S(a6, x, y), a7 = P##fmadd_##S(a7, x, y), a8 = P##fmadd_##S(a8, x, y); \
            a9 = P##fmadd_##S(a9, x, y), a10 = P##fmadd_##S(a10, x, y), a11 = P##fmadd_##S(a11, x, y); \
        } \
        a0 = P##add_##S(P##add_##S(a0, a1), P##add_##S(a2, a3)), \
        a4 = P##add_##S(P##add_##S(a4, a5), P##add_##S(a6, a7)); \
        a0 = P##add_##S(P##add_##S(a0, a4), P##add_##S(P##add_##S(a8, a9), P##add_##S(a10, a11))); \
        sink = (double)a0[0]; \
        return 24.0 * (width) * (double)n; \
    }
#define DEFINE_STREAM(name, target_, V, P, width) \
    __attribute__((target(target_))) static void name(int64_t n, const float *x, float *y) { \
        const V a = P##set1_ps(0.5f); \
        for (int64_t i = 0; i < n; i += 4 * (width)) { \
            const V x0 = P##loadu_ps(x + i), x1 = P##loadu_ps(x + i + (width)); \
            const V x2 = P##loadu_ps(x + i + 2 * (width)), x3 = P##loadu_ps(x + i + 3 * (width)); \
            P##storeu_ps(y + i, P##mul_ps(a, x0)), P##storeu_ps(y + i + (width), P##mul_ps(a, x1)); \
            P##storeu_ps(y + i + 2 * (width), P##mul_ps(a, x2)), P##storeu_ps(y + i + 3 * (width), P##mul_ps(a, x3)); \
        } \
    }
DEFINE_FMA(avx2_fma_f32, "avx2,fma", __m256, _mm256_, ps, 8)
DEFINE_FMA(avx2_fma_f64, "avx2,fma", __m256d, _mm256_, pd, 4)
DEFINE_STREAM(avx2_stream, "avx2", __m256, _mm256_, 8)
DEFINE_FMA(avx512_fma_f32, "avx512f", __m512, _mm512_, ps, 16)
DEFINE_FMA(avx512_fma_f64, "avx512f", __m512d, _mm512_, pd, 8)
DEFINE_STREAM(avx512_stream, "avx512f", __m512, _mm512_, 16)

#if defined(EBB_HAVE_ISA_AVX512BF16)
__attribute__((target("avx512f,avx512bf16"))) static double avx512_dot_bf16(int64_t n) {
    __m512 sums[12];
    const __m512bh ones = (__m512bh)_mm512_set1_epi32(0x3f803f80);
    for (int j = 0; j < 12; j++) sums[j] = _mm512_set1_ps((float)j);
    for (int64_t i = 0; i < n; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < 12; j++) sums[j] = _mm512_dpbf16_ps(sums[j], ones, ones);
    }
    for (int j = 1; j < 12; j++) sums[0] = _mm512_add_ps(sums[0], sums[j]);
    sink = (double)sums[0][0];
    return 12.0 * 64 * (double)n;
}
#endif
#endif

static machine this_machine(void) {
#if X86
#if defined(EBB_HAVE_ISA_AVX512BF16)
    if (__builtin_cpu_supports("avx512bf16"))
        return (machine){avx512_fma_f32, avx512_fma_f64, avx512_dot_bf16, avx512_stream};
#endif
    if (__builtin_cpu_supports("avx512f"))
        return (machine){avx512_fma_f32, avx512_fma_f64, avx512_fma_f32, avx512_stream};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (machine){avx2_fma_f32, avx2_fma_f64, avx2_fma_f32, avx2_stream};
#endif
    return (machine){plain_fma_f32, plain_fma_f64, plain_fma_f32, plain_stream};
}

#if defined(_OPENMP)
#define OMP_TEXT(text) _Pragma(#text)
#define OMP(...) OMP_TEXT(omp __VA_ARGS__)
#else
#define OMP(...)
#endif

enum { REPEATS = 7 };

static double measure_fma(int threads, double (*fma_loop)(int64_t n)) {
    double best = 0;
    for (int r = 0; r < REPEATS; r++) {
        double flops = 0;
        const double start = bench_now();
        OMP(parallel num_threads(threads) reduction(+ : flops) if (threads > 1))
        flops = fma_loop(100000);
        const double rate = flops / (bench_now() - start);
        if (rate > best) best = rate;
    }
    (void)threads;
    return best;
}

/* Each thread streams its own share; all repeat it until some milliseconds are over. */
static double measure_stream(int threads, void (*stream)(int64_t, const float *, float *), float *x, float *y,
                             int64_t bytes) {
    const int64_t n = bytes / 8 / threads, passes = 1 + ((int64_t)1 << 24) / bytes;
    double best = 0;
    for (int r = 0; r < REPEATS; r++) {
        const double start = bench_now();
        OMP(parallel for num_threads(threads) schedule(static, 1) if (threads > 1))
        for (int t = 0; t < threads; t++)
            for (int64_t p = 0; p < passes; p++) stream(n, x + t * n, y + t * n);
        const double rate = (double)(passes * 8 * n * threads) / (bench_now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

bool bench_floors_measure(int threads, bench_floors *ret_floors) {
    const machine m = this_machine();
    const size_t half = (size_t)1 << (FLOORS_LAST - 1);
    float *x = aligned_alloc(64, half), *y = aligned_alloc(64, half);
    if (x && y) {
        memset(x, 0, half), memset(y, 0, half);
        ret_floors->flops_f32 = measure_fma(threads, m.fma_f32);
        ret_floors->flops_f64 = measure_fma(threads, m.fma_f64);
        ret_floors->flops_bf16 = measure_fma(threads, m.dot_bf16);
        for (int k = FLOORS_FIRST; k <= FLOORS_LAST; k++)
            ret_floors->stream[k - FLOORS_FIRST] = measure_stream(threads, m.stream, x, y, (int64_t)1 << k);
    }
    const bool done = x && y;
    free(x);
    free(y);
    return done;
}

double bench_floor(const bench_floors *floors, const bench_job *job) {
    double least = 0;
    const double peak = job->dtype == EBB_F64    ? floors->flops_f64
                        : job->dtype == EBB_BF16 ? floors->flops_bf16
                                                 : floors->flops_f32;
    if (job->flops > 0) least = job->flops / peak;
    if (job->bytes > 0) {
        int k = (int)lround(log2(job->bytes));
        k = k < FLOORS_FIRST ? FLOORS_FIRST : k > FLOORS_LAST ? FLOORS_LAST : k;
        least = fmax(least, job->bytes / floors->stream[k - FLOORS_FIRST]);
    }
    return least;
}
