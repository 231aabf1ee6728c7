/* Walking a recorded graph through the public functions: breadth first, each node once, without recursion. */
#include "graph/graph.h"

#include <string.h>

static size_t place(const struct ebb__nodes *g, const ebb_node *node) {
    uint64_t h = (uint64_t)(uintptr_t)node * 0x9e3779b97f4a7c15U; /* Fibonacci hashing */
    size_t i = (size_t)(h >> 20) & (g->table_size - 1);
    while (g->table[i] && g->list[g->table[i] - 1] != node) i = (i + 1) & (g->table_size - 1);
    return i;
}

size_t ebb__nodes_find(const struct ebb__nodes *g, const ebb_node *node) {
    size_t at = g->table_size ? g->table[place(g, node)] : 0;
    return at ? at - 1 : g->n;
}

/* Room for twice as many; the table stays at most half full. */
static ebb_status grow(struct ebb__nodes *g) {
    size_t capacity = g->capacity ? 2 * g->capacity : 64, table_size = 2 * capacity;
    const ebb_node **list = ebb_alloc(capacity * sizeof *list);
    size_t *table = ebb_alloc(table_size * sizeof *table);
    if (!list || !table) {
        ebb_free(list, capacity * sizeof *list);
        ebb_free(table, table_size * sizeof *table);
        return ebb_error_status();
    }
    if (g->n) memcpy(list, g->list, g->n * sizeof *list);
    memset(table, 0, table_size * sizeof *table);
    struct ebb__nodes old = *g;
    *g = (struct ebb__nodes){list, old.n, capacity, table, table_size};
    for (size_t i = 0; i < g->n; i++) table[place(g, list[i])] = i + 1;
    ebb__nodes_end(&old);
    return EBB_OK;
}

static ebb_status add(struct ebb__nodes *g, const ebb_node *node) {
    if (g->n == g->capacity && grow(g)) return ebb_error_status();
    size_t i = place(g, node);
    if (g->table[i]) return EBB_OK;
    g->list[g->n++] = node;
    g->table[i] = g->n;
    return EBB_OK;
}

ebb_status ebb__nodes_gather(struct ebb__nodes *g, const ebb_node *root) {
    *g = (struct ebb__nodes){0};
    ebb_status status = add(g, root);
    for (size_t i = 0; i < g->n && !status; i++) {
        const ebb_node *node = g->list[i];
        for (int64_t k = 0; k < ebb_node_n_inputs(node) && !status; k++)
            if (ebb_node_input(node, k)) status = add(g, ebb_node_input(node, k));
    }
    return status;
}

void ebb__nodes_end(struct ebb__nodes *g) {
    ebb_free(g->list, g->capacity * sizeof *g->list);
    ebb_free(g->table, g->table_size * sizeof *g->table);
    *g = (struct ebb__nodes){0};
}
