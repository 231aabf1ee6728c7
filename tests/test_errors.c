/* Wrong use: each mistake has a message that names the operator, the shapes or dtypes, and the line of the caller. The
 * test prints them, as a user would read them. */
#include "tests/check.h"
#include <ebb/ebb.h>
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

EBB_TEST_MAIN
