/* Dual numbers: the tangents that tensors carry at the open levels of forward-mode differentiation. What propagates
 * them is in autograd/forward.c. */
#ifndef EBB_RECORD_TANGENT_H
#define EBB_RECORD_TANGENT_H

#include "record/node.h"

/* One directional derivative being computed. Levels nest: the tangent of an inner level is a tensor that may itself
 * carry tangents of outer ones. Closing a level takes its tangents off all tensors, so that no tensor holds, through
 * the history of its tangent, itself. */
struct ebb__level {
    struct ebb__level *outer;
    struct ebb__tangent *entries;
};

struct ebb__tangent {
    struct ebb__tangent *next; /* of the same tensor */
    struct ebb__tangent *level_next, **level_link;
    struct ebb__level *level;
    struct ebb__autograd *of;
    ebb_tensor *value; /* a reference */
};

/* The tangent that t itself carries at a level; borrowed, NULL when none. */
ebb_tensor *ebb__tangent_get(const ebb_tensor *t, const struct ebb__level *level);

/* Let t carry `value` (it takes a reference of its own) instead of what it carried. */
ebb_status ebb__tangent_set(ebb_tensor *t, struct ebb__level *level, ebb_tensor *value);

/* Let `to` carry every tangent of `from` that it does not have. */
ebb_status ebb__tangents_share(ebb_tensor *to, const ebb_tensor *from);

/* Of a dying tensor. */
void ebb__tangents_release(struct ebb__autograd *a);

/* Defined by the autograd layer: give the results of a call the tangents that follow from those of its inputs, at every
 * open level. */
ebb_status ebb__forward(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                        ebb_tensor *const *out, int64_t n_out);

/* The same for a call in place, in two steps. Before writing: the result apart, with its tangents (a reference), NULL
 * when no tangent is concerned; after: they are written into self's. */
ebb_status ebb__forward_apart(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                              ebb_tensor **ret_apart);
ebb_status ebb__forward_into(ebb_tensor *self, ebb_tensor *apart);

#endif
