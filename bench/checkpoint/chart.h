/* Lines of points, as a picture. */
#ifndef EBB_BENCH_CHART_H
#define EBB_BENCH_CHART_H

#include <stdio.h>

enum { CHART_POINTS = 64, CHART_SERIES = 8 };

struct series {
    const char *name;
    int n, alone; /* alone: points without a line */
    double x[CHART_POINTS], y[CHART_POINTS];
};

struct chart {
    const char *title, *x_label, *y_label;
    int n;
    struct series series[CHART_SERIES];
};

/* As SVG, x on a logarithmic axis. Returns 0 on success. */
int chart_write(const struct chart *c, const char *path);

#endif
