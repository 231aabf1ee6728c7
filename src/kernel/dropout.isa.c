/* Random words, many at a time: the generator of base/rng.c (Philox 4x32-10, Salmon et al. 2011) with a lane for each
 * block, in loops that compilers turn into vectors. */
#include "kernel/vec.h"

#define LANES EBB__PHILOX_LANES

static void philox(uint64_t seed, uint64_t block, uint32_t *ret_words) {
    uint32_t x0[LANES], x1[LANES], x2[LANES] = {0}, x3[LANES] = {0};
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int i = 0; i < LANES; i++) {
        x0[i] = (uint32_t)(block + (uint64_t)i);
        x1[i] = (uint32_t)((block + (uint64_t)i) >> 32);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < LANES; i++) {
            const uint64_t p0 = (uint64_t)UINT32_C(0xD2511F53) * x0[i], p1 = (uint64_t)UINT32_C(0xCD9E8D57) * x2[i];
            x0[i] = (uint32_t)(p1 >> 32) ^ x1[i] ^ k0;
            x1[i] = (uint32_t)p1;
            x2[i] = (uint32_t)(p0 >> 32) ^ x3[i] ^ k1;
            x3[i] = (uint32_t)p0;
        }
        k0 += UINT32_C(0x9E3779B9);
        k1 += UINT32_C(0xBB67AE85);
    }
    memcpy(ret_words, x0, sizeof x0);
    memcpy(ret_words + LANES, x1, sizeof x1);
    memcpy(ret_words + 2 * LANES, x2, sizeof x2);
    memcpy(ret_words + 3 * LANES, x3, sizeof x3);
}

/* y = x scale or 0 (NaN stays), by whether a word is at least `least`. */
#define DEFINE_DROP(F, T) \
    static void drop_##F(int64_t n, const uint32_t *words, uint32_t least, double scale, const void *x_, void *y_, \
                         uint8_t *mask) { \
        const T *x = x_; \
        T *y = y_; \
        const T s = (T)scale; \
        EBB__IVDEP for (int64_t i = 0; i < n; i++) { \
            mask[i] = words[i] >= least; \
            y[i] = x[i] * (words[i] >= least ? s : 0); \
        } \
    } \
    static void undrop_##F(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        const T s = (T) * (const double *)param; \
        if (stride[0] == (int64_t)sizeof(T) && stride[1] == (int64_t)sizeof(T) && stride[2] == 1) { \
            T *y = (T *)p[0]; \
            const T *g = (const T *)p[1]; \
            const uint8_t *mask = (const uint8_t *)p[2]; \
            EBB__IVDEP for (int64_t i = 0; i < n; i++) y[i] = g[i] * (mask[i] ? s : 0); \
        } else { \
            for (int64_t i = 0; i < n; i++) \
                *(T *)(p[0] + i * stride[0]) = \
                    *(const T *)(p[1] + i * stride[1]) * (*(const uint8_t *)(p[2] + i * stride[2]) ? s : 0); \
        } \
    }
DEFINE_DROP(f32, float)
DEFINE_DROP(f64, double)

void EBB__ISA(ebb__init_dropout)(void) {
    ebb__isa.philox = philox;
    ebb__isa.drop[EBB_F32] = drop_f32;
    ebb__isa.drop[EBB_F64] = drop_f64;
    ebb__loops_masked_scale[EBB_F32] = undrop_f32;
    ebb__loops_masked_scale[EBB_F64] = undrop_f64;
}
