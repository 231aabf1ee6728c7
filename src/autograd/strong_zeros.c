/* Strong zeros: a gradient of zero stays zero through a rule, whatever it is multiplied by (ADR 0016).
 *
 * A rule is linear in the upstream gradient, so what it gives for zeros is zero, and anything else there is what
 * IEEE 754 makes of 0 * inf and 0 * nan. Only elements that are not finite are looked at: where they are, and whether
 * anything but zeros could flow into them. */
#include "autograd/anomaly.h"
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
static bool sliced_along(const struct ebb_vjp_call *v, int ndim, ebb_dims *ret_dims) {
    for (int i = 0; i < v->op->n_attrs && v->attrs; i++) {
        const struct ebb_attr *a = &v->op->attrs[i];
        const void *at = (const char *)v->attrs + a->offset;
        if (strcmp(a->name, "dim") != 0) continue;
        if (a->kind == EBB_ATTR_DIM) *ret_dims = (ebb_dims){1, {*(const int64_t *)at}};
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

/* A bool tensor that broadcasts to `full`: true where only zeros of the upstream gradient flow in. NULL where that is
 * not known, or on failure. */
static ebb_tensor *only_zeros(const struct ebb_vjp_call *v, int64_t i, const ebb_tensor *full) {
    ebb_tensor *g = v->grad[0];
    ebb_dims dims;
    if (v->n_out == 1 && ebb__is_elementwise(v->op) && ebb__same_shape(g, full)) return ebb_eq(g, 0.0);
    if (v->n_out == 1 && i == 0 && !ebb__is_elementwise(v->op) && sliced_along(v, full->ndim, &dims)) {
        ebb_dims kept = kept_shape(full, &dims);
        int64_t slices = 1;
        for (int d = 0; d < kept.n; d++) slices *= kept.d[d];
        if (ebb__same_shape(g, full)) return ebb_eq(ebb_amax(ebb_abs(g), .dim = dims, .keepdim = true), 0.0);
        if (g->numel == slices) return ebb_reshape(ebb_eq(g, 0.0), kept);
    }
    for (int64_t k = 0; k < v->n_out; k++)
        if (v->grad[k] && (ebb__is_batched(v->grad[k]) || ebb_item(ebb_any(ebb_ne(v->grad[k], 0.0))) != 0)) return NULL;
    return ebb_ones(EBB_NO_DIMS, .dtype = EBB_BOOL);
}

/* ---- products: their rule for one input is a sum of the upstream gradient times elements of one other ---- */

static bool is_product(const struct ebb_op *op) {
    static const char *const names[] = {"dot", "mv", "mm", "bmm", "addmv", "addmm", "baddbmm", "convolution"};
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

/* The sum without its terms that are 0 times what is not finite: the rule on the finite elements alone, where no other
 * terms have what is not finite, which the rule tells when it counts them. */
static ebb_tensor *of_product(const struct ebb_vjp_call *v, int64_t i, ebb_tensor *full) {
    ebb_tensor *finite[EBB_OP_MAX_IN] = {NULL}, *bad[EBB_OP_MAX_IN] = {NULL}, *g = v->grad[0];
    bool recording = ebb_is_grad_enabled();
    for (int64_t k = 0; k < v->n_in; k++) {
        if (!v->in[k]) continue;
        ebb_tensor *is_finite = ebb_isfinite(v->in[k]);
        finite[k] = ebb_where(is_finite, v->in[k], 0.0);
        bad[k] = ebb_to(ebb_logical_not(is_finite), (ebb_dtype)v->in[k]->dtype);
        if (!finite[k] || !bad[k]) return NULL;
    }
    ebb_set_grad_enabled(false);
    ebb_tensor *counts = rule_of(v, i, ebb_to(ebb_ne(g, 0.0), (ebb_dtype)g->dtype), bad);
    ebb_tensor *none = ebb_eq(counts, 0.0);
    ebb_set_grad_enabled(recording);
    return ebb_where(none, rule_of(v, i, g, finite), full);
}

ebb_tensor *ebb__strong_zeros(const struct ebb_vjp_call *v, int64_t i, ebb_tensor *full) {
    if (ebb__is_batched(full) || ebb__all_finite(full)) return full;
    if (is_product(v->op)) return of_product(v, i, full);
    uint64_t failures = ebb__thread.failures;
    bool recording = ebb_set_grad_enabled(false);
    ebb_tensor *zero = only_zeros(v, i, full);
    if (zero) zero = ebb_logical_and(zero, ebb_logical_not(ebb_isfinite(full)));
    ebb_set_grad_enabled(recording);
    if (ebb__failed_since(failures)) return NULL;
    return zero ? ebb_where(zero, 0.0, full) : full;
}
