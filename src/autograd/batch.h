/* Batches: what ebb_vmap, batched gradients and the rules of operators share. */
#ifndef EBB_AUTOGRAD_BATCH_H
#define EBB_AUTOGRAD_BATCH_H

#include "record/call.h"
#include "record/tangent.h"

/* Open a level for a batch; NULL and an error when out of memory. Closed with ebb__level_close(). */
struct ebb__level *ebb__batch_open(int64_t size, enum ebb_vmap_randomness randomness);

/* What stands for all samples, which are along dimension 0, at a level: in the scope. */
ebb_tensor *ebb__batch_wrap(struct ebb__level *level, ebb_tensor *samples);

/* All samples of t, along dimension 0, to be used outside of the level: in the scope. What is the same for all is
 * repeated, without memory of its own. NULL for NULL. */
ebb_tensor *ebb__batch_unwrap(struct ebb__level *level, ebb_tensor *t);

/* Samples with dimensions of size 1 put behind the batch, up to ndim in all. NULL for NULL, and on failure. */
ebb_tensor *ebb__batch_aligned(ebb_tensor *samples, int ndim);

/* Call an operator on all samples, with `attrs`, and give its results. */
void ebb__batch_forward(struct ebb_batch_call *b, ebb_tensor *const *in, const void *attrs);

/* The number of dimensions of one sample of input i. */
static inline int ebb__batch_ndim(const struct ebb_batch_call *b, int64_t i) {
    return b->in[i] ? b->in[i]->ndim - b->batched[i] : 0;
}

#endif
