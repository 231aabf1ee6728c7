/* What the functional transforms share: a function is run on handles of its own for the inputs, so that gradients by
 * them are gradients by nothing else. */
#include "autograd/transforms.h"
#include "autograd/pass.h"
#include "record/tangent.h"
#include <ebb/ops.h>

ebb_status ebb__function_call(const char *op, ebb_function function, void *context, ebb_list inputs,
                              ebb_outputs *ret_out) {
    ebb_outputs out = {0};
    uint64_t failures = ebb__thread.failures;
    const char *file = ebb__thread.file;
    int line = ebb__thread.line;
    ebb_status status = function(inputs, &out, context);
    if (!status && ebb__failed_since(failures)) status = ebb_error_status();
    ebb__thread.file = file; /* what is wrong with the results is said of the call of the transform */
    ebb__thread.line = line;
    if (status) return ebb__fail_op(op, status, "the function failed");
    if (out.n < 0 || out.n > EBB_FUNCTION_MAX_OUT)
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "the function returned %lld outputs; at most %d are possible",
                            (long long)out.n, EBB_FUNCTION_MAX_OUT);
    for (int64_t k = 0; k < out.n; k++)
        if (!out.t[k]) return ebb__fail_null(op, "an output of the function");
    *ret_out = out;
    return EBB_OK;
}

ebb_status ebb__wanted_inputs(const char *op, ebb_list inputs, const ebb_dims *argnums, bool **ret_wanted) {
    if (ebb__dims_bare(argnums))
        return ebb__fail_op(op, EBB_ERR_ARGUMENT,
                            "argnums is a list that does not say how many entries it has: write .argnums = "
                            "EBB_DIMS(...)");
    if (inputs.n < 0 || (inputs.n && !inputs.t))
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "the list of inputs is NULL, or of %lld tensors",
                            (long long)inputs.n);
    bool *wanted = ebb__alloc_zeroed((size_t)inputs.n * sizeof *wanted);
    if (!wanted) return ebb_error_status();
    ebb_status status = EBB_OK;
    for (int64_t i = 0; i < inputs.n && argnums->n == 0; i++)
        wanted[i] = inputs.t[i] && ebb__is_floating(inputs.t[i]->dtype);
    for (int k = 0; k < argnums->n && !status; k++) {
        int64_t i = argnums->d[k] < 0 ? argnums->d[k] + inputs.n : argnums->d[k];
        const ebb_tensor *t = i >= 0 && i < inputs.n ? inputs.t[i] : NULL;
        if (i < 0 || i >= inputs.n)
            status = ebb__fail_op(op, EBB_ERR_INDEX, "argnums names input %lld of %lld", (long long)argnums->d[k],
                                  (long long)inputs.n);
        else if (!t) status = ebb__fail_null(op, "an input that argnums names");
        else if (!ebb__is_floating(t->dtype))
            status = ebb__fail_op(op, EBB_ERR_DTYPE, "input %lld is %s: only floating-point inputs have derivatives",
                                  (long long)i, ebb_dtype_name((ebb_dtype)t->dtype));
        else wanted[i] = true;
    }
    if (status) ebb__free(wanted, (size_t)inputs.n * sizeof *wanted);
    else *ret_wanted = wanted;
    return status;
}

ebb_status ebb__hand_out(ebb_scope *scope, ebb_tensor **t, int64_t n) {
    ebb_status status = EBB_OK;
    for (int64_t i = 0; i < n; i++)
        if (t[i]) ebb__ref(t[i]);
    ebb_scope_close(scope);
    for (int64_t i = 0; i < n; i++) {
        if (!t[i]) continue;
        if (status) ebb__unref(t[i]);
        else if (!ebb__own(t[i])) status = ebb_error_status();
    }
    return status;
}

/* ---- handles ---- */

/* Another handle of t without its history, with what it carries at the open levels: that without history as well, or
 * as it is. A new reference. */
static ebb_tensor *handle_of(ebb_tensor *t, bool constant) {
    ebb_tensor *h = ebb__tensor_alias(t, t->ndim, ebb__sizes(t), ebb__strides(t), 0);
    for (struct ebb__level *l = ebb__thread.levels; h && l; l = l->outer) {
        ebb_tensor *carried = ebb__tangent_of(t, l), *own = NULL;
        if (!carried) continue;
        if (constant) own = handle_of(carried, true);
        else ebb__ref(own = carried);
        if (!own || ebb__tangent_set(h, l, own)) {
            ebb__unref(h);
            h = NULL;
        }
        ebb__unref(own);
    }
    return h;
}

/* What the function gets for x: connected to x where that is in a graph being recorded, else a leaf. */
static ebb_tensor *own_input(ebb_tensor *x) {
    if (!ebb__thread.no_grad && ebb__requires_grad(x)) return ebb_view(x, ebb_tensor_shape(x));
    return ebb_requires_grad_(ebb__own(handle_of(x, false)), true);
}

/* ---- what else a result depends on ---- */

bool ebb__has_history(const ebb_tensor *t) {
    if (ebb__requires_grad(t)) return true;
    struct ebb__autograd *a = t->flags & EBB__HAS_TANGENT ? t->autograd : NULL;
    for (struct ebb__tangent *e = a ? a->tangents : NULL; e; e = e->next)
        if (ebb__has_history(e->value)) return true;
    return false;
}

struct edges {
    ebb_edge *e;
    size_t n, capacity;
};

/* The edges of t and of what it carries at any level. */
static ebb_status gather(struct edges *edges, ebb_tensor *t) {
    ebb_node *node = NULL;
    if (ebb__refresh(t) || (ebb__requires_grad(t) && !(node = ebb__gradient_node(t)))) return ebb_error_status();
    if (node) {
        void *array = edges->e;
        if (!ebb__grow(&array, &edges->capacity, edges->n + 1, sizeof *edges->e)) return ebb_error_status();
        edges->e = array;
        edges->e[edges->n++] = (ebb_edge){node, t->grad_fn ? t->output_nr : 0};
    }
    struct ebb__autograd *a = t->flags & EBB__HAS_TANGENT ? t->autograd : NULL;
    for (struct ebb__tangent *e = a ? a->tangents : NULL; e; e = e->next)
        if (gather(edges, e->value)) return ebb_error_status();
    return EBB_OK;
}

static bool is_own_leaf(const struct ebb__run *r, const ebb_node *node) {
    const ebb_tensor *t = ebb__leaf_tensor(node);
    for (int64_t i = 0; i < r->n_x; i++)
        if (r->x[i] == t) return true;
    return false;
}

/* Whether an output leads to a leaf that is no input of this run: then what is computed from the outputs has a history
 * outside. */
static ebb_status find_others(const struct ebb__run *r, bool *ret_found) {
    struct edges edges = {0};
    struct ebb__pass p = {0};
    ebb_status status = EBB_OK;
    *ret_found = false;
    for (int64_t k = 0; k < r->out.n && !status; k++) status = gather(&edges, r->out.t[k]);
    if (!status) status = ebb__pass_discover(&p, edges.e, (int64_t)edges.n);
    for (size_t i = 0; i < p.n && !status && !*ret_found; i++) {
        const ebb_node *node = p.entries[i].node;
        *ret_found = node->flags & EBB__NODE_LEAF && !is_own_leaf(r, node);
    }
    ebb__pass_end(&p);
    ebb__free(edges.e, edges.capacity * sizeof *edges.e);
    return status;
}

/* ---- a run ---- */

ebb_status ebb__run_open(struct ebb__run *r, const char *op, ebb_function function, void *context, ebb_list inputs,
                         const ebb_dims *argnums) {
    bool *wanted = NULL;
    *r = (struct ebb__run){.op = op};
    if (!function) return ebb__fail_null(op, "function");
    ebb_status status = ebb__wanted_inputs(op, inputs, argnums, &wanted);
    if (status) return status;
    size_t n = (size_t)inputs.n;
    r->n = inputs.n;
    r->bytes = n * (2 * sizeof *r->in + sizeof *r->at);
    r->in = ebb__alloc_zeroed(r->bytes);
    if (!r->in) status = ebb_error_status();
    for (int64_t i = 0; i < r->n && !status; i++) {
        r->x = r->in + n;
        r->at = (int64_t *)(void *)(r->x + n);
        r->in[i] = inputs.t[i];
        if (!wanted[i]) continue;
        r->in[i] = r->x[r->n_x] = own_input(inputs.t[i]);
        r->at[r->n_x++] = i;
        if (!r->in[i]) status = ebb_error_status();
    }
    ebb__free(wanted, n * sizeof *wanted);
    bool recording = ebb_set_grad_enabled(true);
    if (!status) status = ebb__function_call(op, function, context, (ebb_list){r->n, r->in}, &r->out);
    ebb_set_grad_enabled(recording);
    if (!status && recording) status = find_others(r, &r->recorded);
    return status;
}

void ebb__run_close(struct ebb__run *r) { ebb__free(r->in, r->bytes); }

ebb_tensor *ebb__run_give(const struct ebb__run *r, ebb_tensor *t) {
    return r->recorded || !t ? t : ebb__own(handle_of(t, true));
}

ebb_status ebb__run_results(const struct ebb__run *r, ebb_outputs *ret_out) {
    ret_out->n = r->out.n;
    for (int64_t k = 0; k < r->out.n; k++)
        if (!(ret_out->t[k] = ebb__run_give(r, r->out.t[k]))) return ebb_error_status();
    return EBB_OK;
}

ebb_status ebb__run_pull(struct ebb__run *r, ebb_list outputs, ebb_list vectors, bool recorded, bool batched,
                         ebb_tensor **ret) {
    size_t bytes = (size_t)(2 * outputs.n + r->n_x) * sizeof(ebb_tensor *);
    for (int64_t i = 0; i < r->n; i++) ret[i] = NULL;
    ebb_tensor **y = ebb__alloc(bytes), **v = y + outputs.n, **g = v + outputs.n;
    if (!y) return ebb_error_status();
    int64_t n = 0;
    for (int64_t k = 0; k < outputs.n; k++) {
        if (!outputs.t[k] || !vectors.t[k] || !ebb__requires_grad(outputs.t[k])) continue;
        y[n] = outputs.t[k];
        v[n++] = vectors.t[k];
    }
    ebb_status status = EBB_OK;
    if (n && r->n_x)
        status =
            ebb_grad(((ebb_list){n, y}), ((ebb_list){r->n_x, r->x}), g, .grad_outputs = {n, v}, .retain_graph = true,
                     .create_graph = recorded, .allow_unused = true, .is_grads_batched = batched);
    for (int64_t i = 0; i < r->n_x && n && !status; i++) ret[r->at[i]] = g[i];
    ebb__free(y, bytes);
    return status;
}

ebb_status ebb__run_materialize(struct ebb__run *r, bool strict, ebb_tensor **grads) {
    for (int64_t i = 0; i < r->n_x; i++) {
        if (grads[r->at[i]]) continue;
        if (strict)
            return ebb__fail_op(r->op, EBB_ERR_GRAPH, "strict: the outputs do not depend on input %lld",
                                (long long)r->at[i]);
        if (!(grads[r->at[i]] = ebb_zeros_like(r->x[i]))) return ebb_error_status();
    }
    return EBB_OK;
}
