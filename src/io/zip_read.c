/* Reading a zip archive's directory. Nothing that it says is believed before it has been held against the file. */
#include "io/zip.h"
#ifdef EBB_HAVE_ZLIB
#include <stdlib.h>
#include <string.h>

enum {
    END = 22,            /* bytes of the record at the end, without its comment */
    COMMENT_MAX = 65535, /* which may follow it */
    LOCATOR = 20,        /* zip64: says where the larger record is */
    END64 = 56,
    ENTRY = 46, /* of the directory, without what follows it */
    HEADER = 30,
    STORED = 0,
    DEFLATED = 8,
    LATER = 8, /* flags: a member's own header does not know checksum and sizes yet */
    ENCRYPTED = 0x2041
};

static uint64_t little(const unsigned char *p, int n) {
    uint64_t v = 0;
    for (int i = n - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static bool is(const unsigned char *p, const char *signature) { return memcmp(p, signature, 4) == 0; }

static ebb_status damaged(const struct ebb__input *in, const char *what) {
    return ebb_fail(EBB_ERR_FORMAT, "%s: is damaged, or no zip archive: %s", in->name, what);
}

bool ebb__zip_readable(const struct ebb__zip_member *m) {
    return !(m->flags & ENCRYPTED) && (m->method == STORED || m->method == DEFLATED);
}

/* ---- the end of the file ---- */

struct directory {
    uint64_t at, bytes, entries;
};

static ebb_status read_end64(const struct ebb__input *in, uint64_t locator_at, const unsigned char *locator,
                             struct directory *ret_directory, uint64_t *ret_end) {
    unsigned char end[END64];
    uint64_t at = little(locator + 8, 8);
    if (little(locator + 4, 4) != 0 || little(locator + 16, 4) > 1) return damaged(in, "it has several parts");
    if (at > locator_at || locator_at - at < END64) return damaged(in, "its zip64 record is out of place");
    ebb_status status = ebb__input_read(in, at, end, END64);
    if (status) return status;
    if (!is(end, "PK\6\6") || little(end + 4, 8) != locator_at - at - 12)
        return damaged(in, "its zip64 record is out of place");
    if (little(end + 16, 4) || little(end + 20, 4) || little(end + 24, 8) != little(end + 32, 8))
        return damaged(in, "it has several parts");
    *ret_directory =
        (struct directory){.entries = little(end + 32, 8), .bytes = little(end + 40, 8), .at = little(end + 48, 8)};
    *ret_end = at;
    return EBB_OK;
}

/* Where the directory is: said by the last record of the file, and by zip64's before it, if there is one. The directory
 * lies right before them. */
static ebb_status read_end(const struct ebb__input *in, unsigned char *tail, size_t n,
                           struct directory *ret_directory) {
    uint64_t start = in->size - n;
    ebb_status status = ebb__input_read(in, start, tail, n);
    if (status) return status;
    size_t at = n - END;
    while (!(is(tail + at, "PK\5\6") && little(tail + at + 20, 2) == n - END - at))
        if (at-- == 0) return damaged(in, "it has no directory");
    const unsigned char *end = tail + at;
    uint64_t directory_end = start + at;
    *ret_directory =
        (struct directory){.entries = little(end + 10, 2), .bytes = little(end + 12, 4), .at = little(end + 16, 4)};
    if (at >= LOCATOR && is(end - LOCATOR, "PK\6\7"))
        status = read_end64(in, start + at - LOCATOR, end - LOCATOR, ret_directory, &directory_end);
    else if (little(end + 4, 2) || little(end + 6, 2) || little(end + 8, 2) != little(end + 10, 2))
        status = damaged(in, "it has several parts");
    if (status) return status;
    const struct directory *d = ret_directory;
    if (d->at > directory_end || d->bytes != directory_end - d->at || d->entries > d->bytes / ENTRY)
        return damaged(in, "its directory is out of place");
    return EBB_OK;
}

static ebb_status find_directory(const struct ebb__input *in, struct directory *ret_directory) {
    size_t n = END + COMMENT_MAX + LOCATOR;
    if (in->size < END) return damaged(in, "it has no directory");
    if (in->size < n) n = (size_t)in->size;
    unsigned char *tail = ebb_alloc(n);
    if (!tail) return ebb_error_status();
    ebb_status status = read_end(in, tail, n, ret_directory);
    ebb_free(tail, n);
    return status;
}

/* ---- the directory ---- */

/* Sizes and place of a member that do not fit 32 bits are in an extra field, those of them that are all ones, in this
 * order. */
static bool read_extra(struct ebb__zip_member *m, const unsigned char *p, size_t n) {
    while (n >= 4) {
        size_t id = little(p, 2), bytes = little(p + 2, 2);
        p += 4;
        n -= 4;
        if (bytes > n) return false;
        uint64_t *const fields[] = {&m->size, &m->packed, &m->header};
        size_t at = 0;
        for (int i = 0; i < 3 && id == 1; i++) {
            if (*fields[i] != UINT32_MAX) continue;
            if (bytes - at < 8) return false;
            *fields[i] = little(p + at, 8);
            at += 8;
        }
        p += bytes;
        n -= bytes;
    }
    return n == 0;
}

/* One entry of the directory at p, n bytes before its end; the bytes it takes, 0 when it is damaged. */
static size_t read_entry(struct ebb__zip_member *m, unsigned char *p, size_t n, size_t *ret_name) {
    if (n < ENTRY || !is(p, "PK\1\2")) return 0;
    size_t name = little(p + 28, 2), extra = little(p + 30, 2), comment = little(p + 32, 2);
    if (name + extra + comment > n - ENTRY || little(p + 34, 2) != 0) return 0;
    *m = (struct ebb__zip_member){.name = (char *)p + ENTRY,
                                  .flags = (uint16_t)little(p + 8, 2),
                                  .method = (uint16_t)little(p + 10, 2),
                                  .crc = (uint32_t)little(p + 16, 4),
                                  .packed = little(p + 20, 4),
                                  .size = little(p + 24, 4),
                                  .header = little(p + 42, 4)};
    *ret_name = name;
    if (memchr(m->name, 0, name) || !read_extra(m, p + ENTRY + name, extra)) return 0;
    return ENTRY + name + extra + comment;
}

/* Whether 32 bits are a size, or say that it is in zip64's. */
static bool says(const unsigned char *p, uint64_t size) {
    uint64_t v = little(p, 4);
    return v == size || v == UINT32_MAX;
}

/* A member's own header says the same, as far as it must; behind it are the bytes, before the directory. */
static ebb_status check_header(const struct ebb__input *in, struct ebb__zip_member *m, size_t name, uint64_t end) {
    unsigned char header[HEADER], part[256];
    if (m->header > end || end - m->header < HEADER) return damaged(in, "a member is out of place");
    ebb_status status = ebb__input_read(in, m->header, header, HEADER);
    if (status) return status;
    size_t extra = little(header + 28, 2);
    bool agrees = is(header, "PK\3\4") && little(header + 8, 2) == m->method && little(header + 26, 2) == name;
    if (!(little(header + 6, 2) & LATER))
        agrees =
            agrees && little(header + 14, 4) == m->crc && says(header + 18, m->packed) && says(header + 22, m->size);
    if (!agrees) return damaged(in, "a member and the directory do not agree");
    m->at = m->header + HEADER + name + extra;
    if (m->at > end || end - m->at < m->packed) return damaged(in, "a member is out of place");
    for (size_t at = 0, n; at < name; at += n) {
        n = name - at < sizeof part ? name - at : sizeof part;
        if ((status = ebb__input_read(in, m->header + HEADER + at, part, n))) return status;
        if (memcmp(part, m->name + at, n) != 0) return damaged(in, "a member and the directory do not agree");
    }
    if (m->method == STORED && m->packed != m->size) return damaged(in, "a stored member has two sizes");
    return EBB_OK;
}

static int by_place(const void *a, const void *b) {
    const struct ebb__zip_member *x = a, *y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

static ebb_status read_directory(struct ebb__zip *z, const struct ebb__input *in, const struct directory *d) {
    unsigned char *p = z->directory;
    size_t left = (size_t)d->bytes;
    ebb_status status = ebb__input_read(in, d->at, p, left);
    for (; z->n < (int64_t)d->entries && !status; z->n++) {
        struct ebb__zip_member *m = &z->members[z->n];
        size_t name = 0, bytes = read_entry(m, p, left, &name);
        if (!bytes) return damaged(in, "an entry of its directory makes no sense");
        status = check_header(in, m, name, d->at);
        p += bytes;
        left -= bytes;
        /* Where the name ends the next entry begins: a byte before it, which has been read, makes room for its end. */
        memmove(m->name - 1, m->name, name);
        m->name--;
        m->name[name] = '\0';
    }
    if (status) return status;
    if (left) return damaged(in, "its directory is out of place");
    if (z->n) qsort(z->members, (size_t)z->n, sizeof *z->members, by_place);
    for (int64_t i = 1; i < z->n; i++)
        if (z->members[i].header < z->members[i - 1].at + z->members[i - 1].packed)
            return damaged(in, "two members share bytes");
    return EBB_OK;
}

ebb_status ebb__zip_open(struct ebb__zip *ret_zip, const struct ebb__input *in) {
    struct directory d = {0};
    *ret_zip = (struct ebb__zip){0};
    ebb_status status = find_directory(in, &d);
    if (status) return status;
    ret_zip->directory_bytes = (size_t)d.bytes;
    ret_zip->members_bytes = (size_t)d.entries * sizeof *ret_zip->members;
    ret_zip->directory = ebb_alloc(ret_zip->directory_bytes);
    ret_zip->members = ret_zip->directory ? ebb_alloc(ret_zip->members_bytes) : NULL;
    return ret_zip->members ? read_directory(ret_zip, in, &d) : ebb_error_status();
}

void ebb__zip_close(struct ebb__zip *z) {
    ebb_free(z->members, z->members_bytes);
    ebb_free(z->directory, z->directory_bytes);
    *z = (struct ebb__zip){0};
}

#endif
