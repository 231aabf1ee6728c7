/* Matrix products in one thread: register tiles of MR x NR over panels of b, after Goto and van de Geijn 2008 ("Anatomy
 * of high-performance matrix multiplication"), and matrix-vector products. a is read where it lies, by broadcasts; b is
 * read where it lies when its rows are contiguous and few rows of a make packing pay badly, else packed in panels of NR
 * columns. */
#include "kernel/vec.h"

#if EBB__ISA_LEVEL == 2
#define MR 12
#elif EBB__ISA_LEVEL == 1
#define MR 6
#else
#define MR 4
#endif
enum { KC = 256, DIRECT_M = 64 };

/* rows x (nv vectors) of c; the constants unroll. ldb and ldc in elements; c has `width` columns. */
#define DEFINE_TILE(F, T) \
    static EBB__INLINE void tile_##F(const int rows, const int nv, int64_t k, const T *a, int64_t a_rs, int64_t a_cs, \
                                     const T *b, int64_t ldb, bool accumulate, T *c, int64_t ldc, int width) { \
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
        EBB__UNROLL for (int i = 0; i < rows; i++) { \
            T *row = c + i * ldc; \
            if (width == nv * W) { \
                EBB__UNROLL for (int v = 0; v < nv; v++) \
                    ebb__store_##F(row + v * W, accumulate ? ebb__load_##F(row + v * W) + acc[i][v] : acc[i][v]); \
            } else { \
                T part[2 * W]; \
                EBB__UNROLL for (int v = 0; v < nv; v++) ebb__store_##F(part + v * W, acc[i][v]); \
                for (int j = 0; j < width; j++) row[j] = accumulate ? row[j] + part[j] : part[j]; \
            } \
        } \
    }

#if MR == 12
#define MORE_ROWS(X) X(12) X(11) X(10) X(9) X(8) X(7) X(6) X(5)
#elif MR == 6
#define MORE_ROWS(X) X(6) X(5)
#else
#define MORE_ROWS(X)
#endif
#define CASE(rows) \
    case rows: \
        if (width > W) TILE(rows, 2, k, a, a_rs, a_cs, b, ldb, accumulate, c, ldc, width); \
        else TILE(rows, 1, k, a, a_rs, a_cs, b, ldb, accumulate, c, ldc, width); \
        break;

/* All rows of c under one panel of b. */
#define DEFINE_PANEL(F, T) \
    static void panel_##F(int64_t m, int64_t k, const T *a, int64_t a_rs, int64_t a_cs, const T *b, int64_t ldb, \
                          bool accumulate, T *c, int64_t ldc, int width) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        for (; m > 0; m -= MR, a += MR * a_rs, c += MR * ldc) { \
            switch (m < MR ? (int)m : MR) { \
                MORE_ROWS(CASE) \
                CASE(4) \
                CASE(3) \
                CASE(2) \
                CASE(1) \
            } \
        } \
    } \
    static void pack_##F(int64_t k, int width, const T *b, int64_t b_rs, int64_t b_cs, T *to, int nr) { \
        if (b_cs == 1 && width == nr) { \
            for (int64_t p = 0; p < k; p++, to += nr) memcpy(to, b + p * b_rs, (size_t)nr * sizeof(T)); \
            return; \
        } \
        if (width < nr) memset(to, 0, (size_t)(k * nr) * sizeof(T)); \
        for (int j = 0; j < width; j++) \
            for (int64_t p = 0; p < k; p++) to[p * nr + j] = b[p * b_rs + j * b_cs]; \
    } \
    static void gemm_##F(int64_t m, int64_t n, int64_t k, const void *a_, int64_t a_rs, int64_t a_cs, const void *b_, \
                         int64_t b_rs, int64_t b_cs, bool accumulate, void *c_, int64_t ldc) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T), NR = 2 * W }; \
        const T *a = a_, *b = b_; \
        T *c = c_; \
        _Alignas(64) T packed[KC * NR]; \
        for (int64_t p = 0; p < k; p += KC, accumulate = true) { \
            const int64_t kc = k - p < KC ? k - p : KC; \
            for (int64_t j = 0; j < n; j += NR) { \
                const int width = n - j < NR ? (int)(n - j) : NR, nr = width > W ? NR : W; \
                const T *panel = b + p * b_rs + j * b_cs; \
                int64_t ldb = b_rs; \
                if (b_cs != 1 || width < nr || m > DIRECT_M) { \
                    pack_##F(kc, width, panel, b_rs, b_cs, packed, nr); \
                    panel = packed; \
                    ldb = nr; \
                } \
                panel_##F(m, kc, a + p * a_cs, a_rs, a_cs, panel, ldb, accumulate, c + j, ldc, width); \
            } \
        } \
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
    /* Columns of A are contiguous: y collects x[p] times each. */ \
    static void columns_##F(int64_t m, int64_t k, const T *a, int64_t a_cs, const T *x, T *y) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        int64_t i = 0; \
        for (; i + 4 * W <= m; i += 4 * W) { \
            ebb__v##F acc[4] = {{0}}; \
            for (int64_t p = 0; p < k; p++) { \
                const ebb__v##F xv = ebb__splat_##F(x[p]); \
                EBB__UNROLL for (int v = 0; v < 4; v++) acc[v] = \
                    ebb__fma_##F(ebb__load_##F(a + p * a_cs + i + v * W), xv, acc[v]); \
            } \
            EBB__UNROLL for (int v = 0; v < 4; v++) ebb__store_##F(y + i + v * W, acc[v]); \
        } \
        for (; i + W <= m; i += W) { \
            ebb__v##F acc = {0}; \
            for (int64_t p = 0; p < k; p++) \
                acc = ebb__fma_##F(ebb__load_##F(a + p * a_cs + i), ebb__splat_##F(x[p]), acc); \
            ebb__store_##F(y + i, acc); \
        } \
        for (; i < m; i++) { \
            T acc = 0; \
            for (int64_t p = 0; p < k; p++) acc += a[p * a_cs + i] * x[p]; \
            y[i] = acc; \
        } \
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

/* ---- integers, wrapping ---- */
#define DEFINE_INTEGER(S, T, U) \
    static void gemm_##S(int64_t m, int64_t n, int64_t k, const void *a_, int64_t a_rs, int64_t a_cs, const void *b_, \
                         int64_t b_rs, int64_t b_cs, bool accumulate, void *c_, int64_t ldc) { \
        const T *a = a_, *b = b_; \
        T *c = c_; \
        for (int64_t i = 0; i < m; i++) { \
            if (!accumulate) memset(c + i * ldc, 0, (size_t)n * sizeof(T)); \
            for (int64_t p = 0; p < k; p++) { \
                const U x = (U)a[i * a_rs + p * a_cs]; \
                for (int64_t j = 0; j < n; j++) \
                    c[i * ldc + j] = (T)((U)c[i * ldc + j] + x * (U)b[p * b_rs + j * b_cs]); \
            } \
        } \
    }
DEFINE_INTEGER(u8, uint8_t, uint32_t)
DEFINE_INTEGER(i32, int32_t, uint32_t)
DEFINE_INTEGER(i64, int64_t, uint64_t)

void EBB__ISA(ebb__init_gemm)(void) {
    const ebb__gemm_block products[EBB_DTYPE_COUNT] = {
        [EBB_U8] = gemm_u8, [EBB_I32] = gemm_i32, [EBB_I64] = gemm_i64, [EBB_F32] = gemm_f32, [EBB_F64] = gemm_f64};
    memcpy(ebb__isa.gemm, products, sizeof products);
    ebb__isa.gemv[EBB_F32] = gemv_f32;
    ebb__isa.gemv[EBB_F64] = gemv_f64;
}
