/* Functions that formulas of gradients are written with: broadcasting, reductions, joins and convolutions undone. */
#include "expr/value.h"
#include <ebb/ops.h>

static const struct ebb__value unset = {.kind = EBB__UNSET};

static struct ebb__value of_int(int64_t i) { return (struct ebb__value){.kind = EBB__V_INT, .as.i = i}; }
static struct ebb__value of_bool(bool b) { return (struct ebb__value){.kind = EBB__V_BOOL, .as.i = b}; }
static ebb_tensor *tensor_of(const struct ebb__argument *arg) { return ebb__value_as_tensor(&arg->value, NULL); }

/* sum_to_size(t, shape): summed over what was broadcast; the opposite of expand. torch.Tensor.sum_to_size */
static struct ebb__value sum_to_size(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    ebb_dims shape, whole = ebb_tensor_shape(tensor_of(args)), over = {0};
    (void)n;
    bool fits = ebb__value_as_ints(&args[1].value, &shape) && shape.n <= whole.n;
    for (int i = 0; fits && i < whole.n; i++) {
        int k = i - (whole.n - shape.n);
        bool summed = k < 0 || (shape.d[k] == 1 && whole.d[i] != 1);
        fits = summed || shape.d[k] == whole.d[i];
        if (summed) over.d[over.n++] = i;
    }
    if (!fits) return ebb__wrong_argument(r, &args[1], "a shape that broadcasts to the tensor's");
    if (!over.n) return args[0].value;
    struct ebb__argument sum[3] = {args[0], {.value = ebb__value_dims(r, over)}, {.value = of_bool(true)}};
    struct ebb__argument view[2] = {{.value = ebb__do_call(r, id, "sum", sum, 3)}, args[1]};
    return view[0].value.kind == EBB__UNSET ? unset : ebb__do_call(r, id, "reshape", view, 2);
}

/* restore(t, like, dim, keepdim): what a reduction of `like` over dim gave, with the reduced dimensions as ones, so
 * that it broadcasts against `like`. No dimensions are all. */
static struct ebb__value restore(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    ebb_dims dim, shape = ebb_tensor_shape(ebb__value_as_tensor(&args[1].value, NULL));
    (void)n;
    if (!ebb__value_as_ints(&args[2].value, &dim)) return ebb__wrong_argument(r, &args[2], "dimensions");
    if (ebb__value_truth(r, &args[3].value, args[3].place) || shape.n == 0) return args[0].value;
    for (int i = 0; i < shape.n && dim.n == 0; i++) shape.d[i] = 1;
    for (int i = 0; i < dim.n; i++) {
        int64_t d = dim.d[i] < 0 ? dim.d[i] + shape.n : dim.d[i];
        if (d < 0 || d >= shape.n) return ebb__wrong_argument(r, &args[2], "dimensions of the tensor");
        shape.d[d] = 1;
    }
    struct ebb__argument view[2] = {args[0], {.value = ebb__value_dims(r, shape)}};
    return ebb__do_call(r, id, "reshape", view, 2);
}

/* part_of(t, tensors, k, dim): the part of t that tensors[k] became when they were joined along dim. */
static struct ebb__value part_of(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    const struct ebb__value *list = &args[1].value, *k = &args[2].value, *dim = &args[3].value;
    int64_t start = 0, size = 0;
    (void)n;
    if (list->kind != EBB__V_LIST) return ebb__wrong_argument(r, &args[1], "a list of tensors");
    if (k->kind != EBB__V_INT || k->as.i < 0 || k->as.i >= list->n)
        return ebb__wrong_argument(r, &args[2], "a place in the list");
    for (int64_t i = 0; i <= k->as.i; i++) {
        ebb_tensor *t = ebb__value_as_tensor(&list->as.list[i], NULL);
        ebb_dims shape = ebb_tensor_shape(t);
        int64_t d = dim->kind == EBB__V_INT ? dim->as.i < 0 ? dim->as.i + shape.n : dim->as.i : -1;
        if (d < 0 || d >= shape.n) return ebb__wrong_argument(r, &args[3], "a dimension of the tensors");
        start += size;
        size = shape.d[d];
    }
    struct ebb__argument narrow[4] = {args[0], args[3], {.value = of_int(start)}, {.value = of_int(size)}};
    return ebb__do_call(r, id, "narrow", narrow, 4);
}

/* convolution_input(g, weight, shape, stride, padding, dilation, transposed, groups): the adjoint of the convolution of
 * an input of that shape with weight, applied to g. torch.nn.grad.conv2d_input */
static struct ebb__value convolution_input(struct ebb__run *r, int32_t id, const struct ebb__argument *args,
                                           int64_t n) {
    ebb_dims g = ebb_tensor_shape(tensor_of(&args[0])), w = ebb_tensor_shape(tensor_of(&args[1])), list[4], more = {0};
    (void)n;
    for (int i = 0; i < 4; i++)
        if (!ebb__value_as_ints(&args[2 + i].value, &list[i])) return ebb__wrong_argument(r, &args[2 + i], "integers");
    const ebb_dims *shape = &list[0], *stride = &list[1], *padding = &list[2], *dilation = &list[3];
    bool transposed = ebb__value_truth(r, &args[6].value, args[6].place) == 1;
    if (g.n < 3 || w.n != g.n || shape->n != g.n)
        return ebb__wrong_argument(r, &args[2], "a shape of as many dimensions");
    for (int d = 0; d < g.n - 2 && !transposed; d++) { /* what the strides leave over at the end */
        int64_t s = stride->n ? stride->d[stride->n > 1 ? d : 0] : 1,
                p = padding->n ? padding->d[padding->n > 1 ? d : 0] : 0;
        int64_t a = dilation->n ? dilation->d[dilation->n > 1 ? d : 0] : 1;
        more.d[more.n++] = shape->d[d + 2] - ((g.d[d + 2] - 1) * s - 2 * p + a * (w.d[d + 2] - 1) + 1);
    }
    struct ebb__argument call[] = {
        args[0], args[1], {.value = {.kind = EBB__V_NONE}}, args[3],
        args[4], args[5], {.value = of_bool(!transposed)},  {.value = ebb__value_dims(r, more)},
        args[7]};
    struct ebb__value v = ebb__do_call(r, id, "convolution", call, sizeof call / sizeof *call);
    for (int d = 2; d < shape->n && v.kind == EBB__V_TENSOR; d++) { /* a transposed one may be longer at its end */
        if (ebb_tensor_shape(v.as.t).d[d] == shape->d[d]) continue;
        struct ebb__argument narrow[4] = {
            {.value = v}, {.value = of_int(d)}, {.value = of_int(0)}, {.value = of_int(shape->d[d])}};
        v = ebb__do_call(r, id, "narrow", narrow, 4);
    }
    return v;
}

/* The products of all elements before each along a dimension, 1 for the first. */
static ebb_tensor *before(ebb_tensor *t, int64_t dim) {
    ebb_dims first = ebb_tensor_shape(t);
    int64_t n = first.n ? first.d[dim] : 0;
    if (n == 0) return first.n ? t : ebb_ones_like(t);
    first.d[dim] = 1;
    return ebb_cat(
        EBB_LIST(ebb_ones(first, .dtype = ebb_tensor_dtype(t)), ebb_narrow(ebb_cumprod(t, dim), dim, 0, n - 1)), dim);
}

/* The dimension that an argument says; false after an error. */
static bool dim_of(struct ebb__run *r, const struct ebb__argument *arg, int ndim, int64_t *ret_dim) {
    ebb_dims dims = {0};
    bool fits = ebb__value_as_ints(&arg->value, &dims) && dims.n == 1;
    *ret_dim = fits ? dims.d[0] < 0 ? dims.d[0] + ndim : dims.d[0] : -1;
    fits = fits && *ret_dim >= 0 && (*ret_dim < ndim || (ndim == 0 && *ret_dim == 0));
    if (!fits) (void)ebb__wrong_argument(r, arg, "a dimension of the tensor");
    return fits;
}

static struct ebb__value result(struct ebb__run *r, int32_t id, ebb_tensor *t) {
    if (!t && ebb_error()) (void)ebb__fail_here(r->program->text, ebb__ast_of(r, id)->place, NULL);
    return ebb__value_tensor(t);
}

/* products_before(t, dim): of the elements before each, as cumprod has them with each itself. */
static struct ebb__value products_before(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    ebb_tensor *t = tensor_of(args);
    int64_t dim;
    (void)n;
    return dim_of(r, &args[1], ebb_tensor_ndim(t), &dim) ? result(r, id, before(t, dim)) : unset;
}

/* products_of_others(t, dim): for each element the product of all others along dim, or, without one, of all. */
static struct ebb__value products_of_others(struct ebb__run *r, int32_t id, const struct ebb__argument *args,
                                            int64_t n) {
    ebb_tensor *t = tensor_of(args);
    ebb_dims shape = ebb_tensor_shape(t);
    int64_t dim = 0;
    bool whole = n == 1;
    if (!whole && !dim_of(r, &args[1], shape.n, &dim)) return unset;
    if (whole) t = ebb_reshape(t, EBB_DIMS(-1));
    ebb_dims along = EBB_DIMS(dim);
    ebb_tensor *others = ebb_tensor_ndim(t) ? ebb_mul(before(t, dim), ebb_flip(before(ebb_flip(t, along), dim), along))
                                            : ebb_ones_like(t);
    return result(r, id, whole ? ebb_reshape(others, shape) : others);
}

const struct ebb__builtin ebb__formula_builtins[] = {
    {"sum_to_size", 2, 2, true, sum_to_size, NULL},
    {"restore", 4, 4, true, restore, NULL},
    {"part_of", 4, 4, true, part_of, NULL},
    {"convolution_input", 8, 8, true, convolution_input,
     "g, weight, shape, stride=1, padding=0, dilation=1, transposed=false, groups=1"},
    {"products_before", 2, 2, true, products_before, NULL},
    {"products_of_others", 1, 2, true, products_of_others, NULL},
    {NULL, 0, 0, false, NULL, NULL},
};
