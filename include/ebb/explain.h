/* Explaining a gradient: what was computed, what was saved, and every step by which the derivatives come back, as text,
 * Markdown, LaTeX, JSON, a page or a drawing. In the library ebb-explain, not in ebb. */
#ifndef EBB_EXPLAIN_H
#define EBB_EXPLAIN_H

#include <ebb/call.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is written about an operator, for people and for tests: fields of its definition (opdef.h). */
struct ebb_op_texts {
    const char *signature, *doc, *torch, *parts;
    const char *formula[EBB_OP_MAX_IN]; /* NULL where an input has none */
    const char *const *samples;         /* NULL after the last, or NULL */
};

/* Of a built-in operator, of which the library ebb has none of it, or of a user's own, as it is defined.
 *     printf("%s\n", ebb_op_text(ebb_op_find("softmax")).doc);
 * What is not written is NULL; all is, for NULL. Not in PyTorch. */
EBB_API struct ebb_op_texts ebb_op_text(const struct ebb_op *op);

enum ebb_explain_format {
    EBB_EXPLAIN_TEXT = 0,
    EBB_EXPLAIN_MARKDOWN,
    EBB_EXPLAIN_LATEX,
    EBB_EXPLAIN_JSON, /* docs/explain-json.md */
    EBB_EXPLAIN_HTML, /* one file that needs nothing else */
    EBB_EXPLAIN_DOT,
    EBB_EXPLAIN_SVG /* drawn by Graphviz's program `dot`, which must be installed */
};

enum ebb_language { EBB_ENGLISH = 0, EBB_CHINESE };

/* Watching a computation, so that its explanation has all values: the graph itself keeps only what backward needs. */
typedef struct ebb_explain_recording ebb_explain_recording;

typedef struct ebb_explain_options {
    enum ebb_explain_format format;
    enum ebb_language lang;
    FILE *to;      /* NULL: stdout */
    int64_t limit; /* operations that a text shows one by one, of a larger graph its ends; 0 means 60 */
    ebb_explain_recording *recording; /* of a graph: what was watched while it was built; may be NULL */
    /* Of expressions only: */
    const char *const *values; /* [n_values] "x=2", "W=randn(2, 2)", "b=[1, 2]", "w=@weights.npy" */
    int64_t n_values;
    ebb_args variables;  /* tensors for names that are not among them */
    const char *grad_of; /* "x, W": what is differentiated by; NULL: all that can be */
    int order;           /* 2: the second derivatives, too */
    bool forward_mode;   /* also push tangents forward, one variable after the other */
    uint64_t seed;       /* of randn and its kin */
    ebb_dtype dtype;     /* of the values; EBB_DTYPE_NONE means float64 */
    int ebb__at;
} ebb_explain_options;

/* Explain the gradients of a tensor by the leaves it was computed from: the operations as they were recorded, with
 * their lines, and a backward pass over the graph, node by node, with the formula of every rule. Neither the graph nor
 * .grad is changed. Names are those given by ebb_name(); otherwise the variable that the recording line of the source
 * assigns to, where the file can be read; otherwise made up. Values are those that a recording has, or can be computed
 * again from the leaves; others are "not kept".
 *     ebb_explain_recording *recording = ebb_explain_begin();
 *     ebb_tensor *loss = ebb_mse_loss(ebb_matmul(w, x), y);
 *     if (ebb_explain(loss, .recording = recording)) return ebb_perror("explain");
 *     ebb_explain_end(recording);
 * Errors: EBB_ERR_GRAPH for a tensor that does not require gradients; EBB_ERR_FREED when a backward pass released what
 * its graph saved; EBB_ERR_IO. Not in PyTorch. */
EBB_API ebb_status ebb_explain(ebb_tensor *t, ebb_explain_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_explain(...) ((void)EBB_HERE, ebb_explain(__VA_ARGS__))
#else
#define ebb_explain(...) ebb__explain_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__explain_(t, ...) ebb_explain(EBB_AT(t), (ebb_explain_options){__VA_ARGS__})
#endif

/* Watch what this thread computes from now on, keeping the values, until ebb_explain_end(), which accepts NULL. NULL
 * and an error when out of memory. */
EBB_API ebb_explain_recording *ebb_explain_begin(void);
EBB_API void ebb_explain_end(ebb_explain_recording *recording);

/* Evaluate an expression (docs/expressions.md) and explain its gradients: the forward tape, the backward pass node by
 * node in the engine's order, and the gradients, which are checked against central finite differences in float64.
 * Values that are numbers or lists become tensors of `dtype`; those of floating point are differentiated by.
 *     const char *values[] = {"x=2", "y=3"};
 *     ebb_explain_expression("z = x*y + sin(x)", .values = values, .n_values = 2);
 * Errors are those of ebb_eval(), with the column (ebb_eval_caret() has the line); EBB_ERR_NAME for values whose names
 * the expression does not have; EBB_ERR_GRAPH when nothing is differentiated. A gradient that differs from the finite
 * differences is no error: the report says so. */
EBB_API ebb_status ebb_explain_expression(const char *text, ebb_explain_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_explain_expression(...) ((void)EBB_HERE, ebb_explain_expression(__VA_ARGS__))
#else
#define ebb_explain_expression(...) ebb__explain_expression_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__explain_expression_(text, ...) ebb_explain_expression(text, (ebb_explain_options){__VA_ARGS__})
#endif

/* Several expressions on one page (EBB_EXPLAIN_HTML) to turn between, each with a title and a text above its graph, in
 * English and Chinese, or NULL. Values are each item's own; the other options hold for all.
 *     const char *at[] = {"x=2"};
 *     const ebb_explain_item items[] = {{.expression = "x**2", .values = at, .n_values = 1, .title = "A square"},
 *                                       {.expression = "exp(x)", .values = at, .n_values = 1, .title = "A power"}};
 *     FILE *file = fopen("page.html", "w");
 *     if (file && ebb_explain_page(items, 2, .to = file)) return ebb_perror("page");
 *     if (file) fclose(file);
 * Errors as of ebb_explain_expression(); EBB_ERR_UNSUPPORTED where Graphviz, which lays the graphs out, is missing. */
typedef struct ebb_explain_item {
    const char *expression;
    const char *const *values; /* [n_values] */
    int64_t n_values;
    const char *title, *title_zh, *text, *text_zh;
} ebb_explain_item;
EBB_API ebb_status ebb_explain_page(const ebb_explain_item *items, int64_t n, ebb_explain_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_explain_page(...) ((void)EBB_HERE, ebb_explain_page(__VA_ARGS__))
#else
#define ebb_explain_page(...) ebb__explain_page_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__explain_page_(items, n, ...) ebb_explain_page(items, n, (ebb_explain_options){__VA_ARGS__})
#endif

/* Evaluate an expression and show what happens to dimensions, call by call: shape, strides and offset before and after,
 * the storage as a strip with the elements that the result reads, who shares it, whether the result is contiguous, and
 * how the gradient comes back. With NULL the companion: lessons on view, reshape, transpose, permute, squeeze, expand,
 * slicing, cat, stack, split, broadcasting and matmul. As text, as JSON, or as a page (EBB_EXPLAIN_HTML) to step
 * through; of the options `order` and the like are not used.
 *     ebb_explain_dims("arange(24).view(2, 3, 4).permute(2, 0, 1)");
 * Errors as those of ebb_eval(); the calls up to the one that failed are shown. */
EBB_API ebb_status ebb_explain_dims(const char *text, ebb_explain_options options EBB_DEFAULT);
#ifdef __cplusplus
#define ebb_explain_dims(...) ((void)EBB_HERE, ebb_explain_dims(__VA_ARGS__))
#else
#define ebb_explain_dims(...) ebb__explain_dims_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__explain_dims_(text, ...) ebb_explain_dims(text, (ebb_explain_options){__VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif
#endif
