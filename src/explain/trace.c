/* Watching a computation: what each node was given, and copies of what it gave. */
#include "explain/trace.h"
#include <ebb/ops.h>

ebb_tensor *ebb__copy_kept(ebb_tensor *t) {
    ebb_tensor *copy = NULL;
    ebb_grad_mode mode = ebb_grad_mode_open(false);
    ebb_scope scope = ebb_scope_open();
    copy = ebb_keep((ebb_clone)(t));
    ebb_scope_close(&scope);
    ebb_grad_mode_close(&mode);
    return copy;
}

static ebb_tensor **keep_all(struct ebb__trace *t, ebb_list list) {
    ebb_tensor **kept = ebb__arena_get(&t->arena, (size_t)list.n * sizeof *kept);
    for (int64_t i = 0; kept && i < list.n; i++) kept[i] = ebb_keep(list.t[i]);
    return kept;
}

static void recorded(ebb_node *node, ebb_list in, ebb_list out, void *context) {
    struct ebb__trace *t = context;
    if (t->failed || ebb_error()) return;
    t->failed = true; /* until all of it has been kept */
    if (!ebb__array_grow(&t->calls, &t->room, t->n + 1, sizeof *t->calls)) return;
    struct ebb__traced *c = &t->calls[t->n++];
    *c = (struct ebb__traced){.node = node, .parts_of = ebb_watch_parts_of()};
    if ((c->in = keep_all(t, in))) c->n_in = in.n;
    if ((c->out = keep_all(t, out))) c->n_out = out.n;
    c->value = ebb__arena_get(&t->arena, (size_t)out.n * sizeof(ebb_tensor *));
    if (!c->in || !c->out || !c->value) return;
    /* its history is not there yet */
    for (int64_t k = 0; k < out.n; k++)
        if (out.t[k] && !(c->value[k] = ebb__copy_kept(out.t[k]))) return;
    if (!ebb__addresses_set(&t->by_node, node, t->n - 1)) return;
    t->failed = false;
}

void ebb__trace_open(struct ebb__trace *t) { ebb_watch_open(&t->watch, recorded, t); }

ebb_status ebb__trace_close(struct ebb__trace *t) {
    ebb_watch_close(&t->watch);
    return t->failed && ebb_error() ? ebb_error_status() : EBB_OK;
}

void ebb__trace_free(struct ebb__trace *t) {
    for (int64_t i = 0; i < t->n; i++) {
        struct ebb__traced *c = &t->calls[i];
        for (int64_t k = 0; k < c->n_in; k++) (void)ebb_drop(c->in[k]);
        for (int64_t k = 0; k < c->n_out; k++) (void)ebb_drop(c->out[k]);
        for (int64_t k = 0; c->value && k < c->n_out; k++) (void)ebb_drop(c->value[k]);
    }
    ebb__array_free(t->calls, t->room, sizeof *t->calls);
    ebb__addresses_free(&t->by_node);
    ebb__arena_free(&t->arena);
    *t = (struct ebb__trace){0};
}

const struct ebb__traced *ebb__trace_find(const struct ebb__trace *t, const ebb_node *node) {
    int64_t i = t ? ebb__addresses_find(&t->by_node, node) : -1;
    return i < 0 ? NULL : &t->calls[i];
}
