/* Tensors of another shape over the same elements: view, reshape, flatten, unflatten, squeeze,
 * unsqueeze, expand. */
#define EBB_FAMILY "Shape"
#include "ops/batching.h"

/* ---- view, reshape ---- */

/* The shape with its one -1 replaced by what the other sizes leave of `from`'s elements. */
static ebb_status resolve(const ebb_dims *from, ebb_dims shape, ebb_dims *ret_shape) {
    char text[EBB__SHAPE_TEXT];
    const ebb_dims asked = shape;
    int64_t numel = 1, known = 0;
    int open = -1;
    for (int i = 0; i < from->n; i++) numel *= from->d[i];
    for (int i = 0; i < shape.n; i++) {
        if (shape.d[i] >= 0) continue;
        if (shape.d[i] < -1)
            return ebb_fail(EBB_ERR_SHAPE, "size %lld in shape %s", (long long)shape.d[i],
                            ebb__shape_text(text, asked.n, asked.d));
        if (open >= 0)
            return ebb_fail(EBB_ERR_SHAPE, "only one size can be inferred, shape %s has several -1",
                            ebb__shape_text(text, asked.n, asked.d));
        open = i;
        shape.d[i] = 1;
    }
    bool fits = ebb__numel(shape.n, shape.d, 8, &known);
    if (open >= 0 && fits && known == 0)
        return ebb_fail(EBB_ERR_SHAPE, "the -1 in shape %s could be any size, since another size is 0",
                        ebb__shape_text(text, asked.n, asked.d));
    if (open >= 0 && fits) {
        shape.d[open] = numel / known;
        known *= shape.d[open];
    }
    if (!fits || known != numel)
        return ebb_fail(EBB_ERR_SHAPE, "shape %s does not fit %lld elements", ebb__shape_text(text, asked.n, asked.d),
                        (long long)numel);
    *ret_shape = shape;
    return EBB_OK;
}

static ebb_status infer_shape(struct ebb_infer *f, ebb_dims shape) {
    const ebb_meta *in = &f->in[0];
    ebb_meta *out = &f->out[0];
    ebb_status status = resolve(&in->shape, shape, &out->shape);
    if (status || ebb__view_strides(&in->shape, &in->strides, &out->shape, &out->strides)) return status;
    char to[EBB__SHAPE_TEXT], from[EBB__SHAPE_TEXT], strides[EBB__SHAPE_TEXT];
    return ebb_fail(EBB_ERR_SHAPE,
                    "view of shape %s is not possible without a copy for shape %s, strides %s; use reshape",
                    ebb__shape_text(to, out->shape.n, out->shape.d), ebb__shape_text(from, in->shape.n, in->shape.d),
                    ebb__shape_text(strides, in->strides.n, in->strides.d));
}

static ebb_status infer_view(struct ebb_infer *f) {
    const struct ebb__attrs_view *a = f->attrs;
    return infer_shape(f, a->size);
}

static void vjp_shape(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_reshape(v->grad[0], ebb_vjp_shape(v, 0))); }

const struct ebb_op ebb_op_view = {
    EBB_SIGNATURE(view, "Tensor self, shape size -> Tensor"),
    .doc = EBB_TEXT(
        "The same elements in another shape, without a copy; one size may be -1. An error where the strides of self do "
        "not allow it: see reshape."),
    .torch = EBB_TEXT("torch.Tensor.view"),
    .node = "ViewBackward0",
    .view = true,
    .infer = infer_view,
    .vjp = vjp_shape,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("reshape(g, self.shape)"),
    .samples =
        EBB_SAMPLES("(3,4) size=(2,6)", "(3,4) size=(-1)", "(2,3,4) size=(6,-1,2)", "() size=(1,1)", "(1) size=()",
                    "(0,3) size=(3,0,2)", "! (3,4) size=(5,-1)", "! (3,4) size=(-1,-1)", "! (0,3) size=(-1,0)"),
};

/* The bytes of self as elements of another dtype. Wider ones take what lies beside one another in the last
 * dimension. */
static ebb_tensor *compose_view_dtype(struct ebb_forward *f) {
    const struct ebb__attrs_view_dtype *a = f->attrs;
    ebb_tensor *x = f->in[0];
    ebb_dims sizes = ebb_tensor_shape(x), strides = ebb_tensor_strides(x);
    int64_t from = ebb__dtype_sizes[x->dtype], to = (int64_t)ebb_dtype_size(a->dtype), last = x->ndim - 1;
    if (to == 0) return (void)ebb_fail(EBB_ERR_DTYPE, "%d is not a dtype", (int)a->dtype), NULL;
    if (from != to) {
        bool fits =
            last >= 0 && strides.d[last] == 1 && sizes.d[last] * from % to == 0 && (uintptr_t)x->data % (size_t)to == 0;
        for (int i = 0; i < last && fits; i++) fits = strides.d[i] * from % to == 0;
        if (!fits)
            return (void)ebb_fail(EBB_ERR_SHAPE,
                                  "elements of %s must lie side by side in the last dimension to be read as %s",
                                  ebb_dtype_name((ebb_dtype)x->dtype), ebb_dtype_name(a->dtype)),
                   NULL;
        for (int i = 0; i < last; i++) strides.d[i] = strides.d[i] * from / to;
        sizes.d[last] = sizes.d[last] * from / to;
    }
    ebb_tensor *y = ebb__tensor_alias(x, sizes.n, sizes.d, strides.d, 0);
    if (!y) return NULL;
    y->dtype = a->dtype & 15;
    return ebb__own(y);
}

const struct ebb_op ebb_op_view_dtype = {
    EBB_SIGNATURE(view_dtype, "Tensor self, dtype dtype -> Tensor"),
    .doc = EBB_TEXT(
        "The same bytes as elements of another dtype, without a copy. Where their sizes differ the last dimension becomes longer "
        "or shorter; it must be contiguous then. The result has no history."),
    .torch = EBB_TEXT("torch.Tensor.view(dtype)"),
    .overload = "view",
    .compose = compose_view_dtype,
    .no_derivative = true,
    .batch = ebb_batch_leading,
    .samples = EBB_SAMPLES("float64(3,4) dtype=int64", "int32(3,4) dtype=float32", "b(4) dtype=uint8",
                           "float64() dtype=int64", "float64(0,4) dtype=int64", "! float32(3) dtype=float64",
                           "! float32() dtype=uint8", "! (3) dtype=none"),
};

static ebb_status infer_reshape_alias(struct ebb_infer *f) {
    const struct ebb__attrs_reshape_alias *a = f->attrs;
    return infer_shape(f, a->size);
}

const struct ebb_op ebb_op_reshape_alias = {
    EBB_SIGNATURE(reshape_alias, "Tensor self, shape size -> Tensor"),
    .doc = EBB_TEXT(
        "The same as view: what reshape makes where the tensor is not contiguous and yet needs no copy. Use reshape."),
    .torch = EBB_TEXT("torch.ops.aten._reshape_alias"),
    .node = "ReshapeAliasBackward0",
    .view = true,
    .infer = infer_reshape_alias,
    .vjp = vjp_shape,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("reshape(g, self.shape)"),
    .samples = EBB_SAMPLES("(3,4) size=(2,6)", "() size=(1)", "(0,3) size=(3,0)", "! (3,4) size=(5,-1)"),
};

/* No view in the eyes of autograd: the elements have no other owner, so it may be written in place. */
static ebb_tensor *compose_unsafe_view(struct ebb_forward *f) {
    const struct ebb__attrs_unsafe_view *a = f->attrs;
    ebb_tensor *t = ebb_contiguous(f->in[0]);
    ebb_dims from = ebb_tensor_shape(f->in[0]), shape = {0}, strides = {0};
    if (!t || resolve(&from, a->size, &shape)) return NULL;
    ebb__contiguous_strides(shape.n, shape.d, strides.d);
    return ebb__own(ebb__tensor_alias(t, shape.n, shape.d, strides.d, 0));
}

const struct ebb_op ebb_op_unsafe_view = {
    EBB_SIGNATURE(unsafe_view, "Tensor self, shape size -> Tensor"),
    .doc = EBB_TEXT("A view of a tensor that nothing else uses: what reshape makes of its copy. Use reshape."),
    .torch = EBB_TEXT("torch.ops.aten._unsafe_view"),
    .node = "UnsafeViewBackward0",
    .compose = compose_unsafe_view,
    .vjp = vjp_shape,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("reshape(g, self.shape)"),
    .samples =
        EBB_SAMPLES("(3,4) size=(2,6)", "(3,4) size=(-1)", "(0,3) size=(3,0)", "() size=(1,1)", "! (3,4) size=(5)"),
};

static ebb_tensor *compose_reshape(struct ebb_forward *f) {
    const struct ebb__attrs_reshape *a = f->attrs;
    ebb_tensor *self = f->in[0];
    ebb_dims from = ebb_tensor_shape(self), strides = ebb_tensor_strides(self), shape = {0};
    if (resolve(&from, a->shape, &shape)) return NULL;
    if (ebb_tensor_is_contiguous(self)) return ebb_view(self, shape);
    if (ebb__view_strides(&from, &strides, &shape, &strides)) return ebb_reshape_alias(self, shape);
    return ebb_unsafe_view(ebb_clone(self), shape);
}

const struct ebb_op ebb_op_reshape = {
    EBB_SIGNATURE(reshape, "Tensor self, shape shape -> Tensor"),
    .doc =
        EBB_TEXT("The same elements in another shape: a view where that is possible, else a copy. One size may be -1."),
    .torch = EBB_TEXT("torch.reshape"),
    .compose = compose_reshape,
    .formula = EBB_FORMULAS("reshape(g, self.shape)"),
    .samples = EBB_SAMPLES("(3,4) shape=(2,6)", "(3,4) shape=(-1)", "(2,3,4) shape=(4,-1)", "() shape=(1)",
                           "(0,3) shape=(0)", "! (3,4) shape=(5,2)", "! (3,4) shape=(-2,6)"),
};

static ebb_tensor *compose_flatten(struct ebb_forward *f) {
    const struct ebb__attrs_flatten *a = f->attrs;
    ebb_tensor *self = f->in[0];
    ebb_dims from = ebb_tensor_shape(self), to = {0};
    if (from.n == 0) return ebb_reshape(self, EBB_DIMS(1));
    if (a->start_dim > a->end_dim) {
        ebb_fail(EBB_ERR_ARGUMENT, "start_dim %lld comes after end_dim %lld", (long long)a->start_dim,
                 (long long)a->end_dim);
        return NULL;
    }
    if (a->start_dim == a->end_dim) return self;
    for (int i = 0; i < from.n; i++) {
        if (i > a->start_dim && i <= a->end_dim) to.d[to.n - 1] *= from.d[i];
        else to.d[to.n++] = from.d[i];
    }
    return ebb_reshape(self, to);
}

const struct ebb_op ebb_op_flatten = {
    EBB_SIGNATURE(flatten, "Tensor self, dim start_dim[=0], dim end_dim[=-1] -> Tensor"),
    .doc = EBB_TEXT(
        "Dimensions start_dim to end_dim, both included, made one: flatten(x, 1, -1) keeps the batch. A view where that "
        "is possible; a 0-d tensor becomes 1-d."),
    .torch = EBB_TEXT("torch.flatten"),
    .compose = compose_flatten,
    .formula = EBB_FORMULAS("reshape(g, self.shape)"),
    .samples = EBB_SAMPLES("(2,3,4) start_dim=0 end_dim=-1", "(2,3,4) start_dim=1 end_dim=-1",
                           "(2,3) start_dim=1 end_dim=1", "() start_dim=0 end_dim=-1", "(2,0,3) start_dim=0 end_dim=1",
                           "! (2,3) start_dim=1 end_dim=0", "! (2,3) start_dim=0 end_dim=2"),
};

static ebb_tensor *compose_unflatten(struct ebb_forward *f) {
    const struct ebb__attrs_unflatten *a = f->attrs;
    ebb_dims from = ebb_tensor_shape(f->in[0]), one = EBB_DIMS(from.d[a->dim]), sizes, to = {0};
    if (from.n == 0 || a->sizes.n == 0 || from.n + a->sizes.n - 1 > EBB_MAX_NDIM) {
        if (from.n == 0) ebb_fail(EBB_ERR_SHAPE, "needs a tensor of at least 1 dimension, not 0");
        else if (a->sizes.n == 0) ebb_fail(EBB_ERR_ARGUMENT, "sizes must not be empty");
        else ebb_fail(EBB_ERR_SHAPE, "the result would have more than %d dimensions", EBB_MAX_NDIM);
        return NULL;
    }
    if (resolve(&one, a->sizes, &sizes)) return NULL;
    for (int i = 0; i < from.n; i++) {
        if (i != a->dim) to.d[to.n++] = from.d[i];
        for (int k = 0; i == a->dim && k < sizes.n; k++) to.d[to.n++] = sizes.d[k];
    }
    return ebb_view(f->in[0], to);
}

const struct ebb_op ebb_op_unflatten = {
    EBB_SIGNATURE(unflatten, "Tensor self, dim dim, shape sizes -> Tensor"),
    .doc = EBB_TEXT("A view with dimension dim made several, of the given sizes, one of which may be -1."),
    .torch = EBB_TEXT("torch.unflatten"),
    .compose = compose_unflatten,
    .formula = EBB_FORMULAS("reshape(g, self.shape)"),
    .samples = EBB_SAMPLES("(3,4) dim=1 sizes=(2,2)", "(3,4) dim=-1 sizes=(2,-1)", "(6) dim=0 sizes=(1,2,3)",
                           "! () dim=0 sizes=(1,1)", "(0,3) dim=0 sizes=(0,2)", "(3,4) dim=0 sizes=(3)",
                           "! (3,4) dim=1 sizes=(3,2)", "! (3,4) dim=1 sizes=(-1,-1)", "! (3,4) dim=1 sizes=()",
                           "! (3,4) dim=2 sizes=(1)", "! (0,3) dim=0 sizes=(0,-1)"),
};

/* ---- squeeze, unsqueeze ---- */

static ebb_status infer_squeeze(struct ebb_infer *f) {
    const struct ebb__attrs_squeeze *a = f->attrs;
    const ebb_meta *in = &f->in[0];
    ebb_meta *out = &f->out[0];
    unsigned chosen = a->dim.n ? 0 : ~0u;
    for (int i = 0; i < a->dim.n; i++) chosen |= 1u << a->dim.d[i];
    for (int i = 0; i < in->shape.n; i++) {
        if (in->shape.d[i] == 1 && chosen >> i & 1u) continue;
        out->shape.d[out->shape.n++] = in->shape.d[i];
        out->strides.d[out->strides.n++] = in->strides.d[i];
    }
    return EBB_OK;
}

static const char *squeeze_node(const void *attrs, ebb_tensor *const *in) {
    static const char *const names[] = {"SqueezeBackward0", "SqueezeBackward1", "SqueezeBackward2"};
    const struct ebb__attrs_squeeze *a = attrs;
    (void)in;
    return names[a->dim.n < 2 ? a->dim.n : 2];
}

const struct ebb_op ebb_op_squeeze = {
    EBB_SIGNATURE(squeeze, "Tensor self, dims dim=all -> Tensor"),
    .doc = EBB_TEXT("A view without the dimensions of size 1, or without those of them that are in dim."),
    .torch = EBB_TEXT("torch.squeeze"),
    .node = "SqueezeBackward0",
    .node_variant = squeeze_node,
    .view = true,
    .infer = infer_squeeze,
    .vjp = vjp_shape,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("reshape(g, self.shape)"),
    .samples = EBB_SAMPLES("(1,3,1)", "(1,3,1) dim=(0)", "(1,3,1) dim=(1)", "(1,3,1,2) dim=(0,-2)", "()", "() dim=(0)",
                           "(1,0)", "! (1,3) dim=(2)", "! (1,3) dim=(0,-2)"),
};

static ebb_status infer_unsqueeze(struct ebb_infer *f) {
    const struct ebb__attrs_unsqueeze *a = f->attrs;
    const ebb_meta *in = &f->in[0];
    ebb_meta *out = &f->out[0];
    int at = (int)a->dim, n = in->shape.n;
    if (n == EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_SHAPE, "the result would have more than %d dimensions", EBB_MAX_NDIM);
    out->shape.n = out->strides.n = n + 1;
    for (int i = 0; i < n; i++) {
        out->shape.d[i < at ? i : i + 1] = in->shape.d[i];
        out->strides.d[i < at ? i : i + 1] = in->strides.d[i];
    }
    out->shape.d[at] = 1;
    out->strides.d[at] = at < n ? in->shape.d[at] * in->strides.d[at] : 1;
    return EBB_OK;
}

static void vjp_unsqueeze(struct ebb_vjp_call *v) {
    const struct ebb__attrs_unsqueeze *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_squeeze(v->grad[0], .dim = EBB_DIMS(a->dim)));
}

const struct ebb_op ebb_op_unsqueeze = {
    EBB_SIGNATURE(unsqueeze, "Tensor self, newdim dim -> Tensor"),
    .doc = EBB_TEXT("A view with a new dimension of size 1 at dim."),
    .torch = EBB_TEXT("torch.unsqueeze"),
    .node = "UnsqueezeBackward0",
    .view = true,
    .infer = infer_unsqueeze,
    .vjp = vjp_unsqueeze,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("squeeze(g, dim)"),
    .samples = EBB_SAMPLES("(3,4) dim=0", "(3,4) dim=1", "(3,4) dim=-1", "() dim=0", "(0) dim=1", "! (3) dim=2",
                           "! (3) dim=-3", "! (1,1,1,1,1,1,1,1) dim=0"),
};

/* ---- expand ---- */

static ebb_status infer_expand(struct ebb_infer *f) {
    const struct ebb__attrs_expand *a = f->attrs;
    const ebb_meta *in = &f->in[0];
    ebb_meta *out = &f->out[0];
    char text[EBB__SHAPE_TEXT];
    int n = a->size.n, new = n - in->shape.n;
    if (new < 0)
        return ebb_fail(EBB_ERR_SHAPE, "size %s has fewer dimensions than the tensor",
                        ebb__shape_text(text, n, a->size.d));
    out->shape = a->size;
    out->strides.n = n;
    for (int i = n - 1; i >= 0; i--) { /* what a new dimension of size 1 would have as stride is PyTorch's choice */
        int64_t size = i >= new ? in->shape.d[i - new] : 1;
        int64_t stride = 0;
        if (i >= new) stride = in->strides.d[i - new];
        else if (i < n - 1 && in->shape.n) stride = out->shape.d[i + 1] * out->strides.d[i + 1];
        if (out->shape.d[i] == -1 && i >= new) out->shape.d[i] = size;
        if (out->shape.d[i] < 0)
            return ebb_fail(EBB_ERR_SHAPE, "size %lld in %s; -1 keeps a size that the tensor has",
                            (long long)out->shape.d[i], ebb__shape_text(text, n, a->size.d));
        if (size != 1 && out->shape.d[i] != size)
            return ebb_fail(EBB_ERR_SHAPE,
                            "dimension %d of size %lld cannot become %lld: only size 1 is expanded, to %s", i - new,
                            (long long)size, (long long)out->shape.d[i], ebb__shape_text(text, n, a->size.d));
        out->strides.d[i] = out->shape.d[i] == size ? stride : 0;
    }
    int64_t numel;
    if (!ebb__numel(n, out->shape.d, 8, &numel))
        return ebb_fail(EBB_ERR_MEMORY, "size %s is too large to be addressed", ebb__shape_text(text, n, a->size.d));
    return EBB_OK;
}

static void vjp_expand(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, v->grad[0]); }

static void batch_expand(struct ebb_batch_call *b) {
    const struct ebb__attrs_expand *a = b->attrs;
    ebb_dims size = {{b->size}, 1};
    if (a->size.n == EBB_MAX_NDIM) {
        ebb_fail(EBB_ERR_SHAPE, "a batch of tensors of %d dimensions has more than %d", EBB_MAX_NDIM, EBB_MAX_NDIM);
        return;
    }
    for (int k = 0; k < a->size.n; k++) size.d[size.n++] = a->size.d[k];
    ebb_batch_give(b, 0, ebb_expand(ebb__batch_aligned(b->in[0], size.n), size));
}

const struct ebb_op ebb_op_expand = {
    EBB_SIGNATURE(expand, "Tensor self, shape size -> Tensor"),
    .doc = EBB_TEXT(
        "A view in which dimensions of size 1, and new ones in front, repeat (stride 0) up to the given size; -1 keeps a "
        "size. Clone it before writing it in place."),
    .torch = EBB_TEXT("torch.Tensor.expand"),
    .node = "ExpandBackward0",
    .view = true,
    .infer = infer_expand,
    .vjp = vjp_expand,
    .batch = batch_expand,
    .formula = EBB_FORMULAS("sum_to_size(g, self.shape)"),
    .samples =
        EBB_SAMPLES("(3,1) size=(3,4)", "(3) size=(2,3)", "(1,3) size=(-1,3)", "() size=(2,2)", "(3,1) size=(2,-1,4)",
                    "(1) size=(0)", "(2,3) size=(1,2,3)", "! (3) size=(2)", "! (2,3) size=(3)", "! (3) size=(-1,3)"),
};

static ebb_tensor *compose_broadcast_to(struct ebb_forward *f) {
    const struct ebb__attrs_broadcast_to *a = f->attrs;
    return ebb_expand(f->in[0], a->size);
}

const struct ebb_op ebb_op_broadcast_to = {
    EBB_SIGNATURE(broadcast_to, "Tensor self, shape size -> Tensor"),
    .doc = EBB_TEXT("The same as expand."),
    .torch = EBB_TEXT("torch.broadcast_to"),
    .compose = compose_broadcast_to,
    .formula = EBB_FORMULAS("g"),
    .samples = EBB_SAMPLES("(3,1) size=(3,4)", "(3) size=(2,3)", "! (3) size=(2)"),
};

/* ---- as another tensor is ---- */

#define AS(name, of, text, formula_) \
    static ebb_tensor *compose_##name(struct ebb_forward *f) { return of(f->in[0], ebb_tensor_shape(f->in[1])); } \
    const struct ebb_op ebb_op_##name = { \
        EBB_SIGNATURE(name, "Tensor self, Tensor other -> Tensor"), \
        .doc = EBB_TEXT("self in the shape of other; see " text "."), \
        .torch = EBB_TEXT("torch.Tensor." #name), \
        .compose = compose_##name, \
        .formula = EBB_FORMULAS(formula_), \
        .samples = EBB_SAMPLES("(3,1) (3,1)", "() ()", "(0,3) (0,3)", SAMPLE_##name, "! (3) (2)"), \
    };
#define SAMPLE_view_as "(3,4) (2,6)"
#define SAMPLE_reshape_as "(3,4) (2,6)"
#define SAMPLE_expand_as "(3,1) (2,3,4)"
AS(view_as, ebb_view, "view", "reshape(g, self.shape)")
AS(reshape_as, ebb_reshape, "reshape", "reshape(g, self.shape)")
AS(expand_as, ebb_expand, "expand", "sum_to_size(g, self.shape)")
