/* Scans along one dimension of a contiguous array: running sums, products, extremes, and linear recurrences. Many lines
 * are carried side by side, neighbours in memory where there are any, so that no step waits for the one before it. */
#include "base/base.h"
#include "kernel/kernel.h"

#include <math.h>

enum { LANES = 64, ROWS = 8, GRAIN = 1 << 14 };

struct scan {
    void (*run)(const struct scan *s, int64_t at, int64_t lanes);
    int64_t n, inner, lines, tiles; /* lines: those that run side by side in a tile */
    int64_t step, lane;             /* in elements: along n, and from line to line */
    const void *x, *factor;
    void *y;
    int64_t *index;
    bool reverse;
};

static void body(void *context, int64_t first, int64_t last) {
    const struct scan *s = context;
    for (; first < last; first++) {
        const int64_t line = first % s->tiles * (s->inner > 1 ? LANES : ROWS), left = s->lines - line;
        const int64_t most = s->inner > 1 ? LANES : ROWS;
        s->run(s, first / s->tiles * s->n * s->inner + line * s->lane, left < most ? left : most);
    }
}

/* Tiles of columns within each outer block, or of rows where there are no columns. */
static void run(struct scan *s, int64_t outer) {
    if (outer < 1 || s->n < 1 || s->inner < 1) return;
    const bool columns = s->inner > 1;
    s->lines = columns ? s->inner : outer;
    s->tiles = columns ? (s->inner + LANES - 1) / LANES : (outer + ROWS - 1) / ROWS;
    s->step = s->inner;
    s->lane = columns ? 1 : s->n;
    const int64_t piece = s->n * (columns ? (s->inner < LANES ? s->inner : LANES) : ROWS);
    ebb__parallel_for(s->tiles * (columns ? outer : 1), GRAIN / piece + 1, body, s);
}

#if defined(__GNUC__)
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE inline
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif

/* One tile: `inner` is compiled for a single line, for neighbouring lines, and for lines that lie apart. */
#define DEFINE_TILE(name) \
    static void name(const struct scan *s, int64_t at, int64_t lanes) { \
        if (lanes == 1) name##_inner(s, at, 1, 1); \
        else if (s->lane == 1) name##_inner(s, at, lanes, 1); \
        else name##_inner(s, at, lanes, s->lane); \
    }

/* The carry a, of type A, becomes `expr` of a and the next element v. */
#define DEFINE_SCAN(name, T, A, start, expr) \
    static INLINE void name##_inner(const struct scan *s, int64_t at, int64_t lanes, int64_t lane) { \
        const T *x = (const T *)s->x + at; \
        T *y = (T *)s->y + at; \
        A carry[LANES]; \
        for (int64_t j = 0; j < lanes; j++) carry[j] = start; \
        for (int64_t k = 0; k < s->n; k++, x += s->step, y += s->step) { \
            INDEPENDENT for (int64_t j = 0; j < lanes; j++) { \
                const A a = carry[j], v = (A)x[j * lane]; \
                carry[j] = expr; \
                y[j * lane] = (T)carry[j]; \
            } \
        } \
    } \
    DEFINE_TILE(name)

static double log_add_exp(double a, double b) {
    const double most = a > b ? a : b, least = a > b ? b : a;
    if (a != a || b != b) return a + b;
    return most == least && isinf(most) ? most : most + log1p(exp(least - most));
}

/* Integers wrap. */
#define DEFINE_NUMBERS(name, zero, expr) \
    DEFINE_SCAN(name##_u8, uint8_t, uint64_t, zero, expr) \
    DEFINE_SCAN(name##_i32, int32_t, uint64_t, zero, expr) \
    DEFINE_SCAN(name##_i64, int64_t, uint64_t, zero, expr) \
    DEFINE_SCAN(name##_f32, float, double, zero, expr) \
    DEFINE_SCAN(name##_f64, double, double, zero, expr)
DEFINE_NUMBERS(sum, 0, a + v)
DEFINE_NUMBERS(prod, 1, a *v)
DEFINE_SCAN(logsumexp_f32, float, double, -INFINITY, log_add_exp(a, v))
DEFINE_SCAN(logsumexp_f64, double, double, -INFINITY, log_add_exp(a, v))

#define FLOATS(name) [EBB_F32] = name##_f32, [EBB_F64] = name##_f64
#define NUMBERS(name) [EBB_U8] = name##_u8, [EBB_I32] = name##_i32, [EBB_I64] = name##_i64, FLOATS(name)

ebb_status ebb__scan_run(ebb__scan what, ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x,
                         void *y) {
    static void (*const scans[EBB__SCANS][EBB_DTYPE_COUNT])(const struct scan *, int64_t, int64_t) = {
        [EBB__SCAN_SUM] = {NUMBERS(sum)},
        [EBB__SCAN_PROD] = {NUMBERS(prod)},
        [EBB__SCAN_LOGSUMEXP] = {FLOATS(logsumexp)},
    };
    struct scan s = {.run = scans[what][dtype], .n = n, .inner = inner, .x = x, .y = y};
    if (!s.run) return ebb_fail(EBB_ERR_DTYPE, "not defined for %s", ebb_dtype_name(dtype));
    run(&s, outer);
    return EBB_OK;
}

/* ---- extremes so far, and where they were ---- */

#define DEFINE_EXTREME(name, T, order) \
    static INLINE void name##_inner(const struct scan *s, int64_t at, int64_t lanes, int64_t lane) { \
        const T *x = (const T *)s->x + at; \
        T *y = (T *)s->y + at, best[LANES]; \
        int64_t *index = s->index + at, place[LANES]; \
        for (int64_t j = 0; j < lanes; j++) best[j] = x[j * lane], place[j] = 0; \
        for (int64_t k = 0; k < s->n; k++, x += s->step, y += s->step, index += s->step) { \
            INDEPENDENT for (int64_t j = 0; j < lanes; j++) { \
                const T v = x[j * lane]; \
                const bool take = v order best[j] || v != v; \
                best[j] = take ? v : best[j]; \
                place[j] = take ? k : place[j]; \
                y[j * lane] = best[j]; \
                index[j * lane] = place[j]; \
            } \
        } \
    } \
    DEFINE_TILE(name)
#define DEFINE_EXTREMES(S, T) DEFINE_EXTREME(max_##S, T, >=) DEFINE_EXTREME(min_##S, T, <=)
DEFINE_EXTREMES(u8, uint8_t)
DEFINE_EXTREMES(i32, int32_t)
DEFINE_EXTREMES(i64, int64_t)
DEFINE_EXTREMES(f32, float)
DEFINE_EXTREMES(f64, double)

void ebb__scan_extreme(bool max, ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, void *y,
                       int64_t *index) {
    static void (*const scans[2][EBB_DTYPE_COUNT])(const struct scan *, int64_t, int64_t) = {
        {[EBB_BOOL] = min_u8, NUMBERS(min)},
        {[EBB_BOOL] = max_u8, NUMBERS(max)},
    };
    struct scan s = {.run = scans[max][dtype], .n = n, .inner = inner, .x = x, .y = y, .index = index};
    run(&s, outer);
}

/* ---- linear recurrences ---- */

/* In reverse the factor is that of the step which was made before. */
#define DEFINE_LINEAR(name, T, one) \
    static INLINE void name##_inner(const struct scan *s, int64_t at, int64_t lanes, int64_t lane) { \
        const int64_t step = s->reverse ? -s->step : s->step; \
        const int64_t start = s->reverse ? at + (s->n - 1) * s->step : at; \
        const T *x = (const T *)s->x + start; \
        const T *factor = one ? (const T *)s->factor : (const T *)s->factor + (s->reverse ? start : start + step); \
        T *y = (T *)s->y + start; \
        double carry[LANES]; \
        for (int64_t j = 0; j < lanes; j++) y[j * lane] = (T)(carry[j] = (double)x[j * lane]); \
        for (int64_t k = 1; k < s->n; k++) { \
            x += step, y += step; \
            INDEPENDENT for (int64_t j = 0; j < lanes; j++) { \
                const double a = (double)factor[one ? 0 : j * lane]; \
                carry[j] = (double)x[j * lane] + a * carry[j]; \
                y[j * lane] = (T)carry[j]; \
            } \
            if (!one) factor += step; \
        } \
    } \
    DEFINE_TILE(name)
DEFINE_LINEAR(linear_f32, float, false)
DEFINE_LINEAR(linear_f64, double, false)
DEFINE_LINEAR(linear_one_f32, float, true)
DEFINE_LINEAR(linear_one_f64, double, true)

ebb_status ebb__scan_linear(bool reverse, ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x,
                            const void *a, bool one, void *y) {
    static void (*const scans[2][EBB_DTYPE_COUNT])(const struct scan *, int64_t, int64_t) = {{FLOATS(linear)},
                                                                                             {FLOATS(linear_one)}};
    struct scan s = {.run = scans[one][dtype], .n = n, .inner = inner, .x = x, .factor = a, .y = y, .reverse = reverse};
    if (!s.run) return ebb_fail(EBB_ERR_DTYPE, "not defined for %s", ebb_dtype_name(dtype));
    run(&s, outer);
    return EBB_OK;
}
