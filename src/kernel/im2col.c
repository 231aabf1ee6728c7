/* Unfolding an image into columns, one for each place a window stands, and adding columns back into an image. */
#include "kernel/unfold.h"

#include "base/base.h"
#include "kernel/kernel.h"
#include <string.h>

void ebb__conv_span(const ebb__conv *c, int d, int64_t k, int64_t *ret_first, int64_t *ret_last, int64_t *ret_offset) {
    const int64_t offset = k * c->dilation[d] - c->padding[d], stride = c->stride[d], left = c->in[d] - offset;
    const int64_t first = offset < 0 ? (-offset + stride - 1) / stride : 0;
    const int64_t last = left <= 0 ? 0 : (left - 1) / stride + 1;
    *ret_last = last < c->out[d] ? last : c->out[d];
    *ret_first = first < *ret_last ? first : *ret_last;
    *ret_offset = offset;
}

/* ---- rows: n elements that lie `stride` apart in the image ---- */

#define TAKE(bits) \
    static void take_##bits(int64_t n, const char *from, int64_t stride, char *to) { \
        const uint##bits##_t *x = (const void *)from; \
        uint##bits##_t *y = (void *)to; \
        for (int64_t i = 0; i < n; i++) y[i] = x[i * stride]; \
    }
TAKE(8)
TAKE(32)
TAKE(64)

static void take(int64_t size, int64_t n, const char *from, int64_t stride, char *to) {
    if (stride == 1) memcpy(to, from, (size_t)(n * size));
    else if (size == 4) take_32(n, from, stride, to);
    else if (size == 8) take_64(n, from, stride, to);
    else take_8(n, from, stride, to);
}

#define ADD(name, type, plus) \
    static void add_##name(int64_t n, const char *from, char *to, int64_t stride) { \
        const type *x = (const void *)from; \
        type *y = (void *)to; \
        if (stride == 1) \
            for (int64_t i = 0; i < n; i++) y[i] = (type)(y[i] plus x[i]); \
        else \
            for (int64_t i = 0; i < n; i++) y[i * stride] = (type)(y[i * stride] plus x[i]); \
    }
ADD(f32, float, +)
ADD(f64, double, +)
ADD(i64, uint64_t, +)
ADD(i32, uint32_t, +)
ADD(u8, uint8_t, +)
ADD(bool, uint8_t, |)

static void (*const adders[EBB_DTYPE_COUNT])(int64_t n, const char *from, char *to, int64_t stride) = {
    [EBB_BOOL] = add_bool, [EBB_U8] = add_u8,   [EBB_I32] = add_i32,
    [EBB_I64] = add_i64,   [EBB_F32] = add_f32, [EBB_F64] = add_f64,
};

/* ---- one row of columns: one tap of one channel, over the outputs [first, last) ---- */

/* Where output row (z, y) of this tap lies in the image; false when in the padding. */
static bool image_row(const ebb__conv *c, int64_t row, const int64_t tap[3], int64_t *ret_start) {
    const int64_t z = row / c->out[1] * c->stride[0] + tap[0] * c->dilation[0] - c->padding[0];
    const int64_t y = row % c->out[1] * c->stride[1] + tap[1] * c->dilation[1] - c->padding[1];
    *ret_start = (z * c->in[1] + y) * c->in[2];
    return z >= 0 && z < c->in[0] && y >= 0 && y < c->in[1];
}

/* A run of outputs in one row of the image, cut to [first, last): `from` to `to` along x, of which [valid, end) read
 * inside the image. */
struct run {
    int64_t from, to, valid, end;
};

static int64_t between(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

static struct run run_of(const ebb__conv *c, int64_t row, int64_t first, int64_t last, int64_t low, int64_t high) {
    const int64_t width = c->out[2], start = row * width;
    struct run r = {.from = between(first - start, 0, width), .to = between(last - start, 0, width)};
    r.valid = between(low, r.from, r.to);
    r.end = between(high, r.valid, r.to);
    return r;
}

static void unfold_tap(const ebb__conv *c, int64_t size, const char *image, const int64_t tap[3], int64_t first,
                       int64_t last, char *to) {
    int64_t low, high, offset, start;
    ebb__conv_span(c, 2, tap[2], &low, &high, &offset);
    for (int64_t row = first / c->out[2]; row * c->out[2] < last; row++) {
        struct run r = run_of(c, row, first, last, low, high);
        if (!image_row(c, row, tap, &start)) r.valid = r.end = r.to;
        memset(to, 0, (size_t)((r.valid - r.from) * size));
        if (r.end > r.valid)
            take(size, r.end - r.valid, image + (start + r.valid * c->stride[2] + offset) * size, c->stride[2],
                 to + (r.valid - r.from) * size);
        memset(to + (r.end - r.from) * size, 0, (size_t)((r.to - r.end) * size));
        to += (r.to - r.from) * size;
    }
}

static void fold_tap(const ebb__conv *c, int64_t size, const char *from, const int64_t tap[3], int64_t first,
                     int64_t last, char *image) {
    int64_t low, high, offset, start;
    ebb__conv_span(c, 2, tap[2], &low, &high, &offset);
    for (int64_t row = first / c->out[2]; row * c->out[2] < last; row++) {
        const struct run r = run_of(c, row, first, last, low, high);
        if (image_row(c, row, tap, &start) && r.end > r.valid)
            adders[c->dtype](r.end - r.valid, from + (r.valid - r.from) * size,
                             image + (start + r.valid * c->stride[2] + offset) * size, c->stride[2]);
        from += (r.to - r.from) * size;
    }
}

static void tap_of(const ebb__conv *c, int64_t k, int64_t ret_tap[3]) {
    ret_tap[2] = k % c->kernel[2];
    ret_tap[1] = k / c->kernel[2] % c->kernel[1];
    ret_tap[0] = k / c->kernel[2] / c->kernel[1];
}

void ebb__unfold_rows(const ebb__conv *c, const char *image, int64_t row, int64_t n_rows, int64_t first, int64_t last,
                      char *columns) {
    const int64_t taps = ebb__volume(c->kernel), size = (int64_t)ebb_dtype_size(c->dtype);
    for (int64_t r = row; r < row + n_rows; r++, columns += (last - first) * size) {
        int64_t tap[3];
        tap_of(c, r % taps, tap);
        unfold_tap(c, size, image + r / taps * ebb__volume(c->in) * size, tap, first, last, columns);
    }
}

void ebb__fold_rows(const ebb__conv *c, const char *columns, int64_t row, int64_t n_rows, int64_t first, int64_t last,
                    char *image) {
    const int64_t taps = ebb__volume(c->kernel), size = (int64_t)ebb_dtype_size(c->dtype);
    for (int64_t r = row; r < row + n_rows; r++, columns += (last - first) * size) {
        int64_t tap[3];
        tap_of(c, r % taps, tap);
        fold_tap(c, size, columns, tap, first, last, image + r / taps * ebb__volume(c->in) * size);
    }
}

/* ---- whole batches: one channel of one image at a time ---- */

struct folding {
    const ebb__conv *c;
    const char *from;
    char *to;
};

enum { GRAIN = 1 << 15 };

static int64_t channels_per_piece(const ebb__conv *c) {
    return GRAIN / (ebb__volume(c->kernel) * ebb__volume(c->out) + 1) + 1;
}

static void unfold_channels(void *context, int64_t first, int64_t last) {
    const struct folding *f = context;
    const int64_t size = (int64_t)ebb_dtype_size(f->c->dtype), image = ebb__volume(f->c->in) * size;
    const int64_t taps = ebb__volume(f->c->kernel), out = ebb__volume(f->c->out);
    for (; first < last; first++)
        ebb__unfold_rows(f->c, f->from + first * image, 0, taps, 0, out, f->to + first * taps * out * size);
}

static void fold_channels(void *context, int64_t first, int64_t last) {
    const struct folding *f = context;
    const int64_t size = (int64_t)ebb_dtype_size(f->c->dtype), image = ebb__volume(f->c->in) * size;
    const int64_t taps = ebb__volume(f->c->kernel), out = ebb__volume(f->c->out);
    memset(f->to + first * image, 0, (size_t)((last - first) * image));
    for (; first < last; first++)
        ebb__fold_rows(f->c, f->from + first * taps * out * size, 0, taps, 0, out, f->to + first * image);
}

void ebb__im2col(const ebb__conv *c, const void *x, void *columns) {
    struct folding f = {c, x, columns};
    ebb__parallel_for(c->batch * c->in_channels, channels_per_piece(c), unfold_channels, &f);
}

void ebb__col2im(const ebb__conv *c, const void *columns, void *x) {
    struct folding f = {c, columns, x};
    ebb__parallel_for(c->batch * c->in_channels, channels_per_piece(c), fold_channels, &f);
}
