/* The data sets of `ebb train`: digits, which are part of the program, and Fashion-MNIST from its four files. */
#include "cli/train.h"
#include <string.h>

static const char *const clothes[] = {"T-shirt", "trousers", "pullover", "dress", "coat",
                                      "sandal",  "shirt",    "sneaker",  "bag",   "ankle boot"};

/* In the order of the command's words. */
static const struct train_dataset datasets[] = {
    {.name = "digits",
     .title = "Optical recognition of handwritten digits (UCI)",
     .n_classes = 10,
     .mean = 4.884,
     .deviation = 6.017,
     .epochs = 20,
     .batch = 32,
     .hidden = {{128}, 1},
     .optimizer = "sgd",
     .lr = 0.05},
    {.name = "fashion-mnist",
     .title = "Fashion-MNIST",
     .folder = "/usr/share/datasets/fashion-mnist",
     .classes = clothes,
     .n_classes = 10,
     .mean = 72.94,
     .deviation = 90.02,
     .epochs = 10,
     .batch = 64,
     .hidden = {{128}, 1},
     .optimizer = "adam",
     .lr = 0.001},
};

const struct train_dataset *train_dataset_get(int i) { return &datasets[i]; }

/* Images and labels that belong together; the labels become int64. */
static ebb_status check_pair(const struct train_dataset *set, const char *part, const ebb_tensor *images,
                             ebb_tensor **labels) {
    if (ebb_tensor_ndim(images) != 3 || ebb_tensor_ndim(*labels) != 1 || ebb_tensor_dtype(images) != EBB_U8 ||
        ebb_tensor_dtype(*labels) != EBB_U8)
        return ebb_fail(EBB_ERR_FORMAT, "%s: the %s files do not hold images and labels of bytes", set->name, part);
    int64_t n = ebb_tensor_size(images, 0);
    if (n == 0 || n != ebb_tensor_size(*labels, 0))
        return ebb_fail(EBB_ERR_FORMAT, "%s: there are %lld %s images and %lld labels", set->name, (long long)n, part,
                        (long long)ebb_tensor_size(*labels, 0));
    const unsigned char *label = ebb_tensor_data(*labels);
    for (int64_t i = 0; i < n; i++)
        if (label[i] >= set->n_classes)
            return ebb_fail(EBB_ERR_FORMAT, "%s: %s label %lld is %d; there are %lld classes", set->name, part,
                            (long long)i, label[i], (long long)set->n_classes);
    *labels = ebb_to(*labels, EBB_I64);
    return ebb_error_status();
}

/* Every fifth image is held out: the images come by writer, so that a block of them would test with strangers only. */
static ebb_status open_digits(struct train_data *d) {
    enum { EVERY = 5 };
    ebb_tensor *images = NULL, *labels = NULL;
    if (ebb_idx_decode(train_digits_images, train_digits_images_size, "the digits", &images) ||
        ebb_idx_decode(train_digits_labels, train_digits_labels_size, "the digits' labels", &labels) ||
        check_pair(d->set, "built-in", images, &labels))
        return ebb_error_status();
    int64_t n = ebb_tensor_size(images, 0), n_test = (n + EVERY - 1) / EVERY;
    ebb_tensor *train = ebb_empty(EBB_DIMS(n - n_test), .dtype = EBB_I64);
    if (!train) return ebb_error_status();
    int64_t *at = ebb_tensor_data(train);
    for (int64_t i = 0; i < n; i++)
        if (i % EVERY) *at++ = i;
    d->images = ebb_index_select(images, train, 0);
    d->labels = ebb_index_select(labels, train, 0);
    d->test_images = ebb_contiguous(ebb_slice(images, 0, 0, n, .step = EVERY));
    d->test_labels = ebb_contiguous(ebb_slice(labels, 0, 0, n, .step = EVERY));
    return ebb_error_status();
}

/* One of the files, compressed or not. */
static ebb_tensor *read_file(const char *folder, const char *name) {
    char path[1024];
    ebb_tensor *t = NULL;
    for (int plain = 0; plain < 2 && !t; plain++) {
        int n = snprintf(path, sizeof path, "%s/%s%s", folder, name, plain ? "" : ".gz");
        if (n < 0 || n >= (int)sizeof path) {
            ebb_fail(EBB_ERR_ARGUMENT, "the name of the folder is too long");
            return NULL;
        }
        FILE *file = fopen(path, "rb");
        if (!file) continue;
        fclose(file);
        if (ebb_idx_read(path, &t)) return NULL;
    }
    if (!t) ebb_fail(EBB_ERR_IO, "%s/%s.gz is not there", folder, name);
    return t;
}

static ebb_status open_files(struct train_data *d, const char *folder) {
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                        "t10k-labels-idx1-ubyte"};
    ebb_tensor **const to[] = {&d->images, &d->labels, &d->test_images, &d->test_labels};
    for (int i = 0; i < 4; i++)
        if (!(*to[i] = read_file(folder, names[i]))) return ebb_error_status();
    ebb_status status = check_pair(d->set, "training", d->images, &d->labels);
    if (!status) status = check_pair(d->set, "test", d->test_images, &d->test_labels);
    for (int i = 1; i < 3 && !status; i++)
        if (ebb_tensor_size(d->images, i) != ebb_tensor_size(d->test_images, i))
            status = ebb_fail(EBB_ERR_FORMAT, "%s: training and test images differ in size", d->set->name);
    return status;
}

ebb_status train_data_open(const struct train_dataset *set, const char *folder, struct train_data *ret_data) {
    struct train_data d = {.set = set};
    ebb_scope scope = ebb_scope_open();
    ebb_status status = set->folder || folder ? open_files(&d, folder ? folder : set->folder) : open_digits(&d);
    if (!status) {
        ebb_keep(d.images);
        ebb_keep(d.labels);
        ebb_keep(d.test_images);
        ebb_keep(d.test_labels);
        *ret_data = d;
    }
    ebb_scope_close(&scope);
    return status;
}

void train_data_close(struct train_data *d) {
    d->images = ebb_drop(d->images);
    d->labels = ebb_drop(d->labels);
    d->test_images = ebb_drop(d->test_images);
    d->test_labels = ebb_drop(d->test_labels);
}
