/* interpolate and the one operator behind its modes, upsample: each dimension in its turn, by tables of weights. */
#define EBB_FAMILY "Layers"
#include "kernel/resample.h"
#include "ops/spatial.h"
#include <math.h>
#include <string.h>

enum { NEAREST, NEAREST_EXACT, LINEAR, CUBIC }; /* upsample's modes */

struct upsampling {
    int mode, n; /* n spatial dimensions */
    bool align_corners;
    ebb_setting scale;
};

/* ---- where an output reads: computed in the precision of the elements, as PyTorch does ---- */

struct tables {
    int taps;
    int64_t *index;
    double *weight; /* NULL for a copy */
};

static double rounded(double x, ebb_dtype dtype) { return dtype == EBB_F64 ? x : (double)(float)x; }

static double step(const struct upsampling *u, int64_t in, int64_t out, ebb_dtype dtype) {
    if (u->align_corners) return out > 1 ? rounded((double)(in - 1) / (double)(out - 1), dtype) : 0;
    return rounded(u->scale.given ? 1 / u->scale.value : (double)in / (double)out, dtype);
}

static int64_t clamped(int64_t i, int64_t size) { return i < 0 ? 0 : i >= size ? size - 1 : i; }

/* The position of output i, in elements of the input. */
static double position(const struct upsampling *u, double step, int64_t i, ebb_dtype dtype) {
    if (u->mode == NEAREST || u->align_corners) return rounded(step * (double)i, dtype);
    return rounded(rounded(step * ((double)i + 0.5), dtype) - 0.5, dtype);
}

/* Keys 1981, with the constant -0.75, at distances 1 + t, t, 1 - t and 2 - t. */
static void cubic(double t, double *ret_weights) {
    const double a = -0.75, far = 1 + t, near = 1 - t;
    ret_weights[0] = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a;
    ret_weights[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    ret_weights[2] = ((a + 2) * near - (a + 3)) * near * near + 1;
    ret_weights[3] = ((a * (1 + near) - 5 * a) * (1 + near) + 8 * a) * (1 + near) - 4 * a;
}

static void fill_tables(struct tables *t, const struct upsampling *u, int64_t in, int64_t out, ebb_dtype dtype) {
    const double by = step(u, in, out, dtype);
    for (int64_t i = 0; i < out; i++) {
        int64_t *index = t->index + i * t->taps;
        double at = position(u, by, i, dtype);
        /* where a scale and the sizes differ, PyTorch goes by these sizes, in two dimensions */
        if (u->mode == NEAREST && u->n == 2 && out == in) at = (double)i;
        const int64_t half = i / 2;
        if (u->mode == NEAREST && u->n == 2 && out == 2 * in) at = (double)half;
        if (!t->weight) { /* PyTorch takes the floor in single precision */
            index[0] = clamped((int64_t)floorf((float)(u->mode == NEAREST ? at : at + 0.5)), in);
            continue;
        }
        if (u->mode == LINEAR && at < 0) at = 0;
        if (in == out && u->mode == LINEAR) at = (double)i;
        const int64_t first = (int64_t)fmin(floor(at), (double)(in - 1));
        const double rest = fmin(fmax(rounded(at - (double)first, dtype), 0), 1);
        double *weight = t->weight + i * t->taps;
        for (int k = 0; k < t->taps; k++) index[k] = clamped(first + k - (u->mode == CUBIC), in);
        if (u->mode == CUBIC) {
            cubic(rest, weight);
        } else {
            weight[0] = 1 - rest;
            weight[1] = rest;
        }
    }
}

/* Whether the tables only copy. */
static bool is_identity(const struct tables *t, int64_t in, int64_t out) {
    bool same = in == out;
    for (int64_t i = 0; i < out && same; i++)
        for (int k = 0; k < t->taps && same; k++) {
            const int64_t e = i * t->taps + k;
            same = t->weight ? t->weight[e] == (t->index[e] == i) : t->index[e] == i;
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
                             .outer = product(&p->shape, 0, dim),
                             .in = back ? to : from,
                             .out = back ? from : to,
                             .inner = product(&p->shape, dim + 1, p->shape.n),
                             .index = t->index,
                             .weight = t->weight};
    const size_t bytes = (size_t)(r.outer * to * r.inner) * ebb_dtype_size(p->dtype);
    char *made = ebb__alloc(bytes);
    if (!made) return EBB_ERR_MEMORY;
    (back ? ebb__resample_backward : ebb__resample_forward)(&r, p->data, made);
    ebb__free(p->owned, p->owned_bytes);
    p->data = p->owned = made;
    p->owned_bytes = bytes;
    p->shape.d[dim] = to;
    return EBB_OK;
}

static ebb_status pass(struct pass *p, int dim, int64_t to, bool back) {
    const int64_t in = back ? to : p->shape.d[dim], out = back ? p->shape.d[dim] : to;
    struct tables t = {.taps = p->u->mode == CUBIC ? 4 : p->u->mode == LINEAR ? 2 : 1};
    const size_t bytes = (size_t)(out * t.taps) * (sizeof *t.index + sizeof *t.weight);
    void *block = ebb__alloc(bytes);
    if (!block) return EBB_ERR_MEMORY;
    t.index = block;
    t.weight = t.taps > 1 ? (double *)(void *)(t.index + out * t.taps) : NULL;
    fill_tables(&t, p->u, in, out, p->dtype);
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
        status = pass(&p, dim, y->dims[dim], back);
    }
    if (!status) memcpy(y->data, p.data, (size_t)y->numel * ebb_dtype_size(p.dtype));
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
static ebb_status result_shape(const ebb_dims *x, const ebb_dims *size, int mode, bool align_corners, ebb_setting scale,
                               ebb_dims *ret_shape) {
    int64_t sizes[3];
    ebb_status status = check_input(x);
    if (!status && mode == CUBIC && x->n != 4)
        status = ebb_fail(EBB_ERR_SHAPE, "mode cubic needs an input of 4 dimensions, got %d", (int)x->n);
    if (!status && align_corners && mode != LINEAR && mode != CUBIC)
        status = ebb_fail(EBB_ERR_ARGUMENT, "align_corners needs a mode that interpolates");
    if (!status && scale.given && !(scale.value > 0))
        status = ebb_fail(EBB_ERR_ARGUMENT, "the scale must be greater than zero, got %g", scale.value);
    if (!status) status = ebb__spatial("size", size, x->n - 2, 0, 1, sizes);
    *ret_shape = *x;
    for (int i = 2; i < x->n && !status; i++) {
        ret_shape->d[i] = sizes[i + 3 - x->n];
        if (ret_shape->d[i] < 1)
            status = ebb_fail(EBB_ERR_SHAPE, "the output must not be empty, got size %lld", (long long)ret_shape->d[i]);
    }
    return status;
}

static ebb_status upsample_infer(struct ebb_infer *f) {
    const struct ebb__attrs_upsample *a = f->attrs;
    if (f->dtype != EBB_U8 && !ebb_dtype_is_floating(f->dtype))
        return ebb_fail(EBB_ERR_DTYPE, "not defined for %s", ebb_dtype_name(f->dtype));
    if (f->dtype == EBB_U8 && a->mode != NEAREST && a->mode != NEAREST_EXACT)
        return ebb_fail(EBB_ERR_DTYPE, "this mode is not defined for uint8");
    return result_shape(&f->in[0].shape, &a->size, a->mode, a->align_corners, a->scale, &f->out->shape);
}

static ebb_status upsample_forward(struct ebb_forward *f) {
    const struct ebb__attrs_upsample *a = f->attrs;
    return run(f, &(struct upsampling){a->mode, f->in[0]->ndim - 2, a->align_corners, a->scale}, false);
}

static void upsample_vjp(struct ebb_vjp *v) {
    const struct ebb__attrs_upsample *a = v->attrs;
    ebb_vjp_give(v, 0,
                 ebb_upsample_backward(v->grad[0], ebb_vjp_shape(v, 0), .mode = a->mode,
                                       .align_corners = a->align_corners, .scale = a->scale));
}

static const char *upsample_node(const void *attrs, ebb_tensor *const *in) {
    static const char *const names[][3] = {
        {"UpsampleNearest1DBackward0", "UpsampleNearest2DBackward0", "UpsampleNearest3DBackward0"},
        {"UpsampleNearestExact1DBackward0", "UpsampleNearestExact2DBackward0", "UpsampleNearestExact3DBackward0"},
        {"UpsampleLinear1DBackward0", "UpsampleBilinear2DBackward0", "UpsampleTrilinear3DBackward0"},
        {"UpsampleBicubic2DBackward0", "UpsampleBicubic2DBackward0", "UpsampleBicubic2DBackward0"},
    };
    return names[((const struct ebb__attrs_upsample *)attrs)->mode][in[0]->ndim - 3];
}

const struct ebb_op ebb_op_upsample = {
    EBB_SIGNATURE(upsample, "Tensor input, shape size, enum(nearest|nearest-exact|linear|cubic) mode=nearest, "
                            "bool align_corners=false, float? scale=none -> Tensor"),
    .doc =
        "input (N, C, ...) of one to three spatial dimensions resampled to size: see interpolate, which gives it the sizes; "
        "scale, where given, decides the positions in place of the ratio of the sizes.",
    .torch = "torch.ops.aten.upsample_nearest2d",
    .node = "UpsampleNearest2DBackward0",
    .node_variant = upsample_node,
    .contiguous = true,
    .infer = upsample_infer,
    .forward = upsample_forward,
    .vjp = upsample_vjp,
    .formula = {"upsample_backward(g)"},
    .samples = {"(1,2,3,4) size=(6,7)", "(2,3,5) size=3", "(1,2,3,3) size=(5,2) mode=nearest-exact",
                "(1,2,2,3,2) size=(3,4,5) mode=linear", "(1,2,4,3) size=(6,6) mode=linear align_corners=true",
                "(1,2,4,3) size=(7,5) mode=cubic", "(1,2,4,3) size=6 mode=linear scale=1.6",
                "(0,2,4) size=6 mode=linear", "uint8(1,1,3) size=5", "! (1,2,3) size=0", "! (2,3) size=2",
                "! (1,0,3) size=2", "! (1,2,3) size=2 align_corners=true", "! (1,2,3) size=2 mode=cubic",
                "! i5(1,2,3) size=2", "! (1,2,3) size=2 scale=-1"},
};

static ebb_status backward_infer(struct ebb_infer *f) {
    const struct ebb__attrs_upsample_backward *a = f->attrs;
    const ebb_dims *g = &f->in[0].shape, *x = &a->input_size;
    ebb_dims size = {g->n > 2 ? g->n - 2 : 0, {0}}, shape;
    int64_t numel;
    for (int i = 0; i < size.n; i++) size.d[i] = g->d[i + 2];
    if (!ebb__numel(x->n, x->d, 8, &numel) || x->n != g->n)
        return ebb_fail(EBB_ERR_SHAPE, "grad_output is not that of an input of this size");
    ebb_status status = result_shape(x, &size, a->mode, a->align_corners, a->scale, &shape);
    if (!status && !ebb__dims_equal(g, &shape))
        status = ebb_fail(EBB_ERR_SHAPE, "grad_output is not that of an input of this size");
    f->out->shape = *x;
    return status;
}

static ebb_status backward_forward(struct ebb_forward *f) {
    const struct ebb__attrs_upsample_backward *a = f->attrs;
    return run(f, &(struct upsampling){a->mode, f->in[0]->ndim - 2, a->align_corners, a->scale}, true);
}

static void backward_vjp(struct ebb_vjp *v) {
    const struct ebb__attrs_upsample_backward *a = v->attrs;
    ebb_dims shape = ebb_vjp_shape(v, 0), size = {shape.n - 2, {0}};
    for (int i = 0; i < size.n; i++) size.d[i] = shape.d[i + 2];
    ebb_vjp_give(v, 0,
                 ebb_upsample(v->grad[0], size, .mode = a->mode, .align_corners = a->align_corners, .scale = a->scale));
}

const struct ebb_op ebb_op_upsample_backward = {
    EBB_SIGNATURE(upsample_backward,
                  "Tensor grad_output, shape input_size, enum(nearest|nearest-exact|linear|cubic) mode=nearest, "
                  "bool align_corners=false, float? scale=none -> Tensor"),
    .doc = "The gradient of upsample for an input of shape input_size.",
    .torch = "torch.ops.aten.upsample_nearest2d_backward",
    .node = "UpsampleNearest2DBackwardBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .infer = backward_infer,
    .forward = backward_forward,
    .vjp = backward_vjp,
    .formula = {"upsample(g)"},
    .samples = {"(1,2,6,7) input_size=(1,2,3,4)", "(1,2,6,6) input_size=(1,2,4,3) mode=linear align_corners=true",
                "(1,2,5,7) input_size=(1,2,4,3) mode=cubic", "! (1,2,6) input_size=(1,2,3,4)",
                "! (1,3,6) input_size=(1,2,3)"},
};

/* ---- interpolate ---- */

/* The sizes that a scale gives, as PyTorch rounds them. */
static bool scaled_size(const ebb_dims *x, double scale, ebb_dims *ret_size) {
    *ret_size = (ebb_dims){x->n - 2, {0}};
    for (int i = 0; i < ret_size->n; i++) {
        const double size = floor((double)x->d[i + 2] * scale);
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
    ebb_setting scale = a->scale_factor;
    const bool by_size = size.n > 0,
               blurs = a->mode == EBB_NEAREST || a->mode == EBB_NEAREST_EXACT || a->mode == EBB_AREA;
    if (by_size == scale.given) ebb_fail(EBB_ERR_ARGUMENT, "expected either size or scale_factor");
    else if (blurs && a->align_corners) ebb_fail(EBB_ERR_ARGUMENT, "align_corners needs a mode that interpolates");
    else if (by_size && a->recompute_scale_factor)
        ebb_fail(EBB_ERR_ARGUMENT, "recompute_scale_factor needs a scale_factor");
    else if (!check_input(&shape)) {
        if (modes[a->mode].ndim && modes[a->mode].ndim != shape.n) {
            ebb_fail(EBB_ERR_SHAPE, "this mode needs an input of %d dimensions, got %d", modes[a->mode].ndim,
                     (int)shape.n);
            return NULL;
        }
        if (!by_size && !scaled_size(&shape, scale.value, &size)) return NULL;
        if (a->mode == EBB_AREA) return area(f->in[0], size);
        if (a->recompute_scale_factor) scale = (ebb_setting){0};
        return ebb_upsample(f->in[0], size, .mode = modes[a->mode].mode, .align_corners = a->align_corners,
                            .scale = scale);
    }
    return NULL;
}

const struct ebb_op ebb_op_interpolate = {
    EBB_SIGNATURE(
        interpolate,
        "Tensor input, shape size=none, float? scale_factor=none, "
        "enum(nearest|nearest-exact|linear|bilinear|trilinear|bicubic|area) mode=nearest, bool align_corners=false, "
        "bool recompute_scale_factor=false -> Tensor"),
    .doc =
        "input (N, C, ...) of one to three spatial dimensions resampled to size, or by scale_factor (rounded down). linear, "
        "bilinear and trilinear are one mode, for each number of dimensions its own word; bicubic is for two. Elements are "
        "taken as squares, or with align_corners as points, the first and the last of which stay where they are. A "
        "scale_factor decides the positions itself, unless recompute_scale_factor asks for the ratio of the sizes.",
    .torch = "torch.nn.functional.interpolate",
    .compose = interpolate,
    .samples = {"(1,2,3,4) size=(6,7)", "(1,2,3,4) scale_factor=1.7", "(1,2,5) size=3 mode=linear",
                "(1,2,3,4) scale_factor=2 mode=bilinear align_corners=true",
                "(1,2,3,4) scale_factor=1.7 mode=bicubic recompute_scale_factor=true",
                "(1,2,2,3,2) size=3 mode=trilinear", "(1,2,4,5) size=3 mode=area", "(1,2,5) size=3 mode=area",
                "(1,2,3,3) size=7 mode=nearest-exact", "! (1,2,3,4)", "! (1,2,3,4) size=2 scale_factor=2",
                "! (1,2,3,4) size=2 mode=linear", "! (1,2,3) size=2 align_corners=true", "! (2,3) size=2",
                "! (1,2,3) scale_factor=0.2", "! (1,2,3,4) size=(2,2,2)"},
};
