/* Hooks on saved tensors, and the packers to bfloat16 and to disk. */
#define _XOPEN_SOURCE 700
#include "tests/check.h"
#include <ebb/ebb.h>
#include "record/saved.h"
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static ebb_tensor *leaf(double v) { return ebb_full(EBB_DIMS(2), v, .requires_grad = true, .dtype = EBB_F64); }

/* Hooks that hold a copy, and count. */
struct counts {
    int packed, unpacked, released, ended;
    bool recording, leaf, history;
};

static void *copy_pack(ebb_tensor *t, void *context) {
    struct counts *c = context;
    c->packed++;
    c->recording = c->recording || ebb_is_grad_enabled();
    c->leaf = c->leaf || (ebb_tensor_is_leaf(t) && ebb_tensor_requires_grad(t));
    c->history = c->history || ebb_tensor_grad_fn(t);
    return ebb_keep(ebb_clone(t));
}
static ebb_tensor *copy_unpack(void *packed, void *context) {
    struct counts *c = context;
    c->unpacked++;
    c->recording = c->recording || ebb_is_grad_enabled();
    return packed;
}
static void copy_release(void *packed, void *context) {
    struct counts *c = context;
    c->released++;
    ebb_drop(packed);
}
static void ended(void *context) { ((struct counts *)context)->ended++; }
static ebb_saved_hooks copies(struct counts *c) {
    return (ebb_saved_hooks){
        .pack = copy_pack, .unpack = copy_unpack, .release = copy_release, .context = c, .release_context = ended};
}

EBB_TEST(inputs_leaves_and_outputs_are_packed) {
    struct counts c = {0};
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = NULL;
        EBB_SAVED_HOOKS(copies(&c)) {
            ebb_tensor *e = ebb_exp(ebb_mul(x, 2.0)); /* mul keeps nothing packable: a number */
            CHECK(c.packed == 1 && !c.leaf && !c.history);
            y = ebb_mul(e, x);
            CHECK(c.packed == 3 && c.leaf && c.history);
            y = ebb_add(y, 1.0);
            CHECK(c.packed == 3);
        }
        CHECK(!c.recording && c.ended == 0);
        ebb_tensor *outside = ebb_exp(y);
        CHECK(c.packed == 3);
        CHECK(ebb_backward(ebb_sum(y), .retain_graph = true) == EBB_OK);
        CHECK(c.unpacked == 3 && c.released == 0);
        CHECK_VALUES(ebb_tensor_grad(x), 1e-12, exp(4) + 2 * 2 * exp(4), exp(4) + 2 * 2 * exp(4));
        CHECK(ebb_backward(ebb_sum(outside)) == EBB_OK);
        CHECK(c.unpacked == 6 && c.released == 3 && !c.recording);
    }
    CHECK(c.ended == 1);
}

EBB_TEST(unpacked_each_time_and_freed_once) {
    struct counts c = {0};
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = NULL;
        EBB_SAVED_HOOKS(copies(&c)) y = ebb_sum(ebb_mul(x, x));
        CHECK(ebb_backward(y, .retain_graph = true) == EBB_OK && c.unpacked == 2);
        CHECK(ebb_backward(y) == EBB_OK && c.unpacked == 4 && c.released == 2);
        CHECK(ebb_backward(y) == EBB_ERR_FREED);
        CHECK_ERROR(EBB_ERR_FREED, "backward a second time");
        CHECK(c.unpacked == 4);
        ebb_tensor *never = NULL;
        EBB_SAVED_HOOKS(copies(&c)) never = ebb_mul(x, x);
        CHECK(c.packed == 4 && never);
    }
    CHECK(c.released == 4 && c.ended == 2);
}

EBB_TEST(only_the_innermost_apply) {
    struct counts outer = {0}, inner = {0};
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = NULL;
        EBB_SAVED_HOOKS(copies(&outer)) {
            EBB_SAVED_HOOKS(copies(&inner)) {
                y = ebb_exp(x);
                CHECK(inner.packed == 1 && outer.packed == 0);
                break;
            }
            y = ebb_exp(y);
            CHECK(inner.packed == 1 && outer.packed == 1);
        }
        y = ebb_exp(y);
        CHECK(ebb_backward(ebb_sum(y)) == EBB_OK);
        CHECK(inner.unpacked == 1 && outer.unpacked == 1);
        CHECK_VALUES(ebb_tensor_grad(x), 1e-9 * exp(exp(exp(2))), exp(exp(exp(2))) * exp(exp(2)) * exp(2),
                     exp(exp(exp(2))) * exp(exp(2)) * exp(2));
    }
    CHECK(inner.ended == 1 && outer.ended == 1);
}

/* Closing the outer block ends the inner one too, and what is closed again is left alone. */
EBB_TEST(blocks_closed_out_of_order) {
    struct counts a = {0}, b = {0};
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        ebb_saved_hooks_block outer = ebb_saved_hooks_open(copies(&a)), inner = ebb_saved_hooks_open(copies(&b));
        ebb_saved_hooks_block copy = inner;
        ebb_saved_hooks_close(&outer);
        CHECK(a.ended == 1 && b.ended == 1);
        ebb_saved_hooks_block other = ebb_saved_hooks_open(copies(&a));
        ebb_saved_hooks_close(&inner);
        ebb_saved_hooks_close(&copy);
        ebb_saved_hooks_close(NULL);
        ebb_exp(x);
        CHECK(a.packed == 1 && b.packed == 0);
        ebb_saved_hooks_close(&other);
        ebb_saved_hooks_close(&other);
        ebb_exp(x);
        CHECK(a.packed == 1);
    }
    CHECK(a.ended == 2);
}

EBB_TEST(double_backward_through_packed_values) {
    struct counts c = {0};
    EBB_SCOPE {
        ebb_tensor *x = leaf(1.5), *y = NULL, *g, *h, *third;
        EBB_SAVED_HOOKS(copies(&c)) y = ebb_mul(ebb_exp(ebb_mul(x, x)), x); /* the leaf itself is packed, too */
        CHECK(ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &g, .create_graph = true) == EBB_OK);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(x), &h, .create_graph = true) == EBB_OK);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(h)), EBB_LIST(x), &third) == EBB_OK);
        double e = exp(2.25), v = 1.5;
        CHECK_VALUES(g, 1e-12, e * (1 + 2 * v * v), e * (1 + 2 * v * v));
        CHECK_VALUES(h, 1e-12, e * (6 * v + 4 * v * v * v), e * (6 * v + 4 * v * v * v));
        double t = e * (6 + 24 * v * v + 8 * v * v * v * v);
        CHECK_VALUES(third, 1e-12, t, t);
    }
    CHECK(c.packed == c.released && c.ended == 1);
}

/* The pass itself is recorded under the hooks that are open then. */
EBB_TEST(hooks_of_the_pass) {
    struct counts forward = {0}, backward = {0};
    EBB_SCOPE {
        ebb_tensor *x = leaf(1.5), *y = NULL, *g = NULL, *h;
        EBB_SAVED_HOOKS(copies(&forward)) y = ebb_sum(ebb_exp(ebb_mul(x, x)));
        int packed = forward.packed;
        EBB_SAVED_HOOKS(copies(&backward)) {
            CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true) == EBB_OK);
        }
        CHECK(forward.packed == packed && backward.packed > 0);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(x), &h) == EBB_OK);
        CHECK_VALUES(h, 1e-12, exp(2.25) * (2 + 9), exp(2.25) * (2 + 9));
    }
    CHECK(forward.ended == 1 && backward.ended == 1);
}

/* Forward mode sees through packed values: the tangents stay with what the graph holds. */
EBB_TEST(forward_over_reverse_through_packed_values) {
    struct counts c = {0};
    EBB_SCOPE {
        ebb_tensor *x = leaf(1.5), *v = ebb_ones(EBB_DIMS(2), .dtype = EBB_F64);
        EBB_DUAL_LEVEL {
            ebb_tensor *dual = ebb_make_dual(x, v), *y = NULL, *g, *dg;
            EBB_SAVED_HOOKS(copies(&c)) y = ebb_sum(ebb_mul(ebb_exp(dual), dual));
            CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &g) == EBB_OK);
            ebb_unpack_dual(g, &dg);
            CHECK(dg);
            CHECK_VALUES(dg, 1e-12, exp(1.5) * 3.5, exp(1.5) * 3.5);
        }
    }
    CHECK(c.packed >= 3 && c.packed == c.released);
}

EBB_TEST(what_is_overwritten) {
    struct counts c = {0};
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *m = ebb_mul(x, 1.0), *y = NULL, *u = ebb_mul(x, 2.0), *w = leaf(5);
        EBB_SAVED_HOOKS(copies(&c)) y = ebb_mul(m, m);
        ebb_add_(m, 1.0); /* the hooks hold a copy: nothing that backward needs is lost */
        CHECK(ebb_backward(ebb_sum(y)) == EBB_OK);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 4, 4);
        EBB_SAVED_HOOKS(copies(&c)) ebb_mul_(u, w); /* the old value of u is packed */
        CHECK(ebb_backward(ebb_sum(u)) == EBB_OK);
        CHECK_VALUES(ebb_tensor_grad(w), 0, 4, 4);
        ebb_set_grad(x, NULL);
        ebb_tensor *own = ebb_mul(x, 2.0); /* and so is what the call itself overwrites, by whatever view */
        EBB_SAVED_HOOKS(copies(&c)) {
            ebb_mul_(own, own);
            ebb_mul_(own, ebb_select(own, 0, 1));
        }
        CHECK(ebb_backward(ebb_sum(own), .create_graph = true) == EBB_OK);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 2 * (2 * 4 * 16), 2 * (2 * 16 * 4 + 4 * 64)); /* (a b)^2 + b^4, a = b = 4 */
        ebb_set_grad(x, NULL);
        own = ebb_mul(x, 2.0); /* the same bytes as another dtype are other elements */
        ebb_tensor *bits = ebb_view_dtype(ebb_detach(own), EBB_I64);
        const double factor = ebb_item(ebb_select(bits, 0, 0));
        EBB_SAVED_HOOKS(copies(&c)) ebb_mul_(own, bits);
        CHECK(ebb_backward(ebb_sum(own)) == EBB_OK);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 2 * factor, 2 * factor);
        own = ebb_mul(x, 2.0);
        EBB_NO_SAVED_HOOKS("no hooks") ebb_mul_(own, own);
        CHECK(ebb_backward(ebb_sum(own)) == EBB_ERR_VERSION); /* without hooks it is lost */
        CHECK_ERROR(EBB_ERR_VERSION, "MulBackward0");
        ebb_set_grad(x, NULL);
    }
    CHECK(c.packed == c.released);
}

static void *pack_in_place(ebb_tensor *t, void *context) {
    ebb_add_(t, 1.0);
    return copy_pack(t, context);
}
static void *pack_fails(ebb_tensor *t, void *context) {
    (void)t;
    (void)context;
    ebb_fail(EBB_ERR_CALLBACK, "the cellar is full");
    return NULL;
}
static ebb_tensor *unpack_fails(void *packed, void *context) {
    (void)packed;
    (void)context;
    ebb_fail(EBB_ERR_CALLBACK, "the cellar is empty");
    return NULL;
}
static ebb_tensor *unpack_nothing(void *packed, void *context) {
    (void)packed;
    (void)context;
    return NULL;
}
static ebb_tensor *unpack_float(void *packed, void *context) {
    (void)context;
    return ebb_to(packed, EBB_F32);
}
static ebb_tensor *unpack_more(void *packed, void *context) {
    (void)context;
    return ebb_cat(EBB_LIST(packed, packed), 0);
}

EBB_TEST(hooks_that_fail) {
    struct counts c = {0};
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = NULL;
        ebb_saved_hooks h = copies(&c);
        h.pack = pack_in_place;
        int line = __LINE__ + 1;
        EBB_SAVED_HOOKS(h) y = ebb_exp(ebb_add(x, 1.0));
        CHECK(!y && ebb_error()->line == line);
        CHECK_ERROR(EBB_ERR_CALLBACK, "pack has written the tensor that it was given");
        h.pack = pack_fails;
        EBB_SAVED_HOOKS(h) y = ebb_mul(x, x);
        CHECK(!y);
        CHECK_ERROR(EBB_ERR_CALLBACK, "the cellar is full");
        ebb_tensor *(*const wrong[])(void *, void *) = {unpack_fails, unpack_nothing, unpack_float, unpack_more};
        const char *const message[] = {"the cellar is empty", "unpack returned no tensor",
                                       "unpack returned float32 [2] for a tensor that was packed as float64 [2]",
                                       "unpack returned float64 [4] for a tensor that was packed as float64 [2]"};
        for (int i = 0; i < 4; i++) {
            h = copies(&c);
            h.unpack = wrong[i];
            line = __LINE__ + 1;
            EBB_SAVED_HOOKS(h) y = ebb_exp(x);
            CHECK(ebb_backward(ebb_sum(y)) == EBB_ERR_CALLBACK);
            CHECK(ebb_error()->line == line);
            CHECK_ERROR(EBB_ERR_CALLBACK, message[i]);
        }
        CHECK(!ebb_tensor_grad(x));
        CHECK(ebb_backward(ebb_sum(ebb_mul(x, x))) == EBB_OK); /* and all is as before */
    }
    CHECK(c.packed == c.released && c.ended == 6);
}

EBB_TEST(blocks_that_cannot_be_opened) {
    struct counts c = {0};
    bool run = false;
    EBB_SCOPE {
        ebb_saved_hooks h = copies(&c);
        h.pack = NULL;
        EBB_SAVED_HOOKS(h) run = true;
        CHECK(!run && c.ended == 1);
        CHECK(ebb_error()->line == __LINE__ - 2);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "pack is NULL");
        EBB_NO_SAVED_HOOKS("not in here") {
            EBB_SAVED_HOOKS(copies(&c)) run = true;
            CHECK(!run && c.ended == 2);
            CHECK_ERROR(EBB_ERR_GRAPH, "not in here");
            ebb_exp(leaf(1)); /* saving goes on */
            EBB_NO_SAVED_HOOKS("nor here") {
                EBB_SAVED_HOOKS(copies(&c)) run = true;
                CHECK_ERROR(EBB_ERR_GRAPH, "nor here");
            }
            EBB_SAVED_HOOKS(copies(&c)) run = true;
            CHECK_ERROR(EBB_ERR_GRAPH, "not in here");
        }
        EBB_SAVED_HOOKS(copies(&c)) {
            EBB_NO_SAVED_HOOKS("too late") run = true;
            CHECK(!run);
            CHECK_ERROR(EBB_ERR_GRAPH, "too late");
            CHECK(ebb_exp(leaf(1)) && c.packed == 1);
        }
        EBB_SAVED_HOOKS(copies(&c)) run = true;
        CHECK(run && ebb_exp(leaf(1)) && c.packed == 1);
    }
    CHECK(c.ended == 6);
}

/* Inside a hook no hooks apply, also when it records. */
static void *recording_pack(ebb_tensor *t, void *context) {
    ++*(int *)context;
    EBB_ENABLE_GRAD {
        ebb_tensor *own = leaf(3);
        if (ebb_backward(ebb_sum(ebb_exp(own)))) return NULL;
    }
    return ebb_keep(ebb_clone(t));
}
static ebb_tensor *kept(void *packed, void *context) {
    (void)context;
    return packed;
}
static void drop(void *packed, void *context) {
    (void)context;
    ebb_drop(packed);
}

EBB_TEST(a_hook_that_differentiates) {
    int packed = 0;
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = NULL;
        EBB_SAVED_HOOKS((ebb_saved_hooks){.pack = recording_pack, .unpack = kept, .release = drop, .context = &packed})
        y = ebb_exp(ebb_exp(x));
        CHECK(packed == 2);
        CHECK(ebb_backward(ebb_sum(y)) == EBB_OK);
    }
}

/* What pack gets may be kept: it is no reference to what owns the node. */
static void *keep_pack(ebb_tensor *t, void *context) {
    (void)context;
    return ebb_keep(t);
}

EBB_TEST(keeping_what_is_given_makes_no_cycle) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        EBB_SAVED_HOOKS((ebb_saved_hooks){.pack = keep_pack, .unpack = kept, .release = drop}) {
            ebb_tensor *y = ebb_tanh(ebb_exp(ebb_mul(x, x)));
            CHECK(ebb_backward(ebb_sum(y), .retain_graph = true) == EBB_OK);
        }
    }
}

static void *other_thread(void *count) {
    EBB_SCOPE { ebb_exp(leaf(2)); }
    ebb_thread_release();
    return count;
}

EBB_TEST(hooks_belong_to_a_thread) {
    struct counts c = {0};
    EBB_SCOPE {
        EBB_SAVED_HOOKS(copies(&c)) {
            pthread_t thread;
            void *returned;
            CHECK(pthread_create(&thread, NULL, other_thread, &c) == 0 && pthread_join(thread, &returned) == 0);
        }
        CHECK(c.packed == 0 && c.ended == 1);
    }
}

/* ---- notes on storages, by which a tensor is known to be packed already ---- */

EBB_TEST(notes_live_as_long_as_their_storage) {
    enum { N = 200 };
    static char owner[2];
    ebb_tensor *t[N];
    struct ebb__storage *s[N];
    for (int i = 0; i < N; i++) {
        t[i] = ebb_keep(ebb_zeros(EBB_DIMS(3)));
        s[i] = t[i]->storage;
        CHECK(!ebb__note_get(s[i], owner));
        CHECK(!ebb__note_set(s[i], owner, t[i]) && !ebb__note_set(s[i], owner + 1, s[i]));
    }
    ebb_thread_release();
    for (int i = 0; i < N; i++) CHECK(ebb__note_get(s[i], owner) == t[i] && ebb__note_get(s[i], owner + 1) == s[i]);
    for (int i = 0; i < N; i += 3) {
        ebb__note_replace(s[i], owner, s[i], NULL); /* is another one */
        CHECK(ebb__note_get(s[i], owner) == t[i]);
        ebb__note_replace(s[i], owner, t[i], s[i]);
        CHECK(ebb__note_get(s[i], owner) == s[i]);
        ebb__note_replace(s[i], owner, s[i], NULL);
        CHECK(!ebb__note_get(s[i], owner) && ebb__note_get(s[i], owner + 1) == s[i]);
    }
    for (int i = 1; i < N; i += 2) {
        ebb_drop(t[i]);
        CHECK(!ebb__note_get(s[i], owner) && !ebb__note_get(s[i], owner + 1));
    }
    for (int i = 0; i < N; i += 2) {
        CHECK(ebb__note_get(s[i], owner) == (i % 3 ? t[i] : NULL) && ebb__note_get(s[i], owner + 1) == s[i]);
        ebb_drop(t[i]);
    }
}

/* ---- packers ---- */

static ebb_tensor *input(int64_t rows) {
    ebb_manual_seed(7);
    return ebb_add(ebb_mul(ebb_rand(EBB_DIMS(rows, 64)), 0.5), 0.25);
}

/* Several operators that save one tensor, transposed and expanded ones among them. */
static ebb_tensor *network(ebb_tensor *x, ebb_tensor *w) {
    ebb_tensor *h = ebb_tanh(ebb_matmul(x, w));
    h = ebb_mul(h, ebb_exp(ebb_neg(h)));
    ebb_tensor *rows = ebb_expand(ebb_sum(h, .dim = EBB_DIMS(0), .keepdim = true), ebb_tensor_shape(h));
    h = ebb_add(ebb_mul(h, rows), ebb_matmul(h, ebb_transpose(w, 0, 1)));
    return ebb_mean(ebb_mul(h, ebb_relu(h)));
}

static int64_t held(ebb_tensor *(*f)(ebb_tensor *, ebb_tensor *), ebb_tensor *x, ebb_tensor *w, ebb_tensor **ret_y) {
    int64_t before = ebb_memory().in_use;
    EBB_SCOPE { *ret_y = ebb_keep(f(x, w)); }
    return ebb_memory().in_use - before;
}

EBB_TEST(to_bf16_halves_the_bytes) {
    EBB_SCOPE {
        ebb_tensor *w = ebb_requires_grad_(ebb_mul(input(64), 0.1), true), *x = input(512), *y, *packed = NULL;
        int64_t plain = held(network, x, w, &y), less = 0;
        CHECK(ebb_backward(y) == EBB_OK);
        ebb_tensor *want = ebb_clone(ebb_tensor_grad(w));
        ebb_set_grad(w, NULL);
        EBB_SAVED_HOOKS(ebb_saved_to_bf16()) less = held(network, x, w, &packed);
        less -= 512 * 64 * 2; /* x, which is in memory all the same, was packed with the others */
        CHECK(2 * less < plain + plain / 16);
        CHECK(ebb_item(y) == ebb_item(packed));
        CHECK(ebb_backward(packed) == EBB_OK);
        double error = ebb_item(ebb_amax(ebb_abs(ebb_sub(ebb_tensor_grad(w), want)))),
               scale = ebb_item(ebb_amax(ebb_abs(want)));
        CHECK(error > 0 && error < scale / 64);
        ebb_drop(y);
        ebb_drop(packed);
    }
}

/* |error| <= 2^-8 of the value, exactly as a round trip by ebb_to. */
EBB_TEST(to_bf16_rounds_to_nearest) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_requires_grad_(ebb_add(ebb_rand(EBB_DIMS(4096), .dtype = EBB_F64), 0.5), true), *y = NULL;
        ebb_tensor *h = ebb_mul(x, 1.0);
        EBB_SAVED_HOOKS(ebb_saved_to_bf16()) y = ebb_mul(h, h); /* gradient: twice what was saved */
        CHECK(ebb_backward(y, .gradient = ebb_ones(EBB_DIMS(4096), .dtype = EBB_F64)) == EBB_OK);
        ebb_tensor *saved = ebb_mul(ebb_tensor_grad(x), 0.5);
        CHECK(ebb_item(ebb_amax(ebb_abs(ebb_div(ebb_sub(saved, x), x)))) <= 0x1p-8);
        CHECK(ebb_item(ebb_all(ebb_eq(saved, ebb_to(ebb_to(x, EBB_BF16), EBB_F64)))) == 1);
    }
}

/* Parameters, integers and what is small already are kept as they are, and watched. */
EBB_TEST(packers_keep_what_they_cannot_make_smaller) {
    EBB_SCOPE {
        ebb_tensor *w = ebb_full(EBB_DIMS(300), 1.001, .requires_grad = true), *y = NULL;
        EBB_SAVED_HOOKS(ebb_saved_to_bf16()) y = ebb_sum(ebb_mul(w, w));
        CHECK(ebb_backward(y) == EBB_OK);
        CHECK_CLOSE(ebb_item(ebb_select(ebb_tensor_grad(w), 0, 0)), 2 * (double)1.001F, 0); /* not rounded */
        EBB_SAVED_HOOKS(ebb_saved_to_bf16()) y = ebb_sum(ebb_mul(w, w));
        EBB_NO_GRAD ebb_add_(w, 1.0);
        CHECK(ebb_backward(y) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "saved at version 0 has been overwritten in place since, by add_ at ");
    }
}

static void bitwise(ebb_tensor *a, ebb_tensor *b) {
    CHECK(a && b && ebb_tensor_numel(a) == ebb_tensor_numel(b));
    CHECK(!memcmp(ebb_tensor_data(a), ebb_tensor_data(b), (size_t)ebb_tensor_numel(a) * sizeof(float)));
}

EBB_TEST(to_disk_is_exact_and_empties_memory) {
    EBB_SCOPE {
        ebb_tensor *w = ebb_requires_grad_(ebb_mul(input(64), 0.1), true), *x = input(512), *y, *stored = NULL;
        int64_t plain = held(network, x, w, &y), less = 0;
        CHECK(ebb_backward(y) == EBB_OK);
        ebb_tensor *want = ebb_clone(ebb_tensor_grad(w)), *g, *h;
        ebb_set_grad(w, NULL);
        EBB_SAVED_HOOKS(ebb_saved_to_disk(NULL)) less = held(network, x, w, &stored);
        CHECK(16 * less < plain);
        CHECK(ebb_backward(stored, .retain_graph = true) == EBB_OK);
        bitwise(ebb_tensor_grad(w), want);
        ebb_drop(y);
        y = ebb_keep(network(x, w)); /* second derivatives, too */
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(w), &g, .create_graph = true) == EBB_OK);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(w), &want) == EBB_OK);
        CHECK(ebb_grad(EBB_LIST(stored), EBB_LIST(w), &g, .create_graph = true) == EBB_OK);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(w), &h) == EBB_OK);
        bitwise(h, want);
        ebb_drop(y);
        ebb_drop(stored);
    }
}

/* Space is used again: many graphs one after another need no more than two at a time. */
EBB_TEST(to_disk_uses_space_again) {
    struct rlimit before, limit;
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    EBB_SCOPE {
        ebb_tensor *x = ebb_requires_grad_(input(256), true); /* 64 KiB, saved by each exp */
        limit = (struct rlimit){256 << 10, before.rlim_max};
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        signal(SIGXFSZ, SIG_IGN);
        EBB_SAVED_HOOKS(ebb_saved_to_disk(NULL)) {
            ebb_tensor *last = NULL;
            for (int i = 0; i < 64; i++) {
                EBB_SCOPE {
                    ebb_tensor *y = ebb_keep(ebb_exp(x));
                    ebb_drop(last);
                    last = y;
                }
            }
            CHECK_OK();
            ebb_drop(last);
            ebb_tensor *full = x; /* and when it is full, the operator fails and nothing else */
            for (int i = 0; i < 8; i++) full = ebb_exp(full);
            CHECK(!full);
            CHECK_ERROR(EBB_ERR_IO, "cannot write a saved tensor");
            CHECK(ebb_backward(ebb_sum(ebb_neg(x))) == EBB_OK);
        }
        CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    }
}

EBB_TEST(to_disk_where_it_cannot) {
    bool run = false;
    EBB_SAVED_HOOKS(ebb_saved_to_disk("no/such/folder")) run = true;
    CHECK(!run && ebb_error()->line == __LINE__ - 1);
    CHECK_ERROR(EBB_ERR_IO, "cannot make a file in \"no/such/folder\": No such file");
    char folder[] = "saved-XXXXXX";
    CHECK(mkdtemp(folder));
    EBB_SCOPE {
        ebb_tensor *y = NULL, *x = ebb_requires_grad_(input(8), true);
        EBB_SAVED_HOOKS(ebb_saved_to_disk(folder)) y = ebb_sum(ebb_exp(x));
        CHECK(rmdir(folder) == 0); /* empty already: the file has no name */
        CHECK(ebb_backward(y) == EBB_OK);
    }
}

/* Threads that pack and unpack one tensor with one pair of hooks each. */
static void *pack_in_thread(void *x) {
    bool right = true;
    for (int i = 0; i < 20; i++) EBB_SCOPE {
            ebb_tensor *y = NULL, *g = NULL;
            EBB_SAVED_HOOKS(i % 2 ? ebb_saved_to_bf16() : ebb_saved_to_disk(NULL)) y = ebb_sum(ebb_exp(ebb_exp(x)));
            right = right && !ebb_grad(EBB_LIST(y), EBB_LIST((ebb_tensor *)x), &g) && g;
        }
    ebb_thread_release();
    return right ? NULL : x;
}

EBB_TEST(packers_in_threads) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_requires_grad_(input(8), true);
        pthread_t thread[3];
        for (int i = 0; i < 3; i++) CHECK(pthread_create(&thread[i], NULL, pack_in_thread, x) == 0);
        for (int i = 0; i < 3; i++) {
            void *failed;
            CHECK(pthread_join(thread[i], &failed) == 0 && !failed);
        }
    }
}

/* ---- failing allocations ---- */

static void through_all(void) {
    struct counts c = {0};
    EBB_SCOPE {
        ebb_tensor *x = ebb_full(EBB_DIMS(40, 40), 0.5, .requires_grad = true), *y = NULL, *g = NULL;
        EBB_SAVED_HOOKS(copies(&c)) y = ebb_mul(ebb_exp(x), x);
        EBB_SAVED_HOOKS(ebb_saved_to_bf16()) y = ebb_mul(ebb_exp(y), y);
        EBB_SAVED_HOOKS(ebb_saved_to_disk(NULL)) y = ebb_sum(ebb_mul(ebb_exp(y), ebb_transpose(y, 0, 1)));
        ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true);
        if (g) ebb_backward(ebb_sum(g));
    }
    CHECK(c.packed >= c.released && c.ended == 1);
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(through_all, 0); }

EBB_TEST_MAIN
