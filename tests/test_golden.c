/* Equal to PyTorch: every call in tests/golden made again, its outputs, gradients and second-order gradients compared.
 * EBB_OP=name for one operator, EBB_GOLDEN=folder for other vectors, or for these unpacked, in a build
 * without zlib. */
#include "tests/check.h"
#include "tests/golden.h"
#include "tests/golden_differences.h"
#include <ebb/expr.h>
#include <math.h>

static double coarse_worst[N_COARSE];

static bool has_vectors[1024]; /* by the operator's number */

static int number_of(const char *name) {
    for (int i = 0; i < ebb_op_count(); i++)
        if (strcmp(ebb_op_get(i)->name, name) == 0) return i;
    return 1023;
}

/* What was found of each difference. */
static struct {
    int samples, seen; /* it is meant in; it was found in */
    double largest;
} found[N_DIFFERENCES];

struct totals {
    int families, operators, samples, refusals, different, failures, failed_operators;
    int inputs, strided, empty, scalar; /* samples with tensors, and with such ones among them */
    double worst[WHATS];
};

/* The operator and the sample that are being replayed. */
static struct {
    char op[64];
    size_t coarse; /* its place in that table, or N_COARSE */
    bool cancels, shapes, sign, order, unchecked, wanted;
    struct golden_sample sample;
    bool meant[N_DIFFERENCES]; /* the differences that are meant in it */
    ebb_tensor *v, *w;         /* its first upstream gradients */
    double *instead;           /* of the NaNs of that tensor */
    const struct golden_tensor *instead_of;
    struct totals own, family, all;
} now;

/* ---- what differs ---- */

/* The sample's lines, one after another with "; " between. */
static void sample_text(char *text, size_t size) {
    const struct golden_sample *s = &now.sample;
    size_t n = 0;
    for (size_t i = 0; i < s->length && n + 2 < size; i++) {
        text[n++] = s->text[i] == '\n' ? ';' : s->text[i];
        if (s->text[i] == '\n') text[n++] = ' ';
    }
    text[n] = '\0';
}

/* Whether the text has the words: all of them, or what is before "..." and, later, what is after it. */
static bool has(const char *text, const char *words) {
    char first[64];
    const char *dots = strstr(words, "...");
    if (!dots) return strstr(text, words) != NULL;
    (void)snprintf(first, sizeof first, "%.*s", (int)(dots - words), words);
    text = strstr(text, first);
    return text && strstr(text, dots + 3);
}

static void find_meant(void) {
    char text[4096];
    sample_text(text, sizeof text);
    for (size_t i = 0; i < N_DIFFERENCES; i++) {
        now.meant[i] = strcmp(differences[i].op, now.op) == 0 && has(text, differences[i].words);
        found[i].samples += now.meant[i];
    }
}

/* The difference of such a result that is meant in the sample, and is one of this kind; or NULL. */
static const struct difference *meant(enum what what, enum how how) {
    for (size_t i = 0; i < N_DIFFERENCES; i++)
        if (now.meant[i] && differences[i].how == how && (differences[i].what >> what & 1)) return &differences[i];
    return NULL;
}

/* Whether a result may differ by this much, in this way; if so it is counted, and any error is taken for that. */
static bool excused(enum what what, enum how how, double by) {
    const struct difference *d = meant(what, how);
    if (!d || (how == BY && !(by <= d->most))) return false;
    size_t i = (size_t)(d - differences);
    found[i].seen++;
    found[i].largest = fmax(found[i].largest, by);
    now.own.different++;
    ebb_clear_error();
    return true;
}

static EBB_PRINTF(1, 2) void complain(const char *format, ...) {
    char text[400], sample[300];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sample_text(sample, sizeof sample);
    const ebb_error_info *e = ebb_error();
    now.own.failures++;
    print_message("FAIL %s: %s%s%s%s%s [%s]\n", now.op, text, e ? " | " : "", e ? e->op : "", e ? ": " : "",
                  e ? e->message : "", sample);
    ebb_clear_error();
}

/* ---- comparing ---- */

static double element(const char *data, ebb_dtype dtype, int64_t i) {
    float f;
    double d;
    int64_t whole;
    int32_t half;
    switch (dtype) {
    case EBB_F32: memcpy(&f, data + 4 * i, 4); return (double)f;
    case EBB_F64: memcpy(&d, data + 8 * i, 8); return d;
    case EBB_I64: memcpy(&whole, data + 8 * i, 8); return (double)whole;
    case EBB_I32: memcpy(&half, data + 4 * i, 4); return (double)half;
    default: return (double)(unsigned char)data[i];
    }
}

/* The size that a difference at one element is relative to: the largest element in float64, or each its own where
 * special values stand side by side; in float32 as torch.allclose has it, gradients by the largest element. Small
 * derivatives are compared absolutely: they may be what rounding leaves of zero. */
static double size_of(enum what what, double largest, double want) {
    const struct golden_sample *s = &now.sample;
    if (what == SINGLE) return s->atol / s->rtol + fabs(want);
    if (what == SINGLE_GRADIENT) return s->atol / s->rtol + largest;
    double size = s->each ? fabs(want) : largest;
    return what == FORWARD && s->each ? fmax(size, 1e-12)
                                      : fmax(size, what == SECOND || what == UPSTREAM ? 1e-2 : 1e-3);
}

/* The size of the element that this one of the first output was computed from, where what is left of it is rounding. */
static double origin(enum what what, const struct golden_tensor *want, int64_t i) {
    ebb_tensor *x = now.cancels && what == FORWARD ? now.sample.arg[0].value.tensor : NULL;
    if (!x || want != &now.sample.out.t[0]) return 0;
    ebb_tensor *flat = ebb_reshape(ebb_detach(x), EBB_DIMS(-1));
    double size = fabs(ebb_item(ebb_select(flat, 0, i)));
    return isfinite(size) ? size : 0;
}

/* A tensor as large as it was broadcast, summed back to a shape, or broadcast to it. */
static ebb_tensor *sum_to(ebb_tensor *t, ebb_dims shape) {
    while (ebb_tensor_ndim(t) > shape.n) t = ebb_sum(t, .dim = EBB_DIMS(0));
    for (int d = 0; d < ebb_tensor_ndim(t); d++) {
        int at = shape.n - ebb_tensor_ndim(t) + d;
        if (shape.d[at] == 1) t = ebb_sum(t, .dim = EBB_DIMS(d), .keepdim = true);
    }
    return ebb_expand(t, shape);
}

/* The argument of a name, or one that is absent. */
static ebb_arg argument(const char *name) {
    const struct golden_sample *s = &now.sample;
    for (int i = 0; i < s->n_args; i++)
        if (strcmp(s->arg[i].name, name) == 0) return s->arg[i];
    return ebb__arg_none(name, NULL);
}

/* What stands in place of PyTorch's NaNs, of all elements; NULL and an error when that cannot be said. */
static const double *instead_of_nan(enum what what, const struct golden_tensor *want) {
    const char *number = "0.0";
    size_t n = 1;
    if (now.instead_of == want) return now.instead;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].op, now.op) == 0 && numbers[i].what == what) number = numbers[i].number;
    for (int i = 0; i < want->shape.n; i++) n *= (size_t)want->shape.d[i];
    free(now.instead);
    now.instead_of = want;
    now.instead = malloc(n * sizeof *now.instead);
    EBB_NO_GRAD {
        ebb_tensor *t =
            ebb_eval(number, EBB_ARGS(argument("self"), argument("other"), EBB_ARG("v", now.v), EBB_ARG("w", now.w)));
        if (now.instead && ebb_tensor_read(sum_to(t, want->shape), EBB_F64, now.instead)) {
            free(now.instead);
            now.instead = NULL;
        }
    }
    return now.instead;
}

/* Whether a number is the one that is meant in place of PyTorch's NaN. */
static bool is_instead(enum what what, const struct golden_tensor *want, int64_t i, double got) {
    const double *number = meant(what, FOR_NAN) && isfinite(got) ? instead_of_nan(what, want) : NULL;
    return number && fabs(got - number[i]) <= 1e-12 * fabs(number[i]) && excused(what, FOR_NAN, 0);
}

/* The largest difference; infinite where only one is NaN or infinite. */
static double apart(enum what what, const double *got, const struct golden_tensor *want, int64_t n, int64_t *ret_at) {
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = fabs(element(want->data, want->dtype, i));
        if (isfinite(x)) largest = fmax(largest, x);
    }
    for (int64_t i = 0; i < n; i++) {
        double x = element(want->data, want->dtype, i);
        if (got[i] == x || (isnan(got[i]) && isnan(x))) continue;
        double d = fabs(got[i] - x) / fmax(size_of(what, largest, x), origin(what, want, i));
        if (isnan(x) && is_instead(what, want, i, got[i])) continue;
        if (!isfinite(got[i]) || !isfinite(x)) d = (double)INFINITY;
        if (d > worst) {
            worst = d;
            *ret_at = i;
        }
    }
    return worst;
}

/* The largest element of what is there, of one of which the other is none. */
static double alone(const ebb_tensor *t, const struct golden_tensor *g) {
    int64_t n = t ? ebb_tensor_numel(t) : 1;
    for (int i = 0; !t && i < g->shape.n; i++) n *= g->shape.d[i];
    double *values = malloc(((size_t)n + 1) * sizeof *values), largest = 0;
    for (int64_t i = 0; values && i < n && !t; i++) values[i] = element(g->data, g->dtype, i);
    if (!values || (t && ebb_tensor_read(t, EBB_F64, values))) n = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, isnan(values[i]) ? (double)INFINITY : fabs(values[i]));
    free(values);
    return largest;
}

static void compare_values(enum what what, const char *name, int index, const double *got,
                           const struct golden_tensor *want, int64_t n) {
    int64_t at = 0;
    double d = apart(what, got, want, n, &at);
    double most = !ebb_dtype_is_floating(want->dtype)        ? 0
                  : want->dtype == EBB_F32                   ? now.sample.rtol
                  : now.coarse < N_COARSE && what != FORWARD ? 1e-9
                                                             : 1e-12;
    if (d <= most && most == 1e-9) coarse_worst[now.coarse] = fmax(coarse_worst[now.coarse], d);
    if (d <= most) now.own.worst[what] = fmax(now.own.worst[what], d);
    else if (!excused(what, BY, d))
        complain("%s %d differs by %.3g at %lld: %.17g, not %.17g", name, index, d, (long long)at, got[at],
                 element(want->data, want->dtype, at));
}

/* Whether numbers that were drawn are in their range, and of many not all the same. */
static void check_drawn(const double *values, int64_t n) {
    const struct golden_sample *s = &now.sample;
    int64_t different = 0;
    if (!s->ranged) return;
    for (int64_t i = 0; i < n; i++) {
        if (!(values[i] >= s->least && values[i] <= s->most)) {
            complain("%g is drawn, not %g to %g", values[i], s->least, s->most);
            return;
        }
        different += values[i] != values[0];
    }
    if (n >= 20 && s->most > s->least && !different)
        complain("all %lld that are drawn are %g", (long long)n, values[0]);
}

static int by_value(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* False when nothing that follows can be compared. */
static bool compare(enum what what, const char *name, int index, const ebb_tensor *got,
                    const struct golden_tensor *want) {
    ebb_dtype dtype = want->data ? want->dtype : ebb_tensor_dtype(got);
    if (dtype == EBB_F32) what = what == FORWARD ? SINGLE : SINGLE_GRADIENT;
    if (!got || !want->data) { /* no gradient is one of zeros */
        if ((got || want->data) && alone(got, want) > 1e-12)
            complain("%s %d: %s", name, index, got ? "PyTorch has none" : "is missing");
        return true;
    }
    ebb_dims shape = ebb_tensor_shape(got);
    int64_t n = ebb_tensor_numel(got), n_want = 1;
    for (int i = 0; i < want->shape.n; i++) n_want *= want->shape.d[i];
    bool same = ebb_tensor_dtype(got) == want->dtype;
    if (!same || (!ebb__dims_equal(&shape, &want->shape) && !(n == n_want && excused(what, SHAPE, 0)))) {
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        complain("%s %d is %s%s, not %s%s", name, index, ebb_dtype_name(ebb_tensor_dtype(got)),
                 ebb__shape_text(a, shape.n, shape.d), ebb_dtype_name(want->dtype),
                 ebb__shape_text(b, want->shape.n, want->shape.d));
        return false;
    }
    double *values = malloc(((size_t)n + 1) * sizeof *values);
    if (values && !ebb_tensor_read(got, EBB_F64, values)) {
        if (now.order) qsort(values, (size_t)n, sizeof *values, by_value);
        if (now.shapes) check_drawn(values, n);
        else compare_values(what, name, index, values, want, n);
    }
    free(values);
    return true;
}

/* ---- one sample ---- */

static void replay_second(ebb_tensor **dx, ebb_tensor **v) {
    const struct golden_sample *s = &now.sample;
    ebb_tensor *y[GOLDEN_MAX], *w[GOLDEN_MAX], *x[2 * GOLDEN_MAX], *dd[2 * GOLDEN_MAX] = {NULL};
    int n = 0, inputs = s->n_leaves + s->v.n;
    for (int i = 0; i < s->w.n; i++)
        if (s->w.t[i].data && dx[i] && ebb_tensor_requires_grad(dx[i])) {
            y[n] = dx[i];
            w[n++] = golden_build(&s->w.t[i], false);
        }
    now.w = n ? w[0] : NULL;
    for (int i = 0; i < inputs; i++) x[i] = i < s->n_leaves ? s->leaf[i] : v[i - s->n_leaves];
    if (n && ebb_grad(((ebb_list){n, y}), ((ebb_list){inputs, x}), dd, .grad_outputs = {n, w}, .allow_unused = true)) {
        complain("the second backward pass fails");
        return;
    }
    for (int i = 0; i < inputs; i++) {
        int k = i < s->n_leaves ? i : i - s->n_leaves;
        if (i < s->n_leaves) (void)compare(SECOND, "second gradient of input", k, dd[i], &s->ddx.t[k]);
        else (void)compare(UPSTREAM, "second gradient of upstream", k, dd[i], &s->ddv.t[k]);
    }
}

static void replay_gradients(ebb_tensor *const *out) {
    const struct golden_sample *s = &now.sample;
    ebb_tensor *y[GOLDEN_MAX], *v[GOLDEN_MAX], *g[GOLDEN_MAX], *dx[GOLDEN_MAX] = {NULL};
    int n = 0, upstream = 0;
    for (int i = 0; i < s->out.n; i++) {
        if (!s->differentiable[i]) continue;
        v[upstream] = golden_build(&s->v.t[upstream], s->w.n > 0);
        if (ebb_tensor_requires_grad(out[i])) {
            y[n] = out[i];
            g[n++] = ebb_reshape(v[upstream], ebb_tensor_shape(out[i])); /* which may be another one: SHAPE */
        }
        upstream++;
    }
    now.v = upstream ? v[0] : NULL;
    if (n && ebb_grad(((ebb_list){n, y}), ((ebb_list){s->n_leaves, s->leaf}), dx, .grad_outputs = {n, g},
                      .create_graph = s->w.n > 0, .allow_unused = true)) {
        complain("the backward pass fails");
        return;
    }
    for (int i = 0; i < s->dx.n; i++) (void)compare(GRADIENT, "gradient of input", i, dx[i], &s->dx.t[i]);
    if (s->w.n) replay_second(dx, v);
}

/* What an argument goes through before the call. */
static ebb_tensor *prepare(const char *how, ebb_tensor *t) {
    if (strcmp(how, "log_softmax") == 0) return ebb_log_softmax(t, -1);
    if (strcmp(how, "symmetric") == 0) return ebb_mul(ebb_add(t, ebb_transpose(t, -2, -1)), 0.5);
    if (strcmp(how, "tril") == 0) return ebb_tril(t);
    if (strcmp(how, "triu") == 0) return ebb_triu(t);
    complain("\"%s\" is no preparation", how);
    return t;
}

static void replay_sample(void) {
    struct golden_sample *s = &now.sample;
    now.v = now.w = NULL;
    now.instead_of = NULL;
    if (s->prepare) s->arg[s->prepared].value.tensor = prepare(s->prepare, s->arg[s->prepared].value.tensor);
    ebb_list out = {0, NULL};
    ebb_tensor *self = s->n_args && s->arg[0].kind == EBB_VALUE_TENSOR ? s->arg[0].value.tensor : NULL;
    bool first = self && (strcmp(s->arg[0].name, "self") == 0 || strcmp(s->arg[0].name, "input") == 0);
    ebb_manual_seed(1);
    (void)ebb_call(now.op, ((ebb_list){first, &self}), .args = {s->n_args - first, s->arg + first},
                   .ret_outputs = &out);
    if (s->fails) {
        if (!ebb_error() && !excused(CALL, COMPUTED, 0)) complain("is computed, and PyTorch refuses it");
        if (ebb_error() && ebb_error_status() == EBB_ERR_NAME) complain("is refused for a name only");
        ebb_clear_error();
        now.own.refusals++;
        return;
    }
    if (ebb_error() && excused(CALL, REFUSED, 0)) return;
    if (ebb_error() || out.n < s->out.n) {
        complain("the call fails, or gives %lld results for %d", (long long)out.n, s->out.n);
        return;
    }
    ebb_tensor *y[GOLDEN_MAX];
    bool alike = true;
    for (int i = 0; i < s->out.n; i++) {
        y[i] = now.sign ? ebb_abs(out.t[i]) : out.t[i];
        alike &= compare(FORWARD, "output", i, y[i], &s->out.t[i]);
    }
    if (s->dx.n && alike) replay_gradients(y);
    if (ebb_error()) complain("an error is left");
}

/* ---- families ---- */

static void add(struct totals *to, const struct totals *from) {
    to->families += from->families;
    to->operators += from->operators;
    to->samples += from->samples;
    to->refusals += from->refusals;
    to->different += from->different;
    to->failures += from->failures;
    to->inputs += from->inputs;
    to->strided += from->strided;
    to->empty += from->empty;
    to->scalar += from->scalar;
    to->failed_operators += from->failed_operators;
    for (int i = 0; i < WHATS; i++) to->worst[i] = fmax(to->worst[i], from->worst[i]);
}

static void report(const char *name, const struct totals *t) {
    print_message("%-32s %6d samples  forward %8.1e  gradient %8.1e  second %8.1e  float32 %8.1e  %s\n", name,
                  t->samples, t->worst[FORWARD], t->worst[GRADIENT], fmax(t->worst[SECOND], t->worst[UPSTREAM]),
                  fmax(t->worst[SINGLE], t->worst[SINGLE_GRADIENT]), t->failures ? "FAIL" : "pass");
}

/* Every operator is called with tensors of each kind. */
static void check_kinds(void) {
    bool reads_between = strcmp(now.op, "as_strided") == 0; /* what lies between elements is not in the files */
    if (!now.own.inputs || now.unchecked) return;
    if (!now.own.strided && !reads_between) complain("no sample has strides");
    if (!now.own.empty) complain("no sample has an empty tensor");
    if (!now.own.scalar) complain("no sample has a 0-d tensor");
}

static void end_operator(void) {
    if (now.op[0] && now.wanted) {
        check_kinds();
        now.own.operators = 1;
        has_vectors[number_of(now.op)] = true;
        now.own.failed_operators = now.own.failures > 0;
        report(now.op, &now.own);
        add(&now.family, &now.own);
    }
    now.own = (struct totals){.samples = 0};
}

static void begin_operator(struct golden_file *f) {
    const char *only = getenv("EBB_OP");
    end_operator();
    (void)snprintf(now.op, sizeof now.op, "%s", golden_word(f));
    for (now.coarse = 0; now.coarse < N_COARSE && strcmp(coarse[now.coarse].op, now.op) != 0;) now.coarse++;
    now.cancels = false;
    for (size_t i = 0; i < N_CANCELLING; i++) now.cancels |= strcmp(cancelling[i].op, now.op) == 0;
    now.shapes = strstr(f->rest, "shapes") != NULL;
    now.sign = strstr(f->rest, "sign") != NULL;
    now.order = strstr(f->rest, "order") != NULL;
    now.unchecked = strstr(f->rest, "unchecked") != NULL;
    now.wanted = !only || strcmp(only, now.op) == 0;
    golden_next(f);
}

static void replay(const char *family) {
    struct golden_file f;
    char path[600], name[80];
    const char *folder = getenv("EBB_GOLDEN");
    (void)snprintf(path, sizeof path, "%s/%s.gz", folder ? folder : "tests/golden", family);
    if (golden_open(&f, path)) {
        bool no_zlib = ebb_error_status() == EBB_ERR_UNSUPPORTED;
        if (no_zlib) print_message("%s: skipped, this build is without zlib\n", family);
        golden_close(&f);
        if (no_zlib) ebb_clear_error();
        if (no_zlib) skip();
        CHECK_OK();
        return;
    }
    now.family = (struct totals){.families = 1};
    now.op[0] = '\0';
    golden_next(&f);
    while (golden_line(&f)) {
        if (strcmp(f.line, "op") == 0) begin_operator(&f);
        else if (strcmp(f.line, "sample") != 0) golden_next(&f);
        else EBB_SCOPE {
                golden_read(&f, &now.sample);
                find_meant();
                now.own.samples += now.wanted;
                now.own.inputs += now.sample.inputs;
                now.own.strided += now.sample.strided;
                now.own.empty += now.sample.empty;
                now.own.scalar += now.sample.scalar;
                if (now.wanted && !f.damaged) replay_sample();
            }
    }
    end_operator();
    (void)snprintf(name, sizeof name, "-- %s, %d operators", family, now.family.operators);
    if (now.family.operators) report(name, &now.family);
    add(&now.all, &now.family);
    bool damaged = f.damaged;
    if (damaged) print_message("FAIL %s: cannot be read at \"%.80s\"\n", path, f.at);
    golden_close(&f);
    CHECK(!damaged);
    CHECK(now.family.failures == 0);
}

#define FAMILY(name) \
    EBB_TEST(name) { replay(#name); }
FAMILY(unary)
FAMILY(binary)
FAMILY(reduction)
FAMILY(shape)
FAMILY(indexing)
FAMILY(linalg)
FAMILY(activation)
FAMILY(layer)
FAMILY(loss)
FAMILY(creation)
FAMILY(parts)

/* Every operator has vectors, or a reason why not. */
static void check_none_is_missing(void) {
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *op = ebb_op_get(i);
        bool has = has_vectors[i] || (op->overload && has_vectors[number_of(op->overload)]), excuse = false;
        for (size_t k = 0; k < N_WITHOUT; k++) {
            if (strcmp(without[k].op, op->name) != 0) continue;
            print_message("without vectors: %s: %s\n", op->name, without[k].reason);
            excuse = true;
        }
        if (has == excuse) fail_msg("%s has %s", op->name, has ? "vectors, and an excuse" : "no vectors");
    }
}

EBB_TEST(together) {
    const struct totals *t = &now.all;
    print_message(
        "%d operators, %d samples, %d of them with strides, %d with empty tensors, %d with 0-d ones, %d refused as "
        "PyTorch does, %d results deliberately different: %d failures in %d operators\n",
        t->operators, t->samples, t->strided, t->empty, t->scalar, t->refusals, t->different, t->failures,
        t->failed_operators);
    print_message("errors are relative to the largest element of their tensor, or to 0.001 where that is more (second "
                  "derivatives: 0.01); of special values, and of float32 forward, to each element\n");
    for (size_t i = 0; i < N_CANCELLING && !getenv("EBB_OP"); i++)
        print_message("relative to the input: %s: %s\n", cancelling[i].op, cancelling[i].reason);
    int stale = 0;
    /* other vectors round otherwise, and may need no excuse */
    bool all = t->families == 11 && !getenv("EBB_OP") && !getenv("EBB_ISA");
    for (size_t i = 0; i < N_COARSE && all; i++) {
        bool needed = coarse_worst[i] > 1e-12;
        print_message("%sderivatives to 1e-9: %s, %.1e: %s\n", needed ? "" : "FAIL no longer ", coarse[i].op,
                      coarse_worst[i], coarse[i].reason);
        stale += !needed;
    }
    for (size_t i = 0; i < N_DIFFERENCES; i++) {
        const struct difference *d = &differences[i];
        char most[64] = "";
        if (d->how == BY) (void)snprintf(most, sizeof most, ", by %.1e of %.1e", found[i].largest, d->most);
        if (found[i].seen || all)
            print_message("%s: %s (%s): %d in %d samples%s: %s\n",
                          found[i].seen ? "different" : "FAIL no longer different", d->op, d->words, found[i].seen,
                          found[i].samples, most, d->reason);
        stale += all && !found[i].seen;
    }
    CHECK(stale == 0);
    if (all) check_none_is_missing();
}

EBB_TEST_MAIN
