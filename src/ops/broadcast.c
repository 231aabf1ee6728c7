/* Tensors brought to one shape together: broadcast_tensors, meshgrid. */
#define EBB_FAMILY "Shape"
#include "ops/ops.h"

static ebb_list expanded(struct ebb_forward *f, const ebb_dims *shape) {
    ebb_tensor **all = ebb_list_room(f->n_in);
    for (int64_t i = 0; i < f->n_in && all; i++) {
        all[i] = ebb_expand(f->in[i], *shape);
        if (!all[i]) return (ebb_list){0, NULL};
    }
    return all ? (ebb_list){f->n_in, all} : (ebb_list){0, NULL};
}

static ebb_list compose_broadcast_tensors(struct ebb_forward *f) {
    ebb_dims shape = {0};
    for (int64_t i = 0; i < f->n_in; i++) {
        ebb_dims other = ebb_tensor_shape(f->in[i]);
        if (ebb__broadcast(&shape, &other)) continue;
        ebb_fail(EBB_ERR_SHAPE, "shapes do not broadcast");
        return (ebb_list){0, NULL};
    }
    return expanded(f, &shape);
}

const struct ebb_op ebb_op_broadcast_tensors = {
    EBB_SIGNATURE(broadcast_tensors, "Tensors tensors -> Tensors"),
    .doc = EBB_TEXT("Views of the tensors in the shape to which they broadcast together."),
    .torch = EBB_TEXT("torch.broadcast_tensors"),
    .compose_list = compose_broadcast_tensors,
    .formula = EBB_FORMULAS("sum_to_size(g[k], tensors[k].shape)"),
    .samples = EBB_SAMPLES("[(3,1) (1,4)]", "[(2,3) () (3)]", "[(3)]", "[(0,1) (3)]", "! [(3) (4)]"),
};

/* A tensor as dimension d of n. */
static ebb_tensor *as_dim(ebb_tensor *t, int d, int n) {
    ebb_dims shape = {{0}, n};
    for (int i = 0; i < n; i++) shape.d[i] = i == d ? ebb_tensor_numel(t) : 1;
    return ebb_view(t, shape);
}

static ebb_list compose_meshgrid(struct ebb_forward *f) {
    const struct ebb__attrs_meshgrid *a = f->attrs;
    ebb_tensor *grid[EBB_MAX_NDIM];
    ebb_dims shape = {{0}, (int32_t)f->n_in};
    if (f->n_in < 1 || f->n_in > EBB_MAX_NDIM) {
        ebb_fail(EBB_ERR_ARGUMENT, "needs between 1 and %d tensors, not %lld", EBB_MAX_NDIM, (long long)f->n_in);
        return (ebb_list){0, NULL};
    }
    for (int i = 0; i < shape.n; i++) {
        const ebb_tensor *t = f->in[i];
        int d = a->indexing == 1 && shape.n > 1 && i < 2 ? 1 - i : i; /* xy: the first two exchanged */
        if (t->ndim > 1 || t->dtype != f->in[0]->dtype) {
            if (t->ndim > 1) ebb_fail(EBB_ERR_SHAPE, "tensor %d has %d dimensions; expected 0 or 1", i, (int)t->ndim);
            else ebb_fail(EBB_ERR_DTYPE, "the tensors must have one dtype");
            return (ebb_list){0, NULL};
        }
        shape.d[d] = t->numel;
        grid[i] = as_dim(f->in[i], d, shape.n);
        if (!grid[i]) return (ebb_list){0, NULL};
    }
    struct ebb_forward g = {.n_in = f->n_in, .in = grid};
    return expanded(&g, &shape);
}

const struct ebb_op ebb_op_meshgrid = {
    EBB_SIGNATURE(meshgrid, "Tensors tensors, enum(ij|xy) indexing=ij -> Tensors"),
    .doc = EBB_TEXT(
        "Of 1-d tensors the coordinates of the grid they span, as views: tensor i along dimension i, repeated along the "
        "others; with indexing xy (1) the first two dimensions are exchanged."),
    .torch = EBB_TEXT("torch.meshgrid"),
    .compose_list = compose_meshgrid,
    .formula = EBB_FORMULAS(
        "j = 1 - k if indexing == 'xy' and k < 2 and len(tensors) > 1 else k; "
        "d = range(j) + range(j + 1, len(tensors)); (sum(g[k], d) if d else g[k]).reshape(tensors[k].shape)"),
    .samples = EBB_SAMPLES("[(2) (3)]", "[(2) (3) (4)]", "[(2) (3)] indexing=xy", "[(2) () (3)] indexing=xy",
                           "[(2)] indexing=xy", "[(0) (3)]", "! [(2,2) (3)]", "! [(2) i3(3)]"),
};
