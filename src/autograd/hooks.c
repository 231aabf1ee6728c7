/* Hooks on gradients: registering them, and calling them in a pass. The order of the kinds is the engine's. */
#include "autograd/hooks.h"

#include "autograd/anomaly.h"

/* ---- registering ---- */

static const char multi_op[] = "register_multi_grad_hook";

/* Where gradients of t go; NULL and an error when it does not require any. */
static ebb_node *watched(const char *op, ebb_tensor *t) {
    if (!t) {
        ebb__fail_null(op, "tensor");
        return NULL;
    }
    if (!ebb__requires_grad(t)) {
        ebb__fail_op(op, EBB_ERR_GRAPH, "cannot watch the gradient of a tensor that does not require one");
        return NULL;
    }
    return ebb__refresh(t) ? NULL : ebb__gradient_node(t);
}

static uint32_t output_of(const ebb_tensor *t) { return t->grad_fn ? t->output_nr : 0; }

static ebb_hook add(const char *op, ebb_node *n, const struct ebb__hook *hook) {
    bool given = hook->call.tensor; /* (any member of the union) */
    if (n && given) return ebb__hook_add(n, hook);
    if (n || !ebb__failing()) ebb__fail_null(op, n ? "hook" : "node");
    return 0;
}

ebb_hook(ebb_register_hook)(ebb_tensor *t, ebb_tensor_hook hook, void *context, void (*release)(void *)) {
    static const char op[] = "register_hook";
    ebb_node *n = watched(op, t);
    if (!n) return 0;
    const struct ebb__hook h = {
        .kind = EBB__HOOK_TENSOR, .nr = output_of(t), .call.tensor = hook, .context = context, .release = release};
    return add(op, n, &h);
}

ebb_hook(ebb_register_post_accumulate_grad_hook)(ebb_tensor *t, ebb_accumulated_hook hook, void *context,
                                                 void (*release)(void *)) {
    static const char op[] = "register_post_accumulate_grad_hook";
    ebb_node *n = watched(op, t);
    if (!n) return 0;
    if (!(n->flags & EBB__NODE_LEAF)) {
        ebb__fail_op(op, EBB_ERR_GRAPH, "only leaves gather gradients: the tensor was computed by %s", n->name);
        return 0;
    }
    const struct ebb__hook h = {
        .kind = EBB__HOOK_ACCUMULATED, .call.accumulated = hook, .context = context, .release = release};
    return add(op, n, &h);
}

ebb_hook(ebb_node_register_prehook)(ebb_node *n, ebb_node_prehook hook, void *context, void (*release)(void *)) {
    const struct ebb__hook h = {.kind = EBB__HOOK_BEFORE, .call.before = hook, .context = context, .release = release};
    return add("node_register_prehook", n, &h);
}

ebb_hook(ebb_node_register_hook)(ebb_node *n, ebb_node_hook hook, void *context, void (*release)(void *)) {
    const struct ebb__hook h = {.kind = EBB__HOOK_AFTER, .call.after = hook, .context = context, .release = release};
    return add("node_register_hook", n, &h);
}

ebb_hook(ebb_register_multi_grad_hook)(ebb_list tensors, enum ebb_multi_grad_mode mode, ebb_multi_grad_hook hook,
                                       void *context, void (*release)(void *)) {
    if (tensors.n <= 0 || !tensors.t || !hook) {
        ebb__fail_null(multi_op, hook ? "the list of tensors" : "hook");
        return 0;
    }
    size_t n = (size_t)tensors.n, bytes = n * (sizeof(ebb_node *) + sizeof(uint32_t));
    ebb_node **nodes = ebb__alloc_zeroed(bytes);
    if (!nodes) return 0;
    uint32_t *nr = (uint32_t *)(void *)(nodes + n);
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        ebb_tensor *t = tensors.t[i];
        if (mode == EBB_MULTI_GRAD_ANY && t && !ebb__requires_grad(t)) continue;
        ok = (nodes[i] = watched(multi_op, t));
        if (ok) nr[i] = output_of(t);
    }
    const struct ebb__multi m = {
        .any = mode == EBB_MULTI_GRAD_ANY, .call = hook, .context = context, .release = release};
    ebb_hook id = ok ? ebb__hook_add_multi(nodes, nr, tensors.n, &m) : 0;
    ebb__free(nodes, bytes);
    return id;
}

/* ---- several tensors with one hook ---- */

/* What has arrived in a pass. */
struct ebb__multi_state {
    struct ebb__multi *multi; /* a reference */
    struct ebb__multi_state *next;
    int64_t waits;
    bool done;
    ebb_tensor *grads[]; /* [multi->n], references */
};

static bool will_arrive(void *pass, ebb_node *n) {
    const struct ebb__entry *e = ebb__pass_find(pass, n);
    return e && e->wanted;
}

static struct ebb__multi_state *state_of(struct ebb__pass *p, struct ebb__multi *m) {
    struct ebb__multi_state *s = p->multi;
    while (s && s->multi != m) s = s->next;
    if (s || !(s = ebb__alloc_zeroed(sizeof *s + (size_t)m->n * sizeof(ebb_tensor *)))) return s;
    s->waits = ebb__multi_count(m, will_arrive, p);
    s->multi = m;
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    s->next = p->multi;
    return p->multi = s;
}

void ebb__pass_end_multi(struct ebb__pass *p) {
    for (struct ebb__multi_state *s; (s = p->multi);) {
        p->multi = s->next;
        size_t bytes = sizeof *s + (size_t)s->multi->n * sizeof(ebb_tensor *);
        for (int64_t i = 0; i < s->multi->n; i++) ebb__unref(s->grads[i]);
        ebb__multi_unref(s->multi);
        ebb__free(s, bytes);
    }
}

/* grad NULL: nothing flowed there, and nothing will. */
static ebb_status arrived(struct ebb__pass *p, const struct ebb__hook *h, ebb_tensor *grad) {
    struct ebb__multi_state *s = state_of(p, h->multi);
    if (!s) return ebb_error_status();
    if (grad) ebb__ref(grad);
    ebb__unref(s->grads[h->part]);
    s->grads[h->part] = grad;
    s->waits--;
    if (s->done || (h->multi->any ? !grad : s->waits > 0)) return EBB_OK;
    s->done = true;
    uint64_t failures = ebb__thread.failures;
    h->multi->call((ebb_list){h->multi->n, s->grads}, h->multi->context);
    return ebb__failed_since(failures) ? ebb_error_status() : EBB_OK;
}

/* ---- calling ---- */

/* Of the line that registered the hook, naming that of the call that is differentiated and that of the pass. */
static ebb_status fail_changed(const struct ebb__pass *p, const ebb_node *n, const struct ebb__hook *h,
                               const char *what, const ebb_tensor *now, struct ebb__meta m) {
    char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT], recorded[EBB__WRITER_TEXT] = "", pass[EBB__WRITER_TEXT] = "";
    if (n->file && n->file[0]) snprintf(recorded, sizeof recorded, ", recorded at %s:%d,", n->file, n->line);
    if (p->file && h->file) snprintf(pass, sizeof pass, ", in the pass at %s:%d", p->file, p->line);
    if (h->file) {
        ebb__thread.file = h->file;
        ebb__thread.line = h->line;
    }
    return ebb__fail_op("hook", EBB_ERR_SHAPE, "a hook on %s of %s%s returned %s %s for a gradient %s %s%s", what,
                        n->name, recorded, ebb_dtype_name((ebb_dtype)now->dtype),
                        ebb__shape_text(a, now->ndim, ebb__sizes(now)), ebb_dtype_name(m.dtype),
                        ebb__shape_text(b, m.ndim, m.sizes), pass);
}

static bool fits(const ebb_tensor *t, struct ebb__meta m) {
    bool same = t->dtype == m.dtype && t->ndim == m.ndim;
    for (int i = 0; i < m.ndim && same; i++) same = t->dims[i] == m.sizes[i];
    return same;
}

/* Put `now` (borrowed) in the place of a gradient. */
static ebb_status replace(const struct ebb__pass *p, const ebb_node *n, const struct ebb__hook *h, ebb_tensor **grad,
                          ebb_tensor *now, struct ebb__meta m) {
    if (now == *grad) return EBB_OK;
    if (now && !fits(now, m)) return fail_changed(p, n, h, "an output", now, m);
    if (now && EBB_UNLIKELY(ebb__thread.anomaly) && ebb__check_replaced(n, now)) return ebb_error_status();
    if (now) ebb__ref(now);
    ebb__unref(*grad);
    *grad = now;
    return EBB_OK;
}

/* Before hooks: the pass's line, which is what an error of theirs names. */
static void at_pass(const struct ebb__pass *p) {
    ebb__thread.file = p->file;
    ebb__thread.line = p->line;
}

static ebb_status call_before(const struct ebb__pass *p, ebb_node *n, const struct ebb__hook *h, ebb_tensor **grad) {
    ebb_tensor *small[EBB__HOOKS_SMALL], **seen = small;
    size_t bytes = n->n_out > EBB__HOOKS_SMALL ? n->n_out * sizeof(ebb_tensor *) : 0;
    if (bytes && !(seen = ebb__alloc(bytes))) return ebb_error_status();
    for (uint32_t k = 0; k < n->n_out; k++) seen[k] = grad[k];
    uint64_t failures = ebb__thread.failures;
    h->call.before(n, seen, h->context);
    ebb_status status = ebb__failed_since(failures) ? ebb_error_status() : EBB_OK;
    for (uint32_t k = 0; k < n->n_out && !status; k++)
        status = replace(p, n, h, &grad[k], seen[k], ebb__node_meta(n, k));
    if (bytes) ebb__free(seen, bytes);
    return status;
}

static ebb_status call_tensor(const struct ebb__pass *p, ebb_node *n, const struct ebb__hook *h, ebb_tensor **grad) {
    if (!*grad) return EBB_OK;
    uint64_t failures = ebb__thread.failures;
    ebb_tensor *now = h->call.tensor(*grad, h->context);
    if (ebb__failed_since(failures)) return ebb_error_status();
    return now ? replace(p, n, h, grad, now, ebb__node_meta(n, h->nr)) : EBB_OK;
}

ebb_status ebb__hooks_call(struct ebb__pass *p, ebb_node *n, unsigned kinds, ebb_tensor **grad) {
    struct ebb__hook_list list;
    ebb_scope scope = ebb_scope_open();
    ebb_status status = ebb__hooks_list(&list, n, kinds);
    for (size_t i = 0; i < list.n && !status; i++) {
        struct ebb__hook *h = list.hooks[i];
        if (atomic_load_explicit(&h->removed, memory_order_relaxed)) continue;
        at_pass(p);
        uint64_t failures = ebb__thread.failures;
        switch ((enum ebb__hook_kind)h->kind) {
        case EBB__HOOK_TENSOR: status = call_tensor(p, n, h, &grad[h->nr]); break;
        case EBB__HOOK_MULTI: status = arrived(p, h, grad[h->nr]); break;
        case EBB__HOOK_BEFORE: status = call_before(p, n, h, grad); break;
        case EBB__HOOK_ACCUMULATED:
            h->call.accumulated(ebb__leaf_tensor(n), h->context);
            if (ebb__failed_since(failures)) status = ebb_error_status();
            break;
        case EBB__HOOK_AFTER: break; /* ebb__hooks_call_after */
        }
    }
    ebb__hooks_list_end(&list);
    ebb_scope_close(&scope);
    return status;
}

ebb_status ebb__hooks_call_after(struct ebb__pass *p, ebb_node *n, ebb_tensor **given, ebb_tensor *const *grad) {
    struct ebb__hook_list list;
    ebb_status status = ebb__hooks_list(&list, n, EBB__HOOK_AFTER);
    for (size_t i = 0; i < list.n && !status; i++) {
        struct ebb__hook *h = list.hooks[i];
        if (atomic_load_explicit(&h->removed, memory_order_relaxed)) continue;
        at_pass(p);
        uint64_t failures = ebb__thread.failures;
        h->call.after(n, given, grad, h->context);
        if (ebb__failed_since(failures)) status = ebb_error_status();
        const struct ebb__edge *edges = ebb__node_edges(n);
        for (uint32_t k = 0; k < n->n_in && !status; k++) {
            if (!edges[k].node || !given[k]) continue;
            struct ebb__meta m = ebb__node_meta(edges[k].node, edges[k].nr);
            if (!fits(given[k], m)) status = fail_changed(p, n, h, "an input", given[k], m);
        }
    }
    ebb__hooks_list_end(&list);
    return status;
}
