/* float16 and bfloat16: every value there and back, rounding, arithmetic through float32, and training in them. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>
#include <string.h>

static ebb_tensor *all_values(ebb_dtype dtype) {
    static uint16_t bits[65536];
    for (int i = 0; i < 65536; i++) bits[i] = (uint16_t)i;
    return ebb_from_data(bits, dtype, EBB_DIMS(65536));
}

/* All bit patterns, also through the vectorized loops; NaN keeps being NaN. */
static void there_and_back(ebb_dtype dtype) {
    EBB_SCOPE {
        ebb_tensor *x = all_values(dtype), *wide = ebb_to(x, EBB_F32), *back = ebb_to(wide, dtype);
        ebb_tensor *by_double = ebb_to(ebb_to(x, EBB_F64), dtype);
        const uint16_t *a = ebb_tensor_data(x), *b = ebb_tensor_data(back), *c = ebb_tensor_data(by_double);
        const float *f = ebb_tensor_data(wide);
        int wrong = 0;
        for (int i = 0; i < 65536; i++)
            wrong += isnan(f[i]) ? !isnan(ebb_item(ebb_select(back, 0, i))) : a[i] != b[i] || a[i] != c[i];
        CHECK(wrong == 0);
        CHECK(b[0x8000] == 0x8000);
    }
    CHECK_OK();
}
EBB_TEST(every_value_there_and_back) {
    there_and_back(EBB_F16);
    there_and_back(EBB_BF16);
}

/* A copy is no conversion: of a NaN too every bit stays, whatever the strides. */
static void copied(ebb_dtype dtype) {
    EBB_SCOPE {
        ebb_tensor *x = all_values(dtype), *odd = ebb_slice(x, 0, 1, EBB_END, 2), *copy = ebb_contiguous(odd);
        const uint16_t *bits = ebb_tensor_data(copy);
        int wrong = 0;
        for (int i = 0; i < 32768; i++) wrong += bits[i] != 2 * i + 1;
        CHECK(wrong == 0);
    }
    CHECK_OK();
}
EBB_TEST(copies_keep_every_bit) {
    copied(EBB_F16);
    copied(EBB_BF16);
}

/* What lies half-way between two neighbours goes to the even one, what is a little off to the nearer one. */
static void rounding(ebb_dtype dtype, int last) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_to(ebb_narrow(all_values(dtype), 0, 0, last), EBB_F64); /* 0 to the largest finite one */
        ebb_tensor *low = ebb_narrow(x, 0, 0, last - 1), *high = ebb_narrow(x, 0, 1, last - 1);
        ebb_tensor *middle = ebb_mul(ebb_add(low, high), 0.5);
        ebb_tensor *up = ebb_to(ebb_mul(middle, 1 + 0x1p-13), dtype),
                   *down = ebb_to(ebb_mul(middle, 1 - 0x1p-13), dtype);
        ebb_tensor *even = ebb_to(middle, dtype);
        const uint16_t *u = ebb_tensor_data(up), *d = ebb_tensor_data(down), *e = ebb_tensor_data(even);
        int wrong = 0;
        for (int i = 0; i < last - 1; i++) wrong += u[i] != i + 1 || d[i] != i || e[i] != i + (i & 1);
        CHECK(wrong == 0);
    }
    CHECK_OK();
}
EBB_TEST(rounds_to_nearest_even) {
    rounding(EBB_F16, 0x7c00);
    rounding(EBB_BF16, 0x7f80);
}

EBB_TEST(ends_of_the_range) {
    EBB_SCOPE {
        double v[] = {65504, 65519.99, 65520, 1e30, -1e30, 0x1p-24, 0x1p-25, 0x1.8p-25, NAN};
        ebb_tensor *h = ebb_to(ebb_from_data(v, EBB_F64, EBB_DIMS(9)), EBB_F16);
        CHECK_VALUES(h, 0, 65504, 65504, INFINITY, INFINITY, -INFINITY, 0x1p-24, 0, 0x1p-24, NAN);
        CHECK_VALUES(ebb_to(ebb_from_data(v, EBB_F64, EBB_DIMS(5)), EBB_BF16), 0, 65536, 65536, 65536, 0x1.94p99,
                     -0x1.94p99);
        CHECK_VALUES(ebb_to(h, EBB_I32), 0, 65504, 65504, INT32_MIN, INT32_MIN, INT32_MIN, 0, 0, 0, INT32_MIN);
        CHECK_VALUES(ebb_to(h, EBB_BOOL), 0, 1, 1, 1, 1, 1, 1, 0, 1, 1);
    }
}

EBB_TEST(arithmetic_is_rounded_once) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_full(EBB_DIMS(300), 1.0, .dtype = EBB_BF16);
        CHECK(ebb_tensor_dtype(ebb_mul(x, 0.1)) == EBB_BF16);
        /* 3.3, not 3 times 1.1 rounded */
        CHECK_CLOSE(ebb_item(ebb_select(ebb_mul(ebb_mul(x, 3), 1.1), 0, 299)), 3.296875, 0);
        CHECK_CLOSE(ebb_item(ebb_sum(x)), 300, 0); /* a running sum in bfloat16 would stop at 256 */
        CHECK(ebb_tensor_dtype(ebb_sum(x)) == EBB_BF16);
        CHECK(ebb_tensor_dtype(ebb_matmul(x, x)) == EBB_BF16);
        CHECK_CLOSE(ebb_item(ebb_matmul(x, x)), 300, 0);
        ebb_tensor *strided = ebb_slice(x, 0, 0, 300, .step = 7);
        ebb_add_(strided, 1);
        CHECK_CLOSE(ebb_item(ebb_sum(x)), 300 + 43, 1); /* 343 lies between 342 and 344 */
        CHECK(ebb_tensor_dtype(ebb_lt(x, 2)) == EBB_BOOL);
        CHECK_CLOSE(ebb_item(ebb_sum(ebb_lt(x, 2))), 257, 0);
    }
    CHECK_OK();
}

/* y = 2 a - 3 b + 1 is learnt with parameters and gradients of 16 bits. */
static void training(ebb_dtype dtype) {
    EBB_SCOPE {
        ebb_manual_seed(0);
        ebb_tensor *x = ebb_to(ebb_randn(EBB_DIMS(64, 2)), dtype), *w = ebb_zeros(EBB_DIMS(1, 2), .dtype = dtype);
        ebb_tensor *b = ebb_zeros(EBB_DIMS(1), .dtype = dtype);
        ebb_tensor *c = ebb_to(ebb_from_data((float[]){2, -3}, EBB_F32, EBB_DIMS(2, 1)), dtype);
        ebb_tensor *y = ebb_add(ebb_matmul(x, c), 1);
        ebb_requires_grad_(w, true);
        ebb_requires_grad_(b, true);
        ebb_optim *optim = ebb_adam(EBB_LIST(w, b), .lr = 0.05);
        for (int i = 0; i < 200; i++) EBB_SCOPE {
                CHECK(!ebb_optim_zero_grad(optim));
                CHECK(!ebb_backward(ebb_mse_loss(ebb_linear(x, w, .bias = b), y)));
                CHECK(ebb_tensor_dtype(ebb_tensor_grad(w)) == dtype);
                CHECK(!ebb_optim_step(optim));
            }
        CHECK_VALUES(w, 0.03, 2, -3);
        CHECK_VALUES(b, 0.03, 1);
        CHECK(ebb_tensor_dtype(ebb_optim_state(optim, 0, 0)) == EBB_F32);
        ebb_optim_free(optim);
    }
    CHECK_OK();
}
EBB_TEST(trains) {
    training(EBB_BF16);
    training(EBB_F16);
}

EBB_TEST_MAIN
