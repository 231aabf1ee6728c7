/* What is written about an operator: in the table, of a built-in one; in its definition, of a user's. */
#include "expr/texts.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *name, const void *entry) {
    return strcmp(name, ((const struct ebb__op_text *)entry)->name);
}

struct ebb_op_texts ebb_op_text(const struct ebb_op *op) {
    struct ebb_op_texts text = {.doc = NULL};
    if (!op) return text;
    if (ebb_op_find(op->name) == op) {
        const struct ebb__op_text *found =
            bsearch(op->name, ebb__op_texts, (size_t)ebb__op_texts_n, sizeof *ebb__op_texts, by_name);
        return found ? found->text : text;
    }
    text = (struct ebb_op_texts){
        .signature = op->signature, .doc = op->doc, .torch = op->torch, .parts = op->parts, .samples = op->samples};
    if (op->formula) memcpy(text.formula, op->formula, sizeof text.formula);
    return text;
}
