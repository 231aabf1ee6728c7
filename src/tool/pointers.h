/* A table from addresses to numbers. */
#ifndef EBB_TOOL_POINTERS_H
#define EBB_TOOL_POINTERS_H

#include "tool/memory.h"

struct ebb__pointers { /* all zero: empty */
    struct ebb__pointer {
        const void *key;
        int64_t value;
    } * slots; /* open addressing; a NULL key is a free place */
    int64_t n, room;
};

/* The number of an address, -1 when it has none. */
int64_t ebb__pointers_find(const struct ebb__pointers *p, const void *key);
/* Give an address its number, from 0 on. False, and an error, when out of memory. */
bool ebb__pointers_set(struct ebb__pointers *p, const void *key, int64_t value);
void ebb__pointers_free(struct ebb__pointers *p);

#endif
