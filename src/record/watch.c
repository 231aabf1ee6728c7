/* Watching what is recorded: callbacks after each node. */
#include "record/node.h"

void ebb_watch_open(ebb_watch *watch, ebb_watcher call, void *context) {
    if (!watch || !call) return;
    *watch = (ebb_watch){call, context, ebb__thread.watch};
    ebb__thread.watch = watch;
}

void ebb_watch_close(ebb_watch *watch) {
    for (ebb_watch *w = ebb__thread.watch; watch && w; w = w->outer)
        if (w == watch) ebb__thread.watch = w->outer;
}

const struct ebb_op *ebb_watch_parts_of(void) { return ebb__thread.parts_of; }

void ebb__watched(ebb_node *n, ebb_tensor *const *in, int64_t n_in, ebb_tensor *const *out, int n_out) {
    struct ebb__thread *th = &ebb__thread;
    ebb_watch *first = th->watch;
    bool no_grad = th->no_grad;
    const char *file = th->file;
    int line = th->line;
    th->watch = NULL;
    th->no_grad = true;
    for (ebb_watch *w = first; w; w = w->outer) w->call(n, (ebb_list){n_in, in}, (ebb_list){n_out, out}, w->context);
    th->watch = first;
    th->no_grad = no_grad;
    th->file = file;
    th->line = line;
}
