/* NumPy's .npz: a zip archive of .npy files, whose names are those of the arrays. */
#include "io/archive.h"
#include "io/npy.h"
#include "io/zip.h"
#include <ebb/io.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".npy"
enum { SUFFIX_LENGTH = 4, NAME_MAX_LENGTH = 65535 - SUFFIX_LENGTH };

struct ebb_npz {
    struct ebb__archive archive;
    struct ebb__zip zip;
};

/* ---- what a file holds ---- */

static const struct ebb__archive *archive_of(const ebb_npz *f) { return f ? &f->archive : NULL; }

int64_t ebb_npz_count(const ebb_npz *f) { return f ? f->archive.n : 0; }

const char *ebb_npz_name(const ebb_npz *f, int64_t i) {
    const struct ebb__entry *e = ebb__archive_entry(archive_of(f), i);
    return e ? e->name : "";
}

ebb_dtype ebb_npz_dtype(const ebb_npz *f, int64_t i) {
    const struct ebb__entry *e = ebb__archive_entry(archive_of(f), i);
    return e ? e->dtype : EBB_DTYPE_NONE;
}

ebb_dims ebb_npz_shape(const ebb_npz *f, int64_t i) {
    const struct ebb__entry *e = ebb__archive_entry(archive_of(f), i);
    return e ? e->shape : EBB_NO_DIMS;
}

int64_t ebb_npz_find(const ebb_npz *f, const char *name) {
    const struct ebb__entry *e = ebb__archive_find(archive_of(f), name);
    return e ? e - f->archive.entries : -1;
}

#ifdef EBB_HAVE_ZLIB

/* UTF-8 without overlong forms, surrogates and what is beyond Unicode (RFC 3629). */
static bool is_utf8(const char *text) {
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        int more = *p < 0x80                 ? 0
                   : *p >= 0xC2 && *p < 0xE0 ? 1
                   : (*p & 0xF0) == 0xE0     ? 2
                   : *p >= 0xF0 && *p < 0xF5 ? 3
                                             : -1;
        if (more < 0 || (*p == 0xE0 && p[1] < 0xA0) || (*p == 0xED && p[1] >= 0xA0) || (*p == 0xF0 && p[1] < 0x90) ||
            (*p == 0xF4 && p[1] >= 0x90))
            return false;
        for (p++; more > 0; more--, p++)
            if ((*p & 0xC0) != 0x80) return false;
    }
    return true;
}

/* ---- reading ---- */

/* A member as it is called in errors: the file and the array. */
struct title {
    char text[512];
};

static const char *title_of(struct title *t, const struct ebb__archive *a, const char *name) {
    (void)snprintf(t->text, sizeof t->text, "%.400s: \"%.64s\"", a->name, name);
    return t->text;
}

static ebb_status open_member(struct ebb__source *s, const struct ebb__archive *a, const struct ebb__zip_member *m,
                              const char *title) {
    return ebb__source_open_member(s, &a->input, title, m->at, m->packed, m->method != 0, m->crc);
}

/* The header of the array in a member; `foreign` when it is none. */
static ebb_status read_member(const struct ebb__archive *a, const struct ebb__zip_member *m, struct ebb__npy *ret_npy) {
    struct ebb__source s;
    struct title title;
    *ret_npy = (struct ebb__npy){.foreign = true};
    if (!ebb__zip_readable(m) || m->size < EBB__NPY_HEADER_MIN) return EBB_OK;
    ebb_status status = open_member(&s, a, m, title_of(&title, a, m->name));
    if (!status && m->size > ebb__source_most(&s))
        status = ebb_fail(EBB_ERR_FORMAT, "%s: says it has more bytes than it can", s.name);
    if (!status) status = ebb__npy_read_header(&s, ret_npy);
    if (!status && !ret_npy->foreign && !ret_npy->problem[0] && ret_npy->bytes != m->size)
        status = ebb_fail(EBB_ERR_FORMAT, "%s: shape and size do not agree", s.name);
    ebb__source_close(&s);
    return status;
}

static ebb_status read_entries(ebb_npz *f) {
    struct ebb__archive *a = &f->archive;
    ebb_status status = ebb__zip_open(&f->zip, &a->input);
    if (!status) status = ebb__archive_make_room(a, f->zip.n);
    for (int64_t i = 0; i < f->zip.n && !status; i++) {
        struct ebb__zip_member *m = &f->zip.members[i];
        struct ebb__npy npy;
        size_t length = strlen(m->name);
        if (!is_utf8(m->name)) return ebb_fail(EBB_ERR_FORMAT, "%s: a name is not UTF-8", a->name);
        if (length >= SUFFIX_LENGTH && strcmp(m->name + length - SUFFIX_LENGTH, SUFFIX) == 0)
            m->name[length - SUFFIX_LENGTH] = '\0';
        status = read_member(a, m, &npy);
        struct ebb__entry *e = &a->entries[a->n++];
        *e = (struct ebb__entry){.name = m->name, .at = m->at, .bytes = m->packed, .detail = m};
        if (npy.foreign || npy.problem[0]) continue;
        e->dtype = ebb__element_dtype(npy.element);
        e->shape = npy.shape;
    }
    return status ? status : ebb__archive_index(a);
}

static ebb_tensor *get(const struct ebb__archive *a, const struct ebb__entry *e) {
    const struct ebb__zip_member *m = e->detail;
    struct ebb__source s = {0};
    struct title title;
    ebb_tensor *t = NULL;
    title_of(&title, a, e->name);
    if (!ebb__zip_readable(m))
        ebb_fail(EBB_ERR_UNSUPPORTED, "%s: is encrypted, or compressed by method %d; stored and deflated is known",
                 title.text, m->method);
    else if (!open_member(&s, a, m, title.text)) t = ebb__npy_read(&s);
    ebb__source_close(&s);
    return t;
}

static ebb_status open_archive(const char *path, const void *bytes, size_t size, const char *name, ebb_npz **ret_file) {
    ebb_npz *f = ebb_alloc(sizeof *f);
    if (!f) return ebb_error_status();
    *f = (ebb_npz){0};
    ebb_status status =
        path ? ebb__archive_open(&f->archive, path) : ebb__archive_open_memory(&f->archive, bytes, size, name);
    f->archive.get = get;
    if (!status) status = read_entries(f);
    if (status) ebb_npz_close(f);
    else *ret_file = f;
    return status;
}

static void close_zip(ebb_npz *f) { ebb__zip_close(&f->zip); }

/* ---- writing ---- */

static int compare_names(const void *a, const void *b) {
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static ebb_status check_names(const char *const *names, int64_t n) {
    size_t bytes = (size_t)n * sizeof *names;
    for (int64_t i = 0; i < n; i++) {
        if (!is_utf8(names[i])) return ebb_fail(EBB_ERR_ARGUMENT, "npz_save: a name is not UTF-8: \"%.64s\"", names[i]);
        if (strlen(names[i]) > NAME_MAX_LENGTH)
            return ebb_fail(EBB_ERR_ARGUMENT, "npz_save: a name has %zu bytes; at most %d are possible",
                            strlen(names[i]), NAME_MAX_LENGTH);
    }
    const char **sorted = ebb_alloc(bytes);
    if (!sorted) return ebb_error_status();
    ebb_status status = EBB_OK;
    if (n) memcpy(sorted, names, bytes);
    if (n) qsort(sorted, (size_t)n, sizeof *sorted, compare_names);
    for (int64_t i = 1; i < n && !status; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            status = ebb_fail(EBB_ERR_ARGUMENT, "npz_save: the name \"%.64s\" is there twice", sorted[i]);
    ebb_free(sorted, bytes);
    return status;
}

static ebb_status write_array(struct ebb__zip_writer *w, const char *name, ebb_tensor *t) {
    char header[EBB__NPY_HEADER_MAX];
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *plain = ebb__plain(t);
    ebb_status status = plain ? ebb__zip_begin(w, name, SUFFIX) : ebb_error_status();
    if (!status) status = ebb__zip_write(w, header, ebb__npy_header(t, header));
    if (!status)
        status = ebb__zip_write(w, ebb_tensor_data(plain),
                                (size_t)ebb_tensor_numel(t) * ebb_dtype_size(ebb_tensor_dtype(t)));
    if (!status) status = ebb__zip_end(w);
    ebb_scope_close(&scope);
    return status;
}

static ebb_status save(const char *path, const char *const *names, ebb_list tensors, bool compressed) {
    struct ebb__output o;
    ebb_status status = check_names(names, tensors.n);
    if (status || (status = ebb__output_open(&o, path))) return status;
    struct ebb__zip_writer *w = ebb__zip_writer_new(&o, tensors.n, compressed);
    if (!w) status = ebb_error_status();
    for (int64_t i = 0; i < tensors.n && !status; i++) status = write_array(w, names[i], tensors.t[i]);
    if (!status) status = ebb__zip_finish(w);
    ebb__zip_writer_free(w);
    return ebb__output_close(&o, status);
}

#else

static ebb_status without_zlib(const char *name) {
    return ebb_fail(EBB_ERR_UNSUPPORTED, "%s: this build is without zlib, which .npz files need", name);
}

static ebb_status open_archive(const char *path, const void *bytes, size_t size, const char *name, ebb_npz **ret_file) {
    (void)bytes, (void)size, (void)ret_file;
    return without_zlib(path ? path : name);
}

static void close_zip(ebb_npz *f) { (void)f; }

static ebb_status save(const char *path, const char *const *names, ebb_list tensors, bool compressed) {
    (void)names, (void)tensors, (void)compressed;
    return without_zlib(path);
}

#endif

/* ---- the public functions ---- */

ebb_status(ebb_npz_save)(const char *path, const char *const *names, ebb_list tensors, ebb_npz_options options) {
    ebb_status status = ebb__archive_check("npz_save", path, names, tensors);
    return status ? status : save(path, names, tensors, options.compressed);
}

ebb_status(ebb_npz_open)(const char *path, ebb_npz **ret_file) {
    if (!path || !ret_file) return ebb__null("npz_open", path ? "ret_file" : "path");
    return open_archive(path, NULL, 0, NULL, ret_file);
}

ebb_status(ebb_npz_open_memory)(const void *bytes, size_t size, const char *name, ebb_npz **ret_file) {
    if (!name || !ret_file) return ebb__null("npz_open_memory", name ? "ret_file" : "name");
    if (size && !bytes) return ebb__null("npz_open_memory", "bytes");
    return open_archive(NULL, bytes, size, name, ret_file);
}

ebb_tensor *(ebb_npz_get)(ebb_npz *f, const char *name) {
    if (f && name) return ebb__archive_get(&f->archive, name);
    ebb__null("npz_get", f ? "name" : "file");
    return NULL;
}

ebb_status(ebb_npz_load)(const char *path, const char *const *names, ebb_list tensors) {
    ebb_npz *f;
    ebb_status status = ebb__archive_check("npz_load", path, names, tensors);
    if (status || (status = (ebb_npz_open)(path, &f))) return status;
    status = ebb__archive_load(&f->archive, names, tensors);
    ebb_npz_close(f);
    return status;
}

ebb_npz *ebb_npz_close(ebb_npz *f) {
    if (!f) return NULL;
    close_zip(f);
    ebb__archive_close(&f->archive);
    ebb_free(f, sizeof *f);
    return NULL;
}
