/* Checking gradients against finite differences: the Jacobian both ways, compared entry by entry, or along random
 * directions in fast mode. */
#include "autograd/transforms.h"
#include "record/call.h"
#include <math.h>
#include <string.h>

/* One side of the Jacobian: the inputs or the outputs that are differentiated. Its directions are the unit vectors of
 * every element, or one random unit vector for each tensor. */
struct side {
    int64_t n;
    ebb_tensor **t;
    int64_t *where;  /* [n] place in the caller's list */
    int64_t *first;  /* [n + 1] number of the first direction of each tensor */
    int64_t largest; /* elements of the largest tensor */
};

struct check {
    const char *op;
    ebb_function function;
    void *context;
    ebb_list inputs;
    ebb_gradcheck_options o;
    bool tracked; /* whether any output requires gradients */
    struct side in, out;
    double *jacobian; /* by backward: [directions of out][directions of in] */
    double *plus, *minus;
    double atol, rtol;
    double *u, *v; /* a direction of the inputs, of the outputs */
};

static ebb_status side_begin(struct side *s, int64_t n) {
    size_t count = (size_t)n;
    s->n = 0;
    s->t = ebb__alloc_zeroed(count * (sizeof *s->t + sizeof *s->where) + (count + 1) * sizeof *s->first);
    if (!s->t) return ebb_error_status();
    s->where = (int64_t *)(void *)(s->t + n);
    s->first = s->where + n;
    return EBB_OK;
}

static void side_end(struct side *s, int64_t n) {
    size_t count = (size_t)n;
    ebb__free(s->t, count * (sizeof *s->t + sizeof *s->where) + (count + 1) * sizeof *s->first);
}

static void side_add(struct side *s, ebb_tensor *t, int64_t where, bool fast) {
    s->t[s->n] = t;
    s->where[s->n] = where;
    s->first[s->n + 1] = s->first[s->n] + (fast ? t->numel > 0 : t->numel);
    if (t->numel > s->largest) s->largest = t->numel;
    s->n++;
}

static int64_t directions(const struct side *s, int64_t i) { return s->first[i + 1] - s->first[i]; }
static int64_t all_directions(const struct side *s) { return s->first[s->n]; }

/* ---- directions ---- */

/* A number in [-1, 1) of the stream `stream`. */
static double random_number(uint64_t seed, uint64_t stream, int64_t i) {
    uint32_t words[4];
    ebb__philox(seed, (stream << 40) + (uint64_t)i, words);
    return (double)words[0] / 2147483648.0 - 1;
}

/* Fast mode's direction of one tensor, of length 1; its entries' sum of sizes, which bounds how entries' tolerances add
 * up along it. Otherwise 1, for a unit vector. */
static double random_direction(const struct check *c, uint64_t stream, int64_t n, double *ret_v) {
    double squares = 0, sizes = 0;
    for (int64_t i = 0; i < n; i++) {
        ret_v[i] = random_number(c->o.seed, stream, i);
        squares += ret_v[i] * ret_v[i];
        sizes += fabs(ret_v[i]);
    }
    for (int64_t i = 0; i < n; i++) ret_v[i] /= sqrt(squares);
    return sizes / sqrt(squares);
}

static double dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static uint64_t in_stream(int64_t i) { return 2 * (uint64_t)i; }
static uint64_t out_stream(int64_t i) { return 2 * (uint64_t)i + 1; }

/* ---- the function ---- */

static ebb_status call(const struct check *c, ebb_list inputs, ebb_outputs *ret_out) {
    return ebb__function_call(c->op, c->function, c->context, inputs, ret_out);
}

static ebb_status find_inputs(struct check *c) {
    for (int64_t i = 0; i < c->inputs.n; i++) {
        ebb_tensor *t = c->inputs.t[i];
        if (!t || !ebb__requires_grad(t)) continue; /* optional inputs may be absent */
        if (t->dtype != EBB_F64 && c->o.eps <= 0)
            return ebb__fail_op(c->op, EBB_ERR_DTYPE,
                                "input %lld is %s, too coarse for finite differences: use float64, or give .eps",
                                (long long)i, ebb_dtype_name((ebb_dtype)t->dtype));
        for (int d = 0; d < t->ndim; d++)
            if (ebb__strides(t)[d] == 0 && t->dims[d] > 1)
                return ebb__fail_op(c->op, EBB_ERR_ARGUMENT,
                                    "input %lld is expanded: several of its elements share memory; clone it first",
                                    (long long)i);
        side_add(&c->in, t, i, c->o.fast);
    }
    if (c->in.n) return EBB_OK;
    return ebb__fail_op(c->op, EBB_ERR_GRAPH, "no input requires gradients");
}

/* The outputs that require gradients, as PyTorch's check takes them; when there are none, all that could. */
static void find_outputs(struct check *c, const ebb_outputs *out) {
    for (int64_t k = 0; k < out->n; k++) c->tracked = c->tracked || ebb__requires_grad(out->t[k]);
    for (int64_t k = 0; k < out->n; k++) {
        bool floating = ebb_dtype_is_floating((ebb_dtype)out->t[k]->dtype);
        if (c->tracked ? ebb__requires_grad(out->t[k]) : floating) side_add(&c->out, out->t[k], k, c->o.fast);
    }
}

static ebb_status make_buffers(struct check *c) {
    size_t j = (size_t)(all_directions(&c->out) * all_directions(&c->in));
    size_t out = (size_t)c->out.largest, in = (size_t)c->in.largest, each = (size_t)all_directions(&c->out);
    c->jacobian = ebb__alloc_zeroed((j + 2 * each + in + out) * sizeof(double));
    if (!c->jacobian) return ebb_error_status();
    c->plus = c->jacobian + j;
    c->minus = c->plus + each;
    c->u = c->minus + each;
    c->v = c->u + in;
    return EBB_OK;
}

static void free_buffers(struct check *c) {
    size_t j = (size_t)(all_directions(&c->out) * all_directions(&c->in));
    size_t rest = 2 * (size_t)all_directions(&c->out) + (size_t)c->in.largest + (size_t)c->out.largest;
    ebb__free(c->jacobian, (j + rest) * sizeof(double));
}

/* ---- what is said when they disagree ---- */

/* "input 1 (weight), element [0, 2]" */
static void describe(char *text, size_t size, const char *what, const struct side *s, int64_t i, int64_t e, bool fast) {
    const ebb_tensor *t = s->t[i];
    char index[EBB__SHAPE_TEXT];
    int64_t at[EBB_MAX_NDIM];
    for (int d = t->ndim - 1; d >= 0; d--) {
        at[d] = e % t->dims[d];
        e /= t->dims[d];
    }
    const char *name = ebb_tensor_name(t);
    snprintf(text, size, "%s %lld%s%s%s%s%s", what, (long long)s->where[i], name[0] ? " (" : "", name,
             name[0] ? ")" : "", fast ? ", along a random direction" : " at ",
             fast ? "" : ebb__shape_text(index, t->ndim, at));
}

static void note_worst(const struct check *c, int which, double a, double b) {
    double *worst = c->o.ret_worst;
    if (worst) worst[which] = fmax(worst[which], fabs(a - b) / fmax(1, fabs(b)));
}

/* ---- by backward ---- */

static ebb_status nondeterministic(const struct check *c, int64_t k, int64_t i, double a, double b) {
    return ebb__fail_op(
        c->op, EBB_ERR_GRAPH,
        "two backward passes from output %lld to input %lld differ: %.12g and %.12g, and nondet_tol is %g",
        (long long)c->out.where[k], (long long)c->in.where[i], a, b, c->o.nondet_tol);
}

/* One row: the gradients along an upstream gradient, projected on the inputs' directions. `again`: compared with what
 * is there instead. */
static ebb_status backward_row(struct check *c, int64_t k, ebb_tensor *upstream, double *row, bool again) {
    ebb_tensor **grads = ebb__alloc_zeroed((size_t)c->in.n * sizeof *grads);
    double *all = ebb__alloc((size_t)c->in.largest * sizeof *all);
    ebb_status status = grads && all ? EBB_OK : ebb_error_status();
    if (!status)
        status = ebb_grad(EBB_LIST(c->out.t[k]), ((ebb_list){c->in.n, c->in.t}), grads,
                          .grad_outputs = EBB_LIST(upstream), .retain_graph = true, .allow_unused = true);
    for (int64_t i = 0; i < c->in.n && !status; i++) {
        int64_t n = c->in.t[i]->numel;
        memset(all, 0, (size_t)n * sizeof *all);
        if (grads[i]) status = ebb_tensor_read(grads[i], EBB_F64, all);
        if (c->o.fast && n) {
            (void)random_direction(c, in_stream(i), n, c->u);
            all[0] = dot(all, c->u, n);
        }
        for (int64_t e = 0; e < directions(&c->in, i) && !status; e++) {
            double *at = &row[c->in.first[i] + e];
            if (!again) *at = all[e];
            else if (!(fabs(*at - all[e]) <= c->o.nondet_tol) && !(isnan(*at) && isnan(all[e])))
                status = nondeterministic(c, k, i, *at, all[e]);
        }
    }
    ebb__free(all, (size_t)c->in.largest * sizeof *all);
    ebb__free(grads, (size_t)c->in.n * sizeof *grads);
    return status;
}

/* Each row twice, to see whether they agree. */
static ebb_status by_backward(struct check *c) {
    ebb_status status = EBB_OK;
    for (int64_t k = 0; k < c->out.n && !status && c->tracked; k++) {
        ebb_tensor *y = c->out.t[k];
        for (int64_t j = 0; j < directions(&c->out, k) && !status; j++) {
            ebb_scope scope = ebb_scope_open();
            ebb_tensor *v = ebb__own(ebb__tensor_new_like(y, (ebb_dtype)y->dtype));
            if (!v) status = ebb_error_status();
            if (!status && c->o.fast) (void)random_direction(c, out_stream(k), y->numel, c->v);
            int64_t size = ebb__dtype_sizes[y->dtype];
            for (int64_t e = 0; e < y->numel && !status; e++)
                ebb__store(v->data + e * size, (ebb_dtype)v->dtype, c->o.fast ? c->v[e] : e == j);
            double *row = c->jacobian + (c->out.first[k] + j) * all_directions(&c->in);
            for (int again = 0; again < 2 && !status; again++) status = backward_row(c, k, v, row, again);
            ebb_scope_close(&scope);
        }
    }
    return status;
}

/* ---- by forward mode ---- */

static ebb_status forward_disagrees(const struct check *c, int64_t k, int64_t j, int64_t i, int64_t e, double forward,
                                    double backward) {
    char out[256], in[256];
    describe(out, sizeof out, "output", &c->out, k, j, c->o.fast);
    describe(in, sizeof in, "input", &c->in, i, e, c->o.fast);
    return ebb__fail_op(c->op, EBB_ERR_GRAPH, "the derivative of %s by %s: forward mode gives %.9g, backward %.9g", out,
                        in, forward, backward);
}

/* One column, the derivatives along a tangent of input i, against the entries by backward. */
static ebb_status compare_forward(struct check *c, int64_t i, int64_t e, double size, const ebb_outputs *along) {
    int64_t columns = all_directions(&c->in), column = c->in.first[i] + e;
    double *all = ebb__alloc((size_t)c->out.largest * sizeof *all);
    ebb_status status = all ? EBB_OK : ebb_error_status();
    for (int64_t k = 0; k < c->out.n && !status; k++) {
        int64_t n = c->out.t[k]->numel;
        double scale = size;
        status = ebb_tensor_read(along->t[c->out.where[k]], EBB_F64, all);
        if (c->o.fast && n) {
            scale *= random_direction(c, out_stream(k), n, c->v);
            all[0] = dot(all, c->v, n);
        }
        for (int64_t j = 0; j < directions(&c->out, k) && !status; j++) {
            double b = c->jacobian[(c->out.first[k] + j) * columns + column];
            note_worst(c, 1, all[j], b);
            if (!(fabs(all[j] - b) <= c->atol * scale + c->rtol * fabs(b)))
                status = forward_disagrees(c, k, j, i, e, all[j], b);
        }
    }
    ebb__free(all, (size_t)c->out.largest * sizeof *all);
    return status;
}

static ebb_status forward_column(struct check *c, int64_t i, int64_t e, ebb_tensor **tangents) {
    ebb_tensor *x = c->in.t[i], *t = ebb__own(ebb__tensor_new_like(x, (ebb_dtype)x->dtype));
    ebb_outputs along;
    double size = 1;
    if (!t) return ebb_error_status();
    if (c->o.fast) size = random_direction(c, in_stream(i), x->numel, c->u);
    for (int64_t r = 0; r < x->numel; r++)
        ebb__store(t->data + r * ebb__dtype_sizes[t->dtype], (ebb_dtype)t->dtype, c->o.fast ? c->u[r] : r == e);
    tangents[c->in.where[i]] = t;
    ebb_status status = ebb_jvp(c->function, c->context, c->inputs, ((ebb_list){c->inputs.n, tangents}), NULL, &along);
    tangents[c->in.where[i]] = NULL;
    return status ? status : compare_forward(c, i, e, size, &along);
}

static ebb_status by_forward(struct check *c) {
    size_t bytes = (size_t)c->inputs.n * sizeof(ebb_tensor *);
    ebb_tensor **tangents = ebb__alloc_zeroed(bytes);
    ebb_status status = tangents ? EBB_OK : ebb_error_status();
    for (int64_t i = 0; i < c->in.n; i++)
        for (int64_t e = 0; e < directions(&c->in, i) && !status; e++) {
            ebb_scope scope = ebb_scope_open();
            status = forward_column(c, i, e, tangents);
            ebb_scope_close(&scope);
        }
    ebb__free(tangents, bytes);
    return status;
}

/* ---- by finite differences ---- */

static char *element(const ebb_tensor *t, int64_t e) {
    int64_t at = 0;
    for (int d = t->ndim - 1; d >= 0; d--) {
        at += e % t->dims[d] * ebb__strides(t)[d];
        e /= t->dims[d];
    }
    return t->data + at * (int64_t)ebb__dtype_sizes[t->dtype];
}

/* Move input i by step along direction e; fast mode's direction is in c->u. */
static void move(const struct check *c, int64_t i, int64_t e, double step) {
    ebb_tensor *t = c->in.t[i];
    int64_t first = c->o.fast ? 0 : e, last = c->o.fast ? t->numel : e + 1;
    for (; first < last; first++) {
        char *at = element(t, first);
        ebb__store(at, (ebb_dtype)t->dtype, ebb__load(at, (ebb_dtype)t->dtype) + step * (c->o.fast ? c->u[first] : 1));
    }
}

/* The outputs that are compared, projected on their directions. */
static ebb_status evaluate(struct check *c, double *ret_values) {
    ebb_scope scope = ebb_scope_open();
    ebb_outputs out;
    double *all = ebb__alloc((size_t)c->out.largest * sizeof *all);
    ebb_status status = all ? call(c, c->inputs, &out) : ebb_error_status();
    for (int64_t k = 0; k < c->out.n && !status; k++) {
        int64_t where = c->out.where[k], n = c->out.t[k]->numel;
        if (where >= out.n || out.t[where]->numel != n) {
            status =
                ebb__fail_op(c->op, EBB_ERR_SHAPE, "output %lld changes its shape from call to call", (long long)where);
            break;
        }
        status = ebb_tensor_read(out.t[where], EBB_F64, all);
        if (c->o.fast && n) {
            (void)random_direction(c, out_stream(k), n, c->v);
            all[0] = dot(all, c->v, n);
        }
        for (int64_t j = 0; j < directions(&c->out, k); j++) ret_values[c->out.first[k] + j] = all[j];
    }
    ebb__free(all, (size_t)c->out.largest * sizeof *all);
    ebb_scope_close(&scope);
    return status;
}

static ebb_status disagree(const struct check *c, int64_t k, int64_t j, int64_t i, int64_t e, double a, double n) {
    char out[256], in[256];
    describe(out, sizeof out, "output", &c->out, k, j, c->o.fast);
    describe(in, sizeof in, "input", &c->in, i, e, c->o.fast);
    return ebb__fail_op(c->op, EBB_ERR_GRAPH, "the gradient of %s by %s: %s %.9g, finite differences give %.9g", out,
                        in, c->tracked ? "backward gives" : "no output requires gradients, so it should be", a, n);
}

/* One column: the differences along direction e of input i against the entries by backward. `size`: of that
 * direction. */
static ebb_status compare_column(const struct check *c, int64_t i, int64_t e, double size) {
    int64_t column = c->in.first[i] + e, columns = all_directions(&c->in);
    for (int64_t k = 0; k < c->out.n; k++) {
        double scale = size * (c->o.fast ? random_direction(c, out_stream(k), c->out.t[k]->numel, c->v) : 1);
        for (int64_t j = 0; j < directions(&c->out, k); j++) {
            int64_t row = c->out.first[k] + j;
            double n = (c->plus[row] - c->minus[row]) / (2 * c->o.eps), a = c->jacobian[row * columns + column];
            note_worst(c, 0, a, n);
            if (!(fabs(a - n) <= c->atol * scale + c->rtol * fabs(n))) return disagree(c, k, j, i, e, a, n);
        }
    }
    return EBB_OK;
}

/* The function with input i moved by step along direction e. */
static ebb_status evaluate_moved(struct check *c, int64_t i, int64_t e, double step, const double *kept,
                                 double *ret_values) {
    ebb_tensor *t = c->in.t[i];
    move(c, i, e, step);
    ebb_status status = evaluate(c, ret_values);
    for (int64_t r = 0; r < t->numel; r++) ebb__store(element(t, r), (ebb_dtype)t->dtype, kept[r]);
    return status;
}

static ebb_status by_differences(struct check *c) {
    ebb_status status = EBB_OK;
    for (int64_t i = 0; i < c->in.n && !status; i++) {
        ebb_tensor *t = c->in.t[i];
        size_t bytes = (size_t)t->numel * sizeof(double);
        double *kept = ebb__alloc(bytes), size = 1; /* as they were, to the last bit */
        status = kept ? ebb_tensor_read(t, EBB_F64, kept) : ebb_error_status();
        if (c->o.fast && t->numel) size = random_direction(c, in_stream(i), t->numel, c->u);
        for (int64_t e = 0; e < directions(&c->in, i) && !status; e++) {
            status = evaluate_moved(c, i, e, c->o.eps, kept, c->plus);
            if (!status) status = evaluate_moved(c, i, e, -c->o.eps, kept, c->minus);
            if (!status) status = compare_column(c, i, e, size);
        }
        ebb__free(kept, bytes);
    }
    return status;
}

/* ---- the checks ---- */

static ebb_status run(struct check *c) {
    ebb_outputs out;
    ebb_status status = side_begin(&c->in, c->inputs.n);
    if (!status) status = find_inputs(c);
    if (!(c->o.eps > 0)) c->o.eps = 1e-6;
    c->atol = c->o.atol.given ? c->o.atol.value : 1e-5;
    c->rtol = c->o.rtol.given ? c->o.rtol.value : 1e-3;
    if (!status) status = call(c, c->inputs, &out);
    if (!status) status = side_begin(&c->out, out.n);
    if (!status) {
        find_outputs(c, &out);
        status = make_buffers(c);
        if (!status) status = by_backward(c);
        if (!status) status = by_differences(c);
        if (!status && c->o.forward_mode) status = by_forward(c);
        if (c->jacobian) free_buffers(c);
        side_end(&c->out, out.n);
    }
    if (c->in.t) side_end(&c->in, c->inputs.n);
    return status;
}

static ebb_status check(const char *op, ebb_function function, void *context, ebb_list inputs,
                        ebb_gradcheck_options options) {
    struct check c = {.op = op, .function = function, .context = context, .inputs = inputs, .o = options};
    ebb_scope scope = ebb_scope_open();
    bool before = ebb_set_grad_enabled(true);
    ebb_status status = run(&c);
    ebb_set_grad_enabled(before);
    ebb_scope_close(&scope);
    return status;
}

/* What both checks begin with. */
static ebb_status begin(const char *op, ebb_function function, const ebb_gradcheck_options *options) {
    if (!function) return ebb__fail_null(op, "function");
    if (options->ret_worst) options->ret_worst[0] = options->ret_worst[1] = 0;
    if (!(options->atol.value >= 0 && options->rtol.value >= 0 && options->nondet_tol >= 0))
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "atol, rtol and nondet_tol must not be negative, got %g, %g and %g",
                            options->atol.value, options->rtol.value, options->nondet_tol);
    return ebb_error_status();
}

ebb_status(ebb_gradcheck)(ebb_function function, void *context, ebb_list inputs, ebb_gradcheck_options options) {
    ebb_status status = begin("gradcheck", function, &options);
    return status ? status : check("gradcheck", function, context, inputs, options);
}

/* ---- second order: the gradient, as a function of the inputs and of the upstream gradients ---- */

struct first_order {
    ebb_function function;
    void *context;
    int64_t n_in; /* the upstream gradients follow them */
};

/* The outputs through which gradients flow, moved to the front. */
static int64_t differentiable(ebb_outputs *out) {
    int64_t n = 0;
    for (int64_t k = 0; k < out->n; k++)
        if (ebb__requires_grad(out->t[k])) out->t[n++] = out->t[k];
    return n;
}

static ebb_status gradient_function(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct first_order *f = context;
    ebb_outputs out = {0};
    ebb_status status = f->function((ebb_list){f->n_in, in.t}, &out, f->context);
    if (status || (status = ebb_error_status())) return status;
    ebb_tensor *by[EBB_FUNCTION_MAX_OUT], *grads[EBB_FUNCTION_MAX_OUT] = {NULL};
    int64_t n = 0, n_out = differentiable(&out);
    for (int64_t i = 0; i < f->n_in; i++) {
        if (!in.t[i] || !ebb__requires_grad(in.t[i])) continue;
        if (n == EBB_FUNCTION_MAX_OUT)
            return ebb_fail(EBB_ERR_ARGUMENT, "more than %d inputs require gradients", EBB_FUNCTION_MAX_OUT);
        by[n++] = in.t[i];
    }
    if (n_out != in.n - f->n_in) return ebb_fail(EBB_ERR_GRAPH, "the outputs that require gradients change");
    status = ebb_grad(((ebb_list){n_out, out.t}), ((ebb_list){n, by}), grads, .grad_outputs = {n_out, in.t + f->n_in},
                      .create_graph = true, .allow_unused = true);
    for (int64_t i = 0; i < n && !status; i++)
        if (grads[i]) ret_out->t[ret_out->n++] = grads[i];
    return status;
}

static ebb_tensor *upstream_like(const ebb_tensor *y, uint64_t seed, uint64_t stream) {
    ebb_tensor *v = ebb__own(ebb__tensor_new_like(y, (ebb_dtype)y->dtype));
    if (!v) return NULL;
    for (int64_t i = 0; i < v->numel; i++)
        ebb__store(v->data + i * (int64_t)ebb__dtype_sizes[v->dtype], (ebb_dtype)v->dtype,
                   random_number(seed, stream, i));
    return ebb_requires_grad_(v, true);
}

static ebb_status second_order(struct first_order *f, ebb_list inputs, ebb_gradcheck_options options) {
    ebb_outputs out = {0};
    ebb_status status = f->function(inputs, &out, f->context);
    if (status || (status = ebb_error_status())) return ebb__fail_op("gradgradcheck", status, "the function failed");
    int64_t n_out = differentiable(&out);
    if (n_out == 0) return EBB_OK; /* nothing to differentiate twice */
    size_t bytes = (size_t)(inputs.n + n_out) * sizeof(ebb_tensor *);
    ebb_tensor **all = ebb__alloc(bytes);
    if (!all) return ebb_error_status();
    for (int64_t i = 0; i < inputs.n; i++) all[i] = inputs.t[i];
    for (int64_t k = 0; k < n_out && !status; k++) {
        all[inputs.n + k] = upstream_like(out.t[k], options.seed + 1, (uint64_t)k);
        if (!all[inputs.n + k]) status = ebb_error_status();
    }
    if (!status) status = check("gradgradcheck", gradient_function, f, (ebb_list){inputs.n + n_out, all}, options);
    ebb__free(all, bytes);
    return status;
}

/* The derivative along tangents, as a function of the inputs and of the tangents of those that require gradients. */
static ebb_status forward_function(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct first_order *f = context;
    size_t bytes = (size_t)f->n_in * sizeof(ebb_tensor *);
    ebb_tensor **tangents = ebb__alloc_zeroed(bytes);
    if (!tangents) return ebb_error_status();
    for (int64_t i = 0, at = f->n_in; i < f->n_in; i++)
        if (in.t[i] && ebb__requires_grad(in.t[i])) tangents[i] = in.t[at++];
    ebb_status status =
        ebb_jvp(f->function, f->context, ((ebb_list){f->n_in, in.t}), ((ebb_list){f->n_in, tangents}), NULL, ret_out);
    ebb__free(tangents, bytes);
    return status;
}

static ebb_status reverse_over_forward(struct first_order *f, ebb_list inputs, ebb_gradcheck_options options) {
    size_t bytes = 2 * (size_t)inputs.n * sizeof(ebb_tensor *);
    ebb_tensor **all = ebb__alloc(bytes);
    ebb_status status = all ? EBB_OK : ebb_error_status();
    int64_t n = 0;
    for (; n < inputs.n && !status; n++) all[n] = inputs.t[n];
    for (int64_t i = 0; i < inputs.n && !status; i++) {
        if (!inputs.t[i] || !ebb__requires_grad(inputs.t[i])) continue;
        all[n] = upstream_like(inputs.t[i], options.seed + 2, (uint64_t)i);
        if (!all[n++]) status = ebb_error_status();
    }
    options.forward_mode = false;
    if (!status) status = check("gradgradcheck (of forward mode)", forward_function, f, (ebb_list){n, all}, options);
    ebb__free(all, bytes);
    return status;
}

ebb_status(ebb_gradgradcheck)(ebb_function function, void *context, ebb_list inputs, ebb_gradcheck_options options) {
    ebb_status status = begin("gradgradcheck", function, &options);
    if (status) return status;
    struct first_order f = {.function = function, .context = context, .n_in = inputs.n};
    ebb_scope scope = ebb_scope_open();
    bool before = ebb_set_grad_enabled(true);
    status = second_order(&f, inputs, options);
    if (!status && options.forward_mode) status = reverse_over_forward(&f, inputs, options);
    ebb_set_grad_enabled(before);
    ebb_scope_close(&scope);
    return status;
}
