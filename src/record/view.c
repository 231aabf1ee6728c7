/* Histories of views whose base, or another view of it, was written in place: as PyTorch has them.
 *
 * A write into a view is recorded as the view's history first; then the base becomes CopySlices of what it was and of
 * the view's new value, and the view, like every other view of that base when it is next used, AsStrided of the base.
 * A view knows that it is behind by its nodes: they lead to the base's node through views only. */
#include "record/call.h"

/* The first node from n on that is no view's, or `stop`. */
static const ebb_node *behind_views(const ebb_node *n, const ebb_node *stop) {
    while (n && n != stop && n->op && n->op->view) n = ebb__node_edges(n)->node;
    return n;
}

static bool is_stale(const ebb_tensor *t) {
    return ebb__inherits(t) && behind_views(t->grad_fn, t->base->grad_fn) != t->base->grad_fn;
}

bool ebb__is_view_of_leaf(const ebb_tensor *t) {
    const ebb_tensor *base = ebb__base(t);
    if (!t->base) return false;
    if (base && (base->flags & EBB__REQUIRES_GRAD) && !base->grad_fn) return true;
    const ebb_node *n = behind_views(t->grad_fn, NULL); /* a leaf may itself be a view of what needs no gradient */
    return n && n->flags & EBB__NODE_LEAF;
}

static struct ebb__region region_of(const ebb_tensor *t) {
    const ebb_tensor *base = t->base;
    return (struct ebb__region){.base_sizes = ebb__dims(base->ndim, ebb__sizes(base)),
                                .base_strides = ebb__dims(base->ndim, ebb__strides(base)),
                                .sizes = ebb__dims(t->ndim, ebb__sizes(t)),
                                .strides = ebb__dims(t->ndim, ebb__strides(t)),
                                .offset = (t->data - base->data) / (ptrdiff_t)ebb__dtype_sizes[t->dtype]};
}

ebb_status ebb__view_refresh(ebb_tensor *view) {
    if (EBB_LIKELY(!is_stale(view))) return EBB_OK;
    struct ebb__thread *th = &ebb__thread;
    const char *file = th->file;
    int line = th->line;
    struct ebb__region r = region_of(view);
    th->file = view->base->grad_fn->file; /* the write that changed the view */
    th->line = view->base->grad_fn->line;
    ebb_status status = ebb__record_as_is(&ebb__op_as_strided, &view->base, &view->base, 1, &r, &view, 1);
    th->file = file;
    th->line = line;
    return status;
}

ebb_status ebb__view_written(ebb_tensor *view) {
    ebb_tensor *in[] = {view->base, view};
    struct ebb__region r = region_of(view);
    ebb_status status = ebb__record_as_is(&ebb__op_copy_slices, in, in, 2, &r, &view->base, 1);
    return status ? status : ebb__view_refresh(view);
}
