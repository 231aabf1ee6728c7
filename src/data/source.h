/* Bytes read in order from memory that may be compressed by gzip. */
#ifndef EBB_DATA_SOURCE_H
#define EBB_DATA_SOURCE_H

#include <ebb/base.h>

struct ebb__source {
    const char *name; /* in errors */
    const unsigned char *bytes;
    size_t size, at;
    void *inflater; /* NULL: plain */
};

/* EBB_ERR_UNSUPPORTED for gzip in a build without zlib. */
ebb_status ebb__source_open(struct ebb__source *s, const void *bytes, size_t size, const char *name);
void ebb__source_close(struct ebb__source *s);

/* Read exactly n bytes; EBB_ERR_FORMAT when there are fewer (`what` says of what) or the compressed data is damaged. */
ebb_status ebb__source_read(struct ebb__source *s, void *ret_bytes, size_t n, const char *what);

/* EBB_ERR_FORMAT unless everything has been read; for gzip this also checks the checksum at the end. */
ebb_status ebb__source_finish(struct ebb__source *s);

/* No more than this many bytes can be left to read. */
uint64_t ebb__source_most(const struct ebb__source *s);

#endif
