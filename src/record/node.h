/* The recorded graph: nodes, edges, saved tensors, and what a tensor holds of autograd. */
#ifndef EBB_RECORD_NODE_H
#define EBB_RECORD_NODE_H

#include "tensor/tensor.h"
#include <ebb/autograd.h>

/* An edge from a node to where the gradient of one of its inputs goes. node NULL: that input needs none. */
struct ebb__edge {
    ebb_node *node; /* a reference */
    uint32_t nr;    /* which output of that node the input was */
};

enum ebb__saved_kind { EBB__SAVED_IN, EBB__SAVED_OUT, EBB__SAVED_META };

/* A tensor saved for the vector-Jacobian product, with the version its storage had. An input is held as it is; an
 * output through an alias without grad_fn, since the node may not own what owns the node. */
struct ebb__saved {
    union {
        ebb_tensor *t;
        const char *released_file; /* of a node's first values, once EBB__NODE_RELEASED: where the pass ran, */
    };
    uint32_t version; /* on this line */
    uint32_t what;    /* kind | index of the input or output << 2 */
};

static inline enum ebb__saved_kind ebb__saved_kind(const struct ebb__saved *s) {
    return (enum ebb__saved_kind)(s->what & 3);
}
static inline uint32_t ebb__saved_index(const struct ebb__saved *s) { return s->what >> 2; }

enum {
    EBB__NODE_LEAF = 1,
    EBB__NODE_RELEASED = 2,
    EBB__NODE_PACKED = 4,
    EBB__NODE_ALIKE = 8 /* all outputs have one ndim */
};

/* The name of a tensor that the node computed. */
#define EBB__NAME_BYTES 64
struct ebb__node_name {
    struct ebb__node_name *next;
    uint32_t nr;
    char text[EBB__NAME_BYTES];
};

/* What few nodes have. */
struct ebb__node_extra {
    struct ebb__hook **hooks; /* in order of registration; references (record/hooks.h) */
    size_t n_hooks, hook_capacity;
    _Atomic uint8_t hook_kinds; /* which kinds there are among them */
    ebb_tensor **retain; /* [n_out]: tensors that keep their gradient; not references, they unregister when they die */
    struct ebb__node_name *names;
    struct ebb__packed *packed; /* [n_saved]: what hooks made of them (record/saved.h); NULL: no hooks were open */
};

struct ebb_node {
    _Atomic int32_t refs; /* a leaf's: as long as there are any, its tensor has one more */
    uint8_t flags;
    uint16_t n_out;
    const struct ebb_op *op; /* NULL for a leaf */
    const char *name;
    uint64_t sequence;
    const char *file;
    int32_t line;
    uint32_t n_in, n_saved;
    void *_Atomic pass; /* the backward pass that holds this node's entry at `entry`; others look it up */
    uint32_t entry;
    uint32_t size;     /* of the block */
    uint32_t attrs_at; /* byte offset in the block; 0: no attributes */
    struct ebb__node_extra *extra;
    /* n_in edges, n_saved saved tensors, for each output dtype | ndim << 8 and its sizes, and the attributes follow */
};

static inline struct ebb__edge *ebb__node_edges(const ebb_node *n) { return (struct ebb__edge *)(uintptr_t)(n + 1); }
static inline struct ebb__saved *ebb__node_saved(const ebb_node *n) {
    return (struct ebb__saved *)(void *)(ebb__node_edges(n) + n->n_in);
}
static inline int64_t *ebb__node_metas(const ebb_node *n) {
    return (int64_t *)(void *)(ebb__node_saved(n) + n->n_saved);
}
static inline const void *ebb__node_attrs(const ebb_node *n) {
    return n->attrs_at ? (const char *)(const void *)n + n->attrs_at : NULL;
}

/* Whether a rule may put sums together itself: nobody would notice, here and now. */
static inline bool ebb__vjp_unseen(const struct ebb_vjp_call *v) {
    return v->may_add && ebb__thread.no_grad && !ebb__thread.levels;
}

/* The dtype, ndim and sizes of output nr. */
struct ebb__meta {
    ebb_dtype dtype;
    int ndim;
    const int64_t *sizes;
};
struct ebb__meta ebb__node_meta(const ebb_node *n, uint32_t nr);

/* What a tensor has of autograd once it needs any. The leaf node lives in here, so that an edge to it keeps the
 * tensor. */
struct ebb__autograd {
    ebb_tensor *self;              /* not a reference */
    ebb_tensor *grad;              /* a reference */
    _Atomic int lock;              /* guards grad while passes accumulate */
    char *name;                    /* EBB__NAME_BYTES of it, or NULL */
    struct ebb__tangent *tangents; /* what it carries at the open levels (record/tangent.h) */
    struct ebb__trace *trace;      /* where it was made, if that was noted (record/trace.h) */
    struct ebb_node leaf;
};

/* t's autograd state, made when there is none. NULL and an error when out of memory. */
struct ebb__autograd *ebb__autograd_of(ebb_tensor *t);

static inline ebb_tensor *ebb__leaf_tensor(const ebb_node *leaf) {
    return ((struct ebb__autograd *)(void *)((char *)(uintptr_t)leaf - offsetof(struct ebb__autograd, leaf)))->self;
}

/* References to nodes; those to a leaf's keep its tensor. */
static inline void ebb__node_ref(ebb_node *n) {
    bool first = atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed) == 0;
    if (first && n->flags & EBB__NODE_LEAF) ebb__ref(ebb__leaf_tensor(n)); /* which the caller holds */
}
void ebb__node_free_later(ebb_node *n);
static inline void ebb__node_unref(ebb_node *n) {
    if (!n) return;
    if (n->flags & EBB__NODE_LEAF) {
        if (atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) == 1) ebb__unref(ebb__leaf_tensor(n));
    } else if (atomic_load_explicit(&n->refs, memory_order_acquire) == 1 || /* nobody else counts */
               atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) == 1) {
        ebb__node_free_later(n);
    }
}

/* Where the gradient of t, which has been refreshed, goes: its grad_fn, or its leaf node. Borrowed. NULL without an
 * error when t needs no gradient, with one when out of memory. */
ebb_node *ebb__leaf_node(ebb_tensor *t);
static inline ebb_node *ebb__gradient_node(ebb_tensor *t) { return t->grad_fn ? t->grad_fn : ebb__leaf_node(t); }

/* Register t, which has a grad_fn, with it as a tensor that keeps its gradient. */
ebb_status ebb__retain(ebb_tensor *t);
void ebb__unretain(const ebb_tensor *t); /* its node forgets it, when it knows it */

/* ---- views and writing in place (view.c) ---- */

/* Which elements of a base a view has: strides in elements, offset from the base's first element. */
struct ebb__region {
    ebb_dims base_sizes, base_strides, sizes, strides;
    int64_t offset;
};

/* Give a view whose base was written in place, and recorded, since its history was made a new one from the base. To be
 * called before grad_fn of a tensor that may be a view is relied on. */
ebb_status ebb__view_refresh(ebb_tensor *view);
static inline ebb_status ebb__refresh(ebb_tensor *t) { return EBB_LIKELY(!t->base) ? EBB_OK : ebb__view_refresh(t); }

/* Whether writing t in place would change the value of a leaf that requires gradients. */
bool ebb__is_view_of_leaf(const ebb_tensor *t);

/* After a write into a view was recorded as the view's history: make it a part of the base's. */
ebb_status ebb__view_written(ebb_tensor *view);

/* Whether calls become nodes: those without a derivative by nature only when they have a rule all the same. */
static inline bool ebb__is_recorded(const struct ebb_op *op) { return !op->no_derivative || op->vjp; }

/* Record a call: gives the floating-point outputs a node when an input needs gradients and recording is on. `saved` are
 * the inputs as rules are to see them: `in` itself, but for a call in place, where in[0] has been overwritten by
 * now. */
ebb_status ebb__record_call(const struct ebb_op *op, ebb_tensor *const *in, ebb_tensor *const *saved, int64_t n_in,
                            const void *attrs, ebb_tensor *const *out, int n_out);
static inline ebb_status ebb__record(const struct ebb_op *op, ebb_tensor *const *in, ebb_tensor *const *saved,
                                     int64_t n_in, const void *attrs, ebb_tensor *const *out, int n_out) {
    if (ebb__thread.no_grad || !ebb__is_recorded(op)) return EBB_OK;
    return ebb__record_call(op, in, saved, n_in, attrs, out, n_out);
}
/* The same with the histories that the inputs have at hand, whatever the grad mode. */
ebb_status ebb__record_as_is(const struct ebb_op *op, ebb_tensor *const *in, ebb_tensor *const *saved, int64_t n_in,
                             const void *attrs, ebb_tensor *const *out, int n_out);

/* Tell the thread's watches of a new node (watch.c). */
void ebb__watched(ebb_node *n, ebb_tensor *const *in, int64_t n_in, ebb_tensor *const *out, int n_out);

/* What the rules of the inputs that need gradients read (EBB_IN, EBB_OUT, EBB_META); *ret_needed: whether any needs
 * one. */
uint32_t ebb__record_saves(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in, bool *ret_needed);

/* Let go of the values that a node saved, in a pass that was called on this line. Idempotent. */
void ebb__node_release_saved(ebb_node *n, const char *file, int line);

/* Saved tensor `s` of node n as its rule may use it; checks the version. While recording it comes with its history, for
 * which a new tensor may be needed (*ret_owned, a reference of the caller's); otherwise it is borrowed. NULL and an
 * error when overwritten. */
ebb_tensor *ebb__saved_get(ebb_node *n, const struct ebb__saved *s, bool *ret_owned);

struct ebb__node_extra *ebb__node_extra(ebb_node *n); /* made when there is none */

/* ---- what errors and reports say of saved tensors (blame.c) ---- */

/* The name of the tensor that is output nr of a node, "" when it has none. */
ebb_status ebb__node_set_name(ebb_node *n, uint32_t nr, const char *name);
const char *ebb__node_output_name(const ebb_node *n, uint32_t nr);

/* The name of a saved tensor, and what it is, "other "h" float32 [3, 2]": its role, name, dtype and shape, as far as
 * they are known once it was released. Returns text. */
const char *ebb__saved_name(const ebb_node *n, const struct ebb__saved *s);
#define EBB__SAVED_TEXT 256
char *ebb__saved_text(char text[EBB__SAVED_TEXT], const ebb_node *n, const struct ebb__saved *s);

ebb_status ebb__fail_overwritten(const ebb_node *n, const struct ebb__saved *s);
ebb_status ebb__fail_released(const ebb_node *n);

#endif
