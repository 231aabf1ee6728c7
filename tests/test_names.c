/* Every operator by PyTorch's name and PyTorch's argument names: the calls of tests/names.txt, whose results PyTorch
 * wrote (tests/names.py). A line is a call:
 *
 *     FUNCTION [as NAME] ARGUMENT=VALUE ... -> DTYPE(SHAPE) ...
 *
 * FUNCTION is PyTorch's; NAME is Ebb's where it is not its last part. A tensor is f(2,3) of float64, g(2,3) of float32,
 * i5(3) of int64 from 0 to 4, b(3) of bool, spd(3,3) positive definite, full6(2) of that int64; a list of them is
 * [f(2),none]; all else is text that the argument reads. */
#include "tests/check.h"
#include <ebb/ebb.h>

enum { MAX_ARGS = 16, MAX_LINE = 512, MAX_NUMEL = 256 };

static struct { int lines, functions, failures; } total;

/* ---- values ---- */

static ebb_dims read_shape(char *text) {
    ebb_dims shape = {0, {0}};
    for (char *p = text; *p && *p != ')'; p += *p == ',') shape.d[shape.n++] = strtoll(p, &p, 10);
    return shape;
}

/* "f(2,3)" and the like; NULL for what is no tensor. */
static ebb_tensor *read_tensor(char *text) {
    char *open = strchr(text, '(');
    if (!open || open == text) return NULL;
    ebb_dims shape = read_shape(open + 1);
    if (strncmp(text, "spd", 3) == 0) return ebb_add(ebb_mul(ebb_eye(shape.d[0], .dtype = EBB_F64), 3), 0.5);
    bool full = strncmp(text, "full", 4) == 0;
    int64_t n = 1, number = strtoll(text + (full ? 4 : 1), NULL, 10), whole[MAX_NUMEL];
    double values[MAX_NUMEL];
    for (int i = 0; i < shape.n; i++) n *= shape.d[i];
    for (int64_t i = 0; i < n && i < MAX_NUMEL; i++) {
        values[i] = (double)(i * 5 % 9) / 10 + 0.1;
        whole[i] = full ? number : i * 7 % (number ? number : 1);
    }
    if (n > MAX_NUMEL) return NULL;
    if (full || *text == 'i') return ebb_from_data(whole, EBB_I64, shape);
    ebb_tensor *x = ebb_from_data(values, EBB_F64, shape);
    return *text == 'f' ? x : *text == 'g' ? ebb_to(x, EBB_F32) : ebb_gt(x, 0.4);
}

/* The end of a value's text: the comma after it, or its end. */
static char *end_of(char *text) {
    int depth = 0;
    for (; *text && (depth || *text != ','); text++) depth += (*text == '(') - (*text == ')');
    return text;
}

static ebb_arg read_list(const char *name, char *text) {
    int n = 0;
    ebb_tensor **room = ebb_list_room(8);
    text[strlen(text) - 1] = 0;
    for (char *p = text + 1, *end; room && *p && n < 8; p = end) {
        end = end_of(p);
        if (*end) *end++ = 0;
        room[n++] = read_tensor(p);
    }
    return EBB_ARG(name, ((ebb_list){n, room}));
}

static ebb_arg read_argument(char *word) {
    char *value = strchr(word, '=');
    *value++ = 0;
    if (*value == '[') return read_list(word, value);
    ebb_tensor *t = *value == '(' ? NULL : read_tensor(value);
    return t ? EBB_ARG(word, t) : EBB_ARG_TEXT(word, value);
}

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

static void replay(char *line) {
    char call[MAX_LINE], got[MAX_LINE], *words = line, *want = strstr(line, " -> ");
    ebb_arg args[MAX_ARGS];
    int n = 0;
    (void)snprintf(call, sizeof call, "%s", line);
    *want = 0;
    want += strlen(" ->");
    char *function = strtok(words, " "), *name = strrchr(function, '.') ? strrchr(function, '.') + 1 : function;
    for (char *word; (word = strtok(NULL, " ")) && n < MAX_ARGS;) {
        if (strcmp(word, "as") == 0) name = strtok(NULL, " ");
        else args[n++] = read_argument(word);
    }
    ebb_list out = {0, NULL};
    ebb_manual_seed(1);
    (void)ebb_call(name, ((ebb_list){0, NULL}), .args = {n, args}, .ret_outputs = &out);
    describe(got, sizeof got, &out);
    total.lines++;
    if (!ebb_error() && strcmp(got, want) == 0) return;
    const ebb_error_info *e = ebb_error();
    print_message("FAIL %s:%s%s%s\n", call, got, e ? " " : "", e ? e->message : "");
    ebb_clear_error();
    total.failures++;
}

EBB_TEST(names) {
    char line[MAX_LINE], before[64] = "";
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
