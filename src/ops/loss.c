/* Losses of classification: nll_loss and its backward, cross_entropy. */
#define EBB_FAMILY "Losses"
#include "ops/batching.h"

/* ---- negative log likelihood ----
 * Classes lie along dimension 1, or 0 for a single row: (C), (N, C), (N, C, d1, …). The kernel wants them last, so what
 * has dimensions behind the classes is copied. */

static ebb_dims target_shape(const ebb_dims *shape) {
    ebb_dims r = {0};
    for (int i = 0; i < shape->n; i++)
        if (i != (shape->n > 1)) r.d[r.n++] = shape->d[i];
    return r;
}

static int64_t classes_of(const ebb_dims *shape) { return shape->d[shape->n > 1]; }
static int64_t ignored(const ebb_dims *ignore_index) { return ignore_index->n ? ignore_index->d[0] : -100; }

/* What nll_loss and its backward ask of the shape of the log-probabilities, the target, the weight and ignore_index. */
static ebb_status check(const ebb_dims *shape, ebb_dtype dtype, const ebb_meta *target, const ebb_meta *weight,
                        const ebb_dims *ignore_index) {
    char text[EBB__SHAPE_TEXT];
    if (shape->n == 0)
        return ebb_fail(EBB_ERR_SHAPE, "needs classes: expected (C), (N, C) or (N, C, ...), got a 0-d tensor");
    ebb_dims want = target_shape(shape);
    if (target->dtype != EBB_I64)
        return ebb_fail(EBB_ERR_DTYPE, "target must hold class numbers as int64, got %s",
                        ebb_dtype_name(target->dtype));
    if (!ebb__dims_equal(&want, &target->shape))
        return ebb_fail(EBB_ERR_SHAPE, "target must have shape %s", ebb__shape_text(text, want.n, want.d));
    if (ignore_index->n > 1)
        return ebb_fail(EBB_ERR_ARGUMENT, "ignore_index lists %d classes; expected one, or none", (int)ignore_index->n);
    if (weight->dtype == EBB_DTYPE_NONE) return EBB_OK;
    if (weight->shape.n != 1 || weight->shape.d[0] != classes_of(shape))
        return ebb_fail(EBB_ERR_SHAPE, "weight must have shape [%lld], one for each class",
                        (long long)classes_of(shape));
    if (weight->dtype != dtype)
        return ebb_fail(EBB_ERR_DTYPE, "weight must be %s, got %s", ebb_dtype_name(dtype),
                        ebb_dtype_name(weight->dtype));
    return EBB_OK;
}

/* A view of t, of at least two dimensions, with the classes last: (N, d1, …, C). A new reference. */
static ebb_tensor *classes_last(const ebb_tensor *t) {
    ebb_dims sizes = {{0}, t->ndim}, strides = sizes;
    for (int i = 0; i < t->ndim; i++) {
        int from = i == 0 ? 0 : i == t->ndim - 1 ? 1 : i + 1;
        sizes.d[i] = t->dims[from];
        strides.d[i] = ebb__strides(t)[from];
    }
    return ebb__tensor_alias(t, sizes.n, sizes.d, strides.d, 0);
}

static ebb_status nll_infer(struct ebb_infer *f) {
    const struct ebb__attrs_nll_loss *a = f->attrs;
    const ebb_dims *shape = &f->in[0].shape;
    ebb_status status = check(shape, f->dtype, &f->in[1], &f->in[2], &a->ignore_index);
    if (!status && a->reduction == EBB_REDUCTION_NONE) f->out[0].shape = target_shape(shape);
    return status;
}

static ebb_status fail_target(const ebb_tensor *target, int64_t row, int64_t classes) {
    int64_t value = ((const int64_t *)(const void *)target->data)[row];
    return ebb_fail(EBB_ERR_INDEX, "the target of row %lld is %lld, which is none of the %lld classes", (long long)row,
                    (long long)value, (long long)classes);
}

static ebb_status nll_forward(struct ebb_forward *f) {
    const struct ebb__attrs_nll_loss *a = f->attrs;
    const ebb_tensor *target = f->in[1], *weight = f->in[2], *y = f->out[0], *total_weight = f->out[1];
    ebb_tensor *logp = f->in[0], *last = NULL;
    if (weight && !ebb__thread.no_grad && ebb__requires_grad(weight))
        return ebb_fail(EBB_ERR_GRAPH, "the gradient of weight is not defined");
    if (logp->ndim > 2) {
        last = classes_last(logp);
        logp = last ? ebb__cast(last, (ebb_dtype)last->dtype) : NULL;
        ebb__unref(last);
        if (!logp) return ebb_error_status();
    }
    ebb_dtype dtype = (ebb_dtype)y->dtype;
    ebb_dims shape = ebb_tensor_shape(f->in[0]);
    double sum, weights;
    int64_t bad = ebb__nll_forward(dtype, target->numel, classes_of(&shape), logp->data,
                                   (const int64_t *)(const void *)target->data, weight ? weight->data : NULL,
                                   ignored(&a->ignore_index), a->reduction == EBB_REDUCTION_NONE ? y->data : NULL, &sum,
                                   &weights);
    if (last) ebb__unref(logp);
    if (bad >= 0) return fail_target(target, bad, classes_of(&shape));
    if (a->reduction != EBB_REDUCTION_NONE)
        ebb__store(y->data, dtype, a->reduction == EBB_REDUCTION_MEAN ? sum / weights : sum);
    ebb__store(total_weight->data, dtype, weights);
    return EBB_OK;
}

static const char *nll_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return in[0]->ndim > 2 ? "NllLoss2DBackward0" : "NllLossBackward0";
}

static void nll_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_nll_loss *a = v->attrs;
    if (v->needs[0])
        ebb_vjp_give(v, 0,
                     ebb_nll_loss_backward(v->grad[0], v->in[1], v->out[1], ebb_vjp_shape(v, 0), .weight = v->in[2],
                                           .ignore_index = a->ignore_index, .reduction = a->reduction));
}

/* Rows of all samples, of which each has its class, as one list: (b, n, c, ...) to (b n, c, ...), where one sample is
 * (n, c, ...) or, with_rows false, (c). */
static ebb_tensor *all_rows(const struct ebb_batch_call *b, int64_t i, bool with_rows) {
    ebb_tensor *t = ebb__batch_input(b, i, 0);
    return with_rows ? ebb__batch_folded(t) : t;
}

/* The sum of the terms of each sample. */
static ebb_tensor *sum_of_samples(ebb_tensor *terms, int64_t size) {
    return terms ? ebb_sum(ebb_reshape(terms, EBB_DIMS(size, terms->numel / size)), .dim = EBB_DIMS(1)) : NULL;
}

static void nll_batch(struct ebb_batch_call *b) {
    const struct ebb__attrs_nll_loss *a = b->attrs;
    bool rows = ebb__batch_ndim(b, 0) > 1;
    if (b->batched[2] || b->size == 0) {
        ebb_batch_loop(b);
        return;
    }
    ebb_tensor *x = all_rows(b, 0, rows), *target = all_rows(b, 1, rows), *weight = b->in[2];
    ebb_tensor *terms =
        ebb_nll_loss(x, target, .weight = weight, .ignore_index = a->ignore_index, .reduction = EBB_REDUCTION_NONE);
    if (!terms) return;
    ebb_tensor *ones = ebb_expand(ebb_full(EBB_NO_DIMS, -1.0, .dtype = ebb_tensor_dtype(x)), ebb_tensor_shape(x));
    ebb_tensor *weights =
        ebb_nll_loss(ones, target, .weight = weight, .ignore_index = a->ignore_index, .reduction = EBB_REDUCTION_NONE);
    ebb_tensor *total = sum_of_samples(weights, b->size), *sum = terms;
    if (a->reduction != EBB_REDUCTION_NONE) sum = sum_of_samples(terms, b->size);
    else if (rows) sum = ebb__batch_unfolded(terms, b->size);
    ebb_batch_give(b, 0, a->reduction == EBB_REDUCTION_MEAN ? ebb_div(sum, total) : sum);
    ebb_batch_give(b, 1, total);
}

const struct ebb_op ebb_op_nll_loss = {
    EBB_SIGNATURE(
        nll_loss,
        "Tensor self, Tensor target, Tensor? weight, shape ignore_index=none, enum(mean|sum|none) reduction=mean "
        "-> Tensor output, Tensor total_weight[]"),
    .doc = EBB_TEXT(
        "The negative log likelihood -weight[t] * self[..., t, ...] of the classes t that target (int64) names, for "
        "log-probabilities self (C), (N, C) or (N, C, d1, ...) and target (), (N) or (N, d1, ...). The mean divides by "
        "total_weight, the sum of the weights that took part. Targets equal to ignore_index count nothing; since 0 is a class, it is a "
        "list of one, EBB_DIMS(0), and an empty list means -100. weight has one element for each class, of self's dtype."),
    .torch = EBB_TEXT("torch.nn.functional.nll_loss"),
    .node = "NllLossBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .node_variant = nll_node,
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = nll_infer,
    .forward = nll_forward,
    .vjp = nll_vjp,
    .batch = nll_batch,
    .saves = {EBB_IN(1) | EBB_IN(2) | EBB_OUT(1)},
    .formula = EBB_FORMULAS("nll_loss_backward(g, target, total_weight, weight, self.shape, ignore_index, reduction)"),
    .samples = EBB_SAMPLES("(3,4) i4(3)", "(3,4) i4(3) (4) reduction=sum", "(3,4) i4(3) reduction=none", "(4) i4()",
                           "(2,4,3) i4(2,3)", "(2,4,3,2) i4(2,3,2) (4) reduction=none", "(3,4) i4(3) ignore_index=(0)",
                           "(0,4) i4(0) reduction=sum", "! (3,4) i4(4)", "! (3,4) (3)", "! (3,4) i4(3) (3)",
                           "! i4(3,4) i4(3)", "! () i4()"),
};

/* ---- nll_loss_backward ---- */

static ebb_status nll_backward_infer(struct ebb_infer *f) {
    const struct ebb__attrs_nll_loss_backward *a = f->attrs;
    ebb_status status = check(&a->size, f->dtype, &f->in[1], &f->in[3], &a->ignore_index);
    ebb_dims want = a->reduction == EBB_REDUCTION_NONE && !status ? target_shape(&a->size) : EBB_NO_DIMS;
    f->out->shape = a->size;
    if (!status && (!ebb__dims_equal(&want, &f->in[0].shape) || f->in[2].dtype != f->dtype || f->in[2].shape.n != 0))
        status = ebb_fail(EBB_ERR_SHAPE, "grad_output and total_weight are not those of such a loss");
    return status;
}

static ebb_status check_targets(const ebb_tensor *target, int64_t classes, int64_t ignore_index) {
    const int64_t *t = (const int64_t *)(const void *)target->data;
    for (int64_t i = 0; i < target->numel; i++)
        if ((t[i] < 0 || t[i] >= classes) && t[i] != ignore_index) return fail_target(target, i, classes);
    return EBB_OK;
}

static ebb_status nll_backward_forward(struct ebb_forward *f) {
    const struct ebb__attrs_nll_loss_backward *a = f->attrs;
    const ebb_tensor *g = f->in[0], *target = f->in[1], *weight = f->in[3];
    ebb_tensor *dx = f->out[0], *last = NULL, *into = dx;
    ebb_dtype dtype = (ebb_dtype)dx->dtype;
    ebb_status status = check_targets(target, classes_of(&a->size), ignored(&a->ignore_index));
    if (status) return status;
    if (dx->ndim > 2) {
        last = classes_last(dx);
        into = last ? ebb__tensor_new_like(last, dtype) : NULL;
        if (!into) status = ebb_error_status();
    }
    if (!status) {
        double scale = a->reduction == EBB_REDUCTION_MEAN ? 1 / ebb__load(f->in[2]->data, dtype) : 1;
        ebb__nll_backward(dtype, target->numel, classes_of(&a->size), g->data, a->reduction == EBB_REDUCTION_NONE,
                          scale, (const int64_t *)(const void *)target->data, weight ? weight->data : NULL,
                          ignored(&a->ignore_index), into->data);
        if (last) status = ebb__copy_into(last, into);
    }
    if (into != dx) ebb__unref(into);
    ebb__unref(last);
    return status;
}

/* It is linear in grad_output, and nll_loss is its transpose. */
static void nll_backward_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_nll_loss_backward *a = v->attrs;
    if (v->needs[0])
        ebb_vjp_give(v, 0,
                     ebb_nll_loss(v->grad[0], v->in[1], .weight = v->in[3], .ignore_index = a->ignore_index,
                                  .reduction = a->reduction));
}

static void nll_backward_batch(struct ebb_batch_call *b) {
    struct ebb__attrs_nll_loss_backward a = *(const struct ebb__attrs_nll_loss_backward *)b->attrs;
    bool rows = a.size.n > 1;
    if (b->batched[3] || b->size == 0) {
        ebb_batch_loop(b);
        return;
    }
    ebb_tensor *g = ebb__batch_input(b, 0, 0), *target = all_rows(b, 1, rows), *one = NULL;
    if (!g || !target) return;
    if (a.reduction == EBB_REDUCTION_MEAN) g = ebb_div(g, ebb__batch_input(b, 2, 0));
    if (a.reduction != EBB_REDUCTION_NONE) { /* the same for each of the sample's terms */
        int64_t each = target->numel / b->size;
        g = ebb_expand(ebb_unsqueeze(g, 1), EBB_DIMS(b->size, each));
        g = ebb_reshape(g, ebb_tensor_shape(target));
    } else if (rows) g = ebb__batch_folded(g);
    if (rows) a.size.d[0] *= b->size;
    else a.size = EBB_DIMS(b->size, a.size.d[0]);
    one = g ? ebb_ones(EBB_NO_DIMS, .dtype = ebb_tensor_dtype(g)) : NULL;
    ebb_tensor *dx = ebb_nll_loss_backward(g, target, one, a.size, .weight = b->in[3], .ignore_index = a.ignore_index,
                                           .reduction = EBB_REDUCTION_NONE);
    ebb_batch_give(b, 0, rows ? ebb__batch_unfolded(dx, b->size) : dx);
}

const struct ebb_op ebb_op_nll_loss_backward = {
    EBB_SIGNATURE(nll_loss_backward,
                  "Tensor grad_output, Tensor target, Tensor total_weight, Tensor? weight, shape size, "
                  "shape ignore_index=none, enum(mean|sum|none) reduction=mean -> Tensor"),
    .doc = EBB_TEXT(
        "The gradient of nll_loss for log-probabilities of shape size: -grad_output * weight[t] (divided by total_weight for the "
        "mean) at the classes t that target names, zero elsewhere."),
    .torch = EBB_TEXT("torch.ops.aten.nll_loss_backward"),
    .node = "NllLossBackwardBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = nll_backward_infer,
    .forward = nll_backward_forward,
    .vjp = nll_backward_vjp,
    .batch = nll_backward_batch,
    .saves = {EBB_IN(1) | EBB_IN(3)},
    .formula = EBB_FORMULAS("nll_loss(g, target, weight, ignore_index, reduction)"),
    .samples = EBB_SAMPLES("() i4(3) () size=(3,4) reduction=sum", "(3) i4(3) () (4) size=(3,4) reduction=none",
                           "() i4(2,3) () size=(2,4,3) reduction=sum", "! () i4(3) () size=(2,4)"),
};

/* ---- cross_entropy ---- */

/* weight (C) so that it broadcasts along the classes of a tensor of ndim dimensions; NULL stays NULL. */
static ebb_tensor *along_classes(ebb_tensor *weight, int ndim) {
    ebb_dims shape = {{0}, ndim > 1 ? ndim - 1 : 1};
    for (int i = 0; i < shape.n; i++) shape.d[i] = i ? 1 : weight->numel;
    return ebb_view(weight, shape);
}

static ebb_tensor *reduce_sum_or_none(ebb_tensor *rows, int reduction) {
    return reduction == EBB_REDUCTION_NONE ? rows : ebb_sum(rows);
}

/* Targets that are probabilities, of the shape of the logits. The mean is over rows. */
static ebb_tensor *of_probabilities(ebb_tensor *logp, ebb_tensor *p, ebb_tensor *weight, int64_t dim,
                                    const struct ebb__attrs_cross_entropy *a) {
    double classes = (double)logp->dims[dim], s = a->label_smoothing;
    if (s > 0) p = ebb_add(ebb_mul(p, 1 - s), s / classes);
    ebb_tensor *terms = ebb_mul(logp, p);
    if (weight) terms = ebb_mul(terms, along_classes(weight, logp->ndim));
    ebb_tensor *loss = ebb_neg(reduce_sum_or_none(ebb_sum(terms, .dim = EBB_DIMS(dim)), a->reduction));
    return a->reduction == EBB_REDUCTION_MEAN ? ebb_div(loss, (double)logp->numel / classes) : loss;
}

/* Targets that are class numbers. Smoothing mixes in the loss against the uniform distribution. */
static ebb_tensor *of_classes(ebb_tensor *logp, ebb_tensor *target, ebb_tensor *weight, int64_t dim,
                              const struct ebb__attrs_cross_entropy *a) {
    ebb_tensor *total_weight = NULL;
    double s = a->label_smoothing;
    ebb_tensor *nll = ebb_nll_loss(logp, target, .weight = weight, .ignore_index = a->ignore_index,
                                   .reduction = a->reduction, .ret_total_weight = &total_weight);
    if (s <= 0 || !nll) return nll;
    ebb_tensor *terms = weight ? ebb_mul(logp, along_classes(weight, logp->ndim)) : logp;
    ebb_tensor *rows =
        ebb_where(ebb_eq(target, ignored(&a->ignore_index)), 0.0, ebb_neg(ebb_sum(terms, .dim = EBB_DIMS(dim))));
    ebb_tensor *smooth = reduce_sum_or_none(rows, a->reduction);
    if (a->reduction == EBB_REDUCTION_MEAN) smooth = ebb_div(smooth, total_weight);
    return ebb_add(ebb_mul(nll, 1 - s), ebb_mul(smooth, s / (double)logp->dims[dim]));
}

/* Whether the target holds probabilities or class numbers, and whether everything fits. */
static ebb_status cross_entropy_check(const struct ebb_forward *f, bool probabilities) {
    const struct ebb__attrs_cross_entropy *a = f->attrs;
    const ebb_tensor *x = f->in[0], *target = f->in[1], *weight = f->in[2];
    ebb_dims shape = ebb_tensor_shape(x);
    ebb_meta t = {.dtype = (ebb_dtype)target->dtype, .shape = ebb_tensor_shape(target)},
             w = {.shape = ebb_tensor_shape(weight)};
    w.dtype = ebb_tensor_dtype(weight);
    if (!ebb_dtype_is_floating((ebb_dtype)x->dtype))
        return ebb_fail(EBB_ERR_DTYPE, "not defined for %s", ebb_dtype_name((ebb_dtype)x->dtype));
    if (!(a->label_smoothing >= 0 && a->label_smoothing <= 1))
        return ebb_fail(EBB_ERR_ARGUMENT, "label_smoothing must lie between 0 and 1, got %g", a->label_smoothing);
    if (probabilities && !ebb__same_shape(x, target))
        return ebb_fail(EBB_ERR_SHAPE,
                        "target must hold class numbers as int64, or probabilities in the shape of the input");
    if (probabilities && a->ignore_index.n && a->ignore_index.d[0] >= 0) /* a negative one is no class */
        return ebb_fail(EBB_ERR_ARGUMENT, "ignore_index needs targets that are class numbers");
    /* the rest is the same */
    if (probabilities && shape.n) t = (ebb_meta){.dtype = EBB_I64, .shape = target_shape(&shape)};
    return check(&shape, (ebb_dtype)x->dtype, &t, &w, &a->ignore_index);
}

static ebb_tensor *cross_entropy(struct ebb_forward *f) {
    const struct ebb__attrs_cross_entropy *a = f->attrs;
    ebb_tensor *x = f->in[0], *target = f->in[1], *weight = f->in[2];
    bool probabilities = ebb_dtype_is_floating((ebb_dtype)target->dtype);
    if (cross_entropy_check(f, probabilities)) return NULL;
    int64_t dim = x->ndim > 1;
    ebb_tensor *logp = ebb_log_softmax(x, dim);
    if (!logp) return NULL;
    return probabilities ? of_probabilities(logp, target, weight, dim, a) : of_classes(logp, target, weight, dim, a);
}

const struct ebb_op ebb_op_cross_entropy = {
    EBB_SIGNATURE(cross_entropy, "Tensor self, Tensor target, Tensor? weight, shape ignore_index=none, "
                                 "enum(mean|sum|none) reduction=mean, float label_smoothing=0 -> Tensor"),
    .doc = EBB_TEXT(
        "The cross entropy of logits self (C), (N, C) or (N, C, d1, ...) with target: class numbers (int64) without the class "
        "dimension, or probabilities in the shape of self. It is nll_loss(log_softmax(self), target); weight, ignore_index (a "
        "list of one, EBB_DIMS(0); empty means -100) and reduction are as there. label_smoothing in [0, 1] mixes the target with "
        "the uniform distribution."),
    .torch = EBB_TEXT("torch.nn.functional.cross_entropy"),
    .autocast = EBB_AUTOCAST_F32,
    .compose = cross_entropy,
    .formula = EBB_FORMULAS("'(softmax(self) - target) * weight * g / count, target as probabilities'",
                            "'-log_softmax(self) * weight * g / count, for probabilities'"),
    .parts = EBB_TEXT(
        "d = 1 if self.ndim > 1 else 0; s = label_smoothing; w = 1 if weight == None else weight.view([-1] + [1, 1, 1, 1, 1, 1][:max(self.ndim - 2, 0)]); p = log_softmax(self, d); c = target.dtype == int64; l = nll_loss(p, target, weight, ignore_index, reduction) if c else -sum(p * w * (target * (1 - s) + s / self.shape[d]), d); l if c or reduction == 'none' else mean(l) if reduction == 'mean' else sum(l)"),
    .samples = EBB_SAMPLES("(3,4) i4(3)", "(3,4) i4(3) (4) label_smoothing=0.1",
                           "(3,4) i4(3) reduction=none label_smoothing=0.5", "(4) i4()",
                           "(2,4,3) i4(2,3) reduction=sum", "(3,4) (3,4)", "(2,4,3) (2,4,3) (4) label_smoothing=0.2",
                           "(3,4) i4(3) ignore_index=(0)", "! (3,4) (3)", "! (3,4) i4(4)",
                           "! (3,4) (3,4) ignore_index=(0)", "! (3,4) i4(3) label_smoothing=2", "! () i4()"),
};
