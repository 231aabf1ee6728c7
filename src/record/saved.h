/* Hooks on saved tensors: what the graph holds in their place. */
#ifndef EBB_RECORD_SAVED_H
#define EBB_RECORD_SAVED_H

#include "record/node.h"
#include <ebb/checkpoint.h>

/* An open block, and what packed values refer to: the innermost of the thread first. */
struct ebb__hooks {
    _Atomic int32_t refs;
    uint64_t id;
    struct ebb__hooks *outer; /* while open */
    const char *refused;      /* hooks are refused in this block; it has none itself */
    ebb_saved_hooks call;
    /* How many more tensors the hooks need, after which they end what is running; NULL of most hooks. */
    int64_t (*left)(const void *context);
};

/* What the hooks made of a tensor; hooks NULL: it was not packed. */
struct ebb__packed {
    struct ebb__hooks *hooks; /* a reference */
    void *value;
};

/* What hooks made of the k-th tensor that n saved; NULL when it was not packed. */
static inline const struct ebb__packed *ebb__packed_of(const ebb_node *n, uint32_t k) {
    return n->flags & EBB__NODE_PACKED && n->extra->packed[k].hooks ? &n->extra->packed[k] : NULL;
}

/* Pack t by the innermost hooks of the thread. EBB_OK without packing where there are none, or t stands for a
 * number. */
ebb_status ebb__pack(ebb_tensor *t, struct ebb__packed *ret_packed);

/* The tensor of a packed value (a new reference), of the shape and dtype of `like`, and with its tangents. */
ebb_tensor *ebb__unpack(const struct ebb__packed *p, const ebb_tensor *like);

/* Let go of a packed value; does nothing for one that is all zero, which it is afterwards. */
void ebb__packed_release(struct ebb__packed *p);

/* Pack what a node has just saved; what it holds then are shape, dtype and tangents of each tensor. */
ebb_status ebb__node_pack(ebb_node *n);
void ebb__node_packed_release(ebb_node *n); /* let go of it: of a node with extras */

/* When the innermost hooks need no more than this call would save, and these are inputs: pack them before it is
 * computed, since nobody will need what it computes. Whether that was so; the error that ends what is running is
 * pending then. */
bool ebb__packed_ahead(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in);

/* Of a storage that has notes: tell memory budgets (autograd/values.c) that it is about to be written in place. */
ebb_status ebb__budget_write(ebb_tensor *t);

/* A tensor that shares t's storage and has another history. NULL and an error when out of memory. */
ebb_tensor *ebb__alias_with_history(ebb_tensor *t, ebb_node *n, uint32_t nr);

#endif
