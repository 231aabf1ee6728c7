/* Subscripts: items between brackets as views, and index tensors for what is left. */
#include "ops/ops.h"

/* A part of a tensor: a view, and tensors that index its dimensions. */
struct part {
    ebb_tensor *view;
    ebb_tensor *index[EBB_MAX_ITEMS + EBB_MAX_NDIM]; /* NULL for all of a dimension */
    int n;                                           /* of them, up to the last that is no NULL */
    int covered;                                     /* dimensions that they stand for */
    int dim;                                         /* of the view that the next item is about */
};

static bool is_mask(const ebb_tensor *t) { return t->dtype == EBB_BOOL || t->dtype == EBB_U8; }

/* The dimensions that an item stands for. */
static int width(const ebb_subscript *s) {
    if (s->kind == EBB_SUBSCRIPT_NEWAXIS || s->kind == EBB_SUBSCRIPT_ELLIPSIS) return 0;
    return s->kind == EBB_SUBSCRIPT_TENSOR && is_mask(s->tensor) ? s->tensor->ndim : 1;
}

static void add_index(struct part *p, ebb_tensor *t) {
    while (p->covered < p->dim) {
        p->index[p->n++] = NULL;
        p->covered++;
    }
    p->index[p->n++] = t;
    p->covered = p->dim += is_mask(t) ? t->ndim : 1;
}

/* A 0-d integer is a number, a 0-d mask all or nothing of a new dimension. */
static void add_tensor(struct part *p, ebb_tensor *t) {
    if (t->ndim > 0) {
        add_index(p, t);
    } else if (t->dtype == EBB_BOOL) {
        p->view = ebb_unsqueeze(p->view, p->dim);
        t = ebb_zeros(EBB_DIMS(ebb_item(t) != 0), .dtype = EBB_I64);
        if (t) add_index(p, t);
    } else if (t->dtype == EBB_I64 || t->dtype == EBB_I32 || t->dtype == EBB_U8) {
        p->view = ebb_select(p->view, p->dim, ebb_item_i64(t));
    } else {
        (void)ebb_fail(EBB_ERR_DTYPE, "indices must be integers or masks, got %s", ebb_dtype_name((ebb_dtype)t->dtype));
    }
}

static void add_item(struct part *p, const ebb_subscript *s, int *rest) {
    switch (s->kind) {
    case EBB_SUBSCRIPT_INT: p->view = ebb_select(p->view, p->dim, s->start); break;
    case EBB_SUBSCRIPT_SLICE:
        if (s->step < 1)
            (void)ebb_fail(EBB_ERR_ARGUMENT, "a slice's step must be positive, got %lld", (long long)s->step);
        else if (s->start != 0 || s->stop != EBB_END || s->step != 1)
            p->view = ebb_slice(p->view, p->dim, s->start, s->stop, .step = s->step);
        p->dim++;
        break;
    case EBB_SUBSCRIPT_NEWAXIS: p->view = ebb_unsqueeze(p->view, p->dim++); break;
    case EBB_SUBSCRIPT_ELLIPSIS:
        p->dim += *rest;
        *rest = 0;
        break;
    case EBB_SUBSCRIPT_TENSOR: add_tensor(p, s->tensor); break;
    }
}

/* False and an error when the items do not fit x. */
static bool resolve(struct part *p, ebb_tensor *x, const ebb_items *items) {
    *p = (struct part){.view = x};
    int rest = x->ndim;
    if (items->n < 0 || items->n > EBB_MAX_ITEMS) {
        (void)ebb_fail(EBB_ERR_ARGUMENT, "%d items; at most %d are possible", (int)items->n, EBB_MAX_ITEMS);
        return false;
    }
    for (int i = 0; i < items->n; i++) {
        const ebb_subscript *s = &items->item[i];
        if (s->kind == EBB_SUBSCRIPT_TENSOR && !s->tensor) {
            (void)ebb__fail_null("", "an item");
            return false;
        }
        rest -= width(s);
    }
    if (rest < 0) {
        (void)ebb_fail(EBB_ERR_INDEX, "too many indices for a tensor of %d dimensions", (int)x->ndim);
        return false;
    }
    bool before = ebb__failing();
    for (int i = 0; i < items->n && p->view; i++) {
        add_item(p, &items->item[i], &rest);
        if (!before && ebb__failing()) return false;
    }
    return p->view != NULL;
}

/* Hand the result, unless it is x itself, to the scope of the caller. */
static ebb_tensor *leave(ebb_scope *scope, ebb_tensor *y, const ebb_tensor *x) {
    if (y && y != x) y = ebb_scope_hand(y);
    ebb_scope_close(scope);
    return y;
}

ebb_tensor *(ebb_getitem)(ebb_tensor *x, ebb_items items) {
    struct part p;
    bool before = ebb__failing();
    if (!x) return (void)ebb__fail_null("getitem", "x"), NULL;
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *y = resolve(&p, x, &items) ? p.view : NULL;
    if (y && p.n) y = ebb_index(y, ((ebb_list){p.n, p.index}));
    if (!before) ebb__error_named("getitem"); /* not what it is made of */
    return leave(&scope, y, x);
}

/* Leading dimensions of size 1 do not count, as PyTorch has it. */
static ebb_tensor *without_ones(ebb_tensor *t) {
    ebb_dims shape = ebb_tensor_shape(t), own = {0};
    for (int i = 0; i < shape.n; i++)
        if (own.n || shape.d[i] != 1) own.d[own.n++] = shape.d[i];
    return own.n == shape.n ? t : ebb_reshape(t, own);
}

static ebb_tensor *write_part(const struct part *p, ebb_tensor *value) {
    ebb_dtype dtype = (ebb_dtype)p->view->dtype;
    if (!p->n) return ebb_tensor_is_number(value) ? ebb_fill_(p->view, value) : ebb_copy_(p->view, without_ones(value));
    value = ebb_tensor_is_number(value) ? ebb_to(value, dtype) : without_ones(value);
    return ebb_index_put_(p->view, ((ebb_list){p->n, p->index}), value);
}

ebb_tensor *(ebb_setitem)(ebb_tensor *x, ebb_items items, ebb_tensor *value) {
    struct part p;
    bool before = ebb__failing();
    if (!x || !value) return (void)ebb__fail_null("setitem", x ? "value" : "x"), NULL;
    ebb_scope scope = ebb_scope_open();
    ebb_tensor *y = resolve(&p, x, &items) ? write_part(&p, value) : NULL;
    if (!before) ebb__error_named("setitem");
    ebb_scope_close(&scope);
    return y ? x : NULL;
}
