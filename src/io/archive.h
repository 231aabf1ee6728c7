/* Files of named tensors, whatever their format: finding an entry, and filling tensors that are there. */
#ifndef EBB_IO_ARCHIVE_H
#define EBB_IO_ARCHIVE_H

#include "io/input.h"
#include <ebb/opdef.h>

struct ebb__entry {
    const char *name; /* lives as long as the archive */
    ebb_dtype dtype;  /* EBB_DTYPE_NONE: none of Ebb's */
    ebb_dims shape;
    uint64_t at, bytes; /* where its data lies in the file */
    const void *detail; /* the format's own */
};

struct ebb__archive {
    struct ebb__input input;
    char *name; /* of the file, for errors */
    size_t name_bytes;
    struct ebb__entry *entries; /* in the order of their data */
    const struct ebb__entry **by_name;
    int64_t n, room;
    /* A new tensor with an entry's elements; NULL and an error on failure. */
    ebb_tensor *(*get)(const struct ebb__archive *a, const struct ebb__entry *e);
};

/* Begin an archive, all zero so far, over a file or over memory. */
ebb_status ebb__archive_open(struct ebb__archive *a, const char *path);
ebb_status ebb__archive_open_memory(struct ebb__archive *a, const void *bytes, size_t size, const char *name);

/* Room for so many entries, which the format then fills, counting them in a->n; and their order by name, once they are
 * there. EBB_ERR_FORMAT for a name that is there twice. */
ebb_status ebb__archive_make_room(struct ebb__archive *a, int64_t n);
ebb_status ebb__archive_index(struct ebb__archive *a);

/* Does nothing for one that is all zero. */
void ebb__archive_close(struct ebb__archive *a);

/* NULL for one that is not there, and for an archive that is NULL. */
const struct ebb__entry *ebb__archive_entry(const struct ebb__archive *a, int64_t i);
const struct ebb__entry *ebb__archive_find(const struct ebb__archive *a, const char *name);

/* A new tensor by name; EBB_ERR_NAME when there is none. */
ebb_tensor *ebb__archive_get(const struct ebb__archive *a, const char *name);

/* Whether path, names and tensors are there: none of them NULL. */
ebb_status ebb__archive_check(const char *function, const char *path, const char *const *names, ebb_list tensors);

/* Fill tensors, which have been checked so, with the entries of these names, all or none. */
ebb_status ebb__archive_load(const struct ebb__archive *a, const char *const *names, ebb_list tensors);

#endif
