/* What winograd.isa.c and conv_winograd.c share: how the patches that tiles read and write lie in images, and the
 * transforms of the tiles that fill a vector. */
#ifndef EBB_KERNEL_WINOGRAD_H
#define EBB_KERNEL_WINOGRAD_H

#include "base/base.h"

enum {
    EBB__WINOGRAD_POINTS = 16, /* products that a tile of 2 x 2 outputs needs for each pair of channels */
    EBB__WINOGRAD_LANES = 16,  /* tiles of a group, at most: as many as a vector has elements */
    EBB__WINOGRAD_GROUPS = 16  /* that are transformed at once, at most, for one channel after the other */
};

/* Tiles side by side in one row of tiles of one image: `n` of them, from lane `lane` of the group on. Their patches
 * overlap or touch: together they are some rows of columns, of which those from `left` to `right` and from `top` to
 * `bottom` lie inside of the image. `at` is where the first element lies, from that of the first image's channel on, be
 * it inside or not. */
struct ebb__winograd_run {
    int64_t at;
    int8_t lane, n, left, right, top, bottom;
};

struct ebb__winograd_group {
    int64_t values; /* where theirs lie, behind those of the first group */
    int n_runs;
    struct ebb__winograd_run runs[EBB__WINOGRAD_LANES];
};

/* Of each of n channels, `step` elements apart, with rows of `width` elements. The value of point p of channel c is a
 * vector at values[p * point + c * channel]. */
struct ebb__winograd_planes {
    int64_t n, step, width;
    int64_t point, channel;
};

typedef struct ebb__winograd_table {
    int tiles; /* of a group; 0: there is no code */
    /* Of n groups. Patches of 4 x 4 elements, 2 apart, to values: B^T d B. */
    void (*input)(int n, const struct ebb__winograd_group *g, const struct ebb__winograd_planes *p, const float *x,
                  float *values);
    /* Values to patches of 2 x 2 elements: A^T m A, plus bias[n] unless that is NULL. */
    void (*output)(int n, const struct ebb__winograd_group *g, const struct ebb__winograd_planes *p,
                   const float *values, const float *bias, float *y);
    /* The transpose of that: A y A^T. */
    void (*gradient)(int n, const struct ebb__winograd_group *g, const struct ebb__winograd_planes *p, const float *y,
                     float *values);
} ebb__winograd_table;

#endif
