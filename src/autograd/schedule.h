/* Schedules for chains of segments under a memory budget: what to keep, what to compute again. */
#ifndef EBB_AUTOGRAD_SCHEDULE_H
#define EBB_AUTOGRAD_SCHEDULE_H

#include "base/base.h"

/* A segment of the chain. */
struct ebb__stage {
    int64_t inner, output; /* bytes: saved besides inputs and results; of the results */
    bool saves_output;     /* the segment's own rules read its results */
    double cost;           /* of running it forward once */
};

/* A part of a sweep forward over the chain: segments first … last, kept with all that they save, or, with a sweep
 * `inside`, left with nothing but their input, from which that sweep starts when backward comes to them. */
struct ebb__part {
    int64_t first, last;
    int64_t next, inside; /* parts, by number; -1: none */
};

struct ebb__schedule {
    struct ebb__part *parts; /* part 0 opens the sweep over the whole chain */
    size_t n, capacity;
    int64_t peak;  /* the most bytes held for backward at any time, besides the inputs of the chain */
    double cost;   /* of all sweeps forward */
    int64_t depth; /* how deep sweeps lie inside each other */
};

/* The schedule of least cost that holds at most `budget` bytes, or, where there is none, the one that holds least. */
ebb_status ebb__schedule_optimal(const struct ebb__stage *stages, int64_t n, int64_t budget, struct ebb__schedule *s);

/* Pieces of `size` segments, of which all but the last keep their input only; 0: one piece, in which all is kept. */
ebb_status ebb__schedule_pieces(const struct ebb__stage *stages, int64_t n, int64_t size, struct ebb__schedule *s);

/* The least that any schedule holds. */
int64_t ebb__schedule_least(const struct ebb__stage *stages, int64_t n);

void ebb__schedule_end(struct ebb__schedule *s);

#endif
