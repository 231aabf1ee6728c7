/* Elements by masks, and the places of what is not zero. */
#define EBB_FAMILY "Indexing"
#include "ops/ops.h"
#include <string.h>

/* A contiguous mask of the shape that `with` and the mask broadcast to; in *ret_shape. The scope's. */
static ebb_tensor *broadcast_mask(ebb_tensor *mask, const ebb_dims *with, ebb_dims *ret_shape) {
    ebb_dims shape = *with, own = ebb_tensor_shape(mask);
    if (mask->dtype != EBB_BOOL) {
        ebb_fail(EBB_ERR_DTYPE, "expected a bool mask, got %s", ebb_dtype_name((ebb_dtype)mask->dtype));
        return NULL;
    }
    if (!ebb__broadcast(&shape, &own)) {
        ebb_fail(EBB_ERR_SHAPE, "shapes of self and mask do not broadcast");
        return NULL;
    }
    *ret_shape = shape;
    return ebb_contiguous(ebb_expand(mask, shape));
}

static int64_t count_true(const ebb_tensor *mask) {
    const uint8_t *m = (const uint8_t *)mask->data;
    int64_t count = 0;
    for (int64_t i = 0; i < mask->numel; i += 255) { /* a byte counts so far: sums of bytes are fast */
        uint8_t some = 0;
        for (int64_t j = i; j < i + 255 && j < mask->numel; j++) some = (uint8_t)(some + m[j]);
        count += some;
    }
    return count;
}

/* ---- masked_select, masked_scatter ---- */

#define MOVES(type) \
    static void gather_##type(int64_t count, const uint8_t *mask, const void *from, void *to) { \
        const type *x = from; \
        type *y = to; \
        for (int64_t i = 0, j = 0; j < count; i++) { \
            y[j] = x[i]; \
            j += mask[i]; \
        } \
    } \
    static void spread_##type(int64_t count, const uint8_t *mask, const void *from, void *to) { \
        const type *x = from; \
        type *y = to; \
        for (int64_t i = 0, j = 0; j < count; i++) { \
            y[i] = mask[i] ? x[j] : y[i]; \
            j += mask[i]; \
        } \
    }
MOVES(uint8_t)
MOVES(uint16_t)
MOVES(uint32_t)
MOVES(uint64_t)

typedef void move(int64_t count, const uint8_t *mask, const void *from, void *to);
static move *const gathers[] = {
    [1] = gather_uint8_t, [2] = gather_uint16_t, [4] = gather_uint32_t, [8] = gather_uint64_t};
static move *const spreads[] = {
    [1] = spread_uint8_t, [2] = spread_uint16_t, [4] = spread_uint32_t, [8] = spread_uint64_t};

static ebb_tensor *select_compose(struct ebb_forward *f) {
    ebb_dims shape = ebb_tensor_shape(f->in[0]);
    ebb_tensor *mask = broadcast_mask(f->in[1], &shape, &shape);
    ebb_tensor *x = ebb_contiguous(ebb_expand(f->in[0], shape));
    if (!mask || !x) return NULL;
    int64_t count = count_true(mask);
    ebb_tensor *y = ebb__own(ebb__tensor_new((ebb_dtype)x->dtype, 1, &count));
    if (y) gathers[ebb__dtype_sizes[x->dtype]](count, (const uint8_t *)mask->data, x->data, y->data);
    return y;
}

static void select_vjp(struct ebb_vjp_call *v) {
    ebb_dims shape = ebb_vjp_shape(v, 0), own = ebb_tensor_shape(v->in[1]);
    (void)ebb__broadcast(&shape, &own);
    ebb_tensor *zeros = ebb_zeros(shape, .dtype = ebb_tensor_dtype(v->grad[0]));
    ebb_vjp_give(v, 0, ebb_masked_scatter(zeros, v->in[1], v->grad[0]));
}

const struct ebb_op ebb_op_masked_select = {
    EBB_SIGNATURE(masked_select, "Tensor self, Tensor mask -> Tensor"),
    .doc = EBB_TEXT("The elements of self where mask (bool) is true, as a list in row-major order; both broadcast."),
    .torch = EBB_TEXT("torch.masked_select"),
    .node = "MaskedSelectBackward0",
    .compose = select_compose,
    .vjp = select_vjp,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_refuse,
    .saves = {EBB_IN(1)},
    .formula = EBB_FORMULAS("masked_scatter(zeros_like(self + mask), mask, g)"),
    .samples = EBB_SAMPLES("(3,4) b(3,4)", "(3,4) b(4)", "(4) b(3,1)", "() b()", "(0,3) b(3)", "i5(4) b(4)",
                           "! (3) (3)", "! (3) b(4)"),
};

static ebb_status scatter_infer(struct ebb_infer *f) {
    f->out->shape = f->in[0].shape;
    if (f->in[1].dtype != EBB_BOOL)
        return ebb_fail(EBB_ERR_DTYPE, "expected a bool mask, got %s", ebb_dtype_name(f->in[1].dtype));
    if (f->in[2].dtype != f->in[0].dtype)
        return ebb_fail(EBB_ERR_DTYPE, "self and source must have one dtype, got %s and %s",
                        ebb_dtype_name(f->in[0].dtype), ebb_dtype_name(f->in[2].dtype));
    if (!ebb__broadcast(&f->out->shape, &f->in[1].shape))
        return ebb_fail(EBB_ERR_SHAPE, "shapes of self and mask do not broadcast");
    return EBB_OK;
}

static ebb_status scatter(struct ebb_forward *f) {
    ebb_tensor *y = f->out[0], *source = f->in[2];
    ebb_dims shape = ebb_tensor_shape(y);
    ebb_tensor *mask = broadcast_mask(f->in[1], &shape, &shape);
    if (!mask) return ebb_error_status();
    int64_t count = count_true(mask);
    if (count > source->numel)
        return ebb_fail(EBB_ERR_SHAPE, "mask has %lld true elements, source only %lld", (long long)count,
                        (long long)source->numel);
    ebb_status status = ebb__copy_into(y, f->in[0]);
    if (!status) spreads[ebb__dtype_sizes[y->dtype]](count, (const uint8_t *)mask->data, source->data, y->data);
    return status;
}

static ebb_status scatter_forward(struct ebb_forward *f) {
    ebb_scope scope = ebb_scope_open();
    ebb_status status = scatter(f);
    ebb_scope_close(&scope);
    return status;
}

static void scatter_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_masked_fill(g, v->in[1], 0));
    if (!v->needs[2]) return;
    ebb_dims shape = ebb_vjp_shape(v, 2);
    int64_t numel = 1;
    for (int i = 0; i < shape.n; i++) numel *= shape.d[i];
    ebb_tensor *used = ebb_masked_select(g, v->in[1]);
    int64_t rest = numel - ebb_tensor_numel(used);
    if (rest > 0) used = ebb_cat(EBB_LIST(used, ebb_zeros(EBB_DIMS(rest), .dtype = ebb_tensor_dtype(g))), 0);
    ebb_vjp_give(v, 2, ebb_reshape(used, shape));
}

const struct ebb_op ebb_op_masked_scatter = {
    EBB_SIGNATURE(masked_scatter, "Tensor self, Tensor mask, Tensor source -> Tensor"),
    .doc = EBB_TEXT(
        "self with the elements of source, one after another, where mask (bool) is true, in row-major order; self and "
        "mask broadcast. source may have more elements than are needed."),
    .torch = EBB_TEXT("torch.masked_scatter"),
    .node = "MaskedScatterBackward0",
    .contiguous = true,
    .infer = scatter_infer,
    .forward = scatter_forward,
    .inplace = true,
    .vjp = scatter_vjp,
    .jvp = ebb_jvp_linear,
    .saves = {EBB_IN(1), 0, EBB_IN(1)},
    .formula = EBB_FORMULAS(
        "masked_fill(g, mask, 0)", NULL,
        "s = masked_select(g, mask); cat([s, zeros(source.numel() - s.numel(), dtype=g.dtype)]).reshape(source.shape)"),
    .samples = EBB_SAMPLES("(3,4) b(3,4) (12)", "(3,4) b(4) (3,5)", "(4) b(3,1) (12)", "() b() ()", "(0,3) b(3) (0)",
                           "! (3) (3) (3)", "! (3) b(4) (4)", "! (9) b(9) (0)"),
};

/* ---- nonzero ---- */

/* The places of the true elements of a contiguous mask, a row of coordinates each. */
static void write_places(const ebb_tensor *mask, int64_t *to) {
    const uint8_t *m = (const uint8_t *)mask->data;
    const int last = mask->ndim - 1;
    int64_t at[EBB_MAX_NDIM] = {0}, row = last < 0 ? 1 : mask->dims[last];
    for (int64_t start = 0; start < mask->numel; start += row) {
        for (int64_t i = 0; i < row; i++) {
            if (!m[start + i]) continue;
            for (int d = 0; d < last; d++) *to++ = at[d];
            if (last >= 0) *to++ = i;
        }
        for (int d = last - 1; d >= 0 && ++at[d] == mask->dims[d]; d--) at[d] = 0;
    }
}

static ebb_tensor *nonzero_compose(struct ebb_forward *f) {
    ebb_tensor *mask = f->in[0]->dtype == EBB_BOOL ? ebb_contiguous(f->in[0]) : ebb_to_copy(f->in[0], EBB_BOOL);
    if (!mask) return NULL;
    ebb_tensor *y = ebb__own(ebb__tensor_new(EBB_I64, 2, (const int64_t[]){count_true(mask), mask->ndim}));
    if (y) write_places(mask, (int64_t *)(void *)y->data);
    return y;
}

#define NONZERO(name, text) \
    const struct ebb_op ebb_op_##name = { \
        EBB_SIGNATURE(name, "Tensor self -> Tensor"), \
        .doc = EBB_TEXT(text), \
        .batch = ebb_batch_refuse, \
        .torch = EBB_TEXT("torch." #name), \
        .compose = nonzero_compose, \
        .no_derivative = true, \
        .samples = EBB_SAMPLES("(3,4)", "b(3,4)", "b(5)", "()", "(0,3)", "i2(2,3,4)"), \
    };
NONZERO(nonzero,
        "The places of the elements that are not zero, in row-major order: int64, of shape (count, dimensions). As "
        "a list for each dimension: nonzero_tuple.")
NONZERO(argwhere, "The same as nonzero.")

static ebb_list tuple_compose(struct ebb_forward *f) {
    ebb_tensor *x = f->in[0];
    if (x->ndim == 0) x = ebb_reshape(x, EBB_DIMS(1));
    return ebb_unbind(ebb_nonzero(x), .dim = 1);
}

const struct ebb_op ebb_op_nonzero_tuple = {
    EBB_SIGNATURE(nonzero_tuple, "Tensor self|condition -> Tensors"),
    .doc = EBB_TEXT(
        "The places of the elements that are not zero, in row-major order: for each dimension a list of its indices "
        "(int64), as index takes them."),
    .torch = EBB_TEXT("torch.nonzero(as_tuple=True), torch.where(condition)"),
    .overload = "where",
    .compose_list = tuple_compose,
    .no_derivative = true,
    .batch = ebb_batch_refuse,
    .samples = EBB_SAMPLES("(3,4)", "b(3,4)", "b(5)", "()", "(0,3)", "i2(2,3,4)"),
};
