/* Samples: text becomes inputs and attributes; text that is no sample is refused with the word that is wrong. */
#include "tests/check.h"
#include <ebb/ebb.h>

enum { PLAIN, ROUGH, FINE };

struct attrs {
    bool flag;
    int64_t count, dim;
    double rate;
    ebb_dims dims;
    ebb_dtype dtype;
    int mode;
    const char *name;
};

#define ATTR(name_, kind_, required_, values_) \
    { .name = #name_, .kind = kind_, .offset = offsetof(struct attrs, name_), .required = required_, .values = values_ }
static const struct ebb_attr attrs[] = {
    ATTR(flag, EBB_ATTR_BOOL, false, NULL),
    ATTR(count, EBB_ATTR_INT, true, NULL),
    ATTR(dim, EBB_ATTR_DIM, false, NULL),
    ATTR(rate, EBB_ATTR_FLOAT, false, NULL),
    ATTR(dims, EBB_ATTR_DIMS, false, NULL),
    ATTR(dtype, EBB_ATTR_DTYPE, false, NULL),
    ATTR(mode, EBB_ATTR_ENUM, false, "plain,rough,fine"),
    ATTR(name, EBB_ATTR_STRING, false, NULL),
};

static const struct ebb_op op = {
    .name = "toy",
    .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}, {"other", EBB_INPUT_NUMBER}, {"weight", EBB_INPUT_OPTIONAL}),
    .n_in = 3,
    .attrs = attrs,
    .n_attrs = 8,
    .attrs_size = sizeof(struct attrs),
    .domain = {0.5, 3},
};
static const struct ebb_op list_op = {.name = "join", .in = EBB_INPUTS({"tensors", EBB_INPUT_LIST}), .n_in = 1};
static const struct ebb_op middle_op = {
    .name = "put",
    .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}, {"indices", EBB_INPUT_OPTIONAL_LIST}, {"values", EBB_INPUT_TENSOR}),
    .n_in = 3,
};

EBB_TEST(everything_at_once) {
    struct ebb_sample s;
    CHECK(!ebb_sample_make(&op, "(2,3) 2.5 i5(4) count=-3 flag=true dim=-1 rate=1e-5 dims=(0,-2) dtype=f64 mode=fine",
                           EBB_F32, 1, &s));
    const struct attrs *a = s.attrs;
    CHECK(!s.must_fail && s.n_in == 3 && s.op == &op);
    CHECK_SHAPE(s.in[0], 2, 3);
    CHECK(ebb_tensor_dtype(s.in[0]) == EBB_F32);
    CHECK(ebb_tensor_is_number(s.in[1]) && ebb_item(s.in[1]) == 2.5);
    CHECK(ebb_tensor_dtype(s.in[2]) == EBB_I64);
    CHECK(a->flag && a->count == -3 && a->dim == -1 && a->rate == 1e-5 && a->dtype == EBB_F64 && a->mode == FINE);
    CHECK(a->dims.n == 2 && a->dims.d[0] == 0 && a->dims.d[1] == -2);
    ebb_sample_release(&s);
    CHECK(s.n_in == 0);
    ebb_sample_release(&s);
}

EBB_TEST(a_list_among_other_inputs) {
    static const struct {
        const char *text;
        int n;
    } given[] = {{"(3) [] (2)", 2}, {"(3) [i5(2)] (2)", 3}, {"(3) [none i5(4) none i5(1)] (2)", 6}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        struct ebb_sample s;
        CHECK(!ebb_sample_make(&middle_op, given[i].text, EBB_F32, 1, &s));
        CHECK(s.n_in == given[i].n);
        CHECK_SHAPE(s.in[0], 3);
        CHECK_SHAPE(s.in[s.n_in - 1], 2);
        if (s.n_in == 6) CHECK(!s.in[1] && !s.in[3] && ebb_tensor_numel(s.in[2]) == 4);
        ebb_sample_release(&s);
    }
    static const char *const wrong[] = {"(3)", "(3) []", "(3) (2) (2)", "[] (3) (2)", "(3) [] [] (2)", "(3) [] none"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ebb_sample s;
        CHECK(ebb_sample_make(&middle_op, wrong[i], EBB_F32, 1, &s) == EBB_ERR_FORMAT);
        ebb_clear_error();
    }
}

EBB_TEST(what_may_be_left_out) {
    struct ebb_sample s;
    CHECK(!ebb_sample_make(&op, "! () (0,3) count=1", EBB_F64, 1, &s));
    CHECK(s.must_fail && s.n_in == 3 && !s.in[2] && ebb_tensor_ndim(s.in[0]) == 0 && ebb_tensor_numel(s.in[1]) == 0);
    ebb_sample_release(&s);
    CHECK(!ebb_sample_make(&op, "b(2, 2) -1 none count=1 dims=2", EBB_F64, 1, &s));
    CHECK(!s.in[2] && ebb_tensor_dtype(s.in[0]) == EBB_BOOL && ebb_tensor_dtype(s.in[1]) == EBB_I64);
    CHECK(((struct attrs *)s.attrs)->dims.n == 1);
    ebb_sample_release(&s);
    CHECK(!ebb_sample_make(&list_op, "[(2,3) (1,3) int32()]", EBB_F64, 1, &s));
    CHECK(s.n_in == 3 && ebb_tensor_dtype(s.in[2]) == EBB_I32);
    ebb_sample_release(&s);
    CHECK(!ebb_sample_make(&list_op, "[(1) (1) (1) (1) (1) (1) (1) (1) (1) (1)]", EBB_F64, 1, &s));
    CHECK(s.n_in == 10);
    ebb_sample_release(&s);
}

EBB_TEST(values_are_distinct_and_inside_the_domain) {
    struct ebb_sample s, again, f32, other;
    double x[60], y[60];
    CHECK(!ebb_sample_make(&op, "(3,4,5) (2) count=1", EBB_F64, 7, &s));
    CHECK(!ebb_sample_make(&op, "(3,4,5) (2) count=1", EBB_F64, 7, &again));
    CHECK(!ebb_sample_make(&op, "(3,4,5) (2) count=1", EBB_F32, 7, &f32));
    CHECK(!ebb_sample_make(&op, "(3,4,5) (2) count=1", EBB_F64, 8, &other));
    CHECK(!ebb_tensor_read(s.in[0], EBB_F64, x));
    for (int i = 0; i < 60; i++) {
        CHECK(x[i] > 0.5 && x[i] < 3);
        for (int k = 0; k < i; k++) CHECK(x[i] - x[k] > 1e-3 || x[k] - x[i] > 1e-3);
    }
    CHECK(!ebb_tensor_read(again.in[0], EBB_F64, y) && !memcmp(x, y, sizeof x));
    CHECK(!ebb_tensor_read(f32.in[0], EBB_F64, y) && !memcmp(x, y, sizeof x));
    CHECK(!ebb_tensor_read(other.in[0], EBB_F64, y) && memcmp(x, y, sizeof x));
    struct ebb_sample *all[] = {&s, &again, &f32, &other};
    for (int i = 0; i < 4; i++) ebb_sample_release(all[i]);
}

EBB_TEST(malformed_text) {
    static const struct {
        const char *text, *message;
        ebb_status status;
    } cases[] = {
        {"(2,3 1 count=1", "brackets do not close", EBB_ERR_FORMAT},
        {"(2,x) 1 count=1", "\"(2,x)\": expected a shape", EBB_ERR_FORMAT},
        {"((2) 1 count=1", "brackets do not close", EBB_ERR_FORMAT},
        {"(2,3)) 1 count=1", "\"(2,3))", EBB_ERR_FORMAT},
        {"(1,1,1,1,1,1,1,1,1) 1 count=1", "expected a shape", EBB_ERR_FORMAT},
        {"(99999999999999999999) 1 count=1", "expected a shape", EBB_ERR_FORMAT},
        {"(-2) 1 count=1", "negative", EBB_ERR_SHAPE},
        {"(1000000000,1000000000,1000000000) 1 count=1", "too large", EBB_ERR_MEMORY},
        {"q(2) 1 count=1", "\"q(2)\": before a shape", EBB_ERR_FORMAT},
        {"i0(2) 1 count=1", "\"i0(2)\": before a shape", EBB_ERR_FORMAT},
        {"2 1 count=1", "\"2\": this input may not be a number", EBB_ERR_FORMAT},
        {"none 1 count=1", "\"none\": this input is not optional", EBB_ERR_FORMAT},
        {"(2) count=1", "an input is missing", EBB_ERR_FORMAT},
        {"(2) 1 (2) (2) count=1", "no such input", EBB_ERR_FORMAT},
        {"(2) 1", "count is missing", EBB_ERR_FORMAT},
        {"(2) 1 count=1 colour=red", "has no attribute \"colour\"; there are: flag, count", EBB_ERR_NAME},
        {"(2) 1 count=many", "count=many: expected an int", EBB_ERR_ARGUMENT},
        {"(2) 1 count=1.5", "count=1.5: expected an int", EBB_ERR_ARGUMENT},
        {"(2) 1 count=1 flag=yes", "expected a bool", EBB_ERR_ARGUMENT},
        {"(2) 1 count=1 mode=coarse", "expected one of plain, rough, fine", EBB_ERR_ARGUMENT},
        {"(2) 1 count=1 mode=rou", "expected one of plain, rough, fine", EBB_ERR_ARGUMENT},
        {"(2) 1 count=1 dims=(1,2", "brackets do not close", EBB_ERR_FORMAT},
        {"(2) 1 count=1 dims=(1 2)", "expected a list", EBB_ERR_ARGUMENT},
        {"(2) 1 count=1 dtype=float8", "expected a dtype", EBB_ERR_ARGUMENT},
        {"[(2) (3)] count=1", "takes no list", EBB_ERR_FORMAT},
        {"(2) 1 count=", "expected an int", EBB_ERR_ARGUMENT},
        {"", "an input is missing", EBB_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ebb_sample s = {.n_in = 77};
        CHECK(ebb_sample_make(&op, cases[i].text, EBB_F64, 1, &s) == cases[i].status);
        CHECK(s.n_in == 77);
        CHECK_ERROR(cases[i].status, cases[i].message);
    }
    struct ebb_sample s;
    CHECK(ebb_sample_make(&list_op, "[(2) (3)", EBB_F64, 1, &s) == EBB_ERR_FORMAT);
    CHECK_ERROR(EBB_ERR_FORMAT, "join: ");
    CHECK(ebb_sample_make(&list_op, "[(2) (3)]x", EBB_F64, 1, &s) == EBB_ERR_FORMAT);
    CHECK_ERROR(EBB_ERR_FORMAT, "expected [(2,3) (1,3)]");
    CHECK(ebb_sample_make(NULL, "()", EBB_F64, 1, &s) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "op is NULL");
    CHECK(ebb_sample_make(&op, "()", EBB_DTYPE_NONE, 1, &s) == EBB_ERR_DTYPE);
    CHECK_ERROR(EBB_ERR_DTYPE, "is not a dtype");
}

EBB_TEST(matrices) {
    struct ebb_sample s;
    double a[9], b[12];
    CHECK(!ebb_sample_make(&op, "sym(3,3) wc(2,3,2) spd(2,2) count=1", EBB_F64, 1, &s));
    CHECK(s.matrices == 7 && s.symmetric == 5);
    CHECK(!ebb_tensor_read(s.in[0], EBB_F64, a) && !ebb_tensor_read(s.in[1], EBB_F64, b));
    CHECK(a[1] == a[3] && a[2] == a[6] && a[5] == a[7] && a[0] > 0.8 && a[4] < -1.3 && a[8] > 1.8);
    CHECK(b[1] != b[2] && b[0] > 0.8 && b[3] > 1.3 && b[9] > 1.3);
    ebb_sample_release(&s);
    CHECK(ebb_sample_make(&op, "spd(2,3) 1 count=1", EBB_F64, 1, &s) == EBB_ERR_FORMAT);
    CHECK_ERROR(EBB_ERR_FORMAT, "equal ones when it is symmetric");
    CHECK(ebb_sample_make(&op, "wc(3) 1 count=1", EBB_F64, 1, &s) == EBB_ERR_FORMAT);
    CHECK_ERROR(EBB_ERR_FORMAT, "a matrix has two dimensions");
}

EBB_TEST(text_lives_as_long_as_the_sample) {
    char text[] = "(2) 1 count=1 name=ij,jk->ik flag=true";
    struct ebb_sample s;
    CHECK(!ebb_sample_make(&op, text, EBB_F64, 1, &s));
    memset(text, 'x', sizeof text - 1);
    CHECK(!strcmp(((struct attrs *)s.attrs)->name, "ij,jk->ik") && ((struct attrs *)s.attrs)->flag);
    ebb_sample_release(&s);
}

static void make(void) {
    struct ebb_sample s = {0};
    (void)ebb_sample_make(&op, "(2,3) 2.5 (4) count=-3 name=x", EBB_F32, 1, &s);
    ebb_sample_release(&s);
}

EBB_TEST(failing_allocations) { CHECK_ALLOCATIONS_FAILING(make, 0); }

EBB_TEST_MAIN
