/* Elements more than once: repeat, tile, repeat_interleave. */
#define EBB_FAMILY "Shape"
#include "ops/batching.h"
#include "ops/region.h"

/* ---- repeat ---- */

/* The product of two sizes, or a negative number when it cannot be addressed. */
static int64_t times(int64_t a, int64_t b) { return b == 0 || a <= INT64_MAX / b ? a * b : -1; }

static ebb_status infer_repeat(struct ebb_infer *f) {
    const struct ebb__attrs_repeat *a = f->attrs;
    const ebb_dims *in = &f->in[0].shape;
    ebb_dims *out = &f->out[0].shape;
    char text[EBB__SHAPE_TEXT];
    int new = a->repeats.n - in->n;
    int64_t numel;
    if (new < 0)
        return ebb_fail(EBB_ERR_SHAPE, "repeats %s has fewer entries than the tensor has dimensions",
                        ebb__shape_text(text, a->repeats.n, a->repeats.d));
    out->n = a->repeats.n;
    for (int i = 0; i < out->n; i++) {
        if (a->repeats.d[i] < 0)
            return ebb_fail(EBB_ERR_SHAPE, "repeats must not be negative: %s",
                            ebb__shape_text(text, a->repeats.n, a->repeats.d));
        out->d[i] = times(a->repeats.d[i], i < new ? 1 : in->d[i - new]);
    }
    if (!ebb__numel(out->n, out->d, 8, &numel))
        return ebb_fail(EBB_ERR_MEMORY, "%s times the tensor is too large to be addressed",
                        ebb__shape_text(text, a->repeats.n, a->repeats.d));
    return EBB_OK;
}

/* Copy the first `row` elements along a dimension, in the first `sizes` of the dimensions before it, to the places
 * behind them; what belongs to one place along the dimension is contiguous, and counted in `row`. */
static void copy_on(ebb_tensor *out, int dim, const int64_t *sizes, int64_t row, int64_t times) {
    int64_t size = (int64_t)ebb__dtype_sizes[out->dtype], shape[EBB_MAX_NDIM + 1], from[EBB_MAX_NDIM + 1],
            to[EBB_MAX_NDIM + 1];
    int n = 0;
    if (times < 2) return;
    for (int i = 0; i < dim; i++, n++) {
        shape[n] = sizes[i];
        from[n] = to[n] = ebb__strides(out)[i] * size;
    }
    shape[n] = row;
    from[n] = to[n] = size;
    n++;
    char *first = out->data + row * size;
    if (n == EBB_MAX_NDIM) {
        for (int64_t k = 1; k < times; k++, first += row * size)
            ebb__copy(n, shape, (ebb_dtype)out->dtype, first, to, (ebb_dtype)out->dtype, out->data, from);
        return;
    }
    shape[n] = times - 1;
    from[n] = 0;
    to[n] = row * size;
    ebb__copy(n + 1, shape, (ebb_dtype)out->dtype, first, to, (ebb_dtype)out->dtype, out->data, from);
}

/* The tensor into the first corner, and from there on along each dimension, the last one first. */
static ebb_status forward_repeat(struct ebb_forward *f) {
    const struct ebb__attrs_repeat *a = f->attrs;
    ebb_tensor *in = f->in[0], *out = f->out[0];
    int new = out->ndim - in->ndim;
    int64_t corner[EBB_MAX_NDIM], row = 1;
    if (out->numel == 0) return EBB_OK;
    for (int i = 0; i < out->ndim; i++) corner[i] = i < new ? 1 : in->dims[i - new];
    ebb__copy_region(out, 0, ebb__strides(out) + new, in);
    for (int i = out->ndim - 1; i >= 0; i--) {
        copy_on(out, i, corner, row * corner[i], a->repeats.d[i]);
        row *= out->dims[i];
    }
    return EBB_OK;
}

/* Dimension by dimension, as (before, repeats, one repetition and what is behind it). */
static void vjp_repeat(struct ebb_vjp_call *v) {
    const struct ebb__attrs_repeat *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0);
    int new = a->repeats.n - shape.n;
    int64_t before = 1, behind = 1;
    ebb_tensor *g = v->grad[0];
    for (int i = 0; i < shape.n; i++) behind *= shape.d[i];
    for (int i = 0; i < a->repeats.n; i++) { /* what is behind is still repeated: summed last */
        int64_t rest = 1, size = i < new ? 1 : shape.d[i - new];
        for (int k = i + 1; k < a->repeats.n; k++) rest *= a->repeats.d[k];
        if (a->repeats.d[i] != 1)
            g = ebb_sum(ebb_reshape(g, EBB_DIMS(before, a->repeats.d[i], behind * rest)), .dim = EBB_DIMS(1));
        before *= size;
        if (size) behind /= size;
    }
    ebb_vjp_give(v, 0, ebb_reshape(g, shape));
}

static void batch_repeat(struct ebb_batch_call *b) {
    const struct ebb__attrs_repeat *a = b->attrs;
    ebb_dims repeats = {{1}, 1};
    if (a->repeats.n == EBB_MAX_NDIM) {
        ebb_fail(EBB_ERR_SHAPE, "a batch of tensors of %d dimensions has more than %d", EBB_MAX_NDIM, EBB_MAX_NDIM);
        return;
    }
    for (int k = 0; k < a->repeats.n; k++) repeats.d[repeats.n++] = a->repeats.d[k];
    ebb_batch_give(b, 0, ebb_repeat(ebb__batch_aligned(b->in[0], repeats.n), repeats));
}

const struct ebb_op ebb_op_repeat = {
    EBB_SIGNATURE(repeat, "Tensor self, shape repeats -> Tensor"),
    .doc = EBB_TEXT(
        "self repeats[i] times along each dimension i, one copy after the other; repeats may have more entries than self has "
        "dimensions: new ones come in front."),
    .torch = EBB_TEXT("torch.Tensor.repeat"),
    .node = "RepeatBackward0",
    .infer = infer_repeat,
    .forward = forward_repeat,
    .halves = true,
    .vjp = vjp_repeat,
    .jvp = ebb_jvp_linear,
    .batch = batch_repeat,
    .formula = EBB_FORMULAS("'g summed over the repetitions'"),
    .samples =
        EBB_SAMPLES("(3) repeats=(2)", "(2,3) repeats=(2,2)", "(2,3) repeats=(4,1,2)", "() repeats=(2,3)",
                    "() repeats=()", "(2,3) repeats=(1,1)", "(0,3) repeats=(2,2)", "(2,3) repeats=(0,2)",
                    "(1,1,1,1,1,1,1,2) repeats=(2,1,1,1,1,1,1,3)", "! (2,3) repeats=(2)", "! (2,3) repeats=(2,-1)"),
};

static ebb_tensor *compose_tile(struct ebb_forward *f) {
    const struct ebb__attrs_tile *a = f->attrs;
    ebb_dims repeats = {{0}, ebb_tensor_ndim(f->in[0])};
    if (repeats.n < a->dims.n) repeats.n = a->dims.n;
    for (int i = 0, new = repeats.n - a->dims.n; i < repeats.n; i++) repeats.d[i] = i < new ? 1 : a->dims.d[i - new];
    return ebb_repeat(f->in[0], repeats);
}

const struct ebb_op ebb_op_tile = {
    EBB_SIGNATURE(tile, "Tensor self, shape dims -> Tensor"),
    .doc = EBB_TEXT(
        "The same as repeat; where dims has fewer entries than self dimensions, they are those of the last ones."),
    .torch = EBB_TEXT("torch.tile"),
    .compose = compose_tile,
    .parts = EBB_TEXT("repeat(self, [1, 1, 1, 1, 1, 1, 1, 1][:max(self.ndim - len(dims), 0)] + dims)"),
    .samples = EBB_SAMPLES("(2,3) dims=(2)", "(2,3) dims=(2,1,2)", "() dims=(2)", "(2,3) dims=()", "(0,3) dims=(2)",
                           "! (2) dims=(-1)"),
};

/* ---- repeat_interleave ---- */

/* Dimension `dim` of self, or all of them made one. */
static ebb_tensor *along(ebb_tensor *self, const ebb_dims *dim, int64_t *ret_dim) {
    *ret_dim = dim->n ? dim->d[0] : 0;
    if (dim->n > 1) ebb_fail(EBB_ERR_ARGUMENT, "dim lists %d dimensions; expected one, or none for all", (int)dim->n);
    if (dim->n > 1) return NULL;
    return dim->n && ebb_tensor_ndim(self) ? self : ebb_flatten(self, 0, -1);
}

/* What the caller says that the size will be must be so. */
static ebb_status check_output_size(const ebb_setting *output_size, int64_t size) {
    if (!output_size->given || output_size->whole == size) return EBB_OK;
    return ebb_fail(EBB_ERR_ARGUMENT, "output_size is %lld, and the repetitions make %lld",
                    (long long)output_size->whole, (long long)size);
}

static ebb_tensor *compose_repeat_interleave(struct ebb_forward *f) {
    const struct ebb__attrs_repeat_interleave *a = f->attrs;
    int64_t dim;
    ebb_tensor *self = along(f->in[0], &a->dim, &dim);
    ebb_dims shape = ebb_tensor_shape(self), merged = shape;
    if (a->repeats < 0) {
        ebb_fail(EBB_ERR_ARGUMENT, "repeats must not be negative: %lld", (long long)a->repeats);
        return NULL;
    }
    if (!self || shape.n == EBB_MAX_NDIM) {
        if (self) ebb_fail(EBB_ERR_SHAPE, "is for at most %d dimensions", EBB_MAX_NDIM - 1);
        return NULL;
    }
    merged.d[dim] = times(shape.d[dim], a->repeats);
    if (check_output_size(&a->output_size, merged.d[dim])) return NULL;
    for (int i = shape.n++; i > dim; i--) shape.d[i] = shape.d[i - 1];
    shape.d[dim + 1] = a->repeats;
    return ebb_reshape(ebb_clone(ebb_expand(ebb_unsqueeze(self, dim + 1), shape)), merged);
}

const struct ebb_op ebb_op_repeat_interleave = {
    EBB_SIGNATURE(repeat_interleave, "Tensor self, int repeats, dims dim=all, int? output_size=none -> Tensor"),
    .doc = EBB_TEXT(
        "Each element along dim `repeats` times, one beside the other; without dim those of the flattened tensor. "
        "output_size, where given, is the size that results."),
    .torch = EBB_TEXT("torch.repeat_interleave"),
    .compose = compose_repeat_interleave,
    .formula = EBB_FORMULAS(
        "d = dim[0] % max(self.ndim, 1) if dim else 0; "
        "sum(reshape(g, (self.numel(), repeats)), 1).reshape(self.shape) if not dim or self.ndim == 0 else "
        "sum(unflatten(g, d, (self.size(d), repeats)), d + 1)"),
    .samples = EBB_SAMPLES("(2,3) repeats=2", "(2,3) repeats=3 dim=0", "(2,3) repeats=2 dim=-1", "() repeats=2",
                           "() repeats=2 dim=0", "(2,3) repeats=0 dim=1", "(0,3) repeats=2 dim=1", "! (2,3) repeats=-1",
                           "(2,3) repeats=2 dim=1 output_size=6", "! (2,3) repeats=2 dim=2",
                           "! (2,3) repeats=2 dim=(0,1)", "! (2,3) repeats=2 dim=1 output_size=5"),
};

/* The place of each repetition: 0 repeats[0] times, 1 repeats[1] times, ... */
static ebb_tensor *places(ebb_tensor *repeats, int64_t size) {
    if (ebb_tensor_ndim(repeats) > 1 || !(EBB_DTYPES(repeats->dtype) & (EBB_DTYPES(EBB_I64) | EBB_DTYPES(EBB_I32)))) {
        ebb_fail(repeats->ndim > 1 ? EBB_ERR_SHAPE : EBB_ERR_DTYPE, "repeats must be 0-d or 1-d, of int64 or int32");
        return NULL;
    }
    if (repeats->numel != 1 && repeats->numel != size) {
        ebb_fail(EBB_ERR_SHAPE, "repeats has %lld entries, and the dimension size %lld", (long long)repeats->numel,
                 (long long)size);
        return NULL;
    }
    ebb_tensor *each = ebb_contiguous(ebb_expand(ebb_to(repeats, EBB_I64), EBB_DIMS(size)));
    const int64_t *n = ebb_tensor_data(each);
    int64_t total = 0;
    for (int64_t i = 0; n && i < size; i++) {
        if (n[i] >= 0 && n[i] <= INT64_MAX - total) total += n[i];
        else {
            ebb_fail(EBB_ERR_ARGUMENT, "repeats must be at least 0 and fit in memory: %lld", (long long)n[i]);
            return NULL;
        }
    }
    ebb_tensor *index = each ? ebb_empty(EBB_DIMS(total), .dtype = EBB_I64) : NULL;
    int64_t *to = ebb_tensor_data(index);
    for (int64_t i = 0; to && i < size; i++)
        for (int64_t k = 0; k < n[i]; k++) *to++ = i;
    return index;
}

static ebb_tensor *compose_repeat_interleave_tensor(struct ebb_forward *f) {
    const struct ebb__attrs_repeat_interleave_tensor *a = f->attrs;
    int64_t dim;
    ebb_tensor *self = along(f->in[0], &a->dim, &dim);
    if (!self) return NULL;
    ebb_tensor *index = places(f->in[1], self->dims[dim]);
    if (!index || check_output_size(&a->output_size, index->numel)) return NULL;
    return ebb_index_select(self, index, dim);
}

const struct ebb_op ebb_op_repeat_interleave_tensor = {
    EBB_SIGNATURE(repeat_interleave_tensor,
                  "Tensor self, Tensor repeats, dims dim=all, int? output_size=none -> Tensor"),
    .doc = EBB_TEXT(
        "Element i along dim repeats[i] times, one beside the other; without dim those of the flattened tensor. A tensor of "
        "one number is for all. output_size, where given, is the size that results."),
    .torch = EBB_TEXT("torch.repeat_interleave"),
    .overload = "repeat_interleave",
    .compose = compose_repeat_interleave_tensor,
    .batch = ebb_batch_refuse,
    .formula = EBB_FORMULAS(
        "n = self.numel() if not dim or self.ndim == 0 else self.size(dim[0]); "
        "i = repeat_interleave(arange(n), expand(repeats, (n,))); index_add(zeros_like(self), dim[0], i, g) if dim and self.ndim > 0 else "
        "index_add(zeros_like(flatten(self)), 0, i, g).reshape(self.shape)"),
    .samples = EBB_SAMPLES("(2,3) i3(6)", "(2,3) i3(2) dim=0", "(2,3) i4(3) dim=-1", "(2,3) i4(1) dim=1", "() i5()",
                           "(0,3) i3(0) dim=0", "! (2,3) i3(3)", "! (2,3) i3(1,2) dim=0", "! (2,3) (2) dim=0",
                           "! (2,3) i1(6) output_size=6"),
};

static ebb_tensor *compose_repeat_interleave_places(struct ebb_forward *f) {
    const struct ebb__attrs_repeat_interleave_places *a = f->attrs;
    ebb_tensor *index = places(f->in[0], f->in[0]->numel);
    return index && !check_output_size(&a->output_size, index->numel) ? index : NULL;
}

const struct ebb_op ebb_op_repeat_interleave_places = {
    EBB_SIGNATURE(repeat_interleave_places, "Tensor repeats, int? output_size=none -> Tensor"),
    .doc = EBB_TEXT(
        "The number i repeats[i] times, for each i: int64. output_size, where given, is the size that results."),
    .torch = EBB_TEXT("torch.repeat_interleave"),
    .overload = "repeat_interleave",
    .compose = compose_repeat_interleave_places,
    .no_derivative = true,
    .batch = ebb_batch_refuse,
    .samples = EBB_SAMPLES("i3(4)", "i3(0)", "i5()", "! (3)", "! i3(2,2)", "! i1(2) output_size=3"),
};
