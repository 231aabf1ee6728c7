/* A region: the elements of a tensor that a view of it would have. Gradients of views are written into one. */
#ifndef EBB_OPS_REGION_H
#define EBB_OPS_REGION_H

#include "ops/ops.h"

/* Copy the elements of `from` to those of `to` that begin at `offset` and lie `strides` apart (both in elements of
 * `to`). */
static inline void ebb__copy_region(ebb_tensor *to, int64_t offset, const int64_t *strides, const ebb_tensor *from) {
    int64_t size = (int64_t)ebb__dtype_sizes[to->dtype], from_size = (int64_t)ebb__dtype_sizes[from->dtype];
    int64_t to_bytes[EBB_MAX_NDIM], from_bytes[EBB_MAX_NDIM];
    if (from->numel == 0) return;
    for (int i = 0; i < from->ndim; i++) {
        to_bytes[i] = strides[i] * size;
        from_bytes[i] = ebb__strides(from)[i] * from_size;
    }
    ebb__copy(from->ndim, ebb__sizes(from), (ebb_dtype)to->dtype, to->data + offset * size, to_bytes,
              (ebb_dtype)from->dtype, from->data, from_bytes);
}

/* Whether two elements of these sizes and strides may be the same one, as in an expanded view. */
bool ebb__shares_elements(const ebb_dims *sizes, const ebb_dims *strides);

/* Add elements to those that begin at `to`, one after the other where they are the same one. Strides in elements. */
void ebb__add_region(const ebb_dims *sizes, ebb_dtype dtype, char *to, const int64_t *to_strides, const char *from,
                     const int64_t *from_strides);

#endif
