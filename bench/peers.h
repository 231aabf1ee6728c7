/* Other libraries' sides of the benchmark: processes that are told over a pipe what to set up and how often to run it,
 * so that each side's runs can take turns. They answer one line a request: "ok ...", "none" for a case that they do not
 * have, or "error ...". See bench/peers/serve.py. */
#ifndef EBB_BENCH_PEERS_H
#define EBB_BENCH_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct bench_peer {
    const char *name;
    char version[80];
    pid_t process;
    int to, from;
    bool gone;          /* it was silent too long, or ended */
    char pending[4096]; /* read, and not yet a whole line */
    size_t n_pending;
} bench_peer;

/* Start the peers that can be started, for a number of threads, of those whose names are in `wanted` (a list with
 * commas; NULL: all). Returns how many there are in ret_peers. */
int bench_peers_start(const char *wanted, int threads, bench_peer *ret_peers, int max);
void bench_peers_stop(bench_peer *peers, int n);

/* Ask, and wait for the answer; between requests the peer is stopped. True for "ok", whose rest is in ret_rest. "none"
 * gives false and an empty rest; an error, gives false and its text; so does silence for ten minutes, after which the
 * peer is ended and has no more cases. */
bool bench_peer_ask(bench_peer *peer, const char *request, char *ret_rest, size_t size);

/* Bytes of memory that this process has had at most since bench_peak_reset(); 0 where that is not known. */
void bench_peak_reset(void);
int64_t bench_peak(void);

#endif
