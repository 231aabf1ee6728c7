/* What happens to dimensions in an expression: call by call, shapes, strides and offsets, and who shares which
 * storage. */
#ifndef EBB_EXPLAIN_DIMS_H
#define EBB_EXPLAIN_DIMS_H

#include "explain/expression.h"
#include "explain/words.h"

struct ebb__dims_tensor {
    const char *name; /* a variable's, or how it is called in the formulas: x, y */
    ebb_tensor *t;    /* kept, without history */
    int32_t storage;
};

/* How the gradient of one input comes about. */
struct ebb__dims_give {
    struct ebb__shown symbol, formula;
    const char *shapes;
    const char *name;           /* of the input */
    ebb_dims shape, to, summed; /* what the formula gives; what the input has; what is summed where it was broadcast */
};

struct ebb__dims_step {
    const char *source; /* ".view(2, 3, 4)", as it is written */
    struct ebb__place place;
    const char *op;
    struct ebb__dims_tensor *in, *out;
    int64_t n_in, n_out;
    bool shares;           /* the first output lies in the storage of an input */
    const char *local;     /* "x.view(2, 3, 4)": the call by itself; NULL when it cannot be written */
    enum ebb__phrase what; /* what it does, how the gradient comes back; EBB__N_PHRASES: nothing to say */
    enum ebb__phrase back;
    struct ebb__dims_give *gives;
    int64_t n_gives;
};

struct ebb__dims_report {
    struct ebb__arena arena;
    const char *expression;
    struct ebb__dims_step *steps;
    int64_t n, room;
    ebb_tensor **storages; /* one tensor of each, which is all of it */
    int64_t n_storages, storages_room;
    ebb_tensor **kept;
    int64_t n_kept, kept_room;
    const char *failure; /* the message of what failed; NULL: all went well */
    const char *caret;   /* the line with the place under it */
};

/* Evaluate and gather. A call that fails ends the steps: with `may_fail` its error is told in the report, otherwise it
 * is the thread's. ebb__dims_free() also after a failure. */
ebb_status ebb__dims_make(struct ebb__dims_report *r, const char *text, const ebb_explain_options *options,
                          bool may_fail);
void ebb__dims_free(struct ebb__dims_report *r);

/* "12·i + 4·j + k": which element of the storage an index reads; in the arena. */
const char *ebb__dims_address(struct ebb__arena *a, const ebb_tensor *t);
/* The storage's element that element `at` of the tensor, counted row by row, lies in. */
int64_t ebb__dims_place(const ebb_tensor *t, int64_t at);
/* How a call's inputs are brought together, broadcast or multiplied: lines of aligned shapes; NULL when there is
 * nothing to show. */
const char *ebb__dims_alignment(struct ebb__arena *a, const struct ebb__dims_step *s);

/* dims_lessons.c */
struct ebb__dims_lesson {
    enum ebb__phrase title, text;
    const char *expression[4]; /* NULL after the last */
};
extern const struct ebb__dims_lesson ebb__dims_lessons[]; /* NULL expressions after the last */

/* dims_text.c, dims_json.c */
/* From step `first` on. */
void ebb__dims_text(const struct ebb__dims_report *r, int64_t first, FILE *to, enum ebb_language lang);
struct ebb__json;
void ebb__dims_json(const struct ebb__dims_report *r, struct ebb__json *j, enum ebb_language lang);

#endif
