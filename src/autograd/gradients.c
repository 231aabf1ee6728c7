/* Derivatives of functions in one or two passes: along a direction, gradients, products with the Hessian. */
#include "autograd/transforms.h"
#include "record/tangent.h"
#include <ebb/ops.h>

/* ---- along a direction ---- */

/* The inputs as duals, those that have a tangent. */
static ebb_status make_duals(ebb_list inputs, ebb_list tangents, ebb_tensor **ret_in) {
    for (int64_t i = 0; i < inputs.n; i++) {
        ebb_tensor *x = inputs.t[i];
        ret_in[i] = x && tangents.t[i] ? ebb_make_dual(x, tangents.t[i]) : x;
        if (x && !ret_in[i]) return ebb_error_status();
    }
    return EBB_OK;
}

static ebb_status check_pairs(const char *op, const char *what, ebb_list inputs, ebb_list vectors) {
    if (inputs.n < 0 || (inputs.n && (!inputs.t || !vectors.t)))
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "a list is NULL, or of %lld tensors", (long long)inputs.n);
    if (inputs.n != vectors.n)
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "%lld inputs and %lld %ss", (long long)inputs.n, (long long)vectors.n,
                            what);
    for (int64_t i = 0; i < inputs.n; i++) {
        const ebb_tensor *x = inputs.t[i], *v = vectors.t[i];
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        if (!v || (x && x->dtype == v->dtype && ebb__same_shape(x, v))) continue;
        if (!x)
            return ebb__fail_op(op, EBB_ERR_ARGUMENT, "%s %lld is given for an input that is NULL", what, (long long)i);
        return ebb__fail_op(op, x->dtype == v->dtype ? EBB_ERR_SHAPE : EBB_ERR_DTYPE,
                            "%s %lld is %s %s, its input %s %s", what, (long long)i,
                            ebb_dtype_name((ebb_dtype)v->dtype), ebb__shape_text(a, v->ndim, ebb__sizes(v)),
                            ebb_dtype_name((ebb_dtype)x->dtype), ebb__shape_text(b, x->ndim, ebb__sizes(x)));
    }
    return EBB_OK;
}

/* Results and their tangents, one after the other, in `both`. */
static ebb_status on_duals(const char *op, ebb_function function, void *context, ebb_list inputs, ebb_list tangents,
                           int64_t *ret_n, ebb_tensor **both) {
    ebb_outputs out = {0};
    ebb_tensor **in = ebb__alloc((size_t)inputs.n * sizeof *in);
    ebb_status status = in ? make_duals(inputs, tangents, in) : ebb_error_status();
    if (!status) status = ebb__function_call(op, function, context, (ebb_list){inputs.n, in}, &out);
    for (int64_t k = 0; k < out.n && !status; k++) {
        both[2 * k] = ebb_unpack_dual(out.t[k], &both[2 * k + 1]);
        if (!both[2 * k]) status = ebb_error_status();
    }
    if (!status) *ret_n = out.n;
    ebb__free(in, (size_t)inputs.n * sizeof *in);
    return status;
}

ebb_status ebb__jvp(const char *op, ebb_function function, void *context, ebb_list inputs, ebb_list tangents,
                    ebb_outputs *ret_out, ebb_outputs *ret_tangents) {
    if (check_pairs(op, "tangent", inputs, tangents)) return ebb_error_status();
    ebb_tensor *both[2 * EBB_FUNCTION_MAX_OUT];
    int64_t n = 0;
    ebb_scope scope = ebb_scope_open();
    ebb_dual_level level = ebb_dual_level_open();
    ebb_status status = level.level ? on_duals(op, function, context, inputs, tangents, &n, both) : ebb_error_status();
    ebb_dual_level_close(&level);
    if (!status) status = ebb__hand_out(&scope, both, 2 * n);
    ebb_scope_close(&scope);
    if (status) return status;
    ret_out->n = ret_tangents->n = n;
    for (int64_t k = 0; k < n; k++) {
        ret_out->t[k] = both[2 * k];
        ret_tangents->t[k] = both[2 * k + 1];
    }
    return EBB_OK;
}

ebb_status(ebb_jvp)(ebb_function function, void *context, ebb_list inputs, ebb_list tangents, ebb_outputs *ret_out,
                    ebb_outputs *ret_tangents) {
    if (!function || !ret_tangents) return ebb__fail_null("jvp", function ? "ret_tangents" : "function");
    ebb_outputs out = {0}, along = {0};
    ebb_status status = ebb__jvp("jvp", function, context, inputs, tangents, &out, &along);
    for (int64_t k = 0; k < out.n && !status; k++)
        if (!along.t[k] && !(along.t[k] = ebb_zeros_like(out.t[k]))) status = ebb_error_status();
    if (status) return status;
    if (ret_out) *ret_out = out;
    *ret_tangents = along;
    return EBB_OK;
}

/* ---- gradients ---- */

/* The first output of the run differentiated by the inputs. */
static ebb_status gradient(struct ebb__run *r, bool recorded, bool strict, ebb_tensor **ret_grads) {
    ebb_tensor *y = r->out.n ? r->out.t[0] : NULL;
    char shape[EBB__SHAPE_TEXT];
    if (!y || y->numel != 1 || !ebb__is_floating(y->dtype))
        return ebb__fail_op(r->op, y && y->numel == 1 ? EBB_ERR_DTYPE : EBB_ERR_SHAPE,
                            "the function's first output must be one floating-point number, not %s%s%s",
                            y ? ebb_dtype_name((ebb_dtype)y->dtype) : "none", y ? " " : "",
                            y ? ebb__shape_text(shape, y->ndim, ebb__sizes(y)) : "");
    ebb_tensor *one = ebb_ones_like(y);
    if (!one) return ebb_error_status();
    ebb_status status = ebb__run_pull(r, EBB_LIST(y), EBB_LIST(one), recorded, false, ret_grads);
    return status ? status : ebb__run_materialize(r, strict, ret_grads);
}

/* Outputs and n gradients that were made in a scope which is to be closed. */
static ebb_status leave(ebb_scope *scope, ebb_outputs *out, ebb_tensor **g, int64_t n) {
    size_t bytes = (size_t)(out->n + n) * sizeof(ebb_tensor *);
    ebb_tensor **all = ebb__alloc(bytes);
    if (!all) return ebb_error_status();
    int64_t count = 0;
    for (int64_t k = 0; k < out->n; k++) all[count++] = out->t[k];
    for (int64_t i = 0; i < n; i++) all[count++] = g[i];
    ebb_status status = ebb__hand_out(scope, all, count);
    ebb__free(all, bytes);
    return status;
}

ebb_status ebb__value_and_grad(const char *op, ebb_function function, void *context, ebb_list inputs,
                               ebb_outputs *ret_out, ebb_tensor **ret_grads, const ebb_transform_options *options) {
    if (!ret_grads) return ebb__fail_null(op, "ret_grads");
    struct ebb__run r;
    ebb_outputs out = {0};
    ebb_tensor **g = NULL;
    ebb_scope scope = ebb_scope_open();
    ebb_status status = ebb__run_open(&r, op, function, context, inputs, &options->argnums);
    if (!status && !(g = ebb__alloc((size_t)r.n * sizeof *g))) status = ebb_error_status();
    if (!status) status = gradient(&r, r.recorded, options->strict, g);
    if (!status && ret_out) status = ebb__run_results(&r, &out);
    if (!status) status = leave(&scope, &out, g, r.n);
    ebb_scope_close(&scope);
    for (int64_t i = 0; i < r.n && !status; i++) ret_grads[i] = g[i];
    if (!status && ret_out) *ret_out = out;
    ebb__free(g, (size_t)r.n * sizeof *g);
    ebb__run_close(&r);
    return status;
}

ebb_status(ebb_value_and_grad)(ebb_function function, void *context, ebb_list inputs, ebb_outputs *ret_out,
                               ebb_tensor **ret_grads, ebb_transform_options options) {
    return ebb__value_and_grad("value_and_grad", function, context, inputs, ret_out, ret_grads, &options);
}

/* ---- products with the Hessian ---- */

/* In `both`, the gradient and its derivative along `vectors`, a row each. */
static ebb_status gradient_along(ebb_function function, void *context, ebb_list inputs, ebb_list vectors,
                                 ebb_tensor **both, const ebb_transform_options *options) {
    static const char *op = "hvp";
    int64_t n = inputs.n;
    ebb_tensor **in = ebb__alloc((size_t)n * sizeof *in);
    ebb_status status = in ? make_duals(inputs, vectors, in) : ebb_error_status();
    if (!status) status = ebb__value_and_grad(op, function, context, (ebb_list){n, in}, NULL, both, options);
    for (int64_t i = 0; i < n && !status; i++) {
        ebb_tensor *g = both[i];
        both[n + i] = NULL;
        if (g && !(both[i] = ebb_unpack_dual(g, &both[n + i]))) status = ebb_error_status();
        if (!g || status || both[n + i]) continue;
        if (options->strict)
            status = ebb__fail_op(op, EBB_ERR_GRAPH, "strict: the gradient by input %lld does not depend on the inputs",
                                  (long long)i);
        else if (!(both[n + i] = ebb_zeros_like(g))) status = ebb_error_status();
    }
    ebb__free(in, (size_t)n * sizeof *in);
    return status;
}

ebb_status(ebb_hvp)(ebb_function function, void *context, ebb_list inputs, ebb_list vectors, ebb_tensor **ret_grads,
                    ebb_tensor **ret_hvp, ebb_transform_options options) {
    if (!ret_hvp) return ebb__fail_null("hvp", "ret_hvp");
    if (check_pairs("hvp", "vector", inputs, vectors)) return ebb_error_status();
    int64_t n = inputs.n;
    ebb_tensor **both = ebb__alloc_zeroed((size_t)(2 * n) * sizeof *both);
    if (!both) return ebb_error_status();
    ebb_scope scope = ebb_scope_open();
    ebb_dual_level level = ebb_dual_level_open();
    ebb_status status =
        level.level ? gradient_along(function, context, inputs, vectors, both, &options) : ebb_error_status();
    ebb_dual_level_close(&level);
    if (!status) status = ebb__hand_out(&scope, both, 2 * n);
    ebb_scope_close(&scope);
    for (int64_t i = 0; i < n && !status; i++) {
        if (ret_grads) ret_grads[i] = both[i];
        ret_hvp[i] = both[n + i];
    }
    ebb__free(both, (size_t)(2 * n) * sizeof *both);
    return status;
}

/* The same in reverse mode: the gradient is recorded and differentiated again. */
static ebb_status gradient_pulled(struct ebb__run *r, ebb_list vectors, ebb_tensor **both, bool strict) {
    ebb_list g = {r->n, both};
    bool recorded = r->recorded;
    ebb_status status = gradient(r, true, strict, both);
    for (int64_t i = 0; i < r->n && !status; i++) {
        ebb_tensor *v = vectors.t[i];
        if (!v) continue;
        recorded = recorded || (!ebb__thread.no_grad && ebb__has_history(v));
        if (!both[i])
            status = ebb__fail_op(r->op, EBB_ERR_ARGUMENT,
                                  "vector %lld is given for an input that is not differentiated by", (long long)i);
    }
    if (!status) status = ebb__run_pull(r, g, vectors, recorded, false, both + r->n);
    if (!status) status = ebb__run_materialize(r, strict, both + r->n);
    for (int64_t i = 0; i < r->n && !status; i++)
        if (both[i] && !(both[i] = ebb__run_give(r, both[i]))) status = ebb_error_status();
    return status;
}

ebb_status(ebb_vhp)(ebb_function function, void *context, ebb_list inputs, ebb_list vectors, ebb_tensor **ret_grads,
                    ebb_tensor **ret_vhp, ebb_transform_options options) {
    if (!ret_vhp) return ebb__fail_null("vhp", "ret_vhp");
    if (check_pairs("vhp", "vector", inputs, vectors)) return ebb_error_status();
    struct ebb__run r;
    int64_t n = inputs.n;
    ebb_tensor **both = ebb__alloc_zeroed((size_t)(2 * n) * sizeof *both);
    if (!both) return ebb_error_status();
    ebb_scope scope = ebb_scope_open();
    ebb_status status = ebb__run_open(&r, "vhp", function, context, inputs, &options.argnums);
    if (!status) status = gradient_pulled(&r, vectors, both, options.strict);
    if (!status) status = ebb__hand_out(&scope, both, 2 * n);
    ebb_scope_close(&scope);
    ebb__run_close(&r);
    for (int64_t i = 0; i < n && !status; i++) {
        if (ret_grads) ret_grads[i] = both[i];
        ret_vhp[i] = both[n + i];
    }
    ebb__free(both, (size_t)(2 * n) * sizeof *both);
    return status;
}
