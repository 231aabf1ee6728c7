/* A set of pointers that numbers them: for walks over the graph and over memory. */
#include "record/pointers.h"

static size_t place(const struct ebb__pointers *set, const void *p) {
    size_t mask = set->table_size - 1;
    size_t at = (size_t)(((uintptr_t)p >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & mask;
    while (set->table[at] && set->list[set->table[at] - 1] != p) at = (at + 1) & mask;
    return at;
}

size_t ebb__pointers_find(const struct ebb__pointers *set, const void *p) {
    uint32_t found = set->table_size ? set->table[place(set, p)] : 0;
    return found ? found - 1 : SIZE_MAX;
}

static bool grow(struct ebb__pointers *set) {
    size_t size = set->table_size ? 2 * set->table_size : 64;
    uint32_t *table = ebb__alloc_zeroed(size * sizeof *table);
    if (!table) return false;
    ebb__free(set->table, set->table_size * sizeof *table);
    set->table = table;
    set->table_size = size;
    for (size_t i = 0; i < set->n; i++) table[place(set, set->list[i])] = (uint32_t)i + 1;
    return true;
}

size_t ebb__pointers_add(struct ebb__pointers *set, const void *p, bool *ret_new) {
    size_t found = ebb__pointers_find(set, p);
    *ret_new = found == SIZE_MAX;
    if (!*ret_new) return found;
    if (!ebb__grow((void **)&set->list, &set->capacity, set->n + 1, sizeof *set->list)) return SIZE_MAX;
    if (2 * (set->n + 1) > set->table_size && !grow(set)) return SIZE_MAX;
    set->list[set->n] = p;
    set->table[place(set, p)] = (uint32_t)set->n + 1;
    return set->n++;
}

void ebb__pointers_end(struct ebb__pointers *set) {
    ebb__free(set->list, set->capacity * sizeof *set->list);
    ebb__free(set->table, set->table_size * sizeof *set->table);
    *set = (struct ebb__pointers){0};
}
