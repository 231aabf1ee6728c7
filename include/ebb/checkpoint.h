/* Less memory for what backward needs: hooks on saved tensors, packers to bfloat16 and to disk. docs/checkpointing.md
 * is the guide. */
#ifndef EBB_CHECKPOINT_H
#define EBB_CHECKPOINT_H

#include <ebb/autograd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- hooks on saved tensors ---- */

/* What the graph holds instead of the tensors that operators save for backward. Of nested hooks only the innermost
 * apply; tensors that stand for numbers are not packed. Inside pack and unpack nothing is recorded and no hooks apply.
 * An error is reported with ebb_fail(): from pack it is the error of the operator that saves, from unpack of the
 * pass. */
typedef struct ebb_saved_hooks {
    /* Called when an operator saves t, which is borrowed; returns what the graph is to hold, any pointer. t is an input
     * of the operator as it is, or an output without its history; it may be kept (ebb_keep) but not written. */
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
