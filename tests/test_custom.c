/* Operators of users' own by the public struct: several outputs, contexts, what is saved, which gradients are wanted,
 * constant outputs, writing in place, undefined gradients, rules that can be differentiated once, forward rules. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <math.h>

static ebb_tensor *leaf(double v) { return ebb_scalar(v, .requires_grad = true, .dtype = EBB_F64); }
static double grad_of(const ebb_tensor *t) { return ebb_tensor_grad(t) ? ebb_item(ebb_tensor_grad(t)) : -1; }

static const double *values(const ebb_tensor *t) { return ebb_tensor_data((ebb_tensor *)(uintptr_t)t); }

static ebb_status same_shape(struct ebb_infer *f) {
    for (int64_t k = 0; k < f->n_out; k++) f->out[k].shape = f->in[0].shape;
    return EBB_OK;
}

#define ON_DOUBLES .promote = EBB_PROMOTE_COMMON, .dtypes = EBB_DTYPES(EBB_F64), .contiguous = true, .infer = same_shape

/* ---- several outputs: (x y, x + y) ---- */

static ebb_status two_forward(struct ebb_forward *f) {
    const double *x = values(f->in[0]), *y = values(f->in[1]);
    double *product = ebb_tensor_data(f->out[0]), *sum = ebb_tensor_data(f->out[1]);
    for (int64_t i = 0; i < ebb_tensor_numel(f->in[0]); i++) {
        product[i] = x[i] * y[i];
        sum[i] = x[i] + y[i];
    }
    return EBB_OK;
}

static bool needed[2], flowed[2];
static void two_vjp(struct ebb_vjp_call *v) {
    for (int i = 0; i < 2; i++) {
        needed[i] = v->needs[i];
        flowed[i] = v->grad[i];
        if (!v->needs[i]) continue;
        ebb_tensor *g = v->grad[0] ? ebb_mul(v->grad[0], v->in[1 - i]) : NULL;
        if (v->grad[1]) g = g ? ebb_add(g, v->grad[1]) : v->grad[1];
        if (g) ebb_vjp_give(v, i, g);
    }
}

#define TWO \
    .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}, {"y", EBB_INPUT_TENSOR}), .n_in = 2, \
    .out = EBB_OUTPUTS({.name = "product"}, {.name = "sum"}), .n_out = 2, .forward = two_forward, .vjp = two_vjp, \
    .saves = {EBB_IN(1), EBB_IN(0)}, ON_DOUBLES

static const struct ebb_op two = {.name = "two", .node = "TwoBackward", TWO};
static const struct ebb_op two_undefined = {.name = "two", .node = "TwoBackward", TWO, .undefined_grads = true};

static const struct ebb_op own = {.name = "softmax", /* of this name there is another */
                                  .signature = "Tensor x -> Tensor",
                                  .doc = "Twice x.",
                                  .formula = EBB_FORMULAS("2 * g"),
                                  .samples = EBB_SAMPLES("(3)", "()")};
EBB_TEST(what_is_written_about_operators) {
    const struct ebb_op *built_in = ebb_op_find("softmax");
    struct ebb_op_texts mine = ebb_op_text(&own), theirs = ebb_op_text(built_in), none = ebb_op_text(NULL);
    CHECK(mine.doc == own.doc && mine.signature == own.signature && mine.samples == own.samples && !mine.torch);
    CHECK(!strcmp(mine.formula[0], "2 * g") && !mine.formula[1]);
    CHECK(!built_in->doc && !built_in->formula && !built_in->samples && !built_in->signature);
    CHECK(strstr(theirs.doc, "sum to one") && !strcmp(theirs.torch, "torch.softmax") && !theirs.parts);
    CHECK(!strcmp(theirs.signature, "Tensor self, dim dim, dtype dtype=none -> Tensor"));
    CHECK(!strcmp(theirs.formula[0], "y * (g - sum(g * y, dim, True))") && !theirs.formula[1]);
    CHECK(!strcmp(theirs.samples[0], "(3,4) dim=1"));
    CHECK(!none.doc && !none.samples && !none.formula[0]);
    CHECK(!strcmp(ebb_op_output_name(ebb_op_find("max_dim"), 1), "indices"));
    CHECK(!ebb_op_output_name(ebb_op_find("max_dim"), 2) && !ebb_op_output_name(built_in, 0));
}
EBB_TEST(several_outputs) {
    EBB_SCOPE {
        ebb_tensor *in[] = {leaf(3), leaf(5)}, *out[2];
        CHECK(!ebb_call_op(&two, in, 2, NULL, out));
        CHECK(ebb_tensor_grad_fn(out[0]) == ebb_tensor_grad_fn(out[1]));
        CHECK(!strcmp(ebb_node_name(ebb_tensor_grad_fn(out[0])), "TwoBackward"));
        CHECK(!ebb_backward(ebb_add(ebb_mul(out[0], 2.0), ebb_mul(out[1], 7.0))));
        CHECK(grad_of(in[0]) == 17 && grad_of(in[1]) == 13);
    }
}

EBB_TEST(undefined_gradients_are_zeros_or_handed_on) {
    for (int undefined = 0; undefined < 2; undefined++) {
        EBB_SCOPE {
            ebb_tensor *in[] = {leaf(3), leaf(5)}, *out[2];
            CHECK(!ebb_call_op(undefined ? &two_undefined : &two, in, 2, NULL, out));
            CHECK(!ebb_backward(out[1]));
            CHECK(flowed[0] == !undefined && flowed[1]);
            CHECK(grad_of(in[0]) == 1 && grad_of(in[1]) == 1);
        }
    }
}

/* ctx.needs_input_grad */
EBB_TEST(a_rule_knows_which_gradients_are_wanted) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = leaf(5), *constant = ebb_scalar(2.0, .dtype = EBB_F64), *g, *out[2];
        CHECK(!ebb_call_op(&two, (ebb_tensor *[]){x, constant}, 2, NULL, out) && !ebb_backward(out[0]));
        CHECK(needed[0] && !needed[1]);
        CHECK(!ebb_call_op(&two, (ebb_tensor *[]){x, y}, 2, NULL, out));
        CHECK(!ebb_grad(EBB_LIST(out[0]), EBB_LIST(y), &g, .retain_graph = true) && !needed[0] && needed[1]);
        CHECK(!ebb_backward(out[0], .inputs = EBB_LIST(x)) && needed[0] && !needed[1]);
    }
}

/* Only what the gradients that are needed read is saved. */
EBB_TEST(what_is_saved_is_what_is_needed) {
    EBB_SCOPE {
        ebb_tensor *in[] = {leaf(3), ebb_scalar(2.0, .dtype = EBB_F64)}, *out[2];
        CHECK(!ebb_call_op(&two, in, 2, NULL, out));
        ebb_node *n = ebb_tensor_grad_fn(out[0]);
        CHECK(ebb_node_n_saved(n) == 1 && !strcmp(ebb_node_saved_name(n, 0), "y"));
    }
}

EBB_TEST(no_input_needs_a_gradient) {
    EBB_SCOPE {
        ebb_tensor *in[] = {ebb_scalar(3.0, .dtype = EBB_F64), ebb_scalar(2.0, .dtype = EBB_F64)}, *out[2];
        CHECK(!ebb_call_op(&two, in, 2, NULL, out));
        CHECK(!ebb_tensor_requires_grad(out[0]) && ebb_tensor_is_leaf(out[1]));
        EBB_NO_GRAD {
            in[0] = leaf(3);
            CHECK(!ebb_call_op(&two, in, 2, NULL, out) && !ebb_tensor_requires_grad(out[0]));
        }
    }
}

/* ---- an extra that is saved: a further output, constant, that callers do not see ---- */

static bool extra_needed; /* in the last call; the extra is not computed otherwise */
static ebb_status extra_forward(struct ebb_forward *f) {
    double *y = ebb_tensor_data(f->out[0]), *e = ebb_tensor_data(f->out[1]);
    extra_needed = ebb_forward_needs(f, 0);
    for (int64_t i = 0; i < ebb_tensor_numel(f->in[0]); i++) {
        double once = exp(values(f->in[0])[i]);
        e[i] = extra_needed ? once : (double)NAN;
        y[i] = once * once;
    }
    return EBB_OK;
}

static ebb_status copies_forward(struct ebb_forward *f) {
    memcpy(ebb_tensor_data(f->out[0]), values(f->in[0]), (size_t)ebb_tensor_numel(f->in[0]) * sizeof(double));
    return EBB_OK;
}

static void extra_vjp(struct ebb_vjp_call *v) {
    CHECK(!v->node || (v->grad[1] && !v->in[0] && !v->out[0])); /* what was not declared is not there */
    ebb_vjp_give(v, 0, ebb_mul(ebb_mul(v->grad[0], 2.0), ebb_mul(v->out[1], v->out[1])));
}

static const struct ebb_op extra = {.name = "extra",
                                    .node = "ExtraBackward",
                                    .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                    .n_in = 1,
                                    .out = EBB_OUTPUTS({.name = "y"}, {.name = "e"}),
                                    .n_out = 2,
                                    .forward = extra_forward,
                                    .vjp = extra_vjp,
                                    .saves = {EBB_OUT(1)},
                                    .constant_outs = EBB_OUT(1),
                                    ON_DOUBLES};

EBB_TEST(extras_are_saved_and_constant) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(0.5), *out[2];
        CHECK(!ebb_call_op(&extra, &x, 1, NULL, out));
        CHECK(ebb_tensor_requires_grad(out[0]) && !ebb_tensor_requires_grad(out[1]));
        CHECK(ebb_tensor_is_leaf(out[1]) && !ebb_tensor_grad_fn(out[1]));
        CHECK(!strcmp(ebb_node_saved_name(ebb_tensor_grad_fn(out[0]), 0), "e"));
        CHECK(ebb_backward(out[1]) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "does not require gradients");
        CHECK(!ebb_backward(out[0]));
        CHECK_CLOSE(grad_of(x), 2 * exp(1), 1e-14);
    }
}

static ebb_status gradient_of_extra(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *x = ebb_requires_grad_(ebb_detach(in.t[0]), true), *out[2];
    (void)context;
    if (!ebb_call_op(&extra, &x, 1, NULL, out))
        (void)ebb_grad(EBB_LIST(out[0]), EBB_LIST(x), &ret_out->t[ret_out->n++]);
    return ebb_error_status();
}

EBB_TEST(forward_knows_which_gradients_may_be_wanted) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_full(EBB_DIMS(2), 0.5, .dtype = EBB_F64, .requires_grad = true), *out[2], *t, *view;
        ebb_tensor *constant = ebb_detach(x);
        CHECK(!ebb_call_op(&extra, &x, 1, NULL, out) && extra_needed);
        CHECK(!ebb_call_op(&extra, &constant, 1, NULL, out) && !extra_needed);
        EBB_NO_GRAD CHECK(!ebb_call_op(&extra, &x, 1, NULL, out) && !extra_needed); /* PyTorch's is true here */
        x = ebb_to(ebb_full(EBB_DIMS(2), 0.5, .requires_grad = true), EBB_F64);     /* not what requires it itself */
        CHECK(!ebb_call_op(&extra, &x, 1, NULL, out) && extra_needed);
        view = ebb_slice(constant, 0, 0, 1); /* whose base has a history since */
        ebb_mul_(constant, x);
        CHECK(!ebb_call_op(&extra, &view, 1, NULL, out) && extra_needed);
        EBB_DUAL_LEVEL {
            t = ebb_make_dual(ebb_zeros(EBB_DIMS(2), .dtype = EBB_F64), ebb_ones(EBB_DIMS(2), .dtype = EBB_F64));
            CHECK(!ebb_call_op(&extra, &t, 1, NULL, out) && ebb_unpack_dual(out[0], &t));
            CHECK_VALUES(t, 0, 2, 2);
        }
        EBB_MEMORY_BUDGET(0, NULL) { /* computed again in a hook, where nothing is recorded */
            t = ebb_mul(x, 1.0);
            CHECK(!ebb_call_op(&extra, &t, 1, NULL, out));
        }
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(out[0])), EBB_LIST(x), &t));
        CHECK_VALUES(t, 1e-14, 2 * exp(1), 2 * exp(1));
        ebb_outputs y = {0}; /* the samples require nothing */
        CHECK(!ebb_vmap(gradient_of_extra, NULL, EBB_LIST(ebb_zeros(EBB_DIMS(3), .dtype = EBB_F64)), &y));
        CHECK_VALUES(y.t[0], 0, 2, 2, 2);
    }
}

EBB_TEST(an_extra_that_is_overwritten) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(0.5), *out[2];
        CHECK(!ebb_call_op(&extra, &x, 1, NULL, out));
        ebb_add_(out[1], 1.0);
        CHECK(ebb_backward(out[0]) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "ExtraBackward");
    }
}

EBB_TEST(the_constant_output_has_no_tangent) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(0.5), *out[2], *t[2];
        EBB_DUAL_LEVEL {
            ebb_tensor *dual = ebb_make_dual(x, ebb_ones_like(x));
            CHECK(!ebb_call_op(&extra, &dual, 1, NULL, out));
            for (int k = 0; k < 2; k++) CHECK(ebb_unpack_dual(out[k], &t[k]));
            CHECK_CLOSE(ebb_item(t[0]), 2 * exp(1), 1e-14);
            CHECK(!t[1]);
        }
    }
}

static bool fails;
static void moody_vjp(struct ebb_vjp_call *v) {
    if (fails) ebb_fail(EBB_ERR_CALLBACK, "not now");
    else ebb_vjp_give(v, 0, ebb_mul(v->grad[0], v->in[0]));
}
static const struct ebb_op moody = {.name = "moody",
                                    .node = "MoodyBackward",
                                    .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                    .n_in = 1,
                                    .n_out = 1,
                                    .forward = copies_forward,
                                    .vjp = moody_vjp,
                                    .saves = {EBB_IN(0)},
                                    ON_DOUBLES};

/* What a rule reads is released when it has run, not when it has failed. */
EBB_TEST(a_rule_that_has_failed_can_be_run_again) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = ebb_call_op1(&moody, &x, 1, NULL);
        fails = true;
        CHECK(ebb_backward(y) == EBB_ERR_CALLBACK);
        CHECK_ERROR(EBB_ERR_CALLBACK, "not now");
        fails = false;
        CHECK(!ebb_backward(y));
        CHECK(grad_of(x) == 3);
        CHECK(ebb_backward(y) == EBB_ERR_FREED);
        CHECK_ERROR(EBB_ERR_FREED, "MoodyBackward");
    }
}

/* ---- a context of the user's ---- */

struct scaling {
    int refs, calls;
    double factor;
};
struct scale {
    struct scaling *by;
};

static void scaling_keep(void *attrs) { ((struct scale *)attrs)->by->refs++; }
static void scaling_drop(void *attrs) { ((struct scale *)attrs)->by->refs--; }

static ebb_tensor *scale_compose(struct ebb_forward *f) {
    return ebb_mul(f->in[0], ((const struct scale *)f->attrs)->by->factor);
}
static void scale_vjp(struct ebb_vjp_call *v) {
    struct scaling *by = ((const struct scale *)v->attrs)->by;
    by->calls++;
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], by->factor));
}

static const struct ebb_op scale = {.name = "scale",
                                    .node = "ScaleBackward",
                                    .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                    .n_in = 1,
                                    .attrs_size = sizeof(struct scale),
                                    .keep_attrs = scaling_keep,
                                    .drop_attrs = scaling_drop,
                                    .compose = scale_compose,
                                    .vjp = scale_vjp};

EBB_TEST(a_context_lives_as_long_as_a_node_has_it) {
    struct scaling by = {.factor = 3};
    ebb_tensor *y = NULL;
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        y = ebb_keep(ebb_call_op1(&scale, &x, 1, &(struct scale){&by}));
        CHECK(by.refs == 1);
        EBB_NO_GRAD CHECK(ebb_call_op1(&scale, &x, 1, &(struct scale){&by}));
        CHECK(by.refs == 1); /* nothing was recorded */
        by.factor = 7;       /* the context itself, not a copy */
        CHECK(!ebb_backward(y) && by.calls == 1);
        CHECK_CLOSE(grad_of(x), 7, 0);
    }
    ebb_drop(y);
    CHECK(by.refs == 0);
}

/* ---- writing in place: mark_dirty ---- */

static ebb_status halve_forward(struct ebb_forward *f) {
    double *y = ebb_tensor_data(f->out[0]);
    for (int64_t i = 0; i < ebb_tensor_numel(f->in[0]); i++) y[i] = values(f->in[0])[i] / 2;
    return EBB_OK;
}
static void halve_vjp(struct ebb_vjp_call *v) { ebb_vjp_give(v, 0, ebb_mul(v->grad[0], 0.5)); }

static const struct ebb_op halve = {.name = "halve",
                                    .node = "HalveBackward",
                                    .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                    .n_in = 1,
                                    .inplace = true,
                                    .forward = halve_forward,
                                    .vjp = halve_vjp,
                                    ON_DOUBLES};

EBB_TEST(an_input_is_written) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = ebb_mul(x, 8.0);
        uint32_t version = ebb_tensor_version(y);
        CHECK(ebb_call_op_inplace(&halve, &y, 1, NULL) == y);
        CHECK(ebb_tensor_version(y) == version + 1 && ebb_item(y) == 12);
        CHECK(!strcmp(ebb_node_name(ebb_tensor_grad_fn(y)), "HalveBackward"));
        CHECK(!ebb_backward(y));
        CHECK_CLOSE(grad_of(x), 4, 0);
    }
}

EBB_TEST(an_input_that_is_a_view_is_written) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_full(EBB_DIMS(3), 2.0, .dtype = EBB_F64, .requires_grad = true);
        ebb_tensor *y = ebb_mul(x, 3.0), *v = ebb_slice(y, 0, 0, 2);
        CHECK(ebb_call_op_inplace(&halve, &v, 1, NULL) == v);
        CHECK(!ebb_backward(ebb_sum(y)));
        CHECK_VALUES(ebb_tensor_grad(x), 0, 1.5, 1.5, 3);
    }
}

EBB_TEST(what_may_not_be_written) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = ebb_mul(x, 2.0), *z = ebb_mul(y, y), *in[] = {y, x};
        CHECK(!ebb_call_op_inplace(&halve, &x, 1, NULL));
        CHECK_ERROR(EBB_ERR_GRAPH, "halve_: self is a leaf that requires gradients");
        CHECK(!ebb_call_op_inplace(&two, in, 2, NULL));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "has no in-place form");
        CHECK(ebb_call_op_inplace(&halve, &y, 1, NULL) == y && ebb_backward(z) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "MulBackward0");
    }
}

/* ---- rules that can be differentiated once ---- */

static ebb_status sine_forward(struct ebb_forward *f) {
    double *y = ebb_tensor_data(f->out[0]);
    for (int64_t i = 0; i < ebb_tensor_numel(f->in[0]); i++) y[i] = sin(values(f->in[0])[i]);
    return EBB_OK;
}
static void sine_vjp(struct ebb_vjp_call *v) { /* on the numbers themselves */
    ebb_tensor *g = ebb_clone(v->grad[0]);
    double *d = g ? ebb_tensor_data(g) : NULL;
    CHECK(!ebb_is_grad_enabled());
    for (int64_t i = 0; d && i < ebb_tensor_numel(g); i++) d[i] *= cos(values(v->in[0])[i]);
    ebb_vjp_give(v, 0, g);
}

#define SINE \
    .name = "sine", .node = "SineBackward", .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}), .n_in = 1, \
    .forward = sine_forward, .vjp = sine_vjp, .saves = {EBB_IN(0)}, .once_differentiable = true, ON_DOUBLES

static const struct ebb_op sine = {SINE};

static void sine_jvp(struct ebb_jvp_call *j) { ebb_jvp_give(j, 0, ebb_mul(j->tangent[0], ebb_cos(j->in[0]))); }
static const struct ebb_op sine_forward_too = {SINE, .jvp = sine_jvp};

EBB_TEST(a_second_derivative_is_refused) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(0.3), *y = ebb_call_op1(&sine, &x, 1, NULL), *g, *h;
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .retain_graph = true));
        CHECK_CLOSE(ebb_item(g), cos(0.3), 1e-15);
        /* where nothing upstream requires gradients the result is a constant, as in PyTorch */
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .create_graph = true) && !ebb_tensor_requires_grad(g));
        CHECK(!ebb_grad(EBB_LIST(ebb_mul(y, y)), EBB_LIST(x), &g, .create_graph = true));
        CHECK_CLOSE(ebb_item(g), 2 * sin(0.3) * cos(0.3), 1e-15);
        CHECK(ebb_tensor_requires_grad(g) && !strcmp(ebb_node_name(ebb_tensor_grad_fn(g)), "Error"));
        CHECK(ebb_grad(EBB_LIST(g), EBB_LIST(x), &h) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "the rule of sine can be differentiated once only");
    }
}

EBB_TEST(a_forward_rule_of_ones_own) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(0.3), *t;
        EBB_DUAL_LEVEL {
            ebb_tensor *dual = ebb_make_dual(x, ebb_scalar(2.0, .dtype = EBB_F64));
            CHECK(ebb_unpack_dual(ebb_call_op1(&sine_forward_too, &dual, 1, NULL), &t));
            CHECK_CLOSE(ebb_item(t), 2 * cos(0.3), 1e-15);
            CHECK(!ebb_call_op1(&sine, &dual, 1, NULL));
            CHECK_ERROR(EBB_ERR_GRAPH, "can be differentiated once only, and has no forward rule of its own (sine)");
        }
    }
}

static ebb_status call_sine(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = ebb_call_op1(&sine_forward_too, in.t, 1, NULL);
    return ebb_error_status();
}

EBB_TEST(rules_are_checked_against_differences) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_requires_grad_(ebb_linspace(-1, 2, 5, .dtype = EBB_F64), true);
        CHECK(!ebb_gradcheck(call_sine, NULL, EBB_LIST(x), .forward_mode = true));
    }
}

/* ---- rules that are wrong ---- */

static int mistake;
static void wrong_vjp(struct ebb_vjp_call *v) {
    if (mistake == 0) ebb_vjp_give(v, 0, ebb_ones(EBB_DIMS(2, 4), .dtype = EBB_F64));
    if (mistake == 1) ebb_vjp_give(v, 5, v->grad[0]);
    if (mistake == 2) ebb_vjp_give(v, 0, NULL);
    if (mistake == 3) ebb_fail(EBB_ERR_CALLBACK, "not today");
    if (mistake == 5) ebb_vjp_give(v, 0, ebb_mm(v->grad[0], v->grad[0]));
    if (mistake == 4) ebb_vjp_give(v, 0, ebb_to(v->grad[0], EBB_F32)); /* is cast back */
}
static const struct ebb_op wrong = {.name = "wrong",
                                    .node = "WrongBackward",
                                    .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                    .n_in = 1,
                                    .forward = halve_forward,
                                    .vjp = wrong_vjp,
                                    ON_DOUBLES};

EBB_TEST(mistakes_are_named_with_the_line) {
    const struct {
        ebb_status status;
        const char *text;
    } errors[] = {{EBB_ERR_SHAPE, "a gradient of shape [2, 4] does not fit an input of shape [3]"},
                  {EBB_ERR_ARGUMENT, "the rule of wrong gave a gradient for input 5 of 1"},
                  {EBB_ERR_ARGUMENT, "the rule of wrong gave NULL as the gradient of input 0"},
                  {EBB_ERR_CALLBACK, "not today"}};
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(3), .dtype = EBB_F64, .requires_grad = true);
        for (mistake = 0; mistake < 4; mistake++) {
            int line = __LINE__ + 1;
            ebb_tensor *y = ebb_call_op1(&wrong, ((void)EBB_HERE, &x), 1, NULL);
            CHECK(ebb_backward(ebb_sum(y)) == errors[mistake].status);
            CHECK(mistake == 0 || ebb_error()->line == line); /* of the call, unless the rule made calls of its own */
            CHECK_ERROR(errors[mistake].status, errors[mistake].text);
            CHECK(!ebb_tensor_grad(x));
        }
        CHECK(!ebb_backward(ebb_sum(ebb_call_op1(&wrong, &x, 1, NULL))));
        CHECK(ebb_tensor_dtype(ebb_tensor_grad(x)) == EBB_F64);
    }
}

static const struct ebb_op without_node = {.name = "without_node",
                                           .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                           .n_in = 1,
                                           .forward = halve_forward,
                                           .vjp = wrong_vjp,
                                           ON_DOUBLES};

EBB_TEST(a_node_without_a_name_has_the_operators) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = ebb_call_op1(&without_node, &x, 1, NULL);
        CHECK(!strcmp(ebb_node_name(ebb_tensor_grad_fn(y)), "without_node"));
        mistake = 5;
        CHECK(ebb_backward(ebb_sum(y)) == EBB_ERR_SHAPE && !strcmp(ebb_error()->op, "without_node"));
        CHECK_ERROR(EBB_ERR_SHAPE, "mm: ");
    }
}

/* No rule at all is an error when it is recorded, and not before. */
static const struct ebb_op no_rule = {.name = "no_rule",
                                      .node = "NoRuleBackward",
                                      .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                      .n_in = 1,
                                      .forward = halve_forward,
                                      ON_DOUBLES};
static const struct ebb_op constant = {.name = "constant",
                                       .node = "ConstantBackward",
                                       .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                       .n_in = 1,
                                       .forward = halve_forward,
                                       .no_derivative = true,
                                       ON_DOUBLES};

EBB_TEST(operators_without_a_rule) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y;
        CHECK(!ebb_call_op1(&no_rule, &x, 1, NULL));
        CHECK_ERROR(EBB_ERR_GRAPH, "has no derivative rule");
        EBB_NO_GRAD CHECK(ebb_call_op1(&no_rule, &x, 1, NULL));
        y = ebb_call_op1(&constant, &x, 1, NULL);
        CHECK(y && !ebb_tensor_requires_grad(y));
    }
}

/* ---- a rule that gives nothing, and one that runs a pass ---- */

static void nothing_vjp(struct ebb_vjp_call *v) { (void)v; }
static const struct ebb_op nothing = {.name = "nothing",
                                      .node = "NothingBackward",
                                      .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                      .n_in = 1,
                                      .forward = halve_forward,
                                      .vjp = nothing_vjp,
                                      ON_DOUBLES};

EBB_TEST(no_gradient_given_means_zero) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = ebb_call_op1(&nothing, &x, 1, NULL), *g;
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), &g, .retain_graph = true, .allow_unused = true) && !g);
        CHECK(!ebb_backward(ebb_add(y, ebb_mul(x, 2.0))));
        CHECK_CLOSE(grad_of(x), 2, 0);
    }
}

static void square_vjp(struct ebb_vjp_call *v) {
    EBB_ENABLE_GRAD {
        ebb_tensor *x = ebb_requires_grad_(ebb_detach(v->in[0]), true), *g;
        if (ebb_grad(EBB_LIST(ebb_mul(x, x)), EBB_LIST(x), &g, .grad_outputs = EBB_LIST(v->grad[0]))) break;
        ebb_vjp_give(v, 0, g);
    }
}
static const struct ebb_op square = {.name = "square",
                                     .node = "SquareBackward",
                                     .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}),
                                     .n_in = 1,
                                     .forward = halve_forward,
                                     .vjp = square_vjp,
                                     .saves = {EBB_IN(0)},
                                     ON_DOUBLES};

EBB_TEST(a_rule_that_runs_a_pass) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(3), *y = ebb_call_op1(&square, &x, 1, NULL);
        CHECK(!ebb_backward(ebb_mul(y, 5.0)));
        CHECK_CLOSE(grad_of(x), 30, 0);
    }
}

/* ---- when memory runs out ---- */

static ebb_tensor *pass_on(ebb_tensor *g, void *context) {
    (void)context;
    return ebb_mul(g, 1.0);
}
static void look_on(ebb_node *n, ebb_tensor **in, ebb_tensor *const *out, void *context) {
    (void)n;
    (void)out;
    (void)context;
    if (in[0]) in[0] = ebb_mul(in[0], 1.0);
}

/* With hooks on tensors, nodes and saved tensors. */
static struct scaling failing = {.factor = 3};
static void scale_and_back(void) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *in[] = {x, leaf(3)}, *out[2] = {NULL};
        ebb_tensor *y = ebb_call_op1(&scale, &x, 1, &(struct scale){&failing});
        EBB_SAVED_HOOKS(ebb_saved_to_bf16()) {
            if (!y || !in[1] || ebb_call_op(&two, in, 2, NULL, out)) break;
        }
        ebb_tensor *sum = ebb_add(y, out[0]);
        if (!sum || !ebb_register_hook(sum, pass_on, NULL, NULL)) break;
        if (!ebb_node_register_hook(ebb_tensor_grad_fn(sum), look_on, NULL, NULL) || ebb_retain_grad(y)) break;
        ebb_backward(ebb_add(sum, ebb_call_op1(&sine, &x, 1, NULL)));
    }
    CHECK(failing.refs == 0);
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(scale_and_back, 0); }

EBB_TEST_MAIN
