/* The random generator: published known answers, seeds, and state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

/* From the file kat_vectors of the Random123 library: philox4x32 with 10 rounds. */
static void known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } rows[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t words[4];
        ebb__philox4x32(rows[i].counter, rows[i].key, words);
        assert_memory_equal(words, rows[i].answer, sizeof words);
    }
}

static void seed_and_block_are_key_and_counter(void **state) {
    (void)state;
    uint64_t seed = UINT64_C(0x123456789abcdef0), block = UINT64_C(0xfedcba9876543210);
    uint32_t counter[4] = {0x76543210, 0xfedcba98, 0, 0}, key[2] = {0x9abcdef0, 0x12345678}, expected[4], words[4];
    ebb__philox4x32(counter, key, expected);
    ebb__philox(seed, block, words);
    assert_memory_equal(words, expected, sizeof words);
}

static void blocks_are_taken_in_order(void **state) {
    (void)state;
    assert_int_equal(ebb_get_rng_state().seed, 0);
    ebb_manual_seed(7);
    assert_int_equal(ebb__rng_take(3), 0);
    assert_int_equal(ebb__rng_take(1), 3);
    ebb_rng_state saved = ebb_get_rng_state();
    assert_int_equal(saved.seed, 7);
    assert_int_equal(saved.offset, 4);
    assert_int_equal(ebb__rng_take(10), 4);
    ebb_set_rng_state(saved);
    assert_int_equal(ebb__rng_take(10), 4);
    ebb_manual_seed(7);
    assert_int_equal(ebb__rng_take(1), 0);
}

/* 2^16 draws in 64 buckets. */
static void numbers_are_uniform(void **state) {
    (void)state;
    double counts[64] = {0}, chi2 = 0, expected = 4.0 * 16384 / 64;
    for (uint64_t block = 0; block < 16384; block++) {
        uint32_t words[4];
        ebb__philox(42, block, words);
        for (int i = 0; i < 4; i++) counts[words[i] >> 26] += 1;
    }
    for (int i = 0; i < 64; i++) chi2 += (counts[i] - expected) * (counts[i] - expected) / expected;
    assert_true(chi2 > 30 && chi2 < 115); /* 63 degrees of freedom */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(seed_and_block_are_key_and_counter),
        cmocka_unit_test(blocks_are_taken_in_order),
        cmocka_unit_test(numbers_are_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
