/* The functions that users register on tensors and nodes: who has which, and removal by handle from anywhere. Running
 * them is the autograd layer's. */
#ifndef EBB_RECORD_HOOKS_H
#define EBB_RECORD_HOOKS_H

#include "record/node.h"

enum ebb__hook_kind {
    EBB__HOOK_TENSOR = 1,      /* on the gradient of an output */
    EBB__HOOK_MULTI = 2,       /* the same, of one of several tensors that share a hook */
    EBB__HOOK_BEFORE = 4,      /* before the node's rule */
    EBB__HOOK_AFTER = 8,       /* after it */
    EBB__HOOK_ACCUMULATED = 16 /* after a leaf's gradient was added to .grad */
};

/* Several tensors with one hook. */
struct ebb__multi {
    _Atomic int32_t refs; /* of its parts that are alive, and of passes */
    bool any;
    ebb_multi_grad_hook call;
    void *context;
    void (*release)(void *context);
    int64_t n;
    struct ebb__hook **parts; /* [n]: NULL once a part is gone; not references */
};

struct ebb__hook {
    _Atomic int32_t refs; /* of the node that has it, and of passes that are about to call it */
    _Atomic bool removed;
    uint8_t kind;
    uint32_t nr;   /* the output it watches */
    uint32_t part; /* of several tensors' hook, which one */
    int line;      /* that registered it */
    const char *file;
    ebb_node *node; /* that has it; not a reference */
    ebb_hook id;
    struct ebb__hook *next_by_id;
    union {
        ebb_tensor_hook tensor;
        ebb_node_prehook before;
        ebb_node_hook after;
        ebb_accumulated_hook accumulated;
    } call;
    struct ebb__multi *multi; /* a reference */
    void *context;
    void (*release)(void *context);
};

/* Add a hook, of which its function and what belongs to it is filled in, to a node. Returns its handle; 0 on failure,
 * and then nothing of it is released. */
ebb_hook ebb__hook_add(ebb_node *n, const struct ebb__hook *hook);

/* One hook for output nr[i] of each node n[i]; NULL nodes are left out. All of them or none. */
ebb_hook ebb__hook_add_multi(ebb_node *const *n, const uint32_t *nr, int64_t count, const struct ebb__multi *multi);

/* The hooks of these kinds that a node has now, in order of registration, as references. */
#define EBB__HOOKS_SMALL 8
struct ebb__hook_list {
    struct ebb__hook **hooks;
    size_t n, capacity;
    struct ebb__hook *small[EBB__HOOKS_SMALL];
};
ebb_status ebb__hooks_list(struct ebb__hook_list *list, ebb_node *n, unsigned kinds);
void ebb__hooks_list_end(struct ebb__hook_list *list);

static inline unsigned ebb__hook_kinds(const ebb_node *n) {
    return n->extra ? atomic_load_explicit(&n->extra->hook_kinds, memory_order_relaxed) : 0;
}

/* Of a dying node. */
void ebb__hooks_release(ebb_node *n);

void ebb__multi_unref(struct ebb__multi *multi);
/* For how many of its parts `waits` holds; their nodes stay alive meanwhile. */
int64_t ebb__multi_count(struct ebb__multi *multi, bool (*waits)(void *context, ebb_node *n), void *context);

#endif
