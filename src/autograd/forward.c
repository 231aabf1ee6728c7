/* Forward mode: tangents carried along with values, through every call at every open level.
 *
 * The tangent of a result is J t. An operator says how it is computed, or need not: J is diagonal for an elementwise
 * operator, so that its rule for J'g gives J t as well; a view of the tangent belongs to a view; and of any other rule
 * J t is the derivative by g of <J'g, t>, since J'g is linear in g (Christianson 1992; Townsend 2017, "a new trick for
 * calculating Jacobian vector products"). */
#include "autograd/anomaly.h"
#include "autograd/pass.h"
#include "autograd/transforms.h"
#include "record/call.h"
#include "record/saved.h"
#include "record/tangent.h"
#include <ebb/ops.h>

/* ---- tangents of views ---- */

/* The same elements of another tensor, which lies in memory as the base does. */
static ebb_tensor *region_of(ebb_tensor *whole, const ebb_tensor *view) {
    const ebb_tensor *base = view->base;
    struct ebb__region r = {.base_sizes = ebb__dims(base->ndim, ebb__sizes(base)),
                            .base_strides = ebb__dims(base->ndim, ebb__strides(base)),
                            .sizes = ebb__dims(view->ndim, ebb__sizes(view)),
                            .strides = ebb__dims(view->ndim, ebb__strides(view)),
                            .offset = (view->data - base->data) / (ptrdiff_t)ebb__dtype_sizes[view->dtype]};
    return ebb_call_op1(&ebb__op_as_strided, &whole, 1, &r);
}

ebb_tensor *ebb__tangent_of(ebb_tensor *t, struct ebb__level *level) {
    ebb_tensor *own = ebb__tangent_get(t, level), *base = ebb__base(t);
    if (own || !base || !(base->flags & EBB__HAS_TANGENT) || level->batching) return own;
    ebb_tensor *whole = ebb__tangent_get(base, level);
    if (!whole) return NULL;
    struct ebb__level *before = ebb__thread.levels;
    ebb__thread.levels = level->outer;
    ebb_scope scope = ebb_scope_open();
    own = region_of(whole, t);
    if (own && ebb__tangent_set(t, level, own)) own = NULL;
    ebb_scope_close(&scope);
    ebb__thread.levels = before;
    return own;
}

static bool any_tangent(ebb_tensor *const *in, int64_t n, struct ebb__level *level) {
    bool any = false;
    for (int64_t i = 0; i < n; i++) any = (in[i] && ebb__tangent_of(in[i], level)) || any;
    return any;
}

/* ---- rules ---- */

void ebb_jvp_give(struct ebb_jvp_call *j, int64_t k, ebb_tensor *tangent) {
    if (k < 0 || k >= j->n_out)
        ebb_fail(EBB_ERR_ARGUMENT, "the forward rule of %s gave a tangent for output %lld of %lld", j->op->name,
                 (long long)k, (long long)j->n_out);
    else if (!tangent)
        ebb_fail(EBB_ERR_ARGUMENT, "the forward rule of %s gave NULL for output %lld", j->op->name, (long long)k);
    else if (k < 8 && j->op->constant_outs & EBB_OUT(k)) return;
    else j->given[k] = j->given[k] ? ebb_add(j->given[k], tangent) : tangent;
}

/* Everything a rule's call needs, in one block. */
struct rule {
    struct ebb_vjp_call v;
    ebb_tensor **grad, **given, **in;
    bool *needs;
    size_t bytes;
};

static bool rule_begin(struct rule *r, const struct ebb_jvp_call *j) {
    size_t tensors = (size_t)(j->n_out + 2 * j->n_in);
    r->bytes = tensors * sizeof(ebb_tensor *) + (size_t)j->n_in * sizeof(bool);
    r->grad = ebb__alloc_zeroed(r->bytes);
    if (!r->grad) return false;
    r->given = r->grad + j->n_out;
    r->in = r->given + j->n_in;
    r->needs = (bool *)(r->in + j->n_in);
    r->v = (struct ebb_vjp_call){.op = j->op,
                                 .attrs = j->attrs,
                                 .n_in = j->n_in,
                                 .grad = r->grad,
                                 .in = j->in,
                                 .out = j->out,
                                 .n_out = j->n_out,
                                 .needs = r->needs,
                                 .given = r->given};
    return true;
}

static void rule_end(struct rule *r) { ebb__free(r->grad, r->bytes); }

/* As a tensor of the shape and dtype of y. */
static ebb_tensor *shaped(ebb_tensor *t, ebb_tensor *y) {
    if (t && t->dtype != y->dtype) t = ebb_to(t, (ebb_dtype)y->dtype);
    if (t && !ebb__same_shape(t, y)) t = ebb_broadcast_to(t, ebb_tensor_shape(y));
    return t;
}

void ebb_jvp_symmetric(struct ebb_jvp_call *j) {
    struct rule r;
    if (!rule_begin(&r, j)) return;
    for (int64_t i = 0; i < j->n_in; i++) {
        if (!j->tangent[i]) continue;
        r.grad[0] = shaped(j->tangent[i], j->out[0]);
        r.needs[i] = true;
        if (r.grad[0]) j->op->vjp(&r.v);
        r.needs[i] = false;
        if (r.given[i]) ebb_jvp_give(j, 0, r.given[i]);
    }
    rule_end(&r);
}

static void call_on(struct ebb_jvp_call *j, ebb_tensor *const *in) {
    ebb_list out = ebb_call_op_list(j->op, in, j->n_in, j->attrs);
    for (int64_t k = 0; k < out.n; k++)
        if (ebb__is_floating(out.t[k]->dtype)) ebb_jvp_give(j, k, out.t[k]);
}

void ebb_jvp_linear(struct ebb_jvp_call *j) {
    struct rule r;
    if (!rule_begin(&r, j)) return;
    bool ok = true;
    for (int64_t i = 0; i < j->n_in; i++) {
        bool constant = !j->in[i] || !ebb__is_floating(j->in[i]->dtype); /* an index */
        r.in[i] = j->tangent[i] ? j->tangent[i] : constant ? j->in[i] : ebb_zeros_like(j->in[i]);
        ok = ok && (r.in[i] || !j->in[i]);
    }
    if (ok) call_on(j, r.in);
    rule_end(&r);
}

void ebb_jvp_multilinear(struct ebb_jvp_call *j) {
    struct rule r;
    if (!rule_begin(&r, j)) return;
    for (int64_t i = 0; i < j->n_in; i++) r.in[i] = j->in[i];
    for (int64_t i = 0; i < j->n_in; i++) {
        if (!j->tangent[i]) continue;
        r.in[i] = j->tangent[i];
        call_on(j, r.in);
        r.in[i] = j->in[i];
    }
    rule_end(&r);
}

/* J'g for a g of zeros that is itself differentiated by; returns how many gradients depend on it, moved to the front of
 * r->given with their tangents in r->in. */
static int64_t transposable(struct ebb_jvp_call *j, struct rule *r) {
    int64_t n = 0;
    for (int64_t k = 0; k < j->n_out; k++)
        if (ebb__is_floating(j->out[k]->dtype)) {
            r->grad[k] =
                ebb_zeros(ebb_tensor_shape(j->out[k]), .dtype = (ebb_dtype)j->out[k]->dtype, .requires_grad = true);
            if (!r->grad[k]) return 0;
        }
    for (int64_t i = 0; i < j->n_in; i++) r->needs[i] = j->tangent[i] != NULL;
    j->op->vjp(&r->v);
    for (int64_t i = 0; i < j->n_in; i++) {
        ebb_tensor *x = j->in[i], *g = r->given[i];
        if (!j->tangent[i] || !g || !ebb__requires_grad(g)) continue;
        r->given[n] = ebb__fit_gradient(g, (struct ebb__meta){(ebb_dtype)x->dtype, x->ndim, x->dims});
        if (!r->given[n]) return 0;
        r->in[n++] = j->tangent[i];
    }
    return n;
}

static void jvp_transposed(struct ebb_jvp_call *j) {
    struct rule r;
    if (!rule_begin(&r, j)) return;
    bool recording = ebb_set_grad_enabled(true);
    int64_t n = transposable(j, &r), n_g = 0;
    ebb_set_grad_enabled(recording);
    ebb_tensor **g = r.grad, **jt = ebb__alloc_zeroed((size_t)j->n_out * sizeof *jt);
    for (int64_t k = 0; k < j->n_out; k++)
        if (g[k]) g[n_g++] = g[k]; /* the outputs that have none are skipped again below */
    if (n && jt && !ebb__failing())
        (void)ebb_grad(((ebb_list){n, r.given}), ((ebb_list){n_g, g}), jt, .grad_outputs = {n, r.in},
                       .create_graph = recording, .allow_unused = true);
    for (int64_t k = 0, at = 0; k < j->n_out && jt; k++) {
        if (!ebb__is_floating(j->out[k]->dtype)) continue;
        if (jt[at]) ebb_jvp_give(j, k, jt[at]);
        at++;
    }
    ebb__free(jt, (size_t)j->n_out * sizeof *jt);
    rule_end(&r);
}

static void apply(struct ebb_jvp_call *j) {
    const struct ebb_op *op = j->op;
    if (op->jvp) op->jvp(j);
    else if (op->once_differentiable)
        ebb_fail(EBB_ERR_GRAPH, "can be differentiated once only, and has no forward rule of its own (%s)", op->name);
    else if (op->view) ebb_jvp_linear(j);
    else if (op->loops && !op->infer) ebb_jvp_symmetric(j);
    else jvp_transposed(j);
}

/* ---- a call ---- */

/* The tangent as y may carry it: laid out as y, and of a view a view, but otherwise with memory of its own, since y may
 * be written in place. */
static ebb_tensor *carried(const struct ebb_jvp_call *j, ebb_tensor *y, ebb_tensor *t) {
    t = shaped(t, y);
    if (j->op->view || !t) return t;
    bool shared = !ebb__is_contiguous(t) || t->base;
    for (int64_t i = 0; i < j->n_in; i++) {
        shared = shared || t == j->in[i] || (j->tangent[i] && t->storage == j->tangent[i]->storage);
        shared = shared || (j->in[i] && t->storage == j->in[i]->storage);
    }
    for (int64_t k = 0; k < j->n_out; k++) shared = shared || t->storage == j->out[k]->storage;
    return shared ? ebb_clone(t) : t;
}

ebb_status ebb__share_with_saved(ebb_node *n, ebb_tensor *const *in, ebb_tensor *const *out, int64_t first,
                                 int64_t n_out) {
    struct ebb__saved *s = n ? ebb__node_saved(n) : NULL;
    for (uint32_t i = 0; n && i < n->n_saved; i++) {
        int64_t at = ebb__saved_index(&s[i]);
        ebb_tensor *of = NULL;
        if (ebb__saved_kind(&s[i]) == EBB__SAVED_OUT && at >= first && at < first + n_out) of = out[at - first];
        if (ebb__saved_kind(&s[i]) == EBB__SAVED_IN && in) of = in[at];
        if (!of || !s[i].t || s[i].t == of) continue;
        if (ebb__packed_of(n, i) ? ebb__tangents_keep(s[i].t, of) : ebb__tangents_share(s[i].t, of))
            return ebb_error_status();
    }
    return EBB_OK;
}

static ebb_status share_one(ebb_tensor *y, ebb_tensor *const *in) {
    return ebb__share_with_saved(y->grad_fn, in, &y, y->output_nr, 1);
}

static ebb_status at_level(struct ebb__level *level, struct ebb_jvp_call *j) {
    uint64_t failures = ebb__thread.failures;
    for (int64_t i = 0; i < j->n_in; i++) j->tangent[i] = j->in[i] ? ebb__tangent_of(j->in[i], level) : NULL;
    for (int64_t k = 0; k < j->n_out; k++) j->given[k] = NULL;
    if (EBB_UNLIKELY(ebb__thread.strong_zeros)) ebb__strong_tangents(j, apply);
    else apply(j);
    if (ebb__failed_since(failures)) return ebb_error_status();
    for (int64_t k = 0; k < j->n_out; k++) {
        if (!j->given[k]) continue;
        ebb_tensor *t = carried(j, j->out[k], j->given[k]);
        if (!t || ebb__tangent_set(j->out[k], level, t) || share_one(j->out[k], j->in)) return ebb_error_status();
    }
    return EBB_OK;
}

/* The outer levels first: an inner one's tangent is computed from results that carry theirs. */
static ebb_status from_outside(struct ebb__level *l, const struct ebb__level *outside, struct ebb_jvp_call *j) {
    struct ebb__thread *th = &ebb__thread;
    if (l == outside) return EBB_OK;
    ebb_status status = from_outside(l->outer, outside, j);
    if (status || l->batching || !any_tangent(j->in, j->n_in, l)) return status;
    if (!j->op->vjp && !j->op->jvp)
        return ebb_fail(EBB_ERR_GRAPH, "has no derivative rule, and an input carries a tangent (%s)", j->op->name);
    struct ebb__level *levels = th->levels;
    ebb_scope scope = ebb_scope_open();
    th->levels = l->outer;
    status = at_level(l, j);
    th->levels = levels;
    ebb_scope_close(&scope);
    return status;
}

ebb_status ebb__forward(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                        ebb_tensor *const *out, int64_t n_out, const struct ebb__level *outside) {
    bool floating = false;
    for (int64_t k = 0; k < n_out; k++) floating = floating || ebb__is_floating(out[k]->dtype);
    if (!floating) return EBB_OK;
    size_t bytes = (size_t)(n + n_out) * sizeof(ebb_tensor *);
    ebb_tensor **room = ebb__alloc_zeroed(bytes);
    if (!room) return ebb_error_status();
    struct ebb_jvp_call j = {
        .op = op, .attrs = attrs, .n_in = n, .in = in, .tangent = room, .n_out = n_out, .out = out, .given = room + n};
    ebb_status status = from_outside(ebb__thread.levels, outside, &j);
    ebb__free(room, bytes);
    return status;
}

/* ---- calls in place ---- */

ebb_status ebb__forward_apart(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                              const struct ebb__level *outside, ebb_tensor **ret_self, ebb_tensor **ret_apart) {
    bool any = false;
    for (struct ebb__level *l = ebb__thread.levels; l != outside; l = l->outer)
        any = (!l->batching && any_tangent(in, n, l)) || any;
    if (!any) return EBB_OK;
    ebb_tensor *from[EBB__ROW];
    ebb_scope scope = ebb_scope_open();
    for (int64_t i = 0; i < n; i++) from[i] = in[i];
    from[0] = ebb_clone(in[0]); /* whose value rules may want when self is overwritten */
    ebb_tensor *apart = from[0] ? ebb_call_op1(op, from, n, attrs) : NULL;
    if (apart) ebb__ref(*ret_self = from[0]), ebb__ref(*ret_apart = apart);
    ebb_scope_close(&scope);
    return apart ? EBB_OK : ebb_error_status();
}

static ebb_status write_tangent(ebb_tensor *self, ebb_tensor *apart, struct ebb__level *level) {
    ebb_tensor *t = ebb__tangent_of(self, level), *value = ebb__tangent_get(apart, level);
    if (!t && !value) return EBB_OK;
    ebb_tensor *base = ebb__base(self);
    if (!t && !base) return ebb__tangent_set(self, level, value);
    if (!t) {
        ebb_tensor *zeros = ebb__batch_as(ebb_zeros_like(base), value);
        if (!zeros || ebb__tangent_set(base, level, zeros)) return ebb_error_status();
        t = ebb__tangent_of(self, level);
    }
    t = t ? value ? ebb_copy_(t, value) : ebb_zero_(t) : NULL;
    return t ? EBB_OK : ebb_error_status();
}

ebb_status ebb__forward_into(ebb_tensor *self, ebb_node *node, ebb_tensor *apart, const struct ebb__level *outside) {
    struct ebb__thread *th = &ebb__thread;
    struct ebb__level *levels = th->levels;
    ebb_status status = EBB_OK;
    for (struct ebb__level *l = levels; l != outside && !status; l = l->outer) {
        if (l->batching) continue;
        ebb_scope scope = ebb_scope_open();
        th->levels = l->outer;
        status = write_tangent(self, apart, l);
        if (!status) status = ebb__share_with_saved(node, NULL, &self, 0, 1);
        th->levels = levels;
        ebb_scope_close(&scope);
    }
    return status;
}

/* ---- dual numbers ---- */

/* Whether the level of duals, if there is one, is inside ebb_vmap when we are. */
static bool is_innermost(const char *op) {
    const struct ebb__level *l = ebb__thread.levels;
    if (!l || !l->batching) return true;
    while (l && l->batching) l = l->outer;
    if (l) ebb__fail_op(op, EBB_ERR_GRAPH, "the level was opened outside of ebb_vmap: open one inside");
    return !l;
}

/* The innermost level of forward mode; NULL when none is open. */
static struct ebb__level *dual_level(void) {
    struct ebb__level *l = ebb__thread.levels;
    return l && !l->batching ? l : NULL;
}

ebb_tensor *(ebb_make_dual)(ebb_tensor *primal, ebb_tensor *tangent) {
    struct ebb__level *level = dual_level();
    if (!primal || !tangent) return ebb__fail_null("make_dual", primal ? "tangent" : "primal"), NULL;
    if (!is_innermost("make_dual")) return NULL;
    if (!level)
        return ebb__fail_op("make_dual", EBB_ERR_GRAPH, "no level is open: make duals inside EBB_DUAL_LEVEL"), NULL;
    if (!ebb__is_floating(primal->dtype))
        return ebb__fail_op("make_dual", EBB_ERR_DTYPE, "a %s tensor has no derivative",
                            ebb_dtype_name((ebb_dtype)primal->dtype)),
               NULL;
    if (tangent->dtype != primal->dtype || !ebb__same_shape(tangent, primal)) {
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        return ebb__fail_op(
                   "make_dual", EBB_ERR_SHAPE, "the tangent is %s %s, the primal %s %s",
                   ebb_dtype_name((ebb_dtype)tangent->dtype), ebb__shape_text(a, tangent->ndim, ebb__sizes(tangent)),
                   ebb_dtype_name((ebb_dtype)primal->dtype), ebb__shape_text(b, primal->ndim, ebb__sizes(primal))),
               NULL;
    }
    struct ebb__level *levels = ebb__thread.levels;
    ebb__thread.levels = level->outer;
    ebb_tensor *dual = ebb_view(primal, ebb_tensor_shape(primal)), *own = dual ? ebb_clone(tangent) : NULL;
    ebb__thread.levels = levels;
    return own && !ebb__tangent_set(dual, level, own) ? dual : NULL;
}

ebb_tensor *(ebb_unpack_dual)(ebb_tensor *dual, ebb_tensor **ret_tangent) {
    struct ebb__level *level = dual_level(), *levels = ebb__thread.levels;
    if (!dual) return ebb__fail_null("unpack_dual", "dual"), NULL;
    if (!is_innermost("unpack_dual")) return NULL;
    ebb_tensor *tangent = level ? ebb__tangent_of(dual, level) : NULL;
    if (tangent) ebb__ref(tangent);
    if (tangent && !ebb__own(tangent)) return NULL;
    if (level) ebb__thread.levels = level->outer;
    ebb_tensor *primal = ebb_view(dual, ebb_tensor_shape(dual));
    ebb__thread.levels = levels;
    if (primal && ret_tangent) *ret_tangent = tangent;
    return primal;
}
