/* Rows of a table by number. */
#define EBB_FAMILY "Indexing"
#include "ops/indexing.h"

static ebb_status infer(struct ebb_infer *f) {
    const struct ebb__attrs_embedding *a = f->attrs;
    const ebb_meta *index = &f->in[0], *weight = &f->in[1];
    if (weight->shape.n != 2)
        return ebb_fail(EBB_ERR_SHAPE, "weight must have 2 dimensions, got %d", (int)weight->shape.n);
    if (index->shape.n == EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_SHAPE, "the result would have more than %d dimensions", EBB_MAX_NDIM);
    double rows = (double)weight->shape.d[0], padding = a->padding_idx.value;
    if (a->padding_idx.given && (padding < -rows || padding >= rows))
        return ebb_fail(EBB_ERR_INDEX, "padding_idx %g is out of range for %g rows", padding, rows);
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
    ebb_status status = ebb__check_places(&p, 0, 0, false);
    if (!status) ebb__place(&p, EBB__TAKE, (ebb_dtype)weight->dtype);
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
        ebb_tensor *count = ebb_index_add_(ebb_zeros(EBB_DIMS(shape.d[0]), .dtype = dtype), index, ones, 0);
        g = ebb_div(g, ebb_unsqueeze(ebb_index_select(count, index, 0), 1));
    }
    ebb_tensor *w = ebb_index_add_(ebb_zeros(shape, .dtype = dtype), index, g, 0);
    if (a->padding_idx.given)
        w = ebb_index_fill_(w, ebb_full(EBB_DIMS(1), a->padding_idx.value, .dtype = EBB_I64), 0, 0);
    ebb_vjp_give(v, 1, w);
}

const struct ebb_op ebb_op_embedding = {
    EBB_SIGNATURE(embedding,
                  "Tensor input, Tensor weight, float? padding_idx=none, bool scale_grad_by_freq=false -> Tensor"),
    .doc =
        "The rows of weight (rows, width) that input (integers of any shape) names: result[i][j] = weight[input[i]][j]. "
        "The row padding_idx, negative from the end, receives no gradient; with scale_grad_by_freq the others' is "
        "divided by how often they are named.",
    .torch = "torch.nn.functional.embedding",
    .node = "EmbeddingBackward0",
    .infer = infer,
    .forward = forward,
    .vjp = vjp,
    .jvp = ebb_jvp_linear,
    .saves = {0, EBB_IN(0)},
    .formula = {"",
                "i = flatten(input); z = index_add(zeros_like(weight), 0, i, reshape(g, (i.numel(), weight.size(1)))); "
                "z = z if padding_idx == None else index_fill(z, 0, tensor([int(padding_idx)]), 0); "
                "z / clamp(bincount(i, minlength=weight.size(0)), min=1)[:, None] if scale_grad_by_freq else z"},
    .samples =
        EBB_SAMPLES("i5(2,3) (5,4)", "i3(4) (5,3) padding_idx=4", "i3(9) (5,3) padding_idx=-2",
                    "i1(1) (5,3) scale_grad_by_freq=true", "i3() (3,2)", "i3(0) (3,2)", "i3(2) (3,0)", "int32(1) (5,3)",
                    "! i5(2) (5)", "! i9(99) (5,2)", "! (2) (5,2)", "! i5(2) (5,2) padding_idx=5"),
};
