/* Files and memory as bytes that can be read from any place. Files are read, not mapped, unless it is asked for: one
 * that another program cuts short meanwhile is an error then, and not the end of the program. */
#define _DEFAULT_SOURCE /* MAP_NORESERVE */
#define _FILE_OFFSET_BITS 64
#include "io/input.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

ebb_status ebb__null(const char *function, const char *argument) {
    return ebb_error() ? ebb_error_status() : ebb_fail(EBB_ERR_ARGUMENT, "%s: %s is NULL", function, argument);
}

static ebb_status cannot_read(const struct ebb__input *in) {
    return ebb_fail(EBB_ERR_IO, "%s: %s", in->name, strerror(errno));
}

/* Up to n bytes of the file, fewer only at its end; from where it stands when `at` is negative. -1 on failure. */
static ssize_t read_some(int descriptor, char *to, size_t n, off_t at) {
    size_t got = 0;
    while (got < n) {
        size_t part = n - got < (size_t)1 << 30 ? n - got : (size_t)1 << 30;
        ssize_t r = at < 0 ? read(descriptor, to + got, part) : pread(descriptor, to + got, part, at + (off_t)got);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return -1;
        if (r == 0) break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

/* A file of unknown size, whole. */
static ebb_status read_whole(struct ebb__input *in) {
    size_t capacity = 65536, size = 0;
    char *block = ebb_alloc(capacity);
    while (block) {
        ssize_t n = read_some(in->descriptor, block + size, capacity - size, -1);
        if (n < 0) {
            ebb_status status = cannot_read(in);
            ebb_free(block, capacity);
            return status;
        }
        size += (size_t)n;
        if (size < capacity) break;
        char *larger = ebb_alloc(capacity > SIZE_MAX / 2 ? SIZE_MAX : capacity * 2);
        if (larger) memcpy(larger, block, size);
        ebb_free(block, capacity);
        block = larger;
        capacity *= 2;
    }
    if (!block) return ebb_error_status();
    in->block = block;
    in->block_bytes = capacity;
    in->bytes = in->block;
    in->size = size;
    return EBB_OK;
}

ebb_status ebb__input_open(struct ebb__input *in, const char *path) {
    struct stat info;
    *in = (struct ebb__input){.name = path, .descriptor = open(path, O_RDONLY | O_CLOEXEC)};
    if (in->descriptor < 0) {
        ebb_status status = cannot_read(in);
        *in = (struct ebb__input){0};
        return status;
    }
    ebb_status status = EBB_OK;
    if (fstat(in->descriptor, &info)) status = cannot_read(in);
    else if (S_ISREG(info.st_mode) && info.st_size > 0) in->size = (uint64_t)info.st_size;
    else status = read_whole(in);
    if (status || in->block) {
        (void)close(in->descriptor);
        in->descriptor = -1;
    }
    if (status) *in = (struct ebb__input){0};
    return status;
}

void ebb__input_open_memory(struct ebb__input *in, const void *bytes, uint64_t size, const char *name) {
    *in = (struct ebb__input){.name = name, .size = size, .descriptor = -1, .bytes = bytes};
}

void ebb__input_close(struct ebb__input *in) {
    if (!in->name) return;
    if (in->descriptor >= 0) (void)close(in->descriptor);
    ebb_free(in->block, in->block_bytes);
    *in = (struct ebb__input){0};
}

ebb_status ebb__input_read(const struct ebb__input *in, uint64_t at, void *ret_bytes, size_t n) {
    if (at > in->size || n > in->size - at) return ebb_fail(EBB_ERR_FORMAT, "%s: the file is cut off", in->name);
    if (in->descriptor < 0) {
        if (n) memcpy(ret_bytes, in->bytes + at, n);
        return EBB_OK;
    }
    ssize_t got = read_some(in->descriptor, ret_bytes, n, (off_t)at);
    if (got < 0) return cannot_read(in);
    return (size_t)got == n ? EBB_OK : ebb_fail(EBB_ERR_IO, "%s: the file has become shorter", in->name);
}

void *ebb__input_map(const struct ebb__input *in, uint64_t at, size_t n, struct ebb__mapping *ret_mapping) {
    long page = sysconf(_SC_PAGESIZE);
    if (in->descriptor < 0 || page <= 0 || n == 0 || at > in->size || n > in->size - at) return NULL;
    size_t before = (size_t)(at % (uint64_t)page);
    if (n > SIZE_MAX - before) return NULL;
    void *start = mmap(NULL, n + before, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, in->descriptor,
                       (off_t)(at - before));
    if (start == MAP_FAILED) return NULL;
    *ret_mapping = (struct ebb__mapping){start, n + before};
    return (char *)start + before;
}

void ebb__unmap(struct ebb__mapping *mapping) { (void)munmap(mapping->start, mapping->bytes); }
