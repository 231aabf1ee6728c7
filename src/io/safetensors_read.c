/* Reading safetensors: a header that is not believed until every offset has been checked against the file; then large
 * tensors lie over the file's pages, and small ones are copied. */
#include "io/archive.h"
#include "io/elements.h"
#include "io/safetensors.h"
#include <ebb/ops.h>
#include <stdlib.h>
#include <string.h>
#ifdef EBB_HAVE_JANSSON
#include <jansson.h>
#endif

enum { HEADER_MAX = 100000000, /* the format's own limit */ MAPPED_MIN = 65536 };

struct ebb_safetensors {
    struct ebb__archive archive;
    uint64_t data; /* where the data begins */
    void *json;    /* the header; the names are its own */
    struct text {
        const char *key, *value;
    } * metadata;
    int64_t n_metadata;
};

/* ---- what a file holds ---- */

static const struct ebb__archive *archive_of(const ebb_safetensors *f) { return f ? &f->archive : NULL; }

int64_t ebb_safetensors_count(const ebb_safetensors *f) { return f ? f->archive.n : 0; }

const char *ebb_safetensors_name(const ebb_safetensors *f, int64_t i) {
    const struct ebb__entry *e = ebb__archive_entry(archive_of(f), i);
    return e ? e->name : "";
}

ebb_dtype ebb_safetensors_dtype(const ebb_safetensors *f, int64_t i) {
    const struct ebb__entry *e = ebb__archive_entry(archive_of(f), i);
    return e ? e->dtype : EBB_DTYPE_NONE;
}

ebb_dims ebb_safetensors_shape(const ebb_safetensors *f, int64_t i) {
    const struct ebb__entry *e = ebb__archive_entry(archive_of(f), i);
    return e ? e->shape : EBB_NO_DIMS;
}

int64_t ebb_safetensors_find(const ebb_safetensors *f, const char *name) {
    const struct ebb__entry *e = ebb__archive_find(archive_of(f), name);
    return e ? e - f->archive.entries : -1;
}

int64_t ebb_safetensors_metadata_count(const ebb_safetensors *f) { return f ? f->n_metadata : 0; }

const char *ebb_safetensors_metadata_key(const ebb_safetensors *f, int64_t i) {
    return f && i >= 0 && i < f->n_metadata ? f->metadata[i].key : "";
}

const char *ebb_safetensors_metadata(const ebb_safetensors *f, const char *key) {
    for (int64_t i = 0; f && key && i < f->n_metadata; i++)
        if (strcmp(f->metadata[i].key, key) == 0) return f->metadata[i].value;
    return NULL;
}

#ifdef EBB_HAVE_JANSSON

/* ---- the header ---- */

static ebb_status wrong(const ebb_safetensors *f, const char *name, const char *what) {
    return ebb_fail(EBB_ERR_FORMAT, "%s: entry \"%.64s\": %s", f->archive.name, name, what);
}

/* The sizes, and with them the bytes that the entry must have. */
static ebb_status read_shape(const ebb_safetensors *f, struct ebb__entry *e, const json_t *shape) {
    const struct ebb__safetensors_type *type = e->detail;
    size_t n = json_array_size(shape);
    if (!json_is_array(shape)) return wrong(f, e->name, "has no shape");
    if (n > EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_UNSUPPORTED, "%s: entry \"%.64s\": has %zu dimensions; at most %d are possible",
                        f->archive.name, e->name, n, EBB_MAX_NDIM);
    e->shape.n = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *size = json_array_get(shape, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return wrong(f, e->name, "a size is not a whole number");
        e->shape.d[i] = (int64_t)json_integer_value(size);
    }
    uint64_t count;
    if (!ebb__elements_count(&e->shape, (uint64_t)INT64_MAX / type->bits, &count))
        return wrong(f, e->name, "the shape is larger than any file");
    if (count * type->bits % 8 || e->bytes != count * type->bits / 8)
        return wrong(f, e->name, "shape and offsets do not agree");
    return EBB_OK;
}

static ebb_status read_entry(ebb_safetensors *f, const char *name, const json_t *value) {
    struct ebb__entry *e = &f->archive.entries[f->archive.n];
    const json_t *dtype = json_object_get(value, "dtype"), *offsets = json_object_get(value, "data_offsets");
    if (!json_is_object(value)) return wrong(f, name, "is not an object");
    if (!json_is_string(dtype)) return wrong(f, name, "has no dtype");
    const struct ebb__safetensors_type *type = ebb__safetensors_type_of(json_string_value(dtype));
    if (!type) return wrong(f, name, "has an unknown dtype");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return wrong(f, name, "has no data_offsets");
    json_int_t from = json_integer_value(first), to = json_integer_value(last);
    if (from < 0 || to < from || (uint64_t)to > f->archive.input.size - f->data)
        return wrong(f, name, "data_offsets are out of range");
    *e = (struct ebb__entry){.name = name,
                             .dtype = type->dtype,
                             .at = f->data + (uint64_t)from,
                             .bytes = (uint64_t)(to - from),
                             .detail = type};
    ebb_status status = read_shape(f, e, json_object_get(value, "shape"));
    if (!status) f->archive.n++;
    return status;
}

static int by_place(const void *a, const void *b) {
    const struct ebb__entry *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Entries must cover the data without gaps and without sharing a byte. */
static ebb_status check_places(const ebb_safetensors *f) {
    uint64_t end = f->data, size = f->archive.input.size;
    for (int64_t i = 0; i < f->archive.n; i++) {
        const struct ebb__entry *e = &f->archive.entries[i];
        if (e->at != end) return wrong(f, e->name, e->at < end ? "overlaps another" : "leaves a gap before it");
        end += e->bytes;
    }
    if (end != size)
        return ebb_fail(EBB_ERR_FORMAT, "%s: has %llu bytes of data, its entries %llu", f->archive.name,
                        (unsigned long long)(size - f->data), (unsigned long long)(end - f->data));
    return EBB_OK;
}

static ebb_status read_metadata(ebb_safetensors *f, json_t *texts) {
    const char *key;
    json_t *value;
    if (!texts) return EBB_OK;
    if (!json_is_object(texts)) return wrong(f, EBB__SAFETENSORS_METADATA, "is not an object");
    size_t n = json_object_size(texts);
    f->metadata = ebb_alloc(n * sizeof *f->metadata);
    if (!f->metadata) return ebb_error_status();
    f->n_metadata = (int64_t)n;
    n = 0;
    json_object_foreach(texts, key, value) {
        if (!json_is_string(value)) return wrong(f, EBB__SAFETENSORS_METADATA, "is more than keys and texts");
        f->metadata[n++] = (struct text){key, json_string_value(value)};
    }
    return EBB_OK;
}

static ebb_status read_entries(ebb_safetensors *f) {
    json_t *root = f->json, *value, *texts = json_object_get(root, EBB__SAFETENSORS_METADATA);
    const char *name;
    ebb_status status = read_metadata(f, texts);
    if (!status) status = ebb__archive_make_room(&f->archive, (int64_t)json_object_size(root) - (texts != NULL));
    if (status) return status;
    json_object_foreach(root, name, value) if (value != texts && (status = read_entry(f, name, value))) return status;
    if (f->archive.n) qsort(f->archive.entries, (size_t)f->archive.n, sizeof *f->archive.entries, by_place);
    status = check_places(f);
    return status ? status : ebb__archive_index(&f->archive);
}

static ebb_status parse(ebb_safetensors *f, const char *text, size_t n) {
    json_error_t error;
    if (n && text[0] != '{') return ebb_fail(EBB_ERR_FORMAT, "%s: the header is not a JSON object", f->archive.name);
    f->json = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!f->json && (!error.text[0] || json_error_code(&error) == json_error_out_of_memory)) /* some of it is untold */
        return ebb_fail(EBB_ERR_MEMORY, "%s: no memory for the header", f->archive.name);
    if (!f->json) return ebb_fail(EBB_ERR_FORMAT, "%s: the header is not JSON: %s", f->archive.name, error.text);
    return read_entries(f);
}

static ebb_status read_header(ebb_safetensors *f) {
    const struct ebb__input *in = &f->archive.input;
    unsigned char length[8];
    uint64_t n = 0;
    ebb_status status = ebb__input_read(in, 0, length, 8);
    if (status) return status;
    for (int i = 7; i >= 0; i--) n = n << 8 | length[i];
    if (n > HEADER_MAX || n > in->size - 8)
        return ebb_fail(EBB_ERR_FORMAT, "%s: says its header has %llu bytes, more than there can be", in->name,
                        (unsigned long long)n);
    f->data = 8 + n;
    char *text = ebb_alloc((size_t)n);
    if (!text) return ebb_error_status();
    status = ebb__input_read(in, 8, text, (size_t)n);
    if (!status) status = parse(f, text, (size_t)n);
    ebb_free(text, (size_t)n);
    return status;
}

static void free_json(void *json) { json_decref(json); }

/* ---- tensors ---- */

static void release(void *context) {
    struct ebb__mapping *mapping = context;
    ebb__unmap(mapping);
    ebb_free(mapping, sizeof *mapping);
}

/* A tensor over the file's own pages, which become the tensor's where they are written to. None, and EBB_OK, where that
 * cannot be, and for small entries, for which it does not pay. */
static ebb_status map_entry(const struct ebb__input *in, const struct ebb__entry *e, ebb_tensor **ret_tensor) {
    if (in->descriptor < 0 || e->bytes < MAPPED_MIN || e->at % ebb_dtype_size(e->dtype)) return EBB_OK;
    struct ebb__mapping *mapping = ebb_alloc(sizeof *mapping);
    if (!mapping) return ebb_error_status();
    void *data = ebb__input_map(in, e->at, (size_t)e->bytes, mapping);
    if (!data) return ebb_free(mapping, sizeof *mapping), EBB_OK;
    *ret_tensor = ebb_from_memory(data, e->dtype, e->shape, EBB_NO_DIMS, release, mapping);
    if (!*ret_tensor) release(mapping);
    return *ret_tensor ? EBB_OK : ebb_error_status();
}

static ebb_tensor *get(const struct ebb__archive *a, const struct ebb__entry *e) {
    const struct ebb__safetensors_type *type = e->detail;
    ebb_tensor *t = NULL;
    if (!e->dtype) {
        ebb_fail(EBB_ERR_UNSUPPORTED, "%s: entry \"%.64s\" is %s, which Ebb does not have", a->name, e->name,
                 type->name);
        return NULL;
    }
    if (map_entry(&a->input, e, &t)) return NULL;
    if (!t) {
        t = ebb_empty(e->shape, .dtype = e->dtype);
        if (!t || ebb__input_read(&a->input, e->at, ebb_tensor_data(t), (size_t)e->bytes)) return NULL;
    }
    struct ebb__element element = ebb__element_of(e->dtype);
    element.big = false;
    ebb__elements_convert(ebb_tensor_data(t), e->bytes / element.size, element);
    return t;
}

/* ---- opening ---- */

static ebb_status open_archive(const char *path, const void *bytes, size_t size, const char *name,
                               ebb_safetensors **ret_file) {
    ebb_safetensors *f = ebb_alloc(sizeof *f);
    if (!f) return ebb_error_status();
    *f = (ebb_safetensors){0};
    ebb_status status =
        path ? ebb__archive_open(&f->archive, path) : ebb__archive_open_memory(&f->archive, bytes, size, name);
    f->archive.get = get;
    if (!status) status = read_header(f);
    if (status) ebb_safetensors_close(f);
    else *ret_file = f;
    return status;
}

#else

static void free_json(void *json) { (void)json; }

static ebb_status open_archive(const char *path, const void *bytes, size_t size, const char *name,
                               ebb_safetensors **ret_file) {
    (void)bytes, (void)size, (void)ret_file;
    return ebb_fail(EBB_ERR_UNSUPPORTED, "%s: is a safetensors file, and this build is without jansson",
                    path ? path : name);
}

#endif

ebb_status(ebb_safetensors_open)(const char *path, ebb_safetensors **ret_file) {
    if (!path || !ret_file) return ebb__null("safetensors_open", path ? "ret_file" : "path");
    return open_archive(path, NULL, 0, NULL, ret_file);
}

ebb_status(ebb_safetensors_open_memory)(const void *bytes, size_t size, const char *name, ebb_safetensors **ret_file) {
    if (!name || !ret_file) return ebb__null("safetensors_open_memory", name ? "ret_file" : "name");
    if (size && !bytes) return ebb__null("safetensors_open_memory", "bytes");
    return open_archive(NULL, bytes, size, name, ret_file);
}

ebb_tensor *(ebb_safetensors_get)(ebb_safetensors *f, const char *name) {
    if (f && name) return ebb__archive_get(&f->archive, name);
    ebb__null("safetensors_get", f ? "name" : "file");
    return NULL;
}

ebb_status(ebb_safetensors_load)(const char *path, const char *const *names, ebb_list tensors) {
    ebb_safetensors *f;
    ebb_status status = ebb__archive_check("safetensors_load", path, names, tensors);
    if (status || (status = (ebb_safetensors_open)(path, &f))) return status;
    status = ebb__archive_load(&f->archive, names, tensors);
    ebb_safetensors_close(f);
    return status;
}

ebb_safetensors *ebb_safetensors_close(ebb_safetensors *f) {
    if (!f) return NULL;
    if (f->json) free_json(f->json);
    ebb_free(f->metadata, (size_t)f->n_metadata * sizeof *f->metadata);
    ebb__archive_close(&f->archive);
    ebb_free(f, sizeof *f);
    return NULL;
}
