/* Rounding, and what is no number: elementwise functions that are flat nearly everywhere. */
#define EBB_FAMILY "Unary"
#include "ops/ops.h"
#include <math.h>

static void flat_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_zero(v->grad[0])); }
static void frac_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, v->grad[0]); }
static void nan_to_num_vjp(struct ebb_vjp_call *v) {
    ebb_vjp_give(v, 0, ebb_where(ebb_isfinite(v->in[0]), v->grad[0], 0));
}

static const char *round_node(const void *attrs, ebb_tensor *const *in) {
    (void)in;
    return ((const struct ebb__attrs_round *)attrs)->decimals ? "RoundBackward1" : "RoundBackward0";
}

/* Integers are never infinite or NaN. */
static bool floating(const struct ebb_forward *f) { return ebb_dtype_is_floating(ebb_tensor_dtype(f->in[0])); }
static ebb_tensor *isnan_compose(struct ebb_forward *f) { return ebb_ne(f->in[0], f->in[0]); }
static ebb_tensor *isinf_compose(struct ebb_forward *f) {
    return floating(f) ? ebb_eq(ebb_abs(f->in[0]), (double)INFINITY) : ebb_ne(f->in[0], f->in[0]);
}
static ebb_tensor *isfinite_compose(struct ebb_forward *f) {
    return floating(f) ? ebb_lt(ebb_abs(f->in[0]), (double)INFINITY) : ebb_eq(f->in[0], f->in[0]);
}

#define ROUNDING(op, text, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, text),       .torch = EBB_TEXT("torch." #op), \
                                       .promote = EBB_PROMOTE_COMMON, .inplace = true, \
                                       .loops = ebb__loops_##op,      __VA_ARGS__};
#define TEST(op, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, "Tensor self -> Tensor"), \
                                       .torch = EBB_TEXT("torch." #op), \
                                       .promote = EBB_PROMOTE_COMPARE, \
                                       .compose = op##_compose, \
                                       .no_derivative = true, \
                                       .samples = EBB_SAMPLES(SHAPES, "b(2)"), \
                                       __VA_ARGS__};
#define SHAPES "(3,4)", "()", "(0,3)", "(2,1,3)", "i5(4)"
#define ONE "Tensor self -> Tensor"
#define NUMERIC .dtypes = EBB_NUMERIC, .samples = EBB_SAMPLES(SHAPES, "! b(2)")
#define FLAT .vjp = flat_vjp, .formula = EBB_FORMULAS("0")

ROUNDING(ceil, ONE, NUMERIC, FLAT, .node = "CeilBackward0",
         .doc = EBB_TEXT("The least integer that is not below self."))
ROUNDING(trunc, ONE, NUMERIC, FLAT, .node = "TruncBackward0", .doc = EBB_TEXT("The integer part of self."))
ROUNDING(round, "Tensor self, int decimals=0 -> Tensor", FLAT, .dtypes = EBB_NUMERIC, .node = "RoundBackward0",
         .node_variant = round_node,
         .doc = EBB_TEXT("self rounded to decimals places, halves to even. Integers stay as they are."),
         .samples = EBB_SAMPLES(SHAPES, "(2,3) decimals=1", "(3) decimals=-1", "! b(2)"), .domain = {-20, 20})
ROUNDING(frac, ONE, .dtypes = EBB_FLOATING, .node = "FracBackward0", .doc = EBB_TEXT("self - trunc(self)."),
         .vjp = frac_vjp, .formula = EBB_FORMULAS("g"),
         .samples = EBB_SAMPLES("(3,4)", "()", "(0,3)", "(2,1,3)", "! i5(4)"))
ROUNDING(
    nan_to_num, "Tensor self, float? nan=0, float? posinf=none, float? neginf=none -> Tensor",
    .node = "NanToNumBackward0",
    .doc = EBB_TEXT("self with NaN replaced by nan, infinity by posinf and -infinity by neginf; without these by the "
                    "greatest and the least finite number."),
    .vjp = nan_to_num_vjp, .saves = {EBB_IN(0)}, .formula = EBB_FORMULAS("where(isfinite(self), g, 0)"),
    .samples = EBB_SAMPLES(SHAPES, "b(2)", "(3) nan=1 posinf=0 neginf=-2"))
TEST(isnan, .doc = EBB_TEXT("Whether self is NaN."))
TEST(isinf, .doc = EBB_TEXT("Whether self is infinite."))
TEST(isfinite, .doc = EBB_TEXT("Whether self is neither infinite nor NaN."))
