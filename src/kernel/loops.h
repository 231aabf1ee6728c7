/* The shapes of elementwise loops, written once: contiguous, one operand repeated; other strides by way of a buffer
 * (strided.c). For *.isa.c files. */
#ifndef EBB_KERNEL_LOOPS_H
#define EBB_KERNEL_LOOPS_H

#include "kernel/vec.h"

/* Statements run over i; `a`, `b` are the operands that `expr` reads. A repeated operand is read before the loop, since
 * the output may not overlap it then. */
#define EBB__UNARY(fn, A, R, expr) \
    static void fn(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        (void)param; \
        char *const po = p[0]; \
        const char *const pa = p[1]; \
        const int64_t so = stride[0], sa = stride[1]; \
        if (n == 1) { \
            const A a = *(const A *)pa; \
            *(R *)po = (R)(expr); \
        } else if (so == (int64_t)sizeof(R) && sa == (int64_t)sizeof(A)) { \
            R *o = (R *)po; \
            const A *x = (const A *)pa; \
            EBB__IVDEP for (int64_t i = 0; i < n; i++) { \
                const A a = x[i]; \
                o[i] = (R)(expr); \
            } \
        } else { \
            ebb__strided(fn, 2, (const uint8_t[]){sizeof(R), sizeof(A)}, n, p, stride, param); \
        } \
    }

#define EBB__BINARY_FLAT(A, R, index_a, index_b, expr) \
    { \
        R *o = (R *)po; \
        const A *x = (const A *)pa, *y = (const A *)pb; \
        const A x0 = x[0], y0 = y[0]; \
        (void)x0, (void)y0; \
        EBB__IVDEP for (int64_t i = 0; i < n; i++) { \
            const A a = index_a, b = index_b; \
            o[i] = (R)(expr); \
        } \
    }

#define EBB__BINARY_PARAM(fn, A, R, setup, expr) \
    static void fn(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        setup; \
        char *const po = p[0]; \
        const char *const pa = p[1], *const pb = p[2]; \
        const int64_t so = stride[0], sa = stride[1], sb = stride[2], size = (int64_t)sizeof(A); \
        const bool flat = so == (int64_t)sizeof(R); \
        if (n < 1) return; \
        if (n == 1) { \
            const A a = *(const A *)pa, b = *(const A *)pb; \
            *(R *)po = (R)(expr); \
        } else if (flat && sa == size && sb == size) { \
            EBB__BINARY_FLAT(A, R, x[i], y[i], expr) \
        } else if (flat && sa == size && sb == 0) { \
            EBB__BINARY_FLAT(A, R, x[i], y0, expr) \
        } else if (flat && sa == 0 && sb == size) { \
            EBB__BINARY_FLAT(A, R, x0, y[i], expr) \
        } else { \
            ebb__strided(fn, 3, (const uint8_t[]){sizeof(R), sizeof(A), sizeof(A)}, n, p, stride, param); \
        } \
    }
#define EBB__BINARY(fn, A, R, expr) EBB__BINARY_PARAM(fn, A, R, (void)param, expr)

/* The tables themselves live in the baseline compilation, filled before the program starts; others overwrite. */
#if EBB__ISA_LEVEL == 0
#define EBB__TABLE_HOME(name, ...) ebb__loop ebb__loops_##name[EBB_DTYPE_COUNT] = {__VA_ARGS__};
#else
#define EBB__TABLE_HOME(name, ...)
#endif
#define EBB__TABLE(name, ...) \
    EBB__TABLE_HOME(name, __VA_ARGS__) \
    static const ebb__loop table_##name[EBB_DTYPE_COUNT] = {__VA_ARGS__};
#define EBB__TABLE_USE(name) memcpy(ebb__loops_##name, table_##name, sizeof table_##name);

#endif
