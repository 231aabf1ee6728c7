/* Draws that depend on the values of a tensor in ways of their own: multinomial, poisson. */
#define EBB_FAMILY "Random"
#include "ops/create.h"
#include <math.h>
#include <stdlib.h>

/* ---- multinomial ---- */

static ebb_status infer_multinomial(struct ebb_infer *f) {
    const struct ebb__attrs_multinomial *a = f->attrs;
    ebb_dims *out = &f->out[0].shape;
    int n = f->in[0].shape.n;
    if (n != 1 && n != 2) return ebb_fail(EBB_ERR_SHAPE, "needs a tensor of 1 or 2 dimensions, not %d", n);
    int64_t categories = f->in[0].shape.d[n - 1];
    if (a->num_samples < 1)
        return ebb_fail(EBB_ERR_ARGUMENT, "num_samples must be positive, got %lld", (long long)a->num_samples);
    if (!a->replacement && a->num_samples > categories)
        return ebb_fail(EBB_ERR_ARGUMENT, "cannot draw %lld of %lld without replacement", (long long)a->num_samples,
                        (long long)categories);
    *out = f->in[0].shape;
    out->d[n - 1] = a->num_samples;
    f->out[0].dtype = EBB_I64;
    return EBB_OK;
}

/* The weights of one row, checked, and their sum and how many are not 0. */
static ebb_status read_row(const ebb_tensor *t, int64_t row, int64_t n, double *weights, double *ret_sum,
                           int64_t *ret_some) {
    int64_t size = (int64_t)ebb__dtype_sizes[t->dtype], some = 0;
    const char *from = t->data + row * n * size;
    double sum = 0;
    for (int64_t i = 0; i < n; i++, from += size) {
        double w = weights[i] = ebb__load(from, (ebb_dtype)t->dtype);
        if (!(w >= 0 && w < (double)INFINITY))
            return ebb_fail(EBB_ERR_ARGUMENT, "weights must be finite and not negative, found %g", w);
        sum += w;
        some += w > 0;
    }
    if (!(sum > 0)) return ebb_fail(EBB_ERR_ARGUMENT, "the weights of row %lld sum to 0", (long long)row);
    *ret_sum = sum;
    *ret_some = some;
    return EBB_OK;
}

/* Each sample by bisection: the first category up to which the weights add up to more than a part of their sum. */
static void with_replacement(double *weights, int64_t n, const double *u, int64_t samples, int64_t *out) {
    int64_t last = n - 1;
    while (weights[last] == 0) last--;
    for (int64_t i = 1; i < n; i++) weights[i] += weights[i - 1];
    for (int64_t k = 0; k < samples; k++) {
        double target = u[k] * weights[n - 1];
        int64_t low = 0, high = last;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (weights[middle] > target) high = middle;
            else low = middle + 1;
        }
        out[k] = low;
    }
}

struct arrival {
    double time;
    int64_t category;
};

enum { FEW = 64 }; /* samples that are kept in order while the others pass */

static int earlier(const void *a, const void *b) {
    const struct arrival *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return x->category < y->category ? -1 : x->category > y->category;
}

/* A race: categories arrive after exponential times with their weights as rates, and the order of the first ones is
 * that of drawing one after the other (P. Efraimidis and P. Spirakis, "Weighted random sampling with a reservoir",
 * 2006). */
static void without_replacement(struct arrival *race, const double *weights, int64_t n, const double *e,
                                int64_t samples, int64_t *out) {
    for (int64_t i = 0; i < n; i++)
        race[i] = (struct arrival){weights[i] > 0 ? e[i] / weights[i] : (double)INFINITY, i};
    if (samples > FEW) qsort(race, (size_t)n, sizeof *race, earlier);
    for (int64_t i = 1; samples <= FEW && i < n; i++) { /* the first ones in order, at the front */
        struct arrival next = race[i];
        int64_t at = i < samples ? i : samples;
        if (at == samples && earlier(&race[samples - 1], &next) < 0) continue;
        for (at -= at == samples; at > 0 && earlier(&next, &race[at - 1]) < 0; at--) race[at] = race[at - 1];
        race[at] = next;
    }
    for (int64_t k = 0; k < samples; k++) out[k] = race[k].category;
}

static ebb_status forward_multinomial(struct ebb_forward *f) {
    const struct ebb__attrs_multinomial *a = f->attrs;
    const ebb_tensor *in = f->in[0];
    int64_t n = in->dims[in->ndim - 1], rows = in->ndim == 2 ? in->dims[0] : 1,
            draws = a->replacement ? a->num_samples : n;
    int64_t *out = (int64_t *)(void *)f->out[0]->data;
    size_t bytes = (size_t)n * (sizeof(double) + sizeof(struct arrival)), random_bytes = (size_t)draws * sizeof(double);
    if (rows == 0) return EBB_OK;
    struct arrival *race = ebb__alloc(bytes);
    double *random = race ? ebb__alloc(random_bytes) : NULL;
    double *weights = (double *)(void *)(race ? race + n : NULL);
    ebb_status status = random ? EBB_OK : ebb_error_status();
    for (int64_t row = 0; row < rows && !status; row++, out += a->num_samples) {
        double sum = 0;
        int64_t some = 0;
        status = read_row(in, row, n, weights, &sum, &some);
        if (!status && !a->replacement && some < a->num_samples)
            status =
                ebb_fail(EBB_ERR_ARGUMENT, "only %lld of the weights are not 0: cannot draw %lld without replacement",
                         (long long)some, (long long)a->num_samples);
        if (!status) status = ebb__draw(a->replacement ? EBB__UNIFORM : EBB__EXPONENTIAL, EBB_F64, draws, random);
        if (status) break;
        if (a->replacement) with_replacement(weights, n, random, a->num_samples, out);
        else without_replacement(race, weights, n, random, a->num_samples, out);
    }
    ebb__free(random, random_bytes);
    ebb__free(race, bytes);
    return status;
}

const struct ebb_op ebb_op_multinomial = {
    EBB_SIGNATURE(multinomial, "Tensor self, int num_samples, bool replacement=false -> Tensor"),
    .doc = EBB_TEXT(
        "Of a vector of weights, or of each row of a matrix of them, num_samples indices (int64) drawn with probabilities that "
        "are as the weights: one after the other, and unless with replacement none twice."),
    .torch = EBB_TEXT("torch.multinomial"),
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = infer_multinomial,
    .forward = forward_multinomial,
    .no_derivative = true,
    .batch = ebb_batch_random,
    .samples = EBB_SAMPLES("(5) num_samples=2", "(2,5) num_samples=5", "(2,3) num_samples=7 replacement=true",
                           "(4) num_samples=1", "(0,3) num_samples=2", "! () num_samples=1", "! (3) num_samples=4",
                           "! (3) num_samples=0", "! (2,2,2) num_samples=1", "! i5(3) num_samples=1",
                           "! (0) num_samples=1 replacement=true"),
    .domain = {0, 1},
};

/* ---- poisson ---- */

/* Uniform numbers of one element: the words of its block, and of streams of other seeds when those are used up. */
struct stream {
    uint64_t seed, block, used;
    uint32_t words[4];
};

static double next_uniform(struct stream *s) {
    unsigned at = s->used % 2;
    if (at == 0) ebb__philox(s->seed + s->used / 2 * 0x9e3779b97f4a7c15u, s->block, s->words);
    s->used++;
    return (double)(((uint64_t)s->words[2 * at] | (uint64_t)s->words[2 * at + 1] << 32) >> 11) * 0x1p-53;
}

/* For small rates the inverse of the distribution, by summing its terms. For large ones rejection from a transformed
 * uniform distribution: algorithm PTRS of W. Hörmann, "The transformed rejection method for generating Poisson random
 * variables", Insurance: Mathematics and Economics 12 (1993). */
static double poisson(double rate, struct stream *s) {
    if (rate < 10) {
        double u = next_uniform(s), term = exp(-rate), k = 0;
        while (u >= term && k < 1000) {
            u -= term;
            term *= rate / ++k;
        }
        return k;
    }
    const double b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b;
    const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = next_uniform(s) - 0.5, v = 1 - next_uniform(s), us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + rate + 0.43);
        if (us >= 0.07 && v <= v_r) return k;
        if (k < 0 || (us < 0.013 && v > us)) continue;
        if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <= k * log(rate) - rate - lgamma(k + 1)) return k;
    }
}

struct poissons {
    const ebb_tensor *rates;
    ebb_tensor *out;
    uint64_t seed, first;
};

static void draw_poissons(void *context, int64_t first, int64_t last) {
    const struct poissons *p = context;
    ebb_dtype dtype = (ebb_dtype)p->out->dtype;
    int64_t size = (int64_t)ebb__dtype_sizes[dtype];
    for (; first < last; first++) {
        struct stream s = {.seed = p->seed, .block = p->first + (uint64_t)first};
        ebb__store(p->out->data + first * size, dtype, poisson(ebb__load(p->rates->data + first * size, dtype), &s));
    }
}

static ebb_status infer_poisson(struct ebb_infer *f) {
    f->out[0].shape = f->in[0].shape;
    return EBB_OK;
}

static ebb_status forward_poisson(struct ebb_forward *f) {
    const ebb_tensor *in = f->in[0];
    ebb_dtype dtype = (ebb_dtype)in->dtype;
    for (int64_t i = 0; i < in->numel; i++) {
        double rate = ebb__load(in->data + i * (int64_t)ebb__dtype_sizes[dtype], dtype);
        if (!(rate >= 0 && rate <= 0x1p53))
            return ebb_fail(EBB_ERR_ARGUMENT, "rates must lie between 0 and 2^53, found %g", rate);
    }
    struct poissons p = {in, f->out[0], ebb_get_rng_state().seed, ebb__rng_take((uint64_t)in->numel)};
    ebb__parallel_for(in->numel, 1 << 10, draw_poissons, &p);
    return EBB_OK;
}

const struct ebb_op ebb_op_poisson = {
    EBB_SIGNATURE(poisson, "Tensor self -> Tensor"),
    .doc = EBB_TEXT(
        "Independent numbers of Poisson's distribution, each with the rate that self has there, in the dtype of self."),
    .torch = EBB_TEXT("torch.poisson"),
    .node = "PoissonBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = infer_poisson,
    .forward = forward_poisson,
    .no_derivative = true,
    .vjp = ebb__zero_vjp,
    .batch = ebb_batch_random,
    .formula = EBB_FORMULAS("0"),
    .samples = EBB_SAMPLES("(2,3)", "()", "(0,3)", "(40)", "! i5(3)"),
    .domain = {0, 50},
};
