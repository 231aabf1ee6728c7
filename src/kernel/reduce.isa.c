/* The inner functions of reductions: one run of elements, a few rows side by side, and the merging of results. */
#include "kernel/vec.h"

enum { GATHER = 512 }; /* strided elements that are brought together at a time */

#define SUM r + x
#define MAX x > r || x != x ? x : r
#define MIN x < r || x != x ? x : r
#define DEFINE_MERGE(name, R, step) \
    static void name##_merge(int64_t n, void *acc, const void *more) { \
        R *o = acc; \
        const R *xs = more; \
        EBB__IVDEP for (int64_t j = 0; j < n; j++) { \
            const R r = o[j], x = xs[j]; \
            o[j] = step; \
        } \
    }

/* ---- loops left to the compiler: R accumulates T by `step`, which reads r and x ----
 * Strided elements go to a buffer first. LANES results go side by side, as vectors, so that none waits for the one
 * before; element i of a buffer belongs to lane i % LANES, and what is left over to lane 0. At the end half of them is
 * merged into the other half, 16 and 8 at a time, the last eight one by one. */
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
        name##_merge(LANES / 2, lane, lane + LANES / 2); \
        name##_merge(LANES / 4, lane, lane + LANES / 4); \
        for (int k = 1; k < LANES / 4; k++) name##_merge(1, lane, lane + k); \
        *(R *)ret = lane[0]; \
    }
/* One row after the other is added to all results; `from` is the first that is not in `start` already. */
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
/* Extremes of whole numbers begin with the first element; folds begin with `start`. */
#define DEFINE_EXTREME(name, T, step) \
    DEFINE_MERGE(name, T, step) \
    DEFINE_RUN(name, T, T, first, step) \
    DEFINE_ROWS(name, T, T, ((const T *)rows[0])[j], 1, step)
#define DEFINE_FOLD(name, T, R, start, step) \
    DEFINE_MERGE(name, R, step) \
    DEFINE_RUN(name, T, R, start, step) \
    DEFINE_ROWS(name, T, R, start, 0, step)

#define INT_SUM (int64_t)((uint64_t)r + (uint64_t)x)
#define INT_MAX_ x > r ? x : r
#define INT_MIN_ x < r ? x : r
/* clang-format off */
#define WHOLE(X) \
    X(u8, uint8_t, INT_MAX_, INT_MIN_) \
    X(i32, int32_t, INT_MAX_, INT_MIN_) \
    X(i64, int64_t, INT_MAX_, INT_MIN_)
/* clang-format on */
#define DEFINE_EXTREMES(S, T, max, min) \
    DEFINE_EXTREME(max_##S, T, max) \
    DEFINE_EXTREME(min_##S, T, min)
WHOLE(DEFINE_EXTREMES)

#define PRODUCT r *x
#define INT_PRODUCT (int64_t)((uint64_t)r * (uint64_t)x)
DEFINE_FOLD(sum_u8, uint8_t, int64_t, 0, INT_SUM)
DEFINE_FOLD(sum_i64, int64_t, int64_t, 0, INT_SUM)
DEFINE_FOLD(prod_i64, int64_t, int64_t, 1, INT_PRODUCT)
DEFINE_FOLD(prod_f32, float, float, 1, PRODUCT)
DEFINE_FOLD(prod_f64, double, double, 1, PRODUCT)

/* ---- sums and extremes of floating numbers, by vectors ---- */

/* Along a run CHAINS vectors go side by side: none waits for the one before, and no lane adds more than 4096 / CHAINS /
 * width numbers in a row. They are joined in v[0] and v[1], which take what is left, and are all of a short run: two
 * vectors at a time, filled up with `filler`, which changes no result. `step` has two vectors a and b, for the chains k
 * and k + 1, so that what it keeps of both (whether one is a NaN) takes one instruction. */
enum { CHAINS = 8 };
#define ALONG_RUN(F, T, v, filler, step, join) \
    { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        int64_t i = 0; \
        if (n >= CHAINS * W) { \
            EBB__UNROLL for (int k = 2; k < CHAINS; k++) v[k] = v[0]; \
            for (; i + CHAINS * W <= n; i += CHAINS * W) { \
                EBB__UNROLL for (int k = 0; k < CHAINS; k += 2) { \
                    const ebb__v##F a = ebb__load_##F(x + i + k * W), b = ebb__load_##F(x + i + (k + 1) * W); \
                    step; \
                } \
            } \
            EBB__UNROLL for (int k = 0; k < 4; k++) v[k] = join(v[k], v[k + 4]); \
            EBB__UNROLL for (int k = 0; k < 2; k++) v[k] = join(v[k], v[k + 2]); \
        } \
        for (; i < n; i += 2 * W) { \
            enum { k = 0 }; \
            const int64_t more = n - i - W; \
            const ebb__v##F a = ebb__load_part_##F(x + i, n - i, filler); \
            const ebb__v##F b = more > 0 ? ebb__load_part_##F(x + i + W, more, filler) : ebb__splat_##F(filler); \
            step; \
        } \
        v[0] = join(v[0], v[1]); \
    }

/* Up to EBB__LEAF_ROWS rows are put together in registers, BESIDE vectors of each row at a time: a whole run of cache
 * lines. v[k] begins as the first row's a, and `step` puts the next rows' to it. What is left of the rows goes one
 * vector at a time, the last one cut off by load_part and store_part. */
enum { BESIDE = 4 };
#define BY_ROWS(F, T, first, step, end) \
    enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
    int64_t j = 0; \
    for (; j + BESIDE * W <= n; j += BESIDE * W) ROWS_AT(F, T, BESIDE, W, first, step, end) \
    for (; j < n; j += W) ROWS_AT(F, T, 1, n - j, first, step, end)
#define ROWS_AT(F, T, vectors, left, first, step, end) \
    { \
        ebb__v##F v[vectors]; \
        ROW_AT(F, T, vectors, left, 0, v[k] = a; first) \
        for (int r = 1; r < n_rows; r++) ROW_AT(F, T, vectors, left, r, step) \
        EBB__UNROLL for (int k = 0; k < (vectors); k++) ebb__store_part_##F((T *)ret + j + k * W, left, end); \
    }
#define ROW_AT(F, T, vectors, left, r, ...) \
    EBB__UNROLL for (int k = 0; k < (vectors); k++) { \
        const ebb__v##F a = ebb__load_part_##F((const T *)rows[r] + j + k * W, left, 0); \
        if ((vectors) > 1) ebb__fetch((const T *)rows[r] + j + k * W, 1024); /* rows are in pages of their own */ \
        __VA_ARGS__; \
    }

#define ADDED(a, b) (a) + (b)
#define ITSELF(a) (a)
#define SQUARE(a) (a) * (a)
#define DEFINE_FLOATING_SUM(name, F, T, of) \
    static T name##_flat(int64_t n, const T *x) { \
        ebb__v##F sum[CHAINS] = {ebb__splat_##F(0), ebb__splat_##F(0)}; \
        ALONG_RUN(F, T, sum, 0, sum[k] += of(a); sum[k + 1] += of(b), ADDED) \
        return ebb__total_##F(sum[0]); \
    } \
    static void name##_rows(int n_rows, const char *const *rows, int64_t n, void *ret) { \
        BY_ROWS(F, T, v[k] = of(v[k]), v[k] += of(a), v[k]) \
    }
/* `beats` gives the second operand where the first is a NaN; that there was one is remembered apart. */
#define DEFINE_FLOATING_EXTREME(name, F, T, NONE, beats, across) \
    static T name##_flat(int64_t n, const T *x) { \
        const T first = x[0]; \
        ebb__v##F best[CHAINS] = {ebb__splat_##F(first), ebb__splat_##F(first)}; \
        ebb__nans_##F nans[CHAINS] = {NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE}; \
        ALONG_RUN(F, T, best, first, best[k] = beats##_##F(a, best[k]); best[k + 1] = beats##_##F(b, best[k + 1]); \
                  nans[k] = ebb__add_nans_##F(nans[k], a, b), beats##_##F) \
        nans[0] = ebb__both_nans(ebb__both_nans(nans[0], nans[2]), ebb__both_nans(nans[4], nans[6])); \
        return ebb__any_nan_##F(nans[0]) ? (T)NAN : across##_##F(best[0]); \
    } \
    static void name##_rows(int n_rows, const char *const *rows, int64_t n, void *ret) { \
        ebb__nans_##F nans[BESIDE]; \
        BY_ROWS(F, T, nans[k] = NONE, v[k] = beats##_##F(a, v[k]); \
                nans[k] = ebb__add_nans_##F(nans[k], a, a), ebb__with_nans_##F(v[k], nans[k])) \
    }

/* A run of any stride. Strided elements are brought together some at a time; the parts' results are merged. */
#define DEFINE_FLAT_RUN(name, T) \
    static void name##_run(int64_t n, const char *p, int64_t stride, void *ret) { \
        if (stride == (int64_t)sizeof(T)) { \
            *(T *)ret = name##_flat(n, (const T *)p); \
            return; \
        } \
        for (int64_t i = 0; i < n; i += GATHER) { \
            const int64_t m = n - i < GATHER ? n - i : GATHER; \
            T x[GATHER]; \
            ebb__gather(m, sizeof(T), x, p + i * stride, stride); \
            const T part = name##_flat(m, x); \
            if (i == 0) *(T *)ret = part; \
            else name##_merge(1, ret, &part); \
        } \
    }

#define DEFINE_BY_VECTORS(F, T, NONE) \
    DEFINE_MERGE(sum_##F, T, SUM) \
    DEFINE_MERGE(squares_##F, T, SUM) \
    DEFINE_MERGE(max_##F, T, MAX) \
    DEFINE_MERGE(min_##F, T, MIN) \
    DEFINE_FLOATING_SUM(sum_##F, F, T, ITSELF) \
    DEFINE_FLOATING_SUM(squares_##F, F, T, SQUARE) \
    DEFINE_FLOATING_EXTREME(max_##F, F, T, NONE, ebb__max, ebb__greatest) \
    DEFINE_FLOATING_EXTREME(min_##F, F, T, NONE, ebb__min, ebb__least) \
    DEFINE_FLAT_RUN(sum_##F, T) \
    DEFINE_FLAT_RUN(squares_##F, T) \
    DEFINE_FLAT_RUN(max_##F, T) \
    DEFINE_FLAT_RUN(min_##F, T)
DEFINE_BY_VECTORS(f32, float, EBB__NO_NANS_F32)
DEFINE_BY_VECTORS(f64, double, EBB__NO_NANS_F64)

/* ---- count, mean and squared deviations: three arrays of doubles, one after another ---- */

/* Two passes over what is in the cache: the mean, then the squared deviations from it, each in LANES sums that are
 * halved until one is left. Parts are merged by Chan, Golub and LeVeque 1979. */
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
#define BYTES(name) [EBB_BOOL] = REDUCER(name##_u8), [EBB_U8] = REDUCER(name##_u8)
#define FLOATS(name) [EBB_F32] = REDUCER(name##_f32), [EBB_F64] = REDUCER(name##_f64)
#define ALL(name) BYTES(name), [EBB_I32] = REDUCER(name##_i32), [EBB_I64] = REDUCER(name##_i64), FLOATS(name)

void EBB__ISA(ebb__init_reduce)(void) {
    static const ebb__reducer max[EBB_DTYPE_COUNT] = {ALL(max)}, min[EBB_DTYPE_COUNT] = {ALL(min)};
    memcpy(ebb__isa.max, max, sizeof max);
    memcpy(ebb__isa.min, min, sizeof min);
    static const ebb__reducer folds[EBB__FOLDS_OF_THEIR_OWN][EBB_DTYPE_COUNT] = {
        [EBB__FOLD_SUM] = {BYTES(sum), [EBB_I64] = REDUCER(sum_i64), FLOATS(sum)},
        [EBB__FOLD_PROD] = {[EBB_I64] = REDUCER(prod_i64), FLOATS(prod)},
        [EBB__FOLD_SQUARES] = {FLOATS(squares)},
    };
    memcpy(ebb__isa.fold, folds, sizeof folds);
    ebb__isa.moments[EBB_F32] = (ebb__reducer){moments_f32_run, moments_f32_rows, moments_merge};
    ebb__isa.moments[EBB_F64] = (ebb__reducer){moments_f64_run, moments_f64_rows, moments_merge};
}
