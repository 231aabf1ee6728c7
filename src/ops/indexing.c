/* What the indexing operators share: see indexing.h. */
#include "ops/indexing.h"

ebb_status ebb__index_dtype(const ebb_meta *index) {
    if (index->dtype == EBB_I64 || index->dtype == EBB_I32) return EBB_OK;
    return ebb_fail(EBB_ERR_DTYPE, "index must be int64 or int32, got %s", ebb_dtype_name(index->dtype));
}

ebb_status ebb__index_list(const ebb_meta *index) {
    if (index->shape.n > 1)
        return ebb_fail(EBB_ERR_SHAPE, "index must be a list, got %d dimensions", (int)index->shape.n);
    return ebb__index_dtype(index);
}

ebb_tensor *ebb__index_i64(ebb_tensor *index) {
    if (index->dtype != EBB_I64) return ebb__cast(index, EBB_I64);
    ebb__ref(index);
    return index;
}

ebb_status ebb__check_places(const struct ebb__places *places, int k, int64_t dim) {
    int64_t index;
    if (ebb__index_in_range(places, k, &index)) return EBB_OK;
    return ebb_fail(EBB_ERR_INDEX, "index %lld is out of range for dimension %lld of size %lld", (long long)index,
                    (long long)dim, (long long)places->index[k].limit);
}

ebb_status ebb__place_along(const struct ebb__places *places, enum ebb__placing what, ebb_dtype dtype, int64_t dim,
                            bool in_place) {
    ebb_status status = in_place ? ebb__check_places(places, 0, dim) : EBB_OK;
    if (!status && !ebb__place(places, what, dtype)) status = ebb__check_places(places, 0, dim);
    return status;
}

static void along(struct ebb__places *p, const ebb_tensor *index, const ebb_tensor *moving, int64_t dim) {
    p->n = 1;
    p->moving = moving->data;
    p->index[0].data = (const int64_t *)(const void *)index->data;
    p->index[0].limit = moving->ndim ? moving->dims[dim] : 1;
    p->index[0].step = ebb__step(moving, (int)dim);
}

struct ebb__places ebb__places_of_list(const ebb_tensor *index, const ebb_tensor *moving, const ebb_tensor *fixed,
                                       int64_t dim, bool negative) {
    struct ebb__places p = {.ndim = moving->ndim, .fixed = fixed->data};
    for (int d = 0; d < moving->ndim; d++) {
        p.size[d] = d == dim ? index->numel : moving->dims[d];
        p.moving_stride[d] = d == dim ? 0 : ebb__step(moving, d);
        p.fixed_stride[d] = ebb__step(fixed, d);
        p.index[0].stride[d] = d == dim ? ebb__step(index, 0) : 0;
    }
    along(&p, index, moving, dim);
    p.index[0].negative = negative;
    return p;
}

struct ebb__places ebb__places_of_index(const ebb_tensor *index, const ebb_tensor *moving, const ebb_tensor *fixed,
                                        int64_t dim) {
    struct ebb__places p = {.ndim = index->ndim, .fixed = fixed->data};
    for (int d = 0; d < index->ndim; d++) {
        p.size[d] = index->dims[d];
        p.moving_stride[d] = d == dim ? 0 : ebb__step(moving, d);
        p.fixed_stride[d] = ebb__step(fixed, d);
        p.index[0].stride[d] = ebb__step(index, d);
    }
    along(&p, index, moving, dim);
    return p;
}
