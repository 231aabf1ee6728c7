/* Memory for the tools: blocks that are freed all at once, arrays and texts that grow. All of it comes from
 * ebb_alloc. */
#ifndef EBB_TOOL_MEMORY_H
#define EBB_TOOL_MEMORY_H

#include <ebb/base.h>

/* ---- blocks that are freed all at once ---- */

struct ebb__chunk;
struct ebb__arena { /* all zero: empty */
    struct ebb__chunk *chunks;
};

/* `bytes` zeros, aligned for anything; NULL and an error when out of memory. */
void *ebb__arena_get(struct ebb__arena *a, size_t bytes);
char *ebb__arena_copy(struct ebb__arena *a, const char *text, size_t n); /* n bytes, and a 0 behind them */
char *ebb__arena_print(struct ebb__arena *a, const char *format, ...) EBB_PRINTF(2, 3);
void ebb__arena_free(struct ebb__arena *a);

/* ---- arrays that grow ---- */

/* Room for `n` elements of `size` bytes in the array that `array` points to, which has room for *room; what is new is
 * zero. False, and an error, when out of memory: the array is as it was. */
bool ebb__array_grow(void *array, int64_t *room, int64_t n, size_t size);
void ebb__array_free(void *array, int64_t room, size_t size);

/* ---- texts that grow ---- */

struct ebb__text { /* all zero: empty */
    char *bytes;   /* ended by a 0; NULL while empty */
    int64_t n, room;
    bool failed; /* something did not fit in memory and is missing; the error is set */
};

void ebb__text_put(struct ebb__text *t, const char *format, ...) EBB_PRINTF(2, 3);
void ebb__text_add(struct ebb__text *t, const char *bytes, size_t n);
void ebb__text_cut(struct ebb__text *t, int64_t n); /* keep the first n bytes */
void ebb__text_free(struct ebb__text *t);

/* The text, "" while it is empty. */
static inline const char *ebb__text_of(const struct ebb__text *t) { return t->bytes ? t->bytes : ""; }

#endif
