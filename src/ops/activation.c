/* Activations of neural networks, besides relu, sigmoid and tanh (unary.c) and softmax. */
#define EBB_FAMILY "Activations"
#include "ops/create.h"

#define SQRT_2_BY_PI 0.79788456080286535588

static void leaky_relu_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_leaky_relu *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    ebb_vjp_give(v, 0, ebb_where(ebb_gt(v->in[0], 0), g, ebb_mul(g, a->negative_slope.value)));
}

/* slope * exp(x) up to 0, else 1. The exponential is taken below 0 only: above, its overflow would come back in the
 * second derivative as 0 times infinity, and at 0 that derivative is 0. */
static ebb_tensor *elu_grad(ebb_tensor *g, ebb_tensor *x, double slope, double stretch) {
    ebb_tensor *e = ebb_exp(ebb_mul(ebb_where(ebb_ge(x, 0), 0, x), 1 / stretch));
    return ebb_where(ebb_gt(x, 0), g, ebb_mul(g, ebb_mul(e, slope)));
}
static void elu_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_elu *a = v->attrs;
    ebb_vjp_give(v, 0, elu_grad(v->grad[0], v->in[0], a->alpha.value, 1));
}
static void celu_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_celu *a = v->attrs;
    ebb_vjp_give(v, 0, elu_grad(v->grad[0], v->in[0], 1, a->alpha.value));
}

/* Klambauer et al. 2017: the fixed point of mean 0 and variance 1. */
#define SELU_ALPHA 1.6732632423543772848170429916717
#define SELU_SCALE 1.0507009873554804934193349852946
static ebb_tensor *selu_compose(struct ebb_forward *f) {
    return ebb_mul(ebb_elu(f->in[0], .alpha = EBB_SET(SELU_ALPHA)), SELU_SCALE);
}
static void selu_vjp(struct ebb_vjp_call *v) {
    ebb_vjp_give(v, 0, ebb_mul(elu_grad(v->grad[0], v->in[0], SELU_ALPHA, 1), SELU_SCALE));
}

static void silu_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *x = v->in[0], *s = ebb_sigmoid(x);
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], ebb_mul(s, ebb_add(ebb_mul(x, ebb_sub(1, s)), 1))));
}

/* One loop for each way of approximation. */
#define GELU_LOOPS(op) \
    static void op##_f32(int64_t n, char *const *p, const int64_t *stride, const void *attrs) { \
        bool approximate = ((const struct ebb__attrs_##op *)attrs)->approximate; \
        (approximate ? TANH_##op : ebb__loops_##op)[EBB_F32](n, p, stride, NULL); \
    } \
    static void op##_f64(int64_t n, char *const *p, const int64_t *stride, const void *attrs) { \
        bool approximate = ((const struct ebb__attrs_##op *)attrs)->approximate; \
        (approximate ? TANH_##op : ebb__loops_##op)[EBB_F64](n, p, stride, NULL); \
    } \
    static const ebb_loop op##_loops[EBB_DTYPE_COUNT] = {[EBB_F32] = op##_f32, [EBB_F64] = op##_f64};
#define TANH_gelu ebb__loops_gelu_tanh
#define TANH_gelu_backward ebb__loops_gelu_tanh_backward
GELU_LOOPS(gelu)
GELU_LOOPS(gelu_backward)

static void gelu_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_gelu *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_gelu_backward(v->grad[0], v->in[0], .approximate = a->approximate));
}

/* y = x P(x) with the normal distribution P and its density p: y'' = 2 p - x^2 p. What is squared is kept where the
 * density is not 0 yet, so that 0 times infinity comes up in no derivative. */
static ebb_tensor *gelu_curvature(ebb_tensor *x) {
    ebb_tensor *z = ebb_clamp(x, .min = EBB_NUM(-40), .max = EBB_NUM(40));
    ebb_tensor *density = ebb_mul(ebb_exp(ebb_mul(ebb_square(z), -0.5)), SQRT_2_BY_PI / 2);
    return ebb_sub(ebb_mul(density, 2), ebb_mul(ebb_mul(z, density), x));
}

/* The same with P = (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3): y'' = s u' + x s (u'' / 2 - tanh(u) u'^2),
 * s = 1 - tanh(u)^2, which is 0 from 22 on. */
static ebb_tensor *gelu_tanh_curvature(ebb_tensor *x) {
    ebb_tensor *z = ebb_clamp(x, .min = EBB_NUM(-22), .max = EBB_NUM(22)), *square = ebb_square(z);
    ebb_tensor *t = ebb_tanh(ebb_mul(ebb_mul(z, ebb_add(ebb_mul(square, 0.044715), 1)), SQRT_2_BY_PI));
    ebb_tensor *du = ebb_mul(ebb_add(ebb_mul(square, 3 * 0.044715), 1), SQRT_2_BY_PI);
    ebb_tensor *s = ebb_sub(1, ebb_square(t));
    ebb_tensor *inner = ebb_sub(ebb_mul(z, 3 * 0.044715 * SQRT_2_BY_PI), ebb_mul(t, ebb_square(du)));
    return ebb_add(ebb_mul(s, du), ebb_mul(ebb_mul(s, inner), x));
}

static void gelu_backward_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_gelu_backward *a = v->attrs;
    ebb_tensor *g = v->grad[0], *grad = v->in[0], *x = v->in[1];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_gelu_backward(g, x, .approximate = a->approximate));
    if (!v->needs[1]) return;
    ebb_vjp_give(v, 1, ebb_mul(ebb_mul(g, grad), a->approximate ? gelu_tanh_curvature(x) : gelu_curvature(x)));
}

static void mish_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *x = v->in[0], *t = ebb_tanh(ebb_softplus(x)), *s = ebb_sigmoid(x);
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], ebb_add(t, ebb_mul(ebb_mul(x, s), ebb_sub(1, ebb_square(t))))));
}

static void softplus_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_softplus *a = v->attrs;
    double threshold = a->threshold.value;
    ebb_tensor *g = v->grad[0], *z = ebb_mul(v->in[0], a->beta.value);
    ebb_tensor *inner = ebb_sigmoid(ebb_where(ebb_ge(z, threshold), threshold, z)); /* flat at the threshold itself */
    ebb_vjp_give(v, 0, ebb_where(ebb_gt(z, threshold), g, ebb_mul(g, inner)));
}

static ebb_tensor *softsign_compose(struct ebb_forward *f) { return ebb_div(f->in[0], ebb_add(ebb_abs(f->in[0]), 1)); }

/* Strictly between the bounds, where the slope is g. NaN is not, as in PyTorch's vector code; its scalar code
 * differs. */
static ebb_tensor *between(ebb_tensor *x, double low, double high, ebb_tensor *g) {
    return ebb_where(ebb_logical_and(ebb_gt(x, low), ebb_lt(x, high)), g, 0);
}
static ebb_status check_hardtanh(const void *attrs, ebb_tensor *const *in, int64_t n_in, ebb_dtype dtype) {
    const struct ebb__attrs_hardtanh *a = attrs;
    (void)in, (void)n_in;
    if (a->min_val.value > a->max_val.value) return ebb_fail(EBB_ERR_ARGUMENT, "min_val is greater than max_val");
    ebb_status status = ebb__check_number(dtype, &a->min_val); /* of integers, once their fraction is gone */
    return status ? status : ebb__check_number(dtype, &a->max_val);
}
static void hardtanh_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_hardtanh *a = v->attrs;
    ebb_vjp_give(v, 0, between(v->in[0], a->min_val.value, a->max_val.value, v->grad[0]));
}
static ebb_tensor *relu6_compose(struct ebb_forward *f) {
    return ebb_hardtanh(f->in[0], .min_val = EBB_SET(0), .max_val = EBB_SET(6));
}
static void relu6_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, between(v->in[0], 0, 6, v->grad[0])); }
static void hardsigmoid_vjp(struct ebb_vjp_call *v) {
    ebb_vjp_give(v, 0, between(v->in[0], -3, 3, ebb_mul(v->grad[0], 1.0 / 6)));
}
static void hardswish_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *x = v->in[0], *g = v->grad[0], *beyond = ebb_ge(ebb_abs(x), 3);
    ebb_tensor *inner = ebb_mul(g, ebb_add(ebb_mul(ebb_where(beyond, 0, x), 1.0 / 3), 0.5));
    ebb_vjp_give(v, 0, ebb_where(beyond, ebb_where(ebb_gt(x, 0), g, 0), inner));
}

static void logsigmoid_vjp(struct ebb_vjp_call *v) {
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], ebb_sigmoid(ebb_neg(v->in[0]))));
}

static void threshold_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_threshold *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_where(ebb_le(v->in[0], a->threshold.value), 0, v->grad[0]));
}

static ebb_tensor *shrink_slope(ebb_tensor *x, double lambd, ebb_tensor *g) {
    return ebb_where(ebb_le(ebb_abs(x), lambd), 0, g);
}
static void hardshrink_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_hardshrink *a = v->attrs;
    ebb_vjp_give(v, 0, shrink_slope(v->in[0], a->lambd.value, v->grad[0]));
}
static ebb_status check_softshrink(const void *attrs, ebb_tensor *const *in, int64_t n_in, ebb_dtype dtype) {
    const struct ebb__attrs_softshrink *a = attrs;
    (void)in, (void)n_in, (void)dtype;
    if (a->lambd.value >= 0) return EBB_OK;
    return ebb_fail(EBB_ERR_ARGUMENT, "lambd must not be negative, got %g", a->lambd.value);
}
static void softshrink_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_softshrink *a = v->attrs;
    ebb_vjp_give(v, 0, shrink_slope(v->in[0], a->lambd.value, v->grad[0]));
}
static ebb_tensor *tanhshrink_compose(struct ebb_forward *f) { return ebb_sub(f->in[0], ebb_tanh(f->in[0])); }

/* ---- prelu ---- */

static void prelu_kernel_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *x = v->in[0], *g = v->grad[0], *above = ebb_gt(x, 0);
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_where(above, g, ebb_mul(g, v->in[1])));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_where(above, 0, ebb_mul(g, x)));
}

/* weight has one element, or one for each of the channels in dimension 1. */
static ebb_tensor *prelu_compose(struct ebb_forward *f) {
    ebb_tensor *x = f->in[0], *weight = f->in[1];
    int64_t n = ebb_tensor_numel(weight), channels = ebb_tensor_ndim(x) > 1 ? ebb_tensor_shape(x).d[1] : 1;
    if (ebb_tensor_ndim(weight) > 1 || (n != 1 && n != channels)) {
        ebb_fail(EBB_ERR_SHAPE, "expected a weight of 1 or %lld elements in at most one dimension",
                 (long long)channels);
        return NULL;
    }
    ebb_dims shape = {{0}, n == 1 ? 0 : ebb_tensor_ndim(x)};
    for (int i = 0; i < shape.n; i++) shape.d[i] = i == 1 ? n : 1;
    return ebb_prelu_kernel(x, ebb_reshape(weight, shape));
}

/* ---- glu ---- */

static int64_t glu_dim(const void *attrs, const ebb_tensor *x) {
    const struct ebb__attrs_glu *a = attrs;
    return a->dim.n ? a->dim.d[0] : ebb_tensor_ndim(x) - 1;
}

static ebb_tensor *glu_half(ebb_tensor *x, int64_t dim, int which) {
    int64_t half = ebb_tensor_shape(x).d[dim] / 2;
    return ebb_narrow(x, dim, which * half, half);
}

static ebb_tensor *glu_compose(struct ebb_forward *f) {
    ebb_tensor *x = f->in[0];
    const struct ebb__attrs_glu *a = f->attrs;
    int64_t dim = glu_dim(a, x);
    if (a->dim.n > 1 || dim < 0 || ebb_tensor_shape(x).d[dim] % 2) {
        ebb_fail(EBB_ERR_SHAPE, "expected one dimension of an even size to halve");
        return NULL;
    }
    return ebb_mul(glu_half(x, dim, 0), ebb_sigmoid(glu_half(x, dim, 1)));
}

static void glu_vjp(struct ebb_vjp_call *v) {
    int64_t dim = glu_dim(v->attrs, v->in[0]);
    ebb_tensor *s = ebb_sigmoid(glu_half(v->in[0], dim, 1)), *first = ebb_mul(v->grad[0], s);
    ebb_tensor *second = ebb_mul(first, ebb_mul(glu_half(v->in[0], dim, 0), ebb_sub(1, s)));
    ebb_vjp_give(v, 0, ebb_cat(EBB_LIST(first, second), dim));
}

/* ---- the definitions ---- */

#define ACTIVATION_OF(accepted, op, text, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, text), .torch = EBB_TEXT("torch.nn.functional." #op), \
                                       .promote = EBB_PROMOTE_COMMON, .dtypes = accepted, __VA_ARGS__};
#define ACTIVATION(op, text, ...) ACTIVATION_OF(EBB_FLOATING, op, text, __VA_ARGS__)
#define LOOP(op) .loops = ebb__loops_##op, .vjp = op##_vjp, .saves = {EBB_IN(0)}, .inplace = true
#define ONE "Tensor self -> Tensor"
#define SHAPES "(3,4)", "()", "(0,3)", "(2,1,3)"
#define SAMPLES .samples = EBB_SAMPLES(SHAPES, "! i5(4)")
#define WIDE .domain = {-5, 5} /* beyond the bounds */

ACTIVATION(leaky_relu, "Tensor self, float? negative_slope=0.01 -> Tensor", LOOP(leaky_relu),
           .node = "LeakyReluBackward0", .doc = EBB_TEXT("self above 0, else negative_slope * self."),
           .formula = EBB_FORMULAS("where(self > 0, g, g * negative_slope)"),
           .samples = EBB_SAMPLES(SHAPES, "(3,4) negative_slope=0.2", "(4) negative_slope=0", "! i5(4)"))
ACTIVATION(elu, "Tensor self, float? alpha=1 -> Tensor", LOOP(elu), .node = "EluBackward0",
           .doc = EBB_TEXT("self above 0, else alpha * (exp(self) - 1)."),
           .formula = EBB_FORMULAS("where(self > 0, g, g * alpha * exp(self))"),
           .samples = EBB_SAMPLES(SHAPES, "(3,4) alpha=0.5", "(4) alpha=0", "! i5(4)"))
ACTIVATION(celu, "Tensor self, float? alpha=1 -> Tensor", LOOP(celu), .node = "CeluBackward0",
           .doc = EBB_TEXT("self above 0, else alpha * (exp(self / alpha) - 1)."),
           .formula = EBB_FORMULAS("where(self > 0, g, g * exp(self / alpha))"),
           .samples = EBB_SAMPLES(SHAPES, "(3,4) alpha=0.5", "! i5(4)"))
ACTIVATION(selu, ONE, SAMPLES, .batch = ebb_batch_elementwise, .compose = selu_compose, .vjp = selu_vjp,
           .saves = {EBB_IN(0)}, .inplace = true, .node = "EluBackward0",
           .doc = EBB_TEXT("scale * elu(self, alpha) with alpha = 1.6732632 and scale = 1.0507010."),
           .formula = EBB_FORMULAS("1.0507009873554805 * where(self > 0, g, g * 1.6732632423543772 * exp(self))"))
ACTIVATION(silu, ONE, SAMPLES, LOOP(silu), .node = "SiluBackward0",
           .doc = EBB_TEXT("self * sigmoid(self), also called swish."),
           .formula = EBB_FORMULAS("s = sigmoid(self); g * s * (1 + self * (1 - s))"))
ACTIVATION(gelu, "Tensor self, enum(none|tanh) approximate=none -> Tensor", .loops = gelu_loops, .vjp = gelu_vjp,
           .saves = {EBB_IN(0)}, .inplace = true, .node = "GeluBackward0",
           .doc = EBB_TEXT(
               "self * P(self) with the normal distribution P(x) = (1 + erf(x / sqrt(2))) / 2, or its approximation "
               "(1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2."),
           .formula = EBB_FORMULAS(
               "t = tanh(sqrt(2 / pi) * (self + 0.044715 * self**3)); "
               "g * ((1 + erf(self / sqrt(2))) / 2 + self * exp(-self**2 / 2) / sqrt(2 * pi)) if approximate == "
               "'none' else g * ((1 + t) / 2 + self * (1 - t**2) / 2 * sqrt(2 / pi) * (1 + 0.134145 * self**2))"),
           .samples = EBB_SAMPLES(SHAPES, "(3,4) approximate=tanh", "() approximate=tanh", "! i5(4)"))
#define DENSITY "exp(-self**2 / 2) / sqrt(2 * pi)"
const struct ebb_op ebb_op_gelu_backward = {
    EBB_SIGNATURE(gelu_backward, "Tensor grad_output, Tensor self, enum(none|tanh) approximate=none -> Tensor"),
    .torch = EBB_TEXT("torch.ops.aten.gelu_backward"),
    .node = "GeluBackwardBackward0",
    .doc = EBB_TEXT("The gradient of gelu: grad_output times its derivative at self."),
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .loops = gelu_backward_loops,
    .vjp = gelu_backward_vjp,
    .saves = {EBB_IN(1), EBB_IN(0) | EBB_IN(1)},
    .formula = EBB_FORMULAS(
        "t = tanh(sqrt(2 / pi) * (self + 0.044715 * self**3)); "
        "g * ((1 + erf(self / sqrt(2))) / 2 + self * " DENSITY ") if approximate == 'none' else "
        "g * ((1 + t) / 2 + self * (1 - t**2) / 2 * sqrt(2 / pi) * (1 + 0.134145 * self**2))",
        "t = tanh(sqrt(2 / pi) * (self + 0.044715 * self**3)); d = sqrt(2 / pi) * (1 + 0.134145 * self**2); "
        "g * grad_output * (2 - self**2) * " DENSITY " if approximate == 'none' else "
        "g * grad_output * (1 - t**2) * (d + self * (sqrt(2 / pi) * 0.134145 * self - t * d**2))"),
    .samples = EBB_SAMPLES("(3,4) (3,4)", "() ()", "(0,3) (0,3)", "(3,4) (3,4) approximate=tanh",
                           "() () approximate=tanh", "! (3) (4)", "! i5(3) i5(3)"),
};
ACTIVATION(mish, ONE, SAMPLES, LOOP(mish), .node = "MishBackward0", .doc = EBB_TEXT("self * tanh(softplus(self))."),
           .formula = EBB_FORMULAS("t = tanh(softplus(self)); g * (t + self * sigmoid(self) * (1 - t**2))"))
ACTIVATION(softplus, "Tensor self, float? beta=1, float? threshold=20 -> Tensor", LOOP(softplus),
           .node = "SoftplusBackward0",
           .doc = EBB_TEXT("log(1 + exp(beta * self)) / beta; self itself where beta * self is above threshold."),
           .formula = EBB_FORMULAS("where(beta * self > threshold, g, g * sigmoid(beta * self))"),
           .samples = EBB_SAMPLES(SHAPES, "(3,4) beta=2 threshold=1", "(4) threshold=0", "! i5(4)"))
ACTIVATION(softsign, ONE, .samples = EBB_SAMPLES(SHAPES, "i5(4)"), .compose = softsign_compose,
           .parts = EBB_TEXT("self / (1 + abs(self))"), .doc = EBB_TEXT("self / (1 + |self|)."))
ACTIVATION_OF(EBB_NUMERIC, hardtanh, "Tensor self, float? min_val=-1, float? max_val=1 -> Tensor", LOOP(hardtanh),
              .node = "HardtanhBackward0", .doc = EBB_TEXT("self, but at least min_val and at most max_val."),
              .formula = EBB_FORMULAS("where(min_val < self < max_val, g, 0)"), .check = check_hardtanh,
              .samples = EBB_SAMPLES(SHAPES, "(3,4) min_val=0 max_val=0.5", "i5(4) min_val=1 max_val=3", "! b(4)",
                                     "! (4) min_val=1 max_val=0"))
ACTIVATION_OF(EBB_NUMERIC, relu6, ONE, WIDE, .samples = EBB_SAMPLES(SHAPES, "i5(4)", "! b(4)"),
              .batch = ebb_batch_elementwise, .compose = relu6_compose, .vjp = relu6_vjp, .saves = {EBB_IN(0)},
              .inplace = true, .node = "HardtanhBackward0", .doc = EBB_TEXT("min(max(self, 0), 6)."),
              .formula = EBB_FORMULAS("where(0 < self < 6, g, 0)"))
ACTIVATION(hardswish, ONE, SAMPLES, WIDE, LOOP(hardswish), .node = "HardswishBackward0",
           .doc = EBB_TEXT("self * relu6(self + 3) / 6."),
           .formula = EBB_FORMULAS("where(-3 < self < 3, g * (self / 3 + 0.5), where(self > 0, g, 0))"))
ACTIVATION(hardsigmoid, ONE, SAMPLES, WIDE, LOOP(hardsigmoid), .node = "HardsigmoidBackward0",
           .doc = EBB_TEXT("relu6(self + 3) / 6."), .formula = EBB_FORMULAS("where(-3 < self < 3, g / 6, 0)"))
ACTIVATION(logsigmoid, ONE, SAMPLES, LOOP(logsigmoid), .node = "LogSigmoidBackward0",
           .doc = EBB_TEXT("log(sigmoid(self)), without overflow."), .formula = EBB_FORMULAS("g * sigmoid(-self)"))
ACTIVATION_OF(EBB_NUMERIC, threshold, "Tensor self, number threshold, number value -> Tensor", LOOP(threshold),
              .node = "ThresholdBackward0", .doc = EBB_TEXT("self above threshold, else value."),
              .formula = EBB_FORMULAS("where(self > threshold, g, 0)"),
              .samples = EBB_SAMPLES("(3,4) threshold=0.1 value=20", "() threshold=0 value=-1",
                                     "(0,3) threshold=1 value=0", "i5(4) threshold=1 value=7",
                                     "uint8(4) threshold=1 value=-9", "! b(4) threshold=0 value=0"))
ACTIVATION(hardshrink, "Tensor self, float? lambd=0.5 -> Tensor", LOOP(hardshrink), .node = "HardshrinkBackward0",
           .doc = EBB_TEXT("self, but 0 where -lambd <= self <= lambd."),
           .formula = EBB_FORMULAS("where(-lambd <= self <= lambd, 0, g)"),
           .samples = EBB_SAMPLES(SHAPES, "(3,4) lambd=1", "(4) lambd=0", "! i5(4)"))
ACTIVATION(softshrink, "Tensor self, float? lambd=0.5 -> Tensor", LOOP(softshrink), .node = "SoftshrinkBackward0",
           .doc = EBB_TEXT("self - lambd above lambd, self + lambd below -lambd, else 0."),
           .formula = EBB_FORMULAS("where(-lambd <= self <= lambd, 0, g)"),
           .samples = EBB_SAMPLES(SHAPES, "(3,4) lambd=1", "(4) lambd=0", "! i5(4)", "! (3) lambd=-1"),
           .check = check_softshrink)
ACTIVATION(tanhshrink, ONE, .samples = EBB_SAMPLES(SHAPES, "i5(4)"), .compose = tanhshrink_compose,
           .parts = EBB_TEXT("self - tanh(self)"), .doc = EBB_TEXT("self - tanh(self). Recorded as its parts."))
ACTIVATION(prelu_kernel, "Tensor self, Tensor weight -> Tensor", .loops = ebb__loops_prelu, .vjp = prelu_kernel_vjp,
           .saves = {EBB_IN(0) | EBB_IN(1), EBB_IN(0)}, .node = "PreluKernelBackward0",
           .doc = EBB_TEXT("self above 0, else weight * self, broadcast together."),
           .formula = EBB_FORMULAS("where(self > 0, g, g * weight)", "where(self > 0, 0, g * self)"),
           .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (4)", "() ()", "(0,3) (3)", "(2,1,3) (4,1)", "! (3) (4)"))
ACTIVATION(
    prelu, "Tensor self, Tensor weight -> Tensor", .autocast = EBB_AUTOCAST_LOW, .compose = prelu_compose,
    .parts = EBB_TEXT(
        "prelu_kernel(self, weight if len(weight.view(-1)) == 1 else weight.view([1, -1] + [1, 1, 1, 1, 1, 1][:self.ndim - 2]))"),
    .doc = EBB_TEXT(
        "self above 0, else weight * self, with one weight or one for each channel in dimension 1. Recorded as "
        "prelu_kernel."),
    .samples = EBB_SAMPLES("(3,4) (1)", "(2,3,4) (3)", "() ()", "(0,3) (3)", "(5) (1)", "! (3,4) (3)", "! (3,4) (1,4)"))
ACTIVATION(
    glu, "Tensor self, dims dim=last -> Tensor", .compose = glu_compose, .batch = ebb_batch_dims, .vjp = glu_vjp,
    .saves = {EBB_IN(0)}, .node = "GluBackward0",
    .doc = EBB_TEXT(
        "a * sigmoid(b), where a and b are the halves of self along the one dimension in dim, by default the "
        "last."),
    .formula = EBB_FORMULAS(
        "d = dim[0] if dim else -1; a, b = chunk(self, 2, d); s = sigmoid(b); cat([g * s, g * a * s * (1 - s)], d)"),
    .samples = EBB_SAMPLES("(3,4)", "(4,3) dim=0", "(2,2,3) dim=-2", "(0,4)", "! (3,3)", "! ()", "! (2,2) dim=(0,1)"))
