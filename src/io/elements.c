/* Elements of files become elements of tensors: brought into the machine's order of bytes, and widened. */
#include "io/elements.h"
#include <ebb/autograd.h>
#include <ebb/ops.h>
#include <string.h>

/* The first of a dtype is the dtype's own. */
static const struct {
    char kind;
    unsigned char size;
    ebb_dtype dtype;
} types[] = {
    {'b', 1, EBB_BOOL}, {'u', 1, EBB_U8},  {'i', 4, EBB_I32}, {'i', 1, EBB_I32}, {'i', 2, EBB_I32}, {'u', 2, EBB_I32},
    {'i', 8, EBB_I64},  {'u', 4, EBB_I64}, {'f', 2, EBB_F16}, {'f', 4, EBB_F32}, {'f', 8, EBB_F64}, {'V', 2, EBB_BF16},
};
enum { N_TYPES = sizeof types / sizeof *types };

ebb_dtype ebb__element_dtype(struct ebb__element e) {
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].kind == e.kind && types[i].size == e.size) return types[i].dtype;
    return EBB_DTYPE_NONE;
}

struct ebb__element ebb__element_of(ebb_dtype dtype) {
    int i = 0;
    while (i < N_TYPES - 1 && types[i].dtype != dtype) i++;
    return (struct ebb__element){types[i].kind, types[i].size, ebb__big_endian()};
}

bool ebb__big_endian(void) {
    const uint16_t probe = 1;
    return *(const unsigned char *)&probe == 0;
}

bool ebb__elements_count(const ebb_dims *shape, uint64_t most, uint64_t *ret_count) {
    uint64_t count = 1;
    *ret_count = 0;
    for (int i = 0; i < shape->n; i++)
        if (shape->d[i] == 0) return true;
    for (int i = 0; i < shape->n; i++) {
        if (count > most / (uint64_t)shape->d[i]) return false;
        count *= (uint64_t)shape->d[i];
    }
    *ret_count = count;
    return count <= most;
}

static uint64_t load(const unsigned char *p, size_t n, bool big) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | p[big ? i : n - 1 - i];
    return v;
}

void ebb__elements_swap(void *data, uint64_t count, size_t size) {
    unsigned char *p = data;
    for (uint64_t i = 0; i < count; i++, p += size)
        for (size_t k = 0; k < size / 2; k++) {
            unsigned char byte = p[k];
            p[k] = p[size - 1 - k];
            p[size - 1 - k] = byte;
        }
}

void ebb__elements_tidy_bools(void *data, uint64_t count) {
    unsigned char *p = data;
    for (uint64_t i = 0; i < count; i++)
        if (p[i] > 1) p[i] = 1; /* written only where needed: the bytes may be a file's pages */
}

/* From the last to the first, since the wider ones lie over those that are still to be read. */
static void widen(unsigned char *data, uint64_t count, struct ebb__element from, size_t to) {
    uint64_t sign = from.kind == 'i' ? (uint64_t)1 << (8 * from.size - 1) : 0;
    for (uint64_t i = count; i-- > 0;) {
        uint64_t v = load(data + i * from.size, from.size, from.big);
        v = (v ^ sign) - sign;
        uint32_t low = (uint32_t)v;
        if (to == 8) memcpy(data + i * to, &v, 8);
        else memcpy(data + i * to, &low, 4);
    }
}

void ebb__elements_convert(void *data, uint64_t count, struct ebb__element from) {
    size_t to = ebb_dtype_size(ebb__element_dtype(from));
    if (from.size < to) widen(data, count, from, to);
    else if (from.big != ebb__big_endian()) ebb__elements_swap(data, count, from.size);
    if (from.kind == 'b') ebb__elements_tidy_bools(data, count);
}

ebb_tensor *ebb__plain(ebb_tensor *t) {
    bool recorded = ebb_set_grad_enabled(false);
    ebb_tensor *plain = ebb_contiguous(t);
    ebb_set_grad_enabled(recorded);
    return plain;
}
