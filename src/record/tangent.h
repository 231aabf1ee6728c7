/* What tensors carry at the open levels: at a level of forward mode a tangent; at a level of ebb_vmap, which batches,
 * all samples of a batch. What propagates them is in autograd/forward.c and autograd/batch.c. */
#ifndef EBB_RECORD_TANGENT_H
#define EBB_RECORD_TANGENT_H

#include "record/node.h"
#include <ebb/transforms.h>

/* One directional derivative, or one batch, being computed. Levels nest: what is carried at an inner level is a tensor
 * that may itself carry something at outer ones. Closing a level takes all of it off the tensors, so that no tensor
 * holds, through the history of its tangent, itself.
 *
 * At a batching level a tensor that differs between samples has the shape of one sample, whose memory is the first
 * sample's, and carries the tensor of all, with the samples along dimension 0 (ADR 0011). */
struct ebb__level {
    struct ebb__level *outer;
    struct ebb__tangent *entries;
    bool batching;
    int64_t size; /* samples, of a batching level */
    enum ebb_vmap_randomness randomness;
};

struct ebb__tangent {
    struct ebb__tangent *next; /* of the same tensor */
    struct ebb__tangent *level_next, **level_link;
    struct ebb__level *level;
    struct ebb__autograd *of;
    ebb_tensor *value; /* a reference */
};

/* Open a level inside those that are open, and close one. NULL and an error when out of memory; closing accepts
 * NULL. */
struct ebb__level *ebb__level_open(void);
void ebb__level_close(struct ebb__level *level);

/* What t itself carries at a level; borrowed, NULL when nothing. */
ebb_tensor *ebb__tangent_get(const ebb_tensor *t, const struct ebb__level *level);

/* Let t carry `value` (it takes a reference of its own) instead of what it carried. */
ebb_status ebb__tangent_set(ebb_tensor *t, struct ebb__level *level, ebb_tensor *value);

/* Let `to` carry all that `from` carries and it does not. */
ebb_status ebb__tangents_share(ebb_tensor *to, const ebb_tensor *from);

/* The same with copies, for what outlives writes in place into `from`, as packed values do. */
ebb_status ebb__tangents_keep(ebb_tensor *to, const ebb_tensor *from);

/* Of a dying tensor. */
void ebb__tangents_release(struct ebb__autograd *a);

/* ---- forward mode, defined by the autograd layer (forward.c) ---- */

/* Give the results of a call the tangents that follow from those of its inputs, at every open level inside `outside`
 * (NULL: at all). */
ebb_status ebb__forward(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                        ebb_tensor *const *out, int64_t n_out, const struct ebb__level *outside);

/* The same for a call in place, in two steps. Before writing: self as it is, and the result apart, with their tangents
 * (references), NULL when no tangent is concerned; after: the result's are written into self's, and what `node` (NULL:
 * none), which the call has recorded, saved of its output carries them. */
ebb_status ebb__forward_apart(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                              const struct ebb__level *outside, ebb_tensor **ret_self, ebb_tensor **ret_apart);
ebb_status ebb__forward_into(ebb_tensor *self, ebb_node *node, ebb_tensor *apart, const struct ebb__level *outside);

/* Let what a node (NULL: none) has saved of its outputs, of which n from `first` on are given, carry what these carry,
 * and what it saved of views among its inputs (NULL: none) what those do. */
ebb_status ebb__share_with_saved(ebb_node *node, ebb_tensor *const *in, ebb_tensor *const *out, int64_t first,
                                 int64_t n);

/* ---- batches, defined by the autograd layer (batch.c) ---- */

/* The innermost batching level at which an input is batched, or which the operator's randomness concerns; NULL when
 * none: the call is like any other. */
struct ebb__level *ebb__batch_level(const struct ebb_op *op, ebb_tensor *const *in, int64_t n);

/* The results of a call that concerns a batching level, in the scope; no tensors and an error on failure. They carry
 * what follows from outer levels, but are neither recorded nor have tangents of inner levels. */
ebb_list ebb__batch_call(struct ebb__level *level, const struct ebb_op *op, ebb_tensor *const *in, int64_t n,
                         const void *attrs);

/* Copy `from` into self, both as seen at a batching level. EBB_ERR_ARGUMENT when only `from` is batched. */
ebb_status ebb__batch_copy_into(struct ebb__level *level, const struct ebb_op *op, ebb_tensor *self, ebb_tensor *from);

/* t, which is not batched, at every level where `like` is: a copy for each sample. NULL for NULL. */
ebb_tensor *ebb__batch_as(ebb_tensor *t, ebb_tensor *like);

/* Another tensor over the data of t, without history, and without those of its samples. A reference. */
ebb_tensor *ebb__detached(ebb_tensor *t);

/* All samples of a batched t, along dimension 0; borrowed, NULL when its level is closed. */
ebb_tensor *ebb__batch_samples(const ebb_tensor *t);

/* Whether t was batched at a level that is closed by now. */
bool ebb__batch_escaped(const ebb_tensor *t);

#endif
