/* Softmax and losses: values and gradients by hand or by finite differences, second order, ignored and weighted
 * classes, every shape of target, errors. */
#include "tests/check.h"

#include <ebb/ebb.h>
#include <math.h>

#define NODE(t) ebb_node_name(ebb_tensor_grad_fn(t))

static ebb_tensor *leaf(ebb_dims shape, double seed) {
    double values[256];
    for (int i = 0; i < 256; i++) values[i] = 2 * sin(seed + 1.3 * i);
    return ebb_requires_grad_(ebb_from_data(values, EBB_F64, shape), true);
}
static ebb_tensor *integers(const int64_t *values, ebb_dims shape) { return ebb_from_data(values, EBB_I64, shape); }
#define INTEGERS(shape, ...) integers((const int64_t[]){__VA_ARGS__}, shape)
static ebb_tensor *floats(const double *values, ebb_dims shape) { return ebb_from_data(values, EBB_F64, shape); }
#define FLOATS(shape, ...) floats((const double[]){__VA_ARGS__}, shape)

/* ---- gradients against central differences, of first and second order ---- */

typedef ebb_tensor *function(ebb_tensor *x, const void *context);

/* sum(f(x) * weights); with `order` 2, the sum of its gradient's elements, weighted too. */
static ebb_tensor *scalar_of(function *f, const void *context, ebb_tensor *x, int order) {
    ebb_tensor *y = f(x, context), *g = NULL;
    y = ebb_sum(ebb_mul(y, leaf(ebb_tensor_shape(y), 0.7)));
    if (order == 1) return y;
    if (ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true)) return NULL;
    return ebb_sum(ebb_mul(g, leaf(ebb_tensor_shape(g), 0.3)));
}

static void check_gradient(function *f, const void *context, ebb_tensor *x, int order) {
    ebb_tensor *g = NULL, *y = scalar_of(f, context, x, order);
    double *p = ebb_tensor_data(x), got[256];
    CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g));
    CHECK_OK();
    CHECK(!ebb_tensor_read(g, EBB_F64, got));
    for (int64_t i = 0; i < ebb_tensor_numel(x); i++) {
        double at = p[i], h = 1e-5, side[2] = {0};
        for (int s = 0; s < 2; s++) {
            EBB_SCOPE {
                p[i] = s ? at + h : at - h;
                side[s] = ebb_item(scalar_of(f, context, x, order));
            }
        }
        p[i] = at;
        CHECK_CLOSE(got[i], (side[1] - side[0]) / (2 * h), 1e-7);
    }
}

static void check_gradients(function *f, const void *context, ebb_tensor *x) {
    check_gradient(f, context, x, 1);
    check_gradient(f, context, x, 2);
}

/* ---- softmax ---- */

static ebb_tensor *softmax(ebb_tensor *x, const void *dim) { return ebb_softmax(x, *(const int *)dim); }
static ebb_tensor *log_softmax(ebb_tensor *x, const void *dim) { return ebb_log_softmax(x, *(const int *)dim); }

EBB_TEST(softmax_values) {
    ebb_tensor *x = FLOATS(EBB_DIMS(2, 3), 0, 1, 2, 1000, 1000, 1000);
    double e = exp(1), s = 1 + e + e * e;
    CHECK_VALUES(ebb_softmax(x, 1), 1e-15, 1 / s, e / s, e * e / s, 1. / 3, 1. / 3, 1. / 3);
    CHECK_VALUES(ebb_log_softmax(x, -1), 1e-15, -log(s), 1 - log(s), 2 - log(s), -log(3), -log(3), -log(3));
    CHECK_VALUES(ebb_softmax(FLOATS(EBB_NO_DIMS, 7), 0), 0, 1);
    CHECK_SHAPE(ebb_softmax(ebb_zeros(EBB_DIMS(0, 3)), 1), 0, 3);
    CHECK_SHAPE(ebb_log_softmax(ebb_zeros(EBB_DIMS(3, 0)), 1), 3, 0);
    ebb_tensor *y = ebb_softmax(INTEGERS(EBB_DIMS(2), 0, 0), 0, .dtype = EBB_F64);
    CHECK(ebb_tensor_dtype(y) == EBB_F64);
    CHECK_VALUES(y, 0, 0.5, 0.5);
    CHECK(!ebb_softmax(INTEGERS(EBB_DIMS(2), 0, 0), 0));
    CHECK_ERROR(EBB_ERR_DTYPE, "softmax: needs a floating-point dtype, got int64");
    CHECK(!ebb_log_softmax(x, 2));
    CHECK_ERROR(EBB_ERR_INDEX, "dim is out of range");
}

EBB_TEST(softmax_gradients) {
    const int dims[] = {0, 1, -1};
    for (int i = 0; i < 3; i++) {
        check_gradients(softmax, &dims[i], leaf(EBB_DIMS(2, 4, 3), 1));
        check_gradients(log_softmax, &dims[i], leaf(EBB_DIMS(2, 4, 3), 1));
    }
    ebb_tensor *x = leaf(EBB_DIMS(3, 4), 1);
    CHECK(!strcmp(NODE(ebb_softmax(x, 1)), "SoftmaxBackward0"));
    CHECK(!strcmp(NODE(ebb_log_softmax(x, 1)), "LogSoftmaxBackward0"));
    CHECK_VALUES(ebb_sum(ebb_softmax(ebb_t(x), 0), .dim = EBB_DIMS(0)), 1e-15, 1, 1, 1);
}

/* ---- losses of classification ---- */

struct loss {
    ebb_tensor *target, *weight;
    ebb_dims ignore_index;
    int reduction;
    double label_smoothing;
};

static ebb_tensor *nll(ebb_tensor *x, const void *context) {
    const struct loss *c = context;
    return ebb_nll_loss(x, c->target, .weight = c->weight, .ignore_index = c->ignore_index, .reduction = c->reduction);
}
static ebb_tensor *entropy(ebb_tensor *x, const void *context) {
    const struct loss *c = context;
    return ebb_cross_entropy(x, c->target, .weight = c->weight, .ignore_index = c->ignore_index,
                             .reduction = c->reduction, .label_smoothing = c->label_smoothing);
}

EBB_TEST(nll_values) {
    ebb_tensor *x = FLOATS(EBB_DIMS(3, 2), -1, -2, -3, -4, -5, -6), *t = INTEGERS(EBB_DIMS(3), 0, 1, 0);
    ebb_tensor *w = FLOATS(EBB_DIMS(2), 1, 3), *total = NULL;
    CHECK_VALUES(ebb_nll_loss(x, t), 1e-15, 10. / 3);
    CHECK_VALUES(ebb_nll_loss(x, t, .reduction = EBB_REDUCTION_SUM), 0, 10);
    CHECK_VALUES(ebb_nll_loss(x, t, .reduction = EBB_REDUCTION_NONE), 0, 1, 4, 5);
    CHECK_VALUES(ebb_nll_loss(x, t, .weight = w, .ret_total_weight = &total), 1e-15, 18. / 5);
    CHECK_VALUES(total, 0, 5);
    CHECK_VALUES(ebb_nll_loss(x, t, .ignore_index = EBB_DIMS(0)), 0, 4);
    CHECK_VALUES(ebb_nll_loss(x, t, .ignore_index = EBB_DIMS(0), .reduction = EBB_REDUCTION_NONE), 0, 0, 4, 0);
    CHECK_VALUES(ebb_nll_loss(x, INTEGERS(EBB_DIMS(3), -100, 1, -100)), 0, 4);
    CHECK_VALUES(ebb_nll_loss(x, INTEGERS(EBB_DIMS(3), -100, -100, -100)), 0, (double)NAN);
    CHECK_VALUES(ebb_nll_loss(FLOATS(EBB_DIMS(2), -1, -2), INTEGERS(EBB_NO_DIMS, 1)), 0, 2);
    /* (N, C, d) as (N d, C) with the classes last */
    ebb_tensor *deep = FLOATS(EBB_DIMS(1, 2, 3), -1, -2, -3, -4, -5, -6);
    CHECK_VALUES(ebb_nll_loss(deep, INTEGERS(EBB_DIMS(1, 3), 0, 1, 0), .reduction = EBB_REDUCTION_NONE), 0, 1, 5, 3);
}

EBB_TEST(gradients_of_classification) {
    ebb_tensor *t = INTEGERS(EBB_DIMS(3), 3, 0, 1), *deep = INTEGERS(EBB_DIMS(2, 3), 0, 1, 2, 3, 2, 1);
    ebb_tensor *weight = FLOATS(EBB_DIMS(4), 0.5, 1, 2, 4), *x = leaf(EBB_DIMS(3, 4), 1),
               *x3 = leaf(EBB_DIMS(2, 4, 3), 1);
    for (int reduction = EBB_REDUCTION_MEAN; reduction <= EBB_REDUCTION_NONE; reduction++) {
        for (int variant = 0; variant < 8; variant++) {
            struct loss c = {t, variant & 1 ? weight : NULL, variant & 2 ? EBB_DIMS(0) : EBB_NO_DIMS, reduction,
                             variant & 4 ? 0.25 : 0};
            if (c.label_smoothing == 0) check_gradient(nll, &c, x, 1);
            check_gradients(entropy, &c, x);
            c.target = deep;
            if (c.label_smoothing == 0) check_gradient(nll, &c, x3, 1);
            check_gradient(entropy, &c, x3, 1);
            if (c.ignore_index.n) continue;
            c.target = ebb_detach(ebb_softmax(leaf(EBB_DIMS(3, 4), 9), 1));
            check_gradients(entropy, &c, x);
            c.target = ebb_detach(ebb_softmax(leaf(EBB_DIMS(2, 4, 3), 9), 1));
            check_gradient(entropy, &c, x3, 1);
        }
    }
    struct loss one = {INTEGERS(EBB_NO_DIMS, 2), weight, EBB_NO_DIMS, EBB_REDUCTION_MEAN, 0};
    check_gradients(entropy, &one, leaf(EBB_DIMS(4), 1));
    CHECK(!strcmp(NODE(nll(x, &(struct loss){.target = t})), "NllLossBackward0"));
    CHECK(!strcmp(NODE(entropy(x, &(struct loss){.target = t})), "NllLossBackward0"));
}

EBB_TEST(cross_entropy_values) {
    ebb_tensor *x = FLOATS(EBB_DIMS(2, 2), 0, 0, 0, 1), *t = INTEGERS(EBB_DIMS(2), 0, 1);
    double a = log(2), b = log(1 + exp(1)) - 1;
    CHECK_VALUES(ebb_cross_entropy(x, t), 1e-15, (a + b) / 2);
    CHECK_VALUES(ebb_cross_entropy(x, FLOATS(EBB_DIMS(2, 2), 1, 0, 0, 1)), 1e-15, (a + b) / 2);
    double smooth = 0.8 * b + 0.1 * (b + b + 1); /* the second row against (0.1, 0.9) */
    CHECK_VALUES(ebb_cross_entropy(x, t, .label_smoothing = 0.2, .reduction = EBB_REDUCTION_NONE), 1e-15, a, smooth);
    CHECK_VALUES(ebb_cross_entropy(x, FLOATS(EBB_DIMS(2, 2), 1, 0, 0, 1), .label_smoothing = 0.2,
                                   .reduction = EBB_REDUCTION_NONE),
                 1e-15, a, smooth);
}

EBB_TEST(errors_of_classification) {
    ebb_tensor *x = leaf(EBB_DIMS(3, 10), 1), *t = INTEGERS(EBB_DIMS(3), 1, 2, 10);
    CHECK(!ebb_cross_entropy(x, t));
    CHECK_ERROR(EBB_ERR_INDEX, "the target of row 2 is 10, which is none of the 10 classes");
    CHECK(!ebb_nll_loss(x, INTEGERS(EBB_DIMS(3), 1, -1, 0)));
    CHECK_ERROR(EBB_ERR_INDEX, "the target of row 1 is -1");
    CHECK(!ebb_nll_loss(x, INTEGERS(EBB_DIMS(2), 1, 1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "target must have shape [3]");
    CHECK(!ebb_cross_entropy(x, leaf(EBB_DIMS(3), 1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "target must hold class numbers as int64, or probabilities");
    CHECK(!ebb_nll_loss(x, leaf(EBB_DIMS(3), 1)));
    CHECK_ERROR(EBB_ERR_DTYPE, "target must hold class numbers as int64, got float64");
    CHECK(!ebb_cross_entropy(x, t, .weight = leaf(EBB_DIMS(9), 1)));
    CHECK_ERROR(EBB_ERR_SHAPE, "weight must have shape [10], one for each class");
    CHECK(!ebb_cross_entropy(x, t, .label_smoothing = 1.5));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "label_smoothing must lie between 0 and 1, got 1.5");
    CHECK(!ebb_cross_entropy(x, x, .ignore_index = EBB_DIMS(1)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "ignore_index needs targets that are class numbers");
    CHECK(!ebb_cross_entropy(ebb_sum(x), t));
    CHECK_ERROR(EBB_ERR_SHAPE, "needs classes");
    CHECK(!ebb_cross_entropy(INTEGERS(EBB_DIMS(1, 2), 1, 2), INTEGERS(EBB_DIMS(1), 1)));
    CHECK_ERROR(EBB_ERR_DTYPE, "not defined for int64");
    CHECK(!ebb_nll_loss(x, INTEGERS(EBB_DIMS(3), 1, 1, 1), .weight = leaf(EBB_DIMS(10), 1)));
    CHECK_ERROR(EBB_ERR_GRAPH, "the gradient of weight is not defined");
}

/* ---- regression ---- */

struct regression {
    ebb_tensor *other;
    int reduction;
};
static ebb_tensor *mse_self(ebb_tensor *x, const void *c) {
    return ebb_mse_loss(x, ((const struct regression *)c)->other,
                        .reduction = ((const struct regression *)c)->reduction);
}
static ebb_tensor *mse_target(ebb_tensor *x, const void *c) {
    return ebb_mse_loss(((const struct regression *)c)->other, x,
                        .reduction = ((const struct regression *)c)->reduction);
}
static ebb_tensor *l1(ebb_tensor *x, const void *c) {
    return ebb_l1_loss(x, ((const struct regression *)c)->other,
                       .reduction = ((const struct regression *)c)->reduction);
}

EBB_TEST(regression) {
    ebb_tensor *x = FLOATS(EBB_DIMS(3), 1, 2, 3), *t = FLOATS(EBB_DIMS(3), 1, 4, 0);
    CHECK_VALUES(ebb_mse_loss(x, t), 1e-15, 13. / 3);
    CHECK_VALUES(ebb_mse_loss(x, t, .reduction = EBB_REDUCTION_SUM), 0, 13);
    CHECK_VALUES(ebb_mse_loss(x, t, .reduction = EBB_REDUCTION_NONE), 0, 0, 4, 9);
    CHECK_VALUES(ebb_l1_loss(x, t), 1e-15, 5. / 3);
    CHECK_VALUES(ebb_l1_loss(x, t, .reduction = EBB_REDUCTION_NONE), 0, 0, 2, 3);
    CHECK_VALUES(ebb_mse_loss(x, FLOATS(EBB_DIMS(2, 1), 1, 2), .reduction = EBB_REDUCTION_NONE), 0, 0, 1, 4, 1, 0, 1);
    ebb_tensor *y = leaf(EBB_DIMS(2, 3), 1);
    CHECK(!strcmp(NODE(ebb_mse_loss(y, x)), "MseLossBackward0"));
    for (int reduction = EBB_REDUCTION_MEAN; reduction <= EBB_REDUCTION_NONE; reduction++) {
        struct regression c = {leaf(EBB_DIMS(2, 3), 5), reduction}, broadcast = {leaf(EBB_DIMS(2, 1), 5), reduction};
        check_gradients(mse_self, &c, y);
        check_gradients(mse_target, &c, y);
        check_gradients(mse_target, &broadcast, y);
        check_gradients(mse_self, &broadcast, leaf(EBB_DIMS(3), 2));
        check_gradient(l1, &c, y, 1);
    }
    CHECK(!ebb_mse_loss(INTEGERS(EBB_DIMS(2), 1, 2), INTEGERS(EBB_DIMS(2), 1, 2)));
    CHECK_ERROR(EBB_ERR_DTYPE, "mse_loss: not defined for int64");
    CHECK(!ebb_mse_loss(x, FLOATS(EBB_DIMS(2), 1, 2)));
    CHECK_ERROR(EBB_ERR_SHAPE, "[3]");
}

/* ---- failing allocations, through forward, backward and second order ---- */

static void losses_of_everything(void) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(EBB_DIMS(2, 4, 3), 1), *t = INTEGERS(EBB_DIMS(2, 3), 0, 1, 2, 3, 2, 1), *index = NULL,
                   *g = NULL;
        ebb_tensor *w = FLOATS(EBB_DIMS(4), 1, 2, 3, 4),
                   *y = ebb_cross_entropy(x, t, .weight = w, .label_smoothing = 0.1);
        y = ebb_add(y, ebb_sum(ebb_max_dim(ebb_transpose(x, 0, 2), 1, .ret_indices = &index), .dtype = EBB_F32));
        y = ebb_add(y, ebb_mse_loss(ebb_matmul(ebb_softmax(x, 1), ebb_mean(ebb_transpose(x, 1, 2), .dim = EBB_DIMS(0))),
                                    ebb_sum(x, .dim = EBB_DIMS(2), .keepdim = true)));
        y = ebb_add(y, ebb_sum(ebb_matmul(x, ebb_transpose(x, 1, 2)), .dim = EBB_DIMS(0, 1, 2)));
        if (!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true)) ebb_backward(ebb_sum(g));
    }
}

EBB_TEST(allocations_fail_softly) { CHECK_ALLOCATIONS_FAILING(losses_of_everything, 0); }

EBB_TEST_MAIN
