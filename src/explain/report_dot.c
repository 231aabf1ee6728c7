/* The report's graph as DOT text, and drawn by Graphviz: values along the edges forward, gradients in the nodes. */
#include "explain/report_view.h"
#include "explain/values.h"
#include "tool/graphviz.h"

#include <errno.h>
#include <string.h>

static const char *const looks[] = {
    [EBB__VARIABLE] =
        "shape=box, style=\"rounded,filled\", fillcolor=\"#dbeafe\", color=\"#2563eb\", fontcolor=\"#1e3a8a\"",
    [EBB__CONSTANT] =
        "shape=box, style=\"rounded,filled\", fillcolor=\"#f8fafc\", color=\"#94a3b8\", fontcolor=\"#475569\"",
    [EBB__OPERATION] = "shape=box, style=filled, fillcolor=\"#f1f5f9\", color=\"#64748b\", fontcolor=\"#0f172a\"",
};
static const char *const root_look =
    "shape=box, style=\"rounded,filled\", fillcolor=\"#fef3c7\", color=\"#d97706\", fontcolor=\"#78350f\"";

static void line(FILE *to, const char *before, const char *text) {
    (void)fputs("<br/><font point-size=\"10\">", to);
    ebb__label_text(to, before);
    ebb__label_text(to, text);
    (void)fputs("</font>", to);
}

static void write_node(const struct ebb__report *r, const struct ebb__view *view, struct ebb__arena *a, int64_t id) {
    const struct ebb__report_node *n = &r->nodes[id];
    const char *root = ebb__report_of(r, r->root, r->root_output)->name.in[EBB__UNICODE];
    (void)fprintf(view->to, "    n%lld [%s, label=<<b>", (long long)id, id == r->root ? root_look : looks[n->kind]);
    for (int64_t k = 0; k < n->n_out && k < 4; k++) {
        if (k) (void)fputs(", ", view->to);
        ebb__label_text(view->to, n->out[k].name.in[EBB__UNICODE]);
    }
    (void)fputs("</b>", view->to);
    if (n->kind == EBB__OPERATION) {
        (void)fputs(" = ", view->to);
        ebb__label_text(view->to, n->text.in[EBB__UNICODE]);
        const char *part = ebb__report_part(a, n, view->lang);
        if (part) line(view->to, "", part);
    }
    if (!n->number) {
        const char *value = ebb__value_text(a, view->lang, n->out[0].value);
        line(view->to, "", ebb__report_shape(a, n->out[0].shape));
        line(view->to, strchr(value, '\n') ? "" : "= ", value);
    }
    if (n->out[0].gradient) {
        const char *text = ebb__arena_print(a, "d%s/d%s = ", root, n->out[0].name.in[EBB__UNICODE]);
        const char *value = ebb__value_text(a, view->lang, n->out[0].gradient);
        (void)fputs("<font color=\"#b91c1c\">", view->to);
        if (strchr(value, '\n')) line(view->to, text ? text : "", "");
        line(view->to, strchr(value, '\n') || !text ? "" : text, value);
        (void)fputs("</font>", view->to);
    }
    (void)fputs(">];\n", view->to);
    for (int64_t i = 0; i < n->n_in; i++) {
        if (n->in[i].node < 0 || r->nodes[n->in[i].node].number) continue; /* numbers stand in the text */
        (void)fprintf(view->to, "    n%d -> n%lld", (int)n->in[i].node, (long long)id);
        if (!n->in[i].gradient) (void)fputs(" [style=dashed, color=\"#94a3b8\"]", view->to);
        else if (r->nodes[n->in[i].node].n_out > 1) (void)fprintf(view->to, " [label=\"%d\"]", (int)n->in[i].output);
        else if (r->nodes[n->in[i].node].kind == EBB__OPERATION) (void)fputs(" [weight=8]", view->to);
        (void)fputs(";\n", view->to);
    }
}

ebb_status ebb__report_dot(const struct ebb__report *r, const struct ebb__view *view) {
    static const char *font = "fontname=\"Helvetica,Arial,sans-serif\"";
    struct ebb__arena a = {0};
    (void)fprintf(view->to,
                  "digraph ebb {\n    graph [rankdir=TB, nodesep=0.3, ranksep=0.35, bgcolor=white, %s, fontsize=14",
                  font);
    if (r->expression) {
        (void)fputs(", labelloc=b, label=<", view->to);
        ebb__label_text(view->to, ebb__report_title(&a, r, view->lang));
        (void)fputs(">", view->to);
    }
    (void)fprintf(view->to, "];\n    node [%s, fontsize=12, margin=\"0.12,0.06\", height=0.35];\n", font);
    (void)fprintf(view->to, "    edge [%s, fontsize=9, color=\"#475569\", arrowsize=0.7];\n", font);
    for (int64_t i = 0; i < r->n_nodes; i++)
        if (!r->nodes[i].number) write_node(r, view, &a, i);
    (void)fputs("}\n", view->to);
    ebb__arena_free(&a);
    return ebb_error_status();
}

ebb_status ebb__report_svg(const struct ebb__report *r, const struct ebb__view *view) {
    FILE *in = tmpfile(), *out = tmpfile();
    struct ebb__view dot = *view;
    ebb_status status = EBB_OK;
    char bytes[4096];
    dot.to = in;
    if (!in || !out) status = ebb__fail_said(EBB_ERR_IO, "explain: no temporary file: %s", strerror(errno));
    if (!status) status = ebb__report_dot(r, &dot);
    if (!status) status = ebb__graphviz("svg", in, out);
    if (!status) rewind(out);
    for (size_t n; !status && (n = fread(bytes, 1, sizeof bytes, out)) > 0;) (void)fwrite(bytes, 1, n, view->to);
    if (in) (void)fclose(in);
    if (out) (void)fclose(out);
    return status;
}
