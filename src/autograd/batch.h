/* Batches: what ebb_vmap and batched gradients share. */
#ifndef EBB_AUTOGRAD_BATCH_H
#define EBB_AUTOGRAD_BATCH_H

#include "ops/batching.h"
#include "record/tangent.h"

/* Open a level for a batch; NULL and an error when out of memory. Closed with ebb__level_close(). */
struct ebb__level *ebb__batch_open(int64_t size, enum ebb_vmap_randomness randomness);

/* What stands for all samples, which are along dimension 0, at a level: in the scope. */
ebb_tensor *ebb__batch_wrap(struct ebb__level *level, ebb_tensor *samples);

/* All samples of t, along dimension 0, to be used outside of the level: in the scope. What is the same for all is
 * repeated, without memory of its own. NULL for NULL. */
ebb_tensor *ebb__batch_unwrap(struct ebb__level *level, ebb_tensor *t);

#endif
