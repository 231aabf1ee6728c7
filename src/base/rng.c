/* Random numbers: the counter-based generator Philox 4x32-10 of J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel
 * random numbers: as easy as 1, 2, 3", SC 2011. Its constants are those of the authors' Random123 library. */
#include "base/base.h"

enum { PHILOX_ROUNDS = 10 };

void ebb__philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_words[4]) {
    uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)UINT32_C(0xD2511F53) * x0;
        uint64_t p1 = (uint64_t)UINT32_C(0xCD9E8D57) * x2;
        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)p1;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)p0;
        k0 += UINT32_C(0x9E3779B9);
        k1 += UINT32_C(0xBB67AE85);
    }
    ret_words[0] = x0;
    ret_words[1] = x1;
    ret_words[2] = x2;
    ret_words[3] = x3;
}

void ebb__philox(uint64_t seed, uint64_t block, uint32_t ret_words[4]) {
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    ebb__philox4x32(counter, key, ret_words);
}

uint64_t ebb__rng_take(uint64_t n_blocks) {
    uint64_t first = ebb__thread.rng.offset;
    ebb__thread.rng.offset = first + n_blocks;
    return first;
}

void ebb_manual_seed(uint64_t seed) { ebb__thread.rng = (ebb_rng_state){seed, 0}; }

ebb_rng_state ebb_get_rng_state(void) { return ebb__thread.rng; }

void ebb_set_rng_state(ebb_rng_state state) { ebb__thread.rng = state; }
