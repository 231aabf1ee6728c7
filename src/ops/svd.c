/* Singular values and vectors, and what is made of them: svd, svdvals, pinv, lstsq. */
#define EBB_FAMILY "Linear algebra"
#include "ops/batching.h"
#include "ops/linalg.h"
#include <float.h>
#include <math.h>

static ebb_status infer(struct ebb_infer *f) {
    const ebb_dims *s = &f->in[0].shape;
    ebb_status status = ebb__infer_matrix(f, 0);
    if (status) return status;
    int64_t m = s->d[s->n - 2], n = s->d[s->n - 1], k = m < n ? m : n;
    bool values_only = f->op->n_out != 3;
    f->out[values_only ? 0 : 1].shape = ebb__dims_ending(*s, 2, EBB_DIMS(k));
    if (values_only) return EBB_OK;
    bool full = ((const struct ebb__attrs_svd *)f->attrs)->full_matrices.value != 0;
    f->out[0].shape = ebb__dims_ending(*s, 2, EBB_DIMS(m, full ? m : k));
    f->out[2].shape = ebb__dims_ending(*s, 2, EBB_DIMS(full ? n : k, n));
    return EBB_OK;
}

static int one(const struct ebb__matrices *x, int64_t item, char *scratch) {
    ebb_tensor *const *out = x->f->out;
    bool vectors = x->f->op->n_out == 3;
    const int64_t m = x->m, n = x->n, k = m < n ? m : n, size = ebb__dtype_sizes[x->how.dtype];
    const int64_t columns = vectors ? ebb__columns(out[0]) : 0, rows = vectors ? ebb__rows(out[2]) : 0;
    char *u = scratch + m * n * size, *vt = u + m * columns * size, *s = vt + rows * n * size;
    ebb__matrix_load(x, x->f->in[0], item, m, n, scratch);
    bool full = vectors && (columns > k || rows > k);
    int info = ebb__svd(x->how, m, n, full, scratch, s, vectors ? u : NULL, vectors ? vt : NULL, s + k * size);
    ebb__vector_store(x, out[vectors ? 1 : 0], item, k, s);
    if (vectors) ebb__matrix_store(x, out[0], item, m, columns, u);
    if (vectors) ebb__matrix_store(x, out[2], item, rows, n, vt);
    return info;
}

static ebb_status forward(struct ebb_forward *f) {
    struct ebb__matrices x = ebb__matrices_of(f);
    bool vectors = f->op->n_out == 3;
    const int64_t m = x.m, n = x.n, k = m < n ? m : n;
    const int64_t columns = vectors ? ebb__columns(f->out[0]) : 0, rows = vectors ? ebb__rows(f->out[2]) : 0;
    const bool full = vectors && (columns > k || rows > k);
    char batch[48];
    x.work = (double)m * (double)n * (double)k * (vectors ? 10 : 4);
    x.how = ebb__lapack_for((ebb_dtype)f->in[0]->dtype, m > n ? m : n, x.work);
    x.scratch = (size_t)(m * n + m * columns + rows * n + k + ebb__svd_scratch(x.how, m, n, vectors, full)) *
                ebb_dtype_size(x.how.dtype);
    x.one = one;
    ebb_status status = ebb__each_matrix(&x);
    if (status || x.failed < 0) return status;
    return ebb_fail(EBB_ERR_ARGUMENT,
                    "%sThe algorithm failed to converge because the input matrix is ill-conditioned, has too many "
                    "repeated singular values, or contains non-finite values (error code: %d).",
                    ebb__batch_element(&x, batch), x.info);
}

static ebb_tensor *skew(ebb_tensor *x) { return ebb_sub(x, ebb__turned(x)); }

/* The part inside u … vh: (skew(u^T gu) / e) s + s (skew(vh gvh^T) / e) + diag(gs), where e_ij = s_j^2 - s_i^2. */
static ebb_tensor *core(ebb_tensor *u, ebb_tensor *s, ebb_tensor *vh, ebb_tensor *gu, ebb_tensor *gs, ebb_tensor *gvh) {
    ebb_tensor *row = ebb_unsqueeze(s, -2), *column = ebb_unsqueeze(s, -1), *m = NULL;
    ebb_tensor *e = ebb__with_diagonal(ebb_sub(ebb_mul(row, row), ebb_mul(column, column)), ebb_number_f64(1));
    if (gu) m = ebb_mul(ebb_div(skew(ebb_matmul(ebb__turned(u), gu)), e), row);
    if (gvh) {
        ebb_tensor *right = ebb_mul(column, ebb_div(skew(ebb_matmul(vh, ebb__turned(gvh))), e));
        m = m ? ebb_add(m, right) : right;
    }
    return gs ? ebb__with_diagonal(m, ebb_unsqueeze(gs, -1)) : m;
}

/* What the first k columns, or rows, of full matrices get: the others have no gradient, as in PyTorch. */
static ebb_tensor *first(ebb_tensor *x, int64_t dim, int64_t k) {
    return !x || ebb_tensor_size(x, (int)dim) == k ? x : ebb_slice(x, dim, 0, k);
}

/* Townsend, Differentiating the singular value decomposition (2016). */
static void svd_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *s = v->out[1], *gs = v->grad[1];
    int64_t k = s ? ebb__columns(s) : 0, m = ebb__rows(v->out[0]), n = ebb__columns(v->out[2]);
    ebb_tensor *u = first(v->out[0], -1, k), *vh = first(v->out[2], -2, k);
    ebb_tensor *gu = first(v->grad[0], -1, k), *gvh = first(v->grad[2], -2, k);
    if (!gu && !gs && !gvh) return;
    if (!gu && !gvh) {
        ebb_vjp_give(v, 0,
                     ebb_matmul(m >= n ? u : ebb_mul(u, ebb_unsqueeze(gs, -2)),
                                m >= n ? ebb_mul(ebb_unsqueeze(gs, -1), vh) : vh));
        return;
    }
    ebb_tensor *inner = core(u, s, vh, gu, gs, gvh), *left = ebb_matmul(u, inner);
    if (m > k && gu) { /* what of gu lies outside of u's columns */
        ebb_tensor *outside = ebb_sub(gu, ebb_matmul(u, ebb_matmul(ebb__turned(u), gu)));
        left = ebb_add(left, ebb_div(outside, ebb_unsqueeze(s, -2)));
    }
    ebb_tensor *ga = ebb_matmul(left, vh);
    if (n > k && gvh) {
        ebb_tensor *outside = ebb_sub(gvh, ebb_matmul(ebb_matmul(gvh, ebb__turned(vh)), vh));
        ga = ebb_add(ga, ebb_matmul(ebb_div(u, ebb_unsqueeze(s, -2)), outside));
    }
    ebb_vjp_give(v, 0, ga);
}

const struct ebb_op ebb_op_svd = {
    EBB_SIGNATURE(svd, "Tensor A, bool? full_matrices=true -> Tensor U, Tensor S, Tensor Vh"),
    .doc = EBB_TEXT(
        "A = U diag(S) Vh with orthonormal columns in U and rows in Vh and S descending. For A (*, m, n) and k = min(m, "
        "n), U is (*, m, m) and Vh (*, n, n), or (*, m, k) and (*, k, n) with full_matrices=false. U and Vh are "
        "determined up to common signs; their gradient is finite only where singular values are distinct and, for m "
        "!= n, not 0. Columns of U and rows of Vh beyond k get no gradient. The gradient of S alone needs none of "
        "this."),
    .torch = EBB_TEXT("torch.linalg.svd"),
    .node = "LinalgSvdBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .dtypes = EBB_FLOATING,
    .infer = infer,
    .forward = forward,
    .contiguous = true,
    .vjp = svd_vjp,
    .undefined_grads = true,
    .batch = ebb_batch_leading,
    .saves = {EBB_OUT(0) | EBB_OUT(1) | EBB_OUT(2)},
    .formula = EBB_FORMULAS(
        "'U ((skew(U^T g_U) / E) S + S (skew(Vh g_Vh^T) / E) + diag(g_S)) Vh + what lies outside, E = S_j^2 - S_i^2'"),
    .samples = EBB_SAMPLES("wc(3,3)", "wc(3,2) full_matrices=false", "wc(2,3) full_matrices=false",
                           "wc(2,3,2) full_matrices=false", "wc(2,2,2)", "wc(1,2,2,4) full_matrices=false", "(1,1)",
                           "(0,0)", "(0,3,2)", "(0,3)", "(3,0)", "(3,0) full_matrices=false", "! (3)", "! i5(3,3)"),
};

/* The vectors are computed when a gradient flows, and only then. */
static void svdvals_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *vh, *u = ebb_svd(v->in[0], .full_matrices = EBB_SET(false), .ret_Vh = &vh);
    ebb_vjp_give(v, 0, u ? ebb_matmul(ebb_mul(u, ebb_unsqueeze(v->grad[0], -2)), vh) : NULL);
}

const struct ebb_op ebb_op_svdvals = {
    EBB_SIGNATURE(svdvals, "Tensor A -> Tensor"),
    .doc = EBB_TEXT(
        "Singular values, descending. The second derivative needs distinct ones, and none that is 0 for m != n."),
    .torch = EBB_TEXT("torch.linalg.svdvals"),
    .node = "LinalgSvdBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .dtypes = EBB_FLOATING,
    .infer = infer,
    .forward = forward,
    .contiguous = true,
    .vjp = svdvals_vjp,
    .batch = ebb_batch_leading,
    .saves = {EBB_IN(0)},
    .formula = EBB_FORMULAS("U, S, Vh = svd(A, False); U @ diag_embed(g) @ Vh"),
    .samples = EBB_SAMPLES("wc(3,3)", "wc(3,2)", "wc(2,3)", "wc(2,3,2)", "(1,1)", "(0,0)", "(0,3,2)", "(0,3)", "(3,0)",
                           "! (3)", "! i5(3,3)"),
};

/* ---- pinv ---- */

/* What rounding leaves of singular values that are 0, relative to the largest. */
static double rounding(const ebb_tensor *x) {
    int64_t m = ebb__rows(x), n = ebb__columns(x);
    return (x->dtype == EBB_F64 ? DBL_EPSILON : (double)FLT_EPSILON) * (double)(m > n ? m : n);
}

static ebb_tensor *pinv(struct ebb_forward *f) {
    const struct ebb__attrs_pinv *a = f->attrs;
    ebb_tensor *x = f->in[0], *s, *vh;
    if (x->ndim < 2 || !ebb__is_floating(x->dtype)) {
        ebb_fail(x->ndim < 2 ? EBB_ERR_SHAPE : EBB_ERR_DTYPE, "expected floating-point matrices");
        return NULL;
    }
    double atol = a->atol.given ? a->atol.value : 0;
    double rtol = a->rtol.given ? a->rtol.value : atol > 0 ? 0 : rounding(x);
    if (x->numel == 0)
        return ebb_zeros(ebb__dims_ending(ebb_tensor_shape(x), 2, EBB_DIMS(ebb__columns(x), ebb__rows(x))),
                         .dtype = (ebb_dtype)x->dtype);
    ebb_tensor *u = a->hermitian ? NULL : ebb_svd(x, .full_matrices = EBB_SET(false), .ret_S = &s, .ret_Vh = &vh);
    if (a->hermitian && (s = ebb_eigh(x, .ret_eigenvectors = &u))) vh = ebb__turned(u);
    if (!u || !s) return NULL;
    ebb_tensor *sizes = ebb_abs(s), *largest = ebb_amax(sizes, .dim = EBB_DIMS(-1), .keepdim = true);
    ebb_tensor *least = ebb_maximum(ebb_mul(largest, rtol), ebb_full_like(s, atol));
    ebb_tensor *inverse = ebb_where(ebb_gt(sizes, least), ebb_reciprocal(s), 0.0);
    return ebb_matmul(ebb_mul(ebb__turned(vh), ebb_unsqueeze(inverse, -2)), ebb__turned(u));
}

/* That of a, of the gradient g of its pseudo-inverse p. Golub and Pereyra, The differentiation of pseudo-inverses and
 * nonlinear least squares problems whose variables separate, SIAM J. Numer. Anal. 10 (1973): valid where the rank does
 * not change. */
static ebb_tensor *pinv_gradient(ebb_tensor *a, ebb_tensor *p, ebb_tensor *g) {
    ebb_tensor *pt = ebb__turned(p), *gt = ebb__turned(g);
    if (ebb__rows(a) <= ebb__columns(a)) {
        ebb_tensor *k = ebb_matmul(gt, p), *kp = ebb_matmul(k, pt);
        ebb_tensor *r = ebb_sub(kp, ebb__turned(ebb_matmul(p, k)));
        r = ebb_sub(r, ebb_matmul(ebb_matmul(a, p), kp));
        return ebb_add(r, ebb_matmul(ebb_matmul(pt, p), ebb_sub(gt, ebb_matmul(k, a))));
    }
    ebb_tensor *k = ebb_matmul(p, gt), *pk = ebb_matmul(pt, k);
    ebb_tensor *r = ebb_sub(pk, ebb__turned(ebb_matmul(k, p)));
    r = ebb_add(r, ebb_matmul(ebb_matmul(ebb_sub(gt, ebb_matmul(a, k)), p), pt));
    return ebb_sub(r, ebb_matmul(ebb_matmul(pk, p), a));
}

static void pinv_vjp(struct ebb_vjp_call *v) {
    const bool hermitian = ((const struct ebb__attrs_pinv *)v->attrs)->hermitian;
    ebb_tensor *a = v->in[0];
    if (hermitian) a = ebb_add(ebb_tril(a), ebb__turned(ebb_tril(a, .diagonal = -1)));
    ebb_tensor *r = pinv_gradient(a, v->out[0], v->grad[0]);
    if (hermitian) r = ebb_mul(ebb_add(r, ebb__turned(r)), 0.5);
    ebb_vjp_give(v, 0, r);
}

static void pinv_batch(struct ebb_batch_call *b) {
    if (ebb__batch_ndim(b, 0) < 2) ebb_fail(EBB_ERR_SHAPE, "expected floating-point matrices");
    else ebb_batch_leading(b);
}

const struct ebb_op ebb_op_pinv = {
    EBB_SIGNATURE(pinv, "Tensor self, float? atol=none, float? rtol=none, bool hermitian=false -> Tensor"),
    .doc = EBB_TEXT(
        "Moore and Penrose's pseudo-inverse: singular values up to max(atol, rtol times the largest) count as 0. Without "
        "either, rtol is max(m, n) times the dtype's epsilon. Of hermitian matrices only the lower triangle is read, and the "
        "gradient is symmetric. Differentiable where the rank stays the same."),
    .torch = EBB_TEXT("torch.linalg.pinv"),
    .node = "LinalgPinvBackward0",
    .dtypes = EBB_FLOATING,
    .compose = pinv,
    .vjp = pinv_vjp,
    .batch = pinv_batch,
    .saves = {EBB_IN(0) | EBB_OUT(0)},
    .formula = EBB_FORMULAS("'-(y g^T y)^T + (I - A y) g y^T y ... (Golub and Pereyra 1973)'"),
    .samples =
        EBB_SAMPLES("wc(3,3)", "wc(3,2)", "wc(2,3)", "wc(2,3,2)", "wc(3,3) atol=0.01", "wc(3,3) rtol=0.01",
                    "sym(3,3) hermitian=true", "spd(2,3,3) hermitian=true", "(0,3)", "(0,3,2)", "! (3)", "! i5(3,3)"),
};

/* ---- lstsq ---- */

enum { GELSY, GELSD, GELSS, GELS }; /* LAPACK's names of methods, which decide what is told beside the solution */

static bool check_lstsq(const ebb_tensor *x, const ebb_tensor *b, bool *ret_vector) {
    ebb_dims of_x = ebb_tensor_shape(x), of_b = ebb_tensor_shape(b);
    bool fits = x->ndim >= 2 && b->ndim >= x->ndim - 1 && b->ndim <= x->ndim;
    *ret_vector = fits && ebb__is_vector(&of_x, &of_b);
    if (fits && ebb__rows(x) == b->dims[b->ndim - (*ret_vector ? 1 : 2)]) return true;
    char tx[EBB__SHAPE_TEXT], tb[EBB__SHAPE_TEXT];
    ebb_fail(EBB_ERR_SHAPE, "expected A (*, m, n) and B (*, m, k), or (*, m), got %s and %s",
             ebb__shape_text(tx, of_x.n, of_x.d), ebb__shape_text(tb, of_b.n, of_b.d));
    return false;
}

/* How many singular values of each matrix are more than rcond times the largest. */
static ebb_tensor *rank_of(ebb_tensor *x, ebb_tensor *s, const ebb_setting *rcond) {
    double r = rcond->given ? rcond->value : rounding(x);
    ebb_dims shape = ebb_tensor_shape(s);
    if (shape.d[shape.n - 1] == 0) return ebb_sum(ebb_to(s, EBB_I64), .dim = EBB_DIMS(-1));
    return ebb_sum(ebb_gt(s, ebb_mul(ebb_amax(s, .dim = EBB_DIMS(-1), .keepdim = true), r)), .dim = EBB_DIMS(-1));
}

/* Of the solution pinv(A) B, and of the residuals, the sums of squares of R = AX - B down its columns. */
static void lstsq_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_lstsq *a = v->attrs;
    ebb_tensor *matrix = v->in[0], *b = v->in[1], *x = v->out[0], *gx = v->grad[0], *residuals = v->grad[1], *r = NULL;
    ebb_dims of_a = ebb_tensor_shape(matrix), of_b = ebb_tensor_shape(b);
    bool vector = ebb__is_vector(&of_a, &of_b);
    if (vector) {
        b = ebb_unsqueeze(b, -1);
        x = ebb_unsqueeze(x, -1);
        if (gx) gx = ebb_unsqueeze(gx, -1);
    }
    if (residuals && residuals->numel) { /* their gradient by X is 0, as it makes them least, but not its own */
        r = ebb_mul(ebb_sub(ebb_matmul(matrix, x), b), ebb_mul(ebb_unsqueeze(residuals, -2), 2));
        ebb_tensor *by_x = ebb_matmul(ebb__turned(matrix), r);
        gx = gx ? ebb_add(gx, by_x) : by_x;
    }
    if (!gx) return;
    ebb_tensor *p = ebb_pinv(matrix, .rtol = a->rcond);
    if (v->needs[0]) {
        ebb_tensor *ga = pinv_gradient(matrix, p, ebb_matmul(gx, ebb__turned(b)));
        ebb_vjp_give(v, 0, r ? ebb_add(ga, ebb_matmul(r, ebb__turned(x))) : ga);
    }
    if (!v->needs[1]) return;
    ebb_tensor *gb = ebb_matmul(ebb__turned(p), gx);
    if (r) gb = ebb_sub(gb, r);
    ebb_vjp_give(v, 1, vector ? ebb_squeeze(gb, .dim = EBB_DIMS(-1)) : gb);
}

static ebb_list lstsq(struct ebb_forward *f) {
    const struct ebb__attrs_lstsq *a = f->attrs;
    ebb_tensor *x = f->in[0], *b = f->in[1], **out = ebb_list_room(4), *s = NULL, *rank = NULL;
    bool vector;
    if (!out || !check_lstsq(x, b, &vector)) return (ebb_list){0, NULL};
    if (vector) b = ebb_unsqueeze(b, -1);
    out[0] = ebb_matmul(ebb_pinv(x, .rtol = a->rcond), b);
    s = ebb_svdvals(x);
    rank = s ? rank_of(x, s, &a->rcond) : NULL;
    const bool full = rank && ebb_item(ebb_all(ebb_eq(rank, ebb__columns(x)))) != 0;
    bool residuals = a->driver != GELSY && ebb__rows(x) > ebb__columns(x) && full;
    if (residuals) out[1] = ebb_sum(ebb_square(ebb_sub(ebb_matmul(x, out[0]), b)), .dim = EBB_DIMS(-2));
    else out[1] = ebb_empty(EBB_DIMS(0), .dtype = ebb_tensor_dtype(x));
    out[2] = a->driver == GELS ? ebb_empty(EBB_DIMS(0), .dtype = EBB_I64) : rank;
    out[3] = a->driver == GELSD || a->driver == GELSS ? s : ebb_empty(EBB_DIMS(0), .dtype = ebb_tensor_dtype(x));
    if (vector) out[0] = ebb_squeeze(out[0], .dim = EBB_DIMS(-1));
    return (ebb_list){out[0] && out[1] && out[2] && out[3] ? 4 : 0, out};
}

const struct ebb_op ebb_op_lstsq = {
    EBB_SIGNATURE(lstsq, "Tensor self|A, Tensor b|B, float? rcond=none, enum(gelsy|gelsd|gelss|gels) driver=gelsy "
                         "-> Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values"),
    .doc = EBB_TEXT(
        "The X of least norm that makes the norm of AX - B least, for A = self and B = b: pinv(A) B, by singular values in any "
        "case. B is a batch of vectors when it has one dimension less than A. driver, LAPACK's name of a method, decides "
        "what is told beside the solution, as in PyTorch; the rest is empty. rank: of all but gels, the number of "
        "singular values above rcond times the largest. residuals: of all but gelsy, the sums of squares of AX - B where A "
        "has more rows than columns and full rank. singular_values: of gelsd and gelss."),
    .torch = EBB_TEXT("torch.linalg.lstsq"),
    .node = "LinalgLstsqBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .compose_list = lstsq,
    .vjp = lstsq_vjp,
    .undefined_grads = true,
    .constant_outs = EBB_OUT(2) | EBB_OUT(3),
    .saves = {EBB_IN(0) | EBB_IN(1) | EBB_OUT(0), EBB_IN(0) | EBB_IN(1) | EBB_OUT(0)},
    .formula =
        EBB_FORMULAS("'that of pinv(self), whose gradient is g_solution @ b.mT; and the share of the sums of squares'",
                     "'pinv(self).mT @ g_solution; and the share of the sums of squares'"),
    .samples = EBB_SAMPLES("wc(3,2) (3,4)", "wc(2,3) (2,1)", "wc(3,2) (3)", "wc(2,3,2) (2,3,1) driver=gelsd",
                           "wc(2,3,2) (2,3)", "wc(3,2) (3,4) driver=gels", "wc(4,2) (4) driver=gelss", "(0,2) (0,1)",
                           "! (3) (3)", "! wc(3,2) (2,1)", "! wc(2,3,2) (3)", "! wc(3,2) (2,3,1)"),
};
