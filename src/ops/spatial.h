/* What operators over one to three spatial dimensions share: lists of one number for each, and images without a
 * batch. */
#ifndef EBB_OPS_SPATIAL_H
#define EBB_OPS_SPATIAL_H

#include "ops/ops.h"

/* Spread an option over n spatial dimensions, as the last n of three: one number stands for all; none listed, for
 * `otherwise`. The dimensions in front get `front`. */
ebb_status ebb__spatial(const char *name, const ebb_dims *given, int n, int64_t otherwise, int64_t front,
                        int64_t ret_values[3]);

/* The last n of three values as a list. */
ebb_dims ebb__spatial_dims(int n, const int64_t values[3]);

/* Call a composition that wants a batch for an input that may have none: `batched` as the operator says, for an input
 * of n spatial dimensions behind the channels. False and an error for any other number of dimensions. */
bool ebb__spatial_batched(const ebb_dims *shape, int n, bool *ret_batched);

#endif
