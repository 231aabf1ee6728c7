/* Convolutions as matrix products: an image is unfolded into columns, a part at a time, and multiplied with the
 * weights. Work is cut into tiles by shape only, each with columns of its own, and each element is written by one
 * tile. */
#include "base/base.h"
#include "kernel/conv_dnnl.h"
#include "kernel/isa.h"
#include "kernel/unfold.h"

#include <string.h>

enum {
    SLOTS = 16,              /* parts that threads share out; each has a buffer for columns */
    BUFFER_BYTES = 1 << 18,  /* of columns, to stay in the second cache, */
    MIN_COLUMNS = 96,        /* but no fewer than these, for the products to be worth it */
    MIN_ROWS = 64,           /* of columns in a tile */
    PARTIAL_BYTES = 1 << 24, /* of sums of weights, one for each part of the batch */
    HALVES = 16,             /* channels from which bfloat16 is worth columns of its own */
    PARALLEL_WORK = 1 << 18  /* multiplications that make a call worth several threads */
};

struct job {
    const ebb__conv *c;
    const char *x, *w, *y, *bias; /* those that are read */
    char *to;
    int64_t size;          /* of an element */
    int64_t in, out, taps; /* volumes */
    int64_t in_group, out_group, rows;
    bool plain;                           /* the image is its own columns */
    int64_t columns, n_blocks;            /* outputs unfolded at a time, and how many times that is */
    int64_t channels, n_channels, splits; /* of a group in a tile, tiles of a group, parts of the batch */
    int64_t tiles;
    char *buffer;
    size_t buffer_bytes; /* of one slot */
    _Atomic bool failed;
    const void *thread; /* that made the call */
};

static bool is_plain(const ebb__conv *c) {
    for (int d = 0; d < 3; d++)
        if (c->kernel[d] != 1 || c->stride[d] != 1 || c->padding[d] != 0) return false;
    return true;
}

static struct job job_of(const ebb__conv *c) {
    struct job j = {.c = c, .size = (int64_t)ebb_dtype_size(c->dtype), .splits = 1, .thread = &ebb__thread};
    j.in = ebb__volume(c->in);
    j.out = ebb__volume(c->out);
    j.taps = ebb__volume(c->kernel);
    j.in_group = c->in_channels / c->groups;
    j.out_group = c->out_channels / c->groups;
    j.rows = j.in_group * j.taps;
    j.plain = is_plain(c);
    return j;
}

/* How many outputs are unfolded at a time, `rows` of each. */
static void cut_columns(struct job *j, int64_t rows) {
    j->columns = ebb__most(j->out, 1);
    if (!j->plain && j->out > 0) {
        int64_t fit = BUFFER_BYTES / (ebb__most(rows, 1) * j->size) / 16 * 16;
        j->columns = ebb__least(j->out, ebb__most(fit, MIN_COLUMNS));
        j->columns = ebb__divide_up(j->out, ebb__divide_up(j->out, j->columns)); /* parts of one size */
        j->buffer_bytes = (size_t)(ebb__round_up(j->columns * rows * j->size, 64));
    }
    j->n_blocks = ebb__divide_up(j->out, j->columns);
}

/* How many channels of a group one tile has, so that there are tiles enough besides the `others`. */
static void cut_channels(struct job *j, int64_t others) {
    const int64_t fewest = ebb__least(j->in_group, ebb__divide_up(MIN_ROWS, j->taps));
    j->channels = ebb__most(fewest, ebb__divide_up(j->in_group, ebb__divide_up(SLOTS, others)));
    j->n_channels = ebb__divide_up(j->in_group, j->channels);
}

/* ---- running tiles: slot s takes the tiles s, s + SLOTS, … ---- */

struct slots {
    struct job *job;
    ebb_status (*tile)(struct job *j, int64_t tile, char *columns);
};

static void run_slots(void *context, int64_t first, int64_t last) {
    const struct slots *s = context;
    struct job *j = s->job;
    for (; first < last; first++)
        for (int64_t tile = first; tile < j->tiles && !j->failed; tile += SLOTS)
            if (s->tile(j, tile, j->buffer + (size_t)first * j->buffer_bytes)) {
                j->failed = true;
                if (j->thread != &ebb__thread) ebb_clear_error(); /* it is reported to the caller only */
            }
}

/* With few tiles the products inside them are what threads share. */
static ebb_status run(struct job *j, ebb_status (*tile)(struct job *j, int64_t tile, char *columns)) {
    const int64_t slots = ebb__least(j->tiles, SLOTS), work = j->tiles * j->columns * j->rows * j->out_group;
    const bool parallel = slots >= SLOTS / 4 && work >= PARALLEL_WORK;
    const size_t bytes = j->buffer_bytes * (size_t)(parallel ? slots : 1);
    ebb_status status = EBB_OK;
    if (bytes && !(j->buffer = ebb__alloc(bytes))) return EBB_ERR_MEMORY;
    if (parallel) {
        struct slots s = {j, tile};
        ebb__parallel_for(slots, 1, run_slots, &s);
        if (j->failed) status = ebb_fail(EBB_ERR_MEMORY, "out of memory for a product");
    } else {
        for (int64_t i = 0; i < j->tiles && !status; i++) status = tile(j, i, j->buffer);
    }
    ebb__free(j->buffer, bytes);
    return status;
}

/* Rows of n elements, `stride` apart, each at the bias of its channel, or 0. */
static void fill(const struct job *j, char *to, int64_t rows, int64_t n, int64_t stride, int64_t channel) {
    if (j->bias) {
        ebb__copy(2, (int64_t[]){rows, n}, j->c->dtype, to, (int64_t[]){stride * j->size, j->size}, j->c->dtype,
                  j->bias + channel * j->size, (int64_t[]){j->size, 0});
        return;
    }
    for (int64_t i = 0; i < rows; i++, to += stride * j->size) memset(to, 0, (size_t)(n * j->size));
}

/* ---- 16-bit dtypes ----
 * Sums of an element that is written once may be bfloat16's own products; all else is computed in float32, of copies,
 * and rounded once. */

static bool is_half(const ebb__conv *c) { return c->dtype == EBB_F16 || c->dtype == EBB_BF16; }

static bool by_halves(const ebb__conv *c, enum ebb__dnnl_result result) {
    ebb__conv single = *c;
    single.dtype = EBB_F32;
    return c->dtype == EBB_BF16 && ebb__isa.gemm[EBB_BF16] &&
           (result == EBB__DNNL_Y || (result == EBB__DNNL_X && is_plain(c))) && c->in_channels / c->groups >= HALVES &&
           !ebb__winograd_pays(&single);
}

/* A copy as float32 of n elements, or room for them. */
static float *widened(ebb_dtype dtype, int64_t n, const void *from) {
    float *to = ebb__alloc((size_t)n * sizeof *to);
    if (to && from) ebb__copy(1, &n, EBB_F32, to, (int64_t[]){4}, dtype, from, (int64_t[]){2});
    return to;
}

static ebb_status through_f32(const ebb__conv *given, enum ebb__dnnl_result result, const void *x, const void *w,
                              const void *y, const void *bias, void *to) {
    ebb__conv c = *given;
    const int64_t n[] = {[EBB__DNNL_X] = c.batch * c.in_channels * ebb__volume(c.in),
                         [EBB__DNNL_W] = c.out_channels * (c.in_channels / c.groups) * ebb__volume(c.kernel),
                         [EBB__DNNL_Y] = c.batch * c.out_channels * ebb__volume(c.out)};
    const int64_t n_bias = bias ? result == EBB__DNNL_X ? c.in_channels : c.out_channels : 0;
    const void *from[] = {[EBB__DNNL_X] = x, [EBB__DNNL_W] = w, [EBB__DNNL_Y] = y};
    float *wide[3] = {NULL}, *wide_bias = NULL;
    ebb_status status = EBB_OK;
    c.dtype = EBB_F32;
    for (int i = 0; i < 3 && !status; i++)
        if (!(wide[i] = widened(given->dtype, n[i], from[i]))) status = EBB_ERR_MEMORY;
    if (bias && !status && !(wide_bias = widened(given->dtype, n_bias, bias))) status = EBB_ERR_MEMORY;
    if (!status)
        status = result == EBB__DNNL_X
                     ? ebb__conv_input(&c, wide[EBB__DNNL_Y], wide[EBB__DNNL_W], wide_bias, wide[EBB__DNNL_X])
                 : result == EBB__DNNL_W
                     ? ebb__conv_weight(&c, wide[EBB__DNNL_Y], wide[EBB__DNNL_X], wide[EBB__DNNL_W])
                     : ebb__conv_forward(&c, wide[EBB__DNNL_X], wide[EBB__DNNL_W], wide_bias, wide[EBB__DNNL_Y]);
    if (!status) ebb__copy(1, &n[result], given->dtype, to, (int64_t[]){2}, EBB_F32, wide[result], (int64_t[]){4});
    for (int i = 0; i < 3; i++) ebb__free(wide[i], (size_t)n[i] * sizeof(float));
    ebb__free(wide_bias, (size_t)n_bias * sizeof(float));
    return status;
}

/* ---- y ---- */

static ebb_status forward_tile(struct job *j, int64_t tile, char *columns) {
    const int64_t block = tile % j->n_blocks, group = tile / j->n_blocks % j->c->groups;
    const int64_t image = tile / j->n_blocks / j->c->groups, first = block * j->columns;
    const int64_t n = ebb__least(j->columns, j->out - first), k = j->rows;
    const char *x = j->x + (image * j->c->in_channels + group * j->in_group) * j->in * j->size;
    char *y = j->to + ((image * j->c->out_channels + group * j->out_group) * j->out + first) * j->size;
    const char *b = j->plain ? x + first * j->size : columns;
    if (j->bias || k == 0) fill(j, y, j->out_group, n, j->out, group * j->out_group);
    if (k == 0) return EBB_OK;
    if (!j->plain) ebb__unfold_rows(j->c, x, 0, k, first, first + n, columns);
    return ebb__gemm(j->c->dtype, j->out_group, n, k, j->w + group * j->out_group * k * j->size, k, 1, b,
                     j->plain ? j->in : n, 1, j->bias != NULL, y, j->out);
}

static bool is_depthwise(const ebb__conv *c) {
    return c->in_channels == c->groups && c->groups > 1 && ebb_dtype_is_floating(c->dtype);
}

ebb_status ebb__conv_forward(const ebb__conv *c, const void *x, const void *w, const void *bias, void *y) {
    struct job j = job_of(c);
    if (c->batch * c->out_channels * j.out == 0) return EBB_OK;
    if (is_half(c) && !by_halves(c, EBB__DNNL_Y)) return through_f32(c, EBB__DNNL_Y, x, w, NULL, bias, y);
    if (ebb__winograd_pays(c)) return ebb__winograd_forward(c, x, w, bias, y);
    if (ebb__direct_pays(c)) return ebb__direct_forward(c, x, w, bias, y);
    bool done;
    ebb_status status = ebb__conv_by_dnnl(c, EBB__DNNL_Y, x, w, y, bias, &done);
    if (status || done) return status;
    if (is_depthwise(c)) {
        ebb__depthwise_forward(c, x, w, bias, y);
        return EBB_OK;
    }
    j.x = x;
    j.w = w;
    j.bias = bias;
    j.to = y;
    cut_columns(&j, j.rows);
    j.tiles = c->batch * c->groups * j.n_blocks;
    return run(&j, forward_tile);
}

/* ---- x ---- */

static ebb_status input_tile(struct job *j, int64_t tile, char *columns) {
    const ebb__conv *c = j->c;
    const int64_t part = tile % j->n_channels, group = tile / j->n_channels % c->groups;
    const int64_t image = tile / j->n_channels / c->groups, channel = part * j->channels;
    const int64_t row = channel * j->taps, m = ebb__least(j->channels, j->in_group - channel) * j->taps;
    const char *w = j->w + (group * j->out_group * j->rows + row) * j->size;
    const char *y = j->y + (image * c->out_channels + group * j->out_group) * j->out * j->size;
    char *x = j->to + (image * c->in_channels + group * j->in_group) * j->in * j->size;
    ebb_status status = EBB_OK;
    const bool empty = j->out_group * j->out == 0;
    if (j->bias || !j->plain || empty)
        fill(j, x + channel * j->in * j->size, m / j->taps, j->in, j->in, group * j->in_group + channel);
    if (empty) return EBB_OK;
    if (j->plain)
        return ebb__gemm(c->dtype, m, j->out, j->out_group, w, 1, j->rows, y, j->out, 1, j->bias != NULL,
                         x + row * j->in * j->size, j->in);
    for (int64_t first = 0; first < j->out && !status; first += j->columns) {
        const int64_t n = ebb__least(j->columns, j->out - first);
        status = ebb__gemm(c->dtype, m, n, j->out_group, w, 1, j->rows, y + first * j->size, j->out, 1, 0, columns, n);
        if (!status) ebb__fold_rows(c, columns, row, m, first, first + n, x);
    }
    return status;
}

ebb_status ebb__conv_input(const ebb__conv *c, const void *y, const void *w, const void *bias, void *x) {
    struct job j = job_of(c);
    if (c->batch * c->in_channels * j.in == 0) return EBB_OK;
    if (is_half(c) && !by_halves(c, EBB__DNNL_X)) return through_f32(c, EBB__DNNL_X, NULL, w, y, bias, x);
    if (ebb__winograd_pays(c)) return ebb__winograd_input(c, y, w, bias, x);
    bool done;
    ebb_status status = ebb__conv_by_dnnl(c, EBB__DNNL_X, x, w, y, bias, &done);
    if (status || done) return status;
    if (is_depthwise(c)) {
        ebb__depthwise_input(c, y, w, bias, x);
        return EBB_OK;
    }
    j.y = y;
    j.w = w;
    j.bias = bias;
    j.to = x;
    cut_channels(&j, c->batch * c->groups);
    cut_columns(&j, j.channels * j.taps);
    j.tiles = c->batch * c->groups * j.n_channels;
    return run(&j, input_tile);
}

/* ---- w ---- */

static ebb_status weight_tile(struct job *j, int64_t tile, char *columns) {
    const ebb__conv *c = j->c;
    const int64_t part = tile % j->n_channels, group = tile / j->n_channels % c->groups;
    const int64_t split = tile / j->n_channels / c->groups, channel = part * j->channels;
    const int64_t row = channel * j->taps, rows = ebb__least(j->channels, j->in_group - channel) * j->taps;
    char *w = j->to + ((split * c->out_channels + group * j->out_group) * j->rows + row) * j->size;
    ebb_status status = EBB_OK;
    for (int64_t image = split * c->batch / j->splits; image < (split + 1) * c->batch / j->splits; image++) {
        const char *x = j->x + (image * c->in_channels + group * j->in_group) * j->in * j->size;
        const char *y = j->y + (image * c->out_channels + group * j->out_group) * j->out * j->size;
        for (int64_t first = 0; first < j->out && !status; first += j->columns) {
            const int64_t k = ebb__least(j->columns, j->out - first);
            const char *b = j->plain ? x + (row * j->in + first) * j->size : columns;
            if (!j->plain) ebb__unfold_rows(c, x, row, rows, first, first + k, columns);
            status = ebb__gemm(c->dtype, j->out_group, rows, k, y + first * j->size, j->out, 1, b, 1,
                               j->plain ? j->in : k, 1, w, j->rows);
        }
    }
    return status;
}

/* The sums of the parts of the batch, in their order. */
struct partial {
    ebb_dtype dtype;
    int64_t n, splits;
    char *from, *to;
};

static void add_partial(void *context, int64_t first, int64_t last) {
    const struct partial *p = context;
    const int64_t size = (int64_t)ebb_dtype_size(p->dtype), stride[] = {size, size, size};
    char *to = p->to + first * size;
    memcpy(to, p->from + first * size, (size_t)((last - first) * size));
    for (int64_t i = 1; i < p->splits; i++)
        ebb__loops_add[p->dtype](last - first, (char *const[]){to, to, p->from + (i * p->n + first) * size}, stride,
                                 NULL);
}

ebb_status ebb__conv_weight(const ebb__conv *c, const void *y, const void *x, void *w) {
    struct job j = job_of(c);
    const int64_t n = c->out_channels * j.rows;
    if (n == 0) return EBB_OK;
    if (is_half(c)) return through_f32(c, EBB__DNNL_W, x, NULL, y, NULL, w);
    if (ebb__winograd_pays(c)) return ebb__winograd_weight(c, y, x, w);
    if (ebb__direct_pays(c)) return ebb__direct_weight(c, y, x, w);
    bool done;
    ebb_status status = ebb__conv_by_dnnl(c, EBB__DNNL_W, x, w, y, NULL, &done);
    if (status || done) return status;
    if (is_depthwise(c)) {
        ebb__depthwise_weight(c, y, x, w);
        return EBB_OK;
    }
    j.x = x;
    j.y = y;
    j.to = w;
    cut_channels(&j, c->groups);
    cut_columns(&j, j.channels * j.taps);
    j.splits = ebb__most(1, ebb__least(ebb__divide_up(SLOTS, j.n_channels * c->groups),
                                       ebb__least(c->batch, PARTIAL_BYTES / (n * j.size))));
    j.tiles = j.splits * c->groups * j.n_channels;
    const size_t bytes = (size_t)(j.splits * n * j.size);
    char *partial = j.splits > 1 ? ebb__alloc(bytes) : NULL;
    if (j.splits > 1 && !partial) return EBB_ERR_MEMORY;
    if (partial) j.to = partial;
    memset(j.to, 0, bytes);
    status = j.out == 0 ? EBB_OK : run(&j, weight_tile);
    if (partial && !status) {
        struct partial p = {c->dtype, n, j.splits, partial, w};
        ebb__parallel_for(n, 1 << 14, add_partial, &p);
    }
    ebb__free(partial, bytes);
    return status;
}
