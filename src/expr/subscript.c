/* Subscripts: x[1:, ..., None, mask] of tensors, and of lists. */
#include "expr/value.h"

#include <string.h>

static const struct ebb__value *worth(const struct ebb__run *r, int32_t id) { return &r->values[id]; }

/* ---- items of a tensor's subscript ---- */

/* One part of a slice: `otherwise` for an absent one. */
static bool slice_part(struct ebb__run *r, int32_t id, int64_t otherwise, int64_t *ret_value) {
    const struct ebb__value *v = worth(r, id);
    if (ebb__ast_of(r, id)->kind == EBB__AST_NOTHING || v->kind == EBB__V_NONE) {
        *ret_value = otherwise;
        return true;
    }
    if (v->kind == EBB__V_INT) *ret_value = v->as.i;
    else
        (void)ebb__fail_at(r->program->text, ebb__ast_of(r, id)->place, EBB_ERR_ARGUMENT,
                           "a slice is made of integers, not of %s", ebb__value_kind_name(v));
    return v->kind == EBB__V_INT;
}

static bool slice(struct ebb__run *r, const struct ebb__ast *a, ebb_subscript *ret_item) {
    int64_t start, stop, step;
    if (!slice_part(r, ebb__ast_kid(r->program, a, 0), 0, &start) ||
        !slice_part(r, ebb__ast_kid(r->program, a, 1), EBB_END, &stop) ||
        !slice_part(r, ebb__ast_kid(r->program, a, 2), 1, &step))
        return false;
    *ret_item = EBB_STEP(start, stop, step);
    return true;
}

static bool item(struct ebb__run *r, int32_t id, ebb_subscript *ret_item) {
    const struct ebb__ast *a = ebb__ast_of(r, id);
    const struct ebb__value *v = worth(r, id);
    if (a->kind == EBB__AST_SLICE) return slice(r, a, ret_item);
    if (a->kind == EBB__AST_ELLIPSIS) {
        *ret_item = EBB_ELLIPSIS;
        return true;
    }
    if (v->kind == EBB__V_NONE) {
        *ret_item = EBB_NEWAXIS;
        return true;
    }
    if (v->kind == EBB__V_INT) {
        *ret_item = ebb__item_int(v->as.i);
        return true;
    }
    ebb_tensor *t = v->kind == EBB__V_FLOAT ? NULL : ebb__value_as_tensor(v, NULL);
    if (t && v->kind == EBB__V_LIST && ebb_dtype_is_floating(ebb_tensor_dtype(t)) && ebb_tensor_numel(t) > 0) t = NULL;
    if (!t && !ebb_error())
        (void)ebb__fail_at(r->program->text, a->place, EBB_ERR_ARGUMENT,
                           "an index is an integer, a slice, None, `...`, or a tensor of integers or bools, not %s",
                           v->kind == EBB__V_LIST ? ebb__said("such a list") : ebb__value_kind_name(v));
    *ret_item = ebb__item_tensor(t);
    return t != NULL;
}

/* The items between the brackets; a tuple is as many. */
static bool items(struct ebb__run *r, int32_t id, ebb_items *ret_items) {
    const struct ebb__ast *a = ebb__ast_of(r, id), *from = a;
    int32_t first = 1;
    const struct ebb__ast *only = ebb__ast_of(r, ebb__ast_kid(r->program, a, 1));
    if (a->n == 2 && only->kind == EBB__AST_TUPLE) {
        from = only;
        first = 0;
    }
    *ret_items = (ebb_items){0};
    if (from->n - first > EBB_MAX_ITEMS) {
        (void)ebb__wrong(r, id, EBB_ERR_INDEX, "more than %d items", EBB_MAX_ITEMS);
        return false;
    }
    for (int32_t i = first; i < from->n; i++)
        if (!item(r, ebb__ast_kid(r->program, from, i), &ret_items->item[ret_items->n++])) return false;
    return true;
}

/* ---- lists ---- */

static struct ebb__value index_list(struct ebb__run *r, int32_t id, const struct ebb__value *list) {
    const struct ebb__ast *a = ebb__ast_of(r, id);
    ebb_subscript s;
    if (a->n != 2) return ebb__wrong(r, id, EBB_ERR_INDEX, "a list has one index");
    if (!item(r, ebb__ast_kid(r->program, a, 1), &s)) return (struct ebb__value){.kind = EBB__UNSET};
    if (s.kind == EBB_SUBSCRIPT_INT) {
        int64_t i = s.start < 0 ? s.start + list->n : s.start;
        if (i >= 0 && i < list->n) return list->as.list[i];
        return ebb__wrong(r, id, EBB_ERR_INDEX, "index %lld is out of range of a list of length %lld",
                          (long long)s.start, (long long)list->n);
    }
    if (s.kind != EBB_SUBSCRIPT_SLICE || s.step != 1)
        return ebb__wrong(r, id, EBB_ERR_INDEX, "the index of a list is an integer, or a slice of step 1");
    int64_t start = s.start < 0 ? s.start + list->n : s.start, stop = s.stop < 0 ? s.stop + list->n : s.stop;
    start = start < 0 ? 0 : start > list->n ? list->n : start;
    stop = stop < start ? start : stop > list->n ? list->n : stop;
    return ebb__value_list(r, list->as.list + start, stop - start);
}

/* ---- both ---- */

struct ebb__value ebb__do_index(struct ebb__run *r, int32_t id) {
    const struct ebb__ast *a = ebb__ast_of(r, id);
    const struct ebb__value *v = worth(r, ebb__ast_kid(r->program, a, 0));
    if (v->kind == EBB__V_LIST || v->kind == EBB__V_RESULTS) return index_list(r, id, v);
    if (v->kind != EBB__V_TENSOR)
        return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "%s has no elements", ebb__value_kind_name(v));
    ebb_items list;
    if (!items(r, id, &list)) return (struct ebb__value){.kind = EBB__UNSET};
    if (r->sites) (void)ebb_at(ebb__expr_site, id);
    ebb_tensor *t = (ebb_getitem)(v->as.t, list);
    if (!t) (void)ebb__fail_here(r->program->text, a->mark, NULL);
    ebb_arg arg = ebb__arg_tensor("self", v->as.t);
    if (t && r->observer.called)
        r->observer.called(r->observer.context, id, "getitem", (ebb_args){1, &arg}, (ebb_list){1, &t});
    return ebb__value_tensor(t);
}

ebb_status ebb__do_set_index(struct ebb__run *r, int32_t id, const struct ebb__value *value) {
    const struct ebb__ast *a = ebb__ast_of(r, id);
    const struct ebb__value *v = worth(r, ebb__ast_kid(r->program, a, 0));
    ebb_items list;
    if (v->kind != EBB__V_TENSOR) {
        (void)ebb__wrong(r, id, EBB_ERR_ARGUMENT, "the elements of %s cannot be set", ebb__value_kind_name(v));
        return ebb_error_status();
    }
    if (!items(r, id, &list)) return ebb_error_status();
    ebb_tensor *t = ebb__value_as_tensor(value, v->as.t);
    if (!t && !ebb_error())
        (void)ebb__wrong(r, id, EBB_ERR_ARGUMENT, "an element cannot be %s", ebb__value_kind_name(value));
    if (!t) return ebb_error_status();
    if (r->sites) (void)ebb_at(ebb__expr_site, id);
    if (!(ebb_setitem)(v->as.t, list, t)) return ebb__fail_here(r->program->text, a->mark, NULL);
    ebb_arg args[2] = {ebb__arg_tensor("self", v->as.t), ebb__arg_tensor("value", t)};
    if (r->observer.called)
        r->observer.called(r->observer.context, id, "setitem", (ebb_args){2, args}, (ebb_list){1, &v->as.t});
    return EBB_OK;
}
