/* The report of a gradient: what was computed, what was saved, and how the gradients come back, node by node. Every
 * format is written from it. docs/explain-json.md describes the same, field by field. */
#ifndef EBB_EXPLAIN_REPORT_H
#define EBB_EXPLAIN_REPORT_H

#include "explain/formula.h"
#include "explain/trace.h"
#include "explain/typeset.h"
#include <ebb/expr.h>

#include <string.h>

/* A text in both scripts. */
struct ebb__shown {
    const char *in[EBB__N_SCRIPTS];
};

/* Elements that second derivatives are computed for, variables that are pushed forward. */
enum { EBB__HESSIAN_MOST = 128, EBB__TANGENTS_MOST = 8 };

enum ebb__report_kind {
    EBB__VARIABLE, /* a leaf that gathers a gradient */
    EBB__CONSTANT, /* needs none */
    EBB__OPERATION
};

/* What an operation was given: output `output` of node `node`. */
struct ebb__report_input {
    int32_t node, output; /* node -1: not known, or absent */
    const char *role;     /* "self", as the signature names it */
    bool gradient;        /* gets one */
};

struct ebb__report_output {
    const char *role; /* "result", or the signature's name */
    struct ebb__shown name;
    ebb_dtype dtype;
    ebb_dims shape;
    ebb_tensor *value;    /* NULL: not known */
    ebb_tensor *gradient; /* of the root, all paths added; NULL: none came */
    int32_t uses;         /* edges by which gradients come back to it */
    bool saved;           /* some operation holds it */
    int32_t arrived;      /* while the steps are made: how many have come, */
    ebb_tensor *sum;      /* and their sum */
};

/* What an operation holds for its rule. */
struct ebb__report_saved {
    int32_t node, output; /* of what it is */
    const char *role;
    int64_t bytes;
    bool shared; /* a variable, a constant, or saved before: it costs nothing more */
};

struct ebb__report_node {
    enum ebb__report_kind kind;
    bool number;          /* a constant that is written out where it is used */
    const ebb_node *node; /* NULL of a constant */
    const ebb_node
        *last; /* what gave the result its name and its call: `node`, or a view of the result that is left out */
    const struct ebb_op *op;
    const struct ebb_op *part_of; /* the composition that was called, when this is one of several parts of it */
    int64_t call;                 /* its number among those of the expression; -1: it is none */
    struct ebb__shown text;       /* of an operation: "W1 · x"; of a constant: what it was written as, or NULL */
    const char *attributes;       /* "dim=(0), keepdim=True"; "" */
    const char *file;             /* "" when not known */
    int32_t line;
    struct ebb__place place; /* in the expression; end 0: none */
    struct ebb__report_input *in;
    struct ebb__report_output *out;
    struct ebb__report_saved *saved;
    int64_t n_in, n_out, n_saved;
    ebb_tensor *mask; /* where the derivative of relu and its kin is 1 */
};

/* What a rule gives to one input. */
struct ebb__report_give {
    int32_t input, to, output;
    struct ebb__shown symbol;      /* "dL/dW1" */
    struct ebb__shown formula;     /* "dL/dh1 · xᵀ"; NULL when the operator has none, */
    struct ebb__shown definitions; /* "n = x - mean(x)": of names in the formula; NULL when there are none */
    const char *words[2];          /* or it is a sentence: in English and Chinese */
    const char *shapes;            /* "(2×1) · (1×2) → (2×2)"; NULL when there is nothing to show */
    ebb_dims shape;                /* of what the formula gives, before it is summed back over what was broadcast */
    ebb_dims summed;               /* the dimensions of `shape` that are summed */
    ebb_tensor *value;             /* of the input's shape and dtype */
    ebb_tensor *total;             /* when it is added to others: what has come together so far */
    int32_t arrival;               /* the how-many-th of out[output].uses, from 1 */
};

struct ebb__report_step {
    int32_t node;              /* an operation: its rule runs; a variable: its gradient is complete and goes to .grad */
    struct ebb__shown *symbol; /* [n_out] "dL/dh1" */
    ebb_tensor **upstream;     /* [n_out] NULL where nothing flowed */
    struct ebb__report_give *gives;
    int64_t n;
};

/* A variable's gradient against finite differences. */
struct ebb__report_check {
    int32_t node;
    ebb_tensor *numeric; /* NaN where it was not computed; NULL: not checked */
    int64_t checked;     /* elements */
    double worst;        /* the largest |gradient - difference| / max(1, |difference|) */
    bool ok;
};

/* Second derivatives by one pair of variables, as a matrix. */
struct ebb__report_hessian {
    int32_t row, column; /* nodes */
    ebb_tensor *value;   /* of both shapes, one after the other; float64 */
};

/* Forward mode: the tangent of every output along one variable. */
struct ebb__report_tangents {
    int32_t node;         /* the variable that moves, each of its elements at rate 1 */
    ebb_tensor **values;  /* [n_nodes] of first outputs; NULL where zero */
    double sum, expected; /* the root's; and the sum of the gradient's elements, which it must be */
    double away;          /* of one from the other, relative */
};

struct ebb__report {
    struct ebb__arena arena;
    const char *expression; /* as it was written; NULL for a graph */
    uint64_t seed;
    ebb_dtype dtype;
    bool integers; /* some values were given as integers, and are of the dtype now */
    struct ebb__report_node *nodes;
    int64_t n_nodes, n_calls;
    int32_t root, root_output;
    bool summed_root;               /* it has several elements: what is differentiated is their sum */
    const char *second, *second_of; /* a name that was given again, as it is shown and as it was; NULL: none was */
    int32_t *forward;               /* operations in the order of recording */
    int64_t n_forward;
    struct ebb__report_step *steps;
    int64_t n_steps, steps_room;
    struct ebb__report_check *checks; /* one a variable */
    int64_t n_checks;
    bool checked;
    double tolerance;
    struct ebb__report_hessian *hessian;
    int64_t n_hessian;
    int64_t hessian_elements; /* of all variables together; more than EBB__HESSIAN_MOST: it was not computed */
    bool hessian_checked;     /* against differences of gradients: somewhere there were any */
    double hessian_worst;
    struct ebb__report_tangents *tangents;
    int64_t n_tangents, tangents_left; /* variables beyond EBB__TANGENTS_MOST */
    bool tangents_checked;             /* against sums of gradients: somewhere they are numbers */
    double tangents_worst;
    int64_t saved_bytes; /* that the graph holds beyond variables and constants */
    ebb_tensor **kept;   /* what is given back at the end */
    int64_t n_kept, kept_room;
};

/* What a report is made of. */
struct ebb__report_source {
    ebb_tensor *root;
    const struct ebb__trace *trace; /* NULL: nothing was watched */
    ebb_list order;                 /* variables, in the order in which they are shown; others follow */
    const struct ebb__program *program;
    /* The name of output k of a node, and of a tensor that no node computed; NULL: it has none. */
    const char *(*name_of)(void *context, const ebb_node *node, int64_t k, const ebb_tensor *t);
    void *context;
};

/* Build the report of a graph; then, with what values there are, name everything and run a backward pass over it.
 * ebb__report_free() also after a failure. */
ebb_status ebb__report_gather(struct ebb__report *r, const struct ebb__report_source *source);
ebb_status ebb__report_derive(struct ebb__report *r, const struct ebb__report_source *source);
void ebb__report_free(struct ebb__report *r);

/* What an operator is called as: overloads as what they are overloads of. */
static inline const char *ebb__op_called(const struct ebb_op *op) { return op->overload ? op->overload : op->name; }

/* Whether it gives the same elements in another shape, by a view or by a copy. */
static inline bool ebb__only_reshapes(const struct ebb_op *op) {
    return op->view || strcmp(op->name, "unsafe_view") == 0 || strcmp(op->name, "clone") == 0;
}

/* The larger of two differences, NaN where one is. */
static inline double ebb__worse(double a, double b) { return !(a >= b) && a == a ? b : a; }

/* Give the report a reference. Returns t; NULL, and an error, when there is no room: the reference is given back. */
ebb_tensor *ebb__report_keep(struct ebb__report *r, ebb_tensor *t);

/* The dimensions in the text "(2×3)"; in the arena. */
const char *ebb__report_shape(struct ebb__arena *a, ebb_dims shape);
static inline bool ebb__same_dims(ebb_dims a, ebb_dims b) {
    return a.n == b.n && memcmp(a.d, b.d, (size_t)a.n * sizeof *a.d) == 0;
}

/* Numbers of dimensions as a list, "0, 2"; in the arena. */
const char *ebb__report_list(struct ebb__arena *a, ebb_dims dims);
static inline struct ebb__report_output *ebb__report_of(const struct ebb__report *r, int32_t node, int32_t output) {
    return &r->nodes[node].out[output];
}

/* ---- the parts ---- */

/* report_names.c: texts of operations, from the names of what they take. */
ebb_status ebb__report_name_all(struct ebb__report *r, const struct ebb__report_source *source);
/* report_backward.c: a backward pass, observed. */
ebb_status ebb__report_backward(struct ebb__report *r, const struct ebb__report_source *source);
/* report_formula.c: the formula of a gift, in the user's names, and its shapes. */
ebb_status ebb__report_formula(struct ebb__report *r, const struct ebb__report_step *step,
                               struct ebb__report_give *give, const struct ebb__formula_call *call);

#endif
