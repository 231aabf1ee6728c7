/* Fuzzing explanations, of gradients and of dimensions: whatever the expression, a report in every format or an error,
 * and nothing leaks. */
#include "tests/fuzz/fuzz.h"
#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <string.h>

enum { TEXT_MAX = 512, CALLS_MAX = 12 };

/* Texts that could ask for much memory or time are left to fuzz_expr; and those with files. */
static bool is_small(const char *text) {
    double product = 1;
    int calls = 0;
    for (const char *p = text; *p; p++) {
        calls += *p == '(' || *p == '[';
        if (*p == '@' && p[1] != ' ') return false;
    }
    for (const char *p = strpbrk(text, "0123456789"); p; p = strpbrk(p, "0123456789")) {
        char *end;
        double v = strtod(p, &end);
        if (v > 1) product *= v;
        p = end;
    }
    return product < 1e3 && calls < CALLS_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static FILE *nowhere;
    static const char *const values[] = {"x=[[1, 2, 3], [4, 5.5, 6]]", "y=3"};
    char text[TEXT_MAX + 16];
    if (!nowhere) nowhere = fopen("/dev/null", "w");
    if (!nowhere || size < 1 || size >= TEXT_MAX || memchr(data, 0, size)) return 0;
    (void)snprintf(text, sizeof text, "0*x*y;%.*s", (int)(size - 1), (const char *)data + 1);
    if (!is_small(text)) return 0;
    ebb_explain_options o = {.to = nowhere, .values = values, .n_values = 2};
    o.format = (enum ebb_explain_format)(data[0] % 4);
    o.order = data[0] & 16 ? 2 : 1;
    o.forward_mode = data[0] & 32;
    o.lang = data[0] & 64 ? EBB_CHINESE : EBB_ENGLISH;
    if (data[0] & 128) o.format = data[0] & 1 ? EBB_EXPLAIN_JSON : EBB_EXPLAIN_TEXT; /* which dimensions have */
    ebb_status status = data[0] & 128 ? (ebb_explain_dims)(text, o) : (ebb_explain_expression)(text, o);
    FUZZ_EXPECT((status != EBB_OK) == (ebb_error() != NULL));
    FUZZ_EXPECT(!ebb_error() || ebb_error()->message[0]);
    ebb_clear_error();
    return fuzz_done();
}
