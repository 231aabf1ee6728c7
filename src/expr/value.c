/* Values: what they are called, and what they become where a tensor or a list of integers is wanted. */
#include "expr/value.h"
#include <ebb/ops.h>

#include <string.h>

struct ebb__value ebb__value_tensor(ebb_tensor *t) {
    return (struct ebb__value){.kind = t ? EBB__V_TENSOR : EBB__UNSET, .as.t = t};
}

const char *ebb__value_kind_name(const struct ebb__value *v) {
    static const char *const names[] = {SAID("nothing"), SAID("None"),     SAID("a bool"),  SAID("an int"),
                                        SAID("a float"), SAID("a string"), SAID("a dtype"), SAID("a tensor"),
                                        SAID("a list"),  SAID("a list"),   SAID("a module")};
    return ebb__said(names[v->kind]);
}

bool ebb__value_is_number(const struct ebb__value *v) {
    return v->kind == EBB__V_BOOL || v->kind == EBB__V_INT || v->kind == EBB__V_FLOAT;
}

double ebb__value_float(const struct ebb__value *v) { return v->kind == EBB__V_FLOAT ? v->as.f : (double)v->as.i; }

static bool is_list(const struct ebb__value *v) { return v->kind == EBB__V_LIST || v->kind == EBB__V_RESULTS; }

int ebb__value_truth(struct ebb__run *r, const struct ebb__value *v, struct ebb__place place) {
    switch (v->kind) {
    case EBB__UNSET: return -1;
    case EBB__V_NONE: return 0;
    case EBB__V_BOOL:
    case EBB__V_INT: return v->as.i != 0;
    case EBB__V_FLOAT: return v->as.f != 0;
    case EBB__V_STRING: return v->as.s[0] != 0;
    case EBB__V_LIST: return v->n != 0;
    case EBB__V_TENSOR:
        if (ebb_tensor_numel(v->as.t) == 1) return (ebb_item)(v->as.t) != 0;
        (void)ebb__fail_at(r->program->text, place, EBB_ERR_SHAPE,
                           "a tensor of %lld elements is neither true nor false; where(…) chooses element by element",
                           (long long)ebb_tensor_numel(v->as.t));
        return -1;
    default: return 1;
    }
}

/* ---- lists of numbers as tensors ---- */

enum { MAX_WRITTEN = 1 << 24 }; /* numbers in a list: lists of lists by name multiply quickly */

struct filling {
    ebb_dims shape;
    ebb_dtype dtype;
    char *data;
    int64_t at, count;
};

/* The shape by the first elements, and the dtype that holds all numbers; false for what is no regular list of them. */
static bool measure(const struct ebb__value *v, int depth, struct filling *f) {
    if (!is_list(v)) {
        ebb_dtype d = v->kind == EBB__V_BOOL ? EBB_BOOL : v->kind == EBB__V_INT ? EBB_I64 : EBB_F64;
        if (d > f->dtype) f->dtype = d;
        return ebb__value_is_number(v) && depth == f->shape.n && ++f->count <= MAX_WRITTEN;
    }
    if (f->at == 0 && depth == f->shape.n) { /* going down for the first time */
        if (depth == EBB_MAX_NDIM) return false;
        f->shape.d[f->shape.n++] = v->n;
    }
    if (depth >= f->shape.n || f->shape.d[depth] != v->n) return false;
    for (int64_t i = 0; i < v->n; i++) {
        if (!measure(&v->as.list[i], depth + 1, f)) return false;
        f->at = 1;
    }
    f->at = 1;
    return true;
}

static void fill(const struct ebb__value *v, struct filling *f) {
    for (int64_t i = 0; is_list(v) && i < v->n; i++) fill(&v->as.list[i], f);
    if (is_list(v)) return;
    char *to = f->data + f->at++ * (int64_t)ebb_dtype_size(f->dtype);
    double d = ebb__value_float(v);
    float narrow = (float)d;
    unsigned char truth = v->as.i != 0;
    switch (f->dtype) {
    case EBB_BOOL: memcpy(to, &truth, 1); return;
    case EBB_I64: memcpy(to, &v->as.i, 8); return;
    case EBB_F32: memcpy(to, &narrow, 4); return;
    default: memcpy(to, &d, 8); return;
    }
}

static ebb_tensor *list_as_tensor(const struct ebb__value *v, const ebb_tensor *like) {
    struct filling f = {.dtype = EBB_DTYPE_NONE};
    if (!measure(v, 0, &f)) return NULL;
    int64_t n = 1;
    for (int i = 0; i < f.shape.n; i++) n *= f.shape.d[i];
    bool floating = f.dtype == EBB_F64 || f.dtype == EBB_DTYPE_NONE;
    ebb_dtype wanted = like ? ebb_tensor_dtype(like) : EBB_DTYPE_NONE;
    if (v->literal && ebb_dtype_is_floating(wanted)) floating = true;
    else wanted = EBB_DTYPE_NONE;
    if (floating) f.dtype = wanted == EBB_F64 || (!wanted && ebb_default_dtype() == EBB_F64) ? EBB_F64 : EBB_F32;
    size_t bytes = (size_t)n * ebb_dtype_size(f.dtype);
    if (!(f.data = ebb_alloc(bytes ? bytes : 1))) return NULL;
    f.at = 0;
    fill(v, &f);
    ebb_tensor *t = (ebb_from_data)(f.data, f.dtype, f.shape);
    ebb_free(f.data, bytes ? bytes : 1);
    return t && wanted && wanted != f.dtype ? ebb_to(t, wanted) : t;
}

bool ebb__value_like_tensor(const struct ebb__value *v) {
    struct filling f = {.dtype = EBB_DTYPE_NONE};
    if (v->kind == EBB__V_TENSOR || ebb__value_is_number(v)) return true;
    if (v->kind == EBB__V_RESULTS) return v->n > 0 && v->as.list[0].kind == EBB__V_TENSOR;
    return v->kind == EBB__V_LIST && measure(v, 0, &f);
}

ebb_tensor *ebb__value_as_tensor(const struct ebb__value *v, const ebb_tensor *like) {
    switch (v->kind) {
    case EBB__V_TENSOR: return v->as.t;
    case EBB__V_BOOL: return ebb_number_bool(v->as.i != 0);
    case EBB__V_INT: return ebb_number_i64(v->as.i);
    case EBB__V_FLOAT: return ebb_number_f64(v->as.f);
    case EBB__V_RESULTS: return v->n && v->as.list[0].kind == EBB__V_TENSOR ? v->as.list[0].as.t : NULL;
    case EBB__V_LIST: return list_as_tensor(v, like);
    default: return NULL;
    }
}

/* ---- where lists are uneven ---- */

/* The shape by the first elements, which `first` goes along, and the first element that is of another one: reported. */
static bool uneven(struct ebb__run *r, int32_t id, int depth, bool first, ebb_dims *shape) {
    const struct ebb__ast *a = ebb__ast_of(r, id);
    const struct ebb__value *v = &r->values[id];
    const char *text = r->program->text;
    bool list = a->kind == EBB__AST_LIST || a->kind == EBB__AST_TUPLE;
    if (depth == EBB_MAX_NDIM) return false;
    if (!list && v->kind != EBB__V_LIST && !ebb__value_is_number(v))
        (void)ebb__fail_at(text, a->place, EBB_ERR_ARGUMENT, "among numbers in a list there cannot be %s",
                           ebb__value_kind_name(v));
    else if (!list && !first && depth < shape->n)
        (void)ebb__fail_at(text, a->place, EBB_ERR_SHAPE, "expected a list, as those before it, not %s",
                           ebb__value_kind_name(v));
    if (!list) return ebb_error() != NULL;
    if (first) shape->d[shape->n++] = a->n;
    else if (depth >= shape->n)
        (void)ebb__fail_at(text, a->place, EBB_ERR_SHAPE, "expected a number, as those before it, not a list");
    else if (shape->d[depth] != a->n)
        (void)ebb__fail_at(text, a->place, EBB_ERR_SHAPE,
                           "this list has length %d, those before it %lld: all rows of a tensor are of one length",
                           (int)a->n, (long long)shape->d[depth]);
    bool found = ebb_error() != NULL;
    for (int32_t i = 0; i < a->n && !found; i++)
        found = uneven(r, ebb__ast_kid(r->program, a, i), depth + 1, first && i == 0, shape);
    return found;
}

bool ebb__say_uneven(struct ebb__run *r, struct ebb__place place) {
    int32_t end = -1; /* of the list that was looked at last: those inside it come before it in the tree */
    for (int64_t i = r->program->n_ast; i-- > 0;) {
        const struct ebb__ast *a = ebb__ast_of(r, (int32_t)i);
        ebb_dims shape = {.n = 0};
        bool inside = a->place.at >= place.at && a->place.end <= place.end && (end < 0 || a->place.end <= end);
        if (a->kind != EBB__AST_LIST || !inside || r->values[i].kind != EBB__V_LIST) continue;
        if (uneven(r, (int32_t)i, 0, true, &shape)) return true;
        end = a->place.at;
    }
    return false;
}

/* The elements of a small vector of integers: what argsort(dims) gives is a list of dimensions too. */
static bool tensor_as_ints(const ebb_tensor *t, ebb_dims *ret_ints) {
    ebb_dtype dtype = ebb_tensor_dtype(t);
    int64_t n = ebb_tensor_numel(t);
    bool whole = dtype == EBB_I64 || dtype == EBB_I32 || n == 0;
    if (ebb_tensor_ndim(t) != 1 || n > EBB_MAX_NDIM || !whole) return false;
    ret_ints->n = (int32_t)n;
    return (ebb_tensor_read)(t, EBB_I64, ret_ints->d) == EBB_OK;
}

bool ebb__value_as_ints(const struct ebb__value *v, ebb_dims *ret_ints) {
    ebb_dims ints = {0};
    if (v->kind == EBB__V_TENSOR) return tensor_as_ints(v->as.t, ret_ints);
    if (v->kind == EBB__V_INT) {
        ints = (ebb_dims){{v->as.i}, 1};
    } else {
        if (v->kind != EBB__V_LIST || v->n > EBB_MAX_NDIM) return false;
        for (int64_t i = 0; i < v->n; i++) {
            if (v->as.list[i].kind != EBB__V_INT) return false;
            ints.d[ints.n++] = v->as.list[i].as.i;
        }
    }
    *ret_ints = ints;
    return true;
}

/* ---- making lists ---- */

struct ebb__value ebb__value_list(struct ebb__run *r, const struct ebb__value *values, int64_t n) {
    struct ebb__value *room = ebb__arena_get(&r->arena, (size_t)n * sizeof *room);
    if (!room) return (struct ebb__value){.kind = EBB__UNSET};
    if (n) memcpy(room, values, (size_t)n * sizeof *room);
    return (struct ebb__value){.kind = EBB__V_LIST, .as.list = room, .n = n};
}

struct ebb__value ebb__value_dims(struct ebb__run *r, ebb_dims dims) {
    struct ebb__value values[EBB_MAX_NDIM];
    for (int i = 0; i < dims.n; i++) values[i] = (struct ebb__value){.kind = EBB__V_INT, .as.i = dims.d[i]};
    return ebb__value_list(r, values, dims.n);
}

struct ebb__value ebb__value_tensors(struct ebb__run *r, ebb_list list) {
    struct ebb__value *room = ebb__arena_get(&r->arena, (size_t)list.n * sizeof *room);
    if (!room) return (struct ebb__value){.kind = EBB__UNSET};
    for (int64_t i = 0; i < list.n; i++)
        room[i] = list.t[i] ? ebb__value_tensor(list.t[i]) : (struct ebb__value){.kind = EBB__V_NONE};
    return (struct ebb__value){.kind = EBB__V_LIST, .as.list = room, .n = list.n};
}
