/* Packers of saved tensors: what is common to all that store values elsewhere, or in fewer bytes. */
#ifndef EBB_AUTOGRAD_PACKERS_H
#define EBB_AUTOGRAD_PACKERS_H

#include "record/saved.h"

/* How a packer stores values. A stored value is two words of its own choice. */
struct ebb__store {
    uint64_t word[2];
};
struct ebb__packer {
    /* How many bytes it stores for t; 0: t is kept as it is, since nothing would be gained. */
    size_t (*bytes)(const ebb_tensor *t);
    bool in_memory;
    ebb_status (*put)(void *context, ebb_tensor *t, struct ebb__store *ret_stored);
    ebb_status (*get)(void *context, const struct ebb__store *stored, ebb_tensor *into); /* contiguous, of t's dtype */
    void (*discard)(void *context, const struct ebb__store *stored);
    void (*end)(void *context); /* NULL: nothing to do */
};

/* Hooks that store by a packer. They own `context`, also on failure, which the block that they are for will find. */
ebb_saved_hooks ebb__packer_hooks(const struct ebb__packer *packer, void *context);

#endif
