/* The tensor: a strided view of a reference-counted storage. Knows no arithmetic and holds its autograd state
 * opaquely. */
#ifndef EBB_TENSOR_TENSOR_H
#define EBB_TENSOR_TENSOR_H

#include "base/base.h"
#include <ebb/opdef.h>

/* Memory that tensors share. Small data lies behind the header, and both behind the tensor that was made with them, in
 * one block that lives as long as the storage. */
struct ebb__storage {
    _Atomic int32_t refs;
    _Atomic uint32_t version; /* counts writes in place */
    size_t bytes;             /* of data */
    char *data;
    /* The last write in place, once version is not 0, for errors: what wrote (NULL: the caller, through
     * ebb_tensor_data), whether as an in-place form, whose name has an underscore more, and the caller's line. */
    const char *_Atomic writer, *_Atomic writer_file;
    _Atomic int32_t writer_line;
    _Atomic bool writer_inplace;
    _Atomic uint8_t special; /* ebb__storage_special; 0 of most */
    uint8_t before, block;   /* of its block, in steps of 8 bytes: what lies before this header, and all of it */
};
static inline void *ebb__storage_block(struct ebb__storage *s) { return (char *)s - 8 * (size_t)s->before; }

enum ebb__storage_special {
    EBB__EXTERNAL = 1, /* a struct ebb__external: data is not the library's own */
    EBB__NOTED = 2     /* there are, or were, notes on it (notes.c) */
};

struct ebb__external {
    struct ebb__storage storage;
    void (*release)(void *context);
    void *context;
};

enum ebb__tensor_flag {
    EBB__REQUIRES_GRAD = 1, /* a leaf that gathers gradients */
    EBB__CONTIGUOUS = 2,
    EBB__NUMBER = 4,           /* promotes as a Python number does */
    EBB__RETAINS_GRAD = 8,     /* not a leaf, but keeps its gradient */
    EBB__NO_GRAD_VIEW = 16,    /* a view made while recording was off, or of such a view: a constant */
    EBB__HAS_TANGENT = 32,     /* carries something at some level (record/tangent.h) */
    EBB__INFERENCE = 64,       /* made in inference mode, or shares the storage of what was */
    EBB__INFERENCE_VIEW = 128, /* made there as a view of an ordinary tensor */
    EBB__BATCHED = 256,        /* stands for the samples of a batch: its own data is one sample's, and not to be read */
    EBB__MOVED = 512           /* a struct ebb__moved: was given another storage, or is a view of what was */
};

struct ebb__autograd; /* record/node.h: .grad, hooks, name; made when first needed */

/* Two counts in one word. The low half counts handles: references of users, scopes, views and edges, which keep the
 * tensor with its history. The high half counts holds: by nodes that have saved the tensor for their rule, which need
 * its data only. When the last handle goes, so does a history that nobody can ask for any more (I2). */
#define EBB__HOLD ((uint64_t)1 << 32)

struct ebb_tensor {
    _Atomic uint64_t refs;
    uint8_t dtype : 4;
    uint8_t ndim : 4;
    uint16_t flags;
    uint16_t output_nr; /* which output of grad_fn this is */
    struct ebb__storage *storage;
    char *data; /* the first element */
    int64_t numel;
    int64_t *dims;                          /* ndim sizes, then ndim strides in elements: behind this header, mostly */
    ebb_node *grad_fn;                      /* a reference; NULL for a leaf */
    struct ebb__autograd *_Atomic autograd; /* owned */
    ebb_tensor *base;                       /* a reference: the tensor this is a view of, never itself a view */
};

/* What a tensor has besides that was given another storage (moved.c): its dims lie in here. Its header stays in the
 * block that it was made in. A view of such a tensor has one too, with the same `times`: one of another time has
 * nothing to do with its base any more. */
struct ebb__moved {
    struct ebb__storage *home; /* a reference: the header lies in this one's block; NULL: in one of its own, */
    size_t header;             /* of so many bytes */
    uint64_t times;            /* how often it was moved */
    uint32_t version, since;   /* what its version is more than the storage's, so that it goes on counting; and its
                                  version when it had been moved last, */
    int line;                  /* on this line */
    const char *file;
    int64_t dims[2 * EBB_MAX_NDIM];
};
static inline struct ebb__moved *ebb__moved(const ebb_tensor *t) { /* of one that is EBB__MOVED */
    return (struct ebb__moved *)(void *)((char *)t->dims - offsetof(struct ebb__moved, dims));
}

static inline int64_t *ebb__sizes(const ebb_tensor *t) { return t->dims; }
static inline int64_t *ebb__strides(const ebb_tensor *t) { return t->dims + t->ndim; }
static inline bool ebb__is_contiguous(const ebb_tensor *t) { return t->flags & EBB__CONTIGUOUS; }
/* Whether t, which may be NULL, stands for the samples of a batch. */
static inline bool ebb__is_batched(const ebb_tensor *t) { return t && t->flags & EBB__BATCHED; }
/* The tensor that t is a view of, NULL when it is none: no part of a base that was moved since, either. */
static inline ebb_tensor *ebb__base(const ebb_tensor *t) {
    ebb_tensor *base = t->base;
    if (EBB_LIKELY(!base || !(base->flags & EBB__MOVED))) return base;
    return t->flags & EBB__MOVED && ebb__moved(t)->times == ebb__moved(base)->times ? base : NULL;
}
/* Whether t is a view that gets its history from its base, should it have none yet: the base was written since. */
static inline bool ebb__inherits(const ebb_tensor *t) {
    return t->base && t->base->grad_fn && !(t->flags & EBB__NO_GRAD_VIEW) && ebb__base(t);
}
static inline bool ebb__requires_grad(const ebb_tensor *t) {
    return t->grad_fn || (t->flags & EBB__REQUIRES_GRAD) || ebb__inherits(t);
}
static inline size_t ebb__tensor_bytes(int ndim) { return sizeof(ebb_tensor) + 16 * (size_t)ndim; }

extern const uint8_t ebb__dtype_sizes[EBB_DTYPE_COUNT];
static inline bool ebb__is_floating(unsigned dtype) { return dtype >= EBB_F16; }
static inline bool ebb__is_half(unsigned dtype) { return dtype == EBB_F16 || dtype == EBB_BF16; }

/* ---- making ---- All return a reference that belongs to the caller (not to a scope), or NULL and an error. */

/* A new contiguous tensor with uninitialized data. */
ebb_tensor *ebb__tensor_new(ebb_dtype dtype, int ndim, const int64_t *sizes);
/* The same, shaped as `like`. */
ebb_tensor *ebb__tensor_new_like(const ebb_tensor *like, ebb_dtype dtype);
/* The same, and laid out in memory as `like`, which is dense. */
ebb_tensor *ebb__tensor_new_laid_out(const ebb_tensor *like, ebb_dtype dtype);
/* A tensor over the storage of `of`; its base is not set. */
ebb_tensor *ebb__tensor_alias(const ebb_tensor *of, int ndim, const int64_t *sizes, const int64_t *strides,
                              int64_t offset);
/* A tensor without storage: shape and dtype only. */
ebb_tensor *ebb__tensor_meta(ebb_dtype dtype, int ndim, const int64_t *sizes);

void ebb__storage_unref(struct ebb__storage *s);
static inline void ebb__ref(ebb_tensor *t) { atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed); }
void ebb__tensor_free(ebb_tensor *t);
void ebb__unref_held(ebb_tensor *t);
static inline void ebb__unref(ebb_tensor *t) {
    if (!t) return;
    uint64_t refs = atomic_load_explicit(&t->refs, memory_order_acquire);
    /* of the only reference there is no need to count down */
    if (refs == 1) ebb__tensor_free(t);
    else if (EBB_UNLIKELY(refs >= EBB__HOLD)) ebb__unref_held(t);
    else if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) ebb__tensor_free(t);
}
/* A node's reference to what it has saved: without its history. */
static inline void ebb__hold(ebb_tensor *t) { atomic_fetch_add_explicit(&t->refs, EBB__HOLD, memory_order_relaxed); }
static inline void ebb__unhold(ebb_tensor *t) {
    if (!t) return;
    if (atomic_load_explicit(&t->refs, memory_order_acquire) == EBB__HOLD ||
        atomic_fetch_sub_explicit(&t->refs, EBB__HOLD, memory_order_acq_rel) == EBB__HOLD)
        ebb__tensor_free(t);
}
/* Into the innermost scope; releases t and returns NULL when that fails. */
static inline ebb_tensor *ebb__own(ebb_tensor *t) {
    if (EBB_LIKELY(t && ebb__scope_push(t))) return t;
    ebb__unref(t);
    return NULL;
}
/* Releases grad_fn and autograd of a dying tensor: defined by the record layer, which knows what they are. */
void ebb__tensor_release_autograd(ebb_tensor *t);
/* The same for one that only nodes will hold from now on: what leads to other tensors. */
void ebb__tensor_release_history(ebb_tensor *t);
/* Note a new tensor with the line that made it, while the thread traces: likewise. False and an error: no memory. */
bool ebb__trace(ebb_tensor *t);

/* Of the data of t, under whatever tensor; and of t itself, which counts that it was moved. */
static inline uint32_t ebb__data_version(const ebb_tensor *t) {
    return t->storage ? atomic_load_explicit(&t->storage->version, memory_order_relaxed) : 0;
}
static inline uint32_t ebb__version(const ebb_tensor *t) {
    uint32_t version = ebb__data_version(t);
    return EBB_LIKELY(!(t->flags & EBB__MOVED)) ? version : version + ebb__moved(t)->version;
}
/* t was written in place by `writer` (a string that lives for ever), on the line that the thread noted last. */
static inline void ebb__written(ebb_tensor *t, const char *writer, bool inplace) {
    struct ebb__storage *s = t->storage;
    if (!s) return;
    atomic_fetch_add_explicit(&s->version, 1, memory_order_relaxed);
    atomic_store_explicit(&s->writer, writer, memory_order_relaxed);
    atomic_store_explicit(&s->writer_file, ebb__thread.file, memory_order_relaxed);
    atomic_store_explicit(&s->writer_line, ebb__thread.line, memory_order_relaxed);
    atomic_store_explicit(&s->writer_inplace, inplace, memory_order_relaxed);
}
/* "by add_ at train.c:12" into text: the last write to a tensor whose version is not 0. Returns text. */
#define EBB__WRITER_TEXT 256
char *ebb__writer_text(char text[EBB__WRITER_TEXT], const ebb_tensor *t);

/* ---- moving (moved.c) ---- Make t lie where `from` does, with its shape; of the same dtype. */
ebb_status ebb__move(ebb_tensor *t, const ebb_tensor *from);
/* Make t, a new tensor over the storage of `of`, as moved as that is. */
ebb_status ebb__move_along(ebb_tensor *t, const ebb_tensor *of);
void ebb__moved_free(ebb_tensor *t); /* a dying tensor's header; not the reference to its storage */

/* ---- notes (notes.c) ----
 * What somebody knows of a storage that he holds no reference to: gone when the storage dies, so that another one at
 * the same address is not taken for it. At most one note of each owner, any pointer that is his alone. */
ebb_status ebb__note_set(struct ebb__storage *s, const void *owner, void *value);
/* Of a storage that may be dead by now: its note, NULL when there is none; and another value (NULL: none) for the one
 * that is `before`. */
void *ebb__note_get(const struct ebb__storage *s, const void *owner);
void ebb__note_replace(const struct ebb__storage *s, const void *owner, const void *before, void *value);
void ebb__notes_erase(const struct ebb__storage *s); /* at its end */

/* ---- shapes (shape.c) ---- */
static inline ebb_dims ebb__dims(int n, const int64_t *d) {
    ebb_dims r = {{0}, n};
    for (int i = 0; i < n; i++) r.d[i] = d[i];
    return r;
}
bool ebb__same_shape(const ebb_tensor *a, const ebb_tensor *b);
bool ebb__dims_equal(const ebb_dims *a, const ebb_dims *b);
/* Whether a list that was given in an option has entries but does not say how many: C takes a number, or numbers, where
 * a list is wanted for its first entries. */
bool ebb__dims_bare(const ebb_dims *dims);
/* Whether elements fill their memory without gaps and without sharing it, in whatever order of dimensions. */
bool ebb__is_dense(const ebb_tensor *t);
/* The product of sizes; false when it, or its bytes, cannot be addressed, or a size is negative. */
bool ebb__numel(int ndim, const int64_t *sizes, size_t element, int64_t *ret_numel);
void ebb__contiguous_strides(int ndim, const int64_t *sizes, int64_t *ret_strides);
bool ebb__strides_contiguous(int ndim, const int64_t *sizes, const int64_t *strides);
/* *shape becomes the broadcast of itself with `other`; false when they do not fit. */
bool ebb__broadcast(ebb_dims *shape, const ebb_dims *other);
/* Strides that view `from` (contiguous or not) as `shape` without a copy; false when there are none. torch's
 * computeStride. */
bool ebb__view_strides(const ebb_dims *sizes, const ebb_dims *strides, const ebb_dims *shape, ebb_dims *ret_strides);
/* dim counted from the front, checked against ndim; false (no error is set) when out of range. */
bool ebb__wrap_dim(int64_t *dim, int64_t ndim);
/* "[2, 3]" into text; returns text. */
#define EBB__SHAPE_TEXT 128
char *ebb__shape_text(char text[EBB__SHAPE_TEXT], int ndim, const int64_t *sizes);

/* ---- elements ---- As doubles; as integers, which of integers is exact, and wraps where a narrower one is stored;
 * from one dtype to another, exactly where both hold the value; and a number that was given as an argument. */
double ebb__load(const char *p, ebb_dtype dtype);
void ebb__store(char *p, ebb_dtype dtype, double value);
int64_t ebb__to_i64(double value);
int64_t ebb__load_i64(const char *p, ebb_dtype dtype);
void ebb__store_i64(char *p, ebb_dtype dtype, int64_t value);
void ebb__convert(char *to, ebb_dtype dtype, const char *from, ebb_dtype given);
void ebb__store_number(char *p, ebb_dtype dtype, const ebb_setting *number);

#endif
