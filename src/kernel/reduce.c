/* Sums and their like, variances and extremes over any dimensions of a strided array.
 *
 * The reduced space of an output is cut into leaves: runs of up to RUN elements where a reduced dimension has the
 * smallest stride, groups of EBB__LEAF_ROWS rows where a kept dimension has it (then the outputs of a tile, which are
 * neighbours, are made side by side). Leaves are merged sixteen by sixteen, level by level, so rounding errors grow
 * with the logarithm of their number. Where few outputs are made from much, the leaves of one output are cut into
 * parts, by shape only, and the parts merged in pairs. */
#include "base/base.h"
#include "kernel/isa.h"
#include "kernel/walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUN = 4096,
    SOME = 512, /* elements of a run that are mapped at a time; no fewer than LANES */
    LANES =
        128, /* outputs of a tile, at most, or as many as fit in TILE_BYTES and, with all levels, in CASCADE_BYTES */
    LEVELS = 12,
    TILE_BYTES = 3 << 12,
    CASCADE_BYTES = LEVELS * LANES * EBB__REDUCED_MAX,
    GRAIN = 1 << 15,
    MAX_PARTS = 32
};

struct reduction {
    ebb__reducer fn;
    ebb__walk kept, reduced; /* kept: 0 source, 1 result, 2 index; reduced: 0 source. Without the dimension inside */
    bool by_rows;            /* a kept dimension is innermost */
    int64_t inner, inner_src, inner_dst, inner_index;   /* the innermost dimension */
    int64_t tiles, lanes, leaves, parts, reduced_count; /* lanes: outputs of a tile */
    size_t src_size, size;                              /* of an element, and of a result */
    ebb__loop map; /* NULL, or what elements become first, through a buffer: mapped_size bytes each */
    size_t mapped_size;
    const char *src;
    char *dst, *partial;
    int64_t *index;
    ebb_dtype dtype; /* of the source */
    bool max;
    const struct spread *spread; /* of moments: what is made of them */
    bool log;                    /* of largest elements and sums of exponentials: to their logarithms */
};

struct spread {
    double correction;
    bool root;
    char *mean; /* laid out as dst, or NULL */
};

/* Whether rows go through a buffer. */
static bool apart(const struct reduction *r) { return r->map || r->inner_src != (int64_t)r->src_size; }

/* ---- one output, or those of a tile ---- */

typedef struct cascade {
    int n[LEVELS];
    int64_t lanes, step; /* step: bytes from one level to the next */
    _Alignas(64) char levels[CASCADE_BYTES];
} cascade;

static char *level(cascade *c, int l) { return c->levels + l * c->step; }

static void cascade_add(const struct reduction *r, cascade *c, const void *x) {
    for (int l = 0; l < LEVELS; l++) {
        if (c->n[l] == 0) {
            memcpy(level(c, l), x, (size_t)c->lanes * r->size);
        } else {
            r->fn.merge(c->lanes, level(c, l), x);
        }
        if (++c->n[l] < 16) return;
        c->n[l] = 0;
        x = level(c, l);
    }
}

static void cascade_end(const struct reduction *r, cascade *c, void *ret) {
    const char *x = NULL;
    for (int l = 0; l < LEVELS; l++) {
        if (c->n[l] == 0) continue;
        if (x) r->fn.merge(c->lanes, level(c, l), x);
        x = level(c, l);
    }
    memcpy(ret, x, (size_t)c->lanes * r->size);
}

/* Elements that lie apart are brought together, and mapped. */
static void bring(const struct reduction *r, int64_t n, const char *src, int64_t stride, char *to) {
    if (r->map) r->map(n, (char *[]){to, (char *)(uintptr_t)src}, (int64_t[]){(int64_t)r->mapped_size, stride}, NULL);
    else ebb__gather(n, (int)r->src_size, to, src, stride);
}

static void reduce_run(const struct reduction *r, int64_t n, const char *src, int64_t stride, char *ret) {
    if (!r->map) {
        r->fn.run(n, src, stride, ret);
        return;
    }
    _Alignas(64) char buffer[SOME * sizeof(double)], part[EBB__REDUCED_MAX];
    for (int64_t i = 0; i < n; i += SOME) {
        const int64_t m = n - i < SOME ? n - i : SOME;
        bring(r, m, src + i * stride, stride, buffer);
        r->fn.run(m, buffer, (int64_t)r->mapped_size, i ? part : ret);
        if (i) r->fn.merge(1, ret, part);
    }
}

/* n rows from `at` on; those whose elements lie apart are brought together in the buffer. */
static void read_rows(const struct reduction *r, const char *src, ebb__cursor *at, int n, int64_t lanes, char *buffer,
                      const char **ret_rows) {
    for (int i = 0; i < n; i++, ebb__walk_next(&r->reduced, at)) {
        ret_rows[i] = src + at->offset[0];
        if (!apart(r)) continue;
        char *row = buffer + i * LANES * (int)r->mapped_size;
        bring(r, lanes, ret_rows[i], r->inner_src, row);
        ret_rows[i] = row;
    }
}

static void reduce_leaves(const struct reduction *r, const char *src, int64_t lanes, int64_t first, int64_t last,
                          void *ret) {
    const int64_t pieces = r->by_rows ? 1 : (r->inner + RUN - 1) / RUN;
    ebb__cursor at = ebb__walk_at(&r->reduced, r->by_rows ? first * EBB__LEAF_ROWS : first / pieces);
    int64_t piece = first % pieces;
    _Alignas(64) char leaf[TILE_BYTES], buffer[EBB__LEAF_ROWS * LANES * sizeof(double)];
    cascade c;
    const bool alone = last - first == 1;
    if (!alone) memset(c.n, 0, sizeof c.n), c.lanes = lanes, c.step = ebb__round_up(lanes * (int64_t)r->size, 64);
    for (; first < last; first++) {
        void *x = alone ? ret : leaf;
        if (r->by_rows) {
            const char *rows[EBB__LEAF_ROWS];
            const int64_t left = r->reduced_count - first * EBB__LEAF_ROWS;
            const int n = left < EBB__LEAF_ROWS ? (int)left : EBB__LEAF_ROWS;
            read_rows(r, src, &at, n, lanes, buffer, rows);
            r->fn.rows(n, rows, lanes, x);
        } else {
            const int64_t start = piece * RUN, n = r->inner - start < RUN ? r->inner - start : RUN;
            reduce_run(r, n, src + at.offset[0] + start * r->inner_src, r->inner_src, x);
            if (++piece == pieces) piece = 0, ebb__walk_next(&r->reduced, &at);
        }
        if (!alone) cascade_add(r, &c, x);
    }
    if (!alone) cascade_end(r, &c, ret);
}

static void put(char *p, ebb_dtype dtype, double x) {
    if (dtype == EBB_F32) *(float *)p = (float)x;
    else *(double *)p = x;
}

static void store_spread(const struct reduction *r, int64_t to, int64_t lanes, const double *moments) {
    const struct spread *s = r->spread;
    for (int64_t j = 0; j < lanes; j++, to += r->inner_dst) {
        const double free = moments[j] - s->correction, x = moments[2 * lanes + j] / (free > 0 ? free : 0);
        put(r->dst + to, r->dtype, s->root ? sqrt(x) : x);
        if (s->mean) put(s->mean + to, r->dtype, moments[lanes + j]);
    }
}

/* x: as many largest elements, and sums of exponentials behind them, which become their logarithms. */
static void take_logarithms(const struct reduction *r, int64_t lanes, char *x) {
    const int64_t size = (int64_t)r->src_size, step[] = {size, size, size};
    char *sum = x + lanes * size;
    ebb__loops_log[r->dtype](lanes, (char *[]){sum, sum}, step, NULL);
    ebb__loops_add[r->dtype](lanes, (char *[]){x, x, sum}, step, NULL);
}

/* `to` is the place in dst. */
static void store(const struct reduction *r, int64_t to, int64_t lanes, void *x) {
    if (r->spread) {
        store_spread(r, to, lanes, x);
        return;
    }
    if (r->log) take_logarithms(r, lanes, x);
    const size_t size = r->log ? r->src_size : r->size;
    if (lanes == 1 || r->inner_dst == (int64_t)size) {
        memcpy(r->dst + to, x, (size_t)lanes * size);
    } else {
        for (int64_t j = 0; j < lanes; j++)
            memcpy(r->dst + to + j * r->inner_dst, (const char *)x + (size_t)j * size, size);
    }
}

/* Work is numbered (kept position, tile, part). */
static void reduce_body(void *context, int64_t first, int64_t last) {
    const struct reduction *r = context;
    if (r->leaves == 1 && !r->by_rows && !r->spread && !r->log) { /* short runs: nothing to merge */
        ebb__cursor at = ebb__walk_at(&r->kept, first);
        for (; first < last; first++, ebb__walk_next(&r->kept, &at))
            reduce_run(r, r->inner, r->src + at.offset[0], r->inner_src, r->dst + at.offset[1]);
        return;
    }
    for (; first < last; first++) {
        const int64_t part = first % r->parts, unit = first / r->parts, tile = unit % r->tiles;
        const ebb__cursor at = ebb__walk_at(&r->kept, unit / r->tiles);
        const int64_t lane = tile * r->lanes, left = r->inner - lane,
                      lanes = r->by_rows && left < r->lanes ? left : r->lanes;
        const int64_t from = part * r->leaves / r->parts, to = (part + 1) * r->leaves / r->parts;
        _Alignas(64) char out[TILE_BYTES];
        char *ret = r->parts > 1 ? r->partial + (size_t)(first * r->lanes) * r->size : out;
        reduce_leaves(r, r->src + at.offset[0] + (r->by_rows ? lane * r->inner_src : 0), lanes, from, to, ret);
        if (r->parts == 1) store(r, at.offset[1] + (r->by_rows ? lane * r->inner_dst : 0), lanes, ret);
    }
}

static void merge_parts(const struct reduction *r, int64_t units) {
    for (int64_t unit = 0; unit < units; unit++) {
        const ebb__cursor at = ebb__walk_at(&r->kept, unit / r->tiles);
        const int64_t lane = unit % r->tiles * r->lanes, left = r->inner - lane;
        const int64_t lanes = r->by_rows && left < r->lanes ? left : r->lanes;
        const size_t bytes = (size_t)r->lanes * r->size;
        char *part = r->partial + (size_t)(unit * r->parts) * bytes;
        for (int64_t step = 1; step < r->parts; step *= 2)
            for (int64_t i = 0; i + step < r->parts; i += 2 * step)
                r->fn.merge(lanes, part + (size_t)i * bytes, part + (size_t)(i + step) * bytes);
        store(r, at.offset[1] + (r->by_rows ? lane * r->inner_dst : 0), lanes, part);
    }
}

/* ---- the plan ---- */

static void take_inner(struct reduction *r, ebb__walk *walk) {
    if (walk->n == 0) {
        r->inner = 1;
        r->inner_src = (int64_t)r->src_size;
        return;
    }
    const int d = --walk->n;
    r->inner = walk->size[d];
    r->inner_src = walk->stride[d][0];
    r->inner_dst = walk->stride[d][1];
    r->inner_index = walk->stride[d][2];
}

/* Whether elements nearest to each other are along the innermost kept dimension, and are enough to be handled side by
 * side. */
static bool rows_pay(const ebb__walk *kept, const ebb__walk *reduced) {
    const int k = kept->n - 1, c = reduced->n - 1;
    const int64_t step = llabs(kept->stride[k][0]);
    return step > 0 && step < llabs(reduced->stride[c][0]) && (kept->size[k] >= 8 || reduced->size[c] < 64);
}

/* Levels of a cascade of so many leaves. */
static int64_t levels_of(int64_t leaves) {
    int64_t levels = 1;
    for (; leaves >= 16; leaves /= 16) levels++;
    return levels;
}

/* As few tiles as hold the innermost dimension, of about the same size, in whole vectors: memory is read best in long
 * runs. */
static void cut_tiles(struct reduction *r) {
    const int64_t bytes = ebb__least(TILE_BYTES, CASCADE_BYTES / levels_of(r->leaves)) / 64 * 64;
    const int64_t most = apart(r) || r->index ? LANES : bytes / (int64_t)r->size / 16 * 16;
    r->tiles = (r->inner + most - 1) / most;
    r->lanes = ((r->inner + r->tiles - 1) / r->tiles + 15) / 16 * 16;
}

/* Kept and reduced dimensions apart; `ordered` keeps the reduced ones in row-major order. */
static void plan(struct reduction *r, int ndim, const int64_t *shape, const int64_t *src_stride,
                 const int64_t *dst_stride, const int64_t *index_stride, bool ordered) {
    const int64_t *mark = dst_stride ? dst_stride : index_stride;
    if (!r->map) r->mapped_size = r->src_size;
    for (int d = 0; d < ndim; d++)
        ebb__walk_push(mark[d] ? &r->kept : &r->reduced, shape[d], src_stride[d], dst_stride ? dst_stride[d] : 0,
                       index_stride && mark[d] ? index_stride[d] : 0);
    ebb__walk_sort(&r->kept, 0);
    if (!ordered) ebb__walk_sort(&r->reduced, 0);
    ebb__walk_merge(&r->kept);
    ebb__walk_merge(&r->reduced);
    const ebb__walk *k = &r->kept, *c = &r->reduced;
    r->by_rows = k->n > 0 && (c->n == 0 || rows_pay(k, c));
    take_inner(r, r->by_rows ? &r->kept : &r->reduced);
    r->reduced_count = ebb__walk_count(&r->reduced);
    r->leaves = r->by_rows ? (r->reduced_count + EBB__LEAF_ROWS - 1) / EBB__LEAF_ROWS
                           : r->reduced_count * ((r->inner + RUN - 1) / RUN);
    r->tiles = r->lanes = 1;
    if (r->by_rows) cut_tiles(r);
}

static ebb_status run(struct reduction *r) {
    const int64_t units = ebb__walk_count(&r->kept) * r->tiles;
    const int64_t total = ebb__walk_count(&r->kept) * r->inner * r->reduced_count;
    r->parts = 1;
    if (units <= MAX_PARTS / 2 && total > 2 * GRAIN) {
        /* no more than keep many threads busy: each part is written, and merged once more */
        const int64_t wanted = ebb__least(total / (3 * GRAIN) + 2, MAX_PARTS / units);
        r->parts = wanted < r->leaves ? wanted : r->leaves;
    }
    const size_t bytes = (size_t)(units * r->parts * r->lanes) * r->size;
    if (r->parts > 1 && !(r->partial = ebb__alloc(bytes))) return EBB_ERR_MEMORY;
    ebb__parallel_for(units * r->parts, GRAIN / (total / (units * r->parts) + 1) + 1, reduce_body, r);
    if (r->parts > 1) {
        merge_parts(r, units);
        ebb__free(r->partial, bytes);
    }
    return EBB_OK;
}

static int64_t product(int ndim, const int64_t *shape, const int64_t *mark, bool kept) {
    int64_t count = 1;
    for (int d = 0; d < ndim; d++)
        if ((mark[d] != 0) == kept || shape[d] == 1) count *= shape[d];
    return count;
}

/* The same value everywhere: what comes of nothing. */
static void fill(int ndim, const int64_t *shape, ebb_dtype dtype, void *dst, const int64_t *dst_stride,
                 const void *value) {
    const int64_t none[EBB_MAX_NDIM] = {0};
    int64_t size[EBB_MAX_NDIM];
    for (int d = 0; d < ndim; d++) size[d] = dst_stride[d] ? shape[d] : 1;
    ebb__copy(ndim, size, dtype, dst, dst_stride, dtype, value, none);
}

#define DEFINE_NAN_TO_0(S, T) \
    static void nan_to_0_##S(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        T *y = (T *)(void *)p[0], buffer[SOME]; \
        const bool flat = stride[1] == (int64_t)sizeof(T); \
        const T *x = flat ? (const T *)(const void *)p[1] : buffer; \
        (void)param; \
        if (!flat) ebb__gather(n, sizeof(T), buffer, p[1], stride[1]); \
        for (int64_t i = 0; i < n; i++) y[i] = x[i] == x[i] ? x[i] : 0; \
    }
DEFINE_NAN_TO_0(f32, float)
DEFINE_NAN_TO_0(f64, double)

static const ebb__loop_table nan_to_0 = {[EBB_F32] = nan_to_0_f32, [EBB_F64] = nan_to_0_f64};

/* Of so many folds and dtypes few have code of their own: elements are mapped to what one of those takes. */
static void choose_fold(struct reduction *r, ebb__fold what, ebb_dtype in) {
    const struct {
        const ebb__reducer *reducers;
        const ebb__loop *map; /* of floating dtypes */
    } of_floats[EBB__FOLDS] = {
        [EBB__FOLD_SUM] = {ebb__isa.fold[EBB__FOLD_SUM], NULL},
        [EBB__FOLD_PROD] = {ebb__isa.fold[EBB__FOLD_PROD], NULL},
        [EBB__FOLD_SQUARES] = {ebb__isa.fold[EBB__FOLD_SQUARES], NULL},
        [EBB__FOLD_COUNT] = {ebb__isa.fold[EBB__FOLD_SUM], NULL},
        [EBB__FOLD_NANSUM] = {ebb__isa.fold[EBB__FOLD_SUM], nan_to_0},
        [EBB__FOLD_ABS] = {ebb__isa.fold[EBB__FOLD_SUM], ebb__loops_abs},
        [EBB__FOLD_MAX_ABS] = {ebb__isa.max, ebb__loops_abs},
        [EBB__FOLD_MIN_ABS] = {ebb__isa.min, ebb__loops_abs},
    };
    const bool whole = !ebb_dtype_is_floating(in), bytes = in == EBB_BOOL || in == EBB_U8;
    ebb_dtype as = in;
    if (what == EBB__FOLD_COUNT) {
        as = EBB_BOOL;
        r->map = ebb__loops_cast[as][in == EBB_BOOL ? EBB_U8 : in]; /* true is 1, whatever byte stood for it */
    } else if (whole && in != EBB_I64 && !(bytes && what == EBB__FOLD_SUM)) {
        as = EBB_I64;
        r->map = ebb__loops_cast[as][in];
    } else if (!whole && of_floats[what].map) {
        r->map = of_floats[what].map[in];
    }
    r->mapped_size = ebb_dtype_size(as);
    if (!whole || !of_floats[what].map) r->fn = of_floats[what].reducers[as];
}

ebb_status ebb__reduce_fold(ebb__fold what, int ndim, const int64_t *shape, ebb_dtype in, const void *src,
                            const int64_t *src_stride, ebb_dtype out, void *dst, const int64_t *dst_stride) {
    struct reduction r = {.src = src, .dst = dst, .src_size = ebb_dtype_size(in), .size = ebb_dtype_size(out)};
    choose_fold(&r, what, in);
    if (!r.fn.run || out != (ebb_dtype_is_floating(in) && what != EBB__FOLD_COUNT ? in : EBB_I64))
        return ebb_fail(EBB_ERR_DTYPE, "no reduction of %s to %s", ebb_dtype_name(in), ebb_dtype_name(out));
    if (product(ndim, shape, dst_stride, true) == 0) return EBB_OK;
    if (product(ndim, shape, dst_stride, false) == 0) {
        static const int64_t of_whole[2] = {0, 1};
        static const double of_floats[2] = {0, 1};
        static const float of_f32[2] = {0, 1};
        const int one = what == EBB__FOLD_PROD;
        const void *value = out == EBB_I64 ? (const void *)&of_whole[one] : &of_floats[one];
        fill(ndim, shape, out, dst, dst_stride, out == EBB_F32 ? &of_f32[one] : value);
        return EBB_OK;
    }
    plan(&r, ndim, shape, src_stride, dst_stride, NULL, false);
    return run(&r);
}

ebb_status ebb__reduce_sum(int ndim, const int64_t *shape, ebb_dtype in, const void *src, const int64_t *src_stride,
                           ebb_dtype out, void *dst, const int64_t *dst_stride) {
    return ebb__reduce_fold(EBB__FOLD_SUM, ndim, shape, in, src, src_stride, out, dst, dst_stride);
}

ebb_status ebb__reduce_var(int ndim, const int64_t *shape, ebb_dtype dtype, const void *src, const int64_t *src_stride,
                           double correction, bool root, void *dst, void *mean, const int64_t *dst_stride) {
    const struct spread spread = {correction, root, mean};
    struct reduction r = {.fn = ebb__isa.moments[dtype],
                          .src = src,
                          .dst = dst,
                          .src_size = ebb_dtype_size(dtype),
                          .size = EBB__REDUCED_MAX,
                          .dtype = dtype,
                          .spread = &spread};
    if (!r.fn.run) return ebb_fail(EBB_ERR_DTYPE, "no variance of %s", ebb_dtype_name(dtype));
    if (product(ndim, shape, dst_stride, true) == 0) return EBB_OK;
    if (product(ndim, shape, dst_stride, false) == 0) {
        const double nan64 = NAN;
        const float nan32 = NAN;
        const void *nan = dtype == EBB_F32 ? (const void *)&nan32 : &nan64;
        fill(ndim, shape, dtype, dst, dst_stride, nan);
        if (mean) fill(ndim, shape, dtype, mean, dst_stride, nan);
        return EBB_OK;
    }
    plan(&r, ndim, shape, src_stride, dst_stride, NULL, false);
    return run(&r);
}

ebb_status ebb__reduce_logsumexp(int ndim, const int64_t *shape, ebb_dtype dtype, const void *src,
                                 const int64_t *src_stride, void *dst, const int64_t *dst_stride) {
    struct reduction r = {.fn = ebb__isa.logsumexp[dtype],
                          .src = src,
                          .dst = dst,
                          .src_size = ebb_dtype_size(dtype),
                          .size = 2 * ebb_dtype_size(dtype),
                          .dtype = dtype,
                          .log = true};
    if (!r.fn.run) return ebb_fail(EBB_ERR_DTYPE, "no logsumexp of %s", ebb_dtype_name(dtype));
    if (product(ndim, shape, dst_stride, true) == 0) return EBB_OK;
    if (product(ndim, shape, dst_stride, false) == 0) {
        const double none64 = -INFINITY;
        const float none32 = -INFINITY;
        fill(ndim, shape, dtype, dst, dst_stride, dtype == EBB_F32 ? (const void *)&none32 : &none64);
        return EBB_OK;
    }
    plan(&r, ndim, shape, src_stride, dst_stride, NULL, false);
    return run(&r);
}

/* ---- extremes with the place of the first ---- */

enum { COMPARED = 64 }; /* elements that are compared before one looks whether it was there */

/* The outputs of a tile side by side, or one: the first of equals wins since positions rise; a NaN wins, and stays. */
#define DEFINE_SEARCH(S, T, IS_NAN) \
    static void search_##S(const struct reduction *r, const char *src, int64_t lanes, void *values, int64_t *index) { \
        T *best = values; \
        int64_t position = 0; \
        const int64_t inner = r->by_rows ? 1 : r->inner, lane_stride = r->by_rows ? r->inner_src : 0; \
        ebb__cursor at = ebb__walk_at(&r->reduced, 0); \
        for (int64_t i = 0; i < r->reduced_count; i++, ebb__walk_next(&r->reduced, &at)) { \
            for (int64_t k = 0; k < inner; k++, position++) { \
                const char *x = src + at.offset[0] + k * r->inner_src; \
                for (int64_t j = 0; j < lanes; j++) { \
                    const T v = *(const T *)(x + j * lane_stride); \
                    const bool better = r->max ? v > best[j] : v < best[j]; \
                    const bool take = position == 0 || better || (IS_NAN(v) && !IS_NAN(best[j])); \
                    best[j] = take ? v : best[j]; \
                    index[j] = take ? position : index[j]; \
                } \
            } \
        } \
    } \
    static int64_t find_##S(int64_t n, const char *src, const void *value) { \
        const T *x = (const T *)src; \
        const T v = *(const T *)value; \
        int64_t i = 0; \
        for (; i + COMPARED <= n; i += COMPARED) { /* as vectors, which a loop that may end anywhere is not */ \
            int here = 0; \
            for (int64_t j = i; j < i + COMPARED; j++) here |= x[j] == v; \
            if (here || IS_NAN(v)) break; \
        } \
        while (i < n && !(x[i] == v || (IS_NAN(v) && IS_NAN(x[i])))) i++; \
        return i; \
    } \
    static bool better_##S(bool max, const void *a_, const void *b_) { \
        const T a = *(const T *)a_, b = *(const T *)b_; \
        return (max ? a > b : a < b) || (IS_NAN(a) && !IS_NAN(b)); \
    }
#define NEVER(x) 0
#define UNEQUAL_ITSELF(x) ((x) != (x))
DEFINE_SEARCH(u8, uint8_t, NEVER)
DEFINE_SEARCH(i32, int32_t, NEVER)
DEFINE_SEARCH(i64, int64_t, NEVER)
DEFINE_SEARCH(f32, float, UNEQUAL_ITSELF)
DEFINE_SEARCH(f64, double, UNEQUAL_ITSELF)

static const struct search {
    void (*search)(const struct reduction *, const char *, int64_t, void *, int64_t *);
    int64_t (*find)(int64_t, const char *, const void *);
    bool (*better)(bool, const void *, const void *);
} searches[EBB_DTYPE_COUNT] = {
    [EBB_BOOL] = {search_u8, find_u8, better_u8},   [EBB_U8] = {search_u8, find_u8, better_u8},
    [EBB_I32] = {search_i32, find_i32, better_i32}, [EBB_I64] = {search_i64, find_i64, better_i64},
    [EBB_F32] = {search_f32, find_f32, better_f32}, [EBB_F64] = {search_f64, find_f64, better_f64},
};

/* Of contiguous elements: the extreme of each block, and the place of the first in the first block that has it. */
static int64_t search_line(const struct reduction *r, const struct search *fn, const char *src, char *best) {
    enum { BLOCK = 1024 };
    _Alignas(8) char other[8];
    int64_t start = 0;
    for (int64_t i = 0; i < r->inner; i += BLOCK) {
        const int64_t n = r->inner - i < BLOCK ? r->inner - i : BLOCK;
        r->fn.run(n, src + i * r->inner_src, r->inner_src, i ? other : best);
        if (i == 0 || !fn->better(r->max, other, best)) continue;
        memcpy(best, other, r->size);
        start = i;
    }
    const int64_t n = r->inner - start < BLOCK ? r->inner - start : BLOCK;
    return start + fn->find(n, src + start * r->inner_src, best);
}

static void index_body(void *context, int64_t first, int64_t last) {
    const struct reduction *r = context;
    const struct search *fn = &searches[r->dtype];
    for (; first < last; first++) {
        const ebb__cursor at = ebb__walk_at(&r->kept, first / r->tiles);
        const int64_t lane = first % r->tiles * r->lanes, left = r->inner - lane;
        const int64_t lanes = r->by_rows && left < r->lanes ? left : r->lanes, shift = r->by_rows ? lane : 0;
        const char *src = r->src + at.offset[0] + shift * r->inner_src;
        _Alignas(64) char best[LANES * 8];
        int64_t index[LANES];
        if (!r->by_rows && r->reduced_count == 1 && r->inner_src == (int64_t)r->size) {
            index[0] = search_line(r, fn, src, best);
        } else {
            fn->search(r, src, lanes, best, index);
        }
        if (r->dst) store(r, at.offset[1] + shift * r->inner_dst, lanes, best);
        char *to = (char *)r->index + at.offset[2] + shift * r->inner_index;
        for (int64_t j = 0; j < lanes; j++) *(int64_t *)(to + j * r->inner_index) = index[j];
    }
}

static ebb_status extreme(bool max, int ndim, const int64_t *shape, ebb_dtype dtype, const void *src,
                          const int64_t *src_stride, void *dst, const int64_t *dst_stride, int64_t *index,
                          const int64_t *index_stride) {
    const int64_t *mark = dst ? dst_stride : index_stride;
    if (product(ndim, shape, mark, true) == 0) return EBB_OK;
    if (product(ndim, shape, mark, false) == 0)
        return ebb_fail(EBB_ERR_SHAPE, "the %s of no elements is not defined", max ? "maximum" : "minimum");
    struct reduction r = {.fn = (max ? ebb__isa.max : ebb__isa.min)[dtype],
                          .src = src,
                          .dst = dst,
                          .index = index,
                          .src_size = ebb_dtype_size(dtype),
                          .size = ebb_dtype_size(dtype),
                          .dtype = dtype,
                          .max = max};
    plan(&r, ndim, shape, src_stride, dst ? dst_stride : NULL, index ? index_stride : NULL, index != NULL);
    if (!index) return run(&r);
    ebb__parallel_for(ebb__walk_count(&r.kept) * r.tiles, GRAIN / (r.inner * r.reduced_count) + 1, index_body, &r);
    return EBB_OK;
}

ebb_status ebb__reduce_max(int ndim, const int64_t *shape, ebb_dtype dtype, const void *src, const int64_t *src_stride,
                           void *dst, const int64_t *dst_stride, int64_t *index, const int64_t *index_stride) {
    return extreme(true, ndim, shape, dtype, src, src_stride, dst, dst_stride, index, index_stride);
}

ebb_status ebb__reduce_min(int ndim, const int64_t *shape, ebb_dtype dtype, const void *src, const int64_t *src_stride,
                           void *dst, const int64_t *dst_stride, int64_t *index, const int64_t *index_stride) {
    return extreme(false, ndim, shape, dtype, src, src_stride, dst, dst_stride, index, index_stride);
}
