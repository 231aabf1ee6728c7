/* The inner functions of sum, max and min: one run of elements, a few rows side by side, and the merging of results. */
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
    static void sum_run_##F(int64_t n, const char *p, int64_t stride, void *ret) { \
        if (stride == (int64_t)sizeof(T)) { \
            *(T *)ret = flat_sum_##F(n, (const T *)p); \
            return; \
        } \
        T sum = 0, x[GATHER]; \
        for (int64_t i = 0; i < n; i += GATHER) { \
            const int64_t m = n - i < GATHER ? n - i : GATHER; \
            for (int64_t j = 0; j < m; j++) x[j] = *(const T *)(p + (i + j) * stride); \
            sum += flat_sum_##F(m, x); \
        } \
        *(T *)ret = sum; \
    }
DEFINE_SUM(f32, float)
DEFINE_SUM(f64, double)

/* ---- everything else: R accumulates T by `step`, which reads r and x ---- */
#define DEFINE_RUN(name, T, R, start, step) \
    static void name##_run(int64_t n, const char *p, int64_t stride, void *ret) { \
        enum { LANES = 32 }; \
        R lane[LANES]; \
        const T first = *(const T *)p; \
        (void)first; \
        int64_t i = 0; \
        for (int k = 0; k < LANES; k++) lane[k] = start; \
        if (stride == (int64_t)sizeof(T)) { \
            const T *xs = (const T *)p; \
            for (; i + LANES <= n; i += LANES) { \
                for (int k = 0; k < LANES; k++) { \
                    const R r = lane[k]; \
                    const T x = xs[i + k]; \
                    lane[k] = step; \
                } \
            } \
        } \
        for (; i < n; i++) { \
            const R r = lane[0]; \
            const T x = *(const T *)(p + i * stride); \
            lane[0] = step; \
        } \
        name##_merge(16, lane, lane + 16); \
        name##_merge(8, lane, lane + 8); \
        for (int k = 1; k < 8; k++) name##_merge(1, lane, lane + k); \
        *(R *)ret = lane[0]; \
    }
#define DEFINE_ROWS(name, T, R, step) \
    static void name##_rows(int n_rows, const char *const *rows, int64_t n, void *ret) { \
        R *o = ret; \
        for (int64_t j = 0; j < n; j++) o[j] = (R)((const T *)rows[0])[j]; \
        for (int row = 1; row < n_rows; row++) { \
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
#define DEFINE_REDUCER(name, T, R, start, step) \
    DEFINE_MERGE(name, R, step) \
    DEFINE_RUN(name, T, R, start, step) \
    DEFINE_ROWS(name, T, R, step)

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
    DEFINE_REDUCER(max_##S, T, T, first, max) \
    DEFINE_REDUCER(min_##S, T, T, first, min)
PLAIN(DEFINE_EXTREMES)
DEFINE_REDUCER(sum_u8, uint8_t, int64_t, 0, INT_SUM)
DEFINE_REDUCER(sum_i32, int32_t, int64_t, 0, INT_SUM)
DEFINE_REDUCER(sum_i64, int64_t, int64_t, 0, INT_SUM)
DEFINE_MERGE(sum_f32, float, SUM)
DEFINE_MERGE(sum_f64, double, SUM)

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

#define REDUCER(name) \
    { name##_run, name##_rows, name##_merge }

void EBB__ISA(ebb__init_reduce)(void) {
#define SET_EXTREMES(S, T, a, b) REDUCER(max_##S), REDUCER(min_##S),
    static const ebb__reducer extremes[] = {PLAIN(SET_EXTREMES)};
    static const ebb_dtype order[] = {EBB_BOOL, EBB_U8, EBB_I32, EBB_I64, EBB_F32, EBB_F64};
    for (int i = 0; i < 6; i++) {
        ebb__isa.max[order[i]] = extremes[2 * i];
        ebb__isa.min[order[i]] = extremes[2 * i + 1];
    }
    const ebb__reducer sums[EBB_DTYPE_COUNT] = {[EBB_BOOL] = REDUCER(sum_u8),
                                                [EBB_U8] = REDUCER(sum_u8),
                                                [EBB_I32] = REDUCER(sum_i32),
                                                [EBB_I64] = REDUCER(sum_i64),
                                                [EBB_F32] = {sum_run_f32, sum_f32_rows, sum_f32_merge},
                                                [EBB_F64] = {sum_run_f64, sum_f64_rows, sum_f64_merge}};
    memcpy(ebb__isa.sum, sums, sizeof sums);
}
