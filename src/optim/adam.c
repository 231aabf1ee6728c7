/* Adam and AdamW: steps scaled by running estimates of the gradient's first and second moments. */
#include <ebb/optim.h>
#include <math.h>

/* The order of operations is torch.optim.Adam's: m as a linear interpolation, the corrections of both moments in the
 * scalars. `shrink` is AdamW's decay of the parameter, `decay` Adam's addition to the gradient. */
#define DEFINE_UPDATE(name, type, root) \
    static void name(const struct ebb_optim_update *u, const ebb_adam_options *o, double shrunk, double added) { \
        type *restrict p = u->parameter, *restrict m = u->state[0], *restrict v = u->state[1]; \
        const type *restrict g = u->grad; \
        const double t = (double)u->t; \
        const type new1 = (type)(1 - o->beta1), beta2 = (type)o->beta2, new2 = (type)(1 - o->beta2); \
        const type step = (type)(u->lr / (1 - pow(o->beta1, t))), scale = (type)sqrt(1 - pow(o->beta2, t)); \
        const type eps = (type)o->eps, shrink = (type)shrunk, decay = (type)added; \
        for (int64_t i = 0; i < u->n; i++) { \
            type x = p[i] * shrink, d = g[i] + decay * x; \
            m[i] += new1 * (d - m[i]); \
            v[i] = beta2 * v[i] + new2 * d * d; \
            p[i] = x - step * (m[i] / (root(v[i]) / scale + eps)); \
        } \
    }

DEFINE_UPDATE(update_f32, float, sqrtf)
DEFINE_UPDATE(update_f64, double, sqrt)

static ebb_status update(const struct ebb_optim_update *u, double shrink, double decay) {
    if (u->dtype == EBB_F32) update_f32(u, u->options, shrink, decay);
    else update_f64(u, u->options, shrink, decay);
    return EBB_OK;
}

static ebb_status update_adam(const struct ebb_optim_update *u) {
    return update(u, 1, ((const ebb_adam_options *)u->options)->weight_decay);
}

static ebb_status update_adamw(const struct ebb_optim_update *u) {
    return update(u, 1 - u->lr * ((const ebb_adam_options *)u->options)->weight_decay, 0);
}

static const struct ebb_optim_type adam = {"adam", 2, sizeof(ebb_adam_options), update_adam};
static const struct ebb_optim_type adamw = {"adamw", 2, sizeof(ebb_adam_options), update_adamw};

static double given(double value, double standard) {
    return value == 0 ? standard : value == EBB_OPTIM_ZERO ? 0 : value;
}

static ebb_optim *make(const struct ebb_optim_type *type, ebb_list parameters, ebb_adam_options o,
                       double weight_decay) {
    o.beta1 = given(o.beta1, 0.9);
    o.beta2 = given(o.beta2, 0.999);
    o.eps = given(o.eps, 1e-8);
    o.weight_decay = given(o.weight_decay, weight_decay);
    const char *wrong = !(o.beta1 >= 0 && o.beta1 < 1)   ? "beta1 must be in [0, 1)"
                        : !(o.beta2 >= 0 && o.beta2 < 1) ? "beta2 must be in [0, 1)"
                        : !(o.eps >= 0)                  ? "eps must not be negative"
                        : !(o.weight_decay >= 0)         ? "weight_decay must not be negative"
                                                         : NULL;
    if (wrong) {
        ebb_fail(EBB_ERR_ARGUMENT, "%s: %s", type->name, wrong);
        return NULL;
    }
    return ebb_optim_new(type, parameters, given(o.lr, 1e-3), &o);
}

ebb_optim *(ebb_adam)(ebb_list parameters, ebb_adam_options options) { return make(&adam, parameters, options, 0); }

ebb_optim *(ebb_adamw)(ebb_list parameters, ebb_adam_options options) {
    return make(&adamw, parameters, options, 0.01);
}
