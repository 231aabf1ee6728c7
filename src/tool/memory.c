/* Blocks that are freed all at once, arrays and texts that grow. */
#include "tool/memory.h"

#include <stdarg.h>
#include <string.h>

/* ---- blocks that are freed all at once ---- */

enum { CHUNK = 4096, ALIGNMENT = 16 };

struct ebb__chunk {
    struct ebb__chunk *next;
    size_t size, used; /* of the whole block */
};

static size_t aligned(size_t n) { return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static const size_t header = (sizeof(struct ebb__chunk) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

void *ebb__arena_get(struct ebb__arena *a, size_t bytes) {
    struct ebb__chunk *c = a->chunks;
    size_t needed = aligned(bytes ? bytes : 1);
    if (!c || c->size - c->used < needed) {
        size_t size = header + needed > CHUNK ? header + needed : CHUNK;
        if (!(c = ebb_alloc(size))) return NULL;
        *c = (struct ebb__chunk){a->chunks, size, header};
        a->chunks = c;
    }
    void *block = (char *)c + c->used;
    c->used += needed;
    memset(block, 0, needed);
    return block;
}

char *ebb__arena_copy(struct ebb__arena *a, const char *text, size_t n) {
    char *copy = ebb__arena_get(a, n + 1);
    if (copy && n) memcpy(copy, text, n);
    return copy;
}

char *ebb__arena_print(struct ebb__arena *a, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = ebb__arena_get(a, n > 0 ? (size_t)n + 1 : 1);
    if (!text || n <= 0) return text;
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)n + 1, format, arguments);
    va_end(arguments);
    return text;
}

void ebb__arena_free(struct ebb__arena *a) {
    while (a->chunks) {
        struct ebb__chunk *c = a->chunks;
        a->chunks = c->next;
        ebb_free(c, c->size);
    }
}

/* ---- arrays that grow ---- */

bool ebb__array_grow(void *array, int64_t *room, int64_t n, size_t size) {
    if (n <= *room) return true;
    int64_t more = *room < 8 ? 16 : 2 * *room;
    if (more < n) more = n;
    char *before, *after = ebb_alloc((size_t)more * size);
    if (!after) return false;
    memcpy(&before, array, sizeof before);
    if (*room) memcpy(after, before, (size_t)*room * size);
    memset(after + (size_t)*room * size, 0, (size_t)(more - *room) * size);
    ebb_free(before, (size_t)*room * size);
    memcpy(array, &after, sizeof after);
    *room = more;
    return true;
}

void ebb__array_free(void *array, int64_t room, size_t size) { ebb_free(array, (size_t)room * size); }

/* ---- texts that grow ---- */

static bool make_room(struct ebb__text *t, size_t n) {
    if (!ebb__array_grow(&t->bytes, &t->room, t->n + (int64_t)n + 1, 1)) t->failed = true;
    return !t->failed;
}

void ebb__text_add(struct ebb__text *t, const char *bytes, size_t n) {
    if (!n || t->failed || !make_room(t, n)) return;
    memcpy(t->bytes + t->n, bytes, n);
    t->n += (int64_t)n;
    t->bytes[t->n] = '\0';
}

void ebb__text_put(struct ebb__text *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n <= 0 || t->failed || !make_room(t, (size_t)n)) return;
    va_start(arguments, format);
    (void)vsnprintf(t->bytes + t->n, (size_t)n + 1, format, arguments);
    va_end(arguments);
    t->n += n;
}

void ebb__text_cut(struct ebb__text *t, int64_t n) {
    if (n >= t->n) return;
    t->n = n;
    t->bytes[n] = '\0';
}

void ebb__text_free(struct ebb__text *t) {
    ebb__array_free(t->bytes, t->room, 1);
    *t = (struct ebb__text){0};
}
