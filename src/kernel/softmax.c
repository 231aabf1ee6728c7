/* Softmax, log-softmax and their backward over (outer, n, inner): rows where inner is 1, else LANES columns side by
 * side, with the elementwise loops as vocabulary. */
#include "base/base.h"
#include "kernel/isa.h"

#include <string.h>

enum { LANES = 128, GRAIN = 1 << 13 };

struct softmax {
    ebb_dtype dtype;
    int64_t n, inner, tiles, size;
    const char *x, *y_in; /* forward: the input; backward: the upstream gradient and forward's output */
    char *y;
    ebb__softmax_row row;
    ebb__softmax_row_backward row_backward;
    void (*columns)(const struct softmax *s, int64_t lanes, const char *x, const char *y_in, char *y);
};

static void apply(const struct softmax *s, ebb__loop *table, int64_t lanes, const void *out, const void *a,
                  const void *b) {
    table[s->dtype](lanes, (char *[]){(char *)(uintptr_t)out, (char *)(uintptr_t)a, (char *)(uintptr_t)b},
                    (int64_t[]){s->size, s->size, s->size}, NULL);
}

#define EACH(k, at) for (int64_t k = 0, at = 0; k < s->n; k++, at += s->inner * s->size)

static void column_max(const struct softmax *s, int64_t lanes, const char *x, char *max) {
    memcpy(max, x, (size_t)(lanes * s->size));
    EACH(k, at) apply(s, ebb__loops_maximum, lanes, max, max, x + at);
}

static void softmax_columns(const struct softmax *s, int64_t lanes, const char *x, const char *y_in, char *y) {
    _Alignas(64) char max[LANES * 8], sum[LANES * 8] = {0};
    (void)y_in;
    column_max(s, lanes, x, max);
    EACH(k, at) {
        apply(s, ebb__loops_sub, lanes, y + at, x + at, max);
        apply(s, ebb__loops_exp, lanes, y + at, y + at, NULL);
        apply(s, ebb__loops_add, lanes, sum, sum, y + at);
    }
    EACH(k, at) apply(s, ebb__loops_div, lanes, y + at, y + at, sum);
}

static void log_softmax_columns(const struct softmax *s, int64_t lanes, const char *x, const char *y_in, char *y) {
    _Alignas(64) char max[LANES * 8], sum[LANES * 8] = {0}, e[LANES * 8];
    (void)y_in;
    column_max(s, lanes, x, max);
    EACH(k, at) {
        apply(s, ebb__loops_sub, lanes, e, x + at, max);
        apply(s, ebb__loops_exp, lanes, e, e, NULL);
        apply(s, ebb__loops_add, lanes, sum, sum, e);
    }
    apply(s, ebb__loops_log, lanes, sum, sum, NULL);
    EACH(k, at) {
        apply(s, ebb__loops_sub, lanes, y + at, x + at, max);
        apply(s, ebb__loops_sub, lanes, y + at, y + at, sum);
    }
}

static void softmax_backward_columns(const struct softmax *s, int64_t lanes, const char *g, const char *y, char *dx) {
    _Alignas(64) char sum[LANES * 8] = {0}, e[LANES * 8];
    EACH(k, at) {
        apply(s, ebb__loops_mul, lanes, e, g + at, y + at);
        apply(s, ebb__loops_add, lanes, sum, sum, e);
    }
    EACH(k, at) {
        apply(s, ebb__loops_sub, lanes, e, g + at, sum);
        apply(s, ebb__loops_mul, lanes, dx + at, e, y + at);
    }
}

static void log_softmax_backward_columns(const struct softmax *s, int64_t lanes, const char *g, const char *y,
                                         char *dx) {
    _Alignas(64) char sum[LANES * 8] = {0}, e[LANES * 8];
    EACH(k, at) apply(s, ebb__loops_add, lanes, sum, sum, g + at);
    EACH(k, at) {
        apply(s, ebb__loops_exp, lanes, e, y + at, NULL);
        apply(s, ebb__loops_mul, lanes, e, e, sum);
        apply(s, ebb__loops_sub, lanes, dx + at, g + at, e);
    }
}

static void body(void *context, int64_t first, int64_t last) {
    const struct softmax *s = context;
    const int64_t whole = s->n * s->inner * s->size;
    for (; first < last; first++) {
        const int64_t lane = first % s->tiles * LANES, left = s->inner - lane;
        const int64_t at = first / s->tiles * whole + lane * s->size;
        const char *y_in = s->y_in ? s->y_in + at : NULL;
        if (s->inner > 1) {
            s->columns(s, left < LANES ? left : LANES, s->x + at, y_in, s->y + at);
        } else if (s->row) {
            s->row(s->n, s->x + at, s->y + at);
        } else {
            s->row_backward(s->n, s->x + at, y_in, s->y + at);
        }
    }
}

static ebb_status run(struct softmax s, int64_t outer) {
    if (!s.row && !s.row_backward)
        return ebb_fail(EBB_ERR_DTYPE, "softmax of %s is not defined", ebb_dtype_name(s.dtype));
    if (outer < 1 || s.n < 1 || s.inner < 1) return EBB_OK;
    s.size = (int64_t)ebb_dtype_size(s.dtype);
    s.tiles = (s.inner + LANES - 1) / LANES;
    const int64_t piece = s.n * (s.inner < LANES ? s.inner : LANES);
    if (outer * s.tiles * piece <= GRAIN) {
        body(&s, 0, outer * s.tiles);
    } else {
        ebb__parallel_for(outer * s.tiles, GRAIN / piece + 1, body, &s);
    }
    return EBB_OK;
}

ebb_status ebb__softmax(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, void *y) {
    return run((struct softmax){.dtype = dtype,
                                .n = n,
                                .inner = inner,
                                .x = x,
                                .y = y,
                                .row = ebb__isa.softmax[dtype],
                                .columns = softmax_columns},
               outer);
}

ebb_status ebb__log_softmax(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, void *y) {
    return run((struct softmax){.dtype = dtype,
                                .n = n,
                                .inner = inner,
                                .x = x,
                                .y = y,
                                .row = ebb__isa.log_softmax[dtype],
                                .columns = log_softmax_columns},
               outer);
}

ebb_status ebb__softmax_backward(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *g, const void *y,
                                 void *dx) {
    return run((struct softmax){.dtype = dtype,
                                .n = n,
                                .inner = inner,
                                .x = g,
                                .y_in = y,
                                .y = dx,
                                .row_backward = ebb__isa.softmax_backward[dtype],
                                .columns = softmax_backward_columns},
               outer);
}

ebb_status ebb__log_softmax_backward(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *g,
                                     const void *y, void *dx) {
    return run((struct softmax){.dtype = dtype,
                                .n = n,
                                .inner = inner,
                                .x = g,
                                .y_in = y,
                                .y = dx,
                                .row_backward = ebb__isa.log_softmax_backward[dtype],
                                .columns = log_softmax_backward_columns},
               outer);
}
