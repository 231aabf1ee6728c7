/* Files that appear complete or not at all: written beside their place, brought to the disk, then renamed. */
#define _XOPEN_SOURCE 700 /* realpath */
#define _FILE_OFFSET_BITS 64
#include "io/output.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ebb_status failed(const struct ebb__output *o, int problem) {
    return ebb_fail(problem == ENOMEM ? EBB_ERR_MEMORY : EBB_ERR_IO, "%s cannot be written: %s", o->path,
                    strerror(problem));
}

/* A new file in the folder of `target`, under a name of its own; returns its descriptor, -1 on failure. */
static int create(struct ebb__output *o, const char *target) {
    static _Atomic unsigned counter;
    enum { SUFFIX = 48, TRIES = 100 };
    const char *slash = strrchr(target, '/');
    size_t folder = slash ? (size_t)(slash - target) + 1 : 0, length = strlen(target) + 1;
    o->names_bytes = folder + SUFFIX + length;
    if (!(o->names = ebb_alloc(o->names_bytes))) return errno = ENOMEM, -1;
    char *kept = o->names + folder + SUFFIX;
    memcpy(o->names, target, folder);
    memcpy(kept, target, length);
    o->target = kept;
    for (int i = 0; i < TRIES; i++) { /* a program that was killed may have left one of its number */
        (void)snprintf(o->names + folder, SUFFIX, ".ebb-%ld-%u.part", (long)getpid(), atomic_fetch_add(&counter, 1U));
        int descriptor = open(o->names, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST) return descriptor;
    }
    return -1;
}

static int open_descriptor(struct ebb__output *o) {
    struct stat info;
    char resolved[PATH_MAX];
    bool there = stat(o->path, &info) == 0;
    if (!there && errno != ENOENT) return -1;
    if (there && !S_ISREG(info.st_mode)) return open(o->path, O_WRONLY | O_CLOEXEC);
    if (there && (!realpath(o->path, resolved) || access(resolved, W_OK))) return -1;
    int descriptor = create(o, there ? resolved : o->path);
    if (descriptor >= 0 && there) (void)fchmod(descriptor, info.st_mode & 0777);
    return descriptor;
}

static void forget(struct ebb__output *o) {
    ebb_free(o->names, o->names_bytes);
    *o = (struct ebb__output){0};
}

ebb_status ebb__output_open(struct ebb__output *o, const char *path) {
    *o = (struct ebb__output){.path = path};
    int descriptor = open_descriptor(o);
    o->file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (o->file) return EBB_OK;
    ebb_status status = failed(o, errno);
    if (descriptor >= 0) {
        (void)close(descriptor);
        if (o->names) (void)unlink(o->names);
    }
    forget(o);
    return status;
}

static ebb_status note(struct ebb__output *o, bool good) {
    if (good) return EBB_OK;
    if (!o->problem) o->problem = errno;
    return failed(o, o->problem);
}

ebb_status ebb__output_write(struct ebb__output *o, const void *bytes, size_t n) {
    return note(o, n == 0 || fwrite(bytes, 1, n, o->file) == n);
}

ebb_status ebb__output_overwrite(struct ebb__output *o, uint64_t at, const void *bytes, size_t n) {
    return note(o, fseeko(o->file, (off_t)at, SEEK_SET) == 0 && fwrite(bytes, 1, n, o->file) == n &&
                       fseeko(o->file, 0, SEEK_END) == 0);
}

/* Bring what was written to the disk; 0, or the errno of what went wrong. */
static int complete(const struct ebb__output *o) {
    if (ferror(o->file)) return o->problem ? o->problem : EIO; /* others write to the file as well */
    if (fflush(o->file)) return errno;
    return o->names && fsync(fileno(o->file)) ? errno : 0;
}

ebb_status ebb__output_close(struct ebb__output *o, ebb_status status) {
    int problem = status ? 0 : complete(o);
    if (fclose(o->file) && !problem) problem = errno;
    if (!status && !problem && o->names && rename(o->names, o->target)) problem = errno;
    if (!status && problem) status = failed(o, problem);
    if (status && o->names) (void)unlink(o->names);
    forget(o);
    return status;
}
