/* The pointwise operators against PyTorch 2.13: values, gradients and names of nodes at single points in float64, poles
 * and kinks among them; options; what integers, bounds and masks make of them. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>

static const struct point {
    const char *op, *node;
    int n;
    double x[2], y, grad[2];
} points[] = {
    {"exp2", "Exp2Backward0", 1, {1.5}, 2.8284271247461903, {1.9605162869370945, 0.0}},
    {"exp2", "Exp2Backward0", 1, {-30.0}, 9.313225746154785e-10, {6.455436167865482e-10, 0.0}},
    {"expm1", "Expm1Backward0", 1, {1e-09}, 1.0000000005000001e-09, {1.000000001, 0.0}},
    {"expm1", "Expm1Backward0", 1, {-40.0}, -1.0, {0.0, 0.0}},
    {"log1p", "Log1PBackward0", 1, {1e-09}, 9.999999995e-10, {0.9999999989999999, 0.0}},
    {"log1p", "Log1PBackward0", 1, {3.0}, 1.3862943611198906, {0.25, 0.0}},
    {"log2", "Log2Backward0", 1, {10.0}, 3.321928094887362, {0.14426950408889633, 0.0}},
    {"log10", "Log10Backward0", 1, {3e-05}, -4.522878745280337, {14476.482730108395, 0.0}},
    {"tan", "TanBackward0", 1, {1.3}, 3.6021024479679786, {13.975142045656904, 0.0}},
    {"asin", "AsinBackward0", 1, {-0.6}, -0.6435011087932844, {1.25, 0.0}},
    {"acos", "AcosBackward0", 1, {-0.6}, 2.214297435588181, {-1.25, 0.0}},
    {"atan", "AtanBackward0", 1, {-40.0}, -1.5458015331759765, {0.0006246096189881324, 0.0}},
    {"sinh", "SinhBackward0", 1, {3.0}, 10.017874927409903, {10.067661995777765, 0.0}},
    {"cosh", "CoshBackward0", 1, {3.0}, 10.067661995777765, {10.017874927409903, 0.0}},
    {"asinh", "AsinhBackward0", 1, {-2.0}, -1.4436354751788103, {0.4472135954999579, 0.0}},
    {"acosh", "AcoshBackward0", 1, {2.0}, 1.3169578969248166, {0.5773502691896258, 0.0}},
    {"atanh", "AtanhBackward0", 1, {0.9}, 1.4722194895832204, {5.263157894736843, 0.0}},
    {"logit", "LogitBackward0", 1, {0.2}, -1.3862943611198906, {6.249999999999999, 0.0}},
    {"erf", "ErfBackward0", 1, {0.4}, 0.42839235504666845, {0.9615412988393078, 0.0}},
    {"erfc", "ErfcBackward0", 1, {0.4}, 0.5716076449533315, {-0.9615412988393078, 0.0}},
    {"erfc", "ErfcBackward0", 1, {5.0}, 1.537459794428035e-12, {-1.5670866531017336e-11, 0.0}},
    {"erfinv", "ErfinvBackward0", 1, {0.4}, 0.37080715859355795, {1.0168562004306123, 0.0}},
    {"erfinv", "ErfinvBackward0", 1, {-0.999}, -2.3267537655135246, {198.93951776442498, 0.0}},
    {"erfinv", "ErfinvBackward0", 1, {1e-05}, 8.862269254759594e-06, {0.886226925522362, 0.0}},
    {"lgamma", "LgammaBackward0", 1, {0.3}, 1.0957979948180756, {-3.502524222200133, 0.0}},
    {"lgamma", "LgammaBackward0", 1, {-1.5}, 0.860047015376481, {0.7031566406452433, 0.0}},
    {"lgamma", "LgammaBackward0", 1, {20.0}, 39.339884187199495, {2.970523992242149, 0.0}},
    /* gradients from series: PyTorch has ten digits of them */
    {"digamma", "DigammaBackward0", 1, {0.3}, -3.502524222200133, {12.245364546107731, 0.0}},
    {"digamma", "DigammaBackward0", 1, {-1.5}, 0.7031566406452433, {9.379246644989124, 0.0}},
    {"digamma", "DigammaBackward0", 1, {20.0}, 2.970523992242149, {0.05127082293520924, 0.0}},
    {"ceil", "CeilBackward0", 1, {-1.5}, -1.0, {0.0, 0.0}},
    {"round", "RoundBackward0", 1, {2.5}, 2.0, {0.0, 0.0}},
    {"round", "RoundBackward0", 1, {-3.5}, -4.0, {0.0, 0.0}},
    {"trunc", "TruncBackward0", 1, {-1.7}, -1.0, {0.0, 0.0}},
    {"frac", "FracBackward0", 1, {-1.75}, -0.75, {1.0, 0.0}},
    {"nan_to_num", "NanToNumBackward0", 1, {NAN}, 0.0, {0.0, 0.0}},
    {"nan_to_num", "NanToNumBackward0", 1, {INFINITY}, 1.7976931348623157e+308, {0.0, 0.0}},
    {"nan_to_num", "NanToNumBackward0", 1, {3.0}, 3.0, {1.0, 0.0}},
    {"leaky_relu", "LeakyReluBackward0", 1, {-2.0}, -0.02, {0.01, 0.0}},
    {"leaky_relu", "LeakyReluBackward0", 1, {0.0}, 0.0, {0.01, 0.0}},
    {"elu", "EluBackward0", 1, {-2.0}, -0.8646647167633873, {0.1353352832366127, 0.0}},
    {"elu", "EluBackward0", 1, {0.0}, 0.0, {1.0, 0.0}},
    {"celu", "CeluBackward0", 1, {-2.0}, -0.8646647167633873, {0.1353352832366127, 0.0}},
    {"selu", "EluBackward0", 1, {-2.0}, -1.5201664685956948, {0.2379328722516818, 0.0}},
    {"selu", "EluBackward0", 1, {2.0}, 2.101401974710961, {1.0507009873554805, 0.0}},
    {"silu", "SiluBackward0", 1, {-2.0}, -0.2384058440442351, {-0.09078424878489547, 0.0}},
    {"silu", "SiluBackward0", 1, {3.0}, 2.8577223804672998, {1.0881041060151693, 0.0}},
    {"gelu", "GeluBackward0", 1, {-2.0}, -0.04550026389635842, {-0.08523180107819692, 0.0}},
    {"gelu", "GeluBackward0", 1, {3.0}, 2.99595030590511, {1.011945647204184, 0.0}},
    {"mish", "MishBackward0", 1, {-2.0}, -0.2525014826957089, {-0.1083550924203939, 0.0}},
    {"mish", "MishBackward0", 1, {30.0}, 30.0, {1.0, 0.0}},
    {"softplus", "SoftplusBackward0", 1, {-2.0}, 0.1269280110429725, {0.11920292202211755, 0.0}},
    {"softplus", "SoftplusBackward0", 1, {25.0}, 25.0, {1.0, 0.0}},
    {"softsign", "DivBackward0", 1, {-3.0}, -0.75, {0.0625, 0.0}},
    {"hardtanh", "HardtanhBackward0", 1, {-3.0}, -1.0, {0.0, 0.0}},
    {"hardtanh", "HardtanhBackward0", 1, {1.0}, 1.0, {0.0, 0.0}},
    {"relu6", "HardtanhBackward0", 1, {6.0}, 6.0, {0.0, 0.0}},
    {"relu6", "HardtanhBackward0", 1, {7.0}, 6.0, {0.0, 0.0}},
    {"hardswish", "HardswishBackward0", 1, {-3.0}, -0.0, {0.0, 0.0}},
    {"hardswish", "HardswishBackward0", 1, {3.0}, 3.0, {1.0, 0.0}},
    {"hardswish", "HardswishBackward0", 1, {1.0}, 0.6666666666666666, {0.8333333333333333, 0.0}},
    {"hardsigmoid", "HardsigmoidBackward0", 1, {-3.0}, 0.0, {0.0, 0.0}},
    /* PyTorch rounds the sixth to float32 */
    {"hardsigmoid", "HardsigmoidBackward0", 1, {1.0}, 0.6666666666666666, {0.16666666666666666, 0.0}},
    {"logsigmoid", "LogSigmoidBackward0", 1, {-800.0}, -800.0, {1.0, 0.0}},
    {"logsigmoid", "LogSigmoidBackward0", 1, {2.0}, -0.1269280110429725, {0.11920292202211755, 0.0}},
    {"logaddexp",
     "LogaddexpBackward0",
     2,
     {1000.0, 1001.0},
     1001.3132616875182,
     {0.2689414213699951, 0.7310585786300049}},
    {"logaddexp", "LogaddexpBackward0", 2, {-INFINITY, -INFINITY}, -INFINITY, {NAN, NAN}},
    {"atan2", "Atan2Backward0", 2, {1.0, -2.0}, 2.677945044588987, {-0.4, -0.2}},
    {"atan2", "Atan2Backward0", 2, {0.0, 0.0}, 0.0, {0.0, -0.0}},
    {"hypot", "HypotBackward0", 2, {1e+300, 1e+300}, 1.4142135623730952e+300, {0.7071067811865475, 0.7071067811865475}},
    {"copysign", "CopysignBackward0", 2, {2.0, -3.0}, -2.0, {-1.0, 0.0}},
    {"fmax", "FmaxBackward0", 2, {NAN, 2.0}, 2.0, {0.0, 1.0}},
    {"fmax", "FmaxBackward0", 2, {1.0, 1.0}, 1.0, {1.0, 0.0}},
    {"fmin", "FminBackward0", 2, {NAN, 2.0}, 2.0, {0.0, 1.0}},
    {"fmin", "FminBackward0", 2, {1.0, 1.0}, 1.0, {1.0, 0.0}},
    {"xlogy", "XlogyBackward0", 2, {0.0, 0.0}, 0.0, {0.0, NAN}},
    {"xlogy", "XlogyBackward0", 2, {2.0, 3.0}, 2.1972245773362196, {1.0986122886681098, 0.6666666666666666}},
    {"fmod", "FmodBackward1", 2, {-5.0, 3.0}, -2.0, {1.0, 1.0}},
    {"remainder", "RemainderBackward1", 2, {-5.0, 3.0}, 1.0, {1.0, 2.0}},
    {"floor_divide", "DivBackward2", 2, {-5.0, 3.0}, -2.0, {0.0, 0.0}},
    {"sinc", "SincBackward0", 1, {0.5}, 0.6366197723675814, {-1.2732395447351628}},
    {"sinc", "SincBackward0", 1, {0.0}, 1.0, {0.0}},
    {"clamp_min", "ClampMinBackward1", 2, {1.0, 1.0}, 1.0, {1.0, 0.0}},
    {"clamp_min", "ClampMinBackward1", 2, {0.0, 1.0}, 1.0, {0.0, 1.0}},
    {"clamp_max", "ClampMaxBackward1", 2, {2.0, NAN}, NAN, {0.0, 0.0}},
    {"clamp_max", "ClampMaxBackward1", 2, {2.0, 1.0}, 1.0, {0.0, 1.0}},
    {"div_trunc", "DivBackward2", 2, {-5.0, 3.0}, -1.0, {0.0, 0.0}},
};

/* As many digits as two libraries' functions share: relative, or absolute for what is near 0. */
static bool close_to(double a, double b) {
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-12 * fabs(b) + 1e-15;
}

EBB_TEST(values_and_gradients) {
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) EBB_SCOPE {
            const struct point *p = &points[i];
            ebb_tensor *x[2], *g[2] = {NULL};
            for (int k = 0; k < p->n; k++) x[k] = ebb_requires_grad_(ebb_scalar(p->x[k], .dtype = EBB_F64), true);
            ebb_tensor *y = ebb_call_op1(ebb_op_find(p->op), x, p->n, NULL);
            CHECK(y);
            CHECK(!ebb_grad(EBB_LIST(y), ((ebb_list){p->n, x}), g, .allow_unused = true));
            bool ok = close_to(ebb_item(y), p->y) && strcmp(ebb_node_name(ebb_tensor_grad_fn(y)), p->node) == 0;
            for (int k = 0; k < p->n; k++) ok = ok && close_to(g[k] ? ebb_item(g[k]) : 0, p->grad[k]);
            if (!ok)
                print_message("%s(%g, %g): %.17g, gradients %.17g %.17g, %s\n", p->op, p->x[0], p->x[1], ebb_item(y),
                              g[0] ? ebb_item(g[0]) : 0, p->n > 1 && g[1] ? ebb_item(g[1]) : 0,
                              ebb_node_name(ebb_tensor_grad_fn(y)));
            CHECK(ok);
        }
}

#define F64(...) \
    ebb_from_data((const double[]){__VA_ARGS__}, EBB_F64, EBB_DIMS(sizeof((double[]){__VA_ARGS__}) / sizeof(double)))
#define I64(...) \
    ebb_from_data((const int64_t[]){__VA_ARGS__}, EBB_I64, EBB_DIMS(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))

static double at(const ebb_tensor *t, int i) { return ebb_at_index(t, EBB_DIMS(i)); }

static bool same(const ebb_tensor *t, const double *want) {
    bool ok = t != NULL;
    for (int i = 0; ok && i < ebb_tensor_numel(t); i++) ok = close_to(at(t, i), want[i]);
    return ok;
}
#define SAME(t, ...) CHECK(same(t, (const double[]){__VA_ARGS__}))

/* An option where 0 is a value: given as 0, it is 0; left out, it is PyTorch's default. */
EBB_TEST(options) {
    ebb_tensor *x = F64(-2, 3);
    SAME(ebb_leaky_relu(x), -0.02, 3);
    SAME(ebb_leaky_relu(x, .negative_slope = EBB_SET(0)), 0, 3);
    SAME(ebb_hardtanh(x, .min_val = EBB_SET(0), .max_val = EBB_SET(2)), 0, 2);
    SAME(ebb_addcmul(x, x, x), 2, 12);
    SAME(ebb_addcmul(x, x, x, .value = EBB_SET(0)), -2, 3);
    SAME(ebb_nan_to_num(F64(NAN, INFINITY, -INFINITY), .posinf = EBB_SET(0)), 0, 0, -1.7976931348623157e308);
    SAME(ebb_round(F64(2.345, -25), .decimals = 1), 2.3, -25);
    SAME(ebb_gelu(x, .approximate = 1), -0.04540230591222494, 2.996362607918227);
    SAME(ebb_polygamma(2, F64(1.5, -0.5)), -0.8287966442343201, -0.82879664423432);
}

/* gelu's derivatives of first to third order, where they are simple, and where they are 0 or 1 but what they are made
 * of overflows. */
EBB_TEST(gelu_derivatives) {
    static const double want[2][3][2] = {{{-0.12597868507653925, 0.9766141011336599},
                                          {0.05312426353482025, 0.47150343938380956},
                                          {0.5146198819195654, -0.7672079142821323}},
                                         {{-0.12587806978401672, 0.976357218656104},
                                          {0.054581537701671, 0.4708629268446337},
                                          {0.5111744747217669, -0.7662623355087339}}};
    for (int approximate = 0; approximate < 2; approximate++) {
        for (ebb_dtype dtype = EBB_F32; dtype <= EBB_F64; dtype++) {
            ebb_tensor *x = ebb_to(F64(-1.3, 0.7, -1e30, -50, 50, 1e30, NAN, INFINITY, -INFINITY), dtype), *y;
            CHECK(x = ebb_requires_grad_(ebb_detach(x), true));
            y = ebb_gelu(x, .approximate = approximate);
            for (int order = 0; order < 3; order++) {
                CHECK(!ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &y, .create_graph = true));
                ebb_tensor *d = ebb_to(ebb_detach(y), EBB_F64);
                const double eps = dtype == EBB_F32 ? 1e-6 : 1e-14, far = order == 0;
                for (int i = 0; i < 2; i++) CHECK(fabs(at(d, i) - want[approximate][order][i]) < eps);
                CHECK(at(d, 2) == 0 && at(d, 3) == 0 && at(d, 4) == far && at(d, 5) == far && isnan(at(d, 6)));
                CHECK(order == 2 || (isnan(at(d, 7)) && isnan(at(d, 8)))); /* as in PyTorch */
            }
        }
    }
}

EBB_TEST(bounds) {
    ebb_tensor *x = ebb_requires_grad_(F64(-2, 0.5, 3, NAN), true), *g;
    ebb_tensor *y = ebb_clamp(x, .min = EBB_NUM(-2), .max = EBB_NUM(1));
    SAME(y, -2, 0.5, 1, NAN);
    CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(F64(1, 1, 1, 1))));
    SAME(g, 1, 1, 0, 0);
    SAME(ebb_clamp(ebb_detach(x), .min = F64(0, 0, 5, 0)), 0, 0.5, 5, NAN);
    SAME(ebb_clamp_(F64(-2, 3), .max = EBB_NUM(0)), -2, 0);
    CHECK(ebb_tensor_dtype(ebb_clamp(I64(1, 2), .min = EBB_NUM(1.5))) == EBB_F32);
    SAME(ebb_masked_fill_(I64(1, 2), ebb_gt(I64(1, 2), 1), 7), 1, 7);
    CHECK(!ebb_clamp(ebb_detach(x)) && ebb_error_status() == EBB_ERR_ARGUMENT);
    ebb_clear_error();
}

EBB_TEST(integers) {
    ebb_tensor *a = I64(7, -7, 7, -7, 5), *b = I64(2, 2, -2, -2, 0), *c = ebb_narrow(a, 0, 0, 4),
               *d = ebb_narrow(b, 0, 0, 4);
    SAME(ebb_fmod(c, d), 1, -1, 1, -1);
    SAME(ebb_remainder(c, d), 1, 1, -1, -1);
    SAME(ebb_floor_divide(c, d), 3, -4, -4, 3);
    SAME(ebb_div_trunc(c, d), 3, -3, -3, 3);
    SAME(ebb_div_mode(c, d, EBB_ROUNDING_FLOOR), 3, -4, -4, 3);
    SAME(ebb_div_mode(c, 2, EBB_ROUNDING_NONE), 3.5, -3.5, 3.5, -3.5);
    ebb_tensor *(*const divisions[])(ebb_tensor *, ebb_tensor *) = {ebb_fmod, ebb_remainder, ebb_floor_divide,
                                                                    ebb_div_trunc, ebb_fmod_};
    for (int i = 0; i < 5; i++) {
        CHECK(!divisions[i](a, b));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "integer division by 0; inputs: self int64 [5], other int64 [5]");
    }
    SAME(ebb_add_scaled(a, b, 2), 11, -3, 3, -11, 5);
    SAME(ebb_sub_scaled(a, b, 2), 3, -11, 11, -3, 5);
    SAME(ebb_sub_scaled_(F64(1, 2), 3, 0.5), -0.5, 0.5);
    SAME(ebb_add_scaled(ebb_gt(a, 6), ebb_gt(b, 1), 2), 1, 1, 1, 0, 0);
    SAME(ebb_hardtanh(a, .min_val = EBB_SET(-1.5), .max_val = EBB_SET(3.5)), 3, -1, 3, -1, 3);
    SAME(ebb_threshold(a, 5.5, 7.5), 7, 7, 7, 7, 7);
    SAME(ebb_relu6(a), 6, 0, 6, 0, 5);
    CHECK(!ebb_hardtanh(ebb_to(a, EBB_U8)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "hardtanh: -1 does not fit in uint8");
    CHECK(ebb_tensor_dtype(ebb_float_power(a, 0.5)) == EBB_F64);
    SAME(ebb_bitwise_and(a, 6), 6, 0, 6, 0, 4);
    SAME(ebb_bitwise_xor(a, b), 5, -5, -7, 7, 5);
    SAME(ebb_bitwise_not(a), -8, 6, -8, 6, -6);
    SAME(ebb_logical_xor(a, b), 0, 0, 0, 0, 1);
    SAME(ebb_fmax(a, b), 7, 2, 7, -2, 5);
    SAME(ebb_isfinite(a), 1, 1, 1, 1, 1);
    SAME(ebb_isinf(F64(1, INFINITY, NAN)), 0, 1, 0);
    SAME(ebb_isnan(F64(1, INFINITY, NAN)), 0, 0, 1);
    CHECK(ebb_tensor_dtype(ebb_ceil(a)) == EBB_I64 && ebb_tensor_dtype(ebb_exp2(a)) == EBB_F32);
}

EBB_TEST_MAIN
