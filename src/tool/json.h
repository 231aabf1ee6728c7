/* Writing JSON: objects and arrays in order, commas and indentation kept by the writer. */
#ifndef EBB_TOOL_JSON_H
#define EBB_TOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { EBB__JSON_MAX_DEPTH = 24 };

struct ebb__json {
    FILE *to;
    int depth;
    char close[EBB__JSON_MAX_DEPTH]; /* '}' or ']' of what is open */
    bool filled[EBB__JSON_MAX_DEPTH];
    int flat;     /* depth from which everything stays on one line, 0: none */
    bool in_html; /* no text may look like a tag */
};

/* In these, `key` is NULL inside arrays and at the top. `open` is '{', '[', or '(' for an array on one line. */
void ebb__json_open(struct ebb__json *j, const char *key, char open);
void ebb__json_close(struct ebb__json *j); /* what was opened last; a newline at the end of the top */
void ebb__json_text(struct ebb__json *j, const char *key, const char *text);
void ebb__json_number(struct ebb__json *j, const char *key, double value); /* 17 digits; null for NaN and infinities */
void ebb__json_int(struct ebb__json *j, const char *key, int64_t value);
void ebb__json_uint(struct ebb__json *j, const char *key, uint64_t value);
void ebb__json_bool(struct ebb__json *j, const char *key, bool value);
void ebb__json_null(struct ebb__json *j, const char *key);

#endif
