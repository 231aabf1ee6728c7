/* Forward mode: dual numbers, levels, in place and views, and its compositions with backward. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>

/* x0^3 * sin(x1) */
static ebb_status cubic(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = ebb_mul(ebb_pow(in.t[0], 3.0), ebb_sin(in.t[1]));
    return ebb_error_status();
}

static ebb_tensor *f64(double value) { return ebb_scalar(value, .dtype = EBB_F64); }

EBB_TEST(jvp_along_a_direction) {
    EBB_SCOPE {
        ebb_outputs y, dy;
        CHECK(!ebb_jvp(cubic, NULL, EBB_LIST(f64(2), f64(0.5)), EBB_LIST(f64(1), f64(-2)), &y, &dy));
        CHECK(dy.n == 1 && y.n == 1);
        CHECK_CLOSE(ebb_item(y.t[0]), 8 * sin(0.5), 1e-14);
        CHECK_CLOSE(ebb_item(dy.t[0]), 12 * sin(0.5) - 2 * 8 * cos(0.5), 1e-13);
        CHECK(!ebb_tensor_requires_grad(dy.t[0]));
        /* an input without a tangent is a constant */
        CHECK(!ebb_jvp(cubic, NULL, EBB_LIST(f64(2), f64(0.5)), EBB_LIST(NULL, f64(1)), NULL, &dy));
        CHECK_CLOSE(ebb_item(dy.t[0]), 8 * cos(0.5), 1e-13);
    }
}

/* exp and tanh have rules that read their results, which must carry the outer level's tangent by then */
static ebb_status along_itself(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    EBB_DUAL_LEVEL {
        ebb_tensor *t = NULL;
        (void)ebb_unpack_dual(ebb_exp(ebb_tanh(ebb_make_dual(in.t[0], ebb_ones_like(in.t[0])))), &t);
        ret_out->t[ret_out->n++] = ebb_scope_hand(t);
    }
    return ebb_error_status();
}

EBB_TEST(levels_nest_where_rules_read_results) {
    EBB_SCOPE {
        ebb_outputs dd;
        double y = tanh(0.5), dy = 1 - y * y;
        CHECK(!ebb_jvp(along_itself, NULL, EBB_LIST(f64(0.5)), EBB_LIST(f64(1)), NULL, &dd));
        CHECK_CLOSE(ebb_item(dd.t[0]), exp(y) * (dy * dy - 2 * y * dy), 1e-14);
    }
}

/* d/dx of x^3 sin(c) by ebb_jvp, itself a function of x */
static ebb_status slope(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ebb_outputs dy;
    ebb_status status =
        ebb_jvp(cubic, NULL, EBB_LIST(in.t[0], in.t[1]), EBB_LIST(ebb_ones_like(in.t[0]), NULL), NULL, &dy);
    if (!status) ret_out->t[ret_out->n++] = dy.t[0];
    return status;
}

static ebb_status slope_by_backward(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ebb_outputs y = {0};
    ebb_tensor *g = NULL;
    ebb_status status = cubic(in, &y, NULL);
    if (!status) status = ebb_grad(EBB_LIST(y.t[0]), EBB_LIST(in.t[0]), &g, .create_graph = true);
    if (!status) ret_out->t[ret_out->n++] = g;
    return status;
}

EBB_TEST(all_compositions_agree) {
    EBB_SCOPE {
        ebb_outputs dd;
        ebb_tensor *x = ebb_requires_grad_(f64(2), true), *c = f64(0.5), *g;
        double want = 12 * sin(0.5); /* 6 x sin(c) */
        CHECK(!ebb_jvp(slope, NULL, EBB_LIST(f64(2), c), EBB_LIST(f64(1), NULL), NULL, &dd));
        CHECK_CLOSE(ebb_item(dd.t[0]), want, 1e-13);
        CHECK(!ebb_jvp(slope_by_backward, NULL, EBB_LIST(x, c), EBB_LIST(f64(1), NULL), NULL, &dd));
        CHECK_CLOSE(ebb_item(dd.t[0]), want, 1e-13);
        ebb_outputs s = {0};
        CHECK(!slope(EBB_LIST(x, c), &s, NULL));
        CHECK(!ebb_grad(EBB_LIST(s.t[0]), EBB_LIST(x), &g));
        CHECK_CLOSE(ebb_item(g), want, 1e-13);
        /* third order: forward over forward over backward */
        CHECK(!ebb_jvp(slope, NULL, EBB_LIST(x, c), EBB_LIST(f64(1), NULL), NULL, &dd));
        CHECK(!ebb_grad(EBB_LIST(dd.t[0]), EBB_LIST(x), &g));
        CHECK_CLOSE(ebb_item(g), 6 * sin(0.5), 1e-13);
    }
}

EBB_TEST(writes_in_place_and_views) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_arange(1, 5, 1, .dtype = EBB_F64), *v = ebb_ones_like(x), *t;
        EBB_DUAL_LEVEL {
            ebb_tensor *dual = ebb_mul(ebb_make_dual(x, v), 2.0), *tail = ebb_narrow(dual, 0, 2, 2);
            ebb_mul_(tail, tail); /* (2x)^2 there: its derivative is 8x */
            CHECK(ebb_unpack_dual(dual, &t) != NULL);
            CHECK_VALUES(t, 1e-14, 2, 2, 24, 32);
            ebb_exp_(dual);
            CHECK(ebb_unpack_dual(tail, &t) != NULL); /* exp(4x^2) * 8x */
            CHECK_CLOSE(ebb_item(ebb_select(t, 0, 0)) / (exp(36) * 24), 1, 1e-14);
            /* a part that becomes dual makes its base dual, and what looks at it already */
            ebb_tensor *base = ebb_zeros(EBB_DIMS(2, 2), .dtype = EBB_F64), *row = ebb_select(base, 0, 1);
            ebb_tensor *column = ebb_select(base, 1, 0);
            ebb_copy_(row, ebb_narrow(ebb_make_dual(x, v), 0, 0, 2));
            CHECK(ebb_unpack_dual(column, &t) != NULL);
            CHECK_VALUES(t, 1e-14, 0, 1);
            ebb_zero_(row);
            CHECK(ebb_unpack_dual(base, &t) != NULL);
            CHECK_VALUES(t, 1e-14, 0, 0, 0, 0);
        }
        CHECK_VALUES(v, 1e-14, 1, 1, 1, 1); /* the tangent given is not written */
        CHECK(ebb_error() == NULL);
    }
}

/* A tangent's history that leads back to its tensor must not keep it alive. */
EBB_TEST(levels_take_their_tangents_away) {
    int64_t live = 0;
    for (int round = 0; round < 3; round++) {
        EBB_SCOPE {
            ebb_tensor *x = ebb_requires_grad_(f64(2), true), *y = NULL, *t;
            EBB_DUAL_LEVEL {
                y = ebb_exp(ebb_make_dual(x, f64(1)));
                CHECK(ebb_unpack_dual(y, &t) != NULL);
                CHECK(t && ebb_tensor_requires_grad(t));
            }
            CHECK(ebb_unpack_dual(y, &t) != NULL);
            CHECK(t == NULL);
        }
        if (round == 1) live = ebb_memory().live;
    }
    CHECK(ebb_memory().live == live);
}

EBB_TEST(detached_values_are_constants) {
    EBB_SCOPE EBB_DUAL_LEVEL {
        ebb_tensor *dual = ebb_make_dual(f64(3), f64(1)), *t;
        ebb_tensor *y = ebb_mul(dual, ebb_detach(dual));
        CHECK(ebb_unpack_dual(y, &t) != NULL);
        CHECK_CLOSE(ebb_item(t), 3, 0);
        CHECK(ebb_unpack_dual(ebb_floor(f64(2)), &t) != NULL);
        CHECK(t == NULL);
    }
}

EBB_TEST(errors) {
    EBB_SCOPE {
        ebb_outputs dy;
        CHECK(ebb_make_dual(f64(1), f64(1)) == NULL);
        CHECK_ERROR(EBB_ERR_GRAPH, "no level is open");
        CHECK(ebb_jvp(cubic, NULL, EBB_LIST(f64(1), f64(1)), EBB_LIST(f64(1)), NULL, &dy) != EBB_OK);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "2 inputs and 1 tangents");
        CHECK(ebb_jvp(cubic, NULL, EBB_LIST(f64(1), f64(1)), EBB_LIST(ebb_zeros(EBB_DIMS(2), .dtype = EBB_F64), NULL),
                      NULL, &dy) != EBB_OK);
        CHECK_ERROR(EBB_ERR_SHAPE, "tangent 0 is float64 [2], its input float64 []");
    }
}

EBB_TEST_MAIN
