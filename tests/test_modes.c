/* Grad modes, inference mode, and what shares a tensor's storage. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <pthread.h>

static ebb_tensor *leaf(int64_t n) { return ebb_full(EBB_DIMS(n), 2.0, .dtype = EBB_F64, .requires_grad = true); }
static bool recorded(ebb_tensor *x) { return ebb_tensor_requires_grad(ebb_mul(x, 2.0)); }

/* ---- no_grad, enable_grad ---- */

EBB_TEST(modes_nest) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        EBB_NO_GRAD {
            EBB_NO_GRAD CHECK(!recorded(x));
            CHECK(!recorded(x));
            EBB_ENABLE_GRAD {
                CHECK(recorded(x));
                EBB_NO_GRAD CHECK(!recorded(x));
                CHECK(recorded(x));
            }
            CHECK(!recorded(x));
        }
        CHECK(recorded(x));
    }
}

static int leave_early(ebb_tensor *x) {
    EBB_NO_GRAD {
        if (recorded(x)) return -1;
        EBB_ENABLE_GRAD return recorded(x);
    }
    return -1;
}

EBB_TEST(a_mode_ends_with_its_block_however_that_is_left) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        CHECK(leave_early(x) == 1 && ebb_is_grad_enabled());
        for (int i = 0; i < 3; i++) {
            EBB_NO_GRAD {
                if (i == 1) break;
            }
            CHECK(ebb_is_grad_enabled());
        }
        CHECK(ebb_set_grad_enabled(false) && !ebb_set_grad_enabled(true) && ebb_is_grad_enabled());
    }
}

static void *other_thread(void *x) {
    EBB_SCOPE {
        bool right = ebb_is_grad_enabled() && !ebb_is_inference_mode_enabled() && recorded(x);
        ebb_set_grad_enabled(false);
        if (!right) return x;
    }
    return NULL;
}

EBB_TEST(modes_belong_to_a_thread) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        for (int mode = 0; mode < 2; mode++) {
            ebb_inference_mode inference = ebb_inference_mode_open(mode);
            ebb_set_grad_enabled(false);
            pthread_t thread;
            void *failed;
            CHECK(!pthread_create(&thread, NULL, other_thread, x) && !pthread_join(thread, &failed) && !failed);
            ebb_inference_mode_close(&inference);
            CHECK(ebb_is_grad_enabled());
        }
    }
}

EBB_TEST(leaves_can_be_made_under_no_grad) {
    EBB_SCOPE {
        ebb_tensor *x = NULL;
        EBB_NO_GRAD x = ebb_ones(EBB_DIMS(2), .requires_grad = true);
        CHECK(ebb_tensor_requires_grad(x) && recorded(x));
    }
}

static ebb_tensor *note_mode(ebb_tensor *g, void *mode) {
    (void)g;
    *(int *)mode = ebb_is_grad_enabled();
    return NULL;
}

EBB_TEST(rules_and_hooks_run_in_the_mode_of_the_pass) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_sum(ebb_mul(x, x));
        int mode = -1;
        CHECK(ebb_register_hook(x, note_mode, &mode, NULL));
        for (int create = 0; create < 2; create++) {
            EBB_NO_GRAD CHECK(!ebb_backward(y, .retain_graph = true, .create_graph = create));
            CHECK(mode == create);
        }
        CHECK(ebb_is_grad_enabled() && !ebb_set_grad(x, NULL));
    }
}

/* ---- inference mode ---- */

EBB_TEST(inference_tensors) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *i = NULL, *y = NULL, *v = NULL, *d = NULL;
        EBB_INFERENCE_MODE {
            CHECK(ebb_is_inference_mode_enabled() && !ebb_is_grad_enabled());
            i = ebb_ones(EBB_DIMS(3), .dtype = EBB_F64);
            y = ebb_mul(x, 2.0);
            v = ebb_slice(x, 0, 0, 2);
            d = ebb_detach(x);
            CHECK(!ebb_tensor_requires_grad(y));
            CHECK(ebb_add_(i, 1.0) == i); /* inside it may be written */
            EBB_ENABLE_GRAD CHECK(!recorded(x));
            ebb_inference_mode off = ebb_inference_mode_open(false);
            CHECK(!ebb_is_inference_mode_enabled() && recorded(x));
            ebb_inference_mode_close(&off);
            CHECK(!recorded(x));
        }
        CHECK(!ebb_is_inference_mode_enabled() && ebb_is_grad_enabled());
        CHECK(ebb_tensor_is_inference(i) && ebb_tensor_is_inference(y));
        CHECK(!ebb_tensor_is_inference(v) && !ebb_tensor_is_inference(d) && !ebb_tensor_is_inference(x));
        CHECK(ebb_tensor_is_inference(ebb_slice(i, 0, 0, 2)) && ebb_tensor_is_inference(ebb_detach(i)));
        CHECK(!ebb_tensor_is_inference(ebb_clone(i)) && !ebb_tensor_is_inference(ebb_mul(i, 2.0)));
        CHECK(!ebb_tensor_is_inference(NULL));
    }
}

EBB_TEST(what_inference_tensors_may_not_do_outside) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *i = NULL, *g = NULL;
        EBB_INFERENCE_MODE i = ebb_full(EBB_DIMS(2), 3.0, .dtype = EBB_F64);
        CHECK(!ebb_add_(i, 1.0));
        CHECK_ERROR(EBB_ERR_GRAPH, "add_: self is an inference tensor and cannot be written outside of inference mode");
        EBB_NO_GRAD CHECK(!ebb_copy_(ebb_slice(i, 0, 0, 1), ebb_ones(EBB_DIMS(1))));
        CHECK_ERROR(EBB_ERR_GRAPH, "is an inference tensor");
        CHECK(!ebb_mul(x, i));
        CHECK_ERROR(EBB_ERR_GRAPH, "mul: an inference tensor cannot be saved for backward");
        CHECK(!ebb_mul_(ebb_clone(x), i));
        CHECK_ERROR(EBB_ERR_GRAPH, "an inference tensor cannot be saved for backward");
        CHECK(!ebb_requires_grad_(i, true));
        CHECK_ERROR(EBB_ERR_GRAPH, "an inference tensor cannot require gradients outside of inference mode");
        /* where it is not saved it may be used */
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_add(x, i))), EBB_LIST(x), &g));
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_mul(x, ebb_clone(i)))), EBB_LIST(x), &g));
        CHECK_VALUES(g, 0, 3, 3);
        ebb_tensor *plain = ebb_zeros(EBB_DIMS(2), .dtype = EBB_F64);
        CHECK(ebb_copy_(plain, i) == plain && ebb_add_(ebb_mul(x, 1.0), i));
    }
}

EBB_TEST(views_made_in_inference_mode) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = ebb_mul(x, 2.0), *v = NULL, *w = NULL;
        EBB_INFERENCE_MODE {
            v = ebb_slice(y, 0, 0, 2);
            CHECK(ebb_mul_(v, 5.0) == v); /* not recorded */
            w = ebb_slice(v, 0, 0, 1);
        }
        CHECK_VALUES(y, 0, 20, 20, 4);
        CHECK(!ebb_mul_(v, 2.0));
        CHECK_ERROR(EBB_ERR_GRAPH, "is a view made in inference mode and cannot be written outside of it");
        CHECK(!ebb_mul_(w, 2.0) && ebb_error());
        ebb_clear_error();
        CHECK(ebb_mul_(ebb_slice(y, 0, 0, 2), 2.0)); /* another view of the same elements */
        CHECK(!ebb_backward(ebb_sum(y)));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 4, 4, 2);
    }
}

EBB_TEST(a_write_in_inference_mode_is_noticed) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 2.0), *z = ebb_sum(ebb_mul(y, y));
        EBB_INFERENCE_MODE CHECK(ebb_add_(y, 1.0) == y);
        CHECK(ebb_backward(z) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "MulBackward0");
    }
}

EBB_TEST(backward_in_inference_mode_gives_ordinary_gradients) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_sum(ebb_mul(x, x)), *g = NULL;
        EBB_INFERENCE_MODE {
            CHECK(!ebb_backward(y, .retain_graph = true));
            CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true));
            CHECK(ebb_is_inference_mode_enabled());
        }
        CHECK(!ebb_tensor_is_inference(ebb_tensor_grad(x)) && !ebb_tensor_is_inference(g));
        CHECK(ebb_tensor_requires_grad(g));
        CHECK(!ebb_backward(y)); /* adds to it, outside */
        CHECK_VALUES(ebb_tensor_grad(x), 0, 8, 8);
    }
}

EBB_TEST(a_leaf_made_in_inference_mode) {
    EBB_SCOPE {
        ebb_tensor *i = NULL;
        EBB_INFERENCE_MODE i = ebb_ones(EBB_DIMS(2), .requires_grad = true);
        CHECK(ebb_tensor_requires_grad(i));
        ebb_tensor *y = ebb_mul(i, i); /* of inference tensors alone nothing is recorded, nor saved */
        CHECK(y && !ebb_tensor_requires_grad(y) && ebb_backward(ebb_sum(i)) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "does not require gradients");
        ebb_tensor *x = leaf(2);
        CHECK(!ebb_mul(i, x));
        CHECK_ERROR(EBB_ERR_GRAPH, "an inference tensor cannot be saved for backward");
        CHECK(!ebb_backward(ebb_sum(ebb_add(ebb_to(i, EBB_F64), x))));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 1, 1);
    }
}

/* ---- detach ---- */

EBB_TEST(a_detached_tensor_shares_storage_and_version) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0), *d = ebb_detach(y), *z = ebb_sum(ebb_mul(y, y));
        CHECK(ebb_tensor_is_leaf(d) && !ebb_tensor_requires_grad(d) && !ebb_tensor_grad_fn(d));
        CHECK(ebb_tensor_data(d) == ebb_tensor_data(y));
        ebb_mul_(d, 2.0);
        CHECK_VALUES(y, 0, 12, 12);
        CHECK(ebb_tensor_version(d) == ebb_tensor_version(y));
        CHECK(ebb_backward(z) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "mul_");
    }
}

EBB_TEST(a_detached_tensor_can_be_a_leaf_of_its_own) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *d = ebb_requires_grad_(ebb_detach(ebb_mul(x, 3.0)), true);
        CHECK(!ebb_backward(ebb_sum(ebb_mul(d, d))));
        CHECK_VALUES(ebb_tensor_grad(d), 0, 12, 12);
        CHECK(!ebb_tensor_grad(x));
    }
}

EBB_TEST(a_detached_view_is_no_view) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = ebb_mul(x, 3.0), *d = ebb_detach(ebb_slice(y, 0, 0, 2));
        ebb_mul_(d, 2.0); /* changes y's value, but no history */
        CHECK(!ebb_backward(ebb_sum(y)));
        CHECK_VALUES(y, 0, 12, 12, 6);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 3, 3, 3);
    }
}

/* ---- copies that overlap ---- */

EBB_TEST(copies_that_overlap) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_requires_grad_(ebb_arange(1, 7, 1, .dtype = EBB_F64), true), *y = ebb_mul(x, 1.0);
        CHECK(ebb_copy_(ebb_slice(y, 0, 2, 6), ebb_slice(y, 0, 0, 4))); /* as if read before any is written */
        CHECK_VALUES(y, 0, 1, 2, 1, 2, 3, 4);
        CHECK(ebb_copy_(ebb_slice(y, 0, 0, 4), ebb_slice(y, 0, 1, 5)));
        CHECK_VALUES(y, 0, 2, 1, 2, 3, 3, 4);
        CHECK(!ebb_backward(ebb_sum(ebb_mul(y, ebb_arange(1, 7, 1)))));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 2 + 0, 1 + 3, 4 + 5, 6, 0, 0);
    }
}

EBB_TEST(sums_that_overlap) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_requires_grad_(ebb_arange(1, 5, 1, .dtype = EBB_F64), true), *y = ebb_mul(x, 1.0);
        CHECK(ebb_add_(ebb_slice(y, 0, 1, 4), ebb_slice(y, 0, 0, 3)));
        CHECK_VALUES(y, 0, 1, 2 + 1, 3 + 2, 4 + 3);
        CHECK(ebb_add_(y, ebb_select(y, 0, 0)));
        CHECK_VALUES(y, 0, 2, 4, 6, 8);
        CHECK(!ebb_backward(ebb_sum(ebb_mul(y, ebb_arange(1, 5, 1)))));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 1 + 2 + 10, 2 + 3, 3 + 4, 4);
        y = ebb_reshape(ebb_mul(x, 1.0), EBB_DIMS(2, 2));
        CHECK(ebb_add_(y, ebb_t(y)));
        CHECK_VALUES(y, 0, 2, 5, 5, 8);
    }
}

EBB_TEST(a_copy_onto_itself_is_the_identity) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0);
        CHECK(ebb_copy_(y, y) == y);
        CHECK(!ebb_backward(ebb_sum(y)));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 3, 3);
        CHECK(!ebb_copy_(ebb_expand(ebb_ones(EBB_DIMS(1)), EBB_DIMS(3)), ebb_ones(EBB_DIMS(3))));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "is expanded");
    }
}

/* ---- the parts of what gives several views ---- */

EBB_TEST(chunks_are_written_each) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(6), *y = ebb_mul(x, 3.0);
        ebb_list part = ebb_chunk(y, 3), row = ebb_unbind(ebb_reshape(y, EBB_DIMS(2, 3)));
        for (int i = 0; i < 3; i++) CHECK(ebb_mul_(part.t[i], i + 2.0) == part.t[i]); /* PyTorch refuses */
        CHECK(ebb_mul_(row.t[1], 10.0) == row.t[1]);
        CHECK_VALUES(y, 0, 12, 12, 18, 180, 240, 240);
        CHECK(!ebb_backward(ebb_add(ebb_sum(part.t[1]), ebb_sum(ebb_mul(y, 2.0)))));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 12, 12, 27, 270, 240, 240);
    }
}

EBB_TEST(chunks_of_a_leaf_and_of_no_grad) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(4), *y = ebb_mul(x, 3.0);
        CHECK(!ebb_mul_(ebb_chunk(x, 2).t[0], 2.0));
        CHECK_ERROR(EBB_ERR_GRAPH, "is a view of a leaf that requires gradients");
        ebb_list part = {0};
        EBB_NO_GRAD {
            part = ebb_chunk(y, 2);
            CHECK(ebb_mul_(part.t[0], 2.0) == part.t[0]);
        }
        CHECK(!ebb_mul_(part.t[1], x) && ebb_error_status() == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "mul_");
    }
}

EBB_TEST_MAIN
