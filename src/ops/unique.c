/* Different elements, or slices: unique and unique_consecutive, with where each is found and how often. */
#define EBB_FAMILY "Indexing"
#include "ops/ops.h"

/* Elements, or slices along a dimension as the rows of a matrix, in an order in which equal ones are neighbours. */
struct listing {
    ebb_tensor *items, *rows; /* what is listed along dim; the same as a list or a matrix */
    int64_t dim;
    ebb_tensor *order; /* NULL: as they are */
    ebb_dims shape;    /* of the inverse */
};

static bool make_listing(struct listing *l, ebb_tensor *x, const ebb_dims *dim) {
    int64_t n = ebb_tensor_numel(x);
    *l = (struct listing){.items = x};
    if (dim->n > 1)
        return (void)ebb_fail(EBB_ERR_ARGUMENT, "dim lists %d dimensions; expected one", (int)dim->n), false;
    if (dim->n == 0 || ebb_tensor_ndim(x) == 0) {
        l->shape = dim->n ? EBB_DIMS(1) : ebb_tensor_shape(x);
        l->items = l->rows = ebb_reshape(x, EBB_DIMS(-1));
        return l->rows != NULL;
    }
    l->dim = dim->d[0];
    l->shape = EBB_DIMS(x->dims[l->dim]);
    if (n == 0 && x->dims[l->dim])
        return (void)ebb_fail(EBB_ERR_SHAPE, "slices along dimension %lld have no elements", (long long)l->dim), false;
    int64_t width = n ? n / x->dims[l->dim] : 0;
    l->rows = ebb_reshape(ebb_movedim(x, EBB_DIMS(l->dim), EBB_DIMS(0)), EBB_DIMS(l->shape.d[0], width));
    return l->rows != NULL;
}

/* Rows in rising order, the first column first: stable sorts from the last column on. */
static void sort_listing(struct listing *l) {
    int64_t columns = ebb_tensor_ndim(l->rows) > 1 ? l->rows->dims[1] : 1;
    l->order = ebb_arange(0, l->rows->dims[0], 1);
    for (int64_t j = columns - 1; j >= 0 && l->order; j--) EBB_SCOPE {
            ebb_tensor *column = ebb_tensor_ndim(l->rows) > 1 ? ebb_select(l->rows, 1, j) : l->rows;
            ebb_tensor *by = ebb_argsort(ebb_index_select(column, l->order, 0), .stable = true);
            l->order = ebb_scope_hand(ebb_index_select(l->order, by, 0));
        }
    l->rows = ebb_index_select(l->rows, l->order, 0);
}

/* Whether a row differs from the one before it. */
static ebb_tensor *first_ones(ebb_tensor *rows) {
    int64_t n = rows->dims[0];
    ebb_tensor *differs = ebb_ne(ebb_slice(rows, 0, 1, EBB_END), ebb_slice(rows, 0, 0, n - 1));
    if (rows->ndim > 1) differs = ebb_any(differs, .dim = EBB_DIMS(1));
    return ebb_cat(EBB_LIST(ebb_ones(EBB_DIMS(1), .dtype = EBB_BOOL), differs), 0);
}

/* The three results; those that are not asked for are empty. */
static ebb_list different(struct listing *l, bool inverse, bool counts) {
    ebb_tensor **out = ebb_list_room(3), *nothing = ebb_empty(EBB_DIMS(0), .dtype = EBB_I64);
    int64_t n = l->rows ? l->rows->dims[0] : 0;
    if (!out || !l->rows) return (ebb_list){0, NULL};
    ebb_tensor *first = n ? first_ones(l->rows) : ebb_empty(EBB_DIMS(0), .dtype = EBB_BOOL), *places = NULL;
    EBB_NO_GRAD places = ebb_reshape(ebb_nonzero(first), EBB_DIMS(-1));
    out[0] = ebb_index_select(l->items, l->order ? ebb_index_select(l->order, places, 0) : places, l->dim);
    out[1] = out[2] = nothing;
    if (inverse) {
        ebb_tensor *group = ebb_sub(ebb_cumsum(first, 0), 1);
        if (l->order) group = ebb_scatter(ebb_empty(EBB_DIMS(n), .dtype = EBB_I64), l->order, group, 0);
        out[1] = ebb_reshape(group, l->shape);
    }
    if (counts) {
        ebb_tensor *next = ebb_cat(EBB_LIST(ebb_slice(places, 0, 1, EBB_END), ebb_arange(n, n + (n > 0), 1)), 0);
        out[2] = ebb_sub(next, places);
    }
    bool made = out[0] && out[1] && out[2];
    return (ebb_list){made ? 3 : 0, out};
}

static ebb_list unique(struct ebb_forward *f) {
    const struct ebb__attrs_unique *a = f->attrs;
    struct listing l;
    if (!make_listing(&l, f->in[0], &a->dim)) return (ebb_list){0, NULL};
    EBB_NO_GRAD sort_listing(&l);
    return different(&l, a->return_inverse, a->return_counts);
}

static ebb_list unique_consecutive(struct ebb_forward *f) {
    const struct ebb__attrs_unique_consecutive *a = f->attrs;
    struct listing l;
    if (!make_listing(&l, f->in[0], &a->dim)) return (ebb_list){0, NULL};
    return different(&l, a->return_inverse, a->return_counts);
}

#define OUTPUTS " -> Tensor output, Tensor inverse_indices[return_inverse], Tensor counts[return_counts]"

const struct ebb_op ebb_op_unique = {
    EBB_SIGNATURE(
        unique,
        "Tensor self, bool? sorted=true, bool return_inverse=false, bool return_counts=false, dims dim=none" OUTPUTS),
    .doc = EBB_TEXT(
        "The different elements of self, in rising order, or its different slices along dim, in the order of their first "
        "elements that differ. With return_inverse: for each element or slice, which of them it is; with return_counts: how "
        "often each is there (int64). Every NaN is different. They are sorted in any case. Of "
        "equal elements the first one receives the gradient."),
    .torch = EBB_TEXT("torch.unique"),
    .compose_list = unique,
    .batch = ebb_batch_refuse,
    .formula = EBB_FORMULAS("'g at the first of each'"),
    .samples = EBB_SAMPLES("(5)", "i3(9) return_inverse=true return_counts=true", "i2(3,4) dim=(0) return_inverse=true",
                           "i2(2,5,2) dim=(1) return_counts=true return_inverse=true", "b(9) return_counts=true", "()",
                           "i5(0) return_inverse=true return_counts=true", "(0,3) dim=(0) return_counts=true",
                           "! (3,0) dim=(0)", "! (3) dim=(1)", "! (3,4) dim=(0,1)"),
};

const struct ebb_op ebb_op_unique_consecutive = {
    EBB_SIGNATURE(unique_consecutive,
                  "Tensor self, bool return_inverse=false, bool return_counts=false, dims dim=none" OUTPUTS),
    .doc = EBB_TEXT(
        "The elements of self, in row-major order, or its slices along dim, without those that equal the one before them; and "
        "with return_inverse and return_counts as unique has them, how long each run is."),
    .torch = EBB_TEXT("torch.unique_consecutive"),
    .compose_list = unique_consecutive,
    .batch = ebb_batch_refuse,
    .formula = EBB_FORMULAS("'g at the first of each'"),
    .samples = EBB_SAMPLES("(5)", "i2(9) return_inverse=true return_counts=true", "i2(3,4) dim=(0) return_inverse=true",
                           "i1(2,5,2) dim=(1) return_counts=true", "b(9) return_counts=true", "()",
                           "i5(0) return_inverse=true return_counts=true", "! (3,0) dim=(0)", "! (3) dim=(1)"),
};
