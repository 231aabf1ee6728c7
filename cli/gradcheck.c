/* `ebb gradcheck`: the derivatives of operators, on all their samples, against finite differences. */
#include "cli/args.h"
#include "cli/cli.h"
#include "tool/json.h"
#include "tool/terminal.h"

#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <math.h>
#include <string.h>

enum { MAX_IN = 64 };

/* What is compared: backward with differences, forward mode with backward; the same for the gradients' gradients. */
enum { FIRST, FORWARD, SECOND, FORWARD_SECOND, COMPARISONS };
static const char *const titles[COMPARISONS] = {"first order", "forward mode", "second order", "forward second"};
static const char *const keys[COMPARISONS] = {"first_order", "forward_mode", "second_order", "forward_second_order"};

struct check_options {
    uint64_t seed;
    double eps, atol, rtol, nondet_tol;
    bool full, json;
};

/* What was found for one operator. */
struct found {
    int samples;               /* that have anything to differentiate */
    double worst[COMPARISONS]; /* the largest difference, relative to values beyond 1 */
    int failures;
};

struct run {
    const struct check_options *o;
    struct ebb__json j;
    struct found found;
};

/* ---- one sample ---- */

struct called {
    const struct ebb_sample *sample;
    const char *text;
    uint64_t seed;
};

/* The sample as a function of its inputs: those that give nothing to differentiate are left out of its results. */
static ebb_status function(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct called *c = context;
    ebb_tensor *x[MAX_IN];
    if (in.n > MAX_IN) return ebb_fail(EBB_ERR_ARGUMENT, "a sample of more than %d inputs", MAX_IN);
    for (int64_t i = 0; i < in.n; i++) { /* a function of symmetric matrices is one of symmetric parts */
        x[i] = in.t[i];
        if (c->sample->symmetric & EBB_IN(i)) x[i] = ebb_mul(ebb_add(x[i], ebb_transpose(x[i], -1, -2)), 0.5);
    }
    ebb_manual_seed(c->seed);
    ebb_list out = ebb_call_op_list(c->sample->op, x, in.n, c->sample->attrs);
    if (!out.n && ebb_error()) return ebb_error_status();
    for (int64_t i = 0; i < out.n && ret_out->n < EBB_FUNCTION_MAX_OUT; i++)
        if (ebb_dtype_is_floating(ebb_tensor_dtype(out.t[i]))) ret_out->t[ret_out->n++] = out.t[i];
    return EBB_OK;
}

/* Which declared input the sample's tensor i belongs to: a list has any number of them. */
static int declared(const struct ebb_sample *s, int64_t i) {
    int list = -1;
    for (int k = 0; k < s->op->n_in; k++)
        if (s->op->in[k].kind == EBB_INPUT_LIST) list = k;
    if (list < 0 || i < list) return (int)i;
    int64_t behind = s->n_in - (s->op->n_in - 1 - list);
    return i < behind ? list : (int)(i - behind) + list + 1;
}

/* Copies of the inputs, as leaves where they have a derivative; returns how many have, and of how many elements. */
static int leaves(const struct ebb_sample *s, ebb_tensor **ret_in, int64_t *ret_elements) {
    bool formulas = s->op->vjp != NULL;
    int n = 0;
    const struct ebb_op_texts written = ebb_op_text(s->op);
    for (int i = 0; i < s->op->n_in; i++) formulas = formulas || written.formula[i];
    *ret_elements = 0;
    for (int64_t i = 0; i < s->n_in; i++) {
        ebb_tensor *t = ret_in[i] = s->in[i];
        bool real = t && ebb_tensor_dtype(t) == EBB_F64 && !ebb_tensor_is_number(t);
        if (!real || (formulas && !written.formula[declared(s, i)])) continue;
        ret_in[i] = ebb_requires_grad_(ebb_clone(t), true);
        *ret_elements += ebb_tensor_numel(t);
        n++;
    }
    return n;
}

static void complain(struct run *r, const struct ebb_op *op, const char *text, const char *what) {
    r->found.failures++;
    const char *message = ebb_error() ? ebb_error()->message : "";
    if (r->o->json) {
        ebb__json_open(&r->j, NULL, '{');
        ebb__json_text(&r->j, "sample", text);
        ebb__json_text(&r->j, "check", what);
        ebb__json_text(&r->j, "message", message);
        ebb__json_close(&r->j);
    } else {
        (void)printf("%sFAIL%s  %s \"%s\", %s: %s\n", ebb__style(stdout, EBB__BAD), ebb__style(stdout, EBB__PLAIN),
                     op->name, text, what, message);
    }
    ebb_clear_error();
}

/* Large Jacobians are checked along one random direction: `most` bounds what is computed entry by entry. */
static void check_order(struct run *r, const struct called *c, ebb_list inputs, int order, bool fast) {
    double *worst = r->found.worst + (order ? SECOND : FIRST), met[2] = {0, 0};
    ebb_gradcheck_options options = {.eps = r->o->eps,
                                     .atol = EBB_SET(r->o->atol),
                                     .rtol = EBB_SET(r->o->rtol),
                                     .nondet_tol = r->o->nondet_tol,
                                     .seed = r->o->seed,
                                     .forward_mode = true,
                                     .fast = !r->o->full && fast,
                                     .ret_worst = met};
    ebb_status status = order ? (ebb_gradgradcheck)(function, (void *)(uintptr_t)c, inputs, options)
                              : (ebb_gradcheck)(function, (void *)(uintptr_t)c, inputs, options);
    if (status) complain(r, c->sample->op, c->text, order ? "second order" : "first order");
    for (int i = 0; i < 2; i++) worst[i] = fmax(worst[i], met[i]);
}

static void check_sample(struct run *r, const struct ebb_sample *s, const char *text) {
    static const int64_t most[2] = {4000, 300};
    ebb_tensor *in[MAX_IN];
    struct called called = {s, text, r->o->seed};
    int64_t elements = 0, results = 0;
    ebb_outputs out = {0};
    if (s->n_in > MAX_IN || leaves(s, in, &elements) == 0) return;
    ebb_list inputs = {s->n_in, in};
    if (function(inputs, &out, &called)) {
        complain(r, s->op, text, "call");
        return;
    }
    for (int64_t k = 0; k < out.n; k++) {
        if (ebb_tensor_dtype(out.t[k]) != EBB_F64) return; /* too coarse for differences */
        results += ebb_tensor_numel(out.t[k]);
    }
    if (out.n == 0) return;
    r->found.samples++;
    check_order(r, &called, inputs, 0, elements * results > most[0]);
    check_order(r, &called, inputs, 1, elements * (results + elements) > most[1]);
}

static void check_operator(struct run *r, const struct ebb_op *op) {
    for (const char *const *text = ebb_op_text(op).samples; text && *text && !op->no_derivative; text++) {
        struct ebb_sample s = {0};
        if (ebb_sample_make(op, *text, EBB_F64, r->o->seed, &s)) complain(r, op, *text, "sample");
        else if (!s.must_fail) EBB_SCOPE {
                check_sample(r, &s, *text);
            }
        ebb_sample_release(&s);
    }
}

/* ---- the table ---- */

static void print_result(const struct run *r, const struct ebb_op *op) {
    const struct found *f = &r->found;
    if (f->samples == 0 && f->failures == 0) {
        (void)printf("%-28s %s\n", op->name, op->no_derivative ? "no derivative by nature" : "nothing to check");
        return;
    }
    bool ok = f->failures == 0;
    (void)printf("%-28s %7d", op->name, f->samples);
    for (int i = 0; i < COMPARISONS; i++) (void)printf(" %14.1e", f->worst[i]);
    (void)printf("   %s%s%s\n", ebb__style(stdout, ok ? EBB__GOOD : EBB__BAD), ok ? "pass" : "FAIL",
                 ebb__style(stdout, EBB__PLAIN));
}

static void check_for_json(struct run *r, const struct ebb_op *op) {
    ebb__json_open(&r->j, NULL, '{');
    ebb__json_text(&r->j, "operator", op->name);
    ebb__json_open(&r->j, "failures", '[');
    check_operator(r, op);
    ebb__json_close(&r->j);
    ebb__json_int(&r->j, "samples", r->found.samples);
    for (int i = 0; i < COMPARISONS; i++) ebb__json_number(&r->j, keys[i], r->found.worst[i]);
    ebb__json_bool(&r->j, "ok", r->found.failures == 0);
    ebb__json_close(&r->j);
}

static int check_all(const struct ebb_op *const *ops, const struct check_options *o) {
    struct run r = {.o = o, .j = {.to = stdout}};
    struct found all = {0};
    int operators = 0;
    if (o->json) ebb__json_open(&r.j, NULL, '[');
    else
        (void)printf("%-28s %7s %14s %14s %14s %14s\n", "operator", "samples", titles[0], titles[1], titles[2],
                     titles[3]);
    for (; *ops; ops++) {
        r.found = (struct found){0};
        if (o->json) {
            check_for_json(&r, *ops);
        } else {
            check_operator(&r, *ops);
            print_result(&r, *ops);
        }
        operators += r.found.samples > 0;
        all.samples += r.found.samples;
        all.failures += r.found.failures;
        for (int i = 0; i < COMPARISONS; i++) all.worst[i] = fmax(all.worst[i], r.found.worst[i]);
    }
    if (o->json) ebb__json_close(&r.j);
    else
        (void)printf("\n%d operators with derivatives, %d samples, %d failures\n"
                     "largest differences: first order %.1e, second order %.1e, forward mode %.1e and %.1e\n",
                     operators, all.samples, all.failures, all.worst[FIRST], all.worst[SECOND], all.worst[FORWARD],
                     all.worst[FORWARD_SECOND]);
    return all.failures ? CLI_FAILED : CLI_OK;
}

/* ---- the command ---- */

int ebb_cmd_gradcheck(int argc, char **argv) {
    static struct cli_names names;
    static const struct ebb_op *ops[CLI_MAX_NAMES + 1];
    struct check_options o = {.seed = 20, .eps = 1e-6, .atol = 1e-5, .rtol = 1e-3};
    bool all = false;
    const struct cli_option options[] = {
        {"all", CLI_FLAG, &all, NULL, 0, 0, "every operator"},
        {"seed", CLI_SEED, &o.seed, NULL, 0, 0, "of the inputs and of random directions (20)"},
        {"eps", CLI_NUMBER, &o.eps, NULL, 1e-12, 1, "the step of the differences (1e-6)"},
        {"atol", CLI_NUMBER, &o.atol, NULL, 0, 1, "how far a value may differ: atol + rtol * value (1e-5)"},
        {"rtol", CLI_NUMBER, &o.rtol, NULL, 0, 1, "(1e-3)"},
        {"nondet-tol", CLI_NUMBER, &o.nondet_tol, NULL, 0, 1, "how far two backward passes may differ (0)"},
        {"full", CLI_FLAG, &o.full, NULL, 0, 0, "every entry also of large Jacobians, not one random direction"},
        {"json", CLI_FLAG, &o.json, NULL, 0, 0, "a JSON array of objects, for programs"},
        {.name = NULL}};
    const struct cli_command command = {
        .name = "gradcheck",
        .summary =
            "Check first and second derivatives of operators, in float64 on all their samples, against central\n"
            "finite differences, and those by forward mode against those by backward. The table has the largest\n"
            "differences, relative to values beyond 1.",
        .names = &names,
        .options = options,
        .notes = "Exit status: 0 when all agree, 1 when not, 2 for a wrong command line."};
    names = (struct cli_names){.what = "[NAME...]"};
    enum cli_parsed parsed = cli_parse(&command, argc, argv);
    if (parsed != CLI_GO_ON) return parsed == CLI_HELP_SHOWN ? CLI_OK : CLI_MISUSED;
    if (all == (names.n > 0)) {
        (void)fprintf(stderr, "ebb gradcheck: names of operators, or --all\nTry \"ebb gradcheck --help\".\n");
        return CLI_MISUSED;
    }
    if (!cli_find_ops("gradcheck", &names, ops)) return CLI_MISUSED;
    ebb_set_num_threads(1);
    return check_all(ops, &o);
}
