/* Every operator, every sample, every dtype and layout: what no operator may get wrong, checked by one loop over the
 * table of operators. A failure is printed as operator, sample, what was tried and what came. */
#include "tests/check.h"
#include "tests/layouts.h"
#include "record/call.h"
#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <time.h>

#define MAX_IN 16
#define SEED 20

static struct { int failures, operators, samples, calls, expected, checked, failing_allocations; } total;

/* What is under test, for messages and for the line of the operator. */
static struct {
    const struct ebb_op *op;
    const char *text;
    ebb_dtype dtype;
    double worst[EBB_DTYPE_COUNT];
} now;

static EBB_PRINTF(2, 3) void complain(const char *what, const char *format, ...) {
    va_list arguments;
    total.failures++;
    print_message("FAIL %s \"%s\" %s: %s: ", now.op->name, now.text, ebb_dtype_name(now.dtype), what);
    va_start(arguments, format);
    char text[300];
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const ebb_error_info *e = ebb_error();
    print_message("%s%s%s%s%s\n", text, e ? " | " : "", e ? e->op : "", e ? ": " : "", e ? e->message : "");
    ebb_clear_error();
}

/* Note a difference; complain when it is beyond what the dtype allows. */
static void compare(const char *what, const char *which, const ebb_tensor *got, const ebb_tensor *want,
                    double tolerance) {
    double d = difference(got, want);
    if (!(d <= tolerance)) complain(what, "%s differs by %.3g", which, d);
    else now.worst[now.dtype] = fmax(now.worst[now.dtype], d);
}

/* Views and whole numbers come out the same in any layout; floating point nearly so, since the order of a sum may
 * follow the layout. */
static double tolerance_of(const ebb_tensor *t) {
    if (now.op->view) return 0;
    return ebb_tensor_dtype(t) == EBB_F32 ? 1e-5 : ebb_tensor_dtype(t) == EBB_F64 ? 1e-12 : 0;
}

/* ---- one call ---- */

#define MAX_OUT EBB_FUNCTION_MAX_OUT

struct results {
    int n_out;
    ebb_tensor *out[MAX_OUT], *grad[MAX_IN];
};

/* The inputs that have a gradient, by their formulas; of an operator recorded as its parts and without any formula, all
 * floating ones. */
static uint32_t differentiable(const struct ebb_sample *s) {
    uint32_t set = 0;
    bool formulas = s->op->vjp != NULL;
    const struct ebb_op_texts written = ebb_op_text(s->op);
    if (s->op->no_derivative || (!s->op->vjp && !s->op->compose && !s->op->compose_list)) return 0;
    for (int i = 0; i < EBB_OP_MAX_IN; i++) formulas = formulas || written.formula[i];
    for (int64_t i = 0; i < s->n_in; i++) {
        bool floating =
            s->in[i] && ebb_dtype_is_floating(ebb_tensor_dtype(s->in[i])) && !ebb_tensor_is_number(s->in[i]);
        bool formula = !formulas || written.formula[ebb__op_input(s->op, s->n_in, i)];
        if (floating && formula) set |= 1u << i;
    }
    return set;
}

static ebb_status call(const struct ebb_sample *s, ebb_tensor *const *in, ebb_tensor **ret_out, int *ret_n) {
    ebb_manual_seed(SEED);
    (void)ebb_at(__FILE__, __LINE__);
    total.calls++;
    ebb_list list = ebb_call_op_list(s->op, in, s->n_in, s->attrs);
    *ret_n = (int)list.n;
    if (list.n > MAX_OUT) complain("sample", "more than %d results", MAX_OUT);
    for (int k = 0; k < list.n && k < MAX_OUT; k++) ret_out[k] = list.t[k];
    return list.n ? EBB_OK : ebb_error_status();
}

/* Upstream gradients, always the same for one shape. */
static ebb_tensor *upstream(const ebb_tensor *y, uint64_t seed) {
    ebb_tensor *v = ebb__own(ebb__tensor_new_like(y, (ebb_dtype)y->dtype));
    for (int64_t i = 0; v && i < v->numel; i++) {
        uint32_t words[4];
        ebb__philox(seed, (uint64_t)i, words);
        ebb__store(v->data + i * (int64_t)ebb_dtype_size((ebb_dtype)v->dtype), (ebb_dtype)v->dtype,
                   (double)(float)(words[0] / 2147483648.0 - 1));
    }
    return v;
}

/* The outputs that gradients flow through, with an upstream gradient each. */
static int64_t roots(ebb_tensor *const *out, int n_out, ebb_tensor **ret_y, ebb_tensor **ret_v) {
    int64_t n = 0;
    for (int k = 0; k < n_out; k++) {
        if (!ebb_tensor_requires_grad(out[k])) continue;
        ret_y[n] = out[k];
        ret_v[n] = upstream(out[k], SEED + (uint64_t)k);
        if (!ret_v[n++]) return -1;
    }
    return n;
}

static int64_t leaves(const struct ebb_sample *s, ebb_tensor *const *in, uint32_t wanted, ebb_tensor **ret_x) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->n_in; i++)
        if (wanted & 1u << i) ret_x[n++] = ebb_requires_grad_(in[i], true);
    return n;
}

/* The results on these inputs, and the gradients of those in `wanted`. */
static ebb_status run(const struct ebb_sample *s, ebb_tensor *const *in, uint32_t wanted, struct results *ret) {
    ebb_tensor *x[MAX_IN], *y[MAX_OUT], *v[MAX_OUT], *g[MAX_IN] = {NULL};
    *ret = (struct results){0};
    int64_t n_x = leaves(s, in, wanted, x);
    ebb_status status = call(s, in, ret->out, &ret->n_out);
    int64_t n_y = status ? 0 : roots(ret->out, ret->n_out, y, v);
    if (n_y < 0) return ebb_error_status();
    if (!status && n_x && n_y)
        status =
            ebb_grad(((ebb_list){n_y, y}), ((ebb_list){n_x, x}), g, .grad_outputs = {n_y, v}, .allow_unused = true);
    for (int64_t i = 0, k = 0; i < s->n_in && !status; i++)
        if (wanted & 1u << i) ret->grad[i] = g[k++];
    return status;
}

/* The sample's inputs in a layout, as new leaves; false when it is no other layout than the contiguous one. */
static bool laid_out(const struct ebb_sample *s, enum layout layout, ebb_tensor **ret_in) {
    bool changed = layout == CONTIGUOUS;
    for (int64_t i = 0; i < s->n_in; i++) ret_in[i] = lay_out(s->in[i], layout, &changed);
    return changed;
}

static void compare_results(const char *what, const struct ebb_sample *s, const struct results *got,
                            const struct results *want) {
    if (got->n_out != want->n_out) complain(what, "%d results, not %d", got->n_out, want->n_out);
    for (int k = 0; k < got->n_out && k < want->n_out; k++) {
        if (ebb_tensor_dtype(got->out[k]) != ebb_tensor_dtype(want->out[k]))
            complain(what, "output %d is %s, not %s", k, ebb_dtype_name(ebb_tensor_dtype(got->out[k])),
                     ebb_dtype_name(ebb_tensor_dtype(want->out[k])));
        bool undefined = strncmp(s->op->name, "empty", 5) == 0; /* whatever lay in memory */
        if (!undefined) compare(what, "an output", got->out[k], want->out[k], tolerance_of(want->out[k]));
    }
    for (int64_t i = 0; i < s->n_in; i++)
        if (want->grad[i] || got->grad[i])
            compare(what, "a gradient", got->grad[i], want->grad[i], 10 * tolerance_of(want->grad[i]));
}

/* ---- the checks of one sample ---- */

/* Shape and dtype of the results are those that the operator's own rule, or broadcasting and promotion, foretell. */
static void check_inferred(const struct ebb_sample *s, ebb_tensor *const *given, const struct results *r) {
    const struct ebb_op *op = s->op;
    ebb_meta in[MAX_IN] = {{0}}, want[MAX_OUT] = {{0}};
    char attrs[EBB__ATTRS_MAX];
    if (op->compose || op->compose_list || (!op->infer && !op->loops)) return;
    ebb_dtype dtype = ebb__op_dtype(op, s->in, s->n_in);
    for (int k = 0; k < r->n_out; k++) want[k].dtype = op->promote == EBB_PROMOTE_COMPARE ? EBB_BOOL : dtype;
    for (int64_t i = 0; i < s->n_in; i++) {
        if (!s->in[i]) continue;
        in[i] = (ebb_meta){ebb_tensor_dtype(s->in[i]), ebb_tensor_shape(s->in[i]), ebb_tensor_strides(s->in[i]), 0};
        if (!op->infer) (void)ebb__broadcast(&want[0].shape, &in[i].shape);
    }
    if (op->infer) {
        if (op->n_attrs) (void)ebb__attrs_normalize(op, s->attrs, s->n_in && s->in[0] ? in[0].shape.n : 0, attrs);
        struct ebb_infer f = {
            .op = op, .attrs = attrs, .n_in = s->n_in, .in = in, .dtype = dtype, .out = want, .n_out = r->n_out};
        if (op->infer(&f)) complain("infer", "fails");
    }
    ebb_tensor *const *out = r->out;
    for (int k = 0; k < r->n_out; k++) {
        ebb_dims shape = ebb_tensor_shape(out[k]);
        if (!ebb__dims_equal(&shape, &want[k].shape)) complain("infer", "the shape of output %d is another one", k);
        if (ebb_tensor_dtype(out[k]) != want[k].dtype)
            complain("infer", "output %d is %s, inferred was %s", k, ebb_dtype_name(ebb_tensor_dtype(out[k])),
                     ebb_dtype_name(want[k].dtype));
    }
    if (op->view && r->n_out && ebb_tensor_numel(out[0]) && !ebb_tensor_shares_storage(out[0], given[0]))
        complain("view", "does not share the storage of its input");
}

/* A gradient has the shape and the dtype of its input. */
static void check_gradients(const struct ebb_sample *s, ebb_tensor *const *in, const struct results *r) {
    for (int64_t i = 0; i < s->n_in; i++) {
        ebb_dims want = ebb_tensor_shape(in[i]), got = ebb_tensor_shape(r->grad[i]);
        if (!r->grad[i]) continue;
        if (!ebb__dims_equal(&want, &got)) complain("gradient", "input %d and its gradient differ in shape", (int)i);
        if (ebb_tensor_dtype(in[i]) != ebb_tensor_dtype(r->grad[i]))
            complain("gradient", "of input %d is %s", (int)i, ebb_dtype_name(ebb_tensor_dtype(r->grad[i])));
    }
}

/* Whether a first row repeated makes a matrix of the sample singular. */
static bool spoils(const struct ebb_sample *s) {
    for (int64_t i = 0; i < s->n_in; i++)
        if (s->matrices & 1u << i && (ebb_tensor_ndim(s->in[i]) == 2 || ebb_tensor_size(s->in[i], 0) == 1)) return true;
    return false;
}

/* Whether a call in a layout may be refused: a view may be impossible in another one, and what the operator writes (a
 * table whose rows it shortens, running statistics) may overlap itself. */
static bool may_refuse(enum layout layout, bool shares) {
    const ebb_error_info *e = ebb_error();
    return (shares && e->status == EBB_ERR_SHAPE) ||
           (layout == EXPANDED && strstr(e->message, "share memory, so it cannot be written in place"));
}

/* Results and gradients do not depend on the layout. */
static void check_layouts(const struct ebb_sample *s, const struct results *contiguous, bool shares) {
    uint32_t wanted = differentiable(s);
    if (strcmp(s->op->name, "as_strided") == 0) return; /* it takes the memory as it is */
    for (enum layout layout = TRANSPOSED; layout < LAYOUTS; layout++) {
        EBB_SCOPE {
            struct results got, same, *want = layout == EXPANDED ? &same : NULL;
            ebb_tensor *in[MAX_IN], *plain[MAX_IN];
            bool changed = laid_out(s, layout, in) && !(layout == EXPANDED && spoils(s)), ignored;
            for (int64_t i = 0; i < s->n_in && want; i++) plain[i] = lay_out(in[i], CONTIGUOUS, &ignored);
            if (!changed) break;
            if (want && run(s, plain, wanted, want)) complain(layout_names[layout], "its contiguous copy fails");
            else if (!run(s, in, wanted, &got))
                compare_results(layout_names[layout], s, &got, want ? want : contiguous);
            else if (!may_refuse(layout, shares)) complain(layout_names[layout], "fails");
            ebb_clear_error();
        }
    }
}

/* Each gradient alone is what it is among all: a rule that reads more than it declared for this input finds NULL. */
static void check_declared(const struct ebb_sample *s, const struct results *all) {
    uint32_t wanted = differentiable(s);
    for (int64_t i = 0; i < s->n_in; i++) {
        if (!(wanted & 1u << i)) continue;
        EBB_SCOPE {
            struct results one;
            ebb_tensor *in[MAX_IN];
            (void)laid_out(s, CONTIGUOUS, in);
            if (run(s, in, 1u << i, &one)) complain("alone", "the gradient of input %d fails", (int)i);
            else compare("alone", "a gradient", one.grad[i], all->grad[i], 0);
        }
    }
}

/* Input 0 in float32 among inputs in float64: the results are promoted, its gradient comes back in float32. */
static void check_mixed(const struct ebb_sample *s, const struct results *want) {
    ebb_tensor *in[MAX_IN];
    struct results got;
    bool promotes = s->op->promote == EBB_PROMOTE_COMMON || s->op->promote == EBB_PROMOTE_FLOAT;
    (void)laid_out(s, CONTIGUOUS, in);
    if (!promotes || s->n_in < 2 || ebb_tensor_dtype(in[0]) != EBB_F64 || ebb_tensor_is_number(in[0])) return;
    in[0] = ebb_to(in[0], EBB_F32);
    now.dtype = EBB_F32;
    if (run(s, in, differentiable(s), &got)) {
        complain("mixed dtypes", "fails");
    } else {
        for (int k = 0; k < got.n_out; k++) compare("mixed dtypes", "an output", got.out[k], want->out[k], 1e-5);
        for (int64_t i = 0; i < s->n_in; i++)
            if (want->grad[i]) compare("mixed dtypes", "a gradient", got.grad[i], want->grad[i], 1e-4);
        check_gradients(s, in, &got);
    }
    now.dtype = EBB_F64;
}

/* Whether anything differentiated is of less than double precision. */
static bool is_coarse(const struct ebb_sample *s, ebb_tensor *const *out, int n_out) {
    bool coarse = false;
    for (int64_t i = 0; i < s->n_in; i++) coarse = coarse || ebb_tensor_dtype(s->in[i]) == EBB_F32;
    for (int k = 0; k < n_out; k++) coarse = coarse || ebb_tensor_dtype(out[k]) == EBB_F32;
    return coarse;
}

/* A function of symmetric matrices is one of all of them by their symmetric parts. */
static ebb_status function(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct ebb_sample *s = context;
    ebb_tensor *x[MAX_IN];
    int n_out;
    for (int64_t i = 0; i < in.n; i++)
        x[i] = s->symmetric & 1u << i ? ebb_mul(ebb_add(in.t[i], ebb_transpose(in.t[i], -1, -2)), 0.5) : in.t[i];
    ebb_status status = call(s, x, ret_out->t, &n_out);
    if (!status) ret_out->n = n_out;
    return status;
}

/* <v, J u> = <J'v, u>, J u by forward mode and J'v by backward. */
static void check_adjoint(struct ebb_sample *s, const struct results *r) {
    ebb_tensor *in[MAX_IN], *u[MAX_IN] = {NULL};
    ebb_outputs along;
    double left = 0, right = 0, size = 1;
    (void)laid_out(s, CONTIGUOUS, in);
    uint32_t wanted = differentiable(s);
    for (int64_t i = 0; i < s->n_in; i++) {
        if (!(wanted & 1u << i)) continue;
        u[i] = upstream(in[i], SEED + 50 + (uint64_t)i);
        if (r->grad[i]) right += ebb_item(ebb_sum(ebb_mul(r->grad[i], u[i])));
    }
    if (!wanted) return;
    if (ebb_jvp(function, s, ((ebb_list){s->n_in, in}), ((ebb_list){s->n_in, u}), NULL, &along)) {
        complain("adjoint", "forward mode fails");
        return;
    }
    for (int k = 0; k < r->n_out; k++) {
        if (!ebb_tensor_requires_grad(r->out[k])) continue;
        double term = ebb_item(ebb_sum(ebb_mul(along.t[k], upstream(r->out[k], SEED + (uint64_t)k))));
        left += term;
        size += fabs(term);
    }
    bool of_nothing = isnan(left) && right == 0; /* a mean of no elements */
    double d = of_nothing ? 0 : fabs(left - right) / size, most = is_coarse(s, r->out, r->n_out) ? 1e-4 : 1e-11;
    if (!(d <= most)) complain("adjoint", "<v, Ju> is %.12g, <J'v, u> is %.12g", left, right);
    else if (now.dtype == EBB_F32 || !is_coarse(s, r->out, r->n_out))
        now.worst[now.dtype] = fmax(now.worst[now.dtype], d);
}

/* First and second derivatives against finite differences. */
static void check_differences(struct ebb_sample *s, const struct results *r) {
    ebb_tensor *in[MAX_IN], *x[MAX_IN];
    int64_t entries = 0, results = 0;
    (void)laid_out(s, CONTIGUOUS, in);
    if (!leaves(s, in, differentiable(s), x) || is_coarse(s, r->out, r->n_out)) return;
    if (!ebb_dtype_is_floating(ebb_tensor_dtype(r->out[0]))) return;
    for (int64_t i = 0; i < s->n_in; i++) entries += ebb_tensor_numel(in[i]);
    for (int k = 0; k < r->n_out; k++) results += ebb_tensor_numel(r->out[k]);
    total.checked++;
    if (ebb_gradcheck(function, s, ((ebb_list){s->n_in, in}), .rtol = EBB_SET(1e-5), .atol = EBB_SET(1e-7),
                      .forward_mode = true, .fast = entries * results > 2000))
        complain("gradcheck", "fails");
    if (ebb_gradgradcheck(function, s, ((ebb_list){s->n_in, in}), .rtol = EBB_SET(1e-5), .atol = EBB_SET(1e-7),
                          .forward_mode = true, .fast = entries * (entries + results) > 150))
        complain("gradgradcheck", "fails");
}

/* The in-place form gives what the other one does, or refuses; and its gradient too, unless it needs what is gone. */
static void check_inplace(const struct ebb_sample *s, const struct results *want) {
    ebb_tensor *in[MAX_IN];
    (void)laid_out(s, CONTIGUOUS, in);
    if (!s->op->inplace || !in[0] || ebb_tensor_is_number(in[0])) return;
    ebb_dims shape = ebb_tensor_shape(in[0]), result = ebb_tensor_shape(want->out[0]);
    ebb_tensor *x = in[0];
    bool fits = ebb__dims_equal(&shape, &result) && ebb_tensor_dtype(x) == ebb_tensor_dtype(want->out[0]);
    bool grad = differentiable(s) & 1;
    if (grad) in[0] = ebb_clone(ebb_requires_grad_(x, true));
    uint32_t version = ebb_tensor_version(in[0]);
    ebb_manual_seed(SEED);
    ebb_tensor *y = ebb_call_op_inplace(s->op, in, s->n_in, s->attrs), *g = NULL;
    if (!y && !fits) {
        if (ebb_error_status() != EBB_ERR_SHAPE && ebb_error_status() != EBB_ERR_DTYPE)
            complain("in place", "refused for another reason");
        ebb_clear_error();
        return;
    }
    if (!y || y != in[0] || ebb_tensor_version(y) == version) complain("in place", "is not");
    else if (fits) compare("in place", "the result", y, want->out[0], tolerance_of(y));
    if (!y || !grad || !fits) return;
    if (!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(upstream(y, SEED))))
        compare("in place", "the gradient", g, want->grad[0], 10 * tolerance_of(g));
    else if (ebb_error_status() != EBB_ERR_VERSION || !(s->op->saves[0] & EBB_IN(0)))
        complain("in place", "backward fails");
    ebb_clear_error();
}

/* Every allocation failing in turn: the sample made, called and differentiated ends with EBB_ERR_MEMORY, or well, and
 * leaves nothing behind. */
static void check_failing_allocations(void) {
    bool failed = true;
    for (int64_t n = 0; failed; n++) { /* the first round without a failure brings the thread's own arrays to size */
        int64_t live = ebb_memory().live;
        (void)ebb_memory_fail_after(n);
        EBB_SCOPE {
            struct ebb_sample s = {0};
            struct results r;
            ebb_tensor *in[MAX_IN];
            if (ebb_sample_make(now.op, now.text, now.dtype, SEED, &s)) break;
            (void)laid_out(&s, SLICED, in);
            if (!ebb_error()) (void)run(&s, in, differentiable(&s), &r);
            ebb_sample_release(&s);
        }
        failed = ebb_memory_fail_after(0) >= n;
        if (n) total.failing_allocations++;
        bool memory = failed && ebb_error_status() == EBB_ERR_MEMORY;
        if (ebb_error() && !memory && !strchr(now.text, '!'))
            complain("failing allocation", "number %lld", (long long)n);
        ebb_clear_error();
        if (n && ebb_memory().live != live)
            complain("failing allocation", "number %lld leaks %lld blocks", (long long)n,
                     (long long)(ebb_memory().live - live));
    }
}

/* ---- the loop ---- */

static void check_must_fail(const struct ebb_sample *s) {
    ebb_tensor *out[MAX_OUT] = {NULL};
    int n_out;
    ebb_status status = call(s, s->in, out, &n_out);
    const ebb_error_info *e = ebb_error();
    total.expected++;
    if (!status || !e) complain("must fail", "succeeds");
    else if (status != e->status || strcmp(e->op, now.op->name) != 0)
        complain("must fail", "the error does not name the operator");
    else if (e->line == 0 || !strstr(e->file, "test_operators.c"))
        complain("must fail", "the error does not name the caller's line");
    else if (out[0]) complain("must fail", "writes its result all the same");
    ebb_clear_error();
}

/* Whether any input follows the dtype asked for; when none does, one dtype is enough. */
static bool has_dtype(const struct ebb_sample *s) {
    for (int64_t i = 0; i < s->n_in; i++)
        if (s->in[i] && !ebb_tensor_is_number(s->in[i]) && ebb_tensor_dtype(s->in[i]) == now.dtype) return true;
    return false;
}

static void check_sample(struct ebb_sample *s) {
    bool floating = ebb_dtype_is_floating(now.dtype);
    struct results r;
    ebb_tensor *in[MAX_IN];
    (void)laid_out(s, CONTIGUOUS, in);
    if (run(s, in, differentiable(s), &r)) {
        bool refused = ebb_error_status() == EBB_ERR_DTYPE || ebb_error_status() == EBB_ERR_ARGUMENT;
        if (floating || !refused) complain("call", "fails");
        ebb_clear_error();
        return;
    }
    check_inferred(s, in, &r);
    check_gradients(s, in, &r);
    if (s->n_in == 0 || r.n_out == 0) return;
    check_layouts(s, &r, ebb_tensor_shares_storage(r.out[0], in[0]));
    if (!floating) return;
    check_declared(s, &r);
    check_inplace(s, &r);
    check_adjoint(s, &r);
    if (now.dtype == EBB_F32) return;
    check_mixed(s, &r);
    check_differences(s, &r);
}

/* Whether something lies beyond float16's range, on the way perhaps; then its result says nothing. */
static bool beyond_range(const ebb_tensor *half) {
    if (ebb_tensor_dtype(half) != EBB_F16 || !half->numel) return false;
    double largest = ebb_item(ebb_amax(ebb_abs(ebb_to((ebb_tensor *)(uintptr_t)half, EBB_F32))));
    return !(largest < INFINITY);
}

/* On 16-bit inputs: what comes out on the same values in float32, to the precision of the dtype, each step of a
 * composition rounding once. Gradients likewise. */
static void check_half(struct ebb_sample *s, ebb_dtype dtype) {
    ebb_tensor *in[MAX_IN], *wide[MAX_IN];
    struct results half, want;
    double eps = dtype == EBB_F16 ? 0x1p-10 : 0x1p-7;
    bool any = false;
    for (int64_t i = 0; i < s->n_in; i++) {
        in[i] = wide[i] = s->in[i];
        if (!in[i] || ebb_tensor_is_number(in[i]) || ebb_tensor_dtype(in[i]) != EBB_F32) continue;
        any = true;
        in[i] = ebb_to(in[i], dtype);
        wide[i] = ebb_to(in[i], EBB_F32);
    }
    if (!any) return;
    now.dtype = dtype;
    struct ebb_sample of_wide = *s, of_half = *s;
    of_wide.in = wide;
    of_half.in = in;
    if (run(&of_wide, wide, differentiable(&of_wide), &want)) complain("in float32", "fails");
    else if (run(&of_half, in, differentiable(&of_half), &half)) complain("in 16 bits", "fails");
    else {
        if (half.n_out != want.n_out) complain("in 16 bits", "%d results, not %d", half.n_out, want.n_out);
        for (int k = 0; k < half.n_out && half.n_out == want.n_out; k++) {
            bool floating = ebb_dtype_is_floating(ebb_tensor_dtype(want.out[k]));
            if (floating != ebb_dtype_is_floating(ebb_tensor_dtype(half.out[k])))
                complain("in 16 bits", "output %d is %s", k, ebb_dtype_name(ebb_tensor_dtype(half.out[k])));
            if (floating && !beyond_range(half.out[k]) && strncmp(s->op->name, "empty", 5) != 0)
                compare("in 16 bits", "an output", half.out[k], want.out[k], 8 * eps);
        }
        for (int64_t i = 0; i < s->n_in; i++)
            if (want.grad[i] && half.grad[i]) compare("in 16 bits", "a gradient", half.grad[i], want.grad[i], 32 * eps);
            else if (want.grad[i] || half.grad[i])
                complain("in 16 bits", "input %d has a gradient in one dtype only", (int)i);
    }
    now.dtype = EBB_F32;
}

static void check_text(void) {
    static const ebb_dtype dtypes[] = {EBB_F64, EBB_F32, EBB_I64, EBB_I32, EBB_U8, EBB_BOOL};
    total.samples++;
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
        int64_t live = ebb_memory().live;
        now.dtype = dtypes[d];
        struct ebb_sample s = {0};
        if (ebb_sample_make(now.op, now.text, now.dtype, SEED, &s)) {
            complain("sample", "cannot be read");
            return;
        }
        bool wanted = now.dtype == EBB_F64 || has_dtype(&s), well = !s.must_fail;
        if (s.n_in > MAX_IN) complain("sample", "more than %d inputs", MAX_IN);
        else if (wanted && (well || now.dtype == EBB_F64 || now.dtype == EBB_F32)) EBB_SCOPE {
                s.must_fail ? check_must_fail(&s) : check_sample(&s);
                if (!s.must_fail && now.dtype == EBB_F32) check_half(&s, EBB_BF16);
                if (!s.must_fail && now.dtype == EBB_F32) check_half(&s, EBB_F16);
            }
        ebb_sample_release(&s);
        if (ebb_error()) complain("pending", "an error is left");
        if (d && ebb_memory().live != live) complain("leak", "%lld blocks", (long long)(ebb_memory().live - live));
    }
    now.dtype = EBB_F64;
    check_failing_allocations();
}

/* What is written about the operator. */
static void check_definition(const struct ebb_op *op) {
    const struct ebb_op_texts written = ebb_op_text(op);
    int n = 0, zero_d = 0, empty = 0;
    for (; written.samples && written.samples[n]; n++) {
        zero_d += strstr(written.samples[n], "()") != NULL;
        empty += strstr(written.samples[n], "(0") || strstr(written.samples[n], ",0");
    }
    now.text = "";
    now.dtype = EBB_DTYPE_NONE;
    if (ebb_op_find(op->name) != op) complain("definition", "is not found by its name");
    if (!written.signature || !written.doc || !written.torch)
        complain("definition", "signature, doc or torch is missing");
    if (n < 3) complain("definition", "%d samples, fewer than 3", n);
    if (op->loops && (!zero_d || !empty)) complain("definition", "no sample with a 0-d, or none with an empty tensor");
    if (!op->vjp && !op->compose && !op->compose_list && !op->no_derivative)
        complain("definition", "no derivative, and not said why");
    if (op->vjp && (!op->node || !written.formula[0])) complain("definition", "node or formula is missing");
    for (int i = 0; i < op->n_in; i++)
        if (op->saves[i] && !written.formula[i]) complain("definition", "input %d saves, and has no formula", i);
}

static void check_operator(const struct ebb_op *op) {
    struct timespec a, b;
    int failures = total.failures;
    now.op = op;
    memset(now.worst, 0, sizeof now.worst);
    total.operators++;
    (void)timespec_get(&a, TIME_UTC);
    check_definition(op);
    int n = 0;
    for (const char *const *samples = ebb_op_text(op).samples; samples && samples[n]; n++) {
        now.text = samples[n];
        check_text();
    }
    (void)timespec_get(&b, TIME_UTC);
    print_message("%-24s %2d samples  worst %8.1e f64 %8.1e f32 %6.0f ms%s\n", op->name, n, now.worst[EBB_F64],
                  now.worst[EBB_F32], 1e3 * (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e6,
                  total.failures > failures ? "  FAIL" : "");
}

/* One operator alone: the variable EBB_OP names it. */
EBB_TEST(operators) {
    const char *only = getenv("EBB_OP");
    for (int i = 0; i < ebb_op_count(); i++)
        if (!only || strcmp(only, ebb_op_get(i)->name) == 0) check_operator(ebb_op_get(i));
    print_message("%d operators, %d samples, %d calls, %d expected failures, %d derivatives checked to second order, "
                  "%d failing allocations: %d failures\n",
                  total.operators, total.samples, total.calls, total.expected, total.checked, total.failing_allocations,
                  total.failures);
    CHECK(total.failures == 0);
}

EBB_TEST_MAIN
