/* Writing JSON: objects and arrays in order, commas and indentation kept by the writer. */
#ifndef EBB_CLI_JSON_H
#define EBB_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_MAX_DEPTH = 24 };

struct json {
    FILE *to;
    int depth;
    char close[JSON_MAX_DEPTH]; /* '}' or ']' of what is open */
    bool filled[JSON_MAX_DEPTH];
    int flat; /* depth from which everything stays on one line, 0: none */
};

/* In these, `key` is NULL inside arrays and at the top. `open` is '{', '[', or '(' for an array on one line. */
void json_open(struct json *j, const char *key, char open);
void json_close(struct json *j); /* what was opened last; a newline at the end of the top */
void json_text(struct json *j, const char *key, const char *text);
void json_number(struct json *j, const char *key, double value); /* 17 digits; null for NaN and infinities */
void json_int(struct json *j, const char *key, int64_t value);
void json_uint(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);

#endif
