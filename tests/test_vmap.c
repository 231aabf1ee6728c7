/* Batches: ebb_vmap and its options, its composition with gradients, forward mode and itself, what it refuses,
 * gradients of many vectors in one pass, Jacobians so computed, and what happens when memory runs out. */
#include "tests/functions.h"
#include <math.h>

#define NONE EBB_UNBATCHED

static ebb_tensor *points(void) { return TENSOR(EBB_DIMS(2, 3), 0.5, -1.25, 2.0, 1.5, 0.25, -0.75); }
static ebb_tensor *weights(void) { return TENSOR(EBB_DIMS(2, 3), 0.1, 0.2, 0.3, -0.4, 0.5, 0.25); }

/* ---- the transform ---- */

EBB_TEST(a_function_runs_once_for_a_batch) {
    int runs = 0;
    ebb_outputs y, one;
    ebb_tensor *x = points(), *w = weights();
    CHECK(!ebb_vmap(two, &runs, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, NONE)));
    CHECK(runs == 1 && y.n == 2 && ebb_tensor_ndim(y.t[0]) == 2 && ebb_tensor_ndim(y.t[1]) == 1);
    for (int b = 0; b < 2; b++) {
        one = (ebb_outputs){0};
        CHECK(!two(EBB_LIST(ebb_select(x, 0, b), w), &one, NULL));
        CHECK(distance(ebb_select(y.t[0], 0, b), one.t[0]) < 1e-15);
        CHECK(distance(ebb_select(y.t[1], 0, b), one.t[1]) < 1e-15);
    }
}

EBB_TEST(batches_lie_along_any_dimension) {
    ebb_outputs y, same;
    ebb_tensor *x = points(), *w = weights(), *columns = ebb_contiguous(ebb_t(x));
    CHECK(!ebb_vmap(two, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, NONE)));
    CHECK(!ebb_vmap(two, NULL, EBB_LIST(columns, w), &same, .in_dims = EBB_INTS(-1, NONE), .out_dims = EBB_INTS(-1)));
    CHECK(distance(ebb_t(same.t[0]), y.t[0]) == 0 && distance(same.t[1], y.t[1]) == 0);
    CHECK(!ebb_vmap(two, NULL, EBB_LIST(columns, w), &same, .in_dims = EBB_INTS(1, NONE), .out_dims = EBB_INTS(1, 0)));
    CHECK(distance(ebb_t(same.t[0]), y.t[0]) == 0);
    /* one entry is for all, as 0 is where there is none */
    CHECK(!ebb_vmap(two, NULL, EBB_LIST(x, ebb_stack(EBB_LIST(w, w), 0)), &same));
    CHECK(distance(same.t[0], y.t[0]) < 1e-15);
    CHECK(!ebb_vmap(two, NULL, EBB_LIST(columns, ebb_stack(EBB_LIST(w, w), 1)), &same, .in_dims = EBB_INTS(1)));
    CHECK(distance(same.t[0], y.t[0]) < 1e-15);
}

/* The input itself, a number of it, and something that is the same for all samples. */
static ebb_status plain(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)give(ret_out, in.t[0]);
    (void)give(ret_out, ebb_full(EBB_DIMS(2), 7.0));
    if (context) (void)give(ret_out, context);
    return ebb_error_status();
}

EBB_TEST(results_that_are_the_same_for_all_are_repeated) {
    ebb_outputs y;
    ebb_tensor *x = ebb_arange(0, 3, 1, .dtype = EBB_F32), *outside = ebb_scalar(5);
    CHECK(!ebb_vmap(plain, outside, EBB_LIST(x), &y));
    CHECK_VALUES(y.t[0], 0, 0, 1, 2);
    CHECK_VALUES(y.t[1], 0, 7, 7, 7, 7, 7, 7);
    CHECK_VALUES(y.t[2], 0, 5, 5, 5);
    CHECK(!ebb_vmap(plain, NULL, EBB_LIST(ebb_zeros(EBB_DIMS(0, 3))), &y)); /* no samples */
    CHECK(ebb_tensor_numel(y.t[0]) == 0 && ebb_tensor_size(y.t[1], 0) == 0 && ebb_tensor_size(y.t[1], 1) == 2);
}

/* ---- dtypes ---- */

static ebb_status sums(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    return give(ret_out, ebb_add(in.t[0], in.t[1]));
}

EBB_TEST(a_sample_is_promoted_as_one_tensor) {
    ebb_outputs y;
    /* of one sample a float64 without dimensions beside a float32 vector: float32 */
    CHECK(!ebb_vmap(sums, NULL, EBB_LIST(ebb_ones(EBB_DIMS(3)), ebb_ones(EBB_DIMS(2), .dtype = EBB_F64)), &y,
                    .in_dims = EBB_INTS(NONE, 0)));
    CHECK(ebb_tensor_dtype(y.t[0]) == EBB_F32 && ebb_tensor_ndim(y.t[0]) == 2);
    CHECK(!ebb_vmap(sums, NULL, EBB_LIST(ebb_ones(EBB_DIMS(2, 3), .dtype = EBB_I64), ebb_ones(EBB_DIMS(2))), &y));
    CHECK(ebb_tensor_dtype(y.t[0]) == EBB_F32);
    CHECK(ebb_vmap(sums, NULL, EBB_LIST(ebb_ones(EBB_DIMS(2, 3)), ebb_ones(EBB_DIMS(2, 4))), &y));
    CHECK_ERROR(EBB_ERR_SHAPE, "[3]"); /* of one sample */
}

/* ---- composition ---- */

static ebb_status gradient(ebb_list in, ebb_outputs *ret_out, void *context) {
    ret_out->n = in.n;
    return ebb_value_and_grad(scalar, context, in, NULL, ret_out->t);
}

EBB_TEST(gradients_inside_are_those_of_the_samples) {
    ebb_outputs g;
    ebb_tensor *x = points(), *w = weights(), *one[2];
    int runs = 0;
    CHECK(!ebb_vmap(gradient, &runs, EBB_LIST(x, w), &g, .in_dims = EBB_INTS(0, NONE)));
    CHECK(runs == 1 && ebb_tensor_ndim(g.t[1]) == 3 && !ebb_tensor_requires_grad(g.t[0]));
    for (int b = 0; b < 2; b++) {
        CHECK(!ebb_value_and_grad(scalar, NULL, EBB_LIST(ebb_select(x, 0, b), w), NULL, one));
        CHECK(distance(ebb_select(g.t[0], 0, b), one[0]) < 1e-13 && distance(ebb_select(g.t[1], 0, b), one[1]) < 1e-14);
    }
}

static ebb_status batch_sum(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_outputs y;
    (void)context;
    if (ebb_vmap(scalar, NULL, in, &y, .in_dims = EBB_INTS(0, NONE))) return ebb_error_status();
    return give(ret_out, ebb_sum(ebb_square(y.t[0])));
}

/* The sum over a batch of the squared norms of the samples' gradients. */
static ebb_status gradient_norms(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_outputs g;
    (void)context;
    if (ebb_vmap(gradient, NULL, in, &g, .in_dims = EBB_INTS(0, NONE))) return ebb_error_status();
    return give(ret_out, ebb_add(ebb_sum(ebb_square(g.t[0])), ebb_sum(ebb_square(g.t[1]))));
}

static ebb_status sample_norms(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *sum = ebb_scalar(0, .dtype = EBB_F64), *g[2];
    (void)context;
    for (int b = 0; b < 2; b++) {
        if (ebb_value_and_grad(scalar, NULL, EBB_LIST(ebb_select(in.t[0], 0, b), in.t[1]), NULL, g))
            return ebb_error_status();
        sum = ebb_add(sum, ebb_add(ebb_sum(ebb_square(g[0])), ebb_sum(ebb_square(g[1]))));
    }
    return give(ret_out, sum);
}

EBB_TEST(gradients_pass_through_batches_and_what_is_inside) {
    ebb_tensor *x = points(), *w = weights(), *got[2], *want[2];
    ebb_outputs y, along, loop;
    CHECK(!ebb_value_and_grad(gradient_norms, NULL, EBB_LIST(x, w), &y, got));
    CHECK(!ebb_value_and_grad(sample_norms, NULL, EBB_LIST(x, w), &loop, want));
    CHECK(distance(y.t[0], loop.t[0]) < 1e-10);
    CHECK(distance(got[0], want[0]) < 1e-9 && distance(got[1], want[1]) < 1e-11);
    CHECK(!ebb_jvp(gradient_norms, NULL, EBB_LIST(x, w), EBB_LIST(ebb_cos(x), ebb_sin(w)), NULL, &along));
    CHECK(!ebb_jvp(sample_norms, NULL, EBB_LIST(x, w), EBB_LIST(ebb_cos(x), ebb_sin(w)), NULL, &loop));
    CHECK(distance(along.t[0], loop.t[0]) < 1e-9);
    /* by hand, with leaves and .grad */
    (void)ebb_requires_grad_(w, true);
    CHECK(!ebb_vmap(scalar, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, NONE)));
    CHECK(ebb_tensor_requires_grad(y.t[0]) && !ebb_backward(ebb_sum(ebb_square(y.t[0]))));
    CHECK(!ebb_value_and_grad(batch_sum, NULL, EBB_LIST(x, ebb_detach(w)), NULL, got));
    CHECK(distance(ebb_tensor_grad(w), got[1]) < 1e-13);
}

static ebb_status along_ones(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    return ebb_jvp(scalar, NULL, in, EBB_LIST(ebb_ones_like(in.t[0]), NULL), NULL, ret_out);
}

static ebb_status product(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *hv[2];
    (void)context;
    if (ebb_hvp(scalar, NULL, in, EBB_LIST(ebb_sin(in.t[0]), NULL), NULL, hv)) return ebb_error_status();
    (void)give(ret_out, hv[0]);
    return give(ret_out, hv[1]);
}

static ebb_status backward_product(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *hv[2];
    (void)context;
    if (ebb_vhp(scalar, NULL, in, EBB_LIST(ebb_sin(in.t[0]), NULL), NULL, hv)) return ebb_error_status();
    (void)give(ret_out, hv[0]);
    return give(ret_out, hv[1]);
}

static void check_loop(ebb_function f) {
    ebb_outputs got, one;
    ebb_tensor *x = points(), *w = weights();
    CHECK(!ebb_vmap(f, NULL, EBB_LIST(x, w), &got, .in_dims = EBB_INTS(0, NONE)));
    for (int b = 0; b < 2; b++) {
        one = (ebb_outputs){0};
        CHECK(!f(EBB_LIST(ebb_select(x, 0, b), w), &one, NULL));
        for (int64_t k = 0; k < one.n; k++) CHECK(distance(ebb_select(got.t[k], 0, b), one.t[k]) < 1e-11);
    }
}

static ebb_status linearized(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_linear_map *map;
    ebb_tensor *d[2];
    (void)context;
    if (ebb_linearize(two, NULL, in, NULL, &map)) return ebb_error_status();
    ebb_status status = ebb_linear_map_apply(map, EBB_LIST(ebb_cos(in.t[0]), NULL), d);
    map = ebb_linear_map_release(map);
    if (status) return status;
    (void)give(ret_out, d[0]);
    return give(ret_out, d[1]);
}

static ebb_status hessian(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_list h;
    if (ebb_hessian(scalar, NULL, in, &h, .vectorize = context != NULL)) return ebb_error_status();
    for (int64_t k = 0; k < h.n; k++) (void)give(ret_out, h.t[k]);
    return ebb_error_status();
}

EBB_TEST(other_transforms_work_inside) {
    check_loop(along_ones);
    check_loop(product);
    check_loop(backward_product);
    check_loop(linearized);
    check_loop(hessian);
}

/* All pairs of rows of two matrices: one vmap inside another. */
static ebb_status pair(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    return give(ret_out, ebb_dot(ebb_sin(in.t[0]), in.t[1]));
}

static ebb_status row(ebb_list in, ebb_outputs *ret_out, void *context) {
    return ebb_vmap(pair, context, in, ret_out, .in_dims = EBB_INTS(NONE, 0));
}

EBB_TEST(batches_nest) {
    ebb_outputs y;
    ebb_tensor *x = points(), *w = weights();
    CHECK(!ebb_vmap(row, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, NONE)));
    CHECK(distance(y.t[0], ebb_mm(ebb_sin(x), ebb_t(w))) < 1e-15);
}

EBB_TEST(a_pullback_takes_a_batch_of_vectors) {
    ebb_linear_map *pullback;
    ebb_tensor *x = ebb_select(points(), 0, 0), *w = weights(), *d[2], *rows, *e = ebb_eye(2, .dtype = EBB_F64);
    ebb_tensor *y, *none;
    CHECK(!ebb_vjp(two, NULL, EBB_LIST(x, w), NULL, &pullback));
    (void)ebb_requires_grad_(x, true);
    y = ebb_tanh(ebb_mv(w, x));
    CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &rows, .grad_outputs = EBB_LIST(e), .retain_graph = true,
                    .is_grads_batched = true));
    for (int k = 0; k < 2; k++) {
        CHECK(!ebb_linear_map_apply(pullback, EBB_LIST(ebb_select(e, 0, k), NULL), d));
        CHECK(distance(ebb_select(rows, 0, k), d[0]) < 1e-15);
    }
    pullback = ebb_linear_map_release(pullback);
    /* what is wrong with the vectors is said */
    CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &none, .is_grads_batched = true));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "is_grads_batched needs grad_outputs");
    CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), &none, .grad_outputs = EBB_LIST(x), .is_grads_batched = true));
    CHECK_ERROR(EBB_ERR_SHAPE, "entry 0 of grad_outputs has shape [3]");
    CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(ebb_requires_grad_(ebb_ones(EBB_DIMS(2)), true)), &none,
                   .grad_outputs = EBB_LIST(e), .retain_graph = true, .is_grads_batched = true));
    CHECK_ERROR(EBB_ERR_GRAPH, "was not used");
    /* recorded, it can be differentiated again */
    ebb_tensor *twice;
    CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &rows, .grad_outputs = EBB_LIST(e), .create_graph = true,
                    .is_grads_batched = true));
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_square(rows))), EBB_LIST(x), &twice, .retain_graph = true));
    ebb_list j;
    CHECK(!ebb_jacobian(two, NULL, EBB_LIST(x, w), &j, .argnums = EBB_DIMS(0)));
    ebb_tensor *want;
    CHECK(!ebb_grad(EBB_LIST(ebb_sum(ebb_square(j.t[0]))), EBB_LIST(x), &want));
    CHECK(distance(twice, want) < 1e-14);
}

/* ---- Jacobians ---- */

EBB_TEST(vectorized_jacobians_are_the_others) {
    static const enum ebb_differentiation modes[] = {EBB_MODE_REVERSE, EBB_MODE_FORWARD, EBB_MODE_AUTO};
    ebb_tensor *x = ebb_select(points(), 0, 1), *w = weights();
    ebb_list want, got;
    for (int m = 0; m < 3; m++)
        for (int64_t chunk = 0; chunk < 3; chunk++) {
            int runs = 0;
            ebb_outputs y;
            CHECK(!ebb_jacobian(two, NULL, EBB_LIST(x, w), &want, .mode = modes[m]));
            CHECK(!ebb_jacobian(two, &runs, EBB_LIST(x, w), &got, .mode = modes[m], .vectorize = true,
                                .chunk_size = chunk, .ret_out = &y));
            CHECK(got.n == 4 && y.n == 2 && ebb_tensor_ndim(y.t[0]) == 1);
            for (int64_t k = 0; k < 4; k++) CHECK(distance(got.t[k], want.t[k]) < 1e-14);
            CHECK(runs == (m != 1 ? 1 : chunk == 0 ? 2 : chunk == 1 ? 9 : 5));
        }
    CHECK(!ebb_hessian(scalar, NULL, EBB_LIST(x, w), &want));
    for (int m = 0; m < 9; m++) {
        CHECK(!ebb_hessian(scalar, NULL, EBB_LIST(x, w), &got, .outer = modes[m / 3], .inner = modes[m % 3],
                           .vectorize = true, .chunk_size = m % 2));
        for (int64_t k = 0; k < 4; k++) CHECK(distance(got.t[k], want.t[k]) < 1e-12);
    }
    CHECK(ebb_jacobian(two, NULL, EBB_LIST(x, w), &got, .chunk_size = 2));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "chunk_size is 2: it must be positive, and goes with vectorize");
}

static ebb_status constant(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    (void)give(ret_out, ebb_sin(in.t[0]));
    return give(ret_out, ebb_ones(EBB_DIMS(2), .dtype = EBB_F64));
}

EBB_TEST(vectorized_jacobians_know_what_does_not_depend) {
    ebb_tensor *x = ebb_select(points(), 0, 1);
    ebb_list j;
    for (int m = EBB_MODE_REVERSE; m <= EBB_MODE_FORWARD; m++) {
        CHECK(!ebb_jacobian(constant, NULL, EBB_LIST(x), &j, .mode = (enum ebb_differentiation)m, .vectorize = true));
        CHECK_VALUES(j.t[1], 0, 0, 0, 0, 0, 0, 0);
        CHECK(ebb_jacobian(constant, NULL, EBB_LIST(x), &j, .mode = (enum ebb_differentiation)m, .vectorize = true,
                           .strict = true));
        CHECK_ERROR(EBB_ERR_GRAPH, "strict: output 1 does not depend on input 0");
        CHECK(!ebb_jacobian(constant, NULL, EBB_LIST(ebb_zeros(EBB_DIMS(0, 2), .dtype = EBB_F64)), &j,
                            .mode = (enum ebb_differentiation)m, .vectorize = true));
        CHECK(ebb_tensor_numel(j.t[0]) == 0 && ebb_tensor_ndim(j.t[0]) == 4);
    }
}

/* ---- in place ---- */

static ebb_status in_place(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *x = in.t[0], *into = ebb_zeros_like(x);
    (void)context;
    (void)ebb_copy_(ebb_select(into, 0, 0), ebb_sum(x)); /* into a view */
    (void)ebb_add_(ebb_narrow(into, 0, 1, 2), ebb_number_f64(1));
    (void)ebb_mul_(into, x);
    (void)ebb_clamp_(into, .max = ebb_number_f64(1.5));
    return give(ret_out, ebb_sum(ebb_sin(into)));
}

static ebb_status in_place_gradient(ebb_list in, ebb_outputs *ret_out, void *context) {
    ret_out->n = 1;
    return ebb_value_and_grad(in_place, context, in, NULL, ret_out->t);
}

static ebb_status in_place_along(ebb_list in, ebb_outputs *ret_out, void *context) {
    return ebb_jvp(in_place, context, in, EBB_LIST(ebb_cos(in.t[0])), NULL, ret_out);
}

EBB_TEST(what_is_batched_can_be_written_in_place) {
    ebb_function f[] = {in_place, in_place_gradient, in_place_along};
    ebb_tensor *x = points();
    for (int i = 0; i < 3; i++) {
        ebb_outputs y, one;
        CHECK(!ebb_vmap(f[i], NULL, EBB_LIST(x), &y));
        for (int b = 0; b < 2; b++) {
            one = (ebb_outputs){0};
            CHECK(!f[i](EBB_LIST(ebb_select(x, 0, b)), &one, NULL));
            CHECK(distance(ebb_select(y.t[0], 0, b), one.t[0]) < 1e-14);
        }
    }
    /* the Jacobian in forward mode of a function that fills its result: tangents are batched, values are not */
    ebb_list want, got;
    CHECK(!ebb_jacobian(in_place, NULL, EBB_LIST(ebb_select(x, 0, 0)), &want, .mode = EBB_MODE_FORWARD));
    CHECK(!ebb_jacobian(in_place, NULL, EBB_LIST(ebb_select(x, 0, 0)), &got, .mode = EBB_MODE_FORWARD,
                        .vectorize = true));
    CHECK(distance(got.t[0], want.t[0]) < 1e-14);
}

static ebb_status into_outside(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)ebb_add_(context, in.t[0]);
    return give(ret_out, in.t[0]);
}

EBB_TEST(what_is_the_same_for_all_cannot_take_what_is_not) {
    ebb_outputs y;
    ebb_tensor *total = ebb_zeros(EBB_DIMS(3), .dtype = EBB_F64);
    CHECK(ebb_vmap(into_outside, total, EBB_LIST(points()), &y));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "is the same for all samples inside ebb_vmap");
    CHECK_VALUES(total, 0, 0, 0, 0);
}

/* ---- random numbers ---- */

static ebb_status noise(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    (void)give(ret_out, ebb_add(in.t[0], ebb_rand(EBB_DIMS(4))));
    return give(ret_out, ebb_dropout(ebb_add(in.t[0], ebb_ones(EBB_DIMS(64))), .p = EBB_SET(0.5)));
}

EBB_TEST(draws_are_different_or_the_same) {
    ebb_outputs y;
    ebb_tensor *x = ebb_zeros(EBB_DIMS(3));
    CHECK(ebb_vmap(noise, NULL, EBB_LIST(x), &y));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "rand: draws random numbers inside ebb_vmap");
    CHECK(!ebb_vmap(noise, NULL, EBB_LIST(x), &y, .randomness = EBB_VMAP_RANDOM_DIFFERENT));
    for (int k = 0; k < 2; k++) CHECK(distance(ebb_select(y.t[k], 0, 0), ebb_select(y.t[k], 0, 1)) > 0);
    CHECK(!ebb_vmap(noise, NULL, EBB_LIST(x), &y, .randomness = EBB_VMAP_RANDOM_SAME));
    for (int k = 0; k < 2; k++) CHECK(distance(ebb_select(y.t[k], 0, 0), ebb_select(y.t[k], 0, 1)) == 0);
}

/* ---- what it refuses ---- */

static ebb_status looks(ebb_list in, ebb_outputs *ret_out, void *context) {
    switch (*(int *)context) {
    case 0: return give(ret_out, ebb_scalar(ebb_item(ebb_sum(in.t[0])))), ebb_error_status();
    case 1: return give(ret_out, ebb_nonzero(in.t[0]));
    case 2: return give(ret_out, ebb_masked_select(in.t[0], ebb_gt(in.t[0], 0)));
    case 3: return give(ret_out, ebb_sum(in.t[0])), ebb_backward(ebb_sum(ebb_mul(in.t[1], in.t[0])));
    case 4: return EBB_ERR_CALLBACK;
    case 5: ret_out->n = 1; return EBB_OK;
    case 6: ret_out->n = 99; return EBB_OK;
    case 7: return ebb_tensor_data(in.t[0]) ? EBB_OK : ebb_error_status();
    default: return ebb_tensor_read(in.t[0], EBB_F64, NULL);
    }
}

EBB_TEST(values_cannot_be_looked_at) {
    static const struct {
        ebb_status status;
        const char *op, *said;
    } want[] = {
        {EBB_ERR_ARGUMENT, "item", "the elements differ between the samples"},
        {EBB_ERR_ARGUMENT, "nonzero", "the shape of its result depends on values"},
        {EBB_ERR_ARGUMENT, "masked_select", "the shape of its result depends on values"},
        {EBB_ERR_GRAPH, "backward", "inside ebb_vmap the gradient of w differs between samples"},
        {EBB_ERR_CALLBACK, "vmap", "the function failed"},
        {EBB_ERR_ARGUMENT, "vmap", "an output of the function"},
        {EBB_ERR_ARGUMENT, "vmap", "returned 99 outputs"},
        {EBB_ERR_ARGUMENT, "data", "the elements differ"},
        {EBB_ERR_ARGUMENT, "read", "the elements differ"},
    };
    ebb_tensor *x = points(), *w = ebb_requires_grad_(ebb_ones(EBB_DIMS(3), .dtype = EBB_F64), true);
    (void)ebb_name(w, "w");
    for (int i = 0; i < 9; i++) {
        ebb_outputs y = {.n = -1};
        CHECK(ebb_vmap(looks, &i, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, NONE)));
        CHECK(y.n == -1 && ebb_error() && strcmp(ebb_error()->op, want[i].op) == 0);
        CHECK_ERROR(want[i].status, want[i].said);
    }
    CHECK(!ebb_tensor_grad(w));
}

EBB_TEST(arguments_are_checked) {
    ebb_outputs y;
    ebb_tensor *x = points(), *w = weights(), *three = ebb_zeros(EBB_DIMS(3, 3));
    CHECK(ebb_vmap(NULL, NULL, EBB_LIST(x, w), &y));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "function");
    CHECK(ebb_vmap(two, NULL, EBB_LIST(x, w), NULL));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "ret_out");
    CHECK(ebb_vmap(two, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, 0, 0)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "in_dims has 3 entries for 2 inputs");
    CHECK(ebb_vmap(two, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(NONE)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "no input is batched");
    CHECK(ebb_vmap(two, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(2, NONE)));
    CHECK_ERROR(EBB_ERR_INDEX, "input 0 of shape [2, 3] has no dimension 2");
    CHECK(ebb_vmap(two, NULL, EBB_LIST(ebb_scalar(1), w), &y));
    CHECK_ERROR(EBB_ERR_INDEX, "input 0 of shape [] has no dimension 0");
    CHECK(ebb_vmap(two, NULL, EBB_LIST(x, three), &y));
    CHECK_ERROR(EBB_ERR_SHAPE, "input 0 has 2 samples and input 1 has 3");
    CHECK(ebb_vmap(two, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, NONE), .out_dims = EBB_INTS(0, 0, 0)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "out_dims has 3 entries for 2 outputs");
    CHECK(ebb_vmap(two, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, NONE), .out_dims = EBB_INTS(0, 1)));
    CHECK_ERROR(EBB_ERR_INDEX, "output 1 has 1 dimensions with the batch: no place 1");
    CHECK(ebb_vmap(two, NULL, ((ebb_list){2, NULL}), &y));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the list of inputs is NULL");
    ebb_dims eight = {{2, 1, 1, 1, 1, 1, 1, 1}, 8};
    CHECK(ebb_vmap(plain, ebb_zeros(eight), EBB_LIST(x), &y)); /* an output of eight dimensions for all samples */
    CHECK_ERROR(EBB_ERR_SHAPE, "a batch of tensors of 8 dimensions has more than 8");
}

static ebb_status keeps(ebb_list in, ebb_outputs *ret_out, void *context) {
    *(ebb_tensor **)context = ebb_keep(ebb_sin(in.t[0]));
    return give(ret_out, in.t[0]);
}

EBB_TEST(what_leaves_a_batch_without_being_returned_is_not_used) {
    ebb_tensor *kept = NULL;
    ebb_outputs y;
    CHECK(!ebb_vmap(keeps, &kept, EBB_LIST(points()), &y));
    CHECK(!ebb_add(kept, 1.0));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "belongs to a call of ebb_vmap that has ended");
    double value = ebb_item(kept);
    CHECK(value != value);
    ebb_clear_error();
    kept = ebb_drop(kept);
}

/* ---- failing allocations ---- */

static void every_way(void) {
    ebb_outputs y;
    ebb_list j;
    ebb_tensor *x = points(), *w = weights();
    (void)ebb_vmap(gradient, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, NONE));
    (void)ebb_vmap(in_place_along, NULL, EBB_LIST(x), &y, .out_dims = EBB_INTS(-1));
    (void)ebb_vmap(noise, NULL, EBB_LIST(ebb_zeros(EBB_DIMS(2))), &y, .randomness = EBB_VMAP_RANDOM_SAME);
    (void)ebb_vmap(row, NULL, EBB_LIST(x, w), &y, .in_dims = EBB_INTS(0, NONE));
    if (x) x = ebb_select(x, 0, 0);
    (void)ebb_jacobian(two, NULL, EBB_LIST(x, w), &j, .mode = EBB_MODE_FORWARD, .vectorize = true, .chunk_size = 2);
    (void)ebb_jacobian(two, NULL, EBB_LIST(x, w), &j, .mode = EBB_MODE_REVERSE, .vectorize = true);
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(every_way, 0); }

EBB_TEST_MAIN
