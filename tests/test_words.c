/* What explanations say in Chinese: everything. The reports of every operator's samples have no sentence of English in
 * them, nor has the companion on dimensions. */
#include "explain/formula.h"
#include "explain/words.h"
#include "tests/output.h"
#include <ctype.h>
#include <ebb/ebb.h>
#include <ebb/explain.h>

static size_t word_at(const char *text) {
    size_t n = 0;
    while (isalpha((unsigned char)text[n])) n++;
    return n;
}

/* Words that formulas have between others. */
static bool of_formulas(const char *word, size_t n) {
    static const char *const words[] = {"if", "else", "in", "not", "and", "or", "for", "otherwise", "text", "mathrm"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (n == strlen(words[i]) && memcmp(word, words[i], n) == 0) return true;
    return false;
}

/* The first two words of English, of three letters or more, that stand beside each other; NULL when there are none. */
static const char *english(const char *text) {
    for (const char *at = text; *at;) {
        size_t n = word_at(at), m = n >= 2 && at[n] == ' ' ? word_at(at + n + 1) : 0;
        bool alone = at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_' && at[-1] != '\\');
        bool ends = m && !isalnum((unsigned char)at[n + 1 + m]) && !strchr("_(.=", at[n + 1 + m]);
        if (alone && m >= 2 && n + m >= 6 && ends && !of_formulas(at, n) && !of_formulas(at + n + 1, m)) return at;
        at += n ? n : 1;
    }
    return NULL;
}

static int reports;

static bool is_chinese(const char *what, const char *sample) {
    const char *found = english(output);
    if (!found) return true;
    print_error("%s, sample %s: English: %.60s\n", what, sample, found);
    return false;
}

/* Explain what an operator gives for a sample, in two formats. */
static bool check_sample(const struct ebb_op *op, const char *text) {
    static const enum ebb_explain_format formats[] = {EBB_EXPLAIN_TEXT, EBB_EXPLAIN_MARKDOWN};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct ebb_sample sample;
    bool right = true;
    CHECK(!ebb_sample_make(op, text, EBB_F64, 1, &sample));
    if (!sample.must_fail) EBB_SCOPE {
            for (int64_t i = 0; i < sample.n_in; i++) {
                ebb_tensor *t = sample.in[i];
                int64_t entry;
                if (!ebb_op_text(op).formula[ebb__formula_declared(op, sample.n_in, i, &entry)]) continue;
                if (!t || ebb_tensor_is_number(t) || !ebb_dtype_is_floating(ebb_tensor_dtype(t))) continue;
                (void)ebb_name(ebb_requires_grad_(t, true), names[i % 8]);
            }
            ebb_list out = ebb_call_op_list(op, sample.in, sample.n_in, sample.attrs);
            CHECK_OK();
            ebb_tensor *root = NULL;
            for (int64_t k = out.n - 1; k >= 0; k--)
                if (out.t[k] && ebb_tensor_grad_fn(out.t[k])) root = out.t[k];
            for (size_t f = 0; root && f < sizeof formats / sizeof *formats; f++) {
                FILE *to = output_begin();
                CHECK(!ebb_explain(root, .to = to, .lang = EBB_CHINESE, .format = formats[f]));
                output_end(to);
                reports++;
                right = is_chinese(op->name, text) && right;
            }
        }
    ebb_sample_release(&sample);
    return right;
}

EBB_TEST(reports_in_chinese_have_no_english) {
    int wrong = 0;
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *op = ebb_op_get(i);
        if (op->no_derivative && !op->vjp) continue;
        const char *const *samples = ebb_op_text(op).samples;
        for (int s = 0; samples && samples[s] && s < 3; s++) wrong += !check_sample(op, samples[s]);
    }
    print_message("%d reports\n", reports);
    CHECK(wrong == 0);
    CHECK(reports > 1000);
    ebb_thread_release();
}

EBB_TEST(every_formula_of_words_has_its_chinese) {
    int known = 0;
    for (int i = 0; i < ebb_op_count(); i++)
        for (int k = 0; k < EBB_OP_MAX_IN; k++) {
            char words[512];
            const char *formula = ebb_op_text(ebb_op_get(i)).formula[k];
            if (!formula || (formula[0] != '\'' && formula[0] != '"')) continue;
            (void)snprintf(words, sizeof words, "%.*s", (int)strlen(formula) - 2, formula + 1);
            if (!ebb__formula_words_known(words)) print_error("%s: %s\n", ebb_op_get(i)->name, words);
            CHECK(ebb__formula_words_known(words));
            if (english(ebb__formula_words(EBB_CHINESE, words))) print_error("not translated: %s\n", words);
            CHECK(!english(ebb__formula_words(EBB_CHINESE, words)));
            known++;
        }
    CHECK(known > 40);
    CHECK(english("the part of g") && english("likewise, summed over rows") && !english("sum(g * n)"));
    CHECK(strcmp(ebb__formula_words(EBB_ENGLISH, "likewise"), "likewise") == 0);
}

EBB_TEST(the_companion_is_in_chinese) {
    FILE *to = output_begin();
    CHECK(!ebb_explain_dims(NULL, .to = to, .lang = EBB_CHINESE));
    output_end(to);
    char *failure = strstr(output, "此处出错"); /* the message of an error is as the library has it */
    CHECK(failure != NULL);
    memset(failure, ' ', strcspn(failure, "\n"));
    CHECK(is_chinese("the companion", ""));
}

EBB_TEST_MAIN
