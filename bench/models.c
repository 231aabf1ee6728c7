/* The layers of the models, and the tensors that models ask for. */
#include "bench/models.h"

#include <math.h>
#include <stdio.h>

static ebb_tensor *found(bench_model *m) { return m->t[m->next++]; }

static ebb_tensor *keep(bench_model *m, ebb_tensor *t) {
    if (m->n == MODEL_MAX_TENSORS) {
        (void)ebb_fail(EBB_ERR_ARGUMENT, "the model has too many tensors");
        return NULL;
    }
    m->next++;
    return m->t[m->n++] = t;
}

ebb_tensor *model_parameter(bench_model *m, const char *name, int layer, ebb_dims shape, double scale, double offset) {
    char full[80];
    if (m->built) return found(m);
    (void)snprintf(full, sizeof full, name, layer);
    ebb_tensor *t = bench_data(full, EBB_F32, shape, scale), *p = NULL;
    EBB_NO_GRAD EBB_SCOPE { p = ebb_keep(offset != 0 ? ebb_add(t, offset) : t); }
    (void)ebb_drop(t);
    return keep(m, ebb_requires_grad_(p, true));
}

ebb_tensor *model_data(bench_model *m, const char *name, ebb_dims shape, double scale) {
    return m->built ? found(m) : keep(m, bench_data(name, EBB_F32, shape, scale));
}

ebb_tensor *model_indices(bench_model *m, const char *name, int64_t bound, ebb_dims shape) {
    return m->built ? found(m) : keep(m, bench_indices(name, bound, shape));
}

ebb_tensor *model_buffer(bench_model *m, ebb_dims shape, double value) {
    if (m->built) return found(m);
    return keep(m, ebb_keep(ebb_full(shape, value)));
}

void model_count(bench_model *m, double flops, bool both) {
    if (m->built) return;
    m->forward_flops += flops;
    m->backward_flops += both ? 2 * flops : flops;
}

/* A parameter of a layer. */
static ebb_tensor *part(bench_model *m, const char *name, const char *what, int layer, ebb_dims shape, double scale,
                        double offset) {
    char full[80];
    if (m->built) return found(m);
    (void)snprintf(full, sizeof full, "%s.%s", name, what);
    return model_parameter(m, full, layer, shape, scale, offset);
}

ebb_tensor *model_linear(bench_model *m, ebb_tensor *x, const char *name, int layer, int64_t out) {
    const int64_t in = ebb_tensor_size(x, -1);
    const double scale = 1 / sqrt((double)in);
    model_count(m, 2.0 * (double)(ebb_tensor_numel(x) * out), ebb_tensor_requires_grad(x));
    ebb_tensor *weight = part(m, name, "weight", layer, EBB_DIMS(out, in), scale, 0);
    return ebb_linear(x, weight, .bias = part(m, name, "bias", layer, EBB_DIMS(out), scale, 0));
}

ebb_tensor *model_conv(bench_model *m, ebb_tensor *x, const char *name, int layer, int64_t out, int64_t kernel,
                       int64_t stride, int64_t padding, bool bias) {
    const int64_t in = ebb_tensor_size(x, 1);
    const double scale = 1 / sqrt((double)(in * kernel * kernel));
    ebb_tensor *weight = part(m, name, "weight", layer, EBB_DIMS(out, in, kernel, kernel), scale, 0);
    ebb_tensor *b = bias ? part(m, name, "bias", layer, EBB_DIMS(out), scale, 0) : NULL;
    ebb_tensor *y = ebb_conv2d(x, weight, .bias = b, .stride = EBB_DIMS(stride), .padding = EBB_DIMS(padding));
    model_count(m, 2.0 * (double)(ebb_tensor_numel(y) * in * kernel * kernel), ebb_tensor_requires_grad(x));
    return y;
}

ebb_tensor *model_layer_norm(bench_model *m, ebb_tensor *x, const char *name, int layer) {
    const ebb_dims width = EBB_DIMS(ebb_tensor_size(x, -1));
    ebb_tensor *weight = part(m, name, "weight", layer, width, 0.1, 1);
    return ebb_layer_norm(x, width, .weight = weight, .bias = part(m, name, "bias", layer, width, 0.1, 0));
}

ebb_tensor *model_batch_norm(bench_model *m, ebb_tensor *x, const char *name, int layer) {
    const ebb_dims width = EBB_DIMS(ebb_tensor_size(x, 1));
    ebb_tensor *weight = part(m, name, "weight", layer, width, 0.1, 1),
               *bias = part(m, name, "bias", layer, width, 0.1, 0);
    ebb_tensor *mean = model_buffer(m, width, 0), *var = model_buffer(m, width, 1);
    return ebb_batch_norm(x, .running_mean = mean, .running_var = var, .weight = weight, .bias = bias,
                          .training = true);
}
