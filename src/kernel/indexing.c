/* Elements picked and placed by index arrays: see indexing.h.
 *
 * Dimensions along which no index changes make rows, handled by one loop each (memcpy, the loop of add); where there
 * are none, single elements are handled a run at a time: from the list of indices itself where there is one list, else
 * from offsets that were computed for the run. */
#include "kernel/indexing.h"
#include "base/base.h"
#include "kernel/kernel.h"
#include <string.h>

enum {
    RUN = 256,     /* offsets computed at a time */
    GRAIN = 16384, /* elements worth a thread */
    PIECES = 32,   /* an outer dimension of this size is what threads share, however long others are */
    OWNED = 1024   /* bytes of a row from which threads share the rows that are written, not the elements of each */
};

/* ---- single elements ---- */

/* Element i is at list[i] * step in the moving array. Entries above `last` are negative ones, to which `wrap` is added,
 * or out of range, if they still are above it. */
struct list {
    const uint64_t *entry;
    uint64_t last, wrap;
    int64_t step;
};

static struct list list_of(const struct ebb__index *x, const void *entries) {
    return (struct list){entries, (uint64_t)x->limit - 1, x->negative ? (uint64_t)x->limit : 0, x->step};
}

typedef bool run_loop(int64_t n, char *moving, int64_t moving_stride, struct list list, char *fixed,
                      int64_t fixed_stride);

#define RUN_LOOP_OF(type, n, m_step, f_step, entry_step, ...) \
    for (int64_t i = 0; i < n; i++) { \
        uint64_t entry = list.entry[i]; \
        if (EBB_UNLIKELY(entry > list.last) && (entry += list.wrap) > list.last) return false; \
        type *m = (type *)(void *)(moving + i * (m_step) + (int64_t)entry * (entry_step)); \
        type *f = (type *)(void *)(fixed + i * (f_step)); \
        __VA_ARGS__; \
    }
#define RUN_LOOP(name, type, ...) \
    static bool name(int64_t n, char *moving, int64_t moving_stride, struct list list, char *fixed, \
                     int64_t fixed_stride) { \
        const int64_t size = (int64_t)sizeof(type); \
        if (moving_stride == 0 && fixed_stride == size && list.step == size) \
            RUN_LOOP_OF(type, n, 0, size, size, __VA_ARGS__) \
        else RUN_LOOP_OF(type, n, moving_stride, fixed_stride, list.step, __VA_ARGS__) \
        return true; \
    }

#define MOVES(type) RUN_LOOP(take_##type, type, *f = *m) RUN_LOOP(put_##type, type, *m = *f)
MOVES(uint8_t)
MOVES(uint16_t)
MOVES(uint32_t)
MOVES(uint64_t)

#define INTEGERS(type, wide) \
    RUN_LOOP(add_##type, type, *m = (type)((wide)*m + (wide)*f)) \
    RUN_LOOP(mul_##type, type, *m = (type)((wide)*m * (wide)*f)) \
    RUN_LOOP(max_##type, type, *m = *f > *m ? *f : *m) RUN_LOOP(min_##type, type, *m = *f < *m ? *f : *m)
INTEGERS(uint8_t, uint32_t)
INTEGERS(int32_t, uint32_t)
INTEGERS(int64_t, uint64_t)

#define FLOATS(type) \
    RUN_LOOP(add_##type, type, *m += *f) \
    RUN_LOOP(mul_##type, type, *m *= *f) \
    RUN_LOOP(max_##type, type, *m = *f > *m || *f != *f ? *f : *m) \
    RUN_LOOP(min_##type, type, *m = *f < *m || *f != *f ? *f : *m)
FLOATS(float)
FLOATS(double)

RUN_LOOP(or_bool, uint8_t, *m = *m | *f)
RUN_LOOP(and_bool, uint8_t, *m = *m & *f)

#define ARITHMETIC(type) \
    { [EBB__ADD] = add_##type, [EBB__MUL] = mul_##type, [EBB__MAX] = max_##type, [EBB__MIN] = min_##type }
static run_loop *const arithmetic[EBB_DTYPE_COUNT][EBB__PLACINGS] = {
    [EBB_BOOL] = {[EBB__ADD] = or_bool, [EBB__MUL] = and_bool, [EBB__MAX] = or_bool, [EBB__MIN] = and_bool},
    [EBB_U8] = ARITHMETIC(uint8_t),
    [EBB_I32] = ARITHMETIC(int32_t),
    [EBB_I64] = ARITHMETIC(int64_t),
    [EBB_F32] = ARITHMETIC(float),
    [EBB_F64] = ARITHMETIC(double),
};

static run_loop *move_of(size_t size, bool take) {
    switch (size) {
    case 1: return take ? take_uint8_t : put_uint8_t;
    case 2: return take ? take_uint16_t : put_uint16_t;
    case 4: return take ? take_uint32_t : put_uint32_t;
    default: return take ? take_uint64_t : put_uint64_t;
    }
}

/* ---- the work, dimensions sorted out ---- */

struct work {
    struct ebb__places p;
    enum ebb__placing what;
    ebb_dtype dtype;
    int64_t element;            /* bytes */
    int cut;                    /* the dimension that threads share, -1 for none, */
    int64_t step;               /* by so many elements at a time */
    int run, row;               /* the dimension of a run of places, of a row of elements at each; -1 for none */
    int64_t own_first, own_end; /* offsets of the rows that this thread writes */
    run_loop *single;
    ebb__loop row_loop;
    _Atomic bool *outside; /* whether an index was */
};

/* Merge dimension d + 1 into d where all arrays step through both as through one. */
static bool merge(struct ebb__places *p, int d) {
    int64_t n = p->size[d + 1];
    bool one = p->moving_stride[d] == n * p->moving_stride[d + 1] && p->fixed_stride[d] == n * p->fixed_stride[d + 1];
    for (int k = 0; k < p->n; k++) one = one && p->index[k].stride[d] == n * p->index[k].stride[d + 1];
    if (!one) return false;
    p->size[d + 1] *= p->size[d];
    return true;
}

static void drop(struct ebb__places *p, int d) {
    p->ndim--;
    for (; d < p->ndim; d++) {
        p->size[d] = p->size[d + 1];
        p->moving_stride[d] = p->moving_stride[d + 1];
        p->fixed_stride[d] = p->fixed_stride[d + 1];
        for (int k = 0; k < p->n; k++) p->index[k].stride[d] = p->index[k].stride[d + 1];
    }
}

static void simplify(struct ebb__places *p) {
    for (int d = p->ndim - 1; d >= 0; d--)
        if (p->size[d] == 1) drop(p, d);
    for (int d = p->ndim - 2; d >= 0; d--)
        if (merge(p, d)) drop(p, d);
}

/* Along other dimensions than those of a row places may differ in their indices, or meet in one element. */
static bool may_be_row(const struct work *w, int d) {
    for (int k = 0; k < w->p.n; k++)
        if (w->p.index[k].stride[d]) return false;
    return w->what == EBB__TAKE || w->p.moving_stride[d];
}

/* Elements at different places along such a dimension are different ones, so that threads may share it. */
static bool is_free(const struct work *w, int d) { return w->what == EBB__TAKE || w->p.moving_stride[d]; }

static void choose(struct work *w) {
    const struct ebb__places *p = &w->p;
    w->cut = w->run = w->row = -1;
    for (int d = 0; d < p->ndim; d++) {
        if (is_free(w, d) && (w->cut < 0 || (p->size[w->cut] < PIECES && p->size[d] > p->size[w->cut]))) w->cut = d;
        if (!may_be_row(w, d)) {
            w->run = d; /* the last of them: what meets stays in order */
            continue;
        }
        bool flat = p->moving_stride[d] == w->element && p->fixed_stride[d] == w->element && p->size[d] > 3;
        bool larger = w->row < 0 || p->size[d] > p->size[w->row];
        if (flat || larger) w->row = d;
    }
    bool take = w->what == EBB__TAKE;
    w->single = take || w->what == EBB__PUT ? move_of((size_t)w->element, take) : arithmetic[w->dtype][w->what];
    ebb__loop *const loops[] = {[EBB__ADD] = ebb__loops_add,
                                [EBB__MUL] = ebb__loops_mul,
                                [EBB__MAX] = ebb__loops_maximum,
                                [EBB__MIN] = ebb__loops_minimum};
    w->row_loop = take || w->what == EBB__PUT ? ebb__loops_cast[w->dtype][w->dtype] : loops[w->what][w->dtype];
}

/* ---- runs ---- */

/* One row of elements, or one element where there are no rows, of a dtype without a loop for single ones. */
static void do_row(const struct work *w, char *moving, char *fixed) {
    const struct ebb__places *p = &w->p;
    int64_t n = w->row < 0 ? 1 : p->size[w->row], size = w->element;
    int64_t m = w->row < 0 ? size : p->moving_stride[w->row], f = w->row < 0 ? size : p->fixed_stride[w->row];
    bool take = w->what == EBB__TAKE;
    if (take || w->what == EBB__PUT) {
        if (m == size && f == size) memcpy(take ? fixed : moving, take ? moving : fixed, (size_t)(n * size));
        else if (take) w->row_loop(n, (char *const[]){fixed, moving}, (const int64_t[]){f, m}, NULL);
        else w->row_loop(n, (char *const[]){moving, fixed}, (const int64_t[]){m, f}, NULL);
    } else {
        w->row_loop(n, (char *const[]){moving, moving, fixed}, (const int64_t[]){m, m, f}, NULL);
    }
}

/* Offsets in the moving array of n places from `from` on along the run; false when an index is out of range. */
static bool offsets(const struct work *w, const char *const *index, int64_t from, int64_t n, int64_t *ret_offset) {
    bool outside = false;
    memset(ret_offset, 0, (size_t)n * sizeof *ret_offset);
    for (int k = 0; k < w->p.n; k++) {
        const int64_t stride = w->run < 0 ? 0 : w->p.index[k].stride[w->run];
        const char *at = index[k] + from * stride;
        const struct list list = list_of(&w->p.index[k], at);
        for (int64_t i = 0; i < n; i++) {
            const int64_t entry = *(const int64_t *)(const void *)(at + i * stride);
            const uint64_t j = (uint64_t)entry + ((uint64_t)(entry >> 63) & list.wrap);
            outside |= j > list.last;
            ret_offset[i] += (int64_t)j * list.step;
        }
    }
    return !outside;
}

static bool do_run(const struct work *w, const char *const *index, char *moving, char *fixed) {
    const struct ebb__places *p = &w->p;
    int64_t n = w->run < 0 ? 1 : p->size[w->run], offset[RUN];
    int64_t m = w->run < 0 ? 0 : p->moving_stride[w->run], f = w->run < 0 ? 0 : p->fixed_stride[w->run];
    if (w->row < 0 && w->single && p->n == 1 && w->run >= 0 && p->index[0].stride[w->run] == (int64_t)sizeof(int64_t)) {
        return w->single(n, moving, m, list_of(&p->index[0], index[0]), fixed, f);
    }
    for (int64_t from = 0; from < n; from += RUN) {
        int64_t some = n - from < RUN ? n - from : RUN;
        if (!offsets(w, index, from, some, offset)) return false;
        if (w->row < 0 && w->single) {
            const struct list in_range = {(const uint64_t *)offset, UINT64_MAX, 0, 1};
            (void)w->single(some, moving + from * m, m, in_range, fixed + from * f, f);
            continue;
        }
        for (int64_t i = 0; i < some; i++)
            if (offset[i] >= w->own_first && offset[i] < w->own_end)
                do_row(w, moving + (from + i) * m + offset[i], fixed + (from + i) * f);
    }
    return true;
}

/* All dimensions but the run's and the row's, like an odometer. */
static void do_all(const struct work *w) {
    const struct ebb__places *p = &w->p;
    char *moving = p->moving, *fixed = p->fixed;
    const char *index[EBB_MAX_NDIM];
    int64_t at[EBB_MAX_NDIM] = {0};
    for (int k = 0; k < p->n; k++) index[k] = (const char *)p->index[k].data;
    for (int d = 0; d >= 0;) {
        if (!do_run(w, index, moving, fixed)) {
            atomic_store_explicit(w->outside, true, memory_order_relaxed);
            return;
        }
        for (d = p->ndim - 1; d >= 0; d--) {
            if (d == w->run || d == w->row) continue;
            int64_t steps = ++at[d] < p->size[d] ? 1 : 1 - p->size[d];
            moving += p->moving_stride[d] * steps;
            fixed += p->fixed_stride[d] * steps;
            for (int k = 0; k < p->n; k++) index[k] += p->index[k].stride[d] * steps;
            if (steps == 1) break;
            at[d] = 0;
        }
    }
}

static void do_piece(void *context, int64_t first, int64_t last) {
    struct work w = *(const struct work *)context;
    struct ebb__places *p = &w.p;
    const int64_t end = last * w.step < p->size[w.cut] ? last * w.step : p->size[w.cut];
    first *= w.step;
    p->size[w.cut] = end - first;
    p->moving += first * p->moving_stride[w.cut];
    p->fixed += first * p->fixed_stride[w.cut];
    for (int k = 0; k < p->n; k++)
        p->index[k].data =
            (const int64_t *)(const void *)((const char *)p->index[k].data + first * p->index[k].stride[w.cut]);
    do_all(&w);
}

/* Every piece walks over all places, and does those that fall into its part [first, last) of the moving array. */
static void do_owned(void *context, int64_t first, int64_t last) {
    struct work w = *(const struct work *)context;
    w.own_first = first * w.p.index[0].step;
    w.own_end = last * w.p.index[0].step;
    do_all(&w);
}

bool ebb__place(const struct ebb__places *places, enum ebb__placing what, ebb_dtype dtype) {
    _Atomic bool outside = false;
    struct work w = {
        .p = *places, .what = what, .dtype = dtype, .outside = &outside, .own_first = INT64_MIN, .own_end = INT64_MAX};
    int64_t count = 1;
    for (int d = 0; d < w.p.ndim; d++) count *= w.p.size[d];
    if (count == 0) return true;
    for (int k = 0; k < w.p.n; k++)
        if (w.p.index[k].limit == 0) return false;
    w.element = (int64_t)ebb_dtype_size(dtype);
    simplify(&w.p);
    choose(&w);
    if (w.cut < 0) {
        do_all(&w);
        return !atomic_load_explicit(&outside, memory_order_relaxed);
    }
    const struct ebb__index *x = &w.p.index[0];
    const int64_t n = w.p.size[w.cut], threads = ebb_num_threads();
    w.step = 1;
    if (w.cut != w.row) {
        ebb__parallel_for(n, GRAIN / (count / n) + 1, do_piece, &w);
    } else if (threads > 1 && w.run >= 0 && w.p.n == 1 && what != EBB__TAKE && x->step > 0 && n * w.element >= OWNED &&
               count > 2 * GRAIN && x->limit >= 4 * threads) {
        ebb__parallel_for(x->limit, x->limit / (2 * threads), do_owned, &w);
    } else { /* every piece walks over all places: no more than one a thread, of whole cache lines */
        const int64_t least = GRAIN / (count / n) + 1, share = (n + threads - 1) / threads;
        w.step = ((least > share ? least : share) + 63) / 64 * 64;
        ebb__parallel_for((n + w.step - 1) / w.step, 1, do_piece, &w);
    }
    return !atomic_load_explicit(&outside, memory_order_relaxed);
}

/* ---- ranges ---- */

struct check {
    struct ebb__places p; /* with index 0 only */
    int64_t low;
    _Atomic int bad;
};

static bool find(const struct check *c, int64_t *ret_index) {
    const struct ebb__places *p = &c->p;
    const struct ebb__index *x = &p->index[0];
    const int last = p->ndim - 1;
    const int64_t n = last < 0 ? 1 : p->size[last], stride = last < 0 ? 0 : x->stride[last];
    const char *index = (const char *)x->data;
    int64_t at[EBB_MAX_NDIM] = {0};
    for (int d = 0; d >= 0;) {
        uint64_t outside = 0; /* its sign: whether an entry is below low, or above top */
        const uint64_t low = (uint64_t)c->low, top = (uint64_t)x->limit - 1;
        const uint64_t *list = (const uint64_t *)(const void *)index;
        if (stride == (int64_t)sizeof *list)
            for (int64_t i = 0; i < n; i++) outside |= (list[i] - low) | (top - list[i]);
        else
            for (int64_t i = 0; i < n; i++) {
                const uint64_t j = *(const uint64_t *)(const void *)(index + i * stride);
                outside |= (j - low) | (top - j);
            }
        for (int64_t i = 0; outside >> 63 && i < n; i++) {
            *ret_index = *(const int64_t *)(const void *)(index + i * stride);
            if (*ret_index >= x->limit || *ret_index < c->low) return true;
        }
        for (d = last - 1; d >= 0; d--) {
            int64_t steps = ++at[d] < p->size[d] ? 1 : 1 - p->size[d];
            index += x->stride[d] * steps;
            if (steps == 1) break;
            at[d] = 0;
        }
    }
    return false;
}

static void check_piece(void *context, int64_t first, int64_t last) {
    struct check *shared = context, c = {.p = shared->p, .low = shared->low};
    int64_t index;
    struct ebb__index *x = &c.p.index[0];
    c.p.size[0] = last - first;
    x->data = (const int64_t *)(const void *)((const char *)x->data + first * x->stride[0]);
    if (find(&c, &index)) atomic_store_explicit(&shared->bad, 1, memory_order_relaxed);
}

bool ebb__index_in_range(const struct ebb__places *places, int k, int64_t *ret_index) {
    struct check c = {.p = *places, .low = places->index[k].negative ? -places->index[k].limit : 0};
    int64_t count = 1;
    c.p.n = 1;
    c.p.index[0] = places->index[k];
    for (int d = 0; d < c.p.ndim; d++) {
        if (c.p.size[d] == 0) return true;
        c.p.moving_stride[d] = c.p.fixed_stride[d] = c.p.index[0].stride[d]; /* as the index, so that it merges alone */
        if (c.p.index[0].stride[d] == 0) c.p.size[d] = 1;                    /* the same entries again */
        count *= c.p.size[d];
    }
    simplify(&c.p);
    if (c.p.ndim == 0) return !find(&c, ret_index);
    atomic_init(&c.bad, 0);
    ebb__parallel_for(c.p.size[0], 4 * GRAIN / (count / c.p.size[0]) + 1, check_piece, &c);
    return !atomic_load_explicit(&c.bad, memory_order_relaxed) || !find(&c, ret_index);
}
