/* What Ebb says when something is wrong: programs that go wrong, or could, and the words that tell where.
 * docs/debugging.md goes through what this prints. */
#include <ebb/ebb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static ebb_tensor *parameter(const char *name, ebb_dims shape) {
    return ebb_name(ebb_ones(shape, .requires_grad = true), name);
}

/* ---- in place ---- */
static void in_place(void) {
    ebb_tensor *x = parameter("x", EBB_DIMS(3));
    ebb_tensor *h = ebb_name(ebb_exp(x), "h"); /* exp keeps its result for backward */
    ebb_add_(h, 1);                            /* and here it is overwritten */
    ebb_backward(ebb_sum(h));
}

/* ---- forward ---- */
static void nan_in_forward(void) {
    EBB_DETECT_ANOMALY() {
        ebb_tensor *x = parameter("x", EBB_DIMS(2, 2));
        ebb_tensor *margin = ebb_sub(x, ebb_eye(2));
        ebb_tensor *y = ebb_log(margin); /* of 0 on the diagonal */
        ebb_backward(ebb_sum(y));        /* not reached: y is NULL */
    }
}

/* ---- backward ---- */
static void nan_in_backward(void) {
    EBB_DETECT_ANOMALY() {
        ebb_tensor *x = ebb_sub(parameter("x", EBB_DIMS(2, 2)), ebb_eye(2));
        ebb_tensor *root = ebb_sqrt(x);                   /* 0 at x = 0, with an infinite slope */
        ebb_tensor *y = ebb_where(ebb_gt(x, 0), root, x); /* which is not selected there */
        ebb_backward(ebb_sum(y));
    }
}

/* ---- twice ---- */
static void backward_twice(void) {
    ebb_tensor *x = parameter("x", EBB_DIMS(3));
    ebb_tensor *loss = ebb_sum(ebb_mul(x, x));
    ebb_backward(loss);
    ebb_backward(loss);
}

/* ---- zeros ---- */
static void strong_zeros(void) {
    ebb_tensor *x = ebb_requires_grad_(ebb_from_data((float[]){0, 4}, EBB_F32, EBB_DIMS(2)), true);
    ebb_tensor *y = ebb_sum(ebb_where(ebb_gt(x, 0), ebb_sqrt(x), x));
    ebb_backward(y, .retain_graph = true);
    ebb_print(ebb_tensor_grad(x));
    ebb_set_grad(x, NULL);
    EBB_STRONG_ZEROS { ebb_backward(y); }
    ebb_print(ebb_tensor_grad(x));
}

/* ---- saved ---- */
static void what_is_saved(void) {
    ebb_tensor *x = ebb_ones(EBB_DIMS(64, 784));
    ebb_tensor *w1 = parameter("w1", EBB_DIMS(784, 128)), *w2 = parameter("w2", EBB_DIMS(128, 10));
    ebb_tensor *h = ebb_gelu(ebb_matmul(x, w1));
    ebb_tensor *p = ebb_softmax(ebb_matmul(h, w2), 1);
    ebb_print_saved(EBB_LIST(p), stdout);
}

/* ---- alive ---- */
static ebb_tensor *total; /* of all losses so far */

static void step(ebb_tensor *w) {
    EBB_SCOPE {
        ebb_tensor *loss = ebb_mean(ebb_exp(w));
        ebb_tensor *sum = ebb_keep(total ? ebb_add(total, loss) : loss); /* with its history: ebb_item(loss) has none */
        ebb_drop(total);
        total = sum;
    }
}

static void what_is_alive(void) {
    ebb_tensor *w = parameter("w", EBB_DIMS(100, 10));
    for (int i = 0; i < 3; i++) EBB_TRACE_TENSORS {
            step(w);
        }
    ebb_print_alive(stdout);
    total = ebb_drop(total);
}

/* ---- cycles ---- */
static void cycles(void) {
    ebb_tensor *w = parameter("w", EBB_DIMS(3));
    ebb_backward(ebb_sum(ebb_mul(w, w)), .create_graph = true); /* w.grad now remembers that it came from w */
    ebb_print_cycles(EBB_LIST(w), stdout, NULL);
    ebb_set_grad(w, NULL);
}

/* ---- threads ---- */
static void *passes(void *w) {
    for (int i = 0; i < 1000; i++) EBB_SCOPE {
            ebb_backward(ebb_sum(ebb_mul(w, 3)));
        }
    ebb_thread_release();
    return NULL;
}

static void threads_into_one_leaf(void) {
    pthread_t thread[4];
    ebb_tensor *w = parameter("w", EBB_DIMS(2));
    for (int i = 0; i < 4; i++)
        if (pthread_create(&thread[i], NULL, passes, w)) return;
    for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
    ebb_print(ebb_tensor_grad(w)); /* 4 threads, 1000 passes, 3 each time */
}

/* ---- bits ---- */
static void the_same_bits(void) {
    static const int threads[] = {1, 2, 3, 8};
    ebb_tensor *first = NULL;
    for (int i = 0; i < 4; i++) {
        ebb_set_num_threads(threads[i]);
        ebb_manual_seed(0);
        ebb_tensor *x = ebb_requires_grad_(ebb_randn(EBB_DIMS(1000, 300)), true);
        ebb_backward(ebb_sum(ebb_square(ebb_sum(ebb_tanh(x)))));
        if (!first) first = ebb_tensor_grad(x);
        printf("%d threads: %s\n", threads[i],
               ebb_item(ebb_all(ebb_eq(first, ebb_tensor_grad(x)))) != 0 ? "the same bits" : "other bits");
    }
    ebb_set_num_threads(0);
}
/* ---- end ---- */

/* "errors.c:14: exp: …", as ebb_perror() prints it on stderr, without the folder. */
static void say_error(void) {
    const ebb_error_info *e = ebb_error();
    if (!e) return;
    const char *slash = strrchr(e->file, '/');
    printf("%s:%d: %s: %s\n", slash ? slash + 1 : e->file, e->line, e->op, e->message);
    ebb_clear_error();
}

/* All of them, or those that are named. */
int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {
        {"in-place", in_place},    {"forward", nan_in_forward}, {"backward", nan_in_backward},
        {"twice", backward_twice}, {"zeros", strong_zeros},     {"saved", what_is_saved},
        {"alive", what_is_alive},  {"cycles", cycles},          {"threads", threads_into_one_leaf},
        {"bits", the_same_bits},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool named = argc == 1;
        for (int k = 1; k < argc; k++) named = named || strcmp(argv[k], parts[i].name) == 0;
        if (!named) continue;
        if (argc != 2) printf("%s:\n", parts[i].name);
        EBB_SCOPE { parts[i].run(); }
        say_error();
    }
    return 0;
}
