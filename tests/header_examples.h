/* What the examples in the comments of the public headers take for granted: their names, and files that are there.
 * scripts/api.pl writes the program around them, scripts/examples.pl compiles and runs it. */
#ifndef EBB_TESTS_HEADER_EXAMPLES_H
#define EBB_TESTS_HEADER_EXAMPLES_H

#include <ebb/ebb.h>
#include <math.h>
#include <stdio.h>

static ebb_tensor *matrix(bool requires_grad) { return ebb_rand(EBB_DIMS(3, 3), .requires_grad = requires_grad); }

#define EXAMPLE_NAMES \
    ebb_tensor *x = matrix(true), *w = matrix(true), *b = ebb_rand(EBB_DIMS(3), .requires_grad = true); \
    ebb_tensor *a = matrix(false), *t = matrix(false), *v = matrix(false), *g = matrix(false), *result = NULL; \
    ebb_tensor *y = ebb_mul(x, w), *loss = ebb_sum(ebb_matmul(x, w)); \
    ebb_tensor *images = ebb_rand(EBB_DIMS(4, 6, 3, 8)), *labels = ebb_zeros(EBB_DIMS(4), .dtype = EBB_I64); \
    ebb_tensor *weight = ebb_empty(EBB_DIMS(4, 3)), *mask = ebb_gt(ebb_rand(EBB_DIMS(8)), 0.5); \
    const struct ebb_op *op = ebb_op_find("softmax"); \
    ebb_outputs out; \
    float values[] = {1, 2}; \
    void *context = NULL; \
    ebb_tensor *dx = NULL; \
    ebb_optim *opt = NULL; \
    (void)values, (void)context, (void)dx, (void)opt; \
    (void)ebb_set_grad(w, t), (void)result, (void)labels, (void)weight, (void)mask, (void)op, (void)out, (void)b; \
    (void)a, (void)v, (void)g, (void)y, (void)loss, (void)images;

static ebb_tensor *model(ebb_tensor *x) { return ebb_tanh(x); }
static ebb_tensor *hook(ebb_tensor *grad, void *context) { return (void)context, ebb_neg(grad); }
static void train(ebb_tensor *images, ebb_tensor *labels) { (void)images, (void)labels; }

/* The product of its inputs, and the sum of that. */
static ebb_status f(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = in.n > 1 ? ebb_mul(in.t[0], in.t[1]) : ebb_square(in.t[0]);
    return ebb_error_status();
}
static ebb_status energy(ebb_list in, ebb_outputs *ret_out, void *context) {
    if (f(in, ret_out, context)) return ebb_error_status();
    ret_out->t[0] = ebb_sum(ret_out->t[0]);
    return ebb_error_status();
}

static int failures;

static void begin(void) {
    const unsigned char idx[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 9};
    FILE *file = fopen("train-images-idx3-ubyte.gz", "wb");
    if (!file || fwrite(idx, sizeof idx, 1, file) != 1 || fclose(file)) failures++;
    (void)ebb_set_default_dtype(EBB_F64);
    EBB_SCOPE { (void)ebb_npy_save("x.npy", matrix(false)); }
    (void)model, (void)train, (void)energy, (void)hook;
}

static void run(int (*example)(void), const char *where) {
    EBB_SCOPE {
        int bad = example();
        bool unsupported = ebb_error_status() == EBB_ERR_UNSUPPORTED; /* in a build without the library it needs */
        if ((bad || ebb_error()) && !unsupported) {
            fprintf(stderr, "%s: the example there fails: %s\n", where, ebb_error() ? ebb_error()->message : "");
            failures++;
        }
        ebb_clear_error();
    }
}

static int end(int n) {
    printf("%d examples of the headers run\n", n);
    return failures != 0;
}

#endif
