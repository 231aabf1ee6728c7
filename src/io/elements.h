/* Elements as files hold them: of more kinds than Ebb has dtypes, and in either order of bytes. */
#ifndef EBB_IO_ELEMENTS_H
#define EBB_IO_ELEMENTS_H

#include <ebb/tensor.h>

struct ebb__element {
    char kind; /* NumPy's letters: 'b' bool, 'u' unsigned, 'i' signed, 'f' floating point, 'V' bfloat16 */
    unsigned char size;
    bool big; /* big-endian */
};

/* The dtype that holds every value of such elements; EBB_DTYPE_NONE where there is none. */
ebb_dtype ebb__element_dtype(struct ebb__element e);

/* The elements of a dtype, in the machine's order of bytes. */
struct ebb__element ebb__element_of(ebb_dtype dtype);

/* Whether this machine is big-endian. */
bool ebb__big_endian(void);

/* How many elements a shape has; false when they are more than `most`. */
bool ebb__elements_count(const ebb_dims *shape, uint64_t most, uint64_t *ret_count);

/* Elements at the beginning of `data` become those of their dtype, which may be wider: there is room for them. */
void ebb__elements_convert(void *data, uint64_t count, struct ebb__element from);

/* Swap the bytes of each element. */
void ebb__elements_swap(void *data, uint64_t count, size_t size);

/* Whatever bytes a file holds, a bool is 0 or 1. */
void ebb__elements_tidy_bools(void *data, uint64_t count);

/* t, or a copy, with elements in row-major order without gaps; not recorded. Owned by the innermost scope. */
ebb_tensor *ebb__plain(ebb_tensor *t);

#endif
