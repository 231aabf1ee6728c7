/* Determinants and inverses: det, slogdet, logdet, inv, by LU factors with partial pivoting. */
#define EBB_FAMILY "Linear algebra"
#include "ops/linalg.h"
#include <math.h>

static struct ebb__matrices lu_of(const struct ebb_forward *f, double more) {
    struct ebb__matrices x = ebb__matrices_of(f);
    double n = (double)x.n;
    x.work = n * n * n * (1 + more) / 3;
    x.how = ebb__lapack_for((ebb_dtype)f->in[0]->dtype, x.n, x.work);
    x.scratch = (size_t)(x.n * x.n) * (more > 0 ? 2 : 1) * ebb_dtype_size(x.how.dtype) + (size_t)x.n * sizeof(int);
    return x;
}

static double element(const struct ebb__matrices *x, const char *a, int64_t i) {
    return ebb__load(a + i * ebb__dtype_sizes[x->how.dtype], x->how.dtype);
}

/* ---- det, slogdet ---- */

/* Factorize matrix `item` in scratch; returns the pivots behind it. */
static const int *factorize(const struct ebb__matrices *x, int64_t item, char *scratch) {
    int *pivot = (int *)(void *)(scratch + x->n * x->n * ebb__dtype_sizes[x->how.dtype]);
    ebb__matrix_load(x, x->f->in[0], item, x->n, x->n, scratch);
    (void)ebb__lu(x->how, x->n, scratch, pivot);
    return pivot;
}

static void set(ebb_tensor *t, int64_t item, double value) {
    ebb__store(t->data + item * ebb__dtype_sizes[t->dtype], (ebb_dtype)t->dtype, value);
}

static int det_one(const struct ebb__matrices *x, int64_t item, char *scratch) {
    const int *pivot = factorize(x, item, scratch);
    double det = 1;
    for (int64_t i = 0; i < x->n; i++) {
        det *= element(x, scratch, i * (x->n + 1));
        if (pivot[i] != i + 1) det = -det;
    }
    set(x->f->out[0], item, det);
    return 0;
}

static int slogdet_one(const struct ebb__matrices *x, int64_t item, char *scratch) {
    const int *pivot = factorize(x, item, scratch);
    double sign = 1, logarithm = 0;
    for (int64_t i = 0; i < x->n; i++) {
        double d = element(x, scratch, i * (x->n + 1));
        sign *= (double)((d > 0) - (d < 0));
        if (pivot[i] != i + 1) sign = -sign;
        logarithm += log(fabs(d));
    }
    set(x->f->out[0], item, sign);
    set(x->f->out[1], item, logarithm);
    return 0;
}

static ebb_status det_infer(struct ebb_infer *f) {
    ebb_status status = ebb__infer_square(f, 0);
    for (int i = 0; i < (f->op->n_out ? f->op->n_out : 1) && !status; i++)
        f->out[i].shape = ebb__dims_ending(f->in[0].shape, 2, EBB_NO_DIMS);
    return status;
}

static ebb_status det_forward(struct ebb_forward *f) {
    struct ebb__matrices x = lu_of(f, 0);
    x.one = det_one;
    return ebb__each_matrix(&x);
}

static ebb_status slogdet_forward(struct ebb_forward *f) {
    struct ebb__matrices x = lu_of(f, 0);
    x.one = slogdet_one;
    return ebb__each_matrix(&x);
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
        ebb_vjp_give(v, 0, ebb_mul(ebb_mul(g, det), ebb__turned(ebb_inv(a))));
        return;
    }
    ebb_tensor *s, *vh, *u = ebb_svd(a, .ret_S = &s, .ret_Vh = &vh);
    ebb_tensor *sign = ebb_mul(ebb_det(u), ebb_det(vh));
    g = ebb_mul(g, ebb_unsqueeze(ebb_unsqueeze(sign, -1), -1));
    u = ebb_mul(u, ebb_unsqueeze(products_of_others(s), -2));
    ebb_vjp_give(v, 0, ebb_mul(g, ebb_matmul(u, vh)));
}

const struct ebb_op ebb_op_det = {
    EBB_SIGNATURE(det, "Tensor A -> Tensor"),
    .doc =
        "Determinants of square matrices. The gradient is right for singular matrices too; the second derivative there "
        "needs distinct singular values.",
    .torch = "torch.linalg.det",
    .node = "LinalgDetBackward0",
    .dtypes = EBB_FLOATING,
    .infer = det_infer,
    .forward = det_forward,
    .contiguous = true,
    .vjp = det_vjp,
    .batch = ebb_batch_leading,
    .saves = {EBB_IN(0) | EBB_OUT(0)},
    .formula = {"(g * y)[..., None, None] * inv(A).mT"},
    .samples = EBB_SAMPLES("wc(3,3)", "(4,4)", "(2,3,3)", "wc(2,1,2,2)", "(1,1)", "(0,0)", "(2,0,0)", "(0,3,3)",
                           "! (2,3)", "! (3)", "! i5(3,3)"),
};

static void slogdet_vjp(struct ebb_vjp_call *v) {
    if (!v->grad[1]) return;
    ebb_tensor *g = ebb_unsqueeze(ebb_unsqueeze(v->grad[1], -1), -1);
    ebb_vjp_give(v, 0, ebb_mul(g, ebb__turned(ebb_inv_ex(v->in[0]))));
}

const struct ebb_op ebb_op_slogdet = {
    EBB_SIGNATURE(slogdet, "Tensor A -> Tensor sign, Tensor logabsdet"),
    .doc = "Signs and logarithms of the absolute values of determinants: 0 and -inf for a singular matrix, where the "
           "gradient is not finite.",
    .torch = "torch.linalg.slogdet",
    .node = "LinalgSlogdetBackward0",
    .dtypes = EBB_FLOATING,
    .infer = det_infer,
    .forward = slogdet_forward,
    .contiguous = true,
    .vjp = slogdet_vjp,
    .undefined_grads = true,
    .batch = ebb_batch_leading,
    .saves = {EBB_IN(0)},
    .formula = {"g_logabsdet[..., None, None] * inv(A).mT"},
    .samples = EBB_SAMPLES("wc(3,3)", "(4,4)", "(2,3,3)", "(1,1)", "(0,0)", "(2,0,0)", "(0,3,3)", "! (2,3)", "! (3)",
                           "! i5(3,3)"),
};

static ebb_tensor *logdet(struct ebb_forward *f) {
    ebb_tensor *size, *sign = ebb_slogdet(f->in[0], .ret_logabsdet = &size);
    return sign ? ebb_where(ebb_eq(sign, -1), (double)NAN, size) : NULL;
}

const struct ebb_op ebb_op_logdet = {
    EBB_SIGNATURE(logdet, "Tensor input -> Tensor"),
    .doc = "Logarithms of determinants: NaN for a negative one, -inf for 0.",
    .torch = "torch.logdet",
    .compose = logdet,
    .parts = "d = slogdet(input); where(d.sign == -1, nan, d.logabsdet)",
    .samples = EBB_SAMPLES("wc(3,3)", "wc(2,4,4)", "(0,0)", "(0,3,3)", "! (2,3)", "! (3)"),
};

/* ---- inv, inv_ex ---- */

/* With a second result, why it failed, it goes on where the matrix is singular, dividing by zero. */
static int inv_one(const struct ebb__matrices *x, int64_t item, char *scratch) {
    const int64_t n = x->n, size = ebb__dtype_sizes[x->how.dtype];
    bool reports = x->f->op->n_out == 2;
    char *b = scratch + n * n * size;
    int *pivot = (int *)(void *)(b + n * n * size);
    ebb__matrix_load(x, x->f->in[0], item, n, n, scratch);
    int info = ebb__lu(x->how, n, scratch, pivot);
    if (reports) set(x->f->out[1], item, info);
    if (info && !reports) return info;
    for (int64_t i = 0; i < n * n; i++) ebb__store(b + i * size, x->how.dtype, i % (n + 1) == 0);
    ebb__lu_solve(x->how, n, n, scratch, pivot, b);
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
    struct ebb__matrices x = lu_of(f, 2);
    char batch[48];
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

#define INVERSE(name_, outputs, torch_, doc_) \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor A -> " outputs), \
        .doc = doc_, \
        .batch = ebb_batch_leading, \
        .torch = torch_, \
        .node = "LinalgInvExBackward0", \
        .autocast = EBB_AUTOCAST_F32, \
        .dtypes = EBB_FLOATING, \
        .infer = inv_infer, \
        .forward = inv_forward, \
        .contiguous = true, \
        .vjp = inv_vjp, \
        .undefined_grads = true, \
        .saves = {EBB_OUT(0)}, \
        .formula = {"-y.mT @ g @ y.mT"}, \
        .samples = EBB_SAMPLES("wc(3,3)", "wc(4,4)", "wc(2,3,3)", "wc(2,1,2,2)", "(1,1)", "(0,0)", "(2,0,0)", \
                               "(0,3,3)", "! (2,3)", "! (3)", "! i5(3,3)"), \
    }
INVERSE(inv, "Tensor", "torch.linalg.inv", "Inverses of square matrices. A singular one is an error.");
INVERSE(
    inv_ex, "Tensor inverse, Tensor info", "torch.linalg.inv_ex",
    "Inverses of square matrices, with infinities or NaN for a singular one, and where the factorization met its first "
    "zero on the diagonal: int32, counted from 1, 0 where all went well.");
