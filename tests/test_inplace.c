/* Writing in place, beyond views (test_views.c): what may be written, what stays shared, and that no history leads back
 * to the tensor that owns it. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>

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

/* ---- what PyTorch's tests of writing in place pin ---- */

static double first(const ebb_tensor *t) { return ebb_item(ebb_select((ebb_tensor *)(uintptr_t)t, 0, 0)); }

EBB_TEST(only_what_a_rule_reads_may_not_be_written) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = leaf(2), *z = ebb_mul(x, y), *sum = ebb_add(z, y), *product = ebb_mul(z, y);
        ebb_add_(z, 2.0);
        CHECK(!ebb_backward(ebb_sum(sum), .retain_graph = true)); /* a sum reads nothing */
        CHECK(ebb_backward(ebb_sum(product)) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "MulBackward0");
        CHECK(!ebb_backward(ebb_sum(z)));
        CHECK_CLOSE(first(ebb_tensor_grad(x)), 4, 0);
    }
}

EBB_TEST(what_nobody_needs_is_not_saved) {
    EBB_SCOPE {
        ebb_tensor *mu = leaf(1), *x = ebb_zeros(EBB_DIMS(1), .dtype = EBB_F64), *loss = ebb_scalar(0.0);
        for (int i = 0; i < 3; i++) { /* the product keeps the constant only, so x may be written again */
            x = ebb_detach(x);
            ebb_copy_(x, ebb_add(mu, (double)i));
            loss = ebb_add(loss, ebb_sum(ebb_mul(x, (double)i)));
        }
        CHECK(!ebb_backward(loss));
        CHECK_VALUES(ebb_tensor_grad(mu), 0, 3);
    }
}

EBB_TEST(a_constant_that_is_written_with_what_needs_gradients_needs_them) {
    EBB_SCOPE {
        ebb_tensor *a = ebb_ones(EBB_DIMS(2), .dtype = EBB_F64), *b = leaf(2);
        CHECK(ebb_add_(a, b) == a && ebb_tensor_requires_grad(a) && !ebb_tensor_is_leaf(a));
        CHECK(!ebb_backward(ebb_sum(ebb_mul(a, a))));
        CHECK_VALUES(ebb_tensor_grad(b), 0, 6, 6);
    }
}

EBB_TEST(a_tensor_may_be_written_until_it_requires_gradients) {
    EBB_SCOPE {
        ebb_tensor *a = ebb_ones(EBB_DIMS(2), .dtype = EBB_F64), *view = ebb_slice(a, 0, 0, 1);
        ebb_add_(a, 5.0);
        ebb_add_(view, 5.0);
        CHECK(ebb_requires_grad_(a, true) && !ebb_backward(ebb_sum(a)));
        CHECK_VALUES(ebb_tensor_grad(a), 0, 1, 1);
        CHECK(!ebb_add_(a, 1.0));
        CHECK_ERROR(EBB_ERR_GRAPH, "is a leaf that requires gradients");
        CHECK(!ebb_add_(view, 1.0));
        CHECK_ERROR(EBB_ERR_GRAPH, "is a view of a leaf that requires gradients");
    }
}

EBB_TEST(rows_of_a_constant_are_assigned) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_zeros(EBB_DIMS(3, 2), .dtype = EBB_F64), *y = leaf(2), *z = leaf(2);
        ebb_copy_(ebb_select(x, 0, 0), y);
        ebb_copy_(ebb_select(x, 0, 1), ebb_mul(z, 2.0));
        CHECK(ebb_tensor_requires_grad(x) && ebb_tensor_grad_fn(x));
        CHECK(!ebb_backward(ebb_sum(x)));
        CHECK_VALUES(ebb_tensor_grad(y), 0, 1, 1);
        CHECK_VALUES(ebb_tensor_grad(z), 0, 2, 2);
    }
}

EBB_TEST(a_leaf_that_is_assigned_under_no_grad_stays_one) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        EBB_NO_GRAD { ebb_copy_(ebb_slice(x, 0, 0, 1), ebb_ones(EBB_DIMS(1))); }
        CHECK(ebb_tensor_is_leaf(x) && ebb_tensor_requires_grad(x) && first(x) == 1);
    }
}

EBB_TEST(a_write_under_no_grad_counts) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = leaf(2), *z = ebb_sum(ebb_mul(x, y));
        uint32_t version = ebb_tensor_version(x);
        EBB_NO_GRAD { ebb_mul_(x, 2.0); }
        CHECK(ebb_tensor_version(x) == version + 1 && ebb_backward(z) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "mul_");
        ebb_increment_version(x);
        CHECK(ebb_tensor_version(x) == version + 2);
    }
}

EBB_TEST(a_retained_gradient_is_that_of_the_last_value) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(1), *y = ebb_mul(x, 1.0);
        CHECK(!ebb_retain_grad(y));
        ebb_mul_(y, 2.0);
        ebb_mul_(y, 2.0);
        CHECK(!ebb_backward(ebb_sum(y)));
        CHECK_VALUES(ebb_tensor_grad(y), 0, 1);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 4);
    }
}

EBB_TEST(retained_gradients_of_one_node_of_which_one_is_written) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        ebb_list part = ebb_unbind(ebb_mul(x, 1.0));
        CHECK(!ebb_retain_grad(part.t[0]) && !ebb_retain_grad(part.t[1]));
        ebb_tensor *y = ebb_mul(part.t[0], 1.0);
        CHECK(!ebb_retain_grad(y) && ebb_mul_(y, 2.0) == y);
        CHECK(!ebb_backward(ebb_add(y, ebb_mul(part.t[1], 3.0))));
        CHECK(ebb_item(ebb_tensor_grad(y)) == 1 && ebb_item(ebb_tensor_grad(part.t[0])) == 2);
        CHECK(ebb_item(ebb_tensor_grad(part.t[1])) == 3);
    }
}

EBB_TEST(views_of_a_written_base_retain_their_gradients) {
    EBB_SCOPE {
        ebb_tensor *base = ebb_mul(leaf(1), 1.0), *view = ebb_slice(base, 0, 0, 1), *other = ebb_slice(base, 0, 0, 1);
        CHECK(!ebb_retain_grad(view) && !ebb_retain_grad(other));
        ebb_mul_(view, 2.0);
        CHECK(!ebb_backward(ebb_sum(ebb_add(view, other))));
        CHECK_VALUES(ebb_tensor_grad(view), 0, 1);
        CHECK_VALUES(ebb_tensor_grad(other), 0, 1);
    }
}

EBB_TEST(an_element_that_is_assigned_hides_what_was_there) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = ebb_add(x, 2.0);
        ebb_fill_(ebb_select(y, 0, 1), 2.0);
        CHECK(!ebb_backward(ebb_sum(y)));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 1, 0, 1);
    }
}

/* ---- elements that share memory ---- */

static ebb_tensor *expanded(ebb_tensor *t) { return ebb_expand(t, EBB_DIMS(2, 3)); }

/* As in PyTorch: one number may be written into all of them, where nothing is differentiated. */
EBB_TEST(one_number_into_an_expanded_tensor) {
    EBB_SCOPE {
        ebb_tensor *b = ebb_ones(EBB_DIMS(2, 1)), *x = expanded(b), *large = ebb_ones(EBB_DIMS(1));
        CHECK(ebb_fill_(x, 5.0) == x);
        CHECK_VALUES(b, 0, 5, 5);
        CHECK(ebb_tensor_version(b) == 1);
        CHECK(ebb_fill_(ebb_select(x, 0, 1), 7) != NULL); /* a part of it, of another dtype */
        CHECK_VALUES(b, 0, 5, 7);
        CHECK(ebb_zero_(x) == x);
        CHECK_VALUES(x, 0, 0, 0, 0, 0, 0, 0);
        CHECK(ebb_fill_(ebb_expand(large, EBB_DIMS(1000, 1000)), 3.0)); /* by several threads */
        CHECK_VALUES(large, 0, 3);
        CHECK(ebb_fill_(ebb_expand(ebb_zeros(EBB_DIMS(1, 0)), EBB_DIMS(2, 0)), 3.0));
        ebb_tensor *half = ebb_ones(EBB_DIMS(2, 1), .dtype = EBB_BF16);
        CHECK(ebb_fill_(expanded(half), 3.0));
        CHECK_VALUES(half, 0, 3, 3);
    }
}

EBB_TEST(what_may_not_be_written_into_an_expanded_tensor) {
    EBB_SCOPE {
        ebb_tensor *b = ebb_ones(EBB_DIMS(2, 1)), *x = expanded(b), *y = ebb_mul(b, leaf(1));
        CHECK(!ebb_fill_(x, ebb_scalar(1.0)) && !ebb_tensor_version(b));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "fill_: self is expanded: several of its elements share memory, so it cannot be");
        CHECK(!ebb_add_(x, 1.0) && !ebb_copy_(x, ebb_ones(EBB_DIMS(2, 3))));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "add_: self is expanded");
        ebb_tensor *z = expanded(y);
        CHECK(!ebb_zero_(z)); /* in PyTorch an error in backward */
        CHECK_ERROR(EBB_ERR_ARGUMENT, "zero_: self is expanded: several of its elements share memory, so it cannot be "
                                      "written in place where it is differentiated");
        x = expanded(b);
        ebb_mul_(b, y); /* its base has a history by now */
        CHECK(!ebb_fill_(x, 1.0));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "where it is differentiated");
        EBB_NO_GRAD CHECK(ebb_zero_(z) == z && ebb_zero_(x) == x);
        CHECK_VALUES(b, 0, 0, 0);
        EBB_DUAL_LEVEL {
            ebb_tensor *dual = ebb_make_dual(ebb_ones(EBB_DIMS(2, 1)), ebb_ones(EBB_DIMS(2, 1)));
            CHECK(!ebb_zero_(expanded(dual)));
            CHECK_ERROR(EBB_ERR_ARGUMENT, "where it is differentiated");
        }
    }
}

/* ---- second derivatives, forward over reverse, of every operator in place ---- */

struct written {
    const struct ebb_op *op;
    bool view;
};

/* The sum of y * y, where y, or a view of it, has been written. */
static ebb_status write_and_square(ebb_list in, ebb_outputs *out, void *context) {
    const struct written *w = context;
    char name[80];
    (void)snprintf(name, sizeof name, "%s_", w->op->name);
    ebb_tensor *y = ebb_mul(in.t[0], 1.0), *self = w->view ? ebb_narrow(y, 0, 0, 2) : y;
    ebb_tensor *a = ebb_mul(ebb_sin(w->view ? ebb_narrow(in.t[0], 0, 1, 2) : in.t[0]), 0.9), *b = ebb_mul(a, a);
    ebb_tensor *all[] = {self, a, b};
    if (ebb_call(name, ((ebb_list){w->op->n_in, all}))) out->t[out->n++] = ebb_sum(ebb_mul(y, y));
    return ebb_error_status();
}

EBB_TEST(second_derivatives_forward_over_reverse) {
    int compared = 0, wrong = 0;
    for (int i = 0; i < ebb_op_count(); i++) {
        struct written w = {ebb_op_get(i), false};
        if (!w.op->inplace || w.op->n_in > 3) continue;
        for (int view = 0; view < 2; view++) {
            w.view = view;
            EBB_SCOPE {
                static const double values[] = {.3, .5, .7};
                ebb_tensor *x = ebb_from_data(values, EBB_F64, EBB_DIMS(3)), *ones = ebb_ones_like(x), *a[1], *b[1];
                if (ebb_hvp(write_and_square, &w, EBB_LIST(x), EBB_LIST(ones), NULL, a) ||
                    ebb_vhp(write_and_square, &w, EBB_LIST(x), EBB_LIST(ones), NULL, b)) {
                    ebb_clear_error(); /* other arguments, or no derivative */
                    continue;
                }
                compared++;
                if (ebb_item(ebb_max(ebb_abs(ebb_sub(a[0], b[0])))) > 1e-9) { /* false for NaN */
                    print_error("%s_%s\n", w.op->name, view ? " of a view" : "");
                    wrong++;
                }
            }
        }
    }
    CHECK(wrong == 0 && compared > 150);
}

static void *pack_copy(ebb_tensor *t, void *context) {
    (void)context;
    return ebb_keep(ebb_clone(t));
}
static ebb_tensor *unpack_copy(void *packed, void *context) {
    (void)context;
    return packed;
}
static void drop_copy(void *packed, void *context) {
    (void)context;
    ebb_drop(packed);
}

static ebb_status square_of_exp(ebb_list in, ebb_outputs *out, void *context) {
    ebb_tensor *z = NULL;
    (void)context;
    EBB_SAVED_HOOKS(((ebb_saved_hooks){.pack = pack_copy, .unpack = unpack_copy, .release = drop_copy})) {
        z = ebb_exp(in.t[0]);
        ebb_mul_(z, z); /* exp's result is packed: its tangents, too, stay what they were */
    }
    out->t[out->n++] = ebb_sum(z);
    return ebb_error_status();
}

EBB_TEST(tangents_of_what_hooks_have_packed) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_full(EBB_DIMS(2), 0.5, .dtype = EBB_F64), *h;
        CHECK(ebb_hvp(square_of_exp, NULL, EBB_LIST(x), EBB_LIST(ebb_ones_like(x)), NULL, &h) == EBB_OK);
        CHECK_VALUES(h, 1e-12, 4 * exp(1), 4 * exp(1));
    }
}

EBB_TEST_MAIN
