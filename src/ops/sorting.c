/* Order along a dimension: sort, argsort, msort, topk, kthvalue. The element that is picked receives the gradient. */
#define EBB_FAMILY "Indexing"
#include "kernel/sorting.h"
#include "ops/batching.h"
#include "ops/reduce.h"

/* The dimension that `dim` lists, the last one where it lists none. */
static int64_t one_dim(const ebb_dims *dim, int ndim) { return dim->n ? dim->d[0] : ndim ? ndim - 1 : 0; }

/* Values and indices, `count` along dim; or no such dimension with count < 0. */
static ebb_status infer_picked(struct ebb_infer *f, const ebb_dims *dim, int64_t count) {
    ebb_dims shape = f->in[0].shape;
    int64_t d = one_dim(dim, shape.n);
    if (dim->n > 1) return ebb_fail(EBB_ERR_ARGUMENT, "dim lists %d dimensions; expected one", (int)dim->n);
    if (shape.n && count >= 0) shape.d[d] = count;
    else if (shape.n) shape = ebb__reduced_shape(&shape, &EBB_DIMS(d), false);
    f->out[0].shape = f->out[1].shape = shape;
    f->out[1].dtype = EBB_I64;
    return EBB_OK;
}

static ebb_status pick(struct ebb_forward *f, const ebb_dims *dim, bool descending, int64_t first, int64_t count) {
    const ebb_tensor *x = f->in[0];
    int64_t strides[EBB_MAX_NDIM];
    for (int d = 0; d < x->ndim; d++) strides[d] = ebb__strides(x)[d] * (int64_t)ebb__dtype_sizes[x->dtype];
    return ebb__sort((ebb_dtype)x->dtype, x->ndim, x->dims, strides, (int)one_dim(dim, x->ndim), x->data, descending,
                     first, count, f->out[0]->data, (int64_t *)(void *)f->out[1]->data);
}

static void give_picked(struct ebb_vjp_call *v, const ebb_dims *dim, bool keeps) {
    ebb_dims shape = ebb_vjp_shape(v, 0), one = EBB_DIMS(one_dim(dim, shape.n));
    ebb_tensor *g = ebb__reduced_restore(v->grad[0], shape, &one, keeps);
    ebb_tensor *index = ebb__reduced_restore(v->out[1], shape, &one, keeps);
    ebb_vjp_give(v, 0, ebb_scatter_(ebb__zeros_beside(shape, ebb_tensor_dtype(g), index, g), index, g, one.d[0]));
}

/* ---- sort ---- */

static ebb_status sort_infer(struct ebb_infer *f) {
    const struct ebb__attrs_sort *a = f->attrs;
    ebb_dims shape = f->in[0].shape;
    return infer_picked(f, &a->dim, shape.n ? shape.d[one_dim(&a->dim, shape.n)] : 1);
}

static ebb_status sort_forward(struct ebb_forward *f) {
    const struct ebb__attrs_sort *a = f->attrs;
    const ebb_tensor *x = f->in[0];
    return pick(f, &a->dim, a->descending, 0, x->ndim ? x->dims[one_dim(&a->dim, x->ndim)] : 1);
}

static void sort_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_sort *a = v->attrs;
    give_picked(v, &a->dim, true);
}

static const char *sort_node(const void *attrs, ebb_tensor *const *in) {
    const struct ebb__attrs_sort *a = attrs;
    (void)in;
    return a->stable ? "SortBackward1" : "SortBackward0";
}

const struct ebb_op ebb_op_sort = {
    EBB_SIGNATURE(
        sort, "Tensor self, dims dim=last, bool descending=false, bool stable=false -> Tensor values, Tensor indices"),
    .doc = EBB_TEXT(
        "The elements along dim in rising order, or descending, and where they were (int64). NaN counts as the largest. "
        "Equal elements keep their order, stable or not."),
    .torch = EBB_TEXT("torch.sort"),
    .node = "SortBackward0",
    .node_variant = sort_node,
    .infer = sort_infer,
    .forward = sort_forward,
    .vjp = sort_vjp,
    .batch = ebb_batch_dims,
    .saves = {EBB_OUT(1)},
    .formula = EBB_FORMULAS("scatter(zeros_like(self), dim[0] if dim else -1, indices, g)"),
    .samples = EBB_SAMPLES("(3,4)", "(3,4) dim=(0) descending=true", "(2,5,3) dim=(-2) stable=true", "()",
                           "() dim=(-1)", "(0,3)", "(3,0)", "i5(40)", "i3(50,2) dim=(0) descending=true", "b(40)",
                           "(300)", "(2,100) descending=true", "! (3) dim=(1)", "! (3,4) dim=(0,1)"),
};

static ebb_tensor *argsort_compose(struct ebb_forward *f) {
    const struct ebb__attrs_argsort *a = f->attrs;
    ebb_tensor *indices = NULL;
    (void)ebb_sort(f->in[0], .dim = a->dim, .descending = a->descending, .ret_indices = &indices);
    return indices;
}

const struct ebb_op ebb_op_argsort = {
    EBB_SIGNATURE(argsort, "Tensor self, dims dim=last, bool descending=false, bool stable=false -> Tensor"),
    .doc =
        EBB_TEXT("The indices (int64) that put the elements along dim in rising order, or descending: those of sort."),
    .torch = EBB_TEXT("torch.argsort"),
    .compose = argsort_compose,
    .no_derivative = true,
    .samples =
        EBB_SAMPLES("(3,4)", "(3,4) dim=(0) descending=true", "()", "(0,3)", "i5(9) stable=true", "! (3) dim=(1)"),
};

static ebb_tensor *msort_compose(struct ebb_forward *f) { return ebb_sort(f->in[0], .dim = EBB_DIMS(0)); }

const struct ebb_op ebb_op_msort = {
    EBB_SIGNATURE(msort, "Tensor self -> Tensor"),
    .doc = EBB_TEXT("The elements along the first dimension in rising order."),
    .torch = EBB_TEXT("torch.msort"),
    .compose = msort_compose,
    .parts = EBB_TEXT("sort(self, 0).values"),
    .samples = EBB_SAMPLES("(3,4)", "(5)", "()", "(0,3)", "i5(9)"),
};

/* ---- topk, kthvalue ---- */

static ebb_status check_rank(const ebb_dims *shape, const ebb_dims *dim, int64_t k, int64_t least) {
    int64_t d = one_dim(dim, shape->n), size = shape->n ? shape->d[d] : 1;
    if (k >= least && k <= size) return EBB_OK;
    return ebb_fail(EBB_ERR_INDEX, "k is out of range: %lld of %lld elements along dimension %lld", (long long)k,
                    (long long)size, (long long)d);
}

static ebb_status topk_infer(struct ebb_infer *f) {
    const struct ebb__attrs_topk *a = f->attrs;
    if (f->dtype == EBB_BOOL) return ebb_fail(EBB_ERR_DTYPE, "not defined for bool");
    ebb_status status = check_rank(&f->in[0].shape, &a->dim, a->k, 0);
    return status ? status : infer_picked(f, &a->dim, a->k);
}

static ebb_status topk_forward(struct ebb_forward *f) {
    const struct ebb__attrs_topk *a = f->attrs;
    return pick(f, &a->dim, a->largest.value != 0, 0, a->k);
}

static void topk_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_topk *a = v->attrs;
    give_picked(v, &a->dim, true);
}

const struct ebb_op ebb_op_topk = {
    EBB_SIGNATURE(topk,
                  "Tensor self, int k, dims dim=last, bool? largest=true, bool? sorted=true -> Tensor values, Tensor "
                  "indices"),
    .doc = EBB_TEXT(
        "The k largest elements along dim, largest first, or the k smallest, smallest first, and where they are "
        "(int64). NaN counts as the largest; of equal elements the first come first. They are sorted in any case."),
    .torch = EBB_TEXT("torch.topk"),
    .node = "TopkBackward0",
    .infer = topk_infer,
    .forward = topk_forward,
    .vjp = topk_vjp,
    .batch = ebb_batch_dims,
    .saves = {EBB_OUT(1)},
    .formula = EBB_FORMULAS("scatter(zeros_like(self), dim[0] if dim else -1, indices, g)"),
    .samples = EBB_SAMPLES("(3,4) k=2", "(3,4) k=3 dim=(0) largest=false", "(2,5,3) k=1 dim=(-2) sorted=false",
                           "() k=1", "(0,3) k=2", "(3,4) k=0", "i5(40) k=7", "(300) k=5", "(300) k=250", "! (3) k=4",
                           "! (3) k=-1", "! (3,4) k=1 dim=(0,1)"),
};

static ebb_status kthvalue_infer(struct ebb_infer *f) {
    const struct ebb__attrs_kthvalue *a = f->attrs;
    ebb_dims shape = f->in[0].shape;
    bool nothing = false;
    for (int d = 0; d < shape.n; d++) nothing = nothing || (shape.d[d] == 0 && d != one_dim(&a->dim, shape.n));
    ebb_status status = nothing ? EBB_OK : check_rank(&shape, &a->dim, a->k, 1);
    return status ? status : infer_picked(f, &a->dim, a->keepdim ? 1 : -1);
}

static ebb_status kthvalue_forward(struct ebb_forward *f) {
    const struct ebb__attrs_kthvalue *a = f->attrs;
    return pick(f, &a->dim, false, a->k - 1, 1);
}

static void kthvalue_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_kthvalue *a = v->attrs;
    give_picked(v, &a->dim, a->keepdim);
}

const struct ebb_op ebb_op_kthvalue = {
    EBB_SIGNATURE(kthvalue, "Tensor self, int k, dims dim=last, bool keepdim=false -> Tensor values, Tensor indices"),
    .doc = EBB_TEXT(
        "The k-th smallest element along dim, k from 1 on, and where it is (int64). NaN counts as the largest; of equal "
        "elements the first come first."),
    .torch = EBB_TEXT("torch.kthvalue"),
    .node = "KthvalueBackward0",
    .infer = kthvalue_infer,
    .forward = kthvalue_forward,
    .vjp = kthvalue_vjp,
    .batch = ebb_batch_dims,
    .saves = {EBB_OUT(1)},
    .formula = EBB_FORMULAS(
        "d = dim if dim else [-1]; "
        "scatter(zeros_like(self), d[0], restore(indices, self, d, keepdim), restore(g, self, d, keepdim))"),
    .samples = EBB_SAMPLES("(3,4) k=2", "(3,4) k=3 dim=(0) keepdim=true", "(2,5,3) k=5 dim=(-2)", "() k=1", "(0,3) k=2",
                           "i5(40) k=7", "(300) k=150", "(300) k=300", "! (3) k=4", "! (3) k=0", "! (3,0) k=1"),
};
