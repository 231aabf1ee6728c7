/* max_pool1d to max_pool3d, adaptive_max_pool1d to adaptive_max_pool3d, and their gradient, which goes to the places
 * that the indices name. */
#define EBB_FAMILY "Layers"
#include "ops/pool.h"

static ebb_status infer(struct ebb_infer *f, struct ebb__pooling o) {
    struct ebb__pool_sizes s;
    ebb_status status = ebb__pool_sizes(&o, &f->in[0].shape, &s);
    if (status) return status;
    f->out[0].shape = f->out[1].shape = s.result;
    f->out[1].dtype = EBB_I64;
    return EBB_OK;
}

static ebb_status forward(struct ebb_forward *f, struct ebb__pooling o) {
    const ebb_tensor *x = f->in[0];
    const ebb_dims shape = ebb_tensor_shape(x);
    ebb__pool p;
    size_t bytes;
    void *windows = ebb__pool_windows(&o, &shape, (ebb_dtype)x->dtype, &p, &bytes);
    if (!windows) return ebb_error_status();
    ebb__pool_max(&p, x->data, f->out[0]->data, (int64_t *)(void *)f->out[1]->data);
    ebb__free(windows, bytes);
    return EBB_OK;
}

static void give(struct ebb_vjp_call *v, int n) {
    ebb_vjp_give(v, 0, ebb_max_pool_backward(v->grad[0], v->out[1], ebb_vjp_shape(v, 0), n));
}

/* ---- the gradient ---- */

static ebb_status backward_infer(struct ebb_infer *f) {
    const struct ebb__attrs_max_pool_backward *a = f->attrs;
    const ebb_dims *g = &f->in[0].shape, *x = &a->input_size;
    int64_t numel;
    f->out->shape = *x;
    if (f->in[1].dtype != EBB_I64)
        return ebb_fail(EBB_ERR_DTYPE, "indices must be int64, got %s", ebb_dtype_name(f->in[1].dtype));
    if (!ebb__numel(x->n, x->d, 8, &numel)) return ebb_fail(EBB_ERR_SHAPE, "input_size is out of range");
    bool fits = ebb__dims_equal(g, &f->in[1].shape) && x->n == g->n && a->dims > 0 && a->dims <= 3 && a->dims < g->n;
    for (int i = 0; fits && i < g->n - a->dims; i++) fits = g->d[i] == x->d[i];
    return fits ? EBB_OK : ebb_fail(EBB_ERR_SHAPE, "grad_output and indices are not those of an input of this size");
}

/* (…, spatial) as (planes, elements of a plane). */
static ebb_dims planes(const ebb_dims *shape, int64_t n) {
    ebb_dims flat = EBB_DIMS(1, 1);
    for (int i = 0; i < shape->n; i++) flat.d[i >= shape->n - n] *= shape->d[i];
    return flat;
}

static ebb_status backward_forward(struct ebb_forward *f) {
    const struct ebb__attrs_max_pool_backward *a = f->attrs;
    const ebb_tensor *g = f->in[0];
    const ebb_dims shape = ebb_tensor_shape(g), x = planes(&a->input_size, a->dims), y = planes(&shape, a->dims);
    if (ebb__pool_place((ebb_dtype)g->dtype, x.d[0], x.d[1], y.d[1], g->data,
                        (const int64_t *)(const void *)f->in[1]->data, f->out[0]->data))
        return EBB_OK;
    return ebb_fail(EBB_ERR_INDEX, "an index is out of range for planes of %lld elements", (long long)x.d[1]);
}

static void backward_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_max_pool_backward *a = v->attrs;
    ebb_dims shape = ebb_tensor_shape(v->in[1]);
    ebb_tensor *g = ebb_reshape(v->grad[0], planes(&a->input_size, a->dims));
    ebb_tensor *index = ebb_reshape(v->in[1], planes(&shape, a->dims));
    ebb_vjp_give(v, 0, ebb_reshape(ebb_gather(g, index, 1), shape));
}

const struct ebb_op ebb_op_max_pool_backward = {
    EBB_SIGNATURE(max_pool_backward, "Tensor grad_output, Tensor indices, shape input_size, int dims -> Tensor"),
    .doc = EBB_TEXT(
        "Zeros of shape input_size, with each element of grad_output added at the place in its plane, the last `dims` "
        "dimensions, that indices (int64) name: the gradient of max_pool1d to max_pool3d and of their adaptive forms."),
    .torch = EBB_TEXT("torch.ops.aten.max_pool2d_with_indices_backward"),
    .node = "MaxPool2DWithIndicesBackwardBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = backward_infer,
    .forward = backward_forward,
    .vjp = backward_vjp,
    .batch = ebb_batch_fold,
    .saves = {EBB_IN(1)},
    .formula = EBB_FORMULAS("gather(flatten(g, -dims), -1, flatten(indices, -dims)).reshape(indices.shape)"),
    .samples =
        EBB_SAMPLES("(2,3,2) i4(2,3,2) input_size=(2,3,4) dims=1", "(1,2,2,2) i9(1,2,2,2) input_size=(1,2,3,3) dims=2",
                    "(0,2,2) i4(0,2,2) input_size=(0,2,4) dims=1", "! (2,3,2) i4(2,3,2) input_size=(2,2,4) dims=1",
                    "! (2,3,2) i4(2,3,3) input_size=(2,3,4) dims=1", "! (1,1,3) i9(1,1,3) input_size=(1,1,1) dims=1"),
};

/* ---- the operators ---- */

#define DOC(what, image, more) \
    "The largest elements of windows of input (N, C, " image "), or (C, " image ")" what \
    ", and their indices in the plane that " image \
    " are; the first of several equal ones. It alone receives the gradient. A NaN is the largest." more

#define MAX_POOL(name_, dims_, image, node_, autocast_, dtypes_, ...) \
    static struct ebb__pooling name_##_options(const struct ebb__attrs_##name_ *a) { \
        return (struct ebb__pooling){.n = dims_, \
                                     .max = true, \
                                     .kernel_size = a->kernel_size, \
                                     .stride = a->stride, \
                                     .padding = a->padding, \
                                     .dilation = a->dilation, \
                                     .ceil_mode = a->ceil_mode}; \
    } \
    static ebb_status name_##_infer(struct ebb_infer *f) { return infer(f, name_##_options(f->attrs)); } \
    static ebb_status name_##_forward(struct ebb_forward *f) { return forward(f, name_##_options(f->attrs)); } \
    static void name_##_vjp(struct ebb_vjp_call *v) { give(v, dims_); } \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor input, shape kernel_size, shape stride=none, shape padding=0, shape dilation=1, " \
                             "bool ceil_mode=false, bool return_indices=false -> Tensor output, " \
                             "Tensor indices[return_indices]"), \
        .doc = EBB_TEXT( \
            DOC(", stride apart (kernel_size, where none is listed)", image, \
                " Padding, up to half a window, is below everything; ceil_mode lets a last window reach beyond the " \
                "end.")), \
        .batch = ebb_batch_fold, \
        .torch = EBB_TEXT("torch.nn.functional." #name_), \
        .node = node_, \
        .autocast = EBB_AUTOCAST_##autocast_, \
        .dtypes = dtypes_, \
        .contiguous = true, \
        .infer = name_##_infer, \
        .forward = name_##_forward, \
        .vjp = name_##_vjp, \
        .saves = {EBB_OUT(1)}, \
        .formula = EBB_FORMULAS("max_pool_backward(g, indices, input.shape, " #dims_ ")"), \
        .samples = EBB_SAMPLES(__VA_ARGS__), \
    };
MAX_POOL(max_pool1d, 1, "L", "MaxPool1DWithIndicesBackward0", NONE, EBB_FLOATING, "(2,3,6) kernel_size=2",
         "(3,7) kernel_size=3 stride=2 padding=1", "(1,2,8) kernel_size=3 stride=1 dilation=2", "(0,3,6) kernel_size=2",
         "(1,2,6) kernel_size=4 ceil_mode=true stride=3", "! (2,3,4) kernel_size=5",
         "! (2,3,4) kernel_size=2 padding=2", "! (2,0,4) kernel_size=2", "! (2,3,4) kernel_size=2 stride=0",
         "! (1,1,2) kernel_size=2 dilation=3 padding=1", "! i5(1,1,4) kernel_size=2")
MAX_POOL(max_pool2d, 2, "H, W", "MaxPool2DWithIndicesBackward0", NONE, EBB_NUMERIC, "(2,3,4,5) kernel_size=2",
         "(2,5,4) kernel_size=(3,2) stride=1 padding=1", "(1,2,5,6) kernel_size=2 ceil_mode=true",
         "(1,2,6,6) kernel_size=2 dilation=(2,3) padding=1 stride=(1,2)", "(0,2,4,4) kernel_size=2",
         "i9(1,1,4,4) kernel_size=2", "! (1,2,4,4) kernel_size=5", "! (4,4) kernel_size=2",
         "! (1,2,4,4) kernel_size=()", "! (1,2,4,4) kernel_size=2 dilation=0", "! b(1,1,2,2) kernel_size=2")
MAX_POOL(max_pool3d, 3, "D, H, W", "MaxPool3DWithIndicesBackward0", F32, EBB_NUMERIC, "(1,2,4,3,5) kernel_size=2",
         "(2,3,4,4) kernel_size=(2,1,3) stride=(1,2,2) padding=(1,0,1)", "! (1,2,3,3) kernel_size=4")

#define ADAPTIVE(name_, dims_, image, node_, autocast_, ...) \
    static struct ebb__pooling name_##_options(const struct ebb__attrs_##name_ *a) { \
        return (struct ebb__pooling){.n = dims_, .max = true, .adaptive = true, .output_size = a->output_size}; \
    } \
    static ebb_status name_##_infer(struct ebb_infer *f) { return infer(f, name_##_options(f->attrs)); } \
    static ebb_status name_##_forward(struct ebb_forward *f) { return forward(f, name_##_options(f->attrs)); } \
    static void name_##_vjp(struct ebb_vjp_call *v) { give(v, dims_); } \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor input, shape(none) output_size, bool return_indices=false -> Tensor output, " \
                             "Tensor indices[return_indices]"), \
        .doc = EBB_TEXT( \
            DOC("", image, " The windows are those of adaptive_avg_pool, such that the result has output_size.")), \
        .batch = ebb_batch_fold, \
        .torch = EBB_TEXT("torch.nn.functional." #name_), \
        .node = node_, \
        .autocast = EBB_AUTOCAST_##autocast_, \
        .dtypes = EBB_FLOATING, \
        .contiguous = true, \
        .infer = name_##_infer, \
        .forward = name_##_forward, \
        .vjp = name_##_vjp, \
        .saves = {EBB_OUT(1)}, \
        .formula = EBB_FORMULAS("max_pool_backward(g, indices, input.shape, " #dims_ ")"), \
        .samples = EBB_SAMPLES(__VA_ARGS__), \
    };
ADAPTIVE(adaptive_max_pool1d, 1, "L", "AdaptiveMaxPool1DBackward0", NONE, "(2,3,5) output_size=3",
         "(3,5) output_size=1", "! (2,0,5) output_size=3", "! (5) output_size=2")
ADAPTIVE(adaptive_max_pool2d, 2, "H, W", "AdaptiveMaxPool2DBackward0", NONE, "(2,3,5,4) output_size=(2,3)",
         "(2,4,4) output_size=3", "(1,2,3,3) output_size=(5,none)", "(0,2,3,4) output_size=2",
         "(1,2,3,3) output_size=0", "! (1,2,0,3) output_size=2", "! (1,2,3,3) output_size=(1,2,3)",
         "! i5(1,2,3,3) output_size=2")
ADAPTIVE(adaptive_max_pool3d, 3, "D, H, W", "AdaptiveMaxPool3DBackward0", F32, "(1,2,4,3,5) output_size=(2,none,3)",
         "(2,3,3,3) output_size=2", "! (1,2,3,3) output_size=()")
