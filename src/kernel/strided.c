/* Elementwise loops over elements that lie apart: brought together in a buffer, and put back. */
#include "kernel/isa.h"

#define DEFINE(T) \
    static void gather_##T(int64_t n, T *to, const char *from, int64_t stride) { \
        const T *x = (const T *)(const void *)from; \
        if (stride == 2 * (int64_t)sizeof(T)) /* vectors, and every second element of them */ \
            for (int64_t i = 0; i < n; i++) to[i] = x[2 * i]; \
        else \
            for (int64_t i = 0; i < n; i++) to[i] = *(const T *)(const void *)(from + i * stride); \
    } \
    static void scatter_##T(int64_t n, char *to, int64_t stride, const T *from) { \
        for (int64_t i = 0; i < n; i++) *(T *)(void *)(to + i * stride) = from[i]; \
    }
DEFINE(uint8_t)
DEFINE(uint16_t)
DEFINE(uint32_t)
DEFINE(uint64_t)

void ebb__gather(int64_t n, int bytes, void *to, const char *from, int64_t stride) {
    switch (bytes) {
    case 1: gather_uint8_t(n, to, from, stride); break;
    case 2: gather_uint16_t(n, to, from, stride); break;
    case 4: gather_uint32_t(n, to, from, stride); break;
    default: gather_uint64_t(n, to, from, stride); break;
    }
}

static void scatter(int64_t n, int bytes, char *to, int64_t stride, const void *from) {
    switch (bytes) {
    case 1: scatter_uint8_t(n, to, stride, from); break;
    case 2: scatter_uint16_t(n, to, stride, from); break;
    case 4: scatter_uint32_t(n, to, stride, from); break;
    default: scatter_uint64_t(n, to, stride, from); break;
    }
}

void ebb__strided(int64_t n, char *const *p, const int64_t *stride, const void *param, ebb__loop loop, uint32_t sizes) {
    enum { SOME = 256, MOST = 4 };
    _Alignas(64) char buffer[MOST][SOME * 8];
    int bytes[MOST];
    int64_t steps[MOST];
    bool apart[MOST], repeated[MOST];
    char *at[MOST];
    const int64_t most = n < SOME ? n : SOME;
    for (int k = 0; k < MOST; k++) {
        bytes[k] = sizes >> 8 * k & 255;
        steps[k] = bytes[k];
        apart[k] = bytes[k] > 0 && stride[k] != bytes[k];
        repeated[k] = apart[k] && k > 0 && stride[k] == 0;
        at[k] = apart[k] ? buffer[k] : NULL;
        if (repeated[k]) ebb__gather(most, bytes[k], buffer[k], p[k], 0);
    }
    for (int64_t i = 0; i < n; i += SOME) {
        const int64_t m = n - i < SOME ? n - i : SOME;
        for (int k = 0; k < MOST && bytes[k] > 0; k++) {
            if (!apart[k]) at[k] = p[k] + i * stride[k];
            else if (k > 0 && !repeated[k]) ebb__gather(m, bytes[k], buffer[k], p[k] + i * stride[k], stride[k]);
        }
        loop(m, at, steps, param);
        if (apart[0]) scatter(m, bytes[0], p[0] + i * stride[0], stride[0], buffer[0]);
    }
}
