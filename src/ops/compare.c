/* Comparisons and logic, by elements and by bits. */
#define EBB_FAMILY "Arithmetic"
#include "ops/ops.h"

static ebb_tensor *logical_xor_compose(struct ebb_forward *f) {
    return ebb_ne(ebb_ne(f->in[0], 0), ebb_ne(f->in[1], 0));
}

#define COMPARE(op, signature_text, ...) \
    const struct ebb_op ebb_op_##op = { \
        EBB_SIGNATURE(op, signature_text), .torch = "torch." #op, .promote = EBB_PROMOTE_COMPARE, \
        .loops = ebb__loops_##op,          .no_derivative = true, __VA_ARGS__};
#define PAIR "Number self, Number other -> Tensor"
#define PAIRS \
    .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (4)", "() (3)", "(2,3) 1", "1.5 (2,3)", "(0,3) (3)", "i5(4) i5(4)", \
                           "b(2,2) b(2)", "i5(4) (4)", "! (3) (4)")

COMPARE(eq, PAIR, PAIRS, .doc = "self == other.")
COMPARE(ne, PAIR, PAIRS, .doc = "self != other; true where either is NaN.")
COMPARE(lt, PAIR, PAIRS, .doc = "self < other.")
COMPARE(le, PAIR, PAIRS, .doc = "self <= other.")
COMPARE(gt, PAIR, PAIRS, .doc = "self > other.")
COMPARE(ge, PAIR, PAIRS, .doc = "self >= other.")
COMPARE(logical_and, PAIR, PAIRS, .doc = "Whether both are true; what is not 0 is true.")
COMPARE(logical_or, PAIR, PAIRS, .doc = "Whether either is true; what is not 0 is true.")
COMPARE(logical_not, "Tensor self -> Tensor", .doc = "Whether self is 0, or false.",
        .samples = EBB_SAMPLES("(3,4)", "()", "(0,3)", "i5(4)", "b(3)"))

const struct ebb_op ebb_op_logical_xor = {
    EBB_SIGNATURE(logical_xor, PAIR),
    .torch = "torch.logical_xor",
    .promote = EBB_PROMOTE_COMPARE,
    .compose = logical_xor_compose,
    .no_derivative = true,
    PAIRS,
    .doc = "Whether one is true and the other is not; what is not 0 is true.",
};

#define BITWISE(op, signature_text, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, signature_text), \
                                       .torch = "torch." #op, \
                                       .promote = EBB_PROMOTE_COMMON, \
                                       .dtypes = BITS, \
                                       .loops = ebb__loops_##op, \
                                       .no_derivative = true, \
                                       .inplace = true, \
                                       __VA_ARGS__};
#define BITS (EBB_INTEGRAL | EBB_DTYPES(EBB_BOOL))
#define BIT_PAIRS \
    .samples = EBB_SAMPLES("i5(3,4) i5(3,4)", "i5(3,4) i5(4)", "i5() i5(3)", "i5(2,3) 1", "3 i5(2,3)", \
                           "i5(0,3) i5(3)", "b(2,2) b(2,2)", "b(4) i5(4)", "! i5(3) i5(4)", "! float32(3) i5(3)")

BITWISE(bitwise_and, PAIR, BIT_PAIRS, .doc = "The bits that are set in both; of bools, and.")
BITWISE(bitwise_or, PAIR, BIT_PAIRS, .doc = "The bits that are set in either; of bools, or.")
BITWISE(bitwise_xor, PAIR, BIT_PAIRS, .doc = "The bits that are set in one and not in the other.")
BITWISE(bitwise_not, "Tensor self -> Tensor", .doc = "The bits that are not set; of bools, not.",
        .samples = EBB_SAMPLES("i5(3,4)", "i5()", "i5(0,3)", "b(3)", "! float32(3)"))
