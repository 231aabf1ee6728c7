/* Tables of tensors by the line that is to blame for them. */
#ifndef EBB_AUTOGRAD_MEMORY_TABLE_H
#define EBB_AUTOGRAD_MEMORY_TABLE_H

#include "record/call.h"
#include <ebb/debug.h>

/* One tensor on its way into a table. */
struct ebb__item {
    const char *file, *op; /* never NULL */
    int line;
    bool only_graph;                /* alive: only the graph holds it */
    int64_t bytes;                  /* of memory that no item before has counted */
    int64_t size;                   /* its own, for the largest of a line */
    ebb_tensor *t;                  /* borrowed */
    const ebb_node *node;           /* that saved it, NULL of an alive one, */
    const struct ebb__saved *saved; /* as this */
};

struct ebb__items {
    struct ebb__item *item;
    size_t n, capacity;
};

/* The table of these, which are sorted: one line for each operator on each line of the program, the one with the most
 * bytes first. */
ebb_status ebb__items_to_table(struct ebb__items *items, ebb_memory_table *ret_table);
void ebb__items_end(struct ebb__items *items);

#endif
