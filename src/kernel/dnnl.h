/* The part of oneDNN's C API that convolutions need, of its versions 2 and 3 under one face. Every function gives
 * false, or NULL, when the library is not there or refuses. Nothing here is safe for several threads at once, but for
 * running and for what is made to run. */
#ifndef EBB_KERNEL_DNNL_H
#define EBB_KERNEL_DNNL_H

#include <ebb/tensor.h>

/* A description of an array: version 2 has it by value, version 3 behind a pointer. */
typedef struct ebb__dnnl_array {
    union {
        char value[768]; /* a dnnl_memory_desc_t has 696 bytes */
        void *pointer;
        int64_t aligned;
    } u;
} ebb__dnnl_array;

/* f32 with these strides in elements; without strides, in whatever layout the library likes best. */
bool ebb__dnnl_describe(ebb__dnnl_array *ret_array, int ndim, const int64_t *sizes, const int64_t *strides);
void ebb__dnnl_forget(ebb__dnnl_array *array);
const void *ebb__dnnl_of(const ebb__dnnl_array *array); /* as the functions below take it */
size_t ebb__dnnl_bytes(const void *array);
bool ebb__dnnl_same(const void *a, const void *b);

/* What a convolution computes. */
enum ebb__dnnl_result { EBB__DNNL_Y, EBB__DNNL_X, EBB__DNNL_W };

/* The recipe of a primitive for the calling thread alone, with memory to work in that the caller gives. The arrays are
 * indexed by ebb__dnnl_result; bias may be NULL. */
void *ebb__dnnl_convolution(enum ebb__dnnl_result result, const void *const array[3], const void *bias,
                            const int64_t *strides, const int64_t *dilations, const int64_t *padding_front,
                            const int64_t *padding_end);
void *ebb__dnnl_reorder(const void *from, const void *to);
/* The array that the recipe of a convolution chose, and what it needs to work in. */
const void *ebb__dnnl_chosen(void *recipe, enum ebb__dnnl_result result, enum ebb__dnnl_result which);
const void *ebb__dnnl_scratch(void *recipe);
void ebb__dnnl_forget_recipe(void *recipe);

void *ebb__dnnl_primitive(void *recipe);

/* ---- running, in any thread ---- */

struct ebb__dnnl_argument {
    int what;
    const void *array;
    const void *data; /* written where the primitive writes */
};
enum {
    EBB__DNNL_FROM = 1,
    EBB__DNNL_TO = 17,
    EBB__DNNL_BIAS = 41,
    EBB__DNNL_SCRATCH = 80,
    EBB__DNNL_ARGUMENTS = 5 /* at most */
};
/* The number of an operand of a convolution with this result. */
int ebb__dnnl_operand(enum ebb__dnnl_result result, enum ebb__dnnl_result which);
bool ebb__dnnl_run(const void *primitive, int n, const struct ebb__dnnl_argument *arguments);

#endif
