/* Strong zeros: a gradient of zero stays zero through a rule, whatever it is multiplied by (ADR 11).
 *
 * A rule is linear in the upstream gradient, so what it gives for zeros is zero, and anything else there is what
 * IEEE 754 makes of 0 * inf and 0 * nan. Only elements that are not finite are looked at: where they are, and whether
 * anything but zeros could flow into them. */
#include "autograd/anomaly.h"
#include "autograd/pass.h"
#include "record/tangent.h"
#include <ebb/ops.h>
#include <string.h>

ebb_mode ebb_strong_zeros_open(void) {
    ebb_mode mode = {ebb__thread.strong_zeros, true};
    ebb__thread.strong_zeros = true;
    return mode;
}

void ebb_strong_zeros_close(ebb_mode *mode) {
    if (!mode || !mode->open) return;
    mode->open = false;
    ebb__thread.strong_zeros = mode->before != 0;
}

/* The dimensions along which an operator of one tensor works, each slice for itself; false for other operators. */
static bool sliced_along(const struct ebb_op *op, const void *attrs, int ndim, ebb_dims *ret_dims) {
    for (int i = 0; i < op->n_attrs && attrs; i++) {
        const struct ebb_attr *a = &op->attrs[i];
        const void *at = (const char *)attrs + a->offset;
        if (strcmp(a->name, "dim") != 0) continue;
        if (a->kind == EBB_ATTR_DIM) *ret_dims = (ebb_dims){{*(const int64_t *)at}, 1};
        else if (a->kind == EBB_ATTR_DIMS) *ret_dims = *(const ebb_dims *)at;
        else return false;
        if (ret_dims->n == 0)
            while (ret_dims->n < ndim) ret_dims->d[ret_dims->n] = ret_dims->n, ret_dims->n++;
        return true;
    }
    return false;
}

/* The shape of `full` with these dimensions at size 1. */
static ebb_dims kept_shape(const ebb_tensor *full, const ebb_dims *dims) {
    ebb_dims shape = ebb_tensor_shape(full);
    for (int i = 0; i < dims->n; i++)
        if (dims->d[i] < shape.n) shape.d[dims->d[i]] = 1;
    return shape;
}

/* Whether all elements are finite; of a batch those of all samples. */
static bool all_finite(ebb_tensor *t) {
    while (ebb__is_batched(t)) t = ebb__batch_samples(t);
    return ebb__all_finite(t);
}

static ebb_tensor *is_zero(ebb_tensor *t) { return ebb_logical_not(ebb_any(ebb_ne(t, 0.0))); }

/* A bool tensor that broadcasts to `into`: true where only zeros flow in, of `from`, an upstream gradient, or the
 * tangent of an input. Between the only output and input i of an operator, either of which may be the wider one; NULL
 * where all may flow into all, or on failure. */
static ebb_tensor *only_zeros(const struct ebb_op *op, const void *attrs, int64_t i, ebb_tensor *from,
                              const ebb_tensor *into) {
    ebb_dims dims, shape = ebb_tensor_shape(into), both = shape, narrow = ebb_tensor_shape(from);
    if (ebb__is_elementwise(op)) {
        bool within = ebb__broadcast(&both, &narrow) && ebb__dims_equal(&both, &shape);
        return within ? ebb_eq(from, 0.0) : NULL;
    }
    const ebb_tensor *wide = from->numel > into->numel ? from : into;
    if (i != 0 || !sliced_along(op, attrs, wide->ndim, &dims)) return NULL;
    ebb_dims kept = kept_shape(wide, &dims);
    int64_t slices = 1;
    for (int d = 0; d < kept.n; d++) slices *= kept.d[d];
    if (wide == into && from->numel == slices) return ebb_reshape(ebb_eq(from, 0.0), kept);
    bool same = ebb__same_shape(from, into);
    if (!same && into->numel != slices) return NULL;
    ebb_tensor *zero = ebb_eq(ebb_amax(ebb_abs(from), .dim = dims, .keepdim = true), 0.0);
    return same ? zero : ebb_reshape(zero, shape);
}

/* Where only zeros of any upstream gradient flow in. */
static ebb_tensor *only_zero_gradients(const struct ebb_vjp_call *v, int64_t i, const ebb_tensor *full) {
    uint64_t failures = ebb__thread.failures;
    ebb_tensor *zero = v->n_out == 1 ? only_zeros(v->op, v->attrs, i, v->grad[0], full) : NULL;
    if (zero || ebb__failed_since(failures)) return zero;
    for (int64_t k = 0; k < v->n_out; k++) {
        ebb_tensor *none = v->grad[k] ? is_zero(v->grad[k]) : NULL;
        if (none) zero = zero ? ebb_logical_and(zero, none) : none;
    }
    return zero;
}

/* `t` with zeros in place of what is not finite where `zero` says so. */
static ebb_tensor *cleaned(ebb_tensor *t, ebb_tensor *zero) {
    bool recording = ebb_set_grad_enabled(false);
    ebb_tensor *where = ebb_logical_and(zero, ebb_logical_not(ebb_isfinite(t)));
    ebb_set_grad_enabled(recording);
    return ebb_where(where, 0.0, t);
}

/* ---- products: their rule for one input is a sum of the upstream gradient times elements of one other ---- */

static bool is_product(const struct ebb_op *op) {
    static const char *const names[] = {"dot", "mv", "mm", "bmm", "vecdot", "addmv", "addmm", "baddbmm", "convolution"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (strcmp(op->name, names[k]) == 0) return true;
    return false;
}

/* What the rule gives for input i with another upstream gradient and other saved inputs. */
static ebb_tensor *rule_of(const struct ebb_vjp_call *v, int64_t i, ebb_tensor *g, ebb_tensor *const *in) {
    ebb_tensor *given[EBB_OP_MAX_IN] = {NULL};
    struct ebb_vjp_call call = *v;
    uint8_t anomaly = ebb__thread.anomaly;
    bool strong = ebb__thread.strong_zeros;
    call.grad = &g;
    call.in = in;
    call.given = given;
    ebb__thread.anomaly = 0;
    ebb__thread.strong_zeros = false;
    v->op->vjp(&call);
    ebb__thread.anomaly = anomaly;
    ebb__thread.strong_zeros = strong;
    return given[i];
}

/* The inputs where they are finite, and ones where they are not. */
static bool parted(ebb_tensor *const *in, int64_t n, ebb_tensor **ret_finite, ebb_tensor **ret_bad) {
    for (int64_t k = 0; k < n; k++) {
        if (!in[k]) continue;
        ebb_tensor *is_finite = ebb_isfinite(in[k]);
        ret_finite[k] = ebb_where(is_finite, in[k], 0.0);
        ret_bad[k] = ebb_to(ebb_logical_not(is_finite), (ebb_dtype)in[k]->dtype);
        if (!ret_finite[k] || !ret_bad[k]) return false;
    }
    return true;
}

static ebb_tensor *is_nonzero(ebb_tensor *t) { return ebb_to(ebb_ne(t, 0.0), (ebb_dtype)t->dtype); }

/* The sum without its terms that are 0 times what is not finite: the rule on the finite elements alone, where no other
 * terms have what is not finite, which the rule tells when it counts them. */
static ebb_tensor *of_product(const struct ebb_vjp_call *v, int64_t i, ebb_tensor *full) {
    ebb_tensor *finite[EBB_OP_MAX_IN] = {NULL}, *bad[EBB_OP_MAX_IN] = {NULL}, *g = v->grad[0];
    if (!parted(v->in, v->n_in, finite, bad)) return NULL;
    bool recording = ebb_set_grad_enabled(false);
    ebb_tensor *none = ebb_eq(rule_of(v, i, is_nonzero(g), bad), 0.0);
    ebb_set_grad_enabled(recording);
    if (v->node) { /* as what rule_of gives: over what input i was broadcast to it is a sum, too */
        const struct ebb__edge *e = &ebb__node_edges(v->node)[i];
        full = ebb__fit_gradient(full, ebb__node_meta(e->node, e->nr));
    }
    return ebb_where(none, rule_of(v, i, g, finite), full);
}

ebb_tensor *ebb__strong_zeros(const struct ebb_vjp_call *v, int64_t i, ebb_tensor *full) {
    if (all_finite(full)) return full;
    if (is_product(v->op)) return of_product(v, i, full);
    uint64_t failures = ebb__thread.failures;
    bool recording = ebb_set_grad_enabled(false);
    ebb_tensor *zero = only_zero_gradients(v, i, full);
    ebb_set_grad_enabled(recording);
    if (ebb__failed_since(failures)) return NULL;
    return zero ? cleaned(full, zero) : full;
}

/* ---- tangents: what flows from one input at a time ---- */

/* What a forward rule gives for input i alone, with its tangent t and other inputs: in `given`, zero so far. */
static void flow(const struct ebb_jvp_call *j, ebb__jvp_rule rule, int64_t i, ebb_tensor *t, ebb_tensor *const *in,
                 ebb_tensor **tangent, ebb_tensor **given) {
    struct ebb_jvp_call one = *j;
    for (int64_t k = 0; k < j->n_in; k++) tangent[k] = k == i ? t : NULL;
    for (int64_t k = 0; k < j->n_out; k++) given[k] = NULL;
    one.in = in;
    one.tangent = tangent;
    one.given = given;
    rule(&one);
}

static ebb_tensor *product_tangent(const struct ebb_jvp_call *j, ebb__jvp_rule rule, int64_t i, ebb_tensor *full,
                                   ebb_tensor **tangent) {
    ebb_tensor *finite[EBB_OP_MAX_IN] = {NULL}, *bad[EBB_OP_MAX_IN] = {NULL}, *counts, *sum, *t = j->tangent[i];
    if (!parted(j->in, j->n_in, finite, bad)) return NULL;
    bool recording = ebb_set_grad_enabled(false);
    flow(j, rule, i, is_nonzero(t), bad, tangent, &counts);
    ebb_tensor *none = ebb_eq(counts, 0.0);
    ebb_set_grad_enabled(recording);
    flow(j, rule, i, t, finite, tangent, &sum);
    return ebb_where(none, sum, full);
}

static ebb_tensor *strong_tangent(const struct ebb_jvp_call *j, ebb__jvp_rule rule, int64_t i, ebb_tensor *full,
                                  ebb_tensor **tangent) {
    if (all_finite(full)) return full;
    if (is_product(j->op)) return product_tangent(j, rule, i, full, tangent);
    uint64_t failures = ebb__thread.failures;
    bool recording = ebb_set_grad_enabled(false);
    ebb_tensor *zero = j->n_out == 1 ? only_zeros(j->op, j->attrs, i, j->tangent[i], full) : NULL;
    if (!zero && !ebb__failed_since(failures)) zero = is_zero(j->tangent[i]);
    ebb_set_grad_enabled(recording);
    return zero ? cleaned(full, zero) : NULL;
}

void ebb__strong_tangents(struct ebb_jvp_call *j, ebb__jvp_rule rule) {
    bool finite = true;
    rule(j);
    for (int64_t k = 0; k < j->n_out && finite; k++) finite = !j->given[k] || all_finite(j->given[k]);
    if (EBB_LIKELY(finite)) return;
    size_t bytes = (size_t)(j->n_in + 2 * j->n_out) * sizeof(ebb_tensor *);
    ebb_tensor **tangent = ebb__alloc_zeroed(bytes);
    if (!tangent) return;
    ebb_tensor **given = tangent + j->n_in, **sum = given + j->n_out;
    for (int64_t i = 0; i < j->n_in; i++) {
        if (!j->tangent[i]) continue;
        flow(j, rule, i, j->tangent[i], j->in, tangent, given);
        for (int64_t k = 0; k < j->n_out; k++) {
            ebb_tensor *t = given[k] ? strong_tangent(j, rule, i, given[k], tangent) : NULL;
            if (t) sum[k] = sum[k] ? ebb_add(sum[k], t) : t;
        }
    }
    for (int64_t k = 0; k < j->n_out; k++) j->given[k] = sum[k];
    ebb__free(tangent, bytes);
}
