/* Writing safetensors: beside the file's place first, renamed when complete. */
#define _POSIX_C_SOURCE 200809L
#include "io/safetensors.h"
#include <ebb/autograd.h>
#include <ebb/ops.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef EBB_HAVE_JANSSON
#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

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

static ebb_status make_places(const char *const *names, ebb_list tensors, struct place *places) {
    uint64_t end = 0;
    for (int64_t i = 0; i < tensors.n; i++) {
        const ebb_tensor *t = tensors.t[i];
        if (!t || !names[i])
            return ebb__safetensors_null(t ? "safetensors_save: a name" : "safetensors_save: a tensor");
        if (strcmp(names[i], "__metadata__") == 0)
            return ebb_fail(EBB_ERR_ARGUMENT, "safetensors_save: the name __metadata__ is the format's own");
        uint64_t element = ebb_dtype_size(ebb_tensor_dtype(t));
        places[i] = (struct place){.i = i, .element = element, .bytes = (uint64_t)ebb_tensor_numel(t) * element};
    }
    if (tensors.n) qsort(places, (size_t)tensors.n, sizeof *places, by_element);
    for (int64_t i = 0; i < tensors.n; i++) {
        places[i].first = end;
        end += places[i].bytes;
    }
    return EBB_OK;
}

static json_t *describe(const ebb_tensor *t, const struct place *p) {
    ebb_dims dims = ebb_tensor_shape(t);
    json_t *shape = json_array();
    for (int d = 0; d < dims.n; d++) json_array_append_new(shape, json_integer((json_int_t)dims.d[d]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", ebb__safetensors_type_of_dtype(ebb_tensor_dtype(t))->name,
                     "shape", shape, "data_offsets", (json_int_t)p->first, (json_int_t)p->first + (json_int_t)p->bytes);
}

/* The header's text, from jansson's memory; NULL and an error on failure. */
static char *make_header(const char *const *names, ebb_list tensors, const struct place *places) {
    json_t *root = json_object();
    char *text = NULL;
    for (int64_t i = 0; i < tensors.n; i++) {
        const char *name = names[places[i].i];
        if (json_object_get(root, name)) {
            ebb_fail(EBB_ERR_ARGUMENT, "safetensors_save: the name \"%.64s\" is there twice", name);
        } else if (json_object_set_new(root, name, describe(tensors.t[places[i].i], &places[i]))) {
            ebb_fail(EBB_ERR_ARGUMENT, "safetensors_save: the name of tensor %lld is not UTF-8, or memory is out",
                     (long long)places[i].i);
        } else continue;
        json_decref(root);
        return NULL;
    }
    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text) ebb_fail(EBB_ERR_MEMORY, "safetensors_save: no memory for the header");
    return text;
}

static ebb_status write_tensor(FILE *file, const char *path, ebb_tensor *t, size_t element) {
    ebb_scope scope = ebb_scope_open();
    ebb_status status = EBB_OK;
    const uint16_t probe = 1;
    bool swap = *(const unsigned char *)&probe != 1;
    bool recorded = ebb_set_grad_enabled(false);
    ebb_tensor *plain = swap ? ebb_clone(ebb_contiguous(t)) : ebb_contiguous(t);
    ebb_set_grad_enabled(recorded);
    size_t n = (size_t)ebb_tensor_numel(t);
    if (!plain) status = ebb_error_status();
    else if (swap) ebb__safetensors_swap(ebb_tensor_data(plain), n * element, element);
    if (plain && n && fwrite(ebb_tensor_data(plain), element, n, file) != n)
        status = ebb_fail(EBB_ERR_IO, "%s: %s", path, strerror(errno));
    ebb_scope_close(&scope);
    return status;
}

static ebb_status write_all(FILE *file, const char *path, const char *header, ebb_list tensors,
                            const struct place *places) {
    size_t length = strlen(header), padded = (length + 7) / 8 * 8; /* data begins at a multiple of 8 */
    unsigned char size[8];
    for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    if (fwrite(size, 1, 8, file) != 8 || fwrite(header, 1, length, file) != length ||
        fwrite("       ", 1, padded - length, file) != padded - length)
        return ebb_fail(EBB_ERR_IO, "%s: %s", path, strerror(errno));
    for (int64_t i = 0; i < tensors.n; i++) {
        ebb_status status = write_tensor(file, path, tensors.t[places[i].i], (size_t)places[i].element);
        if (status) return status;
    }
    return EBB_OK;
}

/* The new file stands complete on the disk before it takes the old one's place. */
static ebb_status write_file(const char *path, char *beside, const char *header, ebb_list tensors,
                             const struct place *places) {
    int descriptor = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (!file) {
        ebb_status status = ebb_fail(EBB_ERR_IO, "%s: %s", path, strerror(errno));
        if (descriptor >= 0) close(descriptor);
        return status;
    }
    ebb_status status = write_all(file, path, header, tensors, places);
    if (!status && (fflush(file) || fsync(descriptor))) status = ebb_fail(EBB_ERR_IO, "%s: %s", path, strerror(errno));
    if (fclose(file) && !status) status = ebb_fail(EBB_ERR_IO, "%s: %s", path, strerror(errno));
    if (!status && rename(beside, path)) status = ebb_fail(EBB_ERR_IO, "%s: %s", path, strerror(errno));
    if (status) unlink(beside);
    return status;
}

ebb_status(ebb_safetensors_save)(const char *path, const char *const *names, ebb_list tensors) {
    if (!path) return ebb__safetensors_null("safetensors_save: path");
    if (tensors.n < 0 || (tensors.n > 0 && (!names || !tensors.t)))
        return ebb__safetensors_null("safetensors_save: names or tensors");
    size_t places_bytes = (size_t)tensors.n * sizeof(struct place), beside_bytes = strlen(path) + 32;
    struct place *places = ebb_alloc(places_bytes);
    char *beside = places ? ebb_alloc(beside_bytes) : NULL;
    ebb_status status = beside ? make_places(names, tensors, places) : ebb_error_status();
    char *header = status ? NULL : make_header(names, tensors, places);
    if (!status && !header) status = ebb_error_status();
    if (!status) {
        (void)snprintf(beside, beside_bytes, "%s.%ld.part", path, (long)getpid());
        status = write_file(path, beside, header, tensors, places);
    }
    free(header);
    ebb_free(beside, beside_bytes);
    ebb_free(places, places_bytes);
    return status;
}

#else

ebb_status(ebb_safetensors_save)(const char *path, const char *const *names, ebb_list tensors) {
    (void)names, (void)tensors;
    return path ? ebb_fail(EBB_ERR_UNSUPPORTED, "%s: this build is without jansson, which safetensors needs", path)
                : ebb__safetensors_null("safetensors_save: path");
}

#endif
