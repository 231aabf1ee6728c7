/* Derivatives of functions, and functions of many inputs at once: the code of docs/transforms.md, as a program. */
#include <ebb/ebb.h>

/* ---- a function ---- */

/* f(x, w) = tanh(w x), of a vector x and a matrix w */
static ebb_status layer(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = ebb_tanh(ebb_mv(in.t[1], in.t[0]));
    return ebb_error_status();
}

/* ---- along a direction ---- */

static ebb_status along(ebb_tensor *x, ebb_tensor *w, ebb_tensor *v) {
    ebb_outputs dy;
    if (ebb_jvp(layer, NULL, EBB_LIST(x, w), EBB_LIST(v, NULL), NULL, &dy)) return ebb_error_status();
    ebb_print(dy.t[0]); /* how f changes along v: J v */
    return EBB_OK;
}

/* ---- back from the results ---- */

static ebb_status back(ebb_tensor *x, ebb_tensor *w) {
    ebb_outputs y;
    ebb_linear_map *pullback;
    ebb_tensor *g[2];
    if (ebb_vjp(layer, NULL, EBB_LIST(x, w), &y, &pullback)) return ebb_error_status();
    ebb_status status = ebb_linear_map_apply(pullback, EBB_LIST(ebb_ones_like(y.t[0])), g);
    pullback = ebb_linear_map_release(pullback);
    if (status) return status;
    ebb_print(g[0]); /* the gradient of the sum of f by x: 1'J */
    ebb_print(g[1]); /* and by w */
    return EBB_OK;
}

/* ---- many directions ---- */

static ebb_status linear(ebb_tensor *x, ebb_tensor *w, ebb_tensor *v) {
    ebb_linear_map *map;
    ebb_tensor *image;
    if (ebb_linearize(layer, NULL, EBB_LIST(x, w), NULL, &map)) return ebb_error_status();
    ebb_status status = ebb_linear_map_apply(map, EBB_LIST(v, NULL), &image); /* and so on, for other v */
    map = ebb_linear_map_release(map);
    if (!status) ebb_print(image);
    return status;
}

/* ---- whole matrices ---- */

/* e(x) = sum(sin(x)^2) + x[0] x[1] */
static ebb_status energy(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *x = in.t[0], *product = ebb_mul(ebb_select(x, 0, 0), ebb_select(x, 0, 1));
    (void)context;
    ret_out->t[ret_out->n++] = ebb_add(ebb_sum(ebb_square(ebb_sin(x))), product);
    return ebb_error_status();
}

static ebb_status matrices(ebb_tensor *x, ebb_tensor *w) {
    ebb_list j, h;
    if (ebb_jacobian(layer, NULL, EBB_LIST(x, w), &j, .vectorize = true)) return ebb_error_status();
    ebb_print(j.t[0]); /* df/dx, of shape [2, 3]; j.t[1] is df/dw, [2, 2, 3] */
    if (ebb_hessian(energy, NULL, EBB_LIST(x), &h, .vectorize = true)) return ebb_error_status();
    ebb_print(h.t[0]); /* [3, 3] */
    return EBB_OK;
}

/* ---- products with the Hessian ---- */

static ebb_status product(ebb_tensor *x, ebb_tensor *v) {
    ebb_tensor *hv;
    if (ebb_hvp(energy, NULL, EBB_LIST(x), EBB_LIST(v), NULL, &hv)) return ebb_error_status();
    ebb_print(hv); /* H v, without H */
    return EBB_OK;
}

/* ---- one sample ---- */

/* The squared error of a linear model on one sample: the inputs are w, b, x and the target. */
static ebb_status loss(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ebb_tensor *prediction = ebb_add(ebb_dot(in.t[0], in.t[2]), in.t[1]);
    ret_out->t[ret_out->n++] = ebb_square(ebb_sub(prediction, in.t[3]));
    return ebb_error_status();
}

/* ---- a batch of samples ---- */

static ebb_status losses(ebb_list inputs) {
    ebb_outputs each;
    if (ebb_vmap(loss, NULL, inputs, &each, .in_dims = EBB_INTS(EBB_UNBATCHED, EBB_UNBATCHED, 0, 0)))
        return ebb_error_status();
    ebb_print(each.t[0]); /* the loss of each sample */
    return EBB_OK;
}

/* ---- the gradient of each sample ---- */

static ebb_status loss_gradient(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *g[4];
    if (ebb_value_and_grad(loss, context, in, NULL, g, .argnums = EBB_DIMS(0, 1))) return ebb_error_status();
    ret_out->t[ret_out->n++] = g[0];
    ret_out->t[ret_out->n++] = g[1];
    return EBB_OK;
}

static ebb_status gradients(ebb_list inputs) {
    ebb_outputs each;
    if (ebb_vmap(loss_gradient, NULL, inputs, &each, .in_dims = EBB_INTS(EBB_UNBATCHED, EBB_UNBATCHED, 0, 0)))
        return ebb_error_status();
    ebb_print(each.t[0]); /* the gradient of each sample's loss by w, a row each */
    return EBB_OK;
}

/* ---- many vectors back ---- */

static ebb_status rows(ebb_tensor *x) {
    ebb_tensor *leaf = ebb_requires_grad_(ebb_clone(x), true), *y = ebb_exp(leaf), *d;
    if (ebb_grad(EBB_LIST(y), EBB_LIST(leaf), &d, .grad_outputs = EBB_LIST(ebb_eye(3)), .is_grads_batched = true))
        return ebb_error_status();
    ebb_print(d); /* three backward passes in one: the rows of dy/dx */
    return EBB_OK;
}

/* ---- all of them ---- */

int main(void) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_from_data((const float[]){0.5F, -1.25F, 2.0F}, EBB_F32, EBB_DIMS(3));
        ebb_tensor *w = ebb_from_data((const float[]){0.1F, 0.2F, 0.3F, -0.4F, 0.5F, 0.25F}, EBB_F32, EBB_DIMS(2, 3));
        ebb_tensor *v = ebb_from_data((const float[]){1.0F, 0.0F, -1.0F}, EBB_F32, EBB_DIMS(3));
        ebb_tensor *samples = ebb_stack(EBB_LIST(x, ebb_cos(x)), 0), *targets = ebb_ones(EBB_DIMS(2));
        ebb_list inputs = EBB_LIST(ebb_select(w, 0, 0), ebb_scalar(0.5), samples, targets);
        if (along(x, w, v) || back(x, w) || linear(x, w, v) || matrices(x, w) || product(x, v) || losses(inputs) ||
            gradients(inputs) || rows(x))
            return ebb_perror("transforms");
    }
    return 0;
}
