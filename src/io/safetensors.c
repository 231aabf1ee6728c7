/* safetensors: element types and byte order, and filling tensors that are there. */
#include "io/safetensors.h"
#include <string.h>

static const struct ebb__safetensors_type types[] = {
    {"BOOL", 1, EBB_BOOL},
    {"U8", 1, EBB_U8},
    {"I8", 1, EBB_DTYPE_NONE},
    {"F8_E5M2", 1, EBB_DTYPE_NONE},
    {"F8_E4M3", 1, EBB_DTYPE_NONE},
    {"I16", 2, EBB_DTYPE_NONE},
    {"U16", 2, EBB_DTYPE_NONE},
    {"F16", 2, EBB_F16},
    {"BF16", 2, EBB_BF16},
    {"I32", 4, EBB_I32},
    {"U32", 4, EBB_DTYPE_NONE},
    {"F32", 4, EBB_F32},
    {"I64", 8, EBB_I64},
    {"U64", 8, EBB_DTYPE_NONE},
    {"F64", 8, EBB_F64},
};
enum { N_TYPES = sizeof types / sizeof *types };

const struct ebb__safetensors_type *ebb__safetensors_type_of(const char *name) {
    for (int i = 0; i < N_TYPES; i++)
        if (strncmp(types[i].name, name, sizeof types[i].name) == 0 && strlen(name) < sizeof types[i].name + 1)
            return &types[i];
    return NULL;
}

const struct ebb__safetensors_type *ebb__safetensors_type_of_dtype(ebb_dtype dtype) {
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].dtype == dtype) return &types[i];
    return NULL;
}

void ebb__safetensors_swap(void *data, size_t bytes, size_t element) {
    const uint16_t probe = 1;
    if (*(const unsigned char *)&probe == 1) return; /* a little-endian machine */
    unsigned char *p = data;
    for (size_t at = 0; at < bytes; at += element)
        for (size_t i = 0; i < element / 2; i++) {
            unsigned char byte = p[at + i];
            p[at + i] = p[at + element - 1 - i];
            p[at + element - 1 - i] = byte;
        }
}

ebb_status ebb__safetensors_null(const char *what) {
    return ebb_error() ? ebb_error_status() : ebb_fail(EBB_ERR_ARGUMENT, "%s is NULL", what);
}

enum { SHAPE_TEXT = 200 };

static void shape_text(char *ret_text, ebb_dims shape) {
    int at = snprintf(ret_text, SHAPE_TEXT, "[");
    for (int i = 0; i < shape.n; i++)
        at += snprintf(ret_text + at, (size_t)(SHAPE_TEXT - at), "%s%lld", i ? ", " : "", (long long)shape.d[i]);
    (void)snprintf(ret_text + at, (size_t)(SHAPE_TEXT - at), "]");
}

static ebb_status check_fits(const ebb_safetensors *file, const char *path, const char *name, const ebb_tensor *t) {
    if (!t || !name) return ebb__safetensors_null(t ? "safetensors_load: a name" : "safetensors_load: a tensor");
    int64_t i = ebb_safetensors_find(file, name);
    if (i < 0) return ebb_fail(EBB_ERR_NAME, "%s: has no entry \"%s\"", path, name);
    ebb_dims have = ebb_safetensors_shape(file, i), want = ebb_tensor_shape(t);
    bool same = have.n == want.n;
    for (int d = 0; same && d < want.n; d++) same = have.d[d] == want.d[d];
    if (!same) {
        char texts[2][SHAPE_TEXT];
        shape_text(texts[0], have);
        shape_text(texts[1], want);
        return ebb_fail(EBB_ERR_SHAPE, "%s: \"%s\" has shape %s, the tensor to be filled %s", path, name, texts[0],
                        texts[1]);
    }
    if (ebb_safetensors_dtype(file, i) != ebb_tensor_dtype(t))
        return ebb_fail(EBB_ERR_DTYPE, "%s: \"%s\" is %s, the tensor to be filled %s", path, name,
                        ebb_dtype_name(ebb_safetensors_dtype(file, i)), ebb_dtype_name(ebb_tensor_dtype(t)));
    if (!ebb_tensor_is_contiguous(t))
        return ebb_fail(EBB_ERR_ARGUMENT, "%s: the tensor to be filled from \"%s\" is not contiguous", path, name);
    return EBB_OK;
}

/* All values are read before the first is written. */
static ebb_status load(ebb_safetensors *file, const char *path, const char *const *names, ebb_list tensors,
                       ebb_tensor **values) {
    for (int64_t i = 0; i < tensors.n; i++) {
        ebb_status status = check_fits(file, path, names[i], tensors.t[i]);
        if (status) return status;
        if (!(values[i] = ebb_safetensors_get(file, names[i]))) return ebb_error_status();
    }
    for (int64_t i = 0; i < tensors.n; i++) {
        size_t bytes = (size_t)ebb_tensor_numel(values[i]) * ebb_dtype_size(ebb_tensor_dtype(values[i]));
        if (bytes) memcpy(ebb_tensor_data(tensors.t[i]), ebb_tensor_data(values[i]), bytes);
        ebb_increment_version(tensors.t[i]);
    }
    return EBB_OK;
}

ebb_status(ebb_safetensors_load)(const char *path, const char *const *names, ebb_list tensors) {
    if (!path) return ebb__safetensors_null("safetensors_load: path");
    if (tensors.n > 0 && (!names || !tensors.t)) return ebb__safetensors_null("safetensors_load: names or tensors");
    ebb_safetensors *file;
    ebb_status status = ebb_safetensors_open(path, &file);
    if (status) return status;
    size_t bytes = (size_t)tensors.n * sizeof(ebb_tensor *);
    ebb_tensor **values = ebb_alloc(bytes);
    ebb_scope scope = ebb_scope_open();
    status = values ? load(file, path, names, tensors, values) : ebb_error_status();
    ebb_scope_close(&scope);
    ebb_free(values, bytes);
    ebb_safetensors_close(file);
    return status;
}
