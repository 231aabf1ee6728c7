/* What reading and writing of safetensors share: names of element types, and byte order. */
#ifndef EBB_IO_SAFETENSORS_H
#define EBB_IO_SAFETENSORS_H

#include <ebb/io.h>

struct ebb__safetensors_type {
    char name[8]; /* as the header says it */
    uint64_t size;
    ebb_dtype dtype; /* EBB_DTYPE_NONE: none of Ebb's */
};

/* NULL when there is none. */
const struct ebb__safetensors_type *ebb__safetensors_type_of(const char *name);
const struct ebb__safetensors_type *ebb__safetensors_type_of_dtype(ebb_dtype dtype);

/* Bring elements from the file's byte order to the machine's, or back. */
void ebb__safetensors_swap(void *data, size_t bytes, size_t element);

/* The pending error's status, or a new EBB_ERR_ARGUMENT: "<what> is NULL". */
ebb_status ebb__safetensors_null(const char *what);

#endif
