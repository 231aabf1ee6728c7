/* Where the first NaN or infinity came from: what the check of a call's result and that of a rule's gradient share. */
#ifndef EBB_RECORD_ANOMALY_H
#define EBB_RECORD_ANOMALY_H

#include "record/call.h"
#include <ebb/debug.h>

/* Bits of the thread's `anomaly` and `checks`; the last ones of `checks` only: the thread traces (record/trace.h),
 * inputs are cast (record/autocast.h). */
enum {
    EBB__ANOMALY_ON = 1,
    EBB__ANOMALY_NAN_ONLY = 2,
    EBB__ANOMALY_BACKWARD_ONLY = 4,
    EBB__CHECK_TRACE = 8,
    EBB__CHECK_AUTOCAST = 16
};

/* A call that is looked at, from before its parts are run to after them. */
struct ebb__checked {
    uint8_t checks;
    const char *calling;
};
static inline struct ebb__checked ebb__checks_begin(const char *name) {
    struct ebb__checked w = {ebb__thread.checks, ebb__thread.calling};
    ebb__thread.checks &= EBB__CHECK_AUTOCAST;
    ebb__thread.calling = name;
    return w;
}
static inline void ebb__checks_end(struct ebb__checked w) {
    ebb__thread.checks = w.checks;
    ebb__thread.calling = w.calling;
}

/* The first NaN of a tensor in row-major order, or where it has none the first infinity; index -1: all is finite. */
struct ebb__bad {
    int64_t index;
    double value;
};
struct ebb__bad ebb__bad_of(ebb_tensor *t);

/* Whether this is to be reported, at this setting: a NaN always, an infinity when `given` says that there was none
 * among what it was computed from. */
bool ebb__is_anomaly(struct ebb__bad bad, unsigned anomaly, bool given);

/* Sentences, put together in a buffer. */
struct ebb__words {
    size_t at;
    char text[800];
};
void ebb__say(struct ebb__words *w, const char *format, ...) EBB_PRINTF(2, 3);

/* "is nan at [0, 1]": of the element numbered bad.index of a tensor shaped like t. */
void ebb__say_bad(struct ebb__words *w, struct ebb__bad bad, const ebb_tensor *t, const char *verb);

/* What t, called `what`, had: ", self was nan at [1] already" or ", self is finite (0 there)", where "there" is the
 * element `index` of `at`, to whose shape t broadcasts; without that where `at` is NULL, or t does not. */
void ebb__say_source(struct ebb__words *w, const char *what, ebb_tensor *t, const ebb_tensor *at, int64_t index);

/* The element of t that broadcasts to element `index` of a tensor shaped like `at`; false when there is none. */
bool ebb__element_there(const ebb_tensor *t, const ebb_tensor *at, int64_t index, double *ret_value);

/* The result of a call, whose parts have not been looked at: EBB_ERR_NONFINITE when it is the first that is not
 * finite. */
ebb_status ebb__check_results(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                              ebb_tensor *const *out, int64_t n_out);
/* The same of a call in place, before which in[0] had this. */
ebb_status ebb__check_inplace(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                              struct ebb__bad was);

/* Whether every element of the result depends on the elements at its own place only. */
static inline bool ebb__is_elementwise(const struct ebb_op *op) { return op->loops && !op->infer; }

#endif
