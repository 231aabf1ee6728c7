/* Forward mode of an expression: one evaluation for each variable, whose elements move at rate 1. */
#include "explain/expression.h"
#include <ebb/ops.h>

#include <math.h>

/* The tangents of the first results of the expression's calls, while its level is open. */
struct seen {
    struct ebb__report *r;
    ebb_tensor **by_call; /* [r->n_calls] */
    int64_t n;
};

static void called(void *context, int32_t id, const char *name, ebb_args args, ebb_list results) {
    struct seen *s = context;
    ebb_tensor *tangent = NULL;
    int64_t i = s->n++;
    (void)id;
    (void)name;
    (void)args;
    if (i >= s->r->n_calls || !results.n || ebb_error() || !(ebb_unpack_dual)(results.t[0], &tangent)) return;
    if (tangent) s->by_call[i] = ebb__report_keep(s->r, ebb__copy_kept(tangent));
}

static double sum_of(ebb_tensor *t) { return t ? (ebb_item)(ebb_sum(ebb_to(t, EBB_F64))) : 0; }

static ebb_status evaluate(struct ebb__report *r, const struct ebb__expression *e, int64_t v, ebb_tensor **tensors,
                           struct ebb__report_tangents *t) {
    struct seen seen = {r, ebb__arena_get(&r->arena, (size_t)r->n_calls * sizeof(ebb_tensor *)), 0};
    const struct ebb__observer observer = {.called = called, .context = &seen};
    ebb_tensor *own = NULL;
    if (!seen.by_call) return ebb_error_status();
    ebb_scope scope = ebb_scope_open();
    ebb_dual_level level = ebb_dual_level_open();
    for (int64_t i = 0; i < e->n; i++) tensors[i] = e->tensors[i];
    tensors[v] = (ebb_make_dual)(e->tensors[v], ebb_ones_like(e->tensors[v]));
    ebb_tensor *root = tensors[v] ? ebb__expression_value(e, tensors, &observer) : NULL;
    if (root) (void)(ebb_unpack_dual)(root, &own);
    ebb_status status = ebb_error_status();
    if (!status) t->sum = sum_of(own);
    if (!status) t->values[t->node] = ebb__report_keep(r, ebb_keep(ebb_ones_like(r->nodes[t->node].out[0].value)));
    for (int64_t i = 0; i < r->n_nodes; i++)
        if (r->nodes[i].call >= 0) t->values[i] = seen.by_call[r->nodes[i].call];
    ebb_dual_level_close(&level);
    ebb_scope_close(&scope);
    return status ? status : ebb_error_status();
}

ebb_status ebb__report_forward_mode(struct ebb__report *r, const struct ebb__expression *e) {
    ebb_tensor **tensors = ebb__arena_get(&r->arena, (size_t)e->n * sizeof(ebb_tensor *));
    r->tangents = ebb__arena_get(&r->arena, (size_t)e->n * sizeof *r->tangents);
    if (!tensors || !r->tangents) return ebb_error_status();
    for (int32_t i = 0; i < r->n_nodes; i++) {
        if (r->nodes[i].kind != EBB__VARIABLE) continue;
        for (int64_t v = 0; v < e->n; v++) {
            if (e->tensors[v] != ebb_node_variable(r->nodes[i].node)) continue;
            if (r->n_tangents == EBB__TANGENTS_MOST) {
                r->tangents_left++;
                continue;
            }
            struct ebb__report_tangents *t = &r->tangents[r->n_tangents++];
            *t = (struct ebb__report_tangents){.node = i};
            t->values = ebb__arena_get(&r->arena, (size_t)r->n_nodes * sizeof(ebb_tensor *));
            if (!t->values || evaluate(r, e, v, tensors, t)) return ebb_error_status();
            t->expected = sum_of(r->nodes[i].out[0].gradient);
            t->away = fabs(t->sum - t->expected) / fmax(1, fabs(t->expected));
            if (isnan(t->sum) && isnan(t->expected)) continue;
            r->tangents_checked = true;
            r->tangents_worst = ebb__worse(r->tangents_worst, t->away);
        }
    }
    return EBB_OK;
}
