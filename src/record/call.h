/* The single path through which every operator is called. */
#ifndef EBB_RECORD_CALL_H
#define EBB_RECORD_CALL_H

#include "record/node.h"
#include "tensor/plan.h"
#include <ebb/call.h>

#define EBB__ATTRS_MAX 512 /* bytes of an operator's attribute struct */

/* The number of outputs; 0 of an operator that gives a list. */
static inline int ebb__op_n_out(const struct ebb_op *op) { return op->n_out ? op->n_out > 0 ? op->n_out : 0 : 1; }
static inline bool ebb__op_has_list(const struct ebb_op *op) {
    return op->n_in == 1 && op->in[0].kind == EBB_INPUT_LIST;
}

/* attrs.c: copy attributes, NULL for none given, to `ret_attrs` with dimensions counted from the front and checked, and
 * settings that were not given at their defaults. */
ebb_status ebb__attrs_normalize(const struct ebb_op *op, const void *attrs, int ndim, char ret_attrs[EBB__ATTRS_MAX]);

/* byname.c: set the attribute `name` in an attribute struct from its text: "true", "-1", "2.5", "(0,1)", "float64", or
 * one of an enum's words. EBB_ERR_NAME for one the operator does not have, EBB_ERR_ARGUMENT for text that does not fit;
 * *attrs is then no longer meaningful. */
ebb_status ebb__attr_set(const struct ebb_op *op, void *attrs, const char *name, const char *text);

/* The same for the value of an argument: false, without an error, for one of the wrong kind. */
bool ebb__attr_assign(const struct ebb_attr *a, const ebb_arg *arg, void *attrs);

/* The value of an attribute that is not given, in a struct that was zero: false when it must be given. */
bool ebb__attr_default(const struct ebb_attr *a, void *attrs);

/* What an attribute's value must be, for errors: "an int". Returns `text`. */
const char *ebb__attr_expected(const struct ebb_attr *a, char *text, size_t size);

/* "(2,3)", "()" or "2"; false, without an error, for anything else and for more than 8. */
bool ebb__dims_from_text(const char *text, ebb_dims *ret_dims);

/* promote.c: torch.result_type of the inputs, without those in the set `except` (EBB_IN). */
ebb_dtype ebb__result_type(ebb_tensor *const *in, int64_t n, uint32_t except);

/* The dtype an operator computes in for these inputs; EBB_DTYPE_NONE and an error when it does not accept it. */
ebb_dtype ebb__op_dtype(const struct ebb_op *op, ebb_tensor *const *in, int64_t n);

/* elementwise.c: the result of an elementwise operator, not yet recorded; into `into` when that is given (in-place
 * forms), else a new reference. NULL and an error on failure. */
ebb_tensor *ebb__elementwise(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                             ebb_tensor *into);

/* Whether a result of this shape and dtype can be written into `into`: EBB_ERR_SHAPE, EBB_ERR_DTYPE if not. */
ebb_status ebb__fits_inplace(const ebb_tensor *into, ebb_dtype dtype, int ndim, const int64_t *sizes);

/* call.c: the parts of a call that in-place forms share. NULL inputs and counts; attributes with dimensions normalized
 * (in `buffer` when there are any). */
ebb_status ebb__call_check(const struct ebb_op *op, ebb_tensor *const *in, int64_t n);
ebb_status ebb__call_attrs(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void **attrs, char *buffer);

/* Complete the thread's error with the operator and its inputs, unless there was one before this call. */
ebb_status ebb__call_failed(const struct ebb_op *op, const char *suffix, ebb_tensor *const *in, int64_t n, bool before);

/* Arithmetic that the call path needs, defined by the ops layer. Not recorded; new references. */
ebb_tensor *ebb__cast(ebb_tensor *t, ebb_dtype dtype);       /* a contiguous copy in another dtype */
ebb_status ebb__copy_into(ebb_tensor *to, ebb_tensor *from); /* elements of `from`, broadcast and cast */

/* What view.c records, defined by the ops layer; their attributes are a struct ebb__region. */
extern const struct ebb_op ebb__op_as_strided;  /* a view from its base */
extern const struct ebb_op ebb__op_copy_slices; /* a base from itself and the new value of a part */

#endif
