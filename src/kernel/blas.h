/* Matrix products by libraries that are there at run time; see blas.c. */
#ifndef EBB_KERNEL_BLAS_H
#define EBB_KERNEL_BLAS_H

#include <ebb/tensor.h>

/* c = op(a) op(b) + beta c, all row-major, in the calling thread only; lda and ldb are those of a and b as stored.
 * False when no library does this dtype: nothing was written. */
bool ebb__blas_gemm(ebb_dtype dtype, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const void *a,
                    int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc);
/* Whether a library does this dtype; the first call for a dtype loads it. */
bool ebb__blas_has(ebb_dtype dtype);
/* The address of one of OpenBLAS's functions, LAPACK's among them, at `ret_function`; false when it is not there. */
bool ebb__blas_find(const char *symbol, void *ret_function);

/* oneDNN, for the other file that calls it: the library, loaded at the first call, or NULL. Between one_thread and
 * threads_again, which gets what it returned, it does everything in the calling thread. */
void *ebb__blas_dnnl(void);
int ebb__blas_one_thread(void);
void ebb__blas_threads_again(int threads);

#endif
