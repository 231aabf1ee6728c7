/* Calls: which argument is which of an operator's, by place in PyTorch's order or by name, and what it becomes there.
 * Of overloads the first that takes all arguments is called. */
#include "expr/value.h"
#include <ebb/explain.h>

#include <string.h>

/* What an operator takes: its inputs, then its attributes; in the order of PyTorch's call. */
enum { MAX_PARAMS = EBB_OP_MAX_IN + 64, MAX_LIST = 256 };

struct params {
    const struct ebb_op *op;
    int n, order[MAX_PARAMS]; /* inputs are 0 … n_in - 1, attributes follow */
};

struct binding {
    struct ebb__run *run;
    int32_t id;
    const char *called;
    bool report; /* tell what is wrong */
    bool range;  /* leave out what has a default before what must be given, as range(stop) does */
    bool method;
    int object; /* which input the object of a method is */
    struct params p;
    ebb_arg args[MAX_PARAMS];
    int64_t n;
};

#define WRONG(b, place, ...) \
    ((b)->report ? (void)ebb__fail_at((b)->run->program->text, place, EBB_ERR_ARGUMENT, __VA_ARGS__) : (void)0, false)

static const char *param_name(const struct ebb_op *op, int i) {
    return i < op->n_in ? op->in[i].name : op->attrs[i - op->n_in].name;
}

/* Names that PyTorch takes for one another. */
static bool same_name(const char *a, const char *b) {
    static const char *const same[][2] = {{"input", "self"}, {"axis", "dim"}, {"keepdims", "keepdim"}};
    if (strcmp(a, b) == 0) return true;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        for (int k = 0; k < 2; k++)
            if (strcmp(a, same[i][k]) == 0 && strcmp(b, same[i][1 - k]) == 0) return true;
    return false;
}

/* A second name, which several parameters may share: a value goes to the first that takes it. */
static const char *second_name(const struct ebb_op *op, int i) {
    if (i < op->n_in) return op->also ? op->also[i] : NULL;
    return op->attrs[i - op->n_in].also;
}

/* The first parameter of a name, from number `from` on; -1 for none. */
static int next_named(const struct ebb_op *op, int from, const char *name) {
    for (int i = from; i < op->n_in + op->n_attrs; i++) {
        const char *second = second_name(op, i);
        if (param_name(op, i) && same_name(param_name(op, i), name)) return i;
        if (second && strcmp(second, name) == 0) return i;
    }
    return -1;
}

static int find_param(const struct ebb_op *op, const char *name, size_t n) {
    char word[64];
    (void)snprintf(word, sizeof word, "%.*s", (int)(n < 63 ? n : 63), name);
    return next_named(op, 0, word);
}

static void take_param(struct params *p, int i) {
    for (int k = 0; k < p->n; k++)
        if (p->order[k] == i) return;
    if (i >= 0 && p->n < MAX_PARAMS) p->order[p->n++] = i;
}

/* The order of PyTorch's arguments: what the operator says, then that of the signature, "int n, Tensor self -> …". */
static void params_of(const struct ebb_op *op, struct params *p) {
    *p = (struct params){.op = op};
    for (const char *word = op->order; word && *word; word += strspn(word, ", ")) {
        size_t n = strcspn(word, ", ");
        take_param(p, find_param(op, word, n));
        word += n;
    }
    const char *written = ebb_op_text(op).signature, *signature = written ? written : "",
               *end = strstr(signature, "->");
    for (const char *at = signature; end && at < end;) {
        const char *name = at + strcspn(at, " ");
        name += strspn(name, " ");
        if (name >= end) break;
        take_param(p, find_param(op, name, strcspn(name, "=|[, ")));
        at = name;
        for (int depth = 0; at < end && (*at != ',' || depth); at++) depth += (*at == '(') - (*at == ')');
        at += strspn(at, ", ");
    }
    for (int i = 0; i < op->n_in + op->n_attrs; i++) take_param(p, i);
}

/* ---- what an argument becomes ---- */

static bool none_allowed(enum ebb_input_kind kind) {
    return kind == EBB_INPUT_OPTIONAL || kind == EBB_INPUT_OPTIONAL_NUMBER;
}

static bool is_list_input(enum ebb_input_kind kind) {
    return kind == EBB_INPUT_LIST || kind == EBB_INPUT_OPTIONAL_LIST;
}

/* A list of tensors, and of None where that may be. */
static bool list_input(struct binding *b, int i, const struct ebb__value *v, ebb_arg *arg) {
    bool optional = b->p.op->in[i].kind == EBB_INPUT_OPTIONAL_LIST;
    if ((v->kind != EBB__V_LIST && v->kind != EBB__V_RESULTS) || v->n > MAX_LIST) return false;
    ebb_tensor **t = ebb__arena_get(&b->run->arena, (size_t)v->n * sizeof(ebb_tensor *));
    if (!t) return false;
    for (int64_t k = 0; k < v->n; k++) {
        const struct ebb__value *e = &v->as.list[k];
        if (optional && e->kind == EBB__V_NONE) continue;
        if (!ebb__value_like_tensor(e)) return false;
        if (b->report && !(t[k] = ebb__value_as_tensor(e, NULL))) return false;
    }
    *arg = ebb__arg_tensors(b->p.op->in[i].name, (ebb_list){v->n, t});
    return true;
}

static bool to_input(struct binding *b, int i, const struct ebb__value *v, ebb_arg *arg) {
    const struct ebb_op_input *in = &b->p.op->in[i];
    if (is_list_input(in->kind)) return list_input(b, i, v, arg);
    if (v->kind == EBB__V_NONE) {
        *arg = ebb__arg_none(in->name, NULL);
        return none_allowed(in->kind);
    }
    if (!ebb__value_like_tensor(v)) return false;
    ebb_tensor *t = b->report ? ebb__value_as_tensor(v, NULL) : NULL;
    *arg = ebb__arg_tensor(in->name, t);
    return t || !b->report;
}

/* Lists of any length, in the run's memory; one number is a list of one, and a tensor of one dimension a list. */
static bool number_list(struct binding *b, const struct ebb_attr *a, const struct ebb__value *v, ebb_arg *arg) {
    bool whole = a->kind == EBB_ATTR_INTS, list = v->kind == EBB__V_LIST;
    const struct ebb__value *e = list ? v->as.list : v;
    ebb_tensor *t = v->kind == EBB__V_TENSOR ? v->as.t : NULL;
    int64_t n = list ? v->n : t ? ebb_tensor_numel(t) : 1, *room = ebb__arena_get(&b->run->arena, (size_t)n * 8);
    if (t) {
        bool fits = room && ebb_tensor_ndim(t) == 1 && !(whole && n && ebb_dtype_is_floating(ebb_tensor_dtype(t)));
        if (!fits || (ebb_tensor_read)(t, whole ? EBB_I64 : EBB_F64, room)) return false;
    }
    for (int64_t i = 0; i < n && !t; i++, e++) {
        bool fits = whole ? e->kind == EBB__V_INT : ebb__value_is_number(e);
        if (!fits || !room) return false;
        if (whole) room[i] = e->as.i;
        else memcpy(&room[i], &(double){ebb__value_float(e)}, sizeof *room);
    }
    *arg = whole ? ebb__arg_ints(a->name, (ebb_ints){n, room})
                 : ebb__arg_floats(a->name, (ebb_floats){n, (const double *)(const void *)room});
    return true;
}

/* A list of integers, and of None for -1. */
static bool ints_and_none(const struct ebb__value *v, ebb_dims *ret_ints) {
    ebb_dims ints = {0};
    if (v->kind != EBB__V_LIST || v->n > EBB_MAX_NDIM) return false;
    for (int64_t i = 0; i < v->n; i++) {
        const struct ebb__value *e = &v->as.list[i];
        if (e->kind != EBB__V_INT && e->kind != EBB__V_NONE) return false;
        ints.d[ints.n++] = e->kind == EBB__V_NONE ? -1 : e->as.i;
    }
    *ret_ints = ints;
    return true;
}

static bool is_none(const char *otherwise) { return otherwise && strcmp(otherwise, "none") == 0; }

static bool to_attr(struct binding *b, const struct ebb_attr *a, const struct ebb__value *v, ebb_arg *arg) {
    ebb_dims dims;
    bool number = ebb__value_is_number(v);
    *arg = ebb__arg_none(a->name, NULL);
    if (v->kind == EBB__V_NONE && a->kind == EBB_ATTR_ENUM) {
        *arg = ebb__arg_string(a->name, "none");
        return a->values && strncmp(a->values, "none", 4) == 0;
    }
    if (v->kind == EBB__V_NONE) return a->kind != EBB_ATTR_BOOL && (a->kind != EBB_ATTR_INT || is_none(a->otherwise));
    switch (a->kind) {
    case EBB_ATTR_BOOL: *arg = ebb__arg_bool(a->name, v->as.i != 0); return v->kind == EBB__V_BOOL;
    case EBB_ATTR_INT:
    case EBB_ATTR_DIM:
    case EBB_ATTR_NEWDIM: *arg = ebb__arg_int(a->name, v->as.i); return v->kind == EBB__V_INT;
    case EBB_ATTR_FLOAT:
    case EBB_ATTR_SETTING:
        if (v->kind == EBB__V_BOOL) *arg = ebb__arg_bool(a->name, v->as.i != 0);
        else if (v->kind == EBB__V_INT) *arg = ebb__arg_int(a->name, v->as.i);
        else if (number) *arg = ebb__arg_float(a->name, ebb__value_float(v));
        return number;
    case EBB_ATTR_COUNT: *arg = ebb__arg_int(a->name, v->as.i); return v->kind == EBB__V_INT;
    case EBB_ATTR_INTS:
    case EBB_ATTR_FLOATS: return number_list(b, a, v, arg);
    case EBB_ATTR_DIMS:
    case EBB_ATTR_SHAPE:
        if (!ebb__value_as_ints(v, &dims) && !(a->values && ints_and_none(v, &dims))) return false;
        *arg = ebb__arg_dims(a->name, dims);
        return true;
    case EBB_ATTR_DTYPE:
        *arg = ebb__arg_int(a->name, v->as.i);
        if (v->kind == EBB__V_STRING) *arg = ebb__arg_int(a->name, ebb_dtype_from_name(v->as.s));
        arg->kind = EBB_VALUE_DTYPE;
        return v->kind == EBB__V_DTYPE || (v->kind == EBB__V_STRING && arg->value.i);
    case EBB_ATTR_ENUM:
    case EBB_ATTR_STRING:
        if (v->kind == EBB__V_STRING) *arg = ebb__arg_string(a->name, v->as.s);
        return v->kind == EBB__V_STRING;
    }
    return false;
}

/* What a parameter takes, for errors. */
static const char *expected(const struct ebb_op *op, int i, char *text, size_t size) {
    static const char *const inputs[] = {
        SAID("a tensor"),          SAID("a tensor or a number"),       SAID("a tensor or None"),
        SAID("a list of tensors"), SAID("a list of tensors and None"), SAID("a tensor, a number or None")};
    static const char *const attrs[] = {[EBB_ATTR_BOOL] = SAID("True or False"),
                                        [EBB_ATTR_INT] = SAID("an integer"),
                                        [EBB_ATTR_FLOAT] = SAID("a number"),
                                        [EBB_ATTR_DIM] = SAID("an integer"),
                                        [EBB_ATTR_NEWDIM] = SAID("an integer"),
                                        [EBB_ATTR_DIMS] = SAID("an integer or a list of integers"),
                                        [EBB_ATTR_SHAPE] = SAID("a list of integers"),
                                        [EBB_ATTR_DTYPE] = SAID("a dtype"),
                                        [EBB_ATTR_ENUM] = NULL,
                                        [EBB_ATTR_SETTING] = SAID("a number"),
                                        [EBB_ATTR_COUNT] = SAID("an integer"),
                                        [EBB_ATTR_STRING] = SAID("a string"),
                                        [EBB_ATTR_INTS] = SAID("a list of integers"),
                                        [EBB_ATTR_FLOATS] = SAID("a list of numbers")};
    if (i < op->n_in) return ebb__said(inputs[op->in[i].kind]);
    const struct ebb_attr *a = &op->attrs[i - op->n_in];
    if (attrs[a->kind]) return ebb__said(attrs[a->kind]);
    (void)snprintf(text, size, ebb__said("a string, one of %s"), a->values);
    return text;
}

static bool is_bound(const struct binding *b, int i) {
    for (int64_t k = 0; k < b->n; k++)
        if (strcmp(b->args[k].name, param_name(b->p.op, i)) == 0) return true;
    return false;
}

/* Whether a parameter is a list of integers. */
static bool takes_list(const struct ebb_op *op, int i) {
    enum ebb_attr_kind kind = i < op->n_in ? EBB_ATTR_BOOL : op->attrs[i - op->n_in].kind;
    return kind == EBB_ATTR_DIMS || kind == EBB_ATTR_SHAPE || kind == EBB_ATTR_INTS;
}

static bool is_lists(const struct ebb__value *v) {
    bool lists = v->kind == EBB__V_LIST && v->n > 0;
    for (int64_t k = 0; lists && k < v->n; k++) lists = v->as.list[k].kind == EBB__V_LIST;
    return lists;
}

/* Lists of integers, for parameter i: one to each of those that share its second name, as tensordot's dims. */
static bool bind_lists(struct binding *b, int i, const struct ebb__value *v) {
    const struct ebb_op *op = b->p.op;
    const char *shared = second_name(op, i);
    int64_t n = 0;
    for (int at = shared ? next_named(op, 0, shared) : -1; at >= 0; at = next_named(op, at + 1, shared), n++) {
        bool takes = at >= op->n_in && n < v->n && !is_bound(b, at) && takes_list(op, at);
        if (!takes || !to_attr(b, &op->attrs[at - op->n_in], &v->as.list[n], &b->args[b->n + n])) return false;
    }
    if (n != v->n) return false;
    b->n += n;
    return true;
}

/* To parameter i, or to another one of the name that takes it. */
static bool bind_one(struct binding *b, int i, const struct ebb__argument *arg) {
    const struct ebb_op *op = b->p.op;
    const char *name = arg->name ? arg->name : param_name(op, i);
    char text[160];
    bool fits = false;
    if (is_lists(&arg->value) && bind_lists(b, i, &arg->value)) return true;
    for (int at = i; at >= 0 && !fits; at = next_named(op, at + 1, name)) {
        if (is_bound(b, at)) return WRONG(b, arg->place, "%s: %s is given twice", b->called, name);
        ebb_arg *to = &b->args[b->n];
        fits =
            at < op->n_in ? to_input(b, at, &arg->value, to) : to_attr(b, &op->attrs[at - op->n_in], &arg->value, to);
        if (ebb_error()) return false;
    }
    b->n += fits;
    if (fits) return true;
    if (b->report && i < op->n_in && !is_list_input(op->in[i].kind) && ebb__say_uneven(b->run, arg->place))
        return false;
    return WRONG(b, arg->place, "%s: %s must be %s, not %s", b->called, name, expected(op, i, text, sizeof text),
                 ebb__value_kind_name(&arg->value));
}

/* ---- which argument is which ---- */

static bool takes_int(const struct ebb_op *op, int i) {
    if (i < op->n_in) return op->in[i].kind == EBB_INPUT_NUMBER || op->in[i].kind == EBB_INPUT_OPTIONAL_NUMBER;
    switch (op->attrs[i - op->n_in].kind) {
    case EBB_ATTR_BOOL:
    case EBB_ATTR_DTYPE:
    case EBB_ATTR_ENUM:
    case EBB_ATTR_STRING: return false;
    default: return true;
    }
}

/* How many arguments one parameter takes: several integers in a row are a list where nothing after it takes one, as in
 * x.view(2, 3), and so are several tensors in a row for a list of tensors, as in einsum('i,i', a, b). */
static int64_t run_length(const struct binding *b, int at, const struct ebb__argument *args, int64_t n) {
    const struct ebb_op *op = b->p.op;
    int i = b->p.order[at];
    int64_t many = 0;
    if (i < op->n_in) {
        if (!is_list_input(op->in[i].kind)) return 1;
        while (many < n && !args[many].name && args[many].value.kind == EBB__V_TENSOR) many++;
        return many > 0 ? many : 1;
    }
    if (!takes_list(op, i)) return 1;
    for (int k = at + 1; k < b->p.n; k++)
        if (takes_int(op, b->p.order[k])) return 1;
    while (many < n && !args[many].name && args[many].value.kind == EBB__V_INT) many++;
    return many > 1 ? many : 1;
}

static bool bind_run(struct binding *b, int at, const struct ebb__argument *args, int64_t n) {
    struct ebb__argument one = args[0];
    struct ebb__value values[MAX_LIST];
    int i = b->p.order[at];
    bool many = n > 1 || (i < b->p.op->n_in && is_list_input(b->p.op->in[i].kind) && one.value.kind == EBB__V_TENSOR);
    if (n > MAX_LIST) return WRONG(b, one.place, "%s: too many arguments", b->called);
    if (many) {
        for (int64_t k = 0; k < n; k++) values[k] = args[k].value;
        one.value = ebb__value_list(b->run, values, n);
        one.place.end = args[n - 1].place.end;
    }
    return bind_one(b, i, &one);
}

/* "self, dim, keepdim=false": what it takes, in order. */
static const char *list_params(const struct params *p, char *text, size_t size) {
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < p->n && at < size; i++) {
        int k = p->order[i] - p->op->n_in;
        const char *otherwise = k >= 0 ? p->op->attrs[k].otherwise : NULL;
        at += (size_t)snprintf(text + at, size - at, "%s%s%s%s", i ? ", " : "", param_name(p->op, p->order[i]),
                               otherwise ? "=" : "", otherwise ? otherwise : "");
    }
    return text;
}

const char *ebb__call_params(const char *called, char *text, size_t size) {
    const struct ebb_op *op = ebb_op_find(called);
    struct params p;
    for (const struct ebb__builtin *b = ebb__formula_builtins; b->name; b++)
        if (strcmp(b->name, called) == 0) return b->params;
    if (!op) return NULL;
    params_of(op, &p);
    return list_params(&p, text, size);
}

static bool unknown_name(const struct binding *b, const struct ebb__argument *arg) {
    const char *names[MAX_PARAMS];
    char list[320];
    for (int i = 0; i < b->p.n; i++) names[i] = param_name(b->p.op, b->p.order[i]);
    const char *meant = ebb_did_you_mean(arg->name, names, b->p.n);
    return WRONG(b, arg->place, "%s has no argument %s; it takes (%s)%s", b->called, arg->name,
                 list_params(&b->p, list, sizeof list), ebb__meant(meant));
}

/* An argument of PyTorch's that the operator does not have, and does not need for this value, as inplace=False. */
static bool is_idle(const struct binding *b, const struct ebb__argument *arg) {
    const struct ebb__value *v = &arg->value;
    char instead[96];
    bool idle;
    ebb_arg given = ebb__arg_int(arg->name, 1); /* something */
    if (v->kind == EBB__V_NONE) given = ebb__arg_none(arg->name, NULL);
    if (v->kind == EBB__V_BOOL) given = ebb__arg_bool(arg->name, v->as.i != 0);
    if (v->kind == EBB__V_STRING) given = ebb__arg_string(arg->name, v->as.s);
    if (!ebb_op_instead(b->p.op, &given, instead, sizeof instead, &idle)) return unknown_name(b, arg);
    return idle || WRONG(b, arg->place, "%s has no argument %s: %s", b->called, arg->name, instead);
}

static bool must_be_given(const struct ebb_op *op, int i) {
    if (i < op->n_in) return !none_allowed(op->in[i].kind) && !(op->otherwise && op->otherwise[i]);
    return op->attrs[i - op->n_in].required && !op->attrs[i - op->n_in].otherwise;
}

/* The next parameter for an argument without a name, at least `at`. */
static int next_param(const struct binding *b, int at) {
    const struct ebb_op *op = b->p.op;
    for (; at < b->p.n; at++) {
        int i = b->p.order[at];
        bool skip = false;
        if (b->range && i >= op->n_in && !must_be_given(op, i))
            for (int k = at + 1; k < b->p.n; k++) skip = skip || must_be_given(op, b->p.order[k]);
        if (!skip && !(b->method && i == b->object)) return at; /* a method's object has its place already */
    }
    return at;
}

/* The object of a method is the input self, else the first one. */
static bool bind_object(struct binding *b, const struct ebb__argument *object) {
    b->object = find_param(b->p.op, "self", 4);
    if (b->object < 0) b->object = 0;
    return b->p.op->n_in > 0 && bind_one(b, b->object, object);
}

static bool bind(struct binding *b, const struct ebb__argument *args, int64_t n) {
    int at = 0;
    int64_t k = 0;
    b->n = 0;
    b->method = n > 0 && args[0].object;
    if (b->method && !bind_object(b, &args[k++])) return false;
    while (k < n) {
        if (args[k].name) {
            int i = find_param(b->p.op, args[k].name, strlen(args[k].name));
            if (i < 0 ? !is_idle(b, &args[k]) : !bind_one(b, i, &args[k])) return false;
            k++;
            continue;
        }
        at = next_param(b, at);
        if (at == b->p.n)
            return b->p.n == 1
                       ? WRONG(b, args[k].place, "%s takes one argument", b->called)
                       : WRONG(b, args[k].place, "%s takes at most %d arguments without a name", b->called, b->p.n);
        int64_t many = run_length(b, at, args + k, n - k);
        if (!bind_run(b, at++, args + k, many)) return false;
        k += many;
    }
    return true;
}

/* Whether everything that must be given is. */
static bool complete(const struct binding *b) {
    const struct ebb_op *op = b->p.op;
    for (int i = 0; i < op->n_in + op->n_attrs; i++) {
        if (!must_be_given(op, i) || is_bound(b, i)) continue;
        char list[320];
        return WRONG(b, ebb__ast_of(b->run, b->id)->mark, "%s: %s is missing; it takes (%s)", b->called,
                     param_name(op, i), list_params(&b->p, list, sizeof list));
    }
    return true;
}

/* ---- the call ---- */

static bool is_asked(const struct ebb_op *op, int output, ebb_args args) {
    const char *by = op->out ? op->out[output].asked : NULL;
    bool asked = !by;
    for (int64_t i = 0; !asked && i < args.n; i++)
        asked = strcmp(args.arg[i].name, by) == 0 && args.arg[i].kind == EBB_VALUE_BOOL && args.arg[i].value.i;
    return asked;
}

int ebb__result_names(const struct ebb_op *op, ebb_args args, const char *ret_names[EBB_OP_MAX_OUT]) {
    int n = 0;
    for (int k = 0; k < op->n_out && op->n_out > 1; k++)
        if (is_asked(op, k, args)) ret_names[n++] = ebb_op_output_name(op, k);
    return n;
}

static struct ebb__value results_of(struct ebb__run *r, const struct ebb_op *op, ebb_args args, ebb_list out) {
    const char *names[EBB_OP_MAX_OUT];
    int n = ebb__result_names(op, args, names);
    if (op->n_out != EBB_OUT_LIST && out.n == 1) return ebb__value_tensor(out.t[0]);
    struct ebb__value v = ebb__value_tensors(r, out);
    if (n != out.n || v.kind != EBB__V_LIST) return v;
    const char **kept = ebb__arena_get(&r->arena, (size_t)n * sizeof *kept);
    if (!kept) return (struct ebb__value){.kind = EBB__UNSET};
    memcpy(kept, names, (size_t)n * sizeof *kept);
    return (struct ebb__value){.kind = EBB__V_RESULTS, .as.list = v.as.list, .n = v.n, .names = kept};
}

static struct ebb__value unknown_function(struct ebb__run *r, int32_t id, const char *called) {
    int32_t kid = ebb__ast_of(r, id)->n ? ebb__ast_kid(r->program, ebb__ast_of(r, id), 0) : id;
    const char *meant = ebb_op_did_you_mean(called);
    return ebb__wrong(r, kid, EBB_ERR_NAME, "there is no function %s%s", called, ebb__meant(meant));
}

/* The operator of a name, or of its form in place. */
static const struct ebb_op *find(const char *called, bool *ret_inplace) {
    char stem[64];
    size_t n = strlen(called);
    const struct ebb_op *op = ebb_op_find(called);
    *ret_inplace = !op && n > 1 && n < sizeof stem && called[n - 1] == '_';
    if (!*ret_inplace) return op;
    (void)snprintf(stem, sizeof stem, "%.*s", (int)(n - 1), called);
    return ebb_op_find(stem);
}

/* The first operator of the name and its overloads that takes these arguments; the named one when none does. */
static const struct ebb_op *resolve(struct binding *b, const struct ebb_op *named, bool inplace,
                                    const struct ebb__argument *args, int64_t n) {
    b->report = false;
    for (int i = -1; i < ebb_op_count(); i++) {
        const struct ebb_op *op = i < 0 ? named : ebb_op_get(i);
        if (i >= 0 && (!op->overload || strcmp(op->overload, named->name) != 0)) continue;
        if (inplace && !op->inplace) continue;
        params_of(op, &b->p);
        for (int range = 0; range < 2; range++) {
            b->range = range;
            if (bind(b, args, n) && complete(b)) return op;
            if (ebb_error()) return NULL;
        }
    }
    b->range = false;
    return named;
}

struct ebb__value ebb__do_call(struct ebb__run *r, int32_t id, const char *called, const struct ebb__argument *args,
                               int64_t n) {
    struct ebb__value v = {.kind = EBB__UNSET};
    bool inplace;
    char name[80];
    if (ebb__do_builtin(r, id, called, args, n, &v)) return v;
    const struct ebb_op *op = find(called, &inplace);
    if (!op) return unknown_function(r, id, called);
    struct binding b = {.run = r, .id = id, .called = called};
    if (!(op = resolve(&b, op, inplace, args, n))) return v;
    if (inplace && !op->inplace) return ebb__wrong(r, id, EBB_ERR_NAME, "%s has no form in place", op->name);
    params_of(op, &b.p);
    b.report = true;
    if (!bind(&b, args, n) || !complete(&b)) {
        if (ebb_error()) return v;
        return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "%s cannot be called with these arguments", called);
    }
    (void)snprintf(name, sizeof name, "%s%s", op->name, inplace ? "_" : "");
    ebb_list out = ebb__call(r, id, name, called, (ebb_args){b.n, b.args});
    if (!out.n && ebb_error()) return v;
    return inplace && out.n ? ebb__value_tensor(out.t[0]) : results_of(r, op, (ebb_args){b.n, b.args}, out);
}
