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

/* An entry of a list of dimensions, behind which the text goes on; where it may be "none", that is -1. */
static bool read_entry(const char **text, bool none, int64_t *ret_value) {
    size_t n = none && strncmp(*text, "none", 4) == 0 ? 4 : 0;
    *text += n;
    *ret_value = -1;
    return n || read_int(*text, text, ret_value);
}

bool ebb__dims_from_text(const char *text, bool none, ebb_dims *ret_dims) {
    ebb_dims dims = {0};
    const char *p = text + 1;
    if (text[0] != '(') { /* one number is a list of one, as in PyTorch */
        dims.n = 1;
        if (!read_int(text, NULL, &dims.d[0])) return false;
        *ret_dims = dims;
        return true;
    }
    p += strspn(p, " ");
    while (*p && *p != ')') {
        if (dims.n == EBB_MAX_NDIM || !read_entry(&p, none, &dims.d[dims.n++])) return false;
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
    double value = strtod(text, &stop);
    if (stop == text || *stop) return false;
    *ret_value = value;
    return true;
}

static bool read_bool(const char *text, bool *ret_value) {
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0) return false;
    *ret_value = yes;
    return true;
}

/* "true", "3", "2.5", or "none" for one that is not given. */
static bool read_setting(const char *text, bool whole_only, ebb_setting *ret_value) {
    bool word;
    int64_t whole;
    double value;
    if (strcmp(text, "none") == 0) *ret_value = (ebb_setting){0};
    else if (read_bool(text, &word)) *ret_value = EBB_SET(word);
    else if (read_int(text, NULL, &whole)) *ret_value = EBB_SET(whole);
    else if (!whole_only && read_float(text, &value)) *ret_value = EBB_SET(value);
    else return false;
    return true;
}

/* A list of numbers of 8 bytes each, which *room is moved behind. */
static bool read_list(const char *text, bool floats, int64_t **room, int64_t *ret_n, const void **ret_d) {
    int64_t n = 0, *to = room ? *room : NULL;
    const char *p = text + (*text == '(');
    if (!to) return false;
    for (p += strspn(p, " "); *p && *p != ')'; p += strspn(p, ", ")) {
        char *stop;
        double value = strtod(p, &stop);
        if (floats && stop == p) return false;
        if (floats) memcpy(&to[n], &value, sizeof value);
        else if (!read_int(p, (const char **)&stop, &to[n])) return false;
        p = stop;
        n++;
    }
    if (*text == '(' ? strcmp(p, ")") != 0 : *p || n != 1) return false;
    *ret_n = n;
    *ret_d = to;
    *room = to + n;
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
    ebb_dtype dtype = ebb_dtype_from_name(text);
    if (!dtype && strcmp(text, "none") != 0) return false;
    *ret_value = dtype;
    return true;
}

static bool read_attr(const struct ebb_attr *a, const char *text, void *at, int64_t **room) {
    ebb_ints *ints = at;
    ebb_floats *floats = at;
    const void *d;
    switch (a->kind) {
    case EBB_ATTR_BOOL: return read_bool(text, at);
    case EBB_ATTR_INT:
    case EBB_ATTR_DIM:
    case EBB_ATTR_NEWDIM: return read_int(text, NULL, at);
    case EBB_ATTR_FLOAT: return read_float(text, at);
    case EBB_ATTR_SETTING: return read_setting(text, false, at);
    case EBB_ATTR_COUNT: return read_setting(text, true, at);
    case EBB_ATTR_DIMS:
    case EBB_ATTR_SHAPE: return ebb__dims_from_text(text, a->values != NULL, at);
    case EBB_ATTR_DTYPE: return read_dtype(text, at);
    case EBB_ATTR_ENUM: return read_enum(a->values, text, at);
    case EBB_ATTR_STRING: *(const char **)at = text; return true;
    case EBB_ATTR_INTS:
        if (!read_list(text, false, room, &ints->n, &d)) return false;
        ints->d = d;
        return true;
    case EBB_ATTR_FLOATS:
        if (!read_list(text, true, room, &floats->n, &d)) return false;
        floats->d = d;
        return true;
    }
    return false;
}

/* ---- from values ---- */

static bool in_enum(const char *values, int64_t i) {
    int64_t n = values ? 1 : 0;
    for (; values && *values; values++) n += *values == ',';
    return i >= 0 && i < n;
}

/* `v` itself may become a list of one. */
static bool from_int(const struct ebb_attr *a, const int64_t *v, void *at) {
    switch (a->kind) {
    case EBB_ATTR_BOOL: /* C's true is an int */
        if (*v != 0 && *v != 1) return false;
        *(bool *)at = *v != 0;
        return true;
    case EBB_ATTR_INT:
    case EBB_ATTR_DIM:
    case EBB_ATTR_NEWDIM: *(int64_t *)at = *v; return true;
    case EBB_ATTR_FLOAT: *(double *)at = (double)*v; return true;
    case EBB_ATTR_SETTING:
    case EBB_ATTR_COUNT: *(ebb_setting *)at = EBB_SET(*v); return true;
    case EBB_ATTR_DIMS:
    case EBB_ATTR_SHAPE: *(ebb_dims *)at = (ebb_dims){{*v}, 1}; return true;
    case EBB_ATTR_INTS: *(ebb_ints *)at = (ebb_ints){1, v}; return true;
    case EBB_ATTR_DTYPE:
        if (*v <= 0 || *v >= EBB_DTYPE_COUNT) return false;
        *(ebb_dtype *)at = (ebb_dtype)*v;
        return true;
    case EBB_ATTR_ENUM:
        if (!in_enum(a->values, *v)) return false;
        *(int *)at = (int)*v;
        return true;
    default: return false;
    }
}

static bool from_bool(const struct ebb_attr *a, bool v, void *at) {
    if (a->kind == EBB_ATTR_BOOL) *(bool *)at = v;
    else if (a->kind == EBB_ATTR_SETTING || a->kind == EBB_ATTR_COUNT) *(ebb_setting *)at = EBB_SET(v);
    else if (a->kind == EBB_ATTR_FLOAT) *(double *)at = v;
    else return false;
    return true;
}

static bool from_float(const struct ebb_attr *a, const double *v, void *at) {
    if (a->kind == EBB_ATTR_SETTING) *(ebb_setting *)at = EBB_SET(*v);
    else if (a->kind == EBB_ATTR_FLOAT) *(double *)at = *v;
    else if (a->kind == EBB_ATTR_FLOATS) *(ebb_floats *)at = (ebb_floats){1, v};
    else return false;
    return true;
}

/* A whole number for a list of floats. */
static bool one_float(int64_t whole, int64_t **room, ebb_floats *ret_list) {
    double value = (double)whole;
    if (!room) return false;
    memcpy(*room, &value, sizeof value);
    *ret_list = (ebb_floats){1, (const double *)(const void *)*room};
    ++*room;
    return true;
}

static bool from_ints(const struct ebb_attr *a, ebb_ints v, void *at) {
    bool dims = a->kind == EBB_ATTR_DIMS || a->kind == EBB_ATTR_SHAPE;
    if (v.n < 0 || (v.n && !v.d) || (dims && v.n > EBB_MAX_NDIM)) return false;
    if (dims) *(ebb_dims *)at = ebb__dims((int)v.n, v.d);
    else if (a->kind == EBB_ATTR_INTS) *(ebb_ints *)at = v;
    else return false;
    return true;
}

static bool from_string(const struct ebb_attr *a, const char *v, void *at) {
    return (a->kind == EBB_ATTR_ENUM || a->kind == EBB_ATTR_DTYPE || a->kind == EBB_ATTR_STRING) &&
           read_attr(a, v, at, NULL);
}

bool ebb__attr_default(const struct ebb_attr *a, void *attrs) {
    return !a->required || (a->otherwise && read_attr(a, a->otherwise, (char *)attrs + a->offset, NULL));
}

static bool assign(const struct ebb_attr *a, const ebb_arg *arg, void *attrs, int64_t **room) {
    void *at = (char *)attrs + a->offset;
    switch (arg->kind) {
    case EBB_VALUE_NONE: return ebb__attr_default(a, attrs);
    case EBB_VALUE_BOOL: return from_bool(a, arg->value.i != 0, at);
    case EBB_VALUE_INT:
        return a->kind == EBB_ATTR_FLOATS ? one_float(arg->value.i, room, at) : from_int(a, &arg->value.i, at);
    case EBB_VALUE_FLOAT: return from_float(a, &arg->value.f, at);
    case EBB_VALUE_DIMS: return from_ints(a, (ebb_ints){arg->value.dims.n, arg->value.dims.d}, at);
    case EBB_VALUE_INTS: return from_ints(a, arg->value.ints, at);
    case EBB_VALUE_FLOATS:
        if (a->kind == EBB_ATTR_FLOATS) *(ebb_floats *)at = arg->value.floats;
        return a->kind == EBB_ATTR_FLOATS;
    case EBB_VALUE_STRING: return from_string(a, arg->value.text, at);
    case EBB_VALUE_DTYPE: return a->kind == EBB_ATTR_DTYPE && from_int(a, &arg->value.i, at);
    case EBB_VALUE_TEXT:
        return read_attr(a, arg->value.text, at, room) ||
               (strcmp(arg->value.text, "none") == 0 && ebb__attr_default(a, attrs));
    case EBB_VALUE_LISTS: /* one for each of several: named.c */
    case EBB_VALUE_TENSOR:
    case EBB_VALUE_TENSORS: return false;
    }
    return false;
}

/* Whether 0 in C stands for a default that is another number, as of groups, or none: then it is not a value. */
static bool zero_is_default(const struct ebb_attr *a) {
    return a->kind == EBB_ATTR_INT && !a->required && a->otherwise && strcmp(a->otherwise, "0") != 0;
}

bool ebb__attr_assign(const struct ebb_attr *a, const ebb_arg *arg, void *attrs, int64_t **room) {
    bool word = arg->kind == EBB_VALUE_TEXT && strcmp(arg->value.text, "none") == 0;
    if (!assign(a, arg, attrs, room)) return false;
    if (word || arg->kind == EBB_VALUE_NONE || !zero_is_default(a)) return true;
    return *(const int64_t *)(const void *)((char *)attrs + a->offset) != 0;
}

/* ---- by name ---- */

const char *ebb__attr_expected(const struct ebb_attr *a, char *text, size_t size) {
    static const char *const words[] = {
        [EBB_ATTR_BOOL] = "a bool",
        [EBB_ATTR_INT] = "an int",
        [EBB_ATTR_FLOAT] = "a float",
        [EBB_ATTR_DIM] = "an int",
        [EBB_ATTR_NEWDIM] = "an int",
        [EBB_ATTR_DIMS] = "a list of at most 8 ints",
        [EBB_ATTR_SHAPE] = "a list of at most 8 ints",
        [EBB_ATTR_DTYPE] = "a dtype",
        [EBB_ATTR_ENUM] = "one of ",
        [EBB_ATTR_SETTING] = "a number",
        [EBB_ATTR_COUNT] = "an int",
        [EBB_ATTR_STRING] = "a string",
        [EBB_ATTR_INTS] = "a list of ints",
        [EBB_ATTR_FLOATS] = "a list of floats",
    };
    size_t at = (size_t)snprintf(text, size, "%s%s", words[a->kind], zero_is_default(a) ? " other than 0" : "");
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

ebb_status ebb__attr_set(const struct ebb_op *op, void *attrs, const char *name, const char *text, int64_t **room) {
    for (int i = 0; i < op->n_attrs; i++) {
        const struct ebb_attr *a = &op->attrs[i];
        if (strcmp(a->name, name) != 0) continue;
        if (read_attr(a, text, (char *)attrs + a->offset, room)) return EBB_OK;
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
    static const char *const names[] = {
        [EBB_ATTR_BOOL] = "bool",      [EBB_ATTR_INT] = "int",       [EBB_ATTR_FLOAT] = "float",
        [EBB_ATTR_DIM] = "dim",        [EBB_ATTR_NEWDIM] = "newdim", [EBB_ATTR_DIMS] = "dims",
        [EBB_ATTR_SHAPE] = "shape",    [EBB_ATTR_DTYPE] = "dtype",   [EBB_ATTR_ENUM] = "enum",
        [EBB_ATTR_SETTING] = "number", [EBB_ATTR_COUNT] = "int?",    [EBB_ATTR_STRING] = "string",
        [EBB_ATTR_INTS] = "ints",      [EBB_ATTR_FLOATS] = "floats",
    };
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}
