/* Deep graphs: a pass over a chain, and its end, take time by its length, no stack, and give all memory back.
 * EBB_DEEP=full in the environment runs the sizes that are promised, 5 million nodes and 200,000 operators of the
 * user's own, and prints what they took. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "tests/check.h"
#include "tests/own_operator.h"
#include <ebb/ebb.h>
#include <time.h>

static bool full(void) {
    const char *deep = getenv("EBB_DEEP");
    return deep && !strcmp(deep, "full");
}

/* Of the processor, whatever else it does. */
static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* Resident megabytes of the process, when nothing of the library's is live; 0 where the system does not tell. */
static double resident(void) {
    long size = 0, pages = 0;
    ebb_thread_release();
    ebb_memory_trim();
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &size, &pages) != 2) pages = 0;
    if (f) (void)fclose(f);
    return (double)pages * 4096e-6;
}

/* ---- an operator of one's own ---- */

static void vjp(struct ebb_vjp_call *v) {
    if (v->in[0]) ebb_vjp_give(v, 0, v->grad[0]);
}
static const struct ebb_op own = OWN_OPERATOR("own", vjp);

static ebb_tensor *add_step(ebb_tensor *y, ebb_tensor *x) { return ebb_add(y, x); }
static ebb_tensor *mul_step(ebb_tensor *y, ebb_tensor *x) { return ebb_mul(y, x); }
static ebb_tensor *own_step(ebb_tensor *y, ebb_tensor *x) {
    (void)x;
    return ebb_call_op1(&own, &y, 1, NULL);
}
static ebb_tensor *inplace_step(ebb_tensor *y, ebb_tensor *x) { return ebb_add_(y, x); }

/* ---- chains ---- */

static ebb_tensor *chain(ebb_tensor *x, ebb_tensor *(*step)(ebb_tensor *y, ebb_tensor *x), int64_t n) {
    ebb_tensor *y = NULL;
    EBB_SCOPE y = ebb_keep(ebb_mul(x, 1.0));
    for (int64_t done = 0; done < n;) {
        EBB_SCOPE {
            ebb_tensor *t = y;
            for (int i = 0; i < 1000 && done < n; i++, done++) t = step(t, x);
            if (t == y) continue;
            ebb_drop(y);
            y = ebb_keep(t);
        }
    }
    return y;
}

/* Forward, backward, end; the seconds of each, and bytes a node. */
struct took {
    double forward, backward, end, bytes;
};

static struct took run(ebb_tensor *(*step)(ebb_tensor *y, ebb_tensor *x), int64_t n, double want, bool create_graph) {
    struct took took;
    ebb_tensor *x = ebb_keep(ebb_scalar(1.0, .dtype = EBB_F64, .requires_grad = true)), *g = NULL;
    int64_t before = ebb_memory().in_use;
    double start = seconds();
    ebb_tensor *y = chain(x, step, n);
    took.forward = seconds() - start;
    took.bytes = (double)(ebb_memory().in_use - before) / (double)n;
    start = seconds();
    EBB_SCOPE {
        if (create_graph) {
            CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true));
            CHECK_CLOSE(ebb_item(g), want, 0);
        } else {
            CHECK(!ebb_backward(y));
            CHECK_CLOSE(ebb_item(ebb_tensor_grad(x)), want, 0);
        }
        took.backward = seconds() - start;
        start = seconds();
        ebb_drop(y);
    }
    ebb_set_grad(x, NULL);
    took.end = seconds() - start;
    ebb_drop(x);
    CHECK_NO_LEAK();
    return took;
}

static void report(const char *what, int64_t n, struct took t) {
    print_message(
        "%-22s %8lld nodes: forward %5.1f, backward %5.1f, freed %5.1f ns, %4.0f bytes a node; then %.0f MB resident\n",
        what, (long long)n, 1e9 * t.forward / (double)n, 1e9 * t.backward / (double)n, 1e9 * t.end / (double)n, t.bytes,
        resident());
}

/* With the full size, a quarter of it beside: the time a node is the same when time is linear. */
static void check(const char *what, ebb_tensor *(*step)(ebb_tensor *y, ebb_tensor *x), int64_t small, int64_t large,
                  bool sums, bool create_graph) {
    int64_t sizes[] = {large / 4, large};
    for (int i = 0; i < 2; i++) {
        int64_t n = full() ? sizes[i] : small / CHECK_STEP(4);
        struct took t = run(step, n, sums ? (double)n + 1 : 1, create_graph);
        if (!full()) return;
        report(what, n, t);
    }
}

EBB_TEST(a_chain_that_saves_nothing) { check("add", add_step, 200000, 5000000, true, false); }
EBB_TEST(a_chain_that_saves_values) {
    int64_t n = full() ? 5000000 : 200000 / CHECK_STEP(4);
    struct took t = run(mul_step, n, (double)n + 1, false);
    if (full()) report("mul", n, t);
}
EBB_TEST(a_chain_of_writes_in_place) { check("add_", inplace_step, 100000, 5000000, true, false); }
EBB_TEST(a_chain_under_create_graph) { check("add, create_graph", add_step, 100000, 1000000, true, true); }
EBB_TEST(a_chain_of_operators_of_ones_own) { check("operator of one's own", own_step, 50000, 200000, false, false); }

/* Never differentiated: only freed. */
EBB_TEST(a_chain_that_is_only_freed) {
    int64_t n = full() ? 5000000 : 100000;
    EBB_SCOPE {
        ebb_tensor *x = ebb_scalar(1.0, .dtype = EBB_F64, .requires_grad = true);
        ebb_drop(chain(x, mul_step, n));
    }
    CHECK_NO_LEAK();
}

/* Wide instead of deep: one leaf, a node with as many inputs. */
EBB_TEST(a_sum_of_many_terms) {
    enum { N = 50000 };
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(1), .requires_grad = true), **t = ebb_list_room(N);
        for (int i = 0; i < N; i++) t[i] = ebb_mul(x, 2.0);
        CHECK(!ebb_backward(ebb_sum(ebb_cat(((ebb_list){N, t}), 0))));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 2.0 * N);
    }
}

EBB_TEST_MAIN
