/* Tensors joined as rows, columns or layers: hstack, vstack, dstack, column_stack. */
#define EBB_FAMILY "Shape"
#include "ops/ops.h"

/* A tensor of fewer dimensions becomes a row, (1, n), a column, (n, 1), or a layer, (1, n, 1). */
static ebb_tensor *at_least(ebb_tensor *t, int ndim, bool column) {
    ebb_dims shape = ebb_tensor_shape(t);
    int64_t n = shape.n ? shape.d[0] : 1;
    if (shape.n >= ndim) return t;
    if (ndim == 1) return ebb_reshape(t, EBB_DIMS(1));
    if (ndim == 2) return ebb_reshape(t, column ? EBB_DIMS(n, 1) : EBB_DIMS(1, n));
    return shape.n == 2 ? ebb_unsqueeze(t, 2) : ebb_reshape(t, EBB_DIMS(1, n, 1));
}

/* Joined along `dim`; hstack's 1-d tensors have only the first. */
static ebb_tensor *join(struct ebb_forward *f, int ndim, bool column, int64_t dim) {
    ebb_tensor **all = f->n_in ? ebb_list_room(f->n_in) : NULL;
    if (f->n_in == 0) ebb_fail(EBB_ERR_ARGUMENT, "needs at least one tensor");
    for (int64_t i = 0; i < f->n_in && all; i++) {
        all[i] = at_least(f->in[i], ndim, column);
        if (!all[i]) all = NULL;
    }
    if (!all) return NULL;
    if (ndim == 1 && ebb_tensor_ndim(all[0]) == 1) dim = 0;
    return ebb_cat(((ebb_list){f->n_in, all}), dim);
}

#define JOIN(name, ndim, column, dim, text, ...) \
    static ebb_tensor *compose_##name(struct ebb_forward *f) { return join(f, ndim, column, dim); } \
    const struct ebb_op ebb_op_##name = { \
        EBB_SIGNATURE(name, "Tensors tensors -> Tensor"), \
        .doc = EBB_TEXT(text), \
        .torch = EBB_TEXT("torch." #name), \
        .compose = compose_##name, \
        .formula = EBB_FORMULAS("'the part of g'"), \
        .samples = \
            EBB_SAMPLES("[() ()]", "[(2) (2)]", "[(2,3) (2,3)]", "[(2,3,2) (2,3,2)]", "[(0,3) (0,3)]", __VA_ARGS__), \
    };

JOIN(hstack, 1, false, 1,
     "The tensors side by side: 1-d ones one after the other, others along their second dimension.", "[(3) (1)]",
     "[(2,3) (2,1)]", "! [(2,3) (3,3)]")
JOIN(vstack, 2, false, 0, "The tensors one below the other, along their first dimension; vectors are rows.",
     "[(2) (3,2)]", "! [(2) (3)]")
JOIN(dstack, 3, false, 2, "The tensors one behind the other, along their third dimension; vectors are rows.",
     "[(2,3) (2,3,2)]", "! [(2,3) (3,3)]")
JOIN(column_stack, 2, true, 1, "The tensors side by side, along their second dimension; vectors are columns.",
     "[(2) (2,3)]", "! [(2) (3)]")
