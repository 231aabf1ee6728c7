/* Convolutions of 3 x 3 taps in float32 by Winograd's minimal algorithm: a tile of 2 x 2 outputs takes 16 products for
 * each pair of channels where the definition takes 36. Patches of images, taps and results are transformed by additions
 * (winograd.isa.c); in between are 16 matrix products over channels, one for each point of the transformed tiles. The
 * gradient of the image is the convolution of y with the taps turned round, that of the taps the transpose of all this.
 *
 * Errors are at most about twice those of the definition. (ADR 24.) */
#include "base/base.h"
#include "kernel/conv.h"
#include "kernel/isa.h"

#include <assert.h>

enum {
    POINTS = EBB__WINOGRAD_POINTS,
    CHANNELS = 32,            /* fewer leave too little to multiply between the transforms */
    WORK = 1 << 21,           /* multiplications that make it worth the while */
    BLOCK_FLOATS = 12 * 1024, /* channels times tiles of a block: its values, of 16 points, stay in the second cache; */
    LEAST_TILES = 64,         /* but no fewer tiles, so that the taps are not read too often, */
    TILES = 128,              /* and not more */
    CHUNK_TILES = EBB__WINOGRAD_GROUPS * 16, /* that a gradient of taps takes at a time */
    GROUPS = 4,                              /* of it that one thread transforms, at least */
    ROWS = 128 /* of a gradient of taps, to be computed by one thread: b is packed for each */
};

/* ---- images and their tiles ---- */

/* Some channels of all images. */
struct images {
    int64_t channels, height, width;
    int64_t apart;            /* elements from the first of these channels in one image to that in the next */
    int64_t padding[2], size; /* how tiles lie on them: patches of size x size begin at 2 i - padding */
};

struct tiling {
    int64_t rows, columns, n; /* of an image, and of all */
};

static struct ebb__winograd_group locate(const struct tiling *t, const struct images *p, int64_t first, int64_t last) {
    struct ebb__winograd_group g = {0};
    for (int64_t at = first; at < last;) {
        const int64_t row = at / t->columns % t->rows, column = at % t->columns;
        const int64_t n = ebb__least(t->columns - column, last - at);
        const int64_t y = 2 * row - p->padding[0], x = 2 * column - p->padding[1];
        g.runs[g.n_runs++] = (struct ebb__winograd_run){.at = at / (t->rows * t->columns) * p->apart + y * p->width + x,
                                                        .lane = (int8_t)(at - first),
                                                        .n = (int8_t)n,
                                                        .left = (int8_t)ebb__most(0, -x),
                                                        .right = (int8_t)ebb__least(2 * n - 2 + p->size, p->width - x),
                                                        .top = (int8_t)ebb__most(0, -y),
                                                        .bottom = (int8_t)ebb__least(p->size, p->height - y)};
        at += n;
    }
    return g;
}

static struct ebb__winograd_planes planes_of(const struct images *p, int64_t point, int64_t channel) {
    return (struct ebb__winograd_planes){
        .n = p->channels, .step = p->height * p->width, .width = p->width, .point = point, .channel = channel};
}

/* ---- taps ---- */

/* Nine taps to 16 points, G g G^T, `step` elements apart; in reverse order where `turned`. */
static void transform_taps(const float *w, bool turned, float *u, int64_t step) {
    float t[4][3];
    for (int j = 0; j < 3; j++) {
        const float a = w[turned ? 8 - j : j], b = w[turned ? 5 - j : 3 + j], c = w[turned ? 2 - j : 6 + j];
        t[0][j] = a;
        t[1][j] = 0.5f * (a + b + c);
        t[2][j] = 0.5f * (a - b + c);
        t[3][j] = c;
    }
    for (int i = 0; i < 4; i++, u += 4 * step) {
        u[0] = t[i][0];
        u[step] = 0.5f * (t[i][0] + t[i][1] + t[i][2]);
        u[2 * step] = 0.5f * (t[i][0] - t[i][1] + t[i][2]);
        u[3 * step] = t[i][2];
    }
}

/* The transpose, G^T u G. */
static void gather_taps(const float *u, int64_t step, float *w) {
    float t[3][4];
    for (int j = 0; j < 4; j++, u += step) {
        const float plus = 0.5f * (u[4 * step] + u[8 * step]), minus = 0.5f * (u[4 * step] - u[8 * step]);
        t[0][j] = u[0] + plus;
        t[1][j] = minus;
        t[2][j] = plus + u[12 * step];
    }
    for (int i = 0; i < 3; i++) {
        const float plus = 0.5f * (t[i][1] + t[i][2]), minus = 0.5f * (t[i][1] - t[i][2]);
        *w++ = t[i][0] + plus;
        *w++ = minus;
        *w++ = plus + t[i][3];
    }
}

/* All taps, in the order of channels that they have: of y, of x. */
struct taps {
    int64_t rows, columns; /* those channels */
    /* points: POINTS arrays of rows, `line_of` elements apart, `plane_of` from one to the next */
    float *w, *points;
    bool turned;
};

/* Lines and planes that lay a multiple of 4 kB apart would fall into one set of the first cache. */
static int64_t spread(int64_t n) { return ebb__round_up(n, 32) + 16; }
static int64_t line_of(const struct taps *t) { return spread(t->columns); }
static int64_t plane_of(const struct taps *t) { return spread(t->rows * line_of(t)); }
static size_t bytes_of(const struct taps *t) { return (size_t)(POINTS * plane_of(t)) * sizeof(float); }

static void transform_rows(void *context, int64_t first, int64_t last) {
    const struct taps *t = context;
    for (int64_t i = first; i < last; i++)
        for (int64_t j = 0; j < t->columns; j++)
            transform_taps(t->w + (i * t->columns + j) * 9, t->turned, t->points + i * line_of(t) + j, plane_of(t));
}

static void gather_rows(void *context, int64_t first, int64_t last) {
    const struct taps *t = context;
    for (int64_t i = first; i < last; i++)
        for (int64_t j = 0; j < t->columns; j++)
            gather_taps(t->points + i * line_of(t) + j, plane_of(t), t->w + (i * t->columns + j) * 9);
}

static void over_rows(struct taps *t, void (*body)(void *context, int64_t first, int64_t last)) {
    ebb__parallel_for(t->rows, ebb__divide_up(1 << 10, t->columns), body, t);
}

/* ---- results from images and taps: a block of tiles at a time, by one thread ---- */

struct correlation {
    struct images in, out;
    struct tiling tiling;
    struct taps taps; /* turned: its columns are the channels that are written */
    const float *x, *bias;
    float *y;
    int64_t block, panel; /* tiles of a block, and of a panel of values: two vectors */
    _Atomic bool failed;
    const void *thread; /* that made the call */
};

/* Values of one point lie in panels, as products read them. */
static int64_t point_of(const struct correlation *k, int64_t channels) { return spread(channels * k->block); }

/* The groups of a block. Those of x and y have their values at the same places but for the number of channels. */
static int block_groups(const struct correlation *k, const struct images *p, int64_t first, int64_t last,
                        struct ebb__winograd_group *ret_groups) {
    const int64_t lanes = ebb__isa.winograd.tiles;
    int n = 0;
    assert(last - first <= lanes * EBB__WINOGRAD_GROUPS);
    for (int64_t at = first; at < last; at += lanes, n++) {
        ret_groups[n] = locate(&k->tiling, p, at, ebb__least(at + lanes, last));
        ret_groups[n].values = (at - first) / k->panel * k->panel * p->channels + (at - first) % k->panel;
    }
    return n;
}

/* The 16 products of the block's n tiles. */
static void multiply(const struct correlation *k, int64_t n, const float *values, float *results) {
    const int64_t in = k->in.channels, out = k->out.channels, line = line_of(&k->taps);
    const bool turned = k->taps.turned;
    for (int p = 0; p < POINTS; p++)
        for (int64_t tile = 0; tile < n; tile += k->panel)
            ebb__isa.gemm[EBB_F32](out, n - tile > k->panel / 2 ? k->panel : k->panel / 2, in,
                                   k->taps.points + p * plane_of(&k->taps), turned ? 1 : line, turned ? line : 1,
                                   values + p * point_of(k, in) + tile * in, k->panel, 1, NULL,
                                   results + p * point_of(k, out) + tile * out, k->panel, NULL);
}

static void correlate_block(struct correlation *k, int64_t first, int64_t last, float *values, float *results) {
    const struct ebb__winograd_planes in = planes_of(&k->in, point_of(k, k->in.channels), k->panel);
    const struct ebb__winograd_planes out = planes_of(&k->out, point_of(k, k->out.channels), k->panel);
    struct ebb__winograd_group g[EBB__WINOGRAD_GROUPS];
    ebb__isa.winograd.input(block_groups(k, &k->in, first, last, g), g, &in, k->x, values);
    multiply(k, last - first, values, results);
    ebb__isa.winograd.output(block_groups(k, &k->out, first, last, g), g, &out, results, k->bias, k->y);
}

static void correlate_blocks(void *context, int64_t first, int64_t last) {
    struct correlation *k = context;
    const int64_t in = point_of(k, k->in.channels) * POINTS, out = point_of(k, k->out.channels) * POINTS;
    const size_t bytes = (size_t)(in + out) * sizeof(float);
    float *values = ebb__alloc(bytes);
    if (!values) {
        k->failed = true;
        if (k->thread != &ebb__thread) ebb_clear_error(); /* it is reported to the caller only */
        return;
    }
    for (; first < last; first++)
        correlate_block(k, first * k->block, ebb__least((first + 1) * k->block, k->tiling.n), values, values + in);
    ebb__free(values, bytes);
}

static ebb_status correlate(struct correlation *k) {
    const int64_t fit = BLOCK_FLOATS / (k->in.channels + k->out.channels);
    k->thread = &ebb__thread;
    k->panel = 2 * ebb__isa.winograd.tiles;
    k->block = ebb__round_up(ebb__least(ebb__most(fit, LEAST_TILES), ebb__least(TILES, k->tiling.n)), k->panel);
    if (!(k->taps.points = ebb__alloc(bytes_of(&k->taps)))) return EBB_ERR_MEMORY;
    over_rows(&k->taps, transform_rows);
    ebb__parallel_for(ebb__divide_up(k->tiling.n, k->block), 1, correlate_blocks, k);
    ebb__free(k->taps.points, bytes_of(&k->taps));
    return k->failed ? ebb_fail(EBB_ERR_MEMORY, "out of memory for a convolution") : EBB_OK;
}

/* ---- taps from images and results: some tiles at a time, by all threads ---- */

struct gradient {
    struct images in, out;
    struct tiling tiling;
    const float *x, *y;
    float *values, *results; /* of a chunk: [POINTS] of [channels][chunk] each */
    struct taps taps;
    int64_t chunk, at, n; /* tiles: of a chunk, before this one, in it */
};

static int64_t chunk_point(const struct gradient *k, int64_t channels) { return spread(channels * k->chunk); }

static void transform_groups(void *context, int64_t first, int64_t last) {
    const struct gradient *k = context;
    const struct ebb__winograd_planes in = planes_of(&k->in, chunk_point(k, k->in.channels), k->chunk);
    const struct ebb__winograd_planes out = planes_of(&k->out, chunk_point(k, k->out.channels), k->chunk);
    const int64_t lanes = ebb__isa.winograd.tiles;
    struct ebb__winograd_group x[EBB__WINOGRAD_GROUPS], y[EBB__WINOGRAD_GROUPS];
    int n = 0;
    assert(last - first <= EBB__WINOGRAD_GROUPS);
    for (int64_t i = first; i < last; i++, n++) {
        const int64_t from = k->at + i * lanes, to = k->at + ebb__least((i + 1) * lanes, k->n);
        x[n] = locate(&k->tiling, &k->in, from, to);
        y[n] = locate(&k->tiling, &k->out, from, to);
        x[n].values = y[n].values = i * lanes;
    }
    ebb__isa.winograd.input(n, x, &in, k->x, k->values);
    ebb__isa.winograd.gradient(n, y, &out, k->y, k->results);
}

static void accumulate_points(void *context, int64_t first, int64_t last) {
    const struct gradient *k = context;
    const int64_t in = k->in.channels, out = k->out.channels, parts = ebb__divide_up(out, ROWS);
    for (; first < last; first++) {
        const int64_t point = first / parts, row = first % parts * ROWS;
        float *sums = k->taps.points + point * plane_of(&k->taps) + row * line_of(&k->taps);
        ebb__isa.gemm[EBB_F32](
            ebb__least(ROWS, out - row), in, k->n, k->results + point * chunk_point(k, out) + row * k->chunk, k->chunk,
            1, k->values + point * chunk_point(k, in), 1, k->chunk,
            k->at > 0 ? &(ebb__gemm_begin){sums, 0, line_of(&k->taps), 1} : NULL, sums, line_of(&k->taps), NULL);
    }
}

static ebb_status differentiate(struct gradient *k) {
    const int64_t lanes = ebb__isa.winograd.tiles, out = k->out.channels;
    k->chunk = ebb__round_up(ebb__least(CHUNK_TILES, k->tiling.n), lanes);
    const int64_t values = POINTS * chunk_point(k, k->in.channels), results = POINTS * chunk_point(k, out);
    const size_t bytes = (size_t)(values + results) * sizeof(float) + bytes_of(&k->taps);
    if (!(k->values = ebb__alloc(bytes))) return EBB_ERR_MEMORY;
    k->results = k->values + values;
    k->taps.points = k->results + results;
    for (k->at = 0; k->at < k->tiling.n; k->at += k->chunk) {
        k->n = ebb__least(k->chunk, k->tiling.n - k->at);
        ebb__parallel_for(ebb__divide_up(k->n, lanes), GROUPS, transform_groups, k);
        ebb__parallel_for(POINTS * ebb__divide_up(out, ROWS), 1, accumulate_points, k);
    }
    over_rows(&k->taps, gather_rows);
    ebb__free(k->values, bytes);
    return EBB_OK;
}

/* ---- the entries ---- */

bool ebb__winograd_pays(const ebb__conv *c) {
    const int64_t in = c->in_channels / c->groups, out = c->out_channels / c->groups;
    bool fits = ebb__isa.winograd.tiles > 0 && c->dtype == EBB_F32 && in >= CHANNELS && out >= CHANNELS &&
                c->in[0] == 1 && c->kernel[0] == 1 && c->stride[0] == 1 && c->padding[0] == 0;
    for (int d = 1; d < 3; d++)
        fits = fits && c->kernel[d] == 3 && c->stride[d] == 1 && c->dilation[d] == 1 && c->padding[d] <= 2;
    return fits && c->batch * c->out_channels * in * 9 * ebb__volume(c->out) >= WORK;
}

/* Of group `group`: x and y with their channels, padded as tiles of y lie on x. */
static struct images images_of(const ebb__conv *c, bool x) {
    const int64_t *size = x ? c->in : c->out, channels = x ? c->in_channels : c->out_channels;
    return (struct images){.channels = channels / c->groups,
                           .height = size[1],
                           .width = size[2],
                           .apart = channels * size[1] * size[2],
                           .size = 2};
}

static struct tiling tiling_of(const ebb__conv *c, const struct images *out) {
    struct tiling t = {.rows = ebb__divide_up(out->height, 2), .columns = ebb__divide_up(out->width, 2)};
    t.n = c->batch * t.rows * t.columns;
    return t;
}

static struct taps taps_of(const ebb__conv *c, int64_t group, const void *w, bool turned) {
    struct taps t = {.rows = c->out_channels / c->groups, .columns = c->in_channels / c->groups, .turned = turned};
    t.w = (float *)(uintptr_t)w + group * t.rows * t.columns * 9;
    return t;
}

static ebb_status each_group(const ebb__conv *c, bool backward, const float *from, const float *w, const float *bias,
                             float *to) {
    struct images in = images_of(c, !backward), out = images_of(c, backward);
    ebb_status status = EBB_OK;
    in.size = 4;
    for (int d = 0; d < 2; d++) in.padding[d] = backward ? 2 - c->padding[d + 1] : c->padding[d + 1];
    for (int64_t g = 0; g < c->groups && !status; g++) {
        struct correlation k = {.in = in,
                                .out = out,
                                .tiling = tiling_of(c, &out),
                                .taps = taps_of(c, g, w, backward),
                                .x = from + g * in.channels * in.height * in.width,
                                .bias = bias ? bias + g * out.channels : NULL,
                                .y = to + g * out.channels * out.height * out.width};
        status = correlate(&k);
    }
    return status;
}

ebb_status ebb__winograd_forward(const ebb__conv *c, const void *x, const void *w, const void *bias, void *y) {
    return each_group(c, false, x, w, bias, y);
}

ebb_status ebb__winograd_input(const ebb__conv *c, const void *y, const void *w, const void *bias, void *x) {
    return each_group(c, true, y, w, bias, x);
}

ebb_status ebb__winograd_weight(const ebb__conv *c, const void *y, const void *x, void *w) {
    struct images in = images_of(c, true), out = images_of(c, false);
    ebb_status status = EBB_OK;
    in.size = 4;
    for (int d = 0; d < 2; d++) in.padding[d] = c->padding[d + 1];
    for (int64_t g = 0; g < c->groups && !status; g++) {
        struct gradient k = {.in = in,
                             .out = out,
                             .tiling = tiling_of(c, &out),
                             .taps = taps_of(c, g, w, false),
                             .x = (const float *)x + g * in.channels * in.height * in.width,
                             .y = (const float *)y + g * out.channels * out.height * out.width};
        status = differentiate(&k);
    }
    return status;
}
