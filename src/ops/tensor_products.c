/* Products written with other products: outer, addr, vecdot, inner, tensordot, kron, cross, matrix_power, multi_dot. */
#define EBB_FAMILY "Linear algebra"
#include "ops/batching.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include <math.h>

static ebb_tensor *refuse(const char *expected, const ebb_tensor *a, const ebb_tensor *b) {
    char ta[EBB__SHAPE_TEXT], tb[EBB__SHAPE_TEXT];
    ebb_fail(EBB_ERR_SHAPE, "expected %s, got %s and %s", expected, ebb__shape_text(ta, a->ndim, a->dims),
             ebb__shape_text(tb, b->ndim, b->dims));
    return NULL;
}

/* ---- outer, addr ---- */

static ebb_tensor *outer(struct ebb_forward *f) {
    if (f->in[0]->ndim != 1 || f->in[1]->ndim != 1) return refuse("two vectors", f->in[0], f->in[1]);
    return ebb_mul(ebb_unsqueeze(f->in[0], 1), f->in[1]);
}

const struct ebb_op ebb_op_outer = {
    EBB_SIGNATURE(outer, "Tensor self, Tensor vec2 -> Tensor"),
    .doc = EBB_TEXT("The products of all elements of one vector with all of another: (n) and (m) give (n, m)."),
    .torch = EBB_TEXT("torch.outer"),
    .compose = outer,
    .parts = EBB_TEXT("self[:, None] * vec2"),
    .samples = EBB_SAMPLES("(3) (4)", "(1) (1)", "(0) (3)", "i5(3) (2)", "! (2,3) (3)", "! () (3)"),
};

static ebb_tensor *addr(struct ebb_forward *f) {
    const struct ebb__attrs_addr *a = f->attrs;
    const double beta = a->beta.value, alpha = a->alpha.value;
    ebb_tensor *x = f->in[0], *y = f->in[1], *z = f->in[2];
    if (y->ndim != 1 || z->ndim != 1) return refuse("two vectors", y, z);
    ebb_dims shape = EBB_DIMS(y->dims[0], z->dims[0]), given = ebb_tensor_shape(x), both = shape;
    if (!ebb__broadcast(&both, &given) || !ebb__dims_equal(&both, &shape))
        return refuse("(n), (m) and what fits", x, y);
    ebb_tensor *product = ebb_mul(ebb_unsqueeze(y, 1), z);
    if (!product) return NULL;
    const ebb_dtype dtype = ebb_promote_types((ebb_dtype)x->dtype, (ebb_dtype)product->dtype);
    const bool whole = !ebb__is_floating(dtype);
    if (whole && (beta != trunc(beta) || alpha != trunc(alpha))) {
        ebb_fail(EBB_ERR_ARGUMENT, "beta and alpha must be whole numbers for integers, got %g and %g", beta, alpha);
        return NULL;
    }
    if (alpha != 1) product = ebb_mul(product, whole ? ebb_number_i64((int64_t)alpha) : ebb_number_f64(alpha));
    if (beta == 0) return whole ? ebb_to(product, dtype) : product;
    if (beta != 1) x = ebb_mul(x, whole ? ebb_number_i64((int64_t)beta) : ebb_number_f64(beta));
    product = ebb_add(x, product);
    return whole ? ebb_to(product, dtype) : product; /* bool stays bool */
}

static void addr_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_addr *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_mul(g, a->beta.value));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_mul(ebb_mv(g, v->in[2]), a->alpha.value));
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_mul(ebb_mv(ebb_t(g), v->in[1]), a->alpha.value));
}

const struct ebb_op ebb_op_addr = {
    EBB_SIGNATURE(addr, "Tensor self, Tensor vec1, Tensor vec2, float? beta=1, float? alpha=1 -> Tensor"),
    .doc =
        EBB_TEXT("beta self + alpha outer(vec1, vec2); self broadcasts to (n, m). With a beta of 0 self is not read."),
    .torch = EBB_TEXT("torch.addr"),
    .node = "AddrBackward0",
    .dtypes = EBB_FLOATING,
    .compose = addr,
    .inplace = true,
    .vjp = addr_vjp,
    .saves = {0, EBB_IN(2), EBB_IN(1)},
    .formula = EBB_FORMULAS("beta * g", "alpha * g @ vec2", "alpha * g.T @ vec1"),
    .samples = EBB_SAMPLES("(3,4) (3) (4)", "(4) (3) (4)", "() (3) (4)", "(3,4) (3) (4) beta=0.5 alpha=-2",
                           "(4) (3) (4) beta=0", "(3,0) (3) (0)", "(4) (0) (4)", "! (3) (3) (4)", "! (3,4) (3,1) (4)",
                           "! (2,3,4) (3) (4)"),
};

/* ---- vecdot ---- */

/* As it was given: counted from the front or the back of what both broadcast to. */
static int64_t vecdot_dim(const void *attrs) {
    const ebb_dims *dim = &((const struct ebb__attrs_vecdot *)attrs)->dim;
    return dim->n ? dim->d[0] : -1;
}

static ebb_status vecdot_infer(struct ebb_infer *f) {
    const struct ebb__attrs_vecdot *a = f->attrs;
    const ebb_dims *x = &f->in[0].shape, *y = &f->in[1].shape;
    ebb_dims shape = *x;
    int64_t dim;
    if (f->in[0].dtype != f->in[1].dtype)
        return ebb_fail(EBB_ERR_DTYPE, "inputs must have one dtype, got %s and %s; ebb_to() converts",
                        ebb_dtype_name(f->in[0].dtype), ebb_dtype_name(f->in[1].dtype));
    if (!ebb__one_dim(&a->dim, -1, x->n > y->n ? x->n : y->n, &dim)) return ebb_error_status();
    if ((x->n == 1 && y->n == 1 && x->d[0] != y->d[0]) || !ebb__broadcast(&shape, y)) {
        char tx[EBB__SHAPE_TEXT], ty[EBB__SHAPE_TEXT];
        return ebb_fail(EBB_ERR_SHAPE, "%s, got %s and %s",
                        x->n == 1 && y->n == 1 ? "expected vectors of one size" : "shapes do not broadcast",
                        ebb__shape_text(tx, x->n, x->d), ebb__shape_text(ty, y->n, y->d));
    }
    f->out->shape = ebb__reduced_shape(&shape, &EBB_DIMS(dim), false);
    return EBB_OK;
}

/* Of a tensor with itself, a sum of squares, the products are nowhere in memory. */
static ebb_status vecdot_forward(struct ebb_forward *f) {
    const ebb_tensor *y = f->in[1];
    ebb_tensor *x = f->in[0];
    int64_t dim = vecdot_dim(f->attrs);
    (void)ebb__wrap_dim(&dim, x->ndim > y->ndim ? x->ndim : y->ndim);
    if (f->given[0] == f->given[1]) return ebb__fold_into(EBB__FOLD_SQUARES, x, &EBB_DIMS(dim), f->out[0]);
    ebb_tensor *product = ebb__elementwise(ebb_op_find("mul"), f->in, 2, NULL, NULL);
    ebb_status status =
        product ? ebb__fold_into(EBB__FOLD_SUM, product, &EBB_DIMS(dim), f->out[0]) : ebb_error_status();
    ebb__unref(product);
    return status;
}

/* Whether the gradients of both inputs go to one place, and may go there as one: nobody would notice (ebb_vjp_sum). */
static bool is_square(const struct ebb_vjp_call *v) {
    const struct ebb__edge *e = v->node ? ebb__node_edges(v->node) : NULL;
    return ebb__vjp_unseen(v) && e && e[0].node && e[0].node == e[1].node && e[0].nr == e[1].nr;
}

/* Along dim the other factor may have been repeated for input i. */
static void give_factor(struct ebb_vjp_call *v, int64_t i, ebb_tensor *gradient) {
    if (!gradient) return;
    ebb_dims shape = ebb_tensor_shape(gradient), own = ebb_vjp_shape(v, i);
    (void)ebb__broadcast(&shape, &own);
    ebb_vjp_give(v, i, ebb_expand(gradient, shape));
}

static void vecdot_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *g = ebb_unsqueeze(v->grad[0], vecdot_dim(v->attrs));
    if (is_square(v)) {
        ebb_vjp_give(v, 0, ebb_mul_(ebb_mul(g, v->in[0]), 2)); /* as g x + g x is rounded, and overflows */
        return;
    }
    if (v->needs[0]) give_factor(v, 0, ebb_mul(g, v->in[1]));
    if (v->needs[1]) give_factor(v, 1, ebb_mul(g, v->in[0]));
}

static void vecdot_batch(struct ebb_batch_call *b) {
    const int64_t dim = vecdot_dim(b->attrs);
    const int x = ebb__batch_ndim(b, 0), y = ebb__batch_ndim(b, 1), ndim = x > y ? x : y;
    if (ndim == 0) { /* infer() has seen that dim is 0 or -1 */
        ebb_batch_give(b, 0, ebb_mul(b->in[0], b->in[1]));
        return;
    }
    ebb_tensor *samples[2] = {b->in[0], b->in[1]};
    for (int i = 0; i < 2; i++)
        if (b->batched[i]) samples[i] = ebb__batch_aligned(samples[i], ndim + 1);
    ebb_batch_give(b, 0, ebb_vecdot(samples[0], samples[1], .dim = EBB_DIMS(dim < 0 ? dim : dim - ndim)));
}

const struct ebb_op ebb_op_vecdot = {
    EBB_SIGNATURE(vecdot, "Tensor self|x, Tensor other|y, shape dim=-1 -> Tensor"),
    .doc = EBB_TEXT(
        "The sums of the products of vectors that lie along dim of both, which broadcast: sum(self other). With self for "
        "other, the squares of their lengths, without a tensor of squares; else with one of products. float16 and bfloat16 "
        "are added up in float32."),
    .torch = EBB_TEXT("torch.linalg.vecdot"),
    .node = "LinalgVecdotBackward0",
    .dtypes = EBB_FLOATING,
    .infer = vecdot_infer,
    .forward = vecdot_forward,
    .vjp = vecdot_vjp,
    .jvp = ebb_jvp_multilinear,
    .batch = vecdot_batch,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = EBB_FORMULAS("a, b = broadcast_tensors([self, other]); unsqueeze(g, dim[0] if dim else -1) * b",
                            "a, b = broadcast_tensors([self, other]); unsqueeze(g, dim[0] if dim else -1) * a"),
    .samples = EBB_SAMPLES("(4) (4)", "(3,4) (3,4)", "(3,4) (3,4) dim=0", "(3,4) (4)", "(2,1,4) (3,4)",
                           "(4) (3,4) dim=1", "(3,4) (4) dim=-2", "(3,0) (3,0)", "(0,3) (3)", "() ()", "! (3) (4)",
                           "! (1) (3)", "! i5(3) i5(3)", "! (3,4) (3,4) dim=2", "! (3,4) (3,4) dim=(0,1)"),
};

/* ---- inner, tensordot ---- */

static ebb_tensor *inner(struct ebb_forward *f) {
    ebb_tensor *a = f->in[0], *b = f->in[1];
    if (a->ndim == 0 || b->ndim == 0) return ebb_mul(a, b);
    if (ebb__columns(a) != ebb__columns(b)) return refuse("last dimensions of one size", a, b);
    return ebb_tensordot_dims(a, b, EBB_DIMS(-1), EBB_DIMS(-1));
}

const struct ebb_op ebb_op_inner = {
    EBB_SIGNATURE(inner, "Tensor self, Tensor other -> Tensor"),
    .doc = EBB_TEXT(
        "Sums of products over the last dimension of both: (*, k) and (+, k) give (*, +). With a 0-d input, the product."),
    .torch = EBB_TEXT("torch.inner"),
    .compose = inner,
    .parts = EBB_TEXT("self * other if self.ndim == 0 or other.ndim == 0 else tensordot(self, other, [[-1], [-1]])"),
    .samples = EBB_SAMPLES("(4) (4)", "(2,4) (3,4)", "(4) (2,3,4)", "() (3)", "(2,3) ()", "(0,4) (4)", "(2,0) (0)",
                           "i5(3) i5(3)", "! (3) (4)", "! (2,3) (3,2)"),
};

/* dims, counted from the front in `ret_order`, followed by the others, or after them; false with an error. */
static bool order_of(const ebb_tensor *t, const ebb_dims *dims, bool in_front, ebb_dims *ret_order) {
    unsigned seen = 0;
    ebb_dims rest = {0}, named = *dims;
    for (int i = 0; i < dims->n; i++) {
        if (!ebb__wrap_dim(&named.d[i], t->ndim) || t->ndim == 0) {
            ebb_fail(EBB_ERR_INDEX, "dimension %lld is out of range for %d dimensions", (long long)dims->d[i], t->ndim);
            return false;
        }
        if (seen & (1u << named.d[i])) {
            ebb_fail(EBB_ERR_ARGUMENT, "dimension %lld is named twice", (long long)dims->d[i]);
            return false;
        }
        seen |= 1u << named.d[i];
    }
    for (int i = 0; i < t->ndim; i++)
        if (!(seen & (1u << i))) rest.d[rest.n++] = i;
    *ret_order = ebb__dims_ending(in_front ? named : rest, 0, in_front ? rest : named);
    return true;
}

static int64_t product_of(const ebb_tensor *t, int first, int last) {
    int64_t n = 1;
    for (int i = first; i < last; i++) n *= t->dims[i];
    return n;
}

/* Both permuted so that what is summed over meets in the middle: one matrix product. */
static ebb_tensor *contract(ebb_tensor *a, ebb_tensor *b, const ebb_dims *of_a, const ebb_dims *of_b) {
    ebb_dims order_a, order_b, shape = {0};
    if (of_a->n != of_b->n) {
        ebb_fail(EBB_ERR_ARGUMENT, "both lists of dimensions must be of one length, got %d and %d", (int)of_a->n,
                 (int)of_b->n);
        return NULL;
    }
    if (!order_of(a, of_a, false, &order_a) || !order_of(b, of_b, true, &order_b)) return NULL;
    if (a->ndim + b->ndim - 2 * of_a->n > EBB_MAX_NDIM) return refuse("a result of at most 8 dimensions", a, b);
    a = ebb_permute(a, order_a);
    b = ebb_permute(b, order_b);
    if (!a || !b) return NULL;
    int m = a->ndim - of_a->n;
    for (int i = 0; i < of_a->n; i++) { /* a size of 1 meets any: the other one is summed */
        int64_t x = a->dims[m + i], y = b->dims[i];
        if (x == y) continue;
        if (x != 1 && y != 1) return refuse("contracted dimensions of equal sizes", a, b);
        if (x == 1) b = ebb_sum(b, .dim = EBB_DIMS(i), .keepdim = true, .dtype = ebb_tensor_dtype(b));
        else a = ebb_sum(a, .dim = EBB_DIMS(m + i), .keepdim = true, .dtype = ebb_tensor_dtype(a));
        if (!a || !b) return NULL;
    }
    for (int i = 0; i < m; i++) shape.d[shape.n++] = a->dims[i];
    for (int i = of_b->n; i < b->ndim; i++) shape.d[shape.n++] = b->dims[i];
    int64_t rows = product_of(a, 0, m), k = product_of(a, m, a->ndim), columns = product_of(b, of_b->n, b->ndim);
    a = ebb_reshape(a, EBB_DIMS(rows, k));
    b = ebb_reshape(b, EBB_DIMS(k, columns));
    return ebb_reshape(ebb_mm(a, b), shape);
}

static ebb_tensor *tensordot_dims(struct ebb_forward *f) {
    const struct ebb__attrs_tensordot_dims *a = f->attrs;
    return contract(f->in[0], f->in[1], &a->dims_self, &a->dims_other);
}

static ebb_tensor *tensordot(struct ebb_forward *f) {
    int64_t n = ((const struct ebb__attrs_tensordot *)f->attrs)->dims;
    ebb_dims of_a = {0}, of_b = {0};
    if (n < 0 || n > f->in[0]->ndim || n > f->in[1]->ndim) {
        ebb_fail(EBB_ERR_ARGUMENT, "dims is %lld, for tensors of %d and %d dimensions", (long long)n, f->in[0]->ndim,
                 f->in[1]->ndim);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++) {
        of_a.d[of_a.n++] = f->in[0]->ndim - n + i;
        of_b.d[of_b.n++] = i;
    }
    return contract(f->in[0], f->in[1], &of_a, &of_b);
}

const struct ebb_op ebb_op_tensordot = {
    EBB_SIGNATURE(tensordot, "Tensor a|self, Tensor b|other, int dims[=2] -> Tensor"),
    .doc = EBB_TEXT(
        "Sums of products over the last `dims` dimensions of a and the first of b. By name dims may be two lists of "
        "dimensions, too: dims=((0),(1)) is tensordot_dims."),
    .torch = EBB_TEXT("torch.tensordot"),
    .compose = tensordot,
    .formula = EBB_FORMULAS("tensordot(g, b, [range(a.ndim - dims, g.ndim), range(dims, b.ndim)])",
                            "tensordot(a, g, [range(a.ndim - dims), range(a.ndim - dims)])"),
    .samples = EBB_SAMPLES("(2,3) (3,4) dims=1", "(2,3,4) (3,4,2) dims=2", "(2,3) (4) dims=0", "(2,3) (2,3) dims=2",
                           "() (3) dims=0", "(2,0) (0,3) dims=1", "i5(2,3) i5(3,2) dims=1", "! (2,3) (4,3) dims=1",
                           "! (2,3) (3) dims=2", "! (2) (2) dims=-1"),
};

const struct ebb_op ebb_op_tensordot_dims = {
    EBB_SIGNATURE(tensordot_dims,
                  "Tensor a|self, Tensor b|other, shape dims_self|dims, shape dims_other|dims -> Tensor"),
    .doc = EBB_TEXT(
        "Sums of products over dimensions of a and dimensions of b, pair by pair; the others follow in order. A "
        "dimension of one element meets any other."),
    .torch = EBB_TEXT("torch.tensordot"),
    .overload = "tensordot",
    .compose = tensordot_dims,
    .parts = EBB_TEXT("'permute and reshape of both, and one mm'"),
    .samples =
        EBB_SAMPLES("(2,3) (4,3) dims_self=(1) dims_other=(1)", "(2,3,4) (4,2,5) dims_self=(0,2) dims_other=(1,0)",
                    "(2,3) (3) dims_self=(-1) dims_other=(-1)", "(2,3) (4) dims_self=() dims_other=()",
                    "(2,1) (3,4) dims_self=(1) dims_other=(0)", "(2,3) (1,4) dims_self=(1) dims_other=(0)",
                    "(0,3) (3,2) dims_self=(1) dims_other=(0)", "int32(2,1) int32(3,4) dims_self=(1) dims_other=(0)",
                    "! (2,3) (3) dims_self=(0) dims_other=(0)", "! (2,3) (3) dims_self=(1) dims_other=(1)",
                    "! (2,2) (2,2) dims_self=(0,0) dims_other=(0,1)", "! (2,3) (3) dims_self=(1) dims_other=()",
                    "! () () dims_self=(0) dims_other=(0)"),
};

/* ---- kron ---- */

/* The sizes with a 1 in front, or behind each, of what has fewer dimensions counted as 1. */
static ebb_dims spread(const ebb_tensor *t, int ndim, bool behind) {
    ebb_dims s = {0};
    for (int i = 0; i < ndim; i++) {
        int k = i - (ndim - t->ndim);
        if (!behind) s.d[s.n++] = 1;
        s.d[s.n++] = k < 0 ? 1 : t->dims[k];
        if (behind) s.d[s.n++] = 1;
    }
    return s;
}

static ebb_tensor *kron(struct ebb_forward *f) {
    ebb_tensor *a = f->in[0], *b = f->in[1];
    int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    if (2 * ndim > EBB_MAX_NDIM) return refuse("at most 4 dimensions", a, b);
    ebb_dims sa = spread(a, ndim, true), sb = spread(b, ndim, false), shape = {{0}, ndim};
    for (int i = 0; i < ndim; i++) shape.d[i] = sa.d[2 * i] * sb.d[2 * i + 1];
    return ebb_reshape(ebb_mul(ebb_reshape(a, sa), ebb_reshape(b, sb)), shape);
}

const struct ebb_op ebb_op_kron = {
    EBB_SIGNATURE(kron, "Tensor self, Tensor other -> Tensor"),
    .doc = EBB_TEXT(
        "Kronecker's product: every element of self times the whole of other, side by side. Of at most 4 dimensions."),
    .torch = EBB_TEXT("torch.kron"),
    .compose = kron,
    .parts = EBB_TEXT(
        "'each element of self times the whole of other: one product of both, reshaped so that they broadcast'"),
    .samples = EBB_SAMPLES("(2,3) (4,2)", "(3) (2)", "(2,3) (4)", "(4) (2,1,3)", "() (3)", "() ()", "(0,2) (3,2)",
                           "i5(2) (2)", "! (1,1,1,1,2) (2)", "! (2) (1,1,1,1,2)", "(1,2,1,2) (2,1,2,1)"),
};

/* ---- cross ---- */

/* Elements 1, 2, 0 or 2, 0, 1 along a dimension. */
static ebb_tensor *turn(ebb_tensor *x, int64_t dim, int64_t by) {
    return ebb_cat(EBB_LIST(ebb_slice(x, dim, by, EBB_END), ebb_slice(x, dim, 0, by)), dim);
}

static ebb_tensor *linalg_cross(struct ebb_forward *f) {
    const ebb_dims *given = &((const struct ebb__attrs_linalg_cross *)f->attrs)->dim;
    ebb_tensor *a = f->in[0], *b = f->in[1];
    if (a->ndim != b->ndim || a->ndim == 0) return refuse("equal numbers of dimensions", a, b);
    int64_t dim = given->n ? given->d[0] : a->ndim - 1;
    if (a->dtype != b->dtype) {
        ebb_fail(EBB_ERR_DTYPE, "inputs must have one dtype, got %s and %s", ebb_dtype_name((ebb_dtype)a->dtype),
                 ebb_dtype_name((ebb_dtype)b->dtype));
        return NULL;
    }
    if (given->n > 1) {
        ebb_fail(EBB_ERR_ARGUMENT, "dim must be one dimension, got %d", (int)given->n);
        return NULL;
    }
    if (a->dims[dim] != 3 || b->dims[dim] != 3) return refuse("3 elements along dim", a, b);
    return ebb_sub(ebb_mul(turn(a, dim, 1), turn(b, dim, 2)), ebb_mul(turn(a, dim, 2), turn(b, dim, 1)));
}

static void linalg_cross_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_linalg_cross *a = v->attrs;
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_linalg_cross(v->in[1], v->grad[0], .dim = a->dim));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_linalg_cross(v->grad[0], v->in[0], .dim = a->dim));
}

const struct ebb_op ebb_op_linalg_cross = {
    EBB_SIGNATURE(linalg_cross, "Tensor self, Tensor other, dims dim=-1 -> Tensor"),
    .doc = EBB_TEXT(
        "Cross products of vectors of 3 elements along one dimension, the last if none is given; the others broadcast."),
    .torch = EBB_TEXT("torch.linalg.cross"),
    .node = "LinalgCrossBackward0",
    .dtypes = EBB_NUMERIC,
    .compose = linalg_cross,
    .vjp = linalg_cross_vjp,
    .batch = ebb_batch_dims,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = EBB_FORMULAS("linalg_cross(other, g, dim)", "linalg_cross(g, self, dim)"),
    .samples = EBB_SAMPLES("(3) (3)", "(4,3) (4,3)", "(3,2) (3,2) dim=0", "(2,3,1) (1,3,4) dim=1", "(0,3) (0,3)",
                           "(2,3,2) (2,3,2) dim=-2", "i5(3) i5(3)", "! (2) (2)", "! (3) (2,3)", "! (3) (2)", "! () ()",
                           "! (3) i5(3)", "! (3,3) (3,3) dim=(0,1)"),
};

static ebb_tensor *cross(struct ebb_forward *f) {
    ebb_dims dim = ((const struct ebb__attrs_cross *)f->attrs)->dim;
    const ebb_tensor *a = f->in[0];
    for (int i = 0; i < a->ndim && dim.n == 0; i++)
        if (a->dims[i] == 3) dim = EBB_DIMS(i);
    if (dim.n == 0) return refuse("a dimension of 3 elements", a, f->in[1]);
    return ebb_linalg_cross(f->in[0], f->in[1], .dim = dim);
}

const struct ebb_op ebb_op_cross = {
    EBB_SIGNATURE(cross, "Tensor self, Tensor other, dims dim=none -> Tensor"),
    .doc = EBB_TEXT(
        "Cross products of vectors of 3 elements along one dimension, the first one of that size if none is given."),
    .torch = EBB_TEXT("torch.cross"),
    .compose = cross,
    .parts = EBB_TEXT("'linalg_cross(self, other, dim), along the first dimension of 3 elements where none is given'"),
    .samples = EBB_SAMPLES("(3) (3)", "(3,3) (3,3)", "(2,3,3) (2,3,3)", "(3,3) (3,3) dim=-1", "(0,3) (0,3)",
                           "(1,3) (4,3) dim=1", "! (2) (2)", "! (3) (2,3)", "! (3) (2)"),
};

/* ---- matrix_power ---- */

/* By squares: as many products as the exponent has bits, and ones. */
static ebb_tensor *matrix_power(struct ebb_forward *f) {
    int64_t n = ((const struct ebb__attrs_matrix_power *)f->attrs)->n;
    ebb_tensor *x = f->in[0], *y = NULL;
    if (x->ndim < 2 || ebb__rows(x) != ebb__columns(x)) {
        char text[EBB__SHAPE_TEXT];
        ebb_fail(EBB_ERR_SHAPE, "expected square matrices, got %s", ebb__shape_text(text, x->ndim, x->dims));
        return NULL;
    }
    if (n < 0) x = ebb_inv(x);
    if (n == 0) return ebb__with_diagonal(ebb_zeros_like(x), ebb_ones(EBB_NO_DIMS, .dtype = (ebb_dtype)x->dtype));
    for (uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n; rest && x; rest >>= 1) {
        if (rest & 1) y = y ? ebb_matmul(y, x) : rest == 1 ? ebb_clone(x) : x;
        if (rest > 1) x = ebb_matmul(x, x);
    }
    return x ? y : NULL;
}

const struct ebb_op ebb_op_matrix_power = {
    EBB_SIGNATURE(matrix_power, "Tensor self, int n -> Tensor"),
    .doc =
        EBB_TEXT("Square matrices to the n-th power; to the 0th, identities; to a negative one, powers of inverses."),
    .torch = EBB_TEXT("torch.linalg.matrix_power"),
    .compose = matrix_power,
    .parts = EBB_TEXT("'products of self, or of inv(self), by squaring'"),
    .samples = EBB_SAMPLES("wc(3,3) n=3", "wc(2,3,3) n=2", "wc(3,3) n=1", "wc(3,3) n=0", "wc(3,3) n=-2", "wc(2,2) n=7",
                           "(0,0) n=2", "(0,3,3) n=3", "i3(2,2) n=2", "! (2,3) n=2", "! (3) n=2"),
};

/* ---- multi_dot ---- */

enum { MAX_FACTORS = 64 };

/* Where to cut each run of factors: Cormen et al., Introduction to Algorithms, section 14.2. */
struct chain {
    ebb_tensor *t[MAX_FACTORS];
    double cost[MAX_FACTORS][MAX_FACTORS];
    int cut[MAX_FACTORS][MAX_FACTORS];
};

static void plan(struct chain *c, int n) {
    for (int i = 0; i < n; i++) c->cost[i][i] = 0;
    for (int length = 2; length <= n; length++) {
        for (int i = 0, j = length - 1; j < n; i++, j++) {
            c->cost[i][j] = -1;
            for (int k = i; k < j; k++) {
                double mine =
                    c->cost[i][k] + c->cost[k + 1][j] +
                    (double)ebb__rows(c->t[i]) * (double)ebb__columns(c->t[k]) * (double)ebb__columns(c->t[j]);
                if (c->cost[i][j] >= 0 && mine >= c->cost[i][j]) continue;
                c->cost[i][j] = mine;
                c->cut[i][j] = k;
            }
        }
    }
}

static ebb_tensor *multiply(const struct chain *c, int i, int j) {
    if (i == j) return c->t[i];
    return ebb_mm(multiply(c, i, c->cut[i][j]), multiply(c, c->cut[i][j] + 1, j));
}

static ebb_tensor *multi_dot(struct ebb_forward *f) {
    const int n = (int)f->n_in;
    if (f->n_in < 2 || f->n_in > MAX_FACTORS) {
        ebb_fail(EBB_ERR_ARGUMENT, "takes 2 to %d factors, got %lld", MAX_FACTORS, (long long)f->n_in);
        return NULL;
    }
    struct chain *c = ebb__alloc(sizeof *c);
    if (!c) return NULL;
    bool row = f->in[0]->ndim == 1, column = f->in[n - 1]->ndim == 1, fit = true;
    for (int i = 0; i < n; i++) c->t[i] = f->in[i];
    if (row) c->t[0] = ebb_unsqueeze(c->t[0], 0);
    if (column) c->t[n - 1] = ebb_unsqueeze(c->t[n - 1], 1);
    ebb_tensor *y = NULL;
    for (int i = 0; i < n && fit; i++) {
        fit = c->t[i] && c->t[i]->ndim == 2 && (i == 0 || ebb__rows(c->t[i]) == ebb__columns(c->t[i - 1]));
        if (!fit && c->t[i]) refuse("matrices that fit", f->in[i ? i - 1 : 0], f->in[i]);
    }
    if (fit) plan(c, n);
    if (fit) y = multiply(c, 0, n - 1);
    if (y && column) y = ebb_squeeze(y, .dim = EBB_DIMS(1));
    if (y && row) y = ebb_squeeze(y, .dim = EBB_DIMS(0));
    ebb__free(c, sizeof *c);
    return y;
}

const struct ebb_op ebb_op_multi_dot = {
    EBB_SIGNATURE(multi_dot, "Tensors tensors -> Tensor"),
    .doc = EBB_TEXT(
        "The product of several matrices, in the order that takes the fewest multiplications. The first may be a row "
        "vector and the last a column vector, of one dimension."),
    .torch = EBB_TEXT("torch.linalg.multi_dot"),
    .compose = multi_dot,
    .parts = EBB_TEXT("'products of two matrices, in the order that needs the fewest multiplications'"),
    .samples = EBB_SAMPLES("[(2,3) (3,4)]", "[(2,5) (5,1) (1,4) (4,3)]", "[(3) (3,4) (4)]", "[(3) (3,4)]",
                           "[(3,4) (4)]", "[(3) (3)]", "[(0,3) (3,2) (2,2)]", "! [(2,3)]", "! [(2,3) (2,3)]",
                           "! [(2,3) (3) (3,2)]", "! [(2,2,2) (2,2)]"),
};
