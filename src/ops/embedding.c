/* Rows of a table by number; with max_norm the rows are first made shorter. */
#define EBB_FAMILY "Indexing"
#include "ops/batching.h"
#include "ops/indexing.h"

static ebb_status infer(struct ebb_infer *f) {
    const struct ebb__attrs_embedding *a = f->attrs;
    const ebb_meta *index = &f->in[0], *weight = &f->in[1];
    if (weight->shape.n != 2)
        return ebb_fail(EBB_ERR_SHAPE, "weight must have 2 dimensions, got %d", (int)weight->shape.n);
    if (index->shape.n == EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_SHAPE, "the result would have more than %d dimensions", EBB_MAX_NDIM);
    int64_t rows = weight->shape.d[0], padding = a->padding_idx.whole;
    if (a->padding_idx.given && (padding < -rows || padding >= rows))
        return ebb_fail(EBB_ERR_INDEX, "padding_idx %lld is out of range for %lld rows", (long long)padding,
                        (long long)rows);
    f->out->shape = index->shape;
    f->out->shape.d[f->out->shape.n++] = weight->shape.d[1];
    f->out->dtype = weight->dtype;
    return ebb__index_dtype(index);
}

static ebb_status forward(struct ebb_forward *f) {
    const ebb_tensor *weight = f->in[1], *y = f->out[0];
    ebb_tensor *index = ebb__index_i64(f->in[0]);
    if (!index) return ebb_error_status();
    struct ebb__places p = {.ndim = y->ndim, .n = 1, .moving = weight->data, .fixed = y->data};
    int last = y->ndim - 1;
    p.index[0].data = (const int64_t *)(const void *)index->data;
    p.index[0].limit = weight->dims[0];
    p.index[0].step = ebb__step(weight, 0);
    for (int d = 0; d < y->ndim; d++) {
        p.size[d] = y->dims[d];
        p.fixed_stride[d] = ebb__step(y, d);
        p.moving_stride[d] = d == last ? ebb__step(weight, 1) : 0;
        p.index[0].stride[d] = d == last ? 0 : ebb__step(index, d);
    }
    ebb_status status = ebb__place_along(&p, EBB__TAKE, (ebb_dtype)weight->dtype, 0, false);
    ebb__unref(index);
    return status;
}

static void vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_embedding *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 1);
    ebb_dtype dtype = ebb_tensor_dtype(v->grad[0]);
    ebb_tensor *index = ebb_reshape(v->in[0], EBB_DIMS(ebb_tensor_numel(v->in[0])));
    ebb_tensor *g = ebb_reshape(v->grad[0], EBB_DIMS(ebb_tensor_numel(index), shape.d[1]));
    if (a->scale_grad_by_freq) {
        ebb_tensor *ones = ebb_ones(ebb_tensor_shape(index), .dtype = dtype);
        ebb_tensor *count = ebb_index_add_(ebb__zeros_beside(EBB_DIMS(shape.d[0]), dtype, index, NULL), index, ones, 0);
        g = ebb_div(g, ebb_unsqueeze(ebb_index_select(count, index, 0), 1));
    }
    ebb_tensor *sum = a->padding_idx.given ? NULL : ebb_vjp_sum(v, 1);
    if (sum) {
        (void)ebb_index_add_(sum, index, g, 0);
        return;
    }
    ebb_tensor *w = ebb_index_add_(ebb__zeros_beside(shape, dtype, index, g), index, g, 0);
    if (a->padding_idx.given) w = ebb_index_fill_(w, ebb_full(EBB_DIMS(1), a->padding_idx.whole), 0, 0);
    ebb_vjp_give(v, 1, w);
}

/* Weights of each sample are one weight with the rows of all. */
static void batch(struct ebb_batch_call *b) {
    const struct ebb__attrs_embedding *a = b->attrs;
    if (!b->batched[1] && !a->scale_grad_by_freq) {
        ebb__batch_forward(b, b->in, a);
        return;
    }
    if (a->padding_idx.given || a->scale_grad_by_freq) { /* which are said of the rows of one weight */
        ebb_batch_loop(b);
        return;
    }
    ebb_tensor *index = ebb_to(ebb__batch_input(b, 0, 0), EBB_I64), *weight = b->in[1];
    ebb_tensor *first = ebb_arange(0, b->size * weight->dims[1], weight->dims[1] ? weight->dims[1] : 1);
    first = ebb__batch_aligned(first, index ? index->ndim : 0);
    ebb_batch_give(b, 0, ebb_embedding(ebb_add(index, first), ebb__batch_folded(weight)));
}

const struct ebb_op ebb_op_embedding = {
    EBB_SIGNATURE(embedding,
                  "Tensor input, Tensor weight, int? padding_idx=none, bool scale_grad_by_freq=false -> Tensor"),
    .doc = EBB_TEXT(
        "The rows of weight (rows, width) that input (integers of any shape) names: result[i][j] = weight[input[i]][j]. "
        "The row padding_idx, negative from the end, receives no gradient; with scale_grad_by_freq the others' is "
        "divided by how often they are named."),
    .torch = EBB_TEXT("torch.nn.functional.embedding"),
    .node = "EmbeddingBackward0",
    .infer = infer,
    .forward = forward,
    .vjp = vjp,
    .jvp = ebb_jvp_linear,
    .batch = batch,
    .saves = {0, EBB_IN(0)},
    .formula = EBB_FORMULAS(
        "", "i = flatten(input); z = index_add(zeros_like(weight), 0, i, reshape(g, (i.numel(), weight.size(1)))); "
            "z = z if padding_idx == None else index_fill(z, 0, tensor([int(padding_idx)]), 0); "
            "z / clamp(bincount(i, minlength=weight.size(0)), min=1)[:, None] if scale_grad_by_freq else z"),
    .samples =
        EBB_SAMPLES("i5(2,3) (5,4)", "i3(4) (5,3) padding_idx=4", "i3(9) (5,3) padding_idx=-2",
                    "i1(1) (5,3) scale_grad_by_freq=true", "i3() (3,2)", "i3(0) (3,2)", "i3(2) (3,0)", "int32(1) (5,3)",
                    "! i5(2) (5)", "! i9(99) (5,2)", "! (2) (5,2)", "! i5(2) (5,2) padding_idx=5"),
};

/* Rows that are longer than max_norm are scaled to it, where they lie; PyTorch adds 1e-7 to what it divides by. */
static void shorten_rows(ebb_tensor *weight, ebb_tensor *input, double max_norm, double norm_type) {
    ebb_tensor *index = ebb_reshape(input, EBB_DIMS(-1)), *rows = ebb_index_select(weight, index, 0);
    ebb_tensor *norm = ebb_vector_norm(rows, .ord = EBB_SET(norm_type), .dim = EBB_DIMS(1), .keepdim = true);
    ebb_tensor *scale = ebb_where(ebb_gt(norm, max_norm), ebb_div(max_norm, ebb_add(norm, 1e-7)), 1);
    ebb_index_copy_(weight, index, ebb_mul(rows, scale), 0);
}

static ebb_tensor *max_norm_compose(struct ebb_forward *f) {
    const struct ebb__attrs_embedding_max_norm *a = f->attrs;
    if (ebb_tensor_ndim(f->in[1]) != 2) {
        ebb_fail(EBB_ERR_SHAPE, "weight must have 2 dimensions, got %d", ebb_tensor_ndim(f->in[1]));
        return NULL;
    }
    EBB_NO_GRAD shorten_rows(f->in[1], f->in[0], a->max_norm, a->norm_type.value);
    return ebb_embedding(f->in[0], f->in[1], .padding_idx = a->padding_idx,
                         .scale_grad_by_freq = a->scale_grad_by_freq);
}

const struct ebb_op ebb_op_embedding_max_norm = {
    EBB_SIGNATURE(embedding_max_norm, "Tensor input, Tensor weight, float max_norm, float? norm_type=2, "
                                      "int? padding_idx=none, bool scale_grad_by_freq=false -> Tensor"),
    .doc = EBB_TEXT(
        "embedding, before which the rows that input names are scaled, in weight itself, to a norm (of order norm_type) of at "
        "most max_norm. That is not differentiated."),
    .torch = EBB_TEXT("torch.nn.functional.embedding(max_norm=)"),
    .overload = "embedding",
    .order = "input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq",
    .compose = max_norm_compose,
    .formula = EBB_FORMULAS("", "'that of embedding'"),
    .samples = EBB_SAMPLES("i5(2,3) (5,4) max_norm=100", "i3(4) (5,3) max_norm=100 norm_type=1 padding_idx=4",
                           "i3(0) (3,2) max_norm=1", "i3() (3,2) max_norm=100", "! i5(2) (5) max_norm=1",
                           "! i9(99) (5,2) max_norm=1"),
};
