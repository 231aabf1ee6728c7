/* What explanations say in Chinese: everything. The reports of every operator's samples have no sentence of English in
 * them, nor has the companion on dimensions. */
#include "explain/formula.h"
#include "explain/words.h"
#include "tests/output.h"
#include "tool/said.h"
#include <ctype.h>
#include <dirent.h>
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

/* ---- what is wrong ---- */

static int keys, unknown;

static const char *chinese_of(const char *key) {
    for (size_t i = 0; ebb__said_zh[i][0]; i++)
        if (strcmp(ebb__said_zh[i][0], key) == 0) return ebb__said_zh[i][1];
    return NULL;
}

/* The bracket that closes the one at `at`, strings aside. */
static const char *closing(const char *at) {
    for (int depth = 0; *at; at++) {
        char quote = *at;
        if (quote == '"' || quote == '\'')
            for (at++; *at && *at != quote; at++) at += *at == '\\';
        depth += (*at == '(') - (*at == ')');
        if (*at == ')' && depth == 0) break;
    }
    return at;
}

/* The text of the strings at `at`, which stand one after the other; *at is moved behind them. */
static void read_strings(const char **at, char *text, size_t size) {
    size_t n = 0;
    while (**at == '"') {
        for ((*at)++; **at && **at != '"'; (*at)++) {
            char c = **at;
            if (c == '\\') c = *++*at == 'n' ? '\n' : **at;
            if (n + 1 < size) text[n++] = c;
        }
        (*at)++;
        *at += strspn(*at, " \n");
    }
    text[n] = '\0';
}

/* Every string between `at` and `end` that has a word in it must be in the table. */
static void check_strings(const char *file, const char *at, const char *end) {
    char key[512];
    while (at < end) {
        if (*at == '\'') at += at[1] == '\\' ? 4 : 3;
        else if (*at != '"') at++;
        else {
            read_strings(&at, key, sizeof key);
            if (strspn(key, "%s: ") == strlen(key)) continue; /* it only puts others together */
            if (!chinese_of(key)) print_error("%s: without Chinese: %s\n", file, key);
            unknown += !chinese_of(key);
            keys++;
        }
    }
}

static void check_source(const char *file) {
    static const char *const said[] = {
        "ebb__fail_at(", "ebb__fail_said(", "ebb__wrong(", "WRONG(", "wrong(",
        "fail(",         "unexpected(",     "ebb__said(",  "SAID(",  "ebb__wrong_argument("};
    static char text[1 << 16];
    FILE *in = fopen(file, "r");
    CHECK(in != NULL);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    (void)fclose(in);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        for (const char *at = text; (at = strstr(at, said[i])); at += strlen(said[i])) {
            if (at > text && (isalnum((unsigned char)at[-1]) || at[-1] == '_')) continue;
            const char *open = at + strlen(said[i]) - 1;
            check_strings(file, open, closing(open));
        }
}

EBB_TEST(what_is_wrong_is_said_in_chinese) {
    static const char *const folders[] = {"src/expr", "src/explain", "src/tool"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        DIR *folder = opendir(folders[i]);
        CHECK(folder != NULL);
        for (struct dirent *entry; (entry = readdir(folder));) {
            char file[300];
            size_t n = strlen(entry->d_name);
            (void)snprintf(file, sizeof file, "%s/%s", folders[i], entry->d_name);
            if (n > 2 && strcmp(entry->d_name + n - 2, ".c") == 0) check_source(file);
        }
        (void)closedir(folder);
    }
    check_source("cli/args.c");
    check_source("cli/explain.c");
    CHECK(unknown == 0);
    CHECK(keys > 200);
}

/* The conversions of a format, in the order of its arguments: "%2$s %1$lld" is "lld s". */
static void conversions(const char *format, char ret_kinds[8][8]) {
    int next = 0;
    memset(ret_kinds, 0, 64);
    for (const char *c = format; (c = strchr(c, '%')); c++) {
        int at = isdigit((unsigned char)c[1]) && c[2] == '$' ? c[1] - '1' : next++;
        c += isdigit((unsigned char)c[1]) && c[2] == '$' ? 3 : 1;
        size_t n = strcspn(c, "sduzgc") + 1;
        CHECK(at < 8 && n < 7);
        memcpy(ret_kinds[at], c, n);
    }
}

EBB_TEST(formats_in_chinese_take_the_same_arguments) {
    for (size_t i = 0; ebb__said_zh[i][0]; i++) {
        char english_has[8][8], chinese_has[8][8];
        conversions(ebb__said_zh[i][0], english_has);
        conversions(ebb__said_zh[i][1], chinese_has);
        if (memcmp(english_has, chinese_has, sizeof english_has) != 0) print_error("%s\n", ebb__said_zh[i][0]);
        CHECK(memcmp(english_has, chinese_has, sizeof english_has) == 0);
        CHECK(!english(ebb__said_zh[i][1]));
        for (size_t k = 0; k < i; k++) CHECK(strcmp(ebb__said_zh[k][0], ebb__said_zh[i][0]) != 0);
    }
}

EBB_TEST(errors_of_explanations_are_in_chinese) {
    static const struct {
        const char *text, *value, *message;
    } cases[] = {
        {"z = x)", "x=2", "第 6 列：这个括号没有与之配对的左括号"},
        {"", "x=2", "explain: 表达式是空的"},
        {"x + y", "x=2", "第 5 列：y 没有值；请给它一个，如 y=2"},
        {"softmx(x, 0)", "x=[1, 2]", "没有函数 softmx；是不是 softmax？"},
        {"sum(x)", "x=[1, 2, [3]]", "x 的值：第 8 列：此处应与前面一样是数，而不是列表"},
        {"sum(x)", "x=[[1, 2], [3]]", "x 的值：第 10 列：这个列表的长度是 1，前面的是 2"},
        {"sum(x)", "x=@nowhere/x.npy", "没有文件 nowhere/x.npy"},
        {"sum(x)", "x", "“x”没有给任何名称赋值"},
        {"sum(x, dims=1)", "x=[1, 2]",
         "sum 没有参数 dims，它的参数是 (self, dim=all, keepdim=false, dtype=none)；是不是 dim？"},
        {"softmax(x, 0.5)", "x=[1, 2]", "softmax：dim 须为整数，而不是浮点数"},
        {"x @ randn(3)", "x=[1, 2]", "第 3 列：matmul：形状不相容。库的原文：inner dimensions of [2] and [3]"},
        {"h = tanh(x); h += 1; h * 2", "x=2", "反向传播需要的张量已被原地改写。库的原文："},
        {"x > 1", "x=2", "explain: 结果与求导的变量无关"},
        {"x*“a”", "x=2", "第 3 列：请写 \" 或 '"},
        {"x ** 2 if x else", "x=[1]", "此处应为一个值，却是文本的结尾"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *to = output_begin();
        CHECK(ebb_explain_expression(cases[i].text, .to = to, .lang = EBB_CHINESE, .values = &cases[i].value,
                                     .n_values = 1));
        output_end(to);
        if (!strstr(ebb_error()->message, cases[i].message)) print_error("%s\n", ebb_error()->message);
        CHECK(strstr(ebb_error()->message, cases[i].message));
        ebb_clear_error();
    }
    CHECK(ebb_explain_expression("x + y", .values = &cases[0].value, .n_values = 1)); /* and not afterwards */
    CHECK_ERROR(EBB_ERR_NAME, "column 5: y has no value");
}

EBB_TEST(the_companion_is_in_chinese) {
    FILE *to = output_begin();
    CHECK(!ebb_explain_dims(NULL, .to = to, .lang = EBB_CHINESE));
    output_end(to);
    char *failure = strstr(output, "库的原文"); /* the message of an error is as the library has it */
    CHECK(failure != NULL);
    memset(failure, ' ', strcspn(failure, "\n"));
    CHECK(is_chinese("the companion", ""));
}

EBB_TEST_MAIN
