/* The inner functions of reductions: one run of elements, a few rows side by side, and the merging of results. */
#include "kernel/vec.h"

/* ---- floating sums: 8 vectors run side by side, so no lane adds more than 4096 / 8 / width numbers in a row ---- */
enum { N_SUMS = 8, GATHER = 512 };

#define DEFINE_SUM(F, T) \
    static T flat_sum_##F(int64_t n, const T *x) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        ebb__v##F acc[N_SUMS] = {{0}}; \
        int64_t i = 0; \
        for (; i + N_SUMS * W <= n; i += N_SUMS * W) { \
            EBB__UNROLL for (int k = 0; k < N_SUMS; k++) acc[k] += ebb__load_##F(x + i + k * W); \
        } \
        for (; i + W <= n; i += W) acc[0] += ebb__load_##F(x + i); \
        EBB__UNROLL for (int half = N_SUMS / 2; half > 0; half /= 2) for (int k = 0; k < half; k++) acc[k] += \
            acc[k + half]; \
        T lanes[W], tail = 0; \
        ebb__store_##F(lanes, acc[0]); \
        for (int half = W / 2; half > 0; half /= 2) \
            for (int k = 0; k < half; k++) lanes[k] += lanes[k + half]; \
        for (; i < n; i++) tail += x[i]; \
        return lanes[0] + tail; \
    } \
    static void sum_##F##_run(int64_t n, const char *p, int64_t stride, void *ret) { \
        if (stride == (int64_t)sizeof(T)) { \
            *(T *)ret = flat_sum_##F(n, (const T *)p); \
            return; \
        } \
        T sum = 0, x[GATHER]; \
        for (int64_t i = 0; i < n; i += GATHER) { \
            const int64_t m = n - i < GATHER ? n - i : GATHER; \
            ebb__gather(m, sizeof(T), x, p + i * stride, stride); \
            sum += flat_sum_##F(m, x); \
        } \
        *(T *)ret = sum; \
    }
DEFINE_SUM(f32, float)
DEFINE_SUM(f64, double)

/* ---- everything else: R accumulates T by `step`, which reads r and x; strided elements in a buffer first ---- */
#define DEFINE_RUN(name, T, R, start, step) \
    static void name##_run(int64_t n, const char *p, int64_t stride, void *ret) { \
        enum { LANES = 32 }; \
        const bool flat = stride == (int64_t)sizeof(T); \
        R lane[LANES]; \
        T buffer[GATHER]; \
        const T first = *(const T *)p; \
        (void)first; \
        for (int k = 0; k < LANES; k++) lane[k] = start; \
        for (int64_t m; n > 0; n -= m, p += m * stride) { \
            const T *xs = flat ? (const T *)p : buffer; \
            int64_t i = 0; \
            m = flat || n < GATHER ? n : GATHER; \
            if (!flat) ebb__gather(m, sizeof(T), buffer, p, stride); \
            for (; i + LANES <= m; i += LANES) { \
                for (int k = 0; k < LANES; k++) { \
                    const R r = lane[k]; \
                    const T x = xs[i + k]; \
                    lane[k] = step; \
                } \
            } \
            for (; i < m; i++) { \
                const R r = lane[0]; \
                const T x = xs[i]; \
                lane[0] = step; \
            } \
        } \
        name##_merge(16, lane, lane + 16); \
        name##_merge(8, lane, lane + 8); \
        for (int k = 1; k < 8; k++) name##_merge(1, lane, lane + k); \
        *(R *)ret = lane[0]; \
    }
#define DEFINE_ROWS(name, T, R, start, from, step) \
    static void name##_rows(int n_rows, const char *const *rows, int64_t n, void *ret) { \
        R *o = ret; \
        for (int64_t j = 0; j < n; j++) o[j] = start; \
        for (int row = from; row < n_rows; row++) { \
            const T *xs = (const T *)rows[row]; \
            EBB__IVDEP for (int64_t j = 0; j < n; j++) { \
                const R r = o[j]; \
                const T x = xs[j]; \
                o[j] = step; \
            } \
        } \
    }
#define DEFINE_MERGE(name, R, step) \
    static void name##_merge(int64_t n, void *acc, const void *more) { \
        R *o = acc; \
        const R *xs = more; \
        EBB__IVDEP for (int64_t j = 0; j < n; j++) { \
            const R r = o[j], x = xs[j]; \
            o[j] = step; \
        } \
    }
/* Extremes begin with the first element; folds begin with `start`, and merge by a step of their own. */
#define DEFINE_EXTREME(name, T, step) \
    DEFINE_MERGE(name, T, step) \
    DEFINE_RUN(name, T, T, first, step) \
    DEFINE_ROWS(name, T, T, ((const T *)rows[0])[j], 1, step)
#define DEFINE_FOLD(name, T, R, start, step, merge_step) \
    DEFINE_MERGE(name, R, merge_step) \
    DEFINE_RUN(name, T, R, start, step) \
    DEFINE_ROWS(name, T, R, start, 0, step)

#define SUM r + x
#define INT_SUM (int64_t)((uint64_t)r + (uint64_t)x)
#define MAX x > r || x != x ? x : r
#define MIN x < r || x != x ? x : r
#define INT_MAX_ x > r ? x : r
#define INT_MIN_ x < r ? x : r
/* clang-format off */
#define PLAIN(X) \
    X(b8, uint8_t, INT_MAX_, INT_MIN_) \
    X(u8, uint8_t, INT_MAX_, INT_MIN_) \
    X(i32, int32_t, INT_MAX_, INT_MIN_) \
    X(i64, int64_t, INT_MAX_, INT_MIN_) \
    X(f32, float, MAX, MIN) \
    X(f64, double, MAX, MIN)
/* clang-format on */
#define DEFINE_EXTREMES(S, T, max, min) \
    DEFINE_EXTREME(max_##S, T, max) \
    DEFINE_EXTREME(min_##S, T, min)
PLAIN(DEFINE_EXTREMES)

#define PRODUCT r *x
#define INT_PRODUCT (int64_t)((uint64_t)r * (uint64_t)x)
#define NONZERO r + (x != 0)
#define DEFINE_WHOLE_FOLDS(S, T) \
    DEFINE_FOLD(sum_##S, T, int64_t, 0, INT_SUM, INT_SUM) \
    DEFINE_FOLD(prod_##S, T, int64_t, 1, INT_PRODUCT, INT_PRODUCT) \
    DEFINE_FOLD(count_##S, T, int64_t, 0, NONZERO, INT_SUM)
DEFINE_WHOLE_FOLDS(u8, uint8_t)
DEFINE_WHOLE_FOLDS(i32, int32_t)
DEFINE_WHOLE_FOLDS(i64, int64_t)

#define DEFINE_FLOATING_FOLDS(S, T, abs) \
    DEFINE_MERGE(sum_##S, T, SUM) \
    DEFINE_FOLD(prod_##S, T, T, 1, PRODUCT, PRODUCT) \
    DEFINE_FOLD(count_##S, T, int64_t, 0, NONZERO, INT_SUM) \
    DEFINE_FOLD(nansum_##S, T, T, 0, r + (x != x ? 0 : x), SUM) \
    DEFINE_FOLD(abs_##S, T, T, 0, r + abs(x), SUM) \
    DEFINE_FOLD(squares_##S, T, T, 0, r + x * x, SUM) \
    DEFINE_FOLD(max_abs_##S, T, T, 0, abs(x) > r || x != x ? abs(x) : r, MAX) \
    DEFINE_FOLD(min_abs_##S, T, T, (T)INFINITY, abs(x) < r || x != x ? abs(x) : r, MIN)
DEFINE_FLOATING_FOLDS(f32, float, fabsf)
DEFINE_FLOATING_FOLDS(f64, double, fabs)

/* Rows of floating numbers stay in registers while up to 16 of them are added. */
#define DEFINE_SUM_ROWS(F, T) \
    static void sum_##F##_rows(int n_rows, const char *const *rows, int64_t n, void *ret) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        T *o = ret; \
        int64_t j = 0; \
        for (; j + 2 * W <= n; j += 2 * W) { \
            ebb__v##F a = ebb__load_##F((const T *)rows[0] + j), b = ebb__load_##F((const T *)rows[0] + j + W); \
            for (int r = 1; r < n_rows; r++) { \
                a += ebb__load_##F((const T *)rows[r] + j); \
                b += ebb__load_##F((const T *)rows[r] + j + W); \
            } \
            ebb__store_##F(o + j, a); \
            ebb__store_##F(o + j + W, b); \
        } \
        for (; j < n; j++) { \
            o[j] = ((const T *)rows[0])[j]; \
            for (int r = 1; r < n_rows; r++) o[j] += ((const T *)rows[r])[j]; \
        } \
    }
DEFINE_SUM_ROWS(f32, float)
DEFINE_SUM_ROWS(f64, double)

/* ---- count, mean and squared deviations: three arrays of doubles, one after another ---- */

/* Two passes over what is in the cache; merged by Chan, Golub and LeVeque 1979. */
#define DEFINE_MOMENTS(F, T) \
    static EBB__INLINE void moments_##F(int64_t n, const char *p, int64_t stride, double *ret) { \
        enum { LANES = 16 }; \
        double lane[2][LANES] = {{0}}; \
        int64_t i = 0; \
        for (; i + LANES <= n; i += LANES) \
            for (int k = 0; k < LANES; k++) lane[0][k] += (double)*(const T *)(p + (i + k) * stride); \
        for (; i < n; i++) lane[0][i % LANES] += (double)*(const T *)(p + i * stride); \
        for (int half = LANES / 2; half > 0; half /= 2) \
            for (int k = 0; k < half; k++) lane[0][k] += lane[0][k + half]; \
        const double mean = lane[0][0] / (double)n; \
        for (i = 0; i + LANES <= n; i += LANES) { \
            for (int k = 0; k < LANES; k++) { \
                const double d = (double)*(const T *)(p + (i + k) * stride) - mean; \
                lane[1][k] += d * d; \
            } \
        } \
        for (; i < n; i++) { \
            const double d = (double)*(const T *)(p + i * stride) - mean; \
            lane[1][i % LANES] += d * d; \
        } \
        for (int half = LANES / 2; half > 0; half /= 2) \
            for (int k = 0; k < half; k++) lane[1][k] += lane[1][k + half]; \
        ret[0] = (double)n, ret[1] = mean, ret[2] = lane[1][0]; \
    } \
    static void moments_##F##_run(int64_t n, const char *p, int64_t stride, void *ret) { \
        if (stride == (int64_t)sizeof(T)) moments_##F(n, p, sizeof(T), ret); \
        else moments_##F(n, p, stride, ret); \
    } \
    static void moments_##F##_rows(int n_rows, const char *const *rows, int64_t n, void *ret) { \
        double *count = ret, *mean = count + n, *m2 = mean + n; \
        for (int64_t j = 0; j < n; j++) count[j] = n_rows, mean[j] = m2[j] = 0; \
        for (int row = 0; row < n_rows; row++) { \
            const T *x = (const T *)rows[row]; \
            EBB__IVDEP for (int64_t j = 0; j < n; j++) mean[j] += (double)x[j]; \
        } \
        for (int64_t j = 0; j < n; j++) mean[j] /= n_rows; \
        for (int row = 0; row < n_rows; row++) { \
            const T *x = (const T *)rows[row]; \
            EBB__IVDEP for (int64_t j = 0; j < n; j++) { \
                const double d = (double)x[j] - mean[j]; \
                m2[j] += d * d; \
            } \
        } \
    }
DEFINE_MOMENTS(f32, float)
DEFINE_MOMENTS(f64, double)

static void moments_merge(int64_t n, void *acc, const void *more) {
    double *count = acc, *mean = count + n, *m2 = mean + n;
    const double *count_x = more, *mean_x = count_x + n, *m2_x = mean_x + n;
    EBB__IVDEP for (int64_t j = 0; j < n; j++) {
        const double all = count[j] + count_x[j], part = count_x[j] / all, d = mean_x[j] - mean[j];
        m2[j] += m2_x[j] + d * d * count[j] * part;
        mean[j] += d * part;
        count[j] = all;
    }
}

#define REDUCER(name) \
    { name##_run, name##_rows, name##_merge }
#define FLOATS(name) [EBB_F32] = REDUCER(name##_f32), [EBB_F64] = REDUCER(name##_f64)
#define ALL(name) \
    [EBB_BOOL] = REDUCER(name##_u8), [EBB_U8] = REDUCER(name##_u8), [EBB_I32] = REDUCER(name##_i32), \
    [EBB_I64] = REDUCER(name##_i64), FLOATS(name)

void EBB__ISA(ebb__init_reduce)(void) {
#define SET_EXTREMES(S, T, a, b) REDUCER(max_##S), REDUCER(min_##S),
    static const ebb__reducer extremes[] = {PLAIN(SET_EXTREMES)};
    static const ebb_dtype order[] = {EBB_BOOL, EBB_U8, EBB_I32, EBB_I64, EBB_F32, EBB_F64};
    for (int i = 0; i < 6; i++) {
        ebb__isa.max[order[i]] = extremes[2 * i];
        ebb__isa.min[order[i]] = extremes[2 * i + 1];
    }
    static const ebb__reducer folds[EBB__FOLDS][EBB_DTYPE_COUNT] = {
        [EBB__FOLD_SUM] = {ALL(sum)},
        [EBB__FOLD_PROD] = {ALL(prod)},
        [EBB__FOLD_COUNT] = {ALL(count)},
        [EBB__FOLD_NANSUM] = {FLOATS(nansum)},
        [EBB__FOLD_ABS] = {FLOATS(abs)},
        [EBB__FOLD_SQUARES] = {FLOATS(squares)},
        [EBB__FOLD_MAX_ABS] = {FLOATS(max_abs)},
        [EBB__FOLD_MIN_ABS] = {FLOATS(min_abs)},
    };
    memcpy(ebb__isa.fold, folds, sizeof folds);
    ebb__isa.moments[EBB_F32] = (ebb__reducer){moments_f32_run, moments_f32_rows, moments_merge};
    ebb__isa.moments[EBB_F64] = (ebb__reducer){moments_f64_run, moments_f64_rows, moments_merge};
}
