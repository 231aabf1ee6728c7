/* What comes of running: figures of each side, printed as they come, summed up at the end, written to a file. */
#ifndef EBB_BENCH_REPORT_H
#define EBB_BENCH_REPORT_H

#include "bench/floors.h"
#include "bench/peers.h"

#define BENCH_MAX_PEERS 8
#define BENCH_MAX_REPEAT 101

typedef struct bench_figure {
    double least, median; /* 0: this side does not have the case */
    int64_t peak;         /* bytes of memory of the process; 0 unknown */
} bench_figure;

typedef struct bench_result {
    char name[120];
    int threads;
    const char *unit;
    double floor;                             /* 0: none */
    bench_figure figure[1 + BENCH_MAX_PEERS]; /* Ebb's, then the peers' in the order of the heading */
} bench_result;

bench_figure bench_summary(double *figures, int n); /* sorts them */

void bench_report_head(const bench_floors *floors, int threads, const bench_peer *peers, int n_peers, bool json);
void bench_report_result(const bench_result *result, const bench_peer *peers, int n_peers, bool json);
/* Gradients over functions, two threads over one, and where Ebb is furthest behind. */
void bench_report_end(void);
/* Every figure of every side, after lines that tell machine, compiler and versions. */
bool bench_report_csv(const char *path);

#endif
