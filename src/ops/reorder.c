/* Elements in another order along dimensions: flip, roll, rot90. */
#define EBB_FAMILY "Shape"
#include "ops/batching.h"
#include "ops/region.h"

/* ---- flip ---- */

static ebb_status infer_same(struct ebb_infer *f) {
    f->out[0].shape = f->in[0].shape;
    return EBB_OK;
}

/* Copy the elements of `in` that lie `strides` apart, from the last one back where `back` says so. */
static void copy_back(ebb_tensor *out, const ebb_tensor *in, const int64_t *strides, const bool *back) {
    int64_t size = (int64_t)ebb__dtype_sizes[in->dtype], from[EBB_MAX_NDIM], to[EBB_MAX_NDIM];
    char *data = in->data, *result = out->data;
    if (in->numel == 0) return;
    for (int i = 0; i < out->ndim; i++) {
        from[i] = strides[i] * size;
        to[i] = ebb__strides(out)[i] * size;
        if (!back[i]) continue;
        bool reading = from[i] != size || to[i] == size; /* the side that runs back: contiguous reads stay forward */
        int64_t *stride = reading ? &from[i] : &to[i];
        *(reading ? &data : &result) += (out->dims[i] - 1) * *stride;
        *stride = -*stride;
    }
    ebb__copy(out->ndim, out->dims, (ebb_dtype)out->dtype, result, to, (ebb_dtype)in->dtype, data, from);
}

static ebb_status forward_flip(struct ebb_forward *f) {
    const struct ebb__attrs_flip *a = f->attrs;
    bool back[EBB_MAX_NDIM] = {false};
    for (int i = 0; i < a->dims.n; i++) back[a->dims.d[i]] = true;
    copy_back(f->out[0], f->in[0], ebb__strides(f->in[0]), back);
    return EBB_OK;
}

static void vjp_flip(struct ebb_vjp_call *v) {
    const struct ebb__attrs_flip *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_flip(v->grad[0], a->dims));
}

const struct ebb_op ebb_op_flip = {
    EBB_SIGNATURE(flip, "Tensor self, dims dims -> Tensor"),
    .doc = EBB_TEXT("A copy with the elements along each of dims in reverse order."),
    .torch = EBB_TEXT("torch.flip"),
    .node = "FlipBackward0",
    .infer = infer_same,
    .forward = forward_flip,
    .halves = true,
    .vjp = vjp_flip,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("flip(g, dims)"),
    .samples = EBB_SAMPLES("(3,4) dims=(0)", "(3,4) dims=(-1)", "(2,3,4) dims=(0,2)", "(3,4) dims=()", "() dims=(0)",
                           "(0,3) dims=(1)", "! (3,4) dims=(2)", "! (3,4) dims=(0,0)"),
};

/* ---- roll ---- */

static ebb_status infer_roll(struct ebb_infer *f) {
    const struct ebb__attrs_roll *a = f->attrs;
    int n = f->in[0].shape.n;
    if (a->shifts.n == 0) return ebb_fail(EBB_ERR_ARGUMENT, "needs at least one shift");
    if (a->dims.n ? a->shifts.n != a->dims.n : a->shifts.n != 1)
        return ebb_fail(EBB_ERR_ARGUMENT, "shifts and dims must have as many entries: %d, %d", (int)a->shifts.n,
                        (int)a->dims.n);
    for (int i = 0; i < a->shifts.n; i++)
        if (a->shifts.d[i] == INT64_MIN) return ebb_fail(EBB_ERR_ARGUMENT, "shift %d is out of range", i);
    for (int i = 0; i < a->dims.n; i++) {
        int64_t dim = a->dims.d[i];
        if (n == 0 || !ebb__wrap_dim(&dim, n))
            return ebb_fail(EBB_ERR_INDEX, "dims names dimension %lld of %d", (long long)dim, n);
    }
    return infer_same(f);
}

/* Along each dimension two pieces: of n elements the last `shift` come first. One copy for each combination of
 * pieces. */
static ebb_status forward_roll(struct ebb_forward *f) {
    const struct ebb__attrs_roll *a = f->attrs;
    ebb_tensor *in = f->in[0], *out = f->out[0];
    ebb_dtype dtype = (ebb_dtype)out->dtype;
    int64_t size = (int64_t)ebb__dtype_sizes[dtype], shape[EBB_MAX_NDIM] = {in->numel}, bytes[EBB_MAX_NDIM] = {size},
            shift[EBB_MAX_NDIM] = {0};
    int n = a->dims.n ? in->ndim : 1;
    if (in->numel == 0) return EBB_OK;
    for (int i = 0; i < n && a->dims.n; i++) {
        shape[i] = in->dims[i];
        bytes[i] = ebb__strides(in)[i] * size;
    }
    for (int i = 0; i < a->shifts.n; i++) { /* a dimension may be named more than once */
        int64_t d = a->dims.n ? a->dims.d[i] : 0, by;
        ebb__wrap_dim(&d, n);
        by = a->shifts.d[i] % shape[d];
        shift[d] = (shift[d] + (by < 0 ? by + shape[d] : by)) % shape[d];
    }
    for (unsigned piece = 0; piece < 1u << n; piece++) {
        int64_t part[EBB_MAX_NDIM];
        char *to = out->data, *from = in->data;
        bool some = true;
        for (int d = 0; d < n; d++) {
            bool first = piece >> d & 1u; /* in the result */
            part[d] = first ? shift[d] : shape[d] - shift[d];
            some = some && part[d];
            if (first) from += (shape[d] - shift[d]) * bytes[d];
            else to += shift[d] * bytes[d];
        }
        if (some) ebb__copy(n, part, dtype, to, bytes, dtype, from, bytes);
    }
    return EBB_OK;
}

static void vjp_roll(struct ebb_vjp_call *v) {
    const struct ebb__attrs_roll *a = v->attrs;
    ebb_dims back = a->shifts;
    for (int i = 0; i < back.n; i++) back.d[i] = -back.d[i];
    ebb_vjp_give(v, 0, ebb_roll(v->grad[0], back, .dims = a->dims));
}

static void batch_roll(struct ebb_batch_call *b) {
    const struct ebb__attrs_roll *a = b->attrs;
    ebb_tensor *x = b->in[0];
    ebb_dims dims = a->dims;
    for (int k = 0; k < dims.n; k++) dims.d[k] += dims.d[k] < 0 ? x->ndim : 1;
    if (dims.n == 0) { /* flattened */
        dims = EBB_DIMS(1);
        x = ebb_reshape(x, EBB_DIMS(b->size, b->size ? x->numel / b->size : 0));
    }
    ebb_batch_give(b, 0, ebb_roll(x, a->shifts, .dims = dims));
}

const struct ebb_op ebb_op_roll = {
    EBB_SIGNATURE(roll, "Tensor self, shape shifts, shape dims=() -> Tensor"),
    .doc = EBB_TEXT(
        "A copy with the elements moved on by shifts[i] along dims[i], those that leave at the end coming in at the "
        "beginning. Without dims the one shift is that of the flattened tensor."),
    .torch = EBB_TEXT("torch.roll"),
    .node = "RollBackward0",
    .contiguous = true,
    .infer = infer_roll,
    .forward = forward_roll,
    .halves = true,
    .vjp = vjp_roll,
    .jvp = ebb_jvp_linear,
    .batch = batch_roll,
    .formula = EBB_FORMULAS("roll(g, -shifts, dims)"),
    .samples =
        EBB_SAMPLES("(3,4) shifts=(1)", "(3,4) shifts=(1) dims=(0)", "(3,4) shifts=(-1,2) dims=(0,-1)",
                    "(5) shifts=(12) dims=(0)", "(5) shifts=(1,1) dims=(0,0)", "(2,3,4) shifts=(1,-5,7) dims=(2,0,1)",
                    "() shifts=(3)", "(0,3) shifts=(1) dims=(1)", "! () shifts=(3) dims=(0)", "! (3,4) shifts=()",
                    "! (3,4) shifts=(1,2)", "! (3,4) shifts=(1) dims=(0,1)", "! (3,4) shifts=(1) dims=(2)"),
};

/* ---- rot90 ---- */

static ebb_status infer_rot90(struct ebb_infer *f) {
    const struct ebb__attrs_rot90 *a = f->attrs;
    ebb_dims *out = &f->out[0].shape;
    if (a->dims.n != 2 || f->in[0].shape.n < 2)
        return ebb_fail(EBB_ERR_ARGUMENT, "dims must name two dimensions, not %d of %d", (int)a->dims.n,
                        (int)f->in[0].shape.n);
    *out = f->in[0].shape;
    if (a->k % 2) {
        out->d[a->dims.d[0]] = f->in[0].shape.d[a->dims.d[1]];
        out->d[a->dims.d[1]] = f->in[0].shape.d[a->dims.d[0]];
    }
    return EBB_OK;
}

/* An odd number of turns exchanges the dimensions; of the result's, one or both run backwards. */
static ebb_status forward_rot90(struct ebb_forward *f) {
    const struct ebb__attrs_rot90 *a = f->attrs;
    const ebb_tensor *in = f->in[0];
    int turns = (int)((a->k % 4 + 4) % 4), d0 = (int)a->dims.d[0], d1 = (int)a->dims.d[1];
    int64_t strides[EBB_MAX_NDIM];
    for (int i = 0; i < in->ndim; i++) strides[i] = ebb__strides(in)[i];
    if (turns % 2) {
        strides[d0] = ebb__strides(in)[d1];
        strides[d1] = ebb__strides(in)[d0];
    }
    bool back[EBB_MAX_NDIM] = {false};
    back[d0] = turns == 1 || turns == 2;
    back[d1] = turns == 2 || turns == 3;
    copy_back(f->out[0], in, strides, back);
    return EBB_OK;
}

static void vjp_rot90(struct ebb_vjp_call *v) {
    const struct ebb__attrs_rot90 *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_rot90(v->grad[0], -(a->k % 4), a->dims));
}

const struct ebb_op ebb_op_rot90 = {
    EBB_SIGNATURE(rot90, "Tensor self, int k[=1], dims dims[=(0,1)] -> Tensor"),
    .doc =
        EBB_TEXT("A copy turned k times by 90 degrees in the plane of two dimensions, from dims[0] towards dims[1]."),
    .torch = EBB_TEXT("torch.rot90"),
    .node = "Rot90Backward0",
    .infer = infer_rot90,
    .forward = forward_rot90,
    .halves = true,
    .vjp = vjp_rot90,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("rot90(g, -k, dims)"),
    .samples = EBB_SAMPLES("(3,4) k=1 dims=(0,1)", "(3,4) k=2 dims=(0,1)", "(3,4) k=-1 dims=(1,0)",
                           "(2,3,4) k=5 dims=(0,-1)", "(3,4) k=0 dims=(0,1)", "(0,3) k=1 dims=(0,1)",
                           "! (3,4) k=1 dims=(0)", "! (3,4) k=1 dims=(0,0)", "! (3) k=1 dims=(0,1)"),
};
