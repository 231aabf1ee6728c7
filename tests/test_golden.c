/* Equal to PyTorch: every call in tests/golden made again, its outputs, gradients and second-order gradients compared.
 * EBB_OP=name for one operator, EBB_GOLDEN=folder for other vectors. */
#include "tests/check.h"
#include "tests/golden.h"
#include <math.h>

/* Where Ebb means to differ: samples of an operator whose text has these words. Outputs are compared all the same where
 * only derivatives differ. */
static const struct difference {
    const char *op, *words, *reason;
    bool derivatives;
} differences[] = {
    {"cholesky_solve", "g input2", "no gradient flows into the triangle that is not read", true},
    {"conv1d", "i groups 0", "0 is the default, 1", false},
    {"conv2d", "i groups 0", "0 is the default, 1", false},
    {"conv3d", "i groups 0", "0 is the default, 1", false},
    {"avg_pool2d", "divisor_override 0", "0 is the default, none", false},
    {"avg_pool3d", "divisor_override 0", "0 is the default, none", false},
    {"adaptive_avg_pool1d", "output_size -1", "-1 keeps the size, as None does", false},
    {"adaptive_avg_pool2d", "output_size -1", "-1 keeps the size, as None does", false},
    {"adaptive_avg_pool3d", "output_size -1", "-1 keeps the size, as None does", false},
    {"adaptive_max_pool1d", "output_size -1", "-1 keeps the size, as None does", false},
    {"adaptive_max_pool2d", "output_size -1", "-1 keeps the size, as None does", false},
    {"adaptive_max_pool3d", "output_size -1", "-1 keeps the size, as None does", false},
    {"batch_norm", "input float64(0)", "an input needs a batch and channels", false},
    {"normalize", "f p 0.5", "second derivatives of 1e-12 beside others of 1e-3 are rounding in both", true},
    {"norm", "s p ", "p is a number: matrix_norm takes names", false},
    {"square", "sample bool", "bool is refused, as it is by neg and sub", false},
    {"full", "i fill_value", "the dtype is the default one where none is given", false},
    {"full", "b fill_value", "the dtype is the default one where none is given", false},
    {"interpolate", "sample uint8", "bytes are interpolated by nearest only", false},
    {"gather", "index uint8", "indices are int64 or int32, empty ones too", false},
    {"scatter", "s reduce", "scatter_reduce does that", false},
    {"kthvalue", "sample uint8", "of equal elements the first index; PyTorch's is not specified", false},
    {"threshold", "uint8(0,3,3)", "a value that the dtype does not hold is refused", false},
    {"scaled_dot_product_attention", "dropout_p 0.5", "other random bits", false},
    {"median", "(4,4)", "of equal elements the first index; PyTorch's is not specified", false},
    {"median", "sample int", "of equal elements the first index; PyTorch's is not specified", false},
    {"nanmedian", "sample int", "of equal elements the first index; PyTorch's is not specified", false},
    {"kthvalue", "sample int", "of equal elements the first index; PyTorch's is not specified", false},
    {"topk", "sample int", "of equal elements the first index; PyTorch's is not specified", false},
    {"sort", "sample bool", "sorting is stable; PyTorch's is not unless it is asked for", false},
    {"argsort", "sample bool", "sorting is stable; PyTorch's is not unless it is asked for", false},
    {"sinc", "each", "near 0 the formula cancels in PyTorch, too: neither has digits there", true},
    {"logsumexp", "(4,2)@", "where all is -inf the gradient is 0, not NaN", true},
    {"logcumsumexp", "(4,2)@", "where all is -inf the gradient is 0, not NaN", true},
    {"logcumsumexp", "(3,3,3)", "second derivatives of 1e-12 beside others of 1 are rounding in PyTorch", true},
    {"prelu", "(256)", "at 0 the gradient by the weight is 0 and so is its derivative", true},
    {"binary_cross_entropy", "float64(4)",
     "second derivatives of 1e11 next to 0 and 1: log's argument is rounded once less", true},
    {"digamma", "sample float32", "near a pole PyTorch's trigamma has six digits in float32", true},
    {"polygamma", "sample float32", "near a pole PyTorch's trigamma has six digits in float32", false},
    {"copysign", "(9)@", "the gradient is g or -g everywhere; PyTorch divides the result by self, NaN at infinities",
     true},
    {"copysign", "each", "the gradient is g or -g everywhere; PyTorch divides the result by self, NaN at infinities",
     true},
    {"celu", "f alpha", "PyTorch's kernel rounds 1 / alpha to float32", true},
    {"hardsigmoid", "float64", "PyTorch's kernel rounds 1/6 to float32", true},
    {"ctc_loss", "", "the derivative by log_probs; PyTorch's supposes that they come from log_softmax", true},
    {"relu6", "(9)@", "at NaN PyTorch's vector and scalar code differ; this is the scalar one", true},
    {"hardtanh", "(9)@", "at NaN PyTorch's vector and scalar code differ; this is the scalar one", true},
    {"hardshrink", "(9)@", "at NaN PyTorch's vector and scalar code differ; this is the scalar one", true},
    {"softshrink", "(9)@", "at NaN PyTorch's vector and scalar code differ; this is the scalar one", true},
    {"elu", "(9)@", "at NaN PyTorch's vector and scalar code differ; this is the scalar one", true},
    {"selu", "(9)@", "at NaN PyTorch's vector and scalar code differ; this is the scalar one", true},
    {"eigh", "sample float32", "float32 is computed in double precision, and PyTorch's gradients show their rounding",
     true},
    {"lstsq", "", "gives the solution only", false},
    {"pinv", "hermitian 1", "the gradient of a symmetric matrix is symmetric, as that of eigh is", true},
    {NULL, NULL, NULL, false},
};

enum what { FORWARD, GRADIENT, SECOND, SINGLE, SINGLE_GRADIENT, WHATS };

struct totals {
    int operators, samples, refusals, different, failures, failed_operators, nans;
    double worst[WHATS];
};

/* The operator and the sample that are being replayed. */
static struct {
    char op[64];
    bool exact, shapes, sign, wanted;
    struct golden_sample sample;
    struct totals own, family, all;
} now;

/* ---- what differs ---- */

static const struct difference *deliberate(void) {
    const struct golden_sample *s = &now.sample;
    char text[4096];
    size_t n = s->length < sizeof text ? s->length : sizeof text - 1;
    memcpy(text, s->text, n);
    text[n] = '\0';
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++)
        if (differences[i].op && strcmp(differences[i].op, now.op) == 0 && strstr(text, differences[i].words))
            return &differences[i];
    return NULL;
}

static EBB_PRINTF(1, 2) void complain(const char *format, ...) {
    char text[400], sample[300];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t n = now.sample.length < sizeof sample ? now.sample.length : sizeof sample - 1;
    memcpy(sample, now.sample.text, n);
    sample[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (sample[i] == '\n') sample[i] = ';';
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
 * special values stand side by side; in float32 as torch.allclose has it, gradients by the largest element. Below a
 * thousandth derivatives are absolute: they may be what rounding leaves of zero. */
static double size_of(enum what what, double largest, double want) {
    const struct golden_sample *s = &now.sample;
    if (what == SINGLE) return s->atol / s->rtol + fabs(want);
    if (what == SINGLE_GRADIENT) return s->atol / s->rtol + largest;
    double size = s->each ? fabs(want) : largest;
    return what == FORWARD && s->each ? fmax(size, 1e-300) : fmax(size, 1e-3);
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
        double d = fabs(got[i] - x) / size_of(what, largest, x);
        if (what == SECOND && isnan(x)) { /* 0 times infinity on PyTorch's way there */
            now.own.nans++;
            continue;
        }
        if (!isfinite(got[i]) || !isfinite(x)) d = (double)INFINITY;
        if (d > worst) {
            worst = d;
            *ret_at = i;
        }
    }
    return worst;
}

static bool is_zero(const ebb_tensor *t, const struct golden_tensor *g) {
    int64_t n = 1;
    for (int i = 0; g->data && i < g->shape.n; i++) n *= g->shape.d[i];
    for (int64_t i = 0; g->data && i < n; i++)
        if (element(g->data, g->dtype, i) != 0) return false;
    return !t || ebb_item(ebb_sum(ebb_abs(ebb_detach((ebb_tensor *)(uintptr_t)t)))) == 0;
}

static void compare(enum what what, const char *name, int index, const ebb_tensor *got,
                    const struct golden_tensor *want) {
    if (!got || !want->data) {
        if (!is_zero(got, want)) complain("%s %d: %s", name, index, got ? "PyTorch has none" : "is missing");
        return;
    }
    ebb_dims shape = ebb_tensor_shape(got);
    if (ebb_tensor_dtype(got) != want->dtype || !ebb__dims_equal(&shape, &want->shape)) {
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        complain("%s %d is %s%s, not %s%s", name, index, ebb_dtype_name(ebb_tensor_dtype(got)),
                 ebb__shape_text(a, shape.n, shape.d), ebb_dtype_name(want->dtype),
                 ebb__shape_text(b, want->shape.n, want->shape.d));
        return;
    }
    int64_t n = ebb_tensor_numel(got), at = 0;
    double *values = malloc(((size_t)n + 1) * sizeof *values);
    if (now.shapes || !values || ebb_tensor_read(got, EBB_F64, values)) {
        free(values);
        return;
    }
    if (want->dtype == EBB_F32) what = what == FORWARD ? SINGLE : SINGLE_GRADIENT;
    double d = apart(what, values, want, n, &at);
    double most = !ebb_dtype_is_floating(want->dtype) ? 0
                  : want->dtype == EBB_F32            ? now.sample.rtol
                  : now.exact                         ? 1e-12
                                                      : 1e-9;
    now.own.worst[what] = fmax(now.own.worst[what], d);
    if (!(d <= most))
        complain("%s %d differs by %.3g at %lld: %.17g, not %.17g", name, index, d, (long long)at, values[at],
                 element(want->data, want->dtype, at));
    free(values);
}

/* ---- one sample ---- */

static const char *const second_names[] = {"second gradient of input", "second gradient of upstream"};

static void replay_second(ebb_tensor **dx, ebb_tensor **v) {
    const struct golden_sample *s = &now.sample;
    ebb_tensor *y[GOLDEN_MAX], *w[GOLDEN_MAX], *x[2 * GOLDEN_MAX], *dd[2 * GOLDEN_MAX] = {NULL};
    int n = 0, inputs = s->n_leaves + s->v.n;
    for (int i = 0; i < s->w.n; i++)
        if (s->w.t[i].data && dx[i] && ebb_tensor_requires_grad(dx[i])) {
            y[n] = dx[i];
            w[n++] = golden_build(&s->w.t[i], false);
        }
    for (int i = 0; i < inputs; i++) x[i] = i < s->n_leaves ? s->leaf[i] : v[i - s->n_leaves];
    if (n && ebb_grad(((ebb_list){n, y}), ((ebb_list){inputs, x}), dd, .grad_outputs = {n, w}, .allow_unused = true)) {
        complain("the second backward pass fails");
        return;
    }
    for (int i = 0; i < inputs; i++) {
        int k = i < s->n_leaves ? i : i - s->n_leaves;
        compare(SECOND, second_names[i >= s->n_leaves], k, dd[i], i < s->n_leaves ? &s->ddx.t[k] : &s->ddv.t[k]);
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
            g[n++] = v[upstream];
        }
        upstream++;
    }
    if (n && ebb_grad(((ebb_list){n, y}), ((ebb_list){s->n_leaves, s->leaf}), dx, .grad_outputs = {n, g},
                      .create_graph = s->w.n > 0, .allow_unused = true)) {
        complain("the backward pass fails");
        return;
    }
    for (int i = 0; i < s->dx.n; i++) compare(GRADIENT, "gradient of input", i, dx[i], &s->dx.t[i]);
    if (s->w.n) replay_second(dx, v);
}

static void replay_sample(void) {
    struct golden_sample *s = &now.sample;
    ebb_list out = {0, NULL};
    ebb_manual_seed(1);
    (void)ebb_call(now.op, ((ebb_list){0, NULL}), .args = {s->n_args, s->arg}, .ret_outputs = &out);
    if (s->fails) {
        if (!ebb_error()) complain("is computed, and PyTorch refuses it");
        ebb_clear_error();
        now.own.refusals++;
        return;
    }
    if (ebb_error() || out.n < s->out.n) {
        complain("the call fails, or gives %lld results for %d", (long long)out.n, s->out.n);
        return;
    }
    ebb_tensor *y[GOLDEN_MAX];
    for (int i = 0; i < s->out.n; i++) {
        y[i] = now.sign ? ebb_abs(out.t[i]) : out.t[i];
        compare(FORWARD, "output", i, y[i], &s->out.t[i]);
    }
    if (s->dx.n) replay_gradients(y);
    if (ebb_error()) complain("an error is left");
}

/* ---- families ---- */

static void add(struct totals *to, const struct totals *from) {
    to->operators += from->operators;
    to->samples += from->samples;
    to->refusals += from->refusals;
    to->different += from->different;
    to->failures += from->failures;
    to->nans += from->nans;
    to->failed_operators += from->failed_operators;
    for (int i = 0; i < WHATS; i++) to->worst[i] = fmax(to->worst[i], from->worst[i]);
}

static void report(const char *name, const struct totals *t) {
    print_message("%-32s %6d samples  forward %8.1e  gradient %8.1e  second %8.1e  float32 %8.1e  %s\n", name,
                  t->samples, t->worst[FORWARD], t->worst[GRADIENT], t->worst[SECOND],
                  fmax(t->worst[SINGLE], t->worst[SINGLE_GRADIENT]), t->failures ? "FAIL" : "pass");
}

static void end_operator(void) {
    if (now.op[0] && now.wanted) {
        now.own.operators = 1;
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
    now.exact = strstr(f->rest, "exact") != NULL;
    now.shapes = strstr(f->rest, "shapes") != NULL;
    now.sign = strstr(f->rest, "sign") != NULL;
    now.wanted = !only || strcmp(only, now.op) == 0;
    golden_next(f);
}

static void replay(const char *family) {
    struct golden_file f;
    char path[600], name[80];
    const char *folder = getenv("EBB_GOLDEN");
    (void)snprintf(path, sizeof path, "%s/%s.gz", folder ? folder : "tests/golden", family);
    if (golden_open(&f, path)) {
        bool without = ebb_error_status() == EBB_ERR_UNSUPPORTED;
        if (without) print_message("%s: skipped, this build is without zlib\n", family);
        golden_close(&f);
        if (without) ebb_clear_error();
        if (without) skip();
        CHECK_OK();
        return;
    }
    now.family = (struct totals){.samples = 0};
    now.op[0] = '\0';
    golden_next(&f);
    while (golden_line(&f)) {
        if (strcmp(f.line, "op") == 0) begin_operator(&f);
        else if (strcmp(f.line, "sample") != 0) golden_next(&f);
        else EBB_SCOPE {
                golden_read(&f, &now.sample);
                const struct difference *different = now.wanted ? deliberate() : NULL;
                now.own.different += different != NULL;
                if (different && different->derivatives) now.sample.dx.n = 0;
                now.own.samples += now.wanted;
                if (now.wanted && (!different || different->derivatives) && !f.damaged) replay_sample();
            }
    }
    end_operator();
    (void)snprintf(name, sizeof name, "-- %s, %d operators", family, now.family.operators);
    if (now.family.operators) report(name, &now.family);
    add(&now.all, &now.family);
    bool damaged = f.damaged;
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

EBB_TEST(together) {
    const struct totals *t = &now.all;
    print_message(
        "%d operators, %d samples, %d of them refused as PyTorch does, %d deliberately different: %d failures in %d "
        "operators\n",
        t->operators, t->samples, t->refusals, t->different, t->failures, t->failed_operators);
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++)
        if (differences[i].op) print_message("different: %s: %s\n", differences[i].op, differences[i].reason);
}

EBB_TEST_MAIN
