/* Elements that lie apart, brought together and put back. Strides in bytes; `size` is that of an element. */
#ifndef EBB_TENSOR_STRIDED_H
#define EBB_TENSOR_STRIDED_H

#include <ebb/base.h>

void ebb__gather(int64_t n, size_t size, void *to, const char *from, int64_t stride);
void ebb__scatter(int64_t n, size_t size, char *to, int64_t stride, const void *from);

#endif
