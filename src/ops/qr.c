/* QR, by reflections. */
#define EBB_FAMILY "Linear algebra"
#include "ops/linalg.h"
#include <string.h>

enum { REDUCED, COMPLETE, R_ONLY };

static int64_t columns_of_q(int mode, int64_t m, int64_t n) { return mode == COMPLETE || m < n ? m : n; }

static ebb_status infer(struct ebb_infer *f) {
    const struct ebb__attrs_qr *a = f->attrs;
    const ebb_dims *s = &f->in[0].shape;
    ebb_status status = ebb__infer_matrix(f, 0);
    if (status) return status;
    int64_t m = s->d[s->n - 2], n = s->d[s->n - 1], k = columns_of_q(a->mode, m, n);
    f->out[0].shape = a->mode == R_ONLY ? EBB_DIMS(0) : ebb__dims_ending(*s, 2, EBB_DIMS(m, k));
    f->out[1].shape = ebb__dims_ending(*s, 2, EBB_DIMS(k, n));
    return EBB_OK;
}

/* x->k is the number of q's columns, and of r's rows. */
static int one(const struct ebb__matrices *x, int64_t item, char *scratch) {
    const bool wanted = ((const struct ebb__attrs_qr *)x->f->attrs)->mode != R_ONLY;
    const int64_t m = x->m, n = x->n, k = x->k, size = ebb__dtype_sizes[x->how.dtype];
    char *q = scratch + m * n * size, *rest = q + m * k * size, *r = q;
    ebb__matrix_load(x, x->f->in[0], item, m, n, scratch);
    ebb__qr(x->how, m, n, k, scratch, wanted ? q : NULL, rest);
    if (wanted) ebb__matrix_store(x, x->f->out[0], item, m, k, q);
    for (int64_t j = 0; j < n; j++) /* r has no more elements than a, and q is done with */
        for (int64_t i = 0; i < k; i++)
            memcpy(r + (j * k + i) * size, i <= j ? scratch + (j * m + i) * size : (const char *)&(double){0},
                   (size_t)size);
    ebb__matrix_store(x, x->f->out[1], item, k, n, r);
    return 0;
}

static ebb_status forward(struct ebb_forward *f) {
    const struct ebb__attrs_qr *a = f->attrs;
    struct ebb__matrices x = ebb__matrices_of(f);
    int64_t small = x.m < x.n ? x.m : x.n;
    x.k = columns_of_q(a->mode, x.m, x.n);
    x.work = (double)x.m * (double)x.n * (double)small;
    x.how = ebb__lapack_for((ebb_dtype)f->in[0]->dtype, x.m > x.n ? x.m : x.n, x.work);
    int64_t q = x.m * x.k > x.k * x.n ? x.m * x.k : x.k * x.n;
    x.scratch = (size_t)(x.m * x.n + q + ebb__qr_scratch(x.how, x.m, x.n, x.k)) * ebb_dtype_size(x.how.dtype);
    x.one = one;
    return ebb__each_matrix(&x);
}

/* m >= n: (gq + q sym(triu(gr r^T - q^T gq))) r^-T, where sym mirrors the upper triangle. Walter, Lehmann and Lamour,
 * On evaluating higher-order derivatives of the QR decomposition of tall matrices, Optim. Methods Softw. 27 (2012). */
static ebb_tensor *tall(ebb_tensor *q, ebb_tensor *r, ebb_tensor *gq, ebb_tensor *gr) {
    ebb_tensor *m = gr ? ebb_matmul(gr, ebb__turned(r)) : NULL;
    if (gq) {
        ebb_tensor *mine = ebb_matmul(ebb__turned(q), gq);
        m = m ? ebb_sub(m, mine) : ebb_neg(mine);
    }
    m = ebb_matmul(q, ebb_add(ebb_triu(m), ebb__turned(ebb_triu(m, .diagonal = 1))));
    if (gq) m = ebb_add(m, gq);
    return ebb_solve_triangular(ebb__turned(r), m, false, .left = EBB_SET(false));
}

/* m < n: only the first m columns make q, which turns by the lower triangle of q^T da r^-1; the rest is q r. */
static ebb_tensor *wide(ebb_tensor *q, ebb_tensor *r, ebb_tensor *gq, ebb_tensor *gr) {
    int64_t m = ebb__rows(r), n = ebb__columns(r);
    ebb_tensor *y = gq ? ebb_matmul(ebb__turned(q), gq) : NULL;
    if (gr) {
        ebb_tensor *mine = ebb_matmul(gr, ebb__turned(r));
        y = y ? ebb_sub(y, mine) : ebb_neg(mine);
    }
    y = ebb_tril(ebb_sub(y, ebb__turned(y)), .diagonal = -1);
    y = ebb_solve_triangular(ebb__turned(ebb_slice(r, -1, 0, m)), y, false, .left = EBB_SET(false));
    if (!y) return NULL;
    ebb_dims rest = ebb__dims_ending(ebb_tensor_shape(r), 2, EBB_DIMS(m, n - m));
    y = ebb_cat(EBB_LIST(y, ebb_zeros(rest, .dtype = ebb_tensor_dtype(r))), -1);
    return ebb_matmul(q, gr ? ebb_add(y, gr) : y);
}

static void vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_qr *a = v->attrs;
    ebb_tensor *q = v->out[0], *r = v->out[1], *gq = v->grad[0], *gr = v->grad[1];
    ebb_dims shape = ebb_vjp_shape(v, 0);
    int64_t m = shape.d[shape.n - 2], n = shape.d[shape.n - 1];
    if (!gq && !gr) return;
    if (a->mode == R_ONLY) {
        ebb__fail_op("qr", EBB_ERR_GRAPH,
                     "the derivative of qr depends on Q, which is not computed when mode=r; use reduced");
        ebb_vjp_give(v, 0, NULL);
    } else if (a->mode == COMPLETE && m > n) {
        ebb__fail_op("qr", EBB_ERR_GRAPH,
                     "is not differentiable when mode=complete and there are more rows than columns");
        ebb_vjp_give(v, 0, NULL);
    } else {
        ebb_vjp_give(v, 0, m >= n ? tall(q, r, gq, gr) : wide(q, r, gq, gr));
    }
}

const struct ebb_op ebb_op_qr = {
    EBB_SIGNATURE(qr, "Tensor A, enum(reduced|complete|r) mode=reduced -> Tensor Q, Tensor R"),
    .doc = EBB_TEXT(
        "A = QR with orthonormal columns in Q and R upper triangular, its diagonal of LAPACK's signs. For A (*, m, n) "
        "and k = min(m, n), Q is (*, m, k) and R (*, k, n); complete: (*, m, m) and (*, m, n); r: Q is empty. "
        "Differentiable where the first k columns are independent, and in mode complete only with m <= n, in mode r "
        "not at all."),
    .torch = EBB_TEXT("torch.linalg.qr"),
    .node = "LinalgQrBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .dtypes = EBB_FLOATING,
    .infer = infer,
    .forward = forward,
    .contiguous = true,
    .vjp = vjp,
    .undefined_grads = true,
    .batch = ebb_batch_leading,
    .saves = {EBB_OUT(0) | EBB_OUT(1)},
    .formula = EBB_FORMULAS("'(g_Q + Q sym(triu(g_R R^T - Q^T g_Q))) R^-T'"),
    .samples = EBB_SAMPLES("wc(3,3)", "wc(4,3)", "wc(2,3)", "wc(2,4,2)", "wc(2,2,3)", "wc(3,3) mode=complete",
                           "wc(2,4) mode=complete", "(1,1)", "(0,3)", "(3,0)", "(0,3,2)", "! (3)", "! i5(3,3)"),
};
