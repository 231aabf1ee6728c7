/* Graphs into files, as DOT or as pictures. */
#include "graph/graph.h"
#include "io/output.h"
#include "tool/graphviz.h"
#include <errno.h>
#include <string.h>

static ebb_status check_path(const char *path) {
    if (path && path[0]) return EBB_OK;
    return ebb_error() ? ebb_error_status() : ebb_fail(EBB_ERR_ARGUMENT, "graph: the path is NULL or empty");
}

ebb_status(ebb_graph_dot)(ebb_tensor *root, const char *path, ebb_graph_options options) {
    struct ebb__output o;
    ebb_status status = check_path(path);
    if (status || (status = ebb__output_open(&o, path))) return status;
    return ebb__output_close(&o, (ebb_graph_write)(root, o.file, options));
}

static ebb_status picture(ebb_tensor *root, FILE *out, const ebb_graph_options *options) {
    FILE *in = tmpfile();
    if (!in) return ebb_fail(EBB_ERR_IO, "graph: no temporary file: %s", strerror(errno));
    ebb_status status = (ebb_graph_write)(root, in, *options);
    if (!status) status = ebb__graphviz("svg", in, out);
    (void)fclose(in);
    return status;
}

ebb_status(ebb_graph_svg)(ebb_tensor *root, const char *path, ebb_graph_options options) {
    struct ebb__output o;
    ebb_status status = check_path(path);
    if (status || (status = ebb__output_open(&o, path))) return status;
    return ebb__output_close(&o, picture(root, o.file, &options));
}
