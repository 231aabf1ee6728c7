/* Convolutions of few channels in float32, forward and the gradient of the taps, without columns: unfolding a channel
 * into one row for each tap takes longer than multiplying it with few others. A band of rows of outputs reads a band of
 * the image, which is copied once, with its padding, and with the elements that belong to every `stride`-th output side
 * by side; there each tap reads whole vectors (direct.isa.c). */
#include "base/base.h"
#include "kernel/conv.h"
#include "kernel/isa.h"

#include <assert.h>
#include <string.h>

enum {
    BAND = 16,              /* rows of outputs */
    ROW_FLOATS = 12 * 1024, /* of a band's image that one row of outputs reads: they stay in the first cache */
    PARTS = 16,             /* sums of a gradient of taps that threads share out */
    CHANNELS = 15,          /* more are multiplied by a library as fast */
    TAPS = 512,             /* at most, of all channels */
    PIECE = 1 << 18,        /* multiplications for a thread, */
    WORK = 1 << 16          /* multiplications that make it worth the while */
};

struct job {
    const ebb__conv *c;
    const float *x, *weights, *bias; /* weights: packed */
    float *y, *w;                    /* y is read, where w is the result: a part of its sum behind another */
    int64_t bands, parts;            /* bands of an image, parts of all bands */
    int64_t rows, width;             /* of a channel's copy, for each remainder of the columns by the stride */
    int32_t at[TAPS];                /* where the taps are */
    _Atomic bool failed;
    const void *thread; /* that made the call */
};

static int64_t taps_of(const ebb__conv *c) { return c->in_channels * ebb__volume(c->kernel); }

static int64_t work_of(const ebb__conv *c) { return c->batch * c->out_channels * taps_of(c) * ebb__volume(c->out); }

static int64_t width_of(const ebb__conv *c) {
    return ebb__round_up(c->out[2], ebb__isa.direct.columns) + (c->kernel[2] - 1) * c->dilation[2] / c->stride[2];
}

/* Rows of the image from the first to the last that a band of outputs reads. */
static int64_t rows_of(const ebb__conv *c) {
    return (ebb__least(BAND, c->out[1]) - 1) * c->stride[1] + (c->kernel[1] - 1) * c->dilation[1] + 1;
}

bool ebb__direct_pays(const ebb__conv *c) {
    const int64_t tile = ebb__isa.direct.columns, taps = taps_of(c);
    if (!tile || c->dtype != EBB_F32 || c->groups != 1 || c->in_channels > CHANNELS || c->in[0] != 1 ||
        c->kernel[0] != 1 || c->padding[0] != 0 || ebb__volume(c->kernel) == 1 || taps > TAPS)
        return false;
    /* Those between rows that are read are copied, too, and may be any number. */
    if (rows_of(c) > ebb__least(BAND, c->out[1]) * c->kernel[1]) return false;
    return 5 * c->out[2] >= 4 * ebb__round_up(c->out[2], tile / 2) && /* few lanes are idle */
           c->in_channels * c->kernel[1] * c->stride[2] * width_of(c) <= ROW_FLOATS && work_of(c) >= WORK;
}

static struct job job_of(const ebb__conv *c) {
    struct job j = {.c = c, .bands = ebb__divide_up(c->out[1], BAND), .width = width_of(c), .thread = &ebb__thread};
    const int64_t stride = c->stride[2];
    j.rows = rows_of(c);
    int32_t *at = j.at;
    for (int64_t channel = 0; channel < c->in_channels; channel++)
        for (int64_t i = 0; i < c->kernel[1]; i++)
            for (int64_t k = 0; k < c->kernel[2]; k++) {
                const int64_t row = i * c->dilation[1], column = k * c->dilation[2];
                *at++ = (int32_t)(((channel * stride + column % stride) * j.rows + row) * j.width + column / stride);
            }
    return j;
}

static size_t copy_bytes(const struct job *j) {
    return (size_t)(j->c->in_channels * j->c->stride[2] * j->rows * j->width) * sizeof(float);
}

/* What outputs from row `first` on read of an image. */
static void copy_band(const struct job *j, const float *image, int64_t first, float *to) {
    const ebb__conv *c = j->c;
    const int64_t height = c->in[1], width = c->in[2], stride = c->stride[2], padding = c->padding[2];
    const int64_t y = first * c->stride[1] - c->padding[1];
    const int64_t above = ebb__least(ebb__most(0, -y), j->rows);
    const int64_t rows = ebb__most(0, ebb__least(height - y, j->rows) - above);
    for (int64_t channel = 0; channel < c->in_channels; channel++, image += height * width)
        for (int64_t k = 0; k < stride; k++, to += j->rows * j->width) {
            const int64_t left = ebb__least(padding > k ? ebb__divide_up(padding - k, stride) : 0, j->width);
            const int64_t x = left * stride + k - padding; /* the first column that is there */
            const int64_t n = ebb__least(x < width ? ebb__divide_up(width - x, stride) : 0, j->width - left);
            memset(to, 0, (size_t)(above * j->width) * sizeof *to);
            ebb__isa.window.unfold(rows, left, n, j->width - left - n, image + (y + above) * width + x, width, stride,
                                   to + above * j->width);
            memset(to + (above + rows) * j->width, 0, (size_t)((j->rows - above - rows) * j->width) * sizeof *to);
        }
}

/* Call `band` for some bands, in their order, with room for a copy. */
static void each_band(struct job *j, int64_t first, int64_t last, float *w,
                      void (*band)(const struct job *j, int64_t image, int64_t row, int64_t rows, const float *copy,
                                   float *w)) {
    const ebb__conv *c = j->c;
    float *copy = ebb__alloc(copy_bytes(j));
    if (!copy) {
        j->failed = true;
        if (j->thread != &ebb__thread) ebb_clear_error(); /* it is reported to the caller only */
        return;
    }
    for (; first < last; first++) {
        const int64_t image = first / j->bands, row = first % j->bands * BAND;
        copy_band(j, j->x + image * c->in_channels * c->in[1] * c->in[2], row, copy);
        band(j, image, row, ebb__least(BAND, c->out[1] - row), copy, w);
    }
    ebb__free(copy, copy_bytes(j));
}

/* ---- y ---- */

static void forward_band(const struct job *j, int64_t image, int64_t row, int64_t rows, const float *copy, float *w) {
    const ebb__conv *c = j->c;
    const int64_t out = ebb__volume(c->out), width = c->out[2];
    float *y = j->y + image * c->out_channels * out + row * width;
    (void)w;
    for (int64_t i = 0; i < rows; i++)
        ebb__isa.direct.product(c->out_channels, width, taps_of(c), j->weights, copy + i * c->stride[1] * j->width,
                                j->at, j->bias, y + i * width, out);
}

static void forward_bands(void *context, int64_t first, int64_t last) {
    each_band(context, first, last, NULL, forward_band);
}

ebb_status ebb__direct_forward(const ebb__conv *c, const void *x, const void *w, const void *bias, void *y) {
    struct job j = job_of(c);
    const size_t bytes = (size_t)(c->out_channels * taps_of(c)) * sizeof(float);
    float *weights = ebb__alloc(bytes);
    if (!weights) return EBB_ERR_MEMORY;
    ebb__isa.direct.pack(c->out_channels, taps_of(c), w, weights);
    j.x = x, j.y = y, j.bias = bias, j.weights = weights;
    ebb__parallel_for(c->batch * j.bands, ebb__divide_up(PIECE, work_of(c) / (c->batch * j.bands)), forward_bands, &j);
    ebb__free(weights, bytes);
    return j.failed ? ebb_fail(EBB_ERR_MEMORY, "out of memory for a convolution") : EBB_OK;
}

/* ---- w ---- */

static void weight_band(const struct job *j, int64_t image, int64_t row, int64_t rows, const float *copy, float *w) {
    const ebb__conv *c = j->c;
    const int64_t out = ebb__volume(c->out), width = c->out[2];
    ebb__isa.direct.dots(c->out_channels, taps_of(c), rows, width, j->y + image * c->out_channels * out + row * width,
                         out, copy, c->stride[1] * j->width, j->at, w);
}

static void weight_parts(void *context, int64_t first, int64_t last) {
    struct job *j = context;
    const int64_t n = j->c->out_channels * taps_of(j->c), bands = j->c->batch * j->bands;
    for (; first < last; first++) {
        float *w = j->w + first * n;
        memset(w, 0, (size_t)n * sizeof *w);
        each_band(j, first * bands / j->parts, (first + 1) * bands / j->parts, w, weight_band);
    }
}

ebb_status ebb__direct_weight(const ebb__conv *c, const void *y, const void *x, void *w) {
    struct job j = job_of(c);
    const int64_t n = c->out_channels * taps_of(c);
    j.parts = ebb__least(ebb__least(PARTS, c->batch * j.bands), ebb__divide_up(work_of(c), PIECE));
    const size_t bytes = (size_t)(j.parts * n) * sizeof(float);
    float *sums = ebb__alloc(bytes);
    if (!sums) return EBB_ERR_MEMORY;
    j.x = x, j.y = (float *)(uintptr_t)y, j.w = sums;
    ebb__parallel_for(j.parts, 1, weight_parts, &j);
    memcpy(w, sums, (size_t)n * sizeof *sums);
    for (int64_t i = 1; i < j.parts; i++)
        ebb__loops_add[EBB_F32](n, (char *const[]){w, w, (char *)(sums + i * n)}, (const int64_t[]){4, 4, 4}, NULL);
    ebb__free(sums, bytes);
    return j.failed ? ebb_fail(EBB_ERR_MEMORY, "out of memory for a convolution") : EBB_OK;
}
