/* Matrix products: which code computes them, and the cut into tiles that threads share out. Of our own code each
 * element is the same sum however a product is cut; a library's product is cut by shape only. */
#include "base/base.h"
#include "kernel/blas.h"
#include "kernel/isa.h"

#include <assert.h>
#include <string.h>

enum {
    TILE_WORK = 1 << 21,    /* multiplications that make a tile worth a thread */
    LIBRARY_TILES = 16,     /* of one product */
    UNCUT = 96,             /* columns or rows that are not worth a cut */
    TILE_MULTIPLE = 96,     /* of which sides are multiples where code other than our float32 and float64 computes */
    PACKED_N = 128,         /* columns from which packing a pays */
    PACKED_WORK = 1 << 16,  /* elements of b to pack that make a thread's share */
    CALL_WORK = 1 << 11,    /* multiplications that the call of a small product is worth */
    LIBRARY_WORK = 1 << 23, /* multiplications from which loading a library, some milliseconds, begins to pay */
};

typedef struct matrix {
    const char *data;
    int64_t rs, cs, bs; /* strides in elements: row, column, batch */
} matrix;

struct product {
    ebb_dtype dtype;
    bool library, packed; /* packed: b is what gemm_pack wrote, and b.cs is k */
    int64_t size, batch, m, n, k;
    matrix a, b, begin; /* begin: what the product is added to, c or anything else; its data may be NULL */
    char *c;
    int64_t ldc, c_bs;
    int64_t m_tile, n_tile, m_tiles, n_tiles;
    char *space; /* `space_bytes` for each slot */
    size_t space_bytes;
    _Atomic int64_t next;
};

static const void *at(const struct product *p, const matrix *x, int64_t batch, int64_t row, int64_t column) {
    return x->data + (batch * x->bs + row * x->rs + column * x->cs) * p->size;
}

/* Whether a library takes the matrix as it lies, stored by rows or by columns. */
static bool flat(const matrix *x, int64_t rows, int64_t columns, bool *ret_transposed, int64_t *ret_ld) {
    *ret_transposed = !(x->cs == 1 && x->rs >= columns);
    *ret_ld = *ret_transposed ? x->cs : x->rs;
    return !*ret_transposed || (x->rs == 1 && x->cs >= rows);
}

static void compute(const struct product *p, int64_t batch, int64_t i, int64_t m, int64_t j, int64_t n, void *space) {
    const void *a = at(p, &p->a, batch, i, 0), *b = at(p, &p->b, batch, 0, j);
    char *c = p->c + (batch * p->c_bs + i * p->ldc + j) * p->size;
    if (p->library) {
        bool transpose_a, transpose_b;
        int64_t lda, ldb;
        if (flat(&p->a, p->m, p->k, &transpose_a, &lda) && flat(&p->b, p->k, p->n, &transpose_b, &ldb) &&
            ebb__blas_gemm(p->dtype, transpose_a, transpose_b, m, n, p->k, a, lda, b, ldb, p->begin.data != NULL, c,
                           p->ldc))
            return;
    }
    ebb__isa.gemm[p->dtype](
        m, n, p->k, a, p->a.rs, p->a.cs, b, p->b.rs, p->packed ? EBB__GEMM_PACKED : p->b.cs,
        p->begin.data ? &(ebb__gemm_begin){at(p, &p->begin, batch, i, j), 0, p->begin.rs, p->begin.cs} : NULL, c,
        p->ldc, space);
}

/* A slot computes tiles for as long as there are any. */
static void compute_tiles(void *context, int64_t slot, int64_t last) {
    struct product *p = context;
    const int64_t each = p->m_tiles * p->n_tiles, tiles = p->batch * each;
    for (; slot < last; slot++)
        for (int64_t at; (at = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed)) < tiles;) {
            const int64_t i = at % each / p->n_tiles * p->m_tile, j = at % p->n_tiles * p->n_tile;
            compute(p, at / each, i, p->m - i < p->m_tile ? p->m - i : p->m_tile, j,
                    p->n - j < p->n_tile ? p->n - j : p->n_tile,
                    p->space ? p->space + (size_t)slot * p->space_bytes : NULL);
        }
}

/* Cut the longer side in two until there are tiles enough for the threads, or each is small. Tiles are as equal as
 * whole register tiles allow, since the largest decides how long the last thread takes. */
static void cut(struct product *p, int threads) {
    const bool own = ebb__isa.gemm_pack[p->dtype] && !p->library;
    const int64_t row_multiple = own ? EBB__GEMM_TILE_ROWS : TILE_MULTIPLE;
    const int64_t column_multiple = own ? 2 * ebb__isa.vector_bytes / p->size : TILE_MULTIPLE;
    const int64_t work = p->m * p->n * p->k;
    const int64_t enough = p->library ? LIBRARY_TILES : threads > 1 ? (2 * threads + p->batch - 1) / p->batch : 1;
    p->m_tile = p->m;
    p->n_tile = p->n;
    int64_t rows = 1, columns = 1;
    for (int64_t tiles = 1; tiles < enough && work / (2 * tiles) >= TILE_WORK / 2; tiles *= 2) {
        if (p->m_tile > p->n_tile) {
            if (p->m_tile <= UNCUT) break;
            p->m_tile = ebb__round_up(ebb__divide_up(p->m, rows *= 2), row_multiple);
        } else {
            if (p->n_tile <= UNCUT) break;
            p->n_tile = ebb__round_up(ebb__divide_up(p->n, columns *= 2), column_multiple);
        }
    }
    p->m_tiles = ebb__divide_up(p->m, p->m_tile);
    p->n_tiles = ebb__divide_up(p->n, p->n_tile);
}

/* What a slot packs operands into, and where bfloat16's sums are. */
static size_t space_bytes(const struct product *p) {
    if (p->library) return 0;
    if (p->dtype != EBB_BF16) return p->n_tile < PACKED_N || !ebb_dtype_is_floating(p->dtype) ? 0 : EBB__GEMM_SPACE;
    const int64_t rows = ebb__round_up(ebb__least(p->m_tile, EBB__BF16_ROWS), EBB__BF16_TILE_ROWS);
    const int64_t columns = ebb__round_up(ebb__least(p->n_tile, EBB__BF16_COLUMNS), EBB__BF16_TILE_COLUMNS);
    const int64_t words = (rows + columns) * ebb__round_up(ebb__least(p->k, EBB__BF16_DEPTH), 2) / 2;
    const int64_t sums =
        p->k > EBB__BF16_DEPTH ? ebb__least(p->m_tile, EBB__BF16_BLOCKS * EBB__BF16_ROWS) * columns : 0;
    return (size_t)ebb__round_up(4 * (words + sums), 64);
}

/* For code that can only add to c: what it begins as is copied there. */
static void copy_begin(struct product *p) {
    if (!p->begin.data) return;
    if (p->begin.data == p->c) {
        assert((p->n == 1 || p->begin.cs == 1) && (p->m == 1 || p->begin.rs == p->ldc) &&
               (p->batch == 1 || p->begin.bs == p->c_bs));
        return;
    }
    ebb__copy(3, (int64_t[]){p->batch, p->m, p->n}, p->dtype, p->c,
              (int64_t[]){p->c_bs * p->size, p->ldc * p->size, p->size}, p->dtype, p->begin.data,
              (int64_t[]){p->begin.bs * p->size, p->begin.rs * p->size, p->begin.cs * p->size});
    p->begin = (matrix){p->c, p->ldc, 1, p->c_bs};
}

/* Whether our own code adds to what is at `begin` as it lies. */
static bool adds_as_it_lies(const struct product *p) {
    if (p->dtype == EBB_BF16) return p->begin.cs == 1;
    return ebb__isa.gemm_pack[p->dtype] && (p->begin.cs == 0 || p->begin.cs == 1);
}

/* Whole small products, in the calling thread's registers and first cache. */
static void compute_small(void *context, int64_t first, int64_t last) {
    const struct product *p = context;
    for (; first < last; first++) compute(p, first, 0, p->m, 0, p->n, NULL);
}

/* ---- vectors ---- */

static void gemv_rows(void *context, int64_t first, int64_t last) {
    const struct product *p = context;
    for (; first < last; first++) {
        const int64_t i = first % p->m_tiles * p->m_tile, batch = first / p->m_tiles;
        ebb__isa.gemv[p->dtype](p->m - i < p->m_tile ? p->m - i : p->m_tile, p->k, at(p, &p->a, batch, i, 0), p->a.rs,
                                p->a.cs, at(p, &p->b, batch, 0, 0), p->begin.data != NULL,
                                p->c + (batch * p->c_bs + i * p->ldc) * p->size, p->ldc);
    }
}

/* n = 1, or m = 1 seen transposed. False when the layout is one that the general code does better. */
static bool by_vector(struct product *given) {
    struct product p = *given;
    if (!ebb__isa.gemv[p.dtype] || (p.m != 1 && p.n != 1)) return false;
    if (p.n != 1) {
        p.a = (matrix){given->b.data, given->b.cs, given->b.rs, given->b.bs};
        p.b = (matrix){given->a.data, given->a.cs, given->a.rs, given->a.bs};
        p.m = p.n;
        p.ldc = 1;
    }
    if ((p.b.rs != 1 && p.k != 1) || (p.a.cs != 1 && p.a.rs != 1 && p.k != 1)) return false;
    copy_begin(given);
    p.begin = given->begin;
    p.m_tile = 64;
    if (p.a.cs != 1) { /* a column is read as far as it goes; a sum is the same however outputs are cut */
        const int64_t threads = ebb_num_threads();
        p.m_tile = ebb__round_up(p.batch < threads ? ebb__divide_up(p.m, threads) : p.m, 64);
    }
    p.m_tiles = ebb__divide_up(p.m, p.m_tile);
    if (p.batch * p.m * p.k < TILE_WORK / 16) {
        gemv_rows(&p, 0, p.batch * p.m_tiles);
    } else {
        ebb__parallel_for(p.batch * p.m_tiles, TILE_WORK / 16 / (p.m_tile * p.k) + 1, gemv_rows, &p);
    }
    return true;
}

/* ---- the entry ---- */

/* x becomes a copy of itself by rows, in this dtype. */
static ebb_status copy_flat(const struct product *p, ebb_dtype dtype, matrix *x, int64_t rows, int64_t columns,
                            void **ret_block, size_t *ret_bytes) {
    const int64_t batch = x->bs ? p->batch : 1, size = (int64_t)ebb_dtype_size(dtype);
    *ret_bytes = (size_t)(batch * rows * columns * size);
    if (!(*ret_block = ebb__alloc(*ret_bytes))) return EBB_ERR_MEMORY;
    ebb__copy(3, (int64_t[]){batch, rows, columns}, dtype, *ret_block,
              (int64_t[]){rows * columns * size, columns * size, size}, p->dtype, x->data,
              (int64_t[]){x->bs * p->size, x->rs * p->size, x->cs * p->size});
    *x = (matrix){*ret_block, columns, 1, x->bs ? rows * columns : 0};
    return EBB_OK;
}

/* That, when it makes a library able to take x. */
static ebb_status make_flat(const struct product *p, matrix *x, int64_t rows, int64_t columns, void **ret_block,
                            size_t *ret_bytes) {
    bool transposed;
    int64_t ld;
    return flat(x, rows, columns, &transposed, &ld) ? EBB_OK
                                                    : copy_flat(p, p->dtype, x, rows, columns, ret_block, ret_bytes);
}

static void clear(const struct product *p) {
    for (int64_t batch = 0; batch < p->batch; batch++)
        for (int64_t i = 0; i < p->m; i++)
            memset(p->c + (batch * p->c_bs + i * p->ldc) * p->size, 0, (size_t)(p->n * p->size));
}

/* Panels [first, last) of b. */
static void pack_panels(void *context, int64_t first, int64_t last) {
    const struct product *p = ((void **)context)[0];
    const int64_t wide = 2 * ebb__isa.vector_bytes / p->size, j = first * wide;
    const int64_t n = (last * wide < p->n ? last * wide : p->n) - j;
    ebb__isa.gemm_pack[p->dtype](n, p->k, at(p, &p->b, 0, 0, j), p->b.rs, p->b.cs,
                                 ((char **)context)[1] + j * p->k * p->size);
}

/* Where each of several tiles of rows would pack b, it is packed once for all. */
static ebb_status pack_right(struct product *p, void **ret_block, size_t *ret_bytes) {
    const int64_t wide = 2 * ebb__isa.vector_bytes / p->size;
    if (!ebb__isa.gemm_pack[p->dtype] || p->batch > 1 || p->m_tiles < 2 || !p->space_bytes) return EBB_OK;
    *ret_bytes = ebb__gemm_packed(p->n, p->k, p->size);
    if (!(*ret_block = ebb__alloc(*ret_bytes))) return EBB_ERR_MEMORY;
    ebb__parallel_for(ebb__divide_up(p->n, wide), ebb__divide_up(PACKED_WORK, wide * p->k), pack_panels,
                      (void *[]){p, *ret_block});
    p->b = (matrix){*ret_block, 0, p->k, 0};
    p->packed = true;
    p->space_bytes = EBB__GEMM_SPACE_OF_A;
    return EBB_OK;
}

static ebb_status run_large(struct product *p) {
    void *a = NULL, *b = NULL;
    size_t a_bytes = 0, b_bytes = 0;
    ebb_status status = EBB_OK;
    p->library = p->m * p->n * p->k >= LIBRARY_WORK && ebb__isa.vector_bytes <= 16 && ebb__blas_has(p->dtype);
    if (p->library) {
        status = make_flat(p, &p->a, p->m, p->k, &a, &a_bytes);
        if (!status) status = make_flat(p, &p->b, p->k, p->n, &b, &b_bytes);
        if (!status) copy_begin(p);
    }
    const int threads = ebb_num_threads();
    cut(p, threads);
    const int64_t tiles = p->batch * p->m_tiles * p->n_tiles;
    int64_t slots = p->batch * p->m * p->n * p->k / (TILE_WORK / 4) + 1;
    if (slots > tiles) slots = tiles;
    if (slots > threads) slots = threads;
    p->space_bytes = space_bytes(p);
    if (!status && !p->library) status = pack_right(p, &b, &b_bytes);
    const size_t space = (size_t)slots * p->space_bytes;
    if (!status && space && !(p->space = ebb__alloc(space))) status = EBB_ERR_MEMORY;
    if (!status) ebb__parallel_for(slots, 1, compute_tiles, p);
    ebb__free(p->space, space);
    ebb__free(a, a_bytes);
    ebb__free(b, b_bytes);
    return status;
}

/* A 16-bit product by way of float32, where there is no code for it: rounded once, too. */
static ebb_status through_f32(const struct product *given) {
    struct product p = *given;
    void *a = NULL, *b = NULL, *c = NULL;
    size_t a_bytes = 0, b_bytes = 0, c_bytes = (size_t)(p.batch * p.m * p.n) * sizeof(float);
    const int64_t shape[] = {p.batch, p.m, p.n}, size = sizeof(float);
    const int64_t halves[] = {p.c_bs * p.size, p.ldc * p.size, p.size}, wide[] = {p.m * p.n * size, p.n * size, size};
    ebb_status status = copy_flat(&p, EBB_F32, &p.a, p.m, p.k, &a, &a_bytes);
    if (!status) status = copy_flat(&p, EBB_F32, &p.b, p.k, p.n, &b, &b_bytes);
    if (!status && !(c = ebb__alloc(c_bytes))) status = EBB_ERR_MEMORY;
    const ebb__gemm_begin sums = {c, p.m * p.n, p.n, 1};
    if (!status && p.begin.data) {
        const int64_t begin[] = {p.begin.bs * p.size, p.begin.rs * p.size, p.begin.cs * p.size};
        ebb__copy(3, shape, EBB_F32, c, wide, p.dtype, p.begin.data, begin);
    }
    if (!status)
        status = ebb__gemm_batched(EBB_F32, p.batch, p.m, p.n, p.k, a, p.a.bs, p.a.rs, p.a.cs, b, p.b.bs, p.b.rs,
                                   p.b.cs, p.begin.data ? &sums : NULL, c, p.m * p.n, p.n);
    if (!status) ebb__copy(3, shape, p.dtype, p.c, halves, EBB_F32, c, wide);
    ebb__free(a, a_bytes);
    ebb__free(b, b_bytes);
    ebb__free(c, c_bytes);
    return status;
}

ebb_status ebb__gemm_batched(ebb_dtype dtype, int64_t batch, int64_t m, int64_t n, int64_t k, const void *a,
                             int64_t a_bs, int64_t a_rs, int64_t a_cs, const void *b, int64_t b_bs, int64_t b_rs,
                             int64_t b_cs, const ebb__gemm_begin *begin, void *c, int64_t c_bs, int64_t ldc) {
    const bool half = dtype == EBB_F16 || dtype == EBB_BF16;
    if (!ebb__isa.gemm[dtype] && !half)
        return ebb_fail(EBB_ERR_DTYPE, "matrix product of %s is not defined", ebb_dtype_name(dtype));
    if (batch < 1 || m < 1 || n < 1) return EBB_OK;
    if (batch > 1 && b_bs == 0 && a_bs == m * a_rs && c_bs == m * ldc &&
        (!begin || begin->bs == m * begin->rs)) { /* one product with all rows */
        m *= batch;
        batch = 1;
    }
    struct product p = {.dtype = dtype,
                        .size = (int64_t)ebb_dtype_size(dtype),
                        .batch = batch,
                        .m = m,
                        .n = n,
                        .k = k,
                        .a = {a, a_rs, a_cs, a_bs},
                        .b = {b, b_rs, b_cs, b_bs},
                        .begin = begin ? (matrix){begin->data, begin->rs, begin->cs, begin->bs} : (matrix){0},
                        .c = c,
                        .ldc = ldc,
                        .c_bs = c_bs};
    if (k < 1) {
        copy_begin(&p);
        if (!begin) clear(&p);
        return EBB_OK;
    }
    if (!ebb__isa.gemm[dtype]) return through_f32(&p);
    if ((m == 1 || n == 1) && by_vector(&p)) return EBB_OK;
    if (!adds_as_it_lies(&p)) copy_begin(&p);
    if (half || batch * m * n * k >= TILE_WORK / 2) return run_large(&p);
    ebb__parallel_for(batch, TILE_WORK / 2 / (m * n * k + CALL_WORK) + 1, compute_small, &p);
    return EBB_OK;
}

ebb_status ebb__gemm(ebb_dtype dtype, int64_t m, int64_t n, int64_t k, const void *a, int64_t a_rs, int64_t a_cs,
                     const void *b, int64_t b_rs, int64_t b_cs, bool accumulate, void *c, int64_t ldc) {
    return ebb__gemm_batched(dtype, 1, m, n, k, a, 0, a_rs, a_cs, b, 0, b_rs, b_cs,
                             accumulate ? &(ebb__gemm_begin){c, 0, ldc, 1} : NULL, c, 0, ldc);
}
