/* What errors and reports say of a node's saved tensors: which they are, what they are called, and what became of
 * them. */
#include "record/call.h"
#include <string.h>

/* ---- names of tensors that were computed: kept by the node too, which may outlive the tensor ---- */

ebb_status ebb__node_set_name(ebb_node *n, uint32_t nr, const char *name) {
    struct ebb__node_extra *x = ebb__node_extra(n);
    if (!x) return ebb_error_status();
    struct ebb__node_name *e = x->names;
    while (e && e->nr != nr) e = e->next;
    if (!e) {
        if (!(e = ebb__alloc(sizeof *e))) return ebb_error_status();
        e->next = x->names;
        e->nr = nr;
        x->names = e;
    }
    snprintf(e->text, sizeof e->text, "%s", name);
    return EBB_OK;
}

const char *ebb__node_output_name(const ebb_node *n, uint32_t nr) {
    if (n->flags & EBB__NODE_LEAF) return ebb_tensor_name(ebb__leaf_tensor(n));
    const struct ebb__node_name *e = n->extra ? n->extra->names : NULL;
    while (e && e->nr != nr) e = e->next;
    return e ? e->text : "";
}

/* ---- a saved tensor in words ---- */

/* The node and output that a saved tensor is, whose shape and name stay known when the tensor is gone; NULL for an
 * input that needs no gradient. */
static const ebb_node *origin(const ebb_node *n, const struct ebb__saved *s, uint32_t *ret_nr) {
    *ret_nr = ebb__saved_index(s);
    if (ebb__saved_kind(s) == EBB__SAVED_OUT) return n;
    const struct ebb__edge *e = &ebb__node_edges(n)[*ret_nr];
    *ret_nr = e->nr;
    return e->node;
}

const char *ebb__saved_name(const ebb_node *n, const struct ebb__saved *s) {
    uint32_t nr;
    const ebb_node *from = origin(n, s, &nr);
    const char *name = from ? ebb__node_output_name(from, nr) : "";
    return name[0] || n->flags & EBB__NODE_RELEASED ? name : ebb_tensor_name(s->t);
}

char *ebb__saved_text(char text[EBB__SAVED_TEXT], const ebb_node *n, const struct ebb__saved *s) {
    uint32_t nr, index = ebb__saved_index(s);
    const ebb_node *from = origin(n, s, &nr);
    bool output = ebb__saved_kind(s) == EBB__SAVED_OUT;
    int64_t declared = output ? index : ebb__op_input(n->op, n->n_in, index), first = 0;
    const char *role = output ? ebb_op_output_name(n->op, declared) : n->op->in[declared].name,
               *name = ebb__saved_name(n, s);
    const ebb_tensor *t = n->flags & EBB__NODE_RELEASED ? NULL : s->t;
    size_t at = (size_t)snprintf(text, EBB__SAVED_TEXT, "%.40s", role ? role : output ? "its result" : "an input");
    if (!output && ebb__is_list(n->op->in[declared].kind)) {
        ebb__op_given(n->op, n->n_in, declared, &first);
        at += (size_t)snprintf(text + at, EBB__SAVED_TEXT - at, "[%d]", (int)(index - first));
    }
    if (name[0]) at += (size_t)snprintf(text + at, EBB__SAVED_TEXT - at, " \"%s\"", name);
    if (!from && !t) return text;
    struct ebb__meta m = t ? (struct ebb__meta){(ebb_dtype)t->dtype, t->ndim, t->dims} : ebb__node_meta(from, nr);
    char shape[EBB__SHAPE_TEXT];
    snprintf(text + at, EBB__SAVED_TEXT - at, " %s %s", ebb_dtype_name(m.dtype),
             ebb__shape_text(shape, m.ndim, m.sizes));
    return text;
}

/* ---- what can be wrong with one ---- */

/* Errors of saved tensors are those of the line that saved them. */
static void at_node(const ebb_node *n) {
    ebb__thread.file = n->file;
    ebb__thread.line = n->line;
}

ebb_status ebb__fail_overwritten(const ebb_node *n, const struct ebb__saved *s) {
    char what[EBB__SAVED_TEXT], writer[EBB__WRITER_TEXT];
    uint32_t now = ebb__version(s->t);
    at_node(n);
    return ebb__fail_op(
        n->name, EBB_ERR_VERSION,
        "%s, which the gradient needs, was saved here by %s at version %u and overwritten in place%s %s (version %u)",
        ebb__saved_text(what, n, s), n->op->name, s->version, now - s->version > 1 ? " since, last" : "",
        ebb__writer_text(writer, s->t), now);
}

/* "self "h" float32 [3] and other float32 [3]", without shapes only. */
static void saved_values(char *text, size_t size, const ebb_node *n) {
    const struct ebb__saved *s = ebb__node_saved(n);
    uint32_t total = 0, done = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < n->n_saved; i++) total += ebb__saved_kind(&s[i]) != EBB__SAVED_META;
    text[0] = 0;
    for (uint32_t i = 0; i < n->n_saved && at < size; i++) {
        char one[EBB__SAVED_TEXT];
        if (ebb__saved_kind(&s[i]) == EBB__SAVED_META) continue;
        const char *before = done == 0 ? "" : done + 1 == total ? " and " : ", ";
        at += (size_t)snprintf(text + at, size - at, "%s%s", before, ebb__saved_text(one, n, &s[i]));
        done++;
    }
}

ebb_status ebb__fail_released(const ebb_node *n) {
    char what[512], pass[EBB__WRITER_TEXT] = "";
    const struct ebb__saved *s = ebb__node_saved(n);
    while (ebb__saved_kind(s) == EBB__SAVED_META) s++;
    saved_values(what, sizeof what, n);
    if (s->released_file && s->released_file[0]) snprintf(pass, sizeof pass, " at %s:%u", s->released_file, s->version);
    at_node(n);
    return ebb__fail_op(n->name, EBB_ERR_FREED,
                        "backward a second time: %s, saved here by %s, %s released by the first pass%s; give "
                        ".retain_graph = true to that one",
                        what, n->op->name, strstr(what, " and ") ? "were" : "was", pass);
}
