/* What a pass does with gradients that are not finite. */
#ifndef EBB_AUTOGRAD_ANOMALY_H
#define EBB_AUTOGRAD_ANOMALY_H

#include "record/anomaly.h"

/* In the mode that looks for NaN: what a rule gives as the gradient of input i, before and after it was fitted to that
 * input; and a sum of gradients of an output of n, or of a leaf. */
ebb_status ebb__check_gradient(const struct ebb_vjp_call *v, int64_t i, ebb_tensor *full, ebb_tensor *fitted);
ebb_status ebb__check_sum(const ebb_node *n, uint32_t nr, ebb_tensor *sum);
ebb_status ebb__check_replaced(const ebb_node *n, ebb_tensor *replaced); /* by a hook on an output of n */

/* The gradient of input i as a rule gives it, with zeros where only zeros flowed in; `full` itself where that changes
 * nothing. Borrowed in, borrowed or scope-owned out; NULL and an error on failure. (strong_zeros.c) */
ebb_tensor *ebb__strong_zeros(const struct ebb_vjp_call *v, int64_t i, ebb_tensor *full);
/* The same of tangents: call a forward rule such that what it gives is 0 where only tangents of 0 flow in. */
typedef void (*ebb__jvp_rule)(struct ebb_jvp_call *j);
void ebb__strong_tangents(struct ebb_jvp_call *j, ebb__jvp_rule rule);

#endif
