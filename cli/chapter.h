/* The chapter's three examples: what an example is, and what is found out about it. The computation is apart from its
 * telling (chapter_text.c, chapter_json.c), and can be called from a test. */
#ifndef EBB_CLI_CHAPTER_H
#define EBB_CLI_CHAPTER_H

#include <ebb/ebb.h>

enum { CHAPTER_EXAMPLES = 3, CHAPTER_MAX = 16 };

struct chapter_options {
    int example; /* 1, 2 or 3; 0: all */
    uint64_t seed;
    ebb_dtype dtype;
    int64_t batch, in, out; /* of example 2 */
};

/* ---- what an example is ---- */

/* Constants and leaves are given; what is computed on the way may keep its gradient; the root is differentiated. */
enum chapter_role { CHAPTER_CONSTANT, CHAPTER_LEAF, CHAPTER_INNER, CHAPTER_ROOT };

struct chapter_variable {
    const char *key;   /* in JSON: "y_hat" */
    const char *label; /* in texts and graphs: "ŷ" */
    enum chapter_role role;
    bool gradient;       /* its gradient is shown and compared */
    const char *formula; /* how it is computed; NULL when given */
};

struct chapter_result;

struct chapter_example {
    const char *name;    /* "network" */
    const char *formula; /* of the whole */
    const char *target;  /* what gradients are of: "L" in ∂L/∂x */
    int n;               /* variables */
    struct chapter_variable variables[CHAPTER_MAX];
    int product[2]; /* the variables whose matrix product is the root's, for its dimension check; both 0: none */
    double step;    /* of the finite differences, relative to max(1, |x|) */
    /* Fill the constants and leaves, and the upstream gradient unless it is 1. */
    void (*give)(struct chapter_result *r, const struct chapter_options *options);
    /* Compute what is NULL, in order: so any variable may be given instead of computed. */
    void (*forward)(ebb_tensor **v);
    /* The formulas derived by hand: fills by_hand and steps. */
    void (*by_hand)(struct chapter_result *r);
};

extern const struct chapter_example chapter_examples[CHAPTER_EXAMPLES];

/* ---- what is found out ---- */

/* One application of a vector-Jacobian product. */
struct chapter_step {
    int number; /* the step of section 6.3 it belongs to */
    int from;   /* the variable whose gradient comes in */
    int to;     /* the variable whose gradient goes out */
    const char *vjp;
    ebb_dims left, right; /* of the matrix product in it; empty when there is none */
    bool fits;            /* inner dimensions agree, and the gradient has the variable's shape */
};

struct chapter_result {
    const struct chapter_example *example;
    ebb_tensor *value[CHAPTER_MAX];
    ebb_tensor *automatic[CHAPTER_MAX]; /* gradients; NULL for variables without */
    ebb_tensor *by_hand[CHAPTER_MAX];
    ebb_tensor *numeric[CHAPTER_MAX]; /* float64; NaN at entries that were not tried */
    int64_t tried[CHAPTER_MAX];       /* entries; with fewer than all also one direction through all of them */
    double diff[CHAPTER_MAX], diff_fd[CHAPTER_MAX];
    ebb_tensor *upstream; /* the gradient of the root */
    bool upstream_given;  /* by the example; otherwise it is 1 */
    ebb_tensor *mask;     /* where the ReLU lets gradients through; NULL without one */
    struct chapter_step steps[CHAPTER_MAX];
    int n_steps, root;
    ebb_dims left, right; /* of the product made last, for the step that follows */
    double max_diff, max_diff_fd;
    bool ok;
};

struct chapter_report {
    struct chapter_result results[CHAPTER_EXAMPLES];
    int n;
    double limit, limit_fd;
    double max_diff, max_diff_fd;
    bool ok; /* all differences are within their limits, and all shapes fit */
};

/* Compute, differentiate and compare. The tensors of the report belong to the innermost scope. */
ebb_status chapter_run(const struct chapter_options *options, struct chapter_report *report);

/* One example by its index from 0, without finite differences and comparison: for its graph. */
ebb_status chapter_differentiate(int index, const struct chapter_options *options, struct chapter_result *result);

/* A step derived by hand: takes its place in the list, and the gradient in by_hand. Returns the gradient. */
ebb_tensor *chapter_step(struct chapter_result *r, int number, int from, int to, const char *vjp, ebb_tensor *gradient);

/* left·right for the chapter_step() that follows, which notes the shapes. */
ebb_tensor *chapter_product(struct chapter_result *r, ebb_tensor *left, ebb_tensor *right);

/* ---- its telling ---- */

enum chapter_language { CHAPTER_EN, CHAPTER_ZH };

struct chapter_files {
    char dot[1024], svg[1024]; /* "" when not written */
    char why[512];             /* why there is no picture; "" when there is one */
};

void chapter_print(FILE *to, const struct chapter_report *report, const struct chapter_options *options,
                   enum chapter_language language);
void chapter_print_files(FILE *to, const struct chapter_files *files, enum chapter_language language);
void chapter_json(FILE *to, const struct chapter_report *report, const struct chapter_options *options,
                  const struct chapter_files *files);

#endif
