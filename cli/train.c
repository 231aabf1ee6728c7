/* `ebb train`: train a classifier on real data, test it on what was held out, save it and load it again. */
#define _POSIX_C_SOURCE 200809L
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/train.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- options ---- */

static const char *const optimizer_names[] = {"", "sgd", "adam", "adamw"};
static const double optimizer_lr[] = {0, 0.05, 0.003, 0.003};

static int wrong_use(const char *what, const char *word) {
    (void)fprintf(stderr, "ebb train: %s \"%s\"\nTry \"ebb train --help\".\n", what, word);
    return CLI_MISUSED;
}

/* "64" or "256,128". */
static bool read_sizes(const char *text, ebb_dims *ret_sizes) {
    ebb_dims sizes = {0};
    for (;;) {
        char *end;
        long size = sizes.n < TRAIN_MAX_LAYERS - 1 ? strtol(text, &end, 10) : 0;
        if (size < 1 || size > 1 << 16 || end == text) return false;
        sizes.d[sizes.n++] = size;
        if (*end == '\0') break;
        if (*end != ',') return false;
        text = end + 1;
    }
    *ret_sizes = sizes;
    return true;
}

/* Read the command's words. What is not given comes from the data set; the learning rate from the optimizer, when that
 * is not the set's own. CLI_GO_ON, or another of enum cli_parsed. */
static enum cli_parsed read_options(int argc, char **argv, struct train_options *o,
                                    const struct train_dataset **ret_set) {
    int set_number = 0, optimizer = 0;
    const char *hidden = NULL;
    const struct cli_option options[] = {
        {"epochs", CLI_INT, &o->epochs, NULL, 0, 100000, "times that all training images are seen"},
        {"batch", CLI_INT, &o->batch, NULL, 1, 1e6, "images in one step"},
        {"optimizer", CLI_CHOICE, &optimizer, "default|sgd|adam|adamw", 0, 0, "sgd has momentum 0.9"},
        {"lr", CLI_NUMBER, &o->lr, NULL, 1e-12, 1e6, "learning rate"},
        {"hidden", CLI_TEXT, &hidden, NULL, 0, 0, "sizes of the hidden layers: 64, or 256,128"},
        {"seed", CLI_SEED, &o->seed, NULL, 0, 0, "where random numbers begin: the same seed, the same result"},
        {"save", CLI_TEXT, &o->save, NULL, 0, 0, "write the trained network to a safetensors file, and check it"},
        {"load", CLI_TEXT, &o->load, NULL, 0, 0, "begin with a file's network; trains only when given --epochs"},
        {"predict", CLI_INT, &o->predict, NULL, 0, 1e6, "show the first N test images and what they are taken for"},
        {"data", CLI_TEXT, &o->data, NULL, 0, 0, "the folder with the data set's four IDX files"},
        {"threads", CLI_INT, &o->threads, NULL, 1, 1024, "threads in one operation (1): the result is the same"},
        {"json", CLI_FLAG, &o->json, NULL, 0, 0, "print one JSON object, for programs"},
        {NULL, CLI_FLAG, NULL, NULL, 0, 0, NULL}};
    const struct cli_command command = {
        .name = "train",
        .summary = "Train a network of linear layers and ReLUs, and test it on images that were held out.",
        .word = "data set",
        .word_choices = "digits|fashion-mnist",
        .word_value = &set_number,
        .options = options,
        .notes = "The digits are part of the program; Fashion-MNIST is Debian's package dataset-fashion-mnist."};
    enum cli_parsed parsed = cli_parse(&command, argc, argv);
    if (parsed != CLI_GO_ON) return parsed;
    const struct train_dataset *set = train_dataset_get(set_number);
    if (hidden && !read_sizes(hidden, &o->hidden)) {
        (void)wrong_use("--hidden needs sizes such as 64 or 256,128, not", hidden);
        return CLI_WRONG;
    }
    if (hidden && o->load) {
        (void)wrong_use("--load brings its own sizes; leave out --hidden", hidden);
        return CLI_WRONG;
    }
    o->optimizer = optimizer ? optimizer_names[optimizer] : set->optimizer;
    if (o->lr <= 0) o->lr = strcmp(o->optimizer, set->optimizer) == 0 ? set->lr : optimizer_lr[optimizer];
    if (o->epochs < 0) o->epochs = o->load ? 0 : set->epochs;
    if (o->batch == 0) o->batch = set->batch;
    if (o->hidden.n == 0) o->hidden = set->hidden;
    *ret_set = set;
    return CLI_GO_ON;
}

/* ---- training ---- */

static ebb_optim *make_optim(const struct train_options *o, const struct train_model *m) {
    ebb_list parameters = {2 * m->n_layers, m->parameters};
    if (strcmp(o->optimizer, "adam") == 0) return ebb_adam(parameters, .lr = o->lr);
    if (strcmp(o->optimizer, "adamw") == 0) return ebb_adamw(parameters, .lr = o->lr);
    return ebb_sgd(parameters, .lr = o->lr, .momentum = 0.9);
}

static ebb_status step(const struct train_model *m, const struct train_dataset *set, ebb_batches *batches, int64_t i,
                       ebb_optim *optim, double *loss_sum) {
    ebb_tensor *part[2];
    ebb_status status = ebb_batches_get(batches, i, part);
    if (status) return status;
    ebb_tensor *loss = ebb_cross_entropy(train_model_scores(m, set, part[0]), part[1]);
    if ((status = ebb_optim_zero_grad(optim))) return status;
    if ((status = ebb_backward(loss))) return status;
    *loss_sum += ebb_item(loss) * (double)ebb_tensor_size(part[1], 0);
    return ebb_optim_step(optim);
}

static double accuracy(const struct train_data *data, const int64_t *predicted) {
    const int64_t *labels = ebb_tensor_data(data->test_labels);
    int64_t n = ebb_tensor_numel(data->test_labels), right = 0;
    for (int64_t i = 0; i < n; i++) right += labels[i] == predicted[i];
    return (double)right / (double)n;
}

/* Train for the epochs of `o`, noting each in ret_epochs; `predicted` is left as the trained network predicts. */
static ebb_status train(const struct train_options *o, const struct train_data *data, const struct train_model *m,
                        struct train_epoch *ret_epochs, int64_t *predicted) {
    ebb_optim *optim = make_optim(o, m);
    ebb_batches *batches =
        optim ? ebb_batches_new(EBB_LIST(data->images, data->labels), .batch_size = o->batch, .shuffle = true) : NULL;
    ebb_status status = batches ? EBB_OK : ebb_error_status();
    double begin = train_clock();
    struct train_epoch now = {0};
    for (int64_t epoch = 0; epoch < o->epochs && !status; epoch++) {
        double epoch_begin = train_clock(), sum = 0;
        int64_t n = ebb_batches_count(batches);
        status = ebb_batches_begin(batches);
        for (int64_t i = 0; i < n && !status; i++) {
            ebb_scope scope = ebb_scope_open();
            status = step(m, data->set, batches, i, optim, &sum);
            ebb_scope_close(&scope);
            now.loss = sum / (double)(i + 1 < n ? (i + 1) * o->batch : ebb_tensor_size(data->images, 0));
            train_show_progress(o, epoch, (double)(i + 1) / (double)n, &now, begin);
        }
        if (!status) status = train_model_predict(m, data, predicted);
        if (status) break;
        now.accuracy = accuracy(data, predicted);
        now.seconds = train_clock() - epoch_begin;
        ret_epochs[epoch] = now;
        train_show_epoch(o, epoch, &now);
    }
    ebb_batches_free(batches);
    ebb_optim_free(optim);
    return status;
}

/* Save, load into another network, and compare what both predict; *ret_equal counts the images they agree on. */
static ebb_status save_and_check(const struct train_options *o, const struct train_data *data,
                                 const struct train_model *m, const int64_t *predicted, int64_t *again,
                                 int64_t *ret_equal) {
    struct train_model loaded;
    int64_t inputs = ebb_tensor_size(m->parameters[0], 1), n = ebb_tensor_numel(data->test_labels);
    ebb_status status = train_model_save(m, o->save);
    if (!status) status = train_model_load(&loaded, o->save, inputs, data->set->n_classes);
    if (status) return status;
    status = train_model_predict(&loaded, data, again);
    *ret_equal = 0;
    for (int64_t i = 0; i < n && !status; i++) *ret_equal += predicted[i] == again[i];
    train_model_close(&loaded);
    return status;
}

static void show_json(const struct train_options *o, const struct train_data *data, const struct train_epoch *epochs,
                      double final, int64_t reloaded_equal, bool ok) {
    printf("{\"ok\": %s, \"dataset\": \"%s\", \"train\": %lld, \"test\": %lld, \"optimizer\": \"%s\", \"lr\": %.17g, "
           "\"batch\": %lld, \"seed\": %llu, \"epochs\": [",
           ok ? "true" : "false", data->set->name, (long long)ebb_tensor_size(data->images, 0),
           (long long)ebb_tensor_size(data->test_images, 0), o->optimizer, o->lr, (long long)o->batch,
           (unsigned long long)o->seed);
    for (int64_t i = 0; i < o->epochs; i++) {
        printf("%s{\"loss\": ", i ? ", " : "");
        if (epochs[i].loss - epochs[i].loss == 0) printf("%.17g", epochs[i].loss);
        else printf("null");
        printf(", \"accuracy\": %.17g}", epochs[i].accuracy);
    }
    printf("], \"accuracy\": %.17g", final);
    if (o->save) printf(", \"reloaded_equal\": %lld", (long long)reloaded_equal);
    printf("}\n");
}

static ebb_status run(const struct train_options *o, const struct train_data *data, struct train_model *m,
                      struct train_epoch *epochs, int64_t *predicted, bool *ret_ok) {
    int64_t n = ebb_tensor_numel(data->test_labels), equal = n;
    train_show_start(o, data, m);
    ebb_status status = o->epochs ? train(o, data, m, epochs, predicted) : train_model_predict(m, data, predicted);
    if (!status && o->save) status = save_and_check(o, data, m, predicted, predicted + n, &equal);
    if (status) return status;
    *ret_ok = equal == n;
    double final = accuracy(data, predicted);
    if (o->json) {
        show_json(o, data, epochs, final, equal, *ret_ok);
        return EBB_OK;
    }
    if (!o->epochs) printf("test accuracy %.2f %%\n", 100 * final);
    if (o->save)
        printf("\nsaved as %s; loaded again, it predicts the same for %lld of %lld test images\n", o->save,
               (long long)equal, (long long)n);
    if (o->predict) train_show_digits(data, predicted, o->predict);
    return EBB_OK;
}

/* Errors are left pending. */
/* Whether a file can be made in the folder of path; errno says why not. */
static bool can_write_beside(const char *path) {
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash - path) + 1 : 0;
    (void)snprintf(folder, sizeof folder, "%.*s", slash ? n : 1, slash ? path : ".");
    return access(folder, W_OK) == 0;
}

static ebb_status command(const struct train_dataset *set, const struct train_options *o, bool *ret_ok) {
    struct train_data data;
    struct train_model m = {0};
    if (o->save && !can_write_beside(o->save))
        return ebb_fail(EBB_ERR_IO, "cannot save as %s: %s", o->save, strerror(errno));
    ebb_status status = train_data_open(set, o->data, &data);
    if (status) return status;
    int64_t n = ebb_tensor_numel(data.test_labels);
    int64_t inputs = ebb_tensor_size(data.images, 1) * ebb_tensor_size(data.images, 2);
    size_t epochs_bytes = (size_t)o->epochs * sizeof(struct train_epoch),
           predicted_bytes = 2 * (size_t)n * sizeof(int64_t);
    struct train_epoch *epochs = ebb_alloc(epochs_bytes);
    int64_t *predicted = epochs ? ebb_alloc(predicted_bytes) : NULL;
    ebb_manual_seed(o->seed);
    ebb_set_num_threads((int)o->threads);
    status = !predicted ? ebb_error_status()
             : o->load  ? train_model_load(&m, o->load, inputs, set->n_classes)
                        : train_model_make(&m, inputs, o->hidden, set->n_classes);
    if (!status) status = run(o, &data, &m, epochs, predicted, ret_ok);
    train_model_close(&m);
    ebb_free(predicted, predicted_bytes);
    ebb_free(epochs, epochs_bytes);
    train_data_close(&data);
    return status;
}

int ebb_cmd_train(int argc, char **argv) {
    /* Networks this small gain little from threads, and lose much where other programs take turns on the cores. */
    struct train_options o = {.epochs = -1, .seed = 42, .threads = 1};
    const struct train_dataset *set;
    enum cli_parsed parsed = read_options(argc, argv, &o, &set);
    if (parsed != CLI_GO_ON) return parsed == CLI_HELP_SHOWN ? CLI_OK : CLI_MISUSED;
    bool ok = false;
    if (!command(set, &o, &ok)) return ok ? CLI_OK : CLI_FAILED;
    bool missing = ebb_error_status() == EBB_ERR_IO && set->folder && !o.load && !o.save;
    (void)fprintf(stderr, "ebb train: %s\n", ebb_error()->message);
    ebb_clear_error();
    if (missing)
        (void)fprintf(stderr,
                      "%s was looked for in %s. On Debian and Ubuntu: apt install dataset-%s. "
                      "Elsewhere: fetch its four IDX files, and name their folder with --data DIR.\n",
                      set->title, o.data ? o.data : set->folder, set->name);
    return CLI_FAILED;
}
