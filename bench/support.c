/* What workloads share: a clock, data that peers can make too, results to compare, arguments. */
#define _POSIX_C_SOURCE 200809L /* clocks */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double read_clock(clockid_t which) {
    struct timespec t = {0, 0};
    (void)clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static clockid_t clock_in_use = CLOCK_MONOTONIC;

void bench_use_processor_time(void) { clock_in_use = CLOCK_PROCESS_CPUTIME_ID; }
double bench_now(void) { return read_clock(clock_in_use); }
double bench_wall(void) { return read_clock(CLOCK_MONOTONIC); }

void bench_pause(void) {
    const struct timespec some = {0, 2000000};
    for (int i = 0; i < 250; i++) {
        const double before = read_clock(CLOCK_PROCESS_CPUTIME_ID);
        (void)nanosleep(&some, NULL);
        if (read_clock(CLOCK_PROCESS_CPUTIME_ID) - before < 2e-4) return;
    }
}

static char directory[4000] = ".", sibling[4200];

void bench_set_directory(const char *program) {
    const char *slash = strrchr(program, '/');
    if (slash) (void)snprintf(directory, sizeof directory, "%.*s", (int)(slash - program), program);
}

const char *bench_sibling(const char *name) {
    (void)snprintf(sibling, sizeof sibling, "%s/%s", directory, name);
    return sibling;
}

/* ---- data ---- */

static uint32_t name_hash(const char *name) { /* FNV-1a */
    uint32_t h = 2166136261u;
    for (; *name; name++) h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

/* The finalizer of MurmurHash3: neighbours get unlike values. */
static uint32_t mixed(uint32_t x) {
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ x >> 16;
}

ebb_tensor *bench_data(const char *name, ebb_dtype dtype, ebb_dims shape, double scale) {
    if (dtype == EBB_BF16) { /* rounded from float32 */
        ebb_tensor *wide = bench_data(name, EBB_F32, shape, scale), *half = NULL;
        EBB_SCOPE { half = ebb_keep(ebb_to(wide, dtype)); }
        (void)ebb_drop(wide);
        return half;
    }
    ebb_tensor *t = ebb_keep(ebb_empty(shape, .dtype = dtype));
    const uint32_t seed = name_hash(name);
    const int64_t n = ebb_tensor_numel(t);
    void *data = ebb_tensor_data(t);
    for (int64_t i = 0; i < n; i++) {
        const double v = ((double)(mixed((uint32_t)i + seed) >> 8) * 0x1p-23 - 1.0) * scale;
        if (dtype == EBB_F32) ((float *)data)[i] = (float)v;
        else ((double *)data)[i] = v;
    }
    return t;
}

ebb_tensor *bench_indices(const char *name, int64_t bound, ebb_dims shape) {
    ebb_tensor *t = ebb_keep(ebb_empty(shape, .dtype = EBB_I64));
    const uint32_t seed = name_hash(name);
    const int64_t n = ebb_tensor_numel(t);
    int64_t *data = ebb_tensor_data(t);
    for (int64_t i = 0; i < n; i++) data[i] = (int64_t)mixed((uint32_t)i + seed) % bound;
    return t;
}

ebb_tensor *bench_own(bench_job *job, ebb_tensor *t) {
    if (job->n_t == BENCH_MAX_TENSORS) {
        (void)ebb_fail(EBB_ERR_ARGUMENT, "%s: too many tensors", job->name);
        return NULL;
    }
    return job->t[job->n_t++] = ebb_keep(t);
}

ebb_tensor *bench_input(bench_job *job, const char *name, ebb_dtype dtype, ebb_dims shape, double scale) {
    ebb_tensor *t = bench_data(name, dtype, shape, scale);
    (void)bench_own(job, t);
    (void)ebb_drop(t);
    return t;
}

ebb_tensor *bench_input_indices(bench_job *job, const char *name, int64_t bound, ebb_dims shape) {
    ebb_tensor *t = bench_indices(name, bound, shape);
    (void)bench_own(job, t);
    (void)ebb_drop(t);
    return t;
}

/* ---- results ---- */

static void note(bench_job *job, double value, double scale) {
    if (job->n_values < BENCH_MAX_VALUES) job->values[job->n_values++] = (bench_value){value, scale};
    else (void)ebb_fail(EBB_ERR_ARGUMENT, "%s: too many results", job->name);
}

void bench_note(bench_job *job, double value) { note(job, value, fabs(value)); }
void bench_note_loosely(bench_job *job, double value, double factor) { note(job, value, factor * fabs(value)); }

/* Elements of 16 bits are rounded 2^15 times as coarsely, but up and down alike: of many the norm is hardly changed. */
static double coarseness(const ebb_tensor *t) { return t && ebb_dtype_size(ebb_tensor_dtype(t)) == 2 ? 50 : 1; }

void bench_note_tensor(bench_job *job, ebb_tensor *t) {
    const int64_t n = ebb_tensor_numel(t);
    double *v = malloc((size_t)(n ? n : 1) * sizeof *v), squares = 0, signs = 0;
    if (v && t && !ebb_tensor_read(t, EBB_F64, v)) {
        for (int64_t i = 0; i < n; i++) {
            squares += v[i] * v[i];
            signs += mixed((uint32_t)i) & 1 ? v[i] : -v[i];
        }
        note(job, sqrt(squares), coarseness(t) * sqrt(squares));
        note(job, signs, coarseness(t) * sqrt(squares));
    }
    free(v);
}

/* ---- arguments ---- */

const char *bench_arg(const bench_job *job, int i) { return i < job->n_args ? job->args[i] : ""; }

bool bench_arg_is(const bench_job *job, int i, const char *word) { return strcmp(bench_arg(job, i), word) == 0; }

int64_t bench_arg_size(const bench_job *job, int i) { return (int64_t)strtod(bench_arg(job, i), NULL); }

ebb_dtype bench_arg_dtype(const bench_job *job, int i) { return ebb_dtype_from_name(bench_arg(job, i)); }

int bench_arg_sizes(const bench_job *job, int i, int64_t *ret_sizes, int max) {
    const char *text = bench_arg(job, i);
    int n = 0;
    for (char *end; n < max; text = end + 1) {
        ret_sizes[n] = strtoll(text, &end, 10);
        if (end == text) break;
        n++;
        if (*end != 'x') break;
    }
    return n;
}

/* ---- running ---- */

void bench_once(bench_job *job) {
    EBB_SCOPE { (void)job->compute(job); }
}

void bench_check(bench_job *job) {
    EBB_SCOPE { bench_note_tensor(job, job->compute(job)); }
}
