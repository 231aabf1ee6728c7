/* One hook on the gradients of several tensors. */
#include "tests/check.h"
#include <ebb/ebb.h>

static ebb_tensor *leaf(double v) { return ebb_scalar(v, .requires_grad = true, .dtype = EBB_F64); }

/* Hooks note what they are given. */
static char notes[512];
static bool noted(const char *what) {
    bool same = !strcmp(notes, what);
    if (!same) print_error("noted \"%s\"; expected \"%s\"\n", notes, what);
    notes[0] = 0;
    return same;
}
static void show_all(ebb_list grads, void *name) {
    size_t at = strlen(notes);
    at += (size_t)snprintf(notes + at, sizeof notes - at, "%s%s:", at ? " " : "", (const char *)name);
    for (int64_t i = 0; i < grads.n; i++)
        at += grads.t[i] ? (size_t)snprintf(notes + at, sizeof notes - at, "%g;", ebb_item(grads.t[i]))
                         : (size_t)snprintf(notes + at, sizeof notes - at, "-;");
}

static ebb_tensor *times_ten(ebb_tensor *g, void *context) {
    (void)context;
    return ebb_mul(g, 10.0);
}
static void first_only(ebb_node *n, ebb_tensor **in, ebb_tensor *const *out, void *context) {
    (void)n;
    (void)out;
    (void)context;
    in[1] = NULL;
}
static void refuse_multi(ebb_list grads, void *context) {
    (void)grads;
    (void)context;
    ebb_fail(EBB_ERR_CALLBACK, "refused");
}
static void released(void *count) { ++*(int *)count; }

EBB_TEST(a_hook_on_several_tensors_is_called_once_a_pass) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0), *z = ebb_mul(y, 5.0), *far = leaf(1), *g;
        ebb_list list = EBB_LIST(x, z, far, y);
        CHECK(ebb_register_multi_grad_hook(list, EBB_MULTI_GRAD_ALL, show_all, "all", NULL));
        ebb_hook any = ebb_register_multi_grad_hook(list, EBB_MULTI_GRAD_ANY, show_all, "any", NULL);
        for (int i = 0; i < 2; i++) {
            CHECK(!ebb_backward(z, .retain_graph = true));
            CHECK(noted("any:-;1;-;-; all:15;1;-;5;"));
        }
        CHECK(!ebb_grad(EBB_LIST(z), EBB_LIST(y), &g, .retain_graph = true)); /* x is not needed */
        CHECK(noted("any:-;1;-;-; all:-;1;-;5;"));
        ebb_remove_hook(any);
        CHECK(!ebb_backward(far) && noted("all:-;-;1;-;"));
        CHECK(!ebb_backward(leaf(1)) && noted("")); /* none of them */
    }
}

EBB_TEST(a_hook_on_several_tensors_sees_what_their_hooks_made) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0);
        CHECK(ebb_register_hook(y, times_ten, NULL, NULL));
        CHECK(ebb_register_multi_grad_hook(EBB_LIST(x, y, x), EBB_MULTI_GRAD_ALL, show_all, "all", NULL));
        CHECK(!ebb_backward(y) && noted("all:30;10;30;"));
    }
}

/* One of them is computed with, but nothing flows into it: it is not waited for for ever. */
EBB_TEST(a_hook_on_several_tensors_of_which_one_gets_nothing) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = leaf(3), *z = ebb_mul(x, y);
        CHECK(ebb_node_register_hook(ebb_tensor_grad_fn(z), first_only, NULL, NULL));
        CHECK(ebb_register_multi_grad_hook(EBB_LIST(x, y), EBB_MULTI_GRAD_ALL, show_all, "all", NULL));
        CHECK(!ebb_backward(z) && noted("all:3;-;"));
    }
}

EBB_TEST(a_hook_on_several_tensors_outlives_some_of_them) {
    int gone = 0;
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_keep(ebb_mul(x, 3.0));
        CHECK(ebb_register_multi_grad_hook(EBB_LIST(x, y, ebb_ones(EBB_DIMS(1))), EBB_MULTI_GRAD_ANY, show_all, &gone,
                                           released));
        CHECK(ebb_register_multi_grad_hook(EBB_LIST(x, y), EBB_MULTI_GRAD_ALL, show_all, "all", NULL));
        EBB_SCOPE {
            ebb_tensor *inner = ebb_mul(x, 1.0);
            CHECK(ebb_register_multi_grad_hook(EBB_LIST(x, inner), EBB_MULTI_GRAD_ALL, show_all, "inner", NULL));
        }
        ebb_drop(y);
        CHECK(!ebb_backward(ebb_mul(x, 7.0)));
        CHECK(strstr(notes, "all:7;") && strstr(notes, "inner:7;-;"));
        notes[0] = 0;
        CHECK(gone == 0);
    }
    CHECK(gone == 1);
}

EBB_TEST(a_hook_on_several_tensors_that_fails) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0);
        CHECK(ebb_register_multi_grad_hook(EBB_LIST(x, y), EBB_MULTI_GRAD_ANY, refuse_multi, NULL, NULL));
        CHECK(ebb_backward(y) == EBB_ERR_CALLBACK);
        CHECK_ERROR(EBB_ERR_CALLBACK, "refused");
        CHECK(!ebb_tensor_grad(x));
    }
}

EBB_TEST_MAIN
