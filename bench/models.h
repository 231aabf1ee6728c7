/* Models to train. A model is one function that computes its loss; the parameters and inputs that it asks for are made
 * in its first run, and found in the same order in all others. */
#ifndef EBB_BENCH_MODELS_H
#define EBB_BENCH_MODELS_H

#include "bench/bench.h"

#define MODEL_MAX_TENSORS 256

typedef struct bench_model {
    ebb_tensor *t[MODEL_MAX_TENSORS];
    int n, next;
    bool built;
    double forward_flops, backward_flops; /* of the products and convolutions in it */
    int64_t size[4];                      /* what tells models of one kind apart */
} bench_model;

/* A parameter: uniform in offset ± scale; `name` may hold a %d, which stands for `layer`. */
ebb_tensor *model_parameter(bench_model *m, const char *name, int layer, ebb_dims shape, double scale, double offset);
/* What is not trained: data (uniform in ±scale), indices below a bound, and statistics, filled with one value. */
ebb_tensor *model_data(bench_model *m, const char *name, ebb_dims shape, double scale);
ebb_tensor *model_indices(bench_model *m, const char *name, int64_t bound, ebb_dims shape);
ebb_tensor *model_buffer(bench_model *m, ebb_dims shape, double value);

/* Layers: parameters `name`.weight and `name`.bias. Their weights are uniform in ±1/sqrt(inputs). */
ebb_tensor *model_linear(bench_model *m, ebb_tensor *x, const char *name, int layer, int64_t out);
ebb_tensor *model_conv(bench_model *m, ebb_tensor *x, const char *name, int layer, int64_t out, int64_t kernel,
                       int64_t stride, int64_t padding, bool bias);
ebb_tensor *model_layer_norm(bench_model *m, ebb_tensor *x, const char *name, int layer);
ebb_tensor *model_batch_norm(bench_model *m, ebb_tensor *x, const char *name, int layer);
/* Counts 2mnk flops of a product forward, and those of its gradients: of both operands, or of the second alone. */
void model_count(bench_model *m, double flops, bool both);

/* ---- the models: images.c, language.c ---- */
ebb_tensor *model_mlp(bench_model *m);      /* size: batch, 0 for regression or 1 for classes, and which widths */
ebb_tensor *model_lenet(bench_model *m);    /* LeNet-5 with ReLU (LeCun et al. 1998), 28x28, size: batch */
ebb_tensor *model_resnet18(bench_model *m); /* He et al. 2015, for 32x32 images, size: batch */
ebb_tensor *model_gpt(bench_model *m);      /* GPT-2 (Radford et al. 2019), size: layers, width, batch, time */
ebb_tensor *model_lstm(bench_model *m);     /* a language model of one LSTM layer, size: batch, time, width */

#endif
