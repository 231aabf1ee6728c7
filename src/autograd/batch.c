/* Calls on batches: inside ebb_vmap a tensor that differs between samples looks like one sample and carries all of them
 * (record/tangent.h). A call on such tensors is made once, on all samples, with what the level is inside of open: so it
 * is recorded, given tangents, and batched once more there. How it is made the operator says (.batch), or its structure
 * does; ops/batching.c has the ready-made ways. */
#include "autograd/batch.h"
#include "autograd/transforms.h"
#include <ebb/ops.h>

struct ebb__level *ebb__batch_open(int64_t size, enum ebb_vmap_randomness randomness) {
    struct ebb__level *level = ebb__level_open();
    if (!level) return NULL;
    level->batching = true;
    level->size = size;
    level->randomness = randomness;
    return level;
}

/* ---- one sample's look ---- */

/* An alias of the first sample; of a view, whose samples are views of those of `of`, a view. In the scope. */
static ebb_tensor *wrap(struct ebb__level *level, ebb_tensor *samples, ebb_tensor *of) {
    ebb_tensor *t =
        ebb__tensor_alias(samples, samples->ndim - 1, ebb__sizes(samples) + 1, ebb__strides(samples) + 1, 0);
    if (of) t = ebb__view_of(t, of);
    if (!t || !ebb__tangent_set(t, level, samples)) return ebb__own(t);
    ebb__unref(t);
    return NULL;
}

ebb_tensor *ebb__batch_wrap(struct ebb__level *level, ebb_tensor *samples) {
    return samples ? wrap(level, samples, NULL) : NULL;
}

static ebb_tensor *repeated(ebb_tensor *t, int64_t size) {
    ebb_dims shape = ebb_tensor_shape(t);
    if (shape.n == EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_SHAPE, "a batch of tensors of %d dimensions has more than %d", shape.n, EBB_MAX_NDIM),
               NULL;
    for (int d = shape.n++; d > 0; d--) shape.d[d] = shape.d[d - 1];
    shape.d[0] = size;
    return ebb_expand(ebb_unsqueeze(t, 0), shape);
}

ebb_tensor *ebb__batch_unwrap(struct ebb__level *level, ebb_tensor *t) {
    if (!t) return NULL;
    ebb_tensor *samples = ebb__tangent_get(t, level);
    struct ebb__level *levels = ebb__thread.levels;
    ebb__thread.levels = level->outer;
    if (!samples) samples = repeated(t, level->size);
    else if (ebb__own(samples)) ebb__ref(samples);
    else samples = NULL;
    ebb__thread.levels = levels;
    return samples;
}

static struct ebb__level *level_of(const ebb_tensor *t) {
    struct ebb__level *l = ebb__is_batched(t) ? ebb__thread.levels : NULL;
    while (l && !(l->batching && ebb__tangent_get(t, l))) l = l->outer;
    return l;
}

static bool is_inside(const struct ebb__level *inner, const struct ebb__level *l) {
    while (inner && inner != l) inner = inner->outer;
    return inner != NULL;
}

/* Level by level from the innermost one of either on. */
ebb_tensor *ebb__batch_as(ebb_tensor *t, ebb_tensor *like) {
    struct ebb__level *level = like ? level_of(like) : NULL, *own = t ? level_of(t) : NULL,
                      *levels = ebb__thread.levels;
    if (!t || !level) return t;
    bool further = own && own != level && is_inside(own, level);
    if (further) level = own;
    ebb_tensor *have = own == level ? ebb__tangent_get(t, level) : t;
    ebb__thread.levels = level->outer;
    ebb_tensor *samples = ebb__batch_as(have, further ? like : ebb__tangent_get(like, level));
    if (samples && own != level) samples = ebb_clone(repeated(samples, level->size));
    ebb__thread.levels = levels;
    return samples == have ? t : ebb__batch_wrap(level, samples);
}

/* ---- which level ---- */

struct ebb__level *ebb__batch_level(const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    struct ebb__level *found = NULL;
    bool batched = false;
    for (int64_t i = 0; i < n && !batched; i++) batched = ebb__is_batched(in[i]);
    for (struct ebb__level *l = ebb__thread.levels; l && batched && !found; l = l->outer)
        for (int64_t i = 0; i < n && l->batching && !found; i++)
            if (ebb__is_batched(in[i]) && ebb__tangent_get(in[i], l)) found = l;
    if (EBB_LIKELY(op->batch != ebb_batch_random)) return found;
    /* a draw: by every level in it, the innermost first; one for all samples needs no batch */
    for (struct ebb__level *l = ebb__thread.levels; l && l != found; l = l->outer)
        if (l->batching && l->randomness != EBB_VMAP_RANDOM_SAME) return l;
    return found;
}

/* ---- a call ---- */

void ebb_batch_give(struct ebb_batch_call *b, int64_t k, ebb_tensor *samples) {
    if (k < 0 || k >= b->n_out)
        ebb_fail(EBB_ERR_ARGUMENT, "the batch rule of %s gave output %lld of %lld", b->op->name, (long long)k,
                 (long long)b->n_out);
    else if (!samples)
        ebb_fail(EBB_ERR_ARGUMENT, "the batch rule of %s gave NULL for output %lld", b->op->name, (long long)k);
    else b->given[k] = samples;
}

/* A view of all samples lies in them as that of one lies in the first. */
static void views(struct ebb_batch_call *b, const ebb_meta *metas) {
    ebb_tensor *all = b->in[0];
    for (int64_t k = 0; k < b->n_out; k++) {
        const ebb_meta *m = &metas[k];
        struct ebb__region r = {.base_sizes = ebb__dims(all->ndim, ebb__sizes(all)),
                                .base_strides = ebb__dims(all->ndim, ebb__strides(all)),
                                .sizes = {{b->size}, 1},
                                .strides = {{ebb__strides(all)[0]}, 1},
                                .offset = m->offset};
        for (int d = 0; d < m->shape.n; d++) {
            r.sizes.d[r.sizes.n++] = m->shape.d[d];
            r.strides.d[r.strides.n++] = m->strides.d[d];
        }
        ebb_batch_give(b, k, ebb_call_op1(&ebb__op_as_strided, &all, 1, &r));
    }
}

static void apply(struct ebb_batch_call *b, const ebb_meta *metas) {
    const struct ebb_op *op = b->op;
    bool counts = b->n_in && ebb__batch_ndim(b, 0) > 0; /* dimensions that attributes may name */
    if (op->view && !(op->batch && counts)) views(b, metas);
    else if (op->batch) op->batch(b);
    else if (op->loops && !op->infer) ebb_batch_elementwise(b);
    else ebb_batch_loop(b);
}

/* The samples' results in the shape that one call has; m NULL: not known. */
static ebb_tensor *shaped(const struct ebb_batch_call *b, ebb_tensor *t, const ebb_meta *m) {
    char have[EBB__SHAPE_TEXT], want[EBB__SHAPE_TEXT];
    ebb_dims shape = {{b->size}, 1};
    int64_t numel = b->size;
    for (int d = 0; m && d < m->shape.n; d++) numel *= shape.d[shape.n++] = m->shape.d[d];
    bool fits = t && t->ndim > 0 && t->dims[0] == b->size && (!m || t->numel == numel);
    if (!t) ebb_fail(EBB_ERR_ARGUMENT, "the batch rule of %s gave no result", b->op->name);
    else if (!fits)
        ebb_fail(EBB_ERR_SHAPE, "the batch rule of %s gave shape %s, expected %s", b->op->name,
                 ebb__shape_text(have, t->ndim, ebb__sizes(t)), ebb__shape_text(want, shape.n, shape.d));
    if (!fits) return NULL;
    bool same = !m || t->ndim == shape.n;
    for (int d = 0; m && same && d < shape.n; d++) same = t->dims[d] == shape.d[d];
    return same ? t : ebb_reshape(t, shape);
}

/* What a call needs, in one block. */
struct call {
    struct ebb_batch_call b;
    ebb_tensor **in;
    bool *batched;
    ebb_meta *metas; /* [n_out] of one sample; NULL when there is no rule for them */
    size_t bytes;
};

static ebb_status call_room(struct call *c, int64_t n_out) {
    size_t n = (size_t)c->b.n_in, out = (size_t)n_out;
    c->bytes = out * sizeof *c->metas + (n + out) * sizeof *c->in + n * sizeof *c->batched;
    c->metas = ebb__alloc_zeroed(c->bytes);
    if (!c->metas) return ebb_error_status();
    c->in = (ebb_tensor **)(void *)(c->metas + out);
    c->b.given = c->in + n;
    c->batched = (bool *)(c->b.given + out);
    c->b.n_out = n_out;
    c->b.in = c->in;
    c->b.batched = c->batched;
    return EBB_OK;
}

/* The dtype that one sample's call is computed in is not that of all: PyTorch promotes tensors without dimensions less,
 * and all samples of such a one have one. */
static ebb_status promote(struct call *c, ebb_dtype dtype) {
    const struct ebb_op *op = c->b.op;
    if (op->promote == EBB_PROMOTE_NONE || !dtype || ebb__op_dtype(op, c->in, c->b.n_in) == dtype) return EBB_OK;
    for (int64_t i = 0; i < c->b.n_in; i++) {
        ebb_tensor *t = c->in[i];
        bool keeps = op->keeps & EBB_IN(ebb__op_input(op, c->b.n_in, i));
        if (!t || keeps || t->flags & EBB__NUMBER || t->dtype == dtype) continue;
        if (!(c->in[i] = ebb_to(t, dtype))) return ebb_error_status();
    }
    return EBB_OK;
}

/* With the levels outside of this one open. */
static ebb_status at_level(struct call *c, ebb_dtype dtype, bool inferred) {
    uint64_t failures = ebb__thread.failures;
    ebb_status status = promote(c, dtype);
    if (status) return status;
    apply(&c->b, c->metas);
    if (ebb__failed_since(failures)) return ebb_error_status();
    for (int64_t k = 0; k < c->b.n_out; k++)
        if (!(c->b.given[k] = shaped(&c->b, c->b.given[k], inferred ? &c->metas[k] : NULL))) return ebb_error_status();
    return EBB_OK;
}

static ebb_status run(struct call *c, struct ebb__level *level, ebb_tensor *const *in) {
    const struct ebb_op *op = c->b.op;
    bool inferred = !op->compose && !op->compose_list && op->batch != ebb_batch_refuse;
    ebb_dtype dtype = op->compose || op->compose_list ? EBB_DTYPE_NONE : ebb__op_dtype(op, in, c->b.n_in);
    if (!dtype && inferred && c->b.n_in > 0 && in[0]) return ebb_error_status();
    int64_t n_out = ebb__op_n_out(op);
    ebb_status status = EBB_OK;
    if (op->n_out == EBB_OUT_LIST && op->count)
        status = ebb__call_infer(op, in, c->b.n_in, c->b.attrs, dtype, NULL, &n_out);
    if (!status) status = call_room(c, n_out);
    if (!status && inferred) status = ebb__call_infer(op, in, c->b.n_in, c->b.attrs, dtype, c->metas, &n_out);
    for (int64_t i = 0; i < c->b.n_in && !status; i++) {
        ebb_tensor *samples = ebb__is_batched(in[i]) ? ebb__tangent_get(in[i], level) : NULL;
        c->batched[i] = samples != NULL;
        c->in[i] = samples ? samples : in[i];
    }
    struct ebb__level *levels = ebb__thread.levels;
    ebb__thread.levels = level->outer;
    if (!status) status = at_level(c, dtype, inferred);
    ebb__thread.levels = levels;
    return status;
}

ebb_list ebb__batch_call(struct ebb__level *level, const struct ebb_op *op, ebb_tensor *const *in, int64_t n,
                         const void *attrs) {
    struct call c = {.b = {.op = op, .attrs = attrs, .n_in = n, .size = level->size}};
    ebb_status status = EBB_OK;
    c.b.same = level->randomness == EBB_VMAP_RANDOM_SAME;
    if (op->batch == ebb_batch_random && level->randomness == EBB_VMAP_RANDOM_ERROR)
        status =
            ebb_fail(EBB_ERR_ARGUMENT, "draws random numbers inside ebb_vmap: say with .randomness whether all samples "
                                       "have the same ones or different ones");
    if (!status) status = run(&c, level, in);
    ebb_tensor **t = status ? NULL : ebb_list_room(c.b.n_out);
    for (int64_t k = 0; k < c.b.n_out && t; k++)
        if (!(t[k] = wrap(level, c.b.given[k], op->view ? in[0] : NULL))) t = NULL;
    ebb_list list = {t ? c.b.n_out : 0, t};
    if (c.metas) ebb__free(c.metas, c.bytes);
    return list;
}

/* ---- in place ---- */

ebb_status ebb__batch_copy_into(struct ebb__level *level, const struct ebb_op *op, ebb_tensor *self, ebb_tensor *from) {
    ebb_tensor *into = ebb__tangent_get(self, level), *all = ebb__tangent_get(from, level);
    struct ebb__level *levels = ebb__thread.levels;
    ebb_scope scope = ebb_scope_open();
    ebb__thread.levels = level->outer;
    ebb_tensor *const pair[] = {into, all ? ebb__batch_aligned(all, into->ndim) : from};
    ebb_status status = pair[1] && ebb_call_op_inplace(op, pair, 2, NULL) ? EBB_OK : ebb_error_status();
    ebb__thread.levels = levels;
    ebb_scope_close(&scope);
    return status;
}
