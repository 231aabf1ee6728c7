/* Writing in place, beyond views (test_views.c): what may be written, what stays shared, and that no history leads back
 * to the tensor that owns it. */
#include "tests/check.h"
#include <ebb/ebb.h>

static ebb_tensor *leaf(int64_t n) { return ebb_full(EBB_DIMS(n), 2.0, .dtype = EBB_F64, .requires_grad = true); }

/* ---- memory: each test's end is its leak check ---- */

/* x is saved by the product, and then written with it: x's history leads to the node that holds x. */
EBB_TEST(a_tensor_written_with_what_had_saved_it_is_given_back) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(2), *x = ebb_mul(leaf(2), 3.0), *z = ebb_mul(x, w);
        CHECK(ebb_mul_(x, z) == x);
        CHECK(ebb_backward(ebb_sum(x)) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "MulBackward0");
    }
}

EBB_TEST(so_is_one_that_had_no_history_before) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(2), *x = ebb_ones(EBB_DIMS(2), .dtype = EBB_F64), *z = ebb_mul(x, w);
        ebb_add_(x, z);
        CHECK(!ebb_tensor_is_leaf(x));
        CHECK(ebb_backward(ebb_sum(x)) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "MulBackward0");
    }
}

EBB_TEST(so_is_the_base_of_a_view_that_was_saved) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(2), *y = ebb_mul(leaf(4), 3.0), *z = NULL;
        EBB_SCOPE z = ebb_scope_hand(ebb_mul(ebb_slice(y, 0, 0, 2), w)); /* the node alone has the view */
        ebb_mul_(ebb_slice(y, 0, 2, 4), z);
        ebb_tensor *buffer = ebb_zeros(EBB_DIMS(4), .dtype = EBB_F64);
        EBB_SCOPE z = ebb_scope_hand(ebb_mul(ebb_slice(buffer, 0, 0, 2), w));
        ebb_add_(ebb_slice(buffer, 0, 2, 4), z);
        CHECK(ebb_backward(ebb_sum(y)) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "MulBackward0");
    }
}

/* Written before it was saved: its history stays with the node, whoever lets go of the tensor. */
EBB_TEST(what_was_written_before_it_was_saved_keeps_its_history) {
    EBB_SCOPE {
        ebb_tensor *a = leaf(2), *x = ebb_keep(ebb_mul(a, 3.0)), *g, *h;
        ebb_mul_(x, a); /* 3 a^2 */
        ebb_tensor *z = ebb_mul(x, x);
        CHECK(ebb_retain_grad(x) == EBB_OK);
        ebb_drop(x);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(z)), EBB_LIST(a), &g, .create_graph = true) == EBB_OK);
        CHECK_VALUES(g, 0, 36 * 8, 36 * 8); /* 36 a^3 */
        CHECK(ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(a), &h) == EBB_OK);
        CHECK_VALUES(h, 0, 108 * 4, 108 * 4);
    }
}

EBB_TEST_MAIN
