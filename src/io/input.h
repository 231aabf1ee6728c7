/* The bytes of a file, or of memory, read from any place. */
#ifndef EBB_IO_INPUT_H
#define EBB_IO_INPUT_H

#include <ebb/tensor.h>

struct ebb__input {
    const char *name; /* in errors; borrowed */
    uint64_t size;
    int descriptor;             /* of a file, -1 for memory */
    const unsigned char *bytes; /* memory */
    void *block;                /* the memory is this block of the input's own: what a pipe gave, whole */
    size_t block_bytes;
};

/* Open a file, which must stay as it is while it is read (it may be replaced by another). What has no size, such as a
 * pipe, is read to its end. EBB_ERR_IO. */
ebb_status ebb__input_open(struct ebb__input *in, const char *path);

/* The same for memory, which must stay until ebb__input_close(). */
void ebb__input_open_memory(struct ebb__input *in, const void *bytes, uint64_t size, const char *name);

/* Does nothing for an input that is all zero. */
void ebb__input_close(struct ebb__input *in);

/* Read n bytes at a place; EBB_ERR_FORMAT when there are not as many. */
ebb_status ebb__input_read(const struct ebb__input *in, uint64_t at, void *ret_bytes, size_t n);

/* Map a file's bytes into memory, privately: what is written to them stays out of the file. NULL, without an error,
 * where that is not possible. */
struct ebb__mapping {
    void *start; /* of its first page */
    size_t bytes;
};
void *ebb__input_map(const struct ebb__input *in, uint64_t at, size_t n, struct ebb__mapping *ret_mapping);
void ebb__unmap(struct ebb__mapping *mapping);

/* The pending error's status, or a new EBB_ERR_ARGUMENT: "<function>: <argument> is NULL". */
ebb_status ebb__null(const char *function, const char *argument);

#endif
