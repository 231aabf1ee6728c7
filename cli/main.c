/* The program `ebb`: its commands, version and help. */
#include "cli/args.h"
#include "cli/cli.h"

#include <ebb/ebb.h>
#include <string.h>

static int show_version(int argc, char **argv);
static int show_help(int argc, char **argv);

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"chapter", "compute, verify and draw the three examples of the chapter on automatic differentiation",
     ebb_cmd_chapter},
    {"explain", "derive the gradients of an expression, step by step", ebb_cmd_explain},
    {"dims", "show what happens to shapes, strides and storage in an expression", ebb_cmd_dims},
    {"train", "train a classifier of digits, or of Fashion-MNIST, and test it", ebb_cmd_train},
    {"ops", "list the operators; with names, show their arguments, formulas and samples", ebb_cmd_ops},
    {"gradcheck", "check operators' derivatives against finite differences", ebb_cmd_gradcheck},
    {"version", "print the version of the library", show_version},
    {"help", "list the commands; with a command's name, show its options", show_help},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const struct command *find(const char *name) {
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static int unknown(const char *word) {
    const char *names[N_COMMANDS];
    for (int i = 0; i < N_COMMANDS; i++) names[i] = commands[i].name;
    const char *meant = ebb_did_you_mean(word, names, N_COMMANDS);
    (void)fprintf(stderr, "ebb: unknown command \"%s\"", word);
    if (meant) (void)fprintf(stderr, "; did you mean \"%s\"?", meant);
    (void)fprintf(stderr, "\nTry \"ebb help\".\n");
    return CLI_MISUSED;
}

static int show_version(int argc, char **argv) {
    if (argc > 1) {
        (void)fprintf(stderr, "ebb version: there is no place for \"%s\"\n", argv[1]);
        return CLI_MISUSED;
    }
    (void)printf("ebb %s\n", ebb_version());
    return CLI_OK;
}

static int show_help(int argc, char **argv) {
    if (argc > 2) {
        (void)fprintf(stderr, "ebb help: there is no place for \"%s\"\n", argv[2]);
        return CLI_MISUSED;
    }
    if (argc > 1) {
        const struct command *c = find(argv[1]);
        if (!c) return unknown(argv[1]);
        char *words[] = {argv[1], (char[]){"--help"}, NULL};
        if (c->run != show_help && c->run != show_version) return c->run(2, words);
    }
    (void)printf("ebb: automatic differentiation, computed, verified and drawn\n\n");
    for (int i = 0; i < N_COMMANDS; i++) (void)printf("  ebb %-10s %s\n", commands[i].name, commands[i].summary);
    (void)printf("\n\"ebb COMMAND --help\" shows a command's options; \"man ebb\" describes them.\n");
    return CLI_OK;
}

/* Output that could not be written is a failure, as in a full disk. */
static int finish(int status) {
    bool bad = fflush(stdout) != 0 || ferror(stdout);
    if (!bad) return status;
    (void)fprintf(stderr, "ebb: the output could not be written\n");
    return status ? status : CLI_FAILED;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        (void)show_help(1, argv);
        return finish(CLI_MISUSED);
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) name = "version";
    const struct command *c = find(name);
    int status = c ? c->run(argc - 1, argv + 1) : unknown(name);
    ebb_thread_release();
    return finish(status);
}
