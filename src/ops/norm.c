/* Norms of vectors: vector_norm of any order, and norm, its older name. */
#define EBB_FAMILY "Reductions"
#include "ops/reduce.h"
#include <math.h>

/* A fold of x into a new tensor, not recorded. */
static ebb_tensor *fold(ebb__fold what, ebb_tensor *x, const struct ebb__attrs_vector_norm *a, ebb_dtype dtype) {
    ebb_dims shape = ebb_tensor_shape(x), reduced = ebb__reduced_shape(&shape, &a->dim, a->keepdim);
    ebb_tensor *y = ebb__own(ebb__tensor_new(dtype, reduced.n, reduced.d));
    return y && !ebb__fold_into(what, x, &a->dim, y) ? y : NULL;
}

/* What has no identity cannot be computed of nothing. */
static ebb_status check_empty(const ebb_tensor *x, const struct ebb__attrs_vector_norm *a) {
    ebb_dims shape = ebb_tensor_shape(x), out = ebb__reduced_shape(&shape, &a->dim, false);
    double ord = a->ord.value;
    if ((ord >= 0 && !isinf(ord)) || ebb__reduced_count(&shape, &a->dim)) return EBB_OK;
    for (int i = 0; i < out.n; i++)
        if (out.d[i] == 0) return EBB_OK; /* nothing of nothing */
    return ebb_fail(EBB_ERR_SHAPE, "the norm of order %g of no elements is not defined", ord);
}

static ebb_tensor *folded(ebb_tensor *x, const struct ebb__attrs_vector_norm *a) {
    ebb_dtype dtype = ebb_tensor_dtype(x);
    double ord = a->ord.value;
    if (!x) return NULL;
    if (ord == 0) return fold(EBB__FOLD_COUNT, x, a, EBB_I64);
    if (ord == 1) return fold(EBB__FOLD_ABS, x, a, dtype);
    if (ord == 2) return ebb_sqrt_(fold(EBB__FOLD_SQUARES, x, a, dtype));
    if (isinf(ord)) return fold(ord > 0 ? EBB__FOLD_MAX_ABS : EBB__FOLD_MIN_ABS, x, a, dtype);
    return ebb_pow_(fold(EBB__FOLD_SUM, ebb_pow_(ebb_abs(x), ord), a, dtype), 1 / ord);
}

static ebb_tensor *vector_norm_compose(struct ebb_forward *f) {
    const struct ebb__attrs_vector_norm *a = f->attrs;
    ebb_tensor *x = f->in[0];
    ebb_dtype given = ebb_tensor_dtype(x), dtype = a->dtype ? a->dtype : given;
    if (!ebb_dtype_is_floating(given) || ebb_promote_types(given, dtype) != dtype) {
        ebb_fail(EBB_ERR_DTYPE, "expected floating point that dtype does not narrow, got %s and dtype %s",
                 ebb_dtype_name(given), ebb_dtype_name(dtype));
        return NULL;
    }
    if (check_empty(x, a)) return NULL;
    return ebb_to(folded(ebb_to(x, ebb__is_half(dtype) ? EBB_F32 : dtype), a), dtype);
}

/* 0 where `zero` is, and there neither a division by it nor its derivative. */
static ebb_tensor *div_or_zero(ebb_tensor *a, ebb_tensor *b, ebb_tensor *zero) {
    return ebb_div(a, ebb_where(ebb_eq(zero, 0), (double)INFINITY, b));
}

/* d |x| / dx_k = sign(x_k) |x_k|^(ord - 1) norm^(1 - ord); the subgradient 0 where the norm is not differentiable. */
ebb_tensor *ebb__vector_norm_gradient(ebb_tensor *g, ebb_tensor *x, ebb_tensor *norm, double ord, const ebb_dims *dim) {
    if (ord == 1) return ebb_mul(g, ebb_sign(x));
    if (ord == 2) return ebb_mul(g, div_or_zero(x, norm, norm));
    ebb_tensor *size = ebb_abs(x), *sign = ebb_sign(x);
    if (isinf(ord)) {
        ebb_tensor *chosen = ebb_logical_or(ebb_eq(size, norm), ebb_isnan(x));
        ebb_tensor *share = ebb_div(g, ebb_sum(chosen, .dim = *dim, .keepdim = true));
        return ebb_mul(sign, ebb_mul(share, chosen));
    }
    if (ord < 1) {
        ebb_tensor *at_zero = ebb_eq(x, 0), *power = ebb_pow(ebb_where(at_zero, 1, size), ord - 1);
        return ebb_mul(ebb_mul(sign, ebb_where(at_zero, 0, power)), ebb_mul(g, ebb_pow(norm, 1 - ord)));
    }
    ebb_tensor *scale = div_or_zero(g, ebb_pow(norm, ord - 1), norm);
    if (ord < 2) return ebb_mul(ebb_mul(sign, ebb_pow(size, ord - 1)), scale);
    return ebb_mul(ebb_mul(x, ebb_pow(size, ord - 2)), scale);
}

static void vector_norm_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_vector_norm *a = v->attrs;
    ebb_tensor *x = v->in[0];
    ebb_dims shape = ebb_tensor_shape(x);
    if (a->ord.value == 0) return; /* a count: flat, and as in PyTorch no gradient at all */
    ebb_tensor *g = ebb__reduced_restore(v->grad[0], shape, &a->dim, a->keepdim);
    ebb_tensor *norm = ebb__reduced_restore(v->out[0], shape, &a->dim, a->keepdim);
    ebb_vjp_give(v, 0, ebb__vector_norm_gradient(g, ebb_to(x, ebb_tensor_dtype(norm)), norm, a->ord.value, &a->dim));
}

const struct ebb_op ebb_op_vector_norm = {
    EBB_SIGNATURE(vector_norm,
                  "Tensor self|x, float? ord=2, dims dim=all, bool keepdim=false, dtype dtype=none -> Tensor"),
    .doc = EBB_TEXT(
        "sum(|self|^ord)^(1 / ord) over the dimensions listed in dim, or over all. Of order inf the largest, of -inf the "
        "smallest absolute value, of order 0 the number of elements that are not 0. dtype, which may not narrow, casts "
        "first."),
    .torch = EBB_TEXT("torch.linalg.vector_norm"),
    .node = "LinalgVectorNormBackward0",
    .compose = vector_norm_compose,
    .vjp = vector_norm_vjp,
    .batch = ebb_batch_dims,
    .saves = {EBB_IN(0) | EBB_OUT(0)},
    .formula = EBB_FORMULAS(
        "n = restore(y, self, dim, keepdim); m = abs(self) == n; "
        "restore(g, self, dim, keepdim) * (zeros_like(self) if ord == 0 else where(n == 0, 0, self / n) if ord == 2 else sign(self) * m / sum(m, dim, True) if abs(ord) == inf else "
        "where(n == 0, 0, sign(self) * abs(self)**(ord - 1) * n**(1 - ord)))"),
    .samples = EBB_SAMPLES("(3,4)", "(3,4) dim=(1)", "(2,3,4) dim=(0,-1) keepdim=true", "(3,4) ord=1 dim=(0)",
                           "(3,4) ord=3", "(3,4) ord=inf dim=(1)", "(3,4) ord=-inf", "(3,4) ord=0 dim=(1)",
                           "(2,3) ord=0.5", "(2,3) ord=1.5", "(2,3) ord=-1 dim=(-1)", "(3) dtype=float64", "()",
                           "(0,3) dim=(1)", "(0,3) ord=-1 dim=(1)", "(0)", "! i5(3)", "! (0) ord=inf", "! (3) dim=(1)"),
};

enum { NUCLEAR = 2 }; /* of p_name: "fro" is order 2, as it is without a word */

static ebb_tensor *norm_compose(struct ebb_forward *f) {
    const struct ebb__attrs_norm *a = f->attrs;
    if (a->p_name == NUCLEAR) {
        ebb_dims dim = a->dim.n || ebb_tensor_ndim(f->in[0]) != 2 ? a->dim : EBB_DIMS(0, 1);
        return ebb_matrix_norm(f->in[0], .ord = "nuc", .dim = dim, .keepdim = a->keepdim, .dtype = a->dtype);
    }
    return ebb_vector_norm(f->in[0], .ord = EBB_SET(a->p.value), .dim = a->dim, .keepdim = a->keepdim,
                           .dtype = a->dtype);
}

const struct ebb_op ebb_op_norm = {
    EBB_SIGNATURE(norm, "Tensor self, float? p=2, enum(none|fro|nuc) p_name|p=none, dims dim=all, bool keepdim=false, "
                        "dtype dtype=none -> Tensor"),
    .doc = EBB_TEXT(
        "vector_norm by its older name and argument: of order p, over the dimensions listed in dim, or over all. p may be "
        "the word \"fro\", which is order 2, or \"nuc\", the matrix norm over two dimensions."),
    .torch = EBB_TEXT("torch.norm"),
    .compose = norm_compose,
    .parts = EBB_TEXT(
        "matrix_norm(self, 'nuc', dim or [0, 1], keepdim, dtype) if p_name == 'nuc' else vector_norm(self, p, dim, keepdim, dtype)"),
    .samples = EBB_SAMPLES("(3,4)", "(3,4) p=1 dim=(1)", "(2,3,4) p=3 dim=(0,2) keepdim=true", "(3,4) p_name=nuc",
                           "(2,3,4) p_name=nuc dim=(0,2) keepdim=true", "(3,4) p_name=fro dim=(1)", "()",
                           "(0,3) dim=(1)", "! i5(3)", "! (3) p_name=nuc"),
};
