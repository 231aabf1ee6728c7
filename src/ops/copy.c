/* Copies, conversions, and filling. */
#define EBB_FAMILY "Shape"
#include "ops/batching.h"

/* ---- what the call path asks for ---- */

/* The strides of t, in bytes, seen as a tensor of ndim dimensions to which it broadcasts. */
static void byte_strides(const ebb_tensor *t, int ndim, int64_t ret_strides[EBB_MAX_NDIM]) {
    for (int i = 0; i < ndim; i++) {
        int own = i - (ndim - t->ndim);
        bool repeats = own < 0 || t->dims[own] == 1;
        ret_strides[i] = repeats ? 0 : ebb__strides(t)[own] * (int64_t)ebb__dtype_sizes[t->dtype];
    }
}

ebb_status ebb__copy_into(ebb_tensor *to, ebb_tensor *from) {
    ebb_dims shape = ebb_tensor_shape(to), have = shape, other = ebb_tensor_shape(from);
    if (!ebb__broadcast(&shape, &other) || !ebb__dims_equal(&shape, &have)) {
        char a[EBB__SHAPE_TEXT], b[EBB__SHAPE_TEXT];
        return ebb_fail(EBB_ERR_SHAPE, "shape %s does not broadcast to shape %s", ebb__shape_text(a, other.n, other.d),
                        ebb__shape_text(b, have.n, have.d));
    }
    int64_t to_strides[EBB_MAX_NDIM], from_strides[EBB_MAX_NDIM];
    byte_strides(to, to->ndim, to_strides);
    byte_strides(from, to->ndim, from_strides);
    ebb__copy(to->ndim, to->dims, (ebb_dtype)to->dtype, to->data, to_strides, (ebb_dtype)from->dtype, from->data,
              from_strides);
    return EBB_OK;
}

ebb_tensor *ebb__cast(ebb_tensor *t, ebb_dtype dtype) {
    ebb_tensor *copy = ebb__tensor_new_like(t, dtype);
    if (copy) ebb__copy_into(copy, t); /* of one shape: cannot fail */
    return copy;
}

bool ebb__all_finite(ebb_tensor *t) {
    while (ebb__is_batched(t) && ebb__batch_samples(t)) t = ebb__batch_samples(t);
    atomic_bool found = false, *const at = &found;
    if (!ebb__is_floating(t->dtype)) return true;
    struct ebb__plan plan;
    ebb__plan_make(&plan, 1, &t);
    ebb__plan_run(&plan, ebb__loops_nonfinite[t->dtype], &at);
    return !found;
}

/* ---- copies ---- */

static ebb_status copy_forward(struct ebb_forward *f) { return ebb__copy_into(f->out[0], f->in[0]); }

static void copy_of_self_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, v->grad[0]); }

const struct ebb_op ebb_op_clone = {
    EBB_SIGNATURE(clone, "Tensor self -> Tensor"),
    .doc = EBB_TEXT("A contiguous copy with memory of its own."),
    .torch = EBB_TEXT("torch.clone"),
    .node = "CloneBackward0",
    .forward = copy_forward,
    .halves = true,
    .vjp = copy_of_self_vjp,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_leading,
    .formula = EBB_FORMULAS("g"),
    .samples = EBB_SAMPLES("(3,4)", "()", "(0,3)", "i5(4)", "b(2,2)"),
};

static ebb_tensor *contiguous(struct ebb_forward *f) {
    return ebb__is_contiguous(f->in[0]) ? f->in[0] : ebb_clone(f->in[0]);
}

const struct ebb_op ebb_op_contiguous = {
    EBB_SIGNATURE(contiguous, "Tensor self -> Tensor"),
    .doc = EBB_TEXT("self itself when its elements lie in row-major order without gaps, else a copy that does."),
    .torch = EBB_TEXT("torch.Tensor.contiguous"),
    .compose = contiguous,
    .formula = EBB_FORMULAS("g"),
    .samples = EBB_SAMPLES("(3,4)", "()", "(0,3)", "i5(4)", "b(2,2)"),
};

static ebb_status to_copy_infer(struct ebb_infer *f) {
    const struct ebb__attrs_to_copy *a = f->attrs;
    if (!ebb_dtype_size(a->dtype)) return ebb_fail(EBB_ERR_DTYPE, "expected a dtype, got %d", (int)a->dtype);
    f->out[0].dtype = a->dtype;
    f->out[0].shape = f->in[0].shape;
    return EBB_OK;
}

const struct ebb_op ebb_op_to_copy = {
    EBB_SIGNATURE(to_copy, "Tensor self, dtype dtype -> Tensor"),
    .doc = EBB_TEXT(
        "A contiguous copy of self, converted to dtype. Floating point to integer truncates; to bool is != 0."),
    .torch = EBB_TEXT("torch.Tensor.to(copy=True)"),
    .node = "ToCopyBackward0",
    .infer = to_copy_infer,
    .forward = copy_forward,
    .halves = true,
    .vjp = copy_of_self_vjp,
    .jvp = ebb_jvp_linear,
    .batch = ebb_batch_leading,
    .formula = EBB_FORMULAS("to(g, self.dtype)"),
    .samples = EBB_SAMPLES("(3,4) dtype=float64", "() dtype=float64", "(0,3) dtype=int64", "i5(4) dtype=float32",
                           "(3) dtype=bool", "! (3) dtype=none"),
};

static ebb_tensor *to(struct ebb_forward *f) {
    const struct ebb__attrs_to *a = f->attrs;
    return f->in[0]->dtype == a->dtype ? f->in[0] : ebb_to_copy(f->in[0], a->dtype);
}

const struct ebb_op ebb_op_to = {
    EBB_SIGNATURE(to, "Tensor self, dtype dtype -> Tensor"),
    .doc = EBB_TEXT("self converted to dtype; self itself when it has that dtype already."),
    .torch = EBB_TEXT("torch.Tensor.to"),
    .compose = to,
    .formula = EBB_FORMULAS("to(g, self.dtype)"),
    .samples = EBB_SAMPLES("(3,4) dtype=float64", "() dtype=float64", "(0,3) dtype=int64", "i5(4) dtype=float32",
                           "(3) dtype=bool", "! (3) dtype=none"),
};

/* ---- overwriting: loops that do not read the old value ---- */

static const int64_t zeros; /* zero in every dtype */

#define OVERWRITE_LOOPS(dtype) \
    static void copy_##dtype(int64_t n, char *const *p, const int64_t *stride, const void *attrs) { \
        ebb__loops_cast[dtype][dtype](n, (char *const[]){p[0], p[2]}, (const int64_t[]){stride[0], stride[2]}, attrs); \
    } \
    static void zero_##dtype(int64_t n, char *const *p, const int64_t *stride, const void *attrs) { \
        (void)attrs; \
        ebb__loops_fill[dtype](n, p, stride, &zeros); \
    }
OVERWRITE_LOOPS(EBB_BOOL)
OVERWRITE_LOOPS(EBB_U8)
OVERWRITE_LOOPS(EBB_I32)
OVERWRITE_LOOPS(EBB_I64)
OVERWRITE_LOOPS(EBB_F32)
OVERWRITE_LOOPS(EBB_F64)

#define LOOP_TABLE(of) \
    { \
        [EBB_BOOL] = of##_EBB_BOOL, [EBB_U8] = of##_EBB_U8, [EBB_I32] = of##_EBB_I32, [EBB_I64] = of##_EBB_I64, \
        [EBB_F32] = of##_EBB_F32, [EBB_F64] = of##_EBB_F64 \
    }
static const ebb_loop copy_loops[EBB_DTYPE_COUNT] = LOOP_TABLE(copy);
static const ebb_loop zero_loops[EBB_DTYPE_COUNT] = LOOP_TABLE(zero);

static void overwrite_vjp(struct ebb_vjp_call *v) {
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_zero(v->grad[0]));
    if (v->n_in > 1) ebb_vjp_give(v, 1, v->grad[0]);
}

static const char *fill_node(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return ebb_tensor_is_number(in[1]) ? "FillBackward0" : "FillBackward1";
}

#define OVERWRITE(op, signature_text, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, signature_text), .promote = EBB_PROMOTE_FIRST, \
                                       .vjp = overwrite_vjp, .inplace = true, __VA_ARGS__};

OVERWRITE(copy, "Tensor self, Tensor src|other -> Tensor", .torch = EBB_TEXT("torch.Tensor.copy_"),
          .node = "CopyBackwards", .loops = copy_loops, .formula = EBB_FORMULAS("0", "g"),
          .doc = EBB_TEXT("The elements of src, broadcast to the shape of self and converted to its dtype."),
          .samples = EBB_SAMPLES("(3,4) (3,4)", "(3,4) (4)", "(2,3) ()", "(0,3) (3)", "i5(4) (4)", "(4) i5(4)",
                                 "! (3) (4)"))
OVERWRITE(fill, "Tensor self, Number value -> Tensor", .torch = EBB_TEXT("torch.fill"), .node = "FillBackward0",
          .node_variant = fill_node, .loops = copy_loops, .formula = EBB_FORMULAS("0", "sum(g)"),
          .doc = EBB_TEXT("value in the shape and dtype of self."),
          .samples = EBB_SAMPLES("(3,4) 2.5", "(3,4) ()", "() 1", "(0,3) 1", "i5(4) 2"))
OVERWRITE(zero, "Tensor self -> Tensor", .torch = EBB_TEXT("torch.Tensor.zero_"), .node = "ZeroBackward0",
          .loops = zero_loops, .formula = EBB_FORMULAS("0"), .doc = EBB_TEXT("Zeros in the shape and dtype of self."),
          .samples = EBB_SAMPLES("(3,4)", "()", "(0,3)", "i5(4)", "b(2)"))
