/* An operator of one's own, with the same public struct as the built-in ones: log1pexp(x, beta) = log(1 + e^(beta x)) /
 * beta, computed without overflow. Its derivative is sigmoid(beta x). */
#include <ebb/ebb.h>
#include <math.h>
#include <stddef.h>

/* Attributes are a plain struct and a table that describes it; being required, beta has no default. */
struct log1pexp {
    double beta;
};
static const struct ebb_attr log1pexp_attrs[] = {
    {.name = "beta", .kind = EBB_ATTR_FLOAT, .offset = offsetof(struct log1pexp, beta), .required = true}};

/* The kernel: inputs come contiguous and in one dtype, since the definition says so. */
static ebb_status forward(struct ebb_forward *f) {
    const struct log1pexp *a = f->attrs;
    int64_t n = ebb_tensor_numel(f->in[0]);
    if (ebb_tensor_dtype(f->in[0]) == EBB_F32) {
        const float *x = ebb_tensor_data(f->in[0]);
        float *y = ebb_tensor_data(f->out[0]);
        float beta = (float)a->beta;
        for (int64_t i = 0; i < n; i++) y[i] = fmaxf(x[i], 0) + log1pf(expf(-fabsf(beta * x[i]))) / beta;
    } else {
        const double *x = ebb_tensor_data(f->in[0]);
        double *y = ebb_tensor_data(f->out[0]);
        for (int64_t i = 0; i < n; i++) y[i] = fmax(x[i], 0) + log1p(exp(-fabs(a->beta * x[i]))) / a->beta;
    }
    return EBB_OK;
}

/* The vector-Jacobian product, written with operators: so derivatives of any order follow. */
static void vjp(struct ebb_vjp_call *v) {
    const struct log1pexp *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], ebb_sigmoid(ebb_mul(v->in[0], a->beta))));
}

/* Forward mode: without this rule it would be derived from the vjp, at about three times the cost. */
static void jvp(struct ebb_jvp_call *j) {
    const struct log1pexp *a = j->attrs;
    ebb_jvp_give(j, 0, ebb_mul(j->tangent[0], ebb_sigmoid(ebb_mul(j->in[0], a->beta))));
}

static const struct ebb_op log1pexp_op = {
    .name = "log1pexp",
    .signature = "Tensor self, float beta -> Tensor",
    .doc = "log(1 + exp(beta self)) / beta, without overflow; beta > 0.",
    .torch = "torch.nn.functional.softplus",
    .node = "Log1pexpBackward",
    .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}),
    .n_in = 1,
    .attrs = log1pexp_attrs,
    .n_attrs = 1,
    .attrs_size = sizeof(struct log1pexp),
    .promote = EBB_PROMOTE_FLOAT,
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .forward = forward,
    .vjp = vjp,
    .jvp = jvp,
    .saves = {EBB_IN(0)},
    .formula = EBB_FORMULAS("g * sigmoid(beta * self)"),
};

static ebb_tensor *log1pexp(ebb_tensor *x, double beta) {
    return ebb_call_op1(&log1pexp_op, &x, 1, &(struct log1pexp){beta});
}

static ebb_status twice(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = log1pexp(in.t[0], 2.0);
    return ebb_error_status();
}

int main(void) {
    double worst = 0.0;
    EBB_SCOPE {
        double values[] = {-800.0, -1.5, -0.2, 0.0, 0.7, 3.0, 800.0};
        enum { N = sizeof values / sizeof *values };
        ebb_tensor *x = ebb_requires_grad_(ebb_from_data(values, EBB_F64, EBB_DIMS(N)), true);
        ebb_tensor *y = log1pexp(x, 2.0);
        if (ebb_backward(ebb_sum(y))) return ebb_perror("custom_operator");
        ebb_print(y);
        ebb_print(ebb_tensor_grad(x));

        /* Against central finite differences. */
        const double h = 1e-5;
        EBB_NO_GRAD {
            ebb_tensor *rise = ebb_sub(log1pexp(ebb_add(x, h), 2.0), log1pexp(ebb_sub(x, h), 2.0));
            ebb_tensor *error = ebb_sub(ebb_tensor_grad(x), ebb_div(rise, 2.0 * h));
            worst = ebb_item(ebb_max(ebb_abs(error)));
        }
        if (ebb_error()) return ebb_perror("custom_operator");
        printf("largest difference from finite differences: %.2g\n", worst);

        /* The library's own check, of both modes and to second order. */
        ebb_tensor *points = ebb_requires_grad_(ebb_linspace(-3.0, 3.0, 7, .dtype = EBB_F64), true);
        if (ebb_gradcheck(twice, NULL, EBB_LIST(points), .forward_mode = true) ||
            ebb_gradgradcheck(twice, NULL, EBB_LIST(points), .forward_mode = true))
            return ebb_perror("custom_operator");
    }
    return worst <= 1e-7 ? 0 : 1;
}
