/* Finding what is wrong: the first NaN, gradients that leak through masks, what the graph holds in memory, tensors that
 * outlive their use, and reference cycles. docs/debugging.md is the guide. */
#ifndef EBB_DEBUG_H
#define EBB_DEBUG_H

#include <ebb/autograd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A mode of the thread while it is open: what was before. */
typedef struct ebb_mode {
    uint32_t before;
    bool open;
} ebb_mode;

/* ---- the first NaN or infinity ---- */

typedef struct ebb_anomaly_options {
    int ebb__at;
    bool nan_only;      /* do not report infinities */
    bool backward_only; /* look at gradients only; with nan_only: what PyTorch's mode does */
} ebb_anomaly_options;

/* Report the first NaN or infinity as the error of the call that made it, EBB_ERR_NONFINITE: in forward the operator
 * that computed it, in backward the rule, with the line of the call that it differentiates; the first element that is
 * one, and what it was computed from, so far as that tells: which inputs were bad already, or what they are at that
 * element. The results of operators are looked at, and the gradients that rules give, not what an operator or a rule
 * computes on the way. An infinity is not reported where one was among the inputs, or given as a number: masks of -inf
 * are meant. What is made and not computed (ebb_full, ebb_empty), and views, are not looked at.
 *
 * The mode is the thread's, and a pass has the mode of the thread that runs it. Looking costs a read of every result:
 * a few percent of a training step.
 *     EBB_DETECT_ANOMALY() {
 *         if (ebb_backward(loss)) return ebb_perror("step");
 *     }
 * torch.autograd.detect_anomaly */
EBB_API ebb_mode ebb_detect_anomaly_open(ebb_anomaly_options options EBB_DEFAULT);
EBB_API void ebb_detect_anomaly_close(ebb_mode *mode);
EBB_API bool ebb_is_anomaly_enabled(void);

/* ---- strong zeros ---- */

/* While this is open, a gradient that is exactly zero stays zero through the rules of a pass that this thread runs,
 * whatever it is multiplied by: 0 * inf and 0 * nan are 0. So a branch that a mask has not selected gives nothing to
 * the gradient, however bad its values are:
 *     EBB_STRONG_ZEROS { ebb_backward(ebb_sum(ebb_where(ebb_gt(x, 0), ebb_sqrt(x), 0))); }    // x->grad is 0 at x = 0
 * It holds element by element for elementwise operators, for whole slices of operators along a dimension (softmax,
 * norm, prod, ...) and for whole gradients of all others. Values of forward are what they are: 0 * nan is nan there.
 * Under create_graph too. Costs a read of every gradient. */
EBB_API ebb_mode ebb_strong_zeros_open(void);
EBB_API void ebb_strong_zeros_close(ebb_mode *mode);

#if defined(__GNUC__)
#define EBB__MODE_LINE(opened, close, line) EBB__MODE_ON(opened, close, line)
#define EBB__MODE_ON(opened, close, line) EBB__MODE_AS(opened, close, close##_##line)
#define EBB__MODE_AS(opened, close, mode) \
    for (ebb_mode mode __attribute__((cleanup(close))) = opened; mode.open; close(&mode))
#define EBB_STRONG_ZEROS EBB__MODE_LINE(ebb_strong_zeros_open(), ebb_strong_zeros_close, __LINE__)
/* A block; options in parentheses, which may be empty: EBB_DETECT_ANOMALY(.nan_only = true) { ... } */
#define EBB_DETECT_ANOMALY(...) EBB__MODE_LINE(ebb_detect_anomaly_open(__VA_ARGS__), ebb_detect_anomaly_close, __LINE__)
#endif
#ifndef __cplusplus
#define ebb_detect_anomaly_open(...) ebb_detect_anomaly_open((ebb_anomaly_options){.ebb__at = 0, __VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif
#endif
