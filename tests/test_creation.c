/* New tensors: values, dtypes, options and limits; random ones: moments, ranges, and that nothing but the seed
 * matters. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>

#define CHECK_DTYPE(t, want) CHECK(ebb_tensor_dtype(t) == (want))

EBB_TEST(tensors_of_one_value) {
    CHECK_VALUES(ebb_zeros(EBB_DIMS(2, 2)), 0, 0, 0, 0, 0);
    CHECK_VALUES(ebb_ones(EBB_DIMS(3), .dtype = EBB_BOOL), 0, 1, 1, 1);
    CHECK_VALUES(ebb_full(EBB_DIMS(2), -1.5), 0, -1.5, -1.5);
    CHECK_VALUES(ebb_full(EBB_DIMS(2), -1.5, .dtype = EBB_I64), 0, -1, -1);
    CHECK_VALUES(ebb_scalar(2.5), 0, 2.5);
    CHECK_DTYPE(ebb_scalar(2), EBB_F32);
    CHECK_DTYPE(ebb_zeros(EBB_DIMS(1)), EBB_F32);
    CHECK_DTYPE(ebb_scalar(2, .dtype = EBB_I64), EBB_I64);
    CHECK_SHAPE(ebb_empty(EBB_DIMS(4, 0, 2)), 4, 0, 2);
    CHECK(ebb_tensor_ndim(ebb_zeros(EBB_NO_DIMS)) == 0);
    ebb_tensor *big = ebb_full(EBB_DIMS(1000, 301), 3.0);
    CHECK_CLOSE(ebb_item(ebb_sum(big)), 903000, 0);
    CHECK(ebb_set_default_dtype(EBB_F64) == EBB_OK);
    CHECK_DTYPE(ebb_zeros(EBB_DIMS(1)), EBB_F64);
    CHECK(ebb_set_default_dtype(EBB_F32) == EBB_OK);
}

EBB_TEST(shaped_as_another) {
    ebb_tensor *x = ebb_t(ebb_arange(0, 6, 1)), *f = ebb_ones(EBB_DIMS(2, 3), .dtype = EBB_F64, .requires_grad = true);
    CHECK_DTYPE(ebb_zeros_like(x), EBB_I64);
    CHECK_SHAPE(ebb_full_like(ebb_t(f), 7), 3, 2);
    CHECK(ebb_tensor_is_contiguous(ebb_full_like(ebb_t(f), 7)));
    CHECK_DTYPE(ebb_ones_like(f), EBB_F64);
    CHECK_DTYPE(ebb_ones_like(f, .dtype = EBB_BOOL), EBB_BOOL);
    CHECK(!ebb_tensor_requires_grad(ebb_ones_like(f)));
    CHECK(ebb_tensor_requires_grad(ebb_empty_like(f, .requires_grad = true)));
    CHECK_DTYPE(ebb_rand_like(x, .dtype = EBB_F32), EBB_F32);
    CHECK_SHAPE(ebb_randn_like(f), 2, 3);
    CHECK(!ebb_rand_like(x));
    CHECK_ERROR(EBB_ERR_DTYPE, "rand_like: not defined for int64");
}

EBB_TEST(leaves) {
    ebb_tensor *x = ebb_scalar(2, .requires_grad = true);
    CHECK(ebb_tensor_requires_grad(x) && ebb_tensor_is_leaf(x) && !ebb_tensor_grad_fn(x));
    CHECK(!ebb_zeros(EBB_DIMS(2), .dtype = EBB_I64, .requires_grad = true));
    CHECK_ERROR(EBB_ERR_DTYPE, "only floating-point tensors can require gradients, not int64");
    EBB_NO_GRAD { CHECK(ebb_tensor_requires_grad(ebb_rand(EBB_DIMS(2), .requires_grad = true))); }
}

EBB_TEST(eyes) {
    CHECK_VALUES(ebb_eye(2), 0, 1, 0, 0, 1);
    CHECK_VALUES(ebb_eye(2, .m = EBB_SET(3)), 0, 1, 0, 0, 0, 1, 0);
    CHECK_VALUES(ebb_eye(3, .m = EBB_SET(2), .dtype = EBB_I64), 0, 1, 0, 0, 1, 0, 0);
    CHECK_SHAPE(ebb_eye(0), 0, 0);
    CHECK_SHAPE(ebb_eye(2, .m = EBB_SET(0)), 2, 0);
    CHECK(!ebb_eye(-1));
    CHECK_ERROR(EBB_ERR_SHAPE, "must not be negative");
}

EBB_TEST(arange_counts) {
    ebb_tensor *x = ebb_arange(0, 5, 1);
    CHECK_DTYPE(x, EBB_I64);
    CHECK_VALUES(x, 0, 0, 1, 2, 3, 4);
    CHECK_VALUES(ebb_arange(5, -1, -2), 0, 5, 3, 1);
    x = ebb_arange(0, 1, 0.25);
    CHECK_DTYPE(x, EBB_F32);
    CHECK_VALUES(x, 0, 0, 0.25, 0.5, 0.75);
    CHECK_VALUES(ebb_arange(1, 2, 0.1, .dtype = EBB_F64), 1e-15, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9);
    CHECK_VALUES(ebb_arange(0.5, 4.5, 1, .dtype = EBB_I64), 0, 0, 1, 2, 3);
    CHECK_VALUES(ebb_arange(0, 7, 2, .dtype = EBB_U8), 0, 0, 2, 4, 6);
    CHECK_SHAPE(ebb_arange(2, 2, 1), 0);
    CHECK(ebb_item_i64(ebb_select(ebb_arange((INT64_C(1) << 53) + 1, (INT64_C(1) << 53) + 9, 2), 0, 1)) ==
          (INT64_C(1) << 53) + 3);
    CHECK(!ebb_arange(0, 5, 0));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "step must not be 0");
    CHECK(!ebb_arange(0, 5, 0.5, .dtype = EBB_I64));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "step must not be 0");
    CHECK(!ebb_arange(5, 0, 1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the step 1 does not lead from 5 to 0");
    CHECK(!ebb_arange(0, INFINITY, 1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "must be finite");
    CHECK(!ebb_arange(0, 1, NAN));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "must be finite");
    CHECK(!ebb_arange(0, 1, 1, .dtype = EBB_BOOL));
    CHECK_ERROR(EBB_ERR_DTYPE, "not defined for bool");
    CHECK(!ebb_arange(0, 1, 1e-300));
    CHECK_ERROR(EBB_ERR_MEMORY, "too many to be addressed");
}

EBB_TEST(linspace_meets_both_ends) {
    CHECK_VALUES(ebb_linspace(0, 1, 5), 0, 0, 0.25, 0.5, 0.75, 1);
    CHECK_VALUES(ebb_linspace(3, -2, 2), 0, 3, -2);
    CHECK_VALUES(ebb_linspace(3, -2, 1), 0, 3);
    CHECK_SHAPE(ebb_linspace(3, -2, 0), 0);
    CHECK_VALUES(ebb_linspace(0, 10, 4, .dtype = EBB_I64), 0, 0, 3, 6, 10);
    ebb_tensor *x = ebb_linspace(0.1, 0.7, 1001, .dtype = EBB_F64);
    CHECK(ebb_at_index(x, EBB_DIMS(0)) == 0.1 && ebb_at_index(x, EBB_DIMS(-1)) == 0.7);
    CHECK(!ebb_linspace(0, 1, -1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "steps must not be negative: -1");
}

EBB_TEST(what_does_not_fit_is_refused) {
    CHECK(!ebb_full(EBB_DIMS(2), 300, .dtype = EBB_U8));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "full: 300 does not fit in uint8");
    CHECK(!ebb_scalar(NAN, .dtype = EBB_I64));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "nan does not fit in int64");
    CHECK(!ebb_scalar(0x1p63, .dtype = EBB_I64));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "does not fit in int64");
    CHECK(ebb_item_i64(ebb_scalar(-0x1p63, .dtype = EBB_I64)) == INT64_MIN);
    CHECK(!ebb_zeros(EBB_DIMS(2, -1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "sizes must not be negative: [2, -1]");
    CHECK(!ebb_zeros(EBB_DIMS(INT64_MAX, 2)));
    CHECK_ERROR(EBB_ERR_MEMORY, "too large to be addressed");
    CHECK(!ebb_zeros(EBB_DIMS(1), .dtype = (ebb_dtype)77));
    CHECK_ERROR(EBB_ERR_DTYPE, "77 is not a dtype");
    CHECK(!ebb_zeros(((ebb_dims){.n = 9})));
    CHECK_ERROR(EBB_ERR_SHAPE, "size has 9 entries; at most 8 are possible");
}

/* ---- random ---- */

static void check_moments(ebb_tensor *x, double mean, double variance) {
    double n = (double)ebb_tensor_numel(x), m = ebb_item(ebb_mean(ebb_to(x, EBB_F64)));
    double v = ebb_item(ebb_mean(ebb_square(ebb_sub(ebb_to(x, EBB_F64), m))));
    CHECK_OK();
    CHECK(fabs(m - mean) < 5 * sqrt(variance / n)); /* five standard errors; the seed is fixed */
    CHECK(fabs(v - variance) < 10 * variance / sqrt(n));
}

EBB_TEST(distributions) {
    ebb_manual_seed(7);
    static const ebb_dtype dtypes[] = {EBB_F32, EBB_F64};
    for (int i = 0; i < 2; i++) {
        ebb_tensor *u = ebb_rand(EBB_DIMS(100, 200), .dtype = dtypes[i]);
        CHECK_DTYPE(u, dtypes[i]);
        check_moments(u, 0.5, 1.0 / 12);
        CHECK(ebb_item(ebb_amin(u)) >= 0 && ebb_item(ebb_amax(u)) < 1);
        check_moments(ebb_randn(EBB_DIMS(20000), .dtype = dtypes[i]), 0, 1);
    }
    ebb_tensor *k = ebb_randint(-3, 3, EBB_DIMS(10000));
    CHECK_DTYPE(k, EBB_I64);
    check_moments(k, -0.5, 35.0 / 12);
    CHECK(ebb_item_i64(ebb_amin(k)) == -3 && ebb_item_i64(ebb_amax(k)) == 2);
    check_moments(ebb_randint(0, 2, EBB_DIMS(10000), .dtype = EBB_BOOL), 0.5, 0.25);
    CHECK_DTYPE(ebb_randint(0, 9, EBB_DIMS(2), .dtype = EBB_F32, .requires_grad = true), EBB_F32);
}

EBB_TEST(only_the_seed_matters) {
    ebb_tensor *runs[2][4];
    int threads = ebb_num_threads();
    for (int i = 0; i < 2; i++) {
        ebb_set_num_threads(i == 0 ? 1 : 4);
        ebb_manual_seed(42);
        runs[i][0] = ebb_rand(EBB_DIMS(70001));
        runs[i][1] = ebb_randn(EBB_DIMS(70001), .dtype = EBB_F64);
        runs[i][2] = ebb_randint(0, 1000, EBB_DIMS(70001));
        runs[i][3] = ebb_randperm(70001);
    }
    ebb_set_num_threads(threads);
    for (int k = 0; k < 4; k++) {
        size_t bytes = 70001 * ebb_dtype_size(ebb_tensor_dtype(runs[0][k]));
        CHECK(memcmp(ebb_tensor_data(runs[0][k]), ebb_tensor_data(runs[1][k]), bytes) == 0);
    }
    ebb_rng_state state = ebb_get_rng_state();
    ebb_tensor *a = ebb_rand(EBB_DIMS(3)), *b = ebb_rand(EBB_DIMS(3));
    CHECK(memcmp(ebb_tensor_data(a), ebb_tensor_data(b), 12) != 0);
    ebb_set_rng_state(state);
    CHECK(memcmp(ebb_tensor_data(a), ebb_tensor_data(ebb_rand(EBB_DIMS(3))), 12) == 0);
}

EBB_TEST(permutations) {
    enum { N = 1000 };
    unsigned seen[N] = {0}, first[3] = {0};
    ebb_tensor *p = ebb_randperm(N);
    CHECK_SHAPE(p, N);
    for (int i = 0; i < N; i++) {
        int64_t k = ((int64_t *)ebb_tensor_data(p))[i];
        CHECK(k >= 0 && k < N && !seen[k]++);
    }
    for (int i = 0; i < 3000; i++) {
        EBB_SCOPE { first[ebb_item_i64(ebb_select(ebb_randperm(3), 0, 0))]++; }
    }
    for (int i = 0; i < 3; i++) CHECK(first[i] > 850 && first[i] < 1150);
    CHECK_SHAPE(ebb_randperm(0), 0);
    CHECK_DTYPE(ebb_randperm(9, .dtype = EBB_F32), EBB_F32);
    CHECK(!ebb_randperm(-1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "n must not be negative");
}

EBB_TEST(random_limits) {
    CHECK(!ebb_rand(EBB_DIMS(2), .dtype = EBB_I64));
    CHECK_ERROR(EBB_ERR_DTYPE, "rand: not defined for int64");
    CHECK(!ebb_randint(3, 3, EBB_DIMS(2)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "low must be less than high: 3, 3");
    CHECK(!ebb_randint(0, 257, EBB_DIMS(2), .dtype = EBB_U8));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "integers from 0 to 256 do not fit in uint8");
    CHECK(ebb_randint(INT64_MIN, INT64_MAX, EBB_DIMS(2)));
    CHECK_SHAPE(ebb_randn(EBB_DIMS(0, 5)), 0, 5);
}

static void everything(void) {
    EBB_SCOPE {
        (void)ebb_zeros_like(ebb_arange(0, 5, 1));
        (void)ebb_randint(0, 5, EBB_DIMS(3), .dtype = EBB_U8);
        (void)ebb_randperm(300, .dtype = EBB_F64, .requires_grad = true);
    }
}

EBB_TEST(every_allocation_may_fail) { CHECK_ALLOCATIONS_FAILING(everything, 0); }

EBB_TEST_MAIN
