/* What the *.isa.c files give besides the elementwise tables: inner functions that the other files of this layer call
 * through the one table ebb__isa, filled for the CPU. */
#ifndef EBB_KERNEL_ISA_H
#define EBB_KERNEL_ISA_H

#include "kernel/kernel.h"
#include "kernel/sizes.h"
#include "kernel/winograd.h"

#define EBB__CAT_(a, b) a##b
#define EBB__CAT(a, b) EBB__CAT_(a, b)
/* A name of its own for each compilation of an *.isa.c file. */
#define EBB__ISA(name) EBB__CAT(EBB__CAT(name, _), EBB_ISA_NAME)

/* Reductions work on leaves: one run of elements, or up to EBB__LEAF_ROWS rows side by side. */
#define EBB__LEAF_ROWS 16
/* Bytes of one result: of moments three doubles, n of them as three arrays of n, of logsumexp two elements likewise, of
 * all else one element. */
#define EBB__REDUCED_MAX 24
/* Folds that have code of their own; the others are one of these, or an extreme, of elements that are mapped first. */
#define EBB__FOLDS_OF_THEIR_OWN (EBB__FOLD_SQUARES + 1)
typedef struct ebb__reducer {
    void (*run)(int64_t n, const char *p, int64_t stride, void *ret);        /* reduce n >= 1 elements to one */
    void (*rows)(int n_rows, const char *const *rows, int64_t n, void *ret); /* ret[j] over rows[0..n_rows)[j] */
    void (*merge)(int64_t n, void *acc, const void *x);                      /* acc[j] with x[j] */
} ebb__reducer;

typedef void (*ebb__softmax_row)(int64_t n, const void *x, void *y);
typedef void (*ebb__softmax_row_backward)(int64_t n, const void *g, const void *y, void *dx);

/* Along a contiguous run, for normalization.c. w and b may be NULL, dw and db too. */
typedef struct ebb__norm_runs {
    double (*sum)(int64_t n, const void *x);
    double (*squares)(int64_t n, const void *x, double mean); /* the sum of (x - mean)^2 */
    /* The sums of g w and of g w (x - mean). */
    void (*products)(int64_t n, const void *g, const void *x, const void *w, double mean, double ret[2]);
    /* y = (x - mean) scale w + b, or + shift where b is NULL */
    void (*scale)(int64_t n, const void *x, const void *w, const void *b, double mean, double scale, double shift,
                  void *y);
    /* dx = of_g g w + of_x (x - mean) + shift */
    void (*slope)(int64_t n, const void *g, const void *x, const void *w, double mean, double of_g, double of_x,
                  double shift, void *dx);
    /* dw += g (x - mean) scale, db += g */
    void (*weigh)(int64_t n, const void *g, const void *x, double mean, double scale, void *dw, void *db);
} ebb__norm_runs;

/* n units of one row of an LSTM; i, f, g and o are gate[0] to gate[3], and before they are activated sum[0] to sum[3],
 * which may lie in the same places. See ebb__lstm_forward and ebb__lstm_backward. */
typedef struct ebb__lstm_units {
    void (*forward)(int64_t n, const void *const sum[4], const void *c_before, void *const gate[4], void *c, void *h);
    /* dc becomes the gradient of c_before. The optional ones, NULL where there are none, are added: dh_more to dh,
     * dc_more to dc, and of_gate, gradients of the activated gates. dgate are those of the gates' sums. */
    void (*backward)(int64_t n, const void *const gate[4], const void *c_before, const void *c, const void *dh,
                     const void *dh_more, const void *dc_more, const void *const *of_gate, void *dc,
                     void *const dgate[4]);
} ebb__lstm_units;

/* Products in the calling thread; see ebb__gemm_batched. k >= 1. gemv: y = A x, x contiguous, A with a unit stride or
 * k = 1. `space`, EBB__GEMM_SPACE bytes or NULL, is where gemm of floating dtypes packs a and b, which pays when n is
 * large. In each of a and b one stride is 1. A b that is multiplied by often may be what gemm_pack has written,
 * ebb__gemm_packed(n, k, size) bytes: then b_cs is EBB__GEMM_PACKED. The product is added to what is at `begin` unless
 * that is NULL: to c itself, or, of floating dtypes, to anything whose columns are neighbours or, but for bfloat16, the
 * same. */
#define EBB__GEMM_PACKED INT64_MIN
#define EBB__GEMM_DEPTH 256
#define EBB__GEMM_TILE_ROWS 12                             /* a multiple of every register tile's */
#define EBB__GEMM_NEAR (1 << 20)                           /* bytes of a result that stay in a near cache */
#define EBB__GEMM_ROWS(size) (1536 / (int)(size))          /* packed at once: multiples of every tile's */
#define EBB__GEMM_COLUMNS(size) (4096 / (int)(size))       /* of b */
#define EBB__GEMM_SPACE_OF_A (1536 * EBB__GEMM_DEPTH + 64) /* enough where b is packed */
#define EBB__GEMM_SPACE (EBB__GEMM_SPACE_OF_A + 4096 * EBB__GEMM_DEPTH + 64)
/* Of bfloat16, where the CPU multiplies it (gemm_bf16.isa.c): any strides, and always with space: for a block of ROWS
 * of a and for COLUMNS of b, DEPTH of k at a time, in whole register tiles; and, while there is more of k to come, for
 * the sums of BLOCKS such blocks. */
enum {
    EBB__BF16_TILE_ROWS = 12,
    EBB__BF16_TILE_COLUMNS = 32,
    EBB__BF16_ROWS = 22 * EBB__BF16_TILE_ROWS,
    EBB__BF16_BLOCKS = 4,
    EBB__BF16_COLUMNS = 32 * EBB__BF16_TILE_COLUMNS,
    EBB__BF16_DEPTH = 1024
};
typedef void (*ebb__gemm_block)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_rs, int64_t a_cs,
                                const void *b, int64_t b_rs, int64_t b_cs, const ebb__gemm_begin *begin, void *c,
                                int64_t ldc, void *space);
typedef void (*ebb__gemm_packer)(int64_t n, int64_t k, const void *b, int64_t b_rs, int64_t b_cs, void *to);
typedef void (*ebb__gemv_block)(int64_t m, int64_t k, const void *a, int64_t a_rs, int64_t a_cs, const void *x,
                                bool accumulate, void *y, int64_t y_stride);

/* For dropout.c: the words of blocks `block`, block + 1, ...: all first words, all second ones, ... */
#define EBB__PHILOX_LANES 16
typedef void (*ebb__philox_batch)(uint64_t seed, uint64_t block, uint32_t ret_words[4 * EBB__PHILOX_LANES]);
/* mask = words >= least, y = mask ? x scale : 0 */
typedef void (*ebb__drop)(int64_t n, const uint32_t *words, uint32_t least, double scale, const void *x, void *y,
                          uint8_t *mask);

/* For im2col.c and pool.c, in float32; strides in elements. */
typedef struct ebb__window_rows {
    /* to: rows of left + n + right elements, one behind the other: zeros, then those `stride` apart from `from` on. */
    void (*unfold)(int64_t rows, int64_t left, int64_t n, int64_t right, const float *from, int64_t from_row,
                   int64_t stride, float *to);
    /* Add n elements a row to those `stride` apart from `to` on. */
    void (*fold)(int64_t rows, int64_t n, const float *from, int64_t from_row, float *to, int64_t to_row,
                 int64_t stride);
    /* y: the greatest elements of n windows, `stride` apart, that read x[taps[0 .. n_taps)]; index: where they lie,
     * from `place` on: the first of several, the last NaN. */
    void (*max)(int64_t n, const float *x, int64_t stride, int64_t n_taps, const int32_t *taps, int64_t place, float *y,
                int64_t *index);
} ebb__window_rows;

/* For conv_direct.c, in float32. b stands for k rows (of product) or n rows (of dots), of which row p begins at
 * b + at[p]. */
typedef struct ebb__direct_table {
    int columns; /* of a tile of `product`, which may read as many where there are fewer; 0: there is no code */
    void (*pack)(int64_t m, int64_t k, const float *a, float *to); /* a (m, k) as product reads it */
    /* c (m, n) = a b, plus bias[m] unless that is NULL. */
    void (*product)(int64_t m, int64_t n, int64_t k, const float *a, const float *b, const int32_t *at,
                    const float *bias, float *c, int64_t ldc);
    /* c (m, n), contiguous, += a b^T, where rows of a, a_rs apart, are themselves `rows` rows of `width` elements, and
     * those of b too, b_row apart. */
    void (*dots)(int64_t m, int64_t n, int64_t rows, int64_t width, const float *a, int64_t a_rs, const float *b,
                 int64_t b_row, const int32_t *at, float *c);
} ebb__direct_table;

typedef struct ebb__isa_table {
    ebb__reducer fold[EBB__FOLDS_OF_THEIR_OWN][EBB_DTYPE_COUNT], max[EBB_DTYPE_COUNT], min[EBB_DTYPE_COUNT];
    ebb__reducer moments[EBB_DTYPE_COUNT];   /* to counts, means and squared deviations: see EBB__REDUCED_MAX */
    ebb__reducer logsumexp[EBB_DTYPE_COUNT]; /* to largest elements and sums of exponentials less these */
    ebb__softmax_row softmax[EBB_DTYPE_COUNT], log_softmax[EBB_DTYPE_COUNT];
    ebb__softmax_row_backward softmax_backward[EBB_DTYPE_COUNT], log_softmax_backward[EBB_DTYPE_COUNT];
    ebb__norm_runs norm[EBB_DTYPE_COUNT];
    ebb__lstm_units lstm[EBB_DTYPE_COUNT];
    ebb__philox_batch philox;
    ebb__drop drop[EBB_DTYPE_COUNT];
    ebb__window_rows window;
    ebb__winograd_table winograd;
    ebb__direct_table direct;
    int vector_bytes;
    ebb__gemm_block gemm[EBB_DTYPE_COUNT];
    ebb__gemm_packer gemm_pack[EBB_DTYPE_COUNT]; /* float32 and float64 */
    ebb__gemv_block gemv[EBB_DTYPE_COUNT];
} ebb__isa_table;
extern ebb__isa_table ebb__isa;

static inline size_t ebb__gemm_packed(int64_t n, int64_t k, int64_t size) {
    const int64_t line = 2 * ebb__isa.vector_bytes; /* and a vector behind the last panel is written, too */
    return (size_t)((n * size + line - 1) / line * line * k + line);
}

/* Ask for the line so many bytes ahead, which may be anywhere, while something else is done: where no pattern of
 * addresses tells the CPU in time. */
static inline void ebb__fetch(const void *p, int64_t ahead) {
#if defined(__GNUC__)
    __builtin_prefetch((const void *)((uintptr_t)p + (uintptr_t)ahead));
#else
    (void)p, (void)ahead;
#endif
}

/* n elements of so many bytes each, `stride` bytes apart, one after another. */
void ebb__gather(int64_t n, int bytes, void *to, const char *from, int64_t stride);
/* Elements anywhere, for a loop that wants contiguous operands: some at a time, by way of a buffer. `sizes` are the
 * bytes of an element of each operand. */
#define EBB__SIZES(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
void ebb__strided(int64_t n, char *const *p, const int64_t *stride, const void *param, ebb__loop loop, uint32_t sizes);

/* The loops that one compilation has for a table, to be written over those that are there. */
typedef struct ebb__loop_row {
    ebb__loop *table;
    ebb__loop loops[EBB_DTYPE_COUNT];
} ebb__loop_row;
void ebb__loops_take(const ebb__loop_row *rows, int n);

/* Fill the tables with one instruction set's code. Each *.isa.c file has one such function per compilation. Narrow ones
 * are those whose results have fewer bytes than their operands, which gain nothing by AVX-512: AVX2's stay. */
/* clang-format off */
#define EBB__ISA_FILES(X, isa) \
    X(ebb__init_arith_##isa) \
    X(ebb__init_finite_##isa) \
    X(ebb__init_transcendental_##isa) \
    X(ebb__init_reduce_##isa) \
    X(ebb__init_softmax_##isa) \
    X(ebb__init_norm_##isa) \
    X(ebb__init_lstm_##isa) \
    X(ebb__init_dropout_##isa) \
    X(ebb__init_window_##isa) \
    X(ebb__init_winograd_##isa) \
    X(ebb__init_direct_##isa) \
    X(ebb__init_gemm_##isa)
#define EBB__ISA_NARROW_FILES(X, isa) \
    X(ebb__init_compare_##isa) \
    X(ebb__init_cast_##isa)
/* clang-format on */
#define EBB__ISA_DECLARE(fn) void fn(void);
EBB__ISA_FILES(EBB__ISA_DECLARE, baseline)
EBB__ISA_FILES(EBB__ISA_DECLARE, avx2)
EBB__ISA_FILES(EBB__ISA_DECLARE, avx512)
EBB__ISA_NARROW_FILES(EBB__ISA_DECLARE, baseline)
EBB__ISA_NARROW_FILES(EBB__ISA_DECLARE, avx2)
void ebb__init_gemm_bf16_avx512bf16(void); /* besides those of avx512 */

#endif
