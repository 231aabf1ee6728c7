/* Elements by their number in row-major order: picked and put. */
#define EBB_FAMILY "Indexing"
#include "ops/indexing.h"

/* The places that index names among the elements of a contiguous tensor. */
static ebb_status place(struct ebb_forward *f, const ebb_tensor *moving, const ebb_tensor *fixed,
                        enum ebb__placing what) {
    const ebb_tensor *index = f->in[1];
    int64_t size = (int64_t)ebb__dtype_sizes[moving->dtype];
    struct ebb__places p = {.ndim = 1, .n = 1, .size = {index->numel}, .moving = moving->data, .fixed = fixed->data};
    p.fixed_stride[0] = size;
    p.index[0] = (struct ebb__index){.data = (const int64_t *)(const void *)index->data,
                                     .stride = {sizeof(int64_t)},
                                     .limit = moving->numel,
                                     .negative = true,
                                     .step = size};
    const bool update = what != EBB__TAKE;
    int64_t bad;
    if (!update || ebb__index_in_range(&p, 0, &bad)) {
        ebb_status status = update ? ebb__begin_update(f) : EBB_OK;
        if (status || ebb__place(&p, what, (ebb_dtype)moving->dtype)) return status;
        (void)ebb__index_in_range(&p, 0, &bad);
    }
    return ebb_fail(EBB_ERR_INDEX, "index %lld is out of range for %lld elements", (long long)bad,
                    (long long)moving->numel);
}

static ebb_status check_index(const ebb_meta *index) {
    if (index->dtype == EBB_I64) return EBB_OK;
    return ebb_fail(EBB_ERR_DTYPE, "index must be int64, got %s", ebb_dtype_name(index->dtype));
}

static ebb_status take_infer(struct ebb_infer *f) {
    f->out->shape = f->in[1].shape;
    return check_index(&f->in[1]);
}

static ebb_status take_forward(struct ebb_forward *f) { return place(f, f->in[0], f->out[0], EBB__TAKE); }

static void take_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *zeros = ebb_zeros(ebb_vjp_shape(v, 0), .dtype = ebb_tensor_dtype(v->grad[0]));
    ebb_vjp_give(v, 0, ebb_put(zeros, v->in[1], v->grad[0], .accumulate = true));
}

const struct ebb_op ebb_op_take = {
    EBB_SIGNATURE(take, "Tensor self, Tensor index -> Tensor"),
    .doc = EBB_TEXT(
        "The elements of self with these numbers (int64, negative ones from the end), counted in row-major order; the "
        "result has the shape of index."),
    .torch = EBB_TEXT("torch.take"),
    .node = "TakeBackward0",
    .contiguous = true,
    .infer = take_infer,
    .forward = take_forward,
    .vjp = take_vjp,
    .jvp = ebb_jvp_linear,
    .saves = {EBB_IN(1)},
    .formula = EBB_FORMULAS("put(zeros_like(self), index, g, True)"),
    .samples = EBB_SAMPLES("(3,4) i12(2,5)", "(3,4) i12()", "() i1(3)", "(0) i1(0)", "(3,4) i12(0,2)",
                           "! (3,4) i99(99)", "! (3,4) (2)", "! (0) i1(1)"),
};

static ebb_status put_infer(struct ebb_infer *f) {
    const ebb_meta *self = &f->in[0], *index = &f->in[1], *source = &f->in[2];
    int64_t n = 1, m = 1;
    for (int d = 0; d < index->shape.n; d++) n *= index->shape.d[d];
    for (int d = 0; d < source->shape.n; d++) m *= source->shape.d[d];
    f->out->shape = self->shape;
    if (source->dtype != self->dtype)
        return ebb_fail(EBB_ERR_DTYPE, "self and source must have one dtype, got %s and %s",
                        ebb_dtype_name(self->dtype), ebb_dtype_name(source->dtype));
    if (n != m)
        return ebb_fail(EBB_ERR_SHAPE, "source must have as many elements as index, %lld, not %lld", (long long)n,
                        (long long)m);
    return check_index(index);
}

static ebb_status put_forward(struct ebb_forward *f) {
    const struct ebb__attrs_put *a = f->attrs;
    return place(f, f->out[0], f->in[2], a->accumulate ? EBB__ADD : EBB__PUT);
}

static void put_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_put *a = v->attrs;
    ebb_tensor *g = v->grad[0];
    if (v->needs[0]) {
        ebb_tensor *zeros = a->accumulate ? NULL : ebb_zeros(ebb_tensor_shape(v->in[1]), .dtype = ebb_tensor_dtype(g));
        ebb_vjp_give(v, 0, a->accumulate ? g : ebb_put(g, v->in[1], zeros));
    }
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_reshape(ebb_take(g, v->in[1]), ebb_vjp_shape(v, 2)));
}

const struct ebb_op ebb_op_put = {
    EBB_SIGNATURE(put, "Tensor self, Tensor index, Tensor source, bool accumulate=false -> Tensor"),
    .doc = EBB_TEXT(
        "self with the elements of source at these numbers (int64, negative ones from the end), counted in row-major "
        "order, or with accumulate added there; the last one stays where several meet."),
    .torch = EBB_TEXT("torch.put"),
    .node = "PutBackward0",
    .contiguous = true,
    .infer = put_infer,
    .forward = put_forward,
    .inplace = true,
    .vjp = put_vjp,
    .jvp = ebb_jvp_linear,
    .saves = {EBB_IN(1), 0, EBB_IN(1)},
    .formula = EBB_FORMULAS("g if accumulate else put(g, index, zeros_like(source))", NULL,
                            "take(g, index).reshape(source.shape)"),
    .samples = EBB_SAMPLES("(3,4) i12(1) (1)", "(3,4) i12(2,5) (10) accumulate=true", "() i1() ()", "(0) i1(0) (0)",
                           "(3,4) i12(0) (0)", "! (3,4) i99(99) (99)", "! (3,4) i12(2) (3)", "! (3,4) (2) (2)",
                           "! (3) i3(2) i5(2)"),
};
