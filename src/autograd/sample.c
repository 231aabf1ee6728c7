/* Samples: an operator's inputs and attributes from one line of text. The grammar is in ebb/opdef.h. */
#include "record/call.h"
#include <stdlib.h>
#include <string.h>

#define WORD 256 /* bytes of a word, with its end */

struct parse {
    struct ebb_sample s;
    size_t capacity; /* of s.in */
    ebb_dtype dtype;
    uint64_t seed;
    uint32_t set;  /* attributes that were given */
    int input;     /* which declared input is next */
    bool in_list;  /* that is a list, of which one entry is next */
    int64_t *room; /* for attributes that are lists */
};

static ebb_status bad(const struct parse *p, const char *word, const char *why) {
    return ebb__fail_op(p->s.op->name, EBB_ERR_FORMAT, "in a sample, \"%s\": %s", word, why);
}

/* The next word, up to a blank outside of brackets; its length, 0 at the end of the text, -1 when it is too long or its
 * brackets do not close. *text moves past it. */
static int next_word(const char **text, char ret_word[WORD]) {
    const char *from = *text + strspn(*text, " "), *to = from;
    int depth = 0;
    for (; *to && (depth || *to != ' '); to++) {
        if (*to == '(' || *to == '[') depth++;
        else if (*to == ')' || *to == ']') depth--;
    }
    size_t n = (size_t)(to - from), kept = n < WORD ? n : WORD - 1;
    memcpy(ret_word, from, kept);
    ret_word[kept] = 0;
    *text = to;
    return depth || kept < n ? -1 : (int)n;
}

/* ---- values ---- */

static int64_t common_divisor(int64_t a, int64_t b) {
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* Element i of n: the numbers 0 … n − 1 in another order, a multiplication modulo n. */
struct order {
    int64_t n, step, first;
};

static struct order order_of(int64_t n, const uint32_t random[4], int64_t input) {
    struct order o = {n, n * 5 / 8 + 1 + input, n ? random[3] % n : 0};
    while (n && common_divisor(o.step, n) != 1) o.step++;
    return o;
}

static int64_t place(const struct order *o, int64_t i) { return (o->first + i * (o->step % o->n)) % o->n; }

/* A number of the domain: one from each of n equal pieces, off their borders, and not near 0. */
static double real_value(const struct ebb_op *op, const struct order *o, int64_t i, const uint32_t random[4]) {
    bool given = op->domain[0] != 0 || op->domain[1] != 0;
    double low = given ? op->domain[0] : -2, high = given ? op->domain[1] : 2;
    double u = ((double)place(o, i) + 0.1 + 0.8 * random[0] / 4294967296.0) / (double)o->n;
    double x = low + (high - low) * u;
    if (low < 0 && high > 0) {
        double side = x < 0 ? low : high;
        x = side / 20 + x * 0.95;
    }
    return (double)(float)x;
}

/* A whole number of the domain. */
static double whole_value(const struct ebb_op *op, ebb_dtype dtype, const uint32_t random[4]) {
    bool given = op->domain[0] != 0 || op->domain[1] != 0;
    int64_t low = given ? (int64_t)op->domain[0] : -2, high = given ? (int64_t)op->domain[1] : 2;
    if (dtype == EBB_U8 && low < 0) low = 0;
    int64_t x = low + (int64_t)(random[1] % (uint64_t)(high - low + 1));
    return (double)(x ? x : high);
}

/* `below` > 0: integers from 0 to below − 1. */
static ebb_tensor *make_tensor(const struct parse *p, ebb_dtype dtype, const ebb_dims *shape, int64_t below) {
    ebb_tensor *t = ebb__tensor_new(dtype, shape->n, shape->d);
    if (!t) return NULL;
    uint32_t random[4];
    uint64_t stream = (uint64_t)p->s.n_in << 40;
    ebb__philox(p->seed, stream, random);
    struct order o = order_of(t->numel, random, p->s.n_in);
    for (int64_t i = 0; i < t->numel; i++) {
        double x;
        ebb__philox(p->seed, stream + 1 + (uint64_t)i, random);
        if (below > 0) x = (double)((int64_t)random[2] % below);
        else if (dtype == EBB_BOOL) x = random[2] & 1;
        else if (ebb_dtype_is_floating(dtype)) x = real_value(p->s.op, &o, i, random);
        else x = whole_value(p->s.op, dtype, random);
        ebb__store(t->data + i * (int64_t)ebb__dtype_sizes[dtype], dtype, x);
    }
    return t;
}

enum matrix { NO_MATRIX, WELL_CONDITIONED, SYMMETRIC, POSITIVE_DEFINITE, MATRICES };
static const char *const matrix_words[MATRICES] = {NULL, "wc", "sym", "spd"};

/* Diagonals of 1, 1.5, 2, … that outweigh the rest: a twentieth of the values, or of their mean with the mirrored one.
 * Symmetric ones that need not be positive alternate in sign. */
static ebb_tensor *make_matrix(const struct parse *p, const ebb_dims *shape, enum matrix kind) {
    ebb_tensor *t = make_tensor(p, p->dtype, shape, 0);
    int64_t rows = shape->d[shape->n - 2], columns = shape->d[shape->n - 1], size = ebb__dtype_sizes[p->dtype];
    for (int64_t at = 0; t && at < t->numel; at += rows * columns) {
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < columns; j++) {
                char *here = t->data + (at + i * columns + j) * size;
                double x = 0.05 * ebb__load(here, p->dtype);
                if (kind != WELL_CONDITIONED && j < i) x = ebb__load(t->data + (at + j * columns + i) * size, p->dtype);
                if (i == j) x += (kind == SYMMETRIC && i % 2 ? -1 : 1) * (1 + 0.5 * (double)i);
                ebb__store(here, p->dtype, (double)(float)x);
            }
        }
    }
    return t;
}

/* ---- inputs ---- */

static enum ebb_input_kind kind_of(const struct parse *p) {
    const struct ebb_op *op = p->s.op;
    return op->in[p->input].kind;
}

static bool is_optional(const struct parse *p) {
    enum ebb_input_kind kind = kind_of(p);
    return kind == EBB_INPUT_OPTIONAL || kind == EBB_INPUT_OPTIONAL_NUMBER || kind == EBB_INPUT_OPTIONAL_LIST;
}

/* A number, of the kind its text shows. */
static ebb_tensor *make_number(const char *word) {
    char *end;
    ebb_tensor *t;
    if (word[strcspn(word, ".einfa")]) t = ebb_number_f64(strtod(word, &end));
    else t = ebb_number_i64(strtoll(word, &end, 10));
    return ebb_keep(t);
}

static bool is_number(const char *word) {
    char *end;
    (void)strtod(word, &end);
    return end != word && !*end;
}

/* What stands before the shape: the dtype, and a bound for "iN"; or a kind of matrix. */
static bool read_prefix(const struct parse *p, const char *word, size_t n, ebb_dtype *ret_dtype, int64_t *ret_below,
                        enum matrix *ret_matrix) {
    char prefix[16], *end;
    if (n >= sizeof prefix) return false;
    memcpy(prefix, word, n);
    prefix[n] = 0;
    *ret_below = 0;
    *ret_dtype = p->dtype;
    *ret_matrix = NO_MATRIX;
    if (n == 0) return true;
    for (int kind = NO_MATRIX + 1; kind < MATRICES; kind++) {
        if (strcmp(prefix, matrix_words[kind]) != 0) continue;
        *ret_matrix = (enum matrix)kind;
        return true;
    }
    if (prefix[0] == 'i' && prefix[1] >= '0' && prefix[1] <= '9') {
        *ret_dtype = EBB_I64;
        *ret_below = strtoll(prefix + 1, &end, 10);
        return !*end && *ret_below > 0;
    }
    *ret_dtype = strcmp(prefix, "b") == 0 ? EBB_BOOL : ebb_dtype_from_name(prefix);
    return *ret_dtype != EBB_DTYPE_NONE;
}

static ebb_status add_input(struct parse *p, ebb_tensor *t) {
    void *in = p->s.in;
    bool ok = ebb__grow(&in, &p->capacity, (size_t)p->s.n_in + 1, sizeof *p->s.in);
    p->s.in = in;
    if (!ok) {
        ebb__unref(t);
        return ebb_error_status();
    }
    p->s.in[p->s.n_in++] = t;
    if (!p->in_list) p->input++;
    return EBB_OK;
}

static ebb_status read_input(struct parse *p, const char *word) {
    const struct ebb_op *op = p->s.op;
    if (p->input >= op->n_in) return bad(p, word, "the operator has no such input");
    if (ebb__is_list(kind_of(p)) != p->in_list) return bad(p, word, "expected a list, as [(2,3) (1,3)]");
    ebb_tensor *t = NULL;
    if (strcmp(word, "none") == 0) {
        if (!is_optional(p)) return bad(p, word, "this input is not optional");
        return add_input(p, NULL);
    }
    if (is_number(word)) {
        if (kind_of(p) != EBB_INPUT_NUMBER && kind_of(p) != EBB_INPUT_OPTIONAL_NUMBER)
            return bad(p, word, "this input may not be a number");
        t = make_number(word);
    } else {
        ebb_dims shape;
        ebb_dtype dtype;
        int64_t below;
        enum matrix matrix;
        const char *at = strchr(word, '(');
        if (!at || !ebb__dims_from_text(at, false, &shape)) return bad(p, word, "expected a shape, as (2,3)");
        if (!read_prefix(p, word, (size_t)(at - word), &dtype, &below, &matrix))
            return bad(p, word, "before a shape stand i and a number, b, a dtype's name, wc, sym, spd, or nothing");
        if (matrix && (shape.n < 2 || (matrix > WELL_CONDITIONED && shape.d[shape.n - 1] != shape.d[shape.n - 2])))
            return bad(p, word, "a matrix has two dimensions, equal ones when it is symmetric");
        if (matrix && p->s.n_in < 32) p->s.matrices |= 1u << p->s.n_in;
        if (matrix > WELL_CONDITIONED && p->s.n_in < 32) p->s.symmetric |= 1u << p->s.n_in;
        t = matrix ? make_matrix(p, &shape, matrix) : make_tensor(p, dtype, &shape, below);
    }
    return t ? add_input(p, t) : ebb_error_status();
}

static ebb_status read_list(struct parse *p, char *word) {
    char inner[WORD];
    size_t n = strlen(word);
    if (p->input >= p->s.op->n_in || !ebb__is_list(kind_of(p))) return bad(p, word, "the operator takes no list here");
    if (word[n - 1] != ']') return bad(p, word, "expected [(2,3) (1,3)]");
    word[n - 1] = 0;
    const char *text = word + 1;
    ebb_status status = EBB_OK;
    p->in_list = true;
    while (!status && next_word(&text, inner) > 0) status = read_input(p, inner);
    p->in_list = false;
    p->input++;
    return status;
}

/* `kept` is the word in the sample's own copy of the text. */
static ebb_status read_attribute(struct parse *p, char *word, char *kept) {
    const struct ebb_op *op = p->s.op;
    char *equals = strchr(word, '=');
    kept[strlen(word)] = 0;
    *equals = 0;
    ebb_status status = ebb__attr_set(op, p->s.attrs, word, kept + (equals - word) + 1, &p->room);
    for (int i = 0; i < op->n_attrs && !status; i++)
        if (strcmp(op->attrs[i].name, word) == 0) p->set |= 1u << i;
    return status;
}

/* ---- the whole ---- */

/* Absent inputs and attributes: only those that may be. */
static ebb_status complete(struct parse *p, const char *text) {
    const struct ebb_op *op = p->s.op;
    ebb_status status = EBB_OK;
    while (p->input < op->n_in && !status) {
        if (!is_optional(p)) return bad(p, text, "an input is missing");
        if (ebb__is_list(kind_of(p))) p->input++; /* no entries */
        else status = add_input(p, NULL);
    }
    for (int i = 0; i < op->n_attrs && !status; i++)
        if (!(p->set & 1u << i) && !ebb__attr_default(&op->attrs[i], p->s.attrs))
            status =
                ebb__fail_op(op->name, EBB_ERR_FORMAT, "in a sample, \"%s\": %s is missing", text, op->attrs[i].name);
    return status;
}

static ebb_status parse(struct parse *p, const char *text) {
    const char *rest = text + strspn(text, " ");
    char word[WORD];
    ebb_status status = EBB_OK;
    int n = 0;
    p->s.must_fail = *rest == '!';
    if (p->s.must_fail) rest++;
    if (p->s.op->attrs_size && !(p->s.attrs = ebb__alloc_zeroed(p->s.op->attrs_size))) return ebb_error_status();
    size_t length = strlen(text) + 1, at = (length + 7) / 8 * 8; /* lists of numbers lie behind the text */
    p->s.text_bytes = at + 8 * (size_t)EBB__LIST_ROOM(length);
    if (!(p->s.text = ebb__alloc(p->s.text_bytes))) return ebb_error_status();
    memcpy(p->s.text, text, length);
    p->room = (int64_t *)(void *)(p->s.text + at);
    while (!status && (n = next_word(&rest, word)) > 0) {
        if (word[0] == '[') status = read_list(p, word);
        else if (strchr(word, '=')) status = read_attribute(p, word, p->s.text + (rest - n - text));
        else status = read_input(p, word);
    }
    if (n < 0) status = bad(p, word, "its brackets do not close, or it is too long");
    return status ? status : complete(p, text);
}

static void release(struct ebb_sample *s, size_t capacity) {
    for (int64_t i = 0; i < s->n_in; i++) ebb__unref(s->in[i]);
    ebb__free(s->in, capacity * sizeof *s->in);
    ebb__free(s->attrs, s->op ? s->op->attrs_size : 0);
    ebb__free(s->text, s->text_bytes);
    *s = (struct ebb_sample){0};
}

/* The array as ebb_sample_release() knows its size: exactly n_in entries. */
static ebb_status trim(struct parse *p) {
    ebb_tensor **in = NULL;
    if (p->s.n_in && !(in = ebb__alloc((size_t)p->s.n_in * sizeof *in))) return ebb_error_status();
    if (in) memcpy(in, p->s.in, (size_t)p->s.n_in * sizeof *in);
    ebb__free(p->s.in, p->capacity * sizeof *in);
    p->s.in = in;
    p->capacity = (size_t)p->s.n_in;
    return EBB_OK;
}

ebb_status ebb_sample_make(const struct ebb_op *op, const char *text, ebb_dtype dtype, uint64_t seed,
                           struct ebb_sample *ret_sample) {
    if (!op || !text || !ret_sample) return ebb__fail_null("sample_make", !op ? "op" : !text ? "text" : "ret_sample");
    if (!ebb_dtype_size(dtype)) return ebb__fail_op("sample_make", EBB_ERR_DTYPE, "%d is not a dtype", (int)dtype);
    struct parse p = {.s = {.op = op}, .dtype = dtype, .seed = seed};
    ebb_scope scope = ebb_scope_open();
    ebb_status status = parse(&p, text);
    if (!status) status = trim(&p);
    ebb_scope_close(&scope);
    if (status) release(&p.s, p.capacity);
    else *ret_sample = p.s;
    return status;
}

void ebb_sample_release(struct ebb_sample *sample) {
    if (sample) release(sample, (size_t)sample->n_in);
}
