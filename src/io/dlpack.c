/* DLPack in both directions. The structs are declared here from the standard's description of their layout. */
#include <ebb/dlpack.h>
#include <ebb/ebb.h>
#include <string.h>

enum { CPU = 1, READ_ONLY = 1, MAJOR = 1, MINOR = 0 };

struct dl_tensor {
    void *data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides; /* in elements; strides may be NULL for row-major */
    uint64_t byte_offset;
};

struct DLManagedTensor {
    struct dl_tensor tensor;
    void *context;
    void (*deleter)(struct DLManagedTensor *);
};

struct DLManagedTensorVersioned {
    uint32_t major, minor;
    void *context;
    void (*deleter)(struct DLManagedTensorVersioned *);
    uint64_t flags;
    struct dl_tensor tensor;
};

static const struct {
    uint8_t code, bits;
    ebb_dtype dtype;
} types[] = {
    {0, 32, EBB_I32}, {0, 64, EBB_I64}, {1, 8, EBB_U8},    {2, 16, EBB_F16},
    {2, 32, EBB_F32}, {2, 64, EBB_F64}, {4, 16, EBB_BF16}, {6, 8, EBB_BOOL},
};
enum { N_TYPES = sizeof types / sizeof *types };

/* ---- out ---- */

/* What is exported, with the sizes and strides behind it. */
struct exported {
    union {
        struct DLManagedTensor plain;
        struct DLManagedTensorVersioned versioned;
    } managed;
    ebb_tensor *tensor; /* kept */
    int64_t sizes[2 * EBB_MAX_NDIM];
};

static void release(struct exported *e) {
    ebb_drop(e->tensor);
    ebb_free(e, sizeof *e);
}
static void delete_plain(struct DLManagedTensor *m) { release(m->context); }
static void delete_versioned(struct DLManagedTensorVersioned *m) { release(m->context); }

static struct exported *export(ebb_tensor *t, const char *name, size_t tensor_at) {
    if (!t) return (void)(ebb_error() || ebb_fail(EBB_ERR_ARGUMENT, "%s: the tensor is NULL", name)), NULL;
    if (ebb_tensor_requires_grad(t)) {
        ebb_fail(EBB_ERR_GRAPH, "%s: a tensor that requires gradients cannot be handed out; use ebb_detach", name);
        return NULL;
    }
    struct exported *e = ebb_alloc(sizeof *e);
    if (!e) return NULL;
    memset(e, 0, sizeof *e);
    e->tensor = ebb_keep(t);
    ebb_dims shape = ebb_tensor_shape(t), strides = ebb_tensor_strides(t);
    struct dl_tensor *d = (struct dl_tensor *)(void *)((char *)e + tensor_at);
    *d = (struct dl_tensor){.data = ebb_tensor_data(t),
                            .device_type = CPU,
                            .ndim = shape.n,
                            .lanes = 1,
                            .shape = e->sizes,
                            .strides = e->sizes + EBB_MAX_NDIM};
    for (int i = 0; i < shape.n; i++) {
        d->shape[i] = shape.d[i];
        d->strides[i] = strides.d[i];
    }
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].dtype == ebb_tensor_dtype(t)) {
            d->code = types[i].code;
            d->bits = types[i].bits;
        }
    return e;
}

ebb_status(ebb_to_dlpack)(ebb_tensor *t, struct DLManagedTensor **ret_managed) {
    struct exported *e = export(t, "to_dlpack", offsetof(struct DLManagedTensor, tensor));
    if (!e) return ebb_error_status();
    e->managed.plain.context = e;
    e->managed.plain.deleter = delete_plain;
    *ret_managed = &e->managed.plain;
    return EBB_OK;
}

ebb_status(ebb_to_dlpack_versioned)(ebb_tensor *t, struct DLManagedTensorVersioned **ret_managed) {
    struct exported *e = export(t, "to_dlpack_versioned", offsetof(struct DLManagedTensorVersioned, tensor));
    if (!e) return ebb_error_status();
    struct DLManagedTensorVersioned *m = &e->managed.versioned;
    m->major = MAJOR;
    m->minor = MINOR;
    m->context = e;
    m->deleter = delete_versioned;
    *ret_managed = m;
    return EBB_OK;
}

/* ---- in ---- */

static ebb_dtype dtype_of(const struct dl_tensor *d) {
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].code == d->code && types[i].bits == d->bits) return types[i].dtype;
    ebb_fail(EBB_ERR_DTYPE, "from_dlpack: elements of code %d with %d bits are not known", d->code, d->bits);
    return EBB_DTYPE_NONE;
}

static ebb_status check(const struct dl_tensor *d) {
    if (d->device_type != CPU)
        return ebb_fail(EBB_ERR_UNSUPPORTED, "from_dlpack: the tensor is on device %d, not on the CPU", d->device_type);
    if (d->lanes != 1) return ebb_fail(EBB_ERR_UNSUPPORTED, "from_dlpack: elements of %d lanes", d->lanes);
    if (d->ndim < 0 || d->ndim > EBB_MAX_NDIM || (d->ndim && !d->shape))
        return ebb_fail(EBB_ERR_SHAPE, "from_dlpack: %d dimensions; 0 to %d are possible", d->ndim, EBB_MAX_NDIM);
    for (int i = 0; i < d->ndim; i++)
        if (d->shape[i] < 0 || (d->strides && d->strides[i] < 0))
            return ebb_fail(EBB_ERR_SHAPE, "from_dlpack: dimension %d has size %lld and a negative size or stride", i,
                            (long long)d->shape[i]);
    return EBB_OK;
}

static ebb_tensor *import(const struct dl_tensor *d, void (*release_managed)(void *), void *managed, bool copy) {
    if (check(d)) return NULL;
    ebb_dtype dtype = dtype_of(d);
    if (!dtype) return NULL;
    ebb_dims shape = {.n = d->ndim}, strides = {.n = d->strides ? d->ndim : 0};
    for (int i = 0; i < d->ndim; i++) {
        shape.d[i] = d->shape[i];
        if (d->strides) strides.d[i] = d->strides[i];
    }
    char *data = d->data ? (char *)d->data + d->byte_offset : NULL;
    if ((uintptr_t)data % ebb_dtype_size(dtype)) {
        ebb_fail(EBB_ERR_ARGUMENT, "from_dlpack: the data is not aligned to its elements of %d bytes",
                 (int)ebb_dtype_size(dtype));
        return NULL;
    }
    if (!copy) return ebb_from_memory(data, dtype, shape, strides, release_managed, managed);
    ebb_tensor *t = NULL;
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *shared = ebb_from_memory(data, dtype, shape, strides, NULL, NULL);
    if (shared && (t = ebb_clone(shared))) t = ebb_scope_hand(t);
    ebb_scope_close(&scope);
    if (t) release_managed(managed);
    return t;
}

static void release_plain(void *managed) {
    struct DLManagedTensor *m = managed;
    if (m->deleter) m->deleter(m);
}

static void release_versioned(void *managed) {
    struct DLManagedTensorVersioned *m = managed;
    if (m->deleter) m->deleter(m);
}

ebb_tensor *(ebb_from_dlpack)(struct DLManagedTensor *managed) {
    if (!managed) return (void)ebb_fail(EBB_ERR_ARGUMENT, "from_dlpack: the managed tensor is NULL"), NULL;
    return import(&managed->tensor, release_plain, managed, false);
}

ebb_tensor *(ebb_from_dlpack_versioned)(struct DLManagedTensorVersioned *managed) {
    if (!managed) return (void)ebb_fail(EBB_ERR_ARGUMENT, "from_dlpack: the managed tensor is NULL"), NULL;
    if (managed->major != MAJOR) {
        ebb_fail(EBB_ERR_UNSUPPORTED, "from_dlpack: version %u.%u; 1.x is known", managed->major, managed->minor);
        return NULL;
    }
    return import(&managed->tensor, release_versioned, managed, managed->flags & READ_ONLY);
}
