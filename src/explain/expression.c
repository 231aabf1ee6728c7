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
    if (!status && run.last.kind == EBB__UNSET)
        (void)ebb__fail_said(EBB_ERR_ARGUMENT, "explain: there is no expression");
    else if (!status && !(t = ebb__value_as_tensor(&run.last, NULL)) && !ebb_error())
        (void)ebb__fail_said(EBB_ERR_ARGUMENT, "explain: the result is %s, not a tensor",
                             ebb__value_kind_name(&run.last));
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

/* What the last statement is worth as a tensor; an error when it cannot be one. */
static ebb_tensor *last_tensor(struct ebb__run *run) {
    const struct ebb__program *p = run->program;
    struct ebb__place place = {0, p->length};
    ebb_tensor *t = ebb__value_as_tensor(&run->last, NULL);
    if (t || ebb_error() || ebb__say_uneven(run, place)) return t;
    (void)ebb__fail_at(p->text, place, EBB_ERR_ARGUMENT, "expected a number, a list of numbers or a tensor, not %s",
                       ebb__value_kind_name(&run->last));
    return NULL;
}

/* What the text of a value is worth; errors have the column in it. Of integers, as they were written, in *ret_whole. */
static ebb_tensor *value_of(const char *name, const char *text, ebb_dtype dtype, ebb_tensor **ret_whole) {
    struct ebb__program p;
    struct ebb__run run = {0};
    ebb_tensor *t = NULL;
    ebb_status status = ebb__program_parse(&p, text);
    if (!status && !p.n_statements)
        status = ebb__fail_said(EBB_ERR_FORMAT, "nothing stands after the =; write it as %s=2", name);
    if (!status) status = ebb__eval_begin(&run, &p);
    run.files = true;
    if (!status) status = ebb__eval_all(&run);
    if (!status && (t = last_tensor(&run))) {
        bool integers = wants_integers(&p), whole = !ebb_dtype_is_floating(ebb_tensor_dtype(t));
        if (whole && !integers && ebb_tensor_dtype(t) != EBB_BOOL) *ret_whole = ebb_detach(ebb_clone(t));
        t = as_variable(t, dtype, integers);
    }
    ebb__eval_end(&run);
    ebb__program_free(&p);
    if (!t && ebb_error() && ebb_error_status() != EBB_ERR_MEMORY) { /* say whose value it is */
        char message[512];
        status = ebb__say_error(NULL);
        (void)snprintf(message, sizeof message, "%s", ebb_error()->message);
        ebb_clear_error();
        (void)ebb__fail_said(status, "the value of %s: %s", name, message);
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

static bool add(struct ebb__expression *e, const char *name, ebb_tensor *t, ebb_tensor *whole) {
    const char **names = (const char **)(uintptr_t)e->names;
    names[e->n] = name;
    e->whole[e->n] = whole;
    e->tensors[e->n++] = t;
    e->integers_become = e->integers_become || whole;
    return t != NULL;
}

/* Whether a value may be given to a name: the expression has it, and it is given once. */
static bool may_be_given(const struct ebb__expression *e, const char *name) {
    for (int64_t i = 0; i < e->n; i++)
        if (strcmp(e->names[i], name) == 0)
            return !ebb__fail_said(EBB_ERR_ARGUMENT, "explain: %s is given twice; leave out one of its values", name);
    if (ebb__program_find(&e->program, name) >= 0) return true;
    const char *meant = ebb_did_you_mean(name, e->program.names, e->program.n_names);
    return !ebb__fail_said(EBB_ERR_NAME, "explain: the expression has no %s%s", name, ebb__meant(meant));
}

/* "x=2" */
static bool add_value(struct ebb__expression *e, const char *text, ebb_dtype dtype) {
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : 0;
    ebb_tensor *whole = NULL;
    ebb__caret_forget();
    while (n > 0 && text[n - 1] == ' ') n--;
    if (!is_name(text, n)) ebb__caret_put(text, (struct ebb__place){0, (int32_t)(equals ? n + 1 : strlen(text))});
    if (!is_name(text, n))
        return !ebb__fail_said(EBB_ERR_FORMAT,
                               equals ? "explain: before the = of \"%s\" there is no name, as in x=2"
                                      : "explain: \"%s\" gives no name a value, as x=2 does",
                               text);
    const char *name = ebb__arena_copy(&e->arena, text, n);
    if (!name || !may_be_given(e, name)) {
        ebb__caret_put(text, (struct ebb__place){0, (int32_t)n});
        return false;
    }
    ebb_tensor *t = value_of(name, equals + 1, dtype, &whole);
    return add(e, name, t, whole);
}

/* ---- values that are never read ---- */

/* Whether a part of the text reads a name. */
static bool reads(const struct ebb__program *p, struct ebb__place place, int32_t name) {
    for (int64_t i = 0; i < p->n_ast; i++) {
        const struct ebb__ast *a = &p->ast[i];
        if (a->kind == EBB__AST_NAME && a->name == name && a->place.at >= place.at && a->place.end <= place.end)
            return true;
    }
    return false;
}

/* A value that a statement replaces before any has read it is a mistake. */
static ebb_status check_read(const struct ebb__expression *e, const char *name) {
    const struct ebb__program *p = &e->program;
    int32_t n = ebb__program_find(p, name);
    for (int64_t i = 0; i < p->n_statements; i++) {
        const struct ebb__statement *s = &p->statements[i];
        if (reads(p, p->ast[s->root].place, n) || s->kind == EBB__CHANGE) return EBB_OK;
        for (int32_t k = 0; k < s->n; k++)
            if (p->kids[s->targets + k] == n)
                return ebb__fail_at(p->text, s->target, EBB_ERR_NAME,
                                    "%s is given a value, and gets another one here before it is read; leave out one",
                                    name);
    }
    return EBB_OK;
}

/* ---- values that must be integers ---- */

enum { MOST_WHOLE = 6 };

/* Whether the expression can be evaluated with integers for those variables whose bits are set. */
static bool works(const struct ebb__expression *e, const int64_t *which, unsigned bits) {
    ebb_tensor **tensors;
    ebb_scope scope = ebb_scope_open();
    struct ebb__arena a = {0};
    tensors = ebb__arena_get(&a, (size_t)e->n * sizeof(ebb_tensor *));
    for (int64_t i = 0; i < e->n && tensors; i++) tensors[i] = ebb_clone(e->tensors[i]); /* it may be written to */
    for (int i = 0; i < MOST_WHOLE && tensors; i++)
        if (bits >> i & 1) tensors[which[i]] = ebb_clone(e->whole[which[i]]);
    bool any = false;
    for (int64_t i = 0; i < e->n && tensors && !ebb_error(); i++)
        any = any || ebb_dtype_is_floating(ebb_tensor_dtype(tensors[i]));
    ebb_tensor *t = any ? ebb__expression_value(e, tensors, NULL) : NULL;
    ebb__arena_free(&a);
    ebb_scope_close(&scope);
    return t != NULL;
}

/* Failures that integers may mend: a target of classes is taken for probabilities of another shape. */
static bool is_of_dtypes(ebb_status status) {
    return status == EBB_ERR_DTYPE || status == EBB_ERR_SHAPE || status == EBB_ERR_ARGUMENT;
}

/* What cannot be evaluated since a dtype does not fit is tried with some of the variables as the integers that they
 * were written with, as few as will do: indices and classes are. They are constants then. */
static void keep_integers(struct ebb__expression *e) {
    int64_t which[MOST_WHOLE];
    int n = 0;
    for (int64_t i = 0; i < e->n; i++)
        if (e->whole[i] && n < MOST_WHOLE) which[n++] = i;
    ebb_grad_mode mode = ebb_grad_mode_open(false);
    for (int many = 0; many <= n && n; many++)
        for (unsigned bits = 0; bits < 1U << n && !(ebb_error() && ebb_error_status() == EBB_ERR_MEMORY); bits++) {
            int set = 0;
            for (int i = 0; i < n; i++) set += (bits >> i & 1) != 0;
            if (set != many) continue;
            bool right = works(e, which, bits), other = !right && !is_of_dtypes(ebb_error_status());
            if (!right && ebb_error_status() == EBB_ERR_MEMORY) break;
            ebb_clear_error();
            for (int i = 0; i < n && right; i++)
                if (bits >> i & 1) e->tensors[which[i]] = e->whole[which[i]];
            if (right || (!bits && other)) n = 0; /* found, or another failure */
        }
    ebb__caret_forget();
    ebb_grad_mode_close(&mode);
    e->integers_become = false;
    for (int64_t i = 0; i < e->n; i++)
        e->integers_become = e->integers_become || (e->whole[i] && e->tensors[i] != e->whole[i]);
}

/* The tensor of an argument from C: itself, when it is a leaf that can gather gradients. */
static ebb_tensor *tensor_of(const ebb_arg *arg, ebb_dtype dtype) {
    switch (arg->kind) {
    case EBB_VALUE_TENSOR: return arg->value.tensor;
    case EBB_VALUE_INT: return as_variable(ebb_number_i64(arg->value.i), dtype, false);
    case EBB_VALUE_FLOAT: return as_variable(ebb_number_f64(arg->value.f), dtype, false);
    default: (void)ebb__fail_said(EBB_ERR_ARGUMENT, "explain: %s must be a tensor or a number", arg->name); return NULL;
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

/* "x, W" */
static const char *listed(struct ebb__expression *e) {
    const char *text = "";
    for (int64_t i = 0; i < e->n && text; i++)
        text = ebb__arena_print(&e->arena, "%s%s%s", text, i ? ", " : "", e->names[i]);
    return text ? text : "";
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
            return meant ? ebb__fail_said(EBB_ERR_NAME, "explain: there is no variable %s%s", name, ebb__meant(meant))
                         : ebb__fail_said(EBB_ERR_NAME, "explain: there is no variable %s; there are: %s", name,
                                          listed(e));
    }
    if (ebb_error()) return ebb_error_status();
    return any ? EBB_OK
               : ebb__fail_said(EBB_ERR_GRAPH,
                                "explain: there is no variable to differentiate by; give values, as x=2");
}

/* ---- errors ---- */

void ebb__expression_place_error(const struct ebb__expression *e) {
    const ebb_error_info *error = ebb_error();
    const char *site = error ? strstr(error->message, ebb__expr_site) : NULL;
    struct ebb__text text = {0};
    bool said = ebb__is_said();
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
            ebb__text_put(&text, said ? ebb__said("column %d") : "column %d",
                          (int)(a->mark.end ? a->mark.at : a->place.at) + 1);
            at = end;
        } else {
            ebb__text_put(&text, "%s", ebb__expr_site);
        }
    }
    ebb__text_put(&text, "%s", at);
    ebb_status status = error->status;
    ebb_clear_error();
    (void)ebb_fail(status, "%s", ebb__text_of(&text));
    if (said) ebb__as_said();
    ebb__text_free(&text);
}

/* ---- beginning and end ---- */

ebb_status ebb__expression_begin(struct ebb__expression *e, const char *text, const ebb_explain_options *o) {
    *e = (struct ebb__expression){.seed = o->seed};
    ebb_dtype dtype = o->dtype ? o->dtype : EBB_F64;
    ebb_status status = ebb__program_parse(&e->program, text);
    if (status) return status;
    if (!ebb_dtype_is_floating(dtype))
        return ebb__fail_said(EBB_ERR_DTYPE, "explain: %s has no derivatives; the dtype must be one of floating point",
                              ebb_dtype_name(dtype));
    if (!e->program.n_statements)
        return ebb__fail_said(EBB_ERR_ARGUMENT, "explain: the expression is empty; write one, as x*y + sin(x)");
    int64_t most = o->n_values + o->variables.n;
    e->names = ebb__arena_get(&e->arena, (size_t)most * sizeof *e->names);
    e->tensors = ebb__arena_get(&e->arena, (size_t)most * sizeof(ebb_tensor *));
    e->whole = ebb__arena_get(&e->arena, (size_t)most * sizeof(ebb_tensor *));
    if (!e->names || !e->tensors || !e->whole) return ebb_error_status();
    ebb_manual_seed(e->seed);
    for (int64_t i = 0; i < o->n_values; i++)
        if (!add_value(e, o->values[i], dtype)) return ebb_error_status();
    for (int64_t i = 0; i < o->variables.n; i++)
        if (!may_be_given(e, o->variables.arg[i].name) ||
            !add(e, o->variables.arg[i].name, tensor_of(&o->variables.arg[i], dtype), NULL))
            return ebb_error_status();
    for (int64_t i = 0; i < e->n && !status; i++) status = check_read(e, e->names[i]);
    if (!status && e->integers_become) keep_integers(e);
    return status ? status : ebb_error_status();
}

void ebb__expression_end(struct ebb__expression *e) {
    ebb__program_free(&e->program);
    ebb__arena_free(&e->arena);
}
