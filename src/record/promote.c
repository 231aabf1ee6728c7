/* Type promotion by PyTorch's rules: tensors with dimensions decide, then 0-d tensors, then numbers, each only when it
 * is of a higher kind (bool < integer < floating) than what stands before it. */
#include "record/call.h"

static ebb_dtype combine(ebb_dtype higher, ebb_dtype lower) {
    if (ebb_dtype_is_floating(higher)) return higher;
    if (higher == EBB_BOOL || ebb_dtype_is_floating(lower)) return ebb_promote_types(higher, lower);
    return higher ? higher : lower;
}

/* torch.result_type of the inputs, without those that the operator keeps as they are. */
static ebb_dtype result_type(const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    ebb_dtype dims = EBB_DTYPE_NONE, zero = EBB_DTYPE_NONE, number = EBB_DTYPE_NONE;
    for (int64_t i = 0; i < n; i++) {
        if (!in[i] || (op->keeps && op->keeps & EBB_IN(ebb__op_input(op, n, i)))) continue;
        ebb_dtype d = (ebb_dtype)in[i]->dtype;
        if (in[i]->flags & EBB__NUMBER)
            number = ebb_promote_types(number, ebb_dtype_is_floating(d) ? ebb_default_dtype() : d);
        else if (in[i]->ndim == 0) zero = ebb_promote_types(zero, d);
        else dims = ebb_promote_types(dims, d);
    }
    return combine(dims, combine(zero, number));
}

ebb_status ebb__fail_dtype(const struct ebb_op *op, ebb_dtype dtype) {
    static const struct {
        uint32_t dtypes;
        const char *text;
    } sets[] = {{EBB_FLOATING, "; it takes floating point"},
                {EBB_INTEGRAL, "; it takes integers"},
                {EBB_INTEGRAL | EBB_DTYPES(EBB_BOOL), "; it takes integers and bool"},
                {EBB_NUMERIC, "; it takes numbers"}};
    const char *takes = "";
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (op->dtypes == sets[i].dtypes) takes = sets[i].text;
    return ebb_fail(EBB_ERR_DTYPE, "not defined for %s%s", ebb_dtype_name(dtype), takes);
}

ebb_dtype ebb__op_dtype(const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    ebb_dtype dtype = EBB_DTYPE_NONE;
    if (op->promote == EBB_PROMOTE_NONE || op->promote == EBB_PROMOTE_FIRST)
        dtype = n > 0 && in[0] ? (ebb_dtype)in[0]->dtype : EBB_DTYPE_NONE;
    else dtype = op->promote == EBB_PROMOTE_TRUTH ? EBB_BOOL : result_type(op, in, n);
    if (op->promote == EBB_PROMOTE_FLOAT && !ebb_dtype_is_floating(dtype)) dtype = ebb_default_dtype();
    if (op->promote == EBB_PROMOTE_NUMERIC && dtype == EBB_BOOL) dtype = EBB_I64;
    if (op->dtypes && dtype && !(op->dtypes & EBB_DTYPES(dtype))) {
        ebb__fail_dtype(op, dtype);
        return EBB_DTYPE_NONE;
    }
    return dtype;
}
