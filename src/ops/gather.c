/* Elements along a dimension by an index tensor: picked, put, added, reduced. */
#define EBB_FAMILY "Indexing"
#include "ops/batching.h"
#include "ops/indexing.h"
#include <math.h>

/* index has the dimensions of `other` and, along all but `dim` (-1: along all), is no larger. */
static ebb_status check_index(const ebb_meta *index, const ebb_meta *other, const char *name, int64_t dim) {
    int n = other->shape.n ? other->shape.n : 1;
    bool fits = (index->shape.n ? index->shape.n : 1) == n, empty = false;
    for (int i = 0; fits && i < n; i++) {
        int64_t size = index->shape.n ? index->shape.d[i] : 1;
        fits = i == dim || size <= (other->shape.n ? other->shape.d[i] : 1);
    }
    for (int i = 0; i < index->shape.n; i++) empty = empty || index->shape.d[i] == 0;
    if (!fits && !empty)
        return ebb_fail(EBB_ERR_SHAPE,
                        "index does not fit inside %s: expected %d dimension%s, none but dim = %lld larger", name, n,
                        n == 1 ? "" : "s", (long long)dim);
    return empty ? EBB_OK : ebb__index_dtype(index); /* where nothing is read, any dtype does, as in PyTorch */
}

/* What is done at the places that input 1 picks along dim in `moving`. */
static ebb_status place(struct ebb_forward *f, int64_t dim, const ebb_tensor *moving, const ebb_tensor *fixed,
                        enum ebb__placing what) {
    ebb_tensor *index = ebb__index_i64(f->in[1]);
    if (!index) return ebb_error_status();
    ebb_status status = what == EBB__TAKE ? EBB_OK : ebb__begin_update(f);
    const struct ebb__places p = ebb__places_of_index(index, moving, fixed, dim);
    if (!status) status = ebb__place_along(&p, what, (ebb_dtype)moving->dtype, dim, f->out[0] == f->in[0]);
    ebb__unref(index);
    return status;
}

/* ---- gather ---- */

static ebb_status gather_infer(struct ebb_infer *f) {
    const struct ebb__attrs_gather *a = f->attrs;
    f->out->shape = f->in[1].shape;
    return check_index(&f->in[1], &f->in[0], "self", a->dim);
}

static ebb_status gather_forward(struct ebb_forward *f) {
    const struct ebb__attrs_gather *a = f->attrs;
    return place(f, a->dim, f->in[0], f->out[0], EBB__TAKE);
}

static void gather_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_gather *a = v->attrs;
    ebb_tensor *g = v->grad[0], *zeros = ebb__zeros_beside(ebb_vjp_shape(v, 0), ebb_tensor_dtype(g), v->in[1], g);
    ebb_vjp_give(v, 0, ebb_scatter_add_(zeros, v->in[1], g, a->dim));
}

const struct ebb_op ebb_op_gather = {
    EBB_SIGNATURE(gather, "Tensor self, Tensor index, dim dim -> Tensor"),
    .order = "self, dim, index",
    .doc = EBB_TEXT(
        "Elements picked along dim: result[i][j] = self[index[i][j]][j] for dim 0, self[i][index[i][j]] for dim 1, and so on. "
        "index (integers) has as many dimensions as self and gives the result its shape; along the other dimensions it may be "
        "smaller than self."),
    .torch = EBB_TEXT("torch.gather"),
    .node = "GatherBackward0",
    .infer = gather_infer,
    .forward = gather_forward,
    .vjp = gather_vjp,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .saves = {EBB_IN(1)},
    .formula = EBB_FORMULAS("scatter_add(zeros_like(self), dim, index, g)"),
    .samples = EBB_SAMPLES("(3,4) i3(2,4) dim=0", "(3,4) i4(3,6) dim=-1", "(3,4,5) i4(2,3,2) dim=1", "() i1() dim=0",
                           "(5) i5(0) dim=0", "(90,400) i400(90,300) dim=1", "! (3,4) i4(3) dim=0",
                           "! (3,4) (3,4) dim=0", "! (2,4) i3(3,4) dim=1", "! (2,4) i3(2,4) dim=0"),
};

static ebb_tensor *take_along_dim_compose(struct ebb_forward *f) {
    const struct ebb__attrs_take_along_dim *a = f->attrs;
    ebb_tensor *x = f->in[0], *index = f->in[1];
    if (a->dim.n == 0) return ebb_gather(ebb_reshape(x, EBB_DIMS(-1)), ebb_reshape(index, EBB_DIMS(-1)), 0);
    int64_t dim = a->dim.d[0];
    ebb_dims from = ebb_tensor_shape(x), to = ebb_tensor_shape(index), both = from, other = to;
    if (a->dim.n > 1 || from.n != to.n) {
        ebb_fail(EBB_ERR_SHAPE, "expected one dim, and as many dimensions of indices as of self, got %d and %d",
                 (int)to.n, (int)from.n);
        return NULL;
    }
    if (from.n) both.d[dim] = other.d[dim] = 1;
    if (!ebb__broadcast(&both, &other)) {
        ebb_fail(EBB_ERR_SHAPE, "indices do not broadcast with self but for dimension %lld", (long long)dim);
        return NULL;
    }
    other = both;
    if (from.n) both.d[dim] = from.d[dim], other.d[dim] = to.d[dim];
    index = ebb_expand(index, other);
    if (from.n) index = ebb_where(ebb_lt(index, 0), ebb_add(index, from.d[dim]), index);
    return ebb_gather(ebb_expand(x, both), index, dim);
}

const struct ebb_op ebb_op_take_along_dim = {
    EBB_SIGNATURE(take_along_dim, "Tensor self, Tensor indices, dims dim=all -> Tensor"),
    .doc = EBB_TEXT(
        "The same as gather, with self and indices broadcast against each other along the other dimensions; of all "
        "elements in row-major order when no dim is given. What argmax and argsort give fits as indices."),
    .torch = EBB_TEXT("torch.take_along_dim"),
    .compose = take_along_dim_compose,
    .formula = EBB_FORMULAS("'scatter_add(zeros, dim, indices, g), where they were broadcast'"),
    .samples =
        EBB_SAMPLES("(3,4) i4(3,1) dim=(1)", "(3,4) i3(1,4) dim=(0)", "(3,1) i1(1,4) dim=(1)", "(3,4) i12(5)",
                    "() i1() dim=(0)", "! (3,4) i4(3) dim=(1)", "! (3,4) i4(2,1) dim=(1)", "! (3,4) (3,1) dim=(1)"),
};

/* ---- scatter, scatter_add ---- */

enum { ADD, MULTIPLY }; /* scatter_mode's words */

/* A 0-d src stands for as many elements as there are indices. */
static ebb_status scatter_meta(struct ebb_infer *f, int64_t dim, bool numbers) {
    const ebb_meta *src = &f->in[2];
    bool one = numbers && src->shape.n == 0;
    f->out->shape = f->in[0].shape;
    if (src->dtype != f->dtype && !one)
        return ebb_fail(EBB_ERR_DTYPE, "self and src must have one dtype, got %s and %s", ebb_dtype_name(f->dtype),
                        ebb_dtype_name(src->dtype));
    ebb_status status = check_index(&f->in[1], &f->in[0], "self", dim);
    return status || one ? status : check_index(&f->in[1], src, "src", -1);
}

/* The gradient of src, from that of the elements at its places. */
static void give_src(struct ebb_vjp_call *v, ebb_tensor *g) {
    ebb_dims shape = ebb_vjp_shape(v, 2), picked = ebb_tensor_shape(v->in[1]);
    bool alike = shape.n == 0 || ebb__dims_equal(&shape, &picked);
    if (!alike) ebb_fail(EBB_ERR_GRAPH, "the gradient of src is defined where src and index have one shape");
    ebb_vjp_give(v, 2, alike ? g : NULL);
}

static ebb_status scatter_infer(struct ebb_infer *f) {
    const struct ebb__attrs_scatter *a = f->attrs;
    return scatter_meta(f, a->dim, true);
}

static ebb_status scatter_forward(struct ebb_forward *f) {
    const struct ebb__attrs_scatter *a = f->attrs;
    return place(f, a->dim, f->out[0], f->in[2], EBB__PUT);
}

static void scatter_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_scatter *a = v->attrs;
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_scatter(v->grad[0], v->in[1], 0, a->dim));
    if (v->needs[2]) give_src(v, ebb_gather(v->grad[0], v->in[1], a->dim));
}

/* Linear, but an integer among the values is no constant. */
static void scatter_jvp(struct ebb_jvp_call *j) {
    const struct ebb__attrs_scatter *a = j->attrs;
    ebb_tensor *self = j->tangent[0] ? j->tangent[0] : ebb_zeros_like(j->in[0]);
    ebb_tensor *value = j->tangent[2] ? j->tangent[2] : ebb_number_i64(0);
    ebb_jvp_give(j, 0, ebb_scatter(self, j->in[1], value, a->dim));
}

static const char *scatter_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[2]) ? "ScatterBackward1" : "ScatterBackward0";
}

const struct ebb_op ebb_op_scatter = {
    EBB_SIGNATURE(scatter, "Tensor self, Tensor index, Number src|value, dim dim -> Tensor"),
    .doc = EBB_TEXT(
        "self with the elements of src, or one number, put at the places that index (integers) names along dim: "
        "result[index[i][j]][j] = src[i][j] for dim 0, result[i][index[i][j]] = src[i][j] for dim 1, and so on; the last "
        "one stays where several meet, and the gradient of src is right only where none do."),
    .torch = EBB_TEXT("torch.scatter"),
    .order = "self, dim, index, src",
    .node = "ScatterBackward0",
    .node_variant = scatter_node,
    .promote = EBB_PROMOTE_FIRST,
    .keeps = EBB_IN(1),
    .infer = scatter_infer,
    .forward = scatter_forward,
    .inplace = true,
    .updates = true,
    .vjp = scatter_vjp,
    .jvp = scatter_jvp,
    .batch = ebb_batch_dims,
    .saves = {EBB_IN(1), 0, EBB_IN(1)},
    .formula = EBB_FORMULAS("scatter(g, dim, index, 0)", NULL, "gather(g, dim, index)"),
    .samples = EBB_SAMPLES("(3,4) i3(1,4) (1,4) dim=0", "(3,4) i4(3,1) (3,1) dim=-1", "(3,4) i4(3,6) 2 dim=1",
                           "(3,4) i4(3,1) () dim=1", "() i1() () dim=0", "(5) i5(0) (0) dim=0",
                           "! (3,4) i4(3,6) (3,5) dim=1", "! (3,4) (3,4) 1 dim=1", "! (3,4) i9(300,4) 1 dim=0"),
};

static ebb_tensor *scatter_mode_compose(struct ebb_forward *f) {
    const struct ebb__attrs_scatter_mode *a = f->attrs;
    ebb_tensor *x = f->in[0], *src = ebb_to(f->in[2], ebb_tensor_dtype(x));
    if (ebb_tensor_ndim(src) == 0) src = ebb_expand(src, ebb_tensor_shape(f->in[1]));
    return a->reduce == ADD ? ebb_scatter_add(x, f->in[1], src, a->dim)
                            : ebb_scatter_reduce(x, f->in[1], src, a->dim, EBB_SCATTER_PROD);
}

const struct ebb_op ebb_op_scatter_mode = {
    EBB_SIGNATURE(scatter_mode,
                  "Tensor self, Tensor index, Number src|value, dim dim, enum(add|multiply) reduce -> Tensor"),
    .doc = EBB_TEXT(
        "scatter with PyTorch's argument reduce: the elements of src, or one number, added to those at their places, or "
        "multiplied with them. Recorded as scatter_add or scatter_reduce."),
    .torch = EBB_TEXT("torch.scatter(reduce=)"),
    .overload = "scatter",
    .order = "self, dim, index, src, reduce",
    .compose = scatter_mode_compose,
    .inplace = true,
    .parts = EBB_TEXT(
        "s = to(src, self.dtype); s = s.expand(index.shape) if s.ndim == 0 else s; scatter_add(self, dim, index, s) if reduce == 'add' else scatter_reduce(self, dim, index, s, 'prod')"),
    .samples = EBB_SAMPLES("(3,4) i3(2,4) (2,4) dim=0 reduce=add", "(3,4) i4(3,6) 2 dim=-1 reduce=multiply",
                           "(3,4) i4(3,2) () dim=1 reduce=add", "(3,4) i3(2,4) (2,4) dim=0 reduce=multiply",
                           "() i1() () dim=0 reduce=add", "(5) i5(0) (0) dim=0 reduce=multiply",
                           "i5(4) i4(3) 2 dim=0 reduce=multiply", "! (3,4) i4(3,6) (3,5) dim=1 reduce=add",
                           "! (3,4) (3,4) 1 dim=1 reduce=add"),
};

static ebb_status scatter_add_infer(struct ebb_infer *f) {
    const struct ebb__attrs_scatter_add *a = f->attrs;
    return scatter_meta(f, a->dim, false);
}

static ebb_status scatter_add_forward(struct ebb_forward *f) {
    const struct ebb__attrs_scatter_add *a = f->attrs;
    return place(f, a->dim, f->out[0], f->in[2], EBB__ADD);
}

static void scatter_add_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_scatter_add *a = v->attrs;
    if (v->needs[0]) ebb_vjp_give(v, 0, v->grad[0]);
    if (v->needs[2]) give_src(v, ebb_gather(v->grad[0], v->in[1], a->dim));
}

const struct ebb_op ebb_op_scatter_add = {
    EBB_SIGNATURE(scatter_add, "Tensor self, Tensor index, Tensor src, dim dim -> Tensor"),
    .order = "self, dim, index, src",
    .doc = EBB_TEXT(
        "self with the elements of src added at the places that index (integers) names along dim: result[index[i][j]][j] += "
        "src[i][j] for dim 0, result[i][index[i][j]] += src[i][j] for dim 1, and so on, in row-major order of index."),
    .torch = EBB_TEXT("torch.scatter_add"),
    .node = "ScatterAddBackward0",
    .infer = scatter_add_infer,
    .forward = scatter_add_forward,
    .inplace = true,
    .updates = true,
    .vjp = scatter_add_vjp,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_dims,
    .saves = {0, 0, EBB_IN(1)},
    .formula = EBB_FORMULAS("g", NULL, "gather(g, dim, index)"),
    .samples = EBB_SAMPLES("(3,4) i3(2,4) (2,4) dim=0", "(3,4) i4(3,6) (3,6) dim=-1", "() i1() () dim=0",
                           "(5) i5(0) (0) dim=0", "(90,400) i90(90,300) (90,300) dim=0", "! (3,4) i4(3,6) (3,5) dim=1",
                           "! (3,4) (3,4) (3,4) dim=1"),
};

/* ---- scatter_reduce ---- */

static const enum ebb__placing placings[] = {[EBB_SCATTER_SUM] = EBB__ADD,
                                             [EBB_SCATTER_PROD] = EBB__MUL,
                                             [EBB_SCATTER_MEAN] = EBB__ADD,
                                             [EBB_SCATTER_AMAX] = EBB__MAX,
                                             [EBB_SCATTER_AMIN] = EBB__MIN};

/* What leaves any other value as it is. */
static void neutral(int reduce, ebb_dtype dtype, char value[8]) {
    static const double least[EBB_DTYPE_COUNT] = {[EBB_I32] = -0x1p31, [EBB_I64] = -0x1p63},
                        most[EBB_DTYPE_COUNT] = {[EBB_BOOL] = 1, [EBB_U8] = 255, [EBB_I32] = 0x1p31 - 1};
    bool floating = ebb_dtype_is_floating(dtype);
    double x = reduce == EBB_SCATTER_PROD ? 1 : 0;
    if (reduce == EBB_SCATTER_AMAX) x = floating ? -(double)INFINITY : least[dtype];
    if (reduce == EBB_SCATTER_AMIN) x = floating ? (double)INFINITY : most[dtype];
    ebb__store(value, dtype, x);
    if (reduce == EBB_SCATTER_AMIN && dtype == EBB_I64) *(int64_t *)(void *)value = INT64_MAX;
}

static ebb_status reduce_infer(struct ebb_infer *f) {
    const struct ebb__attrs_scatter_reduce *a = f->attrs;
    if (a->reduce < EBB_SCATTER_SUM || a->reduce > EBB_SCATTER_AMIN)
        return ebb_fail(EBB_ERR_ARGUMENT, "%d is no reduction", a->reduce);
    return scatter_meta(f, a->dim, false);
}

/* Counts, of at least 1, of the values that go into each element of y. */
static void count(ebb_tensor *counts, ebb_tensor *index, const ebb_tensor *src, int64_t dim, bool include_self) {
    _Alignas(8) char one[8];
    const char zero[8] = {0};
    ebb_dtype dtype = (ebb_dtype)counts->dtype;
    int64_t size = (int64_t)ebb__dtype_sizes[dtype];
    struct ebb__places p = ebb__places_of_index(index, counts, src, dim);
    ebb__store(one, dtype, 1);
    ebb__loops_fill[dtype](counts->numel, (char *const[]){counts->data}, (const int64_t[]){size},
                           include_self ? one : zero);
    p.fixed = one;
    for (int d = 0; d < p.ndim; d++) p.fixed_stride[d] = 0;
    (void)ebb__place(&p, EBB__ADD, dtype);
    ebb__loops_maximum[dtype](counts->numel, (char *const[]){counts->data, counts->data, one},
                              (const int64_t[]){size, size, 0}, NULL);
}

static ebb_status reduce(struct ebb_forward *f, ebb_tensor *index, ebb_tensor *counts) {
    const struct ebb__attrs_scatter_reduce *a = f->attrs;
    _Alignas(8) char value[8];
    ebb_tensor *y = f->out[0];
    ebb_dtype dtype = (ebb_dtype)y->dtype;
    const struct ebb__places p = ebb__places_of_index(index, y, f->in[2], a->dim);
    struct ebb__places q;
    ebb_status status = ebb__check_places(&p, 0, a->dim);
    if (!status) status = ebb__begin_update(f);
    if (status) return status;
    if (counts) count(counts, index, f->in[2], a->dim, a->include_self.value != 0);
    if (a->include_self.value == 0) { /* what is met starts anew */
        q = p;
        q.fixed = value;
        for (int d = 0; d < q.ndim; d++) q.fixed_stride[d] = 0;
        neutral(a->reduce, dtype, value);
        (void)ebb__place(&q, EBB__PUT, dtype);
    }
    (void)ebb__place(&p, placings[a->reduce], dtype);
    if (!counts) return EBB_OK;
    ebb_tensor *const t[] = {y, y, counts};
    struct ebb__plan plan;
    ebb__plan_make(&plan, 3, t);
    ebb__plan_run(&plan, ebb_dtype_is_floating(dtype) ? ebb__loops_div[dtype] : ebb__loops_floor_divide[dtype], NULL);
    return EBB_OK;
}

static ebb_status reduce_forward(struct ebb_forward *f) {
    const struct ebb__attrs_scatter_reduce *a = f->attrs;
    ebb_dtype dtype = (ebb_dtype)f->out[0]->dtype;
    bool mean = a->reduce == EBB_SCATTER_MEAN;
    if (mean && dtype == EBB_BOOL) return ebb_fail(EBB_ERR_DTYPE, "the mean is not defined for bool");
    ebb_tensor *index = ebb__index_i64(f->in[1]),
               *counts = mean && index ? ebb__tensor_new_like(f->out[0], dtype) : NULL;
    ebb_status status = index && (counts || !mean) ? reduce(f, index, counts) : ebb_error_status();
    ebb__unref(index);
    ebb__unref(counts);
    return status;
}

/* The gradient of self, which counts nowhere that src goes unless it is included. */
static void give_self(struct ebb_vjp_call *v, ebb_tensor *g) {
    const struct ebb__attrs_scatter_reduce *a = v->attrs;
    ebb_vjp_give(v, 0, a->include_self.value != 0 ? g : ebb_scatter(g, v->in[1], 0, a->dim));
}

/* A product without one factor is the product over it; where that factor is the only 0, the product with 1 in its
 * place. */
static void prod_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_scatter_reduce *a = v->attrs;
    ebb_tensor *self = v->in[0], *index = v->in[1], *src = v->in[2], *g = v->grad[0], *y = v->out[0];
    if (v->needs[0]) {
        ebb_tensor *ones = ebb_masked_fill(self, ebb_eq(self, 0), 1);
        ebb_tensor *others = ebb_scatter_reduce(ones, index, src, a->dim, a->reduce, .include_self = a->include_self);
        give_self(v, ebb_div(ebb_mul(g, others), ones));
    }
    if (!v->needs[2]) return;
    ebb_tensor *zero = ebb_eq(src, 0),
               *none = ebb__zeros_beside(ebb_tensor_shape(self), ebb_tensor_dtype(src), index, src);
    ebb_tensor *zeros = ebb_scatter_add_(none, index, ebb_to(zero, ebb_tensor_dtype(src)), a->dim);
    ebb_tensor *only = ebb_logical_and(zero, ebb_eq(ebb_gather(zeros, index, a->dim), 1));
    ebb_tensor *without = ebb_scatter_reduce(self, index, ebb_masked_fill(src, only, 1), a->dim, a->reduce,
                                             .include_self = a->include_self);
    ebb_tensor *others = ebb_div(ebb_gather(ebb_mul(g, y), index, a->dim), ebb_masked_fill(src, zero, 1));
    give_src(v, ebb_where(only, ebb_gather(ebb_mul(g, without), index, a->dim), others));
}

static void mean_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_scatter_reduce *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    ebb_tensor *n = ebb_full(ebb_tensor_shape(g), a->include_self.value, .dtype = ebb_tensor_dtype(g));
    ebb_tensor *ones = ebb_ones(ebb_tensor_shape(v->in[1]), .dtype = ebb_tensor_dtype(g));
    g = ebb_div(g, ebb_maximum(ebb_scatter_add(n, v->in[1], ones, a->dim), 1));
    if (v->needs[0]) give_self(v, g);
    if (v->needs[2]) give_src(v, ebb_gather(g, v->in[1], a->dim));
}

/* Ties share. */
static void extreme_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_scatter_reduce *a = v->attrs;
    ebb_tensor *self = v->in[0], *index = v->in[1], *src = v->in[2], *y = v->out[0], *g = v->grad[0];
    ebb_dtype dtype = ebb_tensor_dtype(g);
    ebb_tensor *self_is = ebb_to(ebb_eq(self, y), dtype),
               *src_is = ebb_to(ebb_eq(src, ebb_gather(y, index, a->dim)), dtype);
    g = ebb_div(g, ebb_scatter_add(self_is, index, src_is, a->dim));
    if (v->needs[0]) give_self(v, ebb_mul(self_is, g));
    if (v->needs[2]) give_src(v, ebb_mul(src_is, ebb_gather(g, index, a->dim)));
}

void ebb__scatter_reduce_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_scatter_reduce *a = v->attrs;
    switch ((enum ebb_scatter_reduction)a->reduce) {
    case EBB_SCATTER_SUM:
        if (v->needs[0]) give_self(v, v->grad[0]);
        if (v->needs[2]) give_src(v, ebb_gather(v->grad[0], v->in[1], a->dim));
        break;
    case EBB_SCATTER_PROD: prod_vjp(v); break;
    case EBB_SCATTER_MEAN: mean_vjp(v); break;
    case EBB_SCATTER_AMAX:
    case EBB_SCATTER_AMIN: extreme_vjp(v); break;
    }
}

#define ALL (EBB_IN(0) | EBB_IN(1) | EBB_IN(2) | EBB_OUT(0))
const struct ebb_op ebb_op_scatter_reduce = {
    EBB_SIGNATURE(scatter_reduce,
                  "Tensor self, Tensor index, Tensor src, dim dim, enum(sum|prod|mean|amax|amin) reduce, "
                  "bool? include_self=true -> Tensor"),
    .order = "self, dim, index, src, reduce",
    .doc =
        EBB_TEXT("The sum, product, mean, largest or smallest (EBB_SCATTER_SUM, ...) of the elements of src that index "
                 "(integers) sends to one place along dim, as scatter does, together with what self has there, or with "
                 "include_self false without it. Places that nothing goes to keep what self has."),
    .torch = EBB_TEXT("torch.scatter_reduce"),
    .node = "ScatterReduceBackward0",
    .infer = reduce_infer,
    .forward = reduce_forward,
    .inplace = true,
    .updates = true,
    .vjp = ebb__scatter_reduce_vjp,
    .batch = ebb_batch_dims,
    .saves = {ALL, 0, ALL},
    .formula = EBB_FORMULAS("'by reduction: g; g y / self; g / count; g where self is y, shared by ties'", NULL,
                            "'the same for src, gathered'"),
    .samples =
        EBB_SAMPLES("(3,4) i3(2,4) (2,4) dim=0 reduce=sum", "(3,4) i4(3,6) (3,6) dim=-1 reduce=sum include_self=false",
                    "(3,4) i3(2,4) (2,4) dim=0 reduce=prod", "(3,4) i3(4,4) (4,4) dim=0 reduce=prod include_self=false",
                    "(3,4) i3(2,4) (2,4) dim=0 reduce=mean", "(3,4) i4(3,6) (3,6) dim=1 reduce=mean include_self=false",
                    "(3,4) i3(4,4) (4,4) dim=0 reduce=amax", "(3,4) i3(4,2) (4,2) dim=0 reduce=amin",
                    "(3,4) i3(4,4) (4,4) dim=0 reduce=amax include_self=false",
                    "(3,4) i3(4,4) (4,4) dim=0 reduce=amin include_self=false", "() i1() () dim=0 reduce=prod",
                    "(5) i5(0) (0) dim=0 reduce=mean", "! (3,4) i4(3,6) (3,5) dim=1 reduce=sum",
                    "! (3,4) (3,4) (3,4) dim=1 reduce=sum", "! (3,4) i9(9,4) (9,4) dim=0 reduce=amax"),
};
