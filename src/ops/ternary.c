/* Elementwise operators of three tensors, and bounds: lerp, addcmul, addcdiv, clamp, masked_fill. */
#define EBB_FAMILY "Arithmetic"
#include "ops/batching.h"

/* ---- lerp, addcmul, addcdiv ---- */

static void lerp_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *g = v->grad[0], *weight = v->in[2];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_sub(g, ebb_mul(g, weight)));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mul(g, weight));
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_mul(g, ebb_sub(v->in[1], v->in[0])));
}

static void addcmul_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_addcmul *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, g);
    if (a->value.value != 1 && (v->needs[1] || v->needs[2])) g = ebb_mul(g, a->value.value);
    for (int i = 1; i < 3; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_mul(g, v->in[3 - i]));
}

static void addcdiv_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_addcdiv *a = v->attrs;
    ebb_tensor *g = v->grad[0], *b = v->in[1], *c = v->in[2];
    if (v->needs[0]) ebb_vjp_give(v, 0, g);
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mul(g, ebb_div(a->value.value, c)));
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_mul(g, ebb_mul(ebb_div(b, ebb_square(c)), -a->value.value)));
}

static const char *lerp_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[2]) ? "LerpBackward0" : "LerpBackward1";
}

#define TERNARY(op, text, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, text), \
                                       .torch = EBB_TEXT("torch." #op), \
                                       .promote = EBB_PROMOTE_COMMON, \
                                       .loops = ebb__loops_##op, \
                                       .vjp = op##_vjp, \
                                       .inplace = true, \
                                       __VA_ARGS__};
#define SHAPES "(3,4) (3,4) (3,4)", "(3,4) (4) (3,1)", "() (3) ()", "(0,3) (3) (1)", "! (3) (4) (3)"
#define SCALED "Tensor self, Tensor tensor1, Tensor tensor2, float? value=1 -> Tensor"

TERNARY(lerp, "Tensor self, Tensor end, Number weight -> Tensor", .dtypes = EBB_FLOATING, .node = "LerpBackward1",
        .node_variant = lerp_node, .doc = EBB_TEXT("self + weight * (end - self)."),
        .saves = {EBB_IN(2), EBB_IN(2), EBB_IN(0) | EBB_IN(1)},
        .formula = EBB_FORMULAS("g * (1 - weight)", "g * weight", "g * (end - self)"),
        .samples = EBB_SAMPLES(SHAPES, "(3,4) (4) 0.3", "(3) (3) 2", "! i5(3) i5(3) 1"))
TERNARY(addcmul, SCALED, .dtypes = EBB_NUMERIC, .node = "AddcmulBackward0",
        .doc = EBB_TEXT("self + value * tensor1 * tensor2; of integers value is truncated."),
        .saves = {0, EBB_IN(2), EBB_IN(1)}, .formula = EBB_FORMULAS("g", "g * value * tensor2", "g * value * tensor1"),
        .samples = EBB_SAMPLES(SHAPES, "(3,4) (4) () value=-2", "(3) (3) (3) value=0", "i5(3) i5(3) i5(3) value=3"))
TERNARY(addcdiv, SCALED, .dtypes = EBB_FLOATING, .node = "AddcdivBackward0",
        .doc = EBB_TEXT("self + value * tensor1 / tensor2."), .saves = {0, EBB_IN(2), EBB_IN(1) | EBB_IN(2)},
        .formula = EBB_FORMULAS("g", "g * value / tensor2", "-g * value * tensor1 / tensor2**2"), .domain = {0.3, 3},
        .samples = EBB_SAMPLES(SHAPES, "(3,4) (4) () value=-2", "(3) (3) (3) value=0", "! i5(3) i5(3) i5(3)"))

/* ---- clamp ---- */

static ebb_tensor *clamp_compose(struct ebb_forward *f) {
    ebb_tensor *x = f->in[0], *min = f->in[1], *max = f->in[2];
    if (!min && !max) {
        ebb_fail(EBB_ERR_ARGUMENT, "expected min, max or both, got neither");
        return NULL;
    }
    if (min) x = ebb_maximum(x, min);
    return max ? ebb_minimum(x, max) : x;
}

/* Both bounds belong to the inside. The upper one wins where they cross. */
static void clamp_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *x = v->in[0], *min = v->in[1], *max = v->in[2], *g = v->grad[0];
    ebb_tensor *below = min ? ebb_lt(x, min) : NULL, *above = max ? ebb_gt(x, max) : NULL;
    if (v->needs[0]) {
        ebb_tensor *inside = min ? ebb_where(ebb_ge(x, min), g, 0) : g;
        ebb_vjp_give(v, 0, max ? ebb_where(ebb_le(x, max), inside, 0) : inside);
    }
    if (v->needs[1]) {
        ebb_tensor *mine = ebb_where(below, g, 0);
        ebb_vjp_give(v, 1, max ? ebb_where(ebb_lt(min, max), mine, 0) : mine);
    }
    if (v->needs[2]) {
        if (min) above = ebb_logical_or(above, ebb_gt(min, max));
        ebb_vjp_give(v, 2, ebb_where(above, g, 0));
    }
}

static const char *clamp_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    bool tensor = (in[1] && !ebb_tensor_is_number(in[1])) || (in[2] && !ebb_tensor_is_number(in[2]));
    return tensor ? "ClampBackward0" : "ClampBackward1";
}

#define ALL (EBB_IN(0) | EBB_IN(1) | EBB_IN(2))
const struct ebb_op ebb_op_clamp = {
    EBB_SIGNATURE(clamp, "Tensor self, Number? min, Number? max -> Tensor"),
    .torch = EBB_TEXT("torch.clamp"),
    .doc = EBB_TEXT(
        "min(max(self, min), max), with bounds that are numbers or tensors; either may be absent. NaN stays NaN."),
    .node = "ClampBackward1",
    .node_variant = clamp_node,
    .promote = EBB_PROMOTE_COMMON,
    .inplace = true,
    .compose = clamp_compose,
    .vjp = clamp_vjp,
    .batch = ebb_batch_elementwise,
    .saves = {ALL, ALL, ALL},
    .formula = EBB_FORMULAS("where((min == None or min <= self) and (max == None or self <= max), g, 0)",
                            "where(self < min and (max == None or min < max), g, 0)",
                            "where(self > max or (min != None and min > max), g, 0)"),
    .samples = EBB_SAMPLES("(3,4) -0.5 0.5", "(3,4) -1", "() none 1", "(2,3) (3) (2,1)", "(4) (4) 1", "(4) none (3,4)",
                           "(0,3) 0 1", "i5(4) 1 3", "(3) 1 -1", "! (3)", "! (3) (4)"),
};

static void clamp_one_vjp(struct ebb_vjp_call *v, ebb_tensor *(*inside)(ebb_tensor *, ebb_tensor *),
                          ebb_tensor *(*outside)(ebb_tensor *, ebb_tensor *)) {
    ebb_tensor *x = v->in[0], *bound = v->in[1], *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_where(inside(x, bound), g, 0));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_where(outside(x, bound), g, 0));
}
static void clamp_min_vjp(struct ebb_vjp_call *v) { clamp_one_vjp(v, ebb_ge, ebb_lt); }
static void clamp_max_vjp(struct ebb_vjp_call *v) { clamp_one_vjp(v, ebb_le, ebb_gt); }

static const char *clamp_min_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[1]) ? "ClampMinBackward0" : "ClampMinBackward1";
}
static const char *clamp_max_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[1]) ? "ClampMaxBackward0" : "ClampMaxBackward1";
}

#define CLAMP(op, bound, ...) \
    const struct ebb_op ebb_op_##op = { \
        EBB_SIGNATURE(op, "Tensor self, Number " #bound " -> Tensor"), \
        .torch = EBB_TEXT("torch." #op), \
        .promote = EBB_PROMOTE_COMMON, \
        .inplace = true, \
        .vjp = op##_vjp, \
        .node_variant = op##_node, \
        .saves = {EBB_IN(0) | EBB_IN(1), EBB_IN(0) | EBB_IN(1)}, \
        .samples = EBB_SAMPLES("(3,4) 0.5", "(2,3) (3)", "() (2)", "(0,3) 1", "i5(4) 2", "(4) (3,4)", "! (3) (4)"), \
        __VA_ARGS__};
CLAMP(clamp_min, min, .loops = ebb__loops_maximum, .node = "ClampMinBackward0",
      .doc = EBB_TEXT("max(self, min), with a bound that is a number or a tensor. NaN stays NaN."),
      .formula = EBB_FORMULAS("where(self >= min, g, 0)", "where(self < min, g, 0)"))
CLAMP(clamp_max, max, .loops = ebb__loops_minimum, .node = "ClampMaxBackward0",
      .doc = EBB_TEXT("min(self, max), with a bound that is a number or a tensor. NaN stays NaN."),
      .formula = EBB_FORMULAS("where(self <= max, g, 0)", "where(self > max, g, 0)"))

/* ---- masked_fill ---- */

static ebb_status fill_infer(struct ebb_infer *f) {
    if (f->in[1].dtype != EBB_BOOL)
        return ebb_fail(EBB_ERR_DTYPE, "expected a bool mask, got %s", ebb_dtype_name(f->in[1].dtype));
    if (f->in[2].shape.n != 0)
        return ebb_fail(EBB_ERR_SHAPE, "expected a number or a 0-d value, got %d dimensions", f->in[2].shape.n);
    f->out[0].shape = f->in[0].shape;
    if (!ebb__broadcast(&f->out[0].shape, &f->in[1].shape))
        return ebb_fail(EBB_ERR_SHAPE, "shapes of self and mask do not broadcast");
    return EBB_OK;
}

static ebb_status fill_forward(struct ebb_forward *f) {
    ebb_tensor *const t[] = {f->out[0], f->in[1], f->in[2], f->in[0]};
    struct ebb__plan plan;
    ebb__plan_make(&plan, 4, t);
    ebb__plan_run(&plan, ebb__loops_where[f->out[0]->dtype], NULL);
    return EBB_OK;
}

static void fill_vjp(struct ebb_vjp_call *v) {
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_where(v->in[1], 0, v->grad[0]));
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_where(v->in[1], v->grad[0], 0));
}

static const char *fill_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[2]) ? "MaskedFillBackward0" : "MaskedFillBackward1";
}

/* A value of each sample is where's. */
static void masked_fill_batch(struct ebb_batch_call *b) {
    int ndim = ebb__batch_ndim(b, 0) > ebb__batch_ndim(b, 1) ? ebb__batch_ndim(b, 0) : ebb__batch_ndim(b, 1);
    if (!b->batched[2]) {
        ebb_batch_elementwise(b);
        return;
    }
    ebb_tensor *self = ebb__batch_input(b, 0, ndim), *mask = ebb__batch_input(b, 1, ndim);
    ebb_tensor *value = self ? ebb_to(ebb__batch_input(b, 2, ndim), ebb_tensor_dtype(self)) : NULL;
    ebb_batch_give(b, 0, ebb_where(mask, value, self));
}

const struct ebb_op ebb_op_masked_fill = {
    EBB_SIGNATURE(masked_fill, "Tensor self, Tensor mask, Number value -> Tensor"),
    .torch = EBB_TEXT("torch.masked_fill"),
    .doc = EBB_TEXT(
        "value where mask (bool) is true, else self; self and mask broadcast. value has no dimension and becomes "
        "what self's dtype makes of it."),
    .node = "MaskedFillBackward0",
    .node_variant = fill_node,
    .promote = EBB_PROMOTE_FIRST,
    .keeps = EBB_IN(1),
    .inplace = true,
    .updates = true,
    .infer = fill_infer,
    .forward = fill_forward,
    .vjp = fill_vjp,
    .batch = masked_fill_batch,
    .saves = {EBB_IN(1), 0, EBB_IN(1)},
    .formula = EBB_FORMULAS("where(mask, 0, g)", "", "sum(where(mask, g, 0))"),
    .samples = EBB_SAMPLES("(3,4) b(3,4) 0.5", "(3,4) b(4) ()", "() b(3) 2", "(0,3) b(3) 1", "i5(4) b(4) 2",
                           "(3,1) b(4) ()", "! (3) (3) 1", "! (3) b(3) (3)", "! (3) b(4) 1"),
};
