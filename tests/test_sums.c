/* Rules that add to the gradient gathered so far: when they may, that nobody else notices, and that sums come out the
 * same. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>

static double distance(ebb_tensor *a, ebb_tensor *b) { return ebb_item(ebb_amax(ebb_abs(ebb_sub(a, b)))); }

/* ---- an operator that notes what its rule may add to ---- */

static void *place; /* of the sum's elements */
static bool transposed;
static int calls;

static ebb_status same_infer(struct ebb_infer *f) {
    f->out->shape = f->in[0].shape;
    return EBB_OK;
}

static ebb_status same_forward(struct ebb_forward *f) {
    memcpy(ebb_tensor_data(f->out[0]), ebb_tensor_data(f->in[0]), (size_t)ebb_tensor_numel(f->in[0]) * sizeof(float));
    return EBB_OK;
}

static void same_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *sum = ebb_vjp_sum(v, 0);
    place = sum ? ebb_tensor_data(sum) : NULL;
    transposed = ebb_vjp_transposed(v, 0);
    calls++;
    if (sum) (void)ebb_add_(sum, v->grad[0]);
    else ebb_vjp_give(v, 0, ebb_mul(v->grad[0], 1.0));
}

static const struct ebb_op same_op = {.name = "same",
                                      .signature = "Tensor self -> Tensor",
                                      .node = "SameBackward",
                                      .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}),
                                      .n_in = 1,
                                      .dtypes = EBB_DTYPES(EBB_F32),
                                      .contiguous = true,
                                      .infer = same_infer,
                                      .forward = same_forward,
                                      .vjp = same_vjp};

static ebb_tensor *same(ebb_tensor *x) { return ebb_call_op1(&same_op, &x, 1, NULL); }

/* sum(a same(x)) + sum(b x), recorded such that the second part goes back first. */
static ebb_tensor *loss_of(ebb_tensor *x) {
    ebb_tensor *first = ebb_sum(ebb_mul(same(x), 2.0));
    return ebb_add(first, ebb_sum(ebb_mul(x, 3.0)));
}

EBB_TEST(a_sum_without_another_owner_is_added_to) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2), .requires_grad = true);
        calls = 0;
        CHECK(!ebb_backward(loss_of(x)));
        CHECK(calls == 1 && place == ebb_tensor_data(ebb_tensor_grad(x)));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 5, 5);
        ebb_tensor *y = ebb_ones(EBB_DIMS(2), .requires_grad = true); /* nothing is there before */
        CHECK(!ebb_backward(ebb_sum(same(y))) && calls == 2 && !place);
        CHECK_VALUES(ebb_tensor_grad(y), 0, 1, 1);
    }
}

EBB_TEST(of_another_tensor_than_a_leaf_too) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2), .requires_grad = true), *h = ebb_mul(x, 7.0);
        CHECK(!ebb_retain_grad(h) && !ebb_backward(loss_of(h)) && place);
        CHECK_VALUES(ebb_tensor_grad(h), 0, 5, 5);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 35, 35);
    }
}

EBB_TEST(one_of_several_outputs) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(4), .requires_grad = true);
        ebb_list parts = ebb_split(x, 2);
        CHECK(!ebb_backward(ebb_add(loss_of(parts.t[0]), ebb_sum(parts.t[1]))) && place);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 5, 5, 1, 1);
    }
}

EBB_TEST(a_sum_that_somebody_has_is_left_alone) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2), .requires_grad = true), *g = ebb_full(EBB_DIMS(2), 3.0);
        ebb_tensor *y = ebb_add(same(x), 0.0);
        CHECK(!ebb_backward_list(EBB_LIST(y, x), .gradients = EBB_LIST(ebb_full(EBB_DIMS(2), 2.0), g)));
        CHECK(!place); /* the caller has it */
        CHECK_VALUES(g, 0, 3, 3);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 5, 5);
    }
}

static void look_after(ebb_node *node, ebb_tensor **grad_inputs, ebb_tensor *const *grad_outputs, void *context) {
    (void)node, (void)grad_outputs;
    *(double *)context = ebb_item(ebb_select(grad_inputs[0], 0, 0));
}

EBB_TEST(nobody_notices) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2), .requires_grad = true), *h;
        CHECK(!ebb_backward(loss_of(x), .create_graph = true) && !place);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 5, 5);
        ebb_set_grad(x, NULL);
        EBB_DETECT_ANOMALY() { CHECK(!ebb_backward(loss_of(x)) && !place); }
        ebb_set_grad(x, NULL);
        double seen = 0;
        ebb_tensor *y = same(x);
        CHECK(ebb_node_register_hook(ebb_tensor_grad_fn(y), look_after, &seen, NULL) != 0);
        ebb_tensor *loss = ebb_add(ebb_sum(ebb_mul(y, 2.0)), ebb_sum(ebb_mul(x, 3.0)));
        CHECK(!ebb_backward(loss) && !place);
        CHECK_CLOSE(seen, 2, 0); /* what the rule gave, not the sum */
        CHECK(!ebb_grad(EBB_LIST(loss_of(x)), EBB_LIST(x), &h) && place == ebb_tensor_data(h));
        CHECK_VALUES(h, 0, 5, 5);
    }
}

/* ---- rules that are called again, or differentiated ---- */

EBB_TEST(rules_on_trial_add_nothing) {
    const float weight[] = {INFINITY, 2, 3, 4}, upstream[] = {0, 1};
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(1, 2), .requires_grad = true), *constant = ebb_ones(EBB_DIMS(1, 2));
        ebb_tensor *w = ebb_requires_grad_(ebb_from_data(weight, EBB_F32, EBB_DIMS(2, 2)), true);
        ebb_tensor *g = ebb_from_data(upstream, EBB_F32, EBB_DIMS(1, 2));
        ebb_tensor *y = ebb_mm(x, w), *z = ebb_mm(constant, w); /* z goes back first */
        EBB_STRONG_ZEROS CHECK(!ebb_backward_list(EBB_LIST(y, z), .gradients = EBB_LIST(g, g)));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 2, 4); /* 0 times the infinite weight is 0, which takes two trials */
        CHECK_VALUES(ebb_tensor_grad(w), 0, 0, 2, 0, 2);
    }
}

/* A rule that asks within a block of its own: what it adds there is recorded, or has a tangent. */
static bool is_dual;
static void in_a_block_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *w = ebb_full(EBB_DIMS(2), 2.0, .requires_grad = true);
    if (is_dual) {
        EBB_DUAL_LEVEL place = ebb_vjp_sum(v, 0);
    } else {
        EBB_ENABLE_GRAD place = ebb_vjp_sum(v, 0);
    }
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], w));
}
static const struct ebb_op in_a_block_op = {.name = "in_a_block",
                                            .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}),
                                            .n_in = 1,
                                            .dtypes = EBB_DTYPES(EBB_F32),
                                            .contiguous = true,
                                            .infer = same_infer,
                                            .forward = same_forward,
                                            .vjp = in_a_block_vjp};

EBB_TEST(no_sum_where_the_rule_is_recorded_or_followed) {
    for (int k = 0; k < 2; k++) {
        EBB_SCOPE {
            is_dual = k;
            place = &place;
            ebb_tensor *x = ebb_ones(EBB_DIMS(2), .requires_grad = true),
                       *y = ebb_call_op1(&in_a_block_op, &x, 1, NULL);
            CHECK(!ebb_backward(ebb_add(ebb_sum(y), ebb_sum(ebb_mul(x, 3.0)))) && !place);
            CHECK_VALUES(ebb_tensor_grad(x), 0, 5, 5);
        }
    }
}

static void square_once_vjp(struct ebb_vjp_call *v) {
    ebb_tensor *sum = ebb_vjp_sum(v, 0), *g = ebb_mul(ebb_mul(v->in[0], 2.0), v->grad[0]);
    place = sum;
    if (sum) (void)ebb_add_(sum, g);
    else ebb_vjp_give(v, 0, g);
}

static ebb_status square_forward(struct ebb_forward *f) {
    const float *x = ebb_tensor_data(f->in[0]);
    float *y = ebb_tensor_data(f->out[0]);
    for (int64_t i = 0; i < ebb_tensor_numel(f->in[0]); i++) y[i] = x[i] * x[i];
    return EBB_OK;
}

static const struct ebb_op square_once_op = {.name = "square_once",
                                             .signature = "Tensor self -> Tensor",
                                             .node = "SquareOnceBackward",
                                             .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}),
                                             .n_in = 1,
                                             .dtypes = EBB_DTYPES(EBB_F32),
                                             .contiguous = true,
                                             .infer = same_infer,
                                             .forward = square_forward,
                                             .saves = {EBB_IN(0)},
                                             .once_differentiable = true,
                                             .vjp = square_once_vjp};

EBB_TEST(a_rule_that_is_differentiated_once_only) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_full(EBB_DIMS(2), 3.0, .requires_grad = true), *g, *second;
        for (int recorded = 0; recorded < 2; recorded++) {
            ebb_tensor *cube = ebb_mul(ebb_mul(x, x), x), *y = ebb_call_op1(&square_once_op, &x, 1, NULL);
            ebb_tensor *loss = ebb_add(ebb_add(ebb_sum(cube), ebb_sum(ebb_mul(y, y))), ebb_sum(ebb_mul(x, 5.0)));
            CHECK(!ebb_grad(EBB_LIST(loss), EBB_LIST(x), &g, .create_graph = recorded));
            CHECK(!place == (bool)recorded);
            CHECK_VALUES(g, 0, 5 + 108 + 27, 5 + 108 + 27);
        }
        CHECK(ebb_grad(EBB_LIST(ebb_sum(g)), EBB_LIST(x), &second) == EBB_ERR_GRAPH); /* and not that of the cube */
        CHECK_ERROR(EBB_ERR_GRAPH, "the rule of square_once can be differentiated once only");
    }
}

/* ---- gradients that lie in memory in odd ways ---- */

static ebb_tensor *also; /* lies where the gradient does */

/* One element in place of many, without a base that it is a view of. */
static ebb_tensor *repeated(const ebb_dims *shape) {
    return ebb_set_(ebb_empty(*shape), ebb_expand(ebb_ones(EBB_DIMS(1)), *shape));
}

/* The part of a base that went elsewhere since, so that it is somebody else who has its memory too. */
static ebb_tensor *left_behind(const ebb_dims *shape) {
    ebb_tensor *base = ebb_ones(*shape), *view = ebb_slice(base, 0, 0, EBB_END);
    also = ebb_keep(ebb_set_(ebb_empty(*shape), view));
    (void)ebb_set_(base, ebb_zeros(*shape));
    return view;
}

static ebb_tensor *(*odd_gradient)(const ebb_dims *shape);
static void odd_vjp(struct ebb_vjp_call *v) {
    const ebb_dims shape = ebb_vjp_shape(v, 0);
    ebb_vjp_give(v, 0, odd_gradient(&shape));
}

static const struct ebb_op odd_op = {.name = "odd",
                                     .signature = "Tensor self -> Tensor",
                                     .node = "OddBackward",
                                     .in = EBB_INPUTS({"self", EBB_INPUT_TENSOR}),
                                     .n_in = 1,
                                     .dtypes = EBB_DTYPES(EBB_F32),
                                     .contiguous = true,
                                     .infer = same_infer,
                                     .forward = same_forward,
                                     .vjp = odd_vjp};

EBB_TEST(elements_that_share_memory_are_not_added_to) {
    static ebb_tensor *(*const kinds[])(const ebb_dims *) = {repeated, left_behind};
    for (int k = 0; k < 2; k++) {
        EBB_SCOPE {
            ebb_tensor *x = ebb_ones(EBB_DIMS(1000), .requires_grad = true); /* apart from the header, in memory */
            odd_gradient = kinds[k];
            for (int by_rule = 0; by_rule < 2; by_rule++) { /* or by the pass */
                ebb_tensor *first = by_rule ? same(x) : ebb_mul(x, 1.0);
                place = NULL;
                ebb_tensor *odd = ebb_call_op1(&odd_op, &x, 1, NULL);
                CHECK(!ebb_backward(ebb_add(ebb_sum(ebb_mul(first, 2.0)), ebb_sum(odd))) && !place);
                CHECK_CLOSE(distance(ebb_tensor_grad(x), ebb_full(EBB_DIMS(1000), 3.0)), 0, 0);
                ebb_set_grad(x, NULL);
                if (also) CHECK_CLOSE(distance(also, ebb_ones(EBB_DIMS(1000))), 0, 0);
                also = ebb_drop(also);
            }
            CHECK(!ebb_backward(ebb_sum(ebb_call_op1(&odd_op, &x, 1, NULL)))); /* nor kept as it is */
            if (also) CHECK(ebb_tensor_data(also) != ebb_tensor_data(ebb_tensor_grad(x)));
            also = ebb_drop(also);
        }
    }
}

/* ---- through transpositions ---- */

EBB_TEST(through_a_transposition) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3), .requires_grad = true);
        ebb_tensor *first = ebb_sum(ebb_mul(same(ebb_t(x)), ebb_reshape(ebb_arange(0.0, 6.0, 1.0), EBB_DIMS(3, 2))));
        CHECK(!ebb_backward(ebb_add(first, ebb_sum(ebb_mul(x, 3.0)))));
        CHECK(transposed && place == ebb_tensor_data(ebb_tensor_grad(x)));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 3, 5, 7, 4, 6, 8);
        ebb_set_grad(x, NULL);
        ebb_tensor *t = ebb_t(x); /* with two users its gradient is gathered there */
        first = ebb_sum(ebb_mul(same(t), 2.0));
        first = ebb_add(first, ebb_sum(ebb_mul(t, 3.0)));
        CHECK(!ebb_backward(ebb_add(first, ebb_sum(ebb_mul(x, 4.0)))));
        CHECK(transposed && place);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 9, 9, 9, 9, 9, 9);
        ebb_set_grad(x, NULL);
        t = ebb_t(x); /* somebody looks at it there */
        CHECK(!ebb_retain_grad(t));
        first = ebb_sum(ebb_mul(same(t), 2.0));
        CHECK(!ebb_backward(ebb_add(first, ebb_sum(ebb_mul(x, 4.0)))) && !place);
        CHECK_VALUES(ebb_tensor_grad(t), 0, 2, 2, 2, 2, 2, 2);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 6, 6, 6, 6, 6, 6);
    }
}

/* A weight's gradient is computed where and as it stays: without a copy that lies the other way. */
EBB_TEST(the_gradient_of_a_linear_layers_weight) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_randn(EBB_DIMS(5, 3)), *w = ebb_ones(EBB_DIMS(4, 3), .requires_grad = true);
        ebb_tensor *b = ebb_ones(EBB_DIMS(4), .requires_grad = true), *g = ebb_randn(EBB_DIMS(5, 4));
        for (int with_bias = 0; with_bias < 2; with_bias++) {
            ebb_tensor *y = ebb_linear(x, w, .bias = with_bias ? b : NULL);
            y = ebb_add(y, ebb_linear(ebb_mul(x, 2.0), w, .bias = with_bias ? b : NULL)); /* used twice */
            CHECK(!ebb_backward(y, .gradient = g));
            CHECK(ebb_tensor_is_contiguous(ebb_tensor_grad(w)) && !ebb_tensor_is_view(ebb_tensor_grad(w)));
            CHECK_CLOSE(distance(ebb_tensor_grad(w), ebb_mul(ebb_mm(ebb_t(g), x), 3.0)), 0, 1e-5);
            ebb_set_grad(w, NULL);
        }
    }
}

/* ---- operators that do it ---- */

/* The same gradients with a recorded pass, in which nothing is added in place. */
static void compare(ebb_tensor *(*loss)(ebb_tensor *w), ebb_dims shape) {
    EBB_SCOPE {
        ebb_tensor *w = ebb_requires_grad_(ebb_randn(shape, .dtype = EBB_F64), true), *plain, *recorded;
        CHECK(!ebb_grad(EBB_LIST(loss(w)), EBB_LIST(w), &plain));
        CHECK(!ebb_grad(EBB_LIST(loss(w)), EBB_LIST(w), &recorded, .create_graph = true));
        CHECK_CLOSE(distance(plain, recorded), 0, 1e-12);
        CHECK(!ebb_backward(loss(w)) && !ebb_backward(loss(w)));
        CHECK_CLOSE(distance(ebb_tensor_grad(w), ebb_mul(recorded, 2.0)), 0, 1e-12);
    }
}

static ebb_tensor *of_parts(ebb_tensor *w) {
    ebb_tensor *a = ebb_select(w, 0, 1), *b = ebb_select(w, 1, -1), *c = ebb_slice(w, 1, 0, EBB_END, .step = 2);
    ebb_tensor *sum = ebb_add(ebb_sum(ebb_square(a)), ebb_sum(ebb_mul(ebb_sin(b), b)));
    sum = ebb_add(sum, ebb_sum(ebb_exp(c)));
    sum = ebb_add(sum, ebb_sum(ebb_square(ebb_diagonal(w, 1, 0, 1))));
    sum = ebb_add(sum, ebb_sum(ebb_sin(ebb_unfold(w, 1, 2, 1)))); /* windows overlap, */
    sum = ebb_add(sum, ebb_sum(ebb_sin(ebb_unfold(w, 1, 2, 2)))); /* or do not */
    return ebb_add(sum, ebb_sum(ebb_square(w)));
}

static ebb_tensor *of_products(ebb_tensor *w) {
    ebb_tensor *x = ebb_reshape(ebb_arange(0.0, 16.0, 1.0, .dtype = EBB_F64), EBB_DIMS(4, 4));
    ebb_tensor *h = ebb_sin(ebb_mm(ebb_div(x, 16), w));
    for (int i = 0; i < 3; i++)
        h = ebb_sin(ebb_addmm(ebb_select(w, 0, 0), h, i % 2 ? ebb_t(w) : w, .alpha = EBB_SET(0.5)));
    h = ebb_add(h, ebb_mm(ebb_t(w), w));
    return ebb_sum(ebb_add(h, ebb_linear(ebb_sin(h), w, .bias = ebb_select(w, 1, 1))));
}

static ebb_tensor *of_a_tied_table(ebb_tensor *w) {
    const int64_t at[] = {2, 0, 2, 3, 2};
    ebb_tensor *rows = ebb_embedding(ebb_from_data(at, EBB_I64, EBB_DIMS(5)), w);
    rows = ebb_add(rows, ebb_embedding(ebb_from_data(at, EBB_I64, EBB_DIMS(5)), w, .padding_idx = EBB_SET(2)));
    return ebb_sum(ebb_square(ebb_linear(ebb_sin(rows), w)));
}

EBB_TEST(slices) { compare(of_parts, EBB_DIMS(4, 5)); }
EBB_TEST(products) { compare(of_products, EBB_DIMS(4, 4)); }
EBB_TEST(a_tied_table) { compare(of_a_tied_table, EBB_DIMS(6, 3)); }

static void tied(void) {
    EBB_SCOPE {
        ebb_tensor *w = ebb_ones(EBB_DIMS(4, 4), .dtype = EBB_F64, .requires_grad = true);
        if (ebb_backward(of_products(w)) || ebb_backward(of_parts(w))) break;
        (void)ebb_backward(of_a_tied_table(w));
    }
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(tied, 0); }

EBB_TEST_MAIN
