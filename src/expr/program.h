/* A program of the expression language: its tokens, its tree, and where in the text things are. The grammar is in
 * docs/expressions.md. */
#ifndef EBB_EXPR_PROGRAM_H
#define EBB_EXPR_PROGRAM_H

#include "tool/memory.h"
#include <ebb/opdef.h>

/* ---- places ---- */

/* A part of the text: bytes from `at` to `end`. */
struct ebb__place {
    int32_t at, end;
};

/* Report an error at a place of a text: "column 5: …". The line with carets under it is kept for ebb_eval_caret().
 * Returns status. */
ebb_status ebb__fail_at(const char *text, struct ebb__place place, ebb_status status, const char *format, ...)
    EBB_PRINTF(4, 5);

/* The thread's error, which the call of an operator at that place ended with, told again with the place, and by the
 * name that was called where that is another than the operator's; else NULL. */
ebb_status ebb__fail_here(const char *text, struct ebb__place place, const char *called);

void ebb__caret_forget(void);
/* Keep a line with carets under a place for an error that has no column of a program. */
void ebb__caret_put(const char *text, struct ebb__place place);

/* The line of a failure, or a part of it, and which columns of it are meant. */
struct ebb__caret {
    char line[320];
    int before, length;
};

/* The thread's error, put aside while work goes on that needs none: its message is in the arena. Nothing is held when
 * there is no error, and of the end of memory. */
struct ebb__held_error {
    ebb_status status;
    bool said; /* in the thread's language */
    const char *message;
    struct ebb__caret caret;
};
void ebb__error_hold(struct ebb__held_error *error, struct ebb__arena *a);
/* Make it the thread's error again, if none has come since; returns the thread's status. */
ebb_status ebb__error_return(const struct ebb__held_error *error);

/* ---- tokens (token.c) ---- Those of one character are that character. */

enum ebb__token_kind {
    EBB__END = 0,
    EBB__NEWLINE = 256,
    EBB__INT,
    EBB__FLOAT,
    EBB__STRING,
    EBB__NAME,
    EBB__PATH,     /* @file.npy, where an operand stands */
    EBB__POWER,    /* ** */
    EBB__FLOORDIV, /* // */
    EBB__EQUAL,    /* == */
    EBB__UNEQUAL,  /* != */
    EBB__LESS_EQUAL,
    EBB__GREATER_EQUAL,
    EBB__DOTS,   /* ... */
    EBB__UPDATE, /* += and its kin; op is the operator */
    EBB__WRONG   /* an error has been reported */
};

struct ebb__token {
    int kind;
    int op; /* of an update */
    struct ebb__place place;
    int64_t i;
    double f;
};

struct ebb__lexer {
    const char *text;
    int32_t at, length;
    int brackets; /* how many are open: inside of them a line break is a blank */
};

struct ebb__token ebb__next_token(struct ebb__lexer *l);
/* The token at `at` read as the path of a file. */
struct ebb__token ebb__path_token(struct ebb__lexer *l, int32_t at);

/* ---- the tree (parse.c) ---- */

enum ebb__ast_kind {
    EBB__AST_INT,    /* i */
    EBB__AST_FLOAT,  /* f */
    EBB__AST_BOOL,   /* i */
    EBB__AST_NONE,   /* None */
    EBB__AST_STRING, /* name: the text between the quotes */
    EBB__AST_NAME,   /* name */
    EBB__AST_PATH,   /* name: the path */
    EBB__AST_LIST,
    EBB__AST_TUPLE,
    EBB__AST_UNARY,    /* op, one child */
    EBB__AST_BINARY,   /* op, two children */
    EBB__AST_COMPARE,  /* n children; ops[i] stands behind child i, n - 1 of them */
    EBB__AST_IF,       /* what, condition, otherwise */
    EBB__AST_ATTR,     /* name, one child */
    EBB__AST_CALL,     /* what is called, then arguments */
    EBB__AST_KEYWORD,  /* name, one child: an argument by name */
    EBB__AST_INDEX,    /* what is indexed, then items */
    EBB__AST_SLICE,    /* start, stop, step; an absent one is a NOTHING */
    EBB__AST_ELLIPSIS, /* ... */
    EBB__AST_NOTHING
};

/* Operators: indices into ebb__operators. */
enum ebb__operator {
    EBB__OP_OR,
    EBB__OP_AND,
    EBB__OP_NOT,
    EBB__OP_LT,
    EBB__OP_LE,
    EBB__OP_GT,
    EBB__OP_GE,
    EBB__OP_EQ,
    EBB__OP_NE,
    EBB__OP_BITOR,
    EBB__OP_BITXOR,
    EBB__OP_BITAND,
    EBB__OP_ADD,
    EBB__OP_SUB,
    EBB__OP_MUL,
    EBB__OP_MATMUL,
    EBB__OP_DIV,
    EBB__OP_FLOORDIV,
    EBB__OP_MOD,
    EBB__OP_POS,
    EBB__OP_NEG,
    EBB__OP_INVERT,
    EBB__OP_POW,
    EBB__N_OPERATORS
};

struct ebb__operator_info {
    const char *text; /* "//" */
    int token;        /* what it is written as: a token's kind; 0 for the words `or`, `and`, `not` */
    int8_t level;     /* how closely it binds; higher is closer */
    bool unary;
    const char *function; /* the operator of the library, "floor_divide" */
};
extern const struct ebb__operator_info ebb__operators[EBB__N_OPERATORS];

enum { EBB__LEVEL_IF = 1, EBB__LEVEL_COMPARE = 5, EBB__LEVEL_UNARY = 11, EBB__LEVEL_POWER = 12, EBB__LEVEL_ATOM = 13 };

/* A node of the tree. Children come before their parents. */
struct ebb__ast {
    uint8_t kind, op; /* enum ebb__ast_kind, enum ebb__operator */
    struct ebb__place place;
    struct ebb__place mark; /* the operator or the name, for errors */
    int32_t kids, n;        /* children: program->kids[kids … kids + n - 1] */
    int32_t name;           /* index into program->names */
    int64_t i;
    double f;
    const uint8_t *ops; /* of a comparison */
};

enum ebb__statement_kind {
    EBB__VALUE,  /* an expression alone */
    EBB__ASSIGN, /* name = …, or a, b = … */
    EBB__CHANGE  /* name += …, x[…] = …, x[…] += … */
};

struct ebb__statement {
    enum ebb__statement_kind kind;
    struct ebb__place place;
    int32_t root;             /* the expression to the right */
    int32_t targets, n;       /* of an assignment: names, program->kids[targets …] */
    struct ebb__place target; /* what is assigned to, for errors */
    int32_t left;             /* of a change: the name or the indexed expression */
    int op;                   /* of a change: its operator, or EBB__N_OPERATORS for `=` */
};

struct ebb__program {
    const char *text; /* a copy */
    int32_t length;
    struct ebb__arena arena;
    struct ebb__ast *ast;
    int64_t n_ast, ast_room;
    int32_t *kids;
    int64_t n_kids, kids_room;
    const char **names; /* each once */
    int64_t n_names, names_room;
    struct ebb__statement *statements;
    int64_t n_statements, statements_room;
};

/* Parse a text. On failure the error is set; free the program all the same. */
ebb_status ebb__program_parse(struct ebb__program *p, const char *text);
void ebb__program_free(struct ebb__program *p);

/* The number of a name, or -1; the name of a tree's node. */
int32_t ebb__program_find(const struct ebb__program *p, const char *name);
static inline const char *ebb__ast_name(const struct ebb__program *p, const struct ebb__ast *a) {
    return p->names[a->name];
}
static inline int32_t ebb__ast_kid(const struct ebb__program *p, const struct ebb__ast *a, int32_t i) {
    return p->kids[a->kids + i];
}

#endif
