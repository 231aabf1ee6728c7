/* Memory budgets for a region: what is dropped is computed again to the bit, and what cannot be is kept. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>
#include <pthread.h>

static ebb_tensor *values(int64_t n, double v) {
    return ebb_add(ebb_mul(ebb_arange(0, (double)n, 1, .dtype = EBB_F32), 0.25 / (double)n), v);
}
static ebb_tensor *parameter(int64_t n, double v) { return ebb_requires_grad_(values(n, v), true); }

/* Bitwise, however they lie in memory. */
static bool same(ebb_tensor *a, ebb_tensor *b) {
    size_t n = a && b ? (size_t)ebb_tensor_numel(a) : 0;
    bool equal = n && n == (size_t)ebb_tensor_numel(b);
    EBB_SCOPE {
        a = ebb_contiguous(a);
        b = ebb_contiguous(b);
        equal = equal && memcmp(ebb_tensor_data(a), ebb_tensor_data(b), n * sizeof(float)) == 0;
    }
    return equal;
}

/* ---- a chain ---- */

enum { N = 4096, BYTES = 4 * N };

/* tanh(h + b), each step in a scope of its own: what is saved is all that is left. */
static ebb_tensor *chain(ebb_tensor *x, ebb_tensor *b, int layers) {
    ebb_tensor *h = ebb_keep(x);
    for (int i = 0; i < layers; i++) {
        EBB_SCOPE {
            ebb_tensor *y = ebb_keep(ebb_tanh(ebb_add(h, b)));
            ebb_drop(h);
            h = y;
        }
    }
    ebb_tensor *sum = ebb_sum(h);
    ebb_drop(h);
    return sum;
}

EBB_TEST(a_chain_within_its_budget) {
    EBB_SCOPE {
        ebb_tensor *x = parameter(N, 0.5), *b = ebb_full(EBB_DIMS(1), 0.01, .requires_grad = true), *want[2], *got[2];
        CHECK(ebb_grad(EBB_LIST(chain(x, b, 200)), EBB_LIST(x, b), want) == EBB_OK);
        for (int64_t units = 4; units <= 256; units *= 4) {
            ebb_memory_budget_report r;
            ebb_tensor *y = NULL;
            EBB_SCOPE {
                EBB_MEMORY_BUDGET(units * BYTES, &r) y = ebb_scope_hand(chain(x, b, 200));
                CHECK(r.budget == units * BYTES && r.held <= r.budget);
            }
            CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x, b), got) == EBB_OK);
            CHECK(same(got[0], want[0]) && same(got[1], want[1]));
            CHECK(r.peak <= r.budget && r.over == 0 && r.held == 0);
            if (units == 256) CHECK(r.dropped == 0 && r.recomputed == 0);
            else CHECK(r.dropped > 0 && r.recomputed > 0 && r.peak == r.budget);
        }
    }
}

EBB_TEST(memory_is_really_free) {
    EBB_SCOPE {
        ebb_tensor *x = parameter(N, 0.5), *b = ebb_full(EBB_DIMS(1), 0.01, .requires_grad = true), *y = NULL;
        ebb_memory_info before = ebb_memory();
        ebb_memory_reset_peak();
        EBB_MEMORY_BUDGET(20 * BYTES, NULL) y = chain(x, b, 100);
        CHECK(ebb_backward(y) == EBB_OK);
        CHECK(ebb_memory().peak - before.in_use < 40 * BYTES);
    }
}

/* Forward over ten layers, then the budget is less than what one step needs. */
EBB_TEST(says_by_how_much_it_is_missed) {
    EBB_SCOPE {
        ebb_tensor *x = parameter(N, 0.5), *b = ebb_full(EBB_DIMS(1), 0.01, .requires_grad = true), *y = NULL, *w, *g;
        ebb_memory_budget_report r;
        CHECK(ebb_grad(EBB_LIST(chain(x, b, 10)), EBB_LIST(x), &w) == EBB_OK);
        EBB_MEMORY_BUDGET(0, &r) y = chain(x, b, 10);
        CHECK(r.held == 0);
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &g) == EBB_OK);
        CHECK(same(g, w) && r.peak > 0 && r.peak <= 2 * BYTES && r.over == r.peak);
    }
}

/* Far more than fits a stack that recurses. */
EBB_TEST(a_long_way_back) {
    enum { LAYERS = 20000 };
    EBB_SCOPE {
        ebb_tensor *x = ebb_full(EBB_DIMS(1), 0.5, .requires_grad = true), *h, *y = NULL, *w = NULL;
        ebb_memory_budget_report r = {0};
        for (int k = 0; k < 2; k++) {
            h = ebb_keep(x);
            ebb_saved_hooks_block block = {0, false};
            if (k) block = ebb_memory_budget_open(0, &r);
            for (int i = 0; i < LAYERS; i++) {
                EBB_SCOPE {
                    y = ebb_keep(i < LAYERS - 1 ? ebb_add(h, 0.5) : ebb_exp(ebb_mul(h, 1e-4)));
                    ebb_drop(h);
                    h = y;
                }
            }
            ebb_memory_budget_close(&block);
            ebb_tensor *g = NULL;
            CHECK(ebb_grad(EBB_LIST(h), EBB_LIST(x), &g) == EBB_OK);
            CHECK(k == 0 || same(g, w));
            w = g;
            ebb_drop(h);
        }
        CHECK(r.recomputed > LAYERS);
    }
}

/* ---- a model with everything: products, views, lists, normalization, dropout, attention ---- */

struct model {
    ebb_tensor *w[6];
};

static struct model make_model(void) {
    struct model m;
    for (int i = 0; i < 6; i++)
        m.w[i] = ebb_requires_grad_(ebb_mul(ebb_sin(ebb_mul(ebb_reshape(values(256, i), EBB_DIMS(16, 16)), 40.0)), 0.3),
                                    true);
    return m;
}

static ebb_tensor *forward(const struct model *m, ebb_tensor *x) {
    ebb_tensor *h = x;
    for (int i = 0; i < 6; i++) {
        ebb_tensor *y = ebb_matmul(ebb_layer_norm(h, EBB_DIMS(16)), ebb_t(m->w[i]));
        ebb_list part = ebb_split(y, 8, .dim = 1);
        if (part.n < 2) return NULL;
        ebb_tensor *gate = ebb_sigmoid(part.t[0]), *value = ebb_gelu(part.t[1]);
        y = ebb_cat(EBB_LIST(ebb_mul(gate, value), ebb_softmax(value, -1)), 1);
        if (i % 2) y = ebb_dropout(y);
        y = ebb_add(ebb_exp(ebb_mul(ebb_reshape(ebb_transpose(y, 0, 1), EBB_DIMS(8, 16)), 0.1)), y);
        if (i == 3) ebb_relu_(y);
        ebb_tensor *mask = ebb_gt(y, 0.5);
        h = ebb_add(h, ebb_where(mask, y, ebb_mul(y, y)));
        if (i == 4) ebb_mul_(h, 0.5);
    }
    return ebb_mean(ebb_mul(h, h));
}

EBB_TEST(a_model_to_the_bit) {
    EBB_SCOPE {
        struct model m = make_model();
        ebb_tensor *x = ebb_reshape(values(128, -0.5), EBB_DIMS(8, 16)), *want[6], *got[6];
        ebb_list w = {6, m.w};
        ebb_manual_seed(5);
        ebb_tensor *y = forward(&m, x);
        CHECK_OK();
        CHECK(ebb_grad(EBB_LIST(y), w, want) == EBB_OK);
        int64_t all = 0;
        for (int64_t budget = INT64_MAX; budget > 1; budget = all ? budget / 2 : all) {
            ebb_memory_budget_report r;
            ebb_tensor *z = NULL;
            ebb_manual_seed(5);
            EBB_MEMORY_BUDGET(budget, &r) z = forward(&m, x);
            CHECK_OK();
            if (!all) budget = all = r.peak;
            CHECK(same(z, y));
            CHECK(ebb_grad(EBB_LIST(z), w, got, .retain_graph = true) == EBB_OK);
            for (int i = 0; i < 6; i++) CHECK(same(got[i], want[i]));
            CHECK(ebb_grad(EBB_LIST(z), w, got) == EBB_OK);
            for (int i = 0; i < 6; i++) CHECK(same(got[i], want[i]));
            CHECK(r.over == (r.peak > r.budget ? r.peak - r.budget : 0));
            CHECK(budget >= all || r.recomputed > 0);
        }
    }
}

EBB_TEST(higher_derivatives) {
    ebb_memory_budget_report r; /* outlives the graphs */
    EBB_SCOPE {
        ebb_tensor *x = parameter(64, 0.5), *g, *h, *want[2];
        for (int k = 0; k < 2; k++) {
            EBB_MEMORY_BUDGET(k ? 512 : 1 << 20, &r) {
                ebb_tensor *y = ebb_sum(ebb_mul(ebb_tanh(ebb_exp(ebb_sin(x))), x));
                CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true) == EBB_OK);
                CHECK(ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(x), &h) == EBB_OK);
            }
            if (k) CHECK(same(g, want[0]) && same(h, want[1]) && r.recomputed > 0);
            want[0] = g;
            want[1] = h;
        }
    }
}

/* ---- writing in place ---- */

EBB_TEST(what_is_written_in_place_is_copied_first) {
    EBB_SCOPE {
        ebb_tensor *x = values(N, 0.5), *w = parameter(N, 1), *g, *want;
        CHECK(ebb_grad(EBB_LIST(ebb_sum(ebb_exp(ebb_mul(w, ebb_exp(x))))), EBB_LIST(w), &want) == EBB_OK);
        ebb_memory_budget_report r;
        ebb_tensor *y = NULL;
        EBB_MEMORY_BUDGET(0, &r) {
            EBB_SCOPE y = ebb_scope_hand(ebb_sum(ebb_exp(ebb_mul(w, ebb_exp(x)))));
            ebb_mul_(x, 3.0); /* plain: nobody has saved x */
        }
        EBB_NO_GRAD ebb_mul_(w, 2.0);
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(w), &g) == EBB_OK);
        CHECK(same(g, want));
    }
}

EBB_TEST(written_through_its_data_is_an_error) {
    EBB_SCOPE {
        ebb_tensor *w = parameter(N, 1), *y = NULL;
        EBB_MEMORY_BUDGET(0, NULL) y = ebb_sum(ebb_exp(ebb_exp(w)));
        ((float *)ebb_tensor_data(w))[0] = 7;
        ebb_increment_version(w);
        CHECK(ebb_backward(y) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "has been overwritten in place since, through its data at ");
    }
}

EBB_TEST(random_results_are_kept) {
    EBB_SCOPE {
        ebb_tensor *w = parameter(N, 1), *y = NULL;
        ebb_memory_budget_report r;
        EBB_MEMORY_BUDGET(0, &r) y = ebb_sum(ebb_exp(ebb_dropout(w)));
        CHECK(r.held > 0 && r.over == r.peak);
        CHECK(ebb_backward(y) == EBB_OK && r.held == 0);
    }
}

/* ---- use ---- */

EBB_TEST(wrong_use) {
    EBB_SCOPE {
        CHECK(!ebb_memory_budget_open(-1, NULL).open);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "memory_budget: a budget of -1 bytes");
        EBB_NO_SAVED_HOOKS("not here") CHECK(!ebb_memory_budget_open(1, NULL).open);
        CHECK_ERROR(EBB_ERR_GRAPH, "not here");
        ebb_saved_hooks_block block = ebb_memory_budget_open(1, NULL);
        ebb_memory_budget_close(&block);
        ebb_memory_budget_close(&block);
        ebb_memory_budget_close(NULL);
        CHECK(ebb_sum(parameter(3, 1)) != NULL);
    }
}

static ebb_status block(ebb_list in, ebb_outputs *ret_out, void *context) {
    ret_out->t[ret_out->n++] = ebb_tanh(ebb_mul(ebb_exp(in.t[0]), context));
    return ebb_error_status();
}

EBB_TEST(checkpoints_inside) {
    EBB_SCOPE {
        ebb_tensor *w = parameter(N, 0.1), *x = parameter(N, 0.2), *y = NULL, *want[2], *got[2];
        for (int k = 0; k < 2; k++) {
            EBB_MEMORY_BUDGET(k ? BYTES : 100 * BYTES, NULL) {
                y = x;
                for (int i = 0; i < 5; i++) y = ebb_checkpoint(block, w, EBB_LIST(ebb_sin(y))).t[0];
            }
            CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x, w), k ? got : want) == EBB_OK);
        }
        CHECK(same(got[0], want[0]) && same(got[1], want[1]));
    }
}

enum { THREADS = 3 };
struct concurrent {
    ebb_tensor *y, *x, *want;
    int right;
};
static void *passes(void *context) {
    struct concurrent *c = context;
    for (int i = 0; i < 10; i++) {
        EBB_SCOPE {
            ebb_tensor *g = NULL;
            if (!ebb_grad(EBB_LIST(c->y), EBB_LIST(c->x), &g, .retain_graph = true)) c->right += same(g, c->want);
        }
    }
    ebb_thread_release();
    return NULL;
}

EBB_TEST(passes_at_once) {
    EBB_SCOPE {
        pthread_t thread[THREADS];
        struct concurrent c[THREADS];
        ebb_tensor *x = parameter(N, 0.5), *b = ebb_full(EBB_DIMS(1), 0.01, .requires_grad = true), *y = NULL, *want;
        EBB_MEMORY_BUDGET(4 * BYTES, NULL) y = chain(x, b, 30);
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &want, .retain_graph = true) == EBB_OK);
        for (int i = 0; i < THREADS; i++) {
            c[i] = (struct concurrent){y, x, want, 0};
            CHECK(pthread_create(&thread[i], NULL, passes, &c[i]) == 0);
        }
        for (int i = 0; i < THREADS; i++) CHECK(pthread_join(thread[i], NULL) == 0 && c[i].right == 10);
    }
}

static void run_failing(void) {
    EBB_SCOPE {
        struct model m = make_model();
        ebb_tensor *x = ebb_reshape(values(128, -0.5), EBB_DIMS(8, 16)), *y = NULL;
        EBB_MEMORY_BUDGET(4096, NULL) y = forward(&m, x);
        ebb_backward(y);
    }
}
EBB_TEST(every_allocation_failing) {
    for (int64_t n = 1;; n += CHECK_STEP(37)) { /* as CHECK_ALLOCATIONS_FAILING, in steps where it is slow */
        ebb_memory_fail_after(n);
        run_failing();
        bool failed = ebb_memory_fail_after(0) >= n;
        CHECK(!failed || ebb_error_status() == EBB_ERR_MEMORY);
        if (failed) ebb_clear_error();
        CHECK_OK();
        CHECK_NO_LEAK();
        if (!failed) break;
    }
}

EBB_TEST_MAIN
