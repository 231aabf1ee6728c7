/* What every benchmark uses: a clock, medians over repeats, a table on a terminal or one JSON object a line with
 * --json. */
#ifndef EBB_BENCH_BENCH_H
#define EBB_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_REPEATS 15

static bool bench_json;

static inline double bench_now(void) { /* seconds */
    struct timespec t;
    (void)timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int bench_order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts; the median is v[n / 2], the least v[0]. */
static inline void bench_sort(double *v, int n) { qsort(v, (size_t)n, sizeof *v, bench_order); }

static inline void bench_begin(int argc, char **argv, const char *title) {
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) {
            bench_json = true;
        } else {
            fprintf(stderr, "%s: unknown word \"%s\"; the only option is --json\n", argv[0], argv[i]);
            exit(2);
        }
    }
    if (!bench_json) printf("%s\n%-52s %12s %12s  %s\n", title, "", "median", "least", "unit");
}

static inline void bench_report(const char *name, double median, double least, const char *unit) {
    if (bench_json)
        printf("{\"name\": \"%s\", \"value\": %.6g, \"least\": %.6g, \"unit\": \"%s\"}\n", name, median, least, unit);
    else printf("%-52s %12.4g %12.4g  %s\n", name, median, least, unit);
}

#endif
