/* Writing what happens to dimensions: of one expression, or the whole companion. */
#include "explain/dims.h"
#include "tool/json.h"
#include "tool/terminal.h"

#include <string.h>

/* One expression. What fails is told in the companion, which means to show it, and is an error otherwise: the steps
 * before it are shown all the same. */
static ebb_status one(const char *text, const ebb_explain_options *o, FILE *to, struct ebb__json *j, bool lesson) {
    struct ebb__dims_report r = {0};
    ebb_status status = ebb__dims_make(&r, text, o, lesson);
    if (!status || r.n) {
        if (j) ebb__dims_json(&r, j, o->lang);
        else ebb__dims_text(&r, lesson ? r.n - 1 : 0, to, o->lang); /* a lesson is about the last call */
    }
    ebb__dims_free(&r);
    return status ? status : ebb_error_status();
}

static ebb_status companion(const ebb_explain_options *o, FILE *to, struct ebb__json *j) {
    struct ebb__arena a = {0};
    ebb_status status = EBB_OK;
    if (j) ebb__json_text(j, "title", ebb__phrase_of(&a, o->lang, EBB__SAY_COMPANION));
    if (j) ebb__json_text(j, "text", ebb__phrase_of(&a, o->lang, EBB__SAY_COMPANION_TEXT));
    else
        (void)fprintf(to, "%s%s%s\n\n%s\n", ebb__style(to, EBB__BOLD), ebb__phrase_of(&a, o->lang, EBB__SAY_COMPANION),
                      ebb__style(to, EBB__PLAIN), ebb__phrase_of(&a, o->lang, EBB__SAY_COMPANION_TEXT));
    if (j) ebb__json_open(j, "lessons", '[');
    for (const struct ebb__dims_lesson *l = ebb__dims_lessons; l->expression[0] && !status; l++) {
        const char *title = ebb__phrase_of(&a, o->lang, l->title), *text = ebb__phrase_of(&a, o->lang, l->text);
        if (j) {
            ebb__json_open(j, NULL, '{');
            ebb__json_text(j, "title", title);
            ebb__json_text(j, "text", text);
            ebb__json_open(j, "expressions", '[');
        } else {
            (void)fprintf(to, "\n\n%s%s%s\n%s\n", ebb__style(to, EBB__BOLD), title, ebb__style(to, EBB__PLAIN), text);
        }
        for (int i = 0; i < 4 && l->expression[i] && !status; i++) {
            if (!j) (void)fputc('\n', to);
            status = one(l->expression[i], o, to, j, true);
        }
        if (j) ebb__json_close(j);
        if (j) ebb__json_close(j);
    }
    if (j) ebb__json_close(j);
    ebb__arena_free(&a);
    return status;
}

ebb_status(ebb_explain_dims)(const char *text, ebb_explain_options o) {
    if (ebb_error()) return ebb_error_status();
    if (o.format != EBB_EXPLAIN_TEXT && o.format != EBB_EXPLAIN_JSON)
        return ebb_fail(EBB_ERR_ARGUMENT, "dims: dimensions are shown as text or JSON");
    FILE *to = o.to ? o.to : stdout;
    struct ebb__json json = {.to = to}, *j = o.format == EBB_EXPLAIN_JSON ? &json : NULL;
    ebb_rng_state rng = ebb_get_rng_state();
    ebb_dtype before = ebb_default_dtype();
    ebb_scope scope = ebb_scope_open();
    (void)ebb_set_default_dtype(o.dtype == EBB_F32 ? EBB_F32 : EBB_F64);
    if (j) {
        ebb__json_open(j, NULL, '{');
        ebb__json_text(j, "format", "ebb-dims");
        ebb__json_int(j, "version", 1);
        ebb__json_text(j, "ebb", ebb_version());
        if (text) ebb__json_open(j, "expressions", '[');
    }
    ebb_status status = text ? one(text, &o, to, j, false) : companion(&o, to, j);
    while (j && j->depth) ebb__json_close(j);
    ebb_scope_close(&scope);
    (void)ebb_set_default_dtype(before);
    ebb_set_rng_state(rng);
    if (!status && ferror(to)) status = ebb_fail(EBB_ERR_IO, "dims: the output cannot be written");
    return status;
}
