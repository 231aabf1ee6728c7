/* Where values lie among others, and how many there are: searchsorted, bucketize, isin, bincount, one_hot. */
#define EBB_FAMILY "Indexing"
#include "kernel/sorting.h"
#include "ops/batching.h"

/* ---- searchsorted ---- */

static ebb_status search_infer(struct ebb_infer *f) {
    const struct ebb__attrs_searchsorted *a = f->attrs;
    const ebb_meta *sorted = &f->in[0], *values = &f->in[1], *sorter = &f->in[2];
    int last = sorted->shape.n - 1;
    bool fits = last == 0 || sorted->shape.n == values->shape.n;
    if (last < 0) return ebb_fail(EBB_ERR_SHAPE, "sorted_sequence needs at least one dimension");
    for (int d = 0; d < last && fits; d++) fits = sorted->shape.d[d] == values->shape.d[d];
    if (!fits)
        return ebb_fail(EBB_ERR_SHAPE,
                        "sorted_sequence must be a list, or have the shape of the values but for the last "
                        "dimension");
    if (a->right && a->side == 1) return ebb_fail(EBB_ERR_ARGUMENT, "right is true, and side is left");
    if (sorter->dtype && sorter->dtype != EBB_I64)
        return ebb_fail(EBB_ERR_DTYPE, "sorter must be int64, got %s", ebb_dtype_name(sorter->dtype));
    if (sorter->dtype && !ebb__dims_equal(&sorter->shape, &sorted->shape))
        return ebb_fail(EBB_ERR_SHAPE, "sorter must have the shape of sorted_sequence");
    f->out->shape = values->shape;
    f->out->dtype = a->out_int32 ? EBB_I32 : EBB_I64;
    return EBB_OK;
}

static ebb_status search_forward(struct ebb_forward *f) {
    const struct ebb__attrs_searchsorted *a = f->attrs;
    const ebb_tensor *sorted = f->in[0], *values = f->in[1], *sorter = f->in[2];
    ebb_tensor *y = f->out[0], *place = y;
    ebb_dtype dtype = (ebb_dtype)sorted->dtype;
    int64_t size = sorted->dims[sorted->ndim - 1], lists = 1, element = (int64_t)ebb__dtype_sizes[dtype];
    for (int d = 0; d < sorted->ndim - 1; d++) lists *= sorted->dims[d];
    const int64_t *order = sorter ? (const int64_t *)(const void *)sorter->data : NULL;
    for (int64_t i = 0; sorter && i < sorter->numel; i++)
        if (order[i] < 0 || order[i] >= size)
            return ebb_fail(EBB_ERR_INDEX, "sorter names element %lld of %lld", (long long)order[i], (long long)size);
    if (y->dtype != EBB_I64 && !(place = ebb__tensor_new_like(y, EBB_I64))) return ebb_error_status();
    int64_t each = lists ? values->numel / lists : 0;
    for (int64_t i = 0; i < lists; i++)
        ebb__search(dtype, size, sorted->data + i * size * element, order ? order + i * size : NULL, each,
                    values->data + i * each * element, a->right || a->side == 2,
                    (int64_t *)(void *)place->data + i * each);
    if (place == y) return EBB_OK;
    ebb_status status = ebb__copy_into(y, place);
    ebb__unref(place);
    return status;
}

const struct ebb_op ebb_op_searchsorted = {
    EBB_SIGNATURE(searchsorted,
                  "Tensor sorted_sequence, Number self, Tensor? sorter, bool out_int32=false, bool right=false, "
                  "enum(none|left|right) side=none -> Tensor"),
    .doc = EBB_TEXT(
        "For each value of self the place in sorted_sequence, which rises along its last dimension, where it would go: "
        "before what is equal, or with right (or side right) after it. sorted_sequence is one list, or one for each "
        "line of self; or sorter, as argsort gives it, says how to read it. NaN goes to the end."),
    .torch = EBB_TEXT("torch.searchsorted"),
    .promote = EBB_PROMOTE_COMMON,
    .keeps = EBB_IN(2),
    .contiguous = true,
    .infer = search_infer,
    .forward = search_forward,
    .no_derivative = true,
    .samples = EBB_SAMPLES("(5) (3,4)", "(5) () right=true", "(2,5) (2,3) side=left", "(5) 0.5 out_int32=true",
                           "i5(5) i5(9) side=right", "(5) (4) i5(5)", "(0) (3)", "(5) (0)", "! () (3)", "! (2,5) (3,4)",
                           "! (5) (3) right=true side=left", "! (5) (3) i5(4)", "! (5) (3) i99(5)"),
};

static ebb_tensor *bucketize_compose(struct ebb_forward *f) {
    const struct ebb__attrs_bucketize *a = f->attrs;
    if (ebb_tensor_ndim(f->in[1]) != 1) {
        ebb_fail(EBB_ERR_SHAPE, "boundaries must be a list, got %d dimensions", ebb_tensor_ndim(f->in[1]));
        return NULL;
    }
    return ebb_searchsorted(f->in[1], f->in[0], .out_int32 = a->out_int32, .right = a->right);
}

const struct ebb_op ebb_op_bucketize = {
    EBB_SIGNATURE(bucketize, "Number self, Tensor boundaries, bool out_int32=false, bool right=false -> Tensor"),
    .doc = EBB_TEXT("The number of the bucket that each value of self falls into: i where boundaries[i - 1] < value <= "
                    "boundaries[i], or with right boundaries[i - 1] <= value < boundaries[i]."),
    .torch = EBB_TEXT("torch.bucketize"),
    .compose = bucketize_compose,
    .no_derivative = true,
    .samples = EBB_SAMPLES("(3,4) (5)", "() (5) right=true", "0.5 (5) out_int32=true", "(0) (3)", "i5(4) i5(2)",
                           "! (3) ()", "! (3) (2,2)"),
};

/* ---- isin ---- */

static ebb_tensor *isin_compose(struct ebb_forward *f) {
    const struct ebb__attrs_isin *a = f->attrs;
    ebb_tensor *x = f->in[0], *among = ebb_sort(ebb_reshape(f->in[1], EBB_DIMS(-1)));
    int64_t n = ebb_tensor_numel(among);
    ebb_dims shape = ebb_tensor_shape(x);
    if (!among) return NULL;
    if (n == 0) return a->invert ? ebb_ones(shape, .dtype = EBB_BOOL) : ebb_zeros(shape, .dtype = EBB_BOOL);
    ebb_tensor *place = ebb_minimum(ebb_searchsorted(among, x), n - 1);
    ebb_tensor *next = ebb_reshape(ebb_index_select(among, ebb_reshape(place, EBB_DIMS(-1)), 0), shape);
    return a->invert ? ebb_ne(next, x) : ebb_eq(next, x);
}

const struct ebb_op ebb_op_isin = {
    EBB_SIGNATURE(
        isin,
        "Number elements|element, Number test_elements|test_element, bool assume_unique=false, bool invert=false -> Tensor"),
    .doc = EBB_TEXT(
        "Whether each element is among test_elements, or with invert whether it is not. (assume_unique changes "
        "nothing.)"),
    .torch = EBB_TEXT("torch.isin"),
    .compose = isin_compose,
    .no_derivative = true,
    .samples = EBB_SAMPLES("i5(3,4) i5(2)", "i5(3,4) i5(2) invert=true", "(3) 1", "i3() i3(2,2)", "(0) (3)", "(3) (0)",
                           "i5(4) i9(3) assume_unique=true"),
};

/* ---- bincount, one_hot ---- */

/* One more than the largest of the indices, which may not be negative; -1 and an error otherwise. */
static int64_t count_of(ebb_tensor *index) {
    if (ebb_tensor_numel(index) == 0) return 0;
    int64_t least = ebb_item_i64(ebb_min(index));
    if (ebb_error()) return -1;
    if (least < 0) return (void)ebb_fail(EBB_ERR_INDEX, "index %lld is negative", (long long)least), -1;
    int64_t largest = ebb_item_i64(ebb_max(index));
    return ebb_error() ? -1 : largest + 1;
}

static ebb_tensor *bincount_compose(struct ebb_forward *f) {
    const struct ebb__attrs_bincount *a = f->attrs;
    ebb_tensor *x = f->in[0], *weights = f->in[1];
    if (ebb_tensor_ndim(x) != 1 || a->minlength < 0) {
        ebb_fail(EBB_ERR_ARGUMENT, "expected a list and a minlength of at least 0, got %d dimensions and %lld",
                 ebb_tensor_ndim(x), (long long)a->minlength);
        return NULL;
    }
    if (!(EBB_INTEGRAL & EBB_DTYPES(x->dtype))) {
        ebb_fail(EBB_ERR_DTYPE, "expected integers, got %s", ebb_dtype_name((ebb_dtype)x->dtype));
        return NULL;
    }
    if (weights && !ebb__same_shape(x, weights)) {
        ebb_fail(EBB_ERR_SHAPE, "weights must have the shape of self");
        return NULL;
    }
    int64_t n = count_of(x);
    if (n < 0) return NULL;
    if (n == 0) weights = NULL; /* PyTorch's dtype for nothing */
    ebb_dtype dtype = !weights ? EBB_I64 : weights->dtype == EBB_F32 ? EBB_F32 : EBB_F64;
    ebb_tensor *zeros = ebb_zeros(EBB_DIMS(n > a->minlength ? n : a->minlength), .dtype = dtype);
    ebb_tensor *what =
        weights ? ebb_to(weights, dtype) : ebb_expand(ebb_ones(EBB_DIMS(1), .dtype = dtype), ebb_tensor_shape(x));
    return ebb_index_add_(zeros, ebb_to(x, EBB_I64), what, 0);
}

const struct ebb_op ebb_op_bincount = {
    EBB_SIGNATURE(bincount, "Tensor self, Tensor? weights, int minlength=0 -> Tensor"),
    .doc = EBB_TEXT(
        "How often each number from 0 on is in self, a list of integers (int64), or the sum of its weights (float32 if "
        "they are, else float64); at least minlength numbers."),
    .torch = EBB_TEXT("torch.bincount"),
    .compose = bincount_compose,
    .no_derivative = true,
    .batch = ebb_batch_refuse,
    .samples = EBB_SAMPLES("i5(9)", "i5(9) (9)", "i5(9) none minlength=8", "i5(0) none minlength=3", "i5(0)",
                           "! i5(2,2)", "! (3)", "! i5(3) (4)", "! i5(3) none minlength=-1"),
};

static ebb_tensor *one_hot_compose(struct ebb_forward *f) {
    const struct ebb__attrs_one_hot *a = f->attrs;
    ebb_tensor *x = f->in[0];
    ebb_dims shape = ebb_tensor_shape(x);
    if (x->dtype != EBB_I64) {
        ebb_fail(EBB_ERR_DTYPE, "expected int64, got %s", ebb_dtype_name((ebb_dtype)x->dtype));
        return NULL;
    }
    int64_t n = ebb__is_batched(x) ? 0 : count_of(x), classes = a->num_classes > 0 ? a->num_classes : n;
    if (n < 0) return NULL;
    if (classes == 0 || n > classes || shape.n == EBB_MAX_NDIM) {
        if (classes == 0)
            ebb_fail(EBB_ERR_ARGUMENT, "num_classes must be given where there are no elements, and inside ebb_vmap");
        else if (n > classes)
            ebb_fail(EBB_ERR_INDEX, "class %lld is out of range for num_classes = %lld", (long long)n - 1,
                     (long long)classes);
        else ebb_fail(EBB_ERR_SHAPE, "the result would have more than %d dimensions", EBB_MAX_NDIM);
        return NULL;
    }
    shape.d[shape.n++] = classes;
    return ebb_scatter_(ebb__zeros_beside(shape, EBB_I64, x, NULL), ebb_unsqueeze(x, -1), 1, -1);
}

const struct ebb_op ebb_op_one_hot = {
    EBB_SIGNATURE(one_hot, "Tensor self|tensor, int num_classes=-1 -> Tensor"),
    .doc = EBB_TEXT(
        "For each element (int64) a line of num_classes zeros with a 1 at its place; as many as are needed where "
        "num_classes is left out."),
    .torch = EBB_TEXT("torch.nn.functional.one_hot"),
    .compose = one_hot_compose,
    .no_derivative = true,
    .samples = EBB_SAMPLES("i5(3,4)", "i5(3) num_classes=7", "i3()", "i3(0,2) num_classes=2", "! i9(99) num_classes=2",
                           "! i3(0)", "! (3)"),
};
