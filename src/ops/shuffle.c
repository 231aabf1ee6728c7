/* pixel_shuffle, which makes places of channels, and pixel_unshuffle, its inverse. */
#define EBB_FAMILY "Layers"
#include "ops/ops.h"

/* (…, a, b, c, d, e) with a to e the five last dimensions, in another order, as a shape of three last dimensions. */
static ebb_tensor *rearrange(ebb_tensor *x, const int64_t sizes[5], const int order[5], const int64_t to[3]) {
    ebb_dims shape = ebb_tensor_shape(x), split = {{0}, shape.n + 2}, places = split, result = shape;
    const int front = shape.n - 3;
    for (int i = 0; i < front; i++) {
        split.d[i] = shape.d[i];
        places.d[i] = i;
    }
    for (int i = 0; i < 5; i++) {
        split.d[front + i] = sizes[i];
        places.d[front + i] = front + order[i];
    }
    for (int i = 0; i < 3; i++) result.d[front + i] = to[i];
    return ebb_reshape(ebb_permute(ebb_reshape(x, split), places), result);
}

static bool check(const ebb_tensor *x, int64_t factor) {
    if (x->ndim < 3 || x->ndim > EBB_MAX_NDIM - 2)
        ebb_fail(EBB_ERR_SHAPE, "expected an input of 3 to %d dimensions, got %d", EBB_MAX_NDIM - 2, (int)x->ndim);
    else if (factor < 1 || factor > INT32_MAX)
        ebb_fail(EBB_ERR_ARGUMENT, "the factor must be greater than zero, got %lld", (long long)factor);
    else return true;
    return false;
}

static ebb_tensor *pixel_shuffle(struct ebb_forward *f) {
    const int64_t r = ((const struct ebb__attrs_pixel_shuffle *)f->attrs)->upscale_factor;
    ebb_tensor *x = f->in[0];
    if (!check(x, r)) return NULL;
    const int64_t *size = x->dims + x->ndim - 3, c = size[0] / r / r, square = r * r;
    if (size[0] % square) {
        ebb_fail(EBB_ERR_SHAPE, "the number of channels must be divisible by %lld, got %lld", (long long)square,
                 (long long)size[0]);
        return NULL;
    }
    return rearrange(x, (const int64_t[]){c, r, r, size[1], size[2]}, (const int[]){0, 3, 1, 4, 2},
                     (const int64_t[]){c, size[1] * r, size[2] * r});
}

static ebb_tensor *pixel_unshuffle(struct ebb_forward *f) {
    const int64_t r = ((const struct ebb__attrs_pixel_unshuffle *)f->attrs)->downscale_factor;
    ebb_tensor *x = f->in[0];
    if (!check(x, r)) return NULL;
    const int64_t *size = x->dims + x->ndim - 3, h = size[1] / r, w = size[2] / r;
    if (size[1] % r || size[2] % r) {
        ebb_fail(EBB_ERR_SHAPE, "height and width must be divisible by %lld, got %lld and %lld", (long long)r,
                 (long long)size[1], (long long)size[2]);
        return NULL;
    }
    return rearrange(x, (const int64_t[]){size[0], h, r, w, r}, (const int[]){0, 2, 4, 1, 3},
                     (const int64_t[]){size[0] * r * r, h, w});
}

static void shuffle_vjp(struct ebb_vjp_call *v) {
    ebb_vjp_give(v, 0,
                 ebb_pixel_unshuffle(v->grad[0], ((const struct ebb__attrs_pixel_shuffle *)v->attrs)->upscale_factor));
}

static void unshuffle_vjp(struct ebb_vjp_call *v) {
    ebb_vjp_give(
        v, 0, ebb_pixel_shuffle(v->grad[0], ((const struct ebb__attrs_pixel_unshuffle *)v->attrs)->downscale_factor));
}

const struct ebb_op ebb_op_pixel_shuffle = {
    EBB_SIGNATURE(pixel_shuffle, "Tensor input, int upscale_factor -> Tensor"),
    .doc = EBB_TEXT(
        "(..., C * r * r, H, W) rearranged to (..., C, H * r, W * r), for the upscale_factor r: each r * r channels become "
        "a square."),
    .torch = EBB_TEXT("torch.nn.functional.pixel_shuffle"),
    .node = "PixelShuffleBackward0",
    .compose = pixel_shuffle,
    .vjp = shuffle_vjp,
    .batch = ebb_batch_leading,
    .formula = EBB_FORMULAS("pixel_unshuffle(g, upscale_factor)"),
    .samples = EBB_SAMPLES("(2,8,2,3) upscale_factor=2", "(9,1,2) upscale_factor=3", "(2,2,4,1,2) upscale_factor=2",
                           "(0,4,2,2) upscale_factor=2", "(2,3,2,2) upscale_factor=1", "i9(4,2,2) upscale_factor=2",
                           "! (2,7,2,2) upscale_factor=2", "! (4,4) upscale_factor=2", "! (2,4,2,2) upscale_factor=0"),
};

const struct ebb_op ebb_op_pixel_unshuffle = {
    EBB_SIGNATURE(pixel_unshuffle, "Tensor input, int downscale_factor -> Tensor"),
    .doc = EBB_TEXT(
        "(..., C, H * r, W * r) rearranged to (..., C * r * r, H, W), for the downscale_factor r: the inverse of "
        "pixel_shuffle."),
    .torch = EBB_TEXT("torch.nn.functional.pixel_unshuffle"),
    .node = "PixelUnshuffleBackward0",
    .compose = pixel_unshuffle,
    .vjp = unshuffle_vjp,
    .batch = ebb_batch_leading,
    .formula = EBB_FORMULAS("pixel_shuffle(g, downscale_factor)"),
    .samples =
        EBB_SAMPLES("(2,2,4,6) downscale_factor=2", "(1,3,6) downscale_factor=3", "(0,1,4,4) downscale_factor=2",
                    "! (2,2,3,4) downscale_factor=2", "! (4,4) downscale_factor=2", "! (2,4,4) downscale_factor=-1"),
};
