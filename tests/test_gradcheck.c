/* The checker of gradients finds what is wrong, says where, and lets pass what is right; with operators of the test's
 * own, each with a different fault. */
#include "tests/check.h"
#include <ebb/ebb.h>

/* ---- y = x^3, with a rule that has a fault ---- */

static enum { RIGHT, TWICE, LAST_ENTRY, FORGETS_SECOND, UNSTEADY } fault;
static int passes;

static ebb_status cube_forward(struct ebb_forward *f) {
    const double *x = ebb_tensor_data(f->in[0]);
    double *y = ebb_tensor_data(f->out[0]);
    for (int64_t i = 0; i < ebb_tensor_numel(f->in[0]); i++) y[i] = x[i] * x[i] * x[i];
    return EBB_OK;
}

static void cube_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *x = fault == FORGETS_SECOND ? ebb_detach(v->in[0]) : v->in[0];
    ebb_tensor *g = ebb_mul(v->grad[0], ebb_mul(ebb_mul(x, x), 3));
    if (fault == TWICE) g = ebb_mul(g, 2);
    if (fault == UNSTEADY) g = ebb_add(g, passes++ * 1e-9);
    if (fault == LAST_ENTRY) g = ebb_mul(g, ebb_from_data((double[]){1, 1, 1, 1, 1, 1.01}, EBB_F64, EBB_DIMS(2, 3)));
    ebb_vjp_give(v, 0, g);
}

static const struct ebb_op cube = {
    .name = "cube",
    .node = "CubeBackward0",
    .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
    .n_in = 1,
    .forward = cube_forward,
    .contiguous = true,
    .vjp = cube_vjp,
    .saves = {EBB_IN(0)},
};

static ebb_status cubed(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = ebb_call_op1(&cube, in.t, 1, NULL);
    return ebb_error_status();
}

static ebb_tensor *values(void) {
    static const double x[] = {0.5, -1, 1.5, 2, -0.25, 0.75};
    return ebb_requires_grad_(ebb_from_data(x, EBB_F64, EBB_DIMS(2, 3)), true);
}

EBB_TEST(right_gradients_pass) {
    fault = RIGHT;
    ebb_tensor *x = values();
    CHECK(!ebb_gradcheck(cubed, NULL, EBB_LIST(x)));
    CHECK(!ebb_gradcheck(cubed, NULL, EBB_LIST(x), .fast = true, .seed = 3));
    CHECK(!ebb_gradgradcheck(cubed, NULL, EBB_LIST(x)));
    CHECK(!ebb_gradgradcheck(cubed, NULL, EBB_LIST(x), .fast = true));
    CHECK_VALUES(x, 0, 0.5, -1, 1.5, 2, -0.25, 0.75); /* as they were */
    CHECK(!ebb_tensor_grad(x));
    CHECK(!ebb_gradcheck(cubed, NULL, EBB_LIST(ebb_requires_grad_(ebb_zeros(EBB_DIMS(0, 3), .dtype = EBB_F64), true))));
    CHECK(!ebb_gradgradcheck(cubed, NULL, EBB_LIST(ebb_requires_grad_(ebb_scalar(2.0, .dtype = EBB_F64), true))));
}

EBB_TEST(a_strided_input_is_moved_where_it_lies) {
    fault = RIGHT;
    ebb_tensor *all = ebb_from_data((double[]){1, 9, 2, 9, 3, 9}, EBB_F64, EBB_DIMS(3, 2)), *x = NULL;
    EBB_NO_GRAD { x = ebb_select(all, 1, 0); }
    CHECK(!ebb_gradcheck(cubed, NULL, EBB_LIST(ebb_requires_grad_(x, true))));
    CHECK_VALUES(all, 0, 1, 9, 2, 9, 3, 9);
}

EBB_TEST(wrong_gradients_are_named) {
    ebb_tensor *x = ebb_name(values(), "weights");
    fault = TWICE;
    CHECK(ebb_gradcheck(cubed, NULL, EBB_LIST(x)) == EBB_ERR_GRAPH);
    CHECK_ERROR(EBB_ERR_GRAPH, "gradcheck: the gradient of output 0 at [0, 0] by input 0 (weights) at [0, 0]: backward "
                               "gives 1.5, finite differences give 0.75");
    CHECK(ebb_gradcheck(cubed, NULL, EBB_LIST(x), .fast = true) == EBB_ERR_GRAPH);
    CHECK_ERROR(EBB_ERR_GRAPH, "along a random direction");
    fault = LAST_ENTRY;
    CHECK(ebb_gradcheck(cubed, NULL, EBB_LIST(x)) == EBB_ERR_GRAPH);
    CHECK_ERROR(EBB_ERR_GRAPH, "output 0 at [1, 2] by input 0 (weights) at [1, 2]");
    CHECK(!ebb_gradcheck(cubed, NULL, EBB_LIST(x), .rtol = EBB_SET(0.02)));
    CHECK(ebb_gradcheck(cubed, NULL, EBB_LIST(x), .rtol = EBB_SET(0)) == EBB_ERR_GRAPH);
    ebb_clear_error();
}

EBB_TEST(tolerances_may_be_zero) {
    fault = RIGHT; /* and yet not what differences give to the last bit */
    ebb_tensor *x = values();
    CHECK(ebb_gradcheck(cubed, NULL, EBB_LIST(x), .atol = EBB_SET(0), .rtol = EBB_SET(0)) == EBB_ERR_GRAPH);
    CHECK_ERROR(EBB_ERR_GRAPH, "finite differences give");
    CHECK(!ebb_gradcheck(cubed, NULL, EBB_LIST(x), .atol = EBB_SET(0)));
    CHECK(!ebb_gradcheck(cubed, NULL, EBB_LIST(x), .rtol = EBB_SET(0)));
    CHECK(ebb_gradcheck(cubed, NULL, EBB_LIST(x), .rtol = EBB_SET(-1)) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "gradcheck: atol, rtol and nondet_tol must not be negative, got 0, -1 and 0");
}

EBB_TEST(wrong_second_derivatives_are_found) {
    fault = FORGETS_SECOND;
    ebb_tensor *x = values();
    CHECK(!ebb_gradcheck(cubed, NULL, EBB_LIST(x)));
    CHECK(ebb_gradgradcheck(cubed, NULL, EBB_LIST(x)) == EBB_ERR_GRAPH);
    CHECK_ERROR(EBB_ERR_GRAPH, "gradgradcheck: the gradient of output 0 at [0, 0] by input 0 at [0, 0]");
}

EBB_TEST(unsteady_gradients_are_found) {
    fault = UNSTEADY;
    ebb_tensor *x = values();
    CHECK(ebb_gradcheck(cubed, NULL, EBB_LIST(x)) == EBB_ERR_GRAPH);
    CHECK_ERROR(EBB_ERR_GRAPH, "two backward passes from output 0 to input 0 differ");
    CHECK(!ebb_gradcheck(cubed, NULL, EBB_LIST(x), .nondet_tol = 1e-6));
}

/* ---- functions of several inputs and outputs ---- */

static ebb_status several(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = ebb_matmul(in.t[0], in.t[1]);
    ret_out->t[ret_out->n++] = ebb_argmax(in.t[0]); /* takes no part: an integer */
    ret_out->t[ret_out->n++] = ebb_sum(ebb_exp(in.t[1]));
    return ebb_error_status();
}

EBB_TEST(several_inputs_and_outputs) {
    ebb_tensor *w = ebb_ones(EBB_DIMS(3, 2), .dtype = EBB_F64);
    CHECK(!ebb_gradcheck(several, NULL, EBB_LIST(values(), w)));
    CHECK(!ebb_gradgradcheck(several, NULL, EBB_LIST(values(), w)));
    (void)ebb_requires_grad_(w, true);
    CHECK(!ebb_gradcheck(several, NULL, EBB_LIST(values(), w)));
    CHECK(!ebb_gradgradcheck(several, NULL, EBB_LIST(values(), w)));
}

static ebb_status detached(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = ebb_detach(ebb_mul(in.t[0], 2.0));
    return ebb_error_status();
}

static ebb_status steps(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = ebb_floor(ebb_detach(in.t[0]));
    return ebb_error_status();
}

static ebb_status failing(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)in;
    (void)ret_out;
    return context ? ebb_fail(EBB_ERR_CALLBACK, "the sensor is not there") : EBB_ERR_CALLBACK;
}

EBB_TEST(no_gradient_means_no_change) {
    CHECK(ebb_gradcheck(detached, NULL, EBB_LIST(values())) == EBB_ERR_GRAPH);
    CHECK_ERROR(EBB_ERR_GRAPH, "no output requires gradients, so it should be 0, finite differences give 2");
    ebb_tensor *x = ebb_requires_grad_(ebb_full(EBB_DIMS(3), 0.5, .dtype = EBB_F64), true);
    CHECK(!ebb_gradcheck(steps, NULL, EBB_LIST(x)));
    CHECK(!ebb_gradgradcheck(steps, NULL, EBB_LIST(x)));
}

EBB_TEST(wrong_use) {
    fault = RIGHT;
    ebb_tensor *x = values(), *f32 = ebb_ones(EBB_DIMS(2), .requires_grad = true), *wide = NULL;
    CHECK(ebb_gradcheck(NULL, NULL, EBB_LIST(x)) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "gradcheck: function is NULL");
    CHECK(ebb_gradcheck(cubed, NULL, EBB_LIST(ebb_detach(x))) == EBB_ERR_GRAPH);
    CHECK_ERROR(EBB_ERR_GRAPH, "no input requires gradients");
    CHECK(ebb_gradcheck(several, NULL, EBB_LIST(f32, f32)) == EBB_ERR_DTYPE);
    CHECK_ERROR(EBB_ERR_DTYPE, "input 0 is float32");
    EBB_NO_GRAD { wide = ebb_expand(ebb_ones(EBB_DIMS(1, 3), .dtype = EBB_F64), EBB_DIMS(2, 3)); }
    CHECK(ebb_gradcheck(cubed, NULL, EBB_LIST(ebb_requires_grad_(wide, true))) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "input 0 is expanded");
    CHECK(ebb_gradcheck(failing, x, EBB_LIST(x)) == EBB_ERR_CALLBACK);
    CHECK_ERROR(EBB_ERR_CALLBACK, "the sensor is not there");
    CHECK(ebb_gradgradcheck(failing, NULL, EBB_LIST(x)) == EBB_ERR_CALLBACK);
    CHECK_ERROR(EBB_ERR_CALLBACK, "the function failed");
}

static void check_all(void) {
    EBB_SCOPE {
        ebb_tensor *x = values();
        if (!x || ebb_gradcheck(cubed, NULL, EBB_LIST(x), .fast = true)) break;
        (void)ebb_gradgradcheck(cubed, NULL, EBB_LIST(x), .fast = true);
    }
}

EBB_TEST(failing_allocations) {
    fault = RIGHT;
    CHECK_ALLOCATIONS_FAILING(check_all, 0);
}

EBB_TEST_MAIN
