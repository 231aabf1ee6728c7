/* Small transpositions, of elements that are only moved. */
#ifndef EBB_BASE_TURN_H
#define EBB_BASE_TURN_H

#include <stddef.h>
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Of elements of 4 bytes all rows but the last few, 4 x 4 at a time; how many that are. */
static inline int64_t ebb__turn_by_4(int64_t rows, int64_t columns, char *to, int64_t to_stride, const char *from,
                                     int64_t from_stride) {
    int64_t i = 0;
#if defined(__SSE2__)
    for (; i + 4 <= rows; i += 4, to += 4 * to_stride, from += 16) {
        const float *x = (const float *)(const void *)from;
        const int64_t step = from_stride / 4;
        int64_t j = 0;
        for (; j + 4 <= columns; j += 4) {
            const float *at = x + j * step;
            __m128 a = _mm_loadu_ps(at), b = _mm_loadu_ps(at + step);
            __m128 c = _mm_loadu_ps(at + 2 * step), d = _mm_loadu_ps(at + 3 * step);
            _MM_TRANSPOSE4_PS(a, b, c, d);
            float *y = (float *)(void *)to + j;
            _mm_storeu_ps(y, a);
            _mm_storeu_ps((float *)(void *)((char *)y + to_stride), b);
            _mm_storeu_ps((float *)(void *)((char *)y + 2 * to_stride), c);
            _mm_storeu_ps((float *)(void *)((char *)y + 3 * to_stride), d);
        }
        for (; j < columns; j++)
            for (int64_t k = 0; k < 4; k++)
                ((uint32_t *)(void *)(to + k * to_stride))[j] = ((const uint32_t *)(const void *)(x + j * step))[k];
    }
#else
    (void)rows, (void)columns, (void)to, (void)to_stride, (void)from, (void)from_stride;
#endif
    return i;
}

#define EBB__DEFINE_TURN(T) \
    static inline void ebb__turn_##T(int64_t rows, int64_t columns, char *to, int64_t to_stride, const char *from, \
                                     int64_t from_stride) { \
        const int64_t done = sizeof(T) == 4 ? ebb__turn_by_4(rows, columns, to, to_stride, from, from_stride) : 0; \
        for (int64_t j = 0; j < columns; j++) \
            for (int64_t i = done; i < rows; i++) \
                *(T *)(void *)(to + i * to_stride + j * (int64_t)sizeof(T)) = \
                    ((const T *)(const void *)(from + j * from_stride))[i]; \
    }
EBB__DEFINE_TURN(uint8_t)
EBB__DEFINE_TURN(uint16_t)
EBB__DEFINE_TURN(uint32_t)
EBB__DEFINE_TURN(uint64_t)
#undef EBB__DEFINE_TURN

/* to[i][j] = from[j][i] for elements of `size` bytes, i below rows and j below columns; both are contiguous in their
 * second index, and strides are in bytes. */
static inline void ebb__turn(size_t size, int64_t rows, int64_t columns, void *to, int64_t to_stride, const void *from,
                             int64_t from_stride) {
    enum { SOME = 8 }; /* lines of `from` at a time: so many stay in the cache, wherever they lie */
    for (int64_t j = 0; j < columns; j += SOME) {
        const int64_t n = columns - j < SOME ? columns - j : SOME;
        char *y = (char *)to + j * (int64_t)size;
        const char *x = (const char *)from + j * from_stride;
        switch (size) {
        case 1: ebb__turn_uint8_t(rows, n, y, to_stride, x, from_stride); break;
        case 2: ebb__turn_uint16_t(rows, n, y, to_stride, x, from_stride); break;
        case 4: ebb__turn_uint32_t(rows, n, y, to_stride, x, from_stride); break;
        default: ebb__turn_uint64_t(rows, n, y, to_stride, x, from_stride); break;
        }
    }
}

#endif
