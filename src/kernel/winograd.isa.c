/* The transforms of Winograd's convolutions of 3 x 3 taps, F(2 x 2, 3 x 3) (Lavin and Gray 2016, "Fast algorithms for
 * convolutional neural networks"), for as many tiles at a time as a vector has elements. Nothing for the baseline. */
#include "kernel/vec.h"

#if EBB__ISA_LEVEL > 0

enum { W = EBB__W_F32, POINTS = EBB__WINOGRAD_POINTS };

/* ---- patches ---- */

/* Lanes [first, last) of what lies at p. */
#if EBB__ISA_LEVEL == 2
typedef __mmask16 lanes;
static EBB__INLINE lanes lanes_of(int first, int last) {
    const int from = first < 0 ? 0 : first, to = last > W ? W : last;
    return (lanes)(to <= from ? 0u : ((1u << to) - 1) & ~((1u << from) - 1));
}
static EBB__INLINE ebb__vf32 load(const float *p, lanes m) { return (ebb__vf32)_mm512_maskz_loadu_ps(m, p); }
static EBB__INLINE void store(float *p, lanes m, ebb__vf32 v) { _mm512_mask_storeu_ps(p, m, (__m512)v); }
static EBB__INLINE ebb__vf32 odds(ebb__vf32 a, ebb__vf32 b) {
    const __m512i order = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return (ebb__vf32)_mm512_permutex2var_ps((__m512)a, order, (__m512)b);
}
/* a0 b0 a1 b1 ...: the lower or the upper half. */
static EBB__INLINE ebb__vf32 zip(ebb__vf32 a, ebb__vf32 b, int half) {
    const __m512i order = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return (ebb__vf32)_mm512_permutex2var_ps((__m512)a, _mm512_add_epi32(order, _mm512_set1_epi32(half * W / 2)),
                                             (__m512)b);
}
#else
typedef __m256i lanes;
static EBB__INLINE lanes lanes_of(int first, int last) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_and_si256(_mm256_cmpgt_epi32(lane, _mm256_set1_epi32(first - 1)),
                            _mm256_cmpgt_epi32(_mm256_set1_epi32(last), lane));
}
static EBB__INLINE ebb__vf32 load(const float *p, lanes m) { return (ebb__vf32)_mm256_maskload_ps(p, m); }
static EBB__INLINE void store(float *p, lanes m, ebb__vf32 v) { _mm256_maskstore_ps(p, m, (__m256)v); }
static EBB__INLINE ebb__vf32 odds(ebb__vf32 a, ebb__vf32 b) {
    return (ebb__vf32)_mm256_permute4x64_pd((__m256d)_mm256_shuffle_ps((__m256)a, (__m256)b, 0xdd), 0xd8);
}
static EBB__INLINE ebb__vf32 zip(ebb__vf32 a, ebb__vf32 b, int half) {
    const __m256 low = _mm256_unpacklo_ps((__m256)a, (__m256)b), high = _mm256_unpackhi_ps((__m256)a, (__m256)b);
    return half ? (ebb__vf32)_mm256_permute2f128_ps(low, high, 0x31)
                : (ebb__vf32)_mm256_permute2f128_ps(low, high, 0x20);
}
#endif

/* Of the columns that a run reads, or writes, those inside of the image, as lanes of vectors. A run whose tiles are in
 * lanes from r->lane on is seen from 2 lane columns before its first one, so that every second element of two vectors
 * side by side lies in its tile's lane; other lanes are none of its own. m[0] and m[1] are those of columns 0 and 1 of
 * the patches, m[2] and m[3] of columns 2 and 3. */
struct inside {
    lanes m[4];
};

static EBB__INLINE struct inside inside_of(const struct ebb__winograd_run *r) {
    struct inside in;
    for (int i = 0; i < 2; i++) {
        const int left = r->left > 2 * i ? r->left - 2 * i : 0;
        const int right = r->right - 2 * i < 2 * r->n ? r->right - 2 * i : 2 * r->n;
        in.m[2 * i] = lanes_of(2 * r->lane + left, 2 * r->lane + right);
        in.m[2 * i + 1] = lanes_of(2 * r->lane + left - W, 2 * r->lane + right - W);
    }
    return in;
}

/* The patches of a group, size x size elements of each: d[i size + j] has element (i, j) of every patch. Those of the
 * next channel, `next` elements on, are fetched meanwhile: they lie too far away for the CPU to guess. */
static EBB__INLINE void load_patches(const struct ebb__winograd_group *g, const struct inside *in, const float *x,
                                     int64_t width, int64_t next, const int size, ebb__vf32 *d) {
    EBB__UNROLL for (int i = 0; i < size * size; i++) d[i] = (ebb__vf32){0};
    for (int k = 0; k < g->n_runs; k++) {
        const struct ebb__winograd_run *r = &g->runs[k];
        EBB__UNROLL for (int i = 0; i < size; i++) {
            if (i < r->top || i >= r->bottom) continue;
            const float *row = x + r->at + i * width - 2 * r->lane;
            for (int j = 0; j < 2 * W + 2; j += 16) ebb__fetch(row, (next + j) * (int64_t)sizeof(float));
            EBB__UNROLL for (int j = 0; j < size; j += 2) {
                const ebb__vf32 low = load(row + j, in[k].m[j]), high = load(row + j + W, in[k].m[j + 1]);
                d[i * size + j] += ebb__evens_f32(low, high);
                d[i * size + j + 1] += odds(low, high);
            }
        }
    }
}

/* ---- transforms: of all groups one channel after the other, since a channel's rows lie together ---- */

struct plan {
    struct inside in[EBB__WINOGRAD_GROUPS][EBB__WINOGRAD_LANES];
};

static void plan(struct plan *p, int n, const struct ebb__winograd_group *g) {
    for (int i = 0; i < n; i++)
        for (int k = 0; k < g[i].n_runs; k++) p->in[i][k] = inside_of(&g[i].runs[k]);
}

static EBB__INLINE void input_group(const struct ebb__winograd_group *g, const struct inside *in, const float *x,
                                    int64_t width, int64_t next, int64_t point, float *values) {
    ebb__vf32 d[POINTS];
    load_patches(g, in, x, width, next, 4, d);
    EBB__UNROLL for (int j = 0; j < 4; j++) {
        const ebb__vf32 d0 = d[j], d1 = d[4 + j], d2 = d[8 + j], d3 = d[12 + j];
        d[j] = d0 - d2;
        d[4 + j] = d1 + d2;
        d[8 + j] = d2 - d1;
        d[12 + j] = d1 - d3;
    }
    EBB__UNROLL for (int i = 0; i < 4; i++, values += 4 * point) {
        ebb__store_f32(values, d[4 * i] - d[4 * i + 2]);
        ebb__store_f32(values + point, d[4 * i + 1] + d[4 * i + 2]);
        ebb__store_f32(values + 2 * point, d[4 * i + 2] - d[4 * i + 1]);
        ebb__store_f32(values + 3 * point, d[4 * i + 1] - d[4 * i + 3]);
    }
}

/* Row i of the patches of a group, with its two columns. */
static EBB__INLINE void store_row(const struct ebb__winograd_group *g, const struct inside *in, int i, int64_t width,
                                  ebb__vf32 even, ebb__vf32 odd, float *y) {
    const ebb__vf32 low = zip(even, odd, 0), high = zip(even, odd, 1);
    for (int k = 0; k < g->n_runs; k++) {
        const struct ebb__winograd_run *r = &g->runs[k];
        if (i >= r->bottom) continue;
        store(y + r->at + i * width - 2 * r->lane, in[k].m[0], low);
        store(y + r->at + i * width - 2 * r->lane + W, in[k].m[1], high);
    }
}

static EBB__INLINE void output_group(const struct ebb__winograd_group *g, const struct inside *in, const float *values,
                                     int64_t point, ebb__vf32 bias, int64_t width, float *y) {
    ebb__vf32 m[2][4];
    EBB__UNROLL for (int j = 0; j < 4; j++, values += point) {
        const ebb__vf32 m0 = ebb__load_f32(values), m1 = ebb__load_f32(values + 4 * point),
                        m2 = ebb__load_f32(values + 8 * point), m3 = ebb__load_f32(values + 12 * point);
        m[0][j] = m0 + m1 + m2;
        m[1][j] = m1 - m2 - m3;
    }
    EBB__UNROLL for (int i = 0; i < 2; i++)
        store_row(g, in, i, width, m[i][0] + m[i][1] + m[i][2] + bias, m[i][1] - m[i][2] - m[i][3] + bias, y);
}

static EBB__INLINE void gradient_group(const struct ebb__winograd_group *g, const struct inside *in, const float *y,
                                       int64_t width, int64_t next, int64_t point, float *values) {
    ebb__vf32 d[4], m[4][2];
    load_patches(g, in, y, width, next, 2, d);
    EBB__UNROLL for (int j = 0; j < 2; j++) {
        m[0][j] = d[j];
        m[1][j] = d[j] + d[2 + j];
        m[2][j] = d[j] - d[2 + j];
        m[3][j] = -d[2 + j];
    }
    EBB__UNROLL for (int i = 0; i < 4; i++, values += 4 * point) {
        ebb__store_f32(values, m[i][0]);
        ebb__store_f32(values + point, m[i][0] + m[i][1]);
        ebb__store_f32(values + 2 * point, m[i][0] - m[i][1]);
        ebb__store_f32(values + 3 * point, -m[i][1]);
    }
}

static void input(int n, const struct ebb__winograd_group *g, const struct ebb__winograd_planes *p, const float *x,
                  float *values) {
    struct plan in;
    plan(&in, n, g);
    for (int64_t c = 0; c < p->n; c++, x += p->step, values += p->channel)
        for (int i = 0; i < n; i++) input_group(&g[i], in.in[i], x, p->width, p->step, p->point, values + g[i].values);
}

static void output(int n, const struct ebb__winograd_group *g, const struct ebb__winograd_planes *p,
                   const float *values, const float *bias, float *y) {
    struct plan in;
    plan(&in, n, g);
    for (int64_t c = 0; c < p->n; c++, y += p->step, values += p->channel)
        for (int i = 0; i < n; i++)
            output_group(&g[i], in.in[i], values + g[i].values, p->point, ebb__splat_f32(bias ? bias[c] : 0), p->width,
                         y);
}

static void gradient(int n, const struct ebb__winograd_group *g, const struct ebb__winograd_planes *p, const float *y,
                     float *values) {
    struct plan in;
    plan(&in, n, g);
    for (int64_t c = 0; c < p->n; c++, y += p->step, values += p->channel)
        for (int i = 0; i < n; i++)
            gradient_group(&g[i], in.in[i], y, p->width, p->step, p->point, values + g[i].values);
}

void EBB__ISA(ebb__init_winograd)(void) { ebb__isa.winograd = (ebb__winograd_table){W, input, output, gradient}; }

#else

void EBB__ISA(ebb__init_winograd)(void) { ebb__isa.winograd = (ebb__winograd_table){0, NULL, NULL, NULL}; }

#endif
