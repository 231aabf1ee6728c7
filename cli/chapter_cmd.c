/* `ebb chapter`: its options, its files, its exit status. */
#include "cli/args.h"
#include "cli/chapter.h"
#include "cli/cli.h"
#include <ebb/explain.h>

#include <errno.h>
#include <string.h>
#if defined(_WIN32)
#include <direct.h>
#define make_dir(path) _mkdir(path)
#else
#include <sys/stat.h>
#define make_dir(path) mkdir(path, 0777)
#endif

/* Make a folder, and those it lies in. */
static ebb_status make_folder(const char *path) {
    char part[sizeof((struct chapter_files *)0)->dot];
    if (strlen(path) + 16 > sizeof part) return ebb_fail(EBB_ERR_ARGUMENT, "--out: this path is too long: %s", path);
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        (void)make_dir(part); /* the last one tells whether it worked */
        *p = '/';
    }
    if (make_dir(part) && errno != EEXIST)
        return ebb_fail(EBB_ERR_IO, "the folder %s cannot be made: %s", path, strerror(errno));
    return EBB_OK;
}

/* Draw the graph of example 3. Without Graphviz there is the DOT file, and a reason. */
static ebb_status draw(const char *folder, const struct chapter_options *options, struct chapter_files *files) {
    if (make_folder(folder)) return ebb_error_status();
    char svg[sizeof files->svg];
    (void)snprintf(files->dot, sizeof files->dot, "%s/network.dot", folder);
    (void)snprintf(svg, sizeof svg, "%s/network.svg", folder);
    EBB_SCOPE {
        struct chapter_result r;
        if (chapter_differentiate(CHAPTER_EXAMPLES - 1, options, &r)) return ebb_error_status();
        ebb_graph_options look = {
            .title = "L = (ŷ − y)²,  ŷ = W3·h3 + b3,  h3 = W2·h2 + b2,  h2 = ReLU(h1),  h1 = W1·x + b1",
            .root = "loss",
            .named = {r.example->n, r.value}};
        if ((ebb_graph_dot)(r.value[r.root], files->dot, look)) return ebb_error_status();
        ebb_status status = (ebb_graph_svg)(r.value[r.root], svg, look);
        if (status == EBB_ERR_UNSUPPORTED) {
            (void)snprintf(files->why, sizeof files->why, "%s", ebb_error()->message);
            ebb_clear_error();
        } else if (status) {
            return status;
        } else {
            (void)snprintf(files->svg, sizeof files->svg, "%s", svg);
        }
    }
    return EBB_OK;
}

/* Compute and tell; CLI_OK only if all agree. */
static int run(const struct chapter_options *options, const char *out, bool json, enum chapter_language language) {
    int result = CLI_FAILED;
    EBB_SCOPE {
        struct chapter_report report;
        struct chapter_files files = {"", "", ""};
        if (chapter_run(options, &report) || (out && draw(out, options, &files))) break;
        if (json) {
            chapter_json(stdout, &report, options, &files);
        } else {
            chapter_print(stdout, &report, options, language);
            chapter_print_files(stdout, &files, language);
        }
        if (!ebb_error()) result = report.ok ? CLI_OK : CLI_FAILED;
    }
    if (ebb_error()) {
        (void)fprintf(stderr, "ebb chapter: %s%s%s\n", ebb_error()->op, ebb_error()->op[0] ? ": " : "",
                      ebb_error()->message);
        ebb_clear_error();
    }
    return result;
}

/* The three examples as a page, small enough that every number is seen. */
static int write_page(const struct chapter_options *options, enum chapter_language language) {
    static const char *const scalar[] = {"x=2", "y=3"};
    static const char *const linear[] = {"X=randn(4,3)", "W=randn(3,2)", "b=randn(2)"};
    static const char *const network[] = {"x=[1,2]",       "y=[0.5]",     "W1=randn(2,2)", "b1=randn(2)",
                                          "W2=randn(2,2)", "b2=randn(2)", "W3=randn(1,2)", "b3=randn(1)"};
#define VALUES(list) .values = list, .n_values = sizeof list / sizeof *list
    static const ebb_explain_item items[CHAPTER_EXAMPLES] = {
        {.expression = "z = x*y + sin(x)",
         VALUES(scalar),
         .title = "1. Scalars",
         .title_zh = "1. 标量",
         .text = "Two paths lead from x to z: what comes back along them is added.",
         .text_zh = "从 x 到 z 有两条路径：沿两条路径传回的梯度相加。"},
        {.expression = "Y = X @ W + b; L = sum(Y * Y)",
         VALUES(linear),
         .title = "2. A linear layer",
         .title_zh = "2. 线性层",
         .text =
             "Two products of matrices, with the transposed weights and the transposed input; the bias was broadcast over "
             "the rows, so its gradient is summed over them.",
         .text_zh = "反向是两个矩阵乘法，分别用转置的权重和转置的输入；偏置在各行上广播，所以它的梯度对各行求和。"},
        {.expression =
             "h1 = W1 @ x + b1; h2 = relu(h1); h3 = W2 @ h2 + b2; yhat = W3 @ h3 + b3; L = sum((yhat - y)**2)",
         VALUES(network),
         .title = "3. Four layers",
         .title_zh = "3. 四层网络",
         .text =
             "Layer by layer back through the network. ReLU lets through what was positive on the way forward: its mask.",
         .text_zh = "逐层穿过网络传回。ReLU 只放行前向时为正的部分：这就是它的掩码。"}};
    ebb_explain_options o = {
        .lang = language == CHAPTER_ZH ? EBB_CHINESE : EBB_ENGLISH, .seed = options->seed, .dtype = options->dtype};
    const int64_t first = options->example ? options->example - 1 : 0, n = options->example ? 1 : CHAPTER_EXAMPLES;
    if (!(ebb_explain_page)(items + first, n, o)) return CLI_OK;
    return cli_expression_failed("chapter");
}

int ebb_cmd_chapter(int argc, char **argv) {
    struct chapter_options o = {.seed = 42, .batch = 32, .in = 128, .out = 64};
    const char *out = NULL;
    bool json = false, html = false;
    int64_t example = 0;
    int dtype = 0, language = CHAPTER_EN;
    const struct cli_option options[] = {
        {"example", CLI_INT, &example, NULL, 1, CHAPTER_EXAMPLES, "only this one of the three examples"},
        {"seed", CLI_SEED, &o.seed, NULL, 0, 0, "of the random parameters (42)"},
        {"dtype", CLI_CHOICE, &dtype, "f32|f64", 0, 0, "what is computed in (f32)"},
        {"batch", CLI_INT, &o.batch, NULL, 1, 4096, "rows of X in example 2 (32)"},
        {"in", CLI_INT, &o.in, NULL, 1, 4096, "columns of X, rows of W (128)"},
        {"out-features", CLI_INT, &o.out, NULL, 1, 4096, "columns of W (64)"},
        {"out", CLI_TEXT, &out, NULL, 0, 0,
         "draw example 3 into this folder: network.dot, and network.svg by Graphviz"},
        {"lang", CLI_CHOICE, &language, "en|zh", 0, 0, "the language of the texts (en)"},
        {"json", CLI_FLAG, &json, NULL, 0, 0, "the facts as one JSON object"},
        {"html", CLI_FLAG, &html, NULL, 0, 0, "the examples as a page to walk through in a browser"},
        {.name = NULL},
    };
    const struct cli_command command = {
        .name = "chapter",
        .summary =
            "Compute the chapter's three examples forward, differentiate them by the engine, by formulas derived by\n"
            "hand and by finite differences, and compare.",
        .options = options,
        .notes = "Exit status: 0 when all gradients agree, 1 when not or on an error, 2 for a wrong command line."};
    enum cli_parsed parsed = cli_parse(&command, argc, argv);
    if (parsed != CLI_GO_ON) return parsed == CLI_HELP_SHOWN ? CLI_OK : CLI_MISUSED;
    o.example = (int)example;
    o.dtype = dtype ? EBB_F64 : EBB_F32;
    if (html) return write_page(&o, (enum chapter_language)language);
    return run(&o, out, json, (enum chapter_language)language);
}
