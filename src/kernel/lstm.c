/* Long short-term memory over time (Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000): the weight is
 * packed once for all steps, rows of the batch go through all steps without waiting for each other, and gates are
 * activated while they lie in the first cache. */
#include "base/base.h"
#include "kernel/isa.h"

#include <string.h>

enum {
    PACKED_ROWS = 16, /* of all steps together, from which packing the weight pays */
    LEAST_ROWS = 8,   /* of a thread */
    MOST_ROWS = 192,  /* that go through the steps together */
    LEAST_WORK = 1 << 13,
    PAD = 64, /* bytes between rows, which would often lie in the same lines of the cache without */
};

struct lstm {
    struct ebb__lstm shape;
    const struct ebb__lstm_backward *b;
    const char *gates, *cx, *hx;
    char *output, *cells, *activations;
    int64_t size, wide, rows, blocks; /* bytes of an element; units of a block, rows of a chunk */
    char *packed, *space;
    size_t packed_bytes, space_bytes; /* for each chunk two states of its rows, `row_bytes` apart */
    int64_t row_bytes;
    ebb_status status; /* of products by way of ebb__gemm, which is called in one chunk only */
};

static char *into(const struct lstm *l, const void *p, int64_t i) { return (char *)(uintptr_t)p + i * l->size; }

/* ---- the plan ---- */

static int64_t count(int64_t n, int64_t part) { return (n + part - 1) / part; }

/* The weight (4 units, units) as panels of as many columns as the kernel takes at once, one behind the other: forward of
 * its transposition, four gates for each block of units; backward of itself. */
static void pack(const struct lstm *l) {
    const int64_t n = l->shape.units, s = l->size, step[] = {l->wide * s, s}, column = n * s;
    char *to = l->packed;
    for (int64_t j = 0; j < n; j += l->wide) {
        const int64_t wide = n - j < l->wide ? n - j : l->wide;
        if (l->b) {
            ebb__copy(2, (int64_t[]){4 * n, wide}, l->shape.dtype, to, step, l->shape.dtype,
                      into(l, l->shape.weight, j), (int64_t[]){column, s});
            to += 4 * n * step[0];
            continue;
        }
        for (int64_t gate = 0; gate < 4; gate++, to += n * step[0])
            ebb__copy(2, (int64_t[]){n, wide}, l->shape.dtype, to, step, l->shape.dtype,
                      into(l, l->shape.weight, (gate * n + j) * n), (int64_t[]){s, column});
    }
}

static ebb_status begin(struct lstm *l) {
    const struct ebb__lstm *d = &l->shape;
    const int64_t threads = ebb_num_threads(), work = d->steps * d->units * 4;
    const bool packs = d->weight && d->steps * d->batch >= PACKED_ROWS;
    int64_t least = d->weight ? LEAST_ROWS : count(LEAST_WORK, work);
    l->size = (int64_t)ebb_dtype_size(d->dtype);
    l->wide = packs ? 2 * ebb__isa.vector_bytes / l->size : d->units;
    l->blocks = count(d->units, l->wide);
    l->rows = d->batch;
    if (packs || !d->weight) {
        l->rows = count(d->batch, threads);
        if (l->rows > MOST_ROWS) l->rows = MOST_ROWS;
        if (l->rows < least) l->rows = least < d->batch ? least : d->batch;
    }
    if (!d->weight) return EBB_OK;
    l->row_bytes = d->units * l->size * (l->b ? 4 : 1) + PAD;
    l->space_bytes = (size_t)(count(d->batch, l->rows) * 2 * l->rows * l->row_bytes);
    l->packed_bytes = packs ? (size_t)(4 * d->units * l->blocks * l->wide * l->size) : 0;
    l->space = ebb__alloc(l->space_bytes);
    if (l->space && packs) l->packed = ebb__alloc(l->packed_bytes);
    if (!l->space || (packs && !l->packed)) return EBB_ERR_MEMORY;
    if (packs) pack(l);
    return EBB_OK;
}

static void end(struct lstm *l) {
    ebb__free(l->packed, l->packed_bytes);
    ebb__free(l->space, l->space_bytes);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* c (rows, n) = a b, or added to it: of b a panel, or where the weight is not packed its part at `w`. */
static void product(struct lstm *l, int64_t rows, int64_t n, int64_t k, const char *a, int64_t panel, int64_t w,
                    bool turned, bool accumulate, char *c, int64_t ldc) {
    const ebb_dtype dtype = l->shape.dtype;
    const int64_t a_rs = l->row_bytes / l->size;
    if (l->packed)
        ebb__isa.gemm[dtype](rows, n, k, a, a_rs, 1, l->packed + panel * k * l->wide * l->size, l->wide, 1, accumulate,
                             c, ldc, NULL);
    else if (!l->status)
        l->status = ebb__gemm(dtype, rows, n, k, a, a_rs, 1, into(l, l->shape.weight, w), turned ? 1 : l->shape.units,
                        turned ? l->shape.units : 1, accumulate, c, ldc);
}

/* ---- forward ---- */

/* `rows` rows from `row` on, units [j, j + n), at step t: gates become activations. */
static void forward_block(struct lstm *l, int64_t t, int64_t row, int64_t rows, int64_t block, const char *before,
                          char *after) {
    const int64_t units = l->shape.units, j = block * l->wide, n = least(units - j, l->wide);
    const int64_t first = t * l->shape.batch + row;
    for (int64_t gate = 0; gate < 4; gate++) {
        const int64_t at = first * 4 * units + gate * units + j;
        for (int64_t r = 0; r < rows; r++)
            memcpy(into(l, l->activations, at + r * 4 * units), into(l, l->gates, at + r * 4 * units),
                   (size_t)(n * l->size));
        if (before)
            product(l, rows, n, units, before, block * 4 + gate, (gate * units + j) * units, true, true,
                    into(l, l->activations, at), 4 * units);
    }
    for (int64_t r = 0; r < rows; r++) {
        const int64_t at = (first + r) * units + j;
        void *gate[4];
        for (int i = 0; i < 4; i++) gate[i] = into(l, l->activations, ((first + r) * 4 + i) * units + j);
        const char *c_before = t ? into(l, l->cells, at - l->shape.batch * units) : into(l, l->cx, (row + r) * units + j);
        ebb__isa.lstm[l->shape.dtype].forward(n, gate, c_before, into(l, l->cells, at), into(l, l->output, at));
        if (after) memcpy(after + r * l->row_bytes + j * l->size, into(l, l->output, at), (size_t)(n * l->size));
    }
}

static void forward_chunks(void *context, int64_t first, int64_t last) {
    struct lstm *l = context;
    const int64_t units = l->shape.units;
    for (; first < last; first++) {
        const int64_t row = first * l->rows, rows = least(l->shape.batch - row, l->rows);
        char *state[2] = {NULL, NULL};
        if (l->space) {
            state[0] = l->space + first * 2 * l->rows * l->row_bytes;
            state[1] = state[0] + l->rows * l->row_bytes;
            for (int64_t r = 0; r < rows; r++)
                memcpy(state[0] + r * l->row_bytes, into(l, l->hx, (row + r) * units), (size_t)(units * l->size));
        }
        for (int64_t t = 0; t < l->shape.steps; t++)
            for (int64_t block = 0; block < l->blocks; block++)
                forward_block(l, t, row, rows, block, state[t % 2], state[1 - t % 2]);
    }
}

static ebb_status run(struct lstm *l, void (*chunks)(void *, int64_t, int64_t)) {
    const struct ebb__lstm *d = &l->shape;
    if (d->steps < 1 || d->batch < 1 || d->units < 1) return EBB_OK;
    l->status = begin(l);
    const int64_t n = l->status ? 0 : count(d->batch, l->rows);
    if (n > 1) ebb__parallel_for(n, 1, chunks, l);
    else if (n == 1) chunks(l, 0, 1);
    end(l);
    return l->status;
}

ebb_status ebb__lstm_forward(const struct ebb__lstm *shape, const void *gates, const void *cx, const void *hx,
                             void *output, void *cells, void *activations) {
    struct lstm l = {.shape = *shape, .gates = gates, .cx = cx, .hx = hx};
    l.output = output, l.cells = cells, l.activations = activations;
    return run(&l, forward_chunks);
}

/* ---- backward ---- */

/* The same units, once the gradients of all gates of the step after, `later`, are there (NULL: there is none). */
static void backward_block(struct lstm *l, int64_t t, int64_t row, int64_t rows, int64_t block,
                           const char *later, char *now) {
    const struct ebb__lstm_backward *b = l->b;
    const int64_t units = l->shape.units, j = block * l->wide, n = least(units - j, l->wide);
    const int64_t first = t * l->shape.batch + row;
    /* until the step is done grad_hx is where the gradient of its state is, from the step after */
    char *more = later ? into(l, b->grad_hx, row * units + j) : NULL;
    if (later) product(l, rows, n, 4 * units, later, block, j, false, false, more, units);
    if (t < 0) return;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t at = (first + r) * units + j, gates = (first + r) * 4 * units + j, own = (row + r) * units + j;
        const void *gate[4], *of_gate[4];
        void *dgate[4];
        for (int i = 0; i < 4; i++) {
            gate[i] = into(l, b->activations, gates + i * units);
            of_gate[i] = b->grad_activations ? into(l, b->grad_activations, gates + i * units) : NULL;
            dgate[i] = into(l, b->grad_gates, gates + i * units);
        }
        const void *c_before = t ? into(l, b->cells, at - l->shape.batch * units) : into(l, b->cx, own);
        ebb__isa.lstm[l->shape.dtype].backward(
            n, gate, c_before, into(l, b->cells, at), b->grad_output ? into(l, b->grad_output, at) : NULL,
            more ? more + r * units * l->size : NULL, b->grad_cells ? into(l, b->grad_cells, at) : NULL,
            b->grad_activations ? of_gate : NULL, into(l, b->grad_cx, own), dgate);
        for (int i = 0; i < 4 && now; i++)
            memcpy(now + r * l->row_bytes + (i * units + j) * l->size, dgate[i], (size_t)(n * l->size));
    }
}

static void backward_chunks(void *context, int64_t first, int64_t last) {
    struct lstm *l = context;
    const int64_t units = l->shape.units, end = l->shape.weight ? -1 : 0; /* grad_hx is a step more */
    for (; first < last; first++) {
        const int64_t row = first * l->rows, rows = least(l->shape.batch - row, l->rows);
        char *state[2] = {NULL, NULL};
        if (l->space) {
            state[0] = l->space + first * 2 * l->rows * l->row_bytes;
            state[1] = state[0] + l->rows * l->row_bytes;
        }
        memset(into(l, l->b->grad_cx, row * units), 0, (size_t)(rows * units * l->size));
        for (int64_t t = l->shape.steps - 1, k = 0; t >= end; t--, k ^= 1)
            for (int64_t block = 0; block < l->blocks; block++)
                backward_block(l, t, row, rows, block, t + 1 < l->shape.steps ? state[1 - k] : NULL, state[k]);
    }
}

ebb_status ebb__lstm_backward(const struct ebb__lstm *shape, const struct ebb__lstm_backward *b) {
    struct lstm l = {.shape = *shape, .b = b};
    return run(&l, backward_chunks);
}
