/* A table from addresses to numbers. */
#include "tool/addresses.h"

#include <string.h>

static int64_t place(const struct ebb__addresses *p, const void *key) {
    uint64_t h = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15U; /* Fibonacci hashing */
    int64_t i = (int64_t)(h >> 20) & (p->room - 1);
    while (p->slots[i].key && p->slots[i].key != key) i = (i + 1) & (p->room - 1);
    return i;
}

int64_t ebb__addresses_find(const struct ebb__addresses *p, const void *key) {
    if (!p->room || !key) return -1;
    const struct ebb__address *slot = &p->slots[place(p, key)];
    return slot->key ? slot->value : -1;
}

/* The table stays at most half full. */
static bool grow(struct ebb__addresses *p) {
    struct ebb__addresses more = {.room = p->room ? 2 * p->room : 64};
    size_t bytes = (size_t)more.room * sizeof *more.slots;
    if (!(more.slots = ebb_alloc(bytes))) return false;
    memset(more.slots, 0, bytes);
    for (int64_t i = 0; i < p->room; i++)
        if (p->slots[i].key) more.slots[place(&more, p->slots[i].key)] = p->slots[i];
    more.n = p->n;
    ebb__addresses_free(p);
    *p = more;
    return true;
}

bool ebb__addresses_set(struct ebb__addresses *p, const void *key, int64_t value) {
    if (2 * (p->n + 1) > p->room && !grow(p)) return false;
    struct ebb__address *slot = &p->slots[place(p, key)];
    p->n += !slot->key;
    *slot = (struct ebb__address){key, value};
    return true;
}

void ebb__addresses_free(struct ebb__addresses *p) {
    ebb_free(p->slots, (size_t)p->room * sizeof *p->slots);
    *p = (struct ebb__addresses){0};
}
