/* Matrix products in one thread: register tiles of MR x NR over panels of b, after Goto and van de Geijn 2008 ("Anatomy
 * of high-performance matrix multiplication"), and matrix-vector products. b is read where it lies when its rows are
 * contiguous and few rows of a make packing pay badly, else packed in panels of NR columns; a is read where it lies, by
 * broadcasts, or from packed panels when there is space for them. An element is the same sum in the same order however
 * a product is cut into parts. */
#include "kernel/vec.h"

#if EBB__ISA_LEVEL == 2
#define MR 12
#elif EBB__ISA_LEVEL == 1
#define MR 6
#else
#define MR 4
#endif
enum { KC = EBB__GEMM_DEPTH, DIRECT_M = 64 };

/* rows x (nv vectors) of c, added to what is at `from` unless that is NULL: as many rows, or, where from_cs is 0, a
 * column. The constants unroll. ldb and ldc in elements. */
#define DEFINE_TILE(F, T) \
    static EBB__INLINE void tile_##F(const int rows, const int nv, int64_t k, const T *a, int64_t a_rs, int64_t a_cs, \
                                     const T *b, int64_t ldb, const T *from, int64_t from_rs, int64_t from_cs, T *c, \
                                     int64_t ldc) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        ebb__v##F acc[MR][2]; \
        EBB__UNROLL for (int i = 0; i < rows; i++) { \
            EBB__UNROLL for (int v = 0; v < nv; v++) acc[i][v] = (ebb__v##F){0}; \
        } \
        for (int64_t p = 0; p < k; p++) { \
            ebb__v##F bv[2]; \
            EBB__UNROLL for (int v = 0; v < nv; v++) bv[v] = ebb__load_##F(b + v * W); \
            EBB__UNROLL for (int i = 0; i < rows; i++) { \
                const ebb__v##F av = ebb__splat_##F(a[i * a_rs]); \
                EBB__UNROLL for (int v = 0; v < nv; v++) acc[i][v] = ebb__fma_##F(av, bv[v], acc[i][v]); \
            } \
            a += a_cs; \
            b += ldb; \
        } \
        if (from && from_cs) { \
            EBB__UNROLL for (int i = 0; i < rows; i++) { \
                EBB__UNROLL for (int v = 0; v < nv; v++) acc[i][v] += ebb__load_##F(from + i * from_rs + v * W); \
            } \
        } else if (from) { \
            EBB__UNROLL for (int i = 0; i < rows; i++) { \
                const ebb__v##F x = ebb__splat_##F(from[i * from_rs]); \
                EBB__UNROLL for (int v = 0; v < nv; v++) acc[i][v] += x; \
            } \
        } \
        EBB__UNROLL for (int i = 0; i < rows; i++, c += ldc) { \
            EBB__UNROLL for (int v = 0; v < nv; v++) ebb__store_##F(c + v * W, acc[i][v]); \
        } \
    } \
    /* A tile that is wider than c. */ \
    static EBB__NOINLINE void trim_##F(int rows, int width, const T *tile, const T *from, int64_t from_rs, \
                                       int64_t from_cs, T *c, int64_t ldc) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        for (int i = 0; i < rows; i++, tile += 2 * W, c += ldc) { \
            for (int j = 0; j < width; j += W) { \
                ebb__v##F x = ebb__load_##F(tile + j); \
                if (from && from_cs) x += ebb__load_part_##F(from + i * from_rs + j, width - j, 0); \
                else if (from) x += ebb__splat_##F(from[i * from_rs]); \
                ebb__store_part_##F(c + j, width - j, x); \
            } \
        } \
    }

/* Tiles of seven rows and more, but for eight and MR, are two: with four rows and two vectors each the processor has
 * all the multiply-adds that it can work on. */
#if MR == 12
#define MORE_ROWS(X) X(12) X(8) X(6) X(5)
#elif MR == 6
#define MORE_ROWS(X) X(6) X(5)
#else
#define MORE_ROWS(X)
#endif
#define CASE(rows) \
    case rows: \
        if (width > W) TILE(rows, 2, k, a, a_rs, a_cs, b, ldb, add, from_rs, from_cs, to, ld); \
        else TILE(rows, 1, k, a, a_rs, a_cs, b, ldb, add, from_rs, from_cs, to, ld); \
        break;

/* ---- packing: panels of b, NR columns wide, and of a, MR rows high, as the tiles read them ---- */

/* r[i] becomes the i-th element of each: log2(W) perfect shuffles. */
#if EBB__ISA_LEVEL == 2
#define ZIP_f32(a, b, first) _mm512_permutex2var_ps(a, _mm512_add_epi32(zip_f32, _mm512_set1_epi32(first)), b)
#define ZIP_f64(a, b, first) _mm512_permutex2var_pd(a, _mm512_add_epi64(zip_f64, _mm512_set1_epi64(first)), b)
#define ZIP_ORDER \
    const __m512i zip_f32 = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); \
    const __m512i zip_f64 = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11); \
    (void)zip_f32, (void)zip_f64;
#elif EBB__ISA_LEVEL == 1
#define ZIP_f32(a, b, first) \
    _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), (first) ? 0x31 : 0x20)
#define ZIP_f64(a, b, first) \
    _mm256_permute2f128_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), (first) ? 0x31 : 0x20)
#define ZIP_ORDER
#endif
#if EBB__ISA_LEVEL > 0
#define HAVE_TRANSPOSE 1
#define M_f32 EBB__CAT(__m, EBB__VBITS)
#define M_f64 EBB__CAT(EBB__CAT(__m, EBB__VBITS), d)
#define DEFINE_TRANSPOSE(F, T) \
    static EBB__INLINE void transpose_##F(ebb__v##F *r) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        ZIP_ORDER \
        EBB__UNROLL for (int s = 1; s < W; s *= 2) { \
            ebb__v##F z[W]; \
            EBB__UNROLL for (int i = 0; i < W / 2; i++) { \
                z[2 * i] = (ebb__v##F)ZIP_##F((M_##F)r[i], (M_##F)r[i + W / 2], 0); \
                z[2 * i + 1] = (ebb__v##F)ZIP_##F((M_##F)r[i], (M_##F)r[i + W / 2], W / 2); \
            } \
            EBB__UNROLL for (int i = 0; i < W; i++) r[i] = z[i]; \
        } \
    }
#else
#define HAVE_TRANSPOSE 0
#define DEFINE_TRANSPOSE(F, T) \
    static EBB__INLINE void transpose_##F(ebb__v##F *r) { (void)r; }
#endif
DEFINE_TRANSPOSE(f32, float)
DEFINE_TRANSPOSE(f64, double)

/* n columns, `ld` apart, of k elements, `step` apart, become panels of `stride` columns; the last is filled with
 * zeros. */
#define DEFINE_PACK(F, T) \
    /* One panel, by W x W elements: up to W elements behind each line of the panel are written, and then overwritten \
     * by the next line or panel; `to` has room behind the last. */ \
    static EBB__NOINLINE void turn_##F(int64_t k, int64_t n, const T *x, int64_t step, int64_t ld, T *to, \
                                       int64_t stride) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const int64_t whole = HAVE_TRANSPOSE && step == 1 ? k / W * W : 0; \
        /* W columns at a time as far as they go, so that the CPU sees them coming; the last of the panel first: what \
         * spills over lies where the first of the next line will be written. */ \
        for (int64_t v = (stride - 1) / W * W; whole && v >= 0; v -= W) { \
            for (int64_t p = 0; p < whole; p += W) { \
                ebb__v##F r[W]; \
                EBB__UNROLL for (int i = 0; i < W; i++) r[i] = \
                    v + i < n ? ebb__load_##F(x + p + (v + i) * ld) : (ebb__v##F){0}; \
                transpose_##F(r); \
                EBB__UNROLL for (int i = 0; i < W; i++) ebb__store_##F(to + (p + i) * stride + v, r[i]); \
            } \
        } \
        for (int64_t p = whole; p < k; p++) \
            for (int64_t i = 0; i < stride; i++) to[p * stride + i] = i < n ? x[p * step + i * ld] : 0; \
    } \
    static EBB__INLINE void pack_##F(int64_t k, int64_t n, const T *x, int64_t step, int64_t ld, T *to, \
                                     int64_t stride, const bool whole_vectors) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        if (ld != 1) { \
            for (int64_t j = 0; j < n; j += stride) \
                turn_##F(k, n - j < stride ? n - j : stride, x + j * ld, step, ld, to + j * k, stride); \
            return; \
        } \
        /* A few panels at a time: each lies in a page of its own, and CPUs remember the addresses of few. */ \
        for (int64_t first = 0; first < n; first += 8 * stride) { \
            const int64_t end = n - first < 8 * stride ? n : first + 8 * stride; \
            for (int64_t p = 0; p < k; p++) \
                for (int64_t j = first; j < end; j += stride) { \
                    for (int64_t v = 0; v < stride; v += W) { \
                        const int64_t left = n - j - v, all = whole_vectors || stride - v > W ? W : stride - v; \
                        const T *from = x + p * step + j + v; \
                        ebb__fetch(from, 4 * step * (int64_t)sizeof(T)); /* rows may be pages apart */ \
                        ebb__store_part_##F(to + j * k + p * stride + v, all, \
                                            left < 1 ? (ebb__v##F){0} \
                                                     : ebb__load_part_##F(from, left < all ? left : all, 0)); \
                    } \
                } \
        } \
    } \
    static EBB__NOINLINE void pack_a_##F(int64_t k, int64_t m, const T *a, int64_t a_rs, int64_t a_cs, T *to) { \
        pack_##F(k, m, a, a_cs, a_rs, to, MR, false); \
    } \
    static EBB__NOINLINE void pack_b_##F(int64_t k, int64_t n, const T *b, int64_t b_rs, int64_t b_cs, T *to) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        pack_##F(k, n, b, b_rs, b_cs, to, n > W ? 2 * W : W, true); \
    }
DEFINE_PACK(f32, float)
DEFINE_PACK(f64, double)

/* All rows of c under one panel of b. Where a is packed, `a_next` is MR * k, otherwise MR * a_rs. */
#define DEFINE_PANEL(F, T) \
    static void panel_##F(int64_t m, int64_t k, const T *a, int64_t a_rs, int64_t a_cs, int64_t a_next, const T *b, \
                          int64_t ldb, const T *from, int64_t from_rs, int64_t from_cs, T *c, int64_t ldc, int width, \
                          bool far) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const bool exact = width == W || width == 2 * W; \
        const bool whole = a_rs == 1 && a_cs == MR && ldb == 2 * W && width == 2 * W; \
        T part[MR * 2 * W]; \
        const int64_t ld = exact ? ldc : 2 * W; \
        for (int rows; m > 0; m -= rows, a += rows == MR ? a_next : rows * a_rs, c += rows * ldc) { \
            T *to = exact ? c : part; \
            const T *add = exact ? from : NULL; \
            rows = m >= MR ? MR : m > 6 && m != 8 ? (int)(m + 1) / 2 : (int)m; \
            for (int i = 0; far && i < rows; i++) ebb__fetch(c + i * ldc, 0), ebb__fetch(c + i * ldc, EBB__VBYTES); \
            if (whole && rows == MR) { \
                TILE(MR, 2, k, a, 1, MR, b, 2 * W, from, from_rs, from_cs, c, ldc); \
            } else { \
                switch (rows) { \
                    MORE_ROWS(CASE) \
                    CASE(4) \
                    CASE(3) \
                    CASE(2) \
                    CASE(1) \
                } \
                if (!exact) trim_##F(rows, width, part, from, from_rs, from_cs, c, ldc); \
            } \
            if (from) from += rows * from_rs; \
        } \
    } \
    /* Many rows: all columns of b that there is space for are packed once, and some hundred rows of a at a time are \
     * packed and read by one panel of b after the other. Few rows, which are packed once: two panels of b at a time, \
     * which are in the first cache when they are read. Without space panels of b are packed one at a time. */ \
    static void part_##F(int64_t m, int64_t n, int64_t k, const T *a, int64_t a_rs, int64_t a_cs, const T *b, \
                         int64_t b_rs, int64_t b_cs, const T *from, int64_t from_rs, int64_t from_cs, T *c, \
                         int64_t ldc, T *space) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T), NR = 2 * W, ROWS = EBB__GEMM_ROWS(sizeof(T)) }; \
        _Alignas(64) T panel[KC * NR]; \
        const bool packed_before = b_cs == EBB__GEMM_PACKED; \
        if (packed_before) b_rs = NR, b_cs = k; \
        const bool direct = packed_before || (b_cs == 1 && (b_rs == NR || m <= (space ? 2 * MR : DIRECT_M))); \
        const int64_t columns = !packed_before && (direct || !space) ? NR \
                                : m <= ROWS                          ? 2 * NR \
                                                                     : EBB__GEMM_COLUMNS(sizeof(T)); \
        T *packed = space ? space + ROWS * KC + W : panel; \
        const bool far = m * n * (int64_t)sizeof(T) > EBB__GEMM_NEAR; /* c is in no near cache: asked for early */ \
        for (int64_t p = 0; p < k; p += KC, from = c, from_rs = ldc, from_cs = 1) { \
            const int64_t kc = k - p < KC ? k - p : KC; \
            for (int64_t first = 0; first < n; first += columns) { \
                const int64_t end = n - first < columns ? n : first + columns; \
                const T *b_block = b + p * b_rs + first * b_cs; \
                const bool in_place = packed_before || (direct && (end - first == NR || end - first == W)); \
                const int64_t ldb = in_place ? b_rs : end - first > W ? NR : W; \
                if (!in_place) pack_b_##F(kc, end - first, b_block, b_rs, b_cs, packed); \
                for (int64_t i = 0; i < m; i += ROWS) { \
                    const int64_t rows = m - i < ROWS ? m - i : ROWS; \
                    const T *a_block = a + i * a_rs + p * a_cs; \
                    int64_t rs = a_rs, cs = a_cs, next = MR * a_rs; \
                    if (space) { \
                        if (first == 0 || m > ROWS) pack_a_##F(kc, rows, a_block, a_rs, a_cs, space); \
                        a_block = space; \
                        rs = 1, cs = MR, next = MR * kc; \
                    } \
                    for (int64_t j = first; j < end; j += NR) \
                        panel_##F(rows, kc, a_block, rs, cs, next, \
                                  in_place ? b_block + (j - first) * b_cs : packed + (j - first) * kc, ldb, \
                                  from ? from + i * from_rs + j * from_cs : NULL, from_rs, from_cs, c + i * ldc + j, \
                                  ldc, end - j < NR ? (int)(end - j) : NR, far); \
                } \
            } \
        } \
    } \
    static void gemm_pack_##F(int64_t n, int64_t k, const void *b, int64_t b_rs, int64_t b_cs, void *to) { \
        enum { NR = 2 * sizeof(ebb__v##F) / sizeof(T) }; \
        pack_##F(k, n, b, b_rs, b_cs, to, NR, true); \
    } \
    static void gemm_##F(int64_t m, int64_t n, int64_t k, const void *a_, int64_t a_rs, int64_t a_cs, const void *b, \
                         int64_t b_rs, int64_t b_cs, const ebb__gemm_begin *begin, void *c_, int64_t ldc, \
                         void *space) { \
        const T *a = a_, *from = begin ? begin->data : NULL; \
        const int64_t from_rs = begin ? begin->rs : 0, from_cs = begin ? begin->cs : 0; \
        T *c = c_; \
        const int64_t step = space ? m : EBB__GEMM_ROWS(sizeof(T)); \
        for (int64_t i = 0; i < m; i += step) \
            part_##F(m - i < step ? m - i : step, n, k, a + i * a_rs, a_rs, a_cs, b, b_rs, b_cs, \
                     from ? from + i * from_rs : NULL, from_rs, from_cs, c + i * ldc, ldc, space); \
    }

#define TILE tile_f32
DEFINE_TILE(f32, float)
DEFINE_PANEL(f32, float)
#undef TILE
#define TILE tile_f64
DEFINE_TILE(f64, double)
DEFINE_PANEL(f64, double)

/* ---- y = A x; x contiguous ---- */
#define DEFINE_GEMV(F, T) \
    static T dot_##F(int64_t k, const T *a, const T *x) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        ebb__v##F acc[4] = {{0}}; \
        int64_t p = 0; \
        for (; p + 4 * W <= k; p += 4 * W) { \
            EBB__UNROLL for (int v = 0; v < 4; v++) acc[v] = \
                ebb__fma_##F(ebb__load_##F(a + p + v * W), ebb__load_##F(x + p + v * W), acc[v]); \
        } \
        for (; p + W <= k; p += W) acc[0] = ebb__fma_##F(ebb__load_##F(a + p), ebb__load_##F(x + p), acc[0]); \
        T lanes[W], tail = 0; \
        ebb__store_##F(lanes, (acc[0] + acc[1]) + (acc[2] + acc[3])); \
        for (; p < k; p++) tail += a[p] * x[p]; \
        for (int half = W / 2; half > 0; half /= 2) \
            for (int j = 0; j < half; j++) lanes[j] += lanes[j + half]; \
        return lanes[0] + tail; \
    } \
    /* y += n columns of A, which are contiguous, times x; or y = */ \
    static EBB__INLINE void some_columns_##F(int n, int64_t m, const T *a, int64_t a_cs, const T *x, bool add, T *y) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        for (int64_t i = 0; i < m; i += W) { \
            ebb__v##F sum = add ? ebb__load_part_##F(y + i, m - i, 0) : ebb__splat_##F(0); \
            EBB__UNROLL for (int c = 0; c < n; c++) sum = \
                ebb__fma_##F(ebb__load_part_##F(a + c * a_cs + i, m - i, 0), ebb__splat_##F(x[c]), sum); \
            ebb__store_part_##F(y + i, m - i, sum); \
        } \
    } \
    /* Few columns at a time are read, one line after another, which memory answers best. */ \
    static void columns_##F(int64_t m, int64_t k, const T *a, int64_t a_cs, const T *x, T *y) { \
        enum { SOME = 8 }; \
        int64_t p = 0; \
        for (; p + SOME <= k; p += SOME) some_columns_##F(SOME, m, a + p * a_cs, a_cs, x + p, p > 0, y); \
        for (; p < k; p++) some_columns_##F(1, m, a + p * a_cs, a_cs, x + p, p > 0, y); \
    } \
    static void gemv_##F(int64_t m, int64_t k, const void *a_, int64_t a_rs, int64_t a_cs, const void *x, \
                         bool accumulate, void *y_, int64_t y_stride) { \
        enum { BLOCK = 512 }; \
        const T *a = a_; \
        T *y = y_; \
        T part[BLOCK]; \
        for (int64_t i = 0; i < m; i += BLOCK) { \
            const int64_t rows = m - i < BLOCK ? m - i : BLOCK; \
            if (a_rs == 1 && a_cs != 1) { \
                columns_##F(rows, k, a + i, a_cs, x, part); \
            } else { \
                for (int64_t r = 0; r < rows; r++) part[r] = dot_##F(k, a + (i + r) * a_rs, x); \
            } \
            for (int64_t r = 0; r < rows; r++) { \
                T *to = y + (i + r) * y_stride; \
                *to = accumulate ? *to + part[r] : part[r]; \
            } \
        } \
    }
DEFINE_GEMV(f32, float)
DEFINE_GEMV(f64, double)

/* ---- integers, wrapping; not for AVX-512, as in arith.isa.c ---- */
#define DEFINE_INTEGER(S, T, U) \
    static void gemm_##S(int64_t m, int64_t n, int64_t k, const void *a_, int64_t a_rs, int64_t a_cs, const void *b_, \
                         int64_t b_rs, int64_t b_cs, const ebb__gemm_begin *begin, void *c_, int64_t ldc, \
                         void *space) { \
        const T *a = a_, *b = b_; \
        T *c = c_; \
        (void)space; \
        for (int64_t i = 0; i < m; i++) { \
            if (!begin) memset(c + i * ldc, 0, (size_t)n * sizeof(T)); \
            for (int64_t p = 0; p < k; p++) { \
                const U x = (U)a[i * a_rs + p * a_cs]; \
                for (int64_t j = 0; j < n; j++) \
                    c[i * ldc + j] = (T)((U)c[i * ldc + j] + x * (U)b[p * b_rs + j * b_cs]); \
            } \
        } \
    }
#if EBB__ISA_LEVEL < 2
DEFINE_INTEGER(u8, uint8_t, uint32_t)
DEFINE_INTEGER(i32, int32_t, uint32_t)
DEFINE_INTEGER(i64, int64_t, uint64_t)
#endif

void EBB__ISA(ebb__init_gemm)(void) {
#if EBB__ISA_LEVEL < 2
    ebb__isa.gemm[EBB_U8] = gemm_u8;
    ebb__isa.gemm[EBB_I32] = gemm_i32;
    ebb__isa.gemm[EBB_I64] = gemm_i64;
#endif
#if EBB__ISA_LEVEL == 0
    ebb__isa.gemm[EBB_BF16] = NULL; /* only avx512bf16 has them, and tests go back from it */
    ebb__isa.gemv[EBB_BF16] = NULL;
#endif
    ebb__isa.gemm[EBB_F32] = gemm_f32;
    ebb__isa.gemm[EBB_F64] = gemm_f64;
    ebb__isa.gemm_pack[EBB_F32] = gemm_pack_f32;
    ebb__isa.gemm_pack[EBB_F64] = gemm_pack_f64;
    ebb__isa.gemv[EBB_F32] = gemv_f32;
    ebb__isa.gemv[EBB_F64] = gemv_f64;
    ebb__isa.vector_bytes = EBB__VBYTES;
}
