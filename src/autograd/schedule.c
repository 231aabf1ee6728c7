/* Schedules for chains. The recurrence is that of O. Beaumont, L. Eyraud-Dubois, J. Herrmann, A. Joly, A. Shilova,
 * "Optimal checkpointing for heterogeneous chains: how to train deep neural networks with limited memory", 2019,
 * without the memory of what is just being computed. For a chain of equal segments it is the binomial schedule of
 * A. Griewank and A. Walther, "Algorithm 799: revolve", 2000, extended by segments that are kept whole.
 *
 * The least cost of segments s … t with m bytes, besides their input, is that of the better way to begin:
 *     keep s:          cost(s) + C(s + 1, t, m - full(s))
 *     keep its input:  cost(s … r - 1) + C(r, t, m - output(r - 1)) + C(s, r - 1, m)      for some r in s + 1 … t
 * and of one segment cost(s), when m holds what it saves. Memory is counted in slots, of the sizes' common divisor
 * where the table allows; otherwise sizes are rounded, and of the table's schedules the best one whose exact peak fits
 * is taken. A chain longer than the table allows is cut into as many groups, and the parts of the sweep that span
 * several groups are solved again on their own. */
#include "autograd/schedule.h"
#include <math.h>

enum {
    GROUPS = 128,          /* of a chain of different segments: the table has GROUPS^2 / 2 rows */
    GROUPS_UNIFORM = 1000, /* of equal ones: a row for each length */
    SLOTS = 500,
    SLOTS_UNIFORM = 1000,
    DEEPEST = 2000 /* sweeps inside each other are calls inside each other */
};

/* What a table is made for: groups of segments, a budget. */
struct solver {
    const struct ebb__stage *stages;
    int64_t n;                    /* groups */
    bool uniform, refine;         /* refine: what spans several segments of a group is solved again on its own */
    int64_t *begin;               /* [n + 1] the first segment of each group */
    double *before;               /* [n + 1] the cost of all groups before */
    int64_t *full, *end, *output; /* [n] slots: of a group kept, of one kept as the last, of its result */
    int64_t slots;
    float *table; /* rows of slots + 1 costs */
    size_t block, table_bytes;
};

/* ---- sizes ---- */

static int64_t full_of(const struct ebb__stage *s) { return s->inner + s->output; }
static int64_t end_of(const struct ebb__stage *s) { return s->inner + (s->saves_output ? s->output : 0); }

/* Segments kept as the end of a sweep. */
static int64_t full_of_all(const struct ebb__stage *s, int64_t first, int64_t last) {
    int64_t bytes = 0;
    for (int64_t i = first; i <= last; i++) bytes += i < last ? full_of(&s[i]) : end_of(&s[i]);
    return bytes;
}

/* The same, followed by more. */
static int64_t kept_bytes(const struct ebb__stage *s, int64_t first, int64_t last) {
    return full_of_all(s, first, last) + full_of(&s[last]) - end_of(&s[last]);
}

int64_t ebb__schedule_least(const struct ebb__stage *s, int64_t n) {
    int64_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t bytes = (i ? s[i - 1].output : 0) + end_of(&s[i]);
        if (bytes > most) most = bytes;
    }
    return most;
}

static bool equal_stages(const struct ebb__stage *s, int64_t first, int64_t last) {
    for (int64_t i = first + 1; i <= last; i++)
        if (s[i].inner != s[first].inner || s[i].output != s[first].output || s[i].cost != s[first].cost ||
            s[i].saves_output != s[first].saves_output)
            return false;
    return true;
}

/* ---- schedules ---- */

static int64_t add_part(struct ebb__schedule *s, int64_t first, int64_t last) {
    void *parts = s->parts;
    if (!ebb__grow(&parts, &s->capacity, s->n + 1, sizeof *s->parts)) return -1;
    s->parts = parts;
    s->parts[s->n] = (struct ebb__part){first, last, -1, -1};
    return (int64_t)s->n++;
}

void ebb__schedule_end(struct ebb__schedule *s) {
    ebb__free(s->parts, s->capacity * sizeof *s->parts);
    *s = (struct ebb__schedule){0};
}

/* Put part `at` behind `last` in a sweep, which begins with *ret_head. */
static void append(struct ebb__schedule *s, int64_t *ret_head, int64_t *last, int64_t at) {
    if (*last < 0) *ret_head = at;
    else s->parts[*last].next = at;
    *last = at;
}

/* The exact peak and cost of the sweep that begins with part `at`: forward everything that is kept adds up; backward
 * each part gives back what it held, and one that is computed again needs what its own sweep does. */
static int64_t measure(const struct ebb__stage *stages, struct ebb__schedule *s, int64_t at, int64_t depth) {
    int64_t held = 0, most = 0;
    if (depth > s->depth) s->depth = depth;
    for (int64_t k = at; k >= 0; k = s->parts[k].next) {
        const struct ebb__part p = s->parts[k];
        for (int64_t i = p.first; i <= p.last; i++) s->cost += stages[i].cost;
        /* Inside runs with what the parts before it hold, when those behind it have been given back. */
        int64_t inside = p.inside < 0 ? 0 : held + measure(stages, s, p.inside, depth + 1);
        if (inside > most) most = inside;
        if (p.inside >= 0) held += stages[p.last].output;
        else held += p.next < 0 ? full_of_all(stages, p.first, p.last) : kept_bytes(stages, p.first, p.last);
    }
    return held > most ? held : most;
}

static void measure_all(const struct ebb__stage *stages, struct ebb__schedule *s) {
    s->cost = 0;
    s->depth = 0;
    s->peak = measure(stages, s, 0, 0);
}

ebb_status ebb__schedule_pieces(const struct ebb__stage *stages, int64_t n, int64_t size, struct ebb__schedule *s) {
    int64_t head = -1, end = -1;
    if (size < 1 || size > n) size = n;
    for (int64_t first = 0; first < n; first += size) {
        bool last = first + size >= n;
        int64_t at = add_part(s, first, last ? n - 1 : first + size - 1);
        int64_t inside = last || at < 0 ? at : add_part(s, first, first + size - 1);
        if (inside < 0) return ebb_error_status();
        if (!last) s->parts[at].inside = inside;
        append(s, &head, &end, at);
    }
    measure_all(stages, s);
    return EBB_OK;
}

/* The sweep over first … last that holds least: all but the last segment again and again. */
static int64_t least_sweep(struct ebb__schedule *s, int64_t first, int64_t last, int64_t depth) {
    bool whole = first == last || depth >= DEEPEST;
    int64_t at = add_part(s, first, whole ? last : last - 1);
    if (whole || at < 0) return at;
    int64_t inside = least_sweep(s, first, last - 1, depth + 1), end = inside < 0 ? -1 : add_part(s, last, last);
    if (end < 0) return -1;
    s->parts[at].inside = inside;
    s->parts[at].next = end;
    return at;
}

/* ---- the table ---- */

static float *row(const struct solver *v, int64_t s, int64_t t) {
    int64_t at = v->uniform ? t - s : s * v->n - s * (s - 1) / 2 + (t - s);
    return v->table + (size_t)at * (size_t)(v->slots + 1);
}

/* best[m] = min(best[m], cost + right[m - away] + left[m]), from slot `away` on. */
static void relax(float *restrict best, float cost, const float *restrict right, const float *restrict left,
                  int64_t away, int64_t slots) {
    for (int64_t m = away; m <= slots; m++) {
        float c = cost + right[m - away] + left[m];
        best[m] = c < best[m] ? c : best[m];
    }
}

static void fill_row(const struct solver *v, const float *zero, int64_t s, int64_t t) {
    float *best = row(v, s, t);
    for (int64_t m = 0; m <= v->slots; m++) best[m] = INFINITY;
    float cost = (float)(v->before[s + 1] - v->before[s]);
    if (s == t) {
        for (int64_t m = v->end[s]; m <= v->slots; m++) best[m] = cost;
        return;
    }
    relax(best, cost, row(v, s + 1, t), zero, v->full[s], v->slots);
    for (int64_t r = s + 1; r <= t; r++)
        relax(best, (float)(v->before[r] - v->before[s]), row(v, r, t), row(v, s, r - 1), v->output[r - 1], v->slots);
}

static ebb_status fill(struct solver *v) {
    size_t rows = (size_t)(v->uniform ? v->n : v->n * (v->n + 1) / 2), width = (size_t)v->slots + 1;
    v->table_bytes = (rows + 1) * width * sizeof *v->table;
    if (!(v->table = ebb__alloc(v->table_bytes))) return ebb_error_status();
    float *zero = v->table + rows * width;
    for (size_t m = 0; m < width; m++) zero[m] = 0;
    for (int64_t length = 1; length <= v->n; length++)
        for (int64_t s = 0; s + length <= v->n && (s == 0 || !v->uniform); s++) fill_row(v, zero, s, s + length - 1);
    return EBB_OK;
}

/* How the best schedule for s … t with m slots begins: where its next part begins, and whether s is kept. */
static int64_t first_step(const struct solver *v, int64_t s, int64_t t, int64_t m, bool *ret_keep) {
    float best = INFINITY;
    int64_t to = t + 1;
    *ret_keep = true;
    if (s == t) return to;
    if (m >= v->full[s]) {
        best = (float)(v->before[s + 1] - v->before[s]) + row(v, s + 1, t)[m - v->full[s]];
        to = s + 1;
    }
    for (int64_t r = s + 1; r <= t; r++) {
        if (m < v->output[r - 1]) continue;
        float c = (float)(v->before[r] - v->before[s]) + row(v, r, t)[m - v->output[r - 1]] + row(v, s, r - 1)[m];
        if (!(c < best)) continue;
        best = c;
        to = r;
        *ret_keep = false;
    }
    return to;
}

/* ---- from the table to a schedule ---- */

static ebb_status solve(const struct ebb__stage *stages, int64_t first, int64_t last, int64_t budget, int64_t depth,
                        struct ebb__schedule *s, int64_t *ret_head);

static double cost_of(const struct solver *v, struct ebb__schedule *s, int64_t head, int64_t *ret_peak) {
    s->cost = 0;
    *ret_peak = measure(v->stages, s, head, 0);
    return s->cost;
}

static ebb_status walk(const struct solver *v, int64_t g, int64_t t, int64_t m, int64_t bytes, int64_t depth,
                       struct ebb__schedule *s, int64_t *ret_head);

/* The sweep inside of a part, for groups g … t with m slots, which are `bytes` in fact: the table's, or a better one
 * for a finer division of the same segments. */
static ebb_status walk_inside(const struct solver *v, int64_t g, int64_t t, int64_t m, int64_t bytes, int64_t depth,
                              struct ebb__schedule *s, int64_t *ret_head) {
    int64_t first = v->begin[g], last = v->begin[t + 1] - 1, finer = -1, peak, finer_peak;
    ebb_status status = walk(v, g, t, m, bytes, depth, s, ret_head);
    if (status || !v->refine || last - first == t - g) return status;
    status = solve(v->stages, first, last, bytes, depth, s, &finer);
    if (status) return status;
    double cost = cost_of(v, s, *ret_head, &peak);
    if (cost_of(v, s, finer, &finer_peak) < cost && finer_peak <= bytes) *ret_head = finer;
    return EBB_OK;
}

/* The sweep for groups g … t. */
static ebb_status walk(const struct solver *v, int64_t g, int64_t t, int64_t m, int64_t bytes, int64_t depth,
                       struct ebb__schedule *s, int64_t *ret_head) {
    int64_t last = -1;
    bool kept_before = false;
    while (g <= t) {
        bool keep = true;
        int64_t to = depth < DEEPEST ? first_step(v, g, t, m, &keep) : t + 1;
        int64_t from = v->begin[g], until = v->begin[to] - 1;
        if (keep && kept_before) {
            s->parts[last].last = until;
        } else {
            int64_t at = add_part(s, from, until), inside = -1;
            if (at < 0) return ebb_error_status();
            append(s, ret_head, &last, at);
            if (!keep && walk_inside(v, g, to - 1, m, bytes, depth + 1, s, &inside)) return ebb_error_status();
            s->parts[at].inside = inside;
        }
        kept_before = keep;
        if (to > t) break;
        m -= keep ? v->full[g] : v->output[to - 1];
        bytes -= keep ? kept_bytes(v->stages, from, until) : v->stages[until].output;
        g = to;
    }
    return EBB_OK;
}

static int64_t divisor(int64_t a, int64_t b) {
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Groups of about equal numbers of segments, and their sizes in slots. `all`: bytes that hold everything. */
static ebb_status prepare(struct solver *v, int64_t first, int64_t last, int64_t budget, int64_t all) {
    int64_t span = last - first + 1, most = v->uniform ? GROUPS_UNIFORM : GROUPS, slot = 0;
    v->n = span < most ? span : most;
    if (v->n < span) v->uniform = false; /* groups may differ by a segment */
    if (!v->uniform && v->n > GROUPS) v->n = GROUPS;
    size_t n = (size_t)v->n;
    v->block = (5 * n + 2) * sizeof(int64_t);
    if (!(v->begin = ebb__alloc_zeroed(v->block))) return ebb_error_status();
    v->full = v->begin + n + 1;
    v->end = v->full + n;
    v->output = v->end + n;
    v->before = (double *)(v->output + n);
    double total = 0;
    for (int64_t i = first; i <= last; i++) total += v->stages[i].cost;
    for (int64_t g = 0; g <= v->n; g++) v->begin[g] = first + span * g / v->n;
    for (int64_t g = 0; g < v->n; g++) {
        int64_t end = v->begin[g + 1] - 1;
        double cost = 0;
        for (int64_t i = v->begin[g]; i <= end; i++) cost += v->stages[i].cost;
        v->before[g + 1] = v->before[g] + (total > 0 ? cost * (double)v->n / total : 1);
        v->end[g] = full_of_all(v->stages, v->begin[g], end);
        v->output[g] = v->stages[end].output;
        v->full[g] = kept_bytes(v->stages, v->begin[g], end);
        slot = divisor(divisor(slot, v->end[g]), divisor(v->output[g], v->full[g]));
    }
    if (budget > all) budget = all;
    int64_t allowed = v->uniform ? SLOTS_UNIFORM : SLOTS;
    if (slot < 1) slot = 1;
    bool exact = budget / slot <= allowed;
    if (!exact) slot = budget / allowed + 1;
    v->slots = budget / slot + (exact ? 0 : allowed / 10); /* rounded sizes may add up to more than there is */
    for (size_t i = 0; i < 3 * n; i++) v->full[i] = (v->full[i] + slot / 2) / slot;
    return fill(v);
}

/* Append the best sweep over first … last within the budget to s, found in a table for v's stages; *ret_found: whether
 * there is one for the stages as they are. */
static ebb_status solve_by(struct solver *v, const struct ebb__stage *stages, int64_t first, int64_t last,
                           int64_t budget, int64_t depth, struct ebb__schedule *s, int64_t *ret_head, bool *ret_found) {
    size_t before = s->n;
    ebb_status status = prepare(v, first, last, budget, full_of_all(v->stages, first, last));
    *ret_found = false;
    int64_t m = v->slots;
    for (; !status && m >= 0 && !*ret_found && row(v, 0, v->n - 1)[m] < INFINITY; m--) {
        s->n = before;
        *ret_head = -1;
        status = walk(v, 0, v->n - 1, m, budget, depth, s, ret_head);
        if (!status) *ret_found = measure(stages, s, *ret_head, 0) <= budget;
    }
    if (!status && *ret_found && v->n <= last - first && v->stages == stages) {
        v->refine = true; /* the same again, with a closer look at its parts */
        s->n = before;
        *ret_head = -1;
        status = walk(v, 0, v->n - 1, m + 1, budget, depth, s, ret_head);
    }
    if (!*ret_found) s->n = before;
    ebb__free(v->table, v->table_bytes);
    ebb__free(v->begin, v->block);
    return status;
}

/* The same for a budget that leaves no room for groups: as if every segment were as large as the largest. */
static ebb_status solve_equal(const struct ebb__stage *stages, int64_t first, int64_t last, int64_t budget,
                              int64_t depth, struct ebb__schedule *s, int64_t *ret_head, bool *ret_found) {
    size_t bytes = (size_t)(last + 1) * sizeof *stages;
    struct ebb__stage *equal = ebb__alloc(bytes), large = {0, 0, true, 1};
    if (!equal) return ebb_error_status();
    for (int64_t i = first; i <= last; i++) {
        if (stages[i].inner > large.inner) large.inner = stages[i].inner;
        if (stages[i].output > large.output) large.output = stages[i].output;
    }
    for (int64_t i = 0; i <= last; i++) equal[i] = large;
    struct solver v = {.stages = equal, .uniform = true};
    ebb_status status = solve_by(&v, stages, first, last, budget, depth, s, ret_head, ret_found);
    ebb__free(equal, bytes);
    return status;
}

/* Append the best sweep over first … last within the budget to s, or the one that holds least. */
static ebb_status solve(const struct ebb__stage *stages, int64_t first, int64_t last, int64_t budget, int64_t depth,
                        struct ebb__schedule *s, int64_t *ret_head) {
    struct solver v = {.stages = stages, .uniform = equal_stages(stages, first, last)};
    bool found = false, all = full_of_all(stages, first, last) <= budget;
    ebb_status status = EBB_OK;
    if (!all) status = solve_by(&v, stages, first, last, budget, depth, s, ret_head, &found);
    if (!all && !status && !found) status = solve_equal(stages, first, last, budget, depth, s, ret_head, &found);
    if (status || found) return status;
    *ret_head = all ? add_part(s, first, last) : least_sweep(s, first, last, depth);
    return *ret_head < 0 ? ebb_error_status() : EBB_OK;
}

ebb_status ebb__schedule_optimal(const struct ebb__stage *stages, int64_t n, int64_t budget, struct ebb__schedule *s) {
    int64_t head = -1, least = ebb__schedule_least(stages, n);
    ebb_status status = solve(stages, 0, n - 1, budget < least ? least : budget, 0, s, &head);
    if (!status) measure_all(stages, s);
    return status;
}
