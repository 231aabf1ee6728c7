/* What tests of the kernel layer on whole arrays share: instruction sets, and arrays of random numbers of any dtype. */
#ifndef EBB_TESTS_ARRAYS_H
#define EBB_TESTS_ARRAYS_H

#include "tests/check.h"

#include "base/half.h"
#include "kernel/kernel.h"

#include <math.h>

static const char *const isas[] = {"baseline", "avx2", "avx512", "avx512bf16"};
#define EACH_ISA_OF(n, i) \
    for (int i = 0; i < n; i++) \
        if (ebb__kernel_use(isas[i]))
#define EACH_ISA(i) EACH_ISA_OF(3, i)
#define EACH_PRODUCT_ISA(i) EACH_ISA_OF(4, i) /* the last has products of its own only */

static uint32_t random_state = 1;
static inline double uniform(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return (double)(random_state >> 8) / 8388608.0 - 1;
}
static inline double get(ebb_dtype dtype, const void *p, int64_t i) {
    switch (dtype) {
    case EBB_I32: return ((const int32_t *)p)[i];
    case EBB_I64: return (double)((const int64_t *)p)[i];
    case EBB_F16: return (double)ebb__f16_to_float(((const uint16_t *)p)[i]);
    case EBB_BF16: return (double)ebb__bf16_to_float(((const uint16_t *)p)[i]);
    case EBB_F32: return (double)((const float *)p)[i];
    case EBB_F64: return ((const double *)p)[i];
    default: return ((const uint8_t *)p)[i];
    }
}
static inline void put(ebb_dtype dtype, void *p, int64_t i, double x) {
    switch (dtype) {
    case EBB_I32: ((int32_t *)p)[i] = (int32_t)(x * 100); break;
    case EBB_I64: ((int64_t *)p)[i] = (int64_t)(x * 100); break;
    case EBB_F16: ((uint16_t *)p)[i] = ebb__f16_of_float((float)x); break;
    case EBB_BF16: ((uint16_t *)p)[i] = ebb__bf16_of_float((float)x); break;
    case EBB_F32: ((float *)p)[i] = (float)x; break;
    case EBB_F64: ((double *)p)[i] = x; break;
    case EBB_U8: ((uint8_t *)p)[i] = (uint8_t)(int)(fabs(x) * 200); break;
    default: ((uint8_t *)p)[i] = x > 0; break;
    }
}
static inline double epsilon(ebb_dtype dtype) { return dtype == EBB_F32 ? 0x1p-24 : dtype == EBB_F64 ? 0x1p-53 : 0; }
static inline void *random_array(ebb_dtype dtype, int64_t n) {
    void *p = calloc((size_t)n + 1, 8);
    if (!p) abort();
    for (int64_t i = 0; i < n; i++) put(dtype, p, i, uniform());
    return p;
}

#endif
