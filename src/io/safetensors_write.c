/* Writing safetensors. */
#include "io/archive.h"
#include "io/elements.h"
#include "io/output.h"
#include "io/safetensors.h"
#include <ebb/ops.h>
#include <stdlib.h>
#include <string.h>

#ifdef EBB_HAVE_JANSSON
#include <jansson.h>

/* Where an entry goes: wider elements first, so that all lie at multiples of their size. */
struct place {
    int64_t i;
    uint64_t element, bytes, first;
};

static int by_element(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->element != y->element) return x->element > y->element ? -1 : 1;
    return x->i < y->i ? -1 : 1;
}

static void make_places(ebb_list tensors, struct place *places) {
    uint64_t end = 0;
    for (int64_t i = 0; i < tensors.n; i++) {
        uint64_t element = ebb_dtype_size(ebb_tensor_dtype(tensors.t[i]));
        places[i] = (struct place){.i = i, .element = element};
        places[i].bytes = (uint64_t)ebb_tensor_numel(tensors.t[i]) * element;
    }
    if (tensors.n) qsort(places, (size_t)tensors.n, sizeof *places, by_element);
    for (int64_t i = 0; i < tensors.n; i++) {
        places[i].first = end;
        end += places[i].bytes;
    }
}

/* ---- the header ---- jansson's functions take NULL for what there was no memory for, and fail. */

static ebb_status no_memory(void) { return ebb_fail(EBB_ERR_MEMORY, "safetensors_save: no memory for the header"); }

/* A text as JSON; an error for one that is not UTF-8, which is told apart from having no memory. */
static ebb_status make_text(const char *what, const char *text, json_t **ret_json) {
    if (!text) return ebb__null("safetensors_save", what);
    *ret_json = json_string(text);
    if (*ret_json) return EBB_OK;
    json_t *any = json_string("");
    json_decref(any);
    if (!any) return no_memory();
    return ebb_fail(EBB_ERR_ARGUMENT, "safetensors_save: %s is not UTF-8: \"%.64s\"", what, text);
}

/* Set a key that is not there yet; takes `value`, which may be NULL. */
static ebb_status set_new(json_t *object, const char *what, const char *name, json_t *value) {
    json_t *key;
    ebb_status status = make_text(what, name, &key); /* a key is a text too, and must be as good as one */
    if (status) return json_decref(value), status;
    json_decref(key);
    if (!json_object_get(object, name)) return json_object_set_new(object, name, value) ? no_memory() : EBB_OK;
    json_decref(value);
    return ebb_fail(EBB_ERR_ARGUMENT, "safetensors_save: %s \"%.64s\" is there twice", what, name);
}

static json_t *integers(const int64_t *values, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        if (json_array_append_new(list, json_integer((json_int_t)values[i]))) return json_decref(list), NULL;
    return list;
}

static json_t *describe(const ebb_tensor *t, const struct place *p) {
    ebb_dims shape = ebb_tensor_shape(t);
    int64_t offsets[] = {(int64_t)p->first, (int64_t)(p->first + p->bytes)};
    json_t *entry = json_object(), *dtype = json_string(ebb__safetensors_type_of_dtype(ebb_tensor_dtype(t))->name);
    bool failed = json_object_set_new(entry, "dtype", dtype) != 0;
    failed |= json_object_set_new(entry, "shape", integers(shape.d, shape.n)) != 0;
    failed |= json_object_set_new(entry, "data_offsets", integers(offsets, 2)) != 0;
    if (!failed) return entry;
    json_decref(entry);
    return NULL;
}

static ebb_status add_metadata(json_t *root, ebb_metadata metadata) {
    json_t *texts = json_object(), *value;
    if (json_object_set_new(root, EBB__SAFETENSORS_METADATA, texts)) return no_memory();
    for (int64_t i = 0; i < metadata.n; i++) {
        ebb_status status = make_text("a text of the metadata", metadata.text[i].value, &value);
        if (!status) status = set_new(texts, "the metadata's key", metadata.text[i].key, value);
        if (status) return status;
    }
    return EBB_OK;
}

static ebb_status add_entries(json_t *root, const char *const *names, ebb_list tensors, const struct place *places) {
    ebb_status status = EBB_OK;
    for (int64_t i = 0; i < tensors.n && !status; i++) {
        const char *name = names[places[i].i];
        if (strcmp(name, EBB__SAFETENSORS_METADATA) == 0)
            return ebb_fail(EBB_ERR_ARGUMENT, "safetensors_save: the name %s is the format's own", name);
        status = set_new(root, "the name", name, describe(tensors.t[places[i].i], &places[i]));
    }
    return status;
}

/* The header's text, from jansson's memory. */
static ebb_status make_header(const char *const *names, ebb_list tensors, const struct place *places,
                              ebb_metadata metadata, char **ret_text) {
    json_t *root = json_object();
    ebb_status status = root ? EBB_OK : no_memory();
    if (!status && metadata.n > 0) status = add_metadata(root, metadata);
    if (!status) status = add_entries(root, names, tensors, places);
    if (!status && !(*ret_text = json_dumps(root, JSON_COMPACT))) status = no_memory();
    json_decref(root);
    return status;
}

/* ---- the file ---- */

static ebb_status write_tensor(struct ebb__output *o, ebb_tensor *t) {
    ebb_scope scope = ebb_scope_open();
    size_t n = (size_t)ebb_tensor_numel(t), element = ebb_dtype_size(ebb_tensor_dtype(t));
    t = ebb__plain(t);
    if (ebb__big_endian() && (t = ebb_clone(t))) ebb__elements_swap(ebb_tensor_data(t), n, element);
    ebb_status status = t ? ebb__output_write(o, ebb_tensor_data(t), n * element) : ebb_error_status();
    ebb_scope_close(&scope);
    return status;
}

static ebb_status write_all(struct ebb__output *o, const char *header, ebb_list tensors, const struct place *places) {
    size_t length = strlen(header), padded = (length + 7) / 8 * 8; /* data begins at a multiple of 8 */
    unsigned char size[8];
    for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    ebb_status status = ebb__output_write(o, size, 8);
    if (!status) status = ebb__output_write(o, header, length);
    if (!status) status = ebb__output_write(o, "       ", padded - length);
    for (int64_t i = 0; i < tensors.n && !status; i++) status = write_tensor(o, tensors.t[places[i].i]);
    return status;
}

ebb_status(ebb_safetensors_save)(const char *path, const char *const *names, ebb_list tensors,
                                 ebb_safetensors_options options) {
    char *header = NULL;
    struct ebb__output o;
    ebb_status status = ebb__archive_check("safetensors_save", path, names, tensors);
    if (status) return status;
    if (options.metadata.n > 0 && !options.metadata.text) return ebb__null("safetensors_save", "the metadata");
    size_t bytes = (size_t)tensors.n * sizeof(struct place);
    struct place *places = ebb_alloc(bytes);
    if (!places) return ebb_error_status();
    make_places(tensors, places);
    status = make_header(names, tensors, places, options.metadata, &header);
    if (!status && !(status = ebb__output_open(&o, path)))
        status = ebb__output_close(&o, write_all(&o, header, tensors, places));
    free(header);
    ebb_free(places, bytes);
    return status;
}

#else

ebb_status(ebb_safetensors_save)(const char *path, const char *const *names, ebb_list tensors,
                                 ebb_safetensors_options options) {
    (void)options;
    ebb_status status = ebb__archive_check("safetensors_save", path, names, tensors);
    if (status) return status;
    return ebb_fail(EBB_ERR_UNSUPPORTED, "%s: this build is without jansson, which safetensors needs", path);
}

#endif
