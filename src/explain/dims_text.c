/* Dimensions as text: shapes, strides and offsets before and after, and the storage as a strip. */
#include "explain/dims.h"
#include "explain/values.h"
#include "tool/table.h"
#include "tool/terminal.h"

#include <string.h>

enum { ROW = 24, STRIP = 72 }; /* cells in a line, of a strip */

struct teller {
    const struct ebb__dims_report *r;
    FILE *to;
    enum ebb_language lang;
    bool lesson; /* only the last call is shown */
    struct ebb__arena arena;
    const char *bold, *dim, *good, *bad, *plain;
};

#define SAY(t, ...) ebb__phrase_of(&(t)->arena, (t)->lang, __VA_ARGS__)
#define PRINT(t, ...) ebb__arena_print(&(t)->arena, __VA_ARGS__)

static const char *or_empty(const char *text) { return text ? text : ""; }
static const char *integer(struct teller *t, int64_t n) { return or_empty(PRINT(t, "%lld", (long long)n)); }

/* ---- tensors ---- */

static const char *list(struct teller *t, ebb_dims d) {
    struct ebb__text text = {0};
    ebb__typeset_dims(&text, d);
    const char *copy = ebb__arena_copy(&t->arena, ebb__text_of(&text), (size_t)text.n);
    ebb__text_free(&text);
    return or_empty(copy);
}

static void tensor_row(struct teller *t, struct ebb__table *table, const char *label,
                       const struct ebb__dims_tensor *x) {
    bool contiguous = ebb_tensor_is_contiguous(x->t);
    ebb__table_add(table, label);
    ebb__table_add(table, x->name);
    ebb__table_add(
        table, PRINT(t, "%s %s", SAY(t, EBB__SAY_DIMS_SHAPE), ebb__report_shape(&t->arena, ebb_tensor_shape(x->t))));
    ebb__table_add(table, PRINT(t, "%s %s", SAY(t, EBB__SAY_DIMS_STRIDES), list(t, ebb_tensor_strides(x->t))));
    ebb__table_add(table,
                   PRINT(t, "%s %lld", SAY(t, EBB__SAY_DIMS_OFFSET), (long long)ebb_tensor_storage_offset(x->t)));
    ebb__table_add(table, SAY(t, contiguous ? EBB__SAY_DIMS_CONTIGUOUS : EBB__SAY_DIMS_NOT_CONTIGUOUS));
    ebb__table_add(table, x->from && !t->lesson ? SAY(t, EBB__SAY_DIMS_FROM, x->from_name, integer(t, x->from)) : "");
}

/* Which elements lie in the first cells of the storage. */
struct strip {
    ebb_dims shape, strides;
    int64_t cells, element[STRIP]; /* the first one, counted row by row, */
    int count[STRIP];              /* of how many; that there are more than two does not matter */
};

/* Strides are never negative: behind the last cell nothing is looked for. */
static void look(struct strip *s, int d, int64_t place, int64_t element) {
    if (d == s->shape.n) {
        if (!s->count[place]++) s->element[place] = element;
        return;
    }
    for (int64_t i = 0; i < s->shape.d[d] && place < s->cells && (s->strides.d[d] || i < 2); i++) {
        look(s, d + 1, place, element * s->shape.d[d] + i);
        place += s->strides.d[d];
    }
}

/* For each cell of the storage the element that lies there, counted row by row; of several the first, and a plus. */
static void strip(struct teller *t, const struct ebb__dims_tensor *x) {
    struct strip s = {.shape = ebb_tensor_shape(x->t), .strides = ebb_tensor_strides(x->t)};
    int64_t cells = t->r->storages[x->storage].elements, from = ebb_tensor_storage_offset(x->t);
    s.cells = cells < STRIP ? cells : STRIP;
    if (from < s.cells) look(&s, 0, from, 0);
    for (from = 0; from < s.cells; from += ROW) {
        int64_t to = from + ROW < s.cells ? from + ROW : s.cells;
        struct ebb__table table = {.columns = (int)(to - from) + 1};
        ebb__table_add(&table, SAY(t, EBB__SAY_DIMS_STORAGE));
        for (int64_t i = from; i < to; i++) ebb__table_add(&table, PRINT(t, "%3lld", (long long)i));
        ebb__table_add(&table, PRINT(t, "%s %s", SAY(t, EBB__SAY_DIMS_READS), x->name));
        for (int64_t i = from; i < to; i++)
            ebb__table_add(&table, s.count[i] ? PRINT(t, "%3lld%s", (long long)s.element[i], s.count[i] > 1 ? "+" : "")
                                              : "  ·");
        ebb__table_print(&table, t->to, 5, t->dim, t->plain, 1);
        ebb__table_free(&table);
    }
    if (cells > s.cells)
        (void)fprintf(t->to, "     %s%s%s\n", t->dim, SAY(t, EBB__SAY_DIMS_MORE, integer(t, cells - 1)), t->plain);
}

static void tell_value(struct teller *t, const struct ebb__dims_tensor *x) {
    const char *value = ebb__value_text(&t->arena, t->lang, x->then);
    struct ebb__table table = {.columns = 2};
    ebb__table_add(&table, PRINT(t, "%s =", x->name));
    ebb__table_add(&table, value);
    ebb__table_print(&table, t->to, 5, "", "", 1);
    ebb__table_free(&table);
}

static void tell_alignment(struct teller *t, const struct ebb__dims_step *s) {
    const char *text = ebb__dims_alignment(&t->arena, s);
    if (!text) return;
    struct ebb__table table = {.columns = 1};
    ebb__table_add(&table, text);
    ebb__table_print(&table, t->to, 5, "", "", 1);
    ebb__table_free(&table);
}

/* ---- steps ---- */

static void tell_storage(struct teller *t, const struct ebb__dims_step *s) {
    if (!s->n_out) return;
    const char *owner = NULL;
    for (int64_t i = 0; i < s->n_in && !owner; i++)
        if (s->in[i].storage == s->out[0].storage) owner = s->in[i].name;
    int64_t n = t->r->storages[s->out[0].storage].elements;
    const char *names = s->n_out == 1 ? s->out[0].name : or_empty(PRINT(t, "%s, …", s->out[0].name));
    const char *text = s->shares ? SAY(t, EBB__SAY_DIMS_SHARES, names, or_empty(owner))
                                 : SAY(t, EBB__SAY_DIMS_NEW, names, integer(t, n));
    (void)fprintf(t->to, "     %s%s%s\n", s->shares ? t->good : t->dim, text, t->plain);
    for (int64_t i = 0; i < s->n_out && i < 4; i++) {
        const char *why = ebb__dims_why_not_contiguous(&t->arena, t->lang, &s->out[i]);
        if (why) (void)fprintf(t->to, "     %s\n", why);
    }
}

static void tell_backward(struct teller *t, const struct ebb__dims_step *s) {
    if (s->back == EBB__N_PHRASES) return;
    (void)fprintf(t->to, "     %s%s%s  %s\n", t->bold, SAY(t, EBB__SAY_DIMS_BACKWARD), t->plain, SAY(t, s->back));
    struct ebb__table table = {.columns = 2};
    for (int64_t i = 0; i < s->n_gives; i++) {
        const struct ebb__dims_give *g = &s->gives[i];
        const char *note = or_empty(g->shapes);
        if (g->summed.n)
            note = SAY(t, EBB__SAY_SUMMED, ebb__report_list(&t->arena, g->summed), or_empty(g->name),
                       ebb__report_shape(&t->arena, g->shape), ebb__report_shape(&t->arena, g->to));
        ebb__table_add(&table, PRINT(t, "%s %s %s", or_empty(g->symbol.in[EBB__UNICODE]), g->again ? "+=" : "=",
                                     or_empty(g->formula.in[EBB__UNICODE])));
        ebb__table_add(&table, note);
    }
    ebb__table_print(&table, t->to, 7, "", "", 3);
    ebb__table_free(&table);
}

/* Whether it is of interest where the elements lie: what is computed lies in order. */
static bool shows_places(const struct ebb__dims_step *s) {
    bool computed = s->what == EBB__SAY_BROADCAST || ebb__dims_is_matmul(s) || s->what == EBB__SAY_REDUCE ||
                    s->what == EBB__SAY_REDUCE_KEEP || s->what == EBB__N_PHRASES;
    return s->shares || s->n_in == 0 || !computed;
}

static void tell_places(struct teller *t, const struct ebb__dims_step *s) {
    if (!shows_places(s)) return;
    for (int64_t i = 0; i < s->n_out && i < 4; i++) strip(t, &s->out[i]);
    if (s->n_out != 1 || ebb_tensor_ndim(s->out[0].t) == 0) return;
    const char *index = "";
    for (int d = 0; d < ebb_tensor_ndim(s->out[0].t); d++)
        index = or_empty(PRINT(t, "%s%s%c", index, d ? ", " : "", ebb__dims_indices[d]));
    (void)fprintf(t->to, "     %s\n",
                  SAY(t, EBB__SAY_DIMS_ADDRESS, s->out[0].name, index, ebb__dims_address(&t->arena, s->out[0].t)));
}

static void tell_step(struct teller *t, const struct ebb__dims_step *s, int64_t number) {
    struct ebb__table table = {.columns = 7};
    (void)fprintf(t->to, "\n  %lld  %s%s%s\n", (long long)number, t->bold, s->source, t->plain);
    for (int64_t i = 0; i < s->n_in; i++) tensor_row(t, &table, SAY(t, EBB__SAY_DIMS_BEFORE), &s->in[i]);
    for (int64_t i = 0; i < s->n_out; i++) tensor_row(t, &table, SAY(t, EBB__SAY_DIMS_AFTER), &s->out[i]);
    ebb__table_print(&table, t->to, 5, "", "", 2);
    ebb__table_free(&table);
    tell_storage(t, s);
    tell_places(t, s);
    for (int64_t i = 0; i < s->n_out && i < 4; i++) tell_value(t, &s->out[i]);
    tell_alignment(t, s);
    if (s->what != EBB__N_PHRASES) (void)fprintf(t->to, "     %s\n", SAY(t, s->what));
    const char *why = ebb__dims_why_no_view(&t->arena, t->lang, s);
    if (why) (void)fprintf(t->to, "     %s\n", why);
    tell_backward(t, s);
}

static void tell_failure(struct teller *t) {
    if (!t->r->error.status) return;
    const char *message = t->r->error.message, *library = ebb__said_library(message);
    int first = (int)(library ? (size_t)(library - message) : strlen(message));
    (void)fprintf(t->to, "\n     %s%s%s\n", t->bad, SAY(t, EBB__SAY_DIMS_FAILS, PRINT(t, "%.*s", first, message)),
                  t->plain);
    if (library) (void)fprintf(t->to, "     %s%s%s\n", t->bad, library, t->plain);
    if (!t->r->caret) return;
    struct ebb__table table = {.columns = 1};
    ebb__table_add(&table, t->r->caret);
    ebb__table_print(&table, t->to, 9, "", "", 1);
    ebb__table_free(&table);
}

void ebb__dims_text(const struct ebb__dims_report *r, bool lesson, FILE *to, enum ebb_language lang) {
    struct teller t = {.r = r, .to = to, .lang = lang, .lesson = lesson};
    const char **styles[] = {&t.bold, &t.dim, &t.good, &t.bad, &t.plain};
    static const enum ebb__style which[] = {EBB__BOLD, EBB__DIM, EBB__GOOD, EBB__BAD, EBB__PLAIN};
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) *styles[i] = ebb__style(to, which[i]);
    (void)fprintf(to, "%s%s%s\n", ebb__style(to, EBB__TITLE), r->expression, t.plain);
    if (!r->n && !r->error.status) (void)fprintf(to, "%s\n", SAY(&t, EBB__SAY_DIMS_NOTHING));
    for (int64_t i = lesson && r->n ? r->n - 1 : 0; i < r->n; i++) tell_step(&t, &r->steps[i], i + 1);
    if (lesson) tell_failure(&t); /* otherwise the error is reported as any other */
    ebb__arena_free(&t.arena);
}
