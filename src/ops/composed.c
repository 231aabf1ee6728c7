/* Rules of backward operators by way of the same computed with public operators: each derivative of theirs is then one
 * of what they are made of, and they are fast where nobody asks. */
#include "ops/composed.h"

/* Each input is taken as a tensor of its own, since one may stand in several places; in forward mode they do not
 * require gradients by themselves. */
static ebb_status differentiate(struct ebb_vjp_call *v, ebb__composition compose, bool create_graph,
                                ebb_tensor **ret_grads) {
    ebb_tensor *x[EBB_OP_MAX_IN], *y[EBB_OP_MAX_OUT] = {NULL}, *out[EBB_OP_MAX_OUT], *h[EBB_OP_MAX_OUT];
    ebb_tensor *in[EBB_OP_MAX_IN], *grads[EBB_OP_MAX_IN] = {NULL};
    int64_t n_in = 0, n_out = 0;
    ebb_dtype dtype = EBB_DTYPE_NONE; /* in which the kernel computed */
    for (int64_t i = 0; i < v->n_in; i++)
        if (v->in[i]) dtype = dtype ? ebb_promote_types(dtype, (ebb_dtype)v->in[i]->dtype) : (ebb_dtype)v->in[i]->dtype;
    for (int64_t i = 0; i < v->n_in; i++) {
        x[i] = v->in[i];
        if (!v->needs[i]) {
            if (x[i]) x[i] = ebb_to(x[i], dtype);
            continue;
        }
        if (ebb_tensor_requires_grad(x[i])) x[i] = ebb_view(x[i], ebb_tensor_shape(x[i]));
        else x[i] = ebb_requires_grad_(ebb_detach(x[i]), true);
        if (!x[i]) return ebb_error_status();
        in[n_in++] = x[i];
        x[i] = ebb_to(x[i], dtype);
    }
    if (!compose(x, v->attrs, y)) return ebb_error_status();
    for (int64_t k = 0; k < v->n_out; k++) {
        if (!v->grad[k] || !y[k] || !ebb_tensor_requires_grad(y[k])) continue;
        out[n_out] = y[k];
        h[n_out++] = v->grad[k];
    }
    if (n_out == 0) return EBB_OK;
    ebb_status status = ebb_grad(((ebb_list){n_out, out}), ((ebb_list){n_in, in}), grads, .grad_outputs = {n_out, h},
                                 .create_graph = create_graph, .allow_unused = true);
    for (int64_t i = 0, k = 0; i < v->n_in && !status; i++)
        if (v->needs[i]) ret_grads[i] = grads[k++];
    return status;
}

void ebb__vjp_composed(struct ebb_vjp_call *v, ebb__composition compose) {
    ebb_tensor *grads[EBB_OP_MAX_IN] = {NULL};
    bool before = ebb__thread.no_grad;
    ebb__thread.no_grad = false;
    ebb_status status = differentiate(v, compose, !before, grads);
    ebb__thread.no_grad = before;
    for (int64_t i = 0; i < v->n_in; i++)
        if (v->needs[i] && (status || grads[i])) ebb_vjp_give(v, i, grads[i]);
}
