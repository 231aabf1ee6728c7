/* Convolutions by oneDNN; see conv_dnnl.c. */
#ifndef EBB_KERNEL_CONV_DNNL_H
#define EBB_KERNEL_CONV_DNNL_H

#include "kernel/conv.h"
#include "kernel/dnnl.h"

/* The result from the other two arrays, plus bias (of y's or x's channels) unless that is NULL. Not done, with success,
 * when it is not for the library, or the library is not there or refuses. */
ebb_status ebb__conv_by_dnnl(const ebb__conv *c, enum ebb__dnnl_result result, const void *x, const void *w,
                             const void *y, const void *bias, bool *ret_done);

#endif
