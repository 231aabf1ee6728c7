/* Matrix products of bfloat16 in one thread, with AVX-512's instruction for them: a dot product of two elements, added
 * to a float32. So both operands are packed in pairs along k: panels of b of 16 or 32 columns, and of a of MR rows, as
 * 32-bit words that hold two elements. Elements of c are rounded once, when all of k has been added up in float32. An
 * element is the same sum in the same order however a product is cut into parts. */
#include "base/half.h"
#include "kernel/vec.h"

enum {
    W = 16,                   /* columns of a vector */
    MR = EBB__BF16_TILE_ROWS, /* of a register tile */
    NR = EBB__BF16_TILE_COLUMNS,
    ROWS = EBB__BF16_ROWS /* of a block of a */
};

/* ---- packing ---- */

static EBB__INLINE __mmask16 first_lanes(int64_t n) {
    return (__mmask16)(n >= W ? 0xffffu : n < 1 ? 0u : (1u << n) - 1);
}

/* Elements as float32, or as the lower halves of words. */
static EBB__INLINE __m512i load_words(const uint16_t *x, int64_t n) {
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), x));
}

/* Lines that lie side by side: words of two rows, of which the second may be missing. */
static EBB__INLINE void interleave(int64_t n, const uint16_t *even, const uint16_t *odd, uint32_t *to,
                                   const int stride) {
    EBB__UNROLL for (int v = 0; v < stride; v += W) {
        __m512i words = load_words(even + v, n - v);
        if (odd) words = _mm512_or_si512(words, _mm512_slli_epi32(load_words(odd + v, n - v), 16));
        _mm512_mask_storeu_epi32(to + v, first_lanes(stride - v), words);
    }
}

static EBB__INLINE void transpose(__m512i *r) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(W / 2));
    EBB__UNROLL for (int s = 1; s < W; s *= 2) {
        __m512i z[W];
        EBB__UNROLL for (int i = 0; i < W / 2; i++) {
            z[2 * i] = _mm512_permutex2var_epi32(r[i], low, r[i + W / 2]);
            z[2 * i + 1] = _mm512_permutex2var_epi32(r[i], high, r[i + W / 2]);
        }
        EBB__UNROLL for (int i = 0; i < W; i++) r[i] = z[i];
    }
}

/* Lines that lie along k, W of them, W pairs at a time. */
static void turn(int64_t k, int64_t n, const uint16_t *x, int64_t ld, uint32_t *to, int stride) {
    for (int64_t p = 0; p < k; p += 2 * W, to += W * stride) {
        const __mmask32 have = k - p >= 2 * W ? (__mmask32)-1 : (__mmask32)((1u << (k - p)) - 1);
        __m512i r[W];
        EBB__UNROLL for (int i = 0; i < W; i++) r[i] =
            i < n ? _mm512_maskz_loadu_epi16(have, x + i * ld + p) : _mm512_setzero_si512();
        transpose(r);
        const int64_t pairs = (k - p + 1) / 2;
        EBB__UNROLL for (int i = 0; i < W; i++) if (i < pairs)
            _mm512_mask_storeu_epi32(to + i * stride, first_lanes(stride), r[i]);
    }
}

static uint32_t word(const uint16_t *x, int64_t step, bool pair) { return x[0] | (pair ? (uint32_t)x[step] << 16 : 0); }

/* n lines, `ld` apart, of k elements, `step` apart, become panels of `stride` lines; what is missing is 0. */
static EBB__INLINE void pack(int64_t k, int64_t n, const uint16_t *x, int64_t step, int64_t ld, uint32_t *to,
                             const int stride) {
    const int64_t pairs = (k + 1) / 2;
    if (ld == 1) {
        /* A few panels at a time: each lies in a page of its own, and CPUs remember the addresses of few. */
        for (int64_t first = 0; first < n; first += 8 * stride) {
            const int64_t end = n - first < 8 * stride ? n : first + 8 * stride;
            for (int64_t p = 0; p < pairs; p++) {
                const uint16_t *even = x + 2 * p * step, *odd = 2 * p + 1 < k ? even + step : NULL;
                for (int64_t j = first; j < end; j += stride)
                    interleave(n - j, even + j, odd ? odd + j : NULL, to + j * pairs + p * stride, stride);
            }
        }
        return;
    }
    for (int64_t j = 0; j < n; j += stride, to += stride * pairs) {
        if (step == 1) {
            EBB__UNROLL for (int v = 0; v < stride; v += W) turn(k, n - j - v, x + (j + v) * ld, ld, to + v, stride);
            continue;
        }
        for (int64_t p = 0; p < pairs; p++)
            for (int i = 0; i < stride; i++)
                to[p * stride + i] = j + i < n ? word(x + 2 * p * step + (j + i) * ld, step, 2 * p + 1 < k) : 0;
    }
}

/* ---- tiles ---- */

/* Where the sums of a tile go: to float32 at `sum` while there is more of k to come, at last to c. */
struct target {
    float *sum;
    uint16_t *c;
    const uint16_t *from; /* added, as the last, unless it is NULL; its columns are neighbours */
    int64_t sum_ld, ldc, from_rs;
    bool begun, last; /* what is at sum is added; c is written */
};

static EBB__INLINE void put(const struct target *t, int64_t i, int64_t j, int64_t n, __m512 value) {
    if (t->begun) value = _mm512_add_ps(value, _mm512_loadu_ps(t->sum + i * t->sum_ld + j));
    if (!t->last) {
        _mm512_storeu_ps(t->sum + i * t->sum_ld + j, value);
        return;
    }
    uint16_t *c = t->c + i * t->ldc + j;
    if (t->from) {
        const __m512i words = load_words(t->from + i * t->from_rs + j, n);
        value = _mm512_add_ps(value, _mm512_castsi512_ps(_mm512_slli_epi32(words, 16)));
    }
    _mm256_mask_storeu_epi16(c, first_lanes(n), (__m256i)_mm512_cvtneps_pbh(value));
}

/* rows x (nv vectors); the constants unroll. m of the rows and n of the columns are there. */
static EBB__INLINE void tile(const int rows, const int nv, int64_t pairs, const uint32_t *a, const uint32_t *b,
                             const struct target *t, int64_t i, int64_t m, int64_t j, int64_t n) {
    __m512 acc[MR][2];
    EBB__UNROLL for (int r = 0; r < rows; r++) {
        EBB__UNROLL for (int v = 0; v < nv; v++) acc[r][v] = _mm512_setzero_ps();
    }
    for (; pairs > 0; pairs--, a += MR, b += NR) {
        __m512bh bv[2];
        EBB__UNROLL for (int v = 0; v < nv; v++) bv[v] = (__m512bh)_mm512_loadu_si512(b + v * W);
        EBB__UNROLL for (int r = 0; r < rows; r++) {
            const __m512bh av = (__m512bh)_mm512_set1_epi32((int)a[r]);
            EBB__UNROLL for (int v = 0; v < nv; v++) acc[r][v] = _mm512_dpbf16_ps(acc[r][v], av, bv[v]);
        }
    }
    EBB__UNROLL for (int r = 0; r < rows; r++) {
        if (r >= m) break;
        EBB__UNROLL for (int v = 0; v < nv; v++) put(t, i + r, j + v * W, n - v * W, acc[r][v]);
    }
}

/* The rows of one block under one panel of b, from row `first` of c on. */
static void panel(int64_t m, int64_t pairs, const uint32_t *a, const uint32_t *b, const struct target *t, int64_t first,
                  int64_t j, int64_t n) {
    for (int64_t i = 0; i < m; i += MR, a += MR * pairs) {
        const int64_t rows = m - i, at = first + i;
        if (rows > MR / 2 && n > W) tile(MR, 2, pairs, a, b, t, at, rows, j, n);
        else if (rows > MR / 2) tile(MR, 1, pairs, a, b, t, at, rows, j, n);
        else if (n > W) tile(MR / 2, 2, pairs, a, b, t, at, rows, j, n);
        else tile(MR / 2, 1, pairs, a, b, t, at, rows, j, n);
    }
}

/* ---- products ---- */

/* All of b that there is space for is packed once for the rows of many blocks of a; of these one at a time is packed,
 * and read by one panel of b after the other. */
static void part(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t a_rs, int64_t a_cs, const uint16_t *b,
                 int64_t b_rs, int64_t b_cs, struct target t, void *space) {
    const int64_t most = k < EBB__BF16_DEPTH ? k : EBB__BF16_DEPTH, words = (most + 1) / 2,
                  width = ebb__round_up(n, NR);
    uint32_t *packed_a = space, *packed_b = packed_a + ebb__round_up(m < ROWS ? m : ROWS, MR) * words;
    t.sum = (float *)(void *)(packed_b + width * words);
    t.sum_ld = width;
    for (int64_t p = 0; p < k; p += EBB__BF16_DEPTH, t.begun = true) {
        const int64_t depth = k - p < most ? k - p : most, pairs = (depth + 1) / 2;
        t.last = p + depth == k;
        pack(depth, n, b + p * b_rs, b_rs, b_cs, packed_b, NR);
        for (int64_t i = 0; i < m; i += ROWS) {
            const int64_t rows = m - i < ROWS ? m - i : ROWS;
            pack(depth, rows, a + i * a_rs + p * a_cs, a_cs, a_rs, packed_a, MR);
            for (int64_t j = 0; j < n; j += NR) panel(rows, pairs, packed_a, packed_b + j * pairs, &t, i, j, n - j);
        }
    }
}

static void gemm_bf16(int64_t m, int64_t n, int64_t k, const void *a_, int64_t a_rs, int64_t a_cs, const void *b_,
                      int64_t b_rs, int64_t b_cs, const ebb__gemm_begin *begin, void *c_, int64_t ldc, void *space) {
    const uint16_t *a = a_, *b = b_, *from = begin ? begin->data : NULL;
    const int64_t from_rs = begin ? begin->rs : 0;
    uint16_t *c = c_;
    for (int64_t j = 0; j < n; j += EBB__BF16_COLUMNS)
        for (int64_t i = 0; i < m; i += EBB__BF16_BLOCKS * ROWS) {
            const int64_t rows = m - i < EBB__BF16_BLOCKS * ROWS ? m - i : EBB__BF16_BLOCKS * ROWS;
            const int64_t columns = n - j < EBB__BF16_COLUMNS ? n - j : EBB__BF16_COLUMNS;
            const struct target t = {
                .c = c + i * ldc + j, .ldc = ldc, .from = from ? from + i * from_rs + j : NULL, .from_rs = from_rs};
            part(rows, columns, k, a + i * a_rs, a_rs, a_cs, b + j * b_cs, b_rs, b_cs, t, space);
        }
}

/* ---- y = A x; x contiguous ---- */

static EBB__INLINE __m512i load_pairs(const uint16_t *x, int64_t n) {
    return _mm512_maskz_loadu_epi16(n >= 2 * W ? (__mmask32)-1 : (__mmask32)((1u << n) - 1), x);
}

static float dot(int64_t k, const uint16_t *a, const uint16_t *x) {
    __m512 acc[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    int64_t p = 0;
    for (; p + 8 * W <= k; p += 8 * W) {
        EBB__UNROLL for (int v = 0; v < 4; v++) acc[v] = _mm512_dpbf16_ps(
            acc[v], (__m512bh)load_pairs(a + p + 2 * v * W, 2 * W), (__m512bh)load_pairs(x + p + 2 * v * W, 2 * W));
    }
    for (; p < k; p += 2 * W)
        acc[0] = _mm512_dpbf16_ps(acc[0], (__m512bh)load_pairs(a + p, k - p), (__m512bh)load_pairs(x + p, k - p));
    return ebb__total_f32(_mm512_add_ps(_mm512_add_ps(acc[0], acc[1]), _mm512_add_ps(acc[2], acc[3])));
}

/* Columns of A are contiguous: n <= 4 W elements of y collect two columns at a time. */
static void columns(int64_t n, int64_t k, const uint16_t *a, int64_t a_cs, const uint16_t *x, float *y) {
    __m512 acc[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int64_t p = 0; p < k; p += 2, a += 2 * a_cs) {
        uint32_t words[4 * W];
        const bool pair = p + 1 < k;
        const __m512bh xv = (__m512bh)_mm512_set1_epi32((int)word(x + p, 1, pair));
        interleave(n, a, pair ? a + a_cs : NULL, words, 4 * W);
        EBB__UNROLL for (int v = 0; v < 4; v++) acc[v] =
            _mm512_dpbf16_ps(acc[v], xv, (__m512bh)_mm512_loadu_si512(words + v * W));
    }
    EBB__UNROLL for (int v = 0; v < 4; v++) _mm512_storeu_ps(y + v * W, acc[v]);
}

static void gemv_bf16(int64_t m, int64_t k, const void *a_, int64_t a_rs, int64_t a_cs, const void *x, bool accumulate,
                      void *y_, int64_t y_stride) {
    const uint16_t *a = a_;
    uint16_t *y = y_;
    for (int64_t i = 0; i < m; i += 4 * W) {
        const int64_t rows = m - i < 4 * W ? m - i : 4 * W;
        float sums[4 * W];
        if (a_rs == 1 && a_cs != 1) {
            columns(rows, k, a + i, a_cs, x, sums);
        } else {
            for (int64_t r = 0; r < rows; r++) sums[r] = dot(k, a + (i + r) * a_rs, x);
        }
        for (int64_t r = 0; r < rows; r++) {
            uint16_t *to = y + (i + r) * y_stride;
            *to = ebb__bf16_of_float(accumulate ? ebb__bf16_to_float(*to) + sums[r] : sums[r]);
        }
    }
}

void EBB__ISA(ebb__init_gemm_bf16)(void) {
    ebb__isa.gemm[EBB_BF16] = gemm_bf16;
    ebb__isa.gemv[EBB_BF16] = gemv_bf16;
}
