/* Who has registered what: the hooks of a node, in order, and all of them by handle.
 *
 * One lock guards the lists of all nodes and the table of handles: hooks are few. Passes call hooks without it, from a
 * list of references, and leave out those that were removed meanwhile. */
#include "record/hooks.h"
#include <pthread.h>

static struct {
    pthread_mutex_t lock;
    ebb_hook next;
    struct ebb__hook **by_id; /* lists of hooks; a power of two */
    size_t n, capacity;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER, .next = 1};

static void lock(void) { (void)pthread_mutex_lock(&table.lock); }
static void unlock(void) { (void)pthread_mutex_unlock(&table.lock); }

/* ---- handles (locked) ---- */

static struct ebb__hook **bucket(ebb_hook id) { return &table.by_id[id & (table.capacity - 1)]; }

static bool table_room(size_t more) {
    if (table.n + more <= table.capacity) return true;
    size_t before = table.capacity, capacity = before ? before : 16;
    while (capacity < table.n + more) capacity *= 2;
    struct ebb__hook **old = table.by_id, **grown = ebb__alloc_zeroed(capacity * sizeof(struct ebb__hook *));
    if (!grown) return false;
    table.by_id = grown;
    table.capacity = capacity;
    for (size_t i = 0; i < before; i++) {
        for (struct ebb__hook *h = old[i], *next; h; h = next) {
            next = h->next_by_id;
            h->next_by_id = *bucket(h->id);
            *bucket(h->id) = h;
        }
    }
    ebb__free(old, before * sizeof(struct ebb__hook *));
    return true;
}

/* Without hooks there is no table. */
static void table_shrink(void) {
    if (table.n || !table.capacity) return;
    ebb__free(table.by_id, table.capacity * sizeof(struct ebb__hook *));
    table.by_id = NULL;
    table.capacity = 0;
}

static void table_take_out(const struct ebb__hook *hook) {
    struct ebb__hook **at = bucket(hook->id);
    while (*at != hook) at = &(*at)->next_by_id;
    *at = hook->next_by_id;
    table.n--;
    table_shrink();
}

/* ---- ends ---- */

void ebb__multi_unref(struct ebb__multi *m) {
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) return;
    if (m->release) m->release(m->context);
    ebb__free(m->parts, (size_t)m->n * sizeof(struct ebb__hook *));
    ebb__free(m, sizeof *m);
}

static void hook_unref(struct ebb__hook *h) {
    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1) return;
    if (h->release) h->release(h->context);
    if (h->multi) ebb__multi_unref(h->multi);
    ebb__free(h, sizeof *h);
}

/* Nobody finds it any more (locked). */
static void forget(struct ebb__hook *h) {
    table_take_out(h);
    atomic_store_explicit(&h->removed, true, memory_order_relaxed);
    if (h->multi) h->multi->parts[h->part] = NULL;
}

/* Out of its node's list, too (locked). */
static void take_out(struct ebb__hook *h) {
    struct ebb__node_extra *x = h->node->extra;
    unsigned kinds = 0;
    size_t n = 0;
    for (size_t i = 0; i < x->n_hooks; i++) {
        if (x->hooks[i] == h) continue;
        x->hooks[n++] = x->hooks[i];
        kinds |= x->hooks[i]->kind;
    }
    x->n_hooks = n;
    atomic_store_explicit(&x->hook_kinds, (uint8_t)kinds, memory_order_relaxed);
    forget(h);
}

void ebb__hooks_release(ebb_node *n) {
    struct ebb__node_extra *x = n->extra;
    if (!x->hooks) return;
    lock();
    for (size_t i = 0; i < x->n_hooks; i++) forget(x->hooks[i]);
    unlock();
    for (size_t i = 0; i < x->n_hooks; i++) hook_unref(x->hooks[i]);
    ebb__free(x->hooks, x->hook_capacity * sizeof(struct ebb__hook *));
    x->hooks = NULL;
    x->n_hooks = x->hook_capacity = 0;
}

/* ---- adding ---- */

/* Room for one more in the table and in the node's list (locked). */
static struct ebb__hook *hook_new(ebb_node *n, const struct ebb__hook *like) {
    struct ebb__node_extra *x = ebb__node_extra(n);
    if (!x || !ebb__grow((void **)&x->hooks, &x->hook_capacity, x->n_hooks + 1, sizeof(struct ebb__hook *)))
        return NULL;
    struct ebb__hook *h = table_room(1) ? ebb__alloc(sizeof *h) : NULL;
    if (!h) return NULL;
    *h = *like;
    atomic_init(&h->refs, 1);
    atomic_init(&h->removed, false);
    h->node = n;
    h->file = ebb__thread.file;
    h->line = ebb__thread.line;
    h->next_by_id = *bucket(h->id);
    *bucket(h->id) = h;
    table.n++;
    x->hooks[x->n_hooks++] = h;
    atomic_fetch_or_explicit(&x->hook_kinds, h->kind, memory_order_relaxed);
    return h;
}

ebb_hook ebb__hook_add(ebb_node *n, const struct ebb__hook *hook) {
    struct ebb__hook like = *hook;
    lock();
    like.id = table.next++;
    bool ok = hook_new(n, &like);
    table_shrink();
    unlock();
    return ok ? like.id : 0;
}

ebb_hook ebb__hook_add_multi(ebb_node *const *n, const uint32_t *nr, int64_t count, const struct ebb__multi *like) {
    struct ebb__multi *m = ebb__alloc(sizeof *m);
    if (!m) return 0;
    *m = *like;
    m->n = count;
    m->parts = ebb__alloc_zeroed((size_t)count * sizeof(struct ebb__hook *));
    if (!m->parts) {
        ebb__free(m, sizeof *m);
        return 0;
    }
    bool ok = true;
    atomic_init(&m->refs, 1);
    lock();
    ebb_hook id = table.next++; /* of all its parts */
    for (int64_t i = 0; i < count && ok; i++) {
        const struct ebb__hook part = {.kind = EBB__HOOK_MULTI, .id = id, .nr = nr[i], .part = (uint32_t)i, .multi = m};
        if (!n[i]) continue;
        m->parts[i] = hook_new(n[i], &part);
        ok = m->parts[i];
        if (ok) atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    }
    table_shrink();
    unlock();
    if (!ok) m->release = NULL;
    if (!ok) ebb_remove_hook(id);
    ebb__multi_unref(m);
    return ok ? id : 0;
}

/* ---- removing ---- */

void ebb_remove_hook(ebb_hook hook) {
    struct ebb__hook *found;
    do {
        lock();
        found = table.capacity ? *bucket(hook) : NULL;
        while (found && found->id != hook) found = found->next_by_id;
        if (found) take_out(found);
        unlock();
        if (found) hook_unref(found);
    } while (found); /* the parts of one have one handle */
}

/* ---- for passes ---- */

ebb_status ebb__hooks_list(struct ebb__hook_list *list, ebb_node *n, unsigned kinds) {
    const struct ebb__node_extra *x = n->extra;
    list->n = list->capacity = 0;
    list->hooks = list->small;
    lock();
    size_t need = x->n_hooks;
    if (need > EBB__HOOKS_SMALL && (list->hooks = ebb__alloc(need * sizeof(struct ebb__hook *)))) list->capacity = need;
    for (size_t i = 0; list->hooks && i < need; i++) {
        struct ebb__hook *h = x->hooks[i];
        if (!(h->kind & kinds)) continue;
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
        list->hooks[list->n++] = h;
    }
    unlock();
    return list->hooks ? EBB_OK : ebb_error_status();
}

void ebb__hooks_list_end(struct ebb__hook_list *list) {
    for (size_t i = 0; i < list->n; i++) hook_unref(list->hooks[i]);
    if (list->capacity) ebb__free(list->hooks, list->capacity * sizeof(struct ebb__hook *));
}

int64_t ebb__multi_count(struct ebb__multi *m, bool (*waits)(void *context, ebb_node *n), void *context) {
    int64_t n = 0;
    lock();
    for (int64_t i = 0; i < m->n; i++)
        if (m->parts[i] && waits(context, m->parts[i]->node)) n++;
    unlock();
    return n;
}
