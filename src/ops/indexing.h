/* What the indexing operators share: index tensors checked, and places along one dimension. */
#ifndef EBB_OPS_INDEXING_H
#define EBB_OPS_INDEXING_H

#include "kernel/indexing.h"
#include "ops/ops.h"

/* int64 or int32. */
ebb_status ebb__index_dtype(const ebb_meta *index);

/* The same, and a list or a scalar. */
ebb_status ebb__index_list(const ebb_meta *index);

/* The index in int64: itself or a converted copy, a new reference. */
ebb_tensor *ebb__index_i64(ebb_tensor *index);

/* Whether index array k of the places is in range; the error names the index, the dimension and its size. */
ebb_status ebb__check_places(const struct ebb__places *places, int k, int64_t dim);

/* What is done at places of one index array. Where it is `in_place`, what is out of range is found before anything is
 * written. */
ebb_status ebb__place_along(const struct ebb__places *places, enum ebb__placing what, ebb_dtype dtype, int64_t dim,
                            bool in_place);

/* For dimension d of the places: elements of a tensor that has as many dimensions, or repeats (a 0-d one). */
static inline int64_t ebb__step(const ebb_tensor *t, int d) {
    return d < t->ndim ? ebb__strides(t)[d] * (int64_t)ebb__dtype_sizes[t->dtype] : 0;
}

/* Places over `fixed`, whose dimension dim follows a list of indices into that of `moving`. index must be int64. */
struct ebb__places ebb__places_of_list(const ebb_tensor *index, const ebb_tensor *moving, const ebb_tensor *fixed,
                                       int64_t dim, bool negative);

/* Places over index, which picks along dim in `moving`. `fixed` has the dimensions of index and is no smaller, or is
 * 0-d. */
struct ebb__places ebb__places_of_index(const ebb_tensor *index, const ebb_tensor *moving, const ebb_tensor *fixed,
                                        int64_t dim);

/* The rule of scatter_reduce, of whose kind index_reduce is. */
void ebb__scatter_reduce_vjp(struct ebb_vjp_call *v);

/* An operator that updates: its output made what input 0 is, which it may be already. */
static inline ebb_status ebb__begin_update(struct ebb_forward *f) {
    return f->out[0] == f->in[0] ? EBB_OK : ebb__copy_into(f->out[0], f->in[0]);
}

#endif
