/* Factorizations without a library against those of LAPACK, where it is there, and both against what they promise; bad
 * matrices; any number of threads. */
#include "tests/check.h"
#include "kernel/lapack.h"

#include <ebb/ebb.h>
#include <math.h>

static ebb_tensor *matrix(ebb_dims shape, ebb_dtype dtype, double seed) {
    int64_t n = 1;
    for (int i = 0; i < shape.n; i++) n *= shape.d[i];
    ebb_tensor *t = ebb_zeros(shape, .dtype = EBB_F64);
    for (int64_t i = 0; i < n; i++) ((double *)ebb_tensor_data(t))[i] = sin(seed + 1.7 * (double)(i * i % 1009));
    return ebb_to(t, dtype);
}

static ebb_tensor *turned(ebb_tensor *x) { return ebb_transpose(x, -1, -2); }
static ebb_tensor *identity(ebb_tensor *like, int64_t n) { return ebb_eye(n, .dtype = ebb_tensor_dtype(like)); }
static ebb_tensor *positive(ebb_tensor *a) {
    return ebb_add(ebb_matmul(a, turned(a)), identity(a, ebb_tensor_size(a, -2)));
}

static double worst(ebb_tensor *a, ebb_tensor *b) {
    ebb_tensor *d = ebb_amax(ebb_abs(ebb_sub(a, b)));
    CHECK_OK();
    return ebb_tensor_numel(a) ? ebb_item(d) / fmax(1, ebb_item(ebb_amax(ebb_abs(b)))) : 0;
}
#define CHECK_SAME(a, b, tolerance) CHECK(worst((a), (b)) <= (tolerance))

/* P L U, out of lu_factor's results. */
static ebb_tensor *unpacked(ebb_tensor *lu, ebb_tensor *pivots) {
    int64_t m = ebb_tensor_size(lu, -2), n = ebb_tensor_size(lu, -1), k = m < n ? m : n;
    ebb_tensor *eye = ebb_slice(ebb_eye(m, .dtype = ebb_tensor_dtype(lu)), 1, 0, k);
    ebb_tensor *l = ebb_add(ebb_tril(ebb_slice(lu, 1, 0, k), .diagonal = -1), eye);
    ebb_tensor *rows = ebb_matmul(l, ebb_triu(ebb_slice(lu, 0, 0, k)));
    return ebb_index_copy(rows, ebb_lu_permutation(pivots, m), rows, 0);
}

/* What factors promise, whoever computed them; eps is what the dtype allows. */
static void check_factors(ebb_tensor *a, double eps) {
    int64_t m = ebb_tensor_size(a, -2), n = ebb_tensor_size(a, -1), k = m < n ? m : n;
    ebb_tensor *r, *q = ebb_qr(a, .ret_R = &r);
    CHECK_SAME(ebb_matmul(q, r), a, eps);
    CHECK_SAME(ebb_matmul(turned(q), q), identity(a, k), eps);
    CHECK_SAME(r, ebb_triu(r), 0);
    ebb_tensor *s, *vh, *u = ebb_svd(a, .ret_S = &s, .ret_Vh = &vh);
    CHECK_SHAPE(u, m, m);
    CHECK_SHAPE(vh, n, n);
    CHECK_SAME(ebb_matmul(turned(u), u), identity(a, m), eps);
    CHECK_SAME(ebb_matmul(vh, turned(vh)), identity(a, n), eps);
    ebb_tensor *us = ebb_mul(ebb_slice(u, 1, 0, k), s);
    CHECK_SAME(ebb_matmul(us, ebb_slice(vh, 0, 0, k)), a, eps);
    CHECK_SAME(ebb_svdvals(a), s, eps);
    ebb_tensor *pivots, *general = ebb_add(a, 1); /* a may be 0, of which no factors are told */
    ebb_tensor *lu = ebb_lu_factor(general, .ret_pivots = &pivots);
    CHECK_SAME(unpacked(lu, pivots), general, eps);
    if (m != n) return;
    ebb_tensor *p = positive(a), *l = ebb_cholesky(p), *b = ebb_slice(a, 1, 0, 2 < n ? 2 : n);
    CHECK_SAME(ebb_matmul(l, turned(l)), p, eps);
    CHECK_SAME(ebb_cholesky(p, .upper = true), turned(l), eps);
    lu = ebb_lu_factor(p, .pivot = EBB_SET(false), .ret_pivots = &pivots);
    CHECK_SAME(unpacked(lu, pivots), p, eps);
    CHECK_SAME(ebb_matmul(p, ebb_solve(p, b)), b, eps);
    CHECK_SAME(ebb_matmul(p, ebb_inv(p)), identity(a, n), eps);
    for (int how = 0; how < 4; how++) { /* left or not, of the matrix or its transpose */
        bool left = how & 1, adjoint = how & 2;
        ebb_tensor *matrix = ebb_add(p, ebb_triu(a)), *c = left ? b : turned(b); /* that is not symmetric */
        lu = ebb_lu_factor(matrix, .ret_pivots = &pivots);
        ebb_tensor *x = ebb_lu_solve(lu, pivots, c, .left = EBB_SET(left), .adjoint = adjoint);
        ebb_tensor *by = adjoint ? turned(matrix) : matrix;
        CHECK_SAME(left ? ebb_matmul(by, x) : ebb_matmul(x, by), c, eps);
    }
    CHECK_SAME(ebb_matmul(l, ebb_solve_triangular(l, b, false)), b, eps);
    CHECK_SAME(ebb_matmul(ebb_solve_triangular(l, turned(b), false, .left = EBB_SET(false)), l), turned(b), eps);
    ebb_tensor *logabsdet, *sign = ebb_slogdet(p, .ret_logabsdet = &logabsdet);
    ebb_tensor *vectors, *w = ebb_eigh(p, .ret_eigenvectors = &vectors);
    CHECK_SAME(ebb_matmul(ebb_mul(vectors, w), turned(vectors)), p, eps);
    CHECK_SAME(ebb_matmul(turned(vectors), vectors), identity(a, n), eps);
    CHECK_SAME(ebb_eigvalsh(p, .UPLO = 1), w, eps);
    CHECK_SAME(ebb_sum(ebb_log(w)), logabsdet, 10 * eps);
    CHECK(ebb_item(sign) == 1);
}

static const ebb_dims shapes[] = {{{1, 1}, 2}, {{2, 2}, 2},   {{3, 3}, 2},   {{7, 4}, 2},
                                  {{4, 7}, 2}, {{40, 40}, 2}, {{33, 50}, 2}, {{50, 33}, 2}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void with_work(double work) {
    double before = ebb__lapack_work;
    ebb__lapack_work = work;
    for (int i = 0; i < SHAPES; i++) {
        EBB_SCOPE { check_factors(matrix(shapes[i], EBB_F64, i), 1e-12); }
        EBB_SCOPE { check_factors(matrix(shapes[i], EBB_F32, i), 2e-4); }
    }
    ebb__lapack_work = before;
}

EBB_TEST(our_own) { with_work((double)INFINITY); }
EBB_TEST(a_librarys) { with_work(0); }

/* Values, and where LAPACK fixes signs, vectors too. */
EBB_TEST(both_agree) {
    const double before = ebb__lapack_work;
    for (int i = 0; i < SHAPES; i++) {
        EBB_SCOPE {
            ebb_tensor *a = matrix(shapes[i], EBB_F64, i), *q[2], *r[2], *s[2], *w[2], *det[2];
            for (int own = 0; own < 2; own++) {
                ebb__lapack_work = own ? (double)INFINITY : 0;
                q[own] = ebb_qr(a, .ret_R = &r[own]);
                s[own] = ebb_svdvals(a);
                ebb_tensor *square = ebb_matmul(a, turned(a));
                w[own] = ebb_eigvalsh(square);
                det[own] = ebb_det(positive(a));
            }
            CHECK_SAME(q[0], q[1], 1e-12);
            CHECK_SAME(r[0], r[1], 1e-12);
            CHECK_SAME(s[0], s[1], 1e-12);
            CHECK_SAME(w[0], w[1], 1e-12);
            CHECK_SAME(det[0], det[1], 1e-11);
        }
    }
    ebb__lapack_work = before;
}

EBB_TEST(what_has_not_full_rank) {
    ebb_tensor *a = matrix(EBB_DIMS(6, 3), EBB_F64, 1), *zero = ebb_zeros(EBB_DIMS(4, 3), .dtype = EBB_F64), *s, *vh;
    ebb_tensor *low = ebb_matmul(a, turned(a)), *u = ebb_svd(low, .ret_S = &s, .ret_Vh = &vh);
    CHECK_SAME(ebb_matmul(ebb_mul(u, s), vh), low, 1e-14);
    CHECK_SAME(ebb_matmul(turned(u), u), identity(a, 6), 1e-14);
    CHECK(ebb_at_index(s, EBB_DIMS(3)) < 1e-14);
    u = ebb_svd(zero, .ret_S = &s, .ret_Vh = &vh);
    CHECK_SAME(ebb_matmul(turned(u), u), identity(a, 4), 0);
    CHECK_SAME(s, ebb_zeros_like(s), 0);
    ebb_tensor *vectors, *w = ebb_eigh(ebb_eye(3, .dtype = EBB_F64), .ret_eigenvectors = &vectors);
    CHECK_VALUES(w, 0, 1, 1, 1);
    CHECK_SAME(vectors, ebb_eye(3, .dtype = EBB_F64), 0);
    ebb_tensor *p = ebb_pinv(low);
    CHECK_SAME(ebb_matmul(low, ebb_matmul(p, low)), low, 1e-13);
}

EBB_TEST(very_large_and_small_numbers) {
    const double scales[] = {1e-300, 1e-160, 1e160, 1e300};
    ebb_tensor *a = matrix(EBB_DIMS(4, 4), EBB_F64, 2), *p = positive(a);
    for (int i = 0; i < 4; i++) {
        ebb_tensor *big = ebb_mul(p, scales[i] / 100);
        CHECK_SAME(ebb_div(ebb_svdvals(big), scales[i] / 100), ebb_svdvals(p), 1e-13);
        CHECK_SAME(ebb_div(ebb_eigvalsh(big), scales[i] / 100), ebb_eigvalsh(p), 1e-13);
        ebb_tensor *r, *q = ebb_qr(big, .ret_R = &r);
        CHECK_SAME(ebb_matmul(turned(q), q), identity(a, 4), 1e-13);
    }
}

EBB_TEST(batches_and_threads) {
    ebb_tensor *a = matrix(EBB_DIMS(40, 20, 20), EBB_F64, 3), *p = positive(a), *one, *all[3];
    const int before = ebb_num_threads();
    for (int threads = 1; threads <= 3; threads++) {
        ebb_set_num_threads(threads);
        all[threads - 1] = ebb_inv(p);
    }
    ebb_set_num_threads(before);
    CHECK_SAME(all[0], all[1], 0);
    CHECK_SAME(all[0], all[2], 0);
    for (int64_t i = 0; i < 40; i += 13) {
        one = ebb_inv(ebb_select(p, 0, i));
        CHECK_SAME(one, ebb_select(all[0], 0, i), 0);
    }
}

EBB_TEST_MAIN
