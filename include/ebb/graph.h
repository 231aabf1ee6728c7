/* Drawing the recorded graph: DOT text, and pictures where Graphviz is installed. */
#ifndef EBB_GRAPH_H
#define EBB_GRAPH_H

#include <ebb/opdef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ebb_graph_options {
    const char *title; /* under the drawing; NULL for none */
    const char *root;  /* what the root is called; NULL: its own name, or "root" */
    ebb_list named;    /* tensors computed on the way whose names (ebb_name) are shown at the nodes that made them */
    bool lines;        /* show the file and line that recorded each node */
    bool leftright;    /* draw from left to right instead of downwards */
    int ebb__at;
} ebb_graph_options;

/* Draw the graph that `root` was computed by, in Graphviz's DOT language, on a stream: leaves with their names
 * (ebb_name), shapes and dtypes; operator nodes by their grad_fn names, with the shapes of what they computed; and the
 * root. Edges follow the computation, leaves first. What needs no gradient is not recorded and so not drawn. Walks
 * without recursion, in memory proportional to the graph.
 *     ebb_graph_write(loss, stdout, .root = "loss");
 * Errors: EBB_ERR_GRAPH for a tensor that was not computed from one that requires gradients, EBB_ERR_IO when the stream
 * fails. PyTorch's counterpart is the package torchviz. */
EBB_API ebb_status ebb_graph_write(ebb_tensor *root, FILE *to, ebb_graph_options options EBB_DEFAULT);

/* The same into a file, which is replaced as a whole or not at all. */
EBB_API ebb_status ebb_graph_dot(ebb_tensor *root, const char *path, ebb_graph_options options EBB_DEFAULT);

/* The same as a picture, an SVG file, laid out by Graphviz's program `dot`. EBB_ERR_UNSUPPORTED where it is not
 * installed. Call it from one thread, or where SIGCHLD is not ignored: it waits for that program. */
EBB_API ebb_status ebb_graph_svg(ebb_tensor *root, const char *path, ebb_graph_options options EBB_DEFAULT);

#ifdef __cplusplus
#define ebb_graph_write(...) (EBB_HERE, ebb_graph_write(__VA_ARGS__))
#define ebb_graph_dot(...) (EBB_HERE, ebb_graph_dot(__VA_ARGS__))
#define ebb_graph_svg(...) (EBB_HERE, ebb_graph_svg(__VA_ARGS__))
#else
#define ebb__graph_(function, root, to, ...) function(EBB_AT(root), to, (ebb_graph_options){__VA_ARGS__})
#define ebb_graph_write(...) ebb__graph_(ebb_graph_write, __VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb_graph_dot(...) ebb__graph_(ebb_graph_dot, __VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb_graph_svg(...) ebb__graph_(ebb_graph_svg, __VA_ARGS__, .ebb__at = EBB_HERE)
#endif

#ifdef __cplusplus
}
#endif
#endif
