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
    .doc =
        "For vectors that should point the same way (target 1) 1 - cos, for those that should not (target -1) max(0, cos - "
        "margin), with the cosine of the angle between the rows of input1 and input2; the mean or sum. Recorded as its "
        "parts.",
    .torch = "torch.nn.functional.cosine_embedding_loss",
    .autocast = EBB_AUTOCAST_F32,
    .compose = cosine_compose,
    .formula = {"'of the cosine: -g where target is 1, g where target is -1 and cos > margin'", "'likewise'"},
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
    .doc =
        "For distances self: self where target is 1, max(0, margin - self) where it is -1; the mean or sum. Recorded as "
        "its parts.",
    .torch = "torch.nn.functional.hinge_embedding_loss",
    .autocast = EBB_AUTOCAST_F32,
    .compose = hinge_compose,
    .formula = {"n = (self - target).numel() if reduction == 'mean' else 1; "
                "(where(target == -1, 0, g) + where(target != 1 and self < margin, -g, 0)) / n"},
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
    .doc =
        "max(0, -target * (input1 - input2) + margin), its mean or sum: where target is 1, input1 should be the greater, "
        "where it is -1, input2. Recorded as its parts.",
    .torch = "torch.nn.functional.margin_ranking_loss",
    .autocast = EBB_AUTOCAST_F32,
    .compose = ranking_compose,
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
    .doc =
        "max(0, d(anchor, positive) - d(anchor, negative) + margin) with d the pairwise_distance of order p; with swap the "
        "smaller of the distances of negative from anchor and from positive counts. Recorded as its parts.",
    .torch = "torch.nn.functional.triplet_margin_loss",
    .autocast = EBB_AUTOCAST_F32,
    .compose = triplet_compose,
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

static ebb_tensor *multi_margin_compose(struct ebb_forward *f) {
    const struct ebb__attrs_multi_margin_loss *a = f->attrs;
    ebb_tensor *x = at_least_1d(f->in[0]), *target = f->in[1], *weight = f->in[2];
    if (!ebb__loss_defined(f) || !classes_fit(x, target, false)) return NULL;
    int64_t classes = x->dims[x->ndim - 1], p = (int64_t)a->p.value;
    if ((double)p != a->p.value || (p != 1 && p != 2))
        return EBB__LOSS_FAIL(EBB_ERR_ARGUMENT, "p must be 1 or 2, got %g", a->p.value);
    if (weight && (weight->ndim != 1 || weight->numel != classes))
        return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "weight must have one element for each class");
    bool single = x->ndim == 1 && target->ndim == 1;
    ebb_tensor *index = single ? target : ebb_unsqueeze(target, -1);
    ebb_tensor *mine = ebb_gather(x, index, x->ndim - 1);
    ebb_tensor *other = ebb_ne(ebb_arange(0, classes, 1, .dtype = EBB_I64), index);
    ebb_tensor *terms = ebb_relu(ebb_add(ebb_sub(x, mine), a->margin.value));
    if (p == 2) terms = ebb_square(terms);
    if (weight) {
        ebb_tensor *w = ebb_index_select(weight, ebb_reshape(target, EBB_DIMS(-1)), 0);
        terms = ebb_mul(terms, x->ndim > 1 ? ebb_unsqueeze(w, -1) : w);
    }
    ebb_tensor *rows = ebb_sum(ebb_where(other, terms, 0), .dim = EBB_DIMS(-1), .keepdim = single);
    return ebb__loss_reduced(ebb_div(rows, (double)classes), a->reduction);
}

const struct ebb_op ebb_op_multi_margin_loss = {
    EBB_SIGNATURE(multi_margin_loss,
                  "Tensor self, Tensor target, Tensor? weight, float? p=1, float? margin=1, " EBB__REDUCTION
                  " -> Tensor"),
    .order = "self, target, p, margin, weight, reduction",
    .doc =
        "For scores self (C) or (N, C) and class numbers target (int64): the sum over the classes i other than y = target of "
        "weight[y] * max(0, margin - self[y] + self[i])^p, divided by C; p is 1 or 2. Recorded as its parts.",
    .torch = "torch.nn.functional.multi_margin_loss",
    .autocast = EBB_AUTOCAST_F32,
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = multi_margin_compose,
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

static ebb_tensor *multilabel_margin_compose(struct ebb_forward *f) {
    const struct ebb__attrs_multilabel_margin_loss *a = f->attrs;
    ebb_tensor *x = at_least_1d(f->in[0]), *target = at_least_1d(f->in[1]), *counts, *others;
    if (!ebb__loss_defined(f) || !classes_fit(x, target, true)) return NULL;
    int64_t classes = x->dims[x->ndim - 1];
    if (!read_lists(target, classes, &counts, &others)) return NULL;
    ebb_tensor *mine = ebb_gather(x, ebb_maximum(target, 0), x->ndim - 1);
    ebb_tensor *terms = ebb_relu(ebb_sub(ebb_add(ebb_unsqueeze(x, -2), 1), ebb_unsqueeze(mine, -1)));
    ebb_tensor *pairs = ebb_logical_and(ebb_unsqueeze(others, -2), ebb_unsqueeze(counts, -1));
    ebb_tensor *rows = ebb_sum(ebb_where(pairs, terms, 0), .dim = EBB_DIMS(-2, -1));
    return ebb__loss_reduced(ebb_div(rows, (double)classes), a->reduction);
}

const struct ebb_op ebb_op_multilabel_margin_loss = {
    EBB_SIGNATURE(multilabel_margin_loss, "Tensor self, Tensor target, " EBB__REDUCTION " -> Tensor"),
    .doc =
        "For scores self (C) or (N, C), and a target of that shape that lists each row's classes (int64), ended by a "
        "negative number: the sum of max(0, 1 - self[y] + self[i]) over the classes y in the list and i outside, divided by "
        "C. Recorded as its parts.",
    .torch = "torch.nn.functional.multilabel_margin_loss",
    .autocast = EBB_AUTOCAST_F32,
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = multilabel_margin_compose,
    .samples = EBB_SAMPLES("(3,4) i4(3,4)", "(4) i4(4)", "(3,4) i2(3,4) reduction=none", "(3,4) i3(3,4) reduction=sum",
                           "! (3,4) i4(3)", "! (2,2) i5(2,2)", "! (3,4) (3,4)"),
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
    .doc =
        "binary_cross_entropy_with_logits of each class, its mean over the classes in the last dimension, and the mean or "
        "sum of that. Recorded as its parts.",
    .torch = "torch.nn.functional.multilabel_soft_margin_loss",
    .compose = multilabel_soft_compose,
    .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (3,4) (4) reduction=sum", "(2,3,4) (2,3,4) reduction=none", "(4) (4)",
                           "! (3,4) (3,3)", "! () ()"),
};
