/* What the kernels reach, beside what the machine can: multiply-adds against registers, copies against memory. */
#include "bench/bench.h"

#include "kernel/isa.h"
#include "kernel/kernel.h"

#include <ebb/base.h>
#include <math.h>

typedef struct job {
    void (*run)(const struct job *job);
    ebb_dtype dtype;
    int64_t m, n, k;
    ebb__loop loop;
    int flags;
} job;

enum { TRANSPOSE_A = 1, TRANSPOSE_B = 2 };
static char *arrays[3]; /* 64 MB each */

/* Seconds per run: the least and the median of several rounds of at least 2 ms. */
static void measure(const char *name, job j, double work, const char *unit, bool rate) {
    double seconds[BENCH_REPEATS];
    int64_t rounds = 1;
    for (;;) {
        const double start = bench_now();
        for (int64_t i = 0; i < rounds; i++) j.run(&j);
        if (bench_now() - start > 2e-3) break;
        rounds *= 2;
    }
    for (int r = 0; r < BENCH_REPEATS; r++) {
        const double start = bench_now();
        for (int64_t i = 0; i < rounds; i++) j.run(&j);
        seconds[r] = (bench_now() - start) / (double)rounds;
    }
    bench_sort(seconds, BENCH_REPEATS);
    const double median = seconds[BENCH_REPEATS / 2], least = seconds[0];
    bench_report(name, rate ? work / median : median * work, rate ? work / least : least * work, unit);
}

static void run_loop(const job *j) {
    const int64_t size = (int64_t)ebb_dtype_size(j->dtype);
    j->loop(j->n, (char *[]){arrays[0], arrays[1], arrays[2]}, (int64_t[]){size, size, size}, NULL);
}
static void run_gemm(const job *j) {
    const bool ta = j->flags & TRANSPOSE_A, tb = j->flags & TRANSPOSE_B;
    (void)ebb__gemm(j->dtype, j->m, j->n, j->k, arrays[1], ta ? 1 : j->k, ta ? j->m : 1, arrays[2], tb ? 1 : j->n,
                    tb ? j->k : 1, 0, arrays[0], j->n);
}
static void run_block(const job *j) { /* the built-in code alone */
    ebb__isa.gemm[j->dtype](j->m, j->n, j->k, arrays[1], j->k, 1, arrays[2], j->n, 1, false, arrays[0], j->n);
}
static void run_sum(const job *j) { /* flags: 0 all, 1 the last dimension, 2 the first */
    const int64_t size = (int64_t)ebb_dtype_size(j->dtype);
    (void)ebb__reduce_sum(2, (int64_t[]){j->m, j->n}, j->dtype, arrays[1], (int64_t[]){j->n * size, size}, j->dtype,
                          arrays[0], (int64_t[]){j->flags == 1 ? size : 0, j->flags == 2 ? size : 0});
}
static void run_max(const job *j) {
    (void)ebb__reduce_max(2, (int64_t[]){j->m, j->n}, j->dtype, arrays[1], (int64_t[]){j->n * 4, 4}, arrays[0],
                          (int64_t[]){j->flags == 1 ? 4 : 0, j->flags == 2 ? 4 : 0}, (int64_t *)arrays[2],
                          (int64_t[]){j->flags == 1 ? 8 : 0, j->flags == 2 ? 8 : 0});
}
static void run_softmax(const job *j) { (void)ebb__softmax(j->dtype, j->m, j->n, j->k, arrays[1], arrays[0]); }
static void run_copy(const job *j) { /* flags: 1 transposed */
    ebb__copy(2, (int64_t[]){j->m, j->n}, j->dtype, arrays[0], (int64_t[]){j->n * 4, 4}, j->dtype, arrays[1],
              j->flags ? (int64_t[]){4, j->m * 4} : (int64_t[]){j->n * 4, 4});
}
static void run_random(const job *j) {
    (void)(j->flags ? ebb__random_normal : ebb__random_uniform)(j->dtype, 1, 0, j->n, arrays[0]);
}

static void bench_products(void) {
    static const struct {
        const char *name;
        ebb_dtype dtype;
        int64_t m, n, k;
        int flags;
    } products[] = {
        {"f32 32x32x16", EBB_F32, 32, 32, 16, 0},
        {"f32 32x32x32", EBB_F32, 32, 32, 32, 0},
        {"f32 32x32x32, b transposed", EBB_F32, 32, 32, 32, TRANSPOSE_B},
        {"f32 32x32x32, a transposed", EBB_F32, 32, 32, 32, TRANSPOSE_A},
        {"f32 32x1x32", EBB_F32, 32, 1, 32, 0},
        {"f32 64x128x784", EBB_F32, 64, 128, 784, 0},
        {"f32 784x128x64, a transposed", EBB_F32, 784, 128, 64, TRANSPOSE_A},
        {"f32 64x10x128", EBB_F32, 64, 10, 128, 0},
        {"f32 256x768x768", EBB_F32, 256, 768, 768, 0},
        {"f32 1024x1024x1024", EBB_F32, 1024, 1024, 1024, 0},
        {"f32 1x1024x1024", EBB_F32, 1, 1024, 1024, 0},
        {"f32 1024x1x1024", EBB_F32, 1024, 1, 1024, 0},
        {"f64 32x32x32", EBB_F64, 32, 32, 32, 0},
        {"f64 512x512x512", EBB_F64, 512, 512, 512, 0},
    };
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        job j = {run_gemm, products[i].dtype, products[i].m, products[i].n, products[i].k, NULL, products[i].flags};
        char name[80];
        const double flops = 2e-9 * (double)(j.m * j.n * j.k);
        snprintf(name, sizeof name, "gemm %s", products[i].name);
        measure(name, j, flops, "GFLOP/s", true);
        if (j.m == 1 || j.n == 1 || j.flags) continue;
        j.run = run_block;
        snprintf(name, sizeof name, "  built-in, one thread %s", products[i].name);
        measure(name, j, flops, "GFLOP/s", true);
    }
}

static void bench_loops(void) {
    static const struct {
        const char *name;
        ebb__loop *table;
        int arrays;
    } loops[] = {{"add", ebb__loops_add, 3},         {"relu", ebb__loops_relu, 2}, {"exp", ebb__loops_exp, 2},
                 {"log", ebb__loops_log, 2},         {"sin", ebb__loops_sin, 2},   {"tanh", ebb__loops_tanh, 2},
                 {"sigmoid", ebb__loops_sigmoid, 2}, {"pow", ebb__loops_pow, 3}};
    static const int64_t sizes[] = {1, 1024, 1 << 22};
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++)
        for (int s = 0; s < 3; s++)
            for (int d = EBB_F32; d <= EBB_F64; d++) {
                job j = {run_loop, (ebb_dtype)d, 0, sizes[s], 0, loops[i].table[d], 0};
                char name[80];
                snprintf(name, sizeof name, "%s %s of %d", loops[i].name, ebb_dtype_name((ebb_dtype)d), (int)sizes[s]);
                if (sizes[s] == 1) {
                    measure(name, j, 1e9, "ns", false);
                } else {
                    measure(name, j, 1e-9 * (double)(loops[i].arrays * sizes[s]) * (double)ebb_dtype_size((ebb_dtype)d),
                            "GB/s", true);
                }
            }
}

static void bench_arrays(void) {
    static const struct {
        const char *name;
        void (*run)(const job *);
        int64_t m, n, k;
        int flags, passes;
    } work[] = {
        {"copy 16 MB", run_copy, 2048, 2048, 0, 0, 2},
        {"copy 16 MB transposed", run_copy, 2048, 2048, 0, 1, 2},
        {"copy 256x256 transposed", run_copy, 256, 256, 0, 1, 2},
        {"sum all 16 MB", run_sum, 2048, 2048, 0, 0, 1},
        {"sum rows 2048x2048", run_sum, 2048, 2048, 0, 1, 1},
        {"sum columns 2048x2048", run_sum, 2048, 2048, 0, 2, 1},
        {"sum all 64x128", run_sum, 64, 128, 0, 0, 1},
        {"sum rows 64x128", run_sum, 64, 128, 0, 1, 1},
        {"sum columns 64x128", run_sum, 64, 128, 0, 2, 1},
        {"argmax rows 2048x2048", run_max, 2048, 2048, 0, 1, 1},
        {"argmax columns 2048x2048", run_max, 2048, 2048, 0, 2, 1},
        {"softmax 64x10", run_softmax, 64, 10, 1, 0, 2},
        {"softmax 2048x1024", run_softmax, 2048, 1024, 1, 0, 2},
        {"softmax over columns 64x1024x64", run_softmax, 64, 1024, 64, 0, 2},
        {"uniform 4 M", run_random, 1, 1 << 22, 1, 0, 1},
        {"normal 4 M", run_random, 1, 1 << 22, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof work / sizeof work[0]; i++) {
        const job j = {work[i].run, EBB_F32, work[i].m, work[i].n, work[i].k, NULL, work[i].flags};
        const int64_t elements = work[i].m * work[i].n * (work[i].k ? work[i].k : 1);
        measure(work[i].name, j, 4e-9 * (double)(work[i].passes * elements), "GB/s", true);
    }
}

int main(int argc, char **argv) {
    const size_t bytes = (size_t)64 << 20;
    bench_begin(argc, argv, "kernels");
    ebb__kernel_init();
    for (int i = 0; i < 3; i++) {
        arrays[i] = aligned_alloc(64, bytes);
        if (!arrays[i]) return 1;
        for (size_t j = 0; j < bytes / 8; j++) ((double *)arrays[i])[j] = 1.0 + (double)(j % 7) / 8;
    }
    for (int threads = 1; threads <= 2; threads++) {
        ebb_set_num_threads(threads);
        if (!bench_json) printf("-- %s, %d thread%s --\n", ebb__kernel_isa(), threads, threads > 1 ? "s" : "");
        if (threads == 1) bench_loops();
        bench_arrays();
        bench_products();
    }
    for (int i = 0; i < 3; i++) free(arrays[i]);
    return 0;
}
