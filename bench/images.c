/* Models of images and of plain vectors: perceptrons, LeNet-5, ResNet-18. */
#include "bench/models.h"

ebb_tensor *model_mlp(bench_model *m) {
    static const int64_t widths[][5] = {{16, 32, 32, 1}, {784, 128, 10}, {784, 1024, 1024, 10}};
    const int64_t batch = m->size[0], *width = widths[m->size[1]];
    ebb_tensor *h = model_data(m, "x", EBB_DIMS(batch, width[0]), 1.0);
    for (int i = 1; width[i]; i++) {
        h = model_linear(m, h, "fc%d", i, width[i]);
        if (width[i + 1]) h = ebb_relu(h);
    }
    if (m->size[1] == 0) return ebb_mse_loss(h, model_data(m, "target", EBB_DIMS(batch, 1), 1.0));
    return ebb_cross_entropy(h, model_indices(m, "target", 10, EBB_DIMS(batch)));
}

ebb_tensor *model_lenet(bench_model *m) {
    const int64_t batch = m->size[0];
    ebb_tensor *h = model_data(m, "x", EBB_DIMS(batch, 1, 28, 28), 1.0);
    h = ebb_max_pool2d(ebb_relu(model_conv(m, h, "conv%d", 1, 6, 5, 1, 2, true)), EBB_DIMS(2));
    h = ebb_max_pool2d(ebb_relu(model_conv(m, h, "conv%d", 2, 16, 5, 1, 0, true)), EBB_DIMS(2));
    h = ebb_flatten(h, 1, -1);
    h = ebb_relu(model_linear(m, h, "fc%d", 1, 120));
    h = ebb_relu(model_linear(m, h, "fc%d", 2, 84));
    h = model_linear(m, h, "fc%d", 3, 10);
    return ebb_cross_entropy(h, model_indices(m, "target", 10, EBB_DIMS(batch)));
}

static ebb_tensor *block(bench_model *m, ebb_tensor *x, int layer, int64_t out, int64_t stride) {
    ebb_tensor *h = model_conv(m, x, "block%d.conv1", layer, out, 3, stride, 1, false);
    h = ebb_relu(model_batch_norm(m, h, "block%d.bn1", layer));
    h = model_batch_norm(m, model_conv(m, h, "block%d.conv2", layer, out, 3, 1, 1, false), "block%d.bn2", layer);
    if (stride != 1) {
        x = model_conv(m, x, "block%d.shortcut", layer, out, 1, stride, 0, false);
        x = model_batch_norm(m, x, "block%d.bn3", layer);
    }
    return ebb_relu(ebb_add(h, x));
}

ebb_tensor *model_resnet18(bench_model *m) {
    const int64_t batch = m->size[0];
    ebb_tensor *h = model_data(m, "x", EBB_DIMS(batch, 3, 32, 32), 1.0);
    h = ebb_relu(model_batch_norm(m, model_conv(m, h, "conv%d", 1, 64, 3, 1, 1, false), "bn%d", 1));
    for (int i = 0; i < 8; i++) h = block(m, h, i, 64 << i / 2, i > 0 && i % 2 == 0 ? 2 : 1);
    h = ebb_mean(h, .dim = EBB_DIMS(2, 3));
    return ebb_cross_entropy(model_linear(m, h, "fc%d", 1, 10), model_indices(m, "target", 10, EBB_DIMS(batch)));
}
