/* The shape of elementwise loops, written once: by rounds of vectors where operands are contiguous, or repeated beside
 * one that is; one by one what is left of them, or few; all else by way of a buffer (strided.c). For *.isa.c files. */
#ifndef EBB_KERNEL_LOOPS_H
#define EBB_KERNEL_LOOPS_H

#include "kernel/vec.h"

#define EBB__FEW 64 /* so many elements are not worth a buffer; no round is longer */

/* Where code is to be small there are no vectors, and one loop serves all strides. */
#if defined(__OPTIMIZE_SIZE__)
#define EBB__ROUNDS 0
#else
#define EBB__ROUNDS 1
#endif

/* A round: as many elements as fill a vector of the narrowest operand. */
#define EBB__ROUND(T, U) ((int)(EBB__VBYTES / (sizeof(T) < sizeof(U) ? sizeof(T) : sizeof(U))))

/* Operand k, of type T: where it is, s bytes from element to element; its element i. A repeated one is read from a
 * block of copies, so that it takes no loop of its own. */
#define EBB__OPERAND(k) \
    const char *p##k = p[k]; \
    const int64_t s##k = stride[k];
#define EBB__FLAT(T, k) (s##k == (int64_t)sizeof(T))
#define EBB__FLAT_OR_REPEATED(T, k) (EBB__FLAT(T, k) || s##k == 0)
#define EBB__OPERAND_COPIED(T, k) \
    EBB__OPERAND(k) \
    T copies##k[ROUND];
#define EBB__REPEAT(T, k) \
    if (s##k == 0) { \
        for (int j = 0; j < ROUND; j++) copies##k[j] = *(const T *)p##k; \
        p##k = (const char *)copies##k; \
    }
#define EBB__AT(T, k) (((const T *)p##k)[i])

/* Of operands() the declarations, of flat() whether rounds will do, of repeat() the copies, of at() the names that
 * `expr` has for element i; step(m) goes on by m elements. */
#define EBB__LOOP(fn, R, round, sizes, setup, operands, flat, repeat, at, step, expr) \
    static void fn(int64_t n, char *const *p, const int64_t *stride, const void *param) { \
        enum { ROUND = round }; \
        setup; \
        char *p0 = p[0]; \
        const int64_t s0 = stride[0]; \
        operands; \
        if (EBB__ROUNDS && n >= ROUND && s0 == (int64_t)sizeof(R) && flat) { \
            repeat; \
            for (; n >= ROUND; n -= ROUND, p0 += ROUND * s0, step(ROUND)) { \
                EBB__IVDEP for (int i = 0; i < ROUND; i++) { \
                    at; \
                    ((R *)p0)[i] = (R)(expr); \
                } \
            } \
        } else if (EBB__ROUNDS && n > EBB__FEW) { \
            ebb__strided(n, p, stride, param, fn, sizes); \
            return; \
        } \
        const int i = 0; \
        for (; n > 0; n--, p0 += s0, step(1)) { \
            EBB__ONE_BY_ONE; \
            at; \
            *(R *)p0 = (R)(expr); \
        } \
    }

#define EBB__STEP_1(m) p1 += (m)*s1
#define EBB__UNARY(fn, A, R, expr) \
    EBB__LOOP(fn, R, EBB__ROUND(A, R), EBB__SIZES(sizeof(R), sizeof(A), 0, 0), (void)param, EBB__OPERAND(1), \
              EBB__FLAT(A, 1), , const A a = EBB__AT(A, 1), EBB__STEP_1, expr)

#define EBB__STEP_2(m) p1 += (m)*s1, p2 += (m)*s2
#define EBB__BINARY_PARAM(fn, A, R, setup, expr) \
    EBB__LOOP(fn, R, EBB__ROUND(A, R), EBB__SIZES(sizeof(R), sizeof(A), sizeof(A), 0), setup, \
              EBB__OPERAND_COPIED(A, 1) EBB__OPERAND_COPIED(A, 2), \
              EBB__FLAT_OR_REPEATED(A, 1) && EBB__FLAT_OR_REPEATED(A, 2), EBB__REPEAT(A, 1) EBB__REPEAT(A, 2), \
              const A a = EBB__AT(A, 1); \
              const A b = EBB__AT(A, 2), EBB__STEP_2, expr)
#define EBB__BINARY(fn, A, R, expr) EBB__BINARY_PARAM(fn, A, R, (void)param, expr)

/* A file lists its tables as TABLES(X): X(name, which), where which(name) are the loops that it has. The tables live in
 * the baseline's compilation, which has all of them; others overwrite what they have (dispatch.c). */
#if EBB__ISA_LEVEL == 0
#define EBB__TABLE_HOME(name, which) ebb__loop_table ebb__loops_##name;
#else
#define EBB__TABLE_HOME(name, which)
#endif
#define EBB__TABLE_ROW(name, which) {ebb__loops_##name, {which(name)}},
#define EBB__TABLES_INIT(file) \
    TABLES(EBB__TABLE_HOME) \
    void EBB__ISA(ebb__init_##file)(void) { \
        static const ebb__loop_row rows[] = {TABLES(EBB__TABLE_ROW)}; \
        ebb__loops_take(rows, (int)(sizeof rows / sizeof *rows)); \
    }

#endif
