/* The iteration plan: how one inner loop is run over several strided operands of one (broadcast) shape. Dimensions are
 * ordered for memory, merged where all operands allow it, and cut into pieces that threads share. */
#ifndef EBB_TENSOR_PLAN_H
#define EBB_TENSOR_PLAN_H

#include "tensor/tensor.h"
#include <ebb/opdef.h>

#define EBB__PLAN_MAX 9 /* operands: a result and EBB_OP_MAX_IN inputs */

struct ebb__plan {
    int n;    /* operands; operand 0 is written */
    int ndim; /* after merging; dimension 0 is the innermost */
    int64_t numel;
    int64_t size[EBB_MAX_NDIM];
    int64_t stride[EBB_MAX_NDIM][EBB__PLAN_MAX]; /* bytes */
    char *data[EBB__PLAN_MAX];
    uint8_t width[EBB__PLAN_MAX]; /* bytes of an element; unset where ndim is 1 */
};

/* A plan over t[0] (written, its shape is the shape) and t[1] … t[n-1], which broadcast to it. */
void ebb__plan_make(struct ebb__plan *plan, int n, ebb_tensor *const *t);

/* A new tensor of this shape for the result of n inputs that broadcast to it: its dimensions lie in memory in the order
 * of theirs, as PyTorch has it. */
ebb_tensor *ebb__tensor_new_ordered(ebb_dtype dtype, const ebb_dims *shape, ebb_tensor *const *in, int64_t n);

/* Run the loop over the whole plan. */
#define EBB__PLAN_GRAIN 32768 /* elements below which a loop is not worth sharing among threads */
void ebb__plan_run_cut(const struct ebb__plan *plan, ebb_loop loop, const void *attrs);
static inline void ebb__plan_run(const struct ebb__plan *plan, ebb_loop loop, const void *attrs) {
    if (EBB_LIKELY(plan->ndim == 1 && plan->numel <= EBB__PLAN_GRAIN)) {
        if (plan->numel) loop(plan->size[0], plan->data, plan->stride[0], attrs);
    } else {
        ebb__plan_run_cut(plan, loop, attrs);
    }
}

#endif
