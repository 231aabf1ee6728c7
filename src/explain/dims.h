/* What happens to dimensions in an expression: call by call, shapes, strides and offsets, and who shares which
 * storage. */
#ifndef EBB_EXPLAIN_DIMS_H
#define EBB_EXPLAIN_DIMS_H

#include "explain/expression.h"
#include "explain/words.h"

struct ebb__dims_tensor {
    const char *name; /* a variable's, or how it is called in the formulas: x, y */
    ebb_tensor *t;    /* kept, without history */
    ebb_tensor *then; /* a copy of what is not large, as it was before later writes in place; else t */
    int32_t storage;
    int64_t from;          /* of an input that has no name of its own: the step, from 1, whose result it is; 0: none */
    const char *from_name; /* and what that is called there */
};

/* How the gradient of one input comes about. */
struct ebb__dims_give {
    struct ebb__shown symbol, formula;
    const char *shapes;
    const char *name;           /* of the input */
    bool again;                 /* it is added to one before */
    ebb_dims shape, to, summed; /* what the formula gives; what the input has; what is summed where it was broadcast */
};

/* Two dimensions that would have to become one, and cannot: a step in `outer` is not all of `inner`. */
struct ebb__dims_clash {
    int outer, inner; /* 0, 0: there are none */
    int64_t outer_stride, inner_size, inner_stride;
};

struct ebb__dims_step {
    const char *source; /* ".view(2, 3, 4)", as it is written */
    struct ebb__place place;
    const char *op;
    struct ebb__dims_tensor *in, *out;
    int64_t n_in, n_out;
    bool shares;           /* the first output lies in the storage of an input */
    bool failed;           /* the call: there are no outputs */
    const char *local;     /* "x.view(2, 3, 4)": the call by itself; NULL when it cannot be written */
    enum ebb__phrase what; /* what it does, how the gradient comes back; EBB__N_PHRASES: nothing to say */
    enum ebb__phrase back;
    struct ebb__dims_clash clash; /* why the first input could not be viewed in another shape */
    struct ebb__dims_give *gives;
    int64_t n_gives;
};

static inline bool ebb__dims_is_matmul(const struct ebb__dims_step *s) {
    return s->what == EBB__SAY_MATMUL || s->what == EBB__SAY_MATMUL_VECTOR;
}

/* Elements of a tensor, told apart by where they lie. */
struct ebb__dims_storage {
    ebb_tensor *t;    /* the first tensor in it */
    int64_t elements; /* up to the last one that was seen of it */
};

struct ebb__dims_report {
    struct ebb__arena arena;
    const char *expression;
    struct ebb__dims_step *steps;
    int64_t n, room;
    struct ebb__dims_storage *storages;
    int64_t n_storages, storages_room;
    ebb_tensor **kept;
    int64_t n_kept, kept_room;
    struct ebb__held_error error; /* of what failed; its status is EBB_OK when all went well */
    const char *caret;            /* the line with the place under it */
};

/* Evaluate and gather. What fails ends the steps and is told in the report, and the error is put aside:
 * ebb__error_return(&r->error) makes it the thread's again. The status is that of what fails otherwise: the text cannot
 * be read, memory ends. ebb__dims_free() also after a failure. */
ebb_status ebb__dims_make(struct ebb__dims_report *r, const char *text, const ebb_explain_options *options);
void ebb__dims_free(struct ebb__dims_report *r);

/* ---- dims_layout.c ---- */

/* The names of indices, "ijklmnop". */
extern const char ebb__dims_indices[];
/* "12·i + 4·j + k": which element of the storage an index reads; in the arena. */
const char *ebb__dims_address(struct ebb__arena *a, const ebb_tensor *t);
/* The storage's element that element `at` of the tensor, counted row by row, lies in. */
int64_t ebb__dims_place(const ebb_tensor *t, int64_t at);
/* The strides of a contiguous tensor. */
ebb_dims ebb__dims_row_by_row(ebb_dims shape);
/* Whether no strides describe the shape, which has as many elements, in the tensor's storage; and why. */
bool ebb__dims_clash(const ebb_tensor *t, ebb_dims shape, struct ebb__dims_clash *ret_clash);
/* Sentences of it: why the step's input cannot be viewed in the new shape, and why a tensor is not contiguous; NULL
 * when it can, and is. In the arena. */
const char *ebb__dims_why_no_view(struct ebb__arena *a, enum ebb_language lang, const struct ebb__dims_step *s);
const char *ebb__dims_why_not_contiguous(struct ebb__arena *a, enum ebb_language lang,
                                         const struct ebb__dims_tensor *x);
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
/* Of a lesson only the last call, which it is about, and the failure, which it means to show. */
void ebb__dims_text(const struct ebb__dims_report *r, bool lesson, FILE *to, enum ebb_language lang);
struct ebb__json_view;
void ebb__dims_json(const struct ebb__dims_report *r, const struct ebb__json_view *v);

#endif
