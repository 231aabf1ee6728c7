/* The first NaN or infinity, in forward and in backward, and zeros that are strong: what the errors say. */
#include "tests/check.h"

#include <ebb/ebb.h>
#include <math.h>

static ebb_tensor *vector(int n, const double *values, bool requires_grad) {
    return ebb_requires_grad_(ebb_from_data(values, EBB_F64, EBB_DIMS(n)), requires_grad);
}
#define VECTOR(...) \
    vector((int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (const double[]){__VA_ARGS__}, false)
#define LEAF(...) vector((int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (const double[]){__VA_ARGS__}, true)

/* The pending error is of this line. */
static void check_line(int line) {
    CHECK(ebb_error() && ebb_error()->line == line && strstr(ebb_error()->file, "test_anomaly.c"));
}

/* ---- forward ---- */

EBB_TEST(made_by_an_operator) {
    EBB_DETECT_ANOMALY() {
        ebb_tensor *x = ebb_name(LEAF(4, -1, 0), "x");
        int line = __LINE__ + 1;
        CHECK(ebb_sqrt(x) == NULL);
        check_line(line);
        CHECK_ERROR(EBB_ERR_NONFINITE, "sqrt: the first NaN of the forward pass: the result is nan at [1], made here, "
                                       "self is finite (-1 there); inputs: self \"x\" float64 [3]");
    }
}

EBB_TEST(infinities_are_made_too) {
    EBB_DETECT_ANOMALY() {
        ebb_div(VECTOR(1, 2), VECTOR(1, 0));
        CHECK_ERROR(EBB_ERR_NONFINITE, "div: the first infinity of the forward pass: the result is inf at [1], made "
                                       "here, self is finite (2 there), other is finite (0 there)");
        ebb_tensor *big = ebb_to(VECTOR(2e38, 2e38), EBB_F32);
        ebb_sum(big);
        CHECK_ERROR(EBB_ERR_NONFINITE, "sum: the first infinity of the forward pass: the result is inf, made here, "
                                       "self is finite; inputs: self float32 [2]");
        ebb_to(VECTOR(1, 1e39), EBB_F32);
        CHECK_ERROR(EBB_ERR_NONFINITE, "to: the first infinity");
    }
    EBB_DETECT_ANOMALY(.nan_only = true) {
        CHECK(ebb_div(VECTOR(1, 2), VECTOR(1, 0)));
        ebb_div(VECTOR(0), VECTOR(0));
        CHECK_ERROR(EBB_ERR_NONFINITE, "NaN");
    }
}

EBB_TEST(what_came_in_is_told_apart) {
    ebb_tensor *x = VECTOR(1, NAN, 3), *y = VECTOR(INFINITY, 1, 2);
    EBB_DETECT_ANOMALY() {
        ebb_mul(x, y);
        CHECK_ERROR(EBB_ERR_NONFINITE, "the result is nan at [1], from what came in, self was nan at [1] already, "
                                       "other was inf at [0] already");
    }
}

/* A mask of -inf is meant: as an input, as a number, as an attribute, in place; and its like made by full(). */
EBB_TEST(infinities_that_are_meant_pass) {
    EBB_DETECT_ANOMALY() {
        ebb_tensor *x = VECTOR(1, 2, 3), *mask = ebb_gt(x, 2);
        ebb_tensor *scores = ebb_masked_fill(x, mask, -INFINITY);
        CHECK(scores && ebb_add(scores, 1) && ebb_full(EBB_DIMS(2), INFINITY));
        CHECK_VALUES(ebb_softmax(scores, 0), 1e-12, 1 / (1 + exp(1)), exp(1) / (1 + exp(1)), 0);
        CHECK(ebb_add_(scores, 1));
        CHECK(ebb_where(mask, -INFINITY, x));
        ebb_tensor *all = ebb_masked_fill(x, ebb_gt(x, 0), -INFINITY);
        ebb_softmax(all, 0);
        CHECK_ERROR(EBB_ERR_NONFINITE,
                    "softmax: the first NaN of the forward pass: the result is nan at [0], from what "
                    "came in, self was -inf at [0] already");
    }
}

EBB_TEST(written_in_place) {
    EBB_DETECT_ANOMALY() {
        ebb_tensor *x = VECTOR(1, 0);
        CHECK(ebb_log_(x) == NULL);
        CHECK_ERROR(
            EBB_ERR_NONFINITE,
            "log_: the first infinity of the forward pass: the result is -inf at [1], made here, self was finite");
        CHECK(ebb_mul_(x, 0.0) == NULL);
        CHECK_ERROR(EBB_ERR_NONFINITE, "self was -inf at [1] already, other is finite (0 there)");
    }
}

EBB_TEST(what_an_operator_computes_on_the_way_is_its_own) {
    EBB_DETECT_ANOMALY() {
        CHECK_VALUES(ebb_xlogy(VECTOR(0, 1), VECTOR(0, 1)), 0, 0, 0);
        CHECK_VALUES(ebb_logsumexp(VECTOR(-INFINITY, 0), EBB_DIMS(0)), 0, 0);
        CHECK(ebb_empty(EBB_DIMS(100)));
        CHECK(ebb_empty_like(VECTOR(1)));
        CHECK(ebb_reshape(VECTOR(NAN), EBB_DIMS(1, 1))); /* a view computes nothing */
    }
}

EBB_TEST(every_dtype_and_layout) {
    static const ebb_dtype dtypes[] = {EBB_F16, EBB_BF16, EBB_F32, EBB_F64};
    for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++) {
        ebb_tensor *x = ebb_ones(EBB_DIMS(70, 1100), .dtype = dtypes[k]), *row = ebb_select(x, 0, 63);
        ebb_fill_(ebb_select(row, 0, 1001), NAN);
        EBB_DETECT_ANOMALY() {
            ebb_neg(x);
            CHECK_ERROR(EBB_ERR_NONFINITE, "nan at [63, 1001]");
            ebb_abs(ebb_t(x));
            CHECK_ERROR(EBB_ERR_NONFINITE, "nan at [1001, 63]");
            CHECK(ebb_neg(ebb_narrow(x, 1, 0, 1001)));
            CHECK(ebb_add_(ebb_narrow(x, 1, 1002, 98), 1));
        }
    }
}

/* ---- the mode ---- */

EBB_TEST(the_mode_is_a_block) {
    CHECK(!ebb_is_anomaly_enabled());
    ebb_mode mode = ebb_detect_anomaly_open();
    CHECK(ebb_is_anomaly_enabled());
    EBB_DETECT_ANOMALY(.backward_only = true) { CHECK(ebb_log(VECTOR(-1))); }
    ebb_log(VECTOR(-1));
    CHECK_ERROR(EBB_ERR_NONFINITE, "log");
    ebb_detect_anomaly_close(&mode);
    ebb_detect_anomaly_close(&mode);
    CHECK(!ebb_is_anomaly_enabled() && ebb_log(VECTOR(-1)));
}

/* ---- backward ---- */

EBB_TEST(made_by_a_rule) {
    ebb_tensor *x = ebb_name(LEAF(4, 0, 1), "x");
    int line = __LINE__ + 1;
    ebb_tensor *root = ebb_sqrt(x);
    EBB_DETECT_ANOMALY() { CHECK(ebb_backward(ebb_sum(root)) == EBB_ERR_NONFINITE); }
    check_line(line);
    CHECK_ERROR(EBB_ERR_NONFINITE, "SqrtBackward0: the first infinity of the backward pass: the gradient of self \"x\" "
                                   "float64 [3] is inf at [1], made by the rule of this sqrt, the upstream gradient is "
                                   "finite (1 there), its result float64 [3] is finite (0 there)");
}

EBB_TEST(zeros_that_are_not_strong_are_told) {
    ebb_tensor *x = ebb_name(LEAF(4, 0), "x");
    int line = __LINE__ + 1;
    ebb_tensor *root = ebb_sqrt(x);
    ebb_tensor *y = ebb_sum(ebb_where(ebb_gt(x, 0), root, 0));
    EBB_DETECT_ANOMALY() { CHECK(ebb_backward(y, .retain_graph = true) == EBB_ERR_NONFINITE); }
    check_line(line);
    CHECK_ERROR(
        EBB_ERR_NONFINITE,
        "the gradient of self \"x\" float64 [2] is nan at [1], made by the rule of this sqrt, the upstream "
        "gradient is finite (0 there), its result float64 [2] is finite (0 there); the result does not depend on it, "
        "since only zeros flow in there: in EBB_STRONG_ZEROS they stay zeros");
    EBB_DETECT_ANOMALY() EBB_STRONG_ZEROS { CHECK(ebb_backward(y) == EBB_OK); }
    CHECK_VALUES(ebb_tensor_grad(x), 0, 0.25, 0);
}

EBB_TEST(an_upstream_gradient_that_was_bad) {
    ebb_tensor *x = LEAF(1, 2), *y = ebb_mul(x, x);
    EBB_DETECT_ANOMALY() { CHECK(ebb_backward(y, .gradient = VECTOR(1, NAN)) == EBB_ERR_NONFINITE); }
    CHECK_ERROR(EBB_ERR_NONFINITE, "is nan at [1], from what the rule of this mul was given, the upstream gradient was "
                                   "nan at [1] already, self float64 [2] is finite (2 there)");
}

EBB_TEST(sums_that_overflow) {
    ebb_tensor *x = ebb_name(LEAF(0.25), "x"), *y = ebb_add(ebb_mul(x, 1e308), ebb_mul(x, 1e308));
    EBB_DETECT_ANOMALY() { CHECK(ebb_backward(y) == EBB_ERR_NONFINITE); }
    CHECK_ERROR(EBB_ERR_NONFINITE, "AccumulateGrad: the first infinity of the backward pass: the sum of the gradients "
                                   "of \"x\" float64 [1] is inf at [0]");
    ebb_set_grad(x, NULL);
    EBB_DETECT_ANOMALY() {
        CHECK(ebb_backward(ebb_mul(x, 1e308)) == EBB_OK);
        CHECK(ebb_backward(ebb_mul(x, 1e308)) == EBB_ERR_NONFINITE);
    }
    CHECK_ERROR(EBB_ERR_NONFINITE, "the sum of the gradients of \"x\"");
    ebb_tensor *t = ebb_mul(x, 1);
    int line = __LINE__ - 1;
    EBB_DETECT_ANOMALY() { (void)ebb_backward(ebb_add(ebb_mul(t, 1e308), ebb_mul(t, 1e308))); }
    check_line(line);
    CHECK_ERROR(EBB_ERR_NONFINITE, "MulBackward0: the first infinity of the backward pass: the sum of the gradients");
}

static ebb_tensor *spoil(ebb_tensor *g, void *context) {
    (void)context;
    return ebb_mul(g, NAN);
}

EBB_TEST(a_hook_that_makes_nan) {
    ebb_tensor *x = LEAF(1, 2), *y = ebb_exp(x);
    CHECK(ebb_register_hook(y, spoil, NULL, NULL));
    EBB_DETECT_ANOMALY() { (void)ebb_backward(ebb_sum(y)); }
    CHECK_ERROR(EBB_ERR_NONFINITE,
                "ExpBackward0: a hook on an output returned a gradient float64 [2] that is nan at [0]");
}

/* ---- strong zeros ---- */

static ebb_tensor *gradient(ebb_tensor *y, ebb_tensor *x) {
    ebb_tensor *g = NULL;
    EBB_STRONG_ZEROS { (void)ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &g, .create_graph = true); }
    return g;
}

EBB_TEST(unselected_branches_give_nothing) {
    ebb_tensor *x = LEAF(1, 0, -1), *selected = ebb_gt(x, 0);
    CHECK_VALUES(gradient(ebb_where(selected, ebb_log(x), 0), x), 0, 1, 0, 0);
    CHECK_VALUES(gradient(ebb_where(selected, ebb_pow(x, 0.5), ebb_neg(x)), x), 0, 0.5, -1, -1);
    CHECK_VALUES(gradient(ebb_masked_fill(ebb_div(x, x), ebb_logical_not(selected), 0), x), 0, 0, 0, 0);
    ebb_tensor *mask = ebb_to(selected, EBB_F64); /* sqrt(0) is finite in forward */
    ebb_tensor *y = LEAF(1, 0, 0);
    CHECK_VALUES(gradient(ebb_mul(mask, ebb_sqrt(y)), y), 0, 0.5, 0, 0);
}

EBB_TEST(along_a_dimension) {
    ebb_tensor *x = ebb_requires_grad_(ebb_from_data((double[]){3, 4, 0, 0}, EBB_F64, EBB_DIMS(2, 2)), true);
    ebb_tensor *rows = ebb_from_data((uint8_t[]){1, 0}, EBB_BOOL, EBB_DIMS(2));
    ebb_tensor *inf = ebb_from_data((double[]){0, 0, -INFINITY, -INFINITY}, EBB_F64, EBB_DIMS(2, 2));
    ebb_tensor *p = ebb_softmax(ebb_add(x, inf), 1);
    ebb_tensor *g = gradient(ebb_mul(ebb_where(ebb_unsqueeze(rows, 1), p, 0), VECTOR(0, 1)), x);
    double a = 1 / (1 + exp(1)), b = 1 - a;
    CHECK_VALUES(g, 1e-12, -a * b, a * b, 0, 0);
}

EBB_TEST(of_whole_gradients) {
    ebb_tensor *a = ebb_requires_grad_(ebb_from_data((double[]){1, 2, 3, 4}, EBB_F64, EBB_DIMS(2, 2)), true);
    ebb_tensor *y = ebb_cdist(a, ebb_mul(a, INFINITY)), *plain = NULL;
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_where(ebb_gt(a, 9), y, a))), EBB_LIST(a), &plain, .retain_graph = true));
    CHECK_CLOSE(ebb_item(ebb_select(ebb_select(plain, 0, 0), 0, 0)), NAN, 0);
    CHECK_VALUES(gradient(ebb_where(ebb_gt(a, 9), y, a), a), 0, 1, 1, 1, 1);
}

/* Rows that are no data, left out after a layer: nothing of them is in the gradient of its weights. */
EBB_TEST(of_products) {
    ebb_tensor *x = ebb_from_data((double[]){1, 2, NAN, INFINITY}, EBB_F64, EBB_DIMS(2, 2));
    ebb_tensor *w = ebb_requires_grad_(ebb_from_data((double[]){1, 2, 3, 4, 5, 6}, EBB_F64, EBB_DIMS(2, 3)), true);
    ebb_tensor *rows = ebb_from_data((uint8_t[]){1, 0}, EBB_BOOL, EBB_DIMS(2, 1));
    ebb_tensor *cell = ebb_from_data((uint8_t[]){1, 1, 1, 0, 0, 1}, EBB_BOOL, EBB_DIMS(2, 3));
    CHECK_VALUES(gradient(ebb_where(rows, ebb_matmul(x, w), 0), w), 0, 1, 1, 1, 2, 2, 2);
    CHECK_VALUES(
        gradient(ebb_where(rows, ebb_addmm(ebb_zeros(EBB_DIMS(3), .dtype = EBB_F64), x, w, .alpha = EBB_SET(-2)), 0),
                 w),
        0, -2, -2, -2, -4, -4, -4);
    CHECK_VALUES(gradient(ebb_where(cell, ebb_matmul(x, w), 0), w), 0, 1, 1, NAN, 2, 2, INFINITY);
    ebb_tensor *each = ebb_requires_grad_(ebb_ones(EBB_DIMS(2, 2), .dtype = EBB_F64), true), *all = LEAF(1, 1);
    CHECK_VALUES(gradient(ebb_where(rows, ebb_unsqueeze(ebb_vecdot(each, x), 1), 0), each), 0, 1, 2, 0, 0);
    CHECK_VALUES(gradient(ebb_where(rows, ebb_unsqueeze(ebb_vecdot(all, x), 1), 0), all), 0, 1, 2);
    ebb_tensor *images =
        ebb_reshape(ebb_expand(ebb_reshape(x, EBB_DIMS(2, 2, 1)), EBB_DIMS(2, 2, 4)), EBB_DIMS(2, 2, 4));
    ebb_tensor *k = ebb_requires_grad_(ebb_ones(EBB_DIMS(1, 2, 3), .dtype = EBB_F64), true);
    CHECK_VALUES(gradient(ebb_where(ebb_unsqueeze(rows, 2), ebb_conv1d(images, k), 0), k), 0, 2, 2, 2, 4, 4, 4);
    ebb_tensor *g = gradient(ebb_where(rows, ebb_matmul(x, w), ebb_sum(ebb_square(w))), w); /* and its derivative */
    CHECK_VALUES(gradient(g, w), 0, 6, 6, 6, 6, 6, 6);
}

EBB_TEST(what_is_bad_stays_bad) {
    ebb_tensor *x = LEAF(0, 4);
    CHECK_VALUES(gradient(ebb_sqrt(x), x), 0, INFINITY, 0.25);
    ebb_tensor *y = LEAF(1, NAN);
    CHECK_VALUES(gradient(ebb_mul(y, y), y), 0, 2, NAN);
}

/* Zeros that are strong change nothing where all is finite: what is 0 there still has derivatives. */
EBB_TEST(derivatives_of_higher_order) {
    ebb_tensor *x = LEAF(0, 2), *v = LEAF(0, 0), *g = NULL, *jvp = NULL;
    ebb_tensor *y = ebb_mul(x, x);
    EBB_STRONG_ZEROS {
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(v), .create_graph = true));
        CHECK(!ebb_grad(EBB_LIST(g), EBB_LIST(v), &jvp, .grad_outputs = EBB_LIST(VECTOR(1, 1))));
    }
    CHECK_VALUES(jvp, 0, 0, 4);
}

/* The tangent of f(x) along v, plainly and with strong zeros. */
static ebb_tensor *tangent_of(ebb_tensor *(*f)(ebb_tensor *x), ebb_tensor *x, ebb_tensor *v, bool strong) {
    ebb_tensor *t = NULL;
    ebb_mode mode = strong ? ebb_strong_zeros_open() : (ebb_mode){0};
    EBB_DUAL_LEVEL ebb_unpack_dual(f(ebb_make_dual(x, v)), &t);
    ebb_strong_zeros_close(&mode);
    return t;
}

static ebb_tensor *root_of_squares(ebb_tensor *x) { return ebb_sqrt(ebb_mul(x, x)); }
static ebb_tensor *products(ebb_tensor *x) {
    ebb_tensor *bad = ebb_from_data((double[]){1, NAN, INFINITY, 2}, EBB_F64, EBB_DIMS(2, 2));
    return ebb_matmul(ebb_reshape(x, EBB_DIMS(1, 2)), bad);
}
static ebb_tensor *rows(ebb_tensor *x) {
    ebb_tensor *low = ebb_from_data((double[]){0, 0, -INFINITY, -INFINITY}, EBB_F64, EBB_DIMS(2, 2));
    return ebb_softmax(ebb_add(ebb_reshape(x, EBB_DIMS(2, 2)), low), 1);
}
static ebb_tensor *two_ways(ebb_tensor *x) { return ebb_atan2(ebb_sqrt(ebb_mul(x, 0.0)), x); }
static ebb_tensor *row_sums(ebb_tensor *x) {
    return ebb_logsumexp(ebb_add(ebb_reshape(x, EBB_DIMS(2, 2)), ebb_sqrt(ebb_reshape(x, EBB_DIMS(2, 2)))),
                         EBB_DIMS(1));
}

EBB_TEST(tangents_of_zero_stay_zero) {
    ebb_tensor *x = VECTOR(3, 0), *v = VECTOR(1, 1);
    CHECK_VALUES(tangent_of(root_of_squares, x, v, false), 0, 1, NAN); /* 2 x v is 0, and the slope of its root inf */
    CHECK_VALUES(tangent_of(root_of_squares, x, v, true), 0, 1, 0);
    CHECK_VALUES(tangent_of(ebb_sqrt, x, v, true), 1e-15, 0.5 / sqrt(3), INFINITY); /* what is bad stays bad */
    CHECK_VALUES(tangent_of(products, x, VECTOR(1, 0), false), 0, NAN, NAN);
    CHECK_VALUES(tangent_of(products, x, VECTOR(1, 0), true), 0, 1, NAN); /* term by term: 1 * 1 + 0 * inf */
    CHECK_VALUES(tangent_of(products, x, VECTOR(0, 1), true), 0, INFINITY, 2);
    double a = 1 / (1 + exp(1)), b = 1 - a;
    ebb_tensor *four = VECTOR(3, 4, 0, 0);
    CHECK_VALUES(tangent_of(rows, four, VECTOR(1, 0, 0, 0), true), 1e-12, a * b, -a * b, 0, 0); /* by slices */
    /* by one input at a time: that of the root is 0 * inf, that of the other one is not */
    CHECK_VALUES(tangent_of(two_ways, VECTOR(2), VECTOR(1), false), 0, NAN);
    CHECK_VALUES(tangent_of(two_ways, VECTOR(2), VECTOR(1), true), 0, 0);
    ebb_tensor *t = tangent_of(row_sums, four, VECTOR(1, 0, 0, 0), true);
    CHECK(ebb_item(ebb_select(t, 0, 0)) > 0 && ebb_item(ebb_select(t, 0, 1)) == 0);
}

static ebb_status masked_gradient(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *x = ebb_requires_grad_(ebb_detach(in.t[0]), true), *rows2 = in.t[1], *y;
    ebb_tensor *w = ebb_reshape(ebb_expand(x, EBB_DIMS(2, 2)), EBB_DIMS(2, 2));
    if (*(int *)context == 0) y = ebb_where(ebb_gt(x, 0), ebb_sqrt(x), 0); /* elementwise */
    else if (*(int *)context == 1)
        y = ebb_where(ebb_unsqueeze(ebb_gt(rows2, 0), 1), ebb_matmul(ebb_diag(ebb_div(1.0, rows2)), w), 0);
    else y = ebb_where(ebb_gt(ebb_sum(rows2), 0), ebb_prod(ebb_sqrt(x)), 0); /* whole */
    (void)ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &ret_out->t[ret_out->n++]);
    return ebb_error_status();
}

/* Each sample of a batch as if it were alone. */
EBB_TEST(strong_zeros_inside_vmap) {
    ebb_tensor *x = ebb_from_data((double[]){1, 0, 4, 0, 0, 9}, EBB_F64, EBB_DIMS(3, 2));
    ebb_tensor *r = ebb_from_data((double[]){1, 0, 0, 0, 2, 4}, EBB_F64, EBB_DIMS(3, 2));
    for (int kind = 0; kind < 3; kind++) {
        ebb_outputs all = {0}, one = {0};
        EBB_STRONG_ZEROS {
            CHECK(!ebb_vmap(masked_gradient, &kind, EBB_LIST(x, r), &all));
            for (int i = 0; i < 3; i++) {
                one = (ebb_outputs){0};
                CHECK(!masked_gradient(EBB_LIST(ebb_select(x, 0, i), ebb_select(r, 0, i)), &one, &kind));
                ebb_tensor *got = ebb_select(all.t[0], 0, i);
                for (int k = 0; k < 2; k++)
                    CHECK_CLOSE(ebb_item(ebb_select(got, 0, k)), ebb_item(ebb_select(one.t[0], 0, k)), 1e-14);
                if (kind == 0) CHECK(ebb_item(ebb_select(one.t[0], 0, 1 - i % 2)) >= 0);
            }
        }
    }
}

static void everything(void) {
    EBB_SCOPE EBB_DETECT_ANOMALY() {
        ebb_tensor *x = LEAF(4, 0);
        ebb_tensor *y = ebb_sum(ebb_where(ebb_gt(x, 0), ebb_sqrt(x), 0));
        ebb_status status = ebb_backward(y, .retain_graph = true);
        if (status == EBB_ERR_NONFINITE) ebb_clear_error();
        EBB_STRONG_ZEROS { (void)ebb_backward(y); }
    }
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(everything, 0); }

EBB_TEST_MAIN
