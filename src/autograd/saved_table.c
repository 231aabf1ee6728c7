/* What is saved for backward, and what is alive, as tables by line. */
#include "autograd/memory_table.h"
#include "record/pointers.h"
#include "record/saved.h"
#include "record/trace.h"
#include <stdlib.h>

static ebb_status add(struct ebb__items *items, const struct ebb__item *item) {
    if (!ebb__grow((void **)&items->item, &items->capacity, items->n + 1, sizeof *item)) return ebb_error_status();
    items->item[items->n++] = *item;
    return EBB_OK;
}

static int64_t own_bytes(const ebb_tensor *t) { return t->numel * ebb__dtype_sizes[t->dtype]; }

/* The bytes of a tensor's storage, unless that has been counted. */
static int64_t bytes_once(struct ebb__pointers *counted, const ebb_tensor *t) {
    bool first;
    if (!t->storage || ebb__pointers_add(counted, t->storage, &first) == SIZE_MAX) return 0;
    return first ? (int64_t)t->storage->bytes : 0;
}

/* ---- saved ---- */

static ebb_status gather(struct ebb__pointers *nodes, ebb_list roots) {
    bool first;
    for (int64_t i = 0; i < roots.n; i++) {
        if (!roots.t[i]) return ebb__fail_null("saved_table", "a root");
        ebb_node *n = ebb_tensor_gradient_node(roots.t[i]);
        if (n && ebb__pointers_add(nodes, n, &first) == SIZE_MAX) return ebb_error_status();
    }
    for (size_t at = 0; at < nodes->n; at++) {
        const ebb_node *n = nodes->list[at];
        for (uint32_t i = 0; i < n->n_in; i++) {
            const ebb_node *to = ebb__node_edges(n)[i].node;
            if (to && ebb__pointers_add(nodes, to, &first) == SIZE_MAX) return ebb_error_status();
        }
    }
    return EBB_OK;
}

static int by_sequence(const void *left, const void *right) {
    uint64_t a = (*(const ebb_node *const *)left)->sequence, b = (*(const ebb_node *const *)right)->sequence;
    return (a > b) - (a < b);
}

/* Values that hooks hold in the place of tensors: what they say themselves. */
static int64_t packed_bytes(struct ebb__pointers *counted, const struct ebb__packed *p) {
    bool first;
    if (!p->hooks->call.bytes || !p->value || ebb__pointers_add(counted, p->value, &first) == SIZE_MAX) return 0;
    return first ? p->hooks->call.bytes(p->value, p->hooks->call.context) : 0;
}

static ebb_status add_saved(struct ebb__items *items, struct ebb__pointers *counted, const ebb_node *n) {
    const struct ebb__saved *s = ebb__node_saved(n);
    if (n->flags & EBB__NODE_RELEASED) return EBB_OK;
    for (uint32_t k = 0; k < n->n_saved; k++, s++) {
        if (!s->t || ebb__saved_kind(s) == EBB__SAVED_META || s->t->flags & EBB__NUMBER) continue;
        const struct ebb__packed *p = ebb__packed_of(n, k);
        const struct ebb__item item = {.file = n->file ? n->file : "",
                                       .line = n->line,
                                       .op = n->op->name,
                                       .bytes = p ? packed_bytes(counted, p) : bytes_once(counted, s->t),
                                       .size = own_bytes(s->t),
                                       .t = s->t,
                                       .node = n,
                                       .saved = s};
        if (add(items, &item)) return ebb_error_status();
    }
    return EBB_OK;
}

ebb_status(ebb_saved_table)(ebb_list roots, ebb_memory_table *ret_table) {
    struct ebb__pointers nodes = {0}, counted = {0};
    struct ebb__items items = {0};
    int64_t leaf_bytes = 0;
    uint64_t failures = ebb__thread.failures;
    if (!ret_table || (roots.n && !roots.t)) return ebb__fail_null("saved_table", ret_table ? "roots" : "ret_table");
    ebb_status status = gather(&nodes, roots);
    if (!status && nodes.n)
        qsort(nodes.list, nodes.n, sizeof *nodes.list, by_sequence); /* (no look-ups from here on) */
    for (size_t i = 0; i < nodes.n && !status; i++) { /* memory of leaves is there anyway: it counts as counted */
        const ebb_node *n = nodes.list[i];
        if (n->flags & EBB__NODE_LEAF) leaf_bytes += bytes_once(&counted, ebb__leaf_tensor(n));
    }
    for (size_t i = 0; i < nodes.n && !status; i++) {
        const ebb_node *n = nodes.list[i];
        if (!(n->flags & EBB__NODE_LEAF)) status = add_saved(&items, &counted, n);
    }
    if (!status && ebb__failed_since(failures)) status = ebb_error_status(); /* (of a look-up, or of a hook) */
    if (!status) status = ebb__items_to_table(&items, ret_table);
    if (!status) ret_table->leaf_bytes = leaf_bytes;
    ebb__items_end(&items);
    ebb__pointers_end(&nodes);
    ebb__pointers_end(&counted);
    return status;
}

/* ---- alive ---- */

ebb_status(ebb_alive_table)(ebb_memory_table *ret_table) {
    struct ebb__pointers counted = {0};
    struct ebb__items items = {0};
    uint64_t failures = ebb__thread.failures;
    ebb_status status = EBB_OK;
    if (!ret_table) return ebb__fail_null("alive_table", "ret_table");
    ebb__traces_lock();
    for (const struct ebb__trace *a = ebb__traces_first(); a && !status; a = a->next) {
        uint64_t refs = atomic_load_explicit(&a->t->refs, memory_order_relaxed);
        if (a->t->flags & EBB__NUMBER) continue;
        const struct ebb__item item = {.file = a->file ? a->file : "",
                                       .line = a->file ? a->line : 0,
                                       .op = a->calling ? a->calling : "-",
                                       .only_graph = (uint32_t)refs == 0,
                                       .bytes = bytes_once(&counted, a->t),
                                       .size = own_bytes(a->t),
                                       .t = a->t};
        status = add(&items, &item);
    }
    if (!status && ebb__failed_since(failures)) status = ebb_error_status();
    if (!status) status = ebb__items_to_table(&items, ret_table);
    ebb__traces_unlock();
    ebb__items_end(&items);
    ebb__pointers_end(&counted);
    return status;
}
