/* Views by strides, and the derivatives of writing into views: a part of a tensor taken, put into zeros, and put in
 * place of what was there. Those are recorded by record/view.c; they are not called by name, since what they do depends
 * on how a tensor lies in memory. */
#define EBB_FAMILY "Shape"
#include "ops/region.h"
#include <string.h>

/* ---- a base's memory ---- */

/* Elements of memory, counted from a base's first one: from `first` on, `n` of them. */
struct extent {
    int64_t first, n;
};

/* Where elements lie that begin at `offset`; nothing for none. */
static struct extent extent_of(const ebb_dims *sizes, const ebb_dims *strides, int64_t offset) {
    int64_t first = offset, last = offset;
    for (int i = 0; i < sizes->n; i++) {
        int64_t reach = (sizes->d[i] - 1) * strides->d[i];
        if (sizes->d[i] == 0) return (struct extent){0, 0};
        if (reach < 0) first += reach;
        else last += reach;
    }
    return (struct extent){first, last - first + 1};
}

/* Both, and what is between them. */
static struct extent united(struct extent a, struct extent b) {
    if (a.n == 0 || b.n == 0) return a.n ? a : b;
    int64_t first = a.first < b.first ? a.first : b.first;
    int64_t end = a.first + a.n > b.first + b.n ? a.first + a.n : b.first + b.n;
    return (struct extent){first, end - first};
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

/* Divide each element of the memory `e` by how many elements of the base lie there: so each of those has its share, as
 * in PyTorch, see its note on as_strided's backward and overlapping memory. */
static ebb_status share(const struct ebb__region *r, ebb_dtype dtype, char *block, struct extent e) {
    static const int64_t zeros[EBB_MAX_NDIM];
    size_t size = ebb__dtype_sizes[dtype], bytes = (size_t)e.n * size;
    const int64_t strides[] = {(int64_t)size, (int64_t)size, (int64_t)size}, repeated[] = {strides[0], strides[0], 0};
    _Alignas(8) char one[8];
    char *counts = ebb__alloc_zeroed(bytes);
    if (!counts) return ebb_error_status();
    ebb__store(one, dtype, 1);
    ebb__add_region(&r->base_sizes, dtype, counts - e.first * (int64_t)size, r->base_strides.d, one, zeros);
    ebb__loops_maximum[dtype](e.n, (char *const[]){counts, counts, one}, repeated, NULL);
    ebb__loops_div[dtype](e.n, (char *const[]){block, block, counts}, strides, NULL);
    ebb__free(counts, bytes);
    return EBB_OK;
}

/* The same through memory of its own, laid out as base and region lie. */
static ebb_status through_block(const struct ebb__region *r, ebb_tensor *whole, ebb_tensor *part, ebb_tensor *out) {
    ebb_dtype dtype = (ebb_dtype)out->dtype;
    int64_t size = (int64_t)ebb__dtype_sizes[dtype], flat[EBB_MAX_NDIM];
    struct extent e =
        united(extent_of(&r->base_sizes, &r->base_strides, 0), extent_of(&r->sizes, &r->strides, r->offset));
    bool shared = ebb__is_floating(dtype) && ebb__shares_elements(&r->base_sizes, &r->base_strides);
    char *block = ebb__alloc_zeroed((size_t)(e.n * size)), *memory = block - e.first * size;
    char *region = memory + r->offset * size;
    ebb_status status = block ? EBB_OK : ebb_error_status();
    if (!status && whole && shared) {
        ebb__contiguous_strides(r->base_sizes.n, r->base_sizes.d, flat);
        ebb__add_region(&r->base_sizes, dtype, memory, r->base_strides.d, whole->data, flat);
        status = share(r, dtype, block, e);
    } else if (!status && whole) {
        copy(&r->base_sizes, dtype, memory, &r->base_strides, whole->data, false);
    }
    if (!status && part && !whole) {
        ebb__contiguous_strides(r->sizes.n, r->sizes.d, flat);
        ebb__add_region(&r->sizes, dtype, region, r->strides.d, part->data, flat);
        if (shared) status = share(r, dtype, block, e);
    } else if (!status && part) {
        copy(&r->sizes, dtype, region, &r->strides, part->data, false);
    }
    if (!status && part) copy(&r->base_sizes, dtype, memory, &r->base_strides, out->data, true);
    else if (!status) copy(&r->sizes, dtype, region, &r->strides, out->data, true);
    ebb__free(block, (size_t)(e.n * size));
    return status;
}

/* Lay `whole` (NULL: zeros) out as the base lies, write `part` into its region (without a whole: add it, since elements
 * of the region may be the same one of the base), and read the base out again; without a part, read the region. Inputs
 * are contiguous. What of the region is outside of the base is zero, and lost. */
static ebb_status through(const struct ebb__region *r, ebb_tensor *whole, ebb_tensor *part, ebb_tensor *out) {
    ebb_dtype dtype = (ebb_dtype)out->dtype;
    struct extent base = extent_of(&r->base_sizes, &r->base_strides, 0),
                  all = united(base, extent_of(&r->sizes, &r->strides, r->offset));
    bool flat = ebb__strides_contiguous(r->base_sizes.n, r->base_sizes.d, r->base_strides.d);
    size_t size = ebb__dtype_sizes[dtype];
    if (out->numel == 0) return EBB_OK;
    if (!flat || base.n != all.n) return through_block(r, whole, part, out);
    char *memory = part ? out->data : whole->data, *region = memory + r->offset * (int64_t)size;
    if (part && whole) memcpy(memory, whole->data, (size_t)whole->numel * size);
    else if (part) memset(memory, 0, (size_t)out->numel * size);
    if (!part) copy(&r->sizes, dtype, region, &r->strides, out->data, true);
    else if (whole || !ebb__shares_elements(&r->sizes, &r->strides))
        copy(&r->sizes, dtype, region, &r->strides, part->data, false);
    else {
        int64_t strides[EBB_MAX_NDIM];
        ebb__contiguous_strides(r->sizes.n, r->sizes.d, strides);
        ebb__add_region(&r->sizes, dtype, region, r->strides.d, part->data, strides);
    }
    return EBB_OK;
}

/* ---- the operators ---- */

static ebb_status infer_part(struct ebb_infer *f) {
    f->out[0].shape = ((const struct ebb__region *)f->attrs)->sizes;
    return EBB_OK;
}

static ebb_status infer_whole(struct ebb_infer *f) {
    f->out[0].shape = ((const struct ebb__region *)f->attrs)->base_sizes;
    return EBB_OK;
}

static ebb_status infer_view(struct ebb_infer *f) {
    const struct ebb__region *r = f->attrs;
    f->out[0].shape = r->sizes;
    f->out[0].strides = r->strides;
    f->out[0].offset = r->offset;
    return EBB_OK;
}

static ebb_status forward_take(struct ebb_forward *f) { return through(f->attrs, f->in[0], NULL, f->out[0]); }
static ebb_status forward_put(struct ebb_forward *f) { return through(f->attrs, NULL, f->in[0], f->out[0]); }
static ebb_status forward_copy_slices(struct ebb_forward *f) {
    return through(f->attrs, f->in[0], f->in[1], f->out[0]);
}

static const struct ebb_op take, put;

static void vjp_take(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_call_op1(&put, v->grad, 1, v->attrs)); }
static void vjp_put(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_call_op1(&take, v->grad, 1, v->attrs)); }

static void vjp_copy_slices(struct ebb_vjp_call *v) {
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
    .doc = EBB_TEXT("The elements of a region of self."),
    .torch = EBB_TEXT("torch.as_strided_copy"),
    .node = "AsStridedCopyBackward0",
    .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}),
    .n_in = 1,
    .infer = infer_part,
    .forward = forward_take,
    .vjp = vjp_take,
    .formula = EBB_FORMULAS("'zeros(self.shape) with g added to the region'"),
    ON_REGION,
};

static const struct ebb_op put = {
    .name = "as_strided_backward",
    .signature = "Tensor grad -> Tensor",
    .doc = EBB_TEXT("Zeros with grad added to a region: the gradient of as_strided."),
    .node = "AsStridedBackwardBackward0",
    .in = EBB_INPUTS({"grad", EBB_INPUT_TENSOR}),
    .n_in = 1,
    .infer = infer_whole,
    .forward = forward_put,
    .vjp = vjp_put,
    .formula = EBB_FORMULAS("'the region of g'"),
    ON_REGION,
};

const struct ebb_op ebb__op_as_strided = {
    .name = "as_strided",
    .signature = "Tensor self -> Tensor",
    .doc = EBB_TEXT("A view of a region of self."),
    .torch = EBB_TEXT("torch.as_strided"),
    .node = "AsStridedBackward0",
    .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}),
    .n_in = 1,
    .view = true,
    .infer = infer_view,
    .vjp = vjp_take,
    .formula = EBB_FORMULAS("'zeros(self.shape) with g added to the region'"),
    ON_REGION,
};

const struct ebb_op ebb__op_copy_slices = {
    .name = "copy_slices",
    .signature = "Tensor self, Tensor src -> Tensor",
    .doc = EBB_TEXT("self with the elements of a region replaced by src."),
    .torch = EBB_TEXT("torch.as_strided_scatter"),
    .node = "CopySlices",
    .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}, {"src", EBB_INPUT_TENSOR}),
    .n_in = 2,
    .infer = infer_whole,
    .forward = forward_copy_slices,
    .vjp = vjp_copy_slices,
    .formula = EBB_FORMULAS("'g with zeros in the region'", "'the region of g'"),
    ON_REGION,
};

/* ---- as_strided ---- */

/* Elements from the first of the storage to the last that self may name: all, or, inside ebb_vmap, a sample's own. */
static int64_t room_of(const ebb_tensor *self) {
    if (!ebb__is_batched(self)) return (int64_t)(self->storage->bytes / ebb__dtype_sizes[self->dtype]);
    int64_t room = ebb_tensor_storage_offset(self) + (self->numel > 0);
    for (int i = 0; i < self->ndim && self->numel; i++) room += ebb__strides(self)[i] * (self->dims[i] - 1);
    return room;
}

/* Whether the elements lie inside the storage of self. */
static ebb_status check_inside(const ebb_tensor *self, const ebb_dims *size, const ebb_dims *stride, int64_t offset) {
    char text[2][EBB__SHAPE_TEXT];
    int64_t room = room_of(self), last = offset, numel;
    if (stride->n != size->n)
        return ebb_fail(EBB_ERR_ARGUMENT, "size has %d entries and stride has %d", (int)size->n, (int)stride->n);
    if (!ebb__numel(size->n, size->d, 8, &numel))
        return ebb_fail(EBB_ERR_SHAPE, "size %s is out of range", ebb__shape_text(text[0], size->n, size->d));
    if (offset < 0) return ebb_fail(EBB_ERR_ARGUMENT, "storage_offset must not be negative: %lld", (long long)offset);
    const int64_t most = INT64_MAX / 8; /* bytes of what is empty, or of one element, are computed all the same */
    bool fits = offset < room || (numel == 0 && offset <= most);
    for (int i = 0; i < size->n; i++) {
        if (stride->d[i] < 0)
            return ebb_fail(EBB_ERR_ARGUMENT, "negative strides are not supported: %s",
                            ebb__shape_text(text[0], stride->n, stride->d));
        fits = fits && stride->d[i] <= most;
        if (numel == 0 || !fits || size->d[i] == 1) continue;
        fits = stride->d[i] <= (room - 1 - last) / (size->d[i] - 1);
        if (fits) last += stride->d[i] * (size->d[i] - 1);
    }
    if (fits) return EBB_OK;
    return ebb_fail(EBB_ERR_ARGUMENT,
                    "size %s, stride %s and storage_offset %lld lead out of the storage of %lld elements",
                    ebb__shape_text(text[0], size->n, size->d), ebb__shape_text(text[1], stride->n, stride->d),
                    (long long)offset, (long long)room);
}

static ebb_tensor *compose_as_strided(struct ebb_forward *f) {
    const struct ebb__attrs_as_strided *a = f->attrs;
    ebb_tensor *self = f->in[0];
    int64_t own = ebb_tensor_storage_offset(self), offset = own;
    if (a->storage_offset.given) offset = ebb__to_i64(a->storage_offset.value);
    if (check_inside(self, &a->size, &a->stride, offset)) return NULL;
    const struct ebb__region r = {.base_sizes = ebb_tensor_shape(self),
                                  .base_strides = ebb_tensor_strides(self),
                                  .sizes = a->size,
                                  .strides = a->stride,
                                  .offset = offset - own};
    return ebb_call_op1(&ebb__op_as_strided, &self, 1, &r);
}

const struct ebb_op ebb_op_as_strided = {
    EBB_SIGNATURE(as_strided, "Tensor self, shape size, shape stride, float? storage_offset=none -> Tensor"),
    .doc = EBB_TEXT(
        "A view of the storage of self, whatever its own strides are: element i, j, ... lies at storage_offset + i stride[0] + "
        "j stride[1] + ..., in elements. storage_offset is that of self where it is not given. Elements may overlap; "
        "their gradients are summed."),
    .torch = EBB_TEXT("torch.as_strided"),
    .compose = compose_as_strided,
    .formula = EBB_FORMULAS("'zeros(self.shape) with g added to the region'"),
    .samples = EBB_SAMPLES("(3,4) size=(2,2) stride=(4,1)", "(3,4) size=(5,3) stride=(2,1) storage_offset=1",
                           "(6) size=(2,3,2) stride=(1,0,2)", "() size=(2,2) stride=(0,0)",
                           "(3,4) size=() stride=() storage_offset=5", "(3,4) size=(2,0) stride=(100,1)",
                           "! (3,4) size=(3,4) stride=(4,2)", "! (3,4) size=(3) stride=(1,1)",
                           "! (3,4) size=(2) stride=(-1)", "! (3,4) size=(2) stride=(1) storage_offset=11",
                           "! (3,4) size=(-2) stride=(1)", "! (3) size=(1) stride=(1) storage_offset=-1"),
};
