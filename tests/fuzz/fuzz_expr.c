/* Fuzzing the expression language: whatever the text, a value or an error with its place, and nothing leaks. Of what is
 * evaluated, the result is differentiated. */
#include "tests/fuzz/fuzz.h"
#include <ebb/ebb.h>
#include <ebb/expr.h>
#include <string.h>

enum { TEXT_MAX = 2048, ELEMENTS_MAX = 512, CALLS_MAX = 24 };

/* Texts that could ask for gigabytes, or for hours, are only parsed: large numbers, many calls; and those with
 * files. */
static bool is_small(const char *text) {
    double product = 1;
    int brackets = 0;
    bool files = false;
    for (const char *p = text; *p; p++) {
        brackets += *p == '(' || *p == '[';
        files = files || (*p == '@' && p[1] != ' ');
    }
    for (const char *p = strpbrk(text, "0123456789"); p; p = strpbrk(p, "0123456789")) {
        char *end;
        double v = strtod(p, &end);
        if (v > 1) product *= v;
        p = end;
    }
    return product < 1e4 && brackets < CALLS_MAX && !files;
}

static void evaluate(const char *text) {
    ebb_tensor *x = ebb_requires_grad_(ebb_reshape(ebb_arange(0, 6, 1, .dtype = EBB_F64), EBB_DIMS(2, 3)), true);
    ebb_tensor *t = ebb_eval(text, EBB_ARGS(EBB_ARG("x", x), EBB_ARG("n", 2)));
    FUZZ_EXPECT((t != NULL) == (ebb_error() == NULL));
    if (t && ebb_tensor_requires_grad(t) && ebb_tensor_numel(t) <= ELEMENTS_MAX)
        (void)ebb_backward(t, .gradient = ebb_ones_like(t));
    FUZZ_EXPECT(!ebb_error() || ebb_error()->message[0]);
    ebb_clear_error();
}

/* A text that is parsed, and fails at its first statement. */
static void parse(const char *text) {
    char longer[TEXT_MAX + 8];
    (void)snprintf(longer, sizeof longer, "1/0;%s", text);
    FUZZ_EXPECT(ebb_eval(longer) == NULL && ebb_error());
    ebb_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[TEXT_MAX], caret[TEXT_MAX];
    if (size >= sizeof text || memchr(data, 0, size)) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    ebb_manual_seed(1);
    EBB_SCOPE {
        parse(text);
        if (is_small(text)) evaluate(text);
        FUZZ_EXPECT(ebb_eval_caret(caret, sizeof caret) < sizeof caret);
    }
    return fuzz_done();
}
