/* Determinants and inverses: det, slogdet, logdet, inv, by LU factors with partial pivoting. */
#define EBB_FAMILY "Linear algebra"
#include "ops/linalg.h"
#include <math.h>

/* ---- det, slogdet ---- */

static void set(ebb_tensor *t, int64_t item, double value) {
    ebb__store(t->data + item * ebb__dtype_sizes[t->dtype], (ebb_dtype)t->dtype, value);
}

/* The results, and with them LU and pivots, which come last. */
static ebb_status det_infer(struct ebb_infer *f) {
    const ebb_dims *s = &f->in[0].shape;
    const int64_t lu = f->n_out - 2;
    ebb_status status = ebb__infer_square(f, 0);
    if (status) return status;
    for (int64_t i = 0; i < lu; i++) f->out[i].shape = ebb__dims_ending(*s, 2, EBB_NO_DIMS);
    f->out[lu].shape = *s;
    f->out[lu + 1] = (ebb_meta){.dtype = EBB_I32, .shape = ebb__dims_ending(*s, 1, EBB_NO_DIMS)};
    return EBB_OK;
}

/* A determinant out of one matrix's factors, or its sign and the logarithm of its size. */
static double of_diagonal(const struct ebb__matrices *x, int64_t item, double *ret_logarithm) {
    const ebb_tensor *lu = x->f->out[0];
    const int *pivot = (const int *)(const void *)x->f->out[1]->data + item * x->n;
    const int64_t size = ebb__dtype_sizes[lu->dtype];
    const char *at = lu->data + item * x->n * x->n * size;
    double det = 1, logarithm = 0;
    for (int64_t i = 0; i < x->n; i++, at += (x->n + 1) * size) {
        double d = ebb__load(at, (ebb_dtype)lu->dtype);
        if (ret_logarithm) logarithm += log(fabs(d));
        if (ret_logarithm) d = (double)((d > 0) - (d < 0));
        det *= pivot[i] != i + 1 ? -d : d;
    }
    if (ret_logarithm) *ret_logarithm = logarithm;
    return det;
}

static ebb_status det_forward(struct ebb_forward *f) {
    const int64_t results = f->n_out - 2;
    const struct ebb_forward factors = {.op = f->op, .n_in = 1, .in = f->in, .out = f->out + results, .n_out = 2};
    struct ebb__matrices x;
    ebb_status status = ebb__lu_factors(&factors, true, &x);
    for (int64_t item = 0; item < x.count && !status; item++) {
        double logarithm;
        set(f->out[0], item, of_diagonal(&x, item, results > 1 ? &logarithm : NULL));
        if (results > 1) set(f->out[1], item, logarithm);
    }
    return status;
}

/* A^-T, with A's factors where they may be used. */
static ebb_tensor *turned_inverse(ebb_tensor *a, ebb_tensor *lu, ebb_tensor *pivots) {
    if (!ebb__may_use_factors(lu)) return ebb__turned(ebb_inv_ex(a));
    return ebb_lu_solve(lu, pivots, ebb_eye(ebb__rows(lu), .dtype = (ebb_dtype)lu->dtype), .adjoint = true);
}

static bool any_zero(const ebb_tensor *t) {
    for (int64_t i = 0; i < t->numel; i++)
        if (ebb__load(t->data + i * ebb__dtype_sizes[t->dtype], (ebb_dtype)t->dtype) == 0) return true;
    return false;
}

/* The products of all elements of s (…, n) but one. */
static ebb_tensor *products_of_others(ebb_tensor *s) {
    int64_t n = ebb__columns(s);
    ebb_tensor *p = ebb_ones_like(s);
    for (int64_t i = 0; i < n; i++) {
        ebb_tensor *mine = ebb_eq(ebb_arange(0, n, 1, .dtype = EBB_I64), ebb_number_i64(i));
        p = ebb_mul(p, ebb_where(mine, 1.0, ebb_slice(s, -1, i, i + 1)));
    }
    return p;
}

/* d det = tr(adj(a) da): det a^-T where that exists; by singular values, as products without division, where not
 * (Stewart, On the adjugate matrix, Linear Algebra Appl. 283, 1998). */
static void det_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *a = v->in[0], *g = ebb_unsqueeze(ebb_unsqueeze(v->grad[0], -1), -1);
    if (!any_zero(v->out[0])) {
        ebb_tensor *det = ebb_unsqueeze(ebb_unsqueeze(v->out[0], -1), -1);
        ebb_vjp_give(v, 0, ebb_mul(ebb_mul(g, det), turned_inverse(a, v->out[1], v->out[2])));
        return;
    }
    ebb_tensor *s, *vh, *u = ebb_svd(a, .ret_S = &s, .ret_Vh = &vh);
    ebb_tensor *sign = ebb_mul(ebb_det(u), ebb_det(vh));
    g = ebb_mul(g, ebb_unsqueeze(ebb_unsqueeze(sign, -1), -1));
    u = ebb_mul(u, ebb_unsqueeze(products_of_others(s), -2));
    ebb_vjp_give(v, 0, ebb_mul(g, ebb_matmul(u, vh)));
}

const struct ebb_op ebb_op_det = {
    EBB_SIGNATURE(det, "Tensor A -> Tensor output, Tensor LU[], Tensor pivots[]"),
    .doc = EBB_TEXT(
        "Determinants of square matrices. The gradient is right for singular matrices too; the second derivative there "
        "needs distinct singular values. lu_factor's factors of A are kept for the gradient."),
    .torch = EBB_TEXT("torch.linalg.det"),
    .node = "LinalgDetBackward0",
    .dtypes = EBB_FLOATING,
    .infer = det_infer,
    .forward = det_forward,
    .contiguous = true,
    .vjp = det_vjp,
    .batch = ebb_batch_leading,
    .constant_outs = EBB_OUT(1) | EBB_OUT(2),
    .saves = {EBB_IN(0) | EBB_OUT(0) | EBB_OUT(1) | EBB_OUT(2)},
    .formula = EBB_FORMULAS("(g * y)[..., None, None] * inv(A).mT"),
    .samples = EBB_SAMPLES("wc(3,3)", "(4,4)", "(2,3,3)", "wc(2,1,2,2)", "(1,1)", "(0,0)", "(2,0,0)", "(0,3,3)",
                           "! (2,3)", "! (3)", "! i5(3,3)"),
};

static void slogdet_vjp(struct ebb_vjp_call *v) {
    if (!v->grad[1]) return;
    ebb_tensor *g = ebb_unsqueeze(ebb_unsqueeze(v->grad[1], -1), -1);
    ebb_vjp_give(v, 0, ebb_mul(g, turned_inverse(v->in[0], v->out[2], v->out[3])));
}

const struct ebb_op ebb_op_slogdet = {
    EBB_SIGNATURE(slogdet, "Tensor A -> Tensor sign, Tensor logabsdet, Tensor LU[], Tensor pivots[]"),
    .doc = EBB_TEXT(
        "Signs and logarithms of the absolute values of determinants: 0 and -inf for a singular matrix, where the "
        "gradient is not finite. lu_factor's factors of A are kept for the gradient."),
    .torch = EBB_TEXT("torch.linalg.slogdet"),
    .node = "LinalgSlogdetBackward0",
    .dtypes = EBB_FLOATING,
    .infer = det_infer,
    .forward = det_forward,
    .contiguous = true,
    .vjp = slogdet_vjp,
    .undefined_grads = true,
    .batch = ebb_batch_leading,
    .constant_outs = EBB_OUT(2) | EBB_OUT(3),
    .saves = {EBB_IN(0) | EBB_OUT(2) | EBB_OUT(3)},
    .formula = EBB_FORMULAS("g_logabsdet[..., None, None] * inv(A).mT"),
    .samples = EBB_SAMPLES("wc(3,3)", "(4,4)", "(2,3,3)", "(1,1)", "(0,0)", "(2,0,0)", "(0,3,3)", "! (2,3)", "! (3)",
                           "! i5(3,3)"),
};

static ebb_tensor *logdet(struct ebb_forward *f) {
    ebb_tensor *size, *sign = ebb_slogdet(f->in[0], .ret_logabsdet = &size);
    return sign ? ebb_where(ebb_eq(sign, -1), (double)NAN, size) : NULL;
}

const struct ebb_op ebb_op_logdet = {
    EBB_SIGNATURE(logdet, "Tensor input -> Tensor"),
    .doc = EBB_TEXT("Logarithms of determinants: NaN for a negative one, -inf for 0."),
    .torch = EBB_TEXT("torch.logdet"),
    .compose = logdet,
    .parts = EBB_TEXT("d = slogdet(input); where(d.sign == -1, nan, d.logabsdet)"),
    .samples = EBB_SAMPLES("wc(3,3)", "wc(2,4,4)", "(0,0)", "(0,3,3)", "! (2,3)", "! (3)"),
};

/* ---- inv, inv_ex ---- */

/* With a second result, why it failed, it goes on where the matrix is singular, dividing by zero, unless that is to be
 * an error. */
static int inv_one(const struct ebb__matrices *x, int64_t item, char *scratch) {
    const int64_t n = x->n, size = ebb__dtype_sizes[x->how.dtype];
    const struct ebb__attrs_inv_ex *a = x->f->op->n_out == 2 ? x->f->attrs : NULL;
    char *b = scratch + n * n * size;
    int *pivot = (int *)(void *)(b + n * n * size);
    ebb__matrix_load(x, x->f->in[0], item, n, n, scratch);
    int info = ebb__lu(x->how, n, n, true, scratch, pivot);
    if (a) set(x->f->out[1], item, info);
    if (info && (!a || a->check_errors)) return info;
    for (int64_t i = 0; i < n * n; i++) ebb__store(b + i * size, x->how.dtype, i % (n + 1) == 0);
    ebb__lu_solve(x->how, n, n, scratch, pivot, false, b);
    ebb__matrix_store(x, x->f->out[0], item, n, n, b);
    return 0;
}

static ebb_status inv_infer(struct ebb_infer *f) {
    ebb_status status = ebb__infer_square(f, 0);
    f->out[0].shape = f->in[0].shape;
    if (status || f->op->n_out != 2) return status;
    f->out[1] = (ebb_meta){.dtype = EBB_I32, .shape = ebb__dims_ending(f->in[0].shape, 2, EBB_NO_DIMS)};
    return EBB_OK;
}

static ebb_status inv_forward(struct ebb_forward *f) {
    struct ebb__matrices x = ebb__matrices_of(f);
    char batch[48];
    x.work = (double)x.n * (double)x.n * (double)x.n;
    x.how = ebb__lapack_for((ebb_dtype)f->in[0]->dtype, x.n, x.work);
    x.scratch = 2 * (size_t)(x.n * x.n) * ebb_dtype_size(x.how.dtype) + (size_t)x.n * sizeof(int);
    x.one = inv_one;
    ebb_status status = ebb__each_matrix(&x);
    if (status || x.failed < 0) return status;
    return ebb_fail(EBB_ERR_ARGUMENT,
                    "%sThe diagonal element %d is zero, the inversion could not be completed because the input matrix "
                    "is singular.",
                    ebb__batch_element(&x, batch), x.info);
}

static void inv_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *y = ebb__turned(v->out[0]);
    if (v->grad[0]) ebb_vjp_give(v, 0, ebb_neg(ebb_matmul(y, ebb_matmul(v->grad[0], y))));
}

#define INVERSE(name_, signature_, torch_, doc_) \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, signature_), \
        .doc = EBB_TEXT(doc_), \
        .batch = ebb_batch_leading, \
        .torch = EBB_TEXT(torch_), \
        .node = "LinalgInvExBackward0", \
        .autocast = EBB_AUTOCAST_F32, \
        .dtypes = EBB_FLOATING, \
        .infer = inv_infer, \
        .forward = inv_forward, \
        .contiguous = true, \
        .vjp = inv_vjp, \
        .undefined_grads = true, \
        .saves = {EBB_OUT(0)}, \
        .formula = EBB_FORMULAS("-y.mT @ g @ y.mT"), \
        .samples = EBB_SAMPLES("wc(3,3)", "wc(4,4)", "wc(2,3,3)", "wc(2,1,2,2)", "(1,1)", "(0,0)", "(2,0,0)", \
                               "(0,3,3)", "! (2,3)", "! (3)", "! i5(3,3)"), \
    }
INVERSE(inv, "Tensor A -> Tensor", "torch.linalg.inv", "Inverses of square matrices. A singular one is an error.");
INVERSE(
    inv_ex, "Tensor A, bool check_errors=false -> Tensor inverse, Tensor info", "torch.linalg.inv_ex",
    "Inverses of square matrices, with infinities or NaN for a singular one, and where the factorization met its first "
    "zero on the diagonal: int32, counted from 1, 0 where all went well. With check_errors a singular one is an error.");
