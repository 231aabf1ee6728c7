/* The loop over a batch of matrices, and what rules of matrix operators share. */
#include "ops/linalg.h"

enum {
    PIECES = 16,          /* of a batch, at most */
    PIECE_WORK = 1 << 18, /* multiplications that make a piece worth a thread */
    MANY = 1024           /* elements */
};

/* ---- the loop ---- */

struct loop {
    struct ebb__matrices *x;
    char *scratch;
    int64_t pieces, failed[PIECES];
    int info[PIECES];
};

static void run(void *context, int64_t first, int64_t last) {
    struct loop *l = context;
    const struct ebb__matrices *x = l->x;
    for (; first < last; first++) {
        char *scratch = l->scratch ? l->scratch + (size_t)first * x->scratch : NULL;
        l->failed[first] = -1;
        for (int64_t i = x->count * first / l->pieces; i < x->count * (first + 1) / l->pieces; i++) {
            int info = x->one(x, i, scratch);
            if (!info || l->failed[first] >= 0) continue;
            l->failed[first] = i;
            l->info[first] = info;
        }
    }
}

struct ebb__matrices ebb__matrices_of(const struct ebb_forward *f) {
    struct ebb__matrices x = {.f = f, .count = 1, .failed = -1};
    const ebb_tensor *a = f->in[0];
    x.m = ebb__rows(a);
    x.n = ebb__columns(a);
    for (int i = 0; i + 2 < a->ndim; i++) x.count *= a->dims[i];
    return x;
}

ebb_status ebb__each_matrix(struct ebb__matrices *x) {
    double pieces = x->work * (double)x->count / PIECE_WORK;
    struct loop l = {.x = x, .pieces = pieces > PIECES ? PIECES : (int64_t)pieces};
    if (l.pieces > x->count) l.pieces = x->count;
    if (l.pieces < 1) l.pieces = 1;
    x->scratch = (x->scratch + 63) / 64 * 64;
    size_t bytes = x->scratch * (size_t)l.pieces;
    if (bytes && !(l.scratch = ebb__alloc(bytes))) return ebb_error_status();
    if (l.pieces == 1) run(&l, 0, 1);
    else ebb__parallel_for(l.pieces, 1, run, &l);
    for (int64_t i = 0; i < l.pieces && x->failed < 0; i++) {
        x->failed = l.failed[i];
        x->info = l.info[i];
    }
    ebb__free(l.scratch, bytes);
    return EBB_OK;
}

const char *ebb__batch_element(const struct ebb__matrices *x, char text[48]) {
    text[0] = 0;
    if (x->f->in[0]->ndim > 2) snprintf(text, 48, "(Batch element %lld): ", (long long)x->failed);
    return text;
}

/* ---- matrices in and out ---- */

/* Few elements, which our own code computes in double precision: a loop here is less than what finds out which loop. */
#define FEW(to_type, from_type) \
    for (int64_t i = 0; i < m; i++) \
        for (int64_t j = 0; j < n; j++) \
            ((to_type *)(void *)to)[i * to_row + j * to_column] = \
                (to_type)((const from_type *)(const void *)from)[i * from_row + j * from_column];

static void copy(int64_t m, int64_t n, ebb_dtype to_dtype, char *to, int64_t to_row, int64_t to_column,
                 ebb_dtype from_dtype, const char *from, int64_t from_row, int64_t from_column) {
    int64_t a = ebb__dtype_sizes[to_dtype], b = ebb__dtype_sizes[from_dtype];
    if (m == 0 || n == 0) return;
    if (m * n <= MANY && to_dtype == EBB_F64 && from_dtype == EBB_F64) FEW(double, double)
    else if (m * n <= MANY && to_dtype == EBB_F64 && from_dtype == EBB_F32) FEW(double, float)
    else if (m * n <= MANY && to_dtype == EBB_F32 && from_dtype == EBB_F64) FEW(float, double)
    else
        ebb__copy(2, (int64_t[]){m, n}, to_dtype, to, (int64_t[]){to_row * a, to_column * a}, from_dtype, from,
                  (int64_t[]){from_row * b, from_column * b});
}

static char *place(const ebb_tensor *t, int64_t number, int64_t size) {
    return t->data + number * size * ebb__dtype_sizes[t->dtype];
}

void ebb__matrix_load(const struct ebb__matrices *x, const ebb_tensor *from, int64_t at, int64_t m, int64_t n,
                      void *to) {
    copy(m, n, x->how.dtype, to, 1, m, (ebb_dtype)from->dtype, place(from, at, m * n), n, 1);
}

void ebb__matrix_store(const struct ebb__matrices *x, ebb_tensor *to, int64_t at, int64_t m, int64_t n,
                       const void *from) {
    copy(m, n, (ebb_dtype)to->dtype, place(to, at, m * n), n, 1, x->how.dtype, from, 1, m);
}

void ebb__vector_load(const struct ebb__matrices *x, const ebb_tensor *from, int64_t at, int64_t n, void *to) {
    copy(1, n, x->how.dtype, to, n, 1, (ebb_dtype)from->dtype, place(from, at, n), n, 1);
}

void ebb__vector_store(const struct ebb__matrices *x, ebb_tensor *to, int64_t at, int64_t n, const void *from) {
    copy(1, n, (ebb_dtype)to->dtype, place(to, at, n), n, 1, x->how.dtype, from, n, 1);
}

/* ---- shapes ---- */

ebb_status ebb__infer_matrix(const struct ebb_infer *f, int i) {
    if (f->in[i].shape.n >= 2) return EBB_OK;
    return ebb_fail(EBB_ERR_SHAPE, "%s must have at least 2 dimensions, got %d", f->op->in[i].name,
                    (int)f->in[i].shape.n);
}

ebb_status ebb__infer_square(const struct ebb_infer *f, int i) {
    const ebb_dims *s = &f->in[i].shape;
    ebb_status status = ebb__infer_matrix(f, i);
    if (status || s->d[s->n - 1] == s->d[s->n - 2]) return status;
    return ebb_fail(EBB_ERR_SHAPE, "%s must be batches of square matrices, but they are %lld by %lld matrices",
                    f->op->in[i].name, (long long)s->d[s->n - 2], (long long)s->d[s->n - 1]);
}

bool ebb__is_vector(const ebb_dims *a, const ebb_dims *b) {
    bool same = b->n == a->n - 1;
    for (int i = 0; i < b->n; i++) same = same && a->d[i] == b->d[i];
    return b->n == 1 || same;
}

ebb_dims ebb__dims_ending(ebb_dims shape, int drop, ebb_dims end) {
    shape.n -= drop;
    for (int i = 0; i < end.n; i++) shape.d[shape.n++] = end.d[i];
    return shape;
}

/* ---- for rules ---- */

/* Of a matrix's shape, column - row. */
static ebb_tensor *offsets(const ebb_tensor *x) {
    ebb_tensor *rows = ebb_arange(0, ebb__rows(x), 1, .dtype = EBB_I64);
    ebb_tensor *columns = ebb_arange(0, ebb__columns(x), 1, .dtype = EBB_I64);
    return ebb_sub(columns, ebb_unsqueeze(rows, 1));
}

ebb_tensor *ebb__with_diagonal(ebb_tensor *x, ebb_tensor *d) {
    return x ? ebb_where(ebb_eq(offsets(x), 0), d, x) : NULL;
}
