/* Elements picked and placed by index arrays: what index, gather, take, embedding and scatter have in common. */
#ifndef EBB_KERNEL_INDEXING_H
#define EBB_KERNEL_INDEXING_H

#include <ebb/tensor.h>

/* One array of indices over the places: where its entry at a place counts along a dimension of the moving array. */
struct ebb__index {
    const int64_t *data;
    int64_t stride[EBB_MAX_NDIM]; /* of its entries over the places, in bytes */
    int64_t limit;                /* entries are below it, and not below 0, or not below -limit where that is allowed */
    bool negative;                /* it is */
    int64_t step;                 /* from one index to the next in the moving array, in bytes */
};

/* Places in row-major order, and at each an element of the fixed array and one of the moving array: the latter lies at
 * the sum of the place's strides and of its indices' steps. Strides in bytes. */
struct ebb__places {
    int ndim, n; /* dimensions; index arrays */
    int64_t size[EBB_MAX_NDIM], moving_stride[EBB_MAX_NDIM], fixed_stride[EBB_MAX_NDIM];
    char *moving, *fixed;
    struct ebb__index index[EBB_MAX_NDIM];
};

/* What is done at each place: fixed = moving, moving = fixed, moving += fixed, and so on; NaN wins max and min. */
enum ebb__placing { EBB__TAKE, EBB__PUT, EBB__ADD, EBB__MUL, EBB__MAX, EBB__MIN, EBB__PLACINGS };

/* Whether the entries of index k are all in range; else the first in row-major order that is not. */
bool ebb__index_in_range(const struct ebb__places *places, int k, int64_t *ret_index);

/* The taker's fixed array and the others' moving array do not overlap themselves. What meets in one element comes in
 * row-major order of the places, for any number of threads. False when an index is out of range: then what has been
 * done is not known, but nothing was read or written elsewhere. */
bool ebb__place(const struct ebb__places *places, enum ebb__placing what, ebb_dtype dtype);

#endif
