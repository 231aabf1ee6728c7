/* Tensors that were noted when they were made, and blocks that may refer to some. */
#ifndef EBB_RECORD_TRACE_H
#define EBB_RECORD_TRACE_H

#include "record/node.h"
#include "record/pointers.h"

struct ebb__trace {
    ebb_tensor *t;
    struct ebb__trace *before, *next; /* of all that are alive */
    const char *file, *calling;
    int line;
};

void ebb__trace_end(struct ebb__trace *trace); /* its tensor dies */

/* Keep noted tensors from dying, in all threads, and walk over them: the one made last first. */
void ebb__traces_lock(void);
void ebb__traces_unlock(void);
const struct ebb__trace *ebb__traces_first(void);

/* The block at p that was made known, NULL for another address; its bytes. The lock is held. */
const void *ebb__traced_block(const void *p, size_t *ret_bytes);

#endif
