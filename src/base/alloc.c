/* Allocation: lists of free blocks in each thread, counters, and failures on demand.
 *
 * A thread takes and gives small blocks from lists of its own, one for each size class, without a lock or an atomic
 * read-modify-write; the lists are filled from and emptied to the slabs in batches. Counters belong to the thread that
 * writes them; ebb_memory() adds them up. A block given back by another thread than took it counts as taken in
 * one and as given in the other, which is right in the sum. */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include "base/alloc.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_BYTES = 16384, /* moved between a thread and the slabs at once, and at most BATCH_MAX blocks */
    BATCH_MAX = 64,
    KEEP_BYTES = 1 << 19,      /* kept by a thread in each class */
    LARGE = EBB__SMALL_CLASSES /* the bin that counts large blocks, and holds none */
};

/* Written by the owning thread only, read by all: relaxed loads and stores, no read-modify-write. */
typedef _Atomic int64_t counter;

struct bin {
    void *free;
    counter taken, given; /* blocks, by this thread; so free holds: given - taken + those received from the slabs */
    int64_t room;         /* given - taken reaches this when free holds as many as may be kept */
};

struct heap {
    counter bytes_taken, bytes_given;
    int64_t published; /* bytes in use, in published_in_use */
    struct heap *next, *prev;
    _Alignas(64) struct bin bins[LARGE + 1]; /* so that none straddles two cache lines */
};

/* Of a thread that has none yet: its empty lists without room send every call to the slow path. Never written. */
static const struct heap no_heap;
static EBB_TLS struct heap *heap = (struct heap *)(uintptr_t)&no_heap;

static struct heap *heaps;  /* of all threads */
static struct heap retired; /* counters of threads that ended, and of those that could not get a heap */
static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;

static counter published_in_use, peak; /* these two by all threads */
static _Atomic bool armed;             /* ebb_memory_fail_after */
static counter grace, refused;         /* allocations still granted when armed; those not granted, since start */

static inline int64_t get(counter *n) { return atomic_load_explicit(n, memory_order_relaxed); }

static inline void add(counter *n, int64_t change) { atomic_store_explicit(n, get(n) + change, memory_order_relaxed); }

/* With the index as wide as an address, which saves instructions where they count. */
static inline struct bin *small_bin(struct heap *h, size_t bytes) {
    if (EBB_LIKELY(bytes <= EBB__FINE_MAX)) return &h->bins[(bytes + EBB__STEP - 1) / EBB__STEP];
    return &h->bins[ebb__coarse_class(bytes)];
}

static struct bin *bin_of(struct heap *h, size_t bytes) {
    return bytes <= EBB__SMALL_MAX ? small_bin(h, bytes) : &h->bins[LARGE];
}

static int64_t keep_of(unsigned c) { return (int64_t)(KEEP_BYTES / ebb__class_size(c)); }

static unsigned batch_of(size_t size) {
    size_t n = BATCH_BYTES / size;
    return n > BATCH_MAX ? BATCH_MAX : n < 2 ? 2 : (unsigned)n;
}

/* ---- heaps ---- */

static bool has_heap(void) { return heap != &no_heap; }

static bool make_heap(void) {
    struct heap *h = aligned_alloc(64, (sizeof *h + 63) / 64 * 64);
    if (!h) return false;
    memset(h, 0, sizeof *h);
    for (unsigned c = 0; c < EBB__SMALL_CLASSES; c++) h->bins[c].room = keep_of(c);
    (void)pthread_mutex_lock(&registry);
    h->next = heaps;
    if (heaps) heaps->prev = h;
    heaps = h;
    (void)pthread_mutex_unlock(&registry);
    heap = h;
    ebb__thread_attach();
    return true;
}

static void raise_peak(int64_t bytes) {
    int64_t known = get(&peak);
    while (bytes > known &&
           !atomic_compare_exchange_weak_explicit(&peak, &known, bytes, memory_order_relaxed, memory_order_relaxed)) {}
}

/* Tell the other threads what this one holds; done whenever blocks come from or go to the shared lists. */
static void publish(struct heap *h) {
    int64_t now = get(&h->bytes_taken) - get(&h->bytes_given), change = now - h->published;
    h->published = now;
    raise_peak(atomic_fetch_add_explicit(&published_in_use, change, memory_order_relaxed) + change);
}

/* Take the first n blocks off a list and give them to the slabs. */
static void give_batch(struct bin *bin, unsigned c, int64_t n) {
    void *chain = bin->free, *last = chain;
    if (!chain || n < 1) return;
    for (int64_t i = 1; i < n; i++) last = *(void **)last;
    bin->free = *(void **)last;
    *(void **)last = NULL;
    bin->room += n;
    ebb__slab_give(c, chain);
}

/* Give every list of the thread to the slabs. */
static void give_all(struct heap *h) {
    for (unsigned c = 0; c < EBB__SMALL_CLASSES; c++) {
        struct bin *bin = &h->bins[c];
        give_batch(bin, c, get(&bin->given) - get(&bin->taken) + keep_of(c) - bin->room);
    }
    publish(h);
}

void ebb__alloc_thread_release(void) {
    struct heap *h = heap;
    if (!has_heap()) return;
    give_all(h);
    (void)pthread_mutex_lock(&registry);
    if (h->prev) h->prev->next = h->next;
    else heaps = h->next;
    if (h->next) h->next->prev = h->prev;
    add(&retired.bytes_taken, get(&h->bytes_taken));
    add(&retired.bytes_given, get(&h->bytes_given));
    for (unsigned c = 0; c <= LARGE; c++) {
        add(&retired.bins[c].taken, get(&h->bins[c].taken));
        add(&retired.bins[c].given, get(&h->bins[c].given));
    }
    (void)pthread_mutex_unlock(&registry);
    heap = (struct heap *)(uintptr_t)&no_heap;
    free(h);
}

/* ---- taking ---- */

static void *plain_take(size_t bytes) {
    void *block = NULL;
    return posix_memalign(&block, bytes >= 64 ? 64 : EBB__STEP, bytes ? bytes : 1) ? NULL : block;
}

static void *small_take(struct heap *h, size_t bytes) {
    unsigned c = ebb__class_of(bytes);
    struct bin *bin = &h->bins[c];
    if (!bin->free) {
        unsigned n = batch_of(ebb__class_size(c));
        void *chain = ebb__slab_take(c, &n);
        if (!chain) return NULL;
        bin->free = chain;
        bin->room -= n;
    }
    void *block = bin->free;
    bin->free = *(void **)block;
    return block;
}

static void *take_once(struct heap *h, size_t bytes, bool *ret_zeroed) {
    *ret_zeroed = false;
    if (EBB__PLAIN_ALLOC) return plain_take(bytes);
    return bytes <= EBB__SMALL_MAX ? small_take(h, bytes) : ebb__large_take(bytes, ret_zeroed);
}

/* Count one allocation when failures are armed; false when it is to fail. */
static bool granted(void) {
    if (!atomic_load_explicit(&armed, memory_order_relaxed)) return true;
    if (atomic_fetch_sub_explicit(&grace, 1, memory_order_relaxed) > 0) return true;
    return false;
}

static void *refuse(size_t bytes, const char *why) {
    (void)atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    (void)ebb_fail(EBB_ERR_MEMORY, "cannot allocate %zu bytes: %s", bytes, why);
    return NULL;
}

static EBB_NOINLINE void *alloc_slow(size_t bytes, bool *ret_zeroed) {
    *ret_zeroed = false;
    if (!granted()) return refuse(bytes, "made to fail by ebb_memory_fail_after");
    if (bytes > (size_t)PTRDIFF_MAX / 2) return refuse(bytes, "more than can be addressed");
    if (!has_heap() && !make_heap()) return refuse(bytes, "out of memory");
    void *block = take_once(heap, bytes, ret_zeroed);
    if (!block) {
        (void)ebb_memory_trim();
        block = take_once(heap, bytes, ret_zeroed);
    }
    if (!block) return refuse(bytes, "out of memory");
    struct heap *h = heap;
    add(&bin_of(h, bytes)->taken, 1);
    add(&h->bytes_taken, (int64_t)bytes);
    publish(h);
    return block;
}

void *ebb__alloc(size_t bytes) {
    struct heap *h = heap;
    if (EBB_LIKELY(!EBB__PLAIN_ALLOC && bytes <= EBB__SMALL_MAX &&
                   !atomic_load_explicit(&armed, memory_order_relaxed))) {
        struct bin *bin = small_bin(h, bytes);
        void *block = bin->free;
        if (EBB_LIKELY(block != NULL)) {
            bin->free = *(void **)block;
            add(&bin->taken, 1);
            add(&h->bytes_taken, (int64_t)bytes);
            return block;
        }
    }
    bool zeroed;
    return alloc_slow(bytes, &zeroed);
}

void *ebb__alloc_zeroed(size_t bytes) {
    bool zeroed = false; /* large blocks come zeroed from the system */
    void *block = bytes <= EBB__SMALL_MAX ? ebb__alloc(bytes) : alloc_slow(bytes, &zeroed);
    if (block && !zeroed) memset(block, 0, bytes);
    return block;
}

bool ebb__grow_slow(void **array, size_t *capacity, size_t need, size_t element_size) {
    size_t most = SIZE_MAX / (element_size ? element_size : 1);
    size_t wanted = *capacity > most / 2 ? most : *capacity * 2;
    if (wanted < 8) wanted = 8;
    if (wanted < need) wanted = need;
    if (wanted > most) {
        (void)ebb_fail(EBB_ERR_MEMORY, "cannot allocate %zu elements of %zu bytes: more than can be addressed", need,
                       element_size);
        return false;
    }
    void *grown = ebb__alloc(wanted * element_size);
    if (!grown) return false;
    if (*array) {
        memcpy(grown, *array, *capacity * element_size);
        ebb__free(*array, *capacity * element_size);
    }
    *array = grown;
    *capacity = wanted;
    return true;
}

/* ---- giving ---- */

/* A thread that gives a block and cannot get a heap: the shared lists and counters take it. Giving never fails. */
static void free_heapless(void *block, size_t bytes) {
    (void)pthread_mutex_lock(&registry);
    add(&bin_of(&retired, bytes)->given, 1);
    add(&retired.bytes_given, (int64_t)bytes);
    (void)pthread_mutex_unlock(&registry);
    (void)atomic_fetch_sub_explicit(&published_in_use, (int64_t)bytes, memory_order_relaxed);
    if (EBB__PLAIN_ALLOC) {
        free(block);
    } else if (bytes > EBB__SMALL_MAX) {
        ebb__large_give(block, bytes);
    } else {
        *(void **)block = NULL;
        ebb__slab_give(ebb__class_of(bytes), block);
    }
}

static void small_give(struct heap *h, void *block, size_t bytes) {
    unsigned c = ebb__class_of(bytes);
    struct bin *bin = &h->bins[c];
    *(void **)block = bin->free;
    bin->free = block;
    if (get(&bin->given) - get(&bin->taken) >= bin->room) give_batch(bin, c, batch_of(ebb__class_size(c)));
}

static EBB_NOINLINE void free_slow(void *block, size_t bytes) {
    if (!block) return;
    if (!has_heap() && !make_heap()) {
        free_heapless(block, bytes);
        return;
    }
    struct heap *h = heap;
    add(&bin_of(h, bytes)->given, 1);
    add(&h->bytes_given, (int64_t)bytes);
    publish(h);
    if (EBB__PLAIN_ALLOC) free(block);
    else if (bytes > EBB__SMALL_MAX) ebb__large_give(block, bytes);
    else small_give(h, block, bytes);
}

void ebb__free(void *block, size_t bytes) {
    struct heap *h = heap;
    if (EBB_LIKELY(!EBB__PLAIN_ALLOC && block && bytes <= EBB__SMALL_MAX)) {
        struct bin *bin = small_bin(h, bytes);
        if (EBB_LIKELY(get(&bin->given) - get(&bin->taken) < bin->room)) {
            *(void **)block = bin->free;
            bin->free = block;
            add(&bin->given, 1);
            add(&h->bytes_given, (int64_t)bytes);
            return;
        }
    }
    free_slow(block, bytes);
}

/* ---- what the program may ask ---- */

/* The sums over all threads; `ret_rounded` is what the live small blocks occupy. */
static ebb_memory_info sums(int64_t *ret_rounded) {
    ebb_memory_info info = {0};
    *ret_rounded = 0;
    (void)pthread_mutex_lock(&registry);
    retired.next = heaps;
    for (struct heap *h = &retired; h; h = h->next) {
        info.in_use += get(&h->bytes_taken) - get(&h->bytes_given);
        for (unsigned c = 0; c <= LARGE; c++) {
            int64_t taken = get(&h->bins[c].taken), live = taken - get(&h->bins[c].given);
            info.allocations += taken;
            info.live += live;
            if (c != LARGE) *ret_rounded += live * (int64_t)ebb__class_size(c);
        }
    }
    (void)pthread_mutex_unlock(&registry);
    return info;
}

void *ebb_alloc(size_t bytes) { return ebb__alloc(bytes); }
void ebb_free(void *block, size_t bytes) { ebb__free(block, bytes); }

ebb_memory_info ebb_memory(void) {
    int64_t rounded;
    ebb_memory_info info = sums(&rounded);
    raise_peak(info.in_use);
    info.peak = get(&peak);
    info.cached = EBB__PLAIN_ALLOC ? 0 : ebb__slab_held() - rounded + ebb__large_cached();
    return info;
}

void ebb_memory_reset_peak(void) {
    int64_t rounded;
    atomic_store_explicit(&peak, sums(&rounded).in_use, memory_order_relaxed);
}

int64_t ebb_memory_trim(void) {
    int64_t before = ebb__slab_held() + ebb__large_cached();
    if (has_heap()) give_all(heap);
    ebb__slab_trim();
    ebb__large_trim();
    int64_t given = before - ebb__slab_held() - ebb__large_cached();
    return given > 0 ? given : 0; /* other threads may have taken meanwhile */
}

int64_t ebb_memory_fail_after(int64_t n) {
    static counter asked_before;
    int64_t rounded, asked = sums(&rounded).allocations + get(&refused);
    atomic_store_explicit(&grace, n - 1, memory_order_relaxed);
    atomic_store_explicit(&armed, n > 0, memory_order_relaxed);
    return asked - atomic_exchange_explicit(&asked_before, asked, memory_order_relaxed);
}
