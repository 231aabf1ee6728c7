/* What the files of typesetting share. */
#ifndef EBB_EXPLAIN_TYPESET_PRIVATE_H
#define EBB_EXPLAIN_TYPESET_PRIVATE_H

#include "explain/typeset.h"

#include <string.h>

enum { SUM = 9, PRODUCT = 10, POWER = EBB__LEVEL_POWER, ATOM = EBB__LEVEL_ATOM, MAX_DEPTH = 120 };

#define PUT(t, ...) ebb__text_put((t)->out, __VA_ARGS__)

static inline bool latex(const struct ebb__typeset *t) { return t->script == EBB__LATEX; }
static inline const struct ebb__program *program(const struct ebb__typeset *t) { return t->run->program; }
static inline const struct ebb__ast *node(const struct ebb__typeset *t, int32_t id) { return &program(t)->ast[id]; }
static inline int32_t kid(const struct ebb__typeset *t, const struct ebb__ast *a, int32_t i) {
    return ebb__ast_kid(program(t), a, i);
}
static inline const struct ebb__value *worth(const struct ebb__typeset *t, int32_t id) { return &t->run->values[id]; }
/* Of slices: no sign of a relation, which LaTeX would set apart. */
static inline const char *colon(const struct ebb__typeset *t) { return latex(t) ? "{:}" : ":"; }
static inline void open_bracket(struct ebb__typeset *t) { PUT(t, latex(t) ? "\\left(" : "("); }
static inline void close_bracket(struct ebb__typeset *t) { PUT(t, latex(t) ? "\\right)" : ")"); }

static inline bool calls(const struct ebb__program *p, int32_t id, const char *name) {
    const struct ebb__ast *a = &p->ast[id];
    if (a->kind != EBB__AST_CALL) return false;
    const struct ebb__ast *c = &p->ast[ebb__ast_kid(p, a, 0)];
    return (c->kind == EBB__AST_NAME || c->kind == EBB__AST_ATTR) && strcmp(ebb__ast_name(p, c), name) == 0;
}
static inline bool is_called(const struct ebb__typeset *t, int32_t id, const char *name) {
    return calls(program(t), id, name);
}

/* typeset.c */
bool ebb__typeset_is_just(const struct ebb__typeset *t, int32_t id, double wanted); /* a number that is written so */
bool ebb__typeset_is_scalar(const struct ebb__typeset *t, int32_t id);
bool ebb__typeset_constant(struct ebb__typeset *t, int32_t id, int level); /* false when it is none */
bool ebb__typeset_comparison(struct ebb__typeset *t, const struct ebb__ast *a, bool negated);
void ebb__typeset_small(struct ebb__typeset *t, int64_t value, bool above);
void ebb__typeset_truth(struct ebb__typeset *t, int32_t id);
void ebb__typeset_transposed(struct ebb__typeset *t, int32_t id);

/* typeset_call.c */
void ebb__typeset_added(struct ebb__typeset *t, int32_t id); /* unsqueeze(x, 1) */
void ebb__typeset_call(struct ebb__typeset *t, int32_t id, const struct ebb__ast *a, int level);

#endif
