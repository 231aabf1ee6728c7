/* Every operator by PyTorch's name and PyTorch's argument names: the calls of tests/names.txt, whose results PyTorch
 * wrote (tests/names.py). A line is a call (tests/names.h) and what it gives:
 *
 *     CALL -> DTYPE(SHAPE) ... */
#include "tests/names.h"

static struct { int lines, functions, failures; } total;

/* ---- one line ---- */

static void describe(char *text, size_t size, const ebb_list *out) {
    size_t at = 0;
    text[0] = 0;
    for (int64_t i = 0; i < out->n; i++) {
        ebb_dims shape = ebb_tensor_shape(out->t[i]);
        at += (size_t)snprintf(text + at, size - at, " %s(", ebb_dtype_name(ebb_tensor_dtype(out->t[i])));
        for (int d = 0; d < shape.n; d++)
            at += (size_t)snprintf(text + at, size - at, "%s%lld", d ? "," : "", (long long)shape.d[d]);
        at += (size_t)snprintf(text + at, size - at, ")");
    }
}

/* The results that PyTorch gives come first among Ebb's, which may be more. */
static void replay(char *line) {
    char call[NAMES_LINE], got[NAMES_LINE], *words = line, *want = strstr(line, " -> ");
    (void)snprintf(call, sizeof call, "%s", line);
    *want = 0;
    want += strlen(" ->");
    ebb_list out = names_call(words);
    describe(got, sizeof got, &out);
    total.lines++;
    size_t length = strlen(want);
    if (!ebb_error() && strncmp(got, want, length) == 0 && (!got[length] || got[length] == ' ')) return;
    const ebb_error_info *e = ebb_error();
    print_message("FAIL %s:%s%s%s\n", call, got, e ? " " : "", e ? e->message : "");
    ebb_clear_error();
    total.failures++;
}

EBB_TEST(names) {
    char line[NAMES_LINE], before[64] = "";
    FILE *file = fopen("tests/names.txt", "r");
    CHECK(file != NULL);
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        size_t name = strcspn(line, " ");
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || !strstr(line, " -> ") || name >= sizeof before) continue;
        total.functions += strlen(before) != name || strncmp(before, line, name) != 0;
        (void)snprintf(before, sizeof before, "%.*s", (int)name, line);
        EBB_SCOPE replay(line);
    }
    (void)fclose(file);
    print_message("%d calls of %d functions: %d failures\n", total.lines, total.functions, total.failures);
    CHECK(total.lines > 600);
    CHECK(total.failures == 0);
}

EBB_TEST_MAIN
