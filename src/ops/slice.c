/* Parts of a tensor, as views: select, slice, narrow, diagonal, unfold; and their gradients, zeros with one part filled
 * in. */
#define EBB_FAMILY "Shape"
#include "ops/batching.h"
#include "ops/region.h"
#include <string.h>

/* ---- which elements ---- Each sets shape, strides and offset of the part of `in`. */

static ebb_status needs_dims(const ebb_meta *in, int n) {
    if (in->shape.n >= n) return EBB_OK;
    return ebb_fail(EBB_ERR_SHAPE, "needs a tensor of at least %d dimension%s, not %d", n, n == 1 ? "" : "s",
                    (int)in->shape.n);
}

static void remove_dim(ebb_dims *dims, int64_t dim) {
    dims->n--;
    for (int i = (int)dim; i < dims->n; i++) dims->d[i] = dims->d[i + 1];
}

static ebb_status selected(const ebb_meta *in, int64_t dim, int64_t index, ebb_meta *part) {
    if (needs_dims(in, 1)) return EBB_ERR_SHAPE;
    int64_t size = in->shape.d[dim];
    if (index < -size || index >= size)
        return ebb_fail(EBB_ERR_INDEX, "index %lld is out of range for dimension %lld of size %lld", (long long)index,
                        (long long)dim, (long long)size);
    part->shape = in->shape;
    part->strides = in->strides;
    part->offset = (index < 0 ? index + size : index) * in->strides.d[dim];
    remove_dim(&part->shape, dim);
    remove_dim(&part->strides, dim);
    return EBB_OK;
}

/* Out of range means up to the edge, as in Python. */
static int64_t clamp(int64_t i, int64_t size) {
    if (i < 0) i += size;
    return i < 0 ? 0 : i > size ? size : i;
}

static ebb_status sliced(const ebb_meta *in, int64_t dim, int64_t start, int64_t end, int64_t step, ebb_meta *part) {
    if (needs_dims(in, 1)) return EBB_ERR_SHAPE;
    if (step < 0) return ebb_fail(EBB_ERR_ARGUMENT, "step must be positive, not %lld", (long long)step);
    if (step == 0) step = 1;
    int64_t size = in->shape.d[dim], stride = in->strides.d[dim];
    start = clamp(start, size);
    end = clamp(end, size);
    int64_t n = end > start ? (end - start - 1) / step + 1 : 0;
    part->shape = in->shape;
    part->strides = in->strides;
    part->shape.d[dim] = n;
    part->offset = start * stride;
    if (step <= size || stride == 0 || step < INT64_MAX / 8 / (stride < 0 ? -stride : stride))
        part->strides.d[dim] = stride * step;
    return EBB_OK;
}

static ebb_status diagonal(const ebb_meta *in, int64_t offset, int64_t dim1, int64_t dim2, ebb_meta *part) {
    if (needs_dims(in, 2)) return EBB_ERR_SHAPE;
    if (dim1 == dim2) return ebb_fail(EBB_ERR_ARGUMENT, "dim1 and dim2 are both dimension %lld", (long long)dim1);
    int64_t rows = in->shape.d[dim1] + (offset < 0 ? offset : 0),
            columns = in->shape.d[dim2] - (offset > 0 ? offset : 0);
    int64_t n = rows < columns ? rows : columns, low = dim1 < dim2 ? dim1 : dim2;
    part->shape = in->shape;
    part->strides = in->strides;
    part->offset = n <= 0 ? 0 : offset > 0 ? offset * in->strides.d[dim2] : -offset * in->strides.d[dim1];
    for (int i = 0; i < 2; i++) {
        remove_dim(&part->shape, i == 0 ? dim1 + dim2 - low : low);
        remove_dim(&part->strides, i == 0 ? dim1 + dim2 - low : low);
    }
    part->shape.d[part->shape.n++] = n > 0 ? n : 0;
    part->strides.d[part->strides.n++] = in->strides.d[dim1] + in->strides.d[dim2];
    return EBB_OK;
}

static ebb_status windows(const ebb_meta *in, int64_t dim, int64_t size, int64_t step, ebb_meta *part) {
    int n = in->shape.n;
    if (n == EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_SHAPE, "the result would have more than %d dimensions", EBB_MAX_NDIM);
    if (dim < 0 || dim >= (n ? n : 1)) return ebb_fail(EBB_ERR_INDEX, "there is no dimension %lld", (long long)dim);
    if (step < 1) return ebb_fail(EBB_ERR_ARGUMENT, "step must be positive, not %lld", (long long)step);
    int64_t whole = n ? in->shape.d[dim] : 1, stride = n ? in->strides.d[dim] : 1;
    if (size < 0 || size > whole)
        return ebb_fail(EBB_ERR_ARGUMENT, "size %lld is out of range for dimension %lld of size %lld", (long long)size,
                        (long long)dim, (long long)whole);
    part->shape = in->shape;
    part->strides = in->strides;
    part->offset = 0;
    if (n) part->shape.d[dim] = (whole - size) / step + 1;
    if (n && (whole - size) / step > 0) part->strides.d[dim] = stride * step;
    part->shape.n = part->strides.n = n + 1;
    part->shape.d[n] = size;
    part->strides.d[n] = stride;
    return EBB_OK;
}

/* ---- zeros with one part filled in ---- */

static ebb_meta whole(ebb_dims shape) {
    ebb_meta m = {.shape = shape, .strides = shape};
    ebb__contiguous_strides(shape.n, shape.d, m.strides.d);
    return m;
}

/* The gradient of a part must have the part's shape; `status` is what computing the part gave. */
static ebb_status infer_filled(struct ebb_infer *f, ebb_status status, ebb_dims shape, const ebb_meta *part) {
    char text[EBB__SHAPE_TEXT];
    if (!status && !ebb__dims_equal(&part->shape, &f->in[0].shape))
        return ebb_fail(EBB_ERR_SHAPE, "the part has shape %s", ebb__shape_text(text, part->shape.n, part->shape.d));
    f->out[0].shape = shape;
    return status;
}

static ebb_status fill_part(struct ebb_forward *f, const ebb_meta *part) {
    ebb_tensor *out = f->out[0];
    if (out->numel) memset(out->data, 0, (size_t)out->numel * ebb__dtype_sizes[out->dtype]);
    if (!ebb__shares_elements(&part->shape, &part->strides))
        ebb__copy_region(out, part->offset, part->strides.d, f->in[0]);
    else
        ebb__add_region(&part->shape, (ebb_dtype)out->dtype, out->data + part->offset * ebb__dtype_sizes[out->dtype],
                        part->strides.d, f->in[0]->data, ebb__strides(f->in[0]));
    return EBB_OK;
}

/* Whether the sizes can be those of a tensor of which the gradient's shape, `more` dimensions smaller, is a part. */
static ebb_status check_sizes(const ebb_dims *sizes, const struct ebb_infer *f, int more) {
    int64_t numel;
    if (sizes->n != f->in[0].shape.n + more)
        return ebb_fail(EBB_ERR_SHAPE, "input_sizes has %d dimensions; expected %d", (int)sizes->n,
                        (int)f->in[0].shape.n + more);
    if (!ebb__numel(sizes->n, sizes->d, 8, &numel)) return ebb_fail(EBB_ERR_SHAPE, "input_sizes are out of range");
    return EBB_OK;
}

/* The functions of an operator NAME and of NAME_backward: part_call computes the part of `in` from the attributes a,
 * and back_call is that part of g. Where no two elements of it are one (`apart`), a gradient is added to what there
 * is. */
#define PART_OP(name, more, apart, vjp_call, back_call, part_call) \
    static ebb_status infer_##name(struct ebb_infer *f) { \
        const struct ebb__attrs_##name *a = f->attrs; \
        const ebb_meta *in = &f->in[0]; \
        ebb_meta *part = &f->out[0]; \
        return part_call; \
    } \
    static void vjp_##name(struct ebb_vjp_call *v) { \
        const struct ebb__attrs_##name *a = v->attrs; \
        ebb_tensor *g = (apart) ? ebb_vjp_sum(v, 0) : NULL; \
        if (g) { \
            (void)ebb_add_(back_call, v->grad[0]); \
        } else { \
            g = v->grad[0]; \
            ebb_vjp_give(v, 0, vjp_call); \
        } \
    } \
    static ebb_status infer_##name##_backward(struct ebb_infer *f) { \
        const struct ebb__attrs_##name##_backward *a = f->attrs; \
        ebb_status status = check_sizes(&a->input_sizes, f, more); \
        if (status) return status; \
        ebb_meta all = whole(a->input_sizes), m = all, *in = &all, *part = &m; \
        status = part_call; \
        return infer_filled(f, status, a->input_sizes, part); \
    } \
    static ebb_status forward_##name##_backward(struct ebb_forward *f) { \
        const struct ebb__attrs_##name##_backward *a = f->attrs; \
        ebb_meta all = whole(a->input_sizes), m = all, *in = &all, *part = &m; \
        ebb_status status = part_call; \
        return status ? status : fill_part(f, part); \
    } \
    static void vjp_##name##_backward(struct ebb_vjp_call *v) { \
        const struct ebb__attrs_##name##_backward *a = v->attrs; \
        ebb_tensor *g = v->grad[0]; \
        ebb_vjp_give(v, 0, back_call); \
    }

PART_OP(select, 1, true, ebb_select_backward(g, ebb_vjp_shape(v, 0), a->dim, a->index), ebb_select(g, a->dim, a->index),
        selected(in, a->dim, a->index, part))
PART_OP(slice, 0, true, ebb_slice_backward(g, ebb_vjp_shape(v, 0), a->dim, a->start, a->end, .step = a->step),
        ebb_slice(g, a->dim, a->start, a->end, .step = a->step), sliced(in, a->dim, a->start, a->end, a->step, part))
PART_OP(diagonal, 1, true, ebb_diagonal_backward(g, ebb_vjp_shape(v, 0), a->offset, a->dim1, a->dim2),
        ebb_diagonal(g, a->offset, a->dim1, a->dim2), diagonal(in, a->offset, a->dim1, a->dim2, part))
PART_OP(unfold, -1, a->step >= a->size, ebb_unfold_backward(g, ebb_vjp_shape(v, 0), a->dimension, a->size, a->step),
        ebb_unfold(g, a->dimension, a->size, a->step), windows(in, a->dimension, a->size, a->step, part))

/* ---- the operators ---- */

const struct ebb_op ebb_op_select = {
    EBB_SIGNATURE(select, "Tensor self, dim dim, int index -> Tensor"),
    .doc = EBB_TEXT(
        "A view of the elements at one index of dim, without that dimension; a negative index counts from the end."),
    .torch = EBB_TEXT("torch.select"),
    .node = "SelectBackward0",
    .view = true,
    .infer = infer_select,
    .vjp = vjp_select,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("select_backward(g, self.shape, dim, index)"),
    .samples =
        EBB_SAMPLES("(3,4) dim=0 index=1", "(3,4) dim=-1 index=-1", "(3) dim=0 index=2", "(2,0,3) dim=2 index=0",
                    "! (3,4) dim=0 index=3", "! (3,4) dim=0 index=-4", "! () dim=0 index=0", "! (0,3) dim=0 index=0"),
};

const struct ebb_op ebb_op_select_backward = {
    EBB_SIGNATURE(select_backward, "Tensor grad, shape input_sizes, newdim dim, int index -> Tensor"),
    .doc = EBB_TEXT("Zeros of shape input_sizes with grad at one index of dim: the gradient of select."),
    .torch = EBB_TEXT("torch.ops.aten.select_backward"),
    .node = "SelectBackwardBackward0",
    .infer = infer_select_backward,
    .forward = forward_select_backward,
    .vjp = vjp_select_backward,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("select(g, dim, index)"),
    .samples = EBB_SAMPLES("(4) input_sizes=(3,4) dim=0 index=1", "() input_sizes=(3) dim=0 index=-1",
                           "! (4) input_sizes=(3,5) dim=0 index=1", "! (4) input_sizes=(4) dim=0 index=1"),
};

const struct ebb_op ebb_op_slice = {
    EBB_SIGNATURE(slice,
                  "Tensor self, dim dim[=0], int start[=0], int end[=9223372036854775807], int step=1 -> Tensor"),
    .doc = EBB_TEXT(
        "A view of the elements start, start + step, ... before end of dim: x[start:end:step]. Negative positions count "
        "from the end, and positions beyond the edges mean the edges, as in Python; EBB_END is the end."),
    .torch = EBB_TEXT("torch.Tensor.__getitem__"),
    .node = "SliceBackward0",
    .view = true,
    .infer = infer_slice,
    .vjp = vjp_slice,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("slice_backward(g, self.shape, dim, start, end, step)"),
    .samples =
        EBB_SAMPLES("(5,4) dim=0 start=1 end=3", "(5,4) dim=1 start=-3 end=-1", "(5,4) dim=0 start=0 end=100 step=2",
                    "(5) dim=0 start=3 end=1", "(5) dim=0 start=-100 end=2", "(0,3) dim=0 start=0 end=5",
                    "(5) dim=0 start=4 end=5 step=7", "! (5) dim=0 start=0 end=5 step=-1", "! () dim=0 start=0 end=1",
                    "! (5) dim=1 start=0 end=1"),
};

const struct ebb_op ebb_op_slice_backward = {
    EBB_SIGNATURE(slice_backward, "Tensor grad, shape input_sizes, dim dim, int start, int end, int step=1 -> Tensor"),
    .doc = EBB_TEXT("Zeros of shape input_sizes with grad in a slice of dim: the gradient of slice."),
    .torch = EBB_TEXT("torch.ops.aten.slice_backward"),
    .node = "SliceBackwardBackward0",
    .infer = infer_slice_backward,
    .forward = forward_slice_backward,
    .vjp = vjp_slice_backward,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("slice(g, dim, start, end, step)"),
    .samples =
        EBB_SAMPLES("(2,4) input_sizes=(5,4) dim=0 start=1 end=3", "(3) input_sizes=(5) dim=0 start=0 end=5 step=2",
                    "! (2,4) input_sizes=(5,4) dim=0 start=1 end=4", "! (2,4) input_sizes=(4) dim=0 start=1 end=3"),
};

static ebb_tensor *compose_narrow(struct ebb_forward *f) {
    const struct ebb__attrs_narrow *a = f->attrs;
    ebb_dims shape = ebb_tensor_shape(f->in[0]);
    ebb_meta in = {.shape = shape};
    if (needs_dims(&in, 1)) return NULL;
    int64_t size = shape.d[a->dim], start = a->start < 0 ? a->start + size : a->start;
    if (start < 0 || start > size || a->length < 0 || a->length > size - start) {
        ebb_fail(EBB_ERR_INDEX, "start %lld, length %lld is out of range for dimension %lld of size %lld",
                 (long long)a->start, (long long)a->length, (long long)a->dim, (long long)size);
        return NULL;
    }
    return ebb_slice(f->in[0], a->dim, start, start + a->length);
}

const struct ebb_op ebb_op_narrow = {
    EBB_SIGNATURE(narrow, "Tensor self, dim dim, int start, int length -> Tensor"),
    .doc = EBB_TEXT(
        "A view of `length` elements of dim, from start on. Unlike slice, it is an error when they are not there."),
    .torch = EBB_TEXT("torch.narrow"),
    .compose = compose_narrow,
    .parts = EBB_TEXT("s = start if start >= 0 else start + self.shape[dim]; slice(self, dim, s, s + length)"),
    .samples =
        EBB_SAMPLES("(5,4) dim=0 start=1 length=3", "(5,4) dim=-1 start=-2 length=2", "(5) dim=0 start=5 length=0",
                    "! (5) dim=0 start=3 length=3", "! (5) dim=0 start=-6 length=1", "! (5) dim=0 start=0 length=-1",
                    "! () dim=0 start=0 length=0"),
};

const struct ebb_op ebb_op_diagonal = {
    EBB_SIGNATURE(diagonal, "Tensor self, int offset[=0], dim dim1[=0], dim dim2[=1] -> Tensor"),
    .doc = EBB_TEXT(
        "A view of the diagonal of dimensions dim1 and dim2, as the last dimension: elements with index2 - index1 = offset."),
    .torch = EBB_TEXT("torch.diagonal"),
    .node = "DiagonalBackward0",
    .view = true,
    .infer = infer_diagonal,
    .vjp = vjp_diagonal,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("diagonal_backward(g, self.shape, offset, dim1, dim2)"),
    .samples =
        EBB_SAMPLES("(3,4) offset=0 dim1=0 dim2=1", "(3,4) offset=1 dim1=0 dim2=1", "(4,3) offset=-2 dim1=0 dim2=1",
                    "(2,3,4) offset=0 dim1=2 dim2=0", "(3,3) offset=5 dim1=0 dim2=1", "! (3,3) offset=0 dim1=1 dim2=-1",
                    "! (3) offset=0 dim1=0 dim2=0"),
};

const struct ebb_op ebb_op_diagonal_backward = {
    EBB_SIGNATURE(diagonal_backward, "Tensor grad, shape input_sizes, int offset, newdim dim1, newdim dim2 -> Tensor"),
    .doc = EBB_TEXT("Zeros of shape input_sizes with grad on a diagonal: the gradient of diagonal."),
    .torch = EBB_TEXT("torch.ops.aten.diagonal_backward"),
    .node = "DiagonalBackwardBackward0",
    .infer = infer_diagonal_backward,
    .forward = forward_diagonal_backward,
    .vjp = vjp_diagonal_backward,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("diagonal(g, offset, dim1, dim2)"),
    .samples =
        EBB_SAMPLES("(3) input_sizes=(3,4) offset=0 dim1=0 dim2=1", "(3,2) input_sizes=(2,3,4) offset=0 dim1=2 dim2=0",
                    "! (3) input_sizes=(2,4) offset=0 dim1=0 dim2=1"),
};

const struct ebb_op ebb_op_unfold = {
    EBB_SIGNATURE(unfold, "Tensor self, dim dimension, int size, int step -> Tensor"),
    .doc = EBB_TEXT(
        "A view of the windows of `size` elements that begin at 0, step, 2 step, ... of a dimension: it counts the windows, "
        "and a new last dimension the elements inside one. Windows overlap where step < size; their gradients are summed."),
    .torch = EBB_TEXT("torch.Tensor.unfold"),
    .node = "UnfoldBackward0",
    .view = true,
    .infer = infer_unfold,
    .vjp = vjp_unfold,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("unfold_backward(g, self.shape, dimension, size, step)"),
    .samples = EBB_SAMPLES(
        "(5) dimension=0 size=3 step=1", "(3,7) dimension=-1 size=2 step=3", "(5,2) dimension=0 size=2 step=1",
        "(2,3) dimension=1 size=0 step=1", "() dimension=0 size=1 step=1", "() dimension=-1 size=0 step=2",
        "(0,3) dimension=1 size=2 step=1", "(0) dimension=0 size=0 step=1", "(3) dimension=0 size=3 step=100",
        "! (3) dimension=0 size=4 step=1", "! (3) dimension=0 size=2 step=0", "! (3) dimension=0 size=-1 step=1",
        "! (3) dimension=1 size=1 step=1", "! () dimension=0 size=2 step=1"),
};

static void batch_unfold_backward(struct ebb_batch_call *b) {
    struct ebb__attrs_unfold_backward a = *(const struct ebb__attrs_unfold_backward *)b->attrs;
    struct ebb_batch_call all = *b;
    if (a.dimension >= 0) a.dimension++;
    all.attrs = &a;
    if (a.input_sizes.n) ebb_batch_dims(&all);
    else ebb_batch_loop(b);
}

const struct ebb_op ebb_op_unfold_backward = {
    EBB_SIGNATURE(unfold_backward, "Tensor grad_in, shape input_sizes, int dimension, int size, int step -> Tensor"),
    .doc = EBB_TEXT(
        "Zeros of shape input_sizes with grad_in added to the windows of a dimension: the gradient of unfold."),
    .torch = EBB_TEXT("torch.ops.aten.unfold_backward"),
    .node = "UnfoldBackwardBackward0",
    .infer = infer_unfold_backward,
    .forward = forward_unfold_backward,
    .vjp = vjp_unfold_backward,
    .jvp = ebb_jvp_linear,
    .batch = batch_unfold_backward,
    .formula = EBB_FORMULAS("unfold(g, dimension, size, step)"),
    .samples = EBB_SAMPLES(
        "(3,3) input_sizes=(5) dimension=0 size=3 step=1", "(3,2,2) input_sizes=(3,7) dimension=1 size=2 step=3",
        "(1) input_sizes=() dimension=0 size=1 step=1", "! (3,2) input_sizes=(5) dimension=0 size=3 step=1",
        "! (3,3) input_sizes=(5) dimension=1 size=3 step=1"),
};

/* ---- matrices of diagonals ---- */

static ebb_tensor *compose_diag_embed(struct ebb_forward *f) {
    const struct ebb__attrs_diag_embed *a = f->attrs;
    ebb_dims from = ebb_tensor_shape(f->in[0]), to = {0};
    ebb_meta in = {.shape = from};
    if (needs_dims(&in, 1)) return NULL;
    if (from.n == EBB_MAX_NDIM || a->dim1 == a->dim2) {
        if (a->dim1 == a->dim2) ebb_fail(EBB_ERR_ARGUMENT, "dim1 and dim2 are both dimension %lld", (long long)a->dim1);
        else ebb_fail(EBB_ERR_SHAPE, "the result would have more than %d dimensions", EBB_MAX_NDIM);
        return NULL;
    }
    const int64_t size = from.d[from.n - 1], most = EBB_END - size;
    if (a->offset < -most || a->offset > most) {
        ebb_fail(EBB_ERR_ARGUMENT, "offset %lld is out of range", (long long)a->offset);
        return NULL;
    }
    const int64_t off = a->offset < 0 ? -a->offset : a->offset;
    for (int i = 0, k = 0; i < from.n + 1; i++) to.d[to.n++] = i == a->dim1 || i == a->dim2 ? size + off : from.d[k++];
    return ebb_diagonal_backward(f->in[0], to, a->offset, a->dim1, a->dim2);
}

static void vjp_diag_embed(struct ebb_vjp_call *v) {
    const struct ebb__attrs_diag_embed *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_diagonal(v->grad[0], a->offset, a->dim1, a->dim2));
}

const struct ebb_op ebb_op_diag_embed = {
    EBB_SIGNATURE(diag_embed, "Tensor self, int offset[=0], newdim dim1[=-2], newdim dim2[=-1] -> Tensor"),
    .doc = EBB_TEXT(
        "Matrices, in dimensions dim1 and dim2 of the result, with the last dimension of self on the diagonal of that offset "
        "and zeros elsewhere: diag_embed(x, 0, -2, -1)."),
    .torch = EBB_TEXT("torch.diag_embed"),
    .node = "DiagEmbedBackward0",
    .compose = compose_diag_embed,
    .vjp = vjp_diag_embed,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("diagonal(g, offset, dim1, dim2)"),
    .samples =
        EBB_SAMPLES("(3) offset=0 dim1=-2 dim2=-1", "(2,3) offset=1 dim1=-2 dim2=-1", "(2,3) offset=-2 dim1=0 dim2=2",
                    "(2,3) offset=1 dim1=2 dim2=0", "(0) offset=1 dim1=0 dim2=1", "(2,0) offset=0 dim1=-2 dim2=-1",
                    "! () offset=0 dim1=0 dim2=-1", "! (3) offset=0 dim1=1 dim2=-1", "! (3) offset=0 dim1=0 dim2=2"),
};

static ebb_tensor *compose_diagonal_copy(struct ebb_forward *f) {
    const struct ebb__attrs_diagonal_copy *a = f->attrs;
    return ebb_clone(ebb_diagonal(f->in[0], a->offset, a->dim1, a->dim2));
}

const struct ebb_op ebb_op_diagonal_copy = {
    EBB_SIGNATURE(diagonal_copy, "Tensor self, int offset, dim dim1, dim dim2 -> Tensor"),
    .doc = EBB_TEXT("The same as diagonal, with memory of its own."),
    .torch = EBB_TEXT("torch.diagonal_copy"),
    .node = "DiagonalBackward0_copy",
    .compose = compose_diagonal_copy,
    .vjp = vjp_diagonal,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("diagonal_backward(g, self.shape, offset, dim1, dim2)"),
    .samples = EBB_SAMPLES("(3,4) offset=0 dim1=0 dim2=1", "(2,3,4) offset=-1 dim1=2 dim2=0",
                           "(3,0) offset=0 dim1=0 dim2=1", "! (3) offset=0 dim1=0 dim2=0"),
};

static ebb_tensor *compose_diag(struct ebb_forward *f) {
    const struct ebb__attrs_diag *a = f->attrs;
    int n = ebb_tensor_ndim(f->in[0]);
    if (n == 1) return ebb_diag_embed(f->in[0], a->diagonal, 0, 1);
    if (n == 2) return ebb_diagonal_copy(f->in[0], a->diagonal, 0, 1);
    ebb_fail(EBB_ERR_SHAPE, "needs a tensor of 1 or 2 dimensions, not %d", n);
    return NULL;
}

const struct ebb_op ebb_op_diag = {
    EBB_SIGNATURE(diag, "Tensor self, int diagonal=0 -> Tensor"),
    .doc = EBB_TEXT(
        "Of a vector the matrix with it on a diagonal, of a matrix a copy of that diagonal: above the main one for "
        "diagonal > 0, below for < 0."),
    .torch = EBB_TEXT("torch.diag"),
    .compose = compose_diag,
    .parts = EBB_TEXT("diag_embed(self, diagonal) if self.ndim == 1 else diagonal(self, diagonal)"),
    .samples = EBB_SAMPLES("(3)", "(3) diagonal=-1", "(3,4)", "(3,4) diagonal=2", "(0)", "(0,3)", "(3,3) diagonal=7",
                           "! ()", "! (2,3,4)"),
};
