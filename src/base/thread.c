/* The state of a thread and its end. */
#include "base/thread.h"
#include "base/base.h"

#include <pthread.h>

EBB_TLS struct ebb__thread ebb__thread;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;

static void at_thread_end(void *state) {
    (void)state;
    ebb_thread_release();
}

static void make_key(void) { key_made = pthread_key_create(&key, at_thread_end) == 0; }

void ebb__thread_attach(void) {
    (void)pthread_once(&key_once, make_key);
    /* Without a key the thread has to call ebb_thread_release() itself; what it forgets is a leak, not an error. */
    if (key_made) (void)pthread_setspecific(key, &ebb__thread);
}

void ebb_thread_release(void) {
    ebb__scope_release_all(); /* first: releasing tensors runs callbacks, which may fail and allocate */
    ebb__error_release();
    ebb__alloc_thread_release();
}
