/* Adding gradients up: along joining paths, by rules themselves, back to the shape of a broadcast input, and into
 * .grad. */
#include "autograd/anomaly.h"
#include "autograd/hooks.h"
#include <ebb/ops.h>
#if defined(__unix__) || defined(__APPLE__)
#include <sched.h>
#endif

static bool held_once(const ebb_tensor *t) {
    return atomic_load_explicit(&t->refs, memory_order_acquire) == 1 && !t->grad_fn && !(t->flags & EBB__HAS_TANGENT);
}

/* Nobody else can see this memory, and no element is another one too: t has it alone, or is a view of all that its base
 * has, which nobody else holds. */
static bool sole_owner(const ebb_tensor *t) {
    const ebb_tensor *base = t->base;
    if (!held_once(t) || !t->storage || !ebb__is_dense(t) ||
        atomic_load_explicit(&t->storage->refs, memory_order_acquire) != (base ? 2 : 1) ||
        atomic_load_explicit(&t->storage->special, memory_order_relaxed) & EBB__EXTERNAL)
        return false;
    return !base || (held_once(base) && base->storage == t->storage && base->numel == t->numel);
}

static ebb_tensor *take(ebb_tensor *t) {
    if (t) ebb__ref(t);
    return t;
}

ebb_tensor *ebb__add_gradients(ebb_tensor *a, ebb_tensor *b) {
    ebb_scope scope = ebb_scope_open();
    if (!sole_owner(a) && sole_owner(b)) { /* addition commutes exactly */
        ebb_tensor *other = a;
        a = b;
        b = other;
    }
    bool into = ebb__thread.no_grad && sole_owner(a) && !ebb__is_batched(b);
    ebb_tensor *sum = into ? ebb_add_(a, b) : ebb_add(a, b);
    sum = take(sum);
    ebb_scope_close(&scope);
    ebb__unref(a);
    ebb__unref(b);
    return sum;
}

/* ---- by rules themselves ---- */

extern const struct ebb_op ebb_op_t; /* ops/permute.c */

static bool is_transposition(const ebb_node *n) { return n->op == &ebb_op_t; }

/* Whether all that comes to e's node goes on through it, and nobody looks at it there. */
static bool passes_through(const struct ebb__entry *e) {
    return e->waits == 1 && e->run && !e->captured && !e->node->extra && !e->grad.one;
}

ebb_tensor *ebb_vjp_sum(const struct ebb_vjp_call *v, int64_t i) {
    if (!ebb__vjp_unseen(v) || i < 0 || i >= v->n_in || !v->needs[i]) return NULL;
    struct ebb__pass *p = ebb__thread.pass;
    const struct ebb__edge *edge = &ebb__node_edges(v->node)[i];
    struct ebb__entry *to = ebb__pass_find(p, edge->node);
    const bool turned = is_transposition(edge->node) && passes_through(to);
    if (turned) {
        edge = ebb__node_edges(edge->node);
        to = ebb__pass_find(p, edge->node);
    }
    ebb_tensor *sum = to->node->n_out == 1 ? to->grad.one : to->grad.many ? to->grad.many[edge->nr] : NULL;
    if (!sum || !sole_owner(sum)) return NULL;
    return turned ? ebb_t(sum) : sum;
}

bool ebb_vjp_transposed(const struct ebb_vjp_call *v, int64_t i) {
    return v->node && v->needs[i] && is_transposition(ebb__node_edges(v->node)[i].node);
}

ebb_tensor *ebb__refit_gradient(ebb_tensor *grad, struct ebb__meta m) {
    bool same = grad->ndim == m.ndim;
    for (int i = 0; i < m.ndim && same; i++) same = grad->dims[i] == m.sizes[i];
    if (!same) {
        ebb_dims sum = {0}, shape = ebb__dims(m.ndim, m.sizes), have = ebb_tensor_shape(grad);
        int more = grad->ndim - m.ndim;
        bool fits = more >= 0;
        for (int i = 0; i < grad->ndim && fits; i++) {
            int64_t want = i < more ? 1 : m.sizes[i - more];
            if (i < more || (want == 1 && have.d[i] != 1)) sum.d[sum.n++] = i;
            else fits = want == have.d[i];
        }
        if (!fits) {
            char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
            ebb_fail(EBB_ERR_SHAPE, "a gradient of shape %s does not fit an input of shape %s",
                     ebb__shape_text(a, have.n, have.d), ebb__shape_text(b, shape.n, shape.d));
            return NULL;
        }
        bool inner = sum.n > more; /* dimensions of size 1 that stay */
        grad = ebb_sum(grad, .dim = sum, .keepdim = inner);
        if (more && inner) grad = ebb_reshape(grad, shape);
    }
    return grad && grad->dtype != m.dtype ? ebb_to(grad, m.dtype) : grad;
}

/* ---- into .grad ---- */

static void lock(struct ebb__autograd *a) {
    while (atomic_exchange_explicit(&a->lock, 1, memory_order_acquire)) {
#if defined(__unix__) || defined(__APPLE__)
        sched_yield();
#endif
    }
}

/* PyTorch's layout contract: the gradient of a dense tensor lies in memory as the tensor does, any other one row by
 * row, so that optimizers meet the same order in both. */
static bool laid_out_for(const ebb_tensor *grad, const ebb_tensor *t) {
    if (EBB_LIKELY(ebb__is_contiguous(t))) return ebb__is_contiguous(grad);
    if (!ebb__is_dense(t)) return ebb__is_contiguous(grad);
    for (int i = 0; i < t->ndim; i++)
        if (t->dims[i] != 1 && ebb__strides(t)[i] != ebb__strides(grad)[i]) return false;
    return true;
}

static ebb_tensor *copy_for(ebb_tensor *grad, const ebb_tensor *t) {
    if (EBB_LIKELY(ebb__is_contiguous(t)) || !ebb__is_dense(t)) return ebb_clone(grad);
    ebb_tensor *copy = ebb__own(ebb__tensor_new_laid_out(t, (ebb_dtype)grad->dtype));
    return copy ? ebb_copy_(copy, grad) : NULL;
}

/* A gradient without another owner; of a view its memory, so that no base goes on living beside it. */
static ebb_tensor *taken_over(ebb_tensor *grad) {
    return grad->base ? ebb__tensor_alias(grad, grad->ndim, ebb__sizes(grad), ebb__strides(grad), 0) : take(grad);
}

static void fail_other_shape(const ebb_tensor *t, const ebb_tensor *grad) {
    char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
    ebb__fail_op("backward", EBB_ERR_SHAPE, "%s has shape %s, and a gradient of shape %s from before; clear it first",
                 ebb_tensor_name(t)[0] ? ebb_tensor_name(t) : "a leaf", ebb__shape_text(a, t->ndim, ebb__sizes(t)),
                 ebb__shape_text(b, grad->ndim, ebb__sizes(grad)));
}

/* I7, PyTorch's AccumulateGrad: take a gradient that has no other owner, copy one that has, add in place unless the
 * pass itself is recorded. */
ebb_status ebb__accumulate(ebb_tensor *t, ebb_tensor *grad) {
    struct ebb__autograd *a = ebb__autograd_of(t);
    bool stays = !ebb__is_batched(grad) || ebb__is_batched(t);
    if (!stays)
        ebb__fail_op("backward", EBB_ERR_GRAPH,
                     "inside ebb_vmap the gradient of %s differs between samples, and it is one tensor for all: get it "
                     "by ebb_grad, and return it",
                     ebb_tensor_name(t)[0] ? ebb_tensor_name(t) : "a leaf");
    if (!a || !stays) {
        ebb__unref(grad);
        return ebb_error_status();
    }
    ebb_scope scope = ebb_scope_open();
    bool recorded = !ebb__thread.no_grad;
    ebb_tensor *result = NULL;
    lock(a);
    if (!a->grad) {
        if (!recorded && sole_owner(grad) && laid_out_for(grad, t)) result = taken_over(grad);
        else result = take(copy_for(grad, t));
    } else if (EBB_UNLIKELY(!ebb__same_shape(a->grad, grad))) { /* it was set to another storage */
        fail_other_shape(t, a->grad);
    } else {
        bool apart = recorded || ebb__is_batched(grad);
        result = take(apart ? ebb_add(a->grad, grad) : ebb_add_(a->grad, grad));
    }
    ebb_tensor *before = result ? a->grad : NULL;
    if (result) a->grad = result;
    atomic_store_explicit(&a->lock, 0, memory_order_release);
    bool added = before != NULL;
    ebb__unref(before); /* only now: releasing may run the user's functions */
    ebb__unref(grad);
    ebb_scope_close(&scope);
    if (!result) return ebb_error_status();
    return EBB_LIKELY(!added || !ebb__thread.anomaly) ? EBB_OK : ebb__check_sum(&a->leaf, 0, a->grad);
}

/* Whoever holds the gradient of an earlier pass keeps it as it was. */
ebb_status ebb__accumulate_retained(ebb_tensor *t, ebb_tensor *grad) {
    struct ebb__autograd *a = ebb__autograd_of(t);
    if (!a) return ebb_error_status();
    ebb_scope scope = ebb_scope_open();
    lock(a);
    ebb_tensor *result = take(a->grad ? ebb_add(a->grad, grad) : ebb_clone(grad)), *before = result ? a->grad : NULL;
    if (result) a->grad = result;
    atomic_store_explicit(&a->lock, 0, memory_order_release);
    ebb__unref(before);
    ebb_scope_close(&scope);
    return result ? EBB_OK : ebb_error_status();
}
