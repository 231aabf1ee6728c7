/* Saved tensors: packed by hooks where there are any, and given back to rules. */
#include "record/saved.h"
#include "record/anomaly.h"
#include "record/tangent.h"

/* ---- blocks of hooks ---- */

static void hooks_unref(struct ebb__hooks *h) {
    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1) return;
    if (h->call.release_context) h->call.release_context(h->call.context);
    ebb__free(h, sizeof *h);
}

static ebb_saved_hooks_block block_open(const ebb_saved_hooks *hooks, const char *refused) {
    static _Atomic uint64_t next = 1;
    struct ebb__hooks *h = ebb__alloc(sizeof *h);
    if (!h) {
        if (hooks->release_context) hooks->release_context(hooks->context);
        return (ebb_saved_hooks_block){0, false};
    }
    *h = (struct ebb__hooks){.refs = 1,
                             .id = atomic_fetch_add(&next, 1),
                             .outer = ebb__thread.saved_hooks,
                             .refused = refused,
                             .call = *hooks};
    ebb__thread.saved_hooks = h;
    return (ebb_saved_hooks_block){h->id, true};
}

ebb_saved_hooks_block(ebb_saved_hooks_open)(ebb_saved_hooks hooks) {
    static const char *op = "saved_hooks_open";
    const struct ebb__hooks *around = ebb__thread.saved_hooks;
    bool fits = hooks.pack && hooks.unpack;
    if (fits && !(around && around->refused)) return block_open(&hooks, NULL);
    if (!fits) ebb__fail_null(op, hooks.pack ? "unpack" : "pack");
    else ebb__fail_op(op, EBB_ERR_GRAPH, "%s", around->refused);
    if (hooks.release_context) hooks.release_context(hooks.context);
    return (ebb_saved_hooks_block){0, false};
}

ebb_saved_hooks_block(ebb_saved_hooks_refuse)(const char *message) {
    const struct ebb__hooks *around = ebb__thread.saved_hooks;
    if (!message) message = "hooks on saved tensors are refused here";
    if (!around || around->refused) return block_open(&(ebb_saved_hooks){0}, message);
    ebb__fail_op("saved_hooks_refuse", EBB_ERR_GRAPH, "%s", message);
    return (ebb_saved_hooks_block){0, false};
}

void ebb_saved_hooks_close(ebb_saved_hooks_block *block) {
    if (!block || !block->open) return;
    block->open = false;
    struct ebb__hooks *inner = ebb__thread.saved_hooks, *own = inner;
    while (own && own->id != block->id) own = own->outer;
    if (!own) return; /* closed with a block around it, or inside a hook */
    struct ebb__hooks *outer = own->outer;
    ebb__thread.saved_hooks = outer;
    while (inner != outer) {
        struct ebb__hooks *h = inner;
        inner = h->outer;
        hooks_unref(h);
    }
}

/* ---- calling hooks ---- */

/* What is set aside while a hook runs: it is not recorded, forward mode does not follow it, no hooks apply, and nothing
 * is cast. */
struct aside {
    struct ebb__hooks *hooks;
    struct ebb__level *levels;
    const char *file;
    int line;
    bool no_grad;
    uint8_t checks;
    uint64_t failures;
    ebb_scope scope;
};

static struct aside set_aside(void) {
    struct ebb__thread *th = &ebb__thread;
    struct aside a = {th->saved_hooks, th->levels, th->file,     th->line,
                      th->no_grad,     th->checks, th->failures, ebb_scope_open()};
    th->saved_hooks = NULL;
    th->levels = NULL;
    th->no_grad = true;
    th->checks &= (uint8_t)~EBB__CHECK_AUTOCAST;
    return a;
}

static void put_back(struct aside *a) {
    struct ebb__thread *th = &ebb__thread;
    ebb_scope_close(&a->scope);
    th->saved_hooks = a->hooks;
    th->levels = a->levels;
    th->no_grad = a->no_grad;
    th->checks = a->checks;
    th->file = a->file;
    th->line = a->line;
}

ebb_status ebb__pack(ebb_tensor *t, struct ebb__packed *ret_packed) {
    struct ebb__hooks *h = ebb__thread.saved_hooks;
    /* of a batch, nobody outside can read the samples */
    if (!h || h->refused || t->flags & EBB__NUMBER || ebb__is_batched(t)) return EBB_OK;
    uint32_t version = ebb__version(t);
    bool before = ebb__failing();
    struct aside a = set_aside();
    void *value = h->call.pack(t, h->call.context);
    put_back(&a);
    bool failed = ebb__failed_since(a.failures);
    if (failed && !before) ebb__error_within("saved_hooks");
    if (failed && !value) return ebb_error_status();
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    struct ebb__packed p = {h, value};
    if (!failed && ebb__version(t) == version) return *ret_packed = p, EBB_OK;
    ebb__packed_release(&p);
    if (failed) return ebb_error_status();
    return ebb__fail_op("saved_hooks", EBB_ERR_CALLBACK,
                        "pack has written the tensor that it was given to pack: it may read it only");
}

void ebb__packed_release(struct ebb__packed *p) {
    struct ebb__packed was = *p;
    *p = (struct ebb__packed){NULL, NULL};
    if (!was.hooks) return;
    if (was.hooks->call.release) was.hooks->call.release(was.value, was.hooks->call.context);
    hooks_unref(was.hooks);
}

static ebb_status check_unpacked(const ebb_tensor *t, const ebb_tensor *like) {
    char got[EBB__SHAPE_TEXT], want[EBB__SHAPE_TEXT];
    if (t->dtype == like->dtype && ebb__same_shape(t, like)) return EBB_OK;
    return ebb__fail_op("saved_hooks", EBB_ERR_CALLBACK, "unpack returned %s %s for a tensor that was packed as %s %s",
                        ebb_dtype_name((ebb_dtype)t->dtype), ebb__shape_text(got, t->ndim, ebb__sizes(t)),
                        ebb_dtype_name((ebb_dtype)like->dtype), ebb__shape_text(want, like->ndim, ebb__sizes(like)));
}

ebb_tensor *ebb__unpack(const struct ebb__packed *p, const ebb_tensor *like) {
    struct ebb__hooks *h = p->hooks;
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed); /* unpack may let go of the graph */
    struct aside a = set_aside();
    ebb_tensor *t = h->call.unpack(p->value, h->call.context);
    bool failed = ebb__failed_since(a.failures);
    if (t && !failed) ebb__ref(t);
    else t = NULL;
    put_back(&a);
    if (!t && !failed) ebb__fail_op("saved_hooks", EBB_ERR_CALLBACK, "unpack returned no tensor");
    if (t && check_unpacked(t, like)) {
        ebb__unref(t);
        t = NULL;
    }
    hooks_unref(h);
    if (!t || !(like->flags & EBB__HAS_TANGENT)) return t;
    ebb_tensor *dual = ebb__alias_with_history(t, NULL, 0);
    ebb__unref(t);
    if (!dual || !ebb__tangents_share(dual, like)) return dual;
    ebb__unref(dual);
    return NULL;
}

/* ---- what nodes save ---- */

ebb_status ebb__node_pack(ebb_node *n) {
    struct ebb__saved *s = ebb__node_saved(n);
    struct ebb__node_extra *x = ebb__node_extra(n);
    if (!x || !(x->packed = ebb__alloc_zeroed(n->n_saved * sizeof *x->packed))) return ebb_error_status();
    n->flags |= EBB__NODE_PACKED;
    for (uint32_t i = 0; i < n->n_saved; i++, s++) {
        /* the call itself has overwritten it: kept for the error's text */
        bool lost = s->t && s->version != ebb__version(s->t);
        if (!s->t || ebb__saved_kind(s) == EBB__SAVED_META || lost) continue;
        ebb_tensor *outside = ebb__tensor_meta((ebb_dtype)s->t->dtype, s->t->ndim, s->t->dims);
        if (!outside) return ebb_error_status();
        bool failed = ebb__tangents_keep(outside, s->t) || ebb__pack(s->t, &x->packed[i]);
        if (failed || !x->packed[i].hooks) {
            ebb__unref(outside);
            if (failed) return ebb_error_status();
            continue;
        }
        ebb__unhold(s->t);
        atomic_init(&outside->refs, EBB__HOLD);
        s->t = outside;
        s->version = 0;
    }
    return EBB_OK;
}

void ebb__node_packed_release(ebb_node *n) {
    struct ebb__packed *packed = n->extra->packed;
    if (!packed) return;
    n->extra->packed = NULL;
    n->flags &= (uint8_t)~EBB__NODE_PACKED;
    for (uint32_t i = 0; i < n->n_saved; i++) ebb__packed_release(&packed[i]);
    ebb__free(packed, n->n_saved * sizeof *packed);
}

/* ---- for rules ---- */

ebb_tensor *ebb__alias_with_history(ebb_tensor *t, ebb_node *n, uint32_t nr) {
    ebb_tensor *a = ebb__tensor_alias(t, t->ndim, ebb__sizes(t), ebb__strides(t), 0);
    if (!a) return NULL;
    if (n) ebb__node_ref(n);
    a->grad_fn = n;
    a->output_nr = (uint16_t)nr;
    if (EBB_LIKELY(!(t->flags & EBB__HAS_TANGENT)) || !ebb__tangents_share(a, t)) return a;
    ebb__unref(a);
    return NULL;
}

/* The tensor of slot s, whose data t has, with its history where that is recorded. */
static EBB_NOINLINE ebb_tensor *get_with_history(ebb_node *n, const struct ebb__saved *s, ebb_tensor *t, bool packed,
                                                 bool *ret_owned) {
    bool recording = !ebb__thread.no_grad && ebb__is_floating(t->dtype), out = ebb__saved_kind(s) == EBB__SAVED_OUT;
    const struct ebb__edge of_output = {n, ebb__saved_index(s)};
    const struct ebb__edge *e = out ? &of_output : &ebb__node_edges(n)[ebb__saved_index(s)];
    bool leaf = e->node && e->node->flags & EBB__NODE_LEAF;
    /* The leaf itself, unless hooks gave another tensor in its place. */
    if (recording && leaf && (!packed || t == ebb__leaf_tensor(e->node))) return ebb__leaf_tensor(e->node);
    /* Of an input that was written before it was saved, another thread may take the history away just now. */
    bool unsteady = !packed && ebb__version(t) && !out && e->node && !leaf;
    if (!unsteady && (!recording || t->grad_fn == e->node)) return t;
    *ret_owned = true; /* an output, a view, unpacked, or an input detached since */
    return ebb__alias_with_history(t, recording ? e->node : NULL, e->nr);
}

static ebb_tensor *get_packed(ebb_node *n, const struct ebb__saved *s, bool *ret_owned) {
    const struct ebb__packed *p = ebb__packed_of(n, (uint32_t)(s - ebb__node_saved(n)));
    if (!p) return get_with_history(n, s, s->t, false, ret_owned);
    ebb_tensor *t = ebb__unpack(p, s->t);
    if (!t) return NULL;
    *ret_owned = true;
    ebb_tensor *with_history = get_with_history(n, s, t, true, ret_owned);
    if (with_history != t) ebb__unref(t);
    return with_history;
}

ebb_tensor *ebb__saved_get(ebb_node *n, const struct ebb__saved *s, bool *ret_owned) {
    ebb_tensor *t = s->t;
    *ret_owned = false;
    if (!t || ebb__saved_kind(s) == EBB__SAVED_META) return t;
    uint32_t version = ebb__version(t);
    if (EBB_UNLIKELY(version != s->version)) { /* I3 */
        ebb__fail_overwritten(n, s);
        return NULL;
    }
    if (EBB_UNLIKELY(n->flags & EBB__NODE_PACKED)) return get_packed(n, s, ret_owned);
    if (EBB_LIKELY(ebb__thread.no_grad && version == 0)) return t;
    return get_with_history(n, s, t, false, ret_owned);
}
