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

/* While this is open, a gradient that is exactly zero stays zero through the rules of a pass that this thread runs, and
 * a tangent of zero through those of forward mode, whatever it is multiplied by: 0 * inf and 0 * nan are 0. So a branch
 * that a mask has not selected gives nothing to the gradient, however bad its values are:
 *     EBB_STRONG_ZEROS { ebb_backward(ebb_sum(ebb_where(ebb_gt(x, 0), ebb_sqrt(x), 0))); }    // x->grad is 0 at x = 0
 * It holds element by element for elementwise operators, for whole slices of operators along a dimension (softmax,
 * norm, prod, ...) and for whole gradients of all others. Values of forward are what they are: 0 * nan is nan there.
 * Under create_graph too, and inside ebb_vmap for each sample. Costs a read of every gradient. */
EBB_API ebb_mode ebb_strong_zeros_open(void);
EBB_API void ebb_strong_zeros_close(ebb_mode *mode);

/* ---- what is in memory, by line ---- */

#define EBB_MEMORY_TEXT 128

/* The tensors that one operator saved, or made, on one line of the program. */
typedef struct ebb_memory_line {
    const char *file; /* "" where it is not known */
    int line;
    const char *op;
    int64_t tensors;
    int64_t bytes;                 /* of their memory, which is counted once, where it came first */
    int64_t only_graph;            /* of those alive: how many only the graph holds, for backward */
    char largest[EBB_MEMORY_TEXT]; /* "its result "h" float32 [64, 128]" */
} ebb_memory_line;

typedef struct ebb_memory_table {
    int64_t n;
    ebb_memory_line *lines; /* [n] the one with the most bytes first; of the table */
    int64_t tensors, bytes; /* of all lines */
    int64_t leaf_bytes;     /* of what is saved: memory of the graph's leaves, which is there anyway and not counted */
} ebb_memory_table;

/* What the graph that these tensors were computed by has saved for backward. Memory that several calls have saved is
 * counted where it was saved first; that of leaves (parameters) is not counted; numbers are left out. Of what hooks
 * hold (ebb_saved_hooks) the bytes that they say.
 *     ebb_print_saved(EBB_LIST(loss), stderr);
 * Errors: EBB_ERR_ARGUMENT for NULL, EBB_ERR_MEMORY. The table is the caller's, for ebb_memory_table_free(). */
EBB_API ebb_status ebb_saved_table(ebb_list roots, ebb_memory_table *ret_table);
EBB_API ebb_status ebb_print_saved(ebb_list roots, FILE *to);

/* While this is open, tensors that the thread makes are noted with their line, for the two reports below. They stay
 * noted until they die, also when it is closed. A note costs two blocks of memory and a lock; when nothing is noted,
 * nothing.
 *     EBB_TRACE_TENSORS { ebb_backward(loss); }
 *     ebb_print_alive(stderr);             // what this has left behind */
EBB_API ebb_mode ebb_trace_tensors_open(void);
EBB_API void ebb_trace_tensors_close(ebb_mode *mode);

/* The noted tensors that are alive, of all threads, by the line that made them: in backward the line of the call that
 * was differentiated, and its node's name. Numbers are left out. Errors: EBB_ERR_ARGUMENT for NULL, EBB_ERR_MEMORY. */
EBB_API ebb_status ebb_alive_table(ebb_memory_table *ret_table);
EBB_API ebb_status ebb_print_alive(FILE *to);

/* The table as text, a line for each of its own and one of totals; in memory as ebb_format() does it. */
EBB_API ebb_status ebb_memory_table_print(const ebb_memory_table *table, FILE *to);
EBB_API size_t ebb_memory_table_format(char *ret_text, size_t size, const ebb_memory_table *table);
EBB_API void ebb_memory_table_free(ebb_memory_table *table); /* leaves an empty one */

#define ebb_saved_table(...) ((void)EBB_HERE, ebb_saved_table(__VA_ARGS__))
#define ebb_print_saved(...) ((void)EBB_HERE, ebb_print_saved(__VA_ARGS__))
#define ebb_alive_table(...) ((void)EBB_HERE, ebb_alive_table(__VA_ARGS__))
#define ebb_print_alive(...) ((void)EBB_HERE, ebb_print_alive(__VA_ARGS__))

/* ---- reference cycles ---- */

/* Tensors that keep each other alive: what the noted tensors, or these alone, own, followed through gradients,
 * histories, saved tensors, tangents, bases and hooks' contexts, back to themselves. Each group of such tensors is told
 * once, with a shortest way round and what it holds in memory, on `to` (NULL: nowhere); *ret_n, which may be NULL, gets
 * their number. A context is known to refer to tensors when it is one itself, or a block made known by
 * ebb_trace_block() whose words are addresses of noted tensors; the same goes for what hooks on saved tensors hold.
 *     ebb_print_cycles(EBB_LIST(w), stderr, NULL);
 * No other thread may use what is looked at meanwhile. Errors: EBB_ERR_MEMORY, EBB_ERR_IO. */
EBB_API ebb_status ebb_print_cycles(ebb_list tensors, FILE *to, int64_t *ret_n);
#define ebb_print_cycles(...) ((void)EBB_HERE, ebb_print_cycles(__VA_ARGS__))

/* Make a block of memory known that may refer to tensors: the context of a hook. 0 bytes end that. */
EBB_API ebb_status ebb_trace_block(const void *block, size_t bytes);

#if defined(__GNUC__)
#define EBB__MODE_LINE(opened, close, line) EBB__MODE_ON(opened, close, line)
#define EBB__MODE_ON(opened, close, line) EBB__MODE_AS(opened, close, close##_##line)
#define EBB__MODE_AS(opened, close, mode) \
    for (ebb_mode mode __attribute__((cleanup(close))) = opened; mode.open; close(&mode))
#define EBB_STRONG_ZEROS EBB__MODE_LINE(ebb_strong_zeros_open(), ebb_strong_zeros_close, __LINE__)
#define EBB_TRACE_TENSORS EBB__MODE_LINE(ebb_trace_tensors_open(), ebb_trace_tensors_close, __LINE__)
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
