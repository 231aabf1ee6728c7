/* The base layer: what every other layer may rely on. Errors and scopes are in the public base.h. */
#ifndef EBB_BASE_BASE_H
#define EBB_BASE_BASE_H

#include <ebb/base.h>
#include <stdatomic.h>

#if defined(__GNUC__)
#define EBB_LIKELY(x) __builtin_expect(!!(x), 1)
#define EBB_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define EBB_NOINLINE __attribute__((noinline, cold))
#define EBB_TLS _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define EBB_LIKELY(x) (x)
#define EBB_UNLIKELY(x) (x)
#define EBB_NOINLINE
#define EBB_TLS _Thread_local
#endif

/* The number of the lowest bit that is set; x is not 0. */
static inline int ebb__lowest_bit(uint32_t x) {
#if defined(__GNUC__)
    return __builtin_ctz(x);
#else
    int n = 0;
    for (; !(x & 1); x >>= 1) n++;
    return n;
#endif
}

/* ---- memory (alloc.c) ----
 * Blocks of a multiple of 64 bytes, and those of more than 1 KiB, are aligned to 64 bytes; others to 16. Callers
 * remember sizes, so blocks carry no header. Every allocation of the library goes through ebb__alloc, also those of a
 * few bytes. */
void *ebb__alloc(size_t bytes); /* NULL and EBB_ERR_MEMORY on failure; bytes 0 gives a block of the smallest size */
void *ebb__alloc_zeroed(size_t bytes);
void ebb__free(void *block, size_t bytes); /* bytes as asked for; NULL is fine */
/* Grow an array to at least `need` elements, doubling; *capacity is updated. False (and an error) on failure, array
 * intact. */
bool ebb__grow_slow(void **array, size_t *capacity, size_t need, size_t element_size);
static inline bool ebb__grow(void **array, size_t *capacity, size_t need, size_t element_size) {
    return EBB_LIKELY(need <= *capacity) || ebb__grow_slow(array, capacity, need, element_size);
}
void ebb__alloc_thread_release(void); /* hand this thread's cached blocks to the shared cache */

/* ---- errors (error.c) ---- */
struct ebb__error {
    ebb_error_info info;
    bool within; /* the message begins with the name of what failed inside of `op` */
    size_t told; /* of the message, without the inputs that follow; 0: there are none */
    char op[64];
    char message[1024];
};
/* ebb_fail with the operator's name; both keep the first error of the thread. */
ebb_status ebb__fail_op(const char *op, ebb_status status, const char *format, ...) EBB_PRINTF(3, 4);
/* The pending error came up inside of what the user may have written, a rule, a hook, an operator: the message goes on
 * to name the operator that failed there. */
void ebb__error_within(const char *what);
/* The pending error is one of a call of this name, whatever part of it failed. */
void ebb__error_named(const char *op);
/* For a NULL argument: the pending error's status, or a new EBB_ERR_ARGUMENT that names what is NULL. */
ebb_status ebb__fail_null(const char *op, const char *what);

/* ---- the thread's state: one block, so that hot paths touch one cache line ---- */
struct ebb__thread {
    const char *file; /* call site noted last */
    int line;
    bool no_grad;                    /* recording is off */
    uint8_t default_dtype;           /* 0: float32 */
    uint8_t checks;                  /* whether results of calls are looked at, or inputs cast, now, and */
    uint8_t anomaly;                 /* what for (record/anomaly.h) */
    uint8_t autocast;                /* to which dtype (record/autocast.c) */
    bool strong_zeros;               /* 0 times anything is 0 in gradients (autograd/strong_zeros.c) */
    bool tracing;                    /* tensors that are made are noted with their line (record/trace.h), and with */
    const char *calling;             /* what is being called, then; NULL: nothing that is known */
    uint8_t inference;               /* in inference mode the flag of new tensors, which is off */
    struct ebb__error *error;        /* NULL: none */
    struct ebb__error *error_record; /* kept between errors */
    uint64_t failures;               /* errors reported so far, also those that came after the one kept */
    ebb_tensor **scope;              /* stack of owned tensors; the lowest bit marks those handed to the parent */
    size_t scope_n, scope_capacity;
    size_t scope_depth;
    int scope_serial;  /* of the scope opened last */
    uint64_t sequence; /* of the next node */
    void *free_list;   /* nodes waiting to be freed (record/node.c) */
    bool freeing;
    struct ebb__level *levels;      /* that are open, the innermost first (record/tangent.h) */
    struct ebb__hooks *saved_hooks; /* on saved tensors, that are open, the innermost first (record/saved.h) */
    bool followed;           /* whether derivatives by all inputs of what is called may be needed (ebb_forward_needs) */
    struct ebb__pass *pass;  /* the backward pass that runs in this thread, the innermost (autograd/pass.h) */
    struct ebb_watch *watch; /* of what is recorded, the innermost first (record/watch.c) */
    const struct ebb_op *parts_of; /* the outermost composition whose parts are being called; NULL: none */
    ebb_rng_state rng;
    int passes; /* backward passes that run on this stack, one inside the other */
    struct ebb__kept_cast {
        ebb_tensor *leaf, *cast; /* references */
        uint32_t version;        /* of the leaf, when it was cast */
    } * casts;                   /* of parameters, until the outermost autocast block ends */
    size_t n_casts, cast_capacity;
};
extern EBB_TLS struct ebb__thread ebb__thread;

/* Run body(context) on the stack of another thread, which has this one's state meanwhile (modes, scopes, error, random
 * numbers), while this one waits. Returns what body returns; EBB_ERR_MEMORY when there is no such thread. (stack.c) */
ebb_status ebb__on_fresh_stack(ebb_status (*body)(void *context), void *context);

/* Whether an error is pending and one came up since `failures` was read from the thread: one that was pending before
 * must not hide that a callback failed. */
static inline bool ebb__failed_since(uint64_t failures) {
    return ebb__thread.error && ebb__thread.failures != failures;
}

/* Whether an error waits to be looked at. */
static inline bool ebb__failing(void) { return ebb__thread.error != NULL; }

/* The tensor layer tells the base how to release a tensor; set once before any tensor exists. */
extern void (*ebb__scope_release)(ebb_tensor *t);
/* Give a new reference to the innermost scope. False (and an error) when out of memory: the caller still owns it. */
bool ebb__scope_push_slow(ebb_tensor *t);
static inline bool ebb__scope_push(ebb_tensor *t) {
    struct ebb__thread *th = &ebb__thread;
    if (EBB_UNLIKELY(th->scope_n == th->scope_capacity)) return ebb__scope_push_slow(t);
    th->scope[th->scope_n++] = t;
    return true;
}

enum { EBB__SCOPE_MARK = 2 }; /* the bit of an entry that is no tensor, but where a scope begins */

/* Take the innermost scope's reference to t, when t is among the last few that it was given: whether that was so. */
static inline bool ebb__scope_take(const ebb_tensor *t) {
    const size_t n = ebb__thread.scope_n, stop = n > 4 ? n - 4 : 0;
    ebb_tensor **scope = ebb__thread.scope;
    for (size_t at = n; at-- > stop;) {
        if ((uintptr_t)scope[at] & EBB__SCOPE_MARK) return false;
        if (scope[at] != t) continue;
        if (at + 1 == n) ebb__thread.scope_n = at;
        else scope[at] = NULL;
        return true;
    }
    return false;
}

/* ---- threads (threads.c) ---- */
/* Run body(context, first, last) over [0, n): at once when n is less than two grains, else in pieces of half a grain or
 * more, so that they are shared out evenly. Pieces depend on n and grain only, never on the number of threads, and
 * start at multiples of a quarter of the grain. One thread, or a call inside a piece, runs the same pieces one after
 * another: where the pieces are cut decides which elements a vector loop leaves to its scalar end, hence their last
 * bits. */
void ebb__parallel_for(int64_t n, int64_t grain, void (*body)(void *context, int64_t first, int64_t last),
                       void *context);

/* ---- random numbers (rng.c) ----
 * Philox 4x32-10: word i of the stream of `seed` depends on (seed, i) only, so pieces can be made by any thread. */
void ebb__philox(uint64_t seed, uint64_t block, uint32_t ret_words[4]);
void ebb__philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_words[4]); /* the bare function */
/* Take n blocks of 4 words from the thread's generator: returns the number of the first. */
uint64_t ebb__rng_take(uint64_t n_blocks);

#endif
