/* Sums of products by Einstein's convention: the equation, diagonals, and contraction of two operands at a time. */
#define EBB_FAMILY "Linear algebra"
#include "ops/linalg.h"
#include <string.h>

enum {
    LETTERS = 52,                    /* A … Z, a … z, in the order of an output that is not given */
    LABELS = LETTERS + EBB_MAX_NDIM, /* the last ones are the dimensions that "..." stands for */
    MAX_OPERANDS = 32,
};

/* A tensor and what its dimensions are called. */
struct operand {
    ebb_tensor *t;
    int n;
    int label[EBB_MAX_NDIM];
};

struct equation {
    const char *text;
    struct operand in[MAX_OPERANDS];
    int n;
    int dots;              /* dimensions of the widest "..." */
    int64_t size[LABELS];  /* -1: not seen */
    int count[LABELS];     /* how often it stands among the operands */
    struct operand output; /* its labels */
};

/* ---- the equation ---- */

static bool wrong(const struct equation *e, const char *at, const char *why) {
    ebb_fail(EBB_ERR_ARGUMENT, "equation \"%s\", at %d: %s", e->text, (int)(at - e->text), why);
    return false;
}

static int label_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    return -1;
}

/* The labels of one operand, up to a comma, an arrow or the end. *ret_dots is the place among them of "...", or -1. */
static bool read_labels(const struct equation *e, const char **at, int *labels, int *ret_n, int *ret_dots) {
    const char *p = *at;
    *ret_n = 0;
    *ret_dots = -1;
    for (; *p && *p != ',' && !(p[0] == '-' && p[1] == '>'); p++) {
        if (*p == ' ') continue;
        if (*p == '.') {
            if (strncmp(p, "...", 3) != 0) return wrong(e, p, "a '.' that is no part of \"...\"");
            if (*ret_dots >= 0) return wrong(e, p, "a second \"...\" for one operand");
            *ret_dots = *ret_n;
            p += 2;
            continue;
        }
        if (label_of(*p) < 0) return wrong(e, p, "subscripts are letters, a to z and A to Z");
        if (*ret_n == EBB_MAX_NDIM) return wrong(e, p, "more than 8 subscripts");
        labels[(*ret_n)++] = label_of(*p);
    }
    *at = p;
    return true;
}

static bool note_size(struct equation *e, int label, int64_t size, int operand, const char *at) {
    int64_t *known = &e->size[label];
    if (*known < 0 || *known == 1) *known = size;
    if (*known == size || size == 1) return true;
    char why[120];
    (void)snprintf(why, sizeof why, "operand %d has size %lld where %lld was seen before", operand, (long long)size,
                   (long long)*known);
    return wrong(e, at, why);
}

/* One operand's labels, with those of "..." put in, held against its shape. */
static bool read_operand(struct equation *e, const char **at, int i, ebb_tensor *t) {
    const char *start = *at;
    int labels[EBB_MAX_NDIM], n, dots, hidden;
    char why[120];
    if (!read_labels(e, at, labels, &n, &dots)) return false;
    hidden = t->ndim - n;
    if (hidden < 0 || (hidden > 0 && dots < 0)) {
        (void)snprintf(why, sizeof why, "%d subscripts for operand %d, which has %d dimensions", n, i, t->ndim);
        return wrong(e, start, why);
    }
    struct operand *o = &e->in[i];
    o->t = t;
    for (int k = 0; k <= n; k++) {
        for (int d = 0; d < hidden && k == dots; d++) o->label[o->n++] = LABELS - hidden + d;
        if (k < n) o->label[o->n++] = labels[k];
    }
    if (hidden > e->dots) e->dots = hidden;
    for (int d = 0; d < o->n; d++) {
        e->count[o->label[d]]++;
        if (!note_size(e, o->label[d], t->dims[d], i, start)) return false;
    }
    return true;
}

/* Not given: "..." and then, in order, what stands among the operands once. */
static bool implicit_output(struct equation *e) {
    struct operand *o = &e->output;
    for (int d = 0; d < e->dots; d++) o->label[o->n++] = LABELS - e->dots + d;
    for (int label = 0; label < LETTERS; label++) {
        if (e->count[label] != 1) continue;
        if (o->n == EBB_MAX_NDIM) return wrong(e, e->text, "a result of more than 8 dimensions");
        o->label[o->n++] = label;
    }
    return true;
}

static bool read_output(struct equation *e, const char *at) {
    const char *start = at;
    int labels[EBB_MAX_NDIM], n, dots;
    struct operand *o = &e->output;
    if (!read_labels(e, &at, labels, &n, &dots)) return false;
    if (*at) return wrong(e, at, "the output ends here");
    if (n + (dots >= 0 ? e->dots : 0) > EBB_MAX_NDIM) return wrong(e, start, "a result of more than 8 dimensions");
    for (int k = 0; k <= n; k++) {
        for (int d = 0; d < e->dots && k == dots; d++) o->label[o->n++] = LABELS - e->dots + d;
        if (k == n) break;
        if (!e->count[labels[k]]) return wrong(e, start, "an output subscript that no operand has");
        for (int d = 0; d < k; d++)
            if (labels[d] == labels[k]) return wrong(e, start, "an output subscript that is there twice");
        o->label[o->n++] = labels[k];
    }
    return true;
}

static bool read_equation(struct equation *e, ebb_tensor *const *in, int64_t n) {
    const char *at = e->text;
    for (e->n = 0;; at++) {
        if (e->n == n) return wrong(e, at, "more operands than were given");
        if (!read_operand(e, &at, e->n, in[e->n])) return false;
        e->n++;
        if (*at != ',') break;
    }
    if (e->n < n) return wrong(e, at, "fewer operands than were given");
    return *at ? read_output(e, at + 2) : implicit_output(e);
}

/* ---- operands ---- */

static int find(const struct operand *o, int label) {
    for (int d = 0; d < o->n; d++)
        if (o->label[d] == label) return d;
    return -1;
}

static void drop(struct operand *o, int d) {
    for (o->n--; d < o->n; d++) o->label[d] = o->label[d + 1];
}

/* A label that stands there twice is a diagonal; one of size 1 that is larger elsewhere is no dimension at all. */
static bool prepare(const struct equation *e, struct operand *o) {
    for (int d = 0; d < o->n && o->t; d++) {
        int twin = find(o, o->label[d]);
        if (twin == d) continue;
        if (o->t->dims[d] != o->t->dims[twin]) {
            ebb_fail(EBB_ERR_SHAPE, "equation \"%s\": a repeated subscript has sizes %lld and %lld", e->text,
                     (long long)o->t->dims[twin], (long long)o->t->dims[d]);
            return false;
        }
        int label = o->label[d];
        o->t = ebb_diagonal(o->t, 0, twin, d);
        drop(o, d);
        drop(o, twin);
        o->label[o->n++] = label;
        d = -1; /* the others have moved */
    }
    for (int d = o->n - 1; d >= 0 && o->t; d--) {
        if (o->t->dims[d] != 1 || e->size[o->label[d]] == 1) continue;
        o->t = ebb_squeeze(o->t, .dim = EBB_DIMS(d));
        drop(o, d);
    }
    return o->t != NULL;
}

/* Whether a label is in the output or in an operand from `next` on. */
static bool needed(const struct equation *e, int label, int next) {
    if (find(&e->output, label) >= 0) return true;
    for (int i = next; i < e->n; i++)
        if (find(&e->in[i], label) >= 0) return true;
    return false;
}

/* Sum over what only this operand has. */
static void sum_own(const struct equation *e, struct operand *o, const struct operand *other, int next) {
    ebb_dims dims = {0};
    for (int d = 0; d < o->n; d++)
        if (!needed(e, o->label[d], next) && (!other || find(other, o->label[d]) < 0)) dims.d[dims.n++] = d;
    if (dims.n == 0) return;
    o->t = ebb_sum(o->t, .dim = dims);
    for (int i = dims.n - 1; i >= 0; i--) drop(o, (int)dims.d[i]);
}

/* Dimensions of a pair by kind: in both and in the result; in one only; in both and summed over. */
struct pair {
    ebb_dims both_a, both_b, only_a, only_b, sum_a, sum_b;
};

static struct pair classify(const struct equation *e, const struct operand *a, const struct operand *b, int next) {
    struct pair p;
    memset(&p, 0, sizeof p);
    for (int d = 0; d < a->n; d++) {
        int other = find(b, a->label[d]);
        if (other < 0) {
            p.only_a.d[p.only_a.n++] = d;
        } else if (needed(e, a->label[d], next)) {
            p.both_a.d[p.both_a.n++] = d;
            p.both_b.d[p.both_b.n++] = other;
        } else {
            p.sum_a.d[p.sum_a.n++] = d;
            p.sum_b.d[p.sum_b.n++] = other;
        }
    }
    for (int d = 0; d < b->n; d++)
        if (find(a, b->label[d]) < 0) p.only_b.d[p.only_b.n++] = d;
    return p;
}

static int64_t product_of(const ebb_tensor *t, const ebb_dims *dims) {
    int64_t n = 1;
    for (int i = 0; i < dims->n; i++) n *= t->dims[dims->d[i]];
    return n;
}

/* A tensor with dimensions in three groups, each made one; without the first group when that has none. */
static ebb_tensor *grouped(ebb_tensor *t, const ebb_dims *x, const ebb_dims *y, const ebb_dims *z) {
    ebb_dims order = ebb__dims_ending(ebb__dims_ending(*x, 0, *y), 0, *z);
    int64_t nx = product_of(t, x), ny = product_of(t, y), nz = product_of(t, z);
    t = ebb_permute(t, order);
    return ebb_reshape(t, x->n ? EBB_DIMS(nx, ny, nz) : EBB_DIMS(ny, nz));
}

/* a becomes the product of a and b, by one matrix product. */
static bool contract(const struct equation *e, struct operand *a, struct operand *b, int next) {
    sum_own(e, a, b, next);
    sum_own(e, b, a, next);
    if (!a->t || !b->t) return false;
    struct pair p = classify(e, a, b, next);
    struct operand r = {NULL, 0, {0}};
    ebb_dims shape = {0};
    if (p.both_a.n + p.only_a.n + p.only_b.n > EBB_MAX_NDIM) {
        ebb_fail(EBB_ERR_SHAPE, "equation \"%s\": a product of more than %d dimensions on the way", e->text,
                 EBB_MAX_NDIM);
        return false;
    }
    const ebb_dims *of_a[] = {&p.both_a, &p.only_a};
    for (int g = 0; g < 2; g++)
        for (int i = 0; i < of_a[g]->n; i++) {
            shape.d[shape.n++] = a->t->dims[of_a[g]->d[i]];
            r.label[r.n++] = a->label[of_a[g]->d[i]];
        }
    for (int i = 0; i < p.only_b.n; i++) {
        shape.d[shape.n++] = b->t->dims[p.only_b.d[i]];
        r.label[r.n++] = b->label[p.only_b.d[i]];
    }
    ebb_tensor *x = grouped(a->t, &p.both_a, &p.only_a, &p.sum_a), *y = grouped(b->t, &p.both_b, &p.sum_b, &p.only_b);
    x = p.sum_a.n == 0 ? ebb_mul(x, y) : p.both_a.n ? ebb_bmm(x, y) : ebb_mm(x, y);
    r.t = ebb_reshape(x, shape);
    *a = r;
    return r.t != NULL;
}

/* In the order of the output. */
static ebb_tensor *finish(const struct equation *e, struct operand *o) {
    ebb_dims order = {0};
    sum_own(e, o, NULL, e->n);
    for (int i = 0; i < e->output.n && o->t; i++) order.d[order.n++] = find(o, e->output.label[i]);
    return ebb_permute(o->t, order);
}

static ebb_tensor *einsum(struct ebb_forward *f) {
    struct equation e;
    if (f->n_in < 1 || f->n_in > MAX_OPERANDS) {
        ebb_fail(EBB_ERR_ARGUMENT, "takes 1 to %d operands, got %lld", MAX_OPERANDS, (long long)f->n_in);
        return NULL;
    }
    memset(&e, 0, sizeof e);
    for (int i = 0; i < LABELS; i++) e.size[i] = -1;
    e.text = ((const struct ebb__attrs_einsum *)f->attrs)->equation;
    if (!e.text) {
        ebb_fail(EBB_ERR_ARGUMENT, "equation is NULL");
        return NULL;
    }
    if (!read_equation(&e, f->in, f->n_in)) return NULL;
    for (int i = 0; i < e.n; i++)
        if (!prepare(&e, &e.in[i])) return NULL;
    struct operand result = e.in[0];
    for (int i = 1; i < e.n; i++)
        if (!contract(&e, &result, &e.in[i], i + 1)) return NULL;
    return finish(&e, &result);
}

const struct ebb_op ebb_op_einsum = {
    EBB_SIGNATURE(einsum, "string equation, Tensors tensors|operands -> Tensor"),
    .doc = EBB_TEXT(
        "Sums of products of the operands' elements, by an equation that names their dimensions, as \"ij,jk->ik\" for the "
        "matrix product. What is not named behind the arrow is summed over; a letter twice in an operand is its diagonal; "
        "\"...\" stands for dimensions that broadcast. Without an arrow the result has what \"...\" stands for and, in "
        "alphabetical order, capitals first, the letters that occur once. Operands are multiplied from left to right."),
    .torch = EBB_TEXT("torch.einsum"),
    .compose = einsum,
    .parts = EBB_TEXT("'permute and reshape of each of tensors, and a bmm for each after the first'"),
    .samples = EBB_SAMPLES(
        "[(2,3) (3,4)] equation=ij,jk->ik", "[(2,3) (3,4)] equation=ij,jk", "[(3,3)] equation=ii",
        "[(3,3)] equation=ii->i", "[(2,3)] equation=ji", "[(2,3)] equation=ij->", "[(3) (4)] equation=i,j->ij",
        "[(2,3,4) (2,4,5)] equation=bij,bjk->bik", "[(2,3,4) (4,5)] equation=...ij,jk->...ik",
        "[(2,1,3) (4,3)] equation=...i,...i", "[(2,3) (2,4) (2,5)] equation=bi,bj,bk->ijk",
        "[(2,3) (3) (2)] equation=ij,j,i->", "[(2,2,3) (3,2)] equation=iij,ji->j", "[(1,3) (2,3)] equation=ij,ij->i",
        "[(0,3) (3,2)] equation=ij,jk->ik", "[() (3)] equation=,i->i", "[i5(2,3) i5(3,2)] equation=ij,jk->ki",
        "! [(2,3) (4,5)] equation=ij,jk->ik", "! [(2,3)] equation=i->i", "! [(2,3)] equation=ij,jk",
        "! [(2,3) (3)] equation=ij", "! [(2,3)] equation=ij->ik", "! [(2,3)] equation=i.j", "! [(2,3)] equation=ii"),
};
