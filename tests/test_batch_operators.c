/* Every operator and sample on a batch: what ebb_vmap gives is what a loop over the samples gives, in values and in
 * derivatives of both modes, inside and outside of the batch. */
#include "tests/check.h"
#include "autograd/batch.h"
#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <math.h>

#define B 3
#define MAX_IN EBB_FUNCTION_MAX_OUT

static int failures, calls, impossible;

/* What is not the same when it is done again: draws, memory that is not set, weights that are shortened in place. */
static bool is_unsteady(const struct ebb_op *op) {
    return op->batch == ebb_batch_random || op->batch == ebb_batch_refuse || strcmp(op->name, "empty_like") == 0 ||
           strcmp(op->name, "embedding_max_norm") == 0;
}

/* What a batch cannot do, and says so: shapes that depend on values, draws that were not asked for, more than 8
 * dimensions. */
static bool is_impossible(const struct ebb_op *op) {
    static const struct {
        const char *op, *said;
    } impossible_calls[] = {
        {"index", "depends on values"},
        {"index", "results of different shapes"},
        {"index_put", "results of different shapes"},
        {"masked_scatter", "depends on values"},
        {"kron", "has more than 8"},
        {"ctc_loss_backward", "cannot be read"},
        {"ctc_loss", "cannot be read"},
        {"ctc_loss_lengths", "cannot be read"},
        {"alpha_dropout", "draws random numbers"},
        {"dropout", "draws random numbers"},
        {"feature_alpha_dropout", "draws random numbers"},
        {"feature_dropout", "draws random numbers"},
        {"scaled_dot_product_attention", "draws random numbers"},
    };
    const ebb_error_info *e = ebb_error();
    bool is = false;
    for (size_t i = 0; i < sizeof impossible_calls / sizeof *impossible_calls && e; i++)
        is = is || (strcmp(op->name, impossible_calls[i].op) == 0 && strstr(e->message, impossible_calls[i].said));
    if (is) ebb_clear_error();
    return is;
}

/* The call under test, as a function of its inputs. */
struct subject {
    const struct ebb_op *op;
    const char *text, *what;
    const void *attrs;
    int64_t n_in;
    bool wanted[MAX_IN]; /* to be differentiated by */
    ebb_dims argnums;
};

static void complain(const struct subject *s, const char *format, double value) {
    if (is_impossible(s->op)) {
        impossible++;
        return;
    }
    const ebb_error_info *e = ebb_error();
    failures++;
    print_message("FAIL %s \"%s\": %s: ", s->op->name, s->text, s->what);
    print_message(format, value);
    print_message("%s%s%s%s\n", e ? " | " : "", e ? e->op : "", e ? ": " : "", e ? e->message : "");
    ebb_clear_error();
}

/* ---- functions of one sample ---- */

static ebb_status value(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct subject *s = context;
    ebb_list list = ebb_call_op_list(s->op, in.t, in.n, s->attrs);
    for (int64_t k = 0; k < list.n && k < EBB_FUNCTION_MAX_OUT; k++) ret_out->t[ret_out->n++] = list.t[k];
    return ebb_error_status();
}

/* A number that depends on every floating-point result, and not linearly. */
static ebb_status scalar(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_outputs out = {0};
    ebb_tensor *sum = ebb_scalar(0, .dtype = EBB_F64);
    if (value(in, &out, context)) return ebb_error_status();
    for (int64_t k = 0; k < out.n; k++) {
        if (!ebb_dtype_is_floating(ebb_tensor_dtype(out.t[k]))) continue;
        ebb_tensor *y = ebb_to(out.t[k], EBB_F64);
        int64_t n = ebb_tensor_numel(y);
        ebb_tensor *w = ebb_reshape(ebb_arange(1, (double)n + 1, 1, .dtype = EBB_F64), ebb_tensor_shape(y));
        sum = ebb_add(sum, ebb_sum(ebb_mul(ebb_sin(y), ebb_cos(w))));
    }
    ret_out->t[ret_out->n++] = sum;
    return ebb_error_status();
}

static ebb_status gradient(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct subject *s = context;
    ebb_tensor *g[MAX_IN];
    if (ebb_value_and_grad(scalar, context, in, NULL, g, .argnums = s->argnums)) return ebb_error_status();
    for (int k = 0; k < s->argnums.n; k++) ret_out->t[ret_out->n++] = g[s->argnums.d[k]];
    return EBB_OK;
}

static ebb_status along(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct subject *s = context;
    ebb_tensor *t[MAX_IN];
    for (int64_t i = 0; i < in.n; i++) t[i] = s->wanted[i] ? ebb_cos(in.t[i]) : NULL;
    return ebb_jvp(scalar, context, in, ((ebb_list){in.n, t}), NULL, ret_out);
}

/* ---- batch against loop ---- */

/* |a - b| over max(1, |b|), at most; infinite where only one is a number. */
static double difference(const ebb_tensor *a, const ebb_tensor *b) {
    ebb_dims x = ebb_tensor_shape(a), y = ebb_tensor_shape(b);
    int64_t n = ebb_tensor_numel(a);
    bool fits = x.n == y.n && ebb_tensor_dtype(a) == ebb_tensor_dtype(b);
    for (int d = 0; d < x.n && fits; d++) fits = x.d[d] == y.d[d];
    if (!fits) return (double)INFINITY;
    double *p = malloc((size_t)(2 * n + 1) * sizeof *p), worst = 0;
    if (!p || ebb_tensor_read(a, EBB_F64, p) || ebb_tensor_read(b, EBB_F64, p + n)) worst = (double)INFINITY;
    for (int64_t i = 0; i < n && worst < (double)INFINITY; i++) {
        if (isnan(p[i]) && isnan(p[n + i])) continue;
        double d = p[i] == p[n + i] ? 0 : fabs(p[i] - p[n + i]) / fmax(1, fabs(p[n + i]));
        worst = d >= worst ? d : isnan(d) ? (double)INFINITY : worst;
    }
    free(p);
    return worst;
}

static void compare(struct subject *s, ebb_tensor *got, ebb_tensor *want) {
    double d = difference(got, want);
    if (!(d <= (ebb_tensor_dtype(want) == EBB_F64 ? 1e-10 : 1e-4))) complain(s, "differs by %.3g", d);
}

/* The function of each sample, stacked; false when it has no value there. */
static bool loop(struct subject *s, ebb_function f, ebb_tensor *(*in)[MAX_IN], const bool *batched, ebb_outputs *ret) {
    ebb_outputs out[B];
    for (int b = 0; b < B; b++) {
        ebb_tensor *row[MAX_IN];
        for (int64_t i = 0; i < s->n_in; i++) row[i] = in[batched[i] ? b : 0][i];
        out[b] = (ebb_outputs){0};
        if (f((ebb_list){s->n_in, row}, &out[b], s) || out[b].n != out[0].n) return ebb_clear_error(), false;
    }
    ret->n = out[0].n;
    for (int64_t k = 0; k < ret->n; k++) {
        ebb_tensor *t[B];
        for (int b = 0; b < B; b++) t[b] = out[b].t[k];
        if (!(ret->t[k] = ebb_stack(((ebb_list){B, t}), 0))) return ebb_clear_error(), false;
    }
    return true;
}

struct batch {
    ebb_tensor *in[MAX_IN]; /* all samples of those that are batched */
    int64_t dims[MAX_IN];
};

static void check_one(struct subject *s, const char *what, ebb_function f, ebb_tensor *(*in)[MAX_IN],
                      const bool *batched, const struct batch *all) {
    ebb_outputs want = {0}, got = {0};
    s->what = what;
    if (!loop(s, f, in, batched, &want)) return;
    calls++;
    if (ebb_vmap(f, s, ((ebb_list){s->n_in, all->in}), &got, .in_dims = {s->n_in, all->dims}))
        complain(s, "fails%.0f", 0);
    else if (got.n != want.n) complain(s, "has %.0f results", (double)got.n);
    else
        for (int64_t k = 0; k < got.n; k++) compare(s, got.t[k], want.t[k]);
}

/* The sum of a function's one result over a batch. */
struct summed {
    struct subject *s;
    const struct batch *all;
};

static ebb_status summed(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct summed *c = context;
    ebb_outputs out = {0};
    if (ebb_vmap(scalar, c->s, in, &out, .in_dims = {in.n, c->all->dims})) return ebb_error_status();
    ret_out->t[ret_out->n++] = ebb_sum(out.t[0]);
    return ebb_error_status();
}

/* The gradient of a sum over the batch is the gradients of the samples; of an input that is the same for all, their
 * sum. */
static void check_outside(struct subject *s, ebb_tensor *(*in)[MAX_IN], const bool *batched, const struct batch *all) {
    ebb_outputs want = {0};
    ebb_tensor *g[MAX_IN];
    struct summed c = {s, all};
    s->what = "gradient outside";
    if (!loop(s, gradient, in, batched, &want)) return;
    calls++;
    if (ebb_value_and_grad(summed, &c, ((ebb_list){s->n_in, all->in}), NULL, g, .argnums = s->argnums)) {
        complain(s, "fails%.0f", 0);
        return;
    }
    for (int k = 0; k < s->argnums.n; k++) {
        int64_t i = s->argnums.d[k];
        compare(s, g[i], batched[i] ? want.t[k] : ebb_sum(want.t[k], .dim = EBB_DIMS(0)));
    }
}

/* ---- operator and sample ---- */

static void check_batched(struct subject *s, ebb_tensor *(*in)[MAX_IN], const bool *batched, bool derivatives) {
    struct batch all;
    for (int64_t i = 0; i < s->n_in; i++) {
        ebb_tensor *t[B];
        for (int b = 0; b < B; b++) t[b] = in[b][i];
        all.in[i] = batched[i] ? ebb_stack(((ebb_list){B, t}), 0) : in[0][i];
        if (in[0][i] && !all.in[i]) { /* of 8 dimensions */
            ebb_clear_error();
            return;
        }
        all.dims[i] = batched[i] ? 0 : EBB_UNBATCHED;
    }
    check_one(s, "value", value, in, batched, &all);
    if (!derivatives || s->argnums.n == 0) return;
    check_one(s, "gradient inside", gradient, in, batched, &all);
    check_one(s, "tangent inside", along, in, batched, &all);
    check_outside(s, in, batched, &all);
}

/* Inputs that have a derivative: floating-point ones of an operator that has a rule or parts. */
static void choose(struct subject *s, ebb_tensor *const *in) {
    const struct ebb_op *op = s->op;
    const struct ebb_op_texts written = ebb_op_text(op);
    bool any = !op->no_derivative && (op->vjp || op->compose || op->compose_list), formulas = op->vjp != NULL;
    for (int i = 0; i < EBB_OP_MAX_IN; i++) formulas = formulas || written.formula[i];
    for (int64_t i = 0; i < s->n_in; i++) {
        bool floating = in[i] && ebb_dtype_is_floating(ebb_tensor_dtype(in[i])) && !ebb_tensor_is_number(in[i]);
        s->wanted[i] = any && floating && (!formulas || written.formula[ebb__op_input(op, s->n_in, i)]);
        if (s->wanted[i] && s->argnums.n < EBB_MAX_NDIM) s->argnums.d[s->argnums.n++] = i;
    }
}

/* What is refused one sample at a time is refused as a batch, too. */
static void check_refused(const struct ebb_op *op, const char *text) {
    struct ebb_sample sample;
    if (ebb_sample_make(op, text, EBB_F64, 1, &sample)) {
        ebb_clear_error();
        return;
    }
    struct subject s = {.op = op, .text = text, .what = "refused", .attrs = sample.attrs, .n_in = sample.n_in};
    bool any = false;
    EBB_SCOPE {
        ebb_tensor *in[MAX_IN];
        int64_t dims[MAX_IN];
        ebb_outputs out = {0};
        for (int64_t i = 0; i < s.n_in && s.n_in <= MAX_IN; i++) {
            ebb_tensor *t = in[i] = sample.in[i];
            dims[i] = t && !ebb_tensor_is_number(t) && ebb_tensor_ndim(t) < EBB_MAX_NDIM ? 0 : EBB_UNBATCHED;
            if (dims[i] == 0) in[i] = ebb_stack(EBB_LIST(t, t, t), 0);
            any = any || dims[i] == 0;
        }
        ebb_outputs alone = {0};
        bool refused = s.n_in <= MAX_IN && value((ebb_list){s.n_in, sample.in}, &alone, &s) != EBB_OK;
        ebb_clear_error();
        if (any && refused && !ebb_vmap(value, &s, ((ebb_list){s.n_in, in}), &out, .in_dims = {s.n_in, dims}))
            complain(&s, "gives %.0f results", (double)out.n);
        ebb_clear_error();
    }
    ebb_sample_release(&sample);
}

static void check_sample(const struct ebb_op *op, const char *text) {
    if (text[0] == '!') {
        check_refused(op, text);
        return;
    }
    struct ebb_sample sample[B] = {{0}};
    ebb_tensor *in[B][MAX_IN];
    bool made = true;
    for (int b = 0; b < B && made; b++)
        made = !ebb_sample_make(op, text, EBB_F64, (uint64_t)b + 1, &sample[b]) && sample[b].n_in <= MAX_IN;
    struct subject s = {.op = op, .text = text, .attrs = sample[0].attrs, .n_in = made ? sample[0].n_in : 0};
    bool each[MAX_IN], all[MAX_IN] = {false};
    int n = 0;
    for (int b = 0; b < B; b++)
        for (int64_t i = 0; i < s.n_in; i++) in[b][i] = sample[b].in[i];
    for (int64_t i = 0; i < s.n_in; i++) {
        all[i] = in[0][i] && !ebb_tensor_is_number(in[0][i]);
        n += all[i];
    }
    if (s.n_in) choose(&s, in[0]);
    if (n) EBB_SCOPE check_batched(&s, in, all, true);
    for (int64_t i = 0; i < s.n_in && n > 1; i++) {
        for (int64_t k = 0; k < s.n_in; k++) each[k] = all[k] && k == i;
        if (all[i]) EBB_SCOPE check_batched(&s, in, each, i < 3);
    }
    for (int b = 0; b < B; b++) ebb_sample_release(&sample[b]);
    if (ebb_error()) s.what = "sample", complain(&s, "%.0f", 0);
}

/* The first sample of an operator, all inputs batched, with each allocation failing: an error, and nothing worse. */
static void fail_allocations(const struct ebb_op *op, ebb_function f) {
    struct ebb_sample sample;
    const char *const *samples = ebb_op_text(op).samples;
    if (!samples || samples[0][0] == '!' || ebb_sample_make(op, samples[0], EBB_F64, 1, &sample)) return;
    struct subject s = {.op = op, .text = samples[0], .what = "failing", .attrs = sample.attrs, .n_in = sample.n_in};
    bool any = false;
    EBB_SCOPE {
        ebb_tensor *in[MAX_IN];
        int64_t dims[MAX_IN];
        for (int64_t i = 0; i < s.n_in && s.n_in <= MAX_IN; i++) {
            ebb_tensor *t = in[i] = sample.in[i];
            dims[i] = t && !ebb_tensor_is_number(t) && ebb_tensor_ndim(t) < EBB_MAX_NDIM ? 0 : EBB_UNBATCHED;
            if (dims[i] == 0) in[i] = ebb_stack(EBB_LIST(t, t), 0);
            any = any || dims[i] == 0;
        }
        if (s.n_in) choose(&s, sample.in);
        any = any && s.n_in <= MAX_IN && (f == value || s.argnums.n);
        for (int64_t n = 1, failed = any; failed; n++) EBB_SCOPE {
                ebb_outputs out = {0};
                ebb_memory_fail_after(n);
                ebb_status status = ebb_vmap(f, &s, ((ebb_list){s.n_in, in}), &out, .in_dims = {s.n_in, dims},
                                             .randomness = EBB_VMAP_RANDOM_SAME);
                failed = ebb_memory_fail_after(0) >= n;
                if (failed && ebb_error_status() != EBB_ERR_MEMORY)
                    complain(&s, "with allocation %.0f failing", (double)n);
                if (!failed && status && ebb_error_status() == EBB_ERR_MEMORY) complain(&s, "%.0f", 0);
                ebb_clear_error();
            }
    }
    ebb_sample_release(&sample);
}

/* What the structure, or the operator itself, says of how it is called. */
static const char *way(const struct ebb_op *op) {
    if (op->batch == ebb_batch_random) return "random";
    if (op->batch == ebb_batch_refuse) return "refused";
    if (op->batch == ebb_batch_loop) return "loop";
    if (op->batch) return "rule";
    if (op->n_in == 0) return "no tensors";
    if (op->view) return "derived: view";
    if (op->loops && !op->infer) return "derived: elementwise";
    if (op->compose_list || (op->compose && !op->vjp)) return "derived: parts";
    return "loop";
}

EBB_TEST(a_batch_is_a_loop_over_its_samples) {
    const char *only = getenv("EBB_TEST_OP");
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *op = ebb_op_get(i);
        if (only && strcmp(only, op->name) != 0) continue;
        if (is_unsteady(op)) continue;
        for (const char *const *text = ebb_op_text(op).samples; text && *text; text++) check_sample(op, *text);
    }
    print_message("%d comparisons, %d not possible\n", calls, impossible);
    CHECK(failures == 0 && impossible * 100 < calls);
}

EBB_TEST(every_allocation_failing) {
    for (int i = 0; i < ebb_op_count(); i += CHECK_STEP(4)) fail_allocations(ebb_op_get(i), value);
    for (int i = 0; i < ebb_op_count(); i += CHECK_STEP(16) * 4) fail_allocations(ebb_op_get(i), gradient);
    CHECK(failures == 0);
}

EBB_TEST(few_operators_are_called_sample_by_sample) {
    static const char *const ways[] = {
        "rule", "derived: elementwise", "derived: view", "derived: parts", "loop", "random", "refused", "no tensors"};
    int count[8] = {0};
    for (int i = 0; i < ebb_op_count(); i++)
        for (int w = 0; w < 8; w++) count[w] += strcmp(way(ebb_op_get(i)), ways[w]) == 0;
    for (int w = 0; w < 8; w++) print_message("%-22s %d\n", ways[w], count[w]);
    print_message("one call a sample:");
    for (int i = 0; i < ebb_op_count(); i++)
        if (strcmp(way(ebb_op_get(i)), "loop") == 0) print_message(" %s", ebb_op_get(i)->name);
    print_message("\n");
}

EBB_TEST_MAIN
