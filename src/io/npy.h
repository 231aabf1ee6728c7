/* One array as NumPy's .npy has it: a header that is a Python literal, then the elements. */
#ifndef EBB_IO_NPY_H
#define EBB_IO_NPY_H

#include "io/elements.h"
#include "io/source.h"

enum { EBB__NPY_HEADER_MIN = 10, EBB__NPY_HEADER_MAX = 512 /* of those that Ebb writes */ };

struct ebb__npy {
    bool foreign;      /* it does not begin as such an array does; the rest is not set */
    char problem[160]; /* why there is no tensor for it, "" when there is; the rest is not set then */
    struct ebb__element element;
    bool fortran; /* column-major */
    ebb_dims shape;
    uint64_t count, bytes; /* elements, and all bytes with the header */
};

/* EBB_ERR_FORMAT for a header that is damaged. */
ebb_status ebb__npy_read_header(struct ebb__source *s, struct ebb__npy *ret_npy);

/* A new tensor with what the source holds, all of it; NULL and an error on failure. */
ebb_tensor *ebb__npy_read(struct ebb__source *s);

/* The header for a tensor's elements in row-major order, byte for byte numpy.save's. Returns its length. */
size_t ebb__npy_header(const ebb_tensor *t, char ret_header[EBB__NPY_HEADER_MAX]);

#endif
