/* What every unit test uses: tests that register themselves, checks of errors and values, a leak check after each test.
 *
 *     #include "tests/check.h"
 *     EBB_TEST(addition_broadcasts) {
 *         ebb_tensor *y = ebb_add(ebb_zeros(EBB_DIMS(2, 1)), ebb_ones(EBB_DIMS(3)));
 *         CHECK_VALUES(y, 0, 1, 1, 1, 1, 1, 1);
 *         ebb_add(y, ebb_ones(EBB_DIMS(7)));
 *         CHECK_ERROR(EBB_ERR_SHAPE, "(2, 3) and (7)");
 *     }
 *     EBB_TEST_MAIN
 *
 * A test ends without a pending error and without a live block of memory. A program's arguments choose its tests:
 * `test_ops 'addition*'`. */
#ifndef EBB_TESTS_CHECK_H
#define EBB_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <ebb/base.h>
#include <ebb/tensor.h>

/* Whether a sanitizer makes everything many times slower: exhaustive loops take larger steps then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHECK_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHECK_SANITIZED 1
#endif
#endif
#ifndef CHECK_SANITIZED
#define CHECK_SANITIZED 0
#endif
#define CHECK_STEP(sanitized) (CHECK_SANITIZED ? (sanitized) : 1)

/* ---- tests ---- */

#define CHECK_MAX_TESTS 512

struct check_test {
    const char *name;
    CMUnitTestFunction run;
    int line;
};
static struct check_test check_tests[CHECK_MAX_TESTS];
static size_t check_n_tests;

static inline void check_register(const char *name, CMUnitTestFunction run, int line) {
    if (check_n_tests == CHECK_MAX_TESTS) abort();
    check_tests[check_n_tests++] = (struct check_test){name, run, line};
}

#define EBB_TEST(name) \
    static void name(void); \
    static void name##_run(void **state) { \
        (void)state; \
        name(); \
    } \
    __attribute__((constructor)) static void name##_register(void) { check_register(#name, name##_run, __LINE__); } \
    static void name(void)

/* ---- checks ---- */

#define CHECK(condition) _assert_true((condition) ? 1 : 0, #condition, __FILE__, __LINE__)

/* No error is pending in this thread. */
#define CHECK_OK() check_ok(__FILE__, __LINE__)
static inline void check_ok(const char *file, int line) {
    const ebb_error_info *e = ebb_error();
    if (!e) return;
    print_error("pending error: %s: %s: %s (from %s:%d)\n", ebb_status_name(e->status), e->op, e->message, e->file,
                e->line);
    ebb_clear_error();
    _fail(file, line);
}

/* The pending error has this status, and "op: message" contains this text; it is cleared. */
#define CHECK_ERROR(status, text) check_error((status), (text), __FILE__, __LINE__)
static inline void check_error(ebb_status status, const char *text, const char *file, int line) {
    const ebb_error_info *e = ebb_error();
    if (!e) {
        print_error("no error is pending; expected %s with \"%s\"\n", ebb_status_name(status), text);
        _fail(file, line);
        return;
    }
    char got[1200];
    (void)snprintf(got, sizeof got, "%s: %s", e->op, e->message);
    bool right = e->status == status && strstr(got, text);
    if (!right)
        print_error("error is %s, \"%s\"; expected %s with \"%s\"\n", ebb_status_name(e->status), got,
                    ebb_status_name(status), text);
    ebb_clear_error();
    if (!right) _fail(file, line);
}

/* |got - want| <= tolerance * max(1, |want|); NaN equals NaN, and infinities themselves. */
#define CHECK_CLOSE(got, want, tolerance) check_close((got), (want), (tolerance), #got, __FILE__, __LINE__)
static inline void check_close(double got, double want, double tolerance, const char *what, const char *file,
                               int line) {
    double size = want < 0 ? -want : want;
    double difference = got < want ? want - got : got - want;
    if (got == want || (got != got && want != want) || difference <= tolerance * (size > 1 ? size : 1)) return;
    print_error("%s is %.17g; expected %.17g (tolerance %g)\n", what, got, want, tolerance);
    _fail(file, line);
}

/* The tensor's elements, in row-major order, are these numbers, all of them: CHECK_VALUES(t, 1e-6, 1, 2.5, 3). */
#define CHECK_VALUES(t, tolerance, ...) \
    check_values((t), (tolerance), (const double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double), \
                 #t, __FILE__, __LINE__)
static inline void check_values(const ebb_tensor *t, double tolerance, const double *want, size_t n, const char *what,
                                const char *file, int line) {
    check_ok(file, line);
    if ((size_t)ebb_tensor_numel(t) != n) {
        print_error("%s has %lld elements; expected %zu\n", what, (long long)ebb_tensor_numel(t), n);
        _fail(file, line);
        return;
    }
    double *got = malloc(n * sizeof *got);
    if (!got || ebb_tensor_read(t, EBB_F64, got)) {
        free(got);
        check_ok(file, line);
        _fail(file, line);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char element[128];
        (void)snprintf(element, sizeof element, "%s, element %zu,", what, i);
        check_close(got[i], want[i], tolerance, element, file, line);
    }
    free(got);
}

/* The tensor has this shape: CHECK_SHAPE(t, 2, 3); for a 0-d tensor CHECK(ebb_tensor_ndim(t) == 0). */
#define CHECK_SHAPE(t, ...) check_shape((t), EBB_DIMS(__VA_ARGS__), #t, __FILE__, __LINE__)
static inline void check_shape(const ebb_tensor *t, ebb_dims want, const char *what, const char *file, int line) {
    check_ok(file, line);
    ebb_dims got = ebb_tensor_shape(t);
    bool same = got.n == want.n;
    for (int i = 0; same && i < got.n; i++) same = got.d[i] == want.d[i];
    if (same) return;
    print_error("%s has shape (", what);
    for (int i = 0; i < got.n; i++) print_error("%s%lld", i ? ", " : "", (long long)got.d[i]);
    print_error("); expected (");
    for (int i = 0; i < want.n; i++) print_error("%s%lld", i ? ", " : "", (long long)want.d[i]);
    print_error(")\n");
    _fail(file, line);
}

/* ---- leaks and failing allocations ---- */

#define CHECK_NO_LEAK() check_no_leak(__FILE__, __LINE__)
static inline void check_no_leak(const char *file, int line) {
    ebb_thread_release();
    ebb_memory_info m = ebb_memory();
    if (m.live == 0) return;
    print_error("%lld blocks, %lld bytes, are still live\n", (long long)m.live, (long long)m.in_use);
    _fail(file, line);
}

/* Call body with the 1st, 2nd, 3rd, ... allocation and all later ones failing, until nothing fails any more. Each time
 * it must end with EBB_ERR_MEMORY pending, and leak nothing. `limit` ends the loop early (0: no limit). */
#define CHECK_ALLOCATIONS_FAILING(body, limit) check_allocations_failing((body), (limit), __FILE__, __LINE__)
static inline void check_allocations_failing(void (*body)(void), int64_t limit, const char *file, int line) {
    for (int64_t n = 1; limit == 0 || n <= limit; n++) {
        ebb_memory_fail_after(n);
        body();
        bool failed = ebb_memory_fail_after(0) >= n;
        if (failed && ebb_error_status() != EBB_ERR_MEMORY) {
            print_error("allocation %lld failed, and the error is \"%s\"\n", (long long)n,
                        ebb_status_name(ebb_error_status()));
            ebb_clear_error();
            _fail(file, line);
        }
        if (failed) ebb_clear_error();
        check_ok(file, line);
        check_no_leak(file, line);
        if (!failed) return;
    }
}

/* ---- main ---- */

static int check_teardown(void **state) {
    (void)state;
    bool failed = ebb_error() != NULL;
    if (failed) {
        (void)fputs("the test leaves an error behind: ", stderr);
        (void)ebb_perror("teardown");
    }
    ebb_thread_release();
    ebb_memory_info m = ebb_memory();
    if (m.live) print_error("the test leaks %lld blocks, %lld bytes\n", (long long)m.live, (long long)m.in_use);
    return failed || m.live ? -1 : 0;
}

static int check_by_line(const void *a, const void *b) {
    return ((const struct check_test *)a)->line - ((const struct check_test *)b)->line;
}

static int check_main(const char *program, int argc, char **argv) {
    static struct CMUnitTest tests[CHECK_MAX_TESTS];
    qsort(check_tests, check_n_tests, sizeof *check_tests, check_by_line);
    for (size_t i = 0; i < check_n_tests; i++)
        tests[i] = (struct CMUnitTest){check_tests[i].name, check_tests[i].run, NULL, check_teardown, NULL};
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests(program, tests, check_n_tests, NULL, NULL) ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define EBB_TEST_MAIN \
    int main(int argc, char **argv) { return check_main(__FILE__, argc, argv); }

#endif
