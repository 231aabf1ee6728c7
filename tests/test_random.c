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
