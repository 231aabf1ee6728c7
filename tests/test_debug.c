/* What is saved, what is alive, and what keeps itself alive: the reports, by line. */
#include "tests/output.h"

#include <ebb/ebb.h>

static ebb_tensor *leaf(const char *name, int64_t rows, int64_t columns) {
    return ebb_name(ebb_ones(EBB_DIMS(rows, columns), .requires_grad = true), name);
}

/* ---- saved ---- */

EBB_TEST(saved_by_line) {
    ebb_tensor *x = ebb_ones(EBB_DIMS(8, 16)), *w = leaf("w", 16, 4);
    int line = __LINE__ + 1;
    ebb_tensor *h = ebb_name(ebb_matmul(x, w), "h");
    ebb_tensor *y = ebb_sum(ebb_mul(ebb_tanh(h), ebb_exp(h)));
    ebb_memory_table t;
    CHECK(ebb_saved_table(EBB_LIST(y), &t) == EBB_OK);
    CHECK(t.n == 4 && t.tensors == 5 && t.bytes == 512 + 128 + 128);
    CHECK(strstr(t.lines[0].file, "test_debug.c") && t.lines[0].line == line && strcmp(t.lines[0].op, "mm") == 0);
    CHECK(t.lines[0].bytes == 512 && t.lines[0].tensors == 1);
    CHECK(strcmp(t.lines[0].largest, "self float32 [8, 16]") == 0);
    int64_t bytes = 0, tensors = 0;
    for (int64_t i = 0; i < t.n; i++) {
        CHECK(i == 0 || t.lines[i].bytes <= t.lines[i - 1].bytes);
        bytes += t.lines[i].bytes;
        tensors += t.lines[i].tensors;
    }
    CHECK(bytes == t.bytes && tensors == t.tensors);
    /* mul has saved what tanh and exp have, which counts there */
    CHECK(strcmp(t.lines[3].op, "mul") == 0 && t.lines[3].bytes == 0 && t.lines[3].tensors == 2);
    CHECK(t.leaf_bytes == 256);
    ebb_memory_table_free(&t);
    ebb_memory_table_free(&t);
}

EBB_TEST(saved_as_text) {
    ebb_tensor *x = leaf("x", 300, 1), *y = ebb_exp(ebb_mul(x, x));
    FILE *file = output_begin();
    CHECK(ebb_print_saved(EBB_LIST(y), file) == EBB_OK);
    output_end(file);
    CHECK_OUTPUT("     bytes  share  tensors  operator  line             the largest\n"
                 "   1.2 KiB   100%        1  exp       test_debug.c:");
    CHECK_OUTPUT("its result float32 [300, 1]\n"
                 "       0 B     0%        2  mul       test_debug.c:");
    CHECK_OUTPUT("self \"x\" float32 [300, 1]\n");
    CHECK_OUTPUT("   1.2 KiB               3  in all; leaves have 1.2 KiB more\n");
    ebb_memory_table t;
    CHECK(ebb_saved_table(EBB_LIST(y), &t) == EBB_OK);
    char same[4096], few[8];
    CHECK(ebb_memory_table_format(same, sizeof same, &t) == strlen(output) && strcmp(same, output) == 0);
    CHECK(ebb_memory_table_format(few, sizeof few, &t) == strlen(output) && strlen(few) == 7);
    ebb_memory_table_free(&t);
}

EBB_TEST(nothing_saved) {
    ebb_tensor *x = leaf("x", 3, 3), *y = ebb_sum(ebb_exp(x));
    ebb_memory_table t;
    CHECK(ebb_saved_table(EBB_LIST(x, ebb_ones(EBB_DIMS(2))), &t) == EBB_OK && t.n == 0 && t.bytes == 0);
    ebb_memory_table_free(&t);
    CHECK(ebb_backward(y) == EBB_OK);
    CHECK(ebb_saved_table(EBB_LIST(y), &t) == EBB_OK && t.n == 0); /* released by the pass */
    ebb_memory_table_free(&t);
    CHECK(ebb_saved_table(EBB_LIST(NULL), &t) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "saved_table: a root is NULL");
    CHECK(ebb_print_saved(EBB_LIST(y), NULL) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the file is NULL");
}

EBB_TEST(saved_in_packers) {
    ebb_tensor *x = leaf("x", 64, 64), *y = NULL;
    EBB_SAVED_HOOKS(ebb_saved_to_bf16()) { y = ebb_exp(x); }
    ebb_memory_table t;
    CHECK(ebb_saved_table(EBB_LIST(y), &t) == EBB_OK);
    CHECK(t.n == 1 && t.bytes == 64 * 64 * 2);
    ebb_memory_table_free(&t);
}

/* ---- alive ---- */

static ebb_tensor *kept;

static void step(ebb_tensor *w) {
    EBB_SCOPE {
        ebb_tensor *loss = ebb_mean(ebb_square(w));
        (void)ebb_backward(loss);
        kept = ebb_keep(ebb_mul(loss, 2));
    }
}

EBB_TEST(alive_by_line) {
    ebb_tensor *w = leaf("w", 4, 4);
    EBB_TRACE_TENSORS { step(w); }
    ebb_memory_table t;
    CHECK(ebb_alive_table(&t) == EBB_OK);
    /* the gradient of w, and what was kept */
    CHECK(t.tensors == 2 && t.n == 2);
    CHECK(strcmp(t.lines[0].op, "PowBackward0") == 0 && t.lines[0].bytes == 64);
    CHECK(strcmp(t.lines[1].op, "mul") == 0 && strcmp(t.lines[1].largest, "float32 []") == 0);
    CHECK(strstr(t.lines[1].file, "test_debug.c") && t.lines[1].line > 0 && t.lines[1].only_graph == 0);
    ebb_memory_table_free(&t);
    FILE *file = output_begin();
    CHECK(ebb_print_alive(file) == EBB_OK);
    output_end(file);
    CHECK_OUTPUT("      64 B    94%        1  PowBackward0  test_debug.c:");
    CHECK_OUTPUT("       4 B     6%        1  mul           test_debug.c:");
    kept = ebb_drop(kept);
    ebb_set_grad(w, NULL);
    CHECK(ebb_alive_table(&t) == EBB_OK && t.tensors == 0);
    ebb_memory_table_free(&t);
}

EBB_TEST(alive_in_the_graph_only) {
    ebb_tensor *w = leaf("w", 4, 4), *y = NULL;
    EBB_TRACE_TENSORS EBB_SCOPE { y = ebb_keep(ebb_exp(ebb_mul(w, ebb_add(w, 1)))); }
    ebb_memory_table t;
    CHECK(ebb_alive_table(&t) == EBB_OK);
    int64_t only_graph = 0;
    for (int64_t i = 0; i < t.n; i++) only_graph += t.lines[i].only_graph;
    CHECK(only_graph == 2 && t.tensors == 3); /* the sum, that mul saved, and exp's result, that it saved itself */
    ebb_memory_table_free(&t);
    ebb_drop(y);
}

EBB_TEST(tensors_made_outside_are_not_noted) {
    ebb_tensor *a = ebb_ones(EBB_DIMS(2));
    ebb_mode mode = ebb_trace_tensors_open();
    EBB_TRACE_TENSORS { (void)ebb_add(a, 1); }
    (void)ebb_add_(a, 1);
    ebb_trace_tensors_close(&mode);
    (void)ebb_add(a, 1);
    ebb_memory_table t;
    CHECK(ebb_alive_table(&t) == EBB_OK && t.n == 1 && t.tensors == 1);
    ebb_memory_table_free(&t);
}

/* ---- cycles ---- */

static int64_t cycles(ebb_list tensors) {
    int64_t n = -1;
    FILE *file = output_begin();
    CHECK(ebb_print_cycles(tensors, file, &n) == EBB_OK);
    output_end(file);
    return n;
}

EBB_TEST(none) {
    ebb_tensor *w = leaf("w", 2, 2), *y = ebb_mul(w, w);
    CHECK(ebb_backward(ebb_sum(y)) == EBB_OK);
    CHECK(cycles(EBB_LIST(w, y)) == 0 && output[0] == 0);
    CHECK(cycles((ebb_list){0, NULL}) == 0);
}

EBB_TEST(a_gradient_that_leads_back_to_its_tensor) {
    ebb_tensor *w = NULL, *v = leaf("v", 2, 2);
    EBB_TRACE_TENSORS EBB_SCOPE {
        w = ebb_keep(leaf("w", 2, 2));
        CHECK(ebb_backward(ebb_sum(ebb_mul(ebb_mul(w, w), v)), .create_graph = true) == EBB_OK);
    }
    CHECK(cycles(EBB_LIST(w)) == 1);
    CHECK_OUTPUT("reference cycle: ");
    CHECK_OUTPUT("tensors, 80 B, kept alive by themselves\n  \"w\" float32 [2, 2], made at test_debug.c:");
    CHECK_OUTPUT("  .grad -> float32 [2, 2], made at test_debug.c:");
    CHECK_OUTPUT("  .grad_fn -> CloneBackward0, recorded at test_debug.c:");
    CHECK_OUTPUT("  input self -> MulBackward0, recorded at test_debug.c:");
    CHECK_OUTPUT("-> \"w\" float32 [2, 2], made at test_debug.c:");
    CHECK_OUTPUT("  ebb_set_grad() with NULL ends it");
    CHECK(cycles((ebb_list){0, NULL}) == 1); /* among all that are noted, v is none */
    ebb_set_grad(w, NULL);
    CHECK(cycles(EBB_LIST(w)) == 0);
    ebb_set_grad(v, NULL);
    ebb_drop(w);
}

EBB_TEST(a_gradient_that_was_set) {
    ebb_tensor *w = leaf("w", 2, 2);
    CHECK(ebb_set_grad(w, ebb_exp(w)) == EBB_OK && cycles(EBB_LIST(w)) == 1);
    CHECK_OUTPUT("  .grad_fn -> ExpBackward0, recorded at");
    CHECK_OUTPUT("  input self -> \"w\" float32 [2, 2]\n");
    ebb_set_grad(w, NULL);
}

static ebb_tensor *look(ebb_tensor *g, void *context) {
    (void)g;
    (void)context;
    return NULL;
}
static void drop(void *t) { ebb_drop(t); }

EBB_TEST(a_hook_whose_context_is_what_it_is_on) {
    EBB_TRACE_TENSORS {
        ebb_tensor *w = leaf("w", 2, 2);
        ebb_hook hook = ebb_register_hook(w, look, ebb_keep(ebb_exp(w)), drop);
        CHECK(hook && cycles(EBB_LIST(w)) == 1);
        CHECK_OUTPUT("  a hook's context -> float32 [2, 2], made at");
        CHECK_OUTPUT("  removing the hook ends it");
        ebb_remove_hook(hook);
        CHECK(cycles(EBB_LIST(w)) == 0);
    }
}

struct context {
    int64_t calls;
    ebb_tensor *t;
};
static void context_free(void *p) {
    struct context *c = p;
    ebb_drop(c->t);
    ebb_trace_block(c, 0);
    ebb_free(c, sizeof *c);
}

EBB_TEST(a_context_that_refers_to_a_tensor) {
    EBB_TRACE_TENSORS {
        ebb_tensor *w = leaf("w", 2, 2), *y = ebb_name(ebb_exp(w), "y");
        struct context *c = ebb_alloc(sizeof *c);
        *c = (struct context){0, ebb_keep(ebb_mul(y, 2))};
        CHECK(ebb_trace_block(c, sizeof *c) == EBB_OK);
        ebb_hook hook = ebb_register_hook(y, look, c, context_free);
        CHECK(hook && cycles(EBB_LIST(y)) == 1);
        CHECK_OUTPUT("  a hook's context -> a block of 16 bytes\n  refers to -> float32 [2, 2], made at test_debug.c:");
        CHECK_OUTPUT("  input self -> ExpBackward0");
        ebb_remove_hook(hook);
        CHECK(cycles(EBB_LIST(y)) == 0);
    }
}

static struct context *packed_last;

static void *pack(ebb_tensor *t, void *unused) {
    (void)unused;
    struct context *c = packed_last = ebb_alloc(sizeof *c);
    *c = (struct context){0, ebb_keep(t)};
    (void)ebb_trace_block(c, sizeof *c);
    return c;
}
static ebb_tensor *unpack(void *packed, void *unused) {
    (void)unused;
    return ((struct context *)packed)->t;
}
static void release(void *packed, void *unused) {
    (void)unused;
    context_free(packed);
}

EBB_TEST(what_hooks_hold_in_the_place_of_saved_tensors) {
    EBB_TRACE_TENSORS {
        ebb_tensor *w = leaf("w", 2, 2), *y = NULL;
        EBB_SAVED_HOOKS((ebb_saved_hooks){.pack = pack, .unpack = unpack, .release = release}) { y = ebb_exp(w); }
        CHECK(cycles(EBB_LIST(y)) == 0);
        ebb_drop(packed_last->t);
        packed_last->t = ebb_keep(y); /* with its history, which leads to the node that holds it */
        CHECK(cycles(EBB_LIST(y)) == 1);
        CHECK_OUTPUT("  packed result -> a block of 16 bytes\n  refers to -> float32 [2, 2], made at test_debug.c:");
        CHECK_OUTPUT("  a pack hook that keeps a copy");
        packed_last->t = ebb_drop(packed_last->t);
    }
}

EBB_TEST(tangents_of_an_open_level) {
    ebb_tensor *w = leaf("w", 2, 2);
    EBB_DUAL_LEVEL {
        ebb_tensor *dual = ebb_make_dual(w, ebb_ones(EBB_DIMS(2, 2))), *y = ebb_exp(dual);
        CHECK(cycles(EBB_LIST(y)) == 1);
        CHECK_OUTPUT("  tangent -> ");
        CHECK_OUTPUT("  closing the level of forward mode ends it");
    }
}

/* Thousands of things in one cycle are told shortly, and walked without recursion. */
EBB_TEST(long_cycles) {
    ebb_tensor *w = leaf("w", 1, 1);
    EBB_SCOPE {
        ebb_tensor *y = w;
        for (int i = 0; i < 100000; i++) y = ebb_neg(y);
        CHECK(ebb_set_grad(w, y) == EBB_OK);
    }
    CHECK(cycles(EBB_LIST(w)) == 1);
    CHECK_OUTPUT("  ... 99982 more ...\n  input self -> NegBackward0");
    ebb_set_grad(w, NULL);
}

static void everything(void) {
    EBB_SCOPE EBB_TRACE_TENSORS {
        ebb_tensor *w = leaf("w", 2, 2);
        ebb_memory_table t = {.n = 0};
        ebb_status status = ebb_backward(ebb_sum(ebb_mul(w, w)), .create_graph = true);
        if (!status) status = ebb_saved_table(EBB_LIST(ebb_tensor_grad(w)), &t);
        ebb_memory_table_free(&t);
        if (!status) status = ebb_alive_table(&t);
        ebb_memory_table_free(&t);
        if (!status) (void)ebb_print_cycles((ebb_list){0, NULL}, NULL, NULL);
        if (w) ebb_set_grad(w, NULL);
    }
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(everything, 0); }

EBB_TEST_MAIN
