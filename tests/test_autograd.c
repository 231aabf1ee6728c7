/* The graph and the engine: leaves and nodes, accumulation, retain_graph, create_graph, modes, hooks, errors, long
 * chains. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>
#include <pthread.h>

static ebb_tensor *leaf(double v) { return ebb_scalar(v, .requires_grad = true, .dtype = EBB_F64); }

static double grad_of(const ebb_tensor *t) { return ebb_item(ebb_tensor_grad(t)); }

EBB_TEST(chapter_one) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = leaf(3);
        ebb_tensor *a = ebb_mul(x, y), *b = ebb_sin(x), *z = ebb_add(a, b);
        CHECK(ebb_tensor_is_leaf(x) && !ebb_tensor_is_leaf(z));
        CHECK(!strcmp(ebb_node_name(ebb_tensor_grad_fn(z)), "AddBackward0"));
        CHECK(!strcmp(ebb_node_name(ebb_node_input(ebb_tensor_grad_fn(z), 0)), "MulBackward0"));
        CHECK(!strcmp(ebb_node_name(ebb_node_input(ebb_tensor_grad_fn(z), 1)), "SinBackward0"));
        CHECK(ebb_node_variable(ebb_node_input(ebb_tensor_grad_fn(a), 1)) == y);
        CHECK(strstr(ebb_node_file(ebb_tensor_grad_fn(z)), "test_autograd.c"));
        CHECK(ebb_retain_grad(a) == EBB_OK && ebb_retain_grad(b) == EBB_OK);
        CHECK(ebb_backward(z) == EBB_OK);
        CHECK_CLOSE(grad_of(x), 3 + cos(2), 1e-15);
        CHECK_CLOSE(grad_of(y), 2, 0);
        CHECK_CLOSE(grad_of(a), 1, 0);
        CHECK_CLOSE(grad_of(b), 1, 0);
        CHECK(ebb_tensor_grad(z) == NULL);
    }
}

EBB_TEST(gradients_accumulate) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3);
        for (int i = 1; i <= 3; i++) {
            CHECK(ebb_backward(ebb_mul(x, x)) == EBB_OK);
            CHECK_CLOSE(grad_of(x), 6.0 * i, 0);
        }
        CHECK(ebb_set_grad(x, NULL) == EBB_OK && ebb_tensor_grad(x) == NULL);
        ebb_tensor *s = ebb_add(x, x); /* one gradient arriving twice at one leaf */
        CHECK(ebb_backward(s) == EBB_OK);
        CHECK_CLOSE(grad_of(x), 2, 0);
    }
}

EBB_TEST(a_gradient_is_not_shared_between_leaves) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(1), *y = leaf(1);
        CHECK(ebb_backward(ebb_add(x, y)) == EBB_OK);
        CHECK(ebb_backward(ebb_mul(x, 5.0)) == EBB_OK);
        CHECK_CLOSE(grad_of(x), 6, 0);
        CHECK_CLOSE(grad_of(y), 1, 0);
    }
}

EBB_TEST(upstream_gradient_of_the_caller_is_left_alone) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2), .requires_grad = true), *g = ebb_full(EBB_DIMS(2), 2.0);
        for (int i = 0; i < 2; i++) CHECK(ebb_backward(ebb_clone(x), .gradient = g) == EBB_OK);
        CHECK_VALUES(g, 0, 2, 2);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 4, 4);
    }
}

EBB_TEST(a_broadcast_input_gets_the_sum) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3), .requires_grad = true),
                   *b = ebb_ones(EBB_DIMS(3), .requires_grad = true);
        ebb_tensor *c = ebb_ones(EBB_DIMS(2, 1), .requires_grad = true);
        CHECK(ebb_backward(ebb_sum(ebb_mul(ebb_add(x, b), c))) == EBB_OK);
        CHECK_VALUES(ebb_tensor_grad(b), 0, 2, 2, 2);
        CHECK_VALUES(ebb_tensor_grad(c), 0, 6, 6);
        CHECK_SHAPE(ebb_tensor_grad(c), 2, 1);
    }
}

EBB_TEST(gradients_come_back_in_the_dtype_of_their_input) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2), .requires_grad = true);
        ebb_tensor *y = ebb_full(EBB_DIMS(2), 3.0, .dtype = EBB_F64, .requires_grad = true);
        ebb_tensor *z = ebb_mul(x, y);
        CHECK(ebb_tensor_dtype(z) == EBB_F64);
        CHECK(ebb_backward(ebb_sum(z)) == EBB_OK);
        CHECK(ebb_tensor_dtype(ebb_tensor_grad(x)) == EBB_F32);
        CHECK(ebb_tensor_dtype(ebb_tensor_grad(y)) == EBB_F64);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 3, 3);
    }
}

EBB_TEST(the_same_root_twice_counts_twice) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *z = ebb_mul(x, x), *g;
        CHECK(ebb_grad(EBB_LIST(z, z), EBB_LIST(x), &g) == EBB_OK);
        CHECK_CLOSE(ebb_item(g), 8, 0);
        CHECK(ebb_tensor_grad(x) == NULL);
    }
}

EBB_TEST(one_root_before_another) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, x), *z = ebb_mul(y, y), *g[2];
        CHECK(ebb_grad(EBB_LIST(z, y), EBB_LIST(x, y), g) == EBB_OK);
        CHECK_CLOSE(ebb_item(g[0]), 4 * 8 + 4, 0);
        CHECK_CLOSE(ebb_item(g[1]), 2 * 4 + 1, 0);
    }
}

EBB_TEST(higher_orders) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(1.3), *g = ebb_mul(ebb_sin(x), x);
        double want[] = {sin(1.3) + 1.3 * cos(1.3), 2 * cos(1.3) - 1.3 * sin(1.3), -3 * sin(1.3) - 1.3 * cos(1.3)};
        for (int i = 0; i < 3; i++) {
            CHECK(ebb_grad(EBB_LIST(g), EBB_LIST(x), &g, .create_graph = true) == EBB_OK);
            CHECK_CLOSE(ebb_item(g), want[i], 1e-14);
            CHECK(ebb_tensor_requires_grad(g));
        }
    }
}

EBB_TEST(create_graph_into_grad) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        CHECK(ebb_backward(ebb_exp(ebb_mul(x, x)), .create_graph = true) == EBB_OK);
        ebb_tensor *g = ebb_keep(ebb_tensor_grad(x)), *h;
        CHECK(ebb_tensor_requires_grad(g));
        CHECK(ebb_grad(EBB_LIST(g), EBB_LIST(x), &h) == EBB_OK);
        CHECK_CLOSE(ebb_item(h), (2 + 4 * 4) * exp(4), 1e-12);
        CHECK(ebb_set_grad(x, NULL) == EBB_OK); /* x owns g and g's graph owns x: a cycle until here */
        ebb_drop(g);
    }
}

EBB_TEST(backward_into_some_inputs_only) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = leaf(3), *a = ebb_mul(x, y), *z = ebb_mul(a, y);
        CHECK(ebb_backward(z, .inputs = EBB_LIST(x, a)) == EBB_OK);
        CHECK_CLOSE(grad_of(x), 9, 0);
        CHECK_CLOSE(grad_of(a), 3, 0);
        CHECK(ebb_tensor_grad(y) == NULL);
    }
}

EBB_TEST(unused_inputs) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = leaf(3), *g[2] = {NULL, NULL};
        ebb_tensor *z = ebb_mul(x, x);
        CHECK(ebb_grad(EBB_LIST(z), EBB_LIST(x, y), g, .retain_graph = true) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "input 1");
        CHECK(g[0] == NULL && g[1] == NULL);
        CHECK(ebb_grad(EBB_LIST(z), EBB_LIST(x, y), g, .retain_graph = true, .allow_unused = true) == EBB_OK);
        CHECK(g[1] == NULL);
        CHECK(ebb_grad(EBB_LIST(z), EBB_LIST(x, y), g, .materialize_grads = true) == EBB_OK);
        CHECK_CLOSE(ebb_item(g[0]), 4, 0);
        CHECK_CLOSE(ebb_item(g[1]), 0, 0);
    }
}

EBB_TEST(a_second_backward_needs_retain_graph) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *z = ebb_mul(x, x);
        CHECK(ebb_backward(z, .retain_graph = true) == EBB_OK);
        CHECK(ebb_backward(z) == EBB_OK);
        CHECK_CLOSE(grad_of(x), 8, 0);
        CHECK(ebb_backward(z) == EBB_ERR_FREED);
        CHECK(ebb_error()->line > 0 && strstr(ebb_error()->file, "test_autograd.c"));
        CHECK_ERROR(EBB_ERR_FREED, "MulBackward0: backward a second time");
        ebb_tensor *s = ebb_add(x, x); /* saves nothing, so it may be run again, as in PyTorch */
        CHECK(ebb_backward(s) == EBB_OK && ebb_backward(s) == EBB_OK);
    }
}

EBB_TEST(overwriting_what_was_saved) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = leaf(5), *a = ebb_mul(x, 1.0), *z = ebb_mul(a, y);
        ebb_add_(a, 1.0);
        CHECK(ebb_backward(z) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "overwritten in place");
        ebb_tensor *e = ebb_exp(x), *w = ebb_mul(e, 2.0);
        ebb_mul_(e, 2.0);
        CHECK(ebb_backward(w) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "ExpBackward0");
    }
}

EBB_TEST(writing_in_place_is_recorded) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *a = ebb_mul(x, 3.0);
        ebb_mul_(a, 5.0);
        ebb_add_(a, x);
        CHECK_CLOSE(ebb_item(a), 32, 0);
        CHECK(ebb_backward(a) == EBB_OK);
        CHECK_CLOSE(grad_of(x), 16, 0);
        ebb_add_(x, 1.0);
        CHECK_ERROR(EBB_ERR_GRAPH, "is a leaf that requires gradients");
        EBB_NO_GRAD { ebb_add_(x, 1.0); }
        CHECK_CLOSE(ebb_item(x), 3, 0);
        ebb_tensor *b = ebb_mul(x, 2.0), *y = leaf(4); /* y's gradient needs b as it was: a copy is kept */
        ebb_mul_(b, y);
        CHECK(ebb_set_grad(x, NULL) == EBB_OK && ebb_backward(b) == EBB_OK);
        CHECK_CLOSE(grad_of(y), 6, 0);
        CHECK_CLOSE(grad_of(x), 8, 0);
        ebb_tensor *own = ebb_mul(x, 2.0); /* x * x with x overwritten by the product itself */
        ebb_mul_(own, own);
        CHECK(ebb_backward(own) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "MulBackward0");
    }
}

EBB_TEST(modes) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        EBB_NO_GRAD {
            CHECK(!ebb_is_grad_enabled() && !ebb_tensor_requires_grad(ebb_mul(x, x)));
            EBB_ENABLE_GRAD { CHECK(ebb_tensor_requires_grad(ebb_mul(x, x))); }
            CHECK(!ebb_is_grad_enabled());
            break; /* leaves the block only, and restores the mode */
        }
        CHECK(ebb_is_grad_enabled());
        ebb_tensor *d = ebb_detach(ebb_mul(x, x));
        CHECK(!ebb_tensor_requires_grad(d) && ebb_tensor_is_leaf(d));
    }
}

static ebb_tensor *times_ten(ebb_tensor *g, void *calls) {
    ++*(int *)calls;
    return ebb_mul(g, 10.0);
}
static ebb_tensor *look(ebb_tensor *g, void *seen) {
    *(double *)seen = ebb_item(g);
    return NULL;
}
static ebb_tensor *refuse(ebb_tensor *g, void *context) {
    (void)g;
    (void)context;
    ebb_fail(EBB_ERR_CALLBACK, "the hook refused");
    return NULL;
}
static ebb_tensor *pass_on(ebb_tensor *g, void *context) {
    (void)context;
    return g;
}
static void released(void *count) { ++*(int *)count; }

EBB_TEST(hooks) {
    int calls = 0, gone = 0;
    double seen = 0;
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *a = ebb_mul(x, 3.0), *z = ebb_mul(a, 1.0);
        CHECK(ebb_register_hook(a, times_ten, &calls, NULL));
        ebb_hook second = ebb_register_hook(a, look, &seen, NULL);
        CHECK(ebb_register_hook(x, times_ten, &calls, NULL));
        CHECK(ebb_register_hook(x, pass_on, &gone, released));
        CHECK(ebb_backward(z, .retain_graph = true) == EBB_OK);
        CHECK_CLOSE(seen, 10, 0); /* the second hook sees what the first made */
        CHECK_CLOSE(grad_of(x), 300, 0);
        CHECK(calls == 2);
        ebb_remove_hook(second);
        ebb_remove_hook(second); /* gone already */
        CHECK(ebb_register_hook(z, refuse, NULL, NULL));
        CHECK(ebb_backward(z, .retain_graph = true) == EBB_ERR_CALLBACK);
        CHECK_ERROR(EBB_ERR_CALLBACK, "refused");
        CHECK_CLOSE(grad_of(x), 300, 0);
    }
    CHECK(gone == 1); /* with the tensor */
}

EBB_TEST(an_error_from_before_does_not_hide_one_in_a_pass) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *a = ebb_mul(x, 3.0);
        CHECK(ebb_register_hook(a, refuse, NULL, NULL));
        ebb_fail(EBB_ERR_IO, "from before");
        CHECK(ebb_backward(a, .retain_graph = true) != EBB_OK);
        CHECK_ERROR(EBB_ERR_IO, "from before");
        ebb_fail(EBB_ERR_IO, "from before");
        CHECK(ebb_backward(ebb_mul(x, 5.0)) == EBB_OK);
        CHECK_ERROR(EBB_ERR_IO, "from before");
        CHECK_CLOSE(grad_of(x), 5, 0);
    }
}

static ebb_tensor *inner_backward(ebb_tensor *g, void *root) {
    (void)g;
    ebb_backward((ebb_tensor *)root, .retain_graph = true);
    return NULL;
}

EBB_TEST(reentrant_backward_over_the_same_graph) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *a = ebb_mul(x, x), *b = ebb_mul(a, 3.0), *z = ebb_mul(b, 1.0);
        CHECK(ebb_register_hook(b, inner_backward, a, NULL));
        CHECK(ebb_backward(z, .retain_graph = true) == EBB_OK);
        CHECK_CLOSE(grad_of(x), 12 + 4, 0);
    }
}

/* A view's history follows its base, unless it was made while nothing was recorded. */
EBB_TEST(views_of_what_was_written_since) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2), .requires_grad = true), *y = ebb_mul(x, 2.0), *hidden = NULL;
        ebb_tensor *before = ebb_select(ebb_view(y, EBB_DIMS(2, 1)), 0, 0);
        EBB_NO_GRAD hidden = ebb_select(y, 0, 0);
        CHECK(ebb_mul_(y, 3.0) == y);
        ebb_tensor *after = ebb_select(ebb_view(y, EBB_DIMS(2, 1)), 0, 0);
        CHECK(!ebb_tensor_requires_grad(ebb_mul(hidden, 2.0)));
        CHECK(ebb_backward(ebb_add(ebb_sum(after), ebb_sum(ebb_mul(before, 2.0)))) == EBB_OK);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 18, 0);
    }
}

EBB_TEST(wrong_use) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3), .requires_grad = true), *i = ebb_arange(0, 3, 1, .dtype = EBB_I64);
        CHECK(ebb_backward(ebb_mul(x, 2.0)) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "shape [2, 3]: only a tensor of one element");
        CHECK(ebb_backward(ebb_mul(x, 2.0), .gradient = ebb_ones(EBB_DIMS(3))) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "upstream gradient has shape [3]");
        CHECK(ebb_requires_grad_(i, true) == NULL);
        CHECK_ERROR(EBB_ERR_DTYPE, "only floating-point tensors can require gradients, not int64");
        CHECK(ebb_backward(ebb_sum(ebb_detach(x))) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "does not require gradients");
        ebb_tensor *many[64];
        for (int k = 0; k < 64; k++) many[k] = x;
        CHECK(ebb_call_op_inplace(ebb_op_find("add"), many, 64, NULL) == NULL);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "add_: takes 2 inputs, got 64");
        const ebb_list nowhere = {1, NULL}, negative = {-1, &x};
        CHECK(ebb_cat(nowhere, 0) == NULL);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "cat: the list of inputs is NULL, or of 1 tensors");
        CHECK(ebb_cat(negative, 0) == NULL);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "cat: the list of inputs is NULL, or of -1 tensors");
        CHECK(ebb_call_op_inplace(ebb_op_find("add"), NULL, 2, NULL) == NULL);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "add_: the list of inputs is NULL");
        CHECK(ebb_backward(ebb_sum(x), .inputs = nowhere) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "backward: an entry of inputs: the list is NULL");
        CHECK(ebb_set_grad(x, x) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "its own gradient");
        CHECK(ebb_backward(NULL) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "backward");
        int line = __LINE__ + 1;
        ebb_tensor *bad = ebb_exp(ebb_mul(x, ebb_ones(EBB_DIMS(4))));
        CHECK(!bad && ebb_error()->line == line && !strcmp(ebb_error()->op, "mul"));
        CHECK_ERROR(EBB_ERR_SHAPE,
                    "shapes [2, 3] and [4] do not broadcast; inputs: self float32 [2, 3], other float32 [4]");
    }
}

/* Functions that are no operators name the caller's line, too. */
EBB_TEST(lines_of_functions_that_fail) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3)), *i = ebb_arange(0, 3, 1);
        CHECK_CLOSE(ebb_item(x), (double)NAN, 0);
        CHECK(ebb_error()->line == __LINE__ - 1);
        ebb_clear_error();
        CHECK(!ebb_from_data(NULL, EBB_F32, EBB_DIMS(1)));
        CHECK(ebb_error()->line == __LINE__ - 1);
        ebb_clear_error();
        CHECK(!ebb_requires_grad_(i, true));
        CHECK(ebb_error()->line == __LINE__ - 1);
        ebb_clear_error();
        CHECK(ebb_optim_step(NULL) == EBB_ERR_ARGUMENT);
        CHECK(ebb_error()->line == __LINE__ - 1);
        ebb_clear_error();
    }
}

/* Threads that share a leaf: each builds a graph of its own on it, and all add to its one gradient. */
enum { THREADS = 4, ROUNDS = 50 };

static void *rounds_of_backward(void *leaf_of_all) {
    ebb_status status = EBB_OK;
    for (int i = 0; i < ROUNDS && !status; i++) {
        EBB_SCOPE {
            ebb_tensor *w = leaf_of_all, *y = ebb_mul(ebb_mul(w, 3.0), ebb_detach(w));
            status = ebb_backward(ebb_sum(y));
        }
    }
    return status ? leaf_of_all : NULL;
}

EBB_TEST(threads_add_to_one_leaf) {
    EBB_SCOPE {
        ebb_tensor *w = ebb_full(EBB_DIMS(5), 2.0, .requires_grad = true);
        pthread_t thread[THREADS];
        for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&thread[i], NULL, rounds_of_backward, w) == 0);
        for (int i = 0; i < THREADS; i++) {
            void *failed;
            CHECK(pthread_join(thread[i], &failed) == 0 && !failed);
        }
        double want = 6.0 * THREADS * ROUNDS; /* exact in float32 */
        CHECK_VALUES(ebb_tensor_grad(w), 0, want, want, want, want, want);
    }
}

static void *backward_of(void *root) {
    EBB_SCOPE {
        if (ebb_backward((ebb_tensor *)root, .retain_graph = true)) return root;
    }
    return NULL;
}

/* Several passes at once over one and the same graph. */
EBB_TEST(threads_share_a_graph) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(1.5), *y = x;
        for (int i = 0; i < 200; i++) y = ebb_mul(ebb_sin(y), 1.25);
        CHECK(ebb_backward(y, .retain_graph = true) == EBB_OK);
        double once = grad_of(x);
        CHECK(ebb_set_grad(x, NULL) == EBB_OK);
        pthread_t thread[THREADS];
        for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&thread[i], NULL, backward_of, y) == 0);
        for (int i = 0; i < THREADS; i++) {
            void *failed;
            CHECK(pthread_join(thread[i], &failed) == 0 && !failed);
        }
        CHECK_CLOSE(grad_of(x), 4 * once, 0);
    }
}

/* A network whose every allocation fails once, from the first to the last. */
static ebb_status small_step(void) {
    ebb_status status = EBB_ERR_MEMORY;
    EBB_SCOPE {
        ebb_tensor *w = ebb_full(EBB_DIMS(3, 2), 0.5, .requires_grad = true),
                   *b = ebb_zeros(EBB_DIMS(2), .requires_grad = true);
        ebb_tensor *x = ebb_ones(EBB_DIMS(4, 3));
        ebb_tensor *h = ebb_tanh(ebb_add(ebb_matmul(x, w), b));
        ebb_retain_grad(h);
        status = ebb_backward(ebb_sum(ebb_mul(h, h)), .create_graph = true);
        ebb_set_grad(w, NULL);
        ebb_set_grad(b, NULL);
    }
    return status;
}

EBB_TEST(every_allocation_failing) {
    int64_t failing = 0;
    for (int64_t n = 1;; n++) {
        ebb_memory_fail_after(n);
        ebb_status status = small_step();
        ebb_memory_fail_after(0);
        if (status == EBB_OK && !ebb_error()) break;
        CHECK(ebb_error_status() == EBB_ERR_MEMORY);
        ebb_clear_error();
        failing++;
    }
    CHECK(failing > 25);
}

EBB_TEST_MAIN
