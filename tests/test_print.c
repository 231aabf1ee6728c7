/* Printing: the same texts as PyTorch's, cut-off buffers, and tensors with a history. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include "tensor/tensor.h"
#include <locale.h>
#include <math.h>

struct print_case {
    ebb_dtype dtype;
    ebb_dims shape;
    double values[8];
    double first, step; /* where step is not 0, and for elements behind values: first + i * step */
    bool grad, flip;    /* requires gradients; dimensions reversed */
    ebb_print_options options;
    const char *text;
};
#include "golden/print.h"

#define N_CASES (sizeof print_cases / sizeof *print_cases)

static ebb_tensor *make(const struct print_case *c) {
    int64_t n = 1;
    for (int i = 0; i < c->shape.n; i++) n *= c->shape.d[i];
    size_t size = ebb_dtype_size(c->dtype);
    char *data = malloc((size_t)n * size + 1);
    for (int64_t i = 0; data && i < n; i++) {
        double v = c->step != 0 || i >= 8 ? (double)i * c->step + c->first : c->values[i];
        ebb__store(data + (size_t)i * size, c->dtype, v);
    }
    ebb_tensor *t = ebb_from_data(data, c->dtype, c->shape);
    free(data);
    if (c->flip) {
        ebb_dims order = {{0}, c->shape.n};
        for (int i = 0; i < order.n; i++) order.d[i] = order.n - 1 - i;
        t = ebb_permute(t, order);
    }
    return c->grad ? ebb_requires_grad_(t, true) : t;
}

static void check_text(const ebb_tensor *t, const ebb_print_options *options, const char *want) {
    static char got[1 << 16];
    size_t n = ebb_format(got, sizeof got, t, options);
    CHECK_OK();
    assert_string_equal(got, want);
    CHECK(n == strlen(want));
}

EBB_TEST(texts_are_pytorchs) {
    for (size_t i = 0; i < N_CASES; i++) {
        EBB_SCOPE { check_text(make(&print_cases[i]), &print_cases[i].options, print_cases[i].text); }
    }
}

EBB_TEST(history_is_named) {
    ebb_tensor *x = ebb_full(EBB_DIMS(2), 2.0, .requires_grad = true);
    check_text(ebb_unsqueeze(x, 0), NULL, "tensor([[2., 2.]], grad_fn=<UnsqueezeBackward0>)");
    check_text(ebb_detach(ebb_unsqueeze(x, 0)), NULL, "tensor([[2., 2.]])");
}

EBB_TEST(the_default_dtype_is_not_named) {
    ebb_tensor *x = ebb_full(EBB_DIMS(1), 0.5), *empty = ebb_zeros(EBB_DIMS(0));
    CHECK(ebb_set_default_dtype(EBB_F64) == EBB_OK);
    check_text(x, NULL, "tensor([0.5000], dtype=float32)");
    check_text(empty, NULL, "tensor([], dtype=float32)");
    check_text(ebb_zeros(EBB_DIMS(0)), NULL, "tensor([])");
    CHECK(ebb_set_default_dtype(EBB_F32) == EBB_OK);
}

EBB_TEST(a_short_buffer_holds_the_beginning) {
    ebb_tensor *x = ebb_full(EBB_DIMS(2), 2.0);
    const char *whole = "tensor([2., 2.])";
    for (size_t size = 0; size < 20; size++) {
        char got[24];
        memset(got, '#', sizeof got);
        CHECK(ebb_format(got, size, x, NULL) == strlen(whole));
        size_t kept = size == 0 ? 0 : size - 1 < strlen(whole) ? size - 1 : strlen(whole);
        CHECK(memcmp(got, whole, kept) == 0);
        if (size) CHECK(got[kept] == 0);
        CHECK(got[size] == '#');
    }
    CHECK(ebb_format(NULL, 0, x, NULL) == strlen(whole));
}

EBB_TEST(the_locale_does_not_matter) {
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) skip();
    check_text(ebb_full(EBB_DIMS(1), 0.5), NULL, "tensor([0.5000])");
    check_text(ebb_full(EBB_DIMS(1), 5e-10), NULL, "tensor([5.0000e-10])");
    setlocale(LC_NUMERIC, "C");
}

EBB_TEST(null_is_an_error) {
    char text[8] = "#";
    CHECK(ebb_format(text, sizeof text, NULL, NULL) == 0);
    CHECK(text[0] == 0);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "format: ");
    CHECK(ebb_print(NULL) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "print: ");
}

EBB_TEST_MAIN
