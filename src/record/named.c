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
    int64_t *room, small_room[SMALL]; /* for lists of numbers, likewise */
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

static bool is_named(const char *name, const char *also, const char *given) {
    return (name && same_name(name, given)) || (also && strcmp(also, given) == 0);
}

/* The arguments of an operator in one row, inputs first. */
static int count_slots(const struct ebb_op *op) { return op->n_in + op->n_attrs; }

static const char *second_name(const struct ebb_op *op, int i) { return op->also ? op->also[i] : NULL; }

static bool slot_is_named(const struct ebb_op *op, int slot, const char *name) {
    int a = slot - op->n_in;
    return a < 0 ? is_named(op->in[slot].name, second_name(op, slot), name)
                 : is_named(op->attrs[a].name, op->attrs[a].also, name);
}

/* The first one of a name, from `slot` on; what every first input is called in PyTorch is also a name for one that has
 * its own, as torch.linalg's A has. */
static int find_slot(const struct ebb_op *op, int slot, const char *name) {
    for (int i = slot; i < count_slots(op); i++)
        if (slot_is_named(op, i, name)) return i;
    return slot == 0 && op->n_in && strcmp(canonical(name), "self") == 0 ? 0 : -1;
}

/* What the operator takes, added to the names without repeating any. */
static int add_names(const struct ebb_op *op, const char **names, int n, int max) {
    for (int i = 0; i < 2 * count_slots(op) && n < max; i++) {
        int slot = i / 2, a = slot - op->n_in;
        const char *name = a < 0 ? op->in[slot].name : op->attrs[a].name;
        if (i % 2) name = a < 0 ? second_name(op, slot) : op->attrs[a].also;
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

/* "int", "int 0", "str 'a'", "list of ints" */
static void describe_value(const ebb_arg *arg, char *text, size_t size) {
    static const char *const names[] = {
        [EBB_VALUE_NONE] = "None",
        [EBB_VALUE_BOOL] = "bool",
        [EBB_VALUE_INT] = "int",
        [EBB_VALUE_FLOAT] = "float",
        [EBB_VALUE_DIMS] = "list of ints",
        [EBB_VALUE_INTS] = "list of ints",
        [EBB_VALUE_FLOATS] = "list of floats",
        [EBB_VALUE_LISTS] = "list of lists of ints",
        [EBB_VALUE_STRING] = "str",
        [EBB_VALUE_DTYPE] = "dtype",
        [EBB_VALUE_TENSOR] = "Tensor",
        [EBB_VALUE_TENSORS] = "list of Tensors",
        [EBB_VALUE_TEXT] = "text",
    };
    bool known = (unsigned)arg->kind < sizeof names / sizeof *names;
    const char *name = is_none(arg) ? names[0] : known ? names[arg->kind] : "a value of no known kind";
    bool zero = arg->kind == EBB_VALUE_INT && arg->value.i == 0;
    bool quoted = !is_none(arg) && (arg->kind == EBB_VALUE_STRING || arg->kind == EBB_VALUE_TEXT);
    (void)snprintf(text, size, quoted ? "%s '%s'" : "%s%s", name, quoted ? arg->value.text : zero ? " 0" : "");
}

static bool wrong_kind(const struct binding *b, const ebb_arg *arg, const char *expected) {
    char got[96];
    describe_value(arg, got, sizeof got);
    return WRONG(b, EBB_ERR_ARGUMENT, "argument '%s' must be %s, not %s", arg->name, expected, got);
}

/* The value as a number; false for what is none. */
static bool as_number(const ebb_arg *arg, ebb_setting *ret_number) {
    static const struct ebb_attr number = {.kind = EBB_ATTR_SETTING};
    *ret_number = EBB_SET(0);
    return ebb__attr_assign(&number, arg, ret_number, NULL) && ret_number->given;
}

static ebb_tensor *number_tensor(const ebb_setting *number) {
    if (number->dtype == EBB_BOOL) return ebb_number_bool(number->whole != 0);
    return number->dtype == EBB_I64 ? ebb_number_i64(number->whole) : ebb_number_f64(number->value);
}

/* The number that stands for an input which is left out. */
static ebb_tensor *otherwise(const char *text) {
    ebb_setting number;
    const ebb_arg arg = EBB_ARG_TEXT("", text);
    return as_number(&arg, &number) ? number_tensor(&number) : NULL;
}

/* Whether an input takes a value of the argument's kind. */
static bool input_takes(enum ebb_input_kind kind, const ebb_arg *arg) {
    bool optional = kind == EBB_INPUT_OPTIONAL || kind == EBB_INPUT_OPTIONAL_NUMBER;
    ebb_setting number;
    if (ebb__is_list(kind)) return arg->kind == EBB_VALUE_TENSORS;
    if (is_none(arg)) return optional || arg->kind == EBB_VALUE_TENSOR; /* NULL may be the error that made it so */
    if (arg->kind == EBB_VALUE_TENSOR) return true;
    return (kind == EBB_INPUT_NUMBER || kind == EBB_INPUT_OPTIONAL_NUMBER) && as_number(arg, &number);
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
    ebb_setting number;
    bool optional = kind == EBB_INPUT_OPTIONAL || kind == EBB_INPUT_OPTIONAL_NUMBER;
    if (!input_takes(kind, arg) || (is_none(arg) && !optional && !ebb__is_list(kind) && !ebb_error()))
        return wrong_kind(b, arg, expected[kind]);
    if (ebb__is_list(kind)) {
        for (int64_t k = 0; k < arg->value.tensors.n; k++) room[k] = arg->value.tensors.t[k];
    } else if (is_none(arg) || arg->kind == EBB_VALUE_TENSOR) {
        room[0] = is_none(arg) ? NULL : arg->value.tensor;
    } else if (b->report) { /* made when it is certain to be used */
        room[0] = as_number(arg, &number) ? number_tensor(&number) : NULL;
        return room[0] != NULL;
    }
    return true;
}

/* ---- binding ---- */

/* None is the default; of words that begin with "none", as rounding_mode's, it is that. */
static bool attr_takes(struct binding *b, const struct ebb_attr *attr, const ebb_arg *arg) {
    const ebb_arg word = EBB_ARG_TEXT(arg->name, "none");
    bool words = attr->kind == EBB_ATTR_ENUM;
    if (is_none(arg) && !words) return ebb__attr_default(attr, b->attrs);
    if (is_none(arg) && strncmp(attr->values, "none,", 5) == 0) arg = &word;
    return ebb__attr_assign(attr, arg, b->attrs, &b->room);
}

static bool is_lists(const ebb_arg *arg) {
    const char *text = arg->kind == EBB_VALUE_TEXT ? arg->value.text : NULL;
    if (!text) return arg->kind == EBB_VALUE_LISTS;
    size_t n = strspn(text, "(), -0123456789");
    return n > 3 && !text[n] && strncmp(text, "((", 2) == 0 && strcmp(text + n - 2, "))") == 0;
}

/* List k of lists, as an argument of its own; when they are text, its text is copied to `room`. False beyond the
 * last. */
static bool get_list(const ebb_arg *arg, int64_t k, char *room, size_t size, ebb_arg *ret_list) {
    if (arg->kind == EBB_VALUE_LISTS) {
        bool there = k < arg->value.lists.n && arg->value.lists.d;
        if (there) *ret_list = ebb__arg_ints(arg->name, arg->value.lists.d[k]);
        return there;
    }
    const char *at = arg->value.text + 1;
    for (; k > 0 && *at == '('; k--) {
        at += strcspn(at, ")");
        at += strspn(at, "), ");
    }
    size_t n = strcspn(at, ")") + 1;
    if (*at != '(' || !at[n - 1] || n >= size) return false;
    memcpy(room, at, n);
    room[n] = 0;
    *ret_list = EBB_ARG_TEXT(arg->name, room);
    return true;
}

/* Lists of integers: one to each of the arguments that share the name, and as many as those are. */
static bool bind_lists(struct binding *b, const ebb_arg *arg) {
    const struct ebb_op *op = b->op;
    uint64_t set = 0;
    int64_t k = 0;
    char text[256];
    ebb_arg list;
    for (int slot = find_slot(op, 0, arg->name); slot >= 0; slot = find_slot(op, slot + 1, arg->name)) {
        int a = slot - op->n_in;
        if (a < 0 || (b->attrs_set >> a & 1) || !get_list(arg, k++, text, sizeof text, &list)) return false;
        enum ebb_attr_kind kind = op->attrs[a].kind;
        bool lists = kind == EBB_ATTR_SHAPE || kind == EBB_ATTR_DIMS || kind == EBB_ATTR_INTS;
        if (!lists || !attr_takes(b, &op->attrs[a], &list)) return false;
        set |= (uint64_t)1 << a;
    }
    if (get_list(arg, k, text, sizeof text, &list)) return false;
    b->attrs_set |= set;
    return true;
}

/* One argument to the first of its name that takes it. */
static bool bind_arg(struct binding *b, const ebb_arg *arg) {
    const struct ebb_op *op = b->op;
    char instead[96];
    bool idle;
    int first = find_slot(op, 0, arg->name);
    if (first < 0 && !ebb_op_instead(op, arg, instead, sizeof instead, &idle)) return unknown_argument(b, arg->name);
    if (first < 0) return idle || WRONG(b, EBB_ERR_NAME, "has no argument '%s': %s", arg->name, instead);
    if (is_lists(arg) && bind_lists(b, arg)) return true;
    for (int slot = first; slot >= 0; slot = find_slot(op, slot + 1, arg->name)) {
        int a = slot - op->n_in;
        bool taken = a < 0 ? b->by_name[slot] != NULL : (b->attrs_set >> a & 1) != 0;
        if (taken) return WRONG(b, EBB_ERR_ARGUMENT, "argument '%s' is given twice", arg->name);
        if (a < 0 ? input_takes(op->in[slot].kind, arg) : attr_takes(b, &op->attrs[a], arg)) {
            if (a < 0) b->by_name[slot] = arg;
            else b->attrs_set |= (uint64_t)1 << a;
            return true;
        }
    }
    if (first < op->n_in) {
        b->by_name[first] = arg;
        return named_input(b, first, NULL);
    }
    char expected[96];
    return wrong_kind(b, arg, ebb__attr_expected(&op->attrs[first - op->n_in], expected, sizeof expected));
}

/* Room for the numbers of all lists that are given as text, or as one number. */
static bool make_room(struct binding *b, const ebb_args *args) {
    int64_t n = 0;
    for (int64_t k = 0; k < args->n; k++)
        n += args->arg[k].kind == EBB_VALUE_TEXT && args->arg[k].value.text
                 ? EBB__LIST_ROOM(strlen(args->arg[k].value.text))
                 : 1;
    b->room = b->small_room;
    if (n <= SMALL) return true;
    ebb_tensor *room = ebb__own(ebb__tensor_new(EBB_I64, 1, &n));
    b->room = room ? (int64_t *)(void *)room->data : NULL;
    return room != NULL;
}

static bool bind_args(struct binding *b, const ebb_args *args) {
    if (!make_room(b, args)) return false;
    for (int64_t k = 0; k < args->n; k++) {
        if (!args->arg[k].name) return WRONG(b, EBB_ERR_ARGUMENT, "argument %lld has no name", (long long)k);
        if (!bind_arg(b, &args->arg[k])) return false;
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
        } else if (op->otherwise && op->otherwise[i]) {
            if (b->report && !(b->in[b->n] = otherwise(op->otherwise[i]))) return false;
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
        for (int64_t k = 0; k < args->n && all; k++) all = args->arg[k].name && find_slot(o, 0, args->arg[k].name) >= 0;
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

static bool is_asked(const struct binding *b, int output) {
    const char *asked = b->op->out ? b->op->out[output].asked : NULL;
    if (asked && !*asked) return false; /* it is for the rule */
    for (int a = 0; asked && a < b->op->n_attrs; a++)
        if (strcmp(b->op->attrs[a].name, asked) == 0) return *(const bool *)(b->attrs + b->op->attrs[a].offset);
    return true;
}

/* Without the outputs that have to be asked for, and were not. */
static ebb_list leave_out(const struct binding *b, ebb_list all) {
    ebb_tensor *kept[EBB_OP_MAX_OUT];
    int n = 0;
    for (int k = 0; k < b->op->n_out && k < all.n; k++)
        if (is_asked(b, k)) kept[n++] = all.t[k];
    if (n == all.n || b->op->n_out < 2) return all;
    ebb_tensor **room = ebb_list_room(n);
    if (!room) return (ebb_list){0, NULL};
    memcpy(room, kept, (size_t)n * sizeof *room);
    return (ebb_list){n, room};
}

static ebb_tensor *run(const struct binding *b, bool inplace, ebb_list *ret_outputs) {
    const void *attrs = b->op->n_attrs ? b->attrs : NULL;
    ebb_list out = {0, NULL};
    if (!inplace) {
        out = leave_out(b, ebb_call_op_list(b->op, b->in, b->n, attrs));
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
    bool before = ebb__failing();
    ebb_tensor *first = bind(&b, &inputs, &options.args) ? run(&b, inplace, options.ret_outputs) : NULL;
    if (!before) ebb__error_named(name); /* the overload may have another */
    return first;
}
