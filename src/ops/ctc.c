/* Connectionist temporal classification: ctc_loss, its kernel and its backward (Graves et al. 2006). */
#define EBB_FAMILY "Losses"
#include "ops/loss.h"
#include <math.h>

/* ---- what both operators read ---- */

enum { LOG_PROBS, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS };

/* Targets and lengths as the kernel wants them, in one block. */
struct labels {
    int64_t *targets, *offsets, *input_lengths, *target_lengths;
    size_t bytes;
};

/* NULL is read as nothing. */
static ebb_status read_integers(const ebb_tensor *t, int64_t *ret) {
    const char *data = ebb_tensor_data(t);
    for (int64_t i = 0; data && i < t->numel; i++)
        ret[i] = ebb__to_i64(ebb__load(data + i * (int64_t)ebb__dtype_sizes[t->dtype], (ebb_dtype)t->dtype));
    return data || !t || !t->numel ? EBB_OK : ebb_error_status();
}

static ebb_status check_lengths(const struct labels *l, int64_t batch, int64_t frames, const ebb_tensor *targets) {
    int64_t room = targets->ndim == 2 ? targets->dims[1] : targets->numel, total = 0;
    for (int64_t n = 0; n < batch; n++) {
        total += l->target_lengths[n];
        if (l->input_lengths[n] < 0 || l->input_lengths[n] > frames)
            return ebb_fail(EBB_ERR_ARGUMENT, "input_lengths[%lld] is %lld; there are %lld frames", (long long)n,
                            (long long)l->input_lengths[n], (long long)frames);
        if (l->target_lengths[n] < 0 || l->target_lengths[n] > room || (targets->ndim == 1 && total > room))
            return ebb_fail(EBB_ERR_ARGUMENT, "target_lengths[%lld] is %lld; targets has too few labels", (long long)n,
                            (long long)l->target_lengths[n]);
    }
    return EBB_OK;
}

/* `in` are log_probs (T, N, C), targets (N, S) or (sum), and the lengths (N), NULL for all there is. */
static ebb_status read_labels(ebb_tensor *const *in, int64_t blank, struct labels *ret, struct ebb__ctc *ret_ctc) {
    const ebb_tensor *x = in[LOG_PROBS], *targets = in[TARGETS];
    const int64_t frames = x->dims[0], batch = x->dims[1], classes = x->dims[2];
    const size_t bytes = (size_t)(targets->numel + 3 * batch) * sizeof(int64_t);
    int64_t *all = ebb__alloc(bytes);
    if (!all) return ebb_error_status();
    struct labels l = {all + 3 * batch, all, all + batch, all + 2 * batch, bytes};
    const int64_t width = targets->ndim == 2 ? targets->dims[1] : batch ? targets->numel / batch : 0;
    for (int64_t n = 0; n < batch; n++) l.input_lengths[n] = frames, l.target_lengths[n] = width;
    ebb_status status = read_integers(in[INPUT_LENGTHS], l.input_lengths);
    if (!status) status = read_integers(in[TARGET_LENGTHS], l.target_lengths);
    if (!status) status = read_integers(targets, l.targets);
    if (!status) status = check_lengths(&l, batch, frames, targets);
    int64_t next = 0;
    for (int64_t n = 0; n < batch && !status; n++) {
        l.offsets[n] = targets->ndim == 2 ? n * width : next;
        next += l.target_lengths[n];
        for (int64_t i = 0; i < l.target_lengths[n] && !status; i++) {
            const int64_t label = l.targets[l.offsets[n] + i];
            if (label < 0 || label >= classes)
                status =
                    ebb_fail(EBB_ERR_INDEX, "the targets of sequence %lld hold %lld, which is none of the %lld classes",
                             (long long)n, (long long)label, (long long)classes);
        }
    }
    *ret = l;
    *ret_ctc = (struct ebb__ctc){(ebb_dtype)x->dtype, frames,    batch,           classes,          blank, x->data,
                                 l.targets,           l.offsets, l.input_lengths, l.target_lengths, false};
    return status;
}

static ebb_status check(const ebb_meta *in, int64_t blank) {
    const ebb_dims *x = &in[LOG_PROBS].shape, *t = &in[TARGETS].shape;
    if (x->n != 3) return ebb_fail(EBB_ERR_SHAPE, "log_probs must be (frames, batch, classes)");
    if (blank < 0 || blank >= x->d[2])
        return ebb_fail(EBB_ERR_ARGUMENT, "blank is %lld, which is none of the %lld classes", (long long)blank,
                        (long long)x->d[2]);
    if (t->n < 1 || t->n > 2 || (t->n == 2 && t->d[0] != x->d[1]))
        return ebb_fail(EBB_ERR_SHAPE, "targets must be (batch, labels), or all labels one after another");
    for (int i = TARGETS; i <= TARGET_LENGTHS; i++) {
        if (in[i].dtype == EBB_DTYPE_NONE) continue;
        if (in[i].dtype != EBB_I64 && in[i].dtype != EBB_I32)
            return ebb_fail(EBB_ERR_DTYPE, "targets and lengths must be int64 or int32, got %s",
                            ebb_dtype_name(in[i].dtype));
        if (i > TARGETS && (in[i].shape.n != 1 || in[i].shape.d[0] != x->d[1]))
            return ebb_fail(EBB_ERR_SHAPE, "lengths must have shape [%lld], one for each sequence", (long long)x->d[1]);
    }
    return EBB_OK;
}

/* ---- native_ctc_loss ---- */

static ebb_status native_infer(struct ebb_infer *f) {
    const struct ebb__attrs_native_ctc_loss *a = f->attrs;
    if (check(f->in, a->blank)) return ebb_error_status();
    f->out[0].shape = EBB_DIMS(f->in[LOG_PROBS].shape.d[1]);
    return EBB_OK;
}

static ebb_status native_forward(struct ebb_forward *f) {
    const struct ebb__attrs_native_ctc_loss *a = f->attrs;
    ebb_tensor *y = f->out[0];
    struct labels l = {0};
    struct ebb__ctc ctc;
    const size_t bytes = (size_t)y->numel * sizeof(double);
    double *loss = ebb__alloc(bytes);
    ebb_status status = loss ? read_labels(f->in, a->blank, &l, &ctc) : ebb_error_status();
    if (!status) status = ebb__ctc_loss(&ctc, loss);
    for (int64_t n = 0; n < y->numel && !status; n++) {
        const double value = a->zero_infinity && isinf(loss[n]) ? 0 : loss[n];
        ebb__store(y->data + n * (int64_t)ebb__dtype_sizes[y->dtype], (ebb_dtype)y->dtype, value);
    }
    ebb__free(l.offsets, l.bytes);
    ebb__free(loss, bytes);
    return status;
}

static void native_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_native_ctc_loss *a = v->attrs;
    ebb_vjp_give(v, 0,
                 ebb_ctc_loss_backward(v->grad[0], v->in[LOG_PROBS], v->in[TARGETS],
                                       .input_lengths = v->in[INPUT_LENGTHS], .target_lengths = v->in[TARGET_LENGTHS],
                                       .blank = a->blank, .zero_infinity = a->zero_infinity));
}

#define LENGTHS "Tensor? input_lengths, Tensor? target_lengths, int blank=0, "
#define ALL (EBB_IN(LOG_PROBS) | EBB_IN(TARGETS) | EBB_IN(INPUT_LENGTHS) | EBB_IN(TARGET_LENGTHS))

const struct ebb_op ebb_op_native_ctc_loss = {
    EBB_SIGNATURE(native_ctc_loss, "Tensor log_probs, Tensor targets, " LENGTHS "bool zero_infinity=false -> Tensor"),
    .doc = EBB_TEXT("ctc_loss of each sequence, for log_probs (T, N, C)."),
    .torch = EBB_TEXT("torch._ctc_loss"),
    .node = "CtcLossBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = native_infer,
    .forward = native_forward,
    .vjp = native_vjp,
    .saves = {ALL},
    .formula = EBB_FORMULAS("'-g * the probability of each class at each time, given the labels'"),
    .samples = EBB_SAMPLES("(5,2,4) i3(2,2) blank=3", "(4,2,3) i3(2,1)", "(4,2,3) i2(4) blank=2",
                           "(6,1,3) i1(1,3) blank=2", "(3,2,3) i3(2,1) i4(2) i2(2) zero_infinity=true",
                           "(4,0,3) i3(0,2)", "! (4,2,3) i4(2,2)", "! (4,2,3) i3(3,2)", "! (4,2,3) i3(2,2) blank=3",
                           "! (4,3) i3(2)", "! (4,2,3) (2,2)", "! (4,2,3) i3(2,2) i5(3)"),
    .domain = {-2.5, -0.1},
};

/* ---- ctc_loss_backward ---- */

static ebb_status backward_infer(struct ebb_infer *f) {
    const struct ebb__attrs_ctc_loss_backward *a = f->attrs;
    if (check(f->in + 1, a->blank)) return ebb_error_status();
    if (f->in[0].shape.n != 1 || f->in[0].shape.d[0] != f->in[1].shape.d[1] || f->in[0].dtype != f->in[1].dtype)
        return ebb_fail(EBB_ERR_SHAPE, "grad_output must have an element for each sequence, of the dtype of log_probs");
    f->out[0].shape = f->in[1].shape;
    return EBB_OK;
}

static ebb_status backward_forward(struct ebb_forward *f) {
    const struct ebb__attrs_ctc_loss_backward *a = f->attrs;
    const ebb_tensor *g = f->in[0];
    struct labels l = {0};
    struct ebb__ctc ctc;
    const size_t bytes = (size_t)g->numel * sizeof(double);
    double *scale = ebb__alloc(bytes);
    ebb_status status = scale ? read_labels(f->in + 1, a->blank, &l, &ctc) : ebb_error_status();
    for (int64_t n = 0; n < g->numel && !status; n++)
        scale[n] = ebb__load(g->data + n * (int64_t)ebb__dtype_sizes[g->dtype], (ebb_dtype)g->dtype);
    if (!status) {
        ctc.zero_infinity = a->zero_infinity;
        status = ebb__ctc_backward(&ctc, scale, f->out[0]->data);
    }
    ebb__free(l.offsets, l.bytes);
    ebb__free(scale, bytes);
    return status;
}

/* The same recursion for sequence n in public operators, so that it can be differentiated as often as wanted. alpha of
 * the states, at each time from those that a path may come from: itself, the one before, and the one before that unless
 * a blank must be passed. */
static ebb_tensor *composed_loss(ebb_tensor *x, const struct ebb__ctc *ctc, int64_t n) {
    const int64_t labels = ctc->target_lengths[n], states = 2 * labels + 1, frames = ctc->input_lengths[n];
    const int64_t *target = ctc->targets + ctc->offsets[n];
    ebb_tensor *classes = ebb_full(EBB_DIMS(states), ctc->blank, .dtype = EBB_I64);
    ebb_tensor *skip = ebb_full(EBB_DIMS(states), -(double)INFINITY, .dtype = ctc->dtype);
    ebb_tensor *start = ebb_full(EBB_DIMS(states), -(double)INFINITY, .dtype = ctc->dtype);
    ebb_tensor *nothing = ebb_full(EBB_DIMS(2), -(double)INFINITY, .dtype = ctc->dtype);
    if (!classes || !skip || !start || !nothing) return NULL;
    for (int64_t i = 0; i < labels; i++) {
        ((int64_t *)(void *)classes->data)[2 * i + 1] = target[i];
        if (i > 0 && target[i] != target[i - 1])
            ebb__store(skip->data + (2 * i + 1) * (int64_t)ebb__dtype_sizes[ctc->dtype], ctc->dtype, 0);
    }
    for (int64_t i = 0; i < states && i < 2; i++)
        ebb__store(start->data + i * (int64_t)ebb__dtype_sizes[ctc->dtype], ctc->dtype, 0);
    if (frames == 0) return ebb_full(EBB_NO_DIMS, labels ? (double)INFINITY : 0, .dtype = ctc->dtype);
    ebb_tensor *emitted = ebb_index_select(ebb_select(x, 1, n), classes, 1);
    ebb_tensor *alpha = ebb_add(ebb_select(emitted, 0, 0), start);
    for (int64_t t = 1; t < frames; t++) {
        ebb_tensor *padded = ebb_cat(EBB_LIST(nothing, alpha), 0);
        ebb_tensor *one = ebb_narrow(padded, 0, 1, states), *two = ebb_add(ebb_narrow(padded, 0, 0, states), skip);
        alpha = ebb_add(ebb_logsumexp(ebb_stack(EBB_LIST(alpha, one, two), 0), EBB_DIMS(0)), ebb_select(emitted, 0, t));
    }
    int64_t ends = states > 1 ? 2 : 1;
    return ebb_neg(ebb_logsumexp(ebb_narrow(alpha, 0, states - ends, ends), EBB_DIMS(0)));
}

/* The gradient of <h, dF/dx> by x, with F the sum of the losses weighted by g. */
static ebb_tensor *curvature(struct ebb_vjp_call *v, ebb_tensor *h, bool create_graph) {
    const struct ebb__attrs_ctc_loss_backward *a = v->attrs;
    ebb_tensor *x = v->in[1], *g = v->in[0], *total = NULL, *slope = NULL, *result = NULL;
    if (!ebb_tensor_requires_grad(x)) x = ebb_requires_grad_(ebb_detach(x), true); /* forward mode asks so */
    ebb_tensor *targets = ebb_contiguous(v->in[2]);
    ebb_tensor *in[] = {x, targets, v->in[3] ? ebb_contiguous(v->in[3]) : NULL,
                        v->in[4] ? ebb_contiguous(v->in[4]) : NULL};
    struct labels l = {0};
    struct ebb__ctc ctc;
    if (!targets || read_labels(in, a->blank, &l, &ctc)) {
        ebb__free(l.offsets, l.bytes);
        return NULL;
    }
    for (int64_t n = 0; n < ctc.batch; n++) {
        ebb_tensor *loss = composed_loss(x, &ctc, n);
        if (loss && a->zero_infinity && isinf(ebb_item(loss))) continue;
        ebb_tensor *term = ebb_mul(loss, ebb_select(g, 0, n));
        total = total ? ebb_add(total, term) : term;
    }
    ebb__free(l.offsets, l.bytes);
    if (!total || !ebb_tensor_requires_grad(total)) return total ? ebb_zeros_like(x) : NULL;
    if (ebb_grad(EBB_LIST(total), EBB_LIST(x), &slope, .create_graph = true, .allow_unused = true)) return NULL;
    ebb_tensor *product = slope ? ebb_sum(ebb_mul(slope, h)) : NULL;
    if (!product || !ebb_tensor_requires_grad(product)) return ebb_zeros_like(x);
    if (ebb_grad(EBB_LIST(product), EBB_LIST(x), &result, .create_graph = create_graph, .allow_unused = true))
        return NULL;
    return result ? result : ebb_zeros_like(x);
}

static void backward_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_ctc_loss_backward *a = v->attrs;
    ebb_tensor *h = v->grad[0], *x = v->in[1];
    if (v->needs[0]) {
        ebb_tensor *one = ebb_ones(EBB_DIMS(ebb_tensor_shape(x).d[1]), .dtype = ebb_tensor_dtype(x));
        ebb_tensor *slope =
            ebb_ctc_loss_backward(one, x, v->in[2], .input_lengths = v->in[3], .target_lengths = v->in[4],
                                  .blank = a->blank, .zero_infinity = a->zero_infinity);
        ebb_vjp_give(v, 0, ebb_sum(ebb_mul(h, slope), .dim = EBB_DIMS(0, 2)));
    }
    if (!v->needs[1]) return;
    bool before = ebb__thread.no_grad;
    ebb__thread.no_grad = false;
    ebb_tensor *dx = curvature(v, h, !before);
    ebb__thread.no_grad = before;
    ebb_vjp_give(v, 1, dx);
}

const struct ebb_op ebb_op_ctc_loss_backward = {
    EBB_SIGNATURE(ctc_loss_backward, "Tensor grad_output, Tensor log_probs, Tensor targets, " LENGTHS
                                     "bool zero_infinity=false -> Tensor"),
    .doc = EBB_TEXT(
        "The gradient of native_ctc_loss: -grad_output times the probability of each class at each time, given the labels. "
        "It takes log_probs for any numbers; PyTorch's adds exp(log_probs), which log_softmax's own gradient removes."),
    .torch = EBB_TEXT("torch.ops.aten._ctc_loss_backward"),
    .node = "CtcLossBackwardBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = backward_infer,
    .forward = backward_forward,
    .vjp = backward_vjp,
    .saves = {ALL << 1, ALL << 1 | EBB_IN(0)},
    .formula = EBB_FORMULAS("'sum(g * the gradient for 1)'",
                            "'the second derivative of the loss by log_probs, times g * grad_output'"),
    .samples = EBB_SAMPLES("(2) (5,2,4) i3(2,2) blank=3", "(2) (3,2,3) i3(2,1) i4(2) i2(2) zero_infinity=true",
                           "! (3) (4,2,3) i3(2,2)"),
    .domain = {-2.5, -0.1},
};

/* ---- ctc_loss ---- */

static ebb_tensor *batched(ebb_tensor *t) { return t ? ebb_unsqueeze(t, 0) : NULL; }

static ebb_tensor *ctc_compose(struct ebb_forward *f) {
    const struct ebb__attrs_ctc_loss *a = f->attrs;
    ebb_tensor *x = f->in[LOG_PROBS], *targets = f->in[TARGETS],
               *lengths[2] = {f->in[INPUT_LENGTHS], f->in[TARGET_LENGTHS]};
    bool single = ebb_tensor_ndim(x) == 2;
    if (single) {
        x = ebb_unsqueeze(x, 1);
        if (ebb_tensor_ndim(targets) == 1) targets = batched(targets);
        for (int i = 0; i < 2; i++)
            if (ebb_tensor_ndim(lengths[i]) == 0) lengths[i] = batched(lengths[i]);
    }
    ebb_tensor *loss = ebb_native_ctc_loss(x, targets, .input_lengths = lengths[0], .target_lengths = lengths[1],
                                           .blank = a->blank, .zero_infinity = a->zero_infinity);
    if (a->reduction == EBB_REDUCTION_SUM) return ebb_sum(loss);
    if (a->reduction == EBB_REDUCTION_NONE) return single ? ebb_select(loss, 0, 0) : loss;
    ebb_dims shape = ebb_tensor_shape(targets);
    int64_t batch = ebb_tensor_numel(loss), width = shape.n == 2 ? shape.d[1] : batch ? shape.d[0] / batch : 0;
    if (lengths[1])
        loss = ebb_div(loss, ebb_clamp(ebb_to(lengths[1], ebb_tensor_dtype(loss)), .min = ebb_number_i64(1)));
    else loss = ebb_div(loss, (double)(width > 0 ? width : 1));
    return ebb_mean(loss);
}

const struct ebb_op ebb_op_ctc_loss = {
    EBB_SIGNATURE(ctc_loss,
                  "Tensor log_probs, Tensor targets, " LENGTHS EBB__REDUCTION ", bool zero_infinity=false -> Tensor"),
    .doc = EBB_TEXT(
        "Minus the logarithm of the probability that frames with the class probabilities exp(log_probs), (T, N, C) or (T, C), "
        "spell the labels in targets when repetitions are merged and blanks removed. targets (int64 or int32) is (N, S), or "
        "the labels of all sequences one after another; input_lengths and target_lengths (N) say how many frames and labels "
        "count, all where they are absent. The mean first divides each loss by its number of labels. zero_infinity makes "
        "infinite losses, of labels that do not fit into the frames, 0. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.ctc_loss"),
    .autocast = EBB_AUTOCAST_F32,
    .compose = ctc_compose,
    .parts =
        EBB_TEXT("'the mean, or the sum, of native_ctc_loss, of which the mean divides each by its number of labels'"),
    .samples =
        EBB_SAMPLES("(5,2,4) i3(2,2) blank=3", "(4,2,3) i2(4) blank=2 reduction=sum", "(5,3) i3(2)",
                    "(5,3) i3(2) reduction=none", "(3,2,3) i3(2,1) i4(2) i2(2) zero_infinity=true reduction=none",
                    "(3,2,3) i3(2,1) i4(2) i2(2) zero_infinity=true", "! (4,2,3) i4(2,2)", "! (4,2,3) i3(2,2) blank=3"),
    .domain = {-2.5, -0.1},
};

static ebb_tensor *list_tensor(const ebb_ints *list) {
    const int64_t none = 0;
    return ebb_from_data(list->n ? list->d : &none, EBB_I64, EBB_DIMS(list->n));
}

static ebb_tensor *lengths_compose(struct ebb_forward *f) {
    const struct ebb__attrs_ctc_loss_lengths *a = f->attrs;
    return ebb_ctc_loss(f->in[LOG_PROBS], f->in[TARGETS], .input_lengths = list_tensor(&a->input_lengths),
                        .target_lengths = list_tensor(&a->target_lengths), .blank = a->blank, .reduction = a->reduction,
                        .zero_infinity = a->zero_infinity);
}

const struct ebb_op ebb_op_ctc_loss_lengths = {
    EBB_SIGNATURE(
        ctc_loss_lengths,
        "Tensor log_probs, Tensor targets, ints input_lengths, ints target_lengths, int blank=0, " EBB__REDUCTION
        ", bool zero_infinity=false -> Tensor"),
    .doc = EBB_TEXT("ctc_loss with lengths that are lists of numbers. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.ctc_loss"),
    .autocast = EBB_AUTOCAST_F32,
    .overload = "ctc_loss",
    .compose = lengths_compose,
    .parts = EBB_TEXT(
        "ctc_loss(log_probs, targets, tensor(input_lengths), tensor(target_lengths), blank, reduction, zero_infinity)"),
    .samples = EBB_SAMPLES("(5,2,4) i3(2,2) input_lengths=(5,4) target_lengths=(2,1) blank=3",
                           "(4,2,3) i2(3) input_lengths=(4,4) target_lengths=(2,1) blank=2 reduction=sum",
                           "(3,2,3) i3(2,1) input_lengths=(3,2) target_lengths=(1,1) reduction=none zero_infinity=true",
                           "! (4,2,3) i3(2,2) input_lengths=(4) target_lengths=(2,2)"),
    .domain = {-2.5, -0.1},
};
