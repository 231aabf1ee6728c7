/* The graph layer's own parts. */
#ifndef EBB_GRAPH_GRAPH_H
#define EBB_GRAPH_GRAPH_H

#include <ebb/autograd.h>
#include <ebb/graph.h>

/* The nodes of a graph, each once, the root's first, others after a node that their output flows into. */
struct ebb__nodes {
    const ebb_node **list;
    size_t n, capacity;
    size_t *table; /* open addressing: position in the list + 1, 0 for a free place */
    size_t table_size;
};

/* Gather what is reachable from root. ebb__nodes_end() also after a failure. */
ebb_status ebb__nodes_gather(struct ebb__nodes *g, const ebb_node *root);
size_t ebb__nodes_find(const struct ebb__nodes *g, const ebb_node *node); /* g->n when it is not there */
void ebb__nodes_end(struct ebb__nodes *g);

#endif
