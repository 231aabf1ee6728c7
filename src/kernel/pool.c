/* Averages and maxima over windows, and what goes back through them. Threads share out planes. */
#include "kernel/pool.h"

#include "base/base.h"
#include "kernel/isa.h"
#include <string.h>

enum { PIECE_WORK = 1 << 15 };

struct job {
    const ebb__pool *p;
    const void *from;
    void *to;
    int64_t *index;
    int64_t in, out; /* elements of a plane */
};

/* For every output of a plane, in order, as `i`: its window's lengths n0, n1, n2 and the place of its first element. */
#define FOR_OUTPUTS(p, body) \
    for (int64_t o0 = 0, i = 0; o0 < (p)->w[0].out; o0++) { \
        for (int64_t o1 = 0; o1 < (p)->w[1].out; o1++) { \
            for (int64_t o2 = 0; o2 < (p)->w[2].out; o2++, i++) { \
                const int64_t n0 = (p)->w[0].length[o0]; \
                const int64_t n1 = (p)->w[1].length[o1]; \
                const int64_t n2 = (p)->w[2].length[o2]; \
                const int64_t start = \
                    ((p)->w[0].start[o0] * (p)->w[1].in + (p)->w[1].start[o1]) * (p)->w[2].in + (p)->w[2].start[o2]; \
                body \
            } \
        } \
    }

/* For every element of such a window: its place `at`. */
#define FOR_WINDOW(body) \
    for (int64_t t0 = 0; t0 < n0; t0++) { \
        for (int64_t t1 = 0; t1 < n1; t1++) { \
            int64_t at = start + t0 * step0 + t1 * step1; \
            for (int64_t t2 = 0; t2 < n2; t2++, at += step2) { body } \
        } \
    }

#define STEPS(p) \
    const int64_t step2 = (p)->w[2].step; \
    const int64_t step1 = (p)->w[1].step * (p)->w[2].in; \
    const int64_t step0 = (p)->w[0].step * (p)->w[1].in * (p)->w[2].in;

#define DIVISOR(p) ((p)->divisor ? (p)->divisor : (p)->w[0].count[o0] * (p)->w[1].count[o1] * (p)->w[2].count[o2])

#define AVERAGE(T, type) \
    static void average_##T(void *context, int64_t first, int64_t last) { \
        const struct job *j = context; \
        const ebb__pool *p = j->p; \
        STEPS(p) \
        for (int64_t plane = first; plane < last; plane++) { \
            const type *x = (const type *)j->from + plane * j->in; \
            type *y = (type *)j->to + plane * j->out; \
            FOR_OUTPUTS(p, { \
                type sum = 0; \
                FOR_WINDOW({ sum = (type)(sum + x[at]); }) \
                y[i] = (type)(sum / (type)DIVISOR(p)); \
            }) \
        } \
    }
AVERAGE(f32, float)
AVERAGE(f64, double)
AVERAGE(i64, int64_t)
AVERAGE(i32, int32_t)
AVERAGE(u8, uint8_t)

/* Where each plane is one window: sums of rows, and a division. */
static bool is_mean(const ebb__pool *p) {
    for (int d = 0; d < 3; d++)
        if (p->w[d].out != 1 || p->w[d].length[0] != p->w[d].in || p->w[d].step != 1) return false;
    return ebb_dtype_is_floating(p->dtype);
}

static ebb_status mean(const ebb__pool *p, const void *x, void *y) {
    const int64_t count = p->w[0].in * p->w[1].in * p->w[2].in, size = (int64_t)ebb_dtype_size(p->dtype);
    const int64_t all = p->divisor ? p->divisor : p->w[0].count[0] * p->w[1].count[0] * p->w[2].count[0];
    const double f64 = (double)all;
    const float f32 = (float)all;
    const void *divisor = p->dtype == EBB_F32 ? (const void *)&f32 : &f64;
    ebb_status status = ebb__reduce_sum(2, (int64_t[]){p->planes, count}, p->dtype, x, (int64_t[]){count * size, size},
                                        p->dtype, y, (int64_t[]){size, 0});
    if (status) return status;
    ebb__loops_div[p->dtype](p->planes, (char *[]){y, y, (char *)(uintptr_t)divisor}, (int64_t[]){size, size, 0}, NULL);
    return EBB_OK;
}

#define SPREAD(T, type) \
    static void spread_##T(void *context, int64_t first, int64_t last) { \
        const struct job *j = context; \
        const ebb__pool *p = j->p; \
        STEPS(p) \
        for (int64_t plane = first; plane < last; plane++) { \
            const type *y = (const type *)j->from + plane * j->out; \
            type *x = (type *)j->to + plane * j->in; \
            memset(x, 0, (size_t)j->in * sizeof *x); \
            FOR_OUTPUTS(p, { \
                const type each = y[i] / (type)DIVISOR(p); \
                FOR_WINDOW({ x[at] += each; }) \
            }) \
        } \
    }
SPREAD(f32, float)
SPREAD(f64, double)

/* Along a row of outputs, those whose windows are whole and lie at equal distances: all but some at the edges. */
struct even {
    int64_t first, n, stride, length;
};

static struct even even_of(const ebb__windows *w) {
    struct even e = {.stride = 1};
    for (int64_t i = 1; i < w->out; i++)
        if (w->length[i] > w->length[e.first]) e.first = i;
    if (w->out) e.length = w->length[e.first];
    if (e.first + 1 < w->out) e.stride = w->start[e.first + 1] - w->start[e.first];
    for (e.n = w->out > 0; e.first + e.n < w->out && w->length[e.first + e.n] == e.length; e.n++)
        if (w->start[e.first + e.n] - w->start[e.first] != e.n * e.stride) break;
    return e;
}

enum { TAPS = 64 };

/* The maxima of such a run, whose windows have n0, n1 and e->length elements and begin with the one at `start`. */
static bool max_run(const ebb__pool *p, const struct even *e, int64_t n0, int64_t n1, int64_t start, const float *x,
                    float *y, int64_t *index) {
    int32_t taps[TAPS];
    const int64_t n2 = e->length, n = n0 * n1 * n2;
    STEPS(p)
    if (n > TAPS || p->w[0].in * p->w[1].in * p->w[2].in > INT32_MAX) return false;
    for (int64_t t = 0; t < n; t++) taps[t] = (int32_t)(t / (n1 * n2) * step0 + t / n2 % n1 * step1 + t % n2 * step2);
    ebb__isa.window.max(e->n, x + start, e->stride, n, taps, start, y, index);
    return true;
}

#define NEVER(v) false
#define IS_NAN(v) ((v) != (v))
#define ONE_BY_ONE false
#define IN_RUNS o2 == e.first &&max_run(p, &e, n0, n1, start, x, y + i, index + i)
#define MAX(T, type, is_nan, run) \
    static void max_##T(void *context, int64_t first, int64_t last) { \
        const struct job *j = context; \
        const ebb__pool *p = j->p; \
        const struct even e = even_of(&p->w[2]); \
        STEPS(p) \
        for (int64_t plane = first; plane < last; plane++) { \
            const type *x = (const type *)j->from + plane * j->in; \
            type *y = (type *)j->to + plane * j->out; \
            int64_t *index = j->index + plane * j->out; \
            FOR_OUTPUTS(p, { \
                if (run) { \
                    o2 += e.n - 1; \
                    i += e.n - 1; \
                    continue; \
                } \
                type best = x[start]; \
                int64_t best_at = start; \
                FOR_WINDOW({ \
                    const type v = x[at]; \
                    if (v > best || is_nan(v)) { \
                        best = v; \
                        best_at = at; \
                    } \
                }) \
                y[i] = best; \
                index[i] = best_at; \
            }) \
        } \
    }
MAX(f32, float, IS_NAN, IN_RUNS)
MAX(f64, double, IS_NAN, ONE_BY_ONE)
MAX(i64, int64_t, NEVER, ONE_BY_ONE)
MAX(i32, int32_t, NEVER, ONE_BY_ONE)
MAX(u8, uint8_t, NEVER, ONE_BY_ONE)

typedef void (*body)(void *context, int64_t first, int64_t last);

static const body averages[EBB_DTYPE_COUNT] = {
    [EBB_F32] = average_f32, [EBB_F64] = average_f64, [EBB_I64] = average_i64,
    [EBB_I32] = average_i32, [EBB_U8] = average_u8,
};
static const body spreads[EBB_DTYPE_COUNT] = {[EBB_F32] = spread_f32, [EBB_F64] = spread_f64};
static const body maxima[EBB_DTYPE_COUNT] = {
    [EBB_F32] = max_f32, [EBB_F64] = max_f64, [EBB_I64] = max_i64, [EBB_I32] = max_i32, [EBB_U8] = max_u8,
};

static void run(const ebb__pool *p, const body *table, const void *from, void *to, int64_t *index) {
    const ebb__windows *w = p->w;
    struct job j = {p, from, to, index, w[0].in * w[1].in * w[2].in, w[0].out * w[1].out * w[2].out};
    int64_t work = j.in + j.out;
    for (int d = 0; d < 3; d++)
        if (w[d].out) work *= w[d].length[w[d].out / 2];
    ebb__parallel_for(p->planes, PIECE_WORK / (work + 1) + 1, table[p->dtype], &j);
}

ebb_status ebb__pool_average(const ebb__pool *p, const void *x, void *y) {
    if (is_mean(p)) return mean(p, x, y);
    run(p, averages, x, y, NULL);
    return EBB_OK;
}
void ebb__pool_spread(const ebb__pool *p, const void *y, void *x) { run(p, spreads, y, x, NULL); }
void ebb__pool_max(const ebb__pool *p, const void *x, void *y, int64_t *index) { run(p, maxima, x, y, index); }

/* ---- back through maxima ---- */

struct place {
    int64_t n, m;
    const void *y;
    const int64_t *index;
    void *x;
    _Atomic bool outside;
};

#define PLACE(T, type) \
    static void place_##T(void *context, int64_t first, int64_t last) { \
        struct place *p = context; \
        bool outside = false; \
        for (int64_t plane = first; plane < last; plane++) { \
            const type *y = (const type *)p->y + plane * p->m; \
            const int64_t *index = p->index + plane * p->m; \
            type *x = (type *)p->x + plane * p->n; \
            memset(x, 0, (size_t)p->n * sizeof *x); \
            for (int64_t i = 0; i < p->m; i++) { \
                if (index[i] >= 0 && index[i] < p->n) x[index[i]] += y[i]; \
                else outside = true; \
            } \
        } \
        if (outside) p->outside = true; \
    }
PLACE(f32, float)
PLACE(f64, double)

bool ebb__pool_place(ebb_dtype dtype, int64_t planes, int64_t n, int64_t m, const void *y, const int64_t *index,
                     void *x) {
    struct place p = {.n = n, .m = m, .y = y, .index = index, .x = x};
    ebb__parallel_for(planes, PIECE_WORK / (n + m + 1) + 1, dtype == EBB_F32 ? place_f32 : place_f64, &p);
    return !p.outside;
}
