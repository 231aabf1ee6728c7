/* Large blocks: rounded to size classes, kept for reuse when given back, because mapping and first touching fresh
 * memory costs a multiple of the arithmetic on it. What waits and what is in use are together at most what was once in
 * use, or KEEP_AT_LEAST more than now; the block that waited longest goes first. Steps that need blocks of many classes
 * at different times would unmap some and map others, again and again: as much as is mapped after it was unmapped may
 * wait from then on besides. */
#include "base/alloc.h"

#include <pthread.h>

enum { HUGE_PAGE = 1 << 21 };
static const int64_t KEEP_AT_LEAST = INT64_C(256) << 20;

/* Written into a waiting block itself. */
struct waiting {
    struct waiting *next, *prev;   /* of the same class, latest first */
    struct waiting *newer, *older; /* of all */
    size_t bytes;
    unsigned class;
};

static struct waiting *classes[EBB__LARGE_CLASSES];
static struct waiting *newest, *oldest;
static int64_t cached, in_use, in_use_peak;
static int64_t unmapped, mapped_again; /* unmapped, and not mapped again yet */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned large_class(size_t bytes) { return ebb__coarse_class(bytes) - EBB__SMALL_CLASSES; }

static void append(struct waiting *w) {
    w->prev = NULL;
    w->next = classes[w->class];
    if (w->next) w->next->prev = w;
    classes[w->class] = w;
    w->newer = NULL;
    w->older = newest;
    if (newest) newest->newer = w;
    else oldest = w;
    newest = w;
    cached += (int64_t)w->bytes;
}

static void detach(struct waiting *w) {
    if (w->prev) w->prev->next = w->next;
    else classes[w->class] = w->next;
    if (w->next) w->next->prev = w->prev;
    if (w->older) w->older->newer = w->newer;
    else oldest = w->newer;
    if (w->newer) w->newer->older = w->older;
    else newest = w->older;
    cached -= (int64_t)w->bytes;
}

/* Detach the oldest blocks until at most `keep` bytes wait; returns them linked by next. Unmapping is left for when the
 * lock is free: it takes long. */
static struct waiting *surplus(int64_t keep) {
    struct waiting *list = NULL;
    while (cached > keep) {
        struct waiting *w = oldest;
        detach(w);
        unmapped += (int64_t)w->bytes;
        w->next = list;
        list = w;
    }
    return list;
}

static void unmap_list(struct waiting *list) {
    while (list) {
        struct waiting *next = list->next;
        ebb__pages_unmap(list, list->bytes);
        list = next;
    }
}

static void count(int64_t bytes) {
    in_use += bytes;
    if (in_use > in_use_peak) in_use_peak = in_use;
}

void *ebb__large_take(size_t bytes, bool *ret_zeroed) {
    unsigned class = large_class(bytes);
    size_t size = ebb__class_size(ebb__coarse_class(bytes));
    (void)pthread_mutex_lock(&lock);
    struct waiting *w = classes[class];
    if (w) {
        detach(w);
        count((int64_t)size);
    }
    (void)pthread_mutex_unlock(&lock);
    *ret_zeroed = !w;
    if (w) return w;
    bool huge = size >= HUGE_PAGE;
    void *fresh = ebb__pages_map(size, huge ? HUGE_PAGE : 64, huge);
    if (!fresh) return NULL;
    (void)pthread_mutex_lock(&lock);
    count((int64_t)size);
    const int64_t again = unmapped < (int64_t)size ? unmapped : (int64_t)size;
    unmapped -= again;
    mapped_again += again;
    (void)pthread_mutex_unlock(&lock);
    return fresh;
}

void ebb__large_give(void *block, size_t bytes) {
    struct waiting *w = block;
    w->class = large_class(bytes);
    w->bytes = ebb__class_size(ebb__coarse_class(bytes));
    (void)pthread_mutex_lock(&lock);
    count(-(int64_t)w->bytes);
    append(w);
    const int64_t below = in_use_peak - in_use;
    struct waiting *list = surplus((below > KEEP_AT_LEAST ? below : KEEP_AT_LEAST) + mapped_again);
    (void)pthread_mutex_unlock(&lock);
    unmap_list(list);
}

int64_t ebb__large_cached(void) {
    (void)pthread_mutex_lock(&lock);
    int64_t bytes = cached;
    (void)pthread_mutex_unlock(&lock);
    return bytes;
}

void ebb__large_trim(void) {
    (void)pthread_mutex_lock(&lock);
    struct waiting *list = surplus(0);
    in_use_peak = in_use;
    unmapped = mapped_again = 0;
    (void)pthread_mutex_unlock(&lock);
    unmap_list(list);
}
