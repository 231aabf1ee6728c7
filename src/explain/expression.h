/* An expression with values for its names: evaluated, and evaluated again with other values. */
#ifndef EBB_EXPLAIN_EXPRESSION_H
#define EBB_EXPLAIN_EXPRESSION_H

#include "explain/report.h"
#include <ebb/explain.h>

struct ebb__expression {
    struct ebb__program program;
    struct ebb__arena arena;
    const char *const *names; /* of the variables */
    ebb_tensor **tensors;     /* leaves; belong to the scope */
    ebb_tensor **whole;       /* of those that were written with integers: as such; NULL for others */
    int64_t n;
    uint64_t seed;
    bool integers_become; /* some whole values are floating-point tensors now */
};

/* Parse, and evaluate the values; ebb__expression_end() also after a failure. Tensors belong to the innermost scope. */
ebb_status ebb__expression_begin(struct ebb__expression *e, const char *text, const ebb_explain_options *options);
void ebb__expression_end(struct ebb__expression *e);

/* Make the variables of these names (NULL: all of floating point) leaves that gather gradients, and others not. */
ebb_status ebb__expression_choose(struct ebb__expression *e, const char *grad_of);

/* explain.c: evaluate under watch, and report; with finite differences and what the options ask for, when `check`. */
ebb_status ebb__expression_report(struct ebb__report *r, const struct ebb__expression *e, struct ebb__trace *trace,
                                  const ebb_explain_options *o, bool check);

/* The expression's value for these tensors in the places of the variables; observed, when `observer` is given. */
ebb_tensor *ebb__expression_value(const struct ebb__expression *e, ebb_tensor *const *tensors,
                                  const struct ebb__observer *observer);

/* In the thread's error, say columns instead of sites of the expression. */
void ebb__expression_place_error(const struct ebb__expression *e);

/* differences.c: the gradients of a report against finite differences. */
ebb_status ebb__report_check(struct ebb__report *r, const struct ebb__expression *e);
/* hessian.c: second derivatives, of not too many elements. */
ebb_status ebb__report_hessian(struct ebb__report *r, const struct ebb__expression *e);
/* tangents.c: forward mode. */
ebb_status ebb__report_forward_mode(struct ebb__report *r, const struct ebb__expression *e);

#endif
