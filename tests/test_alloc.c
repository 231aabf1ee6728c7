/* The allocator: alignment, reuse, exact counters, threads, trimming, and failures on demand. */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

static const int64_t MB = 1 << 20;

static int tear_down(void **state) {
    (void)state;
    ebb_clear_error();
    ebb_memory_info info = ebb_memory();
    return info.live || info.in_use ? -1 : 0;
}

static uint32_t next_random(uint32_t *seed) {
    *seed = *seed * UINT32_C(1664525) + UINT32_C(1013904223);
    return *seed >> 8;
}

/* ---- sizes ---- */

static void classes_fit(void **state) {
    (void)state;
    unsigned last = 0;
    for (size_t bytes = 0; bytes <= EBB__SMALL_MAX; bytes++) {
        unsigned c = ebb__class_of(bytes);
        assert_true(c == last || c == last + 1);
        last = c;
        assert_true(ebb__class_size(c) >= bytes);
        assert_true(ebb__class_size(c) <= (bytes > EBB__FINE_MAX ? bytes + bytes / 8 : bytes + EBB__STEP));
    }
    assert_int_equal(last, EBB__SMALL_CLASSES - 1);
    for (unsigned e = 15; e < 62; e++) {
        for (size_t bytes = ((size_t)1 << e) - 1; bytes < ((size_t)1 << e) + 2; bytes++) {
            unsigned c = ebb__class_of(bytes);
            assert_true(c < EBB__SMALL_CLASSES + EBB__LARGE_CLASSES);
            assert_true(ebb__class_size(c) >= bytes);
        }
    }
}

static void blocks_are_aligned_and_apart(void **state) {
    (void)state;
    enum { BLOCKS = 400 };
    static unsigned char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    uint32_t seed = 1;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            sizes[i] = i < 40 ? (size_t)i : next_random(&seed) % (i % 10 ? 3000 : 200000);
            blocks[i] = ebb__alloc(sizes[i]);
            assert_non_null(blocks[i]);
            bool wide = sizes[i] > 1024 || (sizes[i] && sizes[i] % 64 == 0);
            assert_int_equal((uintptr_t)blocks[i] % (wide ? 64 : 16), 0);
            memset(blocks[i], i & 255, sizes[i]);
        }
        for (int i = 0; i < BLOCKS; i++) {
            size_t wrong = 0;
            for (size_t k = 0; k < sizes[i]; k++) wrong += blocks[i][k] != (i & 255);
            assert_int_equal(wrong, 0);
            ebb__free(blocks[i], sizes[i]);
        }
    }
    ebb__free(NULL, 0);
    ebb__free(NULL, 100000);
}

static void zeroed_is_zero(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 16, 1000, 5000, 40000, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int round = 0; round < 3; round++) {
            unsigned char *block = ebb__alloc_zeroed(sizes[i]);
            assert_non_null(block);
            size_t wrong = 0;
            for (size_t k = 0; k < sizes[i]; k++) wrong += block[k] != 0;
            assert_int_equal(wrong, 0);
            memset(block, 0xff, sizes[i]);
            ebb__free(block, sizes[i]);
        }
    }
}

static void arrays_grow(void **state) {
    (void)state;
    void *array = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < 20000; i++) {
        assert_true(ebb__grow(&array, &capacity, i + 1, sizeof(size_t)));
        ((size_t *)array)[i] = i;
    }
    for (size_t i = 0; i < 20000; i++) assert_int_equal(((size_t *)array)[i], i);
    void *same = array;
    size_t before = capacity;
    static const size_t needs[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 8, SIZE_MAX / 16 - 1};
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        assert_false(ebb__grow(&array, &capacity, needs[i], sizeof(size_t)));
        assert_int_equal(ebb_error_status(), EBB_ERR_MEMORY);
        assert_ptr_equal(array, same);
        assert_int_equal(capacity, before);
        ebb_clear_error();
    }
    ebb__free(array, capacity * sizeof(size_t));
}

static void impossible_sizes_fail(void **state) {
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 4 + 2, (size_t)1 << 61};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (EBB__PLAIN_ALLOC && sizes[i] <= (size_t)PTRDIFF_MAX / 2) continue; /* the sanitizer would end the program */
        char size[32];
        (void)snprintf(size, sizeof size, "%zu", sizes[i]);
        assert_null(ebb__alloc(sizes[i]));
        assert_int_equal(ebb_error_status(), EBB_ERR_MEMORY);
        assert_non_null(strstr(ebb_error()->message, size));
        ebb_clear_error();
        assert_null(ebb__alloc_zeroed(sizes[i]));
        assert_int_equal(ebb_error_status(), EBB_ERR_MEMORY);
        ebb_clear_error();
    }
}

/* ---- counters ---- */

static void counters_are_exact(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 144, 5000, 32768, 32769, 1000000};
    enum { KINDS = sizeof sizes / sizeof *sizes, EACH = 40 };
    void *blocks[KINDS][EACH];
    ebb_memory_info before = ebb_memory();
    ebb_memory_reset_peak();
    int64_t bytes = 0;
    for (int each = 0; each < EACH; each++) {
        for (int k = 0; k < KINDS; k++) {
            blocks[k][each] = ebb__alloc(sizes[k]);
            assert_non_null(blocks[k][each]);
            bytes += (int64_t)sizes[k];
        }
    }
    ebb_memory_info full = ebb_memory();
    assert_int_equal(full.in_use - before.in_use, bytes);
    assert_int_equal(full.live - before.live, KINDS * EACH);
    assert_int_equal(full.allocations - before.allocations, KINDS * EACH);
    for (int each = 0; each < EACH; each++)
        for (int k = 0; k < KINDS; k++) ebb__free(blocks[k][each], sizes[k]);
    ebb_memory_info empty = ebb_memory();
    assert_int_equal(empty.in_use, before.in_use);
    assert_int_equal(empty.live, before.live);
    assert_int_equal(empty.allocations, full.allocations);
    assert_int_equal(empty.peak, before.in_use + bytes);
    ebb_memory_reset_peak();
    assert_int_equal(ebb_memory().peak, empty.in_use);
}

/* ---- threads ---- */

enum { EXCHANGE = 3000, ROUNDS = 20, THREADS = 3 };
static struct exchange {
    pthread_mutex_t lock;
    size_t sizes[EXCHANGE];
    unsigned char *blocks[EXCHANGE];
} exchange = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Swap blocks of one's own for whatever others put there, and give that back. */
static void *swap_blocks(void *argument) {
    uint32_t seed = (uint32_t)(uintptr_t)argument;
    bool wrong = false;
    for (int i = 0; i < EXCHANGE * ROUNDS; i++) {
        size_t size = next_random(&seed) % (i % 50 ? 400 : 50000) + 1, slot = next_random(&seed) % EXCHANGE;
        unsigned char *block = ebb__alloc(size);
        if (!block) return argument;
        block[0] = block[size - 1] = (unsigned char)size;
        (void)pthread_mutex_lock(&exchange.lock);
        unsigned char *other = exchange.blocks[slot];
        size_t other_size = exchange.sizes[slot];
        exchange.blocks[slot] = block;
        exchange.sizes[slot] = size;
        (void)pthread_mutex_unlock(&exchange.lock);
        if (!other) continue;
        wrong |= other[0] != (unsigned char)other_size || other[other_size - 1] != (unsigned char)other_size;
        ebb__free(other, other_size);
    }
    return wrong ? argument : NULL;
}

static void blocks_cross_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, swap_blocks, (void *)(i + 1)), 0);
    for (int i = 0; i < 20; i++) assert_true(ebb_memory().allocations >= 0); /* may be asked at any time */
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    int64_t live = 0, bytes = 0;
    for (int i = 0; i < EXCHANGE; i++) {
        live += exchange.blocks[i] != NULL;
        bytes += (int64_t)exchange.sizes[i];
    }
    assert_int_equal(ebb_memory().live, live);
    assert_int_equal(ebb_memory().in_use, bytes);
    for (int i = 0; i < EXCHANGE; i++) ebb__free(exchange.blocks[i], exchange.sizes[i]);
    /* The threads ended and gave what they cached to all: nothing is out of this thread's reach. */
    (void)ebb_memory_trim();
    assert_int_equal(ebb_memory().cached, 0);
}

/* ---- giving memory back ---- */

/* Resident bytes of the process; 0 where that cannot be asked, or where a sanitizer's own memory hides it. */
static int64_t resident(void) {
#if defined(__SANITIZE_THREAD__)
    return 0;
#else
    FILE *file = fopen("/proc/self/statm", "r");
    long long total, pages = 0;
    if (!file) return 0;
    if (fscanf(file, "%lld %lld", &total, &pages) != 2) pages = 0;
    (void)fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
#endif
}

enum { SMALL_BLOCKS = 60000, LARGE_BLOCKS = 8, LARGE_BYTES = 4000000, STAY = 997 };
static unsigned char *blocks[SMALL_BLOCKS];

static size_t size_of_block(int i) {
    static const size_t sizes[] = {144, 16, 1024, 0, 6000};
    return sizes[i % 5];
}

static void fill(void *large[]) {
    for (int i = 0; i < SMALL_BLOCKS; i++) {
        blocks[i] = ebb__alloc(size_of_block(i));
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, size_of_block(i));
    }
    for (int i = 0; i < LARGE_BLOCKS; i++) {
        large[i] = ebb__alloc(LARGE_BYTES);
        assert_non_null(large[i]);
        memset(large[i], 1, LARGE_BYTES);
    }
}

static void trim_gives_everything_back(void **state) {
    (void)state;
    if (EBB__PLAIN_ALLOC) skip();
    void *large[LARGE_BLOCKS];
    (void)ebb_memory_trim();
    int64_t before = resident();
    fill(large);
    int64_t full = resident();
    for (int i = 0; i < LARGE_BLOCKS; i++) ebb__free(large[i], LARGE_BYTES);
    /* A few blocks stay: their slabs must, the others go. */
    for (int i = 0; i < SMALL_BLOCKS; i++)
        if (i % STAY) ebb__free(blocks[i], size_of_block(i));
    assert_true(ebb_memory().cached > 80 * MB);
    int64_t given = ebb_memory_trim();
    assert_true(given > 80 * MB);
    assert_true(ebb_memory().cached < 16 * MB);
    for (int i = 0; i < SMALL_BLOCKS; i += STAY) {
        for (size_t k = 0; k < size_of_block(i); k++) assert_int_equal(blocks[i][k], 1);
        ebb__free(blocks[i], size_of_block(i));
    }
    (void)ebb_memory_trim();
    assert_int_equal(ebb_memory().cached, 0);
    assert_int_equal(ebb_memory_trim(), 0);
    if (!before) return;
    assert_true(full - before > 100 * MB);
    assert_true(resident() - before < 8 * MB);
}

/* A long graph: a million blocks given back in the order they were made, without any call to trim. */
static void small_blocks_go_back_by_themselves(void **state) {
    (void)state;
    if (EBB__PLAIN_ALLOC) skip();
    void *first = NULL;
    for (int i = 0; i < 1500000; i++) {
        void **block = ebb__alloc(144);
        assert_non_null(block);
        block[0] = first;
        first = block;
    }
    int64_t full = resident();
    while (first) {
        void *next = *(void **)first;
        ebb__free(first, 144);
        first = next;
    }
    assert_true(ebb_memory().cached < 72 * MB);
    if (full) assert_true(full - resident() > 120 * MB);
    (void)ebb_memory_trim();
    assert_int_equal(ebb_memory().cached, 0);
}

static void large_cache_is_bounded(void **state) {
    (void)state;
    if (EBB__PLAIN_ALLOC) skip();
    enum { BLOCKS = 12 };
    const size_t sizes[] = {(size_t)(48 * MB), (size_t)(64 * MB)}, bytes = sizes[1];
    void *waiting[BLOCKS];
    (void)ebb_memory_trim();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            waiting[i] = ebb__alloc(sizes[round]); /* not touched: address space only */
            assert_non_null(waiting[i]);
        }
        for (int i = 0; i < BLOCKS; i++) ebb__free(waiting[i], sizes[round]);
    }
    assert_true(ebb_memory().cached <= BLOCKS * 64 * MB); /* and not all 24 blocks */
    assert_true(ebb_memory().cached >= 256 * MB);
    void *again = ebb__alloc(bytes);
    assert_ptr_equal(again, waiting[BLOCKS - 1]); /* the latest is reused, the oldest left */
    ebb__free(again, bytes);
    assert_true(ebb_memory_trim() >= 256 * MB);
    assert_int_equal(ebb_memory().cached, 0);
}

/* What was unmapped only to be mapped again waits from then on: rounds that need two classes in turn map no more. */
static void large_cache_learns(void **state) {
    (void)state;
    if (EBB__PLAIN_ALLOC) skip();
    enum { BLOCKS = 12, TURNS = 4 };
    const size_t sizes[] = {(size_t)(48 * MB), (size_t)(64 * MB)};
    void *waiting[BLOCKS];
    (void)ebb_memory_trim();
    for (int round = 0; round < 2 * TURNS; round++) {
        for (int i = 0; i < BLOCKS; i++) assert_non_null(waiting[i] = ebb__alloc(sizes[round % 2]));
        for (int i = 0; i < BLOCKS; i++) ebb__free(waiting[i], sizes[round % 2]);
    }
    assert_true(ebb_memory().cached >= BLOCKS * (48 + 64) * MB);
    (void)ebb_memory_trim();
    assert_int_equal(ebb_memory().cached, 0);
}

/* ---- failures on demand ---- */

static void n_th_allocation_fails(void **state) {
    (void)state;
    static const size_t sizes[] = {8, 144, 5000, 100000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        ebb__free(ebb__alloc(sizes[s]), sizes[s]); /* so that the cache could serve it */
        for (int n = 1; n < 5; n++) {
            (void)ebb_memory_fail_after(n);
            for (int i = 1; i < 8; i++) {
                void *block = i % 2 ? ebb__alloc(sizes[s]) : ebb__alloc_zeroed(sizes[s]);
                assert_int_equal(block != NULL, i < n);
                assert_int_equal(ebb_error_status(), i < n ? EBB_OK : EBB_ERR_MEMORY);
                ebb__free(block, sizes[s]);
            }
            assert_non_null(strstr(ebb_error()->message, "ebb_memory_fail_after"));
            assert_int_equal(ebb_memory_fail_after(0), 7);
            ebb_clear_error();
            void *block = ebb__alloc(sizes[s]);
            assert_non_null(block);
            ebb__free(block, sizes[s]);
            assert_int_equal(ebb_memory_fail_after(0), 1);
        }
    }
}

static void *fail_in_thread(void *argument) {
    void *block = ebb__alloc(100);
    bool told = ebb_error_status() == EBB_ERR_MEMORY;
    ebb__free(block, 100);
    return block || !told ? argument : NULL;
}

static void failures_reach_all_threads(void **state) {
    (void)state;
    pthread_t thread;
    void *wrong;
    (void)ebb_memory_fail_after(1);
    assert_int_equal(pthread_create(&thread, NULL, fail_in_thread, &exchange), 0);
    assert_int_equal(pthread_join(thread, &wrong), 0);
    (void)ebb_memory_fail_after(0);
    assert_null(wrong);
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(classes_fit),
        TEST(blocks_are_aligned_and_apart),
        TEST(zeroed_is_zero),
        TEST(arrays_grow),
        TEST(impossible_sizes_fail),
        TEST(counters_are_exact),
        TEST(blocks_cross_threads),
        TEST(trim_gives_everything_back),
        TEST(small_blocks_go_back_by_themselves),
        TEST(large_cache_is_bounded),
        TEST(large_cache_learns),
        TEST(n_th_allocation_fails),
        TEST(failures_reach_all_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
