/* Dropout: elements kept or dropped by random words that depend on the seed and their place only. */
#include "base/base.h"
#include "kernel/isa.h"

#include <math.h>
#include <string.h>

enum { BATCH = 4 * EBB__PHILOX_LANES, GRAIN = 1 << 14 };

ebb__loop_table ebb__loops_masked_scale;

struct job {
    ebb_dtype dtype;
    uint64_t seed, first;
    int64_t n, size;
    uint32_t least;
    double scale;
    const char *x;
    char *y;
    uint8_t *mask;
};

static void body(void *context, int64_t first, int64_t last) { /* batches */
    const struct job *j = context;
    for (; first < last; first++) {
        uint32_t words[BATCH];
        const int64_t at = first * BATCH, left = j->n - at;
        ebb__isa.philox(j->seed, j->first + (uint64_t)(first * EBB__PHILOX_LANES), words);
        ebb__isa.drop[j->dtype](left < BATCH ? left : BATCH, words, j->least, j->scale, j->x + at * j->size,
                                j->y + at * j->size, j->mask + at);
    }
}

static int64_t batches(int64_t n) { return (n + BATCH - 1) / BATCH; }

uint64_t ebb__dropout_blocks(int64_t n) { return (uint64_t)batches(n) * EBB__PHILOX_LANES; }

void ebb__dropout(ebb_dtype dtype, uint64_t seed, uint64_t first, int64_t n, double p, const void *x, void *y,
                  uint8_t *mask) {
    struct job j = {.dtype = dtype, .seed = seed, .first = first, .n = n, .size = (int64_t)ebb_dtype_size(dtype)};
    j.least = (uint32_t)rint(p * 0x1p32 < 0x1p32 - 1 ? p * 0x1p32 : 0x1p32 - 1);
    j.scale = p < 1 ? 1 / (1 - p) : 0;
    j.x = x, j.y = y, j.mask = mask;
    if (n > 0) ebb__parallel_for(batches(n), GRAIN / BATCH, body, &j);
    if (n > 0 && p >= 1) memset(mask, 0, (size_t)n); /* the largest word, too */
}
