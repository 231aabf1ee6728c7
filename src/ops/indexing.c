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

ebb_status ebb__check_places(const struct ebb__places *places, int k, int64_t dim, bool negative) {
    int64_t index;
    if (ebb__index_in_range(places, k, negative, &index)) return EBB_OK;
    return ebb_fail(EBB_ERR_INDEX, "index %lld is out of range for dimension %lld of size %lld", (long long)index,
                    (long long)dim, (long long)places->index[k].limit);
}

static void along(struct ebb__places *p, const ebb_tensor *index, const ebb_tensor *moving, int64_t dim) {
    p->n = 1;
    p->moving = moving->data;
    p->index[0].data = (const int64_t *)(const void *)index->data;
    p->index[0].limit = moving->ndim ? moving->dims[dim] : 1;
    p->index[0].step = ebb__step(moving, (int)dim);
}

ebb_status ebb__places_of_list(struct ebb__places *ret, const ebb_tensor *index, const ebb_tensor *moving,
                               const ebb_tensor *fixed, int64_t dim, bool negative) {
    *ret = (struct ebb__places){.ndim = moving->ndim, .fixed = fixed->data};
    for (int d = 0; d < moving->ndim; d++) {
        ret->size[d] = d == dim ? index->numel : moving->dims[d];
        ret->moving_stride[d] = d == dim ? 0 : ebb__step(moving, d);
        ret->fixed_stride[d] = ebb__step(fixed, d);
        ret->index[0].stride[d] = d == dim ? ebb__step(index, 0) : 0;
    }
    along(ret, index, moving, dim);
    return ebb__check_places(ret, 0, dim, negative);
}

ebb_status ebb__places_of_index(struct ebb__places *ret, const ebb_tensor *index, const ebb_tensor *moving,
                                const ebb_tensor *fixed, int64_t dim) {
    *ret = (struct ebb__places){.ndim = index->ndim, .fixed = fixed->data};
    for (int d = 0; d < index->ndim; d++) {
        ret->size[d] = index->dims[d];
        ret->moving_stride[d] = d == dim ? 0 : ebb__step(moving, d);
        ret->fixed_stride[d] = ebb__step(fixed, d);
        ret->index[0].stride[d] = ebb__step(index, d);
    }
    along(ret, index, moving, dim);
    return ebb__check_places(ret, 0, dim, false);
}
