/* Fuzzing what reads arguments, one a line: as a command's words and options, as attributes in text, one of each kind,
 * and as a sample of an operator that has them. Whatever the text, values within their bounds or a complaint. */
#include "cli/args.h"
#include "record/call.h"
#include "tests/fuzz/fuzz.h"
#include <ebb/ebb.h>
#include <math.h>
#include <string.h>

enum { TEXT_MAX = 1024, WORDS_MAX = 32 };

/* ---- a command ---- */

static void command(int argc, char **argv, bool word) {
    static struct cli_names names;
    bool flag = false;
    int64_t count = 3;
    uint64_t seed = 1;
    double rate = 0.5;
    const char *path = "none";
    int choice = 0, data = 0;
    const struct cli_option options[] = {{"flag", CLI_FLAG, &flag, NULL, 0, 0, "yes or no"},
                                         {"count", CLI_INT, &count, NULL, 1, 1000, "how many"},
                                         {"seed", CLI_SEED, &seed, NULL, 0, 0, "of random numbers"},
                                         {"rate", CLI_NUMBER, &rate, NULL, 0, 1e6, "how fast"},
                                         {"path", CLI_TEXT, &path, NULL, 0, 0, "a name"},
                                         {"dtype", CLI_CHOICE, &choice, "f32|f64", 0, 0, "which"},
                                         {0}};
    const struct cli_command c = {.name = "fuzz",
                                  .summary = "Reads what it is given.",
                                  .word = word ? "data" : NULL,
                                  .word_choices = "digits|fashion-mnist",
                                  .word_value = &data,
                                  .names = word ? NULL : &names,
                                  .options = options};
    names = (struct cli_names){.what = "[NAME...]"};
    enum cli_parsed parsed = cli_parse(&c, argc, argv);
    FUZZ_EXPECT(parsed == CLI_GO_ON || parsed == CLI_HELP_SHOWN || parsed == CLI_WRONG);
    FUZZ_EXPECT(count >= 1 && count <= 1000 && rate >= 0 && rate <= 1e6 && path[0]);
    FUZZ_EXPECT(choice >= 0 && choice < 2 && data >= 0 && data < 2 && names.n < argc);
}

/* ---- attributes ---- */

struct attrs {
    bool flag;
    int64_t whole, dim;
    double number;
    ebb_dims dims, shape;
    ebb_dtype dtype;
    int word;
    ebb_setting setting, count;
    const char *text;
    ebb_ints ints;
    ebb_floats floats;
};

#define ATTR(kind_, field) \
    { .name = #field, .kind = EBB_ATTR_##kind_, .offset = offsetof(struct attrs, field) }
static const struct ebb_attr table[] = {
    ATTR(BOOL, flag),
    ATTR(INT, whole),
    ATTR(DIM, dim),
    ATTR(FLOAT, number),
    ATTR(DIMS, dims),
    ATTR(SHAPE, shape),
    ATTR(DTYPE, dtype),
    ATTR(COUNT, count),
    ATTR(STRING, text),
    ATTR(INTS, ints),
    ATTR(FLOATS, floats),
    ATTR(SETTING, setting),
    {.name = "word", .kind = EBB_ATTR_ENUM, .offset = offsetof(struct attrs, word), .values = "mean,sum,none"},
};
static const struct ebb_op op = {.name = "fuzz",
                                 .signature = "Tensor self, Tensor? other -> Tensor",
                                 .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}, {"other", EBB_INPUT_OPTIONAL_NUMBER}),
                                 .n_in = 2,
                                 .attrs = table,
                                 .n_attrs = sizeof table / sizeof *table,
                                 .attrs_size = sizeof(struct attrs)};

static void check_attributes(const struct attrs *a, const int64_t *room, const int64_t *end) {
    FUZZ_EXPECT(a->word >= 0 && a->word < 3 && (a->dtype == EBB_DTYPE_NONE || ebb_dtype_size(a->dtype)));
    FUZZ_EXPECT(a->dims.n >= 0 && a->dims.n <= EBB_MAX_NDIM && a->shape.n >= 0 && a->shape.n <= EBB_MAX_NDIM);
    FUZZ_EXPECT(!a->count.given || a->count.value == floor(a->count.value));
    double sum = 0; /* all that is pointed to can be read */
    for (int64_t i = 0; i < a->ints.n; i++) sum += (double)a->ints.d[i];
    for (int64_t i = 0; i < a->floats.n; i++) sum += a->floats.d[i];
    FUZZ_EXPECT(room <= end && (isnan(sum) || !isnan(sum)));
}

static void attributes(char **words, int n) {
    size_t most = 0;
    for (int i = 0; i < n; i++) most += (size_t)EBB__LIST_ROOM(strlen(words[i]));
    int64_t *block = calloc(most + 1, sizeof *block), *room = block;
    struct attrs a = {0};
    if (!block) abort();
    for (int i = 0; i < n; i++) {
        char *equals = strchr(words[i], '=');
        if (!equals) continue;
        *equals = 0;
        ebb_status status = ebb__attr_set(&op, &a, words[i], equals + 1, &room);
        *equals = '=';
        FUZZ_EXPECT((status == EBB_OK) == (ebb_error() == NULL));
        ebb_clear_error();
        check_attributes(&a, room, block + most);
    }
    free(block);
}

static void sample(char **words, int n) {
    char text[TEXT_MAX + WORDS_MAX] = "";
    for (int i = 0; i < n; i++) strcat(strcat(text, words[i]), " ");
    struct ebb_sample s = {0};
    ebb_status status = ebb_sample_make(&op, text, EBB_F32, 1, &s);
    FUZZ_EXPECT((status == EBB_OK) == (ebb_error() == NULL) && (status != EBB_OK || s.n_in == 2));
    ebb_clear_error();
    ebb_sample_release(&s);
}

/* Numbers that would make tensors of gigabytes are for the words and attributes only. */
static bool is_small(const char *text) {
    double product = 1;
    for (const char *p = strpbrk(text, "0123456789"); p; p = strpbrk(p, "0123456789")) {
        char *end;
        double v = strtod(p, &end);
        if (v > 1) product *= v;
        p = end;
    }
    return product < 1e4;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[TEXT_MAX], *words[WORDS_MAX + 2] = {"fuzz"};
    int n = 1;
    if (size >= sizeof text || memchr(data, 0, size)) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    bool small = is_small(text);
    for (char *word = strtok(text, "\n"); word && n <= WORDS_MAX; word = strtok(NULL, "\n")) words[n++] = word;
    EBB_SCOPE {
        command(n, words, false);
        command(n, words, true);
        attributes(words + 1, n - 1);
        if (small) sample(words + 1, n - 1);
    }
    return fuzz_done();
}
