/* Chains within a budget: schedules against all that there are, and runs against what they promise. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include "autograd/schedule.h"
#include <math.h>

/* ---- all schedules of a short chain ---- */

/* Every sweep over first … last, as pairs of peak and cost; returns how many. A sweep keeps its first segment, or
 * leaves a piece that is computed again from its input by any sweep inside; then comes the rest. */
struct outcome {
    int64_t peak;
    double cost;
};
enum { OUTCOMES = 200000 };

static int64_t size_kept(const struct ebb__stage *s, bool end) {
    return s->inner + (!end || s->saves_output ? s->output : 0);
}

static int64_t sweeps(const struct ebb__stage *s, int64_t first, int64_t last, struct outcome *ret) {
    int64_t n = 0;
    if (first == last) {
        ret[0] = (struct outcome){size_kept(&s[first], true), s[first].cost};
        return 1;
    }
    struct outcome *rest = malloc(2 * OUTCOMES * sizeof *rest), *inside = rest + OUTCOMES;
    CHECK(rest != NULL);
    int64_t n_rest = sweeps(s, first + 1, last, rest);
    for (int64_t i = 0; i < n_rest; i++)
        ret[n++] = (struct outcome){size_kept(&s[first], false) + rest[i].peak, s[first].cost + rest[i].cost};
    for (int64_t r = first + 1; r <= last; r++) {
        double forward = 0;
        for (int64_t i = first; i < r; i++) forward += s[i].cost;
        n_rest = sweeps(s, r, last, rest);
        int64_t n_inside = sweeps(s, first, r - 1, inside);
        for (int64_t i = 0; i < n_rest; i++)
            for (int64_t k = 0; k < n_inside; k++) {
                int64_t peak = s[r - 1].output + rest[i].peak;
                if (inside[k].peak > peak) peak = inside[k].peak;
                CHECK(n < OUTCOMES);
                ret[n++] = (struct outcome){peak, forward + rest[i].cost + inside[k].cost};
            }
    }
    free(rest);
    return n;
}

static uint64_t dice = 1;
static int64_t random_below(int64_t n) {
    dice = dice * UINT64_C(6364136223846793005) + 1;
    return (int64_t)(dice >> 33) % n;
}

EBB_TEST(no_schedule_of_a_short_chain_is_better) {
    struct outcome *all = malloc(OUTCOMES * sizeof *all);
    CHECK(all != NULL);
    for (int chain = 0; chain < 30; chain++) {
        struct ebb__stage s[6];
        int64_t n = 1 + chain % 6, least = INT64_MAX;
        for (int64_t i = 0; i < n; i++)
            s[i] = (struct ebb__stage){random_below(5), 1 + random_below(4), random_below(2) == 1,
                                       (double)(1 + random_below(9))};
        int64_t count = sweeps(s, 0, n - 1, all);
        for (int64_t i = 0; i < count; i++) least = all[i].peak < least ? all[i].peak : least;
        CHECK(ebb__schedule_least(s, n) == least);
        for (int64_t budget = 0; budget < 45; budget++) {
            struct ebb__schedule got = {0};
            double best = INFINITY;
            for (int64_t i = 0; i < count; i++)
                if (all[i].peak <= budget && all[i].cost < best) best = all[i].cost;
            CHECK(ebb__schedule_optimal(s, n, budget, &got) == EBB_OK);
            if (budget < least) {
                CHECK(got.peak == least);
            } else {
                CHECK(got.peak <= budget);
                CHECK_CLOSE(got.cost, best, 1e-5);
            }
            ebb__schedule_end(&got);
        }
    }
    free(all);
}

/* ---- a long chain of equal segments, which keep their result and nothing else ---- */

enum { LAYERS = 1000, MOST = 100 };

/* The least cost of `layers` with m units, for all of both: the recurrence, without anything clever. */
static double *least_costs(void) {
    double *c = malloc((LAYERS + 1) * (MOST + 1) * sizeof *c);
    CHECK(c != NULL);
    for (int64_t m = 0; m <= MOST; m++) {
        c[m] = 0;
        c[MOST + 1 + m] = m > 0 ? 1 : INFINITY;
    }
    for (int64_t l = 2; l <= LAYERS; l++) {
        for (int64_t m = 0; m <= MOST; m++) {
            double best = INFINITY;
            for (int64_t r = 1; r < l && m > 0; r++) {
                double again = r == 1 ? 0 : c[r * (MOST + 1) + m]; /* one segment: kept, since it costs the same */
                double cost = (double)r + c[(l - r) * (MOST + 1) + m - 1] + again;
                best = cost < best ? cost : best;
            }
            c[l * (MOST + 1) + m] = best;
        }
    }
    return c;
}

static const int64_t budgets[] = {3, 4, 5, 8, 12, 20, 32, 45, 63, 100};
enum { BUDGETS = sizeof budgets / sizeof *budgets };

EBB_TEST(a_thousand_equal_layers) {
    double *c = least_costs();
    struct ebb__stage s[LAYERS];
    for (int64_t i = 0; i < LAYERS; i++) s[i] = (struct ebb__stage){0, 4096, true, 0.25};
    for (size_t b = 0; b < BUDGETS; b++) {
        struct ebb__schedule got = {0};
        CHECK(ebb__schedule_optimal(s, LAYERS, budgets[b] * 4096 + 100, &got) == EBB_OK);
        CHECK(got.cost == 0.25 * c[LAYERS * (MOST + 1) + budgets[b]] && got.peak <= budgets[b] * 4096);
        /* No schedule of this cost holds less, by more than a twentieth. */
        int64_t m = budgets[b];
        while (m > 1 && c[LAYERS * (MOST + 1) + m - 1] <= 4 * got.cost) m--;
        CHECK((double)got.peak <= 1.05 * (double)m * 4096);
        /* Where each segment is computed at most once more: pieces of m, m - 1, m - 2, ... and what is left is kept. */
        if (budgets[b] < 45) {
            ebb__schedule_end(&got);
            continue;
        }
        int64_t pieces = 0, reach = budgets[b];
        while (reach < LAYERS) reach += budgets[b] - ++pieces;
        CHECK(got.cost == 0.25 * (double)(LAYERS + LAYERS - (budgets[b] - pieces)));
        ebb__schedule_end(&got);
    }
    free(c);
}

EBB_TEST(long_chains_of_all_sizes) {
    struct ebb__stage *s = malloc(LAYERS * sizeof *s);
    int64_t whole = 0;
    CHECK(s != NULL);
    for (int64_t i = 0; i < LAYERS; i++) {
        s[i] = (struct ebb__stage){random_below(3000000), 100000 + random_below(900000), random_below(2) == 1,
                                   (double)(1 + random_below(10))};
        whole += s[i].inner + s[i].output;
    }
    double before = 0;
    for (int64_t divide = 2; divide <= 128; divide *= 8) {
        struct ebb__schedule got = {0};
        CHECK(ebb__schedule_optimal(s, LAYERS, whole / divide, &got) == EBB_OK);
        CHECK(got.peak <= whole / divide && got.peak > whole / divide / 2 && got.cost > before);
        before = got.cost;
        ebb__schedule_end(&got);
    }
    free(s);
}

/* ---- runs ---- */

static ebb_tensor *values(int64_t n, double v) {
    return ebb_add(ebb_mul(ebb_arange(0, (double)n, 1, .dtype = EBB_F32), 0.25 / (double)n), v);
}

static bool same(const ebb_tensor *a, const ebb_tensor *b) {
    size_t n = a && b ? (size_t)ebb_tensor_numel(a) : 0;
    return n && n == (size_t)ebb_tensor_numel(b) && ebb_tensor_is_contiguous(a) && ebb_tensor_is_contiguous(b) &&
           memcmp(ebb_tensor_data(a), ebb_tensor_data(b), n * sizeof(float)) == 0;
}

static ebb_status layer(ebb_list in, ebb_outputs *ret_out, void *context) {
    ret_out->t[ret_out->n++] = ebb_tanh(ebb_add(in.t[0], context));
    return ebb_error_status();
}

static ebb_segment *layers(int64_t n, ebb_tensor *b) {
    ebb_segment *s = calloc((size_t)n, sizeof *s);
    CHECK(s != NULL);
    for (int64_t i = 0; i < n; i++) s[i] = (ebb_segment){.function = layer, .context = b};
    return s;
}

/* Forward and backward over the chain; the peak of memory and the gradients (kept). */
static int64_t step(ebb_sequence *q, ebb_tensor *x, ebb_tensor *b, ebb_tensor **ret_grads) {
    int64_t peak = 0;
    EBB_SCOPE {
        ebb_tensor *g[2] = {NULL, NULL};
        ebb_memory_info before = ebb_memory();
        ebb_memory_reset_peak();
        ebb_tensor *y = ebb_sequence_run(q, EBB_LIST(x)).t[0];
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x, b), g, .grad_outputs = EBB_LIST(x)) == EBB_OK);
        peak = ebb_memory().peak - before.in_use;
        for (int k = 0; k < 2; k++) ret_grads[k] = ebb_keep(g[k]);
    }
    return peak;
}

/* The bytes of a run beyond those of the same run of one element: tensors that are held, and the three or four that
 * are just being computed. */
EBB_TEST(a_thousand_layers_hold_what_the_schedule_says) {
    enum { N = 8192, BYTES = 4 * N, COMPUTED = 4 };
    const int64_t some[] = {3, 12, 32, 63, 100, LAYERS};
    EBB_SCOPE {
        ebb_tensor *x[2], *b, *plain[2] = {NULL}, *g[2];
        b = ebb_full(EBB_DIMS(1), 0.01, .requires_grad = true);
        x[0] = ebb_requires_grad_(values(1, 0.5), true);
        x[1] = ebb_requires_grad_(values(N, 0.5), true);
        ebb_segment *s = layers(LAYERS, b);
        for (int i = (int)(sizeof some / sizeof *some); i-- > CHECK_SANITIZED;) {
            int64_t peak[2];
            ebb_sequence_plan p = {0};
            for (int big = 0; big < 2; big++) {
                int64_t bytes = big ? BYTES : 4;
                for (int64_t k = 0; k < LAYERS; k++) s[k].output = bytes, s[k].saves_output = true, s[k].cost = 1;
                ebb_sequence *q = ebb_checkpoint_sequence(s, LAYERS, some[i] * bytes);
                p = ebb_sequence_planned(q);
                CHECK(p.over == 0 && p.peak <= some[i] * bytes && p.whole == LAYERS * bytes);
                peak[big] = step(q, x[big], b, g);
                ebb_sequence_release(q);
                if (big && !plain[0]) memcpy(plain, g, sizeof g); /* everything kept */
                else if (big) CHECK(same(plain[0], g[0]) && same(plain[1], g[1]));
                if (!big || plain[0] != g[0]) ebb_drop(g[0]), ebb_drop(g[1]);
            }
            int64_t held = peak[1] - peak[0];
            CHECK(held >= p.peak / 100 * 99 - BYTES && held <= p.peak + COMPUTED * BYTES);
        }
        ebb_drop(plain[0]);
        ebb_drop(plain[1]);
        free(s);
    }
}

/* A stack of blocks of three kinds, with two tensors between segments, one of which needs no gradient. */
struct stack {
    ebb_tensor *w;
    int runs;
};
static ebb_status dense(ebb_list in, ebb_outputs *ret_out, void *context) {
    struct stack *s = context;
    s->runs++;
    ret_out->t[0] = ebb_gelu(ebb_matmul(in.t[0], s->w));
    ret_out->t[1] = in.t[1];
    ret_out->n = 2;
    return ebb_error_status();
}
static ebb_status noisy(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[0] = ebb_mul(ebb_dropout(in.t[0]), in.t[1]);
    ret_out->t[1] = ebb_add(in.t[1], 0.5);
    ret_out->n = 2;
    return ebb_error_status();
}
static ebb_status normal(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[0] = ebb_layer_norm(in.t[0], EBB_DIMS(16));
    ret_out->t[1] = in.t[1];
    ret_out->n = 2;
    return ebb_error_status();
}

enum { STACK = 12 };
static void make_stack(struct stack *c, ebb_segment *s) {
    static const ebb_function kinds[] = {dense, noisy, normal};
    c->w = ebb_requires_grad_(ebb_div(ebb_reshape(values(256, -0.1), EBB_DIMS(16, 16)), 2.0), true);
    for (int i = 0; i < STACK; i++) s[i] = (ebb_segment){.function = kinds[i % 3], .context = c};
}

EBB_TEST(measured_planned_and_run) {
    struct stack c = {0};
    ebb_segment s[STACK];
    EBB_SCOPE {
        ebb_tensor *x = ebb_requires_grad_(ebb_reshape(values(128, 0.1), EBB_DIMS(8, 16)), true),
                   *m = ebb_ones(EBB_DIMS(8, 16));
        ebb_tensor *want[2], *got[2];
        make_stack(&c, s);
        int64_t whole = 0;
        for (int k = 0; k < 8; k++) {
            int64_t budget = k == 0 ? INT64_MAX : k == 7 ? 1 : whole * (8 - k) / 8;
            ebb_sequence *q = ebb_checkpoint_sequence(s, STACK, budget);
            CHECK(q && ebb_sequence_planned(q).peak == 0);
            ebb_manual_seed(3);
            c.runs = 0;
            ebb_tensor *y = ebb_sequence_run(q, EBB_LIST(x, m)).t[0];
            ebb_sequence_plan p = ebb_sequence_planned(q);
            CHECK(c.runs == 8 && p.peak > 0 && p.over == (p.peak > budget ? p.peak - budget : 0));
            CHECK((p.over > 0) == (k == 7) && (k < 7 || p.peak == p.least));
            CHECK(ebb_sequence_segment(q, 1)->output == 2 * 512 && ebb_sequence_segment(q, STACK) == NULL);
            CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x, c.w), k ? got : want) == EBB_OK);
            CHECK(k == 0 || (same(got[0], want[0]) && same(got[1], want[1])));
            if (k == 0) CHECK(p.cost == 1 && p.peak == p.whole);
            whole = p.whole;
            int measured = c.runs;
            y = ebb_sequence_run(q, EBB_LIST(x, m)).t[0]; /* is not measured again */
            CHECK(y && c.runs == measured + 4);
            q = ebb_sequence_release(q); /* the graph holds it */
            CHECK(ebb_backward(ebb_sum(y)) == EBB_OK);
        }
    }
}

EBB_TEST(other_schedules) {
    static const ebb_schedule kinds[] = {EBB_SCHEDULE_KEEP, EBB_SCHEDULE_SQRT, EBB_SCHEDULE_EACH};
    EBB_SCOPE {
        ebb_tensor *b = ebb_full(EBB_DIMS(1), 0.01, .requires_grad = true),
                   *x = ebb_requires_grad_(values(64, 0.5), true);
        ebb_tensor *want[2] = {NULL}, *got[2];
        ebb_segment *s = layers(100, b);
        for (int k = 0; k < 100; k++) s[k].output = 256, s[k].saves_output = true, s[k].cost = 1;
        for (int k = 0; k < 3; k++) {
            ebb_sequence *q = ebb_checkpoint_sequence(s, 100, 0, .schedule = kinds[k]);
            ebb_sequence_plan p = ebb_sequence_planned(q);
            (void)step(q, x, b, k ? got : want);
            if (k == 0) CHECK(p.peak == 100 * 256 && p.cost == 1 && p.over == p.peak);
            if (k == 1) CHECK(p.peak == 19 * 256 && p.cost == 1.9);
            if (k == 2) CHECK(p.peak == 100 * 256 && p.cost == 1.99);
            if (k) CHECK(same(got[0], want[0]) && same(got[1], want[1]));
            if (k) ebb_drop(got[0]), ebb_drop(got[1]);
            ebb_sequence_release(q);
        }
        ebb_drop(want[0]);
        ebb_drop(want[1]);
        free(s);
    }
}

EBB_TEST(second_derivatives_through_a_chain) {
    EBB_SCOPE {
        ebb_tensor *b = ebb_full(EBB_DIMS(1), 0.01, .requires_grad = true),
                   *x = ebb_requires_grad_(values(3, 0.5), true);
        ebb_tensor *g, *h[2];
        ebb_segment *s = layers(9, b);
        for (int k = 0; k < 2; k++) {
            ebb_sequence *q = ebb_checkpoint_sequence(s, 9, k ? 30 : 1000);
            ebb_tensor *y = ebb_sequence_run(q, EBB_LIST(x)).t[0];
            CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &g, .create_graph = true) == EBB_OK);
            CHECK(ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(x), &h[k]) == EBB_OK);
            ebb_sequence_release(q);
        }
        CHECK(same(h[0], h[1]));
        free(s);
    }
}

static ebb_status fails(ebb_list in, ebb_outputs *ret_out, void *context) {
    int *runs = context;
    if (++*runs > 3) return ebb_fail(EBB_ERR_IO, "no more");
    ret_out->t[ret_out->n++] = ebb_exp(in.t[0]);
    return ebb_error_status();
}

EBB_TEST(wrong_use) {
    EBB_SCOPE {
        int runs = 0;
        ebb_tensor *x = ebb_requires_grad_(values(3, 0.5), true);
        ebb_segment s[3], one = {.function = fails, .context = &runs};
        s[0] = s[1] = s[2] = one;
        CHECK(ebb_checkpoint_sequence(NULL, 3, 10) == NULL);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "checkpoint_sequence: segments is NULL");
        CHECK(ebb_checkpoint_sequence(s, 0, 10) == NULL);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "at least one segment");
        s[1].function = NULL;
        CHECK(ebb_checkpoint_sequence(s, 3, 10) == NULL);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "the function of segment 1 is NULL");
        s[1] = s[0];
        s[1].output = -1;
        CHECK(ebb_checkpoint_sequence(s, 3, 10) == NULL);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "segment 1 has a negative size");
        s[1] = s[0];
        ebb_sequence *q = ebb_checkpoint_sequence(s, 3, 10);
        CHECK(ebb_sequence_run(q, EBB_LIST(NULL)).n == 0);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "an input is NULL");
        CHECK(ebb_sequence_run(q, EBB_LIST(x)).n == 0); /* measured, then it fails */
        CHECK_ERROR(EBB_ERR_IO, "no more");
        runs = 0;
        CHECK(ebb_sequence_run(NULL, EBB_LIST(x)).n == 0);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "sequence is NULL");
        ebb_tensor *y = ebb_sequence_run(q, EBB_LIST(x)).t[0];
        CHECK(y && ebb_backward(ebb_sum(y)) == EBB_ERR_IO);
        CHECK_ERROR(EBB_ERR_IO, "no more");
        ebb_sequence_release(q);
        CHECK(ebb_sequence_release(NULL) == NULL);
    }
}

static void run_failing(void) {
    struct stack c = {0};
    ebb_segment s[STACK];
    EBB_SCOPE {
        ebb_tensor *x = ebb_requires_grad_(ebb_reshape(values(128, 0.1), EBB_DIMS(8, 16)), true),
                   *m = ebb_ones(EBB_DIMS(8, 16));
        make_stack(&c, s);
        ebb_sequence *q = ebb_checkpoint_sequence(s, 6, 2000);
        ebb_tensor *y = ebb_sequence_run(q, EBB_LIST(x, m)).t[0];
        ebb_backward(ebb_sum(y));
        ebb_sequence_release(q);
    }
}
EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(run_failing, 0); }

EBB_TEST_MAIN
