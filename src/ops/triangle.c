/* Triangles of matrices: tril, triu, and the indices of their elements. */
#define EBB_FAMILY "Shape"
#include "ops/create.h"
#include <string.h>

/* ---- tril, triu ---- */

struct triangle {
    const char *from;
    char *to;
    int64_t rows, columns, diagonal;
    size_t size;
    bool lower;
};

static int64_t between(int64_t x, int64_t most) { return x < 0 ? 0 : x > most ? most : x; }

/* In row i of a matrix the elements before the end of the lower triangle, or from there on. Safe for any diagonal. */
static int64_t lower_end(int64_t row, int64_t columns, int64_t diagonal) {
    if (diagonal >= columns) return columns;
    return between(row + diagonal + 1, columns);
}

static void copy_rows(void *context, int64_t first, int64_t last) {
    const struct triangle *t = context;
    size_t row = (size_t)t->columns * t->size;
    for (; first < last; first++) {
        const char *from = t->from + (size_t)first * row;
        char *to = t->to + (size_t)first * row;
        size_t left =
            (size_t)lower_end(first % t->rows, t->columns, t->lower ? t->diagonal : t->diagonal - 1) * t->size;
        if (t->lower) memcpy(to, from, left);
        else memcpy(to + left, from + left, row - left);
        if (t->lower) memset(to + left, 0, row - left);
        else memset(to, 0, left);
    }
}

static ebb_status infer_triangle(struct ebb_infer *f) {
    if (f->in[0].shape.n < 2)
        return ebb_fail(EBB_ERR_SHAPE, "needs a tensor of at least 2 dimensions, not %d", (int)f->in[0].shape.n);
    f->out[0].shape = f->in[0].shape;
    return EBB_OK;
}

static ebb_status keep(struct ebb_forward *f, int64_t diagonal, bool lower) {
    const ebb_tensor *in = f->in[0];
    struct triangle t = {.from = in->data, .to = f->out[0]->data, .size = ebb__dtype_sizes[in->dtype], .lower = lower};
    if (in->numel == 0) return EBB_OK;
    t.rows = in->dims[in->ndim - 2];
    t.columns = in->dims[in->ndim - 1];
    t.diagonal = diagonal > t.columns ? t.columns + 1 : diagonal < -t.rows ? -t.rows : diagonal;
    ebb__parallel_for(in->numel / t.columns, (1 << 15) / t.columns + 1, copy_rows, &t);
    return EBB_OK;
}

#define TRIANGLE(name, Node, lower, text) \
    static ebb_status forward_##name(struct ebb_forward *f) { \
        return keep(f, ((const struct ebb__attrs_##name *)f->attrs)->diagonal, lower); \
    } \
    static void vjp_##name(struct ebb_vjp_call *v) { \
        const struct ebb__attrs_##name *a = v->attrs; \
        ebb_vjp_give(v, 0, ebb_##name(v->grad[0], .diagonal = a->diagonal)); \
    } \
    const struct ebb_op ebb_op_##name = { \
        EBB_SIGNATURE(name, "Tensor self, int diagonal=0 -> Tensor"), \
        .doc = EBB_TEXT("Matrices, in the last two dimensions, with zeros " text \
                        " a diagonal: the main one, or one above it for diagonal > 0."), \
        .batch = ebb_batch_leading, \
        .torch = EBB_TEXT("torch." #name), \
        .node = Node, \
        .contiguous = true, \
        .halves = true, \
        .inplace = true, \
        .infer = infer_triangle, \
        .forward = forward_##name, \
        .vjp = vjp_##name, \
        .jvp = ebb_jvp_linear, \
        .formula = EBB_FORMULAS(#name "(g, diagonal)"), \
        .samples = EBB_SAMPLES("(3,4)", "(4,3) diagonal=1", "(2,3,3) diagonal=-1", "(3,4) diagonal=9", \
                               "(3,4) diagonal=-9", "(0,3)", "(2,3,0)", "(1,1)", "b(3,3)", "! (3)", "! ()"), \
    };

TRIANGLE(tril, "TrilBackward0", true, "above")
TRIANGLE(triu, "TriuBackward0", false, "below")

/* ---- their indices ---- */

/* How many elements the lower triangle has: rows that it cuts, and rows that it has whole. */
static int64_t lower_count(int64_t rows, int64_t columns, int64_t diagonal) {
    int64_t cut = between(-diagonal, rows), whole = between(columns - diagonal - 1, rows);
    int64_t n = whole - cut, first = cut + diagonal + 1;
    return (n > 0 ? n * first + n * (n - 1) / 2 : 0) + (rows - (whole > cut ? whole : cut)) * columns;
}

/* No further than where the triangle is all or nothing. */
static int64_t limited(int64_t offset, int64_t rows, int64_t columns) {
    return offset > columns ? columns : offset < -rows ? -rows : offset;
}

static ebb_status infer_indices(struct ebb_infer *f, int64_t rows, int64_t columns, int64_t offset, ebb_dtype dtype,
                                bool lower) {
    int64_t all;
    if (rows < 0 || columns < 0)
        return ebb_fail(EBB_ERR_ARGUMENT, "row and col must not be negative: %lld, %lld", (long long)rows,
                        (long long)columns);
    if (rows > INT32_MAX || columns > INT32_MAX || !ebb__numel(2, (const int64_t[]){rows, columns}, 16, &all))
        return ebb_fail(EBB_ERR_ARGUMENT, "row and col are too large: %lld, %lld", (long long)rows, (long long)columns);
    offset = limited(offset, rows, columns);
    int64_t n = columns ? lower_count(rows, columns, lower ? offset : offset - 1) : 0;
    return ebb__new_meta(f, &EBB_DIMS(2, lower ? n : all - n), dtype, EBB_I64,
                         EBB_DTYPES(EBB_I64) | EBB_DTYPES(EBB_I32));
}

static ebb_status forward_indices(struct ebb_forward *f, int64_t rows, int64_t columns, int64_t offset, bool lower) {
    ebb_tensor *out = f->out[0];
    int64_t n = out->numel / 2, size = (int64_t)ebb__dtype_sizes[out->dtype];
    char *at = out->data;
    offset = limited(offset, rows, columns) - !lower;
    for (int64_t i = 0; i < rows && n; i++) {
        int64_t end = lower_end(i, columns, offset);
        for (int64_t k = lower ? 0 : end; k < (lower ? end : columns); k++, at += size) {
            ebb__store(at, (ebb_dtype)out->dtype, (double)i);
            ebb__store(at + n * size, (ebb_dtype)out->dtype, (double)k);
        }
    }
    return EBB_OK;
}

#define INDICES(name, lower, text) \
    static ebb_status infer_##name(struct ebb_infer *f) { \
        const struct ebb__attrs_##name *a = f->attrs; \
        return infer_indices(f, a->row, a->col, a->offset, a->dtype, lower); \
    } \
    static ebb_status forward_##name(struct ebb_forward *f) { \
        const struct ebb__attrs_##name *a = f->attrs; \
        return forward_indices(f, a->row, a->col, a->offset, lower); \
    } \
    const struct ebb_op ebb_op_##name = { \
        EBB_SIGNATURE(name, "int row, int col, int offset=0, dtype dtype=int64 -> Tensor"), \
        .doc = EBB_TEXT("The indices of the elements " text \
                        " a diagonal of a matrix of `row` rows and `col` columns, row by row: in the first " \
                        "row of the result those of rows, in the second of columns."), \
        .torch = EBB_TEXT("torch." #name), \
        .infer = infer_##name, \
        .forward = forward_##name, \
        .no_derivative = true, \
        .samples = EBB_SAMPLES("row=3 col=3", "row=4 col=3 offset=-1", "row=3 col=4 offset=2 dtype=int32", \
                               "row=0 col=3", "! row=-1 col=3", "! row=2 col=2 dtype=float32"), \
    };

INDICES(tril_indices, true, "on and below")
INDICES(triu_indices, false, "on and above")
