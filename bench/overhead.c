/* What a call costs besides its arithmetic: recording, backward, freeing and memory of chains of small operations; the
 * start of a program; the size of the library. */
#define _POSIX_C_SOURCE 200809L
#include "bench/bench.h"

#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

#define CHAIN 2000

typedef struct costs {
    double forward, backward, freeing, bytes; /* an operation */
} costs;

/* y = y + k or y = y * k, CHAIN times, recorded; k is a constant. Intermediate results are released as the chain grows,
 * so that what is left, and measured as bytes, is the graph. */
static costs chain(bool multiply, const bench_job *job, ebb_tensor *ret_grad[1]) {
    ebb_tensor *x = job->t[0], *k = job->t[1], *ones = job->t[2], *y = NULL;
    costs c;
    const int64_t before = ebb_memory().in_use;
    double start = bench_now();
    EBB_SCOPE {
        ebb_tensor *t = x;
        if (multiply)
            for (int i = 0; i < CHAIN; i++) t = ebb_mul(t, k);
        else
            for (int i = 0; i < CHAIN; i++) t = ebb_add(t, k);
        c.forward = (bench_now() - start) / CHAIN;
        y = ebb_keep(t);
    }
    c.bytes = (double)(ebb_memory().in_use - before) / CHAIN;
    start = bench_now();
    (void)ebb_backward(y, .gradient = ones, .retain_graph = true);
    c.backward = (bench_now() - start) / CHAIN;
    start = bench_now();
    (void)ebb_drop(y);
    c.freeing = (bench_now() - start) / CHAIN;
    if (ret_grad) *ret_grad = ebb_keep(ebb_tensor_grad(x));
    (void)ebb_set_grad(x, NULL);
    return c;
}

static costs chain_costs(bench_job *job, ebb_tensor **ret_grad) {
    if (!bench_arg_is(job, 0, "add") && !bench_arg_is(job, 0, "mul")) BENCH_UNKNOWN(job, 0);
    return chain(bench_arg_is(job, 0, "mul"), job, ret_grad);
}

static void chain_setup(bench_job *job) {
    const ebb_dims shape = bench_arg_is(job, 1, "1024") ? EBB_DIMS(1024) : EBB_NO_DIMS;
    EBB_SCOPE {
        (void)ebb_requires_grad_(bench_own(job, ebb_full(shape, 1.0)), true);
        (void)bench_own(job, ebb_full(shape, 0.999));
        (void)bench_own(job, ebb_ones(shape));
    }
}

static double chain_timed(bench_job *job) {
    const costs c = chain_costs(job, NULL);
    if (bench_arg_is(job, 2, "forward")) return c.forward;
    if (bench_arg_is(job, 2, "backward")) return c.backward;
    return c.freeing;
}

static double graph_timed(bench_job *job) { return chain_costs(job, NULL).bytes; }

static void chain_check(bench_job *job) {
    ebb_tensor *grad = NULL;
    (void)chain_costs(job, &grad);
    bench_note_tensor(job, grad);
    (void)ebb_drop(grad);
}

const struct bench_family bench_chain = {
    .name = "chain",
    .cases = (const char *const[]){"{add,mul}/{scalar,1024}/{forward,backward,free}", NULL},
    .unit = "s",
    .tolerance = 1e-4, /* 2,000 roundings of float32 */
    .setup = chain_setup,
    .timed = chain_timed,
    .check = chain_check,
};

const struct bench_family bench_graph = {
    .name = "graph",
    .cases = (const char *const[]){"{add,mul}/scalar", NULL},
    .unit = "B",
    .setup = chain_setup,
    .timed = graph_timed,
};

/* ---- a program that uses the shared library, from its start to its end ---- */

static double startup_timed(bench_job *job) {
    const char *program = bench_sibling("example_quick");
    char *const argv[] = {(char *)(uintptr_t)program, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int code = -1;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1 /* O_WRONLY */, 0);
    const double start = bench_wall();
    const int failed = posix_spawn(&child, program, &actions, NULL, argv, environ);
    if (failed || waitpid(child, &code, 0) < 0 || code)
        (void)ebb_fail(EBB_ERR_IO, "%s: cannot run %s", job->name, program);
    const double seconds = bench_wall() - start;
    (void)posix_spawn_file_actions_destroy(&actions);
    return seconds;
}

const struct bench_family bench_startup = {
    .name = "startup", .cases = (const char *const[]){"program", NULL}, .unit = "s", .timed = startup_timed};

static double library_timed(bench_job *job) {
    char copy[4200], command[9000];
    struct stat info = {.st_size = 0};
    (void)snprintf(copy, sizeof copy, "%s", bench_sibling("libebb-stripped.so"));
    (void)snprintf(command, sizeof command, "strip -o '%s' '%s'", copy, bench_sibling("../lib/libebb.so"));
    if (system(command) || stat(copy, &info)) (void)ebb_fail(EBB_ERR_IO, "%s: failed: %s", job->name, command);
    (void)remove(copy);
    return (double)info.st_size;
}

const struct bench_family bench_library = {
    .name = "library", .cases = (const char *const[]){"stripped", NULL}, .unit = "B", .timed = library_timed};
