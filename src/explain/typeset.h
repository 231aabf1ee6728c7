/* Formulas as a person reads them: as text with a few signs beyond ASCII, or as LaTeX. */
#ifndef EBB_EXPLAIN_TYPESET_H
#define EBB_EXPLAIN_TYPESET_H

#include "expr/value.h"

enum ebb__script { EBB__UNICODE, EBB__LATEX, EBB__N_SCRIPTS };

/* What a name of the formula is shown as. */
struct ebb__symbol {
    const char *name;
    const char *shown[EBB__N_SCRIPTS];
};

struct ebb__typeset {
    struct ebb__text *out;
    enum ebb__script script;
    /* a finished run: its values tell numbers from tensors, and which side of a condition */
    const struct ebb__run *run;
    const struct ebb__symbol *symbols;
    int64_t n_symbols;
    int depth;
    int rank; /* dimensions of what the node being written is broadcast against: leading ones need not be written */
};

/* Write a tree's node, in brackets when it binds less closely than `level` (of enum ebb__operator's table). */
void ebb__typeset(struct ebb__typeset *t, int32_t id, int level);

/* What a node is written as, where nothing but bookkeeping of dimensions is done: what it is done to. Dimensions of
 * size 1 that it adds in front are left to broadcasting against `rank` dimensions; others are not. */
int32_t ebb__typeset_through(const struct ebb__run *run, int32_t id, int rank);

/* Whether a node is one that may add dimensions of size 1: restore(x, …), x[..., None]. And the dimensions of what is
 * written of a node; depth is 0. */
bool ebb__typeset_adds(const struct ebb__run *run, int32_t id);
int ebb__typeset_rank(const struct ebb__typeset *t, int32_t id, int depth);

/* Write what a program computes: its last statement. And the definitions of the names in it that are not numbers, with
 * commas between them: "n = …,  u = …"; nothing when there are none. */
void ebb__typeset_program(struct ebb__typeset *t);
void ebb__typeset_definitions(struct ebb__typeset *t);

/* A name in LaTeX: W1 as W_{1}, y_hat as \hat{y}, theta as \theta; the text belongs to the arena. */
const char *ebb__latex_name(struct ebb__arena *a, const char *name);
/* The command, without its backslash, for the sign that a text begins with, and how many bytes that has; NULL for
 * others. Whether LaTeX has all of a text in the fonts that it begins with. */
const char *ebb__latex_sign(const char *text, size_t *ret_n);
bool ebb__latex_has(const char *text);

/* A number as it is shown, and a list of sizes: "(2, 3)". */
void ebb__typeset_number(struct ebb__text *out, enum ebb__script script, double value);
void ebb__typeset_dims(struct ebb__text *out, ebb_dims dims);

#endif
