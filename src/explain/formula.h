/* The formulas of operators' definitions: what their names stand for in one call. */
#ifndef EBB_EXPLAIN_FORMULA_H
#define EBB_EXPLAIN_FORMULA_H

#include "tool/memory.h"
#include <ebb/call.h>

/* One recorded call of an operator. Tensors whose values are not known may be stand-ins of their shape and dtype. */
struct ebb__formula_call {
    const struct ebb_op *op;
    const void *attrs; /* as its node has them */
    ebb_tensor *const *in;
    int64_t n_in; /* with the entries of a list */
    ebb_tensor *const *out, *const *grad;
    int64_t n_out;
};

/* Which declared input the k-th given one is, and which entry of it. */
int ebb__formula_declared(const struct ebb_op *op, int64_t n_in, int64_t k, int64_t *ret_entry);

/* The formula of the gradient of the k-th given input, and what its names stand for: the inputs and outputs by their
 * names, y the first output, g and g_NAME the upstream gradients, the attributes; of an entry of a list also k, its
 * number. NULL when the operator has no formula for it, or on failure (with an error). */
const char *ebb__formula_of(struct ebb__arena *a, const struct ebb__formula_call *call, int64_t k, ebb_args *ret_names);

/* What the names in an operator's parts stand for: the call's inputs and attributes. None on failure (with an
 * error). */
ebb_args ebb__formula_call_names(struct ebb__arena *a, const struct ebb__formula_call *call);

/* An attribute as an argument, from the attribute struct of a node; of kind EBB_VALUE_NONE when it is not given. */
ebb_arg ebb__formula_attribute(struct ebb__arena *a, const struct ebb_attr *attr, const void *attrs);

/* Whether a formula is words: a string of the language, not something to compute. */
bool ebb__formula_is_words(const char *formula);

#endif
