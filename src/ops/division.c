/* Remainders, and quotients rounded to whole numbers. Integers divided by 0 are an error. */
#define EBB_FAMILY "Arithmetic"
#include "ops/reduce.h"

/* self = quotient * other + y, with a quotient that is flat nearly everywhere. */
static void mod_vjp(struct ebb_vjp_call *v, ebb_tensor *(*quotient)(ebb_tensor *, ebb_tensor *)) {
    if (v->needs[0]) ebb_vjp_give(v, 0, v->grad[0]);
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_neg(ebb_mul(v->grad[0], quotient(v->in[0], v->in[1]))));
}
static void fmod_vjp(struct ebb_vjp_call *v) { mod_vjp(v, ebb_div_trunc); }
static void remainder_vjp(struct ebb_vjp_call *v) { mod_vjp(v, ebb_floor_divide); }
static void flat_vjp(struct ebb_vjp_call *v) {
    for (int i = 0; i < 2; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_zero(v->grad[0]));
}

static ebb_status check_divisor(const void *attrs, ebb_tensor *const *in, int64_t n_in, ebb_dtype dtype) {
    const ebb_tensor *x = in[1];
    int64_t nonzero = 0;
    (void)attrs;
    if (ebb_dtype_is_floating(dtype)) return EBB_OK;
    for (int64_t i = 0; i < n_in; i++)
        if (in[i]->numel == 0) return EBB_OK; /* nothing is divided */
    struct ebb__reduction r = ebb__reduction_of(x, &EBB_NO_DIMS, sizeof nonzero);
    ebb_status status = ebb__reduce_fold(EBB__FOLD_COUNT, x->ndim, x->dims, (ebb_dtype)x->dtype, x->data, r.from,
                                         EBB_I64, &nonzero, r.to);
    if (status || nonzero == x->numel) return status;
    return ebb_fail(EBB_ERR_ARGUMENT, "integer division by 0");
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
                                       .check = check_divisor, \
                                       .inplace = true, \
                                       .samples = \
                                           EBB_SAMPLES("(3,4) (3,4)", "(3,4) (4)", "(2,1,3) (4,1)", "() (3)", \
                                                       "(2,3) 2.5", "1.5 (2,3)", "(2,3) -2", "(0,3) (3)", "i5(4) (4)", \
                                                       "! (3) (4)", "! b(2) b(2)", "! i5(3) 0", "i5(0) 0"), \
                                       .domain = {0.3, 5}, \
                                       __VA_ARGS__};
#define ZERO_DIVISOR " Integers divided by 0 are an error."

DIVISION(fmod, .torch = EBB_TEXT("torch.fmod"), .node = "FmodBackward1", .node_variant = fmod_node, .vjp = fmod_vjp,
         .doc = EBB_TEXT("The remainder of self / other with the sign of self." ZERO_DIVISOR),
         .saves = {0, EBB_IN(0) | EBB_IN(1)}, .formula = EBB_FORMULAS("g", "-g * trunc(self / other)"))
DIVISION(remainder, .torch = EBB_TEXT("torch.remainder"), .node = "RemainderBackward1", .node_variant = remainder_node,
         .vjp = remainder_vjp, .doc = EBB_TEXT("The remainder of self / other with the sign of other." ZERO_DIVISOR),
         .saves = {0, EBB_IN(0) | EBB_IN(1)}, .formula = EBB_FORMULAS("g", "-g * floor(self / other)"))
DIVISION(
    floor_divide, .torch = EBB_TEXT("torch.floor_divide"), .node = "DivBackward2", .vjp = flat_vjp,
    .doc = EBB_TEXT(
        "self / other rounded down, PyTorch's div with rounding_mode='floor'; integers stay integers." ZERO_DIVISOR),
    .formula = EBB_FORMULAS("0", "0"))
DIVISION(
    div_trunc, .torch = EBB_TEXT("torch.div"), .node = "DivBackward2", .vjp = flat_vjp,
    .doc = EBB_TEXT(
        "self / other rounded towards 0, PyTorch's div with rounding_mode='trunc'; integers stay integers." ZERO_DIVISOR),
    .formula = EBB_FORMULAS("0", "0"))

/* ---- div with a rounding mode ---- */

static ebb_tensor *div_mode_compose(struct ebb_forward *f) {
    static ebb_tensor *(*const by_mode[])(ebb_tensor *, ebb_tensor *) = {ebb_div, ebb_div_trunc, ebb_floor_divide};
    return by_mode[((const struct ebb__attrs_div_mode *)f->attrs)->rounding_mode](f->in[0], f->in[1]);
}

static void div_mode_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *a = v->in[0], *b = v->in[1], *g = v->grad[0];
    if (((const struct ebb__attrs_div_mode *)v->attrs)->rounding_mode != EBB_ROUNDING_NONE) {
        flat_vjp(v);
        return;
    }
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_div(g, b));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_neg(ebb_mul(g, ebb_div(ebb_div(a, b), b))));
}

const struct ebb_op ebb_op_div_mode = {
    EBB_SIGNATURE(div_mode, "Number self, Number other, enum(none|trunc|floor) rounding_mode -> Tensor"),
    .doc = EBB_TEXT(
        "self / other, rounded towards 0 by EBB_ROUNDING_TRUNC, down by EBB_ROUNDING_FLOOR, where integers stay "
        "integers." ZERO_DIVISOR),
    .torch = EBB_TEXT("torch.div(rounding_mode=)"),
    .overload = "div",
    .node = "DivBackward2",
    .inplace = true,
    .compose = div_mode_compose,
    .vjp = div_mode_vjp,
    .batch = ebb_batch_elementwise,
    .saves = {EBB_IN(1), EBB_IN(0) | EBB_IN(1)},
    .formula = EBB_FORMULAS("g / other if rounding_mode == 'none' else 0",
                            "-g * (self / other) / other if rounding_mode == 'none' else 0"),
    .samples =
        EBB_SAMPLES("(3,4) (3,4) rounding_mode=none", "(3,4) (4) rounding_mode=trunc",
                    "(2,1,3) (4,1) rounding_mode=floor", "() (3) rounding_mode=floor", "(2,3) -2.5 rounding_mode=none",
                    "1.5 (2,3) rounding_mode=trunc", "(0,3) (3) rounding_mode=none", "i5(4) 2 rounding_mode=floor",
                    "! (3) (4) rounding_mode=none", "! i5(3) 0 rounding_mode=trunc"),
    .domain = {0.3, 5},
};
