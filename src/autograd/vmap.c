/* ebb_vmap: a function of one sample called once, on a batch; and gradients of many vectors in one pass. */
#include "autograd/batch.h"
#include "autograd/transforms.h"
#include <ebb/ops.h>

/* ---- arguments ---- */

/* Entry i of a list of dimensions, of which one may stand for all; 0 when there are none. */
static int64_t entry(ebb_ints dims, int64_t i) { return dims.n == 0 ? 0 : dims.d[dims.n == 1 ? 0 : i]; }

static ebb_status check_count(const char *op, const char *what, ebb_ints dims, int64_t n, const char *of) {
    if (dims.n && !dims.d) return ebb__fail_null(op, what);
    if (dims.n >= 0 && (dims.n <= 1 || dims.n == n)) return EBB_OK;
    return ebb__fail_op(op, EBB_ERR_ARGUMENT, "%s has %lld entries for %lld %s", what, (long long)dims.n, (long long)n,
                        of);
}

/* The dimension that input i is batched along, from the front; EBB_UNBATCHED for none. */
static ebb_status batch_dim(const char *op, ebb_list inputs, ebb_ints in_dims, int64_t i, int64_t *ret_dim) {
    const ebb_tensor *t = inputs.t[i];
    int64_t dim = entry(in_dims, i), given = dim;
    char shape[EBB__SHAPE_TEXT];
    *ret_dim = EBB_UNBATCHED;
    if (dim == EBB_UNBATCHED) return EBB_OK;
    if (!t && in_dims.n > 1)
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "in_dims names input %lld, which is NULL", (long long)i);
    if (!t) return EBB_OK;
    if (t->ndim == 0 || !ebb__wrap_dim(&dim, t->ndim))
        return ebb__fail_op(
            op, EBB_ERR_INDEX,
            "input %lld of shape %s has no dimension %lld to be batched along; EBB_UNBATCHED in in_dims "
            "gives it to every sample as it is",
            (long long)i, ebb__shape_text(shape, t->ndim, ebb__sizes(t)), (long long)given);
    *ret_dim = dim;
    return EBB_OK;
}

/* How many samples there are. */
static ebb_status batch_size(const char *op, ebb_list inputs, ebb_ints in_dims, int64_t *ret_size) {
    int64_t size = -1, first = 0;
    for (int64_t i = 0; i < inputs.n; i++) {
        int64_t dim;
        if (batch_dim(op, inputs, in_dims, i, &dim)) return ebb_error_status();
        if (dim == EBB_UNBATCHED) continue;
        if (size >= 0 && inputs.t[i]->dims[dim] != size)
            return ebb__fail_op(op, EBB_ERR_SHAPE, "input %lld has %lld samples and input %lld has %lld",
                                (long long)first, (long long)size, (long long)i, (long long)inputs.t[i]->dims[dim]);
        if (size < 0) first = i;
        size = inputs.t[i]->dims[dim];
    }
    if (size < 0) return ebb__fail_op(op, EBB_ERR_ARGUMENT, "no input is batched");
    *ret_size = size;
    return EBB_OK;
}

/* The inputs as the function sees them. */
static ebb_status wrap_inputs(const char *op, struct ebb__level *level, ebb_list inputs, ebb_ints in_dims,
                              ebb_tensor **ret_in) {
    for (int64_t i = 0; i < inputs.n; i++) {
        int64_t dim;
        ebb_tensor *t = ret_in[i] = inputs.t[i];
        if (batch_dim(op, inputs, in_dims, i, &dim)) return ebb_error_status();
        if (dim == EBB_UNBATCHED) continue;
        struct ebb__level *levels = ebb__thread.levels;
        ebb__thread.levels = level->outer;
        t = dim ? ebb_movedim(t, EBB_DIMS(dim), EBB_DIMS(0)) : t;
        ebb__thread.levels = levels;
        if (!(ret_in[i] = ebb__batch_wrap(level, t))) return ebb_error_status();
    }
    return EBB_OK;
}

/* ---- the transform ---- */

/* All samples of the results, along dimension 0. */
static ebb_status run(struct ebb__level *level, ebb_function function, void *context, ebb_list inputs,
                      const ebb_vmap_options *o, ebb_outputs *ret_out) {
    static const char *op = "vmap";
    ebb_tensor **in = ebb__alloc((size_t)inputs.n * sizeof *in);
    ebb_status status = in ? wrap_inputs(op, level, inputs, o->in_dims, in) : ebb_error_status();
    if (!status) status = ebb__function_call(op, function, context, (ebb_list){inputs.n, in}, ret_out);
    for (int64_t k = 0; k < ret_out->n && !status; k++)
        if (!(ret_out->t[k] = ebb__batch_unwrap(level, ret_out->t[k]))) status = ebb_error_status();
    ebb__free(in, (size_t)inputs.n * sizeof *in);
    return status;
}

static ebb_status place(ebb_outputs *out, ebb_ints out_dims) {
    ebb_status status = check_count("vmap", "out_dims", out_dims, out->n, "outputs");
    for (int64_t k = 0; k < out->n && !status; k++) {
        int64_t dim = entry(out_dims, k), at = dim;
        if (!ebb__wrap_dim(&at, out->t[k]->ndim))
            status = ebb__fail_op("vmap", EBB_ERR_INDEX, "output %lld has %d dimensions with the batch: no place %lld",
                                  (long long)k, out->t[k]->ndim, (long long)dim);
        else if (at && !(out->t[k] = ebb_movedim(out->t[k], EBB_DIMS(0), EBB_DIMS(at)))) status = ebb_error_status();
    }
    return status;
}

ebb_status(ebb_vmap)(ebb_function function, void *context, ebb_list inputs, ebb_outputs *ret_out,
                     ebb_vmap_options options) {
    static const char *op = "vmap";
    int64_t size = 0;
    if (options.randomness > EBB_VMAP_RANDOM_SAME)
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "%d is no kind of randomness", (int)options.randomness);
    if (!function || !ret_out) return ebb__fail_null(op, function ? "ret_out" : "function");
    if (inputs.n < 0 || (inputs.n && !inputs.t))
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "the list of inputs is NULL, or of %lld tensors",
                            (long long)inputs.n);
    if (check_count(op, "in_dims", options.in_dims, inputs.n, "inputs") ||
        batch_size(op, inputs, options.in_dims, &size))
        return ebb_error_status();
    ebb_outputs out = {0};
    ebb_scope scope = ebb_scope_open();
    struct ebb__level *level = ebb__batch_open(size, options.randomness);
    ebb_status status = level ? run(level, function, context, inputs, &options, &out) : ebb_error_status();
    ebb__level_close(level);
    if (!status) status = place(&out, options.out_dims);
    if (!status) status = ebb__hand_out(&scope, out.t, out.n);
    ebb_scope_close(&scope);
    if (!status) *ret_out = out;
    return status;
}

/* ---- gradients of many vectors ---- */

static ebb_status check_vectors(const char *op, ebb_list outputs, ebb_edges edges, ebb_list vectors,
                                int64_t *ret_size) {
    int64_t size = -1;
    if (vectors.n != outputs.n + edges.n || !vectors.t)
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "is_grads_batched needs grad_outputs, one for each of %lld outputs",
                            (long long)(outputs.n + edges.n));
    for (int64_t i = 0; i < vectors.n; i++) {
        const ebb_tensor *v = vectors.t[i];
        if (!v) return ebb__fail_null(op, "an entry of grad_outputs");
        const ebb_edge *e = i < outputs.n ? NULL : &edges.e[i - outputs.n];
        const ebb_dims shape = e ? ebb_node_output_shape(e->node, e->output) : ebb_tensor_shape(outputs.t[i]);
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        bool fits = v->ndim == shape.n + 1 && (size < 0 || v->dims[0] == size);
        for (int d = 0; d < shape.n && fits; d++) fits = v->dims[d + 1] == shape.d[d];
        if (!fits)
            return ebb__fail_op(
                op, EBB_ERR_SHAPE,
                "entry %lld of grad_outputs has shape %s: batched, it has one dimension in front of the "
                "output's %s, of the same size in all",
                (long long)i, ebb__shape_text(a, v->ndim, ebb__sizes(v)), ebb__shape_text(b, shape.n, shape.d));
        size = v->dims[0];
    }
    *ret_size = size;
    return EBB_OK;
}

ebb_status ebb__grad_batched(ebb_list outputs, ebb_list inputs, ebb_tensor **ret_grads, ebb_grad_options options) {
    static const char *op = "grad";
    int64_t size = 0, n = options.grad_outputs.n, n_grads = inputs.n + options.input_edges.n;
    if (check_vectors(op, outputs, options.output_edges, options.grad_outputs, &size)) return ebb_error_status();
    size_t bytes = (size_t)(n + n_grads) * sizeof(ebb_tensor *);
    ebb_tensor **v = ebb__alloc_zeroed(bytes), **g = v + n;
    if (!v) return ebb_error_status();
    ebb_scope scope = ebb_scope_open();
    struct ebb__level *level = ebb__batch_open(size, EBB_VMAP_RANDOM_ERROR);
    ebb_status status = level ? EBB_OK : ebb_error_status();
    for (int64_t i = 0; i < n && !status; i++)
        if (!(v[i] = ebb__batch_wrap(level, options.grad_outputs.t[i]))) status = ebb_error_status();
    options.is_grads_batched = false;
    options.grad_outputs.t = v;
    if (!status) status = (ebb_grad)(outputs, inputs, g, options);
    for (int64_t i = 0; i < n_grads && !status; i++)
        if (g[i] && !(g[i] = ebb__batch_unwrap(level, g[i]))) status = ebb_error_status();
    ebb__level_close(level);
    if (!status) status = ebb__hand_out(&scope, g, n_grads);
    ebb_scope_close(&scope);
    for (int64_t i = 0; i < n_grads && !status; i++) ret_grads[i] = g[i];
    ebb__free(v, bytes);
    return status;
}
