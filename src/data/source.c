/* Bytes read in order from memory, through zlib when they are compressed by gzip. */
#include "data/source.h"
#include <string.h>
#ifdef EBB_HAVE_ZLIB
#include <limits.h>
#include <zlib.h>
#endif

static ebb_status too_short(const struct ebb__source *s, const char *what) {
    return ebb_fail(EBB_ERR_FORMAT, "%s: the file ends within its %s", s->name, what);
}

static bool is_gzip(const unsigned char *p, size_t n) { return n >= 2 && p[0] == 0x1F && p[1] == 0x8B; }

#ifdef EBB_HAVE_ZLIB

struct inflater {
    z_stream z;
    bool ended; /* the last member is complete */
};

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

static ebb_status inflater_open(struct ebb__source *s) {
    struct inflater *f = ebb_alloc(sizeof *f);
    if (!f) return ebb_error_status();
    *f = (struct inflater){.z = {.zalloc = zlib_alloc, .zfree = zlib_free}};
    if (inflateInit2(&f->z, 15 + 16) != Z_OK) { /* the largest window, and gzip's header */
        ebb_free(f, sizeof *f);
        return ebb_fail(EBB_ERR_MEMORY, "%s: zlib did not start", s->name);
    }
    s->inflater = f;
    return EBB_OK;
}

static void inflater_close(struct ebb__source *s) {
    struct inflater *f = s->inflater;
    inflateEnd(&f->z);
    ebb_free(f, sizeof *f);
}

/* A gzip file is one member or several, each with a checksum. Steps to the next; false when there is none. */
static bool next_member(struct ebb__source *s, struct inflater *f) {
    f->ended = !is_gzip(s->bytes + s->at, s->size - s->at);
    return !f->ended && inflateReset(&f->z) == Z_OK;
}

/* Inflate up to n bytes; *ret_n is fewer only at the end of the data. */
static ebb_status inflate_some(struct ebb__source *s, unsigned char *to, size_t n, size_t *ret_n) {
    struct inflater *f = s->inflater;
    *ret_n = 0;
    while (*ret_n < n && !f->ended) {
        size_t in = s->size - s->at, out = n - *ret_n;
        f->z.next_in = (Bytef *)(uintptr_t)(s->bytes + s->at); /* zlib does not write there */
        f->z.avail_in = in > UINT_MAX ? UINT_MAX : (unsigned)in;
        f->z.next_out = to + *ret_n;
        f->z.avail_out = out > UINT_MAX ? UINT_MAX : (unsigned)out;
        unsigned room = f->z.avail_out;
        int status = inflate(&f->z, Z_NO_FLUSH);
        s->at = (size_t)(f->z.next_in - s->bytes);
        *ret_n += room - f->z.avail_out;
        if (status == Z_STREAM_END) (void)next_member(s, f);
        else if (status == Z_MEM_ERROR) return ebb_fail(EBB_ERR_MEMORY, "%s: no memory to decompress", s->name);
        else if (status == Z_BUF_ERROR || (status == Z_OK && s->at == s->size && f->z.avail_out))
            return ebb_fail(EBB_ERR_FORMAT, "%s: the compressed data ends too early", s->name);
        else if (status != Z_OK)
            return ebb_fail(EBB_ERR_FORMAT, "%s: the compressed data is damaged%s%s", s->name, f->z.msg ? ": " : "",
                            f->z.msg ? f->z.msg : "");
    }
    return EBB_OK;
}

static ebb_status inflater_read(struct ebb__source *s, void *to, size_t n, const char *what) {
    size_t got;
    ebb_status status = inflate_some(s, to, n, &got);
    return status ? status : got < n ? too_short(s, what) : EBB_OK;
}

/* Reads on to the end of the compressed data, where its checksum is, which gives no more bytes if all is well. */
static ebb_status inflater_finish(struct ebb__source *s, bool *ret_more) {
    unsigned char byte;
    size_t got;
    ebb_status status = inflate_some(s, &byte, 1, &got);
    *ret_more = got || s->at < s->size;
    return status;
}

#else

static ebb_status inflater_open(struct ebb__source *s) {
    return ebb_fail(EBB_ERR_UNSUPPORTED, "%s: is compressed by gzip, and this build is without zlib", s->name);
}
static void inflater_close(struct ebb__source *s) { (void)s; }
static ebb_status inflater_read(struct ebb__source *s, void *to, size_t n, const char *what) {
    (void)to, (void)n;
    return too_short(s, what);
}
static ebb_status inflater_finish(struct ebb__source *s, bool *ret_more) {
    *ret_more = s->at < s->size;
    return EBB_OK;
}

#endif

ebb_status ebb__source_open(struct ebb__source *s, const void *bytes, size_t size, const char *name) {
    *s = (struct ebb__source){.name = name, .bytes = bytes, .size = size};
    return is_gzip(s->bytes, size) ? inflater_open(s) : EBB_OK;
}

void ebb__source_close(struct ebb__source *s) {
    if (s->inflater) inflater_close(s);
    s->inflater = NULL;
}

ebb_status ebb__source_read(struct ebb__source *s, void *ret_bytes, size_t n, const char *what) {
    if (s->inflater) return inflater_read(s, ret_bytes, n, what);
    if (s->size - s->at < n) return too_short(s, what);
    if (n) memcpy(ret_bytes, s->bytes + s->at, n);
    s->at += n;
    return EBB_OK;
}

ebb_status ebb__source_finish(struct ebb__source *s) {
    bool more = s->at < s->size;
    ebb_status status = s->inflater ? inflater_finish(s, &more) : EBB_OK;
    if (!status && more) status = ebb_fail(EBB_ERR_FORMAT, "%s: the file goes on after its elements", s->name);
    return status;
}

uint64_t ebb__source_most(const struct ebb__source *s) {
    enum { DEFLATE_RATIO = 1032, SLACK = 65536 }; /* deflate's best ratio, and what the decoder may hold already */
    uint64_t left = s->size - s->at;
    if (!s->inflater) return left;
    return left > (UINT64_MAX - SLACK) / DEFLATE_RATIO ? UINT64_MAX : left * DEFLATE_RATIO + SLACK;
}
