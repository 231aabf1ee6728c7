/* Writing what happens to dimensions: of one expression, or the whole companion. */
#include "explain/dims.h"
#include "explain/page.h"
#include "tool/terminal.h"

#include <string.h>

struct output {
    const ebb_explain_options *o;
    FILE *to;
    const struct ebb__json_view *json; /* NULL: text */
    struct ebb__arena arena;
    struct ebb__held_error error; /* of an expression of the user's: what there is of it is shown all the same */
};

/* One expression. What fails is told in the companion, which means to show it, and is an error otherwise. */
static ebb_status one(struct output *out, const char *text, bool lesson) {
    struct ebb__dims_report r = {0};
    ebb_status status = ebb__dims_make(&r, text, out->o);
    if (!status && out->json) ebb__dims_json(&r, out->json);
    else if (!status) ebb__dims_text(&r, lesson, out->to, out->o->lang);
    if (!status && !lesson && r.error.status) {
        out->error = r.error;
        out->error.message = ebb__arena_copy(&out->arena, r.error.message, strlen(r.error.message));
    }
    ebb__dims_free(&r);
    return status ? status : ebb_error_status();
}

static ebb_status expressions(struct output *out, const char *const *text, int n, bool lesson) {
    ebb_status status = EBB_OK;
    if (out->json) ebb__json_open(out->json->j, "expressions", '[');
    for (int i = 0; i < n && text[i] && !status; i++) {
        if (!out->json && lesson) (void)fputc('\n', out->to);
        status = one(out, text[i], lesson);
    }
    if (out->json) ebb__json_close(out->json->j);
    return status;
}

static void heading(struct output *out, enum ebb__phrase title, enum ebb__phrase text, const char *between) {
    const char *said[2][2];
    for (int lang = 0; lang < 2; lang++) {
        said[0][lang] = ebb__phrase_of(&out->arena, (enum ebb_language)lang, title);
        said[1][lang] = ebb__phrase_of(&out->arena, (enum ebb_language)lang, text);
    }
    if (out->json) {
        ebb__json_say(out->json, "title", said[0][EBB_ENGLISH], said[0][EBB_CHINESE]);
        ebb__json_say(out->json, "text", said[1][EBB_ENGLISH], said[1][EBB_CHINESE]);
        return;
    }
    (void)fprintf(out->to, "%s%s%s%s%s\n", ebb__style(out->to, EBB__BOLD), said[0][out->o->lang],
                  ebb__style(out->to, EBB__PLAIN), between, said[1][out->o->lang]);
}

static ebb_status lessons(struct output *out) {
    ebb_status status = EBB_OK;
    for (const struct ebb__dims_lesson *l = ebb__dims_lessons; l->expression[0] && !status; l++) {
        if (out->json) ebb__json_open(out->json->j, NULL, '{');
        else (void)fputs("\n\n", out->to);
        heading(out, l->title, l->text, "\n");
        status = expressions(out, l->expression, sizeof l->expression / sizeof *l->expression, true);
        if (out->json) ebb__json_close(out->json->j);
    }
    return status;
}

static ebb_status write_text(struct output *out, const char *text) {
    if (text) return expressions(out, &text, 1, false);
    heading(out, EBB__SAY_COMPANION, EBB__SAY_COMPANION_TEXT, "\n\n");
    return lessons(out);
}

static ebb_status write_json(struct output *out, const char *text) {
    struct ebb__json j = {.to = out->to};
    const struct ebb__json_view view = {.j = &j, .arena = &out->arena, .lang = out->o->lang};
    ebb_status status;
    out->json = &view;
    ebb__json_open(&j, NULL, '{');
    ebb__json_text(&j, "format", "ebb-dims");
    ebb__json_int(&j, "version", 1);
    ebb__json_text(&j, "ebb", ebb_version());
    if (text) {
        status = expressions(out, &text, 1, false);
    } else {
        heading(out, EBB__SAY_COMPANION, EBB__SAY_COMPANION_TEXT, "");
        ebb__json_open(&j, "lessons", '[');
        status = lessons(out);
    }
    while (j.depth) ebb__json_close(&j);
    return status;
}

/* The companion is a page to turn from lesson to lesson; the first one is what it says at its beginning. */
static ebb_status introduction(struct output *out) {
    static const char *const example[] = {"arange(12).view(3, 4)[1:, ::2]"};
    ebb__json_open(out->json->j, NULL, '{');
    heading(out, EBB__SAY_COMPANION, EBB__SAY_COMPANION_TEXT, "");
    ebb_status status = expressions(out, example, 1, true);
    ebb__json_close(out->json->j);
    return status;
}

static ebb_status write_page(struct output *out, const char *text) {
    struct ebb__page page = {.kind = EBB__PAGE_DIMS, .lang = out->o->lang};
    const struct ebb__json_view view = ebb__page_view(&page);
    ebb_status status = ebb__page_begin(&page);
    out->json = &view;
    if (!status && text) {
        ebb__page_open(&page, &(struct ebb__page_words){0});
        status = expressions(out, &text, 1, false);
    } else if (!status) {
        status = introduction(out);
        if (!status) status = lessons(out);
    }
    return ebb__page_end(&page, out->to, status);
}

ebb_status(ebb_explain_dims)(const char *text, ebb_explain_options o) {
    static ebb_status (*const formats[])(struct output *, const char *) = {
        [EBB_EXPLAIN_TEXT] = write_text, [EBB_EXPLAIN_JSON] = write_json, [EBB_EXPLAIN_HTML] = write_page};
    const size_t format = (size_t)o.format;
    if (ebb_error()) return ebb_error_status();
    if (format >= sizeof formats / sizeof *formats || !formats[format])
        return ebb__fail_said(EBB_ERR_ARGUMENT, "dims: dimensions are shown as text, JSON or a page");
    struct output out = {.o = &o, .to = o.to ? o.to : stdout};
    ebb_rng_state rng = ebb_get_rng_state();
    ebb_dtype before = ebb_default_dtype();
    bool language = ebb__say_in_chinese(o.lang == EBB_CHINESE);
    ebb_scope scope = ebb_scope_open();
    (void)ebb_set_default_dtype(o.dtype == EBB_F32 ? EBB_F32 : EBB_F64);
    ebb_status status = formats[format](&out, text);
    ebb_scope_close(&scope);
    (void)ebb_set_default_dtype(before);
    ebb_set_rng_state(rng);
    if (!status && ferror(out.to)) status = ebb__fail_said(EBB_ERR_IO, "dims: the output cannot be written");
    if (!status) status = ebb__error_return(&out.error);
    ebb__arena_free(&out.arena);
    ebb__say_end(language);
    return status;
}
