/* Autocast: the mode of the thread, the casts of a call's inputs, and those of parameters, which are kept. */
#include "record/autocast.h"
#include "record/anomaly.h"

/* The thread's `autocast`: the lower precision in force, and */
enum {
    DTYPE = 15,
    OPEN = 16,    /* there is a block, though it may switch autocast off */
    UNKEPT = 32,  /* casts of parameters are not kept */
    ENABLED = 256 /* of a mode as a value only: the bit in `checks` */
};

/* ---- the mode ---- */

uint32_t ebb__autocast_mode(void) {
    return ebb__thread.autocast | (ebb__thread.checks & EBB__CHECK_AUTOCAST ? (uint32_t)ENABLED : 0);
}

static void set(uint32_t mode) {
    struct ebb__thread *th = &ebb__thread;
    const unsigned others = th->checks & ~(unsigned)EBB__CHECK_AUTOCAST;
    th->autocast = (uint8_t)mode;
    th->checks = (uint8_t)(others | (mode & ENABLED ? (unsigned)EBB__CHECK_AUTOCAST : 0));
}

ebb_mode ebb__autocast_set(uint32_t mode) {
    ebb_mode before = {ebb__autocast_mode(), true};
    set(mode);
    return before;
}

ebb_mode(ebb_autocast_open)(ebb_autocast_options options) {
    const ebb_dtype dtype = options.dtype ? options.dtype : EBB_BF16;
    if (!ebb__is_half(dtype)) {
        ebb__fail_op("autocast", EBB_ERR_DTYPE, "the lower precision is bfloat16 or float16, not %s",
                     ebb_dtype_name(dtype));
        return (ebb_mode){0, false};
    }
    return ebb__autocast_set((uint32_t)dtype | OPEN | (options.no_cache ? UNKEPT : 0u) |
                             (options.disabled ? 0u : ENABLED));
}

/* What is kept is the outermost block's. */
void ebb_autocast_close(ebb_mode *mode) {
    struct ebb__thread *th = &ebb__thread;
    if (!mode || !mode->open) return;
    mode->open = false;
    set(mode->before);
    if (mode->before & OPEN) return;
    for (size_t i = 0; i < th->n_casts; i++) {
        ebb__unref(th->casts[i].leaf);
        ebb__unref(th->casts[i].cast);
    }
    ebb__free(th->casts, th->cast_capacity * sizeof *th->casts);
    th->casts = NULL;
    th->n_casts = th->cast_capacity = 0;
}

bool ebb_is_autocast_enabled(void) { return ebb__thread.checks & EBB__CHECK_AUTOCAST; }

ebb_dtype ebb_autocast_dtype(void) {
    return ebb_is_autocast_enabled() ? (ebb_dtype)(ebb__thread.autocast & DTYPE) : EBB_DTYPE_NONE;
}

/* ---- casts ---- */

static bool is_cast(const ebb_tensor *t) {
    return t && ebb__is_floating(t->dtype) && t->dtype != EBB_F64 && !(t->flags & EBB__NUMBER);
}

static ebb_tensor *cast(ebb_tensor *t, ebb_dtype to) { return ebb__call_new(&ebb_op_to_copy, &t, 1, &to); }

/* At a level of forward mode or of a batch a cast carries what the level knows of the leaf, which ends before the block
 * may. */
static bool is_kept(const ebb_tensor *t, ebb_dtype to) {
    return to == (ebb__thread.autocast & DTYPE) && t->dtype == EBB_F32 && t->flags & EBB__REQUIRES_GRAD &&
           !t->grad_fn && !t->base && !(ebb__thread.autocast & UNKEPT) && !ebb__thread.levels;
}

/* Whether the cast is of the values that the leaf has now, and has the history that a call now would give it. */
static bool is_fresh(const struct ebb__kept_cast *k, ebb_dtype to) {
    return k->version == ebb__version(k->leaf) && k->cast->dtype == to && (k->cast->grad_fn || ebb__thread.no_grad);
}

static ebb_tensor *kept_cast(ebb_tensor *leaf, ebb_dtype to) {
    struct ebb__thread *th = &ebb__thread;
    size_t i = 0;
    while (i < th->n_casts && th->casts[i].leaf != leaf) i++;
    if (i < th->n_casts && is_fresh(&th->casts[i], to)) {
        ebb__ref(th->casts[i].cast);
        return th->casts[i].cast;
    }
    void *casts = th->casts;
    if (!ebb__grow(&casts, &th->cast_capacity, i + 1, sizeof *th->casts)) return NULL;
    th->casts = casts;
    ebb_tensor *made = cast(leaf, to);
    if (!made) return NULL;
    if (i == th->n_casts) {
        th->n_casts++;
        ebb__ref(leaf);
    } else {
        ebb__unref(th->casts[i].cast);
    }
    th->casts[i] = (struct ebb__kept_cast){leaf, made, ebb__version(leaf)};
    ebb__ref(made);
    return made;
}

/* ---- the inputs of a call ---- */

static ebb_dtype target(const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    if (op->autocast == EBB_AUTOCAST_F32) return EBB_F32;
    for (int64_t i = 0; i < n && op->autocast == EBB_AUTOCAST_WIDEST; i++)
        if (in[i] && in[i]->dtype == EBB_F32 && is_cast(in[i])) return EBB_F32;
    return (ebb_dtype)(ebb__thread.autocast & DTYPE);
}

ebb_status ebb__autocast_inputs(struct ebb__row *row, const struct ebb_op *op, ebb_tensor *const *in, int64_t n) {
    const ebb_dtype to = target(op, in, n);
    row->in = n <= EBB__ROW ? row->small : ebb__alloc((size_t)n * sizeof *row->in);
    row->n = row->in ? n : 0;
    if (!row->in) return ebb_error_status();
    for (int64_t i = 0; i < n; i++) row->in[i] = NULL;
    for (int64_t i = 0; i < n; i++) {
        ebb_tensor *t = in[i];
        if (!is_cast(t) || t->dtype == to) {
            if (t) ebb__ref(t);
        } else {
            t = is_kept(t, to) ? kept_cast(t, to) : cast(t, to);
        }
        if (!t && in[i]) return ebb_error_status();
        row->in[i] = t;
    }
    return EBB_OK;
}

void ebb__autocast_end(struct ebb__row *row) {
    for (int64_t i = 0; i < row->n; i++) ebb__unref(row->in[i]);
    ebb__row_end(row);
}
