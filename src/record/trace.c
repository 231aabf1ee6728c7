/* Noting tensors when they are made, for reports on those that outlive their use. What is noted lies beside the
 * tensor's autograd state, so that tensors that are not noted have nothing of it. */
#include "record/trace.h"
#include "record/anomaly.h"
#if defined(__unix__) || defined(__APPLE__)
#include <sched.h>
#endif

struct block {
    const void *at;
    size_t bytes;
    struct block *next;
};

static struct {
    _Atomic int lock;
    struct ebb__trace *first;
    struct block *blocks;
} all;

void ebb__traces_lock(void) {
    while (atomic_exchange_explicit(&all.lock, 1, memory_order_acquire)) {
#if defined(__unix__) || defined(__APPLE__)
        sched_yield();
#endif
    }
}

void ebb__traces_unlock(void) { atomic_store_explicit(&all.lock, 0, memory_order_release); }

const struct ebb__trace *ebb__traces_first(void) { return all.first; }

/* ---- the mode ---- */

static void trace(bool on) {
    struct ebb__thread *th = &ebb__thread;
    th->tracing = on;
    th->checks = (uint8_t)(on ? th->checks | EBB__CHECK_TRACE : th->checks & ~EBB__CHECK_TRACE);
}

ebb_mode ebb_trace_tensors_open(void) {
    ebb_mode mode = {ebb__thread.tracing, true};
    trace(true);
    return mode;
}

void ebb_trace_tensors_close(ebb_mode *mode) {
    if (!mode || !mode->open) return;
    mode->open = false;
    trace(mode->before != 0);
}

/* ---- tensors ---- */

bool ebb__trace(ebb_tensor *t) {
    const struct ebb__thread *th = &ebb__thread;
    struct ebb__autograd *a = ebb__autograd_of(t);
    struct ebb__trace *made = a ? ebb__alloc(sizeof *made) : NULL;
    if (!made) return false;
    *made = (struct ebb__trace){.t = t, .file = th->file, .line = th->line, .calling = th->calling};
    a->trace = made;
    ebb__traces_lock();
    made->next = all.first;
    if (all.first) all.first->before = made;
    all.first = made;
    ebb__traces_unlock();
    return true;
}

void ebb__trace_end(struct ebb__trace *ended) {
    ebb__traces_lock();
    if (ended->next) ended->next->before = ended->before;
    if (ended->before) ended->before->next = ended->next;
    else all.first = ended->next;
    ebb__traces_unlock();
    ebb__free(ended, sizeof *ended);
}

/* ---- blocks ---- */

const void *ebb__traced_block(const void *p, size_t *ret_bytes) {
    const struct block *b = all.blocks;
    while (b && b->at != p) b = b->next;
    *ret_bytes = b ? b->bytes : 0;
    return b ? b->at : NULL;
}

ebb_status ebb_trace_block(const void *at, size_t bytes) {
    struct block *made = bytes ? ebb__alloc(sizeof *made) : NULL, *old = NULL;
    if (bytes && !made) return ebb_error_status();
    ebb__traces_lock();
    struct block **link = &all.blocks;
    while (*link && (*link)->at != at) link = &(*link)->next;
    if ((old = *link)) *link = old->next;
    if (made) {
        *made = (struct block){at, bytes, all.blocks};
        all.blocks = made;
    }
    ebb__traces_unlock();
    ebb__free(old, sizeof *old);
    return EBB_OK;
}
