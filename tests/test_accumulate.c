/* Where gradients go: into .grad, in which tensor and layout; roots and inputs of a pass; what is not computed at all.
 * Expected values and layouts are PyTorch 2.13's. */
#include "tests/check.h"
#include <ebb/ebb.h>

static ebb_tensor *leaf(double v) { return ebb_scalar(v, .requires_grad = true, .dtype = EBB_F64); }
static ebb_tensor *vector(int64_t n) { return ebb_ones(EBB_DIMS(n), .requires_grad = true); }
static double grad_of(const ebb_tensor *t) { return ebb_item(ebb_tensor_grad(t)); }

/* ---- .grad ---- */

EBB_TEST(a_second_gradient_is_added_in_place) {
    EBB_SCOPE {
        ebb_tensor *x = vector(2);
        CHECK(!ebb_backward(ebb_sum(ebb_mul(x, 3.0))));
        ebb_tensor *g = ebb_tensor_grad(x);
        CHECK(!ebb_backward(ebb_sum(ebb_mul(x, 4.0))));
        CHECK(ebb_tensor_grad(x) == g);
        CHECK_VALUES(g, 0, 7, 7);
    }
}

EBB_TEST(under_create_graph_a_sum_replaces_it) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(1);
        CHECK(!ebb_backward(ebb_mul(x, 2.0), .create_graph = true));
        ebb_tensor *g = ebb_keep(ebb_tensor_grad(x));
        CHECK(!ebb_backward(ebb_mul(ebb_mul(x, x), x), .create_graph = true));
        CHECK(ebb_tensor_grad(x) != g);
        CHECK_CLOSE(ebb_item(g), 2, 0);
        CHECK_CLOSE(grad_of(x), 5, 0);
        CHECK(!strcmp(ebb_node_name(ebb_tensor_grad_fn(ebb_tensor_grad(x))), "AddBackward0"));
        ebb_set_grad(x, NULL);
        ebb_drop(g);
    }
}

/* The gradient becomes .grad itself when nobody else has it: hooks see its address. */
static ebb_tensor *note_data(ebb_tensor *grad, void *context) {
    *(void **)context = ebb_tensor_data(grad);
    return NULL;
}
static ebb_tensor *keep_it(ebb_tensor *grad, void *context) {
    *(ebb_tensor **)context = ebb_keep(grad);
    return NULL;
}

EBB_TEST(a_gradient_that_nobody_has_is_taken_over) {
    EBB_SCOPE {
        ebb_tensor *x = vector(3), *y = vector(3), *kept = NULL;
        void *data = NULL;
        ebb_register_hook(x, note_data, &data, NULL);
        ebb_register_hook(y, keep_it, &kept, NULL);
        CHECK(!ebb_backward(ebb_sum(ebb_mul(x, 2.0))) && !ebb_backward(ebb_sum(ebb_mul(y, 2.0))));
        CHECK(ebb_tensor_data(ebb_tensor_grad(x)) == data);
        CHECK(kept && !ebb_tensor_shares_storage(ebb_tensor_grad(y), kept));
        kept = ebb_drop(kept);
        ebb_tensor *w = ebb_ones(EBB_DIMS(2, 3), .requires_grad = true); /* a view of the gradient of its transpose */
        ebb_register_hook(w, note_data, &data, NULL);
        CHECK(!ebb_backward(ebb_sum(ebb_linear(ebb_ones(EBB_DIMS(4, 3)), w))));
        CHECK(ebb_tensor_data(ebb_tensor_grad(w)) == data && !ebb_tensor_is_view(ebb_tensor_grad(w)));
        CHECK(ebb_tensor_is_contiguous(ebb_tensor_grad(w)));
        ebb_tensor *g = ebb_ones(EBB_DIMS(3)), *z = vector(3);
        CHECK(!ebb_backward(z, .gradient = g)); /* the caller's own */
        CHECK(ebb_tensor_grad(z) != g && !ebb_tensor_shares_storage(ebb_tensor_grad(z), g));
    }
}

EBB_TEST(a_gradient_lies_in_memory_as_its_leaf) {
    for (int create_graph = 0; create_graph < 2; create_graph++) {
        EBB_SCOPE {
            ebb_tensor *t = ebb_requires_grad_(ebb_detach(ebb_t(ebb_ones(EBB_DIMS(3, 2)))), true); /* strides 1, 2 */
            ebb_tensor *p =
                ebb_requires_grad_(ebb_detach(ebb_permute(ebb_ones(EBB_DIMS(2, 3, 4)), EBB_DIMS(2, 0, 1))), true);
            ebb_tensor *gaps = ebb_requires_grad_(ebb_detach(ebb_slice(ebb_ones(EBB_DIMS(3, 4)), 1, 0, 2)), true);
            ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3), .requires_grad = true);
            ebb_tensor *sum = ebb_add(ebb_sum(ebb_mul(t, 2.0)), ebb_sum(ebb_mul(p, 2.0)));
            sum = ebb_add(sum, ebb_sum(ebb_mul(gaps, 2.0)));
            sum = ebb_add(sum, ebb_sum(ebb_mul(ebb_t(x), ebb_t(ebb_ones(EBB_DIMS(2, 3))))));
            CHECK(!ebb_backward(sum, .create_graph = create_graph));
            ebb_dims s = ebb_tensor_strides(ebb_tensor_grad(t));
            CHECK(s.d[0] == 1 && s.d[1] == 2);
            s = ebb_tensor_strides(ebb_tensor_grad(p));
            CHECK(s.d[0] == 1 && s.d[1] == 12 && s.d[2] == 4);
            s = ebb_tensor_strides(ebb_tensor_grad(gaps));
            CHECK(s.d[0] == 2 && s.d[1] == 1);
            CHECK(ebb_tensor_is_contiguous(ebb_tensor_grad(x)));
            CHECK_VALUES(ebb_tensor_grad(t), 0, 2, 2, 2, 2, 2, 2);
            CHECK_VALUES(ebb_tensor_grad(gaps), 0, 2, 2, 2, 2, 2, 2);
            ebb_tensor *leaves[] = {t, p, gaps, x};
            for (int i = 0; i < 4; i++) ebb_set_grad(leaves[i], NULL);
        }
    }
}

EBB_TEST(a_gradient_that_was_set_is_added_to) {
    EBB_SCOPE {
        ebb_tensor *x = vector(2), *g = ebb_full(EBB_DIMS(2), 5.0);
        CHECK(!ebb_set_grad(x, g) && !ebb_backward(ebb_sum(ebb_mul(x, 2.0))));
        CHECK(ebb_tensor_grad(x) == g);
        CHECK_VALUES(g, 0, 7, 7);
        CHECK(ebb_set_grad(x, ebb_ones(EBB_DIMS(3))) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "the gradient is float32 [3], the tensor float32 [2]");
        CHECK(ebb_set_grad(x, ebb_ones(EBB_DIMS(2), .dtype = EBB_F64)) != EBB_OK);
        ebb_clear_error();
    }
}

EBB_TEST(an_empty_tensor_has_an_empty_gradient) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(4, 0), .requires_grad = true),
                   *b = ebb_ones(EBB_DIMS(4, 1), .requires_grad = true);
        CHECK(!ebb_backward(ebb_sum(ebb_add(x, b))));
        CHECK_SHAPE(ebb_tensor_grad(x), 4, 0);
        CHECK_VALUES(ebb_tensor_grad(b), 0, 0, 0, 0, 0);
    }
}

/* ---- retained gradients ---- */

EBB_TEST(a_retained_gradient_is_replaced_by_a_sum) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0), *z = ebb_mul(y, 5.0);
        CHECK(!ebb_retain_grad(y) && !ebb_retain_grad(y) && !ebb_retain_grad(x));
        CHECK(!ebb_backward(z, .retain_graph = true));
        ebb_tensor *first = ebb_keep(ebb_tensor_grad(y));
        CHECK(!ebb_backward(z));
        CHECK_CLOSE(ebb_item(first), 5, 0);
        CHECK_CLOSE(grad_of(y), 10, 0);
        CHECK_CLOSE(grad_of(x), 30, 0);
        ebb_drop(first);
        CHECK(ebb_retain_grad(ebb_ones(EBB_DIMS(2))) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "does not require gradients");
    }
}

EBB_TEST(a_retained_gradient_under_create_graph_has_a_history) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, x), *z = ebb_mul(y, y), *h;
        CHECK(!ebb_retain_grad(y) && !ebb_backward(z, .create_graph = true));
        CHECK_CLOSE(grad_of(y), 8, 0); /* 2 y */
        CHECK(!ebb_grad(EBB_LIST(ebb_tensor_grad(y)), EBB_LIST(x), &h));
        CHECK_CLOSE(ebb_item(h), 8, 0); /* 4 x */
        ebb_set_grad(x, NULL);
        ebb_set_grad(y, NULL);
    }
}

EBB_TEST(the_gradient_of_a_root_can_be_retained) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, x);
        CHECK(!ebb_retain_grad(y) && !ebb_backward(y, .gradient = ebb_scalar(3.0, .dtype = EBB_F64)));
        CHECK_CLOSE(grad_of(y), 3, 0);
    }
}

/* ---- roots ---- */

EBB_TEST(several_roots) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *v = vector(2), *y = ebb_mul(x, x), *z = ebb_mul(v, 3.0);
        CHECK(!ebb_backward_list(EBB_LIST(y, z), .gradients = EBB_LIST(NULL, ebb_full(EBB_DIMS(2), 2.0)),
                                 .retain_graph = true));
        CHECK_CLOSE(grad_of(x), 4, 0);
        CHECK_VALUES(ebb_tensor_grad(v), 0, 6, 6);
        CHECK(!ebb_backward_list(EBB_LIST(y, ebb_mul(y, x), y))); /* the product's rule runs once, for all three */
        CHECK_CLOSE(grad_of(x), 4 + 4 + 12 + 4, 0);
        CHECK(ebb_backward_list(EBB_LIST(ebb_mul(x, 2.0), z)) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "only a tensor of one element has an implicit upstream gradient; give .gradients");
        CHECK(ebb_backward_list(EBB_LIST(ebb_mul(x, 2.0), ebb_ones(EBB_DIMS(1)))) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "does not require gradients and was not computed from a tensor that does");
        CHECK(ebb_backward_list(EBB_LIST(x, x), .gradients = EBB_LIST(x)) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "2 outputs but 1 gradients");
        CHECK(ebb_backward_list(((ebb_list){0, NULL})) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "at least one");
        CHECK(ebb_backward_list(EBB_LIST(x, NULL)) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "a root");
        CHECK_CLOSE(grad_of(x), 24, 0); /* what failed before it began changed nothing */
    }
}

EBB_TEST(a_leaf_as_root) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *g;
        CHECK(!ebb_backward(x));
        CHECK_CLOSE(grad_of(x), 1, 0);
        CHECK(!ebb_grad(EBB_LIST(x), EBB_LIST(x), &g));
        CHECK_CLOSE(ebb_item(g), 1, 0);
    }
}

EBB_TEST(an_upstream_gradient_of_another_dtype_is_converted) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *g;
        CHECK(!ebb_grad(EBB_LIST(ebb_mul(x, 3.0)), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(ebb_scalar(2.0))));
        CHECK(ebb_tensor_dtype(g) == EBB_F64);
        CHECK_CLOSE(ebb_item(g), 6, 0);
    }
}

EBB_TEST(several_outputs_with_their_gradients) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = leaf(5), *a = ebb_mul(x, y), *b = ebb_mul(x, x), *g[2];
        ebb_tensor *two = ebb_scalar(2.0, .dtype = EBB_F64);
        CHECK(!ebb_grad(EBB_LIST(a, b), EBB_LIST(x, y), g, .grad_outputs = EBB_LIST(two, NULL)));
        CHECK_CLOSE(ebb_item(g[0]), 2 * 5 + 6, 0);
        CHECK_CLOSE(ebb_item(g[1]), 2 * 3, 0);
        CHECK(ebb_grad(EBB_LIST(a, b), EBB_LIST(x), g, .grad_outputs = EBB_LIST(two)) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "2 outputs but 1 grad_outputs");
    }
}

/* ---- inputs ---- */

EBB_TEST(an_input_asked_for_twice) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0), *z = ebb_mul(y, 5.0), *g[4];
        CHECK(!ebb_grad(EBB_LIST(z), EBB_LIST(x, y, x, y), g, .retain_graph = true));
        for (int i = 0; i < 4; i++) CHECK_CLOSE(ebb_item(g[i]), i % 2 ? 5 : 15, 0);
        CHECK(!ebb_backward(z, .inputs = EBB_LIST(x, x, y, y)));
        CHECK_CLOSE(grad_of(x), 15, 0);
        CHECK_CLOSE(grad_of(y), 5, 0);
    }
}

EBB_TEST(inputs_that_are_no_leaves_retain_from_then_on) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *w = leaf(7), *y = ebb_mul(x, w), *z = ebb_mul(y, 5.0);
        CHECK(!ebb_backward(z, .inputs = EBB_LIST(y), .retain_graph = true));
        CHECK_CLOSE(grad_of(y), 5, 0);
        CHECK(!ebb_tensor_grad(x) && !ebb_tensor_grad(w));
        CHECK(!ebb_backward(z));
        CHECK_CLOSE(grad_of(y), 10, 0);
        CHECK_CLOSE(grad_of(x), 35, 0);
        CHECK(ebb_backward(ebb_mul(x, 1.0), .inputs = EBB_LIST(ebb_ones(EBB_DIMS(1)))) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "input 0 (float32) does not require gradients");
        CHECK(!ebb_backward(ebb_mul(x, 1.0), .inputs = EBB_LIST(w))); /* not reached: nothing to add */
        CHECK(!ebb_tensor_grad(w) || grad_of(w) == 10);
    }
}

/* What no input needs is not computed: a rule that would fail is not asked. */
EBB_TEST(work_that_no_input_needs_is_left_out) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = leaf(3), *spoilt = ebb_exp(y), *z = ebb_mul(ebb_mul(x, x), ebb_mul(spoilt, 1.0)),
                   *g;
        EBB_NO_GRAD ebb_add_(spoilt, 1.0); /* exp's rule reads it */
        CHECK(ebb_grad(EBB_LIST(z), EBB_LIST(x, y), (ebb_tensor *[2]){NULL}, .retain_graph = true) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "ExpBackward0");
        CHECK(!ebb_grad(EBB_LIST(z), EBB_LIST(x), &g, .retain_graph = true));
        CHECK_CLOSE(ebb_item(g), 2 * 2 * ebb_item(spoilt) - 4, 1e-14);
        CHECK(!ebb_backward(z, .inputs = EBB_LIST(x)));
        CHECK(!ebb_tensor_grad(y));
    }
}

EBB_TEST(as_many_inputs_as_nodes) {
    enum { N = 20000 };
    EBB_SCOPE {
        ebb_tensor **x = ebb_list_room(N), **g = ebb_list_room(N), *sum = ebb_scalar(0.0);
        for (int i = 0; i < N; i++) {
            x[i] = ebb_scalar(1.0, .requires_grad = true);
            sum = ebb_add(sum, ebb_mul(x[i], (double)i));
        }
        CHECK(!ebb_grad(EBB_LIST(sum), ((ebb_list){N, x}), g));
        for (int i = 0; i < N; i++) CHECK(ebb_item(g[i]) == i);
    }
}

EBB_TEST(inputs_that_were_changed_in_place_or_are_views) {
    EBB_SCOPE {
        ebb_tensor *x = vector(4), *y = ebb_mul(x, 2.0), *g, *v = ebb_slice(y, 0, 0, 2);
        ebb_mul_(y, 3.0);
        ebb_tensor *z = ebb_sum(ebb_mul(ebb_slice(y, 0, 1, 3), 5.0));
        CHECK(!ebb_grad(EBB_LIST(z), EBB_LIST(y), &g, .retain_graph = true)); /* its value now */
        CHECK_VALUES(g, 0, 0, 5, 5, 0);
        CHECK(ebb_grad(EBB_LIST(z), EBB_LIST(v), &g, .retain_graph = true) == EBB_ERR_GRAPH); /* another part */
        CHECK_ERROR(EBB_ERR_GRAPH, "was not used");
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(v)), EBB_LIST(v, x), (ebb_tensor *[2]){NULL}));
    }
}

/* The gradients of what lies between in parts, and the rest of the pass from them. */
EBB_TEST(a_pass_in_two_halves) {
    EBB_SCOPE {
        ebb_tensor *x[4], *between[4], *d[4], *loss = ebb_scalar(0.0, .dtype = EBB_F64);
        for (int i = 0; i < 4; i++) {
            x[i] = leaf(i + 1.0);
            between[i] = ebb_mul(x[i], x[i]);
            loss = ebb_add(loss, ebb_mul(between[i], (double)i));
        }
        for (int i = 0; i < 4; i += 2)
            CHECK(!ebb_grad(EBB_LIST(loss), ((ebb_list){2, between + i}), d + i, .retain_graph = true));
        CHECK(!ebb_backward_list(((ebb_list){4, between}), .gradients = {4, d}));
        for (int i = 0; i < 4; i++) CHECK_CLOSE(grad_of(x[i]), 2.0 * i * (i + 1), 0);
    }
}

EBB_TEST(nothing_to_differentiate_by) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *c = ebb_scalar(1.0, .dtype = EBB_F64), *g;
        CHECK(ebb_grad(EBB_LIST(ebb_mul(x, 2.0)), ((ebb_list){0, NULL}), &g) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "grad: needs at least one input");
        CHECK(ebb_grad(EBB_LIST(c), EBB_LIST(x), &g) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "does not require gradients");
        CHECK(ebb_grad(EBB_LIST(x), EBB_LIST(c), &g) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "input 0 (float64) does not require gradients");
    }
}

/* What is computed from integers that were computed from x does not lead to x. */
EBB_TEST(an_isolated_part_of_the_graph) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 2), .requires_grad = true), *a = ebb_mul(x, 3.0);
        ebb_tensor *b = ebb_to(ebb_argmax(a, .dim = EBB_DIMS(1)), EBB_F32);
        CHECK(!ebb_tensor_requires_grad(b));
        CHECK(!ebb_backward(ebb_sum(ebb_add(b, a))));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 3, 3, 3, 3);
    }
}

/* ---- unused outputs ---- */

EBB_TEST(outputs_that_nobody_used_count_as_zero) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 2), .requires_grad = true);
        ebb_list parts = ebb_split(x, 1);
        CHECK(!ebb_backward(ebb_sum(parts.t[1])));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 0, 0, 1, 1);
    }
}

/* ---- when memory runs out ---- */

static void roots_and_inputs(void) {
    EBB_SCOPE {
        ebb_tensor *t = ebb_requires_grad_(ebb_detach(ebb_t(ebb_ones(EBB_DIMS(3, 2)))), true), *x = leaf(2), *g[2];
        ebb_tensor *a = ebb_sum(ebb_mul(t, 2.0)), *b = ebb_mul(x, x);
        if (ebb_backward_list(EBB_LIST(a, b), .inputs = EBB_LIST(t, b, x), .retain_graph = true)) break;
        if (ebb_grad(EBB_LIST(a, b), EBB_LIST(x, t), g, .create_graph = true)) break;
    }
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(roots_and_inputs, 0); }

EBB_TEST_MAIN
