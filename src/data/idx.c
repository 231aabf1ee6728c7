/* IDX files: a header that is not believed, and elements brought from big-endian order to the machine's. */
#include "data/source.h"
#include <ebb/data.h>
#include <ebb/ops.h>
#include <errno.h>
#include <string.h>

/* Types by code, and how their elements become a dtype's. */
struct idx_type {
    unsigned char code, size; /* bytes of an element in the file */
    ebb_dtype dtype;
};

static const struct idx_type idx_types[] = {
    {0x08, 1, EBB_U8},  {0x09, 1, EBB_I32}, {0x0B, 2, EBB_I32},
    {0x0C, 4, EBB_I32}, {0x0D, 4, EBB_F32}, {0x0E, 8, EBB_F64},
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
static ebb_status read_header(struct ebb__source *s, const struct idx_type **ret_type, ebb_dims *ret_shape,
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
    uint64_t most = ebb__source_most(s) / type->size, count = 1;
    bool empty = false, fits = true;
    ret_shape->n = magic[3];
    for (int i = 0; i < ret_shape->n; i++) {
        if ((status = ebb__source_read(s, size, 4, "sizes"))) return status;
        uint64_t n = big_endian(size, 4);
        ret_shape->d[i] = (int64_t)n;
        empty = empty || n == 0;
        fits = fits && (n == 0 || count <= most / n);
        if (fits && n) count *= n;
    }
    if (!fits && !empty)
        return ebb_fail(EBB_ERR_FORMAT, "%s: says it has more elements than its %zu bytes can hold", s->name, s->size);
    *ret_type = type;
    *ret_count = empty ? 0 : count;
    return EBB_OK;
}

/* Elements as they lie in the file become the tensor's; from the last to the first, since the wider ones that they
 * become lie over them. */
static void convert(char *data, const struct idx_type *type, uint64_t count) {
    size_t to = ebb_dtype_size(type->dtype);
    for (uint64_t i = count; i-- > 0;) {
        uint64_t v = big_endian((const unsigned char *)data + i * type->size, type->size);
        int32_t whole;
        uint32_t low = (uint32_t)v;
        switch (type->code) {
        case 0x09: whole = v < 0x80 ? (int32_t)v : (int32_t)v - 0x100; break;
        case 0x0B: whole = v < 0x8000 ? (int32_t)v : (int32_t)v - 0x10000; break;
        default: memcpy(&whole, &low, 4); /* the same bits, whatever the dtype */
        }
        if (to == 8) memcpy(data + i * to, &v, 8);
        else memcpy(data + i * to, &whole, 4);
    }
}

static ebb_status decode(struct ebb__source *s, ebb_tensor **ret_tensor) {
    const struct idx_type *type = NULL;
    ebb_dims shape = {0};
    uint64_t count = 0;
    ebb_status status = read_header(s, &type, &shape, &count);
    if (status) return status;
    ebb_tensor *t = ebb_empty(shape, .dtype = type->dtype);
    if (!t) return ebb_error_status();
    char *data = ebb_tensor_data(t);
    if ((status = ebb__source_read(s, data, (size_t)count * type->size, "elements"))) return status;
    if ((status = ebb__source_finish(s))) return status;
    if (type->dtype != EBB_U8) convert(data, type, count);
    *ret_tensor = t;
    return EBB_OK;
}

ebb_status(ebb_idx_decode)(const void *bytes, size_t size, const char *name, ebb_tensor **ret_tensor) {
    struct ebb__source s;
    ebb_tensor *t = NULL;
    if (!ret_tensor || !name || (size && !bytes))
        return ebb_fail(EBB_ERR_ARGUMENT, "idx_decode: %s is NULL",
                        !ret_tensor ? "ret_tensor"
                        : !name     ? "name"
                                    : "bytes");
    ebb_scope scope = ebb_scope_open(); /* what was made before an error is released at once */
    ebb_status status = ebb__source_open(&s, bytes, size, name);
    if (!status) {
        status = decode(&s, &t);
        ebb__source_close(&s);
    }
    if (!status) *ret_tensor = ebb_scope_hand(t);
    ebb_scope_close(&scope);
    return status;
}

/* A whole file in one block of *ret_capacity bytes; NULL and an error on failure. */
static char *read_file(const char *path, size_t *ret_size, size_t *ret_capacity) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        ebb_fail(EBB_ERR_IO, "%s: %s", path, strerror(errno));
        return NULL;
    }
    size_t capacity = 65536, size = 0;
    char *block = ebb_alloc(capacity);
    while (block) {
        size += fread(block + size, 1, capacity - size, file);
        if (size < capacity) break;
        char *larger = capacity > SIZE_MAX / 2 ? NULL : ebb_alloc(capacity * 2);
        if (larger) memcpy(larger, block, size);
        ebb_free(block, capacity);
        block = larger;
        capacity *= 2;
    }
    bool bad = block && ferror(file);
    if (bad) {
        ebb_fail(EBB_ERR_IO, "%s: %s", path, errno ? strerror(errno) : "cannot be read");
        ebb_free(block, capacity);
    }
    fclose(file);
    *ret_size = size;
    *ret_capacity = capacity;
    return bad ? NULL : block;
}

ebb_status(ebb_idx_read)(const char *path, ebb_tensor **ret_tensor) {
    size_t size, capacity;
    if (!path || !ret_tensor) return ebb_fail(EBB_ERR_ARGUMENT, "idx_read: %s is NULL", path ? "ret_tensor" : "path");
    char *bytes = read_file(path, &size, &capacity);
    if (!bytes) return ebb_error_status();
    ebb_status status = ebb_idx_decode(bytes, size, path, ret_tensor);
    ebb_free(bytes, capacity);
    return status;
}
