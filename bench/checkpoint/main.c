/* bench_checkpoint [FOLDER]: memory against time for a chain of 1,000 layers and for a stack of transformer blocks, by
 * schedules and by a budget for the whole region. Writes FOLDER/checkpoint-chain.csv and .svg, and the same for the
 * transformer; the folder is docs/img when none is given.
 *
 * Memory is the most bytes held for backward, as the schedule or the budget counts them, and beside it the peak of the
 * allocator above what was there before the step, which has gradients and what is just being computed as well. Time is
 * the processor's for a step forward and backward on one thread, the best of several, all in turn. Every step's
 * gradients are compared bit by bit with those of the first, plain one. */
#define _XOPEN_SOURCE 700
#include "bench/checkpoint/chart.h"
#include <ebb/ebb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHAIN = 1000, WIDE = 8192, BLOCKS = 16, D = 64, HEADS = 4, TOKENS = 128, BATCH = 4, ROUNDS = 5, RUNS = 40 };

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the two models, as segments ---- */

struct block {
    ebb_tensor *qkv, *out, *up, *down;
};

struct model {
    const char *name;
    int64_t n;
    ebb_segment *segments;
    struct block *blocks;
    ebb_tensor *x, *b;   /* the input, and of the chain its one parameter */
    ebb_tensor **wanted; /* what gradients are for */
    int64_t n_wanted;
};

static ebb_status layer(ebb_list in, ebb_outputs *ret_out, void *context) {
    ret_out->t[ret_out->n++] = ebb_tanh(ebb_add(in.t[0], context));
    return ebb_error_status();
}

static ebb_status transformer(ebb_list in, ebb_outputs *ret_out, void *context) {
    const struct block *b = context;
    ebb_tensor *x = in.t[0];
    ebb_tensor *h = ebb_matmul(ebb_layer_norm(x, EBB_DIMS(D)), b->qkv);
    h = ebb_transpose(ebb_reshape(h, EBB_DIMS(BATCH, TOKENS, 3 * HEADS, D / HEADS)), 1, 2);
    ebb_list qkv = ebb_chunk(h, 3, .dim = 1);
    h = ebb_scaled_dot_product_attention(qkv.t[0], qkv.t[1], qkv.t[2], .is_causal = true);
    h = ebb_reshape(ebb_transpose(h, 1, 2), EBB_DIMS(BATCH, TOKENS, D));
    x = ebb_add(x, ebb_matmul(h, b->out));
    h = ebb_gelu(ebb_matmul(ebb_layer_norm(x, EBB_DIMS(D)), b->up));
    ret_out->t[ret_out->n++] = ebb_add(x, ebb_matmul(h, b->down));
    return ebb_error_status();
}

static ebb_tensor *weight(int64_t rows, int64_t columns) {
    return ebb_keep(ebb_requires_grad_(ebb_mul(ebb_randn(EBB_DIMS(rows, columns)), 0.05), true));
}

static struct model make_chain(void) {
    struct model m = {.name = "chain", .n = CHAIN, .segments = calloc(CHAIN, sizeof *m.segments)};
    m.x = ebb_keep(ebb_requires_grad_(ebb_randn(EBB_DIMS(WIDE)), true));
    m.b = ebb_keep(ebb_full(EBB_DIMS(1), 0.01, .requires_grad = true));
    m.wanted = calloc(2, sizeof *m.wanted);
    m.wanted[m.n_wanted++] = m.x;
    m.wanted[m.n_wanted++] = m.b;
    for (int64_t i = 0; i < m.n; i++) m.segments[i] = (ebb_segment){.function = layer, .context = m.b};
    return m;
}

static struct model make_transformer(void) {
    struct model m = {.name = "transformer", .n = BLOCKS, .segments = calloc(BLOCKS, sizeof *m.segments)};
    m.x = ebb_keep(ebb_randn(EBB_DIMS(BATCH, TOKENS, D)));
    m.blocks = calloc(BLOCKS, sizeof *m.blocks);
    m.wanted = calloc(4 * BLOCKS, sizeof *m.wanted);
    for (int64_t i = 0; i < m.n; i++) {
        struct block *b = &m.blocks[i];
        *b = (struct block){weight(D, 3 * D), weight(D, D), weight(D, 4 * D), weight(4 * D, D)};
        ebb_tensor *const all[] = {b->qkv, b->out, b->up, b->down};
        for (int k = 0; k < 4; k++) m.wanted[m.n_wanted++] = all[k];
        m.segments[i] = (ebb_segment){.function = transformer, .context = b};
    }
    return m;
}

/* ---- ways to run a step ---- */

struct way {
    const char *name;
    ebb_schedule schedule;
    int64_t budget;
    bool region;
    ebb_sequence *sequence;
    int64_t held, peak; /* results */
    double seconds, work;
    bool same;
};

static ebb_tensor *run_plainly(const struct model *m) {
    ebb_outputs h = {1, {ebb_keep(m->x)}};
    for (int64_t i = 0; i < m->n; i++) {
        EBB_SCOPE {
            ebb_outputs out = {0};
            (void)m->segments[i].function((ebb_list){1, h.t}, &out, m->segments[i].context);
            ebb_keep(out.t[0]);
            ebb_drop(h.t[0]);
            h = out;
        }
    }
    ebb_tensor *y = ebb_sum(h.t[0]);
    ebb_drop(h.t[0]);
    return y;
}

static bool same_bits(const ebb_tensor *a, const ebb_tensor *b) {
    return memcmp(ebb_tensor_data(a), ebb_tensor_data(b), (size_t)ebb_tensor_numel(a) * sizeof(float)) == 0;
}

static bool step(const struct model *m, struct way *w, ebb_tensor **first) {
    ebb_tensor **grads = calloc((size_t)m->n_wanted, sizeof *grads);
    bool ok = grads != NULL;
    const ebb_list wanted = {m->n_wanted, m->wanted};
    EBB_SCOPE {
        ebb_memory_budget_report report = {0};
        ebb_memory_info before = ebb_memory();
        ebb_memory_reset_peak();
        double start = now();
        ebb_tensor *y = NULL;
        if (w->region) {
            EBB_MEMORY_BUDGET(w->budget, &report) y = run_plainly(m);
        } else {
            y = ebb_sum(ebb_sequence_run(w->sequence, EBB_LIST(m->x)).t[0]);
        }
        ok = ok && !ebb_grad(EBB_LIST(y), wanted, grads);
        double seconds = now() - start;
        if (w->seconds == 0 || seconds < w->seconds) w->seconds = seconds;
        w->peak = ebb_memory().peak - before.in_use;
        w->held = w->region ? report.peak : ebb_sequence_planned(w->sequence).peak;
        w->work = w->region ? 0 : ebb_sequence_planned(w->sequence).cost;
        w->same = ok;
        for (int64_t i = 0; i < m->n_wanted && ok; i++) {
            if (!first[i]) first[i] = ebb_keep(grads[i]);
            w->same = w->same && same_bits(first[i], grads[i]);
        }
    }
    free(grads);
    return ok;
}

/* Sizes, measured by the first run, and what is held when all is kept. */
static int64_t measure(struct model *m) {
    int64_t whole = 0;
    ebb_sequence *q = ebb_checkpoint_sequence(m->segments, m->n, INT64_MAX);
    EBB_SCOPE {
        (void)ebb_sequence_run(q, EBB_LIST(m->x));
        whole = ebb_sequence_planned(q).whole;
        for (int64_t i = 0; i < m->n && q; i++) m->segments[i] = *ebb_sequence_segment(q, i);
    }
    ebb_sequence_release(q);
    return whole;
}

static int make_ways(const struct model *m, int64_t whole, struct way *w) {
    static const double parts[] = {1,    0.8,  0.6,   0.45,  0.33,  0.25,  0.18,  0.12,
                                   0.08, 0.06, 0.045, 0.032, 0.020, 0.012, 0.008, 0.005};
    int n = 0;
    w[n++] = (struct way){.name = "plain", .schedule = EBB_SCHEDULE_KEEP};
    w[n++] = (struct way){.name = "sqrt", .schedule = EBB_SCHEDULE_SQRT};
    w[n++] = (struct way){.name = "each", .schedule = EBB_SCHEDULE_EACH};
    for (size_t i = 1; i < sizeof parts / sizeof *parts; i++) {
        int64_t budget = (int64_t)(parts[i] * (double)whole);
        w[n] = (struct way){.name = "optimal", .budget = budget};
        ebb_sequence *q = ebb_checkpoint_sequence(m->segments, m->n, budget);
        bool met = ebb_sequence_planned(q).over == 0;
        ebb_sequence_release(q);
        if (met) n++;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts - 4; i++)
        w[n++] = (struct way){.name = "region", .region = true, .budget = (int64_t)(parts[i] * (double)whole)};
    for (int i = 0; i < n; i++)
        if (!w[i].region)
            w[i].sequence = ebb_checkpoint_sequence(m->segments, m->n, w[i].budget, .schedule = w[i].schedule);
    return n;
}

/* ---- what is written ---- */

static int write_csv(const struct way *w, int n, int64_t whole, const char *path) {
    FILE *f = fopen(path, "w");
    if (!f) return 1;
    (void)fprintf(f, "way,budget,held,held_part,allocator_peak,seconds,time_ratio,forwards,same_bits\n");
    for (int i = 0; i < n; i++)
        (void)fprintf(f, "%s,%lld,%lld,%.4f,%lld,%.5f,%.3f,%.3f,%s\n", w[i].name, (long long)w[i].budget,
                      (long long)w[i].held, (double)w[i].held / (double)whole, (long long)w[i].peak, w[i].seconds,
                      w[i].seconds / w[0].seconds, w[i].work, w[i].same ? "yes" : "no");
    return fclose(f) != 0;
}

static int write_chart(const struct model *m, const struct way *w, int n, int64_t whole, const char *path) {
    struct chart c = {.x_label = "held for backward, of what the plain run holds",
                      .y_label = "time of a step, of the plain run's",
                      .n = 6};
    char title[96];
    (void)snprintf(title, sizeof title, "%s: %lld segments", m->name, (long long)m->n);
    c.title = title;
    static const char *const names[] = {"plain", "optimal", "region", "sqrt", "each"};
    static const char *const shown[] = {"plain", "optimal schedule", "budget for a region", "pieces of √n",
                                        "each segment"};
    for (int s = 0; s < 5; s++) {
        struct series *to = &c.series[s];
        to->name = shown[s];
        to->alone = s != 1 && s != 2;
        for (int i = 0; i < n; i++) {
            if (strcmp(w[i].name, names[s]) != 0) continue;
            to->x[to->n] = (double)w[i].held / (double)whole;
            to->y[to->n++] = w[i].seconds < w[0].seconds ? 1 : w[i].seconds / w[0].seconds;
        }
    }
    /* Three times less memory for a fifth more computing, as published. */
    c.series[5] = (struct series){.name = "published: DTR 2021", .n = 1, .alone = 1, .x = {1.0 / 3}, .y = {1.2}};
    return chart_write(&c, path);
}

static int bench(struct model m, const char *folder) {
    struct way w[RUNS];
    char path[512];
    ebb_tensor **first = calloc((size_t)m.n_wanted, sizeof *first);
    int64_t whole = measure(&m);
    int n = make_ways(&m, whole, w), bad = first == NULL;
    for (int round = 0; round < ROUNDS && !bad; round++)
        for (int i = 0; i < n && !bad; i++) bad = !step(&m, &w[i], first);
    printf("%s: %lld segments, %.1f MB held by the plain run, %.1f ms a step\n", m.name, (long long)m.n,
           (double)whole / 1e6, 1e3 * w[0].seconds);
    printf("%-8s %12s %12s %8s %14s %8s %9s %5s\n", "way", "budget", "held", "part", "allocator peak", "time",
           "forwards", "bits");
    for (int i = 0; i < n; i++)
        printf("%-8s %12lld %12lld %7.2f%% %14lld %8.3f %9.3f %5s\n", w[i].name, (long long)w[i].budget,
               (long long)w[i].held, 100 * (double)w[i].held / (double)whole, (long long)w[i].peak,
               w[i].seconds / w[0].seconds, w[i].work, w[i].same ? "same" : "OTHER");
    (void)snprintf(path, sizeof path, "%s/checkpoint-%s.csv", folder, m.name);
    bad = bad || write_csv(w, n, whole, path);
    (void)snprintf(path, sizeof path, "%s/checkpoint-%s.svg", folder, m.name);
    bad = bad || write_chart(&m, w, n, whole, path);
    for (int i = 0; i < n; i++) ebb_sequence_release(w[i].sequence);
    for (int64_t i = 0; i < m.n_wanted; i++) {
        ebb_drop(first[i]);
        ebb_drop(m.wanted[i]);
    }
    if (m.blocks) ebb_drop(m.x);
    free(first);
    free(m.wanted);
    free(m.blocks);
    free(m.segments);
    return bad;
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : "docs/img";
    int bad = 0;
    ebb_manual_seed(1);
    ebb_set_num_threads(1);
    EBB_SCOPE {
        bad = bench(make_chain(), folder);
        bad = bench(make_transformer(), folder) || bad;
    }
    if (ebb_error()) bad = ebb_perror("bench_checkpoint");
    return bad != 0;
}
