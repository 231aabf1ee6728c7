/* Address space and memory from the operating system. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise: not part of POSIX */
#include "base/alloc.h"

#include <sys/mman.h>

static void *map(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void *map_aligned(size_t bytes, size_t alignment) {
    /* Systems place mappings side by side, so that after an aligned one the next is often aligned without more ado. */
    char *p = map(bytes);
    size_t off = (uintptr_t)p & (alignment - 1);
    if (!p || off == 0) return p;
    (void)munmap(p, bytes);
    p = map(bytes + alignment);
    if (!p) return NULL;
    size_t before = (alignment - ((uintptr_t)p & (alignment - 1))) & (alignment - 1);
    if (before) (void)munmap(p, before);
    (void)munmap(p + before + bytes, alignment - before);
    return p + before;
}

void *ebb__pages_map(size_t bytes, size_t alignment, bool huge) {
    void *p = map_aligned(bytes, alignment);
#if defined(MADV_HUGEPAGE)
    if (p && huge) (void)madvise(p, bytes, MADV_HUGEPAGE); /* one page fault instead of 512 */
#else
    (void)huge;
#endif
    return p;
}

void ebb__pages_unmap(void *pages, size_t bytes) {
    /* Unmapping can fail when it would split a mapping and there are too many: then at least the memory goes back. */
    if (munmap(pages, bytes)) (void)ebb__pages_forget(pages, bytes);
}

bool ebb__pages_forget(void *pages, size_t bytes) {
#if defined(__linux__)
    return madvise(pages, bytes, MADV_DONTNEED) == 0;
#else
    (void)pages, (void)bytes;
    return false; /* elsewhere this advice does not promise that anything is given back */
#endif
}
