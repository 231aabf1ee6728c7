/* Distributions: their moments and ranges, draws by weights, and that nothing but the seed matters; fills in place and
 * what they do to the history of a tensor. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>

enum { N = 40000 };

static void check_moments(ebb_tensor *x, double mean, double variance) {
    double n = (double)ebb_tensor_numel(x), m = ebb_item(ebb_mean(ebb_to(x, EBB_F64)));
    double v = ebb_item(ebb_mean(ebb_square(ebb_sub(ebb_to(x, EBB_F64), mean))));
    CHECK_OK();
    CHECK(fabs(m - mean) < 5 * sqrt(variance / n)); /* five standard errors; the seed is fixed */
    CHECK(fabs(v - variance) < 15 * variance / sqrt(n) + 5 * variance / n);
}

static ebb_tensor *blank(ebb_dtype dtype) { return ebb_zeros(EBB_DIMS(N), .dtype = dtype); }

EBB_TEST(fills_have_their_moments) {
    static const ebb_dtype dtypes[] = {EBB_F32, EBB_F64};
    ebb_manual_seed(11);
    for (int i = 0; i < 2; i++) {
        ebb_tensor *x = blank(dtypes[i]);
        check_moments(ebb_uniform_(x, .from = -1, .to = EBB_SET(3)), 1, 16.0 / 12);
        CHECK(ebb_item(ebb_amin(x)) >= -1 && ebb_item(ebb_amax(x)) < 3);
        check_moments(ebb_normal_(x, .mean = 2, .std = EBB_SET(0.5)), 2, 0.25);
        check_moments(ebb_exponential_(x, .lambd = EBB_SET(4)), 0.25, 1.0 / 16);
        CHECK(ebb_item(ebb_amin(x)) > 0);
        check_moments(ebb_log(ebb_log_normal_(x, .mean = EBB_SET(0.5), .std = EBB_SET(0.25))), 0.5, 1.0 / 16);
        check_moments(ebb_geometric_(x, 0.25), 4, 12);
        CHECK(ebb_item(ebb_amin(x)) == 1);
        check_moments(ebb_bernoulli_(x, .p = EBB_NUM(0.3)), 0.3, 0.21);
        ebb_tensor *quarter = ebb_atan(ebb_cauchy_(x, .median = 0, .sigma = EBB_SET(1))); /* uniform again */
        check_moments(quarter, 0, 3.14159265358979 * 3.14159265358979 / 12);
    }
    ebb_tensor *p = ebb_cat(EBB_LIST(ebb_full(EBB_DIMS(N), 0.1), ebb_full(EBB_DIMS(N), 0.7)), 0);
    ebb_tensor *x = ebb_bernoulli_(ebb_zeros(EBB_DIMS(2 * N)), .p = p);
    check_moments(ebb_slice(x, 0, 0, N), 0.1, 0.09);
    check_moments(ebb_slice(x, 0, N, 2 * N), 0.7, 0.21);
    check_moments(ebb_random_(blank(EBB_I64), .from = -2, .to = EBB_SET(3)), 0, 2);
    check_moments(ebb_geometric_(blank(EBB_I32), 0.5), 2, 2);
    check_moments(ebb_random_(blank(EBB_BOOL)), 0.5, 0.25);
    check_moments(ebb_div(ebb_random_(blank(EBB_F32)), 0x1p24), 0.5, 1.0 / 12);
    CHECK(ebb_item_i64(ebb_amin(ebb_random_(blank(EBB_I64)))) >= 0);
}

EBB_TEST(draws_follow_their_tensors) {
    ebb_manual_seed(12);
    ebb_tensor *p = ebb_full(EBB_DIMS(2, N), 0.2);
    CHECK(ebb_copy_(ebb_select(p, 0, 1), ebb_scalar(0.9)));
    ebb_tensor *x = ebb_bernoulli(p);
    check_moments(ebb_select(x, 0, 0), 0.2, 0.16);
    check_moments(ebb_select(x, 0, 1), 0.9, 0.09);
    CHECK(ebb_item(ebb_sum(ebb_bernoulli(ebb_ones(EBB_DIMS(N))))) == N);
    CHECK(ebb_item(ebb_sum(ebb_bernoulli(ebb_zeros(EBB_DIMS(N))))) == 0);
    check_moments(ebb_normal(ebb_full(EBB_DIMS(N), 3.0), 2), 3, 4);
    check_moments(ebb_normal(1, ebb_full(EBB_DIMS(N), 2.0)), 1, 4);
    check_moments(ebb_normal(1, 3, .size = EBB_DIMS(N), .dtype = EBB_F64), 1, 9);
    static const double rates[] = {0.3, 4, 9.9, 10, 25, 1000};
    for (int i = 0; i < 6; i++)
        check_moments(ebb_poisson(ebb_full(EBB_DIMS(N), rates[i], .dtype = EBB_F64)), rates[i], rates[i]);
    CHECK(ebb_item(ebb_amax(ebb_poisson(ebb_zeros(EBB_DIMS(9))))) == 0);
}

/* How often each of `n` indices occurs, by its share. */
static void shares(const ebb_tensor *index, int64_t n, double *ret_share) {
    int64_t numel = ebb_tensor_numel(index);
    const int64_t *k = ebb_tensor_data(index);
    for (int64_t i = 0; i < n; i++) ret_share[i] = 0;
    for (int64_t i = 0; i < numel; i++) {
        CHECK(k[i] >= 0 && k[i] < n);
        ret_share[k[i]] += 1 / (double)numel;
    }
}

EBB_TEST(multinomial_draws_by_weight) {
    static const double weights[] = {1, 0, 3, 4, 2};
    double share[5];
    ebb_manual_seed(13);
    ebb_tensor *w = ebb_from_data(weights, EBB_F64, EBB_DIMS(5));
    shares(ebb_multinomial(w, N, .replacement = true), 5, share);
    for (int i = 0; i < 5; i++) CHECK(fabs(share[i] - weights[i] / 10) < 0.012);
    ebb_tensor *rows = ebb_contiguous(ebb_expand(w, EBB_DIMS(N, 5)));
    ebb_tensor *two = ebb_multinomial(rows, 2);
    CHECK_SHAPE(two, N, 2);
    CHECK(ebb_item_i64(ebb_sum(ebb_eq(ebb_select(two, 1, 0), ebb_select(two, 1, 1)))) == 0);
    shares(ebb_contiguous(ebb_select(two, 1, 0)), 5, share);
    for (int i = 0; i < 5; i++) CHECK(fabs(share[i] - weights[i] / 10) < 0.012);
    shares(ebb_contiguous(ebb_select(two, 1, 1)), 5, share); /* P(second = 0) = sum of P(first = k) w0 / (10 - wk) */
    CHECK(fabs(share[0] - (0.3 / 7 + 0.4 / 6 + 0.2 / 8)) < 0.012 && share[1] == 0);
    CHECK(!ebb_multinomial(w, 5));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "only 4 of the weights are not 0");
    CHECK(!ebb_multinomial(ebb_zeros(EBB_DIMS(3)), 1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "sum to 0");
    CHECK(!ebb_multinomial(ebb_full(EBB_DIMS(3), -1.0), 1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "not negative, found -1");
    CHECK(!ebb_multinomial(ebb_full(EBB_DIMS(3), NAN), 1, .replacement = true));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "finite");
}

/* ---- whole distributions, and independence ---- */

static double normal_cdf(double x, double mean, double std) { return erfc((mean - x) / (std * sqrt(2))) / 2; }

static double cdf_uniform(double x) { return (x + 1) / 4; }
static double cdf_unit(double x) { return x; }
static double cdf_normal(double x) { return normal_cdf(x, 2, 0.5); }
static double cdf_standard(double x) { return normal_cdf(x, 0, 1); }
static double cdf_exponential(double x) { return -expm1(-4 * x); }
static double cdf_log_normal(double x) { return normal_cdf(log(x), 0.5, 0.25); }
static double cdf_cauchy(double x) { return 0.5 + atan((x - 1) / 2) / 3.14159265358979; }
static double cdf_geometric(double k) { return 1 - pow(0.75, k); }
static double cdf_whole(double k) { return (k + 3) / 5; } /* of -2 to 2 */
static double poisson_cdf(double k, double rate) {
    double sum = 0;
    for (int j = 0; j <= k; j++) sum += exp(j * log(rate) - rate - lgamma(j + 1.0));
    return sum;
}
static double cdf_poisson_small(double k) { return poisson_cdf(k, 4); }
static double cdf_poisson_large(double k) { return poisson_cdf(k, 25); }

/* Kolmogorov's test at a level of 0.1 %, and neighbours that are not correlated; the seed is fixed. */
static void check_drawn(const char *what, ebb_tensor *x, double (*cdf)(double)) {
    int64_t n = ebb_tensor_numel(x);
    double *v = malloc((size_t)n * sizeof *v), worst = 0;
    CHECK(v && !ebb_tensor_read(ebb_sort(ebb_to(x, EBB_F64)), EBB_F64, v));
    for (int64_t i = 0; i < n; i++) /* the share of what is no more than a value that was drawn */
        if (i + 1 == n || v[i + 1] != v[i]) worst = fmax(worst, fabs(cdf(v[i]) - (double)(i + 1) / (double)n));
    free(v);
    ebb_tensor *side = ebb_sub(ebb_to(ebb_lt(x, ebb_median(x)), EBB_F64), 0.5); /* of the middle */
    side = ebb_sub(side, ebb_mean(side));
    ebb_tensor *pairs = ebb_mul(ebb_slice(side, 0, 1, n), ebb_slice(side, 0, 0, n - 1));
    double correlation = ebb_item(ebb_mean(pairs)) / ebb_item(ebb_mean(ebb_square(side)));
    print_message("  %-12s %.2f of 1.95, correlation %+.4f\n", what, worst * sqrt((double)n), correlation);
    CHECK_OK();
    CHECK(worst * sqrt((double)n) < 1.95);
    CHECK(fabs(correlation) < 5 / sqrt((double)n));
}

EBB_TEST(draws_have_their_distributions) {
    static const ebb_dtype dtypes[] = {EBB_F64, EBB_F32};
    ebb_manual_seed(14);
    for (int i = 0; i < 2; i++) {
        ebb_tensor *x = blank(dtypes[i]);
        check_drawn("uniform", ebb_uniform_(x, .from = -1, .to = EBB_SET(3)), cdf_uniform);
        check_drawn("normal", ebb_normal_(x, .mean = 2, .std = EBB_SET(0.5)), cdf_normal);
        check_drawn("exponential", ebb_exponential_(x, .lambd = EBB_SET(4)), cdf_exponential);
        check_drawn("log_normal", ebb_log_normal_(x, .mean = EBB_SET(0.5), .std = EBB_SET(0.25)), cdf_log_normal);
        check_drawn("cauchy", ebb_cauchy_(x, .median = 1, .sigma = EBB_SET(2)), cdf_cauchy);
        check_drawn("geometric", ebb_geometric_(x, 0.25), cdf_geometric);
        check_drawn("poisson", ebb_poisson(ebb_full_like(x, 4)), cdf_poisson_small);
        check_drawn("poisson", ebb_poisson(ebb_full_like(x, 25)), cdf_poisson_large);
        check_drawn("normal", ebb_normal(ebb_full_like(x, 2), 0.5), cdf_normal);
        check_drawn("rand", ebb_rand(EBB_DIMS(N), .dtype = dtypes[i]), cdf_unit);
        check_drawn("rand_like", ebb_rand_like(x), cdf_unit);
        check_drawn("randn", ebb_randn(EBB_DIMS(N), .dtype = dtypes[i]), cdf_standard);
        check_drawn("randn_like", ebb_randn_like(x), cdf_standard);
        check_drawn("randint_like", ebb_randint_like(x, -2, 3), cdf_whole);
    }
    check_drawn("randint", ebb_randint(-2, 3, EBB_DIMS(N)), cdf_whole);
    check_drawn("random", ebb_random_(blank(EBB_I64), .from = -2, .to = EBB_SET(3)), cdf_whole);
}

EBB_TEST(every_order_is_as_likely) {
    enum { TRIALS = 4000, OF = 4 };
    int at[OF][OF] = {{0}};
    ebb_manual_seed(15);
    for (int t = 0; t < TRIALS; t++) EBB_SCOPE {
            const int64_t *p = ebb_tensor_data(ebb_randperm(OF));
            for (int i = 0; i < OF; i++) at[i][p[i]]++;
        }
    for (int i = 0; i < OF * OF; i++) CHECK(fabs(at[i / OF][i % OF] - 1000.0) < 5 * sqrt(TRIALS * 3.0 / 16));
}

/* ---- dropout ---- */

EBB_TEST(dropout_drops_its_share) {
    static const ebb_dtype dtypes[] = {EBB_F32, EBB_F64};
    ebb_manual_seed(16);
    for (int i = 0; i < 2; i++) {
        ebb_tensor *x = ebb_full(EBB_DIMS(N), 2, .dtype = dtypes[i], .requires_grad = true), *mask, *g;
        ebb_tensor *y = ebb_native_dropout(x, 0.3, .ret_mask = &mask);
        check_moments(ebb_detach(y), 2, 4 * 0.3 / 0.7);
        check_moments(mask, 0.7, 0.21);
        CHECK(ebb_item(ebb_all(ebb_eq(mask, ebb_ne(y, 0)))) == 1);
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &g));
        CHECK(ebb_item(ebb_amax(ebb_abs(ebb_sub(ebb_mul(g, 2), ebb_detach(y))))) < 1e-6); /* it is linear */
        y = ebb_dropout(x, .p = EBB_SET(0.8));
        check_moments(ebb_detach(y), 2, 4 * 0.8 / 0.2);
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &g));
        CHECK(ebb_item(ebb_amax(ebb_abs(ebb_sub(ebb_mul(g, 2), ebb_detach(y))))) < 1e-5);
        CHECK(ebb_item(ebb_sum(ebb_native_dropout(x, 1, .ret_mask = &mask))) == 0 && ebb_item(ebb_sum(mask)) == 0);
    }
}

/* The channels of y (N, 3) are all dropped or all kept: the share of the kept ones. */
static ebb_tensor *kept_channels(ebb_tensor *y, ebb_tensor *dropped) {
    ebb_tensor *kept = ebb_ne(y, dropped), *first = ebb_select(kept, 1, 0);
    for (int k = 1; k < 3; k++) CHECK(ebb_item(ebb_all(ebb_eq(first, ebb_select(kept, 1, k)))) == 1);
    return first;
}

EBB_TEST(channels_are_dropped_whole) {
    ebb_manual_seed(17);
    ebb_tensor *x = ebb_ones(EBB_DIMS(N / 4, 4, 3), .dtype = EBB_F64);
    ebb_tensor *y = ebb_reshape(ebb_feature_dropout(x, .p = EBB_SET(0.25)), EBB_DIMS(N, 3));
    check_moments(kept_channels(y, ebb_scalar(0.0)), 0.75, 0.1875);
    check_moments(ebb_select(y, 1, 0), 1, 1.0 / 3);
    y = ebb_feature_alpha_dropout(x, .p = EBB_SET(0.25), .training = EBB_SET(true));
    y = ebb_reshape(y, EBB_DIMS(N, 3));
    check_moments(kept_channels(y, ebb_amin(y)), 0.75, 0.1875);
    CHECK(ebb_item_i64(ebb_count_nonzero(ebb_ne(y, ebb_amin(y)))) % 3 == 0);
}

EBB_TEST(alpha_dropout_keeps_mean_and_variance) {
    ebb_manual_seed(18);
    ebb_tensor *x = ebb_randn(EBB_DIMS(N), .dtype = EBB_F64, .requires_grad = true), *g;
    ebb_tensor *y = ebb_alpha_dropout(x, .p = EBB_SET(0.4), .training = EBB_SET(true));
    check_moments(ebb_detach(y), 0, 1);
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &g)); /* one number where it is kept, 0 where not */
    double kept = ebb_item(ebb_amax(g));
    check_moments(ebb_div(g, kept), 0.6, 0.24);
    ebb_tensor *constant = ebb_masked_select(ebb_detach(y), ebb_eq(g, 0));
    CHECK(ebb_item(ebb_sub(ebb_amax(constant), ebb_amin(constant))) < 1e-12);
}

EBB_TEST(attention_drops_its_weights) {
    enum { KEYS = 8 };
    ebb_manual_seed(19);
    ebb_tensor *q = ebb_zeros(EBB_DIMS(N, 2), .dtype = EBB_F64), *k = ebb_zeros(EBB_DIMS(KEYS, 2), .dtype = EBB_F64);
    ebb_tensor *ones = ebb_ones(EBB_DIMS(KEYS, 1), .dtype = EBB_F64); /* weights of 1/8, of which a share is dropped */
    ebb_tensor *y = ebb_scaled_dot_product_attention(q, k, ones, .dropout_p = 0.2);
    check_moments(ebb_flatten(y, 0, -1), 1, 0.2 / 0.8 / KEYS);
}

enum { KINDS = 10 };

static void draw_all(ebb_tensor **ret_x) {
    ebb_tensor *x = ebb_zeros(EBB_DIMS(70001)), *p = ebb_full(EBB_DIMS(70001), 0.4);
    ret_x[0] = ebb_uniform(x, .to = EBB_SET(7));
    ret_x[1] = ebb_normal(p, 2);
    ret_x[2] = ebb_exponential(ebb_to(x, EBB_F64));
    ret_x[3] = ebb_bernoulli(p);
    ret_x[4] = ebb_poisson(ebb_mul(p, 60));
    ret_x[5] = ebb_geometric(x, 0.01);
    ret_x[6] = ebb_random(ebb_to(x, EBB_I64));
    ret_x[7] = ebb_multinomial(p, 1000);
    ret_x[8] = ebb_log_normal(x);
    ret_x[9] = ebb_randint_like(x, -5, 5);
}

EBB_TEST(only_the_seed_matters) {
    ebb_tensor *runs[3][KINDS];
    int threads = ebb_num_threads();
    ebb_rng_state state = {0, 0};
    for (int i = 0; i < 3; i++) { /* with other numbers of threads, and from a state that was saved */
        ebb_set_num_threads(i == 0 ? 1 : 3 + i);
        if (i < 2) ebb_manual_seed(42);
        if (i == 0) state = ebb_get_rng_state();
        if (i == 2) ebb_set_rng_state(state);
        draw_all(runs[i]);
    }
    ebb_set_num_threads(threads);
    for (int k = 0; k < 2 * KINDS; k++) {
        ebb_tensor *a = runs[0][k / 2], *b = runs[1 + k % 2][k / 2];
        size_t bytes = (size_t)ebb_tensor_numel(a) * ebb_dtype_size(ebb_tensor_dtype(a));
        CHECK(bytes && ebb_tensor_data(b) && memcmp(ebb_tensor_data(a), ebb_tensor_data(b), bytes) == 0);
    }
    ebb_tensor *next[KINDS]; /* the generator has moved on */
    draw_all(next);
    for (int k = 0; k < KINDS; k++) CHECK(memcmp(ebb_tensor_data(runs[2][k]), ebb_tensor_data(next[k]), 64) != 0);
}

static void check_node(const ebb_tensor *t, const char *name) {
    CHECK(ebb_tensor_grad_fn(t) && strcmp(ebb_node_name(ebb_tensor_grad_fn(t)), name) == 0);
}

EBB_TEST(the_gradient_of_a_draw_is_zero) {
    ebb_tensor *p = ebb_full(EBB_DIMS(3), 0.5, .requires_grad = true);
    ebb_tensor *y = ebb_bernoulli(p), *z = ebb_normal(p, p);
    check_node(y, "BernoulliBackward0");
    check_node(z, "NormalBackward3");
    check_node(ebb_normal(p, 1), "NormalBackward1");
    check_node(ebb_normal(1, p), "NormalBackward2");
    check_node(ebb_poisson(p), "PoissonBackward0");
    CHECK(!ebb_tensor_requires_grad(ebb_multinomial(p, 2)));
    CHECK(ebb_backward(ebb_sum(ebb_add(ebb_mul(y, p), z))) == EBB_OK);
    CHECK_VALUES(ebb_sub(ebb_tensor_grad(p), y), 0, 0, 0, 0);
    ebb_tensor *x = ebb_full(EBB_DIMS(3), 2.0, .requires_grad = true), *filled = ebb_mul(x, x);
    CHECK(ebb_normal_(filled)); /* what it was no longer counts */
    check_node(filled, "NormalBackward0");
    CHECK(ebb_backward(ebb_sum(ebb_mul(filled, x))) == EBB_OK);
    CHECK_VALUES(ebb_sub(ebb_tensor_grad(x), filled), 0, 0, 0, 0);
    check_node(ebb_bernoulli_(ebb_mul(x, 1)), "BernoulliBackward2");
    check_node(ebb_bernoulli_(ebb_mul(x, 1), .p = p), "BernoulliBackward1");
    check_node(ebb_random_(ebb_mul(x, 1)), "RandomBackward2");
    check_node(ebb_random_(ebb_mul(x, 1), .to = EBB_SET(3)), "RandomBackward1");
    check_node(ebb_random_(ebb_mul(x, 1), .from = 1, .to = EBB_SET(3)), "RandomBackward0");
    check_node(ebb_uniform_(ebb_mul(x, 1)), "UniformBackward0");
    check_node(ebb_exponential_(ebb_mul(x, 1)), "ExponentialBackward0");
    check_node(ebb_geometric_(ebb_mul(x, 1), 0.5), "GeometricBackward0");
    check_node(ebb_log_normal_(ebb_mul(x, 1)), "LogNormalBackward0");
    ebb_tensor *last = ebb_cauchy_(ebb_mul(x, 1)), *g;
    check_node(last, "CauchyBackward0");
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(last)), EBB_LIST(x), &g));
    CHECK_VALUES(g, 0, 0, 0, 0);
    CHECK(!ebb_tensor_requires_grad(ebb_rand_like(x)) && !ebb_tensor_requires_grad(ebb_randn_like(x)));
    CHECK(!ebb_uniform_(x));
    CHECK_ERROR(EBB_ERR_GRAPH, "leaf");
    EBB_NO_GRAD { CHECK(ebb_uniform_(x) && ebb_tensor_is_leaf(x)); }
}

EBB_TEST(by_name_as_in_pytorch) {
    ebb_tensor *x = ebb_zeros(EBB_DIMS(4));
    CHECK(ebb_call("bernoulli_", EBB_LIST(x), EBB_ARGS(EBB_ARG("p", 1.0))) == x);
    CHECK_VALUES(x, 0, 1, 1, 1, 1);
    CHECK(ebb_call("normal_", EBB_LIST(x), EBB_ARGS(EBB_ARG("mean", 3.0), EBB_ARG("std", 0.0))) == x);
    CHECK_VALUES(x, 0, 3, 3, 3, 3);
}

EBB_TEST_MAIN
