/* Second derivatives of an expression, and their check: the Hessian against finite differences of gradients. */
#include "explain/expression.h"
#include <ebb/ops.h>
#include <ebb/transforms.h>

#include <math.h>
#include <string.h>

enum { MOST = 16 }; /* variables */

/* The expression as a function of the variables that are differentiated by, others as they are. */
struct function {
    const struct ebb__expression *e;
    ebb_tensor **tensors; /* [e->n] */
    int64_t which[MOST];  /* of the variables, by their number among the inputs */
    int32_t nodes[MOST];
    int64_t n, elements;
};

static ebb_status value(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct function *f = context;
    for (int64_t i = 0; i < in.n; i++) f->tensors[f->which[i]] = in.t[i];
    ebb_tensor *t = ebb__expression_value(f->e, f->tensors, NULL);
    if (t) ret_out->t[ret_out->n++] = ebb_tensor_numel(t) == 1 && ebb_tensor_ndim(t) == 0 ? t : ebb_sum(t);
    return ebb_error_status();
}

static bool find_inputs(const struct ebb__report *r, const struct ebb__expression *e, struct function *f) {
    for (int32_t i = 0; i < r->n_nodes; i++) {
        if (r->nodes[i].kind != EBB__VARIABLE) continue;
        for (int64_t v = 0; v < e->n; v++) {
            if (e->tensors[v] != ebb_node_variable(r->nodes[i].node)) continue;
            if (f->n == MOST) return false;
            f->which[f->n] = v;
            f->nodes[f->n++] = i;
            f->elements += ebb_tensor_numel(e->tensors[v]);
        }
    }
    return f->elements <= EBB__HESSIAN_MOST;
}

/* ---- the check ---- */

/* The gradients of all inputs, one after the other. */
static bool gradients(struct function *f, ebb_tensor *const *x, double *ret) {
    ebb_tensor *grad[MOST];
    ebb_outputs out = {0};
    bool ok = false;
    ebb_scope scope = ebb_scope_open();
    if (!value((ebb_list){f->n, x}, &out, f) &&
        (!ebb_tensor_requires_grad(out.t[0]) ||
         !(ebb_grad)((ebb_list){1, out.t}, (ebb_list){f->n, x}, grad,
                     (ebb_grad_options){.allow_unused = true, .materialize_grads = true}))) {
        ok = true;
        for (int64_t i = 0; i < f->n && ok; i++) {
            int64_t n = ebb_tensor_numel(x[i]);
            if (!ebb_tensor_requires_grad(out.t[0])) memset(ret, 0, (size_t)n * sizeof *ret);
            else ok = !(ebb_tensor_read)(grad[i], EBB_F64, ret);
            ret += n;
        }
    }
    ebb_scope_close(&scope);
    if (!ok && ebb_error_status() != EBB_ERR_MEMORY) ebb_clear_error(); /* it is not defined there */
    return ok;
}

/* Entry (i, k) of the Hessian of all elements. */
static double entry(const struct ebb__report *r, const struct function *f, int64_t i, int64_t k) {
    int64_t a = 0, b = 0, n;
    for (; i >= (n = ebb_tensor_numel(f->e->tensors[f->which[a]])); a++) i -= n;
    for (; k >= (n = ebb_tensor_numel(f->e->tensors[f->which[b]])); b++) k -= n;
    const double *data = ebb_tensor_data(r->hessian[a * f->n + b].value);
    return data[i * n + k];
}

static ebb_status check(struct ebb__report *r, struct function *f) {
    double above[EBB__HESSIAN_MOST], below[EBB__HESSIAN_MOST];
    ebb_tensor *x[MOST];
    int64_t row = 0;
    for (int64_t i = 0; i < f->n; i++)
        x[i] = (ebb_requires_grad_)(ebb_detach(ebb_clone(ebb_contiguous(ebb_to(f->e->tensors[f->which[i]], EBB_F64)))),
                                    true);
    for (int64_t i = 0; i < f->n && !ebb_error(); i++) {
        double *data = ebb_tensor_data(x[i]);
        for (int64_t k = 0; k < ebb_tensor_numel(x[i]) && !ebb_error(); k++, row++) {
            double at = data[k], h = 6e-6 * fmax(1, fabs(at));
            data[k] = at + h;
            double right = data[k];
            bool ok = gradients(f, x, above);
            data[k] = at - h;
            double left = data[k];
            ok = ok && gradients(f, x, below);
            data[k] = at;
            for (int64_t c = 0; ok && c < f->elements; c++) {
                double d = (above[c] - below[c]) / (right - left), own = entry(r, f, row, c);
                double size = fmax(1, fmax(fabs(d), 1e-3 * fmax(fabs(above[c]), fabs(below[c]))));
                if (isnan(d) && isnan(own)) continue; /* beside this point there is nothing to compare */
                double away = d == own ? 0 : fabs(own - d) / size;
                r->hessian_checked = true;
                r->hessian_worst = ebb__worse(r->hessian_worst, away);
            }
        }
    }
    return ebb_error_status();
}

/* ---- the whole ---- */

ebb_status ebb__report_hessian(struct ebb__report *r, const struct ebb__expression *e) {
    struct function f = {.e = e, .tensors = ebb__arena_get(&r->arena, (size_t)e->n * sizeof(ebb_tensor *))};
    ebb_list blocks;
    if (!f.tensors) return ebb_error_status();
    bool fits = find_inputs(r, e, &f);
    r->hessian_elements = f.elements;
    if (!fits || !f.n) return EBB_OK;
    r->hessian = ebb__arena_get(&r->arena, (size_t)(f.n * f.n) * sizeof *r->hessian);
    if (!r->hessian) return ebb_error_status();
    for (int64_t v = 0; v < e->n; v++) f.tensors[v] = e->tensors[v];
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *x[MOST];
    for (int64_t i = 0; i < f.n; i++) x[i] = e->tensors[f.which[i]];
    ebb_status status = (ebb_hessian)(value, &f, (ebb_list){f.n, x}, &blocks, (ebb_hessian_options){0});
    for (int64_t i = 0; i < f.n * f.n && !status; i++) {
        ebb_tensor *t = ebb_to(ebb_detach(blocks.t[i]), EBB_F64);
        struct ebb__report_hessian *h = &r->hessian[r->n_hessian++];
        *h = (struct ebb__report_hessian){f.nodes[i / f.n], f.nodes[i % f.n], NULL};
        h->value = ebb__report_keep(r, ebb_keep(ebb_clone(ebb_contiguous(t))));
        if (!h->value) status = ebb_error_status();
    }
    if (!status) status = check(r, &f);
    ebb_scope_close(&scope);
    return status;
}
