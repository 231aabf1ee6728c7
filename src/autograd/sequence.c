/* Chains of segments: measured, planned (schedule.c), and run as nested checkpoints. */
#include "autograd/schedule.h"
#include "autograd/transforms.h"
#include "record/saved.h"
#include <string.h>
#include <time.h>

struct ebb_sequence {
    _Atomic int32_t refs;
    int64_t n, budget;
    ebb_schedule kind;
    bool planned;
    struct ebb__schedule schedule;
    struct part *parts; /* [schedule.n] contexts of checkpoints */
    ebb_sequence_plan promise;
    ebb_segment segments[];
};

/* A part of the schedule that is computed again. */
struct part {
    ebb_sequence *sequence;
    int64_t inside;
};

/* ---- what lies between two segments: held here, so that a scope round the whole chain does not keep it ---- */

static void hold(const ebb_outputs *t) {
    for (int64_t k = 0; k < t->n; k++) ebb__ref(t->t[k]);
}

static void drop(const ebb_outputs *t) {
    for (int64_t k = 0; k < t->n; k++) ebb__unref(t->t[k]);
}

/* Close the scope of a step: its results, held, take the place of what it started from. */
static ebb_status end_step(ebb_scope *scope, ebb_status status, const ebb_outputs *out, ebb_outputs *inout) {
    ebb_outputs none = {0};
    if (status) out = &none;
    hold(out);
    ebb_scope_close(scope);
    drop(inout);
    *inout = *out;
    return status;
}

/* ---- measuring ---- */

/* What a segment saves: the memory of each storage once. */
struct meter {
    const struct ebb__storage **seen;
    size_t n, capacity;
    ebb_list inputs;
};

static void *weigh(ebb_tensor *t, void *context) {
    struct meter *m = context;
    void *seen = m->seen;
    const ebb_tensor *whole = t->base ? t->base : t;
    bool counts = whole->grad_fn || !(whole->flags & EBB__REQUIRES_GRAD); /* parameters are there anyway */
    for (int64_t i = 0; i < m->inputs.n && counts; i++) counts = t->storage != m->inputs.t[i]->storage;
    for (size_t i = 0; i < m->n && counts; i++) counts = t->storage != m->seen[i];
    if (counts) {
        if (!ebb__grow(&seen, &m->capacity, m->n + 1, sizeof *m->seen)) return NULL;
        m->seen = seen;
        m->seen[m->n++] = t->storage;
    }
    ebb__ref(t); /* so that no other storage takes its place */
    return t;
}
static ebb_tensor *weighed(void *packed, void *context) {
    (void)context;
    return packed;
}
static void unweigh(void *packed, void *context) {
    (void)context;
    ebb__unref(packed);
}

/* The results of a segment, and what of them it saves itself. */
static void read_meter(const struct meter *m, const ebb_outputs *out, ebb_segment *s) {
    s->saved = 0;
    s->output = 0;
    s->saves_output = false;
    for (size_t i = 0; i < m->n; i++) s->saved += (int64_t)m->seen[i]->bytes;
    for (int64_t k = 0; k < out->n; k++) {
        s->output += (int64_t)out->t[k]->storage->bytes;
        for (size_t i = 0; i < m->n; i++) {
            if (m->seen[i] != out->t[k]->storage) continue;
            s->saved -= (int64_t)m->seen[i]->bytes;
            s->saves_output = true;
        }
    }
    if (s->output == 0) s->output = 1; /* no results of any size: measured all the same */
}

static double now(void) {
    struct timespec t;
    (void)timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The results become leaves of their own, which the next segment is measured with. */
static ebb_status cut_off(ebb_outputs *out) {
    for (int64_t k = 0; k < out->n; k++) {
        bool wanted = ebb__requires_grad(out->t[k]) && ebb__is_floating(out->t[k]->dtype);
        ebb_tensor *leaf = ebb__own(ebb__alias_with_history(out->t[k], NULL, 0));
        if (!leaf) return ebb_error_status();
        if (wanted) leaf->flags |= EBB__REQUIRES_GRAD;
        out->t[k] = leaf;
    }
    return EBB_OK;
}

static ebb_status measure_segment(ebb_segment *s, ebb_outputs *inout) {
    struct meter m = {.inputs = {inout->n, inout->t}};
    ebb_outputs out = {0};
    ebb_scope scope = ebb_scope_open();
    ebb_saved_hooks_block block =
        (ebb_saved_hooks_open)((ebb_saved_hooks){.pack = weigh, .unpack = weighed, .release = unweigh, .context = &m});
    ebb_status status = block.open ? EBB_OK : ebb_error_status();
    double start = now();
    if (!status) status = ebb__function_call("sequence_run", s->function, s->context, m.inputs, &out);
    double cost = now() - start;
    ebb_saved_hooks_close(&block);
    if (!status) {
        read_meter(&m, &out, s);
        s->cost = cost > 0 ? cost : 1e-9;
        status = cut_off(&out);
    }
    ebb__free(m.seen, m.capacity * sizeof *m.seen);
    return end_step(&scope, status, &out, inout);
}

/* Equal segments cost the same; what a clock says of them differs all the same, and would hide that they are equal. */
static void even_out(ebb_sequence *q) {
    double total = 0;
    for (int64_t i = 0; i < q->n; i++) {
        const ebb_segment *s = &q->segments[i];
        if (s->saved != q->segments[0].saved || s->output != q->segments[0].output ||
            s->saves_output != q->segments[0].saves_output || s->function != q->segments[0].function)
            return;
        total += s->cost;
    }
    for (int64_t i = 0; i < q->n; i++) q->segments[i].cost = total / (double)q->n;
}

static ebb_status measure(ebb_sequence *q, ebb_list inputs) {
    struct ebb__thread *th = &ebb__thread;
    ebb_rng_state rng = th->rng;
    struct ebb__level *levels = th->levels;
    ebb_outputs between = {.n = inputs.n};
    ebb_scope scope = ebb_scope_open();
    th->levels = NULL;
    for (int64_t i = 0; i < inputs.n; i++) between.t[i] = inputs.t[i];
    ebb_status status = cut_off(&between);
    hold(&between);
    for (int64_t i = 0; i < q->n && !status; i++) status = measure_segment(&q->segments[i], &between);
    drop(&between);
    ebb_scope_close(&scope);
    th->levels = levels;
    th->rng = rng;
    if (!status) even_out(q);
    return status;
}

/* ---- planning ---- */

static ebb_status make_schedule(ebb_sequence *q, const struct ebb__stage *stages) {
    int64_t root = 1;
    while (root * root < q->n) root++;
    if (q->kind == EBB_SCHEDULE_OPTIMAL) return ebb__schedule_optimal(stages, q->n, q->budget, &q->schedule);
    return ebb__schedule_pieces(stages, q->n, q->kind == EBB_SCHEDULE_SQRT ? root : q->kind == EBB_SCHEDULE_EACH,
                                &q->schedule);
}

static ebb_status plan(ebb_sequence *q) {
    size_t bytes = (size_t)q->n * sizeof(struct ebb__stage);
    struct ebb__stage *stages = ebb__alloc(bytes);
    if (!stages) return ebb_error_status();
    struct ebb__schedule whole = {0};
    for (int64_t i = 0; i < q->n; i++) {
        const ebb_segment *s = &q->segments[i];
        stages[i] = (struct ebb__stage){s->saved, s->output, s->saves_output, s->cost};
    }
    ebb_status status = ebb__schedule_pieces(stages, q->n, 0, &whole);
    if (!status) status = make_schedule(q, stages);
    if (!status && !(q->parts = ebb__alloc(q->schedule.n * sizeof *q->parts))) status = ebb_error_status();
    for (size_t i = 0; i < q->schedule.n && !status; i++) q->parts[i] = (struct part){q, q->schedule.parts[i].inside};
    if (!status) {
        int64_t peak = q->schedule.peak;
        q->promise = (ebb_sequence_plan){.peak = peak,
                                         .over = peak > q->budget ? peak - q->budget : 0,
                                         .least = ebb__schedule_least(stages, q->n),
                                         .whole = whole.peak,
                                         .cost = whole.cost > 0 ? q->schedule.cost / whole.cost : 1,
                                         .depth = q->schedule.depth};
        q->planned = true;
    } else {
        ebb__schedule_end(&q->schedule);
    }
    ebb__schedule_end(&whole);
    ebb__free(stages, bytes);
    return status;
}

/* ---- the object ---- */

static void unref(ebb_sequence *q) {
    if (atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) != 1) return;
    ebb__free(q->parts, q->parts ? q->schedule.n * sizeof *q->parts : 0);
    ebb__schedule_end(&q->schedule);
    ebb__free(q, sizeof *q + (size_t)q->n * sizeof *q->segments);
}

static ebb_status check(const ebb_segment *segments, int64_t n) {
    static const char *op = "checkpoint_sequence";
    if (n < 1) return ebb__fail_op(op, EBB_ERR_ARGUMENT, "needs at least one segment, got %lld", (long long)n);
    if (!segments) return ebb__fail_null(op, "segments");
    for (int64_t i = 0; i < n; i++) {
        const ebb_segment *s = &segments[i];
        if (!s->function)
            return ebb__fail_op(op, EBB_ERR_ARGUMENT, "the function of segment %lld is NULL", (long long)i);
        if (s->saved < 0 || s->output < 0 || !(s->cost >= 0))
            return ebb__fail_op(op, EBB_ERR_ARGUMENT, "segment %lld has a negative size or cost", (long long)i);
    }
    return EBB_OK;
}

ebb_sequence *(ebb_checkpoint_sequence)(const ebb_segment *segments, int64_t n, int64_t budget,
                                        ebb_sequence_options options) {
    if (check(segments, n)) return NULL;
    ebb_sequence *q = ebb__alloc_zeroed(sizeof *q + (size_t)n * sizeof *segments);
    if (!q) return NULL;
    atomic_init(&q->refs, 1);
    q->n = n;
    q->budget = budget > 0 ? budget : 0;
    q->kind = options.schedule;
    memcpy(q->segments, segments, (size_t)n * sizeof *segments);
    bool known = true;
    for (int64_t i = 0; i < n; i++) known = known && segments[i].output > 0;
    if (!known || !plan(q)) return q;
    unref(q);
    return NULL;
}

ebb_sequence *ebb_sequence_release(ebb_sequence *q) {
    if (q) unref(q);
    return NULL;
}

ebb_sequence_plan ebb_sequence_planned(const ebb_sequence *q) { return q ? q->promise : (ebb_sequence_plan){0}; }

const ebb_segment *ebb_sequence_segment(const ebb_sequence *q, int64_t i) {
    return q && i >= 0 && i < q->n ? &q->segments[i] : NULL;
}

/* ---- running ---- */

static void part_release(void *context) { unref(((struct part *)context)->sequence); }

static ebb_status run_sweep(ebb_sequence *q, int64_t at, ebb_outputs *inout);

static ebb_status run_part(ebb_list in, ebb_outputs *ret_out, void *context) {
    struct part *p = context;
    ret_out->n = in.n;
    for (int64_t i = 0; i < in.n; i++) ret_out->t[i] = in.t[i];
    return run_sweep(p->sequence, p->inside, ret_out);
}

static ebb_status run_segment(const ebb_segment *s, ebb_outputs *inout) {
    ebb_outputs out = {0};
    const ebb_list in = {inout->n, inout->t};
    ebb_scope scope = ebb_scope_open();
    ebb_status status = ebb__function_call("sequence_run", s->function, s->context, in, &out);
    return end_step(&scope, status, &out, inout);
}

static ebb_status run_again_later(ebb_sequence *q, int64_t at, ebb_outputs *inout) {
    const ebb_list in = {inout->n, inout->t};
    ebb_scope scope = ebb_scope_open();
    atomic_fetch_add_explicit(&q->refs, 1, memory_order_relaxed);
    uint64_t failures = ebb__thread.failures;
    ebb_outputs out = (ebb_checkpoint)(run_part, &q->parts[at], in, (ebb_checkpoint_options){.release = part_release});
    ebb_status status = !out.n && ebb__failed_since(failures) ? ebb_error_status() : EBB_OK;
    return end_step(&scope, status, &out, inout);
}

/* From the tensors in *inout (borrowed) to the results of the sweep, in the scope. */
static ebb_status run_sweep(ebb_sequence *q, int64_t at, ebb_outputs *inout) {
    ebb_status status = EBB_OK;
    hold(inout);
    for (; at >= 0 && !status; at = q->schedule.parts[at].next) {
        const struct ebb__part *p = &q->schedule.parts[at];
        if (p->inside >= 0) status = run_again_later(q, at, inout);
        else
            for (int64_t i = p->first; i <= p->last && !status; i++) status = run_segment(&q->segments[i], inout);
    }
    for (int64_t k = 0; k < inout->n; k++)
        if (!ebb__own(inout->t[k])) status = ebb_error_status();
    return status;
}

ebb_outputs(ebb_sequence_run)(ebb_sequence *q, ebb_list inputs) {
    static const char *op = "sequence_run";
    ebb_outputs out = {.n = inputs.n};
    ebb_status status = EBB_OK;
    if (!q) status = ebb__fail_null(op, "sequence");
    else if (inputs.n < 0 || inputs.n > EBB_FUNCTION_MAX_OUT || (inputs.n && !inputs.t))
        status =
            ebb__fail_op(op, EBB_ERR_ARGUMENT, "the list of inputs is NULL, or of %lld tensors", (long long)inputs.n);
    for (int64_t i = 0; i < inputs.n && !status; i++)
        if (!(out.t[i] = inputs.t[i])) status = ebb__fail_null(op, "an input");
    if (!status && !q->planned) status = measure(q, inputs);
    if (!status && !q->planned) status = plan(q);
    ebb_scope scope = ebb_scope_open();
    if (!status) status = run_sweep(q, 0, &out);
    if (ebb__hand_out(&scope, out.t, status ? 0 : out.n) || status) return (ebb_outputs){0};
    return out;
}
