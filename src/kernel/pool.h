/* Pooling: averages and maxima over windows. */
#ifndef EBB_KERNEL_POOL_H
#define EBB_KERNEL_POOL_H

#include <ebb/tensor.h>

/* The windows along one dimension: output i reads, for t in [0, length[i]), the input at start[i] + t * step. An
 * average counts it as count[i] elements, which may be more than its length: padding. */
typedef struct ebb__windows {
    int64_t in, out, step;
    const int64_t *start, *length, *count; /* [out]; no window reads outside */
} ebb__windows;

/* Over `planes` contiguous arrays of three dimensions; where there are fewer, the first ones have size 1. */
typedef struct ebb__pool {
    ebb_dtype dtype;
    int64_t planes, divisor; /* of an average; 0: the product of the counts */
    ebb__windows w[3];
} ebb__pool;

/* y: sums over windows, divided; integers round towards 0. Of numbers, not bool. */
ebb_status ebb__pool_average(const ebb__pool *p, const void *x, void *y);
/* The transpose: x from y, f32 and f64. */
void ebb__pool_spread(const ebb__pool *p, const void *y, void *x);
/* y: the largest element of each window, which must not be empty, and its index in the plane: the first of several, the
 * last NaN. */
void ebb__pool_max(const ebb__pool *p, const void *x, void *y, int64_t *index);

/* Its transpose, f32 and f64: planes of n elements, each the sum of those of y, in planes of m, whose index it is.
 * False, with x unfinished, when there is an index outside. */
bool ebb__pool_place(ebb_dtype dtype, int64_t planes, int64_t n, int64_t m, const void *y, const int64_t *index,
                     void *x);

#endif
