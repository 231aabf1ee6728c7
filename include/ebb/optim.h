/* Optimizers: what turns gradients into better parameters. An optimizer is a constant struct (name, state, update of
 * one parameter); those built in are SGD, Adam and AdamW, and a user's own has the same face. */
#ifndef EBB_OPTIM_H
#define EBB_OPTIM_H

#include <ebb/opdef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ebb_optim ebb_optim;

/* In options 0 means PyTorch's default. Where that is not zero, EBB_OPTIM_ZERO asks for zero itself:
 * ebb_adamw(list, .weight_decay = EBB_OPTIM_ZERO). */
#define EBB_OPTIM_ZERO (-1.0)

/* ---- the optimizers ----
 * Each takes the parameters (leaves that require gradients; contiguous, each once), keeps them until ebb_optim_free(),
 * and returns NULL with an error when something does not fit: EBB_ERR_ARGUMENT, EBB_ERR_GRAPH, EBB_ERR_DTYPE.
 *     ebb_optim *optim = ebb_sgd(EBB_LIST(w, b), .lr = 0.1, .momentum = 0.9);
 *     for (…) {
 *         ebb_optim_zero_grad(optim);
 *         ebb_backward(loss(w, b));
 *         if (ebb_optim_step(optim)) return ebb_perror("training");
 *     }
 *     ebb_optim_free(optim); */

/* Stochastic gradient descent with momentum (Sutskever et al. 2013 for Nesterov's). torch.optim.SGD:
 * g += weight_decay p;  v = momentum v + (1 - dampening) g, at first v = g;  g = nesterov ? g + momentum v : v;
 * p -= lr g */
typedef struct ebb_sgd_options {
    double lr; /* learning rate, 1e-3 */
    double momentum, dampening, weight_decay;
    bool nesterov;
    int ebb__at;
} ebb_sgd_options;
EBB_API ebb_optim *ebb_sgd(ebb_list parameters, ebb_sgd_options options EBB_DEFAULT);

/* Adam (Kingma and Ba 2015). torch.optim.Adam: g += weight_decay p;
 * m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g²;
 * p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) */
typedef struct ebb_adam_options {
    double lr;           /* 1e-3 */
    double beta1, beta2; /* 0.9, 0.999 */
    double eps;          /* 1e-8 */
    double weight_decay; /* Adam 0; AdamW 0.01 */
    int ebb__at;
} ebb_adam_options;
EBB_API ebb_optim *ebb_adam(ebb_list parameters, ebb_adam_options options EBB_DEFAULT);

/* AdamW (Loshchilov and Hutter 2019): Adam, with p -= lr weight_decay p first, instead of adding to g.
 * torch.optim.AdamW */
EBB_API ebb_optim *ebb_adamw(ebb_list parameters, ebb_adam_options options EBB_DEFAULT);

#ifdef __cplusplus
#define ebb_sgd(...) ((void)EBB_HERE, ebb_sgd(__VA_ARGS__))
#define ebb_adam(...) ((void)EBB_HERE, ebb_adam(__VA_ARGS__))
#define ebb_adamw(...) ((void)EBB_HERE, ebb_adamw(__VA_ARGS__))
#else
#define ebb_sgd(...) ebb__sgd_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__sgd_(parameters, ...) ebb_sgd(parameters, (ebb_sgd_options){__VA_ARGS__})
#define ebb_adam(...) ebb__adam_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__adam_(parameters, ...) ebb_adam(parameters, (ebb_adam_options){__VA_ARGS__})
#define ebb_adamw(...) ebb__adamw_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__adamw_(parameters, ...) ebb_adamw(parameters, (ebb_adam_options){__VA_ARGS__})
#endif

/* ---- using one ---- */

/* Update every parameter that has a gradient; others stay as they are. Not recorded. optimizer.step() */
EBB_API ebb_status ebb_optim_step(ebb_optim *optim);
#define ebb_optim_step(...) ((void)EBB_HERE, ebb_optim_step(__VA_ARGS__))

/* Forget the gradients of all parameters (they become NULL, not zero). optimizer.zero_grad() */
EBB_API ebb_status ebb_optim_zero_grad(ebb_optim *optim);
#define ebb_optim_zero_grad(...) ((void)EBB_HERE, ebb_optim_zero_grad(__VA_ARGS__))

/* The learning rate, and another one from the next step on (schedules). */
EBB_API double ebb_optim_lr(const ebb_optim *optim);
EBB_API ebb_status ebb_optim_set_lr(ebb_optim *optim, double lr);
#define ebb_optim_set_lr(...) ((void)EBB_HERE, ebb_optim_set_lr(__VA_ARGS__))

EBB_API const char *ebb_optim_name(const ebb_optim *optim); /* "sgd" */

/* What the optimizer remembers of parameter i: tensor k of its state, shaped as the parameter, borrowed; SGD's v is 0,
 * Adam's m and v are 0 and 1. NULL before the parameter's first step, and out of range. */
EBB_API ebb_tensor *ebb_optim_state(const ebb_optim *optim, int64_t i, int k);

/* Accepts NULL; returns NULL. */
EBB_API ebb_optim *ebb_optim_free(ebb_optim *optim);

/* ---- an optimizer of one's own ---- */

#define EBB_OPTIM_MAX_STATE 4

/* The update of one parameter. All arrays are contiguous, of n elements of `dtype`: the parameter's, or float32 for a
 * 16-bit one, which is converted there and back. */
struct ebb_optim_update {
    const void *options;
    double lr;
    int64_t t; /* 1 in the parameter's first step */
    ebb_dtype dtype;
    int64_t n;
    void *parameter;
    const void *grad;
    void *state[EBB_OPTIM_MAX_STATE]; /* zeros in the first step */
};

struct ebb_optim_type {
    const char *name;
    int n_state;         /* tensors of state a parameter */
    size_t options_size; /* of the options, which are copied */
    ebb_status (*update)(const struct ebb_optim_update *u);
};

/* An optimizer of any type; `type` must live as long as it. */
EBB_API ebb_optim *ebb_optim_new(const struct ebb_optim_type *type, ebb_list parameters, double lr,
                                 const void *options);
#define ebb_optim_new(...) ((void)EBB_HERE, ebb_optim_new(__VA_ARGS__))

#ifdef __cplusplus
}
#endif
#endif
