/* Values of a memory budget: found by their storage, held and dropped. Which value is dropped is decided as in M.
 * Kirisame et al., "Dynamic tensor rematerialization", 2021: the one of the least cost over size and staleness, where
 * its cost is that of computing it and what has been dropped around it. */
#define _XOPEN_SOURCE 700
#include "autograd/budget.h"
#include "record/call.h"
#include <math.h>
#include <pthread.h>
#include <time.h>

static const char owner; /* of the notes on storages */

/* One lock for all budgets, since one storage may have values of several; recursive, since what is released while it is
 * held may be a graph with packed values. */
static pthread_mutex_t mutex;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_mutex(void) {
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&mutex, &recursive);
    pthread_mutexattr_destroy(&recursive);
}
void ebb__budget_lock(void) {
    (void)pthread_once(&once, make_mutex);
    pthread_mutex_lock(&mutex);
}
void ebb__budget_unlock(void) { pthread_mutex_unlock(&mutex); }

double ebb__budget_time(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- making and finding ---- */

static bool is_of(const struct ebb__value *v, const struct ebb__pool *p, const ebb_tensor *t) {
    ebb_dims shape = ebb_tensor_shape(t), strides = ebb_tensor_strides(t);
    return v->pool == p && v->data == t->data && v->version == ebb__data_version(t) && v->dtype == t->dtype &&
           ebb__dims_equal(&v->shape, &shape) && ebb__dims_equal(&v->strides, &strides);
}

struct ebb__value *ebb__value_find(struct ebb__pool *p, const ebb_tensor *t) {
    struct ebb__value *v = ebb__note_get(t->storage, &owner);
    while (v && !is_of(v, p, t)) v = v->note;
    return v;
}

static void forget(struct ebb__value *v) {
    if (!v->of) return;
    struct ebb__value *at = ebb__note_get(v->of, &owner);
    if (at == v) {
        ebb__note_replace(v->of, &owner, v, v->note);
    } else {
        while (at && at->note != v) at = at->note;
        if (at) at->note = v->note;
    }
    v->of = NULL;
    v->note = NULL;
}

struct ebb__value *ebb__value_new(struct ebb__pool *p, ebb_tensor *t) {
    struct ebb__value *v = ebb__alloc_zeroed(sizeof *v);
    if (!v) return NULL;
    const ebb_tensor *whole = t->base ? t->base : t;
    bool parameter = !whole->grad_fn && whole->flags & EBB__REQUIRES_GRAD, number = t->flags & EBB__NUMBER;
    v->refs = 1;
    v->pool = p;
    v->data = t->data;
    v->version = ebb__data_version(t);
    v->dtype = (ebb_dtype)t->dtype;
    v->shape = ebb_tensor_shape(t);
    v->strides = ebb_tensor_strides(t);
    v->bytes = t->storage->bytes;
    v->counts = !parameter && !number;
    p->refs++;
    if (number) return v; /* each by itself */
    v->note = ebb__note_get(t->storage, &owner);
    if (ebb__note_set(t->storage, &owner, v)) {
        v->note = NULL;
        ebb__value_unref(v);
        return NULL;
    }
    v->of = t->storage;
    return v;
}

struct ebb__value *ebb__value_root(struct ebb__value *v) {
    while (v->by && v->by->op->view && v->by->in[0].value) v = v->by->in[0].value;
    return v;
}

/* ---- holding ---- */

static void count(struct ebb__pool *p, int64_t bytes) {
    ebb_memory_budget_report *r = p->report;
    r->held += bytes;
    if (r->held > r->peak) r->peak = r->held;
    if (r->held - r->budget > r->over) r->over = r->held - r->budget;
}

ebb_status ebb__value_hold(struct ebb__value *v, ebb_tensor *like, bool first) {
    struct ebb__pool *p = v->pool;
    if (v->t) return EBB_OK;
    void *held = p->held;
    if (!ebb__grow(&held, &p->held_capacity, p->n_held + 1, sizeof *p->held)) return ebb_error_status();
    p->held = held;
    if (like->flags & EBB__NUMBER) {
        ebb__ref(v->t = like);
    } else {
        int64_t offset = first ? (v->data - like->data) / (ptrdiff_t)ebb__dtype_sizes[v->dtype] : 0;
        v->t = ebb__tensor_alias(like, v->shape.n, v->shape.d, first ? v->strides.d : ebb__strides(like), offset);
    }
    if (!v->t) return ebb_error_status();
    v->held_version = ebb__data_version(v->t);
    v->used = p->clock;
    if (!v->counts) return EBB_OK;
    v->at = p->n_held;
    p->held[p->n_held++] = v;
    count(p, (int64_t)v->bytes);
    return EBB_OK;
}

void ebb__value_drop(struct ebb__value *v) {
    struct ebb__pool *p = v->pool;
    ebb_tensor *t = v->t;
    if (!t) return;
    v->t = NULL;
    if (v->counts) {
        struct ebb__value *moved = p->held[--p->n_held];
        p->held[v->at] = moved;
        moved->at = v->at;
        count(p, -(int64_t)v->bytes);
    }
    ebb__unref(t);
}

/* ---- the end: values and recipes lead to each other in chains as long as the region ---- */

static void recipe_free(struct ebb__recipe *r, struct ebb__value **dying) {
    for (int64_t i = 0; i < r->n_in; i++) {
        struct ebb__use *u = &r->in[i];
        if (!u->value) continue;
        *u->link = u->next;
        if (u->next) u->next->link = u->link;
        if (--u->value->refs) continue;
        forget(u->value); /* its note is free now: the list of the dying */
        u->value->note = *dying;
        *dying = u->value;
    }
    ebb__free(r, r->bytes);
}

void ebb__value_unref(struct ebb__value *v) {
    struct ebb__value *dying = NULL;
    if (!v || --v->refs) return;
    forget(v);
    v->note = NULL;
    for (dying = v; (v = dying);) {
        dying = v->note;
        struct ebb__recipe *r = v->by;
        struct ebb__pool *p = v->pool;
        ebb__value_drop(v);
        if (r) r->out[v->nr] = NULL;
        ebb__free(v, sizeof *v);
        if (r && --r->refs == 0) recipe_free(r, &dying);
        ebb__pool_unref(p);
    }
}

void ebb__pool_unref(struct ebb__pool *p) {
    if (--p->refs) return;
    ebb__free(p->held, p->held_capacity * sizeof *p->held);
    ebb__free(p->values, p->value_capacity * sizeof *p->values);
    ebb__free(p->walk, p->walk_capacity * sizeof *p->walk);
    ebb__free(p, sizeof *p);
}

/* ---- what to drop ---- */

struct walk {
    struct ebb__pool *p;
    size_t n;
    double cost;
    uint32_t mark;
};

/* Meet a value that is not held; those that are, and those that cannot be computed, end the walk. */
static void meet(struct walk *w, struct ebb__value *v) {
    void *room = w->p->walk;
    if (!v || v->t || !v->by || v->mark == w->mark) return;
    v->mark = w->mark;
    w->cost += v->by->op->view ? 0 : v->by->cost;
    /* Without memory the walk is shorter, and the choice a little worse; that is no error. */
    uint64_t failures = ebb__thread.failures;
    bool failing = ebb__failing(), grown = ebb__grow(&room, &w->p->walk_capacity, w->n + 1, sizeof *w->p->walk);
    w->p->walk = room;
    if (grown) w->p->walk[w->n++] = v;
    else if (!failing) ebb_clear_error();
    ebb__thread.failures = failures;
}

static void meet_inputs(struct walk *w, struct ebb__value *v) {
    for (int64_t i = 0; v->by && i < v->by->n_in; i++)
        if (v->by->in[i].value) meet(w, ebb__value_root(v->by->in[i].value));
}

static void meet_users(struct walk *w, struct ebb__value *v) {
    for (const struct ebb__use *u = v->uses; u; u = u->next)
        for (int64_t k = 0; k < u->user->n_out; k++) meet(w, u->user->out[k]);
}

/* The cost of having v again, and what is dropped around it: what it is computed from, and what from it. One that
 * reaches the limit is not counted further. */
static double cost_around(struct ebb__value *v, double limit) {
    static uint32_t marks; /* guarded by the lock */
    struct walk w = {.p = v->pool, .cost = v->by->cost, .mark = ++marks};
    meet_inputs(&w, v);
    for (size_t i = 0; i < w.n && w.cost < limit; i++) meet_inputs(&w, w.p->walk[i]);
    w.n = 0;
    meet_users(&w, v);
    for (size_t i = 0; i < w.n && w.cost < limit; i++) meet_users(&w, w.p->walk[i]);
    return w.cost;
}

#define LEAST_SAMPLE 8

/* A step by which a walk round n places visits each once, and those of a short one lie far apart: near n divided by the
 * golden ratio, without a divisor in common with it. */
static size_t sample_step(size_t n) {
    for (size_t step = (size_t)((double)n * 0.618); step > 1; step--) {
        size_t a = n, b = step;
        while (b) {
            size_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1) return step;
    }
    return 1;
}

/* The least of a sample: of n values that are held the root of n, as in the paper, since to look at all costs more than
 * a better choice saves. Which ones follows from nothing but how many there are and how often one was chosen. */
static struct ebb__value *choose(struct ebb__pool *p) {
    struct ebb__value *best = NULL;
    double least = INFINITY;
    size_t n = p->n_held, at = n ? p->chosen++ % n : 0, looked = 0;
    const size_t step = sample_step(n), enough = LEAST_SAMPLE + (size_t)sqrt((double)n);
    for (size_t i = 0; i < n && looked < enough; i++, at = (at + step) % n) {
        struct ebb__value *v = p->held[at];
        if (v->locks || !v->by || !v->bytes) continue;
        double saved = (double)v->bytes * (p->clock - v->used + 1e-9), h = cost_around(v, least * saved) / saved;
        looked++;
        if (h < least || !best) {
            best = v;
            least = h;
        }
    }
    return best;
}

void ebb__budget_make_room(struct ebb__pool *p, int64_t room) {
    struct ebb__value *v;
    while (p->report->held + room > p->budget && (v = choose(p))) {
        p->report->dropped++;
        ebb__value_drop(v);
    }
}

/* ---- writing in place ---- */

/* What t's storage holds is about to be lost. A value that can be computed again is dropped; of another one a copy
 * takes its place, laid out as it was. */
ebb_status ebb__budget_write(ebb_tensor *t) {
    ebb_status status = EBB_OK;
    ebb__budget_lock();
    for (struct ebb__value *v; !status && (v = ebb__note_get(t->storage, &owner));) {
        v->refs++;
        forget(v);
        bool here = v->t && v->t->storage == t->storage;
        if (here && v->by) {
            ebb__value_drop(v);
        } else if (here && v->held_version == ebb__data_version(t)) {
            ebb_tensor *copy =
                ebb__is_dense(v->t) ? ebb__tensor_new_laid_out(v->t, v->dtype) : ebb__tensor_new_like(v->t, v->dtype);
            if (!copy || ebb__copy_into(copy, v->t)) status = ebb_error_status();
            ebb__value_drop(v);
            if (!status) v->counts = true;
            if (!status) status = ebb__value_hold(v, copy, false);
            ebb__unref(copy);
        }
        ebb__value_unref(v);
    }
    ebb__budget_unlock();
    return status;
}
