/* The bytes of an input read in order, through zlib where they are compressed. */
#ifndef EBB_IO_SOURCE_H
#define EBB_IO_SOURCE_H

#include "io/input.h"

struct ebb__source {
    const char *name; /* in errors */
    const struct ebb__input *input;
    uint64_t at, end; /* what is left of the input's bytes */
    void *inflater;   /* NULL: they are not compressed */
    bool member;      /* of an archive: the bytes given must have this checksum */
    uint32_t crc, stated_crc;
};

/* All of an input, plain or compressed by gzip, told apart by content. EBB_ERR_UNSUPPORTED for gzip in a build without
 * zlib. */
ebb_status ebb__source_open(struct ebb__source *s, const struct ebb__input *input);

/* `packed` bytes at a place of an input, as they are or deflated, of which the archive states a checksum (CRC-32). For
 * builds with zlib. */
ebb_status ebb__source_open_member(struct ebb__source *s, const struct ebb__input *input, const char *name, uint64_t at,
                                   uint64_t packed, bool deflated, uint32_t crc);

/* Does nothing for a source that is all zero. */
void ebb__source_close(struct ebb__source *s);

/* Read exactly n bytes; EBB_ERR_FORMAT when there are fewer (`what` says of what) or the compressed data is damaged. */
ebb_status ebb__source_read(struct ebb__source *s, void *ret_bytes, size_t n, const char *what);

/* EBB_ERR_FORMAT unless everything has been read, and the checksum is right where there is one. */
ebb_status ebb__source_finish(struct ebb__source *s);

/* No more than this many bytes can be left to read. */
uint64_t ebb__source_most(const struct ebb__source *s);

#endif
