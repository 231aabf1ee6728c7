/* Writing zip archives. Every member says its sizes in 64 bits, as NumPy's do, so that they need not be known
 * before. */
#include "io/zip.h"
#ifdef EBB_HAVE_ZLIB
#include "io/zstream.h"
#include <limits.h>
#include <string.h>

enum {
    BUFFER = 65536,
    VERSION = 45, /* of the format: with zip64 */
    UNIX = 3,
    UTF8 = 0x800,
    DEFLATED = 8,
    DAY = 1 << 5 | 1, /* 1 January 1980, the first one: an archive depends on what it holds, not on when */
    MODE = 0600 << 16,
    CRC_AT = 14, /* in a member's header */
    HEADER = 30,
    EXTRA = 20
};

struct member {
    const char *name, *suffix;
    uint64_t header, packed, size;
    uint32_t crc;
};

struct ebb__zip_writer {
    struct ebb__output *o;
    uint64_t at; /* bytes written */
    struct member *members;
    int64_t n, room;
    bool deflated;
    z_stream z;
    unsigned char buffer[BUFFER];
};

/* A record as it is made: little-endian numbers one after another. */
struct record {
    unsigned char bytes[128];
    size_t n;
};

static void put(struct record *r, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) r->bytes[r->n++] = (unsigned char)(value >> (8 * i));
}

static void sign(struct record *r, const char *signature) {
    memcpy(r->bytes, signature, 4);
    r->n = 4;
}

static ebb_status put_bytes(struct ebb__zip_writer *w, const void *bytes, size_t n) {
    w->at += n;
    return ebb__output_write(w->o, bytes, n);
}

static ebb_status put_record(struct ebb__zip_writer *w, const struct record *r) { return put_bytes(w, r->bytes, r->n); }

static ebb_status put_name(struct ebb__zip_writer *w, const struct member *m) {
    ebb_status status = put_bytes(w, m->name, strlen(m->name));
    return status ? status : put_bytes(w, m->suffix, strlen(m->suffix));
}

static size_t name_length(const struct member *m) { return strlen(m->name) + strlen(m->suffix); }

struct ebb__zip_writer *ebb__zip_writer_new(struct ebb__output *o, int64_t n, bool deflated) {
    struct ebb__zip_writer *w = ebb_alloc(sizeof *w);
    if (!w) return NULL;
    memset(w, 0, offsetof(struct ebb__zip_writer, buffer));
    w->o = o;
    w->room = n;
    w->members = ebb_alloc((size_t)n * sizeof *w->members);
    w->z = ebb__zstream();
    if (w->members && deflated) {
        w->deflated = deflateInit2(&w->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK;
        if (!w->deflated) ebb_fail(EBB_ERR_MEMORY, "%s: zlib did not start", o->path);
    }
    if (w->members && w->deflated == deflated) return w;
    ebb__zip_writer_free(w);
    return NULL;
}

void ebb__zip_writer_free(struct ebb__zip_writer *w) {
    if (!w) return;
    if (w->deflated) deflateEnd(&w->z);
    ebb_free(w->members, (size_t)w->room * sizeof *w->members);
    ebb_free(w, sizeof *w);
}

/* ---- members ---- */

/* What a member's header and the directory's entry have in common, from the version to the length of the name. */
static void put_common(struct record *r, const struct ebb__zip_writer *w, const struct member *m, uint64_t packed,
                       uint64_t size) {
    bool ascii = true;
    for (const char *c = m->name; *c; c++) ascii = ascii && *c > 0;
    put(r, VERSION, 2);
    put(r, ascii ? 0 : UTF8, 2);
    put(r, w->deflated ? DEFLATED : 0, 2);
    put(r, 0, 2); /* midnight */
    put(r, DAY, 2);
    put(r, m->crc, 4);
    put(r, packed, 4);
    put(r, size, 4);
    put(r, name_length(m), 2);
}

ebb_status ebb__zip_begin(struct ebb__zip_writer *w, const char *name, const char *suffix) {
    struct member *m = &w->members[w->n];
    struct record r;
    *m = (struct member){.name = name, .suffix = suffix, .header = w->at};
    sign(&r, "PK\3\4");
    put_common(&r, w, m, UINT32_MAX, UINT32_MAX);
    put(&r, EXTRA, 2);
    ebb_status status = put_record(w, &r);
    if (!status) status = put_name(w, m);
    r.n = 0;
    put(&r, 1, 2); /* zip64 */
    put(&r, EXTRA - 4, 2);
    put(&r, 0, 8); /* the sizes, when they are known */
    put(&r, 0, 8);
    return status ? status : put_record(w, &r);
}

/* Give zlib what it has been set to read, and write what it makes of it. */
static ebb_status run_deflate(struct ebb__zip_writer *w, int flush) {
    ebb_status status = EBB_OK;
    do {
        w->z.next_out = w->buffer;
        w->z.avail_out = BUFFER;
        (void)deflate(&w->z, flush);
        size_t n = BUFFER - w->z.avail_out;
        w->members[w->n].packed += n;
        status = put_bytes(w, w->buffer, n);
    } while (!status && w->z.avail_out == 0);
    return status;
}

ebb_status ebb__zip_write(struct ebb__zip_writer *w, const void *bytes, size_t n) {
    struct member *m = &w->members[w->n];
    ebb_status status = EBB_OK;
    m->size += n;
    m->crc = ebb__crc32(m->crc, bytes, n);
    if (!w->deflated) {
        m->packed += n;
        return put_bytes(w, bytes, n);
    }
    const unsigned char *p = bytes;
    for (size_t part; n > 0 && !status; n -= part, p += part) {
        part = n < UINT_MAX ? n : UINT_MAX;
        w->z.next_in = (Bytef *)(uintptr_t)p; /* zlib only reads it */
        w->z.avail_in = (unsigned)part;
        status = run_deflate(w, Z_NO_FLUSH);
    }
    return status;
}

ebb_status ebb__zip_end(struct ebb__zip_writer *w) {
    struct member *m = &w->members[w->n];
    struct record crc = {.n = 0}, sizes = {.n = 0};
    ebb_status status = EBB_OK;
    if (w->deflated) {
        status = run_deflate(w, Z_FINISH);
        deflateReset(&w->z);
    }
    put(&crc, m->crc, 4);
    put(&sizes, m->size, 8);
    put(&sizes, m->packed, 8);
    if (!status) status = ebb__output_overwrite(w->o, m->header + CRC_AT, crc.bytes, crc.n);
    if (!status) status = ebb__output_overwrite(w->o, m->header + HEADER + name_length(m) + 4, sizes.bytes, sizes.n);
    w->n++;
    return status;
}

/* ---- the directory ---- */

static uint64_t or_ones(uint64_t value, uint64_t ones) { return value < ones ? value : ones; }

static ebb_status put_entry(struct ebb__zip_writer *w, const struct member *m) {
    struct record r, extra = {.n = 4};
    const uint64_t fields[] = {m->size, m->packed, m->header};
    for (int i = 0; i < 3; i++)
        if (fields[i] >= UINT32_MAX) put(&extra, fields[i], 8);
    size_t n = extra.n > 4 ? extra.n : 0;
    extra.n = 0;
    put(&extra, 1, 2);
    put(&extra, n ? n - 4 : 0, 2);
    extra.n = n;
    sign(&r, "PK\1\2");
    put(&r, VERSION | UNIX << 8, 2);
    put_common(&r, w, m, or_ones(m->packed, UINT32_MAX), or_ones(m->size, UINT32_MAX));
    put(&r, n, 2);
    put(&r, 0, 6); /* no comment; the first part; nothing known of its contents */
    put(&r, MODE, 4);
    put(&r, or_ones(m->header, UINT32_MAX), 4);
    ebb_status status = put_record(w, &r);
    if (!status) status = put_name(w, m);
    return status ? status : put_record(w, &extra);
}

/* zip64's record at the end, and where it is, when the other's fields are too small. */
static ebb_status put_end64(struct ebb__zip_writer *w, uint64_t directory, uint64_t bytes) {
    struct record r;
    uint64_t here = w->at, n = (uint64_t)w->n;
    sign(&r, "PK\6\6");
    put(&r, 44, 8); /* bytes that follow */
    put(&r, VERSION, 2);
    put(&r, VERSION, 2);
    put(&r, 0, 8); /* the first part, of one */
    put(&r, n, 8);
    put(&r, n, 8);
    put(&r, bytes, 8);
    put(&r, directory, 8);
    ebb_status status = put_record(w, &r);
    sign(&r, "PK\6\7");
    put(&r, 0, 4);
    put(&r, here, 8);
    put(&r, 1, 4);
    return status ? status : put_record(w, &r);
}

ebb_status ebb__zip_finish(struct ebb__zip_writer *w) {
    struct record r;
    uint64_t directory = w->at, n = (uint64_t)w->n;
    ebb_status status = EBB_OK;
    for (int64_t i = 0; i < w->n && !status; i++) status = put_entry(w, &w->members[i]);
    uint64_t bytes = w->at - directory;
    if (!status && (n >= UINT16_MAX || bytes >= UINT32_MAX || directory >= UINT32_MAX))
        status = put_end64(w, directory, bytes);
    sign(&r, "PK\5\6");
    put(&r, 0, 4);
    put(&r, or_ones(n, UINT16_MAX), 2);
    put(&r, or_ones(n, UINT16_MAX), 2);
    put(&r, or_ones(bytes, UINT32_MAX), 4);
    put(&r, or_ones(directory, UINT32_MAX), 4);
    put(&r, 0, 2); /* no comment */
    return status ? status : put_record(w, &r);
}

#endif
