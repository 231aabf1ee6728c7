/* A backward pass, observed by hooks: in which order nodes get their gradients, and what their rules make of them. */
#include "explain/report.h"
#include <ebb/ops.h>

struct watching {
    struct ebb__report *r;
    ebb_status status; /* hooks cannot fail */
};

/* One node of the report, as its hooks know it. */
struct watched {
    struct watching *w;
    int32_t id;
    int64_t step; /* -1: no gradient has arrived */
    ebb_hook before, after;
    ebb_tensor **given; /* [n_in] what the rule gave */
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

static void arrived(struct watched *n, int64_t k, ebb_tensor *grad) {
    struct ebb__report *r = n->w->r;
    if (n->w->status || !grad) return;
    if (n->step < 0) {
        n->step = r->n_steps;
        if (!new_step(r, n->id)) n->w->status = ebb_error_status();
    }
    if (n->w->status) return;
    ebb_tensor *copy = ebb__report_keep(r, ebb__copy_kept(grad));
    r->steps[n->step].upstream[k] = copy;
    r->nodes[n->id].out[k].gradient = copy;
    if (!copy) n->w->status = ebb_error_status();
}

static void before_rule(ebb_node *node, ebb_tensor **grad_outputs, void *context) {
    for (int64_t k = 0; k < ebb_node_n_outputs(node); k++) arrived(context, k, grad_outputs[k]);
}

static void after_rule(ebb_node *node, ebb_tensor **grad_inputs, ebb_tensor *const *grad_outputs, void *context) {
    struct watched *n = context;
    (void)grad_outputs;
    for (int64_t i = 0; i < ebb_node_n_inputs(node) && !n->w->status; i++) {
        if (!grad_inputs[i]) continue;
        n->given[i] = ebb__report_keep(n->w->r, ebb__copy_kept(grad_inputs[i]));
        if (!n->given[i]) n->w->status = ebb_error_status();
    }
}

static ebb_tensor *leaf_arrived(ebb_tensor *grad, void *context) {
    arrived(context, 0, grad);
    return NULL;
}

/* ---- the pass ---- */

static bool watch(struct watched *n, const struct ebb__report_node *node) {
    ebb_node *of = (ebb_node *)(uintptr_t)node->node;
    if (node->kind == EBB__VARIABLE) {
        n->before = (ebb_register_hook)(ebb_node_variable(of), leaf_arrived, n, NULL);
        return n->before != 0;
    }
    n->given = ebb__arena_get(&n->w->r->arena, (size_t)node->n_in * sizeof(ebb_tensor *));
    n->before = (ebb_node_register_prehook)(of, before_rule, n, NULL);
    n->after = (ebb_node_register_hook)(of, after_rule, n, NULL);
    return n->given && n->before && n->after;
}

static ebb_status pass(struct watching *w, struct watched *watched, const struct ebb__report_source *s) {
    struct ebb__report *r = w->r;
    ebb_tensor **inputs = ebb__arena_get(&r->arena, (size_t)r->n_nodes * sizeof *inputs),
               **grads = ebb__arena_get(&r->arena, (size_t)r->n_nodes * sizeof *grads);
    int64_t n = 0;
    bool ok = inputs && grads;
    for (int32_t i = 0; i < r->n_nodes && ok; i++) {
        watched[i] = (struct watched){w, i, -1, 0, 0, NULL};
        if (r->nodes[i].kind == EBB__VARIABLE) inputs[n++] = ebb_node_variable(r->nodes[i].node);
        if (r->nodes[i].kind != EBB__CONSTANT) ok = watch(&watched[i], &r->nodes[i]);
    }
    ebb_tensor *one = ok && r->summed_root ? ebb_ones_like(s->root) : NULL;
    ebb_status status = ebb_error_status();
    if (!status)
        status = (ebb_grad)((ebb_list){1, &s->root}, (ebb_list){n, inputs}, grads,
                            (ebb_grad_options){
                                .grad_outputs = {r->summed_root, &one}, .retain_graph = true, .allow_unused = true});
    for (int64_t i = 0; i < r->n_nodes; i++) {
        if (watched[i].before) ebb_remove_hook(watched[i].before);
        if (watched[i].after) ebb_remove_hook(watched[i].after);
    }
    return status ? status : w->status;
}

/* ---- rules ---- */

/* The tensors of one call of a rule. Those whose values are not known are stand-ins. */
struct call {
    ebb_tensor **in, **out, **grad;
};

static ebb_tensor *tensor_of(const struct ebb__report_output *o) {
    return o->value ? o->value : ebb_zeros(o->shape, .dtype = o->dtype);
}

static bool fill(struct ebb__report *r, const struct ebb__report_step *s, struct call *c) {
    const struct ebb__report_node *n = &r->nodes[s->node];
    ebb_tensor **room = ebb__arena_get(&r->arena, (size_t)(n->n_in + 2 * n->n_out) * sizeof *room);
    if (!room) return false;
    *c = (struct call){room, room + n->n_in, room + n->n_in + n->n_out};
    for (int64_t i = 0; i < n->n_in; i++)
        if (n->in[i].node >= 0) c->in[i] = tensor_of(ebb__report_of(r, n->in[i].node, n->in[i].output));
    for (int64_t k = 0; k < n->n_out; k++) {
        bool floating = ebb_dtype_is_floating(n->out[k].dtype);
        c->out[k] = tensor_of(&n->out[k]);
        c->grad[k] = s->upstream[k];
        if (!c->grad[k] && floating) c->grad[k] = ebb_zeros(n->out[k].shape, .dtype = n->out[k].dtype);
    }
    return !ebb_error();
}

/* What the rule gave for input i, and what has come together there so far. */
static bool give(struct ebb__report *r, struct ebb__report_step *s, int64_t i, ebb_tensor *given) {
    const struct ebb__report_input *in = &r->nodes[s->node].in[i];
    struct ebb__report_output *to = ebb__report_of(r, in->node, in->output);
    struct ebb__report_give *g = &s->gives[s->n++];
    *g = (struct ebb__report_give){.input = (int32_t)i, .to = in->node, .output = in->output, .value = given};
    g->symbol = derivative(r, &to->name);
    g->shape = to->shape;
    g->arrival = ++to->arrived;
    if (!given) return true;
    if (g->arrival > 1 && to->sum) {
        g->total = ebb__report_keep(r, ebb_keep(ebb_add(to->sum, given)));
        if (!g->total) return false;
    }
    to->sum = g->total ? g->total : given;
    return true;
}

static bool tell_rule(struct ebb__report *r, struct ebb__report_step *s, ebb_tensor *const *given) {
    struct ebb__report_node *n = &r->nodes[s->node];
    struct call c;
    s->gives = ebb__arena_get(&r->arena, (size_t)n->n_in * sizeof *s->gives);
    if (!s->gives || !fill(r, s, &c)) return false;
    const struct ebb__formula_call call = {n->op, ebb_node_attrs(n->node), c.in, n->n_in, c.out, c.grad, n->n_out};
    for (int64_t i = 0; i < n->n_in && !ebb_error(); i++) {
        if (!n->in[i].gradient || n->in[i].node < 0) continue;
        if (give(r, s, i, given[i])) (void)ebb__report_formula(r, s, &s->gives[s->n - 1], &call);
    }
    return !ebb_error();
}

ebb_status ebb__report_backward(struct ebb__report *r, const struct ebb__report_source *source) {
    struct watching w = {.r = r};
    struct watched *watched = ebb__arena_get(&r->arena, (size_t)r->n_nodes * sizeof *watched);
    ebb_status status = watched ? pass(&w, watched, source) : ebb_error_status();
    ebb_grad_mode mode = ebb_grad_mode_open(false);
    for (int64_t i = 0; i < r->n_steps && !status; i++) {
        struct ebb__report_step *s = &r->steps[i];
        ebb_scope scope = ebb_scope_open();
        if (r->nodes[s->node].kind == EBB__OPERATION && !tell_rule(r, s, watched[s->node].given))
            status = ebb_error_status();
        ebb_scope_close(&scope);
    }
    ebb_grad_mode_close(&mode);
    return status;
}
