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
#define PRINT(w, ...) ebb__arena_print(&(w)->arena, __VA_ARGS__)
#define OUT(w, ...) (void)fprintf((w)->to, __VA_ARGS__)

static const char *or_empty(const char *text) { return text ? text : ""; }
static const char *integer(struct writer *w, int64_t n) { return or_empty(PRINT(w, "%lld", (long long)n)); }

/* Text that is not to be read as markup. */
static void plain(struct writer *w, const char *text) {
    for (; *text; text++) {
        const char *special = w->latex ? strchr("\\{}$&#^_%~", *text) : strchr("\\`*_{}[]<>#|$", *text);
        if (!special || !*special) (void)fputc(*text, w->to);
        else if (!w->latex) OUT(w, "\\%c", *text);
        else if (*text == '\\') OUT(w, "\\textbackslash{}");
        else if (*text == '^' || *text == '~') OUT(w, "\\%c{}", *text);
        else OUT(w, "\\%c", *text);
    }
}

/* Some signs of texts have no place in the fonts of LaTeX. */
static void text(struct writer *w, const char *text) {
    static const char *const signs[][2] = {{"→", "$\\to$"}, {"×", "$\\times$"}, {"–", "--"}, {"…", "\\ldots{}"}};
    while (*text) {
        size_t n = 0, i = 0;
        for (; w->latex && i < sizeof signs / sizeof *signs; i++)
            if (strncmp(text, signs[i][0], strlen(signs[i][0])) == 0) n = strlen(signs[i][0]);
        if (n) {
            for (i = 0; strncmp(text, signs[i][0], strlen(signs[i][0])) != 0;) i++;
            OUT(w, "%s", signs[i][1]);
            text += n;
        } else {
            const char one[2] = {*text++, '\0'};
            plain(w, one);
        }
    }
}

static void heading(struct writer *w, const char *title) {
    OUT(w, "%s", w->latex ? "\n\\section*{" : "\n## ");
    text(w, title);
    OUT(w, "%s", w->latex ? "}\n\n" : "\n\n");
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

/* A matrix of what is small, a shape of what is not. */
static void value(struct writer *w, ebb_tensor *t) {
    enum { ROWS = 6, COLUMNS = 8 };
    ebb_dims d = t ? ebb_tensor_shape(t) : (ebb_dims){0};
    int64_t columns = d.n ? d.d[d.n - 1] : 1, rows = d.n == 2 ? d.d[0] : 1;
    double data[ROWS * COLUMNS];
    if (!t || d.n > 2 || columns > COLUMNS || rows > ROWS || columns == 0 || rows == 0 ||
        (ebb_tensor_read)(t, EBB_F64, data)) {
        OUT(w, "\\text{%s}", t ? "" : SAY(w, EBB__SAY_NOT_KEPT));
        if (t) OUT(w, "[%s]", latex_shape(w, d));
        return;
    }
    if (d.n) OUT(w, "\\begin{bmatrix} ");
    for (int64_t i = 0; i < rows * columns; i++) {
        if (i) OUT(w, i % columns ? " & " : " \\\\ ");
        number(w, data[i]);
    }
    if (d.n) OUT(w, " \\end{bmatrix}");
}

/* ---- tables ---- */

static void table_begin(struct writer *w, int columns, const enum ebb__phrase *heads) {
    if (w->latex) OUT(w, "\\begin{longtable}{%.*s}\n", columns, "llllllll");
    else OUT(w, "|");
    for (int c = 0; c < columns; c++) {
        if (w->latex) OUT(w, c ? " & " : "");
        else OUT(w, " ");
        text(w, heads[c] == EBB__N_PHRASES ? "" : SAY(w, heads[c]));
        if (!w->latex) OUT(w, " |");
    }
    if (w->latex) OUT(w, " \\\\\n\\hline\n");
    for (int c = 0; c < columns && !w->latex; c++) OUT(w, "%s", c ? " --- |" : "\n| --- |");
    if (!w->latex) OUT(w, "\n");
}

static void cell(struct writer *w, bool first) { OUT(w, "%s", w->latex ? first ? "" : " & " : first ? "| " : " | "); }
static void row_end(struct writer *w) { OUT(w, "%s", w->latex ? " \\\\\n" : " |\n"); }
static void table_end(struct writer *w) {
    if (w->latex) OUT(w, "\\end{longtable}\n");
}

static void math_cell(struct writer *w, const char *math, bool first) {
    cell(w, first);
    OUT(w, "$%s$", or_empty(math));
}

static void value_cell(struct writer *w, ebb_tensor *t) {
    cell(w, false);
    OUT(w, "$");
    value(w, t);
    OUT(w, "$");
}

static const char *shape_of(struct writer *w, ebb_dims d) { return or_empty(PRINT(w, "(%s)", latex_shape(w, d))); }

/* ---- the parts ---- */

static void tell_variables(struct writer *w) {
    static const enum ebb__phrase heads[] = {EBB__SAY_HEAD_NAME, EBB__SAY_HEAD_SHAPE, EBB__SAY_HEAD_VALUE};
    heading(w, SAY(w, EBB__SAY_VARIABLES));
    table_begin(w, 3, heads);
    for (int64_t i = 0, shown = 0; i < w->r->n_nodes && shown < w->view->limit; i++) {
        const struct ebb__report_node *n = &w->r->nodes[i];
        if (n->kind == EBB__OPERATION || n->number) continue;
        math_cell(w, n->out[0].name.in[EBB__LATEX], true);
        math_cell(w, shape_of(w, n->out[0].shape), false);
        value_cell(w, n->out[0].value);
        row_end(w);
        shown++;
    }
    table_end(w);
}

static void tell_saved(struct writer *w, const struct ebb__report_node *n) {
    bool any = false;
    cell(w, false);
    for (int64_t i = 0; i < n->n_saved; i++) {
        const struct ebb__report_saved *s = &n->saved[i];
        bool twice = w->r->nodes[s->node].number;
        for (int64_t k = 0; k < i; k++)
            twice = twice || (n->saved[k].node == s->node && n->saved[k].output == s->output);
        if (twice) continue;
        OUT(w, "%s$%s$", any ? ", " : "", or_empty(ebb__report_of(w->r, s->node, s->output)->name.in[EBB__LATEX]));
        any = true;
    }
}

static void tell_forward(struct writer *w) {
    static const enum ebb__phrase heads[] = {EBB__N_PHRASES, EBB__SAY_HEAD_TEXT, EBB__SAY_HEAD_SHAPE,
                                             EBB__SAY_HEAD_VALUE, EBB__SAY_HEAD_SAVED};
    int64_t n = w->r->n_forward, half = w->view->limit / 2;
    bool all = n <= w->view->limit;
    heading(w, SAY(w, EBB__SAY_FORWARD, integer(w, n)));
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
            math_cell(w, shape_of(w, node->out[k].shape), false);
            value_cell(w, node->out[k].value);
            if (k) cell(w, false);
            else tell_saved(w, node);
            row_end(w);
        }
    }
    table_end(w);
    if (!all) {
        OUT(w, "\n");
        text(w, SAY(w, EBB__SAY_LEFT_OUT_OPERATIONS, integer(w, n - 2 * half)));
        OUT(w, "\n");
    }
}

/* Formulas are set in lines of their own. */
static void display(struct writer *w, const char *symbol, const char *formula, bool words, ebb_tensor *v, bool more) {
    OUT(w, "%s%s %s ", w->latex ? "\\[ " : "$$", or_empty(symbol), more ? "\\mathrel{+}=" : "=");
    if (formula && formula[0]) OUT(w, words ? "\\text{(%s)} = " : "%s = ", formula);
    value(w, v);
    OUT(w, "%s\n", w->latex ? " \\]" : "$$");
}

/* Words in a formula, with what LaTeX reads otherwise kept from it. */
static const char *words_of(struct writer *w, const char *words) {
    const char *shown = "";
    for (; *words; words++) shown = or_empty(PRINT(w, strchr("_^#$%&{}", *words) ? "%s\\%c" : "%s%c", shown, *words));
    return shown;
}

static void tell_give(struct writer *w, const struct ebb__report_give *g) {
    const struct ebb__report_output *o = ebb__report_of(w->r, g->to, g->output);
    const char *formula = g->formula.in[EBB__LATEX], *name = or_empty(o->name.in[EBB__UNICODE]);
    display(w, g->symbol.in[EBB__LATEX], g->words ? words_of(w, or_empty(formula)) : formula, g->words, g->value,
            g->arrival > 1);
    const char *notes[3] = {NULL, NULL, NULL};
    int n = 0;
    if (g->shapes) notes[n++] = g->shapes;
    if (g->summed.n)
        notes[n++] = SAY(w, EBB__SAY_SUMMED,
                         g->summed.n == 1 ? integer(w, g->summed.d[0]) : ebb__report_shape(&w->arena, g->summed), name,
                         ebb__report_shape(&w->arena, g->shape), ebb__report_shape(&w->arena, o->shape));
    if (o->uses > 1 && g->arrival == 1) notes[n++] = SAY(w, EBB__SAY_FIRST_PATH, integer(w, o->uses), name);
    for (int i = 0; i < n; i++) {
        text(w, notes[i]);
        OUT(w, "%s", i + 1 < n ? "; " : "\n");
    }
    if (g->arrival > 1) display(w, g->symbol.in[EBB__LATEX], NULL, false, g->total, false);
    OUT(w, "\n");
}

static void tell_step(struct writer *w, int64_t i) {
    const struct ebb__report_step *s = &w->r->steps[i];
    const struct ebb__report_node *n = &w->r->nodes[s->node];
    OUT(w, w->latex ? "\\medskip\\noindent\\textbf{%lld.} " : "**%lld.** ", (long long)i + 1);
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
    if (n->file && n->file[0]) text(w, or_empty(PRINT(w, ", %s:%d", n->file, (int)n->line)));
    OUT(w, ") ");
    text(w, SAY(w, EBB__SAY_UPSTREAM));
    for (int64_t k = 0; k < n->n_out; k++) {
        if (!s->upstream[k]) continue;
        OUT(w, " $%s = ", or_empty(s->symbol[k].in[EBB__LATEX]));
        value(w, s->upstream[k]);
        OUT(w, "$");
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
}

static void tell_gradients(struct writer *w) {
    static const enum ebb__phrase heads[] = {EBB__SAY_HEAD_GRADIENT, EBB__SAY_HEAD_SHAPE, EBB__SAY_HEAD_VALUE,
                                             EBB__SAY_HEAD_DIFFERENCES, EBB__SAY_HEAD_WORST};
    const struct ebb__report_output *root = ebb__report_of(w->r, w->r->root, w->r->root_output);
    int columns = w->r->checked ? 5 : 3;
    heading(w, SAY(w, EBB__SAY_GRADIENTS));
    table_begin(w, columns, heads);
    for (int64_t i = 0, shown = 0; i < w->r->n_nodes && shown < w->view->limit; i++) {
        const struct ebb__report_node *n = &w->r->nodes[i];
        const struct ebb__report_check *c = ebb__report_check_of(w->r, (int32_t)i);
        if (n->kind != EBB__VARIABLE) continue;
        shown++;
        math_cell(w,
                  PRINT(w, "\\frac{\\partial %s}{\\partial %s}", or_empty(root->name.in[EBB__LATEX]),
                        or_empty(n->out[0].name.in[EBB__LATEX])),
                  true);
        math_cell(w, shape_of(w, n->out[0].shape), false);
        value_cell(w, n->out[0].gradient);
        if (columns == 5) value_cell(w, c ? c->numeric : NULL);
        if (columns == 5) math_cell(w, c && c->numeric ? PRINT(w, "\\texttt{%.1e}", c->worst) : "", false);
        row_end(w);
    }
    table_end(w);
    bool ok;
    double worst = ebb__report_worst(w->r, &ok);
    OUT(w, "\n");
    text(w, w->r->checked ? SAY(w, ok ? EBB__SAY_CHECK_OK : EBB__SAY_CHECK_BAD, PRINT(w, "%.1e", worst),
                                PRINT(w, "%.0e", w->r->tolerance))
                          : SAY(w, EBB__SAY_CHECK_NONE));
    OUT(w, "\n\n");
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
        display(w, symbol, NULL, false, ebb_reshape(h->value, EBB_DIMS(rows, columns)), false);
        ebb_scope_close(&scope);
    }
    if (w->r->n_hessian)
        text(w, SAY(w, w->r->hessian_worst <= 10 * w->r->tolerance ? EBB__SAY_HESSIAN_OK : EBB__SAY_HESSIAN_BAD,
                    PRINT(w, "%.1e", w->r->hessian_worst)));
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
    text(w, SAY(w, w->r->tangents_worst <= w->r->tolerance ? EBB__SAY_TANGENTS_OK : EBB__SAY_TANGENTS_BAD,
                or_empty(ebb__report_of(w->r, w->r->root, w->r->root_output)->name.in[EBB__UNICODE]),
                PRINT(w, "%.1e", w->r->tangents_worst)));
    OUT(w, "\n");
}

static ebb_status report(const struct ebb__report *r, const struct ebb__view *view, bool latex) {
    struct writer w = {.r = r, .view = view, .to = view->to, .latex = latex};
    if (latex)
        OUT(&w,
            "\\documentclass{article}\n\\usepackage{amsmath,amssymb,longtable}\n\\usepackage[a4paper,margin=2cm]{geometry}\n%s"
            "\\begin{document}\n",
            view->lang == EBB_CHINESE ? "\\usepackage{ctex}\n" : "\\usepackage[utf8]{inputenc}\n");
    OUT(&w, "%s", latex ? "\\section*{" : "# ");
    text(&w, ebb__report_title(&w.arena, r, view->lang));
    OUT(&w, "%s", latex ? "}\n" : "\n");
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
