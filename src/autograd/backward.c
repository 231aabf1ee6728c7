/* ebb_backward, for one tensor or a list, and ebb_grad: roots, their upstream gradients, and what is asked for. */
#include "autograd/anomaly.h"
#include "autograd/pass.h"
#include "autograd/transforms.h"
#include <ebb/ops.h>
#include <stdlib.h>

static const char *name_of(const ebb_tensor *t) { return ebb_tensor_name(t)[0] ? ebb_tensor_name(t) : "the tensor"; }

/* The upstream gradient of a root, one of n, as a new reference: the caller's, checked, or 1 for a tensor of one
 * element. */
static ebb_tensor *upstream(const char *op, ebb_tensor *root, ebb_tensor *given, int64_t n) {
    char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
    if (!given) {
        if (root->numel != 1) {
            ebb__fail_op(op, EBB_ERR_GRAPH,
                         "%s has shape %s: only a tensor of one element has an implicit upstream gradient; give .%s",
                         name_of(root), ebb__shape_text(a, root->ndim, ebb__sizes(root)),
                         op[0] == 'g' ? "grad_outputs"
                         : n > 1      ? "gradients"
                                      : "gradient");
            return NULL;
        }
        if (!ebb_dtype_is_floating((ebb_dtype)root->dtype)) {
            ebb__fail_op(op, EBB_ERR_DTYPE, "gradients start at floating-point tensors only, not %s",
                         ebb_dtype_name((ebb_dtype)root->dtype));
            return NULL;
        }
        return ebb_keep(ebb_full(ebb_tensor_shape(root), 1.0, .dtype = (ebb_dtype)root->dtype));
    }
    if (!ebb__same_shape(given, root)) {
        ebb__fail_op(op, EBB_ERR_SHAPE, "the upstream gradient has shape %s, %s has shape %s",
                     ebb__shape_text(b, given->ndim, ebb__sizes(given)), name_of(root),
                     ebb__shape_text(a, root->ndim, ebb__sizes(root)));
        return NULL;
    }
    if (!ebb_dtype_is_floating((ebb_dtype)given->dtype)) {
        ebb__fail_op(op, EBB_ERR_DTYPE, "the upstream gradient must be floating point, not %s",
                     ebb_dtype_name((ebb_dtype)given->dtype));
        return NULL;
    }
    return ebb_keep(given->dtype == root->dtype ? given : ebb_to(given, (ebb_dtype)root->dtype));
}

static ebb_status start(struct ebb__pass *p, const char *op, ebb_list outputs, ebb_list grads) {
    for (int64_t i = 0; i < outputs.n; i++) {
        ebb_tensor *root = outputs.t[i];
        ebb_node *node = ebb__gradient_node(root);
        ebb_tensor *g = upstream(op, root, grads.n ? grads.t[i] : NULL, outputs.n);
        if (!g || ebb__pass_add(ebb__pass_find(p, node), root->grad_fn ? root->output_nr : 0, g))
            return ebb_error_status();
    }
    for (size_t i = 0; i < p->n; i++)
        if (p->entries[i].waits == 0 && p->entries[i].wanted && ebb__pass_push(p, &p->entries[i]))
            return ebb_error_status();
    return EBB_OK;
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

/* One pass from outputs; p says what is asked for. */
static ebb_status pass(struct ebb__pass *p, const char *op, ebb_list outputs, ebb_list grads, bool create_graph) {
    size_t bytes = (size_t)outputs.n * sizeof(ebb_node *);
    ebb_node **roots = ebb__alloc(bytes);
    if (!roots) return ebb_error_status();
    const char *file = p->file = ebb__thread.file;
    int line = p->line = ebb__thread.line;
    ebb_inference_mode inference = ebb_inference_mode_open(false); /* gradients are ordinary tensors */
    struct ebb__checked checked = ebb__checks_begin(op);
    ebb__thread.checks = 0; /* of rules what they give is looked at, not what they compute, and nothing is cast */
    bool before = ebb_set_grad_enabled(create_graph);
    ebb_scope scope = ebb_scope_open();
    ebb_status status = EBB_OK;
    for (int64_t i = 0; i < outputs.n && !status; i++) {
        if (!ebb__requires_grad(outputs.t[i]))
            status = ebb__fail_op(op, EBB_ERR_GRAPH,
                                  "%s (%s) does not require gradients and was not computed from a tensor that does",
                                  name_of(outputs.t[i]), ebb_dtype_name((ebb_dtype)outputs.t[i]->dtype));
        else if (ebb__refresh(outputs.t[i]) || !(roots[i] = ebb__gradient_node(outputs.t[i])))
            status = ebb_error_status();
    }
    int64_t held = 0; /* hooks may let go of the outputs */
    for (; held < outputs.n && !status; held++) ebb__node_ref(roots[held]);
    if (!status) status = ebb__pass_discover(p, roots, (size_t)outputs.n);
    if (!status && p->only_captures) status = ebb__pass_prune(p);
    if (!status) status = start(p, op, outputs, grads);
    if (!status) status = run_somewhere(p);
    ebb__pass_end(p);
    while (held-- > 0) ebb__node_unref(roots[held]);
    ebb_scope_close(&scope);
    ebb_set_grad_enabled(before);
    ebb_inference_mode_close(&inference);
    ebb__checks_end(checked);
    ebb__thread.file = file;
    ebb__thread.line = line;
    ebb__free(roots, bytes);
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
    for (int64_t i = 0; i < inputs.n; i++) {
        ebb_tensor *t = inputs.t[i];
        if (!ebb__requires_grad(t))
            return ebb__fail_op(op, ebb_dtype_is_floating((ebb_dtype)t->dtype) ? EBB_ERR_GRAPH : EBB_ERR_DTYPE,
                                "input %lld (%s) does not require gradients", (long long)i,
                                ebb_dtype_name((ebb_dtype)t->dtype));
        ebb_node *n = ebb__refresh(t) ? NULL : ebb__gradient_node(t);
        if (!n) return ebb_error_status();
        p->captures[i] = (struct ebb__capture){.node = n, .nr = t->grad_fn ? t->output_nr : 0, .input = (uint32_t)i};
    }
    for (int64_t i = 0; i < edges.n; i++) {
        const ebb_edge *e = &edges.e[i];
        if (!e->node || e->output < 0 || e->output >= e->node->n_out)
            return ebb__fail_op(op, EBB_ERR_ARGUMENT, "edge %lld has no node, or one without output %lld", (long long)i,
                                (long long)e->output);
        p->captures[inputs.n + i] =
            (struct ebb__capture){.node = e->node, .nr = (uint32_t)e->output, .input = (uint32_t)(inputs.n + i)};
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

static ebb_status backward(ebb_list roots, const ebb_backward_list_options *options) {
    static const char *op = "backward";
    struct ebb__pass p = {.keep_graph = options->retain_graph || options->create_graph, .accumulate = true};
    if (check_list(op, "an entry of inputs", options->inputs)) return ebb_error_status();
    ebb_status status = options->inputs.n ? captures(&p, op, options->inputs, (ebb_edges){0}) : EBB_OK;
    if (!status) status = retain_inputs(options->inputs);
    if (!status) status = pass(&p, op, roots, options->gradients, options->create_graph);
    captures_end(&p);
    return status;
}

ebb_status(ebb_backward)(ebb_tensor *t, ebb_backward_options options) {
    if (!t) return ebb__fail_null("backward", "tensor");
    const ebb_backward_list_options list = {.gradients = {1, &options.gradient},
                                            .retain_graph = options.retain_graph,
                                            .create_graph = options.create_graph,
                                            .inputs = options.inputs};
    return backward(EBB_LIST(t), &list);
}

static ebb_status check_gradients(const char *op, const char *name, ebb_list roots, ebb_list grads) {
    if (!grads.n || (grads.n == roots.n && grads.t)) return EBB_OK;
    return ebb__fail_op(op, EBB_ERR_ARGUMENT, "%lld outputs but %lld %s", (long long)roots.n, (long long)grads.n, name);
}

ebb_status(ebb_backward_list)(ebb_list roots, ebb_backward_list_options options) {
    static const char *op = "backward";
    if (check_list(op, "a root", roots)) return ebb_error_status();
    if (roots.n == 0) return ebb__fail_op(op, EBB_ERR_ARGUMENT, "needs at least one tensor to start from");
    if (check_gradients(op, "gradients", roots, options.gradients)) return ebb_error_status();
    return backward(roots, &options);
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
    if (check_list(op, "an output", outputs) || check_list(op, "an input", inputs)) return ebb_error_status();
    if (outputs.n <= 0 || options.edges.n < 0 || inputs.n + options.edges.n <= 0)
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "needs at least one output and one input");
    if (!ret_grads) return ebb__fail_null(op, "ret_grads");
    if (options.is_grads_batched) return ebb__grad_batched(outputs, inputs, ret_grads, options);
    if (check_gradients(op, "grad_outputs", outputs, options.grad_outputs)) return ebb_error_status();
    struct ebb__pass p = {.keep_graph = options.retain_graph || options.create_graph};
    ebb_status status = captures(&p, op, inputs, options.edges);
    if (!status) status = pass(&p, op, outputs, options.grad_outputs, options.create_graph);
    if (!status && p.n_captures > 1) qsort(p.captures, p.n_captures, sizeof *p.captures, by_input);
    if (!status) status = complete(&p, inputs, &options);
    const int64_t n = inputs.n + options.edges.n;
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
