/* Neural networks: first values of parameters. The layers themselves are operators (ebb_linear, ebb_relu, …). */
#ifndef EBB_NN_H
#define EBB_NN_H

#include <ebb/opdef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Both fill t in place from the thread's random numbers (ebb_manual_seed), unrecorded also when t requires gradients,
 * and return t. t must be floating-point (EBB_ERR_DTYPE) and contiguous (EBB_ERR_ARGUMENT). */

/* Uniform in [low, high). torch.nn.init.uniform_ */
EBB_API ebb_tensor *ebb_init_uniform_(ebb_tensor *t, double low, double high);
#define ebb_init_uniform_(t, low, high) ebb_init_uniform_(EBB_AT(t), low, high)

typedef struct ebb_init_kaiming_options {
    double a;     /* the negative slope of the leaky ReLU that follows; 0 is ReLU */
    bool fan_out; /* keep the variance of gradients instead of that of values */
    int ebb__at;
} ebb_init_kaiming_options;

/* Uniform in ±sqrt(6 / ((1 + a²) fan)), which keeps the variance through layers with ReLUs (He et al. 2015). fan is,
 * for a weight (out, in, …), the number of inputs of one output. EBB_ERR_SHAPE for fewer than two dimensions.
 * What torch.nn.Linear begins with: weight by .a = sqrt(5), and bias uniform in ±1/sqrt(in):
 *     ebb_init_kaiming_uniform_(weight, .a = sqrt(5));
 * torch.nn.init.kaiming_uniform_ */
EBB_API ebb_tensor *ebb_init_kaiming_uniform_(ebb_tensor *t, ebb_init_kaiming_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_init_kaiming_uniform_(...) ((void)EBB_HERE, ebb_init_kaiming_uniform_(__VA_ARGS__))
#else
#define ebb_init_kaiming_uniform_(...) ebb__init_kaiming_uniform_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__init_kaiming_uniform_(t, ...) ebb_init_kaiming_uniform_(EBB_AT(t), (ebb_init_kaiming_options){__VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif
#endif
