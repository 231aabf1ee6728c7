/* Normalization of channels over a batch, with running statistics: batch_norm, instance_norm. */
#define EBB_FAMILY "Normalization"
#include "ops/normalization.h"
#include <math.h>

static ebb__norm_view view_of(const ebb_dims *x) {
    ebb__norm_view view = EBB_DIMS(x->d[0], 1, x->d[1], 1, 1);
    for (int i = 2; i < x->n; i++) view.d[4] *= x->d[i];
    return view;
}

enum { RUNNING_MEAN = 1, RUNNING_VAR, WEIGHT, BIAS };

static ebb_status batch_infer(struct ebb_infer *f) {
    const struct ebb__attrs_batch_norm *a = f->attrs;
    const ebb_dims *x = &f->in[0].shape;
    const ebb_meta *mean = &f->in[RUNNING_MEAN], *var = &f->in[RUNNING_VAR];
    if (x->n < 2) return ebb_fail(EBB_ERR_SHAPE, "expected at least 2 dimensions, (N, C, ...)");
    ebb__norm_view view = view_of(x);
    if ((mean->dtype == EBB_DTYPE_NONE) != (var->dtype == EBB_DTYPE_NONE))
        return ebb_fail(EBB_ERR_ARGUMENT, "running_mean and running_var must both be given, or neither");
    if (!a->training && mean->dtype == EBB_DTYPE_NONE)
        return ebb_fail(EBB_ERR_ARGUMENT, "running_mean and running_var are needed when not training");
    if (a->training && view.d[0] * view.d[4] == 1)
        return ebb_fail(EBB_ERR_SHAPE, "expected more than one value for each channel when training");
    for (int i = RUNNING_MEAN; i <= RUNNING_VAR; i++)
        if (f->in[i].dtype != EBB_DTYPE_NONE &&
            (!ebb__norm_mixes(f->in[i].dtype, f->dtype) || f->in[i].shape.n != 1 || f->in[i].shape.d[0] != x->d[1]))
            return ebb_fail(EBB_ERR_SHAPE, "running_mean and running_var must be %s [%lld]", ebb_dtype_name(f->dtype),
                            (long long)x->d[1]);
    if (ebb__norm_check(&f->in[WEIGHT], &f->in[BIAS], f->dtype, x->d[1])) return ebb_error_status();
    f->out[0].shape = *x;
    f->out[1].shape = f->out[2].shape = EBB_DIMS(x->d[1]);
    f->out[1].dtype = f->out[2].dtype = ebb__statistics_dtype(f->dtype);
    return EBB_OK;
}

static double get(const ebb_tensor *t, int64_t i) {
    return ebb__load(t->data + i * ebb__strides(t)[0] * (int64_t)ebb__dtype_sizes[t->dtype], (ebb_dtype)t->dtype);
}
static void put(ebb_tensor *t, int64_t i, double value) {
    ebb__store(t->data + i * ebb__strides(t)[0] * (int64_t)ebb__dtype_sizes[t->dtype], (ebb_dtype)t->dtype, value);
}

/* running = (1 - momentum) running + momentum new; the variance is the unbiased one. */
static void update(ebb_tensor *mean, ebb_tensor *var, const ebb_tensor *new_mean, const double *new_var, double count,
                   double momentum) {
    for (int64_t i = 0; i < mean->numel; i++) {
        put(mean, i, (1 - momentum) * get(mean, i) + momentum * get(new_mean, i));
        put(var, i, (1 - momentum) * get(var, i) + momentum * new_var[i] * (count / (count - 1)));
    }
    ebb__written(mean, "batch_norm", false);
    ebb__written(var, "batch_norm", false);
}

/* What the kernel reads, contiguous and of its dtype; a new reference. */
static ebb_tensor *laid_out(ebb_tensor *t, ebb_dtype dtype) {
    if (!ebb__is_contiguous(t) || t->dtype != dtype) return ebb__cast(t, dtype);
    ebb__ref(t);
    return t;
}

/* The kernel's call, on what has been laid out. */
static ebb_status normalize(struct ebb_forward *f, ebb_tensor *const *t, ebb_tensor *y) {
    const struct ebb__attrs_batch_norm *a = f->attrs;
    ebb_tensor *const *in = f->in, *const *out = f->out;
    ebb_dims shape = ebb_tensor_shape(in[0]);
    ebb__norm_view view = view_of(&shape);
    struct ebb__norm d = ebb__norm_of(&view, (ebb_dtype)y->dtype, true, a->eps.value);
    const void *weight = t[WEIGHT] ? t[WEIGHT]->data : NULL, *bias = t[BIAS] ? t[BIAS]->data : NULL;
    if (a->training) {
        const size_t bytes = (size_t)d.sets * sizeof(double);
        double *var = in[RUNNING_VAR] ? ebb__alloc(bytes) : NULL;
        if (in[RUNNING_VAR] && !var) return ebb_error_status();
        ebb__norm_forward(&d, t[0]->data, weight, bias, y->data, out[1]->data, out[2]->data, var);
        if (var) update(in[RUNNING_MEAN], in[RUNNING_VAR], out[1], var, (double)(d.outer * d.run), a->momentum.value);
        ebb__free(var, bytes);
        return EBB_OK;
    }
    for (int64_t i = 0; i < d.sets; i++) {
        put(out[1], i, get(in[RUNNING_MEAN], i));
        put(out[2], i, 1 / sqrt(get(in[RUNNING_VAR], i) + a->eps.value));
    }
    ebb__norm_apply(&d, t[0]->data, out[1]->data, out[2]->data, weight, bias, y->data);
    return EBB_OK;
}

/* The inputs are neither asked to be contiguous nor cast by the caller: running statistics are written where they
 * are. */
static ebb_status batch_forward(struct ebb_forward *f) {
    ebb_tensor *const *in = f->in, *const *out = f->out, *t[BIAS + 1] = {NULL};
    const ebb_dtype dtype = ebb__statistics_dtype((ebb_dtype)in[0]->dtype);
    ebb_tensor *y = out[0];
    ebb_status status = EBB_OK;
    for (int i = 0; i <= BIAS && !status; i++) {
        if (!in[i] || i == RUNNING_MEAN || i == RUNNING_VAR) continue;
        t[i] = laid_out(in[i], dtype);
        if (!t[i]) status = ebb_error_status();
    }
    if (!status && y->dtype != dtype && !(y = ebb__tensor_new_like(out[0], dtype))) status = ebb_error_status();
    if (!status) status = normalize(f, t, y);
    if (!status && y != out[0]) status = ebb__copy_into(out[0], y);
    for (int i = 0; i <= BIAS; i++) ebb__unref(t[i]);
    if (y != out[0]) ebb__unref(y);
    return status;
}

/* With given statistics the output is linear in the input. */
static void given_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *g = v->grad[0], *x = v->in[0];
    if (!g) return;
    ebb_dims along = {{0}, ebb_tensor_ndim(x)}, others = {0};
    for (int i = 0; i < along.n; i++) {
        along.d[i] = i == 1 ? ebb_tensor_shape(x).d[1] : 1;
        if (i != 1) others.d[others.n++] = i;
    }
    ebb_tensor *mean = ebb_reshape(v->out[1], along), *rstd = ebb_reshape(v->out[2], along);
    if (v->needs[0]) {
        ebb_tensor *scale = v->in[WEIGHT] ? ebb_mul(rstd, ebb_reshape(v->in[WEIGHT], along)) : rstd;
        ebb_vjp_give(v, 0, ebb_mul(g, scale));
    }
    if (v->needs[WEIGHT]) ebb_vjp_give(v, WEIGHT, ebb_sum(ebb_mul(g, ebb_mul(ebb_sub(x, mean), rstd)), .dim = others));
    if (v->needs[BIAS]) ebb_vjp_give(v, BIAS, ebb_sum(g, .dim = others));
}

static void batch_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_batch_norm *a = v->attrs;
    ebb_dims shape = ebb_tensor_shape(v->in[0]);
    if (!a->training) given_vjp(v);
    else ebb__norm_vjp(v, view_of(&shape), (struct ebb__norm_places){WEIGHT, BIAS, 1, 2});
}

#define SAVES (EBB_IN(0) | EBB_IN(WEIGHT) | EBB_OUT(1) | EBB_OUT(2))
/* the channels as a shape, all other dimensions, and rstd in that shape */
#define AS_ROWS "s = [1, -1] + [1] * (input.ndim - 2); d = [0] + range(2, input.ndim); r = reshape(save_invstd, s); "
#define INPUTS "Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight, Tensor? bias, "

const struct ebb_op ebb_op_batch_norm = {
    EBB_SIGNATURE(batch_norm,
                  INPUTS "bool training=false, float? momentum=0.1, float? eps=1e-5 -> Tensor output, Tensor "
                         "save_mean[], Tensor save_invstd[]"),
    .doc = EBB_TEXT(
        "(input - mean) * rstd * weight + bias for an input (N, C, ...), with an element of each vector for each channel and "
        "rstd = 1 / sqrt(variance + eps) (Ioffe and Szegedy 2015). When training, mean and variance are those of the input "
        "over all but the channels, and the running ones, when they are given, become (1 - momentum) * running + momentum "
        "* new in place, with the unbiased variance; else they are the running ones."),
    .torch = EBB_TEXT("torch.nn.functional.batch_norm"),
    .node = "NativeBatchNormBackward0",
    .dtypes = EBB_FLOATING,
    .halves = true,
    .undefined_grads = true,
    .infer = batch_infer,
    .forward = batch_forward,
    .vjp = batch_vjp,
    .saves = {SAVES, [WEIGHT] = SAVES, [BIAS] = SAVES},
    .formula = EBB_FORMULAS(
        AS_ROWS "n = (input - reshape(save_mean, s)) * r; u = g if weight == None else g * reshape(weight, s); "
                "r * (u - mean(u, d, True) - n * mean(u * n, d, True)) if training else u * r",
        NULL, NULL, AS_ROWS "sum(g * (input - reshape(save_mean, s)) * r, d)", AS_ROWS "sum(g, d)"),
    .samples = EBB_SAMPLES(
        "(4,3) training=true", "(4,3) none none (3) (3) training=true", "(2,3,4) none none (3) (3) training=true",
        "(2,3,2,2) none none (3) none training=true eps=0.1", "(4,3) (3) (3) (3) (3) training=true momentum=0.5",
        "(4,3) (3) (3) (3) (3)", "(2,3,4) (3) (3)", "(0,3) (3) (3) (3) (3)", "(1,3,2) training=true",
        "(40,70) none none (70) training=true", "! (4,3)", "! (1,3) training=true", "! (4) training=true",
        "! (4,3) (3) none", "! (4,3) (4) (4)", "! (4,3) (3) (3) (4)", "! i5(4,3) training=true"),
    .domain = {0.3, 1.5},
};

/* ---- instance_norm ---- */

/* A vector of C elements for each of n batches: (n * C). */
static ebb_tensor *repeated(ebb_tensor *t, int64_t n) {
    if (!t) return NULL;
    int64_t channels = ebb_tensor_numel(t);
    return ebb_reshape(ebb_expand(t, EBB_DIMS(n, channels)), EBB_DIMS(n * channels));
}

/* The new running statistic of a channel is the mean of those that its batches would have had. */
static void average_into(ebb_tensor *to, ebb_tensor *from, int64_t n) {
    bool before = ebb__thread.no_grad;
    ebb__thread.no_grad = true;
    (void)ebb_copy_(to, ebb_mean(ebb_reshape(from, EBB_DIMS(n, ebb_tensor_numel(to))), .dim = EBB_DIMS(0)));
    ebb__thread.no_grad = before;
}

/* Each batch's channels become channels of one batch. */
static ebb_tensor *instance_compose(struct ebb_forward *f) {
    const struct ebb__attrs_instance_norm *a = f->attrs;
    ebb_tensor *x = f->in[0], *running[2];
    bool own = a->use_input_stats.value != 0;
    int64_t space = 1;
    if (x->ndim < 2) {
        ebb_fail(EBB_ERR_SHAPE, "expected at least 2 dimensions, (N, C, ...)");
        return NULL;
    }
    ebb_dims shape = ebb_tensor_shape(x), one = shape;
    for (int i = 2; i < shape.n; i++) space *= shape.d[i];
    if (own && space == 1) {
        ebb_fail(EBB_ERR_SHAPE, "expected more than one value for each channel when the input's statistics are used");
        return NULL;
    }
    for (int i = RUNNING_MEAN; i <= BIAS; i++)
        if (f->in[i] && (f->in[i]->ndim != 1 || f->in[i]->numel != shape.d[1])) {
            ebb_fail(EBB_ERR_SHAPE, "vectors must have shape [%lld], one element for each channel",
                     (long long)shape.d[1]);
            return NULL;
        }
    one.d[0] = 1;
    one.d[1] = shape.d[0] * shape.d[1];
    for (int i = 0; i < 2; i++) {
        ebb_tensor *t = f->in[RUNNING_MEAN + i];
        running[i] = t ? ebb_clone(repeated(t, shape.d[0])) : NULL;
        if (t && !running[i]) return NULL;
    }
    ebb_tensor *y =
        ebb_batch_norm(ebb_reshape(x, one), .running_mean = running[0], .running_var = running[1],
                       .weight = repeated(f->in[WEIGHT], shape.d[0]), .bias = repeated(f->in[BIAS], shape.d[0]),
                       .training = own, .momentum = a->momentum, .eps = a->eps);
    for (int i = 0; y && own && i < 2; i++)
        if (running[i]) average_into(f->in[RUNNING_MEAN + i], running[i], shape.d[0]);
    return ebb_reshape(y, shape);
}

const struct ebb_op ebb_op_instance_norm = {
    EBB_SIGNATURE(instance_norm, INPUTS "bool? use_input_stats=true, float? momentum=0.1, float? eps=1e-5 -> Tensor"),
    .doc = EBB_TEXT(
        "batch_norm with the statistics of each channel of each batch (Ulyanov et al. 2016). Without use_input_stats they are "
        "the running ones; else those are updated, when they are given, with the mean over the batches. Recorded as "
        "its parts."),
    .torch = EBB_TEXT("torch.nn.functional.instance_norm"),
    .compose = instance_compose,
    .formula = EBB_FORMULAS("'as that of batch_norm, for each batch'", NULL, NULL, "'sum(g * n)'", "'sum(g)'"),
    .samples = EBB_SAMPLES("(2,3,4)", "(2,3,4) none none (3) (3)", "(2,3,2,2) none none (3) none eps=0.1",
                           "(2,3,4) (3) (3) (3) (3) momentum=0.5", "(2,3,4) (3) (3) use_input_stats=false", "! (2,3)",
                           "! (2,3,4) use_input_stats=false", "! (2,3,4) none none (4)"),
    .domain = {0.3, 1.5},
};
