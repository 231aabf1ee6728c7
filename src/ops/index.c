/* Advanced indexing: integer tensors and masks in the places of dimensions, read and written. */
#define EBB_FAMILY "Indexing"
#include "ops/batching.h"
#include "ops/indexing.h"

/* The indices of a tensor, by dimension: masks as the integers they stand for, shapes broadcast. */
struct subscripts {
    ebb_tensor *at[EBB_MAX_NDIM]; /* int64, the scope's; NULL for all of a dimension */
    int n, first, last;           /* how many are there; the first and the last */
    ebb_dims shape;               /* of all of them, broadcast */
};

static ebb_status add(struct subscripts *s, const ebb_tensor *self, int *dim, ebb_tensor *index) {
    if (*dim >= self->ndim)
        return ebb_fail(EBB_ERR_INDEX, "too many indices for a tensor of %d dimensions", (int)self->ndim);
    s->at[(*dim)++] = index;
    if (!index) return EBB_OK;
    ebb_dims shape = ebb_tensor_shape(index), before = s->shape;
    if (!ebb__broadcast(&s->shape, &shape)) {
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        return ebb_fail(EBB_ERR_SHAPE, "indices of shapes %s and %s do not broadcast",
                        ebb__shape_text(a, before.n, before.d), ebb__shape_text(b, shape.n, shape.d));
    }
    if (s->n++ == 0) s->first = *dim - 1;
    s->last = *dim - 1;
    return EBB_OK;
}

/* A mask over the next dimensions is one list of integers for each. */
static ebb_status add_mask(struct subscripts *s, const ebb_tensor *self, int *dim, ebb_tensor *mask) {
    bool fits = *dim + mask->ndim <= self->ndim;
    for (int i = 0; i < mask->ndim && fits; i++) fits = mask->dims[i] == self->dims[*dim + i];
    if (!fits) {
        char text[EBB__SHAPE_TEXT];
        return ebb_fail(EBB_ERR_INDEX, "a mask of shape %s does not fit self from dimension %d on",
                        ebb__shape_text(text, mask->ndim, mask->dims), *dim);
    }
    ebb_tensor *places = ebb_nonzero(mask);
    if (!places) return ebb_error_status();
    ebb_status status = EBB_OK;
    for (int i = 0, n = mask->ndim; i < n && !status; i++) {
        ebb_tensor *index = ebb_select(places, 1, i);
        status = index ? add(s, self, dim, index) : ebb_error_status();
    }
    return status;
}

static bool is_mask(const ebb_tensor *t) { return t && (t->dtype == EBB_BOOL || t->dtype == EBB_U8); }

static ebb_status read_subscripts(struct subscripts *s, const ebb_tensor *self, ebb_tensor *const *index, int64_t n) {
    int dim = 0;
    *s = (struct subscripts){.n = 0};
    for (int64_t i = 0; i < n; i++) {
        ebb_tensor *t = index[i];
        ebb_status status = EBB_OK;
        if (is_mask(t)) status = add_mask(s, self, &dim, t);
        else if (t && t->dtype != EBB_I64 && t->dtype != EBB_I32)
            status = ebb_fail(EBB_ERR_DTYPE, "indices must be integers or masks, got %s",
                              ebb_dtype_name((ebb_dtype)t->dtype));
        else if (t && t->dtype == EBB_I32)
            status = (t = ebb_to(t, EBB_I64)) ? add(s, self, &dim, t) : ebb_error_status();
        else status = add(s, self, &dim, t);
        if (status) return status;
    }
    return EBB_OK;
}

/* Where the dimensions of the indices go: the place of the first one where they are neighbours, else the front. */
static int place_of_indices(const struct subscripts *s) {
    return s->n && s->last - s->first + 1 == s->n ? s->first : 0;
}

static ebb_status result_shape(const struct subscripts *s, const ebb_tensor *self, ebb_dims *ret_shape) {
    int at = place_of_indices(s), n = self->ndim - s->n + s->shape.n;
    *ret_shape = (ebb_dims){0};
    if (n > EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_SHAPE, "the result would have %d dimensions; at most %d are possible", n, EBB_MAX_NDIM);
    for (int d = 0, done = 0; d < self->ndim || !done; d++) {
        if (d == at && !done++)
            for (int i = 0; i < s->shape.n; i++) ret_shape->d[ret_shape->n++] = s->shape.d[i];
        if (d < self->ndim && !s->at[d]) ret_shape->d[ret_shape->n++] = self->dims[d];
    }
    return EBB_OK;
}

/* The places that the indices name in `moving`, over the result's shape; `fixed` broadcasts to it. */
static ebb_status places_of(struct ebb__places *p, const struct subscripts *s, const ebb_tensor *moving,
                            const ebb_tensor *fixed, const ebb_dims *shape) {
    int at = place_of_indices(s), d = 0;
    bool none = false;
    for (int i = 0; i < s->shape.n; i++) none = none || s->shape.d[i] == 0;
    *p = (struct ebb__places){.ndim = shape->n, .moving = moving->data, .fixed = fixed->data};
    for (int i = 0; i < shape->n; i++) {
        int own = i - (shape->n - fixed->ndim);
        p->size[i] = shape->d[i];
        p->fixed_stride[i] = own < 0 || fixed->dims[own] == 1 ? 0 : ebb__step(fixed, own);
        if (i >= at && i < at + s->shape.n) continue;
        while (s->at[d]) d++;
        p->moving_stride[i] = ebb__step(moving, d++);
    }
    for (d = 0; d < moving->ndim; d++) {
        const ebb_tensor *t = s->at[d];
        if (!t) continue;
        if (moving->dims[d] == 0 && !none)
            return ebb_fail(EBB_ERR_INDEX, "an index is out of range for dimension %d of size 0", d);
        struct ebb__index *x = &p->index[p->n++];
        x->data = (const int64_t *)(const void *)t->data;
        x->limit = moving->dims[d];
        x->negative = true;
        x->step = ebb__step(moving, d);
        for (int i = 0; i < t->ndim; i++)
            x->stride[at + s->shape.n - t->ndim + i] = t->dims[i] == 1 ? 0 : ebb__step(t, i);
    }
    return EBB_OK;
}

static ebb_status check(const struct ebb__places *p, const struct subscripts *s, int ndim) {
    ebb_status status = EBB_OK;
    for (int d = 0, k = 0; d < ndim && !status; d++)
        if (s->at[d]) status = ebb__check_places(p, k++, d);
    return status;
}

/* ---- index ---- */

static ebb_tensor *index_compose(struct ebb_forward *f) {
    const ebb_tensor *self = f->in[0];
    struct subscripts s;
    struct ebb__places p;
    ebb_dims shape;
    if (read_subscripts(&s, self, f->in + 1, f->n_in - 1) || result_shape(&s, self, &shape)) return NULL;
    ebb_tensor *y = ebb__own(ebb__tensor_new((ebb_dtype)self->dtype, shape.n, shape.d));
    if (!y || places_of(&p, &s, self, y, &shape)) return NULL;
    if (ebb__place(&p, EBB__TAKE, (ebb_dtype)self->dtype)) return y;
    (void)check(&p, &s, self->ndim);
    return NULL;
}

static void index_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *g = v->grad[0], *zeros = ebb__zeros_beside(ebb_vjp_shape(v, 0), ebb_tensor_dtype(g), g, NULL);
    for (int64_t i = 1; i < v->n_in && zeros; i++)
        if (ebb__is_batched(v->in[i])) zeros = ebb__batch_as(zeros, v->in[i]);
    ebb_vjp_give(v, 0, ebb_index_put_(zeros, ((ebb_list){v->n_in - 1, v->in + 1}), g, .accumulate = true));
}

/* Whether an entry of a list of indices is batched, or is none of these: a list of integers for each of the first
 * dimensions. */
static bool any_batched(const struct ebb_batch_call *b, int64_t n) {
    bool any = false;
    for (int64_t i = 1; i <= n; i++) any = any || b->batched[i];
    return any;
}
static bool any_gap_or_mask(const struct ebb_batch_call *b, int64_t n) {
    bool any = n == 0;
    for (int64_t i = 1; i <= n; i++) any = any || !b->in[i] || is_mask(b->in[i]);
    return any;
}

/* Whether the indices stand side by side, so that one dimension more in front of them moves theirs by one. */
static bool are_neighbours(const struct ebb_batch_call *b, int64_t n) {
    int64_t first = 1, last = n;
    while (first <= n && !b->in[first]) first++;
    while (last >= first && !b->in[last]) last--;
    for (int64_t i = first; i <= last; i++)
        if (!b->in[i]) return false;
    return true;
}

/* The dimensions that the indices stand for in the result, and those of self that they take the place of. */
static int index_ndim(const struct ebb_batch_call *b, int64_t n, int *ret_taken) {
    int ndim = 0;
    *ret_taken = 0;
    for (int64_t i = 1; i <= n; i++) {
        if (!b->in[i]) continue;
        int own = ebb__batch_ndim(b, i), of = is_mask(b->in[i]) ? 1 : own;
        *ret_taken += is_mask(b->in[i]) ? own : 1;
        if (of > ndim) ndim = of;
    }
    return ndim;
}

/* n indices follow self, and `more` inputs them: the call with the batch as a dimension 0 of self that is taken whole,
 * or with the number of the sample as one more index. */
static void batch_indexed(struct ebb_batch_call *b, int64_t n, int64_t more) {
    ebb_tensor *in[EBB_MAX_NDIM + 4];
    int taken, ndim = index_ndim(b, n, &taken);
    bool batched = any_batched(b, n);
    if (n > EBB_MAX_NDIM || (batched ? any_gap_or_mask(b, n) : !are_neighbours(b, n))) {
        ebb_batch_loop(b);
        return;
    }
    in[0] = ebb__batch_input(b, 0, 0);
    in[1] = batched ? ebb__batch_aligned(ebb_arange(0, b->size, 1), ndim + 1) : NULL;
    for (int64_t i = 1; i <= n; i++) in[i + 1] = b->batched[i] ? ebb__batch_aligned(b->in[i], ndim + 1) : b->in[i];
    int result = ebb__batch_ndim(b, 0) - taken + ndim;
    if (more) in[n + 2] = b->batched[n + 1] ? ebb__batch_aligned(b->in[n + 1], result + 1) : b->in[n + 1];
    if (ebb__failing()) return;
    ebb_list out = ebb_call_op_list(b->op, in, n + 2 + more, b->attrs);
    if (out.n) ebb_batch_give(b, 0, out.t[0]);
}

static void index_batch(struct ebb_batch_call *b) { batch_indexed(b, b->n_in - 1, 0); }

const struct ebb_op ebb_op_index = {
    EBB_SIGNATURE(index, "Tensor self, Tensors? indices -> Tensor"),
    .doc = EBB_TEXT(
        "The elements of self that index tensors name: result[i] = self[indices[0][i], indices[1][i], ...]. Indices are "
        "integers, negative ones from the end, and broadcast; or masks (bool) over one or more dimensions, which stand for "
        "the places where they are true. NULL in the list is all of a dimension, as are dimensions beyond the list. The "
        "indices' dimensions stand in the place of those indexed where these are neighbours, else in front. ebb_getitem "
        "takes numbers and slices, too."),
    .torch = EBB_TEXT("torch.Tensor.__getitem__"),
    .node = "IndexBackward0",
    .compose = index_compose,
    .vjp = index_vjp,
    .jvp = ebb_jvp_linear,
    .batch = index_batch,
    .saves = {EBB_IN(1)},
    .formula = EBB_FORMULAS("index_put(zeros_like(self), indices, g, True)"),
    .samples =
        EBB_SAMPLES("(4,3) [i4(6)]", "(4,3) [none i3(5)]", "(4,3) [i4(2,1) i3(3)]", "(2,3,4) [i2(2) none i4(2)]",
                    "(2,3,4) [none i3(2,2) i4(2)]", "(4,3) [b(4)]", "(4,3) [b(4,3)]", "(2,3,4) [none b(3) i4(1)]",
                    "(3,4) [none none]", "(3,4) []", "(3) [i3()]", "(3,4) [i3(0)]", "(3,0) [i3(2)]", "(0,3) [i1(0)]",
                    "() []", "(5,3) [int32(2)]", "(300,70) [i300(40,10)]", "! (4,3) [i9(99)]", "! (4,3) [i4(2) i3(3)]",
                    "! (4) [i4(2) i4(2)]", "! (4,3) [b(3)]", "! (4,3) [(2)]", "! (0,3) [i1(1)]", "! (0,0) [i1(1)]"),
};

/* ---- index_put ---- */

static ebb_status put_infer(struct ebb_infer *f) {
    const ebb_meta *values = &f->in[f->n_in - 1];
    f->out->shape = f->in[0].shape;
    if (values->dtype == f->in[0].dtype) return EBB_OK;
    return ebb_fail(EBB_ERR_DTYPE, "self and values must have one dtype, got %s and %s", ebb_dtype_name(f->in[0].dtype),
                    ebb_dtype_name(values->dtype));
}

/* One value where a mask over the first dimensions is true needs no list of places. */
static ebb_status put_masked(struct ebb_forward *f, const ebb_tensor *mask, ebb_tensor *value) {
    ebb_tensor *self = f->in[0], *all, *one;
    int64_t strides[EBB_MAX_NDIM] = {0};
    for (int d = 0; d < mask->ndim; d++) strides[d] = ebb__strides(mask)[d];
    all = ebb__own(ebb__tensor_alias(mask, self->ndim, self->dims, strides, 0));
    one = ebb__own(ebb__tensor_alias(value, 0, NULL, NULL, 0));
    if (!all || !one) return ebb_error_status();
    ebb_tensor *const t[] = {f->out[0], all, one, self};
    struct ebb__plan plan;
    ebb__plan_make(&plan, 4, t);
    ebb__plan_run(&plan, ebb__loops_where[self->dtype], NULL);
    return EBB_OK;
}

static bool fits_front(const ebb_tensor *mask, const ebb_tensor *self) {
    bool fits = mask->dtype == EBB_BOOL && mask->ndim > 0 && mask->ndim <= self->ndim;
    for (int i = 0; fits && i < mask->ndim; i++) fits = mask->dims[i] == self->dims[i];
    return fits;
}

static ebb_status put(struct ebb_forward *f) {
    const struct ebb__attrs_index_put *a = f->attrs;
    ebb_tensor *values = f->in[f->n_in - 1];
    ebb_tensor *const *index = f->in + 1;
    if (f->n_in == 3 && index[0] && values->numel == 1 && !a->accumulate && fits_front(index[0], f->in[0]))
        return put_masked(f, index[0], values);
    struct subscripts s;
    struct ebb__places p;
    ebb_dims shape, both, given = ebb_tensor_shape(values);
    ebb_status status = read_subscripts(&s, f->in[0], index, f->n_in - 2);
    if (!status) status = result_shape(&s, f->in[0], &shape);
    if (status) return status;
    both = shape;
    if (!ebb__broadcast(&both, &given) || !ebb__dims_equal(&both, &shape)) {
        char to[EBB__SHAPE_TEXT], from[EBB__SHAPE_TEXT];
        return ebb_fail(EBB_ERR_SHAPE, "values of shape %s do not broadcast to what is indexed, of shape %s",
                        ebb__shape_text(from, given.n, given.d), ebb__shape_text(to, shape.n, shape.d));
    }
    status = places_of(&p, &s, f->out[0], values, &shape);
    if (!status) status = check(&p, &s, f->out[0]->ndim);
    if (!status) status = ebb__begin_update(f);
    if (!status) (void)ebb__place(&p, a->accumulate ? EBB__ADD : EBB__PUT, (ebb_dtype)f->out[0]->dtype);
    return status;
}

static ebb_status put_forward(struct ebb_forward *f) {
    ebb_scope scope = ebb_scope_open();
    ebb_status status = put(f);
    ebb_scope_close(&scope);
    return status;
}

static void put_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_index_put *a = v->attrs;
    ebb_list indices = {v->n_in - 2, v->in + 1};
    ebb_tensor *g = v->grad[0];
    if (v->needs[0])
        ebb_vjp_give(
            v, 0, a->accumulate ? g : ebb_index_put(g, indices, ebb_zeros(EBB_NO_DIMS, .dtype = ebb_tensor_dtype(g))));
    if (v->needs[v->n_in - 1]) ebb_vjp_give(v, v->n_in - 1, ebb_index(g, indices));
}

static void put_batch(struct ebb_batch_call *b) { batch_indexed(b, b->n_in - 2, 1); }

const struct ebb_op ebb_op_index_put = {
    EBB_SIGNATURE(index_put, "Tensor self, Tensors? indices, Tensor values, bool accumulate=false -> Tensor"),
    .doc = EBB_TEXT(
        "self with values, broadcast, in the places that indices name as index has it: the last one stays where several "
        "meet, and the gradient of values is right only where none do; or added to what is there, with accumulate, in "
        "row-major order. ebb_setitem takes numbers and slices, too."),
    .torch = EBB_TEXT("torch.index_put"),
    .node = "IndexPutBackward0",
    .infer = put_infer,
    .forward = put_forward,
    .inplace = true,
    .updates = true,
    .vjp = put_vjp,
    .jvp = ebb_jvp_linear,
    .batch = put_batch,
    .saves = {EBB_IN(1), 0, EBB_IN(1)},
    .formula =
        EBB_FORMULAS("g if accumulate else index_put(g, indices, zeros((), g.dtype))", NULL, "index(g, indices)"),
    .samples = EBB_SAMPLES(
        "(4,3) [i1(1)] (1,3)", "(4,3) [i4(6)] (6,3) accumulate=true", "(4,3) [none i3(5)] () accumulate=true",
        "(4,3) [i4(2,1) i3(3)] (3) accumulate=true", "(2,3,4) [i2(2) none i4(2)] (2,3) accumulate=true",
        "(4,3) [b(4,3)] ()", "(4,3) [b(4)] (3)", "(4,3) [none b(3)] (4,1)", "(3,4) [] (4)", "(3) [i3()] ()",
        "(3,4) [i3(0)] (0,4)", "() [] ()", "(5,3) [int32(1)] (3)", "(30,70) [i30(40)] (40,70) accumulate=true",
        "! (4,3) [i9(99)] ()", "! (4,3) [i4(2)] (3,3)", "! (4,3) [b(3)] ()", "! (4,3) [(2)] ()", "! (4) [i4(2)] i5(2)"),
};
