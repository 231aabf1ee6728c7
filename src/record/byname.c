/* Attributes by name and text, as samples, the command line and file formats give them. */
#include "record/call.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One integer that ends where the text does, or at `end` when that is given. */
static bool read_int(const char *text, const char **end, int64_t *ret_value) {
    char *stop;
    errno = 0;
    long long value = strtoll(text, &stop, 10);
    if (stop == text || errno || (!end && *stop)) return false;
    if (end) *end = stop;
    *ret_value = value;
    return true;
}

bool ebb__dims_from_text(const char *text, ebb_dims *ret_dims) {
    ebb_dims dims = {0, {0}};
    const char *p = text + 1;
    if (text[0] != '(') { /* one number is a list of one, as in PyTorch */
        dims.n = 1;
        if (!read_int(text, NULL, &dims.d[0])) return false;
        *ret_dims = dims;
        return true;
    }
    p += strspn(p, " ");
    while (*p && *p != ')') {
        if (dims.n == EBB_MAX_NDIM || !read_int(p, &p, &dims.d[dims.n++])) return false;
        p += strspn(p, " ");
        if (*p == ',') p++;
        else if (*p != ')') return false;
        p += strspn(p, " ");
    }
    if (strcmp(p, ")") != 0) return false;
    *ret_dims = dims;
    return true;
}

static bool read_float(const char *text, double *ret_value) {
    char *stop;
    *ret_value = strtod(text, &stop);
    return stop != text && !*stop;
}

static bool read_bool(const char *text, bool *ret_value) {
    *ret_value = strcmp(text, "true") == 0;
    return *ret_value || strcmp(text, "false") == 0;
}

static bool read_setting(const char *text, ebb_setting *ret_value) {
    bool word;
    ret_value->given = strcmp(text, "none") != 0;
    ret_value->value = 0;
    if (read_bool(text, &word)) ret_value->value = word;
    else if (ret_value->given) return read_float(text, &ret_value->value);
    return true;
}

/* The place of a word in a list separated by commas. */
static bool read_enum(const char *values, const char *text, int *ret_value) {
    size_t length = strlen(text);
    for (int i = 0; values; i++) {
        size_t n = strcspn(values, ",");
        if (n == length && strncmp(values, text, n) == 0) {
            *ret_value = i;
            return true;
        }
        values = values[n] ? values + n + 1 : NULL;
    }
    return false;
}

static bool read_dtype(const char *text, ebb_dtype *ret_value) {
    *ret_value = ebb_dtype_from_name(text);
    return *ret_value || strcmp(text, "none") == 0;
}

static bool read_attr(const struct ebb_attr *a, const char *text, void *at) {
    switch (a->kind) {
    case EBB_ATTR_BOOL: return read_bool(text, at);
    case EBB_ATTR_INT:
    case EBB_ATTR_DIM:
    case EBB_ATTR_NEWDIM: return read_int(text, NULL, at);
    case EBB_ATTR_FLOAT: return read_float(text, at);
    case EBB_ATTR_SETTING: return read_setting(text, at);
    case EBB_ATTR_DIMS:
    case EBB_ATTR_SHAPE: return ebb__dims_from_text(text, at);
    case EBB_ATTR_DTYPE: return read_dtype(text, at);
    case EBB_ATTR_ENUM: return read_enum(a->values, text, at);
    }
    return false;
}

static const char *expected(const struct ebb_attr *a) {
    static const char *const words[] = {
        [EBB_ATTR_BOOL] = "true or false", [EBB_ATTR_INT] = "an integer",       [EBB_ATTR_FLOAT] = "a number",
        [EBB_ATTR_DIM] = "a dimension",    [EBB_ATTR_NEWDIM] = "a dimension",   [EBB_ATTR_DIMS] = "a list (0,1)",
        [EBB_ATTR_SHAPE] = "a list (2,3)", [EBB_ATTR_DTYPE] = "a dtype's name", [EBB_ATTR_SETTING] = "a number or none",
    };
    return a->kind == EBB_ATTR_ENUM ? a->values : words[a->kind];
}

static ebb_status unknown(const struct ebb_op *op, const char *name) {
    char list[256] = "none";
    size_t at = 0;
    for (int i = 0; i < op->n_attrs && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", op->attrs[i].name);
    return ebb__fail_op(op->name, EBB_ERR_NAME, "has no attribute \"%s\"; there are: %s", name, list);
}

ebb_status ebb__attr_set(const struct ebb_op *op, void *attrs, const char *name, const char *text) {
    for (int i = 0; i < op->n_attrs; i++) {
        const struct ebb_attr *a = &op->attrs[i];
        if (strcmp(a->name, name) != 0) continue;
        if (read_attr(a, text, (char *)attrs + a->offset)) return EBB_OK;
        return ebb__fail_op(op->name, EBB_ERR_ARGUMENT, "%s=%s: expected %s", name, text, expected(a));
    }
    return unknown(op, name);
}
