/* softmax and log_softmax, each with its backward as an operator of its own, so that it is one pass and can be
 * differentiated. */
#define EBB_FAMILY "Activations"
#include "ops/ops.h"

typedef ebb_status softmax_kernel(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, void *y);
typedef ebb_status backward_kernel(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *g,
                                   const void *y, void *dx);

_Static_assert(sizeof(struct ebb__attrs_softmax) == sizeof(struct ebb__attrs_log_softmax) &&
                   offsetof(struct ebb__attrs_softmax, dim) == offsetof(struct ebb__attrs_log_softmax, dim) &&
                   offsetof(struct ebb__attrs_softmax, dtype) == offsetof(struct ebb__attrs_log_softmax, dtype) &&
                   sizeof(struct ebb__attrs_softmax_backward) == sizeof(struct ebb__attrs_log_softmax_backward),
               "both have the same attributes, so their rules read them alike");

/* A contiguous tensor seen as (outer, n, inner), with n along dim. */
struct sides {
    int64_t outer, n, inner;
};
static struct sides sides(const ebb_tensor *t, int64_t dim) {
    struct sides s = {1, 1, 1};
    for (int i = 0; i < t->ndim; i++) *(i < dim ? &s.outer : i == dim ? &s.n : &s.inner) *= t->dims[i];
    return s;
}

/* ---- forward ---- */

static ebb_status infer(struct ebb_infer *f) {
    const struct ebb__attrs_softmax *a = f->attrs;
    f->out->shape = f->in[0].shape;
    f->out->dtype = a->dtype ? a->dtype : f->dtype;
    if (ebb_dtype_is_floating(f->out->dtype)) return EBB_OK;
    return ebb_fail(EBB_ERR_DTYPE, "needs a floating-point dtype, got %s; choose one with .dtype",
                    ebb_dtype_name(f->out->dtype));
}

static ebb_status forward(struct ebb_forward *f, softmax_kernel *kernel) {
    const struct ebb__attrs_softmax *a = f->attrs;
    ebb_tensor *x = f->in[0], *y = f->out[0];
    ebb_dtype dtype = (ebb_dtype)y->dtype;
    bool cast = x->dtype != dtype || !ebb__is_contiguous(x);
    ebb_tensor *from = cast ? ebb__cast(x, dtype) : x;
    if (!from) return ebb_error_status();
    struct sides s = sides(from, a->dim);
    ebb_status status = kernel(dtype, s.outer, s.n, s.inner, from->data, y->data);
    if (cast) ebb__unref(from);
    return status;
}

/* ---- backward ---- */

static ebb_status backward_infer(struct ebb_infer *f) {
    f->out->shape = f->in[1].shape;
    if (ebb__dims_equal(&f->in[0].shape, &f->in[1].shape)) return EBB_OK;
    return ebb_fail(EBB_ERR_SHAPE, "grad_output and output must have one shape");
}

static ebb_status backward(struct ebb_forward *f, backward_kernel *kernel) {
    const struct ebb__attrs_softmax_backward *a = f->attrs;
    struct sides s = sides(f->in[1], a->dim);
    return kernel((ebb_dtype)f->out[0]->dtype, s.outer, s.n, s.inner, f->in[0]->data, f->in[1]->data, f->out[0]->data);
}

static ebb_tensor *sum_along(ebb_tensor *t, int64_t dim) { return ebb_sum(t, .dim = EBB_DIMS(dim), .keepdim = true); }

/* of y (g - sum(g y)), with h upstream */
static void softmax_backward_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_softmax_backward *a = v->attrs;
    ebb_tensor *h = v->grad[0], *g = v->in[0], *y = v->in[1];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_softmax_backward(h, y, a->dim));
    if (!v->needs[1]) return;
    ebb_tensor *direct = ebb_mul(h, ebb_sub(g, sum_along(ebb_mul(g, y), a->dim)));
    ebb_vjp_give(v, 1, ebb_sub(direct, ebb_mul(g, sum_along(ebb_mul(h, y), a->dim))));
}

/* of g - exp(y) sum(g), with h upstream */
static void log_softmax_backward_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_softmax_backward *a = v->attrs;
    ebb_tensor *h = v->grad[0], *weighted = ebb_mul(h, ebb_exp(v->in[1]));
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_sub(h, sum_along(weighted, a->dim)));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_neg(ebb_mul(weighted, sum_along(v->in[0], a->dim))));
}

/* ---- definitions ---- */

#define SOFTMAX(name_, node_, words, formula_) \
    static ebb_status name_##_forward(struct ebb_forward *f) { return forward(f, ebb__##name_); } \
    static void name_##_vjp(struct ebb_vjp_call *v) { \
        const struct ebb__attrs_softmax *a = v->attrs; \
        ebb_vjp_give(v, 0, ebb_##name_##_backward(v->grad[0], v->out[0], a->dim)); \
    } \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor self, dim dim, dtype dtype=none -> Tensor"), \
        .doc = EBB_TEXT(words " Computed without overflow; dtype casts first."), \
        .batch = ebb_batch_dims, \
        .torch = EBB_TEXT("torch." #name_), \
        .node = node_ "Backward0", \
        .infer = infer, \
        .forward = name_##_forward, \
        .vjp = name_##_vjp, \
        .saves = {EBB_OUT(0)}, \
        .formula = EBB_FORMULAS(formula_), \
        .samples = EBB_SAMPLES("(3,4) dim=1", "(2,3,4) dim=-2", "() dim=0", "(0,3) dim=1", "(3,0) dim=1", \
                               "i5(2,3) dim=0 dtype=float64", "! (2,3) dim=2", "! i5(3) dim=0"), \
    };

#define SOFTMAX_BACKWARD(name_, node_, words, of_grad, of_output) \
    static ebb_status name_##_backward_forward(struct ebb_forward *f) { return backward(f, ebb__##name_##_backward); } \
    const struct ebb_op ebb_op_##name_##_backward = { \
        EBB_SIGNATURE(name_##_backward, "Tensor grad_output, Tensor output, dim dim -> Tensor"), \
        .doc = EBB_TEXT("The gradient of " #name_ " along dim, from its output: " words "."), \
        .batch = ebb_batch_dims, \
        .torch = EBB_TEXT("torch._" #name_ "_backward_data"), \
        .node = node_ "BackwardDataBackward0", \
        .promote = EBB_PROMOTE_COMMON, \
        .dtypes = EBB_FLOATING, \
        .contiguous = true, \
        .infer = backward_infer, \
        .forward = name_##_backward_forward, \
        .vjp = name_##_backward_vjp, \
        .saves = {EBB_IN(1), EBB_IN(0) | EBB_IN(1)}, \
        .formula = EBB_FORMULAS(of_grad, of_output), \
        .samples = EBB_SAMPLES("(3,4) (3,4) dim=1", "(2,3,4) (2,3,4) dim=-2", "() () dim=0", "(0,3) (0,3) dim=1", \
                               "! (2,3) (3) dim=0"), \
    };

SOFTMAX(softmax, "Softmax", "Exponentials that sum to one along dim: exp(self) / sum(exp(self), dim).",
        "y * (g - sum(g * y, dim, True))")
SOFTMAX(log_softmax, "LogSoftmax", "The logarithm of softmax along dim: self - log(sum(exp(self), dim)).",
        "g - exp(y) * sum(g, dim, True)")
SOFTMAX_BACKWARD(softmax, "Softmax", "output * (grad_output - sum(grad_output * output, dim))",
                 "output * (g - sum(g * output, dim, True))",
                 "g * (grad_output - sum(grad_output * output, dim, True)) - grad_output * sum(g * output, dim, True)")
SOFTMAX_BACKWARD(log_softmax, "LogSoftmax", "grad_output - exp(output) * sum(grad_output, dim)",
                 "g - sum(g * exp(output), dim, True)", "-g * exp(output) * sum(grad_output, dim, True)")

static ebb_tensor *softmin_compose(struct ebb_forward *f) {
    const struct ebb__attrs_softmin *a = f->attrs;
    return ebb_softmax(ebb_neg(f->in[0]), a->dim, .dtype = a->dtype);
}

const struct ebb_op ebb_op_softmin = {
    EBB_SIGNATURE(softmin, "Tensor self, dim dim, dtype dtype=none -> Tensor"),
    .doc = EBB_TEXT("softmax of -self along dim. Recorded as its parts."),
    .torch = EBB_TEXT("torch.nn.functional.softmin"),
    .compose = softmin_compose,
    .parts = EBB_TEXT("softmax(-self, dim, dtype)"),
    .samples = EBB_SAMPLES("(3,4) dim=1", "(2,3,4) dim=-2", "() dim=0", "(0,3) dim=1", "i5(2,3) dim=0 dtype=float64",
                           "! (2,3) dim=2"),
};
