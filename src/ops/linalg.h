/* What operators on matrices in the last two dimensions share: shapes, the loop over the batch, triangles. */
#ifndef EBB_OPS_LINALG_H
#define EBB_OPS_LINALG_H

#include "ops/ops.h"

#ifndef EBB_GENERATE
#include "kernel/lapack.h"

/* One factorization of every matrix of a batch. Inputs are contiguous; threads take matrices by pieces. */
struct ebb__matrices {
    const struct ebb_forward *f;
    int64_t count, m, n, k; /* matrices, and their sizes, as the operator uses them */
    double work;            /* multiplications for one */
    struct ebb__lapack how;
    size_t scratch; /* bytes that one() may write */
    /* Compute matrix `item`; returns LAPACK's info, 0 for success. */
    int (*one)(const struct ebb__matrices *x, int64_t item, char *scratch);
    int64_t failed; /* the first item that failed, or -1, */
    int info;       /* and why */
};

/* The batch and sizes of an operator whose input 0 is a contiguous batch of matrices. */
struct ebb__matrices ebb__matrices_of(const struct ebb_forward *f);
ebb_status ebb__each_matrix(struct ebb__matrices *x);

/* "(Batch element 2): " when there is a batch, else "". */
const char *ebb__batch_element(const struct ebb__matrices *x, char text[48]);

/* Copy a matrix (m, n), stored by rows without gaps, to or from one stored by columns, converting. `at` is its
 * number. */
void ebb__matrix_load(const struct ebb__matrices *x, const ebb_tensor *from, int64_t at, int64_t m, int64_t n,
                      void *to);
void ebb__matrix_store(const struct ebb__matrices *x, ebb_tensor *to, int64_t at, int64_t m, int64_t n,
                       const void *from);
/* The same for n numbers in a row, or a matrix without turning it. */
void ebb__vector_load(const struct ebb__matrices *x, const ebb_tensor *from, int64_t at, int64_t n, void *to);
void ebb__vector_store(const struct ebb__matrices *x, ebb_tensor *to, int64_t at, int64_t n, const void *from);

/* Errors unless input i has matrices in its last two dimensions; square ones. */
ebb_status ebb__infer_matrix(const struct ebb_infer *f, int i);
ebb_status ebb__infer_square(const struct ebb_infer *f, int i);

/* out[0] (LU) and out[1] (pivots), lu_factor's, of in[0]; *ret_x tells whether a zero was met, and where. */
ebb_status ebb__lu_factors(const struct ebb_forward *f, bool exchange, struct ebb__matrices *ret_x);

/* out[0], the X of AX = B, or XA = B (not left), or of A's transpose (adjoint), for in[0] and in[1], A's factors, and
 * in[2], B, of vectors or of matrices. */
ebb_status ebb__lu_solutions(const struct ebb_forward *f, bool vector, bool left, bool adjoint);

/* The shape of the solution of AX = B, or XA = B, for b of vectors or of matrices; batches broadcast. */
ebb_status ebb__solution_shape(const ebb_dims *a, const ebb_dims *b, bool vector, bool left, ebb_dims *ret_shape);

/* The matrix that belongs to matrix `item` of a result of this shape, in a tensor whose batch broadcasts to it;
 * matrix_dims is 2, or 1 where the result is of vectors. */
int64_t ebb__partner(const ebb_tensor *t, const ebb_tensor *out, int matrix_dims, int64_t item);

/* PyTorch's rule for right sides: b is a batch of vectors when it has one dimension, or is shaped as a without its last
 * one. */
bool ebb__is_vector(const ebb_dims *a, const ebb_dims *b);

/* The shape with its last `drop` sizes replaced by these. */
ebb_dims ebb__dims_ending(ebb_dims shape, int drop, ebb_dims end);

/* ---- for rules ---- */

static inline ebb_tensor *ebb__turned(ebb_tensor *x) { return ebb_transpose(x, -1, -2); }
static inline int64_t ebb__rows(const ebb_tensor *x) { return x ? x->dims[x->ndim - 2] : 0; }
static inline int64_t ebb__columns(const ebb_tensor *x) { return x ? x->dims[x->ndim - 1] : 0; }
/* Whether a rule may use factors that are kept beside the result: they have no history, so not where what the rule does
 * is differentiated itself, and not where they were rounded to half precision. */
static inline bool ebb__may_use_factors(const ebb_tensor *lu) {
    return ebb__thread.no_grad && !ebb__thread.levels && lu && !ebb__is_half(lu->dtype);
}
/* x (…, n, n) with d, which broadcasts, on its diagonal. */
ebb_tensor *ebb__with_diagonal(ebb_tensor *x, ebb_tensor *d);
#endif
#endif
