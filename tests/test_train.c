/* The command `ebb train`, run as a program: accuracy, the same seed, saving and loading, wrong use. */
#include "tests/program.h"
#include <ebb/ebb.h>

static int train(const char *arguments) {
    char words[1024];
    (void)snprintf(words, sizeof words, "train %s", arguments);
    return ebb(words);
}

/* The number after the last `"key": ` of the output. */
static double number(const char *key) {
    const char *at = output, *last = NULL;
    while ((at = strstr(at, key))) last = at += strlen(key);
    CHECK(last != NULL);
    return last ? strtod(last, NULL) : 0;
}

EBB_TEST(digits_are_learned) {
    static const char *const runs[] = {"--seed 1", "--seed 2", "--seed 1 --optimizer adam",
                                       "--seed 2 --optimizer adamw --hidden 48,32"};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        char arguments[128];
        (void)snprintf(arguments, sizeof arguments, "digits --json %s", runs[i]);
        CHECK(train(arguments) == 0);
        CHECK_OUTPUT("\"ok\": true");
        CHECK_OUTPUT("\"train\": 1437, \"test\": 360");
        CHECK(number("\"accuracy\": ") >= 0.96);
    }
}

/* Where Debian's package dataset-fashion-mnist is installed. */
EBB_TEST(clothes_are_learned) {
    if (CHECK_SANITIZED || train("fashion-mnist --epochs 0 --json") != 0) skip();
    CHECK(train("fashion-mnist --epochs 10 --json") == 0);
    CHECK_OUTPUT("\"train\": 60000, \"test\": 10000");
    CHECK(number("\"accuracy\": ") >= 0.87);
}

EBB_TEST(the_same_seed_gives_the_same_result) {
    static char before[sizeof output];
    CHECK(train("digits --json --epochs 3 --seed 9") == 0);
    memcpy(before, output, sizeof output);
    CHECK(train("digits --json --epochs 3 --seed 9") == 0);
    CHECK(strcmp(before, output) == 0);
    CHECK(train("digits --json --epochs 3 --seed 9 --threads 2") == 0);
    CHECK(strcmp(before, output) == 0);
    CHECK(train("digits --json --epochs 3 --seed 10") == 0);
    CHECK(strcmp(before, output) != 0);
}

EBB_TEST(plain_lines_where_there_is_no_terminal) {
    CHECK(train("digits --epochs 2 --predict 4") == 0);
    CHECK_OUTPUT("network: 64-128-10 with ReLU, 9610 parameters\n");
    CHECK_OUTPUT("epoch   2/2  loss 0.");
    CHECK_OUTPUT("@@");
    CHECK(!strchr(output, '\r') && !strchr(output, '\033'));
}

#ifdef EBB_HAVE_JANSSON
EBB_TEST(a_saved_network_predicts_the_same) {
    char path[] = "build/train_XXXXXX", arguments[256];
    int descriptor = mkstemp(path);
    CHECK(descriptor >= 0 && close(descriptor) == 0);
    (void)snprintf(arguments, sizeof arguments, "digits --json --epochs 4 --hidden 24,16 --save %s", path);
    CHECK(train(arguments) == 0);
    CHECK_OUTPUT("\"reloaded_equal\": 360}");
    double accuracy = number("\"accuracy\": ");
    (void)snprintf(arguments, sizeof arguments, "digits --json --load %s", path);
    CHECK(train(arguments) == 0);
    CHECK_OUTPUT("\"epochs\": []");
    CHECK(number("\"accuracy\": ") == accuracy);
    (void)snprintf(arguments, sizeof arguments, "digits --json --load %s --epochs 10", path);
    CHECK(train(arguments) == 0);
    CHECK(number("\"accuracy\": ") > accuracy);
    CHECK(unlink(path) == 0);
}

EBB_TEST(files_that_cannot_be_used) {
    CHECK(train("digits --epochs 0 --save no/such/folder/file") == 1);
    CHECK_OUTPUT("ebb train: cannot save as no/such/folder/file: No such file");
    CHECK(train("digits --load no/such/file") == 1);
    CHECK_OUTPUT("ebb train: no/such/file: No such file");
    CHECK(train("digits --load LICENSE") == 1);
    CHECK_OUTPUT("ebb train: LICENSE: says its header has");
}
#endif

EBB_TEST(missing_data_is_explained) {
    CHECK(train("fashion-mnist --data no/such/folder") == 1);
    CHECK_OUTPUT("no/such/folder/train-images-idx3-ubyte.gz is not there");
    CHECK_OUTPUT("apt install dataset-fashion-mnist");
    CHECK(train("fashion-mnist --data data/digits") == 1);
    CHECK_OUTPUT("is not there");
}

EBB_TEST(wrong_use) {
    static const struct {
        const char *arguments, *text;
    } cases[] = {
        {"", "digits|fashion-mnist"},
        {"digts", "did you mean \"digits\"?"},
        {"digits more", "there is no place for \"more\""},
        {"digits --optimiser adam", "did you mean \"--optimizer\"?"},
        {"digits --optimizer rmsprop", "not \"rmsprop\""},
        {"digits --hidden 0", "--hidden needs sizes such as 64 or 256,128, not \"0\""},
        {"digits --hidden 1,2,3,4,5,6,7,8,9", "--hidden needs sizes"},
        {"digits --hidden 5x", "--hidden needs sizes"},
        {"digits --epochs -1", "--epochs needs an integer"},
        {"digits --lr nan", "--lr needs a number"},
        {"digits --seed", "--seed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(train(cases[i].arguments) == 2);
        CHECK_OUTPUT(cases[i].text);
    }
    CHECK(train("--help") == 0);
    CHECK_OUTPUT("--predict N");
}

EBB_TEST_MAIN
