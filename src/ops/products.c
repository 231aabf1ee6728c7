/* Products of matrices and vectors of fixed shapes: dot, mv, mm, bmm, and those added to something: addmm, addmv,
 * baddbmm, addbmm. Transposed and sliced operands are read where they lie: the kernel takes their strides. */
#define EBB_FAMILY "Linear algebra"
#include "ops/batching.h"
#include <math.h>
#include <string.h>

/* What every product asks of its inputs. */
static ebb_status check_dtypes(const struct ebb_infer *f) {
    for (int64_t i = 1; i < f->n_in; i++)
        if (f->in[i].dtype != f->in[0].dtype)
            return ebb_fail(EBB_ERR_DTYPE, "inputs must have one dtype, got %s and %s; ebb_to() converts",
                            ebb_dtype_name(f->in[0].dtype), ebb_dtype_name(f->in[i].dtype));
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

/* c = a b, added to what c begins as unless that is NULL, for a matrix a and a matrix or vector b. */
static ebb_status product(const ebb_tensor *a, const ebb_tensor *b, const ebb__gemm_begin *begin, ebb_tensor *c) {
    const int64_t *as = ebb__strides(a), *bs = ebb__strides(b);
    int64_t n = b->ndim == 2 ? b->dims[1] : 1;
    return ebb__gemm_batched((ebb_dtype)c->dtype, 1, a->dims[0], n, a->dims[1], a->data, 0, as[0], as[1], b->data, 0,
                             bs[0], b->ndim == 2 ? bs[1] : 1, begin, c->data, 0, n ? n : 1);
}

/* Whether matrices are such that sum += a b, and lie so that the kernel can do that. */
static bool adds_up(const ebb_tensor *sum, const ebb_tensor *a, const ebb_tensor *b) {
    return sum && a && b && ebb__is_contiguous(sum) && !ebb__is_half(sum->dtype) && a->dtype == sum->dtype &&
           b->dtype == sum->dtype && a->ndim == 2 && b->ndim == 2 && a->dims[1] == b->dims[0] &&
           a->dims[0] == sum->dims[0] && b->dims[1] == sum->dims[1];
}

/* The matrix product a b is the gradient of input i, or a part of it: added to what there is, without a temporary;
 * otherwise laid out as it will be wanted. */
static void give_product(struct ebb_vjp_call *v, int64_t i, ebb_tensor *a, ebb_tensor *b) {
    ebb_tensor *sum = ebb_vjp_sum(v, i);
    const bool turned = ebb_vjp_transposed(v, i);
    if (turned) { /* (a b)^T = b^T a^T */
        ebb_tensor *left = ebb_t(b);
        b = ebb_t(a);
        a = left;
        if (sum) sum = ebb_t(sum);
    }
    if (adds_up(sum, a, b)) (void)product(a, b, &(ebb__gemm_begin){sum->data, 0, sum->dims[1], 1}, sum);
    else ebb_vjp_give(v, i, turned ? ebb_t(ebb_mm(a, b)) : ebb_mm(a, b));
}

/* ---- dot ---- */

static ebb_status dot_infer(struct ebb_infer *f) { return check(f, 0, 1, 1); }

static ebb_status dot_forward(struct ebb_forward *f) {
    const ebb_tensor *a = f->in[0], *b = f->in[1];
    return ebb__gemm((ebb_dtype)a->dtype, 1, 1, a->dims[0], a->data, 0, ebb__strides(a)[0], b->data, ebb__strides(b)[0],
                     1, false, f->out[0]->data, 1);
}

static void dot_vjp(struct ebb_vjp_call *v) {
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_mul(v->grad[0], v->in[1]));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mul(v->grad[0], v->in[0]));
}

/* The pairs of rows of two matrices. */
static ebb_tensor *row_products(ebb_tensor *a, ebb_tensor *b) {
    return ebb_bmm(ebb_unsqueeze(a, 1), ebb_unsqueeze(b, 2));
}

static void dot_batch(struct ebb_batch_call *b) {
    ebb_tensor *x = b->in[0], *y = b->in[1];
    if (b->batched[0] && b->batched[1]) ebb_batch_give(b, 0, row_products(x, y));
    else ebb_batch_give(b, 0, b->batched[0] ? ebb_mv(x, y) : ebb_mv(y, x));
}

const struct ebb_op ebb_op_dot = {
    EBB_SIGNATURE(dot, "Tensor self, Tensor tensor -> Tensor"),
    .doc = EBB_TEXT("The sum of the products of two vectors' elements, 0-d."),
    .torch = EBB_TEXT("torch.dot"),
    .node = "DotBackward0",
    .dtypes = EBB_NUMERIC,
    .infer = dot_infer,
    .forward = dot_forward,
    .halves = true,
    .vjp = dot_vjp,
    .jvp = ebb_jvp_multilinear,
    .batch = dot_batch,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = EBB_FORMULAS("g * tensor", "g * self"),
    .samples = EBB_SAMPLES("(4) (4)", "(1) (1)", "(0) (0)", "i5(3) i5(3)", "! (3) (4)", "! (2,3) (3)", "! (3) i5(3)"),
};

/* ---- mv ---- */

static ebb_status mv_infer(struct ebb_infer *f) {
    ebb_status status = check(f, 0, 2, 1);
    f->out->shape = EBB_DIMS(f->in[0].shape.d[0]);
    return status;
}

static ebb_status mv_forward(struct ebb_forward *f) { return product(f->in[0], f->in[1], NULL, f->out[0]); }

static void mv_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_mul(ebb_unsqueeze(g, 1), v->in[1]));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mv(ebb_t(v->in[0]), g));
}

static void mv_batch(struct ebb_batch_call *b) {
    ebb_tensor *m = b->in[0], *v = b->in[1];
    if (!b->batched[1]) ebb_batch_give(b, 0, ebb_matmul(m, v));
    else if (!b->batched[0]) ebb_batch_give(b, 0, ebb_mm(v, ebb_t(m)));
    else ebb_batch_give(b, 0, ebb_bmm(m, ebb_unsqueeze(v, 2)));
}

const struct ebb_op ebb_op_mv = {
    EBB_SIGNATURE(mv, "Tensor self, Tensor vec -> Tensor"),
    .doc = EBB_TEXT("The product of a matrix (m, k) and a vector (k)."),
    .torch = EBB_TEXT("torch.mv"),
    .node = "MvBackward0",
    .dtypes = EBB_NUMERIC,
    .infer = mv_infer,
    .forward = mv_forward,
    .halves = true,
    .vjp = mv_vjp,
    .jvp = ebb_jvp_multilinear,
    .batch = mv_batch,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = EBB_FORMULAS("outer(g, vec)", "self.T @ g"),
    .samples =
        EBB_SAMPLES("(3,4) (4)", "(1,1) (1)", "(0,4) (4)", "(3,0) (0)", "i5(3,2) i5(2)", "! (3,4) (3)", "! (3) (3)"),
};

/* ---- mm ---- */

static ebb_status mm_infer(struct ebb_infer *f) {
    ebb_status status = check(f, 0, 2, 2);
    f->out->shape = EBB_DIMS(f->in[0].shape.d[0], f->in[1].shape.d[1]);
    return status;
}

static ebb_status mm_forward(struct ebb_forward *f) { return product(f->in[0], f->in[1], NULL, f->out[0]); }

static void mm_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) give_product(v, 0, g, ebb_t(v->in[1]));
    if (v->needs[1]) give_product(v, 1, ebb_t(v->in[0]), g);
}

/* With one right factor the rows of all samples are those of one matrix. */
static void mm_batch(struct ebb_batch_call *b) {
    ebb_tensor *x = b->in[0], *y = b->in[1];
    if (b->batched[0] && !b->batched[1])
        ebb_batch_give(b, 0, ebb__batch_unfolded(ebb_mm(ebb__batch_folded(x), y), b->size));
    else ebb_batch_give(b, 0, ebb_matmul(x, y));
}

const struct ebb_op ebb_op_mm = {
    EBB_SIGNATURE(mm, "Tensor self, Tensor mat2 -> Tensor"),
    .doc = EBB_TEXT("The product of a matrix (m, k) and a matrix (k, n)."),
    .torch = EBB_TEXT("torch.mm"),
    .node = "MmBackward0",
    .autocast = EBB_AUTOCAST_LOW,
    .dtypes = EBB_NUMERIC,
    .infer = mm_infer,
    .forward = mm_forward,
    .halves = true,
    .vjp = mm_vjp,
    .jvp = ebb_jvp_multilinear,
    .batch = mm_batch,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = EBB_FORMULAS("g @ mat2.T", "self.T @ g"),
    .samples = EBB_SAMPLES("(3,4) (4,2)", "(1,1) (1,1)", "(0,4) (4,2)", "(3,0) (0,2)", "(3,4) (4,0)", "(20,30) (30,10)",
                           "i5(3,2) i5(2,3)", "! (3,4) (3,4)", "! (3) (3,2)", "! (3,4) i5(4,2)", "! b(2,2) b(2,2)"),
};

/* ---- bmm ---- */

static ebb_status bmm_infer(struct ebb_infer *f) {
    const ebb_dims *a = &f->in[0].shape, *b = &f->in[1].shape;
    ebb_status status = check(f, 0, 3, 3);
    f->out->shape = EBB_DIMS(a->d[0], a->d[1], b->d[2]);
    if (status || a->d[0] == b->d[0]) return status;
    return ebb_fail(EBB_ERR_SHAPE, "batch sizes differ: %lld and %lld", (long long)a->d[0], (long long)b->d[0]);
}

/* The same pair by pair. */
static ebb_status products(const ebb_tensor *a, const ebb_tensor *b, const ebb__gemm_begin *begin, ebb_tensor *c) {
    const int64_t *as = ebb__strides(a), *bs = ebb__strides(b), n = b->dims[2];
    return ebb__gemm_batched((ebb_dtype)c->dtype, a->dims[0], a->dims[1], n, a->dims[2], a->data, as[0], as[1], as[2],
                             b->data, bs[0], bs[1], bs[2], begin, c->data, a->dims[1] * n, n ? n : 1);
}

static ebb_status bmm_forward(struct ebb_forward *f) { return products(f->in[0], f->in[1], NULL, f->out[0]); }

static void bmm_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_bmm(g, ebb_transpose(v->in[1], 1, 2)));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_bmm(ebb_transpose(v->in[0], 1, 2), g));
}

const struct ebb_op ebb_op_bmm = {
    EBB_SIGNATURE(bmm, "Tensor self, Tensor mat2 -> Tensor"),
    .doc = EBB_TEXT("The products of matrices (b, m, k) and matrices (b, k, n), pair by pair."),
    .torch = EBB_TEXT("torch.bmm"),
    .node = "BmmBackward0",
    .autocast = EBB_AUTOCAST_LOW,
    .dtypes = EBB_NUMERIC,
    .infer = bmm_infer,
    .forward = bmm_forward,
    .halves = true,
    .vjp = bmm_vjp,
    .jvp = ebb_jvp_multilinear,
    .batch = ebb_batch_fold,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = EBB_FORMULAS("g @ mat2.mT", "self.mT @ g"),
    .samples = EBB_SAMPLES("(2,3,4) (2,4,5)", "(1,1,1) (1,1,1)", "(0,3,4) (0,4,5)", "(2,3,0) (2,0,5)",
                           "i5(2,2,3) i5(2,3,2)", "! (2,3,4) (3,4,5)", "! (2,3,4) (2,3,4)", "! (3,4) (4,5)"),
};

/* ---- beta input + alpha product ---- */

/* The products p of inputs 1 and 2, of this shape, to which input 0 is added. */
static ebb_status sum_infer(struct ebb_infer *f, ebb_dims shape) {
    f->out->shape = shape;
    ebb_dims both = shape;
    if (ebb__broadcast(&both, &f->in[0].shape) && ebb__dims_equal(&both, &shape)) return EBB_OK;
    char text[EBB__SHAPE_TEXT];
    return ebb_fail(EBB_ERR_SHAPE, "input does not broadcast to the product's shape %s",
                    ebb__shape_text(text, shape.n, shape.d));
}

/* t *= factor, for contiguous t. */
static void scale(ebb_tensor *t, double factor) {
    int64_t number = 0, size = ebb__dtype_sizes[t->dtype];
    ebb__store((char *)&number, (ebb_dtype)t->dtype, factor);
    ebb__loops_mul[t->dtype](t->numel, (char *[]){t->data, t->data, (char *)&number}, (int64_t[]){size, size, 0}, NULL);
}

typedef ebb_status (*add_product)(const ebb_tensor *a, const ebb_tensor *b, const ebb__gemm_begin *begin,
                                  ebb_tensor *c);

/* t as something of the shape of c, a vector, a matrix or several matrices, begins as: what is broadcast has a stride
 * of 0. */
static ebb__gemm_begin begins_as(const ebb_tensor *t, const ebb_tensor *c) {
    int64_t stride[3] = {0}; /* of products, rows, columns; a vector is a column */
    const int last = c->ndim == 1 ? 1 : 2;
    for (int d = 0; d < t->ndim; d++)
        if (t->dims[d] > 1) stride[last - t->ndim + 1 + d] = ebb__strides(t)[d];
    return (ebb__gemm_begin){t->data, stride[0], stride[1], stride[2]};
}

/* The product is added to input 0 as it lies, or multiplied in the result; an alpha other than 1 multiplies the left
 * factor. What is multiplied by 0 is not read, so that its NaN does not spread. */
static ebb_status sum_into(ebb_tensor *out, ebb_tensor *const *in, double beta, double alpha, add_product add) {
    ebb_tensor *a = in[1];
    const bool copies = beta != 0 && (beta != 1 || alpha == 0);
    ebb_status status = copies ? ebb__copy_into(out, in[0]) : EBB_OK;
    if (beta == 0 && alpha == 0) memset(out->data, 0, (size_t)out->numel * ebb__dtype_sizes[out->dtype]);
    if (!status && beta != 0 && beta != 1) scale(out, beta);
    if (status || alpha == 0) return status;
    const ebb__gemm_begin from = begins_as(copies ? out : in[0], out), *begin = beta != 0 ? &from : NULL;
    if (alpha == 1) return add(a, in[2], begin, out);
    if (!(a = ebb__cast(a, (ebb_dtype)a->dtype))) return ebb_error_status();
    scale(a, alpha);
    status = add(a, in[2], begin, out);
    ebb__unref(a);
    return status;
}

/* The same by way of float32: what is multiplied by a factor is not rounded before it is added up. */
static ebb_status sum_through_f32(ebb_tensor *out, ebb_tensor *const *in, double beta, double alpha, add_product add) {
    ebb_tensor *wide[4] = {ebb__tensor_new_like(out, EBB_F32)};
    ebb_status status = wide[0] ? EBB_OK : ebb_error_status();
    for (int i = 0; i < 3 && !status; i++)
        if (!(wide[i + 1] = ebb__cast(in[i], EBB_F32))) status = ebb_error_status();
    if (!status) status = sum_into(wide[0], wide + 1, beta, alpha, add);
    if (!status) status = ebb__copy_into(out, wide[0]);
    for (int i = 0; i < 4; i++) ebb__unref(wide[i]);
    return status;
}

static ebb_status sum_forward(struct ebb_forward *f, double beta, double alpha, add_product add) {
    ebb_tensor *out = f->out[0];
    if (!ebb__is_floating(out->dtype)) { /* as PyTorch makes integers of them */
        beta = trunc(beta);
        alpha = trunc(alpha);
    }
    const bool factors = (beta != 0 && beta != 1) || (alpha != 0 && alpha != 1);
    if (factors && ebb__is_half(out->dtype)) return sum_through_f32(out, f->in, beta, alpha, add);
    return sum_into(out, f->in, beta, alpha, add);
}

static ebb_tensor *times(ebb_tensor *t, double factor) { return factor == 1 ? t : ebb_mul(t, factor); }

/* ---- addmm ---- */

static ebb_status addmm_infer(struct ebb_infer *f) {
    ebb_status status = check(f, 1, 2, 2);
    if (status) return status;
    return sum_infer(f, EBB_DIMS(f->in[1].shape.d[0], f->in[2].shape.d[1]));
}

static ebb_status addmm_forward(struct ebb_forward *f) {
    const struct ebb__attrs_addmm *a = f->attrs;
    return sum_forward(f, a->beta.value, a->alpha.value, product);
}

static void addmm_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_addmm *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, times(g, a->beta.value));
    if (v->needs[1] || v->needs[2]) g = times(g, a->alpha.value);
    if (v->needs[1]) give_product(v, 1, g, ebb_t(v->in[2]));
    if (v->needs[2]) give_product(v, 2, ebb_t(v->in[1]), g);
}

/* One call where the right factor and a row that is added are the same for all, else a product for each sample. */
static void addmm_batch(struct ebb_batch_call *b) {
    const struct ebb__attrs_addmm *a = b->attrs;
    ebb_tensor *x = b->in[0], *rows = b->in[1], *y = b->in[2];
    if (b->batched[1] && !b->batched[0] && !b->batched[2] && x->ndim < 2) {
        ebb_tensor *out = ebb_addmm(x, ebb__batch_folded(rows), y, .beta = a->beta, .alpha = a->alpha);
        ebb_batch_give(b, 0, ebb__batch_unfolded(out, b->size));
        return;
    }
    if (b->batched[0]) x = ebb__batch_aligned(x, 3);
    rows = ebb__batch_input(b, 1, 2);
    y = ebb__batch_input(b, 2, 2);
    ebb_batch_give(b, 0, ebb_baddbmm(x, rows, y, .beta = a->beta, .alpha = a->alpha));
}

const struct ebb_op ebb_op_addmm = {
    EBB_SIGNATURE(addmm, "Tensor input, Tensor mat1, Tensor mat2, float? beta=1, float? alpha=1 -> Tensor"),
    .doc = EBB_TEXT(
        "beta input + alpha mat1 mat2, for matrices (m, k) and (k, n); input broadcasts to (m, n), as a bias of shape "
        "(n) does. With a beta of 0 the input is not read."),
    .torch = EBB_TEXT("torch.addmm"),
    .node = "AddmmBackward0",
    .autocast = EBB_AUTOCAST_LOW,
    .dtypes = EBB_NUMERIC,
    .infer = addmm_infer,
    .forward = addmm_forward,
    .halves = true,
    .vjp = addmm_vjp,
    .inplace = true,
    .batch = addmm_batch,
    .saves = {0, EBB_IN(2), EBB_IN(1)},
    .formula = EBB_FORMULAS("beta * g", "(alpha * g) @ mat2.T", "mat1.T @ (alpha * g)"),
    .samples = EBB_SAMPLES("(5) (3,4) (4,5)", "(3,5) (3,4) (4,5)", "(3,1) (3,4) (4,5)", "() (2,2) (2,2)",
                           "(5) (0,4) (4,5)", "(5) (3,0) (0,5)", "(3,5) (3,4) (4,5) beta=0.5 alpha=-2",
                           "(5) (3,4) (4,5) beta=0", "(5) (3,4) (4,5) alpha=0", "(2) (2,2) (2,2) beta=0 alpha=0",
                           "i5(2) i5(2,2) i5(2,2) beta=2 alpha=3", "i5(2) i5(2,2) i5(2,2) beta=0.5 alpha=1.5",
                           "! (4) (3,4) (4,5)", "! (5) (3,4) (3,5)", "! (2,3,5) (3,4) (4,5)", "! i5(5) (3,4) (4,5)"),
};

/* ---- addmv ---- */

static ebb_status addmv_infer(struct ebb_infer *f) {
    ebb_status status = check(f, 1, 2, 1);
    return status ? status : sum_infer(f, EBB_DIMS(f->in[1].shape.d[0]));
}

static ebb_status addmv_forward(struct ebb_forward *f) {
    const struct ebb__attrs_addmv *a = f->attrs;
    return sum_forward(f, a->beta.value, a->alpha.value, product);
}

static void addmv_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_addmv *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, times(g, a->beta.value));
    if (v->needs[1]) ebb_vjp_give(v, 1, times(ebb_mul(ebb_unsqueeze(g, 1), v->in[2]), a->alpha.value));
    if (v->needs[2]) ebb_vjp_give(v, 2, times(ebb_mv(ebb_t(v->in[1]), g), a->alpha.value));
}

static void addmv_batch(struct ebb_batch_call *b) {
    const struct ebb__attrs_addmv *a = b->attrs;
    ebb_tensor *x = b->in[0], *m = b->in[1], *v = b->in[2];
    if (!b->batched[1]) { /* the vectors of all are the rows of a matrix */
        if (b->batched[0]) x = ebb__batch_aligned(x, 2);
        v = ebb__batch_input(b, 2, 1);
        ebb_batch_give(b, 0, ebb_addmm(x, v, ebb_t(m), .beta = a->beta, .alpha = a->alpha));
        return;
    }
    if (b->batched[0]) x = ebb__batch_aligned(x, 2);
    if (x && (b->batched[0] || x->ndim)) x = ebb_unsqueeze(x, -1);
    v = ebb_unsqueeze(ebb__batch_input(b, 2, 1), 2);
    ebb_batch_give(b, 0, ebb_baddbmm(x, m, v, .beta = a->beta, .alpha = a->alpha));
}

const struct ebb_op ebb_op_addmv = {
    EBB_SIGNATURE(addmv, "Tensor self, Tensor mat, Tensor vec, float? beta=1, float? alpha=1 -> Tensor"),
    .doc = EBB_TEXT("beta self + alpha mat vec, for a matrix (m, k) and a vector (k); self broadcasts to (m)."),
    .torch = EBB_TEXT("torch.addmv"),
    .node = "AddmvBackward0",
    .dtypes = EBB_NUMERIC,
    .infer = addmv_infer,
    .forward = addmv_forward,
    .halves = true,
    .vjp = addmv_vjp,
    .inplace = true,
    .batch = addmv_batch,
    .saves = {0, EBB_IN(2), EBB_IN(1)},
    .formula = EBB_FORMULAS("beta * g", "alpha * outer(g, vec)", "alpha * mat.T @ g"),
    .samples = EBB_SAMPLES("(3) (3,4) (4)", "(1) (3,4) (4)", "() (3,4) (4)", "(3) (3,4) (4) beta=0.5 alpha=-2",
                           "(0) (0,4) (4)", "(3) (3,0) (0)", "(3) (3,4) (4) beta=0", "i5(3) i5(3,4) i5(4) alpha=2",
                           "! (4) (3,4) (4)", "! (3) (3,4) (3)", "! (3) (3) (3)"),
};

/* ---- baddbmm, addbmm ---- */

static ebb_status baddbmm_infer(struct ebb_infer *f) {
    const ebb_dims *x = &f->in[1].shape, *y = &f->in[2].shape;
    ebb_status status = check(f, 1, 3, 3);
    if (status) return status;
    if (x->d[0] != y->d[0])
        return ebb_fail(EBB_ERR_SHAPE, "batch sizes differ: %lld and %lld", (long long)x->d[0], (long long)y->d[0]);
    return sum_infer(f, EBB_DIMS(x->d[0], x->d[1], y->d[2]));
}

static ebb_status baddbmm_forward(struct ebb_forward *f) {
    const struct ebb__attrs_baddbmm *a = f->attrs;
    return sum_forward(f, a->beta.value, a->alpha.value, products);
}

static void baddbmm_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_baddbmm *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, times(g, a->beta.value));
    if (v->needs[1]) ebb_vjp_give(v, 1, times(ebb_bmm(g, ebb_transpose(v->in[2], 1, 2)), a->alpha.value));
    if (v->needs[2]) ebb_vjp_give(v, 2, times(ebb_bmm(ebb_transpose(v->in[1], 1, 2), g), a->alpha.value));
}

static void baddbmm_batch(struct ebb_batch_call *b) {
    const struct ebb__attrs_baddbmm *a = b->attrs;
    ebb_tensor *x = ebb__batch_input(b, 0, 3), *y = ebb__batch_input(b, 1, 3), *z = ebb__batch_input(b, 2, 3);
    if (!x || !y || !z) return;
    x = ebb_expand(x, EBB_DIMS(b->size, y->dims[1], y->dims[2], z->dims[3]));
    ebb_tensor *out = ebb_baddbmm(ebb__batch_folded(x), ebb__batch_folded(y), ebb__batch_folded(z), .beta = a->beta,
                                  .alpha = a->alpha);
    ebb_batch_give(b, 0, ebb__batch_unfolded(out, b->size));
}

const struct ebb_op ebb_op_baddbmm = {
    EBB_SIGNATURE(baddbmm, "Tensor self, Tensor batch1, Tensor batch2, float? beta=1, float? alpha=1 -> Tensor"),
    .doc = EBB_TEXT(
        "beta self + alpha batch1 batch2, pair by pair, for matrices (b, m, k) and (b, k, n); self broadcasts to "
        "(b, m, n)."),
    .torch = EBB_TEXT("torch.baddbmm"),
    .node = "BaddbmmBackward0",
    .autocast = EBB_AUTOCAST_LOW,
    .dtypes = EBB_NUMERIC,
    .infer = baddbmm_infer,
    .forward = baddbmm_forward,
    .halves = true,
    .vjp = baddbmm_vjp,
    .inplace = true,
    .batch = baddbmm_batch,
    .saves = {0, EBB_IN(2), EBB_IN(1)},
    .formula = EBB_FORMULAS("beta * g", "alpha * g @ batch2.mT", "alpha * batch1.mT @ g"),
    .samples = EBB_SAMPLES("(2,3,5) (2,3,4) (2,4,5)", "(3,1) (2,3,4) (2,4,5)", "() (2,3,4) (2,4,5)",
                           "(5) (2,3,4) (2,4,5) beta=0.5 alpha=-2", "(5) (2,3,4) (2,4,5) beta=0", "(5) (0,3,4) (0,4,5)",
                           "(5) (2,3,0) (2,0,5)", "i5(2) i5(2,2,2) i5(2,2,2) beta=2", "! (4) (2,3,4) (2,4,5)",
                           "! (5) (2,3,4) (3,4,5)", "! (5) (3,4) (4,5)"),
};

/* Whether these are pairs of matrices, in their last dimensions where more are given; else an error. */
static bool are_pairs(const ebb_tensor *x, int x_ndim, const ebb_tensor *y, int y_ndim) {
    const int64_t *a = x->dims + x->ndim - x_ndim, *b = y->dims + y->ndim - y_ndim;
    if (x_ndim == 3 && y_ndim == 3 && a[0] == b[0] && a[2] == b[1]) return true;
    char ta[EBB__SHAPE_TEXT], tb[EBB__SHAPE_TEXT];
    ebb_fail(EBB_ERR_SHAPE, "expected (b, m, k) and (b, k, n), got %s and %s", ebb__shape_text(ta, x_ndim, a),
             ebb__shape_text(tb, y_ndim, b));
    return false;
}

/* The batch is one more dimension to sum over: one product of a wide matrix and a tall one. */
static ebb_tensor *addbmm(struct ebb_forward *f) {
    const struct ebb__attrs_addbmm *a = f->attrs;
    ebb_tensor *x = f->in[1], *y = f->in[2];
    if (!are_pairs(x, x->ndim, y, y->ndim)) return NULL;
    int64_t b = x->dims[0], m = x->dims[1], k = x->dims[2], n = y->dims[2];
    return ebb_addmm(f->in[0], ebb_reshape(ebb_permute(x, EBB_DIMS(1, 0, 2)), EBB_DIMS(m, b * k)),
                     ebb_reshape(y, EBB_DIMS(b * k, n)), .beta = a->beta, .alpha = a->alpha);
}

static void addbmm_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_addbmm *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, times(g, a->beta.value));
    if (v->needs[1]) ebb_vjp_give(v, 1, times(ebb_matmul(g, ebb_transpose(v->in[2], 1, 2)), a->alpha.value));
    if (v->needs[2]) ebb_vjp_give(v, 2, times(ebb_matmul(ebb_transpose(v->in[1], 1, 2), g), a->alpha.value));
}

/* The sum over pairs is inside of one product: (n, b m) by (b m, p). */
static void addbmm_batch(struct ebb_batch_call *b) {
    const struct ebb__attrs_addbmm *a = b->attrs;
    if (!are_pairs(b->in[1], ebb__batch_ndim(b, 1), b->in[2], ebb__batch_ndim(b, 2))) return;
    ebb_tensor *x = b->batched[0] ? ebb__batch_aligned(b->in[0], 3) : b->in[0];
    ebb_tensor *y = ebb__batch_input(b, 1, 3), *z = ebb__batch_input(b, 2, 3);
    if (!x || !y || !z) return;
    int64_t pairs = y->dims[1], n = y->dims[2], m = y->dims[3], p = z->dims[3];
    y = ebb_reshape(ebb_transpose(y, 1, 2), EBB_DIMS(b->size, n, pairs * m));
    z = ebb_reshape(z, EBB_DIMS(b->size, pairs * m, p));
    ebb_batch_give(b, 0, ebb_baddbmm(x, y, z, .beta = a->beta, .alpha = a->alpha));
}

const struct ebb_op ebb_op_addbmm = {
    EBB_SIGNATURE(addbmm, "Tensor self, Tensor batch1, Tensor batch2, float? beta=1, float? alpha=1 -> Tensor"),
    .doc = EBB_TEXT(
        "beta self + alpha times the sum of the products of batch1 (b, m, k) and batch2 (b, k, n), pair by pair; self "
        "broadcasts to (m, n)."),
    .torch = EBB_TEXT("torch.addbmm"),
    .node = "AddbmmBackward0",
    .autocast = EBB_AUTOCAST_LOW,
    .compose = addbmm,
    .inplace = true,
    .vjp = addbmm_vjp,
    .batch = addbmm_batch,
    .saves = {0, EBB_IN(2), EBB_IN(1)},
    .formula = EBB_FORMULAS("beta * g", "alpha * g @ batch2.mT", "alpha * batch1.mT @ g"),
    .samples = EBB_SAMPLES("(3,5) (2,3,4) (2,4,5)", "(5) (2,3,4) (2,4,5) beta=0.5 alpha=-2",
                           "() (2,3,4) (2,4,5) beta=0", "(5) (0,3,4) (0,4,5)", "(5) (2,3,0) (2,0,5)",
                           "! (4) (2,3,4) (2,4,5)", "! (5) (2,3,4) (3,4,5)", "! (5) (3,4) (4,5)"),
};
