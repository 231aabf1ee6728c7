/* Subscripts, indexing, scattering and sorting where samples do not reach: expected values are from PyTorch 2.13. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>
#include <string.h>

static ebb_tensor *list(ebb_dims values) { return ebb_from_data(values.d, EBB_I64, EBB_DIMS(values.n)); }
#define LIST(...) list(EBB_DIMS(__VA_ARGS__))
#define REALS(...) \
    ebb_from_data((const double[]){__VA_ARGS__}, EBB_F64, EBB_DIMS(sizeof((double[]){__VA_ARGS__}) / sizeof(double)))

static ebb_tensor *mask(int n, const char *text) {
    bool b[8];
    for (int i = 0; i < n; i++) b[i] = text[i] == '1';
    return ebb_from_data(b, EBB_BOOL, EBB_DIMS(n));
}

static ebb_tensor *counting(ebb_dims shape, double from) {
    int64_t n = 1;
    for (int i = 0; i < shape.n; i++) n *= shape.d[i];
    return ebb_reshape(ebb_arange(from, from + (double)n, 1, .dtype = EBB_F64), shape);
}

/* The sum of the elements times 1, 2, 3, ... */
static ebb_tensor *weighed(ebb_tensor *t) { return ebb_sum(ebb_mul(t, counting(ebb_tensor_shape(t), 1))); }

/* ---- subscripts ---- */

/* Items, the shape of that part of x = arange(24) in (2, 3, 4), its weighed sum, that of the sum's gradient, and those
 * of x with this part set to -5, and to 0, 1, 2, ... along its last dimension (to 7 where it has none). */
struct subscript {
    ebb_items items;
    ebb_dims shape;
    double value, gradient, filled, written;
};

static void check_subscript(const struct subscript *s) {
    ebb_tensor *x = ebb_requires_grad_(counting(EBB_DIMS(2, 3, 4), 0), true), *g = NULL;
    ebb_tensor *y = ebb_getitem(x, s->items), *sum = weighed(y);
    ebb_dims shape = ebb_tensor_shape(y);
    CHECK_OK();
    CHECK(shape.n == s->shape.n && memcmp(shape.d, s->shape.d, (size_t)shape.n * sizeof *shape.d) == 0);
    CHECK(ebb_item(sum) == s->value);
    CHECK(!ebb_grad(EBB_LIST(sum), EBB_LIST(x), &g));
    CHECK(ebb_item(weighed(g)) == s->gradient);
    ebb_tensor *z = ebb_clone(ebb_detach(x));
    CHECK(ebb_setitem(z, s->items, -5) == z);
    CHECK(ebb_item(weighed(z)) == s->filled);
    z = ebb_clone(ebb_detach(x));
    ebb_tensor *value =
        shape.n ? counting(EBB_DIMS(shape.d[shape.n - 1]), 0) : ebb_full(EBB_NO_DIMS, 7, .dtype = EBB_F64);
    CHECK(ebb_setitem(z, s->items, ebb_unsqueeze(ebb_unsqueeze(value, 0), 0)) == z);
    CHECK(ebb_item(weighed(z)) == s->written);
}

EBB_TEST(subscripts) {
    ebb_tensor *x = counting(EBB_DIMS(2, 3, 4), 0), *i2 = LIST(1, 0, 1), *i3 = ebb_reshape(LIST(2, 0), EBB_DIMS(2, 1));
    ebb_tensor *i4 = LIST(3, -1, 0), *one = LIST(-1), *m2 = mask(2, "10"), *m3 = mask(3, "011");
    ebb_tensor *m23 = ebb_reshape(mask(6, "101001"), EBB_DIMS(2, 3)), *none = ebb_zeros(EBB_DIMS(0), .dtype = EBB_I64);
    ebb_tensor *zero = ebb_full(EBB_NO_DIMS, 1, .dtype = EBB_I64), *yes = ebb_ones(EBB_NO_DIMS, .dtype = EBB_BOOL);
    const struct subscript cases[] = {
        {EBB_ITEMS(0), EBB_DIMS(3, 4), 572, 650, 3638, 4160},
        {EBB_ITEMS(-1, 2, -3), EBB_NO_DIMS, 21, 22, 4028, 4292},
        {EBB_ITEMS(EBB_SLICE(1, EBB_END)), EBB_DIMS(1, 3, 4), 1508, 1586, -538, 920},
        {EBB_ITEMS(EBB_ALL, EBB_SLICE(-2, EBB_END)), EBB_DIMS(2, 2, 4), 2304, 2440, -352, 1176},
        {EBB_ITEMS(EBB_ELLIPSIS, EBB_STEP(0, EBB_END, 3)), EBB_DIMS(2, 3, 2), 1186, 1264, 1538, 2372},
        {EBB_ITEMS(EBB_ALL, EBB_SLICE(2, 1)), EBB_DIMS(2, 0, 4), 0, 0, 4600, 4600},
        {EBB_ITEMS(EBB_NEWAXIS, 1, EBB_NEWAXIS), EBB_DIMS(1, 1, 3, 4), 1508, 1586, -538, 920},
        {EBB_ITEMS(EBB_ELLIPSIS, EBB_NEWAXIS, 0), EBB_DIMS(2, 3, 1), 280, 301, 3330, 3660},
        {EBB_ITEMS(0, EBB_ELLIPSIS, 1, 2, EBB_NEWAXIS), EBB_DIMS(1), 6, 7, 4523, 4558},
        {EBB_ITEMS(i2), EBB_DIMS(3, 3, 4), 9420, 10086, -1500, 480},
        {EBB_ITEMS(EBB_ALL, i3), EBB_DIMS(2, 2, 1, 4), 1840, 1976, 448, 1768},
        {EBB_ITEMS(EBB_ELLIPSIS, i4), EBB_DIMS(2, 3, 3), 2664, 2835, 1538, 2504},
        {EBB_ITEMS(i2, EBB_ALL, i4), EBB_DIMS(3, 3), 627, 672, 1705, 2539},
        {EBB_ITEMS(i2, i2), EBB_DIMS(3, 4), 964, 1042, 2860, 3416},
        {EBB_ITEMS(EBB_ALL, i3, i4), EBB_DIMS(2, 2, 3), 1068, 1146, 2516, 3160},
        {EBB_ITEMS(i2, 1, i4), EBB_DIMS(3), 81, 87, 3667, 3934},
        {EBB_ITEMS(0, EBB_ALL, i4), EBB_DIMS(3, 3), 333, 378, 4113, 4362},
        {EBB_ITEMS(EBB_SLICE(0, 1), i3, EBB_STEP(0, 4, 2)), EBB_DIMS(1, 2, 1, 2), 36, 46, 4292, 4426},
        {EBB_ITEMS(i2, EBB_NEWAXIS, EBB_ALL, i4), EBB_DIMS(3, 1, 3), 627, 672, 1705, 2539},
        {EBB_ITEMS(EBB_ALL, EBB_NEWAXIS, i3), EBB_DIMS(2, 1, 2, 1, 4), 1840, 1976, 448, 1768},
        {EBB_ITEMS(m2), EBB_DIMS(1, 3, 4), 572, 650, 3638, 4160},
        {EBB_ITEMS(EBB_ALL, m3), EBB_DIMS(2, 2, 4), 2304, 2440, -352, 1176},
        {EBB_ITEMS(m23), EBB_DIMS(3, 4), 1180, 1258, 1526, 2464},
        {EBB_ITEMS(m23, EBB_SLICE(1, 3)), EBB_DIMS(3, 2), 309, 330, 3069, 3461},
        {EBB_ITEMS(m23, i4), EBB_DIMS(3), 85, 91, 3851, 4090},
        {EBB_ITEMS(m2, EBB_ALL, one), EBB_DIMS(1, 3), 50, 56, 4280, 4432},
        {EBB_ITEMS(EBB_ALL, m3, one), EBB_DIMS(2, 2), 178, 188, 3160, 3516},
        {EBB_ITEMS(zero), EBB_DIMS(3, 4), 1508, 1586, -538, 920},
        {EBB_ITEMS(EBB_ALL, zero, i4), EBB_DIMS(2, 3), 300, 321, 3622, 3944},
        {EBB_ITEMS(yes), EBB_DIMS(1, 2, 3, 4), 4600, 4900, -1500, 480},
        {EBB_ITEMS(EBB_ALL, none), EBB_DIMS(2, 0, 4), 0, 0, 4600, 4600},
        {EBB_ITEMS(one, EBB_ELLIPSIS, one), EBB_DIMS(1, 3), 122, 128, 3128, 3496},
        {EBB_ITEMS(ebb_gt(x, 11)), EBB_DIMS(12), 1508, 1586, -538, 1936},
        {EBB_ITEMS(EBB_ELLIPSIS, m2, EBB_NEWAXIS, 0, EBB_SLICE(1, 3)), EBB_DIMS(1, 1, 2), 5, 8, 4567, 4595},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        EBB_SCOPE { check_subscript(&cases[i]); }
    }
}

EBB_TEST(views_of_subscripts) {
    ebb_tensor *x = counting(EBB_DIMS(2, 3, 4), 0);
    CHECK(ebb_getitem(x, EBB_ITEMS(EBB_ELLIPSIS)) == x);
    CHECK(ebb_tensor_shares_storage(x, ebb_getitem(x, EBB_ITEMS(0, EBB_NEWAXIS, EBB_SLICE(1, 2)))));
    CHECK(!ebb_tensor_shares_storage(x, ebb_getitem(x, EBB_ITEMS(LIST(0)))));
    /* through a view into its base, with gradients of both */
    ebb_tensor *w = ebb_requires_grad_(counting(EBB_DIMS(2, 3, 4), 0), true), *y = ebb_mul(w, 2), *g[2];
    ebb_tensor *v = ebb_requires_grad_(REALS(1, 2), true);
    CHECK(ebb_setitem(y, EBB_ITEMS(0, LIST(2, 0), EBB_SLICE(1, 3)), v) == y);
    CHECK(!ebb_grad(EBB_LIST(weighed(y)), EBB_LIST(w, v), g));
    CHECK(ebb_item(weighed(g[0])) == 9800 - 2 * (4 + 9 + 100 + 121));
    CHECK_VALUES(g[1], 0, 12, 14);
}

EBB_TEST(wrong_subscripts) {
    ebb_tensor *x = counting(EBB_DIMS(3, 4), 0);
    CHECK(!ebb_getitem(x, EBB_ITEMS(5)));
    CHECK_ERROR(EBB_ERR_INDEX, "getitem: index 5 is out of range for dimension 0 of size 3");
    CHECK(!ebb_getitem(x, EBB_ITEMS(0, 0, 0)));
    CHECK_ERROR(EBB_ERR_INDEX, "too many indices for a tensor of 2 dimensions");
    CHECK(!ebb_getitem(x, EBB_ITEMS(EBB_ALL, LIST(1, -5))));
    CHECK_ERROR(EBB_ERR_INDEX, "getitem: index -5 is out of range for dimension 1 of size 4");
    CHECK(!ebb_getitem(x, EBB_ITEMS(mask(2, "10"))));
    CHECK_ERROR(EBB_ERR_INDEX, "a mask of shape [2] does not fit self from dimension 0 on");
    CHECK(!ebb_getitem(x, EBB_ITEMS(EBB_STEP(0, 3, -1))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "a slice's step must be positive");
    CHECK(!ebb_getitem(x, EBB_ITEMS(LIST(0), LIST(1), 2)));
    CHECK_ERROR(EBB_ERR_INDEX, "too many indices");
    CHECK(!ebb_getitem(x, EBB_ITEMS(LIST(0, 1), LIST(0, 1, 2))));
    CHECK_ERROR(EBB_ERR_SHAPE, "indices of shapes [2] and [3] do not broadcast");
    CHECK(!ebb_getitem(x, EBB_ITEMS((ebb_tensor *)NULL)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "an item");
    CHECK(!ebb_setitem(x, EBB_ITEMS(LIST(0, 2)), counting(EBB_DIMS(3, 4), 0)));
    CHECK_ERROR(EBB_ERR_SHAPE, "values of shape [3, 4] do not broadcast to what is indexed, of shape [2, 4]");
    CHECK(!ebb_setitem(x, EBB_ITEMS(LIST(0, 2)), LIST(1)));
    CHECK_ERROR(EBB_ERR_DTYPE, "self and values must have one dtype, got float64 and int64");
    CHECK(!ebb_setitem(ebb_requires_grad_(ebb_clone(x), true), EBB_ITEMS(0), 1));
    CHECK_ERROR(EBB_ERR_GRAPH, "leaf");
    CHECK(ebb_item(weighed(x)) == 572); /* nothing was written */
}

/* ---- what meets in one place, and what is left out ---- */

EBB_TEST(last_one_stays) {
    ebb_tensor *x = ebb_zeros(EBB_DIMS(3), .dtype = EBB_F64), *i = LIST(1, 1, 2, 1), *v = REALS(1, 2, 3, 4);
    CHECK_VALUES(ebb_scatter(x, i, v, 0), 0, 0, 4, 3);
    CHECK_VALUES(ebb_index_copy(x, i, v, 0), 0, 0, 4, 3);
    CHECK_VALUES(ebb_index_put(x, EBB_LIST(i), v), 0, 0, 4, 3);
    CHECK_VALUES(ebb_put(x, i, v), 0, 0, 4, 3);
    CHECK_VALUES(ebb_index_put(x, EBB_LIST(i), v, .accumulate = true), 0, 0, 7, 3);
}

EBB_TEST(scatter_reductions) {
    ebb_tensor *x = REALS(1, 2, NAN, 0), *i = LIST(0, 0, 2, 3, 3), *v = REALS(3, -4, 5, 0, 2), *g[2];
    CHECK_VALUES(ebb_scatter_reduce(x, i, v, 0, EBB_SCATTER_AMAX), 0, 3, 2, NAN, 2);
    CHECK_VALUES(ebb_scatter_reduce(x, i, v, 0, EBB_SCATTER_AMIN, .include_self = EBB_SET(false)), 0, -4, 2, 5, 0);
    CHECK_VALUES(ebb_scatter_reduce(x, i, v, 0, EBB_SCATTER_MEAN, .include_self = EBB_SET(false)), 0, -0.5, 2, 5, 1);
    CHECK_VALUES(ebb_scatter_reduce(x, i, v, 0, EBB_SCATTER_PROD), 0, -12, 2, NAN, 0);
    ebb_tensor *whole =
        ebb_scatter_reduce(ebb_arange(0, 4, 1, .dtype = EBB_I64), LIST(0, 0, 1), LIST(3, -4, -5), 0, EBB_SCATTER_MEAN);
    CHECK_VALUES(whole, 0, -1, -2, 2, 3);
    /* zeros: the only one of a place has the product of the others, two of them have nothing */
    ebb_tensor *a = ebb_requires_grad_(REALS(2, 0, 3), true), *b = ebb_requires_grad_(REALS(0, 5, 4, 0, 0), true);
    ebb_tensor *y = ebb_scatter_reduce(a, LIST(0, 0, 1, 2, 2), b, 0, EBB_SCATTER_PROD);
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(a, b), g));
    CHECK_VALUES(g[0], 0, 0, 4, 0);
    CHECK_VALUES(g[1], 0, 10, 0, 0, 0, 0);
}

EBB_TEST(embedding_gradient) {
    ebb_tensor *w = ebb_requires_grad_(counting(EBB_DIMS(4, 2), 0), true), *i = LIST(1, 2, 1, 0), *g;
    ebb_tensor *y = ebb_embedding(i, w, .padding_idx = EBB_SET(-2), .scale_grad_by_freq = true);
    CHECK(!ebb_grad(EBB_LIST(weighed(y)), EBB_LIST(w), &g));
    CHECK_VALUES(g, 0, 7, 8, 3, 4, 0, 0, 0, 0);
}

EBB_TEST(embedding_with_max_norm) {
    ebb_tensor *w = ebb_requires_grad_(ebb_from_data((const double[]){3, 4, 0.3, 0.4, 6, 8}, EBB_F64, EBB_DIMS(3, 2)),
                                       true),
               *g;
    uint32_t version = ebb_tensor_version(w);
    ebb_tensor *y = ebb_embedding_max_norm(LIST(0, 1, 0), w, 1);
    CHECK_VALUES(y, 1e-7, 0.6, 0.8, 0.3, 0.4, 0.6, 0.8);
    CHECK_VALUES(w, 1e-7, 0.6, 0.8, 0.3, 0.4, 6, 8); /* the weight itself, where it was looked up */
    CHECK(ebb_tensor_version(w) > version);
    CHECK(!ebb_grad(EBB_LIST(weighed(y)), EBB_LIST(w), &g));
    CHECK_VALUES(g, 0, 6, 8, 3, 4, 0, 0);
}

/* ---- order ---- */

EBB_TEST(unique_elements) {
    ebb_tensor *x = REALS(3, 1, 3, -2, 1, 3), *at, *n, *g;
    ebb_requires_grad_(x, true);
    ebb_tensor *y = ebb_unique(x, .ret_inverse_indices = &at, .ret_counts = &n);
    CHECK_VALUES(y, 0, -2, 1, 3);
    CHECK_VALUES(at, 0, 2, 1, 2, 0, 1, 2);
    CHECK_VALUES(n, 0, 1, 2, 3);
    CHECK(!ebb_grad(EBB_LIST(weighed(y)), EBB_LIST(x), &g));
    CHECK_VALUES(g, 0, 3, 2, 0, 1, 0, 0); /* to the first of each */
    CHECK_VALUES(ebb_unique_consecutive(LIST(1, 1, 2, 2, 1), .ret_counts = &n), 0, 1, 2, 1);
    CHECK_VALUES(n, 0, 2, 2, 1);
    CHECK_SHAPE(ebb_unique(REALS(NAN, NAN, 1)), 3); /* NaN equals nothing */
    ebb_tensor *rows = ebb_reshape(LIST(1, 2, 0, 9, 1, 2, 1, 0), EBB_DIMS(4, 2));
    y = ebb_unique(rows, .dim = EBB_DIMS(0), .ret_inverse_indices = &at);
    CHECK_VALUES(y, 0, 0, 9, 1, 0, 1, 2);
    CHECK_VALUES(at, 0, 2, 0, 2, 1);
}

EBB_TEST(order_of_special_values) {
    ebb_tensor *x = REALS(3, NAN, -0.0, 0, 1, -INFINITY, -NAN, INFINITY), *i;
    CHECK_VALUES(ebb_sort(x, .ret_indices = &i), 0, -INFINITY, 0, 0, 1, 3, INFINITY, NAN, NAN);
    CHECK_VALUES(i, 0, 5, 2, 3, 4, 0, 7, 1, 6);
    CHECK_VALUES(ebb_sort(ebb_to(x, EBB_F32), .descending = true, .ret_indices = &i), 0, NAN, NAN, INFINITY, 3, 1, 0, 0,
                 -INFINITY);
    CHECK_VALUES(i, 0, 1, 6, 7, 0, 4, 2, 3, 5);
    CHECK_VALUES(ebb_topk(x, 3, .largest = EBB_SET(false), .ret_indices = &i), 0, -INFINITY, 0, 0);
    CHECK_VALUES(i, 0, 5, 2, 3);
    CHECK_VALUES(ebb_kthvalue(LIST(1, 1, 0), 2, .ret_indices = &i), 0, 1);
    CHECK_VALUES(i, 0, 0);
    int64_t most = INT64_MAX;
    CHECK_VALUES(ebb_argsort(ebb_cat(EBB_LIST(ebb_from_data(&most, EBB_I64, EBB_DIMS(1)), LIST(-1, 0, INT64_MIN)), 0)),
                 0, 3, 1, 2, 0);
}

/* Selections of every size agree with the whole order, however the values lie. */
EBB_TEST(selections) {
    enum { N = 700 };
    for (int kind = 0; kind < 4; kind++) {
        EBB_SCOPE {
            ebb_tensor *x = ebb_rand(EBB_DIMS(N)), *order;
            if (kind == 1) x = ebb_floor(ebb_mul(x, 7));
            if (kind == 2) x = ebb_arange(0, N, 1);
            if (kind == 3) x = ebb_to(ebb_neg(ebb_arange(0, N, 1)), EBB_I64);
            order = ebb_argsort(x, .descending = true);
            for (int k = 1; k <= N; k += 33) {
                ebb_tensor *top, *kth;
                (void)ebb_topk(x, k, .ret_indices = &top);
                CHECK(ebb_item(ebb_sum(ebb_ne(top, ebb_slice(order, 0, 0, k)))) == 0);
                ebb_tensor *value = ebb_kthvalue(ebb_neg(x), k, .ret_indices = &kth);
                CHECK(ebb_item(value) == -ebb_at_index(x, EBB_DIMS(ebb_item_i64(kth))));
                CHECK(ebb_item_i64(kth) == (int64_t)ebb_at_index(order, EBB_DIMS(k - 1)));
            }
        }
    }
}

EBB_TEST(searching) {
    ebb_tensor *at = REALS(1, 2, 2, 3), *x = REALS(2, 0, NAN, 3, 9);
    CHECK_VALUES(ebb_searchsorted(at, x), 0, 1, 0, 4, 3, 4);
    CHECK_VALUES(ebb_searchsorted(at, x, .right = true), 0, 3, 0, 4, 4, 4);
    CHECK_VALUES(ebb_searchsorted(LIST(1, 2, 3), 2.5), 0, 2);
    CHECK_VALUES(ebb_searchsorted(REALS(3, 1, 2), x, .sorter = LIST(1, 2, 0)), 0, 1, 0, 3, 2, 3);
    CHECK_VALUES(ebb_isin(REALS(1, 2.5, NAN), REALS(NAN, 1, 3)), 0, 1, 0, 0);
    CHECK(ebb_tensor_dtype(ebb_bincount(LIST(1, 1, 3), .weights = LIST(1, 2, 3))) == EBB_F64);
    CHECK_VALUES(ebb_bincount(LIST(1, 1, 3), .weights = LIST(1, 2, 3)), 0, 0, 3, 0, 3);
    CHECK_VALUES(ebb_take_along_dim(counting(EBB_DIMS(3, 4), 0), ebb_reshape(LIST(0, 1, -1), EBB_DIMS(3, 1)),
                                    .dim = EBB_DIMS(1)),
                 0, 0, 5, 11);
}

/* ---- any number of threads ---- */

static bool same_bits(const ebb_tensor *a, const ebb_tensor *b) {
    return ebb_tensor_numel(a) == ebb_tensor_numel(b) &&
           memcmp(ebb_tensor_data(a), ebb_tensor_data(b), (size_t)ebb_tensor_numel(a) * sizeof(float)) == 0;
}

EBB_TEST(threads) {
    ebb_tensor *x = ebb_randn(EBB_DIMS(50, 600)), *v = ebb_randn(EBB_DIMS(400, 600)), *got[2][5];
    ebb_tensor *rows = ebb_randint(0, 50, EBB_DIMS(400)), *all = ebb_randint(0, 50, EBB_DIMS(400, 600));
    for (int threads = 1; threads <= 2; threads++) {
        ebb_tensor **y = got[threads - 1];
        ebb_set_num_threads(threads == 1 ? 1 : 3);
        y[0] = ebb_index_add(x, rows, v, 0);
        y[1] = ebb_scatter_add(x, all, v, 0);
        y[2] = ebb_index_put(ebb_t(x), EBB_LIST(NULL, rows), ebb_t(v), .accumulate = true);
        y[3] = ebb_sort(v, .dim = EBB_DIMS(0));
        y[4] = ebb_index_select(x, rows, 0);
    }
    ebb_set_num_threads(0);
    for (int i = 0; i < 5; i++) CHECK(same_bits(got[0][i], got[1][i]));
    CHECK(same_bits(ebb_contiguous(ebb_t(got[0][2])), got[0][0]));
}

/* Wherever it is found, by however many threads: the first one is named, and nothing was written in place. */
EBB_TEST(wrong_indices_among_many) {
    enum { ROWS = 100, COLUMNS = 500 };
    static int64_t places[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++) places[i] = i % COLUMNS;
    places[77 * COLUMNS + 300] = COLUMNS, places[99 * COLUMNS] = -1;
    const ebb_dims shape = EBB_DIMS(ROWS, COLUMNS);
    ebb_tensor *x = ebb_ones(shape), *index = ebb_from_data(places, EBB_I64, shape), *zeros = ebb_zeros(shape);
    ebb_tensor *flat = ebb_reshape(index, EBB_DIMS(-1)), *line = ebb_ones(EBB_DIMS(COLUMNS));
    for (int threads = 1; threads < 4; threads++) {
        ebb_set_num_threads(threads);
        for (int call = 0; call < 8; call++) {
            ebb_tensor *y = call == 0   ? ebb_gather(x, index, 1)
                            : call == 1 ? ebb_scatter_add(x, index, x, 1)
                            : call == 2 ? ebb_scatter_add_(zeros, index, x, 1)
                            : call == 3 ? ebb_scatter_(zeros, index, x, 1)
                            : call == 4 ? ebb_index_select(x, flat, 1)
                            : call == 5 ? ebb_index(x, EBB_LIST(NULL, flat))
                            : call == 6 ? ebb_scatter_reduce_(zeros, index, x, 1, EBB_SCATTER_AMAX)
                                        : ebb_index_put_(zeros, EBB_LIST(NULL, flat), ebb_ones(EBB_DIMS(1)));
            CHECK(!y);
            CHECK_ERROR(EBB_ERR_INDEX, "index 500 is out of range for dimension 1 of size 500");
        }
        CHECK(!ebb_take(line, flat));
        CHECK_ERROR(EBB_ERR_INDEX, "index 500 is out of range for 500 elements");
        CHECK(!ebb_put_(line, flat, ebb_zeros(EBB_DIMS(ROWS * COLUMNS))));
        CHECK_ERROR(EBB_ERR_INDEX, "index 500 is out of range for 500 elements");
    }
    ebb_set_num_threads(0);
    CHECK(ebb_item(ebb_sum(ebb_abs(zeros))) == 0 && ebb_item(ebb_sum(line)) == COLUMNS);
}

EBB_TEST_MAIN
