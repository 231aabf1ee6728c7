/* Softmax, log-softmax and their backward over one contiguous row, and the reduction to logarithms of sums of
 * exponentials. */
#include "kernel/vecmath.h"

#include <float.h>

/* A short last vector is filled up with -inf, whose exponential adds nothing, or with zeros. */
#define DEFINE_SOFTMAX(F, T, LOG) \
    /* A NaN may be passed over: its own exponential makes the sum NaN. */ \
    static EBB__INLINE T row_max_##F(int64_t n, const T *x) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        ebb__v##F max = ebb__load_part_##F(x, n, -(T)INFINITY); \
        for (int64_t i = W; i < n; i += W) max = ebb__max_##F(ebb__load_part_##F(x + i, n - i, -(T)INFINITY), max); \
        return ebb__greatest_##F(max); \
    } \
    static EBB__NOINLINE T sum_exp_##F(int64_t n, const T *x, T less) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const ebb__v##F max = ebb__splat_##F(less); \
        ebb__v##F sum = {0}; \
        for (int64_t i = 0; i < n; i += W) sum += ebb__exp_##F(ebb__load_part_##F(x + i, n - i, -(T)INFINITY) - max); \
        return ebb__total_##F(sum); \
    } \
    static void softmax_##F(int64_t n, const void *x_, void *y_) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const T *x = x_; \
        T *y = y_; \
        const ebb__v##F max = ebb__splat_##F(row_max_##F(n, x)); \
        ebb__v##F sum = {0}; \
        for (int64_t i = 0; i < n; i += W) { \
            const ebb__v##F e = ebb__exp_##F(ebb__load_part_##F(x + i, n - i, -(T)INFINITY) - max); \
            sum += e; \
            ebb__store_part_##F(y + i, n - i, e); \
        } \
        const ebb__v##F share = ebb__splat_##F(1 / ebb__total_##F(sum)); \
        for (int64_t i = 0; i < n; i += W) \
            ebb__store_part_##F(y + i, n - i, ebb__load_part_##F(y + i, n - i, 0) * share); \
    } \
    static void log_softmax_##F(int64_t n, const void *x_, void *y_) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const T *x = x_; \
        T *y = y_; \
        const T largest = row_max_##F(n, x); \
        const ebb__v##F max = ebb__splat_##F(largest), log_sum = ebb__splat_##F(LOG(sum_exp_##F(n, x, largest))); \
        for (int64_t i = 0; i < n; i += W) \
            ebb__store_part_##F(y + i, n - i, ebb__load_part_##F(x + i, n - i, 0) - max - log_sum); \
    } \
    static void softmax_backward_##F(int64_t n, const void *g_, const void *y_, void *dx_) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const T *g = g_, *y = y_; \
        T *dx = dx_; \
        ebb__v##F sum = {0}; \
        for (int64_t i = 0; i < n; i += W) \
            sum += ebb__load_part_##F(g + i, n - i, 0) * ebb__load_part_##F(y + i, n - i, 0); \
        const ebb__v##F all = ebb__splat_##F(ebb__total_##F(sum)); \
        for (int64_t i = 0; i < n; i += W) \
            ebb__store_part_##F(dx + i, n - i, \
                                ebb__load_part_##F(y + i, n - i, 0) * (ebb__load_part_##F(g + i, n - i, 0) - all)); \
    } \
    static void log_softmax_backward_##F(int64_t n, const void *g_, const void *y_, void *dx_) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const T *g = g_, *y = y_; \
        T *dx = dx_; \
        ebb__v##F sum = {0}; \
        for (int64_t i = 0; i < n; i += W) sum += ebb__load_part_##F(g + i, n - i, 0); \
        const ebb__v##F all = ebb__splat_##F(ebb__total_##F(sum)); \
        for (int64_t i = 0; i < n; i += W) \
            ebb__store_part_##F(dx + i, n - i, \
                                ebb__load_part_##F(g + i, n - i, 0) - \
                                    ebb__exp_##F(ebb__load_part_##F(y + i, n - i, 0)) * all); \
    }
DEFINE_SOFTMAX(f32, float, logf)
DEFINE_SOFTMAX(f64, double, log)

/* What is reduced to is the largest element and the sum of the exponentials less that, as two arrays. An infinite
 * maximum counts as the largest finite number, so that nothing is inf - inf: exponentials are 0 or inf all the same. */
#define DEFINE_LOGSUMEXP(F, T, MOST) \
    static void logsumexp_##F##_run(int64_t n, const char *p, int64_t stride, void *ret_) { \
        enum { AT_A_TIME = 512 }; \
        T *ret = ret_, buffer[AT_A_TIME], part[2]; \
        const bool flat = stride == (int64_t)sizeof(T); \
        for (int64_t m, at = 0; at < n; at += m, p += m * stride) { \
            m = flat || n - at < AT_A_TIME ? n - at : AT_A_TIME; \
            const T *x = flat ? (const T *)p : buffer; \
            if (!flat) ebb__gather(m, sizeof(T), buffer, p, stride); \
            part[0] = row_max_##F(m, x); \
            part[0] = part[0] > MOST ? MOST : part[0] < -MOST ? -MOST : part[0]; \
            part[1] = sum_exp_##F(m, x, part[0]); \
            if (at == 0) memcpy(ret, part, sizeof part); \
            else logsumexp_##F##_merge(1, ret, part); \
        } \
    } \
    static void logsumexp_##F##_rows(int n_rows, const char *const *rows, int64_t n, void *ret) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        for (int64_t j = 0; j < n; j += W) { \
            ebb__v##F max = ebb__splat_##F(-(T)INFINITY), sum = {0}; \
            for (int r = 0; r < n_rows; r++) \
                max = ebb__max_##F(ebb__load_part_##F((const T *)rows[r] + j, n - j, 0), max); \
            max = ebb__max_##F(ebb__min_##F(max, ebb__splat_##F(MOST)), ebb__splat_##F(-MOST)); \
            for (int r = 0; r < n_rows; r++) \
                sum += ebb__exp_##F(ebb__load_part_##F((const T *)rows[r] + j, n - j, 0) - max); \
            ebb__store_part_##F((T *)ret + j, n - j, max); \
            ebb__store_part_##F((T *)ret + n + j, n - j, sum); \
        } \
    }
#define DEFINE_LOGSUMEXP_MERGE(F, T) \
    static EBB__NOINLINE void logsumexp_##F##_merge(int64_t n, void *acc, const void *more) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const T *of[2] = {acc, more}; \
        for (int64_t j = 0; j < n; j += W) { \
            const ebb__v##F max = \
                ebb__max_##F(ebb__load_part_##F(of[0] + j, n - j, 0), ebb__load_part_##F(of[1] + j, n - j, 0)); \
            ebb__v##F sum = {0}; \
            for (int k = 0; k < 2; k++) \
                sum += ebb__load_part_##F(of[k] + n + j, n - j, 0) * \
                       ebb__exp_##F(ebb__load_part_##F(of[k] + j, n - j, 0) - max); \
            ebb__store_part_##F((T *)acc + j, n - j, max); \
            ebb__store_part_##F((T *)acc + n + j, n - j, sum); \
        } \
    }
DEFINE_LOGSUMEXP_MERGE(f32, float)
DEFINE_LOGSUMEXP_MERGE(f64, double)
DEFINE_LOGSUMEXP(f32, float, FLT_MAX)
DEFINE_LOGSUMEXP(f64, double, DBL_MAX)

void EBB__ISA(ebb__init_softmax)(void) {
#define SET(fn) ebb__isa.fn[EBB_F32] = fn##_f32, ebb__isa.fn[EBB_F64] = fn##_f64
    SET(softmax);
    SET(log_softmax);
    SET(softmax_backward);
    SET(log_softmax_backward);
    ebb__isa.logsumexp[EBB_F32] = (ebb__reducer){logsumexp_f32_run, logsumexp_f32_rows, logsumexp_f32_merge};
    ebb__isa.logsumexp[EBB_F64] = (ebb__reducer){logsumexp_f64_run, logsumexp_f64_rows, logsumexp_f64_merge};
}
