/* Comparisons and logic. */
#include "ops/ops.h"

#define COMPARE(op, signature_text, ...) \
    const struct ebb_op ebb_op_##op = { \
        EBB_SIGNATURE(op, signature_text), .torch = "torch." #op, .promote = EBB_PROMOTE_COMPARE, \
        .loops = ebb__loops_##op,          .no_derivative = true, __VA_ARGS__};
#define PAIR "Number self, Number other -> Tensor"
#define PAIRS \
    .samples = {"(3,4) (3,4)", "(3,4) (4)",   "() (3)",      "(2,3) 1",   "1.5 (2,3)", \
                "(0,3) (3)",   "i5(4) i5(4)", "b(2,2) b(2)", "i5(4) (4)", "! (3) (4)"}

COMPARE(eq, PAIR, PAIRS, .doc = "self == other.")
COMPARE(ne, PAIR, PAIRS, .doc = "self != other; true where either is NaN.")
COMPARE(lt, PAIR, PAIRS, .doc = "self < other.")
COMPARE(le, PAIR, PAIRS, .doc = "self <= other.")
COMPARE(gt, PAIR, PAIRS, .doc = "self > other.")
COMPARE(ge, PAIR, PAIRS, .doc = "self >= other.")
COMPARE(logical_and, PAIR, PAIRS, .doc = "Whether both are true; what is not 0 is true.")
COMPARE(logical_or, PAIR, PAIRS, .doc = "Whether either is true; what is not 0 is true.")
COMPARE(logical_not, "Tensor self -> Tensor", .doc = "Whether self is 0, or false.",
        .samples = {"(3,4)", "()", "(0,3)", "i5(4)", "b(3)"})
