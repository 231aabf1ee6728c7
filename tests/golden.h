/* Reading the golden vectors: what PyTorch computed for many calls of every operator. The format is described in
 * tests/golden/make_golden.py. */
#ifndef EBB_TESTS_GOLDEN_H
#define EBB_TESTS_GOLDEN_H

#include "io/source.h"
#include "tensor/tensor.h"
#include <ebb/ebb.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_MAX 64      /* arguments, leaves, outputs of a sample */
#define GOLDEN_NUMBERS 256 /* in all its lists */

/* A tensor as the file has it. No data for one that is absent. */
struct golden_tensor {
    ebb_dtype dtype;
    ebb_dims shape, strides; /* strides of inputs that are not contiguous */
    const char *data;
};

struct golden_tensors {
    int n;
    struct golden_tensor t[GOLDEN_MAX];
};

struct golden_sample {
    const char *text; /* from its first line */
    size_t length;    /* to the first of its results */
    ebb_dtype dtype;
    bool each, fails;
    const char *prepare; /* what the argument prepared goes through, or NULL */
    int prepared;
    ebb_arg arg[GOLDEN_MAX];
    char names[4096]; /* of the arguments, and their strings */
    int n_args, n_leaves, n_entries;
    int64_t numbers[GOLDEN_NUMBERS];
    int n_numbers;
    ebb_tensor *leaf[GOLDEN_MAX], *entry[GOLDEN_MAX];
    double rtol, atol;
    double least, most; /* of values that are free */
    bool ranged;
    bool differentiable[GOLDEN_MAX]; /* an output; v has their upstream gradients, in order */
    struct golden_tensors out, v, dx, w, ddx, ddv;
};

struct golden_file {
    char *bytes;
    size_t size, blob_size;
    char *blob;
    const char *at;
    char line[4096], *rest; /* the current line: its first word, and what follows */
    bool damaged;
};

/* ---- the file ---- */

/* Open a file made by make_golden.py; an error of Ebb's when it cannot be read. */
static inline ebb_status golden_open(struct golden_file *f, const char *path) {
    *f = (struct golden_file){.bytes = NULL};
    struct ebb__input in;
    struct ebb__source source = {0};
    unsigned char size[4] = {0};
    ebb_status status = ebb__input_open(&in, path);
    if (!status) status = ebb__source_open(&source, &in);
    f->size = (size_t)in.size; /* unpacked, for a build without zlib */
    if (!status && source.inflater && !(status = ebb__input_read(&in, in.size - 4, size, 4)))
        f->size = (size_t)size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
    if (!status && !(f->bytes = malloc(f->size + 1))) status = EBB_ERR_MEMORY;
    if (!status) status = ebb__source_read(&source, f->bytes, f->size, "golden vectors");
    if (!status) status = ebb__source_finish(&source);
    ebb__source_close(&source);
    ebb__input_close(&in);
    if (status) return status;
    f->bytes[f->size] = '\0';
    f->at = f->bytes;
    const char *blob = strstr(f->bytes, "\nblob ");
    if (strncmp(f->bytes, "ebb golden 1 ", 13) != 0 || !blob)
        return ebb_fail(EBB_ERR_FORMAT, "%s has no golden vectors", path);
    blob = strchr(blob + 1, '\n') + 1;
    f->blob_size = f->size - (size_t)(blob - f->bytes);
    f->blob = malloc(f->blob_size + 1); /* of its own, so that it is aligned */
    if (!f->blob) return EBB_ERR_MEMORY;
    memcpy(f->blob, blob, f->blob_size);
    return EBB_OK;
}

static inline void golden_close(struct golden_file *f) {
    free(f->bytes);
    free(f->blob);
}

/* Split the line at f->at into its first word and the rest; false at the end. */
static inline bool golden_line(struct golden_file *f) {
    size_t n = strcspn(f->at, "\n");
    if (n >= sizeof f->line) f->damaged = true;
    if (f->damaged || strncmp(f->at, "blob ", 5) == 0) return false;
    memcpy(f->line, f->at, n);
    f->line[n] = '\0';
    f->rest = f->line + strcspn(f->line, " ");
    if (*f->rest) *f->rest++ = '\0';
    return true;
}

static inline void golden_next(struct golden_file *f) { f->at += strcspn(f->at, "\n") + 1; }

/* The next word of a line. */
static inline char *golden_word(struct golden_file *f) {
    char *word = f->rest;
    f->rest += strcspn(f->rest, " ");
    if (*f->rest) *f->rest++ = '\0';
    return word;
}

/* ---- tensors ---- */

static inline bool golden_numbers(const char **text, char end, ebb_dims *ret) {
    *ret = EBB_NO_DIMS;
    while (**text && **text != end) {
        char *stop;
        if (ret->n == EBB_MAX_NDIM) return false;
        ret->d[ret->n++] = strtoll(*text, &stop, 10);
        if (stop == *text) return false;
        *text = stop + (*stop == ',');
    }
    return **text == end;
}

/* "float64(2,3)/1,2@72000", or "none". */
static inline struct golden_tensor golden_tensor(struct golden_file *f, const char *text) {
    struct golden_tensor t = {.data = NULL};
    char dtype[16];
    size_t n = strcspn(text, "(");
    if (strcmp(text, "none") == 0) return t;
    bool good = n < sizeof dtype && text[n];
    if (good) {
        memcpy(dtype, text, n);
        dtype[n] = '\0';
        t.dtype = ebb_dtype_from_name(dtype);
        text += n + 1;
        good = t.dtype && golden_numbers(&text, ')', &t.shape);
    }
    if (good && *++text == '/') {
        text++;
        good = golden_numbers(&text, '@', &t.strides);
    }
    int64_t numel = 1;
    for (int i = 0; i < t.shape.n; i++) numel *= t.shape.d[i];
    size_t at = good ? (size_t)strtoull(text + 1, NULL, 10) : 0;
    if (!good || at + (size_t)numel * ebb_dtype_size(t.dtype) > f->blob_size) f->damaged = true;
    else t.data = f->blob + at;
    return t;
}

/* The tensor with its strides, as a new one of the scope; with strides, somewhere in its storage. */
static inline ebb_tensor *golden_build(const struct golden_tensor *g, bool requires_grad) {
    ebb_tensor *t = ebb_from_data(g->data, g->dtype, g->shape);
    if (t && g->strides.n) {
        enum { BEFORE = 3 };
        int64_t room = BEFORE + 1, size = (int64_t)ebb_dtype_size(g->dtype), index[EBB_MAX_NDIM];
        for (int i = 0; i < g->shape.n; i++) room += (g->shape.d[i] - 1) * g->strides.d[i];
        ebb_tensor *all = ebb__tensor_new(g->dtype, 1, &room), *r = NULL;
        if (all) memset(all->data, 0xff, (size_t)(room * size)); /* between the elements: NaN, -1, no bool */
        if (all) r = ebb__own(ebb__tensor_alias(all, g->shape.n, g->shape.d, g->strides.d, BEFORE));
        ebb__unref(all);
        for (int64_t e = 0; r && e < ebb_tensor_numel(t); e++) {
            int64_t rest = e, to = 0;
            for (int d = g->shape.n - 1; d >= 0; d--) {
                index[d] = rest % g->shape.d[d];
                rest /= g->shape.d[d];
                to += index[d] * g->strides.d[d];
            }
            memcpy(r->data + to * size, g->data + e * size, (size_t)size);
        }
        t = r;
    }
    return t && requires_grad ? ebb_requires_grad_(t, true) : t;
}

/* ---- samples ---- */

static inline char *golden_keep(struct golden_file *f, struct golden_sample *s, size_t *used, const char *text) {
    size_t n = strlen(text) + 1;
    if (*used + n > sizeof s->names) {
        f->damaged = true;
        return s->names;
    }
    char *place = s->names + *used;
    memcpy(place, text, n);
    *used += n;
    return place;
}

static inline ebb_tensor *golden_input(struct golden_file *f, struct golden_sample *s, bool leaf) {
    struct golden_tensor g = golden_tensor(f, f->rest);
    if (f->damaged || s->n_leaves == GOLDEN_MAX) return NULL;
    ebb_tensor *t = golden_build(&g, leaf);
    if (leaf) s->leaf[s->n_leaves++] = t;
    return t;
}

/* The entries of a list, one a line. */
static inline ebb_list golden_entries(struct golden_file *f, struct golden_sample *s, int n) {
    ebb_list list = {n, s->entry + s->n_entries};
    for (int i = 0; i < n && !f->damaged; i++) {
        golden_next(f);
        if (!golden_line(f) || s->n_entries == GOLDEN_MAX) {
            f->damaged = true;
            break;
        }
        char kind = f->line[0];
        (void)golden_word(f);
        s->entry[s->n_entries++] = kind == 'z' ? NULL : golden_input(f, s, kind == 'g');
    }
    return list;
}

/* "NAME HOW": that the argument goes through something. */
static inline void golden_prepare(struct golden_file *f, struct golden_sample *s, size_t *used) {
    const char *name = golden_word(f);
    for (s->prepared = 0; s->prepared < s->n_args; s->prepared++)
        if (strcmp(s->arg[s->prepared].name, name) == 0) break;
    s->prepare = golden_keep(f, s, used, f->rest);
    if (s->prepared == s->n_args || s->arg[s->prepared].kind != EBB_VALUE_TENSOR) f->damaged = true;
}

static inline void golden_argument(struct golden_file *f, struct golden_sample *s, size_t *used) {
    char kind = f->line[0];
    const char *name = golden_keep(f, s, used, golden_word(f)), *text = f->rest;
    int64_t *list = s->numbers + s->n_numbers;
    ebb_arg arg = ebb__arg_none(name, NULL);
    switch (kind) {
    case 't':
    case 'g': arg = ebb__arg_tensor(name, golden_input(f, s, kind == 'g')); break;
    case 'L': arg = ebb__arg_tensors(name, golden_entries(f, s, atoi(text))); break;
    case 'i': arg = ebb__arg_int(name, strtoll(text, NULL, 10)); break;
    case 'f': arg = ebb__arg_float(name, strtod(text, NULL)); break;
    case 'b': arg = ebb__arg_bool(name, *text == '1'); break;
    case 'm': arg = ebb__arg_text(name, golden_keep(f, s, used, text)); break;
    case 's': arg = ebb__arg_string(name, golden_keep(f, s, used, text)); break;
    case 'd':
        arg = ebb__arg_int(name, ebb_dtype_from_name(text));
        arg.kind = EBB_VALUE_DTYPE;
        break;
    case 'l':
        for (char *stop; *text && s->n_numbers < GOLDEN_NUMBERS; text = stop + (*stop == ',')) {
            s->numbers[s->n_numbers++] = strtoll(text, &stop, 10);
            if (stop == text) break;
        }
        if (*text) f->damaged = true;
        arg = ebb__arg_ints(name, (ebb_ints){s->numbers + s->n_numbers - list, list});
        break;
    case 'z': break;
    default: f->damaged = true;
    }
    if (s->n_args == GOLDEN_MAX) f->damaged = true;
    else s->arg[s->n_args++] = arg;
}

static inline void golden_result(struct golden_file *f, struct golden_sample *s) {
    const struct {
        const char *word;
        struct golden_tensors *list;
    } lists[] = {
        {"y", &s->out}, {"Y", &s->out}, {"v", &s->v}, {"dx", &s->dx}, {"w", &s->w}, {"ddx", &s->ddx}, {"ddv", &s->ddv},
    };
    if (strcmp(f->line, "tol") == 0) {
        s->rtol = strtod(golden_word(f), NULL);
        s->atol = strtod(golden_word(f), NULL);
        return;
    }
    if (strcmp(f->line, "in") == 0) {
        s->least = strtod(golden_word(f), NULL);
        s->most = strtod(golden_word(f), NULL);
        s->ranged = true;
        return;
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct golden_tensors *list = lists[i].list;
        if (strcmp(f->line, lists[i].word) != 0) continue;
        if (list->n == GOLDEN_MAX) break;
        if (list == &s->out) s->differentiable[list->n] = f->line[0] == 'Y';
        list->t[list->n++] = golden_tensor(f, f->rest);
        return;
    }
    f->damaged = true;
}

/* Read the sample whose first line is the current one: its tensors belong to the innermost scope. */
static inline void golden_read(struct golden_file *f, struct golden_sample *s) {
    memset(s, 0, sizeof *s);
    s->text = f->at;
    s->rtol = 1.3e-6;
    s->atol = 1e-5;
    s->dtype = ebb_dtype_from_name(golden_word(f));
    s->each = strstr(f->rest, "each") != NULL;
    s->fails = strstr(f->rest, "fails") != NULL;
    size_t used = 0;
    for (golden_next(f); golden_line(f) && strcmp(f->line, "sample") != 0 && strcmp(f->line, "op") != 0;
         golden_next(f)) {
        bool argument = strlen(f->line) == 1 && strchr("tgLifbsdlmzp", f->line[0]);
        if (!argument && !s->length) s->length = (size_t)(f->at - s->text);
        if (f->line[0] == 'p') golden_prepare(f, s, &used);
        else if (argument) golden_argument(f, s, &used);
        else golden_result(f, s);
    }
    if (!s->length) s->length = (size_t)(f->at - s->text);
}

#endif
