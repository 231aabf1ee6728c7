/* Products of matrices and vectors of fixed shapes: dot, mv, mm, bmm, addmm. Transposed and sliced operands are read
 * where they lie: the kernel takes their strides. */
#define EBB_FAMILY "Linear algebra"
#include "ops/ops.h"

/* What every product asks of its inputs. */
static ebb_status check_dtypes(const struct ebb_infer *f) {
    for (int64_t i = 1; i < f->n_in; i++)
        if (f->in[i].dtype != f->in[0].dtype)
            return ebb_fail(EBB_ERR_DTYPE, "inputs must have one dtype, got %s and %s", ebb_dtype_name(f->in[0].dtype),
                            ebb_dtype_name(f->in[i].dtype));
    return EBB_OK;
}

static ebb_status check_ndim(const struct ebb_infer *f, int i, int ndim) {
    if (f->in[i].shape.n == ndim) return EBB_OK;
    return ebb_fail(EBB_ERR_SHAPE, "%s must have %d dimension%s, got %d", f->op->in[i].name, ndim, ndim == 1 ? "" : "s",
                    (int)f->in[i].shape.n);
}

/* The size summed over, the last of input i and the first of matrix or vector i + 1, must be one number. */
static ebb_status check_inner(const struct ebb_infer *f, int i) {
    const ebb_dims *a = &f->in[i].shape, *b = &f->in[i + 1].shape;
    int64_t left = a->d[a->n - 1], right = b->d[b->n > 1 ? b->n - 2 : 0];
    char ta[EBB__SHAPE_TEXT], tb[EBB__SHAPE_TEXT];
    if (left == right) return EBB_OK;
    return ebb_fail(EBB_ERR_SHAPE, "inner dimensions of %s and %s differ: %lld and %lld",
                    ebb__shape_text(ta, a->n, a->d), ebb__shape_text(tb, b->n, b->d), (long long)left,
                    (long long)right);
}

/* Inputs first and first + 1 are of these numbers of dimensions and fit together. */
static ebb_status check(const struct ebb_infer *f, int first, int ndim_a, int ndim_b) {
    ebb_status status = check_dtypes(f);
    if (!status) status = check_ndim(f, first, ndim_a);
    if (!status) status = check_ndim(f, first + 1, ndim_b);
    return status ? status : check_inner(f, first);
}

/* c = a b + beta c, for a matrix a and a matrix or vector b. */
static ebb_status product(const ebb_tensor *a, const ebb_tensor *b, double beta, ebb_tensor *c) {
    const int64_t *as = ebb__strides(a), *bs = ebb__strides(b);
    int64_t n = b->ndim == 2 ? b->dims[1] : 1;
    return ebb__gemm((ebb_dtype)c->dtype, a->dims[0], n, a->dims[1], a->data, as[0], as[1], b->data, bs[0],
                     b->ndim == 2 ? bs[1] : 1, beta, c->data, n ? n : 1);
}

/* ---- dot ---- */

static ebb_status dot_infer(struct ebb_infer *f) { return check(f, 0, 1, 1); }

static ebb_status dot_forward(struct ebb_forward *f) {
    const ebb_tensor *a = f->in[0], *b = f->in[1];
    return ebb__gemm((ebb_dtype)a->dtype, 1, 1, a->dims[0], a->data, 0, ebb__strides(a)[0], b->data, ebb__strides(b)[0],
                     1, 0, f->out[0]->data, 1);
}

static void dot_vjp(struct ebb_vjp *v) {
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_mul(v->grad[0], v->in[1]));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mul(v->grad[0], v->in[0]));
}

const struct ebb_op ebb_op_dot = {
    EBB_SIGNATURE(dot, "Tensor self, Tensor tensor -> Tensor"),
    .doc = "The sum of the products of two vectors' elements, 0-d.",
    .torch = "torch.dot",
    .node = "DotBackward0",
    .dtypes = EBB_NUMERIC,
    .infer = dot_infer,
    .forward = dot_forward,
    .vjp = dot_vjp,
    .jvp = ebb_jvp_multilinear,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = {"g * tensor", "g * self"},
    .samples = {"(4) (4)", "(1) (1)", "(0) (0)", "i5(3) i5(3)", "! (3) (4)", "! (2,3) (3)", "! (3) i5(3)"},
};

/* ---- mv ---- */

static ebb_status mv_infer(struct ebb_infer *f) {
    ebb_status status = check(f, 0, 2, 1);
    f->out->shape = EBB_DIMS(f->in[0].shape.d[0]);
    return status;
}

static ebb_status mv_forward(struct ebb_forward *f) { return product(f->in[0], f->in[1], 0, f->out[0]); }

static void mv_vjp(struct ebb_vjp *v) {
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_mul(ebb_unsqueeze(g, 1), v->in[1]));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mv(ebb_t(v->in[0]), g));
}

const struct ebb_op ebb_op_mv = {
    EBB_SIGNATURE(mv, "Tensor self, Tensor vec -> Tensor"),
    .doc = "The product of a matrix (m, k) and a vector (k).",
    .torch = "torch.mv",
    .node = "MvBackward0",
    .dtypes = EBB_NUMERIC,
    .infer = mv_infer,
    .forward = mv_forward,
    .vjp = mv_vjp,
    .jvp = ebb_jvp_multilinear,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = {"outer(g, vec)", "self^T g"},
    .samples = {"(3,4) (4)", "(1,1) (1)", "(0,4) (4)", "(3,0) (0)", "i5(3,2) i5(2)", "! (3,4) (3)", "! (3) (3)"},
};

/* ---- mm ---- */

static ebb_status mm_infer(struct ebb_infer *f) {
    ebb_status status = check(f, 0, 2, 2);
    f->out->shape = EBB_DIMS(f->in[0].shape.d[0], f->in[1].shape.d[1]);
    return status;
}

static ebb_status mm_forward(struct ebb_forward *f) { return product(f->in[0], f->in[1], 0, f->out[0]); }

static void mm_vjp(struct ebb_vjp *v) {
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_mm(g, ebb_t(v->in[1])));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mm(ebb_t(v->in[0]), g));
}

const struct ebb_op ebb_op_mm = {
    EBB_SIGNATURE(mm, "Tensor self, Tensor mat2 -> Tensor"),
    .doc = "The product of a matrix (m, k) and a matrix (k, n).",
    .torch = "torch.mm",
    .node = "MmBackward0",
    .dtypes = EBB_NUMERIC,
    .infer = mm_infer,
    .forward = mm_forward,
    .vjp = mm_vjp,
    .jvp = ebb_jvp_multilinear,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = {"g mat2^T", "self^T g"},
    .samples = {"(3,4) (4,2)", "(1,1) (1,1)", "(0,4) (4,2)", "(3,0) (0,2)", "(3,4) (4,0)", "(20,30) (30,10)",
                "i5(3,2) i5(2,3)", "! (3,4) (3,4)", "! (3) (3,2)", "! (3,4) i5(4,2)", "! b(2,2) b(2,2)"},
};

/* ---- bmm ---- */

static ebb_status bmm_infer(struct ebb_infer *f) {
    const ebb_dims *a = &f->in[0].shape, *b = &f->in[1].shape;
    ebb_status status = check(f, 0, 3, 3);
    f->out->shape = EBB_DIMS(a->d[0], a->d[1], b->d[2]);
    if (status || a->d[0] == b->d[0]) return status;
    return ebb_fail(EBB_ERR_SHAPE, "batch sizes differ: %lld and %lld", (long long)a->d[0], (long long)b->d[0]);
}

static ebb_status bmm_forward(struct ebb_forward *f) {
    const ebb_tensor *a = f->in[0], *b = f->in[1], *c = f->out[0];
    const int64_t *as = ebb__strides(a), *bs = ebb__strides(b), n = b->dims[2];
    return ebb__gemm_batched((ebb_dtype)c->dtype, a->dims[0], a->dims[1], n, a->dims[2], a->data, as[0], as[1], as[2],
                             b->data, bs[0], bs[1], bs[2], 0, c->data, a->dims[1] * n, n ? n : 1);
}

static void bmm_vjp(struct ebb_vjp *v) {
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_bmm(g, ebb_transpose(v->in[1], 1, 2)));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_bmm(ebb_transpose(v->in[0], 1, 2), g));
}

const struct ebb_op ebb_op_bmm = {
    EBB_SIGNATURE(bmm, "Tensor self, Tensor mat2 -> Tensor"),
    .doc = "The products of matrices (b, m, k) and matrices (b, k, n), pair by pair.",
    .torch = "torch.bmm",
    .node = "BmmBackward0",
    .dtypes = EBB_NUMERIC,
    .infer = bmm_infer,
    .forward = bmm_forward,
    .vjp = bmm_vjp,
    .jvp = ebb_jvp_multilinear,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = {"g mat2^T, pair by pair", "self^T g, pair by pair"},
    .samples = {"(2,3,4) (2,4,5)", "(1,1,1) (1,1,1)", "(0,3,4) (0,4,5)", "(2,3,0) (2,0,5)", "i5(2,2,3) i5(2,3,2)",
                "! (2,3,4) (3,4,5)", "! (2,3,4) (2,3,4)", "! (3,4) (4,5)"},
};

/* ---- addmm ---- */

static ebb_status addmm_infer(struct ebb_infer *f) {
    ebb_status status = check(f, 1, 2, 2);
    if (status) return status;
    f->out->shape = EBB_DIMS(f->in[1].shape.d[0], f->in[2].shape.d[1]);
    ebb_dims both = f->out->shape;
    if (ebb__broadcast(&both, &f->in[0].shape) && ebb__dims_equal(&both, &f->out->shape)) return EBB_OK;
    char text[EBB__SHAPE_TEXT];
    return ebb_fail(EBB_ERR_SHAPE, "input does not broadcast to the product's shape %s",
                    ebb__shape_text(text, f->out->shape.n, f->out->shape.d));
}

/* The product is added to the input's rows, which lie in the result already: no temporary. */
static ebb_status addmm_forward(struct ebb_forward *f) {
    ebb_status status = ebb__copy_into(f->out[0], f->in[0]);
    return status ? status : product(f->in[1], f->in[2], 1, f->out[0]);
}

static void addmm_vjp(struct ebb_vjp *v) {
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, g);
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mm(g, ebb_t(v->in[2])));
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_mm(ebb_t(v->in[1]), g));
}

const struct ebb_op ebb_op_addmm = {
    EBB_SIGNATURE(addmm, "Tensor input, Tensor mat1, Tensor mat2 -> Tensor"),
    .doc =
        "input + mat1 mat2, for matrices (m, k) and (k, n); input broadcasts to (m, n), as a bias of shape (n) does.",
    .torch = "torch.addmm",
    .node = "AddmmBackward0",
    .dtypes = EBB_NUMERIC,
    .infer = addmm_infer,
    .forward = addmm_forward,
    .vjp = addmm_vjp,
    .saves = {0, EBB_IN(2), EBB_IN(1)},
    .formula = {"g", "g mat2^T", "mat1^T g"},
    .samples = {"(5) (3,4) (4,5)", "(3,5) (3,4) (4,5)", "(3,1) (3,4) (4,5)", "() (2,2) (2,2)", "(5) (0,4) (4,5)",
                "(5) (3,0) (0,5)", "! (4) (3,4) (4,5)", "! (5) (3,4) (3,5)", "! (2,3,5) (3,4) (4,5)",
                "! i5(5) (3,4) (4,5)"},
};
