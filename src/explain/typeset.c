/* Typesetting: numbers are written out, what is one falls away, and operators and functions get their signs. */
#include "explain/typeset_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers and sizes ---- */

void ebb__typeset_number(struct ebb__text *out, enum ebb__script script, double value) {
    char text[48];
    (void)snprintf(text, sizeof text, "%.6g", value + 0.0);
    char *e = strchr(text, 'e');
    if (script == EBB__LATEX && e) {
        *e = '\0';
        ebb__text_put(out, "%s%s10^{%ld}", strcmp(text, "1") == 0 ? "" : text, strcmp(text, "1") == 0 ? "" : " \\cdot ",
                      strtol(e + 1, NULL, 10));
        return;
    }
    if (script == EBB__LATEX && isinf(value)) ebb__text_put(out, "%s\\infty", value < 0 ? "-" : "");
    else ebb__text_put(out, "%s", text);
}

void ebb__typeset_dims(struct ebb__text *out, ebb_dims dims) {
    ebb__text_put(out, "(");
    for (int i = 0; i < dims.n; i++) ebb__text_put(out, "%s%lld", i ? ", " : "", (long long)dims.d[i]);
    ebb__text_put(out, ")");
}

/* Whether a number is short enough to be written instead of the expression that gives it. */
static bool is_short(const struct ebb__value *v) {
    char text[48];
    if (v->kind != EBB__V_FLOAT) return true;
    (void)snprintf(text, sizeof text, "%.6g", v->as.f);
    return strtod(text, NULL) == v->as.f || !isfinite(v->as.f);
}

/* A node that is a number to be written out: its value. */
static bool is_number(const struct ebb__typeset *t, int32_t id, double *ret_value) {
    const struct ebb__value *v = worth(t, id);
    uint8_t kind = node(t, id)->kind;
    bool leaf = kind == EBB__AST_NAME || kind == EBB__AST_INT || kind == EBB__AST_FLOAT;
    if (v->kind != EBB__V_INT && v->kind != EBB__V_FLOAT) return false;
    if (!leaf && !is_short(v)) return false;
    if (kind == EBB__AST_NAME && strcmp(ebb__ast_name(program(t), node(t, id)), "pi") == 0) return false;
    *ret_value = ebb__value_float(v);
    return true;
}

bool ebb__typeset_is_just(const struct ebb__typeset *t, int32_t id, double wanted) {
    double value;
    return is_number(t, id, &value) && value == wanted;
}

/* ---- what a node is ---- */

static ebb_tensor *tensor_of(const struct ebb__run *run, int32_t id) {
    return run->values[id].kind == EBB__V_TENSOR ? run->values[id].as.t : NULL;
}

/* x[..., None, :] */
static bool is_new_axes(const struct ebb__program *p, const struct ebb__ast *a) {
    bool only_new = a->kind == EBB__AST_INDEX;
    for (int32_t i = 1; i < a->n && only_new; i++) {
        const struct ebb__ast *item = &p->ast[ebb__ast_kid(p, a, i)];
        bool all = item->kind == EBB__AST_SLICE;
        for (int32_t k = 0; k < item->n && all; k++) all = p->ast[ebb__ast_kid(p, item, k)].kind == EBB__AST_NOTHING;
        only_new = all || item->kind == EBB__AST_ELLIPSIS || item->kind == EBB__AST_NONE;
    }
    return only_new;
}

bool ebb__typeset_adds(const struct ebb__run *run, int32_t id) {
    const struct ebb__ast *a = &run->program->ast[id];
    return is_new_axes(run->program, a) || (calls(run->program, id, "restore") && a->n > 1);
}

/* What such a node adds dimensions to. */
static int32_t added_to(const struct ebb__program *p, int32_t id) {
    return ebb__ast_kid(p, &p->ast[id], p->ast[id].kind == EBB__AST_INDEX ? 0 : 1);
}

/* Whether the dimensions that a node adds are none, or come in by broadcasting against `rank` dimensions. */
static bool broadcasting_adds(const struct ebb__run *run, int32_t id, int rank) {
    ebb_tensor *before = tensor_of(run, added_to(run->program, id)), *after = tensor_of(run, id);
    if (!before || !after) return true;
    ebb_dims from = ebb_tensor_shape(before), to = ebb_tensor_shape(after);
    int more = to.n - from.n;
    if (more < 0 || (more > 0 && to.n > rank)) return false;
    for (int i = 0; i < to.n; i++)
        if (to.d[i] != (i < more ? 1 : from.d[i - more])) return false;
    return true;
}

int32_t ebb__typeset_through(const struct ebb__run *run, int32_t id, int rank) {
    const struct ebb__program *p = run->program;
    for (;;) {
        const struct ebb__ast *a = &p->ast[id];
        if (a->kind == EBB__AST_UNARY && a->op == EBB__OP_POS) id = ebb__ast_kid(p, a, 0);
        else if (ebb__typeset_adds(run, id) && broadcasting_adds(run, id, rank)) id = added_to(p, id);
        else return id;
    }
}

static int32_t through(const struct ebb__typeset *t, int32_t id) { return ebb__typeset_through(t->run, id, t->rank); }

/* Which side of a condition was evaluated. */
static bool is_true(const struct ebb__typeset *t, int32_t condition) {
    const struct ebb__value *v = worth(t, condition);
    if (v->kind == EBB__V_TENSOR) return ebb_tensor_numel(v->as.t) == 1 && (ebb_item)(v->as.t) != 0;
    return v->kind == EBB__V_BOOL || v->kind == EBB__V_INT ? v->as.i != 0 : v->kind == EBB__V_LIST && v->n > 0;
}

/* Whether a node works element by element, so that what it takes is broadcast. */
static bool is_elementwise(const struct ebb__typeset *t, int32_t id) {
    const struct ebb__ast *a = node(t, id);
    if (a->kind == EBB__AST_UNARY || a->kind == EBB__AST_COMPARE) return true;
    if (a->kind == EBB__AST_BINARY) return a->op != EBB__OP_MATMUL;
    if (a->kind != EBB__AST_CALL || node(t, kid(t, a, 0))->kind != EBB__AST_NAME) return false;
    const struct ebb_op *op = ebb_op_find(ebb__ast_name(program(t), node(t, kid(t, a, 0))));
    return (op && op->loops) || is_called(t, id, "where");
}

/* By broadcasting a node gets as many dimensions as the largest of what it takes, as that is written. */
int ebb__typeset_rank(const struct ebb__typeset *t, int32_t id, int depth) {
    const struct ebb__ast *a = node(t, id = ebb__typeset_through(t->run, id, EBB_MAX_NDIM));
    ebb_tensor *x = tensor_of(t->run, id);
    int rank = 0;
    if (a->kind == EBB__AST_IF) return ebb__typeset_rank(t, kid(t, a, is_true(t, kid(t, a, 1)) ? 0 : 2), depth + 1);
    if (!is_elementwise(t, id) || depth > MAX_DEPTH) return x ? ebb_tensor_ndim(x) : 0;
    for (int32_t i = a->kind == EBB__AST_CALL; i < a->n; i++) {
        int of = ebb__typeset_rank(t, kid(t, a, i), depth + 1);
        rank = of > rank ? of : rank;
    }
    return rank;
}

/* What the children of a node are broadcast to. */
static int rank_below(const struct ebb__typeset *t, int32_t id) {
    const struct ebb__ast *a = node(t, id);
    ebb_dims shape;
    if (a->kind == EBB__AST_IF || is_called(t, id, "zeros_like")) return t->rank;
    if (is_called(t, id, "expand") && a->n == 3 && ebb__value_as_ints(worth(t, kid(t, a, 2)), &shape)) return shape.n;
    if (!is_elementwise(t, id)) return 0;
    int rank = ebb__typeset_rank(t, id, 0);
    return rank > t->rank ? rank : t->rank;
}

bool ebb__typeset_is_scalar(const struct ebb__typeset *t, int32_t id) {
    const struct ebb__value *v = worth(t, id);
    return v->kind != EBB__V_TENSOR || ebb_tensor_ndim(v->as.t) == 0;
}

/* Whether no tensor stands in the tree below: what it is worth can be written instead. */
static bool is_constant(const struct ebb__typeset *t, int32_t id, int depth) {
    const struct ebb__ast *a = node(t, id);
    if (depth > MAX_DEPTH || (a->kind == EBB__AST_NAME && worth(t, id)->kind == EBB__V_TENSOR)) return false;
    if (a->kind == EBB__AST_ATTR && strcmp(ebb__ast_name(program(t), a), "shape") == 0) return true;
    for (int32_t i = a->kind == EBB__AST_CALL && node(t, kid(t, a, 0))->kind == EBB__AST_NAME; i < a->n; i++)
        if (!is_constant(t, kid(t, a, i), depth + 1)) return false;
    return true;
}

/* ---- signs ---- */

/* Small numbers above or below the line: x², Σ₀. */
void ebb__typeset_small(struct ebb__typeset *t, int64_t value, bool above) {
    static const char *const digits[2][10] = {{"₀", "₁", "₂", "₃", "₄", "₅", "₆", "₇", "₈", "₉"},
                                              {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"}};
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    for (const char *c = text; *c; c++) PUT(t, "%s", *c == '-' ? above ? "⁻" : "₋" : digits[above][*c - '0']);
}

static const char *const comparison_signs[][2] = {{"<", "<"},    {"≤", "\\le"}, {">", ">"},
                                                  {"≥", "\\ge"}, {"=", "="},    {"≠", "\\ne"}};
static const int opposite[] = {EBB__OP_GE, EBB__OP_GT, EBB__OP_LE, EBB__OP_LT, EBB__OP_NE, EBB__OP_EQ};

static void put_name(struct ebb__typeset *t, const char *name) {
    for (int64_t i = 0; i < t->n_symbols; i++) {
        if (strcmp(t->symbols[i].name, name) != 0) continue;
        PUT(t, "%s", t->symbols[i].shown[t->script]);
        return;
    }
    if (strcmp(name, "pi") == 0) PUT(t, latex(t) ? "\\pi" : "π");
    else if (!latex(t)) PUT(t, "%s", name);
    else {
        struct ebb__arena a = {0};
        const char *shown = ebb__latex_name(&a, name);
        PUT(t, "%s", shown ? shown : "");
        ebb__arena_free(&a);
    }
}

/* ---- values ---- */

static void put_value(struct ebb__typeset *t, const struct ebb__value *v) {
    ebb_dims ints;
    if (ebb__value_is_number(v) && v->kind != EBB__V_BOOL) ebb__typeset_number(t->out, t->script, ebb__value_float(v));
    else if (v->kind == EBB__V_BOOL) PUT(t, v->as.i ? "True" : "False");
    else if (v->kind == EBB__V_STRING) PUT(t, latex(t) ? "\\text{%s}" : "'%s'", v->as.s);
    else if (v->kind == EBB__V_DTYPE) PUT(t, latex(t) ? "\\text{%s}" : "%s", ebb_dtype_name((ebb_dtype)v->as.i));
    else if (ebb__value_as_ints(v, &ints)) ebb__typeset_dims(t->out, ints);
    else if (v->kind == EBB__V_NONE) PUT(t, latex(t) ? "\\text{None}" : "None");
    else PUT(t, "…");
}

/* What can be written out without looking at how it came about. */
bool ebb__typeset_constant(struct ebb__typeset *t, int32_t id, int level) {
    const struct ebb__value *v = worth(t, id);
    double value;
    ebb_dims ints;
    if (is_number(t, id, &value)) {
        bool brackets = value < 0 && level > SUM;
        if (brackets) open_bracket(t);
        ebb__typeset_number(t->out, t->script, value);
        if (brackets) close_bracket(t);
        return true;
    }
    bool list = (v->kind == EBB__V_LIST || v->kind == EBB__V_TENSOR) && ebb__value_as_ints(v, &ints);
    if (list && is_constant(t, id, 0)) {
        ebb__typeset_dims(t->out, ints);
        return true;
    }
    if (v->kind != EBB__V_BOOL && v->kind != EBB__V_STRING && v->kind != EBB__V_DTYPE && v->kind != EBB__V_NONE)
        return false;
    put_value(t, v);
    return true;
}

/* ---- operators ---- */

static void put_binary(struct ebb__typeset *t, int32_t left, const char *sign, int32_t right, int level, int own) {
    bool brackets = own < level;
    if (brackets) open_bracket(t);
    ebb__typeset(t, left, own);
    PUT(t, " %s ", sign);
    ebb__typeset(t, right, own + 1);
    if (brackets) close_bracket(t);
}

static bool is_operator(const struct ebb__typeset *t, int32_t id, int op) {
    const struct ebb__ast *a = node(t, through(t, id));
    return a->kind == EBB__AST_BINARY && a->op == op;
}

/* A factor of a product of elements or of matrices; the two kinds do not mix without brackets. */
static void put_factor(struct ebb__typeset *t, int32_t id, bool matrices, int level) {
    int other = matrices ? EBB__OP_MUL : EBB__OP_MATMUL;
    bool mixes = is_operator(t, id, other);
    if (mixes && !matrices) level = ATOM;
    if (mixes && matrices) { /* a number times a matrix needs none */
        const struct ebb__ast *a = node(t, through(t, id));
        if (!ebb__typeset_is_scalar(t, kid(t, a, 0)) && !ebb__typeset_is_scalar(t, kid(t, a, 1))) level = ATOM;
    }
    ebb__typeset(t, id, level);
}

enum { MAX_FACTORS = 24 };

/* The factors of a product of elements; numbers and signs go into one coefficient, which is written first. */
struct product {
    double coefficient;
    int32_t factor[MAX_FACTORS];
    int n;
};

static void collect(const struct ebb__typeset *t, int32_t id, struct product *p, int depth) {
    double value;
    id = through(t, id);
    const struct ebb__ast *a = node(t, id);
    if (is_number(t, id, &value)) p->coefficient *= value;
    else if (a->kind == EBB__AST_UNARY && a->op == EBB__OP_NEG && depth < MAX_DEPTH) {
        p->coefficient = -p->coefficient;
        collect(t, kid(t, a, 0), p, depth + 1);
    } else if (a->kind == EBB__AST_BINARY && a->op == EBB__OP_MUL && depth < MAX_DEPTH && p->n + 2 < MAX_FACTORS) {
        collect(t, kid(t, a, 0), p, depth + 1);
        collect(t, kid(t, a, 1), p, depth + 1);
    } else if (a->kind == EBB__AST_BINARY && a->op == EBB__OP_POW && ebb__typeset_is_just(t, kid(t, a, 1), 0)) return;
    else if (p->n < MAX_FACTORS) p->factor[p->n++] = id;
}

static void put_elements(struct ebb__typeset *t, int32_t id, int level) {
    struct product p = {.coefficient = 1};
    collect(t, id, &p, 0);
    if (p.coefficient == 0 || p.n == 0) {
        ebb__typeset_number(t->out, t->script, p.coefficient);
        return;
    }
    bool negative = p.coefficient < 0, number = fabs(p.coefficient) != 1;
    if (p.n == 1 && !number && !negative) {
        ebb__typeset(t, p.factor[0], level);
        return;
    }
    bool brackets = level > (negative ? SUM : PRODUCT), scalar = true;
    if (brackets) open_bracket(t);
    if (negative) PUT(t, "-");
    if (number) ebb__typeset_number(t->out, t->script, fabs(p.coefficient));
    for (int i = 0; i < p.n; i++) {
        bool single = ebb__typeset_is_scalar(t, p.factor[i]), elements = !scalar && !single;
        if (i || number) PUT(t, "%s", latex(t) ? elements ? " \\odot " : " \\cdot " : elements ? " ⊙ " : " · ");
        put_factor(t, p.factor[i], false, i || number ? PRODUCT + 1 : PRODUCT);
        scalar = scalar && single;
    }
    if (brackets) close_bracket(t);
}

static void put_matrices(struct ebb__typeset *t, const struct ebb__ast *a, int level) {
    bool brackets = level > PRODUCT;
    if (brackets) open_bracket(t);
    put_factor(t, kid(t, a, 0), true, PRODUCT);
    PUT(t, latex(t) ? " \\, " : " · ");
    put_factor(t, kid(t, a, 1), true, PRODUCT + 1);
    if (brackets) close_bracket(t);
}

static void put_quotient(struct ebb__typeset *t, const struct ebb__ast *a, int level) {
    int32_t left = kid(t, a, 0), right = kid(t, a, 1);
    if (ebb__typeset_is_just(t, right, 1)) {
        ebb__typeset(t, left, level);
        return;
    }
    if (!latex(t)) {
        put_binary(t, left, "/", right, level, PRODUCT);
        return;
    }
    PUT(t, "\\frac{");
    ebb__typeset(t, left, 0);
    PUT(t, "}{");
    ebb__typeset(t, right, 0);
    PUT(t, "}");
}

static void put_power(struct ebb__typeset *t, const struct ebb__ast *a, int level) {
    int32_t base = kid(t, a, 0), exponent = kid(t, a, 1);
    double n;
    bool known = is_number(t, exponent, &n), whole = known && n == floor(n) && fabs(n) < 1000;
    if (known && n == 1) {
        ebb__typeset(t, base, level);
        return;
    }
    if (known && n == 0) {
        PUT(t, "1");
        return;
    }
    bool brackets = level > POWER;
    if (brackets) open_bracket(t);
    ebb__typeset(t, base, ATOM);
    if (latex(t)) {
        PUT(t, "^{");
        ebb__typeset(t, exponent, 0);
        PUT(t, "}");
    } else if (whole) {
        ebb__typeset_small(t, (int64_t)n, true);
    } else {
        PUT(t, "^");
        ebb__typeset(t, exponent, ATOM);
    }
    if (brackets) close_bracket(t);
}

static void put_sum(struct ebb__typeset *t, const struct ebb__ast *a, int level) {
    int32_t left = kid(t, a, 0), right = kid(t, a, 1);
    bool minus = a->op == EBB__OP_SUB;
    if (ebb__typeset_is_just(t, right, 0)) ebb__typeset(t, left, level);
    else if (!minus && ebb__typeset_is_just(t, left, 0)) ebb__typeset(t, right, level);
    else put_binary(t, left, minus ? "-" : "+", right, level, SUM);
}

/* A minus belongs to the first factor of what follows: -a · b. */
static void put_minus(struct ebb__typeset *t, const struct ebb__ast *a, int level) {
    bool brackets = level > SUM;
    if (brackets) open_bracket(t);
    PUT(t, "-");
    ebb__typeset(t, kid(t, a, 0), PRODUCT + 1);
    if (brackets) close_bracket(t);
}

static void put_other(struct ebb__typeset *t, const struct ebb__ast *a, int level) {
    const struct ebb__operator_info *o = &ebb__operators[a->op];
    int32_t left = kid(t, a, 0);
    if (a->kind == EBB__AST_UNARY) {
        PUT(t, a->op == EBB__OP_INVERT ? "~" : latex(t) ? "\\neg " : "not ");
        ebb__typeset(t, left, o->level);
        return;
    }
    if (a->op == EBB__OP_AND || a->op == EBB__OP_OR) { /* a side that is known falls away */
        const struct ebb__value *v = worth(t, left);
        if (v->kind != EBB__V_TENSOR) {
            ebb__typeset(t, kid(t, a, 1), level);
            return;
        }
        put_binary(t, left, latex(t) ? a->op == EBB__OP_AND ? "\\wedge" : "\\vee" : o->text, kid(t, a, 1), level,
                   o->level);
        return;
    }
    put_binary(t, left, latex(t) && a->op == EBB__OP_MOD ? "\\bmod" : o->text, kid(t, a, 1), level, o->level);
}

static void put_operator(struct ebb__typeset *t, int32_t id, const struct ebb__ast *a, int level) {
    switch (a->op) {
    case EBB__OP_MUL: put_elements(t, id, level); return;
    case EBB__OP_MATMUL: put_matrices(t, a, level); return;
    case EBB__OP_DIV: put_quotient(t, a, level); return;
    case EBB__OP_POW: put_power(t, a, level); return;
    case EBB__OP_ADD:
    case EBB__OP_SUB: put_sum(t, a, level); return;
    case EBB__OP_NEG: put_minus(t, a, level); return;
    default: put_other(t, a, level); return;
    }
}

/* With `negated`, a comparison of two is written the other way round; then false for what cannot be. */
bool ebb__typeset_comparison(struct ebb__typeset *t, const struct ebb__ast *a, bool negated) {
    if (negated && a->n != 2) return false;
    for (int32_t i = 0; i < a->n; i++) {
        if (i) {
            int op = negated ? opposite[a->ops[i - 1] - EBB__OP_LT] : a->ops[i - 1];
            PUT(t, " %s ", comparison_signs[op - EBB__OP_LT][latex(t)]);
        }
        ebb__typeset(t, kid(t, a, i), EBB__LEVEL_COMPARE + 1);
    }
    return true;
}

/* ---- the rest of the tree ---- */

void ebb__typeset_transposed(struct ebb__typeset *t, int32_t id) {
    ebb__typeset(t, id, ATOM);
    PUT(t, latex(t) ? "^{\\top}" : "ᵀ");
}

static void put_items(struct ebb__typeset *t, const struct ebb__ast *a, int32_t from) {
    for (int32_t i = from; i < a->n; i++) {
        const struct ebb__ast *item = node(t, kid(t, a, i));
        if (i > from) PUT(t, ", ");
        if (item->kind == EBB__AST_ELLIPSIS) PUT(t, "...");
        else if (item->kind == EBB__AST_SLICE) {
            for (int32_t k = 0; k < 3; k++) {
                bool there = node(t, kid(t, item, k))->kind != EBB__AST_NOTHING;
                if (k == 1 || (k == 2 && there)) PUT(t, "%s", colon(t));
                if (there) ebb__typeset(t, kid(t, item, k), 0);
            }
        } else ebb__typeset(t, kid(t, a, i), 0);
    }
}

static void put_node(struct ebb__typeset *t, int32_t id, int level) {
    const struct ebb__ast *a = node(t, id);
    switch ((enum ebb__ast_kind)a->kind) {
    case EBB__AST_NAME: put_name(t, ebb__ast_name(program(t), a)); return;
    case EBB__AST_UNARY:
    case EBB__AST_BINARY: put_operator(t, id, a, level); return;
    case EBB__AST_COMPARE:
        if (level > EBB__LEVEL_COMPARE) open_bracket(t);
        (void)ebb__typeset_comparison(t, a, false);
        if (level > EBB__LEVEL_COMPARE) close_bracket(t);
        return;
    case EBB__AST_IF: ebb__typeset(t, kid(t, a, is_true(t, kid(t, a, 1)) ? 0 : 2), level); return;
    case EBB__AST_ATTR: {
        const char *name = ebb__ast_name(program(t), a);
        if (strcmp(name, "T") == 0 || strcmp(name, "mT") == 0) {
            ebb__typeset_transposed(t, kid(t, a, 0));
            return;
        }
        ebb__typeset(t, kid(t, a, 0), ATOM);
        PUT(t, latex(t) ? ".\\text{%s}" : ".%s", name);
        return;
    }
    case EBB__AST_CALL: ebb__typeset_call(t, id, a, level); return;
    case EBB__AST_KEYWORD:
        PUT(t, latex(t) ? "\\text{%s}=" : "%s=", ebb__ast_name(program(t), a));
        ebb__typeset(t, kid(t, a, 0), 0);
        return;
    case EBB__AST_INDEX:
        if (ebb__typeset_adds(t->run, id)) {
            ebb__typeset_added(t, id);
            return;
        }
        ebb__typeset(t, kid(t, a, 0), ATOM);
        PUT(t, "[");
        put_items(t, a, 1);
        PUT(t, "]");
        return;
    case EBB__AST_LIST:
    case EBB__AST_TUPLE:
        PUT(t, a->kind == EBB__AST_LIST ? "[" : "(");
        put_items(t, a, 0);
        PUT(t, a->kind == EBB__AST_LIST ? "]" : ")");
        return;
    default: put_value(t, worth(t, id)); return;
    }
}

void ebb__typeset(struct ebb__typeset *t, int32_t id, int level) {
    id = through(t, id);
    if (t->depth > MAX_DEPTH) {
        PUT(t, "…");
        return;
    }
    int rank = t->rank;
    t->depth++;
    t->rank = rank_below(t, id);
    if (node(t, id)->kind == EBB__AST_KEYWORD || !ebb__typeset_constant(t, id, level)) put_node(t, id, level);
    t->rank = rank;
    t->depth--;
}

/* What is counted with: of a comparison 1 where it holds. */
void ebb__typeset_truth(struct ebb__typeset *t, int32_t id) {
    bool truth = node(t, id)->kind == EBB__AST_COMPARE;
    if (truth) PUT(t, latex(t) ? "\\mathbf{1}\\left(" : "1(");
    ebb__typeset(t, id, 0);
    if (truth) PUT(t, latex(t) ? "\\right)" : ")");
}

/* ---- programs ---- */

/* Whether a name stands in what is written of a tree. */
static bool mentions(const struct ebb__typeset *t, int32_t id, int32_t name, int depth) {
    double value;
    if (depth > MAX_DEPTH) return false;
    while (ebb__typeset_adds(t->run, id)) id = added_to(program(t), id);
    const struct ebb__ast *a = node(t, id);
    if (a->kind == EBB__AST_NAME) return a->name == name;
    if (is_number(t, id, &value)) return false;
    for (int32_t i = 0; i < a->n; i++) {
        if (a->kind == EBB__AST_IF && i != 0 && i != 2) continue;
        if (worth(t, kid(t, a, i))->kind == EBB__UNSET && node(t, kid(t, a, i))->kind != EBB__AST_ATTR &&
            node(t, kid(t, a, i))->kind != EBB__AST_SLICE)
            continue; /* the side of a condition that was not evaluated */
        if (mentions(t, kid(t, a, i), name, depth + 1)) return true;
    }
    return false;
}

enum { MAX_DEFINITIONS = 16 };

void ebb__typeset_program(struct ebb__typeset *t) {
    const struct ebb__program *p = program(t);
    if (p->n_statements) ebb__typeset(t, p->statements[p->n_statements - 1].root, 0);
}

/* Which statements define what is mentioned later, from the last one back. */
static void find_definitions(const struct ebb__typeset *t, bool *shown) {
    const struct ebb__program *p = program(t);
    int64_t last = p->n_statements - 1;
    for (int64_t i = last; i-- > 0;) {
        const struct ebb__statement *s = &p->statements[i];
        for (int64_t k = i + 1; k <= last; k++)
            for (int32_t n = 0; n < s->n && (k == last || shown[k]); n++) {
                const struct ebb__value *v = &t->run->variables[p->kids[s->targets + n]];
                bool worth_it = v->kind == EBB__V_TENSOR;
                shown[i] = shown[i] || (worth_it && mentions(t, p->statements[k].root, p->kids[s->targets + n], 0));
            }
    }
}

void ebb__typeset_definitions(struct ebb__typeset *t) {
    const struct ebb__program *p = program(t);
    bool shown[MAX_DEFINITIONS + 1] = {false}, any = false;
    if (p->n_statements > MAX_DEFINITIONS + 1) return;
    find_definitions(t, shown);
    for (int64_t i = 0; i + 1 < p->n_statements; i++) {
        const struct ebb__statement *s = &p->statements[i];
        if (!shown[i]) continue;
        if (any) PUT(t, latex(t) ? ",\\quad " : ",  ");
        any = true;
        for (int32_t n = 0; n < s->n; n++) {
            if (n) PUT(t, ", ");
            put_name(t, p->names[p->kids[s->targets + n]]);
        }
        PUT(t, " = ");
        ebb__typeset_truth(t, s->root);
    }
}
