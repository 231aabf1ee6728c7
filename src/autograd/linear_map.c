/* The derivative of a function at a point as an object: pullbacks (vjp) and linearizations, applied by backward passes
 * over a graph that is kept. */
#include "autograd/transforms.h"
#include "record/tangent.h"
#include <ebb/ops.h>

/* ret = the gradients of `from` along the vectors by `to`: for a pullback `from` is the function's results and `to` its
 * inputs; for a linearization `from` is J'g, which is linear in g, and `to` is g. */
struct ebb_linear_map {
    const char *op;
    int64_t n_from, n_to;
    ebb_tensor **from; /* [n_from] references; NULL where there is no derivative */
    ebb_tensor **like; /* [n_from] references: what the vectors are shaped as, NULL where none is expected */
    ebb_tensor **to;   /* [n_to] references; NULL where nothing is returned */
    bool *leads;       /* [n_to] whether `to` is differentiated by; otherwise zeros like it are returned */
    bool recorded;
};

static size_t room(int64_t n_from, int64_t n_to) {
    return (size_t)(2 * n_from + n_to) * sizeof(ebb_tensor *) + (size_t)n_to * sizeof(bool);
}

static ebb_linear_map *map_new(const char *op, int64_t n_from, int64_t n_to) {
    struct ebb_linear_map *m = ebb__alloc_zeroed(sizeof *m);
    if (!m) return NULL;
    m->op = op;
    m->from = ebb__alloc_zeroed(room(n_from, n_to));
    if (!m->from) return ebb_linear_map_release(m);
    m->n_from = n_from;
    m->n_to = n_to;
    m->like = m->from + n_from;
    m->to = m->like + n_from;
    m->leads = (bool *)(m->to + n_to);
    return m;
}

ebb_linear_map *ebb_linear_map_release(ebb_linear_map *m) {
    if (!m) return NULL;
    for (int64_t i = 0; i < m->n_from; i++) {
        ebb__unref(m->from[i]);
        ebb__unref(m->like[i]);
    }
    for (int64_t i = 0; i < m->n_to; i++) ebb__unref(m->to[i]);
    ebb__free(m->from, room(m->n_from, m->n_to));
    ebb__free(m, sizeof *m);
    return NULL;
}

/* ---- applying ---- */

static ebb_status check_vectors(const ebb_linear_map *m, ebb_list vectors) {
    static const char *op = "linear_map_apply";
    if (vectors.n != m->n_from || (vectors.n && !vectors.t))
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "the map of %s takes %lld vectors, got %lld", m->op,
                            (long long)m->n_from, (long long)vectors.n);
    for (int64_t i = 0; i < vectors.n; i++) {
        const ebb_tensor *v = vectors.t[i], *like = m->like[i];
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        if (!v) continue;
        if (!like)
            return ebb__fail_op(op, EBB_ERR_ARGUMENT, "vector %lld is given for an input that is not differentiated by",
                                (long long)i);
        if (v->dtype != like->dtype || !ebb__same_shape(v, like))
            return ebb__fail_op(
                op, v->dtype != like->dtype ? EBB_ERR_DTYPE : EBB_ERR_SHAPE, "vector %lld is %s %s, expected %s %s",
                (long long)i, ebb_dtype_name((ebb_dtype)v->dtype), ebb__shape_text(a, v->ndim, ebb__sizes(v)),
                ebb_dtype_name((ebb_dtype)like->dtype), ebb__shape_text(b, like->ndim, ebb__sizes(like)));
    }
    return EBB_OK;
}

/* The rows of ebb_grad's arguments, in one block. */
struct pass {
    int64_t n_y, n_x;
    ebb_tensor **y, **v, **x, **g;
    size_t bytes;
};

static bool pass_begin(struct pass *p, const ebb_linear_map *m, ebb_list vectors) {
    *p = (struct pass){.bytes = (size_t)(2 * m->n_from + 2 * m->n_to) * sizeof *p->y};
    p->y = ebb__alloc(p->bytes);
    if (!p->y) return false;
    p->v = p->y + m->n_from;
    p->x = p->v + m->n_from;
    p->g = p->x + m->n_to;
    for (int64_t i = 0; i < m->n_from; i++) {
        if (!vectors.t[i] || !m->from[i]) continue;
        p->y[p->n_y] = m->from[i];
        p->v[p->n_y++] = vectors.t[i];
    }
    for (int64_t i = 0; i < m->n_to; i++)
        if (m->leads[i]) p->x[p->n_x++] = m->to[i];
    return true;
}

ebb_status(ebb_linear_map_apply)(const ebb_linear_map *m, ebb_list vectors, ebb_tensor **ret) {
    if (!m || !ret) return ebb__fail_null("linear_map_apply", m ? "ret" : "map");
    if (check_vectors(m, vectors)) return ebb_error_status();
    bool recorded = m->recorded;
    for (int64_t i = 0; i < vectors.n; i++) recorded = recorded || (vectors.t[i] && ebb__has_history(vectors.t[i]));
    struct pass p;
    if (!pass_begin(&p, m, vectors)) return ebb_error_status();
    ebb_status status = EBB_OK;
    if (p.n_y && p.n_x)
        status = ebb_grad(((ebb_list){p.n_y, p.y}), ((ebb_list){p.n_x, p.x}), p.g, .grad_outputs = {p.n_y, p.v},
                          .retain_graph = true, .create_graph = recorded && !ebb__thread.no_grad, .allow_unused = true);
    bool flowed = p.n_y && p.n_x;
    /* from the back, so that x may become what is returned */
    for (int64_t i = m->n_to, k = p.n_x; i-- > 0 && !status;) {
        ebb_tensor *g = m->leads[i] && flowed ? p.g[k - 1] : NULL;
        k -= m->leads[i];
        if (!g && m->to[i] && !(g = ebb_zeros_like(m->to[i]))) status = ebb_error_status();
        p.x[i] = g;
    }
    for (int64_t i = 0; i < m->n_to && !status; i++) ret[i] = p.x[i];
    ebb__free(p.y, p.bytes);
    return status;
}

/* ---- pullbacks ---- */

static void keep(ebb_tensor **slot, ebb_tensor *t) {
    if (t) ebb__ref(*slot = t);
}

static ebb_linear_map *pullback_of(struct ebb__run *r) {
    ebb_linear_map *m = map_new("vjp", r->out.n, r->n);
    if (!m) return NULL;
    m->recorded = r->recorded;
    for (int64_t k = 0; k < r->out.n; k++) {
        keep(&m->like[k], r->out.t[k]);
        if (ebb__requires_grad(r->out.t[k])) keep(&m->from[k], r->out.t[k]);
    }
    for (int64_t i = 0; i < r->n_x; i++) {
        keep(&m->to[r->at[i]], r->x[i]);
        m->leads[r->at[i]] = true;
    }
    return m;
}

/* Whether every input is met on the way from the outputs. */
static ebb_status check_strict(struct ebb__run *r) {
    size_t bytes = (size_t)(r->n + r->out.n) * sizeof(ebb_tensor *);
    ebb_tensor **g = ebb__alloc_zeroed(bytes), **v = g + r->n;
    ebb_status status = g ? EBB_OK : ebb_error_status();
    for (int64_t k = 0; k < r->out.n && !status; k++)
        if (!(v[k] = ebb_zeros_like(r->out.t[k]))) status = ebb_error_status();
    ebb_list out = {r->out.n, r->out.t};
    if (!status) status = ebb__run_pull(r, out, (ebb_list){r->out.n, v}, false, false, g);
    if (!status) status = ebb__run_materialize(r, true, g);
    ebb__free(g, bytes);
    return status;
}

/* ---- linearization ---- */

/* J'g for a g of zeros, recorded: the map from g is linear, and its transpose is J. */
static ebb_status transposable(struct ebb__run *r, ebb_linear_map *m, ebb_tensor **pulled) {
    for (int64_t k = 0; k < m->n_to; k++) {
        ebb_tensor *y = r->out.t[k];
        m->leads[k] = ebb__requires_grad(y);
        ebb_tensor *g = ebb_zeros_like(y);
        if (g && m->leads[k]) g = ebb_requires_grad_(g, true);
        if (!g) return ebb_error_status();
        keep(&m->to[k], g);
    }
    ebb_list out = {r->out.n, r->out.t};
    return ebb__run_pull(r, out, (ebb_list){m->n_to, m->to}, true, false, pulled);
}

static ebb_linear_map *linearization_of(struct ebb__run *r) {
    ebb_linear_map *m = map_new("linearize", r->n, r->out.n);
    ebb_tensor **pulled = m ? ebb__alloc_zeroed((size_t)r->n * sizeof *pulled) : NULL;
    ebb_status status = pulled ? EBB_OK : ebb_error_status();
    if (!status) m->recorded = r->recorded;
    if (!status) status = transposable(r, m, pulled);
    for (int64_t i = 0; i < r->n_x && !status; i++) {
        ebb_tensor *t = pulled[r->at[i]];
        keep(&m->like[r->at[i]], r->x[i]);
        if (t && ebb__requires_grad(t)) keep(&m->from[r->at[i]], t);
    }
    if (pulled) ebb__free(pulled, (size_t)r->n * sizeof *pulled);
    return status ? ebb_linear_map_release(m) : m;
}

/* ---- the transforms ---- */

static ebb_status run(const char *op, ebb_function function, void *context, ebb_list inputs, ebb_outputs *ret_out,
                      ebb_linear_map *(*make)(struct ebb__run *), ebb_linear_map **ret_map,
                      const ebb_transform_options *options) {
    if (!ret_map) return ebb__fail_null(op, "the map's place");
    struct ebb__run r;
    ebb_scope scope = ebb_scope_open();
    ebb_status status = ebb__run_open(&r, op, function, context, inputs, &options->argnums);
    if (!status && options->strict) status = check_strict(&r);
    ebb_linear_map *m = status ? NULL : make(&r);
    ebb_outputs out = {0};
    status = m ? ebb__run_results(&r, &out) : ebb_error_status();
    if (!status) status = ebb__hand_out(&scope, out.t, out.n);
    ebb_scope_close(&scope);
    ebb__run_close(&r);
    if (status) {
        (void)ebb_linear_map_release(m);
        return status;
    }
    *ret_map = m;
    if (ret_out) *ret_out = out;
    return EBB_OK;
}

ebb_status(ebb_vjp)(ebb_function function, void *context, ebb_list inputs, ebb_outputs *ret_out,
                    ebb_linear_map **ret_pullback, ebb_transform_options options) {
    return run("vjp", function, context, inputs, ret_out, pullback_of, ret_pullback, &options);
}

ebb_status(ebb_linearize)(ebb_function function, void *context, ebb_list inputs, ebb_outputs *ret_out,
                          ebb_linear_map **ret_map, ebb_transform_options options) {
    return run("linearize", function, context, inputs, ret_out, linearization_of, ret_map, &options);
}
