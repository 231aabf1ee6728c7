/* Strided copies that convert: whole runs with memcpy, transpositions in blocks that fit the cache, the rest by
 * rows. */
#include "base/base.h"
#include "base/turn.h"
#include "kernel/isa.h"
#include "kernel/walk.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    STREAMED = 1 << 25, /* bytes from which a copy goes past the caches: what it would keep there it would lose again */
    STREAMED_ROW = 2048, /* those of its rows: the lines at their ends go through the caches */
    FETCHED = 1024,      /* of rows of which the next is asked for early */
    FAR = 1 << 24,       /* bytes of a matrix that no near cache holds */
    GRAIN = 1 << 15,     /* elements that are worth a thread */
    ROW = 1 << 13,       /* elements at which a long row is cut */
    TILE_ROWS = 128,     /* elements along the source's contiguous dimension handled at a time, */
    TILE_ROWS_FAR = 512, /* and where each run lies in another page that is far away */
    TILE_BYTES = 64      /* along the destination's: a cache line */
};

struct copy {
    ebb__walk outer;                  /* array 0: destination, 1: source */
    int64_t row, row_to, row_from;    /* the innermost dimension and its strides */
    int64_t line, line_to, line_from; /* of a transposition: the dimension contiguous in the source */
    int64_t tile;                     /* elements of a line that are handled at a time */
    int64_t pieces;                   /* of each row, or of each line */
    size_t size;
    bool streamed;
    ebb__loop loop;
    char *dst;
    const char *src;
};

/* memcpy, whole lines of it past the caches, so that memory need not be read before it is written. */
static void stream(char *to, const char *from, size_t n) {
#if defined(__SSE2__)
    const size_t before = -(uintptr_t)to & 63;
    if (n >= before + 64) {
        memcpy(to, from, before);
        for (to += before, from += before, n -= before; n >= 64; to += 64, from += 64, n -= 64)
            for (int i = 0; i < 64; i += 16)
                _mm_stream_si128((__m128i *)(void *)(to + i),
                                 _mm_loadu_si128((const __m128i *)(const void *)(from + i)));
    }
#endif
    memcpy(to, from, n);
}

static void copy_rows(void *context, int64_t first, int64_t last) {
    const struct copy *c = context;
    ebb__cursor at = ebb__walk_at(&c->outer, first / c->pieces);
    for (int64_t piece = first % c->pieces; first < last; first++) {
        const int64_t start = piece * ROW, n = c->row - start < ROW ? c->row - start : ROW;
        char *to = c->dst + at.offset[0] + start * c->row_to;
        const char *from = c->src + at.offset[1] + start * c->row_from;
        if (++piece == c->pieces) {
            piece = 0;
            ebb__walk_next(&c->outer, &at);
            const int64_t next = c->loop || c->row > FETCHED / (int64_t)c->size ? 0 : c->row * (int64_t)c->size;
            for (int64_t k = 0; k < next; k += 64) ebb__fetch(c->src + at.offset[1], k);
        }
        if (c->loop) {
            c->loop(n, (char *[]){to, (char *)(uintptr_t)from}, (int64_t[]){c->row_to, c->row_from}, NULL);
        } else if (c->streamed) {
            stream(to, from, (size_t)n * c->size);
        } else {
            memcpy(to, from, (size_t)n * c->size);
        }
    }
#if defined(__SSE2__)
    if (c->streamed) _mm_sfence(); /* before another thread is told that it is done */
#endif
}

/* Through a small buffer, so that each cache line of either side is touched once, however its address collides. */
#define DEFINE_TILE(T) \
    static void tile_##T(int64_t rows, int64_t columns, char *to, int64_t to_stride, const char *from, \
                         int64_t from_stride) { \
        T buffer[TILE_BYTES / sizeof(T)][TILE_ROWS_FAR]; \
        for (int64_t j = 0; j < columns; j++) memcpy(buffer[j], from + j * from_stride, (size_t)rows * sizeof(T)); \
        const char *x = (const char *)buffer; \
        int64_t i = sizeof(T) == 4 ? ebb__turn_by_4(rows, columns, to, to_stride, x, sizeof buffer[0]) : 0; \
        for (; i < rows; i++) { \
            T *o = (T *)(to + i * to_stride); \
            for (int64_t j = 0; j < columns; j++) o[j] = buffer[j][i]; \
        } \
    }
DEFINE_TILE(uint8_t)
DEFINE_TILE(uint16_t)
DEFINE_TILE(uint32_t)
DEFINE_TILE(uint64_t)

static void copy_transposed(void *context, int64_t first, int64_t last) {
    const struct copy *c = context;
    const int64_t columns = TILE_BYTES / (int64_t)c->size;
    void (*tile)(int64_t, int64_t, char *, int64_t, const char *, int64_t) = c->size == 1   ? tile_uint8_t
                                                                             : c->size == 2 ? tile_uint16_t
                                                                             : c->size == 4 ? tile_uint32_t
                                                                                            : tile_uint64_t;
    for (; first < last; first++) {
        const ebb__cursor at = ebb__walk_at(&c->outer, first / c->pieces);
        const int64_t start = first % c->pieces * c->tile, left = c->line - start;
        const int64_t rows = left < c->tile ? left : c->tile;
        char *to = c->dst + at.offset[0] + start * c->line_to;
        const char *from = c->src + at.offset[1] + start * c->line_from;
        for (int64_t j = 0; j < c->row; j += columns)
            tile(rows, c->row - j < columns ? c->row - j : columns, to + j * c->row_to, c->line_to,
                 from + j * c->row_from, c->row_from);
    }
}

/* Take dimension d out of the walk. */
static void take(ebb__walk *walk, int d, int64_t *size, int64_t *to, int64_t *from) {
    *size = walk->size[d];
    *to = walk->stride[d][0];
    *from = walk->stride[d][1];
    walk->n--;
    for (; d < walk->n; d++) {
        walk->size[d] = walk->size[d + 1];
        memcpy(walk->stride[d], walk->stride[d + 1], sizeof walk->stride[d]);
    }
}

void ebb__copy(int ndim, const int64_t *shape, ebb_dtype to, void *dst, const int64_t *dst_stride, ebb_dtype from,
               const void *src, const int64_t *src_stride) {
    struct copy c = {.row = 1, .pieces = 1, .dst = dst, .src = src, .size = ebb_dtype_size(to)};
    const int64_t size = (int64_t)c.size;
    for (int d = 0; d < ndim; d++) ebb__walk_push(&c.outer, shape[d], dst_stride[d], src_stride[d], 0);
    ebb__walk_sort(&c.outer, 0);
    ebb__walk_merge(&c.outer);
    if (ebb__walk_count(&c.outer) == 0) return;
    c.row_to = c.row_from = size;
    if (c.outer.n > 0) take(&c.outer, c.outer.n - 1, &c.row, &c.row_to, &c.row_from);
    int line = c.outer.n - 1;
    while (line >= 0 && c.outer.stride[line][1] != size) line--;
    if (to == from && c.row_to == size && c.row_from != size && c.row >= 4 && line >= 0 && c.outer.size[line] >= 4) {
        take(&c.outer, line, &c.line, &c.line_to, &c.line_from);
        c.tile = c.line * c.row * size < FAR ? TILE_ROWS : TILE_ROWS_FAR;
        c.pieces = ebb__divide_up(c.line, c.tile);
        ebb__parallel_for(ebb__walk_count(&c.outer) * c.pieces, GRAIN / c.tile / c.row + 1, copy_transposed, &c);
        return;
    }
    c.pieces = ebb__divide_up(c.row, ROW);
    c.streamed = c.row * size >= STREAMED_ROW && ebb__walk_count(&c.outer) * c.row * size >= STREAMED;
    if (to != from || c.row_to != size || c.row_from != size) c.loop = ebb__loops_cast[to][from];
    ebb__parallel_for(ebb__walk_count(&c.outer) * c.pieces, GRAIN / (c.row < ROW ? c.row : ROW), copy_rows, &c);
}
