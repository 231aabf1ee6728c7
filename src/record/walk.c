/* Walking the recorded graph from outside. */
#include "record/call.h"
#include <string.h>

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

void ebb_node_drop(ebb_node *n) { ebb__node_unref(n); }

ebb_node *ebb_node_keep(ebb_node *n) {
    if (n) ebb__node_ref(n);
    return n;
}

ebb_edge ebb_gradient_edge(const ebb_tensor *t) {
    ebb_node *n = ebb_tensor_gradient_node(t);
    return (ebb_edge){n, n && t->grad_fn ? t->output_nr : 0};
}

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

/* ---- what is saved ---- */

/* The i-th saved value: slots that only keep a shape are not counted. */
static const struct ebb__saved *saved_value(const ebb_node *n, int64_t i) {
    if (!n || i < 0) return NULL;
    const struct ebb__saved *s = ebb__node_saved(n);
    for (uint32_t k = 0; k < n->n_saved; k++, s++)
        if (ebb__saved_kind(s) != EBB__SAVED_META && i-- == 0) return s;
    return NULL;
}

int64_t ebb_node_n_saved(const ebb_node *n) {
    int64_t count = 0;
    while (saved_value(n, count)) count++;
    return count;
}

const char *ebb_node_saved_name(const ebb_node *n, int64_t i) {
    const struct ebb__saved *s = saved_value(n, i);
    if (!s) return "";
    uint32_t index = ebb__saved_index(s);
    const char *output = ebb_op_output_name(n->op, index);
    if (ebb__saved_kind(s) == EBB__SAVED_OUT) return output ? output : "result";
    return n->op->in[ebb__op_input(n->op, n->n_in, index)].name;
}

ebb_tensor *(ebb_node_saved)(ebb_node *n, int64_t i) {
    static const char op[] = "node_saved";
    if (!n) {
        ebb__fail_null(op, "node");
        return NULL;
    }
    const struct ebb__saved *s = saved_value(n, i);
    if (!s) {
        ebb__fail_op(op, EBB_ERR_INDEX, "%s saves %lld tensors, number %lld was asked for", n->name,
                     (long long)ebb_node_n_saved(n), (long long)i);
        return NULL;
    }
    if (n->flags & EBB__NODE_RELEASED) {
        ebb__fail_released(n);
        return NULL;
    }
    bool owned;
    ebb_tensor *t = ebb__saved_get(n, s, &owned);
    if (t && !owned) ebb__ref(t);
    return t ? ebb__own(t) : NULL;
}

ebb_tensor *(ebb_node_saved_named)(ebb_node *n, const char *name) {
    for (int64_t i = 0; name && saved_value(n, i); i++)
        if (!strcmp(ebb_node_saved_name(n, i), name)) return (ebb_node_saved)(n, i);
    ebb__fail_op("node_saved_named", EBB_ERR_NAME, "%s does not save \"%s\"", n ? n->name : "no node",
                 name ? name : "");
    return NULL;
}
