/* Wrong use: each mistake has a message that names the operator, the shapes or dtypes, and the line of the caller. The
 * test prints them, as a user would read them. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <ebb/expr.h>
#include <inttypes.h>

/* The error is `status` of operator `op` at `line` of this file, its message contains `text`; print it and clear it. */
static void wrong(ebb_status status, const char *op, int line, const char *text) {
    const ebb_error_info *e = ebb_error();
    assert_non_null(e);
    print_message("  %s:%d: %s: %s\n", strrchr(e->file, '/') ? strrchr(e->file, '/') + 1 : e->file, e->line, e->op,
                  e->message);
    CHECK(e->status == status);
    assert_string_equal(e->op, op);
    CHECK(abs(e->line - line) <= 2); /* of a statement over several lines compilers name one or another */
    CHECK(strstr(e->file, "test_errors.c"));
    if (!strstr(e->message, text)) fail_msg("the message lacks \"%s\"", text);
    ebb_clear_error();
}

#define WRONG(expression, status, op, text) \
    do { \
        (void)(expression); \
        wrong((status), (op), __LINE__, (text)); \
    } while (0)

EBB_TEST(shapes) {
    EBB_SCOPE {
        ebb_tensor *a = ebb_ones(EBB_DIMS(2, 3)), *b = ebb_name(ebb_ones(EBB_DIMS(4)), "b");
        WRONG(ebb_add(a, b), EBB_ERR_SHAPE, "add",
              "shapes [2, 3] and [4] do not broadcast; inputs: self float32 [2, 3], other \"b\" float32 [4]");
        WRONG(ebb_matmul(a, a), EBB_ERR_SHAPE, "matmul", "inner dimensions of [2, 3] and [2, 3] differ");
        WRONG(ebb_cat(EBB_LIST(a, b), 0), EBB_ERR_SHAPE, "cat", "[4]");
        WRONG(ebb_view(a, EBB_DIMS(5)), EBB_ERR_SHAPE, "view", "[2, 3]");
        WRONG(ebb_view(ebb_t(a), EBB_DIMS(6)), EBB_ERR_SHAPE, "view", "use reshape");
        WRONG(ebb_add_(b, a), EBB_ERR_SHAPE, "add_", "do not broadcast");
        WRONG(ebb_add_(b, ebb_ones(EBB_DIMS(2, 4))), EBB_ERR_SHAPE, "add_", "does not fit in place into shape [4]");
        WRONG(ebb_zeros(EBB_DIMS(2, -1)), EBB_ERR_SHAPE, "zeros", "must not be negative: [2, -1]");
    }
}

EBB_TEST(dtypes) {
    EBB_SCOPE {
        ebb_tensor *i = ebb_ones(EBB_DIMS(2, 2), .dtype = EBB_I64), *f = ebb_ones(EBB_DIMS(2, 2));
        WRONG(ebb_mm(i, f), EBB_ERR_DTYPE, "mm", "int64");
        WRONG(ebb_mean(i), EBB_ERR_DTYPE, "mean", "int64");
        WRONG(ebb_add_(i, f), EBB_ERR_DTYPE, "add_", "the float32 result does not fit in place into int64");
        WRONG(ebb_where(i, f, f), EBB_ERR_DTYPE, "where", "bool condition, got int64");
        WRONG(ebb_nll_loss(f, f), EBB_ERR_DTYPE, "nll_loss", "float32");
        WRONG(ebb_requires_grad_(ebb_neg(i), true), EBB_ERR_DTYPE, "requires_grad_", "not int64");
        WRONG(ebb_zeros(EBB_DIMS(2), .dtype = EBB_I64, .requires_grad = true), EBB_ERR_DTYPE, "zeros", "not int64");
    }
}

EBB_TEST(dimensions_and_indices) {
    EBB_SCOPE {
        ebb_tensor *a = ebb_ones(EBB_DIMS(2, 3));
        WRONG(ebb_sum(a, .dim = EBB_DIMS(2)), EBB_ERR_INDEX, "sum", "expected between -2 and 1, got 2");
        WRONG(ebb_softmax(a, -3), EBB_ERR_INDEX, "softmax", "expected between -2 and 1, got -3");
        WRONG(ebb_sum(a, .dim = EBB_DIMS(0, -2)), EBB_ERR_ARGUMENT, "sum", "names dimension 0 twice");
        WRONG(ebb_select(a, 0, 2), EBB_ERR_INDEX, "select", "2");
        WRONG(ebb_cross_entropy(a, ebb_full(EBB_DIMS(2), 3.0, .dtype = EBB_I64)), EBB_ERR_INDEX, "cross_entropy", "3");
        WRONG(ebb_unsqueeze(ebb_ones(EBB_DIMS(1, 1, 1, 1, 1, 1, 1, 1)), 0), EBB_ERR_SHAPE, "unsqueeze", "8");
    }
}

EBB_TEST(sizes) {
    EBB_SCOPE {
        int64_t huge = INT64_MAX / 2;
        WRONG(ebb_zeros(EBB_DIMS(huge, 4)), EBB_ERR_MEMORY, "zeros", "too large to be addressed");
        WRONG(ebb_zeros(EBB_DIMS(huge / 4)), EBB_ERR_MEMORY, "zeros", "");
        WRONG(ebb_ones(EBB_DIMS(INT64_C(1) << 46)), EBB_ERR_MEMORY, "ones", "");
    }
}

EBB_TEST(differentiation) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(3), .requires_grad = true), *y = ebb_mul(x, x), *z = ebb_sum(ebb_mul(y, y)),
                   *g;
        WRONG(ebb_backward(y), EBB_ERR_GRAPH, "backward", "has shape [3]: only a tensor of one element");
        WRONG(ebb_backward(y, .gradient = ebb_ones(EBB_DIMS(2))), EBB_ERR_SHAPE, "backward", "shape [2]");
        WRONG(ebb_backward(ebb_ones(EBB_DIMS(1))), EBB_ERR_GRAPH, "backward", "does not require gradients");
        WRONG(ebb_grad(EBB_LIST(z), EBB_LIST(ebb_ones(EBB_NO_DIMS, .dtype = EBB_I64)), &g), EBB_ERR_DTYPE, "grad",
              "int64");
        CHECK(ebb_backward(z, .retain_graph = true) == EBB_OK);
        WRONG(ebb_add_(x, 1.0), EBB_ERR_GRAPH, "add_", "self is a leaf that requires gradients");
    }
}

/* "HEAD FILE:LINE TAIL" with this file's name, as __FILE__ has it. */
static const char *naming(const char *head, int line, const char *tail) {
    static char text[512];
    snprintf(text, sizeof text, "%s%s:%d%s", head, __FILE__, line, tail);
    return text;
}

EBB_TEST(overwritten_in_place) {
    EBB_SCOPE {
        int line = __LINE__;
        ebb_tensor *x = ebb_name(ebb_ones(EBB_DIMS(3), .requires_grad = true), "x"), *h = ebb_name(ebb_clone(x), "h");
        ebb_tensor *loss = ebb_sum(ebb_mul(h, h));
        ebb_add_(h, 1.0);
        CHECK(ebb_backward(loss) == EBB_ERR_VERSION);
        wrong(EBB_ERR_VERSION, "MulBackward0", line + 2,
              naming("self \"h\" float32 [3], which the gradient needs, was saved here by mul at version 0 and "
                     "overwritten in place by add_ at ",
                     line + 3, " (version 1)"));
        ebb_tensor *y = ebb_name(ebb_exp(x), "y");
        loss = ebb_sum(y);
        EBB_NO_GRAD {
            ebb_mul_(ebb_slice(y, 0, 0, 2), 0.0); /* through a view, more than once */
            ebb_zero_(y);
        }
        CHECK(ebb_backward(loss) == EBB_ERR_VERSION);
        wrong(EBB_ERR_VERSION, "ExpBackward0", line + 9,
              naming("its result \"y\" float32 [3], which the gradient needs, was saved here by exp at version 0 and "
                     "overwritten in place since, last by zero_ at ",
                     line + 13, " (version 2)"));
        ebb_tensor *k = ebb_name(ebb_ones(EBB_DIMS(3)), "k");
        loss = ebb_sum(ebb_mul(x, k)); /* a constant */
        *(float *)ebb_tensor_data(k) = 2;
        ebb_increment_version(k);
        CHECK(ebb_backward(loss) == EBB_ERR_VERSION);
        wrong(EBB_ERR_VERSION, "MulBackward0", line + 21,
              naming("other \"k\" float32 [3], which the gradient needs, was saved here by mul at version 0 and "
                     "overwritten in place through its data at ",
                     line + 23, " (version 1)"));
        ebb_tensor *w = ebb_name(ebb_ones(EBB_DIMS(3), .requires_grad = true), "w");
        ebb_tensor *losses[] = {ebb_sum(ebb_mul(w, w)), ebb_sum(ebb_mul(w, w))};
        ebb_optim *sgd = ebb_sgd(EBB_LIST(w), .lr = 0.1);
        CHECK(ebb_backward(losses[0]) == EBB_OK);
        CHECK(ebb_optim_step(sgd) == EBB_OK);
        CHECK(ebb_backward(losses[1]) == EBB_ERR_VERSION);
        wrong(EBB_ERR_VERSION, "MulBackward0", line + 30,
              naming("overwritten in place through its data at ", line + 33, " (version 1)"));
        ebb_optim_free(sgd);
    }
}

EBB_TEST(backward_a_second_time) {
    EBB_SCOPE {
        int line = __LINE__;
        ebb_tensor *x = ebb_name(ebb_ones(EBB_DIMS(3), .requires_grad = true), "x");
        ebb_tensor *k = ebb_name(ebb_ones(EBB_DIMS(3)), "k");
        ebb_tensor *loss = ebb_sum(ebb_mul(ebb_add(x, x), k));
        CHECK(ebb_backward(loss, .retain_graph = true) == EBB_OK);
        CHECK(ebb_backward(loss) == EBB_OK);
        CHECK(ebb_backward(loss) == EBB_ERR_FREED);
        wrong(EBB_ERR_FREED, "MulBackward0", line + 3,
              naming("backward a second time: other, saved here by mul, was released by the first pass at ", line + 5,
                     "; give .retain_graph = true to that one"));
        loss = ebb_sum(ebb_mul(ebb_name(ebb_neg(x), "h"), x));
        ebb_tensor *g;
        CHECK(ebb_grad(EBB_LIST(loss), EBB_LIST(x), &g) == EBB_OK);
        CHECK(ebb_backward(loss) == EBB_ERR_FREED);
        wrong(
            EBB_ERR_FREED, "MulBackward0", line + 10,
            naming("self \"h\" float32 [3] and other \"x\" float32 [3], saved here by mul, were released by the first "
                   "pass at ",
                   line + 12, "; give"));
        loss = ebb_sum(ebb_cat(EBB_LIST(x, x), 0)); /* saves shapes only, which stay */
        CHECK(ebb_backward(loss) == EBB_OK && ebb_backward(loss) == EBB_OK);
    }
}

EBB_TEST(the_first_error_is_kept_and_null_flows) {
    EBB_SCOPE {
        ebb_tensor *bad = ebb_add(ebb_ones(EBB_DIMS(2)), ebb_ones(EBB_DIMS(3)));
        int line = __LINE__ - 1;
        ebb_tensor *y = ebb_exp(ebb_mul(bad, 2.0));
        CHECK(!bad && !y && ebb_backward(y) == EBB_ERR_SHAPE);
        wrong(EBB_ERR_SHAPE, "add", line, "do not broadcast");
        WRONG(ebb_exp(NULL), EBB_ERR_ARGUMENT, "exp", "self");
    }
}

/* ---- an error of a part is one of the operator that was called ---- */

/* The tensor with another shape, dtype or values; NULL where there is none of that kind. */
static ebb_tensor *spoiled(ebb_tensor *t, int how) {
    ebb_dims shape = ebb_tensor_shape(t);
    ebb_dtype dtype = ebb_tensor_dtype(t);
    switch (how) {
    case 0: dtype = ebb_dtype_is_floating(dtype) ? EBB_I64 : EBB_F64; break;
    case 1: dtype = EBB_BOOL; break;
    case 2: return dtype == EBB_U8 ? NULL : ebb_full(shape, -77, .dtype = dtype);
    case 3:
        if (shape.n == EBB_MAX_NDIM) return NULL;
        shape.d[shape.n++] = 2;
        break;
    case 4: shape = EBB_DIMS(1, 2, 1, 2, 1, 2, 1, 2); break;
    default:
        if (shape.n == 0) return NULL;
        if (how == 5) shape.n--;
        if (how == 6) shape.d[shape.n - 1] += 3;
        if (how == 7) shape.d[0] += 3;
        if (how == 8) shape.d[shape.n - 1] = 0;
    }
    return ebb_full(shape, 1, .dtype = dtype);
}
enum { SPOILS = 9 };

/* Whether the message begins with "NAME: ", of an operator. */
static bool begins_with_operator(const char *message) {
    char word[64];
    size_t n = strspn(message, "abcdefghijklmnopqrstuvwxyz_0123456789");
    snprintf(word, sizeof word, "%.*s", (int)n, message);
    return message[n] == ':' && ebb_op_find(word);
}

/* Whether the inputs that the message ends with, if it does, begin with one of this operator's. */
static bool lists_own_inputs(const struct ebb_op *op, const char *message) {
    const char *list = strstr(message, "; inputs: ");
    bool own = !list;
    for (int i = 0; i < op->n_in && list; i++) {
        const char *name = op->in[i].name ? op->in[i].name : "input", *at = list + strlen("; inputs: ");
        own = own || (strncmp(at, name, strlen(name)) == 0 && strchr(" [", at[strlen(name)]));
    }
    return own;
}

static int call_wrongly(const struct ebb_op *op, const char *text, const struct ebb_sample *sample) {
    int errors = 0;
    for (int k = 0; k < sample->n_in * SPOILS; k++) EBB_SCOPE {
            ebb_tensor *in[16];
            int64_t i = k / SPOILS;
            if (sample->n_in > 16 || !sample->in[i]) continue;
            memcpy(in, sample->in, (size_t)sample->n_in * sizeof *in);
            if (!(in[i] = spoiled(in[i], k % SPOILS))) continue;
            (void)ebb_call_op_list(op, in, sample->n_in, sample->attrs);
            const ebb_error_info *e = ebb_error();
            if (!e) continue;
            errors++;
            if (strcmp(e->op, op->name) != 0 || begins_with_operator(e->message) || !lists_own_inputs(op, e->message))
                fail_msg("%s %s: %s: %s", op->name, text, e->op, e->message);
            ebb_clear_error();
        }
    return errors;
}

EBB_TEST(parts_of_operators_are_not_named) {
    int errors = 0;
    for (int k = 0; k < ebb_op_count(); k++) {
        const struct ebb_op *op = ebb_op_get(k);
        for (const char *const *text = ebb_op_text(op).samples; text && *text && (op->compose || op->compose_list);
             text++) {
            struct ebb_sample sample;
            if (ebb_sample_make(op, *text, EBB_F64, 1, &sample) == EBB_OK) errors += call_wrongly(op, *text, &sample);
            ebb_clear_error();
            ebb_sample_release(&sample);
        }
    }
    print_message("%d calls of compositions refused\n", errors);
    CHECK(errors > 1000);
}

/* ---- an error of what the user has written has the name and the inputs of what failed there ---- */

static ebb_tensor *refused(ebb_tensor *x) { return ebb_matmul(x, ebb_ones(EBB_DIMS(7, 7))); }
#define REFUSED \
    "matmul: inner dimensions of [2, 3] and [7, 7] differ: 3 and 7; inputs: self float32 [2, 3], other float32 [7, 7]"

static void *pack_refused(ebb_tensor *t, void *context) {
    (void)context;
    ebb_tensor *kept = refused(t);
    return kept ? ebb_keep(kept) : NULL;
}
static ebb_tensor *unpack_nothing(void *packed, void *context) {
    (void)context;
    return packed;
}
static ebb_tensor *own_compose(struct ebb_forward *f) { return refused(f->in[0]); }
static ebb_status own_forward(struct ebb_forward *f) { return refused(f->in[0]) ? EBB_OK : ebb_error_status(); }
static ebb_status own_copy(struct ebb_forward *f) {
    memcpy(ebb_tensor_data(f->out[0]), ebb_tensor_data(f->in[0]), (size_t)ebb_tensor_numel(f->in[0]) * sizeof(float));
    return EBB_OK;
}
static void own_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, refused(v->grad[0])); }
#define OWN .name = "own", .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}), .n_in = 1, .dtypes = EBB_DTYPES(EBB_F32)
static const struct ebb_op by_parts = {OWN, .compose = own_compose}, by_forward = {OWN, .forward = own_forward},
                           by_rule = {OWN, .forward = own_copy, .contiguous = true, .vjp = own_vjp};
static ebb_status calls_by_rule(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = ebb_call_op1(&by_rule, in.t, 1, NULL);
    return ebb_error_status();
}

/* As WRONG, at the line of refused(). */
static void named(const char *op, const char *text) {
    CHECK(ebb_error() && !strcmp(ebb_error()->op, op));
    CHECK_ERROR(EBB_ERR_SHAPE, text);
}

EBB_TEST(parts_of_what_the_user_wrote_are_named) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3), .requires_grad = true), *y = ebb_mul(x, 1.0),
                   *b = ebb_ones(EBB_DIMS(2));
        const ebb_saved_hooks hooks = {.pack = pack_refused, .unpack = unpack_nothing};
        EBB_SAVED_HOOKS(hooks) {
            CHECK(!ebb_mul(x, x));
            named("mul", REFUSED);
            CHECK(!ebb_mul_(y, x));
            named("mul_", REFUSED);
            CHECK(!ebb_linear(x, ebb_ones(EBB_DIMS(2, 3), .requires_grad = true), .bias = b)); /* of its parts */
            named("linear", REFUSED);
            CHECK(!ebb_rms_norm(x, EBB_DIMS(3))); /* and of its own node */
            named("rms_norm", REFUSED);
        }
        CHECK(!ebb_call_op1(&by_parts, &x, 1, NULL));
        named("own", REFUSED);
        EBB_NO_GRAD CHECK(!ebb_call_op1(&by_forward, &x, 1, NULL));
        named("own", REFUSED);
        ebb_outputs tangents = {0};
        CHECK(ebb_jvp(calls_by_rule, NULL, EBB_LIST(x), EBB_LIST(ebb_ones(EBB_DIMS(2, 3))), NULL, &tangents));
        named("own", REFUSED);
    }
}

/* ---- compositions that fail ---- */

static int lacking; /* which of a composition's results is left out, 2 for its list; what else fails: 3 */
static ebb_list halves(struct ebb_forward *f) {
    ebb_tensor **half = lacking == 2 ? NULL : ebb_list_room(2);
    for (int k = 0; k < 2 && half; k++) half[k] = k == lacking ? NULL : ebb_mul(f->in[0], 0.5);
    if (lacking == 3) (void)ebb_mm(f->in[0], f->in[0]);
    return (ebb_list){2, half};
}
static void halves_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_mul(ebb_add(v->grad[0], v->grad[1]), 0.5)); }
static ebb_tensor *half(struct ebb_forward *f) {
    ebb_tensor *y = ebb_mul(f->in[0], 0.5);
    return lacking == 0 ? NULL : lacking == 3 ? ebb_mm(y, y) : y;
}
#define COMPOSED(name_) .name = name_, .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}), .n_in = 1, .dtypes = EBB_FLOATING
static const struct ebb_op composed[] = {
    {COMPOSED("halves"), .n_out = 2, .compose_list = halves},
    {COMPOSED("halves_by_rule"), .n_out = 2, .compose_list = halves, .vjp = halves_vjp},
    {COMPOSED("halves_list"), .n_out = EBB_OUT_LIST, .compose_list = halves},
    {COMPOSED("half"), .compose = half},
    {COMPOSED("half_by_rule"), .compose = half, .vjp = own_vjp}};

EBB_TEST(compositions_that_fail) {
    for (size_t k = 0; k < sizeof composed / sizeof *composed; k++) {
        const struct ebb_op *op = &composed[k];
        for (lacking = 0; lacking < 5; lacking++) {
            EBB_SCOPE {
                ebb_tensor *x = ebb_full(EBB_DIMS(1), 3.0, .dtype = EBB_F64, .requires_grad = true);
                const bool wanting = op->compose ? lacking == 0 || lacking == 3 : lacking < 4;
                const ebb_list out = ebb_call_op_list(op, &x, 1, NULL);
                CHECK(wanting == (out.n == 0) && wanting == (ebb_error() != NULL));
                if (wanting) CHECK(!strcmp(ebb_error()->op, op->name));
                if (wanting && lacking == 3) CHECK_ERROR(EBB_ERR_SHAPE, "mm: ");
                else if (wanting)
                    CHECK_ERROR(EBB_ERR_CALLBACK, "gave NULL in place of a result; inputs: x float64 [1]");
                if (wanting) continue;
                CHECK(out.n == (op->compose ? 1 : 2));
                CHECK_CLOSE(ebb_item(out.t[out.n - 1]), 1.5, 0);
            }
        }
        lacking = 1;
        EBB_SCOPE { /* an error of before stays, and is none of a part */
            ebb_tensor *x = ebb_full(EBB_DIMS(1), 3.0, .dtype = EBB_F64, .requires_grad = true);
            ebb_fail(EBB_ERR_IO, "of before");
            CHECK(ebb_call_op_list(op, &x, 1, NULL).n == (op->compose ? 1 : 0));
            CHECK_ERROR(EBB_ERR_IO, "of before");
        }
    }
}

EBB_TEST(overloads_are_named_as_they_were_called) {
    EBB_SCOPE {
        ebb_tensor *a = ebb_ones(EBB_DIMS(2, 3));
        WRONG(ebb_call("tensordot", EBB_LIST(a, a), EBB_ARGS(EBB_ARG_TEXT("dims", "((0),(1))"))), EBB_ERR_SHAPE,
              "tensordot", "a float32 [2, 3]");
        WRONG(ebb_call("add_", EBB_LIST(a, ebb_ones(EBB_DIMS(2))), EBB_ARGS(EBB_ARG("alpha", 2))), EBB_ERR_SHAPE,
              "add_", "do not broadcast");
        CHECK(!ebb_eval("tensordot(a, a, dims=((0,), (1,)))", EBB_ARGS(EBB_ARG("a", a))));
        CHECK(strstr(ebb_error()->message, "1: tensordot: "));
        ebb_clear_error();
        WRONG(ebb_getitem(a, EBB_ITEMS(5)), EBB_ERR_INDEX, "getitem", "index 5");
        WRONG(ebb_getitem(a, EBB_ITEMS(0, 0, 0)), EBB_ERR_INDEX, "getitem", "too many");
        WRONG(ebb_setitem(a, EBB_ITEMS(1), ebb_ones(EBB_DIMS(4))), EBB_ERR_SHAPE, "setitem", "[4]");
    }
}

EBB_TEST_MAIN
