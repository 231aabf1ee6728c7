/* Reference cycles: who owns whom, followed from tensors to tensors, and the strongly connected parts of that. */
#include "base/out.h"
#include "record/call.h"
#include "record/hooks.h"
#include "record/saved.h"
#include "record/tangent.h"
#include "record/trace.h"
#include <ebb/debug.h>
#include <string.h>

/* ---- who owns whom ---- */

/* A tensor as its handles see it, as a node that saved it does (which keeps its data, and of its history what cannot
 * lead back), a node, or a block that may refer to tensors. */
enum kind { TENSOR, HELD, NODE, BLOCK };

enum owning { GRAD, GRAD_FN, TANGENT, BASE, INPUT, SAVED, HOOK, PACKED, WORD };

struct edge {
    uint32_t from, to;
    enum owning how;
    uint32_t index; /* of the input, the saved tensor, the word */
};

struct graph {
    struct ebb__pointers things, traced; /* things: addresses, with the kind in their lowest bits */
    uint32_t *first;                     /* [things.n + 1] the first edge of each */
    size_t first_capacity;
    struct edge *edges;
    size_t n, capacity;
    uint32_t at; /* the thing whose edges are being looked for */
};

static const char *key(const void *p, enum kind kind) { return (const char *)p + (int)kind; }
static enum kind kind_of(const struct graph *g, size_t i) { return (enum kind)((uintptr_t)g->things.list[i] & 3); }
static const void *thing(const struct graph *g, size_t i) { return (const char *)g->things.list[i] - kind_of(g, i); }

/* An edge from the thing being looked at to p, if there is one. */
static bool own(struct graph *g, const void *p, enum kind kind, enum owning how, size_t index) {
    bool first;
    if (!p) return true;
    if (kind == NODE && ((const ebb_node *)p)->flags & EBB__NODE_LEAF) {
        p = ebb__leaf_tensor(p);
        kind = TENSOR;
    }
    size_t to = ebb__pointers_add(&g->things, key(p, kind), &first);
    if (to == SIZE_MAX || !ebb__grow((void **)&g->edges, &g->capacity, g->n + 1, sizeof *g->edges)) return false;
    g->edges[g->n++] = (struct edge){g->at, (uint32_t)to, how, (uint32_t)index};
    return true;
}

/* A pointer of the user's: to a tensor, to a block that is known, or to what nobody knows. */
static bool own_unknown(struct graph *g, const void *p, enum owning how, size_t index) {
    size_t bytes;
    if (ebb__pointers_find(&g->traced, p) != SIZE_MAX) return own(g, p, TENSOR, how, index);
    return own(g, ebb__traced_block(p, &bytes), BLOCK, how, index);
}

static bool own_hooks(struct graph *g, const ebb_node *n) {
    bool ok = true;
    for (size_t i = 0; n->extra && i < n->extra->n_hooks && ok; i++) {
        const struct ebb__hook *h = n->extra->hooks[i];
        ok = own_unknown(g, h->multi ? h->multi->context : h->context, HOOK, i);
    }
    return ok;
}

static bool of_tensor(struct graph *g, const ebb_tensor *t, bool held) {
    const struct ebb__autograd *a = t->autograd;
    bool ok = held && ebb__version(t) ? true : own(g, t->grad_fn, NODE, GRAD_FN, 0);
    ok = ok && own(g, t->base, TENSOR, BASE, 0);
    if (!a) return ok;
    if (!held) ok = ok && own(g, a->grad, TENSOR, GRAD, 0);
    for (const struct ebb__tangent *d = a->tangents; d && ok; d = d->next) ok = own(g, d->value, TENSOR, TANGENT, 0);
    return ok && own_hooks(g, &a->leaf);
}

static bool of_node(struct graph *g, const ebb_node *n) {
    const struct ebb__saved *s = ebb__node_saved(n);
    bool ok = own_hooks(g, n);
    for (uint32_t i = 0; i < n->n_in && ok; i++) ok = own(g, ebb__node_edges(n)[i].node, NODE, INPUT, i);
    if (n->flags & EBB__NODE_RELEASED) return ok;
    for (uint32_t k = 0; k < n->n_saved && ok; k++) {
        const struct ebb__packed *p = ebb__packed_of(n, k);
        if (p) ok = own_unknown(g, p->value, PACKED, k);
        else ok = own(g, s[k].t, HELD, SAVED, k);
    }
    return ok;
}

static bool of_block(struct graph *g, const void *block) {
    size_t bytes;
    bool ok = true;
    const void *const *word = ebb__traced_block(block, &bytes);
    for (size_t i = 0; i < bytes / sizeof *word && ok; i++)
        if (ebb__pointers_find(&g->traced, word[i]) != SIZE_MAX) ok = own(g, word[i], TENSOR, WORD, i);
    return ok;
}

/* All that is reached from the things there are; they are at once the queue of the search. */
static bool explore(struct graph *g) {
    bool ok = true;
    for (size_t at = 0; at < g->things.n && ok; at++) {
        if (!ebb__grow((void **)&g->first, &g->first_capacity, at + 2, sizeof *g->first)) return false;
        g->at = (uint32_t)at;
        g->first[at] = (uint32_t)g->n;
        const void *p = thing(g, at);
        enum kind kind = kind_of(g, at);
        ok = kind == NODE ? of_node(g, p) : kind == BLOCK ? of_block(g, p) : of_tensor(g, p, kind == HELD);
        g->first[at + 1] = (uint32_t)g->n;
    }
    return ok;
}

/* ---- strongly connected parts: Tarjan 1972, with a stack of its own ---- */

struct visit {
    uint32_t index, low; /* index 0: not visited */
    uint32_t part;       /* 0: not known yet */
    uint32_t edge;       /* the next to follow */
    uint32_t from;       /* the way of the search: thing + 1 */
};

static uint32_t parts(const struct graph *g, struct visit *v, uint32_t *stack) {
    uint32_t n_parts = 0, index = 0;
    size_t depth = 0;
    for (uint32_t root = 0; root < g->things.n; root++) {
        if (v[root].index) continue;
        uint32_t at = root;
        v[root].from = 0;
        for (;;) {
            if (!v[at].index) {
                v[at].index = v[at].low = ++index;
                v[at].edge = g->first[at];
                stack[depth++] = at;
            }
            if (v[at].edge < g->first[at + 1]) {
                uint32_t to = g->edges[v[at].edge++].to;
                if (!v[to].index) {
                    v[to].from = at + 1;
                    at = to;
                } else if (!v[to].part && v[to].index < v[at].low) {
                    v[at].low = v[to].index;
                }
                continue;
            }
            if (v[at].low == v[at].index) {
                n_parts++;
                do v[stack[--depth]].part = n_parts;
                while (stack[depth] != at);
            }
            if (!v[at].from) break;
            uint32_t up = v[at].from - 1;
            if (v[at].low < v[up].low) v[up].low = v[at].low;
            at = up;
        }
    }
    return n_parts;
}

/* ---- telling ---- */

static void put_place(struct ebb__out *out, const char *before, const char *file, int line) {
    const char *slash = file ? strrchr(file, '/') : NULL;
    if (file && file[0]) ebb__out_print(out, "%s%s:%d", before, slash ? slash + 1 : file, line);
}

static void put_thing(struct ebb__out *out, const struct graph *g, uint32_t at) {
    const void *p = thing(g, at);
    char shape[EBB__SHAPE_TEXT];
    size_t bytes;
    if (kind_of(g, at) == NODE) {
        const ebb_node *n = p;
        ebb__out_put(out, n->name);
        put_place(out, ", recorded at ", n->file, n->line);
    } else if (kind_of(g, at) == BLOCK) {
        (void)ebb__traced_block(p, &bytes);
        ebb__out_print(out, "a block of %zu bytes", bytes);
    } else {
        const ebb_tensor *t = p;
        const struct ebb__autograd *a = t->autograd;
        const char *name = ebb_tensor_name(t), *quote = name[0] ? "\"" : "";
        ebb__out_print(out, "%s%s%s%s%s %s", quote, name, quote, name[0] ? " " : "",
                       ebb_dtype_name((ebb_dtype)t->dtype), ebb__shape_text(shape, t->ndim, t->dims));
        if (a && a->trace) put_place(out, ", made at ", a->trace->file, a->trace->line);
    }
}

/* "  saved other -> float64 [3], made at model.c:12" */
static void put_step(struct ebb__out *out, const struct graph *g, const struct edge *e) {
    static const char *const words[] = {
        [GRAD] = ".grad",  [GRAD_FN] = ".grad_fn",      [TANGENT] = "tangent", [BASE] = "base",     [INPUT] = "input",
        [SAVED] = "saved", [HOOK] = "a hook's context", [PACKED] = "packed",   [WORD] = "refers to"};
    const ebb_node *n = kind_of(g, e->from) == NODE ? thing(g, e->from) : NULL;
    const char *name = NULL;
    if (e->how == INPUT) name = n->op->in[ebb__op_input(n->op, n->n_in, e->index)].name;
    if (e->how == SAVED || e->how == PACKED) {
        const struct ebb__saved *s = &ebb__node_saved(n)[e->index];
        if (ebb__saved_kind(s) == EBB__SAVED_OUT) name = "result";
        else name = n->op->in[ebb__op_input(n->op, n->n_in, ebb__saved_index(s))].name;
    }
    ebb__out_print(out, "  %s%s%s -> ", words[e->how], name ? " " : "", name ? name : "");
    put_thing(out, g, e->to);
    ebb__out_put(out, "\n");
}

/* What a search knows of the things, and of the parts they are in. */
struct search {
    struct visit *visit;
    struct part {
        uint32_t start, things; /* start: where to tell it from */
        bool cyclic;
        int rank; /* how good a start that is */
        int64_t tensors, bytes;
    } * part;
    uint32_t *stack, *by, *way; /* by: the edge that reached a thing */
};

#define STEPS_SHOWN 16

/* The edges of a shortest way from `start` back to it, inside its part. */
static size_t shortest(const struct graph *g, struct search *s, uint32_t start) {
    size_t n = 0, head = 0, steps = 0;
    s->stack[n++] = start;
    while (s->by[start] == UINT32_MAX) { /* there is a way: the part has several things, or an edge to itself */
        uint32_t at = s->stack[head++];
        for (uint32_t e = g->first[at]; e < g->first[at + 1]; e++) {
            uint32_t to = g->edges[e].to;
            if (s->visit[to].part != s->visit[start].part || s->by[to] != UINT32_MAX) continue;
            s->by[to] = e;
            if (to != start) s->stack[n++] = to;
        }
    }
    uint32_t at = start;
    do {
        s->way[steps++] = s->by[at];
        at = g->edges[s->by[at]].from;
    } while (at != start);
    for (size_t i = 0; i < steps / 2; i++) {
        uint32_t e = s->way[i];
        s->way[i] = s->way[steps - 1 - i];
        s->way[steps - 1 - i] = e;
    }
    return steps;
}

static void put_part(struct ebb__out *out, const struct graph *g, struct search *s, const struct part *part) {
    static const char *const ends[] = {
        [GRAD] = "ebb_set_grad() with NULL ends it; ebb_grad() gives the gradient without making one",
        [TANGENT] = "closing the level of forward mode ends it",
        [HOOK] = "removing the hook ends it; a context that has no reference to what the hook is on makes none",
        [PACKED] = "a pack hook that keeps a copy, not what leads back to the graph, makes none",
        [WORD] = NULL};
    char bytes[EBB__BYTES_TEXT];
    size_t steps = shortest(g, s, part->start);
    ebb__out_print(out, "reference cycle: %lld tensor%s, %s, kept alive by themselves\n  ", (long long)part->tensors,
                   part->tensors == 1 ? "" : "s", ebb__bytes_text(bytes, part->bytes));
    put_thing(out, g, part->start);
    ebb__out_put(out, "\n");
    for (size_t i = 0; i < steps; i++) {
        if (i == STEPS_SHOWN && steps > STEPS_SHOWN + 4) {
            ebb__out_print(out, "  ... %zu more ...\n", steps - STEPS_SHOWN - 4);
            i = steps - 4;
        }
        put_step(out, g, &g->edges[s->way[i]]);
    }
    for (size_t i = 0; i < steps; i++) {
        const char *end = ends[g->edges[s->way[i]].how];
        if (!end) continue;
        ebb__out_print(out, "  %s\n", end);
        break;
    }
}

/* A tensor is best told from, and of tensors one whose gradient leads on. */
static int rank(const struct graph *g, const struct visit *v, uint32_t at) {
    if (kind_of(g, at) != TENSOR) return 1;
    for (uint32_t e = g->first[at]; e < g->first[at + 1]; e++)
        if (g->edges[e].how == GRAD && v[g->edges[e].to].part == v[at].part) return 3;
    return 2;
}

static bool measure(const struct graph *g, struct search *s) {
    struct ebb__pointers counted = {0};
    bool ok = true;
    for (uint32_t at = 0; at < g->things.n && ok; at++) {
        struct part *part = &s->part[s->visit[at].part];
        int r = rank(g, s->visit, at);
        if (r > part->rank) {
            part->rank = r;
            part->start = at;
        }
        part->cyclic = part->cyclic || ++part->things > 1;
        for (uint32_t e = g->first[at]; e < g->first[at + 1]; e++) part->cyclic = part->cyclic || g->edges[e].to == at;
        if (kind_of(g, at) != TENSOR && kind_of(g, at) != HELD) continue;
        const ebb_tensor *t = thing(g, at);
        bool first = false;
        part->tensors += kind_of(g, at) == TENSOR;
        if (t->storage) ok = ebb__pointers_add(&counted, t->storage, &first) != SIZE_MAX;
        if (first) part->bytes += (int64_t)t->storage->bytes;
    }
    ebb__pointers_end(&counted);
    return ok;
}

static bool tell(const struct graph *g, struct ebb__out *out, int64_t *ret_n) {
    size_t n = g->things.n, each = sizeof(struct visit) + sizeof(struct part) + 3 * sizeof(uint32_t);
    char *room = ebb__alloc_zeroed((n + 1) * each);
    if (!room) return false;
    struct search s = {.part = (struct part *)(void *)room};
    s.visit = (struct visit *)(void *)(s.part + n + 1);
    s.stack = (uint32_t *)(s.visit + n + 1);
    s.by = s.stack + n + 1;
    s.way = s.by + n + 1;
    for (size_t i = 0; i < n; i++) s.by[i] = UINT32_MAX;
    uint32_t n_parts = parts(g, s.visit, s.stack);
    bool ok = measure(g, &s);
    for (uint32_t i = n_parts; i > 0 && ok; i--) { /* (parts are numbered from the end of the search) */
        if (!s.part[i].cyclic) continue;
        ++*ret_n;
        if (out->file) put_part(out, g, &s, &s.part[i]);
    }
    ebb__free(room, (n + 1) * each);
    return ok;
}

/* ---- all of it ---- */

/* Where to begin: at the tensors given, or at all that are noted and that somebody has. */
static bool begin(struct graph *g, ebb_list tensors) {
    bool ok = true, first;
    for (int64_t i = 0; i < tensors.n && ok; i++) {
        if (!tensors.t[i]) continue;
        ok = ebb__pointers_add(&g->traced, tensors.t[i], &first) != SIZE_MAX &&
             ebb__pointers_add(&g->things, key(tensors.t[i], TENSOR), &first) != SIZE_MAX;
    }
    for (const struct ebb__trace *a = ebb__traces_first(); a && ok; a = a->next) {
        bool has_handle = (uint32_t)atomic_load_explicit(&a->t->refs, memory_order_relaxed) != 0;
        ok = ebb__pointers_add(&g->traced, a->t, &first) != SIZE_MAX;
        if (ok && tensors.n == 0 && has_handle)
            ok = ebb__pointers_add(&g->things, key(a->t, TENSOR), &first) != SIZE_MAX;
    }
    return ok;
}

ebb_status(ebb_print_cycles)(ebb_list tensors, FILE *to, int64_t *ret_n) {
    struct graph g = {.n = 0};
    struct ebb__out out = {.file = to};
    int64_t n = 0;
    if (tensors.n && !tensors.t) return ebb__fail_null("print_cycles", "tensors");
    ebb__traces_lock();
    bool ok = begin(&g, tensors) && explore(&g) && tell(&g, &out, &n);
    ebb__traces_unlock();
    ebb__pointers_end(&g.things);
    ebb__pointers_end(&g.traced);
    ebb__free(g.first, g.first_capacity * sizeof *g.first);
    ebb__free(g.edges, g.capacity * sizeof *g.edges);
    ebb_status status = ok ? ebb__out_end(&out, "print_cycles") : ebb_error_status();
    if (!status && ret_n) *ret_n = n;
    return status;
}
