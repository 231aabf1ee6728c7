/* Reductions and picking by index: values, gradients by hand, shapes, empty and 0-d tensors, errors. */
#include "tests/check.h"

#include <ebb/ebb.h>
#include <math.h>

static ebb_tensor *leaf(const double *values, ebb_dims shape) {
    return ebb_requires_grad_(ebb_from_data(values, EBB_F64, shape), true);
}
#define LEAF(shape, ...) leaf((const double[]){__VA_ARGS__}, shape)
static ebb_tensor *integers(const int64_t *values, ebb_dims shape) { return ebb_from_data(values, EBB_I64, shape); }
#define INTEGERS(shape, ...) integers((const int64_t[]){__VA_ARGS__}, shape)

/* The gradient of sum(y * (1, 2, 3, ...)) with respect to x. */
static ebb_tensor *grad_of(ebb_tensor *y, ebb_tensor *x) {
    double weights[64];
    for (int i = 0; i < 64; i++) weights[i] = i + 1;
    ebb_tensor *g = NULL, *up = ebb_from_data(weights, EBB_F64, ebb_tensor_shape(y));
    return ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(up)) ? NULL : g;
}

#define NODE(t) ebb_node_name(ebb_tensor_grad_fn(t))

EBB_TEST(sums) {
    ebb_tensor *x = LEAF(EBB_DIMS(2, 3), 1, 2, 3, 4, 5, 6), *y = ebb_sum(x);
    CHECK_VALUES(y, 0, 21);
    CHECK(ebb_tensor_ndim(y) == 0);
    CHECK(!strcmp(NODE(y), "SumBackward0"));
    CHECK_VALUES(grad_of(y, x), 0, 1, 1, 1, 1, 1, 1);
    y = ebb_sum(x, .dim = EBB_DIMS(0));
    CHECK_SHAPE(y, 3);
    CHECK_VALUES(y, 0, 5, 7, 9);
    CHECK(!strcmp(NODE(y), "SumBackward1"));
    CHECK_VALUES(grad_of(y, x), 0, 1, 2, 3, 1, 2, 3);
    y = ebb_sum(x, .dim = EBB_DIMS(-1), .keepdim = true);
    CHECK_SHAPE(y, 2, 1);
    CHECK_VALUES(y, 0, 6, 15);
    CHECK_VALUES(grad_of(y, x), 0, 1, 1, 1, 2, 2, 2);
    y = ebb_sum(x, .dim = EBB_DIMS(1));
    CHECK_VALUES(grad_of(y, x), 0, 1, 1, 1, 2, 2, 2);
    y = ebb_sum(x, .dim = EBB_DIMS(0, 1), .keepdim = true);
    CHECK_SHAPE(y, 1, 1);
    CHECK_VALUES(y, 0, 21);
    CHECK_VALUES(ebb_sum(ebb_t(x), .dim = EBB_DIMS(0)), 0, 6, 15);
    CHECK_VALUES(ebb_sum(ebb_expand(x, EBB_DIMS(4, 2, 3)), .dim = EBB_DIMS(0, 2)), 0, 24, 60);
}

EBB_TEST(sums_of_other_dtypes) {
    ebb_tensor *i = INTEGERS(EBB_DIMS(2, 2), 1, 2, 3, 1000000000000), *b = ebb_gt(i, 1), *y = ebb_sum(b);
    CHECK(ebb_tensor_dtype(y) == EBB_I64);
    CHECK_VALUES(y, 0, 3);
    CHECK(ebb_tensor_dtype(ebb_sum(i)) == EBB_I64);
    CHECK(ebb_item_i64(ebb_sum(i)) == 1000000000006);
    y = ebb_sum(i, .dim = EBB_DIMS(0), .dtype = EBB_F64);
    CHECK(ebb_tensor_dtype(y) == EBB_F64);
    CHECK_VALUES(y, 0, 4, 1000000000002);
    y = ebb_sum(LEAF(EBB_DIMS(3), 1.75, 2.75, 300), .dtype = EBB_U8);
    CHECK(ebb_tensor_dtype(y) == EBB_U8);
    CHECK_VALUES(y, 0, 47); /* 1 + 2 + 44 */
    ebb_tensor *x = ebb_requires_grad_(ebb_to(INTEGERS(EBB_DIMS(2), 1, 2), EBB_F32), true);
    y = ebb_sum(x, .dtype = EBB_F64);
    CHECK(ebb_tensor_dtype(y) == EBB_F64);
    ebb_tensor *g = grad_of(y, x);
    CHECK(ebb_tensor_dtype(g) == EBB_F32);
    CHECK_VALUES(g, 0, 1, 1);
}

EBB_TEST(means) {
    ebb_tensor *x = LEAF(EBB_DIMS(2, 3), 1, 2, 3, 4, 5, 6), *y = ebb_mean(x);
    CHECK_VALUES(y, 0, 3.5);
    CHECK(!strcmp(NODE(y), "MeanBackward0"));
    CHECK_VALUES(grad_of(y, x), 1e-15, 1. / 6, 1. / 6, 1. / 6, 1. / 6, 1. / 6, 1. / 6);
    y = ebb_mean(x, .dim = EBB_DIMS(0));
    CHECK_VALUES(y, 0, 2.5, 3.5, 4.5);
    CHECK(!strcmp(NODE(y), "MeanBackward1"));
    CHECK_VALUES(grad_of(y, x), 0, 0.5, 1, 1.5, 0.5, 1, 1.5);
    CHECK_VALUES(ebb_mean(INTEGERS(EBB_DIMS(2), 1, 2), .dtype = EBB_F64), 0, 1.5);
    CHECK(!ebb_mean(INTEGERS(EBB_DIMS(2), 1, 2)));
    CHECK_ERROR(EBB_ERR_DTYPE, "mean: needs a floating-point dtype, got int64");
}

EBB_TEST(nothing_and_0d) {
    ebb_tensor *none = ebb_zeros(EBB_DIMS(2, 0), .dtype = EBB_F64), *x = LEAF(EBB_NO_DIMS, 5);
    CHECK_VALUES(ebb_sum(none), 0, 0);
    CHECK_VALUES(ebb_sum(none, .dim = EBB_DIMS(1)), 0, 0, 0);
    CHECK_VALUES(ebb_mean(none), 0, (double)NAN);
    CHECK_SHAPE(ebb_sum(none, .dim = EBB_DIMS(0)), 0);
    CHECK_SHAPE(ebb_amax(none, .dim = EBB_DIMS(0)), 0);
    CHECK_VALUES(grad_of(ebb_sum(x, .dim = EBB_DIMS(-1)), x), 0, 1);
    CHECK_VALUES(grad_of(ebb_mean(x, .dim = EBB_DIMS(0), .keepdim = true), x), 0, 1);
    CHECK_VALUES(grad_of(ebb_amax(x, .dim = EBB_DIMS(0)), x), 0, 1);
    ebb_tensor *index = NULL, *y = ebb_max_dim(x, 0, .ret_indices = &index);
    CHECK_VALUES(y, 0, 5);
    CHECK_VALUES(index, 0, 0);
    CHECK_VALUES(grad_of(y, x), 0, 1);
    CHECK(!ebb_max(none));
    CHECK_ERROR(EBB_ERR_SHAPE, "max: there are no elements to choose from");
    CHECK(!ebb_amin(none, .dim = EBB_DIMS(1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "[2, 0]");
    CHECK(!ebb_argmax(none));
    CHECK_ERROR(EBB_ERR_SHAPE, "argmax");
}

EBB_TEST(ties_share_the_gradient) {
    ebb_tensor *x = LEAF(EBB_DIMS(2, 3), 3, 1, 3, 0, 3, 2), *y = ebb_max(x);
    CHECK_VALUES(y, 0, 3);
    CHECK(!strcmp(NODE(y), "MaxBackward1"));
    CHECK_VALUES(grad_of(y, x), 1e-15, 1. / 3, 0, 1. / 3, 0, 1. / 3, 0);
    CHECK_VALUES(grad_of(ebb_min(x), x), 0, 0, 0, 0, 1, 0, 0);
    y = ebb_amax(x, .dim = EBB_DIMS(1));
    CHECK(!strcmp(NODE(y), "AmaxBackward0"));
    CHECK_VALUES(y, 0, 3, 3);
    CHECK_VALUES(grad_of(y, x), 0, 0.5, 0, 0.5, 0, 2, 0);
    y = ebb_amin(x, .dim = EBB_DIMS(0), .keepdim = true);
    CHECK_SHAPE(y, 1, 3);
    CHECK_VALUES(grad_of(y, x), 0, 0, 2, 0, 1, 0, 3);
}

EBB_TEST(not_a_number_wins) {
    ebb_tensor *x = LEAF(EBB_DIMS(4), 1, (double)NAN, 3, (double)NAN), *index = NULL;
    CHECK_VALUES(ebb_max(x), 0, (double)NAN);
    CHECK_VALUES(grad_of(ebb_min(x), x), 0, 0, 0.5, 0, 0.5);
    CHECK_VALUES(ebb_argmax(x), 0, 1);
    CHECK_VALUES(ebb_min_dim(x, 0, .ret_indices = &index), 0, (double)NAN);
    CHECK_VALUES(index, 0, 1);
}

EBB_TEST(one_dimension_with_indices) {
    ebb_tensor *x = LEAF(EBB_DIMS(2, 3), 3, 1, 3, 0, 3, 2), *index = NULL;
    ebb_tensor *y = ebb_max_dim(x, 1, .ret_indices = &index);
    CHECK_VALUES(y, 0, 3, 3);
    CHECK_VALUES(index, 0, 0, 1);
    CHECK(ebb_tensor_dtype(index) == EBB_I64 && !ebb_tensor_requires_grad(index));
    CHECK(!strcmp(NODE(y), "MaxBackward0"));
    CHECK_VALUES(grad_of(y, x), 0, 1, 0, 0, 0, 2, 0);
    y = ebb_min_dim(x, -2, .keepdim = true, .ret_indices = &index);
    CHECK_SHAPE(y, 1, 3);
    CHECK_SHAPE(index, 1, 3);
    CHECK_VALUES(index, 0, 1, 0, 1);
    CHECK_VALUES(grad_of(y, x), 0, 0, 2, 0, 1, 0, 3);
    CHECK(!strcmp(NODE(y), "MinBackward0"));
    CHECK(!ebb_max_dim(x, 2));
    CHECK_ERROR(EBB_ERR_INDEX, "max_dim: dim is out of range: expected between -2 and 1, got 2");
}

EBB_TEST(places) {
    ebb_tensor *x = LEAF(EBB_DIMS(2, 3), 3, 1, 3, 0, 3, 2);
    CHECK_VALUES(ebb_argmax(x), 0, 0);
    CHECK_VALUES(ebb_argmin(x), 0, 3);
    CHECK_VALUES(ebb_argmax(x, .dim = EBB_DIMS(1)), 0, 0, 1);
    CHECK_VALUES(ebb_argmax(ebb_t(x), .dim = EBB_DIMS(1)), 0, 0, 1, 0);
    CHECK_VALUES(ebb_argmax(ebb_t(x)), 0, 0);
    CHECK_SHAPE(ebb_argmin(x, .dim = EBB_DIMS(0), .keepdim = true), 1, 3);
    CHECK_SHAPE(ebb_argmin(x, .keepdim = true), 1, 1);
    CHECK(!ebb_tensor_requires_grad(ebb_argmax(x)));
    CHECK(!ebb_argmax(x, .dim = EBB_DIMS(0, 1)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "dim lists 2 dimensions");
}

/* The first of equals, and of NaNs, wherever they lie in a line of many blocks. */
EBB_TEST(places_in_long_lines) {
    static const ebb_dtype dtypes[] = {EBB_U8, EBB_I32, EBB_I64, EBB_F32, EBB_F64};
    static const int64_t first[] = {0, 63, 64, 1000, 1023, 1024, 1087, 2500, 2999};
    for (int d = 0; d < 5; d++)
        for (int i = 0; i < 9; i++) EBB_SCOPE {
                ebb_tensor *x = ebb_ones(EBB_DIMS(3000), .dtype = dtypes[d]);
                for (int k = i; k < 9; k++) ebb_fill_(ebb_slice(x, 0, first[k], first[k] + 1), 2);
                CHECK_VALUES(ebb_argmax(x), 0, (double)first[i]);
                CHECK_VALUES(ebb_argmin(ebb_sub(3, x)), 0, (double)first[i]);
                CHECK_VALUES(ebb_argmin(x), 0, i == 0 ? 1 : 0);
                if (!ebb_dtype_is_floating(dtypes[d])) continue;
                if (i < 8) ebb_fill_(ebb_slice(x, 0, first[i + 1], first[i + 1] + 1), (double)NAN);
                ebb_fill_(ebb_slice(x, 0, 2999, 3000), (double)NAN);
                const double want = (double)first[i < 8 ? i + 1 : 8];
                CHECK_VALUES(ebb_argmax(x), 0, want);
                CHECK_VALUES(ebb_argmin(x), 0, want);
            }
    CHECK_OK();
}

EBB_TEST(gathering) {
    ebb_tensor *x = LEAF(EBB_DIMS(2, 3), 1, 2, 3, 4, 5, 6), *at = INTEGERS(EBB_DIMS(2, 2), 2, 2, 0, 1);
    ebb_tensor *y = ebb_gather(x, at, 1);
    CHECK_VALUES(y, 0, 3, 3, 4, 5);
    CHECK(!strcmp(NODE(y), "GatherBackward0"));
    CHECK_VALUES(grad_of(y, x), 0, 0, 0, 3, 3, 4, 0);
    y = ebb_gather(x, INTEGERS(EBB_DIMS(1, 2), 1, 0), -2);
    CHECK_VALUES(y, 0, 4, 2);
    CHECK_VALUES(ebb_gather(ebb_t(x), INTEGERS(EBB_DIMS(1, 2), 1, 0), 0), 0, 2, 4);
    CHECK(!ebb_gather(x, INTEGERS(EBB_DIMS(1, 1), 3), 1));
    CHECK_ERROR(EBB_ERR_INDEX, "index 3 is out of range for dimension 1 of size 3");
    CHECK(!ebb_gather(x, INTEGERS(EBB_DIMS(1, 1), -1), 1));
    CHECK_ERROR(EBB_ERR_INDEX, "index -1");
    CHECK(!ebb_gather(x, INTEGERS(EBB_DIMS(1), 0), 1));
    CHECK_ERROR(EBB_ERR_SHAPE, "index does not fit");
    CHECK(!ebb_gather(x, x, 1));
    CHECK_ERROR(EBB_ERR_DTYPE, "index must be int64 or int32, got float64");
}

EBB_TEST(scattering) {
    ebb_tensor *x = LEAF(EBB_DIMS(2, 3), 1, 2, 3, 4, 5, 6), *at = INTEGERS(EBB_DIMS(2, 2), 2, 2, 0, 1);
    ebb_tensor *src = LEAF(EBB_DIMS(2, 2), 10, 20, 30, 40), *y = ebb_scatter_add(x, at, src, 1);
    CHECK_VALUES(y, 0, 1, 2, 33, 34, 45, 6);
    CHECK(!strcmp(NODE(y), "ScatterAddBackward0"));
    CHECK_VALUES(grad_of(y, src), 0, 3, 3, 4, 5);
    y = ebb_scatter_add(x, at, src, 1);
    CHECK_VALUES(grad_of(y, x), 0, 1, 2, 3, 4, 5, 6);
    CHECK(!ebb_scatter_add(x, at, ebb_to(src, EBB_F32), 1));
    CHECK_ERROR(EBB_ERR_DTYPE, "one dtype, got float64 and float32");
}

EBB_TEST(second_order) {
    ebb_tensor *x = LEAF(EBB_DIMS(2, 2), 1, 4, 3, 2), *g = NULL, *gg = NULL;
    ebb_tensor *y = ebb_sum(ebb_square(ebb_max_dim(ebb_square(x), 1)));
    CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true));
    CHECK_VALUES(g, 0, 0, 256, 108, 0); /* x^4: 4 x^3 */
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(x), &gg));
    CHECK_VALUES(gg, 0, 0, 192, 108, 0); /* 12 x^2 */
    y = ebb_square(ebb_amax(ebb_square(x), .dim = EBB_DIMS(0, 1)));
    CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true));
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(x), &gg));
    CHECK_VALUES(gg, 0, 0, 192, 0, 0);
    y = ebb_square(ebb_mean(ebb_square(x)));
    CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true));
    CHECK_VALUES(g, 1e-15, 7.5, 30, 22.5, 15); /* 2 m x / 2, m = 7.5 */
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(x), &gg));
    CHECK_VALUES(gg, 1e-14, 12.5, 27.5, 22.5, 17.5); /* m + x_i * sum(x) / 2 */
}

/* What compilers take for a list, with a warning that few have on. */
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wmissing-braces"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif
static ebb_status itself(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = ebb_mul(in.t[0], in.t[0]);
    return ebb_error_status();
}

EBB_TEST(a_bare_number_is_no_list) {
    ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3));
    ebb_list j;
    const ebb_dims all = {0};
    CHECK(!ebb_sum(x, .dim = 1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "does not say how many entries it has: write .dim = EBB_DIMS(...)");
    CHECK(!ebb_sum(x, .dim = {-1}));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "write .dim = EBB_DIMS(...)");
    CHECK(!ebb_amax(x, .dim = {0, 1}));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "write .dim = EBB_DIMS(...)");
    CHECK(!ebb_avg_pool2d(ebb_ones(EBB_DIMS(1, 4, 4)), EBB_DIMS(2), .stride = 1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "write .stride = EBB_DIMS(...)");
    CHECK(ebb_jacobian(itself, NULL, EBB_LIST(x), &j, .argnums = {1}) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "write .argnums = EBB_DIMS(...)");
    CHECK_VALUES(ebb_sum(x, .dim = all), 0, 6);
    CHECK_VALUES(ebb_sum(x, .dim = {.n = 1}), 0, 2, 2, 2);
    CHECK_VALUES(ebb_sum(x, .dim = EBB_DIMS(0)), 0, 2, 2, 2);
}

EBB_TEST_MAIN
