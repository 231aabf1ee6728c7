/* Whole Jacobians, row by row in reverse mode or column by column in forward mode, one after another or a batch at a
 * time, and Hessians, which are Jacobians of gradients. */
#include "autograd/batch.h"
#include "autograd/transforms.h"
#include <ebb/ops.h>
#include <string.h>

struct jacobian {
    const char *op;
    ebb_function function;
    void *context;
    ebb_list inputs;
    const ebb_jacobian_options *o;
    bool *wanted;        /* [inputs.n] */
    ebb_outputs out;     /* as the caller gets them */
    ebb_tensor **blocks; /* [out.n * inputs.n], in the scope of the transform */
    size_t bytes;
};

/* ---- blocks ---- */

static ebb_status blocks_room(struct jacobian *j, int64_t n_out) {
    j->bytes = (size_t)(n_out * j->inputs.n) * sizeof *j->blocks;
    j->blocks = ebb__alloc_zeroed(j->bytes);
    return j->blocks ? EBB_OK : ebb_error_status();
}

/* n unit vectors for the elements of t from `first` on: each 1 for one of them. Along dimension 0, or of the shape of t
 * when there is one and they are not batched. */
static ebb_tensor *unit_vectors(const ebb_tensor *t, int64_t first, int64_t n, bool batched) {
    ebb_dims shape = ebb_tensor_shape(t);
    ebb_tensor *e = ebb_zeros(EBB_DIMS(n, t->numel), .dtype = (ebb_dtype)t->dtype);
    for (int64_t r = 0; r < n && e; r++)
        ebb__store(e->data + (r * t->numel + first + r) * ebb__dtype_sizes[e->dtype], (ebb_dtype)e->dtype, 1);
    if (!batched) return e ? ebb_view(e, shape) : NULL;
    if (shape.n == EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_SHAPE, "a batch of tensors of %d dimensions has more than %d", shape.n, shape.n), NULL;
    for (int d = shape.n++; d > 0; d--) shape.d[d] = shape.d[d - 1];
    shape.d[0] = n;
    return e ? ebb_view(e, shape) : NULL;
}

/* How many rows or columns of `all` one pass is for. */
static int64_t lines_at_once(const struct jacobian *j, int64_t all) {
    int64_t most = !j->o->vectorize ? 1 : j->o->chunk_size > 0 ? j->o->chunk_size : all;
    return most < all ? most : all;
}

static bool joined_shape(const struct jacobian *j, const ebb_tensor *y, const ebb_tensor *x, ebb_dims *ret_shape) {
    *ret_shape = ebb_tensor_shape(y);
    if (y->ndim + x->ndim > EBB_MAX_NDIM) {
        ebb__fail_op(j->op, EBB_ERR_SHAPE, "an output of %d and an input of %d dimensions make more than %d", y->ndim,
                     x->ndim, EBB_MAX_NDIM);
        return false;
    }
    for (int d = 0; d < x->ndim; d++) ret_shape->d[ret_shape->n++] = ebb__sizes(x)[d];
    return true;
}

/* The block of output k and input i from its rows (each like x) or columns (each like y), which are along dimension 0;
 * NULL: all are zero. */
static ebb_status assemble(struct jacobian *j, int64_t k, int64_t i, ebb_tensor *y, ebb_tensor *x, bool columns,
                           ebb_tensor *lines) {
    ebb_dims shape;
    if (!joined_shape(j, y, x, &shape)) return ebb_error_status();
    if (!lines && j->o->strict && y->numel && x->numel)
        return ebb__fail_op(j->op, EBB_ERR_GRAPH, "strict: output %lld does not depend on input %lld", (long long)k,
                            (long long)i);
    if (lines && columns) lines = ebb_movedim(lines, EBB_DIMS(0), EBB_DIMS(-1));
    ebb_tensor *block = lines ? ebb_reshape(lines, shape) : ebb_zeros(shape, .dtype = (ebb_dtype)y->dtype);
    j->blocks[k * j->inputs.n + i] = block;
    return block ? EBB_OK : ebb_error_status();
}

/* n rows or columns, or n batches of them, as one tensor; NULL ones are zero, and NULL is returned, without an error,
 * when all are. */
static ebb_status join(ebb_tensor **t, int64_t n, const struct jacobian *j, const ebb_tensor *like,
                       ebb_tensor **ret_lines) {
    bool any = false, batched = j->o->vectorize;
    *ret_lines = NULL;
    for (int64_t r = 0; r < n; r++) any = any || t[r];
    if (!any) return EBB_OK;
    for (int64_t r = 0; r < n && !batched; r++)
        if (!t[r] && !(t[r] = ebb_zeros(ebb_tensor_shape(like), .dtype = (ebb_dtype)like->dtype)))
            return ebb_error_status();
    *ret_lines = !batched ? ebb_stack(((ebb_list){n, t}), 0) : n == 1 ? t[0] : ebb_cat(((ebb_list){n, t}), 0);
    return *ret_lines ? EBB_OK : ebb_error_status();
}

/* ---- reverse mode ---- */

/* The blocks of output k: one pass for each of its elements, or for as many as are batched. */
static ebb_status reverse_output(struct jacobian *j, struct ebb__run *r, int64_t k) {
    ebb_tensor *y = r->out.t[k];
    bool batched = j->o->vectorize;
    int64_t n = r->n, rows = y->numel, step = lines_at_once(j, rows), passes = step ? (rows + step - 1) / step : 0;
    size_t bytes = (size_t)(n * (passes + 1)) * sizeof(ebb_tensor *);
    ebb_tensor **t = ebb__alloc_zeroed(bytes), **g = t + n * passes;
    ebb_status status = t ? EBB_OK : ebb_error_status();
    for (int64_t p = 0; p < passes && !status; p++) {
        ebb_scope scope = ebb_scope_open();
        int64_t row = p * step;
        ebb_tensor *e = unit_vectors(y, row, rows - row < step ? rows - row : step, batched);
        status = e ? ebb__run_pull(r, EBB_LIST(y), EBB_LIST(e), r->recorded, batched, g) : ebb_error_status();
        if (!status) status = ebb__hand_out(&scope, g, n);
        ebb_scope_close(&scope);
        for (int64_t i = 0; i < n && !status; i++) t[i * passes + p] = g[i];
    }
    for (int64_t i = 0; i < r->n_x && !status; i++) {
        ebb_tensor *lines;
        status = join(t + r->at[i] * passes, passes, j, r->x[i], &lines);
        if (!status) status = assemble(j, k, r->at[i], y, r->x[i], false, lines);
    }
    ebb__free(t, bytes);
    return status;
}

static ebb_status check_outputs(const struct jacobian *j, const ebb_outputs *out) {
    for (int64_t k = 0; k < out->n; k++)
        if (!ebb__is_floating(out->t[k]->dtype))
            return ebb__fail_op(j->op, EBB_ERR_DTYPE, "output %lld is %s: only floating-point results have derivatives",
                                (long long)k, ebb_dtype_name((ebb_dtype)out->t[k]->dtype));
    return EBB_OK;
}

static ebb_status reverse(struct jacobian *j, struct ebb__run *r) {
    ebb_status status = blocks_room(j, r->out.n);
    for (int64_t k = 0; k < r->out.n && !status; k++) status = reverse_output(j, r, k);
    return status ? status : ebb__run_results(r, &j->out);
}

/* ---- forward mode ---- */

/* Columns of every block, along the tangents; batched, those of a batch of them, and along[k] [n, ...]. */
static ebb_status run_along(struct jacobian *j, ebb_tensor **tangents, int64_t i, ebb_tensor *e, ebb_outputs *ret_out,
                            ebb_outputs *ret_along) {
    ebb_list list = {j->inputs.n, tangents};
    struct ebb__level *level = NULL;
    if (e && j->o->vectorize) { /* what is drawn in the function is the same for all columns */
        level = ebb__batch_open(e->dims[0], EBB_VMAP_RANDOM_SAME);
        if (!level) return ebb_error_status();
        e = ebb__batch_wrap(level, e);
    }
    bool ok = e || !level;
    tangents[i] = e;
    ebb_status status =
        ok ? ebb__jvp(j->op, j->function, j->context, j->inputs, list, ret_out, ret_along) : ebb_error_status();
    tangents[i] = NULL;
    for (int64_t k = 0; k < ret_along->n && level && !status; k++)
        if (ret_along->t[k] && !(ret_along->t[k] = ebb__batch_unwrap(level, ret_along->t[k])))
            status = ebb_error_status();
    ebb__level_close(level);
    return status;
}

/* n columns of every block of input i from `column` on; the function's results when they are not there yet. */
static ebb_status forward_columns(struct jacobian *j, int64_t i, int64_t column, int64_t n, ebb_tensor **tangents,
                                  ebb_outputs *ret_along) {
    ebb_outputs out = {0};
    ebb_tensor *e = n ? unit_vectors(j->inputs.t[i], column, n, j->o->vectorize) : NULL;
    if (n && !e) return ebb_error_status();
    ebb_status status = run_along(j, tangents, i, e, &out, ret_along);
    if (!status && !j->blocks) {
        j->out = out;
        status = check_outputs(j, &out);
        if (!status) status = blocks_room(j, out.n);
    }
    if (!status && out.n != j->out.n)
        status = ebb__fail_op(j->op, EBB_ERR_ARGUMENT, "the function returns %lld outputs, and %lld when called again",
                              (long long)j->out.n, (long long)out.n);
    return status;
}

/* The blocks of input i: one run of the function for each of its elements, or for as many as are batched, or one when
 * it has none. */
static ebb_status forward_input(struct jacobian *j, int64_t i, ebb_tensor **tangents) {
    int64_t columns = j->inputs.t[i]->numel, step = lines_at_once(j, columns);
    int64_t runs = step ? (columns + step - 1) / step : 1;
    size_t bytes = (size_t)(runs * EBB_FUNCTION_MAX_OUT) * sizeof(ebb_tensor *);
    ebb_tensor **t = ebb__alloc_zeroed(bytes);
    ebb_status status = t ? EBB_OK : ebb_error_status();
    for (int64_t run = 0; run < runs && !status; run++) {
        ebb_outputs along = {0};
        int64_t column = run * step, n = columns - column < step ? columns - column : step;
        status = forward_columns(j, i, column, n, tangents, &along);
        for (int64_t k = 0; k < along.n && !status; k++) t[k * runs + run] = along.t[k];
    }
    for (int64_t k = 0; k < j->out.n && !status; k++) {
        ebb_tensor *lines;
        status = join(t + k * runs, columns ? runs : 0, j, j->out.t[k], &lines);
        if (!status) status = assemble(j, k, i, j->out.t[k], j->inputs.t[i], true, lines);
    }
    ebb__free(t, bytes);
    return status;
}

static ebb_status forward(struct jacobian *j) {
    size_t bytes = (size_t)j->inputs.n * sizeof(ebb_tensor *);
    ebb_tensor **tangents = ebb__alloc_zeroed(bytes);
    ebb_status status = tangents ? EBB_OK : ebb_error_status();
    for (int64_t i = 0; i < j->inputs.n && !status; i++)
        if (j->wanted[i]) status = forward_input(j, i, tangents);
    ebb__free(tangents, bytes);
    if (status || j->blocks) return status;
    status = ebb__function_call(j->op, j->function, j->context, j->inputs, &j->out); /* nothing to differentiate by */
    return status ? status : blocks_room(j, j->out.n);
}

/* ---- the transform ---- */

static int64_t elements(ebb_tensor *const *t, int64_t n, const bool *wanted) {
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (!wanted || wanted[i]) sum += t[i]->numel;
    return sum;
}

/* The blocks and results, in the innermost scope. What there is more of decides the mode, and how many elements the
 * results have is known when the function was run: as reverse mode needs it, in case. */
static ebb_status compute(struct jacobian *j) {
    enum ebb_differentiation mode = j->o->mode;
    ebb_status status = ebb__wanted_inputs(j->op, j->inputs, &j->o->argnums, &j->wanted);
    if (status || mode == EBB_MODE_FORWARD) return status ? status : forward(j);
    struct ebb__run r;
    status = ebb__run_open(&r, j->op, j->function, j->context, j->inputs, &j->o->argnums);
    if (!status) status = check_outputs(j, &r.out);
    bool fewer = !status && elements(j->inputs.t, j->inputs.n, j->wanted) < elements(r.out.t, r.out.n, NULL);
    if (!status && (mode == EBB_MODE_REVERSE || !fewer)) status = reverse(j, &r);
    else if (!status) status = forward(j);
    ebb__run_close(&r);
    return status;
}

/* Blocks and results beyond the scope that they were made in. */
static ebb_status give(struct jacobian *j, ebb_scope *scope, ebb_list *ret_jacobian) {
    int64_t n = j->out.n * j->inputs.n;
    size_t bytes = (size_t)(n + j->out.n) * sizeof(ebb_tensor *);
    ebb_tensor **all = ebb__alloc(bytes), **room = NULL;
    if (!all) return ebb_error_status();
    if (n) memcpy(all, j->blocks, (size_t)n * sizeof *all);
    memcpy(all + n, j->out.t, (size_t)j->out.n * sizeof *all);
    ebb_status status = ebb__hand_out(scope, all, j->o->ret_out ? n + j->out.n : n);
    if (!status && !(room = ebb_list_room(n))) status = ebb_error_status();
    if (!status && n) memcpy(room, all, (size_t)n * sizeof *room);
    ebb__free(all, bytes);
    if (status) return status;
    *ret_jacobian = (ebb_list){n, room};
    if (j->o->ret_out) *j->o->ret_out = j->out;
    return EBB_OK;
}

static ebb_status jacobian(const char *op, ebb_function function, void *context, ebb_list inputs,
                           ebb_list *ret_jacobian, const ebb_jacobian_options *options) {
    if (!function) return ebb__fail_null(op, "function");
    if (options->mode > EBB_MODE_FORWARD)
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "%d is no mode of differentiation", (int)options->mode);
    if (options->chunk_size < 0 || (options->chunk_size && !options->vectorize))
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "chunk_size is %lld: it must be positive, and goes with vectorize",
                            (long long)options->chunk_size);
    struct jacobian j = {.op = op, .function = function, .context = context, .inputs = inputs, .o = options};
    ebb_scope scope = ebb_scope_open();
    ebb_status status = compute(&j);
    if (!status) status = give(&j, &scope, ret_jacobian);
    ebb_scope_close(&scope);
    if (j.wanted) ebb__free(j.wanted, (size_t)inputs.n * sizeof *j.wanted);
    ebb__free(j.blocks, j.bytes);
    return status;
}

ebb_status(ebb_jacobian)(ebb_function function, void *context, ebb_list inputs, ebb_list *ret_jacobian,
                         ebb_jacobian_options options) {
    if (!ret_jacobian) return ebb__fail_null("jacobian", "ret_jacobian");
    return jacobian("jacobian", function, context, inputs, ret_jacobian, &options);
}

/* ---- Hessians ---- */

struct hessian {
    ebb_function function;
    void *context;
    const ebb_hessian_options *o;
};

/* The gradient by forward mode: the Jacobian of a scalar. */
static ebb_status forward_gradient(const struct hessian *h, ebb_list in, ebb_list *ret) {
    ebb_outputs out = {0};
    ebb_jacobian_options o = {.mode = EBB_MODE_FORWARD,
                              .argnums = h->o->argnums,
                              .strict = h->o->strict,
                              .ret_out = &out,
                              .vectorize = h->o->vectorize,
                              .chunk_size = h->o->chunk_size};
    ebb_status status = jacobian("hessian", h->function, h->context, in, ret, &o);
    if (status) return status;
    if (out.n != 1 || out.t[0]->numel != 1)
        return ebb__fail_op("hessian", EBB_ERR_SHAPE,
                            "the function must return one number, not %lld outputs of %lld elements", (long long)out.n,
                            (long long)(out.n ? out.t[0]->numel : 0));
    ebb_tensor **g = (ebb_tensor **)(uintptr_t)ret->t;
    for (int64_t i = 0; i < ret->n; i++)
        if (g[i] && !(g[i] = ebb_reshape(g[i], ebb_tensor_shape(in.t[i])))) return ebb_error_status();
    return EBB_OK;
}

static ebb_status reverse_gradient(const struct hessian *h, ebb_list in, ebb_list *ret) {
    ebb_tensor **g = ebb_list_room(in.n);
    if (!g) return ebb_error_status();
    *ret = (ebb_list){in.n, g};
    const ebb_transform_options o = {.argnums = h->o->argnums, .strict = h->o->strict};
    return ebb__value_and_grad("hessian", h->function, h->context, in, NULL, g, &o);
}

/* The gradient as a function of all inputs: one output for each that is differentiated by. */
static ebb_status gradient(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct hessian *h = context;
    ebb_list g = {0};
    ebb_status status = h->o->inner == EBB_MODE_FORWARD ? forward_gradient(h, in, &g) : reverse_gradient(h, in, &g);
    for (int64_t i = 0; i < g.n && !status; i++)
        if (g.t[i]) ret_out->t[ret_out->n++] = g.t[i];
    return status;
}

ebb_status(ebb_hessian)(ebb_function function, void *context, ebb_list inputs, ebb_list *ret_hessian,
                        ebb_hessian_options options) {
    static const char *op = "hessian";
    if (!function || !ret_hessian) return ebb__fail_null(op, function ? "ret_hessian" : "function");
    if (inputs.n > EBB_FUNCTION_MAX_OUT)
        return ebb__fail_op(op, EBB_ERR_ARGUMENT, "%lld inputs; at most %d are possible", (long long)inputs.n,
                            EBB_FUNCTION_MAX_OUT);
    struct hessian h = {function, context, &options};
    ebb_jacobian_options o = {.mode = options.outer == EBB_MODE_REVERSE ? EBB_MODE_REVERSE : EBB_MODE_FORWARD,
                              .argnums = options.argnums,
                              .strict = options.strict,
                              .vectorize = options.vectorize,
                              .chunk_size = options.chunk_size};
    ebb_list rows = {0};
    bool *wanted = NULL;
    ebb_status status = ebb__wanted_inputs(op, inputs, &options.argnums, &wanted);
    if (!status) status = jacobian(op, gradient, &h, inputs, &rows, &o);
    ebb_tensor **all = status ? NULL : ebb_list_room(inputs.n * inputs.n);
    for (int64_t i = 0, k = 0; i < inputs.n && all; i++) {
        if (!wanted[i]) continue;
        memcpy(all + i * inputs.n, rows.t + k++ * inputs.n, (size_t)inputs.n * sizeof *all);
    }
    if (wanted) ebb__free(wanted, (size_t)inputs.n * sizeof *wanted);
    if (!all) return ebb_error_status();
    *ret_hessian = (ebb_list){inputs.n * inputs.n, all};
    return EBB_OK;
}
