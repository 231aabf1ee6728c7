/* Sorting, and searching in what is sorted. */
#ifndef EBB_KERNEL_SORTING_H
#define EBB_KERNEL_SORTING_H

#include <ebb/tensor.h>

/* Of every line along dimension `dim`, the elements from place `first` to first + count - 1 of its order, rising or
 * descending, and their indices. NaN counts as the largest; equal elements keep their order. src has strides in bytes;
 * values (of the same dtype) and indices are contiguous, of src's shape with `count` along dim. */
ebb_status ebb__sort(ebb_dtype dtype, int ndim, const int64_t *shape, const int64_t *src_stride, int dim,
                     const void *src, bool descending, int64_t first, int64_t count, void *values, int64_t *indices);

/* For each of n values the number of elements of a sorted array of `size` that lie before it: that are less, or with
 * `right` not greater. sorter, or NULL, gives the array's order. NaN lies after everything. */
void ebb__search(ebb_dtype dtype, int64_t size, const void *sorted, const int64_t *sorter, int64_t n,
                 const void *values, bool right, int64_t *ret_place);

#endif
