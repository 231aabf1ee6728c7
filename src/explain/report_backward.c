/* A backward pass, observed by hooks: in which order nodes get their gradients, and what their rules make of them. */
#include "explain/report.h"
#include <ebb/ops.h>

#include <string.h>

struct watching {
    struct ebb__report *r;
    struct ebb__pointers ids;   /* of the graph's nodes */
    struct ebb__pointers steps; /* the step of each node that got a gradient */
    ebb_status status;          /* hooks cannot fail */
};

/* ---- what arrives ---- */

static struct ebb__shown derivative(struct ebb__report *r, const struct ebb__shown *name) {
    const struct ebb__shown *root = &ebb__report_of(r, r->root, r->root_output)->name;
    return (struct ebb__shown){{ebb__arena_print(&r->arena, "d%s/d%s", root->in[EBB__UNICODE], name->in[EBB__UNICODE]),
                                ebb__arena_print(&r->arena, "\\frac{\\partial %s}{\\partial %s}", root->in[EBB__LATEX],
                                                 name->in[EBB__LATEX])}};
}

static struct ebb__report_step *new_step(struct ebb__report *r, int32_t id) {
    const struct ebb__report_node *n = &r->nodes[id];
    if (!ebb__array_grow(&r->steps, &r->steps_room, r->n_steps + 1, sizeof *r->steps)) return NULL;
    struct ebb__report_step *s = &r->steps[r->n_steps];
    *s = (struct ebb__report_step){.node = id};
    s->symbol = ebb__arena_get(&r->arena, (size_t)n->n_out * sizeof *s->symbol);
    s->upstream = ebb__arena_get(&r->arena, (size_t)n->n_out * sizeof(ebb_tensor *));
    if (!s->symbol || !s->upstream) return NULL;
    for (int64_t k = 0; k < n->n_out; k++) s->symbol[k] = derivative(r, &n->out[k].name);
    r->n_steps++;
    return s;
}

static void arrived(void *context, const ebb_node *node, int64_t k, ebb_tensor *grad) {
    struct watching *w = context;
    int64_t id = ebb__pointers_find(&w->ids, node), step = ebb__pointers_find(&w->steps, node);
    if (w->status || id < 0) return;
    if (step < 0) {
        step = w->r->n_steps;
        if (!new_step(w->r, (int32_t)id) || !ebb__pointers_set(&w->steps, node, step)) w->status = ebb_error_status();
    }
    if (w->status) return;
    ebb_tensor *copy = ebb__report_keep(w->r, ebb__copy_kept(grad));
    w->r->steps[step].upstream[k] = copy;
    w->r->nodes[id].out[k].gradient = copy;
    if (!copy) w->status = ebb_error_status();
}

struct leaf {
    struct watching *w;
    const ebb_node *node;
    ebb_hook hook;
};

static ebb_tensor *leaf_arrived(ebb_tensor *grad, void *context) {
    struct leaf *l = context;
    arrived(l->w, l->node, 0, grad);
    return NULL;
}

/* ---- the pass ---- */

static ebb_status pass(struct watching *w, const struct ebb__report_source *s) {
    struct ebb__report *r = w->r;
    struct leaf *leaves = ebb__arena_get(&r->arena, (size_t)r->n_nodes * sizeof *leaves);
    ebb_tensor **inputs = ebb__arena_get(&r->arena, (size_t)r->n_nodes * sizeof *inputs),
               **grads = ebb__arena_get(&r->arena, (size_t)r->n_nodes * sizeof *grads);
    int64_t n = 0;
    if (!leaves || !inputs || !grads) return ebb_error_status();
    for (int64_t i = 0; i < r->n_nodes; i++) {
        if (r->nodes[i].kind != EBB__VARIABLE) continue;
        inputs[n] = ebb_node_variable(r->nodes[i].node);
        leaves[n] = (struct leaf){w, r->nodes[i].node, 0};
        leaves[n].hook = (ebb_register_hook)(inputs[n], leaf_arrived, &leaves[n], NULL);
        n++;
    }
    s->trace->arrived = arrived;
    s->trace->context = w;
    ebb_tensor *one = r->summed_root ? ebb_ones_like(s->root) : NULL;
    ebb_status status = ebb_error_status();
    if (!status)
        status = (ebb_grad)((ebb_list){1, &s->root}, (ebb_list){n, inputs}, grads,
                            (ebb_grad_options){
                                .grad_outputs = {r->summed_root, &one}, .retain_graph = true, .allow_unused = true});
    s->trace->arrived = NULL;
    for (int64_t i = 0; i < n; i++)
        if (leaves[i].hook) ebb_remove_hook(leaves[i].hook);
    return status ? status : w->status;
}

/* ---- rules ---- */

/* The tensors of one call of a rule. Those whose values are not known are stand-ins. */
struct call {
    ebb_tensor **in, **out, **grad, **given;
    bool *needs;
    bool known; /* everything that the rule reads */
};

static ebb_tensor *tensor_of(const struct ebb__report_output *o, bool *ret_known) {
    *ret_known = o->value != NULL;
    return o->value ? o->value : ebb_zeros(o->shape, .dtype = o->dtype);
}

static bool fill(struct ebb__report *r, const struct ebb__report_step *s, struct call *c) {
    const struct ebb__report_node *n = &r->nodes[s->node];
    ebb_tensor **room = ebb__arena_get(&r->arena, (size_t)(2 * n->n_in + 2 * n->n_out) * sizeof *room);
    *c = (struct call){room,
                       room + n->n_in,
                       room + n->n_in + n->n_out,
                       room + n->n_in + 2 * n->n_out,
                       ebb__arena_get(&r->arena, (size_t)n->n_in * sizeof(bool)),
                       true};
    if (!room || !c->needs) return false;
    uint32_t reads = 0;
    int64_t entry;
    bool known;
    for (int64_t i = 0; i < n->n_in; i++) {
        c->needs[i] = n->in[i].gradient;
        if (c->needs[i]) reads |= n->op->saves[ebb__formula_declared(n->op, n->n_in, i, &entry)];
    }
    for (int64_t i = 0; i < n->n_in; i++) {
        if (n->in[i].node < 0) continue;
        c->in[i] = tensor_of(ebb__report_of(r, n->in[i].node, n->in[i].output), &known);
        if (reads & EBB_IN(ebb__formula_declared(n->op, n->n_in, i, &entry))) c->known = c->known && known;
    }
    for (int64_t k = 0; k < n->n_out; k++) {
        c->out[k] = tensor_of(&n->out[k], &known);
        if (k < EBB_OP_MAX_OUT && reads & EBB_OUT(k)) c->known = c->known && known;
        c->grad[k] = s->upstream[k];
        if (!c->grad[k] && ebb_dtype_is_floating(n->out[k].dtype) && (n->n_out == 1 || !n->op->undefined_grads))
            c->grad[k] = ebb_zeros(n->out[k].shape, .dtype = n->out[k].dtype);
    }
    return !ebb_error();
}

/* Over which dimensions a gradient of shape `from` is summed for an input of shape `to`. */
static ebb_dims summed_over(ebb_dims from, ebb_dims to) {
    ebb_dims over = {0, {0}};
    for (int i = 0; i < from.n; i++) {
        int k = i - (from.n - to.n);
        if (k < 0 || (to.d[k] == 1 && from.d[i] != 1)) over.d[over.n++] = i;
    }
    return over;
}

static ebb_tensor *fit(const struct ebb__report_give *g, const struct ebb__report_output *to, ebb_tensor *t) {
    if (g->summed.n) t = ebb_sum(t, .dim = g->summed, .keepdim = true);
    if (g->summed.n) t = ebb_reshape(t, to->shape);
    return ebb_to(t, to->dtype);
}

/* What the rule gave for input i, and what has come together there so far. */
static bool give(struct ebb__report *r, struct ebb__report_step *s, int64_t i, ebb_tensor *given) {
    const struct ebb__report_input *in = &r->nodes[s->node].in[i];
    struct ebb__report_output *to = ebb__report_of(r, in->node, in->output);
    struct ebb__report_give *g = &s->gives[s->n++];
    *g = (struct ebb__report_give){.input = (int32_t)i, .to = in->node, .output = in->output};
    g->symbol = derivative(r, &to->name);
    g->shape = given ? ebb_tensor_shape(given) : to->shape;
    g->summed = summed_over(g->shape, to->shape);
    g->arrival = ++to->arrived;
    if (!given) return true;
    g->value = ebb__report_keep(r, ebb_keep(fit(g, to, given)));
    if (!g->value) return false;
    if (g->arrival > 1 && to->sum) g->total = ebb__report_keep(r, ebb_keep(ebb_add(to->sum, g->value)));
    to->sum = g->total ? g->total : g->value;
    return true;
}

static bool run_rule(struct ebb__report *r, struct ebb__report_step *s) {
    struct ebb__report_node *n = &r->nodes[s->node];
    struct call c;
    s->gives = ebb__arena_get(&r->arena, (size_t)n->n_in * sizeof *s->gives);
    if (!s->gives || !fill(r, s, &c)) return false;
    struct ebb_vjp_call v = {.op = n->op,
                             .attrs = ebb_node_attrs(n->node),
                             .n_in = n->n_in,
                             .grad = c.grad,
                             .in = c.in,
                             .out = c.out,
                             .n_out = n->n_out,
                             .needs = c.needs,
                             .given = c.given};
    if (c.known) n->op->vjp(&v);
    const struct ebb__formula_call call = {n->op, v.attrs, c.in, n->n_in, c.out, c.grad, n->n_out};
    for (int64_t i = 0; i < n->n_in && !ebb_error(); i++) {
        if (!c.needs[i] || n->in[i].node < 0) continue;
        if (give(r, s, i, c.given[i])) (void)ebb__report_formula(r, s, &s->gives[s->n - 1], &call);
    }
    return !ebb_error();
}

ebb_status ebb__report_backward(struct ebb__report *r, const struct ebb__report_source *source) {
    struct watching w = {.r = r};
    bool ok = true;
    for (int64_t i = 0; i < r->n_nodes && ok; i++)
        if (r->nodes[i].node) ok = ebb__pointers_set(&w.ids, r->nodes[i].node, i);
    ebb_status status = ok ? pass(&w, source) : ebb_error_status();
    ebb__pointers_free(&w.ids);
    ebb__pointers_free(&w.steps);
    ebb_grad_mode mode = ebb_grad_mode_open(false);
    for (int64_t i = 0; i < r->n_steps && !status; i++) {
        ebb_scope scope = ebb_scope_open();
        if (r->nodes[r->steps[i].node].kind == EBB__OPERATION && !run_rule(r, &r->steps[i]))
            status = ebb_error_status();
        ebb_scope_close(&scope);
    }
    ebb_grad_mode_close(&mode);
    return status;
}
