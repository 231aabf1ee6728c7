/* A table from addresses to numbers. */
#ifndef EBB_TOOL_ADDRESSES_H
#define EBB_TOOL_ADDRESSES_H

#include "tool/memory.h"

struct ebb__addresses { /* all zero: empty */
    struct ebb__address {
        const void *key;
        int64_t value;
    } * slots; /* open addressing; a NULL key is a free place */
    int64_t n, room;
};

/* The number of an address, -1 when it has none. */
int64_t ebb__addresses_find(const struct ebb__addresses *p, const void *key);
/* Give an address its number, from 0 on. False, and an error, when out of memory. */
bool ebb__addresses_set(struct ebb__addresses *p, const void *key, int64_t value);
void ebb__addresses_free(struct ebb__addresses *p);

#endif
