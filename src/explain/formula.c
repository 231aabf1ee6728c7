/* The names in a formula: a call's inputs, attributes, outputs and upstream gradients, as arguments for ebb_eval. */
#include "explain/formula.h"

#include <ebb/autograd.h>
#include <ebb/explain.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 160 };

struct names {
    struct ebb__arena *arena;
    ebb_arg *arg;
    int64_t n;
};

static void add(struct names *names, ebb_arg arg) {
    if (names->n < MAX_NAMES && arg.name && arg.name[0]) names->arg[names->n++] = arg;
}

static bool is_list(enum ebb_input_kind kind) { return kind == EBB_INPUT_LIST || kind == EBB_INPUT_OPTIONAL_LIST; }

int ebb__formula_declared(const struct ebb_op *op, int64_t n_in, int64_t k, int64_t *ret_entry) {
    int64_t extra = n_in - op->n_in; /* entries of the list beyond the first */
    *ret_entry = 0;
    for (int i = 0; i < op->n_in; i++) {
        int64_t width = is_list(op->in[i].kind) ? extra + 1 : 1;
        if (k < width) {
            *ret_entry = k;
            return i;
        }
        k -= width;
    }
    return op->n_in - 1;
}

bool ebb__formula_is_words(const char *formula) { return formula[0] == '\'' || formula[0] == '"'; }

/* ---- attributes ---- */

/* The word of an enum that a number stands for. */
static ebb_arg word(struct ebb__arena *arena, const struct ebb_attr *a, int value) {
    const char *at = a->values ? a->values : "";
    for (int i = 0; i < value && *at; i++) {
        at += strcspn(at, ",");
        at += *at == ',';
    }
    const char *text = ebb__arena_copy(arena, at, strcspn(at, ","));
    return ebb__arg_string(a->name, text ? text : "");
}

/* An option's zero is its default. */
static ebb_arg integer(const struct ebb_attr *a, const char *at) {
    int64_t i;
    memcpy(&i, at, sizeof i);
    bool none = !i && !a->required && a->otherwise && strcmp(a->otherwise, "none") == 0;
    if (none) return ebb__arg_none(a->name, NULL);
    return ebb__arg_int(a->name, i || a->required || !a->otherwise ? i : strtoll(a->otherwise, NULL, 10));
}

ebb_arg ebb__formula_attribute(struct ebb__arena *arena, const struct ebb_attr *a, const void *attrs) {
    const char *at = (const char *)attrs + a->offset;
    int64_t i;
    double f;
    bool b;
    int e;
    ebb_dims dims;
    ebb_ints ints;
    ebb_floats floats;
    ebb_setting setting;
    const char *text;
    ebb_arg arg = ebb__arg_none(a->name, NULL);
    switch (a->kind) {
    case EBB_ATTR_BOOL: memcpy(&b, at, sizeof b); return ebb__arg_bool(a->name, b);
    case EBB_ATTR_INT: return integer(a, at);
    case EBB_ATTR_DIM:
    case EBB_ATTR_NEWDIM: memcpy(&i, at, sizeof i); return ebb__arg_int(a->name, i);
    case EBB_ATTR_FLOAT: memcpy(&f, at, sizeof f); return ebb__arg_float(a->name, f);
    case EBB_ATTR_DIMS:
    case EBB_ATTR_SHAPE: memcpy(&dims, at, sizeof dims); return ebb__arg_dims(a->name, dims);
    case EBB_ATTR_INTS: memcpy(&ints, at, sizeof ints); return ebb__arg_ints(a->name, ints);
    case EBB_ATTR_FLOATS: memcpy(&floats, at, sizeof floats); return ebb__arg_floats(a->name, floats);
    case EBB_ATTR_SETTING:
    case EBB_ATTR_COUNT:
        memcpy(&setting, at, sizeof setting);
        if (!setting.given) setting = a->fallback;
        if (!setting.given) return arg;
        if (setting.dtype == EBB_F64) return ebb__arg_float(a->name, setting.value);
        return setting.dtype == EBB_BOOL ? ebb__arg_bool(a->name, setting.whole != 0)
                                         : ebb__arg_int(a->name, setting.whole);
    case EBB_ATTR_DTYPE:
        memcpy(&e, at, sizeof e);
        if (e) arg = ebb__arg_int(a->name, e);
        if (e) arg.kind = EBB_VALUE_DTYPE;
        return arg;
    case EBB_ATTR_ENUM: memcpy(&e, at, sizeof e); return word(arena, a, e);
    case EBB_ATTR_STRING: memcpy(&text, at, sizeof text); return ebb__arg_string(a->name, text ? text : a->otherwise);
    }
    return arg;
}

/* ---- tensors ---- */

/* A tensor that is a number is one in the formula too, so that it reads x**2 and not x**tensor(2). */
static ebb_arg tensor(const char *name, ebb_tensor *t) {
    if (!t) return ebb__arg_none(name, NULL);
    if (!ebb_tensor_is_number(t)) return ebb__arg_tensor(name, t);
    if (ebb_dtype_is_floating(ebb_tensor_dtype(t))) return ebb__arg_float(name, (ebb_item)(t));
    if (ebb_tensor_dtype(t) == EBB_BOOL) return ebb__arg_bool(name, (ebb_item_i64)(t) != 0);
    return ebb__arg_int(name, (ebb_item_i64)(t));
}

static void add_inputs(struct names *names, const struct ebb__formula_call *c) {
    const struct ebb_op *op = c->op;
    int64_t at = 0, extra = c->n_in - op->n_in;
    for (int i = 0; i < op->n_in; i++) {
        int64_t width = is_list(op->in[i].kind) ? extra + 1 : 1;
        if (is_list(op->in[i].kind)) add(names, ebb__arg_tensors(op->in[i].name, (ebb_list){width, c->in + at}));
        else add(names, tensor(op->in[i].name, c->in[at]));
        at += width;
    }
}

static void add_outputs(struct names *names, const struct ebb__formula_call *c) {
    if (c->op->n_out == EBB_OUT_LIST) {
        add(names, ebb__arg_tensors("g", (ebb_list){c->n_out, c->grad}));
        add(names, ebb__arg_tensors("y", (ebb_list){c->n_out, c->out}));
        return;
    }
    add(names, tensor("g", c->grad[0]));
    add(names, tensor("y", c->out[0]));
    for (int64_t k = 0; k < c->n_out && k < EBB_OP_MAX_OUT; k++) {
        const char *name = ebb_op_output_name(c->op, k);
        if (!name || !name[0]) continue;
        add(names, tensor(name, c->out[k]));
        add(names, tensor(ebb__arena_print(names->arena, "g_%s", name), c->grad[k]));
    }
}

static bool add_call(struct names *names, const struct ebb__formula_call *call) {
    names->arg = ebb__arena_get(names->arena, MAX_NAMES * sizeof *names->arg);
    if (!names->arg) return false;
    add_inputs(names, call);
    for (int i = 0; i < call->op->n_attrs && call->attrs; i++)
        add(names, ebb__formula_attribute(names->arena, &call->op->attrs[i], call->attrs));
    return true;
}

ebb_args ebb__formula_call_names(struct ebb__arena *a, const struct ebb__formula_call *call) {
    struct names names = {.arena = a};
    return add_call(&names, call) ? (ebb_args){names.n, names.arg} : (ebb_args){0, NULL};
}

const char *ebb__formula_of(struct ebb__arena *a, const struct ebb__formula_call *call, int64_t k,
                            ebb_args *ret_names) {
    struct names names = {.arena = a};
    int64_t entry;
    int declared = ebb__formula_declared(call->op, call->n_in, k, &entry);
    const char *formula = ebb_op_text(call->op).formula[declared];
    if (!formula || !formula[0] || !add_call(&names, call)) return NULL;
    add_outputs(&names, call);
    if (is_list(call->op->in[declared].kind)) add(&names, ebb__arg_int("k", entry));
    *ret_names = (ebb_args){names.n, names.arg};
    return ebb_error() ? NULL : formula;
}
