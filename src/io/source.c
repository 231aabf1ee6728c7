/* Bytes read in order, through zlib when they are compressed: gzip files, and the members of zip archives. */
#include "io/source.h"
#include "io/zstream.h"
#include <limits.h>
#include <string.h>

static ebb_status too_short(const struct ebb__source *s, const char *what) {
    return ebb_fail(EBB_ERR_FORMAT, "%s: the file ends within its %s", s->name, what);
}

/* Whether a gzip member begins where the source stands. */
static ebb_status is_gzip(const struct ebb__source *s, bool *ret_is) {
    unsigned char magic[2] = {0, 0};
    ebb_status status = s->end - s->at < 2 ? EBB_OK : ebb__input_read(s->input, s->at, magic, 2);
    *ret_is = magic[0] == 0x1F && magic[1] == 0x8B;
    return status;
}

#ifdef EBB_HAVE_ZLIB

enum { BUFFER = 65536 };

struct inflater {
    z_stream z;
    bool gzip, ended;       /* the last member is complete */
    unsigned char buffer[]; /* what has been read of a file, ahead of `at` */
};

static size_t inflater_bytes(const struct ebb__source *s) {
    return sizeof(struct inflater) + (s->input->bytes ? 0 : BUFFER);
}

static ebb_status inflater_open(struct ebb__source *s, bool gzip) {
    struct inflater *f = ebb_alloc(inflater_bytes(s));
    if (!f) return ebb_error_status();
    f->z = ebb__zstream();
    f->gzip = gzip;
    f->ended = false;
    if (inflateInit2(&f->z, gzip ? 15 + 16 : -15) != Z_OK) { /* the largest window; gzip's header, or none */
        ebb_free(f, inflater_bytes(s));
        return ebb_fail(EBB_ERR_MEMORY, "%s: zlib did not start", s->name);
    }
    s->inflater = f;
    return EBB_OK;
}

static void inflater_close(struct ebb__source *s) {
    struct inflater *f = s->inflater;
    inflateEnd(&f->z);
    ebb_free(f, inflater_bytes(s));
}

static ebb_status refill(struct ebb__source *s, struct inflater *f) {
    uint64_t left = s->end - s->at, most = s->input->bytes ? UINT_MAX : BUFFER;
    f->z.avail_in = (unsigned)(left < most ? left : most);
    f->z.next_in = s->input->bytes ? (Bytef *)(uintptr_t)(s->input->bytes + s->at) : f->buffer; /* zlib only reads it */
    return s->input->bytes ? EBB_OK : ebb__input_read(s->input, s->at, f->buffer, f->z.avail_in);
}

/* A gzip file is one member or several, each with a checksum. Steps to the next; there may be none. */
static ebb_status next_member(struct ebb__source *s, struct inflater *f) {
    bool more = false;
    ebb_status status = f->gzip ? is_gzip(s, &more) : EBB_OK;
    f->ended = status || !more || inflateReset(&f->z) != Z_OK;
    return status;
}

static ebb_status inflate_failed(const struct ebb__source *s, int result) {
    const struct inflater *f = s->inflater;
    if (result == Z_MEM_ERROR) return ebb_fail(EBB_ERR_MEMORY, "%s: no memory to decompress", s->name);
    if (result == Z_OK || result == Z_BUF_ERROR)
        return ebb_fail(EBB_ERR_FORMAT, "%s: the compressed data ends too early", s->name);
    return ebb_fail(EBB_ERR_FORMAT, "%s: the compressed data is damaged%s%s", s->name, f->z.msg ? ": " : "",
                    f->z.msg ? f->z.msg : "");
}

/* Inflate up to n bytes; *ret_n is fewer only at the end of the data. */
static ebb_status inflate_some(struct ebb__source *s, unsigned char *to, size_t n, size_t *ret_n) {
    struct inflater *f = s->inflater;
    ebb_status status = EBB_OK;
    *ret_n = 0;
    while (*ret_n < n && !f->ended && !status) {
        if (!f->z.avail_in && (status = refill(s, f))) return status;
        size_t out = n - *ret_n;
        f->z.next_out = to + *ret_n;
        f->z.avail_out = out > UINT_MAX ? UINT_MAX : (unsigned)out;
        unsigned room = f->z.avail_out, had = f->z.avail_in;
        int result = inflate(&f->z, Z_NO_FLUSH);
        s->at += had - f->z.avail_in;
        *ret_n += room - f->z.avail_out;
        if (result == Z_STREAM_END) status = next_member(s, f);
        else if (result != Z_OK || (s->at == s->end && f->z.avail_out)) return inflate_failed(s, result);
    }
    return status;
}

static ebb_status inflater_read(struct ebb__source *s, void *to, size_t n, const char *what) {
    size_t got;
    ebb_status status = inflate_some(s, to, n, &got);
    return status ? status : got < n ? too_short(s, what) : EBB_OK;
}

/* Reads on to the end of the compressed data, where gzip's checksum is, which gives no more bytes if all is well. */
static ebb_status inflater_finish(struct ebb__source *s, bool *ret_more) {
    unsigned char byte;
    size_t got;
    ebb_status status = inflate_some(s, &byte, 1, &got);
    *ret_more = got || s->at < s->end;
    return status;
}

ebb_status ebb__source_open_member(struct ebb__source *s, const struct ebb__input *input, const char *name, uint64_t at,
                                   uint64_t packed, bool deflated, uint32_t crc) {
    *s = (struct ebb__source){
        .name = name, .input = input, .at = at, .end = at + packed, .member = true, .stated_crc = crc};
    return deflated ? inflater_open(s, false) : EBB_OK;
}

static void add_to_crc(struct ebb__source *s, const void *bytes, size_t n) {
    if (s->member) s->crc = ebb__crc32(s->crc, bytes, n);
}

#else

static ebb_status inflater_open(struct ebb__source *s, bool gzip) {
    (void)gzip;
    return ebb_fail(EBB_ERR_UNSUPPORTED, "%s: is compressed by gzip, and this build is without zlib", s->name);
}
static void inflater_close(struct ebb__source *s) { (void)s; }
static ebb_status inflater_read(struct ebb__source *s, void *to, size_t n, const char *what) {
    (void)to, (void)n;
    return too_short(s, what);
}
static ebb_status inflater_finish(struct ebb__source *s, bool *ret_more) {
    *ret_more = s->at < s->end;
    return EBB_OK;
}
static void add_to_crc(struct ebb__source *s, const void *bytes, size_t n) { (void)s, (void)bytes, (void)n; }

#endif

ebb_status ebb__source_open(struct ebb__source *s, const struct ebb__input *input) {
    bool gzip;
    *s = (struct ebb__source){.name = input->name, .input = input, .end = input->size};
    ebb_status status = is_gzip(s, &gzip);
    return status || !gzip ? status : inflater_open(s, true);
}

void ebb__source_close(struct ebb__source *s) {
    if (s->inflater) inflater_close(s);
    *s = (struct ebb__source){0};
}

ebb_status ebb__source_read(struct ebb__source *s, void *ret_bytes, size_t n, const char *what) {
    ebb_status status;
    if (s->inflater) {
        status = inflater_read(s, ret_bytes, n, what);
    } else {
        if (s->end - s->at < n) return too_short(s, what);
        status = ebb__input_read(s->input, s->at, ret_bytes, n);
        s->at += n;
    }
    if (!status) add_to_crc(s, ret_bytes, n);
    return status;
}

ebb_status ebb__source_finish(struct ebb__source *s) {
    bool more = s->at < s->end;
    ebb_status status = s->inflater ? inflater_finish(s, &more) : EBB_OK;
    if (!status && more) status = ebb_fail(EBB_ERR_FORMAT, "%s: the file goes on after its elements", s->name);
    if (!status && s->member && s->crc != s->stated_crc)
        status = ebb_fail(EBB_ERR_FORMAT, "%s: is damaged: its checksum is wrong", s->name);
    return status;
}

uint64_t ebb__source_most(const struct ebb__source *s) {
    enum { DEFLATE_RATIO = 1032, SLACK = 65536 }; /* deflate's best ratio, and what the decoder may hold already */
    uint64_t left = s->end - s->at;
    if (!s->inflater) return left;
    return left > (UINT64_MAX - SLACK) / DEFLATE_RATIO ? UINT64_MAX : left * DEFLATE_RATIO + SLACK;
}
