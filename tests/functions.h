/* Functions that transforms are tried with, and how far their results are from others. */
#ifndef EBB_TESTS_FUNCTIONS_H
#define EBB_TESTS_FUNCTIONS_H

#include "tests/check.h"
#include <ebb/ebb.h>

#define TENSOR(shape, ...) ebb_from_data((const double[]){__VA_ARGS__}, EBB_F64, shape)

static inline ebb_status give(ebb_outputs *ret_out, ebb_tensor *t) {
    ret_out->t[ret_out->n++] = t;
    return ebb_error_status();
}

/* tanh(w x) and sum(sin(x) x), of a vector x and a matrix w; the context, where there is one, counts its runs. */
static inline ebb_status two(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *x = in.t[0], *w = in.t[1];
    if (context) ++*(int *)context;
    (void)give(ret_out, ebb_tanh(ebb_mv(w, x)));
    return give(ret_out, ebb_sum(ebb_mul(ebb_sin(x), x)));
}

/* sum(tanh(w x)^2) + prod(exp(x)) */
static inline ebb_status scalar(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *x = in.t[0], *w = in.t[1];
    if (context) ++*(int *)context;
    return give(ret_out, ebb_add(ebb_sum(ebb_square(ebb_tanh(ebb_mv(w, x)))), ebb_prod(ebb_exp(x))));
}

/* The largest difference of two elements. */
static inline double distance(const ebb_tensor *a, const ebb_tensor *b) {
    CHECK(a && b && ebb_tensor_ndim(a) == ebb_tensor_ndim(b));
    return ebb_item(ebb_amax(ebb_abs(ebb_sub((ebb_tensor *)(uintptr_t)a, (ebb_tensor *)(uintptr_t)b))));
}

#endif
