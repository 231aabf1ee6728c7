/* Dimensions in another order, as views: transpose, t, permute, movedim. */
#define EBB_FAMILY "Shape"
#include "ops/batching.h"

/* out's dimension i is in's dimension from[i]. */
static ebb_status reorder(struct ebb_infer *f, int n, const int *from) {
    const ebb_meta *in = &f->in[0];
    ebb_meta *out = &f->out[0];
    out->shape.n = out->strides.n = n;
    for (int i = 0; i < n; i++) {
        out->shape.d[i] = in->shape.d[from[i]];
        out->strides.d[i] = in->strides.d[from[i]];
    }
    return EBB_OK;
}

static ebb_status infer_swap(struct ebb_infer *f, int64_t dim0, int64_t dim1) {
    int n = f->in[0].shape.n, from[EBB_MAX_NDIM];
    for (int i = 0; i < n; i++) from[i] = i == dim0 ? (int)dim1 : i == dim1 ? (int)dim0 : i;
    return reorder(f, n, from);
}

static ebb_status infer_transpose(struct ebb_infer *f) {
    const struct ebb__attrs_transpose *a = f->attrs;
    return infer_swap(f, a->dim0, a->dim1);
}

static void vjp_transpose(struct ebb_vjp_call *v) {
    const struct ebb__attrs_transpose *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_transpose(v->grad[0], a->dim0, a->dim1));
}

const struct ebb_op ebb_op_transpose = {
    EBB_SIGNATURE(transpose, "Tensor self, dim dim0, dim dim1 -> Tensor"),
    .doc = EBB_TEXT("A view with dimensions dim0 and dim1 exchanged."),
    .torch = EBB_TEXT("torch.transpose"),
    .node = "TransposeBackward0",
    .view = true,
    .infer = infer_transpose,
    .vjp = vjp_transpose,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("transpose(g, dim0, dim1)"),
    .samples = EBB_SAMPLES("(2,3) dim0=0 dim1=1", "(2,3,4) dim0=-1 dim1=0", "(2,3) dim0=1 dim1=1", "() dim0=0 dim1=-1",
                           "(2,0) dim0=0 dim1=1", "! (2,3) dim0=0 dim1=2"),
};

static ebb_status infer_t(struct ebb_infer *f) {
    if (f->in[0].shape.n > 2) return ebb_fail(EBB_ERR_SHAPE, "is for at most 2 dimensions; use transpose or permute");
    return infer_swap(f, 0, f->in[0].shape.n - 1);
}

static void vjp_t(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_t(v->grad[0])); }

static void batch_t(struct ebb_batch_call *b) {
    ebb_tensor *x = b->in[0];
    ebb_batch_give(b, 0, x->ndim == 3 ? ebb_transpose(x, 1, 2) : ebb_view(x, ebb_tensor_shape(x)));
}

const struct ebb_op ebb_op_t = {
    EBB_SIGNATURE(t, "Tensor self -> Tensor"),
    .doc = EBB_TEXT("The transpose of a matrix, as a view; tensors of fewer dimensions as they are."),
    .torch = EBB_TEXT("torch.t"),
    .node = "TBackward0",
    .view = true,
    .infer = infer_t,
    .vjp = vjp_t,
    .batch = batch_t,
    .formula = EBB_FORMULAS("t(g)"),
    .samples = EBB_SAMPLES("(2,3)", "(3)", "()", "(0,3)", "! (2,3,4)"),
};

static ebb_status infer_permute(struct ebb_infer *f) {
    const struct ebb__attrs_permute *a = f->attrs;
    int n = f->in[0].shape.n, from[EBB_MAX_NDIM];
    if (a->dims.n != n)
        return ebb_fail(EBB_ERR_ARGUMENT, "dims must name each of the %d dimensions once, not %d of them", n,
                        (int)a->dims.n);
    for (int i = 0; i < n; i++) from[i] = (int)a->dims.d[i];
    return reorder(f, n, from);
}

static void vjp_permute(struct ebb_vjp_call *v) {
    const struct ebb__attrs_permute *a = v->attrs;
    ebb_dims back = a->dims;
    for (int i = 0; i < back.n; i++) back.d[a->dims.d[i]] = i;
    ebb_vjp_give(v, 0, ebb_permute(v->grad[0], back));
}

static void batch_permute(struct ebb_batch_call *b) {
    const struct ebb__attrs_permute *a = b->attrs;
    ebb_dims dims = {{0}, 1};
    for (int k = 0; k < a->dims.n; k++) dims.d[dims.n++] = a->dims.d[k] + 1;
    ebb_batch_give(b, 0, ebb_permute(b->in[0], dims));
}

const struct ebb_op ebb_op_permute = {
    EBB_SIGNATURE(permute, "Tensor self, dims dims -> Tensor"),
    .doc = EBB_TEXT(
        "A view with its dimensions in another order: dimension i of the result is dimension dims[i] of self."),
    .torch = EBB_TEXT("torch.permute"),
    .node = "PermuteBackward0",
    .view = true,
    .infer = infer_permute,
    .vjp = vjp_permute,
    .batch = batch_permute,
    .formula = EBB_FORMULAS("permute(g, argsort(dims))"),
    .samples = EBB_SAMPLES("(2,3,4) dims=(2,0,1)", "(2,3,4) dims=(-1,-2,-3)", "(2,3) dims=(0,1)", "() dims=()",
                           "(2,0,3) dims=(1,2,0)", "! (2,3) dims=(0)", "! (2,3) dims=(0,0)", "! (2,3) dims=(0,2)"),
};

static ebb_tensor *compose_movedim(struct ebb_forward *f) {
    const struct ebb__attrs_movedim *a = f->attrs;
    ebb_dims order = {{0}, ebb_tensor_ndim(f->in[0])};
    unsigned placed = 0, moved = 0;
    if (a->source.n != a->destination.n) {
        ebb_fail(EBB_ERR_ARGUMENT, "source names %d dimensions and destination %d", (int)a->source.n,
                 (int)a->destination.n);
        return NULL;
    }
    for (int i = 0; i < a->source.n; i++) {
        order.d[a->destination.d[i]] = a->source.d[i];
        placed |= 1u << a->destination.d[i];
        moved |= 1u << a->source.d[i];
    }
    for (int to = 0, from = 0; to < order.n; to++) { /* the others keep their order */
        if (placed >> to & 1u) continue;
        while (moved >> from & 1u) from++;
        order.d[to] = from++;
    }
    return ebb_permute(f->in[0], order);
}

const struct ebb_op ebb_op_movedim = {
    EBB_SIGNATURE(movedim, "Tensor self, dims source, dims destination -> Tensor"),
    .doc = EBB_TEXT("A view with dimension source[i] moved to place destination[i]; the others keep their order."),
    .torch = EBB_TEXT("torch.movedim"),
    .compose = compose_movedim,
    .formula = EBB_FORMULAS("movedim(g, destination, source)"),
    .samples = EBB_SAMPLES("(2,3,4) source=(0) destination=(2)", "(2,3,4) source=(-1,0) destination=(0,1)",
                           "(2,3,4) source=(1,2) destination=(0,2)", "(2,3) source=() destination=()",
                           "() source=(0) destination=(-1)", "(2,0,3) source=(2) destination=(0)",
                           "! (2,3) source=(0,1) destination=(0)", "! (2,3) source=(0,0) destination=(0,1)",
                           "! (2,3) source=(0) destination=(2)"),
};
