/* Normalization along the last dimensions or over groups of channels: layer_norm, rms_norm, group_norm, and the
 * backward of all normalizations. */
#define EBB_FAMILY "Normalization"
#include "ops/batching.h"
#include "ops/normalization.h"
#include <float.h>

struct ebb__norm ebb__norm_of(const ebb__norm_view *view, ebb_dtype dtype, bool centered, double eps) {
    const int64_t *d = view->d;
    return (struct ebb__norm){dtype, d[0], d[1] * d[2], d[2], d[3], d[4], centered, eps};
}

ebb_status ebb__norm_check(const ebb_meta *weight, const ebb_meta *bias, ebb_dtype dtype, int64_t n) {
    for (int i = 0; i < 2; i++) {
        const ebb_meta *m = i ? bias : weight;
        const char *name = i ? "bias" : "weight";
        if (m->dtype == EBB_DTYPE_NONE) continue;
        if (m->shape.n != 1 || m->shape.d[0] != n)
            return ebb_fail(EBB_ERR_SHAPE, "%s must have shape [%lld], one element for each channel", name,
                            (long long)n);
        if (!ebb__norm_mixes(m->dtype, dtype))
            return ebb_fail(EBB_ERR_DTYPE, "%s must be %s, got %s", name, ebb_dtype_name(dtype),
                            ebb_dtype_name(m->dtype));
    }
    return EBB_OK;
}

/* ---- the gradient, composed ---- */

/* A statistic, with one element for each set, and a weight, against a tensor in its view. */
static ebb_tensor *of_sets(ebb_tensor *t, const ebb__norm_view *view) {
    return t ? ebb_reshape(t, EBB_DIMS(1, view->d[1], view->d[2], 1, 1)) : NULL;
}
static ebb_tensor *of_channels(ebb_tensor *t, const ebb__norm_view *view) {
    return t ? ebb_reshape(t, EBB_DIMS(1, 1, view->d[2], view->d[3], 1)) : NULL;
}
static ebb_tensor *in_view(ebb_tensor *t, const ebb__norm_view *view) { return t ? ebb_reshape(t, *view) : NULL; }

static ebb_tensor *times(ebb_tensor *t, ebb_tensor *weight) { return weight ? ebb_mul(t, weight) : t; }
static ebb_tensor *plus(ebb_tensor *a, ebb_tensor *b) { return !a ? b : b ? ebb_add(a, b) : a; }
static ebb_tensor *over_set(ebb_tensor *t) { return ebb_sum(t, .dim = EBB_DIMS(0, 3, 4), .keepdim = true); }
static ebb_tensor *mean_of_set(ebb_tensor *t) { return ebb_mean(t, .dim = EBB_DIMS(0, 3, 4), .keepdim = true); }
static ebb_tensor *over_channel(ebb_tensor *t) { return ebb_sum(t, .dim = EBB_DIMS(0, 1, 4), .keepdim = true); }

void ebb__norm_vjp(struct ebb_vjp_call *v, ebb__norm_view view, struct ebb__norm_places at) {
    ebb_tensor *g = v->grad[0], *g_rstd = v->grad[at.rstd], *g_mean = at.mean < 0 ? NULL : v->grad[at.mean];
    ebb_tensor *x = v->in[0], *mean = at.mean < 0 ? NULL : v->out[at.mean], *rstd = v->out[at.rstd];
    ebb_tensor *dx = NULL, *dw = NULL, *db = NULL;
    const bool needs_w = v->needs[at.weight], needs_b = at.bias >= 0 && v->needs[at.bias];
    const double count = (double)(view.d[0] * view.d[3] * view.d[4]);
    if (g) {
        dx = ebb_normalization_backward(g, x, rstd, view, v->needs[0] | needs_w << 1 | needs_b << 2, .mean = mean,
                                        .weight = v->in[at.weight], .ret_grad_weight = &dw, .ret_grad_bias = &db);
        if (needs_w) ebb_vjp_give(v, at.weight, dw ? ebb_reshape(dw, ebb_vjp_shape(v, at.weight)) : NULL);
        if (needs_b) ebb_vjp_give(v, at.bias, db ? ebb_reshape(db, ebb_vjp_shape(v, at.bias)) : NULL);
    }
    if (!v->needs[0]) return;
    ebb_dims shape = ebb_vjp_shape(v, 0);
    if (g_mean) dx = plus(dx, ebb_reshape(ebb_expand(ebb_div(of_sets(g_mean, &view), count), view), shape));
    if (g_rstd) {
        ebb_tensor *apart = in_view(x, &view), *r = of_sets(rstd, &view);
        if (mean) apart = ebb_sub(apart, of_sets(mean, &view));
        ebb_tensor *scale = ebb_mul(of_sets(g_rstd, &view), ebb_mul(ebb_pow(r, 3), -1 / count));
        dx = plus(dx, ebb_reshape(ebb_mul(apart, scale), shape));
    }
    if (dx || !g) ebb_vjp_give(v, 0, dx);
}

/* ---- normalization_backward ---- */

enum { WANT_INPUT = 1, WANT_WEIGHT = 2, WANT_BIAS = 4 };

static ebb_status backward_infer(struct ebb_infer *f) {
    const struct ebb__attrs_normalization_backward *a = f->attrs;
    const ebb_meta *in = f->in;
    int64_t numel, viewed, sets, weights = 0;
    if (a->view.n != 5 || !ebb__dims_equal(&in[0].shape, &in[1].shape) ||
        !ebb__numel(in[1].shape.n, in[1].shape.d, 8, &numel) || !ebb__numel(5, a->view.d, 8, &viewed) ||
        numel != viewed)
        return ebb_fail(EBB_ERR_SHAPE, "grad_output and input must have one shape that view describes");
    sets = a->view.d[1] * a->view.d[2];
    weights = a->view.d[2] * a->view.d[3];
    for (int i = 2; i < 5; i++) {
        int64_t n;
        if (in[i].dtype == EBB_DTYPE_NONE) continue;
        if (!ebb__numel(in[i].shape.n, in[i].shape.d, 8, &n) || n != (i == 4 ? weights : sets))
            return ebb_fail(EBB_ERR_SHAPE, "rstd and mean must have an element for each set, weight one for each "
                                           "channel");
    }
    f->out[0].shape = a->wanted & WANT_INPUT ? in[1].shape : EBB_DIMS(0);
    f->out[1].shape = EBB_DIMS(a->wanted & WANT_WEIGHT ? weights : 0);
    f->out[2].shape = EBB_DIMS(a->wanted & WANT_BIAS ? weights : 0);
    return EBB_OK;
}

static ebb_status backward_forward(struct ebb_forward *f) {
    const struct ebb__attrs_normalization_backward *a = f->attrs;
    ebb_tensor *const *in = f->in, *const *out = f->out;
    struct ebb__norm d = ebb__norm_of(&a->view, (ebb_dtype)out[0]->dtype, in[3] != NULL, 0);
    return ebb__norm_backward(&d, in[0]->data, in[1]->data, in[3] ? in[3]->data : NULL, in[2]->data,
                              in[4] ? in[4]->data : NULL, a->wanted & WANT_INPUT ? out[0]->data : NULL,
                              a->wanted & WANT_WEIGHT ? out[1]->data : NULL,
                              a->wanted & WANT_BIAS ? out[2]->data : NULL);
}

/* With n = (x - mean) rstd and u = g weight the results are rstd (u - mean(u) - n mean(u n)), the sum of g n and the
 * sum of g; h, hw and hb are their upstream gradients. Those of u and n come first. */
static void backward_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_normalization_backward *a = v->attrs;
    const ebb__norm_view *view = &a->view;
    ebb_tensor *g = in_view(v->in[0], view), *weight = of_channels(v->in[4], view), *rstd = of_sets(v->in[2], view);
    ebb_tensor *mean = of_sets(v->in[3], view), *apart = in_view(v->in[1], view);
    if (mean) apart = ebb_sub(apart, mean);
    ebb_tensor *n = ebb_mul(apart, rstd), *u = times(g, weight);
    ebb_tensor *h = a->wanted & WANT_INPUT ? in_view(v->grad[0], view) : NULL;
    ebb_tensor *hw = a->wanted & WANT_WEIGHT ? of_channels(v->grad[1], view) : NULL;
    ebb_tensor *hb = a->wanted & WANT_BIAS ? of_channels(v->grad[2], view) : NULL;
    ebb_tensor *of_u = NULL, *of_n = hw ? ebb_mul(g, hw) : NULL, *of_rstd = NULL;
    if (h) {
        ebb_tensor *hn = mean_of_set(ebb_mul(h, n)), *un = mean_of_set(ebb_mul(u, n));
        ebb_tensor *flat_h = mean ? ebb_sub(h, mean_of_set(h)) : h;
        of_u = ebb_mul(rstd, ebb_sub(flat_h, ebb_mul(n, hn)));
        of_n = plus(of_n, ebb_neg(ebb_mul(rstd, ebb_add(ebb_mul(h, un), ebb_mul(u, hn)))));
        ebb_tensor *inner = ebb_sub(mean ? ebb_sub(u, mean_of_set(u)) : u, ebb_mul(n, un));
        of_rstd = over_set(ebb_mul(h, inner));
    }
    ebb_tensor *of_g = plus(plus(of_u ? times(of_u, weight) : NULL, hw ? ebb_mul(hw, n) : NULL), hb);
    if (v->needs[0] && of_g) ebb_vjp_give(v, 0, ebb_reshape(ebb_expand(of_g, *view), ebb_vjp_shape(v, 0)));
    if (v->needs[4] && of_u) ebb_vjp_give(v, 4, ebb_reshape(over_channel(ebb_mul(g, of_u)), ebb_vjp_shape(v, 4)));
    if (!of_n) return;
    ebb_tensor *of_x = ebb_mul(rstd, of_n);
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_reshape(of_x, ebb_vjp_shape(v, 1)));
    if (v->needs[2])
        ebb_vjp_give(v, 2, ebb_reshape(plus(of_rstd, over_set(ebb_mul(of_n, apart))), ebb_vjp_shape(v, 2)));
    if (v->needs[3]) ebb_vjp_give(v, 3, ebb_reshape(ebb_neg(over_set(of_x)), ebb_vjp_shape(v, 3)));
}

#define ALL (EBB_IN(0) | EBB_IN(1) | EBB_IN(2) | EBB_IN(3) | EBB_IN(4))
/* Of a batch the dimensions of `view` behind it, and it among them: where it is a factor of the sets and of the
 * channels alike, so that each sample has its own of both. */
static ebb_tensor *batch_inside(ebb_tensor *t, int64_t size, const int64_t *d, int n, int before) {
    ebb_dims shape = {{size}, 1}, order = {0};
    if (!t) return NULL;
    for (int k = 0; k < n; k++) shape.d[shape.n++] = d[k];
    for (int k = 1; k <= n; k++) {
        if (k - 1 == before) order.d[order.n++] = 0;
        order.d[order.n++] = k;
    }
    return ebb_permute(ebb_reshape(t, shape), order);
}

static void backward_batch(struct ebb_batch_call *b) {
    struct ebb__attrs_normalization_backward a = *(const struct ebb__attrs_normalization_backward *)b->attrs;
    const int64_t *d = ((const struct ebb__attrs_normalization_backward *)b->attrs)->view.d;
    ebb_tensor *in[5];
    a.view.d[2] *= b->size;
    for (int i = 0; i < 5; i++) { /* grad_output, input; rstd, mean of sets; weight of channels */
        ebb_tensor *t = ebb__batch_input(b, i, 0);
        if (t && i < 4) t = i < 2 ? batch_inside(t, b->size, d, 5, 2) : batch_inside(t, b->size, d + 1, 2, 1);
        if (b->in[i] && !t) return;
        in[i] = t ? ebb_reshape(t, i < 2 ? a.view : EBB_DIMS(-1)) : NULL;
    }
    ebb_list out = ebb_call_op_list(b->op, in, 5, &a);
    if (out.n != 3) return;
    ebb_tensor *dx = out.t[0];
    if (a.wanted & WANT_INPUT) {
        dx = ebb_reshape(dx, EBB_DIMS(d[0], d[1], b->size, d[2], d[3], d[4]));
        dx = ebb_permute(dx, EBB_DIMS(2, 0, 1, 3, 4, 5));
    }
    for (int k = 0; k < 3; k++) {
        ebb_tensor *t = k ? out.t[k] : dx;
        if (a.wanted & 1 << k) ebb_batch_give(b, k, k ? ebb__batch_unfolded(t, b->size) : t);
        else ebb_batch_give(b, k, ebb_expand(t, EBB_DIMS(b->size, 0)));
    }
}

const struct ebb_op ebb_op_normalization_backward = {
    EBB_SIGNATURE(normalization_backward,
                  "Tensor grad_output, Tensor input, Tensor rstd, Tensor? mean, Tensor? weight, shape view, int wanted "
                  "-> Tensor grad_input, Tensor grad_weight, Tensor grad_bias"),
    .doc = EBB_TEXT(
        "The gradient of layer_norm, rms_norm, group_norm and batch_norm. Their input is seen in the five dimensions view: "
        "outer, sets / groups, groups, channels, run; elements that differ in outer, channels and run only were "
        "normalized together, with a mean and an rstd for each set and a weight for each of groups * channels. With n = "
        "(input - mean) * rstd and u = grad_output * weight: grad_input is rstd * (u - mean(u) - n * mean(u * n)), without "
        "mean(u) where there is no mean; grad_weight sums grad_output * n, grad_bias grad_output. wanted says which are "
        "computed, 1 + 2 + 4; the others are empty."),
    .torch = EBB_TEXT("torch.ops.aten.native_layer_norm_backward"),
    .node = "NativeLayerNormBackwardBackward0",
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .undefined_grads = true,
    .infer = backward_infer,
    .forward = backward_forward,
    .vjp = backward_vjp,
    .batch = backward_batch,
    .saves = {ALL, ALL, ALL, ALL, ALL},
    .formula = EBB_FORMULAS("'weight * J(h) + hw * n + hb, J(h) = rstd * (h - mean(h) - n * mean(h * n))'",
                            "'rstd * q, q = hw * g - rstd * (h * mean(u * n) + u * mean(h * n))'",
                            "'sum(q * (input - mean)) + sum(h * (u - mean(u) - n * mean(u * n)))'", "'-sum(rstd * q)'",
                            "'sum(grad_output * J(h))'"),
    .samples = EBB_SAMPLES(
        "(3,4) (3,4) (3) (3) (4) view=(1,3,1,4,1) wanted=7", "(3,4) (3,4) (3,1) none (4) view=(1,3,1,4,1) wanted=3",
        "(2,4,3) (2,4,3) (2,2) (2,2) (4) view=(1,2,2,2,3) wanted=7",
        "(2,3,4) (2,3,4) (3) (3) (3) view=(2,1,3,1,4) wanted=7", "(4,3) (4,3) (3) (3) none view=(4,1,3,1,1) wanted=7",
        "(3,4) (3,4) (3) (3) (4) view=(1,3,1,4,1) wanted=1", "(3,4) (3,4) (3) (3) (4) view=(1,3,1,4,1) wanted=6",
        "! (3,4) (3,4) (3) (3) (4) view=(1,3,1,5,1) wanted=7", "! (3,4) (3,4) (3) (4) (4) view=(1,3,1,4,1) wanted=7"),
    .domain = {0.3, 1.5},
};

/* ---- layer_norm, rms_norm ---- */

/* How many dimensions are normalized; -1 and an error when they are not the input's last ones. */
static int normalized(const ebb_meta *in, const ebb_dims *shape, int n_weights) {
    char text[EBB__SHAPE_TEXT];
    const ebb_dims *x = &in[0].shape;
    int from = x->n - shape->n;
    bool fits = shape->n > 0 && from >= 0;
    for (int i = 0; i < shape->n && fits; i++) fits = shape->d[i] == x->d[from + i];
    if (!fits) {
        (void)ebb_fail(EBB_ERR_SHAPE, "the input's last dimensions must be normalized_shape, %s, of at least one",
                       ebb__shape_text(text, shape->n, shape->d));
        return -1;
    }
    for (int i = 1; i <= n_weights; i++) {
        if (in[i].dtype != EBB_DTYPE_NONE && !ebb__dims_equal(&in[i].shape, shape)) {
            (void)ebb_fail(EBB_ERR_SHAPE, "%s must have shape %s", i == 1 ? "weight" : "bias",
                           ebb__shape_text(text, shape->n, shape->d));
            return -1;
        }
    }
    return from;
}

/* The shape of the statistics: the normalized dimensions have size 1. */
static ebb_dims kept_shape(const ebb_dims *x, int from) {
    ebb_dims r = *x;
    for (int i = from; i < r.n; i++) r.d[i] = 1;
    return r;
}

static ebb__norm_view layer_view(const ebb_dims *x, const ebb_dims *shape) {
    ebb__norm_view view = EBB_DIMS(1, 1, 1, 1, 1);
    for (int i = 0; i < x->n; i++) view.d[i < x->n - shape->n ? 1 : 3] *= x->d[i];
    return view;
}

static ebb_status layer_infer(struct ebb_infer *f) {
    const struct ebb__attrs_layer_norm *a = f->attrs;
    int from = normalized(f->in, &a->normalized_shape, 2);
    if (from < 0) return ebb_error_status();
    for (int i = 1; i < 3; i++)
        if (f->in[i].dtype != EBB_DTYPE_NONE && !ebb__norm_mixes(f->in[i].dtype, f->dtype))
            return ebb_fail(EBB_ERR_DTYPE, "weight and bias must be %s", ebb_dtype_name(f->dtype));
    f->out[0].shape = f->in[0].shape;
    f->out[1].shape = f->out[2].shape = kept_shape(&f->in[0].shape, from);
    f->out[1].dtype = f->out[2].dtype = ebb__statistics_dtype(f->dtype);
    return EBB_OK;
}

static ebb_status layer_forward(struct ebb_forward *f) {
    const struct ebb__attrs_layer_norm *a = f->attrs;
    ebb_tensor *const *in = f->in, *const *out = f->out;
    ebb_dims shape = ebb_tensor_shape(in[0]);
    ebb__norm_view view = layer_view(&shape, &a->normalized_shape);
    struct ebb__norm d = ebb__norm_of(&view, (ebb_dtype)in[0]->dtype, true, a->eps.value);
    ebb__norm_forward(&d, in[0]->data, in[1] ? in[1]->data : NULL, in[2] ? in[2]->data : NULL, out[0]->data,
                      out[1]->data, out[2]->data, NULL);
    return EBB_OK;
}

static void layer_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_layer_norm *a = v->attrs;
    ebb_dims shape = ebb_tensor_shape(v->in[0]);
    ebb__norm_vjp(v, layer_view(&shape, &a->normalized_shape), (struct ebb__norm_places){1, 2, 1, 2});
}

#define STATISTICS (EBB_IN(0) | EBB_OUT(1) | EBB_OUT(2))

/* The operator without weight and bias, for all samples, and then with those of each. The first set of them is aligned
 * at the end of the results, or along dimension `channel` of one sample. */
static ebb_tensor *with_sample(const struct ebb_batch_call *b, int64_t i, int ndim, int channel) {
    ebb_tensor *t = b->in[i];
    ebb_dims shape = {{b->batched[i] ? b->size : 1}, ndim};
    if (channel < 0) return b->batched[i] ? ebb__batch_aligned(t, ndim) : t;
    for (int d = 1; d < ndim; d++) shape.d[d] = d == channel + 1 ? t->dims[t->ndim - 1] : 1;
    return ebb_view(t, shape);
}

static void weigh_samples(struct ebb_batch_call *b, int channel) {
    ebb_tensor *y = b->given[0];
    if (y && b->in[1]) y = ebb_mul(y, with_sample(b, 1, y->ndim, channel));
    if (y && b->n_in > 2 && b->in[2]) y = ebb_add(y, with_sample(b, 2, y->ndim, channel));
    if (b->given[0]) ebb_batch_give(b, 0, y);
}

static bool has_batched_weights(const struct ebb_batch_call *b) {
    return b->batched[1] || (b->n_in > 2 && b->batched[2]);
}

static void layer_batch(struct ebb_batch_call *b) {
    bool apart = has_batched_weights(b);
    ebb_tensor *in[] = {ebb__batch_input(b, 0, 0), apart ? NULL : b->in[1], apart || b->n_in < 3 ? NULL : b->in[2]};
    if (in[0]) ebb__batch_forward(b, in, b->attrs);
    if (apart) weigh_samples(b, -1);
}

const struct ebb_op ebb_op_layer_norm = {
    EBB_SIGNATURE(layer_norm, "Tensor input, Tensor? weight, Tensor? bias, shape normalized_shape, float? eps=1e-5 -> "
                              "Tensor output, Tensor mean[], Tensor rstd[]"),
    .order = "input, normalized_shape, weight, bias, eps",
    .doc = EBB_TEXT(
        "(input - mean) * rstd * weight + bias, where mean and variance are those of the last dimensions, which must be "
        "normalized_shape, and rstd = 1 / sqrt(variance + eps). weight and bias have that shape (Ba et al. 2016)."),
    .torch = EBB_TEXT("torch.nn.functional.layer_norm"),
    .node = "NativeLayerNormBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .undefined_grads = true,
    .infer = layer_infer,
    .forward = layer_forward,
    .vjp = layer_vjp,
    .batch = layer_batch,
    .saves = {STATISTICS | EBB_IN(1), STATISTICS | EBB_IN(1), STATISTICS | EBB_IN(1)},
    .formula = EBB_FORMULAS(
        "d = range(-len(normalized_shape), 0); n = (input - mean) * rstd; u = g if weight == None else g * weight; "
        "rstd * (u - mean(u, d, True) - n * mean(u * n, d, True))",
        "n = (input - mean) * rstd; sum_to_size(g * n, weight.shape)", "sum_to_size(g, bias.shape)"),
    .samples = EBB_SAMPLES("(3,4) normalized_shape=(4)", "(3,4) (4) (4) normalized_shape=(4)",
                           "(2,3,4) (3,4) normalized_shape=(3,4)", "(3,4) none (4) normalized_shape=(4) eps=0.1",
                           "(4) (4) (4) normalized_shape=4", "(2,0) (0) (0) normalized_shape=(0)",
                           "(0,3) (3) (3) normalized_shape=(3)", "(2,40) (40) (40) normalized_shape=(40)",
                           "! (3,4) normalized_shape=(3)", "! (3,4) normalized_shape=()",
                           "! (3,4) (3) normalized_shape=(4)", "! i5(3,4) normalized_shape=(4)"),
};

static ebb_status rms_infer(struct ebb_infer *f) {
    const struct ebb__attrs_rms_norm *a = f->attrs;
    int from = normalized(f->in, &a->normalized_shape, 1);
    if (from < 0) return ebb_error_status();
    f->out[0].shape = f->in[0].shape;
    f->out[1].shape = kept_shape(&f->in[0].shape, from);
    f->out[1].dtype = ebb__statistics_dtype(f->dtype);
    return EBB_OK;
}

static ebb_status rms_forward(struct ebb_forward *f) {
    const struct ebb__attrs_rms_norm *a = f->attrs;
    ebb_tensor *const *in = f->in, *const *out = f->out;
    ebb_dims shape = ebb_tensor_shape(in[0]);
    ebb__norm_view view = layer_view(&shape, &a->normalized_shape);
    double least = in[0]->dtype == EBB_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
    struct ebb__norm d = ebb__norm_of(&view, (ebb_dtype)in[0]->dtype, false, a->eps.given ? a->eps.value : least);
    ebb__norm_forward(&d, in[0]->data, in[1] ? in[1]->data : NULL, NULL, out[0]->data, NULL, out[1]->data, NULL);
    return EBB_OK;
}

static void rms_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_rms_norm *a = v->attrs;
    ebb_dims shape = ebb_tensor_shape(v->in[0]);
    ebb__norm_vjp(v, layer_view(&shape, &a->normalized_shape), (struct ebb__norm_places){1, -1, -1, 1});
}

const struct ebb_op ebb_op_rms_norm = {
    EBB_SIGNATURE(rms_norm,
                  "Tensor input, Tensor? weight, shape normalized_shape, float? eps=none -> Tensor output, Tensor "
                  "rstd[]"),
    .order = "input, normalized_shape, weight, eps",
    .doc = EBB_TEXT(
        "input * rstd * weight with rstd = 1 / sqrt(mean(input^2) + eps) over the last dimensions, which must be "
        "normalized_shape, weight's shape (Zhang and Sennrich 2019). Where eps is not given it is the dtype's epsilon."),
    .torch = EBB_TEXT("torch.nn.functional.rms_norm"),
    .node = "FusedRmsNormBackward0",
    .promote = EBB_PROMOTE_FIRST,
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .undefined_grads = true,
    .infer = rms_infer,
    .forward = rms_forward,
    .vjp = rms_vjp,
    .batch = layer_batch,
    .saves = {EBB_IN(0) | EBB_IN(1) | EBB_OUT(1), EBB_IN(0) | EBB_IN(1) | EBB_OUT(1)},
    .formula =
        EBB_FORMULAS("d = range(-len(normalized_shape), 0); n = input * rstd; u = g if weight == None else g * weight; "
                     "rstd * (u - n * mean(u * n, d, True))",
                     "n = input * rstd; sum_to_size(g * n, weight.shape)"),
    .samples = EBB_SAMPLES(
        "(3,4) normalized_shape=(4)", "(3,4) (4) normalized_shape=(4)", "(2,3,4) (3,4) normalized_shape=(3,4) eps=0.1",
        "(4) (4) normalized_shape=4", "(0,3) (3) normalized_shape=(3)", "(2,0) (0) normalized_shape=(0)",
        "! (3,4) normalized_shape=(3)", "! (3,4) (3) normalized_shape=(4)", "! i5(3,4) normalized_shape=(4)"),
};

/* ---- group_norm ---- */

static ebb__norm_view group_view(const ebb_dims *x, int64_t groups) {
    ebb__norm_view view = EBB_DIMS(1, x->d[0], groups, x->d[1] / groups, 1);
    for (int i = 2; i < x->n; i++) view.d[4] *= x->d[i];
    return view;
}

static ebb_status group_infer(struct ebb_infer *f) {
    const struct ebb__attrs_group_norm *a = f->attrs;
    const ebb_dims *x = &f->in[0].shape;
    if (x->n < 2) return ebb_fail(EBB_ERR_SHAPE, "expected at least 2 dimensions, (N, C, ...)");
    if (a->num_groups < 1 || x->d[1] % a->num_groups)
        return ebb_fail(EBB_ERR_ARGUMENT, "%lld channels cannot be divided into %lld groups", (long long)x->d[1],
                        (long long)a->num_groups);
    if (ebb__norm_check(&f->in[1], &f->in[2], f->dtype, x->d[1])) return ebb_error_status();
    ebb__norm_view view = group_view(x, a->num_groups);
    if (view.d[1] * view.d[3] * view.d[4] == 1)
        return ebb_fail(EBB_ERR_SHAPE, "expected more than one value for each group");
    f->out[0].shape = *x;
    f->out[1].shape = f->out[2].shape = EBB_DIMS(x->d[0], a->num_groups);
    f->out[1].dtype = f->out[2].dtype = ebb__statistics_dtype(f->dtype);
    return EBB_OK;
}

static ebb_status group_forward(struct ebb_forward *f) {
    const struct ebb__attrs_group_norm *a = f->attrs;
    ebb_tensor *const *in = f->in, *const *out = f->out;
    ebb_dims shape = ebb_tensor_shape(in[0]);
    ebb__norm_view view = group_view(&shape, a->num_groups);
    struct ebb__norm d = ebb__norm_of(&view, (ebb_dtype)in[0]->dtype, true, a->eps.value);
    ebb__norm_forward(&d, in[0]->data, in[1] ? in[1]->data : NULL, in[2] ? in[2]->data : NULL, out[0]->data,
                      out[1]->data, out[2]->data, NULL);
    return EBB_OK;
}

static void group_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_group_norm *a = v->attrs;
    ebb_dims shape = ebb_tensor_shape(v->in[0]);
    ebb__norm_vjp(v, group_view(&shape, a->num_groups), (struct ebb__norm_places){1, 2, 1, 2});
}

static void group_batch(struct ebb_batch_call *b) {
    bool apart = has_batched_weights(b);
    ebb_tensor *in[] = {ebb__batch_folded(ebb__batch_input(b, 0, 0)), apart ? NULL : b->in[1], apart ? NULL : b->in[2]};
    if (!in[0]) return;
    ebb__batch_forward(b, in, b->attrs);
    for (int k = 0; k < 3 && b->given[k]; k++) ebb_batch_give(b, k, ebb__batch_unfolded(b->given[k], b->size));
    if (apart) weigh_samples(b, 1);
}

const struct ebb_op ebb_op_group_norm = {
    EBB_SIGNATURE(group_norm,
                  "Tensor input, Tensor? weight, Tensor? bias, int num_groups, float? eps=1e-5 -> Tensor output, "
                  "Tensor mean[], Tensor rstd[]"),
    .order = "input, num_groups, weight, bias, eps",
    .doc = EBB_TEXT(
        "(input - mean) * rstd * weight + bias for an input (N, C, ...), whose channels are divided into num_groups: mean "
        "and variance are those of each of its groups, rstd = 1 / sqrt(variance + eps). weight and bias have an element "
        "for each channel (Wu and He 2018)."),
    .torch = EBB_TEXT("torch.nn.functional.group_norm"),
    .node = "NativeGroupNormBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .undefined_grads = true,
    .infer = group_infer,
    .forward = group_forward,
    .vjp = group_vjp,
    .batch = group_batch,
    .saves = {STATISTICS | EBB_IN(1), STATISTICS | EBB_IN(1), STATISTICS | EBB_IN(1)},
    .formula = EBB_FORMULAS(
        "c = [1, -1] + [1] * (input.ndim - 2); x = reshape(input, [input.size(0), num_groups, -1]); "
        "n = (x - mean[..., None]) * rstd[..., None]; u = reshape(g if weight == None else g * reshape(weight, c), x.shape); "
        "reshape(rstd[..., None] * (u - mean(u, 2, True) - n * mean(u * n, 2, True)), input.shape)",
        "x = reshape(input, [input.size(0), num_groups, -1]); n = (x - mean[..., None]) * rstd[..., None]; "
        "sum(g * reshape(n, input.shape), [0] + range(2, input.ndim))",
        "sum(g, [0] + range(2, input.ndim))"),
    .samples =
        EBB_SAMPLES("(2,4,3) num_groups=2", "(2,4,3) (4) (4) num_groups=2", "(2,4,2,2) (4) num_groups=4",
                    "(3,4) (4) (4) num_groups=1", "(3,4) (4) (4) num_groups=2 eps=0.1", "(0,4,3) (4) (4) num_groups=2",
                    "(2,4) (4) num_groups=4", "! (2,4,3) num_groups=3", "! (4) num_groups=1",
                    "! (2,4,3) (3) num_groups=2", "! (1,2) num_groups=2", "! i5(2,4) num_groups=2"),
};
