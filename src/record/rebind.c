/* What changes a tensor itself, not its values: which storage it has (ebb_set_), and that it has no history
 * (ebb_detach_). */
#include "record/call.h"
#include "record/tangent.h"

static ebb_status fail(const char *op, ebb_status status, const ebb_tensor *t, const char *role, const char *why) {
    const char *name = ebb_tensor_name(t);
    return ebb__fail_op(op, status, "%s %s", name[0] ? name : role, why);
}

static bool carries(const ebb_tensor *t) { return t->flags & (EBB__HAS_TANGENT | EBB__BATCHED); }

static ebb_status check_set(const ebb_tensor *self, const ebb_tensor *source) {
    static const char *op = "set_";
    if (self->dtype != source->dtype)
        return ebb__fail_op(op, EBB_ERR_DTYPE, "self is %s, source %s: a tensor keeps its dtype",
                            ebb_dtype_name((ebb_dtype)self->dtype), ebb_dtype_name((ebb_dtype)source->dtype));
    if (self->flags & EBB__NUMBER || source->flags & EBB__NUMBER)
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "a number has no storage that can be shared; use ebb_scalar");
    if (carries(self) || carries(source))
        return ebb__fail_op(op, EBB_ERR_GRAPH,
                            "tensors that carry a tangent, or a batch, cannot be set, nor be what others are set to");
    if (self->base)
        return fail(op, EBB_ERR_GRAPH, self, "self", "is a view, which belongs to its base's storage; use ebb_detach");
    if (self->flags & EBB__INFERENCE && !ebb__thread.inference)
        return fail(op, EBB_ERR_GRAPH, self, "self",
                    "is an inference tensor and cannot be set outside of inference mode");
    if (ebb__thread.no_grad) return EBB_OK;
    if (self->flags & EBB__REQUIRES_GRAD && !self->grad_fn)
        return fail(op, EBB_ERR_GRAPH, self, "self",
                    "is a leaf that requires gradients and cannot be set while recording; use EBB_NO_GRAD");
    if (ebb__requires_grad(self) || ebb__requires_grad(source))
        return fail(op, EBB_ERR_GRAPH, ebb__requires_grad(self) ? self : source,
                    ebb__requires_grad(self) ? "self" : "source",
                    "has a history, and setting has no derivative; use EBB_NO_GRAD, or ebb_detach");
    return EBB_OK;
}

ebb_tensor *(ebb_set_)(ebb_tensor *self, ebb_tensor *source) {
    if (!self || !source) {
        ebb__fail_null("set_", self ? "source" : "self");
        return NULL;
    }
    return check_set(self, source) || ebb__move(self, source) ? NULL : self;
}

ebb_tensor *(ebb_detach_)(ebb_tensor *t) {
    static const char *op = "detach_";
    if (!t) {
        ebb__fail_null(op, "tensor");
        return NULL;
    }
    if (t->base || ebb__is_batched(t)) {
        fail(op, EBB_ERR_GRAPH, t, "the tensor",
             t->base ? "is a view and cannot be detached in place, since its base would go on giving it a history; use "
                       "ebb_detach"
                     : "stands for a batch and cannot be detached in place; use ebb_detach");
        return NULL;
    }
    ebb__unretain(t);
    ebb_node *n = t->grad_fn;
    t->grad_fn = NULL;
    t->output_nr = 0;
    t->flags &= (uint16_t) ~(EBB__REQUIRES_GRAD | EBB__RETAINS_GRAD);
    if (t->flags & EBB__HAS_TANGENT) ebb__tangents_release(t->autograd);
    t->flags &= (uint16_t)~EBB__HAS_TANGENT;
    ebb__node_unref(n);
    return t;
}
