/* A set of pointers that numbers them in the order in which they came. */
#ifndef EBB_RECORD_POINTERS_H
#define EBB_RECORD_POINTERS_H

#include "base/base.h"

struct ebb__pointers { /* all zero: empty */
    const void **list; /* [n] */
    size_t n, capacity;
    uint32_t *table; /* number + 1; 0 is free: open addressing, a power of two, at most half full */
    size_t table_size;
};

/* The number of p; *ret_new says whether it was added just now. SIZE_MAX and an error when out of memory. */
size_t ebb__pointers_add(struct ebb__pointers *set, const void *p, bool *ret_new);
size_t ebb__pointers_find(const struct ebb__pointers *set, const void *p); /* SIZE_MAX: it is not there */
void ebb__pointers_end(struct ebb__pointers *set);

#endif
