/* Small blocks, shared by all threads: chunks of 2 MiB from the system, cut into slabs, each cut into blocks of one
 * class.
 *
 * A slab knows its free blocks, so one that is all free is found without searching and goes back to its chunk at once,
 * and a chunk that is all free goes back to the system. Threads exchange blocks here in chains of dozens (alloc.c),
 * which is why one lock is enough. The scheme is Bonwick's (The slab allocator, USENIX 1994), with magazines for the
 * threads (Bonwick and Adams, Magazines and vmem, USENIX 2001). */
#include "base/alloc.h"

#include <pthread.h>

enum {
    CHUNK = 1 << 21,
    SLAB = 1 << 16, /* bytes of a slab of kind 0 */
    SLABS = CHUNK / SLAB,
    HEADER = 2048,      /* at the start of a chunk's first slab */
    WIDE_ABOVE = 4096,  /* blocks from here on live in slabs of kind 1, four times as wide */
    IDLE_MAX = 1 << 26, /* bytes of free chunks to keep */
    SMALL_PAGES = 4     /* chunks that a process gets without asking for huge pages, so that small ones stay small */
};

struct slab {
    struct slab *next, *prev; /* slabs of the class that have a block to give */
    void *free;
    uint32_t n_free, carved, capacity; /* blocks: in `free`, ever handed out, that fit */
    bool listed;
};

struct chunk {
    struct chunk *next, *prev; /* chunks of the kind that have a slab to give; or idle chunks, by next */
    uint32_t free, touched;    /* bits for slabs: not in use; backed by memory */
    int kind;
    struct slab slabs[SLABS];
};
_Static_assert(sizeof(struct chunk) <= HEADER, "a chunk's header fits");

static struct class {
    struct slab *slabs; /* with a block to give, in use latest first */
    struct slab *idle;  /* one of them that is all free: kept, so that a block taken and given does not cost a slab */
} classes[EBB__SMALL_CLASSES];

static struct chunk *chunks[2]; /* by kind, with a slab to give */
static struct chunk *idle;
static size_t n_idle, n_mapped;
static int64_t held;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int kind_of(unsigned c) { return ebb__class_size(c) > WIDE_ABOVE; }

static size_t slab_bytes(int kind) { return (size_t)SLAB << (2 * kind); }

static uint32_t all_slabs(int kind) { return kind ? (UINT32_C(1) << (SLABS / 4)) - 1 : UINT32_MAX; }

static struct chunk *chunk_of(void *in_chunk) {
    return (struct chunk *)((uintptr_t)in_chunk & ~(uintptr_t)(CHUNK - 1));
}

static struct slab *slab_of(void *block, int kind) {
    size_t offset = (uintptr_t)block & (CHUNK - 1);
    return &chunk_of(block)->slabs[offset / slab_bytes(kind)];
}

static unsigned index_of(const struct chunk *chunk, const struct slab *slab) { return (unsigned)(slab - chunk->slabs); }

static unsigned bits(uint32_t n) {
    unsigned count = 0;
    for (; n; n &= n - 1) count++;
    return count;
}

/* ---- chunks ---- */

static void link_chunk(struct chunk *chunk) {
    struct chunk **head = &chunks[chunk->kind];
    chunk->prev = NULL;
    chunk->next = *head;
    if (*head) (*head)->prev = chunk;
    *head = chunk;
}

static void unlink_chunk(struct chunk *chunk) {
    if (chunk->prev) chunk->prev->next = chunk->next;
    else chunks[chunk->kind] = chunk->next;
    if (chunk->next) chunk->next->prev = chunk->prev;
}

static struct chunk *new_chunk(int kind) {
    struct chunk *chunk = idle;
    if (chunk) {
        idle = chunk->next;
        n_idle--;
        chunk->touched = all_slabs(kind);
    } else {
        chunk = ebb__pages_map(CHUNK, CHUNK, n_mapped >= SMALL_PAGES);
        if (!chunk) return NULL;
        n_mapped++;
        chunk->touched = 0;
    }
    chunk->kind = kind;
    chunk->free = all_slabs(kind);
    link_chunk(chunk);
    return chunk;
}

static void unmap_idle(struct chunk *chunk) {
    ebb__pages_unmap(chunk, CHUNK);
    n_mapped--;
    held -= CHUNK;
}

static void retire_chunk(struct chunk *chunk) {
    unlink_chunk(chunk);
    held += (int64_t)CHUNK - (int64_t)(bits(chunk->touched) * slab_bytes(chunk->kind));
    if ((n_idle + 1) * CHUNK > IDLE_MAX) {
        unmap_idle(chunk);
        return;
    }
    chunk->next = idle;
    idle = chunk;
    n_idle++;
}

/* ---- slabs ---- */

static void list_slab(struct class *class, struct slab *slab) {
    slab->prev = NULL;
    slab->next = class->slabs;
    if (class->slabs) class->slabs->prev = slab;
    class->slabs = slab;
    slab->listed = true;
}

static void unlist_slab(struct class *class, struct slab *slab) {
    if (slab->prev) slab->prev->next = slab->next;
    else class->slabs = slab->next;
    if (slab->next) slab->next->prev = slab->prev;
    slab->listed = false;
}

/* Where the blocks of a slab begin. */
static char *slab_start(struct slab *slab, int kind) {
    struct chunk *chunk = chunk_of(slab);
    unsigned i = index_of(chunk, slab);
    return (char *)chunk + (i ? i * slab_bytes(kind) : HEADER);
}

static struct slab *new_slab(unsigned c) {
    int kind = kind_of(c);
    struct chunk *chunk = chunks[kind];
    if (!chunk) chunk = new_chunk(kind);
    if (!chunk) return NULL;
    unsigned i = ebb__log2(chunk->free & (~chunk->free + 1));
    uint32_t bit = UINT32_C(1) << i;
    chunk->free &= ~bit;
    if (!(chunk->touched & bit)) held += (int64_t)slab_bytes(kind);
    chunk->touched |= bit;
    if (!chunk->free) unlink_chunk(chunk);
    size_t room = slab_bytes(kind) - (i ? 0 : HEADER);
    struct slab *slab = &chunk->slabs[i];
    *slab = (struct slab){.capacity = (uint32_t)(room / ebb__class_size(c))};
    list_slab(&classes[c], slab);
    return slab;
}

static void release_slab(unsigned c, struct slab *slab) {
    struct chunk *chunk = chunk_of(slab);
    unlist_slab(&classes[c], slab);
    if (!chunk->free) link_chunk(chunk);
    chunk->free |= UINT32_C(1) << index_of(chunk, slab);
    if (chunk->free == all_slabs(chunk->kind)) retire_chunk(chunk);
}

/* ---- blocks ---- */

/* Prepend up to n blocks of the slab to the chain; returns how many. */
static unsigned take_from(struct slab *slab, unsigned c, unsigned n, void **chain) {
    unsigned taken = 0;
    for (; taken < n && slab->free; taken++) {
        void *block = slab->free;
        slab->free = *(void **)block;
        slab->n_free--;
        *(void **)block = *chain;
        *chain = block;
    }
    size_t size = ebb__class_size(c), carve = slab->capacity - slab->carved;
    if (carve > n - taken) carve = n - taken;
    /* Fresh blocks from the last to the first, so that the chain goes up through memory. */
    char *fresh = slab_start(slab, kind_of(c)) + slab->carved * size;
    for (size_t i = carve; i-- > 0;) {
        *(void **)(void *)(fresh + i * size) = *chain;
        *chain = fresh + i * size;
    }
    slab->carved += (uint32_t)carve;
    return taken + (unsigned)carve;
}

void *ebb__slab_take(unsigned c, unsigned *n) {
    void *chain = NULL;
    unsigned taken = 0;
    (void)pthread_mutex_lock(&lock);
    while (taken < *n) {
        struct slab *slab = classes[c].slabs ? classes[c].slabs : new_slab(c);
        if (!slab) break; /* what was taken so far will do */
        if (classes[c].idle == slab) classes[c].idle = NULL;
        taken += take_from(slab, c, *n - taken, &chain);
        if (!slab->free && slab->carved == slab->capacity) unlist_slab(&classes[c], slab);
    }
    (void)pthread_mutex_unlock(&lock);
    *n = taken;
    return chain;
}

void ebb__slab_give(unsigned c, void *chain) {
    struct class *class = &classes[c];
    int kind = kind_of(c);
    (void)pthread_mutex_lock(&lock);
    while (chain) {
        void *block = chain;
        chain = *(void **)block;
        struct slab *slab = slab_of(block, kind);
        *(void **)block = slab->free;
        slab->free = block;
        slab->n_free++;
        if (!slab->listed) list_slab(class, slab);
        if (slab->n_free < slab->carved) continue;
        if (class->idle) release_slab(c, slab);
        else class->idle = slab;
    }
    (void)pthread_mutex_unlock(&lock);
}

int64_t ebb__slab_held(void) {
    (void)pthread_mutex_lock(&lock);
    int64_t bytes = held;
    (void)pthread_mutex_unlock(&lock);
    return bytes;
}

/* Give back the memory of free slabs in chunks that are otherwise in use. The first slab holds the header. */
static void forget_free_slabs(struct chunk *chunk) {
    size_t bytes = slab_bytes(chunk->kind);
    for (unsigned i = 1; i < CHUNK / bytes; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if (!(chunk->free & chunk->touched & bit)) continue;
        if (!ebb__pages_forget((char *)chunk + i * bytes, bytes)) continue;
        chunk->touched &= ~bit;
        held -= (int64_t)bytes;
    }
}

void ebb__slab_trim(void) {
    (void)pthread_mutex_lock(&lock);
    for (unsigned c = 0; c < EBB__SMALL_CLASSES; c++) {
        if (!classes[c].idle) continue;
        release_slab(c, classes[c].idle);
        classes[c].idle = NULL;
    }
    while (idle) {
        struct chunk *chunk = idle;
        idle = chunk->next;
        n_idle--;
        unmap_idle(chunk);
    }
    for (int kind = 0; kind < 2; kind++)
        for (struct chunk *chunk = chunks[kind]; chunk; chunk = chunk->next) forget_free_slabs(chunk);
    (void)pthread_mutex_unlock(&lock);
}
