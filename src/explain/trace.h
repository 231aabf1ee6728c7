/* What was recorded, as it was: the inputs and outputs of every node, with their values at that time. */
#ifndef EBB_EXPLAIN_TRACE_H
#define EBB_EXPLAIN_TRACE_H

#include "tool/addresses.h"
#include <ebb/autograd.h>

/* One call that became a node. The tensors are kept. */
struct ebb__traced {
    const ebb_node *node;
    int64_t n_in, n_out;
    ebb_tensor **in; /* as they were given; what is written in place later has other values by then */
    ebb_tensor **out;
    ebb_tensor **value; /* copies of the outputs, without history */
    const struct ebb_op
        *parts_of; /* the operator that was called, when this is a part of it; NULL: it was called itself */
};

struct ebb__trace { /* all zero: empty */
    struct ebb__arena arena;
    struct ebb__traced *calls;
    int64_t n, room;
    struct ebb__addresses by_node;
    ebb_watch watch;
    bool failed;
};

/* Watch what this thread records from now on, until it is closed. */
void ebb__trace_open(struct ebb__trace *t);
ebb_status ebb__trace_close(struct ebb__trace *t); /* an error when something could not be kept */
void ebb__trace_free(struct ebb__trace *t);

const struct ebb__traced *ebb__trace_find(const struct ebb__trace *t, const ebb_node *node); /* NULL: not seen */

/* A copy of a tensor without history, kept; NULL and an error when out of memory. */
ebb_tensor *ebb__copy_kept(ebb_tensor *t);

#endif
