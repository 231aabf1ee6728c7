/* Numbers and lists as arguments: whole numbers are exact, whatever their size; lists have any length, and outlive the
 * caller's memory in the graph. */
#include "tests/check.h"
#include <ebb/ebb.h>

#define BIG ((INT64_C(1) << 53) + 1) /* no double is this */

static ebb_tensor *i64(int64_t a, int64_t b) { return ebb_from_data((const int64_t[]){a, b}, EBB_I64, EBB_DIMS(2)); }

static void check_i64(const ebb_tensor *t, int64_t a, int64_t b, int line) {
    int64_t v[2] = {0};
    CHECK_OK();
    if (!t || ebb_tensor_dtype(t) != EBB_I64 || ebb_tensor_numel(t) != 2 || ebb_tensor_read(t, EBB_I64, v) ||
        v[0] != a || v[1] != b) {
        print_error("%lld, %lld; expected %lld, %lld\n", (long long)v[0], (long long)v[1], (long long)a, (long long)b);
        _fail(__FILE__, line);
    }
}
#define CHECK_I64(t, a, b) check_i64((t), (a), (b), __LINE__)

EBB_TEST(whole_numbers_are_exact) {
    ebb_tensor *x = i64(BIG, -3);
    CHECK_I64(ebb_full(EBB_DIMS(2), BIG), BIG, BIG);
    CHECK_I64(ebb_full_like(x, INT64_MIN), INT64_MIN, INT64_MIN);
    CHECK_I64(ebb_arange(BIG, BIG + 4, 2), BIG, BIG + 2);
    CHECK_I64(ebb_arange(INT64_MAX, INT64_MAX - 10, -7), INT64_MAX, INT64_MAX - 7);
    CHECK(ebb_item_i64(ebb_scalar(BIG, .dtype = EBB_I64)) == BIG);
    CHECK_I64(ebb_add(x, BIG), 2 * BIG, BIG - 3);
    CHECK_I64(ebb_mul(i64(1, -1), BIG), BIG, -BIG);
    CHECK_I64(ebb_add_scaled(i64(0, 1), i64(1, 2), BIG), BIG, 2 * BIG + 1);
    CHECK_I64(ebb_sub_scaled(i64(0, 1), i64(1, 2), BIG), -BIG, 1 - 2 * BIG);
    CHECK_I64(ebb_addcmul(i64(0, 1), i64(1, 1), i64(1, -1), .value = EBB_SET(BIG)), BIG, 1 - BIG);
    CHECK_I64(ebb_maximum(x, BIG), BIG, BIG);
    CHECK_I64(ebb_clamp(i64(BIG + 8, -BIG - 8), .min = EBB_NUM(-BIG), .max = EBB_NUM(BIG)), BIG, -BIG);
    CHECK_I64(ebb_hardtanh(i64(BIG + 8, -BIG - 8), .min_val = EBB_SET(-BIG), .max_val = EBB_SET(BIG)), BIG, -BIG);
    CHECK_I64(ebb_threshold(i64(BIG, BIG + 1), BIG, -BIG), -BIG, BIG + 1);
    CHECK_I64(ebb_masked_fill(x, ebb_lt(x, 0), BIG), BIG, BIG);
    CHECK_I64(ebb_where(ebb_lt(x, 0), BIG + 2, x), BIG, BIG + 2);
    CHECK_I64(ebb_scatter(x, i64(1, 1), BIG, 0), BIG, BIG);
    CHECK_I64(ebb_index_fill(x, i64(1, 1), BIG, 0), BIG, BIG);
    CHECK_I64(ebb_index_add(i64(0, 0), i64(0, 1), i64(1, 2), 0, .alpha = EBB_SET(BIG)), BIG, 2 * BIG);
    CHECK_I64(ebb_fill(x, BIG), BIG, BIG);
    CHECK_I64(ebb_sum(ebb_reshape(i64(BIG, 2), EBB_DIMS(1, 2)), .dim = EBB_DIMS(0)), BIG, 2);
    CHECK_VALUES(ebb_eq(x, BIG), 0, 1, 0);
    CHECK_VALUES(ebb_eq(x, BIG - 1), 0, 0, 0);
    ebb_add_(x, ebb_from_data((const int64_t[]){BIG}, EBB_I64, EBB_NO_DIMS));
    CHECK_I64(x, 2 * BIG, BIG - 3);
    char text[64];
    (void)ebb_format(text, sizeof text, i64(BIG, INT64_MIN), NULL);
    CHECK(!strcmp(text, "tensor([    9007199254740993, -9223372036854775808])"));
}

EBB_TEST(whole_numbers_by_name) {
    ebb_list none = {0, NULL};
    CHECK_I64(ebb_call("full", none, EBB_ARGS(EBB_ARG("size", 2), EBB_ARG("fill_value", BIG))), BIG, BIG);
    CHECK_I64(ebb_call("full", none, EBB_ARGS(EBB_ARG("size", 2), EBB_ARG_TEXT("fill_value", "9007199254740993"))), BIG,
              BIG);
    CHECK_I64(ebb_call("add", EBB_LIST(i64(0, 1)), EBB_ARGS(EBB_ARG("other", i64(1, 1)), EBB_ARG("alpha", BIG))), BIG,
              BIG + 1);
    CHECK_I64(ebb_call("masked_fill", EBB_LIST(i64(0, 1), ebb_ones(EBB_DIMS(2), .dtype = EBB_BOOL)),
                       EBB_ARGS(EBB_ARG("value", BIG))),
              BIG, BIG);
    CHECK_I64(ebb_call("arange", none, EBB_ARGS(EBB_ARG("start", BIG), EBB_ARG("end", BIG + 2))), BIG, BIG + 1);
}

/* What a number makes: torch.full's and torch.arange's dtypes. */
EBB_TEST(the_kind_of_a_number_counts) {
    CHECK(ebb_tensor_dtype(ebb_full(EBB_DIMS(2), 2)) == EBB_I64);
    CHECK(ebb_tensor_dtype(ebb_full(EBB_DIMS(2), 2.0)) == EBB_F32);
    CHECK(ebb_tensor_dtype(ebb_full(EBB_DIMS(2), 2.0f)) == EBB_F32);
    CHECK(ebb_tensor_dtype(ebb_full(EBB_DIMS(2), (bool)true)) == EBB_BOOL);
    CHECK(ebb_tensor_dtype(ebb_full(EBB_DIMS(2), 2, .dtype = EBB_F64)) == EBB_F64);
    CHECK(ebb_tensor_dtype(ebb_full_like(ebb_ones(EBB_DIMS(2)), 2)) == EBB_F32);
    CHECK(ebb_tensor_dtype(ebb_arange(0, 3, 1)) == EBB_I64);
    CHECK(ebb_tensor_dtype(ebb_arange(0, 3.0, 1)) == EBB_F32);
    CHECK(ebb_tensor_dtype(ebb_scalar(3)) == EBB_F32);
    CHECK(!ebb_eye(2, .m = EBB_SET(2.5)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "eye: m must be a whole number, not 2.5");
    CHECK(!ebb_full(EBB_DIMS(2), 300, .dtype = EBB_U8));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "300 does not fit in uint8");
    CHECK(!(ebb_arange)(EBB_SET(0), (ebb_setting){0}, EBB_SET(1), (ebb_arange_options){0}));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "arange: end is not given");
}

EBB_TEST(lists_have_any_length) {
    enum { N = 20 };
    int64_t sizes[N];
    ebb_tensor *x = ebb_requires_grad_(ebb_arange(0.0, N * (N - 1) / 2, 1, .dtype = EBB_F64), true), *g = NULL;
    for (int i = 0; i < N; i++) sizes[i] = i;
    ebb_list parts = ebb_split_with_sizes(x, ((ebb_ints){N, sizes}));
    CHECK(parts.n == N);
    if (parts.n != N) return;
    CHECK_SHAPE(parts.t[19], 19);
    CHECK_SHAPE(parts.t[0], 0);
    memset(sizes, 0, sizeof sizes); /* the graph has its own */
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_square(parts.t[3]))), EBB_LIST(x), &g));
    CHECK(ebb_at_index(g, EBB_DIMS(3)) == 6 && ebb_at_index(g, EBB_DIMS(5)) == 10 && ebb_at_index(g, EBB_DIMS(6)) == 0);
    parts = ebb_tensor_split_indices(x, EBB_INTS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    CHECK(parts.n == 12);
    ebb_tensor *y = ebb_pad(ebb_ones(EBB_DIMS(1, 1, 1, 1, 1)), EBB_INTS(1, 0, 1, 0, 1, 0, 1, 0, 0, 1));
    CHECK_SHAPE(y, 2, 2, 2, 2, 2);
    CHECK(ebb_item(ebb_sum(y)) == 1);
    CHECK(!ebb_split_with_sizes(x, ((ebb_ints){3, NULL})).n);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "split_with_sizes: split_sizes is NULL, or a list of 3 numbers");
}

EBB_TEST(lists_by_name) {
    ebb_tensor *x = ebb_arange(0, 12, 1);
    ebb_list out = {0, NULL};
    int64_t sizes[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    (void)ebb_call("split", EBB_LIST(x), EBB_ARGS(EBB_ARG("split_size_or_sections", ((ebb_ints){12, sizes}))),
                   .ret_outputs = &out);
    CHECK(out.n == 12);
    (void)ebb_call("split", EBB_LIST(x), EBB_ARGS(EBB_ARG_TEXT("split_size_or_sections", "(1,1,1,1,1,1,1,1,1,3)")),
                   .ret_outputs = &out);
    CHECK(out.n == 10);
    (void)ebb_call("split", EBB_LIST(x), EBB_ARGS(EBB_ARG("split_size_or_sections", 5)), .ret_outputs = &out);
    CHECK(out.n == 3);
    (void)ebb_call("split", EBB_LIST(x), EBB_ARGS(EBB_ARG("split_sizes", 12)), .ret_outputs = &out);
    CHECK(out.n == 1);
    CHECK_SHAPE(ebb_call("reshape", EBB_LIST(x), EBB_ARGS(EBB_ARG("shape", EBB_INTS(3, 4)))), 3, 4);
    CHECK(!ebb_call("reshape", EBB_LIST(x), EBB_ARGS(EBB_ARG("shape", EBB_INTS(1, 1, 1, 1, 1, 1, 1, 1, 12)))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'shape' must be a list of at most 8 ints, not list of ints");
    ebb_tensor *image = ebb_ones(EBB_DIMS(1, 1, 2, 2));
    CHECK_SHAPE(ebb_call("interpolate", EBB_LIST(image), EBB_ARGS(EBB_ARG("scale_factor", EBB_FLOATS(2, 1.5)))), 1, 1,
                4, 3);
    CHECK_SHAPE(ebb_call("interpolate", EBB_LIST(image), EBB_ARGS(EBB_ARG("scale_factor", 3))), 1, 1, 6, 6);
    CHECK_SHAPE(ebb_call("interpolate", EBB_LIST(image), EBB_ARGS(EBB_ARG_TEXT("scale_factor", "1.5"))), 1, 1, 3, 3);
}

static void use_lists(void) {
    ebb_tensor *g = NULL, *x = ebb_ones(EBB_DIMS(12), .requires_grad = true);
    ebb_list parts = ebb_split_with_sizes(x, EBB_INTS(1, 1, 1, 1, 1, 1, 1, 1, 1, 3));
    if (parts.n) (void)ebb_grad(EBB_LIST(ebb_sum(parts.t[9])), EBB_LIST(x), &g);
    (void)ebb_call("pad", EBB_LIST(x),
                   EBB_ARGS(EBB_ARG_TEXT("pad", "(1,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0)")));
    if (ebb_error_status() == EBB_ERR_ARGUMENT) ebb_clear_error(); /* the padding of more dimensions than there are */
}

EBB_TEST(every_allocation_may_fail) { CHECK_ALLOCATIONS_FAILING(use_lists, 0); }

EBB_TEST_MAIN
