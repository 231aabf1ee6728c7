/* Functional transforms: against PyTorch's numbers, against one another, composed, and when memory runs out. */
#include "tests/functions.h"
#include <math.h>

static ebb_tensor *point_x(void) { return TENSOR(EBB_DIMS(3), 0.5, -1.25, 2.0); }
static ebb_tensor *point_w(void) { return TENSOR(EBB_DIMS(2, 3), 0.1, 0.2, 0.3, -0.4, 0.5, 0.25); }
static ebb_tensor *direction_x(void) { return TENSOR(EBB_DIMS(3), 1, 2, -1); }
static ebb_tensor *direction_w(void) { return TENSOR(EBB_DIMS(2, 3), 0.5, 0, 1, 1, -1, 2); }

/* ---- linear maps ---- */

static void check_pullback(ebb_linear_map *pullback) {
    ebb_tensor *d[2], *v0 = TENSOR(EBB_DIMS(2), 1, -2), *v1 = ebb_scalar(3, .dtype = EBB_F64);
    CHECK(!ebb_linear_map_apply(pullback, EBB_LIST(v0, v1), d));
    CHECK_VALUES(d[0], 1e-14, 3.5613270240116583, -4.759675818276996, 0.03700746779643593);
    CHECK_VALUES(d[1], 1e-14, 0.42781939304058886, -1.069548482601472, 1.7112775721623554, -0.9013908584442154,
                 2.2534771461105385, -3.6055634337768616);
    CHECK(!ebb_tensor_requires_grad(d[0]));
    CHECK(!ebb_linear_map_apply(pullback, EBB_LIST(NULL, v1), d));
    CHECK_VALUES(d[1], 0, 0, 0, 0, 0, 0, 0);
    CHECK(!ebb_linear_map_apply(pullback, EBB_LIST(NULL, NULL), d));
    CHECK_VALUES(d[0], 0, 0, 0, 0);
}

EBB_TEST(a_pullback_is_applied_many_times) {
    int runs = 0;
    EBB_SCOPE {
        ebb_outputs y;
        ebb_linear_map *pullback;
        EBB_SCOPE { CHECK(!ebb_vjp(two, &runs, EBB_LIST(point_x(), point_w()), NULL, &pullback)); }
        for (int round = 0; round < 3; round++) EBB_SCOPE {
                check_pullback(pullback);
            }
        CHECK(ebb_linear_map_release(pullback) == NULL);
        CHECK(runs == 1);
        EBB_NO_GRAD { /* outside; the function is differentiated all the same */
            CHECK(!ebb_vjp(two, NULL, EBB_LIST(point_x(), ebb_requires_grad_(point_w(), true)), &y, &pullback));
            check_pullback(pullback);
        }
        CHECK(y.n == 2 && !ebb_tensor_requires_grad(y.t[0]));
        CHECK_VALUES(y.t[0], 1e-14, 0.37994896225522484, -0.31402092534699755);
        pullback = ebb_linear_map_release(pullback);
        CHECK(ebb_linear_map_release(NULL) == NULL);
    }
}

EBB_TEST(a_linearization_does_not_run_the_function_again) {
    int runs = 0;
    EBB_SCOPE {
        ebb_outputs y, want;
        ebb_linear_map *map;
        ebb_tensor *x = point_x(), *w = point_w(), *d[2];
        CHECK(!ebb_linearize(two, &runs, EBB_LIST(x, w), &y, &map));
        for (int round = 0; round < 3; round++) {
            CHECK(!ebb_linear_map_apply(map, EBB_LIST(direction_x(), direction_w()), d));
            CHECK_VALUES(d[0], 1e-14, 2.0963150258988854, 5.4984842365097135);
            CHECK_VALUES(d[1], 1e-14, -1.8450620788813517);
            CHECK(!ebb_tensor_requires_grad(d[0]));
        }
        CHECK(runs == 1);
        CHECK(!ebb_linear_map_apply(map, EBB_LIST(NULL, direction_w()), d));
        CHECK(!ebb_jvp(two, NULL, EBB_LIST(x, w), EBB_LIST(NULL, direction_w()), NULL, &want));
        CHECK(distance(d[0], want.t[0]) < 1e-14 && distance(d[1], want.t[1]) == 0);
        CHECK_VALUES(y.t[1], 1e-14, 3.244538397147948);
        map = ebb_linear_map_release(map);
    }
}

EBB_TEST(linear_maps_check_their_vectors) {
    EBB_SCOPE {
        ebb_linear_map *map;
        ebb_tensor *d[2];
        CHECK(!ebb_vjp(two, NULL, EBB_LIST(point_x(), point_w()), NULL, &map));
        CHECK(ebb_linear_map_apply(map, EBB_LIST(point_x()), d));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "takes 2 vectors, got 1");
        CHECK(ebb_linear_map_apply(map, EBB_LIST(point_x(), NULL), d));
        CHECK_ERROR(EBB_ERR_SHAPE, "vector 0 is float64 [3], expected float64 [2]");
        CHECK(ebb_linear_map_apply(map, EBB_LIST(ebb_zeros(EBB_DIMS(2)), NULL), d));
        CHECK_ERROR(EBB_ERR_DTYPE, "vector 0 is float32 [2], expected float64 [2]");
        map = ebb_linear_map_release(map);
        CHECK(!ebb_linearize(two, NULL, EBB_LIST(point_x(), point_w()), NULL, &map, .argnums = EBB_DIMS(0)));
        CHECK(ebb_linear_map_apply(map, EBB_LIST(NULL, point_w()), d));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "vector 1 is given for an input that is not differentiated by");
        map = ebb_linear_map_release(map);
    }
}

/* ---- gradients and products ---- */

EBB_TEST(values_and_gradients) {
    EBB_SCOPE {
        ebb_outputs y;
        ebb_tensor *x = point_x(), *w = point_w(), *d[2];
        CHECK(!ebb_value_and_grad(scalar, NULL, EBB_LIST(x, w), &y, d));
        CHECK_VALUES(d[0], 1e-14, 3.781807244403596, 3.33732699352861, 3.543874603029971);
        CHECK_VALUES(d[1], 1e-14, 0.3250990688368638, -0.8127476720921595, 1.3003962753474552, -0.283055591467977,
                     0.7076389786699424, -1.132222365871908);
        CHECK(!ebb_tensor_requires_grad(d[0]) && !ebb_tensor_requires_grad(y.t[0]));
        CHECK(ebb_tensor_grad(x) == NULL && !ebb_tensor_requires_grad(x));
        CHECK(!ebb_value_and_grad(scalar, NULL, EBB_LIST(x, w), NULL, d, .argnums = EBB_DIMS(-1)));
        CHECK(d[0] == NULL && d[1] != NULL);
    }
}

EBB_TEST(products_with_the_hessian) {
    EBB_SCOPE {
        ebb_tensor *x = point_x(), *w = point_w(), *h[2], *g[2], *t[2];
        CHECK(!ebb_hvp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(direction_x(), direction_w()), g, h));
        CHECK_VALUES(h[0], 1e-14, 3.879855412668149, 11.894053015194158, 9.147663757478277);
        CHECK_VALUES(h[1], 1e-14, 1.8386334178875217, -1.6706919251870298, 4.103542983181448, 3.30577062231305,
                     -10.811926878994417, 16.05363840393197);
        CHECK_VALUES(g[0], 1e-14, 3.781807244403596, 3.33732699352861, 3.543874603029971);
        CHECK(!ebb_vhp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(direction_x(), direction_w()), g, t));
        CHECK(distance(h[0], t[0]) < 1e-14 && distance(h[1], t[1]) < 1e-14);
        CHECK(!ebb_tensor_requires_grad(t[0]) && !ebb_tensor_requires_grad(g[0]));
        /* one direction absent; by one input only */
        CHECK(!ebb_hvp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(NULL, direction_w()), NULL, h));
        CHECK(!ebb_vhp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(NULL, direction_w()), NULL, t));
        CHECK(distance(h[0], t[0]) < 1e-14 && distance(h[1], t[1]) < 1e-14);
        CHECK(!ebb_hvp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(direction_x(), NULL), NULL, h, .argnums = EBB_DIMS(0)));
        CHECK(!ebb_vhp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(direction_x(), NULL), NULL, t, .argnums = EBB_DIMS(0)));
        CHECK(h[1] == NULL && t[1] == NULL && distance(h[0], t[0]) < 1e-14);
    }
}

/* ---- Jacobians ---- */

static const enum ebb_differentiation modes[] = {EBB_MODE_AUTO, EBB_MODE_REVERSE, EBB_MODE_FORWARD};

EBB_TEST(jacobians_of_several_inputs_and_outputs) {
    for (int m = 0; m < 3; m++) EBB_SCOPE {
            ebb_list j;
            ebb_outputs y;
            ebb_tensor *x = point_x(), *w = point_w();
            CHECK(!ebb_jacobian(two, NULL, EBB_LIST(x, w), &j, .mode = modes[m], .ret_out = &y));
            CHECK(j.n == 4 && y.n == 2);
            CHECK_SHAPE(j.t[0], 2, 3);
            CHECK_SHAPE(j.t[1], 2, 2, 3);
            CHECK_SHAPE(j.t[2], 3);
            CHECK_SHAPE(j.t[3], 2, 3);
            CHECK_VALUES(j.t[0], 1e-14, 0.08556387860811777, 0.17112775721623555, 0.2566916358243533,
                         -0.36055634337768616, 0.4506954292221077, 0.22534771461105385);
            CHECK_VALUES(j.t[1], 1e-14, 0.42781939304058886, -1.069548482601472, 1.7112775721623554, 0, 0, 0, 0, 0, 0,
                         0.4506954292221077, -1.1267385730552693, 1.8027817168884308);
            CHECK_VALUES(j.t[2], 1e-14, 0.9182168195493894, -1.3431375723496721, 0.0770037537313969);
            CHECK_VALUES(j.t[3], 0, 0, 0, 0, 0, 0, 0);
            CHECK(!ebb_tensor_requires_grad(j.t[0]) && !ebb_tensor_requires_grad(y.t[0]));
            CHECK_VALUES(y.t[0], 1e-14, 0.37994896225522484, -0.31402092534699755);
            CHECK(!ebb_jacobian(two, NULL, EBB_LIST(x, w), &j, .mode = modes[m], .argnums = EBB_DIMS(1)));
            CHECK(j.t[0] == NULL && j.t[2] == NULL && j.t[1] && j.t[3]);
            CHECK(ebb_jacobian(two, NULL, EBB_LIST(x, w), &j, .mode = modes[m], .strict = true));
            CHECK_ERROR(EBB_ERR_GRAPH, "strict: output 1 does not depend on input 1");
        }
}

static ebb_status doubled(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    return give(ret_out, ebb_mul(in.t[0], 2.0));
}

EBB_TEST(jacobians_of_scalars_and_of_nothing) {
    for (int m = 0; m < 3; m++) EBB_SCOPE {
            ebb_list j;
            CHECK(!ebb_jacobian(doubled, NULL, EBB_LIST(ebb_scalar(3, .dtype = EBB_F64)), &j, .mode = modes[m]));
            CHECK(ebb_tensor_ndim(j.t[0]) == 0);
            CHECK_VALUES(j.t[0], 0, 2);
            CHECK(!ebb_jacobian(doubled, NULL, EBB_LIST(ebb_zeros(EBB_DIMS(0, 2))), &j, .mode = modes[m],
                                .strict = true));
            CHECK_SHAPE(j.t[0], 0, 2, 0, 2);
            CHECK(!ebb_jacobian(doubled, NULL, EBB_LIST(ebb_arange(0, 3, 1, .dtype = EBB_F64), NULL), &j,
                                .mode = modes[m]));
            CHECK(j.n == 2 && j.t[1] == NULL);
            CHECK_VALUES(j.t[0], 0, 2, 0, 0, 0, 2, 0, 0, 0, 2);
        }
}

/* ---- Hessians ---- */

EBB_TEST(hessians_by_all_modes) {
    for (int outer = 0; outer < 3; outer++)
        for (int inner = 0; inner < 3; inner++) EBB_SCOPE {
                ebb_list h;
                ebb_tensor *x = point_x(), *w = point_w();
                CHECK(!ebb_hessian(scalar, NULL, EBB_LIST(x, w), &h, .outer = modes[outer], .inner = modes[inner]));
                CHECK(h.n == 4);
                CHECK_SHAPE(h.t[1], 3, 2, 3);
                CHECK_VALUES(h.t[0], 1e-13, 3.703159581048413, 3.255852093576137, 3.392500550502072, 3.2558520935761366,
                             3.8465163685139903, 3.7072357129540805, 3.3925005505020716, 3.7072357129540805,
                             3.656998410157208);
                CHECK(distance(h.t[1], ebb_permute(h.t[2], EBB_DIMS(2, 0, 1))) < 1e-13);
                CHECK_CLOSE(ebb_at_index(h.t[1], EBB_DIMS(1, 1, 1)), -1.3595295856509138, 1e-13);
                CHECK_CLOSE(ebb_at_index(h.t[3], EBB_DIMS(1, 1, 1, 2)), -3.1736736108598396, 1e-13);
                CHECK(!ebb_hessian(scalar, NULL, EBB_LIST(x, w), &h, .outer = modes[outer], .inner = modes[inner],
                                   .argnums = EBB_DIMS(1)));
                CHECK(!h.t[0] && !h.t[1] && !h.t[2]);
                CHECK_SHAPE(h.t[3], 2, 3, 2, 3);
            }
}

/* A network of two layers with its loss; x and the targets are the context. */
struct batch {
    ebb_tensor *x, *target;
};

static ebb_status mlp(ebb_list in, ebb_outputs *ret_out, void *context) {
    struct batch *b = context;
    ebb_tensor *h = ebb_tanh(ebb_add(ebb_matmul(b->x, in.t[0]), in.t[1]));
    ebb_tensor *y = ebb_add(ebb_matmul(h, in.t[2]), in.t[3]);
    return give(ret_out, ebb_cross_entropy(y, b->target));
}

struct network {
    struct batch batch;
    ebb_tensor *w[4];
};

static struct network network(void) {
    ebb_manual_seed(7);
    struct network n = {{ebb_randn(EBB_DIMS(6, 3), .dtype = EBB_F64), ebb_randint(0, 2, EBB_DIMS(6))},
                        {ebb_randn(EBB_DIMS(3, 4), .dtype = EBB_F64), ebb_randn(EBB_DIMS(4), .dtype = EBB_F64),
                         ebb_randn(EBB_DIMS(4, 2), .dtype = EBB_F64), ebb_randn(EBB_DIMS(2), .dtype = EBB_F64)}};
    return n;
}

EBB_TEST(hessians_of_a_network_agree) {
    EBB_SCOPE {
        struct network n = network();
        ebb_list want, got, w = {4, n.w};
        CHECK(!ebb_hessian(mlp, &n.batch, w, &want));
        for (int outer = 1; outer < 3; outer++)
            for (int inner = 1; inner < 3; inner++) {
                CHECK(!ebb_hessian(mlp, &n.batch, w, &got, .outer = modes[outer], .inner = modes[inner]));
                for (int i = 0; i < 16; i++) CHECK(distance(got.t[i], want.t[i]) < 1e-12);
            }
        ebb_tensor *v[4], *h[4], *t[4];
        for (int i = 0; i < 4; i++) v[i] = ebb_randn_like(n.w[i]);
        CHECK(!ebb_hvp(mlp, &n.batch, w, ((ebb_list){4, v}), NULL, h));
        CHECK(!ebb_vhp(mlp, &n.batch, w, ((ebb_list){4, v}), NULL, t));
        for (int i = 0; i < 4; i++) {
            ebb_tensor *sum = NULL;
            for (int k = 0; k < 4; k++) {
                int64_t columns = ebb_tensor_numel(v[k]);
                ebb_tensor *block = ebb_reshape(want.t[4 * i + k], EBB_DIMS(-1, columns));
                ebb_tensor *term = ebb_mv(block, ebb_reshape(v[k], EBB_DIMS(-1)));
                sum = sum ? ebb_add(sum, term) : term;
            }
            CHECK(distance(ebb_reshape(h[i], EBB_DIMS(-1)), sum) < 1e-12);
            CHECK(distance(h[i], t[i]) < 1e-12);
        }
    }
}

/* ---- compositions ---- */

/* The Jacobian of `two` by x, as a function. */
static ebb_status its_jacobian(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_list j;
    ebb_status status =
        ebb_jacobian(two, NULL, in, &j, .mode = *(enum ebb_differentiation *)context, .argnums = EBB_DIMS(0));
    return status ? status : give(ret_out, j.t[0]);
}

static ebb_status its_hessian(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_list h;
    (void)context;
    ebb_status status = ebb_hessian(scalar, NULL, in, &h, .argnums = EBB_DIMS(0));
    return status ? status : give(ret_out, ebb_sum(ebb_sin(h.t[0])));
}

static ebb_status its_curvature(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *h[2];
    (void)context;
    ebb_status status = ebb_vhp(scalar, NULL, in, EBB_LIST(in.t[0], NULL), NULL, h);
    return status ? status : give(ret_out, ebb_sum(ebb_square(h[1])));
}

static ebb_status its_linearization(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_linear_map *map;
    ebb_tensor *d[2];
    (void)context;
    ebb_status status = ebb_linearize(two, NULL, in, NULL, &map);
    if (!status) status = ebb_linear_map_apply(map, EBB_LIST(in.t[0], NULL), d);
    if (!status) map = ebb_linear_map_release(map);
    return status ? status : give(ret_out, ebb_sum(ebb_exp(d[0])));
}

/* Each is differentiable, in both modes, to second order: against finite differences. */
EBB_TEST(transforms_are_differentiated) {
    enum ebb_differentiation mode[] = {EBB_MODE_REVERSE, EBB_MODE_FORWARD};
    EBB_SCOPE {
        ebb_list in = EBB_LIST(ebb_requires_grad_(point_x(), true), ebb_requires_grad_(point_w(), true));
        for (int m = 0; m < 2; m++) {
            CHECK(!ebb_gradcheck(its_jacobian, &mode[m], in, .forward_mode = true));
            CHECK(!ebb_gradgradcheck(its_jacobian, &mode[m], in, .forward_mode = true, .fast = true));
        }
        CHECK(!ebb_gradcheck(its_hessian, NULL, in, .forward_mode = true));
        CHECK(!ebb_gradcheck(its_curvature, NULL, in, .forward_mode = true));
        CHECK(!ebb_gradgradcheck(its_curvature, NULL, in, .forward_mode = true, .fast = true));
        CHECK(!ebb_gradcheck(its_linearization, NULL, in, .forward_mode = true));
        CHECK_OK();
    }
}

/* d3/dx3 of x^4 by every transform over every other */
static ebb_status fourth(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    return give(ret_out, ebb_pow(in.t[0], 4.0));
}

struct nested {
    ebb_function of;
    struct nested *inner;
    int how;
};

static ebb_status derivative(ebb_list in, ebb_outputs *ret_out, void *context) {
    struct nested *n = context;
    ebb_tensor *one = ebb_ones_like(in.t[0]), *d = NULL;
    ebb_outputs along = {0};
    ebb_linear_map *map = NULL;
    ebb_list j = {0};
    ebb_status status = EBB_OK;
    if (n->how == 0) status = ebb_jvp(n->of, n->inner, in, EBB_LIST(one), NULL, &along);
    if (n->how == 1) status = ebb_value_and_grad(n->of, n->inner, in, NULL, &d);
    if (n->how == 2) status = ebb_vjp(n->of, n->inner, in, NULL, &map);
    if (n->how == 3) status = ebb_linearize(n->of, n->inner, in, NULL, &map);
    if (n->how == 4) status = ebb_jacobian(n->of, n->inner, in, &j, .mode = EBB_MODE_FORWARD);
    if (map && !status) status = ebb_linear_map_apply(map, EBB_LIST(one), &d);
    map = ebb_linear_map_release(map);
    if (status) return status;
    return give(ret_out, along.n ? along.t[0] : j.n ? j.t[0] : d);
}

EBB_TEST(all_compositions_of_three) {
    for (int i = 0; i < 125; i++) EBB_SCOPE {
            struct nested a = {fourth, NULL, i % 5}, b = {derivative, &a, i / 5 % 5}, c = {derivative, &b, i / 25};
            ebb_outputs out = {0};
            CHECK(!derivative(EBB_LIST(ebb_scalar(2, .dtype = EBB_F64)), &out, &c));
            CHECK_VALUES(out.t[0], 1e-12, 48);
            CHECK(!ebb_tensor_requires_grad(out.t[0]));
            ebb_tensor *x = ebb_scalar(2, .dtype = EBB_F64, .requires_grad = true), *d;
            out.n = 0;
            CHECK(!derivative(EBB_LIST(x), &out, &c)); /* and backward through it, to the fourth */
            CHECK(!ebb_grad(EBB_LIST(out.t[0]), EBB_LIST(x), &d));
            CHECK_VALUES(d, 1e-12, 24);
        }
}

/* u(t; w) = sum of tanh(w t); the residual of u' = u, which the weights in the context are to make small. */
static ebb_status solution(ebb_list in, ebb_outputs *ret_out, void *context) {
    return give(ret_out, ebb_sum(ebb_tanh(ebb_mul((ebb_tensor *)context, in.t[0]))));
}

static ebb_tensor *residual(ebb_tensor *w, ebb_tensor *t, bool by_forward) {
    ebb_outputs u = {0}, along = {0};
    ebb_tensor *d = NULL;
    if (by_forward) {
        if (ebb_jvp(solution, w, EBB_LIST(t), EBB_LIST(ebb_ones_like(t)), &u, &along)) return NULL;
        d = along.t[0];
    } else if (ebb_value_and_grad(solution, w, EBB_LIST(t), &u, &d)) {
        return NULL;
    }
    return ebb_square(ebb_sub(d, u.t[0]));
}

EBB_TEST(what_the_context_holds_is_differentiated) {
    EBB_SCOPE {
        ebb_tensor *w = ebb_requires_grad_(TENSOR(EBB_DIMS(2), 0.5, -1.5), true),
                   *t = ebb_scalar(0.75, .dtype = EBB_F64);
        ebb_tensor *forward, *reverse;
        CHECK(!ebb_grad(EBB_LIST(residual(w, t, true)), EBB_LIST(w), &forward));
        CHECK(!ebb_grad(EBB_LIST(residual(w, t, false)), EBB_LIST(w), &reverse));
        CHECK(distance(forward, reverse) < 1e-14);
        /* torch.func: grad of the same residual */
        CHECK_VALUES(reverse, 1e-13, -0.012078182222833744, -0.4002122922213774);
        EBB_NO_GRAD { CHECK(!ebb_tensor_requires_grad(residual(w, t, false))); }
    }
}

EBB_TEST(what_is_differentiable_is_recorded_and_nothing_else) {
    EBB_SCOPE {
        ebb_outputs y;
        ebb_linear_map *map;
        ebb_tensor *x = ebb_requires_grad_(point_x(), true), *w = point_w(), *d[2], *g, *v0;
        CHECK(!ebb_value_and_grad(scalar, NULL, EBB_LIST(x, w), &y, d));
        CHECK(ebb_tensor_requires_grad(y.t[0]) && ebb_tensor_requires_grad(d[0]));
        CHECK(!ebb_grad(EBB_LIST(y.t[0]), EBB_LIST(x), &g, .retain_graph = true));
        CHECK(distance(g, d[0]) < 1e-15);
        /* linear in the vector */
        v0 = ebb_requires_grad_(TENSOR(EBB_DIMS(2), 1, -2), true);
        CHECK(!ebb_vjp(two, NULL, EBB_LIST(point_x(), w), &y, &map));
        CHECK(!ebb_tensor_requires_grad(y.t[0]));
        CHECK(!ebb_linear_map_apply(map, EBB_LIST(v0, NULL), d));
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(d[0])), EBB_LIST(v0), &g));
        CHECK_VALUES(g, 1e-14, 0.08556387860811777 + 0.17112775721623555 + 0.2566916358243533,
                     -0.36055634337768616 + 0.4506954292221077 + 0.22534771461105385);
        map = ebb_linear_map_release(map);
    }
}

/* Results that are not recorded do not hold what the function computed: some 80 kB here, for 8 bytes. */
static ebb_status wide(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    return give(ret_out, ebb_mean(ebb_exp(ebb_sin(ebb_expand(in.t[0], EBB_DIMS(10000))))));
}

EBB_TEST(results_hold_no_graph) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(1), .dtype = EBB_F64), *d, *h;
        ebb_outputs y, z;
        ebb_list j;
        int64_t before = ebb_memory().in_use;
        CHECK(!ebb_value_and_grad(wide, NULL, EBB_LIST(x), &y, &d));
        CHECK(!ebb_vhp(wide, NULL, EBB_LIST(x), EBB_LIST(x), &d, &h));
        CHECK(!ebb_jacobian(wide, NULL, EBB_LIST(x), &j, .ret_out = &z));
        CHECK(ebb_memory().in_use < before + 10000);
    }
}

/* ---- errors ---- */

static ebb_status fails(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)in, (void)ret_out, (void)context;
    return ebb_fail(EBB_ERR_CALLBACK, "out of luck");
}

static ebb_status counts(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    return give(ret_out, ebb_argmax(in.t[0]));
}

static ebb_status none(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)in, (void)ret_out, (void)context;
    return EBB_OK;
}

EBB_TEST(errors) {
    EBB_SCOPE {
        ebb_tensor *x = point_x(), *w = point_w(), *d[2] = {x, w};
        ebb_linear_map *map = NULL;
        ebb_list j = {0};
        CHECK(ebb_vjp(fails, NULL, EBB_LIST(x), NULL, &map) == EBB_ERR_CALLBACK);
        CHECK(map == NULL && strstr(ebb_error()->file, "test_transforms.c"));
        CHECK_ERROR(EBB_ERR_CALLBACK, "out of luck");
        CHECK(ebb_value_and_grad(two, NULL, EBB_LIST(x, w), NULL, d) == EBB_ERR_SHAPE);
        CHECK(d[0] == x);
        CHECK_ERROR(EBB_ERR_SHAPE, "first output must be one floating-point number, not float64 [2]");
        CHECK(ebb_value_and_grad(counts, NULL, EBB_LIST(x), NULL, d) == EBB_ERR_DTYPE);
        CHECK_ERROR(EBB_ERR_DTYPE, "not int64 []");
        CHECK(ebb_value_and_grad(none, NULL, EBB_LIST(x), NULL, d) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "first output must be one floating-point number, not none");
        CHECK(ebb_jacobian(counts, NULL, EBB_LIST(x), &j) == EBB_ERR_DTYPE);
        CHECK_ERROR(EBB_ERR_DTYPE, "output 0 is int64");
        CHECK(ebb_jacobian(counts, NULL, EBB_LIST(x), &j, .mode = EBB_MODE_FORWARD) == EBB_ERR_DTYPE);
        CHECK_ERROR(EBB_ERR_DTYPE, "output 0 is int64");
        CHECK(ebb_jacobian(two, NULL, EBB_LIST(x, w), &j, .argnums = EBB_DIMS(2)) == EBB_ERR_INDEX);
        CHECK_ERROR(EBB_ERR_INDEX, "argnums names input 2 of 2");
        CHECK(ebb_hessian(scalar, NULL, EBB_LIST(ebb_ones(EBB_DIMS(2), .dtype = EBB_I64), w), &j,
                          .argnums = EBB_DIMS(0)) == EBB_ERR_DTYPE);
        CHECK_ERROR(EBB_ERR_DTYPE, "input 0 is int64: only floating-point inputs");
        CHECK(ebb_hvp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(x), NULL, d) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "2 inputs and 1 vectors");
        CHECK(ebb_hvp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(w, NULL), NULL, d) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "vector 0 is float64 [2, 3], its input float64 [3]");
        CHECK(ebb_vhp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(w, NULL), NULL, d) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "vector 0 is float64 [2, 3], its input float64 [3]");
        CHECK(ebb_hvp(doubled, NULL, EBB_LIST(ebb_scalar(1.0)), EBB_LIST(ebb_scalar(1.0)), NULL, d, .strict = true));
        CHECK_ERROR(EBB_ERR_GRAPH, "strict: the gradient by input 0 does not depend on the inputs");
        CHECK(ebb_vhp(doubled, NULL, EBB_LIST(ebb_scalar(1.0)), EBB_LIST(ebb_scalar(1.0)), NULL, d, .strict = true));
        CHECK_ERROR(EBB_ERR_GRAPH, "strict: the outputs do not depend on input 0");
        CHECK(ebb_vjp(two, NULL, EBB_LIST(w, w), NULL, &map) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "mv: ");
        CHECK(ebb_jacobian(doubled, NULL, EBB_LIST(ebb_ones(EBB_DIMS(1, 1, 1, 1, 1))), &j) == EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "an output of 5 and an input of 5 dimensions make more than 8");
    }
}

static ebb_status squares(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    return give(ret_out, ebb_square(in.t[0]));
}

EBB_TEST(errors_name_the_transform_and_the_line_of_its_call) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(3)), *v = ebb_ones(EBB_DIMS(2)), *i = ebb_ones(EBB_DIMS(3), .dtype = EBB_I64);
        ebb_tensor *d[1];
        ebb_outputs y;
        ebb_list h;
        CHECK(ebb_hvp(squares, NULL, EBB_LIST(x), EBB_LIST(v), NULL, d));
        CHECK(strcmp(ebb_error()->op, "hvp") == 0);
        CHECK_ERROR(EBB_ERR_SHAPE, "vector 0 is float32 [2], its input float32 [3]");
        CHECK(ebb_jvp(squares, NULL, EBB_LIST(x), EBB_LIST(i), NULL, &y));
        CHECK_ERROR(EBB_ERR_DTYPE, "tangent 0 is int64 [3], its input float32 [3]");
        CHECK(ebb_jvp(squares, NULL, EBB_LIST(NULL), EBB_LIST(x), NULL, &y));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "tangent 0 is given for an input that is NULL");
        int line = __LINE__ + 1;
        CHECK(ebb_hessian(squares, NULL, EBB_LIST(x), &h));
        CHECK(strcmp(ebb_error()->op, "hessian") == 0 && ebb_error()->line == line);
        CHECK_ERROR(EBB_ERR_SHAPE, "first output must be one floating-point number, not float32 [3]");
        CHECK(ebb_hessian(squares, NULL, EBB_LIST(x), &h, .inner = EBB_MODE_FORWARD));
        CHECK_ERROR(EBB_ERR_SHAPE, "the function must return one number, not 1 outputs of 3 elements");
        CHECK(ebb_jacobian(squares, NULL, EBB_LIST(x), &h, .mode = (enum ebb_differentiation)3));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "3 is no mode of differentiation");
        CHECK(ebb_vmap(squares, NULL, EBB_LIST(x), &y, .randomness = (enum ebb_vmap_randomness)3));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "3 is no kind of randomness");
    }
}

/* ---- when memory runs out ---- */

static void every_transform(void) {
    EBB_SCOPE {
        ebb_tensor *x = TENSOR(EBB_DIMS(2), 0.5, -1.25), *w = TENSOR(EBB_DIMS(1, 2), 0.1, 0.2), *d[2], *h[2];
        ebb_linear_map *map = NULL;
        ebb_outputs y;
        ebb_list j;
        if (ebb_vjp(two, NULL, EBB_LIST(x, w), &y, &map)) break;
        (void)ebb_linear_map_apply(map, EBB_LIST(TENSOR(EBB_DIMS(1), 1), NULL), d);
        map = ebb_linear_map_release(map);
        if (ebb_error() || ebb_linearize(two, NULL, EBB_LIST(x, w), &y, &map)) break;
        (void)ebb_linear_map_apply(map, EBB_LIST(x, NULL), d);
        map = ebb_linear_map_release(map);
        if (ebb_error() || ebb_value_and_grad(scalar, NULL, EBB_LIST(x, w), &y, d)) break;
        if (ebb_hvp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(x, w), d, h)) break;
        if (ebb_vhp(scalar, NULL, EBB_LIST(x, w), EBB_LIST(x, w), d, h)) break;
        if (ebb_jacobian(two, NULL, EBB_LIST(x, w), &j, .mode = EBB_MODE_FORWARD, .ret_out = &y)) break;
        if (ebb_jacobian(two, NULL, EBB_LIST(x, w), &j, .mode = EBB_MODE_REVERSE, .ret_out = &y)) break;
        (void)ebb_hessian(scalar, NULL, EBB_LIST(x, w), &j);
    }
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(every_transform, 0); }

EBB_TEST_MAIN
