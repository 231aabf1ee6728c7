/* What a call costs besides its arithmetic: recording, backward, freeing, memory; and two small training steps in which
 * such costs decide. Figures are medians over repeats of many operations each. */
#include "bench/bench.h"
#include <ebb/ebb.h>

#define CHAIN 2000

typedef struct {
    double forward, backward, freeing; /* seconds an operation */
    double bytes;                      /* held by the graph, an operation */
} cost;

/* One chain y = y + k or y = y * k of CHAIN recorded operations; k is a constant. Intermediate tensors are released as
 * the chain grows, so that what is left, and measured as bytes, is the graph. */
static cost chain(bool multiply, ebb_dims shape) {
    cost c = {0};
    ebb_tensor *x = ebb_keep(ebb_full(shape, 1.0, .requires_grad = true)), *k = ebb_keep(ebb_full(shape, 0.999));
    ebb_tensor *y = ebb_keep(x);
    ebb_tensor *ones = ebb_keep(ebb_ones(shape));
    int64_t before = ebb_memory().in_use;
    double start = bench_now();
    EBB_SCOPE {
        ebb_tensor *t = y;
        if (multiply)
            for (int i = 0; i < CHAIN; i++) t = ebb_mul(t, k);
        else
            for (int i = 0; i < CHAIN; i++) t = ebb_add(t, k);
        c.forward = (bench_now() - start) / CHAIN;
        ebb_drop(y);
        y = ebb_keep(t);
    }
    c.bytes = (double)(ebb_memory().in_use - before) / CHAIN;
    start = bench_now();
    if (ebb_backward(y, .gradient = ones, .retain_graph = true)) exit(ebb_perror("bench_overhead"));
    c.backward = (bench_now() - start) / CHAIN;
    start = bench_now();
    ebb_drop(y);
    c.freeing = (bench_now() - start) / CHAIN;
    ebb_drop(x);
    ebb_drop(k);
    ebb_drop(ones);
    return c;
}

static void report_chain(const char *name, bool multiply, ebb_dims shape) {
    double forward[BENCH_REPEATS], backward[BENCH_REPEATS], freeing[BENCH_REPEATS], bytes = 0;
    char label[96];
    for (int i = -2; i < BENCH_REPEATS; i++) {
        EBB_SCOPE {
            cost c = chain(multiply, shape);
            int at = i < 0 ? 0 : i; /* the first two warm up */
            forward[at] = c.forward * 1e9;
            backward[at] = c.backward * 1e9;
            freeing[at] = c.freeing * 1e9;
            bytes = c.bytes;
        }
    }
    bench_sort(forward, BENCH_REPEATS);
    bench_sort(backward, BENCH_REPEATS);
    bench_sort(freeing, BENCH_REPEATS);
    (void)snprintf(label, sizeof label, "recorded %s, forward", name);
    bench_report(label, forward[BENCH_REPEATS / 2], forward[0], "ns/op");
    (void)snprintf(label, sizeof label, "recorded %s, backward", name);
    bench_report(label, backward[BENCH_REPEATS / 2], backward[0], "ns/node");
    (void)snprintf(label, sizeof label, "recorded %s, free", name);
    bench_report(label, freeing[BENCH_REPEATS / 2], freeing[0], "ns/node");
    (void)snprintf(label, sizeof label, "recorded %s, memory", name);
    bench_report(label, bytes, bytes, "B/op");
}

/* ---- multilayer perceptrons ---- */

#define LAYERS 3
struct mlp {
    int n;
    ebb_tensor *w[LAYERS], *b[LAYERS];
    ebb_tensor *x, *target;
    ebb_optim *sgd;
};

static struct mlp mlp_make(int64_t batch, int n, const int64_t *width, bool classify) {
    struct mlp m = {.n = n};
    for (int i = 0; i < n; i++) {
        m.w[i] = ebb_keep(ebb_requires_grad_(ebb_mul(ebb_randn(EBB_DIMS(width[i], width[i + 1])), 0.1), true));
        m.b[i] = ebb_keep(ebb_zeros(EBB_DIMS(width[i + 1]), .requires_grad = true));
    }
    ebb_tensor *parameters[2 * LAYERS];
    for (int i = 0; i < n; i++) {
        parameters[2 * i] = m.w[i];
        parameters[2 * i + 1] = m.b[i];
    }
    m.sgd = ebb_sgd(((ebb_list){2 * n, parameters}), .lr = 0.01);
    m.x = ebb_keep(ebb_randn(EBB_DIMS(batch, width[0])));
    m.target = ebb_keep(classify ? ebb_randint(0, width[n], EBB_DIMS(batch)) : ebb_randn(EBB_DIMS(batch, width[n])));
    return m;
}

static void mlp_free(struct mlp *m) {
    ebb_optim_free(m->sgd);
    for (int i = 0; i < m->n; i++) {
        ebb_drop(m->w[i]);
        ebb_drop(m->b[i]);
    }
    ebb_drop(m->x);
    ebb_drop(m->target);
}

static void mlp_step(struct mlp *m, bool classify) {
    EBB_SCOPE {
        ebb_tensor *h = m->x;
        for (int i = 0; i < m->n; i++) {
            h = ebb_add(ebb_matmul(h, m->w[i]), m->b[i]);
            if (i + 1 < m->n) h = ebb_relu(h);
        }
        ebb_tensor *loss = classify ? ebb_cross_entropy(h, m->target) : ebb_mse_loss(h, m->target);
        if (ebb_backward(loss) || ebb_optim_step(m->sgd) || ebb_optim_zero_grad(m->sgd))
            exit(ebb_perror("bench_overhead"));
    }
}

static void report_mlp(const char *name, int64_t batch, int n, const int64_t *width, bool classify, int steps) {
    double time[BENCH_REPEATS];
    EBB_SCOPE {
        struct mlp m = mlp_make(batch, n, width, classify);
        for (int i = 0; i < steps; i++) mlp_step(&m, classify);
        for (int r = 0; r < BENCH_REPEATS; r++) {
            double start = bench_now();
            for (int i = 0; i < steps; i++) mlp_step(&m, classify);
            time[r] = (bench_now() - start) / steps * 1e6;
        }
        mlp_free(&m);
    }
    bench_sort(time, BENCH_REPEATS);
    bench_report(name, time[BENCH_REPEATS / 2], time[0], "us/step");
}

int main(int argc, char **argv) {
    bench_begin(argc, argv, "overhead");
    ebb_set_num_threads(1);
    report_chain("add, scalar", false, EBB_NO_DIMS);
    report_chain("mul, scalar", true, EBB_NO_DIMS);
    report_chain("add, 1024 floats", false, EBB_DIMS(1024));
    report_chain("mul, 1024 floats", true, EBB_DIMS(1024));
    report_mlp("MLP 32x(16-32-32-1), forward + backward + SGD", 32, 3, (const int64_t[]){16, 32, 32, 1}, false, 300);
    report_mlp("MLP 64x(784-128-10), forward + backward + SGD", 64, 2, (const int64_t[]){784, 128, 10}, true, 60);
    return ebb_error() ? ebb_perror("bench_overhead") : 0;
}
