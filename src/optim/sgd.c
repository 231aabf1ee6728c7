/* Stochastic gradient descent, with momentum, dampening, weight decay and Nesterov's look ahead. */
#include <ebb/optim.h>

/* In the order of torch.optim.SGD. Without momentum the loop has no state, so the two cases are two loops. The first
 * step takes the gradient itself as the velocity: v is zero then, and dampening does not count. */
#define DEFINE_UPDATE(name, type) \
    static void name(const struct ebb_optim_update *u, const ebb_sgd_options *o) { \
        type *restrict p = u->parameter, *restrict v = u->state[0]; \
        const type *restrict g = u->grad; \
        const type lr = (type)u->lr, decay = (type)o->weight_decay, momentum = (type)o->momentum; \
        const type fresh = u->t == 1 ? (type)1 : (type)(1 - o->dampening); \
        const bool nesterov = o->nesterov; \
        if (!v) { \
            for (int64_t i = 0; i < u->n; i++) p[i] -= lr * (g[i] + decay * p[i]); \
            return; \
        } \
        for (int64_t i = 0; i < u->n; i++) { \
            type d = g[i] + decay * p[i]; \
            v[i] = momentum * v[i] + fresh * d; \
            p[i] -= lr * (nesterov ? d + momentum * v[i] : v[i]); \
        } \
    }

DEFINE_UPDATE(update_f32, float)
DEFINE_UPDATE(update_f64, double)

static ebb_status update(const struct ebb_optim_update *u) {
    if (u->dtype == EBB_F32) update_f32(u, u->options);
    else update_f64(u, u->options);
    return EBB_OK;
}

static const struct ebb_optim_type plain = {"sgd", 0, sizeof(ebb_sgd_options), update};
static const struct ebb_optim_type with_momentum = {"sgd", 1, sizeof(ebb_sgd_options), update};

ebb_optim *(ebb_sgd)(ebb_list parameters, ebb_sgd_options options) {
    const char *wrong = !(options.momentum >= 0)       ? "momentum must not be negative"
                        : !(options.weight_decay >= 0) ? "weight_decay must not be negative"
                        : options.nesterov && (options.momentum <= 0 || options.dampening != 0)
                            ? "nesterov needs momentum and no dampening"
                            : NULL;
    if (wrong) {
        ebb_fail(EBB_ERR_ARGUMENT, "sgd: %s", wrong);
        return NULL;
    }
    double lr = options.lr == 0 ? 1e-3 : options.lr == EBB_OPTIM_ZERO ? 0 : options.lr;
    return ebb_optim_new(options.momentum > 0 ? &with_momentum : &plain, parameters, lr, &options);
}
