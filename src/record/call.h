/* The single path through which every operator is called. */
#ifndef EBB_RECORD_CALL_H
#define EBB_RECORD_CALL_H

#include "record/node.h"
#include "tensor/plan.h"
#include <ebb/call.h>

#define EBB__ATTRS_MAX 512 /* bytes of an operator's attribute struct */

/* The number of outputs; 0 of an operator that gives a list. */
static inline int ebb__op_n_out(const struct ebb_op *op) { return op->n_out ? op->n_out > 0 ? op->n_out : 0 : 1; }
static inline bool ebb__is_list(enum ebb_input_kind kind) {
    return kind == EBB_INPUT_LIST || kind == EBB_INPUT_OPTIONAL_LIST;
}

/* inputs.c: an operator's inputs are given in one row, the entries of a list among them. Which declared one is the
 * list, -1 for none; which declared one the i-th of n given is; and how many given ones declared input k is, from
 * *ret_first on. A list of one entry is like any other input, so that only other numbers need a search. */
int ebb__op_list(const struct ebb_op *op);
int64_t ebb__op_declared(const struct ebb_op *op, int64_t n, int64_t i);
static inline int64_t ebb__op_input(const struct ebb_op *op, int64_t n, int64_t i) {
    return EBB_LIKELY(n == op->n_in) ? i : ebb__op_declared(op, n, i);
}
int64_t ebb__op_given(const struct ebb_op *op, int64_t n, int64_t k, int64_t *ret_first);

/* The row of an operator that has a list among other inputs; `in` has any pointer in the list's place. */
#define EBB__ROW 16
struct ebb__row {
    ebb_tensor **in;
    int64_t n;
    ebb_tensor *small[EBB__ROW];
};
ebb_status ebb__row_make(struct ebb__row *row, const struct ebb_op *op, ebb_tensor *const *in, ebb_list list);
void ebb__row_end(struct ebb__row *row);

/* attrs.c: copy attributes, NULL for none given, to `ret_attrs` with dimensions counted from the front and checked, and
 * settings that were not given at their defaults. */
ebb_status ebb__attrs_normalize(const struct ebb_op *op, const void *attrs, int ndim, char ret_attrs[EBB__ATTRS_MAX]);

/* The bytes of an attribute struct with what its lists point to, and a copy of both, in that order, to `to`. */
size_t ebb__attrs_bytes(const struct ebb_op *op, const void *attrs);
void ebb__attrs_copy(const struct ebb_op *op, const void *attrs, void *to);

/* byname.c: set the attribute `name` in an attribute struct from its text: "true", "-1", "2.5", "(0,1)", "float64", or
 * one of an enum's words. A list of any length is written to *room, which moves behind it: a text of n bytes needs
 * EBB__LIST_ROOM(n). EBB_ERR_NAME for one the operator does not have, EBB_ERR_ARGUMENT for text that does not fit. */
#define EBB__LIST_ROOM(bytes) ((int64_t)(bytes) / 2 + 1)
ebb_status ebb__attr_set(const struct ebb_op *op, void *attrs, const char *name, const char *text, int64_t **room);

/* The same for the value of an argument: false, without an error and with *attrs as it was, for one of the wrong kind.
 * A list that is a value is pointed to. */
bool ebb__attr_assign(const struct ebb_attr *a, const ebb_arg *arg, void *attrs, int64_t **room);

/* The value of an attribute that is not given, in a struct that was zero: false when it must be given. */
bool ebb__attr_default(const struct ebb_attr *a, void *attrs);

/* What an attribute's value must be, for errors: "an int". Returns `text`. */
const char *ebb__attr_expected(const struct ebb_attr *a, char *text, size_t size);

/* "(2,3)", "()" or "2", and "(none,3)" where entries may be none; false, without an error, for anything else and for
 * more than 8. */
bool ebb__dims_from_text(const char *text, bool none, ebb_dims *ret_dims);

/* The dtype an operator computes in for these inputs; EBB_DTYPE_NONE and an error when it does not accept it. */
ebb_dtype ebb__op_dtype(const struct ebb_op *op, ebb_tensor *const *in, int64_t n);
ebb_status ebb__fail_dtype(const struct ebb_op *op, ebb_dtype dtype); /* that it does not accept this one */

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

/* The outputs' shapes and dtypes: the operator's rule, or all inputs broadcast together. Without `ret_out`: only how
 * many there are. */
ebb_status ebb__call_infer(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                           ebb_dtype dtype, ebb_meta *ret_out, int64_t *n_out);

/* A call of an operator with one output, whose dimensions need no normalizing: the result is a new reference. */
ebb_tensor *ebb__call_new(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs);

/* Make t, an alias of elements of `of`, a view of it to histories; returns t. NULL for NULL, and when out of memory. */
ebb_tensor *ebb__view_of(ebb_tensor *t, ebb_tensor *of);

/* An operator that updates: its result written into in[0], which is not recorded. */
ebb_status ebb__call_update(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs);

/* Complete the thread's error with the operator and its inputs, unless there was one before this call. That of a part
 * of a built-in one becomes its own; of a part that the user may have written the name and the inputs stay. */
ebb_status ebb__call_failed(const struct ebb_op *op, const char *suffix, ebb_tensor *const *in, int64_t n, bool before);

/* Arithmetic that the call path needs, defined by the ops layer. Not recorded; new references. */
ebb_tensor *ebb__cast(ebb_tensor *t, ebb_dtype dtype);       /* a contiguous copy in another dtype */
ebb_status ebb__copy_into(ebb_tensor *to, ebb_tensor *from); /* elements of `from`, broadcast and cast */
bool ebb__all_finite(ebb_tensor *t);                         /* true of what is no floating point */

/* A loop that runs a float32 one over operands of which some are of a 16-bit dtype; its attributes are this struct. */
struct ebb__through_f32 {
    ebb_loop loop;
    const void *attrs;
    ebb_dtype dtype;
    int n;           /* operands */
    uint32_t halves; /* 1 << operand for those of that dtype */
};
extern const ebb_loop ebb__loop_through_f32;

/* What autocast records, defined by the ops layer; its attributes are an ebb_dtype. */
extern const struct ebb_op ebb_op_to_copy;

/* What view.c records, defined by the ops layer; their attributes are a struct ebb__region. */
extern const struct ebb_op ebb__op_as_strided;  /* a view from its base */
extern const struct ebb_op ebb__op_copy_slices; /* a base from itself and the new value of a part */

#endif
