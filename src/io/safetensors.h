/* What reading and writing of safetensors share: names of element types. */
#ifndef EBB_IO_SAFETENSORS_H
#define EBB_IO_SAFETENSORS_H

#include <ebb/io.h>

#define EBB__SAFETENSORS_METADATA "__metadata__" /* the header's key for free text */

struct ebb__safetensors_type {
    char name[12]; /* as the header says it */
    unsigned bits;
    ebb_dtype dtype; /* EBB_DTYPE_NONE: none of Ebb's */
};

/* NULL when there is none. */
const struct ebb__safetensors_type *ebb__safetensors_type_of(const char *name);
const struct ebb__safetensors_type *ebb__safetensors_type_of_dtype(ebb_dtype dtype);

#endif
