/* The logarithm of a sum of exponentials, computed without overflow. */
#define EBB_FAMILY "Reductions"
#include "ops/batching.h"
#include "ops/reduce.h"
#include <math.h>

/* Taking out the maximum leaves exponentials of at most 1; an infinite maximum is left in, since inf - inf is no
 * number. */
static ebb_tensor *compose(struct ebb_forward *f) {
    const struct ebb__attrs_logsumexp *a = f->attrs;
    ebb_tensor *x = f->in[0];
    if (!ebb_dtype_is_floating(ebb_tensor_dtype(x))) x = ebb_to(x, ebb_default_dtype());
    if (ebb_tensor_numel(x) == 0) return ebb_log(ebb_sum(ebb_exp(x), .dim = a->dim, .keepdim = a->keepdim));
    ebb_tensor *max = ebb_amax(x, .dim = a->dim, .keepdim = true);
    max = ebb_where(ebb_eq(ebb_abs(max), (double)INFINITY), 0.0, max);
    ebb_tensor *y = ebb_add(ebb_log(ebb_sum(ebb_exp(ebb_sub(x, max)), .dim = a->dim, .keepdim = true)), max);
    ebb_dims shape = ebb_tensor_shape(x);
    return a->keepdim ? y : ebb_reshape(y, ebb__reduced_shape(&shape, &a->dim, false));
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
    .dtypes = EBB_FLOATING,
    .compose = compose,
    .vjp = vjp,
    .batch = batch,
    .saves = {EBB_IN(0) | EBB_OUT(0)},
    .formula = EBB_FORMULAS("restore(g, self, dim, keepdim) * exp(self - restore(y, self, dim, keepdim))"),
    .samples = EBB_SAMPLES("(3,4) dim=(1)", "(2,3,4) dim=(0,2) keepdim=true", "(4) dim=(0)", "() dim=(0)",
                           "(3,4) dim=()", "(3,0) dim=(1)", "(0,3) dim=(1)", "! (3,4) dim=(2)"),
};
