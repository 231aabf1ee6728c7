/* Regions whose elements may be the same ones: whether they are, and adding to them. */
#include "ops/region.h"

bool ebb__shares_elements(const ebb_dims *sizes, const ebb_dims *strides) {
    int64_t reach = 0, stride[EBB_MAX_NDIM], size[EBB_MAX_NDIM];
    int n = 0;
    for (int i = 0; i < sizes->n; i++) { /* by stride, the smallest first */
        if (sizes->d[i] == 0) return false;
        if (sizes->d[i] == 1) continue; /* its stride may be any number */
        const int64_t s = strides->d[i] < 0 ? -strides->d[i] : strides->d[i];
        int at = n++;
        for (; at > 0 && stride[at - 1] > s; at--) {
            stride[at] = stride[at - 1];
            size[at] = size[at - 1];
        }
        stride[at] = s;
        size[at] = sizes->d[i];
    }
    for (int i = 0; i < n; i++) {
        if (stride[i] <= reach) return true;
        reach += (size[i] - 1) * stride[i];
    }
    return false;
}

/* The dimension that the inner loop runs along: no element may be met twice. Of those that are long enough the one
 * whose elements lie closest, else the longest; -1 for none. */
static int inner_of(const ebb_dims *sizes, const int64_t *strides) {
    enum { LONG = 8 };
    int best = -1;
    for (int i = 0; i < sizes->n; i++) {
        if (strides[i] == 0 || sizes->d[i] == 1) continue;
        if (best < 0) best = i;
        int64_t n = sizes->d[i], m = sizes->d[best];
        int64_t s = strides[i] < 0 ? -strides[i] : strides[i], t = strides[best] < 0 ? -strides[best] : strides[best];
        if (n >= LONG && m >= LONG ? s < t : n > m) best = i;
    }
    return best;
}

void ebb__add_region(const ebb_dims *sizes, ebb_dtype dtype, char *to, const int64_t *to_strides, const char *from,
                     const int64_t *from_strides) {
    int64_t size = (int64_t)ebb__dtype_sizes[dtype], count = 1, index[EBB_MAX_NDIM] = {0};
    int inner = inner_of(sizes, to_strides);
    for (int i = 0; i < sizes->n; i++) {
        if (sizes->d[i] == 0) return;
        if (i != inner) count *= sizes->d[i];
    }
    const int64_t n = inner < 0 ? 1 : sizes->d[inner], step = inner < 0 ? 0 : to_strides[inner] * size;
    const int64_t bytes[] = {step, step, inner < 0 ? 0 : from_strides[inner] * size};
    for (int64_t k = 0; k < count; k++) {
        ebb__loops_add[dtype](n, (char *const[]){to, to, (char *)(uintptr_t)from}, bytes, NULL);
        for (int i = sizes->n - 1; i >= 0; i--) {
            if (i == inner || sizes->d[i] == 1) continue;
            to += to_strides[i] * size;
            from += from_strides[i] * size;
            if (++index[i] < sizes->d[i]) break;
            to -= sizes->d[i] * to_strides[i] * size;
            from -= sizes->d[i] * from_strides[i] * size;
            index[i] = 0;
        }
    }
}
