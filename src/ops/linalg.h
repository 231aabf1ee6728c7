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

/* PyTorch's rule for right sides: b is a batch of vectors when it has one dimension, or is shaped as a without its last
 * one. */
bool ebb__is_vector(const ebb_dims *a, const ebb_dims *b);

/* The shape with its last `drop` sizes replaced by these. */
ebb_dims ebb__dims_ending(ebb_dims shape, int drop, ebb_dims end);

/* ---- for rules ---- */

static inline ebb_tensor *ebb__turned(ebb_tensor *x) { return ebb_transpose(x, -1, -2); }
static inline int64_t ebb__rows(const ebb_tensor *x) { return x ? x->dims[x->ndim - 2] : 0; }
static inline int64_t ebb__columns(const ebb_tensor *x) { return x ? x->dims[x->ndim - 1] : 0; }
/* x (…, n, n) with d, which broadcasts, on its diagonal. */
ebb_tensor *ebb__with_diagonal(ebb_tensor *x, ebb_tensor *d);
#endif
#endif
