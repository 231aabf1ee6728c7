/* Convolutions and their two gradients on contiguous arrays, and the unfolding into columns that they are made with. */
#ifndef EBB_KERNEL_CONV_H
#define EBB_KERNEL_CONV_H

#include "kernel/sizes.h"

#include <ebb/tensor.h>

/* Three spatial dimensions; where there are fewer, the first ones have size 1. Arrays are x (batch, in_channels, in),
 * w (out_channels, in_channels / groups, kernel) and y (batch, out_channels, out). All three functions belong to one
 * trilinear form: each computes one array from the other two. */
typedef struct ebb__conv {
    ebb_dtype dtype; /* f32, f64, bf16, f16, i64, i32, u8; the gradient of w: floating only */
    int64_t batch, groups, in_channels, out_channels;
    int64_t in[3], kernel[3], out[3], stride[3], padding[3], dilation[3];
} ebb__conv;

/* y from x and w, plus bias[out_channels] unless that is NULL. */
ebb_status ebb__conv_forward(const ebb__conv *c, const void *x, const void *w, const void *bias, void *y);
/* x from y and w (the gradient of x, and the transposed convolution), plus bias[in_channels] unless that is NULL. */
ebb_status ebb__conv_input(const ebb__conv *c, const void *y, const void *w, const void *bias, void *x);
/* w from x and y. */
ebb_status ebb__conv_weight(const ebb__conv *c, const void *y, const void *x, void *w);

/* What each output reads, as columns: (batch, in_channels * kernel, out), for any dtype (bool for these two only).
 * groups is 1, out_channels is not used. And its transpose, which adds what overlaps. */
void ebb__im2col(const ebb__conv *c, const void *x, void *columns);
void ebb__col2im(const ebb__conv *c, const void *columns, void *x);

/* ---- for the files of convolutions only ---- */

static inline int64_t ebb__volume(const int64_t n[3]) { return n[0] * n[1] * n[2]; }

/* The outputs [*ret_first, *ret_last) along dimension d for which tap k reads inside the input; output i reads
 * i * stride + *ret_offset. */
void ebb__conv_span(const ebb__conv *c, int d, int64_t k, int64_t *ret_first, int64_t *ret_last, int64_t *ret_offset);

/* conv_depthwise.c: the same three where each group has one input channel; f32 and f64. */
void ebb__depthwise_forward(const ebb__conv *c, const void *x, const void *w, const void *bias, void *y);
void ebb__depthwise_input(const ebb__conv *c, const void *y, const void *w, const void *bias, void *x);
void ebb__depthwise_weight(const ebb__conv *c, const void *y, const void *x, void *w);

/* conv_winograd.c: the same three for taps of 3 x 3 and many channels, where it pays. */
bool ebb__winograd_pays(const ebb__conv *c);
ebb_status ebb__winograd_forward(const ebb__conv *c, const void *x, const void *w, const void *bias, void *y);
ebb_status ebb__winograd_input(const ebb__conv *c, const void *y, const void *w, const void *bias, void *x);
ebb_status ebb__winograd_weight(const ebb__conv *c, const void *y, const void *x, void *w);

/* conv_direct.c: y and w where there are few channels and wide rows, where it pays. */
bool ebb__direct_pays(const ebb__conv *c);
ebb_status ebb__direct_forward(const ebb__conv *c, const void *x, const void *w, const void *bias, void *y);
ebb_status ebb__direct_weight(const ebb__conv *c, const void *y, const void *x, void *w);

#endif
