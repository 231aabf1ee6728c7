/* Linear systems: solve, solve_triangular, cholesky, cholesky_solve. */
#define EBB_FAMILY "Linear algebra"
#include "ops/batching.h"
#include "ops/linalg.h"
#include <string.h>

static ebb_status incompatible(const ebb_dims *a, const ebb_dims *b, bool left) {
    char ta[EBB__SHAPE_TEXT], tb[EBB__SHAPE_TEXT];
    return ebb_fail(EBB_ERR_SHAPE, "shapes %s and %s of A and B are incompatible for the equation %s",
                    ebb__shape_text(ta, a->n, a->d), ebb__shape_text(tb, b->n, b->d), left ? "AX = B" : "XA = B");
}

static ebb_status one_dtype(const struct ebb_infer *f) {
    if (f->in[0].dtype == f->in[1].dtype) return EBB_OK;
    return ebb_fail(EBB_ERR_DTYPE, "A and B must have one dtype, got %s and %s", ebb_dtype_name(f->in[0].dtype),
                    ebb_dtype_name(f->in[1].dtype));
}

/* The matrix that belongs to matrix `item` of a batch of this shape, in a tensor whose batch broadcasts to it. */
int64_t ebb__partner(const ebb_tensor *t, const ebb_tensor *out, int matrix_dims, int64_t item) {
    int64_t at = 0, stride = 1;
    for (int i = t->ndim - 3, k = out->ndim - 1 - matrix_dims; i >= 0; i--, k--) {
        if (t->dims[i] != 1) at += item % out->dims[k] * stride;
        item /= out->dims[k];
        stride *= t->dims[i];
    }
    return at;
}

/* The transpose of a square matrix, or of b (k, n). */
static void load_turned(const struct ebb__matrices *x, const ebb_tensor *from, int64_t at, int64_t m, int64_t n,
                        void *to) {
    ebb__vector_load(x, from, at, m * n, to);
}

/* ---- solve ---- */

/* The shape of the solution; b's sizes beside a's are the last but one, or the last. */
ebb_status ebb__solution_shape(const ebb_dims *a, const ebb_dims *b, bool vector, bool left, ebb_dims *ret_shape) {
    ebb_dims batch = *a, other = *b;
    int64_t n = a->d[a->n - 1], beside = vector || !left ? b->d[b->n - 1] : b->d[b->n - 2];
    batch.n -= 2;
    other.n -= vector ? 1 : 2;
    if (n != beside || !ebb__broadcast(&batch, &other)) return incompatible(a, b, left);
    *ret_shape = batch;
    if (!vector) ret_shape->d[ret_shape->n++] = b->d[b->n - 2];
    ret_shape->d[ret_shape->n++] = b->d[b->n - 1];
    return EBB_OK;
}

static ebb_status solve_infer(struct ebb_infer *f) {
    const struct ebb__attrs_solve *a = f->attrs;
    const ebb_dims *s = &f->in[0].shape, *b = &f->in[1].shape;
    ebb_status status = ebb__infer_square(f, 0);
    if (!status) status = one_dtype(f);
    if (!status && b->n == 0) status = ebb_fail(EBB_ERR_SHAPE, "B must have at least 1 dimension, got 0");
    if (status) return status;
    bool vector = ebb__is_vector(s, b);
    if (vector && a->left.value == 0)
        return ebb_fail(EBB_ERR_ARGUMENT, "left=false needs matrices for B, and vectors came");
    f->out[1].shape = *s;
    f->out[2] = (ebb_meta){.dtype = EBB_I32, .shape = ebb__dims_ending(*s, 1, EBB_NO_DIMS)};
    return ebb__solution_shape(s, b, vector, a->left.value != 0, &f->out[0].shape);
}

static ebb_status solve_forward(struct ebb_forward *f) {
    const bool left = ((const struct ebb__attrs_solve *)f->attrs)->left.value != 0;
    ebb_dims a = ebb_tensor_shape(f->in[0]), b = ebb_tensor_shape(f->in[1]);
    ebb_tensor *const in[] = {f->out[1], f->out[2], f->in[1]};
    const struct ebb_forward factors = {.op = f->op, .n_in = 1, .in = f->in, .out = f->out + 1, .n_out = 2};
    const struct ebb_forward solutions = {.op = f->op, .n_in = 3, .in = in, .out = f->out, .n_out = 1};
    struct ebb__matrices x;
    char batch[48];
    ebb_status status = ebb__lu_factors(&factors, true, &x);
    if (status) return status;
    if (x.failed < 0 || f->out[0]->numel == 0)
        return ebb__lu_solutions(&solutions, ebb__is_vector(&a, &b), left, false);
    return ebb_fail(EBB_ERR_ARGUMENT, "%sThe solver failed because the input matrix is singular.",
                    ebb__batch_element(&x, batch));
}

/* With A's factors, where they may be used. */
static ebb_tensor *solve_turned(const struct ebb_vjp_call *v, ebb_setting left) {
    ebb_tensor *a = v->in[0], *lu = v->out[1], *g = v->grad[0];
    if (!ebb__may_use_factors(lu)) return ebb_solve(ebb__turned(a), g, .left = left);
    if (g->ndim >= a->ndim) return ebb_lu_solve(lu, v->out[2], g, .left = left, .adjoint = true);
    return ebb_squeeze(ebb_lu_solve(lu, v->out[2], ebb_unsqueeze(g, -1), .adjoint = true), .dim = EBB_DIMS(-1));
}

static void solve_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_solve *a = v->attrs;
    const bool left = a->left.value != 0;
    ebb_tensor *gb = solve_turned(v, a->left), *x = v->out[0];
    if (v->needs[1]) ebb_vjp_give(v, 1, gb);
    if (!v->needs[0] || !gb) return;
    ebb_dims shape = ebb_vjp_shape(v, 0);
    if (x->ndim < shape.n) ebb_vjp_give(v, 0, ebb_neg(ebb_mul(ebb_unsqueeze(gb, -1), ebb_unsqueeze(x, -2))));
    else ebb_vjp_give(v, 0, ebb_neg(left ? ebb_matmul(gb, ebb__turned(x)) : ebb_matmul(ebb__turned(x), gb)));
}

/* Right sides that are vectors, or as many matrices as there are on the left. */
static void solve_batch(struct ebb_batch_call *b) {
    int left = ebb__batch_ndim(b, 0), right = ebb__batch_ndim(b, 1);
    bool alike = left == right || (left == 2 && right == 1);
    if (alike) ebb_batch_leading(b);
    else ebb_batch_loop(b);
}

const struct ebb_op ebb_op_solve = {
    EBB_SIGNATURE(solve, "Tensor A, Tensor B, bool? left=true -> Tensor output, Tensor LU[], Tensor pivots[]"),
    .doc = EBB_TEXT(
        "X of AX = B, or of XA = B with left=false, for square matrices A (*, n, n) and matrices B (*, n, k); batches "
        "broadcast. B is a batch of vectors (*, n) when it has one dimension, or A's shape without the last one. A "
        "singular A is an error. lu_factor's factors of A are kept for the gradient."),
    .torch = EBB_TEXT("torch.linalg.solve"),
    .node = "LinalgSolveExBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .dtypes = EBB_FLOATING,
    .infer = solve_infer,
    .forward = solve_forward,
    .contiguous = true,
    .vjp = solve_vjp,
    .batch = solve_batch,
    .constant_outs = EBB_OUT(1) | EBB_OUT(2),
    .saves = {EBB_IN(0) | EBB_OUT(0) | EBB_OUT(1) | EBB_OUT(2), EBB_IN(0) | EBB_OUT(1) | EBB_OUT(2)},
    .formula = EBB_FORMULAS("b = solve(A.mT, g, left); -b[..., None] * y[..., None, :] if y.ndim < A.ndim else "
                            "-b @ y.mT if left else -y.mT @ b",
                            "solve(A.mT, g, left)"),
    .samples =
        EBB_SAMPLES("wc(3,3) (3,2)", "wc(3,3) (3)", "wc(2,3,3) (2,3)", "wc(2,3,3) (3)", "wc(2,3,3) (3,2)",
                    "wc(3,3) (2,3,2)", "wc(2,1,2,2) (3,2,1)", "wc(3,3) (2,3) left=false", "wc(2,3,3) (4,3) left=false",
                    "(0,0) (0,2)", "(3,3) (3,0)", "(0,3,3) (3,2)", "! wc(3,3) (4,2)", "! wc(3,3) (4)", "! (2,3) (2,2)",
                    "! wc(2,3,3) (2,3) left=false", "! wc(2,3,3) (3,3,1)", "! wc(3,3) i5(3,2)", "! wc(3,3) ()"),
};

/* ---- solve_triangular ---- */

static ebb_status triangular_infer(struct ebb_infer *f) {
    const struct ebb__attrs_solve_triangular *a = f->attrs;
    ebb_status status = ebb__infer_square(f, 0);
    if (!status) status = ebb__infer_matrix(f, 1);
    if (!status) status = one_dtype(f);
    return status ? status
                  : ebb__solution_shape(&f->in[0].shape, &f->in[1].shape, false, a->left.value != 0, &f->out->shape);
}

/* In the result, where the right side lies; in scratch, should it be computed in another dtype. */
static int triangular_one(const struct ebb__matrices *x, int64_t item, char *scratch) {
    const struct ebb__attrs_solve_triangular *a = x->f->attrs;
    const struct ebb__triangle is = {a->upper, a->unitriangular, a->left.value == 0};
    ebb_tensor *t = x->f->in[0], *out = x->f->out[0];
    const int64_t n = x->n, k = x->k, size = ebb__dtype_sizes[x->how.dtype], from = ebb__partner(t, out, 2, item);
    if (x->how.dtype == out->dtype) {
        ebb__triangular_solve(x->how, is, n, k, t->data + from * n * n * size, out->data + item * n * k * size);
        return 0;
    }
    char *b = scratch + n * n * size;
    ebb__vector_load(x, t, from, n * n, scratch);
    ebb__vector_load(x, out, item, n * k, b);
    ebb__triangular_solve(x->how, is, n, k, scratch, b);
    ebb__vector_store(x, out, item, n * k, b);
    return 0;
}

static ebb_status triangular_forward(struct ebb_forward *f) {
    ebb_tensor *out = f->out[0];
    struct ebb__matrices x = ebb__matrices_of(f);
    const int64_t entries = ebb__rows(out) * ebb__columns(out);
    if (out->numel == 0) return EBB_OK;
    x.k = entries / x.n;
    x.count = out->numel / entries;
    x.work = (double)x.n * (double)entries / 2;
    x.how = ebb__lapack_for((ebb_dtype)out->dtype, x.n > x.k ? x.n : x.k, x.work);
    x.scratch = x.how.dtype == out->dtype ? 0 : (size_t)(x.n * x.n + entries) * ebb_dtype_size(x.how.dtype);
    x.one = triangular_one;
    ebb_status status = ebb__copy_into(out, f->in[1]);
    return status ? status : ebb__each_matrix(&x);
}

static void triangular_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_solve_triangular *a = v->attrs;
    ebb_tensor *x = v->out[0], *gb = ebb_solve_triangular(ebb__turned(v->in[0]), v->grad[0], !a->upper, .left = a->left,
                                                          .unitriangular = a->unitriangular);
    if (v->needs[1]) ebb_vjp_give(v, 1, gb);
    if (!v->needs[0] || !gb) return;
    ebb_tensor *ga = ebb_neg(a->left.value != 0 ? ebb_matmul(gb, ebb__turned(x)) : ebb_matmul(ebb__turned(x), gb));
    ebb_vjp_give(v, 0,
                 a->upper ? ebb_triu(ga, .diagonal = a->unitriangular) : ebb_tril(ga, .diagonal = -a->unitriangular));
}

static void triangular_batch(struct ebb_batch_call *b) {
    if (ebb__batch_ndim(b, 0) == ebb__batch_ndim(b, 1)) ebb_batch_leading(b);
    else ebb_batch_loop(b);
}

const struct ebb_op ebb_op_solve_triangular = {
    EBB_SIGNATURE(solve_triangular,
                  "Tensor self|A, Tensor B, bool upper, bool? left=true, bool unitriangular=false -> Tensor"),
    .doc = EBB_TEXT(
        "X of AX = B, or of XA = B with left=false, for triangular A = self (*, n, n), of which only that triangle is read, "
        "without its diagonal, taken to be ones, when unitriangular. Batches broadcast. A zero on the diagonal gives "
        "infinities or NaN."),
    .torch = EBB_TEXT("torch.linalg.solve_triangular"),
    .node = "LinalgSolveTriangularBackward0",
    .dtypes = EBB_FLOATING,
    .infer = triangular_infer,
    .forward = triangular_forward,
    .contiguous = true,
    .vjp = triangular_vjp,
    .batch = triangular_batch,
    .saves = {EBB_IN(0) | EBB_OUT(0), EBB_IN(0)},
    .formula = EBB_FORMULAS(
        "b = solve_triangular(self.mT, g, not upper, left, unitriangular); a = -b @ y.mT if left else -y.mT @ b; "
        "u = 1 if unitriangular else 0; triu(a, u) if upper else tril(a, -u)",
        "solve_triangular(self.mT, g, not upper, left, unitriangular)"),
    .samples =
        EBB_SAMPLES("wc(3,3) (3,2) upper=true", "wc(3,3) (3,2) upper=false", "wc(3,3) (2,3) upper=true left=false",
                    "wc(3,3) (2,3) upper=false left=false", "wc(3,3) (3,1) upper=true unitriangular=true",
                    "wc(2,3,3) (2,3,2) upper=false unitriangular=true", "wc(2,3,3) (3,2) upper=true",
                    "wc(3,3) (2,4,3) upper=true left=false unitriangular=true", "(0,0) (0,2) upper=true",
                    "(3,3) (3,0) upper=true", "(0,3,3) (3,2) upper=true", "! wc(3,3) (3) upper=true",
                    "! wc(3,3) (2,3) upper=true", "! (2,3) (2,2) upper=true", "! wc(2,3,3) (3,3,1) upper=true"),
};

/* ---- cholesky ---- */

static ebb_status cholesky_infer(struct ebb_infer *f) {
    f->out->shape = f->in[0].shape;
    return ebb__infer_square(f, 0);
}

/* The upper triangle by rows is the lower one by columns: the same work on another half. */
static int cholesky_one(const struct ebb__matrices *x, int64_t item, char *scratch) {
    const bool upper = ((const struct ebb__attrs_cholesky *)x->f->attrs)->upper;
    const int64_t n = x->n, size = ebb__dtype_sizes[x->how.dtype];
    (upper ? load_turned : ebb__matrix_load)(x, x->f->in[0], item, n, n, scratch);
    int info = ebb__cholesky(x->how, n, scratch);
    for (int64_t j = 1; j < n; j++) memset(scratch + j * n * size, 0, (size_t)(j * size));
    if (upper) ebb__vector_store(x, x->f->out[0], item, n * n, scratch);
    else ebb__matrix_store(x, x->f->out[0], item, n, n, scratch);
    return info;
}

static ebb_status cholesky_forward(struct ebb_forward *f) {
    struct ebb__matrices x = ebb__matrices_of(f);
    char batch[48];
    x.work = (double)x.n * (double)x.n * (double)x.n / 6;
    x.how = ebb__lapack_for((ebb_dtype)f->in[0]->dtype, x.n, x.work);
    x.scratch = (size_t)(x.n * x.n) * ebb_dtype_size(x.how.dtype);
    x.one = cholesky_one;
    ebb_status status = ebb__each_matrix(&x);
    if (status || x.failed < 0) return status;
    return ebb_fail(EBB_ERR_ARGUMENT,
                    "%sThe factorization could not be completed because the input is not positive-definite (the "
                    "leading minor of order %d is not positive-definite).",
                    ebb__batch_element(&x, batch), x.info);
}

/* Murray, Differentiation of the Cholesky decomposition (2016): symmetric, as the input is. */
static void cholesky_vjp(struct ebb_vjp_call *v) {
    const bool upper = ((const struct ebb__attrs_cholesky *)v->attrs)->upper;
    ebb_tensor *l = upper ? ebb__turned(v->out[0]) : v->out[0], *lt = upper ? v->out[0] : ebb__turned(v->out[0]);
    ebb_tensor *m = ebb_matmul(lt, upper ? ebb__turned(v->grad[0]) : v->grad[0]);
    m = ebb_add(ebb_tril(m), ebb_tril(m, .diagonal = -1)); /* twice the lower triangle with half the diagonal */
    m = ebb_mul(ebb_add(m, ebb__turned(m)), 0.25);
    m = ebb_solve_triangular(lt, m, true);
    ebb_vjp_give(v, 0, ebb_solve_triangular(l, m, false, .left = EBB_SET(false)));
}

const struct ebb_op ebb_op_cholesky = {
    EBB_SIGNATURE(cholesky, "Tensor self|A, bool upper=false -> Tensor"),
    .doc = EBB_TEXT(
        "L of self = L L^T, or U of self = U^T U, for symmetric positive definite matrices, of which only that triangle is "
        "read. What is not positive definite is an error. The gradient is symmetric."),
    .torch = EBB_TEXT("torch.linalg.cholesky"),
    .node = "LinalgCholeskyExBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .dtypes = EBB_FLOATING,
    .infer = cholesky_infer,
    .forward = cholesky_forward,
    .contiguous = true,
    .vjp = cholesky_vjp,
    .batch = ebb_batch_leading,
    .saves = {EBB_OUT(0)},
    .formula = EBB_FORMULAS(
        "L = y.mT if upper else y; m = L.mT @ (g.mT if upper else g); m = tril(m) + tril(m, -1); m = (m + m.mT) / 4; "
        "solve_triangular(L, solve_triangular(L.mT, m, True), False, False)"),
    .samples = EBB_SAMPLES("spd(3,3)", "spd(3,3) upper=true", "spd(2,3,3)", "spd(2,4,4) upper=true", "spd(1,1)",
                           "(0,0)", "(2,0,0)", "(0,3,3)", "! (2,3)", "! (3)", "! i5(3,3)"),
};

static ebb_tensor *cholesky_solve(struct ebb_forward *f) {
    const bool upper = ((const struct ebb__attrs_cholesky_solve *)f->attrs)->upper;
    if (f->in[1]->ndim < 2 || f->in[0]->ndim < 2) {
        ebb_fail(EBB_ERR_SHAPE, "expected matrices, got %d and %d dimensions", f->in[0]->ndim, f->in[1]->ndim);
        return NULL;
    }
    ebb_tensor *l = f->in[1], *turned = ebb__turned(l);
    ebb_tensor *y = ebb_solve_triangular(upper ? turned : l, f->in[0], false);
    return ebb_solve_triangular(upper ? l : turned, y, true);
}

/* With S = A^-1 g: dA = -S X^T, and dL from A = L L^T; what lies beside the triangle that is read has no gradient. */
static void cholesky_solve_vjp(struct ebb_vjp_call *v) {
    const bool upper = ((const struct ebb__attrs_cholesky_solve *)v->attrs)->upper;
    ebb_tensor *l = v->in[1], *s = ebb_cholesky_solve(v->grad[0], l, .upper = upper);
    if (v->needs[0]) ebb_vjp_give(v, 0, s);
    if (!v->needs[1] || !s) return;
    ebb_tensor *both = ebb_matmul(s, ebb__turned(v->out[0]));
    both = ebb_neg(ebb_add(both, ebb__turned(both)));
    if (upper) ebb_vjp_give(v, 1, ebb_triu(ebb_matmul(ebb_triu(l), both)));
    else ebb_vjp_give(v, 1, ebb_tril(ebb_matmul(both, ebb_tril(l))));
}

const struct ebb_op ebb_op_cholesky_solve = {
    EBB_SIGNATURE(cholesky_solve, "Tensor self, Tensor input2, bool upper=false -> Tensor"),
    .doc = EBB_TEXT("X of AX = self, where A = L L^T for L = input2, or L^T L when upper: by two triangular systems."),
    .torch = EBB_TEXT("torch.cholesky_solve"),
    .node = "CholeskySolveBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .compose = cholesky_solve,
    .vjp = cholesky_solve_vjp,
    .batch = triangular_batch,
    .saves = {EBB_IN(1), EBB_IN(1) | EBB_OUT(0)},
    .formula =
        EBB_FORMULAS("cholesky_solve(g, input2, upper)",
                     "s = cholesky_solve(g, input2, upper) @ y.mT; s = s + s.mT; -triu(triu(input2) @ s) if upper else "
                     "-tril(s @ tril(input2))"),
    .samples = EBB_SAMPLES("(3,2) wc(3,3)", "(3,2) wc(3,3) upper=true", "(2,3,1) wc(3,3)", "(3,2) wc(2,3,3)",
                           "(0,2) (0,0)", "! (3) wc(3,3)", "! (4,2) wc(3,3)"),
};
