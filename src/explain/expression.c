/* Expressions on the command line: the values of their names, and their own. */
#include "explain/expression.h"
#include <ebb/ops.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- evaluating ---- */

ebb_tensor *ebb__expression_value(const struct ebb__expression *e, ebb_tensor *const *tensors,
                                  const struct ebb__observer *observer) {
    struct ebb__run run;
    ebb_tensor *t = NULL;
    ebb_manual_seed(e->seed);
    ebb_status status = ebb__eval_begin(&run, &e->program);
    run.files = true;
    if (observer) run.observer = *observer;
    run.sites = observer != NULL;
    for (int64_t i = 0; i < e->n && !status; i++) {
        ebb_arg arg = ebb__arg_tensor(e->names[i], tensors[i]);
        status = ebb__eval_set(&run, &arg);
    }
    if (!status) status = ebb__eval_all(&run);
    if (!status && run.last.kind == EBB__UNSET) (void)ebb_fail(EBB_ERR_ARGUMENT, "explain: there is no expression");
    else if (!status && !(t = ebb__value_as_tensor(&run.last, NULL)) && !ebb_error())
        (void)ebb_fail(EBB_ERR_ARGUMENT, "explain: the result is %s, not a tensor", ebb__value_kind_name(&run.last));
    ebb__eval_end(&run);
    return t;
}

/* ---- values ---- */

/* Whether a value's text asks for integers itself: then it keeps them, and is a constant. */
static bool wants_integers(const struct ebb__program *p) {
    static const char *const words[] = {"tensor", "randint", "long", "int", "int32", "int64", "uint8", "randperm"};
    for (int64_t i = 0; i < p->n_names; i++)
        for (size_t k = 0; k < sizeof words / sizeof *words; k++)
            if (strcmp(p->names[i], words[k]) == 0) return true;
    return false;
}

static ebb_tensor *as_variable(ebb_tensor *t, ebb_dtype dtype, bool integers) {
    ebb_dtype own = ebb_tensor_dtype(t);
    bool constant = own == EBB_BOOL || (integers && !ebb_dtype_is_floating(own));
    return ebb_detach(ebb_clone(constant ? t : ebb_to(t, dtype)));
}

/* What the text of a value is worth; errors have the column in it. */
static ebb_tensor *value_of(const char *name, const char *text, ebb_dtype dtype) {
    struct ebb__program p;
    struct ebb__run run = {0};
    ebb_tensor *t = NULL;
    ebb_status status = ebb__program_parse(&p, text);
    if (!status) status = ebb__eval_begin(&run, &p);
    run.files = true;
    if (!status) status = ebb__eval_all(&run);
    if (!status && (t = ebb__value_as_tensor(&run.last, NULL))) t = as_variable(t, dtype, wants_integers(&p));
    else if (!status && !ebb_error())
        (void)ebb_fail(EBB_ERR_ARGUMENT, "%s is %s, and cannot be a tensor", name, ebb__value_kind_name(&run.last));
    ebb__eval_end(&run);
    ebb__program_free(&p);
    if (!t && ebb_error()) { /* say whose value it is */
        ebb_error_info e = *ebb_error();
        char message[512];
        status = e.status;
        (void)snprintf(message, sizeof message, "%s", e.message);
        ebb_clear_error();
        (void)ebb_fail(status, "the value of %s: %s", name, message);
    }
    return t;
}

static bool is_name(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!(c == '_' || c >= 0x80 || isalpha(c) || (i && isdigit(c)))) return false;
    }
    return n > 0;
}

static bool add(struct ebb__expression *e, const char *name, ebb_tensor *t) {
    const char **names = (const char **)(uintptr_t)e->names;
    for (int64_t i = 0; i < e->n; i++)
        if (strcmp(names[i], name) == 0) {
            (void)ebb_fail(EBB_ERR_ARGUMENT, "explain: %s is given twice", name);
            return false;
        }
    if (ebb__program_find(&e->program, name) < 0) {
        const char *meant = ebb_did_you_mean(name, e->program.names, e->program.n_names);
        (void)ebb_fail(EBB_ERR_NAME, "explain: the expression has no %s%s%s%s", name, meant ? "; did you mean " : "",
                       meant ? meant : "", meant ? "?" : "");
        return false;
    }
    names[e->n] = name;
    e->tensors[e->n++] = t;
    return t != NULL;
}

/* "x=2" */
static bool add_value(struct ebb__expression *e, const char *text, ebb_dtype dtype) {
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : 0;
    while (n > 0 && text[n - 1] == ' ') n--;
    if (!is_name(text, n)) {
        (void)ebb_fail(EBB_ERR_FORMAT, "explain: \"%s\" gives no name a value, as x=2 does", text);
        return false;
    }
    const char *name = ebb__arena_copy(&e->arena, text, n);
    return name && add(e, name, value_of(name, equals + 1, dtype));
}

/* The tensor of an argument from C: itself, when it is a leaf that can gather gradients. */
static ebb_tensor *tensor_of(const ebb_arg *arg, ebb_dtype dtype) {
    switch (arg->kind) {
    case EBB_VALUE_TENSOR: return arg->value.tensor;
    case EBB_VALUE_INT: return as_variable(ebb_number_i64(arg->value.i), dtype, false);
    case EBB_VALUE_FLOAT: return as_variable(ebb_number_f64(arg->value.f), dtype, false);
    default: (void)ebb_fail(EBB_ERR_ARGUMENT, "explain: %s must be a tensor or a number", arg->name); return NULL;
    }
}

/* ---- what is differentiated by ---- */

static const char *next_word(const char **text, size_t *ret_n) {
    *text += strspn(*text, ", ");
    const char *word = *text;
    *ret_n = strcspn(word, ", ");
    *text += *ret_n;
    return word;
}

ebb_status ebb__expression_choose(struct ebb__expression *e, const char *grad_of) {
    bool any = false;
    for (int64_t i = 0; i < e->n; i++) {
        size_t n;
        bool wanted = !grad_of;
        for (const char *at = grad_of ? grad_of : "", *word; *(word = next_word(&at, &n));)
            wanted = wanted || (strlen(e->names[i]) == n && strncmp(word, e->names[i], n) == 0);
        bool can = ebb_dtype_is_floating(ebb_tensor_dtype(e->tensors[i]));
        if (ebb_tensor_is_leaf(e->tensors[i]) && can) (void)(ebb_requires_grad_)(e->tensors[i], wanted);
        (void)(ebb_name)(e->tensors[i], e->names[i]);
        any = any || (wanted && can);
    }
    size_t n;
    for (const char *at = grad_of ? grad_of : "", *word; *(word = next_word(&at, &n));) {
        char name[64];
        bool known = false;
        (void)snprintf(name, sizeof name, "%.*s", (int)(n < 63 ? n : 63), word);
        for (int64_t i = 0; i < e->n; i++) known = known || strcmp(e->names[i], name) == 0;
        const char *meant = known ? NULL : ebb_did_you_mean(name, e->names, e->n);
        if (!known)
            return ebb_fail(EBB_ERR_NAME, "explain: there is no variable %s%s%s%s", name,
                            meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
    }
    if (ebb_error()) return ebb_error_status();
    return any ? EBB_OK
               : ebb_fail(EBB_ERR_GRAPH, "explain: there is no variable to differentiate by; give values, as x=2");
}

/* ---- errors ---- */

void ebb__expression_place_error(const struct ebb__expression *e) {
    const ebb_error_info *error = ebb_error();
    const char *site = error ? strstr(error->message, ebb__expr_site) : NULL;
    struct ebb__text text = {0};
    if (!site || error->status == EBB_ERR_MEMORY) return;
    const char *at = error->message;
    for (; site; site = strstr(at, ebb__expr_site)) {
        const char *number = site + strlen(ebb__expr_site);
        char *end = NULL;
        long id = *number == ':' ? strtol(number + 1, &end, 10) : -1;
        ebb__text_add(&text, at, (size_t)(site - at));
        at = number;
        if (id >= 0 && id < e->program.n_ast && end != number + 1) {
            const struct ebb__ast *a = &e->program.ast[id];
            ebb__text_put(&text, "column %d", (int)(a->mark.end ? a->mark.at : a->place.at) + 1);
            at = end;
        } else {
            ebb__text_put(&text, "%s", ebb__expr_site);
        }
    }
    ebb__text_put(&text, "%s", at);
    ebb_status status = error->status;
    ebb_clear_error();
    (void)ebb_fail(status, "%s", ebb__text_of(&text));
    ebb__text_free(&text);
}

/* ---- beginning and end ---- */

ebb_status ebb__expression_begin(struct ebb__expression *e, const char *text, const ebb_explain_options *o) {
    *e = (struct ebb__expression){.seed = o->seed};
    ebb_dtype dtype = o->dtype ? o->dtype : EBB_F64;
    ebb_status status = ebb__program_parse(&e->program, text);
    if (status) return status;
    if (!ebb_dtype_is_floating(dtype))
        return ebb_fail(EBB_ERR_DTYPE, "explain: %s has no derivatives; the dtype must be one of floating point",
                        ebb_dtype_name(dtype));
    if (!e->program.n_statements) return ebb_fail(EBB_ERR_ARGUMENT, "explain: the expression is empty");
    int64_t most = o->n_values + o->variables.n;
    e->names = ebb__arena_get(&e->arena, (size_t)most * sizeof *e->names);
    e->tensors = ebb__arena_get(&e->arena, (size_t)most * sizeof(ebb_tensor *));
    if (!e->names || !e->tensors) return ebb_error_status();
    ebb_manual_seed(e->seed);
    for (int64_t i = 0; i < o->n_values; i++)
        if (!add_value(e, o->values[i], dtype)) return ebb_error_status();
    for (int64_t i = 0; i < o->variables.n; i++)
        if (!add(e, o->variables.arg[i].name, tensor_of(&o->variables.arg[i], dtype))) return ebb_error_status();
    return EBB_OK;
}

void ebb__expression_end(struct ebb__expression *e) {
    ebb__program_free(&e->program);
    ebb__arena_free(&e->arena);
}
