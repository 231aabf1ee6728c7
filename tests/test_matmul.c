/* Products: dot, mv, mm, bmm, addmm, linear, and every case of matmul, against sums written out; gradients against
 * finite differences; transposed, expanded and empty operands; errors. */
#include "tests/check.h"

#include <ebb/ebb.h>
#include <math.h>

#define NODE(t) ebb_node_name(ebb_tensor_grad_fn(t))

/* Values that repeat rarely, in a shape. */
static ebb_tensor *filled(ebb_dims shape, double seed) {
    double values[1024];
    for (int i = 0; i < 1024; i++) values[i] = sin(seed + 1.3 * i);
    return ebb_from_data(values, EBB_F64, shape);
}
static double differ(ebb_tensor *a, ebb_tensor *b) { return ebb_item(ebb_max(ebb_abs(ebb_sub(a, b)))); }
static ebb_tensor *leaf(ebb_dims shape, double seed) { return ebb_requires_grad_(filled(shape, seed), true); }

/* a (batch, m, k) times b (batch, k, n) element by element; vectors are rows or columns; batches broadcast from the
 * right. */
static double element(const ebb_tensor *t, const int64_t *batch, int n_batch, int64_t i, int64_t j, bool right) {
    ebb_dims shape = ebb_tensor_shape(t), at = shape;
    if (shape.n == 1) return ebb_at_index(t, EBB_DIMS(right ? i : j));
    for (int d = 0; d < shape.n - 2; d++) {
        int64_t k = batch[n_batch - (shape.n - 2) + d];
        at.d[d] = shape.d[d] == 1 ? 0 : k;
    }
    at.d[shape.n - 2] = i;
    at.d[shape.n - 1] = j;
    return ebb_at_index(t, at);
}

static void check_product(const ebb_tensor *a, const ebb_tensor *b, const ebb_tensor *c) {
    CHECK_OK();
    ebb_dims sa = ebb_tensor_shape(a), sb = ebb_tensor_shape(b), sc = ebb_tensor_shape(c);
    bool row = sa.n == 1, column = sb.n == 1;
    int n_batch = sc.n - !row - !column;
    int64_t m = row ? 1 : sa.d[sa.n - 2], k = sa.d[sa.n - 1], n = column ? 1 : sb.d[sb.n - 1];
    double got[4096];
    CHECK(ebb_tensor_numel(c) <= 4096);
    CHECK(!ebb_tensor_read(c, EBB_F64, got));
    for (int64_t e = 0; e < ebb_tensor_numel(c); e++) {
        int64_t rest = e, batch[EBB_MAX_NDIM] = {0}, j = rest % n, i = rest / n % m;
        rest /= n * m;
        for (int d = n_batch - 1; d >= 0; d--) {
            batch[d] = rest % sc.d[d];
            rest /= sc.d[d];
        }
        double want = 0;
        for (int64_t l = 0; l < k; l++)
            want += element(a, batch, n_batch, i, l, false) * element(b, batch, n_batch, l, j, true);
        CHECK_CLOSE(got[e], want, 1e-13);
    }
}

/* d sum(f(x) * w) / dx by central differences against the engine. */
typedef ebb_tensor *function(ebb_tensor *a, ebb_tensor *b);

static double weighted(function *f, ebb_tensor *a, ebb_tensor *b) {
    ebb_tensor *y = f(a, b);
    return ebb_item(ebb_sum(ebb_mul(y, filled(ebb_tensor_shape(y), 0.5))));
}

static void check_gradient(function *f, ebb_tensor *a, ebb_tensor *b) {
    ebb_tensor *of[2] = {a, b}, *g[2] = {NULL, NULL}, *y = f(a, b);
    ebb_tensor *up = filled(ebb_tensor_shape(y), 0.5);
    CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(a, b), g, .grad_outputs = EBB_LIST(up)));
    for (int w = 0; w < 2; w++) {
        double *p = ebb_tensor_data(of[w]), got[1024];
        CHECK(!ebb_tensor_read(g[w], EBB_F64, got));
        for (int64_t i = 0; i < ebb_tensor_numel(of[w]); i++) {
            double x = p[i], h = 1e-5;
            EBB_NO_GRAD EBB_SCOPE {
                p[i] = x + h;
                double high = weighted(f, a, b);
                p[i] = x - h;
                double low = weighted(f, a, b);
                p[i] = x;
                CHECK_CLOSE(got[i], (high - low) / (2 * h), 1e-8);
            }
        }
    }
}

static ebb_tensor *matmul(ebb_tensor *a, ebb_tensor *b) { return ebb_matmul(a, b); }
static ebb_tensor *matmul_of_transposed(ebb_tensor *a, ebb_tensor *b) {
    return ebb_matmul(ebb_transpose(a, -1, -2), ebb_transpose(b, -1, -2));
}

static const struct {
    ebb_dims a, b, c;
} cases[] = {
    {{{4}, 1}, {{4}, 1}, {{0}, 0}},
    {{{3, 4}, 2}, {{4}, 1}, {{3}, 1}},
    {{{4}, 1}, {{4, 5}, 2}, {{5}, 1}},
    {{{3, 4}, 2}, {{4, 5}, 2}, {{3, 5}, 2}},
    {{{2, 3, 4}, 3}, {{4}, 1}, {{2, 3}, 2}},
    {{{2, 3, 4}, 3}, {{4, 5}, 2}, {{2, 3, 5}, 3}},
    {{{4}, 1}, {{2, 4, 5}, 3}, {{2, 5}, 2}},
    {{{3, 4}, 2}, {{2, 4, 5}, 3}, {{2, 3, 5}, 3}},
    {{{2, 3, 4}, 3}, {{2, 4, 5}, 3}, {{2, 3, 5}, 3}},
    {{{1, 3, 4}, 3}, {{2, 4, 5}, 3}, {{2, 3, 5}, 3}},
    {{{3, 1, 3, 4}, 4}, {{2, 4, 5}, 3}, {{3, 2, 3, 5}, 4}},
    {{{3, 1, 3, 4}, 4}, {{1, 2, 4, 5}, 4}, {{3, 2, 3, 5}, 4}},
    {{{2, 2, 3, 4}, 4}, {{4}, 1}, {{2, 2, 3}, 3}},
    {{{4}, 1}, {{2, 2, 4, 3}, 4}, {{2, 2, 3}, 3}},
    {{{1, 1}, 2}, {{1, 1}, 2}, {{1, 1}, 2}},
    {{{0, 3, 4}, 3}, {{4, 5}, 2}, {{0, 3, 5}, 3}},
    {{{2, 3, 0}, 3}, {{2, 0, 5}, 3}, {{2, 3, 5}, 3}},
    {{{3, 0}, 2}, {{0}, 1}, {{3}, 1}},
    {{{0}, 1}, {{0}, 1}, {{0}, 0}},
    {{{2, 0, 4}, 3}, {{4}, 1}, {{2, 0}, 2}},
    {{{0, 4}, 2}, {{2, 4, 5}, 3}, {{2, 0, 5}, 3}},
};

EBB_TEST(matmul_of_every_shape) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EBB_SCOPE {
            ebb_tensor *a = leaf(cases[i].a, 1), *b = leaf(cases[i].b, 2), *c = ebb_matmul(a, b);
            ebb_dims shape = ebb_tensor_shape(c);
            CHECK(shape.n == cases[i].c.n && !memcmp(shape.d, cases[i].c.d, sizeof shape.d));
            check_product(a, b, c);
            check_product(a, b, ebb_matmul(ebb_detach(a), ebb_detach(b))); /* nothing to gather: other ways are taken */
            check_gradient(matmul, a, b);
        }
    }
}

EBB_TEST(matmul_of_transposed_operands) {
    static const struct {
        ebb_dims a, b;
    } pairs[] = {{{{4, 3}, 2}, {{5, 4}, 2}},
                 {{{2, 4, 3}, 3}, {{5, 4}, 2}},
                 {{{4, 3}, 2}, {{2, 5, 4}, 3}},
                 {{{2, 4, 3}, 3}, {{2, 5, 4}, 3}}};
    for (size_t i = 0; i < 4; i++) {
        EBB_SCOPE {
            ebb_tensor *a = leaf(pairs[i].a, 1), *b = leaf(pairs[i].b, 2);
            check_product(ebb_transpose(a, -1, -2), ebb_transpose(b, -1, -2), matmul_of_transposed(a, b));
            ebb_tensor *da = ebb_detach(a), *db = ebb_detach(b);
            check_product(ebb_transpose(da, -1, -2), ebb_transpose(db, -1, -2), matmul_of_transposed(da, db));
            check_gradient(matmul_of_transposed, a, b);
        }
    }
    ebb_tensor *wide = ebb_expand(filled(EBB_DIMS(1, 4), 1), EBB_DIMS(3, 4)), *b = filled(EBB_DIMS(4, 2), 2);
    check_product(wide, b, ebb_matmul(wide, b));
}

EBB_TEST(node_names) {
    ebb_tensor *v = leaf(EBB_DIMS(4), 1), *m = leaf(EBB_DIMS(4, 4), 1), *b = leaf(EBB_DIMS(2, 4, 4), 1);
    CHECK(!strcmp(NODE(ebb_matmul(v, v)), "DotBackward0"));
    CHECK(!strcmp(NODE(ebb_matmul(m, v)), "MvBackward0"));
    CHECK(!strcmp(NODE(ebb_matmul(v, m)), "SqueezeBackward4") || !strcmp(NODE(ebb_matmul(v, m)), "SqueezeBackward1") ||
          !strcmp(NODE(ebb_matmul(v, m)), "SqueezeBackward2"));
    CHECK(!strcmp(NODE(ebb_matmul(m, m)), "MmBackward0"));
    CHECK(!strcmp(NODE(ebb_matmul(b, m)), "UnsafeViewBackward0"));
    CHECK(!strcmp(NODE(ebb_matmul(b, b)), "UnsafeViewBackward0"));
    CHECK(!strcmp(NODE(ebb_bmm(b, b)), "BmmBackward0"));
    CHECK(!strcmp(NODE(ebb_addmm(v, m, m)), "AddmmBackward0"));
    CHECK(!strcmp(NODE(ebb_linear(m, m, .bias = v)), "AddmmBackward0"));
    CHECK(!ebb_tensor_is_view(ebb_matmul(b, m)));
}

static ebb_tensor *add_columns(ebb_tensor *bias, ebb_tensor *m) { return ebb_addmm(bias, m, ebb_t(m)); }
static ebb_tensor *linear(ebb_tensor *x, ebb_tensor *w) {
    return ebb_linear(x, w, .bias = ebb_sum(w, .dim = EBB_DIMS(1)));
}

EBB_TEST(addmm_adds_what_broadcasts) {
    ebb_tensor *m = leaf(EBB_DIMS(3, 4), 1);
    check_gradient(add_columns, leaf(EBB_DIMS(3), 2), m);
    check_gradient(add_columns, leaf(EBB_DIMS(3, 1), 2), m);
    check_gradient(add_columns, leaf(EBB_NO_DIMS, 2), m);
    check_gradient(add_columns, leaf(EBB_DIMS(3, 3), 2), m);
    ebb_tensor *bias = filled(EBB_DIMS(2), 3), *zero = ebb_zeros(EBB_DIMS(2, 0), .dtype = EBB_F64);
    ebb_tensor *y = ebb_addmm(bias, zero, ebb_t(zero));
    CHECK_VALUES(y, 0, sin(3.0), sin(4.3), sin(3.0), sin(4.3));
    CHECK(!ebb_addmm(filled(EBB_DIMS(4), 1), m, ebb_t(m)));
    CHECK_ERROR(EBB_ERR_SHAPE, "addmm: input does not broadcast to the product's shape [3, 3]");
}

EBB_TEST(linear_layers) {
    ebb_tensor *w = leaf(EBB_DIMS(5, 4), 1);
    check_gradient(linear, leaf(EBB_DIMS(3, 4), 2), w);
    check_gradient(linear, leaf(EBB_DIMS(4), 2), w);
    check_gradient(linear, leaf(EBB_DIMS(2, 3, 4), 2), w);
    ebb_tensor *x = filled(EBB_DIMS(2, 3, 4), 2);
    CHECK_SHAPE(ebb_linear(x, w, .bias = filled(EBB_DIMS(5), 1)), 2, 3, 5);
    check_product(x, ebb_t(w), ebb_linear(x, w));
    CHECK(!ebb_linear(x, ebb_t(w)));
    CHECK_ERROR(EBB_ERR_SHAPE, "linear: expected input (*, in) and weight (out, in), got [2, 3, 4] and [4, 5]");
    CHECK(!ebb_linear(x, w, .bias = filled(EBB_DIMS(4), 1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "bias must have shape [5], got [4]");
}

/* Its gradient is given once, not for each of the two inputs: to a tensor, but not to what only has its values. */
EBB_TEST(vecdot_with_itself) {
    ebb_tensor *x = leaf(EBB_DIMS(3, 4), 1), *g[2] = {NULL}, *h = NULL, *gg = NULL;
    for (int64_t dim = -2; dim < 2; dim++) {
        ebb_tensor *y = ebb_vecdot(x, x, .dim = EBB_DIMS(dim)), *want = ebb_sum(ebb_square(x), .dim = EBB_DIMS(dim));
        CHECK(differ(y, want) < 1e-12);
        ebb_tensor *weight = filled(EBB_DIMS(dim % 2 ? 3 : 4), 3);
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_mul(weight, y))), EBB_LIST(x), &g[0], .create_graph = true));
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_mul(weight, want))), EBB_LIST(x), &g[1], .create_graph = true));
        CHECK(differ(g[0], g[1]) < 1e-12);
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_square(g[0]))), EBB_LIST(x), &h));
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_square(g[1]))), EBB_LIST(x), &gg));
        CHECK(differ(h, gg) < 1e-12);
    }
    ebb_tensor *one_side = ebb_sum(ebb_vecdot(x, ebb_detach(x)));
    CHECK(!ebb_grad(EBB_LIST(one_side), EBB_LIST(x), &g[0]));
    CHECK(ebb_item(ebb_all(ebb_eq(g[0], x))) == 1);
    ebb_tensor *z = ebb_mul(x, 1.0); /* of a tensor that is no leaf, and of two that share memory */
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_vecdot(z, z))), EBB_LIST(x), &g[0]));
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_vecdot(x, ebb_view_as(x, x)))), EBB_LIST(x), &g[1]));
    CHECK(ebb_item(ebb_all(ebb_eq(g[0], ebb_mul(x, 2.0)))) == 1);
    CHECK(ebb_item(ebb_all(ebb_eq(g[1], ebb_mul(x, 2.0)))) == 1);
    CHECK(!ebb_vecdot(x, ebb_to(x, EBB_F32)));
    CHECK_ERROR(EBB_ERR_DTYPE, "vecdot: inputs must have one dtype, got float64 and float32");
    /* g x + g x, where 2 g would be infinite */
    const double quarter[] = {0.25, -0.25}, tiny[] = {0, 1e-300};
    ebb_tensor *half = ebb_requires_grad_(ebb_to(ebb_from_data(quarter, EBB_F64, EBB_DIMS(2)), EBB_F16), true);
    ebb_tensor *small = ebb_requires_grad_(ebb_from_data(tiny, EBB_F64, EBB_DIMS(2)), true);
    ebb_tensor *of_half = ebb_scalar(40000, .dtype = EBB_F16), *of_small = ebb_scalar(1e308, .dtype = EBB_F64);
    CHECK(!ebb_grad(EBB_LIST(ebb_vecdot(half, half)), EBB_LIST(half), &g[0], .grad_outputs = EBB_LIST(of_half)));
    CHECK(!ebb_grad(EBB_LIST(ebb_vecdot(small, small)), EBB_LIST(small), &g[1], .grad_outputs = EBB_LIST(of_small)));
    CHECK_VALUES(g[0], 0, 20000, -20000);
    CHECK_VALUES(g[1], 1e-6, 0, 2e8);
}

/* Rows, columns and numbers are added as they lie, also where threads and blocks of k share the work. */
EBB_TEST(addmm_by_blocks) {
    ebb_tensor *a = filled(EBB_DIMS(130, 1), 1), *b = filled(EBB_DIMS(1, 300), 2);
    a = ebb_repeat(a, EBB_DIMS(1, 300)), b = ebb_repeat(b, EBB_DIMS(300, 1));
    ebb_tensor *product = ebb_mm(a, b), *all = filled(EBB_DIMS(130, 1), 5);
    ebb_tensor *begins[] = {filled(EBB_DIMS(300), 3), filled(EBB_DIMS(130, 1), 4), filled(EBB_NO_DIMS, 5),
                            ebb_t(ebb_repeat(filled(EBB_DIMS(300, 1), 6), EBB_DIMS(1, 130))),
                            ebb_slice(ebb_repeat(all, EBB_DIMS(1, 600)), 1, 0, EBB_END, 2)};
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 4; k++) {
            const double beta = k & 1 ? 0.5 : 1, alpha = k & 2 ? -2 : 1;
            ebb_tensor *y = ebb_addmm(begins[i], a, b, .beta = EBB_SET(beta), .alpha = EBB_SET(alpha));
            ebb_tensor *want = ebb_add(ebb_mul(begins[i], beta), ebb_mul(product, alpha));
            CHECK(differ(y, want) < 1e-11);
        }
}

EBB_TEST(products_of_integers) {
    const int64_t values[] = {1, 2, 3, 4};
    ebb_tensor *m = ebb_from_data(values, EBB_I64, EBB_DIMS(2, 2)), *y = ebb_matmul(m, m);
    CHECK(ebb_tensor_dtype(y) == EBB_I64);
    CHECK_VALUES(y, 0, 7, 10, 15, 22);
    CHECK(!ebb_mm(ebb_gt(m, 1), ebb_gt(m, 1)));
    CHECK_ERROR(EBB_ERR_DTYPE, "not defined for bool");
}

EBB_TEST(errors_name_shapes) {
    ebb_tensor *a = filled(EBB_DIMS(2, 3), 1), *b = filled(EBB_DIMS(4, 5), 1), *v = filled(EBB_DIMS(7), 1);
    CHECK(!ebb_matmul(a, b));
    CHECK(ebb_error() && strstr(ebb_error()->file, "test_matmul.c") && ebb_error()->line == __LINE__ - 1);
    CHECK_ERROR(EBB_ERR_SHAPE, "matmul: inner dimensions of [2, 3] and [4, 5] differ: 3 and 4");
    CHECK(!ebb_mm(a, b));
    CHECK_ERROR(EBB_ERR_SHAPE, "mm: inner dimensions of [2, 3] and [4, 5] differ: 3 and 4");
    CHECK(!ebb_mv(a, v));
    CHECK_ERROR(EBB_ERR_SHAPE, "mv: inner dimensions of [2, 3] and [7] differ: 3 and 7");
    CHECK(!ebb_dot(v, filled(EBB_DIMS(6), 1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "7 and 6");
    CHECK(!ebb_mm(a, v));
    CHECK_ERROR(EBB_ERR_SHAPE, "mat2 must have 2 dimensions, got 1");
    CHECK(!ebb_bmm(filled(EBB_DIMS(2, 3, 4), 1), filled(EBB_DIMS(3, 4, 5), 1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "batch sizes differ: 2 and 3");
    CHECK(!ebb_matmul(filled(EBB_DIMS(2, 3, 4), 1), filled(EBB_DIMS(3, 4, 5), 1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "batch dimensions of [2, 3, 4] and [3, 4, 5] do not broadcast");
    CHECK(!ebb_matmul(filled(EBB_NO_DIMS, 1), v));
    CHECK_ERROR(EBB_ERR_SHAPE, "at least one dimension, got [] and [7]");
    CHECK(!ebb_matmul(a, ebb_to(ebb_t(a), EBB_F32)));
    CHECK_ERROR(EBB_ERR_DTYPE, "one dtype, got float64 and float32");
    CHECK(!ebb_mm(a, ebb_to(ebb_t(a), EBB_F32)));
    CHECK_ERROR(EBB_ERR_DTYPE, "one dtype, got float64 and float32");
}

EBB_TEST(second_order) { /* f = sum((A B)^2): df/dA = 2 (A B) B^T; d sum(df/dA)/dA by differences */
    ebb_tensor *a = leaf(EBB_DIMS(2, 3), 1), *b = leaf(EBB_DIMS(3, 2), 2), *g = NULL, *gg = NULL;
    ebb_tensor *y = ebb_sum(ebb_square(ebb_mm(a, b)));
    CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(a), &g, .create_graph = true));
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(b), &gg));
    double *p = ebb_tensor_data(b), got[6];
    CHECK(!ebb_tensor_read(gg, EBB_F64, got));
    for (int i = 0; i < 6; i++) {
        double x = p[i], h = 1e-5, side[2];
        for (int s = 0; s < 2; s++) {
            p[i] = s ? x + h : x - h;
            side[s] = ebb_item(ebb_sum(ebb_mul(ebb_mm(ebb_mm(a, b), ebb_t(b)), 2.0)));
        }
        p[i] = x;
        CHECK_CLOSE(got[i], (side[1] - side[0]) / (2 * h), 1e-8);
    }
}

EBB_TEST_MAIN
