/* Tensors that are given another storage than they were made with. The header cannot move, since everybody points to
 * it: it stays in the block that it was made in, which the first storage's data may share and which is kept for it. */
#include "tensor/tensor.h"
#include <string.h>

/* The state of t, made when there is none; its dims are those of t. */
static struct ebb__moved *moved_of(ebb_tensor *t) {
    if (t->flags & EBB__MOVED) return ebb__moved(t);
    struct ebb__moved *m = ebb__alloc_zeroed(sizeof *m);
    if (!m) return NULL;
    m->header = ebb__tensor_bytes(t->ndim);
    if (t->storage && ebb__storage_block(t->storage) == t) {
        m->home = t->storage;
        atomic_fetch_add_explicit(&m->home->refs, 1, memory_order_relaxed);
    }
    memcpy(m->dims, t->dims, 2 * (size_t)t->ndim * sizeof *m->dims);
    t->dims = m->dims;
    t->flags |= EBB__MOVED;
    return m;
}

ebb_status ebb__move(ebb_tensor *t, const ebb_tensor *from) {
    uint32_t since = ebb__version(t) + 1;
    struct ebb__storage *before = t->storage;
    struct ebb__moved *m = moved_of(t);
    if (!m) return ebb_error_status();
    m->times++;
    m->version = since - ebb__data_version(from);
    m->since = since;
    m->file = ebb__thread.file;
    m->line = ebb__thread.line;
    t->storage = from->storage;
    t->data = from->data;
    t->numel = from->numel;
    t->ndim = from->ndim;
    memmove(t->dims, from->dims, 2 * (size_t)from->ndim * sizeof *t->dims);
    t->flags = (uint16_t)((t->flags & ~EBB__CONTIGUOUS) | (from->flags & EBB__CONTIGUOUS));
    if (t->storage) atomic_fetch_add_explicit(&t->storage->refs, 1, memory_order_relaxed);
    if (before) ebb__storage_unref(before);
    return EBB_OK;
}

ebb_status ebb__move_along(ebb_tensor *t, const ebb_tensor *of) {
    if (EBB_LIKELY(!(of->flags & EBB__MOVED))) return EBB_OK;
    const struct ebb__moved *from = ebb__moved(of);
    struct ebb__moved *m = moved_of(t);
    if (!m) return ebb_error_status();
    m->times = from->times;
    m->version = from->version;
    m->since = from->since;
    m->file = from->file;
    m->line = from->line;
    return EBB_OK;
}

void ebb__moved_free(ebb_tensor *t) {
    struct ebb__moved *m = ebb__moved(t);
    struct ebb__storage *home = m->home;
    if (home) ebb__storage_unref(home);
    else ebb__free(t, m->header);
    ebb__free(m, sizeof *m);
}
