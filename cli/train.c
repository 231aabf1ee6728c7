/* `ebb train`: train a classifier on real data, test it on what was held out, save it and load it again. */
#include "cli/cli.h"
#include "cli/train.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- options ---- */

enum option_kind { OPTION_TEXT, OPTION_COUNT, OPTION_RATE, OPTION_SEED, OPTION_SIZES, OPTION_FLAG };

struct option {
    const char *name, *argument;
    enum option_kind kind;
    size_t offset;
    long long least; /* of a count */
    const char *help;
};

#define OPTION(name, argument, kind, member, least, help) \
    {name, argument, kind, offsetof(struct train_options, member), least, help}

static const struct option options[] = {
    OPTION("--epochs", "N", OPTION_COUNT, epochs, 0, "times that all training images are seen"),
    OPTION("--batch", "N", OPTION_COUNT, batch, 1, "images in one step"),
    OPTION("--optimizer", "NAME", OPTION_TEXT, optimizer, 0, "sgd (with momentum 0.9), adam or adamw"),
    OPTION("--lr", "RATE", OPTION_RATE, lr, 0, "learning rate"),
    OPTION("--hidden", "N[,N...]", OPTION_SIZES, hidden, 0, "sizes of the hidden layers"),
    OPTION("--seed", "N", OPTION_SEED, seed, 0, "where random numbers begin (42): the same seed gives the same result"),
    OPTION("--save", "FILE", OPTION_TEXT, save, 0, "write the trained network to a safetensors file, and check it"),
    OPTION("--load", "FILE", OPTION_TEXT, load, 0, "begin with the network of a file; trains only with --epochs"),
    OPTION("--predict", "N", OPTION_COUNT, predict, 0, "show the first N test images and what they are taken for"),
    OPTION("--data", "DIR", OPTION_TEXT, data, 0, "the folder of the data set's four IDX files"),
    OPTION("--json", NULL, OPTION_FLAG, json, 0, "print one JSON object for programs"),
};
enum { N_OPTIONS = sizeof options / sizeof *options };

static void usage(FILE *to) {
    (void)fputs("usage: ebb train digits|fashion-mnist [option...]\n\n"
                "Train a network of linear layers and ReLUs, and test it on images that were held out.\n\n",
                to);
    for (int i = 0; i < N_OPTIONS; i++) {
        char left[32];
        (void)snprintf(left, sizeof left, "%s %s", options[i].name, options[i].argument ? options[i].argument : "");
        (void)fprintf(to, "  %-20s %s\n", left, options[i].help);
    }
}

static int wrong_use(const char *what, const char *word) {
    (void)fprintf(stderr, "ebb train: %s: \"%s\"\n(ebb train --help lists what there is)\n", what, word);
    return 2;
}

/* A whole number in [least, most]. */
static bool read_count(const char *text, long long least, long long most, const char **ret_end, int64_t *ret_value) {
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || errno || v < least || v > most) return false;
    *ret_end = end;
    *ret_value = v;
    return true;
}

static bool read_sizes(const char *text, ebb_dims *ret_sizes) {
    ebb_dims sizes = {0};
    for (;;) {
        if (sizes.n == TRAIN_MAX_LAYERS - 1 || !read_count(text, 1, 1 << 16, &text, &sizes.d[sizes.n])) return false;
        sizes.n++;
        if (*text == '\0') break;
        if (*text++ != ',') return false;
    }
    *ret_sizes = sizes;
    return true;
}

static bool read_value(const struct option *option, const char *text, struct train_options *o) {
    void *to = (char *)o + option->offset;
    const char *rest = text;
    char *end = NULL;
    switch (option->kind) {
    case OPTION_TEXT: *(const char **)to = text; return *text != '\0';
    case OPTION_COUNT: return read_count(text, option->least, 1000000000, &rest, to) && *rest == '\0';
    case OPTION_SIZES: return read_sizes(text, to);
    case OPTION_RATE: *(double *)to = strtod(text, &end); return end != text && *end == '\0' && *(double *)to > 0;
    case OPTION_SEED:
        errno = 0;
        *(uint64_t *)to = strtoull(text, &end, 10);
        return end != text && *end == '\0' && errno == 0 && *text != '-';
    default: *(bool *)to = true; return true;
    }
}

static const struct option *option_of(const char *word, const char **ret_value) {
    for (int i = 0; i < N_OPTIONS; i++) {
        size_t n = strlen(options[i].name);
        if (strncmp(word, options[i].name, n) != 0 || (word[n] && word[n] != '=')) continue;
        *ret_value = word[n] ? word + n + 1 : NULL;
        return &options[i];
    }
    return NULL;
}

/* -1 when the command goes on, else its exit status. */
static int read_options(int argc, char **argv, struct train_options *o) {
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value;
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            usage(stdout);
            return 0;
        }
        if (word[0] != '-' && !o->dataset) {
            o->dataset = word;
            continue;
        }
        const struct option *option = option_of(word, &value);
        if (!option) return wrong_use(word[0] == '-' ? "unknown option" : "one data set at a time", word);
        if (option->kind != OPTION_FLAG && !value) {
            if (i + 1 == argc) return wrong_use("a value is missing after", word);
            value = argv[++i];
        }
        if ((option->kind == OPTION_FLAG && value) || !read_value(option, value ? value : "", o)) {
            char what[64];
            (void)snprintf(what, sizeof what, "not a value for %s", option->name);
            return wrong_use(what, value);
        }
    }
    if (o->dataset) return -1;
    usage(stderr);
    return 2;
}

/* What was not given comes from the data set; the learning rate from the optimizer when that is not the set's own. */
static int complete_options(const struct train_dataset *set, struct train_options *o) {
    static const struct {
        const char *name;
        double lr;
    } optimizers[] = {{"sgd", 0.05}, {"adam", 0.001}, {"adamw", 0.001}};
    bool own = !o->optimizer || strcmp(o->optimizer, set->optimizer) == 0;
    double lr = own ? set->lr : 0;
    if (!o->optimizer) o->optimizer = set->optimizer;
    bool known = false;
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        if (strcmp(o->optimizer, optimizers[i].name) == 0) {
            known = true;
            if (lr <= 0) lr = optimizers[i].lr;
        }
    if (!known) return wrong_use("unknown optimizer", o->optimizer);
    if (o->lr <= 0) o->lr = lr;
    if (o->epochs < 0) o->epochs = o->load ? 0 : set->epochs;
    if (o->batch == 0) o->batch = set->batch;
    if (o->hidden.n == 0) o->hidden = set->hidden;
    return -1;
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
    ebb_batches *batches = optim ? ebb_batches_new(EBB_LIST(data->images, data->labels), .batch_size = o->batch,
                                                   .shuffle = true)
                                 : NULL;
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
static ebb_status save_and_check(const struct train_options *o, const struct train_data *data, const struct train_model *m,
                                 const int64_t *predicted, int64_t *again, int64_t *ret_equal) {
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
static ebb_status command(const struct train_dataset *set, const struct train_options *o, bool *ret_ok) {
    struct train_data data;
    struct train_model m = {0};
    ebb_status status = train_data_open(set, o->data, &data);
    if (status) return status;
    int64_t n = ebb_tensor_numel(data.test_labels);
    int64_t inputs = ebb_tensor_size(data.images, 1) * ebb_tensor_size(data.images, 2);
    size_t epochs_bytes = (size_t)o->epochs * sizeof(struct train_epoch), predicted_bytes = 2 * (size_t)n * sizeof(int64_t);
    struct train_epoch *epochs = ebb_alloc(epochs_bytes);
    int64_t *predicted = epochs ? ebb_alloc(predicted_bytes) : NULL;
    ebb_manual_seed(o->seed);
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
    struct train_options o = {.epochs = -1, .seed = 42};
    int exit_status = read_options(argc, argv, &o);
    if (exit_status >= 0) return exit_status;
    const struct train_dataset *set = train_dataset_find(o.dataset);
    if (!set) return wrong_use("unknown data set; there are digits and fashion-mnist", o.dataset);
    exit_status = complete_options(set, &o);
    if (exit_status >= 0) return exit_status;
    bool ok = false;
    if (!command(set, &o, &ok)) return ok ? 0 : 1;
    bool missing = ebb_error_status() == EBB_ERR_IO && set->folder && !o.load && !o.save;
    (void)ebb_perror("ebb train");
    if (missing)
        (void)fprintf(stderr, "%s was looked for in %s. On Debian and Ubuntu: apt install dataset-%s. "
                              "Elsewhere: fetch its four IDX files, and name their folder with --data DIR.\n",
                      set->title, o.data ? o.data : set->folder, set->name);
    return 1;
}
