/* Convolutions whose groups have one input channel each: rows times single weights, without columns. */
#include "base/base.h"
#include "kernel/conv.h"
#include "kernel/kernel.h"

#include <string.h>

enum { PIECE_WORK = 1 << 15, LANES = 16 };

/* ---- one row: n elements of y, of x with a stride, and one weight; each of the three from the other two ---- */

typedef void (*row_function)(int64_t n, int64_t stride, void *x, void *w, void *y);

#define ROWS(T, type) \
    static void y_##T(int64_t n, int64_t stride, void *x, void *w, void *y) { \
        const type *restrict from = x, weight = *(const type *)w; \
        type *restrict to = y; \
        if (stride == 1) \
            for (int64_t i = 0; i < n; i++) to[i] += weight * from[i]; \
        else \
            for (int64_t i = 0; i < n; i++) to[i] += weight * from[i * stride]; \
    } \
    static void x_##T(int64_t n, int64_t stride, void *x, void *w, void *y) { \
        const type *restrict from = y, weight = *(const type *)w; \
        type *restrict to = x; \
        if (stride == 1) \
            for (int64_t i = 0; i < n; i++) to[i] += weight * from[i]; \
        else \
            for (int64_t i = 0; i < n; i++) to[i * stride] += weight * from[i]; \
    } \
    static void w_##T(int64_t n, int64_t stride, void *x, void *w, void *y) { \
        const type *a = x, *b = y; \
        type lanes[LANES] = {0}, sum = 0; \
        int64_t i = 0; \
        if (stride == 1) \
            for (; i + LANES <= n; i += LANES) \
                for (int l = 0; l < LANES; l++) lanes[l] += a[i + l] * b[i + l]; \
        for (; i < n; i++) sum += a[i * stride] * b[i]; \
        for (int l = 0; l < LANES; l++) sum += lanes[l]; \
        *(type *)w += sum; \
    }
ROWS(f32, float)
ROWS(f64, double)

/* ---- one plane: one channel of one image ---- */

struct planes {
    const ebb__conv *c;
    int64_t size, in, out, taps, multiplier; /* outputs that read one input */
    char *x, *w, *y;
    const char *bias;
    row_function row;
};

static void plane(const struct planes *p, char *x, char *w, char *y) {
    const ebb__conv *c = p->c;
    for (int64_t tap = 0; tap < p->taps; tap++) {
        int64_t first[3], last[3], offset[3];
        ebb__conv_span(c, 2, tap % c->kernel[2], &first[2], &last[2], &offset[2]);
        ebb__conv_span(c, 1, tap / c->kernel[2] % c->kernel[1], &first[1], &last[1], &offset[1]);
        ebb__conv_span(c, 0, tap / c->kernel[2] / c->kernel[1], &first[0], &last[0], &offset[0]);
        if (first[2] == last[2]) continue;
        const int64_t column = first[2] * c->stride[2] + offset[2];
        for (int64_t z = first[0]; z < last[0]; z++)
            for (int64_t r = first[1]; r < last[1]; r++) {
                const int64_t row = (z * c->stride[0] + offset[0]) * c->in[1] + r * c->stride[1] + offset[1];
                p->row(last[2] - first[2], c->stride[2], x + (row * c->in[2] + column) * p->size, w + tap * p->size,
                       y + ((z * c->out[1] + r) * c->out[2] + first[2]) * p->size);
            }
    }
}

static char *x_plane(const struct planes *p, int64_t image, int64_t output) {
    return p->x + (image * p->c->in_channels + output / p->multiplier) * p->in * p->size;
}

static void fill(const struct planes *p, char *to, int64_t n, int64_t channel) {
    if (p->bias)
        ebb__loops_fill[p->c->dtype](n, (char *const[]){to}, (const int64_t[]){p->size}, p->bias + channel * p->size);
    else memset(to, 0, (size_t)(n * p->size));
}

/* ---- threads share what is written: planes of y, planes of x, channels of w ---- */

static void forward(void *context, int64_t begin, int64_t end) {
    const struct planes *p = context;
    for (int64_t i = begin; i < end; i++) {
        const int64_t channel = i % p->c->out_channels, image = i / p->c->out_channels;
        fill(p, p->y + i * p->out * p->size, p->out, channel);
        plane(p, x_plane(p, image, channel), p->w + channel * p->taps * p->size, p->y + i * p->out * p->size);
    }
}

static void input(void *context, int64_t begin, int64_t end) {
    const struct planes *p = context;
    for (int64_t i = begin; i < end; i++) {
        const int64_t channel = i % p->c->in_channels, image = i / p->c->in_channels;
        fill(p, p->x + i * p->in * p->size, p->in, channel);
        for (int64_t o = channel * p->multiplier; o < (channel + 1) * p->multiplier; o++)
            plane(p, p->x + i * p->in * p->size, p->w + o * p->taps * p->size,
                  p->y + (image * p->c->out_channels + o) * p->out * p->size);
    }
}

static void weight(void *context, int64_t begin, int64_t end) {
    const struct planes *p = context;
    for (int64_t channel = begin; channel < end; channel++) {
        char *w = p->w + channel * p->taps * p->size;
        memset(w, 0, (size_t)(p->taps * p->size));
        for (int64_t image = 0; image < p->c->batch; image++)
            plane(p, x_plane(p, image, channel), w, p->y + (image * p->c->out_channels + channel) * p->out * p->size);
    }
}

static void run(const ebb__conv *c, const void *x, const void *w, const void *y, const void *bias, row_function row,
                int64_t n, void (*body)(void *, int64_t, int64_t)) {
    struct planes p = {.c = c, .size = (int64_t)ebb_dtype_size(c->dtype), .bias = bias, .row = row};
    p.in = ebb__volume(c->in);
    p.out = ebb__volume(c->out);
    p.taps = ebb__volume(c->kernel);
    p.multiplier = c->out_channels / c->in_channels;
    p.x = (char *)(uintptr_t)x; /* one of the three is written, and is no constant */
    p.w = (char *)(uintptr_t)w;
    p.y = (char *)(uintptr_t)y;
    const int64_t work = c->batch * c->out_channels * p.out * p.taps / (n + 1);
    ebb__parallel_for(n, PIECE_WORK / (work + 1) + 1, body, &p);
}

void ebb__depthwise_forward(const ebb__conv *c, const void *x, const void *w, const void *bias, void *y) {
    run(c, x, w, y, bias, c->dtype == EBB_F32 ? y_f32 : y_f64, c->batch * c->out_channels, forward);
}

void ebb__depthwise_input(const ebb__conv *c, const void *y, const void *w, const void *bias, void *x) {
    run(c, x, w, y, bias, c->dtype == EBB_F32 ? x_f32 : x_f64, c->batch * c->in_channels, input);
}

void ebb__depthwise_weight(const ebb__conv *c, const void *y, const void *x, void *w) {
    run(c, x, w, y, NULL, c->dtype == EBB_F32 ? w_f32 : w_f64, c->out_channels, weight);
}
