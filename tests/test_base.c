/* Errors, call sites, scopes and parallel loops of the base layer. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

/* ---- a tensor that only notes its release ---- */

enum { FAKES = 64 };
struct fake {
    _Alignas(16) int released;
};
static struct fake fakes[FAKES];
static int order[256];
static size_t n_released;
static void (*on_release)(int i);

static ebb_tensor *fake(int i) { return (ebb_tensor *)(void *)&fakes[i]; }

static void release_fake(ebb_tensor *t) {
    struct fake *f = (struct fake *)(void *)t;
    int i = (int)(f - fakes);
    f->released++;
    if (n_released < sizeof order / sizeof *order) order[n_released] = i;
    n_released++;
    if (on_release) on_release(i);
}

static int set_up(void **state) {
    (void)state;
    memset(fakes, 0, sizeof fakes);
    n_released = 0;
    on_release = NULL;
    ebb__scope_release = release_fake;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ebb_thread_release();
    return ebb_memory().live ? -1 : 0;
}

static void push(int i) { assert_true(ebb__scope_push(fake(i))); }

/* ---- errors ---- */

static void first_error_is_kept(void **state) {
    (void)state;
    assert_null(ebb_error());
    assert_int_equal(ebb_error_status(), EBB_OK);
    assert_int_equal(ebb_perror("nothing"), 0);
    (void)ebb_at("here.c", 12);
    assert_int_equal(ebb__fail_op("matmul", EBB_ERR_SHAPE, "%d and %d", 2, 3), EBB_ERR_SHAPE);
    (void)ebb_at("there.c", 13);
    assert_int_equal(ebb_fail(EBB_ERR_IO, "second"), EBB_ERR_IO);
    const ebb_error_info *e = ebb_error();
    assert_non_null(e);
    assert_int_equal(e->status, EBB_ERR_SHAPE);
    assert_string_equal(e->op, "matmul");
    assert_string_equal(e->message, "2 and 3");
    assert_string_equal(e->file, "here.c");
    assert_int_equal(e->line, 12);
    assert_int_equal(ebb__fail_null("add", "a"), EBB_ERR_SHAPE);
    ebb_clear_error();
    assert_null(ebb_error());
    assert_int_equal(ebb__fail_null("add", "a"), EBB_ERR_ARGUMENT);
    assert_string_equal(ebb_error()->message, "a is NULL");
    assert_string_equal(ebb_error()->op, "add");
    ebb_clear_error();
}

static void long_and_broken_messages_stay_one_line(void **state) {
    (void)state;
    char longer[3000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    (void)ebb__fail_op(longer, EBB_ERR_FORMAT, "a\nb%s", longer);
    size_t n = strlen(ebb_error()->message);
    assert_true(n > 500 && n < 3000);
    assert_string_equal(ebb_error()->message + n - 3, "...");
    assert_memory_equal(ebb_error()->message, "a bx", 4);
    assert_string_equal(ebb_error()->op + strlen(ebb_error()->op) - 3, "...");
    ebb_clear_error();
}

static void perror_leaves_out_what_is_empty(void **state) {
    (void)state;
    static const struct {
        const char *prefix, *file, *op, *text;
    } rows[] = {
        {"step", "a.c", "add", "step: a.c:7: add: wrong\n"},
        {"step", NULL, "", "step: wrong\n"},
        {NULL, "a.c", "", "a.c:7: wrong\n"},
        {"", NULL, "add", "add: wrong\n"},
        {"", NULL, "", "wrong\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)ebb_at(rows[i].file, 7);
        (void)ebb__fail_op(rows[i].op, EBB_ERR_INDEX, "wrong");
        FILE *file = tmpfile();
        assert_non_null(file);
        (void)fflush(stderr);
        int kept = dup(2);
        assert_int_equal(dup2(fileno(file), 2), 2);
        int status = ebb_perror(rows[i].prefix);
        (void)fflush(stderr);
        assert_int_equal(dup2(kept, 2), 2);
        (void)close(kept);
        assert_int_equal(status, EBB_ERR_INDEX);
        assert_null(ebb_error());
        char text[100] = "";
        rewind(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        (void)fclose(file);
        assert_string_equal(text, rows[i].text);
    }
    (void)ebb_at(NULL, 0);
}

static void every_status_has_a_name(void **state) {
    (void)state;
    for (int s = EBB_OK; s <= EBB_ERR_NONFINITE; s++)
        assert_string_not_equal(ebb_status_name((ebb_status)s), "unknown");
    assert_string_equal(ebb_status_name(EBB_ERR_SHAPE), "shape");
    assert_string_equal(ebb_status_name((ebb_status)(EBB_ERR_NONFINITE + 1)), "unknown");
    char version[32];
    (void)snprintf(version, sizeof version, "%d.%d.%d", EBB_VERSION_MAJOR, EBB_VERSION_MINOR, EBB_VERSION_PATCH);
    assert_string_equal(ebb_version(), version);
}

static void *fail_elsewhere(void *ret) {
    (void)ebb_fail(EBB_ERR_DTYPE, "in another thread");
    *(ebb_status *)ret = ebb_error_status();
    return NULL;
}

static void errors_belong_to_their_thread(void **state) {
    (void)state;
    pthread_t thread;
    ebb_status status = EBB_OK;
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &status), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(status, EBB_ERR_DTYPE);
    assert_null(ebb_error());
}

/* ---- scopes ---- */

static void scope_releases_latest_first(void **state) {
    (void)state;
    push(0);
    ebb_scope scope = ebb_scope_open();
    assert_true(scope.open != 0);
    push(1);
    push(2);
    ebb_scope_close(&scope);
    assert_int_equal(scope.open, 0);
    assert_int_equal(n_released, 2);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 1);
    ebb_scope_close(&scope);
    assert_int_equal(n_released, 2);
    ebb_scope_close(NULL);
    ebb_thread_release();
    assert_int_equal(n_released, 3);
}

static void leave_early(void) {
    EBB_SCOPE {
        push(3);
        return;
    }
}

static void scope_block_closes_however_left(void **state) {
    (void)state;
    EBB_SCOPE {
        push(1);
        EBB_SCOPE {
            push(2);
            break;
        }
        assert_int_equal(n_released, 1);
    }
    assert_int_equal(n_released, 2);
    leave_early();
    assert_int_equal(fakes[3].released, 1);
    assert_int_equal(ebb__thread.scope_n, 0);
    assert_int_equal(ebb__thread.scope_depth, 0);
}

static void handed_tensors_move_to_the_parent(void **state) {
    (void)state;
    static const int released[] = {0, 0, 1, 0, 1, 1, 1, 1};
    assert_null(ebb_scope_hand(NULL));
    push(0);
    assert_ptr_equal(ebb_scope_hand(fake(0)), fake(0)); /* no scope to leave */
    EBB_SCOPE {
        push(1);
        EBB_SCOPE {
            for (int i = 2; i < 8; i++) push(i);
            push(5); /* owned twice */
            assert_ptr_equal(ebb_scope_hand(fake(3)), fake(3));
            assert_ptr_equal(ebb_scope_hand(fake(5)), fake(5));
            assert_ptr_equal(ebb_scope_hand(fake(1)), fake(1));   /* not of this scope */
            assert_ptr_equal(ebb_scope_hand(fake(20)), fake(20)); /* of none */
        }
        for (int i = 0; i < 8; i++) assert_int_equal(fakes[i].released, released[i]);
        (void)ebb_scope_hand(fake(3));
    }
    assert_int_equal(fakes[1].released, 1);
    assert_int_equal(fakes[3].released, 0);
    assert_int_equal(fakes[5].released, 2);
    ebb_thread_release();
    assert_int_equal(fakes[0].released, 1);
    assert_int_equal(fakes[3].released, 1);
}

static void closing_a_scope_closes_those_inside(void **state) {
    (void)state;
    ebb_scope outer = ebb_scope_open();
    push(0);
    ebb_scope inner = ebb_scope_open();
    push(1);
    (void)ebb_scope_hand(fake(1)); /* to the outer scope, which closes as well */
    ebb_scope_close(&outer);
    assert_int_equal(n_released, 2);
    assert_int_equal(ebb__thread.scope_depth, 0);
    /* What came later to the same places of the stack is not touched by the stale inner scope. */
    for (int i = 2; i < 8; i++) push(i);
    ebb_scope later = ebb_scope_open();
    push(8);
    ebb_scope_close(&inner);
    assert_int_equal(n_released, 2);
    ebb_scope_close(&later);
    assert_int_equal(n_released, 3);
}

static ebb_scope *victim;

static void use_scopes(int i) {
    if (i == 1) { /* work in a scope of its own, a result handed out of it, and a tensor left behind */
        EBB_SCOPE {
            for (int k = 10; k < 40; k++) push(k); /* the stack moves */
            (void)ebb_scope_hand(fake(12));
        }
        push(13);
    }
    if (i == 2 && victim) ebb_scope_close(victim);
}

static void release_may_use_scopes(void **state) {
    (void)state;
    on_release = use_scopes;
    push(0);
    EBB_SCOPE {
        push(1);
        push(3);
    }
    assert_int_equal(fakes[12].released, 1);
    assert_int_equal(fakes[13].released, 2);
    assert_int_equal(fakes[0].released, 0);
    assert_int_equal(ebb__thread.scope_n, 1);
}

static void release_may_close_scopes(void **state) {
    (void)state;
    on_release = use_scopes;
    push(0);
    ebb_scope outer = ebb_scope_open();
    push(4);
    ebb_scope inner = ebb_scope_open();
    push(3);
    push(2);
    push(5);
    victim = &outer;
    ebb_scope_close(&inner);
    victim = NULL;
    for (int i = 2; i < 6; i++) assert_int_equal(fakes[i].released, 1);
    assert_int_equal(fakes[0].released, 0);
    assert_int_equal(ebb__thread.scope_n, 1);
    assert_int_equal(ebb__thread.scope_depth, 0);
}

static void large_stack_is_given_back(void **state) {
    (void)state;
    EBB_SCOPE {
        for (int i = 0; i < 300000; i++) push(0);
        assert_true(ebb_memory().in_use >= 300000 * (int64_t)sizeof(void *));
    }
    assert_int_equal(fakes[0].released, 300000);
    assert_true(ebb_memory().in_use < 65536);
}

static void scopes_without_memory(void **state) {
    (void)state;
    for (int64_t n = 1; n < 4; n++) {
        int pushed = 0;
        ebb_thread_release();
        fakes[1].released = 0;
        (void)ebb_memory_fail_after(n);
        ebb_scope scope = ebb_scope_open();
        for (int i = 0; i < 40; i++) pushed += ebb__scope_push(fake(1));
        ebb_scope_close(&scope);
        (void)ebb_memory_fail_after(0);
        assert_true(pushed < 40);
        assert_int_equal(fakes[1].released, pushed);
        assert_int_equal(ebb_error_status(), EBB_ERR_MEMORY);
        assert_int_equal(ebb__thread.scope_n, 0);
    }
}

static void *own_tensors(void *unused) {
    (void)unused;
    push(1);
    (void)ebb_scope_open();
    push(2);
    (void)ebb_scope_hand(fake(2));
    return NULL;
}

static void thread_end_releases(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, own_tensors, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(fakes[1].released, 1);
    assert_int_equal(fakes[2].released, 1);
}

/* ---- parallel loops ---- */

enum { N = 100003 };
struct loop {
    unsigned char seen[N];
    int64_t piece_end[N]; /* by where the piece begins; 0: none */
};

static void mark(void *context, int64_t first, int64_t last) {
    struct loop *loop = context;
    for (int64_t i = first; i < last; i++) loop->seen[i]++;
    loop->piece_end[first] = last;
}

static void pieces_do_not_depend_on_threads(void **state) {
    (void)state;
    static struct loop one, many;
    static const int64_t grains[] = {0, 1, 7, 1000, N - 1, N, 10 * N};
    for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
        memset(&one, 0, sizeof one);
        ebb_set_num_threads(1);
        ebb__parallel_for(N, grains[g], mark, &one);
        for (int64_t i = 0; i < N; i++) {
            assert_int_equal(one.seen[i], 1);
            if (!one.piece_end[i]) continue;
            const int64_t unit = grains[g] < 4 ? 1 : grains[g] / 4;
            assert_int_equal(i % unit, 0);
            assert_true(one.piece_end[i] - i >= (N < 2 * grains[g] ? N : grains[g] < 4 ? 1 : 2 * unit));
        }
        for (int threads = 2; threads < 6; threads++) {
            memset(&many, 0, sizeof many);
            ebb_set_num_threads(threads);
            assert_int_equal(ebb_num_threads(), threads);
            ebb__parallel_for(N, grains[g], mark, &many);
            assert_memory_equal(&one, &many, sizeof one);
        }
    }
    ebb__parallel_for(0, 1, mark, NULL);
    ebb__parallel_for(-5, 1, mark, NULL);
    ebb_set_num_threads(0);
    assert_true(ebb_num_threads() >= 1);
}

static void add_up(void *context, int64_t first, int64_t last) {
    *(int64_t *)context += last - first; /* no lock: a nested loop stays on its thread */
}

static void nest(void *context, int64_t first, int64_t last) {
    int64_t *sums = context;
    for (int64_t i = first; i < last; i++) ebb__parallel_for(1000, 10, add_up, &sums[i]);
}

static void loops_nest(void **state) {
    (void)state;
    int64_t sums[50] = {0};
    ebb_set_num_threads(4);
    ebb__parallel_for(50, 1, nest, sums);
    for (int i = 0; i < 50; i++) assert_int_equal(sums[i], 1000);
    ebb_set_num_threads(0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(first_error_is_kept),
        TEST(long_and_broken_messages_stay_one_line),
        TEST(perror_leaves_out_what_is_empty),
        TEST(every_status_has_a_name),
        TEST(errors_belong_to_their_thread),
        TEST(scope_releases_latest_first),
        TEST(scope_block_closes_however_left),
        TEST(handed_tensors_move_to_the_parent),
        TEST(closing_a_scope_closes_those_inside),
        TEST(release_may_use_scopes),
        TEST(release_may_close_scopes),
        TEST(large_stack_is_given_back),
        TEST(scopes_without_memory),
        TEST(thread_end_releases),
        TEST(pieces_do_not_depend_on_threads),
        TEST(loops_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
