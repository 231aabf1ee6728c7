/* Attributes by name: from text, as samples and file formats give them, and from values of C. */
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
    case EBB_ATTR_STRING: *(const char **)at = text; return true;
    }
    return false;
}

/* ---- from values ---- */

static bool in_enum(const char *values, int64_t i) {
    int64_t n = values ? 1 : 0;
    for (; values && *values; values++) n += *values == ',';
    return i >= 0 && i < n;
}

static bool from_int(const struct ebb_attr *a, int64_t v, void *at) {
    switch (a->kind) {
    case EBB_ATTR_BOOL: *(bool *)at = v != 0; return v == 0 || v == 1; /* C's true is an int */
    case EBB_ATTR_INT:
    case EBB_ATTR_DIM:
    case EBB_ATTR_NEWDIM: *(int64_t *)at = v; return true;
    case EBB_ATTR_FLOAT: *(double *)at = (double)v; return true;
    case EBB_ATTR_SETTING: *(ebb_setting *)at = (ebb_setting){(double)v, true}; return true;
    case EBB_ATTR_DIMS:
    case EBB_ATTR_SHAPE: *(ebb_dims *)at = (ebb_dims){1, {v}}; return true;
    case EBB_ATTR_DTYPE: *(ebb_dtype *)at = (ebb_dtype)v; return v > 0 && v < EBB_DTYPE_COUNT;
    case EBB_ATTR_ENUM: *(int *)at = (int)v; return in_enum(a->values, v);
    default: return false;
    }
}

static bool from_float(const struct ebb_attr *a, double v, void *at) {
    if (a->kind == EBB_ATTR_SETTING) *(ebb_setting *)at = (ebb_setting){v, true};
    else if (a->kind == EBB_ATTR_FLOAT) *(double *)at = v;
    else return false;
    return true;
}

static bool from_ints(const struct ebb_attr *a, const ebb_dims *v, void *at) {
    bool fits = (a->kind == EBB_ATTR_DIMS || a->kind == EBB_ATTR_SHAPE) && v->n >= 0 && v->n <= EBB_MAX_NDIM;
    if (fits) *(ebb_dims *)at = *v;
    return fits;
}

static bool from_string(const struct ebb_attr *a, const char *v, void *at) {
    return (a->kind == EBB_ATTR_ENUM || a->kind == EBB_ATTR_DTYPE || a->kind == EBB_ATTR_STRING) && read_attr(a, v, at);
}

bool ebb__attr_default(const struct ebb_attr *a, void *attrs) {
    if (!a->required) return true;
    double v = a->fallback.value;
    return a->fallback.given &&
           (from_float(a, v, (char *)attrs + a->offset) || from_int(a, (int64_t)v, (char *)attrs + a->offset));
}

bool ebb__attr_assign(const struct ebb_attr *a, const ebb_arg *arg, void *attrs) {
    void *at = (char *)attrs + a->offset;
    switch (arg->kind) {
    case EBB_VALUE_NONE: return ebb__attr_default(a, attrs);
    case EBB_VALUE_BOOL:
        if (a->kind == EBB_ATTR_BOOL) *(bool *)at = arg->value.i != 0;
        return a->kind == EBB_ATTR_BOOL || from_float(a, arg->value.i != 0, at);
    case EBB_VALUE_INT: return from_int(a, arg->value.i, at);
    case EBB_VALUE_FLOAT: return from_float(a, arg->value.f, at);
    case EBB_VALUE_INTS: return from_ints(a, &arg->value.ints, at);
    case EBB_VALUE_STRING: return from_string(a, arg->value.text, at);
    case EBB_VALUE_DTYPE: return a->kind == EBB_ATTR_DTYPE && from_int(a, arg->value.i, at);
    case EBB_VALUE_TEXT:
        return read_attr(a, arg->value.text, at) ||
               (strcmp(arg->value.text, "none") == 0 && ebb__attr_default(a, attrs));
    case EBB_VALUE_TENSOR:
    case EBB_VALUE_TENSORS: return false;
    }
    return false;
}

/* ---- by name ---- */

const char *ebb__attr_expected(const struct ebb_attr *a, char *text, size_t size) {
    static const char *const words[] = {"a bool",         "an int",  "a float", "an int",  "an int",  "a list of ints",
                                        "a list of ints", "a dtype", "one of ", "a float", "a string"};
    size_t at = (size_t)snprintf(text, size, "%s", words[a->kind]);
    for (const char *v = a->kind == EBB_ATTR_ENUM && a->values ? a->values : ""; *v && at + 3 < size; v++) {
        text[at++] = *v;
        if (*v == ',') text[at++] = ' ';
        text[at] = 0;
    }
    return text;
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
        char expected[96];
        return ebb__fail_op(op->name, EBB_ERR_ARGUMENT, "%s=%s: expected %s", name, text,
                            ebb__attr_expected(a, expected, sizeof expected));
    }
    return unknown(op, name);
}

/* ---- what kinds are called ---- */

const char *ebb_input_kind_name(enum ebb_input_kind kind) {
    static const char *const names[] = {
        [EBB_INPUT_TENSOR] = "Tensor", [EBB_INPUT_NUMBER] = "Number",          [EBB_INPUT_OPTIONAL] = "Tensor?",
        [EBB_INPUT_LIST] = "Tensors",  [EBB_INPUT_OPTIONAL_LIST] = "Tensors?", [EBB_INPUT_OPTIONAL_NUMBER] = "Number?",
    };
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

const char *ebb_attr_kind_name(enum ebb_attr_kind kind) {
    static const char *const names[] = {"bool",  "int",   "float", "dim",    "newdim", "dims",
                                        "shape", "dtype", "enum",  "float?", "string"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}
