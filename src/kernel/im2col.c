/* Unfolding an image into columns, one for each place a window stands, and adding columns back into an image. */
#include "kernel/unfold.h"

#include "base/base.h"
#include "kernel/isa.h"
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Most strides are 1, and divisions slow. */
static int64_t divide(int64_t n, int64_t stride) { return stride == 1 ? n : n / stride; }

void ebb__conv_span(const ebb__conv *c, int d, int64_t k, int64_t *ret_first, int64_t *ret_last, int64_t *ret_offset) {
    const int64_t offset = k * c->dilation[d] - c->padding[d], stride = c->stride[d], left = c->in[d] - offset;
    const int64_t first = offset < 0 ? divide(-offset + stride - 1, stride) : 0;
    const int64_t last = left <= 0 ? 0 : divide(left - 1, stride) + 1;
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

/* Every second one, eight at a time, of which one element more is read: so the last ones are not. */
static void take_16(int64_t n, const char *from, int64_t stride, char *to) {
    const uint16_t *x = (const void *)from;
    uint16_t *y = (void *)to;
    int64_t i = 0;
#if defined(__SSE2__)
    for (; stride == 2 && i + 8 < n; i += 8) {
        __m128i low = _mm_loadu_si128((const void *)(x + 2 * i)), high = _mm_loadu_si128((const void *)(x + 2 * i + 8));
        low = _mm_srai_epi32(_mm_slli_epi32(low, 16), 16); /* with signs, as packs_epi32 wants them */
        high = _mm_srai_epi32(_mm_slli_epi32(high, 16), 16);
        _mm_storeu_si128((void *)(y + i), _mm_packs_epi32(low, high));
    }
#endif
    for (; i < n; i++) y[i] = x[i * stride];
}

static void take(int64_t size, int64_t n, const char *from, int64_t stride, char *to) {
    if (stride == 1) memcpy(to, from, (size_t)(n * size));
    else if (size == 4) take_32(n, from, stride, to);
    else if (size == 8) take_64(n, from, stride, to);
    else if (size == 2) take_16(n, from, stride, to);
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

/* Outputs that lie in whole rows of one plane, or in a part of one row: `rows` rows from row y of plane z on, each from
 * x to `end`. */
struct part {
    int64_t z, y, x, rows, end;
};

/* Of them those that read inside of the image: as many rows and elements in front of them, and in them. */
struct inside {
    int64_t above, rows, left, n;
    int64_t start; /* where the first reads */
};

static int64_t between(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

/* The part that begins with output `at`. */
static struct part part_of(const ebb__conv *c, int64_t at, int64_t last) {
    const int64_t width = c->out[2], row = at / width;
    struct part p = {.z = row / c->out[1], .y = row % c->out[1], .x = at % width, .rows = 1};
    p.end = between(p.x + last - at, 0, width);
    if (p.x == 0 && p.end == width) p.rows = between((last - at) / width, 1, c->out[1] - p.y);
    return p;
}

static struct inside inside_of(const ebb__conv *c, const struct part *p, const int64_t tap[3]) {
    int64_t low[3], high[3], offset[3];
    for (int d = 0; d < 3; d++) ebb__conv_span(c, d, tap[d], &low[d], &high[d], &offset[d]);
    const int64_t top = between(low[1], p->y, p->y + p->rows), left = between(low[2], p->x, p->end);
    struct inside in = {.above = top - p->y,
                        .rows = between(high[1], top, p->y + p->rows) - top,
                        .left = left - p->x,
                        .n = between(high[2], left, p->end) - left};
    if (p->z < low[0] || p->z >= high[0]) in.rows = 0;
    in.start = ((p->z * c->stride[0] + offset[0]) * c->in[1] + top * c->stride[1] + offset[1]) * c->in[2] +
               left * c->stride[2] + offset[2];
    return in;
}

static void unfold_part(const ebb__conv *c, int64_t size, const char *image, const struct part *p, const int64_t tap[3],
                        char *to) {
    const struct inside in = inside_of(c, p, tap);
    const int64_t width = p->end - p->x, right = width - in.left - in.n, next = c->stride[1] * c->in[2];
    const char *from = image + in.start * size;
    memset(to, 0, (size_t)(in.above * width * size));
    to += in.above * width * size;
    if (c->dtype == EBB_F32) {
        ebb__isa.window.unfold(in.rows, in.left, in.n, right, (const float *)(const void *)from, next, c->stride[2],
                               (float *)(void *)to);
    } else {
        for (int64_t row = 0; row < in.rows; row++) {
            char *y = to + row * width * size;
            memset(y, 0, (size_t)(in.left * size));
            take(size, in.n, from + row * next * size, c->stride[2], y + in.left * size);
            memset(y + (in.left + in.n) * size, 0, (size_t)(right * size));
        }
    }
    memset(to + in.rows * width * size, 0, (size_t)((p->rows - in.above - in.rows) * width * size));
}

static void fold_part(const ebb__conv *c, int64_t size, const char *from, const struct part *p, const int64_t tap[3],
                      char *image) {
    const struct inside in = inside_of(c, p, tap);
    const int64_t width = p->end - p->x, next = c->stride[1] * c->in[2];
    char *to = image + in.start * size;
    from += (in.above * width + in.left) * size;
    if (c->dtype == EBB_F32) {
        ebb__isa.window.fold(in.rows, in.n, (const float *)(const void *)from, width, (float *)(void *)to, next,
                             c->stride[2]);
        return;
    }
    for (int64_t row = 0; row < in.rows; row++)
        adders[c->dtype](in.n, from + row * width * size, to + row * next * size, c->stride[2]);
}

/* ---- rows of columns: channel by channel, tap by tap ---- */

struct place {
    int64_t channel, tap[3];
};

static struct place place_of(const ebb__conv *c, int64_t row) {
    struct place at;
    for (int d = 2; d >= 0; row /= c->kernel[d--]) at.tap[d] = row % c->kernel[d];
    at.channel = row;
    return at;
}

static void advance(const ebb__conv *c, struct place *at) {
    for (int d = 2; d >= 0; at->tap[d--] = 0)
        if (++at->tap[d] < c->kernel[d]) return;
    at->channel++;
}

/* Of one part all rows, then those of the next part. A row has last - first elements. */
void ebb__unfold_rows(const ebb__conv *c, const char *image, int64_t row, int64_t n_rows, int64_t first, int64_t last,
                      char *columns) {
    const int64_t size = (int64_t)ebb_dtype_size(c->dtype), in = ebb__volume(c->in) * size;
    for (int64_t at = first; at < last;) {
        const struct part p = part_of(c, at, last);
        struct place here = place_of(c, row);
        for (int64_t r = 0; r < n_rows; r++, advance(c, &here))
            unfold_part(c, size, image + here.channel * in, &p, here.tap,
                        columns + (r * (last - first) + at - first) * size);
        at += p.rows * (p.end - p.x);
    }
}

void ebb__fold_rows(const ebb__conv *c, const char *columns, int64_t row, int64_t n_rows, int64_t first, int64_t last,
                    char *image) {
    const int64_t size = (int64_t)ebb_dtype_size(c->dtype), in = ebb__volume(c->in) * size;
    for (int64_t at = first; at < last;) {
        const struct part p = part_of(c, at, last);
        struct place here = place_of(c, row);
        for (int64_t r = 0; r < n_rows; r++, advance(c, &here))
            fold_part(c, size, columns + (r * (last - first) + at - first) * size, &p, here.tap,
                      image + here.channel * in);
        at += p.rows * (p.end - p.x);
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
