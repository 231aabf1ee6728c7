/* What operators that make tensors have in common: the outside of a new tensor, and filling it. */
#ifndef EBB_OPS_CREATE_H
#define EBB_OPS_CREATE_H

#include "ops/ops.h"

/* infer() of a tensor of this shape, of the dtype asked for or else of `otherwise`, which must be in the set
 * `accepted`. */
ebb_status ebb__new_meta(struct ebb_infer *f, const ebb_dims *shape, ebb_dtype dtype, ebb_dtype otherwise,
                         uint32_t accepted);

/* Whether a number can be stored in a dtype: whole ones within an integer's range, any in floating point and bool. */
ebb_status ebb__check_number(ebb_dtype dtype, const ebb_setting *number);

/* Every element of a contiguous tensor becomes the number. */
ebb_status ebb__fill(ebb_tensor *t, ebb_setting number);

/* random.c: n random numbers of a floating-point dtype from the thread's generator, which moves on: uniform, normal or
 * exponential. */
ebb_status ebb__draw(ebb__random what, ebb_dtype dtype, int64_t n, void *out);

/* The rule of a random draw: zeros. */
void ebb__zero_vjp(struct ebb_vjp_call *v);

#endif
