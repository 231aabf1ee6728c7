/* One backward pass: the nodes it reaches, what each waits for, and the gradients gathered so far. */
#ifndef EBB_AUTOGRAD_PASS_H
#define EBB_AUTOGRAD_PASS_H

#include "record/node.h"

struct ebb__entry {
    ebb_node *node;
    uint32_t waits; /* edges into this node whose gradient is still to come */
    bool run;       /* its rule is wanted (or for a leaf: its gradient is to be accumulated) */
    bool wanted;    /* run, or its gradient is asked for */
    bool captured;  /* a capture is waiting for its gradient */
    union {
        ebb_tensor *one;   /* a node of one output */
        ebb_tensor **many; /* of several; NULL until the first arrives */
    } grad;                /* references; NULL: nothing flowed here */
};

/* A gradient that the caller asks for, as that of its input number `input`: of output nr of node. */
struct ebb__capture {
    ebb_node *node;
    uint32_t nr, input;
    ebb_tensor *grad; /* a reference, NULL when nothing flowed */
};

struct ebb__pass {
    struct ebb__entry *entries;
    size_t n, capacity;
    uint32_t *ready; /* a heap of entries by sequence number, latest first */
    size_t n_ready, ready_capacity;
    /* Entries of nodes that another pass holds, by node: open addressing, a power of two, mostly absent. */
    uint32_t *shared; /* entry + 1; 0 is free */
    size_t n_shared, shared_capacity;
    struct ebb__capture *captures; /* ordered by node once the pass is pruned */
    size_t n_captures;
    bool only_captures; /* run only what leads to a capture */
    bool accumulate;    /* the captures say where gradients are to be accumulated; none is handed out */
    bool keep_graph;
    struct ebb__multi_state *multi; /* what hooks of several tensors have got so far (hooks.c) */
    const char *file;               /* of the call */
    int line;
    struct ebb__recomputed *recomputed; /* what checkpoints have computed again for this pass (checkpoint.c) */
};

/* Gather everything reachable from the roots and count the edges. */
ebb_status ebb__pass_discover(struct ebb__pass *p, const ebb_edge *roots, int64_t n_roots);

/* Decide which entries have to run for the captures. */
ebb_status ebb__pass_prune(struct ebb__pass *p);

/* The first capture that waits for a gradient of a captured entry's node; those of the same node follow it. */
struct ebb__capture *ebb__pass_captures_of(struct ebb__pass *p, const ebb_node *node);

/* The entry of a node, NULL when the pass does not reach it. */
struct ebb__entry *ebb__pass_find_shared(struct ebb__pass *p, ebb_node *node);
static inline struct ebb__entry *ebb__pass_find(struct ebb__pass *p, ebb_node *n) {
    return EBB_LIKELY(atomic_load_explicit(&n->pass, memory_order_relaxed) == p) ? &p->entries[n->entry]
                                                                                 : ebb__pass_find_shared(p, n);
}

/* Add a gradient (a reference that the pass takes over, also on failure) to output nr of an entry. */
ebb_status ebb__pass_add(struct ebb__entry *e, uint32_t nr, ebb_tensor *grad);

ebb_status ebb__pass_push(struct ebb__pass *p, struct ebb__entry *e);
struct ebb__entry *ebb__pass_pop(struct ebb__pass *p); /* NULL when none is ready */

/* Let go of everything, gradients that went nowhere included. */
void ebb__pass_end(struct ebb__pass *p);

/* Run until nothing is ready. */
ebb_status ebb__pass_run(struct ebb__pass *p);

/* Let go of what was computed again for a pass. */
void ebb__recomputed_end(struct ebb__pass *p);

/* Add a gradient (a reference that is taken over) to the .grad of a leaf. */
ebb_status ebb__accumulate(ebb_tensor *t, ebb_tensor *grad);

/* The same for a tensor that retains its gradient (borrowed): a copy, or a new sum. */
ebb_status ebb__accumulate_retained(ebb_tensor *t, ebb_tensor *grad);

/* The sum of two gradients, both taken over: into the first one's memory when it has no other owner. */
ebb_tensor *ebb__add_gradients(ebb_tensor *a, ebb_tensor *b);

/* What a rule gave becomes the results of an operation that cannot be differentiated, where upstream gradients could
 * be. */
ebb_status ebb__once_only(struct ebb_vjp_call *v);

/* grad, shaped and typed as m says: summed over what was broadcast, cast back. Borrowed in, borrowed or scope-owned
 * out. */
ebb_tensor *ebb__refit_gradient(ebb_tensor *grad, struct ebb__meta m);
static inline ebb_tensor *ebb__fit_gradient(ebb_tensor *grad, struct ebb__meta m) {
    bool fits = grad->dtype == m.dtype && grad->ndim == m.ndim;
    for (int i = 0; i < m.ndim && fits; i++) fits = grad->dims[i] == m.sizes[i];
    return EBB_LIKELY(fits) ? grad : ebb__refit_gradient(grad, m);
}

#endif
