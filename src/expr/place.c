/* Errors that point at a place of the text. */
#include "expr/program.h"
#include "tool/said.h"
#include "tool/terminal.h"
#include <ebb/expr.h>

#include <stdarg.h>
#include <string.h>

static _Thread_local struct ebb__caret caret; /* of the thread's last failure */

enum { SHOWN = 80, TEXT = sizeof caret.line, MESSAGE = 400 };

void ebb__caret_forget(void) { caret.line[0] = '\0'; }

static bool starts_character(char c) { return ((unsigned char)c & 0xc0) != 0x80; }

/* The columns that some bytes take on a terminal. */
static int columns(const char *text, int32_t n) {
    char part[TEXT];
    (void)snprintf(part, sizeof part, "%.*s", (int)n, text);
    return ebb__columns(part);
}

static int characters(const char *text, int32_t n) {
    int count = 0;
    for (int32_t i = 0; i < n; i++) count += starts_character(text[i]);
    return count;
}

/* Keep the line round a place; of a long one the SHOWN bytes or so that have the place in their middle. */
static void keep(const char *text, int32_t start, int32_t stop, struct ebb__place place) {
    int32_t end = place.end < stop ? place.end : stop, from = start, to = stop;
    if (to - from > SHOWN) {
        from = place.at - SHOWN / 2 > start ? place.at - SHOWN / 2 : start;
        to = from + SHOWN < stop ? from + SHOWN : stop;
        if (end > to) end = to;
        while (from < to && !starts_character(text[from])) from++;
        while (to < stop && !starts_character(text[to])) to++;
    }
    const char *left = from > start ? "… " : "", *right = to < stop ? " …" : "";
    (void)snprintf(caret.line, sizeof caret.line, "%s%.*s%s", left, (int)(to - from), text + from, right);
    for (char *c = caret.line; *c; c++)
        if (*c == '\t' || *c == '\r') *c = ' ';
    caret.before = (left[0] ? 2 : 0) + columns(text + from, place.at - from);
    caret.length = columns(text + place.at, end - place.at);
    if (caret.length < 1) caret.length = 1;
}

void ebb__caret_put(const char *text, struct ebb__place place) { keep(text, 0, (int32_t)strlen(text), place); }

static EBB_PRINTF(4, 0) ebb_status
    fail(const char *text, struct ebb__place place, ebb_status status, const char *format, va_list arguments) {
    char message[MESSAGE], line_text[48] = "";
    int line = 1;
    int32_t start = 0, stop;
    for (int32_t i = 0; i < place.at; i++)
        if (text[i] == '\n') {
            line++;
            start = i + 1;
        }
    stop = start + (int32_t)strcspn(text + start, "\n");
    (void)vsnprintf(message, sizeof message, ebb__said(format), arguments);
    if (line > 1 || text[stop]) (void)snprintf(line_text, sizeof line_text, ebb__said("line %d, "), line);
    keep(text, start, stop, place);
    return ebb__fail_said(status, "%scolumn %d: %s", line_text, characters(text + start, place.at - start) + 1,
                          message);
}

ebb_status ebb__fail_at(const char *text, struct ebb__place place, ebb_status status, const char *format, ...) {
    va_list arguments;
    if (ebb_error()) return ebb_error_status();
    va_start(arguments, format);
    (void)fail(text, place, status, format, arguments);
    va_end(arguments);
    return status;
}

ebb_status ebb__fail_here(const char *text, struct ebb__place place, const char *called) {
    char op[64], message[MESSAGE];
    const ebb_error_info *e = ebb_error();
    if (!e) return ebb__fail_at(text, place, EBB_ERR_ARGUMENT, "nothing came out of this call");
    (void)ebb__say_error(called);
    e = ebb_error();
    ebb_status status = e->status;
    (void)snprintf(op, sizeof op, "%s", called && e->op[0] ? called : e->op);
    (void)snprintf(message, sizeof message, "%s", e->message);
    ebb_clear_error();
    return ebb__fail_at(text, place, status, "%s%s%s", op, op[0] ? ": " : "", message);
}

void ebb__error_hold(struct ebb__held_error *error, struct ebb__arena *a) {
    const ebb_error_info *e = ebb_error();
    *error = (struct ebb__held_error){.status = EBB_OK};
    if (!e || e->status == EBB_ERR_MEMORY) return;
    error->message = ebb__arena_copy(a, e->message, strlen(e->message));
    if (!error->message) return;
    error->status = e->status;
    error->said = ebb__is_said();
    error->caret = caret;
    ebb_clear_error();
}

ebb_status ebb__error_return(const struct ebb__held_error *error) {
    if (!error->status || ebb_error()) return ebb_error_status();
    caret = error->caret;
    (void)ebb_fail(error->status, "%s", error->message);
    if (error->said) ebb__as_said();
    return error->status;
}

size_t ebb_eval_caret(char *ret_text, size_t size) {
    if (!caret.line[0]) {
        if (size) ret_text[0] = '\0';
        return 0;
    }
    char blanks[TEXT], carets[TEXT];
    int before = caret.before < TEXT - 1 ? caret.before : TEXT - 1,
        n = caret.length < TEXT - 1 ? caret.length : TEXT - 1;
    memset(blanks, ' ', (size_t)before);
    memset(carets, '^', (size_t)n);
    int length = snprintf(ret_text, size, "%s\n%.*s%.*s", caret.line, before, blanks, n, carets);
    return length > 0 ? (size_t)length : 0;
}
