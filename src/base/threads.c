/* Loops over index ranges on several threads (OpenMP where there is one). */
#include "base/base.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

enum {
    PIECES_MAX = 256, /* enough to balance the load of many cores, few enough that handing them out costs nothing */
    SHARES_MAX = 64
};

/* Each thread begins with the same part of the pieces in every loop, since what it wrote in the last one is in its own
 * cache; then it helps the others. */
struct share {
    _Alignas(64) _Atomic int64_t next;
    int64_t last;
};

struct job {
    void (*body)(void *context, int64_t first, int64_t last);
    void *context;
    int64_t n, unit, units, pieces; /* units of so many indices are dealt out to the pieces; the last takes the rest */
    int n_shares;
    _Atomic int64_t finished;
    struct share share[SHARES_MAX];
};

static _Atomic int threads_wanted; /* 0: one per core */

#if defined(_OPENMP)
static EBB_TLS bool inside; /* this thread runs a piece */
#endif

void ebb_set_num_threads(int n) { atomic_store_explicit(&threads_wanted, n < 1 ? 0 : n, memory_order_relaxed); }

#if defined(_OPENMP)
/* What OMP_NUM_THREADS says, or the number of cores. */
static int threads_default(void) {
    static _Atomic int known;
    int n = atomic_load_explicit(&known, memory_order_relaxed);
    if (n) return n;
    n = omp_get_max_threads();
    atomic_store_explicit(&known, n, memory_order_relaxed);
    return n;
}
#else
static int threads_default(void) { return 1; }
#endif

int ebb_num_threads(void) {
    int n = atomic_load_explicit(&threads_wanted, memory_order_relaxed);
    return n ? n : threads_default();
}

static int64_t unit_of_piece(const struct job *job, int64_t piece) {
    int64_t each = job->units / job->pieces, rest = job->units % job->pieces;
    return piece * each + (piece < rest ? piece : rest);
}

static void run_piece(const struct job *job, int64_t piece) {
    int64_t first = unit_of_piece(job, piece) * job->unit;
    int64_t last = piece + 1 < job->pieces ? unit_of_piece(job, piece + 1) * job->unit : job->n;
    job->body(job->context, first, last);
}

#if defined(_OPENMP)
#if defined(__GNUC__)
#define UNSANITIZED __attribute__((noinline, no_sanitize("thread")))
#define NOT_INLINED __attribute__((noinline))
#else
#define UNSANITIZED
#define NOT_INLINED
#endif

/* The order that `started` and `finished` give is the one that OpenMP's own start and barrier give: it is said once
 * more in atomics because thread sanitizer does not see into the OpenMP library. */
static _Atomic int64_t started;

static NOT_INLINED void take_pieces(struct job *job) {
    (void)atomic_load_explicit(&started, memory_order_acquire);
    inside = true;
    for (int k = 0, own = omp_get_thread_num(); k < job->n_shares; k++) {
        struct share *share = &job->share[(own + k) % job->n_shares];
        while (atomic_load_explicit(&share->next, memory_order_relaxed) < share->last) {
            int64_t piece = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
            if (piece < share->last) run_piece(job, piece);
        }
    }
    inside = false;
    (void)atomic_fetch_add_explicit(&job->finished, 1, memory_order_release);
}

static void share_out(struct job *job, int threads) {
    atomic_init(&job->finished, 0);
    job->n_shares = threads < SHARES_MAX ? threads : SHARES_MAX;
    for (int k = 0; k < job->n_shares; k++) {
        atomic_init(&job->share[k].next, job->pieces * k / job->n_shares);
        job->share[k].last = job->pieces * (k + 1) / job->n_shares;
    }
}

static UNSANITIZED void start_threads(struct job *job, int threads) {
#pragma omp parallel num_threads(threads) default(none) shared(job)
    take_pieces(job);
}
#endif

void ebb__parallel_for(int64_t n, int64_t grain, void (*body)(void *context, int64_t first, int64_t last),
                       void *context) {
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    if (n < 2 * grain) {
        body(context, 0, n);
        return;
    }
    struct job job; /* not cleared: the shares are set where threads take them */
    job.body = body;
    job.context = context;
    job.n = n;
    job.unit = grain < 4 ? 1 : grain / 4;
    job.units = n / job.unit;
    job.pieces = grain > 1 ? n / grain * 2 : n;
    if (job.pieces > PIECES_MAX) job.pieces = PIECES_MAX;
#if defined(_OPENMP)
    int threads = inside ? 1 : ebb_num_threads();
    if (threads > job.pieces) threads = (int)job.pieces;
    if (threads > 1) {
        share_out(&job, threads);
        (void)atomic_fetch_add_explicit(&started, 1, memory_order_release);
        start_threads(&job, threads);
        (void)atomic_load_explicit(&job.finished, memory_order_acquire);
        return;
    }
#endif
    for (int64_t piece = 0; piece < job.pieces; piece++) run_piece(&job, piece);
}
