/* The pointwise operators: values and gradients against formulas in C, promotion against PyTorch, forms in place,
 * copies, and messages. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <math.h>

#define F64(shape, ...) ebb_from_data((const double[]){__VA_ARGS__}, EBB_F64, shape)
#define LEAF(shape, ...) ebb_requires_grad_(F64(shape, __VA_ARGS__), true)

static const char *node_name(const ebb_tensor *t) {
    return ebb_tensor_grad_fn(t) ? ebb_node_name(ebb_tensor_grad_fn(t)) : "";
}

static ebb_tensor *call(const char *name, ebb_tensor *a, ebb_tensor *b) {
    return ebb_call_op1(ebb_op_find(name), (ebb_tensor *[]){a, b}, b ? 2 : 1, NULL);
}

static ebb_tensor *grad_of(ebb_tensor *y, ebb_tensor *x, bool create_graph) {
    ebb_tensor *g = NULL;
    ebb_tensor *one = ebb_from_data((const double[]){1, 1, 1, 1, 1, 1, 1, 1}, EBB_F64, ebb_tensor_shape(y));
    ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(one), .create_graph = create_graph);
    return g;
}

static double at(const ebb_tensor *t, int i) { return ebb_at_index(t, EBB_DIMS(i)); }

/* ---- functions of one tensor ---- */

static double identity_neg(double x) { return -x; }
static double minus_one(double x) { return x * 0 - 1; }
static double zero(double x) { return x * 0; }
static double signum(double x) { return (x > 0) - (x < 0); }
static double relu(double x) { return x > 0 ? x : 0; }
static double step(double x) { return x > 0; }
static double square(double x) { return x * x; }
static double twice(double x) { return 2 * x; }
static double inverse(double x) { return 1 / x; }
static double inverse_slope(double x) { return -1 / (x * x); }
static double sqrt_slope(double x) { return 0.5 / sqrt(x); }
static double rsqrt(double x) { return 1 / sqrt(x); }
static double rsqrt_slope(double x) { return -0.5 / (x * sqrt(x)); }
static double sin_neg(double x) { return -sin(x); }
static double tanh_slope(double x) { return 1 - tanh(x) * tanh(x); }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double sigmoid_slope(double x) { return sigmoid(x) * (1 - sigmoid(x)); }

static const struct unary {
    const char *name, *node;
    double (*value)(double), (*slope)(double);
    bool positive; /* defined above 0 only */
} unary[] = {
    {"neg", "NegBackward0", identity_neg, minus_one, false},
    {"abs", "AbsBackward0", fabs, signum, false},
    {"sign", "SignBackward0", signum, zero, false},
    {"floor", "FloorBackward0", floor, zero, false},
    {"relu", "ReluBackward0", relu, step, false},
    {"square", "PowBackward0", square, twice, false},
    {"exp", "ExpBackward0", exp, exp, false},
    {"log", "LogBackward0", log, inverse, true},
    {"sqrt", "SqrtBackward0", sqrt, sqrt_slope, true},
    {"rsqrt", "RsqrtBackward0", rsqrt, rsqrt_slope, true},
    {"reciprocal", "ReciprocalBackward0", inverse, inverse_slope, true},
    {"sin", "SinBackward0", sin, cos, false},
    {"cos", "CosBackward0", cos, sin_neg, false},
    {"tanh", "TanhBackward0", tanh, tanh_slope, false},
    {"sigmoid", "SigmoidBackward0", sigmoid, sigmoid_slope, false},
};
enum { N_UNARY = sizeof unary / sizeof unary[0] };

EBB_TEST(values_gradients_and_second_derivatives_of_one_tensor) {
    for (int k = 0; k < N_UNARY; k++) {
        const struct unary *u = &unary[k];
        double v[] = {-1.75, -0.5, 0.25, 1.5};
        for (int i = 0; i < 4; i++) v[i] = u->positive ? fabs(v[i]) : v[i];
        ebb_tensor *x = ebb_requires_grad_(ebb_from_data(v, EBB_F64, EBB_DIMS(4)), true);
        ebb_tensor *y = call(u->name, x, NULL), *g = grad_of(y, x, true);
        CHECK_OK();
        CHECK(strcmp(node_name(y), u->node) == 0);
        ebb_tensor *gg = ebb_tensor_requires_grad(g) ? grad_of(g, x, false) : ebb_zero(g);
        if (!gg) { /* a constant slope: nothing leads from it to x */
            ebb_clear_error();
            gg = ebb_zero(ebb_detach(g));
        }
        for (int i = 0; i < 4; i++) {
            double h = 1e-5, bend = (u->slope(v[i] + h) - u->slope(v[i] - h)) / (2 * h);
            CHECK_CLOSE(at(y, i), u->value(v[i]), 1e-14);
            CHECK_CLOSE(at(g, i), u->slope(v[i]), 1e-13);
            CHECK_CLOSE(at(gg, i), bend, 1e-7);
        }
        ebb_tensor *z = ebb_from_data(v, EBB_F64, EBB_DIMS(4)), *same = z;
        z = ebb_call_op_inplace(ebb_op_find(u->name), &z, 1, NULL);
        CHECK(z == same && ebb_tensor_version(z) == 1);
        for (int i = 0; i < 4; i++) CHECK_CLOSE(at(z, i), u->value(v[i]), 1e-14);
    }
}

EBB_TEST(kinks_have_pytorchs_subgradients) {
    ebb_tensor *x = LEAF(EBB_DIMS(3), 0, -0.0, NAN);
    CHECK_VALUES(grad_of(ebb_abs(x), x, false), 0, 0, 0, 0);
    CHECK_VALUES(grad_of(ebb_relu(x), x, false), 0, 0, 0, 1);
    CHECK_VALUES(grad_of(ebb_sign(x), x, false), 0, 0, 0, 0);
    CHECK_VALUES(ebb_relu(x), 0, 0, 0, NAN);
    CHECK_VALUES(ebb_sign(x), 0, 0, 0, 0);
}

EBB_TEST(dtypes_of_functions_of_one_tensor) {
    ebb_tensor *i = ebb_from_data((const int64_t[]){-2, 3}, EBB_I64, EBB_DIMS(2));
    ebb_tensor *u = ebb_to(ebb_abs(i), EBB_U8), *b = ebb_gt(i, 0);
    for (int k = 0; k < N_UNARY; k++) {
        bool keeps = k < 6; /* the first six keep integers and refuse bool, but sign */
        CHECK(ebb_tensor_dtype(call(unary[k].name, i, NULL)) == (keeps ? EBB_I64 : EBB_F32));
        CHECK(ebb_tensor_dtype(call(unary[k].name, u, NULL)) == (keeps ? EBB_U8 : EBB_F32));
        ebb_tensor *of_bool = call(unary[k].name, b, NULL);
        if (strcmp(unary[k].name, "sign") == 0) CHECK(ebb_tensor_dtype(of_bool) == EBB_BOOL);
        else if (strcmp(unary[k].name, "square") == 0) CHECK(ebb_tensor_dtype(of_bool) == EBB_I64);
        else if (keeps) CHECK_ERROR(EBB_ERR_DTYPE, "not defined for bool; it takes numbers; inputs: self bool [2]");
        else CHECK(ebb_tensor_dtype(of_bool) == EBB_F32);
    }
    CHECK_VALUES(ebb_floor(i), 0, -2, 3);
    CHECK_VALUES(ebb_neg(u), 0, 254, 253);
    CHECK(ebb_sqrt_(i) == NULL);
    CHECK_ERROR(EBB_ERR_DTYPE, "sqrt_: the float32 result does not fit in place into int64");
}

/* ---- arithmetic ---- */

static double add(double a, double b) { return a + b; }
static double sub(double a, double b) { return a - b; }
static double mul(double a, double b) { return a * b; }
static double divide(double a, double b) { return a / b; }
static double one(double a, double b) { return a * 0 + b * 0 + 1; }
static double less_one(double a, double b) { return -one(a, b); }
static double first(double a, double b) { return a + b * 0; }
static double second(double a, double b) { return b + a * 0; }
static double div_a(double a, double b) { return 1 / b + a * 0; }
static double div_b(double a, double b) { return -a / (b * b); }
static double pow_a(double a, double b) { return b * pow(a, b - 1); }
static double pow_b(double a, double b) { return pow(a, b) * log(a); }
static double a_wins(double a, double b) { return a > b ? 1 : a == b ? 0.5 : 0; }
static double b_wins(double a, double b) { return 1 - a_wins(a, b); }

static const struct binary {
    const char *name, *node;
    double (*value)(double, double), (*slope[2])(double, double);
} binary[] = {
    {"add", "AddBackward0", add, {one, one}},
    {"sub", "SubBackward0", sub, {one, less_one}},
    {"mul", "MulBackward0", mul, {second, first}},
    {"div", "DivBackward0", divide, {div_a, div_b}},
    {"pow", "PowBackward1", pow, {pow_a, pow_b}},
    {"maximum", "MaximumBackward0", fmax, {a_wins, b_wins}},
    {"minimum", "MinimumBackward0", fmin, {b_wins, a_wins}},
};

EBB_TEST(values_and_gradients_of_two_tensors_that_broadcast) {
    const double a[] = {0.5, 2}, b[] = {1.5, 2, 3};
    for (size_t k = 0; k < sizeof binary / sizeof binary[0]; k++) {
        const struct binary *f = &binary[k];
        ebb_tensor *x = ebb_requires_grad_(ebb_from_data(a, EBB_F64, EBB_DIMS(2, 1)), true);
        ebb_tensor *y = ebb_requires_grad_(ebb_from_data(b, EBB_F64, EBB_DIMS(3)), true);
        ebb_tensor *z = call(f->name, x, y);
        CHECK_SHAPE(z, 2, 3);
        CHECK(strcmp(node_name(z), f->node) == 0);
        ebb_tensor *gx = grad_of(z, x, false), *gy = grad_of(call(f->name, x, y), y, false);
        CHECK_SHAPE(gx, 2, 1);
        CHECK_SHAPE(gy, 3);
        double want_x[2] = {0}, want_y[3] = {0};
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 3; j++) {
                CHECK_CLOSE(ebb_at_index(z, EBB_DIMS(i, j)), f->value(a[i], b[j]), 1e-14);
                want_x[i] += f->slope[0](a[i], b[j]);
                want_y[j] += f->slope[1](a[i], b[j]);
            }
        for (int i = 0; i < 2; i++) CHECK_CLOSE(ebb_at_index(gx, EBB_DIMS(i, 0)), want_x[i], 1e-13);
        for (int j = 0; j < 3; j++) CHECK_CLOSE(at(gy, j), want_y[j], 1e-13);
    }
}

EBB_TEST(numbers_as_operands) {
    ebb_tensor *x = LEAF(EBB_DIMS(2), 2, 4);
    CHECK_VALUES(ebb_sub(1, x), 0, -1, -3);
    CHECK_VALUES(ebb_div(x, 2), 0, 1, 2);
    CHECK_VALUES(ebb_pow(2, x), 0, 4, 16);
    CHECK_VALUES(ebb_mul(x, 0.5f), 0, 1, 2);
    CHECK(strcmp(node_name(ebb_sub(1, x)), "RsubBackward1") == 0);
    CHECK(strcmp(node_name(ebb_sub(x, 1)), "SubBackward0") == 0);
    CHECK(strcmp(node_name(ebb_pow(x, 2)), "PowBackward0") == 0);
    CHECK(strcmp(node_name(ebb_pow(2, x)), "PowBackward2") == 0);
    CHECK_VALUES(grad_of(ebb_sub(1, x), x, false), 0, -1, -1);
    CHECK_VALUES(grad_of(ebb_pow(2, x), x, false), 1e-14, 4 * log(2), 16 * log(2));
}

EBB_TEST(pow_at_its_edges) {
    ebb_tensor *x = LEAF(EBB_DIMS(3), 0, 0, 2), *e = LEAF(EBB_DIMS(3), 0, 2, -1);
    CHECK_VALUES(grad_of(ebb_pow(x, e), x, false), 1e-15, 0, 0, -0.25);
    CHECK_VALUES(grad_of(ebb_pow(x, e), e, false), 1e-15, 0, 0, 0.5 * log(2));
    CHECK_VALUES(grad_of(grad_of(ebb_pow(x, e), e, true), e, false), 1e-15, 0, 0, 0.5 * log(2) * log(2));
    CHECK_VALUES(grad_of(ebb_pow(0, e), e, false), 0, 0, 0, -INFINITY);
    CHECK_VALUES(grad_of(ebb_pow(x, 0), x, false), 0, 0, 0, 0);
    CHECK_VALUES(grad_of(ebb_pow(x, 1), x, false), 0, 1, 1, 1);
    CHECK_VALUES(grad_of(ebb_pow(x, 2), x, false), 0, 0, 0, 4);
    CHECK_VALUES(grad_of(grad_of(ebb_pow(x, 3), x, true), x, false), 1e-15, 0, 0, 12);
    ebb_tensor *i = ebb_from_data((const int64_t[]){-2, 3, 0}, EBB_I64, EBB_DIMS(3));
    CHECK_VALUES(ebb_pow(i, 3), 0, -8, 27, 0);
    CHECK_VALUES(grad_of(ebb_pow(ebb_to(i, EBB_F64), e), e, false), 1e-15, NAN, 9 * log(3), -INFINITY);
}

EBB_TEST(extremes_share_ties_and_keep_nan) {
    ebb_tensor *x = LEAF(EBB_DIMS(4), 1, 2, 3, NAN), *y = LEAF(EBB_DIMS(4), 3, 2, 1, 0);
    CHECK_VALUES(ebb_maximum(x, y), 0, 3, 2, 3, NAN);
    CHECK_VALUES(ebb_minimum(x, y), 0, 1, 2, 1, NAN);
    CHECK_VALUES(grad_of(ebb_maximum(x, y), x, false), 0, 0, 0.5, 1, 1);
    CHECK_VALUES(grad_of(ebb_minimum(x, y), x, false), 0, 1, 0.5, 0, 1);
    CHECK_VALUES(grad_of(ebb_maximum(x, y), y, false), 0, 1, 0.5, 0, 1);
}

/* Second derivatives of div: d2/da db = -1/b^2, d2/db2 = 2a/b^3. */
EBB_TEST(second_order_through_division) {
    ebb_tensor *a = LEAF(EBB_NO_DIMS, 3), *b = LEAF(EBB_NO_DIMS, 2);
    CHECK_VALUES(grad_of(grad_of(ebb_div(a, b), a, true), b, false), 1e-15, -0.25);
    CHECK_VALUES(grad_of(grad_of(ebb_div(a, b), b, true), b, false), 1e-15, 0.75);
}

/* ---- promotion, as torch 2.13 has it ---- */

static const char letters[] = "?builhgfd"; /* by ebb_dtype */

static ebb_tensor *ones(ebb_dtype dtype, ebb_dims shape) { return ebb_to(F64(shape, 1, 1), dtype); }

EBB_TEST(promotion_is_pytorchs) {
    static const char *const dims[] = {"builhgfd", "uuilhgfd", "iiilhgfd", "llllhgfd",
                                       "hhhhhffd", "ggggfgfd", "fffffffd", "dddddddd"};
    static const char *const with_0d[] = {"builhgfd", "uuuuhgfd", "iiiihgfd", "llllhgfd",
                                          "hhhhhhhh", "gggggggg", "ffffffff", "dddddddd"};
    /* dims 1, 1.5; 0-d 1, 1.5 */
    static const char *const numbers[] = {"lflf", "ufuf", "ifif", "lflf", "hhhh", "gggg", "ffff", "dddd"};
    for (ebb_dtype a = EBB_BOOL; a <= EBB_F64; a++) {
        ebb_tensor *t = ones(a, EBB_DIMS(2)), *t0 = ones(a, EBB_NO_DIMS);
        for (ebb_dtype b = EBB_BOOL; b <= EBB_F64; b++) {
            ebb_tensor *u = ones(b, EBB_DIMS(2)), *u0 = ones(b, EBB_NO_DIMS);
            CHECK(letters[ebb_tensor_dtype(ebb_add(t, u))] == dims[a - 1][b - 1]);
            CHECK(letters[ebb_tensor_dtype(ebb_add(t, u0))] == with_0d[a - 1][b - 1]);
            CHECK(letters[ebb_tensor_dtype(ebb_mul(u0, t))] == with_0d[a - 1][b - 1]);
            CHECK(letters[ebb_tensor_dtype(ebb_add(t0, u0))] == dims[a - 1][b - 1]);
            bool floating = a >= EBB_F16 || b >= EBB_F16;
            CHECK(letters[ebb_tensor_dtype(ebb_div(t, u))] == (floating ? dims[a - 1][b - 1] : 'f'));
            CHECK(ebb_tensor_dtype(ebb_lt(t, u)) == EBB_BOOL);
            CHECK(letters[ebb_tensor_dtype(ebb_where(ebb_eq(t, t), t, u))] == dims[a - 1][b - 1]);
        }
        ebb_tensor *with[] = {ebb_add(t, 1), ebb_add(1.5, t), ebb_add(t0, 1), ebb_add(t0, 1.5)};
        for (int i = 0; i < 4; i++) CHECK(letters[ebb_tensor_dtype(with[i])] == numbers[a - 1][i]);
    }
    CHECK_OK();
    CHECK_VALUES(ebb_add(ones(EBB_BOOL, EBB_DIMS(2)), ones(EBB_BOOL, EBB_DIMS(2))), 0, 1, 1);
    ebb_sub(ones(EBB_BOOL, EBB_DIMS(2)), ones(EBB_BOOL, EBB_DIMS(2)));
    CHECK_ERROR(EBB_ERR_DTYPE, "sub: not defined for bool");
}

EBB_TEST(gradients_come_back_in_the_dtype_of_the_input) {
    ebb_tensor *x = ebb_requires_grad_(ebb_to(F64(EBB_DIMS(2), 1, 2), EBB_F32), true), *y = LEAF(EBB_DIMS(2), 3, 4);
    ebb_tensor *z = ebb_mul(x, y);
    CHECK(ebb_tensor_dtype(z) == EBB_F64);
    ebb_tensor *gx = grad_of(z, x, false), *gy = grad_of(ebb_mul(x, y), y, false);
    CHECK(ebb_tensor_dtype(gx) == EBB_F32 && ebb_tensor_dtype(gy) == EBB_F64);
    CHECK_VALUES(gx, 0, 3, 4);
    CHECK_VALUES(gy, 0, 1, 2);
}

/* ---- comparison, where ---- */

EBB_TEST(comparisons_and_logic) {
    ebb_tensor *a = F64(EBB_DIMS(3), 1, 2, NAN), *b = F64(EBB_DIMS(3), 2, 2, 2);
    CHECK_VALUES(ebb_eq(a, b), 0, 0, 1, 0);
    CHECK_VALUES(ebb_ne(a, b), 0, 1, 0, 1);
    CHECK_VALUES(ebb_lt(a, b), 0, 1, 0, 0);
    CHECK_VALUES(ebb_le(a, b), 0, 1, 1, 0);
    CHECK_VALUES(ebb_gt(a, 1), 0, 0, 1, 0);
    CHECK_VALUES(ebb_ge(1, a), 0, 1, 0, 0);
    ebb_tensor *p = ebb_eq(a, 1), *q = ebb_ge(a, 1);
    CHECK_VALUES(ebb_logical_and(p, q), 0, 1, 0, 0);
    CHECK_VALUES(ebb_logical_or(p, q), 0, 1, 1, 0);
    CHECK_VALUES(ebb_logical_not(a), 0, 0, 0, 0);
    CHECK_VALUES(ebb_logical_not(p), 0, 0, 1, 1);
    ebb_tensor *x = LEAF(EBB_DIMS(1), 1);
    CHECK(!ebb_tensor_requires_grad(ebb_gt(x, 0)));
}

EBB_TEST(where_chooses) {
    ebb_tensor *x = LEAF(EBB_DIMS(3), 1, 2, 3), *y = LEAF(EBB_DIMS(2, 1), 10, 20), *c = ebb_gt(x, 1.5);
    ebb_tensor *z = ebb_where(c, x, y);
    CHECK_SHAPE(z, 2, 3);
    CHECK_VALUES(z, 0, 10, 2, 3, 20, 2, 3);
    CHECK(strcmp(node_name(z), "WhereBackward0") == 0);
    CHECK_VALUES(grad_of(z, x, false), 0, 0, 2, 2);
    CHECK_VALUES(grad_of(ebb_where(c, x, y), y, false), 0, 1, 1);
    CHECK_VALUES(ebb_where(c, 1, 0), 0, 0, 1, 1);
    CHECK(ebb_tensor_dtype(ebb_where(c, 1, 0)) == EBB_I64);
    ebb_where(x, x, y);
    CHECK_ERROR(EBB_ERR_DTYPE, "where: expected a bool condition, got float64; inputs: condition float64 [3]");
    ebb_where(c, x, F64(EBB_DIMS(2), 1, 2));
    CHECK_ERROR(EBB_ERR_SHAPE, "where: shapes do not broadcast");
}

/* ---- copies ---- */

static const double grid[] = {1, 2, 3, 4, 5, 6};

static ebb_tensor *transposed(void) { /* [[1, 3, 5], [2, 4, 6]] */
    return ebb_from_memory((void *)(uintptr_t)grid, EBB_F64, EBB_DIMS(2, 3), EBB_DIMS(1, 2), NULL, NULL);
}

EBB_TEST(strided_operands) {
    ebb_tensor *t = transposed(), *m = ebb_from_data(grid, EBB_F64, EBB_DIMS(2, 3));
    CHECK(!ebb_tensor_is_contiguous(t));
    CHECK_VALUES(ebb_add(t, m), 0, 2, 5, 8, 6, 9, 12);
    CHECK_VALUES(ebb_neg(t), 0, -1, -3, -5, -2, -4, -6);
    CHECK_VALUES(ebb_where(ebb_gt(t, m), t, 0), 0, 0, 3, 5, 0, 0, 0);
    CHECK_VALUES(ebb_copy_(m, t), 0, 1, 3, 5, 2, 4, 6);
}

/* What PyTorch 2.13 gives. */
/* a + b, each element by its own place. */
static void check_rows(ebb_tensor *a, ebb_tensor *b) {
    ebb_tensor *y = ebb_add(a, b);
    ebb_dims shape = ebb_tensor_shape(y);
    const ebb_tensor *const x[2] = {ebb_contiguous(ebb_expand(a, shape)), ebb_contiguous(ebb_expand(b, shape))};
    const ebb_tensor *flat = ebb_contiguous(y);
    CHECK_OK();
    for (int64_t i = 0; i < ebb_tensor_numel(y); i++) {
        if (ebb_tensor_dtype(y) == EBB_F64) {
            const double *p = ebb_tensor_data(x[0]), *q = ebb_tensor_data(x[1]), *r = ebb_tensor_data(flat);
            CHECK(r[i] == p[i] + q[i]);
        } else {
            const uint8_t *p = ebb_tensor_data(x[0]), *q = ebb_tensor_data(x[1]), *r = ebb_tensor_data(flat);
            CHECK(r[i] == (uint8_t)(p[i] + q[i]));
        }
    }
}

/* Fewer than fit into a buffer, and many more. */
EBB_TEST(short_rows) {
    static const int64_t lengths[] = {2, 3, 10, 100, 127, 128};
    for (int threads = 1; threads < 4; threads += 2)
        for (int i = 0; i < 6; i++)
            for (int d = 0; d < 2; d++) {
                const int64_t n = lengths[i], rows = 3 + 70000 / n;
                const ebb_dtype dtype = d ? EBB_F64 : EBB_U8;
                ebb_set_num_threads(threads);
                EBB_SCOPE {
                    ebb_tensor *x = ebb_randint(0, 100, EBB_DIMS(2, rows, n), .dtype = dtype);
                    ebb_tensor *row = ebb_randint(0, 100, EBB_DIMS(n), .dtype = dtype);
                    ebb_tensor *column = ebb_randint(0, 100, EBB_DIMS(rows, 1), .dtype = dtype);
                    ebb_tensor *both = ebb_randint(0, 100, EBB_DIMS(2, 1, n), .dtype = dtype);
                    ebb_tensor *across = ebb_transpose(ebb_randint(0, 100, EBB_DIMS(n, rows), .dtype = dtype), 0, 1);
                    check_rows(x, row);
                    check_rows(x, column);
                    check_rows(both, x);
                    check_rows(x, across);
                    check_rows(column, row);
                    check_rows(both, column);
                    check_rows(ebb_slice(x, 2, 0, n, .step = 2), ebb_slice(row, 0, 0, n, .step = 2));
                    ebb_tensor *part = ebb_slice(x, 1, 1, rows, .step = 2), *want = ebb_add(part, row);
                    CHECK(ebb_item(ebb_sum(ebb_ne(ebb_add_(part, row), want))) == 0);
                }
            }
    ebb_set_num_threads(0);
}

static bool same(ebb_tensor *a, ebb_tensor *b) { return ebb_item(ebb_sum(ebb_ne(a, b))) == 0; }

/* Tiles of transposed operands, whole ones and what is left at their ends, one and several of them. */
EBB_TEST(transposed_operands) {
    static const int64_t sizes[] = {15, 16, 17, 64, 256, 259};
    static const ebb_dtype dtypes[] = {EBB_U8, EBB_F16, EBB_I32, EBB_F32, EBB_F64};
    for (int threads = 1; threads < 4; threads += 2)
        for (int i = 0; i < 36 * 5; i++) {
            const int64_t rows = sizes[i % 6], n = sizes[i / 6 % 6];
            const ebb_dtype dtype = dtypes[i / 36];
            ebb_set_num_threads(threads);
            EBB_SCOPE {
                ebb_tensor *x = ebb_randint(0, 100, EBB_DIMS(2, rows, n), .dtype = dtype);
                ebb_tensor *t = ebb_transpose(ebb_randint(0, 100, EBB_DIMS(2, n, rows), .dtype = dtype), 1, 2);
                ebb_tensor *u = ebb_transpose(ebb_randint(0, 100, EBB_DIMS(n, rows)), 0, 1);
                ebb_tensor *mask = ebb_gt(u, 50.0), *flat = ebb_contiguous(t);
                CHECK(!ebb_tensor_is_contiguous(t) && !ebb_tensor_is_contiguous(mask));
                CHECK(same(ebb_add(x, t), ebb_add(x, flat)));
                CHECK(
                    same(ebb_sub(ebb_slice(x, 2, 1, n), ebb_slice(t, 2, 1, n)), ebb_slice(ebb_sub(x, flat), 2, 1, n)));
                CHECK(same(ebb_where(mask, x, t), ebb_where(ebb_contiguous(mask), x, flat)));
                CHECK(same(ebb_addcmul(x, t, u), ebb_addcmul(x, flat, ebb_contiguous(u))));
                CHECK(same(ebb_addcmul(t, t, u), ebb_addcmul(flat, flat, ebb_contiguous(u)))); /* three */
                ebb_tensor *one = ebb_expand(ebb_slice(t, 0, 0, 1), ebb_tensor_shape(x));
                CHECK(same(ebb_add(x, one), ebb_add(x, ebb_contiguous(one))));
                ebb_tensor *want = ebb_mul(x, flat);
                CHECK(same(ebb_mul_(x, t), want));
                if (rows == n) {
                    want = ebb_add(x, ebb_contiguous(ebb_transpose(x, 1, 2)));
                    CHECK(same(ebb_add_(x, ebb_transpose(x, 1, 2)), want));
                }
            }
        }
    ebb_set_num_threads(0);
    CHECK_OK();
}

EBB_TEST(results_keep_the_order_of_dimensions) {
#define STRIDES(t, ...) \
    { \
        const int64_t want[] = {__VA_ARGS__}; \
        ebb_tensor *t_ = (t); \
        for (int d = 0; d < ebb_tensor_ndim(t_); d++) CHECK(ebb_tensor_strides(t_).d[d] == want[d]); \
    }
    ebb_tensor *row = ebb_ones(EBB_DIMS(3)), *x = ebb_arange(0, 12, 1, .dtype = EBB_F32);
    x = ebb_transpose(ebb_reshape(x, EBB_DIMS(3, 4)), 0, 1); /* 4 x 3, the first dimension innermost */
    ebb_tensor *y = ebb_ones(EBB_DIMS(4, 3)), *sum = ebb_add(x, y);
    STRIDES(sum, 1, 4)
    CHECK(!ebb_tensor_is_contiguous(sum) && ebb_at_index(sum, EBB_DIMS(1, 2)) == 10);
    STRIDES(ebb_add(y, x), 3, 1)
    STRIDES(ebb_relu(x), 1, 4)
    STRIDES(ebb_add(x, row), 1, 4)
    STRIDES(ebb_add(row, x), 1, 4)
    STRIDES(ebb_lt(x, 2), 1, 4)
    ebb_tensor *z = ebb_permute(ebb_ones(EBB_DIMS(2, 3, 4, 5)), EBB_DIMS(0, 3, 1, 2));
    STRIDES(ebb_exp(z), 60, 1, 20, 5)
    STRIDES(ebb_mul(z, ebb_ones(EBB_DIMS(5, 1, 1))), 60, 1, 20, 5)
    STRIDES(ebb_where(ebb_gt(z, 0), z, 0), 60, 1, 20, 5)
    STRIDES(ebb_exp(ebb_transpose(ebb_slice(ebb_ones(EBB_DIMS(4, 6)), 1, 0, 6, .step = 2), 0, 1)), 1, 3)
    ebb_tensor *expanded = ebb_expand(ebb_ones(EBB_DIMS(1, 3)), EBB_DIMS(4, 3));
    STRIDES(ebb_exp(expanded), 3, 1)
    STRIDES(ebb_exp(ebb_transpose(expanded, 0, 1)), 4, 1)
    CHECK(ebb_tensor_is_contiguous(ebb_exp(ebb_transpose(ebb_ones(EBB_DIMS(0, 3)), 0, 1))));
}

EBB_TEST(clone_contiguous_and_to) {
    ebb_tensor *t = transposed(), *x = LEAF(EBB_DIMS(2), 1.5, -2.5);
    CHECK(ebb_contiguous(x) == x);
    CHECK(ebb_to(x, EBB_F64) == x);
    ebb_tensor *c = ebb_contiguous(t);
    CHECK(c != t && ebb_tensor_is_contiguous(c) && !ebb_tensor_shares_storage(c, t));
    CHECK_VALUES(c, 0, 1, 3, 5, 2, 4, 6);
    ebb_tensor *copy = ebb_clone(x), *i = ebb_to(x, EBB_I64), *f = ebb_to(x, EBB_F32);
    CHECK(strcmp(node_name(copy), "CloneBackward0") == 0 && !ebb_tensor_shares_storage(copy, x));
    CHECK_VALUES(i, 0, 1, -2);
    CHECK(!ebb_tensor_requires_grad(i));
    CHECK(strcmp(node_name(f), "ToCopyBackward0") == 0);
    ebb_tensor *g = ebb_to(ones(EBB_F64, EBB_DIMS(2)), EBB_F32), *gx = NULL;
    CHECK(ebb_grad(EBB_LIST(f), EBB_LIST(x), &gx, .grad_outputs = EBB_LIST(g)) == EBB_OK);
    CHECK(ebb_tensor_dtype(gx) == EBB_F64);
    CHECK_VALUES(gx, 0, 1, 1);
    CHECK_VALUES(grad_of(copy, x, false), 0, 1, 1);
    ebb_to(x, EBB_DTYPE_NONE);
    CHECK_ERROR(EBB_ERR_DTYPE, "to: expected a dtype, got 0");
}

EBB_TEST(copy_fill_and_zero_in_place) {
    ebb_tensor *x = F64(EBB_DIMS(2, 2), 1, 2, 3, 4);
    CHECK(ebb_copy_(x, F64(EBB_DIMS(2), 8, 9)) == x);
    CHECK_VALUES(x, 0, 8, 9, 8, 9);
    CHECK_VALUES(ebb_fill_(x, 2.5), 0, 2.5, 2.5, 2.5, 2.5);
    CHECK_VALUES(ebb_zero_(x), 0, 0, 0, 0, 0);
    CHECK(ebb_tensor_version(x) == 3);
    ebb_tensor *i = ebb_to(x, EBB_I32);
    CHECK_VALUES(ebb_copy_(i, F64(EBB_NO_DIMS, 3.9)), 0, 3, 3, 3, 3);
    CHECK_VALUES(ebb_fill_(i, 7), 0, 7, 7, 7, 7);
    CHECK(ebb_tensor_dtype(i) == EBB_I32);
    CHECK_VALUES(ebb_fill_(ebb_gt(i, 100), 1), 0, 1, 1, 1, 1);
    ebb_copy_(F64(EBB_DIMS(2), 1, 2), F64(EBB_DIMS(3), 1, 2, 3));
    CHECK_ERROR(EBB_ERR_SHAPE, "copy_: shapes [2] and [3] do not broadcast");

    ebb_tensor *w = LEAF(EBB_DIMS(2), 1, 2), *s = LEAF(EBB_DIMS(2), 3, 4);
    ebb_tensor *y = ebb_copy_(ebb_mul(w, 2), s);
    CHECK(strcmp(node_name(y), "CopyBackwards") == 0);
    CHECK_VALUES(grad_of(y, s, false), 0, 1, 1);
    CHECK_VALUES(grad_of(ebb_copy_(ebb_mul(w, 2), s), w, false), 0, 0, 0);
    CHECK_VALUES(grad_of(ebb_zero_(ebb_mul(w, 2)), w, false), 0, 0, 0);
    CHECK(strcmp(node_name(ebb_fill_(ebb_mul(w, 2), 1)), "FillBackward0") == 0);
    ebb_tensor *value = LEAF(EBB_NO_DIMS, 5);
    y = ebb_fill_(ebb_mul(w, 2), value);
    CHECK(strcmp(node_name(y), "FillBackward1") == 0);
    CHECK_VALUES(grad_of(y, value, false), 0, 2);
}

/* ---- in place ---- */

EBB_TEST(arithmetic_in_place) {
    ebb_tensor *x = F64(EBB_DIMS(2), 1, 2), *f = ebb_to(x, EBB_F32);
    CHECK(ebb_add_(x, 1) == x);
    CHECK(ebb_mul_(ebb_sub_(x, F64(EBB_DIMS(1), 4)), 2) == x);
    CHECK_VALUES(x, 0, -4, -2);
    CHECK(ebb_tensor_version(x) == 3);
    CHECK_VALUES(ebb_clamp_min_(ebb_div_(x, -2), 1.5), 0, 2, 1.5);
    CHECK_VALUES(ebb_add_(f, x), 0, 3, 3.5);
    CHECK(ebb_tensor_dtype(f) == EBB_F32);
    ebb_tensor *w = LEAF(EBB_DIMS(2), 1, 2), *y = ebb_exp(w);
    ebb_add_(y, w);
    CHECK(strcmp(node_name(y), "AddBackward0") == 0);
    grad_of(y, w, false);
    CHECK_ERROR(EBB_ERR_VERSION, "overwritten in place");
    y = ebb_mul(w, 3);
    ebb_exp_(y);
    CHECK_VALUES(grad_of(y, w, false), 1e-13, 3 * exp(3), 3 * exp(6));
}

/* A user's elementwise operator may have as many inputs as any other. */
static void sum_loop(int64_t n, char *const *p, const int64_t *stride, const void *attrs) {
    (void)attrs;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 1; k <= EBB_OP_MAX_IN; k++) sum += *(const double *)(const void *)(p[k] + i * stride[k]);
        *(double *)(void *)(p[0] + i * stride[0]) = sum;
    }
}

EBB_TEST(as_many_inputs_as_possible) {
    static const ebb_loop loops[EBB_DTYPE_COUNT] = {[EBB_F64] = sum_loop};
    static const struct ebb_op op = {.name = "sum_of_all",
                                     .n_in = EBB_OP_MAX_IN,
                                     .promote = EBB_PROMOTE_COMMON,
                                     .loops = loops,
                                     .no_derivative = true};
    ebb_tensor *in[EBB_OP_MAX_IN];
    for (int i = 0; i < EBB_OP_MAX_IN; i++) in[i] = ebb_full(EBB_DIMS(2), i, .dtype = EBB_F64);
    CHECK_VALUES(ebb_call_op1(&op, in, EBB_OP_MAX_IN, NULL), 0, 28, 28);
    in[0] = ebb_ones(EBB_DIMS(2, 1), .dtype = EBB_F64);
    CHECK_VALUES(ebb_call_op1(&op, in, EBB_OP_MAX_IN, NULL), 0, 29, 29, 29, 29);
}

EBB_TEST(numbers_of_any_c_type) {
    ebb_tensor *x = ebb_ones(EBB_DIMS(1));
    CHECK_VALUES(ebb_add(x, 2.5L), 0, 3.5);
    CHECK_VALUES(ebb_add(x, (size_t)2), 0, 3);
    CHECK(ebb_add(x, NULL) == NULL);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "add: other is NULL");
}

EBB_TEST(what_cannot_be_done_in_place) {
    ebb_tensor *w = LEAF(EBB_DIMS(2), 1, 2), *i = ebb_to(w, EBB_I64);
    ebb_add_(w, 1);
    CHECK_ERROR(EBB_ERR_GRAPH, "add_: self is a leaf that requires gradients");
    EBB_NO_GRAD { ebb_add_(w, 1); }
    CHECK_VALUES(w, 0, 2, 3);
    ebb_add_(i, 0.5);
    CHECK_ERROR(EBB_ERR_DTYPE, "the float32 result does not fit in place into int64");
    ebb_add_(F64(EBB_DIMS(3), 1, 2, 3), F64(EBB_DIMS(2, 3), 1, 2, 3, 4, 5, 6));
    CHECK_ERROR(EBB_ERR_SHAPE, "the result of shape [2, 3] does not fit in place into shape [3]");
}

/* ---- errors and the table ---- */

EBB_TEST(errors_name_operator_shapes_and_line) {
    ebb_tensor *a = F64(EBB_DIMS(2, 3), 1, 2, 3, 4, 5, 6), *b = F64(EBB_DIMS(4), 1, 2, 3, 4);
    int line = __LINE__ + 1;
    ebb_tensor *z = ebb_exp(ebb_mul(a, ebb_sub(b, 1)));
    CHECK(z == NULL && ebb_error() && ebb_error()->line == line && strstr(ebb_error()->file, "test_pointwise.c"));
    CHECK_ERROR(EBB_ERR_SHAPE,
                "mul: shapes [2, 3] and [4] do not broadcast; inputs: self float64 [2, 3], other float64 [4]");
    CHECK(ebb_add(a, ebb_tensor_grad(a)) == NULL);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "add: ");
}

EBB_TEST(empty_tensors) {
    ebb_tensor *e = ebb_from_data(grid, EBB_F64, EBB_DIMS(2, 0)), *row = F64(EBB_DIMS(2, 1), 1, 2);
    CHECK_SHAPE(ebb_add(e, row), 2, 0);
    CHECK_SHAPE(ebb_exp(e), 2, 0);
    CHECK_SHAPE(ebb_where(ebb_gt(e, 0), e, row), 2, 0);
    CHECK_SHAPE(ebb_clone(e), 2, 0);
    CHECK(ebb_zero_(e) == e);
}

EBB_TEST(the_table_is_complete_and_in_order) {
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *op = ebb_op_get(i);
        CHECK(ebb_op_find(op->name) == op);
        CHECK(i == 0 || strcmp(ebb_op_get(i - 1)->name, op->name) < 0);
        const struct ebb_op_texts written = ebb_op_text(op);
        CHECK(written.doc && written.torch && written.signature && written.samples);
        CHECK(op->compose || op->compose_list || op->no_derivative || (op->vjp && op->node));
    }
    CHECK(ebb_op_find("no such operator") == NULL && ebb_op_get(-1) == NULL && ebb_op_get(ebb_op_count()) == NULL);
}

static void chain(void) {
    ebb_tensor *x = LEAF(EBB_DIMS(3), 1, 2, 3), *c = ebb_gt(x, 1.5);
    ebb_tensor *y = ebb_where(c, ebb_pow(x, 2), ebb_maximum(x, 1));
    y = ebb_add_(ebb_to(ebb_tanh(ebb_div(y, ebb_sigmoid(x))), EBB_F32), 1);
    ebb_copy_(ebb_mul(y, 1), F64(EBB_DIMS(3), 1, 2, 3));
    if (y) (void)ebb_backward(y, .gradient = ebb_to(F64(EBB_DIMS(3), 1, 1, 1), EBB_F32));
}

EBB_TEST(every_allocation_may_fail) { CHECK_ALLOCATIONS_FAILING(chain, 0); }

EBB_TEST_MAIN
