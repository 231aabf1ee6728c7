/* Differentiation: backward passes, gradients, grad modes, hooks, and walking the recorded graph. */
#ifndef EBB_AUTOGRAD_H
#define EBB_AUTOGRAD_H

#include <ebb/opdef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is differentiated ---- */

/* Set whether a leaf tensor gathers gradients; returns t. Only floating-point tensors can (EBB_ERR_DTYPE), and only
 * leaves can be switched off (EBB_ERR_GRAPH). t.requires_grad_() */
EBB_API ebb_tensor *ebb_requires_grad_(ebb_tensor *t, bool requires_grad);
#define ebb_requires_grad_(...) ((void)EBB_HERE, ebb_requires_grad_(__VA_ARGS__))

/* The gradient accumulated in a leaf (or in a tensor with ebb_retain_grad), borrowed: it lives as long as t keeps it.
 * NULL, without an error, when there is none. t.grad */
EBB_API ebb_tensor *ebb_tensor_grad(const ebb_tensor *t);

/* Replace the gradient; NULL clears it. The shape and dtype must be t's. t.grad = g */
EBB_API ebb_status ebb_set_grad(ebb_tensor *t, ebb_tensor *grad);
#define ebb_set_grad(...) ((void)EBB_HERE, ebb_set_grad(__VA_ARGS__))

/* Keep the gradient of a tensor that is not a leaf whenever a backward pass goes through it: what its hooks made of it,
 * as a copy, added to that of earlier passes in a new tensor. Does nothing for a leaf. t.retain_grad() */
EBB_API ebb_status ebb_retain_grad(ebb_tensor *t);
#define ebb_retain_grad(...) ((void)EBB_HERE, ebb_retain_grad(__VA_ARGS__))

/* A tensor that shares t's storage and is cut off from its graph. t.detach() */
EBB_API ebb_tensor *ebb_detach(ebb_tensor *t);
#define ebb_detach(t) ebb_detach(EBB_AT(t))

/* Cut t itself off from its graph: a leaf afterwards, that requires no gradients. Shape, dtype, data and version stay.
 * What was computed from t keeps the history, and so do views that had one; hooks stay with the value, a retained
 * gradient is not updated any more, a tangent is gone.
 *     ebb_detach_(h);                                 truncated backpropagation: h is where the next part begins
 * Ownership: returns t itself, as borrowed as it was given; NULL on failure, which leaves t as it was.
 * Errors: EBB_ERR_ARGUMENT for NULL; EBB_ERR_GRAPH for views, which would get a history again from their base, and for
 * what stands for a batch inside ebb_vmap: use ebb_detach. t.detach_() */
EBB_API ebb_tensor *ebb_detach_(ebb_tensor *t);
#define ebb_detach_(t) ebb_detach_(EBB_AT(t))

/* From now on self has source's storage, shape and strides: they share their data. Otherwise self stays what it is: a
 * leaf, with its gradient (that of another shape is to be cleared, ebb_set_grad), its hooks and its name. This counts
 * as a write: what a node has saved of self is not used any more. Views of self, and what else shared its storage,
 * stay with the old one.
 *     EBB_NO_GRAD { ebb_set_(w, ebb_cat(EBB_LIST(w, rows), 0)); }      the parameter w gets more rows
 * Ownership: returns self itself, as borrowed as it was given; NULL on failure, which leaves self as it was. source is
 * borrowed: self takes a reference to its storage, which lives as long as either of them.
 * Errors: EBB_ERR_ARGUMENT for NULL, and for numbers, which have no storage to share; EBB_ERR_DTYPE when the dtypes
 * differ; EBB_ERR_GRAPH when self is a view, or an inference tensor outside of inference mode, when one of them carries
 * a tangent or a batch, and while recording when self or source requires gradients, since there is no derivative;
 * EBB_ERR_MEMORY. t.set_(source), and under EBB_NO_GRAD t.data = source */
EBB_API ebb_tensor *ebb_set_(ebb_tensor *self, ebb_tensor *source);
#define ebb_set_(...) ((void)EBB_HERE, ebb_set_(__VA_ARGS__))

/* ---- backward and grad ---- */

/* Where gradients of a tensor are sent: an output of a node. Stands for the tensor where that need not be kept, as long
 * as the node is: by tensors computed from it, or ebb_node_keep. torch.autograd.graph.GradientEdge */
typedef struct ebb_edge {
    ebb_node *node; /* borrowed */
    int64_t output;
} ebb_edge;
typedef struct ebb_edges {
    int64_t n;
    const ebb_edge *e;
} ebb_edges;

/* EBB_EDGES(a, b): a list of edges, as EBB_LIST is of tensors. */
#ifdef __cplusplus
} /* extern "C" */
inline ebb_edges ebb__edges(std::initializer_list<ebb_edge> e) { return ebb_edges{(int64_t)e.size(), e.begin()}; }
#define EBB_EDGES(...) ebb__edges({__VA_ARGS__})
extern "C" {
#else
#define EBB_EDGES(...) \
    EBB_LITERAL(ebb_edges, (int64_t)(sizeof((ebb_edge[]){__VA_ARGS__}) / sizeof(ebb_edge)), (ebb_edge[]){__VA_ARGS__})
#endif

/* The edge of t; its node is NULL when t does not require gradients. torch.autograd.graph.get_gradient_edge */
EBB_API ebb_edge ebb_gradient_edge(const ebb_tensor *t);

typedef struct ebb_backward_options {
    ebb_tensor *gradient;  /* dL/dt, needed when t has more than one element; NULL is 1 */
    bool retain_graph;     /* keep what was saved, for another pass */
    bool create_graph;     /* record the pass itself, for higher derivatives (and keep the graph) */
    ebb_list inputs;       /* accumulate into these only; empty: into every leaf */
    ebb_edges input_edges; /* and into the leaves of these; the nodes of others are run, and nothing is stored */
    int ebb__at;
} ebb_backward_options;

/* Add dt/dleaf to the .grad of every leaf that t was computed from: vector-Jacobian products, from t back to the
 * leaves.
 *     if (ebb_backward(loss)) return ebb_perror("training step");
 *     ebb_backward(y, .gradient = g, .retain_graph = true);
 * Errors: EBB_ERR_GRAPH when t does not require gradients or is not a scalar and no gradient is given; EBB_ERR_SHAPE,
 * EBB_ERR_DTYPE for a gradient that does not fit; EBB_ERR_FREED for a second pass; EBB_ERR_VERSION for saved tensors
 * that were overwritten. Passes of several threads may run
 * at once, over one graph too when each of them retains it.
 *
 * Where gradients go: a leaf that has none takes the new one over when nobody else has it, and a copy of it otherwise,
 * laid out in memory as the leaf is where that is without gaps; to one that it has the new one is added in place, or
 * under create_graph by a recorded sum that replaces it. `inputs` that are no leaves retain their gradient from then
 * on, as by ebb_retain_grad, which is replaced by a new sum each time. torch.Tensor.backward */
EBB_API ebb_status ebb_backward(ebb_tensor *t, ebb_backward_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_backward(...) (EBB_HERE, ebb_backward(__VA_ARGS__))
#else
#define ebb_backward(...) ebb__backward_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__backward_(t, ...) ebb_backward(EBB_AT(t), (ebb_backward_options){__VA_ARGS__})
#endif

typedef struct ebb_backward_list_options {
    ebb_list gradients; /* one a root, NULL entries for 1; empty when all roots are scalars */
    bool retain_graph, create_graph;
    ebb_list inputs;
    ebb_edges root_edges; /* further roots, whose gradients follow; `roots` may be empty then */
    ebb_edges input_edges;
    int ebb__at;
} ebb_backward_list_options;

/* The same from several tensors at once, in one pass: the gradients of their sum, each weighted with its entry of
 * .gradients. A tensor may be there more than once, and then counts as often.
 *     ebb_backward_list(EBB_LIST(loss, y), .gradients = EBB_LIST(NULL, g));
 * torch.autograd.backward */
EBB_API ebb_status ebb_backward_list(ebb_list roots, ebb_backward_list_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_backward_list(...) (EBB_HERE, ebb_backward_list(__VA_ARGS__))
#else
#define ebb_backward_list(...) ebb__backward_list_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__backward_list_(roots, ...) ebb_backward_list(roots, (ebb_backward_list_options){__VA_ARGS__})
#endif

typedef struct ebb_grad_options {
    ebb_list grad_outputs; /* one a output, NULL entries for 1; empty when all outputs are scalars */
    bool retain_graph, create_graph;
    bool allow_unused;      /* NULL instead of an error for an input that no output depends on */
    bool materialize_grads; /* zeros instead */
    ebb_edges output_edges; /* further outputs, whose grad_outputs follow; `outputs` may be empty then */
    ebb_edges input_edges;  /* further inputs, whose gradients follow in ret_grads; `inputs` may be empty then */
    /* grad_outputs, one for each output, have a dimension more in front: a batch of vectors, and so have the gradients.
     * One pass for all, as inside ebb_vmap (transforms.h). */
    bool is_grads_batched;
    int ebb__at;
} ebb_grad_options;

/* The gradients of the sum of outputs with respect to inputs, stored in ret_grads [inputs.n + input_edges.n] and owned
 * by the innermost scope; .grad fields are not touched.
 *     ebb_tensor *dx;
 *     ebb_grad(EBB_LIST(loss), EBB_LIST(x), &dx, .create_graph = true);
 *     ebb_tensor *five = ebb_randn(EBB_DIMS(5, 3, 3)), *of_each;
 *     ebb_grad(EBB_LIST(y), EBB_LIST(x), &of_each, .grad_outputs = EBB_LIST(five), .is_grads_batched = true);
 * Errors as for ebb_backward, and EBB_ERR_GRAPH for an input that was not used; batched, EBB_ERR_SHAPE and
 * EBB_ERR_ARGUMENT for grad_outputs that are not there or are not batched alike. torch.autograd.grad */
EBB_API ebb_status ebb_grad(ebb_list outputs, ebb_list inputs, ebb_tensor **ret_grads,
                            ebb_grad_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_grad(...) (EBB_HERE, ebb_grad(__VA_ARGS__))
#else
#define ebb_grad(...) ebb__grad_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__grad_(outputs, inputs, ret_grads, ...) \
    ebb_grad(outputs, inputs, ret_grads, (ebb_grad_options){__VA_ARGS__})
#endif

/* ---- functions ---- */

#define EBB_FUNCTION_MAX_OUT 16

/* The results of a function. */
typedef struct ebb_outputs {
    int64_t n;
    ebb_tensor *t[EBB_FUNCTION_MAX_OUT]; /* owned by the innermost scope, as operators return them */
} ebb_outputs;

/* A function from tensors to tensors: computes `ret_out` (all zero at the call) from `in`. A status other than EBB_OK
 * ends what called it. */
typedef ebb_status (*ebb_function)(ebb_list in, ebb_outputs *ret_out, void *context);

/* ---- forward mode ---- */

/* Forward mode by hand; ebb_jvp (transforms.h) is the same for a function. Inside a level, duals carry a tangent along
 * with their value, through every operator, in place too; levels nest, and one that is closed takes its tangents away.
 * torch.autograd.forward_ad.dual_level
 *     EBB_DUAL_LEVEL {
 *         ebb_tensor *dual = ebb_make_dual(x, v), *dy;
 *         ebb_tensor *y = ebb_unpack_dual(ebb_exp(dual), &dy);
 *         ...
 *     } */
typedef struct ebb_dual_level {
    struct ebb__level *level;
    bool open;
} ebb_dual_level;
EBB_API ebb_dual_level ebb_dual_level_open(void);
EBB_API void ebb_dual_level_close(ebb_dual_level *level);
#if defined(__GNUC__)
#define EBB__DUAL_LEVEL_LINE(line) EBB__DUAL_LEVEL_ON(line)
#define EBB__DUAL_LEVEL_ON(line) EBB__DUAL_LEVEL_AS(ebb__level_on_##line)
#define EBB__DUAL_LEVEL_AS(handle) \
    for (ebb_dual_level handle __attribute__((cleanup(ebb_dual_level_close))) = ebb_dual_level_open(); handle.open; \
         ebb_dual_level_close(&handle))
#define EBB_DUAL_LEVEL EBB__DUAL_LEVEL_LINE(__LINE__)
#endif

/* A view of `primal` that carries a copy of `tangent` (same shape and dtype) at the innermost level.
 * Errors: EBB_ERR_GRAPH when no level is open, EBB_ERR_SHAPE, EBB_ERR_DTYPE. torch.autograd.forward_ad.make_dual */
EBB_API ebb_tensor *ebb_make_dual(ebb_tensor *primal, ebb_tensor *tangent);
#define ebb_make_dual(...) ((void)EBB_HERE, ebb_make_dual(__VA_ARGS__))

/* A view of `dual` without the innermost level's tangent, which goes to *ret_tangent (may be NULL): NULL there when it
 * has none, which means zero. torch.autograd.forward_ad.unpack_dual */
EBB_API ebb_tensor *ebb_unpack_dual(ebb_tensor *dual, ebb_tensor **ret_tangent);
#define ebb_unpack_dual(...) ((void)EBB_HERE, ebb_unpack_dual(__VA_ARGS__))

/* ---- checking gradients ---- */

/* All zero: PyTorch's defaults. */
typedef struct ebb_gradcheck_options {
    double eps; /* the step of the finite differences; 0 means 1e-6 */
    /* Entry by entry |backward - differences| <= atol + rtol * |differences|: EBB_SET(x), EBB_SET(0) too; 1e-5 and 1e-3
     * where they are not given. Along a random direction atol is multiplied with the sum of the sizes of its
     * entries. */
    ebb_setting atol, rtol;
    double nondet_tol; /* how far two backward passes over the same graph may differ: 0, not at all */
    bool forward_mode; /* also compare the Jacobian by ebb_jvp with the one by backward */
    bool fast;         /* one random direction for each input and output instead of every entry of the Jacobian */
    uint64_t seed;     /* of the random directions, and of ebb_gradgradcheck's upstream gradients */
    double *ret_worst; /* [2] the largest |a - b| / max(1, |b|) met, with a by backward and b by differences; and with a
                          by forward mode and b by backward. May be NULL */
    int ebb__at;
} ebb_gradcheck_options;

/* Compare the gradients of a function with central finite differences, (f(x + eps) - f(x - eps)) / (2 eps), entry by
 * entry of the Jacobian of every output that requires gradients by every input that does; when no output does, the
 * differences must be zero. Inputs are written in place while the function is called, and are restored. EBB_OK when
 * all agree.
 *     static ebb_status f(ebb_list in, ebb_outputs *ret_out, void *context) {
 *         (void)context;
 *         ret_out->t[ret_out->n++] = ebb_mul(in.t[0], ebb_sin(in.t[1]));
 *         return ebb_error_status();
 *     }
 *     ...
 *     if (ebb_gradcheck(f, NULL, EBB_LIST(x, w))) return ebb_perror("f");
 * Errors: EBB_ERR_GRAPH when gradients disagree, naming input, output, entry and both values, or when no input requires
 * gradients; EBB_ERR_DTYPE for an input that requires gradients and is not float64, unless eps is given;
 * EBB_ERR_ARGUMENT for one whose elements share memory (expanded), and for a tolerance below 0; whatever the function
 * fails with.
 * torch.autograd.gradcheck */
EBB_API ebb_status ebb_gradcheck(ebb_function function, void *context, ebb_list inputs,
                                 ebb_gradcheck_options options EBB_DEFAULT);

/* The same for second derivatives: checks the gradients of the function's gradients, by its inputs and by random
 * upstream gradients; with forward_mode also by forward mode (forward over reverse), and the gradients of ebb_jvp by
 * the inputs and by random tangents (reverse over forward). torch.autograd.gradgradcheck */
EBB_API ebb_status ebb_gradgradcheck(ebb_function function, void *context, ebb_list inputs,
                                     ebb_gradcheck_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_gradcheck(...) (EBB_HERE, ebb_gradcheck(__VA_ARGS__))
#define ebb_gradgradcheck(...) (EBB_HERE, ebb_gradgradcheck(__VA_ARGS__))
#else
#define ebb_gradcheck(...) ebb__gradcheck_(ebb_gradcheck, __VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb_gradgradcheck(...) ebb__gradcheck_(ebb_gradgradcheck, __VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__gradcheck_(check, function, context, inputs, ...) \
    (check)(function, context, inputs, (ebb_gradcheck_options){__VA_ARGS__})
#endif

/* ---- grad modes of the thread ---- */

/* Whether operators are recorded; true at start. torch.is_grad_enabled, torch.set_grad_enabled (returns what was). */
EBB_API bool ebb_is_grad_enabled(void);
EBB_API bool ebb_set_grad_enabled(bool enabled);

/* Set the mode until the block is closed, which restores what was: for compilers and languages without the blocks
 * below. torch.set_grad_enabled as a context manager */
typedef struct ebb_grad_mode {
    bool before, open;
} ebb_grad_mode;
EBB_API ebb_grad_mode ebb_grad_mode_open(bool enabled);
EBB_API void ebb_grad_mode_close(ebb_grad_mode *mode);

/* Blocks in which nothing is recorded, or in which recording is on again; leaving them in any way restores the mode.
 *     EBB_NO_GRAD { ebb_sub_(w, ebb_mul(ebb_tensor_grad(w), 0.1)); } */
#if defined(__GNUC__)
#define EBB__GRAD_MODE(enabled) EBB__GRAD_MODE_LINE(enabled, __LINE__) /* a name of its own on each line */
#define EBB__GRAD_MODE_LINE(enabled, line) EBB__GRAD_MODE_ON(enabled, line)
#define EBB__GRAD_MODE_ON(enabled, line) EBB__GRAD_MODE_AS(enabled, ebb__mode_on_##line)
#define EBB__GRAD_MODE_AS(enabled, mode) \
    for (ebb_grad_mode mode __attribute__((cleanup(ebb_grad_mode_close))) = ebb_grad_mode_open(enabled); mode.open; \
         ebb_grad_mode_close(&mode))
#define EBB_NO_GRAD EBB__GRAD_MODE(false)
#define EBB_ENABLE_GRAD EBB__GRAD_MODE(true)
#endif

/* Inference mode: no_grad that lasts. What is made in it are inference tensors, also after the block: they cannot be
 * saved for backward, require gradients, or be written in place outside of inference mode (EBB_ERR_GRAPH), unless they
 * are cloned; views and detached tensors of them are such, too. Views made in it of ordinary tensors are ordinary, and
 * cannot be written outside either. Inside, nothing turns recording on but a block with `false`. A backward pass
 * suspends it: gradients are ordinary tensors. torch.inference_mode
 *     EBB_INFERENCE_MODE { y = ebb_scope_hand(model(x)); } */
typedef struct ebb_inference_mode {
    bool grad_before, before, open;
} ebb_inference_mode;
EBB_API ebb_inference_mode ebb_inference_mode_open(bool enabled);
EBB_API void ebb_inference_mode_close(ebb_inference_mode *mode);
#if defined(__GNUC__)
#define EBB__INFERENCE_MODE_LINE(line) EBB__INFERENCE_MODE_ON(line)
#define EBB__INFERENCE_MODE_ON(line) EBB__INFERENCE_MODE_AS(ebb__mode_on_##line)
#define EBB__INFERENCE_MODE_AS(mode) \
    for (ebb_inference_mode mode __attribute__((cleanup(ebb_inference_mode_close))) = ebb_inference_mode_open(true); \
         mode.open; ebb_inference_mode_close(&mode))
#define EBB_INFERENCE_MODE EBB__INFERENCE_MODE_LINE(__LINE__)
#endif
EBB_API bool ebb_is_inference_mode_enabled(void);          /* torch.is_inference_mode_enabled */
EBB_API bool ebb_tensor_is_inference(const ebb_tensor *t); /* t.is_inference() */

/* ---- hooks ----
 * What a pass does when all gradients of a node's outputs have arrived, in this order, which is PyTorch's:
 *     1. the hooks of tensors: ebb_register_hook, ebb_register_multi_grad_hook
 *     2. if the node is to be executed, its pre-hooks: ebb_node_register_prehook
 *     3. .grad of tensors that retain it is updated, with what the tensors' hooks made of it
 *     4. if it is to be executed, the node's rule; for a leaf: .grad is updated
 *     5. of a leaf: ebb_register_post_accumulate_grad_hook
 *     6. the node's post-hooks: ebb_node_register_hook
 * Hooks of one kind run in the order of registration, and see what earlier ones made of a gradient. A node is executed
 * unless it is that of an input of ebb_grad and leads to none. Hooks run with recording on only under create_graph, in
 * a scope of their own. They may register and remove hooks: new ones count from the next node on, removed ones are not
 * called any more. An error is reported with ebb_fail(), and ends the pass: what was retained can be used again.
 * A hook stays with the value it was registered for, also when the tensor is written in place later.
 *
 * All return a handle, 0 on failure. `release(context)` is called once, when the hook was removed or what has it is
 * gone; it may be NULL. EBB_ERR_GRAPH for tensors that do not require gradients. */

typedef uint64_t ebb_hook; /* a handle; 0 is none */

/* Remove a hook of any kind; does nothing when it is gone already. handle.remove() */
EBB_API void ebb_remove_hook(ebb_hook hook);

/* Called with the gradient of a tensor when a pass has computed it, before it goes further; not called where nothing
 * flowed. May return another tensor to replace it (same shape and dtype), or NULL to leave it. */
typedef ebb_tensor *(*ebb_tensor_hook)(ebb_tensor *grad, void *context);

/* t.register_hook */
EBB_API ebb_hook ebb_register_hook(ebb_tensor *t, ebb_tensor_hook hook, void *context, void (*release)(void *context));
#define ebb_register_hook(...) ((void)EBB_HERE, ebb_register_hook(__VA_ARGS__))

/* Called after a gradient was added to the .grad of a leaf: the place for an optimizer's step that lets go of it at
 * once. */
typedef void (*ebb_accumulated_hook)(ebb_tensor *leaf, void *context);

/* EBB_ERR_GRAPH for a tensor that is no leaf. t.register_post_accumulate_grad_hook */
EBB_API ebb_hook ebb_register_post_accumulate_grad_hook(ebb_tensor *t, ebb_accumulated_hook hook, void *context,
                                                        void (*release)(void *context));
#define ebb_register_post_accumulate_grad_hook(...) \
    ((void)EBB_HERE, ebb_register_post_accumulate_grad_hook(__VA_ARGS__))

/* Called once a pass with the gradients of several tensors, in their order; NULL for those that have none. */
typedef void (*ebb_multi_grad_hook)(ebb_list grads, void *context);

enum ebb_multi_grad_mode {
    EBB_MULTI_GRAD_ALL = 0, /* when all have arrived that this pass computes */
    EBB_MULTI_GRAD_ANY      /* when the first has, which alone is not NULL then */
};

/* In mode ANY tensors that do not require gradients are left out. torch.autograd.graph.register_multi_grad_hook */
EBB_API ebb_hook ebb_register_multi_grad_hook(ebb_list tensors, enum ebb_multi_grad_mode mode, ebb_multi_grad_hook hook,
                                              void *context, void (*release)(void *context));
#define ebb_register_multi_grad_hook(...) ((void)EBB_HERE, ebb_register_multi_grad_hook(__VA_ARGS__))

/* Called before a node's rule with the gradients of its outputs, [ebb_node_n_outputs(node)], NULL where nothing flowed.
 * Entries may be replaced. */
typedef void (*ebb_node_prehook)(ebb_node *node, ebb_tensor **grad_outputs, void *context);

/* node.register_prehook */
EBB_API ebb_hook ebb_node_register_prehook(ebb_node *node, ebb_node_prehook hook, void *context,
                                           void (*release)(void *context));
#define ebb_node_register_prehook(...) ((void)EBB_HERE, ebb_node_register_prehook(__VA_ARGS__))

/* Called after it with the gradients of its inputs, [ebb_node_n_inputs(node)], NULL for those that need none, of which
 * entries may be replaced; and those of its outputs. */
typedef void (*ebb_node_hook)(ebb_node *node, ebb_tensor **grad_inputs, ebb_tensor *const *grad_outputs, void *context);

/* node.register_hook */
EBB_API ebb_hook ebb_node_register_hook(ebb_node *node, ebb_node_hook hook, void *context,
                                        void (*release)(void *context));
#define ebb_node_register_hook(...) ((void)EBB_HERE, ebb_node_register_hook(__VA_ARGS__))

/* ---- watching what is recorded ---- */

/* Called in the thread that records, right after the call of an operator has become a node: with its inputs as they
 * were given (the entries of a list one after another, NULL for what is absent; what the call has written in place has
 * its new value) and its outputs. They are borrowed: what is kept longer needs a reference (ebb_keep). Nothing is
 * recorded, and nothing watched, inside; and a view that is being written (in.t[0] is out.t[0] then) must not be asked
 * for its history, which is not complete. */
typedef void (*ebb_watcher)(ebb_node *node, ebb_list in, ebb_list out, void *context);

typedef struct ebb_watch {
    ebb_watcher call;
    void *context;
    struct ebb_watch *outer;
} ebb_watch;

/* Watch what this thread records until the watch is closed; they nest, and all that are open are called, the innermost
 * first. The struct is the caller's, and must stay where it is until then. How a debugger, a tracer or an explanation
 * (ebb_explain) sees the parts of compositions and values that the graph does not save. */
EBB_API void ebb_watch_open(ebb_watch *watch, ebb_watcher call, void *context);
EBB_API void ebb_watch_close(ebb_watch *watch); /* and those that were opened inside it; nothing when it is not open */

/* For watchers: the operator that was called, where what is being recorded is one of the parts that it is composed of,
 * as the products and views of matmul; NULL where the recorded operator was called itself. Of compositions inside of
 * each other the outermost. */
EBB_API const struct ebb_op *ebb_watch_parts_of(void);

/* ---- walking the graph ---- Nodes are borrowed: they live as long as a tensor computed from them. */

/* The operation that computed t, NULL for a leaf. t.grad_fn */
EBB_API ebb_node *ebb_tensor_grad_fn(const ebb_tensor *t);

/* Where gradients of t are sent: its grad_fn, or for a leaf that requires gradients its AccumulateGrad node. NULL
 * otherwise. */
EBB_API ebb_node *ebb_tensor_gradient_node(const ebb_tensor *t);

EBB_API const char *ebb_node_name(const ebb_node *node);        /* "MulBackward0"; AccumulateGrad for leaves */
EBB_API const struct ebb_op *ebb_node_op(const ebb_node *node); /* NULL for AccumulateGrad */
/* the operator's attribute struct, NULL when it has none */
EBB_API const void *ebb_node_attrs(const ebb_node *node);
EBB_API uint64_t ebb_node_sequence(const ebb_node *node); /* the order of recording in its thread */
EBB_API const char *ebb_node_file(const ebb_node *node);  /* the line that recorded it; "" when unknown */
EBB_API int ebb_node_line(const ebb_node *node);
EBB_API int64_t ebb_node_n_inputs(const ebb_node *node);
/* next_functions[i]; NULL where no gradient is needed */
EBB_API ebb_node *ebb_node_input(const ebb_node *node, int64_t i);
EBB_API int64_t ebb_node_input_output(const ebb_node *node, int64_t i); /* which output of that node it was */
/* the leaf of an AccumulateGrad node, borrowed; else NULL */
EBB_API ebb_tensor *ebb_node_variable(const ebb_node *node);
EBB_API int64_t ebb_node_n_outputs(const ebb_node *node);
EBB_API ebb_dims ebb_node_output_shape(const ebb_node *node, int64_t i);
EBB_API ebb_dtype ebb_node_output_dtype(const ebb_node *node, int64_t i);
/* the name (ebb_name) of the tensor that is output i; "" when it has none */
EBB_API const char *ebb_node_output_name(const ebb_node *node, int64_t i);

/* Let a node live on, with all that it was computed from; and give that back (NULL is fine). */
EBB_API ebb_node *ebb_node_keep(ebb_node *node);
EBB_API void ebb_node_drop(ebb_node *node);

/* The values that a node has saved for its rule, in a fixed order, and what they are: the name of the input or output
 * ("self", "mask"), "result" for an output without one. grad_fn._saved_self
 *     ebb_print(ebb_node_saved_named(ebb_tensor_grad_fn(y), "self")); */
EBB_API int64_t ebb_node_n_saved(const ebb_node *node);
EBB_API const char *ebb_node_saved_name(const ebb_node *node, int64_t i);

/* A saved value as the rule would see it, owned by the innermost scope: with its history while recording is on. NULL
 * and EBB_ERR_FREED once a pass has released it, EBB_ERR_VERSION when it was overwritten, EBB_ERR_INDEX or EBB_ERR_NAME
 * when there is none. */
EBB_API ebb_tensor *ebb_node_saved(ebb_node *node, int64_t i);
#define ebb_node_saved(...) ((void)EBB_HERE, ebb_node_saved(__VA_ARGS__))
EBB_API ebb_tensor *ebb_node_saved_named(ebb_node *node, const char *name);
#define ebb_node_saved_named(...) ((void)EBB_HERE, ebb_node_saved_named(__VA_ARGS__))

#ifdef __cplusplus
}
#endif
#endif
