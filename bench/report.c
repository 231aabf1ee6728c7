/* The table, its summary, and the file. */
#include "bench/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__clang__)
#define COMPILER "clang " __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif
#ifndef EBB_BENCH_BUILD
#define EBB_BENCH_BUILD ""
#endif

typedef struct row {
    bench_result result;
    char peers[BENCH_MAX_PEERS][16];
    int n_peers;
} row;

static row *rows;
static int n_rows, room;
static char versions[BENCH_MAX_PEERS][100];
static int n_versions;
static char limits[4][400];
static int n_limits;

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bench_figure bench_summary(double *figures, int n) {
    qsort(figures, (size_t)n, sizeof *figures, ascending);
    return (bench_figure){.least = figures[0], .median = figures[n / 2]};
}

/* The peer whose least figure is the least; 0 when there is none. */
static int best_peer(const bench_result *r) {
    int best = 0;
    for (int i = 1; i <= BENCH_MAX_PEERS; i++)
        if (r->figure[i].least > 0 && (!best || r->figure[i].least < r->figure[best].least)) best = i;
    return best;
}

static double ratio(const bench_result *r) {
    const int best = best_peer(r);
    return best ? r->figure[0].least / r->figure[best].least : 0;
}

/* ---- the table ---- */

static const char *scaled(const char *unit, double value, double *ret_factor) {
    const bool bytes = !strcmp(unit, "B");
    *ret_factor = bytes ? (value < 1e4 ? 1 : 1e-6) : value < 1e-6 ? 1e9 : value < 1e-3 ? 1e6 : value < 1 ? 1e3 : 1;
    return bytes ? (value < 1e4 ? "B" : "MB") : value < 1e-6 ? "ns" : value < 1e-3 ? "us" : value < 1 ? "ms" : "s";
}

static int level(double kilobytes) { return (int)lround(log2(kilobytes * 1024)) - FLOORS_FIRST; }

void bench_report_head(const bench_floors *floors, int threads, const bench_peer *peers, int n_peers, bool json) {
    char *text = limits[n_limits < 4 ? n_limits++ : 3];
    (void)snprintf(
        text, sizeof limits[0],
        "%d thread%s: multiply-adds %.0f GFLOP/s float32, %.0f float64, %.0f bfloat16; y = a x at 16 KB %.0f GB/s, 256 KB %.0f, "
        "8 MB %.0f, 256 MB %.0f",
        threads, threads > 1 ? "s" : "", floors->flops_f32 * 1e-9, floors->flops_f64 * 1e-9, floors->flops_bf16 * 1e-9,
        floors->stream[level(16)] * 1e-9, floors->stream[level(256)] * 1e-9, floors->stream[level(8192)] * 1e-9,
        floors->stream[level(262144)] * 1e-9);
    for (int i = 0; i < n_peers; i++) {
        char version[100];
        (void)snprintf(version, sizeof version, "%s: %s", peers[i].name, peers[i].version);
        int k = 0;
        while (k < n_versions && strcmp(versions[k], version) != 0) k++;
        if (k == n_versions && n_versions < BENCH_MAX_PEERS) memcpy(versions[n_versions++], version, sizeof version);
    }
    if (json) return;
    (void)printf("\n%s\n%-44s %3s %9s %9s", text, "case, least and median", "", "Ebb", "");
    for (int i = 0; i < n_peers; i++) (void)printf(" %20s", peers[i].name);
    (void)printf(" %7s %7s\n", "ratio", "limit");
}

static void print_json(const row *r) {
    const bench_result *s = &r->result;
    (void)printf("{\"case\": \"%s\", \"threads\": %d, \"unit\": \"%s\", \"limit\": %.6g, \"Ebb\": [%.6g, %.6g]",
                 s->name, s->threads, s->unit, s->floor, s->figure[0].least, s->figure[0].median);
    for (int i = 0; i < r->n_peers; i++)
        if (s->figure[1 + i].least > 0)
            (void)printf(", \"%s\": [%.6g, %.6g]", r->peers[i], s->figure[1 + i].least, s->figure[1 + i].median);
    (void)printf("}\n");
    (void)fflush(stdout);
}

void bench_report_result(const bench_result *result, const bench_peer *peers, int n_peers, bool json) {
    double factor;
    if (n_rows == room) {
        row *more = realloc(rows, (size_t)(room = room ? 2 * room : 64) * sizeof *rows);
        if (!more) exit(1);
        rows = more;
    }
    row *r = &rows[n_rows++];
    *r = (row){.result = *result, .n_peers = n_peers};
    for (int i = 0; i < n_peers; i++) (void)snprintf(r->peers[i], sizeof r->peers[i], "%s", peers[i].name);
    if (json) {
        print_json(r);
        return;
    }
    const char *unit = scaled(result->unit, result->figure[0].least, &factor);
    (void)printf("%-44s %3s %9.4g %9.4g", result->name, unit, result->figure[0].least * factor,
                 result->figure[0].median * factor);
    for (int i = 1; i <= n_peers; i++) {
        if (result->figure[i].least > 0)
            (void)printf(" %10.4g %9.4g", result->figure[i].least * factor, result->figure[i].median * factor);
        else (void)printf(" %10s %9s", "-", "");
    }
    if (ratio(result) > 0) (void)printf(" %7.2f", ratio(result));
    else (void)printf(" %7s", "");
    if (result->floor > 0) (void)printf(" %6.0f%%", 100 * result->floor / result->figure[0].least);
    (void)printf("\n");
    (void)fflush(stdout);
}

/* ---- the summary ---- */

static const bench_result *find(const char *name, int threads) {
    for (int i = 0; i < n_rows; i++)
        if (rows[i].result.threads == threads && !strcmp(rows[i].result.name, name)) return &rows[i].result;
    return NULL;
}

/* The name of the case that computes the function alone, in ret_name; false where there is none. */
static bool function_of(const char *name, char *ret_name, size_t size) {
    const char *gradient = strstr(name, "/gradient");
    if (!strncmp(name, "train/", 6)) return snprintf(ret_name, size, "loss/%s", name + 6) > 0;
    if (!gradient) return false;
    const char *word = !strncmp(name, "rowwise/", 8) ? "forward" : "function";
    return snprintf(ret_name, size, "%.*s/%s%s", (int)(gradient - name), name, word, gradient + 9) > 0;
}

static void gradients_over_functions(void) {
    bool headed = false;
    for (int i = 0; i < n_rows; i++) {
        char name[160];
        const bench_result *gradient = &rows[i].result, *function;
        if (!function_of(gradient->name, name, sizeof name) || !(function = find(name, gradient->threads))) continue;
        if (!headed) (void)printf("\ngradient (or training step) / function\n");
        headed = true;
        (void)printf("%-44s %d thread%s %8.2f", gradient->name, gradient->threads, gradient->threads > 1 ? "s" : " ",
                     gradient->figure[0].least / function->figure[0].least);
        for (int p = 1; p <= rows[i].n_peers; p++)
            if (gradient->figure[p].least > 0 && function->figure[p].least > 0)
                (void)printf("  %s %.2f", rows[i].peers[p - 1], gradient->figure[p].least / function->figure[p].least);
        (void)printf("\n");
    }
}

static void threads_compared(void) {
    int better = 0, worse = 0;
    for (int i = 0; i < n_rows; i++) {
        const bench_result *two = &rows[i].result, *one = two->threads > 1 ? find(two->name, 1) : NULL;
        if (!one || strcmp(two->unit, "s") != 0) continue;
        const double r = two->figure[0].least / one->figure[0].least;
        better += r < 0.95;
        worse += r > 1.05;
        if (r > 1.05)
            (void)printf("%s%-44s %.2f\n", worse == 1 ? "\nslower with more threads than with one\n" : "", two->name,
                         r);
    }
    if (better + worse) (void)printf("with more threads: %d cases faster, %d slower\n", better, worse);
}

static int furthest_behind(const void *a, const void *b) {
    const double x = ratio(&(*(const row *const *)a)->result), y = ratio(&(*(const row *const *)b)->result);
    return (x < y) - (x > y);
}

void bench_report_end(void) {
    const row **order = malloc((size_t)(n_rows ? n_rows : 1) * sizeof *order);
    int shown = 0, compared = 0, ahead = 0;
    gradients_over_functions();
    threads_compared();
    for (int i = 0; order && i < n_rows; i++) {
        order[i] = &rows[i];
        compared += ratio(&rows[i].result) > 0;
        ahead += ratio(&rows[i].result) > 0 && ratio(&rows[i].result) <= 1;
    }
    if (order && compared) {
        qsort(order, (size_t)n_rows, sizeof *order, furthest_behind);
        (void)printf("\nEbb / best peer: %d of %d cases at most 1; furthest behind:\n", ahead, compared);
        for (; shown < 40 && shown < n_rows && ratio(&order[shown]->result) > 1; shown++) {
            const row *r = order[shown];
            (void)printf("%-44s %d thread%s %6.2f  %s\n", r->result.name, r->result.threads,
                         r->result.threads > 1 ? "s" : " ", ratio(&r->result), r->peers[best_peer(&r->result) - 1]);
        }
    }
    free(order);
}

/* ---- the file ---- */

static void machine(FILE *f) {
    char line[256];
    int cores = 0;
    FILE *info = fopen("/proc/cpuinfo", "r");
    const time_t now = time(NULL);
    (void)strftime(line, sizeof line, "%Y-%m-%d", gmtime(&now));
    (void)fprintf(f, "# date: %s\n", line);
    while (info && fgets(line, sizeof line, info)) {
        if (!strncmp(line, "model name", 10) && cores++ == 0) (void)fprintf(f, "# cpu: %s", strchr(line, ':') + 2);
        else if (!strncmp(line, "cpu family", 10) && cores == 0)
            (void)fprintf(f, "# cpu family: %s", strchr(line, ':') + 2);
    }
    if (info) (void)fclose(info);
    (void)fprintf(f, "# cores: %d\n# ebb: %s %s\n# compiler: %s\n", cores, ebb_version(), EBB_BENCH_BUILD, COMPILER);
    for (int i = 0; i < n_versions; i++) (void)fprintf(f, "# %s\n", versions[i]);
    for (int i = 0; i < n_limits; i++) (void)fprintf(f, "# limit, %s\n", limits[i]);
}

bool bench_report_csv(const char *path) {
    FILE *f = fopen(path, "w");
    if (!f) return false;
    machine(f);
    (void)fprintf(f, "case,threads,unit,side,least,median,ebb_over_side,limit,peak_bytes\n");
    for (int i = 0; i < n_rows; i++) {
        const bench_result *r = &rows[i].result;
        for (int p = 0; p <= rows[i].n_peers; p++) {
            const bench_figure *figure = &r->figure[p];
            if (figure->least <= 0) continue;
            (void)fprintf(f, "%s,%d,%s,%s,%.6g,%.6g,%.4g,%.4g,%lld\n", r->name, r->threads, r->unit,
                          p ? rows[i].peers[p - 1] : "ebb", figure->least, figure->median,
                          r->figure[0].least / figure->least, r->floor, (long long)figure->peak);
        }
    }
    return fclose(f) == 0;
}
