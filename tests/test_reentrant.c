/* Passes that start passes, to any depth, and passes of several threads at once. */
#include "tests/check.h"
#include "tests/own_operator.h"
#include <ebb/ebb.h>
#include <pthread.h>

static ebb_tensor *leaf(double v) { return ebb_scalar(v, .requires_grad = true, .dtype = EBB_F64); }
static double grad_of(const ebb_tensor *t) { return ebb_tensor_grad(t) ? ebb_item(ebb_tensor_grad(t)) : -1; }

/* ---- a rule that starts a pass whose rule starts a pass ... ---- */

/* How deep it goes, and what is done there. */
static struct {
    int depth, reached;
    bool fail, record;
} nest;

static void vjp(struct ebb_vjp_call *v);
static const struct ebb_op nested = OWN_OPERATOR("nested", vjp);

static void vjp(struct ebb_vjp_call *v) {
    if (nest.reached++ == nest.depth) {
        if (nest.fail) ebb_fail(EBB_ERR_CALLBACK, "at the bottom");
        else ebb_vjp_give(v, 0, v->grad[0]);
        return;
    }
    EBB_ENABLE_GRAD {
        ebb_tensor *x = ebb_requires_grad_(ebb_detach(v->in[0]), true);
        ebb_tensor *y = ebb_call_op1(&nested, &x, 1, NULL);
        if (ebb_backward(ebb_mul(y, v->grad[0]))) break;
        ebb_vjp_give(v, 0, ebb_tensor_grad(x));
    }
}

/* PyTorch's test has 2,000 levels, too. */
EBB_TEST(rules_nest_two_thousand_deep) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_call_op1(&nested, &x, 1, NULL);
        nest.depth = 2000, nest.reached = 0, nest.fail = false;
        CHECK(!ebb_backward(ebb_mul(y, 3.0)));
        CHECK_CLOSE(grad_of(x), 3, 0);
        CHECK(nest.reached == 2001);
    }
}

EBB_TEST(an_error_comes_up_from_the_bottom) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_call_op1(&nested, &x, 1, NULL);
        nest.depth = 300, nest.reached = 0, nest.fail = true;
        CHECK(ebb_backward(y) == EBB_ERR_CALLBACK);
        CHECK(strstr(ebb_error()->file, "test_reentrant.c") && ebb_error()->line > 0);
        CHECK_ERROR(EBB_ERR_CALLBACK, "at the bottom");
        CHECK(!ebb_tensor_grad(x) && nest.reached == 301);
        CHECK(!ebb_backward(ebb_mul(x, 3.0))); /* and all is as before */
        CHECK_CLOSE(grad_of(x), 3, 0);
    }
}

/* ---- a hook that does ---- */

static int hooks_run;
static ebb_tensor *deeper(ebb_tensor *g, void *context) {
    (void)context;
    if (hooks_run++ < nest.depth) {
        EBB_ENABLE_GRAD {
            ebb_tensor *x = leaf(1), *y = ebb_mul(x, 1.0);
            CHECK(ebb_register_hook(y, deeper, NULL, NULL));
            CHECK(!ebb_backward(y) && grad_of(x) == 1);
        }
    }
    return ebb_mul(g, 1.0);
}

EBB_TEST(hooks_nest_two_thousand_deep) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0);
        nest.depth = 2000, hooks_run = 0;
        CHECK(ebb_register_hook(y, deeper, NULL, NULL) && !ebb_backward(y));
        CHECK(hooks_run == 2001 && grad_of(x) == 3);
    }
}

/* Grad mode, random numbers, default dtype and scopes are those of the thread that called, however deep. */
static double drawn;
static ebb_tensor *bottom_state(ebb_tensor *g, void *context) {
    (void)context;
    if (hooks_run++ < 200) {
        ebb_tensor *x = NULL, *y = NULL;
        EBB_ENABLE_GRAD {
            x = leaf(1);
            y = ebb_mul(x, 1.0);
            CHECK(ebb_register_hook(y, bottom_state, NULL, NULL));
        }
        CHECK(!ebb_is_grad_enabled() && !ebb_backward(y));
    } else {
        CHECK(ebb_default_dtype() == EBB_F64);
        drawn = ebb_item(ebb_rand(EBB_NO_DIMS));
    }
    return g;
}

EBB_TEST(a_stack_further_down_has_the_threads_state) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0);
        ebb_set_default_dtype(EBB_F64);
        ebb_manual_seed(7);
        double first = ebb_item(ebb_rand(EBB_NO_DIMS)), second = ebb_item(ebb_rand(EBB_NO_DIMS));
        ebb_manual_seed(7);
        hooks_run = 0;
        CHECK(ebb_register_hook(y, bottom_state, NULL, NULL) && !ebb_backward(y));
        CHECK(drawn == first && ebb_item(ebb_rand(EBB_NO_DIMS)) == second);
        ebb_set_default_dtype(EBB_F32);
    }
}

/* ---- re-entrant passes over leaves and graphs of the outer one ---- */

static ebb_tensor *again(ebb_tensor *g, void *root) {
    CHECK(!ebb_backward((ebb_tensor *)root, .retain_graph = true));
    return g;
}

EBB_TEST(an_inner_pass_adds_to_the_outer_ones_leaves) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *inner = ebb_mul(x, 5.0), *y = ebb_mul(x, 3.0), *z = ebb_mul(y, 1.0);
        CHECK(ebb_register_hook(y, again, inner, NULL));
        CHECK(!ebb_backward(z));
        CHECK_CLOSE(grad_of(x), 8, 0);
    }
}

/* ---- threads ---- */

enum { THREADS = 4 };

/* Each thread records and differentiates graphs of its own over leaves of all, in several ways at once. The gradients
 * are integers, so that sums are exact in any order. */
struct work {
    ebb_tensor *w, *b; /* shared leaves */
    int rounds;
    int failures;
};

static ebb_tensor *pass_on(ebb_tensor *g, void *context) {
    (void)context;
    return g;
}

static void one_round(struct work *work, int i) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_full(EBB_DIMS(8, 4), 2.0), *y = ebb_add(ebb_matmul(x, work->w), work->b), *g[2];
        if (i % 4 == 1) {
            ebb_tensor *h = ebb_mul(y, 1.0);
            ebb_register_hook(h, pass_on, NULL, NULL);
            ebb_retain_grad(h);
            y = h;
        }
        if (i % 4 == 2) work->failures += ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(work->w, work->b), g) != EBB_OK;
        else if (i % 4 == 3) {
            EBB_NO_GRAD work->failures += ebb_tensor_requires_grad(ebb_matmul(x, work->w));
            ebb_tensor *parts = ebb_chunk(y, 2).t[0];
            work->failures +=
                ebb_backward_list(EBB_LIST(ebb_sum(parts), ebb_sum(parts)), .retain_graph = true) != EBB_OK;
            work->failures += ebb_backward(ebb_sum(y), .inputs = EBB_LIST(work->w)) != EBB_OK;
        } else work->failures += ebb_backward(ebb_sum(y)) != EBB_OK;
    }
}

static void *work_rounds(void *work_) {
    struct work *work = work_;
    for (int i = 0; i < work->rounds; i++) one_round(work, i);
    return NULL;
}

EBB_TEST(threads_add_to_shared_leaves_exactly) {
    enum { ROUNDS = 200 / CHECK_STEP(4) / 4 * 4 };
    EBB_SCOPE {
        struct work work[THREADS];
        ebb_tensor *w = ebb_ones(EBB_DIMS(4, 3), .requires_grad = true),
                   *b = ebb_zeros(EBB_DIMS(3), .requires_grad = true);
        pthread_t thread[THREADS];
        for (int i = 0; i < THREADS; i++) {
            work[i] = (struct work){w, b, ROUNDS, 0};
            CHECK(!pthread_create(&thread[i], NULL, work_rounds, &work[i]));
        }
        for (int i = 0; i < THREADS; i++) CHECK(!pthread_join(thread[i], NULL) && work[i].failures == 0);
        /* a round of four kinds: 16 + 16 + 0 + (2 * 8 + 16) for w, 8 + 8 + 0 + 2 * 4 for b */
        double for_w = THREADS * ROUNDS / 4 * 64.0, for_b = THREADS * ROUNDS / 4 * 24.0;
        CHECK_VALUES(ebb_tensor_grad(w), 0, for_w, for_w, for_w, for_w, for_w, for_w, for_w, for_w, for_w, for_w, for_w,
                     for_w);
        CHECK_VALUES(ebb_tensor_grad(b), 0, for_b, for_b, for_b);
    }
}

/* One graph, retained, by all at once: with hooks on its nodes, one of several tensors, and saved values read. */
struct shared {
    ebb_tensor *root, *x;
    ebb_node *node;
    int failures;
    _Atomic int *calls;
};

static void count_all(ebb_list grads, void *calls) {
    if (grads.t[0] && grads.t[1]) ++*(_Atomic int *)calls;
}

static void *pass_over(void *shared_) {
    struct shared *s = shared_;
    for (int i = 0; i < 20; i++) {
        EBB_SCOPE {
            ebb_tensor *g;
            s->failures += ebb_backward(s->root, .retain_graph = true) != EBB_OK;
            s->failures += ebb_grad(EBB_LIST(s->root), EBB_LIST(s->x), &g, .create_graph = true) != EBB_OK;
            s->failures += !ebb_node_saved(s->node, 0);
        }
    }
    return NULL;
}

EBB_TEST(threads_share_a_graph_with_hooks) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(1), *y = x, *middle = NULL;
        _Atomic int calls = 0;
        for (int i = 0; i < 40; i++) {
            y = ebb_mul(y, ebb_scalar(1.0, .dtype = EBB_F64));
            CHECK(ebb_register_hook(y, pass_on, NULL, NULL));
            if (i == 20) middle = y;
        }
        CHECK(ebb_register_multi_grad_hook(EBB_LIST(middle, x), EBB_MULTI_GRAD_ALL, count_all, &calls, NULL));
        y = ebb_mul(y, y);
        pthread_t thread[THREADS];
        struct shared shared[THREADS];
        for (int i = 0; i < THREADS; i++) {
            shared[i] = (struct shared){y, x, ebb_tensor_grad_fn(y), 0, &calls};
            CHECK(!pthread_create(&thread[i], NULL, pass_over, &shared[i]));
        }
        for (int i = 0; i < THREADS; i++) CHECK(!pthread_join(thread[i], NULL) && shared[i].failures == 0);
        CHECK(calls == 2 * 20 * THREADS);
        CHECK_CLOSE(grad_of(x), 2 * 20 * THREADS, 0);
    }
}

/* Deep passes of several threads, each of which takes stacks of its own. */
static void *deep_hooks(void *failures) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(1), *y = x;
        for (int i = 0; i < 100; i++) {
            ebb_tensor *inner = y;
            y = ebb_mul(ebb_detach(y), x);
            if (i) ebb_register_hook(y, again, inner, NULL);
        }
        *(int *)failures += ebb_backward(y, .retain_graph = true) != EBB_OK || grad_of(x) != 100;
    }
    return NULL;
}

EBB_TEST(threads_nest_passes) {
    pthread_t thread[THREADS];
    int failures[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) CHECK(!pthread_create(&thread[i], NULL, deep_hooks, &failures[i]));
    for (int i = 0; i < THREADS; i++) CHECK(!pthread_join(thread[i], NULL) && failures[i] == 0);
}

/* A tensor made in one thread is differentiated and released in another. */
static void *finish(void *y) {
    void *failed = ebb_backward((ebb_tensor *)y) ? y : NULL;
    ebb_drop(y);
    return failed;
}

EBB_TEST(a_graph_is_handed_to_another_thread) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        for (int i = 0; i < 20; i++) {
            ebb_tensor *y = NULL;
            EBB_SCOPE y = ebb_keep(ebb_mul(ebb_exp(ebb_mul(x, 0.0)), x));
            pthread_t thread;
            void *failed;
            CHECK(!pthread_create(&thread, NULL, finish, y) && !pthread_join(thread, &failed) && !failed);
        }
        CHECK_CLOSE(grad_of(x), 20, 0);
    }
}

EBB_TEST_MAIN
