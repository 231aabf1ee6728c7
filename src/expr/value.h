/* What expressions are worth: numbers, tensors, lists of them, and the words that options take. */
#ifndef EBB_EXPR_VALUE_H
#define EBB_EXPR_VALUE_H

#include "expr/program.h"
#include "tool/said.h"
#include <ebb/call.h>
#include <ebb/subscript.h>

enum ebb__kind {
    EBB__UNSET = 0, /* a variable that has no value yet */
    EBB__V_NONE,
    EBB__V_BOOL,
    EBB__V_INT,
    EBB__V_FLOAT,
    EBB__V_STRING,
    EBB__V_DTYPE,
    EBB__V_TENSOR,
    EBB__V_LIST,    /* of any values */
    EBB__V_RESULTS, /* a list that stands for its first tensor where one is wanted: what max_pool2d gives */
    EBB__V_MODULE   /* torch, torch.nn.functional, F: only for what comes after the point */
};

struct ebb__value {
    enum ebb__kind kind;
    bool literal; /* numbers and lists as they are written: they take a dtype from where they stand */
    union {
        int64_t i; /* and dtypes */
        double f;
        const char *s;
        ebb_tensor *t;
        const struct ebb__value *list;
    } as;
    int64_t n;                /* of a list */
    const char *const *names; /* [n] of results; NULL where they have none */
};

/* Something that is called while a program runs. */
struct ebb__observer {
    /* An operator was called for the tree's node `ast`: its name, inputs by name, results. */
    void (*called)(void *context, int32_t ast, const char *name, ebb_args args, ebb_list results);
    /* It failed: the error is the thread's. */
    void (*failed)(void *context, int32_t ast, const char *name, ebb_args args);
    /* Names got values, from the expression `root`. */
    void (*assigned)(void *context, int32_t root, const char *name, const struct ebb__value *value);
    void *context;
};

struct ebb__run {
    const struct ebb__program *program;
    struct ebb__arena arena;      /* lists and texts of this run */
    struct ebb__value *variables; /* by the program's names */
    struct ebb__value *values;    /* by the tree's nodes */
    struct ebb__observer observer;
    bool sites; /* nodes of the graph get the file ebb__expr_site and the number of the tree's node as their line */
    bool files; /* @x.npy is read */
    struct ebb__value result; /* of the last statement; UNSET when there is none, or it is an assignment */
    struct ebb__value last;   /* what the last statement computed or assigned */
};

extern const char ebb__expr_site[];

/* Prepare a run; set variables, run, read variables and results, end. Tensors belong to the scope of the caller. */
ebb_status ebb__eval_begin(struct ebb__run *r, const struct ebb__program *p);
ebb_status ebb__eval_set(struct ebb__run *r, const ebb_arg *variable); /* nothing when the program lacks the name */
ebb_status ebb__eval_all(struct ebb__run *r);
void ebb__eval_end(struct ebb__run *r);

/* ---- value.c ---- */

struct ebb__value ebb__value_tensor(ebb_tensor *t); /* UNSET for NULL */
const char *ebb__value_kind_name(const struct ebb__value *v);
bool ebb__value_is_number(const struct ebb__value *v); /* bool, int, float */
double ebb__value_float(const struct ebb__value *v);   /* of a number */

/* The truth of a value, as Python has it; 0 or 1, -1 and an error at the place for tensors of several elements. */
int ebb__value_truth(struct ebb__run *r, const struct ebb__value *v, struct ebb__place place);

/* A value as a tensor: numbers and lists of numbers too. `like` gives written lists of integers its floating dtype; may
 * be NULL. NULL, without an error, for what cannot be one; NULL and an error when that fails. */
ebb_tensor *ebb__value_as_tensor(const struct ebb__value *v, const ebb_tensor *like);

/* Whether a value could be a tensor: one, results, or numbers in lists. */
bool ebb__value_like_tensor(const struct ebb__value *v);
/* Report where lists of numbers that are written in this part of the text are no tensor, because some are longer than
 * others or stand where numbers do; false, without an error, when there is no such place. */
bool ebb__say_uneven(struct ebb__run *r, struct ebb__place place);
/* A list of integers, one of them, or a vector of them. */
bool ebb__value_as_ints(const struct ebb__value *v, ebb_dims *ret_ints);

/* Lists of these, NULL among tensors being None; UNSET and an error when out of memory. */
struct ebb__value ebb__value_list(struct ebb__run *r, const struct ebb__value *values, int64_t n);
struct ebb__value ebb__value_dims(struct ebb__run *r, ebb_dims dims);
struct ebb__value ebb__value_tensors(struct ebb__run *r, ebb_list list);

/* ---- what nodes of the tree are worth ---- UNSET and an error on failure. */

struct ebb__value ebb__do_operator(struct ebb__run *r, int32_t id, int op, const struct ebb__value *in);
struct ebb__value ebb__do_compare(struct ebb__run *r, int32_t id);
struct ebb__value ebb__do_index(struct ebb__run *r, int32_t id);
ebb_status ebb__do_set_index(struct ebb__run *r, int32_t id, const struct ebb__value *value);

/* A call: of `called` by name, with these arguments. */
struct ebb__argument {
    const char *name; /* NULL by position */
    struct ebb__value value;
    struct ebb__place place;
    bool object; /* of a method, x in x.f(…) */
};
/* The names of what a call gives, as the operator's definition has them: all outputs, without those that such arguments
 * do not ask for. Returns how many; 0 for one result, and for lists, which have no names. */
int ebb__result_names(const struct ebb_op *op, ebb_args args, const char *ret_names[EBB_OP_MAX_OUT]);
struct ebb__value ebb__do_call(struct ebb__run *r, int32_t id, const char *called, const struct ebb__argument *args,
                               int64_t n);
/* What a function takes, in order and with defaults: "self, dim=all, keepdim=false"; NULL when it is none, or not
 * known. */
const char *ebb__call_params(const char *called, char *text, size_t size);
struct ebb__value ebb__do_attribute(struct ebb__run *r, int32_t id, const struct ebb__value *of, const char *name);

/* A function that is no operator. Its arguments have been counted; UNSET and an error on failure. */
struct ebb__builtin {
    const char *name;
    int least, most; /* arguments, with the object of a method */
    bool tensor;     /* the first one is a tensor */
    struct ebb__value (*function)(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n);
    const char *params; /* "g, weight, stride=1": what it takes, in order; NULL where nobody needs to know */
};
/* Those that formulas of gradients are written with (formula.c); a NULL name is behind the last. */
extern const struct ebb__builtin ebb__formula_builtins[];

/* UNSET, after an error at the argument: "expected WANTED, not …". */
struct ebb__value ebb__wrong_argument(struct ebb__run *r, const struct ebb__argument *arg, const char *wanted);

/* What is no operator: functions of numbers, tensor(…), x.size(0), x.float(). False when there is none of that name. */
bool ebb__do_builtin(struct ebb__run *r, int32_t id, const char *called, const struct ebb__argument *args, int64_t n,
                     struct ebb__value *ret_value);

/* Names with a value of their own: pi, inf, float64, torch. UNSET, without an error, for others. */
struct ebb__value ebb__value_of_name(const char *name);
/* The modules' member: torch.pi, torch.nn. */
struct ebb__value ebb__value_of_member(const char *name);

/* One call of an operator, observed; the error has the node's place, and what it was `called` there, of whose overloads
 * it may be one. */
ebb_list ebb__call(struct ebb__run *r, int32_t id, const char *name, const char *called, ebb_args args);
ebb_tensor *ebb__call1(struct ebb__run *r, int32_t id, const char *name, ebb_tensor *a, ebb_tensor *b);

/* UNSET, after an error at the node's mark. */
struct ebb__value ebb__wrong(struct ebb__run *r, int32_t id, ebb_status status, const char *format, ...)
    EBB_PRINTF(4, 5);
static inline const struct ebb__ast *ebb__ast_of(const struct ebb__run *r, int32_t id) { return &r->program->ast[id]; }

#endif
