/* Elementwise operators: promotion, broadcasting and the loop, with a short way for what needs neither. */
#include "record/call.h"

_Static_assert(EBB__PLAN_MAX > EBB_OP_MAX_IN, "an elementwise operator may have as many inputs as any other");

/* The input whose shape and dtype are the result's when all others are like it, or numbers that do not widen it: then
 * one call of the inner loop on flat memory is the whole work. NULL when it takes more. */
static const ebb_tensor *flat_like(const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    const ebb_tensor *a = NULL;
    for (int64_t i = 0; i < n; i++) {
        const ebb_tensor *t = in[i];
        if (t->flags & EBB__NUMBER) continue;
        if (!a) a = t;
        else if (t->dtype != a->dtype || ((t->ndim | a->ndim) && !ebb__same_shape(t, a))) return NULL;
        if (!ebb__is_contiguous(t)) return NULL;
    }
    if (!a || !op->loops[a->dtype] || (op->dtypes && !(op->dtypes & EBB_DTYPES(a->dtype)))) return NULL;
    if (ebb__is_floating(a->dtype)) return a;
    if (op->promote == EBB_PROMOTE_FLOAT) return NULL;
    for (int64_t i = 0; i < n; i++)
        if ((in[i]->flags & EBB__NUMBER) && (in[i]->dtype != EBB_I64 || a->dtype == EBB_BOOL)) return NULL;
    return a;
}

static ebb_tensor *flat(const struct ebb_op *op, const ebb_tensor *like, ebb_tensor *const *in, int64_t n,
                        const void *attrs, ebb_tensor *into) {
    ebb_dtype dtype = (ebb_dtype)like->dtype;
    ebb_tensor *out = into;
    if (!out) out = ebb__tensor_new_like(like, op->promote == EBB_PROMOTE_COMPARE ? EBB_BOOL : dtype);
    if (EBB_UNLIKELY(!out)) return NULL;
    struct ebb__plan plan; /* not initialized: of its dimensions only the first is used */
    int64_t number[EBB__PLAN_MAX];
    plan.n = (int)n + 1;
    plan.ndim = 1;
    plan.numel = plan.size[0] = like->numel;
    plan.data[0] = out->data;
    plan.stride[0][0] = ebb__dtype_sizes[out->dtype];
    for (int64_t i = 0; i < n; i++) {
        plan.data[i + 1] = in[i]->data;
        plan.stride[0][i + 1] = ebb__dtype_sizes[dtype];
        if (EBB_LIKELY(!(in[i]->flags & EBB__NUMBER))) continue;
        plan.data[i + 1] = (char *)&number[i];
        plan.stride[0][i + 1] = 0;
        if (in[i]->dtype == dtype) number[i] = *(const int64_t *)(const void *)in[i]->data; /* numbers have 8 bytes */
        else ebb__convert(plan.data[i + 1], dtype, in[i]->data, (ebb_dtype)in[i]->dtype);
    }
    ebb__plan_run(&plan, op->loops[dtype], attrs);
    return out;
}

/* Numbers beside 16-bit operands are float32: what is computed is not rounded before it is stored. */
static ebb_dtype number_dtype(const ebb_tensor *t, ebb_dtype dtype) {
    return (t->flags & EBB__NUMBER) && ebb__is_half(dtype) ? EBB_F32 : dtype;
}

/* The 16-bit dtype whose operands are converted to float32 piece by piece, on the way to a loop that computes in that:
 * for the dtype computed in, where it has no loop of its own, or for operands beside others of float32. NONE: no
 * operand is, or some are of the one and some of the other. */
static ebb_dtype through_f32(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, ebb_dtype dtype) {
    ebb_dtype half = EBB_DTYPE_NONE;
    if (!op->loops[EBB_F32]) return EBB_DTYPE_NONE;
    if (ebb__is_half(dtype)) return op->loops[dtype] ? EBB_DTYPE_NONE : dtype;
    for (int64_t i = 0; i < n && dtype == EBB_F32; i++) {
        if (!ebb__is_half(in[i]->dtype) || in[i]->ndim == 0 || op->keeps & EBB_IN(i)) continue;
        if (half && half != in[i]->dtype) return EBB_DTYPE_NONE;
        half = (ebb_dtype)in[i]->dtype;
    }
    return half;
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
        ebb__convert(*ret_data, dtype, t->data, (ebb_dtype)t->dtype);
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

ebb_status ebb__fits_inplace(const ebb_tensor *into, ebb_dtype dtype, int ndim, const int64_t *sizes) {
    ebb_dims have = ebb_tensor_shape(into), shape = ebb__dims(ndim, sizes);
    if (!ebb__dims_equal(&have, &shape)) {
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        return ebb_fail(EBB_ERR_SHAPE, "the result of shape %s does not fit in place into shape %s",
                        ebb__shape_text(a, shape.n, shape.d), ebb__shape_text(b, have.n, have.d));
    }
    bool narrows = ebb_dtype_is_floating(dtype) ? !ebb_dtype_is_floating((ebb_dtype)into->dtype)
                                                : into->dtype == EBB_BOOL && dtype != EBB_BOOL;
    if (narrows)
        return ebb_fail(EBB_ERR_DTYPE, "the %s result does not fit in place into %s", ebb_dtype_name(dtype),
                        ebb_dtype_name((ebb_dtype)into->dtype));
    return EBB_OK;
}

/* The output, which in-place forms have already: it must be able to take the result. */
static ebb_tensor *make_out(ebb_tensor *into, ebb_dtype dtype, const ebb_dims *shape, ebb_tensor *const *in,
                            int64_t n) {
    if (!into) return ebb__tensor_new_ordered(dtype, shape, in, n);
    if (ebb__fits_inplace(into, dtype, shape->n, shape->d)) return NULL;
    return into->dtype == dtype ? into : ebb__tensor_new(dtype, shape->n, shape->d);
}

ebb_tensor *ebb__elementwise(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                             ebb_tensor *into) {
    if (EBB_UNLIKELY(op->check != NULL)) {
        ebb_dtype computed = ebb__op_dtype(op, in, n);
        if (!computed || op->check(attrs, in, n, computed)) return NULL;
    }
    const ebb_tensor *like = flat_like(op, in, n);
    if (EBB_LIKELY(like) && (!into || (into == like && op->promote != EBB_PROMOTE_COMPARE)))
        return flat(op, like, in, n, attrs, into);
    ebb_dtype dtype = ebb__op_dtype(op, in, n);
    if (!dtype) return NULL;
    const ebb_dtype half = through_f32(op, in, n, dtype);
    if (!op->loops[dtype] && !half) {
        ebb__fail_dtype(op, dtype);
        return NULL;
    }
    ebb_dims shape;
    if (!broadcast_shape(in, n, &shape)) return NULL;
    ebb_tensor *out = make_out(into, op->promote == EBB_PROMOTE_COMPARE ? EBB_BOOL : dtype, &shape, in, n);
    if (!out) return NULL;
    ebb_tensor *t[EBB__PLAN_MAX] = {out};
    char *data[EBB__PLAN_MAX];
    bool owned[EBB__PLAN_MAX] = {false}, ok = true;
    int64_t buffer[EBB__PLAN_MAX];
    struct ebb__through_f32 through = {op->loops[EBB_F32], attrs, half, (int)n + 1, ebb__is_half(out->dtype)};
    for (int64_t i = 0; i < n && ok; i++) {
        bool own = op->keeps & EBB_IN(i) || (half && in[i]->dtype == half && in[i]->ndim);
        ebb_dtype as = own ? (ebb_dtype)in[i]->dtype : number_dtype(in[i], dtype);
        t[i + 1] = as_dtype(in[i], as, &buffer[i], &data[i], &owned[i]);
        through.halves |= (uint32_t)ebb__is_half(as) << (i + 1);
        ok = t[i + 1] != NULL;
    }
    if (ok) {
        struct ebb__plan plan;
        ebb__plan_make(&plan, (int)n + 1, t);
        for (int64_t i = 0; i < n; i++) plan.data[i + 1] = data[i];
        ebb__plan_run(&plan, half ? ebb__loop_through_f32 : op->loops[dtype], half ? (const void *)&through : attrs);
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
