/* The ready-made rules of operators on batches (ebb/opdef.h), for .batch. Samples are along dimension 0. */
#include "ops/batching.h"
#include <string.h>

/* ---- inputs ---- */

ebb_tensor *ebb__batch_aligned(ebb_tensor *samples, int ndim) {
    if (!samples || samples->ndim >= ndim) return samples;
    ebb_dims shape = {{samples->dims[0]}, ndim};
    int more = ndim - samples->ndim;
    for (int d = 1; d < ndim; d++) shape.d[d] = d <= more ? 1 : samples->dims[d - more];
    return ebb_view(samples, shape);
}

ebb_tensor *ebb__batch_input(const struct ebb_batch_call *b, int64_t i, int ndim) {
    ebb_tensor *t = b->in[i];
    if (!t) return NULL;
    if (b->batched[i]) return ebb__batch_aligned(t, ndim + 1);
    ebb_dims shape = {{b->size}, 1};
    for (int d = t->ndim; d < ndim; d++) shape.d[shape.n++] = 1;
    for (int d = 0; d < t->ndim; d++) shape.d[shape.n++] = t->dims[d];
    return ebb_expand(t, shape);
}

static bool is_number(const struct ebb_batch_call *b, int64_t i) {
    enum ebb_input_kind kind = b->op->in[ebb__op_input(b->op, b->n_in, i)].kind;
    return kind == EBB_INPUT_NUMBER || kind == EBB_INPUT_OPTIONAL_NUMBER;
}

/* Whether input i is the same for all samples and given to all as it is. */
static bool stays(const struct ebb_batch_call *b, int64_t i, uint32_t same) {
    if (same & EBB_IN(ebb__op_input(b->op, b->n_in, i))) return true;
    return is_number(b, i) && ebb__batch_ndim(b, i) == 0;
}

static bool may_stay(const struct ebb_batch_call *b, uint32_t same) {
    for (int64_t i = 0; i < b->n_in; i++)
        if (b->batched[i] && stays(b, i, same)) return false;
    return true;
}

/* Room for n tensors. */
#define ROW 16
struct row {
    ebb_tensor **t, *small[ROW];
    size_t bytes;
};

static bool row_make(struct row *r, int64_t n) {
    r->bytes = n > ROW ? (size_t)n * sizeof *r->t : 0;
    r->t = r->bytes ? ebb__alloc(r->bytes) : r->small;
    return r->t != NULL;
}

static void row_end(struct row *r) {
    if (r->bytes) ebb__free(r->t, r->bytes);
}

/* All inputs with a batch, but for numbers and those in the set `same`. */
static bool all_with_batch(const struct ebb_batch_call *b, struct row *r, int least, uint32_t same) {
    for (int64_t i = 0; i < b->n_in; i++) {
        r->t[i] = b->in[i];
        if (!b->in[i] || stays(b, i, same)) continue;
        int ndim = ebb__batch_ndim(b, i);
        if (!(r->t[i] = ebb__batch_input(b, i, ndim < least ? least : ndim))) return false;
    }
    return true;
}

void ebb__batch_forward(struct ebb_batch_call *b, ebb_tensor *const *in, const void *attrs) {
    ebb_list out = ebb_call_op_list(b->op, in, b->n_in, attrs);
    for (int64_t k = 0; k < out.n && k < b->n_out; k++) ebb_batch_give(b, k, out.t[k]);
}

/* ---- attributes ---- */

static bool names_size(const char *name) {
    return strcmp(name, "size") == 0 || strcmp(name, "input_size") == 0 || strcmp(name, "input_sizes") == 0;
}

static void insert(ebb_dims *d, int64_t first) {
    for (int k = d->n++; k > 0; k--) d->d[k] = d->d[k - 1];
    d->d[0] = first;
}

/* Dimensions of one sample, which has ndim, as dimensions of all; an empty list that means all of them becomes that. */
static void move_dims(const struct ebb_attr *a, ebb_dims *dims, int ndim) {
    bool all = dims->n == 0 && a->otherwise && strcmp(a->otherwise, "all") == 0;
    for (int k = 0; k < dims->n; k++) dims->d[k]++;
    for (int k = 0; k < ndim && all; k++) dims->d[dims->n++] = k + 1;
}

/* A copy of the attributes that says the same of all samples. */
static bool attrs_of_all(const struct ebb_batch_call *b, int ndim, char copy[EBB__ATTRS_MAX]) {
    const struct ebb_op *op = b->op;
    if (op->attrs_size) memcpy(copy, b->attrs, op->attrs_size);
    for (int i = 0; i < op->n_attrs; i++) {
        const struct ebb_attr *a = &op->attrs[i];
        void *at = copy + a->offset;
        ebb_dims *dims = at;
        if (a->kind == EBB_ATTR_DIM || a->kind == EBB_ATTR_NEWDIM) ++*(int64_t *)at;
        if (a->kind == EBB_ATTR_DIMS) move_dims(a, dims, ndim);
        if (a->kind != EBB_ATTR_SHAPE || !names_size(a->name)) continue;
        if (dims->n == EBB_MAX_NDIM)
            return ebb_fail(EBB_ERR_SHAPE, "a batch of tensors of %d dimensions has more than %d", EBB_MAX_NDIM,
                            EBB_MAX_NDIM),
                   false;
        insert(dims, b->size);
    }
    return true;
}

/* ---- rules ---- */

void ebb_batch_elementwise(struct ebb_batch_call *b) {
    struct row r;
    int ndim = 0;
    for (int64_t i = 0; i < b->n_in; i++)
        if (b->in[i] && ebb__batch_ndim(b, i) > ndim) ndim = ebb__batch_ndim(b, i);
    if (!row_make(&r, b->n_in)) return;
    bool ok = true;
    for (int64_t i = 0; i < b->n_in && ok; i++) {
        r.t[i] = b->batched[i] ? ebb__batch_aligned(b->in[i], ndim + 1) : b->in[i];
        ok = r.t[i] || !b->in[i];
    }
    if (ok) ebb__batch_forward(b, r.t, b->attrs);
    row_end(&r);
}

/* Inputs with a batch, none of fewer than `least` dimensions, but those that are the same for all. */
static void on_all(struct ebb_batch_call *b, int least, bool attrs, uint32_t same) {
    _Alignas(16) char copy[EBB__ATTRS_MAX];
    struct row r;
    if (!may_stay(b, same)) {
        ebb_batch_loop(b);
        return;
    }
    if (!row_make(&r, b->n_in)) return;
    if (all_with_batch(b, &r, least, same) && (!attrs || attrs_of_all(b, r.t[0]->ndim - 1, copy)))
        ebb__batch_forward(b, r.t, attrs ? copy : b->attrs);
    row_end(&r);
}

/* Reductions over all dimensions are those of lines. */
static bool is_over_all(const struct ebb_batch_call *b) {
    const struct ebb_op *op = b->op;
    bool all = op->infer && !op->view && b->n_in == 1;
    for (int i = 0; i < op->n_attrs && all; i++) {
        const struct ebb_attr *a = &op->attrs[i];
        const char *at = (const char *)b->attrs + a->offset;
        if (a->kind == EBB_ATTR_DIMS && a->otherwise && strcmp(a->otherwise, "all") == 0)
            return ((const ebb_dims *)(const void *)at)->n == 0;
    }
    return false;
}

static void over_lines(struct ebb_batch_call *b) {
    _Alignas(16) char copy[EBB__ATTRS_MAX];
    ebb_tensor *lines = ebb_reshape(b->in[0], EBB_DIMS(b->size, b->size ? b->in[0]->numel / b->size : 0));
    memcpy(copy, b->attrs, b->op->attrs_size);
    for (int i = 0; i < b->op->n_attrs; i++)
        if (b->op->attrs[i].kind == EBB_ATTR_DIMS) *(ebb_dims *)(void *)(copy + b->op->attrs[i].offset) = EBB_DIMS(1);
    if (lines) ebb__batch_forward(b, &lines, copy);
}

/* A tensor without dimensions has one to those that count the dimensions of their input. */
static bool counts_dims(const struct ebb_op *op) {
    bool counts = !op->view;
    for (int i = 0; i < op->n_attrs; i++) counts = counts && op->attrs[i].kind != EBB_ATTR_NEWDIM;
    return counts;
}

void ebb__batch_dims_but(struct ebb_batch_call *b, uint32_t same) {
    if (is_over_all(b)) over_lines(b);
    else if (b->op->compose && ebb__batch_ndim(b, 0) == 0) ebb_batch_loop(b); /* whose shape is not known here */
    else on_all(b, counts_dims(b->op) ? 1 : 0, true, same);
}

void ebb_batch_dims(struct ebb_batch_call *b) { ebb__batch_dims_but(b, 0); }

void ebb_batch_leading(struct ebb_batch_call *b) { on_all(b, 0, false, 0); }

ebb_tensor *ebb__batch_folded(ebb_tensor *t) {
    if (!t || t->ndim < 2) return t;
    ebb_dims shape = {{t->dims[0] * t->dims[1]}, t->ndim - 1};
    for (int d = 1; d < shape.n; d++) shape.d[d] = t->dims[d + 1];
    return ebb_reshape(t, shape);
}

ebb_tensor *ebb__batch_unfolded(ebb_tensor *t, int64_t size) {
    if (!t || t->ndim == 0 || size == 0) return t;
    ebb_dims shape = ebb_tensor_shape(t);
    shape.d[0] /= size;
    insert(&shape, size);
    return ebb_reshape(t, shape);
}

void ebb_batch_fold(struct ebb_batch_call *b) {
    _Alignas(16) char attrs[EBB__ATTRS_MAX];
    const struct ebb_op *op = b->op;
    struct row r;
    if (b->size == 0 || !may_stay(b, 0)) {
        ebb_batch_loop(b);
        return;
    }
    if (!row_make(&r, b->n_in)) return;
    bool ok = all_with_batch(b, &r, 1, 0);
    for (int64_t i = 0; i < b->n_in && ok; i++) ok = !r.t[i] || (r.t[i] = ebb__batch_folded(r.t[i]));
    if (op->attrs_size) memcpy(attrs, b->attrs, op->attrs_size);
    for (int i = 0; i < op->n_attrs; i++) {
        ebb_dims *dims = (ebb_dims *)(void *)(attrs + op->attrs[i].offset);
        bool whole = op->attrs[i].kind == EBB_ATTR_SHAPE && names_size(op->attrs[i].name);
        if (whole && dims->n && strcmp(op->attrs[i].name, "size") != 0) dims->d[0] *= b->size;
    }
    ebb_list out = ok ? ebb_call_op_list(op, r.t, b->n_in, attrs) : (ebb_list){0, NULL};
    for (int64_t k = 0; k < out.n && k < b->n_out; k++) ebb_batch_give(b, k, ebb__batch_unfolded(out.t[k], b->size));
    row_end(&r);
}

void ebb__batch_loss(struct ebb_batch_call *b) {
    _Alignas(16) char attrs[EBB__ATTRS_MAX];
    struct ebb_batch_call terms = *b;
    int *reduction = NULL;
    memcpy(attrs, b->attrs, b->op->attrs_size);
    for (int i = 0; i < b->op->n_attrs; i++)
        if (strcmp(b->op->attrs[i].name, "reduction") == 0) reduction = (int *)(void *)(attrs + b->op->attrs[i].offset);
    int how = *reduction;
    *reduction = EBB_REDUCTION_NONE;
    terms.attrs = attrs;
    on_all(&terms, ebb__batch_ndim(b, 0), false, 0);
    ebb_tensor *t = b->given[0];
    if (!t || how == EBB_REDUCTION_NONE || b->size == 0) return;
    t = ebb_reshape(t, EBB_DIMS(b->size, t->numel / b->size));
    ebb_batch_give(b, 0, how == EBB_REDUCTION_MEAN ? ebb_mean(t, .dim = EBB_DIMS(1)) : ebb_sum(t, .dim = EBB_DIMS(1)));
}

ebb_tensor *ebb__zeros_beside(ebb_dims shape, ebb_dtype dtype, ebb_tensor *a, ebb_tensor *b) {
    ebb_tensor *zeros = ebb_zeros(shape, .dtype = dtype);
    if (ebb__is_batched(a)) zeros = ebb__batch_as(zeros, a);
    return ebb__is_batched(b) ? ebb__batch_as(zeros, b) : zeros;
}

/* ---- one call a sample ---- */

/* The results of sample s, a column of `t`; their number must be the same for all. */
static ebb_status call_sample(struct ebb_batch_call *b, int64_t s, ebb_tensor **in, ebb_tensor **t) {
    for (int64_t i = 0; i < b->n_in; i++) {
        in[i] = b->batched[i] ? ebb_select(b->in[i], 0, s) : b->in[i];
        if (b->in[i] && !in[i]) return ebb_error_status();
    }
    ebb_list out = ebb_call_op_list(b->op, in, b->n_in, b->attrs);
    if (out.n != b->n_out)
        return out.n ? ebb_fail(EBB_ERR_ARGUMENT, "gave %lld results for one sample of a batch, and %lld for another",
                                (long long)b->n_out, (long long)out.n)
                     : ebb_error_status();
    for (int64_t k = 0; k < b->n_out; k++) t[k * b->size + s] = out.t[k];
    return EBB_OK;
}

/* Their shapes too. */
static ebb_tensor *stacked(ebb_tensor **t, int64_t n) {
    for (int64_t s = 1; s < n; s++) {
        char first[EBB__SHAPE_TEXT], other[EBB__SHAPE_TEXT];
        if (ebb__same_shape(t[s], t[0])) continue;
        ebb_fail(EBB_ERR_SHAPE, "samples of a batch have results of different shapes, %s and %s",
                 ebb__shape_text(first, t[0]->ndim, ebb__sizes(t[0])),
                 ebb__shape_text(other, t[s]->ndim, ebb__sizes(t[s])));
        return NULL;
    }
    return ebb_stack(((ebb_list){n, t}), 0);
}

void ebb_batch_loop(struct ebb_batch_call *b) {
    size_t bytes = (size_t)(b->n_in + b->n_out * b->size) * sizeof(ebb_tensor *);
    ebb_rng_state rng = ebb_get_rng_state();
    if (b->size == 0) {
        ebb_fail(EBB_ERR_SHAPE, "is called sample by sample, and the batch has none");
        return;
    }
    ebb_tensor **in = ebb__alloc(bytes), **t = in + b->n_in;
    ebb_status status = in ? EBB_OK : ebb_error_status();
    for (int64_t s = 0; s < b->size && !status; s++) {
        if (b->same) ebb_set_rng_state(rng);
        status = call_sample(b, s, in, t);
    }
    for (int64_t k = 0; k < b->n_out && !status; k++) ebb_batch_give(b, k, stacked(t + k * b->size, b->size));
    ebb__free(in, bytes);
}

void ebb_batch_random(struct ebb_batch_call *b) { ebb_batch_loop(b); }

void ebb_batch_refuse(struct ebb_batch_call *b) {
    ebb_fail(EBB_ERR_ARGUMENT,
             "the shape of its result depends on values, which differ between the samples of a batch: "
             "it cannot be called inside ebb_vmap (%s)",
             b->op->name);
}
