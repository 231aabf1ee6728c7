/* Autocast: which dtypes operators give, against PyTorch's; the mode, its casts and those that are kept; gradients; a
 * training run beside one in float32. */
#include "tests/names.h"
#include <math.h>
#include <pthread.h>

static ebb_dtype dtype_of(const ebb_tensor *t) { return t ? ebb_tensor_dtype(t) : EBB_DTYPE_NONE; }

static ebb_tensor *param(int64_t rows, int64_t columns) {
    return ebb_requires_grad_(ebb_randn(EBB_DIMS(rows, columns)), true);
}

static bool same(ebb_tensor *a, ebb_tensor *b) {
    return a && b && dtype_of(a) == dtype_of(b) && ebb_item(ebb_all(ebb_eq(a, b))) != 0;
}

/* Which dtype a product of float32 has now. */
static ebb_dtype product(void) {
    ebb_dtype dtype = EBB_DTYPE_NONE;
    EBB_SCOPE dtype = dtype_of(ebb_mm(ebb_ones(EBB_DIMS(2, 3)), ebb_ones(EBB_DIMS(3, 2))));
    return dtype;
}

/* ---- the table ---- */

/* Where Ebb means to give another dtype than PyTorch. */
static const struct {
    const char *call, *reason;
} differs[] = {
    {"F.pad input=f(1,2,3) pad=(1,1) mode=re", "copies elements, and does that in every dtype"},
    {"F.mse_loss input=f(4,3) target=f(4,3) reduction=mean weight=", "a loss like the one without a weight"},
    {"F.l1_loss input=f(4,3) target=f(4,3) reduction=sum weight=", "a loss like the one without a weight"},
};

static bool is_meant(const char *call) {
    for (size_t i = 0; i < sizeof differs / sizeof *differs; i++)
        if (strncmp(call, differs[i].call, strlen(differs[i].call)) == 0) return true;
    return false;
}

static void describe(char *text, size_t size, const ebb_list *out) {
    size_t at = 0;
    text[0] = 0;
    for (int64_t i = 0; i < out->n && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? " " : "", ebb_dtype_name(dtype_of(out->t[i])));
}

/* The results that PyTorch gives come first among Ebb's, which may be more. What PyTorch refuses Ebb may give. */
static bool replay(const char *call, const char *want, ebb_dtype first, ebb_dtype others) {
    char words[2 * NAMES_LINE], got[NAMES_LINE];
    const size_t length = strlen(want);
    (void)snprintf(words, sizeof words, "%s", call);
    names_floating.dtypes[0] = first;
    names_floating.dtypes[1] = others;
    ebb_list out = {0, NULL};
    EBB_AUTOCAST() out = names_call(words);
    describe(got, sizeof got, &out);
    const ebb_error_info *e = ebb_error();
    bool right =
        strcmp(want, "-") == 0 || (!e && strncmp(got, want, length) == 0 && (!got[length] || got[length] == ' '));
    if (!right && !is_meant(call))
        print_message("FAIL %s of %s and %s: %s%s, not %s\n", call, ebb_dtype_name(first), ebb_dtype_name(others), got,
                      e ? e->message : "", want);
    ebb_clear_error();
    return right || is_meant(call);
}

EBB_TEST(dtypes_are_pytorchs) {
    static const ebb_dtype dtypes[][2] = {{EBB_F32, EBB_F32}, {EBB_BF16, EBB_BF16}, {EBB_BF16, EBB_F32}};
    char line[2 * NAMES_LINE];
    int lines = 0, failures = 0;
    FILE *file = fopen("tests/autocast.txt", "r");
    CHECK(file != NULL);
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        char *arrow = strstr(line, " -> "), *want = arrow ? arrow + 4 : NULL;
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || !want) continue;
        *arrow = 0;
        lines++;
        for (int i = 0; i < 3 && want; i++) {
            char *bar = strstr(want, " | ");
            if (bar) *bar = 0;
            EBB_SCOPE failures += !replay(line, want, dtypes[i][0], dtypes[i][1]);
            want = bar ? bar + 3 : NULL;
        }
    }
    (void)fclose(file);
    names_floating.dtypes[0] = names_floating.dtypes[1] = EBB_DTYPE_NONE;
    print_message("%d calls: %d failures\n", lines, failures);
    CHECK(lines > 500);
    CHECK(failures == 0);
}

/* ---- the mode ---- */

EBB_TEST(blocks_nest) {
    CHECK(!ebb_is_autocast_enabled() && ebb_autocast_dtype() == EBB_DTYPE_NONE && product() == EBB_F32);
    EBB_AUTOCAST() {
        CHECK(ebb_is_autocast_enabled() && ebb_autocast_dtype() == EBB_BF16 && product() == EBB_BF16);
        EBB_AUTOCAST(.dtype = EBB_F16) {
            CHECK(ebb_autocast_dtype() == EBB_F16 && product() == EBB_F16);
            EBB_AUTOCAST(.disabled = true) {
                CHECK(!ebb_is_autocast_enabled() && ebb_autocast_dtype() == EBB_DTYPE_NONE && product() == EBB_F32);
                EBB_AUTOCAST() CHECK(product() == EBB_BF16);
                CHECK(product() == EBB_F32);
            }
            CHECK(product() == EBB_F16);
        }
        CHECK(product() == EBB_BF16);
    }
    CHECK(!ebb_is_autocast_enabled() && product() == EBB_F32);
}

static ebb_dtype leave_early(void) {
    EBB_AUTOCAST() {
        CHECK(product() == EBB_BF16);
        EBB_AUTOCAST(.disabled = true) return product();
    }
    return EBB_DTYPE_NONE;
}

EBB_TEST(a_block_ends_however_it_is_left) {
    CHECK(leave_early() == EBB_F32 && !ebb_is_autocast_enabled());
    for (int i = 0; i < 2; i++) {
        EBB_AUTOCAST() {
            if (i == 0) break;
        }
        CHECK(!ebb_is_autocast_enabled());
    }
    ebb_mode mode = ebb_autocast_open();
    CHECK(mode.open && product() == EBB_BF16);
    ebb_autocast_close(&mode);
    CHECK(!mode.open && product() == EBB_F32);
    EBB_AUTOCAST() {
        ebb_autocast_close(&mode); /* again, and of none: nothing */
        ebb_autocast_close(NULL);
        CHECK(product() == EBB_BF16);
    }
}

EBB_TEST(other_dtypes_are_refused) {
    for (int d = EBB_BOOL; d < EBB_DTYPE_COUNT; d++) {
        bool entered = false, half = d == EBB_F16 || d == EBB_BF16;
        EBB_AUTOCAST(.dtype = (ebb_dtype)d) entered = true;
        CHECK(entered == half);
        if (!half) CHECK_ERROR(EBB_ERR_DTYPE, "the lower precision is bfloat16 or float16");
        CHECK(!ebb_is_autocast_enabled());
    }
}

static void *other_thread(void *ret_dtype) {
    *(ebb_dtype *)ret_dtype = product();
    EBB_AUTOCAST(.dtype = EBB_F16) CHECK(product() == EBB_F16);
    return NULL;
}

EBB_TEST(the_mode_belongs_to_a_thread) {
    ebb_dtype there = EBB_DTYPE_NONE;
    pthread_t thread;
    EBB_AUTOCAST() {
        CHECK(!pthread_create(&thread, NULL, other_thread, &there) && !pthread_join(thread, NULL));
        CHECK(there == EBB_F32 && product() == EBB_BF16);
    }
}

/* ---- what is cast ---- */

EBB_TEST(what_is_no_float32_is_left_alone) {
    EBB_SCOPE EBB_AUTOCAST() {
        ebb_tensor *d = ebb_ones(EBB_DIMS(2, 2), .dtype = EBB_F64), *i = ebb_ones(EBB_DIMS(2, 2), .dtype = EBB_I64);
        ebb_tensor *f = ebb_ones(EBB_DIMS(2, 2)), *h = ebb_to(f, EBB_F16);
        CHECK(dtype_of(ebb_mm(d, d)) == EBB_F64 && dtype_of(ebb_mm(i, i)) == EBB_I64);
        CHECK(dtype_of(ebb_mm(h, f)) == EBB_BF16 && dtype_of(ebb_mse_loss(h, f)) == EBB_F32);
        CHECK(dtype_of(ebb_cat(EBB_LIST(d, f), 0)) == EBB_F64 && dtype_of(ebb_cat(EBB_LIST(h, h), 0)) == EBB_BF16);
        CHECK(dtype_of(ebb_add(f, 1.5)) == EBB_F32 && dtype_of(ebb_prod(i)) == EBB_I64);
        CHECK(!ebb_mm(d, f));
        CHECK_ERROR(EBB_ERR_DTYPE, "mm: inputs must have one dtype, got float64 and bfloat16");
        CHECK(!ebb_mm(NULL, f));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "mm");
        CHECK(!ebb_mm(f, ebb_ones(EBB_DIMS(3, 2))));
        CHECK_ERROR(EBB_ERR_SHAPE, "self float32 [2, 2], mat2 float32 [3, 2]");
    }
}

EBB_TEST(in_place_nothing_is_cast) {
    EBB_SCOPE EBB_AUTOCAST() {
        ebb_tensor *x = ebb_zeros(EBB_DIMS(2, 2)), *a = ebb_full(EBB_DIMS(2, 2), 1.001), *one = ebb_eye(2);
        CHECK(ebb_addmm_(x, a, one) == x && dtype_of(x) == EBB_F32);
        CHECK_VALUES(x, 1e-6, 1.001, 1.001, 1.001, 1.001);
        CHECK(!ebb_addmm_(x, ebb_to(a, EBB_BF16), one));
        CHECK_ERROR(EBB_ERR_DTYPE, "addmm_");
        CHECK(ebb_is_autocast_enabled());
    }
}

static ebb_status seen_forward(struct ebb_forward *f) {
    ebb_dtype *seen = ebb_tensor_data(f->out[0]);
    *seen = dtype_of(f->in[0]);
    return EBB_OK;
}
static ebb_status seen_infer(struct ebb_infer *f) {
    f->out[0] = (ebb_meta){.dtype = EBB_I32};
    return EBB_OK;
}
static ebb_tensor *parts(struct ebb_forward *f) { return ebb_mm(f->in[0], f->in[0]); }
#define OWN .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}), .n_in = 1
#define SEEN OWN, .no_derivative = true, .infer = seen_infer, .forward = seen_forward, .halves = true

static const struct ebb_op op_plain = {.name = "plain", SEEN};
static const struct ebb_op op_low = {.name = "low", SEEN, .autocast = EBB_AUTOCAST_LOW};
static const struct ebb_op op_wide = {.name = "wide", SEEN, .autocast = EBB_AUTOCAST_F32};
static const struct ebb_op op_composed = {.name = "composed", OWN, .compose = parts};
static const struct ebb_op op_composed_wide = {
    .name = "composed_wide", OWN, .compose = parts, .autocast = EBB_AUTOCAST_F32};

EBB_TEST(operators_of_ones_own_say_themselves) {
    EBB_SCOPE EBB_AUTOCAST() {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 2)), *half = ebb_to(x, EBB_BF16);
        CHECK(ebb_item(ebb_call_op1(&op_plain, &x, 1, NULL)) == EBB_F32);
        CHECK(ebb_item(ebb_call_op1(&op_low, &x, 1, NULL)) == EBB_BF16);
        CHECK(ebb_item(ebb_call_op1(&op_wide, &half, 1, NULL)) == EBB_F32);
        CHECK(dtype_of(ebb_call_op1(&op_composed, &x, 1, NULL)) == EBB_BF16);
        CHECK(dtype_of(ebb_call_op1(&op_composed_wide, &half, 1, NULL)) == EBB_F32);
    }
}

EBB_TEST(other_modes_go_along) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 2)), *bad = ebb_full(EBB_DIMS(2, 2), (double)NAN);
        EBB_AUTOCAST() EBB_DETECT_ANOMALY() {
            CHECK(product() == EBB_BF16 && dtype_of(ebb_einsum("ij,jk->ik", EBB_LIST(x, x))) == EBB_BF16);
            CHECK(!ebb_mm(x, bad));
            CHECK_ERROR(EBB_ERR_NONFINITE, "mm");
        }
        EBB_DETECT_ANOMALY() {
            EBB_AUTOCAST() CHECK(product() == EBB_BF16);
            CHECK(product() == EBB_F32 && !ebb_mm(x, bad));
            CHECK_ERROR(EBB_ERR_NONFINITE, "mm");
        }
        EBB_AUTOCAST() EBB_TRACE_TENSORS CHECK(product() == EBB_BF16);
        CHECK(ebb_mm(x, bad) && !ebb_is_anomaly_enabled());
    }
}

/* ---- gradients ---- */

/* What autocast makes of a layer and its loss, written out. */
static ebb_tensor *by_hand(ebb_tensor *x, ebb_tensor *w, ebb_tensor *target) {
    ebb_tensor *y = ebb_linear(ebb_to(x, EBB_BF16), ebb_to(w, EBB_BF16));
    return ebb_mse_loss(ebb_to(ebb_relu(y), EBB_F32), target);
}

EBB_TEST(casts_are_recorded) {
    EBB_SCOPE {
        ebb_tensor *x = param(5, 3), *w = param(4, 3), *target = ebb_zeros(EBB_DIMS(5, 4)), *loss = NULL, *g[2];
        CHECK(!ebb_grad(EBB_LIST(by_hand(x, w, target)), EBB_LIST(x, w), g));
        EBB_AUTOCAST() {
            ebb_tensor *y = ebb_linear(x, w);
            CHECK(!strcmp(ebb_node_name(ebb_node_input(ebb_tensor_grad_fn(y), 0)), "ToCopyBackward0"));
            loss = ebb_mse_loss(ebb_relu(y), target);
        }
        CHECK(same(loss, by_hand(x, w, target)) && !ebb_backward(loss));
        CHECK(dtype_of(ebb_tensor_grad(w)) == EBB_F32 && same(ebb_tensor_grad(w), g[1]));
        CHECK(dtype_of(ebb_tensor_grad(x)) == EBB_F32 && same(ebb_tensor_grad(x), g[0]));
        CHECK(!ebb_set_grad(x, NULL) && !ebb_set_grad(w, NULL));
    }
}

static ebb_tensor *note_autocast(ebb_tensor *g, void *seen) {
    (void)g;
    *(int *)seen = ebb_is_autocast_enabled() ? 1 : 0;
    EBB_AUTOCAST() CHECK(product() == EBB_BF16);
    CHECK(product() == EBB_F32);
    return NULL;
}

/* The same gradient, whether forward or backward were inside or outside. */
EBB_TEST(a_pass_suspends_autocast) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_randn(EBB_DIMS(40, 30)), *w = param(20, 30), *y = ebb_linear(x, w), *outside, *inside;
        ebb_tensor *g = ebb_randn(EBB_DIMS(40, 20));
        int seen = -1;
        CHECK(ebb_register_hook(w, note_autocast, &seen, NULL));
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(w), &outside, .grad_outputs = EBB_LIST(g), .retain_graph = true));
        EBB_AUTOCAST() {
            CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(w), &inside, .grad_outputs = EBB_LIST(g)));
            CHECK(seen == 0 && product() == EBB_BF16);
        }
        CHECK(same(inside, outside));
    }
}

EBB_TEST(second_derivatives) {
    EBB_SCOPE {
        ebb_tensor *x = param(3, 4), *w = param(4, 2), *y = NULL, *dx, *ddw;
        EBB_AUTOCAST() y = ebb_sum(ebb_square(ebb_mm(x, w)));
        CHECK(dtype_of(y) == EBB_BF16);
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &dx, .create_graph = true) && dtype_of(dx) == EBB_F32);
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(dx)), EBB_LIST(w), &ddw) && dtype_of(ddw) == EBB_F32);
    }
}

/* ---- casts that are kept ---- */

static ebb_node *cast_of(ebb_tensor *y) { return ebb_node_input(ebb_tensor_grad_fn(y), 1); }

EBB_TEST(a_parameter_is_cast_once) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_randn(EBB_DIMS(2, 3)), *w = param(3, 3), *first = NULL, *second = NULL, *third = NULL;
        EBB_AUTOCAST() {
            first = ebb_mm(x, w);
            EBB_AUTOCAST() second = ebb_mm(x, w);
            EBB_AUTOCAST(.no_cache = true) third = ebb_mm(x, w);
            CHECK(cast_of(first) == cast_of(second) && cast_of(first) != cast_of(third));
            third = ebb_mm(x, w);
            CHECK(cast_of(first) == cast_of(third));
            EBB_AUTOCAST(.dtype = EBB_F16) third = ebb_mm(x, w);
            CHECK(dtype_of(third) == EBB_F16);
        }
        EBB_AUTOCAST() third = ebb_mm(x, w);
        CHECK(cast_of(first) != cast_of(third));
        CHECK(!ebb_backward(ebb_sum(ebb_add(first, second))) && dtype_of(ebb_tensor_grad(w)) == EBB_F32);
        CHECK(!ebb_set_grad(w, NULL));
    }
}

EBB_TEST(a_kept_cast_is_of_what_the_parameter_is) {
    EBB_SCOPE EBB_AUTOCAST() {
        ebb_tensor *x = ebb_eye(3), *w = param(3, 3), *y = NULL;
        EBB_NO_GRAD {
            y = ebb_mm(x, w);
            CHECK(!ebb_tensor_requires_grad(y));
        }
        y = ebb_mm(x, w); /* with a history, though what was kept had none */
        CHECK(ebb_tensor_requires_grad(y));
        EBB_NO_GRAD ebb_fill_(w, 2.0);
        CHECK_VALUES(ebb_mm(x, w), 0, 2, 2, 2, 2, 2, 2, 2, 2, 2);
        EBB_INFERENCE_MODE CHECK(ebb_mm(x, w) != NULL);
        CHECK(ebb_tensor_requires_grad(ebb_mm(x, w)));
    }
}

/* A view, and what was computed, are cast anew each time; a parameter lives as long as its cast. */
EBB_TEST(only_parameters_are_kept) {
    EBB_AUTOCAST() {
        EBB_SCOPE {
            ebb_tensor *x = ebb_randn(EBB_DIMS(2, 3)), *w = param(3, 3), *half = ebb_mul(w, 0.5), *view = ebb_t(w);
            CHECK(cast_of(ebb_mm(x, half)) != cast_of(ebb_mm(x, half)));
            CHECK(cast_of(ebb_mm(x, view)) != cast_of(ebb_mm(x, view)));
        }
        for (int i = 0; i < 3; i++) EBB_SCOPE {
                ebb_tensor *w = ebb_requires_grad_(ebb_full(EBB_DIMS(1, 1), (double)i), true);
                CHECK_VALUES(ebb_mm(w, w), 0, i * i);
            }
    }
}

/* ---- what calls functions again, and in other ways ---- */

static ebb_status layer(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[0] = ebb_relu(ebb_linear(in.t[0], in.t[1]));
    ret_out->n = 1;
    return ret_out->t[0] ? EBB_OK : ebb_error_status();
}

EBB_TEST(a_checkpoint_calls_its_function_as_it_was_called) {
    EBB_SCOPE {
        ebb_tensor *x = param(6, 5), *w = param(4, 5), *y = NULL, *direct[2], *again[2];
        EBB_AUTOCAST() y = ebb_relu(ebb_linear(x, w));
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x, w), direct));
        EBB_AUTOCAST() y = ebb_checkpoint(layer, NULL, EBB_LIST(x, w)).t[0];
        CHECK(dtype_of(y) == EBB_BF16);
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x, w), again));
        CHECK(same(direct[0], again[0]) && same(direct[1], again[1]) && !ebb_is_autocast_enabled());
        y = ebb_checkpoint(layer, NULL, EBB_LIST(x, w)).t[0];
        EBB_AUTOCAST() { CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(w), again) && product() == EBB_BF16); }
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_relu(ebb_linear(x, w)))), EBB_LIST(w), direct));
        CHECK(same(direct[0], again[0]));
    }
}

EBB_TEST(a_memory_budget_computes_the_same) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_randn(EBB_DIMS(30, 20)), *w = param(20, 20), *y = x, *direct, *again;
        EBB_AUTOCAST() for (int i = 0; i < 4; i++) y = ebb_relu(ebb_mm(y, w));
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(w), &direct));
        y = x;
        EBB_AUTOCAST() EBB_MEMORY_BUDGET(0, NULL) for (int i = 0; i < 4; i++) y = ebb_relu(ebb_mm(y, w));
        EBB_AUTOCAST() CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(w), &again));
        CHECK(same(direct, again));
    }
}

EBB_TEST(tangents_and_batches) {
    EBB_SCOPE EBB_AUTOCAST() {
        ebb_tensor *x = param(6, 5), *w = param(4, 5), *t = ebb_ones(EBB_DIMS(6, 5));
        ebb_tensor *plain = ebb_relu(ebb_linear(x, w));
        ebb_outputs y, dy;
        for (int i = 0; i < 2; i++) { /* a kept cast would have no tangent of the second level */
            CHECK(!ebb_jvp(layer, NULL, EBB_LIST(x, w), EBB_LIST(i ? NULL : t, i ? ebb_ones(EBB_DIMS(4, 5)) : NULL), &y,
                           &dy));
            CHECK(same(y.t[0], plain) && dtype_of(dy.t[0]) == EBB_BF16);
            CHECK(ebb_item(ebb_any(ebb_ne(dy.t[0], 0.0))) != 0);
        }
        CHECK(!ebb_vmap(layer, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, EBB_UNBATCHED)));
        CHECK(same(y.t[0], plain));
    }
}

/* ---- failures ---- */

static void step_failing(void) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3)), *w = ebb_full(EBB_DIMS(4, 3), 0.5, .requires_grad = true),
                   *loss = NULL;
        EBB_AUTOCAST() {
            ebb_tensor *y = ebb_linear(x, w);
            loss = ebb_mse_loss(ebb_cat(EBB_LIST(y, ebb_linear(x, w)), 0), ebb_zeros(EBB_DIMS(4, 4)));
        }
        if (loss && !ebb_backward(loss)) (void)ebb_set_grad(w, NULL);
        if (w) (void)ebb_set_grad(w, NULL);
    }
    CHECK(!ebb_is_autocast_enabled());
}

EBB_TEST(every_allocation_may_fail) { CHECK_ALLOCATIONS_FAILING(step_failing, 0); }

/* ---- training ---- */

enum { STEPS = 20, IN = 16, HIDDEN = 32, CLASSES = 5, ROWS = 24 };

/* A residual block with layer norm between two layers, after AdamW's steps in float32. */
static void train(bool autocast, double ret_loss[STEPS]) {
    ebb_manual_seed(3);
    EBB_SCOPE {
        ebb_tensor *x = ebb_randn(EBB_DIMS(ROWS, IN)), *target = ebb_randint(0, CLASSES, EBB_DIMS(ROWS));
        ebb_tensor *w[] = {ebb_mul(ebb_randn(EBB_DIMS(HIDDEN, IN)), 0.25),
                           ebb_mul(ebb_randn(EBB_DIMS(HIDDEN, HIDDEN)), 0.2), ebb_ones(EBB_DIMS(HIDDEN)),
                           ebb_zeros(EBB_DIMS(HIDDEN)), ebb_mul(ebb_randn(EBB_DIMS(CLASSES, HIDDEN)), 0.2)};
        for (int i = 0; i < 5; i++) ebb_requires_grad_(w[i], true);
        ebb_optim *optim = ebb_adamw(((ebb_list){5, w}), .lr = 0.01);
        for (int step = 0; step < STEPS; step++) EBB_SCOPE {
                ebb_tensor *loss = NULL;
                EBB_AUTOCAST(.disabled = !autocast) {
                    ebb_tensor *h = ebb_linear(x, w[0]);
                    ebb_tensor *n = ebb_layer_norm(h, EBB_DIMS(HIDDEN), .weight = w[2], .bias = w[3]);
                    h = ebb_add(h, ebb_gelu(ebb_linear(n, w[1])));
                    loss = ebb_cross_entropy(ebb_linear(h, w[4]), target);
                    CHECK(dtype_of(h) == (autocast ? EBB_BF16 : EBB_F32) && dtype_of(loss) == EBB_F32);
                }
                ret_loss[step] = ebb_item(loss);
                CHECK(!ebb_backward(loss) && !ebb_optim_step(optim) && !ebb_optim_zero_grad(optim));
            }
        for (int i = 0; i < 5; i++) CHECK(dtype_of(w[i]) == EBB_F32);
        ebb_optim_free(optim);
    }
}

/* bfloat16 has 8 bits: losses of a few units agree to a few thousandths. */
EBB_TEST(training_follows_float32) {
    double exact[STEPS], low[STEPS];
    train(false, exact);
    train(true, low);
    for (int i = 0; i < STEPS; i++) CHECK_CLOSE(low[i], exact[i], 0.005);
    CHECK(exact[STEPS - 1] < exact[0] / 2 && low[STEPS - 1] < low[0] / 2);
}

EBB_TEST_MAIN
