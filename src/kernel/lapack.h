/* Factorizations of one matrix, in the calling thread: LAPACK where it is there and the matrix is large, else code of
 * our own. Matrices are stored by columns without gaps, as LAPACK has it. */
#ifndef EBB_KERNEL_LAPACK_H
#define EBB_KERNEL_LAPACK_H

#include <ebb/tensor.h>

/* Who computes, and in what: our own code in double precision only, LAPACK in the dtype asked for. */
struct ebb__lapack {
    ebb_dtype dtype;
    bool lapack;
};
static const struct ebb__lapack ebb__lapack_own = {EBB_F64, false};

/* The work, in multiplications, from which LAPACK is used; tests set it to compare both. */
extern double ebb__lapack_work;

/* For f32 and f64. `n` is the largest size. */
struct ebb__lapack ebb__lapack_for(ebb_dtype dtype, int64_t n, double work);

/* a = P L U: a (m, n) becomes both factors, row i was swapped with row pivot[i] - 1 >= i, for i < min(m, n); without
 * `exchange`, which is our own code's only, with itself. Returns 0, or i where U[i - 1, i - 1] is the first zero on the
 * diagonal. */
int ebb__lu(struct ebb__lapack how, int64_t m, int64_t n, bool exchange, void *a, int *pivot);

/* b (n, k) becomes the solution x of a x = b, turned: of a^T x = b, for the factors and pivots of ebb__lu(). */
void ebb__lu_solve(struct ebb__lapack how, int64_t n, int64_t k, const void *lu, const int *pivot, bool turned,
                   void *b);

/* The lower triangle of a (n, n) becomes that of L, a = L L^T. Returns 0, or the order of the first minor that is not
 * positive definite. */
int ebb__cholesky(struct ebb__lapack how, int64_t n, void *a);

/* What may be known of a triangular system. */
struct ebb__triangle {
    bool upper, unit; /* which triangle is read; its diagonal is taken to be ones */
    bool right;       /* x a = b instead of a x = b */
};

/* b becomes x, both stored by rows: b (n, k) on the left, (k, n) on the right of it; a (n, n), also by rows. */
void ebb__triangular_solve(struct ebb__lapack how, struct ebb__triangle is, int64_t n, int64_t k, const void *a,
                           void *b);

/* a (m, n) = q r: the upper triangle of a becomes r; q (m, columns) gets that many columns of the orthogonal matrix,
 * min(m, n) <= columns <= m, or is NULL. `scratch` has ebb__qr_scratch() elements. */
int64_t ebb__qr_scratch(struct ebb__lapack how, int64_t m, int64_t n, int64_t columns);
void ebb__qr(struct ebb__lapack how, int64_t m, int64_t n, int64_t columns, void *a, void *q, void *scratch);

/* Eigenvalues w (n), ascending, of the symmetric matrix whose lower triangle a (n, n) holds; a becomes the vectors, in
 * its columns, when they are wanted, else anything. Returns 0, or not when it does not converge. */
int64_t ebb__eigh_scratch(struct ebb__lapack how, int64_t n, bool vectors);
int ebb__eigh(struct ebb__lapack how, int64_t n, bool vectors, void *a, void *w, void *scratch);

/* a (m, n) = u diag(s) vt with s (min(m, n)) descending; u is (m, m) or (m, min), vt (n, n) or (min, n) by `full`; both
 * NULL when the values alone are wanted. a is overwritten. Returns 0, or not when it does not converge. */
int64_t ebb__svd_scratch(struct ebb__lapack how, int64_t m, int64_t n, bool vectors, bool full);
int ebb__svd(struct ebb__lapack how, int64_t m, int64_t n, bool full, void *a, void *s, void *u, void *vt,
             void *scratch);

/* ---- our own, in double precision (factor.c, eigen.c, svd.c), by the same rules ---- */
int ebb__own_lu(int64_t m, int64_t n, bool exchange, double *a, int *pivot);
void ebb__own_lu_solve(int64_t n, int64_t k, const double *lu, const int *pivot, bool turned, double *b);
int ebb__own_cholesky(int64_t n, double *a);
void ebb__own_triangular_solve(struct ebb__triangle is, int64_t n, int64_t k, const double *a, double *b);
int64_t ebb__own_qr_scratch(int64_t m, int64_t n);
void ebb__own_qr(int64_t m, int64_t n, int64_t columns, double *a, double *q, double *scratch);
int64_t ebb__own_eigh_scratch(int64_t n);
int ebb__own_eigh(int64_t n, bool vectors, double *a, double *w, double *scratch);
int64_t ebb__own_svd_scratch(int64_t m, int64_t n);
int ebb__own_svd(int64_t m, int64_t n, bool full, double *a, double *s, double *u, double *vt, double *scratch);

/* sum(x y), in four interleaved sums, which is faster, and closer, than one. */
static inline double ebb__inner(int64_t n, const double *x, const double *y) {
    double a = 0, b = 0, c = 0, d = 0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        a += x[i] * y[i];
        b += x[i + 1] * y[i + 1];
        c += x[i + 2] * y[i + 2];
        d += x[i + 3] * y[i + 3];
    }
    for (; i < n; i++) a += x[i] * y[i];
    return (a + b) + (c + d);
}

/* A reflection I - tau v v^T with v[0] = 1 that takes x (n) to (beta, 0, …): x[1 …] becomes v[1 …], x[0] beta. Returns
 * tau; beta has the sign opposite to x[0], and tau is 0 where there is nothing to reflect, as in LAPACK. */
double ebb__reflector(int64_t n, double *x);

/* c (n) becomes (I - tau v v^T) c; v[0] is taken to be 1. */
void ebb__reflect(int64_t n, double tau, const double *v, double *c);

#endif
