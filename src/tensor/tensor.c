/* Making, sharing and releasing tensors and their storage. */
#include "tensor/tensor.h"
#include <string.h>

#define INLINE_DATA 1024 /* data up to this many bytes lies in the storage's own block */
#define STEPS(bytes) (((bytes) + 7) / 8)
_Static_assert(STEPS(sizeof(ebb_tensor) + 16 * EBB_MAX_NDIM + sizeof(struct ebb__storage) + INLINE_DATA) <= UINT8_MAX,
               "the steps of a storage's block fit");
_Static_assert(sizeof(ebb_tensor) % 8 == 0 && sizeof(struct ebb__storage) % 8 == 0, "headers are whole steps");

/* Address checkers see a dead tensor only when its block dies with it. */
#if defined(__SANITIZE_ADDRESS__)
#define ONE_BLOCK false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_BLOCK false
#endif
#endif
#ifndef ONE_BLOCK
#define ONE_BLOCK true
#endif

static EBB_NOINLINE void end_special(struct ebb__storage *s, unsigned special) {
    if (special & EBB__NOTED) ebb__notes_erase(s);
    if (special & EBB__EXTERNAL) {
        struct ebb__external *e = (struct ebb__external *)(void *)s;
        if (e->release) e->release(e->context);
    } else if (s->data != (char *)(s + 1)) ebb__free(s->data, s->bytes);
}

void ebb__storage_unref(struct ebb__storage *s) {
    if (atomic_load_explicit(&s->refs, memory_order_acquire) != 1 && /* nobody else counts */
        atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    unsigned special = atomic_load_explicit(&s->special, memory_order_relaxed);
    if (EBB_UNLIKELY(special)) end_special(s, special);
    else if (s->data != (char *)(s + 1)) ebb__free(s->data, s->bytes);
    ebb__free(ebb__storage_block(s), 8 * (size_t)s->block);
}

/* Of a storage that has `before` bytes of its block of so many steps before it. */
static void storage_init(struct ebb__storage *s, size_t before, size_t steps, void *data, size_t bytes) {
    atomic_init(&s->refs, 1);
    atomic_init(&s->version, 0);
    s->bytes = bytes;
    s->data = data;
    atomic_init(&s->special, 0);
    s->before = (uint8_t)(before / 8);
    s->block = (uint8_t)steps;
}

/* A storage in a block of its own. */
static struct ebb__storage *storage_new(size_t bytes) {
    bool inside = bytes <= INLINE_DATA;
    size_t steps = STEPS(sizeof(struct ebb__storage) + (inside ? bytes : 0));
    struct ebb__storage *s = ebb__alloc(8 * steps);
    if (EBB_UNLIKELY(!s)) return NULL;
    void *data = inside ? (void *)(s + 1) : ebb__alloc(bytes);
    if (EBB_UNLIKELY(!data)) {
        ebb__free(s, 8 * steps);
        return NULL;
    }
    storage_init(s, 0, steps, data, bytes);
    return s;
}

static ebb_tensor *header_init(ebb_tensor *t, ebb_dtype dtype, int ndim, const int64_t *sizes) {
    atomic_init(&t->refs, 1);
    t->dtype = (unsigned)dtype & 15;
    t->ndim = (unsigned)ndim & 15;
    t->flags = EBB__CONTIGUOUS;
    t->output_nr = 0;
    t->storage = NULL;
    t->data = NULL;
    t->numel = 1;
    t->dims = (int64_t *)(void *)(t + 1);
    t->grad_fn = NULL;
    atomic_init(&t->autograd, NULL);
    t->base = NULL;
    for (int i = 0; i < ndim; i++) t->dims[i] = sizes[i];
    return t;
}

static ebb_tensor *header_new(ebb_dtype dtype, int ndim, const int64_t *sizes) {
    ebb_tensor *t = ebb__alloc(ebb__tensor_bytes(ndim));
    return EBB_LIKELY(t) ? header_init(t, dtype, ndim, sizes) : NULL;
}

static ebb_tensor *fail_size(ebb_dtype dtype, int ndim, const int64_t *sizes) {
    char text[EBB__SHAPE_TEXT];
    bool negative = false;
    for (int i = 0; i < ndim; i++) negative |= sizes[i] < 0;
    ebb__shape_text(text, ndim, sizes);
    if (negative) ebb_fail(EBB_ERR_SHAPE, "sizes must not be negative: %s", text);
    else ebb_fail(EBB_ERR_MEMORY, "a tensor %s %s is too large to be addressed", ebb_dtype_name(dtype), text);
    return NULL;
}

ebb_tensor *ebb__tensor_meta(ebb_dtype dtype, int ndim, const int64_t *sizes) {
    int64_t numel;
    if (!ebb__numel(ndim, sizes, ebb__dtype_sizes[dtype], &numel)) return fail_size(dtype, ndim, sizes);
    ebb_tensor *t = header_new(dtype, ndim, sizes);
    if (EBB_UNLIKELY(!t)) return NULL;
    ebb__contiguous_strides(ndim, sizes, ebb__strides(t));
    t->numel = numel;
    return t;
}

/* A new tensor, noted; released when that fails. */
static EBB_NOINLINE ebb_tensor *traced(ebb_tensor *t) {
    if (ebb__trace(t)) return t;
    ebb__tensor_free(t);
    return NULL;
}

/* With numel known to fit. */
static inline ebb_tensor *tensor_new(ebb_dtype dtype, int ndim, const int64_t *sizes, int64_t numel) {
    size_t bytes = (size_t)numel * ebb__dtype_sizes[dtype], header = ebb__tensor_bytes(ndim);
    bool one_block = ONE_BLOCK && bytes <= INLINE_DATA;
    size_t steps = STEPS(header + (one_block ? sizeof(struct ebb__storage) + bytes : 0));
    ebb_tensor *t = ebb__alloc(8 * steps);
    if (EBB_UNLIKELY(!t)) return NULL;
    header_init(t, dtype, ndim, sizes);
    if (ndim) ebb__contiguous_strides(ndim, sizes, ebb__strides(t));
    t->numel = numel;
    t->flags |= ebb__thread.inference;
    if (one_block) {
        t->storage = (struct ebb__storage *)(void *)((char *)t + header);
        storage_init(t->storage, header, steps, t->storage + 1, bytes);
    } else if (!(t->storage = storage_new(bytes))) {
        ebb__free(t, header);
        return NULL;
    }
    t->data = t->storage->data;
    return EBB_LIKELY(!ebb__thread.tracing) ? t : traced(t);
}

ebb_tensor *ebb__tensor_new(ebb_dtype dtype, int ndim, const int64_t *sizes) {
    int64_t numel;
    if (EBB_UNLIKELY(!ebb__numel(ndim, sizes, ebb__dtype_sizes[dtype], &numel))) return fail_size(dtype, ndim, sizes);
    return tensor_new(dtype, ndim, sizes, numel);
}

ebb_tensor *ebb__tensor_new_like(const ebb_tensor *like, ebb_dtype dtype) {
    if (EBB_UNLIKELY(ebb__dtype_sizes[dtype] > ebb__dtype_sizes[like->dtype]))
        return ebb__tensor_new(dtype, like->ndim, like->dims);
    return tensor_new(dtype, like->ndim, like->dims, like->numel);
}

ebb_tensor *ebb__tensor_new_laid_out(const ebb_tensor *like, ebb_dtype dtype) {
    ebb_tensor *t = ebb__tensor_new(dtype, like->ndim, like->dims);
    for (int i = 0; t && i < t->ndim; i++) ebb__strides(t)[i] = ebb__strides(like)[i];
    if (t && !ebb__is_contiguous(like)) t->flags &= (uint16_t)~EBB__CONTIGUOUS;
    return t;
}

ebb_tensor *ebb__tensor_alias(const ebb_tensor *of, int ndim, const int64_t *sizes, const int64_t *strides,
                              int64_t offset) {
    ebb_tensor *t = header_new((ebb_dtype)of->dtype, ndim, sizes);
    if (EBB_UNLIKELY(!t)) return NULL;
    for (int i = 0; i < ndim; i++) {
        ebb__strides(t)[i] = strides[i];
        t->numel *= sizes[i];
    }
    if (!ebb__strides_contiguous(ndim, sizes, strides)) t->flags &= (uint16_t)~EBB__CONTIGUOUS;
    t->flags |= of->flags & EBB__INFERENCE;
    t->storage = of->storage;
    t->data = of->data ? of->data + offset * (int64_t)ebb__dtype_sizes[of->dtype] : NULL;
    if (t->storage) atomic_fetch_add_explicit(&t->storage->refs, 1, memory_order_relaxed);
    return EBB_LIKELY(!ebb__thread.tracing) ? t : traced(t);
}

/* A tensor that nodes hold gives up its history with its last handle: while we have one, nobody else can free it. */
void ebb__unref_held(ebb_tensor *t) {
    uint64_t refs = atomic_load_explicit(&t->refs, memory_order_acquire);
    while (refs >= EBB__HOLD) {
        if ((uint32_t)refs == 1) {
            if (t->grad_fn || t->autograd) ebb__tensor_release_history(t);
            break;
        }
        if (atomic_compare_exchange_weak_explicit(&t->refs, &refs, refs - 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return;
    }
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) ebb__tensor_free(t);
}

void ebb__tensor_free(ebb_tensor *t) {
    if (t->grad_fn || t->autograd) ebb__tensor_release_autograd(t);
    struct ebb__storage *storage = t->storage;
    ebb_tensor *base = t->base;
    if (EBB_UNLIKELY(t->flags & EBB__MOVED)) ebb__moved_free(t);
    else if (!storage || ebb__storage_block(storage) != t) ebb__free(t, ebb__tensor_bytes(t->ndim));
    if (storage) ebb__storage_unref(storage);
    ebb__unref(base); /* never itself a view, so this goes one level deep */
}

ebb_tensor *ebb_keep(ebb_tensor *t) {
    if (t) ebb__ref(t);
    return t;
}

ebb_tensor *ebb_drop(ebb_tensor *t) {
    ebb__unref(t);
    return NULL;
}

static void release_owned(ebb_tensor *t) { ebb__unref(t); }
void (*ebb__scope_release)(ebb_tensor *t) = release_owned;

/* ---- from the caller's memory ---- */

static bool check_new(const char *op, ebb_dtype dtype, const ebb_dims *shape) {
    if (ebb_dtype_size(dtype) == 0) ebb__fail_op(op, EBB_ERR_DTYPE, "%d is not a dtype", (int)dtype);
    else if (shape->n < 0 || shape->n > EBB_MAX_NDIM)
        ebb__fail_op(op, EBB_ERR_SHAPE, "%d dimensions; at most %d are supported", (int)shape->n, EBB_MAX_NDIM);
    else return true;
    return false;
}

ebb_tensor *(ebb_from_data)(const void *data, ebb_dtype dtype, ebb_dims shape) {
    if (!check_new("from_data", dtype, &shape)) return NULL;
    ebb_tensor *t = ebb__tensor_new(dtype, shape.n, shape.d);
    if (!t) return NULL;
    if (t->numel && !data) {
        ebb__unref(t);
        ebb__fail_null("from_data", "data");
        return NULL;
    }
    if (t->numel) memcpy(t->data, data, t->storage->bytes);
    return ebb__own(t);
}

ebb_tensor *(ebb_from_memory)(void *data, ebb_dtype dtype, ebb_dims shape, ebb_dims strides, void (*release)(void *),
                              void *context) {
    if (!check_new("from_memory", dtype, &shape)) return NULL;
    if (strides.n != 0 && strides.n != shape.n) {
        ebb__fail_op("from_memory", EBB_ERR_SHAPE, "%d strides for %d dimensions", (int)strides.n, (int)shape.n);
        return NULL;
    }
    ebb_tensor *t = ebb__tensor_meta(dtype, shape.n, shape.d);
    if (!t) return NULL;
    if (t->numel && !data) {
        ebb__unref(t);
        ebb__fail_null("from_memory", "data");
        return NULL;
    }
    struct ebb__external *e = ebb__alloc(sizeof *e);
    if (!e) {
        ebb__unref(t);
        return NULL;
    }
    storage_init(&e->storage, 0, STEPS(sizeof *e), data, 0);
    atomic_init(&e->storage.special, EBB__EXTERNAL);
    e->release = NULL;
    e->context = context;
    t->storage = &e->storage;
    t->data = data;
    int64_t last = 0; /* the farthest element, for the storage's size */
    for (int i = 0; i < shape.n; i++) {
        if (strides.n) ebb__strides(t)[i] = strides.d[i];
        if (ebb__strides(t)[i] > 0) last += (shape.d[i] - 1) * ebb__strides(t)[i];
    }
    t->storage->bytes = t->numel ? (size_t)(last + 1) * ebb__dtype_sizes[dtype] : 0;
    if (!ebb__strides_contiguous(shape.n, shape.d, ebb__strides(t))) t->flags &= (uint16_t)~EBB__CONTIGUOUS;
    if (!ebb__own(t)) return NULL; /* on failure the memory stays the caller's */
    e->release = release;
    return t;
}

static ebb_tensor *number(ebb_dtype dtype, double f, int64_t i) {
    ebb_tensor *t = ebb__tensor_new(dtype, 0, NULL);
    if (EBB_UNLIKELY(!t)) return NULL;
    t->flags |= EBB__NUMBER;
    if (dtype == EBB_F64) memcpy(t->data, &f, sizeof f);
    else if (dtype == EBB_I64) memcpy(t->data, &i, sizeof i);
    else *t->data = i != 0;
    return ebb__own(t);
}

ebb_tensor *ebb_number_f64(double value) { return number(EBB_F64, value, 0); }
ebb_tensor *ebb_number_i64(int64_t value) { return number(EBB_I64, 0, value); }
ebb_tensor *ebb_number_bool(bool value) { return number(EBB_BOOL, 0, value); }
