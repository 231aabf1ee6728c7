/* oneDNN and OpenBLAS, loaded when the first large product asks for them: linked in, they would cost every program
 * several milliseconds at its start, and OpenBLAS its threads. Both are held to the calling thread, since Ebb cuts
 * products into tiles by shape and gives each to one thread; results then do not depend on the number of threads. */
#include "kernel/blas.h"

#if (defined(EBB_HAVE_DNNL) || defined(EBB_HAVE_CBLAS)) && (defined(__unix__) || defined(__APPLE__))
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>

/* The parts of dnnl.h and cblas.h that are used; neither has changed them in years. */
typedef int (*dnnl_sgemm_fn)(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                             int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
typedef void (*cblas_sgemm_fn)(int order, int transa, int transb, int m, int n, int k, float alpha, const float *a,
                               int lda, const float *b, int ldb, float beta, float *c, int ldc);
typedef void (*cblas_dgemm_fn)(int order, int transa, int transb, int m, int n, int k, double alpha, const double *a,
                               int lda, const double *b, int ldb, double beta, double *c, int ldc);
typedef void (*set_threads_fn)(int n);
typedef int (*get_threads_fn)(void);

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

static void *dnnl; /* the library, when everything that is needed of it was found */
static dnnl_sgemm_fn dnnl_sgemm_;
static cblas_sgemm_fn cblas_sgemm_;
static cblas_dgemm_fn cblas_dgemm_;
static set_threads_fn omp_set_threads; /* of the OpenMP runtime that oneDNN uses; it acts on the calling thread only */
static get_threads_fn omp_get_threads;

/* ISO C has no conversion from void * to a function; POSIX promises this one. */
static void *find(void *library, const char *symbol, void *ret_function) {
    void *address = dlsym(library, symbol);
    if (address) *(void **)ret_function = address;
    return address;
}

static void *open_first(const char *const *names, int flags) {
    void *library = NULL;
    for (; !library && *names; names++) library = dlopen(*names, flags);
    return library;
}

static void load_dnnl(void) {
#if defined(EBB_HAVE_DNNL)
    static const char *const names[] = {"libdnnl.so.3", "libdnnl.so.2", "libdnnl.dylib", NULL};
    void *library = open_first(names, RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    /* In the order in which oneDNN's own references were bound: the program's runtime first. */
    if (!find(RTLD_DEFAULT, "omp_set_num_threads", &omp_set_threads))
        find(library, "omp_set_num_threads", &omp_set_threads);
    if (!find(RTLD_DEFAULT, "omp_get_max_threads", &omp_get_threads))
        find(library, "omp_get_max_threads", &omp_get_threads);
    if (omp_set_threads && omp_get_threads && find(library, "dnnl_sgemm", &dnnl_sgemm_)) dnnl = library;
#endif
}

static void *openblas;

static void load_openblas(void) {
#if defined(EBB_HAVE_CBLAS)
    static const char *const names[] = {"libopenblas.so.0", "libopenblas.dylib", NULL};
    set_threads_fn set_threads = NULL;
    /* Its number of threads holds for the whole process: an OpenBLAS that the program itself brought is left alone. */
    if (open_first(names, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD)) return;
    void *library = open_first(names, RTLD_NOW | RTLD_LOCAL);
    if (!library || !find(library, "openblas_set_num_threads", &set_threads)) return;
    set_threads(1);
    openblas = library;
    find(library, "cblas_sgemm", &cblas_sgemm_);
    find(library, "cblas_dgemm", &cblas_dgemm_);
#endif
}

static void load_f32(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, load_dnnl);
}
static void load_f64(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, load_openblas);
}

bool ebb__blas_has(ebb_dtype dtype) {
    if (dtype == EBB_F32) {
        load_f32();
        if (!dnnl_sgemm_) load_f64();
        return dnnl_sgemm_ || cblas_sgemm_;
    }
    if (dtype != EBB_F64) return false;
    load_f64();
    return cblas_dgemm_;
}

bool ebb__blas_find(const char *symbol, void *ret_function) {
    load_f64();
    return openblas && find(openblas, symbol, ret_function);
}

void *ebb__blas_dnnl(void) {
    load_f32();
    return dnnl;
}

int ebb__blas_one_thread(void) {
    const int threads = omp_get_threads();
    if (threads != 1) omp_set_threads(1);
    return threads;
}

void ebb__blas_threads_again(int threads) {
    if (threads != 1) omp_set_threads(threads);
}

static bool by_dnnl(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                    const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    const int threads = ebb__blas_one_thread();
    const int status =
        dnnl_sgemm_(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
    ebb__blas_threads_again(threads);
    return status == 0;
}

bool ebb__blas_gemm(ebb_dtype dtype, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const void *a,
                    int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc) {
    if (!ebb__blas_has(dtype)) return false;
    if (dtype == EBB_F32 && dnnl_sgemm_)
        return by_dnnl(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, (float)beta, c, ldc);
    const int64_t sizes[] = {m, n, k, lda, ldb, ldc};
    for (int i = 0; i < 6; i++)
        if (sizes[i] > INT_MAX) return false;
    const int ta = transpose_a ? TRANSPOSE : NO_TRANSPOSE, tb = transpose_b ? TRANSPOSE : NO_TRANSPOSE;
    if (dtype == EBB_F32) {
        cblas_sgemm_(ROW_MAJOR, ta, tb, (int)m, (int)n, (int)k, 1, a, (int)lda, b, (int)ldb, (float)beta, c, (int)ldc);
    } else {
        cblas_dgemm_(ROW_MAJOR, ta, tb, (int)m, (int)n, (int)k, 1, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
    }
    return true;
}

#else

void *ebb__blas_dnnl(void) { return NULL; }
int ebb__blas_one_thread(void) { return 1; }
void ebb__blas_threads_again(int threads) { (void)threads; }

bool ebb__blas_has(ebb_dtype dtype) {
    (void)dtype;
    return false;
}

bool ebb__blas_find(const char *symbol, void *ret_function) {
    (void)symbol, (void)ret_function;
    return false;
}

bool ebb__blas_gemm(ebb_dtype dtype, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const void *a,
                    int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc) {
    (void)dtype, (void)transpose_a, (void)transpose_b, (void)m, (void)n, (void)k;
    (void)a, (void)lda, (void)b, (void)ldb, (void)beta, (void)c, (void)ldc;
    return false;
}

#endif
