/* What the losses share: the mean or sum of their terms, and its gradient. */
#ifndef EBB_OPS_LOSS_H
#define EBB_OPS_LOSS_H

#include "ops/ops.h"

#define EBB__REDUCTION "enum(mean|sum|none) reduction=mean"

/* The same in the language of expressions, for the end of a definition's .parts: of the terms l. */
#define EBB__REDUCED "; mean(l) if reduction == 'mean' else sum(l) if reduction == 'sum' else l"

/* The terms themselves, their sum or their mean. */
ebb_tensor *ebb__loss_reduced(ebb_tensor *terms, int reduction);

/* The gradient of each of the terms, of which `like` has as many, from that of what they were reduced to. */
ebb_tensor *ebb__loss_spread(ebb_tensor *g, const ebb_tensor *like, int reduction);

/* A copy of t in which what is less than `least` is `least`; its gradient does not know that, as PyTorch has it. */
ebb_tensor *ebb__at_least(ebb_tensor *t, double least);

/* Whether the dtypes of a loss's inputs are ones it is defined for (opdef's promotion); an error if not. */
static inline bool ebb__loss_defined(const struct ebb_forward *f) {
    return ebb__op_dtype(f->op, f->in, f->n_in) != EBB_DTYPE_NONE;
}

/* NULL and an error, so that a composition can return it. */
#define EBB__LOSS_FAIL(...) ((void)ebb_fail(__VA_ARGS__), (ebb_tensor *)NULL)

#endif
