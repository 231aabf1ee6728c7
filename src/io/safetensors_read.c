/* Reading safetensors: a header that is not believed until every offset has been checked against the file. */
#define _POSIX_C_SOURCE 200809L
#include "io/safetensors.h"
#include <ebb/ops.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef EBB_HAVE_JANSSON
#include <jansson.h>
#endif

enum { HEADER_MAX = 100000000 }; /* the format's own limit */

struct entry {
    const char *name; /* in the JSON text's tree */
    const struct ebb__safetensors_type *type;
    ebb_dims shape;
    uint64_t first, last; /* bytes, from the end of the header */
};

struct ebb_safetensors {
    char *name; /* of the file, for errors */
    size_t name_bytes;
    FILE *stream; /* NULL: in memory */
    const unsigned char *bytes;
    uint64_t size, data; /* bytes of the file, and where its data begins */
    void *json;
    struct entry *entries; /* by their place */
    int64_t n;
    size_t capacity;
};

int64_t ebb_safetensors_count(const ebb_safetensors *f) { return f ? f->n : 0; }

static const struct entry *entry_at(const ebb_safetensors *f, int64_t i) {
    return f && i >= 0 && i < f->n ? &f->entries[i] : NULL;
}

const char *ebb_safetensors_name(const ebb_safetensors *f, int64_t i) {
    const struct entry *e = entry_at(f, i);
    return e ? e->name : "";
}

ebb_dtype ebb_safetensors_dtype(const ebb_safetensors *f, int64_t i) {
    const struct entry *e = entry_at(f, i);
    return e ? e->type->dtype : EBB_DTYPE_NONE;
}

ebb_dims ebb_safetensors_shape(const ebb_safetensors *f, int64_t i) {
    const struct entry *e = entry_at(f, i);
    return e ? e->shape : EBB_NO_DIMS;
}

int64_t ebb_safetensors_find(const ebb_safetensors *f, const char *name) {
    for (int64_t i = 0; f && name && i < f->n; i++)
        if (strcmp(f->entries[i].name, name) == 0) return i;
    return -1;
}

#ifdef EBB_HAVE_JANSSON

static ebb_status read_at(ebb_safetensors *f, uint64_t at, void *ret_bytes, size_t n) {
    if (at > f->size || n > f->size - at) return ebb_fail(EBB_ERR_FORMAT, "%s: the file is cut off", f->name);
    if (!f->stream) {
        if (n) memcpy(ret_bytes, f->bytes + at, n);
        return EBB_OK;
    }
    if (fseeko(f->stream, (off_t)at, SEEK_SET) || fread(ret_bytes, 1, n, f->stream) != n)
        return ebb_fail(EBB_ERR_IO, "%s: %s", f->name,
                        ferror(f->stream) ? strerror(errno) : "the file has become shorter");
    return EBB_OK;
}

static ebb_status wrong(const ebb_safetensors *f, const char *name, const char *what) {
    return ebb_fail(EBB_ERR_FORMAT, "%s: entry \"%.64s\": %s", f->name, name, what);
}

/* The sizes, and with them the bytes that the entry must have. */
static ebb_status read_shape(const ebb_safetensors *f, struct entry *e, const json_t *shape) {
    size_t n = json_array_size(shape);
    uint64_t bytes = e->type->size;
    if (!json_is_array(shape)) return wrong(f, e->name, "has no shape");
    if (n > EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_UNSUPPORTED, "%s: entry \"%.64s\": has %zu dimensions; at most %d are possible",
                        f->name, e->name, n, EBB_MAX_NDIM);
    bool empty = false;
    for (size_t i = 0; i < n; i++) {
        const json_t *size = json_array_get(shape, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return wrong(f, e->name, "a size is not a whole number");
        e->shape.d[i] = (int64_t)json_integer_value(size);
        empty = empty || e->shape.d[i] == 0;
    }
    e->shape.n = (int32_t)n;
    for (size_t i = 0; i < n && !empty; i++) {
        uint64_t size = (uint64_t)e->shape.d[i];
        if (bytes > (uint64_t)INT64_MAX / size) return wrong(f, e->name, "the shape is larger than any file");
        bytes *= size;
    }
    if (e->last - e->first != (empty ? 0 : bytes)) return wrong(f, e->name, "shape and offsets do not agree");
    return EBB_OK;
}

static ebb_status read_entry(ebb_safetensors *f, const char *name, const json_t *value) {
    struct entry *e = &f->entries[f->n];
    *e = (struct entry){.name = name};
    const json_t *dtype = json_object_get(value, "dtype"), *offsets = json_object_get(value, "data_offsets");
    if (!json_is_object(value)) return wrong(f, name, "is not an object");
    if (!json_is_string(dtype)) return wrong(f, name, "has no dtype");
    e->type = ebb__safetensors_type_of(json_string_value(dtype));
    if (!e->type) return wrong(f, name, "has an unknown dtype");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return wrong(f, name, "has no data_offsets");
    if (json_integer_value(first) < 0 || json_integer_value(last) < json_integer_value(first) ||
        (uint64_t)json_integer_value(last) > f->size - f->data)
        return wrong(f, name, "data_offsets are out of range");
    e->first = (uint64_t)json_integer_value(first);
    e->last = (uint64_t)json_integer_value(last);
    ebb_status status = read_shape(f, e, json_object_get(value, "shape"));
    if (!status) f->n++;
    return status;
}

static int by_place(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    if (x->last != y->last) return x->last < y->last ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Entries must cover the data without gaps and without sharing a byte. */
static ebb_status check_places(const ebb_safetensors *f) {
    uint64_t end = 0;
    for (int64_t i = 0; i < f->n; i++) {
        const struct entry *e = &f->entries[i];
        if (e->first != end) return wrong(f, e->name, e->first < end ? "overlaps another" : "leaves a gap before it");
        end = e->last;
    }
    if (end != f->size - f->data)
        return ebb_fail(EBB_ERR_FORMAT, "%s: has %llu bytes of data, its entries %llu", f->name,
                        (unsigned long long)(f->size - f->data), (unsigned long long)end);
    return EBB_OK;
}

static ebb_status read_entries(ebb_safetensors *f) {
    json_t *root = f->json, *value;
    const char *name;
    f->capacity = json_object_size(root) * sizeof(struct entry);
    f->entries = ebb_alloc(f->capacity);
    if (!f->entries) return ebb_error_status();
    json_object_foreach(root, name, value) {
        if (strcmp(name, "__metadata__") == 0) continue; /* free text, none of which Ebb reads */
        ebb_status status = read_entry(f, name, value);
        if (status) return status;
    }
    if (f->n) qsort(f->entries, (size_t)f->n, sizeof *f->entries, by_place);
    return check_places(f);
}

static ebb_status read_header(ebb_safetensors *f) {
    unsigned char length[8];
    uint64_t n = 0;
    ebb_status status = read_at(f, 0, length, 8);
    if (status) return status;
    for (int i = 7; i >= 0; i--) n = n << 8 | length[i];
    if (n > HEADER_MAX || n > f->size - 8)
        return ebb_fail(EBB_ERR_FORMAT, "%s: says its header has %llu bytes, more than there can be", f->name,
                        (unsigned long long)n);
    f->data = 8 + n;
    char *text = ebb_alloc((size_t)n);
    if (!text) return ebb_error_status();
    status = read_at(f, 8, text, (size_t)n);
    json_error_t error;
    if (!status) {
        f->json = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &error);
        if (!f->json) status = ebb_fail(EBB_ERR_FORMAT, "%s: the header is not JSON: %s", f->name, error.text);
        else if (!json_is_object((json_t *)f->json))
            status = ebb_fail(EBB_ERR_FORMAT, "%s: the header is not a JSON object", f->name);
    }
    ebb_free(text, (size_t)n);
    return status ? status : read_entries(f);
}

static void free_json(void *json) { json_decref(json); }

/* A file without contents yet, named for errors. */
static ebb_safetensors *make(const char *name) {
    ebb_safetensors *f = ebb_alloc(sizeof *f);
    if (!f) return NULL;
    *f = (ebb_safetensors){.name_bytes = strlen(name) + 1};
    f->name = ebb_alloc(f->name_bytes);
    if (!f->name) return ebb_safetensors_close(f);
    memcpy(f->name, name, f->name_bytes);
    return f;
}

static ebb_status opened(ebb_safetensors *f, ebb_safetensors **ret_file) {
    ebb_status status = read_header(f);
    if (status) ebb_safetensors_close(f);
    else *ret_file = f;
    return status;
}

ebb_status(ebb_safetensors_open)(const char *path, ebb_safetensors **ret_file) {
    if (!path || !ret_file)
        return ebb__safetensors_null(path ? "safetensors_open: ret_file" : "safetensors_open: path");
    ebb_safetensors *f = make(path);
    if (!f) return ebb_error_status();
    f->stream = fopen(path, "rb");
    off_t size = f->stream && !fseeko(f->stream, 0, SEEK_END) ? ftello(f->stream) : -1;
    if (size < 0) {
        ebb_status status = ebb_fail(EBB_ERR_IO, "%s: %s", path, strerror(errno));
        ebb_safetensors_close(f);
        return status;
    }
    f->size = (uint64_t)size;
    return opened(f, ret_file);
}

ebb_status(ebb_safetensors_open_memory)(const void *bytes, size_t size, const char *name, ebb_safetensors **ret_file) {
    if (!name || !ret_file || (size && !bytes)) return ebb__safetensors_null("safetensors_open_memory: an argument");
    ebb_safetensors *f = make(name);
    if (!f) return ebb_error_status();
    f->bytes = bytes;
    f->size = size;
    return opened(f, ret_file);
}

ebb_tensor *(ebb_safetensors_get)(ebb_safetensors *f, const char *name) {
    if (!f || !name) {
        ebb__safetensors_null(f ? "safetensors_get: name" : "safetensors_get: file");
        return NULL;
    }
    const struct entry *e = entry_at(f, ebb_safetensors_find(f, name));
    if (!e) ebb_fail(EBB_ERR_NAME, "%s: has no entry \"%.64s\"", f->name, name);
    else if (!e->type->dtype)
        ebb_fail(EBB_ERR_UNSUPPORTED, "%s: entry \"%.64s\" is %s, which Ebb does not have", f->name, name,
                 e->type->name);
    if (!e || !e->type->dtype) return NULL;
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *t = ebb_empty(e->shape, .dtype = e->type->dtype);
    size_t bytes = (size_t)(e->last - e->first);
    if (t && read_at(f, f->data + e->first, ebb_tensor_data(t), bytes)) t = NULL;
    if (t) ebb__safetensors_swap(ebb_tensor_data(t), bytes, (size_t)e->type->size);
    if (t && e->type->dtype == EBB_BOOL) {
        unsigned char *p = ebb_tensor_data(t);
        for (size_t i = 0; i < bytes; i++) p[i] = p[i] != 0; /* whatever the file holds, a bool is 0 or 1 */
    }
    t = ebb_scope_hand(t);
    ebb_scope_close(&scope);
    return t;
}

#else

static ebb_status missing(const char *name) {
    return ebb_fail(EBB_ERR_UNSUPPORTED, "%s: is a safetensors file, and this build is without jansson", name);
}

static void free_json(void *json) { (void)json; }

ebb_status(ebb_safetensors_open)(const char *path, ebb_safetensors **ret_file) {
    return path && ret_file ? missing(path) : ebb__safetensors_null("safetensors_open: an argument");
}

ebb_status(ebb_safetensors_open_memory)(const void *bytes, size_t size, const char *name, ebb_safetensors **ret_file) {
    (void)bytes, (void)size;
    return name && ret_file ? missing(name) : ebb__safetensors_null("safetensors_open_memory: an argument");
}

ebb_tensor *(ebb_safetensors_get)(ebb_safetensors *f, const char *name) {
    if (f && name) missing(f->name);
    else ebb__safetensors_null("safetensors_get: an argument");
    return NULL;
}

#endif

ebb_safetensors *ebb_safetensors_close(ebb_safetensors *f) {
    if (!f) return NULL;
    if (f->stream) fclose(f->stream);
    if (f->json) free_json(f->json);
    ebb_free(f->entries, f->capacity);
    ebb_free(f->name, f->name_bytes);
    ebb_free(f, sizeof *f);
    return NULL;
}
