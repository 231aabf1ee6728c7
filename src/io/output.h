/* Files that appear complete or not at all. */
#ifndef EBB_IO_OUTPUT_H
#define EBB_IO_OUTPUT_H

#include <ebb/base.h>

struct ebb__output {
    const char *path; /* as the caller gave it; borrowed */
    FILE *file;       /* what is written goes here; errors of it are noticed at the end too */
    int problem;      /* errno of the first failure */
    char *names;      /* where the file is written, and where it goes then; NULL: written in its place */
    const char *target;
    size_t names_bytes;
};

/* Begin a file: it is written beside its place, and takes the place of what was there, with its permissions, when
 * ebb__output_close() finds it complete. A symbolic link stays one. What is no regular file, such as a pipe or a
 * device, is written as it is. EBB_ERR_IO. */
ebb_status ebb__output_open(struct ebb__output *o, const char *path);

ebb_status ebb__output_write(struct ebb__output *o, const void *bytes, size_t n);

/* Write over what has been written at a place, and go on at the end. EBB_ERR_IO also for a pipe. */
ebb_status ebb__output_overwrite(struct ebb__output *o, uint64_t at, const void *bytes, size_t n);

/* End it: renamed if `status` is EBB_OK and all has been written, removed otherwise. Returns `status`, or
 * EBB_ERR_IO. */
ebb_status ebb__output_close(struct ebb__output *o, ebb_status status);

#endif
