/* Softmax, log-softmax and their backward over one contiguous row. */
#include "kernel/vecmath.h"

/* A short last vector is filled up with -inf, whose exponential adds nothing, or with zeros. */
#define DEFINE_SOFTMAX(F, T, LOG) \
    /* A NaN may be passed over: its own exponential makes the sum NaN. */ \
    static EBB__INLINE T row_max_##F(int64_t n, const T *x) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        ebb__v##F max = ebb__load_part_##F(x, n, -(T)INFINITY); \
        for (int64_t i = W; i < n; i += W) max = ebb__max_##F(ebb__load_part_##F(x + i, n - i, -(T)INFINITY), max); \
        return ebb__greatest_##F(max); \
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
        const ebb__v##F max = ebb__splat_##F(row_max_##F(n, x)); \
        ebb__v##F sum = {0}; \
        for (int64_t i = 0; i < n; i += W) sum += ebb__exp_##F(ebb__load_part_##F(x + i, n - i, -(T)INFINITY) - max); \
        const ebb__v##F log_sum = ebb__splat_##F(LOG(ebb__total_##F(sum))); \
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

void EBB__ISA(ebb__init_softmax)(void) {
#define SET(fn) ebb__isa.fn[EBB_F32] = fn##_f32, ebb__isa.fn[EBB_F64] = fn##_f64;
    SET(softmax) SET(log_softmax) SET(softmax_backward) SET(log_softmax_backward)
}
