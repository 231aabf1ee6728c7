/* Fuzzing calls by name: "NAME WORD ...", where a word is an input or an argument. Whatever the text, a result or an
 * error that names an operator, in a bounded time, and nothing leaks.
 *
 *     input      dtype and sizes, "d34" is float64 [3, 4]: d f l i u b;  "n2.5" a number;  "-" none
 *     argument   name=text;  name:iN name:fX name:bN name:lTEXT name:sTEXT name:tINPUT for a value of that kind
 *     "?TEXT"    a sample of the operator, instead of all that
 */
#include "tests/fuzz/fuzz.h"
#include <ebb/ebb.h>
#include <string.h>

enum { TEXT_MAX = 512, WORDS = 12, ELEMENTS_MAX = 2048 };

/* Numbers that would make tensors of gigabytes are left out; those that no memory holds are in. */
static bool harmless(const char *text) {
    double product = 1;
    for (const char *p = strpbrk(text, "0123456789"); p; p = strpbrk(p, "0123456789")) {
        char *end;
        double v = strtod(p, &end);
        if (v > 1 && v < 1e13) product *= v;
        p = end;
    }
    return product < 1e5;
}

static ebb_tensor *input(const char *word) {
    static const char letters[] = "bui lfd"; /* in the order of the dtypes */
    static const ebb_dtype dtypes[] = {EBB_BOOL, EBB_U8, EBB_I32, EBB_I64, EBB_I64, EBB_F32, EBB_F64};
    const char *letter = word[0] && word[0] != ' ' ? strchr(letters, word[0]) : NULL;
    ebb_dims shape = {0};
    int64_t n = 1;
    if (word[0] == 'n') return EBB_NUM(strtod(word + 1, NULL));
    if (!letter) return NULL;
    for (word++; *word >= '0' && *word <= '9' && shape.n < EBB_MAX_NDIM; word++) {
        shape.d[shape.n++] = *word - '0';
        n *= *word - '0';
    }
    if (n > ELEMENTS_MAX) return NULL;
    ebb_dtype dtype = dtypes[letter - letters];
    ebb_tensor *t = ebb_add(ebb_mul(ebb_to(ebb_arange(0, n, 1), dtype), 1), 0.25);
    t = ebb_reshape(ebb_to(t, dtype), shape);
    return ebb_dtype_is_floating(dtype) ? ebb_requires_grad_(ebb_clone(ebb_detach(t)), true) : t;
}

/* "name=text" or "name:kind…", cut at its separator. */
static ebb_arg argument(char *word, char *separator) {
    bool text = *separator == '=';
    char kind = text ? 0 : separator[1];
    char *value = separator + (text || !kind ? 1 : 2);
    *separator = 0;
    switch (kind) {
    case 'i': return EBB_ARG(word, strtoll(value, NULL, 10));
    case 'f': return EBB_ARG(word, strtod(value, NULL));
    case 'b': return EBB_ARG(word, (bool)(*value == '1'));
    case 's': return EBB_ARG(word, value);
    case 't': return EBB_ARG(word, input(value));
    case 'l': {
        ebb_dims list = {0};
        for (; *value && list.n < EBB_MAX_NDIM; value++) list.d[list.n++] = *value - '2';
        return EBB_ARG(word, list);
    }
    default: return EBB_ARG_TEXT(word, value);
    }
}

static void check_result(const ebb_tensor *y, ebb_list out) {
    const ebb_error_info *e = ebb_error();
    FUZZ_EXPECT(!y == (e || out.n == 0));
    FUZZ_EXPECT(!e || (e->op[0] && e->message[0]));
    for (int64_t i = 0; i < out.n && !e; i++) {
        if (!ebb_tensor_requires_grad(out.t[i]) || ebb_tensor_numel(out.t[i]) > ELEMENTS_MAX) continue;
        (void)ebb_backward(out.t[i], .gradient = ebb_ones_like(out.t[i]), .retain_graph = true);
        e = ebb_error();
        FUZZ_EXPECT(!e || e->message[0]);
    }
}

static void call(char *text) {
    ebb_tensor *inputs[WORDS];
    ebb_arg args[WORDS];
    ebb_list out = {0, NULL};
    int64_t n_in = 0, n_args = 0;
    const char *name = strtok(text, " \n");
    for (char *word = strtok(NULL, " \n"); word && n_in < WORDS && n_args < WORDS; word = strtok(NULL, " \n")) {
        char *separator = strpbrk(word, "=:");
        if (separator) args[n_args++] = argument(word, separator);
        else inputs[n_in++] = input(word);
    }
    ebb_clear_error(); /* of inputs that there are not */
    ebb_tensor *y = ebb_call(name, ((ebb_list){n_in, inputs}), ((ebb_args){n_args, args}), .ret_outputs = &out);
    check_result(y, out);
}

static void sample(char *text) {
    const char *name = strtok(text, "?"), *words = strtok(NULL, "");
    const struct ebb_op *op = name ? ebb_op_find(name) : NULL;
    struct ebb_sample s = {0};
    if (!op || !words || ebb_sample_make(op, words, EBB_F32, 1, &s)) return;
    ebb_list out = ebb_call_op_list(op, s.in, s.n_in, s.attrs);
    check_result(out.n ? out.t[0] : NULL, out);
    ebb_sample_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[TEXT_MAX];
    if (size >= sizeof text || memchr(data, 0, size)) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (!harmless(text)) return 0;
    ebb_set_num_threads(1);
    EBB_SCOPE {
        if (strchr(text, '?')) sample(text);
        else call(text);
    }
    return fuzz_done();
}
