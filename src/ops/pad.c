/* Borders put round a tensor, or cut off: pad, with a constant, reflected, repeated at the edge, or going round. */
#include "ops/region.h"
#include <math.h>

enum mode { CONSTANT, REFLECT, REPLICATE, CIRCULAR }; /* the signature's order */

/* ---- which elements ---- */

/* A run of the result's elements along one dimension: `n` from `to` on; their sources from `from` on, `step` apart. */
struct run {
    int64_t to, n, from, step;
    bool border;
};

/* Along one dimension of size `size`: what comes before the tensor, what is kept of it, what comes after. */
static void runs_of(enum mode mode, int64_t size, int64_t before, int64_t after, struct run ret_runs[3]) {
    int64_t start = before < 0 ? -before : 0, end = size + (after < 0 ? after : 0); /* what is kept */
    int64_t left = before > 0 ? before : 0, right = after > 0 ? after : 0;
    struct run *b = &ret_runs[0], *m = &ret_runs[1], *a = &ret_runs[2];
    *b = (struct run){0, left, 0, 0, true};
    *m = (struct run){left, end - start, start, 1, false};
    *a = (struct run){left + end - start, right, 0, 0, true};
    if (mode == REFLECT) {
        b->from = left;
        a->from = size - 2;
        b->step = a->step = -1;
    } else if (mode == REPLICATE) {
        a->from = size - 1;
    } else if (mode == CIRCULAR) {
        b->from = end - left;
        a->from = start;
        b->step = a->step = 1;
    }
}

/* For the dimension d the paddings are given from the last dimension on. */
static int64_t before(const ebb_dims *pad, int ndim, int d) {
    int at = 2 * (ndim - 1 - d);
    return at < pad->n ? pad->d[at] : 0;
}
static int64_t after(const ebb_dims *pad, int ndim, int d) {
    int at = 2 * (ndim - 1 - d) + 1;
    return at < pad->n ? pad->d[at] : 0;
}

/* The result seen as blocks, one for each choice of a run in every dimension: calls visit for each that is not empty. */
struct block {
    ebb_dims sizes;
    int64_t to, from;                              /* the first element of both, in elements */
    int64_t to_stride[EBB_MAX_NDIM], from_stride[EBB_MAX_NDIM];
    bool border;
};

static void each_block(enum mode mode, const ebb_dims *small, const ebb_dims *pad, const int64_t *large_strides,
                       const int64_t *small_strides, void (*visit)(const struct block *b, void *context), void *context) {
    int n = small->n, choice[EBB_MAX_NDIM] = {0}, d = 0;
    struct run runs[EBB_MAX_NDIM][3];
    for (int i = 0; i < n; i++) runs_of(mode, small->d[i], before(pad, n, i), after(pad, n, i), runs[i]);
    while (d >= 0) {
        struct block b = {.sizes = {n, {0}}};
        bool empty = false;
        for (int i = 0; i < n; i++) {
            const struct run *r = &runs[i][choice[i]];
            b.sizes.d[i] = r->n;
            b.to += r->to * large_strides[i];
            b.from += r->from * small_strides[i];
            b.to_stride[i] = large_strides[i];
            b.from_stride[i] = r->step * small_strides[i];
            b.border = b.border || r->border;
            empty = empty || r->n == 0;
        }
        if (!empty) visit(&b, context);
        for (d = n - 1; d >= 0; d--) {
            if (++choice[d] < 3) break;
            choice[d] = 0;
        }
    }
}

/* ---- checks ---- */

/* What a mode asks of one padded dimension. */
static ebb_status check_dim(enum mode mode, int d, int64_t size, int64_t before, int64_t after) {
    int64_t most = before > after ? before : after, kept = size + (before < 0 ? before : 0) + (after < 0 ? after : 0);
    if (before > INT64_MAX / 4 || after > INT64_MAX / 4)
        return ebb_fail(EBB_ERR_MEMORY, "a padding of %lld cannot be addressed", (long long)most);
    if (before < -size || after < -size || kept < 0 || (size + before + after < (mode == CONSTANT ? 0 : 1) && most < 1))
        return ebb_fail(EBB_ERR_SHAPE, "padding %lld, %lld leaves nothing of dimension %d of size %lld",
                        (long long)before, (long long)after, d, (long long)size);
    if (mode == CONSTANT || most < 1) return EBB_OK;
    if (mode == REPLICATE ? size == 0 : most > (mode == REFLECT ? size - 1 : kept))
        return ebb_fail(EBB_ERR_SHAPE, "padding %lld, %lld is too large for dimension %d of size %lld",
                        (long long)before, (long long)after, d, (long long)size);
    return EBB_OK;
}

static ebb_status padded_shape(const ebb_dims *in, const ebb_dims *pad, enum mode mode, ebb_dims *ret_shape) {
    int n = in->n, padded = pad->n / 2;
    int64_t numel;
    if (pad->n % 2) return ebb_fail(EBB_ERR_ARGUMENT, "pad has %d entries; expected an even number", (int)pad->n);
    if (padded > n)
        return ebb_fail(EBB_ERR_ARGUMENT, "pad is for %d dimensions, but the tensor has %d", padded, n);
    if (mode != CONSTANT && (padded < 1 || padded > 3 || (n != padded + 1 && n != padded + 2)))
        return ebb_fail(EBB_ERR_ARGUMENT,
                        "in this mode pad is for the last 1, 2 or 3 dimensions of one or two more, not for %d of %d",
                        padded, n);
    *ret_shape = *in;
    for (int d = n - padded; d < n; d++) {
        if (check_dim(mode, d, in->d[d], before(pad, n, d), after(pad, n, d))) return ebb_error_status();
        ret_shape->d[d] += before(pad, n, d) + after(pad, n, d);
    }
    if (!ebb__numel(n, ret_shape->d, 8, &numel)) return ebb_fail(EBB_ERR_MEMORY, "the result cannot be addressed");
    return EBB_OK;
}

/* ---- the operators ---- */

struct job {
    ebb_tensor *large, *small;
    char value[8];
};

static void write_block(const struct block *b, void *context) {
    struct job *j = context;
    ebb_dtype dtype = (ebb_dtype)j->large->dtype;
    int64_t size = (int64_t)ebb__dtype_sizes[dtype], to[EBB_MAX_NDIM], from[EBB_MAX_NDIM];
    bool constant = b->border && b->from_stride[0] == 0 && false;
    (void)constant;
    for (int i = 0; i < b->sizes.n; i++) {
        to[i] = b->to_stride[i] * size;
        from[i] = b->from_stride[i] * size;
    }
    ebb__copy(b->sizes.n, b->sizes.d, dtype, j->large->data + b->to * size, to, dtype, j->small->data + b->from * size,
              from);
}
