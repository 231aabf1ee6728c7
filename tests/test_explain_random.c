/* A thousand random expressions of the language: parsed, explained in text and JSON, also their dimensions, and their
 * gradients compared with finite differences. They are made from a table: a shape, and how it may be written with parts
 * of other shapes. */
#include "explain/expression.h"
#include "explain/report_view.h"
#include "tests/check.h"
#include <ebb/ebb.h>

enum { EXPRESSIONS = 1000, ROOM = 4096, DEPTH = 4 };

/* Shapes: S (), V (3), R (2), M (2,3), N (3,2), Q (2,2), B (2,2,3). $M stands for an expression of shape M. */
static const struct {
    char shape;
    const char *text;
} rules[] = {
    /* the variables, in this order */
    {'S', "s"},
    {'V', "b"},
    {'R', "r"},
    {'M', "x"},
    {'N', "w"},
    {'Q', "q"},
    {'B', "t"},
    {'S', "sum($M)"},
    {'S', "mean($N * $N)"},
    {'S', "$V @ $V"},
    {'S', "dot($R, $R)"},
    {'S', "prod(1 + $R / 9)"},
    {'S', "$M[1, 2]"},
    {'S', "logsumexp($V, 0)"},
    {'S', "std($M)"},
    {'S', "$Q.diagonal().sum()"},
    {'S', "norm(1 + $V**2)"},
    {'S', "max($B)"},
    {'S', "-$S"},
    {'S', "$S if 1 < 2 else $M"},
    {'S', "mse_loss($M, $M)"},
    {'S', "trace($Q)"},
    {'V', "sum($M, 0)"},
    {'V', "$N @ $R"},
    {'V', "$R @ $M"},
    {'V', "$M[0]"},
    {'V', "softmax($V, 0)"},
    {'V', "mean($B, (0, 1))"},
    {'V', "cumsum($V, 0)"},
    {'V', "$V.flip(0)"},
    {'V', "max($M, 0).values"},
    {'V', "cat([$R, $V[:1]])"},
    {'V', "$S * $V"},
    {'V', "where($V > 0.1, $V, 2 * $V)"},
    {'V', "linear($R, $N, $V)"},
    {'R', "$M @ $V"},
    {'R', "mean($M, dim=1)"},
    {'R', "$N[1:3, 0]"},
    {'R', "$B[0].sum(-1)"},
    {'R', "stack([$S, $S])"},
    {'R', "$Q.diagonal()"},
    {'R', "var($M, 1)"},
    {'R', "$R.roll(1, 0)"},
    {'M', "$N.t()"},
    {'M', "$N.T"},
    {'M', "$Q @ $M"},
    {'M', "$M + $V"},
    {'M', "$R[:, None] * $V"},
    {'M', "$B[1]"},
    {'M', "log_softmax($M, dim=-1)"},
    {'M', "layer_norm($M, (3,))"},
    {'M', "relu($M)"},
    {'M', "$N.reshape(2, 3)"},
    {'M', "stack([$V, $V])"},
    {'M', "$V.expand(2, 3) * $S"},
    {'M', "clamp($M, -1.5, 1.5)"},
    {'M', "addmm($M, $Q, $M)"},
    {'M', "einsum('ij,jk->ik', $Q, $M)"},
    {'M', "gelu($M)"},
    {'M', "$M.contiguous().view(3, 2).reshape(2, 3)"},
    {'M', "outer($R, $V)"},
    {'N', "$M.transpose(0, 1)"},
    {'N', "$N @ $Q"},
    {'N', "$N * $R"},
    {'N', "$M.permute(1, 0)"},
    {'N', "outer($V, $R)"},
    {'N', "cat([$Q, $R[None, :]])"},
    {'N', "softplus($N)"},
    {'N', "maximum($N, $N)"},
    {'Q', "$M @ $N"},
    {'Q', "$N[:2]"},
    {'Q', "$M @ $M.mT"},
    {'Q', "eye(2, dtype=float64) + $Q"},
    {'Q', "tril($Q)"},
    {'Q', "$B.sum(2)"},
    {'Q', "inv(3 * eye(2, dtype=float64) + tanh($Q))"},
    {'B', "$B * $M"},
    {'B', "$M.unsqueeze(0) + $B"},
    {'B', "$Q @ $B"},
    {'B', "matmul($B, $N) @ $M"},
    {'B', "stack([$M, $M])"},
    {'B', "$B.permute(1, 0, 2)"},
    {'B', "$B / (2 + sin($V))"},
    {'B', "softmax($B, 1)"},
    {'B', "$M[:, None, :].expand(2, 2, 3)"},
};
enum { N_RULES = sizeof rules / sizeof *rules, N_VARIABLES = 7 };

/* For every shape: $@ is an expression of the same one. */
static const char *const same[] = {
    "sin($@)", "cos($@)",  "tanh($@)", "sigmoid($@)",        "exp(tanh($@))",    "$@ + $@",         "$@ - $@",
    "$@ * $@", "0.5 * $@", "$@ / 3",   "$@**2 / 4",          "log(1.5 + $@**2)", "sqrt(1 + $@**2)", "atan($@)",
    "-$@ + 1", "$@ * $S",  "erf($@)",  "$@ / (2 + cos($@))", "silu($@)",         "abs($@) * $@",    "(1 + $@**2)**0.7"};
enum { N_SAME = sizeof same / sizeof *same };

static const char *const values[N_VARIABLES] = {
    "s=0.7",        "b=[0.3, -1.1, 0.8]", "r=[1.2, -0.4]", "x=[[0.5, -0.9, 1.3], [-0.2, 0.6, 1.7]]",
    "w=randn(3,2)", "q=randn(2,2)",       "t=randn(2,2,3)"};

struct maker {
    char text[ROOM];
    size_t n;
    uint64_t state;
};

static uint32_t draw(struct maker *m, uint32_t below) {
    m->state = m->state * 6364136223846793005U + 1442695040888963407U; /* Knuth's MMIX */
    return (uint32_t)(m->state >> 33) % below;
}

static void put(struct maker *m, const char *text, size_t n) {
    if (m->n + n >= ROOM) n = 0;
    memcpy(m->text + m->n, text, n);
    m->n += n;
    m->text[m->n] = '\0';
}

static void make(struct maker *m, char shape, int depth) {
    const char *rule = NULL;
    if (depth == 0) {
        for (int i = 0; i < N_VARIABLES; i++)
            if (rules[i].shape == shape) rule = rules[i].text;
    } else if (draw(m, 2)) {
        rule = same[draw(m, N_SAME)];
    }
    while (!rule) {
        uint32_t i = draw(m, N_RULES);
        if (rules[i].shape == shape) rule = rules[i].text;
    }
    put(m, "(", 1);
    for (; *rule; rule++) {
        if (*rule != '$') put(m, rule, 1);
        else {
            rule++;
            make(m, *rule == '@' ? shape : *rule, depth - 1 > (int)draw(m, 2) ? depth - 1 : 0);
        }
    }
    put(m, ")", 1);
}

/* A few statements: what is assigned first is used later as a variable is, several times. */
static void make_program(struct maker *m) {
    static const char shapes[] = "SVRMNQB";
    m->n = 0;
    if (draw(m, 2)) {
        static const char *const again[] = {"s = ", "b = ", "r = ", "x = ", "w = ", "q = ", "t = "};
        uint32_t i = draw(m, N_VARIABLES);
        put(m, again[i], 4);
        make(m, shapes[i], 2);
        put(m, "; ", 2);
    }
    if (draw(m, 2)) put(m, "L = ", 4);
    make(m, shapes[draw(m, N_VARIABLES)], DEPTH);
}

/* Whether the first statement gives the name a value without reading one. */
static bool is_replaced(const struct ebb__program *p, int32_t name) {
    const struct ebb__statement *s = p->n_statements ? &p->statements[0] : NULL;
    if (!s || s->kind != EBB__ASSIGN || s->n != 1 || p->kids[s->targets] != name) return false;
    for (int64_t i = 0; i < p->n_ast; i++)
        if (p->ast[i].kind == EBB__AST_NAME && p->ast[i].name == name && p->ast[i].place.at >= s->place.at &&
            p->ast[i].place.end <= s->place.end && p->ast[i].place.at >= s->target.end)
            return false;
    return true;
}

/* The values of the variables that an expression reads. */
static int64_t used(const char *text, const char **ret_values) {
    struct ebb__program p;
    int64_t n = 0;
    if (!ebb__program_parse(&p, text))
        for (int i = 0; i < N_VARIABLES; i++)
            if (ebb__program_find(&p, rules[i].text) >= 0 && !is_replaced(&p, ebb__program_find(&p, rules[i].text)))
                ret_values[n++] = values[i];
    ebb__program_free(&p);
    return n;
}

static struct counts { int64_t explained, nodes, elements, dims; } counts;

/* What happens to dimensions in it, in one format and language after the other. */
static bool explain_dims(const char *text, FILE *nowhere, int i) {
    const char *given[N_VARIABLES];
    const ebb_explain_options o = {.values = given,
                                   .n_values = used(text, given),
                                   .to = nowhere,
                                   .seed = 3,
                                   .lang = (enum ebb_language)(i & 1),
                                   .format = i & 2 ? EBB_EXPLAIN_JSON : EBB_EXPLAIN_TEXT};
    bool ok = !(ebb_explain_dims)(text, o);
    if (!ok) print_error("dims of %s: %s\n", text, ebb_error()->message);
    ebb_clear_error();
    counts.dims += ok;
    return ok;
}

static bool explain(const char *text, FILE *nowhere) {
    const char *given[N_VARIABLES];
    struct ebb__expression e;
    struct ebb__trace trace = {0};
    struct ebb__report r = {0};
    ebb_explain_options o = {.values = given, .n_values = used(text, given), .to = nowhere, .seed = 3};
    bool ok = false;
    EBB_SCOPE {
        ebb_status status = ebb__expression_begin(&e, text, &o);
        if (!status) status = ebb__expression_choose(&e, NULL);
        if (!status) status = ebb__expression_report(&r, &e, &trace, &o, true);
        if (!status) {
            (void)ebb__report_worst(&r, &ok);
            for (int format = EBB_EXPLAIN_TEXT; format <= EBB_EXPLAIN_JSON; format++) {
                o.format = (enum ebb_explain_format)format;
                CHECK(!ebb__report_write(&r, &o));
            }
            counts.explained++;
            counts.nodes += r.n_nodes;
            for (int64_t i = 0; i < r.n_checks; i++) counts.elements += r.checks[i].checked;
        }
        if (!ok)
            print_error("%s: %s\n", text, ebb_error() ? ebb_error()->message : "differs from the finite differences");
        ebb_clear_error();
        ebb__report_free(&r);
        ebb__trace_free(&trace);
        ebb__expression_end(&e);
    }
    return ok;
}

EBB_TEST(a_thousand_random_expressions) {
    struct maker m = {.state = 20260101};
    FILE *nowhere = fopen("/dev/null", "w");
    int wrong = 0;
    CHECK(nowhere != NULL);
    ebb_set_num_threads(1);
    (void)ebb_set_default_dtype(EBB_F64);
    for (int i = 0; i < EXPRESSIONS; i += CHECK_STEP(10)) {
        make_program(&m);
        wrong += !explain(m.text, nowhere);
        wrong += !explain_dims(m.text, nowhere, i);
    }
    (void)ebb_set_default_dtype(EBB_F32);
    (void)fclose(nowhere);
    print_message("%lld expressions, %lld nodes, %lld elements compared with finite differences; dimensions of %lld\n",
                  (long long)counts.explained, (long long)counts.nodes, (long long)counts.elements,
                  (long long)counts.dims);
    CHECK(wrong == 0);
    CHECK_OK();
    CHECK_NO_LEAK();
}

EBB_TEST_MAIN
