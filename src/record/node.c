/* Nodes: made when a call is recorded, freed without recursion; and the autograd state of tensors. */
#include "record/call.h"
#include "record/hooks.h"
#include "record/saved.h"
#include "record/tangent.h"
#include "record/trace.h"
#include <string.h>

/* ---- leaves and their state ---- */

struct ebb__autograd *ebb__autograd_of(ebb_tensor *t) {
    struct ebb__autograd *a = atomic_load_explicit(&t->autograd, memory_order_acquire);
    if (a) return a;
    a = ebb__alloc_zeroed(sizeof *a);
    if (!a) return NULL;
    a->self = t;
    a->leaf.flags = EBB__NODE_LEAF;
    a->leaf.n_out = 1;
    a->leaf.name = "AccumulateGrad";
    a->leaf.sequence = UINT64_MAX; /* leaves come first in a pass: their gradients are not held longer than needed */
    a->leaf.file = "";
    struct ebb__autograd *expected = NULL; /* another thread may have been first */
    if (atomic_compare_exchange_strong_explicit(&t->autograd, &expected, a, memory_order_acq_rel, memory_order_acquire))
        return a;
    ebb__free(a, sizeof *a);
    return expected;
}

ebb_node *ebb__leaf_node(ebb_tensor *t) {
    if (!(t->flags & EBB__REQUIRES_GRAD)) return NULL;
    struct ebb__autograd *a = ebb__autograd_of(t);
    return a ? &a->leaf : NULL;
}

struct ebb__meta ebb__node_meta(const ebb_node *n, uint32_t nr) {
    if (n->flags & EBB__NODE_LEAF) {
        const ebb_tensor *t = ebb__leaf_tensor(n);
        return (struct ebb__meta){(ebb_dtype)t->dtype, t->ndim, t->dims};
    }
    const int64_t *m = ebb__node_metas(n);
    if (n->flags & EBB__NODE_ALIKE) { /* unbind has thousands, and each gradient looks its own up */
        m += nr * (1 + (m[0] >> 8));
    } else {
        while (nr--) m += 1 + (m[0] >> 8);
    }
    return (struct ebb__meta){(ebb_dtype)(m[0] & 255), (int)(m[0] >> 8), m + 1};
}

struct ebb__node_extra *ebb__node_extra(ebb_node *n) {
    if (!n->extra) n->extra = ebb__alloc_zeroed(sizeof *n->extra);
    return n->extra;
}

static void extra_free(ebb_node *n) {
    struct ebb__node_extra *x = n->extra;
    if (!x) return;
    ebb__node_packed_release(n);
    ebb__hooks_release(n);
    if (x->retain) ebb__free(x->retain, n->n_out * sizeof *x->retain);
    for (struct ebb__node_name *name; (name = x->names);) {
        x->names = name->next;
        ebb__free(name, sizeof *name);
    }
    ebb__free(x, sizeof *x);
    n->extra = NULL;
}

void ebb__unretain(const ebb_tensor *t) {
    struct ebb__node_extra *x = t->grad_fn ? t->grad_fn->extra : NULL;
    if ((t->flags & EBB__RETAINS_GRAD) && x && x->retain && x->retain[t->output_nr] == t)
        x->retain[t->output_nr] = NULL;
}

/* A history is a cycle only when it was written anew, in place, after a node had saved the tensor; all others stay, so
 * that rules that run in another thread may read them. */
void ebb__tensor_release_history(ebb_tensor *t) {
    struct ebb__autograd *a = t->autograd;
    if (a && a->grad) {
        ebb_tensor *grad = a->grad;
        a->grad = NULL;
        ebb__unref(grad);
    }
    ebb__unretain(t);
    if (!ebb__version(t)) return;
    ebb_node *n = t->grad_fn;
    t->grad_fn = NULL;
    ebb__node_unref(n);
}

void ebb__tensor_release_autograd(ebb_tensor *t) {
    ebb__unretain(t);
    ebb__node_unref(t->grad_fn);
    struct ebb__autograd *a = t->autograd;
    if (!a) return;
    ebb__unref(a->grad);
    ebb__tangents_release(a);
    if (EBB_UNLIKELY(a->trace)) ebb__trace_end(a->trace);
    extra_free(&a->leaf);
    if (a->name) ebb__free(a->name, EBB__NAME_BYTES);
    ebb__free(a, sizeof *a);
}

/* ---- freeing (I8) ----
 * A dying node may hold the last reference to others, and so on for millions: they wait in a list (linked through
 * `pass`, which a dying node no longer needs) that the outermost call empties. */

void ebb__node_release_saved(ebb_node *n, const char *file, int line) {
    struct ebb__saved *s = ebb__node_saved(n), *first = NULL;
    if (n->flags & EBB__NODE_RELEASED) return;
    for (uint32_t i = 0; i < n->n_saved; i++) {
        if (ebb__saved_kind(&s[i]) == EBB__SAVED_META) continue;
        ebb_tensor *t = s[i].t;
        s[i].t = NULL;
        ebb__unhold(t);
        if (!first) first = &s[i];
    }
    if (!first) return; /* saves no values: can be run again, as in PyTorch */
    n->flags |= EBB__NODE_RELEASED;
    first->released_file = file;
    first->version = (uint32_t)line;
    if (EBB_UNLIKELY(n->flags & EBB__NODE_PACKED)) ebb__node_packed_release(n);
}

static void free_saved(ebb_node *n) {
    struct ebb__saved *s = ebb__node_saved(n);
    for (uint32_t i = 0; i < n->n_saved; i++)
        if (!(n->flags & EBB__NODE_RELEASED) || ebb__saved_kind(&s[i]) == EBB__SAVED_META) ebb__unhold(s[i].t);
}

void ebb__node_free_later(ebb_node *n) {
    struct ebb__thread *th = &ebb__thread;
    atomic_store_explicit(&n->pass, th->free_list, memory_order_relaxed);
    th->free_list = n;
    if (th->freeing) return;
    th->freeing = true;
    while ((n = th->free_list)) {
        th->free_list = atomic_load_explicit(&n->pass, memory_order_relaxed);
        free_saved(n);
        if (EBB_UNLIKELY(n->op->drop_attrs) && n->attrs_at) n->op->drop_attrs((char *)n + n->attrs_at);
        for (uint32_t i = 0; i < n->n_in; i++) ebb__node_unref(ebb__node_edges(n)[i].node);
        extra_free(n);
        ebb__free(n, n->size);
    }
    th->freeing = false;
}

/* ---- recording ---- */

static ebb_node *node_new(const struct ebb_op *op, int64_t n_in, const void *attrs, ebb_tensor *const *out, int n_out,
                          uint32_t n_saved) {
    size_t metas = (size_t)n_out;
    for (int i = 0; i < n_out; i++) metas += out[i]->ndim;
    size_t attrs_at = sizeof(ebb_node) + (size_t)n_in * sizeof(struct ebb__edge) +
                      (size_t)n_saved * sizeof(struct ebb__saved) + 8 * metas;
    size_t size = attrs_at + (EBB_LIKELY(op->n_attrs == 0) ? op->attrs_size : ebb__attrs_bytes(op, attrs));
    if (EBB_UNLIKELY(size > UINT32_MAX)) {
        ebb_fail(EBB_ERR_MEMORY, "a node of %zu bytes", size);
        return NULL;
    }
    ebb_node *n = ebb__alloc(size);
    if (EBB_UNLIKELY(!n)) return NULL;
    struct ebb__thread *th = &ebb__thread;
    atomic_init(&n->refs, 0);
    n->flags = 0;
    n->n_out = (uint16_t)n_out;
    n->n_saved = n_saved;
    n->op = op;
    n->name = op->node ? op->node : op->name;
    n->sequence = th->sequence++;
    n->file = th->file;
    n->line = th->line;
    n->n_in = (uint32_t)n_in;
    atomic_init(&n->pass, NULL);
    n->size = (uint32_t)size;
    n->attrs_at = op->attrs_size ? (uint32_t)attrs_at : 0;
    n->extra = NULL;
    int64_t *m = ebb__node_metas(n);
    if (n_out > 1) {
        int alike = 1;
        while (alike < n_out && out[alike]->ndim == out[0]->ndim) alike++;
        if (alike == n_out) n->flags = EBB__NODE_ALIKE;
    }
    for (int i = 0; i < n_out; i++) {
        *m++ = (int64_t)out[i]->dtype | (int64_t)out[i]->ndim << 8;
        for (int d = 0; d < out[i]->ndim; d++) *m++ = out[i]->dims[d];
    }
    return n;
}

/* What would own the node that saves it is saved through an alias: an output, a view (its base may be written later),
 * and what the call itself has overwritten, which is there for the error's text only. */
static bool save(struct ebb__saved *s, enum ebb__saved_kind kind, uint32_t index, ebb_tensor *t, bool overwritten) {
    s->t = t;
    s->version = 0;
    s->what = (uint32_t)kind | index << 2;
    if (!t) return true;
    if (EBB_UNLIKELY(t->flags & EBB__INFERENCE) && kind != EBB__SAVED_META) { /* I13 */
        s->t = NULL;
        ebb_fail(EBB_ERR_GRAPH, "an inference tensor cannot be saved for backward; clone it first, or make it under "
                                "no_grad instead of in inference mode");
        return false;
    }
    if (kind == EBB__SAVED_IN && !overwritten && EBB_LIKELY(!t->base)) {
        ebb__hold(t);
        s->version = ebb__version(t);
        return true;
    }
    if (kind == EBB__SAVED_META) s->t = ebb__tensor_meta((ebb_dtype)t->dtype, t->ndim, t->dims);
    else s->t = ebb__tensor_alias(t, t->ndim, ebb__sizes(t), ebb__strides(t), 0);
    if (!s->t) return false;
    atomic_init(&s->t->refs, EBB__HOLD);
    s->version = ebb__version(s->t) - overwritten;
    return EBB_LIKELY(!(t->flags & EBB__HAS_TANGENT)) || kind != EBB__SAVED_IN || !ebb__tangents_share(s->t, t);
}

/* Sets speak of declared inputs: a bit may be several tensors, those of a list, given from *ret_first on. */
static int64_t tensors_of(const struct ebb_op *op, uint32_t bit, int64_t n_in, int64_t *ret_first) {
    *ret_first = bit % 8;
    if (EBB_LIKELY(n_in == op->n_in) || bit / 8 == EBB__SAVED_OUT) return 1;
    return ebb__op_given(op, n_in, bit % 8, ret_first);
}

static uint32_t count_saved(const struct ebb_op *op, uint32_t set, int64_t n_in) {
    uint32_t n = 0;
    int64_t first;
    for (uint32_t bits = set; bits; bits &= bits - 1)
        n += (uint32_t)tensors_of(op, (uint32_t)ebb__lowest_bit(bits), n_in, &first);
    return n;
}

/* Fill the saved slots; false when out of memory (unfilled slots are NULL). What shares the storage that a call in
 * place has just written is saved at the version it had before, which is gone. */
static bool save_all(ebb_node *n, uint32_t set, ebb_tensor *const *in, int64_t n_in, ebb_tensor *const *out,
                     bool inplace) {
    struct ebb__saved *s = ebb__node_saved(n);
    bool ok = true;
    for (uint32_t bits = set; bits; bits &= bits - 1) {
        uint32_t bit = (uint32_t)ebb__lowest_bit(bits);
        enum ebb__saved_kind kind = (enum ebb__saved_kind)(bit / 8);
        ebb_tensor *const *from = kind == EBB__SAVED_OUT ? out : in;
        int64_t i, end = tensors_of(n->op, bit, n_in, &i);
        for (end += i; i < end; i++) {
            bool overwritten = inplace && kind == EBB__SAVED_IN && in[i] && in[i]->storage == out[0]->storage;
            ok = save(s++, kind, (uint32_t)i, from[i], overwritten) && ok;
        }
    }
    return EBB_LIKELY(!ebb__thread.saved_hooks) ? ok : ok && !ebb__node_pack(n);
}

uint32_t ebb__record_saves(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in, bool *ret_needed) {
    bool needed = false;
    uint32_t set = 0, of_all = EBB__INFERENCE;
    for (int64_t i = 0; i < n_in; i++) {
        if (!in[i]) continue;
        of_all &= in[i]->flags;
        if (!ebb__requires_grad(in[i])) continue;
        needed = true;
        set |= op->saves[ebb__op_input(op, n_in, i)];
    }
    *ret_needed = needed && !of_all; /* of inference tensors alone nothing is recorded, as in PyTorch (I13) */
    return set;
}

bool ebb__packed_ahead(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in) {
    const struct ebb__hooks *h = ebb__thread.saved_hooks;
    if (EBB_LIKELY(!h->left) || ebb__thread.no_grad || !ebb__is_recorded(op) || !op->vjp) return false;
    bool needed;
    uint32_t set = ebb__record_saves(op, in, n_in, &needed);
    if (!set || set >= EBB_OUT(0)) return false;
    int64_t packed = 0, last = h->left(h->call.context);
    for (int sweep = 0; sweep < 2; sweep++) { /* count, then pack */
        for (uint32_t bits = set; bits; bits &= bits - 1) {
            int64_t i, end = tensors_of(op, (uint32_t)ebb__lowest_bit(bits), n_in, &i);
            for (end += i; i < end; i++) {
                struct ebb__packed p = {NULL, NULL};
                if (!in[i] || in[i]->flags & EBB__NUMBER) continue;
                if (sweep == 0) packed++;
                else if (ebb__pack(in[i], &p)) return true;
                ebb__packed_release(&p);
            }
        }
        if (packed != last) return false;
    }
    return false;
}

static ebb_status no_rule(const struct ebb_op *op) {
    return ebb_fail(EBB_ERR_GRAPH,
                    "has no derivative rule; call it under no_grad, or on inputs that need no gradient (%s)", op->name);
}

/* A tensor written in place keeps the gradient of its new value. */
static void move_retained(ebb_tensor *t, ebb_node *before) {
    for (int i = 0; i < before->n_out; i++)
        if (before->extra->retain[i] == t) before->extra->retain[i] = NULL;
    t->flags &= (uint16_t)~EBB__RETAINS_GRAD;
    ebb__retain(t);
}

ebb_status ebb__record_call(const struct ebb_op *op, ebb_tensor *const *in, ebb_tensor *const *saved, int64_t n_in,
                            const void *attrs, ebb_tensor *const *out, int n_out) {
    for (int64_t i = 0; i < n_in; i++)
        if (EBB_UNLIKELY(in[i] && ebb__refresh(in[i]))) return ebb_error_status();
    return ebb__record_as_is(op, in, saved, n_in, attrs, out, n_out);
}

static bool gets_gradients(const struct ebb_op *op, ebb_tensor *const *out, int i) {
    return ebb__is_floating(out[i]->dtype) &&
           !(EBB_UNLIKELY(op->constant_outs) && i < 8 && op->constant_outs & EBB_OUT(i));
}

ebb_status ebb__record_as_is(const struct ebb_op *op, ebb_tensor *const *in, ebb_tensor *const *saved, int64_t n_in,
                             const void *attrs, ebb_tensor *const *out, int n_out) {
    bool needed;
    int floating = 0; /* outputs that get the node: its references */
    uint32_t set = ebb__record_saves(op, in, n_in, &needed);
    if (!needed) return EBB_OK;
    for (int i = 0; i < n_out; i++) floating += gets_gradients(op, out, i);
    if (!floating) return EBB_OK;
    if (EBB_UNLIKELY(!op->vjp)) return no_rule(op);
    if (EBB_UNLIKELY(n_out > UINT16_MAX))
        return ebb_fail(EBB_ERR_ARGUMENT, "%d results; at most %d can be recorded", n_out, UINT16_MAX);
    ebb_node *n = node_new(op, n_in, attrs, out, n_out, set ? count_saved(op, set, n_in) : 0);
    if (EBB_UNLIKELY(!n)) return ebb_error_status();
    if (op->attrs_size) ebb__attrs_copy(op, attrs, (char *)n + n->attrs_at);
    if (op->keep_attrs && n->attrs_at) op->keep_attrs((char *)n + n->attrs_at);
    if (op->node_variant) n->name = op->node_variant(attrs, in);
    bool ok = set == 0 || save_all(n, set, saved, n_in, out, n_in && in[0] == out[0]);
    struct ebb__edge *edge = ebb__node_edges(n);
    for (int64_t i = 0; i < n_in; i++, edge++) {
        edge->node = NULL;
        edge->nr = 0;
        if (!in[i] || !ebb__requires_grad(in[i])) continue;
        ebb_node *to = ebb__gradient_node(in[i]);
        if (EBB_UNLIKELY(!to)) {
            ok = false;
            continue;
        }
        edge->node = to;
        edge->nr = in[i]->output_nr;
        ebb__node_ref(to);
    }
    if (EBB_UNLIKELY(!ok)) {
        ebb__node_free_later(n);
        return ebb_error_status();
    }
    atomic_init(&n->refs, floating);
    for (int i = 0; i < n_out; i++) {
        if (!gets_gradients(op, out, i)) continue;
        ebb_node *before = out[i]->grad_fn; /* of a tensor written in place */
        out[i]->grad_fn = n;
        out[i]->output_nr = (uint16_t)i;
        if (out[i]->flags & EBB__RETAINS_GRAD) move_retained(out[i], before);
        ebb__node_unref(before);
    }
    if (EBB_UNLIKELY(ebb__thread.watch)) ebb__watched(n, in, n_in, out, n_out);
    return EBB_OK;
}
