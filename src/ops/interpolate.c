/* interpolate and the one operator behind its modes, upsample: each dimension in its turn, by tables of weights. */
#define EBB_FAMILY "Layers"
#include "kernel/resample.h"
#include "ops/spatial.h"
#include <math.h>
#include <string.h>

enum { NEAREST, NEAREST_EXACT, LINEAR, CUBIC }; /* upsample's modes */

struct upsampling {
    int mode, n; /* n spatial dimensions */
    bool align_corners, antialias;
    ebb_floats scales;
};

/* ---- where an output reads: computed in the precision of the elements, as PyTorch does ---- */

struct tables {
    int taps, precision; /* precision: weights are whole multiples of 2^-precision, as bytes are multiplied with */
    int64_t *index;
    double *weight; /* NULL for a copy */
};

static double rounded(double x, ebb_dtype dtype) { return dtype == EBB_F32 ? (double)(float)x : x; }

static double step(const struct upsampling *u, int axis, int64_t in, int64_t out, ebb_dtype dtype) {
    if (u->align_corners) return out > 1 ? rounded((double)(in - 1) / (double)(out - 1), dtype) : 0;
    const double *scales = u->scales.d;
    return rounded(u->scales.n ? 1 / scales[u->scales.n > 1 ? axis : 0] : (double)in / (double)out, dtype);
}

static int64_t clamped(int64_t i, int64_t size) { return i < 0 ? 0 : i >= size ? size - 1 : i; }

/* The position of output i, in elements of the input. */
static double position(const struct upsampling *u, double step, int64_t i, ebb_dtype dtype) {
    if (u->mode == NEAREST || u->align_corners) return rounded(step * (double)i, dtype);
    return rounded(rounded(step * ((double)i + 0.5), dtype) - 0.5, dtype);
}

/* Keys 1981, with a constant, at a distance from an element. */
static double cubic(double a, double x) {
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static void fill_copies(struct tables *t, const struct upsampling *u, int64_t in, int64_t out, double by,
                        ebb_dtype dtype) {
    for (int64_t i = 0; i < out; i++) {
        double at = position(u, by, i, dtype);
        const int64_t half = i / 2;
        /* where a scale and the sizes differ, PyTorch goes by these sizes, in two dimensions */
        if (u->mode == NEAREST && u->n == 2 && out == in) at = (double)i;
        if (u->mode == NEAREST && u->n == 2 && out == 2 * in) at = (double)half;
        /* PyTorch takes the floor in single precision */
        t->index[i] = clamped((int64_t)floorf((float)(u->mode == NEAREST ? at : at + 0.5)), in);
    }
}

/* Between 2 or 4 neighbours. */
static void fill_points(struct tables *t, const struct upsampling *u, int64_t in, int64_t out, double by,
                        ebb_dtype dtype) {
    for (int64_t i = 0; i < out; i++) {
        double at = position(u, by, i, dtype), *weight = t->weight + i * t->taps;
        if (u->mode == LINEAR && at < 0) at = 0;
        if (in == out && u->mode == LINEAR) at = (double)i;
        const int64_t first = (int64_t)fmin(floor(at), (double)(in - 1));
        const double rest = fmin(fmax(rounded(at - (double)first, dtype), 0), 1);
        for (int k = 0; k < t->taps; k++) t->index[i * t->taps + k] = clamped(first + k - (u->mode == CUBIC), in);
        for (int k = 0; k < t->taps && u->mode == CUBIC; k++) weight[k] = cubic(-0.75, rest - k + 1);
        if (u->mode == LINEAR) {
            weight[0] = 1 - rest;
            weight[1] = rest;
        }
    }
}

/* How far an output reads with antialias: as far as the elements that become one. */
static double support(const struct upsampling *u, double by) { return (u->mode == CUBIC ? 2 : 1) * fmax(by, 1); }

/* With antialias: the mean of all that an output covers, by a filter over its support. */
static void fill_filters(struct tables *t, const struct upsampling *u, int64_t in, int64_t out, double by,
                         ebb_dtype dtype) {
    const double reach = support(u, by), shrink = 1 / fmax(by, 1);
    for (int64_t i = 0; i < out; i++) {
        const double center = rounded(by * ((double)i + 0.5), dtype);
        double *weight = t->weight + i * t->taps, total = 0;
        int64_t from = (int64_t)(center - reach + 0.5), to = (int64_t)(center + reach + 0.5);
        if (from < 0) from = 0;
        int64_t n = (to < in ? to : in) - from;
        for (int64_t k = 0; k < t->taps; k++) {
            const double x = ((double)(k + from) - center + 0.5) * shrink;
            t->index[i * t->taps + k] = clamped(from + k, in);
            weight[k] = k >= n ? 0 : u->mode == CUBIC ? cubic(-0.5, x) : fmax(1 - fabs(x), 0);
            total += weight[k];
        }
        for (int k = 0; k < t->taps && total != 0; k++) weight[k] = rounded(weight[k] / total, dtype);
    }
}

/* Weights for bytes are rounded to 15 bits, as many of them behind the point as there is room for; those of one
 * element, at the border, together. */
static void make_whole(struct tables *t, int64_t out) {
    double largest = 0;
    for (int64_t e = 0; e < out * t->taps; e++)
        for (int64_t k = e - e % t->taps; k < e; k++) {
            if (t->index[k] != t->index[e]) continue;
            t->weight[k] += t->weight[e];
            t->weight[e] = 0;
            break;
        }
    for (int64_t e = 0; e < out * t->taps; e++) largest = fmax(largest, t->weight[e]);
    while (t->precision < 22 && (int)(0.5 + largest * (double)(1 << (t->precision + 1))) < 1 << 15) t->precision++;
    for (int64_t e = 0; e < out * t->taps; e++)
        t->weight[e] = trunc(t->weight[e] * (double)(1 << t->precision) + (t->weight[e] < 0 ? -0.5 : 0.5));
}

static int taps_of(const struct upsampling *u, int64_t in, double by) {
    if (u->antialias) return (int)fmin(2 * ceil(support(u, by)) + 1, fmin((double)in, 0x1p28));
    return u->mode == CUBIC ? 4 : u->mode == LINEAR ? 2 : 1;
}

static void fill_tables(struct tables *t, const struct upsampling *u, int64_t in, int64_t out, double by,
                        ebb_dtype dtype) {
    (!t->weight ? fill_copies : u->antialias ? fill_filters : fill_points)(t, u, in, out, by, dtype);
    if (t->weight && dtype == EBB_U8) make_whole(t, out);
}

/* Whether the tables only copy. */
static bool is_identity(const struct tables *t, int64_t in, int64_t out) {
    bool same = in == out;
    for (int64_t i = 0; i < out && same; i++)
        for (int k = 0; k < t->taps && same; k++) {
            const int64_t e = i * t->taps + k;
            same =
                t->weight ? t->weight[e] == (double)(t->index[e] == i) * (double)(1 << t->precision) : t->index[e] == i;
        }
    return same;
}

/* ---- all dimensions, the last one first, and back in the other order ---- */

struct pass {
    ebb_dtype dtype;
    const struct upsampling *u;
    ebb_dims shape; /* of `data` */
    const char *data;
    char *owned; /* what `data` is when it is not the input */
    size_t owned_bytes;
    char *result; /* of the last pass: where it writes; else NULL */
};

static int64_t product(const ebb_dims *shape, int from, int to) {
    int64_t n = 1;
    for (int i = from; i < to; i++) n *= shape->d[i];
    return n;
}

static ebb_status resample(struct pass *p, int dim, int64_t to, bool back, const struct tables *t) {
    const int64_t from = p->shape.d[dim];
    const ebb__resample r = {.dtype = p->dtype,
                             .taps = t->taps,
                             .precision = t->precision,
                             .outer = product(&p->shape, 0, dim),
                             .in = back ? to : from,
                             .out = back ? from : to,
                             .inner = product(&p->shape, dim + 1, p->shape.n),
                             .index = t->index,
                             .weight = t->weight};
    const size_t bytes = (size_t)(r.outer * to * r.inner) * ebb_dtype_size(p->dtype);
    char *made = p->result ? p->result : ebb__alloc(bytes);
    if (!made) return EBB_ERR_MEMORY;
    (back ? ebb__resample_backward : ebb__resample_forward)(&r, p->data, made);
    ebb__free(p->owned, p->owned_bytes);
    p->data = made;
    p->owned = p->result ? NULL : made;
    p->owned_bytes = bytes;
    p->shape.d[dim] = to;
    return EBB_OK;
}

static ebb_status pass(struct pass *p, int dim, int64_t to, bool back) {
    const int64_t in = back ? to : p->shape.d[dim], out = back ? p->shape.d[dim] : to;
    const double by = step(p->u, dim - 2, in, out, p->dtype);
    struct tables t = {.taps = taps_of(p->u, in, by)};
    const size_t bytes = (size_t)(out * t.taps) * (sizeof *t.index + sizeof *t.weight);
    void *block = ebb__alloc(bytes);
    if (!block) return EBB_ERR_MEMORY;
    t.index = block;
    t.weight = t.taps > 1 ? (double *)(void *)(t.index + out * t.taps) : NULL;
    fill_tables(&t, p->u, in, out, by, p->dtype);
    ebb_status status = is_identity(&t, in, out) ? EBB_OK : resample(p, dim, to, back, &t);
    ebb__free(block, bytes);
    return status;
}

static ebb_status run(struct ebb_forward *f, const struct upsampling *u, bool back) {
    const ebb_tensor *x = f->in[0], *y = f->out[0];
    struct pass p = {.dtype = (ebb_dtype)x->dtype, .u = u, .shape = ebb_tensor_shape(x), .data = x->data};
    ebb_status status = EBB_OK;
    if (y->numel == 0) return EBB_OK;
    for (int i = 2; i < x->ndim && !status; i++) {
        const int dim = back ? i : x->ndim + 1 - i;
        if (i == x->ndim - 1) p.result = y->data;
        status = pass(&p, dim, y->dims[dim], back);
    }
    if (!status && p.data != p.result) memcpy(y->data, p.data, (size_t)y->numel * ebb_dtype_size(p.dtype));
    ebb__free(p.owned, p.owned_bytes);
    return status;
}

/* ---- upsample ---- */

static ebb_status check_input(const ebb_dims *x) {
    if (x->n < 3 || x->n > 5)
        return ebb_fail(EBB_ERR_SHAPE, "expected an input (N, C, ...) of 3 to 5 dimensions, got %d", (int)x->n);
    for (int i = 1; i < x->n; i++)
        if (x->d[i] < 1) return ebb_fail(EBB_ERR_SHAPE, "only the batch may be empty, not dimension %d", i);
    return EBB_OK;
}

/* What is allowed for every mode, and the shape that results. */
static ebb_status result_shape(const ebb_dims *x, const ebb_dims *size, const struct upsampling *u,
                               ebb_dims *ret_shape) {
    const int mode = u->mode;
    int64_t sizes[3];
    ebb_status status = check_input(x);
    if (!status && mode == CUBIC && x->n != 4)
        status = ebb_fail(EBB_ERR_SHAPE, "mode cubic needs an input of 4 dimensions, got %d", (int)x->n);
    if (!status && u->align_corners && mode != LINEAR && mode != CUBIC)
        status = ebb_fail(EBB_ERR_ARGUMENT, "align_corners needs a mode that interpolates");
    if (!status && u->antialias && (x->n != 4 || (mode != LINEAR && mode != CUBIC)))
        status = ebb_fail(EBB_ERR_ARGUMENT, "antialias is for the modes bilinear and bicubic");
    if (!status && u->scales.n > 1 && u->scales.n != x->n - 2)
        status = ebb_fail(EBB_ERR_ARGUMENT, "%lld scales for %d dimensions", (long long)u->scales.n, (int)x->n - 2);
    for (int64_t i = 0; i < u->scales.n && !status; i++)
        if (!(u->scales.d[i] > 0))
            status = ebb_fail(EBB_ERR_ARGUMENT, "scales must be greater than zero, got %g", u->scales.d[i]);
    if (!status) status = ebb__spatial("size", size, x->n - 2, 0, 1, sizes);
    *ret_shape = *x;
    for (int i = 2; i < x->n && !status; i++) {
        ret_shape->d[i] = sizes[i + 3 - x->n];
        if (ret_shape->d[i] < 1)
            status = ebb_fail(EBB_ERR_SHAPE, "the output must not be empty, got size %lld", (long long)ret_shape->d[i]);
    }
    return status;
}

/* From the attributes a, for inputs of ndim dimensions. */
#define UPSAMPLING(ndim) ((struct upsampling){a->mode, (ndim)-2, a->align_corners, a->antialias, a->scales})
#define OPTIONS .mode = a->mode, .align_corners = a->align_corners, .antialias = a->antialias, .scales = a->scales
#define OPTIONS_TEXT \
    "enum(nearest|nearest-exact|linear|cubic) mode=nearest, bool align_corners=false, bool antialias=false, " \
    "floats scales=none -> Tensor"

static ebb_status upsample_infer(struct ebb_infer *f) {
    const struct ebb__attrs_upsample *a = f->attrs;
    if (f->dtype != EBB_U8 && !ebb_dtype_is_floating(f->dtype))
        return ebb_fail(EBB_ERR_DTYPE, "not defined for %s", ebb_dtype_name(f->dtype));
    if (f->dtype == EBB_U8 && f->in[0].shape.n != 4 && a->mode == LINEAR)
        return ebb_fail(EBB_ERR_DTYPE, "of uint8 this mode is defined in two dimensions");
    return result_shape(&f->in[0].shape, &a->size, &UPSAMPLING(f->in[0].shape.n), &f->out->shape);
}

static ebb_status upsample_forward(struct ebb_forward *f) {
    const struct ebb__attrs_upsample *a = f->attrs;
    return run(f, &UPSAMPLING(f->in[0]->ndim), false);
}

static void upsample_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_upsample *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_upsample_backward(v->grad[0], ebb_vjp_shape(v, 0), OPTIONS));
}

static const char *upsample_node(const void *attrs, ebb_tensor *const *in) {
    static const char *const names[][3] = {
        {"UpsampleNearest1DBackward0", "UpsampleNearest2DBackward0", "UpsampleNearest3DBackward0"},
        {"UpsampleNearestExact1DBackward0", "UpsampleNearestExact2DBackward0", "UpsampleNearestExact3DBackward0"},
        {"UpsampleLinear1DBackward0", "UpsampleBilinear2DBackward0", "UpsampleTrilinear3DBackward0"},
        {"UpsampleBicubic2DBackward0", "UpsampleBicubic2DBackward0", "UpsampleBicubic2DBackward0"},
    };
    const struct ebb__attrs_upsample *a = attrs;
    if (a->antialias) return a->mode == CUBIC ? "UpsampleBicubic2DAaBackward0" : "UpsampleBilinear2DAaBackward0";
    return names[a->mode][in[0]->ndim - 3];
}

const struct ebb_op ebb_op_upsample = {
    EBB_SIGNATURE(upsample, "Tensor input, shape size, " OPTIONS_TEXT),
    .doc = EBB_TEXT(
        "input (N, C, ...) of one to three spatial dimensions resampled to size: see interpolate, which gives it the sizes; "
        "scales, where given, one or one for each dimension, decide the positions in place of the ratios of the sizes. "
        "With antialias an output is the mean of all that it covers."),
    .torch = EBB_TEXT("torch.ops.aten.upsample_nearest2d"),
    .node = "UpsampleNearest2DBackward0",
    .node_variant = upsample_node,
    .contiguous = true,
    .infer = upsample_infer,
    .forward = upsample_forward,
    .vjp = upsample_vjp,
    .batch = ebb_batch_fold,
    .formula = EBB_FORMULAS("upsample_backward(g, input.shape, mode, align_corners, antialias, scales)"),
    .samples = EBB_SAMPLES(
        "(1,2,3,4) size=(6,7)", "(2,3,5) size=3", "(1,2,3,3) size=(5,2) mode=nearest-exact",
        "(1,2,2,3,2) size=(3,4,5) mode=linear", "(1,2,4,3) size=(6,6) mode=linear align_corners=true",
        "(1,2,4,3) size=(7,5) mode=cubic", "(1,2,4,3) size=6 mode=linear scales=1.6",
        "(1,2,4,6) size=(3,4) mode=linear scales=(0.8,0.7)", "(1,2,7,5) size=(3,6) mode=linear antialias=true",
        "(1,2,5,9) size=(4,3) mode=cubic antialias=true", "(0,2,4) size=6 mode=linear", "uint8(1,1,3) size=5",
        "! (1,2,3) size=0", "! (2,3) size=2", "! (1,0,3) size=2", "! (1,2,3) size=2 align_corners=true",
        "! (1,2,3) size=2 mode=cubic", "! i5(1,2,3) size=2", "uint8(1,2,5,4) size=(3,7) mode=linear",
        "uint8(1,2,5,4) size=(3,7) mode=cubic align_corners=true", "! (1,2,3) size=2 scales=-1",
        "! (1,2,3) size=2 scales=(1,1)", "! (1,2,3,4) size=2 antialias=true"),
};

static ebb_status backward_infer(struct ebb_infer *f) {
    const struct ebb__attrs_upsample_backward *a = f->attrs;
    const ebb_dims *g = &f->in[0].shape, *x = &a->input_size;
    ebb_dims size = {{0}, g->n > 2 ? g->n - 2 : 0}, shape;
    int64_t numel;
    for (int i = 0; i < size.n; i++) size.d[i] = g->d[i + 2];
    if (!ebb__numel(x->n, x->d, 8, &numel) || x->n != g->n)
        return ebb_fail(EBB_ERR_SHAPE, "grad_output is not that of an input of this size");
    ebb_status status = result_shape(x, &size, &UPSAMPLING(x->n), &shape);
    if (!status && !ebb__dims_equal(g, &shape))
        status = ebb_fail(EBB_ERR_SHAPE, "grad_output is not that of an input of this size");
    f->out->shape = *x;
    return status;
}

static ebb_status backward_forward(struct ebb_forward *f) {
    const struct ebb__attrs_upsample_backward *a = f->attrs;
    return run(f, &UPSAMPLING(f->in[0]->ndim), true);
}

static void backward_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_upsample_backward *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0), size = {{0}, shape.n - 2};
    for (int i = 0; i < size.n; i++) size.d[i] = shape.d[i + 2];
    ebb_vjp_give(v, 0, ebb_upsample(v->grad[0], size, OPTIONS));
}

const struct ebb_op ebb_op_upsample_backward = {
    EBB_SIGNATURE(upsample_backward, "Tensor grad_output, shape input_size, " OPTIONS_TEXT),
    .doc = EBB_TEXT("The gradient of upsample for an input of shape input_size."),
    .torch = EBB_TEXT("torch.ops.aten.upsample_nearest2d_backward"),
    .node = "UpsampleNearest2DBackwardBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = backward_infer,
    .forward = backward_forward,
    .vjp = backward_vjp,
    .batch = ebb_batch_fold,
    .formula = EBB_FORMULAS("upsample(g, grad_output.shape[2:], mode, align_corners, antialias, scales)"),
    .samples = EBB_SAMPLES(
        "(1,2,6,7) input_size=(1,2,3,4)", "(1,2,6,6) input_size=(1,2,4,3) mode=linear align_corners=true",
        "(1,2,5,7) input_size=(1,2,4,3) mode=cubic", "(1,2,3,6) input_size=(1,2,7,5) mode=linear antialias=true",
        "! (1,2,6) input_size=(1,2,3,4)", "! (1,3,6) input_size=(1,2,3)"),
};

/* ---- interpolate ---- */

/* The sizes that scales give, as PyTorch rounds them. */
static bool scaled_size(const ebb_dims *x, const ebb_floats *scales, ebb_dims *ret_size) {
    *ret_size = (ebb_dims){{0}, x->n - 2};
    if (scales->n > 1 && scales->n != x->n - 2) {
        ebb_fail(EBB_ERR_ARGUMENT, "scale_factor lists %lld numbers for %d dimensions", (long long)scales->n,
                 (int)x->n - 2);
        return false;
    }
    for (int i = 0; i < ret_size->n; i++) {
        const double scale = scales->d[scales->n > 1 ? i : 0], size = floor((double)x->d[i + 2] * scale);
        if (!(size >= 0 && size < 9e15)) {
            ebb_fail(EBB_ERR_SHAPE, "scale_factor %g makes a size of %g", scale, size);
            return false;
        }
        ret_size->d[i] = (int64_t)size;
    }
    return true;
}

static ebb_tensor *area(ebb_tensor *x, ebb_dims size) {
    return x->ndim == 3   ? ebb_adaptive_avg_pool1d(x, size)
           : x->ndim == 4 ? ebb_adaptive_avg_pool2d(x, size)
                          : ebb_adaptive_avg_pool3d(x, size);
}

static ebb_tensor *interpolate(struct ebb_forward *f) {
    static const struct {
        int mode, ndim; /* ndim 0: any */
    } modes[] = {[EBB_NEAREST] = {NEAREST, 0},   [EBB_NEAREST_EXACT] = {NEAREST_EXACT, 0},
                 [EBB_LINEAR] = {LINEAR, 3},     [EBB_BILINEAR] = {LINEAR, 4},
                 [EBB_TRILINEAR] = {LINEAR, 5},  [EBB_BICUBIC] = {CUBIC, 4},
                 [EBB_AREA] = {NEAREST_EXACT, 0}};
    const struct ebb__attrs_interpolate *a = f->attrs;
    ebb_dims shape = ebb_tensor_shape(f->in[0]), size = a->size;
    ebb_floats scales = a->scale_factor;
    const bool by_size = size.n > 0,
               blurs = a->mode == EBB_NEAREST || a->mode == EBB_NEAREST_EXACT || a->mode == EBB_AREA;
    if (by_size == (scales.n > 0)) ebb_fail(EBB_ERR_ARGUMENT, "expected either size or scale_factor");
    else if (blurs && a->align_corners) ebb_fail(EBB_ERR_ARGUMENT, "align_corners needs a mode that interpolates");
    else if (blurs && a->antialias) ebb_fail(EBB_ERR_ARGUMENT, "antialias is for the modes bilinear and bicubic");
    else if (by_size && a->recompute_scale_factor)
        ebb_fail(EBB_ERR_ARGUMENT, "recompute_scale_factor needs a scale_factor");
    else if (!check_input(&shape)) {
        if (modes[a->mode].ndim && modes[a->mode].ndim != shape.n) {
            ebb_fail(EBB_ERR_SHAPE, "this mode needs an input of %d dimensions, got %d", modes[a->mode].ndim,
                     (int)shape.n);
            return NULL;
        }
        if (!by_size && !scaled_size(&shape, &scales, &size)) return NULL;
        if (a->mode == EBB_AREA) return area(f->in[0], size);
        if (a->recompute_scale_factor) scales.n = 0;
        return ebb_upsample(f->in[0], size, .mode = modes[a->mode].mode, .align_corners = a->align_corners,
                            .antialias = a->antialias, .scales = scales);
    }
    return NULL;
}

const struct ebb_op ebb_op_interpolate = {
    EBB_SIGNATURE(
        interpolate,
        "Tensor input, shape size=none, floats scale_factor=none, "
        "enum(nearest|nearest-exact|linear|bilinear|trilinear|bicubic|area) mode=nearest, bool align_corners=false, "
        "bool recompute_scale_factor=false, bool antialias=false -> Tensor"),
    .doc = EBB_TEXT(
        "input (N, C, ...) of one to three spatial dimensions resampled to size, or by scale_factor, one or one for each dimension "
        "(rounded down). linear, "
        "bilinear and trilinear are one mode, for each number of dimensions its own word; bicubic is for two. Elements are "
        "taken as squares, or with align_corners as points, the first and the last of which stay where they are. A "
        "scale_factor decides the positions itself, unless recompute_scale_factor asks for the ratio of the sizes. With "
        "antialias, bilinear and bicubic take the mean of all that an output covers. Bytes are multiplied with weights of 15 "
        "bits, and rounded after each dimension."),
    .torch = EBB_TEXT("torch.nn.functional.interpolate"),
    .compose = interpolate,
    .parts = EBB_TEXT("'the operator of the mode, upsample_nearest2d and the like, or adaptive_avg_pool2d for area'"),
    .samples = EBB_SAMPLES(
        "(1,2,3,4) size=(6,7)", "(1,2,3,4) scale_factor=1.7", "(1,2,5) size=3 mode=linear",
        "(1,2,3,4) scale_factor=2 mode=bilinear align_corners=true",
        "(1,2,3,4) scale_factor=1.7 mode=bicubic recompute_scale_factor=true", "(1,2,2,3,2) size=3 mode=trilinear",
        "(1,2,4,5) size=3 mode=area", "(1,2,5) size=3 mode=area", "(1,2,3,3) size=7 mode=nearest-exact", "! (1,2,3,4)",
        "! (1,2,3,4) size=2 scale_factor=2", "! (1,2,3,4) size=2 mode=linear", "! (1,2,3) size=2 align_corners=true",
        "! (2,3) size=2", "(1,2,3,4) scale_factor=(2,1.5) mode=bilinear",
        "(1,2,6,8) scale_factor=0.5 mode=bilinear antialias=true", "! (1,2,3) scale_factor=(2,2)",
        "! (1,2,3) scale_factor=0.2", "! (1,2,3,4) size=(2,2,2)"),
};
