/* Distances and directions of vectors: normalize, pairwise_distance, cosine_similarity, cdist. */
#define EBB_FAMILY "Distances"
#include "ops/batching.h"
#include "ops/loss.h"
#include "ops/reduce.h"
#include <math.h>

/* ---- normalize ---- */

static ebb_tensor *normalize_compose(struct ebb_forward *f) {
    const struct ebb__attrs_normalize *a = f->attrs;
    ebb_tensor *x = f->in[0];
    int64_t dim;
    if (!ebb__one_dim(&a->dim, 1, ebb_tensor_ndim(x), &dim)) return NULL;
    ebb_tensor *norm = ebb_vector_norm(x, .ord = a->p, .dim = EBB_DIMS(dim), .keepdim = true);
    return ebb_div(x, ebb_clamp(norm, .min = ebb_number_f64(a->eps.value)));
}

const struct ebb_op ebb_op_normalize = {
    EBB_SIGNATURE(normalize, "Tensor input, float? p=2, dims dim=1, float? eps=1e-12 -> Tensor"),
    .doc = EBB_TEXT(
        "input divided by its norms of order p along dim, which count as at least eps. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.normalize"),
    .compose = normalize_compose,
    .parts = EBB_TEXT("input / clamp(vector_norm(input, p, dim or 1, True), eps)"),
    .samples = EBB_SAMPLES("(3,4)", "(3,4) p=1", "(2,3,4) p=3 dim=-1", "(4) dim=0", "() dim=0", "(0,3)", "(3,4) eps=10",
                           "! (4)", "! (2,3) dim=(0,1)", "! i5(3,4)"),
};

/* ---- pairwise_distance, cosine_similarity ---- */

static ebb_tensor *distance_of(ebb_tensor *x, ebb_tensor *y, double p, double eps, bool keepdim) {
    ebb_tensor *d = ebb_add(ebb_sub(x, y), eps);
    if (!d) return NULL;
    int64_t last = d->ndim ? d->ndim - 1 : 0;
    return ebb_vector_norm(d, .ord = EBB_SET(p), .dim = EBB_DIMS(last), .keepdim = keepdim);
}

static ebb_tensor *pairwise_compose(struct ebb_forward *f) {
    const struct ebb__attrs_pairwise_distance *a = f->attrs;
    return distance_of(f->in[0], f->in[1], a->p.value, a->eps.value, a->keepdim);
}

const struct ebb_op ebb_op_pairwise_distance = {
    EBB_SIGNATURE(pairwise_distance, "Tensor x1, Tensor x2, float? p=2, float? eps=1e-6, bool keepdim=false -> Tensor"),
    .doc = EBB_TEXT("The norm of order p of x1 - x2 + eps along the last dimension. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.pairwise_distance"),
    .compose = pairwise_compose,
    .parts = EBB_TEXT("vector_norm(x1 - x2 + eps, p, -1, keepdim)"),
    .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (4) p=1", "(2,3,4) (3,4) p=3 keepdim=true", "(4) (4) eps=0.5",
                           "(0,3) (0,3)", "! (3,4) (3,5)"),
};

/* The vectors are scaled first, each norm counting as at least eps, as PyTorch does it: their product could
 * overflow. */
static ebb_tensor *cosine_compose(struct ebb_forward *f) {
    const struct ebb__attrs_cosine_similarity *a = f->attrs;
    ebb_tensor *x[2] = {f->in[0], f->in[1]};
    ebb_dims shape = ebb_tensor_shape(x[0]), other = ebb_tensor_shape(x[1]);
    int64_t dim;
    if (!ebb__loss_defined(f)) return NULL;
    if (!ebb__broadcast(&shape, &other)) return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "shapes do not broadcast");
    if (!ebb__one_dim(&a->dim, 1, shape.n, &dim)) return NULL;
    for (int i = 0; i < 2; i++) {
        x[i] = ebb_expand(x[i], shape);
        ebb_tensor *norm = ebb_vector_norm(x[i], .dim = EBB_DIMS(dim), .keepdim = true);
        x[i] = ebb_div(x[i], ebb__at_least(norm, a->eps.value));
    }
    return ebb_sum(ebb_mul(x[0], x[1]), .dim = EBB_DIMS(dim));
}

const struct ebb_op ebb_op_cosine_similarity = {
    EBB_SIGNATURE(cosine_similarity, "Tensor x1, Tensor x2, shape dim=1, float? eps=1e-8 -> Tensor"),
    .doc = EBB_TEXT(
        "The cosine of the angle between x1 and x2 along dim, a dimension of both broadcast together: the sum of their "
        "product, each divided by its norm, which counts as at least eps (but not for its gradient). Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.cosine_similarity"),
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .compose = cosine_compose,
    .parts = EBB_TEXT(
        "a, b = broadcast_tensors([x1, x2]); d = dim or 1; sum(a / clamp(vector_norm(a, 2, d, True), eps) * (b / clamp(vector_norm(b, 2, d, True), eps)), d)"),
    .samples = EBB_SAMPLES("(3,4) (3,4)", "(2,3,4) (3,4) dim=-1", "(4) (3,4)", "(4) (4) dim=0", "() () dim=0",
                           "(0,3) (0,3)", "! (4) (4)", "! (3,4) (3,5)", "! i5(3,4) i5(3,4)"),
};

/* ---- cdist ---- */

/* Of each row of x and each of y. */
static ebb_tensor *differences(ebb_tensor *x, ebb_tensor *y) {
    return ebb_sub(ebb_unsqueeze(x, -2), ebb_unsqueeze(y, -3));
}

static ebb_tensor *cdist_compose(struct ebb_forward *f) {
    const struct ebb__attrs_cdist *a = f->attrs;
    ebb_tensor *x = f->in[0], *y = f->in[1];
    if (x->ndim < 2 || y->ndim < 2) return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "expected at least 2 dimensions");
    if (x->dims[x->ndim - 1] != y->dims[y->ndim - 1])
        return EBB__LOSS_FAIL(EBB_ERR_SHAPE, "x1 and x2 must have the same number of columns");
    if (!(a->p.value >= 0)) return EBB__LOSS_FAIL(EBB_ERR_ARGUMENT, "p must not be negative, got %g", a->p.value);
    ebb_tensor *d = differences(x, y);
    double p = x->dims[x->ndim - 1] || !isinf(a->p.value) ? a->p.value : 1; /* of no columns all norms are 0 */
    return ebb_vector_norm(d, .ord = EBB_SET(p), .dim = EBB_DIMS(-1));
}

static void cdist_vjp(struct ebb_vjp_call *v) {
    double p = ((const struct ebb__attrs_cdist *)v->attrs)->p.value;
    if (p == 0) return; /* a count of differences: flat */
    ebb_dims last = EBB_DIMS(-1);
    ebb_tensor *g = ebb_unsqueeze(v->grad[0], -1), *y = ebb_unsqueeze(v->out[0], -1);
    ebb_tensor *d = ebb__vector_norm_gradient(g, differences(v->in[0], v->in[1]), y, p, &last);
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_sum(d, .dim = EBB_DIMS(-2)));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_neg(ebb_sum(d, .dim = EBB_DIMS(-3))));
}

#define CDIST_FORMULA \
    "d = x1[..., :, None, :] - x2[..., None, :, :]; n = y[..., None]; m = abs(d) == n; " \
    "h = g[..., None] * (zeros_like(d) if p == 0 else where(n == 0, 0, d / n) if p == 2 else sign(d) * m / sum(m, -1, True) if p == inf else " \
    "where(n == 0, 0, sign(d) * abs(d)**(p - 1) * n**(1 - p))); "

/* What stands before the matrices broadcasts. */
static void cdist_batch(struct ebb_batch_call *b) {
    if (ebb__batch_ndim(b, 0) < 2 || ebb__batch_ndim(b, 1) < 2)
        ebb_fail(EBB_ERR_SHAPE, "expected at least 2 dimensions");
    else ebb_batch_elementwise(b);
}

const struct ebb_op ebb_op_cdist = {
    EBB_SIGNATURE(cdist,
                  "Tensor x1, Tensor x2, float? p=2, enum(use_mm_for_euclid_dist_if_necessary|use_mm_for_euclid_dist|"
                  "donot_use_mm_for_euclid_dist) compute_mode=use_mm_for_euclid_dist_if_necessary -> Tensor"),
    .doc = EBB_TEXT(
        "The distances between each of the rows of x1 (..., P, M) and each of those of x2 (..., R, M): the norms of order p of "
        "their differences, (..., P, R), always computed as such: compute_mode is there for PyTorch's sake."),
    .torch = EBB_TEXT("torch.cdist"),
    .node = "CdistBackward0",
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .autocast = EBB_AUTOCAST_F32,
    .compose = cdist_compose,
    .vjp = cdist_vjp,
    .batch = cdist_batch,
    .saves = {EBB_IN(0) | EBB_IN(1) | EBB_OUT(0), EBB_IN(0) | EBB_IN(1) | EBB_OUT(0)},
    .formula = EBB_FORMULAS(CDIST_FORMULA "sum(h, -2)", CDIST_FORMULA "-sum(h, -3)"),
    .samples = EBB_SAMPLES("(3,4) (2,4)", "(3,4) (2,4) p=1", "(2,3,4) (5,4) p=3", "(3,4) (2,4) p=inf", "(0,4) (2,4)",
                           "(2,0) (3,0) p=inf", "! (4) (2,4)", "! (3,4) (2,5)", "! (3,4) (2,4) p=-1"),
};
