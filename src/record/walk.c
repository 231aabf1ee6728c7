/* Walking the recorded graph from outside. */
#include "record/node.h"

ebb_node *ebb_tensor_grad_fn(const ebb_tensor *t) {
    return t && !ebb__refresh((ebb_tensor *)(uintptr_t)t) ? t->grad_fn : NULL;
}

ebb_node *ebb_tensor_gradient_node(const ebb_tensor *t) {
    ebb_tensor *refreshed = (ebb_tensor *)(uintptr_t)t;
    return t && !ebb__refresh(refreshed) ? ebb__gradient_node(refreshed) : NULL;
}

const char *ebb_node_name(const ebb_node *n) { return n && n->name ? n->name : ""; }
const struct ebb_op *ebb_node_op(const ebb_node *n) { return n ? n->op : NULL; }
const void *ebb_node_attrs(const ebb_node *n) { return n ? ebb__node_attrs(n) : NULL; }
uint64_t ebb_node_sequence(const ebb_node *n) { return n ? n->sequence : 0; }
const char *ebb_node_file(const ebb_node *n) { return n && n->file ? n->file : ""; }
int ebb_node_line(const ebb_node *n) { return n ? n->line : 0; }
int64_t ebb_node_n_inputs(const ebb_node *n) { return n ? n->n_in : 0; }
int64_t ebb_node_n_outputs(const ebb_node *n) { return n ? n->n_out : 0; }

ebb_node *ebb_node_input(const ebb_node *n, int64_t i) {
    return n && i >= 0 && i < n->n_in ? ebb__node_edges(n)[i].node : NULL;
}

int64_t ebb_node_input_output(const ebb_node *n, int64_t i) {
    return n && i >= 0 && i < n->n_in ? ebb__node_edges(n)[i].nr : 0;
}

ebb_tensor *ebb_node_variable(const ebb_node *n) { return n && n->flags & EBB__NODE_LEAF ? ebb__leaf_tensor(n) : NULL; }

ebb_dims ebb_node_output_shape(const ebb_node *n, int64_t i) {
    if (!n || i < 0 || i >= n->n_out) return EBB_NO_DIMS;
    struct ebb__meta m = ebb__node_meta(n, (uint32_t)i);
    return ebb__dims(m.ndim, m.sizes);
}

ebb_dtype ebb_node_output_dtype(const ebb_node *n, int64_t i) {
    return n && i >= 0 && i < n->n_out ? ebb__node_meta(n, (uint32_t)i).dtype : EBB_DTYPE_NONE;
}

const char *ebb_node_output_name(const ebb_node *n, int64_t i) {
    if (!n || i < 0 || i >= n->n_out) return "";
    if (n->flags & EBB__NODE_LEAF) return ebb_tensor_name(ebb__leaf_tensor(n));
    return ebb__node_output_name(n, (uint32_t)i);
}
