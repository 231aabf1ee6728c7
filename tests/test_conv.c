/* Convolutions large enough to be cut into tiles and to be given to a library: against sums written out, float32
 * against float64, the same bits for any number of threads, and with allocations failing. What is small is in the
 * samples. */
#include "tests/check.h"

#include "kernel/conv.h"

#include <ebb/ebb.h>
#include <math.h>
#include <string.h>

struct sizes {
    int64_t batch, in, out, size, kernel, stride, padding, dilation, groups;
};

static const struct sizes cases[] = {
    {5, 16, 24, 20, 3, 1, 1, 1, 1}, {1, 48, 40, 19, 3, 2, 1, 1, 1},  {17, 3, 16, 21, 5, 2, 2, 1, 1},
    {2, 32, 32, 15, 1, 1, 0, 1, 1}, {3, 32, 48, 17, 3, 1, 2, 2, 2},  {4, 24, 48, 23, 3, 1, 1, 1, 24},
    {2, 64, 64, 9, 4, 3, 1, 1, 1},  {1, 40, 100, 30, 3, 1, 1, 1, 1}, {3, 32, 48, 7, 3, 1, 0, 1, 1},
    {9, 64, 35, 4, 3, 1, 1, 1, 1},  {2, 96, 80, 17, 3, 1, 2, 1, 2},  {1, 32, 33, 66, 3, 1, 1, 1, 1},
    {33, 32, 64, 2, 3, 1, 1, 1, 1}, {3, 3, 45, 56, 7, 2, 3, 1, 1},   {2, 5, 13, 34, 3, 1, 1, 2, 1},
    {2, 2, 7, 94, 4, 3, 2, 1, 1},   {1, 4, 6, 26, 3, 1, 4, 1, 1},    {9, 1, 5, 48, 5, 1, 2, 1, 1},
};
enum { CASES = sizeof cases / sizeof *cases };

static int64_t result_size(const struct sizes *s) {
    return (s->size + 2 * s->padding - s->dilation * (s->kernel - 1) - 1) / s->stride + 1;
}

struct arrays {
    ebb_tensor *x, *w, *b, *g; /* g: the upstream gradient */
};

static struct arrays make(const struct sizes *s, ebb_dtype dtype) {
    struct arrays a;
    ebb_manual_seed(7);
    a.x = ebb_to(ebb_randn(EBB_DIMS(s->batch, s->in, s->size, s->size)), dtype);
    a.w = ebb_to(ebb_randn(EBB_DIMS(s->out, s->in / s->groups, s->kernel, s->kernel)), dtype);
    a.b = ebb_to(ebb_randn(EBB_DIMS(s->out)), dtype);
    a.g = ebb_to(ebb_randn(EBB_DIMS(s->batch, s->out, result_size(s), result_size(s))), dtype);
    return a;
}

/* The three results: y, and the gradients of x and of w. */
static ebb_status results(const struct sizes *s, struct arrays a, ebb_tensor **ret) {
    ebb_tensor *inputs[] = {ebb_requires_grad_(a.x, true), ebb_requires_grad_(a.w, true)};
    ret[0] = ebb_conv2d(a.x, a.w, .bias = a.b, .stride = EBB_DIMS(s->stride), .padding = EBB_DIMS(s->padding),
                        .dilation = EBB_DIMS(s->dilation), .groups = s->groups);
    return ebb_grad(EBB_LIST(ret[0]), ((ebb_list){2, inputs}), ret + 1, .grad_outputs = EBB_LIST(a.g));
}

static double at(const ebb_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l) {
    return ebb_at_index(t, EBB_DIMS(i, j, k, l));
}

static ebb_status compute(const struct sizes *s, ebb_dtype dtype, ebb_tensor **ret) {
    return results(s, make(s, dtype), ret);
}

/* One element of y by its definition. */
static double element(const struct sizes *s, const struct arrays *a, int64_t n, int64_t o, int64_t r, int64_t c) {
    const int64_t in = s->in / s->groups, group = o / (s->out / s->groups);
    double sum = ebb_at_index(a->b, EBB_DIMS(o));
    for (int64_t i = 0; i < in; i++)
        for (int64_t k = 0; k < s->kernel; k++)
            for (int64_t l = 0; l < s->kernel; l++) {
                const int64_t y = r * s->stride - s->padding + k * s->dilation;
                const int64_t x = c * s->stride - s->padding + l * s->dilation;
                if (y < 0 || y >= s->size || x < 0 || x >= s->size) continue;
                sum += at(a->w, o, i, k, l) * at(a->x, n, group * in + i, y, x);
            }
    return sum;
}

EBB_TEST(elements) {
    for (int c = 0; c < CASES; c++) {
        EBB_SCOPE {
            const struct sizes *s = &cases[c];
            ebb_tensor *r[3];
            CHECK(!compute(s, EBB_F64, r));
            struct arrays a = make(s, EBB_F64);
            const int64_t size = result_size(s);
            for (int64_t i = 0; i < 40; i++) { /* corners first */
                const int64_t n = i * 7 % s->batch, o = i * 11 % s->out, row = i & 1 ? size - 1 : i * 3 % size;
                const int64_t column = i & 2 ? size - 1 : i * 5 % size;
                CHECK(fabs(at(r[0], n, o, row, column) - element(s, &a, n, o, row, column)) < 1e-11);
            }
        }
    }
}

/* The gradients are the transposes of forward: <g, y(x, w)> without the bias is <gx, x> and <gw, w>. */
EBB_TEST(adjoint) {
    for (int c = 0; c < CASES; c++) {
        EBB_SCOPE {
            const struct sizes *s = &cases[c];
            ebb_tensor *r[3];
            CHECK(!compute(s, EBB_F64, r));
            struct arrays a = make(s, EBB_F64);
            ebb_tensor *y = ebb_sub(r[0], ebb_view(a.b, EBB_DIMS(1, s->out, 1, 1)));
            const double want = ebb_item(ebb_sum(ebb_mul(y, a.g)));
            const double size = ebb_item(ebb_sum(ebb_abs(ebb_mul(y, a.g))));
            CHECK(fabs(ebb_item(ebb_sum(ebb_mul(r[1], a.x))) - want) < 1e-12 * size);
            CHECK(fabs(ebb_item(ebb_sum(ebb_mul(r[2], a.w))) - want) < 1e-12 * size);
        }
    }
}

EBB_TEST(single_precision) {
    for (int c = 0; c < CASES; c++) {
        EBB_SCOPE {
            ebb_tensor *exact[3], *single[3];
            CHECK(!compute(&cases[c], EBB_F64, exact));
            CHECK(!compute(&cases[c], EBB_F32, single));
            for (int i = 0; i < 3; i++) {
                ebb_tensor *error = ebb_amax(ebb_abs(ebb_sub(exact[i], single[i])));
                CHECK(ebb_item(error) < 2e-5 * ebb_item(ebb_amax(ebb_abs(exact[i]))));
            }
        }
    }
}

/* Sums are float32's, rounded once: of what is 16 bits wide they differ from float32's by that alone. */
EBB_TEST(halves) {
    for (int c = 0; c < CASES; c++)
        for (int half = 0; half < 2; half++) {
            EBB_SCOPE {
                const ebb_dtype dtype = half ? EBB_F16 : EBB_BF16;
                struct arrays a = make(&cases[c], dtype);
                ebb_tensor *exact[3], *r[3];
                CHECK(!compute(&cases[c], dtype, r));
                CHECK(!results(&cases[c],
                               (struct arrays){ebb_to(a.x, EBB_F32), ebb_to(a.w, EBB_F32), ebb_to(a.b, EBB_F32),
                                               ebb_to(a.g, EBB_F32)},
                               exact));
                for (int i = 0; i < 3; i++) {
                    CHECK(ebb_tensor_dtype(r[i]) == dtype);
                    ebb_tensor *error = ebb_abs(ebb_sub(exact[i], ebb_to(r[i], EBB_F32)));
                    ebb_tensor *bound = ebb_mul(ebb_abs(exact[i]), half ? 0x1p-11 : 0x1p-8);
                    const double slack = 2e-5 * ebb_item(ebb_amax(ebb_abs(exact[i])));
                    CHECK(ebb_item(ebb_amax(ebb_sub(error, bound))) <= slack);
                }
            }
        }
}

/* Images that are not square, padded not alike, whose tiles do not come out even. */
EBB_TEST(rectangles) {
    static const int64_t sizes[][4] = {{5, 37, 2, 0}, {34, 6, 0, 1}, {9, 70, 1, 2}, {3, 3, 0, 0}, {1, 33, 1, 1}};
    for (int c = 0; c < (int)(sizeof sizes / sizeof *sizes); c++) {
        EBB_SCOPE {
            ebb_tensor *r[2][3];
            for (int single = 0; single < 2; single++) {
                const ebb_dtype dtype = single ? EBB_F32 : EBB_F64;
                ebb_manual_seed(8);
                ebb_tensor *x = ebb_to(ebb_randn(EBB_DIMS(7, 40, sizes[c][0], sizes[c][1])), dtype);
                ebb_tensor *w = ebb_to(ebb_randn(EBB_DIMS(50, 40, 3, 3)), dtype);
                ebb_tensor *y = ebb_conv2d(ebb_requires_grad_(x, true), ebb_requires_grad_(w, true),
                                           .padding = EBB_DIMS(sizes[c][2], sizes[c][3]));
                ebb_tensor *g = ebb_to(ebb_randn(ebb_tensor_shape(y)), dtype);
                r[single][0] = y;
                CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x, w), &r[single][1], .grad_outputs = EBB_LIST(g)));
            }
            for (int i = 0; i < 3; i++) {
                ebb_tensor *error = ebb_amax(ebb_abs(ebb_sub(r[0][i], r[1][i])));
                CHECK(ebb_item(error) < 5e-6 * ebb_item(ebb_amax(ebb_abs(r[0][i]))));
            }
        }
    }
}

EBB_TEST(threads) {
    for (int c = 0; c < CASES; c++)
        for (int single = 0; single < 2; single++) {
            EBB_SCOPE {
                ebb_tensor *one[3], *three[3];
                ebb_set_num_threads(1);
                CHECK(!compute(&cases[c], single ? EBB_F32 : EBB_F64, one));
                ebb_set_num_threads(3);
                CHECK(!compute(&cases[c], single ? EBB_F32 : EBB_F64, three));
                ebb_set_num_threads(0);
                for (int i = 0; i < 3; i++)
                    CHECK(memcmp(ebb_tensor_data(one[i]), ebb_tensor_data(three[i]),
                                 (size_t)ebb_tensor_numel(one[i]) * (single ? 4 : 8)) == 0);
            }
        }
}

/* What a tap does not read, because the last output stands before it, may be infinite. */
EBB_TEST(infinite_neighbours) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_zeros(EBB_DIMS(2, 3, 40, 30)), *w = ebb_ones(EBB_DIMS(8, 3, 3, 3)), *gw = NULL;
        (void)ebb_fill_(ebb_narrow(x, 3, 28, 2), (double)INFINITY);
        ebb_tensor *y = ebb_conv2d(x, ebb_requires_grad_(w, true));
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(w), &gw, .grad_outputs = EBB_LIST(ebb_ones(ebb_tensor_shape(y)))));
        CHECK(ebb_item(ebb_amax(ebb_abs(ebb_narrow(y, 3, 0, 26)))) == 0);
        CHECK(ebb_item(ebb_amax(ebb_abs(ebb_select(gw, 3, 0)))) == 0);
        CHECK(ebb_item(ebb_amin(ebb_narrow(gw, 3, 1, 2))) == (double)INFINITY);
    }
}

/* A transposed convolution is the gradient of the input, with a bias. */
EBB_TEST(transposed) {
    for (int single = 0; single < 2; single++) {
        EBB_SCOPE {
            const struct sizes *s = &cases[0];
            const ebb_dtype dtype = single ? EBB_F32 : EBB_F64;
            struct arrays a = make(s, dtype);
            ebb_tensor *r[3], *b = ebb_to(ebb_randn(EBB_DIMS(s->in)), dtype);
            CHECK(!compute(s, dtype, r));
            ebb_tensor *y = ebb_conv_transpose2d(a.g, a.w, .bias = b, .padding = EBB_DIMS(s->padding));
            ebb_tensor *want = ebb_add(r[1], ebb_view(b, EBB_DIMS(1, s->in, 1, 1)));
            CHECK(ebb_item(ebb_amax(ebb_abs(ebb_sub(y, want)))) < (single ? 1e-4 : 1e-12));
        }
    }
}

static void failing(void) {
    static const struct sizes small = {2, 32, 32, 11, 3, 1, 1, 1, 1}; /* by Winograd's algorithm */
    EBB_SCOPE {
        ebb_tensor *r[3];
        if (compute(&small, EBB_F32, r)) break;
        for (int c = 0; c < 2; c++)
            if (compute(&cases[c], EBB_F32, r) || compute(&cases[c], EBB_F64, r)) break;
    }
}

EBB_TEST(failing_allocations) { CHECK_ALLOCATIONS_FAILING(failing, CHECK_SANITIZED ? 60 : 300); }

static ebb_status kernel(int result, const struct sizes *s, ebb_dtype dtype, const struct arrays *a) {
    const ebb__conv c = {.dtype = dtype,
                         .batch = s->batch,
                         .groups = s->groups,
                         .in_channels = s->in,
                         .out_channels = s->out,
                         .in = {1, s->size, s->size},
                         .kernel = {1, s->kernel, s->kernel},
                         .out = {1, result_size(s), result_size(s)},
                         .stride = {1, s->stride, s->stride},
                         .padding = {0, s->padding, s->padding},
                         .dilation = {1, s->dilation, s->dilation}};
    void *x = ebb_tensor_data(a->x), *w = ebb_tensor_data(a->w), *y = ebb_tensor_data(a->g);
    return result == 0   ? ebb__conv_forward(&c, x, w, NULL, y)
           : result == 1 ? ebb__conv_input(&c, y, w, NULL, x)
                         : ebb__conv_weight(&c, y, x, w);
}

/* Each of a kernel's own allocations: nothing after it would fail as well, and tell. */
EBB_TEST(failures_inside_of_kernels) {
    static const struct sizes more[] = {
        {1, 128, 128, 32, 3, 1, 1, 1, 1}, /* by Winograd's algorithm, of large products */
        {2, 3, 16, 64, 3, 1, 1, 1, 1}     /* directly */
    };
    for (int c = -2; c < 6; c++)
        for (int d = EBB_BF16; d <= EBB_F64; d++) {
            EBB_SCOPE {
                const struct sizes *s = c < 0 ? &more[c + 2] : &cases[c];
                const ebb_dtype dtype = (ebb_dtype)d;
                struct arrays a = make(s, dtype);
                for (int64_t call = 0, n = 1; call < 6;) {
                    ebb_set_num_threads(1 + (int)call / 3);
                    ebb_memory_fail_after(n);
                    const ebb_status status = kernel((int)call % 3, s, dtype, &a);
                    const bool failed = ebb_memory_fail_after(0) >= n;
                    CHECK(status == (failed ? EBB_ERR_MEMORY : EBB_OK) && status == ebb_error_status());
                    ebb_clear_error();
                    if (failed) n++;
                    else call++, n = 1;
                }
            }
        }
    ebb_set_num_threads(0);
}

/* Rows of an image that taps are far apart in are not gathered with all that is between them. */
EBB_TEST(taps_that_are_far_apart) {
    EBB_SCOPE {
        ebb_tensor *y[2];
        for (int i = 0; i < 2; i++) {
            const ebb_dtype dtype = i ? EBB_F64 : EBB_F32;
            ebb_tensor *x = ebb_reshape(ebb_remainder(ebb_arange(0, 3 * 16 * 224, 1), 7), EBB_DIMS(1, 3, 16, 224));
            ebb_tensor *w = ebb_reshape(ebb_remainder(ebb_arange(0, 8 * 27, 1), 5), EBB_DIMS(8, 3, 3, 3));
            y[i] = ebb_conv2d(ebb_to(x, dtype), ebb_to(w, dtype), .padding = EBB_DIMS(1700000, 1),
                              .dilation = EBB_DIMS(1700000, 1));
        }
        CHECK(y[0] && ebb_tensor_numel(y[0]) == 8 * 16 * 224);
        CHECK(ebb_item(ebb_max(ebb_abs(ebb_sub(y[0], y[1])))) == 0);
    }
}

EBB_TEST_MAIN
