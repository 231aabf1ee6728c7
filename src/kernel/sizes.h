/* Arithmetic of sizes and counts. */
#ifndef EBB_KERNEL_SIZES_H
#define EBB_KERNEL_SIZES_H

#include <stdint.h>

static inline int64_t ebb__least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t ebb__most(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t ebb__divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; } /* a >= 0, b > 0 */
static inline int64_t ebb__round_up(int64_t a, int64_t multiple) { return ebb__divide_up(a, multiple) * multiple; }

#endif
