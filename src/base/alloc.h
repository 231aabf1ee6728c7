/* The parts of the allocator: pages from the system, slabs of small blocks, large blocks, and the lists of each thread.
 *
 *     alloc.c   the lists of each thread, counters, the public functions      -> slab.c large.c
 *     slab.c    blocks up to EBB__SMALL_MAX, shared by all threads            -> pages.c
 *     large.c   larger ones, kept for reuse                                   -> pages.c
 *     pages.c   address space and memory from the operating system */
#ifndef EBB_BASE_ALLOC_H
#define EBB_BASE_ALLOC_H

#include "base/base.h"

/* Address sanitizer sees a use after free only if blocks are not reused: caching is off under it. */
#if defined(__SANITIZE_ADDRESS__)
#define EBB__PLAIN_ALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EBB__PLAIN_ALLOC 1
#endif
#endif
#ifndef EBB__PLAIN_ALLOC
#define EBB__PLAIN_ALLOC 0
#endif

/* ---- size classes: steps of 16 bytes up to 1 KiB, then 8 to each doubling ---- */
enum {
    EBB__STEP = 16,
    EBB__FINE_MAX = 1024,
    EBB__FINE_CLASSES = EBB__FINE_MAX / EBB__STEP + 1, /* class 0 is of 16 bytes too, for blocks of none */
    EBB__SMALL_MAX = 32768,
    EBB__SMALL_CLASSES = EBB__FINE_CLASSES + 8 * 5,
    EBB__LARGE_CLASSES = 8 * 48
};

static inline unsigned ebb__log2(size_t n) {
#if defined(__GNUC__)
    return 63U - (unsigned)__builtin_clzll((unsigned long long)n);
#else
    unsigned e = 0;
    while (n >>= 1) e++;
    return e;
#endif
}

/* The class of more than EBB__FINE_MAX bytes, counted from EBB__FINE_CLASSES; exponents from 10 on. */
static inline unsigned ebb__coarse_class(size_t bytes) {
    unsigned e = ebb__log2(bytes - 1);
    return EBB__FINE_CLASSES + (e - 10) * 8 + (unsigned)(((bytes - 1) >> (e - 3)) & 7);
}

static inline unsigned ebb__class_of(size_t bytes) {
    if (EBB_LIKELY(bytes <= EBB__FINE_MAX)) return (unsigned)((bytes + EBB__STEP - 1) / EBB__STEP);
    return ebb__coarse_class(bytes);
}

/* The bytes that a block of this class has. */
static inline size_t ebb__class_size(unsigned c) {
    if (c < EBB__FINE_CLASSES) return c ? (size_t)c * EBB__STEP : EBB__STEP;
    unsigned e = 10 + (c - EBB__FINE_CLASSES) / 8, step = (c - EBB__FINE_CLASSES) % 8;
    return ((size_t)1 << e) + (((size_t)step + 1) << (e - 3));
}

/* ---- pages.c ---- */
void *ebb__pages_map(size_t bytes, size_t alignment, bool huge); /* zeroed; NULL on failure, no error noted */
void ebb__pages_unmap(void *pages, size_t bytes);
bool ebb__pages_forget(void *pages, size_t bytes); /* give the memory back, keep the addresses */

/* ---- slab.c: chains of small blocks, linked through their first word ---- */
void *ebb__slab_take(unsigned c, unsigned *n); /* up to *n blocks; how many is put there; NULL on failure */
void ebb__slab_give(unsigned c, void *chain);  /* to the last, whose link is NULL */
int64_t ebb__slab_held(void);                  /* bytes of memory taken from the system */
void ebb__slab_trim(void);

/* ---- large.c ---- */
void *ebb__large_take(size_t bytes, bool *ret_zeroed); /* NULL on failure, no error noted */
void ebb__large_give(void *block, size_t bytes);
int64_t ebb__large_cached(void);
void ebb__large_trim(void);

#endif
