/* The inputs of an operator as declared and as given: a list is one of the first and any number of the others. */
#include "record/call.h"
#include <string.h>

int ebb__op_list(const struct ebb_op *op) {
    for (int i = 0; i < op->n_in; i++)
        if (ebb__is_list(op->in[i].kind)) return i;
    return -1;
}

int64_t ebb__op_declared(const struct ebb_op *op, int64_t n, int64_t i) {
    int64_t list = ebb__op_list(op), entries = n - op->n_in + 1;
    if (list < 0 || i < list) return i;
    return i < list + entries ? list : i - entries + 1;
}

int64_t ebb__op_given(const struct ebb_op *op, int64_t n, int64_t k, int64_t *ret_first) {
    int64_t list = n == op->n_in ? -1 : ebb__op_list(op), more = n - op->n_in;
    *ret_first = list >= 0 && k > list ? k + more : k;
    return k == list ? more + 1 : 1;
}

ebb_status ebb__row_make(struct ebb__row *row, const struct ebb_op *op, ebb_tensor *const *in, ebb_list list) {
    size_t before = (size_t)ebb__op_list(op), after = (size_t)op->n_in - before - 1, n = (size_t)list.n;
    row->in = row->small;
    row->n = list.n + op->n_in - 1;
    if (list.n < 0 || (n && !list.t))
        return ebb__fail_op(op->name, EBB_ERR_ARGUMENT, "%s is a list of %lld tensors, or NULL", op->in[before].name,
                            (long long)list.n);
    if (row->n > EBB__ROW && !(row->in = ebb__alloc((size_t)row->n * sizeof *row->in))) return ebb_error_status();
    memcpy(row->in, in, before * sizeof *in);
    if (n) memcpy(row->in + before, list.t, n * sizeof *in);
    memcpy(row->in + before + n, in + before + 1, after * sizeof *in);
    return EBB_OK;
}

void ebb__row_end(struct ebb__row *row) {
    if (row->in != row->small) ebb__free(row->in, (size_t)row->n * sizeof *row->in);
}
