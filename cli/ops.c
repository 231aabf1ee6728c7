/* `ebb ops`: the operators, their arguments, formulas and samples, from their definitions. */
#include "cli/args.h"
#include "cli/cli.h"
#include "tool/json.h"
#include "tool/terminal.h"

#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <string.h>

enum { MAX_FAMILIES = 64, WIDTH = 100 };

static const char *family_of(const struct ebb_op *op) { return op->family ? op->family : "Others"; }

/* An operator by its name, or by that of its in-place form, "add_". */
static const struct ebb_op *find(const char *name) {
    const struct ebb_op *op = ebb_op_find(name);
    size_t n = strlen(name);
    for (int i = 0; i < ebb_op_count() && !op && n > 1 && name[n - 1] == '_'; i++) {
        const struct ebb_op *of = ebb_op_get(i);
        if (of->inplace && strlen(of->name) == n - 1 && strncmp(of->name, name, n - 1) == 0) op = of;
    }
    return op;
}

bool cli_find_ops(const char *command, const struct cli_names *names, const struct ebb_op **room) {
    int n = 0;
    for (int i = 0; i < ebb_op_count() && names->n == 0; i++) room[n++] = ebb_op_get(i);
    for (int i = 0; i < names->n; i++) {
        room[n] = find(names->name[i]);
        if (!room[n++]) {
            const char *meant = ebb_op_did_you_mean(names->name[i]);
            (void)fprintf(stderr, "ebb %s: there is no operator \"%s\"", command, names->name[i]);
            if (meant) (void)fprintf(stderr, "; did you mean \"%s\"?", meant);
            (void)fprintf(stderr, "\n\"ebb ops\" lists them all.\n");
            return false;
        }
    }
    room[n] = NULL;
    return true;
}

/* ---- text ---- */

/* A text in lines of at most WIDTH columns, each after `indent` blanks. */
static void print_filled(const char *text, int indent) {
    int column = 0;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (column && column + 1 + n > WIDTH) {
            (void)printf("\n");
            column = 0;
        }
        (void)printf("%*s%.*s", column ? 1 : indent, "", n, text);
        column += n + (column ? 1 : indent);
        text += n;
        text += strspn(text, " ");
    }
    (void)printf("\n");
}

static void print_signature(const struct ebb_op *op) {
    const char *signature = ebb_op_text(op).signature, *arrow = strstr(signature, "->");
    int n = arrow ? (int)(arrow - signature) : (int)strlen(signature);
    while (n > 0 && signature[n - 1] == ' ') n--;
    (void)printf("%s%s%s(%.*s) %s\n", ebb__style(stdout, EBB__BOLD), op->name, ebb__style(stdout, EBB__PLAIN), n,
                 signature, arrow ? arrow : "");
}

static void print_families(void) {
    const char *families[MAX_FAMILIES];
    int n = 0;
    for (int i = 0; i < ebb_op_count(); i++) { /* sorted, each once */
        const char *family = family_of(ebb_op_get(i));
        int at = 0;
        while (at < n && strcmp(families[at], family) < 0) at++;
        if ((at < n && strcmp(families[at], family) == 0) || n == MAX_FAMILIES) continue;
        memmove(families + at + 1, families + at, (size_t)(n++ - at) * sizeof *families);
        families[at] = family;
    }
    for (int f = 0; f < n; f++) {
        (void)printf("%s%s%s%s\n", f ? "\n" : "", ebb__style(stdout, EBB__TITLE), families[f],
                     ebb__style(stdout, EBB__PLAIN));
        for (int i = 0; i < ebb_op_count(); i++) {
            if (strcmp(family_of(ebb_op_get(i)), families[f]) != 0) continue;
            (void)printf("  ");
            print_signature(ebb_op_get(i));
        }
    }
    (void)printf("\n%d operators. \"ebb ops NAME\" shows one with its arguments, formulas and samples.\n",
                 ebb_op_count());
}

static const char *derivative(const struct ebb_op *op) {
    if (op->no_derivative) return "none, by nature";
    if (op->vjp) return "a rule of its own";
    return op->compose || op->compose_list ? "that of its parts" : "none";
}

static void print_row(const char *label, const char *text) {
    if (text && text[0]) (void)printf("    %-12s%s\n", label, text);
}

/* A formula of statements, one a line; words as they are. */
static void print_formula(const char *formula) {
    bool words = formula && formula[0] == '\'';
    for (const char *at = formula, *next; at && *at; at = next) {
        const char *end = words ? NULL : strstr(at, "; ");
        next = end ? end + 2 : at + strlen(at);
        (void)printf("    %-12s%.*s\n", at == formula ? "Formula" : "", (int)((end ? end : next) - at), at);
    }
}

static void print_arguments(const struct ebb_op *op, const struct ebb_op_texts *written) {
    if (op->n_in) (void)printf("\n    Inputs\n");
    for (int i = 0; i < op->n_in; i++) {
        const char *formula = written->formula[i];
        (void)printf("      %-18s%-9s%s%s\n", op->in[i].name, ebb_input_kind_name(op->in[i].kind),
                     formula ? "gradient: " : "", formula ? formula : "");
    }
    if (op->n_attrs) (void)printf("\n    Arguments\n");
    for (int i = 0; i < op->n_attrs; i++) {
        const struct ebb_attr *a = &op->attrs[i];
        (void)printf("      %-18s%-9s%s%s%s%s%s\n", a->name, ebb_attr_kind_name(a->kind), a->values ? "one of " : "",
                     a->values ? a->values : "", a->values ? "; " : "", a->otherwise ? "default " : "must be given",
                     a->otherwise ? a->otherwise : "");
    }
    if (op->n_out > 1) (void)printf("\n    Outputs\n");
    for (int i = 0; i < op->n_out && op->n_out > 1; i++) {
        const char *by = op->out[i].asked, *when = !by ? "" : *by ? "given by name with " : "kept for the gradient";
        (void)printf(by ? "      %-18s%s%s\n" : "      %s\n", op->out[i].name, when, by ? by : "");
    }
}

static void print_operator(const struct ebb_op *op) {
    const struct ebb_op_texts written = ebb_op_text(op);
    char name[80];
    print_signature(op);
    print_filled(written.doc, 4);
    (void)printf("\n");
    print_row("Family", family_of(op));
    print_row("PyTorch", written.torch);
    print_row("Node", op->node);
    print_row("Derivative", derivative(op));
    print_formula(written.parts);
    (void)snprintf(name, sizeof name, "%s_", op->name);
    if (op->inplace) print_row("In place", name);
    if (op->view) print_row("Result", "shares the storage of its input");
    print_row("Overload of", op->overload);
    print_row("In order", op->order);
    for (int i = 0; i < ebb_op_count(); i++) {
        const char *of = ebb_op_get(i)->overload;
        if (of && strcmp(of, op->name) == 0) print_row("Overload", ebb_op_get(i)->name);
    }
    print_arguments(op, &written);
    (void)printf("\n    Samples\n");
    for (const char *const *s = written.samples; s && *s; s++) (void)printf("      %s\n", *s);
}

/* ---- JSON ---- */

static void json_arguments(struct ebb__json *j, const struct ebb_op *op, const struct ebb_op_texts *written) {
    ebb__json_open(j, "inputs", '[');
    for (int i = 0; i < op->n_in; i++) {
        ebb__json_open(j, NULL, '{');
        ebb__json_text(j, "name", op->in[i].name);
        ebb__json_text(j, "kind", ebb_input_kind_name(op->in[i].kind));
        if (written->formula[i]) ebb__json_text(j, "gradient", written->formula[i]);
        ebb__json_close(j);
    }
    ebb__json_close(j);
    ebb__json_open(j, "arguments", '[');
    for (int i = 0; i < op->n_attrs; i++) {
        const struct ebb_attr *a = &op->attrs[i];
        ebb__json_open(j, NULL, '{');
        ebb__json_text(j, "name", a->name);
        ebb__json_text(j, "kind", ebb_attr_kind_name(a->kind));
        ebb__json_bool(j, "required", !a->otherwise);
        if (a->otherwise) ebb__json_text(j, "default", a->otherwise);
        if (a->values) ebb__json_text(j, "values", a->values);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

static void json_operator(struct ebb__json *j, const struct ebb_op *op) {
    const struct ebb_op_texts written = ebb_op_text(op);
    const char *const texts[][2] = {{"name", op->name},
                                    {"family", family_of(op)},
                                    {"signature", written.signature},
                                    {"doc", written.doc},
                                    {"torch", written.torch},
                                    {"node", op->node},
                                    {"overload_of", op->overload},
                                    {"derivative", derivative(op)},
                                    {"formula", written.parts}};
    ebb__json_open(j, NULL, '{');
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i][1] && texts[i][1][0]) ebb__json_text(j, texts[i][0], texts[i][1]);
    ebb__json_bool(j, "in_place", op->inplace);
    ebb__json_bool(j, "view", op->view);
    json_arguments(j, op, &written);
    ebb__json_open(j, "outputs", '(');
    for (int i = 0; i < op->n_out; i++) ebb__json_text(j, NULL, op->out ? op->out[i].name : "");
    if (op->n_out == EBB_OUT_LIST) ebb__json_text(j, NULL, "...");
    ebb__json_close(j);
    ebb__json_open(j, "samples", '[');
    for (const char *const *s = written.samples; s && *s; s++) ebb__json_text(j, NULL, *s);
    ebb__json_close(j);
    ebb__json_close(j);
}

/* ---- the command ---- */

int ebb_cmd_ops(int argc, char **argv) {
    static struct cli_names names;
    static const struct ebb_op *ops[CLI_MAX_NAMES + 1];
    bool json = false;
    const struct cli_option options[] = {{"json", CLI_FLAG, &json, NULL, 0, 0, "a JSON array of objects, for programs"},
                                         {.name = NULL}};
    const struct cli_command command = {
        .name = "ops",
        .summary =
            "List the operators by family; with names, show these with arguments and defaults, formulas of their\n"
            "gradients, the names of their nodes, PyTorch's counterparts and samples.",
        .names = &names,
        .options = options};
    names = (struct cli_names){.what = "[NAME...]"};
    enum cli_parsed parsed = cli_parse(&command, argc, argv);
    if (parsed != CLI_GO_ON) return parsed == CLI_HELP_SHOWN ? CLI_OK : CLI_MISUSED;
    if (!cli_find_ops("ops", &names, ops)) return CLI_MISUSED;
    if (json) {
        struct ebb__json j = {.to = stdout};
        ebb__json_open(&j, NULL, '[');
        for (int i = 0; ops[i]; i++) json_operator(&j, ops[i]);
        ebb__json_close(&j);
    } else if (names.n == 0) {
        print_families();
    } else {
        for (int i = 0; ops[i]; i++) {
            if (i) (void)printf("\n");
            print_operator(ops[i]);
        }
    }
    return CLI_OK;
}
