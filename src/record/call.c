/* Calling an operator: check, infer, compute, record. Every operator of the library and of users goes this way. */
#include "record/anomaly.h"
#include "record/autocast.h"
#include "record/saved.h"
#include "record/tangent.h"
#include <string.h>

static const char *input_name(const struct ebb_op *op, int64_t n, int64_t i) {
    const char *name = op->in[ebb__op_input(op, n, i)].name;
    return name ? name : "input";
}

static bool optional(const struct ebb_op *op, int64_t n, int64_t i) {
    enum ebb_input_kind kind = op->in[ebb__op_input(op, n, i)].kind;
    return kind == EBB_INPUT_OPTIONAL || kind == EBB_INPUT_OPTIONAL_NUMBER || kind == EBB_INPUT_OPTIONAL_LIST;
}

/* The number of inputs that are no entries of a list, of an operator that has one; -1 of another one. */
static int64_t besides_list(const struct ebb_op *op) { return ebb__op_list(op) < 0 ? -1 : op->n_in - 1; }

/* "; inputs: self "x" float32 [2, 3], other int64 []" */
static void describe_inputs(char *text, size_t size, const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    size_t at = 0;
    text[0] = 0;
    if (!in) n = 0;
    else if (besides_list(op) < 0 && n > op->n_in) n = op->n_in;
    for (int64_t i = 0; i < n && at + 1 < size; i++) {
        char shape[EBB__SHAPE_TEXT];
        if (!in[i]) continue;
        const char *name = ebb_tensor_name(in[i]), *quote = name[0] ? "\"" : "";
        if (i >= EBB_OP_MAX_IN) {
            snprintf(text + at, size - at, ", …");
            break;
        }
        char entry[32] = "";
        int64_t declared = ebb__op_input(op, n, i), first;
        if (ebb__is_list(op->in[declared].kind)) {
            ebb__op_given(op, n, declared, &first);
            snprintf(entry, sizeof entry, "[%lld]", (long long)(i - first));
        }
        at += (size_t)snprintf(text + at, size - at, "%s%s%s%s%s%s%s %s %s",
                               at ? ", " : "; inputs: ", input_name(op, n, i), entry, name[0] ? " " : "", quote, name,
                               quote, ebb_dtype_name((ebb_dtype)in[i]->dtype),
                               ebb__shape_text(shape, in[i]->ndim, ebb__sizes(in[i])));
    }
}

/* An error of one of an operator's parts becomes the operator's own: the user knows its name and its inputs, not those
 * of the parts. The parts of an operator of the user's own, and what a callback called, the user does know. */
ebb_status ebb__call_failed(const struct ebb_op *op, const char *suffix, ebb_tensor *const *in, int64_t n,
                            bool before) {
    struct ebb__error *e = ebb__thread.error;
    char name[sizeof e->op], inputs[512];
    snprintf(name, sizeof name, "%s%s", op->name, suffix);
    if (before || !e || e->info.op != e->op || strcmp(e->op, name) == 0) return ebb_error_status();
    if (e->within || (e->op[0] && ebb_op_find(op->name) != op)) {
        ebb__error_within(name);
        return ebb_error_status();
    }
    ebb__error_named(name);
    describe_inputs(inputs, sizeof inputs, op, in, n);
    if (!e->told) e->told = strlen(e->message);
    snprintf(e->message + e->told, sizeof e->message - e->told, "%s", inputs);
    return ebb_error_status();
}

/* What is not right, or a reason why it is all the same. */
static EBB_NOINLINE ebb_status check_closely(const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    if (EBB_UNLIKELY(n < 0 || (n > 0 && !in)))
        return ebb__fail_op(op->name, EBB_ERR_ARGUMENT, "the list of inputs is NULL, or of %lld tensors", (long long)n);
    if (EBB_UNLIKELY(n != op->n_in && (besides_list(op) < 0 || n < besides_list(op))))
        return ebb__fail_op(op->name, EBB_ERR_ARGUMENT, "takes %d inputs, got %lld", op->n_in, (long long)n);
    for (int64_t i = 0; i < n; i++) {
        if (EBB_LIKELY(in[i])) {
            if (EBB_LIKELY(!ebb__is_batched(in[i])) || !ebb__batch_escaped(in[i])) continue;
            return ebb__fail_op(op->name, EBB_ERR_ARGUMENT,
                                "%s belongs to a call of ebb_vmap that has ended: what leaves it are its results only",
                                input_name(op, n, i));
        }
        if (!optional(op, n, i) || ebb_error()) return ebb__fail_null(op->name, input_name(op, n, i));
    }
    if (op->attrs_size > EBB__ATTRS_MAX)
        return ebb__fail_op(op->name, EBB_ERR_ARGUMENT, "attributes of more than %d bytes", EBB__ATTRS_MAX);
    return EBB_OK;
}

static inline ebb_status check(const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    bool plain = n == op->n_in && op->attrs_size <= EBB__ATTRS_MAX && (in || !n);
    for (int64_t i = 0; i < n && plain; i++) plain = in[i] && !(in[i]->flags & EBB__BATCHED);
    return EBB_LIKELY(plain) ? EBB_OK : check_closely(op, in, n);
}
ebb_status ebb__call_check(const struct ebb_op *op, ebb_tensor *const *in, int64_t n) { return check(op, in, n); }

/* ---- operators with a shape rule ---- */

struct prepared { /* inputs as forward() wants them; `owned` are references of ours */
    ebb_tensor **in;
    ebb_tensor *small[EBB_OP_MAX_IN];
    bool owned_small[EBB_OP_MAX_IN];
    bool *owned;
};

static bool prepare(struct prepared *p, const struct ebb_op *op, ebb_tensor *const *in, int64_t n, ebb_dtype dtype) {
    bool ok = true;
    p->in = p->small;
    p->owned = p->owned_small;
    if (n > EBB_OP_MAX_IN) {
        p->in = ebb__alloc((size_t)n * (sizeof *p->in + sizeof *p->owned));
        if (!p->in) return false;
        p->owned = (bool *)(p->in + n);
    }
    for (int64_t i = 0; i < n; i++) {
        p->in[i] = in[i];
        p->owned[i] = false;
        if (!in[i]) continue;
        bool keeps = op->promote == EBB_PROMOTE_NONE || op->keeps & EBB_IN(ebb__op_input(op, n, i));
        ebb_dtype to = keeps ? (ebb_dtype)in[i]->dtype : dtype;
        if (EBB_UNLIKELY(ebb__is_half(to)) && !op->halves) to = EBB_F32;
        p->owned[i] = in[i]->dtype != to || (op->contiguous && !ebb__is_contiguous(in[i]));
        if (!p->owned[i]) continue;
        p->in[i] = ok ? ebb__cast(in[i], to) : NULL;
        ok = ok && p->in[i];
    }
    return ok;
}

static void unprepare(struct prepared *p, int64_t n) {
    if (!p->in) return;
    for (int64_t i = 0; i < n; i++)
        if (p->owned[i]) ebb__unref(p->in[i]);
    if (p->in != p->small) ebb__free(p->in, (size_t)n * (sizeof *p->in + sizeof *p->owned));
}

/* Field by field: what a whole struct sets to zero beyond ndim costs more than all the rest. */
static void describe(ebb_meta *m, const ebb_tensor *t, bool strides) {
    m->dtype = t ? (ebb_dtype)t->dtype : EBB_DTYPE_NONE;
    m->shape.n = t ? t->ndim : 0;
    m->strides.n = strides ? m->shape.n : 0;
    m->offset = 0;
    for (int d = 0; d < m->shape.n; d++) m->shape.d[d] = ebb__sizes(t)[d];
    for (int d = 0; d < m->strides.n; d++) m->strides.d[d] = ebb__strides(t)[d];
}

ebb_status ebb__call_infer(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                           ebb_dtype dtype, ebb_meta *ret_out, int64_t *n_out) {
    ebb_meta small[EBB_OP_MAX_IN], *metas = small;
    if (n > EBB_OP_MAX_IN && !(metas = ebb__alloc((size_t)n * sizeof *metas))) return ebb_error_status();
    for (int64_t i = 0; i < n; i++) describe(&metas[i], in[i], op->view);
    ebb_status status = EBB_OK;
    for (int64_t i = 0; ret_out && i < *n_out; i++) {
        describe(&ret_out[i], NULL, false);
        ret_out[i].dtype = op->promote == EBB_PROMOTE_COMPARE ? EBB_BOOL : dtype;
        if (!op->infer)
            for (int64_t k = 0; k < n && !status; k++)
                if (!ebb__broadcast(&ret_out[i].shape, &metas[k].shape))
                    status = ebb_fail(EBB_ERR_SHAPE, "shapes do not broadcast");
    }
    struct ebb_infer f = {
        .op = op, .attrs = attrs, .n_in = n, .in = metas, .dtype = dtype, .out = ret_out, .n_out = *n_out};
    if (!ret_out) status = (*n_out = op->count(&f)) < 0 ? ebb_error_status() : EBB_OK;
    else if (op->infer) status = op->infer(&f);
    if (metas != small) ebb__free(metas, (size_t)n * sizeof *metas);
    return status;
}

ebb_tensor *ebb__view_of(ebb_tensor *t, ebb_tensor *of) {
    if (EBB_UNLIKELY(!t || ebb__move_along(t, of))) {
        ebb__unref(t);
        return NULL;
    }
    t->base = of->base ? of->base : of;
    ebb__ref(t->base);
    if (ebb__thread.no_grad) t->flags |= EBB__NO_GRAD_VIEW;
    else if (of->base) t->flags |= of->flags & EBB__NO_GRAD_VIEW;
    if (EBB_UNLIKELY(ebb__thread.inference) && !(t->flags & EBB__INFERENCE)) t->flags |= EBB__INFERENCE_VIEW;
    else if (of->base) t->flags |= of->flags & EBB__INFERENCE_VIEW;
    return t;
}

static ebb_tensor *make_view(ebb_tensor *of, const ebb_meta *m) {
    return ebb__view_of(ebb__tensor_alias(of, m->shape.n, m->shape.d, m->strides.d, m->offset), of);
}

/* The outputs of a call: in the caller's array where their number is fixed, else in one made when it is known, which
 * belongs to the scope as the tensors will. */
struct outputs {
    ebb_tensor **t;
    int64_t n;
};

ebb_tensor **ebb_list_room(int64_t n) {
    const int64_t size[] = {n > 0 ? n : 1, (int64_t)(sizeof(ebb_tensor *) / 4)};
    ebb_tensor *room = ebb__own(ebb__tensor_new(EBB_I32, 2, size));
    if (!room) return NULL;
    ebb_tensor **t = (ebb_tensor **)(void *)room->data;
    for (int64_t i = 0; i < n; i++) t[i] = NULL;
    return t;
}

static ebb_status outputs_room(struct outputs *out, int64_t n) {
    out->t = ebb_list_room(n);
    out->n = out->t ? n : 0;
    return out->t ? EBB_OK : ebb_error_status();
}

static ebb_status allocate(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                           ebb_dtype dtype, struct outputs *out) {
    ebb_meta small[EBB_OP_MAX_OUT], *metas = small;
    ebb_status status = EBB_OK;
    if (op->n_out == EBB_OUT_LIST) {
        int64_t count = 0;
        status = ebb__call_infer(op, in, n, attrs, dtype, NULL, &count);
        if (!status) status = outputs_room(out, count);
    }
    if (status) return status;
    size_t block = out->n > EBB_OP_MAX_OUT ? (size_t)out->n * sizeof *metas : 0;
    if (block && !(metas = ebb__alloc(block))) return ebb_error_status();
    status = ebb__call_infer(op, in, n, attrs, dtype, metas, &out->n);
    for (int64_t i = 0; i < out->n && !status; i++) {
        if (op->view) out->t[i] = make_view(in[0], &metas[i]);
        else if (op->ordered) out->t[i] = ebb__tensor_new_ordered(metas[i].dtype, &metas[i].shape, in, n);
        else out->t[i] = ebb__tensor_new(metas[i].dtype, metas[i].shape.n, metas[i].shape.d);
        if (!out->t[i]) status = ebb_error_status();
    }
    if (block) ebb__free(metas, block);
    return status;
}

bool ebb_forward_needs(const struct ebb_forward *f, int64_t i) {
    const ebb_tensor *t = i >= 0 && i < f->n_in ? f->given[i] : NULL;
    if (!t || !ebb__is_floating(t->dtype)) return false;
    return f->followed || (f->recorded && ebb__requires_grad(t));
}

/* `in` are the inputs `given`, or those prepared. */
static struct ebb_forward forward_call(const struct ebb_op *op, ebb_tensor *const *in, ebb_tensor *const *given,
                                       int64_t n, const void *attrs, ebb_tensor *const *out, int64_t n_out) {
    const struct ebb__thread *th = &ebb__thread;
    return (struct ebb_forward){.op = op,
                                .attrs = attrs,
                                .n_in = n,
                                .in = in,
                                .out = out,
                                .n_out = n_out,
                                .given = given,
                                .recorded = !th->no_grad,
                                .followed = th->followed || th->levels};
}

static ebb_status forward(const struct ebb_op *op, ebb_tensor *const *in, ebb_tensor *const *given, int64_t n,
                          const void *attrs, const struct outputs *out) {
    struct ebb_forward f = forward_call(op, in, given, n, attrs, out->t, out->n);
    bool halves = false;
    for (int64_t k = 0; k < out->n; k++) halves = halves || ebb__is_half(out->t[k]->dtype);
    if (EBB_LIKELY(!halves || op->halves)) return op->forward(&f);
    /* 16-bit results are computed in float32 and rounded once */
    size_t bytes = (size_t)out->n * sizeof *out->t;
    ebb_tensor **wide = ebb__alloc_zeroed(bytes);
    ebb_status status = wide ? EBB_OK : ebb_error_status();
    for (int64_t k = 0; k < out->n && !status; k++) {
        if (ebb__is_half(out->t[k]->dtype)) wide[k] = ebb__tensor_new_like(out->t[k], EBB_F32);
        else ebb__ref(wide[k] = out->t[k]);
        if (!wide[k]) status = ebb_error_status();
    }
    f.out = wide;
    if (!status) status = op->forward(&f);
    for (int64_t k = 0; k < out->n && wide; k++) {
        if (!status && wide[k] != out->t[k]) status = ebb__copy_into(out->t[k], wide[k]);
        ebb__unref(wide[k]);
    }
    ebb__free(wide, bytes);
    return status;
}

static ebb_status compute(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                          struct outputs *out) {
    ebb_dtype dtype = ebb__op_dtype(op, in, n);
    if (!dtype && n > 0 && in[0]) return ebb_error_status();
    ebb_status status = allocate(op, in, n, attrs, dtype, out);
    if (status || op->view) return status;
    struct prepared p;
    status = prepare(&p, op, in, n, dtype) ? EBB_OK : ebb_error_status();
    if (!status) status = forward(op, p.in, in, n, attrs, out);
    unprepare(&p, n);
    return status;
}

ebb_status ebb__call_update(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs) {
    ebb_dtype dtype = ebb__op_dtype(op, in, n);
    ebb_meta out;
    int64_t n_out = 1;
    ebb_status status = dtype ? ebb__call_infer(op, in, n, attrs, dtype, &out, &n_out) : ebb_error_status();
    if (!status) status = ebb__fits_inplace(in[0], out.dtype, out.shape.n, out.shape.d);
    if (status) return status;
    struct prepared p;
    status = prepare(&p, op, in, n, dtype) ? EBB_OK : ebb_error_status();
    ebb_tensor *self = in[0], *wide = NULL;
    if (!status && ebb__is_half(self->dtype) && !op->halves) {
        self = wide = ebb__cast(self, EBB_F32);
        if (!wide) status = ebb_error_status();
    }
    if (!status) {
        struct ebb_forward f = forward_call(op, p.in, in, n, attrs, &self, 1);
        status = op->forward(&f);
    }
    if (!status && wide) status = ebb__copy_into(in[0], wide);
    ebb__unref(wide);
    unprepare(&p, n);
    return status;
}

/* ---- compositions ---- */

/* A new reference of what a composition gave, or of an alias without history where it is no tensor of its own: it is to
 * become the result of a node. NULL for NULL. */
static ebb_tensor *own_result(ebb_tensor *t, ebb_tensor *const *in, int64_t n) {
    bool fresh = t && t->grad_fn == NULL && !t->base && !(t->flags & EBB__REQUIRES_GRAD);
    for (int64_t i = 0; i < n; i++) fresh = fresh && t != in[i];
    if (fresh) ebb__ref(t);
    return fresh || !t ? t : ebb__detached(t);
}

/* The status of a composition that gave NULL: that of the error of a part, or one of its own. */
static ebb_status no_result(void) {
    return ebb__failing() ? ebb_error_status() : ebb_fail(EBB_ERR_CALLBACK, "gave NULL in place of a result");
}

/* With a rule of its own a composition is computed unrecorded, and at no level but, when inputs are batched there, this
 * one, and becomes one node; without one its parts are recorded. What it gives after one of its parts failed is not
 * taken. */
static ebb_status compose(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                          ebb_tensor **out, struct ebb__level *batch) {
    struct ebb_forward f = forward_call(op, in, in, n, attrs, NULL, 0);
    bool whole = op->vjp != NULL || op->no_derivative, before = ebb__thread.no_grad, failing = ebb__failing();
    struct ebb__level *levels = ebb__thread.levels;
    ebb_scope scope = ebb_scope_open();
    const struct ebb_op *outer = ebb__thread.parts_of;
    if (whole) ebb__thread.no_grad = true;
    if (whole) ebb__thread.levels = batch;
    if (!whole && !outer) ebb__thread.parts_of = op;
    ebb_tensor *t = op->compose(&f);
    ebb__thread.parts_of = outer;
    ebb__thread.no_grad = before;
    ebb__thread.levels = levels;
    if (ebb__failing() && !failing) t = NULL;
    out[0] = whole ? own_result(t, in, n) : t;
    if (!whole && t) ebb__ref(t);
    ebb_scope_close(&scope);
    return out[0] ? EBB_OK : no_result();
}

/* The tensors of a list that was made in a scope, which is closed, as the outputs; a failure when one is NULL, and when
 * there is an error that was not there before. */
static ebb_status take_list(const struct ebb_op *op, ebb_list list, ebb_scope scope, bool before, struct outputs *out) {
    bool failed = !before && ebb__failing();
    for (int64_t i = 0; i < list.n && !failed; i++) failed = !list.t || !list.t[i];
    ebb_status status = failed ? no_result() : EBB_OK;
    size_t bytes = (size_t)list.n * sizeof *list.t;
    ebb_tensor **kept = status || !list.n ? NULL : ebb__alloc(bytes); /* the list itself goes with the scope */
    for (int64_t i = 0; i < list.n && kept; i++) ebb__ref(kept[i] = list.t[i]);
    ebb_scope_close(&scope);
    if (status || (list.n && !kept)) return ebb_error_status();
    if (op->n_out == EBB_OUT_LIST) status = outputs_room(out, list.n);
    else if (list.n != out->n) status = ebb_fail(EBB_ERR_ARGUMENT, "gave %lld results", (long long)list.n);
    for (int64_t i = 0; i < list.n; i++) {
        if (status) ebb__unref(kept[i]);
        else out->t[i] = kept[i];
    }
    ebb__free(kept, bytes);
    return status;
}

/* The same for several results. */
static ebb_status compose_list(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                               struct outputs *out, struct ebb__level *batch) {
    struct ebb_forward f = forward_call(op, in, in, n, attrs, NULL, 0);
    bool failing = ebb__failing(), before = ebb__thread.no_grad;
    struct ebb__level *levels = ebb__thread.levels;
    ebb_scope scope = ebb_scope_open();
    if (op->vjp) ebb__thread.no_grad = true;
    if (op->vjp) ebb__thread.levels = batch;
    const struct ebb_op *outer = ebb__thread.parts_of;
    if (!op->vjp && !outer) ebb__thread.parts_of = op;
    ebb_list list = op->compose_list(&f);
    ebb__thread.parts_of = outer;
    ebb__thread.no_grad = before;
    ebb__thread.levels = levels;
    ebb_status status = take_list(op, list, scope, failing, out);
    for (int64_t k = 0; op->vjp && !status && k < out->n; k++) {
        ebb_tensor *t = out->t[k];
        out->t[k] = own_result(t, in, n);
        if (t && !out->t[k]) status = ebb_error_status();
        ebb__unref(t);
    }
    return status;
}

/* ---- the call ---- */

/* A tensor that was made, not computed, is a leaf, and its attribute `requires_grad` says whether it gathers
 * gradients. */
static ebb_status made(const struct ebb_op *op, const void *attrs, ebb_tensor *out) {
    for (int i = 0; i < op->n_attrs; i++) {
        const struct ebb_attr *a = &op->attrs[i];
        if (a->kind != EBB_ATTR_BOOL || strcmp(a->name, "requires_grad") != 0) continue;
        bool wanted = *(const bool *)((const char *)attrs + a->offset);
        return wanted && !ebb_requires_grad_(out, true) ? ebb_error_status() : EBB_OK;
    }
    return EBB_OK;
}

/* Whether the call is recorded by the calls of its parts. */
static bool is_parts(const struct ebb_op *op) { return (op->compose || op->compose_list) && !op->vjp; }

/* At no level. */
static inline ebb_status run_plain(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                                   struct outputs *out) {
    ebb_status status;
    if (EBB_UNLIKELY(ebb__thread.saved_hooks != NULL) && ebb__packed_ahead(op, in, n)) return ebb_error_status();
    if (op->loops && !op->infer) {
        out->t[0] = ebb__elementwise(op, in, n, attrs, NULL);
        status = out->t[0] ? EBB_OK : ebb_error_status();
    } else {
        status = op->compose        ? compose(op, in, n, attrs, out->t, NULL)
                 : op->compose_list ? compose_list(op, in, n, attrs, out, NULL)
                                    : compute(op, in, n, attrs, out);
        if (status == EBB_OK && is_parts(op)) return EBB_OK; /* its parts are recorded */
    }
    if (EBB_UNLIKELY(status)) return status;
    if (!ebb__is_recorded(op)) return out->n ? made(op, attrs, out->t[0]) : EBB_OK;
    return ebb__record(op, in, in, n, attrs, out->t, (int)out->n);
}

/* All samples at once: a composition without a rule of its own through its parts, which are batched themselves. */
static ebb_status run_batched(struct ebb__level *batch, const struct ebb_op *op, ebb_tensor *const *in, int64_t n,
                              const void *attrs, struct outputs *out) {
    if (!op->batch && is_parts(op))
        return op->compose ? compose(op, in, n, attrs, out->t, batch) : compose_list(op, in, n, attrs, out, batch);
    bool before = ebb__failing();
    bool followed = ebb__thread.followed;
    ebb_scope scope = ebb_scope_open();
    ebb__thread.followed = true; /* what requires gradients is the batch, not its samples */
    ebb_list list = ebb__batch_call(batch, op, in, n, attrs);
    ebb__thread.followed = followed;
    ebb_status status = take_list(op, list, scope, before, out);
    if (status) return status;
    if (!ebb__is_recorded(op)) return out->n ? made(op, attrs, out->t[0]) : EBB_OK;
    status = ebb__record(op, in, in, n, attrs, out->t, (int)out->n);
    ebb_node *node = NULL;
    for (int64_t k = 0; k < out->n && !node; k++) node = out->t[k]->grad_fn;
    if (!status) status = ebb__share_with_saved(node, in, out->t, 0, out->n);
    return status ? status : ebb__forward(op, in, n, attrs, out->t, out->n, batch);
}

static EBB_NOINLINE ebb_status run_at_levels(const struct ebb_op *op, ebb_tensor *const *in, int64_t n,
                                             const void *attrs, struct outputs *out) {
    struct ebb__level *batch = ebb__batch_level(op, in, n);
    if (batch) return run_batched(batch, op, in, n, attrs, out);
    ebb_status status = run_plain(op, in, n, attrs, out);
    if (status || is_parts(op) || !ebb__is_recorded(op)) return status;
    return ebb__forward(op, in, n, attrs, out->t, out->n, NULL);
}

static inline ebb_status run(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                             struct outputs *out) {
    return EBB_LIKELY(!ebb__thread.levels) ? run_plain(op, in, n, attrs, out) : run_at_levels(op, in, n, attrs, out);
}

/* The same, with a look at the results, though not at those of the operators that it is composed of: of a batch at
 * those of the call on all samples. */
static ebb_status run_checked(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                              struct outputs *out) {
    if (ebb__thread.levels && ebb__batch_level(op, in, n)) return run(op, in, n, attrs, out);
    struct ebb__checked w = ebb__checks_begin(op->name);
    ebb_status status = run(op, in, n, attrs, out);
    ebb__checks_end(w);
    return status ? status : ebb__check_results(op, in, n, attrs, out->t, out->n);
}

static inline ebb_status run_observed(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                                      struct outputs *out) {
    return ebb__thread.checks & ~(unsigned)EBB__CHECK_AUTOCAST ? run_checked(op, in, n, attrs, out)
                                                               : run(op, in, n, attrs, out);
}

/* Under autocast: with inputs cast, after which nothing is cast inside of the call; of a composition that has no policy
 * the inputs of its parts. */
static ebb_status run_cast(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                           struct outputs *out) {
    struct ebb__thread *th = &ebb__thread;
    const uint8_t checks = th->checks;
    struct ebb__row row;
    if (!op->autocast && is_parts(op)) return run_observed(op, in, n, attrs, out);
    th->checks &= (uint8_t)~EBB__CHECK_AUTOCAST;
    ebb_status status = EBB_OK;
    if (op->autocast) {
        status = ebb__autocast_inputs(&row, op, in, n);
        if (!status) status = run_observed(op, row.in, n, attrs, out);
        ebb__autocast_end(&row);
    } else {
        status = run_observed(op, in, n, attrs, out);
    }
    th->checks = checks;
    return status;
}

/* Everything that the thread's `checks` may ask for. */
static EBB_NOINLINE ebb_status run_special(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                                           struct outputs *out) {
    return ebb__thread.checks & EBB__CHECK_AUTOCAST ? run_cast(op, in, n, attrs, out)
                                                    : run_checked(op, in, n, attrs, out);
}

ebb_tensor *ebb__call_new(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs) {
    ebb_tensor *t = NULL;
    struct outputs out = {&t, 1};
    if (!run(op, in, n, attrs, &out)) return t;
    ebb__unref(t);
    return NULL;
}

ebb_status ebb__call_attrs(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void **attrs,
                           char *buffer) {
    if (op->n_attrs == 0) return EBB_OK;
    ebb_status status = ebb__attrs_normalize(op, *attrs, n && in[0] ? in[0]->ndim : 0, buffer);
    *attrs = buffer;
    return status;
}

static ebb_status call(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in, const void *attrs,
                       struct outputs *out) {
    bool before = ebb__failing();
    _Alignas(16) char buffer[EBB__ATTRS_MAX];
    ebb_status status = check(op, in, n_in);
    if (EBB_LIKELY(!status)) status = ebb__call_attrs(op, in, n_in, &attrs, buffer);
    if (EBB_UNLIKELY(ebb__thread.checks) && !status) status = run_special(op, in, n_in, attrs, out);
    else if (EBB_LIKELY(!status)) status = run(op, in, n_in, attrs, out);
    for (int64_t i = 0; i < out->n; i++) { /* each goes to the scope, or on failure to nobody */
        if (EBB_UNLIKELY(status)) ebb__unref(out->t[i]);
        else if (EBB_UNLIKELY(!ebb__own(out->t[i]))) status = ebb_error_status();
    }
    return EBB_LIKELY(!status) ? EBB_OK : ebb__call_failed(op, "", in, n_in, before);
}

ebb_status ebb_call_op(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in, const void *attrs,
                       ebb_tensor **ret_out) {
    ebb_tensor *t[EBB_OP_MAX_OUT] = {NULL};
    struct outputs out = {t, ebb__op_n_out(op)};
    if (EBB_UNLIKELY(op->n_out == EBB_OUT_LIST))
        return ebb__fail_op(op->name, EBB_ERR_ARGUMENT, "gives a list: ebb_call_op_list calls it");
    ebb_status status = call(op, in, n_in, attrs, &out);
    for (int64_t i = 0; i < out.n && !status; i++) ret_out[i] = t[i];
    return status;
}

ebb_list ebb_call_op_list(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in, const void *attrs) {
    struct outputs out = {NULL, 0};
    ebb_status status = op->n_out == EBB_OUT_LIST ? EBB_OK : outputs_room(&out, ebb__op_n_out(op));
    if (!status) status = call(op, in, n_in, attrs, &out);
    return status ? (ebb_list){0, NULL} : (ebb_list){out.n, out.t};
}

ebb_tensor *ebb_call_op1(const struct ebb_op *op, ebb_tensor *const *in, int64_t n_in, const void *attrs) {
    ebb_tensor *t[EBB_OP_MAX_OUT] = {NULL};
    struct outputs out = {t, 1};
    if (EBB_UNLIKELY(ebb__op_n_out(op) != 1)) return ebb_call_op(op, in, n_in, attrs, t) ? NULL : t[0];
    return call(op, in, n_in, attrs, &out) ? NULL : t[0];
}

/* ---- the table ---- */

extern const struct ebb_op *const ebb__op_table[]; /* made from the definitions; sorted by name */
extern const int ebb__op_table_size;

int ebb_op_count(void) { return ebb__op_table_size; }

const struct ebb_op *ebb_op_get(int i) { return i >= 0 && i < ebb__op_table_size ? ebb__op_table[i] : NULL; }

const struct ebb_op *ebb_op_find(const char *name) {
    int low = 0, high = ebb__op_table_size - 1;
    while (name && low <= high) {
        int middle = (low + high) / 2, order = strcmp(name, ebb__op_table[middle]->name);
        if (order == 0) return ebb__op_table[middle];
        if (order < 0) high = middle - 1;
        else low = middle + 1;
    }
    return NULL;
}
