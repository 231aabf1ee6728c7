/* Calling the hooks of a node in a pass. */
#ifndef EBB_AUTOGRAD_HOOKS_H
#define EBB_AUTOGRAD_HOOKS_H

#include "autograd/pass.h"
#include "record/hooks.h"

/* Call a node's hooks of these kinds (not EBB__HOOK_AFTER) on the gradients of its outputs: references, which hooks may
 * replace. */
ebb_status ebb__hooks_call(struct ebb__pass *p, ebb_node *n, unsigned kinds, ebb_tensor **grad);

/* Its post-hooks: `given` are the gradients of its inputs, borrowed, in the scope that is open. */
ebb_status ebb__hooks_call_after(struct ebb__pass *p, ebb_node *n, ebb_tensor **given, ebb_tensor *const *grad);

/* Let go of what hooks of several tensors wait for. */
void ebb__pass_end_multi(struct ebb__pass *p);

#endif
