/* Borders put round a tensor, or cut off: pad, with a constant, reflected, repeated at the edge, or going round. */
#define EBB_FAMILY "Shape"
#include "ops/batching.h"
#include "ops/region.h"
#include <string.h>

_Static_assert(EBB_PAD_CONSTANT == 0 && EBB_PAD_REFLECT == 1 && EBB_PAD_REPLICATE == 2 && EBB_PAD_CIRCULAR == 3,
               "the modes are in the order of the signature");

/* ---- which elements ---- */

/* A run of the result's elements along one dimension: `n` from `to` on; their sources from `from` on, `step` apart. */
struct run {
    int64_t to, n, from, step;
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* The result's elements from place `first` to before `end`, places being counted in the tensor. */
static struct run run_of(int64_t first, int64_t end, int64_t begin) {
    return (struct run){first - begin, most(end - first, 0), 0, 0};
}

/* Along one dimension of size `size`: what comes before the tensor, what is kept of it, what comes after. */
static void runs_of(int mode, int64_t size, int64_t before, int64_t after, struct run ret_runs[3]) {
    int64_t begin = -before, end = size + after; /* places of the result */
    struct run *b = &ret_runs[0], *m = &ret_runs[1], *a = &ret_runs[2];
    *b = run_of(begin, least(0, end), begin);
    *m = run_of(most(0, begin), least(size, end), begin);
    *a = run_of(most(size, begin), end, begin);
    m->from = most(0, begin);
    m->step = 1;
    if (mode == EBB_PAD_REFLECT) {
        b->from = before;
        a->from = 2 * (size - 1) - most(size, begin);
        b->step = a->step = -1;
    } else if (mode == EBB_PAD_REPLICATE) {
        a->from = size - 1;
    } else if (mode == EBB_PAD_CIRCULAR) { /* round what is kept */
        b->from = least(size, end) - before;
        a->from = m->from;
        b->step = a->step = 1;
    }
}

/* The paddings of dimension d, first the one before it: they are given from the last dimension on. */
static int64_t padding(const ebb_ints *pad, int ndim, int64_t d, int side) {
    int64_t at = 2 * (ndim - 1 - d) + side;
    return at < pad->n ? pad->d[at] : 0;
}

/* The padded tensor `large` is made of blocks of elements of `small`, one for every choice of a run in each dimension.
 * Writing copies them to large, or to its borders `value` when that is given; otherwise they are added to small. */
struct blocks {
    ebb_tensor *large, *small;
    const char *value;
    bool write;
    struct run runs[EBB_MAX_NDIM][3];
};

static void visit(const struct blocks *b, const int *choice) {
    ebb_dtype dtype = (ebb_dtype)b->large->dtype;
    int64_t size = (int64_t)ebb__dtype_sizes[dtype], unit = b->write ? size : 1;
    int64_t large[EBB_MAX_NDIM], small[EBB_MAX_NDIM];
    char *to = b->large->data, *from = b->small->data;
    ebb_dims sizes = {{0}, b->large->ndim};
    bool border = false;
    for (int i = 0; i < sizes.n; i++) {
        const struct run *r = &b->runs[i][choice[i]];
        if (r->n == 0) return;
        sizes.d[i] = r->n;
        large[i] = ebb__strides(b->large)[i] * unit;
        small[i] = ebb__strides(b->small)[i] * r->step * unit;
        to += r->to * ebb__strides(b->large)[i] * size;
        from += r->from * ebb__strides(b->small)[i] * size;
        border = border || choice[i] != 1;
    }
    if (!b->write) {
        ebb__add_region(&sizes, dtype, from, small, to, large);
        return;
    }
    if (border && b->value) memset(small, 0, sizeof small);
    ebb__copy(sizes.n, sizes.d, dtype, to, large, dtype, border && b->value ? b->value : from, small);
}

static void each_block(struct blocks *b, int mode, const ebb_ints *pad) {
    int n = b->small->ndim, choice[EBB_MAX_NDIM] = {0}, d = 0;
    for (int i = 0; i < n; i++)
        runs_of(mode, b->small->dims[i], padding(pad, n, i, 0), padding(pad, n, i, 1), b->runs[i]);
    while (d >= 0) {
        visit(b, choice);
        for (d = n - 1; d >= 0 && ++choice[d] == 3; d--) choice[d] = 0;
    }
}

/* ---- checks ---- */

/* What a mode asks of one dimension and its paddings. */
static ebb_status check_dim(int mode, int64_t d, int64_t size, int64_t before, int64_t after) {
    int64_t large = most(before, after), small = least(before, after), kept = size;
    if (large > INT64_MAX / 8 || small < -INT64_MAX / 8)
        return ebb_fail(EBB_ERR_MEMORY, "padding %lld, %lld is too large", (long long)before, (long long)after);
    kept += least(before, 0) + least(after, 0);
    bool mirrors = mode == EBB_PAD_REFLECT || mode == EBB_PAD_REPLICATE;
    if (mirrors ? size + before + after < 1 : small < -size || kept < 0)
        return ebb_fail(EBB_ERR_SHAPE, "padding %lld, %lld leaves nothing of dimension %lld of size %lld",
                        (long long)before, (long long)after, (long long)d, (long long)size);
    if (large < 1 || !((mode == EBB_PAD_REFLECT && large >= size) || (mode == EBB_PAD_CIRCULAR && large > kept)))
        return EBB_OK;
    return ebb_fail(EBB_ERR_SHAPE, "padding %lld, %lld is too large for dimension %lld of size %lld", (long long)before,
                    (long long)after, (long long)d, (long long)size);
}

/* A border is made of what is there: of all dimensions only a batch may be empty. */
static ebb_status check_empty(const ebb_dims *in, int padded) {
    for (int d = in->n == padded + 2; d < in->n; d++)
        if (in->d[d] == 0) return ebb_fail(EBB_ERR_SHAPE, "dimension %d is empty; only that of a batch may be", d);
    return EBB_OK;
}

static ebb_status padded_shape(const ebb_dims *in, const ebb_ints *pad, int mode, ebb_dims *ret_shape) {
    int n = in->n;
    int64_t numel;
    if (mode < EBB_PAD_CONSTANT || mode > EBB_PAD_CIRCULAR) return ebb_fail(EBB_ERR_ARGUMENT, "%d is not a mode", mode);
    if (pad->n % 2) return ebb_fail(EBB_ERR_ARGUMENT, "pad has %d entries; expected an even number", (int)pad->n);
    if (pad->n / 2 > n)
        return ebb_fail(EBB_ERR_ARGUMENT, "pad is for %lld dimensions, but the tensor has %d", (long long)pad->n / 2,
                        n);
    int padded = (int)pad->n / 2;
    if (mode != EBB_PAD_CONSTANT && (padded < 1 || padded > 3 || (n != padded + 1 && n != padded + 2)))
        return ebb_fail(EBB_ERR_ARGUMENT,
                        "in this mode the last 1, 2 or 3 dimensions of one or two more are padded, not %d of %d",
                        padded, n);
    if ((mode == EBB_PAD_REFLECT || mode == EBB_PAD_REPLICATE) && check_empty(in, padded)) return EBB_ERR_SHAPE;
    *ret_shape = *in;
    for (int64_t d = n - padded; d < n; d++) {
        if (check_dim(mode, d, in->d[d], padding(pad, n, d, 0), padding(pad, n, d, 1))) return ebb_error_status();
        ret_shape->d[d] += padding(pad, n, d, 0) + padding(pad, n, d, 1);
    }
    if (!ebb__numel(n, ret_shape->d, 8, &numel))
        return ebb_fail(EBB_ERR_MEMORY, "the result is too large to be addressed");
    return EBB_OK;
}

/* ---- pad ---- */

static ebb_status infer_pad(struct ebb_infer *f) {
    const struct ebb__attrs_pad *a = f->attrs;
    if (a->mode != EBB_PAD_CONSTANT && a->value != 0)
        return ebb_fail(EBB_ERR_ARGUMENT, "value is for the mode constant only");
    return padded_shape(&f->in[0].shape, &a->pad, a->mode, &f->out[0].shape);
}

static ebb_status forward_pad(struct ebb_forward *f) {
    const struct ebb__attrs_pad *a = f->attrs;
    char value[8];
    struct blocks b = {f->out[0], f->in[0], a->mode == EBB_PAD_CONSTANT ? value : NULL, true, {{{0}}}};
    ebb__store(value, (ebb_dtype)f->out[0]->dtype, a->value);
    if (f->out[0]->numel) each_block(&b, a->mode, &a->pad);
    return EBB_OK;
}

static void vjp_pad(struct ebb_vjp_call *v) {
    const struct ebb__attrs_pad *a = v->attrs;
    int64_t back[2 * EBB_MAX_NDIM];
    for (int i = 0; i < a->pad.n; i++) back[i] = -a->pad.d[i];
    ebb_vjp_give(v, 0,
                 a->mode == EBB_PAD_CONSTANT
                     ? ebb_pad(v->grad[0], ((ebb_ints){a->pad.n, back}))
                     : ebb_pad_backward(v->grad[0], ebb_vjp_shape(v, 0), a->pad, .mode = a->mode));
}

static void jvp_pad(struct ebb_jvp_call *j) { /* a border of value does not move */
    const struct ebb__attrs_pad *a = j->attrs;
    ebb_jvp_give(j, 0, ebb_pad(j->tangent[0], a->pad, .mode = a->mode));
}

#define NAMES(more) \
    { \
        {"ConstantPadNdBackward0", "ConstantPadNdBackward0", "ConstantPadNdBackward0"}, \
            {"ReflectionPad1DBackward" more, "ReflectionPad2DBackward" more, "ReflectionPad3DBackward" more}, \
            {"ReplicationPad1DBackward" more, "ReplicationPad2DBackward" more, "ReplicationPad3DBackward" more}, { \
            "PadCircularBackward" more, "PadCircularBackward" more, "PadCircularBackward" more \
        } \
    }

static const char *node_pad(const void *attrs, ebb_tensor *const *in) {
    static const char *const names[4][3] = NAMES("0");
    const struct ebb__attrs_pad *a = attrs;
    (void)in;
    return names[a->mode][a->mode ? a->pad.n / 2 - 1 : 0];
}

/* Constants may be put round any dimension. */
static void batch_pad(struct ebb_batch_call *b) {
    const struct ebb__attrs_pad *a = b->attrs;
    if (a->mode == EBB_PAD_CONSTANT) ebb_batch_leading(b);
    else ebb_batch_fold(b);
}

const struct ebb_op ebb_op_pad = {
    EBB_SIGNATURE(
        pad, "Tensor self, ints pad, enum(constant|reflect|replicate|circular) mode=constant, float value=0 -> Tensor"),
    .doc = EBB_TEXT(
        "self with pad[0] elements before and pad[1] after it along its last dimension, pad[2] and pad[3] along the one before that, "
        "and so on; negative numbers cut off. The border is `value` (EBB_PAD_CONSTANT), or self mirrored at its edge "
        "(EBB_PAD_REFLECT), its edge (EBB_PAD_REPLICATE), or its other end (EBB_PAD_CIRCULAR): those for the last 1 to 3 "
        "dimensions of one or two more."),
    .torch = EBB_TEXT("torch.nn.functional.pad"),
    .node = "ConstantPadNdBackward0",
    .node_variant = node_pad,
    .infer = infer_pad,
    .forward = forward_pad,
    .halves = true,
    .vjp = vjp_pad,
    .jvp = jvp_pad,
    .batch = batch_pad,
    .formula = EBB_FORMULAS("pad(g, -pad) if mode == 'constant' else pad_backward(g, self.shape, pad, mode)"),
    .samples = EBB_SAMPLES(
        "(3,4) pad=(1,2)", "(3,4) pad=(1,0,2,-1) value=2.5", "(2,3) pad=(-1,-1)", "(2,3) pad=()", "() pad=()",
        "(0,3) pad=(1,1,0,2)", "(2,5) pad=(2,3) mode=reflect", "(2,3,4) pad=(-1,2,1,0) mode=reflect",
        "(1,2,3,2) pad=(1,1,2,0,1,0) mode=reflect", "(2,3) pad=(2,4) mode=replicate",
        "(2,3,2) pad=(1,0,-1,3) mode=replicate", "(2,5) pad=(3,2) mode=circular",
        "(2,3,4) pad=(2,-1,0,1) mode=circular", "(0,2,3) pad=(1,1) mode=reflect", "(2,3) pad=(-4,2) mode=reflect",
        "(1,2,1,2,1) pad=(1,0,0,1,1,0,0,0,0,1)", "! (3,4) pad=(1,2,3)", "! (3) pad=(1,1,1,1)", "! (3,4) pad=(-3,-2)",
        "! (2,3) pad=(3,0) mode=reflect", "! (2,3) pad=(4,0) mode=circular", "! (2,0) pad=(1,0) mode=replicate",
        "! (3) pad=(1,1) mode=reflect", "! (2,3) pad=(1,1) mode=reflect value=2"),
};

/* ---- pad_backward ---- */

static ebb_status infer_pad_backward(struct ebb_infer *f) {
    const struct ebb__attrs_pad_backward *a = f->attrs;
    char text[EBB__SHAPE_TEXT];
    ebb_dims shape;
    int64_t numel;
    if (!ebb__numel(a->input_sizes.n, a->input_sizes.d, 8, &numel))
        return ebb_fail(EBB_ERR_SHAPE, "input_sizes are out of range");
    if (a->mode == EBB_PAD_CONSTANT) return ebb_fail(EBB_ERR_ARGUMENT, "is not for the mode constant");
    if (padded_shape(&a->input_sizes, &a->pad, a->mode, &shape)) return ebb_error_status();
    if (!ebb__dims_equal(&shape, &f->in[0].shape))
        return ebb_fail(EBB_ERR_SHAPE, "the padded tensor has shape %s", ebb__shape_text(text, shape.n, shape.d));
    f->out[0].shape = a->input_sizes;
    return EBB_OK;
}

static ebb_status forward_pad_backward(struct ebb_forward *f) {
    const struct ebb__attrs_pad_backward *a = f->attrs;
    ebb_tensor *out = f->out[0];
    struct blocks b = {f->in[0], out, NULL, false, {{{0}}}};
    if (out->numel == 0) return EBB_OK;
    memset(out->data, 0, (size_t)out->numel * ebb__dtype_sizes[out->dtype]);
    each_block(&b, a->mode, &a->pad);
    return EBB_OK;
}

static void vjp_pad_backward(struct ebb_vjp_call *v) {
    const struct ebb__attrs_pad_backward *a = v->attrs;
    ebb_vjp_give(v, 0, ebb_pad(v->grad[0], a->pad, .mode = a->mode));
}

static const char *node_pad_backward(const void *attrs, ebb_tensor *const *in) {
    static const char *const names[4][3] = NAMES("Backward0");
    const struct ebb__attrs_pad_backward *a = attrs;
    (void)in;
    return names[a->mode][a->mode ? a->pad.n / 2 - 1 : 0];
}

static void batch_pad_backward(struct ebb_batch_call *b) {
    const struct ebb__attrs_pad_backward *a = b->attrs;
    if (a->mode == EBB_PAD_CONSTANT) ebb_batch_dims(b);
    else ebb_batch_fold(b);
}

const struct ebb_op ebb_op_pad_backward = {
    EBB_SIGNATURE(
        pad_backward,
        "Tensor grad, shape input_sizes, ints pad, enum(constant|reflect|replicate|circular) mode=constant -> Tensor"),
    .doc = EBB_TEXT(
        "The gradient of pad in the modes that take the border from the tensor: of shape input_sizes, grad added where each element came from."),
    .torch = EBB_TEXT("torch.ops.aten.reflection_pad1d_backward"),
    .node = "ReflectionPad1DBackwardBackward0",
    .node_variant = node_pad_backward,
    .infer = infer_pad_backward,
    .forward = forward_pad_backward,
    .vjp = vjp_pad_backward,
    .jvp = ebb_jvp_linear,
    .batch = batch_pad_backward,
    .formula = EBB_FORMULAS("pad(g, pad, mode)"),
    .samples = EBB_SAMPLES(
        "(2,10) input_sizes=(2,5) pad=(2,3) mode=reflect", "(2,4,5) input_sizes=(2,3,4) pad=(-1,2,1,0) mode=reflect",
        "(2,9) input_sizes=(2,3) pad=(2,4) mode=replicate", "(2,10) input_sizes=(2,5) pad=(3,2) mode=circular",
        "(0,2,5) input_sizes=(0,2,3) pad=(1,1) mode=reflect", "! (2,9) input_sizes=(2,5) pad=(2,3) mode=reflect",
        "! (2,4) input_sizes=(2,-1) pad=(1,1) mode=reflect", "! (2,4) input_sizes=(2,2) pad=(1,1)"),
};
