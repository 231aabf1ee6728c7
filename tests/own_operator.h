/* An operator of a test's own: x + 1 of one float64, with a rule of the test's. */
#ifndef EBB_TESTS_OWN_OPERATOR_H
#define EBB_TESTS_OWN_OPERATOR_H

#include <ebb/ebb.h>

static inline ebb_status own_forward(struct ebb_forward *f) {
    *(double *)ebb_tensor_data(f->out[0]) = *(const double *)ebb_tensor_data(f->in[0]) + 1;
    return EBB_OK;
}

/* static const struct ebb_op name = OWN_OPERATOR("name", rule); */
#define OWN_OPERATOR(name_, rule) \
    { \
        .name = name_, .node = "OwnBackward", .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}), .n_in = 1, \
        .dtypes = EBB_DTYPES(EBB_F64), .forward = own_forward, .vjp = rule, .saves = { \
            EBB_IN(0) \
        } \
    }

#endif
