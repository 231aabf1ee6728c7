/* Elements in another order along dimensions: flip, roll, rot90. */
#define EBB_FAMILY "Shape"
#include "ops/region.h"

/* ---- flip ---- */

static ebb_status infer_same(struct ebb_infer *f) {
    f->out[0].shape = f->in[0].shape;
    return EBB_OK;
}

/* From the last element back, where a dimension is flipped. */
static ebb_status forward_flip(struct ebb_forward *f) {
    const struct ebb__attrs_flip *a = f->attrs;
    const ebb_tensor *in = f->in[0];
    ebb_tensor *out = f->out[0];
    int64_t size = (int64_t)ebb__dtype_sizes[in->dtype], from[EBB_MAX_NDIM], to[EBB_MAX_NDIM];
    const char *data = in->data;
    if (in->numel == 0) return EBB_OK;
    for (int i = 0; i < in->ndim; i++) {
        from[i] = ebb__strides(in)[i] * size;
        to[i] = ebb__strides(out)[i] * size;
    }
    for (int i = 0; i < a->dims.n && in->ndim; i++) {
        int64_t d = a->dims.d[i];
        data += (in->dims[d] - 1) * from[d];
        from[d] = -from[d];
    }
    ebb__copy(in->ndim, in->dims, (ebb_dtype)out->dtype, out->data, to, (ebb_dtype)in->dtype, data, from);
    return EBB_OK;
}

static void vjp_flip(struct ebb_vjp *v) {
    const struct ebb__attrs_flip *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_flip(v->grad[0], a->dims));
}

const struct ebb_op ebb_op_flip = {
    EBB_SIGNATURE(flip, "Tensor self, dims dims -> Tensor"),
    .doc = "A copy with the elements along each of dims in reverse order.",
    .torch = "torch.flip",
    .node = "FlipBackward0",
    .infer = infer_same,
    .forward = forward_flip,
    .vjp = vjp_flip,
    .jvp = ebb_jvp_linear,
    .formula = {"flip(g, dims)"},
    .samples = {"(3,4) dims=(0)", "(3,4) dims=(-1)", "(2,3,4) dims=(0,2)", "(3,4) dims=()", "() dims=(0)",
                "(0,3) dims=(1)", "! (3,4) dims=(2)", "! (3,4) dims=(0,0)"},
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
        if (!ebb__wrap_dim(&dim, n))
            return ebb_fail(EBB_ERR_INDEX, "dims: there is no dimension %lld in %d", (long long)dim, n);
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
    int n = a->dims.n && in->ndim ? in->ndim : 1;
    if (in->numel == 0) return EBB_OK;
    for (int i = 0; i < n && a->dims.n && in->ndim; i++) {
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

static void vjp_roll(struct ebb_vjp *v) {
    const struct ebb__attrs_roll *a = v->attrs;
    ebb_dims back = a->shifts;
    for (int i = 0; i < back.n; i++) back.d[i] = -back.d[i];
    ebb_vjp_give(v, 0, ebb_roll(v->grad[0], back, .dims = a->dims));
}

const struct ebb_op ebb_op_roll = {
    EBB_SIGNATURE(roll, "Tensor self, shape shifts, shape dims=() -> Tensor"),
    .doc = "A copy with the elements moved on by shifts[i] along dims[i], those that leave at the end coming in at the "
           "beginning. Without dims the one shift is that of the flattened tensor.",
    .torch = "torch.roll",
    .node = "RollBackward0",
    .contiguous = true,
    .infer = infer_roll,
    .forward = forward_roll,
    .vjp = vjp_roll,
    .jvp = ebb_jvp_linear,
    .formula = {"roll(g, -shifts, dims)"},
    .samples = {"(3,4) shifts=(1)", "(3,4) shifts=(1) dims=(0)", "(3,4) shifts=(-1,2) dims=(0,-1)",
                "(5) shifts=(12) dims=(0)", "(5) shifts=(1,1) dims=(0,0)", "(2,3,4) shifts=(1,-5,7) dims=(2,0,1)",
                "() shifts=(3)", "() shifts=(3) dims=(0)", "(0,3) shifts=(1) dims=(1)", "! (3,4) shifts=()",
                "! (3,4) shifts=(1,2)", "! (3,4) shifts=(1) dims=(0,1)", "! (3,4) shifts=(1) dims=(2)"},
};

/* ---- rot90 ---- */

static ebb_tensor *compose_rot90(struct ebb_forward *f) {
    const struct ebb__attrs_rot90 *a = f->attrs;
    ebb_tensor *self = f->in[0];
    if (a->dims.n != 2) {
        ebb_fail(EBB_ERR_ARGUMENT, "dims must name two dimensions, not %d", (int)a->dims.n);
        return NULL;
    }
    int64_t d0 = a->dims.d[0], d1 = a->dims.d[1];
    switch (((a->k % 4) + 4) % 4) {
    case 1: return ebb_clone(ebb_transpose(ebb_flip(self, EBB_DIMS(d1)), d0, d1));
    case 2: return ebb_flip(self, a->dims);
    case 3: return ebb_clone(ebb_transpose(ebb_flip(self, EBB_DIMS(d0)), d0, d1));
    default: return ebb_clone(self);
    }
}

static void vjp_rot90(struct ebb_vjp *v) {
    const struct ebb__attrs_rot90 *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_rot90(v->grad[0], -(a->k % 4), a->dims));
}

const struct ebb_op ebb_op_rot90 = {
    EBB_SIGNATURE(rot90, "Tensor self, int k[=1], dims dims -> Tensor"),
    .doc = "A copy turned k times by 90 degrees in the plane of two dimensions, from dims[0] towards dims[1].",
    .torch = "torch.rot90",
    .node = "Rot90Backward0",
    .compose = compose_rot90,
    .vjp = vjp_rot90,
    .jvp = ebb_jvp_linear,
    .formula = {"rot90(g, -k, dims)"},
    .samples = {"(3,4) k=1 dims=(0,1)", "(3,4) k=2 dims=(0,1)", "(3,4) k=-1 dims=(1,0)", "(2,3,4) k=5 dims=(0,-1)",
                "(3,4) k=0 dims=(0,1)", "(0,3) k=1 dims=(0,1)", "! (3,4) k=1 dims=(0)", "! (3,4) k=1 dims=(0,0)",
                "! (3) k=1 dims=(0,1)"},
};
