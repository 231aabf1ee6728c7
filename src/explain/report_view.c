/* Writing reports: one function a format. */
#include "explain/report_view.h"
#include "explain/words.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { LIMIT = 60 }; /* operations that a text shows when nobody says how many */

const struct ebb__report_check *ebb__report_check_of(const struct ebb__report *r, int32_t node) {
    for (int64_t i = 0; i < r->n_checks; i++)
        if (r->checks[i].node == node) return &r->checks[i];
    return NULL;
}

const char *ebb__report_title(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang) {
    enum { LONG = 400 };
    if (!r->expression)
        return ebb__phrase_of(a, lang, EBB__SAY_OF_GRAPH,
                              ebb__report_of(r, r->root, r->root_output)->name.in[EBB__UNICODE]);
    size_t n = strlen(r->expression), cut = LONG;
    if (n <= LONG) return r->expression;
    while (cut > 0 && ((unsigned char)r->expression[cut] & 0xc0) == 0x80) cut--;
    const char *text = ebb__arena_print(a, "%.*s …", (int)cut, r->expression);
    return text ? text : "";
}

const char *ebb__report_setting(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang) {
    return ebb__phrase_of(a, lang, r->integers ? EBB__SAY_SETTING_INTEGERS : EBB__SAY_SETTING, ebb_dtype_name(r->dtype),
                          ebb__arena_print(a, "%llu", (unsigned long long)r->seed));
}

/* ---- what signs mean ---- */

static const struct {
    const char *sign;
    enum ebb__phrase meaning;
} signs[] = {{"⊙", EBB__SAY_SIGN_ELEMENTS},   {"1(", EBB__SAY_SIGN_TRUE}, {"Σ", EBB__SAY_SIGN_DIMS},
             {"keepdim", EBB__SAY_SIGN_DIMS}, {"←", EBB__SAY_SIGN_PUT},   {"sum_to_size", EBB__SAY_SIGN_SIZE}};
enum { SIGNS = sizeof signs / sizeof *signs };

/* Whether a text has a sign, which is no part of a name, as in expm1(x). */
static bool has_sign(const char *text, const char *sign) {
    for (const char *at = text; at && (at = strstr(at, sign)); at += strlen(sign))
        if (at == text || !isalnum((unsigned char)at[-1])) return true;
    return false;
}

const char *ebb__report_signs(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang) {
    bool used[EBB__N_PHRASES] = {false};
    const char *text = "";
    for (int64_t i = 0; i < r->n_steps; i++)
        for (int64_t k = 0; k < r->steps[i].n; k++) {
            const struct ebb__report_give *g = &r->steps[i].gives[k];
            for (int s = 0; s < SIGNS; s++)
                if (has_sign(g->formula.in[EBB__UNICODE], signs[s].sign) ||
                    has_sign(g->definitions.in[EBB__UNICODE], signs[s].sign))
                    used[signs[s].meaning] = true;
        }
    for (int s = 0; s < SIGNS && text; s++) {
        if (!used[signs[s].meaning]) continue;
        used[signs[s].meaning] = false;
        text = ebb__arena_print(a, "%s%s%s", text, text[0] ? ebb__phrase_of(a, lang, EBB__SAY_SEMICOLON) : "",
                                ebb__phrase_of(a, lang, signs[s].meaning));
    }
    if (r->second && text)
        text = ebb__arena_print(a, "%s%s%s", text, text[0] ? ebb__phrase_of(a, lang, EBB__SAY_SEMICOLON) : "",
                                ebb__phrase_of(a, lang, EBB__SAY_SIGN_SECOND, r->second, r->second_of));
    return text && text[0] ? ebb__phrase_of(a, lang, EBB__SAY_SIGNS, text) : "";
}

/* ---- what is not finite ---- */

/* "nan at [0, 1]", of the first element that is not finite; NULL when all are, or are not known. */
static const char *not_finite(struct ebb__arena *a, enum ebb_language lang, ebb_tensor *t) {
    int64_t n = t && ebb_dtype_is_floating(ebb_tensor_dtype(t)) ? ebb_tensor_numel(t) : 0, at = 0;
    double *data = n ? ebb_alloc((size_t)n * sizeof *data) : NULL;
    const char *number = NULL, *index = "";
    if (data && !(ebb_tensor_read)(t, EBB_F64, data)) {
        while (at < n && isfinite(data[at])) at++;
        if (at < n) number = isnan(data[at]) ? "nan" : data[at] < 0 ? "-inf" : "inf";
    }
    ebb_free(data, (size_t)n * sizeof *data);
    ebb_dims shape = t ? ebb_tensor_shape(t) : (ebb_dims){0};
    for (int d = shape.n - 1; d >= 0 && number && index; at /= shape.d[d], d--)
        index = ebb__arena_print(a, "%lld%s%s", (long long)(at % shape.d[d]), index[0] ? ", " : "", index);
    return !number || !shape.n ? number : ebb__phrase_of(a, lang, EBB__SAY_AT, number, index);
}

/* The first operation whose result is not finite although what it takes is. */
static const char *bad_value(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang) {
    for (int64_t i = 0; i < r->n_forward; i++) {
        const struct ebb__report_node *n = &r->nodes[r->forward[i]];
        for (int64_t k = 0; k < n->n_out; k++) {
            const char *what = not_finite(a, lang, n->out[k].value);
            bool before = false;
            for (int64_t in = 0; in < n->n_in && what && !before; in++)
                before = n->in[in].node >= 0 &&
                         not_finite(a, lang, ebb__report_of(r, n->in[in].node, n->in[in].output)->value);
            if (what && !before)
                return ebb__phrase_of(a, lang, EBB__SAY_VALUE_NOT_FINITE, n->out[k].name.in[EBB__UNICODE],
                                      n->text.in[EBB__UNICODE], what);
        }
    }
    return NULL;
}

/* The first gradient that is not although its rule's upstream gradients are. */
static const char *bad_slope(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang) {
    for (int64_t i = 0; i < r->n_steps; i++) {
        const struct ebb__report_step *s = &r->steps[i];
        for (int64_t k = 0; k < s->n; k++) {
            const char *what = not_finite(a, lang, s->gives[k].value);
            bool before = false;
            for (int64_t out = 0; out < r->nodes[s->node].n_out && what && !before; out++)
                before = not_finite(a, lang, s->upstream[out]) != NULL;
            if (what && !before)
                return ebb__phrase_of(a, lang, EBB__SAY_SLOPE_NOT_FINITE, s->gives[k].symbol.in[EBB__UNICODE], what);
        }
    }
    return NULL;
}

const char *ebb__report_not_finite(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang) {
    const char *sentences[] = {bad_value(a, r, lang), bad_slope(a, r, lang), NULL}, *text = "";
    if (!sentences[0] && !sentences[1]) return "";
    if (r->checked) sentences[2] = ebb__phrase_of(a, lang, EBB__SAY_CHECK_NOT_FINITE);
    for (int i = 0; i < 3 && text; i++)
        if (sentences[i]) text = ebb__arena_print(a, "%s%s%s", text, text[0] ? "\n" : "", sentences[i]);
    return text ? text : "";
}

const char *ebb__report_constant(struct ebb__arena *a, const struct ebb__report_node *n, enum ebb_language lang) {
    ebb_dtype dtype = n->out[0].dtype;
    if (n->kind != EBB__CONSTANT) return "";
    return ebb_dtype_is_floating(dtype) ? ebb__phrase_of(a, lang, EBB__SAY_CONSTANT)
                                        : ebb__phrase_of(a, lang, EBB__SAY_CONSTANT_WHOLE, ebb_dtype_name(dtype));
}

const char *ebb__report_part(struct ebb__arena *a, const struct ebb__report_node *n, enum ebb_language lang) {
    if (!n->part_of) return NULL;
    return ebb__phrase_of(a, lang, ebb__only_reshapes(n->op) ? EBB__SAY_INSERTED : EBB__SAY_PART,
                          ebb__op_called(n->part_of));
}

double ebb__report_worst(const struct ebb__report *r, bool *ret_ok) {
    double worst = 0;
    *ret_ok = true;
    for (int64_t i = 0; i < r->n_checks; i++) {
        *ret_ok = *ret_ok && (r->checks[i].ok || !r->checks[i].numeric);
        worst = ebb__worse(worst, r->checks[i].worst);
    }
    return worst;
}

bool ebb__report_any_check(const struct ebb__report *r) {
    for (int64_t i = 0; i < r->n_checks; i++)
        if (r->checks[i].numeric) return true;
    return false;
}

const char *ebb__report_hessian_verdict(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang,
                                        bool *ret_ok) {
    *ret_ok = r->hessian_checked && r->hessian_worst <= 10 * r->tolerance;
    if (!r->hessian_checked) return ebb__phrase_of(a, lang, EBB__SAY_CHECK_NOWHERE);
    return ebb__phrase_of(a, lang, *ret_ok ? EBB__SAY_HESSIAN_OK : EBB__SAY_HESSIAN_BAD,
                          ebb__arena_print(a, "%.1e", r->hessian_worst));
}

const char *ebb__report_tangents_verdict(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang,
                                         bool *ret_ok) {
    *ret_ok = r->tangents_checked && r->tangents_worst <= r->tolerance;
    if (!r->tangents_checked) return ebb__phrase_of(a, lang, EBB__SAY_CHECK_NOWHERE);
    const char *root = ebb__report_of(r, r->root, r->root_output)->name.in[EBB__UNICODE];
    return ebb__phrase_of(a, lang, *ret_ok ? EBB__SAY_TANGENTS_OK : EBB__SAY_TANGENTS_BAD, root ? root : "",
                          ebb__arena_print(a, "%.1e", r->tangents_worst));
}

const char *ebb__report_verdict(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang,
                                bool *ret_ok) {
    double worst = ebb__report_worst(r, ret_ok);
    if (!r->checked || !ebb__report_any_check(r))
        return ebb__phrase_of(a, lang, r->checked ? EBB__SAY_CHECK_NOWHERE : EBB__SAY_CHECK_NONE);
    return ebb__phrase_of(a, lang, *ret_ok ? EBB__SAY_CHECK_OK : EBB__SAY_CHECK_BAD, ebb__arena_print(a, "%.1e", worst),
                          ebb__arena_print(a, "%.0e", r->tolerance));
}

ebb_status ebb__report_write(const struct ebb__report *r, const ebb_explain_options *options) {
    static ebb_status (*const formats[])(const struct ebb__report *, const struct ebb__view *) = {
        [EBB_EXPLAIN_TEXT] = ebb__report_text,   [EBB_EXPLAIN_MARKDOWN] = ebb__report_markdown,
        [EBB_EXPLAIN_LATEX] = ebb__report_latex, [EBB_EXPLAIN_JSON] = ebb__report_json,
        [EBB_EXPLAIN_HTML] = ebb__report_page,   [EBB_EXPLAIN_DOT] = ebb__report_dot,
        [EBB_EXPLAIN_SVG] = ebb__report_svg,
    };
    const struct ebb__view view = {options->to ? options->to : stdout, options->lang,
                                   options->limit > 0 ? options->limit : LIMIT};
    size_t format = (size_t)options->format;
    if (format >= sizeof formats / sizeof *formats || !formats[format])
        return ebb__fail_said(EBB_ERR_ARGUMENT, "explain: there is no format of number %d", (int)options->format);
    ebb_status status = formats[format](r, &view);
    if (!status && ferror(view.to)) status = ebb__fail_said(EBB_ERR_IO, "explain: the output cannot be written");
    return status;
}
