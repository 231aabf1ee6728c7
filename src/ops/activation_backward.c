/* The gradients of relu, sigmoid and tanh as operators of one loop each, with derivatives of their own. */
#define EBB_FAMILY "Activations"
#include "ops/ops.h"

static void threshold_backward_vjp(struct ebb_vjp_call *v) {
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_threshold_backward(v->grad[0], v->in[1]));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_zero(v->grad[0]));
}

static void sigmoid_backward_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *grad = v->in[0], *y = v->in[1], *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_sigmoid_backward(g, y));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mul(ebb_mul(g, grad), ebb_sub(1, ebb_mul(y, 2))));
}

static void tanh_backward_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *grad = v->in[0], *y = v->in[1], *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_tanh_backward(g, y));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mul(ebb_mul(g, grad), ebb_mul(y, -2)));
}

#define BACKWARD(op, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, "Tensor grad_output, Tensor output -> Tensor"), \
                                       .torch = EBB_TEXT("torch.ops.aten." #op), \
                                       .promote = EBB_PROMOTE_COMMON, \
                                       .dtypes = EBB_FLOATING, \
                                       .loops = ebb__loops_##op, \
                                       .vjp = op##_vjp, \
                                       .samples = EBB_SAMPLES("(3,4) (3,4)", "() ()", "(0,3) (0,3)", "! (3) (4)"), \
                                       __VA_ARGS__};

BACKWARD(threshold_backward, .node = "ThresholdBackwardBackward0",
         .doc = EBB_TEXT("The gradient of relu: grad_output where output, relu's result, is above 0 or NaN, else 0."),
         .saves = {EBB_IN(1), 0}, .formula = EBB_FORMULAS("where(output > 0, g, 0)", "0"))
BACKWARD(sigmoid_backward, .node = "SigmoidBackwardBackward0",
         .doc = EBB_TEXT("The gradient of sigmoid: grad_output * (1 - output) * output, with sigmoid's result."),
         .saves = {EBB_IN(1), EBB_IN(0) | EBB_IN(1)},
         .formula = EBB_FORMULAS("g * (1 - output) * output", "g * grad_output * (1 - 2 * output)"))
BACKWARD(tanh_backward, .node = "TanhBackwardBackward0",
         .doc = EBB_TEXT("The gradient of tanh: grad_output * (1 - output * output), with tanh's result."),
         .saves = {EBB_IN(1), EBB_IN(0) | EBB_IN(1)},
         .formula = EBB_FORMULAS("g * (1 - output * output)", "-2 * g * grad_output * output"))
