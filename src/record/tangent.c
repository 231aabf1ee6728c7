/* What tensors carry at levels: kept by the tensor and listed by the level, which takes it off when it is closed. */
#include "record/tangent.h"
#include "record/call.h"
#if defined(__unix__) || defined(__APPLE__)
#include <sched.h>
#endif

/* A tensor may die in another thread than the one whose level it carries a tangent of. */
static _Atomic int busy;

static void lock(void) {
    while (atomic_exchange_explicit(&busy, 1, memory_order_acquire)) {
#if defined(__unix__) || defined(__APPLE__)
        sched_yield();
#endif
    }
}

static void unlock(void) { atomic_store_explicit(&busy, 0, memory_order_release); }

static struct ebb__autograd *state(const ebb_tensor *t) {
    return t->flags & EBB__HAS_TANGENT ? atomic_load_explicit(&t->autograd, memory_order_acquire) : NULL;
}

static struct ebb__tangent *find(const ebb_tensor *t, const struct ebb__level *level) {
    struct ebb__autograd *a = state(t);
    struct ebb__tangent *e = a ? a->tangents : NULL;
    while (e && e->level != level) e = e->next;
    return e;
}

ebb_tensor *ebb__tangent_get(const ebb_tensor *t, const struct ebb__level *level) {
    struct ebb__tangent *e = find(t, level);
    return e ? e->value : NULL;
}

ebb_status ebb__tangent_set(ebb_tensor *t, struct ebb__level *level, ebb_tensor *value) {
    struct ebb__tangent *e = find(t, level);
    if (e) {
        ebb_tensor *before = e->value;
        ebb__ref(e->value = value);
        ebb__unref(before);
        return EBB_OK;
    }
    struct ebb__autograd *a = ebb__autograd_of(t);
    e = a ? ebb__alloc(sizeof *e) : NULL;
    if (!e) return ebb_error_status();
    ebb__ref(value);
    *e = (struct ebb__tangent){.next = a->tangents, .level = level, .of = a, .value = value};
    a->tangents = e;
    t->flags |= (uint16_t)(level->batching ? EBB__HAS_TANGENT | EBB__BATCHED : EBB__HAS_TANGENT);
    lock();
    e->level_next = level->entries;
    e->level_link = &level->entries;
    if (e->level_next) e->level_next->level_link = &e->level_next;
    level->entries = e;
    unlock();
    return EBB_OK;
}

ebb_status ebb__tangents_share(ebb_tensor *to, const ebb_tensor *from) {
    struct ebb__autograd *a = state(from);
    for (struct ebb__tangent *e = a ? a->tangents : NULL; e; e = e->next)
        if (!find(to, e->level) && ebb__tangent_set(to, e->level, e->value)) return ebb_error_status();
    return EBB_OK;
}

ebb_status ebb__tangents_keep(ebb_tensor *to, const ebb_tensor *from) {
    struct ebb__autograd *a = state(from);
    struct ebb__level *levels = ebb__thread.levels;
    ebb_status status = EBB_OK;
    for (struct ebb__tangent *e = a ? a->tangents : NULL; e && !status; e = e->next) {
        if (find(to, e->level)) continue;
        ebb_scope scope = ebb_scope_open();
        ebb__thread.levels = e->level->outer;
        ebb_tensor *copy = ebb_call_op1(ebb_op_find("clone"), &e->value, 1, NULL);
        status = copy ? ebb__tangent_set(to, e->level, copy) : ebb_error_status();
        ebb__thread.levels = levels;
        ebb_scope_close(&scope);
    }
    return status;
}

static void unlist(struct ebb__tangent *e) {
    *e->level_link = e->level_next;
    if (e->level_next) e->level_next->level_link = e->level_link;
}

static void entry_free(struct ebb__tangent *e) {
    ebb_tensor *value = e->value;
    ebb__free(e, sizeof *e);
    ebb__unref(value);
}

void ebb__tangents_release(struct ebb__autograd *a) {
    for (struct ebb__tangent *e; (e = a->tangents);) {
        a->tangents = e->next;
        lock();
        unlist(e);
        unlock();
        entry_free(e);
    }
}

ebb_tensor *ebb__batch_samples(const ebb_tensor *t) {
    struct ebb__autograd *a = state(t);
    struct ebb__tangent *e = a ? a->tangents : NULL;
    while (e && !e->level->batching) e = e->next;
    return e ? e->value : NULL;
}

bool ebb__batch_escaped(const ebb_tensor *t) { return !ebb__batch_samples(t); }

ebb_tensor *ebb__detached(ebb_tensor *t) {
    ebb_tensor *d = ebb__tensor_alias(t, t->ndim, ebb__sizes(t), ebb__strides(t), 0);
    struct ebb__autograd *a = ebb__is_batched(t) ? state(t) : NULL;
    for (struct ebb__tangent *e = a ? a->tangents : NULL; d && e; e = e->next) {
        if (!e->level->batching) continue;
        ebb_tensor *samples = ebb__detached(e->value);
        if (!samples || ebb__tangent_set(d, e->level, samples)) {
            ebb__unref(d);
            d = NULL;
        }
        ebb__unref(samples);
    }
    return d;
}

/* ---- levels ---- */

struct ebb__level *ebb__level_open(void) {
    struct ebb__level *level = ebb__alloc_zeroed(sizeof *level);
    if (!level) return NULL;
    level->outer = ebb__thread.levels;
    return ebb__thread.levels = level;
}

/* Taking a tangent off may free tensors, and so other entries: one at a time, from the front. */
void ebb__level_close(struct ebb__level *level) {
    if (!level) return;
    for (struct ebb__level **at = &ebb__thread.levels; *at; at = &(*at)->outer) {
        if (*at != level) continue;
        *at = level->outer;
        break;
    }
    for (;;) {
        lock();
        struct ebb__tangent *e = level->entries;
        if (e) {
            unlist(e);
            struct ebb__tangent **at = &e->of->tangents;
            while (*at != e) at = &(*at)->next;
            *at = e->next;
            if (!e->of->tangents) e->of->self->flags &= (uint16_t)~EBB__HAS_TANGENT;
        }
        unlock();
        if (!e) break;
        entry_free(e);
    }
    ebb__free(level, sizeof *level);
}

ebb_dual_level ebb_dual_level_open(void) { return (ebb_dual_level){ebb__level_open(), true}; }

void ebb_dual_level_close(ebb_dual_level *handle) {
    if (!handle || !handle->open) return;
    handle->open = false;
    ebb__level_close(handle->level);
}
