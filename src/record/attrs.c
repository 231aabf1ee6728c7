/* Attributes before a rule sees them: dimensions counted from the front, in range, distinct; defaults in place. */
#include "record/call.h"
#include <string.h>

static ebb_status wrap(int64_t *dim, int ndim, const char *name) {
    int64_t given = *dim, n = ndim > 0 ? ndim : 1;
    if (ebb__wrap_dim(dim, ndim)) return EBB_OK;
    return ebb_fail(EBB_ERR_INDEX, "%s is out of range: expected between %lld and %lld, got %lld", name, -(long long)n,
                    (long long)n - 1, (long long)given);
}

static ebb_status wrap_list(ebb_dims *dims, int ndim, const char *name) {
    unsigned seen = 0;
    if (dims->n < 0 || dims->n > EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_ARGUMENT, "%s has %d entries; at most %d are possible", name, (int)dims->n,
                        EBB_MAX_NDIM);
    for (int i = 0; i < dims->n; i++) {
        if (wrap(&dims->d[i], ndim, name)) return ebb_error_status();
        if (seen & (1u << dims->d[i]))
            return ebb_fail(EBB_ERR_ARGUMENT, "%s names dimension %lld twice", name, (long long)dims->d[i]);
        seen |= 1u << dims->d[i];
    }
    return EBB_OK;
}

/* ebb_ints and ebb_floats look alike. */
_Static_assert(sizeof(ebb_ints) == sizeof(ebb_floats) && offsetof(ebb_ints, d) == offsetof(ebb_floats, d), "lists");
static bool is_list(const struct ebb_attr *a) { return a->kind == EBB_ATTR_INTS || a->kind == EBB_ATTR_FLOATS; }

static ebb_status settle(ebb_setting *setting, const struct ebb_attr *a) {
    if (!setting->given && a->required) return ebb_fail(EBB_ERR_ARGUMENT, "%s is not given", a->name);
    if (!setting->given) *setting = a->fallback;
    if (a->kind == EBB_ATTR_COUNT && setting->given && setting->dtype == EBB_F64)
        return ebb_fail(EBB_ERR_ARGUMENT, "%s must be a whole number, not %g", a->name, setting->value);
    return EBB_OK;
}

ebb_status ebb__attrs_normalize(const struct ebb_op *op, const void *attrs, int ndim, char ret_attrs[EBB__ATTRS_MAX]) {
    if (attrs) memcpy(ret_attrs, attrs, op->attrs_size);
    else memset(ret_attrs, 0, op->attrs_size);
    for (int i = 0; i < op->n_attrs; i++) {
        const struct ebb_attr *a = &op->attrs[i];
        void *at = ret_attrs + a->offset;
        ebb_status status = EBB_OK;
        if (!attrs && a->required) return ebb_fail(EBB_ERR_ARGUMENT, "needs its attributes");
        bool dims = a->kind == EBB_ATTR_DIMS || a->kind == EBB_ATTR_SHAPE;
        if (dims && !a->required && ((ebb_dims *)at)->n == 0 && ebb__dims_bare(at))
            return ebb_fail(EBB_ERR_ARGUMENT,
                            "%s is a list that does not say how many entries it has: write .%s = EBB_DIMS(...)",
                            a->name, a->name);
        if (a->kind == EBB_ATTR_DIM) status = wrap(at, ndim, a->name);
        else if (a->kind == EBB_ATTR_NEWDIM) status = wrap(at, ndim + 1, a->name);
        else if (a->kind == EBB_ATTR_DIMS) status = wrap_list(at, ndim, a->name);
        else if (a->kind == EBB_ATTR_SETTING || a->kind == EBB_ATTR_COUNT) status = settle(at, a);
        else if (is_list(a) && (((ebb_ints *)at)->n < 0 || (((ebb_ints *)at)->n && !((ebb_ints *)at)->d)))
            status = ebb_fail(EBB_ERR_ARGUMENT, "%s is NULL, or a list of %lld numbers", a->name,
                              (long long)((ebb_ints *)at)->n);
        else if (a->kind == EBB_ATTR_SHAPE && (((ebb_dims *)at)->n < 0 || ((ebb_dims *)at)->n > EBB_MAX_NDIM))
            status = ebb_fail(EBB_ERR_SHAPE, "%s has %d entries; at most %d are possible", a->name,
                              (int)((ebb_dims *)at)->n, EBB_MAX_NDIM);
        if (status) return status;
    }
    return EBB_OK;
}

/* ---- lists ---- */

size_t ebb__attrs_bytes(const struct ebb_op *op, const void *attrs) {
    size_t bytes = op->attrs_size;
    for (int i = 0; i < op->n_attrs; i++) {
        if (!is_list(&op->attrs[i])) continue;
        bytes = (bytes + 7) / 8 * 8 + 8 * (size_t)((const ebb_ints *)((const char *)attrs + op->attrs[i].offset))->n;
    }
    return bytes;
}

void ebb__attrs_copy(const struct ebb_op *op, const void *attrs, void *to) {
    size_t end = op->attrs_size;
    memcpy(to, attrs, op->attrs_size);
    for (int i = 0; i < op->n_attrs; i++) {
        if (!is_list(&op->attrs[i])) continue;
        ebb_ints *list = (void *)((char *)to + op->attrs[i].offset);
        int64_t *d = (void *)((char *)to + (end + 7) / 8 * 8);
        if (list->n) memcpy(d, list->d, 8 * (size_t)list->n);
        list->d = d;
        end = (end + 7) / 8 * 8 + 8 * (size_t)list->n;
    }
}
