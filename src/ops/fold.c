/* im2col, which is torch.nn.functional.unfold, and fold: the columns under a sliding window, and their sum back into an
 * image. Each is the other's transpose. */
#define EBB_FAMILY "Layers"
#include "kernel/conv.h"
#include "ops/spatial.h"

struct window {
    const ebb_dims *kernel_size, *dilation, *padding, *stride;
};

/* Sizes for images of `in`; out is how many places the window has. */
static ebb_status describe(ebb__conv *c, ebb_dtype dtype, const struct window *w, int64_t channels,
                           const int64_t in[3]) {
    *c = (ebb__conv){.dtype = dtype, .batch = 1, .groups = 1, .in_channels = channels};
    if (w->kernel_size->n == 0) return ebb_fail(EBB_ERR_ARGUMENT, "kernel_size is empty");
    ebb_status status = ebb__spatial("kernel_size", w->kernel_size, 2, 1, 1, c->kernel);
    if (!status) status = ebb__spatial("dilation", w->dilation, 2, 1, 1, c->dilation);
    if (!status) status = ebb__spatial("padding", w->padding, 2, 0, 0, c->padding);
    if (!status) status = ebb__spatial("stride", w->stride, 2, 1, 1, c->stride);
    for (int d = 0; d < 3 && !status; d++) {
        c->in[d] = in[d];
        if (c->kernel[d] < 1 || c->stride[d] < 1 || c->dilation[d] < 1 || c->padding[d] < 0 ||
            c->kernel[d] > INT32_MAX || c->stride[d] > INT32_MAX || c->dilation[d] > INT32_MAX ||
            c->padding[d] > INT32_MAX)
            return ebb_fail(EBB_ERR_ARGUMENT,
                            "kernel_size, stride and dilation must be greater than zero, and padding no less");
        const int64_t room = in[d] + 2 * c->padding[d] - c->dilation[d] * (c->kernel[d] - 1) - 1;
        if (room < 0) return ebb_fail(EBB_ERR_SHAPE, "the window does not fit into size %lld", (long long)in[d]);
        c->out[d] = room / c->stride[d] + 1;
    }
    return status;
}

static ebb_status check_dtype(ebb_dtype dtype) {
    if (ebb_dtype_is_floating(dtype) || dtype == EBB_BOOL) return EBB_OK;
    return ebb_fail(EBB_ERR_DTYPE, "not defined for %s", ebb_dtype_name(dtype));
}

#define WINDOW(a) \
    (struct window) { &(a)->kernel_size, &(a)->dilation, &(a)->padding, &(a)->stride }

/* ---- im2col ---- */

static ebb_status describe_image(ebb__conv *c, const struct ebb__attrs_im2col *a, ebb_dtype dtype, const ebb_dims *x) {
    if (x->n != 3 && x->n != 4)
        return ebb_fail(EBB_ERR_SHAPE, "expected an input (N, C, H, W) or (C, H, W), got %d dimensions", (int)x->n);
    const int64_t *size = x->d + x->n - 3;
    if (size[0] < 1 || size[1] < 1 || size[2] < 1) return ebb_fail(EBB_ERR_SHAPE, "only the batch may be empty");
    ebb_status status = describe(c, dtype, &WINDOW(a), size[0], (const int64_t[]){1, size[1], size[2]});
    if (x->n == 4) c->batch = x->d[0];
    return status ? status : check_dtype(dtype);
}

static ebb_status im2col_infer(struct ebb_infer *f) {
    ebb__conv c;
    const ebb_dims *x = &f->in[0].shape;
    ebb_status status = describe_image(&c, f->attrs, f->dtype, x);
    if (status) return status;
    const int64_t rows = c.in_channels * ebb__volume(c.kernel), columns = ebb__volume(c.out);
    f->out->shape = x->n == 4 ? EBB_DIMS(c.batch, rows, columns) : EBB_DIMS(rows, columns);
    return EBB_OK;
}

static ebb_status im2col_forward(struct ebb_forward *f) {
    ebb__conv c;
    const ebb_dims shape = ebb_tensor_shape(f->in[0]);
    ebb_status status = describe_image(&c, f->attrs, (ebb_dtype)f->in[0]->dtype, &shape);
    if (!status) ebb__im2col(&c, f->in[0]->data, f->out[0]->data);
    return status;
}

static void im2col_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_im2col *a = v->attrs;
    const ebb_dims x = ebb_vjp_shape(v, 0);
    ebb_vjp_give(v, 0,
                 ebb_fold(v->grad[0], EBB_DIMS(x.d[x.n - 2], x.d[x.n - 1]), a->kernel_size, .dilation = a->dilation,
                          .padding = a->padding, .stride = a->stride));
}

const struct ebb_op ebb_op_im2col = {
    EBB_SIGNATURE(im2col,
                  "Tensor input, shape kernel_size, shape dilation=1, shape padding=0, shape stride=1 -> Tensor"),
    .doc = EBB_TEXT(
        "The elements under a window that slides over input (N, C, H, W), or (C, H, W), as columns: (N, C * kernel_size, L) for "
        "its L places. It is torch.nn.functional.unfold, by its name among PyTorch's operators, since Tensor.unfold is another."),
    .torch = EBB_TEXT("torch.nn.functional.unfold"),
    .overload = "unfold",
    .node = "Im2ColBackward0",
    .contiguous = true,
    .infer = im2col_infer,
    .forward = im2col_forward,
    .vjp = im2col_vjp,
    .batch = ebb_batch_fold,
    .formula = EBB_FORMULAS("fold(g, input.shape[-2:], kernel_size, dilation, padding, stride)"),
    .samples =
        EBB_SAMPLES("(2,3,4,5) kernel_size=(2,3)", "(3,5,5) kernel_size=2 dilation=2 padding=1 stride=(2,1)",
                    "(0,3,4,4) kernel_size=2", "(1,2,3,3) kernel_size=1", "b(1,2,3,3) kernel_size=2",
                    "! (1,1,3,3) kernel_size=4", "! (3,3) kernel_size=2", "! (1,1,3,3) kernel_size=0",
                    "! (1,0,3,3) kernel_size=2", "! (1,1,3,3) kernel_size=2 stride=0", "! i5(1,1,3,3) kernel_size=2"),
};

/* ---- fold ---- */

static ebb_status describe_columns(ebb__conv *c, const struct ebb__attrs_fold *a, ebb_dtype dtype, const ebb_dims *x) {
    int64_t size[3];
    if (x->n != 2 && x->n != 3)
        return ebb_fail(EBB_ERR_SHAPE,
                        "expected an input (N, C * kernel_size, L), or without a batch; got %d dimensions", (int)x->n);
    if (a->output_size.n == 0) return ebb_fail(EBB_ERR_ARGUMENT, "output_size is empty");
    const int64_t rows = x->d[x->n - 2], columns = x->d[x->n - 1];
    ebb_status status = ebb__spatial("output_size", &a->output_size, 2, 1, 1, size);
    if (!status && (size[1] < 1 || size[2] < 1 || size[1] > INT32_MAX || size[2] > INT32_MAX))
        status = ebb_fail(EBB_ERR_SHAPE, "output_size must be greater than zero");
    if (!status) status = describe(c, dtype, &WINDOW(a), 1, size);
    if (status) return status;
    const int64_t taps = ebb__volume(c->kernel);
    if (rows < 1 || taps < 1 || rows % taps)
        return ebb_fail(EBB_ERR_SHAPE, "the number of rows must be divisible by %lld, got %lld", (long long)taps,
                        (long long)rows);
    if (columns != ebb__volume(c->out))
        return ebb_fail(EBB_ERR_SHAPE, "the window has %lld places, got %lld columns", (long long)ebb__volume(c->out),
                        (long long)columns);
    c->in_channels = rows / taps;
    if (x->n == 3) c->batch = x->d[0];
    return check_dtype(dtype);
}

static ebb_status fold_infer(struct ebb_infer *f) {
    ebb__conv c;
    const ebb_dims *x = &f->in[0].shape;
    ebb_status status = describe_columns(&c, f->attrs, f->dtype, x);
    if (status) return status;
    f->out->shape =
        x->n == 3 ? EBB_DIMS(c.batch, c.in_channels, c.in[1], c.in[2]) : EBB_DIMS(c.in_channels, c.in[1], c.in[2]);
    return EBB_OK;
}

static ebb_status fold_forward(struct ebb_forward *f) {
    ebb__conv c;
    const ebb_dims shape = ebb_tensor_shape(f->in[0]);
    ebb_status status = describe_columns(&c, f->attrs, (ebb_dtype)f->in[0]->dtype, &shape);
    if (!status) ebb__col2im(&c, f->in[0]->data, f->out[0]->data);
    return status;
}

static void fold_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_fold *a = v->attrs;
    ebb_vjp_give(
        v, 0,
        ebb_im2col(v->grad[0], a->kernel_size, .dilation = a->dilation, .padding = a->padding, .stride = a->stride));
}

const struct ebb_op ebb_op_fold = {
    EBB_SIGNATURE(fold, "Tensor input, shape output_size, shape kernel_size, shape dilation=1, shape padding=0, "
                        "shape stride=1 -> Tensor"),
    .doc = EBB_TEXT(
        "An image (N, C, *output_size) from the columns (N, C * kernel_size, L) of a sliding window, with elements that "
        "overlap added: the transpose of im2col."),
    .torch = EBB_TEXT("torch.nn.functional.fold"),
    .node = "Col2ImBackward0",
    .contiguous = true,
    .infer = fold_infer,
    .forward = fold_forward,
    .vjp = fold_vjp,
    .batch = ebb_batch_fold,
    .formula = EBB_FORMULAS("im2col(g, kernel_size, dilation, padding, stride)"),
    .samples = EBB_SAMPLES(
        "(2,12,6) output_size=(3,4) kernel_size=2", "(6,4) output_size=(3,5) kernel_size=(2,3) stride=(1,2)",
        "(1,4,9) output_size=5 kernel_size=2 dilation=2 padding=1 stride=2", "(0,4,4) output_size=3 kernel_size=2",
        "b(1,4,4) output_size=3 kernel_size=2", "! (2,12,8) output_size=4 kernel_size=2",
        "! (2,11,9) output_size=4 kernel_size=2", "! (2,0,9) output_size=4 kernel_size=2",
        "! (2,12,9) output_size=() kernel_size=2", "! i5(1,4,4) output_size=3 kernel_size=2"),
};
