/* Reading a command's words and options: --name value or --name=value, --help. */
#ifndef EBB_CLI_ARGS_H
#define EBB_CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

enum cli_kind {
    CLI_FLAG,   /* bool */
    CLI_INT,    /* int64_t, between min and max */
    CLI_SEED,   /* uint64_t */
    CLI_NUMBER, /* double, between min and max */
    CLI_TEXT,   /* const char *, not empty */
    CLI_CHOICE  /* int: which one of `choices`, "f32|f64" */
};

struct cli_option {
    const char *name; /* without the dashes; NULL ends a table */
    enum cli_kind kind;
    void *value;         /* where it goes; holds the default */
    const char *choices; /* CLI_CHOICE */
    double min, max;     /* CLI_INT and CLI_NUMBER; both 0: any */
    const char *help;    /* one line */
};

/* Words of any number, as they are. */
enum { CLI_MAX_NAMES = 1024 };
struct cli_names {
    const char *what; /* "[NAME...]" */
    const char *name[CLI_MAX_NAMES];
    int n;
};

struct cli_command {
    const char *name;                 /* "chapter" */
    const char *summary;              /* one line */
    const char *word;                 /* what the word after the name is called, "data"; NULL: there is none */
    const char *word_choices;         /* "digits|fashion-mnist" */
    int *word_value;                  /* which one of them */
    struct cli_names *names;          /* where words of any number go; NULL: there are none */
    const struct cli_option *options; /* ends with a NULL name */
    const char *notes;                /* after the options in the help; may be NULL */
};

enum cli_parsed { CLI_GO_ON, CLI_HELP_SHOWN, CLI_WRONG };

/* Read argv[1 …] into the values of the command's table. --help (or -h) prints the command's help on stdout. What is
 * wrong is told on stderr, with the word that may have been meant. */
enum cli_parsed cli_parse(const struct cli_command *command, int argc, char **argv);

#endif
