/* Shapes: sizes, strides, broadcasting, and when a view of another shape needs no copy. */
#include "tensor/tensor.h"
#include <string.h>

bool ebb__same_shape(const ebb_tensor *a, const ebb_tensor *b) {
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

bool ebb__is_dense(const ebb_tensor *t) {
    int64_t size = 1; /* the elements of the dimensions found so far, those that lie closest first */
    uint32_t found = 0;
    if (ebb__is_contiguous(t) || t->numel == 0) return true;
    for (int n = 0; n < t->ndim; n++) {
        int next = -1;
        for (int i = 0; i < t->ndim && next < 0; i++)
            if (!(found >> i & 1) && (t->dims[i] == 1 || ebb__strides(t)[i] == size)) next = i;
        if (next < 0) return false;
        found |= 1u << next;
        size *= t->dims[next];
    }
    return true;
}

bool ebb__dims_equal(const ebb_dims *a, const ebb_dims *b) {
    if (a->n != b->n) return false;
    for (int i = 0; i < a->n; i++)
        if (a->d[i] != b->d[i]) return false;
    return true;
}

bool ebb__dims_bare(const ebb_dims *dims) {
    bool some = false;
    for (int i = 0; i < EBB_MAX_NDIM; i++) some = some || dims->d[i];
    return some && dims->n == 0;
}

bool ebb__numel(int ndim, const int64_t *sizes, size_t element, int64_t *ret_numel) {
    int64_t n = 1, limit = INT64_MAX / (int64_t)(element ? element : 1);
    bool empty = false;
    for (int i = 0; i < ndim; i++) {
        if (sizes[i] < 0) return false;
        if (sizes[i] == 0) empty = true;
        else if (n > limit / sizes[i]) return false;
        else n *= sizes[i];
    }
    *ret_numel = empty ? 0 : n;
    return true;
}

void ebb__contiguous_strides(int ndim, const int64_t *sizes, int64_t *ret_strides) {
    int64_t stride = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        ret_strides[i] = stride;
        stride *= sizes[i] > 1 ? sizes[i] : 1;
    }
}

bool ebb__strides_contiguous(int ndim, const int64_t *sizes, const int64_t *strides) {
    int64_t want = 1;
    for (int i = 0; i < ndim; i++)
        if (sizes[i] == 0) return true;
    for (int i = ndim - 1; i >= 0; i--) {
        if (sizes[i] == 1) continue;
        if (strides[i] != want) return false;
        want *= sizes[i];
    }
    return true;
}

bool ebb__broadcast(ebb_dims *shape, const ebb_dims *other) {
    int n = shape->n > other->n ? shape->n : other->n;
    ebb_dims r = {{0}, n};
    for (int i = 1; i <= n; i++) {
        int64_t a = i <= shape->n ? shape->d[shape->n - i] : 1;
        int64_t b = i <= other->n ? other->d[other->n - i] : 1;
        if (a != b && a != 1 && b != 1) return false;
        r.d[n - i] = a == 1 ? b : a;
    }
    *shape = r;
    return true;
}

bool ebb__wrap_dim(int64_t *dim, int64_t ndim) {
    int64_t n = ndim > 0 ? ndim : 1; /* a 0-d tensor accepts 0 and -1, as PyTorch's does */
    if (*dim < -n || *dim >= n) return false;
    if (*dim < 0) *dim += n;
    return true;
}

/* Walks both shapes from the innermost dimension: a run of old dimensions that is laid out as one is cut into new
 * ones. */
bool ebb__view_strides(const ebb_dims *sizes, const ebb_dims *strides, const ebb_dims *shape, ebb_dims *ret_strides) {
    ebb_dims r = {{0}, shape->n};
    int64_t numel = 1;
    for (int i = 0; i < sizes->n; i++) numel *= sizes->d[i];
    if (numel == 0 || sizes->n == 0) {
        if (numel == 0 && ebb__dims_equal(sizes, shape)) r = *strides;
        else ebb__contiguous_strides(shape->n, shape->d, r.d);
        *ret_strides = r;
        return true;
    }
    int view = shape->n - 1;
    int64_t base = strides->d[sizes->n - 1]; /* the stride of the run's innermost element */
    int64_t run = 1, cut = 1;                /* elements in the run, and in the new dimensions cut from it */
    for (int i = sizes->n - 1; i >= 0; i--) {
        run *= sizes->d[i];
        if (i > 0 && (sizes->d[i - 1] == 1 || strides->d[i - 1] == run * base)) continue;
        while (view >= 0 && (cut < run || shape->d[view] == 1)) {
            r.d[view] = cut * base;
            cut *= shape->d[view--];
        }
        if (cut != run) return false;
        if (i > 0) {
            base = strides->d[i - 1];
            run = cut = 1;
        }
    }
    if (view >= 0) return false;
    *ret_strides = r;
    return true;
}

char *ebb__shape_text(char text[EBB__SHAPE_TEXT], int ndim, const int64_t *sizes) {
    size_t at = 0;
    text[at++] = '[';
    for (int i = 0; i < ndim && at < EBB__SHAPE_TEXT - 24; i++)
        at += (size_t)snprintf(text + at, EBB__SHAPE_TEXT - at, "%s%lld", i ? ", " : "", (long long)sizes[i]);
    memcpy(text + at, "]", 2);
    return text;
}
