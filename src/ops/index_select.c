/* Whole slices along a dimension by a list of indices: picked, added, copied and filled. */
#define EBB_FAMILY "Indexing"
#include "ops/batching.h"
#include "ops/indexing.h"

/* ---- index_select ---- */

static ebb_status select_infer(struct ebb_infer *f) {
    const struct ebb__attrs_index_select *a = f->attrs;
    f->out->shape = f->in[0].shape;
    if (f->out->shape.n) f->out->shape.d[a->dim] = f->in[1].shape.n ? f->in[1].shape.d[0] : 1;
    else if (f->in[1].shape.n && f->in[1].shape.d[0] != 1)
        return ebb_fail(EBB_ERR_SHAPE, "a scalar is indexed by one index, got %lld", (long long)f->in[1].shape.d[0]);
    return ebb__index_list(&f->in[1]);
}

/* The places of `moving` that the list of indices in input 1 names along dim, and those of `fixed`: what is done. */
static ebb_status place(struct ebb_forward *f, int64_t dim, const ebb_tensor *moving, const ebb_tensor *fixed,
                        bool negative, enum ebb__placing what) {
    ebb_tensor *index = ebb__index_i64(f->in[1]);
    if (!index) return ebb_error_status();
    ebb_status status = what == EBB__TAKE ? EBB_OK : ebb__begin_update(f);
    const struct ebb__places p = ebb__places_of_list(index, moving, fixed, dim, negative);
    if (!status) status = ebb__place_along(&p, what, (ebb_dtype)moving->dtype, dim, f->out[0] == f->in[0]);
    ebb__unref(index);
    return status;
}

static ebb_status select_forward(struct ebb_forward *f) {
    const struct ebb__attrs_index_select *a = f->attrs;
    return place(f, a->dim, f->in[0], f->out[0], false, EBB__TAKE);
}

static void select_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_index_select *a = v->attrs;
    ebb_tensor *zeros = ebb__zeros_beside(ebb_vjp_shape(v, 0), ebb_tensor_dtype(v->grad[0]), v->in[1], v->grad[0]);
    ebb_vjp_give(v, 0, ebb_index_add_(zeros, v->in[1], v->grad[0], a->dim));
}

/* One list of places for all samples. */
static void batch_list(struct ebb_batch_call *b) { ebb__batch_dims_but(b, EBB_IN(1)); }

const struct ebb_op ebb_op_index_select = {
    EBB_SIGNATURE(index_select, "Tensor self, Tensor index, dim dim -> Tensor"),
    .order = "self, dim, index",
    .doc = EBB_TEXT(
        "The slices of self that index (a list of integers or a scalar) names along dim, in that order and as often as "
        "named: result[i] = self[index[i]] for dim 0."),
    .torch = EBB_TEXT("torch.index_select"),
    .node = "IndexSelectBackward0",
    .infer = select_infer,
    .forward = select_forward,
    .vjp = select_vjp,
    .jvp = ebb_jvp_linear,
    .batch = batch_list,
    .saves = {EBB_IN(1)},
    .formula = EBB_FORMULAS("index_add(zeros_like(self), dim, index, g)"),
    .samples = EBB_SAMPLES("(4,3) i4(6) dim=0", "(2,5,3) i5(2) dim=-2", "(3,4) i4(0) dim=1", "(3,4) i3() dim=0",
                           "() i1(1) dim=0", "(3,0) i3(2) dim=0", "(300,70) i300(500) dim=0", "! (3,4) i4(2,2) dim=0",
                           "! (3,4) (2) dim=0", "! (0,4) i1(2) dim=0", "! () i1(2) dim=0"),
};

/* ---- index_add, index_copy: slices of source ---- */

/* source has the shape of self, but along dim as many slices as there are indices. */
static ebb_status source_infer(struct ebb_infer *f, int64_t dim) {
    const ebb_meta *index = &f->in[1], *source = &f->in[2];
    ebb_dims want = f->out->shape = f->in[0].shape;
    int64_t count = index->shape.n ? index->shape.d[0] : 1;
    if (want.n) want.d[dim] = count;
    if (source->dtype != f->in[0].dtype)
        return ebb_fail(EBB_ERR_DTYPE, "self and source must have one dtype, got %s and %s",
                        ebb_dtype_name(f->in[0].dtype), ebb_dtype_name(source->dtype));
    if (!ebb__dims_equal(&source->shape, &want) || (!want.n && count != 1))
        return ebb_fail(EBB_ERR_SHAPE, "source must have self's shape, with %lld along dimension %lld",
                        (long long)count, (long long)dim);
    return ebb__index_list(index);
}

static ebb_status add_infer(struct ebb_infer *f) {
    const struct ebb__attrs_index_add *a = f->attrs;
    return source_infer(f, a->dim);
}

static ebb_status add_forward(struct ebb_forward *f) {
    const struct ebb__attrs_index_add *a = f->attrs;
    ebb_tensor *source = f->in[2], *scaled = NULL;
    if (a->alpha.value != 1) {
        _Alignas(8) char alpha[8];
        int64_t size = (int64_t)ebb__dtype_sizes[source->dtype];
        if (!(scaled = source = ebb__cast(source, (ebb_dtype)source->dtype))) return ebb_error_status();
        ebb__store_number(alpha, (ebb_dtype)source->dtype, &a->alpha);
        ebb__loops_mul[source->dtype](source->numel, (char *const[]){source->data, source->data, alpha},
                                      (const int64_t[]){size, size, 0}, NULL);
    }
    ebb_status status = place(f, a->dim, f->out[0], source, false, EBB__ADD);
    ebb__unref(scaled);
    return status;
}

static void add_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_index_add *a = v->attrs;
    if (v->needs[0]) ebb_vjp_give(v, 0, v->grad[0]);
    if (!v->needs[2]) return;
    ebb_tensor *g = ebb_index_select(v->grad[0], v->in[1], a->dim);
    ebb_vjp_give(v, 2, a->alpha.value == 1 ? g : ebb_mul(g, a->alpha.value));
}

const struct ebb_op ebb_op_index_add = {
    EBB_SIGNATURE(index_add, "Tensor self, Tensor index, Tensor source, dim dim, float? alpha=1 -> Tensor"),
    .order = "self, dim, index, source",
    .doc = EBB_TEXT(
        "self with alpha times the slices of source added at the places that index (integers) names along dim, in "
        "order: result[index[i]] += alpha * source[i] for dim 0."),
    .torch = EBB_TEXT("torch.index_add"),
    .node = "IndexAddBackward0",
    .infer = add_infer,
    .forward = add_forward,
    .inplace = true,
    .updates = true,
    .vjp = add_vjp,
    .jvp = ebb_jvp_linear,
    .batch = batch_list,
    .saves = {0, 0, EBB_IN(1)},
    .formula = EBB_FORMULAS("g", NULL, "alpha * index_select(g, dim, index)"),
    .samples = EBB_SAMPLES("(4,3) i4(6) (6,3) dim=0", "(2,5,3) i5(2) (2,2,3) dim=-2", "(3,4) i4(0) (3,0) dim=1",
                           "() i1(1) () dim=0", "(4,3) i4(6) (6,3) dim=0 alpha=-2", "(4) i4() (1) dim=0 alpha=0",
                           "(20,300) i20(70) (70,300) dim=0", "! (4,3) i4(6) (5,3) dim=0", "! (3,4) (2) (2,4) dim=0",
                           "! (0,4) i1(2) (2,4) dim=0"),
};

/* One slice without its dimension stands for itself: a 0-d source goes into a list. */
static ebb_status copy_infer(struct ebb_infer *f) {
    const struct ebb__attrs_index_copy *a = f->attrs;
    const ebb_meta *index = &f->in[1], *source = &f->in[2];
    bool one = source->shape.n == 0 && f->in[0].shape.n == 1 && (index->shape.n == 0 || index->shape.d[0] == 1);
    if (!one || source->dtype != f->in[0].dtype) return source_infer(f, a->dim);
    f->out->shape = f->in[0].shape;
    return ebb__index_list(index);
}

static ebb_status copy_forward(struct ebb_forward *f) {
    const struct ebb__attrs_index_copy *a = f->attrs;
    return place(f, a->dim, f->out[0], f->in[2], false, EBB__PUT);
}

static void copy_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_index_copy *a = v->attrs;
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_index_fill(v->grad[0], v->in[1], 0, a->dim));
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_index_select(v->grad[0], v->in[1], a->dim));
}

const struct ebb_op ebb_op_index_copy = {
    EBB_SIGNATURE(index_copy, "Tensor self, Tensor index, Tensor source, dim dim -> Tensor"),
    .order = "self, dim, index, source",
    .doc = EBB_TEXT(
        "self with the slices that index (integers) names along dim replaced by those of source, in order: "
        "result[index[i]] = source[i] for dim 0. The gradient of source is right where no index is named twice."),
    .torch = EBB_TEXT("torch.index_copy"),
    .node = "IndexCopyBackward0",
    .autocast = EBB_AUTOCAST_WIDEST,
    .infer = copy_infer,
    .forward = copy_forward,
    .inplace = true,
    .updates = true,
    .vjp = copy_vjp,
    .jvp = ebb_jvp_linear,
    .batch = batch_list,
    .saves = {EBB_IN(1), 0, EBB_IN(1)},
    .formula = EBB_FORMULAS("index_fill(g, dim, index, 0)", NULL, "index_select(g, dim, index)"),
    .samples = EBB_SAMPLES("(4,3) i1(1) (1,3) dim=0", "(2,5,3) i1(1) (2,1,3) dim=-2", "(3,4) i4(0) (3,0) dim=1",
                           "() i1(1) () dim=0", "(4) i4(1) () dim=0", "! (4,3) i4(6) (5,3) dim=0",
                           "! (3,4) (2) (2,4) dim=0", "! (0,4) i1(2) (2,4) dim=0"),
};

/* ---- index_fill ---- */

static ebb_status fill_infer(struct ebb_infer *f) {
    f->out->shape = f->in[0].shape;
    if (f->in[2].shape.n)
        return ebb_fail(EBB_ERR_SHAPE, "expected a number or a 0-d value, got %d dimensions", (int)f->in[2].shape.n);
    return ebb__index_list(&f->in[1]);
}

static ebb_status fill_forward(struct ebb_forward *f) {
    const struct ebb__attrs_index_fill *a = f->attrs;
    return place(f, a->dim, f->out[0], f->in[2], true, EBB__PUT);
}

static void fill_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_index_fill *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_index_fill(g, v->in[1], 0, a->dim));
    if (!v->needs[2]) return;
    /* elements named twice count once, and negative indices from the end */
    ebb_tensor *filled = ebb_index_fill(ebb_zeros(ebb_tensor_shape(g), .dtype = EBB_BOOL), v->in[1], 1, a->dim);
    ebb_vjp_give(v, 2, ebb_where(filled, g, 0));
}

/* Linear, but an integer among the values is no constant. */
static void fill_jvp(struct ebb_jvp_call *j) {
    const struct ebb__attrs_index_fill *a = j->attrs;
    ebb_tensor *self = j->tangent[0] ? j->tangent[0] : ebb_zeros_like(j->in[0]);
    ebb_tensor *value = j->tangent[2] ? j->tangent[2] : ebb_number_i64(0);
    ebb_jvp_give(j, 0, ebb_index_fill(self, j->in[1], value, a->dim));
}

static const char *fill_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[2]) ? "IndexFillBackward0" : "IndexFillBackward1";
}

const struct ebb_op ebb_op_index_fill = {
    EBB_SIGNATURE(index_fill, "Tensor self, Tensor index, Number value, dim dim -> Tensor"),
    .order = "self, dim, index, value",
    .doc = EBB_TEXT(
        "self with the slices that index (integers, negative ones from the end) names along dim filled with value."),
    .torch = EBB_TEXT("torch.index_fill"),
    .node = "IndexFillBackward0",
    .node_variant = fill_node,
    .promote = EBB_PROMOTE_FIRST,
    .keeps = EBB_IN(1),
    .infer = fill_infer,
    .forward = fill_forward,
    .inplace = true,
    .updates = true,
    .vjp = fill_vjp,
    .jvp = fill_jvp,
    .batch = batch_list,
    .saves = {EBB_IN(1), 0, EBB_IN(1)},
    .formula = EBB_FORMULAS("index_fill(g, dim, index, 0)", NULL, "sum(index_select(g, dim, index))"),
    .samples =
        EBB_SAMPLES("(4,3) i4(2) 1.5 dim=0", "(2,5,3) i5(2) () dim=-2", "(3,4) i4(0) 1 dim=1", "() i1(1) 2 dim=0",
                    "(3,4) i3() () dim=0", "! (4,3) i4(6) (5) dim=0", "! (3,4) (2) 1 dim=0", "! (0,4) i1(2) 1 dim=0"),
};

/* ---- index_reduce ---- */

/* Attributes and index of the scatter_reduce that it is. */
static struct ebb__attrs_scatter_reduce as_scatter(const struct ebb__attrs_index_reduce *a) {
    static const enum ebb_scatter_reduction reductions[] = {EBB_SCATTER_PROD, EBB_SCATTER_MEAN, EBB_SCATTER_AMAX,
                                                            EBB_SCATTER_AMIN};
    return (struct ebb__attrs_scatter_reduce){
        .dim = a->dim, .reduce = (int)reductions[a->reduce], .include_self = a->include_self};
}

static ebb_tensor *spread_index(ebb_tensor *index, const ebb_dims *shape, int64_t dim) {
    ebb_dims list = {{0}, shape->n};
    for (int d = 0; d < shape->n; d++) list.d[d] = d == dim ? ebb_tensor_numel(index) : 1;
    return ebb_expand(ebb_reshape(index, list), *shape);
}

static ebb_tensor *reduce_compose(struct ebb_forward *f) {
    const struct ebb__attrs_index_reduce *a = f->attrs;
    ebb_tensor *x = f->in[0], *index = f->in[1], *source = f->in[2];
    ebb_dims shape = ebb_tensor_shape(x);
    int64_t count = ebb_tensor_numel(index);
    if (shape.n) shape.d[a->dim] = count;
    ebb_dims given = ebb_tensor_shape(source);
    if (ebb_tensor_ndim(index) > 1 || (!shape.n && count != 1) || !ebb__dims_equal(&given, &shape)) {
        ebb_fail(EBB_ERR_SHAPE, "index must be a list, and source have self's shape, with %lld along dimension %lld",
                 (long long)count, (long long)a->dim);
        return NULL;
    }
    return ebb_scatter_reduce(x, spread_index(index, &shape, a->dim), source, a->dim, as_scatter(a).reduce,
                              .include_self = a->include_self);
}

/* That of scatter_reduce. */
static void reduce_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_scatter_reduce attrs = as_scatter(v->attrs);
    ebb_dims shape = ebb_tensor_shape(v->in[2]);
    ebb_tensor *in[] = {v->in[0], spread_index(v->in[1], &shape, attrs.dim), v->in[2]};
    struct ebb_vjp_call call = *v;
    call.attrs = &attrs;
    call.in = in;
    if (in[1]) ebb__scatter_reduce_vjp(&call);
}

#define REDUCED (EBB_IN(0) | EBB_IN(1) | EBB_IN(2) | EBB_OUT(0))
const struct ebb_op ebb_op_index_reduce = {
    EBB_SIGNATURE(index_reduce, "Tensor self, Tensor index, Tensor source, dim dim, enum(prod|mean|amax|amin) reduce, "
                                "bool? include_self=true -> Tensor"),
    .doc = EBB_TEXT(
        "The product, mean, largest or smallest of the slices of source that index (integers) sends to one place along dim, "
        "together with what self has there, or with include_self false without it: scatter_reduce of slices."),
    .torch = EBB_TEXT("torch.index_reduce"),
    .order = "self, dim, index, source, reduce, include_self",
    .node = "IndexReduceBackward0",
    .compose = reduce_compose,
    .inplace = true,
    .vjp = reduce_vjp,
    .batch = batch_list,
    .saves = {REDUCED, 0, REDUCED},
    .formula = EBB_FORMULAS("'by reduction: g; g y / self; g / count; g where self is y, shared by ties'", NULL,
                            "'the same for source, of the slices that index names'"),
    .samples =
        EBB_SAMPLES("(4,3) i4(6) (6,3) dim=0 reduce=prod", "(2,5,3) i5(2) (2,2,3) dim=-2 reduce=mean",
                    "(3,4) i4(0) (3,0) dim=1 reduce=amax", "() i1(1) () dim=0 reduce=amin",
                    "(4,3) i4(6) (6,3) dim=0 reduce=mean include_self=false", "! (4,3) i4(6) (5,3) dim=0 reduce=prod",
                    "! (3,4) (2) (2,4) dim=0 reduce=amax", "! (3) i3(1,2) (2) dim=0 reduce=amin"),
};
