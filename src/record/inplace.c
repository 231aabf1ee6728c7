/* The in-place forms of operators: the result goes into input 0, whose version and history move on. */
#include "record/anomaly.h"
#include "record/saved.h"
#include "record/tangent.h"

static ebb_status fail_self(ebb_status status, const ebb_tensor *self, const char *why) {
    const char *name = ebb_tensor_name(self);
    return ebb_fail(status, "%s %s", name[0] ? name : "self", why);
}

static bool expanded(const ebb_tensor *t) {
    for (int i = 0; i < t->ndim; i++)
        if (ebb__strides(t)[i] == 0 && t->dims[i] > 1) return true;
    return false;
}

/* Whether op writes one number everywhere, whatever was there: then elements may share memory, as in PyTorch. */
static bool writes_one_number(const struct ebb_op *op, ebb_tensor *const *in) {
    return op == ebb_op_find("zero") || (op == ebb_op_find("fill") && in[1]->flags & EBB__NUMBER);
}

static bool is_differentiated(const ebb_tensor *t) {
    return (!ebb__thread.no_grad && ebb__requires_grad(t)) || t->flags & (EBB__HAS_TANGENT | EBB__BATCHED);
}

static ebb_status check_expanded(const struct ebb_op *op, const ebb_tensor *self, ebb_tensor *const *in) {
    const ebb_tensor *base = ebb__base(self);
    if (!writes_one_number(op, in))
        return fail_self(
            EBB_ERR_ARGUMENT, self,
            "is expanded: several of its elements share memory, so it cannot be written in place; clone it first");
    if (is_differentiated(self) || (base && is_differentiated(base)))
        return fail_self(EBB_ERR_ARGUMENT, self,
                         "is expanded: several of its elements share memory, so it cannot be written in place where it "
                         "is differentiated; clone it first, or write what it is a view of");
    return EBB_OK;
}

/* Whether t was a leaf when a graph was recorded that is still there, and gathers no gradients since: with a history it
 * could lead, through that graph, to itself (I2). */
static bool is_former_leaf(const ebb_tensor *t) {
    const struct ebb__autograd *a = atomic_load_explicit(&t->autograd, memory_order_acquire);
    return a && !t->grad_fn && !(t->flags & EBB__REQUIRES_GRAD) &&
           atomic_load_explicit(&a->leaf.refs, memory_order_relaxed) > 0;
}

/* Whether self may be written at all, and, when recording, whether its history allows it. */
static ebb_status check_self(const struct ebb_op *op, const ebb_tensor *self, ebb_tensor *const *in, int64_t n) {
    if (expanded(self) && check_expanded(op, self, in)) return ebb_error_status();
    if (self->flags & EBB__INFERENCE && !ebb__thread.inference)
        return fail_self(EBB_ERR_GRAPH, self,
                         "is an inference tensor and cannot be written outside of inference mode; clone it first");
    if (ebb__thread.no_grad) return EBB_OK;
    bool needed = false;
    for (int64_t i = 0; i < n; i++) {
        if (in[i] && ebb__refresh(in[i])) return ebb_error_status();
        needed = needed || (in[i] && ebb__requires_grad(in[i]));
    }
    const ebb_tensor *base = ebb__base(self);
    if (!needed && !(base && ebb__requires_grad(base))) return EBB_OK;
    if (self->flags & EBB__REQUIRES_GRAD && !self->grad_fn)
        return fail_self(
            EBB_ERR_GRAPH, self,
            "is a leaf that requires gradients and cannot be written in place while recording; use EBB_NO_GRAD");
    if (ebb__is_view_of_leaf(self))
        return fail_self(
            EBB_ERR_GRAPH, self,
            "is a view of a leaf that requires gradients and cannot be written in place while recording; use EBB_NO_GRAD");
    if (is_former_leaf(self) || (base && is_former_leaf(base)))
        return fail_self(EBB_ERR_GRAPH, self,
                         "was a leaf that requires gradients, or is a view of one, in a graph that is still there, and "
                         "would be kept by its own history; clone it, or let go of that graph first");
    if (self->flags & EBB__INFERENCE_VIEW)
        return fail_self(EBB_ERR_GRAPH, self,
                         "is a view made in inference mode and cannot be written outside of it: make the view here, or "
                         "write it there");
    if (self->flags & EBB__NO_GRAD_VIEW)
        return fail_self(EBB_ERR_GRAPH, self,
                         "is a view made while recording was off and cannot be written in place while recording; make "
                         "the view while recording, or write under EBB_NO_GRAD");
    if (self->base && !base)
        return fail_self(EBB_ERR_GRAPH, self,
                         "is a view of a tensor that has been set to another storage since, so that others of its "
                         "views would not know that it is written while recording; make a view anew, or clone it");
    if (base && expanded(base))
        return fail_self(EBB_ERR_ARGUMENT, self, "is a view of a tensor whose elements share memory; clone it first");
    return EBB_OK;
}

static bool same_elements(const ebb_tensor *a, const ebb_tensor *b) {
    if (a->data != b->data || a->dtype != b->dtype || !ebb__same_shape(a, b)) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->dims[i] > 1 && ebb__strides(a)[i] != ebb__strides(b)[i]) return false;
    return true;
}

/* One number into all elements of an expanded tensor: once into each that is in memory, as threads share the work. */
static ebb_status write_once(ebb_tensor *self, const struct ebb_op *op, ebb_tensor *const *in, int64_t n,
                             const void *attrs) {
    ebb_dims sizes = ebb_tensor_shape(self);
    for (int d = 0; d < sizes.n; d++)
        if (ebb__strides(self)[d] == 0 && sizes.d[d] > 1) sizes.d[d] = 1;
    ebb_tensor *once = ebb__tensor_alias(self, sizes.n, sizes.d, ebb__strides(self), 0), *from[] = {once, in[n - 1]};
    ebb_status status = once && ebb__elementwise(op, from, n, attrs, once) ? EBB_OK : ebb_error_status();
    ebb__unref(once);
    return status;
}

/* The result into self: by the loop itself where there is one, else computed apart and copied. */
static ebb_status compute_into(ebb_tensor *self, const struct ebb_op *op, ebb_tensor *const *in, int64_t n,
                               const void *attrs) {
    if (op->updates && (op->halves || !ebb__is_half(self->dtype))) return ebb__call_update(op, in, n, attrs);
    if (EBB_UNLIKELY(expanded(self))) return write_once(self, op, in, n, attrs);
    if (op->loops) return ebb__elementwise(op, in, n, attrs, self) ? EBB_OK : ebb_error_status();
    bool before = ebb__thread.no_grad;
    struct ebb__level *levels = ebb__thread.levels;
    ebb_scope scope = ebb_scope_open();
    ebb__thread.no_grad = true;
    ebb__thread.levels = NULL;
    ebb_tensor *y = ebb_call_op1(op, in, n, attrs);
    ebb__thread.no_grad = before;
    ebb__thread.levels = levels;
    ebb_status status = y ? ebb__fits_inplace(self, (ebb_dtype)y->dtype, y->ndim, ebb__sizes(y)) : ebb_error_status();
    if (!status) status = ebb__copy_into(self, y);
    ebb_scope_close(&scope);
    return status;
}

/* Of a composition that is recorded as its parts, and of any call on a batch: computed like any other call, and copied
 * into self. What the parts save of self is a copy, since self is overwritten. */
static ebb_status copy_parts(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs) {
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *from[EBB__ROW], *old = in[0];
    if (!ebb__thread.no_grad) old = ebb_call_op1(ebb_op_find("clone"), in, 1, NULL);
    for (int64_t i = 0; i < n; i++) from[i] = in[i] == in[0] ? old : in[i];
    ebb_tensor *y = old ? ebb_call_op1(op, from, n, attrs) : NULL, *const pair[] = {in[0], y};
    ebb_status status = y ? ebb__fits_inplace(in[0], (ebb_dtype)y->dtype, y->ndim, ebb__sizes(y)) : ebb_error_status();
    if (!status && !ebb_call_op_inplace(ebb_op_find("copy"), pair, 2, NULL)) status = ebb_error_status();
    ebb_scope_close(&scope);
    return status;
}

static bool is_packed(void) {
    const struct ebb__hooks *h = ebb__thread.saved_hooks;
    return h && !h->refused;
}

/* Whether a rule will read self as it was before it is written; for hooks on saved tensors what shares its elements,
 * too, which is saved only when it has been overwritten. */
static bool reads_old_self(const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    bool needed;
    if (ebb__thread.no_grad || !ebb__is_recorded(op)) return false;
    uint32_t set = ebb__record_saves(op, in, n, &needed);
    bool shared = false;
    for (int64_t i = 1; i < n && is_packed(); i++) shared |= in[i] && in[i]->storage == in[0]->storage;
    return set & EBB_IN(0) || (shared && set);
}

static ebb_tensor *call_inplace(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs) {
    bool before = ebb__failing();
    _Alignas(16) char buffer[EBB__ATTRS_MAX];
    ebb_tensor *self = n > 0 && in ? in[0] : NULL, *from[EBB__ROW] = {NULL}, *saved[EBB__ROW], *old = NULL,
               *unwritten = NULL, *apart = NULL;
    ebb_status status = ebb__call_check(op, in, n);
    if (!status && (!op->inplace || ebb__op_list(op) == 0)) status = ebb_fail(EBB_ERR_ARGUMENT, "has no in-place form");
    if (!status && n > EBB__ROW)
        status = ebb_fail(EBB_ERR_ARGUMENT, "takes at most %d inputs in place, got %lld", EBB__ROW, (long long)n);
    if (!status) status = ebb__call_attrs(op, in, n, &attrs, buffer);
    if (!status) status = check_self(op, self, in, n);
    struct ebb__level *batch = NULL;
    if (EBB_UNLIKELY(ebb__thread.levels) && !status) batch = ebb__batch_level(op, in, n);
    bool copies = batch && op == ebb_op_find("copy");
    if (EBB_UNLIKELY(batch) && !ebb__tangent_get(self, batch))
        status =
            fail_self(EBB_ERR_ARGUMENT, self,
                      "is the same for all samples inside ebb_vmap and cannot take results that differ between "
                      "them: use the form that is not in place, or make self from what is batched (ebb_zeros_like)");
    if (!status && ((op->compose && !op->vjp && !op->no_derivative) || (batch && !copies))) {
        status = copy_parts(op, in, n, attrs);
        if (!status) return self;
    }
    if (!status && EBB_UNLIKELY(atomic_load_explicit(&self->storage->special, memory_order_relaxed) & EBB__NOTED))
        status = ebb__budget_write(self);
    if (EBB_UNLIKELY(ebb__thread.levels) && !status)
        status = ebb__forward_apart(op, in, n, attrs, batch, &unwritten, &apart);
    /* what overlaps self without being self is read before it is written */
    for (int64_t i = 0; i < n && !status; i++) {
        saved[i] = in[i];
        if (!in[i] || batch) continue;
        bool overlaps = in[i]->storage == self->storage && in[i] != self && !same_elements(in[i], self);
        if (overlaps) from[i] = ebb__cast(in[i], (ebb_dtype)in[i]->dtype);
        else ebb__ref(from[i] = in[i]);
        if (!from[i]) status = ebb_error_status();
    }
    if (!status && !batch && reads_old_self(op, in, n)) { /* PyTorch keeps a copy, too */
        old = saved[0] = ebb__cast(self, (ebb_dtype)self->dtype);
        if (!old || (unwritten && ebb__tangents_share(old, unwritten))) status = ebb_error_status();
        for (int64_t i = 1; i < n && is_packed(); i++)
            if (in[i] && in[i]->storage == self->storage) saved[i] = from[i] == in[i] ? old : from[i];
    }
    if (!status) status = batch ? ebb__batch_copy_into(batch, op, self, in[1]) : compute_into(self, op, from, n, attrs);
    if (!status) {
        ebb__written(self, op->name, true);
        status = ebb__record(op, in, saved, n, attrs, &self, 1);
        bool recorded = !ebb__thread.no_grad && ebb__is_recorded(op) && self->grad_fn;
        ebb_node *node = recorded ? self->grad_fn : NULL; /* kept by the history of the base that it goes into */
        if (!status && self->base && recorded) status = ebb__view_written(self);
        const char *name = recorded ? ebb_tensor_name(self) : "";
        if (!status && name[0]) status = ebb__node_set_name(self->grad_fn, self->output_nr, name);
        if (!status && apart) status = ebb__forward_into(self, node, apart, batch);
    }
    for (int64_t i = 0; i < n && i < EBB__ROW; i++) ebb__unref(from[i]);
    ebb__unref(old);
    ebb__unref(unwritten);
    ebb__unref(apart);
    if (!status) return self;
    ebb__call_failed(op, "_", in, n, before);
    return NULL;
}

/* The same, with a look at the result, though not at those of the operators that it is composed of. */
static ebb_tensor *call_checked(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs) {
    bool before = ebb__failing(), looks = ebb__thread.checks & EBB__ANOMALY_ON;
    if (ebb__thread.levels && ebb__batch_level(op, in, n > 0 && in ? n : 0)) return call_inplace(op, in, n, attrs);
    struct ebb__bad was = ebb__bad_of(n > 0 && in && looks ? in[0] : NULL);
    struct ebb__checked w = ebb__checks_begin(op->name);
    ebb_tensor *self = call_inplace(op, in, n, attrs);
    ebb__checks_end(w);
    if (!self || !ebb__check_inplace(op, in, n, attrs, was)) return self;
    ebb__call_failed(op, "_", in, n, before);
    return NULL;
}

/* What is written in place keeps its dtype: nothing is cast. */
static EBB_NOINLINE ebb_tensor *call_special(const struct ebb_op *op, ebb_tensor *const *in, int64_t n,
                                             const void *attrs) {
    const uint8_t checks = ebb__thread.checks;
    ebb__thread.checks &= (uint8_t)~EBB__CHECK_AUTOCAST;
    ebb_tensor *self = ebb__thread.checks ? call_checked(op, in, n, attrs) : call_inplace(op, in, n, attrs);
    ebb__thread.checks = checks;
    return self;
}

ebb_tensor *ebb_call_op_inplace(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs) {
    return EBB_LIKELY(!ebb__thread.checks) ? call_inplace(op, in, n, attrs) : call_special(op, in, n, attrs);
}
