/* The machine's limits, measured, and what follows from them for a case. */
#ifndef EBB_BENCH_FLOORS_H
#define EBB_BENCH_FLOORS_H

#include "bench/bench.h"

#define FLOORS_FIRST 13 /* working sets of 2^13 bytes … */
#define FLOORS_LAST 28  /* … to 2^28 */

typedef struct bench_floors {
    double flops_f32, flops_f64, flops_bf16;       /* a second; of bfloat16 with sums in float32 */
    double stream[FLOORS_LAST + 1 - FLOORS_FIRST]; /* bytes a second, of y = a x with both in so many bytes */
} bench_floors;

/* Takes about a second for a number of threads. False when out of memory. */
bool bench_floors_measure(int threads, bench_floors *ret_floors);

/* The least seconds that a case can take: its flops at the peak, or its bytes at the speed of a stream of so many
 * bytes, whichever is more. 0 when it has neither. */
double bench_floor(const bench_floors *floors, const bench_job *job);

#endif
