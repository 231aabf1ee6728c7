/* Reading a command's words and options, from a table that also is its help. */
#include "cli/args.h"
#include <ebb/expr.h>
#include "cli/cli.h"
#include "tool/said.h"
#include "tool/terminal.h"

#include <ebb/base.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 32, MAX_WORD = 48 };

/* Cut "f32|f64" into `text`; returns how many names there are. */
static int cut(const char *choices, char *text, size_t size, const char **names) {
    (void)snprintf(text, size, "%s", choices);
    int n = 0;
    for (char *p = text; p && n < MAX_NAMES;) {
        char *bar = strchr(p, '|');
        if (bar) *bar++ = '\0';
        names[n++] = p;
        p = bar;
    }
    return n;
}

/* `what` is said, or has been. */
static enum cli_parsed wrong(const struct cli_command *c, const char *what, const char *word, const char *meant) {
    (void)fprintf(stderr, "ebb %s: %s \"%s\"", c->name, ebb__said(what), word);
    if (meant) (void)fprintf(stderr, ebb__said("; did you mean \"%s\"?"), meant);
    (void)fputc('\n', stderr);
    (void)fprintf(stderr, ebb__said("Try \"ebb %s --help\".\n"), c->name);
    return CLI_WRONG;
}

int cli_misused(const char *command, const char *what) {
    const struct cli_command c = {.name = command};
    (void)fprintf(stderr, "ebb %s: %s\n", command, ebb__said(what));
    (void)fprintf(stderr, ebb__said("Try \"ebb %s --help\".\n"), c.name);
    return CLI_MISUSED;
}

/* ---- help ---- */

static void show_option(const struct cli_option *o) {
    static const char *const values[] = {
        [CLI_FLAG] = "", [CLI_INT] = " N", [CLI_SEED] = " N", [CLI_NUMBER] = " X", [CLI_TEXT] = " NAME"};
    char left[96];
    (void)snprintf(left, sizeof left, "  --%s%s%s", o->name, o->kind == CLI_CHOICE ? " " : values[o->kind],
                   o->kind == CLI_CHOICE ? o->choices : "");
    ebb__pad(stdout, left, 26);
    (void)printf(" %s\n", o->help);
}

static void show_help(const struct cli_command *c) {
    const char *words = c->word ? c->word_choices : c->names ? c->names->what : "";
    (void)printf("ebb %s%s%s [options]\n\n%s\n\nOptions:\n", c->name, words[0] ? " " : "", words, c->summary);
    for (const struct cli_option *o = c->options; o->name; o++) show_option(o);
    ebb__pad(stdout, "  --help", 26);
    (void)printf(" show this\n%s%s%s", c->notes ? "\n" : "", c->notes ? c->notes : "", c->notes ? "\n" : "");
}

/* ---- values ---- */

static bool whole(const char *text, const char *end) { return end != text && *end == '\0'; }

static bool in_range(const struct cli_option *o, double v) {
    return (o->min == 0.0 && o->max == 0.0) || (v >= o->min && v <= o->max);
}

static bool read_number(const struct cli_option *o, const char *text) {
    char *end;
    errno = 0;
    if (o->kind == CLI_INT) {
        long long v = strtoll(text, &end, 10);
        if (!whole(text, end) || errno || !in_range(o, (double)v)) return false;
        *(int64_t *)o->value = v;
    } else if (o->kind == CLI_SEED) {
        unsigned long long v = strtoull(text, &end, 10);
        if (!whole(text, end) || errno || strchr(text, '-')) return false;
        *(uint64_t *)o->value = v;
    } else {
        double v = strtod(text, &end);
        if (!whole(text, end) || !isfinite(v) || !in_range(o, v)) return false;
        *(double *)o->value = v;
    }
    return true;
}

static enum cli_parsed number_wrong(const struct cli_command *c, const struct cli_option *o, const char *text) {
    char what[160];
    const char *kind = ebb__said(o->kind == CLI_SEED     ? SAID("an integer from 0 on")
                                 : o->kind == CLI_NUMBER ? SAID("a number")
                                                         : SAID("an integer"));
    if (o->kind == CLI_SEED || (o->min == 0.0 && o->max == 0.0))
        (void)snprintf(what, sizeof what, ebb__said("--%s needs %s, not"), o->name, kind);
    else
        (void)snprintf(what, sizeof what, ebb__said("--%s needs %s from %.10g to %.10g, not"), o->name, kind, o->min,
                       o->max);
    return wrong(c, what, text, NULL);
}

/* Which of "a|b|c" a text is, into *value. */
static enum cli_parsed read_choice(const struct cli_command *c, const char *what, const char *choices, int *value,
                                   const char *text) {
    char buffer[512], message[640];
    const char *names[MAX_NAMES];
    int n = cut(choices, buffer, sizeof buffer, names);
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], text) != 0) continue;
        *value = i;
        return CLI_GO_ON;
    }
    (void)snprintf(message, sizeof message, ebb__said("%s is one of %s, not"), what, choices);
    return wrong(c, message, text, ebb_did_you_mean(text, names, n));
}

static enum cli_parsed read_value(const struct cli_command *c, const struct cli_option *o, const char *text) {
    char what[64];
    switch (o->kind) {
    case CLI_FLAG: *(bool *)o->value = true; return CLI_GO_ON;
    case CLI_INT:
    case CLI_SEED:
    case CLI_NUMBER: return read_number(o, text) ? CLI_GO_ON : number_wrong(c, o, text);
    case CLI_TEXT:
        (void)snprintf(what, sizeof what, ebb__said("--%s needs a name, not"), o->name);
        if (!text[0]) return wrong(c, what, text, NULL);
        *(const char **)o->value = text;
        return CLI_GO_ON;
    case CLI_CHOICE:
        (void)snprintf(what, sizeof what, "--%s", o->name);
        return read_choice(c, what, o->choices, o->value, text);
    }
    return CLI_WRONG;
}

/* ---- the command line ---- */

static enum cli_parsed read_option(const struct cli_command *c, char **argv, int argc, int *i) {
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const char *names[MAX_NAMES + 1] = {"help"};
    int n = 1;
    for (const struct cli_option *o = c->options; o->name; o++) {
        if (n <= MAX_NAMES) names[n++] = o->name;
        if (strlen(o->name) != length || strncmp(o->name, name, length) != 0) continue;
        if (o->kind == CLI_FLAG && equals) return wrong(c, "this option takes no value:", argv[*i], NULL);
        if (o->kind != CLI_FLAG && !equals && *i + 1 >= argc)
            return wrong(c, "a value is missing after", argv[*i], NULL);
        const char *value = o->kind == CLI_FLAG ? "" : equals ? equals + 1 : argv[++*i];
        return read_value(c, o, value);
    }
    char word[MAX_WORD + 1], meant[MAX_WORD + 3];
    (void)snprintf(word, sizeof word, "%.*s", (int)(length < MAX_WORD ? length : MAX_WORD), name);
    const char *best = ebb_did_you_mean(word, names, n);
    (void)snprintf(meant, sizeof meant, "--%s", best ? best : "");
    return wrong(c, "unknown option", argv[*i], best ? meant : NULL);
}

/* The language of what is wrong, which is to be known before anything is. */
static void find_language(int argc, char **argv) {
    bool chinese = false;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--lang", 6) != 0) continue;
        const char *value = argv[i][6] == '=' ? argv[i] + 7 : !argv[i][6] && i + 1 < argc ? argv[i + 1] : "";
        chinese = strcmp(value, "zh") == 0;
    }
    (void)ebb__say_in_chinese(chinese);
}

enum cli_parsed cli_parse(const struct cli_command *command, int argc, char **argv) {
    bool have_word = false;
    find_language(argc, argv);
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            show_help(command);
            return CLI_HELP_SHOWN;
        }
    for (int i = 1; i < argc; i++) {
        enum cli_parsed result;
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2]) {
            result = read_option(command, argv, argc, &i);
        } else if (command->word && !have_word) {
            have_word = true;
            result = read_choice(command, command->word, command->word_choices, command->word_value, argv[i]);
        } else if (command->names && command->names->n < CLI_MAX_NAMES) {
            command->names->name[command->names->n++] = argv[i];
            result = CLI_GO_ON;
        } else {
            result = wrong(command, "there is no place for", argv[i], NULL);
        }
        if (result != CLI_GO_ON) return result;
    }
    if (command->word && !have_word) return wrong(command, "a word is missing:", command->word_choices, NULL);
    return CLI_GO_ON;
}

/* Tell the error, with the line that it points into. */
int cli_expression_failed(const char *command) {
    static const char *const functions[] = {"explain: ", "explain_page: ", "dims: ", "eval: "};
    char caret[1024];
    const char *message = ebb_error() ? ebb_error()->message : "failed";
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) /* the command is named already */
        if (strncmp(message, functions[i], strlen(functions[i])) == 0) message += strlen(functions[i]);
    (void)fflush(stdout);                             /* what was told before comes first */
    const char *library = ebb__said_library(message); /* it stands beneath */
    int first = (int)(library ? (size_t)(library - message) : strlen(message));
    (void)fprintf(stderr, "ebb %s: %.*s\n", command, first, message);
    if (library) (void)fprintf(stderr, "    %s\n", library);
    if (ebb_eval_caret(caret, sizeof caret)) (void)fprintf(stderr, "\n    ");
    for (const char *c = caret; *c; c++) {
        (void)fputc(*c, stderr);
        if (*c == '\n') (void)fputs("    ", stderr);
    }
    if (caret[0]) (void)fputc('\n', stderr);
    ebb_clear_error();
    return CLI_FAILED;
}
