/* Stacks for what calls itself more often than one stack can hold. */
#include "base/base.h"
#include <pthread.h>

#define STACK_BYTES ((size_t)8 << 20) /* whatever the system gives to threads by default */

struct job {
    ebb_status (*body)(void *context);
    void *context;
    struct ebb__thread state; /* of the thread that waits; then as body left it */
    ebb_status status;
};

static void *run(void *job_) {
    struct job *job = job_;
    struct ebb__thread own = ebb__thread;
    ebb__thread = job->state;
    job->status = job->body(job->context);
    job->state = ebb__thread;
    ebb__thread = own;
    return NULL;
}

ebb_status ebb__on_fresh_stack(ebb_status (*body)(void *context), void *context) {
    struct job job = {.body = body, .context = context, .state = ebb__thread};
    pthread_attr_t attr;
    pthread_t thread;
    bool made = !pthread_attr_init(&attr);
    if (made) {
        made = !pthread_attr_setstacksize(&attr, STACK_BYTES) && !pthread_create(&thread, &attr, run, &job);
        (void)pthread_attr_destroy(&attr);
    }
    if (!made) return ebb_fail(EBB_ERR_MEMORY, "there is no thread for another stack");
    (void)pthread_join(thread, NULL);
    ebb__thread = job.state;
    return job.status;
}
