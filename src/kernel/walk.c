/* Walks over strided arrays: see walk.h. */
#include "kernel/walk.h"

#include <stdlib.h>

void ebb__walk_push(ebb__walk *walk, int64_t size, int64_t stride0, int64_t stride1, int64_t stride2) {
    if (size == 1) return;
    const int d = walk->n++;
    walk->size[d] = size;
    walk->stride[d][0] = stride0;
    walk->stride[d][1] = stride1;
    walk->stride[d][2] = stride2;
}

static void swap(ebb__walk *walk, int a, int b) {
    const int64_t size = walk->size[a];
    walk->size[a] = walk->size[b];
    walk->size[b] = size;
    for (int i = 0; i < EBB__WALK_ARRAYS; i++) {
        const int64_t stride = walk->stride[a][i];
        walk->stride[a][i] = walk->stride[b][i];
        walk->stride[b][i] = stride;
    }
}

void ebb__walk_sort(ebb__walk *walk, int array) {
    for (int i = 1; i < walk->n; i++)
        for (int j = i; j > 0 && llabs(walk->stride[j][array]) > llabs(walk->stride[j - 1][array]); j--)
            swap(walk, j, j - 1);
}

void ebb__walk_merge(ebb__walk *walk) {
    int last = 0; /* the dimension into which the next may be merged */
    for (int d = 1; d < walk->n; d++) {
        bool one = true;
        for (int a = 0; a < EBB__WALK_ARRAYS; a++) one &= walk->stride[last][a] == walk->stride[d][a] * walk->size[d];
        if (!one) last++;
        walk->size[last] = one ? walk->size[last] * walk->size[d] : walk->size[d];
        for (int a = 0; a < EBB__WALK_ARRAYS; a++) walk->stride[last][a] = walk->stride[d][a];
    }
    if (walk->n > 0) walk->n = last + 1;
}

int64_t ebb__walk_count(const ebb__walk *walk) {
    int64_t count = 1;
    for (int d = 0; d < walk->n; d++) count *= walk->size[d];
    return count;
}

ebb__cursor ebb__walk_at(const ebb__walk *walk, int64_t position) {
    ebb__cursor cursor = {{0}, {0}};
    for (int d = walk->n - 1; d >= 0; d--) {
        cursor.index[d] = position % walk->size[d];
        position /= walk->size[d];
        for (int a = 0; a < EBB__WALK_ARRAYS; a++) cursor.offset[a] += cursor.index[d] * walk->stride[d][a];
    }
    return cursor;
}

void ebb__walk_carry(const ebb__walk *walk, ebb__cursor *cursor) {
    for (int d = walk->n - 1; d >= 0; d--) {
        for (int a = 0; a < EBB__WALK_ARRAYS; a++)
            cursor->offset[a] += walk->stride[d][a] * (1 - (cursor->index[d] < walk->size[d] ? 0 : walk->size[d]));
        if (cursor->index[d] < walk->size[d]) return;
        cursor->index[d] = 0;
        if (d > 0) cursor->index[d - 1]++;
    }
}
