/* Saved tensors on disk: one temporary file, without a name from the moment it is made, so that nothing of it is left
 * however the program ends. Space in it is given out again once a tensor is released. */
#define _XOPEN_SOURCE 700 /* mkstemp, pread, pwrite, ftruncate */
#include "autograd/packers.h"
#include "record/call.h"
#include <string.h>

#if defined(__unix__) || defined(__APPLE__)
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- space in the file ---- */

struct extent {
    uint64_t at, bytes;
};

struct disk {
    int file;
    pthread_mutex_t mutex; /* guards what follows */
    uint64_t end;          /* of what was ever given out and not cut off */
    struct extent *gaps;   /* by place, none touching another or the end */
    size_t n_gaps, capacity;
    uint64_t taken; /* extents: there are at most as many gaps, and room for them */
};

/* The first gap that is large enough, else the end. Room for one gap more is made now, so that giving back cannot
 * fail. */
static ebb_status take(struct disk *d, uint64_t bytes, uint64_t *ret_at) {
    pthread_mutex_lock(&d->mutex);
    bool ok = ebb__grow((void **)&d->gaps, &d->capacity, (size_t)d->taken + 1, sizeof *d->gaps);
    size_t i = 0;
    while (i < d->n_gaps && d->gaps[i].bytes < bytes) i++;
    if (ok && i == d->n_gaps) {
        *ret_at = d->end;
        d->end += bytes;
    } else if (ok) {
        *ret_at = d->gaps[i].at;
        d->gaps[i].at += bytes;
        if (!(d->gaps[i].bytes -= bytes)) memmove(&d->gaps[i], &d->gaps[i + 1], (--d->n_gaps - i) * sizeof *d->gaps);
    }
    d->taken += ok;
    pthread_mutex_unlock(&d->mutex);
    return ok ? EBB_OK : ebb_error_status();
}

/* An extent becomes a gap, or part of the gaps beside it; a gap at the end is cut off. */
static void give(struct disk *d, uint64_t at, uint64_t bytes) {
    pthread_mutex_lock(&d->mutex);
    size_t i = 0;
    while (i < d->n_gaps && d->gaps[i].at < at) i++;
    bool before = i > 0 && d->gaps[i - 1].at + d->gaps[i - 1].bytes == at;
    bool after = i < d->n_gaps && at + bytes == d->gaps[i].at;
    if (before && after) {
        d->gaps[i - 1].bytes += bytes + d->gaps[i].bytes;
        memmove(&d->gaps[i], &d->gaps[i + 1], (--d->n_gaps - i) * sizeof *d->gaps);
    } else if (before) {
        d->gaps[i - 1].bytes += bytes;
    } else if (after) {
        d->gaps[i].at = at;
        d->gaps[i].bytes += bytes;
    } else {
        memmove(&d->gaps[i + 1], &d->gaps[i], (d->n_gaps++ - i) * sizeof *d->gaps);
        d->gaps[i] = (struct extent){at, bytes};
    }
    const struct extent *last = &d->gaps[d->n_gaps - 1];
    if (last->at + last->bytes == d->end) {
        d->end = last->at;
        d->n_gaps--;
        if (ftruncate(d->file, (off_t)d->end)) errno = 0; /* the space is used again instead */
    }
    d->taken--;
    pthread_mutex_unlock(&d->mutex);
}

/* ---- values ---- */

static ebb_status fail_io(const char *what, int error) {
    return ebb__fail_op("saved_to_disk", EBB_ERR_IO, "%s: %s", what, error ? strerror(error) : "the file is too short");
}

/* Write or read all bytes: the system may do fewer at a time. */
static ebb_status transfer(int file, char *data, uint64_t bytes, uint64_t at, bool writing) {
    while (bytes) {
        size_t some = bytes < (1U << 30) ? (size_t)bytes : 1U << 30;
        ssize_t n = writing ? pwrite(file, data, some, (off_t)at) : pread(file, data, some, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return fail_io(writing ? "cannot write a saved tensor" : "cannot read a saved tensor", n ? errno : 0);
        data += n;
        at += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return EBB_OK;
}

static size_t bytes_of(const ebb_tensor *t) {
    size_t bytes = (size_t)t->numel * ebb__dtype_sizes[t->dtype];
    return bytes <= t->storage->bytes ? bytes : 0; /* an expanded tensor has fewer elements in memory */
}

static void discard(void *context, const struct ebb__store *stored) { give(context, stored->word[0], stored->word[1]); }

static ebb_status put(void *context, ebb_tensor *t, struct ebb__store *ret_stored) {
    struct disk *d = context;
    ebb_tensor *flat = t;
    if (ebb__is_contiguous(t)) ebb__ref(flat);
    else flat = ebb__cast(t, (ebb_dtype)t->dtype);
    if (!flat) return ebb_error_status();
    ret_stored->word[1] = (uint64_t)t->numel * ebb__dtype_sizes[t->dtype];
    ebb_status status = take(d, ret_stored->word[1], &ret_stored->word[0]);
    if (!status) {
        status = transfer(d->file, flat->data, ret_stored->word[1], ret_stored->word[0], true);
        if (status) discard(d, ret_stored);
    }
    ebb__unref(flat);
    return status;
}

static ebb_status get(void *context, const struct ebb__store *stored, ebb_tensor *into) {
    const struct disk *d = context;
    return transfer(d->file, into->data, stored->word[1], stored->word[0], false);
}

static void end(void *context) {
    struct disk *d = context;
    (void)close(d->file);
    pthread_mutex_destroy(&d->mutex);
    ebb__free(d->gaps, d->capacity * sizeof *d->gaps);
    ebb__free(d, sizeof *d);
}

/* ---- the file ---- */

static int open_unnamed(const char *directory) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/ebb-saved-XXXXXX", directory);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int file = mkstemp(path);
    if (file >= 0) (void)unlink(path);
    return file;
}

ebb_saved_hooks(ebb_saved_to_disk)(const char *directory) {
    static const struct ebb__packer packer = {
        .bytes = bytes_of, .put = put, .get = get, .discard = discard, .end = end};
    if (!directory) directory = getenv("TMPDIR");
    if (!directory || !directory[0]) directory = P_tmpdir;
    struct disk *d = ebb__alloc_zeroed(sizeof *d);
    if (!d) return (ebb_saved_hooks){0};
    d->file = open_unnamed(directory);
    if (d->file < 0) {
        ebb__fail_op("saved_to_disk", EBB_ERR_IO, "cannot make a file in \"%s\": %s", directory, strerror(errno));
        ebb__free(d, sizeof *d);
        return (ebb_saved_hooks){0};
    }
    pthread_mutex_init(&d->mutex, NULL);
    return ebb__packer_hooks(&packer, d);
}

#else

ebb_saved_hooks(ebb_saved_to_disk)(const char *directory) {
    (void)directory;
    ebb__fail_op("saved_to_disk", EBB_ERR_UNSUPPORTED, "temporary files are not supported on this system");
    return (ebb_saved_hooks){0};
}

#endif
