/* avg_pool1d to avg_pool3d, adaptive_avg_pool1d to adaptive_avg_pool3d, and their gradients: linear maps that are each
 * other's transpose. */
#define EBB_FAMILY "Layers"
#include "ops/pool.h"

/* A rule's options; `n` is the number of spatial dimensions. */
#define BY_KERNEL(n_, a) \
    (struct ebb__pooling) { \
        .n = (n_), .kernel_size = (a)->kernel_size, .stride = (a)->stride, .padding = (a)->padding, \
        .ceil_mode = (a)->ceil_mode, .count_include_pad = (a)->count_include_pad.value != 0, \
        .divisor = (a)->divisor_override \
    }
#define BY_OUTPUT(n_, size) \
    (struct ebb__pooling) { .n = (n_), .adaptive = true, .output_size = (size) }

static ebb_status infer(struct ebb_infer *f, struct ebb__pooling o) {
    struct ebb__pool_sizes s;
    ebb_status status = ebb__pool_sizes(&o, &f->in[0].shape, &s);
    if (!status) f->out->shape = s.result;
    return status;
}

static ebb_status forward(struct ebb_forward *f, struct ebb__pooling o) {
    const ebb_tensor *x = f->in[0];
    const ebb_dims shape = ebb_tensor_shape(x);
    ebb__pool p;
    size_t bytes;
    void *windows = ebb__pool_windows(&o, &shape, (ebb_dtype)x->dtype, &p, &bytes);
    if (!windows) return ebb_error_status();
    ebb_status status = ebb__pool_average(&p, x->data, f->out[0]->data);
    ebb__free(windows, bytes);
    return status;
}

static ebb_status backward_infer(struct ebb_infer *f, struct ebb__pooling o, const ebb_dims *input_size) {
    struct ebb__pool_sizes s;
    int64_t numel;
    if (!ebb__numel(input_size->n, input_size->d, 8, &numel))
        return ebb_fail(EBB_ERR_SHAPE, "input_size is out of range");
    ebb_status status = ebb__pool_sizes(&o, input_size, &s);
    if (!status && !ebb__dims_equal(&s.result, &f->in[0].shape))
        status = ebb_fail(EBB_ERR_SHAPE, "grad_output is not that of an input of this size");
    f->out->shape = *input_size;
    return status;
}

static ebb_status backward_forward(struct ebb_forward *f, struct ebb__pooling o, const ebb_dims *input_size) {
    const ebb_tensor *g = f->in[0];
    ebb__pool p;
    size_t bytes;
    void *windows = ebb__pool_windows(&o, input_size, (ebb_dtype)g->dtype, &p, &bytes);
    if (!windows) return ebb_error_status();
    ebb__pool_spread(&p, g->data, f->out[0]->data);
    ebb__free(windows, bytes);
    return EBB_OK;
}

/* The four rules of an operator and of its gradient, from the options and from calls of each other. */
#define RULES(name, dims, options, back_call, forth_call) \
    static ebb_status name##_infer(struct ebb_infer *f) { \
        const struct ebb__attrs_##name *a = f->attrs; \
        return infer(f, options); \
    } \
    static ebb_status name##_forward(struct ebb_forward *f) { \
        const struct ebb__attrs_##name *a = f->attrs; \
        return forward(f, options); \
    } \
    static void name##_vjp(struct ebb_vjp_call *v) { \
        const struct ebb__attrs_##name *a = v->attrs; \
        ebb_vjp_give(v, 0, back_call); \
    } \
    static ebb_status name##_backward_infer(struct ebb_infer *f) { \
        const struct ebb__attrs_##name##_backward *a = f->attrs; \
        return backward_infer(f, options, &a->input_size); \
    } \
    static ebb_status name##_backward_forward(struct ebb_forward *f) { \
        const struct ebb__attrs_##name##_backward *a = f->attrs; \
        return backward_forward(f, options, &a->input_size); \
    } \
    static void name##_backward_vjp(struct ebb_vjp_call *v) { \
        const struct ebb__attrs_##name##_backward *a = v->attrs; \
        ebb_vjp_give(v, 0, forth_call); \
    }

#define AVERAGE_RULES(name, dims) \
    RULES(name, dims, BY_KERNEL(dims, a), \
          ebb_##name##_backward(v->grad[0], ebb_vjp_shape(v, 0), a->kernel_size, .stride = a->stride, \
                                .padding = a->padding, .ceil_mode = a->ceil_mode, \
                                .count_include_pad = a->count_include_pad, .divisor_override = a->divisor_override), \
          ebb_##name(v->grad[0], a->kernel_size, .stride = a->stride, .padding = a->padding, \
                     .ceil_mode = a->ceil_mode, .count_include_pad = a->count_include_pad, \
                     .divisor_override = a->divisor_override))
#define ADAPTIVE_RULES(name, dims) \
    RULES(name, dims, BY_OUTPUT(dims, a->output_size), \
          ebb_##name##_backward(v->grad[0], ebb_vjp_shape(v, 0), a->output_size), \
          ebb_##name(v->grad[0], a->output_size))

AVERAGE_RULES(avg_pool2d, 2)
AVERAGE_RULES(avg_pool3d, 3)
ADAPTIVE_RULES(adaptive_avg_pool2d, 2)
ADAPTIVE_RULES(adaptive_avg_pool3d, 3)

/* ---- one dimension is two, the first of size 1 ---- */

static ebb_dims one_and(const ebb_dims *dims, int64_t first) {
    return dims->n == 0 ? *dims : EBB_DIMS(first, dims->d[0]);
}

static bool check_lists(const ebb_tensor *x, const ebb_dims *const *lists, int n) {
    const struct ebb__pooling o = {.n = 1};
    int64_t ignored[3];
    for (int i = 0; i < n; i++)
        if (ebb__spatial("one of its settings", lists[i], 1, 0, 0, ignored)) return false;
    if (x->ndim == o.n + 1 || x->ndim == o.n + 2) return true;
    ebb_fail(EBB_ERR_SHAPE, "expected an input of 3 dimensions, or 2 without a batch; got %d", (int)x->ndim);
    return false;
}

static ebb_tensor *avg_pool1d(struct ebb_forward *f) {
    const struct ebb__attrs_avg_pool1d *a = f->attrs;
    if (!check_lists(f->in[0], (const ebb_dims *const[]){&a->kernel_size, &a->stride, &a->padding}, 3)) return NULL;
    ebb_tensor *y = ebb_avg_pool2d(ebb_unsqueeze(f->in[0], -2), one_and(&a->kernel_size, 1),
                                   .stride = one_and(&a->stride, 1), .padding = one_and(&a->padding, 0),
                                   .ceil_mode = a->ceil_mode, .count_include_pad = a->count_include_pad);
    return ebb_squeeze(y, .dim = EBB_DIMS(-2));
}

static ebb_tensor *adaptive_avg_pool1d(struct ebb_forward *f) {
    const struct ebb__attrs_adaptive_avg_pool1d *a = f->attrs;
    if (!check_lists(f->in[0], (const ebb_dims *const[]){&a->output_size}, 1)) return NULL;
    ebb_tensor *y = ebb_adaptive_avg_pool2d(ebb_unsqueeze(f->in[0], -2), one_and(&a->output_size, 1));
    return ebb_squeeze(y, .dim = EBB_DIMS(-2));
}

/* ---- the operators ---- */

#define AVERAGE_WINDOW "kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override"
#define AVERAGE_DOC(image) \
    "Averages over windows of kernel_size, stride apart (kernel_size, where none is listed), of input (N, C, " image \
    "), or (C, " image "). Padding with zeros, up to half a window, counts as elements unless count_include_pad is " \
    "EBB_SET(0). ceil_mode lets a last window reach beyond the end; "

#define AVERAGE(name_, image, node_, autocast_, ...) \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor input, shape kernel_size, shape stride=none, shape padding=0, " \
                             "bool ceil_mode=false, float? count_include_pad=1, int divisor_override=none -> Tensor"), \
        .doc = EBB_TEXT(AVERAGE_DOC(image) "divisor_override is what sums are divided by."), \
        .batch = ebb_batch_fold, \
        .torch = EBB_TEXT("torch.nn.functional." #name_), \
        .node = node_, \
        .autocast = EBB_AUTOCAST_##autocast_, \
        .dtypes = EBB_NUMERIC, \
        .contiguous = true, \
        .infer = name_##_infer, \
        .forward = name_##_forward, \
        .vjp = name_##_vjp, \
        .formula = EBB_FORMULAS(#name_ "_backward(g, input.shape, " AVERAGE_WINDOW ")"), \
        .samples = EBB_SAMPLES(__VA_ARGS__), \
    };
AVERAGE(avg_pool2d, "H, W", "AvgPool2DBackward0", NONE, "(2,3,4,5) kernel_size=2",
        "(2,5,4) kernel_size=(3,2) stride=1 padding=1",
        "(1,2,5,5) kernel_size=3 stride=2 padding=1 count_include_pad=false", "(1,2,5,6) kernel_size=2 ceil_mode=true",
        "(1,1,5,5) kernel_size=3 stride=2 padding=1 ceil_mode=true", "(1,2,4,4) kernel_size=2 divisor_override=3",
        "(0,2,4,4) kernel_size=2", "i9(1,1,4,4) kernel_size=2", "! (1,2,4,4) kernel_size=5",
        "! (1,0,4,4) kernel_size=2", "! (1,2,4,4) kernel_size=2 padding=2", "! (1,2,4,4) kernel_size=0",
        "! (4,4) kernel_size=2", "! (1,2,4,4) kernel_size=2 stride=0", "! (1,2,4,4) kernel_size=(2,2,2)",
        "! b(1,1,2,2) kernel_size=2")
AVERAGE(avg_pool3d, "D, H, W", "AvgPool3DBackward0", F32, "(1,2,4,3,5) kernel_size=2",
        "(2,3,4,4) kernel_size=(2,1,3) stride=(1,2,2) padding=(1,0,1) ceil_mode=true",
        "(1,1,3,3,3) kernel_size=3 padding=1 count_include_pad=false", "! (1,2,3,3) kernel_size=4")

#define AVERAGE_BACKWARD(name_, node_, ...) \
    const struct ebb_op ebb_op_##name_##_backward = { \
        EBB_SIGNATURE(name_##_backward, \
                      "Tensor grad_output, shape input_size, shape kernel_size, shape stride=none, shape padding=0, " \
                      "bool ceil_mode=false, float? count_include_pad=1, int divisor_override=none -> Tensor"), \
        .doc = EBB_TEXT("The gradient of " #name_ " for an input of shape input_size."), \
        .batch = ebb_batch_fold, \
        .torch = EBB_TEXT("torch.ops.aten." #name_ "_backward"), \
        .node = node_, \
        .dtypes = EBB_FLOATING, \
        .contiguous = true, \
        .infer = name_##_backward_infer, \
        .forward = name_##_backward_forward, \
        .vjp = name_##_backward_vjp, \
        .formula = EBB_FORMULAS(#name_ "(g, " AVERAGE_WINDOW ")"), \
        .samples = EBB_SAMPLES(__VA_ARGS__), \
    };
AVERAGE_BACKWARD(avg_pool2d, "AvgPool2DBackwardBackward0", "(2,3,2,2) input_size=(2,3,4,5) kernel_size=2",
                 "(2,3,3) input_size=(2,5,5) kernel_size=3 stride=2 padding=1 count_include_pad=false",
                 "! (2,3,2,3) input_size=(2,3,4,5) kernel_size=2")
AVERAGE_BACKWARD(avg_pool3d, "AvgPool3DBackwardBackward0", "(1,2,2,1,2) input_size=(1,2,4,3,5) kernel_size=2",
                 "(1,2,2,2) input_size=(1,3,3,3) kernel_size=2 stride=1",
                 "! (1,2,2,1,2) input_size=(1,2,4,3,-5) kernel_size=2")

#define ADAPTIVE(name_, image, node_, autocast_, ...) \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor input, shape(none) output_size -> Tensor"), \
        .doc = EBB_TEXT( \
            "Averages of input (N, C, " image "), or (C, " image \
            "), over windows such that the result has output_size: output i is the mean of the inputs from " \
            "floor(i * in / out) to ceil((i + 1) * in / out). One number stands for all dimensions, and -1, or " \
            "none by name, for the size of the input."), \
        .batch = ebb_batch_fold, \
        .torch = EBB_TEXT("torch.nn.functional." #name_), \
        .node = node_, \
        .autocast = EBB_AUTOCAST_##autocast_, \
        .node_variant = name_##_variant, \
        .dtypes = EBB_FLOATING, \
        .contiguous = true, \
        .infer = name_##_infer, \
        .forward = name_##_forward, \
        .vjp = name_##_vjp, \
        .formula = EBB_FORMULAS(#name_ "_backward(g, input.shape, output_size)"), \
        .samples = EBB_SAMPLES(__VA_ARGS__), \
    };

/* What PyTorch computes as a mean. */
static const char *variant(const ebb_dims *size, const char *name) {
    for (int i = 0; i < size->n; i++)
        if (size->d[i] != 1) return name;
    return "MeanBackward1";
}
static const char *adaptive_avg_pool2d_variant(const void *attrs, ebb_tensor *const *in) {
    (void)in;
    return variant(&((const struct ebb__attrs_adaptive_avg_pool2d *)attrs)->output_size, "AdaptiveAvgPool2DBackward0");
}
static const char *adaptive_avg_pool3d_variant(const void *attrs, ebb_tensor *const *in) {
    (void)in;
    return variant(&((const struct ebb__attrs_adaptive_avg_pool3d *)attrs)->output_size, "AdaptiveAvgPool3DBackward0");
}

ADAPTIVE(adaptive_avg_pool2d, "H, W", "AdaptiveAvgPool2DBackward0", NONE, "(2,3,5,4) output_size=(2,3)",
         "(2,4,4) output_size=3", "(1,2,3,3) output_size=(5,none)", "(1,2,3,4) output_size=1",
         "(0,2,3,4) output_size=2", "(1,0,3,4) output_size=2", "(1,2,3,3) output_size=0", "! (1,2,0,3) output_size=2",
         "! (3,3) output_size=2", "! (1,2,3,3) output_size=(1,2,3)", "! i5(1,2,3,3) output_size=2")
ADAPTIVE(adaptive_avg_pool3d, "D, H, W", "AdaptiveAvgPool3DBackward0", F32, "(1,2,4,3,5) output_size=(2,none,3)",
         "(2,3,3,3) output_size=2", "! (1,2,3,3) output_size=-2")

#define ADAPTIVE_BACKWARD(name_, node_, ...) \
    const struct ebb_op ebb_op_##name_##_backward = { \
        EBB_SIGNATURE(name_##_backward, "Tensor grad_output, shape input_size, shape output_size -> Tensor"), \
        .doc = EBB_TEXT("The gradient of " #name_ " for an input of shape input_size."), \
        .batch = ebb_batch_fold, \
        .torch = EBB_TEXT("torch.ops.aten._" #name_ "_backward"), \
        .node = node_, \
        .dtypes = EBB_FLOATING, \
        .contiguous = true, \
        .infer = name_##_backward_infer, \
        .forward = name_##_backward_forward, \
        .vjp = name_##_backward_vjp, \
        .formula = EBB_FORMULAS(#name_ "(g, output_size)"), \
        .samples = EBB_SAMPLES(__VA_ARGS__), \
    };
ADAPTIVE_BACKWARD(adaptive_avg_pool2d, "AdaptiveAvgPool2DBackwardBackward0",
                  "(2,3,2,3) input_size=(2,3,5,4) output_size=(2,3)", "(2,4,4) input_size=(2,3,3) output_size=4",
                  "! (2,3,2,2) input_size=(2,3,5,4) output_size=(2,3)")
ADAPTIVE_BACKWARD(adaptive_avg_pool3d, "AdaptiveAvgPool3DBackwardBackward0",
                  "(1,2,2,2,2) input_size=(1,2,3,4,3) output_size=2", "(2,1,1,1) input_size=(2,3,2,2) output_size=1",
                  "! (1,2,2) input_size=(1,2,3) output_size=2")

const struct ebb_op ebb_op_avg_pool1d = {
    EBB_SIGNATURE(avg_pool1d, "Tensor input, shape kernel_size, shape stride=none, shape padding=0, "
                              "bool ceil_mode=false, float? count_include_pad=1 -> Tensor"),
    .doc = EBB_TEXT(AVERAGE_DOC("L") "it is avg_pool2d of one row."),
    .torch = EBB_TEXT("torch.nn.functional.avg_pool1d"),
    .compose = avg_pool1d,
    .parts = EBB_TEXT(
        "avg_pool2d(unsqueeze(input, -2), [1] + kernel_size, [1] + (stride or kernel_size), [0] + padding, ceil_mode, count_include_pad).squeeze(-2)"),
    .samples =
        EBB_SAMPLES("(2,3,6) kernel_size=2", "(3,7) kernel_size=3 stride=2 padding=1 count_include_pad=false",
                    "(1,2,6) kernel_size=4 ceil_mode=true stride=3", "(0,3,6) kernel_size=2", "! (2,3,4) kernel_size=5",
                    "! (2,3,4) kernel_size=(2,2)", "! (4) kernel_size=2", "! (2,2,4,4) kernel_size=2"),
};

const struct ebb_op ebb_op_adaptive_avg_pool1d = {
    EBB_SIGNATURE(adaptive_avg_pool1d, "Tensor input, shape(none) output_size -> Tensor"),
    .doc = EBB_TEXT("Averages of input (N, C, L), or (C, L), over windows such that the result has output_size: "
                    "adaptive_avg_pool2d of one row."),
    .torch = EBB_TEXT("torch.nn.functional.adaptive_avg_pool1d"),
    .compose = adaptive_avg_pool1d,
    .parts = EBB_TEXT("adaptive_avg_pool2d(unsqueeze(input, -2), [1] + output_size).squeeze(-2)"),
    .samples = EBB_SAMPLES("(2,3,5) output_size=3", "(3,5) output_size=1", "(2,0,5) output_size=3",
                           "! (2,3,5) output_size=(2,2)", "! (5) output_size=2"),
};
