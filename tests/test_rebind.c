/* Changing what a tensor is, not its values: ebb_set_ gives it another storage, ebb_detach_ takes its history. Expected
 * values are PyTorch's where it does not go wrong. */
#include "tests/check.h"
#include <ebb/ebb.h>

static ebb_tensor *leaf(int64_t n) { return ebb_full(EBB_DIMS(n), 2.0, .dtype = EBB_F64, .requires_grad = true); }
static ebb_tensor *constant(int64_t n, double value) { return ebb_full(EBB_DIMS(n), value, .dtype = EBB_F64); }
static ebb_tensor *count_to(int64_t n) { return ebb_arange(0.0, (double)n, 1.0, .dtype = EBB_F64); }

/* ---- set_ ---- */

EBB_TEST(a_tensor_takes_storage_and_shape) {
    EBB_SCOPE {
        ebb_tensor *x = constant(3, 1), *y = ebb_t(ebb_reshape(count_to(6), EBB_DIMS(2, 3)));
        ebb_add_(y, 1.0);
        CHECK(ebb_set_(x, y) == x);
        CHECK(ebb_tensor_ndim(x) == 2 && ebb_tensor_size(x, 0) == 3 && !ebb_tensor_is_contiguous(x));
        CHECK(ebb_tensor_shares_storage(x, y) && !ebb_tensor_is_view(x));
        CHECK_VALUES(x, 0, 1, 4, 2, 5, 3, 6);
        ebb_mul_(y, 2.0);
        CHECK_VALUES(x, 0, 2, 8, 4, 10, 6, 12);
        ebb_zero_(ebb_select(x, 0, 0)); /* and the other way round, through a view */
        CHECK_VALUES(y, 0, 0, 0, 4, 10, 6, 12);
    }
}

/* Small data lies in one block with the tensor that was made with it: either may outlive the other. */
EBB_TEST(storages_outlive_the_tensors_they_were_made_with) {
    EBB_SCOPE {
        ebb_tensor *x = NULL, *old = NULL;
        EBB_SCOPE {
            ebb_tensor *y = count_to(2);
            x = ebb_scope_hand(constant(2, 5));
            old = ebb_scope_hand(ebb_detach(x));
            ebb_set_(x, y);
        }
        CHECK_VALUES(x, 0, 0, 1);
        CHECK_VALUES(old, 0, 5, 5);
        x = NULL;
        EBB_SCOPE { /* the tensor goes first, then what it had; and one that is set back */
            ebb_tensor *a = constant(2, 7), *b = ebb_detach(a);
            x = ebb_scope_hand(b);
            ebb_set_(a, constant(1000, 1));
            ebb_set_(a, b);
            ebb_set_(a, a);
            CHECK_VALUES(a, 0, 7, 7);
            CHECK(ebb_tensor_version(a) == 3 && ebb_tensor_version(b) == 0);
        }
        CHECK_VALUES(x, 0, 7, 7);
    }
}

EBB_TEST(of_any_number_of_dimensions) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_scalar(1.0);
        ebb_tensor *deep = ebb_zeros(EBB_DIMS(1, 2, 1, 2, 1, 2, 1, 2));
        ebb_set_(x, deep);
        CHECK(ebb_tensor_ndim(x) == 8 && ebb_tensor_numel(x) == 16 && ebb_tensor_is_contiguous(x));
        ebb_set_(x, ebb_zeros(EBB_DIMS(0, 3)));
        CHECK(ebb_tensor_ndim(x) == 2 && ebb_tensor_numel(x) == 0);
        ebb_set_(x, ebb_expand(ebb_scalar(3.0), EBB_DIMS(2)));
        CHECK_VALUES(x, 0, 3, 3);
    }
}

EBB_TEST(versions_go_on_counting) {
    EBB_SCOPE {
        ebb_tensor *x = constant(2, 1), *y = constant(2, 1);
        for (int i = 0; i < 3; i++) ebb_add_(x, 1.0);
        for (int i = 0; i < 7; i++) ebb_add_(y, 1.0);
        ebb_set_(x, y);
        CHECK(ebb_tensor_version(x) == 4 && ebb_tensor_version(y) == 7);
        ebb_tensor *view = ebb_slice(x, 0, 0, 1);
        ebb_add_(view, 1.0);
        CHECK(ebb_tensor_version(x) == 5 && ebb_tensor_version(view) == 5);
        ebb_add_(y, 1.0); /* unlike in PyTorch */
        CHECK(ebb_tensor_version(x) == 6 && ebb_tensor_version(y) == 9);
    }
}

EBB_TEST(what_was_saved_of_it_is_overwritten) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(3), *x = ebb_name(constant(3, 1), "x"), *y = ebb_mul(x, w);
        ebb_set_(x, constant(3, 0)); /* which is at the version that was saved */
        CHECK(ebb_backward(ebb_sum(y)) == EBB_ERR_VERSION);
        CHECK(strstr(ebb_error()->message, "saved here by mul at version 0 and overwritten in place by set_ at "));
        CHECK_ERROR(EBB_ERR_VERSION, "test_rebind.c:");
    }
}

/* PyTorch does not notice this one: its counters are apart. */
EBB_TEST(a_write_by_either_is_noticed) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(3), *x = constant(3, 1), *y = constant(3, 2);
        ebb_set_(x, y);
        ebb_tensor *z = ebb_mul(x, w);
        CHECK(!ebb_backward(ebb_sum(z), .retain_graph = true));
        CHECK_VALUES(ebb_tensor_grad(w), 0, 2, 2, 2);
        ebb_add_(y, 1.0);
        CHECK(ebb_backward(ebb_sum(z)) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "overwritten in place by add_ at ");
        z = ebb_mul(y, w);
        ebb_add_(x, 1.0);
        CHECK(ebb_backward(ebb_sum(z)) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "MulBackward0");
    }
}

EBB_TEST(a_leaf_is_set_under_no_grad) {
    EBB_SCOPE {
        ebb_tensor *w = ebb_name(leaf(2), "w");
        CHECK(!ebb_set_(w, constant(3, 1)));
        CHECK_ERROR(EBB_ERR_GRAPH, "set_: w is a leaf that requires gradients");
        CHECK(!ebb_backward(ebb_sum(ebb_mul(w, w))));
        EBB_NO_GRAD CHECK(ebb_set_(w, constant(3, 5)) == w);
        CHECK(ebb_tensor_is_leaf(w) && ebb_tensor_requires_grad(w) && ebb_tensor_version(w) == 1);
        CHECK_VALUES(ebb_tensor_grad(w), 0, 4, 4); /* that of before, as in PyTorch */
        CHECK(ebb_backward(ebb_sum(ebb_mul(w, w))) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "w has shape [3], and a gradient of shape [2] from before");
        ebb_set_grad(w, NULL);
        CHECK(!ebb_backward(ebb_sum(ebb_mul(w, w))));
        CHECK_VALUES(ebb_tensor_grad(w), 0, 10, 10, 10);
    }
}

/* As `w.data = …` between forward and backward. */
EBB_TEST(a_leaf_that_is_set_before_backward) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(2), *sum = ebb_sum(ebb_add(w, 1.0)), *product = ebb_sum(ebb_mul(w, w)),
                   *other = ebb_sum(ebb_add(w, 1.0));
        EBB_NO_GRAD ebb_set_(w, constant(2, 5));
        CHECK(!ebb_backward(sum)); /* reads nothing */
        CHECK_VALUES(ebb_tensor_grad(w), 0, 1, 1);
        CHECK(ebb_backward(product) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "by set_ at ");
        EBB_NO_GRAD ebb_set_(w, constant(3, 5));
        CHECK(ebb_backward(other) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "does not fit an input of shape [3]");
    }
}

EBB_TEST(setting_has_no_derivative) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(2), *y = ebb_mul(w, 3.0), *x = constant(2, 1);
        CHECK(!ebb_set_(x, w));
        CHECK_ERROR(EBB_ERR_GRAPH, "source has a history");
        CHECK(!ebb_set_(y, x));
        CHECK_ERROR(EBB_ERR_GRAPH, "self has a history");
        EBB_NO_GRAD { /* as in PyTorch: the history stays */
            CHECK(ebb_set_(y, x) == y && ebb_set_(x, w) == x);
        }
        CHECK(!ebb_tensor_requires_grad(x) && ebb_tensor_grad_fn(y));
        CHECK(!ebb_backward(ebb_sum(y)));
        CHECK_VALUES(ebb_tensor_grad(w), 0, 3, 3);
    }
}

EBB_TEST(views_stay_with_the_old_storage) {
    EBB_SCOPE {
        ebb_tensor *base = constant(4, 1), *view = ebb_slice(base, 0, 1, 3), *w = leaf(2);
        CHECK(!ebb_set_(view, constant(2, 0)));
        CHECK_ERROR(EBB_ERR_GRAPH, "is a view");
        ebb_set_(base, constant(2, 3));
        CHECK(!ebb_tensor_is_view(view));
        ebb_mul_(base, w); /* the view has nothing to do with it; in PyTorch it gets a history */
        CHECK(ebb_tensor_requires_grad(base) && !ebb_tensor_requires_grad(view));
        CHECK_VALUES(view, 0, 1, 1);
        ebb_add_(view, 1.0);
        CHECK_VALUES(view, 0, 2, 2);
        CHECK_VALUES(base, 0, 6, 6);
        CHECK(!ebb_mul_(view, w));
        CHECK_ERROR(EBB_ERR_GRAPH, "set to another storage since");
        ebb_tensor *part = ebb_slice(base, 0, 1, 2), *part_of_old = ebb_slice(view, 0, 0, 1);
        CHECK(ebb_tensor_is_view(part) && !ebb_tensor_is_view(part_of_old));
        ebb_mul_(part, ebb_slice(w, 0, 0, 1));
        CHECK(!ebb_backward(ebb_sum(base)));
        CHECK_VALUES(ebb_tensor_grad(w), 0, 3 + 6, 6);
        CHECK(!ebb_tensor_requires_grad(part_of_old));
    }
}

/* Even when the base has its old storage again. */
EBB_TEST(a_view_of_another_time_is_no_view) {
    EBB_SCOPE {
        ebb_tensor *base = constant(4, 1), *same = ebb_detach(base), *w = leaf(4), *view = ebb_slice(base, 0, 0, 2);
        ebb_set_(base, constant(4, 3));
        ebb_tensor *later = ebb_slice(base, 0, 0, 2);
        ebb_set_(base, same);
        ebb_mul_(base, w);
        CHECK(!ebb_tensor_requires_grad(view) && !ebb_tensor_requires_grad(later));
        CHECK_VALUES(view, 0, 2, 2); /* shares its data all the same */
        CHECK(ebb_tensor_requires_grad(ebb_slice(base, 0, 0, 2)));
    }
}

EBB_TEST(forward_mode_keeps_to_the_new_storage) {
    EBB_SCOPE EBB_DUAL_LEVEL {
        ebb_tensor *x = constant(4, 1), *view = ebb_slice(x, 0, 2, 4), *tangent = NULL;
        ebb_set_(x, constant(2, 3));
        ebb_tensor *dual = ebb_make_dual(constant(2, 1), constant(2, 5));
        CHECK(!ebb_set_(dual, x));
        CHECK_ERROR(EBB_ERR_GRAPH, "carry a tangent");
        CHECK(!ebb_set_(x, dual));
        CHECK_ERROR(EBB_ERR_GRAPH, "carry a tangent");
        ebb_mul_(x, dual);
        ebb_unpack_dual(x, &tangent);
        CHECK_VALUES(tangent, 0, 15, 15);
        ebb_unpack_dual(ebb_mul(view, 2.0), &tangent);
        CHECK(!tangent);
        ebb_mul_(view, dual); /* a constant of its own */
        ebb_unpack_dual(view, &tangent);
        CHECK_VALUES(tangent, 0, 5, 5);
        ebb_unpack_dual(x, &tangent);
        CHECK_VALUES(tangent, 0, 15, 15);
    }
}

EBB_TEST(copies_within_one_storage) {
    EBB_SCOPE {
        ebb_tensor *x = constant(1, 1), *y = count_to(5);
        ebb_set_(x, y);
        ebb_copy_(ebb_slice(x, 0, 1, 5), ebb_slice(y, 0, 0, 4)); /* read before it is written; PyTorch refuses */
        CHECK_VALUES(y, 0, 0, 0, 1, 2, 3);
        ebb_copy_(x, y);
        ebb_copy_(x, ebb_flip(y, EBB_DIMS(0)));
        CHECK_VALUES(x, 0, 3, 2, 1, 0, 0);
        ebb_tensor *square = ebb_reshape(count_to(4), EBB_DIMS(2, 2));
        ebb_set_(x, square);
        ebb_copy_(x, ebb_t(square));
        CHECK_VALUES(square, 0, 0, 2, 1, 3);
    }
}

EBB_TEST(what_may_not_be_set) {
    EBB_SCOPE {
        ebb_tensor *x = constant(2, 1), *inference = NULL;
        CHECK(!ebb_set_(x, ebb_zeros(EBB_DIMS(2))));
        CHECK_ERROR(EBB_ERR_DTYPE, "self is float64, source float32");
        CHECK(!ebb_set_(x, ebb_number_f64(1)) && ebb_error_status() == EBB_ERR_ARGUMENT);
        ebb_clear_error();
        CHECK(!ebb_set_(ebb_number_f64(1), x) && ebb_error_status() == EBB_ERR_ARGUMENT);
        ebb_clear_error();
        CHECK(!ebb_set_(x, NULL));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "source");
        EBB_INFERENCE_MODE inference = ebb_scope_hand(constant(3, 4));
        CHECK(!ebb_set_(inference, x));
        CHECK_ERROR(EBB_ERR_GRAPH, "is an inference tensor");
        CHECK(ebb_set_(x, inference) == x && !ebb_tensor_is_inference(x)); /* as PyTorch has it */
        EBB_INFERENCE_MODE CHECK(ebb_set_(inference, constant(1, 2)));
        CHECK_VALUES(inference, 0, 2);
        CHECK_VALUES(x, 0, 4, 4, 4);
    }
}

static ebb_status squared(ebb_list in, ebb_outputs *ret_out, void *context) {
    ret_out->t[ret_out->n++] = ebb_sum(ebb_mul(in.t[0], ebb_mul(context, context)));
    return ebb_error_status();
}

EBB_TEST(checkpoints_and_budgets_notice_it) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(2), *x = leaf(2);
        ebb_outputs out = ebb_checkpoint(squared, w, EBB_LIST(x));
        EBB_NO_GRAD ebb_set_(w, constant(2, 5));
        CHECK(ebb_backward(out.t[0]) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "a parameter that was saved at ");
        out = ebb_checkpoint(squared, w, EBB_LIST(x)); /* which has its inputs as they were */
        EBB_NO_GRAD ebb_set_(x, constant(2, 7));
        CHECK(!ebb_backward(out.t[0]));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 25, 25);
        CHECK_VALUES(ebb_tensor_grad(w), 0, 2 * 2 * 5, 2 * 2 * 5);
    }
    EBB_SCOPE {
        ebb_tensor *x = constant(100, 2), *w = leaf(100), *y = NULL;
        EBB_MEMORY_BUDGET(0, NULL) {
            y = ebb_mul(ebb_exp(ebb_mul(x, w)), x);
            ebb_set_(x, constant(100, 0));
            y = ebb_sum(ebb_mul(y, ebb_add(x, 1.0)));
        }
        CHECK(!ebb_backward(y));
        CHECK_CLOSE(ebb_item(ebb_select(ebb_tensor_grad(w), 0, 0)), 4 * 54.598150033144236, 1e-14);
    }
}

static void to_bf16(ebb_tensor *x, ebb_tensor *w) {
    ebb_tensor *y = NULL;
    EBB_SAVED_HOOKS(ebb_saved_to_bf16()) {
        y = ebb_mul(x, w);
        ebb_set_(x, constant(4, 8));
        y = ebb_mul(y, x);
    }
    CHECK(!ebb_backward(ebb_sum(y)));
    CHECK_VALUES(ebb_tensor_grad(w), 0, 24, 24, 24, 24);
}

EBB_TEST(packed_values_stay_what_they_were) { EBB_SCOPE to_bf16(constant(4, 3), leaf(4)); }

EBB_TEST(an_optimizer_notices_another_size) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(2);
        ebb_optim *optim = ebb_adam(EBB_LIST(w), .lr = 0.1);
        CHECK(!ebb_backward(ebb_sum(w)) && !ebb_optim_step(optim));
        EBB_NO_GRAD ebb_set_(w, constant(2, 5));
        CHECK(!ebb_optim_step(optim));
        EBB_NO_GRAD ebb_set_(w, constant(1000, 5));
        CHECK(ebb_optim_step(optim) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "1000 elements, its gradient 2");
        ebb_set_grad(w, NULL);
        CHECK(!ebb_backward(ebb_sum(w)) && ebb_optim_step(optim) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "and had 2 in earlier steps");
        EBB_NO_GRAD ebb_set_(w, ebb_expand(ebb_reshape(constant(1, 1), EBB_DIMS(1)), EBB_DIMS(2)));
        ebb_set_grad(w, constant(2, 1));
        CHECK(ebb_optim_step(optim) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "is not contiguous any more");
        ebb_optim_free(optim);
    }
}

/* ---- detach_ ---- */

EBB_TEST(a_tensor_is_cut_off_from_its_graph) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(2), *x = ebb_mul(w, 3.0), *y = ebb_mul(x, x), *g = NULL;
        CHECK(ebb_detach_(x) == x);
        CHECK(ebb_tensor_is_leaf(x) && !ebb_tensor_requires_grad(x) && !ebb_tensor_grad_fn(x));
        CHECK(ebb_tensor_version(x) == 0);
        CHECK(!ebb_backward(ebb_sum(y), .retain_graph = true)); /* what was computed before keeps the history */
        CHECK_VALUES(ebb_tensor_grad(w), 0, 36, 36);
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(w), &g, .create_graph = true));
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(w), &g)); /* an error in PyTorch */
        CHECK_VALUES(g, 0, 18, 18);
        CHECK(ebb_requires_grad_(x, true) && !ebb_backward(ebb_sum(ebb_mul(x, x))));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 12, 12);
    }
}

/* As one that is switched off: it gathers nothing, also in a pass over what was recorded before. */
EBB_TEST(a_leaf_is_detached) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(2), *v = leaf(2), *y = ebb_sum(ebb_add(ebb_mul(w, 3.0), ebb_mul(v, 3.0)));
        EBB_NO_GRAD CHECK(ebb_detach_(w) == w && !ebb_tensor_requires_grad(w));
        ebb_requires_grad_(v, false);
        CHECK(!ebb_backward(y, .retain_graph = true));
        CHECK(!ebb_tensor_grad(w) && !ebb_tensor_grad(v));
        ebb_requires_grad_(v, true);
        CHECK(!ebb_backward(y));
        CHECK(!ebb_tensor_grad(w));
        CHECK_VALUES(ebb_tensor_grad(v), 0, 3, 3);
    }
}

/* Otherwise it would own itself; each test's end is its leak check. In PyTorch it does. */
EBB_TEST(a_former_leaf_is_not_written_with_what_came_of_it) {
    EBB_SCOPE {
        ebb_tensor *w = ebb_name(leaf(3), "w"), *v = leaf(3), *y = NULL;
        EBB_SCOPE {
            y = ebb_scope_hand(ebb_mul(w, v));
            ebb_detach_(w);
            CHECK(!ebb_add_(w, y));
            CHECK_ERROR(EBB_ERR_GRAPH, "add_: w was a leaf that requires gradients");
            CHECK(!ebb_add_(ebb_slice(w, 0, 0, 3), y));
            CHECK_ERROR(EBB_ERR_GRAPH, "or is a view of one");
            EBB_NO_GRAD CHECK(ebb_add_(w, y) == w);
        }
        CHECK_VALUES(w, 0, 6, 6, 6);
        ebb_requires_grad_(v, false);
        CHECK(!ebb_mul_(v, y));
        CHECK_ERROR(EBB_ERR_GRAPH, "was a leaf that requires gradients");
        CHECK(!ebb_tensor_requires_grad(v) && ebb_tensor_requires_grad(y));
    }
    EBB_SCOPE { /* when the graph is gone nothing leads back */
        ebb_tensor *w = leaf(3), *u = leaf(3);
        EBB_SCOPE CHECK(!ebb_backward(ebb_sum(ebb_mul(w, w))));
        ebb_requires_grad_(w, false);
        CHECK(ebb_mul_(w, u) == w && !ebb_backward(ebb_sum(w)));
        CHECK_VALUES(ebb_tensor_grad(u), 0, 2, 2, 2);
    }
}

static ebb_tensor *note(ebb_tensor *grad, void *context) {
    *(double *)context = ebb_item(ebb_select(grad, 0, 0));
    return NULL;
}

EBB_TEST(hooks_stay_with_the_value_when_it_is_detached) {
    EBB_SCOPE {
        double seen = 0;
        ebb_tensor *w = leaf(2), *x = ebb_mul(w, 3.0);
        CHECK(!ebb_retain_grad(x) && ebb_register_hook(x, note, &seen, NULL));
        ebb_tensor *y = ebb_sum(ebb_mul(x, 5.0));
        ebb_detach_(x);
        CHECK(!ebb_backward(y));
        CHECK(seen == 5);
        CHECK(!ebb_tensor_grad(x)); /* PyTorch still stores it */
    }
}

EBB_TEST(views_are_not_detached_in_place) {
    EBB_SCOPE {
        ebb_tensor *y = ebb_mul(leaf(4), 3.0), *view = ebb_slice(y, 0, 0, 2), *base = ebb_clone(y);
        CHECK(!ebb_detach_(view));
        CHECK_ERROR(EBB_ERR_GRAPH, "detach_: the tensor is a view and cannot be detached in place");
        CHECK(!ebb_detach_(ebb_slice(constant(4, 1), 0, 0, 2)));
        CHECK_ERROR(EBB_ERR_GRAPH, "is a view");
        CHECK(!ebb_detach_(NULL));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "detach_");
        view = ebb_slice(base, 0, 0, 2); /* of a base that is detached a view keeps its own history */
        ebb_detach_(base);
        CHECK(ebb_tensor_requires_grad(view) && !ebb_tensor_requires_grad(base));
        EBB_DUAL_LEVEL {
            ebb_tensor *tangent = NULL, *dual = ebb_make_dual(constant(2, 1), constant(2, 1)), *z = ebb_mul(dual, dual);
            ebb_unpack_dual(ebb_detach_(z), &tangent);
            CHECK(!tangent);
        }
    }
}

/* In PyTorch the base, written without a history, cuts the view off, and the view cannot be written. */
EBB_TEST(a_view_of_a_base_that_was_detached) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(4), *u = leaf(2), *b = ebb_mul(w, 2.0), *v = ebb_slice(b, 0, 0, 2);
        ebb_detach_(b);
        ebb_mul_(b, 3.0); /* as of what ebb_detach gives: data are shared, histories are not */
        CHECK(!ebb_tensor_requires_grad(b) && !ebb_backward(ebb_sum(v)));
        CHECK_VALUES(v, 0, 12, 12);
        CHECK_VALUES(ebb_tensor_grad(w), 0, 2, 2, 0, 0);
        ebb_set_grad(w, NULL);
        b = ebb_mul(w, 2.0);
        v = ebb_slice(b, 0, 0, 2);
        ebb_detach_(b);
        CHECK(ebb_mul_(v, u) == v && ebb_tensor_requires_grad(b)); /* what is written is a part of b again */
        CHECK(!ebb_backward(ebb_sum(ebb_mul(b, ebb_arange(1, 5, 1)))));
        CHECK_VALUES(ebb_tensor_grad(u), 0, 4, 8);
        CHECK_VALUES(ebb_tensor_grad(w), 0, 4, 8, 0, 0);
        ebb_set_grad(w, NULL);
        b = ebb_mul(w, 2.0);
        v = ebb_slice(b, 0, 0, 2);
        ebb_detach_(b);
        ebb_mul_(b, ebb_cat(EBB_LIST(u, u), 0)); /* of a base with a history views get theirs, as always */
        ebb_set_grad(u, NULL);
        CHECK(!ebb_backward(ebb_sum(v)) && !ebb_tensor_grad(w));
        CHECK_VALUES(ebb_tensor_grad(u), 0, 4, 4);
    }
    EBB_SCOPE { /* nothing owns itself */
        ebb_tensor *w = leaf(4), *b = ebb_exp(w), *v = ebb_slice(b, 0, 0, 2);
        ebb_tensor *y = ebb_mul(ebb_slice(ebb_mul(b, b), 0, 0, 2), ebb_square(v)); /* saves both */
        ebb_detach_(b);
        CHECK(ebb_mul_(v, y) == v && ebb_tensor_requires_grad(b));
    }
}

/* ---- memory ---- */

static void everything(void) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(3), *x = constant(3, 1), *y = ebb_mul(x, w), *view = ebb_slice(x, 0, 0, 2);
        ebb_set_(x, constant(5, 1));
        ebb_set_(x, ebb_slice(constant(5, 1), 0, 0, 2));
        view = ebb_slice(x, 0, 0, 1);
        ebb_add_(view, 1.0);
        EBB_NO_GRAD ebb_set_(w, x);
        ebb_detach_(y);
        ebb_add_(y, ebb_sum(w));
        if (!ebb_backward(ebb_sum(y))) CHECK_VALUES(ebb_tensor_grad(w), 0, 3, 3);
    }
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(everything, 0); }

EBB_TEST_MAIN
