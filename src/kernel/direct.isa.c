/* Convolutions that read images where they lie, in one thread, for conv_direct.c: the columns of an image that has been
 * padded are its own rows, moved by the taps, so a table of places stands for them. In float32, by AVX2 or AVX-512. */
#include "kernel/vec.h"

#if EBB__ISA_LEVEL > 0

enum {
    W = EBB__W_F32,
    MR = EBB__ISA_LEVEL == 2 ? 12 : 6, /* rows of a register tile of 2 W columns */
    DOTS = EBB__ISA_LEVEL == 2 ? 4 : 2 /* and of one of sums; its columns are: */
};
enum { TAPS = EBB__ISA_LEVEL == 2 ? 6 : 4 };

/* ---- c = a b ---- */

/* The rows of the next tile, of m that are left. */
static EBB__INLINE int rows_of(int64_t m) {
    return m >= MR ? MR : m >= 8 && MR > 8 ? 8 : m >= 6 && MR > 6 ? 6 : m >= 4 ? 4 : m >= 2 ? 2 : 1;
}

static void pack(int64_t m, int64_t k, const float *a, float *to) {
    for (int rows; m > 0; m -= rows, a += rows * k) {
        rows = rows_of(m);
        for (int64_t p = 0; p < k; p++)
            for (int i = 0; i < rows; i++) *to++ = a[i * k + p];
    }
}

static EBB__INLINE void tile(const int rows, const int nv, int64_t n, int64_t k, const float *a, const float *b,
                             const int32_t *at, const float *bias, float *c, int64_t ldc) {
    ebb__vf32 acc[MR][2];
    EBB__UNROLL for (int i = 0; i < rows; i++) {
        EBB__UNROLL for (int v = 0; v < nv; v++) acc[i][v] = ebb__splat_f32(bias ? bias[i] : 0);
    }
    for (int64_t p = 0; p < k; p++, a += rows) {
        ebb__vf32 bv[2];
        EBB__UNROLL for (int v = 0; v < nv; v++) bv[v] = ebb__load_f32(b + at[p] + v * W);
        EBB__UNROLL for (int i = 0; i < rows; i++) {
            const ebb__vf32 av = ebb__splat_f32(a[i]);
            EBB__UNROLL for (int v = 0; v < nv; v++) acc[i][v] = ebb__fma_f32(av, bv[v], acc[i][v]);
        }
    }
    EBB__UNROLL for (int i = 0; i < rows; i++, c += ldc) {
        EBB__UNROLL for (int v = 0; v < nv; v++) ebb__store_part_f32(c + v * W, n - v * W, acc[i][v]);
    }
}

#define CASE(rows) \
    case rows: \
        if (n - j > W) tile(rows, 2, n - j, k, a, b + j, at, bias, c + j, ldc); \
        else tile(rows, 1, n - j, k, a, b + j, at, bias, c + j, ldc); \
        break;

static void product(int64_t m, int64_t n, int64_t k, const float *a, const float *b, const int32_t *at,
                    const float *bias, float *c, int64_t ldc) {
    for (int rows; m > 0; m -= rows, a += rows * k, bias += bias ? rows : 0, c += rows * ldc) {
        rows = rows_of(m);
        for (int64_t j = 0; j < n; j += 2 * W) {
            switch (rows) {
                CASE(MR)
#if EBB__ISA_LEVEL == 2
                CASE(8)
                CASE(6)
#endif
                CASE(4)
                CASE(2)
                CASE(1)
            }
        }
    }
}

/* ---- c += a b^T ---- */

#define ADD_PRODUCTS(y_i, x_j) \
    { \
        ebb__vf32 yv[DOTS]; \
        EBB__UNROLL for (int i = 0; i < DOTS; i++) yv[i] = y_i; \
        EBB__UNROLL for (int j = 0; j < TAPS; j++) { \
            const ebb__vf32 xv = x_j; \
            EBB__UNROLL for (int i = 0; i < DOTS; i++) acc[i][j] = ebb__fma_f32(yv[i], xv, acc[i][j]); \
        } \
    }

/* DOTS x TAPS sums: of fewer, the last row and the last tap are computed again, and not added. Lanes of a vector are
 * columns of an image, of which none is read that is not there: what lies beside might be infinite. */
static void dots_tile(int64_t m, int64_t n, int64_t rows, int64_t width, const float *a, int64_t a_rs, const float *b,
                      int64_t b_row, const int32_t *at, float *c, int64_t ldc) {
    const float *x[TAPS], *y[DOTS];
    const int64_t whole = width / W * W;
    float sums[DOTS][TAPS];
    ebb__vf32 acc[DOTS][TAPS];
    for (int j = 0; j < TAPS; j++) x[j] = b + at[ebb__least(j, n - 1)];
    for (int i = 0; i < DOTS; i++) y[i] = a + ebb__least(i, m - 1) * a_rs;
    EBB__UNROLL for (int i = 0; i < DOTS; i++) {
        EBB__UNROLL for (int j = 0; j < TAPS; j++) acc[i][j] = ebb__splat_f32(0);
    }
    for (int64_t row = 0; row < rows; row++)
        for (int64_t p = 0; p < whole; p += W)
            ADD_PRODUCTS(ebb__load_f32(y[i] + row * width + p), ebb__load_f32(x[j] + row * b_row + p))
    if (whole < width) /* in a loop of its own the compiler keeps sums in registers */
        for (int64_t row = 0; row < rows; row++)
            ADD_PRODUCTS(ebb__load_part_f32(y[i] + row * width + whole, width - whole, 0),
                         ebb__load_part_f32(x[j] + row * b_row + whole, width - whole, 0))
    EBB__UNROLL for (int i = 0; i < DOTS; i++) {
        EBB__UNROLL for (int j = 0; j < TAPS; j++) sums[i][j] = ebb__total_f32(acc[i][j]);
    }
    for (int i = 0; i < DOTS && i < m; i++)
        for (int j = 0; j < TAPS && j < n; j++) c[i * ldc + j] += sums[i][j];
}

static void dots(int64_t m, int64_t n, int64_t rows, int64_t width, const float *a, int64_t a_rs, const float *b,
                 int64_t b_row, const int32_t *at, float *c) {
    for (int64_t i = 0; i < m; i += DOTS)
        for (int64_t j = 0; j < n; j += TAPS)
            dots_tile(m - i, n - j, rows, width, a + i * a_rs, a_rs, b, b_row, at + j, c + i * n + j, n);
}

void EBB__ISA(ebb__init_direct)(void) { ebb__isa.direct = (ebb__direct_table){2 * W, pack, product, dots}; }

#else

void EBB__ISA(ebb__init_direct)(void) { ebb__isa.direct = (ebb__direct_table){0, NULL, NULL, NULL}; }

#endif
