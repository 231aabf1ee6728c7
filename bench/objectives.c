/* Objectives of statistics and learning, in float64, written with tensor operations: the function, and its gradient.
 * Gaussian mixtures and the small LSTM follow ADBench (Srajer, Kukelova, Fitzgibbon 2018). */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WANTED 4

/* What a family's state says: the function, and which of the job's first tensors it is differentiated by. */
typedef struct objective {
    ebb_tensor *(*function)(bench_job *job);
    int wanted;
} objective;

static void prepare(bench_job *job, ebb_tensor *(*function)(bench_job *), int wanted) {
    objective *o = job->state = malloc(sizeof *o);
    if (!o) return;
    *o = (objective){function, wanted};
    job->dtype = EBB_F64;
    for (int i = 0; i < wanted; i++) (void)ebb_requires_grad_(job->t[i], true);
}

static void drop(bench_job *job) { free(job->state); }

static ebb_tensor *evaluate(bench_job *job, ebb_tensor **ret_gradients) {
    const objective *o = job->state;
    if (bench_arg_is(job, 0, "function")) {
        ebb_tensor *y = NULL;
        EBB_NO_GRAD { y = o->function(job); }
        return y;
    }
    ebb_tensor *y = o->function(job);
    (void)ebb_grad(EBB_LIST(y), ((ebb_list){o->wanted, job->t}), ret_gradients);
    return y;
}

static void once(bench_job *job) {
    ebb_tensor *gradients[MAX_WANTED];
    EBB_SCOPE { (void)evaluate(job, gradients); }
}

static void check(bench_job *job) {
    ebb_tensor *gradients[MAX_WANTED] = {NULL};
    EBB_SCOPE {
        bench_note(job, ebb_item(evaluate(job, gradients)));
        for (int i = 0; i < MAX_WANTED; i++)
            if (gradients[i]) bench_note_tensor(job, gradients[i]);
    }
}

#define OBJECTIVE(name_, setup_, ...) \
    const struct bench_family bench_##name_ = { \
        .name = #name_, \
        .cases = (const char *const[]){__VA_ARGS__, NULL}, \
        .unit = "s", \
        .tolerance = 1e-9, \
        .setup = setup_, \
        .once = once, \
        .check = check, \
        .drop = drop, \
    };

/* ---- Gaussian mixtures: d dimensions, k components, n points ----
 * sum over i of logsumexp over j of (alpha_j + sum(q_j) - |Q_j (x_i - mu_j)|^2 / 2), less n logsumexp(alpha), plus a
 * Wishart prior without its constant. Q_j is lower triangular, its diagonal exp(q_j). */

enum { ALPHAS, MEANS, FACTORS, POINTS, PLACES };

static ebb_tensor *gmm(bench_job *job) {
    const int64_t n = ebb_tensor_size(job->t[POINTS], 0), d = ebb_tensor_size(job->t[POINTS], 1);
    const int64_t k = ebb_tensor_size(job->t[ALPHAS], 0);
    ebb_tensor *alphas = job->t[ALPHAS], *means = job->t[MEANS], *x = job->t[POINTS];
    ebb_tensor *logs = ebb_slice(job->t[FACTORS], 1, 0, d), *below = ebb_slice(job->t[FACTORS], 1, d, EBB_END);
    ebb_tensor *diagonal = ebb_exp(logs), *sums = ebb_sum(logs, .dim = EBB_DIMS(1));
    ebb_tensor *padded = ebb_cat(EBB_LIST(below, ebb_zeros(EBB_DIMS(k, 1), .dtype = EBB_F64)), 1);
    ebb_tensor *lower = ebb_view(ebb_index_select(padded, job->t[PLACES], 1), EBB_DIMS(k, d, d));
    ebb_tensor *q = ebb_add(lower, ebb_diag_embed(diagonal, 0, -2, -1));
    ebb_tensor *shift = ebb_matmul(q, ebb_mul(ebb_unsqueeze(means, 2), -1.0)); /* (k, d, 1) */
    ebb_tensor *y = ebb_addmm(ebb_reshape(shift, EBB_DIMS(k * d, 1)), ebb_reshape(q, EBB_DIMS(k * d, d)), ebb_t(x));
    y = ebb_view(y, EBB_DIMS(k, d, n));
    ebb_tensor *distance = ebb_vecdot(y, y, .dim = EBB_DIMS(1));
    ebb_tensor *inner = ebb_add_scaled(ebb_unsqueeze(ebb_add(alphas, sums), 1), distance, -0.5);
    ebb_tensor *likelihood =
        ebb_sub(ebb_sum(ebb_logsumexp(inner, EBB_DIMS(0))), ebb_mul(ebb_logsumexp(alphas, EBB_DIMS(0)), (double)n));
    ebb_tensor *prior = ebb_mul(ebb_add(ebb_sum(ebb_square(diagonal)), ebb_sum(ebb_square(below))), 0.5);
    return ebb_add(ebb_add(likelihood, prior), -0.5 * (double)(n * d) * log(2 * acos(-1.0)));
}

static void gmm_setup(bench_job *job) {
    int64_t s[3] = {0};
    if (bench_arg_sizes(job, 1, s, 3) != 3) {
        BENCH_UNKNOWN(job, 1);
        return;
    }
    const int64_t d = s[0], k = s[1], n = s[2], below = d * (d - 1) / 2;
    (void)bench_input(job, "alphas", EBB_F64, EBB_DIMS(k), 1.0);
    (void)bench_input(job, "means", EBB_F64, EBB_DIMS(k, d), 1.0);
    (void)bench_input(job, "icf", EBB_F64, EBB_DIMS(k, d + below), 0.3);
    (void)bench_input(job, "x", EBB_F64, EBB_DIMS(n, d), 1.0);
    ebb_tensor *places = bench_input_indices(job, "", 1, EBB_DIMS(d * d));
    /* columns below the diagonal, one after another; the rest is 0 */
    int64_t *place = ebb_tensor_data(places), next = 0;
    for (int64_t i = 0; i < d * d; i++) place[i] = below;
    for (int64_t column = 0; column < d; column++)
        for (int64_t row = column + 1; row < d; row++) place[row * d + column] = next++;
    prepare(job, gmm, 3);
    job->flops = 2.0 * (double)(k * n * d * d) * (bench_arg_is(job, 0, "gradient") ? 2 : 1);
}

OBJECTIVE(
    gmm, gmm_setup,
    "{function,gradient}/{2x5x1000,10x5x1000,10x50x1000,64x5x1000,64x50x1000,2x5x10000,10x25x10000,32x25x10000,64x50x10000}")

/* ---- k-means: the sum of squared distances to the nearest of k centres, |x|^2 + |c|^2 - 2 x.c ---- */

static ebb_tensor *kmeans(bench_job *job) {
    ebb_tensor *c = job->t[0], *x = job->t[1];
    ebb_tensor *norms = ebb_sum(ebb_square(c), .dim = EBB_DIMS(1));
    ebb_tensor *rest = ebb_addmm(norms, x, ebb_t(ebb_mul(c, -2.0)));
    return ebb_add(ebb_sum(ebb_square(x)), ebb_sum(ebb_amin(rest, .dim = EBB_DIMS(1))));
}

static void kmeans_setup(bench_job *job) { /* d, k, n */
    int64_t s[3] = {0};
    if (bench_arg_sizes(job, 1, s, 3) != 3) {
        BENCH_UNKNOWN(job, 1);
        return;
    }
    (void)bench_input(job, "centres", EBB_F64, EBB_DIMS(s[1], s[0]), 1.0);
    (void)bench_input(job, "x", EBB_F64, EBB_DIMS(s[2], s[0]), 1.0);
    prepare(job, kmeans, 1);
    job->flops = 2.0 * (double)(s[0] * s[1] * s[2]) * (bench_arg_is(job, 0, "gradient") ? 2 : 1);
}

OBJECTIVE(kmeans, kmeans_setup, "{function,gradient}/{2x5x1000,10x25x10000,64x50x10000}")

/* ---- the logarithm of a sum of exponentials ---- */

static ebb_tensor *logsumexp(bench_job *job) { return ebb_logsumexp(job->t[0], EBB_DIMS(0)); }

static void logsumexp_setup(bench_job *job) {
    const int64_t n = bench_arg_size(job, 1);
    (void)bench_input(job, "x", EBB_F64, EBB_DIMS(n), 3.0);
    prepare(job, logsumexp, 1);
    job->bytes = 8.0 * (double)n * (bench_arg_is(job, 0, "gradient") ? 2 : 1);
}

OBJECTIVE(logsumexp, logsumexp_setup, "{function,gradient}/{1e3,1e4,1e6}")

/* ---- an LSTM of characters whose gates are elementwise: l layers of b units over c characters ---- */

enum { WEIGHTS, EXTRA, STATE, SEQUENCE, ORDER, MAX_LAYERS = 4 };

static ebb_tensor *lstm(bench_job *job) {
    const int64_t layers = ebb_tensor_size(job->t[STATE], 0) / 2;
    ebb_list extra = ebb_unbind(job->t[EXTRA]), state = ebb_unbind(job->t[STATE]);
    ebb_tensor *targets = ebb_slice(job->t[SEQUENCE], 0, 1, EBB_END), *y;
    ebb_list sequence = ebb_unbind(ebb_mul(ebb_slice(job->t[SEQUENCE], 0, 0, -1), extra.t[0]));
    /* forget, input, output and change as the cell has them: input, forget, change, output */
    ebb_list rows = ebb_unbind(ebb_flatten(ebb_index_select(job->t[WEIGHTS], job->t[ORDER], 1), 1, 2));
    ebb_tensor *h[MAX_LAYERS], *c[MAX_LAYERS], **last = ebb_list_room(sequence.n);
    if (!last || rows.n != 2 * layers || state.n != 2 * layers) return NULL;
    for (int64_t i = 0; i < layers; i++) h[i] = state.t[2 * i], c[i] = state.t[2 * i + 1];
    for (int64_t t = 0; t < sequence.n; t++) {
        ebb_tensor *x = sequence.t[t];
        for (int64_t i = 0; i < layers; i++) {
            ebb_tensor *gates = ebb_addcmul(rows.t[2 * i + 1], rows.t[2 * i], ebb_cat(EBB_LIST(h[i], x, h[i], x), 0));
            x = h[i] = ebb_lstm_recurrence(gates, c[i], .ret_cells = &c[i]);
        }
        last[t] = x;
    }
    y = ebb_add(ebb_mul(ebb_stack(((ebb_list){sequence.n, last}), 0), extra.t[1]), extra.t[2]);
    y = ebb_sub(y, ebb_log(ebb_add(ebb_sum(ebb_exp(y), .dim = EBB_DIMS(1), .keepdim = true), 2.0)));
    return ebb_div(ebb_sum(ebb_mul(targets, y)), -(double)ebb_tensor_numel(targets));
}

static void lstm_setup(bench_job *job) { /* l, b, c */
    int64_t s[3] = {0};
    if (bench_arg_sizes(job, 1, s, 3) != 3 || s[0] > MAX_LAYERS) {
        BENCH_UNKNOWN(job, 1);
        return;
    }
    (void)bench_input(job, "main", EBB_F64, EBB_DIMS(2 * s[0], 4, s[1]), 1.0);
    (void)bench_input(job, "extra", EBB_F64, EBB_DIMS(3, s[1]), 1.0);
    (void)bench_input(job, "state", EBB_F64, EBB_DIMS(2 * s[0], s[1]), 1.0);
    (void)bench_input(job, "sequence", EBB_F64, EBB_DIMS(s[2], s[1]), 1.0);
    ebb_tensor *order = bench_input_indices(job, "", 4, EBB_DIMS(4));
    memcpy(ebb_tensor_data(order), (const int64_t[]){1, 0, 3, 2}, 4 * sizeof(int64_t));
    prepare(job, lstm, 2);
}

OBJECTIVE(lstm, lstm_setup, "{function,gradient}/{2x14x200,2x1024x100}")
