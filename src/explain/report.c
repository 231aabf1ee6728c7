/* Building the report of a graph: its nodes in the order of computation, what flows between them, what they hold. */
#include "explain/report.h"
#include <ebb/ops.h>

#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

ebb_tensor *ebb__report_keep(struct ebb__report *r, ebb_tensor *t) {
    if (!t) return NULL;
    if (!ebb__array_grow(&r->kept, &r->kept_room, r->n_kept + 1, sizeof(ebb_tensor *))) return ebb_drop(t);
    return r->kept[r->n_kept++] = t;
}

void ebb__report_free(struct ebb__report *r) {
    for (int64_t i = 0; i < r->n_kept; i++) (void)ebb_drop(r->kept[i]);
    ebb__array_free(r->kept, r->kept_room, sizeof(ebb_tensor *));
    ebb__array_free(r->steps, r->steps_room, sizeof *r->steps);
    ebb__arena_free(&r->arena);
    *r = (struct ebb__report){0};
}

const char *ebb__report_shape(struct ebb__arena *a, ebb_dims shape) {
    const char *text = "(";
    for (int i = 0; i < shape.n && text; i++)
        text = ebb__arena_print(a, "%s%s%lld", text, i ? "×" : "", (long long)shape.d[i]);
    text = text ? ebb__arena_print(a, "%s)", text) : NULL;
    return text ? text : "";
}

const char *ebb__report_list(struct ebb__arena *a, ebb_dims dims) {
    const char *text = "";
    for (int i = 0; i < dims.n && text; i++)
        text = ebb__arena_print(a, "%s%s%lld", text, i ? ", " : "", (long long)dims.d[i]);
    return text ? text : "";
}

/* ---- gathering ---- */

/* The graph's nodes: leaves in the order in which they are met, then operations as they were recorded. */
struct gathered {
    const ebb_node **list;
    int64_t n, room;
    struct ebb__addresses places;
};

static bool add(struct gathered *g, const ebb_node *node) {
    if (ebb__addresses_find(&g->places, node) >= 0) return true;
    if (!ebb__array_grow(&g->list, &g->room, g->n + 1, sizeof *g->list)) return false;
    g->list[g->n] = node;
    return ebb__addresses_set(&g->places, node, g->n++);
}

static int by_sequence(const void *a, const void *b) {
    const ebb_node *x, *y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    bool leaf_x = ebb_node_variable(x) != NULL, leaf_y = ebb_node_variable(y) != NULL;
    if (leaf_x != leaf_y) return leaf_x ? -1 : 1;
    uint64_t i = ebb_node_sequence(x), k = ebb_node_sequence(y);
    return leaf_x ? 0 : i < k ? -1 : i > k;
}

/* In the order of the list, since qsort need not keep that of equals. */
static void leaves_first(struct gathered *g, const ebb_node **sorted) {
    int64_t at = 0;
    for (int64_t i = 0; i < g->n; i++)
        if (ebb_node_variable(g->list[i])) sorted[at++] = g->list[i];
    int64_t leaves = at;
    for (int64_t i = 0; i < g->n; i++)
        if (!ebb_node_variable(g->list[i])) sorted[at++] = g->list[i];
    qsort(sorted + leaves, (size_t)(g->n - leaves), sizeof *sorted, by_sequence);
}

static bool gather(struct ebb__report *r, struct gathered *g, const struct ebb__report_source *s) {
    struct gathered found = {0};
    const ebb_node *root = ebb_tensor_gradient_node(s->root);
    bool ok = add(&found, root);
    for (int64_t i = 0; i < found.n && ok; i++)
        for (int64_t k = 0; k < ebb_node_n_inputs(found.list[i]) && ok; k++)
            if (ebb_node_input(found.list[i], k)) ok = add(&found, ebb_node_input(found.list[i], k));
    for (int64_t i = 0; i < s->order.n && ok; i++) { /* only those that are there */
        const ebb_node *leaf = s->order.t[i] ? ebb_tensor_gradient_node(s->order.t[i]) : NULL;
        if (leaf && ebb__addresses_find(&found.places, leaf) >= 0) ok = add(g, leaf);
    }
    const ebb_node **sorted = ok ? ebb__arena_get(&r->arena, (size_t)found.n * sizeof *sorted) : NULL;
    if (sorted) leaves_first(&found, sorted);
    for (int64_t i = 0; sorted && ok && i < found.n; i++) ok = add(g, sorted[i]);
    ebb__array_free(found.list, found.room, sizeof *found.list);
    ebb__addresses_free(&found.places);
    return ok && sorted;
}

static void ungather(struct gathered *g) {
    ebb__array_free(g->list, g->room, sizeof *g->list);
    ebb__addresses_free(&g->places);
}

/* ---- nodes ---- */

struct building {
    struct ebb__report *r;
    const struct ebb__report_source *source;
    struct gathered graph;
    struct ebb__addresses ids;       /* of nodes of the graph in the report */
    struct ebb__addresses outputs;   /* of nodes that are left out: which output of the node in their place */
    struct ebb__addresses constants; /* of tensors */
};

static struct ebb__report_output *outputs(struct ebb__report *r, struct ebb__report_node *n, int64_t n_out) {
    n->out = ebb__arena_get(&r->arena, (size_t)n_out * sizeof *n->out);
    if (n->out) n->n_out = n_out;
    return n->out;
}

/* Which output of which of the report's nodes the output of a node is; id -1: none. */
static void resolve(const struct building *b, const ebb_node *node, int64_t output, int32_t *ret_id,
                    int32_t *ret_output) {
    int64_t other = ebb__addresses_find(&b->outputs, node);
    *ret_id = (int32_t)ebb__addresses_find(&b->ids, node);
    *ret_output = (int32_t)(other >= 0 ? other : output);
}

static bool same_line(const ebb_node *a, const ebb_node *b) {
    return ebb_node_line(a) == ebb_node_line(b) && strcmp(ebb_node_file(a), ebb_node_file(b)) == 0;
}

static bool is_one_of(const ebb_node *node, const char *const *names) {
    const struct ebb_op *op = ebb_node_op(node);
    for (; op && *names; names++)
        if (strcmp(op->name, *names) == 0) return true;
    return false;
}

/* Whether a node is a view of all its input in the input's shape. */
static bool is_same(const struct building *b, const ebb_node *node) {
    static const char *const views[] = {"expand", "view", "reshape_alias", "unsafe_view", NULL};
    const ebb_node *from = ebb_node_n_inputs(node) == 1 ? ebb_node_input(node, 0) : NULL;
    const struct ebb__traced *traced = ebb__trace_find(b->source->trace, node);
    int32_t id, output;
    bool moves = !is_one_of(node, views);
    if (moves && traced && traced->n_in == 1 && traced->n_out == 1 && traced->in[0] && traced->out[0])
        moves = ebb_tensor_data(traced->in[0]) != ebb_tensor_data(traced->out[0]) ||
                !ebb__same_dims(ebb_tensor_strides(traced->in[0]), ebb_tensor_strides(traced->out[0]));
    if (!from || moves) return false;
    resolve(b, from, ebb_node_input_output(node, 0), &id, &output);
    return id >= 0 && ebb__same_dims(ebb__report_of(b->r, id, output)->shape, ebb_node_output_shape(node, 0));
}

/* What a composition does to shapes that fit already is left out: matmul expands batches to themselves, and views its
 * product as what it is. Where nobody watched, those are known beside a product, by the line. */
static bool is_left_out(const struct building *b, int64_t at) {
    enum { NEAR = 8 }; /* parts of a call lie beside each other */
    const ebb_node *node = b->graph.list[at];
    static const char *const products[] = {"bmm", "mm", "mv", NULL};
    const struct ebb__traced *traced = ebb__trace_find(b->source->trace, node);
    if (!is_same(b, node)) return false;
    const ebb_node *from = ebb_node_input(node, 0);
    if (node == ebb_tensor_gradient_node(b->source->root) && ebb_node_variable(from)) return false;
    if (traced) return traced->parts_of != NULL;
    if (is_one_of(from, products)) return same_line(node, from) && strcmp(ebb_node_op(node)->name, "unsafe_view") == 0;
    for (int64_t i = at + 1; i < b->graph.n && i < at + NEAR; i++) {
        const ebb_node *product = b->graph.list[i];
        if (!is_one_of(product, products) || !same_line(product, node)) continue;
        for (int64_t k = 0; k < ebb_node_n_inputs(product); k++) {
            const ebb_node *view = ebb_node_input(product, k);
            for (int far = 0; view && far < 2; far++) {
                if (view == node) return true;
                view = ebb_node_n_inputs(view) == 1 ? ebb_node_input(view, 0) : NULL;
            }
        }
    }
    return false;
}

static bool leave_out(struct building *b, const ebb_node *node) {
    int32_t id, output;
    resolve(b, ebb_node_input(node, 0), ebb_node_input_output(node, 0), &id, &output);
    struct ebb__report_node *in = &b->r->nodes[id];
    if (in->kind == EBB__OPERATION && strcmp(ebb_node_op(node)->name, "unsafe_view") == 0) in->last = node;
    return ebb__addresses_set(&b->ids, node, id) && ebb__addresses_set(&b->outputs, node, output);
}

static bool add_variable(struct building *b, struct ebb__report_node *n, const ebb_node *node) {
    ebb_tensor *t = ebb_node_variable(node);
    *n = (struct ebb__report_node){.kind = EBB__VARIABLE, .node = node, .last = node, .attributes = "", .file = ""};
    if (!outputs(b->r, n, 1)) return false;
    n->out[0] = (struct ebb__report_output){.role = "", .dtype = ebb_tensor_dtype(t), .shape = ebb_tensor_shape(t)};
    n->out[0].value = ebb__report_keep(b->r, ebb__copy_kept(t));
    return n->out[0].value != NULL;
}

static bool add_constant(struct building *b, ebb_tensor *t, int32_t *ret_id) {
    struct ebb__report *r = b->r;
    int64_t known = ebb__addresses_find(&b->constants, t);
    *ret_id = (int32_t)known;
    if (known >= 0) return true;
    struct ebb__report_node *n = &r->nodes[r->n_nodes];
    *n = (struct ebb__report_node){
        .kind = EBB__CONSTANT, .number = ebb_tensor_is_number(t), .attributes = "", .file = ""};
    if (!outputs(r, n, 1)) return false;
    n->out[0] = (struct ebb__report_output){.role = "", .dtype = ebb_tensor_dtype(t), .shape = ebb_tensor_shape(t)};
    n->out[0].value = ebb__report_keep(r, n->number ? ebb_keep(t) : ebb__copy_kept(t)); /* a copy is no number */
    const char *name = b->source->name_of ? b->source->name_of(b->source->context, NULL, 0, t) : NULL;
    if (!name && ebb_tensor_name(t)[0]) name = ebb_tensor_name(t);
    if (name) n->out[0].name.in[EBB__UNICODE] = ebb__arena_copy(&r->arena, name, strlen(name));
    *ret_id = (int32_t)r->n_nodes;
    return n->out[0].value && ebb__addresses_set(&b->constants, t, r->n_nodes++);
}

/* The constant among the values given that a tensor is a view of in its own shape; else the tensor. */
static ebb_tensor *whole_of(const struct building *b, ebb_tensor *given) {
    for (int64_t i = 0; i < b->source->order.n; i++) {
        ebb_tensor *t = b->source->order.t[i];
        if (t && !ebb_tensor_requires_grad(t) && ebb_tensor_data(t) == ebb_tensor_data(given) &&
            ebb_tensor_dtype(t) == ebb_tensor_dtype(given) && ebb_tensor_numel(t) > 0 &&
            ebb__same_dims(ebb_tensor_shape(t), ebb_tensor_shape(given)) &&
            ebb__same_dims(ebb_tensor_strides(t), ebb_tensor_strides(given)))
            return t;
    }
    return given;
}

static bool input(struct building *b, struct ebb__report_node *n, int64_t i, ebb_tensor *given) {
    int64_t entry;
    const ebb_node *from = ebb_node_input(n->node, i);
    int declared = ebb__formula_declared(n->op, n->n_in, i, &entry);
    n->in[i] = (struct ebb__report_input){.node = -1, .role = n->op->in[declared].name, .gradient = from != NULL};
    if (from) {
        resolve(b, from, ebb_node_input_output(n->node, i), &n->in[i].node, &n->in[i].output);
        if (n->in[i].node >= 0) ebb__report_of(b->r, n->in[i].node, n->in[i].output)->uses++;
        return true;
    }
    return !given || add_constant(b, whole_of(b, given), &n->in[i].node);
}

/* Where the derivative of relu is 1. */
static bool add_mask(struct ebb__report *r, struct ebb__report_node *n) {
    ebb_tensor *y = n->n_out ? n->out[0].value : NULL;
    bool six = strcmp(n->op->name, "relu6") == 0;
    if (!y || (!six && strcmp(n->op->name, "relu") != 0)) return true;
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *mask = ebb_gt(y, 0.0);
    if (six) mask = ebb_logical_and(mask, ebb_lt(y, 6.0));
    n->mask = ebb__report_keep(r, ebb_keep(mask));
    ebb_scope_close(&scope);
    return n->mask != NULL;
}

/* An input that the node saved, where nobody watched; NULL when it did not. */
static ebb_tensor *saved_input(const ebb_node *node, int64_t i) {
    const struct ebb_op *op = ebb_node_op(node);
    int64_t entry, n_in = ebb_node_n_inputs(node);
    if (n_in != op->n_in) return NULL; /* which entry of a list is not told */
    const char *role = op->in[ebb__formula_declared(op, n_in, i, &entry)].name;
    for (int64_t k = 0; k < ebb_node_n_saved(node); k++)
        if (strcmp(ebb_node_saved_name(node, k), role) == 0) return (ebb_node_saved)((ebb_node *)(uintptr_t)node, k);
    return NULL;
}

static bool add_operation(struct building *b, const ebb_node *node) {
    struct ebb__report *r = b->r;
    const struct ebb__traced *traced = ebb__trace_find(b->source->trace, node);
    struct ebb__report_node made = {.kind = EBB__OPERATION,
                                    .node = node,
                                    .last = node,
                                    .part_of = traced ? traced->parts_of : NULL,
                                    .op = ebb_node_op(node),
                                    .call = -1,
                                    .attributes = "",
                                    .file = ebb_node_file(node),
                                    .line = ebb_node_line(node),
                                    .n_in = ebb_node_n_inputs(node)};
    made.in = ebb__arena_get(&r->arena, (size_t)made.n_in * sizeof *made.in);
    if (!made.in || !outputs(r, &made, ebb_node_n_outputs(node))) return false;
    for (int64_t i = 0; i < made.n_in; i++) { /* constants come before what uses them */
        bool constant = !traced && !ebb_node_input(node, i);
        ebb_tensor *given = traced && i < traced->n_in ? traced->in[i] : constant ? saved_input(node, i) : NULL;
        if (ebb_error() || !input(b, &made, i, given)) return false;
    }
    for (int64_t k = 0; k < made.n_out; k++) {
        const char *role = ebb_op_output_name(made.op, k);
        made.out[k] = (struct ebb__report_output){
            .role = role ? role : "", .dtype = ebb_node_output_dtype(node, k), .shape = ebb_node_output_shape(node, k)};
        if (traced && k < traced->n_out && traced->value[k])
            made.out[k].value = ebb__report_keep(r, ebb_keep(traced->value[k]));
    }
    r->forward[r->n_forward++] = (int32_t)r->n_nodes;
    r->nodes[r->n_nodes] = made;
    return ebb__addresses_set(&b->ids, node, r->n_nodes++);
}

/* ---- what is saved ---- */

/* What an output is a view of. */
static struct ebb__report_output *storage_of(const struct ebb__report *r, int32_t id, int32_t output, bool *ret_given) {
    while (r->nodes[id].kind == EBB__OPERATION && r->nodes[id].op->view && r->nodes[id].in[0].node >= 0) {
        const struct ebb__report_input *in = &r->nodes[id].in[0];
        id = in->node;
        output = in->output;
    }
    *ret_given = r->nodes[id].kind != EBB__OPERATION;
    return ebb__report_of(r, id, output);
}

static void save(struct ebb__report *r, struct ebb__report_node *n, int32_t id, int32_t output, const char *role) {
    bool given;
    struct ebb__report_output *what = ebb__report_of(r, id, output), *of = storage_of(r, id, output, &given);
    int64_t bytes = (int64_t)ebb_dtype_size(what->dtype);
    for (int i = 0; i < what->shape.n; i++) bytes *= what->shape.d[i];
    n->saved[n->n_saved++] = (struct ebb__report_saved){id, output, role, bytes, given || of->saved};
    if (!given && !of->saved) r->saved_bytes += bytes;
    of->saved = true;
}

/* What the operator declares for those inputs that need gradients. */
static bool add_saved(struct ebb__report *r, int32_t id) {
    struct ebb__report_node *n = &r->nodes[id];
    uint32_t set = 0;
    int64_t entry;
    for (int64_t i = 0; i < n->n_in; i++)
        if (n->in[i].gradient) set |= n->op->saves[ebb__formula_declared(n->op, n->n_in, i, &entry)];
    n->saved = ebb__arena_get(&r->arena, (size_t)(n->n_in + n->n_out) * sizeof *n->saved);
    if (!n->saved) return false;
    for (int64_t i = 0; i < n->n_in; i++)
        if (n->in[i].node >= 0 && (set & EBB_IN(ebb__formula_declared(n->op, n->n_in, i, &entry))))
            save(r, n, n->in[i].node, n->in[i].output, n->in[i].role);
    for (int32_t k = 0; k < n->n_out && k < EBB_OP_MAX_OUT; k++)
        if (set & EBB_OUT(k)) save(r, n, id, k, n->out[k].role);
    return true;
}

/* ---- the report ---- */

static bool make_nodes(struct building *b) {
    struct ebb__report *r = b->r;
    const struct gathered *g = &b->graph;
    int64_t constants = 0;
    for (int64_t i = 0; i < g->n; i++)
        for (int64_t k = 0; k < ebb_node_n_inputs(g->list[i]); k++) constants += !ebb_node_input(g->list[i], k);
    r->nodes = ebb__arena_get(&r->arena, (size_t)(g->n + constants) * sizeof *r->nodes);
    r->forward = ebb__arena_get(&r->arena, (size_t)g->n * sizeof *r->forward);
    if (!r->nodes || !r->forward) return false;
    for (int64_t i = 0; i < g->n; i++) {
        const ebb_node *node = g->list[i];
        if (!ebb_node_variable(node)) {
            if (is_left_out(b, i) ? !leave_out(b, node) : !add_operation(b, node)) return false;
        } else if (!add_variable(b, &r->nodes[r->n_nodes], node) || !ebb__addresses_set(&b->ids, node, r->n_nodes++))
            return false;
    }
    return true;
}

/* The only part of a composition is it. Of several, only views are strange where one other is left. */
static void mark_parts(struct ebb__report *r) {
    for (int64_t first = 0, end; first < r->n_forward; first = end) {
        const struct ebb__report_node *n = &r->nodes[r->forward[first]];
        int64_t computing = 0;
        for (end = first; end < r->n_forward; end++) {
            const struct ebb__report_node *other = &r->nodes[r->forward[end]];
            if (other->part_of != n->part_of || (end > first && !(n->part_of && same_line(n->node, other->node))))
                break;
            computing += !ebb__only_reshapes(other->op);
        }
        for (int64_t i = first; i < end; i++) {
            struct ebb__report_node *part = &r->nodes[r->forward[i]];
            if (end - first == 1 || (computing == 1 && !ebb__only_reshapes(part->op))) part->part_of = NULL;
        }
    }
}

/* Which output of its node the root is. */
static int32_t root_output(const struct ebb__report *r, const struct ebb__report_source *source) {
    const struct ebb__report_node *n = &r->nodes[r->root];
    const struct ebb__traced *traced = ebb__trace_find(source->trace, n->node);
    ebb_dims shape = ebb_tensor_shape(source->root);
    for (int32_t k = 0; traced && k < traced->n_out; k++)
        if (traced->out[k] == source->root) return k;
    for (int32_t k = 0; k < n->n_out; k++)
        if (n->out[k].shape.n == shape.n && memcmp(n->out[k].shape.d, shape.d, (size_t)shape.n * sizeof *shape.d) == 0)
            return k;
    return 0;
}

ebb_status ebb__report_gather(struct ebb__report *r, const struct ebb__report_source *source) {
    struct building b = {.r = r, .source = source};
    const ebb_node *root = ebb_tensor_gradient_node(source->root);
    if (!root)
        return ebb_error() ? ebb_error_status()
                           : ebb__fail_said(EBB_ERR_GRAPH, "explain: nothing was recorded: the result does not require "
                                                           "gradients and was not computed from anything that does");
    bool ok = gather(r, &b.graph, source) && make_nodes(&b);
    if (ok) mark_parts(r);
    resolve(&b, root, 0, &r->root, &r->root_output);
    for (int64_t i = 0; ok && i < r->n_nodes; i++)
        if (r->nodes[i].kind == EBB__OPERATION) ok = add_saved(r, (int32_t)i);
    ungather(&b.graph);
    ebb__addresses_free(&b.ids);
    ebb__addresses_free(&b.outputs);
    ebb__addresses_free(&b.constants);
    if (!ok) return ebb_error_status();
    r->root_output = root_output(r, source);
    r->dtype = ebb_tensor_dtype(source->root);
    r->summed_root = ebb_tensor_numel(source->root) != 1;
    return EBB_OK;
}

ebb_status ebb__report_derive(struct ebb__report *r, const struct ebb__report_source *source) {
    bool ok = true;
    for (int64_t i = 0; i < r->n_nodes && ok; i++)
        if (r->nodes[i].kind == EBB__OPERATION) ok = add_mask(r, &r->nodes[i]);
    ebb_status status = ok ? ebb__report_name_all(r, source) : ebb_error_status();
    return status ? status : ebb__report_backward(r, source);
}
