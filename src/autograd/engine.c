/* Running a backward pass: node by node, latest recorded first, each rule inside a scope of its own. Nothing here
 * recurses along the graph. */
#include "autograd/anomaly.h"
#include "autograd/hooks.h"
#include <ebb/ops.h>

#define SMALL 8 /* inputs for which the arrays of a rule's call need no allocation */

/* ---- what sees the gradients of a node's outputs ---- */

static ebb_status update_retained(ebb_node *n, ebb_tensor *const *grad) {
    ebb_tensor *const *retain = n->extra->retain;
    ebb_scope scope = ebb_scope_open();
    ebb_status status = EBB_OK;
    for (uint32_t k = 0; k < n->n_out && !status; k++)
        if (retain[k] && grad[k]) status = ebb__accumulate_retained(retain[k], grad[k]);
    ebb_scope_close(&scope);
    return status;
}

static void capture(struct ebb__pass *p, const ebb_node *n, ebb_tensor *const *grad) {
    const struct ebb__capture *end = p->captures + p->n_captures;
    for (struct ebb__capture *c = ebb__pass_captures_of(p, n); c < end && c->node == n; c++) {
        if (!grad[c->nr]) continue;
        ebb__ref(grad[c->nr]);
        c->grad = grad[c->nr];
    }
}

/* ---- calling a rule ---- */

struct call {
    struct ebb_vjp_call v;
    ebb_tensor **in, **given, **out;
    bool *needs;
    ebb_tensor *small[2 * SMALL + EBB_OP_MAX_OUT];
    bool small_needs[SMALL];
    size_t block;
};

static bool call_begin(struct call *c, uint32_t n_in, uint32_t n_out) {
    uint32_t tensors = 2 * n_in + n_out;
    c->block = 0;
    c->in = c->small;
    c->needs = c->small_needs;
    if (n_in > SMALL || n_out > EBB_OP_MAX_OUT) {
        c->block = tensors * sizeof *c->in + n_in * sizeof *c->needs;
        if (!(c->in = ebb__alloc(c->block))) return false;
        c->needs = (bool *)(c->in + tensors);
    }
    c->given = c->in + n_in;
    c->out = c->given + n_in;
    for (uint32_t i = 0; i < tensors; i++) c->in[i] = NULL;
    return true;
}

static ebb_status unpack(struct call *c, ebb_node *n) {
    if (n->flags & EBB__NODE_RELEASED) return ebb__fail_released(n);
    const struct ebb__saved *s = ebb__node_saved(n);
    for (uint32_t i = 0; i < n->n_saved; i++, s++) {
        bool owned;
        ebb_tensor *t = ebb__saved_get(n, s, &owned);
        if (!t && s->t) return ebb_error_status();
        if (owned && !ebb__own(t)) return ebb_error_status(); /* the scope round this rule */
        if (ebb__saved_kind(s) == EBB__SAVED_OUT) c->out[ebb__saved_index(s)] = t;
        else if (!c->in[ebb__saved_index(s)] || ebb__saved_kind(s) == EBB__SAVED_IN) c->in[ebb__saved_index(s)] = t;
    }
    return EBB_OK;
}

/* Outputs into which nothing flowed count as zeros, unless the rule says it can do without. */
static ebb_status materialize(ebb_node *n, ebb_tensor **grad) {
    for (uint32_t k = 0; k < n->n_out; k++) {
        if (grad[k]) continue;
        struct ebb__meta m = ebb__node_meta(n, k);
        if (!ebb__is_floating(m.dtype)) continue;
        ebb_tensor *zero = ebb_zeros(ebb__dims(m.ndim, m.sizes), .dtype = m.dtype);
        if (!zero) return ebb_error_status();
        ebb__ref(zero);
        grad[k] = zero;
    }
    return EBB_OK;
}

/* A reference to what the rule gave for input i: where nobody needs it later the one that the rule's scope has, or that
 * of the upstream gradient, which is gone then. */
static ebb_tensor *take_given(const ebb_node *n, ebb_tensor *const *given, uint32_t i, ebb_tensor **grad) {
    ebb_tensor *t = given[i];
    bool last = n->n_in <= SMALL;
    for (uint32_t k = i + 1; k < n->n_in && last; k++) last = given[k] != t;
    if (last && t == grad[0]) grad[0] = NULL;
    else if (!last || !ebb__scope_take(t)) ebb__ref(t);
    return t;
}

/* Pass what the rule gave on to the inputs, whose entries become ready with their last gradient (I4). */
static ebb_status send(struct ebb__pass *p, ebb_node *n, ebb_tensor **given, ebb_tensor **grad) {
    ebb_status status = EBB_OK;
    const struct ebb__edge *edges = ebb__node_edges(n);
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (!edges[i].node) continue;
        struct ebb__entry *to = ebb__pass_find(p, edges[i].node);
        if (given && given[i] && to->wanted && !status)
            status = ebb__pass_add(to, edges[i].nr, take_given(n, given, i, grad));
        to->waits--;
        if (to->waits == 0 && to->wanted && !status) status = ebb__pass_push(p, to);
    }
    return status;
}

/* Of a rule that can be differentiated once only nothing is recorded but what refuses to be differentiated. */
static ebb_status call_rule(struct call *c) {
    struct ebb__thread *th = &ebb__thread;
    uint64_t failures = th->failures;
    bool once = EBB_UNLIKELY(c->v.op->once_differentiable) && !th->no_grad;
    bool before = ebb__failing();
    if (once) th->no_grad = true;
    c->v.op->vjp(&c->v);
    if (once) th->no_grad = false;
    if (ebb__failed_since(failures)) {
        if (!before) ebb__error_within(c->v.node->name);
        return ebb_error_status();
    }
    return once ? ebb__once_only(&c->v) : EBB_OK;
}

/* Whether its rule may add to what has been gathered for its inputs: not where what it gives is recorded, is looked at
 * when the rule has run, or is mended by calling the rule again. */
static bool may_add(const ebb_node *n) {
    const struct ebb__thread *th = &ebb__thread;
    return th->no_grad && !th->anomaly && !th->strong_zeros && !th->levels && !(ebb__hook_kinds(n) & EBB__HOOK_AFTER);
}

/* Run a node's rule, and its post-hooks. Where nothing flowed all gradients of the inputs are zero without it. */
static ebb_status execute(struct ebb__pass *p, ebb_node *n, ebb_tensor **grad, struct call *c) {
    bool flowed = false;
    for (uint32_t k = 0; k < n->n_out; k++) flowed = flowed || grad[k];
    const struct ebb__edge *edges = ebb__node_edges(n);
    bool needed = false;
    for (uint32_t i = 0; i < n->n_in; i++) {
        c->needs[i] = edges[i].node && (!p->only_captures || ebb__pass_find(p, edges[i].node)->wanted);
        needed = needed || c->needs[i];
    }
    flowed = flowed && needed; /* that of an input of the pass may lead to no other */
    ebb_status status = flowed ? unpack(c, n) : EBB_OK;
    if (flowed && !status && n->n_out > 1 && !n->op->undefined_grads) status = materialize(n, grad);
    if (flowed && !status) {
        c->v = (struct ebb_vjp_call){.op = n->op,
                                     .attrs = ebb__node_attrs(n),
                                     .n_in = n->n_in,
                                     .grad = grad,
                                     .in = c->in,
                                     .out = c->out,
                                     .n_out = n->n_out,
                                     .needs = c->needs,
                                     .given = c->given,
                                     .node = n,
                                     .may_add = may_add(n)};
        status = call_rule(c);
    }
    if (!status && EBB_UNLIKELY(ebb__hook_kinds(n) & EBB__HOOK_AFTER))
        status = ebb__hooks_call_after(p, n, c->given, grad);
    return status ? status : send(p, n, c->given, grad);
}

static ebb_status run_rule(struct ebb__pass *p, ebb_node *n, ebb_tensor **grad) {
    if (n->n_out == 1 && !grad[0] && !n->extra) return send(p, n, NULL, NULL);
    struct ebb__thread *th = &ebb__thread;
    const char *file = th->file;
    int line = th->line;
    struct call c;
    if (!call_begin(&c, n->n_in, n->n_out)) return ebb_error_status();
    ebb_scope scope = ebb_scope_open();
    th->file = n->file; /* what a rule computes belongs to the line of the call it differentiates */
    th->line = n->line;
    const char *calling = th->calling;
    th->calling = n->name;
    ebb_status status = execute(p, n, grad, &c);
    ebb_scope_close(&scope);
    if (c.block) ebb__free(c.in, c.block);
    th->file = file;
    th->line = line;
    th->calling = calling;
    return status;
}

/* The leaf's .grad, unless it was switched off since the graph was recorded, and what watches it. */
static ebb_status run_leaf(struct ebb__pass *p, ebb_node *n, ebb_tensor **grad) {
    unsigned kinds = EBB_UNLIKELY(n->extra) ? ebb__hook_kinds(n) : 0;
    bool gathers = ebb__leaf_tensor(n)->flags & EBB__REQUIRES_GRAD;
    ebb_tensor *g = gathers ? grad[0] : NULL;
    ebb_status status = EBB_OK;
    if (g) {
        if (kinds & EBB__HOOK_AFTER) ebb__ref(g); /* it will be shown */
        else grad[0] = NULL;
        status = ebb__accumulate(ebb__leaf_tensor(n), g);
    }
    if (EBB_LIKELY(!kinds) || status) return status;
    if (g && kinds & EBB__HOOK_ACCUMULATED) status = ebb__hooks_call(p, n, EBB__HOOK_ACCUMULATED, grad);
    if (!status && kinds & EBB__HOOK_AFTER) {
        ebb_scope scope = ebb_scope_open();
        status = ebb__hooks_call_after(p, n, NULL, grad);
        ebb_scope_close(&scope);
    }
    return status;
}

/* ---- the pass ---- */

/* Everything before a node is executed, in PyTorch's order (I11). What is retained is what the tensor's hooks made of a
 * gradient; it is stored only when the node's pre-hooks have run, which see the .grad of earlier passes. */
static ebb_status watch(struct ebb__pass *p, ebb_node *n, bool captured, bool run, ebb_tensor **grad) {
    unsigned kinds = ebb__hook_kinds(n);
    ebb_status status = EBB_OK;
    if (kinds & (EBB__HOOK_TENSOR | EBB__HOOK_MULTI))
        status = ebb__hooks_call(p, n, EBB__HOOK_TENSOR | EBB__HOOK_MULTI, grad);
    if (!status && captured) capture(p, n, grad);
    ebb_tensor *const *retain = n->extra ? n->extra->retain : NULL;
    if (status || !run || !(kinds & EBB__HOOK_BEFORE)) return status || !retain ? status : update_retained(n, grad);
    ebb_tensor **before = retain ? ebb__alloc(n->n_out * sizeof *before) : NULL;
    if (retain && !before) return ebb_error_status();
    for (uint32_t k = 0; retain && k < n->n_out; k++)
        if ((before[k] = grad[k])) ebb__ref(grad[k]);
    status = ebb__hooks_call(p, n, EBB__HOOK_BEFORE, grad);
    if (!status && retain) status = update_retained(n, before);
    for (uint32_t k = 0; retain && k < n->n_out; k++) ebb__unref(before[k]);
    ebb__free(before, n->n_out * sizeof *before);
    return status;
}

static ebb_status run_entry(struct ebb__pass *p, struct ebb__entry *e) {
    ebb_node *n = e->node;
    ebb_tensor *one = NULL, **grad = &one;
    bool run = e->run, captured = e->captured;
    if (n->n_out > 1) grad = e->grad.many;
    else one = e->grad.one;
    e->grad.one = NULL; /* (all of the union) ours now */
    e->grad.many = NULL;
    /* several outputs, nothing flowed */
    if (!grad && !(grad = ebb__alloc_zeroed(n->n_out * sizeof *grad))) return ebb_error_status();
    ebb_status status = EBB_OK;
    if (EBB_UNLIKELY(n->extra)) status = watch(p, n, captured, run, grad);
    else if (EBB_UNLIKELY(captured)) capture(p, n, grad);
    bool leaf = n->flags & EBB__NODE_LEAF;
    if (!status && run) status = leaf ? run_leaf(p, n, grad) : run_rule(p, n, grad);
    if (!status && run && !leaf && !p->keep_graph) ebb__node_release_saved(n, p->file, p->line);
    for (uint32_t k = 0; k < n->n_out; k++) ebb__unref(grad[k]);
    if (n->n_out > 1) ebb__free(grad, n->n_out * sizeof *grad);
    return status;
}

/* The first failure ends it (I10). */
ebb_status ebb__pass_run(struct ebb__pass *p) {
    ebb_status status = EBB_OK;
    struct ebb__pass *around = ebb__thread.pass;
    ebb__thread.pass = p;
    for (struct ebb__entry *e; !status && (e = ebb__pass_pop(p));) status = run_entry(p, e);
    ebb__thread.pass = around;
    return status;
}

/* ---- what rules call ---- */

void ebb_vjp_give(struct ebb_vjp_call *v, int64_t i, ebb_tensor *gradient) {
    if (i < 0 || i >= v->n_in) {
        ebb_fail(EBB_ERR_ARGUMENT, "the rule of %s gave a gradient for input %lld of %lld", v->op->name, (long long)i,
                 (long long)v->n_in);
        return;
    }
    if (!v->needs[i]) return;
    if (!gradient) {
        ebb_fail(EBB_ERR_ARGUMENT, "the rule of %s gave NULL as the gradient of input %lld", v->op->name, (long long)i);
        return;
    }
    if (!v->node) { /* called by forward mode, which does not want it reduced */
        v->given[i] = gradient;
        return;
    }
    if (EBB_UNLIKELY(ebb__thread.strong_zeros) && !(gradient = ebb__strong_zeros(v, i, gradient))) return;
    const struct ebb__edge *e = &ebb__node_edges(v->node)[i]; /* I6 */
    v->given[i] = ebb__fit_gradient(gradient, ebb__node_meta(e->node, e->nr));
    if (EBB_UNLIKELY(ebb__thread.anomaly) && v->given[i]) (void)ebb__check_gradient(v, i, gradient, v->given[i]);
}

static const struct ebb__edge *edge_of(const struct ebb_vjp_call *v, int64_t i) {
    static const struct ebb__edge none;
    return v->node ? &ebb__node_edges(v->node)[i] : &none;
}

ebb_dims ebb_vjp_shape(const struct ebb_vjp_call *v, int64_t i) {
    const struct ebb__edge *e = edge_of(v, i);
    if (!e->node) return v->in[i] ? ebb_tensor_shape(v->in[i]) : EBB_NO_DIMS;
    struct ebb__meta m = ebb__node_meta(e->node, e->nr);
    return ebb__dims(m.ndim, m.sizes);
}

ebb_dtype ebb_vjp_dtype(const struct ebb_vjp_call *v, int64_t i) {
    const struct ebb__edge *e = edge_of(v, i);
    if (!e->node) return v->in[i] ? (ebb_dtype)v->in[i]->dtype : EBB_DTYPE_NONE;
    return ebb__node_meta(e->node, e->nr).dtype;
}
