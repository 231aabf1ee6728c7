/* Walks over strided arrays: dimensions merged and ordered, and a cursor that steps through them. */
#ifndef EBB_KERNEL_WALK_H
#define EBB_KERNEL_WALK_H

#include <ebb/tensor.h>

#define EBB__WALK_ARRAYS 3

typedef struct ebb__walk {
    int n;
    int64_t size[EBB_MAX_NDIM];
    int64_t stride[EBB_MAX_NDIM][EBB__WALK_ARRAYS]; /* in bytes */
} ebb__walk;

typedef struct ebb__cursor {
    int64_t index[EBB_MAX_NDIM];
    int64_t offset[EBB__WALK_ARRAYS];
} ebb__cursor;

/* Append a dimension; those of size 1 are left out. */
void ebb__walk_push(ebb__walk *walk, int64_t size, int64_t stride0, int64_t stride1, int64_t stride2);
/* Order dimensions by falling absolute stride of one array; ties stay as they are. */
void ebb__walk_sort(ebb__walk *walk, int array);
/* Merge neighbours that all arrays step through as if they were one. */
void ebb__walk_merge(ebb__walk *walk);
int64_t ebb__walk_count(const ebb__walk *walk);
/* The cursor at a row-major position, and one step on. */
ebb__cursor ebb__walk_at(const ebb__walk *walk, int64_t position);
void ebb__walk_carry(const ebb__walk *walk, ebb__cursor *cursor);

static inline void ebb__walk_next(const ebb__walk *walk, ebb__cursor *cursor) {
    const int last = walk->n - 1;
    if (last < 0) return;
    if (++cursor->index[last] < walk->size[last]) {
        for (int a = 0; a < EBB__WALK_ARRAYS; a++) cursor->offset[a] += walk->stride[last][a];
    } else {
        ebb__walk_carry(walk, cursor);
    }
}

#endif
