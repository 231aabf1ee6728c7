/* The iteration plan: see plan.h. Dimensions are kept in the order of the output's memory, as PyTorch's TensorIterator
 * does. */
#include "tensor/plan.h"
#include "base/turn.h"

/* Dimension a should be inside dimension b when its strides are smaller, looking at the operands in order. */
static bool inner_first(const struct ebb__plan *p, int a, int b) {
    for (int k = 0; k < p->n; k++) {
        int64_t sa = p->stride[a][k], sb = p->stride[b][k];
        sa = sa < 0 ? -sa : sa;
        sb = sb < 0 ? -sb : sb;
        if (sa == 0 || sb == 0 || sa == sb) continue;
        return sa < sb;
    }
    return a < b;
}

static void swap_dims(struct ebb__plan *p, int a, int b) {
    int64_t s = p->size[a];
    p->size[a] = p->size[b];
    p->size[b] = s;
    for (int k = 0; k < p->n; k++) {
        s = p->stride[a][k];
        p->stride[a][k] = p->stride[b][k];
        p->stride[b][k] = s;
    }
}

static void merge_dims(struct ebb__plan *p) {
    int last = 0; /* the merged dimension that the next one may join */
    for (int i = 1; i < p->ndim; i++) {
        bool join = true;
        for (int k = 0; k < p->n && join; k++) join = p->stride[i][k] == p->stride[last][k] * p->size[last];
        if (join) {
            p->size[last] *= p->size[i];
        } else {
            last++;
            if (last != i) swap_dims(p, last, i);
        }
    }
    p->ndim = p->ndim ? last + 1 : 0;
}

void ebb__plan_make(struct ebb__plan *plan, int n, ebb_tensor *const *t) {
    const ebb_tensor *shape = t[0];
    plan->n = n;
    plan->ndim = 0;
    plan->numel = shape->numel;
    bool flat = true; /* all operands contiguous and of one shape: one dimension, no analysis */
    for (int k = 0; k < n; k++) {
        plan->data[k] = t[k]->data;
        flat = flat && ebb__is_contiguous(t[k]) && t[k]->numel == shape->numel && t[k]->ndim <= shape->ndim;
    }
    if (flat) {
        plan->ndim = 1;
        plan->size[0] = shape->numel;
        for (int k = 0; k < n; k++) plan->stride[0][k] = ebb__dtype_sizes[t[k]->dtype];
        return;
    }
    for (int k = 0; k < n; k++) plan->width[k] = ebb__dtype_sizes[t[k]->dtype];
    for (int i = shape->ndim - 1; i >= 0; i--) {
        if (shape->dims[i] == 1) continue;
        int at = plan->ndim++;
        plan->size[at] = shape->dims[i];
        for (int k = 0; k < n; k++) {
            int d = i - (shape->ndim - t[k]->ndim); /* the operand's own dimension, aligned at the right */
            bool has = d >= 0 && t[k]->dims[d] != 1;
            plan->stride[at][k] = has ? ebb__strides(t[k])[d] * (int64_t)ebb__dtype_sizes[t[k]->dtype] : 0;
        }
    }
    for (int i = 1; i < plan->ndim; i++) /* insertion sort: at most 8 */
        for (int j = i; j > 0 && inner_first(plan, j, j - 1); j--) swap_dims(plan, j, j - 1);
    merge_dims(plan);
    if (plan->ndim == 0) { /* one element */
        plan->ndim = 1;
        plan->size[0] = plan->numel;
        for (int k = 0; k < n; k++) plan->stride[0][k] = 0;
    }
}

/* Whether dimension a of the inputs lies outside of b, as it should not when it is the later one: 1 or -1; 0 where none
 * says. Of equal strides the larger dimension is the outer one. */
static int lies_outside(const ebb_dims *shape, ebb_tensor *const *in, int64_t n, int a, int b) {
    for (int64_t k = 0; k < n; k++) {
        const int skip = shape->n - in[k]->ndim;
        if (a < skip || b < skip) continue;
        const int64_t *size = in[k]->dims - skip, *stride = ebb__strides(in[k]) - skip;
        const int64_t sa = size[a] == 1 && shape->d[a] != 1 ? 0 : stride[a],
                      sb = size[b] == 1 && shape->d[b] != 1 ? 0 : stride[b];
        if (sa == 0 || sb == 0) continue;
        if (sa != sb) return sa > sb ? 1 : -1;
        if (shape->d[a] > shape->d[b]) return 1;
    }
    return 0;
}

ebb_tensor *ebb__tensor_new_ordered(ebb_dtype dtype, const ebb_dims *shape, ebb_tensor *const *in, int64_t n) {
    ebb_tensor *t = ebb__tensor_new(dtype, shape->n, shape->d);
    bool rows = true;
    for (int64_t k = 0; k < n; k++) rows = rows && ebb__is_contiguous(in[k]);
    if (rows || !t || t->numel == 0) return t;
    int order[EBB_MAX_NDIM]; /* innermost first; sorted by insertion, past what no input says anything about */
    for (int i = 0; i < shape->n; i++) order[i] = shape->n - 1 - i;
    for (int i = 1; i < shape->n; i++) {
        for (int j = i - 1, at = i; j >= 0; j--) {
            const int outside = lies_outside(shape, in, n, order[j], order[at]);
            if (outside < 0) break;
            if (outside == 0) continue;
            const int d = order[j];
            order[j] = order[at];
            order[at] = d;
            at = j;
        }
    }
    int64_t stride = 1;
    for (int i = 0; i < shape->n; i++) {
        ebb__strides(t)[order[i]] = stride;
        stride *= shape->d[order[i]];
    }
    if (!ebb__strides_contiguous(shape->n, shape->d, ebb__strides(t))) t->flags &= (uint16_t)~EBB__CONTIGUOUS;
    return t;
}

struct piece {
    const struct ebb__plan *plan;
    ebb_loop loop;
    const void *attrs;
};

/* Run over the elements [first, last), counted in the plan's order. */
static void run_piece(void *context, int64_t first, int64_t last) {
    const struct piece *w = context;
    const struct ebb__plan *p = w->plan;
    int64_t index[EBB_MAX_NDIM] = {0}, rest = first;
    char *at[EBB__PLAN_MAX];
    for (int k = 0; k < p->n; k++) at[k] = p->data[k];
    for (int i = 0; i < p->ndim && rest; i++) {
        index[i] = rest % p->size[i];
        rest /= p->size[i];
        for (int k = 0; k < p->n; k++) at[k] += index[i] * p->stride[i][k];
    }
    while (first < last) {
        int64_t run = p->size[0] - index[0];
        if (run > last - first) run = last - first;
        w->loop(run, at, p->stride[0], w->attrs);
        first += run;
        index[0] += run;
        for (int k = 0; k < p->n; k++) at[k] += run * p->stride[0][k];
        for (int i = 0; i + 1 < p->ndim && index[i] == p->size[i]; i++) {
            index[i] = 0;
            index[i + 1]++;
            for (int k = 0; k < p->n; k++) at[k] += p->stride[i + 1][k] - p->size[i] * p->stride[i][k];
        }
    }
}

/* ---- short rows ----
 * Where rows are short and lie one after another in the result, calling the loop for each costs more than what it
 * computes. Operands that are laid out otherwise, such as a bias for every row or a number for each, are written out
 * for as many rows as a buffer takes, and the loop runs over these rows as over one. */

enum { SHORT = 128, PACKED_BYTES = 4096, PACKED_MAX = 2 };

struct packing {
    const struct ebb__plan *plan;
    ebb_loop loop;
    const void *attrs;
    int n, operand[PACKED_MAX]; /* those that are written out */
    int64_t stride[EBB__PLAN_MAX];
    int64_t rows; /* at once */
};

/* False when rows are long, the result's are apart, or too many operands are. */
static bool packing_pays(const struct ebb__plan *p, struct packing *ret) {
    int64_t widest = 1;
    if (p->ndim < 2 || p->size[0] >= SHORT || p->size[1] < 2) return false;
    ret->n = 0;
    for (int k = 0; k < p->n; k++) {
        const int64_t step = p->stride[0][k], width = p->width[k];
        ret->stride[k] = step;
        if (p->stride[1][k] == step * p->size[0] && (step == width || (step == 0 && k > 0))) continue;
        if (k == 0 || ret->n == PACKED_MAX) return false;
        ret->operand[ret->n++] = k;
        ret->stride[k] = width;
        if (widest < width) widest = width;
    }
    ret->rows = PACKED_BYTES / widest / p->size[0];
    return ret->rows > 1;
}

#define DEFINE_PACK(T) \
    static void pack_##T(int64_t rows, int64_t n, const char *from, int64_t row_stride, int64_t stride, void *to_) { \
        T *to = to_; \
        for (int64_t r = 0; r < rows; r++, from += row_stride) \
            for (int64_t i = 0; i < n; i++) *to++ = *(const T *)(const void *)(from + i * stride); \
    }
DEFINE_PACK(uint8_t)
DEFINE_PACK(uint16_t)
DEFINE_PACK(uint32_t)
DEFINE_PACK(uint64_t)

static void pack(const struct ebb__plan *p, int k, int64_t rows, const char *from, void *to) {
    void (*const fn)(int64_t, int64_t, const char *, int64_t, int64_t, void *) = p->width[k] == 1   ? pack_uint8_t
                                                                                 : p->width[k] == 2 ? pack_uint16_t
                                                                                 : p->width[k] == 4 ? pack_uint32_t
                                                                                                    : pack_uint64_t;
    fn(rows, p->size[0], from, p->stride[1][k], p->stride[0][k], to);
}

/* Rows [first, last), counted in the plan's order. */
static void run_packed(void *context, int64_t first, int64_t last) {
    const struct packing *w = context;
    const struct ebb__plan *p = w->plan;
    _Alignas(64) char buffer[PACKED_MAX][PACKED_BYTES];
    const char *held[PACKED_MAX] = {NULL}; /* the row that a buffer repeats */
    for (int64_t rows; first < last; first += rows) {
        int64_t rest = first / p->size[1], row = first % p->size[1];
        rows = p->size[1] - row < w->rows ? p->size[1] - row : w->rows;
        if (rows > last - first) rows = last - first;
        char *at[EBB__PLAN_MAX];
        for (int k = 0; k < p->n; k++) at[k] = p->data[k] + row * p->stride[1][k];
        for (int i = 2; i < p->ndim; rest /= p->size[i++])
            for (int k = 0; k < p->n; k++) at[k] += rest % p->size[i] * p->stride[i][k];
        for (int i = 0; i < w->n; i++) {
            const int k = w->operand[i];
            if (p->stride[1][k] != 0) {
                pack(p, k, rows, at[k], buffer[i]);
            } else if (held[i] != at[k]) {
                pack(p, k, last - first < w->rows ? last - first : w->rows, at[k], buffer[i]);
                held[i] = at[k];
            }
            at[k] = buffer[i];
        }
        w->loop(rows * p->size[0], at, w->stride, w->attrs);
    }
}

/* A bias on a small matrix and its like: run_piece() without its counting. */
static void run_rows(const struct ebb__plan *p, ebb_loop loop, const void *attrs) {
    char *at[EBB__PLAN_MAX];
    for (int k = 0; k < p->n; k++) at[k] = p->data[k];
    for (int64_t row = 0; row < p->size[1]; row++) {
        loop(p->size[0], at, p->stride[0], attrs);
        for (int k = 0; k < p->n; k++) at[k] += p->stride[1][k];
    }
}

/* ---- transposed operands ----
 * An operand whose own lines run across the result's rows is turned, a tile at a time, into rows of a buffer. */

enum { TURNED_MAX = 2, TILE = 256, LINE_BYTES = 64 };

struct turning {
    const struct ebb__plan *plan;
    ebb_loop loop;
    const void *attrs;
    int n, operand[TURNED_MAX];
    int64_t rows, row_tiles, column_tiles; /* of a tile; tiles of a matrix */
};

/* Where the result's rows are long enough and some operand is a transposed matrix. */
static bool turning_pays(const struct ebb__plan *p, struct turning *ret) {
    if (p->ndim < 2 || p->size[0] < 16 || p->size[1] < 16) return false;
    ret->n = 0;
    ret->rows = LINE_BYTES;
    for (int k = 1; k < p->n; k++) {
        if (p->stride[1][k] != p->width[k] || p->stride[0][k] < LINE_BYTES) continue;
        if (ret->n == TURNED_MAX) return false;
        ret->operand[ret->n++] = k;
        if (ret->rows > LINE_BYTES / p->width[k]) ret->rows = LINE_BYTES / p->width[k];
    }
    ret->column_tiles = (p->size[0] + TILE - 1) / TILE;
    ret->row_tiles = (p->size[1] + ret->rows - 1) / ret->rows;
    return ret->n > 0;
}

/* Tiles [first, last): down the rows first, so that the next tile goes on where the lines of this one end. */
static void run_turned(void *context, int64_t first, int64_t last) {
    const struct turning *w = context;
    const struct ebb__plan *p = w->plan;
    _Alignas(64) char buffer[TURNED_MAX][TILE * LINE_BYTES];
    for (; first < last; first++) {
        int64_t rest = first / w->row_tiles / w->column_tiles;
        const int64_t row = first % w->row_tiles * w->rows, column = first / w->row_tiles % w->column_tiles * TILE;
        const int64_t rows = p->size[1] - row < w->rows ? p->size[1] - row : w->rows;
        const int64_t columns = p->size[0] - column < TILE ? p->size[0] - column : TILE;
        char *at[EBB__PLAN_MAX];
        int64_t step[EBB__PLAN_MAX], down[EBB__PLAN_MAX];
        for (int k = 0; k < p->n; k++) {
            at[k] = p->data[k] + row * p->stride[1][k] + column * p->stride[0][k];
            step[k] = p->stride[0][k];
            down[k] = p->stride[1][k];
        }
        for (int i = 2; i < p->ndim; rest /= p->size[i++])
            for (int k = 0; k < p->n; k++) at[k] += rest % p->size[i] * p->stride[i][k];
        for (int i = 0; i < w->n; i++) {
            const int k = w->operand[i];
            const int64_t width = p->width[k];
            ebb__turn((size_t)width, rows, columns, buffer[i], TILE * width, at[k], step[k]);
            at[k] = buffer[i];
            step[k] = width;
            down[k] = TILE * width;
        }
        for (int64_t r = 0; r < rows; r++) {
            w->loop(columns, at, step, w->attrs);
            for (int k = 0; k < p->n; k++) at[k] += down[k];
        }
    }
}

void ebb__plan_run_cut(const struct ebb__plan *plan, ebb_loop loop, const void *attrs) {
    struct packing packing = {plan, loop, attrs, .n = 0};
    if (plan->numel == 0) return;
    if (packing_pays(plan, &packing)) {
        ebb__parallel_for(plan->numel / plan->size[0], EBB__PLAN_GRAIN / plan->size[0], run_packed, &packing);
        return;
    }
    struct turning turning = {plan, loop, attrs, .n = 0};
    if (turning_pays(plan, &turning)) {
        const int64_t tiles = plan->numel / plan->size[0] / plan->size[1] * turning.row_tiles * turning.column_tiles;
        ebb__parallel_for(tiles, EBB__PLAN_GRAIN / (TILE * turning.rows) + 1, run_turned, &turning);
        return;
    }
    if (plan->ndim == 2 && plan->numel <= EBB__PLAN_GRAIN) {
        run_rows(plan, loop, attrs);
        return;
    }
    struct piece w = {plan, loop, attrs};
    ebb__parallel_for(plan->numel, EBB__PLAN_GRAIN, run_piece, &w);
}
