/* Ebb: errors, ownership, memory, threads. Everything else in Ebb stands on this header.
 *
 * Errors flow like data. An operator that cannot be computed returns NULL, an operator given NULL returns NULL, and the
 * thread keeps the first error until ebb_clear_error(): look once, after the whole expression. Functions that return no
 * tensor return an ebb_status; 0 is success, and what they would have written through ret_ pointers stays untouched on
 * failure.
 *
 * Ownership: (1) a returned tensor belongs to the innermost open scope of the thread; (2) ebb_keep(t) makes it outlive
 * the scope, t = ebb_drop(t) gives it back and accepts NULL; (3) arguments are borrowed; a function that stores one
 * takes its own reference. A thread with no open scope owns its tensors until it ends or calls ebb_thread_release(). */
#ifndef EBB_BASE_H
#define EBB_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#if defined(_WIN32)
#define EBB_API __declspec(dllexport)
#elif defined(__GNUC__)
#define EBB_API __attribute__((visibility("default")))
#else
#define EBB_API
#endif

#if defined(__GNUC__)
#define EBB_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#define EBB_MUST_USE __attribute__((warn_unused_result))
#else
#define EBB_PRINTF(text, first)
#define EBB_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#define EBB_LITERAL(type, ...) (type{__VA_ARGS__}) /* a value of a struct type, in an expression */
#define EBB_DEFAULT = {}                           /* options may be left out: in C by a macro, in C++ by a default */
#else
#define EBB_LITERAL(type, ...) ((type){__VA_ARGS__})
#define EBB_DEFAULT
#endif

#define EBB_VERSION_MAJOR 0
#define EBB_VERSION_MINOR 1
#define EBB_VERSION_PATCH 0

/* The version of the library in use, "0.1.0". */
EBB_API const char *ebb_version(void);

typedef struct ebb_tensor ebb_tensor; /* a strided view of shared storage that may remember how it was computed */
typedef struct ebb_node ebb_node;     /* a recorded operation: what PyTorch shows as grad_fn */

/* ---- Errors ------------------------------------------------------------------------------------------------------ */

typedef enum ebb_status {
    EBB_OK = 0,
    EBB_ERR_ARGUMENT,    /* a value that the function does not accept, or NULL where a tensor is needed */
    EBB_ERR_SHAPE,       /* shapes that do not fit together */
    EBB_ERR_DTYPE,       /* an element type that the operation is not defined for, or types that may not mix */
    EBB_ERR_INDEX,       /* a dimension or index out of range */
    EBB_ERR_MEMORY,      /* an allocation failed, or its size is beyond what can be addressed */
    EBB_ERR_GRAPH,       /* differentiation asked for where it is not defined */
    EBB_ERR_VERSION,     /* a tensor saved for backward was overwritten in place */
    EBB_ERR_FREED,       /* a second backward through a graph whose saved tensors were released */
    EBB_ERR_NAME,        /* an unknown operator, attribute or file entry */
    EBB_ERR_IO,          /* the operating system refused: file missing, unreadable, disk full */
    EBB_ERR_FORMAT,      /* a file that is damaged, truncated, or not what it claims to be */
    EBB_ERR_UNSUPPORTED, /* needs a library that this build was made without, or is not offered */
    EBB_ERR_CALLBACK,    /* a function of the user's returned an error */
    EBB_ERR_NONFINITE    /* a NaN or an infinity was computed where they are looked for (ebb_detect_anomaly_open) */
} ebb_status;

/* The first error of this thread. Strings live until ebb_clear_error() or the end of the thread. */
typedef struct ebb_error_info {
    ebb_status status;
    const char *op;      /* operator or function, "" when none */
    const char *message; /* what is wrong, with shapes and dtypes; one line */
    const char *file;    /* the caller's line, "" and 0 when not known */
    int line;
} ebb_error_info;

/* The thread's first error since the last ebb_clear_error(), or NULL. Never fails.
 *     if (ebb_error()) fprintf(stderr, "%s\n", ebb_error()->message); */
EBB_API const ebb_error_info *ebb_error(void);

/* The status of the thread's first error, EBB_OK when there is none. */
EBB_API ebb_status ebb_error_status(void);

/* Print "prefix: file:line: op: message" on stderr, clear the error, and return its status (as an int, so that
 * `return ebb_perror("step")` ends main with non-zero). Prints nothing and returns 0 when there is no error. */
EBB_API int ebb_perror(const char *prefix);

/* Forget the thread's error. */
EBB_API void ebb_clear_error(void);

/* Report an error as the library does: for operators, hooks and callbacks of the user's own. Keeps the thread's first
 * error; returns `status` always. The message is formatted as by printf. */
EBB_API ebb_status ebb_fail(ebb_status status, const char *format, ...) EBB_PRINTF(2, 3);

/* The name among `count` that is most like `word`: a few letters more, less or other; NULL when none is. */
EBB_API const char *ebb_did_you_mean(const char *word, const char *const *names, int64_t count);

/* "shape", "memory", …: the name of a status. */
EBB_API const char *ebb_status_name(ebb_status status);

/* ---- Call sites --------------------------------------------------------------------------------------------------
 * Every public operator, and every other function that fails for what it is given, is a function and a macro of the
 * same name; the macro notes the caller's line, in an argument position, so that it is the last thing noted before the
 * call. (ebb_add)(a, b) calls without noting. */

/* Note the line of the call that follows in this thread; returns 0. `file` must live forever (a string literal). */
EBB_API int ebb_at(const char *file, int line);

static inline ebb_tensor *ebb__at_tensor(ebb_tensor *t, const char *file, int line) {
    (void)ebb_at(file, line);
    return t;
}
#ifdef EBB_NO_CALL_SITES /* the library itself: what a rule calls belongs to the line of the user's call */
#define EBB_AT(tensor) (tensor)
#define EBB_HERE 0
#else
#define EBB_AT(tensor) ebb__at_tensor((tensor), __FILE__, __LINE__)
#define EBB_HERE ebb_at(__FILE__, __LINE__)
#endif

/* ---- Scopes ------------------------------------------------------------------------------------------------------ */

typedef struct ebb_scope {
    size_t mark;
    int open;
} ebb_scope;

/* Open a scope: tensors returned from now on belong to it. Close it with ebb_scope_close(). */
EBB_API ebb_scope ebb_scope_open(void);

/* Close a scope and all scopes opened inside it; releases what they own. Does nothing when already closed. */
EBB_API void ebb_scope_close(ebb_scope *scope);

/* Hand a tensor of the innermost scope to the scope around it, which owns it when the inner one closes. Returns t.
 *     EBB_SCOPE { result = ebb_scope_hand(ebb_mul(a, b)); }       // result belongs to the outer scope now */
EBB_API ebb_tensor *ebb_scope_hand(ebb_tensor *t);

/* A block with a scope of its own. Leaving it by its end, break, continue, return or goto closes the scope (break and
 * continue leave this block only). Compilers without the cleanup attribute use ebb_scope_open and ebb_scope_close. */
#if defined(__GNUC__)
#define EBB_SCOPE EBB__SCOPE_LINE(__LINE__) /* a name of its own on each line: nested scopes shadow nothing */
#define EBB__SCOPE_LINE(line) EBB__SCOPE_ON(line)
#define EBB__SCOPE_ON(line) EBB__SCOPE_AS(ebb__scope_on_##line)
#define EBB__SCOPE_AS(scope) \
    for (ebb_scope scope __attribute__((cleanup(ebb_scope_close))) = ebb_scope_open(); (scope).open; \
         ebb_scope_close(&(scope)))
#endif

/* Take a reference: the tensor lives until ebb_drop(), whatever scopes close. Returns t; NULL in, NULL out. */
EBB_API ebb_tensor *ebb_keep(ebb_tensor *t);

/* Give back a reference taken with ebb_keep(). Accepts NULL; returns NULL, so that `t = ebb_drop(t)` leaves nothing
 * dangling. */
EBB_API ebb_tensor *ebb_drop(ebb_tensor *t);

/* Release everything the calling thread owns: all its scopes, its error, its cached memory. For threads that end, and
 * for programs that want a clean leak report. Tensors kept with ebb_keep() stay. */
EBB_API void ebb_thread_release(void);

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

typedef struct ebb_memory_info {
    int64_t in_use;      /* bytes in live blocks, as requested */
    int64_t peak;        /* the most that in_use has been since ebb_memory_reset_peak(), to within what threads cache */
    int64_t cached;      /* bytes held for reuse */
    int64_t allocations; /* blocks handed out since start */
    int64_t live;        /* blocks not yet given back */
} ebb_memory_info;

/* Memory from the library's allocator, for structs that go with tensors: it is counted, cached and made to fail as the
 * library's own is. Aligned to 64 bytes from 1 KiB on, to 16 below. NULL and EBB_ERR_MEMORY on failure. */
EBB_API void *ebb_alloc(size_t bytes);
/* Give a block back; `bytes` as asked for. NULL is fine. */
EBB_API void ebb_free(void *block, size_t bytes);

/* What the allocator holds, over all threads. */
EBB_API ebb_memory_info ebb_memory(void);
EBB_API void ebb_memory_reset_peak(void);

/* Give cached memory back to the system; returns the bytes given back. */
EBB_API int64_t ebb_memory_trim(void);

/* For tests: let the n-th allocation from now on (1 = the next) and all after it fail, in all threads; 0 ends that.
 * Returns how many allocations were asked for since the last call. */
EBB_API int64_t ebb_memory_fail_after(int64_t n);

/* ---- Threads and random numbers ---------------------------------------------------------------------------------- */

/* Threads used inside one operation. Results are bitwise the same for any number. n < 1 means one per core. */
EBB_API void ebb_set_num_threads(int n);
EBB_API int ebb_num_threads(void);

/* Seed the thread's random generator (counter-based Philox 4x32-10, Salmon et al. 2011): the same seed gives the same
 * numbers on any machine and for any number of threads. The seed is 0 at start. torch.manual_seed. */
EBB_API void ebb_manual_seed(uint64_t seed);

typedef struct ebb_rng_state {
    uint64_t seed, offset;
} ebb_rng_state;

/* Save and restore the thread's generator. torch.get_rng_state, torch.set_rng_state. */
EBB_API ebb_rng_state ebb_get_rng_state(void);
EBB_API void ebb_set_rng_state(ebb_rng_state state);

#ifdef __cplusplus
}
#endif
#endif
