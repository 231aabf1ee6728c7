/* Rules of backward operators by way of the same computed with public operators. */
#ifndef EBB_OPS_COMPOSED_H
#define EBB_OPS_COMPOSED_H

#include "ops/ops.h"

#ifndef EBB_GENERATE /* see ops.h */

/* The outputs of an operator from its inputs, of one dtype; false on failure. An output that is not there is NULL. */
typedef bool (*ebb__composition)(ebb_tensor *const *in, const void *attrs, ebb_tensor **ret);

/* The vjp of an operator whose forward() is a kernel: the composition is computed, and differentiated. */
void ebb__vjp_composed(struct ebb_vjp_call *v, ebb__composition compose);

#endif
#endif
