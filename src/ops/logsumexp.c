/* The logarithm of a sum of exponentials, computed without overflow. */
#define EBB_FAMILY "Reductions"
#include "ops/batching.h"
#include "ops/reduce.h"
#include <math.h>

static ebb_status infer(struct ebb_infer *f) {
    const struct ebb__attrs_logsumexp *a = f->attrs;
    f->out->shape = ebb__reduced_shape(&f->in[0].shape, &a->dim, a->keepdim);
    return EBB_OK;
}

static ebb_status forward(struct ebb_forward *f) {
    const ebb_tensor *x = f->in[0];
    const struct ebb__attrs_logsumexp *a = f->attrs;
    struct ebb__reduction r = ebb__reduction_of(x, &a->dim, ebb__dtype_sizes[x->dtype]);
    return ebb__reduce_logsumexp(x->ndim, x->dims, (ebb_dtype)x->dtype, x->data, r.from, f->out[0]->data, r.to);
}

static void vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_logsumexp *a = v->attrs;
    ebb_dims shape = ebb_tensor_shape(v->in[0]);
    ebb_tensor *g = ebb__reduced_restore(v->grad[0], shape, &a->dim, a->keepdim);
    ebb_tensor *y = ebb__reduced_restore(v->out[0], shape, &a->dim, a->keepdim);
    y = ebb_where(ebb_eq(y, -(double)INFINITY), 0.0, y); /* exp(-inf - y) is 0 then; for inf it is NaN, as in PyTorch */
    ebb_vjp_give(v, 0, ebb_mul(g, ebb_exp(ebb_sub(v->in[0], y))));
}

static void batch(struct ebb_batch_call *b) {
    struct ebb__attrs_logsumexp a = *(const struct ebb__attrs_logsumexp *)b->attrs;
    struct ebb_batch_call of_dims = *b;
    for (int d = 0, all = a.dim.n == 0; all && d < ebb__batch_ndim(b, 0); d++) a.dim.d[a.dim.n++] = d;
    if (a.dim.n == 0) a.dim = EBB_DIMS(0);
    of_dims.attrs = &a;
    ebb_batch_dims(&of_dims);
}

const struct ebb_op ebb_op_logsumexp = {
    EBB_SIGNATURE(logsumexp, "Tensor self, dims dim, bool keepdim=false -> Tensor"),
    .doc = EBB_TEXT(
        "log(sum(exp(self))) over the dimensions listed in dim, or over all when the list is empty. The largest element is "
        "taken out before the exponentials, so that nothing overflows."),
    .torch = EBB_TEXT("torch.logsumexp"),
    .node = "LogsumexpBackward0",
    .promote = EBB_PROMOTE_FLOAT,
    .dtypes = EBB_FLOATING,
    .infer = infer,
    .forward = forward,
    .vjp = vjp,
    .batch = batch,
    .saves = {EBB_IN(0) | EBB_OUT(0)},
    .formula = EBB_FORMULAS("restore(g, self, dim, keepdim) * exp(self - restore(y, self, dim, keepdim))"),
    .samples = EBB_SAMPLES("(3,4) dim=(1)", "(2,3,4) dim=(0,2) keepdim=true", "(4) dim=(0)", "() dim=(0)",
                           "(3,4) dim=()", "(3,0) dim=(1)", "(0,3) dim=(1)", "! (3,4) dim=(2)"),
};
