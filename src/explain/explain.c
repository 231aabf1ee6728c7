/* Explaining expressions: evaluated under watch, reported, checked, written. */
#include "explain/expression.h"
#include "explain/page.h"
#include <ebb/ops.h>

#include <string.h>

/* ---- names that the expression gives ---- */

struct naming {
    const struct ebb__expression *e;
    struct ebb__trace *trace;
    struct ebb__arena arena;
    struct name {
        const char *text;
        int64_t k, next; /* of the same node */
    } * names;
    int64_t n, room;
    struct ebb__addresses calls; /* of nodes: which call of the expression it was */
    int64_t n_calls;
    struct ebb__addresses by_address; /* of nodes, and of tensors that no node computed: the last one's number */
    bool failed;
};

static void give_name(struct naming *n, const void *address, int64_t k, const char *text) {
    if (n->failed || !address) return;
    n->failed = !ebb__array_grow(&n->names, &n->room, n->n + 1, sizeof *n->names);
    if (n->failed) return;
    n->names[n->n] = (struct name){text, k, ebb__addresses_find(&n->by_address, address)};
    n->failed = !ebb__addresses_set(&n->by_address, address, n->n++);
}

static const char *name_of(void *context, const ebb_node *node, int64_t k, const ebb_tensor *t) {
    const struct naming *n = context;
    int64_t i = ebb__addresses_find(&n->by_address, node ? (const void *)node : t);
    while (i >= 0 && n->names[i].k != k) i = n->names[i].next;
    return i < 0 ? NULL : n->names[i].text;
}

/* Which output of its node a tensor is. */
static int64_t output_of(const struct ebb__trace *trace, const ebb_tensor *t) {
    const struct ebb__traced *c = ebb__trace_find(trace, ebb_tensor_grad_fn(t));
    for (int64_t k = 0; c && k < c->n_out; k++)
        if (c->out[k] == t) return k;
    return 0;
}

static void name_tensor(struct naming *n, const ebb_tensor *t, const char *name) {
    const ebb_node *node = ebb_tensor_grad_fn(t);
    if (node || !ebb_tensor_requires_grad(t))
        give_name(n, node ? (const void *)node : t, node ? output_of(n->trace, t) : 0, name);
}

/* What is in a list is called as it is reached: y[0], y.values. */
static void assigned(void *context, int32_t root, const char *name, const struct ebb__value *value) {
    struct naming *n = context;
    (void)root;
    if (value->kind == EBB__V_TENSOR) name_tensor(n, value->as.t, name);
    if (value->kind != EBB__V_LIST && value->kind != EBB__V_RESULTS) return;
    for (int64_t i = 0; i < value->n && !n->failed; i++) {
        if (value->as.list[i].kind != EBB__V_TENSOR) continue;
        const ebb_node *node = ebb_tensor_grad_fn(value->as.list[i].as.t);
        if (!node || name_of(n, node, output_of(n->trace, value->as.list[i].as.t), NULL)) continue;
        const char *part = value->names ? ebb__arena_print(&n->arena, "%s.%s", name, value->names[i])
                                        : ebb__arena_print(&n->arena, "%s[%lld]", name, (long long)i);
        if (part) name_tensor(n, value->as.list[i].as.t, part);
        else n->failed = true;
    }
}

/* What is computed from constants alone is called as it is written, when that is short. */
static void called(void *context, int32_t id, const char *name, ebb_args args, ebb_list results) {
    enum { SHORT = 24 };
    struct naming *n = context;
    const struct ebb__ast *a = &n->e->program.ast[id];
    (void)name;
    (void)args;
    int32_t length = a->place.end - a->place.at;
    const ebb_node *node = results.n ? ebb_tensor_grad_fn(results.t[0]) : NULL;
    if (node && !ebb__addresses_set(&n->calls, node, n->n_calls)) n->failed = true;
    n->n_calls++;
    for (int64_t k = 0; k < results.n; k++) {
        const ebb_tensor *t = results.t[k];
        if (!t || results.n > 1 || length > SHORT || ebb_tensor_requires_grad(t)) continue;
        const char *text = ebb__arena_copy(&n->arena, n->e->program.text + a->place.at, (size_t)length);
        if (!text) n->failed = true;
        else if (name_of(n, NULL, 0, t) == NULL) give_name(n, t, 0, text);
    }
}

static void end_naming(struct naming *n) {
    ebb__arena_free(&n->arena);
    ebb__array_free(n->names, n->room, sizeof *n->names);
    ebb__addresses_free(&n->by_address);
    ebb__addresses_free(&n->calls);
}

/* ---- the report ---- */

ebb_status ebb__expression_report(struct ebb__report *r, const struct ebb__expression *e, struct ebb__trace *trace,
                                  const ebb_explain_options *o, bool check) {
    struct naming naming = {.e = e, .trace = trace};
    const struct ebb__observer observer = {.called = called, .assigned = assigned, .context = &naming};
    for (int64_t i = 0; i < e->n; i++) /* a constant is called what it is in the expression */
        if (!ebb_tensor_requires_grad(e->tensors[i])) give_name(&naming, e->tensors[i], 0, e->names[i]);
    ebb__trace_open(trace);
    ebb_tensor *root = ebb__expression_value(e, e->tensors, &observer);
    ebb_status status = ebb__trace_close(trace);
    if (!status) status = naming.failed || !root ? ebb_error_status() : EBB_OK;
    if (!status && !ebb_tensor_requires_grad(root))
        status = ebb__fail_said(EBB_ERR_GRAPH,
                                "explain: the result does not depend on a variable that is differentiated by");
    const struct ebb__report_source source = {.root = root,
                                              .trace = trace,
                                              .order = {e->n, e->tensors},
                                              .program = &e->program,
                                              .name_of = name_of,
                                              .context = &naming};
    r->expression = e->program.text;
    r->seed = o->seed;
    r->integers = e->integers_become;
    if (!status) status = ebb__report_gather(r, &source);
    if (!status) status = ebb__report_derive(r, &source);
    r->n_calls = naming.n_calls;
    for (int64_t i = 0; i < r->n_nodes; i++) r->nodes[i].call = ebb__addresses_find(&naming.calls, r->nodes[i].last);
    if (!status && check) status = ebb__report_check(r, e);
    if (!status && check && o->order == 2) status = ebb__report_hessian(r, e);
    if (!status && check && o->forward_mode) status = ebb__report_forward_mode(r, e);
    end_naming(&naming);
    return status;
}

/* Explain one expression; on a page, where one is given. */
static ebb_status explain(const char *text, ebb_explain_options options, struct ebb__page *page,
                          const struct ebb__page_words *words) {
    struct ebb__expression e;
    struct ebb__trace trace = {0};
    struct ebb__report r = {0};
    if (ebb_error()) return ebb_error_status();
    if (!text) return ebb__fail_said(EBB_ERR_ARGUMENT, "explain: the expression is NULL");
    if (options.order < 0 || options.order > 2)
        return ebb__fail_said(EBB_ERR_ARGUMENT, "explain: order must be 1 or 2, not %d", options.order);
    ebb_dtype before = ebb_default_dtype();
    ebb_rng_state rng = ebb_get_rng_state();
    ebb_scope scope = ebb_scope_open();
    ebb_grad_mode mode = ebb_grad_mode_open(true);
    (void)ebb_set_default_dtype(options.dtype == EBB_F32 ? EBB_F32 : EBB_F64);
    ebb_status status = ebb__expression_begin(&e, text, &options);
    if (!status) status = ebb__expression_choose(&e, options.grad_of);
    if (!status) status = ebb__expression_report(&r, &e, &trace, &options, true);
    if (!status) status = page ? ebb__page_add(page, &r, words) : ebb__report_write(&r, &options);
    if (status) ebb__expression_place_error(&e);
    ebb__report_free(&r);
    ebb__trace_free(&trace);
    ebb__expression_end(&e);
    ebb_grad_mode_close(&mode);
    ebb_scope_close(&scope);
    ebb_set_rng_state(rng);
    (void)ebb_set_default_dtype(before);
    return status;
}

ebb_status(ebb_explain_expression)(const char *text, ebb_explain_options options) {
    bool before = ebb__say_in_chinese(options.lang == EBB_CHINESE);
    ebb_status status = explain(text, options, NULL, NULL);
    ebb__say_end(before);
    return status;
}

ebb_status(ebb_explain_page)(const ebb_explain_item *items, int64_t n, ebb_explain_options options) {
    struct ebb__page page = {.kind = EBB__PAGE_GRADIENTS, .lang = options.lang};
    FILE *to = options.to ? options.to : stdout;
    if (ebb_error()) return ebb_error_status();
    if (!items || n < 1) return ebb__fail_said(EBB_ERR_ARGUMENT, "explain_page: there is nothing to show");
    bool before = ebb__say_in_chinese(options.lang == EBB_CHINESE);
    ebb_status status = ebb__page_begin(&page);
    for (int64_t i = 0; i < n && !status; i++) {
        const struct ebb__page_words words = {{items[i].title, items[i].title_zh}, {items[i].text, items[i].text_zh}};
        options.values = items[i].values;
        options.n_values = items[i].n_values;
        status = explain(items[i].expression, options, &page, &words);
    }
    status = ebb__page_end(&page, to, status);
    if (!status && ferror(to)) status = ebb__fail_said(EBB_ERR_IO, "explain_page: the output cannot be written");
    ebb__say_end(before);
    return status;
}
