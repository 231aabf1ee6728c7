/* Medians, over all elements or along one dimension. */
#define EBB_FAMILY "Reductions"
#include "ops/batching.h"
#include "ops/reduce.h"
#include <math.h>

/* x as rows along dim, contiguous; a new reference. */
static ebb_tensor *rows_along(ebb_tensor *x, int64_t dim) {
    ebb_dims sizes = ebb_tensor_shape(x), strides = ebb_tensor_strides(x);
    if (x->ndim == 0 || (dim == x->ndim - 1 && ebb__is_contiguous(x))) {
        ebb__ref(x);
        return x;
    }
    int64_t size = sizes.d[dim], stride = strides.d[dim];
    for (int i = (int)dim; i + 1 < x->ndim; i++) sizes.d[i] = sizes.d[i + 1], strides.d[i] = strides.d[i + 1];
    sizes.d[x->ndim - 1] = size;
    strides.d[x->ndim - 1] = stride;
    ebb_tensor *moved = ebb__tensor_alias(x, x->ndim, sizes.d, strides.d, 0);
    ebb_tensor *rows = moved ? ebb__cast(moved, (ebb_dtype)x->dtype) : NULL;
    ebb__unref(moved);
    return rows;
}

static ebb_status select(ebb_tensor *rows, int64_t n, bool skip_nan, ebb_tensor *values, int64_t *index) {
    ebb_tensor *work = ebb__tensor_new_like(rows, (ebb_dtype)rows->dtype);
    if (!work) return ebb_error_status();
    ebb_status status =
        ebb__median((ebb_dtype)rows->dtype, values->numel, n, rows->data, work->data, skip_nan, values->data, index);
    ebb__unref(work);
    return status;
}

/* ---- along one dimension ---- */

_Static_assert(sizeof(struct ebb__attrs_median_dim) == sizeof(struct ebb__attrs_nanmedian_dim) &&
                   offsetof(struct ebb__attrs_median_dim, keepdim) ==
                       offsetof(struct ebb__attrs_nanmedian_dim, keepdim),
               "both have the same attributes, so their rules read them alike");

static ebb_status dim_infer(struct ebb_infer *f) {
    const struct ebb__attrs_median_dim *a = f->attrs;
    ebb_dims dim = EBB_DIMS(a->dim);
    const ebb_dims *shape = &f->in[0].shape;
    f->out[0].shape = f->out[1].shape = ebb__reduced_shape(shape, &dim, a->keepdim);
    f->out[1].dtype = EBB_I64;
    if (ebb__reduced_count(shape, &dim)) return EBB_OK;
    return ebb_fail(EBB_ERR_SHAPE, "there are no elements along dimension %lld", (long long)a->dim);
}

static ebb_status dim_forward(struct ebb_forward *f, bool skip_nan) {
    const struct ebb__attrs_median_dim *a = f->attrs;
    ebb_tensor *x = f->in[0], *rows = rows_along(x, a->dim);
    if (!rows) return ebb_error_status();
    int64_t n = x->ndim ? x->dims[a->dim] : 1;
    ebb_status status = select(rows, n, skip_nan, f->out[0], (int64_t *)(void *)f->out[1]->data);
    ebb__unref(rows);
    return status;
}
static ebb_status median_dim_forward(struct ebb_forward *f) { return dim_forward(f, false); }
static ebb_status nanmedian_dim_forward(struct ebb_forward *f) { return dim_forward(f, true); }

static void dim_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_median_dim *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0), dim = EBB_DIMS(a->dim);
    ebb_tensor *g = ebb__reduced_restore(v->grad[0], shape, &dim, a->keepdim);
    ebb_tensor *index = ebb__reduced_restore(v->out[1], shape, &dim, a->keepdim);
    ebb_vjp_give(v, 0, ebb_scatter_add(ebb_zeros(shape, .dtype = ebb_tensor_dtype(g)), index, g, a->dim));
}

#define DIM(op, of, node_, words) \
    const struct ebb_op ebb_op_##op = { \
        EBB_SIGNATURE(op, "Tensor self, dim dim, bool keepdim=false -> Tensor values, Tensor indices"), \
        .doc = EBB_TEXT( \
            "The median along dim, of two the lower one, and the index (int64) of its first occurrence, which receives " \
            "the gradient. " words), \
        .batch = ebb_batch_dims, \
        .torch = EBB_TEXT("torch." of "(input, dim)"), \
        .overload = of, \
        .node = node_, \
        .dtypes = EBB_NUMERIC, \
        .infer = dim_infer, \
        .forward = op##_forward, \
        .vjp = dim_vjp, \
        .saves = {EBB_OUT(1)}, \
        .formula = EBB_FORMULAS( \
            "scatter(zeros_like(self), dim, restore(indices, self, dim, keepdim), restore(g, self, dim, keepdim))"), \
        .samples = EBB_SAMPLES("(3,5) dim=1", "(2,4,3) dim=-2 keepdim=true", "() dim=0", "(0,3) dim=1", \
                               "i5(6,3) dim=0", "! (0,3) dim=0", "! (3) dim=1", "! b(3) dim=0"), \
    };
#define NAN_WINS "NaN if any is."
#define NAN_SKIPPED "NaN is skipped, unless there is nothing else."
DIM(median_dim, "median", "MedianBackward1", NAN_WINS)
DIM(nanmedian_dim, "nanmedian", "NanmedianBackward1", NAN_SKIPPED)

/* ---- over all: elements that tie share the gradient ---- */

static ebb_status all_infer(struct ebb_infer *f) {
    f->out->shape.n = 0;
    return EBB_OK;
}

static ebb_status all_forward(struct ebb_forward *f, bool skip_nan) {
    ebb_tensor *x = f->in[0], *y = f->out[0];
    int64_t index;
    if (x->numel == 0) { /* of integers what NaN is converted to, as in PyTorch */
        const double nan = NAN;
        ebb__loops_cast[y->dtype][EBB_F64](1, (char *const[]){y->data, (char *)(uintptr_t)&nan},
                                           (const int64_t[]){0, 0}, NULL);
        return EBB_OK;
    }
    return select(x, x->numel, skip_nan, y, &index);
}
static ebb_status median_forward(struct ebb_forward *f) { return all_forward(f, false); }
static ebb_status nanmedian_forward(struct ebb_forward *f) { return all_forward(f, true); }

static void all_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *x = v->in[0], *y = v->out[0];
    ebb_tensor *chosen = ebb__is_chosen(x, y);
    ebb_vjp_give(v, 0, ebb_where(chosen, ebb_div(v->grad[0], ebb_sum(chosen)), 0));
}

#define ALL(op, node_, words) \
    const struct ebb_op ebb_op_##op = { \
        EBB_SIGNATURE(op, "Tensor self -> Tensor"), \
        .doc = EBB_TEXT( \
            "The median of all elements, of two the lower one; elements that tie share the gradient evenly. " words), \
        .torch = EBB_TEXT("torch." #op), \
        .node = node_, \
        .dtypes = EBB_NUMERIC, \
        .contiguous = true, \
        .infer = all_infer, \
        .forward = op##_forward, \
        .vjp = all_vjp, \
        .saves = {EBB_IN(0) | EBB_OUT(0)}, \
        .formula = EBB_FORMULAS("where(self == y, g / sum(self == y), 0)"), \
        .samples = EBB_SAMPLES("(3,5)", "(2,3,4)", "()", "(0)", "i5(7)", "! b(3)"), \
    };
ALL(median, "MedianBackward0", NAN_WINS)
ALL(nanmedian, "NanmedianBackward0", NAN_SKIPPED)
