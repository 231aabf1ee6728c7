/* Resampling along one dimension, and its transpose. */
#include "kernel/resample.h"

#include "base/base.h"
#include <string.h>

enum { PIECE_WORK = 1 << 15 };

struct job {
    const ebb__resample *r;
    const char *from;
    char *to;
    int64_t repeats; /* of copies: every input is taken so many times in turn; 0 where not */
};

/* ---- copies: nearest neighbours ---- */

#define PICK(bits) \
    static void pick_##bits(int64_t n, const int64_t *index, const void *from, void *to) { \
        const uint##bits##_t *x = from; \
        uint##bits##_t *y = to; \
        for (int64_t i = 0; i < n; i++) y[i] = x[index[i]]; \
    } \
    static void twice_##bits(int64_t n, const int64_t *index, const void *from, void *to) { \
        const uint##bits##_t *x = from; \
        uint##bits##_t *y = to; \
        (void)index; \
        for (int64_t i = 0; i < n / 2; i++) y[2 * i] = y[2 * i + 1] = x[i]; \
    }
PICK(8)
PICK(32)
PICK(64)

static void copy(void *context, int64_t first, int64_t last) {
    const struct job *j = context;
    const ebb__resample *r = j->r;
    const int64_t size = (int64_t)ebb_dtype_size(r->dtype), row = r->inner * size;
    void (*pick)(int64_t, const int64_t *, const void *, void *) = size == 4 ? pick_32 : size == 8 ? pick_64 : pick_8;
    if (j->repeats == 2) pick = size == 4 ? twice_32 : size == 8 ? twice_64 : twice_8;
    for (int64_t o = first; o < last; o++) {
        const char *x = j->from + o * r->in * row;
        char *y = j->to + o * r->out * row;
        if (r->inner == 1) pick(r->out, r->index, x, y);
        else
            for (int64_t i = 0; i < r->out; i++) memcpy(y + i * row, x + r->index[i] * row, (size_t)row);
    }
}

/* ---- weighted sums ---- */

#define RESAMPLE(T, type) \
    /* y[i] = sum_t w[t] x[t][i] for rows of n elements, of 2 or 4 taps */ \
    static void mix_##T(int taps, int64_t n, const type *const *x, const double *w, type *restrict y) { \
        const type *restrict a = x[0], *restrict b = x[taps - 1]; \
        const type wa = (type)w[0], wb = (type)w[taps - 1]; \
        if (taps == 2) \
            for (int64_t i = 0; i < n; i++) y[i] = wa * a[i] + wb * b[i]; \
        else { \
            const type *restrict c = x[1], *restrict d = x[2]; \
            const type wc = (type)w[1], wd = (type)w[2]; \
            for (int64_t i = 0; i < n; i++) y[i] = wa * a[i] + wc * c[i] + wd * d[i] + wb * b[i]; \
        } \
    } \
    /* the same of any number of taps */ \
    static void sum_##T(int taps, int64_t n, const type *x, const int64_t *index, const double *w, type *restrict y) { \
        memset(y, 0, (size_t)n * sizeof *y); \
        for (int t = 0; t < taps; t++) { \
            const type *restrict row = x + index[t] * n, weight = (type)w[t]; \
            for (int64_t i = 0; i < n && weight != 0; i++) y[i] += weight * row[i]; \
        } \
    } \
    /* the same of single elements, some rows at once, so that each weight is converted once for all */ \
    static void mix_rows_##T(const ebb__resample *r, int64_t rows, const type *x, type *y) { \
        const int taps = r->taps; \
        for (int64_t i = 0; i < r->out; i++) { \
            const double *w = r->weight + i * taps; \
            const int64_t *index = r->index + i * taps; \
            for (int64_t o = 0; o < rows; o++) y[o * r->out + i] = (type)w[0] * x[o * r->in + index[0]]; \
            for (int t = 1; t < taps; t++) { \
                const type weight = (type)w[t]; \
                for (int64_t o = 0; o < rows; o++) y[o * r->out + i] += weight * x[o * r->in + index[t]]; \
            } \
        } \
    } \
    static void forward_##T(void *context, int64_t first, int64_t last) { \
        enum { ROWS = 8 }; \
        const struct job *j = context; \
        const ebb__resample *r = j->r; \
        const int taps = r->taps; \
        for (; r->inner == 1 && first < last; first += ROWS) \
            mix_rows_##T(r, last - first < ROWS ? last - first : ROWS, \
                         (const type *)(const void *)j->from + first * r->in, (type *)(void *)j->to + first * r->out); \
        for (int64_t o = first; o < last; o++) { \
            const type *x = (const type *)(const void *)j->from + o * r->in * r->inner; \
            type *y = (type *)(void *)j->to + o * r->out * r->inner; \
            for (int64_t i = 0; i < r->out; i++, y += r->inner) { \
                const double *w = r->weight + i * taps; \
                const int64_t *index = r->index + i * taps; \
                const type *row[4] = {x, x, x, x}; \
                if (taps != 2 && taps != 4) { \
                    sum_##T(taps, r->inner, x, index, w, y); \
                } else { \
                    for (int t = 0; t < taps; t++) row[t] = x + index[t] * r->inner; \
                    mix_##T(taps, r->inner, row, w, y); \
                } \
            } \
        } \
    } \
    static void sum_repeats_##T(int64_t n, int64_t inner, int64_t repeats, const type *restrict y, type *restrict x) { \
        if (inner == 1 && repeats == 2) \
            for (int64_t i = 0; i < n; i++) x[i] = y[2 * i] + y[2 * i + 1]; \
        else \
            for (int64_t i = 0; i < n; i++, x += inner) { \
                for (int64_t e = 0; e < inner; e++) x[e] = y[e]; \
                y += inner; \
                for (int64_t k = 1; k < repeats; k++, y += inner) \
                    for (int64_t e = 0; e < inner; e++) x[e] += y[e]; \
            } \
    } \
    static void backward_##T(void *context, int64_t first, int64_t last) { \
        const struct job *j = context; \
        const ebb__resample *r = j->r; \
        for (int64_t o = first; o < last; o++) { \
            const type *y = (const type *)(const void *)j->from + o * r->out * r->inner; \
            type *x = (type *)(void *)j->to + o * r->in * r->inner; \
            if (j->repeats) { \
                sum_repeats_##T(r->in, r->inner, j->repeats, y, x); \
                continue; \
            } \
            memset(x, 0, (size_t)(r->in * r->inner) * sizeof *x); \
            for (int64_t i = 0; i < r->out; i++, y += r->inner) \
                for (int64_t k = i * r->taps; k < (i + 1) * r->taps; k++) { \
                    const type w = r->weight ? (type)r->weight[k] : 1, *restrict from = y; \
                    type *restrict to = x + r->index[k] * r->inner; \
                    if (r->inner == 1) *to += w * *from; \
                    else \
                        for (int64_t e = 0; e < r->inner; e++) to[e] += w * from[e]; \
                } \
        } \
    }
RESAMPLE(f32, float)
RESAMPLE(f64, double)

/* Bytes, with whole weights: rounded, and kept in range. */
static void forward_u8(void *context, int64_t first, int64_t last) {
    const struct job *j = context;
    const ebb__resample *r = j->r;
    for (int64_t o = first; o < last; o++) {
        const uint8_t *x = (const uint8_t *)j->from + o * r->in * r->inner;
        uint8_t *y = (uint8_t *)j->to + o * r->out * r->inner;
        for (int64_t i = 0; i < r->out; i++)
            for (int64_t e = 0; e < r->inner; e++) {
                int64_t sum = (int64_t)1 << r->precision >> 1;
                for (int64_t k = i * r->taps; k < (i + 1) * r->taps; k++)
                    sum += (int64_t)r->weight[k] * x[r->index[k] * r->inner + e];
                sum = sum < 0 ? 0 : sum >> r->precision;
                *y++ = (uint8_t)(sum > 255 ? 255 : sum);
            }
    }
}

static int64_t repeats(const ebb__resample *r) {
    const int64_t times = r->weight || r->in == 0 || r->out % r->in ? 0 : r->out / r->in;
    for (int64_t i = 0; times && i < r->out; i++)
        if (r->index[i] != i / times) return 0;
    return times;
}

static void run(const ebb__resample *r, const void *from, void *to, void (*body)(void *, int64_t, int64_t)) {
    struct job j = {r, from, to, repeats(r)};
    ebb__parallel_for(r->outer, PIECE_WORK / ((r->in + r->out * r->taps) * r->inner + 1) + 1, body, &j);
}

void ebb__resample_forward(const ebb__resample *r, const void *x, void *y) {
    run(r, x, y, !r->weight ? copy : r->dtype == EBB_U8 ? forward_u8 : r->dtype == EBB_F32 ? forward_f32 : forward_f64);
}

void ebb__resample_backward(const ebb__resample *r, const void *y, void *x) {
    run(r, y, x, r->dtype == EBB_F32 ? backward_f32 : backward_f64);
}
