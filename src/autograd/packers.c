/* Hooks made of a packer. A tensor that several nodes save is stored once: what is stored is noted on its storage. */
#include "autograd/packers.h"
#include <pthread.h>

/* A tensor that is stored, or kept as it is. */
struct packed {
    int32_t refs;
    struct packed *next; /* of the same storage, at the same note */
    const struct ebb__storage *of;
    const char *data;
    uint32_t version;
    ebb_dtype dtype;
    ebb_dims shape, strides;
    ebb_tensor *kept; /* a reference; NULL when it is stored */
    struct ebb__store stored;
    size_t bytes;
};

struct pool {
    const struct ebb__packer *packer;
    void *context;
    pthread_mutex_t mutex; /* guards counts and lists of what is packed; notes are locked inside */
};

/* ---- what is packed ---- */

static bool same(const struct packed *p, const ebb_tensor *t) {
    ebb_dims shape = ebb_tensor_shape(t), strides = ebb_tensor_strides(t);
    return p->data == t->data && p->version == ebb__data_version(t) && p->dtype == t->dtype &&
           ebb__dims_equal(&p->shape, &shape) && ebb__dims_equal(&p->strides, &strides);
}

static struct packed *find(struct pool *pool, const ebb_tensor *t) {
    struct packed *p = ebb__note_get(t->storage, pool);
    while (p && !same(p, t)) p = p->next;
    if (p) p->refs++;
    return p;
}

/* Others find it from now on. */
static ebb_status publish(struct pool *pool, struct packed *p, ebb_tensor *t) {
    pthread_mutex_lock(&pool->mutex);
    p->next = ebb__note_get(t->storage, pool);
    ebb_status status = ebb__note_set(t->storage, pool, p);
    pthread_mutex_unlock(&pool->mutex);
    return status;
}

static void unpublish(struct pool *pool, struct packed *p) {
    struct packed *at = ebb__note_get(p->of, pool);
    if (at == p) {
        ebb__note_replace(p->of, pool, p, p->next);
        return;
    }
    while (at && at->next != p) at = at->next; /* not there at all when the storage is gone */
    if (at) at->next = p->next;
}

static struct packed *packed_new(const ebb_tensor *t) {
    struct packed *p = ebb__alloc(sizeof *p);
    if (!p) return NULL;
    *p = (struct packed){.refs = 1,
                         .of = t->storage,
                         .data = t->data,
                         .version = ebb__data_version(t),
                         .dtype = (ebb_dtype)t->dtype,
                         .shape = ebb_tensor_shape(t),
                         .strides = ebb_tensor_strides(t)};
    return p;
}

/* ---- the hooks ---- */

static void *pack(ebb_tensor *t, void *context) {
    struct pool *pool = context;
    const struct ebb__packer *packer = pool->packer;
    const ebb_tensor *whole = t->base ? t->base : t;
    bool parameter = !whole->grad_fn && whole->flags & EBB__REQUIRES_GRAD; /* is in memory anyway */
    size_t stored = parameter ? 0 : packer->bytes(t);
    bool keep = stored == 0;
    struct packed *p = NULL;
    if (!keep) {
        pthread_mutex_lock(&pool->mutex);
        p = find(pool, t);
        pthread_mutex_unlock(&pool->mutex);
    }
    if (p || !(p = packed_new(t))) return p;
    if (keep) {
        p->version = ebb__version(t);
        ebb__ref(p->kept = t);
        return p;
    }
    p->bytes = stored;
    ebb_status status = packer->put(pool->context, t, &p->stored);
    if (!status && !publish(pool, p, t)) return p;
    if (!status) packer->discard(pool->context, &p->stored);
    ebb__free(p, sizeof *p);
    return NULL;
}

static ebb_tensor *unpack(void *packed, void *context) {
    struct pool *pool = context;
    struct packed *p = packed;
    if (p->kept) {
        char writer[EBB__WRITER_TEXT];
        if (ebb__version(p->kept) == p->version) return p->kept;
        ebb__fail_op("saved_hooks", EBB_ERR_VERSION,
                     "a tensor that was saved at version %u has been overwritten in place since, %s", p->version,
                     ebb__writer_text(writer, p->kept));
        return NULL;
    }
    ebb_tensor *t = ebb__own(ebb__tensor_new(p->dtype, p->shape.n, p->shape.d));
    return t && !pool->packer->get(pool->context, &p->stored, t) ? t : NULL;
}

static void release(void *packed, void *context) {
    struct pool *pool = context;
    struct packed *p = packed;
    pthread_mutex_lock(&pool->mutex);
    bool last = --p->refs == 0;
    if (last && !p->kept) unpublish(pool, p);
    pthread_mutex_unlock(&pool->mutex);
    if (!last) return;
    if (p->kept) ebb__unref(p->kept);
    else pool->packer->discard(pool->context, &p->stored);
    ebb__free(p, sizeof *p);
}

static int64_t bytes(const void *packed, void *context) {
    const struct pool *pool = context;
    const struct packed *p = packed;
    return p->kept ? (int64_t)p->kept->storage->bytes : pool->packer->in_memory ? (int64_t)p->bytes : 0;
}

static void end(void *context) {
    struct pool *pool = context;
    if (pool->packer->end) pool->packer->end(pool->context);
    pthread_mutex_destroy(&pool->mutex);
    ebb__free(pool, sizeof *pool);
}

ebb_saved_hooks ebb__packer_hooks(const struct ebb__packer *packer, void *context) {
    struct pool *pool = ebb__alloc(sizeof *pool);
    if (!pool) {
        if (packer->end) packer->end(context);
        return (ebb_saved_hooks){0};
    }
    pool->packer = packer;
    pool->context = context;
    pthread_mutex_init(&pool->mutex, NULL);
    return (ebb_saved_hooks){
        .pack = pack, .unpack = unpack, .release = release, .bytes = bytes, .context = pool, .release_context = end};
}
