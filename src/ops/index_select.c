/* Whole slices picked along a dimension by a list of indices, and slices added to such places: each the other's
 * gradient. */
#define EBB_FAMILY "Indexing"
#include "ops/ops.h"
#include <string.h>

/* A contiguous tensor seen as (outer, n, inner) along a dimension; inner in elements. */
struct slices {
    int64_t outer, n, inner;
};

static struct slices slices_of(const ebb_tensor *t, int64_t dim) {
    struct slices s = {1, t->ndim ? t->dims[dim] : 1, 1};
    for (int64_t i = 0; i < dim; i++) s.outer *= t->dims[i];
    for (int64_t i = dim + 1; i < t->ndim; i++) s.inner *= t->dims[i];
    return s;
}

static ebb_status check_index(const ebb_meta *index) {
    if (index->dtype != EBB_I64)
        return ebb_fail(EBB_ERR_DTYPE, "index must be int64, got %s", ebb_dtype_name(index->dtype));
    if (index->shape.n > 1)
        return ebb_fail(EBB_ERR_SHAPE, "index must be a list, got %d dimensions", (int)index->shape.n);
    return EBB_OK;
}

static ebb_status check_range(const ebb_tensor *index, int64_t dim, int64_t n) {
    const int64_t *k = (const int64_t *)(const void *)index->data;
    for (int64_t i = 0; i < index->numel; i++)
        if (k[i] < 0 || k[i] >= n)
            return ebb_fail(EBB_ERR_INDEX, "index %lld is out of range for dimension %lld of size %lld",
                            (long long)k[i], (long long)dim, (long long)n);
    return EBB_OK;
}

/* ---- index_select ---- */

static ebb_status select_infer(struct ebb_infer *f) {
    const struct ebb__attrs_index_select *a = f->attrs;
    f->out->shape = f->in[0].shape;
    if (f->out->shape.n) f->out->shape.d[a->dim] = f->in[1].shape.n ? f->in[1].shape.d[0] : 1;
    else if (f->in[1].shape.n && f->in[1].shape.d[0] != 1)
        return ebb_fail(EBB_ERR_SHAPE, "a scalar is indexed by one index, got %lld", (long long)f->in[1].shape.d[0]);
    return check_index(&f->in[1]);
}

static ebb_status select_forward(struct ebb_forward *f) {
    const struct ebb__attrs_index_select *a = f->attrs;
    const ebb_tensor *x = f->in[0], *index = f->in[1];
    struct slices s = slices_of(x, a->dim);
    ebb_status status = check_range(index, a->dim, s.n);
    if (status) return status;
    const int64_t *k = (const int64_t *)(const void *)index->data;
    size_t bytes = (size_t)s.inner * ebb__dtype_sizes[x->dtype];
    char *y = f->out[0]->data;
    if (f->out[0]->numel == 0) return EBB_OK;
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < index->numel; i++, y += bytes)
            memcpy(y, x->data + (size_t)(o * s.n + k[i]) * bytes, bytes);
    return EBB_OK;
}

static void select_vjp(struct ebb_vjp *v) {
    const struct ebb__attrs_index_select *a = v->attrs;
    ebb_tensor *zeros = ebb_zeros(ebb_vjp_shape(v, 0), .dtype = ebb_tensor_dtype(v->grad[0]));
    ebb_vjp_give(v, 0, ebb_index_add(zeros, v->in[1], v->grad[0], a->dim));
}

const struct ebb_op ebb_op_index_select = {
    EBB_SIGNATURE(index_select, "Tensor self, Tensor index, dim dim -> Tensor"),
    .doc =
        "The slices of self that index (int64, a list or a scalar) names along dim, in that order and as often as named: "
        "result[i] = self[index[i]] for dim 0.",
    .torch = "torch.index_select",
    .node = "IndexSelectBackward0",
    .contiguous = true,
    .infer = select_infer,
    .forward = select_forward,
    .vjp = select_vjp,
    .jvp = ebb_jvp_linear,
    .saves = {EBB_IN(1)},
    .formula = {"index_add(zeros, dim, index, g)"},
    .samples = {"(4,3) i4(6) dim=0", "(2,5,3) i5(2) dim=-2", "(3,4) i4(0) dim=1", "(3,4) i3() dim=0", "() i1(1) dim=0",
                "(3,0) i3(2) dim=0", "! (3,4) i4(2,2) dim=0", "! (3,4) (2) dim=0", "! (0,4) i1(2) dim=0"},
};

/* ---- index_add ---- */

static ebb_status add_infer(struct ebb_infer *f) {
    const struct ebb__attrs_index_add *a = f->attrs;
    const ebb_meta *index = &f->in[1], *source = &f->in[2];
    ebb_dims want = f->out->shape = f->in[0].shape;
    int64_t count = index->shape.n ? index->shape.d[0] : 1;
    if (want.n) want.d[a->dim] = count;
    if (source->dtype != f->in[0].dtype)
        return ebb_fail(EBB_ERR_DTYPE, "self and source must have one dtype, got %s and %s",
                        ebb_dtype_name(f->in[0].dtype), ebb_dtype_name(source->dtype));
    if (!ebb__dims_equal(&source->shape, &want) || (!want.n && count != 1))
        return ebb_fail(EBB_ERR_SHAPE, "source must have self's shape, with %lld along dimension %lld",
                        (long long)count, (long long)a->dim);
    return check_index(index);
}

static ebb_status add_forward(struct ebb_forward *f) {
    const struct ebb__attrs_index_add *a = f->attrs;
    const ebb_tensor *index = f->in[1], *source = f->in[2], *y = f->out[0];
    struct slices s = slices_of(f->in[0], a->dim);
    ebb_status status = check_range(index, a->dim, s.n);
    if (!status) status = ebb__copy_into(f->out[0], f->in[0]);
    if (status) return status;
    const int64_t *k = (const int64_t *)(const void *)index->data;
    int64_t size = (int64_t)ebb__dtype_sizes[y->dtype], bytes = s.inner * size;
    const int64_t strides[] = {size, size, size};
    char *from = source->data;
    for (int64_t o = 0; source->numel && o < s.outer; o++)
        for (int64_t i = 0; i < index->numel; i++, from += bytes) {
            char *to = y->data + (o * s.n + k[i]) * bytes;
            ebb__loops_add[y->dtype](s.inner, (char *const[]){to, to, from}, strides, NULL);
        }
    return EBB_OK;
}

static void add_vjp(struct ebb_vjp *v) {
    const struct ebb__attrs_index_add *a = v->attrs;
    if (v->needs[0]) ebb_vjp_give(v, 0, v->grad[0]);
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_index_select(v->grad[0], v->in[1], a->dim));
}

const struct ebb_op ebb_op_index_add = {
    EBB_SIGNATURE(index_add, "Tensor self, Tensor index, Tensor source, dim dim -> Tensor"),
    .doc = "self with the slices of source added at the places that index (int64) names along dim, in order: "
           "result[index[i]] += source[i] for dim 0.",
    .torch = "torch.index_add",
    .node = "IndexAddBackward0",
    .contiguous = true,
    .infer = add_infer,
    .forward = add_forward,
    .vjp = add_vjp,
    .saves = {0, 0, EBB_IN(1)},
    .formula = {"g", NULL, "index_select(g, dim, index)"},
    .samples = {"(4,3) i4(6) (6,3) dim=0", "(2,5,3) i5(2) (2,2,3) dim=-2", "(3,4) i4(0) (3,0) dim=1",
                "() i1(1) () dim=0", "! (4,3) i4(6) (5,3) dim=0", "! (3,4) (2) (2,4) dim=0",
                "! (0,4) i1(2) (2,4) dim=0"},
};
