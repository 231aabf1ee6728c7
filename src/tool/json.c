/* Writing JSON. */
#include "tool/json.h"

#include <inttypes.h>
#include <math.h>

static void quoted(FILE *to, const char *text, bool in_html) {
    (void)fputc('"', to);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') (void)fprintf(to, "\\%c", c);
        else if (c < ' ' || (c == '<' && in_html)) (void)fprintf(to, "\\u%04x", (unsigned)c);
        else (void)fputc(c, to);
    }
    (void)fputc('"', to);
}

/* The comma, line break and key before a value. */
static void lead(struct ebb__json *j, const char *key) {
    if (j->depth) {
        if (j->filled[j->depth - 1]) (void)fputs(j->flat ? ", " : ",", j->to);
        j->filled[j->depth - 1] = true;
        if (!j->flat) (void)fprintf(j->to, "\n%*s", 2 * j->depth, "");
    }
    if (key) {
        quoted(j->to, key, j->in_html);
        (void)fputs(": ", j->to);
    }
}

void ebb__json_open(struct ebb__json *j, const char *key, char open) {
    lead(j, key);
    (void)fputc(open == '{' ? '{' : '[', j->to);
    if (j->depth == EBB__JSON_MAX_DEPTH) return;
    j->close[j->depth] = open == '{' ? '}' : ']';
    j->filled[j->depth++] = false;
    if (open == '(' && !j->flat) j->flat = j->depth;
}

void ebb__json_close(struct ebb__json *j) {
    if (!j->depth) return;
    bool flat = j->flat != 0;
    if (j->flat == j->depth) j->flat = 0;
    j->depth--;
    if (!flat && j->filled[j->depth]) (void)fprintf(j->to, "\n%*s", 2 * j->depth, "");
    (void)fputc(j->close[j->depth], j->to);
    if (!j->depth) (void)fputc('\n', j->to);
}

void ebb__json_text(struct ebb__json *j, const char *key, const char *text) {
    lead(j, key);
    quoted(j->to, text, j->in_html);
}

void ebb__json_number(struct ebb__json *j, const char *key, double value) {
    lead(j, key);
    if (isfinite(value)) (void)fprintf(j->to, "%.17g", value);
    else (void)fputs("null", j->to);
}

void ebb__json_int(struct ebb__json *j, const char *key, int64_t value) {
    lead(j, key);
    (void)fprintf(j->to, "%" PRId64, value);
}

void ebb__json_uint(struct ebb__json *j, const char *key, uint64_t value) {
    lead(j, key);
    (void)fprintf(j->to, "%" PRIu64, value);
}

void ebb__json_bool(struct ebb__json *j, const char *key, bool value) {
    lead(j, key);
    (void)fputs(value ? "true" : "false", j->to);
}

void ebb__json_null(struct ebb__json *j, const char *key) {
    lead(j, key);
    (void)fputs("null", j->to);
}
