/* A memory budget for a region: hooks on saved tensors that stand for values, a watch that notes how values are
 * computed, and calling operators again. What is held and dropped: values.c. */
#include "autograd/budget.h"
#include "autograd/pass.h"
#include "record/call.h"
#include <string.h>

static const char *const budget = "memory_budget";

/* ---- how values are computed ---- */

/* Whether calling the operator again gives the same: it drew no random numbers, and wrote nothing. */
static bool is_exact(struct ebb__pool *p, const struct ebb_op *op, ebb_list in, ebb_list out) {
    ebb_rng_state rng = ebb__thread.rng;
    bool exact = rng.seed == p->rng.seed && rng.offset == p->rng.offset;
    p->rng = rng;
    if (op == &ebb__op_as_strided || op == &ebb__op_copy_slices) return false;
    for (int64_t i = 0; i < in.n && exact; i++) {
        if (!in.t[i]) continue;
        const char *writer = atomic_load_explicit(&in.t[i]->storage->writer, memory_order_relaxed);
        exact = !ebb__data_version(in.t[i]) || !writer || strcmp(writer, op->name) != 0;
        for (int64_t k = 0; k < out.n && exact; k++) exact = in.t[i] != out.t[k];
    }
    return exact;
}

/* A value that is needed as an input: known, or from outside, and then held. */
static ebb_status find_input(struct ebb__pool *p, ebb_tensor *t, struct ebb__use *use) {
    struct ebb__value *v = t->flags & EBB__NUMBER ? NULL : ebb__value_find(p, t);
    if (v) v->refs++;
    else if (!(v = ebb__value_new(p, t))) return ebb_error_status();
    else if (ebb__value_hold(v, t, true)) {
        ebb__value_unref(v);
        return ebb_error_status();
    }
    use->value = v;
    use->next = v->uses;
    use->link = &v->uses;
    if (v->uses) v->uses->link = &use->next;
    v->uses = use;
    return EBB_OK;
}

static void recipe_unref(struct ebb__recipe *r) {
    if (--r->refs) return;
    for (int64_t i = 0; i < r->n_in; i++) {
        struct ebb__use *u = &r->in[i];
        if (!u->value) continue;
        *u->link = u->next;
        if (u->next) u->next->link = u->link;
        ebb__value_unref(u->value);
    }
    ebb__free(r, r->bytes);
}

static struct ebb__recipe *recipe_new(struct ebb__pool *p, const ebb_node *n, ebb_list in, int64_t n_out, double cost) {
    const void *attrs = ebb__node_attrs(n);
    size_t inputs = (size_t)in.n * sizeof(struct ebb__use), outputs = (size_t)n_out * sizeof(struct ebb__value *);
    size_t at = (sizeof(struct ebb__recipe) + inputs + outputs + 15) / 16 * 16;
    size_t bytes = at + (attrs ? ebb__attrs_bytes(n->op, attrs) : 0);
    struct ebb__recipe *r = ebb__alloc_zeroed(bytes);
    if (!r) return NULL;
    r->refs = 1;
    r->op = n->op;
    r->file = n->file;
    r->line = n->line;
    r->cost = cost;
    r->n_in = in.n;
    r->n_out = n_out;
    r->out = (struct ebb__value **)(void *)(r->in + in.n);
    r->bytes = bytes;
    if (attrs) ebb__attrs_copy(n->op, attrs, r->attrs = (char *)r + at);
    for (int64_t i = 0; i < in.n; i++) {
        r->in[i].user = r;
        if (!in.t[i] || !find_input(p, in.t[i], &r->in[i])) continue;
        recipe_unref(r);
        return NULL;
    }
    return r;
}

static ebb_status remember(struct ebb__pool *p, struct ebb__value *v) {
    void *values = p->values;
    if (!ebb__grow(&values, &p->value_capacity, p->n_values + 1, sizeof *p->values)) return ebb_error_status();
    p->values = values;
    p->values[p->n_values++] = v;
    return EBB_OK;
}

/* The value of an output: already packed, or new, and then the region's until it is closed. */
static struct ebb__value *find_output(struct ebb__pool *p, ebb_tensor *t) {
    struct ebb__value *v = ebb__value_find(p, t);
    if (v || !(v = ebb__value_new(p, t))) return v;
    if (!remember(p, v)) return v;
    ebb__value_unref(v);
    return NULL;
}

static void note(ebb_node *n, ebb_list in, ebb_list out, void *context) {
    struct ebb__pool *p = context;
    ebb__budget_lock();
    double cost = ebb__budget_time() - p->last;
    p->clock += cost;
    struct ebb__recipe *r = is_exact(p, n->op, in, out) ? recipe_new(p, n, in, out.n, cost) : NULL;
    for (int64_t k = 0; k < out.n && r; k++) {
        struct ebb__value *v = find_output(p, out.t[k]);
        if (!v) break;
        if (v->by) continue;
        r->refs++;
        v->by = r;
        v->nr = (uint32_t)k;
        r->out[k] = v;
    }
    if (r) recipe_unref(r);
    ebb__budget_make_room(p, 0);
    p->last = ebb__budget_time();
    ebb__budget_unlock();
}

/* ---- computing again ---- */

static ebb_tensor *call_again(const struct ebb__recipe *r, ebb_tensor *const *in, uint32_t nr, ebb_tensor **ret_all) {
    struct ebb__thread *th = &ebb__thread;
    th->file = r->file;
    th->line = r->line;
    bool before = th->followed;
    th->followed = true;
    ebb_status status = EBB_OK;
    if (r->op->n_out == EBB_OUT_LIST) {
        ebb_list list = ebb_call_op_list(r->op, in, r->n_in, r->attrs);
        for (int64_t k = 0; k < list.n && k < r->n_out; k++) ret_all[k] = list.t[k];
    } else {
        status = ebb_call_op(r->op, in, r->n_in, r->attrs, ret_all);
    }
    th->followed = before;
    return status ? NULL : ret_all[nr];
}

static ebb_tensor *tensor_of(struct ebb__value *v);

/* The outputs of a recipe whose inputs are held; in the scope. */
static ebb_status run(const struct ebb__recipe *r, uint32_t nr, ebb_tensor **ret_out) {
    size_t bytes = (size_t)(r->n_in + 1) * sizeof(ebb_tensor *);
    ebb_tensor **in = ebb__alloc_zeroed(bytes);
    ebb_status status = in ? EBB_OK : ebb_error_status();
    for (int64_t i = 0; i < r->n_in && !status; i++)
        if (r->in[i].value && !(in[i] = tensor_of(r->in[i].value))) status = ebb_error_status();
    if (!status && !call_again(r, in, nr, ret_out)) status = ebb_error_status();
    ebb__free(in, bytes);
    return status;
}

/* The tensor of a value that is held, or of a view of one; borrowed, or in the scope. */
static ebb_tensor *tensor_of(struct ebb__value *v) {
    ebb_tensor *out = NULL;
    if (v->t || !v->by) return v->t;
    size_t bytes = (size_t)(v->by->n_out + EBB_OP_MAX_OUT) * sizeof out;
    ebb_tensor **all = ebb__alloc_zeroed(bytes);
    if (all && !run(v->by, v->nr, all)) out = all[v->nr];
    ebb__free(all, bytes);
    return out;
}

static ebb_status check_held(struct ebb__value *v) {
    char writer[EBB__WRITER_TEXT];
    if (!v->t || ebb__data_version(v->t) == v->held_version) return EBB_OK;
    if (v->by) return ebb__value_drop(v), EBB_OK;
    return ebb__fail_op(budget, EBB_ERR_VERSION,
                        "a tensor that was needed at version %u, to be computed with again, has been overwritten in "
                        "place since, %s",
                        v->held_version, ebb__writer_text(writer, v->t));
}

/* Call what computed v again, and hold v and those of its other outputs that are saved. */
static ebb_status compute(struct ebb__value *v) {
    struct ebb__pool *p = v->pool;
    struct ebb__recipe *r = v->by;
    size_t bytes = (size_t)(r->n_out + EBB_OP_MAX_OUT) * sizeof(ebb_tensor *);
    ebb_tensor **out = ebb__alloc_zeroed(bytes);
    if (!out) return ebb_error_status();
    ebb__budget_make_room(p, (int64_t)v->bytes);
    ebb_scope scope = ebb_scope_open();
    double start = ebb__budget_time();
    ebb_status status = run(r, v->nr, out);
    double cost = ebb__budget_time() - start;
    p->clock += cost;
    p->report->recomputed++;
    p->report->recomputing += cost;
    for (int64_t k = 0; k < r->n_out && !status; k++) {
        struct ebb__value *o = r->out[k];
        if (o && !o->t && (o == v || o->saves)) status = ebb__value_hold(o, out[k], false);
    }
    ebb_scope_close(&scope);
    ebb__free(out, bytes);
    return status;
}

/* A value that is being computed, with the inputs that it waits for; those are locked meanwhile. */
struct step {
    struct ebb__value *v;
    int64_t next;
};

struct steps {
    struct step *s;
    size_t n, capacity;
};

static ebb_status push(struct steps *steps, struct ebb__value *v) {
    void *s = steps->s;
    if (!ebb__grow(&s, &steps->capacity, steps->n + 1, sizeof *steps->s)) return ebb_error_status();
    steps->s = s;
    steps->s[steps->n++] = (struct step){v, 0};
    v->locks++;
    return EBB_OK;
}

/* What nobody has saved is there to compute with only. */
static void unlock(struct ebb__value *v) {
    if (--v->locks == 0 && !v->saves && v->by) ebb__value_drop(v);
}

static void pop(struct steps *steps) {
    const struct step *top = &steps->s[--steps->n];
    for (int64_t i = 0; i < top->next; i++)
        if (top->v->by->in[i].value) unlock(ebb__value_root(top->v->by->in[i].value));
}

/* Hold v: without recursion, since what it is computed from may have been dropped over the whole length of a chain. */
static ebb_status materialize(struct ebb__value *v) {
    struct steps steps = {0};
    ebb_status status = push(&steps, v);
    while (!status && steps.n) {
        struct step *top = &steps.s[steps.n - 1];
        if (top->next == 0 && (status = check_held(top->v))) break;
        top->v->used = v->pool->clock;
        if (top->v->t) {
            pop(&steps);
        } else if (!top->v->by) {
            status = ebb__fail_op(budget, EBB_ERR_GRAPH, "a tensor was dropped that cannot be computed again");
        } else if (top->next < top->v->by->n_in) {
            struct ebb__value *in = top->v->by->in[top->next++].value;
            if (in && (status = push(&steps, ebb__value_root(in)))) top->next--;
        } else {
            status = compute(top->v);
            if (!status) pop(&steps);
        }
    }
    while (steps.n) { /* failed: the one on top of an input is locked by both */
        pop(&steps);
    }
    ebb__free(steps.s, steps.capacity * sizeof *steps.s);
    return status;
}

/* ---- hooks ---- */

static void *pack(ebb_tensor *t, void *context) {
    struct ebb__pool *p = context;
    ebb__budget_lock();
    struct ebb__value *v = ebb__value_find(p, t);
    if (v) v->refs++;
    else v = ebb__value_new(p, t);
    struct ebb__value *root = v ? ebb__value_root(v) : NULL;
    if (root && root->t && root->t->storage != t->storage && root->by) ebb__value_drop(root);
    if (root && !root->t && root->counts) ebb__budget_make_room(p, (int64_t)root->bytes);
    if (root && ebb__value_hold(root, t, true)) {
        ebb__value_unref(v);
        v = NULL;
    }
    if (v) {
        root->used = p->clock;
        root->saves++;
    }
    ebb__budget_unlock();
    return v;
}

static ebb_tensor *unpack(void *packed, void *context) {
    struct ebb__value *v = packed, *root;
    (void)context;
    ebb__budget_lock();
    root = ebb__value_root(v);
    ebb_tensor *t = materialize(root) ? NULL : tensor_of(v);
    if (t == v->t && t) { /* held: it may be dropped at any time */
        ebb__ref(t);
        t = ebb__own(t);
    }
    unlock(root);
    ebb__budget_unlock();
    return t;
}

static void release(void *packed, void *context) {
    struct ebb__value *v = packed, *root;
    (void)context;
    ebb__budget_lock();
    root = ebb__value_root(v);
    if (--root->saves == 0 && !root->locks && root->by) ebb__value_drop(root);
    ebb__value_unref(v);
    ebb__budget_unlock();
}

static int64_t bytes_of(const void *packed, void *context) {
    const struct ebb__value *v = packed;
    (void)context;
    return v->t ? (int64_t)v->bytes : 0;
}

static void end(void *context) {
    ebb__budget_lock();
    ebb__pool_unref(context);
    ebb__budget_unlock();
}

/* ---- the region ---- */

ebb_saved_hooks_block(ebb_memory_budget_open)(int64_t bytes, ebb_memory_budget_report *report) {
    const ebb_saved_hooks_block none = {0, false};
    if (bytes < 0) {
        ebb__fail_op(budget, EBB_ERR_ARGUMENT, "a budget of %lld bytes", (long long)bytes);
        return none;
    }
    struct ebb__pool *p = ebb__alloc_zeroed(sizeof *p);
    if (!p) return none;
    p->refs = 1;
    p->budget = bytes;
    p->report = report ? report : &p->own;
    *p->report = (ebb_memory_budget_report){.budget = bytes};
    p->rng = ebb__thread.rng;
    p->last = ebb__budget_time();
    ebb_saved_hooks_block block = (ebb_saved_hooks_open)((ebb_saved_hooks){
        .pack = pack, .unpack = unpack, .release = release, .bytes = bytes_of, .context = p, .release_context = end});
    if (block.open) ebb_watch_open(&p->watch, note, p);
    return block;
}

/* Of the pool of a block that is still open in this thread. */
void ebb_memory_budget_close(ebb_saved_hooks_block *block) {
    const struct ebb__hooks *h = ebb__thread.saved_hooks;
    while (block && block->open && h && h->id != block->id) h = h->outer;
    struct ebb__pool *p = block && block->open && h ? h->call.context : NULL;
    ebb__budget_lock();
    if (p) ebb_watch_close(&p->watch);
    while (p && p->n_values) ebb__value_unref(p->values[--p->n_values]);
    ebb__budget_unlock();
    ebb_saved_hooks_close(block);
}
