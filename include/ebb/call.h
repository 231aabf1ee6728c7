/* Calling operators by name: what bindings, importers and command lines stand on.
 *
 *     ebb_tensor *y = ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", EBB_DIMS(0, 1)), EBB_ARG("keepdim", true)));
 *     ebb_call("add_", EBB_LIST(y, EBB_NUM(2.0)));
 *
 * The same call as ebb_sum(x, .dim = EBB_DIMS(0, 1), .keepdim = true): the same checks, graph and errors. */
#ifndef EBB_CALL_H
#define EBB_CALL_H

#include <ebb/opdef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- arguments ---- */

/* Lists of integers as one argument, tensordot's dims. EBB_LISTS(EBB_INTS(0, 1), EBB_INTS(2, 0)) */
typedef struct ebb_lists {
    int64_t n;
    const ebb_ints *d;
} ebb_lists;
#ifdef __cplusplus
} /* extern "C" */
inline ebb_lists ebb__lists(std::initializer_list<ebb_ints> d) { return ebb_lists{(int64_t)d.size(), d.begin()}; }
#define EBB_LISTS(...) ebb__lists({__VA_ARGS__})
extern "C" {
#else
#define EBB_LISTS(...) EBB__COUNTED(ebb_lists, ebb_ints, __VA_ARGS__)
#endif

enum ebb_value_kind {
    EBB_VALUE_NONE = 0, /* as if it were not given; an optional input that is absent */
    EBB_VALUE_BOOL,     /* value.i */
    EBB_VALUE_INT,      /* value.i */
    EBB_VALUE_FLOAT,    /* value.f */
    EBB_VALUE_DIMS,     /* value.dims */
    EBB_VALUE_INTS,     /* value.ints */
    EBB_VALUE_FLOATS,   /* value.floats */
    EBB_VALUE_LISTS,    /* value.lists: one for each of the arguments that share a name */
    EBB_VALUE_STRING,   /* value.text: one word of an enum, a dtype's name, or where a string is asked for */
    EBB_VALUE_DTYPE,    /* value.i, an ebb_dtype */
    EBB_VALUE_TENSOR,   /* value.tensor */
    EBB_VALUE_TENSORS,  /* value.tensors */
    EBB_VALUE_TEXT /* value.text: any of the above but tensors: "true", "-1", "2.5", "(0,1)", "((0),(1))", "none" */
};

/* A named argument: an attribute of the operator, or one of its inputs. What it points to is read during the call. */
typedef struct ebb_arg {
    const char *name;
    enum ebb_value_kind kind;
    union {
        int64_t i;
        double f;
        const char *text;
        ebb_dims dims;
        ebb_ints ints;
        ebb_floats floats;
        ebb_lists lists;
        ebb_tensor *tensor;
        ebb_list tensors;
    } value;
} ebb_arg;

typedef struct ebb_args {
    int64_t n;
    const ebb_arg *arg;
} ebb_args;

/* EBB_ARG("dim", 1): an argument of the kind that the value has in C: bool, integers, floating point, strings,
 * EBB_DIMS(…), EBB_INTS(…), EBB_FLOATS(…), EBB_LISTS(…), tensors, EBB_LIST(…), NULL for none.
 * EBB_ARG_TEXT("dim", "(0,1)") is of whatever kind the text has. EBB_ARGS(…) is the list of them. */
#define EBB__ARG(name_, kind_, ...) \
    ebb_arg arg; \
    arg.name = name_; \
    arg.kind = kind_; \
    __VA_ARGS__; \
    return arg
#define EBB_ARG_TEXT(name, text) ebb__arg_text(name, text)
static inline ebb_arg ebb__arg_text(const char *name, const char *text) {
    EBB__ARG(name, EBB_VALUE_TEXT, arg.value.text = text);
}
static inline ebb_arg ebb__arg_none(const char *name, const void *null) {
    EBB__ARG(name, EBB_VALUE_NONE, arg.value.text = NULL; (void)null);
}
static inline ebb_arg ebb__arg_bool(const char *name, bool v) { EBB__ARG(name, EBB_VALUE_BOOL, arg.value.i = v); }
static inline ebb_arg ebb__arg_int(const char *name, int64_t v) { EBB__ARG(name, EBB_VALUE_INT, arg.value.i = v); }
static inline ebb_arg ebb__arg_float(const char *name, double v) { EBB__ARG(name, EBB_VALUE_FLOAT, arg.value.f = v); }
static inline ebb_arg ebb__arg_dims(const char *name, ebb_dims v) {
    EBB__ARG(name, EBB_VALUE_DIMS, arg.value.dims = v);
}
static inline ebb_arg ebb__arg_ints(const char *name, ebb_ints v) {
    EBB__ARG(name, EBB_VALUE_INTS, arg.value.ints = v);
}
static inline ebb_arg ebb__arg_floats(const char *name, ebb_floats v) {
    EBB__ARG(name, EBB_VALUE_FLOATS, arg.value.floats = v);
}
static inline ebb_arg ebb__arg_lists(const char *name, ebb_lists v) {
    EBB__ARG(name, EBB_VALUE_LISTS, arg.value.lists = v);
}
static inline ebb_arg ebb__arg_string(const char *name, const char *v) {
    EBB__ARG(name, EBB_VALUE_STRING, arg.value.text = v);
}
static inline ebb_arg ebb__arg_tensor(const char *name, ebb_tensor *v) {
    EBB__ARG(name, EBB_VALUE_TENSOR, arg.value.tensor = v);
}
static inline ebb_arg ebb__arg_tensors(const char *name, ebb_list v) {
    EBB__ARG(name, EBB_VALUE_TENSORS, arg.value.tensors = v);
}
#undef EBB__ARG

#ifdef __cplusplus
} /* extern "C" */
inline ebb_arg ebb__arg(const char *name, decltype(nullptr)) { return ebb__arg_none(name, nullptr); }
inline ebb_arg ebb__arg(const char *name, bool v) { return ebb__arg_bool(name, v); }
inline ebb_arg ebb__arg(const char *name, int v) { return ebb__arg_int(name, v); }
inline ebb_arg ebb__arg(const char *name, unsigned v) { return ebb__arg_int(name, v); }
inline ebb_arg ebb__arg(const char *name, long v) { return ebb__arg_int(name, v); }
inline ebb_arg ebb__arg(const char *name, unsigned long v) { return ebb__arg_int(name, (int64_t)v); }
inline ebb_arg ebb__arg(const char *name, long long v) { return ebb__arg_int(name, v); }
inline ebb_arg ebb__arg(const char *name, unsigned long long v) { return ebb__arg_int(name, (int64_t)v); }
inline ebb_arg ebb__arg(const char *name, double v) { return ebb__arg_float(name, v); }
inline ebb_arg ebb__arg(const char *name, ebb_dims v) { return ebb__arg_dims(name, v); }
inline ebb_arg ebb__arg(const char *name, ebb_ints v) { return ebb__arg_ints(name, v); }
inline ebb_arg ebb__arg(const char *name, ebb_floats v) { return ebb__arg_floats(name, v); }
inline ebb_arg ebb__arg(const char *name, ebb_lists v) { return ebb__arg_lists(name, v); }
inline ebb_arg ebb__arg(const char *name, const char *v) { return ebb__arg_string(name, v); }
inline ebb_arg ebb__arg(const char *name, ebb_tensor *v) { return ebb__arg_tensor(name, v); }
inline ebb_arg ebb__arg(const char *name, ebb_list v) { return ebb__arg_tensors(name, v); }
inline ebb_args ebb__args(std::initializer_list<ebb_arg> args) { return ebb_args{(int64_t)args.size(), args.begin()}; }
#define EBB_ARG(name, value) ebb__arg(name, value)
#define EBB_ARGS(...) ebb__args({__VA_ARGS__})
extern "C" {
#else
static inline ebb_arg ebb__arg_long_double(const char *name, long double v) { return ebb__arg_float(name, (double)v); }
/* clang-format off */
#define EBB_ARG(name, value) \
    _Generic((value), bool: ebb__arg_bool, float: ebb__arg_float, double: ebb__arg_float, \
             long double: ebb__arg_long_double, char *: ebb__arg_string, const char *: ebb__arg_string, \
             ebb_dims: ebb__arg_dims, ebb_ints: ebb__arg_ints, ebb_floats: ebb__arg_floats, \
             ebb_lists: ebb__arg_lists, ebb_tensor *: ebb__arg_tensor, ebb_list: ebb__arg_tensors, \
             void *: ebb__arg_none, default: ebb__arg_int)(name, value)
/* clang-format on */
#define EBB_ARGS(...) \
    EBB_LITERAL(ebb_args, (int64_t)(sizeof((ebb_arg[]){__VA_ARGS__}) / sizeof(ebb_arg)), (ebb_arg[]){__VA_ARGS__})
#endif

/* ---- the call ---- */

typedef struct ebb_call_options {
    ebb_args args;
    ebb_list *ret_outputs; /* all outputs; belongs to the innermost scope, as they do. May be NULL */
    int ebb__at;
} ebb_call_options;

/* Call an operator by its name, "sum"; with a trailing underscore its in-place form, "add_". Returns its first output,
 * owned by the innermost scope; NULL on failure, and for a list without tensors.
 *
 * `inputs` are its tensors in order, without those given by name: NULL for an optional one that is absent, EBB_NUM(2.0)
 * for a number; the tensors of a list input one after another. `args` are attributes and inputs by name, in any order;
 * what is not given has PyTorch's default. "input" and "self" mean the same, as do "axis" and "dim", "keepdims" and
 * "keepdim", and what signatures separate by a bar: split_size|split_size_or_sections. Arguments may share such a name:
 * a value goes to the first that takes its kind, lists of a list to one each: tensordot's dims=((0),(1)).
 *
 * Arguments of PyTorch's function that are not here are accepted where they ask for nothing, as inplace=False,
 * size_average=None and device="cpu" do; else the error says what there is instead.
 *
 * Values are converted as PyTorch does: an integer or a bool for a float, one integer for a list of integers; nothing
 * else, but for what C cannot tell apart: 0 and 1 for a bool, an enumerator (EBB_F64, EBB_REDUCTION_SUM) for a dtype or
 * a word. An input that may be a number takes one by name: EBB_ARG("min", 0).
 *
 * A name may have overloads, as "max" has max(self), max(self, dim) and max(self, other): the first one that takes the
 * inputs and arguments given is called, the operator of the name itself before the others.
 *     ebb_list out; // values and indices
 *     ebb_call("max", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", 1)), .ret_outputs = &out);
 * Errors: EBB_ERR_NAME for an unknown operator or argument, with the name that may have been meant; EBB_ERR_ARGUMENT
 * for a value of the wrong kind, one that is missing or given twice, too many inputs, an in-place form that there is
 * not; then the operator's own. */
EBB_API ebb_tensor *ebb_call(const char *name, ebb_list inputs, ebb_call_options options EBB_DEFAULT);
#ifdef __cplusplus
extern "C++" inline ebb_tensor *ebb_call(const char *name, ebb_list inputs, ebb_args args) {
    ebb_call_options options = {};
    options.args = args;
    return ebb_call(name, inputs, options);
}
#define ebb_call(...) ((void)EBB_HERE, ebb_call(__VA_ARGS__))
#else
#define ebb_call(...) ebb__call_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__call_(name, inputs, ...) ebb_call(name, EBB_AT_LIST(inputs), (ebb_call_options){__VA_ARGS__})
#endif

/* ---- what there is ---- With ebb_op_count(), ebb_op_get() and struct ebb_op, what a binding needs. */

/* "Tensor", "Number", "Tensor?", "Tensors", "Number?"; "bool", "int", "float", …: kinds as signatures name them. */
EBB_API const char *ebb_input_kind_name(enum ebb_input_kind kind);
EBB_API const char *ebb_attr_kind_name(enum ebb_attr_kind kind);

/* An argument of PyTorch's function that the operator does not have, as relu's inplace: what there is instead, "use
 * relu_", into text [size]; false when there is no such one. *ret_idle tells whether the value asks for nothing, as
 * inplace=False and size_average=None do: calls by name accept it then, and refuse it otherwise with that text. */
EBB_API bool ebb_op_instead(const struct ebb_op *op, const ebb_arg *arg, char *text, size_t size, bool *ret_idle);

/* The name of the operator that is most like `word`; NULL when none is. */
EBB_API const char *ebb_op_did_you_mean(const char *word);

#ifdef __cplusplus
}
#endif
#endif
