/* The middle element of each row of an array, found by partial sorting (Hoare 1961, with three parts). */
#include "base/base.h"
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

enum { GRAIN = 1 << 12 };

struct median {
    void (*row)(const struct median *m, int64_t row);
    int64_t n;
    const void *x;
    void *work, *values;
    int64_t *index;
    bool skip_nan;
};

/* Moves the NaNs of w[0, n) behind the numbers and returns how many numbers there are. Then w[k] of the sorted row:
 * each round keeps the part that k lies in. The pivot is the median of three, from places that no simple pattern
 * meets. */
#define DEFINE_MEDIAN(S, T) \
    static int64_t numbers_##S(T *w, int64_t n) { \
        int64_t m = 0; \
        for (int64_t i = 0; i < n; i++) { \
            const T v = w[i]; \
            if (v != v) continue; \
            w[i] = w[m]; \
            w[m++] = v; \
        } \
        return m; \
    } \
    static T middle_##S(T a, T b, T c) { return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b); } \
    static T kth_##S(T *w, int64_t n, int64_t k) { \
        int64_t low = 0, high = n; \
        uint64_t random = 0x9e3779b97f4a7c15u; \
        while (high - low > 1) { \
            const uint64_t size = (uint64_t)(high - low); \
            T picked[3]; \
            for (int i = 0; i < 3; i++) { \
                random = random * 6364136223846793005u + 1442695040888963407u; \
                picked[i] = w[low + (int64_t)((random >> 33) % size)]; \
            } \
            const T pivot = middle_##S(picked[0], picked[1], picked[2]); \
            int64_t below = low, above = high, i = low; \
            while (i < above) { \
                const T v = w[i]; \
                if (v < pivot) { \
                    w[i++] = w[below]; \
                    w[below++] = v; \
                } else if (v > pivot) { \
                    w[i] = w[--above]; \
                    w[above] = v; \
                } else { \
                    i++; \
                } \
            } \
            if (k >= below && k < above) return pivot; \
            if (k < below) high = below; \
            else low = above; \
        } \
        return w[low]; \
    } \
    static void median_##S(const struct median *m, int64_t row) { \
        const T *x = (const T *)m->x + row * m->n; \
        T *w = (T *)m->work + row * m->n, *value = (T *)m->values + row; \
        memcpy(w, x, (size_t)m->n * sizeof(T)); \
        const int64_t numbers = numbers_##S(w, m->n); \
        int64_t i = 0; \
        if (numbers == 0 || (numbers < m->n && !m->skip_nan)) { \
            while (x[i] == x[i]) i++; \
            *value = x[i]; \
        } else { \
            *value = kth_##S(w, numbers, (numbers - 1) / 2); \
            while (!(x[i] == *value)) i++; \
        } \
        m->index[row] = i; \
    }
DEFINE_MEDIAN(u8, uint8_t)
DEFINE_MEDIAN(i32, int32_t)
DEFINE_MEDIAN(i64, int64_t)
DEFINE_MEDIAN(f32, float)
DEFINE_MEDIAN(f64, double)

static void body(void *context, int64_t first, int64_t last) {
    const struct median *m = context;
    for (; first < last; first++) m->row(m, first);
}

ebb_status ebb__median(ebb_dtype dtype, int64_t rows, int64_t n, const void *x, void *work, bool skip_nan, void *values,
                       int64_t *index) {
    static void (*const medians[EBB_DTYPE_COUNT])(const struct median *, int64_t) = {
        [EBB_U8] = median_u8,   [EBB_I32] = median_i32, [EBB_I64] = median_i64,
        [EBB_F32] = median_f32, [EBB_F64] = median_f64,
    };
    struct median m = {.row = medians[dtype], .n = n, .x = x, .work = work, .values = values, .index = index};
    m.skip_nan = skip_nan;
    if (!m.row) return ebb_fail(EBB_ERR_DTYPE, "not defined for %s", ebb_dtype_name(dtype));
    ebb__parallel_for(rows, GRAIN / n + 1, body, &m);
    return EBB_OK;
}
