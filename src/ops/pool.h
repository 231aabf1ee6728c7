/* What the pooling operators share: their options, the shapes that follow, and the tables of windows. */
#ifndef EBB_OPS_POOL_H
#define EBB_OPS_POOL_H

#include "kernel/pool.h"
#include "ops/spatial.h"

/* Options as the operators have them; `max` for a maximum. An adaptive pool has only output_size, -1 for that of the
 * input. */
struct ebb__pooling {
    int n; /* spatial dimensions */
    bool adaptive, max, ceil_mode, count_include_pad;
    ebb_dims kernel_size, stride, padding, dilation, output_size;
    int64_t divisor;
};

/* Checked, for an input of this shape: what ebb__pool wants but for the tables, as three dimensions. */
struct ebb__pool_sizes {
    int64_t in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
    ebb_dims result; /* the shape of the result */
};
ebb_status ebb__pool_sizes(const struct ebb__pooling *o, const ebb_dims *x, struct ebb__pool_sizes *ret_sizes);

/* The windows, in one block of *ret_bytes to be freed with ebb__free; NULL and an error on failure. */
void *ebb__pool_windows(const struct ebb__pooling *o, const ebb_dims *x, ebb_dtype dtype, ebb__pool *ret_pool,
                        size_t *ret_bytes);

#endif
