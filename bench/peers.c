/* Starting peers, talking to them, ending them. */
#define _POSIX_C_SOURCE 200809L
#include "bench/peers.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef EBB_BENCH_PYTHON
#define EBB_BENCH_PYTHON "build/peers/bin/python"
#endif

extern char **environ;

/* Blocks that glibc does not give back to the system: what a CPU tensor library without a cache of its own needs. */
#define KEEP_MEMORY "MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=68719476736"

/* PyTorch as it comes, with its best settings (memory kept, fused optimizers), compiled; and the others. */
static const struct {
    const char *name, *program, *environment;
} kinds[] = {
    {"torch", "python", ""},
    {"torch-tuned", "python", KEEP_MEMORY},
    {"torch-compile", "python", KEEP_MEMORY},
    {"jax", "python", ""},
    {"numpy", "python", "OPENBLAS_VERBOSE=0"},
    {"libtorch", "build/peers/libtorch", KEEP_MEMORY},
    {"adolc", "build/peers/adolc", ""},
};
#define KINDS (int)(sizeof kinds / sizeof *kinds)

static bool listed(const char *list, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = list; at && (at = strstr(at, name)); at += n)
        if ((at == list || at[-1] == ',') && (at[n] == ',' || !at[n])) return true;
    return !list;
}

static bool start(int kind, int threads, bench_peer *ret_peer) {
    const bool python = !strcmp(kinds[kind].program, "python");
    const char *interpreter = getenv("EBB_BENCH_PYTHON");
    char command[1024];
    int request[2], answer[2];
    if (!interpreter) interpreter = EBB_BENCH_PYTHON;
    if (access(python ? interpreter : kinds[kind].program, X_OK)) return false;
    if (pipe(request)) return false;
    if (pipe(answer)) {
        (void)close(request[0]), (void)close(request[1]);
        return false;
    }
    (void)snprintf(command, sizeof command, "exec env OMP_NUM_THREADS=%d OPENBLAS_NUM_THREADS=%d %s %s %s %s %d",
                   threads, threads, kinds[kind].environment, python ? interpreter : kinds[kind].program,
                   python ? "bench/peers/serve.py" : "", kinds[kind].name, threads);
    char *const argv[] = {"sh", "-c", command, NULL};
    posix_spawn_file_actions_t files;
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_adddup2(&files, request[0], 0);
    (void)posix_spawn_file_actions_adddup2(&files, answer[1], 1);
    (void)posix_spawn_file_actions_addclose(&files, request[1]);
    (void)posix_spawn_file_actions_addclose(&files, answer[0]);
    *ret_peer = (bench_peer){.name = kinds[kind].name, .to = request[1], .from = answer[0]};
    const bool started = !posix_spawn(&ret_peer->process, "/bin/sh", &files, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)close(request[0]), (void)close(answer[1]);
    if (!started) (void)close(request[1]), (void)close(answer[0]);
    return started;
}

static void stop(bench_peer *peer) {
    (void)kill(peer->process, SIGCONT);
    (void)close(peer->to); /* the end of its requests: it leaves */
    (void)close(peer->from);
    for (int i = 0; i < 50; i++) {
        if (waitpid(peer->process, NULL, WNOHANG)) return;
        (void)poll(NULL, 0, 100);
    }
    (void)kill(peer->process, SIGKILL);
    (void)waitpid(peer->process, NULL, 0);
}

int bench_peers_start(const char *wanted, int threads, bench_peer *ret_peers, int max) {
    int n = 0;
    (void)signal(SIGPIPE, SIG_IGN);
    for (int kind = 0; kind < KINDS && n < max; kind++) {
        bench_peer *peer = &ret_peers[n];
        if (!listed(wanted, kinds[kind].name) || !start(kind, threads, peer)) continue;
        if (bench_peer_ask(peer, "version", peer->version, sizeof peer->version)) {
            n++;
        } else {
            (void)fprintf(stderr, "bench: without %s: %s\n", peer->name, peer->version);
            stop(peer);
        }
    }
    return n;
}

void bench_peers_stop(bench_peer *peers, int n) {
    for (int i = 0; i < n; i++) stop(&peers[i]);
}

/* One line, without its end; false when there will be none. */
static bool read_line(bench_peer *peer, char *ret_line, size_t size) {
    for (;;) {
        char *end = memchr(peer->pending, '\n', peer->n_pending);
        if (end) {
            const size_t length = (size_t)(end - peer->pending), used = length < size ? length : size - 1;
            memcpy(ret_line, peer->pending, used);
            ret_line[used] = 0;
            peer->n_pending -= length + 1;
            memmove(peer->pending, end + 1, peer->n_pending);
            return true;
        }
        struct pollfd ready = {.fd = peer->from, .events = POLLIN};
        if (peer->n_pending == sizeof peer->pending || poll(&ready, 1, 600 * 1000) < 1) return false;
        const ssize_t got = read(peer->from, peer->pending + peer->n_pending, sizeof peer->pending - peer->n_pending);
        if (got < 1) return false;
        peer->n_pending += (size_t)got;
    }
}

bool bench_peer_ask(bench_peer *peer, const char *request, char *ret_rest, size_t size) {
    char line[4096];
    if (peer->gone) {
        *ret_rest = 0;
        return false;
    }
    (void)snprintf(line, sizeof line, "%s\n", request);
    (void)kill(peer->process, SIGCONT);
    if (write(peer->to, line, strlen(line)) < 0 || !read_line(peer, line, sizeof line)) {
        (void)snprintf(ret_rest, size, "no answer to \"%s\"", request);
        (void)kill(peer->process, SIGKILL); /* a late answer would be taken for the next one's */
        peer->gone = true;
        return false;
    }
    (void)kill(peer->process, SIGSTOP); /* its threads look for work for a while yet: not in another's turn */
    const bool ok = !strncmp(line, "ok", 2);
    const char *rest = strchr(line, ' ');
    (void)snprintf(ret_rest, size, "%.*s", (int)size - 1, !strcmp(line, "none") ? "" : rest ? rest + 1 : "");
    return ok;
}

/* ---- memory ---- */

void bench_peak_reset(void) {
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return;
    (void)fputs("5", f);
    (void)fclose(f);
}

int64_t bench_peak(void) {
    char line[200];
    long long kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lld", &kilobytes) == 1) break;
    if (f) (void)fclose(f);
    return 1024 * kilobytes;
}
