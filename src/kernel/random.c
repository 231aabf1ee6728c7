/* Random numbers by position: element i comes from a word of the Philox stream that depends on i only. The normal
 * distribution's logarithm, sine and cosine are computed here, from operations that IEEE 754 defines to the last bit,
 * so that every machine, library and instruction set gives the same numbers. */
#include "base/base.h"
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

enum { GRAIN = 1 << 12 }; /* blocks that are worth a thread */

struct fill {
    uint64_t seed, first;
    int64_t n, per_block;
    char *out;
    size_t size;
    int64_t lo;
    uint64_t range;
    /* Makes all elements of one block. */
    void (*make)(const struct fill *f, uint64_t block, const uint32_t words[4], void *ret_elements);
};

static uint64_t word64(const uint32_t *words) { return (uint64_t)words[0] | (uint64_t)words[1] << 32; }

/* ---- uniform ---- */

static void uniform_f32(const struct fill *f, uint64_t block, const uint32_t words[4], void *ret_elements) {
    float *x = ret_elements;
    (void)f, (void)block;
    for (int i = 0; i < 4; i++) x[i] = (float)(words[i] >> 8) * 0x1p-24f;
}

static void uniform_f64(const struct fill *f, uint64_t block, const uint32_t words[4], void *ret_elements) {
    double *x = ret_elements;
    (void)f, (void)block;
    for (int i = 0; i < 2; i++) x[i] = (double)(word64(words + 2 * i) >> 11) * 0x1p-53;
}

/* ---- normal ---- */

/* log(u) for 0 < u <= 1: u = m 2^e with m about 1, log m = 2 artanh((m - 1) / (m + 1)) by its series. */
static double natural_log(double u) {
    uint64_t bits;
    memcpy(&bits, &u, sizeof bits);
    const uint64_t fraction = bits & 0xfffffffffffffu;
    const uint64_t above = fraction > 0x6a09e667f3bcdu; /* m > sqrt 2: halve it */
    const double e = (double)((int64_t)(bits >> 52) - 1023 + (int64_t)above);
    bits = fraction | (uint64_t)(1023 - above) << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    const double s = (m - 1) / (m + 1), s2 = s * s;
    static const double terms[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11,
                                   1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
    double sum = 1.0 / 23;
    for (int i = 0; i < 11; i++) sum = sum * s2 + terms[i];
    return e * 0.69314718055994530942 + 2 * s * sum;
}

/* cos and sin of 2 pi v for 0 <= v < 1, by quarter turns and Taylor's series on +-pi/4. */
static void turn(double v, double *ret_cos, double *ret_sin) {
    const int quarter = (int)(4 * v + 0.5);
    const double r = (4 * v - quarter) * 1.57079632679489661923, r2 = r * r;
    /* 1 / k(k - 1) and 1 / k(k + 1) for k = 16, 14, ... 2 */
    static const double cosine[] = {1.0 / 240, 1.0 / 182, 1.0 / 132, 1.0 / 90, 1.0 / 56, 1.0 / 30, 1.0 / 12, 1.0 / 2};
    static const double sine[] = {1.0 / 272, 1.0 / 210, 1.0 / 156, 1.0 / 110, 1.0 / 72, 1.0 / 42, 1.0 / 20, 1.0 / 6};
    double c = 1, s = 1;
    for (int i = 0; i < 8; i++) {
        c = 1 - c * (r2 * cosine[i]);
        s = 1 - s * (r2 * sine[i]);
    }
    s *= r;
    const double x = quarter & 1 ? s : c, y = quarter & 1 ? c : s;
    *ret_cos = quarter == 1 || quarter == 2 ? -x : x;
    *ret_sin = quarter == 2 || quarter == 3 ? -y : y;
}

static void box_muller(double u, double v, double ret_pair[2]) {
    const double radius = sqrt(-2 * natural_log(u));
    turn(v, &ret_pair[0], &ret_pair[1]);
    ret_pair[0] *= radius;
    ret_pair[1] *= radius;
}

static void normal_f32(const struct fill *f, uint64_t block, const uint32_t words[4], void *ret_elements) {
    float *x = ret_elements;
    (void)f, (void)block;
    for (int i = 0; i < 4; i += 2) {
        double pair[2];
        box_muller(((double)words[i] + 0.5) * 0x1p-32, (double)words[i + 1] * 0x1p-32, pair);
        x[i] = (float)pair[0];
        x[i + 1] = (float)pair[1];
    }
}

static void normal_f64(const struct fill *f, uint64_t block, const uint32_t words[4], void *ret_elements) {
    (void)f, (void)block;
    box_muller((double)((word64(words) >> 11) + 1) * 0x1p-53, (double)(word64(words + 2) >> 11) * 0x1p-53,
               ret_elements);
}

/* ---- exponential: the logarithm of a number strictly between 0 and 1 ---- */

static void exponential_f32(const struct fill *f, uint64_t block, const uint32_t words[4], void *ret_elements) {
    float *x = ret_elements;
    (void)f, (void)block;
    for (int i = 0; i < 4; i++) x[i] = (float)-natural_log(((double)words[i] + 0.5) * 0x1p-32);
}

static void exponential_f64(const struct fill *f, uint64_t block, const uint32_t words[4], void *ret_elements) {
    double *x = ret_elements;
    (void)f, (void)block;
    for (int i = 0; i < 2; i++) x[i] = -natural_log(((double)(word64(words + 2 * i) >> 12) + 0.5) * 0x1p-52);
}

/* ---- integers: Lemire 2019, "Fast random integer generation in an interval", made positional ---- */

static uint64_t multiply_high(uint64_t a, uint64_t b) {
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32), middle2 = a0 * b1 + (uint32_t)middle;
    return a1 * b1 + (middle >> 32) + (middle2 >> 32);
}

static void integer_i64(const struct fill *f, uint64_t block, const uint32_t words[4], void *ret_elements) {
    int64_t *x = ret_elements;
    for (int i = 0; i < 2; i++) {
        uint64_t word = word64(words + 2 * i), low = word * f->range;
        if (low < f->range) {
            const uint64_t threshold = (0 - f->range) % f->range;
            /* Rejected words are replaced from the same block of streams with other seeds. */
            for (uint64_t retry = 1; low < threshold; retry++) {
                uint32_t more[4];
                ebb__philox(f->seed + retry * 0x9e3779b97f4a7c15u, block, more);
                word = word64(more + 2 * i);
                low = word * f->range;
            }
        }
        x[i] = (int64_t)((uint64_t)f->lo + multiply_high(word, f->range));
    }
}

/* ---- filling ---- */

static void fill_blocks(void *context, int64_t first, int64_t last) {
    const struct fill *f = context;
    const size_t whole = (size_t)f->per_block * f->size;
    for (; first < last; first++) {
        uint32_t words[4];
        uint64_t elements[2]; /* a block never makes more bytes than it has */
        const uint64_t block = f->first + (uint64_t)first;
        const int64_t left = f->n - first * f->per_block;
        ebb__philox(f->seed, block, words);
        f->make(f, block, words, elements);
        memcpy(f->out + (size_t)first * whole, elements, left < f->per_block ? (size_t)left * f->size : whole);
    }
}

static ebb_status fill(ebb__random what, ebb_dtype dtype, struct fill f) {
    if (!f.make) return ebb_fail(EBB_ERR_DTYPE, "no random numbers of this kind in %s", ebb_dtype_name(dtype));
    const int64_t blocks = (int64_t)ebb__random_blocks(what, dtype, f.n);
    f.size = ebb_dtype_size(dtype);
    f.per_block = (int64_t)(16 / f.size);
    if (blocks <= GRAIN) {
        fill_blocks(&f, 0, blocks);
    } else {
        ebb__parallel_for(blocks, GRAIN, fill_blocks, &f);
    }
    return EBB_OK;
}

uint64_t ebb__random_blocks(ebb__random what, ebb_dtype dtype, int64_t n) {
    const uint64_t per_block = what != EBB__INTEGER && dtype == EBB_F32 ? 4 : 2;
    return ((uint64_t)n + per_block - 1) / per_block;
}

ebb_status ebb__random_uniform(ebb_dtype dtype, uint64_t seed, uint64_t first, int64_t n, void *out) {
    return fill(EBB__UNIFORM, dtype,
                (struct fill){.seed = seed,
                              .first = first,
                              .n = n,
                              .out = out,
                              .make = dtype == EBB_F32   ? uniform_f32
                                      : dtype == EBB_F64 ? uniform_f64
                                                         : NULL});
}

ebb_status ebb__random_normal(ebb_dtype dtype, uint64_t seed, uint64_t first, int64_t n, void *out) {
    return fill(EBB__NORMAL, dtype,
                (struct fill){.seed = seed,
                              .first = first,
                              .n = n,
                              .out = out,
                              .make = dtype == EBB_F32   ? normal_f32
                                      : dtype == EBB_F64 ? normal_f64
                                                         : NULL});
}

ebb_status ebb__random_exponential(ebb_dtype dtype, uint64_t seed, uint64_t first, int64_t n, void *out) {
    return fill(EBB__EXPONENTIAL, dtype,
                (struct fill){.seed = seed,
                              .first = first,
                              .n = n,
                              .out = out,
                              .make = dtype == EBB_F32   ? exponential_f32
                                      : dtype == EBB_F64 ? exponential_f64
                                                         : NULL});
}

void ebb__random_integer(uint64_t seed, uint64_t first, int64_t n, int64_t lo, int64_t hi, int64_t *out) {
    (void)fill(EBB__INTEGER, EBB_I64,
               (struct fill){.seed = seed,
                             .first = first,
                             .n = n,
                             .out = (char *)out,
                             .lo = lo,
                             .range = (uint64_t)hi - (uint64_t)lo,
                             .make = integer_i64});
}
