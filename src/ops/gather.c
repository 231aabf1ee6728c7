/* Picking elements along a dimension by an index tensor, and adding elements to such places: each the other's
 * gradient. */
#define EBB_FAMILY "Indexing"
#include "ops/ops.h"

/* A walk over the places of `index`: the strides of two tensors, in bytes; a 0-d tensor counts as one dimension of size
 * 1. */
struct walk {
    int ndim, dim;
    int64_t size[EBB_MAX_NDIM];
    int64_t index[EBB_MAX_NDIM], moving[EBB_MAX_NDIM], fixed[EBB_MAX_NDIM]; /* strides; `moving` is indexed along dim */
    int64_t limit, step;                                                    /* of `moving` along dim */
};

static void byte_strides(const ebb_tensor *t, int64_t *ret_strides) {
    for (int i = 0; i < t->ndim; i++) ret_strides[i] = ebb__strides(t)[i] * (int64_t)ebb__dtype_sizes[t->dtype];
    if (t->ndim == 0) ret_strides[0] = 0;
}

static struct walk walk_of(const ebb_tensor *index, const ebb_tensor *moving, const ebb_tensor *fixed, int64_t dim) {
    struct walk w = {.ndim = index->ndim ? index->ndim : 1, .dim = (int)dim, .size = {1}};
    for (int i = 0; i < index->ndim; i++) w.size[i] = index->dims[i];
    byte_strides(index, w.index);
    byte_strides(moving, w.moving);
    byte_strides(fixed, w.fixed);
    w.step = w.moving[dim];
    w.moving[dim] = 0;
    w.limit = moving->ndim ? moving->dims[dim] : 1;
    return w;
}

/* Calls visit(moving element, fixed element) for every place. An index out of range is an error. */
static ebb_status walk(const struct walk *w, int64_t count, const char *index, char *moving, char *fixed,
                       void (*visit)(char *moving, char *fixed, ebb_dtype dtype), ebb_dtype dtype) {
    int64_t at[EBB_MAX_NDIM] = {0};
    for (int64_t n = 0; n < count; n++) {
        int64_t k = *(const int64_t *)(const void *)index;
        if (k < 0 || k >= w->limit)
            return ebb_fail(EBB_ERR_INDEX, "index %lld is out of range for dimension %d of size %lld", (long long)k,
                            w->dim, (long long)w->limit);
        visit(moving + k * w->step, fixed, dtype);
        for (int d = w->ndim - 1; d >= 0; d--) { /* the next place, like an odometer */
            int64_t back = ++at[d] < w->size[d] ? 0 : w->size[d];
            index += w->index[d] * (1 - back);
            moving += w->moving[d] * (1 - back);
            fixed += w->fixed[d] * (1 - back);
            if (!back) break;
            at[d] = 0;
        }
    }
    return EBB_OK;
}

static void take(char *moving, char *fixed, ebb_dtype dtype) {
    switch (ebb__dtype_sizes[dtype]) {
    case 8: *(int64_t *)(void *)fixed = *(const int64_t *)(const void *)moving; break;
    case 4: *(int32_t *)(void *)fixed = *(const int32_t *)(const void *)moving; break;
    default: *fixed = *moving;
    }
}

static void add(char *moving, char *fixed, ebb_dtype dtype) {
    ebb__loops_add[dtype](1, (char *const[]){moving, moving, fixed}, (const int64_t[]){0, 0, 0}, NULL);
}

/* index has the dimensions of `other` and, along all but `dim` (-1: along all), is no larger. */
static ebb_status check_index(const ebb_meta *index, const ebb_meta *other, const char *name, int64_t dim) {
    int n = other->shape.n ? other->shape.n : 1;
    bool fits = (index->shape.n ? index->shape.n : 1) == n;
    if (index->dtype != EBB_I64)
        return ebb_fail(EBB_ERR_DTYPE, "index must be int64, got %s", ebb_dtype_name(index->dtype));
    for (int i = 0; fits && i < n; i++) {
        int64_t size = index->shape.n ? index->shape.d[i] : 1;
        fits = i == dim || size <= (other->shape.n ? other->shape.d[i] : 1);
    }
    return fits ? EBB_OK : ebb_fail(EBB_ERR_SHAPE, "index does not fit inside %s", name);
}

/* ---- gather ---- */

static ebb_status gather_infer(struct ebb_infer *f) {
    const struct ebb__attrs_gather *a = f->attrs;
    f->out->shape = f->in[1].shape;
    return check_index(&f->in[1], &f->in[0], "self", a->dim);
}

static ebb_status gather_forward(struct ebb_forward *f) {
    const struct ebb__attrs_gather *a = f->attrs;
    const ebb_tensor *x = f->in[0], *index = f->in[1], *y = f->out[0];
    struct walk w = walk_of(index, x, y, a->dim);
    return walk(&w, index->numel, index->data, x->data, y->data, take, (ebb_dtype)x->dtype);
}

static void gather_vjp(struct ebb_vjp *v) {
    const struct ebb__attrs_gather *a = v->attrs;
    ebb_tensor *g = v->grad[0], *zeros = ebb_zeros(ebb_vjp_shape(v, 0), .dtype = ebb_tensor_dtype(g));
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_scatter_add(zeros, v->in[1], g, a->dim));
}

const struct ebb_op ebb_op_gather = {
    EBB_SIGNATURE(gather, "Tensor self, Tensor index, dim dim -> Tensor"),
    .doc =
        "Elements picked along dim: result[i][j] = self[index[i][j]][j] for dim 0, self[i][index[i][j]] for dim 1, and so on. "
        "index (int64) has as many dimensions as self and gives the result its shape; along the other dimensions it may be "
        "smaller than self.",
    .torch = "torch.gather",
    .node = "GatherBackward0",
    .infer = gather_infer,
    .forward = gather_forward,
    .vjp = gather_vjp,
    .jvp = ebb_jvp_linear,
    .saves = {EBB_IN(1)},
    .formula = {"scatter_add(zeros, dim, index, g)"},
    .samples = {"(3,4) i3(2,4) dim=0", "(3,4) i4(3,6) dim=-1", "(3,4,5) i4(2,3,2) dim=1", "() i1() dim=0",
                "(5) i5(0) dim=0", "! (3,4) i4(3) dim=0", "! (3,4) (3,4) dim=0", "! (2,4) i3(3,4) dim=1"},
};

/* ---- scatter_add ---- */

static ebb_status scatter_add_infer(struct ebb_infer *f) {
    const struct ebb__attrs_scatter_add *a = f->attrs;
    f->out->shape = f->in[0].shape;
    if (f->in[2].dtype != f->dtype)
        return ebb_fail(EBB_ERR_DTYPE, "self and src must have one dtype, got %s and %s", ebb_dtype_name(f->dtype),
                        ebb_dtype_name(f->in[2].dtype));
    ebb_status status = check_index(&f->in[1], &f->in[0], "self", a->dim);
    return status ? status : check_index(&f->in[1], &f->in[2], "src", -1);
}

static ebb_status scatter_add_forward(struct ebb_forward *f) {
    const struct ebb__attrs_scatter_add *a = f->attrs;
    const ebb_tensor *index = f->in[1], *src = f->in[2], *y = f->out[0];
    struct walk w = walk_of(index, y, src, a->dim);
    ebb_status status = ebb__copy_into(f->out[0], f->in[0]);
    return status ? status : walk(&w, index->numel, index->data, y->data, src->data, add, (ebb_dtype)y->dtype);
}

static void scatter_add_vjp(struct ebb_vjp *v) {
    const struct ebb__attrs_scatter_add *a = v->attrs;
    if (v->needs[0]) ebb_vjp_give(v, 0, v->grad[0]);
    if (!v->needs[2]) return;
    ebb_dims shape = ebb_vjp_shape(v, 2), picked = ebb_tensor_shape(v->in[1]);
    bool alike = ebb__dims_equal(&shape, &picked);
    if (!alike) ebb_fail(EBB_ERR_GRAPH, "the gradient of src is defined where src and index have one shape");
    ebb_vjp_give(v, 2, alike ? ebb_gather(v->grad[0], v->in[1], a->dim) : NULL);
}

const struct ebb_op ebb_op_scatter_add = {
    EBB_SIGNATURE(scatter_add, "Tensor self, Tensor index, Tensor src, dim dim -> Tensor"),
    .doc =
        "self with the elements of src added at the places that index (int64) names along dim: result[index[i][j]][j] += "
        "src[i][j] for dim 0, result[i][index[i][j]] += src[i][j] for dim 1, and so on, in row-major order of index.",
    .torch = "torch.scatter_add",
    .node = "ScatterAddBackward0",
    .infer = scatter_add_infer,
    .forward = scatter_add_forward,
    .vjp = scatter_add_vjp,
    .saves = {0, 0, EBB_IN(1)},
    .formula = {"g", NULL, "gather(g, dim, index)"},
    .samples = {"(3,4) i3(2,4) (2,4) dim=0", "(3,4) i4(3,6) (3,6) dim=-1", "() i1() () dim=0", "(5) i5(0) (0) dim=0",
                "! (3,4) i4(3,6) (3,5) dim=1", "! (3,4) (3,4) (3,4) dim=1"},
};
