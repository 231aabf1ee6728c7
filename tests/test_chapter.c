/* The command `ebb chapter`: its gradients for many seeds, its words, its files, its errors; and its computation with
 * every allocation failing in turn. */
#include "tests/program.h"
#include "cli/chapter.h"
#include <sys/stat.h>

/* The number after `"key": `, the first from `at` on; of an array its first. */
static double number(const char *at, const char *key) {
    char quoted[64];
    (void)snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    const char *found = at ? strstr(at, quoted) : NULL;
    CHECK(found != NULL);
    return found ? strtod(found + strlen(quoted) + strspn(found + strlen(quoted), "["), NULL) : 0;
}

static const char *const gradients[][11] = {
    {"x", "y", "a", "b"},
    {"X", "W", "b"},
    {"W1", "b1", "W2", "b2", "W3", "b3", "h1", "h2", "h3", "y_hat"},
};

EBB_TEST(gradients_agree_for_all_seeds) {
    for (int seed = 0; seed < 100; seed += CHECK_STEP(49))
        for (int f64 = 0; f64 < 2; f64++) {
            char arguments[128];
            (void)snprintf(arguments, sizeof arguments, "chapter --json --seed %d --dtype=%s", seed,
                           f64 ? "f64" : "f32");
            CHECK(ebb(arguments) == 0);
            CHECK_OUTPUT("{\n  \"ok\": true");
            CHECK(number(output, "max_rel_diff") <= (f64 ? 1e-12 : 1e-6));
            CHECK(number(output, "max_rel_diff_fd") <= (f64 ? 1e-7 : 1e-4));
            CHECK(number(output, "seed") == seed);
        }
}

EBB_TEST(json_has_every_gradient) {
    CHECK(ebb("chapter --json") == 0);
    const char *at = output;
    for (int e = 0; e < 3; e++) {
        at = strstr(at, "\"gradients\": {");
        CHECK(at != NULL);
        for (int i = 0; at && gradients[e][i]; i++) {
            char key[32];
            (void)snprintf(key, sizeof key, "\"%s\": {", gradients[e][i]);
            at = strstr(at, key);
            if (!at) print_error("no %s in example %d\n", key, e + 1);
            CHECK(at != NULL);
            CHECK(number(at, "max_rel_diff") <= 1e-6);
            CHECK(number(at, "max_rel_diff_fd") <= 1e-4);
        }
    }
}

EBB_TEST(the_first_example_is_as_on_paper) {
    struct chapter_options o = {.example = 1, .dtype = EBB_F64};
    EBB_SCOPE {
        struct chapter_report report;
        CHECK(!chapter_run(&o, &report));
        CHECK(report.n == 1 && report.ok);
        const struct chapter_result *r = &report.results[0];
        CHECK_VALUES(r->value[4], 1e-15, 6.9092974268256817);
        CHECK_VALUES(r->automatic[0], 1e-15, 3 - 0.41614683654714238);
        CHECK_VALUES(r->automatic[1], 0, 2);
        CHECK_VALUES(r->automatic[2], 0, 1);
        CHECK_VALUES(r->by_hand[0], 1e-15, 3 - 0.41614683654714238);
    }
}

EBB_TEST(a_wrong_gradient_is_noticed) {
    struct chapter_options o = {.example = 3, .seed = 42, .dtype = EBB_F64};
    EBB_SCOPE {
        struct chapter_report report;
        CHECK(!chapter_run(&o, &report));
        CHECK(report.ok && report.results[0].n_steps == 10);
        CHECK_VALUES(report.results[0].mask, 0, 1, 0);
        for (int i = 0; i < 10; i++) CHECK(report.results[0].steps[i].fits);
        EBB_NO_GRAD {
            struct chapter_result *r = &report.results[0];
            (void)chapter_product(r, r->value[2], ebb_ones(EBB_DIMS(2, 1), .dtype = EBB_F64));
            (void)chapter_step(r, 4, 8, 2, "not the shape of W1", r->by_hand[3]);
            CHECK(!r->steps[10].fits);
        }
    }
    CHECK_OK();
}

EBB_TEST(one_example_has_the_numbers_it_has_among_all) {
    CHECK(ebb("chapter --json --example 3") == 0);
    double alone = number(strstr(output, "\"values\""), "L");
    CHECK(!strstr(output, "\"example\": 1") && !strstr(output, "\"example\": 2"));
    CHECK(ebb("chapter --json") == 0);
    CHECK(number(strstr(output, "\"example\": 3"), "L") == alone);
    CHECK(ebb("chapter --json --example 3 --seed 7") == 0);
    CHECK(number(strstr(output, "\"values\""), "L") != alone);
}

EBB_TEST(texts) {
    CHECK(ebb("chapter") == 0);
    CHECK_OUTPUT("z = a + b         6.9093");
    CHECK_OUTPUT("(32×64)·(64×128) → (32×128) ✓");
    CHECK_OUTPUT("(128×32)·(32×64) → (128×64) ✓");
    CHECK_OUTPUT("∂L/∂h1 = ∂L/∂h2 ⊙ 1(h1 > 0)");
    CHECK_OUTPUT("its mask 1(h1 > 0) = [1, 0]");
    CHECK_OUTPUT("All gradients agree");
    CHECK(!strchr(output, '\033'));
    CHECK(ebb("chapter --lang zh --example 2 --batch 2 --in 3 --out-features 5") == 0);
    CHECK_OUTPUT("计算图与自动微分");
    CHECK_OUTPUT("上游梯度");
    CHECK_OUTPUT("(2×5)·(5×3) → (2×3) ✓");
    CHECK_OUTPUT("全部梯度一致");
}

EBB_TEST(wrong_words) {
    static const char *const cases[][2] = {
        {"chpter", "ebb: unknown command \"chpter\"; did you mean \"chapter\"?"},
        {"zzzzzz", "ebb: unknown command \"zzzzzz\"\nTry \"ebb help\""},
        {"help chaptr", "did you mean \"chapter\"?"},
        {"version 3", "no place for \"3\""},
        {"help train it", "no place for \"it\""},
        {"chapter --sed 3", "ebb chapter: unknown option \"--sed\"; did you mean \"--seed\"?"},
        {"chapter one", "ebb chapter: there is no place for \"one\""},
        {"chapter --dtype f16", "--dtype is one of f32|f64, not \"f16\""},
        {"chapter --lang=cn", "--lang is one of en|zh, not \"cn\""},
        {"chapter --example 4", "--example needs an integer from 1 to 3, not \"4\""},
        {"chapter --example 1x", "not \"1x\""},
        {"chapter --seed -1", "--seed needs an integer from 0 on, not \"-1\""},
        {"chapter --seed 99999999999999999999", "--seed needs an integer"},
        {"chapter --batch 0", "--batch needs an integer from 1 to 4096, not \"0\""},
        {"chapter --json=yes", "this option takes no value: \"--json=yes\""},
        {"chapter --out ''", "--out needs a name"},
        {"chapter --seed", "a value is missing after \"--seed\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(ebb(cases[i][0]) == 2);
        CHECK_OUTPUT(cases[i][1]);
    }
}

EBB_TEST(help_and_version) {
    CHECK(ebb("chapter --help") == 0);
    CHECK_OUTPUT("--out-features N");
    CHECK(ebb("help chapter") == 0);
    CHECK_OUTPUT("--out-features N");
    CHECK(ebb("--help") == 0);
    CHECK_OUTPUT("ebb chapter ");
    CHECK(ebb("--version") == 0);
    CHECK_OUTPUT(ebb_version());
}

/* ---- files ---- */

static char folder[] = "build/chapter_XXXXXX";

/* Read build/chapter_…/sub/NAME into output[]; false when it is not there. */
static bool read_file(const char *name) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a/b/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    size_t n = fread(output, 1, sizeof output - 1, file);
    output[n] = '\0';
    (void)fclose(file);
    CHECK(unlink(path) == 0);
    return true;
}

EBB_TEST(the_graph_is_drawn) {
    (void)mkdir("build", 0777);
    CHECK(mkdtemp(folder) != NULL);
    char arguments[256], inner[128];
    (void)snprintf(arguments, sizeof arguments, "chapter --example 1 --out %s/a/b", folder);
    CHECK(ebb(arguments) == 0);
    CHECK_OUTPUT("network.dot");
    bool picture = strstr(output, "network.svg") != NULL;
    if (!picture) CHECK_OUTPUT("No picture is made: ");
    CHECK(read_file("network.dot"));
    static const char *const parts[] = {"digraph",       "<b>W1</b>",    "<b>b3</b>",   "(2, 2) float32",
                                        "ReluBackward0", "PowBackward0", "<b>loss</b>", "AddBackward0"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) CHECK_OUTPUT(parts[i]);
    CHECK(read_file("network.svg") == picture);
    if (picture) CHECK_OUTPUT("</svg>");

    (void)snprintf(arguments, sizeof arguments, "chapter --json --out=%s/a/b", folder);
    CHECK(ebb(arguments) == 0);
    CHECK_OUTPUT("\"files\": [");
    CHECK(read_file("network.dot"));
    CHECK(read_file("network.svg") == picture);

    /* A file where a folder is needed; nothing half-written stays anywhere: rmdir succeeds. */
    (void)snprintf(inner, sizeof inner, "%s/a/b", folder);
    CHECK(rmdir(inner) == 0);
    FILE *file = fopen(inner, "w");
    CHECK(file && fclose(file) == 0);
    CHECK(ebb(arguments) == 1);
    CHECK_OUTPUT("network.dot cannot be written: ");
    CHECK(unlink(inner) == 0);
    (void)snprintf(inner, sizeof inner, "%s/a", folder);
    CHECK(rmdir(inner) == 0 && rmdir(folder) == 0);
    CHECK(ebb("chapter --example 1 --out /proc/none/such") == 1);
    CHECK_OUTPUT("ebb chapter: the folder /proc/none/such cannot be made: ");
}

/* ---- failing allocations ---- */

static FILE *nowhere;

static void whole_chapter(void) {
    EBB_SCOPE {
        struct chapter_options o = {.seed = 42, .dtype = EBB_F32, .batch = 2, .in = 3, .out = 5};
        struct chapter_report report;
        struct chapter_files files = {"", "", ""};
        if (chapter_run(&o, &report)) return;
        chapter_print(nowhere, &report, &o, CHAPTER_EN);
        chapter_json(nowhere, &report, &o, &files);
        CHECK(report.ok);
    }
}

EBB_TEST(every_allocation_may_fail) {
    nowhere = fopen("/dev/null", "w");
    CHECK(nowhere != NULL);
    CHECK_ALLOCATIONS_FAILING(whole_chapter, 0);
    CHECK(fclose(nowhere) == 0);
}

EBB_TEST_MAIN
