/* The first NaN or infinity of a backward pass: found where a rule gives it, and told with what the rule read. */
#include "autograd/anomaly.h"
#include <math.h>

static ebb_status fail(const ebb_node *n, const struct ebb__words *w) {
    ebb__thread.file = n->file;
    ebb__thread.line = n->line;
    return ebb__fail_op(n->name, EBB_ERR_NONFINITE, "%s", w->text);
}

static const char *kind(struct ebb__bad bad) { return isnan(bad.value) ? "NaN" : "infinity"; }

static void say_outside(struct ebb__words *w, const char *name, const ebb_tensor *t) {
    char shape[EBB__SHAPE_TEXT];
    if (name[0]) ebb__say(w, " \"%s\"", name);
    ebb__say(w, " %s %s", ebb_dtype_name((ebb_dtype)t->dtype), ebb__shape_text(shape, t->ndim, ebb__sizes(t)));
}

/* The tensor that a rule saw for a saved one. */
static ebb_tensor *seen(const struct ebb_vjp_call *v, const struct ebb__saved *s) {
    uint32_t index = ebb__saved_index(s);
    if (ebb__saved_kind(s) == EBB__SAVED_META) return NULL;
    return ebb__saved_kind(s) == EBB__SAVED_OUT ? v->out[index] : v->in[index];
}

static bool any_nonfinite(const struct ebb_vjp_call *v) {
    const struct ebb__saved *s = ebb__node_saved(v->node);
    for (int64_t k = 0; k < v->n_out; k++)
        if (v->grad[k] && !ebb__all_finite(v->grad[k])) return true;
    for (uint32_t k = 0; k < v->node->n_saved; k++)
        if (seen(v, &s[k]) && !ebb__all_finite(seen(v, &s[k]))) return true;
    return false;
}

/* Whether zeros that are strong would have made it finite: then nothing that counts depends on this element. */
static bool zeros_would_help(const struct ebb_vjp_call *v, int64_t i, ebb_tensor *full, int64_t index) {
    double value;
    if (ebb__thread.strong_zeros) return false;
    ebb_tensor *strong = ebb__strong_zeros(v, i, full);
    return strong && strong != full && ebb__element_there(strong, strong, index, &value) && isfinite(value);
}

static void say_sources(struct ebb__words *w, const struct ebb_vjp_call *v, const ebb_tensor *full, int64_t index) {
    const ebb_tensor *there = ebb__is_elementwise(v->op) ? full : NULL;
    const struct ebb__saved *s = ebb__node_saved(v->node);
    char text[EBB__SAVED_TEXT];
    for (int64_t k = 0; k < v->n_out && k < 2; k++)
        if (v->grad[k]) ebb__say_source(w, "the upstream gradient", v->grad[k], there, index);
    for (uint32_t k = 0; k < v->node->n_saved && k < EBB_OP_MAX_IN; k++)
        if (seen(v, &s[k])) ebb__say_source(w, ebb__saved_text(text, v->node, &s[k]), seen(v, &s[k]), there, index);
}

ebb_status ebb__check_gradient(const struct ebb_vjp_call *v, int64_t i, ebb_tensor *full, ebb_tensor *fitted) {
    for (int64_t k = 0; k < v->n_out; k++)
        if (v->grad[k] && fitted->storage == v->grad[k]->storage) return EBB_OK; /* passed on as it came */
    struct ebb__bad bad = ebb__bad_of(fitted), first = bad;
    if (bad.index < 0) return EBB_OK;
    bool given = any_nonfinite(v);
    if (!ebb__is_anomaly(bad, ebb__thread.anomaly, given)) return EBB_OK;
    if (full != fitted) first = ebb__bad_of(full); /* none: the sum over a broadcast dimension has made it */
    const struct ebb__edge *e = &ebb__node_edges(v->node)[i];
    const char *name = v->op->in[ebb__op_input(v->op, v->n_in, i)].name;
    struct ebb__words w = {0};
    ebb__say(&w, "the first %s of the backward pass: the gradient of %s", kind(bad), name ? name : "an input");
    say_outside(&w, ebb__node_output_name(e->node, e->nr), fitted);
    ebb__say_bad(&w, bad, fitted, "is");
    ebb__say(&w, given ? ", from what the rule of this %s was given" : ", made by the rule of this %s", v->op->name);
    say_sources(&w, v, full, first.index < 0 ? 0 : first.index);
    if (first.index >= 0 && isnan(first.value) && zeros_would_help(v, i, full, first.index))
        ebb__say(&w, "; the result does not depend on it, since only zeros flow in there: in EBB_STRONG_ZEROS they "
                     "stay zeros");
    return fail(v->node, &w);
}

ebb_status ebb__check_sum(const ebb_node *n, uint32_t nr, ebb_tensor *sum) {
    struct ebb__bad bad = ebb__bad_of(sum);
    if (!ebb__is_anomaly(bad, ebb__thread.anomaly, false)) return EBB_OK;
    struct ebb__words w = {0};
    ebb__say(&w, "the first %s of the backward pass: the sum of the gradients of", kind(bad));
    say_outside(&w, ebb__node_output_name(n, nr), sum);
    ebb__say_bad(&w, bad, sum, "is");
    if (n->flags & EBB__NODE_LEAF) return ebb__fail_op(n->name, EBB_ERR_NONFINITE, "%s", w.text);
    return fail(n, &w);
}

ebb_status ebb__check_replaced(const ebb_node *n, ebb_tensor *replaced) {
    struct ebb__bad bad = ebb__bad_of(replaced);
    if (!ebb__is_anomaly(bad, ebb__thread.anomaly, false)) return EBB_OK;
    struct ebb__words w = {0};
    ebb__say(&w, "a hook on an output returned a gradient");
    say_outside(&w, "", replaced);
    ebb__say(&w, " that");
    ebb__say_bad(&w, bad, replaced, "is");
    return fail(n, &w);
}
