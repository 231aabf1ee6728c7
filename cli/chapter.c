/* The computation of `ebb chapter`: each example forward, by the engine, by hand, by finite differences, compared. */
#include "cli/chapter.h"

#include <math.h>

/* Entries of a gradient that are tried one by one; a larger one is tried at that many, spread over it. */
enum { MAX_TRIED = 48 };

static bool same_shape(ebb_dims a, ebb_dims b) {
    bool same = a.n == b.n;
    for (int i = 0; i < a.n && same; i++) same = a.d[i] == b.d[i];
    return same;
}

/* The larger one; not a number is worse than any. */
static double worse(double a, double b) { return isnan(a) || a >= b ? a : b; }

/* ---- by hand ---- */

ebb_tensor *chapter_product(struct chapter_result *r, ebb_tensor *left, ebb_tensor *right) {
    r->left = ebb_tensor_shape(left);
    r->right = ebb_tensor_shape(right);
    return ebb_matmul(left, right);
}

ebb_tensor *chapter_step(struct chapter_result *r, int number, int from, int to, const char *vjp,
                         ebb_tensor *gradient) {
    struct chapter_step *s = &r->steps[r->n_steps++];
    *s = (struct chapter_step){number, from, to, vjp, r->left, r->right, false};
    s->fits = same_shape(ebb_tensor_shape(gradient), ebb_tensor_shape(r->value[to]));
    if (s->left.n) s->fits = s->fits && s->left.n == 2 && s->right.n == 2 && s->left.d[1] == s->right.d[0];
    r->left = r->right = EBB_NO_DIMS;
    r->by_hand[to] = gradient;
    return gradient;
}

/* ---- forward and backward ---- */

ebb_status chapter_differentiate(int index, const struct chapter_options *options, struct chapter_result *r) {
    const struct chapter_example *e = &chapter_examples[index];
    *r = (struct chapter_result){.example = e};
    ebb_manual_seed(options->seed); /* so that an example alone has the same numbers as among others */
    e->give(r, options);
    for (int i = 0; i < e->n; i++)
        if (e->variables[i].role == CHAPTER_LEAF) (void)ebb_requires_grad_(r->value[i], true);
    e->forward(r->value);
    for (int i = 0; i < e->n; i++) {
        (void)ebb_name(r->value[i], e->variables[i].label);
        if (e->variables[i].role == CHAPTER_ROOT) r->root = i;
        if (e->variables[i].role == CHAPTER_INNER && ebb_retain_grad(r->value[i])) return ebb_error_status();
    }
    ebb_tensor *root = r->value[r->root];
    r->upstream_given = r->upstream != NULL;
    if (!r->upstream) r->upstream = ebb_ones_like(root);
    if (ebb_error() || ebb_backward(root, .gradient = r->upstream, .retain_graph = true)) return ebb_error_status();
    for (int i = 0; i < e->n; i++)
        if (e->variables[i].gradient) r->automatic[i] = ebb_tensor_grad(r->value[i]);
    return EBB_OK;
}

/* ---- finite differences ---- */

/* Everything in float64: what is given, and the point at which variable `k` is varied. */
struct differences {
    const struct chapter_example *example;
    ebb_tensor *given[CHAPTER_MAX];
    ebb_tensor *upstream;
    int root;
};

/* The scalar that is differentiated: the root, weighed with its upstream gradient. */
static double evaluate(const struct differences *f) {
    double value = NAN;
    EBB_SCOPE {
        ebb_tensor *v[CHAPTER_MAX];
        for (int i = 0; i < CHAPTER_MAX; i++) v[i] = f->given[i];
        f->example->forward(v);
        value = ebb_item(ebb_sum(ebb_mul(v[f->root], f->upstream)));
    }
    return value;
}

static double step_at(const struct differences *f, double x) { return f->example->step * fmax(1.0, fabs(x)); }

/* The derivative with respect to entry i of `point`. */
static double along_entry(const struct differences *f, double *point, int64_t i) {
    double x = point[i], above = x + step_at(f, x), below = x - step_at(f, x);
    point[i] = above;
    double rise = evaluate(f);
    point[i] = below;
    rise -= evaluate(f);
    point[i] = x;
    return rise / (above - below);
}

/* The derivative along `direction`, whose entries are 1 and -1. */
static double along_direction(const struct differences *f, double *point, const double *direction, int64_t n) {
    double h = f->example->step, rise = 0.0;
    for (int64_t i = 0; i < n; i++) point[i] += h * direction[i];
    rise += evaluate(f);
    for (int64_t i = 0; i < n; i++) point[i] -= 2.0 * h * direction[i];
    rise -= evaluate(f);
    return rise / (2.0 * h);
}

static ebb_tensor *in_f64(ebb_tensor *t) { return ebb_clone(ebb_contiguous(ebb_to(ebb_detach(t), EBB_F64))); }

static double relative(double got, double want) { return fabs(got - want) / fmax(1.0, fabs(want)); }

/* Try variable k: fills numeric, tried and diff_fd. */
static ebb_status try_variable(struct chapter_result *r, struct differences *f, int k) {
    ebb_tensor *numeric = ebb_full(ebb_tensor_shape(r->value[k]), NAN, .dtype = EBB_F64);
    r->numeric[k] = numeric;
    EBB_SCOPE {
        ebb_tensor *before = f->given[k];
        ebb_tensor *varied = f->given[k] = in_f64(r->value[k]);
        ebb_tensor *expected = in_f64(r->automatic[k]);
        int64_t n = ebb_tensor_numel(varied), tried = n < MAX_TRIED ? n : MAX_TRIED;
        ebb_tensor *signs = ebb_sub(ebb_mul(ebb_to(ebb_ge(ebb_rand_like(varied), 0.5), EBB_F64), 2.0), 1.0);
        if (ebb_error()) return ebb_error_status();
        double *point = ebb_tensor_data(varied), *out = ebb_tensor_data(numeric);
        const double *gradient = ebb_tensor_data(expected), *direction = ebb_tensor_data(signs);
        double worst = 0.0, sum = 0.0;
        for (int64_t i = 0; i < tried; i++) {
            int64_t at = i * n / tried;
            out[at] = along_entry(f, point, at);
            worst = worse(worst, relative(gradient[at], out[at]));
        }
        for (int64_t i = 0; i < n; i++) sum += gradient[i] * direction[i];
        if (tried < n) worst = worse(worst, relative(sum, along_direction(f, point, direction, n)));
        r->tried[k] = tried;
        r->diff_fd[k] = worst;
        f->given[k] = before;
    }
    return ebb_error_status();
}

static ebb_status try_all(struct chapter_result *r) {
    const struct chapter_example *e = r->example;
    struct differences f = {.example = e, .root = r->root, .upstream = in_f64(r->upstream)};
    for (int i = 0; i < e->n; i++)
        if (e->variables[i].role <= CHAPTER_LEAF) f.given[i] = in_f64(r->value[i]);
    ebb_status status = ebb_error_status();
    for (int i = 0; i < e->n && !status; i++)
        if (e->variables[i].gradient) status = try_variable(r, &f, i);
    return status;
}

/* ---- comparison ---- */

static double difference(ebb_tensor *got, ebb_tensor *want) {
    double value = NAN;
    EBB_SCOPE {
        ebb_tensor *a = ebb_to(got, EBB_F64), *b = ebb_to(want, EBB_F64);
        value = ebb_item(ebb_max(ebb_div(ebb_abs(ebb_sub(a, b)), ebb_maximum(ebb_abs(b), 1.0))));
    }
    return value;
}

static void compare(struct chapter_result *r, const struct chapter_report *report) {
    for (int i = 0; i < r->example->n; i++) {
        if (!r->example->variables[i].gradient) continue;
        r->diff[i] = difference(r->automatic[i], r->by_hand[i]);
        r->max_diff = worse(r->max_diff, r->diff[i]);
        r->max_diff_fd = worse(r->max_diff_fd, r->diff_fd[i]);
    }
    r->ok = r->max_diff <= report->limit && r->max_diff_fd <= report->limit_fd;
    for (int i = 0; i < r->n_steps; i++) r->ok = r->ok && r->steps[i].fits;
}

ebb_status chapter_run(const struct chapter_options *options, struct chapter_report *report) {
    bool f32 = options->dtype == EBB_F32;
    /* Finite differences lose digits by themselves, and in float32 so do long sums that are compared with float64. */
    *report = (struct chapter_report){.limit = f32 ? 1e-6 : 1e-12, .limit_fd = f32 ? 1e-4 : 1e-7, .ok = true};
    for (int i = 0; i < CHAPTER_EXAMPLES; i++) {
        if (options->example && options->example != i + 1) continue;
        struct chapter_result *r = &report->results[report->n];
        if (chapter_differentiate(i, options, r)) return ebb_error_status();
        EBB_NO_GRAD {
            r->example->by_hand(r);
            if (ebb_error() || try_all(r)) return ebb_error_status();
            compare(r, report);
        }
        if (ebb_error()) return ebb_error_status();
        report->n++;
        report->max_diff = worse(report->max_diff, r->max_diff);
        report->max_diff_fd = worse(report->max_diff_fd, r->max_diff_fd);
        report->ok = report->ok && r->ok;
    }
    return EBB_OK;
}
