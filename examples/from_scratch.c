/* Automatic differentiation from scratch: in some 300 lines of plain C, without Ebb, what stands at its core. Tensors
 * are values on a tape; each knows what it was computed from and how to send a gradient back there; one walk over the
 * tape, last to first, gives the gradient of everything. At the end a small network learns XOR with it. The chapter in
 * docs/from-scratch.md explains it piece by piece. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tensors ---- */

/* A matrix of rows × cols; a scalar is 1×1, a row vector 1×n. Two dimensions are enough to show all that matters. */
typedef struct tensor tensor;
struct tensor {
    int rows, cols;
    double *value;
    double *grad;             /* dL/dvalue, once backward has been here */
    tensor *in[2];            /* what it was computed from; NULL for a leaf */
    void (*vjp)(tensor *out); /* adds to in[i]->grad what out->grad has to say; NULL for a leaf */
    int needs_grad;
    tensor *previous; /* on the tape: the one made before */
};

/* ---- the tape ---- */

static tensor *tape; /* the tensor made last */

static void *allocate(size_t n) {
    void *memory = calloc(n ? n : 1, sizeof(double));
    if (!memory) {
        fputs("from_scratch: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* Every tensor goes on the tape when it is made, so that the tape's order is an order of computation: what a tensor was
 * computed from always stands before it. */
static tensor *make(int rows, int cols, tensor *a, tensor *b, void (*vjp)(tensor *)) {
    tensor *t = allocate(sizeof *t / sizeof(double) + 1);
    t->rows = rows;
    t->cols = cols;
    t->value = allocate((size_t)(rows * cols));
    t->in[0] = a;
    t->in[1] = b;
    t->vjp = vjp;
    t->needs_grad = (a && a->needs_grad) || (b && b->needs_grad);
    t->previous = tape;
    tape = t;
    return t;
}

static tensor *leaf(int rows, int cols, const double *value, int needs_grad) {
    tensor *t = make(rows, cols, NULL, NULL, NULL);
    if (value) memcpy(t->value, value, (size_t)(rows * cols) * sizeof *value);
    t->needs_grad = needs_grad;
    return t;
}

/* Take off the tape what was made after `mark`: the graph of one step of training. Leaves made before it stay. */
static void rewind_to(tensor *mark) {
    while (tape != mark) {
        tensor *t = tape;
        tape = t->previous;
        free(t->value);
        free(t->grad);
        free(t);
    }
}

/* ---- broadcasting ---- */

/* The element of t that stands at (i, j) of a larger result: a dimension of size 1 is read again and again. */
static int at(const tensor *t, int i, int j) { return (t->rows == 1 ? 0 : i) * t->cols + (t->cols == 1 ? 0 : j); }

static int broadcast(int a, int b) {
    if (a != b && a != 1 && b != 1) {
        fprintf(stderr, "from_scratch: sizes %d and %d do not broadcast\n", a, b);
        exit(1);
    }
    return a == 1 ? b : a;
}

/* Add g to the gradient of t at the element that stands at (i, j). An element that was read several times gets several
 * contributions: the gradient of broadcasting is a sum, and this += is where it is formed. So is the sum over paths. */
static void give(tensor *t, int i, int j, double g) {
    if (!t->needs_grad) return;
    if (!t->grad) t->grad = allocate((size_t)(t->rows * t->cols));
    t->grad[at(t, i, j)] += g;
}

/* ---- elementwise operators ---- */

/* A loop over the elements (i, j) of t, k counting them. */
#define EACH(t) \
    for (int i = 0, k = 0; i < (t)->rows; i++) \
        for (int j = 0; j < (t)->cols; j++, k++)

static tensor *make_binary(tensor *a, tensor *b, void (*vjp)(tensor *)) {
    return make(broadcast(a->rows, b->rows), broadcast(a->cols, b->cols), a, b, vjp);
}

/* y = a + b: both slopes are 1. */
static void add_vjp(tensor *y) {
    EACH(y) {
        give(y->in[0], i, j, y->grad[k]);
        give(y->in[1], i, j, y->grad[k]);
    }
}
static tensor *add(tensor *a, tensor *b) {
    tensor *y = make_binary(a, b, add_vjp);
    EACH(y) y->value[k] = a->value[at(a, i, j)] + b->value[at(b, i, j)];
    return y;
}

/* y = a - b */
static void sub_vjp(tensor *y) {
    EACH(y) {
        give(y->in[0], i, j, y->grad[k]);
        give(y->in[1], i, j, -y->grad[k]);
    }
}
static tensor *sub(tensor *a, tensor *b) {
    tensor *y = make_binary(a, b, sub_vjp);
    EACH(y) y->value[k] = a->value[at(a, i, j)] - b->value[at(b, i, j)];
    return y;
}

/* y = a b: the slope by one factor is the other. */
static void mul_vjp(tensor *y) {
    tensor *a = y->in[0], *b = y->in[1];
    EACH(y) {
        give(a, i, j, y->grad[k] * b->value[at(b, i, j)]);
        give(b, i, j, y->grad[k] * a->value[at(a, i, j)]);
    }
}
static tensor *mul(tensor *a, tensor *b) {
    tensor *y = make_binary(a, b, mul_vjp);
    EACH(y) y->value[k] = a->value[at(a, i, j)] * b->value[at(b, i, j)];
    return y;
}

/* y = sin(a): the slope is cos(a). */
static void sin_vjp(tensor *y) { EACH(y) give(y->in[0], i, j, y->grad[k] * cos(y->in[0]->value[k])); }
static tensor *sine(tensor *a) {
    tensor *y = make(a->rows, a->cols, a, NULL, sin_vjp);
    EACH(y) y->value[k] = sin(a->value[at(a, i, j)]);
    return y;
}

/* y = max(a, 0): the gradient passes where a > 0, and is cut off elsewhere. */
static void relu_vjp(tensor *y) { EACH(y) give(y->in[0], i, j, y->in[0]->value[k] > 0 ? y->grad[k] : 0); }
static tensor *relu(tensor *a) {
    tensor *y = make(a->rows, a->cols, a, NULL, relu_vjp);
    EACH(y) y->value[k] = fmax(a->value[at(a, i, j)], 0);
    return y;
}

/* y = tanh(a): the slope is 1 - y², so the result is all that the rule needs. */
static void tanh_vjp(tensor *y) { EACH(y) give(y->in[0], i, j, y->grad[k] * (1 - y->value[k] * y->value[k])); }
static tensor *hyperbolic(tensor *a) {
    tensor *y = make(a->rows, a->cols, a, NULL, tanh_vjp);
    EACH(y) y->value[k] = tanh(a->value[at(a, i, j)]);
    return y;
}

/* ---- products and sums ---- */

/* Y = A B, and so dA = dY Bᵀ, dB = Aᵀ dY: written out, both are this loop with other roles. */
static void matmul_vjp(tensor *y) {
    tensor *a = y->in[0], *b = y->in[1];
    EACH(y) for (int m = 0; m < a->cols; m++) {
        give(a, i, m, y->grad[k] * b->value[m * b->cols + j]);
        give(b, m, j, y->grad[k] * a->value[i * a->cols + m]);
    }
}
static tensor *matmul(tensor *a, tensor *b) {
    if (a->cols != b->rows) {
        fprintf(stderr, "from_scratch: %d×%d times %d×%d\n", a->rows, a->cols, b->rows, b->cols);
        exit(1);
    }
    tensor *y = make(a->rows, b->cols, a, b, matmul_vjp);
    EACH(y) for (int m = 0; m < a->cols; m++) y->value[k] += a->value[i * a->cols + m] * b->value[m * b->cols + j];
    return y;
}

/* y = the mean of all elements: each has the slope 1 / n. The mirror image of broadcasting. */
static void mean_vjp(tensor *y) {
    tensor *a = y->in[0];
    EACH(a) give(a, i, j, y->grad[0] / (a->rows * a->cols));
}
static tensor *mean(tensor *a) {
    tensor *y = make(1, 1, a, NULL, mean_vjp);
    EACH(a) y->value[0] += a->value[k] / (a->rows * a->cols);
    return y;
}

/* ---- backward ---- */

/* The gradients of a scalar by everything on the tape. Walked last to first, the tape is in an order in which a tensor
 * comes after all that used it: when its turn is there, its gradient is complete. What the scalar does not depend on
 * has no gradient yet, and is passed over. */
static void backward(tensor *loss) {
    for (tensor *t = tape; t; t = t->previous) { /* those of an earlier pass are of no use now */
        free(t->grad);
        t->grad = NULL;
    }
    give(loss, 0, 0, 1); /* dL/dL */
    for (tensor *t = tape; t; t = t->previous)
        if (t->grad && t->vjp) t->vjp(t);
}

/* ---- checking ---- */

/* The largest difference between the gradient of f by x and central differences, which move one element at a time. */
static double check(tensor *(*f)(tensor *x), tensor *x) {
    const double h = 1e-6;
    tensor *mark = tape;
    double worst = 0;
    backward(f(x));
    double *grad = x->grad;
    x->grad = NULL; /* ours now */
    EACH(x) {
        double middle = x->value[k], up, down;
        x->value[k] = middle + h;
        up = f(x)->value[0];
        x->value[k] = middle - h;
        down = f(x)->value[0];
        x->value[k] = middle;
        worst = fmax(worst, fabs((up - down) / (2 * h) - grad[k]));
    }
    free(grad);
    rewind_to(mark);
    return worst;
}

/* Something with every operator, a broadcast row and a broadcast column, and x used on several paths. */
static tensor *everything(tensor *x) {
    const double row[] = {0.5, -1, 2}, column[] = {1, -2}, square[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    tensor *a = mul(add(x, leaf(1, 3, row, 0)), leaf(2, 1, column, 0));
    tensor *b = sub(matmul(sine(x), leaf(3, 3, square, 0)), relu(a));
    return mean(mul(hyperbolic(b), x));
}

/* ---- learning ---- */

/* Random numbers enough for first weights: the same on every machine. */
static double uniform(void) {
    static unsigned state = 1;
    state = state * 1664525u + 1013904223u;
    return (state >> 8) / (double)(1u << 24) * 2 - 1;
}

static tensor *parameter(int rows, int cols, double scale) {
    tensor *t = leaf(rows, cols, NULL, 1);
    for (int k = 0; k < rows * cols; k++) t->value[k] = scale * uniform();
    return t;
}

/* XOR, which no single layer can learn: y = 1 where exactly one of the inputs is. */
static double learn_xor(void) {
    const double inputs[] = {0, 0, 0, 1, 1, 0, 1, 1}, targets[] = {0, 1, 1, 0};
    tensor *x = leaf(4, 2, inputs, 0), *y = leaf(4, 1, targets, 0);
    tensor *w1 = parameter(2, 8, 1), *b1 = parameter(1, 8, 0), *w2 = parameter(8, 1, 1), *b2 = parameter(1, 1, 0);
    tensor *parameters[] = {w1, b1, w2, b2}, *mark = tape;
    double last = 0;
    for (int step = 0; step <= 400; step++) {
        tensor *h = hyperbolic(add(matmul(x, w1), b1)); /* b1 is broadcast over the examples */
        tensor *error = sub(add(matmul(h, w2), b2), y);
        tensor *loss = mean(mul(error, error));
        backward(loss);
        last = loss->value[0];
        if (step % 100 == 0) printf("step %3d: loss %.6f\n", step, last);
        for (int p = 0; p < 4; p++) EACH(parameters[p]) parameters[p]->value[k] -= 0.1 * parameters[p]->grad[k];
        rewind_to(mark);
    }
    tensor *out = add(matmul(hyperbolic(add(matmul(x, w1), b1)), w2), b2);
    EACH(out) printf("%g xor %g = %.3f\n", inputs[2 * i], inputs[2 * i + 1], out->value[k]);
    return last;
}

int main(void) {
    const double two = 2, three = 3, grid[] = {0.1, -0.4, 0.7, 1.2, -0.9, 0.3};
    tensor *x = leaf(1, 1, &two, 1), *y = leaf(1, 1, &three, 1);
    tensor *z = add(mul(x, y), sine(x)); /* the chapter's example: x is on two paths */
    backward(z);
    printf("z = %.4f, dz/dx = %.4f, dz/dy = %.4f\n", z->value[0], x->grad[0], y->grad[0]);

    double worst = check(everything, leaf(2, 3, grid, 1));
    printf("gradients and differences agree to 1e-8: %s\n", worst < 1e-8 ? "yes" : "no");

    double loss = learn_xor();
    rewind_to(NULL);
    return worst < 1e-8 && loss < 1e-3 ? 0 : 1; /* this program is a test of itself */
}
