/* Losses that ask for a margin: cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss, triplet_margin_loss,
 * multi_margin_loss, multilabel_margin_loss, multilabel_soft_margin_loss. */
#define EBB_FAMILY "Losses"
#include "ops/batching.h"
#include "ops/loss.h"

/* ---- pairs ---- */

static ebb_tensor *cosine_compose(struct ebb_forward *f) {
    const struct ebb__attrs_cosine_embedding_loss *a = f->attrs;
    ebb_tensor *x = f->in[0], *y = f->in[1], *target = f->in[2];
    if (target->ndim > 1 || x->ndim != target->ndim + 1 || y->ndim != target->ndim + 1)
        return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "expected (N, D), (N, D) and a target (N), or (D), (D) and a 0-d target");
    ebb_dims dim = EBB_DIMS(target->ndim);
    ebb_tensor *xx = ebb_add(ebb_sum(ebb_mul(x, x), .dim = dim), 1e-12);
    ebb_tensor *yy = ebb_add(ebb_sum(ebb_mul(y, y), .dim = dim), 1e-12);
    ebb_tensor *cosine = ebb_div(ebb_sum(ebb_mul(x, y), .dim = dim), ebb_sqrt(ebb_mul(xx, yy)));
    ebb_tensor *apart = ebb_clamp(ebb_sub(cosine, a->margin), .min = ebb_number_f64(0));
    ebb_tensor *together = ebb_where(ebb_eq(target, 1), ebb_sub(1, cosine), 0);
    return ebb__loss_reduced(ebb_add(together, ebb_where(ebb_eq(target, -1), apart, 0)), a->reduction);
}

const struct ebb_op ebb_op_cosine_embedding_loss = {
    EBB_SIGNATURE(cosine_embedding_loss,
                  "Tensor input1, Tensor input2, Tensor target, float margin=0, " EBB__REDUCTION " -> Tensor"),
    .doc = EBB_TEXT(
        "For vectors that should point the same way (target 1) 1 - cos, for those that should not (target -1) max(0, cos - "
        "margin), with the cosine of the angle between the rows of input1 and input2; the mean or sum. Recorded as its "
        "parts."),
    .torch = EBB_TEXT("torch.nn.functional.cosine_embedding_loss"),
    .autocast = EBB_AUTOCAST_F32,
    .compose = cosine_compose,
    .parts = EBB_TEXT(
        "d = input1.ndim - 1; c = sum(input1 * input2, d) / sqrt((sum(input1**2, d) + 1e-12) * (sum(input2**2, d) + 1e-12)); l = where(target == 1, 1 - c, 0) + where(target == -1, relu(c - margin), 0)" EBB__REDUCED),
    .samples = EBB_SAMPLES("(3,4) (3,4) i2(3)", "(2,4) (2,4) i2(2) margin=-0.5 reduction=sum",
                           "(4) (4) i2() reduction=none", "! (3,4) (3,4) i2(3,4)", "! (4) (4) i2(4)"),
};

static ebb_tensor *hinge_compose(struct ebb_forward *f) {
    const struct ebb__attrs_hinge_embedding_loss *a = f->attrs;
    ebb_tensor *x = f->in[0], *target = f->in[1];
    ebb_tensor *apart = ebb_clamp(ebb_sub(a->margin.value, x), .min = ebb_number_f64(0));
    ebb_tensor *terms = ebb_add(ebb_where(ebb_ne(target, 1), apart, 0), ebb_where(ebb_ne(target, -1), x, 0));
    return ebb__loss_reduced(terms, a->reduction);
}

const struct ebb_op ebb_op_hinge_embedding_loss = {
    EBB_SIGNATURE(hinge_embedding_loss, "Tensor self, Tensor target, float? margin=1, " EBB__REDUCTION " -> Tensor"),
    .doc = EBB_TEXT(
        "For distances self: self where target is 1, max(0, margin - self) where it is -1; the mean or sum. Recorded as "
        "its parts."),
    .torch = EBB_TEXT("torch.nn.functional.hinge_embedding_loss"),
    .autocast = EBB_AUTOCAST_F32,
    .compose = hinge_compose,
    .formula = EBB_FORMULAS("n = (self - target).numel() if reduction == 'mean' else 1; "
                            "(where(target == -1, 0, g) + where(target != 1 and self < margin, -g, 0)) / n"),
    .samples = EBB_SAMPLES("(3,4) i2(3,4)", "(3,4) i2(3,4) margin=0.5 reduction=sum", "(3,4) i2(4) reduction=none",
                           "() i2()", "! (3) i2(4)"),
};

static ebb_tensor *ranking_compose(struct ebb_forward *f) {
    const struct ebb__attrs_margin_ranking_loss *a = f->attrs;
    ebb_tensor *x = f->in[0], *y = f->in[1], *target = f->in[2];
    if (x->ndim != y->ndim || x->ndim != target->ndim)
        return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "all inputs must have the same number of dimensions");
    ebb_tensor *terms = ebb_add(ebb_mul(ebb_neg(target), ebb_sub(x, y)), a->margin);
    return ebb__loss_reduced(ebb_clamp(terms, .min = ebb_number_f64(0)), a->reduction);
}

const struct ebb_op ebb_op_margin_ranking_loss = {
    EBB_SIGNATURE(margin_ranking_loss,
                  "Tensor input1, Tensor input2, Tensor target, float margin=0, " EBB__REDUCTION " -> Tensor"),
    .doc = EBB_TEXT(
        "max(0, -target * (input1 - input2) + margin), its mean or sum: where target is 1, input1 should be the greater, "
        "where it is -1, input2. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.margin_ranking_loss"),
    .autocast = EBB_AUTOCAST_F32,
    .compose = ranking_compose,
    .parts = EBB_TEXT("l = relu(margin - target * (input1 - input2))" EBB__REDUCED),
    .samples = EBB_SAMPLES("(3,4) (3,4) (3,4)", "(3) (3) (3) margin=0.5 reduction=sum",
                           "(3,1) (1,4) (3,4) reduction=none", "() () ()", "! (3) (3) (1,3)", "! (3) (4) (3)"),
};

static ebb_tensor *triplet_compose(struct ebb_forward *f) {
    const struct ebb__attrs_triplet_margin_loss *a = f->attrs;
    ebb_tensor *anchor = f->in[0], *positive = f->in[1], *negative = f->in[2];
    if (anchor->ndim != positive->ndim || anchor->ndim != negative->ndim)
        return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "anchor, positive and negative must have the same number of dimensions");
    if (!(a->margin.value > 0))
        return EBB__LOSS_FAIL(EBB_ERR_ARGUMENT, "margin must be positive, got %g", a->margin.value);
    ebb_tensor *near = ebb_pairwise_distance(anchor, positive, .p = a->p, .eps = a->eps);
    ebb_tensor *far = ebb_pairwise_distance(anchor, negative, .p = a->p, .eps = a->eps);
    if (a->swap) far = ebb_minimum(far, ebb_pairwise_distance(positive, negative, .p = a->p, .eps = a->eps));
    ebb_tensor *terms = ebb_sub(ebb_add(near, a->margin.value), far);
    return ebb__loss_reduced(ebb_clamp(terms, .min = ebb_number_f64(0)), a->reduction);
}

const struct ebb_op ebb_op_triplet_margin_loss = {
    EBB_SIGNATURE(triplet_margin_loss,
                  "Tensor anchor, Tensor positive, Tensor negative, float? margin=1, float? p=2, float? "
                  "eps=1e-6, bool swap=false, " EBB__REDUCTION " -> Tensor"),
    .doc = EBB_TEXT(
        "max(0, d(anchor, positive) - d(anchor, negative) + margin) with d the pairwise_distance of order p; with swap the "
        "smaller of the distances of negative from anchor and from positive counts. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.triplet_margin_loss"),
    .autocast = EBB_AUTOCAST_F32,
    .compose = triplet_compose,
    .parts = EBB_TEXT(
        "d = pairwise_distance(anchor, negative, p, eps); d = minimum(d, pairwise_distance(positive, negative, p, eps)) if swap else d; l = relu(pairwise_distance(anchor, positive, p, eps) - d + margin)" EBB__REDUCED),
    .samples = EBB_SAMPLES("(3,4) (3,4) (3,4)", "(3,4) (3,4) (3,4) swap=true reduction=sum",
                           "(3,4) (1,4) (3,4) p=1 reduction=none", "(4) (4) (4) margin=0.5", "! (3,4) (4) (3,4)",
                           "! (3,4) (3,4) (3,4) margin=-1", "! (3,4) (3,5) (3,4)"),
};

/* ---- classes along the last dimension ---- */

/* A 0-d tensor as one of one element. */
static ebb_tensor *at_least_1d(ebb_tensor *t) { return ebb_tensor_ndim(t) ? t : ebb_reshape(t, EBB_DIMS(1)); }

/* Whether x is (C) or (N, C), and target what goes with it: class numbers () or (N), a single one also as (1), or, as
 * lists, of the shape of x. */
static bool classes_fit(const ebb_tensor *x, const ebb_tensor *target, bool lists) {
    if (!x || !target) return false;
    bool single = !lists && x->ndim == 1 && target->ndim == 1 && target->numel == 1;
    bool fits = (x->ndim == 1 || x->ndim == 2) && (single || target->ndim == x->ndim - !lists);
    for (int i = 0; i < target->ndim && fits && !single; i++) fits = target->dims[i] == x->dims[i];
    if (fits && target->dtype == EBB_I64) return true;
    (void)ebb_fail(EBB_ERR_SHAPE, lists ? "expected (C) or (N, C), and an int64 target of that shape"
                                        : "expected (C) or (N, C), and class numbers () or (N) as int64");
    return false;
}

/* The gradient of each row's loss, so that it broadcasts against the rows of x. */
static ebb_tensor *of_rows(ebb_tensor *g, const ebb_tensor *x, int reduction) {
    if (reduction == EBB_REDUCTION_MEAN && x->ndim > 1) return ebb_div(g, (double)x->dims[0]);
    return reduction == EBB_REDUCTION_NONE && x->ndim > 1 ? ebb_unsqueeze(g, -1) : g;
}

/* What multi_margin_loss and its gradient are made of. */
struct margins {
    ebb_tensor *x, *index; /* the class of each row, as what gather takes */
    ebb_tensor *above;     /* margin - x[class] + x */
    ebb_tensor *counts;    /* where that is a class other than the row's own, and above 0 */
    ebb_tensor *weight;    /* of the classes of all rows; may be NULL */
    double classes;
    bool single, squared; /* one class number as a list; p is 2 */
};

static bool make_margins(struct margins *m, ebb_tensor *const *in, const struct ebb__attrs_multi_margin_loss *a) {
    ebb_tensor *x = at_least_1d(in[0]), *target = in[1], *weight = in[2];
    if (!classes_fit(x, target, false)) return false;
    int64_t classes = x->dims[x->ndim - 1];
    if (a->p.value != 1 && a->p.value != 2)
        return (void)ebb_fail(EBB_ERR_ARGUMENT, "p must be 1 or 2, got %g", a->p.value), false;
    if (weight && (weight->ndim != 1 || weight->numel != classes))
        return (void)ebb_fail(EBB_ERR_SHAPE, "weight must have one element for each class"), false;
    *m = (struct margins){.x = x, .classes = (double)classes, .squared = a->p.value == 2};
    m->single = x->ndim == 1 && target->ndim == 1;
    m->index = m->single ? target : ebb_unsqueeze(target, -1);
    m->above = ebb_add(ebb_sub(x, ebb_gather(x, m->index, x->ndim - 1)), a->margin.value);
    ebb_tensor *other = ebb_ne(ebb_arange(0, classes, 1, .dtype = EBB_I64), m->index);
    m->counts = ebb_logical_and(other, ebb_gt(m->above, 0));
    if (weight) m->weight = ebb_index_select(weight, ebb_reshape(target, EBB_DIMS(-1)), 0);
    if (weight && x->ndim > 1) m->weight = ebb_unsqueeze(m->weight, -1);
    return m->counts != NULL;
}

/* Of each row, without its weight. */
static ebb_tensor *margin_sums(const struct margins *m, bool keepdim) {
    ebb_tensor *terms = ebb_where(m->counts, m->squared ? ebb_square(m->above) : m->above, 0);
    return ebb_div(ebb_sum(terms, .dim = EBB_DIMS(-1), .keepdim = keepdim), m->classes);
}

static ebb_tensor *multi_margin_compose(struct ebb_forward *f) {
    const struct ebb__attrs_multi_margin_loss *a = f->attrs;
    struct margins m;
    if (!ebb__loss_defined(f) || !make_margins(&m, f->in, a)) return NULL;
    ebb_tensor *rows = margin_sums(&m, true);
    if (m.weight) rows = ebb_mul(rows, m.weight);
    return ebb__loss_reduced(m.single ? rows : ebb_squeeze(rows, .dim = EBB_DIMS(-1)), a->reduction);
}

static void multi_margin_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_multi_margin_loss *a = v->attrs;
    struct margins m;
    if (!make_margins(&m, v->in, a)) return;
    ebb_tensor *g = of_rows(v->grad[0], m.x, a->reduction);
    if (v->needs[0]) {
        ebb_tensor *slope = m.squared ? ebb_mul(m.above, 2) : ebb_ones_like(m.above);
        ebb_tensor *dx =
            ebb_mul(ebb_where(m.counts, slope, 0), ebb_div(m.weight ? ebb_mul(g, m.weight) : g, m.classes));
        ebb_tensor *own = ebb_neg(ebb_sum(dx, .dim = EBB_DIMS(-1), .keepdim = true));
        ebb_vjp_give(v, 0, ebb_scatter_add(dx, m.index, own, m.x->ndim - 1));
    }
    if (!v->needs[2]) return;
    ebb_tensor *rows = ebb_reshape(ebb_mul(margin_sums(&m, true), g), EBB_DIMS(-1));
    ebb_tensor *zeros = ebb__zeros_beside(ebb_tensor_shape(v->in[2]), ebb_tensor_dtype(rows), m.index, rows);
    ebb_vjp_give(v, 2, ebb_index_add_(zeros, ebb_reshape(v->in[1], EBB_DIMS(-1)), rows, 0));
}

/* of every class i: above y = target, and where that counts */
#define OF_MARGINS \
    "t = target.reshape(self.shape[:-1] + [1]); z = margin - gather(self, -1, t) + self; c = scatter(z > 0, -1, t, False); h = g / (self.shape[-1] * (self.shape[0] if reduction == 'mean' and self.ndim > 1 else 1)); h = h[..., None] if reduction == 'none' and self.ndim > 1 else h; "

#define TARGETS (EBB_IN(0) | EBB_IN(1) | EBB_IN(2))
const struct ebb_op ebb_op_multi_margin_loss = {
    EBB_SIGNATURE(multi_margin_loss,
                  "Tensor self, Tensor target, Tensor? weight, float? p=1, float? margin=1, " EBB__REDUCTION
                  " -> Tensor"),
    .order = "self, target, p, margin, weight, reduction",
    .doc = EBB_TEXT(
        "For scores self (C) or (N, C) and class numbers target (int64): the sum over the classes i other than y = target of "
        "weight[y] * max(0, margin - self[y] + self[i])^p, divided by C; p is 1 or 2."),
    .torch = EBB_TEXT("torch.nn.functional.multi_margin_loss"),
    .node = "MultiMarginLossBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = multi_margin_compose,
    .vjp = multi_margin_vjp,
    .saves = {TARGETS, 0, TARGETS},
    .formula = EBB_FORMULAS(
        OF_MARGINS "d = c * h * (2 * z if p == 2 else 1) * (1 if weight == None else weight[t]); scatter_add(d, -1, t, "
                   "-sum(d, -1, True))",
        NULL, OF_MARGINS "index_add(zeros_like(weight), 0, t.view(-1), (sum(c * z**p, -1, True) * h).view(-1))"),
    .samples =
        EBB_SAMPLES("(3,4) i4(3)", "(3,4) i4(3) (4) p=2 reduction=sum", "(3,4) i4(3) margin=0.5 reduction=none",
                    "(4) i4()", "(4) i4(1)", "! (3,4) i4(4)", "! (3,4) i4(3) (3)", "! (3,4) i4(3) p=3", "() i1()"),
};

/* The same of a batch, whose elements cannot be looked at. */
static bool lists_of_samples(ebb_tensor *list, ebb_tensor **ret_counts, ebb_tensor **ret_others) {
    int dim = list->ndim ? list->ndim - 1 : 0;
    ebb_tensor *counts = ebb_gt(ebb_cumprod(ebb_ge(list, 0), dim), 0);
    ebb_tensor *named = ebb__zeros_beside(ebb_tensor_shape(list), EBB_I64, list, NULL);
    named = ebb_scatter_add(named, ebb_clamp(list, .min = ebb_number_i64(0)), ebb_to(counts, EBB_I64), dim);
    *ret_counts = counts;
    *ret_others = ebb_eq(named, 0);
    return *ret_others != NULL;
}

/* The classes listed in each row of target, up to the first that is negative: which entries of the list count, and
 * which classes are none of them. */
static bool read_lists(ebb_tensor *target, int64_t classes, ebb_tensor **ret_counts, ebb_tensor **ret_others) {
    ebb_tensor *list = ebb_contiguous(target);
    ebb_tensor *counts = list ? ebb_zeros(ebb_tensor_shape(list), .dtype = EBB_BOOL) : NULL;
    ebb_tensor *others = counts ? ebb_ones(ebb_tensor_shape(list), .dtype = EBB_BOOL) : NULL;
    if (!others) return false;
    if (ebb__is_batched(list)) return lists_of_samples(list, ret_counts, ret_others);
    const int64_t *classes_of = ebb_tensor_data(list);
    bool *counted = ebb_tensor_data(counts), *other = ebb_tensor_data(others);
    for (int64_t row = 0; row < list->numel; row += classes)
        for (int64_t i = 0; i < classes && classes_of[row + i] >= 0; i++) {
            if (classes_of[row + i] >= classes) {
                (void)ebb_fail(EBB_ERR_INDEX, "the target lists class %lld of %lld", (long long)classes_of[row + i],
                               (long long)classes);
                return false;
            }
            counted[row + i] = true;
            other[row + classes_of[row + i]] = false;
        }
    *ret_counts = counts;
    *ret_others = others;
    return true;
}

/* 1 - x[y] + x[i] for each listed class y, in the last dimension but one, and each class i that is not; elsewhere not
 * above 0. */
static ebb_tensor *label_margins(ebb_tensor *x, ebb_tensor *target) {
    ebb_tensor *counts, *others;
    if (!classes_fit(x, target, true)) return NULL;
    if (x->dims[x->ndim - 1] == 0) return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "needs classes, got none");
    if (!read_lists(target, x->dims[x->ndim - 1], &counts, &others)) return NULL;
    ebb_tensor *mine = ebb_gather(x, ebb_maximum(target, 0), x->ndim - 1);
    ebb_tensor *terms = ebb_sub(ebb_add(ebb_unsqueeze(x, -2), 1), ebb_unsqueeze(mine, -1));
    ebb_tensor *pairs = ebb_logical_and(ebb_unsqueeze(others, -2), ebb_unsqueeze(counts, -1));
    return ebb_where(pairs, terms, 0);
}

static ebb_tensor *multilabel_margin_compose(struct ebb_forward *f) {
    const struct ebb__attrs_multilabel_margin_loss *a = f->attrs;
    ebb_tensor *x = at_least_1d(f->in[0]);
    if (!ebb__loss_defined(f)) return NULL;
    ebb_tensor *terms = ebb_relu(label_margins(x, at_least_1d(f->in[1])));
    ebb_tensor *rows = ebb_sum(terms, .dim = EBB_DIMS(-2, -1));
    return ebb__loss_reduced(ebb_div(rows, (double)x->dims[x->ndim - 1]), a->reduction);
}

static void multilabel_margin_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_multilabel_margin_loss *a = v->attrs;
    ebb_tensor *x = at_least_1d(v->in[0]), *target = at_least_1d(v->in[1]);
    ebb_tensor *g = ebb_div(of_rows(v->grad[0], x, a->reduction), (double)x->dims[x->ndim - 1]);
    if (a->reduction == EBB_REDUCTION_NONE && x->ndim > 1) g = ebb_unsqueeze(g, -1);
    ebb_tensor *pairs = ebb_mul(ebb_gt(label_margins(x, target), 0), g);
    ebb_tensor *mine = ebb_neg(ebb_sum(pairs, .dim = EBB_DIMS(-1)));
    ebb_vjp_give(v, 0, ebb_scatter_add(ebb_sum(pairs, .dim = EBB_DIMS(-2)), ebb_maximum(target, 0), mine, x->ndim - 1));
}

const struct ebb_op ebb_op_multilabel_margin_loss = {
    EBB_SIGNATURE(multilabel_margin_loss, "Tensor self, Tensor target, " EBB__REDUCTION " -> Tensor"),
    .doc = EBB_TEXT(
        "For scores self (C) or (N, C), and a target of that shape that lists each row's classes (int64), ended by a "
        "negative number: the sum of max(0, 1 - self[y] + self[i]) over the classes y in the list and i outside, divided by "
        "C."),
    .torch = EBB_TEXT("torch.nn.functional.multilabel_margin_loss"),
    .node = "MultilabelMarginLossBackward0",
    .autocast = EBB_AUTOCAST_F32,
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = multilabel_margin_compose,
    .vjp = multilabel_margin_vjp,
    .saves = {EBB_IN(0) | EBB_IN(1)},
    .formula = EBB_FORMULAS("'g / C for each i not listed, -g / C for each y listed, where 1 - self[y] + self[i] > 0'"),
    .samples = EBB_SAMPLES("(3,4) i4(3,4)", "(4) i4(4)", "(3,4) i2(3,4) reduction=none", "(3,4) i3(3,4) reduction=sum",
                           "! (3,4) i4(3)", "! (2,2) i5(2,2)", "! (2,0) i1(2,0)", "! (3,4) (3,4)"),
};

static ebb_tensor *multilabel_soft_compose(struct ebb_forward *f) {
    const struct ebb__attrs_multilabel_soft_margin_loss *a = f->attrs;
    ebb_tensor *x = f->in[0], *target = f->in[1];
    if (x->ndim == 0) return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "needs classes: expected at least one dimension");
    ebb_tensor *yes = ebb_mul(target, ebb_logsigmoid(x));
    ebb_tensor *no = ebb_mul(ebb_sub(1, target), ebb_logsigmoid(ebb_neg(x)));
    ebb_tensor *terms = ebb_neg(ebb_add(yes, no));
    if (f->in[2]) terms = ebb_mul(terms, f->in[2]);
    ebb_tensor *rows = ebb_div(ebb_sum(terms, .dim = EBB_DIMS(x->ndim - 1)), (double)x->dims[x->ndim - 1]);
    return ebb__loss_reduced(rows, a->reduction);
}

const struct ebb_op ebb_op_multilabel_soft_margin_loss = {
    EBB_SIGNATURE(multilabel_soft_margin_loss,
                  "Tensor self, Tensor target, Tensor? weight, " EBB__REDUCTION " -> Tensor"),
    .doc = EBB_TEXT(
        "binary_cross_entropy_with_logits of each class, its mean over the classes in the last dimension, and the mean or "
        "sum of that. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.multilabel_soft_margin_loss"),
    .compose = multilabel_soft_compose,
    .parts = EBB_TEXT(
        "l = -(target * logsigmoid(self) + (1 - target) * logsigmoid(-self)) * (1 if weight == None else weight); l = mean(l, -1)" EBB__REDUCED),
    .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (3,4) (4) reduction=sum", "(2,3,4) (2,3,4) reduction=none", "(4) (4)",
                           "! (3,4) (3,3)", "! () ()"),
};
