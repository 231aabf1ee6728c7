/* ebb_backward, for one tensor or a list, and ebb_grad: roots, their upstream gradients, and what is asked for. */
#include "autograd/anomaly.h"
#include "autograd/pass.h"
#include "autograd/transforms.h"
#include <ebb/ops.h>
#include <stdlib.h>

static const char *name_of(const ebb_tensor *t) { return ebb_tensor_name(t)[0] ? ebb_tensor_name(t) : "the tensor"; }

/* Where a pass starts: the edges of tensors, and then those that were given as such. */
struct roots {
    ebb_list tensors;
    ebb_edges edges;
    ebb_list gradients; /* upstream ones; n is 0 or as many as roots */
};
static int64_t n_roots(const struct roots *r) { return r->tensors.n + r->edges.n; }
static const char *root_name(const struct roots *r, int64_t i) {
    return i < r->tensors.n ? name_of(r->tensors.t[i]) : "the edge";
}

/* The upstream gradient of root number i, which ends at `e`, as a new reference: the caller's, checked, or 1 for one
 * element. */
static ebb_tensor *upstream(const char *op, const struct roots *r, int64_t i, const ebb_edge *e) {
    struct ebb__meta m = ebb__node_meta(e->node, (uint32_t)e->output);
    char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
    ebb_tensor *given = r->gradients.n ? r->gradients.t[i] : NULL;
    const ebb_dims shape = ebb__dims(m.ndim, m.sizes), have = ebb_tensor_shape(given);
    if (!given) {
        bool one = true;
        for (int d = 0; d < m.ndim; d++) one = one && m.sizes[d] == 1;
        if (one) return ebb_keep(ebb_full(shape, 1.0, .dtype = m.dtype));
        ebb__fail_op(op, EBB_ERR_GRAPH,
                     "%s has shape %s: only a tensor of one element has an implicit upstream gradient; give .%s",
                     root_name(r, i), ebb__shape_text(a, m.ndim, m.sizes),
                     op[0] == 'g'     ? "grad_outputs"
                     : n_roots(r) > 1 ? "gradients"
                                      : "gradient");
        return NULL;
    }
    if (!ebb__dims_equal(&have, &shape)) {
        ebb__fail_op(op, EBB_ERR_SHAPE, "the upstream gradient has shape %s, %s has shape %s",
                     ebb__shape_text(b, have.n, have.d), root_name(r, i), ebb__shape_text(a, m.ndim, m.sizes));
        return NULL;
    }
    if (!ebb_dtype_is_floating((ebb_dtype)given->dtype)) {
        ebb__fail_op(op, EBB_ERR_DTYPE, "the upstream gradient must be floating point, not %s",
                     ebb_dtype_name((ebb_dtype)given->dtype));
        return NULL;
    }
    return ebb_keep(given->dtype == m.dtype ? given : ebb_to(given, m.dtype));
}

/* The first gradients, and the entries that wait for no other. */
static ebb_status start(struct ebb__pass *p, const char *op, const struct roots *r, const ebb_edge *at) {
    for (int64_t i = 0; i < n_roots(r); i++) {
        ebb_tensor *g = upstream(op, r, i, &at[i]);
        if (!g || ebb__pass_add(ebb__pass_find(p, at[i].node), (uint32_t)at[i].output, g)) return ebb_error_status();
    }
    for (size_t i = 0; i < p->n; i++)
        if (p->entries[i].waits == 0 && p->entries[i].wanted && ebb__pass_push(p, &p->entries[i]))
            return ebb_error_status();
    return EBB_OK;
}

static ebb_status check_edge(const char *op, const char *what, const ebb_edge *e, int64_t i) {
    if (e->node && e->output >= 0 && e->output < e->node->n_out &&
        ebb__is_floating(ebb__node_meta(e->node, (uint32_t)e->output).dtype))
        return EBB_OK;
    return ebb__fail_op(op, EBB_ERR_ARGUMENT, "%s %lld has no node, or one without a floating-point output %lld", what,
                        (long long)i, (long long)e->output);
}

/* The edge of a tensor that is brought up to date; its node is NULL, without an error, when it needs no gradient. */
static ebb_status edge_of(ebb_tensor *t, ebb_edge *ret_edge) {
    *ret_edge = (ebb_edge){NULL, 0};
    if (!ebb__requires_grad(t)) return EBB_OK;
    if (ebb__refresh(t) || !(ret_edge->node = ebb__gradient_node(t))) return ebb_error_status();
    ret_edge->output = t->grad_fn ? t->output_nr : 0;
    return EBB_OK;
}

static ebb_status edges_of(const char *op, const struct roots *r, ebb_edge *ret_at) {
    ebb_status status = EBB_OK;
    for (int64_t i = 0; i < r->tensors.n && !status; i++) {
        status = edge_of(r->tensors.t[i], &ret_at[i]);
        if (!status && !ret_at[i].node)
            status = ebb__fail_op(op, EBB_ERR_GRAPH,
                                  "%s (%s) does not require gradients and was not computed from a tensor that does",
                                  root_name(r, i), ebb_dtype_name((ebb_dtype)r->tensors.t[i]->dtype));
    }
    for (int64_t i = 0; i < r->edges.n; i++) ret_at[r->tensors.n + i] = r->edges.e[i];
    return status;
}

/* I12: a rule or hook may start a pass, whose rules and hooks may, and so on: after as many as are sure to fit, the
 * next one runs on a stack of its own, as in PyTorch. */
#define PASSES_A_STACK 60

static ebb_status run_pass(void *p) { return ebb__pass_run(p); }

static ebb_status run_somewhere(struct ebb__pass *p) {
    struct ebb__thread *th = &ebb__thread;
    int depth = th->passes;
    th->passes = depth < PASSES_A_STACK ? depth + 1 : 1;
    ebb_status status = depth < PASSES_A_STACK ? ebb__pass_run(p) : ebb__on_fresh_stack(run_pass, p);
    th->passes = depth;
    return status;
}

/* One pass from the roots; p says what is asked for. */
static ebb_status pass(struct ebb__pass *p, const char *op, const struct roots *r, bool create_graph) {
    const int64_t n = n_roots(r);
    size_t bytes = (size_t)n * sizeof(ebb_edge);
    ebb_edge *at = ebb__alloc(bytes);
    if (!at) return ebb_error_status();
    const char *file = p->file = ebb__thread.file;
    int line = p->line = ebb__thread.line;
    ebb_inference_mode inference = ebb_inference_mode_open(false); /* gradients are ordinary tensors */
    struct ebb__checked checked = ebb__checks_begin(op);
    ebb__thread.checks = 0; /* of rules what they give is looked at, not what they compute, and nothing is cast */
    bool before = ebb_set_grad_enabled(create_graph);
    ebb_scope scope = ebb_scope_open();
    ebb_status status = edges_of(op, r, at);
    int64_t held = 0; /* hooks may let go of the outputs */
    for (; held < n && !status; held++) ebb__node_ref(at[held].node);
    if (!status) status = ebb__pass_discover(p, at, n);
    if (!status && p->only_captures) status = ebb__pass_prune(p);
    if (!status) status = start(p, op, r, at);
    if (!status) status = run_somewhere(p);
    ebb__pass_end(p);
    while (held-- > 0) ebb__node_unref(at[held].node);
    ebb_scope_close(&scope);
    ebb_set_grad_enabled(before);
    ebb_inference_mode_close(&inference);
    ebb__checks_end(checked);
    ebb__thread.file = file;
    ebb__thread.line = line;
    ebb__free(at, bytes);
    return status;
}

static ebb_status check_list(const char *op, const char *what, ebb_list list) {
    if (list.n < 0 || (list.n > 0 && !list.t))
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "%s: the list is NULL, or of %lld tensors", what, (long long)list.n);
    for (int64_t i = 0; i < list.n; i++)
        if (!list.t[i]) return ebb__fail_null(op, what);
    return EBB_OK;
}

/* The captures for a list of inputs, and edges after them. */
static ebb_status captures(struct ebb__pass *p, const char *op, ebb_list inputs, ebb_edges edges) {
    p->only_captures = true;
    p->n_captures = (size_t)(inputs.n + edges.n);
    p->captures = ebb__alloc_zeroed(p->n_captures * sizeof *p->captures);
    if (!p->captures) {
        p->n_captures = 0;
        return ebb_error_status();
    }
    for (int64_t i = 0; i < inputs.n + edges.n; i++) {
        ebb_tensor *t = i < inputs.n ? inputs.t[i] : NULL;
        ebb_edge e = t ? (ebb_edge){NULL, 0} : edges.e[i - inputs.n];
        if (t ? edge_of(t, &e) : check_edge(op, "input edge", &e, i - inputs.n)) return ebb_error_status();
        if (!e.node)
            return ebb__fail_op(op, ebb_dtype_is_floating((ebb_dtype)t->dtype) ? EBB_ERR_GRAPH : EBB_ERR_DTYPE,
                                "input %lld (%s) does not require gradients", (long long)i,
                                ebb_dtype_name((ebb_dtype)t->dtype));
        p->captures[i] = (struct ebb__capture){.node = e.node, .nr = (uint32_t)e.output, .input = (uint32_t)i};
    }
    return EBB_OK;
}

static void captures_end(struct ebb__pass *p) {
    for (size_t i = 0; i < p->n_captures; i++) ebb__unref(p->captures[i].grad);
    ebb__free(p->captures, p->n_captures * sizeof *p->captures);
}

/* Leaves gather gradients as always; of other tensors a pass that is asked for them makes such as retain theirs, as
 * PyTorch does. */
static ebb_status retain_inputs(ebb_list inputs) {
    for (int64_t i = 0; i < inputs.n; i++)
        if ((ebb_retain_grad)(inputs.t[i])) return ebb_error_status();
    return EBB_OK;
}

/* Roots, and gradients for all of them or none. */
static ebb_status check_roots(const char *op, const struct roots *r, const char *root, const char *gradients) {
    if (check_list(op, root, r->tensors)) return ebb_error_status();
    if (r->edges.n < 0 || (r->edges.n > 0 && !r->edges.e))
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "the list of edges to start from is NULL, or of %lld edges",
                            (long long)r->edges.n);
    if (n_roots(r) == 0) return ebb__fail_op(op, EBB_ERR_ARGUMENT, "needs at least one tensor or edge to start from");
    for (int64_t i = 0; i < r->edges.n; i++)
        if (check_edge(op, "root edge", &r->edges.e[i], i)) return ebb_error_status();
    if (!r->gradients.n || (r->gradients.n == n_roots(r) && r->gradients.t)) return EBB_OK;
    return ebb__fail_op(op, EBB_ERR_ARGUMENT, "%lld outputs but %lld %s", (long long)n_roots(r),
                        (long long)r->gradients.n, gradients);
}

static ebb_status check_inputs(const char *op, const char *input, ebb_list inputs, ebb_edges edges) {
    if (check_list(op, input, inputs)) return ebb_error_status();
    if (edges.n >= 0 && (edges.n == 0 || edges.e)) return EBB_OK;
    return ebb__fail_op(op, EBB_ERR_ARGUMENT, "the list of input edges is NULL, or of %lld edges", (long long)edges.n);
}

ebb_status(ebb_backward_list)(ebb_list tensors, ebb_backward_list_options options) {
    static const char *op = "backward";
    const struct roots roots = {tensors, options.root_edges, options.gradients};
    if (check_roots(op, &roots, "a root", "gradients") ||
        check_inputs(op, "an entry of inputs", options.inputs, options.input_edges))
        return ebb_error_status();
    struct ebb__pass p = {.keep_graph = options.retain_graph || options.create_graph, .accumulate = true};
    bool some = options.inputs.n + options.input_edges.n > 0;
    ebb_status status = some ? captures(&p, op, options.inputs, options.input_edges) : EBB_OK;
    if (!status) status = retain_inputs(options.inputs);
    if (!status) status = pass(&p, op, &roots, options.create_graph);
    captures_end(&p);
    return status;
}

ebb_status(ebb_backward)(ebb_tensor *t, ebb_backward_options options) {
    if (!t) return ebb__fail_null("backward", "tensor");
    return (ebb_backward_list)(EBB_LIST(t), (ebb_backward_list_options){.gradients = {1, &options.gradient},
                                                                        .retain_graph = options.retain_graph,
                                                                        .create_graph = options.create_graph,
                                                                        .inputs = options.inputs,
                                                                        .input_edges = options.input_edges});
}

/* What of the captures was not reached is zero, where that is asked for, or none; else it is an error. */
static ebb_status complete(struct ebb__pass *p, ebb_list inputs, const ebb_grad_options *options) {
    for (size_t i = 0; i < p->n_captures; i++) {
        struct ebb__capture *c = &p->captures[i];
        if (c->grad) continue;
        struct ebb__meta m = ebb__node_meta(c->node, c->nr);
        if (options->materialize_grads) {
            c->grad = ebb_keep(ebb_zeros(ebb__dims(m.ndim, m.sizes), .dtype = m.dtype));
            if (!c->grad) return ebb_error_status();
        } else if (!options->allow_unused) {
            return ebb__fail_op(
                "grad", EBB_ERR_GRAPH,
                "input %u (%s) was not used to compute the outputs; give .allow_unused = true if that is meant",
                c->input, c->input < inputs.n ? name_of(inputs.t[c->input]) : "an edge");
        }
    }
    return EBB_OK;
}

static int by_input(const void *a, const void *b) {
    uint32_t x = ((const struct ebb__capture *)a)->input, y = ((const struct ebb__capture *)b)->input;
    return (x > y) - (x < y);
}

ebb_status(ebb_grad)(ebb_list outputs, ebb_list inputs, ebb_tensor **ret_grads, ebb_grad_options options) {
    static const char *op = "grad";
    const struct roots roots = {outputs, options.output_edges,
                                options.is_grads_batched ? (ebb_list){0, NULL} : options.grad_outputs};
    const int64_t n = inputs.n + options.input_edges.n;
    if (check_roots(op, &roots, "an output", "grad_outputs") ||
        check_inputs(op, "an input", inputs, options.input_edges))
        return ebb_error_status();
    if (n == 0) return ebb__fail_op(op, EBB_ERR_ARGUMENT, "needs at least one input");
    if (!ret_grads) return ebb__fail_null(op, "ret_grads");
    if (options.is_grads_batched) return ebb__grad_batched(outputs, inputs, ret_grads, options);
    struct ebb__pass p = {.keep_graph = options.retain_graph || options.create_graph};
    ebb_status status = captures(&p, op, inputs, options.input_edges);
    if (!status) status = pass(&p, op, &roots, options.create_graph);
    if (!status && p.n_captures > 1) qsort(p.captures, p.n_captures, sizeof *p.captures, by_input);
    if (!status) status = complete(&p, inputs, &options);
    for (int64_t i = 0; i < n && !status; i++) {
        ebb_tensor *g = p.captures[i].grad;
        if (!g) continue;
        ebb__ref(g);
        if (!ebb__own(g)) status = ebb_error_status();
    }
    for (int64_t i = 0; i < n && !status; i++) ret_grads[i] = p.captures[i].grad;
    captures_end(&p);
    return status;
}
