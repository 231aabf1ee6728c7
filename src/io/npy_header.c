/* The header of a .npy file, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }": read strictly, as the few
 * Python literals that it may be, and written as NumPy writes it. */
#include "io/npy.h"
#include <string.h>

enum { MAGIC = 6, LENGTH_MAX = 65535 };
static const char magic[] = "\x93NUMPY";

/* ---- Python literals ---- */

struct cursor {
    const char *at, *end;
};

static void skip_blanks(struct cursor *c) {
    while (c->at < c->end && memchr(" \t\r\n\f", *c->at, 5)) c->at++;
}

static bool take(struct cursor *c, const char *word) {
    size_t n = strlen(word);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

/* 'text' or "text", without escapes. */
static bool take_string(struct cursor *c, struct cursor *ret_text) {
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    const char *start = c->at + 1, *end = memchr(start, *c->at, (size_t)(c->end - start));
    if (!end || memchr(start, '\\', (size_t)(end - start))) return false;
    *ret_text = (struct cursor){start, end};
    c->at = end + 1;
    return true;
}

/* A list, whatever it holds: to the bracket that closes it. */
static bool skip_list(struct cursor *c) {
    struct cursor text;
    if (!take(c, "[")) return false;
    for (int64_t depth = 1; depth > 0;) {
        if (c->at == c->end) return false;
        if (*c->at == '\'' || *c->at == '"') {
            if (!take_string(c, &text)) return false;
            continue;
        }
        depth += (*c->at == '[') - (*c->at == ']');
        c->at++;
    }
    return true;
}

static bool take_size(struct cursor *c, int64_t *ret_size) {
    skip_blanks(c);
    const char *start = c->at;
    int64_t n = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        int digit = *c->at - '0';
        if (n > (INT64_MAX - digit) / 10) return false;
        n = n * 10 + digit;
    }
    *ret_size = n;
    if (c->at == start) return false;
    if (c->at < c->end && *c->at == 'L') c->at++; /* Python 2 */
    return true;
}

/* ---- the three entries ---- */

static bool is(const struct cursor *text, const char *word) {
    size_t n = strlen(word);
    return (size_t)(text->end - text->at) == n && memcmp(text->at, word, n) == 0;
}

static void no_tensor(struct ebb__npy *npy, const char *type, ptrdiff_t n) {
    (void)snprintf(npy->problem, sizeof npy->problem, "holds elements of type '%.*s', which Ebb does not have",
                   n < 40 ? (int)n : 40, type);
}

/* "<f4": the order of bytes, the kind, and the size. What NumPy knows and Ebb does not is no damage. */
static bool read_descr(struct cursor *c, struct ebb__npy *npy) {
    struct cursor text;
    skip_blanks(c);
    const char *start = c->at;
    if (!take_string(c, &text)) { /* a structure: a list of fields */
        if (!skip_list(c)) return false;
        no_tensor(npy, start, c->at - start);
        return true;
    }
    const char *at = text.at;
    char order = at < text.end && memchr("<>|=", *at, 4) ? *at++ : '=';
    npy->element.big = order == '>' || (order != '<' && ebb__big_endian());
    if (text.end - at == 2 && at[1] >= '1' && at[1] <= '8') {
        npy->element.kind = at[0];
        npy->element.size = (unsigned char)(at[1] - '0');
    }
    if (!ebb__element_dtype(npy->element)) no_tensor(npy, text.at, text.end - text.at);
    return true;
}

static bool read_order(struct cursor *c, struct ebb__npy *npy) {
    npy->fortran = take(c, "True");
    return npy->fortran || take(c, "False");
}

/* "()", "(3,)", "(2, 3)". */
static bool read_shape(struct cursor *c, struct ebb__npy *npy) {
    int64_t n = 0, size;
    bool comma = false, closed;
    if (!take(c, "(")) return false;
    while (!(closed = take(c, ")")) && (n == 0 || comma)) {
        if (!take_size(c, &size)) return false;
        if (n < EBB_MAX_NDIM) npy->shape.d[n] = size;
        n++;
        comma = take(c, ",");
    }
    if (!closed || (n == 1 && !comma)) return false; /* "(3)" is a number */
    npy->shape.n = n < EBB_MAX_NDIM ? (int32_t)n : EBB_MAX_NDIM;
    if (n > EBB_MAX_NDIM)
        (void)snprintf(npy->problem, sizeof npy->problem, "has %lld dimensions; at most %d are possible", (long long)n,
                       EBB_MAX_NDIM);
    return true;
}

static bool read_dictionary(struct cursor *c, struct ebb__npy *npy) {
    static const struct {
        const char *key;
        bool (*read)(struct cursor *c, struct ebb__npy *npy);
    } entries[] = {{"descr", read_descr}, {"fortran_order", read_order}, {"shape", read_shape}};
    enum { ENTRIES = sizeof entries / sizeof *entries };
    unsigned seen = 0;
    bool comma = true, closed;
    if (!take(c, "{")) return false;
    while (!(closed = take(c, "}")) && comma) {
        struct cursor key;
        int i = 0;
        if (!take_string(c, &key) || !take(c, ":")) return false;
        while (i < ENTRIES && !is(&key, entries[i].key)) i++;
        if (i == ENTRIES || (seen & 1U << i) || !entries[i].read(c, npy)) return false;
        seen |= 1U << i;
        comma = take(c, ",");
    }
    skip_blanks(c);
    return closed && c->at == c->end && seen == (1U << ENTRIES) - 1;
}

/* ---- reading ---- */

static ebb_status read_text(struct ebb__source *s, struct ebb__npy *npy, size_t length) {
    char *text = ebb_alloc(length);
    if (!text) return ebb_error_status();
    ebb_status status = ebb__source_read(s, text, length, "header");
    struct cursor c = {text, text + length};
    if (!status && !read_dictionary(&c, npy))
        status = ebb_fail(EBB_ERR_FORMAT, "%s: its header is damaged: \"%.*s\"", s->name,
                          length < 200 ? (int)length : 200, text);
    ebb_free(text, length);
    return status;
}

ebb_status ebb__npy_read_header(struct ebb__source *s, struct ebb__npy *ret_npy) {
    unsigned char start[MAGIC + 2], length[4] = {0};
    *ret_npy = (struct ebb__npy){0};
    ebb_status status = ebb__source_read(s, start, sizeof start, "magic number");
    if (status) return status;
    ret_npy->foreign = memcmp(start, magic, MAGIC) != 0;
    if (ret_npy->foreign) return EBB_OK;
    if (start[MAGIC] < 1 || start[MAGIC] > 3 || start[MAGIC + 1] != 0) {
        (void)snprintf(ret_npy->problem, sizeof ret_npy->problem, "is of version %d.%d; 1.0 to 3.0 are known",
                       start[MAGIC], start[MAGIC + 1]);
        return EBB_OK;
    }
    size_t bytes = start[MAGIC] == 1 ? 2 : 4, n = 0;
    if ((status = ebb__source_read(s, length, bytes, "header"))) return status;
    for (int i = 3; i >= 0; i--) n = n << 8 | length[i];
    if (n > LENGTH_MAX) { /* only structures of many fields need as much */
        (void)snprintf(ret_npy->problem, sizeof ret_npy->problem, "has a header of %zu bytes; at most %d are read", n,
                       LENGTH_MAX);
        return EBB_OK;
    }
    if ((status = read_text(s, ret_npy, n)) || ret_npy->problem[0]) return status;
    size_t size = ret_npy->element.size;
    if (!ebb__elements_count(&ret_npy->shape, (uint64_t)INT64_MAX / size / 2, &ret_npy->count))
        return ebb_fail(EBB_ERR_FORMAT, "%s: the shape is larger than any file", s->name);
    ret_npy->bytes = sizeof start + bytes + n + ret_npy->count * size;
    return EBB_OK;
}

/* ---- writing ---- */

size_t ebb__npy_header(const ebb_tensor *t, char ret_header[EBB__NPY_HEADER_MAX]) {
    enum { START = MAGIC + 4, ALIGNMENT = 64, GROWTH = 21 };
    struct ebb__element e = ebb__element_of(ebb_tensor_dtype(t));
    ebb_dims shape = ebb_tensor_shape(t);
    char *text = ret_header + START;
    size_t room = EBB__NPY_HEADER_MAX - START, first = 0;
    memcpy(ret_header, magic, MAGIC);
    memcpy(ret_header + MAGIC, "\1", 2);
    char order = e.size == 1 ? '|' : e.big ? '>' : '<';
    size_t n =
        (size_t)snprintf(text, room, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (", order, e.kind, e.size);
    for (int i = 0; i < shape.n; i++) {
        size_t before = n;
        n += (size_t)snprintf(text + n, room - n, "%lld", (long long)shape.d[i]);
        if (i == 0) first = n - before;
        n += (size_t)snprintf(text + n, room - n, "%s", shape.n == 1 ? "," : i + 1 < shape.n ? ", " : "");
    }
    n += (size_t)snprintf(text + n, room - n, "), }");
    /* Room for the first size to grow in place, then up to where the elements are aligned. */
    size_t blanks = shape.n ? GROWTH - first : 0;
    blanks += ALIGNMENT - (START + n + blanks + 1) % ALIGNMENT;
    memset(text + n, ' ', blanks);
    n += blanks;
    text[n++] = '\n';
    ret_header[MAGIC + 2] = (char)(n & 255);
    ret_header[MAGIC + 3] = (char)(n >> 8);
    return START + n;
}
