/* `ebb dims`: what happens to shapes, strides and storage in an expression. */
#include "cli/args.h"
#include "cli/cli.h"

#include <ebb/ebb.h>
#include <ebb/explain.h>

int ebb_cmd_dims(int argc, char **argv) {
    static struct cli_names names;
    static const enum ebb_explain_format formats[] = {EBB_EXPLAIN_TEXT, EBB_EXPLAIN_JSON, EBB_EXPLAIN_HTML};
    int format = 0, lang = 0;
    ebb_explain_options o = {.limit = 0};
    const struct cli_option options[] = {
        {"format", CLI_CHOICE, &format, "text|json|html", 0, 0, "what is written (text); html: a page to step through"},
        {"lang", CLI_CHOICE, &lang, "en|zh", 0, 0, "in English or Chinese (en)"},
        {"seed", CLI_SEED, &o.seed, NULL, 0, 0, "of randn and its kin (0)"},
        {.name = NULL}};
    const struct cli_command command = {
        .name = "dims",
        .summary =
            "Show what happens to dimensions, call by call: shape, strides and offset before and after, the storage as\n"
            "a strip, who shares it, and how the gradient comes back. Without an expression: a companion on all of it.",
        .names = &names,
        .options = options,
        .notes = "    ebb dims 'arange(24).view(2,3,4).permute(2,0,1)'\n"
                 "    ebb dims 'x.t() @ w' x='randn(4,2)' w='randn(4,3)'"};
    names = (struct cli_names){.what = "[EXPRESSION [NAME=VALUE...]]"};
    enum cli_parsed parsed = cli_parse(&command, argc, argv);
    if (parsed != CLI_GO_ON) return parsed == CLI_HELP_SHOWN ? CLI_OK : CLI_MISUSED;
    o.format = formats[format];
    o.lang = (enum ebb_language)lang;
    o.values = names.name + 1;
    o.n_values = names.n ? names.n - 1 : 0;
    ebb_status status = (ebb_explain_dims)(names.n ? names.name[0] : NULL, o);
    return status ? cli_expression_failed("dims") : CLI_OK;
}
