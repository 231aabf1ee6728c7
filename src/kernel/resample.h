/* Resampling along one dimension: each output is a weighted sum of a few inputs. */
#ifndef EBB_KERNEL_RESAMPLE_H
#define EBB_KERNEL_RESAMPLE_H

#include <ebb/tensor.h>

/* (outer, in, inner) and (outer, out, inner), contiguous. Output i reads its `taps` inputs at index[i * taps + t],
 * times weight[i * taps + t]; weight is NULL for a single tap of weight 1, a copy, of any dtype. Otherwise f32 and
 * f64; or u8, forward only, with whole weights, whose sums are divided by 2^precision, rounded and kept in range. */
typedef struct ebb__resample {
    ebb_dtype dtype;
    int taps, precision;
    int64_t outer, in, out, inner;
    const int64_t *index;
    const double *weight;
} ebb__resample;

void ebb__resample_forward(const ebb__resample *r, const void *x, void *y);
/* The transpose: every element of x is the sum of what it gave. f32 and f64. */
void ebb__resample_backward(const ebb__resample *r, const void *y, void *x);

#endif
