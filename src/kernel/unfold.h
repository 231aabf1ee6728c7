/* Parts of the columns of one image, for the products that convolutions are made of; see im2col.c. */
#ifndef EBB_KERNEL_UNFOLD_H
#define EBB_KERNEL_UNFOLD_H

#include "kernel/conv.h"

/* Rows [row, row + n_rows) of the columns of the outputs [first, last), each last - first elements long. A row is one
 * tap of one channel; `image` is where the image's, or the group's, first channel begins. */
void ebb__unfold_rows(const ebb__conv *c, const char *image, int64_t row, int64_t n_rows, int64_t first, int64_t last,
                      char *columns);
/* The transpose: add them to the image. */
void ebb__fold_rows(const ebb__conv *c, const char *columns, int64_t row, int64_t n_rows, int64_t first, int64_t last,
                    char *image);

#endif
