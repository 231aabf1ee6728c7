/* Several tensors made one: cat along a dimension they have, stack along a new one. */
#define EBB_FAMILY "Shape"
#include "ops/batching.h"
#include "ops/region.h"

/* PyTorch lets empty 1-d tensors stand for "nothing" beside tensors of any shape. */
static bool is_nothing(const ebb_dims *shape) { return shape->n == 1 && shape->d[0] == 0; }

static ebb_status wrap(int64_t *dim, int ndim) {
    int64_t given = *dim;
    if (ebb__wrap_dim(dim, ndim)) return EBB_OK;
    return ebb_fail(EBB_ERR_INDEX, "dim is out of range: expected between %d and %d, got %lld", -ndim, ndim - 1,
                    (long long)given);
}

static ebb_status infer_cat(struct ebb_infer *f) {
    const struct ebb__attrs_cat *a = f->attrs;
    ebb_dims *out = &f->out[0].shape;
    int64_t dim = a->dim, total = 0;
    const ebb_dims *first = NULL;
    if (f->n_in == 0) return ebb_fail(EBB_ERR_ARGUMENT, "needs at least one tensor");
    for (int64_t i = 0; i < f->n_in; i++) {
        const ebb_dims *s = &f->in[i].shape;
        if (s->n == 0)
            return ebb_fail(EBB_ERR_SHAPE, "tensor %lld has no dimension to be joined along; see stack", (long long)i);
        if (is_nothing(s)) continue;
        if (!first) {
            first = s;
            if (wrap(&dim, s->n)) return EBB_ERR_INDEX;
        }
        char text[2][EBB__SHAPE_TEXT];
        bool fits = s->n == first->n && s->d[dim] <= INT64_MAX - total;
        for (int k = 0; k < s->n && fits; k++) fits = k == dim || s->d[k] == first->d[k];
        if (!fits)
            return ebb_fail(
                EBB_ERR_SHAPE,
                "tensor %lld of shape %s does not fit %s: all sizes but that of dimension %lld must be equal",
                (long long)i, ebb__shape_text(text[0], s->n, s->d), ebb__shape_text(text[1], first->n, first->d),
                (long long)dim);
        total += s->d[dim];
    }
    *out = first ? *first : f->in[0].shape;
    if (first) out->d[dim] = total;
    return EBB_OK;
}

static ebb_status forward_cat(struct ebb_forward *f) {
    const struct ebb__attrs_cat *a = f->attrs;
    ebb_tensor *out = f->out[0];
    int64_t dim = a->dim, offset = 0;
    if (out->numel == 0) return EBB_OK;
    ebb__wrap_dim(&dim, out->ndim);
    for (int64_t i = 0; i < f->n_in; i++) {
        const ebb_tensor *t = f->in[i];
        if (t->numel == 0) continue;
        ebb__copy_region(out, offset * ebb__strides(out)[dim], ebb__strides(out), t);
        offset += t->dims[dim];
    }
    return EBB_OK;
}

static void vjp_cat(struct ebb_vjp_call *v) {
    const struct ebb__attrs_cat *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    int64_t dim = a->dim, at = 0;
    bool any = ebb__wrap_dim(&dim, g->ndim); /* otherwise all inputs stood for nothing */
    for (int64_t i = 0; i < v->n_in; i++) {
        ebb_dims shape = ebb_vjp_shape(v, i);
        bool nothing = !any || is_nothing(&shape);
        if (v->needs[i])
            ebb_vjp_give(
                v, i, nothing ? ebb_zeros(shape, .dtype = (ebb_dtype)g->dtype) : ebb_narrow(g, dim, at, shape.d[dim]));
        at += nothing ? 0 : shape.d[dim];
    }
}

/* Lists without elements, which are passed over, are none with a batch. */
static void batch_cat(struct ebb_batch_call *b) {
    struct ebb__attrs_cat a = *(const struct ebb__attrs_cat *)b->attrs;
    struct ebb_batch_call all = *b;
    for (int64_t i = 0; i < b->n_in; i++)
        if (ebb__batch_ndim(b, i) == 1 && b->in[i]->dims[b->batched[i]] == 0) {
            ebb_batch_loop(b);
            return;
        }
    if (a.dim >= 0) a.dim++;
    all.attrs = &a;
    ebb_batch_leading(&all);
}

const struct ebb_op ebb_op_cat = {
    EBB_SIGNATURE(cat, "Tensors tensors, int dim[=0] -> Tensor"),
    .doc = EBB_TEXT(
        "The tensors one after the other along dim (negative: from the end); their other sizes must be equal, their dtypes are "
        "promoted. Empty 1-d tensors are passed over."),
    .torch = EBB_TEXT("torch.cat"),
    .node = "CatBackward0",
    .autocast = EBB_AUTOCAST_WIDEST,
    .promote = EBB_PROMOTE_COMMON,
    .infer = infer_cat,
    .forward = forward_cat,
    .vjp = vjp_cat,
    .jvp = ebb_jvp_linear,
    .batch = batch_cat,
    .saves = {EBB_META(0)},
    .formula = EBB_FORMULAS("part_of(g, tensors, k, dim)"),
    .samples = EBB_SAMPLES("[(2,3) (1,3)] dim=0", "[(2,3) (2,1) (2,2)] dim=-1", "[(2)] dim=0", "[(0) (2,3)] dim=-1",
                           "[(2,0) (2,3)] dim=1", "[(0) (0)] dim=0", "! [(2,3) (2,4)] dim=0", "! [(2,3) (3)] dim=0",
                           "! [() ()] dim=0", "! [(2) (2)] dim=1"),
};

static ebb_status infer_stack(struct ebb_infer *f) {
    const struct ebb__attrs_stack *a = f->attrs;
    ebb_dims *out = &f->out[0].shape;
    char text[2][EBB__SHAPE_TEXT];
    if (f->n_in == 0) return ebb_fail(EBB_ERR_ARGUMENT, "needs at least one tensor");
    const ebb_dims *first = &f->in[0].shape;
    if (first->n == EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_SHAPE, "the result would have more than %d dimensions", EBB_MAX_NDIM);
    for (int64_t i = 1; i < f->n_in; i++) {
        const ebb_dims *s = &f->in[i].shape;
        if (ebb__dims_equal(s, first)) continue;
        return ebb_fail(EBB_ERR_SHAPE, "the tensors must have equal shapes, but tensor %lld has %s and the first %s",
                        (long long)i, ebb__shape_text(text[0], s->n, s->d),
                        ebb__shape_text(text[1], first->n, first->d));
    }
    out->n = first->n + 1;
    for (int i = 0; i < first->n; i++) out->d[i < a->dim ? i : i + 1] = first->d[i];
    out->d[a->dim] = f->n_in;
    return EBB_OK;
}

static ebb_status forward_stack(struct ebb_forward *f) {
    const struct ebb__attrs_stack *a = f->attrs;
    ebb_tensor *out = f->out[0];
    int64_t strides[EBB_MAX_NDIM] = {0};
    for (int i = 0; i < out->ndim - 1; i++) strides[i] = ebb__strides(out)[i < a->dim ? i : i + 1];
    for (int64_t i = 0; i < f->n_in; i++) ebb__copy_region(out, i * ebb__strides(out)[a->dim], strides, f->in[i]);
    return EBB_OK;
}

static void vjp_stack(struct ebb_vjp_call *v) {
    const struct ebb__attrs_stack *a = v->attrs;
    for (int64_t i = 0; i < v->n_in; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_select(v->grad[0], a->dim, i));
}

const struct ebb_op ebb_op_stack = {
    EBB_SIGNATURE(stack, "Tensors tensors, newdim dim[=0] -> Tensor"),
    .doc =
        EBB_TEXT("The tensors, all of one shape, side by side along a new dimension dim; their dtypes are promoted."),
    .torch = EBB_TEXT("torch.stack"),
    .node = "StackBackward0",
    .autocast = EBB_AUTOCAST_WIDEST,
    .promote = EBB_PROMOTE_COMMON,
    .infer = infer_stack,
    .forward = forward_stack,
    .vjp = vjp_stack,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .formula = EBB_FORMULAS("select(g, dim, k)"),
    .samples = EBB_SAMPLES("[(2,3) (2,3)] dim=0", "[(2,3) (2,3)] dim=-1", "[(2,3) (2,3) (2,3)] dim=1", "[() ()] dim=0",
                           "[(0,2) (0,2)] dim=1", "! [(2,3) (2,4)] dim=0", "! [(2) (2)] dim=2"),
};
