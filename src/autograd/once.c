/* Rules that can be differentiated once only: what they gave has a history that says so when a pass goes through it. */
#include "autograd/pass.h"

struct refused {
    const char *op;
};

static void refuse(struct ebb_vjp_call *v) {
    const struct refused *r = v->attrs;
    ebb_fail(EBB_ERR_GRAPH, "the rule of %s can be differentiated once only", r->op);
}

static const struct ebb_op once = {
    .name = "once_differentiable",
    .node = "Error",
    .in = EBB_INPUTS({"gradients", EBB_INPUT_LIST}),
    .n_in = 1,
    .n_out = EBB_OUT_LIST,
    .attrs_size = sizeof(struct refused),
    .vjp = refuse,
};

ebb_status ebb__once_only(struct ebb_vjp_call *v) {
    struct refused attrs = {v->op->name};
    bool needed = false;
    for (int64_t k = 0; k < v->n_out; k++) needed = needed || (v->grad[k] && ebb__requires_grad(v->grad[k]));
    if (!needed) return EBB_OK;
    ebb_tensor **out = ebb_list_room(v->n_in);
    if (!out) return ebb_error_status();
    int n = 0;
    for (int64_t i = 0; i < v->n_in; i++) {
        ebb_tensor *t = v->given[i];
        if (!t) continue;
        t = v->given[i] = ebb__own(ebb__tensor_alias(t, t->ndim, ebb__sizes(t), ebb__strides(t), 0));
        if (!t) return ebb_error_status();
        out[n++] = t;
    }
    return n ? ebb__record_as_is(&once, v->grad, v->grad, v->n_out, &attrs, out, n) : EBB_OK;
}
