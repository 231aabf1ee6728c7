/* IDX files: a header that is not believed, and elements brought from big-endian order to the machine's. */
#include "io/elements.h"
#include "io/source.h"
#include <ebb/data.h>
#include <ebb/ops.h>

static const struct idx_type {
    unsigned char code;
    struct ebb__element element;
} idx_types[] = {
    {0x08, {'u', 1, true}}, {0x09, {'i', 1, true}}, {0x0B, {'i', 2, true}},
    {0x0C, {'i', 4, true}}, {0x0D, {'f', 4, true}}, {0x0E, {'f', 8, true}},
};

static const struct idx_type *type_of(unsigned char code) {
    for (size_t i = 0; i < sizeof idx_types / sizeof *idx_types; i++)
        if (idx_types[i].code == code) return &idx_types[i];
    return NULL;
}

static uint64_t big_endian(const unsigned char *p, int n) {
    uint64_t v = 0;
    for (int i = 0; i < n; i++) v = v << 8 | p[i];
    return v;
}

/* Check the header against itself and against what is left to read; *ret_count is the number of elements. */
static ebb_status read_header(struct ebb__source *s, struct ebb__element *ret_element, ebb_dims *ret_shape,
                              uint64_t *ret_count) {
    unsigned char magic[4], size[4];
    ebb_status status = ebb__source_read(s, magic, 4, "magic number");
    if (status) return status;
    const struct idx_type *type = type_of(magic[2]);
    if (magic[0] || magic[1] || !type)
        return ebb_fail(EBB_ERR_FORMAT, "%s: is not an IDX file: it begins with %02x %02x %02x %02x", s->name, magic[0],
                        magic[1], magic[2], magic[3]);
    if (magic[3] > EBB_MAX_NDIM)
        return ebb_fail(EBB_ERR_UNSUPPORTED, "%s: has %d dimensions; at most %d are possible", s->name, magic[3],
                        EBB_MAX_NDIM);
    ret_shape->n = magic[3];
    for (int i = 0; i < ret_shape->n; i++) {
        if ((status = ebb__source_read(s, size, 4, "sizes"))) return status;
        ret_shape->d[i] = (int64_t)big_endian(size, 4);
    }
    if (!ebb__elements_count(ret_shape, ebb__source_most(s) / type->element.size, ret_count))
        return ebb_fail(EBB_ERR_FORMAT, "%s: says it has more elements than its %llu bytes can hold", s->name,
                        (unsigned long long)s->end);
    *ret_element = type->element;
    return EBB_OK;
}

static ebb_status decode(struct ebb__source *s, ebb_tensor **ret_tensor) {
    struct ebb__element element;
    ebb_dims shape = {0};
    uint64_t count = 0;
    ebb_status status = read_header(s, &element, &shape, &count);
    if (status) return status;
    ebb_tensor *t = ebb_empty(shape, .dtype = ebb__element_dtype(element));
    if (!t) return ebb_error_status();
    void *data = ebb_tensor_data(t);
    if ((status = ebb__source_read(s, data, (size_t)count * element.size, "elements"))) return status;
    if ((status = ebb__source_finish(s))) return status;
    ebb__elements_convert(data, count, element);
    *ret_tensor = t;
    return EBB_OK;
}

static ebb_status decode_input(const struct ebb__input *in, ebb_tensor **ret_tensor) {
    struct ebb__source s;
    ebb_tensor *t = NULL;
    ebb_scope scope = ebb_scope_open(); /* what was made before an error is released at once */
    ebb_status status = ebb__source_open(&s, in);
    if (!status) status = decode(&s, &t);
    ebb__source_close(&s);
    if (!status) *ret_tensor = ebb_scope_hand(t);
    ebb_scope_close(&scope);
    return status;
}

ebb_status(ebb_idx_decode)(const void *bytes, size_t size, const char *name, ebb_tensor **ret_tensor) {
    struct ebb__input in;
    if (!ret_tensor) return ebb__null("idx_decode", "ret_tensor");
    if (!name || (size && !bytes)) return ebb__null("idx_decode", name ? "bytes" : "name");
    ebb__input_open_memory(&in, bytes, size, name);
    ebb_status status = decode_input(&in, ret_tensor);
    ebb__input_close(&in);
    return status;
}

ebb_status(ebb_idx_read)(const char *path, ebb_tensor **ret_tensor) {
    struct ebb__input in;
    if (!path || !ret_tensor) return ebb__null("idx_read", path ? "ret_tensor" : "path");
    ebb_status status = ebb__input_open(&in, path);
    if (status) return status;
    status = decode_input(&in, ret_tensor);
    ebb__input_close(&in);
    return status;
}
