/* Gathering what happens to dimensions: every call of an expression as it is evaluated, and its derivative
 * afterwards. */
#include "explain/dims.h"
#include <ebb/ops.h>

#include <string.h>

/* ---- memory ---- */

static ebb_tensor *keep(struct ebb__dims_report *r, ebb_tensor *t) {
    if (!t || !ebb__array_grow(&r->kept, &r->kept_room, r->n_kept + 1, sizeof(ebb_tensor *))) return NULL;
    return r->kept[r->n_kept++] = ebb_keep(t);
}

void ebb__dims_free(struct ebb__dims_report *r) {
    for (int64_t i = 0; i < r->n_kept; i++) (void)ebb_drop(r->kept[i]);
    ebb__array_free(r->kept, r->kept_room, sizeof(ebb_tensor *));
    ebb__array_free(r->steps, r->room, sizeof *r->steps);
    ebb__array_free(r->storages, r->storages_room, sizeof *r->storages);
    ebb__arena_free(&r->arena);
    *r = (struct ebb__dims_report){0};
}

/* ---- what is said of operators ---- */

static const struct {
    const char *op;
    enum ebb__phrase shared, copied, back; /* what it does when it shares storage, when not; and backward */
} known[] = {
    {"view", EBB__SAY_VIEW, EBB__SAY_VIEW, EBB__SAY_BACK_RESHAPE},
    {"view_as", EBB__SAY_VIEW, EBB__SAY_VIEW, EBB__SAY_BACK_RESHAPE},
    {"reshape", EBB__SAY_RESHAPE_VIEW, EBB__SAY_RESHAPE_COPY, EBB__SAY_BACK_RESHAPE},
    {"flatten", EBB__SAY_RESHAPE_VIEW, EBB__SAY_RESHAPE_COPY, EBB__SAY_BACK_RESHAPE},
    {"unflatten", EBB__SAY_VIEW, EBB__SAY_VIEW, EBB__SAY_BACK_RESHAPE},
    {"squeeze", EBB__SAY_SQUEEZE, EBB__SAY_SQUEEZE, EBB__SAY_BACK_SQUEEZE},
    {"unsqueeze", EBB__SAY_UNSQUEEZE, EBB__SAY_UNSQUEEZE, EBB__SAY_BACK_UNSQUEEZE},
    {"transpose", EBB__SAY_PERMUTE, EBB__SAY_PERMUTE, EBB__SAY_BACK_TRANSPOSE},
    {"t", EBB__SAY_PERMUTE, EBB__SAY_PERMUTE, EBB__SAY_BACK_TRANSPOSE},
    {"permute", EBB__SAY_PERMUTE, EBB__SAY_PERMUTE, EBB__SAY_BACK_PERMUTE},
    {"movedim", EBB__SAY_PERMUTE, EBB__SAY_PERMUTE, EBB__SAY_BACK_PERMUTE},
    {"expand", EBB__SAY_EXPAND, EBB__SAY_EXPAND, EBB__SAY_BACK_EXPAND},
    {"broadcast_to", EBB__SAY_EXPAND, EBB__SAY_EXPAND, EBB__SAY_BACK_EXPAND},
    {"contiguous", EBB__SAY_CONTIGUOUS_SAME, EBB__SAY_CONTIGUOUS_COPY, EBB__SAY_BACK_SAME},
    {"clone", EBB__N_PHRASES, EBB__SAY_CLONE, EBB__SAY_BACK_SAME},
    {"select", EBB__SAY_SLICE, EBB__SAY_SLICE, EBB__SAY_BACK_SLICE},
    {"slice", EBB__SAY_SLICE, EBB__SAY_SLICE, EBB__SAY_BACK_SLICE},
    {"narrow", EBB__SAY_SLICE, EBB__SAY_SLICE, EBB__SAY_BACK_SLICE},
    {"getitem", EBB__SAY_SLICE, EBB__SAY_INDEX_COPY, EBB__SAY_BACK_SLICE},
    {"diagonal", EBB__SAY_SLICE, EBB__SAY_SLICE, EBB__SAY_BACK_SLICE},
    {"cat", EBB__SAY_CAT, EBB__SAY_CAT, EBB__SAY_BACK_CAT},
    {"stack", EBB__SAY_STACK, EBB__SAY_STACK, EBB__SAY_BACK_CAT},
    {"split", EBB__SAY_SPLIT, EBB__SAY_SPLIT, EBB__SAY_BACK_SPLIT},
    {"split_with_sizes", EBB__SAY_SPLIT, EBB__SAY_SPLIT, EBB__SAY_BACK_SPLIT},
    {"chunk", EBB__SAY_SPLIT, EBB__SAY_SPLIT, EBB__SAY_BACK_SPLIT},
    {"unbind", EBB__SAY_SPLIT, EBB__SAY_SPLIT, EBB__SAY_BACK_SPLIT},
    {"matmul", EBB__SAY_MATMUL, EBB__SAY_MATMUL, EBB__SAY_BACK_MATMUL},
    {"mm", EBB__SAY_MATMUL, EBB__SAY_MATMUL, EBB__SAY_BACK_MATMUL},
    {"bmm", EBB__SAY_MATMUL, EBB__SAY_MATMUL, EBB__SAY_BACK_MATMUL},
    {"mv", EBB__SAY_MATMUL, EBB__SAY_MATMUL, EBB__SAY_BACK_MATMUL},
    {"sum", EBB__SAY_REDUCE, EBB__SAY_REDUCE, EBB__SAY_BACK_SUM},
    {"mean", EBB__SAY_REDUCE, EBB__SAY_REDUCE, EBB__SAY_BACK_SUM},
};

static bool same_tensor(const ebb_tensor *a, const ebb_tensor *b) {
    return ebb_tensor_data(a) == ebb_tensor_data(b) && ebb__same_dims(ebb_tensor_shape(a), ebb_tensor_shape(b)) &&
           ebb__same_dims(ebb_tensor_strides(a), ebb_tensor_strides(b));
}

static bool is_broadcast(const struct ebb__dims_step *s) {
    const struct ebb_op *op = ebb_op_find(s->op);
    if (!op || !op->loops || s->n_in < 2 || s->n_out != 1) return false;
    ebb_dims out = ebb_tensor_shape(s->out[0].t);
    for (int64_t i = 0; i < s->n_in; i++)
        if (!ebb__same_dims(ebb_tensor_shape(s->in[i].t), out)) return true;
    return false;
}

/* Where a sentence depends on the shapes. */
static void refine(struct ebb__dims_step *s) {
    if (!s->n_in || !s->n_out || s->what == EBB__N_PHRASES) return;
    const ebb_tensor *x = s->in[0].t, *y = s->out[0].t;
    int from = ebb_tensor_ndim(x), to = ebb_tensor_ndim(y);
    bool same = s->n_out == 1 && s->shares && same_tensor(x, y);
    if (s->what == EBB__SAY_EXPAND && to > from) s->what = EBB__SAY_EXPAND_FRONT;
    if (s->what == EBB__SAY_REDUCE && to == from && from > 0) s->what = EBB__SAY_REDUCE_KEEP;
    for (int64_t i = 0; i < s->n_in && s->what == EBB__SAY_MATMUL; i++)
        if (ebb_tensor_ndim(s->in[i].t) == 1) s->what = EBB__SAY_MATMUL_VECTOR;
    if (s->what == EBB__SAY_INDEX_COPY) s->back = EBB__SAY_BACK_INDEX;
    if (!same || s->what == EBB__SAY_CONTIGUOUS_SAME) return;
    s->what = EBB__SAY_NO_CHANGE;
    s->back = EBB__SAY_BACK_SAME;
}

static void say(struct ebb__dims_step *s) {
    s->what = s->back = EBB__N_PHRASES;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].op, s->op) != 0) continue;
        s->what = s->shares ? known[i].shared : known[i].copied;
        s->back = known[i].back;
    }
    refine(s);
    if (is_broadcast(s)) {
        s->what = EBB__SAY_BROADCAST;
        s->back = EBB__SAY_BACK_BROADCAST;
    }
    if (s->what == EBB__SAY_RESHAPE_COPY) (void)ebb__dims_clash(s->in[0].t, ebb_tensor_shape(s->out[0].t), &s->clash);
}

/* ---- gathering ---- */

struct gathering {
    struct ebb__dims_report *r;
    struct ebb__run *run;
    bool failed;
};

/* The storage of a tensor; a new one when it shares none. */
static int32_t storage_of(struct ebb__dims_report *r, ebb_tensor *t) {
    ebb_dims shape = ebb_tensor_shape(t), strides = ebb_tensor_strides(t);
    int64_t i = 0, end = ebb_tensor_storage_offset(t) + 1; /* behind the last element of t */
    while (i < r->n_storages && !ebb_tensor_shares_storage(r->storages[i].t, t)) i++;
    if (i == r->n_storages) {
        if (!ebb__array_grow(&r->storages, &r->storages_room, i + 1, sizeof *r->storages)) return -1;
        r->storages[r->n_storages++] = (struct ebb__dims_storage){.t = t};
    }
    for (int d = 0; d < shape.n; d++) end += (shape.d[d] - 1) * strides.d[d];
    if (ebb_tensor_numel(t) && end > r->storages[i].elements) r->storages[i].elements = end;
    return (int32_t)i;
}

static bool take(struct gathering *g, struct ebb__dims_tensor *to, ebb_tensor *t, const char *name) {
    enum { COPIED = 4096 };
    to->t = keep(g->r, ebb_detach(t));
    to->then = to->t && ebb_tensor_numel(t) <= COPIED ? keep(g->r, ebb_clone(to->t)) : to->t;
    if (!to->then) return false;
    to->storage = storage_of(g->r, to->t);
    to->name = name;
    return to->storage >= 0;
}

static const char *name_in(const struct gathering *g, int32_t id) {
    const struct ebb__ast *a = &g->run->program->ast[id];
    if (a->kind != EBB__AST_NAME) return NULL;
    const char *name = ebb__ast_name(g->run->program, a); /* which ends with the program */
    return ebb__arena_copy(&g->r->arena, name, strlen(name));
}

/* A name that neither the expression nor an input has. */
static const char *free_name(const struct gathering *g, const struct ebb__dims_step *s, const char *const *names) {
    for (; names[1]; names++) {
        bool taken = ebb__program_find(g->run->program, names[0]) >= 0;
        for (int64_t i = 0; i < s->n_in; i++) taken = taken || strcmp(s->in[i].name, names[0]) == 0;
        if (!taken) break;
    }
    return names[0];
}

/* Which earlier step's result a tensor is: names are given for each call by itself. */
static void find_source(const struct ebb__dims_report *r, struct ebb__dims_tensor *x) {
    for (int64_t i = r->n; i-- > 0 && !x->from;)
        for (int64_t k = 0; k < r->steps[i].n_out && !x->from; k++)
            if (same_tensor(r->steps[i].out[k].t, x->t)) {
                x->from = i + 1;
                x->from_name = r->steps[i].out[k].name;
            }
}

/* What a tensor is called in the call by itself. */
static const char *input_name(struct gathering *g, struct ebb__dims_step *s, int32_t id, ebb_tensor *t) {
    static const char *const letters[] = {"x", "w", "u", "v", "a", "b", "c", "d", NULL};
    const char *name = name_in(g, id);
    for (int64_t i = 0; i < s->n_in; i++)
        if (name ? strcmp(s->in[i].name, name) == 0 : same_tensor(s->in[i].t, t)) return s->in[i].name;
    bool own = name != NULL;
    if (!name) name = free_name(g, s, letters);
    struct ebb__dims_tensor *in = &s->in[s->n_in++];
    if (!take(g, in, t, name)) g->failed = true;
    if (!own && !g->failed) find_source(g->r, in);
    return name;
}

/* The tensor that a value is, or stands for; NULL when it is none. */
static ebb_tensor *tensor_of(const struct ebb__value *v) {
    bool results = v->kind == EBB__V_RESULTS && v->n && v->as.list[0].kind == EBB__V_TENSOR;
    return results ? v->as.list[0].as.t : v->kind == EBB__V_TENSOR ? v->as.t : NULL;
}

/* The text of a tree's part, with a name in the place of every tensor in it: the call by itself. */
static void localize(struct gathering *g, struct ebb__dims_step *s, int32_t id, int depth, struct ebb__text *out,
                     int32_t *from) {
    enum { DEEP = 64 };
    const struct ebb__program *p = g->run->program;
    const struct ebb__ast *a = &p->ast[id];
    ebb_tensor *t = tensor_of(&g->run->values[id]);
    if (depth > 0 && t) {
        const char *name = input_name(g, s, id, t);
        ebb__text_add(out, p->text + *from, (size_t)(a->place.at - *from));
        ebb__text_put(out, "%s", name);
        *from = a->place.end;
        return;
    }
    for (int32_t i = 0; i < a->n && depth < DEEP && !g->failed; i++)
        localize(g, s, ebb__ast_kid(p, a, i), depth + 1, out, from);
}

/* What of the call is written behind its object: ".view(2, 3)"; or all of it. */
static const char *source_of(struct gathering *g, int32_t id) {
    const struct ebb__program *p = g->run->program;
    const struct ebb__ast *a = &p->ast[id], *object = NULL;
    if (a->kind == EBB__AST_CALL && p->ast[ebb__ast_kid(p, a, 0)].kind == EBB__AST_ATTR)
        object = &p->ast[ebb__ast_kid(p, &p->ast[ebb__ast_kid(p, a, 0)], 0)];
    if (a->kind == EBB__AST_ATTR || a->kind == EBB__AST_INDEX) object = &p->ast[ebb__ast_kid(p, a, 0)];
    bool chain =
        object && (object->kind == EBB__AST_CALL || object->kind == EBB__AST_ATTR || object->kind == EBB__AST_INDEX);
    int32_t from = chain ? object->place.end : a->place.at;
    return ebb__arena_copy(&g->r->arena, p->text + from, (size_t)(a->place.end - from));
}

/* Result k of several: "y.indices", or "y[1]" where they have no names. */
static const char *part_name(struct gathering *g, const char *result, const char *op_name, ebb_args args, int64_t k) {
    const char *names[EBB_OP_MAX_OUT];
    const struct ebb_op *op = ebb_op_find(op_name);
    int n = op ? ebb__result_names(op, args, names) : 0;
    return k < n ? ebb__arena_print(&g->r->arena, "%s.%s", result, names[k])
                 : ebb__arena_print(&g->r->arena, "%s[%lld]", result, (long long)k);
}

/* A call: what it is written as, and what it takes. NULL, and the gathering has failed, when out of memory. */
static struct ebb__dims_step *begin_step(struct gathering *g, int32_t id, const char *name, int64_t n_out) {
    struct ebb__dims_report *r = g->r;
    struct ebb__text local = {0};
    const struct ebb__ast *a = &g->run->program->ast[id];
    g->failed = true;
    if (!ebb__array_grow(&r->steps, &r->room, r->n + 1, sizeof *r->steps)) return NULL;
    struct ebb__dims_step *s = &r->steps[r->n];
    *s = (struct ebb__dims_step){.place = a->place, .what = EBB__N_PHRASES, .back = EBB__N_PHRASES};
    s->op = ebb__arena_copy(&r->arena, name, strlen(name));
    s->source = source_of(g, id);
    s->in = ebb__arena_get(&r->arena, (size_t)(a->place.end - a->place.at + 1) * sizeof *s->in);
    s->out = ebb__arena_get(&r->arena, (size_t)(n_out + 1) * sizeof *s->out);
    if (!s->op || !s->source || !s->in || !s->out) return NULL;
    int32_t from = a->place.at;
    g->failed = false;
    localize(g, s, id, 0, &local, &from);
    ebb__text_add(&local, g->run->program->text + from, (size_t)(a->place.end - from));
    s->local = ebb__arena_copy(&r->arena, ebb__text_of(&local), (size_t)local.n);
    ebb__text_free(&local);
    g->failed = g->failed || !s->local;
    return g->failed ? NULL : s;
}

static void called(void *context, int32_t id, const char *name, ebb_args args, ebb_list results) {
    static const char *const letters[] = {"y", "z", "r", "s", NULL};
    struct gathering *g = context;
    if (g->failed || ebb_error() || strcmp(name, "setitem") == 0) return;
    struct ebb__dims_step *s = begin_step(g, id, name, results.n);
    if (!s) return;
    const char *result = free_name(g, s, letters);
    for (int64_t k = 0; k < results.n && !g->failed; k++)
        g->failed = !results.t[k] || !take(g, &s->out[s->n_out++], results.t[k],
                                           results.n == 1 ? result : part_name(g, result, name, args, k));
    if (g->failed) return;
    for (int64_t i = 0; i < s->n_in && s->n_out; i++) s->shares = s->shares || s->in[i].storage == s->out[0].storage;
    say(s);
    g->r->n++;
}

/* The shape that a view was to have, with the size for -1; false when it has another number of elements. */
static bool wanted_shape(const ebb_tensor *t, ebb_args args, ebb_dims *ret_shape) {
    int64_t together = 1, n = ebb_tensor_numel(t);
    int missing = -1;
    for (int64_t i = 0; i < args.n; i++)
        if (args.arg[i].kind == EBB_VALUE_DIMS) *ret_shape = args.arg[i].value.dims;
    for (int d = 0; d < ret_shape->n; d++) {
        if (ret_shape->d[d] == -1) missing = d;
        else together *= ret_shape->d[d];
    }
    if (missing >= 0 && together > 0) ret_shape->d[missing] = n / together;
    return missing >= 0 ? together > 0 && n % together == 0 : together == n;
}

static void failed(void *context, int32_t id, const char *name, ebb_args args) {
    struct gathering *g = context;
    struct ebb__held_error error;
    ebb_dims shape = {.n = 0};
    if (g->failed) return;
    ebb__error_hold(&error, &g->r->arena);
    struct ebb__dims_step *s = error.status ? begin_step(g, id, name, 0) : NULL;
    if (s) {
        s->failed = true;
        if (strcmp(name, "view") == 0 && s->n_in == 1 && wanted_shape(s->in[0].t, args, &shape) &&
            ebb__dims_clash(s->in[0].t, shape, &s->clash))
            s->what = EBB__SAY_VIEW_FAILS;
        g->r->n++;
    }
    (void)ebb__error_return(&error);
}

/* ---- derivatives ---- */

static const char *copy(struct ebb__dims_report *r, const char *text) {
    return text ? ebb__arena_copy(&r->arena, text, strlen(text)) : NULL;
}

/* The rule of the call, which is the first statement, where that is one node. Where there are several, words do. */
static const struct ebb__report_step *rule_of(const struct ebb__report *report, int32_t end) {
    const struct ebb__report_step *rule = NULL;
    for (int64_t i = 0; i < report->n_steps; i++) {
        const struct ebb__report_node *n = &report->nodes[report->steps[i].node];
        if (n->kind != EBB__OPERATION || n->place.end > end) continue;
        if (rule) return NULL;
        rule = &report->steps[i];
    }
    return rule;
}

static ebb_status take_gives(struct ebb__dims_report *r, struct ebb__dims_step *s, const struct ebb__report *report,
                             int32_t end) {
    const struct ebb__report_step *rule = rule_of(report, end);
    if (!rule || !(s->gives = ebb__arena_get(&r->arena, (size_t)rule->n * sizeof *s->gives))) return ebb_error_status();
    for (int64_t i = 0; i < rule->n; i++) {
        const struct ebb__report_give *g = &rule->gives[i];
        struct ebb__dims_give *to = &s->gives[s->n_gives];
        if (!g->formula.in[EBB__UNICODE]) continue;
        for (int c = 0; c < EBB__N_SCRIPTS; c++) to->symbol.in[c] = copy(r, g->symbol.in[c]);
        for (int c = 0; c < EBB__N_SCRIPTS; c++) to->formula.in[c] = copy(r, g->formula.in[c]);
        to->shapes = copy(r, g->shapes);
        const struct ebb__report_output *input = ebb__report_of(report, g->to, g->output);
        to->name = copy(r, input->name.in[EBB__UNICODE]);
        to->shape = g->shape;
        to->to = input->shape;
        to->summed = g->summed;
        to->again = g->arrival > 1;
        s->n_gives++;
    }
    return ebb_error_status();
}

/* A subscript, however many views and copies it is made of: "zeros(4, 4)[1:, ::2] ← dL/dy"; of a copy, whose indices
 * may meet, it is added. */
static ebb_status give_subscript(struct ebb__dims_report *r, struct ebb__dims_step *s) {
    struct ebb__arena *a = &r->arena;
    const char *x = s->in[0].name, *y = s->out[0].name, *index = s->local + strlen(x);
    struct ebb__text zeros = {0}, latex_index = {0};
    if (strncmp(s->local, x, strlen(x)) != 0 || *index != '[') return EBB_OK;
    struct ebb__dims_give *g = s->gives = ebb__arena_get(a, sizeof *s->gives);
    if (!g) return ebb_error_status();
    ebb__typeset_dims(&zeros, ebb_tensor_shape(s->in[0].t));
    for (const char *c = index; *c; c++) ebb__text_put(&latex_index, *c == ':' ? "{:}" : "%c", *c);
    const char *latex_x = ebb__latex_name(a, x), *latex_y = ebb__latex_name(a, y);
    g->name = x;
    g->shape = g->to = ebb_tensor_shape(s->in[0].t);
    g->symbol.in[EBB__UNICODE] = ebb__arena_print(a, "dL/d%s", x);
    g->shapes = ebb__arena_print(a, "%s → %s", ebb__report_shape(a, ebb_tensor_shape(s->out[0].t)),
                                 ebb__report_shape(a, g->shape));
    g->formula.in[EBB__UNICODE] =
        ebb__arena_print(a, "zeros%s%s %s dL/d%s", ebb__text_of(&zeros), index, s->shares ? "←" : "+=", y);
    if (latex_x && latex_y) {
        g->symbol.in[EBB__LATEX] = ebb__arena_print(a, "\\frac{\\partial L}{\\partial %s}", latex_x);
        g->formula.in[EBB__LATEX] =
            ebb__arena_print(a, "\\mathbf{0}_{%s}%s %s \\frac{\\partial L}{\\partial %s}", ebb__text_of(&zeros),
                             ebb__text_of(&latex_index), s->shares ? "\\leftarrow" : "\\mathrel{+}=", latex_y);
    }
    ebb__text_free(&zeros);
    ebb__text_free(&latex_index);
    s->n_gives = ebb_error() ? 0 : 1;
    return ebb_error_status();
}

/* One side of a product of batches of matrices, which several operations make: "dL/dy · wᵀ", summed over what was
 * broadcast. */
static void give_factor(struct ebb__dims_report *r, struct ebb__dims_step *s, const struct ebb__dims_tensor *to,
                        const struct ebb__dims_tensor *other, bool left) {
    struct ebb__arena *a = &r->arena;
    struct ebb__dims_give *g = &s->gives[s->n_gives];
    const char *y = s->out[0].name, *latex_y = ebb__latex_name(a, y), *latex_to = ebb__latex_name(a, to->name),
               *latex_other = ebb__latex_name(a, other->name);
    ebb_dims whole = ebb_tensor_shape(s->out[0].t), own = ebb_tensor_shape(to->t);
    if (!latex_y || !latex_to || !latex_other) return;
    *g = (struct ebb__dims_give){.name = to->name, .shape = whole, .to = own, .again = s->n_gives && to == other};
    for (int d = 1; d <= 2; d++) g->shape.d[whole.n - d] = own.d[own.n - d];
    for (int d = 0; d < whole.n - 2; d++) {
        int k = d - (whole.n - own.n);
        if (k < 0 || own.d[k] != whole.d[d]) g->summed.d[g->summed.n++] = d;
    }
    g->symbol.in[EBB__UNICODE] = ebb__arena_print(a, "dL/d%s", to->name);
    g->symbol.in[EBB__LATEX] = ebb__arena_print(a, "\\frac{\\partial L}{\\partial %s}", latex_to);
    g->formula.in[EBB__UNICODE] = left ? ebb__arena_print(a, "dL/d%s · %sᵀ", y, other->name)
                                       : ebb__arena_print(a, "%sᵀ · dL/d%s", other->name, y);
    g->formula.in[EBB__LATEX] =
        left ? ebb__arena_print(a, "\\frac{\\partial L}{\\partial %s} \\, %s^{\\top}", latex_y, latex_other)
             : ebb__arena_print(a, "%s^{\\top} \\, \\frac{\\partial L}{\\partial %s}", latex_other, latex_y);
    s->n_gives++;
}

static ebb_status give_product(struct ebb__dims_report *r, struct ebb__dims_step *s) {
    const struct ebb__dims_tensor *x = &s->in[0], *w = &s->in[s->n_in - 1];
    if (s->n_gives || s->n_in > 2 || ebb_tensor_ndim(x->t) < 2 || ebb_tensor_ndim(w->t) < 2) return EBB_OK;
    if (!(s->gives = ebb__arena_get(&r->arena, 2 * sizeof *s->gives))) return ebb_error_status();
    give_factor(r, s, x, w, true);
    give_factor(r, s, w, x, false);
    if (ebb_error()) s->n_gives = 0;
    return ebb_error_status();
}

/* The call by itself, and the sum of all elements of what it gives: "y = split(x, 2); L = sum(y[0]) + sum(y[1])". */
static const char *with_sum(struct ebb__dims_report *r, const struct ebb__dims_step *s) {
    const char *name = s->out[0].name;
    const char *text = ebb__arena_print(&r->arena, "%.*s = %s; L = ", (int)strcspn(name, "[."), name, s->local);
    for (int64_t k = 0; k < s->n_out && text; k++)
        text = ebb__arena_print(&r->arena, "%s%ssum(%s)", text, k ? " + " : "", s->out[k].name);
    return text;
}

/* Floating copies of a step's inputs, explained in place of them. */
static ebb_status explain_step(struct ebb__dims_report *r, struct ebb__dims_step *s, ebb_arg *args) {
    struct ebb__expression e;
    struct ebb__trace trace = {0};
    struct ebb__report report = {0};
    const char *text = with_sum(r, s);
    for (int64_t i = 0; i < s->n_in; i++)
        args[i] = ebb__arg_tensor(s->in[i].name, ebb_clone(ebb_to(s->in[i].t, EBB_F64)));
    const ebb_explain_options o = {.variables = {s->n_in, args}};
    ebb_status status = text ? ebb__expression_begin(&e, text, &o) : ebb_error_status();
    if (text && !status) status = ebb__expression_choose(&e, NULL);
    if (text && !status) status = ebb__expression_report(&report, &e, &trace, &o, false);
    if (!status) status = take_gives(r, s, &report, e.program.statements[0].place.end);
    ebb__report_free(&report);
    ebb__trace_free(&trace);
    if (text) ebb__expression_end(&e);
    return status;
}

static ebb_status derivatives(struct ebb__dims_report *r) {
    enum { MOST_OUT = 16 };
    for (int64_t i = 0; i < r->n; i++) {
        struct ebb__dims_step *s = &r->steps[i];
        if (s->back == EBB__N_PHRASES || s->n_out == 0 || s->n_out > MOST_OUT || s->n_in == 0) continue;
        if (strcmp(s->op, "getitem") == 0) {
            if (give_subscript(r, s)) return ebb_error_status();
            continue;
        }
        ebb_arg *args = ebb__arena_get(&r->arena, (size_t)s->n_in * sizeof *args);
        if (!args) return ebb_error_status();
        ebb_scope scope = ebb_scope_open();
        if (explain_step(r, s, args) && ebb_error_status() != EBB_ERR_MEMORY) ebb_clear_error(); /* then without */
        if (strcmp(s->op, "matmul") == 0 && !ebb_error()) (void)give_product(r, s);
        ebb_scope_close(&scope);
        if (ebb_error()) return ebb_error_status();
    }
    return EBB_OK;
}

/* ---- the whole ---- */

/* What went wrong is told in the report. */
static void tell_failure(struct ebb__dims_report *r) {
    char caret[1024];
    if (ebb_eval_caret(caret, sizeof caret)) r->caret = ebb__arena_copy(&r->arena, caret, strlen(caret));
    ebb__error_hold(&r->error, &r->arena);
}

static ebb_status evaluate(struct ebb__dims_report *r, const struct ebb__expression *e) {
    struct ebb__run run;
    struct gathering g = {r, &run, false};
    ebb_manual_seed(e->seed);
    ebb_status status = ebb__eval_begin(&run, &e->program);
    run.files = true;
    run.observer = (struct ebb__observer){.called = called, .failed = failed, .context = &g};
    for (int64_t i = 0; i < e->n && !status; i++) {
        ebb_arg arg = ebb__arg_tensor(e->names[i], e->tensors[i]);
        status = ebb__eval_set(&run, &arg);
    }
    if (!status) status = ebb__eval_all(&run);
    ebb__eval_end(&run);
    return status ? status : ebb_error_status();
}

ebb_status ebb__dims_make(struct ebb__dims_report *r, const char *text, const ebb_explain_options *options) {
    struct ebb__expression e;
    ebb_status status = ebb__expression_begin(&e, text, options);
    r->expression = ebb__arena_copy(&r->arena, text, strlen(text));
    if (!status) {
        ebb_grad_mode mode = ebb_grad_mode_open(false);
        status = evaluate(r, &e);
        ebb_grad_mode_close(&mode);
        if (status) tell_failure(r);
        status = ebb_error_status();
    }
    ebb__expression_end(&e);
    if (!status) status = derivatives(r);
    return status;
}
