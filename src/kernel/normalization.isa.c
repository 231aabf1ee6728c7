/* What normalizations do along one contiguous run: sums, sums of squares and products, and the affine maps that write
 * the result. Sums are over blocks whose totals are added up in double, so that they stay accurate for any length. */
#include "kernel/vec.h"

enum { BLOCK = 1024, CHAINS = 4 };

/* For each block of [0, n): `begin`; then for each vector of it, at `at` with `left` elements left, the last arguments,
 * with k telling which chain of additions is next, a constant, so that chains stay in registers; then `end`. */
#define BLOCKS(F, T, begin, end, ...) \
    enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
    for (int64_t block = 0; block < n; block += BLOCK) { \
        const int64_t last = n - block < BLOCK ? n : block + BLOCK; \
        int64_t i = block; \
        begin; \
        for (; i + CHAINS * W <= last; i += CHAINS * W) { \
            EBB__UNROLL for (int k = 0; k < CHAINS; k++) { \
                const int64_t at = i + k * W, left = W; \
                __VA_ARGS__; \
            } \
        } \
        for (; i < last; i += W) { \
            enum { k = 0 }; \
            const int64_t at = i, left = last - i; \
            __VA_ARGS__; \
        } \
        end; \
    }

#define LOAD(F, p) ebb__load_part_##F((p) + at, left, 0)

#define DEFINE_NORM(F, T) \
    static EBB__INLINE double all_##F(const ebb__v##F *v) { \
        return (double)ebb__total_##F((v[0] + v[1]) + (v[2] + v[3])); \
    } \
    static double sum_##F(int64_t n, const void *x_) { \
        const T *x = x_; \
        double total = 0; \
        BLOCKS(F, T, ebb__v##F s[CHAINS] = {{0}}, total += all_##F(s), s[k] += LOAD(F, x)) \
        return total; \
    } \
    static double squares_##F(int64_t n, const void *x_, double mean_) { \
        const T *x = x_; \
        const T mean = (T)mean_; \
        const ebb__v##F m = ebb__splat_##F(mean); \
        double total = 0; \
        BLOCKS(F, T, ebb__v##F s[CHAINS] = {{0}}, total += all_##F(s), \
               const ebb__v##F d = ebb__load_part_##F(x + at, left, mean) - m; \
               s[k] = ebb__fma_##F(d, d, s[k])) \
        return total; \
    } \
    static void products_##F(int64_t n, const void *g_, const void *x_, const void *w_, double mean, double ret[2]) { \
        const T *g = g_, *x = x_, *w = w_; \
        const ebb__v##F m = ebb__splat_##F((T)mean); \
        ret[0] = ret[1] = 0; \
        BLOCKS(F, T, ebb__v##F s[CHAINS] = {{0}}; ebb__v##F d[CHAINS] = {{0}}, ret[0] += all_##F(s); \
               ret[1] += all_##F(d), const ebb__v##F u = w ? LOAD(F, g) * LOAD(F, w) : LOAD(F, g); s[k] += u; \
               d[k] = ebb__fma_##F(u, LOAD(F, x) - m, d[k])) \
    } \
    static void scale_##F(int64_t n, const void *x_, const void *w_, const void *b_, double mean, double scale, \
                          double shift, void *y_) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const int64_t next = n * (int64_t)sizeof(T); /* a run behind this one: memory is idle meanwhile */ \
        const T *x = x_, *w = w_, *b = b_; \
        T *y = y_; \
        const ebb__v##F m = ebb__splat_##F((T)mean), s = ebb__splat_##F((T)scale), c = ebb__splat_##F((T)shift); \
        for (int64_t at = 0; at < n; at += W) { \
            const int64_t left = n - at; \
            ebb__fetch(x + at, next); \
            ebb__v##F v = (LOAD(F, x) - m) * s; \
            if (w) v *= LOAD(F, w); \
            v += b ? LOAD(F, b) : c; \
            ebb__store_part_##F(y + at, left, v); \
        } \
    } \
    static void slope_##F(int64_t n, const void *g_, const void *x_, const void *w_, double mean, double of_g, \
                          double of_x, double shift, void *dx_) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const int64_t next = n * (int64_t)sizeof(T); \
        const T *g = g_, *x = x_, *w = w_; \
        T *dx = dx_; \
        const ebb__v##F m = ebb__splat_##F((T)mean), a = ebb__splat_##F((T)of_g), b = ebb__splat_##F((T)of_x), \
                        c = ebb__splat_##F((T)shift); \
        for (int64_t at = 0; at < n; at += W) { \
            const int64_t left = n - at; \
            ebb__fetch(x + at, next), ebb__fetch(g + at, next); \
            ebb__v##F u = LOAD(F, g); \
            if (w) u *= LOAD(F, w); \
            ebb__store_part_##F(dx + at, left, ebb__fma_##F(u, a, ebb__fma_##F(LOAD(F, x) - m, b, c))); \
        } \
    } \
    static void weigh_##F(int64_t n, const void *g_, const void *x_, double mean, double scale, void *dw_, \
                          void *db_) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const T *g = g_, *x = x_; \
        T *dw = dw_, *db = db_; \
        const ebb__v##F m = ebb__splat_##F((T)mean), s = ebb__splat_##F((T)scale); \
        for (int64_t at = 0; at < n; at += W) { \
            const int64_t left = n - at; \
            const ebb__v##F u = LOAD(F, g); \
            if (dw) ebb__store_part_##F(dw + at, left, LOAD(F, dw) + u * ((LOAD(F, x) - m) * s)); \
            if (db) ebb__store_part_##F(db + at, left, LOAD(F, db) + u); \
        } \
    }
DEFINE_NORM(f32, float)
DEFINE_NORM(f64, double)

void EBB__ISA(ebb__init_norm)(void) {
#define SET(F, dtype) \
    ebb__isa.norm[dtype] = (ebb__norm_runs){sum_##F, squares_##F, products_##F, scale_##F, slope_##F, weigh_##F};
    SET(f32, EBB_F32)
    SET(f64, EBB_F64)
}
