/* Single elements of the 16-bit floating dtypes: IEEE 754's binary16 and bfloat16, the upper half of a float. Written
 * so that loops over them are vectorized. Rounding is to nearest, ties to even; NaN stays NaN. */
#ifndef EBB_BASE_HALF_H
#define EBB_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float ebb__float_of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t ebb__bits_of_float(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline float ebb__bf16_to_float(uint16_t h) { return ebb__float_of_bits((uint32_t)h << 16); }

static inline uint16_t ebb__bf16_of_float(float f) {
    uint32_t bits = ebb__bits_of_float(f), rounded = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
}

/* The exponent, and with it the value, is too small by 112: a product with 2^112 mends both normal and subnormal
 * numbers; infinity and NaN have an exponent of their own. */
static inline float ebb__f16_to_float(uint16_t h) {
    uint32_t size = h & 0x7fffu, sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t bits = ebb__bits_of_float(ebb__float_of_bits(size << 13) * 0x1p112f);
    bits |= size >= 0x7c00u ? 0x7f800000u : 0;
    return ebb__float_of_bits(bits | sign);
}

/* Subnormal results are rounded by an addition: in 0.5 + x, units of the last place are those of the result. 65520 and
 * above becomes infinity, the largest; NaN is infinity with one more bit. */
static inline uint16_t ebb__f16_of_float(float f) {
    uint32_t bits = ebb__bits_of_float(f), size = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
    uint32_t normal = (size - (112u << 23) + 0xfffu + (size >> 13 & 1)) >> 13;
    uint32_t tiny = ebb__bits_of_float(ebb__float_of_bits(size) + 0.5f) - 0x3f000000u;
    normal = normal < 0x7c00u ? normal : 0x7c00u;
    uint32_t h = size < 0x38800000u ? tiny : normal, nan = (uint32_t)(size > 0x7f800000u) << 9;
    return (uint16_t)(h | nan | sign);
}

#endif
