/* What the reductions share: which dimensions go, and the shapes and strides that are left. */
#ifndef EBB_OPS_REDUCE_H
#define EBB_OPS_REDUCE_H

#include "ops/ops.h"

/* `shape` after reducing over `dim` (none listed: all), as size 1 with keepdim. */
ebb_dims ebb__reduced_shape(const ebb_dims *shape, const ebb_dims *dim, bool keepdim);

/* A dimension that may be left out: the one listed, or `otherwise`, counted from the front of ndim; else an error. */
bool ebb__one_dim(const ebb_dims *dim, int64_t otherwise, int ndim, int64_t *ret_dim);

/* How many elements become one. */
int64_t ebb__reduced_count(const ebb_dims *shape, const ebb_dims *dim);

/* The share of g that each of `count` elements has. Where there are none g itself: its own gradient is a sum of
 * nothing, which divided by 0 would be NaN. */
ebb_tensor *ebb__reduced_share(ebb_tensor *g, int64_t count);

/* As the kernels take a reduction: strides in bytes of x, and of a contiguous result of elements of `element` bytes,
 * which are 0 for the dimensions reduced. */
struct ebb__reduction {
    int64_t from[EBB_MAX_NDIM], to[EBB_MAX_NDIM];
};
struct ebb__reduction ebb__reduction_of(const ebb_tensor *x, const ebb_dims *dim, size_t element);

/* A fold over `dim` of x into y, laid out as the reduced shape. Floating dtypes are computed as they are, all others in
 * int64; x is cast to y's dtype before, unless what is counted is not 0. */
ebb_status ebb__fold_into(ebb__fold what, ebb_tensor *x, const ebb_dims *dim, ebb_tensor *y);

/* A result, or its gradient, with the reduced dimensions put back as size 1, so that it broadcasts against `shape`. */
ebb_tensor *ebb__reduced_restore(ebb_tensor *y, ebb_dims shape, const ebb_dims *dim, bool keepdim);

/* The gradient of x, of which `norm` are the norms of order ord over dim, kept as size 1, and g their gradient. */
ebb_tensor *ebb__vector_norm_gradient(ebb_tensor *g, ebb_tensor *x, ebb_tensor *norm, double ord, const ebb_dims *dim);

/* Whether elements of x are y, the one that was chosen of them (0-d), also where that is a NaN. */
ebb_tensor *ebb__is_chosen(ebb_tensor *x, ebb_tensor *y);

#endif
