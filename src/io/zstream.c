/* zlib with Ebb's memory: counted, cached, and made to fail as all of it is. */
#include "io/zstream.h"
#ifdef EBB_HAVE_ZLIB
#include <limits.h>
#include <string.h>

/* zlib gives blocks back without their size: it is kept in front. */
enum { BLOCK_HEADER = 16 };

static void *zlib_alloc(void *context, unsigned items, unsigned size) {
    (void)context;
    size_t bytes = (size_t)items * size + BLOCK_HEADER;
    char *block = ebb_alloc(bytes);
    if (!block) return NULL;
    memcpy(block, &bytes, sizeof bytes);
    return block + BLOCK_HEADER;
}

static void zlib_free(void *context, void *p) {
    (void)context;
    char *block = (char *)p - BLOCK_HEADER;
    size_t bytes;
    memcpy(&bytes, block, sizeof bytes);
    ebb_free(block, bytes);
}

z_stream ebb__zstream(void) { return (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free}; }

uint32_t ebb__crc32(uint32_t crc, const void *bytes, size_t n) {
    const Bytef *p = bytes;
    uLong value = crc;
    for (size_t part; n > 0; n -= part, p += part) {
        part = n < UINT_MAX ? n : UINT_MAX;
        value = crc32(value, p, (uInt)part);
    }
    return (uint32_t)value;
}

#endif
