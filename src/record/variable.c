/* What a tensor is to autograd: whether it gathers gradients, its gradient, its name; and the thread's grad mode. */
#include "record/call.h"
#include "record/tangent.h"
#include <string.h>

/* ---- grad mode, inference mode ---- */

bool ebb_is_grad_enabled(void) { return !ebb__thread.no_grad; }

bool ebb_set_grad_enabled(bool enabled) {
    bool before = !ebb__thread.no_grad;
    ebb__thread.no_grad = !enabled || ebb__thread.inference;
    return before;
}

ebb_grad_mode ebb_grad_mode_open(bool enabled) { return (ebb_grad_mode){ebb_set_grad_enabled(enabled), true}; }

void ebb_grad_mode_close(ebb_grad_mode *mode) {
    if (mode->open) ebb_set_grad_enabled(mode->before);
    mode->open = false;
}

bool ebb_is_inference_mode_enabled(void) { return ebb__thread.inference; }

ebb_inference_mode ebb_inference_mode_open(bool enabled) {
    ebb_inference_mode mode = {ebb_is_grad_enabled(), ebb_is_inference_mode_enabled(), true};
    ebb__thread.inference = enabled ? EBB__INFERENCE : 0;
    ebb__thread.no_grad = enabled;
    return mode;
}

void ebb_inference_mode_close(ebb_inference_mode *mode) {
    if (!mode->open) return;
    ebb__thread.inference = mode->before ? EBB__INFERENCE : 0;
    ebb__thread.no_grad = !mode->grad_before;
    mode->open = false;
}

bool ebb_tensor_is_inference(const ebb_tensor *t) { return t && t->flags & EBB__INFERENCE; }

/* ---- tensors ---- */

ebb_tensor *(ebb_requires_grad_)(ebb_tensor *t, bool requires_grad) {
    static const char *op = "requires_grad_";
    if (!t) {
        ebb__fail_null(op, "tensor");
        return NULL;
    }
    if (requires_grad && !ebb_dtype_is_floating((ebb_dtype)t->dtype)) {
        ebb__fail_op(op, EBB_ERR_DTYPE, "only floating-point tensors can require gradients, not %s",
                     ebb_dtype_name((ebb_dtype)t->dtype));
        return NULL;
    }
    if (requires_grad && t->flags & EBB__INFERENCE && !ebb__thread.inference) {
        ebb__fail_op(op, EBB_ERR_GRAPH,
                     "an inference tensor cannot require gradients outside of inference mode; "
                     "clone it first");
        return NULL;
    }
    if (ebb__refresh(t)) return NULL;
    if (!requires_grad && t->grad_fn) {
        ebb__fail_op(op, EBB_ERR_GRAPH, "%s was computed by %s: only leaves can be switched off; use ebb_detach",
                     ebb_tensor_name(t)[0] ? ebb_tensor_name(t) : "the tensor", t->grad_fn->name);
        return NULL;
    }
    if (!t->grad_fn)
        t->flags = (uint16_t)(requires_grad ? t->flags | EBB__REQUIRES_GRAD : t->flags & ~EBB__REQUIRES_GRAD);
    return t;
}

ebb_tensor *ebb_tensor_grad(const ebb_tensor *t) { return t && t->autograd ? t->autograd->grad : NULL; }

ebb_status(ebb_set_grad)(ebb_tensor *t, ebb_tensor *grad) {
    if (!t) return ebb__fail_null("set_grad", "tensor");
    if (grad == t) return ebb__fail_op("set_grad", EBB_ERR_ARGUMENT, "a tensor cannot be its own gradient");
    if (!grad && !t->autograd) return EBB_OK;
    if (grad && (grad->dtype != t->dtype || !ebb__same_shape(grad, t))) {
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        return ebb__fail_op("set_grad", EBB_ERR_SHAPE, "the gradient is %s %s, the tensor %s %s",
                            ebb_dtype_name((ebb_dtype)grad->dtype), ebb__shape_text(a, grad->ndim, ebb__sizes(grad)),
                            ebb_dtype_name((ebb_dtype)t->dtype), ebb__shape_text(b, t->ndim, ebb__sizes(t)));
    }
    struct ebb__autograd *a = ebb__autograd_of(t);
    if (!a) return ebb_error_status();
    ebb_tensor *before = a->grad;
    a->grad = ebb_keep(grad);
    ebb__unref(before);
    return EBB_OK;
}

ebb_status ebb__retain(ebb_tensor *t) {
    struct ebb__node_extra *x = ebb__node_extra(t->grad_fn);
    if (!x || !ebb__autograd_of(t)) return ebb_error_status();
    if (!x->retain && !(x->retain = ebb__alloc_zeroed(t->grad_fn->n_out * sizeof *x->retain)))
        return ebb_error_status();
    x->retain[t->output_nr] = t;
    t->flags |= EBB__RETAINS_GRAD;
    return EBB_OK;
}

ebb_status(ebb_retain_grad)(ebb_tensor *t) {
    if (!t) return ebb__fail_null("retain_grad", "tensor");
    if (!ebb__requires_grad(t))
        return ebb__fail_op("retain_grad", EBB_ERR_GRAPH, "the tensor does not require gradients");
    if (ebb__refresh(t)) return ebb_error_status();
    return !t->grad_fn || t->flags & EBB__RETAINS_GRAD ? EBB_OK : ebb__retain(t);
}

ebb_tensor *(ebb_detach)(ebb_tensor *t) {
    if (!t) {
        ebb__fail_null("detach", "tensor");
        return NULL;
    }
    return ebb__own(ebb__detached(t));
}

ebb_tensor *(ebb_name)(ebb_tensor *t, const char *name) {
    if (!t) {
        ebb__fail_null("name", "tensor");
        return NULL;
    }
    struct ebb__autograd *a = ebb__autograd_of(t);
    if (!a) return NULL;
    if (!a->name && !(a->name = ebb__alloc(EBB__NAME_BYTES))) return NULL;
    snprintf(a->name, EBB__NAME_BYTES, "%s", name ? name : "");
    if (ebb__refresh(t) || (t->grad_fn && ebb__node_set_name(t->grad_fn, t->output_nr, a->name))) return NULL;
    return t;
}

const char *ebb_tensor_name(const ebb_tensor *t) {
    return t && t->autograd && t->autograd->name ? t->autograd->name : "";
}
