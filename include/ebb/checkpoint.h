/* Less memory for what backward needs: functions that backward calls again instead of keeping what they save; hooks on
 * saved tensors, packers to bfloat16 and to disk. docs/checkpointing.md is the guide. */
#ifndef EBB_CHECKPOINT_H
#define EBB_CHECKPOINT_H

#include <ebb/autograd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- computing again instead of keeping ---- */

typedef struct ebb_checkpoint_options {
    void (*release)(void *context); /* called once when no graph needs the function any more, on failure too */
    bool no_rng;                    /* let random operators draw other numbers when the function is called again */
    bool no_early_stop;             /* call the function to its end, also when all that is needed is there */
    bool no_check; /* do not compare shapes and dtypes; those of what is used have to be right all the same */
    int ebb__at;
} ebb_checkpoint_options;

/* Call a function and keep, of all that it saves for backward, nothing but `inputs`: when a backward pass first needs
 * one of its saved tensors, the function is called again with them, and what it saves then is what rules read. Memory
 * is paid for by one more run of the function in each pass. Returns the function's results, owned by the innermost
 * scope; none (n = 0, every t NULL) on failure.
 *     ebb_tensor *h = ebb_checkpoint(f, NULL, EBB_LIST(x)).t[0];
 * The method of T. Chen, B. Xu, C. Zhang and C. Guestrin, "Training deep nets with sublinear memory cost", 2016, with
 * the semantics of torch.utils.checkpoint.checkpoint(use_reentrant=False):
 * - The function is called in a scope of its own, so that what it does not return ends with it. It may return inputs,
 *   tensors without a gradient, and several results; it may use parameters through `context`, which has to live until
 *   `release` (where that is given) or as long as the graph.
 * - Called again, it sees inputs without history, and the grad mode, default dtype and random generator of the first
 *   call; what is open around backward (forward mode, hooks) does not reach it. Inside an open level of forward mode
 *   nothing is dropped, and where nothing is recorded (EBB_NO_GRAD) it is a plain call.
 * - It is called again once a pass, and left as soon as the last tensor that it saved is there: operators return NULL
 *   from then on, as after an error. One that needs to run to its end asks for no_early_stop.
 * - Checkpoints nest; a nested one keeps its inputs as the outer one keeps what it saves. Any order of derivatives,
 *   ebb_grad, retain_graph, several passes at once over a graph that is retained: as without.
 * Errors: whatever the function fails with; in a pass EBB_ERR_VERSION when an input, or a parameter that it saves, has
 * been overwritten since, and EBB_ERR_CALLBACK when the function does not save the same tensors again (their number,
 * shapes and dtypes), naming both lines. */
EBB_API ebb_outputs ebb_checkpoint(ebb_function function, void *context, ebb_list inputs,
                                   ebb_checkpoint_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_checkpoint(...) (EBB_HERE, ebb_checkpoint(__VA_ARGS__))
#else
#define ebb_checkpoint(...) ebb__checkpoint_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__checkpoint_(function, context, inputs, ...) \
    ebb_checkpoint(function, context, inputs, (ebb_checkpoint_options){__VA_ARGS__})
#endif

/* ---- chains of segments within a budget ---- */

/* A part of a chain: its inputs are the results of the segment before it. Sizes and cost may be given; where `output`
 * is 0 in any of a chain's segments, the first run measures them all. */
typedef struct ebb_segment {
    ebb_function function;
    void *context;
    int64_t saved;     /* bytes that it saves for backward, besides its inputs, its results and parameters */
    int64_t output;    /* bytes of its results */
    bool saves_output; /* whether its own rules read its results (as those of exp and tanh do) */
    double cost;       /* of running it forward, in any unit */
} ebb_segment;

typedef enum ebb_schedule {
    EBB_SCHEDULE_OPTIMAL, /* the least time within the budget */
    EBB_SCHEDULE_KEEP,    /* keep everything */
    EBB_SCHEDULE_SQRT, /* pieces of sqrt(n) segments, each computed once more: memory O(sqrt(n)) (Chen et al. 2016) */
    EBB_SCHEDULE_EACH  /* keep the inputs of each segment, and compute each once more */
} ebb_schedule;

typedef struct ebb_sequence_options {
    ebb_schedule schedule; /* other than the optimal one: without regard to the budget */
    int ebb__at;
} ebb_sequence_options;

/* A chain of segments and the schedule for it. Belongs to the caller, who gives it back with ebb_sequence_release();
 * graphs that still need it keep it. */
typedef struct ebb_sequence ebb_sequence;

/* A chain whose backward pass shall hold at most `budget` bytes of what forward computed, in the least time. What
 * counts is what is held for backward: inputs of segments and what segments save, not the inputs of the chain,
 * parameters, gradients, or what an operator is just computing. The segments are copied, their contexts are not.
 *     const ebb_segment segments[] = {{.function = f}, {.function = f}, {.function = f}};
 *     ebb_sequence *chain = ebb_checkpoint_sequence(segments, 3, 64 << 20);
 *     for (int step = 0; step < 2; step++) EBB_SCOPE {
 *         ebb_tensor *h = ebb_sequence_run(chain, EBB_LIST(x)).t[0];
 *         if (ebb_backward(ebb_mse_loss(h, t))) return ebb_perror("step");
 *     }
 *     ebb_sequence_release(chain);
 * The schedule is optimal for chains of equal segments, and for chains of up to 128 segments to the resolution of a
 * five-hundredth of the budget; longer ones are planned in 128 groups, and what lies between two of the inputs that are
 * kept once more on its own (O. Beaumont et al., "Optimal checkpointing for heterogeneous chains", 2019; A. Griewank,
 * A. Walther, "Revolve", 2000). It says what is kept, what is kept as input only, and what of that is kept when it is
 * computed again; it is carried out by nested checkpoints, so that all that ebb_checkpoint says holds here too, and
 * gradients are bitwise those of the plain run.
 * A budget that is too small is no error: the schedule that holds least is taken, and ebb_sequence_planned says by how
 * much it is over.
 * Errors: EBB_ERR_ARGUMENT for a missing function, no segments or negative sizes; EBB_ERR_MEMORY. */
EBB_API ebb_sequence *ebb_checkpoint_sequence(const ebb_segment *segments, int64_t n, int64_t budget,
                                              ebb_sequence_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_checkpoint_sequence(...) (EBB_HERE, ebb_checkpoint_sequence(__VA_ARGS__))
#else
#define ebb_checkpoint_sequence(...) ebb__checkpoint_sequence_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__checkpoint_sequence_(segments, n, budget, ...) \
    ebb_checkpoint_sequence(segments, n, budget, (ebb_sequence_options){__VA_ARGS__})
#endif

/* Run the chain; the results are those of its last segment, none on failure. The first run of a chain whose sizes were
 * not given runs every segment once more, to measure it, and no other run may be going on then. */
EBB_API ebb_outputs ebb_sequence_run(ebb_sequence *sequence, ebb_list inputs);
#define ebb_sequence_run(...) ((void)EBB_HERE, ebb_sequence_run(__VA_ARGS__))

/* What the schedule promises; all zero until sizes are known. Bytes are as the budget counts them. */
typedef struct ebb_sequence_plan {
    int64_t peak;  /* the most bytes held */
    int64_t over;  /* how much of that is over the budget; 0: it is met */
    int64_t least; /* what no schedule can go below */
    int64_t whole; /* what is held when nothing is computed again */
    double cost;   /* work forward, in runs of the chain: 1 when nothing is computed again */
    int64_t depth; /* how deep checkpoints lie inside each other */
} ebb_sequence_plan;
EBB_API ebb_sequence_plan ebb_sequence_planned(const ebb_sequence *sequence);

/* A segment with its sizes and cost, as given or measured: borrowed. NULL for an index out of range. */
EBB_API const ebb_segment *ebb_sequence_segment(const ebb_sequence *sequence, int64_t i);

/* Give a chain back. Accepts NULL; returns NULL. */
EBB_API ebb_sequence *ebb_sequence_release(ebb_sequence *sequence);

/* ---- hooks on saved tensors ---- */

/* What the graph holds instead of the tensors that operators save for backward. Of nested hooks only the innermost
 * apply; tensors that stand for numbers are not packed. Inside pack and unpack nothing is recorded and no hooks apply.
 * An error is reported with ebb_fail(): from pack it is the error of the operator that saves, from unpack of the
 * pass. */
typedef struct ebb_saved_hooks {
    /* Called when an operator saves t, which is borrowed; returns what the graph is to hold, any pointer. t is an input
     * of the operator as it is, or an output without its history; it may be kept (ebb_keep) but not written. An input
     * that is written in place later, with what was computed from it, would so be kept by its own history, as in
     * PyTorch: of those keep ebb_detach(t). */
    void *(*pack)(ebb_tensor *t, void *context);
    /* Called each time a rule needs the tensor: a tensor of its shape and dtype, and of its values. The graph gives it
     * the history of the one that was saved. */
    ebb_tensor *(*unpack)(void *packed, void *context);
    /* Called once when the graph lets go of it; may be NULL. */
    void (*release)(void *packed, void *context);
    /* The bytes of memory that a packed value holds, for reports; may be NULL: none. */
    int64_t (*bytes)(const void *packed, void *context);
    void *context;
    /* Called once when the block is closed and no graph holds anything packed any more, or when it could not be opened;
     * may be NULL. */
    void (*release_context)(void *context);
} ebb_saved_hooks;

typedef struct ebb_saved_hooks_block {
    uint64_t id;
    bool open;
} ebb_saved_hooks_block;

/* Let hooks apply to what this thread saves from now on; closing ends that, also for blocks opened inside.
 * Errors: EBB_ERR_ARGUMENT without pack or unpack; EBB_ERR_GRAPH where hooks are refused; EBB_ERR_MEMORY.
 * torch.autograd.graph.saved_tensors_hooks */
EBB_API ebb_saved_hooks_block ebb_saved_hooks_open(ebb_saved_hooks hooks);
EBB_API void ebb_saved_hooks_close(ebb_saved_hooks_block *block);
#define ebb_saved_hooks_open(...) ((void)EBB_HERE, ebb_saved_hooks_open(__VA_ARGS__))

/* Refuse hooks until the block is closed: opening some, and this call while some are open, is EBB_ERR_GRAPH with
 * `message` (borrowed). torch.autograd.graph.disable_saved_tensors_hooks */
EBB_API ebb_saved_hooks_block ebb_saved_hooks_refuse(const char *message);
#define ebb_saved_hooks_refuse(...) ((void)EBB_HERE, ebb_saved_hooks_refuse(__VA_ARGS__))

/* Blocks in which they apply, or are refused, closed however they are left. A block that cannot be opened is not run,
 * and the error tells why.
 *     EBB_SAVED_HOOKS(ebb_saved_to_bf16()) { loss = ebb_mse_loss(model(x), y); } */
#if defined(__GNUC__)
#define EBB_SAVED_HOOKS(...) EBB__SAVED_HOOKS_LINE(ebb_saved_hooks_open(__VA_ARGS__), __LINE__)
#define EBB_NO_SAVED_HOOKS(message) EBB__SAVED_HOOKS_LINE(ebb_saved_hooks_refuse(message), __LINE__)
#define EBB__SAVED_HOOKS_LINE(opened, line) EBB__SAVED_HOOKS_ON(opened, line)
#define EBB__SAVED_HOOKS_ON(opened, line) EBB__SAVED_HOOKS_AS(opened, ebb__hooks_on_##line)
#define EBB__SAVED_HOOKS_AS(opened, block) \
    for (ebb_saved_hooks_block block __attribute__((cleanup(ebb_saved_hooks_close))) = opened; block.open; \
         ebb_saved_hooks_close(&block))
#endif

/* ---- a budget for a region ---- */

/* What a budget came to, kept up to date until no graph of the region is left. In bytes. */
typedef struct ebb_memory_budget_report {
    int64_t budget;
    int64_t held, peak; /* for backward: now, and at most */
    int64_t over;       /* by how much the peak missed the budget; 0: it was met */
    int64_t dropped;    /* tensors, each time */
    int64_t recomputed; /* operators that were called again */
    double recomputing; /* seconds in them */
} ebb_memory_budget_report;

/* Let the graph that this thread records from now on hold at most `bytes` of saved tensors, without any annotation:
 * what is saved beyond that is dropped, and computed again from what is left when backward needs it. Closing ends that
 * for what is recorded later. `report` may be NULL; else it must stay until the graph is gone.
 *     ebb_memory_budget_report report;
 *     EBB_MEMORY_BUDGET(64 << 20, &report) { loss = ebb_mse_loss(model(x), y); }
 *     ebb_backward(loss);
 * Dropped first is what has the least cost over size and staleness, where the cost is the time of computing it and what
 * has been dropped around it (M. Kirisame et al., "Dynamic tensor rematerialization", 2021). Gradients are bitwise
 * those of the plain run, since nothing is dropped that could not be computed again exactly: results of random
 * operators and of those that write in place, tensors from outside the region, and what is computed from these is kept;
 * a tensor that is written in place is copied first where others still need it. Operators of the user's own have to be
 * functions of their inputs.
 * Parameters do not count; neither do tensors that the caller still has: in a long loop, give each step an EBB_SCOPE.
 * A budget that is too small is no error: all is dropped that can be, and the report says by how much it was missed.
 * Errors: EBB_ERR_ARGUMENT for negative bytes; EBB_ERR_GRAPH where hooks on saved tensors are refused; EBB_ERR_MEMORY;
 * in a pass EBB_ERR_VERSION when a tensor from outside was overwritten through its data. */
EBB_API ebb_saved_hooks_block ebb_memory_budget_open(int64_t bytes, ebb_memory_budget_report *report);
EBB_API void ebb_memory_budget_close(ebb_saved_hooks_block *block);
#define ebb_memory_budget_open(...) ((void)EBB_HERE, ebb_memory_budget_open(__VA_ARGS__))
#if defined(__GNUC__)
#define EBB_MEMORY_BUDGET(bytes, report) EBB__BUDGET_LINE(bytes, report, __LINE__)
#define EBB__BUDGET_LINE(bytes, report, line) EBB__BUDGET_ON(bytes, report, line)
#define EBB__BUDGET_ON(bytes, report, line) EBB__BUDGET_AS(bytes, report, ebb__budget_on_##line)
#define EBB__BUDGET_AS(bytes, report, block) \
    for (ebb_saved_hooks_block block \
         __attribute__((cleanup(ebb_memory_budget_close))) = ebb_memory_budget_open(bytes, report); \
         block.open; ebb_memory_budget_close(&block))
#endif

/* ---- packers ----
 * Hooks to open. What a packer cannot make smaller it keeps as it is, and checks that it is not overwritten: parameters
 * (leaves that gather gradients, and their views), which are in memory anyway, and expanded tensors. A tensor that
 * several operators save is packed once. Where such hooks cannot be made, opening them fails with the error that tells
 * why. */

/* float32 and float64 are stored as bfloat16: half the bytes, a quarter. A saved value v becomes v (1 + e) with
 * |e| <= 2^-8, rounded to nearest even; float64 beyond 3.4e38 becomes infinite. The results of forward are exact, and
 * gradients are off by as much as the rules are sensitive to what they read: for a product relative 2^-8 too.
 *     EBB_SAVED_HOOKS(ebb_saved_to_bf16()) { loss = ebb_mse_loss(model(x), y); } */
EBB_API ebb_saved_hooks ebb_saved_to_bf16(void);

/* Values are written to one temporary file in `directory` (NULL: $TMPDIR, or the system's own place), which has no name
 * and so is gone however the program ends; gradients are bitwise the same. The space of a tensor is used again once the
 * graph has released it.
 * Errors: EBB_ERR_IO when the file cannot be made, written (disk full: the operator fails, and nothing is lost) or
 * read; EBB_ERR_UNSUPPORTED on systems without such files. torch.autograd.graph.save_on_cpu is its counterpart for
 * devices. */
EBB_API ebb_saved_hooks ebb_saved_to_disk(const char *directory);
#define ebb_saved_to_bf16() ((void)EBB_HERE, ebb_saved_to_bf16())
#define ebb_saved_to_disk(...) ((void)EBB_HERE, ebb_saved_to_disk(__VA_ARGS__))

#ifdef __cplusplus
}
#endif
#endif
