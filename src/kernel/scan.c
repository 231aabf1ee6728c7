/* Scans along one dimension of a contiguous array: running sums, products, extremes, and linear recurrences. Lines that
 * are neighbours in memory are carried side by side, so that no step waits for the one before it. Rows go one by one:
 * several at once would be streams whose addresses collide in the cache. */
#include "base/base.h"
#include "kernel/kernel.h"

#include <math.h>

enum { LANES = 64, GRAIN = 1 << 14 };

struct scan {
    void (*run)(const struct scan *s, int64_t at, int64_t lanes);
    int64_t n, inner, tiles; /* `inner` is also the step along n, in elements */
    const void *x, *factor;
    void *y;
    int64_t *index;
    bool reverse;
};

static void body(void *context, int64_t first, int64_t last) {
    const struct scan *s = context;
    for (; first < last; first++) {
        const int64_t line = first % s->tiles * LANES, left = s->inner - line;
        s->run(s, first / s->tiles * s->n * s->inner + line, left < LANES ? left : LANES);
    }
}

static void run(struct scan *s, int64_t outer) {
    if (outer < 1 || s->n < 1 || s->inner < 1) return;
    s->tiles = (s->inner + LANES - 1) / LANES;
    ebb__parallel_for(outer * s->tiles, GRAIN / (s->n * (s->inner < LANES ? s->inner : LANES)) + 1, body, s);
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

/* One tile: its loops are compiled twice, for a single line with everything in registers, and for more. */
#define DEFINE_TILE(name) \
    static void name(const struct scan *s, int64_t at, int64_t lanes) { \
        if (lanes == 1) name##_inner(s, at, 1); \
        else name##_inner(s, at, lanes); \
    }

/* The carry a, of type A, becomes `expr` of a and the next element v. */
#define DEFINE_SCAN(name, T, A, start, expr) \
    static INLINE void name##_inner(const struct scan *s, int64_t at, int64_t lanes) { \
        const T *x = (const T *)s->x + at; \
        T *y = (T *)s->y + at; \
        A carry[LANES]; \
        for (int64_t j = 0; j < lanes; j++) carry[j] = start; \
        for (int64_t k = 0; k < s->n; k++, x += s->inner, y += s->inner) { \
            INDEPENDENT for (int64_t j = 0; j < lanes; j++) { \
                const A a = carry[j], v = (A)x[j]; \
                carry[j] = expr; \
                y[j] = (T)carry[j]; \
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
    static INLINE void name##_inner(const struct scan *s, int64_t at, int64_t lanes) { \
        const T *x = (const T *)s->x + at; \
        T *y = (T *)s->y + at, best[LANES]; \
        int64_t *index = s->index + at, place[LANES]; \
        for (int64_t j = 0; j < lanes; j++) best[j] = x[j], place[j] = 0; \
        for (int64_t k = 0; k < s->n; k++, x += s->inner, y += s->inner, index += s->inner) { \
            uint8_t take[LANES]; /* a loop for each width of element: vector code */ \
            INDEPENDENT for (int64_t j = 0; j < lanes; j++) take[j] = x[j] order best[j] || x[j] != x[j]; \
            INDEPENDENT for (int64_t j = 0; j < lanes; j++) place[j] = take[j] ? k : place[j]; \
            INDEPENDENT for (int64_t j = 0; j < lanes; j++) best[j] = take[j] ? x[j] : best[j]; \
            INDEPENDENT for (int64_t j = 0; j < lanes; j++) y[j] = best[j], index[j] = place[j]; \
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
    static INLINE void name##_inner(const struct scan *s, int64_t at, int64_t lanes) { \
        const int64_t step = s->reverse ? -s->inner : s->inner; \
        const int64_t start = s->reverse ? at + (s->n - 1) * s->inner : at; \
        const T *x = (const T *)s->x + start; \
        const T *factor = one ? (const T *)s->factor : (const T *)s->factor + (s->reverse ? start : start + step); \
        T *y = (T *)s->y + start; \
        double carry[LANES]; \
        for (int64_t j = 0; j < lanes; j++) y[j] = (T)(carry[j] = (double)x[j]); \
        for (int64_t k = 1; k < s->n; k++) { \
            x += step, y += step; \
            INDEPENDENT for (int64_t j = 0; j < lanes; j++) { \
                const double a = (double)factor[one ? 0 : j]; \
                carry[j] = (double)x[j] + a * carry[j]; \
                y[j] = (T)carry[j]; \
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
