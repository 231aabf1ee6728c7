/* Calling operators by name: which overload is meant, where each value goes, and what is wrong when none fits. */
#include "record/call.h"
#include <string.h>

enum { SMALL = 16 };

/* What a call by name becomes. Nothing is reported while overloads are tried. */
struct binding {
    const struct ebb_op *op;
    const char *called; /* the name that was called, for errors */
    bool report;
    const ebb_arg *by_name[EBB_OP_MAX_IN]; /* inputs given by name */
    uint64_t attrs_set;
    ebb_tensor **in, *small[SMALL]; /* `in` is in the scope when there are more */
    int64_t n;
    _Alignas(16) char attrs[EBB__ATTRS_MAX];
};

#define WRONG(b, status, ...) ((b)->report ? (void)ebb__fail_op((b)->called, status, __VA_ARGS__) : (void)0, false)

/* ---- names ---- */

/* Names that PyTorch takes for one another. */
static const char *canonical(const char *name) {
    static const char *const same[][2] = {{"input", "self"}, {"axis", "dim"}, {"keepdims", "keepdim"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (strcmp(name, same[i][0]) == 0) return same[i][1];
    return name;
}

static bool same_name(const char *a, const char *b) {
    return strcmp(a, b) == 0 || strcmp(canonical(a), canonical(b)) == 0;
}

static int find_input(const struct ebb_op *op, const char *name) {
    for (int i = 0; i < op->n_in; i++)
        if (op->in[i].name && same_name(op->in[i].name, name)) return i;
    /* what PyTorch calls every first input, where it has a name of its own: torch.linalg's A */
    return op->n_in && strcmp(canonical(name), "self") == 0 ? 0 : -1;
}

static int find_attr(const struct ebb_op *op, const char *name) {
    for (int i = 0; i < op->n_attrs; i++)
        if (same_name(op->attrs[i].name, name)) return i;
    return -1;
}

/* What the operator takes, added to the names without repeating any. */
static int add_names(const struct ebb_op *op, const char **names, int n, int max) {
    for (int i = 0; i < op->n_in + op->n_attrs && n < max; i++) {
        const char *name = i < op->n_in ? op->in[i].name : op->attrs[i - op->n_in].name;
        bool there = !name;
        for (int k = 0; k < n; k++) there = there || strcmp(names[k], name) == 0;
        if (!there) names[n++] = name;
    }
    return n;
}

static bool unknown_argument(const struct binding *b, const char *name) {
    enum { MAX = 64 };
    const char *names[MAX];
    char list[512] = "none";
    size_t at = 0;
    if (!b->report) return false;
    int n = add_names(b->op, names, 0, MAX);
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *o = ebb_op_get(i);
        if (o->overload && strcmp(o->overload, b->op->name) == 0) n = add_names(o, names, n, MAX);
    }
    for (int i = 0; i < n && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
    const char *meant = ebb_did_you_mean(name, names, n);
    return WRONG(b, EBB_ERR_NAME, "has no argument '%s'%s%s%s; there are: %s", name, meant ? "; did you mean '" : "",
                 meant ? meant : "", meant ? "'?" : "", list);
}

/* ---- values ---- */

static bool is_none(const ebb_arg *arg) {
    switch (arg->kind) {
    case EBB_VALUE_NONE: return true;
    case EBB_VALUE_TENSOR: return !arg->value.tensor;
    case EBB_VALUE_STRING: return !arg->value.text;
    case EBB_VALUE_TEXT: return !arg->value.text || strcmp(arg->value.text, "none") == 0;
    default: return false;
    }
}

/* "int 3", "str 'a'", "list of ints" */
static void describe_value(const ebb_arg *arg, char *text, size_t size) {
    static const char *const names[] = {"None", "bool",  "int",    "float",           "list of ints",
                                        "str",  "dtype", "Tensor", "list of Tensors", "text"};
    bool known = (unsigned)arg->kind < sizeof names / sizeof *names;
    const char *name = is_none(arg) ? names[0] : known ? names[arg->kind] : "a value of no known kind";
    bool quoted = !is_none(arg) && (arg->kind == EBB_VALUE_STRING || arg->kind == EBB_VALUE_TEXT);
    (void)snprintf(text, size, quoted ? "%s '%s'" : "%s", name, quoted ? arg->value.text : "");
}

static bool wrong_kind(const struct binding *b, const ebb_arg *arg, const char *expected) {
    char got[96];
    describe_value(arg, got, sizeof got);
    return WRONG(b, EBB_ERR_ARGUMENT, "argument '%s' must be %s, not %s", arg->name, expected, got);
}

/* A number as a tensor; NULL for what is no number. */
static bool as_number(const ebb_arg *arg, double *ret_f, int64_t *ret_i, bool *ret_whole) {
    static const struct ebb_attr whole = {.kind = EBB_ATTR_INT}, real = {.kind = EBB_ATTR_FLOAT};
    *ret_whole = arg->kind == EBB_VALUE_BOOL || ebb__attr_assign(&whole, arg, ret_i);
    if (arg->kind == EBB_VALUE_BOOL) *ret_i = arg->value.i != 0;
    return *ret_whole || ebb__attr_assign(&real, arg, ret_f);
}

/* One declared input that was given by name: its tensors are put behind those that are there. */
static bool named_input(struct binding *b, int i, ebb_tensor **room) {
    static const char *const expected[] = {[EBB_INPUT_TENSOR] = "a Tensor",
                                           [EBB_INPUT_NUMBER] = "a Tensor or a number",
                                           [EBB_INPUT_OPTIONAL] = "a Tensor or None",
                                           [EBB_INPUT_LIST] = "a list of Tensors",
                                           [EBB_INPUT_OPTIONAL_LIST] = "a list of Tensors and None",
                                           [EBB_INPUT_OPTIONAL_NUMBER] = "a Tensor, a number or None"};
    const ebb_arg *arg = b->by_name[i];
    enum ebb_input_kind kind = b->op->in[i].kind;
    double f = 0;
    int64_t whole = 0;
    bool is_whole, optional = kind == EBB_INPUT_OPTIONAL || kind == EBB_INPUT_OPTIONAL_NUMBER;
    bool number = kind == EBB_INPUT_NUMBER || kind == EBB_INPUT_OPTIONAL_NUMBER;
    if (ebb__is_list(kind)) {
        if (arg->kind != EBB_VALUE_TENSORS) return wrong_kind(b, arg, expected[kind]);
        for (int64_t k = 0; k < arg->value.tensors.n; k++) room[k] = arg->value.tensors.t[k];
        return true;
    }
    if (is_none(arg)) {
        room[0] = NULL;
        return optional || (arg->kind == EBB_VALUE_TENSOR && ebb_error()) || wrong_kind(b, arg, expected[kind]);
    }
    if (arg->kind == EBB_VALUE_TENSOR) {
        room[0] = arg->value.tensor;
        return true;
    }
    if (!number || !as_number(arg, &f, &whole, &is_whole)) return wrong_kind(b, arg, expected[kind]);
    if (!b->report) return true; /* made when it is certain to be used */
    room[0] = arg->kind == EBB_VALUE_BOOL ? ebb_number_bool(whole != 0)
              : is_whole                  ? ebb_number_i64(whole)
                                          : ebb_number_f64(f);
    return room[0] != NULL;
}

/* ---- binding ---- */

static bool bind_args(struct binding *b, const ebb_args *args) {
    for (int64_t k = 0; k < args->n; k++) {
        const ebb_arg *arg = &args->arg[k];
        if (!arg->name) return WRONG(b, EBB_ERR_ARGUMENT, "argument %lld has no name", (long long)k);
        int i = find_input(b->op, arg->name), a = find_attr(b->op, arg->name);
        if (i < 0 && a < 0) return unknown_argument(b, arg->name);
        if (i >= 0 ? b->by_name[i] != NULL : (b->attrs_set >> a & 1) != 0)
            return WRONG(b, EBB_ERR_ARGUMENT, "argument '%s' is given twice", arg->name);
        if (i >= 0) {
            b->by_name[i] = arg;
            continue;
        }
        b->attrs_set |= (uint64_t)1 << a;
        const struct ebb_attr *attr = &b->op->attrs[a];
        bool fits = is_none(arg) && attr->kind != EBB_ATTR_ENUM ? ebb__attr_default(attr, b->attrs)
                                                                : ebb__attr_assign(attr, arg, b->attrs);
        char expected[96];
        if (!fits) return wrong_kind(b, arg, ebb__attr_expected(attr, expected, sizeof expected));
    }
    return true;
}

/* How many tensors a declared input takes: by name, or from the `left` ones in order, of which a list leaves what the
 * inputs after it need. */
static int64_t takes(const struct binding *b, int i, int64_t left) {
    const ebb_arg *arg = b->by_name[i];
    if (!ebb__is_list(b->op->in[i].kind)) return 1;
    if (arg) return arg->kind == EBB_VALUE_TENSORS && arg->value.tensors.n > 0 ? arg->value.tensors.n : 0;
    for (int k = i + 1; k < b->op->n_in; k++) left -= !b->by_name[k];
    return left > 0 ? left : 0;
}

static bool bind_inputs(struct binding *b, const ebb_list *inputs) {
    const struct ebb_op *op = b->op;
    int64_t at = 0, most = inputs->n + op->n_in;
    for (int i = 0; i < op->n_in; i++) most += takes(b, i, 0);
    if (inputs->n < 0 || (inputs->n && !inputs->t))
        return WRONG(b, EBB_ERR_ARGUMENT, "the list of inputs is NULL, or of %lld tensors", (long long)inputs->n);
    b->in = most <= SMALL ? b->small : ebb_list_room(most);
    if (!b->in) return false;
    for (int i = 0; i < op->n_in; i++) {
        enum ebb_input_kind kind = op->in[i].kind;
        int64_t n = takes(b, i, inputs->n - at);
        if (b->by_name[i]) {
            if (!named_input(b, i, b->in + b->n)) return false;
        } else if (ebb__is_list(kind) || at < inputs->n) {
            for (int64_t k = 0; k < n; k++) b->in[b->n + k] = inputs->t[at++];
        } else if (kind == EBB_INPUT_OPTIONAL || kind == EBB_INPUT_OPTIONAL_NUMBER) {
            b->in[b->n] = NULL;
        } else {
            return WRONG(b, EBB_ERR_ARGUMENT, "missing the input '%s'; got %lld", op->in[i].name, (long long)inputs->n);
        }
        b->n += n;
    }
    if (at == inputs->n) return true;
    return WRONG(b, EBB_ERR_ARGUMENT, "takes at most %lld inputs in order, got %lld", (long long)at,
                 (long long)inputs->n);
}

static bool bind(struct binding *b, const ebb_list *inputs, const ebb_args *args) {
    if (b->op->attrs_size > EBB__ATTRS_MAX || b->op->n_attrs > 64)
        return WRONG(b, EBB_ERR_ARGUMENT, "too many attributes");
    memset(b->attrs, 0, b->op->attrs_size);
    if (!bind_args(b, args) || !bind_inputs(b, inputs)) return false;
    for (int a = 0; a < b->op->n_attrs; a++)
        if (!(b->attrs_set >> a & 1) && !ebb__attr_default(&b->op->attrs[a], b->attrs))
            return WRONG(b, EBB_ERR_ARGUMENT, "missing the argument '%s'", b->op->attrs[a].name);
    return true;
}

static bool fits(const struct ebb_op *op, const ebb_list *inputs, const ebb_args *args, bool inplace) {
    struct binding b;
    b.op = op;
    b.report = false;
    b.attrs_set = 0;
    b.n = 0;
    memset(b.by_name, 0, sizeof b.by_name);
    return (!inplace || op->inplace) && bind(&b, inputs, args);
}

/* ---- overloads ---- */

/* The operator of a name or of its in-place form; NULL when there is none. */
static const struct ebb_op *find(const char *name, bool *ret_inplace) {
    char stem[64];
    size_t n = name ? strlen(name) : 0;
    const struct ebb_op *op = ebb_op_find(name);
    *ret_inplace = !op && n > 1 && n < sizeof stem && name[n - 1] == '_';
    if (!*ret_inplace) return op;
    memcpy(stem, name, n - 1);
    stem[n - 1] = 0;
    return ebb_op_find(stem);
}

/* The first that fits: the operator of the name, then its overloads. When none does, the one to complain about: the
 * first that has all names given, else the operator of the name. */
static const struct ebb_op *resolve(const struct ebb_op *op, const ebb_list *inputs, const ebb_args *args,
                                    bool inplace) {
    const struct ebb_op *named = NULL;
    for (int i = -1; i < ebb_op_count(); i++) {
        const struct ebb_op *o = i < 0 ? op : ebb_op_get(i);
        if (i >= 0 && (!o->overload || strcmp(o->overload, op->name) != 0)) continue;
        if (fits(o, inputs, args, inplace)) return o;
        bool all = !inplace || o->inplace;
        for (int64_t k = 0; k < args->n && all; k++)
            all = args->arg[k].name && (find_input(o, args->arg[k].name) >= 0 || find_attr(o, args->arg[k].name) >= 0);
        if (all && !named) named = o;
    }
    return named ? named : op;
}

const char *ebb_op_did_you_mean(const char *word) {
    const char *names[1024];
    int n = 0;
    for (; n < ebb_op_count() && n < (int)(sizeof names / sizeof *names); n++) names[n] = ebb_op_get(n)->name;
    return ebb_did_you_mean(word, names, n);
}

static ebb_tensor *no_operator(const char *name) {
    if (!name) {
        ebb__fail_null("call", "the operator's name");
        return NULL;
    }
    const char *meant = ebb_op_did_you_mean(name);
    (void)ebb__fail_op("call", EBB_ERR_NAME, "there is no operator '%s'%s%s%s", name, meant ? "; did you mean '" : "",
                       meant ? meant : "", meant ? "'?" : "");
    return NULL;
}

/* ---- the call ---- */

static ebb_tensor *run(const struct binding *b, bool inplace, ebb_list *ret_outputs) {
    const void *attrs = b->op->n_attrs ? b->attrs : NULL;
    ebb_list out = {0, NULL};
    if (!inplace) {
        out = ebb_call_op_list(b->op, b->in, b->n, attrs);
    } else {
        ebb_tensor **room = ebb_list_room(1);
        if (room && (room[0] = ebb_call_op_inplace(b->op, b->in, b->n, attrs))) out = (ebb_list){1, room};
    }
    if (ret_outputs && out.t) *ret_outputs = out;
    return out.n ? out.t[0] : NULL;
}

ebb_tensor *(ebb_call)(const char *name, ebb_list inputs, ebb_call_options options) {
    bool inplace;
    const struct ebb_op *op = find(name, &inplace);
    if (!op) return no_operator(name);
    if (options.args.n < 0 || (options.args.n && !options.args.arg)) {
        (void)ebb__fail_op(name, EBB_ERR_ARGUMENT, "the list of arguments is NULL, or of %lld",
                           (long long)options.args.n);
        return NULL;
    }
    op = resolve(op, &inputs, &options.args, inplace);
    struct binding b = {.op = op, .called = name, .report = true};
    if (inplace && !op->inplace) {
        (void)ebb__fail_op(name, EBB_ERR_NAME, "%s has no in-place form", op->name);
        return NULL;
    }
    return bind(&b, &inputs, &options.args) ? run(&b, inplace, options.ret_outputs) : NULL;
}
