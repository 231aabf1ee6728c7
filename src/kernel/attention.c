/* Attention without the matrix of all scores: blocks of queries against blocks of keys, with running maxima and sums,
 * and the backward that computes the blocks anew (T. Dao, D. Fu, S. Ermon, A. Rudra, C. Re, "FlashAttention", NeurIPS
 * 2022, algorithms 1 and 4; the running softmax is that of M. Milakov and N. Gimelshein 2018). */
#include "base/base.h"
#include "kernel/isa.h"

#include <math.h>
#include <string.h>

enum { ROWS = 64, COLS = 128 }; /* queries and keys of a block */

/* A block of queries against a block of keys. */
struct block {
    const struct ebb__attention *a;
    int64_t head, row, rows, col, cols;
};

static const char *at(const struct ebb__attention *a, const void *p, int64_t i) {
    return (const char *)p + i * (int64_t)ebb_dtype_size(a->dtype);
}
static char *into(const struct ebb__attention *a, void *p, int64_t i) {
    return (char *)p + i * (int64_t)ebb_dtype_size(a->dtype);
}

/* c (m, n) = x y, or added to it; a sum of nothing is 0. */
static void product(const struct ebb__attention *a, int64_t m, int64_t n, int64_t k, const void *x, int64_t x_rs,
                    int64_t x_cs, const void *y, int64_t y_rs, int64_t y_cs, bool accumulate, void *c, int64_t ldc) {
    if (m < 1 || n < 1) return;
    if (k > 0) {
        ebb__isa.gemm[a->dtype](m, n, k, x, x_rs, x_cs, y, y_rs, y_cs,
                                accumulate ? &(ebb__gemm_begin){c, 0, ldc, 1} : NULL, c, ldc, NULL);
    } else {
        for (int64_t i = 0; i < m && !accumulate; i++)
            memset(into(a, c, i * ldc), 0, (size_t)n * ebb_dtype_size(a->dtype));
    }
}

/* The products of the block's queries and keys, scaled and masked, into s (ROWS, COLS). */
#define DEFINE_SCORES(F, T) \
    static void bias_##F(const struct block *b, T *s) { \
        const struct ebb__attention *a = b->a; \
        const T scale = (T)a->scale; \
        for (int64_t i = 0; i < b->rows; i++, s += COLS) { \
            const int64_t seen = a->causal ? b->row + i + 1 - b->col : b->cols; \
            for (int64_t j = 0; j < b->cols; j++) s[j] *= scale; \
            if (a->mask) { \
                const T *m = \
                    (const T *)a->mask + a->mask_at[b->head] + (b->row + i) * a->mask_row + b->col * a->mask_col; \
                for (int64_t j = 0; j < b->cols; j++) s[j] += m[j * a->mask_col]; \
            } \
            for (int64_t j = seen < 0 ? 0 : seen; j < b->cols; j++) s[j] = -(T)INFINITY; \
        } \
    } \
    /* One step of the running softmax: s becomes exponentials, the result so far is made comparable. */ \
    static void soften_##F(const struct block *b, T *s, T *most, T *sum, T *out) { \
        const int64_t step[] = {sizeof(T), sizeof(T)}, width = b->a->value_width; \
        for (int64_t i = 0; i < b->rows; i++, s += COLS) { \
            T m; \
            ebb__isa.max[b->a->dtype].run(b->cols, (const char *)s, sizeof(T), &m); \
            if (!(m <= most[i])) { /* greater, or NaN */ \
                const T shrink = most[i] == -(T)INFINITY ? 0 : (T)exp((double)(most[i] - m)); \
                sum[i] *= shrink; \
                for (int64_t k = 0; k < width; k++) out[i * width + k] *= shrink; \
                most[i] = m; \
            } \
            const T base = most[i] == -(T)INFINITY ? 0 : most[i]; \
            for (int64_t j = 0; j < b->cols; j++) s[j] -= base; \
            ebb__loops_exp[b->a->dtype](b->cols, (char *const[]){(char *)s, (char *)s}, step, NULL); \
            sum[i] += (T)ebb__isa.norm[b->a->dtype].sum(b->cols, s); \
        } \
    } \
    static void finish_##F(const struct block *b, const T *most, const T *sum, T *out, T *lse) { \
        const int64_t width = b->a->value_width; \
        for (int64_t i = 0; i < b->rows; i++) { \
            const T scale = sum[i] == 0 ? 0 : 1 / sum[i]; \
            for (int64_t k = 0; k < width; k++) out[i * width + k] *= scale; \
            lse[i] = sum[i] == 0 ? -(T)INFINITY : most[i] + (T)log((double)sum[i]); \
        } \
    } \
    /* s becomes the probabilities. */ \
    static void probabilities_##F(const struct block *b, T *s, const T *lse) { \
        const int64_t step[] = {sizeof(T), sizeof(T)}; \
        for (int64_t i = 0; i < b->rows; i++, s += COLS) { \
            const T base = lse[i] == -(T)INFINITY ? 0 : lse[i]; \
            for (int64_t j = 0; j < b->cols; j++) s[j] -= base; \
            ebb__loops_exp[b->a->dtype](b->cols, (char *const[]){(char *)s, (char *)s}, step, NULL); \
        } \
    } \
    /* ds = p (ds - inner) scale */ \
    static void slopes_##F(const struct block *b, const T *p, const T *inner, T *ds) { \
        const T scale = (T)b->a->scale; \
        for (int64_t i = 0; i < b->rows; i++, p += COLS, ds += COLS) \
            for (int64_t j = 0; j < b->cols; j++) ds[j] = p[j] * (ds[j] - inner[i]) * scale; \
    } \
    /* inner = sum(g * out) - g_lse, of the block's queries */ \
    static void inner_##F(const struct block *b, const T *g, const T *out, const T *g_lse, T *ret) { \
        const int64_t width = b->a->value_width; \
        for (int64_t i = 0; i < b->rows; i++) { \
            T total = g_lse ? -g_lse[i] : 0; \
            for (int64_t k = 0; k < width; k++) total += g[i * width + k] * out[i * width + k]; \
            ret[i] = total; \
        } \
    }
DEFINE_SCORES(f32, float)
DEFINE_SCORES(f64, double)
#define BY_DTYPE(fn, a, T_arguments_f32, T_arguments_f64) \
    ((a)->dtype == EBB_F32 ? fn##_f32 T_arguments_f32 : fn##_f64 T_arguments_f64)

static void scores(const struct block *b, void *s) {
    const struct ebb__attention *a = b->a;
    const int64_t e = a->width;
    product(a, b->rows, b->cols, e, at(a, a->query, (b->head * a->queries + b->row) * e), e, 1,
            at(a, a->key, (b->head * a->keys + b->col) * e), 1, e, false, s, COLS);
    BY_DTYPE(bias, a, (b, s), (b, s));
}

/* Where the keys end that a block's last query may see. */
static int64_t last_key(const struct block *b) {
    const int64_t seen = b->row + b->rows;
    return b->a->causal && seen < b->a->keys ? seen : b->a->keys;
}

struct job {
    const struct ebb__attention *a;
    void *out, *lse;
    const struct ebb__attention_backward *b;
    int64_t blocks; /* of queries, for each head */
};

static struct block query_block(const struct job *j, int64_t head, int64_t i) {
    struct block b = {j->a, head, i * ROWS, ROWS, 0, 0};
    if (j->a->queries - b.row < ROWS) b.rows = j->a->queries - b.row;
    return b;
}

static void next_keys(struct block *b) {
    b->cols = last_key(b) - b->col;
    if (b->cols > COLS) b->cols = COLS;
}

static void forward_body(void *context, int64_t first, int64_t last) {
    const struct job *j = context;
    const struct ebb__attention *a = j->a;
    for (; first < last; first++) {
        struct block b = query_block(j, first / j->blocks, first % j->blocks);
        _Alignas(64) double s[ROWS * COLS], most[ROWS], sum[ROWS];
        const int64_t row = b.head * a->queries + b.row;
        void *out = into(a, j->out, row * a->value_width), *lse = into(a, j->lse, row);
        memset(out, 0, (size_t)(b.rows * a->value_width) * ebb_dtype_size(a->dtype));
        memset(sum, 0, sizeof sum);
        for (int i = 0; i < ROWS; i++) {
            if (a->dtype == EBB_F32) ((float *)(void *)most)[i] = -INFINITY;
            else most[i] = -(double)INFINITY;
        }
        for (; b.col < last_key(&b); b.col += COLS) {
            next_keys(&b);
            scores(&b, s);
            BY_DTYPE(soften, a, (&b, (float *)(void *)s, (float *)(void *)most, (float *)(void *)sum, out),
                     (&b, s, most, sum, out));
            product(a, b.rows, a->value_width, b.cols, s, COLS, 1,
                    at(a, a->value, (b.head * a->keys + b.col) * a->value_width), a->value_width, 1, true, out,
                    a->value_width);
        }
        BY_DTYPE(finish, a, (&b, (const float *)(void *)most, (const float *)(void *)sum, out, lse),
                 (&b, most, sum, out, lse));
    }
}

void ebb__attention_forward(const struct ebb__attention *a, void *out, void *lse) {
    struct job j = {.a = a, .out = out, .lse = lse, .blocks = (a->queries + ROWS - 1) / ROWS};
    ebb__parallel_for(a->heads * j.blocks, 1, forward_body, &j);
}

/* One block's share of the gradients. */
static void backward_block(const struct job *j, const struct block *b, const void *inner) {
    const struct ebb__attention *a = b->a;
    const struct ebb__attention_backward *g = j->b;
    _Alignas(64) double p[ROWS * COLS], ds[ROWS * COLS];
    const int64_t e = a->width, v = a->value_width, row = b->head * a->queries + b->row;
    const int64_t col = b->head * a->keys + b->col;
    const void *lse = at(a, g->lse, row), *grad = at(a, g->grad, row * v);
    scores(b, p);
    BY_DTYPE(probabilities, a, (b, (float *)(void *)p, lse), (b, p, lse));
    product(a, b->cols, v, b->rows, p, 1, COLS, grad, v, 1, true, into(a, g->dvalue, col * v), v);
    product(a, b->rows, b->cols, v, grad, v, 1, at(a, a->value, col * v), 1, v, false, ds, COLS);
    BY_DTYPE(slopes, a, (b, (const float *)(void *)p, inner, (float *)(void *)ds), (b, p, inner, ds));
    product(a, b->rows, e, b->cols, ds, COLS, 1, at(a, a->key, col * e), e, 1, true, into(a, g->dquery, row * e), e);
    product(a, b->cols, e, b->rows, ds, 1, COLS, at(a, a->query, row * e), e, 1, true, into(a, g->dkey, col * e), e);
}

/* A head at a time: its blocks add to the same gradients. */
static void backward_body(void *context, int64_t first, int64_t last) {
    const struct job *j = context;
    const struct ebb__attention *a = j->a;
    for (; first < last; first++) {
        for (int64_t i = 0; i < j->blocks; i++) {
            struct block b = query_block(j, first, i);
            double inner[ROWS];
            const int64_t row = first * a->queries + b.row;
            const void *g = at(a, j->b->grad, row * a->value_width), *out = at(a, j->b->out, row * a->value_width);
            const void *g_lse = j->b->grad_lse ? at(a, j->b->grad_lse, row) : NULL;
            BY_DTYPE(inner, a, (&b, g, out, g_lse, (float *)(void *)inner), (&b, g, out, g_lse, inner));
            for (; b.col < last_key(&b); b.col += COLS) {
                next_keys(&b);
                backward_block(j, &b, inner);
            }
        }
    }
}

void ebb__attention_backward(const struct ebb__attention *a, const struct ebb__attention_backward *b) {
    struct job j = {.a = a, .b = b, .blocks = (a->queries + ROWS - 1) / ROWS};
    const size_t size = ebb_dtype_size(a->dtype);
    memset(b->dquery, 0, (size_t)(a->heads * a->queries * a->width) * size);
    memset(b->dkey, 0, (size_t)(a->heads * a->keys * a->width) * size);
    memset(b->dvalue, 0, (size_t)(a->heads * a->keys * a->value_width) * size);
    ebb__parallel_for(a->heads, 1, backward_body, &j);
}
