/* Splitting along a dimension: lists of views. */
#define EBB_FAMILY "Shape"
#include "ops/ops.h"

static int64_t split_count(struct ebb_infer *f) {
    const struct ebb__attrs_split *a = f->attrs;
    const ebb_dims *x = &f->in[0].shape;
    if (x->n == 0) return (void)ebb_fail(EBB_ERR_SHAPE, "expected at least one dimension, got a 0-d tensor"), -1;
    int64_t size = x->d[a->dim];
    if (a->split_size < 0 || (a->split_size == 0 && size > 0))
        return (void)ebb_fail(EBB_ERR_ARGUMENT, "split_size must be positive, got %lld", (long long)a->split_size), -1;
    return size ? (size - 1) / a->split_size + 1 : 1;
}

static ebb_status split_infer(struct ebb_infer *f) {
    const struct ebb__attrs_split *a = f->attrs;
    const ebb_meta *x = &f->in[0];
    for (int64_t k = 0; k < f->n_out; k++) {
        int64_t start = k * a->split_size, rest = x->shape.d[a->dim] - start;
        ebb_meta *y = &f->out[k];
        y->shape = x->shape;
        y->strides = x->strides;
        y->shape.d[a->dim] = rest < a->split_size ? rest : a->split_size;
        y->offset = start * x->strides.d[a->dim];
    }
    return EBB_OK;
}

static void split_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_split *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_cat(((ebb_list){v->n_out, v->grad}), a->dim));
}

const struct ebb_op ebb_op_split = {
    EBB_SIGNATURE(split, "Tensor self|tensor, int split_size|split_size_or_sections, dim dim=0 -> Tensors"),
    .doc = EBB_TEXT(
        "Views of split_size indices each along dim, one after another; the last is smaller when they do not divide "
        "evenly."),
    .torch = EBB_TEXT("torch.split"),
    .node = "SplitBackward0",
    .view = true,
    .count = split_count,
    .infer = split_infer,
    .vjp = split_vjp,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("cat(g, dim)"),
    .samples = EBB_SAMPLES("(5) split_size=2", "(3,4) split_size=2 dim=1", "(2,3,4) split_size=3 dim=-1",
                           "(4,2) split_size=4", "(0,3) split_size=2", "(0) split_size=0", "! () split_size=1",
                           "! (3) split_size=0", "! (3) split_size=-1", "! (3,4) split_size=1 dim=2"),
};

static int64_t split_with_sizes_count(struct ebb_infer *f) {
    const struct ebb__attrs_split_with_sizes *a = f->attrs;
    const ebb_dims *x = &f->in[0].shape;
    char text[EBB__SHAPE_TEXT];
    if (x->n == 0) return (void)ebb_fail(EBB_ERR_SHAPE, "expected at least one dimension, got a 0-d tensor"), -1;
    int64_t left = x->d[a->dim], i = 0;
    for (; i < a->split_sizes.n && a->split_sizes.d[i] >= 0 && a->split_sizes.d[i] <= left; i++)
        left -= a->split_sizes.d[i];
    if (i == a->split_sizes.n && left == 0) return i;
    const int shown = (int)(a->split_sizes.n < 32 ? a->split_sizes.n : 32);
    ebb_fail(EBB_ERR_ARGUMENT, "split_sizes must not be negative and add up to the size %lld of dimension %lld: %s",
             (long long)x->d[a->dim], (long long)a->dim, ebb__shape_text(text, shown, a->split_sizes.d));
    return -1;
}

static ebb_status split_with_sizes_infer(struct ebb_infer *f) {
    const struct ebb__attrs_split_with_sizes *a = f->attrs;
    const ebb_meta *x = &f->in[0];
    int64_t start = 0;
    for (int64_t k = 0; k < f->n_out; k++) {
        ebb_meta *y = &f->out[k];
        y->shape = x->shape;
        y->strides = x->strides;
        y->shape.d[a->dim] = a->split_sizes.d[k];
        y->offset = start * x->strides.d[a->dim];
        start += a->split_sizes.d[k];
    }
    return EBB_OK;
}

static void split_with_sizes_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_split_with_sizes *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_cat(((ebb_list){v->n_out, v->grad}), a->dim));
}

const struct ebb_op ebb_op_split_with_sizes = {
    EBB_SIGNATURE(split_with_sizes,
                  "Tensor self|tensor, ints split_sizes|split_size_or_sections, dim dim=0 -> Tensors"),
    .doc = EBB_TEXT(
        "Views of split_sizes[0], split_sizes[1], ... indices along dim, one after another; together they are all of it."),
    .torch = EBB_TEXT("torch.split_with_sizes"),
    .overload = "split",
    .node = "SplitWithSizesBackward0",
    .view = true,
    .count = split_with_sizes_count,
    .infer = split_with_sizes_infer,
    .vjp = split_with_sizes_vjp,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("cat(g, dim)"),
    .samples =
        EBB_SAMPLES("(5) split_sizes=(2,3)", "(3,4) split_sizes=(1,0,3) dim=1", "(2,3,4) split_sizes=(3) dim=-2",
                    "(0,3) split_sizes=(0,0)", "! () split_sizes=(1)", "! (3) split_sizes=(2,2)",
                    "(10) split_sizes=(1,1,1,1,1,1,1,1,1,1)", "! (3) split_sizes=(4,-1)", "! (3) split_sizes=()"),
};

/* Slices of dim from each place to the next, the first from 0 and the last to the end. */
static ebb_list slices(ebb_tensor *self, int64_t dim, int64_t n, int64_t (*place)(int64_t k, const void *context),
                       const void *context) {
    ebb_tensor **parts = ebb_list_room(n);
    for (int64_t k = 0; k < n && parts; k++) {
        int64_t start = k > 0 ? place(k, context) : 0, end = k + 1 < n ? place(k + 1, context) : EBB_END;
        parts[k] = ebb_slice(self, dim, start, end);
        if (!parts[k]) parts = NULL;
    }
    return parts ? (ebb_list){n, parts} : (ebb_list){0, NULL};
}

static bool has_dims(ebb_tensor *self) {
    if (ebb_tensor_ndim(self) > 0) return true;
    ebb_fail(EBB_ERR_SHAPE, "expected at least one dimension, got a 0-d tensor");
    return false;
}

static int64_t nowhere(int64_t k, const void *context) {
    (void)k, (void)context;
    return 0;
}

static ebb_list compose_chunk(struct ebb_forward *f) {
    const struct ebb__attrs_chunk *a = f->attrs;
    if (!has_dims(f->in[0])) return (ebb_list){0, NULL};
    int64_t size = f->in[0]->dims[a->dim];
    if (a->chunks < 1) {
        ebb_fail(EBB_ERR_ARGUMENT, "chunks must be positive, got %lld", (long long)a->chunks);
        return (ebb_list){0, NULL};
    }
    if (size == 0) return slices(f->in[0], a->dim, a->chunks, nowhere, NULL);
    return ebb_split(f->in[0], (size - 1) / a->chunks + 1, .dim = a->dim);
}

const struct ebb_op ebb_op_chunk = {
    EBB_SIGNATURE(chunk, "Tensor self, int chunks, dim dim=0 -> Tensors"),
    .doc = EBB_TEXT(
        "Views of parts of dim, at most `chunks` of them: all of one size but the last, which may be smaller. Fewer than "
        "asked for where so large parts are not needed."),
    .torch = EBB_TEXT("torch.chunk"),
    .compose_list = compose_chunk,
    .formula = EBB_FORMULAS("cat(g, dim)"),
    .samples = EBB_SAMPLES("(5) chunks=2", "(3,4) chunks=3 dim=1", "(2,3,4) chunks=7 dim=-1", "(4,2) chunks=1",
                           "(0,3) chunks=3", "! () chunks=1", "! (3) chunks=0", "! (3,4) chunks=1 dim=2"),
};

struct sections {
    int64_t size, larger; /* the first `larger` ones have one element more than size */
};

static int64_t section_start(int64_t k, const void *context) {
    const struct sections *s = context;
    return k * s->size + (k < s->larger ? k : s->larger);
}

static ebb_list compose_tensor_split(struct ebb_forward *f) {
    const struct ebb__attrs_tensor_split *a = f->attrs;
    if (!has_dims(f->in[0])) return (ebb_list){0, NULL};
    int64_t size = f->in[0]->dims[a->dim];
    if (a->sections < 1) {
        ebb_fail(EBB_ERR_ARGUMENT, "sections must be positive, got %lld", (long long)a->sections);
        return (ebb_list){0, NULL};
    }
    struct sections s = {size / a->sections, size % a->sections};
    return slices(f->in[0], a->dim, a->sections, section_start, &s);
}

const struct ebb_op ebb_op_tensor_split = {
    EBB_SIGNATURE(tensor_split, "Tensor self, int sections|tensor_indices_or_sections, dim dim=0 -> Tensors"),
    .doc = EBB_TEXT(
        "Views of `sections` parts of dim; where they cannot have one size the first ones have one element more."),
    .torch = EBB_TEXT("torch.tensor_split"),
    .compose_list = compose_tensor_split,
    .formula = EBB_FORMULAS("cat(g, dim)"),
    .samples = EBB_SAMPLES("(5) sections=2", "(3,4) sections=3 dim=1", "(2,3) sections=4 dim=-1", "(0,3) sections=2",
                           "! () sections=1", "! (3) sections=0"),
};

static int64_t given_place(int64_t k, const void *context) { return ((const ebb_ints *)context)->d[k - 1]; }

static ebb_list compose_tensor_split_indices(struct ebb_forward *f) {
    const struct ebb__attrs_tensor_split_indices *a = f->attrs;
    if (!has_dims(f->in[0])) return (ebb_list){0, NULL};
    return slices(f->in[0], a->dim, a->indices.n + 1, given_place, &a->indices);
}

const struct ebb_op ebb_op_tensor_split_indices = {
    EBB_SIGNATURE(tensor_split_indices, "Tensor self, ints indices|tensor_indices_or_sections, dim dim=0 -> Tensors"),
    .doc = EBB_TEXT(
        "Views of dim before indices[0], from there to before indices[1], and so on up to its end; as Python's slices."),
    .torch = EBB_TEXT("torch.tensor_split"),
    .overload = "tensor_split",
    .compose_list = compose_tensor_split_indices,
    .formula = EBB_FORMULAS("'g of each part, added'"),
    .samples =
        EBB_SAMPLES("(5) indices=(1,3)", "(3,4) indices=(2,1,-1) dim=1", "(2,3) indices=() dim=-1", "(0,3) indices=(1)",
                    "(5) indices=(9)", "(4) indices=(0,1,1,2,2,3,3,3,4)", "! () indices=(1)"),
};

static int64_t unbind_count(struct ebb_infer *f) {
    const struct ebb__attrs_unbind *a = f->attrs;
    if (f->in[0].shape.n == 0)
        return (void)ebb_fail(EBB_ERR_SHAPE, "expected at least one dimension, got a 0-d tensor"), -1;
    return f->in[0].shape.d[a->dim];
}

static ebb_status unbind_infer(struct ebb_infer *f) {
    const struct ebb__attrs_unbind *a = f->attrs;
    const ebb_meta *x = &f->in[0];
    for (int64_t k = 0; k < f->n_out; k++) {
        ebb_meta *y = &f->out[k];
        y->offset = k * x->strides.d[a->dim];
        for (int d = 0; d < x->shape.n; d++) {
            if (d == a->dim) continue;
            y->shape.d[y->shape.n++] = x->shape.d[d];
            y->strides.d[y->strides.n++] = x->strides.d[d];
        }
    }
    return EBB_OK;
}

static void unbind_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_unbind *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_stack(((ebb_list){v->n_out, v->grad}), a->dim));
}

const struct ebb_op ebb_op_unbind = {
    EBB_SIGNATURE(unbind, "Tensor self, dim dim=0 -> Tensors"),
    .doc = EBB_TEXT("A view for each index along dim, without that dimension."),
    .torch = EBB_TEXT("torch.unbind"),
    .node = "UnbindBackward0",
    .view = true,
    .count = unbind_count,
    .infer = unbind_infer,
    .vjp = unbind_vjp,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("stack(g, dim)"),
    .samples = EBB_SAMPLES("(5)", "(3,4) dim=1", "(2,3,4) dim=-2", "(0,3)", "(3,0)", "! ()", "! (3,4) dim=2"),
};
