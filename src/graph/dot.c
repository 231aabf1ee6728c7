/* Writing a graph in DOT: leaves, operators and the root, each in a look of its own. */
#include "graph/graph.h"
#include "tool/graphviz.h"

#include <string.h>

/* One look for each kind of node. Colours are dark enough on white for print and for the colour-blind. */
enum look { LEAF, OPERATOR, ROOT, N_LOOKS };
static const char *const looks[N_LOOKS] = {
    [LEAF] = "shape=box, style=\"rounded,filled\", fillcolor=\"#dbeafe\", color=\"#2563eb\", fontcolor=\"#1e3a8a\"",
    [OPERATOR] = "shape=box, style=filled, fillcolor=\"#f1f5f9\", color=\"#64748b\", fontcolor=\"#0f172a\"",
    [ROOT] = "shape=box, style=\"rounded,filled\", fillcolor=\"#fef3c7\", color=\"#d97706\", fontcolor=\"#78350f\"",
};

struct drawing {
    FILE *to;
    const struct ebb__nodes *nodes;
    const ebb_tensor *root;
    const ebb_graph_options *options;
};

/* "(2, 3) float32" */
static void shape(FILE *to, ebb_dims dims, ebb_dtype dtype) {
    (void)fputc('(', to);
    for (int i = 0; i < dims.n; i++) (void)fprintf(to, "%s%lld", i ? ", " : "", (long long)dims.d[i]);
    (void)fprintf(to, ") %s", ebb_dtype_name(dtype));
}

static void begin_node(const struct drawing *d, const char *id, size_t number, enum look look, const char *name) {
    (void)fprintf(d->to, "    %s%zu [%s, label=<<b>", id, number, looks[look]);
    ebb__label_text(d->to, name);
    (void)fputs("</b>", d->to);
}

static const char *small = "<br/><font point-size=\"10\">";

static void end_node(const struct drawing *d) { (void)fputs("</font>>];\n", d->to); }

static void leaf(const struct drawing *d, size_t number, const ebb_tensor *t) {
    const char *name = ebb_tensor_name(t);
    begin_node(d, "n", number, LEAF, name[0] ? name : "leaf");
    (void)fputs(small, d->to);
    shape(d->to, ebb_tensor_shape(t), ebb_tensor_dtype(t));
    end_node(d);
}

/* The given name of output k of a node, or "". */
static const char *given_name(const struct drawing *d, const ebb_node *node, int64_t k) {
    ebb_list named = d->options->named;
    for (int64_t i = 0; i < named.n; i++) {
        ebb_dims a = ebb_tensor_shape(named.t[i]), b = ebb_node_output_shape(node, k);
        bool same = named.t[i] && ebb_tensor_grad_fn(named.t[i]) == node && a.n == b.n;
        if (same && memcmp(a.d, b.d, (size_t)a.n * sizeof *a.d) == 0) return ebb_tensor_name(named.t[i]);
    }
    return "";
}

static void operator_node(const struct drawing *d, size_t number, const ebb_node *node) {
    begin_node(d, "n", number, OPERATOR, ebb_node_name(node));
    for (int64_t k = 0; k < ebb_node_n_outputs(node); k++) {
        const char *name = given_name(d, node, k);
        (void)fputs(k ? "<br/>" : small, d->to);
        ebb__label_text(d->to, name);
        (void)fputs(name[0] ? " " : "", d->to);
        shape(d->to, ebb_node_output_shape(node, k), ebb_node_output_dtype(node, k));
    }
    if (d->options->lines && ebb_node_file(node)[0]) {
        (void)fputs("<br/>", d->to);
        ebb__label_text(d->to, ebb_node_file(node));
        (void)fprintf(d->to, ":%d", ebb_node_line(node));
    }
    end_node(d);
}

/* The edges into a node, from where its inputs come; of a node with several outputs they say which. Those between
 * operators weigh more, which keeps a chain of operators straight and puts leaves to its side. */
static void edges(const struct drawing *d, size_t number, const ebb_node *node) {
    for (int64_t i = 0; i < ebb_node_n_inputs(node); i++) {
        const ebb_node *from = ebb_node_input(node, i);
        if (!from) continue;
        (void)fprintf(d->to, "    n%zu -> n%zu", ebb__nodes_find(d->nodes, from), number);
        if (ebb_node_n_outputs(from) > 1)
            (void)fprintf(d->to, " [label=\"%lld\"]", (long long)ebb_node_input_output(node, i));
        (void)fputs(ebb_node_variable(from) ? ";\n" : " [weight=8];\n", d->to);
    }
}

static void header(const struct drawing *d) {
    const ebb_graph_options *o = d->options;
    const char *font = "fontname=\"Helvetica,Arial,sans-serif\"";
    (void)fprintf(d->to,
                  "digraph ebb {\n    graph [rankdir=%s, nodesep=0.3, ranksep=0.35, bgcolor=white, %s, fontsize=14",
                  o->leftright ? "LR" : "TB", font);
    if (o->title) {
        (void)fputs(", labelloc=b, label=<", d->to);
        ebb__label_text(d->to, o->title);
        (void)fputc('>', d->to);
    }
    (void)fprintf(d->to, "];\n    node [%s, fontsize=12, margin=\"0.12,0.06\", height=0.35];\n", font);
    (void)fprintf(d->to, "    edge [%s, fontsize=9, color=\"#475569\", arrowsize=0.7];\n", font);
}

static void root_node(const struct drawing *d) {
    const char *own = ebb_tensor_name(d->root), *given = d->options->root;
    begin_node(d, "root", 0, ROOT, given ? given : own[0] ? own : "root");
    (void)fputs(small, d->to);
    if (ebb_tensor_numel(d->root) == 1) (void)fprintf(d->to, "= %.6g<br/>", ebb_item(d->root));
    shape(d->to, ebb_tensor_shape(d->root), ebb_tensor_dtype(d->root));
    end_node(d);
    (void)fputs("    n0 -> root0 [penwidth=1.5];\n", d->to);
}

ebb_status(ebb_graph_write)(ebb_tensor *root, FILE *to, ebb_graph_options options) {
    if (!root || !to)
        return ebb_error() ? ebb_error_status()
                           : ebb_fail(EBB_ERR_ARGUMENT, "graph: the %s is NULL", root ? "stream" : "tensor");
    const ebb_node *first = ebb_tensor_gradient_node(root);
    if (!first)
        return ebb_error()
                   ? ebb_error_status()
                   : ebb_fail(
                         EBB_ERR_GRAPH,
                         "graph: nothing was recorded: the tensor does not require gradients and was not computed from one that does");
    struct ebb__nodes nodes;
    ebb_status status = ebb__nodes_gather(&nodes, first);
    struct drawing d = {to, &nodes, root, &options};
    if (!status) {
        header(&d);
        /* The latest recorded node is first in the list; leaves and early operators shall come first in the text. */
        for (size_t i = nodes.n; i-- > 0;) {
            const ebb_tensor *variable = ebb_node_variable(nodes.list[i]);
            if (variable) leaf(&d, i, variable);
            else operator_node(&d, i, nodes.list[i]);
            edges(&d, i, nodes.list[i]);
        }
        root_node(&d);
        (void)fputs("}\n", to);
        if (ferror(to)) status = ebb_fail(EBB_ERR_IO, "graph: the stream cannot be written");
    }
    ebb__nodes_end(&nodes);
    return status;
}
