/* From text to tree: operators by how closely they bind (Pratt 1973), everything else by descent. The depth of both is
 * bounded, so that hostile nesting is an error. */
#include "expr/program.h"
#include "tool/said.h"

#include <string.h>

enum { MAX_DEPTH = 200, MAX_TEXT = 1 << 20, MAX_NAMES = 4096 };

#define COMPARISON(text, token, function) \
    { text, token, EBB__LEVEL_COMPARE, false, function }
const struct ebb__operator_info ebb__operators[EBB__N_OPERATORS] = {
    [EBB__OP_OR] = {"or", 0, 2, false, "logical_or"},
    [EBB__OP_AND] = {"and", 0, 3, false, "logical_and"},
    [EBB__OP_NOT] = {"not", 0, 4, true, "logical_not"},
    [EBB__OP_LT] = COMPARISON("<", '<', "lt"),
    [EBB__OP_LE] = COMPARISON("<=", EBB__LESS_EQUAL, "le"),
    [EBB__OP_GT] = COMPARISON(">", '>', "gt"),
    [EBB__OP_GE] = COMPARISON(">=", EBB__GREATER_EQUAL, "ge"),
    [EBB__OP_EQ] = COMPARISON("==", EBB__EQUAL, "eq"),
    [EBB__OP_NE] = COMPARISON("!=", EBB__UNEQUAL, "ne"),
    [EBB__OP_BITOR] = {"|", '|', 6, false, "bitwise_or"},
    [EBB__OP_BITXOR] = {"^", '^', 7, false, "bitwise_xor"},
    [EBB__OP_BITAND] = {"&", '&', 8, false, "bitwise_and"},
    [EBB__OP_ADD] = {"+", '+', 9, false, "add"},
    [EBB__OP_SUB] = {"-", '-', 9, false, "sub"},
    [EBB__OP_MUL] = {"*", '*', 10, false, "mul"},
    [EBB__OP_MATMUL] = {"@", '@', 10, false, "matmul"},
    [EBB__OP_DIV] = {"/", '/', 10, false, "div"},
    [EBB__OP_FLOORDIV] = {"//", EBB__FLOORDIV, 10, false, "floor_divide"},
    [EBB__OP_MOD] = {"%", '%', 10, false, "remainder"},
    [EBB__OP_POS] = {"+", '+', EBB__LEVEL_UNARY, true, NULL},
    [EBB__OP_NEG] = {"-", '-', EBB__LEVEL_UNARY, true, "neg"},
    [EBB__OP_INVERT] = {"~", '~', EBB__LEVEL_UNARY, true, "bitwise_not"},
    [EBB__OP_POW] = {"**", EBB__POWER, EBB__LEVEL_POWER, false, "pow"},
};

struct parser {
    struct ebb__lexer lexer;
    struct ebb__program *program;
    struct ebb__token token; /* the one that is looked at */
    int32_t last;            /* where the one before it ended */
    int depth;
    int32_t *list; /* children that are being gathered, a stack */
    int64_t n_list, list_room;
};

/* ---- small parts ---- Functions that parse return a node's number, or -1 after an error. */

static void advance(struct parser *p) {
    p->last = p->token.place.end;
    p->token = ebb__next_token(&p->lexer);
}

static int32_t fail(const struct parser *p, struct ebb__place place, const char *what) {
    (void)ebb__fail_at(p->program->text, place, EBB_ERR_FORMAT, "%s", ebb__said(what));
    return -1;
}

static bool is_word(const struct parser *p, const char *word) {
    size_t n = strlen(word);
    const struct ebb__token *t = &p->token;
    return t->kind == EBB__NAME && (size_t)(t->place.end - t->place.at) == n &&
           memcmp(p->program->text + t->place.at, word, n) == 0;
}

/* As Python writes them, and as signatures do. */
static bool is_true(const struct parser *p) { return is_word(p, "True") || is_word(p, "true"); }
static bool is_false(const struct parser *p) { return is_word(p, "False") || is_word(p, "false"); }
static bool is_none(const struct parser *p) { return is_word(p, "None") || is_word(p, "none"); }

static bool is_reserved(const struct parser *p) {
    static const char *const words[] = {"or",     "and", "not",   "if",  "else",   "is",    "in",
                                        "lambda", "for", "while", "def", "return", "import"};
    if (is_true(p) || is_false(p) || is_none(p)) return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(p, words[i])) return true;
    return false;
}

/* What stands at the token, for "expected …, not …". */
static int32_t unexpected(const struct parser *p, const char *expected) {
    const struct ebb__token *t = &p->token;
    if (t->kind == EBB__WRONG) return -1;
    char found[64];
    int n = t->place.end - t->place.at;
    if (t->kind == EBB__END) (void)snprintf(found, sizeof found, "%s", ebb__said("the end of the text"));
    else if (t->kind == EBB__NEWLINE) (void)snprintf(found, sizeof found, "%s", ebb__said("the end of the line"));
    else
        (void)snprintf(found, sizeof found, "'%.*s%s'", n < 40 ? n : 40, p->program->text + t->place.at,
                       n < 40 ? "" : "…");
    (void)ebb__fail_at(p->program->text, t->place, EBB_ERR_FORMAT, "expected %s, found %s", ebb__said(expected), found);
    return -1;
}

/* The number of a name, entered when it is new. */
static int32_t intern(struct parser *p, struct ebb__place place) {
    struct ebb__program *g = p->program;
    size_t n = (size_t)(place.end - place.at);
    const char *text = g->text + place.at;
    for (int64_t i = 0; i < g->n_names; i++)
        if (strncmp(g->names[i], text, n) == 0 && !g->names[i][n]) return (int32_t)i;
    if (g->n_names == MAX_NAMES) return fail(p, place, "too many different names");
    if (!ebb__array_grow(&g->names, &g->names_room, g->n_names + 1, sizeof *g->names)) return -1;
    if (!(g->names[g->n_names] = ebb__arena_copy(&g->arena, text, n))) return -1;
    return (int32_t)g->n_names++;
}

static int32_t node(struct parser *p, struct ebb__ast a) {
    struct ebb__program *g = p->program;
    if (!ebb__array_grow(&g->ast, &g->ast_room, g->n_ast + 1, sizeof *g->ast)) return -1;
    g->ast[g->n_ast] = a;
    return (int32_t)g->n_ast++;
}

static bool gather(struct parser *p, int32_t kid) {
    if (kid < 0 || !ebb__array_grow(&p->list, &p->list_room, p->n_list + 1, sizeof *p->list)) return false;
    p->list[p->n_list++] = kid;
    return true;
}

/* Move what was gathered since `from` to the program; returns where it is, or -1. */
static int32_t settle(struct parser *p, int64_t from) {
    struct ebb__program *g = p->program;
    int64_t n = p->n_list - from, at = g->n_kids;
    if (!ebb__array_grow(&g->kids, &g->kids_room, at + n, sizeof *g->kids)) return -1;
    if (n) memcpy(g->kids + at, p->list + from, (size_t)n * sizeof *g->kids);
    g->n_kids += n;
    p->n_list = from;
    return (int32_t)at;
}

/* A node over what was gathered since `from`. */
static int32_t parent(struct parser *p, struct ebb__ast a, int64_t from) {
    a.n = (int32_t)(p->n_list - from);
    a.kids = settle(p, from);
    return a.kids < 0 ? -1 : node(p, a);
}

static struct ebb__place place_of(const struct parser *p, int32_t id) { return p->program->ast[id].place; }

static int32_t expression(struct parser *p, int level);

/* ---- operands ---- */

static int32_t leaf(struct parser *p, enum ebb__ast_kind kind) {
    struct ebb__token t = p->token;
    bool named = kind == EBB__AST_NAME || kind == EBB__AST_STRING || kind == EBB__AST_PATH;
    struct ebb__ast a = {.kind = (uint8_t)kind, .place = t.place, .mark = t.place, .i = t.i, .f = t.f};
    if (named && (a.name = intern(p, t.place)) < 0) return -1;
    if (kind == EBB__AST_BOOL) a.i = is_true(p);
    if (kind == EBB__AST_STRING) { /* with its quotes */
        a.place.at--;
        a.place.end++;
    }
    advance(p);
    return node(p, a);
}

/* What stands in brackets: a tuple, a list, or one expression. */
static int32_t bracketed(struct parser *p, char close) {
    struct ebb__place open = p->token.place;
    int64_t from = p->n_list;
    bool comma = false;
    advance(p);
    while (p->token.kind != close) {
        if (p->token.kind == EBB__END) return fail(p, open, "this bracket is not closed");
        if (!gather(p, expression(p, EBB__LEVEL_IF))) return -1;
        if (p->token.kind != ',') break;
        comma = true;
        advance(p);
    }
    if (p->token.kind == EBB__END) return fail(p, open, "this bracket is not closed");
    if (p->token.kind != close)
        return unexpected(p, close == ')' ? "an operator, ',' or ')'" : "an operator, ',' or ']'");
    advance(p);
    struct ebb__place place = {open.at, p->last};
    if (close == ')' && !comma && p->n_list == from + 1) {
        int32_t id = p->list[--p->n_list];
        p->program->ast[id].place = place; /* with its brackets */
        return id;
    }
    struct ebb__ast a = {.kind = close == ')' ? EBB__AST_TUPLE : EBB__AST_LIST, .place = place, .mark = open};
    return parent(p, a, from);
}

static int32_t atom(struct parser *p) {
    switch (p->token.kind) {
    case EBB__INT: return leaf(p, EBB__AST_INT);
    case EBB__FLOAT: return leaf(p, EBB__AST_FLOAT);
    case EBB__STRING: return leaf(p, EBB__AST_STRING);
    case '(': return bracketed(p, ')');
    case '[': return bracketed(p, ']');
    case '@':
        p->token = ebb__path_token(&p->lexer, p->token.place.at);
        return p->token.kind == EBB__PATH ? leaf(p, EBB__AST_PATH) : -1;
    case EBB__NAME:
        if (is_true(p) || is_false(p)) return leaf(p, EBB__AST_BOOL);
        if (is_none(p)) return leaf(p, EBB__AST_NONE);
        if (is_reserved(p)) return unexpected(p, "a value");
        return leaf(p, EBB__AST_NAME);
    default: return unexpected(p, "a value");
    }
}

/* ---- what follows an operand: calls, attributes, subscripts ---- */

static int32_t argument(struct parser *p) {
    struct ebb__token name = p->token;
    struct ebb__lexer before = p->lexer;
    if (name.kind == EBB__NAME && !is_reserved(p)) {
        advance(p);
        if (p->token.kind == '=') {
            int64_t from = p->n_list;
            advance(p);
            struct ebb__ast a = {.kind = EBB__AST_KEYWORD, .place = name.place, .mark = name.place};
            if ((a.name = intern(p, name.place)) < 0 || !gather(p, expression(p, EBB__LEVEL_IF))) return -1;
            a.place.end = p->last;
            return parent(p, a, from);
        }
        p->lexer = before;
        p->token = name;
    }
    return expression(p, EBB__LEVEL_IF);
}

static int32_t call(struct parser *p, int32_t called) {
    struct ebb__place open = p->token.place, named = {0, 0};
    int64_t from = p->n_list;
    if (!gather(p, called)) return -1;
    advance(p);
    while (p->token.kind != ')') {
        if (p->token.kind == EBB__END) return fail(p, open, "this bracket is not closed");
        int32_t a = argument(p);
        if (!gather(p, a)) return -1;
        if (p->program->ast[a].kind == EBB__AST_KEYWORD) named = place_of(p, a);
        else if (named.end) return fail(p, place_of(p, a), "an argument without a name follows one with a name");
        if (p->token.kind != ',') break;
        advance(p);
    }
    if (p->token.kind == EBB__END) return fail(p, open, "this bracket is not closed");
    if (p->token.kind != ')') return unexpected(p, "an operator, ',' or ')'");
    advance(p);
    struct ebb__ast a = {.kind = EBB__AST_CALL, .place = {place_of(p, called).at, p->last}};
    a.mark = p->program->ast[called].mark;
    return parent(p, a, from);
}

static int32_t attribute(struct parser *p, int32_t of) {
    int64_t from = p->n_list;
    if (!gather(p, of)) return -1;
    advance(p);
    if (p->token.kind != EBB__NAME) return unexpected(p, "a name after the point");
    struct ebb__ast a = {.kind = EBB__AST_ATTR, .place = {place_of(p, of).at, p->token.place.end}};
    a.mark = p->token.place;
    if ((a.name = intern(p, p->token.place)) < 0) return -1;
    advance(p);
    return parent(p, a, from);
}

/* One of the three parts of a slice. */
static int32_t slice_part(struct parser *p) {
    int kind = p->token.kind;
    if (kind != ':' && kind != ',' && kind != ']') return expression(p, EBB__LEVEL_IF);
    struct ebb__ast nothing = {.kind = EBB__AST_NOTHING, .place = {p->token.place.at, p->token.place.at}};
    return node(p, nothing);
}

static int32_t item(struct parser *p) {
    struct ebb__ast a = {.kind = EBB__AST_SLICE, .place = p->token.place};
    if (p->token.kind == EBB__DOTS) {
        a.kind = EBB__AST_ELLIPSIS;
        advance(p);
        return node(p, a);
    }
    int64_t from = p->n_list;
    int32_t first = slice_part(p);
    if (first < 0 || p->token.kind != ':') return first;
    if (!gather(p, first)) return -1;
    advance(p);
    if (!gather(p, slice_part(p))) return -1;
    if (p->token.kind == ':') advance(p);
    if (!gather(p, slice_part(p))) return -1;
    a.place.end = p->last;
    return parent(p, a, from);
}

static int32_t subscript(struct parser *p, int32_t of) {
    struct ebb__place open = p->token.place;
    int64_t from = p->n_list;
    if (!gather(p, of)) return -1;
    advance(p);
    do {
        if (p->n_list > from + 1) advance(p);
        if (p->token.kind == ']' && p->n_list > from + 1) break;
        if (p->token.kind == EBB__END) return fail(p, open, "this bracket is not closed");
        if (p->token.kind == ']' || p->token.kind == ',') return unexpected(p, "an index");
        if (!gather(p, item(p))) return -1;
    } while (p->token.kind == ',');
    if (p->token.kind == EBB__END) return fail(p, open, "this bracket is not closed");
    if (p->token.kind != ']') return unexpected(p, "':', ',' or ']'");
    advance(p);
    struct ebb__ast a = {.kind = EBB__AST_INDEX, .place = {place_of(p, of).at, p->last}, .mark = {open.at, p->last}};
    return parent(p, a, from);
}

static int32_t primary(struct parser *p) {
    int32_t id = atom(p);
    while (id >= 0) {
        if (p->token.kind == '(') id = call(p, id);
        else if (p->token.kind == '[') id = subscript(p, id);
        else if (p->token.kind == '.') id = attribute(p, id);
        else break;
    }
    return id;
}

/* ---- operators ---- */

/* The operator at the token, before an operand or after one; EBB__N_OPERATORS for none. */
static int operator_here(const struct parser *p, bool unary) {
    int op = 0;
    for (; op < EBB__N_OPERATORS; op++) {
        const struct ebb__operator_info *o = &ebb__operators[op];
        if (o->unary == unary && (o->token ? p->token.kind == o->token : is_word(p, o->text))) break;
    }
    return op;
}

static int32_t unary(struct parser *p, int level) {
    int op = operator_here(p, true);
    if (op == EBB__N_OPERATORS) return primary(p);
    if (ebb__operators[op].level < level && op == EBB__OP_NOT)
        return unexpected(p, "a value (put `not …` in brackets)");
    struct ebb__ast a = {.kind = EBB__AST_UNARY, .op = (uint8_t)op, .place = p->token.place, .mark = p->token.place};
    int64_t from = p->n_list;
    advance(p);
    if (!gather(p, expression(p, ebb__operators[op].level))) return -1;
    a.place.end = p->last;
    return parent(p, a, from);
}

/* a < b <= c: one node with all of them. */
static int32_t comparison(struct parser *p, int32_t left) {
    uint8_t ops[MAX_DEPTH];
    int n = 0;
    int64_t from = p->n_list;
    struct ebb__ast a = {.kind = EBB__AST_COMPARE, .place = place_of(p, left), .mark = p->token.place};
    if (!gather(p, left)) return -1;
    for (int op; (op = operator_here(p, false)) < EBB__N_OPERATORS && ebb__operators[op].level == EBB__LEVEL_COMPARE;) {
        if (n == MAX_DEPTH) return fail(p, p->token.place, "too many comparisons in a row");
        ops[n++] = (uint8_t)op;
        advance(p);
        if (!gather(p, expression(p, EBB__LEVEL_COMPARE + 1))) return -1;
    }
    a.place.end = p->last;
    if (!(a.ops = (const uint8_t *)ebb__arena_copy(&p->program->arena, (const char *)ops, (size_t)n))) return -1;
    return parent(p, a, from);
}

/* what if condition else otherwise */
static int32_t conditional(struct parser *p, int32_t what) {
    struct ebb__ast a = {.kind = EBB__AST_IF, .place = place_of(p, what), .mark = p->token.place};
    int64_t from = p->n_list;
    advance(p);
    if (!gather(p, what) || !gather(p, expression(p, EBB__LEVEL_IF + 1))) return -1;
    if (!is_word(p, "else")) return unexpected(p, "`else`");
    advance(p);
    if (!gather(p, expression(p, EBB__LEVEL_IF))) return -1;
    a.place.end = p->last;
    return parent(p, a, from);
}

static int32_t binary(struct parser *p, int32_t left, int op) {
    const struct ebb__operator_info *o = &ebb__operators[op];
    struct ebb__ast a = {
        .kind = EBB__AST_BINARY, .op = (uint8_t)op, .place = place_of(p, left), .mark = p->token.place};
    int64_t from = p->n_list;
    advance(p);
    /* a power's right side may be a sign, and binds to the right: 2**-x**2 */
    if (!gather(p, left) || !gather(p, expression(p, op == EBB__OP_POW ? EBB__LEVEL_UNARY : o->level + 1))) return -1;
    a.place.end = p->last;
    return parent(p, a, from);
}

/* An expression of operators that bind at least as closely as `level`. */
static int32_t expression(struct parser *p, int level) {
    if (++p->depth > MAX_DEPTH) return fail(p, p->token.place, "the expression is nested too deeply");
    int32_t left = unary(p, level);
    while (left >= 0) {
        int op = operator_here(p, false);
        if (op == EBB__N_OPERATORS || ebb__operators[op].level < level) {
            if (op < EBB__N_OPERATORS || level > EBB__LEVEL_IF || !is_word(p, "if")) break;
            left = conditional(p, left);
        } else if (ebb__operators[op].level == EBB__LEVEL_COMPARE) {
            left = comparison(p, left);
        } else {
            left = binary(p, left, op);
        }
    }
    p->depth--;
    return left;
}

/* ---- statements ---- */

static bool ends_statement(const struct parser *p) {
    int k = p->token.kind;
    return k == EBB__END || k == EBB__NEWLINE || k == ';';
}

/* The names that an expression is when it stands to the left of `=`; gathers them. */
static bool targets(struct parser *p, int32_t left) {
    const struct ebb__ast *a = &p->program->ast[left];
    if (a->kind == EBB__AST_NAME) return gather(p, a->name);
    bool list = a->kind == EBB__AST_TUPLE || a->kind == EBB__AST_LIST;
    if (!list || a->n == 0)
        return fail(p, a->place, "only names and parts of tensors, x[…], can be assigned to; to compare, write ==") >=
               0;
    for (int32_t i = 0; i < a->n; i++) {
        const struct ebb__ast *kid = &p->program->ast[ebb__ast_kid(p->program, a, i)];
        if (kid->kind != EBB__AST_NAME) return fail(p, kid->place, "only names can be assigned to here") >= 0;
        if (!gather(p, kid->name)) return false;
    }
    return true;
}

/* An expression, or several with commas between them: a tuple without brackets. */
static int32_t expressions(struct parser *p) {
    int64_t from = p->n_list;
    int32_t first = expression(p, EBB__LEVEL_IF);
    if (first < 0 || p->token.kind != ',') return first;
    struct ebb__ast a = {.kind = EBB__AST_TUPLE, .place = place_of(p, first), .mark = p->token.place};
    if (!gather(p, first)) return -1;
    while (p->token.kind == ',') {
        advance(p);
        if (ends_statement(p) || p->token.kind == '=') break;
        if (!gather(p, expression(p, EBB__LEVEL_IF))) return -1;
    }
    a.place.end = p->last;
    return parent(p, a, from);
}

/* What stands where a statement ought to end. Returns false. */
static bool no_end(const struct parser *p) {
    static const int operands[] = {EBB__NAME, EBB__INT, EBB__FLOAT, '('};
    int kind = p->token.kind;
    if (kind == ')' || kind == ']') return fail(p, p->token.place, "this bracket closes none that is open") >= 0;
    if (kind == '=') return fail(p, p->token.place, "a statement has one =; to compare, write ==") >= 0;
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++)
        if (kind == operands[i] && !is_reserved(p))
            return fail(p, p->token.place,
                        "an operator is missing here; for a product write *, between statements ;") >= 0;
    return unexpected(p, "an operator, ';' or the end of the line") >= 0;
}

static bool statement(struct parser *p) {
    struct ebb__program *g = p->program;
    struct ebb__statement s = {.kind = EBB__VALUE, .place = p->token.place, .op = EBB__N_OPERATORS, .left = -1};
    int32_t left = expressions(p);
    if (left < 0) return false;
    s.root = left;
    s.target = place_of(p, left);
    if (p->token.kind == EBB__UPDATE || p->token.kind == '=') {
        uint8_t kind = g->ast[left].kind;
        bool update = p->token.kind == EBB__UPDATE;
        s.kind = update || kind == EBB__AST_INDEX ? EBB__CHANGE : EBB__ASSIGN;
        if (update) s.op = p->token.op;
        if (update && kind != EBB__AST_NAME && kind != EBB__AST_INDEX)
            return fail(p, s.target, "only names and parts of tensors, x[…], can be changed") >= 0;
        if (s.kind == EBB__CHANGE) s.left = left;
        int64_t from = p->n_list;
        if (s.kind == EBB__ASSIGN && !targets(p, left)) return false;
        s.n = (int32_t)(p->n_list - from);
        if ((s.targets = settle(p, from)) < 0) return false;
        advance(p);
        if ((s.root = expressions(p)) < 0) return false;
    }
    s.place.end = p->last;
    if (!ends_statement(p)) return no_end(p);
    if (!ebb__array_grow(&g->statements, &g->statements_room, g->n_statements + 1, sizeof s)) return false;
    g->statements[g->n_statements++] = s;
    return true;
}

static bool statements(struct parser *p) {
    advance(p);
    while (p->token.kind != EBB__END) {
        if (p->token.kind == EBB__NEWLINE || p->token.kind == ';') advance(p);
        else if (!statement(p)) return false;
    }
    return true;
}

ebb_status ebb__program_parse(struct ebb__program *g, const char *text) {
    *g = (struct ebb__program){0};
    size_t n = text ? strlen(text) : 0;
    if (n > MAX_TEXT) return ebb__fail_said(EBB_ERR_FORMAT, "a program of %zu bytes; at most %d are read", n, MAX_TEXT);
    if (!(g->text = ebb__arena_copy(&g->arena, text ? text : "", n))) return ebb_error_status();
    g->length = (int32_t)n;
    ebb__caret_forget();
    struct parser p = {.lexer = {.text = g->text, .length = (int32_t)n}, .program = g};
    bool ok = statements(&p);
    ebb__array_free(p.list, p.list_room, sizeof *p.list);
    return ok ? EBB_OK : ebb_error_status();
}

void ebb__program_free(struct ebb__program *g) {
    ebb__array_free(g->ast, g->ast_room, sizeof *g->ast);
    ebb__array_free(g->kids, g->kids_room, sizeof *g->kids);
    ebb__array_free((void *)g->names, g->names_room, sizeof *g->names);
    ebb__array_free(g->statements, g->statements_room, sizeof *g->statements);
    ebb__arena_free(&g->arena);
    *g = (struct ebb__program){0};
}

int32_t ebb__program_find(const struct ebb__program *g, const char *name) {
    for (int64_t i = 0; i < g->n_names; i++)
        if (strcmp(g->names[i], name) == 0) return (int32_t)i;
    return -1;
}
