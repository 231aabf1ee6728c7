/* Checkpoints: what is computed again is what was computed, and nothing of it is kept. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

static ebb_tensor *leaf(int64_t n, double v) {
    return ebb_add(ebb_mul(ebb_arange(0, (double)n, 1, .dtype = EBB_F64), 0.1), v);
}
static ebb_tensor *parameter(int64_t n, double v) { return ebb_requires_grad_(leaf(n, v), true); }

/* Bitwise. */
static bool same(const ebb_tensor *a, const ebb_tensor *b) {
    size_t n = (size_t)ebb_tensor_numel(a);
    double *x = malloc(2 * n * sizeof *x), *y = x + n;
    bool equal = x && a && b && ebb_tensor_numel(b) == (int64_t)n && !ebb_tensor_read(a, EBB_F64, x) &&
                 !ebb_tensor_read(b, EBB_F64, y) && memcmp(x, y, n * sizeof *x) == 0;
    free(x);
    return equal;
}

/* A block with a parameter: tanh(x w) exp(x), which saves five tensors. */
struct block {
    ebb_tensor *w;
    int calls, ends, released;
    bool recording;
};

static ebb_status block(ebb_list in, ebb_outputs *ret_out, void *context) {
    struct block *b = context;
    b->calls++;
    b->recording = ebb_is_grad_enabled();
    ebb_tensor *h = ebb_tanh(ebb_mul(in.t[0], b->w));
    ret_out->t[ret_out->n++] = ebb_mul(h, ebb_exp(in.t[0]));
    if (ret_out->t[0]) b->ends++;
    return ebb_error_status();
}
static void release(void *context) { ((struct block *)context)->released++; }

static ebb_tensor *plain(ebb_function f, void *context, ebb_tensor *x) {
    ebb_outputs out = {0};
    return f(EBB_LIST(x), &out, context) ? NULL : out.t[0];
}

EBB_TEST(gradients_are_those_of_the_plain_run) {
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(5, 0.3), *g[2], *h[2];
        b.w = parameter(5, -0.4);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(plain(block, &b, x))), EBB_LIST(x, b.w), g) == EBB_OK);
        CHECK(b.calls == 1);
        ebb_outputs out = ebb_checkpoint(block, &b, EBB_LIST(x), .release = release);
        CHECK(out.n == 1 && b.calls == 2 && b.released == 0);
        CHECK(same(out.t[0], plain(block, &b, x)));
        CHECK(ebb_grad(EBB_LIST(ebb_sum(out.t[0])), EBB_LIST(x, b.w), h) == EBB_OK);
        CHECK(b.calls == 4 && b.recording && b.released == 1);
        CHECK(same(g[0], h[0]) && same(g[1], h[1]));
        CHECK(ebb_backward(ebb_sum(ebb_checkpoint(block, &b, EBB_LIST(x)).t[0])) == EBB_OK);
        CHECK(same(g[0], ebb_tensor_grad(x)) && same(g[1], ebb_tensor_grad(b.w)));
    }
    CHECK(b.released == 1);
}

EBB_TEST(nothing_is_kept_but_the_inputs) {
    enum { N = 1 << 16, BYTES = 8 * N, SMALL = 1 << 14 };
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(N, 0.3);
        b.w = parameter(N, -0.4);
        ebb_tensor *y = NULL;
        int64_t before = ebb_memory().in_use, kept;
        EBB_SCOPE y = ebb_scope_hand(plain(block, &b, x));
        kept = ebb_memory().in_use - before;
        CHECK(kept > 3 * BYTES && kept < 3 * BYTES + SMALL); /* tanh, exp, the result */
        before = ebb_memory().in_use;
        y = ebb_checkpoint(block, &b, EBB_LIST(x)).t[0];
        kept = ebb_memory().in_use - before;
        CHECK(kept > BYTES && kept < BYTES + SMALL);
        CHECK(ebb_backward(ebb_sum(y)) == EBB_OK);
    }
}

/* ---- called again ---- */

EBB_TEST(called_again_once_a_pass) {
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 0.5), *once, *twice;
        b.w = parameter(3, 1);
        ebb_tensor *y = ebb_sum(ebb_checkpoint(block, &b, EBB_LIST(x), .release = release).t[0]);
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &once, .retain_graph = true) == EBB_OK && b.calls == 2);
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &twice) == EBB_OK && b.calls == 3);
        CHECK(same(once, twice) && b.released == 1);
        CHECK(ebb_backward(y) == EBB_ERR_FREED);
        CHECK_ERROR(EBB_ERR_FREED, "backward a second time");
    }
}

/* The last of what is saved are the inputs of the product: it is not computed again, and neither is what follows. */
EBB_TEST(stops_when_all_that_is_needed_is_there) {
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 0.5);
        b.w = parameter(3, 1);
        CHECK(ebb_backward(ebb_sum(ebb_checkpoint(block, &b, EBB_LIST(x)).t[0])) == EBB_OK);
        CHECK(b.calls == 2 && b.ends == 1);
        CHECK(ebb_backward(ebb_sum(ebb_checkpoint(block, &b, EBB_LIST(x), .no_early_stop = true).t[0])) == EBB_OK);
        CHECK(b.calls == 4 && b.ends == 3);
        ebb_fail(EBB_ERR_IO, "an error of before");
        CHECK(ebb_grad_mode_open(true).open);
        ebb_clear_error();
    }
}

/* An operator of two results, exp(x) and its sine. */
static ebb_list exp_and_sine(struct ebb_forward *f) {
    ebb_tensor **t = ebb_list_room(2);
    if (!t) return (ebb_list){0, NULL};
    t[0] = ebb_exp(f->in[0]);
    t[1] = ebb_sin(t[0]);
    return (ebb_list){2, t};
}
static const struct ebb_op exp_and_sine_op = {.name = "exp_and_sine",
                                              .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                              .n_in = 1,
                                              .n_out = 2,
                                              .dtypes = EBB_FLOATING,
                                              .compose_list = exp_and_sine};
static ebb_status calls_exp_and_sine(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ebb_tensor *out[2] = {NULL};
    if (ebb_call_op(&exp_and_sine_op, in.t, 1, NULL, out)) return ebb_error_status();
    ret_out->t[ret_out->n++] = ebb_add(out[0], out[1]);
    return ebb_error_status();
}

EBB_TEST(stops_within_an_operator_of_several_results) {
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 0), *y = ebb_checkpoint(calls_exp_and_sine, NULL, EBB_LIST(x)).t[0], *want;
        CHECK(ebb_backward(ebb_sum(y)) == EBB_OK);
        ebb_outputs plain = {0};
        CHECK(!calls_exp_and_sine(EBB_LIST(x), &plain, NULL));
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(plain.t[0])), EBB_LIST(x), &want));
        CHECK(same(ebb_tensor_grad(x), want));
    }
}

/* Saves in two steps, after which it looks at what it has. */
static ebb_status looks(ebb_list in, ebb_outputs *ret_out, void *context) {
    int *finished = context;
    ebb_tensor *h = ebb_exp(in.t[0]);
    h = ebb_mul(ebb_sin(h), h);
    h = ebb_add(h, ebb_mul(in.t[0], 2.0));
    if (!h) return ebb_fail(EBB_ERR_CALLBACK, "there is no h");
    ++*finished;
    ret_out->t[ret_out->n++] = h;
    return EBB_OK;
}

EBB_TEST(an_error_that_was_pending_stays) {
    int finished = 0;
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 0.5), *y = ebb_sum(ebb_checkpoint(looks, &finished, EBB_LIST(x)).t[0]);
        ebb_fail(EBB_ERR_IO, "of before");
        CHECK(ebb_backward(y) == EBB_OK && finished == 1);
        CHECK_ERROR(EBB_ERR_IO, "of before");
        CHECK(ebb_tensor_grad(x) != NULL);
    }
}

/* ---- several inputs and results, and none that need a gradient ---- */

static ebb_status several(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ebb_tensor *index = ebb_argsort(in.t[0]);
    ret_out->t[0] = ebb_mul(in.t[0], in.t[1]);
    ret_out->t[1] = index;
    ret_out->t[2] = in.t[2];
    ret_out->t[3] = ebb_exp(ebb_mul(in.t[1], in.t[2]));
    ret_out->t[4] = ebb_detach(ret_out->t[3]);
    ret_out->n = 5;
    return ebb_error_status();
}

EBB_TEST(several_inputs_and_results) {
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 1), *y = parameter(3, 2), *c = leaf(3, 3), *g[2], *h[2];
        ebb_outputs a = {0}, b = ebb_checkpoint(several, NULL, EBB_LIST(x, y, c));
        CHECK(several(EBB_LIST(x, y, c), &a, NULL) == EBB_OK && a.n == 5 && b.n == 5);
        for (int k = 0; k < 5; k++)
            CHECK(same(a.t[k], b.t[k]) && ebb_tensor_requires_grad(a.t[k]) == ebb_tensor_requires_grad(b.t[k]));
        CHECK(b.t[2] == c);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(a.t[0]), ebb_sum(a.t[3])), EBB_LIST(x, y), g) == EBB_OK);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(b.t[0]), ebb_sum(b.t[3])), EBB_LIST(x, y), h) == EBB_OK);
        CHECK(same(g[0], h[0]) && same(g[1], h[1]));
        b = ebb_checkpoint(several, NULL, EBB_LIST(c, c, c));
        CHECK(b.n == 5 && !ebb_tensor_requires_grad(b.t[0]));
        b = ebb_checkpoint(several, NULL, EBB_LIST(x, c, c)); /* a pass that needs but one of two results */
        CHECK(ebb_backward(ebb_sum(b.t[0])) == EBB_OK);
        CHECK(same(ebb_tensor_grad(x), c));
    }
}

static ebb_status of_context(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)in;
    ret_out->t[ret_out->n++] = ebb_exp(ebb_mul(context, 2.0));
    return ebb_error_status();
}

EBB_TEST(no_inputs_at_all) {
    EBB_SCOPE {
        ebb_tensor *x = parameter(2, 1);
        const ebb_list none = {0, NULL};
        CHECK(ebb_backward(ebb_sum(ebb_checkpoint(of_context, x, none).t[0])) == EBB_OK);
        CHECK_VALUES(ebb_tensor_grad(x), 1e-14, 2 * exp(2), 2 * exp(2.2));
    }
}

EBB_TEST(under_no_grad_it_is_a_call) {
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(2, 1), *y = NULL;
        b.w = parameter(2, 1);
        EBB_NO_GRAD y = ebb_checkpoint(block, &b, EBB_LIST(x), .release = release).t[0];
        CHECK(y && !ebb_tensor_requires_grad(y) && b.calls == 1 && b.released == 1);
    }
}

/* ---- the state of the thread ---- */

static ebb_status drops(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ebb_tensor *h = ebb_dropout(in.t[0]);
    ebb_tensor *noise = ebb_rand(ebb_tensor_shape(in.t[0]), .dtype = EBB_F64);
    ret_out->t[ret_out->n++] = ebb_mul(ebb_exp(h), noise);
    return ebb_error_status();
}

EBB_TEST(random_numbers_are_drawn_again) {
    EBB_SCOPE {
        ebb_tensor *x = parameter(200, 0), *g, *h, *other;
        ebb_manual_seed(7);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(plain(drops, NULL, x))), EBB_LIST(x), &g) == EBB_OK);
        ebb_manual_seed(7);
        ebb_tensor *y = ebb_checkpoint(drops, NULL, EBB_LIST(x)).t[0];
        ebb_rand(EBB_DIMS(10)); /* the generator has gone on */
        ebb_rng_state before = ebb_get_rng_state();
        CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &h) == EBB_OK);
        ebb_rng_state after = ebb_get_rng_state();
        CHECK(same(g, h) && before.seed == after.seed && before.offset == after.offset);
        ebb_manual_seed(7);
        y = ebb_checkpoint(drops, NULL, EBB_LIST(x), .no_rng = true).t[0];
        CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &other) == EBB_OK);
        CHECK(!same(g, other));
    }
}

static ebb_status typed(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ebb_tensor *ones = ebb_ones(ebb_tensor_shape(in.t[0])); /* of the default dtype */
    ret_out->t[ret_out->n++] = ebb_exp(ebb_mul(ebb_to(in.t[0], ebb_tensor_dtype(ones)), ones));
    return ebb_error_status();
}

EBB_TEST(default_dtype_and_grad_mode_are_those_of_the_call) {
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 0);
        CHECK(ebb_set_default_dtype(EBB_F64) == EBB_OK);
        ebb_tensor *y = ebb_checkpoint(typed, NULL, EBB_LIST(x)).t[0];
        CHECK(ebb_set_default_dtype(EBB_F32) == EBB_OK);
        CHECK(ebb_backward(ebb_sum(y)) == EBB_OK && ebb_default_dtype() == EBB_F32);
        CHECK(same(ebb_tensor_grad(x), y));
    }
}

static int packs;
static void *counts_pack(ebb_tensor *t, void *context) {
    (void)context;
    packs++;
    return ebb_keep(t);
}
static ebb_tensor *counts_unpack(void *packed, void *context) {
    (void)context;
    return packed;
}
static void counts_release(void *packed, void *context) {
    (void)context;
    ebb_drop(packed);
}

/* Inputs are packed by the hooks around it, but not where they will not be needed. */
EBB_TEST(a_plain_call_where_nothing_is_recorded) {
    const ebb_saved_hooks counts = {.pack = counts_pack, .unpack = counts_unpack, .release = counts_release};
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 0);
        packs = 0;
        EBB_SAVED_HOOKS(counts) {
            EBB_NO_GRAD CHECK(!ebb_tensor_requires_grad(ebb_checkpoint(typed, NULL, EBB_LIST(x)).t[0]) && packs == 0);
            ebb_tensor *y = ebb_checkpoint(typed, NULL, EBB_LIST(x)).t[0];
            CHECK(packs == 1 && !ebb_backward(ebb_sum(y)));
            CHECK(same(ebb_tensor_grad(x), y));
        }
    }
}

/* ---- nested, to any order, hooks, forward mode ---- */

struct nested {
    struct block *b;
    int depth, calls;
};
static ebb_status nested(ebb_list in, ebb_outputs *ret_out, void *context) {
    struct nested *n = context;
    n->calls++;
    ebb_tensor *h = ebb_sin(in.t[0]);
    struct nested *inner = n + 1;
    h = n->depth ? ebb_checkpoint(nested, inner, EBB_LIST(h)).t[0] : plain(block, n->b, h);
    ret_out->t[ret_out->n++] = ebb_mul(ebb_tanh(h), h);
    return ebb_error_status();
}

EBB_TEST(nested_checkpoints) {
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(4, 0.2), *g[2], *h[2];
        b.w = parameter(4, -1);
        ebb_tensor *y = x;
        for (int i = 0; i < 4; i++) {
            y = ebb_sin(y);
            if (i == 3) y = plain(block, &b, y);
        }
        for (int i = 0; i < 4; i++) y = ebb_mul(ebb_tanh(y), y);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x, b.w), g) == EBB_OK);
        struct nested n[] = {{&b, 3, 0}, {&b, 2, 0}, {&b, 1, 0}, {&b, 0, 0}};
        ebb_tensor *z = ebb_checkpoint(nested, n, EBB_LIST(x)).t[0];
        CHECK(same(z, y));
        b.calls = 0;
        CHECK(ebb_grad(EBB_LIST(ebb_sum(z)), EBB_LIST(x, b.w), h) == EBB_OK);
        CHECK(same(g[0], h[0]) && same(g[1], h[1]));
        CHECK(n[0].calls == 2 && b.calls == 4); /* the innermost runs again for each around it, and for itself */
    }
}

EBB_TEST(derivatives_of_any_order) {
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 0.2), *d[2][4];
        b.w = parameter(3, -1);
        struct nested n[] = {{&b, 1, 0}, {&b, 0, 0}};
        for (int k = 0; k < 2; k++) {
            ebb_tensor *y = ebb_sin(ebb_sin(x));
            y = plain(block, &b, y);
            for (int i = 0; i < 2; i++) y = ebb_mul(ebb_tanh(y), y);
            if (k) y = ebb_checkpoint(nested, n, EBB_LIST(x)).t[0];
            for (int order = 0; order < 4; order++) {
                CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &d[k][order], .create_graph = true) == EBB_OK);
                y = d[k][order];
            }
        }
        for (int order = 0; order < 4; order++) CHECK(same(d[0][order], d[1][order]));
    }
}

static ebb_status checkpointed(ebb_list in, ebb_outputs *ret_out, void *context) {
    *ret_out = ebb_checkpoint(block, context, in);
    return ebb_error_status();
}

EBB_TEST(gradcheck_and_transforms) {
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 0.2);
        ebb_list h[2];
        b.w = leaf(3, -1);
        CHECK(ebb_gradcheck(checkpointed, &b, EBB_LIST(x), .forward_mode = true) == EBB_OK);
        CHECK(ebb_gradgradcheck(checkpointed, &b, EBB_LIST(x), .forward_mode = true) == EBB_OK);
        CHECK(ebb_jacobian(block, &b, EBB_LIST(x), &h[0]) == EBB_OK);
        CHECK(ebb_jacobian(checkpointed, &b, EBB_LIST(x), &h[1]) == EBB_OK);
        CHECK(same(h[0].t[0], h[1].t[0]));
    }
}

EBB_TEST(inside_of_packers) {
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(50, 0.2), *y = NULL, *g, *h;
        b.w = parameter(50, -1);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(plain(block, &b, ebb_exp(x)))), EBB_LIST(x), &g) == EBB_OK);
        EBB_SAVED_HOOKS(ebb_saved_to_disk(NULL)) y = ebb_checkpoint(block, &b, EBB_LIST(ebb_exp(x))).t[0];
        CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &h) == EBB_OK);
        CHECK(same(g, h));
        EBB_NO_SAVED_HOOKS("not here") CHECK(ebb_checkpoint(block, &b, EBB_LIST(x), .release = release).n == 0);
        CHECK_ERROR(EBB_ERR_GRAPH, "not here");
        CHECK(b.released == 1);
    }
}

/* ---- what goes wrong ---- */

struct changing {
    int calls, kind;
};
static ebb_status changes(ebb_list in, ebb_outputs *ret_out, void *context) {
    struct changing *c = context;
    bool again = c->calls++ > 0;
    ebb_tensor *x = in.t[0];
    if (again && c->kind == 0) x = ebb_cat(EBB_LIST(x, x), 0);
    if (again && c->kind == 1) x = ebb_to(x, EBB_F32);
    if (!again && c->kind == 2) x = ebb_exp(x);
    if (again && c->kind == 3) x = ebb_sin(x);
    if (again && c->kind == 4) return EBB_ERR_IO;
    if (again && c->kind == 5) ebb_add(x, ebb_ones(EBB_DIMS(7)));
    if (again && c->kind == 6) ebb_clear_error();
    ret_out->t[ret_out->n++] = ebb_exp(x);
    return ebb_error_status();
}

EBB_TEST(another_recomputation_is_an_error) {
    static const struct {
        ebb_status status;
        const char *text;
        bool no_early_stop;
    } want[] = {
        {EBB_ERR_CALLBACK, "tensor 1 of 1 was float64 [3], saved at ", false},
        {EBB_ERR_CALLBACK, "and is float32 [3], saved at ", false},
        {EBB_ERR_CALLBACK, "the function saved fewer tensors when it was called again: at ", false},
        {EBB_ERR_CALLBACK, "the function saved more tensors when it was called again: 1 the first time", true},
        {EBB_ERR_IO, "the function failed", false},
        {EBB_ERR_SHAPE, "do not broadcast", false},
    };
    for (int kind = 0; kind < 6; kind++) {
        struct changing c = {0, kind};
        EBB_SCOPE {
            ebb_tensor *x = parameter(3, 0.2), *y;
            y = ebb_checkpoint(changes, &c, EBB_LIST(x), .no_early_stop = want[kind].no_early_stop).t[0];
            ebb_rng_state rng = ebb_get_rng_state();
            CHECK(ebb_backward(ebb_sum(y)) == want[kind].status && c.calls == 2);
            CHECK_ERROR(want[kind].status, want[kind].text);
            CHECK(ebb_tensor_grad(x) == NULL && ebb_is_grad_enabled() && rng.offset == ebb_get_rng_state().offset);
        }
    }
}

/* Both lines and the checkpoint's own are in the message. */
EBB_TEST(the_message_names_the_lines) {
    struct changing c = {0, 0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 0.2);
        int line = __LINE__ + 1;
        ebb_tensor *y = ebb_checkpoint(changes, &c, EBB_LIST(x)).t[0];
        CHECK(ebb_backward(ebb_sum(y)) == EBB_ERR_CALLBACK);
        char text[64];
        (void)snprintf(text, sizeof text, "test_checkpoint.c:%d)", line);
        CHECK(strstr(ebb_error()->message, text) && strstr(ebb_error()->message, "is float64 [6]"));
        CHECK_ERROR(EBB_ERR_CALLBACK, "the function saved other tensors");
    }
}

EBB_TEST(what_is_overwritten_is_an_error) {
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = leaf(3, 0.2), *y;
        b.w = parameter(3, 1);
        y = ebb_sum(ebb_checkpoint(block, &b, EBB_LIST(x)).t[0]);
        ebb_add_(x, 1.0);
        CHECK(ebb_backward(y) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "input 0 of the checkpoint at ");
        y = ebb_sum(ebb_checkpoint(block, &b, EBB_LIST(x)).t[0]);
        CHECK(ebb_backward(y) == EBB_OK);
        y = ebb_sum(ebb_checkpoint(block, &b, EBB_LIST(ebb_requires_grad_(x, true))).t[0]);
        EBB_NO_GRAD ebb_add_(b.w, 1.0);
        CHECK(ebb_backward(y) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "a parameter that was saved at ");
    }
}

EBB_TEST(wrong_use) {
    struct block b = {0};
    struct changing c = {1, 4};
    EBB_SCOPE {
        ebb_tensor *x = parameter(3, 0.2);
        CHECK(ebb_checkpoint(NULL, &b, EBB_LIST(x), .release = release).n == 0);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "checkpoint: function is NULL");
        CHECK(ebb_checkpoint(block, &b, EBB_LIST(NULL), .release = release).t[0] == NULL);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "checkpoint: an input is NULL");
        CHECK(ebb_checkpoint(changes, &c, EBB_LIST(x)).n == 0);
        CHECK_ERROR(EBB_ERR_IO, "the function failed");
        CHECK(b.released == 2);
    }
}

/* ---- threads, failing allocations ---- */

enum { THREADS = 4, PASSES = 20 };
struct concurrent {
    ebb_tensor *y, *x, *want;
    int right;
};

static void *passes(void *context) {
    struct concurrent *c = context;
    for (int i = 0; i < PASSES; i++) {
        EBB_SCOPE {
            ebb_tensor *g = NULL;
            if (!ebb_grad(EBB_LIST(c->y), EBB_LIST(c->x), &g, .retain_graph = true)) c->right += same(g, c->want);
        }
    }
    ebb_thread_release();
    return NULL;
}

static ebb_status stateless(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *h = ebb_tanh(ebb_mul(in.t[0], context));
    ret_out->t[ret_out->n++] = ebb_mul(ebb_dropout(h), ebb_exp(in.t[0]));
    return ebb_error_status();
}

EBB_TEST(passes_at_once) {
    EBB_SCOPE {
        pthread_t thread[THREADS];
        struct concurrent c[THREADS];
        ebb_tensor *x = parameter(64, 0.1), *w = parameter(64, 0.5), *y = x, *want;
        for (int i = 0; i < 5; i++) y = ebb_checkpoint(stateless, w, EBB_LIST(y)).t[0];
        y = ebb_sum(y);
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &want, .retain_graph = true) == EBB_OK);
        for (int i = 0; i < THREADS; i++) {
            c[i] = (struct concurrent){y, x, want, 0};
            CHECK(pthread_create(&thread[i], NULL, passes, &c[i]) == 0);
        }
        for (int i = 0; i < THREADS; i++) CHECK(pthread_join(thread[i], NULL) == 0 && c[i].right == PASSES);
    }
}

static void run_failing(void) {
    struct block b = {0};
    EBB_SCOPE {
        ebb_tensor *x = parameter(40, 0.2), *g = NULL;
        b.w = parameter(40, -1);
        struct nested n[] = {{&b, 1, 0}, {&b, 0, 0}};
        ebb_tensor *y = b.w ? ebb_checkpoint(nested, n, EBB_LIST(x), .release = NULL).t[0] : NULL;
        y = ebb_checkpoint(drops, NULL, EBB_LIST(y)).t[0];
        if (!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &g, .create_graph = true))
            ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(x), &g);
    }
}
EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(run_failing, 0); }

EBB_TEST_MAIN
