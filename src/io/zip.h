/* Zip archives, as far as NumPy's .npz needs them: members stored or deflated, sizes of any number of bits (zip64).
 * Format: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", version 6.3. In builds with zlib. */
#ifndef EBB_IO_ZIP_H
#define EBB_IO_ZIP_H

#include "io/output.h"
#include "io/source.h"

/* ---- reading ---- */

struct ebb__zip_member {
    char *name;
    uint64_t header, at; /* where its own header is, and its bytes */
    uint64_t packed, size;
    uint32_t crc;
    uint16_t flags, method;
};

struct ebb__zip {
    struct ebb__zip_member *members; /* in the order of their places */
    int64_t n;
    size_t members_bytes;
    unsigned char *directory; /* the names lie in it */
    size_t directory_bytes;
};

/* Read the directory and hold it against the file: all of it is used, no two members share a byte. EBB_ERR_FORMAT. */
ebb_status ebb__zip_open(struct ebb__zip *ret_zip, const struct ebb__input *in);

/* Does nothing for one that is all zero. */
void ebb__zip_close(struct ebb__zip *z);

/* Whether its bytes can be read: it is stored or deflated, and not encrypted. */
bool ebb__zip_readable(const struct ebb__zip_member *m);

/* ---- writing ---- */

struct ebb__zip_writer;

/* Begin an archive of up to n members. NULL and an error on failure. */
struct ebb__zip_writer *ebb__zip_writer_new(struct ebb__output *o, int64_t n, bool deflated);

/* A member: begun by its name, which must stay, in UTF-8, and a suffix; then its bytes; then its end. */
ebb_status ebb__zip_begin(struct ebb__zip_writer *w, const char *name, const char *suffix);
ebb_status ebb__zip_write(struct ebb__zip_writer *w, const void *bytes, size_t n);
ebb_status ebb__zip_end(struct ebb__zip_writer *w);

/* The directory, at the end. */
ebb_status ebb__zip_finish(struct ebb__zip_writer *w);

/* Accepts NULL. */
void ebb__zip_writer_free(struct ebb__zip_writer *w);

#endif
