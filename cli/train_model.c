/* The network of `ebb train`: linear layers with ReLUs between them, its file, and what it predicts. */
#include "cli/train.h"
#include <math.h>
#include <string.h>

static void name_layer(struct train_model *m, int layer) { /* ReLUs count, as they do in torch.nn.Sequential */
    (void)snprintf(m->names[2 * layer], sizeof m->names[0], "%d.weight", 2 * layer);
    (void)snprintf(m->names[2 * layer + 1], sizeof m->names[0], "%d.bias", 2 * layer);
}

/* As torch.nn.Linear begins: weight and bias uniform in ±1/sqrt(inputs). */
static ebb_status make_layer(struct train_model *m, int64_t inputs, int64_t outputs) {
    ebb_tensor *w = ebb_empty(EBB_DIMS(outputs, inputs), .dtype = EBB_F32);
    ebb_tensor *b = ebb_empty(EBB_DIMS(outputs), .dtype = EBB_F32);
    double bound = 1 / sqrt((double)inputs);
    w = ebb_init_kaiming_uniform_(w, .a = sqrt(5));
    b = ebb_init_uniform_(b, -bound, bound);
    int layer = m->n_layers;
    name_layer(m, layer);
    w = ebb_name(ebb_requires_grad_(w, true), m->names[2 * layer]);
    b = ebb_name(ebb_requires_grad_(b, true), m->names[2 * layer + 1]);
    if (!w || !b) return ebb_error_status();
    m->parameters[2 * layer] = ebb_keep(w);
    m->parameters[2 * layer + 1] = ebb_keep(b);
    m->n_layers++;
    return EBB_OK;
}

ebb_status train_model_make(struct train_model *m, int64_t inputs, ebb_dims hidden, int64_t classes) {
    *m = (struct train_model){0};
    ebb_scope scope = ebb_scope_open();
    ebb_status status = EBB_OK;
    for (int i = 0; i <= hidden.n && !status; i++) {
        int64_t outputs = i < hidden.n ? hidden.d[i] : classes;
        status = make_layer(m, inputs, outputs);
        inputs = outputs;
    }
    ebb_scope_close(&scope);
    if (status) train_model_close(m);
    return status;
}

static ebb_list parameters_of(const struct train_model *m) { return (ebb_list){2 * m->n_layers, m->parameters}; }

static void names_of(const struct train_model *m, const char *ret_names[2 * TRAIN_MAX_LAYERS]) {
    for (int i = 0; i < 2 * m->n_layers; i++) ret_names[i] = m->names[i];
}

ebb_status train_model_save(const struct train_model *m, const char *path) {
    const char *names[2 * TRAIN_MAX_LAYERS];
    names_of(m, names);
    return ebb_safetensors_save(path, names, parameters_of(m));
}

ebb_status train_model_load(struct train_model *m, const char *path, int64_t inputs, int64_t classes) {
    ebb_safetensors *file;
    ebb_status status = ebb_safetensors_open(path, &file);
    if (status) return status;
    ebb_dims hidden = {0};
    int64_t last = 0;
    for (int layer = 0; layer < TRAIN_MAX_LAYERS; layer++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d.weight", 2 * layer);
        int64_t i = ebb_safetensors_find(file, name);
        ebb_dims shape = ebb_safetensors_shape(file, i);
        if (i < 0 || shape.n != 2) break;
        if (layer) hidden.d[hidden.n++] = last;
        last = shape.d[0];
    }
    ebb_safetensors_close(file);
    if (last != classes)
        return ebb_fail(EBB_ERR_FORMAT, "%s: is no network of this program with %lld classes", path,
                        (long long)classes);
    const char *names[2 * TRAIN_MAX_LAYERS];
    if ((status = train_model_make(m, inputs, hidden, classes))) return status;
    names_of(m, names);
    status = ebb_safetensors_load(path, names, parameters_of(m));
    if (status) train_model_close(m);
    return status;
}

void train_model_close(struct train_model *m) {
    for (int i = 0; i < 2 * m->n_layers; i++) m->parameters[i] = ebb_drop(m->parameters[i]);
    m->n_layers = 0;
}

ebb_tensor *train_model_scores(const struct train_model *m, const struct train_dataset *set, ebb_tensor *images) {
    ebb_tensor *x = ebb_reshape(ebb_to(images, EBB_F32), EBB_DIMS(ebb_tensor_size(images, 0), -1));
    x = ebb_mul(ebb_sub(x, set->mean), 1 / set->deviation);
    for (int i = 0; i < m->n_layers; i++) {
        x = ebb_linear(x, m->parameters[2 * i], .bias = m->parameters[2 * i + 1]);
        if (i + 1 < m->n_layers) x = ebb_relu(x);
    }
    return x;
}

ebb_status train_model_predict(const struct train_model *m, const struct train_data *data, int64_t *ret_classes) {
    bool recorded = ebb_set_grad_enabled(false);
    ebb_batches *batches = ebb_batches_new(EBB_LIST(data->test_images), .batch_size = 500);
    ebb_status status = batches ? EBB_OK : ebb_error_status();
    int64_t n = ebb_batches_count(batches);
    for (int64_t i = 0; i < n && !status; i++) {
        ebb_scope scope = ebb_scope_open();
        ebb_tensor *images;
        if (!(status = ebb_batches_get(batches, i, &images))) {
            ebb_tensor *classes = ebb_argmax(train_model_scores(m, data->set, images), .dim = EBB_DIMS(1));
            status = classes ? ebb_tensor_read(classes, EBB_I64, ret_classes) : ebb_error_status();
            ret_classes += ebb_tensor_numel(classes);
        }
        ebb_scope_close(&scope);
    }
    ebb_batches_free(batches);
    ebb_set_grad_enabled(recorded);
    return status;
}
