/* The benchmark's workloads: what a family of them is, and what all of them use.
 *
 * A case is a name such as "gemm/f32/nt/256x768x768": the family, then its arguments. Peers (bench/peers) know the same
 * names, make the same data from the same generator, and do the same work; what both compute is compared before time
 * counts. */
#ifndef EBB_BENCH_BENCH_H
#define EBB_BENCH_BENCH_H

#include <ebb/ebb.h>
#include <stdio.h>

#define BENCH_MAX_ARGS 6
#define BENCH_MAX_TENSORS 16
#define BENCH_MAX_VALUES 64

/* A number that both sides compute; they may differ by tolerance * scale. */
typedef struct bench_value {
    double value, scale;
} bench_value;

typedef struct bench_job {
    const struct bench_family *family;
    char name[120];
    char text[120]; /* what args point into */
    const char *args[BENCH_MAX_ARGS];
    int n_args;
    int threads;

    /* Set by setup(): */
    ebb_tensor *t[BENCH_MAX_TENSORS]; /* kept; dropped after the case */
    int n_t;
    void *state;
    ebb_tensor *(*compute)(struct bench_job *job); /* for families that have one function a case */
    double flops, bytes;                           /* of one iteration: what the machine's limit follows from */
    ebb_dtype dtype;                               /* of the flops */

    bench_value values[BENCH_MAX_VALUES];
    int n_values;
} bench_job;

/* One of once and timed. Errors are Ebb's: the driver looks at ebb_error() after each call. */
struct bench_family {
    const char *name;
    const char *const *cases; /* NULL after the last; "{add,mul}/{1e3,1e6}" stands for four */
    const char *unit;         /* "s"; or "B" for what is counted and does not vary */
    double tolerance;         /* relative, of results; 0: there is nothing to compare */
    void (*setup)(bench_job *job);
    void (*once)(bench_job *job);
    double (*timed)(bench_job *job); /* one iteration; returns the figure of the part that counts */
    void (*check)(bench_job *job);   /* computes once, and notes results with bench_note */
    void (*drop)(bench_job *job);
};

extern const struct bench_family bench_chain, bench_graph, bench_startup, bench_library;     /* overhead.c */
extern const struct bench_family bench_elementwise, bench_reduce, bench_rowwise, bench_move; /* arrays.c */
extern const struct bench_family bench_gemm, bench_bmm, bench_builtin;                       /* products.c */
extern const struct bench_family bench_conv, bench_pool;                                     /* convolutions.c */
extern const struct bench_family bench_train, bench_loss, bench_autocast, bench_watched;     /* training.c */
extern const struct bench_family bench_tape;                                                 /* tape.c */
extern const struct bench_family bench_batches;                                              /* batches.c */
extern const struct bench_family bench_gmm, bench_kmeans, bench_logsumexp, bench_lstm;       /* objectives.c */

double bench_now(void);  /* seconds, of the clock in use: on the wall, or of this process's work */
double bench_wall(void); /* on the wall always */
void bench_pause(void);  /* until threads of this process that look for work have gone to sleep */
void bench_use_processor_time(void);

/* Files beside the running program: bench_set_directory(argv[0]) first. The text is good until the next call. */
void bench_set_directory(const char *program);
const char *bench_sibling(const char *name);

/* ---- data: each element follows from the name of its tensor and its place (bench/peers/data.py is the same) ---- */

/* Uniform in [-scale, scale), rounded from double precision to the dtype; kept by the caller. */
ebb_tensor *bench_data(const char *name, ebb_dtype dtype, ebb_dims shape, double scale);
/* int64, uniform in [0, bound). */
ebb_tensor *bench_indices(const char *name, int64_t bound, ebb_dims shape);
/* The same as tensor number n_t of the job, which drops it. */
ebb_tensor *bench_input(bench_job *job, const char *name, ebb_dtype dtype, ebb_dims shape, double scale);
ebb_tensor *bench_input_indices(bench_job *job, const char *name, int64_t bound, ebb_dims shape);
ebb_tensor *bench_own(bench_job *job, ebb_tensor *t); /* keeps t as another tensor of the job */

/* ---- results ---- */

void bench_note(bench_job *job, double value);
void bench_note_loosely(bench_job *job, double value, double factor); /* within factor * tolerance */
/* The norm of a tensor, and its product with a vector of signs. */
void bench_note_tensor(bench_job *job, ebb_tensor *t);

/* ---- arguments ---- */

const char *bench_arg(const bench_job *job, int i); /* "" when there is none */
bool bench_arg_is(const bench_job *job, int i, const char *word);
int64_t bench_arg_size(const bench_job *job, int i);    /* "1e6" or "1024" */
ebb_dtype bench_arg_dtype(const bench_job *job, int i); /* "f32" */
/* "64x128": the numbers of an argument; returns how many there are. */
int bench_arg_sizes(const bench_job *job, int i, int64_t *ret_sizes, int max);

/* An argument that a family does not know is a mistake in its list of cases. */
#define BENCH_UNKNOWN(job, i) \
    ((void)ebb_fail(EBB_ERR_NAME, "%s: unknown argument \"%s\"", (job)->name, bench_arg(job, i)))

/* ---- the usual once and check: job->compute in a scope of its own ---- */
void bench_once(bench_job *job);
void bench_check(bench_job *job);

#endif
