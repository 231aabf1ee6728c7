/* The benchmark's program: runs cases on Ebb and, in turn, on the peers that are there; compares results before times
 * count; prints a table beside the machine's limits, and writes it as a file. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "bench/report.h"

#include <stdlib.h>
#include <string.h>

static const struct bench_family *const families[] = {
    &bench_chain,   &bench_graph,  &bench_startup,   &bench_library,  &bench_elementwise, &bench_reduce,
    &bench_rowwise, &bench_move,   &bench_gemm,      &bench_bmm,      &bench_builtin,     &bench_conv,
    &bench_pool,    &bench_train,  &bench_loss,      &bench_autocast, &bench_watched,     &bench_tape,
    &bench_gmm,     &bench_kmeans, &bench_logsumexp, &bench_lstm,     &bench_batches,
};

typedef struct options {
    int threads[8], n_threads;
    int repeat;
    double time; /* seconds of one run, at least */
    bool json, list, cpu;
    const char *peers, *csv;
    const char *filter[32];
    int n_filters;
} options;

/* One side of a case: Ebb (no peer), or a peer. */
typedef struct side {
    bench_peer *peer;
    int64_t rounds; /* iterations of one run */
    double figure[BENCH_MAX_REPEAT];
} side;

static int failures;

static void complain(const char *name, const char *who, const char *what) {
    failures++;
    (void)fprintf(stderr, "bench: %s: %s: %s\n", name, who, what);
}

/* ---- running one side ---- */

static bool ebb_failed(const bench_job *job) {
    if (!ebb_error()) return false;
    failures++;
    (void)fprintf(stderr, "bench: %s: ", job->name);
    (void)ebb_perror("Ebb");
    return true;
}

/* The figure of one iteration, negative after a failure, and the seconds that the run took: of the clock in use, as
 * long as that is what ran, and not other processes. */
static double run(bench_job *job, side *s, double *ret_seconds) {
    double figure = 0;
    if (job->threads > 1) bench_pause(); /* before every side's turn, so that none has the caches warmer */
    if (s->peer) {
        char request[64], rest[256];
        (void)snprintf(request, sizeof request, "run %lld", (long long)s->rounds);
        if (!bench_peer_ask(s->peer, request, rest, sizeof rest)) {
            complain(job->name, s->peer->name, rest);
            return -1;
        }
        return sscanf(rest, "%lf %lf", &figure, ret_seconds) == 2 ? figure : -1;
    }
    const double wall = bench_wall(), start = bench_now();
    for (int64_t i = 0; i < s->rounds; i++) {
        if (job->family->timed) figure += job->family->timed(job);
        else job->family->once(job);
    }
    const double seconds = bench_now() - start, on_wall = bench_wall() - wall;
    if (!job->family->timed) figure = seconds;
    *ret_seconds = seconds > on_wall / 5000 ? seconds : on_wall;
    return ebb_failed(job) ? -1 : figure / (double)s->rounds;
}

/* As many iterations as take the time asked for. Warms up too. */
static bool calibrate(bench_job *job, side *s, double time) {
    double seconds = 0;
    s->rounds = 1;
    if (run(job, s, &seconds) < 0) return false;
    if (seconds >= time) return true;
    for (;;) {
        if (run(job, s, &seconds) < 0) return false;
        if (seconds >= time || s->rounds > 1000000000) return true;
        const double more = seconds > 0 ? 1.2 * time / seconds : 10;
        s->rounds = (int64_t)((double)s->rounds * (more > 10 ? 10 : more < 1.5 ? 1.5 : more)) + 1;
    }
}

/* ---- setting up, and comparing ---- */

static bool prepare(bench_job *job, const struct bench_family *family, const char *args, int threads) {
    *job = (bench_job){.family = family, .threads = threads};
    (void)snprintf(job->name, sizeof job->name, "%s/%s", family->name, args);
    (void)snprintf(job->text, sizeof job->text, "%s", args);
    for (char *word = strtok(job->text, "/"); word && job->n_args < BENCH_MAX_ARGS; word = strtok(NULL, "/"))
        job->args[job->n_args++] = word;
    ebb_set_num_threads(threads);
    (void)ebb_memory_trim();
    bench_peak_reset();
    if (family->setup) family->setup(job);
    if (!ebb_error() && family->check) family->check(job);
    return !ebb_failed(job);
}

static void release(bench_job *job) {
    if (job->state && job->family->drop) job->family->drop(job);
    for (int i = 0; i < job->n_t; i++) (void)ebb_drop(job->t[i]);
}

/* Whether a peer has the case and computes what Ebb does. */
static bool peer_agrees(bench_job *job, bench_peer *peer) {
    char request[160], rest[3500];
    (void)snprintf(request, sizeof request, "setup %s", job->name);
    if (!bench_peer_ask(peer, request, rest, sizeof rest)) {
        if (*rest) complain(job->name, peer->name, rest);
        return false;
    }
    if (job->family->tolerance <= 0) return true;
    const char *at = rest;
    for (int i = 0; i < job->n_values; i++) {
        const bench_value *v = &job->values[i];
        char *end, text[160];
        const double other = strtod(at, &end);
        const double worst = job->family->tolerance * v->scale;
        if (end == at || !(other - v->value <= worst && v->value - other <= worst)) {
            (void)snprintf(text, sizeof text, "result %d is %.12g, Ebb's %.12g (scale %.3g)", i, other, v->value,
                           v->scale);
            complain(job->name, peer->name, end == at ? "too few results" : text);
            return false;
        }
        at = end;
    }
    return true;
}

/* ---- a case ---- */

static void run_case(const struct bench_family *family, const char *args, int threads, const options *o,
                     const bench_floors *floors, bench_peer *peers, int n_peers) {
    bench_job job;
    side sides[1 + BENCH_MAX_PEERS] = {{.peer = NULL}};
    int n = 0;
    double seconds;
    if (prepare(&job, family, args, threads)) {
        const bool counted = !strcmp(family->unit, "B");
        const double time = counted ? 0 : o->time;
        const int repeat = counted ? 1 : o->repeat;
        if (calibrate(&job, &sides[0], time)) n = 1;
        for (int i = 0; n && i < n_peers; i++) {
            if (!peer_agrees(&job, &peers[i])) continue;
            sides[n] = (side){.peer = &peers[i]};
            if (calibrate(&job, &sides[n], time)) n++;
        }
        bool failed = n == 0;
        for (int r = 0; r < repeat && !failed; r++) /* A B A B */
            for (int i = 0; i < n && !failed; i++) failed = (sides[i].figure[r] = run(&job, &sides[i], &seconds)) < 0;
        if (!failed) {
            bench_result result = {.threads = threads, .unit = family->unit, .floor = bench_floor(floors, &job)};
            (void)snprintf(result.name, sizeof result.name, "%s", job.name);
            for (int i = 0; i < n; i++) {
                bench_figure f = bench_summary(sides[i].figure, repeat);
                char rest[64] = "0";
                f.peak = bench_peak();
                if (sides[i].peer) f.peak = bench_peer_ask(sides[i].peer, "peak", rest, sizeof rest) ? atoll(rest) : 0;
                result.figure[sides[i].peer ? 1 + (int)(sides[i].peer - peers) : 0] = f;
            }
            bench_report_result(&result, peers, n_peers, o->json);
        }
    }
    for (int i = 0; i < n_peers; i++) {
        char rest[200];
        (void)bench_peer_ask(&peers[i], "drop", rest, sizeof rest);
    }
    release(&job);
    ebb_thread_release();
}

/* ---- choosing cases ---- */

static bool chosen(const options *o, const char *name) {
    for (int i = 0; i < o->n_filters; i++)
        if (strstr(name, o->filter[i])) return true;
    return o->n_filters == 0;
}

/* Calls `each` for every case that a pattern with {a,b} stands for. */
static void expand(const char *pattern, void (*each)(const char *args, void *context), void *context) {
    const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
    if (!close) {
        each(pattern, context);
        return;
    }
    for (const char *word = open + 1; word < close;) {
        const char *end = word + strcspn(word, ",}");
        char one[512];
        (void)snprintf(one, sizeof one, "%.*s%.*s%s", (int)(open - pattern), pattern, (int)(end - word), word,
                       close + 1);
        expand(one, each, context);
        word = end + 1;
    }
}

typedef struct course {
    const options *o;
    const struct bench_family *family;
    const bench_floors *floors;
    bench_peer *peers;
    int n_peers, threads;
} course;

static void visit(const char *args, void *context) {
    const course *c = context;
    char name[120];
    (void)snprintf(name, sizeof name, "%s/%s", c->family->name, args);
    if (!chosen(c->o, name)) return;
    if (c->o->list) (void)printf("%s\n", name);
    else run_case(c->family, args, c->threads, c->o, c->floors, c->peers, c->n_peers);
}

static void visit_all(course *c) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        c->family = families[i];
        for (int k = 0; c->family->cases[k]; k++) expand(c->family->cases[k], visit, c);
    }
}

static void usage(void) {
    (void)printf("bench [FILTER...] [OPTION...]: cases whose names contain a filter; all without one\n"
                 "  --threads LIST  numbers of threads, 1,2 by default\n"
                 "  --repeat N      runs of each side, in turn (5)\n"
                 "  --time S        seconds that a run takes at least (0.05)\n"
                 "  --peers LIST    which peers: torch,torch-tuned,torch-compile,jax,numpy,libtorch,adolc; none\n"
                 "  --cpu           time of the processes' work, not of the wall: for one thread on a busy machine\n"
                 "  --csv FILE      write results there too\n"
                 "  --json          one JSON object a line\n"
                 "  --list          the names of the cases\n");
}

static bool parse_threads(const char *list, options *o) {
    o->n_threads = 0;
    for (; *list && o->n_threads < 8; list += strcspn(list, ","), list += *list == ',')
        if ((o->threads[o->n_threads++] = atoi(list)) < 1) return false;
    return o->n_threads > 0;
}

static bool parse(int argc, char **argv, options *o) {
    *o = (options){.threads = {1, 2}, .n_threads = 2, .repeat = 5, .time = 0.05};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (word[0] != '-') {
            if (o->n_filters < 32) o->filter[o->n_filters++] = word;
            continue;
        }
        i++;
        if (!strcmp(word, "--repeat")) o->repeat = atoi(value);
        else if (!strcmp(word, "--time")) o->time = strtod(value, NULL);
        else if (!strcmp(word, "--peers")) o->peers = value;
        else if (!strcmp(word, "--csv")) o->csv = value;
        else if (!strcmp(word, "--threads")) {
            if (!parse_threads(value, o)) return false;
        } else {
            i--;
            if (!strcmp(word, "--json")) o->json = true;
            else if (!strcmp(word, "--list")) o->list = true;
            else if (!strcmp(word, "--cpu")) o->cpu = true;
            else return false;
        }
    }
    return o->repeat >= 1 && o->repeat <= BENCH_MAX_REPEAT;
}

int main(int argc, char **argv) {
    options o;
    static bench_peer peers[BENCH_MAX_PEERS];
    static bench_floors floors;
    if (!parse(argc, argv, &o)) {
        usage();
        return 2;
    }
    course c = {.o = &o, .floors = &floors, .peers = peers, .threads = 1};
    bench_set_directory(argv[0]);
    if (o.cpu) {
        bench_use_processor_time();
        (void)setenv("EBB_BENCH_CLOCK", "cpu", 1); /* peers do the same */
    }
    if (o.list) visit_all(&c);
    for (int i = 0; i < o.n_threads && !o.list; i++) {
        c.threads = o.threads[i];
        if (!bench_floors_measure(c.threads, &floors)) return 1;
        c.n_peers =
            o.peers && !strcmp(o.peers, "none") ? 0 : bench_peers_start(o.peers, c.threads, peers, BENCH_MAX_PEERS);
        bench_report_head(&floors, c.threads, peers, c.n_peers, o.json);
        visit_all(&c);
        bench_peers_stop(peers, c.n_peers);
        if (o.csv && !bench_report_csv(o.csv)) {
            perror(o.csv);
            return 1;
        }
    }
    if (!o.list && !o.json) bench_report_end();
    if (failures) (void)fprintf(stderr, "bench: %d cases failed or do not agree\n", failures);
    return failures != 0;
}
