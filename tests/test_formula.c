/* The formulas of the operators are true: each is evaluated for every sample of its operator and compared with what the
 * vector-Jacobian product gives. Formulas that are words are counted. */
#include "explain/formula.h"
#include "expr/program.h"
#include "tests/check.h"
#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <ebb/expr.h>
#include <math.h>

enum { MAX_IN = 32, MAX_OUT = 32 };

static struct counts { int formulas, words, compared, not_evaluated; } counts;

/* Formulas that hold only where their operator's samples do not all lie, with the reason. */
static const struct {
    const char *op, *sample, *why;
} exceptions[] = {
    {"convolution", "(1,2,1,1) (2,3,2,2) transposed=true padding=1", "an empty result, which no convolution takes"},
    {"group_norm", "(0,4,3) (4) (4) num_groups=2", "empty"},
    {"mean", "(2,0,3) dim=(0)", "empty"},
    {"std", "(0,3) dim=(1)", "empty"},
    {"std_mean", "(0,3) dim=(1)", "empty"},
    {"var", "(0,3) dim=(1)", "empty"},
    {"var_mean", "(0,3) dim=(1)", "empty"},
    {"pow", "i5(4) (4)", "the logarithm of an integer is of the default dtype, float32"},
    {"conv1d", "(2,2,5) (3,2,3) auto_padding=same", "padding is said by a word"},
    {"conv1d", "(2,2,5) (3,2,2) auto_padding=same", "padding is said by a word"},
    {"conv2d", "(1,2,4,4) (2,2,2,3) auto_padding=same dilation=(3,1)", "padding is said by a word"},
    {"conv3d", "(1,2,3,3,3) (2,1,2,2,2) groups=2 auto_padding=same", "padding is said by a word"},
    {"multi_margin_loss", "() i1()", "one class, without a dimension for it"},
    {"cross_entropy", "(3,4) i4(3) (4) label_smoothing=0.1", "class numbers, smoothed"},
    {"cross_entropy", "(3,4) i4(3) reduction=none label_smoothing=0.5", "class numbers, smoothed"},
    {"convolution_weight", "(1,2,3) (1,1,7) weight_size=(2,1,2) dilation=3", "longer at its end, where it is cut off"},
};

static bool is_exception(const char *op, const char *sample) {
    for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++)
        if (strcmp(exceptions[i].op, op) == 0 &&
            (!exceptions[i].sample[0] || strcmp(exceptions[i].sample, sample) == 0))
            return true;
    return false;
}

/* One call with its gradients. */
struct checked {
    struct ebb_sample sample;
    ebb_tensor *in[MAX_IN], *grad_in[MAX_IN], *out[MAX_OUT], *grad_out[MAX_OUT];
    ebb_list outputs;
    ebb_node *node;
    const void *attrs;
};

/* The tensors that are differentiated, in order; returns how many. */
static int64_t leaves(struct checked *c, ebb_tensor **leaf) {
    int64_t n = 0;
    for (int64_t i = 0; i < c->sample.n_in; i++) {
        ebb_tensor *t = c->in[i] = c->sample.in[i];
        int64_t entry;
        const char *formula =
            ebb_op_text(c->sample.op).formula[ebb__formula_declared(c->sample.op, c->sample.n_in, i, &entry)];
        if (!t || ebb_tensor_is_number(t) || !ebb_dtype_is_floating(ebb_tensor_dtype(t)) || !formula) continue;
        leaf[n++] = ebb_requires_grad_(t, true);
    }
    return n;
}

/* Run the operator and its rule with random upstream gradients. False when there is nothing to differentiate. */
static bool differentiate(struct checked *c) {
    ebb_tensor *leaf[MAX_IN], *grad[MAX_IN], *root[MAX_OUT], *up[MAX_OUT];
    int64_t n = leaves(c, leaf), roots = 0, at = 0;
    /* what it gives besides is for its rule */
    bool first = strncmp(ebb_op_text(c->sample.op).torch, "torch.nn.functional", 19) == 0;
    ebb_manual_seed(5);
    c->outputs = ebb_call_op_list(c->sample.op, c->in, c->sample.n_in, c->sample.attrs);
    CHECK_OK();
    if (c->outputs.n > MAX_OUT) return false;
    for (int64_t k = 0; k < c->outputs.n; k++) {
        ebb_tensor *t = c->out[k] = c->outputs.t[k];
        if (!ebb_tensor_grad_fn(t) || (first && k > 0)) continue;
        c->node = ebb_tensor_grad_fn(t);
        root[roots] = t;
        up[roots++] = c->grad_out[k] = ebb_randn_like(t);
    }
    if (!n || !roots) return false;
    /* the attributes as rules see them; compositions have no node of their own */
    c->attrs = ebb_node_op(c->node) == c->sample.op ? ebb_node_attrs(c->node) : c->sample.attrs;
    const ebb_list from = {roots, root}, by = {n, leaf}, upstream = {roots, up};
    CHECK(!ebb_grad(from, by, grad, .grad_outputs = upstream, .allow_unused = true, .materialize_grads = true));
    for (int64_t i = 0; i < c->sample.n_in; i++)
        if (at < n && c->in[i] == leaf[at]) c->grad_in[i] = grad[at++];
    return true;
}

static double difference(ebb_tensor *a, ebb_tensor *b) {
    if (ebb_tensor_numel(b) == 0) return 0;
    ebb_tensor *same = ebb_logical_and(ebb_isnan(a), ebb_isnan(b));
    ebb_tensor *d = ebb_div(ebb_abs(ebb_sub(a, b)), ebb_maximum(1.0, ebb_abs(b)));
    return ebb_item(ebb_amax(ebb_where(ebb_logical_or(same, ebb_eq(a, b)), 0.0, d)));
}

/* The formula's value in the gradient's shape, as the engine makes it: summed back, converted back. */
static ebb_tensor *as_gradient(ebb_tensor *value, const ebb_tensor *like) {
    ebb_tensor *t = ebb_to(value, ebb_tensor_dtype(like));
    if (ebb_tensor_numel(t) == 1 && ebb_tensor_numel(like) != 1) t = ebb_expand(t, ebb_tensor_shape(like)); /* "0" */
    ebb_dims shape = ebb_tensor_shape(like);
    return ebb_eval("sum_to_size(t, s)", EBB_ARGS(EBB_ARG("t", t), EBB_ARG("s", shape)));
}

static void complain(const struct ebb_op *op, const char *sample, const char *formula, const char *what) {
    const ebb_error_info *e = ebb_error();
    print_error("%s, sample %s: %s: %s%s%s\n", op->name, sample, formula, what, e ? ": " : "", e ? e->message : "");
    ebb_clear_error();
}

/* Whether formula and rule agree for input i. */
static bool agrees(struct ebb__arena *arena, const struct checked *c, int64_t i, const char *sample) {
    const struct ebb_op *op = c->sample.op;
    ebb_args names;
    struct ebb__formula_call call = {op, c->attrs, c->in, c->sample.n_in, c->out, c->grad_out, c->outputs.n};
    const char *formula = ebb__formula_of(arena, &call, i, &names);
    CHECK_OK();
    if (!formula || ebb__formula_is_words(formula)) return true;
    ebb_tensor *value = ebb_eval(formula, names), *got = value ? as_gradient(value, c->grad_in[i]) : NULL;
    if (is_exception(op->name, sample)) {
        ebb_clear_error();
        return true;
    }
    double d = got ? difference(got, c->grad_in[i]) : NAN;
    counts.compared++;
    if (d <= 1e-10) return true;
    char what[64];
    (void)snprintf(what, sizeof what, got ? "differs by %.3g" : "cannot be evaluated", d);
    complain(op, sample, formula, what);
    return false;
}

static bool check_sample(const struct ebb_op *op, const char *text) {
    struct ebb__arena arena = {0};
    struct checked c = {.node = NULL};
    bool right = true;
    if (ebb_sample_make(op, text, EBB_F64, 1, &c.sample)) complain(op, text, "", "no sample");
    else if (!c.sample.must_fail && c.sample.n_in <= MAX_IN) EBB_SCOPE {
            if (differentiate(&c))
                for (int64_t i = 0; i < c.sample.n_in; i++)
                    if (c.grad_in[i]) right = agrees(&arena, &c, i, text) && right;
        }
    ebb_sample_release(&c.sample);
    ebb__arena_free(&arena);
    return right;
}

/* ---- compositions ---- */

static bool is_differentiable(const ebb_tensor *t) {
    return t && !ebb_tensor_is_number(t) && ebb_dtype_is_floating(ebb_tensor_dtype(t));
}

static bool is_same(ebb_tensor *a, ebb_tensor *b) {
    ebb_dims x = ebb_tensor_shape(a), y = ebb_tensor_shape(b);
    bool alike = a && b && x.n == y.n && ebb_tensor_dtype(a) == ebb_tensor_dtype(b);
    for (int i = 0; alike && i < x.n; i++) alike = x.d[i] == y.d[i];
    return alike && difference(a, b) <= 1e-10;
}

/* What the call of an operator gives, and what its parts give: the value, and the gradients of a random direction. */
static const char *compare_parts(const struct ebb_op *op, struct ebb_sample *s) {
    struct ebb__arena arena = {0};
    ebb_tensor *leaf[MAX_IN], *g[MAX_IN], *h[MAX_IN];
    int64_t n = 0;
    for (int64_t i = 0; i < s->n_in && i < MAX_IN; i++)
        if (is_differentiable(s->in[i])) leaf[n++] = ebb_requires_grad_(s->in[i], true);
    const struct ebb__formula_call call = {op, s->attrs, s->in, s->n_in, NULL, NULL, 0};
    ebb_args names = ebb__formula_call_names(&arena, &call);
    ebb_manual_seed(5);
    ebb_tensor *y = ebb_call_op_list(op, s->in, s->n_in, s->attrs).t[0];
    ebb_manual_seed(5);
    ebb_tensor *parts = ebb_eval(ebb_op_text(op).parts, names);
    ebb__arena_free(&arena);
    if (!parts) return "cannot be evaluated";
    if (!is_same(parts, y)) return "has another value";
    if (!ebb_tensor_requires_grad(y)) return NULL;
    const ebb_list up = EBB_LIST(ebb_randn_like(y)), by = {n, leaf};
    if (ebb_grad(EBB_LIST(y), by, g, .grad_outputs = up, .allow_unused = true, .materialize_grads = true) ||
        ebb_grad(EBB_LIST(parts), by, h, .grad_outputs = up, .allow_unused = true, .materialize_grads = true))
        return "has no gradient";
    for (int64_t i = 0; i < n; i++)
        if (!is_same(g[i], h[i])) return "has another gradient";
    return NULL;
}

EBB_TEST(compositions_are_what_their_formulas_say) {
    int formulas = 0, words = 0, calls = 0, wrong = 0;
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *op = ebb_op_get(i);
        const struct ebb_op_texts written = ebb_op_text(op);
        if (!written.parts) continue;
        formulas++;
        words += ebb__formula_is_words(written.parts);
        if (ebb__formula_is_words(written.parts)) continue;
        for (int k = 0; written.samples && written.samples[k]; k++) EBB_SCOPE {
                struct ebb_sample s;
                CHECK(!ebb_sample_make(op, written.samples[k], EBB_F64, 1, &s));
                if (!s.must_fail && !is_exception(op->name, written.samples[k])) {
                    const char *what = compare_parts(op, &s);
                    if (what) complain(op, written.samples[k], written.parts, what);
                    wrong += what != NULL;
                    calls++;
                }
                ebb_sample_release(&s);
            }
    }
    print_message("%d compositions, %d of them in words; %d comparisons\n", formulas, words, calls);
    CHECK(wrong == 0);
    CHECK(calls > 150);
    ebb_thread_release();
}

/* ---- all of them ---- */

/* What is differentiated says how: the gradient of an input, or what a composition is made of. */
EBB_TEST(every_operator_has_a_formula) {
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *op = ebb_op_get(i);
        const struct ebb_op_texts written = ebb_op_text(op);
        bool found = written.parts || op->n_in == 0 || (op->no_derivative && !op->vjp);
        for (int k = 0; k < op->n_in; k++) found = found || (written.formula[k] && written.formula[k][0]);
        if (!found) complain(op, "", "", "there is no formula");
        CHECK(found);
        CHECK(!written.parts || (!op->vjp && (op->compose || op->compose_list)));
    }
}

EBB_TEST(every_formula_is_of_the_language) {
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *op = ebb_op_get(i);
        const struct ebb_op_texts written = ebb_op_text(op);
        for (int k = 0; k <= EBB_OP_MAX_IN; k++) {
            struct ebb__program p;
            const char *formula = k < EBB_OP_MAX_IN ? written.formula[k] : written.parts;
            if (!formula || !formula[0]) continue;
            if (ebb__program_parse(&p, formula)) complain(op, "", formula, "is not parsed");
            CHECK(p.n_statements > 0);
            ebb__program_free(&p);
        }
    }
}

EBB_TEST(every_formula_is_what_the_rule_computes) {
    int wrong = 0;
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *op = ebb_op_get(i);
        const struct ebb_op_texts written = ebb_op_text(op);
        for (int k = 0; k < EBB_OP_MAX_IN; k++) {
            if (!written.formula[k] || !written.formula[k][0]) continue;
            counts.formulas++;
            counts.words += ebb__formula_is_words(written.formula[k]);
        }
        if (op->no_derivative && !op->vjp) continue;
        for (int s = 0; written.samples && written.samples[s]; s++) wrong += !check_sample(op, written.samples[s]);
    }
    print_message("%d formulas, of them %d words; %d comparisons with gradients\n", counts.formulas, counts.words,
                  counts.compared);
    CHECK(wrong == 0);
    CHECK(counts.compared > 1000);
    ebb_thread_release();
}

EBB_TEST_MAIN
