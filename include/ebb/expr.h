/* Expressions as text: a small language of tensors in Python's syntax, in which formulas are written on the command
 * line and in operators' definitions. Its grammar is in docs/expressions.md. In the library ebb-explain, not in ebb. */
#ifndef EBB_EXPR_H
#define EBB_EXPR_H

#include <ebb/call.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ebb_eval_options {
    ebb_args variables; /* the names that the text may use: EBB_ARGS(EBB_ARG("x", x), EBB_ARG("n", 3)) */
    int ebb__at;
} ebb_eval_options;

/* Evaluate a text and return what its last statement computes, owned by the innermost scope. Operators are called by
 * name as ebb_call() does, so what needs gradients is recorded; numbers are Python's numbers.
 *     ebb_tensor *z = ebb_eval("x * w + sin(x)", EBB_ARGS(EBB_ARG("x", x), EBB_ARG("w", w)));
 *     ebb_tensor *y = ebb_eval("h = relu(x); softmax(h, dim=0)", EBB_ARGS(EBB_ARG("x", x)));
 * NULL and an error for text that is not of the language, with the column (EBB_ERR_FORMAT); for unknown names, with
 * what may have been meant (EBB_ERR_NAME); for arguments that do not fit (EBB_ERR_ARGUMENT); and what the operators
 * fail with. Nothing is evaluated while an error is pending. Not in PyTorch; like Python's eval(). */
EBB_API ebb_tensor *ebb_eval(const char *text, ebb_eval_options options EBB_DEFAULT);
#ifdef __cplusplus
extern "C++" inline ebb_tensor *ebb_eval(const char *text, ebb_args variables) {
    ebb_eval_options options = {};
    options.variables = variables;
    return ebb_eval(text, options);
}
#define ebb_eval(...) ((void)EBB_HERE, ebb_eval(__VA_ARGS__))
#else
#define ebb_eval(...) ebb__eval_(__VA_ARGS__, .ebb__at = EBB_HERE)
#define ebb__eval_(text, ...) ebb_eval(text, (ebb_eval_options){__VA_ARGS__})
#endif

/* The line of the text at which the thread's last evaluation failed, and under it carets that point at the place:
 *     z = x*y + sinn(x)
 *               ^^^^
 * Written to `ret_text` (room for `size` bytes, cut off at that); returns the length of the whole, as snprintf does; 0
 * when nothing failed. */
EBB_API size_t ebb_eval_caret(char *ret_text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
