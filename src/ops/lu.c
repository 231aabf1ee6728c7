/* LU factors, with partial pivoting: lu_factor, lu_solve, and lu_permutation, the order of rows that pivots stand
 * for. */
#define EBB_FAMILY "Linear algebra"
#include "ops/batching.h"
#include "ops/linalg.h"

/* ---- what solve, det and slogdet do, too ---- */

static int factor(const struct ebb__matrices *x, int64_t item, bool exchange, char *scratch) {
    const int64_t m = x->m, n = x->n, k = m < n ? m : n;
    int *pivot = (int *)(void *)x->f->out[1]->data + item * k;
    ebb__matrix_load(x, x->f->in[0], item, m, n, scratch);
    int info = ebb__lu(x->how, m, n, exchange, scratch, pivot);
    ebb__matrix_store(x, x->f->out[0], item, m, n, scratch);
    return info;
}

static int factor_pivoted(const struct ebb__matrices *x, int64_t item, char *scratch) {
    return factor(x, item, true, scratch);
}
static int factor_as_it_stands(const struct ebb__matrices *x, int64_t item, char *scratch) {
    return factor(x, item, false, scratch);
}

ebb_status ebb__lu_factors(const struct ebb_forward *f, bool exchange, struct ebb__matrices *ret_x) {
    struct ebb__matrices *x = ret_x;
    *x = ebb__matrices_of(f);
    x->work = (double)x->m * (double)x->n * (double)(x->m < x->n ? x->m : x->n) / 3;
    x->how = ebb__lapack_for((ebb_dtype)f->in[0]->dtype, x->m > x->n ? x->m : x->n, x->work);
    if (!exchange) x->how = ebb__lapack_own;
    x->scratch = (size_t)(x->m * x->n) * ebb_dtype_size(x->how.dtype);
    x->one = exchange ? factor_pivoted : factor_as_it_stands;
    return ebb__each_matrix(x);
}

struct solving {
    struct ebb__matrices x; /* m is the number of dimensions of one right side */
    bool left, adjoint;
};

/* x op(A) = b is op(A)^T x^T = b^T, and what is stored by rows is its transpose stored by columns. */
static int solve_one(const struct ebb__matrices *x, int64_t item, char *scratch) {
    const struct solving *s = (const struct solving *)(const void *)x;
    ebb_tensor *lu = x->f->in[0], *out = x->f->out[0];
    const int64_t n = x->n, k = x->k, at = ebb__partner(lu, out, (int)x->m, item);
    const int *pivot = (const int *)(const void *)x->f->in[1]->data + at * n;
    char *b = scratch + n * n * ebb__dtype_sizes[x->how.dtype];
    ebb__matrix_load(x, lu, at, n, n, scratch);
    if (s->left) ebb__matrix_load(x, out, item, n, k, b);
    else ebb__vector_load(x, out, item, n * k, b);
    ebb__lu_solve(x->how, n, k, scratch, pivot, s->left == s->adjoint, b);
    if (s->left) ebb__matrix_store(x, out, item, n, k, b);
    else ebb__vector_store(x, out, item, n * k, b);
    return 0;
}

ebb_status ebb__lu_solutions(const struct ebb_forward *f, bool vector, bool left, bool adjoint) {
    ebb_tensor *b = f->in[2], *out = f->out[0];
    struct solving s = {.x = ebb__matrices_of(f), .left = left, .adjoint = adjoint};
    if (out->numel == 0) return EBB_OK;
    s.x.m = vector ? 1 : 2;
    s.x.k = vector ? 1 : left ? ebb__columns(b) : ebb__rows(b);
    s.x.count = out->numel / (s.x.n * s.x.k);
    s.x.work = (double)s.x.n * (double)s.x.n * (double)s.x.k;
    s.x.how = ebb__lapack_for((ebb_dtype)out->dtype, s.x.n > s.x.k ? s.x.n : s.x.k, s.x.work);
    s.x.scratch = (size_t)(s.x.n * (s.x.n + s.x.k)) * ebb_dtype_size(s.x.how.dtype);
    s.x.one = solve_one;
    ebb_status status = ebb__copy_into(out, b);
    return status ? status : ebb__each_matrix(&s.x);
}

/* ---- lu_permutation ---- */

static ebb_status permutation_infer(struct ebb_infer *f) {
    const struct ebb__attrs_lu_permutation *a = f->attrs;
    const ebb_dims *pivots = &f->in[0].shape;
    if (f->in[0].dtype != EBB_I32 || pivots->n == 0)
        return ebb_fail(EBB_ERR_DTYPE, "expected pivots (*, k) of int32, got %s", ebb_dtype_name(f->in[0].dtype));
    if (pivots->d[pivots->n - 1] > a->rows)
        return ebb_fail(EBB_ERR_SHAPE, "%lld pivots are more than %lld rows", (long long)pivots->d[pivots->n - 1],
                        (long long)a->rows);
    f->out->dtype = EBB_I64;
    f->out->shape = ebb__dims_ending(*pivots, 1, EBB_DIMS(a->rows));
    return EBB_OK;
}

/* Whether exchanges of rows name rows. */
static ebb_status check_pivots(const ebb_tensor *pivots, int64_t rows) {
    const int *pivot = (const int *)(const void *)pivots->data;
    for (int64_t i = 0; i < pivots->numel; i++)
        if (pivot[i] < 1 || pivot[i] > rows)
            return ebb_fail(EBB_ERR_INDEX, "pivot %d is none of %lld rows", pivot[i], (long long)rows);
    return EBB_OK;
}

static ebb_status permutation_forward(struct ebb_forward *f) {
    const int64_t rows = ((const struct ebb__attrs_lu_permutation *)f->attrs)->rows;
    const ebb_tensor *pivots = f->in[0];
    const int64_t k = pivots->dims[pivots->ndim - 1], count = rows ? f->out[0]->numel / rows : 0;
    const int *pivot = (const int *)(const void *)pivots->data;
    int64_t *order = (int64_t *)(void *)f->out[0]->data;
    ebb_status status = check_pivots(pivots, rows);
    for (int64_t item = 0; item < count && !status; item++, pivot += k, order += rows) {
        for (int64_t i = 0; i < rows; i++) order[i] = i;
        for (int64_t i = 0; i < k; i++) {
            const int64_t other = order[pivot[i] - 1];
            order[pivot[i] - 1] = order[i];
            order[i] = other;
        }
    }
    return status;
}

const struct ebb_op ebb_op_lu_permutation = {
    EBB_SIGNATURE(lu_permutation, "Tensor pivots, int rows -> Tensor"),
    .doc = EBB_TEXT(
        "The order in which lu_factor's exchanges of rows put them: for pivots (*, k) of int32 rows numbers (*, rows) of "
        "int64, so that row i of LU was row order[i] of A. PyTorch's lu_unpack has it as a matrix."),
    .torch = EBB_TEXT("torch.lu_unpack"),
    .contiguous = true,
    .infer = permutation_infer,
    .forward = permutation_forward,
    .batch = ebb_batch_leading,
    .no_derivative = true,
    .samples = EBB_SAMPLES("int32(3) rows=3", "int32(2,2) rows=4", "int32(0) rows=3", "! (2) rows=2",
                           "! int32(3) rows=2", "! int32(9) rows=2"),
    .domain = {1, 3},
};

/* As an index for gather and scatter along the rows of `like`. */
static ebb_tensor *row_index(ebb_tensor *pivots, ebb_tensor *like) {
    if (!like) return NULL;
    return ebb_expand(ebb_unsqueeze(ebb_lu_permutation(pivots, ebb__rows(like)), -1), ebb_tensor_shape(like));
}

/* ---- lu_factor ---- */

static ebb_status factor_infer(struct ebb_infer *f) {
    const ebb_dims *s = &f->in[0].shape;
    ebb_status status = ebb__infer_matrix(f, 0);
    if (status) return status;
    const int64_t m = s->d[s->n - 2], n = s->d[s->n - 1];
    f->out[0].shape = *s;
    f->out[1] = (ebb_meta){.dtype = EBB_I32, .shape = ebb__dims_ending(*s, 2, EBB_DIMS(m < n ? m : n))};
    return EBB_OK;
}

static ebb_status factor_forward(struct ebb_forward *f) {
    const struct ebb__attrs_lu_factor *a = f->attrs;
    struct ebb__matrices x;
    char batch[48];
    ebb_status status = ebb__lu_factors(f, a->pivot.value != 0, &x);
    if (status || x.failed < 0) return status;
    return ebb_fail(EBB_ERR_ARGUMENT, "%sU[%d,%d] is zero and using it on lu_solve would result in a division by zero.",
                    ebb__batch_element(&x, batch), x.info, x.info);
}

static ebb_tensor *part(ebb_tensor *x, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    return ebb_slice(ebb_slice(x, -2, row, rows), -1, column, columns);
}

/* x -> x U^-T, of the factors' packed square part. */
static ebb_tensor *by_upper(ebb_tensor *x, ebb_tensor *square) {
    return ebb_solve_triangular(ebb__turned(square), x, false, .left = EBB_SET(false));
}

/* With A' the rows of A in their order, L = [L1; L2] and U = [U1, U2] from A' = L U: dA' = dL U + L dU, of which L2 or
 * U2 is empty. (PyTorch's plu_backward_base.) */
static void factor_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *lu = v->out[0], *g = v->grad[0];
    const int64_t m = ebb__rows(lu), n = ebb__columns(lu), k = m < n ? m : n;
    ebb_tensor *square = part(lu, 0, k, 0, k), *of_square = part(g, 0, k, 0, k), *below = NULL;
    ebb_tensor *lower = ebb_tril(of_square, .diagonal = -1);
    lower = ebb_add(lower, ebb_matmul(ebb__turned(ebb_tril(square, .diagonal = -1)), lower)); /* L1^T gL1 */
    ebb_tensor *upper = ebb_matmul(ebb_triu(of_square), ebb__turned(ebb_triu(square)));       /* gU1 U1^T */
    if (n > k) lower = ebb_sub(lower, ebb_matmul(part(g, 0, k, k, n), ebb__turned(part(lu, 0, k, k, n))));
    if (m > k) {
        below = part(g, k, m, 0, k);
        upper = ebb_sub(upper, ebb_matmul(ebb__turned(part(lu, k, m, 0, k)), below));
    }
    ebb_tensor *rows = by_upper(ebb_add(ebb_tril(lower, .diagonal = -1), ebb_triu(upper)), square);
    if (n > k) rows = ebb_cat(EBB_LIST(rows, part(g, 0, k, k, n)), -1);
    rows = ebb_solve_triangular(ebb__turned(square), rows, true, .unitriangular = true);
    if (m > k) rows = ebb_cat(EBB_LIST(rows, by_upper(below, square)), -2);
    ebb_tensor *index = row_index(v->out[1], rows);
    if (!index) return;
    ebb_tensor *zeros = ebb__zeros_beside(ebb_tensor_shape(rows), ebb_tensor_dtype(rows), index, rows);
    ebb_vjp_give(v, 0, ebb_scatter_(zeros, index, rows, -2));
}

const struct ebb_op ebb_op_lu_factor = {
    EBB_SIGNATURE(lu_factor, "Tensor A, bool? pivot=true -> Tensor LU, Tensor pivots"),
    .doc = EBB_TEXT(
        "A = P L U for matrices A (*, m, n): LU has U on and above the diagonal, and below it L, whose diagonal are ones; "
        "pivots (*, min(m, n)) of int32: row i was exchanged with row pivots[i], counted from 1. For lu_solve. With "
        "pivot=false no rows are exchanged, P is the identity, and small pivots cost digits. A zero on U's diagonal is an "
        "error."),
    .torch = EBB_TEXT("torch.linalg.lu_factor"),
    .node = "LinalgLuFactorExBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = factor_infer,
    .forward = factor_forward,
    .vjp = factor_vjp,
    .batch = ebb_batch_leading,
    .constant_outs = EBB_OUT(1),
    .saves = {EBB_OUT(0) | EBB_OUT(1)},
    .formula = EBB_FORMULAS("'P L^-T (tril(L^T g_LU, -1) + triu(g_LU U^T)) U^-T, for square A'"),
    .samples = EBB_SAMPLES("wc(3,3)", "wc(2,3,3)", "wc(2,4)", "wc(4,2)", "wc(2,1,3,2)", "(1,1)", "(0,0)", "(0,3,3)",
                           "(3,0)", "(0,3)", "wc(3,3) pivot=false", "wc(2,4,2) pivot=false", "! (3)", "! i5(3,3)"),
};

/* ---- lu_solve ---- */

static ebb_status lu_solve_infer(struct ebb_infer *f) {
    const struct ebb__attrs_lu_solve *a = f->attrs;
    const ebb_dims *lu = &f->in[0].shape, *pivots = &f->in[1].shape;
    ebb_status status = ebb__infer_square(f, 0);
    if (!status) status = ebb__infer_matrix(f, 2);
    if (status) return status;
    if (f->in[0].dtype != f->in[2].dtype)
        return ebb_fail(EBB_ERR_DTYPE, "LU and B must have one dtype, got %s and %s", ebb_dtype_name(f->in[0].dtype),
                        ebb_dtype_name(f->in[2].dtype));
    bool fits = f->in[1].dtype == EBB_I32 && pivots->n == lu->n - 1;
    for (int i = 0; i < pivots->n && fits; i++) fits = pivots->d[i] == lu->d[i];
    if (!fits) return ebb_fail(EBB_ERR_SHAPE, "pivots must be int32, of LU's shape without its last size");
    return ebb__solution_shape(lu, &f->in[2].shape, false, a->left.value != 0, &f->out->shape);
}

static ebb_status lu_solve_forward(struct ebb_forward *f) {
    const struct ebb__attrs_lu_solve *a = f->attrs;
    ebb_status status = check_pivots(f->in[1], ebb__rows(f->in[0]));
    return status ? status : ebb__lu_solutions(f, false, a->left.value != 0, a->adjoint);
}

static void lu_solve_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_lu_solve *a = v->attrs;
    ebb_tensor *lu = v->in[0], *x = v->out[0];
    ebb_tensor *gb = ebb_lu_solve(lu, v->in[1], v->grad[0], .left = a->left, .adjoint = !a->adjoint);
    if (v->needs[2]) ebb_vjp_give(v, 2, gb);
    if (!v->needs[0]) return;
    ebb_tensor *ga = ebb_neg(a->left.value != 0 ? ebb_matmul(gb, ebb__turned(x)) : ebb_matmul(ebb__turned(x), gb));
    if (a->adjoint) ga = ebb__turned(ga);
    ebb_tensor *rows = ga ? ebb_gather(ga, row_index(v->in[1], ga), -2) : NULL; /* A' = L U */
    ebb_tensor *upper = ebb_add(rows, ebb_matmul(ebb__turned(ebb_tril(lu, .diagonal = -1)), rows));
    ebb_tensor *lower = ebb_matmul(rows, ebb__turned(ebb_triu(lu)));
    ebb_vjp_give(v, 0, ebb_add(ebb_tril(lower, .diagonal = -1), ebb_triu(upper)));
}

static void lu_solve_batch(struct ebb_batch_call *b) {
    if (ebb__batch_ndim(b, 0) == ebb__batch_ndim(b, 2)) ebb_batch_leading(b);
    else ebb_batch_loop(b);
}

const struct ebb_op ebb_op_lu_solve = {
    EBB_SIGNATURE(lu_solve, "Tensor LU, Tensor pivots, Tensor B, bool? left=true, bool adjoint=false -> Tensor"),
    .doc = EBB_TEXT(
        "X of AX = B, or of XA = B with left=false, and of A's transpose with adjoint, for lu_factor's factors and pivots of "
        "square matrices A, and matrices B (*, n, k) or (*, k, n); batches broadcast."),
    .torch = EBB_TEXT("torch.linalg.lu_solve"),
    .node = "LinalgLuSolveBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = lu_solve_infer,
    .forward = lu_solve_forward,
    .vjp = lu_solve_vjp,
    .batch = lu_solve_batch,
    .saves = {EBB_IN(0) | EBB_IN(1) | EBB_OUT(0), 0, EBB_IN(0) | EBB_IN(1)},
    .formula = EBB_FORMULAS("'-gB X^T for A, through A = P L U'", NULL, "lu_solve(LU, pivots, g, left, not adjoint)"),
    .samples =
        EBB_SAMPLES("(3,3) int32(3) (3,2)", "(3,3) int32(3) (3,2) adjoint=true", "(3,3) int32(3) (2,3) left=false",
                    "(2,3,3) int32(2,3) (4,3) left=false adjoint=true", "(3,3) int32(3) (2,3,1)",
                    "(0,0) int32(0) (0,2)", "(3,3) int32(3) (3,0)", "! (2,3,3) int32(3) (3,2)", "! (3,3) (3) (3,2)",
                    "! (2,2) int32(2) (3,2)", "! (3,3) int32(3) (2,3)"),
    .domain = {1, 3},
};
