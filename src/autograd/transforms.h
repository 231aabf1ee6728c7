/* What the functional transforms share: a function run on inputs that it can be differentiated by. */
#ifndef EBB_AUTOGRAD_TRANSFORMS_H
#define EBB_AUTOGRAD_TRANSFORMS_H

#include "record/node.h"
#include <ebb/transforms.h>

/* Call a function and check what it returns. *ret_out is its results, owned by the scope; on failure there are none. */
ebb_status ebb__function_call(const char *op, ebb_function function, void *context, ebb_list inputs,
                              ebb_outputs *ret_out);

/* ebb_jvp, with NULL for the tangents of results that do not depend on the inputs that have one. Results are in the
 * innermost scope. */
ebb_status ebb__jvp(const char *op, ebb_function function, void *context, ebb_list inputs, ebb_list tangents,
                    ebb_outputs *ret_out, ebb_outputs *ret_tangents);

/* ebb_value_and_grad, of another name in errors. */
ebb_status ebb__value_and_grad(const char *op, ebb_function function, void *context, ebb_list inputs,
                               ebb_outputs *ret_out, ebb_tensor **ret_grads, const ebb_transform_options *options);

/* Which inputs are differentiated by: *ret_wanted [inputs.n], to be freed with inputs.n bytes. */
ebb_status ebb__wanted_inputs(const char *op, ebb_list inputs, const ebb_dims *argnums, bool **ret_wanted);

/* A run of a function on inputs of its own. Between open and close results live in the scope that was open. */
struct ebb__run {
    const char *op;
    int64_t n;       /* inputs */
    ebb_tensor **in; /* [n] as the function sees them */
    int64_t n_x;     /* those that are differentiated by */
    ebb_tensor **x;  /* [n_x] */
    int64_t *at;     /* [n_x] their places in `in` */
    size_t bytes;
    ebb_outputs out; /* with the history that leads to x */
    bool recorded;   /* whether what is computed from here on has a place in a graph round this one */
};

ebb_status ebb__run_open(struct ebb__run *r, const char *op, ebb_function function, void *context, ebb_list inputs,
                         const ebb_dims *argnums);
void ebb__run_close(struct ebb__run *r);

/* The gradients of `outputs` along `vectors` (NULL entries: nothing) by r->x, in ret [r->n]: NULL where nothing
 * flowed. The graph is kept. Batched: vectors and gradients have a dimension in front for many of them. */
ebb_status ebb__run_pull(struct ebb__run *r, ebb_list outputs, ebb_list vectors, bool recorded, bool batched,
                         ebb_tensor **ret);

/* A tensor of this run as the caller gets it: without the history inside, when there is none outside. In the scope;
 * NULL for NULL. And all results of the function. */
ebb_tensor *ebb__run_give(const struct ebb__run *r, ebb_tensor *t);
ebb_status ebb__run_results(const struct ebb__run *r, ebb_outputs *ret_out);

/* NULL entries of wanted inputs become zeros, or with strict an error. */
ebb_status ebb__run_materialize(struct ebb__run *r, bool strict, ebb_tensor **grads);

/* Whether t, or what it carries at any level, was computed from a tensor that requires gradients. */
bool ebb__has_history(const ebb_tensor *t);

/* Close a scope, but let the one round it own these tensors (entries may be NULL). On failure they are released. */
ebb_status ebb__hand_out(ebb_scope *scope, ebb_tensor **t, int64_t n);

/* vmap.c: ebb_grad with batched grad_outputs. */
ebb_status ebb__grad_batched(ebb_list outputs, ebb_list inputs, ebb_tensor **ret_grads, ebb_grad_options options);

/* forward.c: the tangent of t at a level, its own or the part of its base's; borrowed, NULL when none. */
struct ebb__level;
ebb_tensor *ebb__tangent_of(ebb_tensor *t, struct ebb__level *level);

#endif
