/* What is written about the built-in operators: a table that scripts/generate.pl makes from their definitions. */
#ifndef EBB_EXPR_TEXTS_H
#define EBB_EXPR_TEXTS_H

#include <ebb/explain.h>

struct ebb__op_text {
    const char *name;
    struct ebb_op_texts text;
};
extern const struct ebb__op_text ebb__op_texts[]; /* sorted by name */
extern const int ebb__op_texts_n;

#endif
