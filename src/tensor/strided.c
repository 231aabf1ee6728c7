/* Elements that lie apart, brought together and put back: every second one as vectors, others one by one. */
#include "tensor/strided.h"
#include <string.h>

#define DEFINE(T) \
    static void gather_##T(int64_t n, T *to, const char *from, int64_t stride) { \
        const T *x = (const T *)(const void *)from; \
        if (stride == 2 * (int64_t)sizeof(T)) \
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

void ebb__gather(int64_t n, size_t size, void *to, const char *from, int64_t stride) {
    switch (size) {
    case 1: gather_uint8_t(n, to, from, stride); break;
    case 2: gather_uint16_t(n, to, from, stride); break;
    case 4: gather_uint32_t(n, to, from, stride); break;
    default: gather_uint64_t(n, to, from, stride); break;
    }
}

void ebb__scatter(int64_t n, size_t size, char *to, int64_t stride, const void *from) {
    switch (size) {
    case 1: scatter_uint8_t(n, to, stride, from); break;
    case 2: scatter_uint16_t(n, to, stride, from); break;
    case 4: scatter_uint32_t(n, to, stride, from); break;
    default: scatter_uint64_t(n, to, stride, from); break;
    }
}
