/* Automatic mixed precision: products in 16 bits, what needs it in float32. docs/howto/mixed-precision.md is the
 * guide. */
#ifndef EBB_AUTOCAST_H
#define EBB_AUTOCAST_H

#include <ebb/debug.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ebb_autocast_options {
    int ebb__at;
    ebb_dtype dtype; /* the lower precision: bfloat16, the default, or float16 */
    bool disabled;   /* calls see their inputs as they are: for a part of a block where autocast is on */
    bool no_cache;   /* do not keep the casts of parameters; see below */
} ebb_autocast_options;

/* While this is open, calls of this thread cast their floating-point inputs first, as the operator's `.autocast` says
 * (the table is in docs/howto/mixed-precision.md, and PyTorch's for the CPU):
 *     EBB_AUTOCAST_LOW: to the lower precision: matrix products, convolutions, attention
 *     EBB_AUTOCAST_F32: to float32: losses, factorizations, prod
 *     EBB_AUTOCAST_WIDEST: to float32 if an input is float32, else to the lower precision: cat, stack, index_copy
 *     EBB_AUTOCAST_NONE: as they are: all others, and a user's own
 * float64, integers, numbers and what is called in place are left alone. What an operator is computed by is not cast
 * again; the parts of a composition without a policy are cast each for itself.
 *
 * Casts are recorded (ToCopyBackward0), so that the gradient of a float32 leaf is float32. A leaf that requires
 * gradients is cast once: the result is kept until the outermost block is closed, and made anew when the leaf has been
 * written since. Parameters, gradients and the optimizer's state stay float32; the step belongs outside of the block.
 *     EBB_AUTOCAST() { loss = ebb_mse_loss(ebb_linear(x, w), y); }
 *     ebb_backward(loss);
 * A backward pass suspends autocast: rules compute in the dtypes that forward had, whether the pass is started inside
 * of the block or outside. A checkpoint's function is called again with the mode that its first call had.
 *
 * Errors: EBB_ERR_DTYPE for another dtype; the block is not entered then. torch.autocast("cpu") */
EBB_API ebb_mode ebb_autocast_open(ebb_autocast_options options EBB_DEFAULT);
EBB_API void ebb_autocast_close(ebb_mode *mode);

/* Whether calls are cast now, and to which lower precision: EBB_DTYPE_NONE when they are not.
 * torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu") */
EBB_API bool ebb_is_autocast_enabled(void);
EBB_API ebb_dtype ebb_autocast_dtype(void);

#if defined(__GNUC__)
/* A block; options in parentheses, which may be empty: EBB_AUTOCAST(.dtype = EBB_F16) { ... } */
#define EBB_AUTOCAST(...) EBB__MODE_LINE(ebb_autocast_open(__VA_ARGS__), ebb_autocast_close, __LINE__)
#endif
#ifndef __cplusplus
#define ebb_autocast_open(...) ebb_autocast_open((ebb_autocast_options){.ebb__at = EBB_HERE, __VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif
#endif
