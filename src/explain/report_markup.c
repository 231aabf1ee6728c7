/* The report as Markdown, and as a LaTeX document: the same parts as the text, with the mathematics typeset. */
#include "explain/report_view.h"
#include "explain/values.h"
#include <ebb/ops.h>

#include <math.h>
#include <string.h>

struct writer {
    const struct ebb__report *r;
    const struct ebb__view *view;
    FILE *to;
    bool latex;
    struct ebb__arena arena;
};

#define SAY(w, ...) ebb__phrase_of(&(w)->arena, (w)->view->lang, __VA_ARGS__)
#define COMMA(w) ebb__phrase_of(&(w)->arena, (w)->view->lang, EBB__SAY_COMMA)
#define PRINT(w, ...) ebb__arena_print(&(w)->arena, __VA_ARGS__)
#define OUT(w, ...) (void)fprintf((w)->to, __VA_ARGS__)

static const char *or_empty(const char *text) { return text ? text : ""; }
static const char *integer(struct writer *w, int64_t n) { return or_empty(PRINT(w, "%lld", (long long)n)); }

/* Text that is not to be read as markup. */
static void plain(struct writer *w, const char *text) {
    for (; *text; text++) {
        const char *special = w->latex ? strchr("\\{}$&#^_%~<>|\"", *text) : strchr("\\`*_{}[]<>#|$", *text);
        if (!special || !*special) (void)fputc(*text, w->to);
        else if (!w->latex) OUT(w, "\\%c", *text);
        else if (strchr("\\<>|\"", *text)) OUT(w, "\\char%d{}", *text); /* of a typewriter's font */
        else if (*text == '^' || *text == '~') OUT(w, "\\%c{}", *text);
        else OUT(w, "\\%c", *text);
    }
}

/* Some signs of texts have no place in the fonts of LaTeX. */
static void text(struct writer *w, const char *text) {
    static const char *const others[][2] = {{"–", "--"}, {"…", "\\ldots{}"}};
    for (size_t n; *text; text += n) {
        const char *sign = w->latex ? ebb__latex_sign(text, &n) : NULL, *other = NULL;
        for (size_t i = 0; w->latex && i < 2 && !other; i++)
            if (strncmp(text, others[i][0], strlen(others[i][0])) == 0) {
                other = others[i][1];
                n = strlen(others[i][0]);
            }
        if (sign) OUT(w, "$\\%s$", sign);
        else if (other) OUT(w, "%s", other);
        else {
            const char one[2] = {*text, '\0'};
            plain(w, one);
            n = 1;
        }
    }
}

static void heading(struct writer *w, const char *title) {
    OUT(w, "%s", w->latex ? "\n\\section*{" : "\n## ");
    text(w, title);
    OUT(w, "%s", w->latex ? "}\n\n" : "\n\n");
}

/* What is written as in a program; to the end of the group. */
static void code(struct writer *w, const char *program) {
    if (w->latex) OUT(w, "\\raggedright\\ttfamily ");
    text(w, program);
}

/* ---- values as mathematics ---- */

static void number(struct writer *w, double v) {
    struct ebb__text out = {0};
    if (isnan(v)) ebb__text_put(&out, "\\text{nan}");
    else if (isfinite(v) && fabs(v) >= 1e-4 && fabs(v) < 1e6) ebb__text_put(&out, "%.5g", v + 0.0);
    else ebb__typeset_number(&out, EBB__LATEX, v);
    OUT(w, "%s", ebb__text_of(&out));
    ebb__text_free(&out);
}

static const char *latex_shape(struct writer *w, ebb_dims d) {
    const char *shown = "";
    for (int i = 0; i < d.n; i++)
        shown = or_empty(PRINT(w, "%s%s%lld", shown, i ? " \\times " : "", (long long)d.d[i]));
    return shown;
}

/* A matrix of what is small; of what is not, that it is a tensor of a shape. `small`: in a line of text, or a table. */
static void value(struct writer *w, ebb_tensor *t, bool small) {
    enum { ROWS = 6, COLUMNS = 8 };
    ebb_dims d = t ? ebb_tensor_shape(t) : (ebb_dims){0};
    int64_t columns = d.n ? d.d[d.n - 1] : 1, rows = d.n == 2 ? d.d[0] : 1;
    double data[ROWS * COLUMNS];
    if (!t || d.n > 2 || columns > COLUMNS || rows > ROWS || columns == 0 || rows == 0 ||
        (ebb_tensor_read)(t, EBB_F64, data)) {
        if (t) OUT(w, "\\text{%s}_{%s}", SAY(w, EBB__SAY_TENSOR), latex_shape(w, d)); /* of no value */
        else OUT(w, "\\text{%s}", SAY(w, EBB__SAY_NOT_KEPT));
        return;
    }
    if (d.n) OUT(w, "%s", small ? "\\left[\\begin{smallmatrix} " : "\\begin{bmatrix} ");
    for (int64_t i = 0; i < rows * columns; i++) {
        if (i) OUT(w, i % columns ? " & " : " \\\\ ");
        number(w, data[i]);
    }
    if (d.n) OUT(w, "%s", small ? " \\end{smallmatrix}\\right]" : " \\end{bmatrix}");
}

/* ---- tables ---- */

static void table_begin(struct writer *w, int columns, const enum ebb__phrase *heads) {
    if (w->latex) OUT(w, "\\begin{longtable}{%.*s}\n\\toprule\n", columns, "llllllll");
    else OUT(w, "|");
    for (int c = 0; c < columns; c++) {
        if (w->latex) OUT(w, c ? " & " : "");
        else OUT(w, " ");
        text(w, heads[c] == EBB__N_PHRASES ? "" : SAY(w, heads[c]));
        if (!w->latex) OUT(w, " |");
    }
    if (w->latex) OUT(w, " \\\\\n\\midrule\n\\endhead\n");
    for (int c = 0; c < columns && !w->latex; c++) OUT(w, "%s", c ? " --- |" : "\n| --- |");
    if (!w->latex) OUT(w, "\n");
}

static void cell(struct writer *w, bool first) { OUT(w, "%s", w->latex ? first ? "" : " & " : first ? "| " : " | "); }
static void row_end(struct writer *w) { OUT(w, "%s", w->latex ? " \\\\ \\addlinespace\n" : " |\n"); }
static void table_end(struct writer *w) {
    if (w->latex) OUT(w, "\\bottomrule\n\\end{longtable}\n");
}

/* Mathematics in a part of the page's width, made smaller when there is too much of it; NULL: as it is. */
static void fit_begin(struct writer *w, const char *width) {
    if (w->latex && width) OUT(w, "\\fit{%s\\linewidth}{", width);
    else OUT(w, "$");
}
static void fit_end(struct writer *w, const char *width) { OUT(w, w->latex && width ? "}" : "$"); }

static void math_cell(struct writer *w, const char *math, bool first) {
    enum { SHORT = 40 };
    cell(w, first);
    if (!math || !math[0]) return;
    const char *width = strlen(math) > SHORT ? "0.34" : NULL;
    fit_begin(w, width);
    OUT(w, "%s", math);
    fit_end(w, width);
}

static void value_cell(struct writer *w, ebb_tensor *t) {
    const char *width = t && ebb_tensor_numel(t) > 1 ? "0.28" : NULL;
    cell(w, false);
    fit_begin(w, width);
    value(w, t, w->latex);
    fit_end(w, width);
}

static void left_out(struct writer *w, enum ebb__phrase phrase, int64_t n) {
    if (n <= 0) return;
    OUT(w, "\n");
    text(w, SAY(w, phrase, integer(w, n)));
    OUT(w, "\n");
}

static const char *shape_of(struct writer *w, ebb_dims d) { return or_empty(PRINT(w, "(%s)", latex_shape(w, d))); }

/* ---- the parts ---- */

static void tell_variables(struct writer *w) {
    static const enum ebb__phrase heads[] = {EBB__SAY_HEAD_NAME, EBB__SAY_HEAD_SHAPE, EBB__SAY_HEAD_VALUE};
    heading(w, SAY(w, EBB__SAY_VARIABLES));
    table_begin(w, 3, heads);
    int64_t count = 0;
    for (int64_t i = 0; i < w->r->n_nodes; i++) {
        const struct ebb__report_node *n = &w->r->nodes[i];
        if (n->kind == EBB__OPERATION || n->number || count++ >= w->view->limit) continue;
        math_cell(w, n->out[0].name.in[EBB__LATEX], true);
        math_cell(w, shape_of(w, n->out[0].shape), false);
        value_cell(w, n->out[0].value);
        const char *constant = ebb__report_constant(&w->arena, n, w->view->lang);
        if (constant[0]) OUT(w, " ");
        if (constant[0]) text(w, SAY(w, EBB__SAY_BRACKETS, constant));
        row_end(w);
    }
    table_end(w);
    left_out(w, EBB__SAY_LEFT_OUT_VARIABLES, count - w->view->limit);
}

static void tell_saved(struct writer *w, const struct ebb__report_node *n) {
    bool any = false;
    cell(w, false);
    if (n->n_saved && w->latex) OUT(w, "\\parbox[t]{0.13\\linewidth}{\\raggedright ");
    for (int64_t i = 0; i < n->n_saved; i++) {
        const struct ebb__report_saved *s = &n->saved[i];
        bool twice = w->r->nodes[s->node].number;
        for (int64_t k = 0; k < i; k++)
            twice = twice || (n->saved[k].node == s->node && n->saved[k].output == s->output);
        if (twice) continue;
        OUT(w, "%s$%s$", any ? ", " : "", or_empty(ebb__report_of(w->r, s->node, s->output)->name.in[EBB__LATEX]));
        any = true;
    }
    if (n->n_saved && w->latex) OUT(w, "}");
}

static void tell_forward(struct writer *w) {
    static const enum ebb__phrase heads[] = {EBB__N_PHRASES, EBB__SAY_HEAD_TEXT, EBB__SAY_HEAD_SHAPE,
                                             EBB__SAY_HEAD_VALUE, EBB__SAY_HEAD_SAVED};
    int64_t n = w->r->n_forward, half = w->view->limit / 2;
    bool all = n <= w->view->limit;
    heading(w, SAY(w, EBB__SAY_FORWARD, integer(w, n)));
    if (!n) return;
    table_begin(w, 5, heads);
    for (int64_t i = 0; i < n; i++) {
        const struct ebb__report_node *node = &w->r->nodes[w->r->forward[i]];
        if (!all && i >= half && i < n - half) continue;
        for (int64_t k = 0; k < node->n_out; k++) {
            cell(w, true);
            OUT(w, "%s", k ? "" : integer(w, i + 1));
            math_cell(w,
                      k ? node->out[k].name.in[EBB__LATEX]
                        : PRINT(w, "%s = %s", or_empty(node->out[k].name.in[EBB__LATEX]),
                                or_empty(node->text.in[EBB__LATEX])),
                      false);
            const char *part = k ? NULL : ebb__report_part(&w->arena, node, w->view->lang);
            if (part) OUT(w, " ");
            if (part) text(w, part);
            math_cell(w, shape_of(w, node->out[k].shape), false);
            value_cell(w, node->out[k].value);
            if (k) cell(w, false);
            else tell_saved(w, node);
            row_end(w);
        }
    }
    table_end(w);
    if (!all) left_out(w, EBB__SAY_LEFT_OUT_OPERATIONS, n - 2 * half);
}

/* Formulas are set in lines of their own. */
static void display(struct writer *w, const char *symbol, const char *formula, ebb_tensor *v, bool more) {
    enum { SHORT = 80 };
    bool fit = w->latex && ((formula && strlen(formula) > SHORT) || (v && ebb_tensor_numel(v) > 4));
    OUT(w, "%s%s%s %s ", w->latex ? "\\[ " : "$$", fit ? "\\fit{\\linewidth}{\\displaystyle " : "", or_empty(symbol),
        more ? "\\mathrel{+}=" : "=");
    if (formula && formula[0]) OUT(w, "%s = ", formula);
    value(w, v, false);
    OUT(w, "%s%s\n", fit ? "}" : "", w->latex ? " \\]" : "$$");
}

static void tell_give(struct writer *w, const struct ebb__report_give *g) {
    const struct ebb__report_output *o = ebb__report_of(w->r, g->to, g->output);
    const char *name = or_empty(o->name.in[EBB__UNICODE]);
    display(w, g->symbol.in[EBB__LATEX], g->formula.in[EBB__LATEX], g->value, g->arrival > 1);
    if (g->definitions.in[EBB__LATEX]) {
        text(w, SAY(w, EBB__SAY_WITH, ""));
        fit_begin(w, "0.9");
        OUT(w, "%s", g->definitions.in[EBB__LATEX]);
        fit_end(w, "0.9");
        OUT(w, "\n\n");
    }
    const char *notes[4] = {NULL, NULL, NULL, NULL};
    int n = 0;
    if (g->words[0]) notes[n++] = or_empty(g->words[w->view->lang]);
    if (g->shapes && g->summed.n) notes[n++] = g->shapes;
    else if (g->shapes) notes[n++] = PRINT(w, "%s%s%s", g->shapes, COMMA(w), SAY(w, EBB__SAY_SHAPE_OF, name));
    if (g->summed.n)
        notes[n++] = SAY(w, EBB__SAY_SUMMED, ebb__report_list(&w->arena, g->summed), name,
                         ebb__report_shape(&w->arena, g->shape), ebb__report_shape(&w->arena, o->shape));
    if (o->uses > 1 && g->arrival == 1) notes[n++] = SAY(w, EBB__SAY_FIRST_PATH, integer(w, o->uses), name);
    if (g->arrival > 1)
        notes[n++] = SAY(w, EBB__SAY_TOGETHER, ebb__ordinal(&w->arena, w->view->lang, g->arrival), integer(w, o->uses));
    for (int i = 0; i < n; i++) {
        text(w, or_empty(notes[i]));
        OUT(w, "%s", i + 1 < n ? SAY(w, EBB__SAY_SEMICOLON) : "\n");
    }
    if (g->arrival > 1) display(w, g->symbol.in[EBB__LATEX], NULL, g->total, false);
    OUT(w, "\n");
}

static void tell_step(struct writer *w, int64_t i) {
    const struct ebb__report_step *s = &w->r->steps[i];
    const struct ebb__report_node *n = &w->r->nodes[s->node];
    OUT(w, w->latex ? "\\step{%lld} " : "**%lld.** ", (long long)i + 1);
    if (n->kind != EBB__OPERATION) {
        const struct ebb__report_output *o = &n->out[0];
        const char *name = or_empty(o->name.in[EBB__UNICODE]), *symbol = or_empty(s->symbol[0].in[EBB__UNICODE]);
        text(w, o->uses > 1 ? SAY(w, EBB__SAY_COMPLETE_PATHS, name, symbol, integer(w, o->uses))
                            : SAY(w, EBB__SAY_COMPLETE, name, symbol));
        OUT(w, "\n\n");
        return;
    }
    OUT(w, "$%s = %s$ (", or_empty(n->out[0].name.in[EBB__LATEX]), or_empty(n->text.in[EBB__LATEX]));
    text(w, ebb_node_name(n->node));
    const char *part = ebb__report_part(&w->arena, n, w->view->lang);
    if (part) text(w, or_empty(PRINT(w, "%s%s", COMMA(w), part)));
    if (n->file && n->file[0]) text(w, or_empty(PRINT(w, "%s%s:%d", COMMA(w), n->file, (int)n->line)));
    OUT(w, ") ");
    text(w, SAY(w, EBB__SAY_UPSTREAM));
    for (int64_t k = 0; k < n->n_out; k++) {
        if (!s->upstream[k]) continue;
        OUT(w, " ");
        const char *width = ebb_tensor_numel(s->upstream[k]) > 4 ? "0.8" : NULL;
        fit_begin(w, width);
        OUT(w, "%s = ", or_empty(s->symbol[k].in[EBB__LATEX]));
        value(w, s->upstream[k], w->latex);
        fit_end(w, width);
    }
    OUT(w, "\n\n");
    for (int64_t k = 0; k < s->n; k++) tell_give(w, &s->gives[k]);
}

static void tell_backward(struct writer *w) {
    const struct ebb__report_output *root = ebb__report_of(w->r, w->r->root, w->r->root_output);
    const char *name = or_empty(root->name.in[EBB__UNICODE]), *start = or_empty(PRINT(w, "d%s/d%s", name, name));
    int64_t n = w->r->n_steps, half = w->view->limit * 3 / 4;
    bool all = n <= 2 * half;
    heading(w, w->r->summed_root ? SAY(w, EBB__SAY_BACKWARD_SUM, start, name) : SAY(w, EBB__SAY_BACKWARD, start));
    for (int64_t i = 0; i < n; i++) {
        if (all || i < half || i >= n - half) tell_step(w, i);
        else if (i == half) {
            text(w, SAY(w, EBB__SAY_LEFT_OUT_STEPS, integer(w, n - 2 * half)));
            OUT(w, "\n\n");
        }
    }
    const char *signs = ebb__report_signs(&w->arena, w->r, w->view->lang);
    text(w, signs);
    OUT(w, "%s", signs[0] ? "\n" : "");
}

/* The differences, and how far from them the gradient is. */
static void check_cells(struct writer *w, const struct ebb__report_check *c) {
    if (!c || !c->numeric) {
        cell(w, false);
        cell(w, false);
        return;
    }
    int64_t n = ebb_tensor_numel(c->numeric);
    if (c->checked == n) {
        value_cell(w, c->numeric);
    } else {
        cell(w, false);
        if (w->latex) OUT(w, "\\parbox[t]{0.28\\linewidth}{\\raggedright ");
        text(w, SAY(w, EBB__SAY_CHECK_SOME, integer(w, c->checked), integer(w, n)));
        if (w->latex) OUT(w, "}");
    }
    math_cell(w, PRINT(w, "\\texttt{%.1e}\\ %s", c->worst, c->ok ? "\\checkmark" : "\\times"), false);
}

static void tell_gradients(struct writer *w) {
    static const enum ebb__phrase heads[] = {EBB__SAY_HEAD_GRADIENT, EBB__SAY_HEAD_SHAPE, EBB__SAY_HEAD_VALUE,
                                             EBB__SAY_HEAD_DIFFERENCES, EBB__SAY_HEAD_WORST};
    const struct ebb__report_output *root = ebb__report_of(w->r, w->r->root, w->r->root_output);
    int columns = w->r->checked ? 5 : 3;
    heading(w, SAY(w, EBB__SAY_GRADIENTS));
    table_begin(w, columns, heads);
    int64_t count = 0;
    for (int64_t i = 0; i < w->r->n_nodes; i++) {
        const struct ebb__report_node *n = &w->r->nodes[i];
        const struct ebb__report_check *c = ebb__report_check_of(w->r, (int32_t)i);
        if (n->kind != EBB__VARIABLE || count++ >= w->view->limit) continue;
        math_cell(w,
                  PRINT(w, "\\frac{\\partial %s}{\\partial %s}", or_empty(root->name.in[EBB__LATEX]),
                        or_empty(n->out[0].name.in[EBB__LATEX])),
                  true);
        math_cell(w, shape_of(w, n->out[0].shape), false);
        value_cell(w, n->out[0].gradient);
        if (columns == 5) check_cells(w, c);
        row_end(w);
    }
    table_end(w);
    left_out(w, EBB__SAY_LEFT_OUT_VARIABLES, count - w->view->limit);
    bool ok;
    OUT(w, "\n");
    text(w, ebb__report_verdict(&w->arena, w->r, w->view->lang, &ok));
    OUT(w, "\n\n");
    const char *bad = ebb__report_not_finite(&w->arena, w->r, w->view->lang);
    if (bad[0]) text(w, bad);
    if (bad[0]) OUT(w, "\n\n");
    text(w, w->r->saved_bytes ? SAY(w, EBB__SAY_SAVED, integer(w, w->r->saved_bytes)) : SAY(w, EBB__SAY_SAVED_NOTHING));
    OUT(w, "\n");
}

/* ---- second derivatives, forward mode ---- */

static void tell_hessian(struct writer *w) {
    const char *root = or_empty(ebb__report_of(w->r, w->r->root, w->r->root_output)->name.in[EBB__LATEX]);
    if (!w->r->hessian_elements) return;
    heading(w, SAY(w, EBB__SAY_HESSIAN));
    if (!w->r->n_hessian)
        text(w, SAY(w, EBB__SAY_HESSIAN_LARGE, integer(w, w->r->hessian_elements), integer(w, EBB__HESSIAN_MOST)));
    for (int64_t i = 0; i < w->r->n_hessian; i++) {
        const struct ebb__report_hessian *h = &w->r->hessian[i];
        const struct ebb__report_output *row = &w->r->nodes[h->row].out[0], *column = &w->r->nodes[h->column].out[0];
        if (h->row > h->column) continue;
        const char *a = or_empty(row->name.in[EBB__LATEX]), *b = or_empty(column->name.in[EBB__LATEX]);
        const char *symbol = h->row == h->column
                                 ? PRINT(w, "\\frac{\\partial^2 %s}{\\partial %s^2}", root, a)
                                 : PRINT(w, "\\frac{\\partial^2 %s}{\\partial %s\\,\\partial %s}", root, a, b);
        int64_t rows = ebb_tensor_numel(row->value), columns = ebb_tensor_numel(column->value);
        ebb_scope scope = ebb_scope_open();
        display(w, symbol, NULL, ebb_reshape(h->value, EBB_DIMS(rows, columns)), false);
        ebb_scope_close(&scope);
    }
    if (w->r->n_hessian > 1) text(w, SAY(w, EBB__SAY_HESSIAN_BLOCKS));
    if (w->r->n_hessian > 1) OUT(w, "\n\n");
    bool ok;
    if (w->r->n_hessian) text(w, ebb__report_hessian_verdict(&w->arena, w->r, w->view->lang, &ok));
    OUT(w, "\n");
}

static void tell_tangents(struct writer *w) {
    int64_t n = w->r->n_tangents;
    if (!n) return;
    heading(w, SAY(w, EBB__SAY_TANGENTS));
    static const enum ebb__phrase heads[] = {EBB__SAY_HEAD_NAME, EBB__SAY_HEAD_RATE};
    for (int64_t k = 0; k < n; k++) {
        const struct ebb__report_tangents *t = &w->r->tangents[k];
        text(w, SAY(w, EBB__SAY_HEAD_MOVES, or_empty(ebb__report_of(w->r, t->node, 0)->name.in[EBB__UNICODE])));
        OUT(w, "\n\n");
        table_begin(w, 2, heads);
        for (int64_t i = 0, shown = 0; i < w->r->n_nodes && shown < w->view->limit; i++) {
            if (!t->values[i]) continue;
            shown++;
            math_cell(w, w->r->nodes[i].out[0].name.in[EBB__LATEX], true);
            value_cell(w, t->values[i]);
            row_end(w);
        }
        table_end(w);
        OUT(w, "\n");
    }
    left_out(w, EBB__SAY_LEFT_OUT_VARIABLES, w->r->tangents_left);
    bool ok;
    text(w, ebb__report_tangents_verdict(&w->arena, w->r, w->view->lang, &ok));
    OUT(w, "\n");
}

static const char preamble[] =
    "\\usepackage{amsmath,amssymb,booktabs,graphicx,longtable}\n\\usepackage[a4paper,margin=2cm]{geometry}\n"
    "\\setlength{\\parindent}{0pt}\\raggedright\n"
    "\\newcommand{\\step}[1]{\\medskip\\textbf{#1.}}\n"
    "% mathematics, made as narrow as the first argument says when it is wider\n"
    "\\newcommand{\\fit}[2]{\\resizebox{\\ifdim\\width>#1 #1\\else\\width\\fi}{!}{$#2$}}\n";

/* Whether there is Chinese in it, or what else LaTeX has no font for by itself. */
static bool other_script(struct writer *w) {
    bool has = w->view->lang != EBB_CHINESE && ebb__latex_has(ebb__report_title(&w->arena, w->r, w->view->lang));
    for (int64_t i = 0; i < w->r->n_nodes; i++)
        for (int64_t k = 0; k < w->r->nodes[i].n_out; k++)
            has = has && ebb__latex_has(or_empty(w->r->nodes[i].out[k].name.in[EBB__UNICODE]));
    return !has;
}

static ebb_status report(const struct ebb__report *r, const struct ebb__view *view, bool latex) {
    struct writer w = {.r = r, .view = view, .to = view->to, .latex = latex};
    if (latex)
        OUT(&w, "\\documentclass{article}\n%s%s\\begin{document}\n",
            other_script(&w) ? "\\usepackage{ctex} % for xelatex\n" : "\\usepackage[utf8]{inputenc}\n", preamble);
    OUT(&w, "%s", latex ? "\\section*{" : "# ");
    code(&w, ebb__report_title(&w.arena, r, view->lang));
    OUT(&w, "%s", latex ? "}\n" : "\n");
    if (r->expression) {
        OUT(&w, "\n");
        text(&w, ebb__report_setting(&w.arena, r, view->lang));
        OUT(&w, "\n");
    }
    tell_variables(&w);
    tell_forward(&w);
    tell_backward(&w);
    tell_gradients(&w);
    tell_hessian(&w);
    tell_tangents(&w);
    if (latex) OUT(&w, "\\end{document}\n");
    ebb__arena_free(&w.arena);
    return ebb_error_status();
}

ebb_status ebb__report_markdown(const struct ebb__report *r, const struct ebb__view *view) {
    return report(r, view, false);
}

ebb_status ebb__report_latex(const struct ebb__report *r, const struct ebb__view *view) {
    return report(r, view, true);
}
