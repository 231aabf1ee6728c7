/* The kernel layer's matrix products, against plain loops, for every instruction set, and bit for bit the same for
 * every number of threads. */
#include "tests/arrays.h"

#include <math.h>

/* What c begins as: nothing, c itself, a number, a row, a column, each product's own, or a matrix by columns. */
enum { NOTHING, ITSELF, A_NUMBER, A_ROW, A_COLUMN, OWN_ROWS, BY_COLUMNS, BEGINNINGS };

static ebb__gemm_begin begin_of(int what, int64_t m, int64_t n, const void *c, int64_t c_bs, int64_t ldc,
                                const void *other) {
    switch (what) {
    case ITSELF: return (ebb__gemm_begin){c, c_bs, ldc, 1};
    case A_ROW: return (ebb__gemm_begin){other, 0, 0, 1};
    case A_COLUMN: return (ebb__gemm_begin){other, 0, 1, 0};
    case OWN_ROWS: return (ebb__gemm_begin){other, n, 0, 1};
    case BY_COLUMNS: return (ebb__gemm_begin){other, m * n, 1, m};
    default: return (ebb__gemm_begin){other, 0, 0, 0};
    }
}

static void check_gemm(ebb_dtype dtype, int64_t batch, int64_t m, int64_t n, int64_t k, int layout, int beginning) {
    const bool half = dtype == EBB_F16 || dtype == EBB_BF16;
    const int64_t step = layout & 8 ? 2 : 1, size = (int64_t)ebb_dtype_size(dtype), ldc = n + (layout & 4 ? 3 : 0);
    const int64_t a_rs = layout & 1 ? step : step * k, a_cs = layout & 1 ? step * m : step;
    const int64_t b_rs = layout & 2 ? step : step * n, b_cs = layout & 2 ? step * k : step;
    const int64_t a_bs = step * m * k, b_bs = layout & 4 ? 0 : step * k * n, c_bs = m * ldc;
    void *a = random_array(dtype, batch * a_bs), *b = random_array(dtype, batch * step * k * n);
    void *other = random_array(dtype, batch * m * n + m + n);
    char *start = random_array(dtype, batch * c_bs), *c = malloc((size_t)(batch * c_bs + 1) * 8),
         *first = malloc((size_t)(batch * c_bs + 1) * 8);
    static const int threads[] = {1, 2, 3, 8};
    const ebb__gemm_begin begin = begin_of(beginning, m, n, c, c_bs, ldc, other);
    for (int t = 0; t < 4; t++) {
        ebb_set_num_threads(threads[t]);
        memcpy(c, start, (size_t)(batch * c_bs * size));
        CHECK(!ebb__gemm_batched(dtype, batch, m, n, k, a, a_bs, a_rs, a_cs, b, b_bs, b_rs, b_cs,
                                 beginning ? &begin : NULL, c, c_bs, ldc));
        if (t == 0) memcpy(first, c, (size_t)(batch * c_bs * size));
        CHECK(memcmp(first, c, (size_t)(batch * c_bs * size)) == 0);
        if (batch * m * n * k < 100000 && t > 0) break;
    }
    ebb_set_num_threads(0);
    const int64_t stride = m * n * k > 1000000 ? 37 : 1; /* of large products a sample */
    for (int64_t i = 0; i < batch * m * ldc; i += stride) {
        const int64_t at = i / (m * ldc), row = i % (m * ldc) / ldc, column = i % ldc;
        const bool itself = beginning == ITSELF || column >= n;
        double want = itself                 ? get(dtype, start, i)
                      : beginning != NOTHING ? get(dtype, other, at * begin.bs + row * begin.rs + column * begin.cs)
                                             : 0;
        double bound = fabs(want);
        for (int64_t p = 0; p < k && column < n; p++) {
            const double x =
                get(dtype, a, at * a_bs + row * a_rs + p * a_cs) * get(dtype, b, at * b_bs + p * b_rs + column * b_cs);
            want += x;
            bound += fabs(x);
        }
        if (dtype == EBB_U8) want = fmod(want, 256);
        bound *= epsilon(half ? EBB_F32 : dtype) * (4 + (double)k / 4);
        if (half) bound += fabs(want) * (dtype == EBB_F16 ? 0x1p-11 : 0x1p-8) + 0x1p-25; /* rounded once */
        if (!(fabs(get(dtype, c, i) - want) <= bound))
            fail_msg("%s %s %dx(%d,%d,%d) layout %d beginning %d: element %d is %.17g, not %.17g", ebb__kernel_isa(),
                     ebb_dtype_name(dtype), (int)batch, (int)m, (int)n, (int)k, layout, beginning, (int)i,
                     get(dtype, c, i), want);
    }
    free(a), free(b), free(c), free(start), free(first), free(other);
}

EBB_TEST(products_of_all_layouts) {
    static const int64_t sizes[][4] = {{1, 1, 1, 1},     {1, 3, 5, 7},     {1, 32, 32, 16}, {1, 32, 1, 32},
                                       {1, 1, 33, 65},   {1, 13, 17, 300}, {1, 6, 16, 2},   {4, 5, 9, 3},
                                       {1, 70, 100, 33}, {1, 4, 4, 0},     {1, 0, 3, 2},    {3, 1, 40, 9},
                                       {5, 30, 1, 20},   {2, 12, 31, 259}, {1, 1, 1, 1000}};
    EACH_PRODUCT_ISA(isa)
    for (int s = 0; s < 15; s++)
        for (int layout = 0; layout < 16; layout += CHECK_STEP(5))
            for (int begin = 0; begin < BEGINNINGS; begin++)
                for (int d = EBB_U8; d < EBB_DTYPE_COUNT; d++)
                    check_gemm((ebb_dtype)d, sizes[s][0], sizes[s][1], sizes[s][2], sizes[s][3], layout, begin);
    float x = 0;
    CHECK(ebb__gemm(EBB_BOOL, 1, 1, 1, &x, 1, 1, &x, 1, 1, 0, &x, 1) == EBB_ERR_DTYPE);
    CHECK_ERROR(EBB_ERR_DTYPE, "bool");
}

EBB_TEST(large_products) {
    static const int64_t sizes[][4] = {{1, 200, 150, 130}, {1, 64, 128, 784}, {8, 64, 80, 60},  {1, 300, 257, 128},
                                       {1, 1, 3000, 900},  {1, 3000, 1, 900}, {2, 40, 70, 2500}};
    EACH_PRODUCT_ISA(isa)
    for (int s = 0; s < 7; s++)
        for (int layout = 0; layout < 16; layout += CHECK_SANITIZED ? 15 : 3)
            for (int d = EBB_BF16; d <= EBB_F64; d++)
                check_gemm((ebb_dtype)d, sizes[s][0], sizes[s][1], sizes[s][2], sizes[s][3], layout,
                           (layout + s) % BEGINNINGS);
}

/* Of so many that threads share them out. */
EBB_TEST(many_small_products) {
    static const int64_t sizes[][4] = {{1500, 4, 5, 3}, {900, 8, 8, 8}, {3000, 3, 2, 1}};
    EACH_PRODUCT_ISA(isa)
    for (int s = 0; s < 3; s++)
        for (int begin = 0; begin < BEGINNINGS; begin += CHECK_SANITIZED ? 5 : 1)
            for (int d = EBB_I64; d < EBB_DTYPE_COUNT; d++)
                check_gemm((ebb_dtype)d, sizes[s][0], sizes[s][1], sizes[s][2], sizes[s][3], (begin + d) % 4, begin);
}

/* More rows, columns and depth than the packed blocks have. */
EBB_TEST(products_of_many_blocks) {
    EACH_PRODUCT_ISA(isa)
    if (isa > 1) check_gemm(EBB_BF16, 1, 270, 2100, 1100, isa == 2 ? 0 : 3, ITSELF);
    EACH_ISA(isa) {
        check_gemm(EBB_F64, 1, 200, 530, 260, isa, A_COLUMN);
        check_gemm(EBB_F64, 1, 200, 530, 260, isa, BY_COLUMNS);
        check_gemm(EBB_F32, 1, 390, 1050, 260, isa + 1, A_ROW);
        check_gemm(EBB_F32, 1, 390, 1050, 260, isa + 1, ITSELF);
    }
}

static void square_of(float *x, ebb_dtype dtype, double *ret_value) {
    uint16_t half = dtype == EBB_BF16 ? ebb__bf16_of_float(*x) : ebb__f16_of_float(*x), square;
    CHECK(!ebb__gemm(dtype, 1, 1, 1, &half, 1, 1, &half, 1, 1, 0, &square, 1));
    *ret_value = get(dtype, &square, 0);
}

/* What is no number stays none, and what is too large becomes an infinity. */
EBB_TEST(products_of_halves_at_the_edges) {
    EACH_PRODUCT_ISA(isa)
    for (int d = EBB_F16; d <= EBB_BF16; d++) {
        double y;
        square_of(&(float){NAN}, (ebb_dtype)d, &y);
        CHECK(y != y);
        square_of(&(float){-INFINITY}, (ebb_dtype)d, &y);
        CHECK(y == (double)INFINITY);
        square_of(&(float){d == EBB_F16 ? 0x1p9f : 0x1p64f}, (ebb_dtype)d, &y);
        CHECK(y == (double)INFINITY);
        square_of(&(float){d == EBB_F16 ? 0x1p-13f : 0x1p-100f}, (ebb_dtype)d, &y);
        CHECK(y == 0);
    }
}

/* Its own code takes subnormal numbers for 0; what is chosen after it must not keep that code. */
EBB_TEST(products_of_bfloat16_after_its_own_code) {
    const uint16_t tiny = ebb__bf16_of_float(0x1p-128f), one = ebb__bf16_of_float(1), rows[] = {one, one};
    EACH_PRODUCT_ISA(isa)
    for (int before = 0; before < 4; before++) {
        uint16_t vector, matrix[4];
        (void)ebb__kernel_use(isas[before]);
        CHECK(ebb__kernel_use(isas[isa]));
        CHECK(!ebb__gemm(EBB_BF16, 1, 1, 1, &tiny, 1, 1, &one, 1, 1, 0, &vector, 1));
        CHECK(!ebb__gemm(EBB_BF16, 2, 2, 1, rows, 1, 1, (const uint16_t[]){tiny, tiny}, 1, 1, 0, matrix, 2));
        CHECK(vector == (isa == 3 ? 0 : tiny) && matrix[3] == (isa == 3 ? 0 : tiny));
    }
}

/* A repeated row or column has stride 0. */
EBB_TEST(products_with_broadcast_operands) {
    float a[4] = {1, 2, 3, 4}, one = 2, c[8];
    CHECK(!ebb__gemm(EBB_F32, 2, 4, 2, a, 2, 1, &one, 0, 0, 0, c, 4));
    for (int j = 0; j < 4; j++) CHECK(c[j] == 6 && c[4 + j] == 14);
    CHECK(!ebb__gemm(EBB_F32, 2, 1, 2, a, 2, 1, &one, 0, 0, 1, c, 4));
    CHECK(c[0] == 12 && c[4] == 28);
    float *big = random_array(EBB_F32, 200), *out = calloc(200 * 200, sizeof *out);
    CHECK(!ebb__gemm(EBB_F32, 200, 200, 200, big, 0, 1, big, 1, 0, 0, out, 200));
    for (int i = 1; i < 200 * 200; i++) CHECK(fabsf(out[i] - out[0]) <= 1e-4f);
    free(big), free(out);
}

EBB_TEST_MAIN
