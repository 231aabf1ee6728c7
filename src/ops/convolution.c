/* The convolution that all layers of that name are calls of, and its gradient with respect to the weight. Convolution,
 * transposed convolution and this gradient are one trilinear form, so that each is the derivative of the others. */
#define EBB_FAMILY "Layers"
#include "kernel/conv.h"
#include "ops/batching.h"
#include "ops/spatial.h"

enum { NOT_MINUS, POSITIVE };

static ebb_status check_values(const char *name, int n, const int64_t values[3], int64_t lowest) {
    for (int i = 3 - n; i < 3; i++) {
        if (values[i] < lowest || values[i] > INT32_MAX)
            return ebb_fail(EBB_ERR_ARGUMENT, "%s must be %s, got %lld", name,
                            lowest ? "greater than zero" : "no less than zero", (long long)values[i]);
    }
    return EBB_OK;
}

/* The options that both operators have, for weights of n spatial dimensions. */
static ebb_status read_options(ebb__conv *c, int n, const ebb_dims *stride, const ebb_dims *padding,
                               const ebb_dims *dilation, int64_t groups) {
    ebb_status status = ebb__spatial("stride", stride, n, 1, 1, c->stride);
    if (!status) status = ebb__spatial("padding", padding, n, 0, 0, c->padding);
    if (!status) status = ebb__spatial("dilation", dilation, n, 1, 1, c->dilation);
    if (!status) status = check_values("stride", n, c->stride, POSITIVE);
    if (!status) status = check_values("padding", n, c->padding, NOT_MINUS);
    if (!status) status = check_values("dilation", n, c->dilation, POSITIVE);
    c->groups = groups ? groups : 1;
    if (!status && c->groups < 1)
        status = ebb_fail(EBB_ERR_ARGUMENT, "groups must be greater than zero, got %lld", (long long)groups);
    return status;
}

static void spread(const ebb_dims *shape, int n, int64_t ret_sizes[3]) {
    for (int i = 0; i < 3; i++) ret_sizes[i] = i < 3 - n ? 1 : shape->d[2 + i - (3 - n)];
}

/* The distance from the first to the last tap, plus 1. */
static int64_t extent(const ebb__conv *c, int d) { return (c->kernel[d] - 1) * c->dilation[d] + 1; }

/* ---- what the shapes say ---- */

static ebb_status check_channels(const ebb__conv *c, const ebb_dims *x, const ebb_dims *w, bool transposed) {
    int64_t channels = transposed ? w->d[0] : w->d[1] * c->groups;
    if (w->d[0] < c->groups || w->d[0] % c->groups)
        return ebb_fail(EBB_ERR_SHAPE, "dimension 0 of weight must be divisible by groups = %lld",
                        (long long)c->groups);
    if (x->d[1] != channels)
        return ebb_fail(EBB_ERR_SHAPE, "weight expects %lld channels with groups = %lld, got %lld", (long long)channels,
                        (long long)c->groups, (long long)x->d[1]);
    return EBB_OK;
}

static ebb_status check_bias(const ebb_meta *bias, ebb_dtype dtype, int64_t channels) {
    if (bias->dtype == EBB_DTYPE_NONE) return EBB_OK;
    if (bias->shape.n != 1 || bias->shape.d[0] != channels)
        return ebb_fail(EBB_ERR_SHAPE, "bias must have shape [%lld]", (long long)channels);
    if (bias->dtype != dtype)
        return ebb_fail(EBB_ERR_DTYPE, "bias must be %s, got %s", ebb_dtype_name(dtype), ebb_dtype_name(bias->dtype));
    return EBB_OK;
}

static ebb_status out_sizes(ebb__conv *c, int n) {
    for (int d = 3 - n; d < 3; d++) {
        const int64_t padded = c->in[d] + 2 * c->padding[d], room = padded - extent(c, d);
        if (room < 0)
            return ebb_fail(EBB_ERR_SHAPE, "the kernel of extent %lld is larger than the padded input of size %lld",
                            (long long)extent(c, d), (long long)padded);
        c->out[d] = room / c->stride[d] + 1;
    }
    return EBB_OK;
}

static ebb_status in_sizes(ebb__conv *c, int n, const ebb_dims *output_padding) {
    int64_t more[3];
    ebb_status status = ebb__spatial("output_padding", output_padding, n, 0, 0, more);
    if (!status) status = check_values("output_padding", n, more, NOT_MINUS);
    for (int d = 3 - n; d < 3 && !status; d++) {
        if (more[d] >= c->stride[d] && more[d] >= c->dilation[d])
            return ebb_fail(EBB_ERR_ARGUMENT, "output_padding must be smaller than stride or dilation, got %lld",
                            (long long)more[d]);
        c->in[d] = (c->out[d] - 1) * c->stride[d] - 2 * c->padding[d] + extent(c, d) + more[d];
        if (c->in[d] < 0)
            return ebb_fail(EBB_ERR_SHAPE, "the padding leaves an output of size %lld", (long long)c->in[d]);
    }
    return status;
}

/* Sizes of a call, with the roles of ebb__conv: a transposed convolution has y as its input and x as its output. */
static ebb_status describe(ebb__conv *c, const struct ebb__attrs_convolution *a, ebb_dtype dtype, const ebb_dims *x,
                           const ebb_dims *w) {
    const int n = w->n - 2;
    *c = (ebb__conv){.dtype = dtype};
    if (n < 1 || n > 3 || x->n != w->n)
        return ebb_fail(EBB_ERR_SHAPE, "expected an input (N, C, ...) and a weight of as many dimensions, 3 to 5");
    ebb_status status = read_options(c, n, &a->stride, &a->padding, &a->dilation, a->groups);
    if (!status) status = check_channels(c, x, w, a->transposed);
    if (status) return status;
    c->batch = x->d[0];
    spread(w, n, c->kernel);
    spread(x, n, a->transposed ? c->out : c->in);
    if (a->transposed) {
        spread(x, n, c->out);
        c->out_channels = w->d[0];
        c->in_channels = w->d[1] * c->groups;
    } else {
        c->out_channels = w->d[0];
        c->in_channels = x->d[1];
    }
    for (int d = 0; d < 3; d++) {
        if (d < 3 - n) c->in[d] = c->out[d] = 1;
        if (c->kernel[d] < 1) return ebb_fail(EBB_ERR_SHAPE, "the kernel has size 0");
        if (x->d[1] && c->batch && (a->transposed ? c->out : c->in)[d] < 1)
            return ebb_fail(EBB_ERR_SHAPE, "only the batch and the channels may be empty");
    }
    return a->transposed ? in_sizes(c, n, &a->output_padding) : out_sizes(c, n);
}

static ebb_status check_dtypes(ebb_dtype dtype, const ebb_meta *other) {
    if (other->dtype == dtype) return EBB_OK;
    return ebb_fail(EBB_ERR_DTYPE, "inputs must have one dtype, got %s and %s", ebb_dtype_name(dtype),
                    ebb_dtype_name(other->dtype));
}

/* ---- convolution ---- */

static ebb_status infer(struct ebb_infer *f) {
    const struct ebb__attrs_convolution *a = f->attrs;
    const ebb_dims *x = &f->in[0].shape, *w = &f->in[1].shape;
    ebb__conv c;
    ebb_status status = describe(&c, a, f->dtype, x, w);
    if (!status) status = check_dtypes(f->dtype, &f->in[1]);
    if (status) return status;
    const int64_t channels = a->transposed ? c.in_channels : c.out_channels;
    f->out->shape = *x;
    f->out->shape.d[1] = channels;
    for (int i = 2; i < x->n; i++) f->out->shape.d[i] = (a->transposed ? c.in : c.out)[i + 3 - x->n];
    return check_bias(&f->in[2], f->dtype, channels);
}

static ebb_status forward(struct ebb_forward *f) {
    const struct ebb__attrs_convolution *a = f->attrs;
    const ebb_tensor *x = f->in[0], *w = f->in[1], *bias = f->in[2];
    const ebb_dims xs = ebb_tensor_shape(x), ws = ebb_tensor_shape(w);
    ebb__conv c;
    ebb_status status = describe(&c, a, (ebb_dtype)x->dtype, &xs, &ws);
    if (status || f->out[0]->numel == 0) return status;
    return (a->transposed ? ebb__conv_input : ebb__conv_forward)(&c, x->data, w->data, bias ? bias->data : NULL,
                                                                 f->out[0]->data);
}

/* The part of t, of n spatial dimensions, that has these sizes: a transposed convolution whose output was padded by
 * more than its stride is longer at the end than what its adjoint reads. */
static ebb_tensor *cut(ebb_tensor *t, const ebb_dims *shape) {
    for (int i = 2; t && i < shape->n; i++)
        if (t->dims[i] != shape->d[i]) t = ebb_slice(t, i, 0, shape->d[i]);
    return t;
}

/* What the adjoint of a convolution over `shape` must be padded by to give that shape again. */
static ebb_dims missing(const ebb__conv *c, int n) {
    int64_t more[3];
    for (int d = 0; d < 3; d++)
        more[d] = c->in[d] - ((c->out[d] - 1) * c->stride[d] - 2 * c->padding[d] + extent(c, d));
    return ebb__spatial_dims(n, more);
}

static void vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_convolution *a = v->attrs;
    ebb_tensor *g = v->grad[0], *x = v->in[0], *w = v->in[1];
    if (ebb_tensor_numel(g) == 0) { /* sizes of 0 are no input of a convolution */
        for (int i = 0; i < 3; i++)
            if (v->needs[i]) ebb_vjp_give(v, i, ebb_zeros(ebb_vjp_shape(v, i), .dtype = ebb_tensor_dtype(g)));
        return;
    }
    if (v->needs[0] && w) {
        ebb_dims shape = ebb_vjp_shape(v, 0), ws = ebb_tensor_shape(w);
        ebb__conv c;
        if (describe(&c, a, (ebb_dtype)w->dtype, &shape, &ws)) return;
        ebb_dims more = a->transposed ? EBB_NO_DIMS : missing(&c, ws.n - 2);
        ebb_tensor *gx = ebb_convolution(g, w, .stride = a->stride, .padding = a->padding, .dilation = a->dilation,
                                         .transposed = !a->transposed, .output_padding = more, .groups = a->groups);
        ebb_vjp_give(v, 0, cut(gx, &shape));
    }
    if (v->needs[1] && x)
        ebb_vjp_give(v, 1,
                     ebb_convolution_weight(a->transposed ? x : g, a->transposed ? g : x, ebb_vjp_shape(v, 1),
                                            .stride = a->stride, .padding = a->padding, .dilation = a->dilation,
                                            .groups = a->groups));
    if (v->needs[2]) {
        ebb_dims others = {{0}, 1};
        for (int i = 2; i < g->ndim; i++) others.d[others.n++] = i;
        ebb_vjp_give(v, 2, ebb_sum(g, .dim = others));
    }
}

/* The batch moved behind dimension 0, and merged with the channels there: (b, n, c, ...) to (n, b c, ...), so that each
 * sample is a group of its own. */
static ebb_tensor *merge_channels(ebb_tensor *t) {
    if (!t) return NULL;
    ebb_dims shape = {{t->dims[1], t->dims[0] * t->dims[2]}, t->ndim - 1};
    for (int d = 2; d < shape.n; d++) shape.d[d] = t->dims[d + 1];
    return ebb_reshape(ebb_transpose(t, 0, 1), shape);
}

/* (n, b c, ...) to (b, n, c, ...) */
static ebb_tensor *split_channels(ebb_tensor *t, int64_t size) {
    if (!t) return NULL;
    ebb_dims shape = {{t->dims[0], size, t->dims[1] / size}, t->ndim + 1};
    for (int d = 3; d < shape.n; d++) shape.d[d] = t->dims[d - 1];
    return ebb_transpose(ebb_reshape(t, shape), 0, 1);
}

static void batch(struct ebb_batch_call *b) {
    const struct ebb__attrs_convolution *a = b->attrs;
    ebb_tensor *w = b->in[1], *bias = b->in[2], *y;
    if (b->size == 0 || (!b->batched[1] && !b->batched[2])) {
        ebb_tensor *in[] = {ebb__batch_folded(ebb__batch_input(b, 0, 0)), w, bias};
        ebb_list out = in[0] ? ebb_call_op_list(b->op, in, 3, a) : (ebb_list){0, NULL};
        if (out.n) ebb_batch_give(b, 0, ebb__batch_unfolded(out.t[0], b->size));
        return;
    }
    struct ebb__attrs_convolution grouped = *a;
    grouped.groups = (a->groups ? a->groups : 1) * b->size;
    ebb_tensor *in[] = {merge_channels(ebb__batch_input(b, 0, 0)), ebb__batch_folded(ebb__batch_input(b, 1, 0)),
                        bias ? ebb__batch_folded(ebb__batch_input(b, 2, 0)) : NULL};
    y = in[0] && in[1] && (in[2] || !bias) ? ebb_call_op1(b->op, in, 3, &grouped) : NULL;
    if (y) ebb_batch_give(b, 0, split_channels(y, b->size));
}

const struct ebb_op ebb_op_convolution = {
    EBB_SIGNATURE(convolution,
                  "Tensor input, Tensor weight, Tensor? bias, shape stride=1, shape padding=0, shape dilation=1, "
                  "bool transposed=false, shape output_padding=0, int groups=1 -> Tensor"),
    .doc = EBB_TEXT(
        "The convolution (as everywhere in deep learning, the correlation) of input (N, C, ...) of one to three spatial dimensions "
        "with weight (out, C / groups, ...), plus bias (out). Transposed, it is the adjoint of that as a map of input: weight is "
        "(C, out / groups, ...), and output_padding makes the result longer at its end. Lists have one number for each spatial "
        "dimension, or one for all."),
    .torch = EBB_TEXT("torch.convolution"),
    .node = "ConvolutionBackward0",
    .dtypes = EBB_NUMERIC,
    .halves = true,
    .contiguous = true,
    .infer = infer,
    .forward = forward,
    .vjp = vjp,
    .batch = batch,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = EBB_FORMULAS(
        "convolution_input(g, weight, input.shape, stride, padding, dilation, transposed, groups)",
        "convolution_weight(input if transposed else g, g if transposed else input, weight.shape, stride, padding, dilation, "
        "groups)",
        "sum(g, [0] + range(2, g.ndim))"),
    .samples = EBB_SAMPLES(
        "(2,2,5) (3,2,3) (3)", "(1,2,4,5) (3,2,3,2) (3)", "(2,4,5,4) (6,2,2,3) (6) stride=(2,1) groups=2",
        "(1,2,6,5) (2,2,3,2) padding=(1,2) dilation=2 stride=2", "(1,2,3,4,3) (2,2,2,2,2) (2) padding=1",
        "(2,3,5,4) (6,1,3,3) (6) padding=1 stride=2 groups=3", "(2,2,4,3) (3,2,1,1)", "(0,2,4,4) (3,2,3,3) (3)",
        "(1,0,3,3) (2,0,2,2) (2)", "(2,3,4) (3,2,3) (2) transposed=true stride=2",
        "(1,2,3,4) (2,3,3,2) (3) transposed=true stride=2 padding=1 output_padding=1",
        "(1,4,3,2) (4,2,2,3) (4) transposed=true groups=2 dilation=(1,3) output_padding=(0,2)",
        "(1,3,3,3) (3,2,2,2) (6) transposed=true groups=3 padding=1",
        "(1,2,2,2,2) (2,1,2,2,2) transposed=true stride=2", "i5(1,2,4) i4(2,2,2)",
        "(1,2,1,1) (2,3,2,2) transposed=true padding=1", "! (1,2,4,4) (3,2,5,3)", "! (1,2,4,4) (3,3,3,3)",
        "! (1,4,4) (3,2,3) groups=2", "! (1,2,4) (3,2,3) stride=(1,1)", "! (1,2,4) (3,2,3) stride=(0)",
        "! (1,2,4) (3,2,3) (2)", "! (1,2,4) (2,2,3) transposed=true output_padding=1", "! (2,4) (3,2,3)"),
};

/* ---- the gradient of the weight ---- */

static ebb_status describe_weight(ebb__conv *c, const struct ebb__attrs_convolution_weight *a, ebb_dtype dtype,
                                  const ebb_dims *g, const ebb_dims *x) {
    const struct ebb__attrs_convolution same = {
        .stride = a->stride, .padding = a->padding, .dilation = a->dilation, .groups = a->groups};
    const ebb_dims *w = &a->weight_size;
    int64_t numel;
    if (!ebb__numel(w->n, w->d, 8, &numel)) return ebb_fail(EBB_ERR_SHAPE, "weight_size is out of range");
    ebb_status status = describe(c, &same, dtype, x, w);
    if (status) return status;
    bool fits = g->n == x->n && g->d[0] == c->batch && g->d[1] == c->out_channels;
    for (int i = 2; i < x->n && fits; i++) {
        const int d = i + 3 - x->n;
        /* a transposed convolution whose output was padded by more than its stride has a shorter one */
        const int64_t unread = (c->out[d] - g->d[i]) * c->stride[d];
        fits = unread >= 0 && (unread == 0 || unread < c->dilation[d]);
        c->out[d] = g->d[i];
    }
    if (!fits) return ebb_fail(EBB_ERR_SHAPE, "grad_output is not that of a convolution of input");
    return EBB_OK;
}

static ebb_status weight_infer(struct ebb_infer *f) {
    const struct ebb__attrs_convolution_weight *a = f->attrs;
    ebb__conv c;
    ebb_status status = describe_weight(&c, a, f->dtype, &f->in[0].shape, &f->in[1].shape);
    f->out->shape = a->weight_size;
    return status ? status : check_dtypes(f->dtype, &f->in[1]);
}

static ebb_status weight_forward(struct ebb_forward *f) {
    const struct ebb__attrs_convolution_weight *a = f->attrs;
    const ebb_tensor *g = f->in[0], *x = f->in[1];
    const ebb_dims gs = ebb_tensor_shape(g), xs = ebb_tensor_shape(x);
    ebb__conv c;
    ebb_status status = describe_weight(&c, a, (ebb_dtype)g->dtype, &gs, &xs);
    return status ? status : ebb__conv_weight(&c, g->data, x->data, f->out[0]->data);
}

static void weight_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_convolution_weight *a = v->attrs;
    ebb_tensor *w = v->grad[0];
    if (v->needs[0] && v->in[1]) {
        ebb_dims shape = ebb_vjp_shape(v, 0);
        ebb_tensor *gy = ebb_convolution(v->in[1], w, .stride = a->stride, .padding = a->padding,
                                         .dilation = a->dilation, .groups = a->groups);
        ebb_vjp_give(v, 0, cut(gy, &shape));
    }
    if (v->needs[1] && v->in[0]) {
        ebb_dims shape = ebb_vjp_shape(v, 1), gs = ebb_tensor_shape(v->in[0]);
        ebb__conv c;
        if (describe_weight(&c, a, (ebb_dtype)w->dtype, &gs, &shape)) return;
        ebb_vjp_give(v, 1,
                     ebb_convolution(v->in[0], w, .stride = a->stride, .padding = a->padding, .dilation = a->dilation,
                                     .transposed = true, .output_padding = missing(&c, shape.n - 2),
                                     .groups = a->groups));
    }
}

static void weight_batch(struct ebb_batch_call *b) {
    struct ebb__attrs_convolution_weight a = *(const struct ebb__attrs_convolution_weight *)b->attrs;
    ebb_tensor *in[] = {merge_channels(ebb__batch_input(b, 0, 0)), merge_channels(ebb__batch_input(b, 1, 0))};
    if (b->size == 0) {
        ebb_batch_loop(b);
        return;
    }
    a.groups = (a.groups ? a.groups : 1) * b->size;
    a.weight_size.d[0] *= b->size;
    ebb_tensor *w = in[0] && in[1] ? ebb_call_op1(b->op, in, 2, &a) : NULL;
    if (w) ebb_batch_give(b, 0, ebb__batch_unfolded(w, b->size));
}

const struct ebb_op ebb_op_convolution_weight = {
    EBB_SIGNATURE(convolution_weight, "Tensor grad_output, Tensor input, shape weight_size, shape stride=1, "
                                      "shape padding=0, shape dilation=1, int groups=1 -> Tensor"),
    .doc = EBB_TEXT(
        "The gradient of convolution(input, weight) with respect to a weight of shape weight_size, for the upstream gradient "
        "grad_output."),
    .torch = EBB_TEXT("torch.nn.grad.conv2d_weight"),
    .node = "ConvolutionBackwardBackward0",
    .dtypes = EBB_FLOATING,
    .halves = true,
    .contiguous = true,
    .infer = weight_infer,
    .forward = weight_forward,
    .vjp = weight_vjp,
    .batch = weight_batch,
    .saves = {EBB_IN(1), EBB_IN(0)},
    .formula = EBB_FORMULAS("convolution(input, g, None, stride, padding, dilation, False, 0, groups)",
                            "convolution_input(grad_output, g, input.shape, stride, padding, dilation, False, groups)"),
    .samples = EBB_SAMPLES(
        "(2,3,3) (2,2,5) weight_size=(3,2,3)", "(1,2,2,3) (1,2,5,4) weight_size=(2,2,3,2) stride=2 padding=(0,1)",
        "(2,4,2,2) (2,2,5,3) weight_size=(4,1,2,2) stride=(2,1) groups=2",
        "(1,2,4,3) (1,4,4,3) weight_size=(2,2,1,1) groups=2", "(0,3,2,2) (0,2,4,4) weight_size=(3,2,3,3)",
        "(1,2,3) (1,1,7) weight_size=(2,1,2) dilation=3", "! (2,3,1) (2,2,5) weight_size=(3,2,3)",
        "! (2,3,4) (2,2,5) weight_size=(3,2,3)", "! (2,3,3) (2,2,5) weight_size=(3,2,6)",
        "! (2,3,3) (1,2,5) weight_size=(3,2,3)"),
};
