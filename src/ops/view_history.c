/* The derivatives of writing into views: a part of a tensor taken, put into zeros, and put in place of what was there.
 * Recorded by record/view.c; not called by name, since what they do depends on how a tensor lies in memory. */
#define EBB_FAMILY "Shape"
#include "ops/ops.h"
#include <string.h>

/* ---- a base's memory ---- */

/* Where the elements of a base lie, counted from its first one: from *ret_first on, *ret_n of them. */
static void extent(const struct ebb__region *r, int64_t *ret_first, int64_t *ret_n) {
    int64_t first = 0, last = 0;
    for (int i = 0; i < r->base_sizes.n; i++) {
        int64_t reach = (r->base_sizes.d[i] - 1) * r->base_strides.d[i];
        if (r->base_sizes.d[i] == 0) reach = 0;
        if (reach < 0) first += reach;
        else last += reach;
    }
    *ret_first = first;
    *ret_n = last - first + 1;
}

/* Copy between contiguous elements and those that begin at `at` with `strides`. */
static void copy(const ebb_dims *sizes, ebb_dtype dtype, char *at, const ebb_dims *strides, char *flat, bool to_flat) {
    int64_t size = (int64_t)ebb__dtype_sizes[dtype], bytes[EBB_MAX_NDIM], flat_bytes[EBB_MAX_NDIM];
    ebb__contiguous_strides(sizes->n, sizes->d, flat_bytes);
    for (int i = 0; i < sizes->n; i++) {
        if (sizes->d[i] == 0) return;
        bytes[i] = strides->d[i] * size;
        flat_bytes[i] *= size;
    }
    if (to_flat) ebb__copy(sizes->n, sizes->d, dtype, flat, flat_bytes, dtype, at, bytes);
    else ebb__copy(sizes->n, sizes->d, dtype, at, bytes, dtype, flat, flat_bytes);
}

/* Whether two elements of the part may be the same one of the base, as in an expanded view. */
static bool shares_elements(const ebb_dims *sizes, const ebb_dims *strides) {
    int64_t reach = 0, stride[EBB_MAX_NDIM], size[EBB_MAX_NDIM];
    int n = 0;
    for (int i = 0; i < sizes->n; i++) { /* by stride, the smallest first */
        int64_t s = strides->d[i] < 0 ? -strides->d[i] : strides->d[i];
        if (sizes->d[i] <= 1) continue;
        int at = n++;
        for (; at > 0 && stride[at - 1] > s; at--) {
            stride[at] = stride[at - 1];
            size[at] = size[at - 1];
        }
        stride[at] = s;
        size[at] = sizes->d[i];
    }
    for (int i = 0; i < n; i++) {
        if (stride[i] <= reach) return true;
        reach += (size[i] - 1) * stride[i];
    }
    return false;
}

/* Add contiguous elements, one after the other, to those that begin at `at`. */
static void add(const ebb_dims *sizes, ebb_dtype dtype, char *at, const ebb_dims *strides, const char *flat) {
    int64_t size = (int64_t)ebb__dtype_sizes[dtype], numel = 1, index[EBB_MAX_NDIM] = {0};
    for (int i = 0; i < sizes->n; i++) numel *= sizes->d[i];
    for (int64_t k = 0; k < numel; k++, flat += size) {
        ebb__store(at, dtype, ebb__load(at, dtype) + ebb__load(flat, dtype));
        for (int i = sizes->n - 1; i >= 0; i--) {
            at += strides->d[i] * size;
            if (++index[i] < sizes->d[i]) break;
            at -= sizes->d[i] * strides->d[i] * size;
            index[i] = 0;
        }
    }
}

/* Lay `whole` (NULL: zeros) out as the base lies, write `part` into its region, and read the base out again; without a
 * part, read the region. Inputs are contiguous. */
static ebb_status through(const struct ebb__region *r, ebb_tensor *whole, ebb_tensor *part, ebb_tensor *out) {
    ebb_dtype dtype = (ebb_dtype)out->dtype;
    bool flat = ebb__strides_contiguous(r->base_sizes.n, r->base_sizes.d, r->base_strides.d);
    int64_t size = (int64_t)ebb__dtype_sizes[dtype], first = 0, n = 0;
    char *memory = part ? out->data : whole->data, *block = NULL;
    if (out->numel == 0) return EBB_OK;
    if (!flat) {
        extent(r, &first, &n);
        memory = block = ebb__alloc_zeroed((size_t)(n * size));
        if (!block) return ebb_error_status();
        memory -= first * size;
        if (whole) copy(&r->base_sizes, dtype, memory, &r->base_strides, whole->data, false);
    } else if (part && whole) {
        memcpy(memory, whole->data, (size_t)(whole->numel * size));
    } else if (part) {
        memset(memory, 0, (size_t)(out->numel * size));
    }
    char *region = memory + r->offset * size;
    if (!part) copy(&r->sizes, dtype, region, &r->strides, out->data, true);
    else if (!whole && shares_elements(&r->sizes, &r->strides)) add(&r->sizes, dtype, region, &r->strides, part->data);
    else copy(&r->sizes, dtype, region, &r->strides, part->data, false);
    if (part && block) copy(&r->base_sizes, dtype, memory, &r->base_strides, out->data, true);
    ebb__free(block, (size_t)(n * size));
    return EBB_OK;
}

/* ---- the operators ---- */

static ebb_status infer_part(struct ebb_infer *f) {
    f->out[0].shape = ((const struct ebb__region *)f->attrs)->sizes;
    return EBB_OK;
}

static ebb_status infer_view(struct ebb_infer *f) {
    const struct ebb__region *r = f->attrs;
    f->out[0].shape = r->sizes;
    f->out[0].strides = r->strides;
    f->out[0].offset = r->offset;
    return EBB_OK;
}

static ebb_status infer_whole(struct ebb_infer *f) {
    f->out[0].shape = ((const struct ebb__region *)f->attrs)->base_sizes;
    return EBB_OK;
}

static ebb_status forward_take(struct ebb_forward *f) { return through(f->attrs, f->in[0], NULL, f->out[0]); }
static ebb_status forward_put(struct ebb_forward *f) { return through(f->attrs, NULL, f->in[0], f->out[0]); }
static ebb_status forward_copy_slices(struct ebb_forward *f) {
    return through(f->attrs, f->in[0], f->in[1], f->out[0]);
}

static const struct ebb_op take, put;

static void vjp_take(struct ebb_vjp *v) { ebb_vjp_give(v, 0, ebb_call_op1(&put, v->grad, 1, v->attrs)); }
static void vjp_put(struct ebb_vjp *v) { ebb_vjp_give(v, 0, ebb_call_op1(&take, v->grad, 1, v->attrs)); }

static void vjp_copy_slices(struct ebb_vjp *v) {
    const struct ebb__region *r = v->attrs;
    if (v->needs[0]) {
        ebb_tensor *zeros = ebb_zeros(r->sizes, .dtype = ebb_tensor_dtype(v->grad[0]));
        ebb_tensor *in[] = {v->grad[0], zeros};
        ebb_vjp_give(v, 0, zeros ? ebb_call_op1(&ebb__op_copy_slices, in, 2, r) : NULL);
    }
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_call_op1(&take, v->grad, 1, r));
}

#define ON_REGION .n_out = 1, .attrs_size = sizeof(struct ebb__region), .contiguous = true

static const struct ebb_op take = {
    .name = "as_strided_copy",
    .signature = "Tensor self -> Tensor",
    .doc = "The elements of a region of self.",
    .torch = "torch.as_strided_copy",
    .node = "AsStridedCopyBackward0",
    .in = {{"self", EBB_INPUT_TENSOR}},
    .n_in = 1,
    .infer = infer_part,
    .forward = forward_take,
    .vjp = vjp_take,
    .formula = {"zeros(self.shape) with g added to the region"},
    ON_REGION,
};

static const struct ebb_op put = {
    .name = "as_strided_backward",
    .signature = "Tensor grad -> Tensor",
    .doc = "Zeros with grad added to a region: the gradient of as_strided.",
    .node = "AsStridedBackwardBackward0",
    .in = {{"grad", EBB_INPUT_TENSOR}},
    .n_in = 1,
    .infer = infer_whole,
    .forward = forward_put,
    .vjp = vjp_put,
    .formula = {"the region of g"},
    ON_REGION,
};

const struct ebb_op ebb__op_as_strided = {
    .name = "as_strided",
    .signature = "Tensor self -> Tensor",
    .doc = "A view of a region of self.",
    .torch = "torch.as_strided",
    .node = "AsStridedBackward0",
    .in = {{"self", EBB_INPUT_TENSOR}},
    .n_in = 1,
    .view = true,
    .infer = infer_view,
    .vjp = vjp_take,
    .formula = {"zeros(self.shape) with g added to the region"},
    ON_REGION,
};

const struct ebb_op ebb__op_copy_slices = {
    .name = "copy_slices",
    .signature = "Tensor self, Tensor src -> Tensor",
    .doc = "self with the elements of a region replaced by src.",
    .torch = "torch.as_strided_scatter",
    .node = "CopySlices",
    .in = {{"self", EBB_INPUT_TENSOR}, {"src", EBB_INPUT_TENSOR}},
    .n_in = 2,
    .infer = infer_whole,
    .forward = forward_copy_slices,
    .vjp = vjp_copy_slices,
    .formula = {"g with zeros in the region", "the region of g"},
    ON_REGION,
};
