/* Remainders, and quotients rounded to whole numbers. */
#define EBB_FAMILY "Arithmetic"
#include "ops/ops.h"

/* self = quotient * other + y, with a quotient that is flat nearly everywhere. */
static void mod_vjp(struct ebb_vjp *v, ebb_tensor *(*quotient)(ebb_tensor *, ebb_tensor *)) {
    if (v->needs[0]) ebb_vjp_give(v, 0, v->grad[0]);
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_neg(ebb_mul(v->grad[0], quotient(v->in[0], v->in[1]))));
}
static void fmod_vjp(struct ebb_vjp *v) { mod_vjp(v, ebb_div_trunc); }
static void remainder_vjp(struct ebb_vjp *v) { mod_vjp(v, ebb_floor_divide); }
static void flat_vjp(struct ebb_vjp *v) {
    for (int i = 0; i < 2; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_zero(v->grad[0]));
}

/* PyTorch's overloads for numbers have nodes of their own. */
static const char *fmod_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[1]) ? "FmodBackward0" : "FmodBackward1";
}
static const char *remainder_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[1]) ? "RemainderBackward0" : "RemainderBackward1";
}

#define DIVISION(op, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, "Number self, Number other -> Tensor"), \
                                       .promote = EBB_PROMOTE_COMMON, \
                                       .dtypes = EBB_NUMERIC, \
                                       .loops = ebb__loops_##op, \
                                       .inplace = true, \
                                       .samples = {"(3,4) (3,4)", "(3,4) (4)", "(2,1,3) (4,1)", "() (3)", "(2,3) 2.5", \
                                                   "1.5 (2,3)", "(2,3) -2", "(0,3) (3)", "i5(4) (4)", "! (3) (4)", \
                                                   "! b(2) b(2)"}, \
                                       .domain = {0.3, 5}, \
                                       __VA_ARGS__};
#define ZERO_DIVISOR " Integers divided by 0 give 0."

DIVISION(fmod, .torch = "torch.fmod", .node = "FmodBackward1", .node_variant = fmod_node, .vjp = fmod_vjp,
         .doc = "The remainder of self / other with the sign of self." ZERO_DIVISOR,
         .saves = {0, EBB_IN(0) | EBB_IN(1)}, .formula = {"g", "-g * trunc(self / other)"})
DIVISION(remainder, .torch = "torch.remainder", .node = "RemainderBackward1", .node_variant = remainder_node,
         .vjp = remainder_vjp, .doc = "The remainder of self / other with the sign of other." ZERO_DIVISOR,
         .saves = {0, EBB_IN(0) | EBB_IN(1)}, .formula = {"g", "-g * floor(self / other)"})
DIVISION(
    floor_divide, .torch = "torch.floor_divide", .node = "DivBackward2", .vjp = flat_vjp,
    .doc = "self / other rounded down, PyTorch's div with rounding_mode='floor'; integers stay integers." ZERO_DIVISOR,
    .formula = {"0", "0"})
DIVISION(
    div_trunc, .torch = "torch.div", .node = "DivBackward2", .vjp = flat_vjp,
    .doc =
        "self / other rounded towards 0, PyTorch's div with rounding_mode='trunc'; integers stay integers." ZERO_DIVISOR,
    .formula = {"0", "0"})
