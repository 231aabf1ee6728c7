/* Comparisons and logic, by elements and by bits. */
#define EBB_FAMILY "Arithmetic"
#include "ops/ops.h"

/* The result is bool, which has no history; in place it becomes floating, and constant. */
static void constant_vjp(struct ebb_vjp_call *v) {
    for (int i = 0; i < v->n_in; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_zeros(ebb_vjp_shape(v, i), .dtype = ebb_vjp_dtype(v, i)));
}

#define TO_BOOL(op, how, signature_text, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, signature_text), \
                                       .torch = EBB_TEXT("torch." #op), \
                                       .promote = EBB_PROMOTE_##how, \
                                       .loops = ebb__loops_##op, \
                                       .vjp = constant_vjp, \
                                       .no_derivative = true, \
                                       .inplace = true, \
                                       __VA_ARGS__};
#define COMPARE(op, ...) TO_BOOL(op, COMPARE, PAIR, PAIRS, __VA_ARGS__)
#define LOGIC(op, ...) TO_BOOL(op, TRUTH, __VA_ARGS__)
#define PAIR "Number self, Number other -> Tensor"
#define PAIRS \
    .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (4)", "() (3)", "(2,3) 1", "1.5 (2,3)", "(0,3) (3)", "i5(4) i5(4)", \
                           "b(2,2) b(2)", "i5(4) (4)", "! (3) (4)")

/* PyTorch's overloads for numbers have a node of their own. */
#define NODE(op, name) \
    static const char *op##_node(const void *attrs, ebb_tensor *const *in) { \
        (void)attrs; \
        return ebb_tensor_is_number(in[1]) ? name "Backward0" : name "Backward1"; \
    }
NODE(eq, "Eq")
NODE(ne, "Ne")
NODE(lt, "Lt")
NODE(le, "Le")
NODE(gt, "Gt")
NODE(ge, "Ge")

COMPARE(eq, .node = "EqBackward0", .node_variant = eq_node, .formula = EBB_FORMULAS("0", "0"),
        .doc = EBB_TEXT("self == other."))
COMPARE(ne, .node = "NeBackward0", .node_variant = ne_node, .formula = EBB_FORMULAS("0", "0"),
        .doc = EBB_TEXT("self != other; true where either is NaN."))
COMPARE(lt, .node = "LtBackward0", .node_variant = lt_node, .formula = EBB_FORMULAS("0", "0"),
        .doc = EBB_TEXT("self < other."))
COMPARE(le, .node = "LeBackward0", .node_variant = le_node, .formula = EBB_FORMULAS("0", "0"),
        .doc = EBB_TEXT("self <= other."))
COMPARE(gt, .node = "GtBackward0", .node_variant = gt_node, .formula = EBB_FORMULAS("0", "0"),
        .doc = EBB_TEXT("self > other."))
COMPARE(ge, .node = "GeBackward0", .node_variant = ge_node, .formula = EBB_FORMULAS("0", "0"),
        .doc = EBB_TEXT("self >= other."))
LOGIC(logical_and, PAIR, PAIRS, .node = "LogicalAndBackward0", .formula = EBB_FORMULAS("0", "0"),
      .doc = EBB_TEXT("Whether both are true; what is not 0 is true."))
LOGIC(logical_or, PAIR, PAIRS, .node = "LogicalOrBackward0", .formula = EBB_FORMULAS("0", "0"),
      .doc = EBB_TEXT("Whether either is true; what is not 0 is true."))
LOGIC(logical_xor, PAIR, PAIRS, .node = "LogicalXorBackward0", .formula = EBB_FORMULAS("0", "0"),
      .doc = EBB_TEXT("Whether one is true and the other is not; what is not 0 is true."))
LOGIC(logical_not, "Tensor self -> Tensor", .node = "LogicalNotBackward0", .formula = EBB_FORMULAS("0"),
      .doc = EBB_TEXT("Whether self is 0, or false."), .samples = EBB_SAMPLES("(3,4)", "()", "(0,3)", "i5(4)", "b(3)"))

#define BITWISE(op, signature_text, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, signature_text), \
                                       .torch = EBB_TEXT("torch." #op), \
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

BITWISE(bitwise_and, PAIR, BIT_PAIRS, .doc = EBB_TEXT("The bits that are set in both; of bools, and."))
BITWISE(bitwise_or, PAIR, BIT_PAIRS, .doc = EBB_TEXT("The bits that are set in either; of bools, or."))
BITWISE(bitwise_xor, PAIR, BIT_PAIRS, .doc = EBB_TEXT("The bits that are set in one and not in the other."))
BITWISE(bitwise_not, "Tensor self -> Tensor", .doc = EBB_TEXT("The bits that are not set; of bools, not."),
        .samples = EBB_SAMPLES("i5(3,4)", "i5()", "i5(0,3)", "b(3)", "! float32(3)"))

/* Numbers are shifted as PyTorch does: by as many bits as there are, or more, or less than none, everything goes. */
#define SHIFT(op, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, PAIR), \
                                       .torch = EBB_TEXT("torch." #op), \
                                       .promote = EBB_PROMOTE_COMMON, \
                                       .dtypes = EBB_INTEGRAL, \
                                       .loops = ebb__loops_##op, \
                                       .no_derivative = true, \
                                       .inplace = true, \
                                       .samples = \
                                           EBB_SAMPLES("i5(3,4) i5(3,4)", "i5(3,4) i5(4)", "i5() i5(3)", "i5(2,3) 1", \
                                                       "3 i5(2,3)", "i5(0,3) i5(3)", "uint8(3) 9", "int32(3) -1", \
                                                       "! i5(3) i5(4)", "! float32(3) i5(3)", "! b(2) b(2)"), \
                                       __VA_ARGS__};

SHIFT(bitwise_left_shift,
      .doc = EBB_TEXT("self times 2 to the power of other, without the bits that do not fit; 0 where other is "
                      "negative, or not less than the number of bits."))
SHIFT(bitwise_right_shift,
      .doc = EBB_TEXT("self divided by 2 to the power of other, rounded down; where other is negative, or not "
                      "less than the number of bits, 0, or -1 of negative numbers."))
