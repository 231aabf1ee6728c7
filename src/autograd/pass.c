/* The bookkeeping of one backward pass. Invariants are numbered in docs/autograd.md.
 *
 * A node remembers the pass that reached it first and its entry there, so that finding an entry is two loads.
 * Concurrent and re-entrant passes over the same node keep their entries for it in a small table of their own. */
#include "autograd/anomaly.h"
#include "autograd/hooks.h"
#include <assert.h>
#include <stdlib.h>

static size_t hash(const ebb_node *n, size_t capacity) {
    return (size_t)(((uintptr_t)n >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (capacity - 1);
}

static uint32_t *shared_slot(const struct ebb__pass *p, const ebb_node *n) {
    size_t at = hash(n, p->shared_capacity);
    while (p->shared[at] && p->entries[p->shared[at] - 1].node != n) at = (at + 1) & (p->shared_capacity - 1);
    return &p->shared[at];
}

struct ebb__entry *ebb__pass_find_shared(struct ebb__pass *p, ebb_node *n) {
    if (!p->n_shared) return NULL;
    uint32_t at = *shared_slot(p, n);
    return at ? &p->entries[at - 1] : NULL;
}

static ebb_status share(struct ebb__pass *p, uint32_t entry) {
    if (2 * (p->n_shared + 1) > p->shared_capacity) {
        size_t before = p->shared_capacity, capacity = before ? 2 * before : 64;
        uint32_t *old = p->shared, *grown = ebb__alloc_zeroed(capacity * sizeof *grown);
        if (!grown) return ebb_error_status();
        p->shared = grown;
        p->shared_capacity = capacity;
        for (size_t i = 0; i < before; i++)
            if (old[i]) *shared_slot(p, p->entries[old[i] - 1].node) = old[i];
        ebb__free(old, before * sizeof *old);
    }
    *shared_slot(p, p->entries[entry].node) = entry + 1;
    p->n_shared++;
    return EBB_OK;
}

static struct ebb__entry *reach(struct ebb__pass *p, ebb_node *n) {
    struct ebb__entry *e = ebb__pass_find(p, n);
    if (e) return e;
    if (p->n >= UINT32_MAX - 1 || !ebb__grow((void **)&p->entries, &p->capacity, p->n + 1, sizeof *e)) return NULL;
    uint32_t at = (uint32_t)p->n++;
    p->entries[at] = (struct ebb__entry){.node = n, .run = true, .wanted = true};
    void *nobody = NULL;
    if (atomic_compare_exchange_strong_explicit(&n->pass, &nobody, p, memory_order_acquire, memory_order_relaxed))
        n->entry = at;
    else if (share(p, at)) return NULL;
    return &p->entries[at];
}

/* The entries are at once the queue of the search. */
ebb_status ebb__pass_discover(struct ebb__pass *p, const ebb_edge *roots, int64_t n_roots) {
    for (int64_t i = 0; i < n_roots; i++)
        if (!reach(p, roots[i].node)) return ebb_error_status();
    for (size_t at = 0; at < p->n; at++) {
        ebb_node *n = p->entries[at].node;
        const struct ebb__edge *edges = ebb__node_edges(n);
        for (uint32_t i = 0; i < n->n_in; i++) {
            if (!edges[i].node) continue;
            struct ebb__entry *e = reach(p, edges[i].node);
            if (!e) return ebb_error_status();
            e->waits++;
        }
    }
    return EBB_OK;
}

static int by_node(const void *a, const void *b) {
    uintptr_t x = (uintptr_t)((const struct ebb__capture *)a)->node,
              y = (uintptr_t)((const struct ebb__capture *)b)->node;
    return (x > y) - (x < y);
}

/* Several captures may be of one node, and there may be as many as nodes. */
static void mark_captures(struct ebb__pass *p) {
    qsort(p->captures, p->n_captures, sizeof *p->captures, by_node);
    for (size_t i = 0; i < p->n_captures; i++) {
        struct ebb__entry *e = ebb__pass_find(p, p->captures[i].node);
        if (!e) continue;
        e->wanted = true;
        e->captured = !p->accumulate;
        e->run = p->accumulate; /* of other tensors than leaves too, as in PyTorch: the node's hooks are called */
    }
}

struct ebb__capture *ebb__pass_captures_of(struct ebb__pass *p, const ebb_node *node) {
    size_t low = 0, high = p->n_captures;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)p->captures[middle].node < (uintptr_t)node) low = middle + 1;
        else high = middle;
    }
    return &p->captures[low];
}

ebb_status ebb__pass_prune(struct ebb__pass *p) {
    /* Topological order by Kahn's algorithm on a copy of the counts; then, from the leaves up, an entry runs when one
     * of its inputs is wanted. */
    size_t bytes = p->n * 2 * sizeof(uint32_t), n = 0;
    uint32_t *waits = ebb__alloc(bytes);
    if (!waits) return ebb_error_status();
    uint32_t *order = waits + p->n;
    for (size_t i = 0; i < p->n; i++) {
        waits[i] = p->entries[i].waits;
        p->entries[i].run = p->entries[i].wanted = false;
        if (waits[i] == 0) order[n++] = (uint32_t)i;
    }
    for (size_t at = 0; at < n; at++) {
        ebb_node *node = p->entries[order[at]].node;
        for (uint32_t i = 0; i < node->n_in; i++) {
            ebb_node *to = ebb__node_edges(node)[i].node;
            if (!to) continue;
            size_t k = (size_t)(ebb__pass_find(p, to) - p->entries);
            if (--waits[k] == 0) order[n++] = (uint32_t)k;
        }
    }
    assert(n == p->n); /* I1: the graph has no cycle */
    mark_captures(p);
    for (size_t at = n; at-- > 0;) {
        struct ebb__entry *e = &p->entries[order[at]];
        for (uint32_t i = 0; i < e->node->n_in && !e->run; i++) {
            ebb_node *to = ebb__node_edges(e->node)[i].node;
            if (to) e->run = ebb__pass_find(p, to)->wanted;
        }
        e->wanted = e->wanted || e->run;
    }
    ebb__free(waits, bytes);
    return EBB_OK;
}

ebb_status ebb__pass_add(struct ebb__entry *e, uint32_t nr, ebb_tensor *grad) {
    ebb_tensor **slot = &e->grad.one;
    if (e->node->n_out > 1) {
        if (!e->grad.many && !(e->grad.many = ebb__alloc_zeroed(e->node->n_out * sizeof *e->grad.many))) {
            ebb__unref(grad);
            return ebb_error_status();
        }
        slot = &e->grad.many[nr];
    }
    bool first = !*slot;
    *slot = first ? grad : ebb__add_gradients(*slot, grad);
    if (!*slot) return ebb_error_status();
    return EBB_LIKELY(first || !ebb__thread.anomaly) ? EBB_OK : ebb__check_sum(e->node, nr, *slot);
}

/* ---- the heap of ready entries (I5) ---- */

static bool later(const struct ebb__pass *p, uint32_t a, uint32_t b) {
    return p->entries[a].node->sequence > p->entries[b].node->sequence;
}

ebb_status ebb__pass_push(struct ebb__pass *p, struct ebb__entry *e) {
    if (!ebb__grow((void **)&p->ready, &p->ready_capacity, p->n_ready + 1, sizeof *p->ready)) return ebb_error_status();
    uint32_t entry = (uint32_t)(e - p->entries);
    size_t at = p->n_ready++;
    while (at > 0 && later(p, entry, p->ready[(at - 1) / 2])) {
        p->ready[at] = p->ready[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    p->ready[at] = entry;
    return EBB_OK;
}

struct ebb__entry *ebb__pass_pop(struct ebb__pass *p) {
    if (!p->n_ready) return NULL;
    uint32_t top = p->ready[0], moved = p->ready[--p->n_ready];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < p->n_ready) {
        if (child + 1 < p->n_ready && later(p, p->ready[child + 1], p->ready[child])) child++;
        if (!later(p, p->ready[child], moved)) break;
        p->ready[at] = p->ready[child];
        at = child;
    }
    p->ready[at] = moved;
    return &p->entries[top];
}

/* Nothing of it stays in nodes (I9). */
void ebb__pass_end(struct ebb__pass *p) {
    ebb__pass_end_multi(p);
    if (EBB_UNLIKELY(p->recomputed != NULL)) ebb__recomputed_end(p);
    for (size_t i = 0; i < p->n; i++) {
        ebb_node *n = p->entries[i].node;
        if (atomic_load_explicit(&n->pass, memory_order_relaxed) == p) /* others leave it alone then */
            atomic_store_explicit(&n->pass, NULL, memory_order_release);
    }
    for (size_t i = 0; i < p->n; i++) { /* only now: releasing a gradient may free nodes */
        struct ebb__entry *e = &p->entries[i];
        if (e->node->n_out <= 1) {
            ebb__unref(e->grad.one);
        } else if (e->grad.many) {
            for (int k = 0; k < e->node->n_out; k++) ebb__unref(e->grad.many[k]);
            ebb__free(e->grad.many, e->node->n_out * sizeof *e->grad.many);
        }
    }
    ebb__free(p->entries, p->capacity * sizeof *p->entries);
    ebb__free(p->ready, p->ready_capacity * sizeof *p->ready);
    ebb__free(p->shared, p->shared_capacity * sizeof *p->shared);
}
