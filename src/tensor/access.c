/* What a tensor is, and its elements, for callers outside the library. */
#include "tensor/tensor.h"
#include <math.h>

ebb_dtype ebb_tensor_dtype(const ebb_tensor *t) { return t ? (ebb_dtype)t->dtype : EBB_DTYPE_NONE; }
int ebb_tensor_ndim(const ebb_tensor *t) { return t ? t->ndim : 0; }
ebb_dims ebb_tensor_shape(const ebb_tensor *t) { return t ? ebb__dims(t->ndim, ebb__sizes(t)) : EBB_NO_DIMS; }
ebb_dims ebb_tensor_strides(const ebb_tensor *t) { return t ? ebb__dims(t->ndim, ebb__strides(t)) : EBB_NO_DIMS; }
int64_t ebb_tensor_numel(const ebb_tensor *t) { return t ? t->numel : 0; }
bool ebb_tensor_is_contiguous(const ebb_tensor *t) { return t && ebb__is_contiguous(t); }
uint32_t ebb_tensor_version(const ebb_tensor *t) { return t ? ebb__version(t) : 0; }
bool ebb_tensor_is_leaf(const ebb_tensor *t) { return t && !t->grad_fn && !ebb__inherits(t); }
bool ebb_tensor_requires_grad(const ebb_tensor *t) { return t && ebb__requires_grad(t); }
bool ebb_tensor_is_view(const ebb_tensor *t) { return t && ebb__base(t); }
bool ebb_tensor_is_number(const ebb_tensor *t) { return t && (t->flags & EBB__NUMBER); }
void(ebb_increment_version)(ebb_tensor *t) {
    if (t) ebb__written(t, NULL, false);
}

char *ebb__writer_text(char text[EBB__WRITER_TEXT], const ebb_tensor *t) {
    const struct ebb__storage *s = t->storage;
    const struct ebb__moved *m =
        t->flags & EBB__MOVED && ebb__version(t) == ebb__moved(t)->since ? ebb__moved(t) : NULL;
    const char *writer = m ? "set" : atomic_load_explicit(&s->writer, memory_order_relaxed),
               *file = m ? m->file : atomic_load_explicit(&s->writer_file, memory_order_relaxed);
    int line = m ? m->line : atomic_load_explicit(&s->writer_line, memory_order_relaxed);
    int n = snprintf(text, EBB__WRITER_TEXT, "%s%s%s", writer ? "by " : "through its data", writer ? writer : "",
                     m || atomic_load_explicit(&s->writer_inplace, memory_order_relaxed) ? "_" : "");
    if (file && n >= 0 && n < EBB__WRITER_TEXT)
        snprintf(text + n, EBB__WRITER_TEXT - (size_t)n, " at %s:%d", file, line);
    return text;
}

/* Whether t stands for a batch, so that there is no one value to look at; then it is an error. */
static bool is_batched(const char *op, const ebb_tensor *t) {
    if (EBB_LIKELY(!ebb__is_batched(t))) return false;
    ebb__fail_op(op, EBB_ERR_ARGUMENT,
                 "the elements differ between the samples of a batch: inside ebb_vmap they cannot "
                 "be read, nor can what is done next depend on them");
    return true;
}

void *ebb_tensor_data(const ebb_tensor *t) { return t && !is_batched("data", t) ? t->data : NULL; }

int64_t ebb_tensor_storage_offset(const ebb_tensor *t) {
    return t && t->storage ? (t->data - t->storage->data) / (int64_t)ebb__dtype_sizes[t->dtype] : 0;
}

bool ebb_tensor_shares_storage(const ebb_tensor *a, const ebb_tensor *b) {
    return a && b && a->storage && a->storage == b->storage;
}

int64_t(ebb_tensor_size)(const ebb_tensor *t, int dim) {
    if (!t) return 0;
    int64_t d = dim;
    if (t->ndim == 0 || !ebb__wrap_dim(&d, t->ndim)) {
        ebb__fail_op("size", EBB_ERR_INDEX, "dimension %d is out of range for a tensor of %d dimensions", dim, t->ndim);
        return -1;
    }
    return t->dims[d];
}

static const char *only_element(const char *op, const ebb_tensor *t) {
    char text[EBB__SHAPE_TEXT];
    if (!t) ebb__fail_null(op, "tensor");
    else if (is_batched(op, t)) return NULL;
    else if (t->numel != 1)
        ebb__fail_op(op, EBB_ERR_SHAPE, "needs a tensor of one element, not of shape %s",
                     ebb__shape_text(text, t->ndim, ebb__sizes(t)));
    else return t->data;
    return NULL;
}

double(ebb_item)(const ebb_tensor *t) {
    const char *p = only_element("item", t);
    return p ? ebb__load(p, (ebb_dtype)t->dtype) : (double)NAN;
}

int64_t(ebb_item_i64)(const ebb_tensor *t) {
    const char *p = only_element("item_i64", t);
    if (!p) return 0;
    return ebb__load_i64(p, (ebb_dtype)t->dtype);
}

double(ebb_at_index)(const ebb_tensor *t, ebb_dims index) {
    if (!t) {
        ebb__fail_null("at_index", "tensor");
        return (double)NAN;
    }
    if (is_batched("at_index", t)) return (double)NAN;
    char shape[EBB__SHAPE_TEXT], text[EBB__SHAPE_TEXT];
    bool fits = index.n == t->ndim;
    int64_t at = 0;
    for (int i = 0; fits && i < t->ndim; i++) {
        int64_t k = index.d[i] < 0 ? index.d[i] + t->dims[i] : index.d[i];
        fits = k >= 0 && k < t->dims[i];
        at += k * ebb__strides(t)[i];
    }
    if (!fits) {
        ebb__fail_op("at_index", EBB_ERR_INDEX, "index %s is out of range for shape %s",
                     ebb__shape_text(text, index.n < EBB_MAX_NDIM ? index.n : EBB_MAX_NDIM, index.d),
                     ebb__shape_text(shape, t->ndim, ebb__sizes(t)));
        return (double)NAN;
    }
    return ebb__load(t->data + at * (int64_t)ebb__dtype_sizes[t->dtype], (ebb_dtype)t->dtype);
}

ebb_status(ebb_tensor_read)(const ebb_tensor *t, ebb_dtype dtype, void *ret_data) {
    if (!t) return ebb__fail_null("read", "tensor");
    if (is_batched("read", t)) return ebb_error_status();
    size_t to = ebb_dtype_size(dtype);
    if (!to) return ebb__fail_op("read", EBB_ERR_DTYPE, "%d is not a dtype", (int)dtype);
    if (t->numel && !ret_data) return ebb__fail_null("read", "ret_data");
    int64_t index[EBB_MAX_NDIM] = {0}, from = (int64_t)ebb__dtype_sizes[t->dtype];
    const char *p = t->data;
    char *out = ret_data;
    for (int64_t i = 0; i < t->numel; i++, out += to) {
        ebb__convert(out, dtype, p, (ebb_dtype)t->dtype);
        for (int d = t->ndim - 1; d >= 0; d--) { /* the next index, like an odometer */
            p += ebb__strides(t)[d] * from;
            if (++index[d] < t->dims[d]) break;
            p -= ebb__strides(t)[d] * from * t->dims[d];
            index[d] = 0;
        }
    }
    return EBB_OK;
}
