/* Notes on storages: what somebody outside knows of a storage, for as long as it lives. One table for all, since few
 * storages have any; a storage says itself that it has, so that the end of the others costs nothing. */
#include "tensor/tensor.h"
#if defined(__unix__) || defined(__APPLE__)
#include <sched.h>
#endif

struct note {
    const struct ebb__storage *s; /* NULL: free */
    const void *owner;
    void *value;
};

/* Open addressing by the storage alone: all notes on it lie from its place on. A power of two, at most half full. */
static struct {
    _Atomic int lock;
    struct note *notes;
    size_t capacity, n;
} table;

static void lock(void) {
    while (atomic_exchange_explicit(&table.lock, 1, memory_order_acquire)) {
#if defined(__unix__) || defined(__APPLE__)
        sched_yield();
#endif
    }
}

static void unlock(void) { atomic_store_explicit(&table.lock, 0, memory_order_release); }

static size_t place_of(const struct ebb__storage *s, size_t capacity) {
    return (size_t)(((uintptr_t)s >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (capacity - 1);
}

/* The note of an owner on s; the free place for it when there is none. The table is not empty. */
static struct note *find(const struct ebb__storage *s, const void *owner) {
    size_t at = place_of(s, table.capacity);
    while (table.notes[at].s && (table.notes[at].s != s || (owner && table.notes[at].owner != owner)))
        at = (at + 1) & (table.capacity - 1);
    return &table.notes[at];
}

/* Move up what lies behind a place that has become free and would no longer be found. */
static void erase(struct note *note) {
    size_t mask = table.capacity - 1, hole = (size_t)(note - table.notes);
    for (size_t at = (hole + 1) & mask; table.notes[at].s; at = (at + 1) & mask) {
        size_t home = place_of(table.notes[at].s, table.capacity);
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        table.notes[hole] = table.notes[at];
        hole = at;
    }
    table.notes[hole] = (struct note){NULL, NULL, NULL};
    if (--table.n) return;
    ebb__free(table.notes, table.capacity * sizeof *table.notes);
    table.notes = NULL;
    table.capacity = 0;
}

static bool grow(void) {
    size_t capacity = table.capacity ? 2 * table.capacity : 64, before = table.capacity;
    struct note *old = table.notes, *notes = ebb__alloc_zeroed(capacity * sizeof *notes);
    if (!notes) return false;
    table.notes = notes;
    table.capacity = capacity;
    for (size_t i = 0; i < before; i++)
        if (old[i].s) *find(old[i].s, old[i].owner) = old[i];
    ebb__free(old, before * sizeof *old);
    return true;
}

ebb_status ebb__note_set(struct ebb__storage *s, const void *owner, void *value) {
    bool ok = true;
    lock();
    struct note *note = table.n ? find(s, owner) : NULL;
    if (note && note->s) {
        note->value = value;
    } else if ((ok = 2 * (table.n + 1) <= table.capacity || grow())) {
        *find(s, owner) = (struct note){s, owner, value};
        table.n++;
        atomic_fetch_or_explicit(&s->special, EBB__NOTED, memory_order_relaxed);
    }
    unlock();
    return ok ? EBB_OK : ebb_error_status();
}

void *ebb__note_get(const struct ebb__storage *s, const void *owner) {
    lock();
    void *value = table.n ? find(s, owner)->value : NULL;
    unlock();
    return value;
}

void ebb__note_replace(const struct ebb__storage *s, const void *owner, const void *before, void *value) {
    lock();
    struct note *note = table.n ? find(s, owner) : NULL;
    if (note && note->s && note->value == before) {
        note->value = value;
        if (!value) erase(note);
    }
    unlock();
}

void ebb__notes_erase(const struct ebb__storage *s) {
    lock();
    for (struct note *note; table.n && (note = find(s, NULL))->s;) erase(note);
    unlock();
}
