/* `ebb explain`: the gradients of an expression, derived step by step. */
#include "cli/args.h"
#include "cli/cli.h"
#include "tool/said.h"

#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <ebb/expr.h>

int ebb_cmd_explain(int argc, char **argv) {
    static struct cli_names names;
    static const ebb_dtype dtypes[] = {EBB_F64, EBB_F32, EBB_BF16, EBB_F16};
    int format = 0, lang = 0, dtype = 0;
    int64_t order = 1;
    ebb_explain_options o = {.limit = 0};
    const struct cli_option options[] = {
        {"format", CLI_CHOICE, &format, "text|markdown|latex|json|html|dot|svg", 0, 0, "what is written (text)"},
        {"lang", CLI_CHOICE, &lang, "en|zh", 0, 0, "in English or Chinese (en)"},
        {"grad-of", CLI_TEXT, &o.grad_of, NULL, 0, 0, "the variables that are differentiated by: x,W (all)"},
        {"order", CLI_INT, &order, NULL, 1, 2, "2: second derivatives, too (1)"},
        {"forward-mode", CLI_FLAG, &o.forward_mode, NULL, 0, 0, "also push tangents forward"},
        {"seed", CLI_SEED, &o.seed, NULL, 0, 0, "of randn and its kin (0)"},
        {"dtype", CLI_CHOICE, &dtype, "float64|float32|bfloat16|float16", 0, 0, "of the values (float64)"},
        {"limit", CLI_INT, &o.limit, NULL, 4, 1e6, "operations that are shown one by one (60)"},
        {.name = NULL}};
    const struct cli_command command = {
        .name = "explain",
        .summary = "Derive the gradients of an expression: the values, node by node, and how the gradients come back.\n"
                   "Values are numbers, lists, randn(2,3), arange(6), any expression, or @file.npy.",
        .names = &names,
        .options = options,
        .notes = "    ebb explain 'z = x*y + sin(x)' x=2 y=3\n"
                 "    ebb explain 'h = tanh(W @ x); sum(h * h)' x='[1,2]' W='randn(3,2)'"};
    names = (struct cli_names){.what = "EXPRESSION [NAME=VALUE...]"};
    enum cli_parsed parsed = cli_parse(&command, argc, argv);
    if (parsed != CLI_GO_ON) return parsed == CLI_HELP_SHOWN ? CLI_OK : CLI_MISUSED;
    if (names.n == 0) return cli_misused("explain", SAID("an expression is missing"));
    o.format = (enum ebb_explain_format)format;
    o.lang = (enum ebb_language)lang;
    o.dtype = dtypes[dtype];
    o.order = (int)order;
    o.values = names.name + 1;
    o.n_values = names.n - 1;
    return (ebb_explain_expression)(names.name[0], o) ? cli_expression_failed("explain") : CLI_OK;
}
