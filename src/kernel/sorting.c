/* Sorting by keys: see sorting.h. An element becomes an unsigned number that orders as it does, beside its index, so
 * that no two are equal. Long lines are sorted digit by digit from the least (Knuth, The Art of Computer Programming 3,
 * 5.2.5), short ones by insertion; a part of an order is found by selection (Hoare 1961, algorithm 65) before it is
 * sorted. */
#include "kernel/sorting.h"
#include "base/base.h"
#include "kernel/kernel.h"
#include <string.h>

#define SHORT 32
#define PIECES 8

/* Up to 32 bits of key above the index, and 64 bits beside it. */
typedef struct {
    uint64_t key, index;
} wide;

static inline bool less_narrow(uint64_t a, uint64_t b) { return a < b; }
static inline bool less_wide(wide a, wide b) { return a.key < b.key || (a.key == b.key && a.index < b.index); }
/* Digit d from the least: those of the index, then those of the key. */
static inline uint64_t digit_narrow(uint64_t a, int d) { return a >> 8 * d & 255; }
static inline uint64_t digit_wide(wide a, int d) { return (d < 8 ? a.index : a.key) >> 8 * (d & 7) & 255; }

/* insert: rising order; digits: the same from digit `from` on, with as much room again, the result where is returned:
 * what is in the order of its indices needs no digits of theirs; order: the elements at places first to first + count -
 * 1 of the order. */
#define SORTS(name, type, index_bytes) \
    static void insert_##name(type *a, int64_t n) { \
        for (int64_t i = 1; i < n; i++) { \
            type x = a[i]; \
            int64_t j = i; \
            for (; j > 0 && less_##name(x, a[j - 1]); j--) a[j] = a[j - 1]; \
            a[j] = x; \
        } \
    } \
    static type *digits_##name(type *a, type *room, int64_t n, int from) { \
        int64_t counts[2 * index_bytes][256]; \
        memset(counts[from], 0, (size_t)(2 * index_bytes - from) * sizeof *counts); \
        for (int64_t i = 0; i < n; i++) \
            for (int d = from; d < 2 * index_bytes; d++) counts[d][digit_##name(a[i], d)]++; \
        for (int d = from; d < 2 * index_bytes; d++) { \
            int64_t at = 0; \
            if (counts[d][digit_##name(a[0], d)] == n) continue; \
            for (int i = 0; i < 256; i++) { \
                int64_t count = counts[d][i]; \
                counts[d][i] = at; \
                at += count; \
            } \
            for (int64_t i = 0; i < n; i++) room[counts[d][digit_##name(a[i], d)]++] = a[i]; \
            type *t = a; \
            a = room; \
            room = t; \
        } \
        return a; \
    } \
    static type *sort_##name(type *a, type *room, int64_t n, int from) { \
        if (n > SHORT) return digits_##name(a, room, n, from); \
        insert_##name(a, n); \
        return a; \
    } \
    static bool split_##name(type *a, int64_t place, int64_t *low, int64_t *high) { \
        int64_t l = *low, h = *high; /* the place lies in between; false when it takes too long */ \
        for (int rounds = 0; h - l > SHORT; rounds++) { \
            if (rounds > 100) return false; \
            type x = a[l], y = a[l + (h - l) / 2], z = a[h - 1]; \
            type pivot = less_##name(x, y) ? (less_##name(y, z)   ? y \
                                              : less_##name(x, z) ? z \
                                                                  : x) \
                                           : (less_##name(x, z)   ? x \
                                              : less_##name(y, z) ? z \
                                                                  : y); \
            int64_t i = l, j = h - 1; \
            while (i <= j) { \
                while (less_##name(a[i], pivot)) i++; \
                while (less_##name(pivot, a[j])) j--; \
                if (i > j) break; \
                type t = a[i]; \
                a[i++] = a[j]; \
                a[j--] = t; \
            } \
            if (place <= j) h = j + 1; \
            else if (place >= i) l = i; \
            else l = place, h = place + 1; \
        } \
        *low = l; \
        *high = h; \
        return true; \
    } \
    static type *order_##name(type *a, type *room, int64_t n, int64_t first, int64_t count) { \
        int64_t low = 0, high = n; \
        if (count == 0) return a; \
        if (count > n / 4 || n <= SHORT) return sort_##name(a, room, n, index_bytes) + first; \
        if (first > 0 && !split_##name(a, first, &low, &high)) return sort_##name(a, room, n, 0) + first; \
        if (first > 0) { /* what lies before the place is less, what lies after it greater */ \
            insert_##name(a + low, high - low); \
            low = first; \
            high = n; \
        } \
        int64_t end = first + count; \
        if (end < n) { \
            if (!split_##name(a, end, &low, &high)) return sort_##name(a + first, room, n - first, 0); \
            insert_##name(a + low, high - low); \
        } \
        return sort_##name(a + first, room, count, 0); \
    }
SORTS(narrow, uint64_t, 4)
SORTS(wide, wide, 8)

/* ---- keys ---- */

static inline uint32_t key_f32(uint32_t bits) {
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return UINT32_MAX;
    if (magnitude == 0) return 0x80000000;
    return bits >> 31 ? ~bits : bits | 0x80000000;
}

static inline uint64_t key_f64(uint64_t bits) {
    uint64_t magnitude = bits & (UINT64_MAX >> 1), sign = (uint64_t)1 << 63;
    if (magnitude > (uint64_t)0x7ff << 52) return UINT64_MAX;
    if (magnitude == 0) return sign;
    return bits >> 63 ? ~bits : bits | sign;
}

#define READ_KEYS(type, key) \
    for (int64_t i = 0; i < n; i++) { \
        type x; \
        memcpy(&x, src + i * stride, sizeof x); \
        a[i] = (uint64_t)(uint32_t)((key) ^ (uint32_t)flip) << 32 | (uint64_t)i; \
    }

static void read_narrow(ebb_dtype dtype, int64_t n, const char *src, int64_t stride, bool descending, uint64_t *a) {
    const uint64_t flip = descending ? UINT64_MAX : 0;
    if (dtype == EBB_F32) READ_KEYS(uint32_t, key_f32(x))
    else if (dtype == EBB_I32) READ_KEYS(uint32_t, x ^ 0x80000000)
    else READ_KEYS(uint8_t, x)
}

static void read_wide(ebb_dtype dtype, int64_t n, const char *src, int64_t stride, bool descending, wide *a) {
    const uint64_t flip = descending ? UINT64_MAX : 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t x = 0;
        uint32_t y = 0;
        if (ebb_dtype_size(dtype) == 8) memcpy(&x, src + i * stride, sizeof x);
        else memcpy(&y, src + i * stride, ebb_dtype_size(dtype)), x = y;
        if (dtype == EBB_F64) x = key_f64(x);
        else if (dtype == EBB_F32) x = key_f32((uint32_t)x);
        else if (dtype == EBB_I64) x ^= (uint64_t)1 << 63;
        else if (dtype == EBB_I32) x ^= 0x80000000;
        a[i] = (wide){x ^ flip, (uint64_t)i};
    }
}

/* ---- lines ---- */

struct lines {
    ebb_dtype dtype;
    bool descending, narrow;
    int ndim, dim;
    const int64_t *shape, *src_stride;
    const char *src;
    char *values, *room;
    int64_t *indices;
    int64_t n, first, count, lines, pieces, grain; /* lines of a piece; the last takes the rest */
    int64_t each;                                  /* bytes of room for a piece */
};

/* The start of a line in src, and in the results (in elements): the other dimensions' indices, row-major. */
static void line_at(const struct lines *l, int64_t line, int64_t *ret_src, int64_t *ret_dst, int64_t *ret_step) {
    int64_t src = 0, dst = 0, stride = 1, step = 1;
    for (int d = l->ndim - 1; d >= 0; d--) {
        if (d == l->dim) {
            step = stride;
            stride *= l->count;
            continue;
        }
        int64_t i = line % l->shape[d];
        line /= l->shape[d];
        src += i * l->src_stride[d];
        dst += i * stride;
        stride *= l->shape[d];
    }
    *ret_src = src;
    *ret_dst = dst;
    *ret_step = step;
}

static void sort_piece(const struct lines *l, int64_t piece) {
    const int64_t from = piece * l->grain, to = piece + 1 < l->pieces ? from + l->grain : l->lines;
    const size_t size = ebb_dtype_size(l->dtype);
    const int64_t stride = l->ndim ? l->src_stride[l->dim] : 0;
    uint64_t *a = (uint64_t *)(void *)(l->room + piece * l->each);
    wide *w = (wide *)(void *)a;
    for (int64_t line = from; line < to; line++) {
        int64_t at, dst, step;
        line_at(l, line, &at, &dst, &step);
        const char *src = l->src + at;
        const uint64_t *narrow = NULL;
        const wide *broad = NULL;
        if (l->narrow) {
            read_narrow(l->dtype, l->n, src, stride, l->descending, a);
            narrow = order_narrow(a, a + l->n, l->n, l->first, l->count);
        } else {
            read_wide(l->dtype, l->n, src, stride, l->descending, w);
            broad = order_wide(w, w + l->n, l->n, l->first, l->count);
        }
        for (int64_t i = 0; i < l->count; i++, dst += step) {
            int64_t index = narrow ? (int64_t)(narrow[i] & UINT32_MAX) : (int64_t)broad[i].index;
            memcpy(l->values + dst * (int64_t)size, src + index * stride, size);
            l->indices[dst] = index;
        }
    }
}

static void sort_pieces(void *context, int64_t first, int64_t last) {
    for (; first < last; first++) sort_piece(context, first);
}

ebb_status ebb__sort(ebb_dtype dtype, int ndim, const int64_t *shape, const int64_t *src_stride, int dim,
                     const void *src, bool descending, int64_t first, int64_t count, void *values, int64_t *indices) {
    struct lines l = {.dtype = dtype,
                      .descending = descending,
                      .ndim = ndim,
                      .dim = dim,
                      .shape = shape,
                      .src_stride = src_stride,
                      .src = src,
                      .values = values,
                      .indices = indices,
                      .first = first,
                      .count = count};
    int64_t lines = 1;
    for (int d = 0; d < ndim; d++) lines *= d == dim ? 1 : shape[d];
    l.n = ndim ? shape[dim] : 1;
    if (lines == 0 || count == 0) return EBB_OK;
    l.narrow = ebb_dtype_size(dtype) <= 4 && l.n <= UINT32_MAX;
    l.each = 2 * l.n * (int64_t)(l.narrow ? sizeof(uint64_t) : sizeof(wide));
    l.grain = (lines + PIECES - 1) / PIECES;
    if (l.grain * l.n < 4096) l.grain = 4096 / l.n + 1;
    l.lines = lines;
    l.pieces = lines / l.grain > 1 ? lines / l.grain : 1;
    size_t bytes = (size_t)(l.pieces * l.each);
    if (!(l.room = ebb__alloc(bytes))) return ebb_error_status();
    ebb__parallel_for(l.pieces, 1, sort_pieces, &l);
    ebb__free(l.room, bytes);
    return EBB_OK;
}

/* ---- searching ---- */

struct search {
    const void *sorted, *values;
    const int64_t *sorter;
    int64_t size, *place;
    bool right;
};

#define SEARCH(type) \
    static void search_##type(void *context, int64_t from, int64_t to) { \
        const struct search *s = context; \
        const type *a = s->sorted, *values = s->values; \
        for (int64_t i = from; i < to; i++) { \
            int64_t low = 0, high = s->size; \
            while (low < high) { \
                int64_t middle = low + (high - low) / 2; \
                type x = a[s->sorter ? s->sorter[middle] : middle]; \
                bool before = s->right ? !(x > values[i]) : !(x >= values[i]); \
                low = before ? middle + 1 : low; \
                high = before ? high : middle; \
            } \
            s->place[i] = low; \
        } \
    }
SEARCH(uint8_t)
SEARCH(int32_t)
SEARCH(int64_t)
SEARCH(float)
SEARCH(double)

void ebb__search(ebb_dtype dtype, int64_t size, const void *sorted, const int64_t *sorter, int64_t n,
                 const void *values, bool right, int64_t *ret_place) {
    static void (*const searches[EBB_DTYPE_COUNT])(void *context, int64_t from, int64_t to) = {
        [EBB_BOOL] = search_uint8_t, [EBB_U8] = search_uint8_t, [EBB_I32] = search_int32_t,
        [EBB_I64] = search_int64_t,  [EBB_F32] = search_float,  [EBB_F64] = search_double};
    struct search s = {
        .sorted = sorted, .values = values, .sorter = sorter, .size = size, .place = ret_place, .right = right};
    ebb__parallel_for(n, 2048, searches[dtype], &s);
}
