/* What the rules of operators on batches share (.batch, see ebb/opdef.h): samples are along dimension 0. */
#ifndef EBB_OPS_BATCHING_H
#define EBB_OPS_BATCHING_H

#include "ops/ops.h"

#ifndef EBB_GENERATE /* see ops.h */
#include "record/tangent.h"

/* The number of dimensions of one sample of input i; 0 of one that is absent. */
static inline int ebb__batch_ndim(const struct ebb_batch_call *b, int64_t i) {
    return b->in[i] ? b->in[i]->ndim - b->batched[i] : 0;
}

/* Samples with dimensions of size 1 put behind the batch, up to ndim in all. NULL for NULL, and on failure. */
ebb_tensor *ebb__batch_aligned(ebb_tensor *samples, int ndim);

/* Input i with a batch, repeated where it is the same for all samples, and with ndim dimensions at least below it. NULL
 * for an absent one, and on failure. */
ebb_tensor *ebb__batch_input(const struct ebb_batch_call *b, int64_t i, int ndim);

/* The batch merged with the dimension behind it, and taken out of dimension 0 again. NULL for NULL. */
ebb_tensor *ebb__batch_folded(ebb_tensor *t);
ebb_tensor *ebb__batch_unfolded(ebb_tensor *t, int64_t size);

/* Call the operator itself, with these inputs and attributes, and give its results. */
void ebb__batch_forward(struct ebb_batch_call *b, ebb_tensor *const *in, const void *attrs);

/* ebb_batch_dims of all inputs but those in the set `same`, which are left as they are; one call a sample when one of
 * those is batched. */
void ebb__batch_dims_but(struct ebb_batch_call *b, uint32_t same);

/* The rule of a loss whose terms are elementwise, and reduced as the attribute `reduction` says. */
void ebb__batch_loss(struct ebb_batch_call *b);

/* Zeros to be written into, in place, what follows from a and b (may be NULL): batched where they are. */
ebb_tensor *ebb__zeros_beside(ebb_dims shape, ebb_dtype dtype, ebb_tensor *a, ebb_tensor *b);

#endif
#endif
