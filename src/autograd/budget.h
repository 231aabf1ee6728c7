/* What a memory budget knows of a region: values, how each was computed, and which are held. */
#ifndef EBB_AUTOGRAD_BUDGET_H
#define EBB_AUTOGRAD_BUDGET_H

#include "record/saved.h"

struct ebb__recipe;

/* The value of a tensor at one time. */
struct ebb__value {
    int32_t refs, locks;
    int32_t saves;           /* packed values that stand for it, or for a view of it */
    bool counts;             /* holding it counts: it is no parameter and no number */
    struct ebb__pool *pool;  /* a reference */
    struct ebb__value *note; /* the next one of the same storage */
    struct ebb__storage *of; /* the storage that it was first seen in; not a reference, NULL when that is another's */
    const char *data;
    uint32_t version, mark; /* mark: of the last walk that met it */
    ebb_dtype dtype;
    ebb_dims shape, strides;
    ebb_tensor *t;          /* a reference while it is held; never of a view that was computed */
    uint32_t held_version;  /* of t's storage */
    size_t bytes, at;       /* at: its place among those held */
    double used;            /* when it was last needed, on the pool's clock */
    struct ebb__recipe *by; /* a reference; NULL: cannot be computed, or not again */
    uint32_t nr;            /* which of its outputs */
    struct ebb__use *uses;  /* by recipes */
};

/* One input of a recipe. */
struct ebb__use {
    struct ebb__value *value; /* a reference; NULL: not given */
    struct ebb__recipe *user;
    struct ebb__use *next, **link; /* among the uses of the value */
};

/* How values were computed. */
struct ebb__recipe {
    int32_t refs;
    const struct ebb_op *op;
    const char *file;
    int line;
    double cost; /* seconds */
    int64_t n_out, n_in;
    struct ebb__value **out; /* [n_out] not references; NULL when gone */
    void *attrs;
    size_t bytes; /* of the block */
    struct ebb__use in[];
};

struct ebb__pool {
    int32_t refs;
    int64_t budget;
    ebb_memory_budget_report *report; /* the caller's, or own */
    ebb_memory_budget_report own;
    struct ebb__value **held; /* not references */
    size_t n_held, held_capacity;
    size_t chosen;              /* how often one was chosen to be dropped */
    struct ebb__value **values; /* references, while the region is open */
    size_t n_values, value_capacity;
    struct ebb__value **walk; /* room for walks */
    size_t walk_capacity;
    double clock; /* seconds of computing so far */
    struct ebb_watch watch;
    ebb_rng_state rng; /* when the last node was recorded */
    double last;
    uint64_t id; /* of the block of hooks */
};

/* values.c: making, finding, holding, dropping; to be called with the lock held. */
void ebb__budget_lock(void);
void ebb__budget_unlock(void);

struct ebb__value *ebb__value_find(struct ebb__pool *p, const ebb_tensor *t);
/* A new one for t, found from now on, with a reference; NULL when out of memory. */
struct ebb__value *ebb__value_new(struct ebb__pool *p, ebb_tensor *t);
void ebb__value_unref(struct ebb__value *v);
/* What a view is a view of, as far as that is known; the value itself of others. */
struct ebb__value *ebb__value_root(struct ebb__value *v);
/* Hold its tensor: `like` itself, computed again, or, when it is the `first` one, what lies over like's storage, of
 * which like may be a view. New references are taken. */
ebb_status ebb__value_hold(struct ebb__value *v, ebb_tensor *like, bool first);
void ebb__value_drop(struct ebb__value *v);
void ebb__pool_unref(struct ebb__pool *p);

/* Drop what is cheapest to have again until `room` bytes more fit; what is missing then is noted in the report. */
void ebb__budget_make_room(struct ebb__pool *p, int64_t room);

double ebb__budget_time(void);

#endif
