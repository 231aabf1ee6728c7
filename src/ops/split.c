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

static void split_vjp(struct ebb_vjp *v) {
    const struct ebb__attrs_split *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_cat(((ebb_list){v->n_out, v->grad}), a->dim));
}

const struct ebb_op ebb_op_split = {
    EBB_SIGNATURE(split, "Tensor self, int split_size, dim dim=0 -> Tensors"),
    .doc = "Views of split_size indices each along dim, one after another; the last is smaller when they do not divide "
           "evenly.",
    .torch = "torch.split",
    .node = "SplitBackward0",
    .view = true,
    .count = split_count,
    .infer = split_infer,
    .vjp = split_vjp,
    .formula = {"cat(g, dim)"},
    .samples = {"(5) split_size=2", "(3,4) split_size=2 dim=1", "(2,3,4) split_size=3 dim=-1", "(4,2) split_size=4",
                "(0,3) split_size=2", "(0) split_size=0", "! () split_size=1", "! (3) split_size=0",
                "! (3) split_size=-1", "! (3,4) split_size=1 dim=2"},
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

static void unbind_vjp(struct ebb_vjp *v) {
    const struct ebb__attrs_unbind *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_stack(((ebb_list){v->n_out, v->grad}), a->dim));
}

const struct ebb_op ebb_op_unbind = {
    EBB_SIGNATURE(unbind, "Tensor self, dim dim=0 -> Tensors"),
    .doc = "A view for each index along dim, without that dimension.",
    .torch = "torch.unbind",
    .node = "UnbindBackward0",
    .view = true,
    .count = unbind_count,
    .infer = unbind_infer,
    .vjp = unbind_vjp,
    .formula = {"stack(g, dim)"},
    .samples = {"(5)", "(3,4) dim=1", "(2,3,4) dim=-2", "(0,3)", "(3,0)", "! ()", "! (3,4) dim=2"},
};
