/* The check: gradients against central finite differences of the same expression, in float64. */
#include "explain/expression.h"
#include <ebb/ops.h>

#include <math.h>

/* Calls of operators that a check may take, and elements that take as long as a call; evaluations; and elements of
 * which even the fewest would take too long. */
enum { WORK = 400000, CALL = 128, LEAST = 24, MOST = 4000, HUGE_GRAPH = 10000000 };

/* The expression as a function of variables that can be written. */
struct function {
    const struct ebb__expression *e;
    ebb_tensor **tensors; /* copies in float64 where they are floating */
};

/* The sum of the elements of the result. False when it cannot be evaluated: shapes may depend on values. An error only
 * when memory ends. */
static bool evaluate(const struct function *f, double *ret_value) {
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *t = ebb__expression_value(f->e, f->tensors, NULL);
    if (t) t = ebb_sum(ebb_to(t, EBB_F64));
    if (t) *ret_value = (ebb_item)(t);
    ebb_scope_close(&scope);
    if (ebb_error() && ebb_error_status() != EBB_ERR_MEMORY) {
        ebb_clear_error();
        return false;
    }
    return !ebb_error();
}

/* Central differences at element i of the variable, and how large a rounding error of the function's value would be.
 * False when the function is not defined, or not a number, on both sides. */
static bool difference(const struct function *f, double *x, double *ret_difference, double *ret_size) {
    double at = *x, h = 6e-6 * fmax(1, fabs(at)); /* about the cube root of the rounding error */
    double above, below;
    *x = at + h;
    bool defined = evaluate(f, &above);
    double right = *x;
    *x = at - h;
    defined = defined && evaluate(f, &below);
    double left = *x;
    *x = at;
    if (!defined || isnan(above) || isnan(below)) return false;
    *ret_size = fmax(fabs(above), fabs(below));
    *ret_difference = (above - below) / (right - left);
    return true;
}

static double tolerance_of(ebb_dtype dtype) {
    switch (dtype) {
    case EBB_F64: return 1e-6;
    case EBB_F32: return 1e-3;
    default: return 5e-2;
    }
}

static ebb_status check_variable(struct ebb__report *r, const struct function *f, int64_t v, int64_t budget,
                                 struct ebb__report_check *c) {
    const struct ebb__report_output *o = &r->nodes[c->node].out[0];
    int64_t n = ebb_tensor_numel(o->value), step = n > budget ? (n + budget - 1) / budget : 1;
    c->numeric = ebb__report_keep(r, ebb_keep(ebb_full(o->shape, NAN, .dtype = EBB_F64)));
    double *x = ebb_tensor_data(f->tensors[v]), *to = ebb_tensor_data(c->numeric);
    double *gradient = ebb__arena_get(&r->arena, (size_t)n * sizeof *gradient);
    if (!x || !to || !gradient) return ebb_error_status();
    if (o->gradient && (ebb_tensor_read)(o->gradient, EBB_F64, gradient)) return ebb_error_status();
    c->ok = true;
    for (int64_t i = 0; i < n && !ebb_error(); i += step) {
        double size, d;
        if (!difference(f, &x[i], &d, &size)) continue;
        to[i] = d;
        double away = fabs(gradient[i] - d) / fmax(fmax(1, fabs(d)), size * 1e-3);
        if (d == gradient[i]) away = 0; /* infinities, too */
        c->worst = ebb__worse(c->worst, away);
        c->ok = c->ok && away <= r->tolerance;
        c->checked++;
    }
    if (n && !c->checked) c->numeric = NULL;
    return ebb_error_status();
}

/* Of all outputs together. */
static int64_t elements_of(const struct ebb__report *r) {
    int64_t n = 0;
    for (int64_t i = 0; i < r->n_nodes; i++)
        for (int64_t k = 0; k < r->nodes[i].n_out; k++) {
            ebb_dims shape = r->nodes[i].out[k].shape;
            int64_t size = 1;
            for (int d = 0; d < shape.n; d++) size *= shape.d[d];
            n += size;
        }
    return n;
}

static ebb_status check_all(struct ebb__report *r, const struct function *f) {
    int64_t variables = 0;
    for (int64_t i = 0; i < r->n_nodes; i++) variables += r->nodes[i].kind == EBB__VARIABLE;
    r->checks = ebb__arena_get(&r->arena, (size_t)variables * sizeof *r->checks);
    if (!r->checks) return ebb_error_status();
    int64_t evaluations = WORK / (r->n_forward + 1 + elements_of(r) / CALL), least = LEAST;
    if (elements_of(r) > HUGE_GRAPH) least = 4;
    evaluations = evaluations < least ? least : evaluations > MOST ? MOST : evaluations;
    int64_t budget = evaluations / 2 / (variables ? variables : 1);
    r->tolerance = tolerance_of(r->dtype);
    r->checked = true;
    for (int32_t i = 0; i < r->n_nodes; i++) {
        if (r->nodes[i].kind != EBB__VARIABLE) continue;
        const ebb_tensor *leaf = ebb_node_variable(r->nodes[i].node);
        struct ebb__report_check *c = &r->checks[r->n_checks++];
        *c = (struct ebb__report_check){.node = i};
        for (int64_t v = 0; v < f->e->n; v++)
            if (f->e->tensors[v] == leaf && check_variable(r, f, v, budget > 0 ? budget : 1, c))
                return ebb_error_status();
    }
    return EBB_OK;
}

ebb_status ebb__report_check(struct ebb__report *r, const struct ebb__expression *e) {
    struct function f = {e, ebb__arena_get(&r->arena, (size_t)e->n * sizeof(ebb_tensor *))};
    ebb_dtype before = ebb_default_dtype();
    if (!f.tensors) return ebb_error_status();
    ebb_grad_mode mode = ebb_grad_mode_open(false);
    ebb_scope scope = ebb_scope_open();
    ebb_status status = ebb_set_default_dtype(EBB_F64);
    for (int64_t i = 0; i < e->n; i++) {
        bool floating = ebb_dtype_is_floating(ebb_tensor_dtype(e->tensors[i]));
        f.tensors[i] = floating ? ebb_clone(ebb_contiguous(ebb_to(e->tensors[i], EBB_F64))) : e->tensors[i];
    }
    if (!status) status = ebb_error_status();
    if (!status) status = check_all(r, &f);
    ebb_scope_close(&scope);
    ebb_grad_mode_close(&mode);
    (void)ebb_set_default_dtype(before);
    return status;
}
