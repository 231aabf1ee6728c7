/* Views and joins: shapes, strides and offsets as PyTorch's, which calls copy, gradients of each order, messages. */
#include "tests/check.h"
#include <ebb/ebb.h>

static ebb_tensor *ramp(ebb_dims shape) {
    int64_t n = 1;
    for (int i = 0; i < shape.n; i++) n *= shape.d[i];
    return ebb_reshape(ebb_arange(0, (double)n, 1, .dtype = EBB_F64), shape);
}

static ebb_tensor *leaf(ebb_dims shape) { return ebb_requires_grad_(ebb_clone(ramp(shape)), true); }

static bool same(ebb_dims a, ebb_dims b) {
    bool r = a.n == b.n;
    for (int i = 0; r && i < a.n; i++) r = a.d[i] == b.d[i];
    return r;
}

#define CHECK_STRIDES(t, ...) CHECK(same(ebb_tensor_strides(t), EBB_DIMS(__VA_ARGS__)))
#define CHECK_NODE(t, name) assert_string_equal(ebb_node_name(ebb_tensor_grad_fn(t)), name)
#define LINEAGE(t) ebb_node_name(ebb_node_input(ebb_tensor_grad_fn(t), 0))

/* ---- view, reshape, flatten ---- */

EBB_TEST(view_shares_and_infers) {
    ebb_tensor *x = ramp(EBB_DIMS(2, 3, 4));
    ebb_tensor *y = ebb_view(x, EBB_DIMS(4, -1));
    CHECK_SHAPE(y, 4, 6);
    CHECK_STRIDES(y, 6, 1);
    CHECK(ebb_tensor_shares_storage(x, y) && ebb_tensor_is_view(y));
    CHECK_SHAPE(ebb_view(x, EBB_DIMS(-1)), 24);
    CHECK_SHAPE(ebb_view(x, EBB_DIMS(1, 24, 1)), 1, 24, 1);
    CHECK(ebb_tensor_ndim(ebb_view(ebb_scalar(1), EBB_NO_DIMS)) == 0);
    CHECK_SHAPE(ebb_view(ebb_zeros(EBB_DIMS(0, 3)), EBB_DIMS(3, -1, 2)), 3, 0, 2);
    /* a transpose can be viewed as long as its runs are only cut, not joined */
    ebb_tensor *t = ebb_view(ebb_permute(x, EBB_DIMS(2, 0, 1)), EBB_DIMS(2, 2, 2, 3));
    CHECK_STRIDES(t, 2, 1, 12, 4);
    CHECK(ebb_at_index(t, EBB_DIMS(1, 0, 1, 2)) == 22);
}

EBB_TEST(view_says_why_not) {
    ebb_tensor *x = ramp(EBB_DIMS(2, 3));
    CHECK(!ebb_view(x, EBB_DIMS(5, -1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "view: shape [5, -1] does not fit 6 elements; inputs: self float64 [2, 3]");
    CHECK(!ebb_view(x, EBB_DIMS(-1, -1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "only one size can be inferred");
    CHECK(!ebb_view(x, EBB_DIMS(-2, 3)));
    CHECK_ERROR(EBB_ERR_SHAPE, "size -2");
    CHECK(!ebb_view(ebb_zeros(EBB_DIMS(0, 3)), EBB_DIMS(-1, 0)));
    CHECK_ERROR(EBB_ERR_SHAPE, "could be any size");
    CHECK(!ebb_view(x, EBB_DIMS(INT64_MAX, INT64_MAX)));
    CHECK_ERROR(EBB_ERR_SHAPE, "does not fit 6 elements");
    CHECK(!ebb_view(ebb_t(x), EBB_DIMS(6)));
    CHECK_ERROR(EBB_ERR_SHAPE,
                "view of shape [6] is not possible without a copy for shape [3, 2], strides [1, 3]; use reshape");
}

EBB_TEST(reshape_views_or_copies) {
    ebb_tensor *x = leaf(EBB_DIMS(2, 3)), *w = ramp(EBB_DIMS(6));
    ebb_tensor *y = ebb_reshape(x, EBB_DIMS(-1));
    CHECK(ebb_tensor_shares_storage(x, y));
    CHECK_NODE(y, "ViewBackward0");
    CHECK_NODE(ebb_reshape(ebb_t(x), EBB_DIMS(3, 1, 2)), "ReshapeAliasBackward0");
    ebb_tensor *z = ebb_reshape(ebb_t(x), EBB_DIMS(6));
    CHECK(!ebb_tensor_shares_storage(x, z) && !ebb_tensor_is_view(z));
    CHECK_NODE(z, "UnsafeViewBackward0");
    assert_string_equal(LINEAGE(z), "CloneBackward0");
    CHECK_VALUES(z, 0, 0, 3, 1, 4, 2, 5);
    CHECK(ebb_backward(ebb_sum(ebb_mul(z, w))) == EBB_OK);
    CHECK_VALUES(ebb_tensor_grad(x), 0, 0, 2, 4, 1, 3, 5);
    CHECK(ebb_mul_(z, 2.0)); /* it owns its elements */
    CHECK(!ebb_reshape(x, EBB_DIMS(4)));
    CHECK_ERROR(EBB_ERR_SHAPE, "reshape: shape [4] does not fit 6 elements");
}

EBB_TEST(flatten_joins_dimensions) {
    ebb_tensor *x = leaf(EBB_DIMS(2, 3, 4));
    CHECK_SHAPE(ebb_flatten(x, 0, -1), 24);
    CHECK_SHAPE(ebb_flatten(x, 1, -1), 2, 12);
    CHECK_SHAPE(ebb_flatten(x, 0, 1), 6, 4);
    CHECK(ebb_flatten(x, 1, 1) == x);
    CHECK_SHAPE(ebb_flatten(ebb_scalar(1), 0, -1), 1);
    CHECK(!ebb_flatten(x, 2, 1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "start_dim 2 comes after end_dim 1");
    CHECK(!ebb_flatten(x, 0, 3));
    CHECK_ERROR(EBB_ERR_INDEX, "end_dim is out of range: expected between -3 and 2, got 3");
}

/* ---- squeeze, unsqueeze, expand ---- */

EBB_TEST(squeeze_and_unsqueeze) {
    ebb_tensor *x = leaf(EBB_DIMS(1, 3, 1, 2));
    CHECK_SHAPE(ebb_squeeze(x), 3, 2);
    CHECK_SHAPE(ebb_squeeze(x, .dim = EBB_DIMS(0)), 3, 1, 2);
    CHECK_SHAPE(ebb_squeeze(x, .dim = EBB_DIMS(1)), 1, 3, 1, 2);
    CHECK_SHAPE(ebb_squeeze(x, .dim = EBB_DIMS(0, -2)), 3, 2);
    CHECK_NODE(ebb_squeeze(x), "SqueezeBackward0");
    CHECK_NODE(ebb_squeeze(x, .dim = EBB_DIMS(0)), "SqueezeBackward1");
    CHECK_NODE(ebb_squeeze(x, .dim = EBB_DIMS(0, 1)), "SqueezeBackward2");
    CHECK(ebb_tensor_ndim(ebb_squeeze(ebb_scalar(1), .dim = EBB_DIMS(-1))) == 0);

    ebb_tensor *y = ramp(EBB_DIMS(3, 4));
    CHECK_STRIDES(ebb_unsqueeze(y, 0), 12, 4, 1);
    CHECK_STRIDES(ebb_unsqueeze(y, 1), 4, 4, 1);
    CHECK_STRIDES(ebb_unsqueeze(y, -1), 4, 1, 1);
    CHECK_STRIDES(ebb_unsqueeze(ebb_t(y), 1), 1, 12, 4);
    CHECK_SHAPE(ebb_unsqueeze(ebb_scalar(1), 0), 1);
    CHECK(!ebb_unsqueeze(y, 3));
    CHECK_ERROR(EBB_ERR_INDEX, "dim is out of range: expected between -3 and 2, got 3");
    CHECK(!ebb_unsqueeze(ebb_zeros(EBB_DIMS(1, 1, 1, 1, 1, 1, 1, 1)), 0));
    CHECK_ERROR(EBB_ERR_SHAPE, "more than 8 dimensions");

    CHECK(ebb_backward(ebb_sum(ebb_mul(ebb_unsqueeze(ebb_squeeze(x), 1), 3.0))) == EBB_OK);
    CHECK_SHAPE(ebb_tensor_grad(x), 1, 3, 1, 2);
    CHECK_VALUES(ebb_tensor_grad(x), 0, 3, 3, 3, 3, 3, 3);
}

EBB_TEST(expand_repeats_without_a_copy) {
    ebb_tensor *x = leaf(EBB_DIMS(3, 1));
    ebb_tensor *y = ebb_expand(x, EBB_DIMS(2, -1, 4));
    CHECK_SHAPE(y, 2, 3, 4);
    CHECK_STRIDES(y, 0, 1, 0);
    CHECK_STRIDES(ebb_expand(x, EBB_DIMS(1, 3, 1)), 3, 1, 1);
    CHECK_STRIDES(ebb_expand(ebb_scalar(1), EBB_DIMS(2, 1)), 0, 0);
    CHECK_SHAPE(ebb_expand(ebb_zeros(EBB_DIMS(1)), EBB_DIMS(0)), 0);
    CHECK_SHAPE(ebb_broadcast_to(x, EBB_DIMS(3, 2)), 3, 2);
    CHECK(ebb_backward(ebb_sum(y)) == EBB_OK);
    CHECK_VALUES(ebb_tensor_grad(x), 0, 8, 8, 8);
    CHECK(!ebb_expand(x, EBB_DIMS(4, 1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "dimension 0 of size 3 cannot become 4: only size 1 is expanded, to [4, 1]");
    CHECK(!ebb_expand(x, EBB_DIMS(3)));
    CHECK_ERROR(EBB_ERR_SHAPE, "size [3] has fewer dimensions than the tensor");
    CHECK(!ebb_expand(x, EBB_DIMS(-1, 3, 1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "-1 keeps a size that the tensor has");
    CHECK(!ebb_expand(x, EBB_DIMS(INT64_C(1) << 40, INT64_C(1) << 40, 3, 1)));
    CHECK_ERROR(EBB_ERR_MEMORY, "too large to be addressed");
    EBB_NO_GRAD { CHECK(!ebb_mul_(ebb_expand(x, EBB_DIMS(3, 2)), 2.0)); }
    CHECK_ERROR(EBB_ERR_ARGUMENT, "is expanded");
}

/* ---- order of dimensions ---- */

EBB_TEST(dimensions_in_another_order) {
    ebb_tensor *x = leaf(EBB_DIMS(2, 3, 4)), *w = ramp(EBB_DIMS(4, 2, 3));
    CHECK_STRIDES(ebb_transpose(x, 0, -1), 1, 4, 12);
    CHECK_STRIDES(ebb_permute(x, EBB_DIMS(1, 2, 0)), 4, 1, 12);
    CHECK_SHAPE(ebb_t(ramp(EBB_DIMS(2, 3))), 3, 2);
    CHECK_SHAPE(ebb_t(ramp(EBB_DIMS(5))), 5);
    CHECK(ebb_tensor_ndim(ebb_transpose(ebb_scalar(1), 0, -1)) == 0);
    CHECK_NODE(ebb_t(leaf(EBB_DIMS(2, 3))), "TBackward0");
    CHECK(ebb_backward(ebb_sum(ebb_mul(ebb_permute(x, EBB_DIMS(2, 0, 1)), w))) == EBB_OK);
    ebb_tensor *g = ebb_tensor_grad(x);
    CHECK(ebb_at_index(g, EBB_DIMS(1, 2, 3)) == ebb_at_index(w, EBB_DIMS(3, 1, 2)));
    CHECK(ebb_at_index(g, EBB_DIMS(0, 1, 2)) == ebb_at_index(w, EBB_DIMS(2, 0, 1)));
    CHECK(!ebb_t(x));
    CHECK_ERROR(EBB_ERR_SHAPE, "t: is for at most 2 dimensions");
    CHECK(!ebb_permute(x, EBB_DIMS(0, 1)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "dims must name each of the 3 dimensions once, not 2 of them");
    CHECK(!ebb_permute(x, EBB_DIMS(0, 1, 1)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "names dimension 1 twice");
    CHECK(!ebb_transpose(x, 0, 3));
    CHECK_ERROR(EBB_ERR_INDEX, "dim1 is out of range");
}

/* ---- parts ---- */

EBB_TEST(select_takes_one_index) {
    ebb_tensor *x = leaf(EBB_DIMS(3, 4));
    CHECK_VALUES(ebb_select(x, 0, 1), 0, 4, 5, 6, 7);
    CHECK_VALUES(ebb_select(x, -1, -1), 0, 3, 7, 11);
    CHECK_STRIDES(ebb_select(x, 1, 2), 4);
    CHECK(ebb_tensor_storage_offset(ebb_select(x, 1, 2)) == 2);
    CHECK(!ebb_select(x, 0, 3));
    CHECK_ERROR(EBB_ERR_INDEX, "index 3 is out of range for dimension 0 of size 3");
    CHECK(!ebb_select(x, 0, -4));
    CHECK_ERROR(EBB_ERR_INDEX, "index -4");
    CHECK(!ebb_select(ebb_scalar(1), 0, 0));
    CHECK_ERROR(EBB_ERR_SHAPE, "needs a tensor of at least 1 dimension, not 0");
    CHECK(ebb_backward(ebb_sum(ebb_mul(ebb_select(x, 1, 2), ramp(EBB_DIMS(3))))) == EBB_OK);
    CHECK_VALUES(ebb_tensor_grad(x), 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0);
}

EBB_TEST(slice_clamps_as_python_does) {
    static const struct {
        int64_t start, end, step, n;
        double first;
    } cases[] = {
        {1, 3, 0, 2, 1},        {-3, -1, 1, 2, 2},
        {0, 100, 2, 3, 0},      {-100, 2, 1, 2, 0},
        {3, 1, 1, 0, 0},        {0, EBB_END, 1, 5, 0},
        {4, 5, 7, 1, 4},        {5, 9, 1, 0, 0},
        {1, 5, 3, 2, 1},        {INT64_MIN, EBB_END, 5, 1, 0},
        {-1, EBB_END, 1, 1, 4}, {2, -1, INT64_MAX, 1, 2},
    };
    ebb_tensor *x = ramp(EBB_DIMS(5));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ebb_tensor *y = ebb_slice(x, 0, cases[i].start, cases[i].end, .step = cases[i].step);
        CHECK_SHAPE(y, cases[i].n);
        if (cases[i].n) CHECK(ebb_at_index(y, EBB_DIMS(0)) == cases[i].first);
    }
    ebb_tensor *m = ramp(EBB_DIMS(4, 6)), *y = ebb_slice(m, 1, 1, EBB_END, .step = 2);
    CHECK_STRIDES(y, 6, 2);
    CHECK(ebb_tensor_storage_offset(y) == 1 && !ebb_tensor_is_contiguous(y));
    CHECK_VALUES(ebb_slice(y, 0, 2, 3), 0, 13, 15, 17);
    CHECK(!ebb_slice(x, 0, 0, 5, .step = -1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "step must be positive, not -1");
}

EBB_TEST(parts_have_gradients_of_any_order) {
    ebb_tensor *x = leaf(EBB_DIMS(3, 4)), *g, *gg, *w = leaf(EBB_DIMS(3, 2));
    ebb_tensor *y = ebb_slice(x, 1, 1, 4, .step = 2);
    CHECK_NODE(y, "SliceBackward0");
    CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(w), .create_graph = true) == EBB_OK);
    CHECK_NODE(g, "SliceBackwardBackward0");
    CHECK_VALUES(g, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5);
    CHECK(ebb_grad(EBB_LIST(ebb_sum(ebb_mul(g, g))), EBB_LIST(w), &gg) == EBB_OK);
    CHECK_VALUES(gg, 0, 0, 2, 4, 6, 8, 10);

    w = leaf(EBB_DIMS(4));
    CHECK(ebb_grad(EBB_LIST(ebb_select(x, 0, -1)), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(w),
                   .create_graph = true) == EBB_OK);
    CHECK_NODE(g, "SelectBackwardBackward0");
    CHECK_VALUES(g, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3);
    CHECK(ebb_grad(EBB_LIST(ebb_sum(ebb_mul(g, g))), EBB_LIST(w), &gg) == EBB_OK);
    CHECK_VALUES(gg, 0, 0, 2, 4, 6);

    w = leaf(EBB_DIMS(3));
    CHECK(ebb_grad(EBB_LIST(ebb_diagonal(x, 1, 0, 1)), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(w),
                   .create_graph = true) == EBB_OK);
    CHECK_NODE(g, "DiagonalBackwardBackward0");
    CHECK_VALUES(g, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2);
    CHECK(ebb_grad(EBB_LIST(ebb_sum(ebb_mul(g, g))), EBB_LIST(w), &gg) == EBB_OK);
    CHECK_VALUES(gg, 0, 0, 2, 4);
}

EBB_TEST(narrow_is_strict) {
    ebb_tensor *x = leaf(EBB_DIMS(5));
    CHECK_VALUES(ebb_narrow(x, 0, 1, 3), 0, 1, 2, 3);
    CHECK_VALUES(ebb_narrow(x, 0, -2, 2), 0, 3, 4);
    CHECK_SHAPE(ebb_narrow(x, 0, 5, 0), 0);
    CHECK_NODE(ebb_narrow(x, 0, 0, 1), "SliceBackward0");
    CHECK(!ebb_narrow(x, 0, 3, 3));
    CHECK_ERROR(EBB_ERR_INDEX, "narrow: start 3, length 3 is out of range for dimension 0 of size 5");
    CHECK(!ebb_narrow(x, 0, 0, INT64_MAX));
    CHECK_ERROR(EBB_ERR_INDEX, "out of range");
    CHECK(!ebb_narrow(x, 0, 0, -1));
    CHECK_ERROR(EBB_ERR_INDEX, "length -1");
}

EBB_TEST(diagonals) {
    ebb_tensor *x = ramp(EBB_DIMS(3, 4)), *y = ramp(EBB_DIMS(2, 3, 4));
    CHECK_VALUES(ebb_diagonal(x, 0, 0, 1), 0, 0, 5, 10);
    CHECK_VALUES(ebb_diagonal(x, 2, 0, 1), 0, 2, 7);
    CHECK_VALUES(ebb_diagonal(x, -1, 0, 1), 0, 4, 9);
    CHECK_VALUES(ebb_diagonal(x, 1, 1, 0), 0, 4, 9);
    CHECK_SHAPE(ebb_diagonal(x, 9, 0, 1), 0);
    CHECK_SHAPE(ebb_diagonal(x, INT64_MIN, 0, 1), 0);
    CHECK_SHAPE(ebb_diagonal(y, 0, -1, 0), 3, 2);
    CHECK_STRIDES(ebb_diagonal(y, 0, -1, 0), 4, 13);
    CHECK(!ebb_diagonal(x, 0, 1, -1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "dim1 and dim2 are both dimension 1");
}

/* ---- cat, stack ---- */

EBB_TEST(cat_joins) {
    ebb_tensor *a = leaf(EBB_DIMS(2, 1)), *b = leaf(EBB_DIMS(2, 2)),
               *y = ebb_cat(EBB_LIST(a, ebb_zeros(EBB_DIMS(2, 1)), b), -1);
    CHECK_VALUES(y, 0, 0, 0, 0, 1, 1, 0, 2, 3);
    CHECK(ebb_tensor_dtype(y) == EBB_F64);
    CHECK_NODE(y, "CatBackward0");
    CHECK(ebb_backward(ebb_sum(ebb_mul(y, ramp(EBB_DIMS(2, 4))))) == EBB_OK);
    CHECK_VALUES(ebb_tensor_grad(a), 0, 0, 4);
    CHECK_VALUES(ebb_tensor_grad(b), 0, 2, 3, 6, 7);
    CHECK_VALUES(ebb_cat(EBB_LIST(ebb_t(b), ebb_t(b)), 0), 0, 0, 2, 1, 3, 0, 2, 1, 3);
}

EBB_TEST(cat_promotes_and_passes_over_nothing) {
    ebb_tensor *i = ebb_ones(EBB_DIMS(2), .dtype = EBB_I64), *f = ebb_ones(EBB_DIMS(1), .requires_grad = true);
    ebb_tensor *y = ebb_cat(EBB_LIST(i, f), 0);
    CHECK(ebb_tensor_dtype(y) == EBB_F32);
    CHECK(ebb_backward(ebb_sum(y)) == EBB_OK && ebb_tensor_dtype(ebb_tensor_grad(f)) == EBB_F32);
    ebb_tensor *none = ebb_zeros(EBB_DIMS(0), .requires_grad = true), *x = leaf(EBB_DIMS(2, 3));
    y = ebb_cat(EBB_LIST(none, x), 1);
    CHECK_SHAPE(y, 2, 3);
    CHECK(ebb_backward(ebb_sum(y)) == EBB_OK);
    CHECK_SHAPE(ebb_tensor_grad(none), 0);
    CHECK_SHAPE(ebb_cat(EBB_LIST(none, none), 0), 0);
    CHECK_SHAPE(ebb_cat(EBB_LIST(ebb_zeros(EBB_DIMS(2, 0)), ramp(EBB_DIMS(2, 1))), -1), 2, 1);
}

EBB_TEST(cat_says_what_does_not_fit) {
    ebb_tensor *x = ramp(EBB_DIMS(2, 3)), *y = ramp(EBB_DIMS(2, 4));
    CHECK(!ebb_cat(EBB_LIST(x, y), 0));
    CHECK_ERROR(EBB_ERR_SHAPE,
                "tensor 1 of shape [2, 4] does not fit [2, 3]: all sizes but that of dimension 0 must be equal");
    CHECK(!ebb_cat(EBB_LIST(x, ebb_scalar(1)), 0));
    CHECK_ERROR(EBB_ERR_SHAPE, "tensor 1 has no dimension to be joined along; see stack");
    CHECK(!ebb_cat(EBB_LIST(x, y), 2));
    CHECK_ERROR(EBB_ERR_INDEX, "dim is out of range: expected between -2 and 1, got 2");
    CHECK(!ebb_cat(((ebb_list){0, NULL}), 0));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "needs at least one tensor");
    CHECK(!ebb_stack(((ebb_list){0, NULL}), 0));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "needs at least one tensor");
    CHECK(!ebb_stack(EBB_LIST(x, y), 0));
    CHECK_ERROR(EBB_ERR_SHAPE, "tensor 1 has [2, 4] and the first [2, 3]");
}

EBB_TEST(many_tensors_are_joined) {
    enum { N = 100 };
    ebb_tensor *t[N];
    for (int i = 0; i < N; i++) t[i] = ebb_scalar(i, .requires_grad = i % 3 == 0);
    ebb_list list = {N, t};
    ebb_tensor *y = ebb_stack(list, 0);
    CHECK_SHAPE(y, N);
    CHECK(ebb_backward(ebb_sum(ebb_mul(y, y))) == EBB_OK);
    for (int i = 0; i < N; i += 3) CHECK_CLOSE(ebb_item(ebb_tensor_grad(t[i])), 2.0 * i, 0);
    for (int i = 0; i < N; i++) t[i] = ebb_full(EBB_DIMS(2, i % 4), (double)i, .requires_grad = i % 3 == 0);
    y = ebb_cat(list, 1);
    CHECK_SHAPE(y, 2, 150);
    CHECK(ebb_backward(ebb_sum(ebb_mul(y, y))) == EBB_OK);
    CHECK_VALUES(ebb_tensor_grad(t[9]), 0, 18, 18);
}

EBB_TEST(stack_makes_a_dimension) {
    ebb_tensor *a = leaf(EBB_DIMS(2)), *b = leaf(EBB_DIMS(2));
    CHECK_VALUES(ebb_stack(EBB_LIST(a, b, a), 0), 0, 0, 1, 0, 1, 0, 1);
    ebb_tensor *y = ebb_stack(EBB_LIST(a, b, a), -1);
    CHECK_SHAPE(y, 2, 3);
    CHECK_VALUES(y, 0, 0, 0, 0, 1, 1, 1);
    CHECK_NODE(y, "StackBackward0");
    CHECK(ebb_backward(ebb_sum(ebb_mul(y, ramp(EBB_DIMS(2, 3))))) == EBB_OK);
    CHECK_VALUES(ebb_tensor_grad(a), 0, 2, 8);
    CHECK_VALUES(ebb_tensor_grad(b), 0, 1, 4);
}

/* ---- memory ---- */

static void everything(void) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3), .requires_grad = true);
        ebb_tensor *y = ebb_cat(EBB_LIST(ebb_reshape(ebb_t(x), EBB_DIMS(6)), ebb_select(x, 0, 1)), 0);
        y = ebb_stack(EBB_LIST(y, ebb_expand(ebb_slice(y, 0, 2, 3), EBB_DIMS(9))), 1);
        (void)ebb_backward(ebb_sum(ebb_mul(y, y)));
    }
}

EBB_TEST(every_allocation_may_fail) { CHECK_ALLOCATIONS_FAILING(everything, 0); }

/* PyTorch's values: what elements of the base share is divided among them, what is outside of it is lost. */
EBB_TEST(gradients_of_as_strided) {
    static const double one_to_three[] = {1, 2, 3}, one_to_five[] = {1, 2, 3, 4, 5};
    ebb_tensor *w = ebb_from_data(one_to_five, EBB_F64, EBB_DIMS(5)), *g[1];
    ebb_tensor *w4 = ebb_view(ebb_narrow(w, 0, 0, 4), EBB_DIMS(2, 2));
    ebb_tensor *e = ebb_expand(ebb_from_data(one_to_three, EBB_F64, EBB_DIMS(3)), EBB_DIMS(2, 3));
    ebb_tensor *x = ebb_requires_grad_(ebb_detach(e), true);
    ebb_tensor *y = ebb_as_strided(x, EBB_DIMS(2, 2), EBB_DIMS(1, 1));
    CHECK_VALUES(y, 0, 1, 2, 2, 3);
    CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .grad_outputs = EBB_LIST(w4)) == EBB_OK);
    CHECK_VALUES(g[0], 0, 0.5, 2.5, 2, 0.5, 2.5, 2);
    ebb_tensor *all = ebb_arange(0, 6, 1, .dtype = EBB_F64);
    x = ebb_requires_grad_(ebb_detach(ebb_slice(all, 0, 1, 4)), true);
    y = ebb_as_strided(x, EBB_DIMS(2, 2), EBB_DIMS(2, 1), .storage_offset = EBB_SET(0));
    CHECK_VALUES(y, 0, 0, 1, 2, 3);
    CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .grad_outputs = EBB_LIST(w4)) == EBB_OK);
    CHECK_VALUES(g[0], 0, 2, 3, 4);
    x = ebb_requires_grad_(ebb_detach(ebb_slice(all, 0, 0, EBB_END, .step = 2)), true);
    y = ebb_as_strided(x, EBB_DIMS(5), EBB_DIMS(1));
    CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .grad_outputs = EBB_LIST(w)) == EBB_OK);
    CHECK_VALUES(g[0], 0, 1, 3, 5);
    CHECK(!ebb_as_strided(x, EBB_DIMS(7), EBB_DIMS(1)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "lead out of the storage of 6 elements");
}

/* Strides that no element is reached by may be any number, forward and backward. */
EBB_TEST(strides_of_no_step_are_free) {
    const int64_t far = INT64_MAX / 8, many = INT64_C(1) << 40;
    ebb_tensor *x = ebb_arange(0, 4, 1, .dtype = EBB_F64, .requires_grad = true), *g[1];
    ebb_tensor *y = ebb_as_strided(x, EBB_DIMS(0, many, 2), EBB_DIMS(far, many, 1));
    CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), g) == EBB_OK);
    CHECK_VALUES(g[0], 0, 0, 0, 0, 0);
    y = ebb_as_strided(x, EBB_DIMS(1, 2), EBB_DIMS(far, 2), .storage_offset = EBB_SET(1));
    CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), g) == EBB_OK);
    CHECK_VALUES(g[0], 0, 0, 1, 0, 1);
}

EBB_TEST(windows_are_views) {
    ebb_tensor *x = ebb_arange(0, 5, 1, .dtype = EBB_F32), *w = ebb_unfold(x, 0, 3, 2);
    CHECK_VALUES(w, 0, 0, 1, 2, 2, 3, 4);
    CHECK(ebb_tensor_shares_storage(w, x) && ebb_tensor_is_view(w));
}

EBB_TEST(views_of_another_dtype) {
    ebb_tensor *x = ebb_from_data((const float[]){1, 2, 3, 4}, EBB_F32, EBB_DIMS(2, 2)),
               *bits = ebb_view_dtype(x, EBB_I32);
    CHECK(ebb_tensor_shares_storage(x, bits) && ebb_tensor_dtype(bits) == EBB_I32);
    CHECK(ebb_item_i64(ebb_select(ebb_select(bits, 0, 0), 0, 0)) == 0x3f800000);
    ebb_zero_(bits);
    CHECK_VALUES(x, 0, 0, 0, 0, 0);
    CHECK(ebb_tensor_version(x) == 1);
    CHECK_SHAPE(ebb_view_dtype(x, EBB_U8), 2, 8);
    CHECK_SHAPE(ebb_view_dtype(x, EBB_F64), 2, 1);
    CHECK_SHAPE(ebb_view_dtype(ebb_t(x), EBB_I32), 2, 2); /* of one size, whatever the strides */
    CHECK(!ebb_view_dtype(ebb_t(x), EBB_U8));
    CHECK_ERROR(EBB_ERR_SHAPE, "must lie side by side in the last dimension to be read as uint8");
    CHECK(!ebb_view_dtype(ebb_slice(x, 1, 1, 2), EBB_F64));
    CHECK_ERROR(EBB_ERR_SHAPE, "side by side");
    ebb_requires_grad_(x, true);
    CHECK(!ebb_tensor_requires_grad(ebb_view_dtype(x, EBB_I32)));
}

EBB_TEST_MAIN
