/* A chart as SVG: an x axis by decades, a y axis from 1, lines with dots, and their names. */
#include "bench/checkpoint/chart.h"
#include <math.h>

enum { WIDTH = 720, HEIGHT = 420, LEFT = 60, RIGHT = 200, TOP = 40, BOTTOM = 50 };
static const char *const colours[CHART_SERIES] = {"#1b6ca8", "#d1495b", "#2e933c", "#8a4fff",
                                                  "#e28413", "#333333", "#777777", "#00a6a6"};

struct range {
    double x0, x1, y1; /* logarithms of x; y from 1 */
};

static struct range range_of(const struct chart *c) {
    struct range r = {INFINITY, -INFINITY, 1.1};
    for (int i = 0; i < c->n; i++) {
        for (int k = 0; k < c->series[i].n; k++) {
            r.x0 = fmin(r.x0, log10(c->series[i].x[k]));
            r.x1 = fmax(r.x1, log10(c->series[i].x[k]));
            r.y1 = fmax(r.y1, c->series[i].y[k]);
        }
    }
    r.x0 -= 0.05;
    r.x1 += 0.05;
    return r;
}
static double at_x(const struct range *r, double x) {
    return LEFT + (WIDTH - LEFT - RIGHT) * (log10(x) - r->x0) / (r->x1 - r->x0);
}
static double at_y(const struct range *r, double y) {
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - 1) / (r->y1 * 1.05 - 1);
}

static void axes(const struct chart *c, const struct range *r, FILE *f) {
    static const double marks[] = {1, 2, 5};
    double step = r->y1 < 1.6 ? 0.1 : r->y1 < 3 ? 0.25 : r->y1 < 6 ? 1 : 2;
    (void)fprintf(f, "<text x=\"%d\" y=\"22\" font-size=\"15\">%s</text>\n", LEFT, c->title);
    for (double y = 1; y <= r->y1 * 1.05; y += step)
        (void)fprintf(f,
                      "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>"
                      "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                      LEFT, WIDTH - RIGHT, at_y(r, y), at_y(r, y), LEFT - 6, at_y(r, y) + 4, y);
    for (int e = (int)floor(r->x0); e <= (int)r->x1; e++) {
        for (int k = 0; k < 3; k++) {
            double x = marks[k] * pow(10, e);
            if (log10(x) < r->x0 || log10(x) > r->x1) continue;
            (void)fprintf(f,
                          "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#ddd\"/>"
                          "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g%%</text>\n",
                          at_x(r, x), at_x(r, x), TOP, HEIGHT - BOTTOM, at_x(r, x), HEIGHT - BOTTOM + 16, 100 * x);
        }
    }
    (void)fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (LEFT + WIDTH - RIGHT) / 2,
                  HEIGHT - 12, c->x_label);
    (void)fprintf(f, "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n", HEIGHT / 2,
                  c->y_label);
}

static void draw(const struct series *s, int i, const struct range *r, FILE *f) {
    if (!s->alone) {
        (void)fprintf(f, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"", colours[i]);
        for (int k = 0; k < s->n; k++) (void)fprintf(f, "%.1f,%.1f ", at_x(r, s->x[k]), at_y(r, s->y[k]));
        (void)fprintf(f, "\"/>\n");
    }
    for (int k = 0; k < s->n; k++)
        (void)fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\"/>\n", at_x(r, s->x[k]), at_y(r, s->y[k]),
                      s->alone ? 5 : 3, colours[i]);
    (void)fprintf(f,
                  "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/>"
                  "<text x=\"%d\" y=\"%d\">%s</text>\n",
                  WIDTH - RIGHT + 16, TOP + 10 + 20 * i, colours[i], WIDTH - RIGHT + 26, TOP + 14 + 20 * i, s->name);
}

int chart_write(const struct chart *c, const char *path) {
    FILE *f = fopen(path, "w");
    if (!f) return 1;
    struct range r = range_of(c);
    (void)fprintf(f,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
                  "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                  WIDTH, HEIGHT);
    axes(c, &r, f);
    for (int i = 0; i < c->n; i++) draw(&c->series[i], i, &r, f);
    (void)fprintf(f, "</svg>\n");
    return fclose(f) != 0;
}
