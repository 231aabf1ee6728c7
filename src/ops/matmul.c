/* matmul, the product of whatever has dimensions, and linear: compositions of the products of fixed shapes
 * (products.c). */
#define EBB_FAMILY "Linear algebra"
#include "ops/ops.h"

/* The size that is summed over, and the dimensions in front of the matrices (or of the vector). */
static int64_t inner_size(const ebb_tensor *t, bool right) {
    return t->dims[right && t->ndim > 1 ? t->ndim - 2 : t->ndim - 1];
}
static ebb_dims batch_of(const ebb_tensor *t) { return ebb__dims(t->ndim > 2 ? t->ndim - 2 : 0, t->dims); }

static ebb_dims with(ebb_dims batch, int64_t rows, int64_t columns) {
    batch.d[batch.n++] = rows;
    batch.d[batch.n++] = columns;
    return batch;
}

/* On failure an error that names both shapes; on success the batch that both broadcast to. */
static bool check(const ebb_tensor *a, const ebb_tensor *b, ebb_dims *ret_batch) {
    ebb_dims other = batch_of(b);
    *ret_batch = batch_of(a);
    if (a->ndim && b->ndim && a->dtype == b->dtype && inner_size(a, false) == inner_size(b, true) &&
        ebb__broadcast(ret_batch, &other))
        return true;
    char ta[EBB__SHAPE_TEXT], tb[EBB__SHAPE_TEXT];
    ebb__shape_text(ta, a->ndim, a->dims);
    ebb__shape_text(tb, b->ndim, b->dims);
    if (a->ndim == 0 || b->ndim == 0)
        ebb_fail(EBB_ERR_SHAPE, "both inputs need at least one dimension, got %s and %s", ta, tb);
    else if (a->dtype != b->dtype)
        ebb_fail(EBB_ERR_DTYPE, "inputs must have one dtype, got %s and %s", ebb_dtype_name((ebb_dtype)a->dtype),
                 ebb_dtype_name((ebb_dtype)b->dtype));
    else if (inner_size(a, false) != inner_size(b, true))
        ebb_fail(EBB_ERR_SHAPE, "inner dimensions of %s and %s differ: %lld and %lld", ta, tb,
                 (long long)inner_size(a, false), (long long)inner_size(b, true));
    else ebb_fail(EBB_ERR_SHAPE, "batch dimensions of %s and %s do not broadcast", ta, tb);
    return false;
}

static bool gathers(const ebb_tensor *t) { return !ebb__thread.no_grad && ebb__requires_grad(t); }

/* Whether all dimensions but the last are laid out as one, so that folding them copies nothing. */
static bool folds_free(const ebb_tensor *t) {
    for (int i = 0; i + 2 < t->ndim; i++)
        if (t->dims[i] != 1 && ebb__strides(t)[i] != ebb__strides(t)[i + 1] * t->dims[i + 1]) return false;
    return true;
}

/* A batch times one matrix or vector, with the batch's rows as the rows of one tall matrix: one large product instead
 * of many small ones, and the gradient of b comes out summed. */
static ebb_tensor *folded(ebb_tensor *a, ebb_tensor *b) {
    if (!a || !b) return NULL; /* a transposition failed */
    ebb_dims shape = ebb_tensor_shape(a);
    int64_t rows = 1, k = shape.d[--shape.n];
    for (int i = 0; i < shape.n; i++) rows *= shape.d[i];
    ebb_tensor *tall = ebb_reshape(a, EBB_DIMS(rows, k));
    if (b->ndim == 1) return ebb_unsafe_view(ebb_mv(tall, b), shape);
    shape.d[shape.n++] = b->dims[1];
    return ebb_unsafe_view(ebb_mm(tall, b), shape);
}

/* Pair by pair, with both batches broadcast; vectors are matrices of one row or column meanwhile. */
static ebb_tensor *batched(ebb_tensor *a, ebb_tensor *b, ebb_dims batch) {
    bool row = a->ndim == 1, column = b->ndim == 1;
    int64_t m = row ? 1 : a->dims[a->ndim - 2], k = inner_size(a, false), n = column ? 1 : b->dims[b->ndim - 1],
            count = 1;
    for (int i = 0; i < batch.n; i++) count *= batch.d[i];
    if (row) a = ebb_unsqueeze(a, 0);
    if (column) b = ebb_unsqueeze(b, 1);
    a = ebb_reshape(ebb_expand(a, with(batch, m, k)), EBB_DIMS(count, m, k));
    b = ebb_reshape(ebb_expand(b, with(batch, k, n)), EBB_DIMS(count, k, n));
    ebb_dims shape = batch;
    if (!row) shape.d[shape.n++] = m;
    if (!column) shape.d[shape.n++] = n;
    return ebb_unsafe_view(ebb_bmm(a, b), shape);
}

static ebb_tensor *matmul(struct ebb_forward *f) {
    ebb_tensor *a = f->in[0], *b = f->in[1];
    ebb_dims batch;
    if (!check(a, b, &batch)) return NULL;
    if (a->ndim == 1 && b->ndim == 1) return ebb_dot(a, b);
    if (a->ndim == 2 && b->ndim == 1) return ebb_mv(a, b);
    if (a->ndim == 1 && b->ndim == 2) return ebb_squeeze(ebb_mm(ebb_unsqueeze(a, 0), b), .dim = EBB_DIMS(0));
    if (a->ndim == 2 && b->ndim == 2) return ebb_mm(a, b);
    if (b->ndim <= 2 && (gathers(b) || folds_free(a))) return folded(a, b);
    if (a->ndim == 1 && gathers(a)) return folded(ebb_transpose(b, -1, -2), a);
    if (a->ndim == 2 && gathers(a)) return ebb_transpose(folded(ebb_transpose(b, -1, -2), ebb_t(a)), -1, -2);
    return batched(a, b, batch);
}

const struct ebb_op ebb_op_matmul = {
    EBB_SIGNATURE(matmul, "Tensor self, Tensor other -> Tensor"),
    .doc = EBB_TEXT(
        "The matrix product. Two vectors: their dot product, 0-d. A matrix and a vector: a vector, where a vector on the left is a "
        "row and one on the right a column. More dimensions: matrices in the last two, the others broadcast."),
    .torch = EBB_TEXT("torch.matmul"),
    .autocast = EBB_AUTOCAST_LOW,
    .compose = matmul,
    .parts = EBB_TEXT("'dot, mv, mm or bmm of the last two dimensions, by how many there are'"),
    .samples =
        EBB_SAMPLES("(4) (4)", "(3,4) (4)", "(4) (4,5)", "(3,4) (4,5)", "(2,3,4) (4)", "(2,3,4) (4,5)", "(4) (2,4,5)",
                    "(3,4) (2,4,5)", "(2,3,4) (2,4,5)", "(6,1,3,4) (2,4,5)", "(0,3,4) (4,5)", "(2,3,0) (2,0,5)",
                    "i5(2,3) i5(3,2)", "! (2,3) (4,5)", "! () (3)", "! (2,3,4) (3,4,5)", "! (3,4) i5(4)"),
};

/* ---- linear ---- */

static ebb_tensor *linear(struct ebb_forward *f) {
    ebb_tensor *x = f->in[0], *weight = f->in[1], *bias = f->in[2];
    char tx[EBB__SHAPE_TEXT], tw[EBB__SHAPE_TEXT], tb[EBB__SHAPE_TEXT];
    if (x->ndim == 0 || weight->ndim != 2 || x->dims[x->ndim - 1] != weight->dims[1]) {
        ebb_fail(EBB_ERR_SHAPE, "expected input (*, in) and weight (out, in), got %s and %s",
                 ebb__shape_text(tx, x->ndim, x->dims), ebb__shape_text(tw, weight->ndim, weight->dims));
        return NULL;
    }
    if (!bias) return ebb_matmul(x, ebb_t(weight));
    if (bias->ndim != 1 || bias->dims[0] != weight->dims[0]) {
        ebb_fail(EBB_ERR_SHAPE, "bias must have shape [%lld], got %s", (long long)weight->dims[0],
                 ebb__shape_text(tb, bias->ndim, bias->dims));
        return NULL;
    }
    if (x->ndim == 2) return ebb_addmm(bias, x, ebb_t(weight));
    ebb_dims shape = ebb_tensor_shape(x);
    int64_t rows = 1, in = shape.d[shape.n - 1];
    for (int i = 0; i + 1 < shape.n; i++) rows *= shape.d[i];
    shape.d[shape.n - 1] = weight->dims[0];
    return ebb_unsafe_view(ebb_addmm(bias, ebb_reshape(x, EBB_DIMS(rows, in)), ebb_t(weight)), shape);
}

const struct ebb_op ebb_op_linear = {
    EBB_SIGNATURE(linear, "Tensor input, Tensor weight, Tensor? bias -> Tensor"),
    .doc = EBB_TEXT("input weight^T + bias, for input (*, in), weight (out, in) and bias (out)."),
    .torch = EBB_TEXT("torch.nn.functional.linear"),
    .autocast = EBB_AUTOCAST_LOW,
    .compose = linear,
    .parts = EBB_TEXT("input @ weight.T if bias == None else input @ weight.T + bias"),
    .samples = EBB_SAMPLES("(3,4) (5,4) (5)", "(3,4) (5,4)", "(4) (5,4) (5)", "(2,3,4) (5,4) (5)", "(0,4) (5,4) (5)",
                           "! (3,4) (4,5) (5)", "! (3,4) (5,4) (4)"),
};
