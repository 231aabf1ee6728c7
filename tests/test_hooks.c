/* Hooks on tensors, nodes and leaves: their order, what they may change, removal, failure, several tensors at once. */
#include "tests/check.h"
#include <ebb/ebb.h>

static ebb_tensor *leaf(double v) { return ebb_scalar(v, .requires_grad = true, .dtype = EBB_F64); }
static double grad_of(const ebb_tensor *t) { return ebb_tensor_grad(t) ? ebb_item(ebb_tensor_grad(t)) : -1; }

/* ---- hooks that note that they ran ---- */

static char notes[512];
static void note(const char *what) {
    size_t at = strlen(notes);
    (void)snprintf(notes + at, sizeof notes - at, "%s%s", at ? " " : "", what);
}
static bool noted(const char *what) {
    bool same = !strcmp(notes, what);
    if (!same) print_error("noted \"%s\"; expected \"%s\"\n", notes, what);
    notes[0] = 0;
    return same;
}

static ebb_tensor *on_tensor(ebb_tensor *g, void *name) {
    (void)g;
    note(name);
    return NULL;
}
static void on_leaf(ebb_tensor *t, void *name) {
    char text[64];
    (void)snprintf(text, sizeof text, "%s(%g)", (const char *)name, grad_of(t));
    note(text);
}
static void before(ebb_node *n, ebb_tensor **g, void *name) {
    (void)n;
    (void)g;
    note(name);
}
static void after(ebb_node *n, ebb_tensor **in, ebb_tensor *const *out, void *name) {
    (void)n;
    (void)in;
    (void)out;
    note(name);
}
static void released(void *count) { ++*(int *)count; }
static void note_released(void *name) { note(name); }

/* ---- hooks that change gradients ---- */

static ebb_tensor *times_ten(ebb_tensor *g, void *context) {
    (void)context;
    return ebb_mul(g, 10.0);
}
static void times_ten_before(ebb_node *n, ebb_tensor **g, void *context) {
    (void)context;
    for (int64_t i = 0; i < ebb_node_n_outputs(n); i++)
        if (g[i]) g[i] = ebb_mul(g[i], 10.0);
}
static void times_ten_after(ebb_node *n, ebb_tensor **in, ebb_tensor *const *out, void *context) {
    (void)out;
    (void)context;
    for (int64_t i = 0; i < ebb_node_n_inputs(n); i++)
        if (in[i]) in[i] = ebb_mul(in[i], 10.0);
}

/* ---- hooks that fail ---- */

static ebb_tensor *refuse(ebb_tensor *g, void *context) {
    (void)g;
    (void)context;
    ebb_fail(EBB_ERR_CALLBACK, "refused");
    return NULL;
}
static void refuse_leaf(ebb_tensor *t, void *context) { refuse(t, context); }
static void refuse_before(ebb_node *n, ebb_tensor **g, void *context) {
    (void)n;
    refuse(g[0], context);
}
static void refuse_after(ebb_node *n, ebb_tensor **in, ebb_tensor *const *out, void *context) {
    (void)n;
    (void)out;
    refuse(in ? in[0] : NULL, context);
}
static void refuse_multi(ebb_list grads, void *context) { refuse(grads.t[0], context); }

/* ---- order ---- */

EBB_TEST(the_order_of_all_kinds) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0), *z = ebb_mul(y, 5.0);
        ebb_node *mul = ebb_tensor_grad_fn(y), *gather = ebb_tensor_gradient_node(x);
        CHECK(ebb_node_register_hook(gather, after, "leaf-post", NULL));
        CHECK(ebb_register_post_accumulate_grad_hook(x, on_leaf, "accumulated", NULL));
        CHECK(ebb_node_register_prehook(gather, before, "leaf-pre", NULL));
        CHECK(ebb_register_hook(x, on_tensor, "x", NULL));
        CHECK(ebb_node_register_hook(mul, after, "post", NULL));
        CHECK(ebb_node_register_prehook(mul, before, "pre", NULL));
        CHECK(ebb_register_hook(y, on_tensor, "y", NULL));
        CHECK(ebb_register_hook(y, on_tensor, "y2", NULL));
        CHECK(ebb_node_register_prehook(mul, before, "pre2", NULL));
        CHECK(ebb_node_register_hook(mul, after, "post2", NULL));
        CHECK(!ebb_backward(z));
        CHECK(noted("y y2 pre pre2 post post2 x leaf-pre accumulated(15) leaf-post"));
    }
}

static void note_grad(ebb_node *n, ebb_tensor **g, void *t) {
    (void)n;
    (void)g;
    note(ebb_tensor_grad(t) ? "there" : "none");
}
static void note_grad_after(ebb_node *n, ebb_tensor **in, ebb_tensor *const *out, void *t) {
    (void)in;
    note_grad(n, (ebb_tensor **)(uintptr_t)out, t);
}

/* Between pre-hooks and rule; its value is that of the tensor's hooks, whatever the node's make of it. */
EBB_TEST(retained_gradients_are_stored_after_the_pre_hooks) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0), *z = ebb_mul(y, 5.0);
        ebb_node *mul = ebb_tensor_grad_fn(y);
        CHECK(!ebb_retain_grad(y));
        CHECK(ebb_register_hook(y, times_ten, NULL, NULL)); /* registered later, and yet seen */
        CHECK(ebb_node_register_prehook(mul, times_ten_before, NULL, NULL));
        CHECK(ebb_node_register_prehook(mul, note_grad, y, NULL));
        CHECK(ebb_node_register_hook(mul, note_grad_after, y, NULL));
        CHECK(!ebb_backward(z));
        CHECK(noted("none there"));
        CHECK_CLOSE(grad_of(y), 50, 0);
        CHECK_CLOSE(grad_of(x), 1500, 0);
    }
}

EBB_TEST(grad_runs_the_tensors_hooks_but_not_the_inputs_node) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0), *g[2];
        const char *const order[] = {"y", "y pre post x"};
        CHECK(ebb_register_hook(y, on_tensor, "y", NULL) && ebb_register_hook(x, on_tensor, "x", NULL));
        CHECK(ebb_register_hook(y, times_ten, NULL, NULL));
        CHECK(ebb_node_register_prehook(ebb_tensor_grad_fn(y), before, "pre", NULL));
        CHECK(ebb_node_register_hook(ebb_tensor_grad_fn(y), after, "post", NULL));
        CHECK(ebb_register_post_accumulate_grad_hook(x, on_leaf, "accumulated", NULL));
        for (int i = 0; i < 2; i++) {
            ebb_list inputs = {i + 1, (ebb_tensor *[]){y, x}};
            CHECK(!ebb_grad(EBB_LIST(ebb_mul(y, 5.0)), inputs, g, .retain_graph = true));
            CHECK(noted(order[i]));
            CHECK_CLOSE(ebb_item(g[0]), 50, 0); /* what the hooks made of it */
        }
        CHECK_CLOSE(ebb_item(g[1]), 150, 0);
    }
}

/* Of inputs of backward the nodes are executed, whatever they lead to. */
EBB_TEST(backward_runs_the_hooks_of_its_inputs_nodes) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, x), *z = ebb_mul(y, 5.0);
        CHECK(ebb_register_hook(y, on_tensor, "y", NULL) && ebb_register_hook(x, on_tensor, "x", NULL));
        CHECK(ebb_node_register_prehook(ebb_tensor_grad_fn(y), before, "pre", NULL));
        CHECK(ebb_node_register_prehook(ebb_tensor_grad_fn(y), times_ten_before, NULL, NULL));
        CHECK(ebb_node_register_hook(ebb_tensor_grad_fn(y), after, "post", NULL));
        CHECK(!ebb_backward(z, .inputs = EBB_LIST(y)) && noted("y pre post"));
        CHECK_CLOSE(grad_of(y), 5, 0);
        CHECK(!ebb_tensor_grad(x));
        CHECK(!ebb_backward(y) && noted("y pre post x")); /* what its rule reads was not released */
        CHECK_CLOSE(grad_of(x), 40, 0);
    }
}

EBB_TEST(inputs_of_backward_get_what_hooks_made) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0);
        CHECK(ebb_register_hook(x, times_ten, NULL, NULL) && ebb_register_hook(y, times_ten, NULL, NULL));
        CHECK(ebb_register_post_accumulate_grad_hook(x, on_leaf, "accumulated", NULL));
        CHECK(!ebb_backward(ebb_mul(y, 1.0), .inputs = EBB_LIST(x, y)));
        CHECK(noted("accumulated(300)"));
        CHECK_CLOSE(grad_of(y), 10, 0);
    }
}

/* ---- gradients that hooks replace ---- */

EBB_TEST(each_kind_replaces_gradients) {
    for (int kind = 0; kind < 5; kind++) {
        EBB_SCOPE {
            ebb_tensor *x = leaf(2), *w = leaf(7), *y = ebb_mul(x, w);
            ebb_node *n = ebb_tensor_grad_fn(y);
            ebb_hook h = kind == 0   ? ebb_register_hook(y, times_ten, NULL, NULL)
                         : kind == 1 ? ebb_node_register_prehook(n, times_ten_before, NULL, NULL)
                         : kind == 2 ? ebb_node_register_hook(n, times_ten_after, NULL, NULL)
                         : kind == 3
                             ? ebb_register_hook(x, times_ten, NULL, NULL)
                             : ebb_node_register_prehook(ebb_tensor_gradient_node(x), times_ten_before, NULL, NULL);
            CHECK(h && !ebb_backward(y));
            CHECK_CLOSE(grad_of(x), 70, 0);
            CHECK_CLOSE(grad_of(w), kind < 3 ? 20 : 2, 0);
        }
    }
}

static void clear(ebb_node *n, ebb_tensor **g, void *context) {
    (void)n;
    (void)context;
    g[0] = NULL;
}

EBB_TEST(a_gradient_can_be_taken_away) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0);
        CHECK(ebb_node_register_prehook(ebb_tensor_grad_fn(y), clear, NULL, NULL));
        CHECK(!ebb_backward(ebb_add(y, ebb_mul(x, 5.0))));
        CHECK_CLOSE(grad_of(x), 5, 0);
    }
}

static ebb_tensor *wrong_shape(ebb_tensor *g, void *context) {
    (void)g;
    (void)context;
    return ebb_ones(EBB_DIMS(3), .dtype = EBB_F64);
}
static ebb_tensor *wrong_dtype(ebb_tensor *g, void *context) {
    (void)context;
    return ebb_to(g, EBB_F32);
}
static void wrong_before(ebb_node *n, ebb_tensor **g, void *context) {
    (void)n;
    g[0] = wrong_shape(g[0], context);
}
static void wrong_after(ebb_node *n, ebb_tensor **in, ebb_tensor *const *out, void *context) {
    (void)n;
    (void)out;
    in[0] = wrong_shape(in[0], context);
}

EBB_TEST(what_does_not_fit_is_refused) {
    EBB_SCOPE {
        int line = __LINE__ + 1; /* of the call, of the hook, and of the pass */
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0);
        ebb_node *n = ebb_tensor_grad_fn(y);
        for (int kind = 0; kind < 4; kind++) {
            char call[64], pass[64];
            int registered = __LINE__ + 1;
            ebb_hook h = kind < 2    ? ebb_register_hook(y, kind ? wrong_dtype : wrong_shape, NULL, NULL)
                         : kind == 2 ? ebb_node_register_prehook(n, wrong_before, NULL, NULL)
                                     : ebb_node_register_hook(n, wrong_after, NULL, NULL);
            snprintf(call, sizeof call, "test_hooks.c:%d, returned ", line);
            snprintf(pass, sizeof pass, "test_hooks.c:%d", __LINE__ + 1);
            CHECK(ebb_backward(y, .retain_graph = true) == EBB_ERR_SHAPE);
            const ebb_error_info *e = ebb_error();
            CHECK(e->line >= registered && e->line < registered + 3 && strstr(e->file, "test_hooks.c"));
            CHECK(strstr(e->message, call) && strstr(e->message, pass));
            CHECK_ERROR(EBB_ERR_SHAPE, kind == 3   ? "a hook on an input of MulBackward0, recorded at "
                                       : kind == 1 ? "a hook on an output of MulBackward0, recorded at "
                                                   : "returned float64 [3] for a gradient float64 []");
            ebb_remove_hook(h);
        }
        CHECK(!ebb_backward(y));
        CHECK_CLOSE(grad_of(x), 3, 0);
    }
}

EBB_TEST(hooks_under_create_graph_are_differentiated) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, x), *g, *h;
        CHECK(ebb_register_hook(y, times_ten, NULL, NULL));
        CHECK(!ebb_grad(EBB_LIST(ebb_mul(y, y)), EBB_LIST(x), &g, .create_graph = true));
        CHECK_CLOSE(ebb_item(g), 10 * 4 * 8, 0);
        CHECK(!ebb_grad(EBB_LIST(g), EBB_LIST(x), &h)); /* 40 x^3: the second pass runs the hook again, on y */
        CHECK_CLOSE(ebb_item(h), 20 * 2 * 2 * 10 * 4 + 20 * 4 * 2, 1e-12);
    }
}

/* ---- outputs, views, writing in place ---- */

EBB_TEST(each_output_has_its_hooks) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(3), .requires_grad = true);
        ebb_list parts = ebb_unbind(x);
        CHECK(ebb_register_hook(parts.t[2], on_tensor, "2", NULL) &&
              ebb_register_hook(parts.t[0], on_tensor, "0", NULL));
        CHECK(ebb_register_hook(parts.t[1], on_tensor, "1", NULL) &&
              ebb_register_hook(parts.t[2], times_ten, NULL, NULL));
        CHECK(!ebb_backward(ebb_add(parts.t[0], parts.t[2])));
        CHECK(noted("2 0")); /* in the order of registration; nothing flowed into 1 */
        CHECK_VALUES(ebb_tensor_grad(x), 0, 1, 0, 10);
    }
}

static ebb_tensor *keep_value(ebb_tensor *g, void *value) {
    *(double *)value = ebb_item(g);
    return NULL;
}

EBB_TEST(a_hook_stays_with_the_value_when_the_tensor_is_written) {
    EBB_SCOPE {
        double was = 0, is = 0;
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0);
        ebb_hook old = ebb_register_hook(y, keep_value, &was, NULL);
        ebb_mul_(y, 5.0);
        CHECK(ebb_register_hook(y, keep_value, &is, NULL));
        CHECK(!ebb_backward(ebb_mul(y, 7.0), .retain_graph = true));
        CHECK(was == 35 && is == 7);
        was = 0;
        ebb_remove_hook(old); /* by its handle, though y is at another node */
        CHECK(!ebb_backward(ebb_mul(y, 1.0)));
        CHECK(was == 0 && is == 1);
    }
}

EBB_TEST(a_leaf_that_is_written_keeps_its_hooks) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        CHECK(ebb_register_hook(x, on_tensor, "x", NULL));
        EBB_NO_GRAD { ebb_mul_(x, 5.0); }
        CHECK(!ebb_backward(ebb_mul(x, x)) && noted("x"));
        CHECK_CLOSE(grad_of(x), 20, 0);
    }
}

/* ---- removal ---- */

EBB_TEST(handles_of_every_kind_are_removed) {
    int gone = 0;
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0);
        ebb_hook h[] = {
            ebb_register_hook(y, refuse, &gone, released),
            ebb_node_register_prehook(ebb_tensor_grad_fn(y), refuse_before, &gone, released),
            ebb_node_register_hook(ebb_tensor_grad_fn(y), refuse_after, &gone, released),
            ebb_register_post_accumulate_grad_hook(x, refuse_leaf, &gone, released),
            ebb_register_multi_grad_hook(EBB_LIST(x, y), EBB_MULTI_GRAD_ALL, refuse_multi, &gone, released)};
        for (int i = 0; i < 5; i++) {
            CHECK(h[i] && ebb_backward(y, .retain_graph = true) == EBB_ERR_CALLBACK);
            CHECK_ERROR(EBB_ERR_CALLBACK, "refused");
            ebb_remove_hook(h[i]);
            CHECK(gone == i + 1);
            ebb_remove_hook(h[i]);
            CHECK(gone == i + 1);
        }
        CHECK(!ebb_backward(y));
        ebb_remove_hook(0);
        ebb_remove_hook(UINT64_MAX);
    }
}

static ebb_hook others[3];
static ebb_tensor *remove_others(ebb_tensor *g, void *context) {
    (void)g;
    (void)context;
    note("remover");
    for (int i = 0; i < 3; i++) ebb_remove_hook(others[i]);
    return NULL;
}

/* One that was called already, itself, and one that is still to come, which is not called any more. */
EBB_TEST(a_hook_removes_hooks) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        others[0] = ebb_register_hook(x, on_tensor, "first", NULL);
        others[1] = ebb_register_hook(x, remove_others, "itself", note_released);
        others[2] = ebb_register_hook(x, on_tensor, "third", NULL);
        CHECK(ebb_register_hook(x, on_tensor, "last", NULL));
        CHECK(!ebb_backward(ebb_mul(x, 1.0)));
        CHECK(noted("first remover last itself")); /* released when nobody is in it */
        CHECK(!ebb_backward(ebb_mul(x, 1.0)) && noted("last"));
    }
}

static ebb_tensor *register_another(ebb_tensor *g, void *t) {
    (void)g;
    note("outer");
    CHECK(ebb_register_hook(t, on_tensor, "inner", NULL));
    return NULL;
}

EBB_TEST(a_hook_registers_hooks_for_the_next_pass) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        CHECK(ebb_register_hook(x, register_another, x, NULL));
        CHECK(!ebb_backward(ebb_mul(x, 1.0)) && noted("outer"));
        CHECK(!ebb_backward(ebb_mul(x, 1.0)) && noted("outer inner"));
    }
}

EBB_TEST(many_hooks_on_many_tensors) {
    enum { N = 300 };
    int gone = 0;
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = x;
        ebb_hook h[N];
        for (int i = 0; i < N; i++) {
            if (i % 20 == 0) y = ebb_mul(y, 1.0);
            h[i] = ebb_register_hook(y, times_ten, &gone, released);
            CHECK(h[i]);
        }
        for (int i = 0; i < N; i++)
            if (i % 150) ebb_remove_hook(h[i]);
        CHECK(gone == N - 2);
        CHECK(!ebb_backward(y));
        CHECK_CLOSE(grad_of(x), 100, 0);
    }
    CHECK(gone == N); /* with the graph */
}

/* ---- failure ---- */

EBB_TEST(an_error_names_the_line_and_leaves_the_graph) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, x), *z = ebb_mul(y, y);
        ebb_hook h = ebb_register_hook(z, refuse, NULL, NULL);
        int line = __LINE__ + 1;
        CHECK(ebb_backward(z) == EBB_ERR_CALLBACK);
        CHECK(ebb_error()->line == line && strstr(ebb_error()->file, "test_hooks.c"));
        CHECK_ERROR(EBB_ERR_CALLBACK, "refused");
        CHECK(!ebb_tensor_grad(x));
        ebb_remove_hook(h);
        CHECK(!ebb_backward(z)); /* it failed before any rule had run, so nothing was released */
        CHECK_CLOSE(grad_of(x), 32, 0);
    }
}

EBB_TEST(a_failure_in_the_middle_releases_what_has_run) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, x), *z = ebb_mul(y, y);
        ebb_hook h = ebb_register_hook(y, refuse, NULL, NULL);
        CHECK(ebb_backward(z, .retain_graph = true) == EBB_ERR_CALLBACK);
        ebb_clear_error();
        CHECK(ebb_backward(z) == EBB_ERR_CALLBACK);
        ebb_clear_error();
        ebb_remove_hook(h);
        CHECK(ebb_backward(z) == EBB_ERR_FREED);
        CHECK_ERROR(EBB_ERR_FREED, "MulBackward0");
        CHECK(!ebb_backward(y)); /* below the failure nothing was */
        CHECK_CLOSE(grad_of(x), 4, 0);
    }
}

EBB_TEST(wrong_use) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 2.0), *c = ebb_ones(EBB_DIMS(2));
        CHECK(!ebb_register_hook(c, refuse, NULL, NULL));
        CHECK_ERROR(EBB_ERR_GRAPH, "register_hook: cannot watch the gradient of a tensor that does not require one");
        CHECK(!ebb_register_hook(x, NULL, NULL, NULL));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "register_hook: hook is NULL");
        CHECK(!ebb_register_hook(NULL, refuse, NULL, NULL));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "register_hook: tensor is NULL");
        CHECK(!ebb_register_post_accumulate_grad_hook(y, on_leaf, NULL, NULL));
        CHECK_ERROR(EBB_ERR_GRAPH, "only leaves gather gradients: the tensor was computed by MulBackward0");
        CHECK(!ebb_register_post_accumulate_grad_hook(c, on_leaf, NULL, NULL));
        CHECK_ERROR(EBB_ERR_GRAPH, "register_post_accumulate_grad_hook");
        CHECK(!ebb_node_register_hook(NULL, after, NULL, NULL));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "node_register_hook: node is NULL");
        CHECK(!ebb_node_register_prehook(ebb_tensor_grad_fn(y), NULL, NULL, NULL));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "node_register_prehook: hook is NULL");
        CHECK(!ebb_register_multi_grad_hook(EBB_LIST(x, c), EBB_MULTI_GRAD_ALL, refuse_multi, NULL, NULL));
        CHECK_ERROR(EBB_ERR_GRAPH, "register_multi_grad_hook");
        CHECK(!ebb_register_multi_grad_hook(((ebb_list){0, NULL}), EBB_MULTI_GRAD_ALL, refuse_multi, NULL, NULL));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "register_multi_grad_hook: the list of tensors is NULL");
        CHECK(!ebb_backward(y)); /* nothing was registered */
    }
}

/* ---- leaves ---- */

static void step(ebb_tensor *w, void *context) {
    (void)context;
    EBB_NO_GRAD { ebb_sub_(w, ebb_tensor_grad(w)); }
    ebb_set_grad(w, NULL);
}

EBB_TEST(an_optimizers_step_in_backward) {
    EBB_SCOPE {
        ebb_tensor *w = leaf(8), *v = leaf(1);
        CHECK(ebb_register_post_accumulate_grad_hook(w, step, NULL, NULL));
        for (int i = 0; i < 2; i++) CHECK(!ebb_backward(ebb_add(ebb_mul(w, 3.0), v)));
        CHECK_CLOSE(ebb_item(w), 2, 0);
        CHECK(!ebb_tensor_grad(w));
        CHECK_CLOSE(grad_of(v), 2, 0);
    }
}

EBB_TEST(post_accumulate_hooks_see_the_sum_and_are_not_run_by_grad) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_add(ebb_mul(x, 3.0), x), *g;
        CHECK(ebb_register_post_accumulate_grad_hook(x, on_leaf, "x", NULL));
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .retain_graph = true) && noted(""));
        CHECK(!ebb_backward(y, .retain_graph = true) && !ebb_backward(y) && noted("x(4) x(8)"));
    }
}

static void show_leaf(ebb_node *n, ebb_tensor **in, ebb_tensor *const *out, void *value) {
    (void)in;
    CHECK(ebb_node_n_inputs(n) == 0);
    *(double *)value = ebb_item(out[0]);
}

EBB_TEST(post_hooks_of_a_leaf_are_shown_what_was_added) {
    EBB_SCOPE {
        double value = 0;
        ebb_tensor *x = leaf(2);
        CHECK(ebb_node_register_hook(ebb_tensor_gradient_node(x), show_leaf, &value, NULL));
        for (int i = 1; i <= 2; i++) {
            CHECK(!ebb_backward(ebb_mul(x, 3.0)) && value == 3);
            CHECK_CLOSE(grad_of(x), 3 * i, 0);
        }
    }
}

/* ---- where nothing flows ---- */

static void note_null(ebb_node *n, ebb_tensor **g, void *name) {
    (void)n;
    if (!g[0]) note(name);
}
static void note_null_after(ebb_node *n, ebb_tensor **in, ebb_tensor *const *out, void *name) {
    (void)n;
    if (!in[0] && !out[0]) note(name);
}
static void first_only(ebb_node *n, ebb_tensor **in, ebb_tensor *const *out, void *context) {
    (void)n;
    (void)out;
    (void)context;
    in[1] = NULL;
}

/* The nodes are executed all the same; hooks of tensors are not called (PyTorch calls them with None). */
EBB_TEST(nodes_into_which_nothing_flowed) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = leaf(3), *b = ebb_mul(y, 1.0), *z = ebb_mul(x, b);
        CHECK(ebb_node_register_hook(ebb_tensor_grad_fn(z), first_only, NULL, NULL));
        CHECK(ebb_register_hook(b, on_tensor, "b", NULL));
        CHECK(ebb_node_register_prehook(ebb_tensor_grad_fn(b), note_null, "pre", NULL));
        CHECK(ebb_node_register_hook(ebb_tensor_grad_fn(b), note_null_after, "post", NULL));
        CHECK(ebb_register_post_accumulate_grad_hook(y, on_leaf, "y", NULL));
        CHECK(!ebb_backward(z) && noted("pre post"));
        CHECK(!ebb_tensor_grad(y));
        CHECK_CLOSE(grad_of(x), 3, 0);
    }
}

/* ---- when memory runs out ---- */

static void look_at_all(ebb_list grads, void *context) {
    (void)grads;
    (void)context;
}

static void all_kinds(void) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *w = leaf(3), *y = ebb_mul(x, w), *z = ebb_mul(y, y);
        if (!z || ebb_retain_grad(y)) break;
        ebb_node *n = ebb_tensor_grad_fn(y);
        for (int i = 0; i < 9; i++)
            if (!ebb_register_hook(y, times_ten, NULL, NULL)) break;
        if (!ebb_node_register_prehook(n, times_ten_before, NULL, NULL)) break;
        if (!ebb_node_register_hook(n, times_ten_after, NULL, NULL)) break;
        if (!ebb_register_post_accumulate_grad_hook(x, step, NULL, NULL)) break;
        if (!ebb_register_multi_grad_hook(EBB_LIST(x, y, w), EBB_MULTI_GRAD_ALL, look_at_all, NULL, NULL)) break;
        if (ebb_backward(z)) break;
    }
    notes[0] = 0;
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(all_kinds, 0); }

EBB_TEST_MAIN
