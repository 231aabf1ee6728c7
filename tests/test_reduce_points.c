/* Reductions and scans at points where something is special, zeros, ties, NaN, infinities: values, gradients, second
 * derivatives and nodes are PyTorch's. */
#include "tests/check.h"
#include "record/call.h"

#include <ebb/ebb.h>
#include <math.h>

/* The gradient is that of sum(w * y), the second that of sum(w * gradient), w = 1, 2, 3, ... in both. */
struct point {
    const char *op, *attrs, *node;
    int n;
    double x[6];
    int n_out;
    double y[6], grad[6], second[6];
};
#include "tests/golden/reduce_points.h"

static bool close_to(double a, double b) {
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-12 * fabs(b) + 1e-13;
}

static ebb_tensor *weights(const ebb_tensor *like) {
    const double w[] = {1, 2, 3, 4, 5, 6};
    return ebb_from_data(w, EBB_F64, ebb_tensor_shape(like));
}

/* Where PyTorch's second derivative is NaN, ours may be a number: gradients are not multiplied by what masks them. */
static bool check(const char *what, const struct point *p, const ebb_tensor *got, const double *want, bool may_differ) {
    ebb_tensor *flat = got ? ebb_reshape((ebb_tensor *)(uintptr_t)got, EBB_DIMS(-1)) : NULL;
    bool ok = true;
    for (int i = 0; i < (flat ? ebb_tensor_numel(flat) : p->n); i++) {
        double x = flat ? ebb_at_index(flat, EBB_DIMS(i)) : 0;
        bool same = close_to(x, want[i]) || (may_differ && isnan(want[i]));
        if (!same) print_message("%s %s: %s[%d] is %.17g, not %.17g\n", p->op, p->attrs, what, i, x, want[i]);
        ok = ok && same;
    }
    return ok;
}

static bool check_point(const struct point *p) {
    const struct ebb_op *op = ebb_op_find(p->op);
    _Alignas(16) char attrs[EBB__ATTRS_MAX] = {0}, words[64];
    ebb_tensor *x = ebb_requires_grad_(ebb_from_data(p->x, EBB_F64, EBB_DIMS(p->n)), true), *out[2], *g = NULL,
               *second = NULL;
    (void)snprintf(words, sizeof words, "%s", p->attrs);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        char *value = strchr(word, '=');
        *value++ = 0;
        CHECK(!ebb__attr_set(op, attrs, word, value, NULL));
    }
    CHECK(!ebb_call_op(op, &x, 1, attrs, out));
    bool ok = check("y", p, out[0], p->y, false);
    if (strcmp(ebb_node_name(ebb_tensor_grad_fn(out[0])), p->node) != 0) {
        print_message("%s %s: node %s, not %s\n", p->op, p->attrs, ebb_node_name(ebb_tensor_grad_fn(out[0])), p->node);
        ok = false;
    }
    CHECK(!ebb_grad(EBB_LIST(out[0]), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(weights(out[0])), .create_graph = true,
                    .allow_unused = true));
    ok = check("gradient", p, g, p->grad, false) && ok;
    if (g && ebb_tensor_requires_grad(g))
        CHECK(!ebb_grad(EBB_LIST(g), EBB_LIST(x), &second, .grad_outputs = EBB_LIST(weights(g)), .allow_unused = true));
    return check("second", p, second, p->second, true) && ok;
}

/* Where PyTorch gives NaN: elements of -infinity have no share of a sum of exponentials. */
EBB_TEST(logcumsumexp_of_nothing_yet) {
    const double none[] = {-INFINITY, -INFINITY, 1, 3};
    ebb_tensor *x = ebb_requires_grad_(ebb_from_data(none, EBB_F64, EBB_DIMS(4)), true), *g = NULL;
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_logcumsumexp(x, 0))), EBB_LIST(x), &g));
    CHECK_VALUES(g, 1e-12, 0, 0, 1.1192029220221176, 0.8807970779778824);
}

/* What PyTorch does with no elements, with 0-d tensors and with other dtypes. */
EBB_TEST(empty_and_other_dtypes) {
    ebb_tensor *none = ebb_zeros(EBB_DIMS(0)), *wide = ebb_zeros(EBB_DIMS(2, 0), .dtype = EBB_F64);
    CHECK(ebb_item(ebb_prod(none)) == 1 && isnan(ebb_item(ebb_var(none))) && isnan(ebb_item(ebb_median(none))));
    CHECK(ebb_item(ebb_any(none)) == 0 && ebb_item(ebb_all(none)) == 1 && ebb_item(ebb_vector_norm(none)) == 0);
    CHECK_VALUES(ebb_prod(wide, .dim = EBB_DIMS(1)), 0, 1, 1);
    CHECK_VALUES(ebb_std(wide, .dim = EBB_DIMS(1)), 0, NAN, NAN);
    CHECK(ebb_vector_norm(wide, .ord = EBB_SET(-1), .dim = EBB_DIMS(0)));
    ebb_tensor *u = ebb_full(EBB_DIMS(3), 200, .dtype = EBB_U8), *b = ebb_gt(u, 0);
    CHECK_VALUES(ebb_cumsum(u, 0, .dtype = EBB_U8), 0, 200, 144, 88);
    CHECK(ebb_tensor_dtype(ebb_cumsum(b, 0)) == EBB_I64 && ebb_tensor_dtype(ebb_prod(u)) == EBB_I64);
    CHECK(ebb_item(ebb_prod(u, .dtype = EBB_U8)) == 0 && ebb_tensor_dtype(ebb_prod(u, .dtype = EBB_BOOL)) == EBB_BOOL);
    CHECK(ebb_tensor_dtype(ebb_any(u)) == EBB_U8 && ebb_tensor_dtype(ebb_all(ebb_to(u, EBB_I32))) == EBB_BOOL);
    CHECK(ebb_item(ebb_any(ebb_full(EBB_DIMS(1), NAN))) == 1 && ebb_item(ebb_count_nonzero(b)) == 3);
    ebb_tensor *indices = NULL;
    CHECK(ebb_item(ebb_cummax(ebb_scalar(3), 0, .ret_indices = &indices)) == 3 && ebb_item(indices) == 0);
    CHECK(!ebb_argmax(b));
    CHECK_ERROR(EBB_ERR_DTYPE, "not defined for bool");
    CHECK(!ebb_median_dim(none, 0));
    CHECK_ERROR(EBB_ERR_SHAPE, "no elements along dimension 0");
}

/* Scans and variances of much give the same bits for any number of threads, and for any layout nearly the same. */
EBB_TEST(much) {
    static const int64_t shapes[][2] = {{300, 700}, {3, 70000}, {70000, 3}, {1, 200000}};
    for (int s = 0; s < 4; s++)
        for (int dim = 0; dim < 2; dim++) EBB_SCOPE {
                ebb_manual_seed(7);
                ebb_tensor *x = ebb_randn(EBB_DIMS(shapes[s][0], shapes[s][1])), *first[4], *y[4];
                for (int threads = 1; threads < 4; threads++) {
                    ebb_set_num_threads(threads);
                    y[0] = ebb_cumsum(x, dim);
                    y[1] = ebb_linear_recurrence(x, 0.5, dim, .reverse = true);
                    y[2] = ebb_var(x, .dim = EBB_DIMS(dim));
                    y[3] = ebb_prod(ebb_add(x, 1), .dim = EBB_DIMS(dim));
                    for (int k = 0; k < 4; k++) {
                        if (threads == 1) first[k] = y[k];
                        else
                            CHECK(!memcmp(ebb_tensor_data(y[k]), ebb_tensor_data(first[k]),
                                          (size_t)ebb_tensor_numel(y[k]) * sizeof(float)));
                    }
                }
                ebb_set_num_threads(0);
                ebb_tensor *mean, *deviation, *x64 = ebb_to(x, EBB_F64);
                ebb_tensor *var = ebb_var_mean(x64, .dim = EBB_DIMS(dim), .keepdim = true, .ret_mean = &mean);
                deviation = ebb_mean(ebb_square(ebb_sub(x64, mean)), .dim = EBB_DIMS(dim), .keepdim = true);
                double n = (double)shapes[s][dim];
                if (n > 1) CHECK(ebb_item(ebb_amax(ebb_abs(ebb_sub(ebb_mul(deviation, n / (n - 1)), var)))) < 1e-12);
            }
}

EBB_TEST(special_points) {
    int failures = 0;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) EBB_SCOPE {
            failures += !check_point(&points[i]);
        }
    CHECK(failures == 0);
}

EBB_TEST_MAIN
