/* Eigenvalues and vectors of symmetric matrices: eigh, eigvalsh. */
#define EBB_FAMILY "Linear algebra"
#include "ops/linalg.h"

static ebb_status infer(struct ebb_infer *f) {
    ebb_dims s = f->in[0].shape;
    ebb_status status = ebb__infer_square(f, 0);
    if (status) return status;
    f->out[0].shape = ebb__dims_ending(s, 1, EBB_NO_DIMS);
    if (f->op->n_out == 2) f->out[1].shape = s;
    return EBB_OK;
}

/* Both operators have the same attributes. The upper triangle by rows is the lower one by columns. x->k says whether
 * vectors are wanted. */
static int one(const struct ebb__matrices *x, int64_t item, char *scratch) {
    const bool upper = ((const struct ebb__attrs_eigh *)x->f->attrs)->UPLO % 2 == 1; /* U or u */
    const int64_t n = x->n, size = ebb__dtype_sizes[x->how.dtype];
    char *w = scratch + n * n * size;
    if (upper) ebb__vector_load(x, x->f->in[0], item, n * n, scratch);
    else ebb__matrix_load(x, x->f->in[0], item, n, n, scratch);
    int info = ebb__eigh(x->how, n, x->k != 0, scratch, w, w + n * size);
    ebb__vector_store(x, x->f->out[0], item, n, w);
    if (x->k) ebb__matrix_store(x, x->f->out[1], item, n, n, scratch);
    return info;
}

static ebb_status forward(struct ebb_forward *f) {
    struct ebb__matrices x = ebb__matrices_of(f);
    const double n = (double)x.n;
    char batch[48];
    x.k = f->op->n_out == 2;
    x.work = n * n * n * (x.k ? 5 : 1);
    x.how = ebb__lapack_for((ebb_dtype)f->in[0]->dtype, x.n, x.work);
    x.scratch = (size_t)(x.n * x.n + x.n + ebb__eigh_scratch(x.how, x.n, x.k)) * ebb_dtype_size(x.how.dtype);
    x.one = one;
    ebb_status status = ebb__each_matrix(&x);
    if (status || x.failed < 0) return status;
    return ebb_fail(EBB_ERR_ARGUMENT,
                    "%sThe algorithm failed to converge because the input matrix is ill-conditioned, has too many "
                    "repeated eigenvalues, or contains non-finite values (error code: %d).",
                    ebb__batch_element(&x, batch), x.info);
}

/* v (diag(gw) + skew(v^T gv) / (w_j - w_i)) v^T, symmetric as the input is (Giles, An extended collection of matrix
 * derivative results for forward and reverse mode algorithmic differentiation, 2008). */
static void eigh_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *gw = v->grad[0], *gv = v->grad[1], *w = v->out[0], *vectors = v->out[1];
    if (gw && !gv) {
        ebb_vjp_give(v, 0, ebb_matmul(ebb_mul(vectors, ebb_unsqueeze(gw, -2)), ebb__turned(vectors)));
    } else if (gv) {
        ebb_tensor *m = ebb_matmul(ebb__turned(vectors), gv);
        ebb_tensor *gaps = ebb__with_diagonal(ebb_sub(ebb_unsqueeze(w, -2), ebb_unsqueeze(w, -1)), ebb_number_f64(1));
        m = ebb_div(ebb_mul(ebb_sub(m, ebb__turned(m)), 0.5), gaps);
        if (gw) m = ebb__with_diagonal(m, ebb_unsqueeze(gw, -1));
        ebb_vjp_give(v, 0, ebb_matmul(vectors, ebb_matmul(m, ebb__turned(vectors))));
    }
}

const struct ebb_op ebb_op_eigh = {
    EBB_SIGNATURE(eigh, "Tensor self|A, enum(L|U|l|u) UPLO=L -> Tensor eigenvalues, Tensor eigenvectors"),
    .doc = EBB_TEXT(
        "Eigenvalues of symmetric matrices, ascending, and orthonormal eigenvectors in columns; only the triangle UPLO is "
        "read. The gradient is symmetric. Vectors are determined up to their sign, and so are functions of them that "
        "make sense to differentiate; their gradient is finite only where no eigenvalue repeats, and grows with the "
        "inverse of the smallest gap."),
    .torch = EBB_TEXT("torch.linalg.eigh"),
    .node = "LinalgEighBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .dtypes = EBB_FLOATING,
    .infer = infer,
    .forward = forward,
    .contiguous = true,
    .vjp = eigh_vjp,
    .undefined_grads = true,
    .batch = ebb_batch_leading,
    .saves = {EBB_OUT(0) | EBB_OUT(1)},
    .formula = EBB_FORMULAS(
        "V = eigenvectors; w = eigenvalues; d = diag_embed(ones_like(w)); m = 0 if g_eigenvectors == None else V.mT @ "
        "g_eigenvectors; m = m if g_eigenvectors == None else (m - m.mT) / 2 / (w[..., None, :] - w[..., None] + d); "
        "V @ (m * (1 - d) + (0 if g_eigenvalues == None else diag_embed(g_eigenvalues))) @ V.mT"),
    .samples = EBB_SAMPLES("sym(3,3)", "sym(3,3) UPLO=U", "spd(2,3,3)", "sym(4,4)", "spd(1,2,2,2) UPLO=U", "(1,1)",
                           "(0,0)", "(2,0,0)", "(0,3,3)", "! (2,3)", "! (3)", "! i5(3,3)"),
};

/* The vectors are computed when a gradient flows, and only then. */
static void eigvalsh_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_eigvalsh *a = v->attrs;
    ebb_tensor *vectors;
    if (!ebb_eigh(v->in[0], .UPLO = a->UPLO, .ret_eigenvectors = &vectors)) {
        ebb_vjp_give(v, 0, NULL);
        return;
    }
    ebb_vjp_give(v, 0, ebb_matmul(ebb_mul(vectors, ebb_unsqueeze(v->grad[0], -2)), ebb__turned(vectors)));
}

const struct ebb_op ebb_op_eigvalsh = {
    EBB_SIGNATURE(eigvalsh, "Tensor self|A, enum(L|U|l|u) UPLO=L -> Tensor"),
    .doc = EBB_TEXT(
        "Eigenvalues of symmetric matrices, ascending; only the triangle UPLO is read. The gradient is symmetric; the "
        "second derivative needs distinct eigenvalues."),
    .torch = EBB_TEXT("torch.linalg.eigvalsh"),
    .node = "LinalgEighBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .dtypes = EBB_FLOATING,
    .infer = infer,
    .forward = forward,
    .contiguous = true,
    .vjp = eigvalsh_vjp,
    .batch = ebb_batch_leading,
    .saves = {EBB_IN(0)},
    .formula = EBB_FORMULAS("V = eigh(self, UPLO)[1]; V @ diag_embed(g) @ V.mT"),
    .samples = EBB_SAMPLES("sym(3,3)", "sym(3,3) UPLO=U", "spd(2,3,3)", "(1,1)", "(0,0)", "(2,0,0)", "(0,3,3)",
                           "! (2,3)", "! (3)", "! i5(3,3)"),
};
