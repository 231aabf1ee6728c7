/* conv1d to conv3d and conv_transpose1d to conv_transpose3d: compositions of convolution, with or without a batch. */
#define EBB_FAMILY "Layers"
#include "ops/spatial.h"

struct layer {
    int n; /* spatial dimensions */
    bool transposed;
    ebb_dims stride, padding, output_padding, dilation;
    int64_t groups;
    int auto_padding;
};

/* padding="same": the output is as large as the input. What cannot be put evenly on both sides goes behind. */
static ebb_tensor *pad_same(ebb_tensor *x, const ebb_tensor *w, struct layer *l) {
    int64_t stride[3], dilation[3], each[3] = {0};
    ebb_dims shape = ebb_tensor_shape(x);
    if (ebb__spatial("stride", &l->stride, l->n, 1, 1, stride)) return NULL;
    if (ebb__spatial("dilation", &l->dilation, l->n, 1, 1, dilation)) return NULL;
    for (int d = 3 - l->n; d < 3; d++) {
        const int i = 2 + d - (3 - l->n);
        const int64_t total = dilation[d] * (w->dims[i] - 1);
        if (stride[d] != 1) {
            ebb_fail(EBB_ERR_ARGUMENT, "auto_padding=same needs a stride of 1, got %lld", (long long)stride[d]);
            return NULL;
        }
        each[d] = total > 0 ? total / 2 : 0;
        if (total <= 0 || total % 2 == 0) continue;
        const int64_t size = shape.d[i]++;
        x = ebb_slice_backward(x, shape, i, 0, size);
    }
    l->padding = ebb__spatial_dims(l->n, each);
    return x;
}

static ebb_tensor *layer(const struct ebb_forward *f, struct layer l) {
    ebb_tensor *x = f->in[0], *w = f->in[1];
    ebb_dims shape = ebb_tensor_shape(x);
    bool batched;
    if (w->ndim != l.n + 2) {
        ebb_fail(EBB_ERR_SHAPE, "expected a weight of %d dimensions, got %d", l.n + 2, (int)w->ndim);
        return NULL;
    }
    if (!ebb__spatial_batched(&shape, l.n, &batched)) return NULL;
    if (!batched) x = ebb_unsqueeze(x, 0);
    if (x && l.auto_padding && l.padding.n) {
        ebb_fail(EBB_ERR_ARGUMENT, "padding is listed and auto_padding is given; expected one of them");
        return NULL;
    }
    if (x && l.auto_padding == EBB_PADDING_SAME) x = pad_same(x, w, &l);
    ebb_tensor *y =
        ebb_convolution(x, w, .bias = f->in[2], .stride = l.stride, .padding = l.padding, .dilation = l.dilation,
                        .transposed = l.transposed, .output_padding = l.output_padding, .groups = l.groups);
    return batched ? y : ebb_squeeze(y, .dim = EBB_DIMS(0));
}

/* What they are composed of, without auto_padding=same. */
#define PARTS(more) \
    "y = convolution(input if input.ndim == weight.ndim else input[None], weight, bias, stride, padding, " more \
    "); y if input.ndim == weight.ndim else y[0]"

#define CONV(name_, dims_, image_, note_, ...) \
    static ebb_tensor *name_(struct ebb_forward *f) { \
        const struct ebb__attrs_##name_ *a = f->attrs; \
        return layer(f, (struct layer){.n = dims_, \
                                       .stride = a->stride, \
                                       .padding = a->padding, \
                                       .dilation = a->dilation, \
                                       .groups = a->groups, \
                                       .auto_padding = a->auto_padding}); \
    } \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, \
                      "Tensor input, Tensor weight, Tensor? bias, shape stride=1, shape padding=0, shape dilation=1, " \
                      "int groups=1, enum(listed|valid|same) auto_padding|padding=listed -> Tensor"), \
        .doc = EBB_TEXT( \
            "The convolution of input (N, C, " image_ "), or (C, " image_ ") without a batch, with weight (out, C / " \
            "groups, " image_ "), plus bias (out). Lists have one number for each of " image_ \
            ", or one for all. PyTorch's padding=\"valid\" and \"same\" are .auto_padding = EBB_PADDING_VALID and " \
            "EBB_PADDING_SAME." note_), \
        .torch = EBB_TEXT("torch.nn.functional." #name_), \
        .autocast = EBB_AUTOCAST_LOW, \
        .compose = name_, \
        .parts = EBB_TEXT(PARTS("dilation, groups=groups")), \
        .samples = EBB_SAMPLES(__VA_ARGS__), \
    };

CONV(conv1d, 1, "L", "", "(2,2,5) (3,2,3) (3)", "(2,5) (3,2,3) (3) stride=2 padding=1",
     "(1,4,6) (6,2,2) groups=2 dilation=3", "(2,2,5) (3,2,3) auto_padding=same", "(2,2,5) (3,2,2) auto_padding=same",
     "(2,2,5) (3,2,2) auto_padding=valid", "(0,2,5) (3,2,3) (3)", "! (2,2,5) (3,2,6)",
     "! (2,2,5) (3,2,3) auto_padding=same stride=2", "! (2,2,5) (3,2,3) auto_padding=same padding=1",
     "! (2,2,5,5) (3,2,3)", "! (2,2,5) (3,2,3,3)")
/* By Winograd's algorithm. */
#define SPECIAL_VALUES \
    " With 3 x 3 taps and 32 channels or more in float32, an infinity or a NaN may make NaN of results near it that " \
    "the sum of products would leave infinite or finite."
CONV(conv2d, 2, "H, W", SPECIAL_VALUES, "(2,2,4,5) (3,2,3,3) (3)", "(2,5,4) (3,2,2,3) stride=(2,1) padding=1",
     "(1,4,5,4) (4,1,3,2) (4) groups=4 padding=1 dilation=(1,2)",
     "(1,2,4,4) (2,2,2,3) auto_padding=same dilation=(3,1)", "(1,2,4,5) (3,2,1,1) (3)", "(0,2,4,4) (3,2,3,3)",
     "! (1,2,4,4) (3,2,3,3) (2)", "! (1,2,4,4) (3,2,3,3) padding=-1", "! (4,4) (3,2,3,3)",
     "! (1,3,4,4) (4,2,3,3) groups=2", "! (1,2,4,4) (3,2,3,3) stride=(1,1,1)")
CONV(conv3d, 3, "D, H, W", "", "(1,2,3,4,3) (2,2,2,2,2) (2)", "(2,3,3,4) (2,2,2,3,2) stride=(1,2,1) padding=(0,1,0)",
     "(1,2,3,3,3) (2,1,2,2,2) groups=2 auto_padding=same", "! (1,2,3,3,3) (2,2,4,2,2)", "! (1,2,3,3) (2,2,2,2)")

#define TRANSPOSED(name_, dims_, image_, ...) \
    static ebb_tensor *name_(struct ebb_forward *f) { \
        const struct ebb__attrs_##name_ *a = f->attrs; \
        return layer(f, (struct layer){.n = dims_, \
                                       .transposed = true, \
                                       .stride = a->stride, \
                                       .padding = a->padding, \
                                       .output_padding = a->output_padding, \
                                       .dilation = a->dilation, \
                                       .groups = a->groups}); \
    } \
    const struct ebb_op ebb_op_##name_ = { \
        EBB_SIGNATURE(name_, "Tensor input, Tensor weight, Tensor? bias, shape stride=1, shape padding=0, " \
                             "shape output_padding=0, int groups=1, shape dilation=1 -> Tensor"), \
        .doc = EBB_TEXT( \
            "The transposed convolution of input (N, C, " image_ "), or (C, " image_ \
            ") without a batch, with weight (C, out / groups, " image_ \
            "), plus bias (out): the adjoint of the convolution with that weight. The result has size (size - 1) * " \
            "stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1 along each dimension."), \
        .torch = EBB_TEXT("torch.nn.functional." #name_), \
        .autocast = EBB_AUTOCAST_LOW, \
        .compose = name_, \
        .parts = EBB_TEXT(PARTS("dilation, True, output_padding, groups")), \
        .samples = EBB_SAMPLES(__VA_ARGS__), \
    };

TRANSPOSED(conv_transpose1d, 1, "L", "(2,3,4) (3,2,3) (2)", "(3,4) (3,2,3) stride=2 output_padding=1 padding=1",
           "(1,4,3) (4,2,2) groups=2 dilation=2", "(0,3,4) (3,2,3)", "! (2,3,4) (2,3,3)",
           "! (2,3,4) (3,2,3) output_padding=1", "! (2,3,4) (3,2,3) (3)", "! (1,2,1) (2,2,2) padding=2")
TRANSPOSED(conv_transpose2d, 2, "H, W", "(2,3,3,2) (3,2,2,3) (2) stride=2", "(2,3,3) (2,2,2,2) padding=1 dilation=2",
           "(1,4,2,3) (4,1,2,2) (4) groups=4 stride=(1,3) output_padding=(0,2)",
           "(1,2,2,2) (2,2,3,3) dilation=3 output_padding=2", "! (1,2,3,3) (2,2,2,2) output_padding=-1",
           "! (3,3) (2,2,2,2)")
TRANSPOSED(conv_transpose3d, 3, "D, H, W", "(1,2,2,3,2) (2,2,2,2,2) (2) stride=2 padding=(1,0,0)",
           "(2,2,2,2) (2,1,2,1,2) groups=2", "! (1,2,2,2) (2,1,2,2)")
