/* Hooks on tensors: they watch the output of the node that gradients of the tensor are sent to. */
#include "autograd/pass.h"

ebb_hook(ebb_register_hook)(ebb_tensor *t, ebb_tensor_hook hook, void *context, void (*release)(void *)) {
    static const char *op = "register_hook";
    static _Atomic uint64_t next = 1;
    if (!t || !hook) {
        ebb__fail_null(op, t ? "hook" : "tensor");
        return 0;
    }
    if (!ebb__requires_grad(t)) {
        ebb__fail_op(op, EBB_ERR_GRAPH, "cannot watch the gradient of a tensor that does not require one");
        return 0;
    }
    ebb_node *n = ebb__refresh(t) ? NULL : ebb__gradient_node(t);
    struct ebb__node_extra *x = n ? ebb__node_extra(n) : NULL;
    if (!x || !ebb__grow((void **)&x->hooks, &x->hook_capacity, x->n_hooks + 1, sizeof *x->hooks)) return 0;
    uint64_t id = atomic_fetch_add(&next, 1);
    x->hooks[x->n_hooks++] = (struct ebb__hook){
        .id = id, .nr = t->grad_fn ? t->output_nr : 0, .call = hook, .context = context, .release = release};
    return id;
}

ebb_status(ebb_remove_hook)(ebb_tensor *t, ebb_hook hook) {
    static const char *op = "remove_hook";
    if (!t) return ebb__fail_null(op, "tensor");
    ebb_node *n = ebb__refresh(t) ? NULL : ebb__gradient_node(t);
    struct ebb__node_extra *x = n ? n->extra : NULL;
    for (size_t i = 0; x && i < x->n_hooks; i++) {
        struct ebb__hook h = x->hooks[i];
        if (h.id != hook) continue;
        for (size_t k = i + 1; k < x->n_hooks; k++) x->hooks[k - 1] = x->hooks[k];
        x->n_hooks--;
        if (h.release) h.release(h.context);
        return EBB_OK;
    }
    return ebb__fail_op(op, EBB_ERR_ARGUMENT, "the tensor has no such hook");
}
