/* What the normalizations share: how an input is seen by the kernel, and the rule of their gradients. */
#ifndef EBB_OPS_NORMALIZATION_H
#define EBB_OPS_NORMALIZATION_H

#include "ops/ops.h"

/* The view (outer, sets / groups, groups, channels, run) of an input: see struct ebb__norm. */
typedef ebb_dims ebb__norm_view;

/* The kernel's description of a view. */
struct ebb__norm ebb__norm_of(const ebb__norm_view *view, ebb_dtype dtype, bool centered, double eps);

/* The dtype of mean and rstd: 16 bits are too few for them. */
static inline ebb_dtype ebb__statistics_dtype(ebb_dtype dtype) { return ebb__is_half(dtype) ? EBB_F32 : dtype; }

/* Whether a parameter may have `dtype` along with an input of another: the same, or float32 with 16-bit floating
 * point. */
static inline bool ebb__norm_mixes(ebb_dtype dtype, ebb_dtype input) {
    return dtype == input || dtype == ebb__statistics_dtype(input);
}

/* Whether weight and bias, when they are there, are vectors of `n` elements and the input's dtype. */
ebb_status ebb__norm_check(const ebb_meta *weight, const ebb_meta *bias, ebb_dtype dtype, int64_t n);

/* The inputs and outputs that a rule below finds, by their numbers; mean -1 where there is none. */
struct ebb__norm_places {
    int weight, bias, mean, rstd;
};

/* Give the gradients of input 0, weight and bias, from those of the output, the mean and rstd. */
void ebb__norm_vjp(struct ebb_vjp_call *v, ebb__norm_view view, struct ebb__norm_places at);

#endif
