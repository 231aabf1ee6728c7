/* Dropout in its forms: of elements, of channels, and with the mean and variance of SELU kept. */
#define EBB_FAMILY "Dropout"
#include "ops/ops.h"
#include <math.h>

static bool is_probability(double p) {
    if (p >= 0 && p <= 1) return true;
    (void)ebb_fail(EBB_ERR_ARGUMENT, "p must lie between 0 and 1, got %g", p);
    return false;
}

/* ---- native_dropout and its backward ---- */

static ebb_status native_infer(struct ebb_infer *f) {
    const struct ebb__attrs_native_dropout *a = f->attrs;
    f->out[0].shape = f->out[1].shape = f->in[0].shape;
    f->out[1].dtype = EBB_BOOL;
    return is_probability(a->p) ? EBB_OK : ebb_error_status();
}

static ebb_status native_forward(struct ebb_forward *f) {
    const struct ebb__attrs_native_dropout *a = f->attrs;
    ebb_tensor *x = f->in[0], *y = f->out[0];
    uint64_t seed = ebb_get_rng_state().seed, first = ebb__rng_take(ebb__dropout_blocks(x->numel));
    ebb__dropout((ebb_dtype)x->dtype, seed, first, x->numel, a->p, x->data, y->data,
                 (uint8_t *)(void *)f->out[1]->data);
    return EBB_OK;
}

static void native_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_native_dropout *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_native_dropout_backward(v->grad[0], v->out[1], a->p == 1 ? 0 : 1 / (1 - a->p)));
}

const struct ebb_op ebb_op_native_dropout = {
    EBB_SIGNATURE(native_dropout, "Tensor input, float p -> Tensor output, Tensor mask"),
    .doc = EBB_TEXT(
        "Each element becomes 0 with probability p and is divided by 1 - p else; mask (bool) says which were kept. From the "
        "thread's generator: the same for a seed on every machine and with any number of threads."),
    .torch = EBB_TEXT("torch.native_dropout"),
    .node = "NativeDropoutBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = native_infer,
    .forward = native_forward,
    .vjp = native_vjp,
    .batch = ebb_batch_random,
    .saves = {EBB_OUT(1)},
    .formula = EBB_FORMULAS("g * mask * (0 if p == 1 else 1 / (1 - p))"),
    .samples = EBB_SAMPLES("(3,4) p=0.5", "(2,70) p=0.1", "() p=0.5", "(0,3) p=0.5", "(4) p=0", "(3) p=1",
                           "! (3) p=-0.1", "! (3) p=1.1", "! i5(3) p=0.5"),
};

static ebb_status backward_infer(struct ebb_infer *f) {
    f->out->shape = f->in[0].shape;
    if (f->in[1].dtype != EBB_BOOL)
        return ebb_fail(EBB_ERR_DTYPE, "expected a bool mask, got %s", ebb_dtype_name(f->in[1].dtype));
    if (ebb__dims_equal(&f->in[0].shape, &f->in[1].shape)) return EBB_OK;
    return ebb_fail(EBB_ERR_SHAPE, "grad_output and mask must have one shape");
}

static ebb_status backward_forward(struct ebb_forward *f) {
    const struct ebb__attrs_native_dropout_backward *a = f->attrs;
    ebb_tensor *const t[] = {f->out[0], f->in[0], f->in[1]};
    struct ebb__plan plan;
    ebb__plan_make(&plan, 3, t);
    ebb__plan_run(&plan, ebb__loops_masked_scale[f->out[0]->dtype], &a->scale);
    return EBB_OK;
}

static void backward_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_native_dropout_backward *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_native_dropout_backward(v->grad[0], v->in[1], a->scale));
}

const struct ebb_op ebb_op_native_dropout_backward = {
    EBB_SIGNATURE(native_dropout_backward, "Tensor grad_output, Tensor mask, float scale -> Tensor"),
    .doc = EBB_TEXT("The gradient of native_dropout: grad_output * mask * scale, with a bool mask."),
    .torch = EBB_TEXT("torch.ops.aten.native_dropout_backward"),
    .node = "NativeDropoutBackwardBackward0",
    .dtypes = EBB_FLOATING,
    .infer = backward_infer,
    .forward = backward_forward,
    .vjp = backward_vjp,
    .batch = ebb_batch_leading,
    .saves = {EBB_IN(1)},
    .formula = EBB_FORMULAS("g * mask * scale"),
    .samples = EBB_SAMPLES("(3,4) b(3,4) scale=2", "() b() scale=2", "(0,3) b(0,3) scale=2", "! (3) (3) scale=2",
                           "! (3) b(4) scale=2"),
};

/* ---- the forms ---- */

/* Ones of the input's shape, or of its first two dimensions for whole channels, dropped and scaled. */
static ebb_tensor *noise(ebb_tensor *x, double p, bool channels) {
    ebb_dims shape = ebb_tensor_shape(x);
    for (int i = 2; channels && i < shape.n; i++) shape.d[i] = 1;
    return ebb_native_dropout(ebb_ones(shape, .dtype = ebb_tensor_dtype(x)), p);
}

static ebb_tensor *dropped(ebb_tensor *x, double p, bool training, bool channels) {
    if (!is_probability(p)) return NULL;
    if (p == 0 || !training || !x->numel) return x;
    if (p == 1) return ebb_mul(x, 0);
    return channels ? ebb_mul(x, noise(x, p, true)) : ebb_native_dropout(x, p);
}

/* Klambauer et al. 2017, appendix: what is dropped becomes SELU's limit on the left, and an affine map restores mean 0
 * and variance 1. */
static ebb_tensor *alpha_dropped(ebb_tensor *x, double p, bool training, bool channels) {
    static const double limit = -1.7580993408473766;
    if (!is_probability(p)) return NULL;
    if (p == 0 || !training || !x->numel) return x;
    if (p == 1) return ebb_mul(x, 0);
    double scale = 1 / sqrt((1 + p * limit * limit) * (1 - p));
    ebb_tensor *kept = ebb_mul(noise(x, p, channels), scale * (1 - p)); /* scale or 0 */
    return ebb_add(ebb_mul(x, kept), ebb_mul(ebb_sub(kept, scale * (1 - p)), -limit));
}

static int least_dims(const struct ebb_forward *f, int n, ebb_tensor *x) {
    if (ebb_tensor_ndim(x) < n) (void)ebb_fail(EBB_ERR_SHAPE, "expected at least %d dimensions", n);
    else if (!ebb__op_dtype(f->op, f->in, f->n_in)) return 0;
    else return 1;
    return 0;
}

/* An operator NAME, with its dimensions and how it drops. */
#define DROPOUT(name_, default_, function, channels, least, ...) \
    static ebb_tensor *name_##_compose(struct ebb_forward *f) { \
        const struct ebb__attrs_##name_ *a = f->attrs; \
        if (!least_dims(f, least, f->in[0])) return NULL; \
        return function(f->in[0], a->p.value, a->training.value != 0, channels); \
    } \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor input, float? p=0.5, bool? training=" default_ " -> Tensor"), \
        .torch = EBB_TEXT("torch.nn.functional." #name_), .dtypes = EBB_FLOATING, .compose = name_##_compose, \
        __VA_ARGS__};
#define FAILURES "! (3,4) p=-0.1 training=true", "! (3,4) p=1.5 training=true", "! i5(3,4) training=true"
#define SAMPLES \
    .samples = EBB_SAMPLES("(3,4) training=true", "(3,4) p=0.1 training=true", "(3,4) training=false", \
                           "(3,4) p=1 training=true", "(2,0,3) training=true", "(2,3,4) training=true", FAILURES)

DROPOUT(
    dropout, "true", dropped, false, 0, SAMPLES,
    .doc = EBB_TEXT(
        "With training each element becomes 0 with probability p, and is divided by 1 - p else; without, or with p = 0, "
        "input itself (Srivastava et al. 2014). Recorded as native_dropout."),
    .parts = EBB_TEXT("input if not training or p == 0 else input * 0 if p == 1 else native_dropout(input, p)"))
DROPOUT(
    feature_dropout, "true", dropped, true, 2, SAMPLES,
    .doc = EBB_TEXT(
        "dropout of whole channels of an input (N, C, ...), PyTorch's dropout2d and dropout3d. Recorded as its parts."),
    .parts = EBB_TEXT("'input times native_dropout(ones, p), one for each channel'"))
DROPOUT(
    alpha_dropout, "false", alpha_dropped, false, 0, SAMPLES,
    .doc = EBB_TEXT(
        "Dropout that keeps mean 0 and variance 1 of what comes from selu: what is dropped becomes selu's limit on the "
        "left, and all is scaled and shifted. Recorded as its parts."),
    .parts = EBB_TEXT(
        "limit = 1.7580993408473766; kept = native_dropout(ones_like(input), p if p < 1 else 0) * (1 - p); y = (input * kept + "
        "limit * (kept - (1 - p))) / ((1 + p * limit**2) * (1 - p))**0.5 if p < 1 else input * 0; y if training and p > 0 else "
        "input"))
DROPOUT(feature_alpha_dropout, "false", alpha_dropped, true, 2, SAMPLES,
        .doc = EBB_TEXT("alpha_dropout of whole channels of an input (N, C, ...). Recorded as its parts."),
        .parts = EBB_TEXT("'as alpha_dropout, with native_dropout(ones, p) of one for each channel'"))
