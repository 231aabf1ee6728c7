/* First values of parameters. */
#include <ebb/autograd.h>
#include <ebb/nn.h>
#include <ebb/ops.h>
#include <math.h>
#include <string.h>

static ebb_status check(const char *name, const ebb_tensor *t) {
    if (!t) return ebb_error() ? ebb_error_status() : ebb_fail(EBB_ERR_ARGUMENT, "%s: the tensor is NULL", name);
    if (!ebb_dtype_is_floating(ebb_tensor_dtype(t)))
        return ebb_fail(EBB_ERR_DTYPE, "%s: needs a floating-point tensor, got %s", name,
                        ebb_dtype_name(ebb_tensor_dtype(t)));
    if (!ebb_tensor_is_contiguous(t)) return ebb_fail(EBB_ERR_ARGUMENT, "%s: the tensor is not contiguous", name);
    return EBB_OK;
}

ebb_tensor *(ebb_init_uniform_)(ebb_tensor *t, double low, double high) {
    if (check("init_uniform_", t)) return NULL;
    if (!(low <= high) || !isfinite(high - low)) {
        ebb_fail(EBB_ERR_ARGUMENT, "init_uniform_: [%g, %g) is no range", low, high);
        return NULL;
    }
    ebb_scope scope = ebb_scope_open();
    bool recorded = ebb_set_grad_enabled(false);
    ebb_tensor *unit = ebb_rand(ebb_tensor_shape(t), .dtype = ebb_tensor_dtype(t));
    ebb_tensor *values = ebb_add(ebb_mul(unit, high - low), low);
    ebb_set_grad_enabled(recorded);
    if (values) {
        size_t bytes = (size_t)ebb_tensor_numel(t) * ebb_dtype_size(ebb_tensor_dtype(t));
        if (bytes) memcpy(ebb_tensor_data(t), ebb_tensor_data(values), bytes);
        ebb_increment_version(t);
    }
    ebb_scope_close(&scope);
    return values ? t : NULL;
}

ebb_tensor *(ebb_init_kaiming_uniform_)(ebb_tensor *t, ebb_init_kaiming_options options) {
    if (check("init_kaiming_uniform_", t)) return NULL;
    ebb_dims shape = ebb_tensor_shape(t);
    if (shape.n < 2) {
        ebb_fail(EBB_ERR_SHAPE, "init_kaiming_uniform_: needs at least two dimensions, got %d", (int)shape.n);
        return NULL;
    }
    double fan = (double)(options.fan_out ? shape.d[0] : shape.d[1]);
    for (int i = 2; i < shape.n; i++) fan *= (double)shape.d[i];
    double bound = fan > 0 ? sqrt(6 / ((1 + options.a * options.a) * fan)) : 0;
    return (ebb_init_uniform_)(t, -bound, bound);
}
