/* What the files of `ebb train` share: options, data sets, the network, and what is shown. */
#ifndef EBB_CLI_TRAIN_H
#define EBB_CLI_TRAIN_H

#include <ebb/ebb.h>

enum { TRAIN_MAX_LAYERS = 9 };

struct train_options {
    const char *optimizer, *data, *save, *load;
    int64_t epochs, batch, predict, threads;
    double lr;
    uint64_t seed;
    ebb_dims hidden; /* sizes of the hidden layers */
    bool json;
};

/* A data set and what it is trained with when options do not say otherwise. */
struct train_dataset {
    const char *name, *title, *folder; /* folder: where it is usually found; NULL when it is part of the program */
    const char *const *classes;        /* names; NULL when they are numbers */
    int64_t n_classes;
    double mean, deviation; /* of a pixel */
    int64_t epochs, batch;
    ebb_dims hidden;
    const char *optimizer;
    double lr;
};

/* Pixels as bytes (n, height, width), labels int64 (n); kept. */
struct train_data {
    const struct train_dataset *set;
    ebb_tensor *images, *labels, *test_images, *test_labels;
};

struct train_model {
    int n_layers;
    ebb_tensor *parameters[2 * TRAIN_MAX_LAYERS]; /* weight and bias of each layer; kept */
    char names[2 * TRAIN_MAX_LAYERS][16];         /* as torch.nn.Sequential(Linear, ReLU, Linear, …) names them */
};

struct train_epoch {
    double loss, accuracy, seconds;
};

/* ---- train_data.c ---- */
const struct train_dataset *train_dataset_get(int i); /* 0 digits, 1 fashion-mnist */
/* Errors are pending in the thread; EBB_ERR_IO where the files are not there. */
ebb_status train_data_open(const struct train_dataset *set, const char *folder, struct train_data *ret_data);
void train_data_close(struct train_data *data);

/* ---- train_model.c ---- */
ebb_status train_model_make(struct train_model *m, int64_t inputs, ebb_dims hidden, int64_t classes);
ebb_status train_model_save(const struct train_model *m, const char *path);
/* A network as large as the file says. */
ebb_status train_model_load(struct train_model *m, const char *path, int64_t inputs, int64_t classes);
void train_model_close(struct train_model *m);
/* The scores of each class for images as bytes. */
ebb_tensor *train_model_scores(const struct train_model *m, const struct train_dataset *set, ebb_tensor *images);
/* The most likely class of each of the test images, in ret_classes. */
ebb_status train_model_predict(const struct train_model *m, const struct train_data *data, int64_t *ret_classes);

/* ---- train_show.c ---- */
double train_clock(void); /* seconds, from some moment on */
void train_show_start(const struct train_options *o, const struct train_data *data, const struct train_model *m);
/* Part `done` of the epoch `epoch` (from 0) is done; only on a terminal. `begin` is when training began. */
void train_show_progress(const struct train_options *o, int64_t epoch, double done, const struct train_epoch *now,
                         double begin);
void train_show_epoch(const struct train_options *o, int64_t epoch, const struct train_epoch *e);
void train_show_digits(const struct train_data *data, const int64_t *predicted, int64_t n);

/* ---- the digits, made of data/digits when the program is built ---- */
extern const unsigned char train_digits_images[], train_digits_labels[];
extern const unsigned long train_digits_images_size, train_digits_labels_size;

#endif
