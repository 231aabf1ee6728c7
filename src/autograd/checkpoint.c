/* Checkpoints: a function's inputs are kept instead of what it saves, and backward calls it again. The semantics are
 * those of torch.utils.checkpoint(use_reentrant=False).
 *
 * A frame is what is known of one call, and does not change after it. While the function runs, hooks number what it
 * saves and keep nothing of it. When a rule needs one of these tensors, the function runs again under hooks that keep
 * what it saves under the same numbers; that belongs to the pass, each tensor until a rule has taken it. So passes that
 * run at once share nothing that is written, and one that ends leaves nothing behind. */
#include "autograd/pass.h"
#include "autograd/transforms.h"
#include "record/autocast.h"
#include "record/saved.h"

static const char *const checkpoint = "checkpoint";

/* What is remembered of a tensor that the function saved. */
struct slot {
    const char *file; /* the line that saved it */
    int line;
    ebb_dtype dtype;
    ebb_dims shape;
    /* A leaf that gathers gradients, and its storage: not references, to be compared only. */
    const ebb_tensor *parameter;
    const struct ebb__storage *storage;
    uint32_t version;
};

struct input {
    ebb_tensor *t;             /* a reference: without history, or where it is packed without data */
    struct ebb__packed packed; /* by the hooks around the checkpoint */
    uint32_t version;
    bool requires_grad;
};

/* The state of the thread that the function sees, each time. */
struct state {
    ebb_rng_state rng;
    uint8_t default_dtype;
    uint32_t autocast;
};

struct frame {
    _Atomic int32_t refs;
    ebb_function function;
    void *context;
    ebb_checkpoint_options options;
    struct state state;
    const char *file; /* of the call */
    int line;
    struct slot *slots;
    size_t n_slots, slot_capacity;
    int64_t n_in;
    struct input in[];
};

/* A run of a frame's function for a pass. */
struct ebb__recomputed {
    struct ebb__recomputed *next;
    struct frame *frame; /* a reference */
    size_t n, left;      /* kept so far; of these not yet taken */
    uint64_t failures;   /* of the thread, before the run */
    bool stopped;        /* all are there, and the run was ended */
    ebb_tensor *t[];     /* [frame->n_slots] references */
};

/* ---- frames ---- */

static void frame_unref(struct frame *f) {
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1) return;
    for (int64_t i = 0; i < f->n_in; i++) {
        ebb__packed_release(&f->in[i].packed);
        ebb__unref(f->in[i].t);
    }
    if (f->options.release) f->options.release(f->context);
    ebb__free(f->slots, f->slot_capacity * sizeof *f->slots);
    ebb__free(f, sizeof *f + (size_t)f->n_in * sizeof *f->in);
}

static ebb_status keep_input(struct input *in, ebb_tensor *t) {
    in->version = ebb__data_version(t);
    in->requires_grad = ebb__requires_grad(t) && ebb__is_floating(t->dtype);
    if (ebb__pack(t, &in->packed)) return ebb_error_status();
    in->t = in->packed.hooks ? ebb__tensor_meta((ebb_dtype)t->dtype, t->ndim, t->dims)
                             : ebb__alias_with_history(t, NULL, 0);
    return in->t ? EBB_OK : ebb_error_status();
}

static struct frame *frame_new(ebb_function function, void *context, ebb_list inputs,
                               const ebb_checkpoint_options *options) {
    struct ebb__thread *th = &ebb__thread;
    size_t bytes = sizeof(struct frame) + (size_t)inputs.n * sizeof(struct input);
    struct frame *f = ebb__alloc_zeroed(bytes);
    if (!f) {
        if (options->release) options->release(context);
        return NULL;
    }
    atomic_init(&f->refs, 1);
    f->function = function;
    f->context = context;
    f->options = *options;
    f->state = (struct state){th->rng, th->default_dtype, ebb__autocast_mode()};
    f->file = th->file;
    f->line = th->line;
    f->n_in = inputs.n;
    ebb_status status = EBB_OK;
    for (int64_t i = 0; i < inputs.n && !status; i++) status = keep_input(&f->in[i], inputs.t[i]);
    if (!status) return f;
    frame_unref(f);
    return NULL;
}

static bool is_parameter(const ebb_tensor *t) { return t->flags & EBB__REQUIRES_GRAD && !t->grad_fn; }

/* The hooks of the first call. A packed value is the number of its slot. */
static void *number(ebb_tensor *t, void *context) {
    struct frame *f = context;
    void *slots = f->slots;
    if (!ebb__grow(&slots, &f->slot_capacity, f->n_slots + 1, sizeof *f->slots)) return NULL;
    f->slots = slots;
    f->slots[f->n_slots] = (struct slot){.file = ebb__thread.file,
                                         .line = ebb__thread.line,
                                         .dtype = (ebb_dtype)t->dtype,
                                         .shape = ebb_tensor_shape(t),
                                         .parameter = is_parameter(t) ? t : NULL,
                                         .storage = is_parameter(t) ? t->storage : NULL,
                                         .version = ebb__version(t)};
    return (void *)(uintptr_t)++f->n_slots;
}

static void let_go(void *context) { frame_unref(context); }

/* ---- what a run has kept ---- */

static void recomputed_free(struct ebb__recomputed *r) {
    size_t slots = r->frame->n_slots;
    for (size_t i = 0; i < slots; i++) ebb__unref(r->t[i]);
    frame_unref(r->frame);
    ebb__free(r, sizeof *r + slots * sizeof *r->t);
}

void ebb__recomputed_end(struct ebb__pass *p) {
    for (struct ebb__recomputed *r; (r = p->recomputed);) {
        p->recomputed = r->next;
        recomputed_free(r);
    }
}

/* Slot i, which is there, for a rule; in the scope. */
static ebb_tensor *take(struct ebb__recomputed *r, size_t i) {
    ebb_tensor *t = r->t[i];
    r->t[i] = NULL;
    r->left--;
    return ebb__own(t);
}

/* ---- the hooks of the calls that follow ---- */

static ebb_status differs(const struct frame *f, const struct slot *s, const char *what, const ebb_tensor *t) {
    char want[EBB__SHAPE_TEXT], got[EBB__SHAPE_TEXT];
    const struct ebb__thread *th = &ebb__thread;
    if (!t)
        return ebb__fail_op(checkpoint, EBB_ERR_CALLBACK,
                            "%s: at %s:%d the first call saved %s %s, tensor %lld of %zu (checkpoint at %s:%d)", what,
                            s->file ? s->file : "?", s->line, ebb_dtype_name(s->dtype),
                            ebb__shape_text(want, s->shape.n, s->shape.d), (long long)(s - f->slots) + 1, f->n_slots,
                            f->file ? f->file : "?", f->line);
    return ebb__fail_op(checkpoint, EBB_ERR_CALLBACK,
                        "%s: tensor %lld of %zu was %s %s, saved at %s:%d, and is %s %s, saved at %s:%d (checkpoint "
                        "at %s:%d)",
                        what, (long long)(s - f->slots) + 1, f->n_slots, ebb_dtype_name(s->dtype),
                        ebb__shape_text(want, s->shape.n, s->shape.d), s->file ? s->file : "?", s->line,
                        ebb_dtype_name((ebb_dtype)t->dtype), ebb__shape_text(got, t->ndim, ebb__sizes(t)),
                        th->file ? th->file : "?", th->line, f->file ? f->file : "?", f->line);
}

static ebb_status check_slot(const struct frame *f, const struct slot *s, const ebb_tensor *t) {
    char writer[EBB__WRITER_TEXT];
    ebb_dims shape = ebb_tensor_shape(t);
    bool same = is_parameter(t) && (t == s->parameter || t->storage == s->storage);
    if (same && ebb__version(t) != s->version)
        return ebb__fail_op(checkpoint, EBB_ERR_VERSION,
                            "a parameter that was saved at %s:%d has been overwritten in place since, %s, so that the "
                            "function cannot be computed again (checkpoint at %s:%d)",
                            s->file ? s->file : "?", s->line, ebb__writer_text(writer, t), f->file ? f->file : "?",
                            f->line);
    if (f->options.no_check || (s->dtype == (ebb_dtype)t->dtype && ebb__dims_equal(&s->shape, &shape))) return EBB_OK;
    return differs(f, s, "the function saved other tensors when it was called again", t);
}

/* End the run: operators flow NULL from here on. What went wrong before stays an error. */
static void *stop(struct ebb__recomputed *r) {
    r->stopped = r->stopped || ebb__thread.failures == r->failures;
    ebb__fail_op(checkpoint, EBB_ERR_CALLBACK, "all that is needed is there");
    return NULL;
}

static void *keep(ebb_tensor *t, void *context) {
    struct ebb__recomputed *r = context;
    const struct frame *f = r->frame;
    if (r->n == f->n_slots) {
        if (!f->options.no_early_stop) return stop(r);
        ebb__fail_op(checkpoint, EBB_ERR_CALLBACK,
                     "the function saved more tensors when it was called again: %zu the first time, and then one at "
                     "%s:%d (checkpoint at %s:%d)",
                     f->n_slots, ebb__thread.file ? ebb__thread.file : "?", ebb__thread.line, f->file ? f->file : "?",
                     f->line);
        return NULL;
    }
    if (check_slot(f, &f->slots[r->n], t) || !(r->t[r->n] = ebb__alias_with_history(t, NULL, 0))) return NULL;
    r->left++;
    if (++r->n == f->n_slots && !f->options.no_early_stop) return stop(r);
    return r; /* for a graph that nobody will walk */
}

static ebb_tensor *never(void *packed, void *context) {
    (void)packed;
    (void)context;
    ebb__fail_op(checkpoint, EBB_ERR_GRAPH,
                 "what a checkpoint's function computes when it is called again is not differentiated");
    return NULL;
}

static int64_t left(const void *context) {
    const struct ebb__recomputed *r = context;
    return r->frame->options.no_early_stop ? -1 : (int64_t)(r->frame->n_slots - r->n);
}

/* ---- calling the function again ---- */

/* The inputs as the function sees them: leaves of no other graph. In the scope. */
static ebb_status inputs_again(const struct frame *f, ebb_tensor **ret_in) {
    for (int64_t i = 0; i < f->n_in; i++) {
        const struct input *in = &f->in[i];
        char writer[EBB__WRITER_TEXT];
        ebb_tensor *from = in->t;
        if (in->packed.hooks) from = ebb__own(ebb__unpack(&in->packed, in->t));
        else if (ebb__data_version(from) != in->version)
            return ebb__fail_op(checkpoint, EBB_ERR_VERSION,
                                "input %lld of the checkpoint at %s:%d was at version %u and has been overwritten in "
                                "place since, %s, so that the function cannot be computed again",
                                (long long)i, f->file ? f->file : "?", f->line, in->version,
                                ebb__writer_text(writer, from));
        ret_in[i] = from ? ebb__own(ebb__alias_with_history(from, NULL, 0)) : NULL;
        if (!ret_in[i]) return ebb_error_status();
        if (in->requires_grad) ret_in[i]->flags |= EBB__REQUIRES_GRAD;
    }
    return EBB_OK;
}

/* In a scope, and with nothing open, as in every unpack hook. */
static ebb_status call_again(struct ebb__recomputed *r) {
    const struct frame *f = r->frame;
    ebb_tensor *small[8], **in = small;
    size_t bytes = (size_t)f->n_in * sizeof *in;
    if (f->n_in > 8 && !(in = ebb__alloc(bytes))) return ebb_error_status();
    ebb_saved_hooks_block block = {0, false};
    ebb_outputs out = {0};
    ebb_status status = inputs_again(f, in);
    struct ebb__thread *th = &ebb__thread;
    th->no_grad = false; /* as at the first call, which would have kept nothing else */
    th->default_dtype = f->state.default_dtype;
    if (!f->options.no_rng) th->rng = f->state.rng;
    if (!status) {
        block = (ebb_saved_hooks_open)((ebb_saved_hooks){.pack = keep, .unpack = never, .context = r});
        if (block.open) th->saved_hooks->left = left;
        else status = ebb_error_status();
    }
    if (!status) status = ebb__function_call(checkpoint, f->function, f->context, (ebb_list){f->n_in, in}, &out);
    ebb_saved_hooks_close(&block);
    if (in != small) ebb__free(in, bytes);
    return status;
}

static struct ebb__recomputed *recompute(struct frame *f) {
    struct ebb__thread *th = &ebb__thread;
    struct ebb__recomputed *r = ebb__alloc_zeroed(sizeof *r + f->n_slots * sizeof *r->t);
    if (!r) return NULL;
    r->frame = f;
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    struct state before = {.rng = th->rng, .default_dtype = th->default_dtype};
    bool no_grad = th->no_grad, failing = ebb__failing();
    r->failures = th->failures;
    ebb_scope scope = ebb_scope_open();
    ebb_mode autocast = ebb__autocast_set(f->state.autocast);
    ebb_status status = call_again(r);
    ebb_autocast_close(&autocast);
    ebb_scope_close(&scope);
    if (!f->options.no_rng) th->rng = before.rng;
    th->no_grad = no_grad;
    th->default_dtype = before.default_dtype;
    if (r->stopped) { /* what was reported since is of our making */
        status = EBB_OK;
        th->failures = r->failures;
        if (!failing) ebb_clear_error();
    } else if (!status && r->n < f->n_slots) {
        status = differs(f, &f->slots[r->n], "the function saved fewer tensors when it was called again", NULL);
    }
    if (!status) return r;
    recomputed_free(r);
    return NULL;
}

static ebb_tensor *unpack(void *packed, void *context) {
    struct frame *f = context;
    struct ebb__pass *p = ebb__thread.pass;
    size_t i = (size_t)(uintptr_t)packed - 1;
    struct ebb__recomputed **at = p ? &p->recomputed : NULL, *r = NULL;
    while (at && *at && (*at)->frame != f) at = &(*at)->next;
    if (at && *at) {
        r = *at;
        *at = r->next;
    }
    if (r && !r->t[i]) { /* asked for twice in one pass */
        recomputed_free(r);
        r = NULL;
    }
    if (!r && !(r = recompute(f))) return NULL;
    ebb_tensor *t = take(r, i);
    if (r->left && p) {
        r->next = p->recomputed;
        p->recomputed = r;
    } else {
        recomputed_free(r);
    }
    return t;
}

/* ---- the first call ---- */

static ebb_status check_inputs(ebb_function function, ebb_list inputs) {
    if (!function) return ebb__fail_null(checkpoint, "function");
    if (inputs.n < 0 || (inputs.n && !inputs.t))
        return ebb__fail_op(checkpoint, EBB_ERR_ARGUMENT, "the list of inputs is NULL, or of %lld tensors",
                            (long long)inputs.n);
    for (int64_t i = 0; i < inputs.n; i++)
        if (!inputs.t[i]) return ebb__fail_null(checkpoint, "an input");
    return EBB_OK;
}

/* In a scope of its own. Tangents of forward mode are recorded too, but their levels will be closed when backward needs
 * what they saved: then everything is kept. */
static ebb_outputs call_first(ebb_function function, void *context, ebb_list inputs, ebb_saved_hooks_block *block) {
    ebb_outputs out = {0};
    ebb_scope scope = ebb_scope_open();
    ebb_status status = ebb__function_call(checkpoint, function, context, inputs, &out);
    ebb_saved_hooks_close(block);
    if (ebb__hand_out(&scope, out.t, status ? 0 : out.n) || status) return (ebb_outputs){0};
    return out;
}

ebb_outputs(ebb_checkpoint)(ebb_function function, void *context, ebb_list inputs, ebb_checkpoint_options options) {
    ebb_outputs out = {0};
    ebb_status status = check_inputs(function, inputs);
    if (status || ebb__thread.levels || ebb__thread.no_grad) { /* with nothing to be computed again, as in PyTorch */
        if (!status) out = call_first(function, context, inputs, NULL);
        if (options.release) options.release(context);
        return out;
    }
    struct frame *f = frame_new(function, context, inputs, &options);
    if (!f) return out;
    /* The block owns the frame from here on, also when it cannot be opened. */
    ebb_saved_hooks_block block = (ebb_saved_hooks_open)((ebb_saved_hooks){
        .pack = number, .unpack = unpack, .context = f, .release_context = let_go});
    return block.open ? call_first(function, context, inputs, &block) : out;
}
