/* What `ebb train` shows: plain lines, a progress bar where there is a terminal, and images as characters. */
#define _POSIX_C_SOURCE 200809L
#include "cli/train.h"
#include <string.h>
#include <time.h>
#include <unistd.h>

double train_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool on_terminal(const struct train_options *o) { return !o->json && isatty(STDOUT_FILENO); }

void train_show_start(const struct train_options *o, const struct train_data *d, const struct train_model *m) {
    if (o->json) return;
    printf("%s: %lld images to train with, %lld held out for the test\n", d->set->title,
           (long long)ebb_tensor_size(d->images, 0), (long long)ebb_tensor_size(d->test_images, 0));
    long long values = 0;
    printf("network: %lld", (long long)ebb_tensor_size(m->parameters[0], 1));
    for (int i = 0; i < m->n_layers; i++) {
        printf("-%lld", (long long)ebb_tensor_size(m->parameters[2 * i], 0));
        values += (long long)(ebb_tensor_numel(m->parameters[2 * i]) + ebb_tensor_numel(m->parameters[2 * i + 1]));
    }
    printf(" with ReLU, %lld parameters\n", values);
    if (o->epochs)
        printf("training: %s, learning rate %g, batches of %lld, seed %llu\n\n", o->optimizer, o->lr,
               (long long)o->batch, (unsigned long long)o->seed);
}

static void clear_line(void) { (void)fputs("\r\033[K", stdout); }

void train_show_progress(const struct train_options *o, int64_t epoch, double done, const struct train_epoch *now,
                         double begin) {
    static double shown;
    double clock = train_clock(), all = ((double)epoch + done) / (double)o->epochs;
    if (!on_terminal(o) || clock - shown < 0.05) return;
    shown = clock;
    static const char full[] = "██████████████████████████████"; /* 30 blocks of 3 bytes each */
    static const char empty[] = "░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░";
    int blocks = (int)(done * 30);
    clear_line();
    printf("epoch %3lld/%lld  %.*s%.*s  loss %.4f", (long long)epoch + 1, (long long)o->epochs, 3 * blocks, full,
           3 * (30 - blocks), empty, now->loss);
    if (now->accuracy > 0) printf("  accuracy %.2f %%", 100 * now->accuracy);
    if (all > 0) printf("  %.0f s left", (clock - begin) * (1 - all) / all + 0.5);
    (void)fflush(stdout);
}

void train_show_epoch(const struct train_options *o, int64_t epoch, const struct train_epoch *e) {
    if (o->json) return;
    if (on_terminal(o)) clear_line();
    printf("epoch %3lld/%lld  loss %.4f  test accuracy %.2f %%  %.2f s\n", (long long)epoch + 1, (long long)o->epochs,
           e->loss, 100 * e->accuracy, e->seconds);
    (void)fflush(stdout);
}

/* ---- images ---- */

enum { LINE_WIDTH = 110, CELL_MAX = 64 };

/* A character is about twice as high as wide: small images get two characters a pixel, large ones two rows a line. */
struct cell {
    int64_t height, width; /* of an image, in pixels */
    int repeat, rows;      /* characters a pixel, rows a line */
    int columns;           /* characters an image */
};

static struct cell cell_of(const ebb_tensor *images) {
    struct cell c = {.height = ebb_tensor_size(images, 1), .width = ebb_tensor_size(images, 2)};
    c.repeat = c.width <= 16 ? 2 : 1;
    c.rows = c.width <= 16 ? 1 : 2;
    if (c.width > CELL_MAX) c.width = CELL_MAX;
    c.columns = (int)c.width * c.repeat;
    return c;
}

static void show_line(const struct cell *c, const unsigned char *image, int64_t stride, int64_t line, int brightest) {
    static const char shades[] = " .:-=+*#%@";
    for (int64_t x = 0; x < c->width; x++) {
        int sum = 0, n = 0;
        for (int64_t y = line * c->rows; y < (line + 1) * c->rows && y < c->height; y++, n++)
            sum += image[y * stride + x];
        int shade = n ? sum * (int)(sizeof shades - 2) / (n * brightest) : 0;
        for (int k = 0; k < c->repeat; k++) (void)putchar(shades[shade]);
    }
}

static void show_label(const struct train_dataset *set, int64_t label, int64_t predicted, int columns) {
    char text[96], names[2][32];
    const int64_t classes[2] = {label, predicted};
    for (int i = 0; i < 2; i++)
        if (set->classes) (void)snprintf(names[i], sizeof names[i], "%s", set->classes[classes[i]]);
        else (void)snprintf(names[i], sizeof names[i], "%lld", (long long)classes[i]);
    if (label == predicted) (void)snprintf(text, sizeof text, "%s, right", names[0]);
    else (void)snprintf(text, sizeof text, "%s, not %s", names[0], names[1]);
    printf("%-*.*s", columns, columns, text);
}

void train_show_digits(const struct train_data *data, const int64_t *predicted, int64_t n) {
    struct cell c = cell_of(data->test_images);
    const unsigned char *images = ebb_tensor_data(data->test_images);
    const int64_t *labels = ebb_tensor_data(data->test_labels);
    int64_t count = ebb_tensor_size(data->test_images, 0), stride = ebb_tensor_size(data->test_images, 2);
    int64_t a_line = LINE_WIDTH / (c.columns + 2) > 0 ? LINE_WIDTH / (c.columns + 2) : 1;
    int brightest = 1;
    for (int64_t i = 0; i < ebb_tensor_numel(data->test_images); i++)
        if (images[i] > brightest) brightest = images[i];
    if (n > count) n = count;
    for (int64_t first = 0; first < n; first += a_line) {
        int64_t last = first + a_line < n ? first + a_line : n;
        (void)putchar('\n');
        for (int64_t line = 0; line < (c.height + c.rows - 1) / c.rows; line++) {
            for (int64_t i = first; i < last; i++) {
                show_line(&c, images + i * c.height * stride, stride, line, brightest);
                (void)fputs("  ", stdout);
            }
            (void)putchar('\n');
        }
        for (int64_t i = first; i < last; i++) {
            show_label(data->set, labels[i], predicted[i], c.columns);
            (void)fputs("  ", stdout);
        }
        (void)putchar('\n');
    }
}
