/* Long short-term memory over time (Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000): the weight is
 * packed once for all steps, and rows of the batch go through all steps without waiting for each other. */
#include "base/base.h"
#include "kernel/isa.h"

#include <string.h>

enum {
    PACKED_ROWS = 16, /* of all steps together, from which packing the weight pays */
    LEAST_ROWS = 8,   /* of a thread */
    MOST_ROWS = 192,  /* that go through the steps together */
    LEAST_WORK = 1 << 13,
};

struct lstm {
    struct ebb__lstm shape;
    const struct ebb__lstm_backward *b; /* NULL: forward */
    const char *gates, *cx, *hx;
    char *output, *cells, *activations;
    int64_t size, rows;                /* bytes of an element; rows of a chunk */
    int64_t inner, outer, row, column; /* of the weight as right operand (inner, outer), and its strides */
    char *packed, *space;
    size_t packed_bytes, space_bytes; /* space is for each chunk */
    ebb_status status;                /* of products by way of ebb__gemm, which is called in one chunk only */
};

static char *into(const struct lstm *l, const void *p, int64_t i) { return (char *)(uintptr_t)p + i * l->size; }

static ebb_status begin(struct lstm *l) {
    const struct ebb__lstm *d = &l->shape;
    const bool packs = d->weight && d->steps * d->batch >= PACKED_ROWS;
    l->size = (int64_t)ebb_dtype_size(d->dtype);
    l->rows = d->batch;
    if (packs || !d->weight) {
        const int64_t least = packs ? LEAST_ROWS : ebb__divide_up(LEAST_WORK, d->steps * d->units);
        l->rows = ebb__divide_up(d->batch, ebb_num_threads());
        l->rows = ebb__most(ebb__least(l->rows, MOST_ROWS), least);
    }
    l->inner = l->b ? 4 * d->units : d->units;
    l->outer = l->b ? d->units : 4 * d->units;
    l->row = l->b ? d->units : 1;
    l->column = l->b ? 1 : d->units;
    if (!packs) return EBB_OK;
    l->space_bytes = EBB__GEMM_SPACE_OF_A * (size_t)ebb__divide_up(d->batch, l->rows);
    l->packed_bytes = ebb__gemm_packed(l->outer, l->inner, l->size);
    l->space = ebb__alloc(l->space_bytes);
    l->packed = l->space ? ebb__alloc(l->packed_bytes) : NULL;
    if (!l->packed) return EBB_ERR_MEMORY;
    ebb__isa.gemm_pack[d->dtype](l->outer, l->inner, d->weight, l->row, l->column, l->packed);
    return EBB_OK;
}

static ebb_status run(struct lstm *l, void (*chunks)(void *, int64_t, int64_t)) {
    const struct ebb__lstm *d = &l->shape;
    if (d->steps < 1 || d->batch < 1 || d->units < 1) return EBB_OK;
    l->status = begin(l);
    const int64_t n = l->status ? 0 : ebb__divide_up(d->batch, l->rows);
    if (n > 1) ebb__parallel_for(n, 1, chunks, l);
    else if (n == 1) chunks(l, 0, 1);
    ebb__free(l->packed, l->packed_bytes);
    ebb__free(l->space, l->space_bytes);
    return l->status;
}

/* c = a times the weight, as forward and backward need it, or added to it. */
static void product(struct lstm *l, int64_t chunk, int64_t rows, const char *a, bool accumulate, char *c) {
    const ebb_dtype dtype = l->shape.dtype;
    if (l->packed)
        ebb__isa.gemm[dtype](rows, l->outer, l->inner, a, l->inner, 1, l->packed, 0, EBB__GEMM_PACKED,
                             accumulate ? &(ebb__gemm_begin){c, 0, l->outer, 1} : NULL, c, l->outer,
                             l->space + chunk * EBB__GEMM_SPACE_OF_A);
    else if (!l->status)
        l->status = ebb__gemm(dtype, rows, l->outer, l->inner, a, l->inner, 1, l->shape.weight, l->row, l->column,
                              accumulate, c, l->outer);
}

static int64_t rows_of(const struct lstm *l, int64_t chunk) {
    return ebb__least(l->shape.batch - chunk * l->rows, l->rows);
}

/* ---- forward ---- */

static void forward_chunks(void *context, int64_t chunk, int64_t last) {
    struct lstm *l = context;
    const int64_t units = l->shape.units, step = l->shape.batch * units;
    for (; chunk < last; chunk++) {
        const int64_t row = chunk * l->rows, rows = rows_of(l, chunk);
        for (int64_t t = 0, at = row * units; t < l->shape.steps; t++, at += step) {
            const char *sums = l->gates;
            if (l->shape.weight) {
                sums = l->activations; /* which are gathered there, and activated in place */
                memcpy(into(l, sums, 4 * at), into(l, l->gates, 4 * at), (size_t)(4 * rows * units * l->size));
                product(l, chunk, rows, t ? into(l, l->output, at - step) : into(l, l->hx, row * units), true,
                        into(l, sums, 4 * at));
            }
            for (int64_t r = at; r < at + rows * units; r += units) {
                const void *sum[4];
                void *gate[4];
                for (int i = 0; i < 4; i++) {
                    sum[i] = into(l, sums, 4 * r + i * units);
                    gate[i] = into(l, l->activations, 4 * r + i * units);
                }
                ebb__isa.lstm[l->shape.dtype].forward(units, sum, t ? into(l, l->cells, r - step) : into(l, l->cx, r),
                                                      gate, into(l, l->cells, r), into(l, l->output, r));
            }
        }
    }
}

ebb_status ebb__lstm_forward(const struct ebb__lstm *shape, const void *gates, const void *cx, const void *hx,
                             void *output, void *cells, void *activations) {
    struct lstm l = {.shape = *shape, .gates = gates, .cx = cx, .hx = hx};
    l.output = output, l.cells = cells, l.activations = activations;
    return run(&l, forward_chunks);
}

/* ---- backward ---- */

static const void *into_if(const struct lstm *l, const void *p, int64_t i) { return p ? into(l, p, i) : NULL; }

/* A row of a step, whose elements of one unit each begin at `at`. */
static void backward_row(const struct lstm *l, int64_t at, const void *c_before, const void *dh_more, void *dc) {
    const struct ebb__lstm_backward *b = l->b;
    const void *gate[4], *of_gate[4];
    void *dgate[4];
    for (int i = 0; i < 4; i++) {
        const int64_t place = 4 * at + i * l->shape.units;
        gate[i] = into(l, b->activations, place);
        of_gate[i] = into_if(l, b->grad_activations, place);
        dgate[i] = into(l, b->grad_gates, place);
    }
    ebb__isa.lstm[l->shape.dtype].backward(l->shape.units, gate, c_before, into(l, b->cells, at),
                                           into_if(l, b->grad_output, at), dh_more, into_if(l, b->grad_cells, at),
                                           b->grad_activations ? of_gate : NULL, dc, dgate);
}

/* grad_cx and grad_hx hold the gradients of the step's cells and states that come from the step after it. */
static void backward_chunks(void *context, int64_t chunk, int64_t last) {
    struct lstm *l = context;
    const struct ebb__lstm_backward *b = l->b;
    const int64_t units = l->shape.units, step = l->shape.batch * units;
    for (; chunk < last; chunk++) {
        const int64_t row = chunk * l->rows * units, rows = rows_of(l, chunk);
        memset(into(l, b->grad_cx, row), 0, (size_t)(rows * units * l->size));
        for (int64_t t = l->shape.steps - 1; t >= 0; t--) {
            for (int64_t r = row; r < row + rows * units; r += units) {
                const int64_t at = t * step + r;
                backward_row(l, at, t ? into(l, b->cells, at - step) : into(l, b->cx, r),
                             l->shape.weight && t + 1 < l->shape.steps ? into(l, b->grad_hx, r) : NULL,
                             into(l, b->grad_cx, r));
            }
            if (l->shape.weight)
                product(l, chunk, rows, into(l, b->grad_gates, 4 * (t * step + row)), false, into(l, b->grad_hx, row));
        }
    }
}

ebb_status ebb__lstm_backward(const struct ebb__lstm *shape, const struct ebb__lstm_backward *b) {
    struct lstm l = {.shape = *shape, .b = b};
    return run(&l, backward_chunks);
}
