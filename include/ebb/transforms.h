/* Functional transforms: derivatives of functions written as C callbacks.
 *
 * A function is an ebb_function with a context (autograd.h). Every transform runs it on its own copies of the inputs'
 * handles (never of their data), so that neither their .grad nor their graph is touched; what they return belongs to
 * the innermost scope. Inputs that are no floating-point tensors, or NULL, are constants; so is what the context holds.
 *
 * Transforms compose: a function may itself use any of them, ebb_grad and forward mode, to any order. What they return
 * is recorded, as an operator's result is, when recording is on and it depends on a tensor that requires gradients,
 * given as an input or met through the context: that is PyTorch's create_graph, decided by what is needed. Under
 * EBB_NO_GRAD nothing is recorded outside, and they work all the same.
 *
 *     static ebb_status energy(ebb_list in, ebb_outputs *ret_out, void *context) {
 *         (void)context;
 *         ret_out->t[ret_out->n++] = ebb_sum(ebb_mul(ebb_sin(in.t[0]), in.t[1]));
 *         return ebb_error_status();
 *     }
 *     ebb_list h;
 *     if (ebb_hessian(energy, NULL, EBB_LIST(x, w), &h)) return ebb_perror("energy");
 *     ebb_print(h.t[0]);                                    // d2 energy / dx dx, of shape x.shape + x.shape
 */
#ifndef EBB_TRANSFORMS_H
#define EBB_TRANSFORMS_H

#include <ebb/autograd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What most transforms can be told. All zero: PyTorch's defaults. */
typedef struct ebb_transform_options {
    ebb_dims argnums; /* the numbers of the inputs to differentiate by; empty: all that are floating point */
    bool strict;      /* EBB_ERR_GRAPH, instead of zeros, where a result does not depend on an input */
    int ebb__at;
} ebb_transform_options;

/* ---- along a direction, and back ---- */

/* The derivative of a function along a direction: ret_tangents[k] = sum over i of d out[k] / d in[i] * tangents[i],
 * computed with the function's results (ret_out, may be NULL) in one run of it, without a graph. An input whose tangent
 * is NULL is a constant. Shapes and dtypes of tangents are their inputs'.
 *     ebb_outputs dy;
 *     if (ebb_jvp(f, NULL, EBB_LIST(x), EBB_LIST(v), NULL, &dy)) return ebb_perror("f");
 * Errors: EBB_ERR_SHAPE, EBB_ERR_DTYPE for a tangent that does not fit; EBB_ERR_GRAPH for an operator without a rule;
 * whatever the function fails with. torch.func.jvp */
EBB_API ebb_status ebb_jvp(ebb_function function, void *context, ebb_list inputs, ebb_list tangents,
                           ebb_outputs *ret_out, ebb_outputs *ret_tangents);
#define ebb_jvp(...) ((void)EBB_HERE, ebb_jvp(__VA_ARGS__))

/* The derivative of a function at a point, as a linear map that can be applied to many vectors: what ebb_vjp and
 * ebb_linearize return. It belongs to the caller, who gives it back with ebb_linear_map_release(), and holds what
 * backward passes through the function need: about the memory of one graph, for ebb_linearize of two. */
typedef struct ebb_linear_map ebb_linear_map;

/* The image of vectors under the map, stored in `ret`: one tensor for each input of the map's range, as ebb_vjp and
 * ebb_linearize say. A NULL vector is zero. Can be called any number of times, also inside ebb_vmap.
 * Errors: EBB_ERR_ARGUMENT for another number of vectors; EBB_ERR_SHAPE, EBB_ERR_DTYPE for one that does not fit;
 * EBB_ERR_VERSION when what was saved has been overwritten in place since. */
EBB_API ebb_status ebb_linear_map_apply(const ebb_linear_map *map, ebb_list vectors, ebb_tensor **ret);
#define ebb_linear_map_apply(...) ((void)EBB_HERE, ebb_linear_map_apply(__VA_ARGS__))

/* Give the map back. Accepts NULL; returns NULL. */
EBB_API ebb_linear_map *ebb_linear_map_release(ebb_linear_map *map);

/* Run a function (its results in *ret_out, may be NULL) and return its pullback: the map from one vector for each
 * output to one for each input, ret[i] = sum over k of vectors[k] * d out[k] / d in[i]. Inputs that are not
 * differentiated by get NULL.
 *     ebb_outputs y;
 *     ebb_linear_map *pullback;
 *     if (ebb_vjp(f, NULL, EBB_LIST(x, w), &y, &pullback)) return ebb_perror("f");
 *     ebb_tensor *dx[2];
 *     ebb_linear_map_apply(pullback, EBB_LIST(v), dx);
 *     pullback = ebb_linear_map_release(pullback);
 * Errors: EBB_ERR_INDEX, EBB_ERR_DTYPE for argnums; with strict EBB_ERR_GRAPH for an input that no output depends on;
 * whatever the function fails with. torch.func.vjp */
EBB_API ebb_status ebb_vjp(ebb_function function, void *context, ebb_list inputs, ebb_outputs *ret_out,
                           ebb_linear_map **ret_pullback, ebb_transform_options options EBB_DEFAULT);

/* Run a function once and return its derivative as a map from one tangent for each input to one for each output,
 * ret[k] = sum over i of d out[k] / d in[i] * vectors[i]. The function is not run again when the map is applied: each
 * application costs one backward pass through the pass that computed the pullback of a zero vector, since J v is the
 * derivative by g of <J'g, v> (Christianson 1992; Townsend 2017). For one direction ebb_jvp is cheaper.
 * torch.func.linearize, jax.linearize */
EBB_API ebb_status ebb_linearize(ebb_function function, void *context, ebb_list inputs, ebb_outputs *ret_out,
                                 ebb_linear_map **ret_map, ebb_transform_options options EBB_DEFAULT);

/* Run a function whose first output is a scalar and return its gradients, ret_grads[i] = d out[0] / d in[i], NULL for
 * inputs that are not differentiated by. Further outputs are taken along (torch's has_aux).
 *     ebb_tensor *dw[2];
 *     if (ebb_value_and_grad(energy, NULL, EBB_LIST(w, b), &out, dw)) return ebb_perror("energy");
 * Errors as of ebb_vjp, and EBB_ERR_SHAPE for a first output of more than one element. torch.func.grad_and_value */
EBB_API ebb_status ebb_value_and_grad(ebb_function function, void *context, ebb_list inputs, ebb_outputs *ret_out,
                                      ebb_tensor **ret_grads, ebb_transform_options options EBB_DEFAULT);

/* ---- whole Jacobians and Hessians ---- */

/* Reverse mode computes a Jacobian row by row, one vector-Jacobian product for each element of the outputs; forward
 * mode column by column, one Jacobian-vector product for each element of the inputs. */
enum ebb_differentiation {
    EBB_MODE_AUTO = 0, /* what needs fewer products: forward when the inputs have fewer elements than the outputs */
    EBB_MODE_REVERSE,
    EBB_MODE_FORWARD
};

typedef struct ebb_jacobian_options {
    enum ebb_differentiation mode;
    ebb_dims argnums;     /* the numbers of the inputs to differentiate by; empty: all that are floating point */
    bool strict;          /* EBB_ERR_GRAPH, instead of zeros, where an output does not depend on an input */
    ebb_outputs *ret_out; /* the function's results, when they are wanted too */
    bool vectorize;       /* all rows or columns in one pass, as by ebb_vmap, in place of one pass for each */
    int64_t chunk_size;   /* with vectorize: so many at a time, which bounds the memory; 0: all */
    int ebb__at;
} ebb_jacobian_options;

/* The derivative of every output by every input: ret_jacobian->t[k * inputs.n + i] has the shape of output k followed
 * by that of input i; NULL for inputs that are not differentiated by. The list belongs to the innermost scope, as its
 * tensors do.
 *     ebb_list j;
 *     if (ebb_jacobian(f, NULL, EBB_LIST(x), &j, .vectorize = true)) return ebb_perror("f");
 * With vectorize the function, in forward mode, or its derivative, in reverse mode, is computed for a batch of
 * directions at once, with the limits that ebb_vmap has inside. The numbers are the same up to rounding.
 * Errors as of ebb_vjp and ebb_jvp, and EBB_ERR_SHAPE when a shape has more than 8 dimensions; EBB_ERR_DTYPE for an
 * output that is not floating point. torch.func.jacrev, torch.func.jacfwd, torch.autograd.functional.jacobian */
EBB_API ebb_status ebb_jacobian(ebb_function function, void *context, ebb_list inputs, ebb_list *ret_jacobian,
                                ebb_jacobian_options options EBB_DEFAULT);

typedef struct ebb_hessian_options {
    enum ebb_differentiation outer; /* of the gradient; EBB_MODE_AUTO: forward */
    enum ebb_differentiation inner; /* of the function; EBB_MODE_AUTO: reverse */
    ebb_dims argnums;
    bool strict;    /* also when the gradient by one input does not depend on another: the function is linear in it */
    bool vectorize; /* as of ebb_jacobian */
    int64_t chunk_size;
    int ebb__at;
} ebb_hessian_options;

/* The second derivatives of a function whose one output is a scalar: ret_hessian->t[i * inputs.n + j] has the shape of
 * input i followed by that of input j; at most 16 inputs. The default, forward over reverse, costs about one gradient
 * for each element of the inputs (Griewank & Walther 2008, ch. 5). torch.func.hessian */
EBB_API ebb_status ebb_hessian(ebb_function function, void *context, ebb_list inputs, ebb_list *ret_hessian,
                               ebb_hessian_options options EBB_DEFAULT);

/* ---- products with the Hessian ---- */

/* H v without H, for a function whose first output is a scalar: ret_hvp[i] = sum over j of d2 out[0] / d in[i] d in[j]
 * * vectors[j], for about twice the cost of a gradient. Forward over reverse, the gradient differentiated along
 * `vectors` (Pearlmutter 1994, "Fast exact multiplication by the Hessian"). A NULL vector is zero, and its input is
 * still differentiated by. ret_grads, the gradient itself, may be NULL. torch.autograd.functional.hvp */
EBB_API ebb_status ebb_hvp(ebb_function function, void *context, ebb_list inputs, ebb_list vectors,
                           ebb_tensor **ret_grads, ebb_tensor **ret_hvp, ebb_transform_options options EBB_DEFAULT);

/* v'H, by reverse over reverse: the gradient of <gradient, v>. The same numbers as ebb_hvp wherever the second
 * derivatives are continuous, for more memory; it needs no forward rule. torch.autograd.functional.vhp */
EBB_API ebb_status ebb_vhp(ebb_function function, void *context, ebb_list inputs, ebb_list vectors,
                           ebb_tensor **ret_grads, ebb_tensor **ret_vhp, ebb_transform_options options EBB_DEFAULT);

/* ---- many at once ---- */

#define EBB_UNBATCHED INT64_MIN /* in in_dims: an input that every sample gets as it is */

/* What random operators do inside ebb_vmap. */
enum ebb_vmap_randomness {
    EBB_VMAP_RANDOM_ERROR = 0, /* fail */
    EBB_VMAP_RANDOM_DIFFERENT, /* draw numbers for each sample */
    EBB_VMAP_RANDOM_SAME       /* draw once, for all samples */
};

typedef struct ebb_vmap_options {
    /* The dimension that each input is batched along, EBB_INTS(0, EBB_UNBATCHED); one entry stands for all, and so does
     * none for 0. An input that is NULL needs no entry. */
    ebb_ints in_dims;
    ebb_ints out_dims; /* where the batch goes in each output; one entry stands for all, and so does none for 0 */
    enum ebb_vmap_randomness randomness;
    int ebb__at;
} ebb_vmap_options;

/* Run a function written for one sample once for a whole batch. The function gets inputs without the batched
 * dimension; inside, every operator called with what depends on them computes all samples in one call, where it has a
 * rule for that, and else one after another. A result that is the same for all samples is repeated.
 *     static ebb_status score(ebb_list in, ebb_outputs *ret_out, void *context) {      // of one vector
 *         (void)context;
 *         ret_out->t[ret_out->n++] = ebb_dot(ebb_tanh(in.t[0]), in.t[1]);
 *         return ebb_error_status();
 *     }
 *     ebb_outputs y;                                              // x [n, d], b [d]: y.t[0] [n]
 *     if (ebb_vmap(score, NULL, EBB_LIST(x, b), &y, .in_dims = EBB_INTS(0, EBB_UNBATCHED))) return ebb_perror("score");
 * It nests, and composes with gradients and forward mode in any order: a gradient inside is the gradient of each
 * sample. Inside, what differs between samples has no value to look at: ebb_item, ebb_tensor_data and operators whose
 * result's shape depends on values (ebb_nonzero, ebb_masked_select, ebb_unique) fail, and it cannot be written in place
 * into what is the same for all. Results are the loop's up to rounding.
 * Errors: EBB_ERR_ARGUMENT for in_dims or out_dims of a wrong count, when no input is batched, and inside for what is
 * not possible there; EBB_ERR_INDEX for a dimension that is not there; EBB_ERR_SHAPE for batches of different sizes,
 * and for more than 8 dimensions with the batch; whatever the function fails with. torch.func.vmap, jax.vmap */
EBB_API ebb_status ebb_vmap(ebb_function function, void *context, ebb_list inputs, ebb_outputs *ret_out,
                            ebb_vmap_options options EBB_DEFAULT);

#ifdef __cplusplus
#define ebb_vmap(...) (EBB_HERE, ebb_vmap(__VA_ARGS__))
#define ebb_vjp(...) (EBB_HERE, ebb_vjp(__VA_ARGS__))
#define ebb_linearize(...) (EBB_HERE, ebb_linearize(__VA_ARGS__))
#define ebb_value_and_grad(...) (EBB_HERE, ebb_value_and_grad(__VA_ARGS__))
#define ebb_jacobian(...) (EBB_HERE, ebb_jacobian(__VA_ARGS__))
#define ebb_hessian(...) (EBB_HERE, ebb_hessian(__VA_ARGS__))
#define ebb_hvp(...) (EBB_HERE, ebb_hvp(__VA_ARGS__))
#define ebb_vhp(...) (EBB_HERE, ebb_vhp(__VA_ARGS__))
#else
/* a macro for each, that takes the options as keywords */
#define ebb_vmap(...) ebb__vmap_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__vmap_(f, context, inputs, out, ...) ebb_vmap(f, context, inputs, out, (ebb_vmap_options){__VA_ARGS__})
#define ebb_vjp(...) ebb__vjp_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__vjp_(f, context, inputs, out, map, ...) \
    ebb_vjp(f, context, inputs, out, map, (ebb_transform_options){__VA_ARGS__})
#define ebb_linearize(...) ebb__linearize_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__linearize_(f, context, inputs, out, map, ...) \
    ebb_linearize(f, context, inputs, out, map, (ebb_transform_options){__VA_ARGS__})
#define ebb_value_and_grad(...) ebb__value_and_grad_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__value_and_grad_(f, context, inputs, out, grads, ...) \
    ebb_value_and_grad(f, context, inputs, out, grads, (ebb_transform_options){__VA_ARGS__})
#define ebb_jacobian(...) ebb__jacobian_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__jacobian_(f, context, inputs, jacobian, ...) \
    ebb_jacobian(f, context, inputs, jacobian, (ebb_jacobian_options){__VA_ARGS__})
#define ebb_hessian(...) ebb__hessian_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__hessian_(f, context, inputs, hessian, ...) \
    ebb_hessian(f, context, inputs, hessian, (ebb_hessian_options){__VA_ARGS__})
#define ebb_hvp(...) ebb__hvp_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__hvp_(f, context, inputs, vectors, grads, hvp, ...) \
    ebb_hvp(f, context, inputs, vectors, grads, hvp, (ebb_transform_options){__VA_ARGS__})
#define ebb_vhp(...) ebb__vhp_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__vhp_(f, context, inputs, vectors, grads, vhp, ...) \
    ebb_vhp(f, context, inputs, vectors, grads, vhp, (ebb_transform_options){__VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif
#endif
