/* Normalization of sets of elements by their mean and variance, and its backward: what layer, RMS, group, instance and
 * batch normalization have in common. */
#include "base/base.h"
#include "kernel/isa.h"

#include <math.h>
#include <string.h>

enum { GRAIN = 1 << 14, PARTS_MAX = 16, LANES = 64 };

struct job {
    const struct ebb__norm *d;
    const ebb__norm_runs *run;
    int64_t size;     /* bytes of an element */
    int64_t count;    /* elements of a set */
    int64_t weights;  /* elements of weight */
    int64_t segments; /* runs of a set beside one another */
    int64_t length;   /* of a run */
    bool vector;      /* the weight changes along a run, else from run to run */
    bool given;       /* mean and rstd are there already */
    const char *x, *g, *weight, *bias;
    char *y, *mean, *rstd;
    double *var;
    char *dw, *db; /* of the weights, for all sets, or for each part: `parts` times `weights` */
    int64_t parts;
};

static double get(const struct job *j, const char *p, int64_t i) {
    return j->d->dtype == EBB_F32 ? (double)((const float *)(const void *)p)[i] : ((const double *)(const void *)p)[i];
}

static void put(const struct job *j, char *p, int64_t i, double value) {
    if (j->d->dtype == EBB_F32) {
        ((float *)(void *)p)[i] = (float)value;
    } else {
        ((double *)(void *)p)[i] = value;
    }
}

static struct job job_of(const struct ebb__norm *d) {
    struct job j = {.d = d, .run = &ebb__isa.norm[d->dtype], .size = (int64_t)ebb_dtype_size(d->dtype)};
    j.count = d->outer * d->channels * d->run;
    j.weights = d->groups * d->channels;
    j.vector = d->run == 1;
    j.segments = j.vector ? 1 : d->channels;
    j.length = j.vector ? d->channels : d->run;
    return j;
}

/* Where run s of set r begins, in elements, in the a-th outer part; and its first weight. */
static int64_t place(const struct job *j, int64_t a, int64_t r, int64_t s) {
    return ((a * j->d->sets + r) * j->segments + s) * j->length;
}
static int64_t weight_of(const struct job *j, int64_t r, int64_t s) { return r % j->d->groups * j->d->channels + s; }

#define EACH_RUN(j, a, s) \
    for (int64_t a = 0; a < (j)->d->outer; a++) \
        for (int64_t s = 0; s < (j)->segments; s++)

static const char *offset(const struct job *j, const char *p, int64_t i) { return p ? p + i * j->size : NULL; }

/* ---- sets of runs ---- */

static void statistics(const struct job *j, int64_t r) {
    double mean = 0, square = 0;
    if (j->d->centered) {
        EACH_RUN(j, a, s) mean += j->run->sum(j->length, offset(j, j->x, place(j, a, r, s)));
        mean /= (double)j->count;
        put(j, j->mean, r, mean);
    }
    EACH_RUN(j, a, s) square += j->run->squares(j->length, offset(j, j->x, place(j, a, r, s)), mean);
    const double var = square / (double)j->count;
    put(j, j->rstd, r, 1 / sqrt(var + j->d->eps));
    if (j->var) j->var[r] = var;
}

static void forward_set(const struct job *j, int64_t r) {
    if (!j->given) statistics(j, r);
    const double mean = j->d->centered ? get(j, j->mean, r) : 0, rstd = get(j, j->rstd, r);
    EACH_RUN(j, a, s) {
        const int64_t at = place(j, a, r, s), w = weight_of(j, r, s);
        const bool one = !j->vector;
        j->run->scale(j->length, offset(j, j->x, at), one ? NULL : offset(j, j->weight, w),
                      one ? NULL : offset(j, j->bias, w), mean, one && j->weight ? rstd * get(j, j->weight, w) : rstd,
                      one && j->bias ? get(j, j->bias, w) : 0, j->y + at * j->size);
    }
}

static void add(const struct job *j, char *p, int64_t i, double value) {
    if (p) put(j, p, i, get(j, p, i) + value);
}

/* dw and db are those of the part that this set belongs to. */
static void backward_set(const struct job *j, int64_t r, char *dw, char *db) {
    const double mean = j->d->centered ? get(j, j->mean, r) : 0, rstd = get(j, j->rstd, r);
    double sum[2] = {0, 0};
    EACH_RUN(j, a, s) {
        const int64_t at = place(j, a, r, s), w = weight_of(j, r, s);
        const char *g = offset(j, j->g, at), *x = offset(j, j->x, at);
        double part[2];
        j->run->products(j->length, g, x, j->vector ? offset(j, j->weight, w) : NULL, mean, part);
        const double weight = !j->vector && j->weight ? get(j, j->weight, w) : 1;
        for (int k = 0; k < 2; k++) sum[k] += weight * part[k];
        if (!j->vector) {
            add(j, dw, w, part[1] * rstd);
            add(j, db, w, part[0]);
        } else if (dw || db) {
            j->run->weigh(j->length, g, x, mean, rstd, dw ? dw + w * j->size : NULL, db ? db + w * j->size : NULL);
        }
    }
    if (!j->y) return;
    const double of_x = -rstd * rstd * rstd * sum[1] / (double)j->count;
    const double shift = j->d->centered ? -rstd * sum[0] / (double)j->count : 0;
    EACH_RUN(j, a, s) {
        const int64_t at = place(j, a, r, s), w = weight_of(j, r, s);
        j->run->slope(j->length, offset(j, j->g, at), offset(j, j->x, at), j->vector ? offset(j, j->weight, w) : NULL,
                      mean, !j->vector && j->weight ? rstd * get(j, j->weight, w) : rstd, of_x, shift,
                      j->y + at * j->size);
    }
}

/* ---- sets that are columns: batch normalization of (N, C) ---- */

#define DEFINE_COLUMNS(F, T) \
    static void column_statistics_##F(const struct job *j, int64_t first, int64_t lanes) { \
        const int64_t n = j->d->outer, stride = j->d->sets; \
        const T *x = (const T *)(const void *)j->x + first; \
        T mean[LANES]; \
        double sum[LANES] = {0}, square[LANES] = {0}; \
        for (int64_t i = 0; i < n; i++) \
            for (int64_t c = 0; c < lanes; c++) sum[c] += (double)x[i * stride + c]; \
        for (int64_t c = 0; c < lanes; c++) mean[c] = (T)(sum[c] / (double)n); \
        for (int64_t i = 0; i < n; i++) \
            for (int64_t c = 0; c < lanes; c++) { \
                const double d = (double)(x[i * stride + c] - mean[c]); \
                square[c] += d * d; \
            } \
        for (int64_t c = 0; c < lanes; c++) { \
            const double var = square[c] / (double)n; \
            if (j->var) j->var[first + c] = var; \
            put(j, j->mean, first + c, (double)mean[c]); \
            put(j, j->rstd, first + c, 1 / sqrt(var + j->d->eps)); \
        } \
    } \
    static void forward_columns_##F(const struct job *j, int64_t first, int64_t lanes) { \
        const int64_t n = j->d->outer, stride = j->d->sets; \
        const T *x = (const T *)(const void *)j->x + first; \
        T *y = (T *)(void *)j->y + first, mean[LANES], scale[LANES], shift[LANES]; \
        if (!j->given) column_statistics_##F(j, first, lanes); \
        for (int64_t c = 0; c < lanes; c++) { \
            const double rstd = get(j, j->rstd, first + c), w = j->weight ? get(j, j->weight, first + c) : 1; \
            mean[c] = (T)get(j, j->mean, first + c); \
            scale[c] = (T)(rstd * w); \
            shift[c] = (T)(j->bias ? get(j, j->bias, first + c) : 0); \
        } \
        for (int64_t i = 0; i < n; i++) \
            for (int64_t c = 0; c < lanes; c++) \
                y[i * stride + c] = (x[i * stride + c] - mean[c]) * scale[c] + shift[c]; \
    } \
    static void backward_columns_##F(const struct job *j, int64_t first, int64_t lanes) { \
        const int64_t n = j->d->outer, stride = j->d->sets; \
        const T *x = (const T *)(const void *)j->x + first, *g = (const T *)(const void *)j->g + first; \
        T *dx = (T *)(void *)j->y, mean[LANES], of_g[LANES], of_x[LANES], shift[LANES]; \
        double sum[LANES] = {0}, product[LANES] = {0}; \
        for (int64_t c = 0; c < lanes; c++) mean[c] = (T)get(j, j->mean, first + c); \
        for (int64_t i = 0; i < n; i++) \
            for (int64_t c = 0; c < lanes; c++) { \
                const T u = g[i * stride + c]; \
                sum[c] += (double)u; \
                product[c] += (double)(u * (x[i * stride + c] - mean[c])); \
            } \
        for (int64_t c = 0; c < lanes; c++) { \
            const double rstd = get(j, j->rstd, first + c), w = j->weight ? get(j, j->weight, first + c) : 1; \
            if (j->dw) put(j, j->dw, first + c, product[c] * rstd); \
            if (j->db) put(j, j->db, first + c, sum[c]); \
            of_g[c] = (T)(w * rstd); \
            of_x[c] = (T)(-rstd * rstd * rstd * w * product[c] / (double)n); \
            shift[c] = (T)(-rstd * w * sum[c] / (double)n); \
        } \
        for (int64_t i = 0; dx && i < n; i++) \
            for (int64_t c = 0; c < lanes; c++) { \
                const int64_t at = i * stride + c; \
                dx[first + at] = g[at] * of_g[c] + (x[at] - mean[c]) * of_x[c] + shift[c]; \
            } \
    }
DEFINE_COLUMNS(f32, float)
DEFINE_COLUMNS(f64, double)

static bool in_columns(const struct job *j) { return j->d->outer > 1 && j->vector && j->d->channels == 1; }

static void columns_body(void *context, int64_t first, int64_t last) {
    const struct job *j = context;
    const bool f32 = j->d->dtype == EBB_F32;
    for (; first < last; first++) {
        const int64_t at = first * LANES, lanes = j->d->sets - at < LANES ? j->d->sets - at : LANES;
        if (j->g) {
            (f32 ? backward_columns_f32 : backward_columns_f64)(j, at, lanes);
        } else {
            (f32 ? forward_columns_f32 : forward_columns_f64)(j, at, lanes);
        }
    }
}

static void run_columns(struct job *j) {
    ebb__parallel_for((j->d->sets + LANES - 1) / LANES, GRAIN / (LANES * j->d->outer) + 1, columns_body, j);
}

/* ---- all of it ---- */

static void forward_body(void *context, int64_t first, int64_t last) {
    for (; first < last; first++) forward_set(context, first);
}

static void run_forward(struct job *j) {
    if (j->d->sets < 1) return;
    if (in_columns(j)) run_columns(j);
    else ebb__parallel_for(j->d->sets, j->count ? GRAIN / j->count + 1 : j->d->sets, forward_body, j);
}

void ebb__norm_forward(const struct ebb__norm *d, const void *x, const void *weight, const void *bias, void *y,
                       void *mean, void *rstd, double *var) {
    struct job j = job_of(d);
    j.x = x, j.weight = weight, j.bias = bias, j.y = y, j.mean = mean, j.rstd = rstd, j.var = var;
    run_forward(&j);
}

void ebb__norm_apply(const struct ebb__norm *d, const void *x, const void *mean, const void *rstd, const void *weight,
                     const void *bias, void *y) {
    struct job j = job_of(d);
    j.x = x, j.weight = weight, j.bias = bias, j.y = y, j.given = true;
    j.mean = (char *)(uintptr_t)mean, j.rstd = (char *)(uintptr_t)rstd;
    run_forward(&j);
}

static void backward_body(void *context, int64_t first, int64_t last) {
    const struct job *j = context;
    for (; first < last; first++) { /* parts */
        char *dw = j->dw ? j->dw + first * j->weights * j->size : NULL;
        char *db = j->db ? j->db + first * j->weights * j->size : NULL;
        const int64_t end = (first + 1) * j->d->sets / j->parts;
        for (int64_t r = first * j->d->sets / j->parts; r < end; r++) backward_set(j, r, dw, db);
    }
}

/* Sum the parts, in their order. */
static void gather_parts(const struct job *j, const char *parts, char *total) {
    memcpy(total, parts, (size_t)(j->weights * j->size));
    for (int64_t p = 1; p < j->parts; p++)
        ebb__loops_add[j->d->dtype](j->weights,
                                    (char *[]){total, total, (char *)(uintptr_t)parts + p * j->weights * j->size},
                                    (int64_t[]){j->size, j->size, j->size}, NULL);
}

ebb_status ebb__norm_backward(const struct ebb__norm *d, const void *g, const void *x, const void *mean,
                              const void *rstd, const void *weight, void *dx, void *dweight, void *dbias) {
    struct job j = job_of(d);
    j.x = x, j.g = g, j.weight = weight, j.y = dx, j.dw = dweight, j.db = dbias;
    j.mean = (char *)(uintptr_t)mean, j.rstd = (char *)(uintptr_t)rstd;
    const size_t bytes = (size_t)(j.weights * j.size);
    if (dweight) memset(dweight, 0, bytes);
    if (dbias) memset(dbias, 0, bytes);
    if (d->sets < 1 || j.count < 1) return EBB_OK;
    if (in_columns(&j)) {
        run_columns(&j);
        return EBB_OK;
    }
    /* Where every set has its own weights, parts may be as many as sets and write to one place. */
    const bool shared = (dweight || dbias) && d->sets > d->groups;
    j.parts = d->sets * j.count / GRAIN + 1;
    if (j.parts > d->sets) j.parts = d->sets;
    if (shared && j.parts > PARTS_MAX) j.parts = PARTS_MAX;
    if (!shared || j.parts == 1) {
        const int64_t weights = j.weights;
        j.weights = 0; /* all parts add to the same arrays */
        ebb__parallel_for(j.parts, 1, backward_body, &j);
        j.weights = weights;
        return EBB_OK;
    }
    const size_t all = 2 * (size_t)j.parts * bytes;
    char *parts = ebb__alloc_zeroed(all);
    if (!parts) return ebb_error_status();
    if (dweight) j.dw = parts;
    if (dbias) j.db = parts + (size_t)j.parts * bytes;
    ebb__parallel_for(j.parts, 1, backward_body, &j);
    if (dweight) gather_parts(&j, j.dw, dweight);
    if (dbias) gather_parts(&j, j.db, dbias);
    ebb__free(parts, all);
    return EBB_OK;
}
