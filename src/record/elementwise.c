/* Elementwise operators: promotion, broadcasting and the loop, with a short way for what needs neither. */
#include "record/call.h"

#define FLAT_MAX 16384 /* elements up to which flat memory is one call of the loop, without a plan */

/* All inputs alike and contiguous, so that one call of the inner loop on flat memory is the whole work. */
static bool is_flat(const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    const ebb_tensor *a = in[0];
    for (int64_t i = 0; i < n; i++)
        if (in[i]->dtype != a->dtype || !ebb__is_contiguous(in[i]) || (i && !ebb__same_shape(in[i], a)) ||
            (in[i]->flags & EBB__NUMBER))
            return false;
    if (op->promote == EBB_PROMOTE_FLOAT && !ebb_dtype_is_floating((ebb_dtype)a->dtype)) return false;
    return op->loops[a->dtype] && (!op->dtypes || (op->dtypes & EBB_DTYPES(a->dtype)));
}

static ebb_tensor *flat(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                        ebb_tensor *into) {
    const ebb_tensor *a = in[0];
    ebb_tensor *t[EBB__PLAN_MAX];
    t[0] = into ? into : ebb__tensor_new_like(a, op->promote == EBB_PROMOTE_COMPARE ? EBB_BOOL : (ebb_dtype)a->dtype);
    if (EBB_UNLIKELY(!t[0])) return NULL;
    for (int64_t i = 0; i < n; i++) t[i + 1] = in[i];
    if (EBB_LIKELY(a->numel <= FLAT_MAX)) {
        char *data[EBB__PLAN_MAX];
        int64_t stride[EBB__PLAN_MAX];
        for (int64_t i = 0; i <= n; i++) {
            data[i] = t[i]->data;
            stride[i] = ebb__dtype_sizes[t[i]->dtype];
        }
        if (a->numel) op->loops[a->dtype](a->numel, data, stride, attrs);
    } else {
        struct ebb__plan plan;
        ebb__plan_make(&plan, (int)n + 1, t);
        ebb__plan_run(&plan, op->loops[a->dtype], attrs);
    }
    return t[0];
}

/* Input i in the dtype computed in: itself, a stand-in for the value of a 0-d one in *buffer, or a new reference
 * (*ret_owned). */
static ebb_tensor *as_dtype(ebb_tensor *t, ebb_dtype dtype, int64_t *buffer, char **ret_data, bool *ret_owned) {
    *ret_owned = t->dtype != dtype && t->ndim != 0;
    if (*ret_owned) t = ebb__cast(t, dtype);
    if (!t) return NULL;
    *ret_data = t->data;
    if (t->dtype != dtype) {
        *ret_data = (char *)buffer;
        ebb__store(*ret_data, dtype, ebb__load(t->data, (ebb_dtype)t->dtype));
    }
    return t;
}

static bool broadcast_shape(ebb_tensor *const *in, int64_t n, ebb_dims *ret_shape) {
    *ret_shape = ebb_tensor_shape(in[0]);
    for (int64_t i = 1; i < n; i++) {
        ebb_dims s = ebb_tensor_shape(in[i]);
        if (!ebb__broadcast(ret_shape, &s)) {
            char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
            ebb_fail(EBB_ERR_SHAPE, "shapes %s and %s do not broadcast", ebb__shape_text(a, ret_shape->n, ret_shape->d),
                     ebb__shape_text(b, s.n, s.d));
            return false;
        }
    }
    return true;
}

/* The output, which in-place forms have already: it must be able to take the result. */
static ebb_tensor *make_out(ebb_tensor *into, ebb_dtype dtype, const ebb_dims *shape) {
    if (!into) return ebb__tensor_new(dtype, shape->n, shape->d);
    ebb_dims have = ebb_tensor_shape(into);
    if (!ebb__dims_equal(&have, shape)) {
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        ebb_fail(EBB_ERR_SHAPE, "the result of shape %s does not fit in place into shape %s",
                 ebb__shape_text(a, shape->n, shape->d), ebb__shape_text(b, have.n, have.d));
        return NULL;
    }
    if (into->dtype == dtype) return into;
    bool narrows = ebb_dtype_is_floating(dtype) ? !ebb_dtype_is_floating((ebb_dtype)into->dtype)
                                                : into->dtype == EBB_BOOL && dtype != EBB_BOOL;
    if (narrows) {
        ebb_fail(EBB_ERR_DTYPE, "the %s result does not fit in place into %s", ebb_dtype_name(dtype),
                 ebb_dtype_name((ebb_dtype)into->dtype));
        return NULL;
    }
    return ebb__tensor_new(dtype, shape->n, shape->d);
}

ebb_tensor *ebb__elementwise(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                             ebb_tensor *into) {
    if (EBB_LIKELY(is_flat(op, in, n)) && (!into || (into == in[0] && op->promote != EBB_PROMOTE_COMPARE)))
        return flat(op, in, n, attrs, into);
    ebb_dtype dtype = ebb__op_dtype(op, in, n);
    if (!dtype) return NULL;
    if (!op->loops[dtype]) {
        ebb_fail(EBB_ERR_DTYPE, "not defined for %s", ebb_dtype_name(dtype));
        return NULL;
    }
    ebb_dims shape;
    if (!broadcast_shape(in, n, &shape)) return NULL;
    ebb_tensor *out = make_out(into, op->promote == EBB_PROMOTE_COMPARE ? EBB_BOOL : dtype, &shape);
    if (!out) return NULL;
    ebb_tensor *t[EBB__PLAN_MAX] = {out};
    char *data[EBB__PLAN_MAX];
    bool owned[EBB__PLAN_MAX] = {false}, ok = true;
    int64_t buffer[EBB__PLAN_MAX];
    for (int64_t i = 0; i < n && ok; i++) {
        bool keeps = op->keeps & EBB_IN(i);
        t[i + 1] = as_dtype(in[i], keeps ? (ebb_dtype)in[i]->dtype : dtype, &buffer[i], &data[i], &owned[i]);
        ok = t[i + 1] != NULL;
    }
    if (ok) {
        struct ebb__plan plan;
        ebb__plan_make(&plan, (int)n + 1, t);
        for (int64_t i = 0; i < n; i++) plan.data[i + 1] = data[i];
        ebb__plan_run(&plan, op->loops[dtype], attrs);
    }
    for (int64_t i = 0; i < n; i++)
        if (owned[i]) ebb__unref(t[i + 1]);
    if (into && out != into) {
        ok = ok && ebb__copy_into(into, out) == EBB_OK;
        ebb__unref(out);
        out = into;
    }
    if (ok) return out;
    if (!into) ebb__unref(out);
    return NULL;
}
