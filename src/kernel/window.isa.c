/* What windows over images read and write, in float32 and whole vectors, a row of outputs at a time: rows of columns
 * (im2col.c) and back, and maxima (pool.c). */
#include "kernel/vec.h"

enum { W = EBB__W_F32 };

/* n >= 1 elements, or as many as there are in a vector, `stride` apart; the rest is 0. */
static EBB__INLINE ebb__vf32 load(const float *x, int64_t n, int64_t stride) {
    if (stride == 1) return ebb__load_part_f32(x, n, 0);
    if (n > W) n = W;
#if EBB__ISA_LEVEL > 0
    if (stride == 2) { /* no element behind the last is read */
        const ebb__vf32 low = ebb__load_part_f32(x, 2 * n - 1, 0);
        return ebb__evens_f32(low, 2 * n - 1 > W ? ebb__load_part_f32(x + W, 2 * n - 1 - W, 0) : (ebb__vf32){0});
    }
#endif
    float a[W] = {0};
    for (int64_t j = 0; j < n; j++) a[j] = x[j * stride];
    return ebb__load_f32(a);
}

static void unfold(int64_t rows, int64_t left, int64_t n, int64_t right, const float *from, int64_t from_row,
                   int64_t stride, float *to) {
    for (; rows > 0; rows--, from += from_row) {
        for (int64_t i = 0; i < left; i++) *to++ = 0;
        for (int64_t i = 0; i < n; i += W) ebb__store_part_f32(to + i, n - i, load(from + i * stride, n - i, stride));
        to += n;
        for (int64_t i = 0; i < right; i++) *to++ = 0;
    }
}

static void fold(int64_t rows, int64_t n, const float *from, int64_t from_row, float *to, int64_t to_row,
                 int64_t stride) {
    for (; rows > 0; rows--, from += from_row, to += to_row) {
        if (stride != 1)
            for (int64_t i = 0; i < n; i++) to[i * stride] += from[i];
        else
            for (int64_t i = 0; i < n; i += W)
                ebb__store_part_f32(to + i, n - i,
                                    ebb__load_part_f32(to + i, n - i, 0) + ebb__load_part_f32(from + i, n - i, 0));
    }
}

static EBB__INLINE ebb__vf32 number(int32_t bits) { return ebb__of_bits_f32((ebb__vi32){0} + bits); }

/* The places of the taps go along as the bits of numbers. A NaN is taken whatever was there. */
static void maxima(int64_t n, const float *x, int64_t stride, int64_t n_taps, const int32_t *taps, int64_t place,
                   float *y, int64_t *index) {
    for (int64_t i = 0; i < n; i += W, x += W * stride) {
        const int64_t count = n - i < W ? n - i : W;
        ebb__vf32 best = load(x + taps[0], count, stride), at = number(taps[0]);
        for (int64_t t = 1; t < n_taps; t++) {
            const ebb__vf32 v = load(x + taps[t], count, stride), here = number(taps[t]);
            const ebb__mask_f32 greater = ebb__less_f32(best, v), none = ebb__unordered_f32(v);
            best = ebb__pick_f32(none, v, ebb__pick_f32(greater, v, best));
            at = ebb__pick_f32(none, here, ebb__pick_f32(greater, here, at));
        }
        ebb__store_part_f32(y + i, count, best);
        int32_t tap[W];
        memcpy(tap, &at, sizeof tap);
        for (int64_t j = 0; j < count; j++) index[i + j] = place + (i + j) * stride + tap[j];
    }
}

void EBB__ISA(ebb__init_window)(void) { ebb__isa.window = (ebb__window_rows){unfold, fold, maxima}; }
