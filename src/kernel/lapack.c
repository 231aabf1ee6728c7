/* Factorizations: LAPACK's routines out of OpenBLAS, loaded by name when the first large matrix asks for them, or our
 * own. Which of the two depends on sizes only, so that results do not depend on what was called before. */
#include "kernel/lapack.h"
#include "kernel/blas.h"
#include <limits.h>

double ebb__lapack_work = 1 << 17;

#if defined(EBB_HAVE_CBLAS) && (defined(__unix__) || defined(__APPLE__))
#include <pthread.h>

/* Fortran's interface: everything by address, and the lengths of texts behind. One pointer type serves both
 * precisions. */
typedef void (*getrf_fn)(const int *m, const int *n, void *a, const int *lda, int *pivot, int *info);
typedef void (*getrs_fn)(const char *trans, const int *n, const int *nrhs, const void *a, const int *lda,
                         const int *pivot, void *b, const int *ldb, int *info, size_t);
typedef void (*potrf_fn)(const char *uplo, const int *n, void *a, const int *lda, int *info, size_t);
typedef void (*trsm_fn)(const char *side, const char *uplo, const char *trans, const char *diag, const int *m,
                        const int *n, const void *alpha, const void *a, const int *lda, void *b, const int *ldb, size_t,
                        size_t, size_t, size_t);
typedef void (*geqrf_fn)(const int *m, const int *n, void *a, const int *lda, void *tau, void *work, const int *lwork,
                         int *info);
typedef void (*orgqr_fn)(const int *m, const int *n, const int *k, void *a, const int *lda, const void *tau, void *work,
                         const int *lwork, int *info);
typedef void (*syevd_fn)(const char *jobz, const char *uplo, const int *n, void *a, const int *lda, void *w, void *work,
                         const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);
typedef void (*gesdd_fn)(const char *jobz, const int *m, const int *n, void *a, const int *lda, void *s, void *u,
                         const int *ldu, void *vt, const int *ldvt, void *work, const int *lwork, int *iwork, int *info,
                         size_t);

static struct routines {
    getrf_fn getrf;
    getrs_fn getrs;
    potrf_fn potrf;
    trsm_fn trsm;
    geqrf_fn geqrf;
    orgqr_fn orgqr;
    syevd_fn syevd;
    gesdd_fn gesdd;
    bool all;
} of_f32, of_f64;

static bool find_all(struct routines *r, char type) {
    const struct {
        const char *name;
        void *at;
    } wanted[] = {{"?getrf_", &r->getrf}, {"?getrs_", &r->getrs}, {"?potrf_", &r->potrf}, {"?trsm_", &r->trsm},
                  {"?geqrf_", &r->geqrf}, {"?orgqr_", &r->orgqr}, {"?syevd_", &r->syevd}, {"?gesdd_", &r->gesdd}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char name[16] = {type};
        for (size_t c = 1; wanted[i].name[c]; c++) name[c] = wanted[i].name[c];
        if (!ebb__blas_find(name, wanted[i].at)) return false;
    }
    return true;
}

static void find_routines(void) {
    of_f32.all = find_all(&of_f32, 's');
    of_f64.all = find_all(&of_f64, 'd');
}

static const struct routines *routines(ebb_dtype dtype) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, find_routines);
    return dtype == EBB_F32 ? &of_f32 : &of_f64;
}

static bool there(ebb_dtype dtype) { return routines(dtype)->all; }

static int lu(ebb_dtype dtype, int m, int n, void *a, int *pivot) {
    int info = 0;
    routines(dtype)->getrf(&m, &n, a, &m, pivot, &info);
    return info;
}

static void lu_solve(ebb_dtype dtype, int n, int k, const void *lu, const int *pivot, bool turned, void *b) {
    int info = 0;
    routines(dtype)->getrs(turned ? "T" : "N", &n, &k, lu, &n, pivot, b, &n, &info, 1);
}

static int cholesky(ebb_dtype dtype, int n, void *a) {
    int info = 0;
    routines(dtype)->potrf("L", &n, a, &n, &info, 1);
    return info;
}

/* What is stored by rows is, by columns, its transpose: x a = b becomes a^T x^T = b^T. */
static void triangular_solve(ebb_dtype dtype, struct ebb__triangle is, int n, int k, const void *a, void *b) {
    const double one = 1;
    const float one_f32 = 1;
    const int rows = is.right ? n : k, columns = is.right ? k : n;
    routines(dtype)->trsm(is.right ? "L" : "R", is.upper ? "L" : "U", "N", is.unit ? "U" : "N", &rows, &columns,
                          dtype == EBB_F32 ? (const void *)&one_f32 : &one, a, &n, b, &rows, 1, 1, 1, 1);
}

static int size_asked_for(ebb_dtype dtype, const double *work) {
    return dtype == EBB_F32 ? (int)*(const float *)(const void *)work : (int)*work;
}

static const int query = -1;

static int64_t qr_work(ebb_dtype dtype, int m, int n, int columns) {
    double work = 0;
    int info = 0, k = m < n ? m : n;
    routines(dtype)->geqrf(&m, &n, NULL, &m, NULL, &work, &query, &info);
    int size = size_asked_for(dtype, &work);
    routines(dtype)->orgqr(&m, &columns, &k, NULL, &m, NULL, &work, &query, &info);
    int other = size_asked_for(dtype, &work);
    return size > other ? size : other;
}

static void qr(ebb_dtype dtype, int m, int n, int columns, void *a, char *q, char *scratch) {
    const size_t size = ebb_dtype_size(dtype);
    int info = 0, k = m < n ? m : n, lwork = (int)qr_work(dtype, m, n, columns);
    char *tau = scratch, *work = scratch + (size_t)k * size;
    routines(dtype)->geqrf(&m, &n, a, &m, tau, work, &lwork, &info);
    if (!q) return;
    const char *from = a;
    for (size_t i = 0; i < (size_t)m * (size_t)k * size; i++) q[i] = from[i];
    routines(dtype)->orgqr(&m, &columns, &k, q, &m, tau, work, &lwork, &info);
}

/* The elements of each work array. */
static void eigh_work(ebb_dtype dtype, int n, bool vectors, int *ret_work, int *ret_iwork) {
    double work = 0;
    int info = 0;
    routines(dtype)->syevd(vectors ? "V" : "N", "L", &n, NULL, &n, NULL, &work, &query, ret_iwork, &query, &info, 1, 1);
    *ret_work = size_asked_for(dtype, &work) + n; /* room for rounding in f32 */
}

static int64_t eigh_scratch(ebb_dtype dtype, int n, bool vectors) {
    int work, iwork;
    eigh_work(dtype, n, vectors, &work, &iwork);
    return (int64_t)work + iwork; /* an int is no larger than an element */
}

static int eigh(ebb_dtype dtype, int n, bool vectors, void *a, void *w, char *scratch) {
    int info = 0, lwork, liwork;
    eigh_work(dtype, n, vectors, &lwork, &liwork);
    int *iwork = (int *)(void *)(scratch + (size_t)lwork * ebb_dtype_size(dtype));
    routines(dtype)->syevd(vectors ? "V" : "N", "L", &n, a, &n, w, scratch, &lwork, iwork, &liwork, &info, 1, 1);
    return info;
}

static const char *svd_job(bool vectors, bool full) { return !vectors ? "N" : full ? "A" : "S"; }

static int svd_work(ebb_dtype dtype, int m, int n, bool vectors, bool full) {
    double work = 0;
    int info = 0, k = m < n ? m : n, ldvt = full ? n : k;
    routines(dtype)->gesdd(svd_job(vectors, full), &m, &n, NULL, &m, NULL, NULL, &m, NULL, &ldvt, &work, &query, NULL,
                           &info, 1);
    return size_asked_for(dtype, &work) + m + n;
}

static int svd(ebb_dtype dtype, int m, int n, bool full, void *a, void *s, void *u, void *vt, char *scratch) {
    int info = 0, k = m < n ? m : n, ldvt = full ? n : k, lwork = svd_work(dtype, m, n, u != NULL, full);
    int *iwork = (int *)(void *)(scratch + (size_t)lwork * ebb_dtype_size(dtype));
    routines(dtype)->gesdd(svd_job(u != NULL, full), &m, &n, a, &m, s, u, &m, vt, &ldvt, scratch, &lwork, iwork, &info,
                           1);
    return info;
}

#define IF_LAPACK(how, what) \
    if ((how).lapack) what
#else
static bool there(ebb_dtype dtype) {
    (void)dtype;
    return false;
}
#define IF_LAPACK(how, what) (void)(how)
#endif

struct ebb__lapack ebb__lapack_for(ebb_dtype dtype, int64_t n, double work) {
    bool lapack = work > 0 && work >= ebb__lapack_work && n < 40000 && there(dtype); /* squares of sizes are ints */
    return (struct ebb__lapack){lapack ? dtype : EBB_F64, lapack};
}

int ebb__lu(struct ebb__lapack how, int64_t m, int64_t n, bool exchange, void *a, int *pivot) {
    IF_LAPACK(how, return lu(how.dtype, (int)m, (int)n, a, pivot));
    return ebb__own_lu(m, n, exchange, a, pivot);
}

void ebb__lu_solve(struct ebb__lapack how, int64_t n, int64_t k, const void *factors, const int *pivot, bool turned,
                   void *b) {
    IF_LAPACK(how, lu_solve(how.dtype, (int)n, (int)k, factors, pivot, turned, b));
    if (!how.lapack) ebb__own_lu_solve(n, k, factors, pivot, turned, b);
}

int ebb__cholesky(struct ebb__lapack how, int64_t n, void *a) {
    IF_LAPACK(how, return cholesky(how.dtype, (int)n, a));
    return ebb__own_cholesky(n, a);
}

void ebb__triangular_solve(struct ebb__lapack how, struct ebb__triangle is, int64_t n, int64_t k, const void *a,
                           void *b) {
    IF_LAPACK(how, triangular_solve(how.dtype, is, (int)n, (int)k, a, b));
    if (!how.lapack) ebb__own_triangular_solve(is, n, k, a, b);
}

int64_t ebb__qr_scratch(struct ebb__lapack how, int64_t m, int64_t n, int64_t columns) {
    IF_LAPACK(how, return qr_work(how.dtype, (int)m, (int)n, (int)columns) + (m < n ? m : n));
    (void)columns;
    return ebb__own_qr_scratch(m, n);
}

void ebb__qr(struct ebb__lapack how, int64_t m, int64_t n, int64_t columns, void *a, void *q, void *scratch) {
    IF_LAPACK(how, qr(how.dtype, (int)m, (int)n, (int)columns, a, q, scratch));
    if (!how.lapack) ebb__own_qr(m, n, columns, a, q, scratch);
}

int64_t ebb__eigh_scratch(struct ebb__lapack how, int64_t n, bool vectors) {
    IF_LAPACK(how, return eigh_scratch(how.dtype, (int)n, vectors));
    (void)vectors;
    return ebb__own_eigh_scratch(n);
}

int ebb__eigh(struct ebb__lapack how, int64_t n, bool vectors, void *a, void *w, void *scratch) {
    IF_LAPACK(how, return eigh(how.dtype, (int)n, vectors, a, w, scratch));
    return ebb__own_eigh(n, vectors, a, w, scratch);
}

int64_t ebb__svd_scratch(struct ebb__lapack how, int64_t m, int64_t n, bool vectors, bool full) {
    IF_LAPACK(how, return svd_work(how.dtype, (int)m, (int)n, vectors, full) + 8 * (m < n ? m : n));
    (void)vectors, (void)full;
    return ebb__own_svd_scratch(m, n);
}

int ebb__svd(struct ebb__lapack how, int64_t m, int64_t n, bool full, void *a, void *s, void *u, void *vt,
             void *scratch) {
    IF_LAPACK(how, return svd(how.dtype, (int)m, (int)n, full, a, s, u, vt, scratch));
    return ebb__own_svd(m, n, full, a, s, u, vt, scratch);
}
