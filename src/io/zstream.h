/* zlib with Ebb's memory. */
#ifndef EBB_IO_ZSTREAM_H
#define EBB_IO_ZSTREAM_H

#include <ebb/base.h>
#ifdef EBB_HAVE_ZLIB
#include <zlib.h>

/* A stream to be given to inflateInit2 or deflateInit2. */
z_stream ebb__zstream(void);

/* crc32() for any size. */
uint32_t ebb__crc32(uint32_t crc, const void *bytes, size_t n);

#endif
#endif
