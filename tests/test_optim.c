/* Optimizers: PyTorch's numbers after ten steps, what they keep, and what they refuse. */
#include "tests/check.h"
#include <ebb/ebb.h>

/* Two parameters after ten steps on the loss below, by PyTorch 2.13 in double precision. */
static const struct golden {
    const char *name;
    double values[7];
} golden[] = {
    {"sgd",
     {0.18546213773564024, -0.41994345806627625, 1.0879492456975253, 0.40076473520516909, -1.8115076454796155,
      -0.15230335996602701, 1.8756129889950255}},
    {"sgd weight_decay",
     {0.18584795409955615, -0.39234657531459005, 1.0617170209140752, 0.37865375825050535, -1.7221930642088388,
      -0.14655794736433064, 1.7792183065567349}},
    {"momentum",
     {-0.069419388194614892, 0.33883764509227193, 0.074329650228933869, -0.024459145309496607, -1.6844086927475572,
      -0.43944653216901203, 1.0821738863158776}},
    {"dampening",
     {-0.12274458530918941, 0.018258371088173464, 0.25250634548182488, 0.11392127095101946, -1.8568725956283088,
      -0.37877719569381263, 1.4277838486705716}},
    {"momentum weight_decay",
     {0.12292908222776085, -0.49934032694713404, 1.0262387165151796, 0.43471013646763851, -1.7885305506543663,
      -0.12110003531286251, 1.9168705945489752}},
    {"nesterov",
     {0.1329419594825797, 0.38837061427498698, 0.38746482124992676, 0.0099258437885206743, -1.5244081907018325,
      -0.3736576648340677, 1.0328152001154229}},
    {"sgd default",
     {0.47688660286515078, -1.2210750208602708, 1.9335859372708866, 0.97808954219270561, -2.0039589801288842,
      0.2325774116123083, 2.9661218904070981}},
    {"adam default",
     {0.49000935351923103, -1.2400051494159745, 1.9900055791711952, 0.99000527943143668, -2.0099707288946052,
      0.2400066404820925, 2.9900034135973033}},
    {"adam",
     {-0.073257905340272544, -0.33726496055744493, 1.1471608380977811, 0.14809845334908658, -1.3855796138485146,
      -0.48930022676235208, 2.0617609456414665}},
    {"adamw default",
     {0.48995985663496094, -1.2398806696077913, 1.9898061506579761, 0.98990576672211283, -2.0097702524690471,
      0.23998212454977969, 2.9897039096789588}},
    {"adamw",
     {0.10582068388144561, -0.16237224264833983, 0.89881522576101103, 0.077550806114159029, -1.0154469575382663,
      -0.35978026121483631, 1.4471284520840444}},
    {"adamw no decay",
     {-0.086920595163258646, -0.31630113343877941, 1.1168100588614494, 0.13498399411810968, -1.6814154597473083,
      -0.52016090656568559, 2.0556596882676423}},
};

static ebb_optim *make(int i, ebb_list p) {
    switch (i) {
    case 0: return ebb_sgd(p, .lr = 0.05);
    case 1: return ebb_sgd(p, .lr = 0.05, .weight_decay = 0.1);
    case 2: return ebb_sgd(p, .lr = 0.02, .momentum = 0.9);
    case 3: return ebb_sgd(p, .lr = 0.02, .momentum = 0.9, .dampening = 0.3);
    case 4: return ebb_sgd(p, .lr = 0.02, .momentum = 0.5, .weight_decay = 0.2);
    case 5: return ebb_sgd(p, .lr = 0.02, .momentum = 0.9, .nesterov = true);
    case 6: return ebb_sgd(p);
    case 7: return ebb_adam(p);
    case 8: return ebb_adam(p, .lr = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1);
    case 9: return ebb_adamw(p);
    case 10: return ebb_adamw(p, .lr = 0.1, .beta1 = 0.7, .beta2 = 0.9, .weight_decay = 0.3);
    default: return ebb_adamw(p, .lr = 0.1, .weight_decay = EBB_OPTIM_ZERO);
    }
}

static ebb_tensor *first(ebb_dtype dtype) {
    ebb_tensor *t = ebb_from_data((const double[]){0.5, -1.25, 2.0}, EBB_F64, EBB_DIMS(3));
    return ebb_requires_grad_(ebb_to(t, dtype), true);
}

static ebb_tensor *second(ebb_dtype dtype) {
    ebb_tensor *t = ebb_from_data((const double[]){1, -2, 0.25, 3}, EBB_F64, EBB_DIMS(2, 2));
    return ebb_requires_grad_(ebb_to(t, dtype), true);
}

/* sum(a^4) / 4 - sum(a) + (sum(b) / 2 + a[0])² + 0.3 sum(b²) */
static ebb_tensor *loss_of(ebb_tensor *a, ebb_tensor *b) {
    ebb_tensor *square = ebb_mul(a, a), *both = ebb_add(ebb_mul(ebb_sum(b), 0.5), ebb_select(a, 0, 0));
    ebb_tensor *loss = ebb_sub(ebb_mul(ebb_sum(ebb_mul(square, square)), 0.25), ebb_sum(a));
    return ebb_add(ebb_add(loss, ebb_mul(both, both)), ebb_mul(ebb_sum(ebb_mul(b, b)), 0.3));
}

static void check_golden(ebb_dtype dtype, double tolerance) {
    for (int i = 0; i < (int)(sizeof golden / sizeof *golden); i++) {
        ebb_scope scope = ebb_scope_open();
        ebb_tensor *a = first(dtype), *b = second(dtype);
        ebb_optim *optim = make(i, EBB_LIST(a, b));
        for (int step = 0; step < 10; step++) {
            CHECK(ebb_optim_zero_grad(optim) == EBB_OK);
            CHECK(ebb_backward(loss_of(a, b)) == EBB_OK);
            CHECK(ebb_optim_step(optim) == EBB_OK);
        }
        double got[7];
        ebb_tensor_read(a, EBB_F64, got);
        ebb_tensor_read(b, EBB_F64, got + 3);
        for (int k = 0; k < 7; k++)
            check_close(got[k], golden[i].values[k], tolerance, golden[i].name, __FILE__, __LINE__);
        ebb_optim_free(optim);
        ebb_scope_close(&scope);
    }
}

EBB_TEST(ten_steps_give_pytorchs_numbers_in_f64) { check_golden(EBB_F64, 1e-12); }
EBB_TEST(ten_steps_give_pytorchs_numbers_in_f32) { check_golden(EBB_F32, 3e-6); }

EBB_TEST(a_parameter_without_gradient_stays) {
    ebb_tensor *a = first(EBB_F32), *b = second(EBB_F32);
    ebb_optim *optim = ebb_adam(EBB_LIST(a, b), .lr = 0.5);
    CHECK(ebb_backward(ebb_sum(a)) == EBB_OK);
    uint32_t version = ebb_tensor_version(b);
    CHECK(ebb_optim_step(optim) == EBB_OK);
    CHECK_VALUES(a, 1e-6, 0, -1.75, 1.5);
    CHECK_VALUES(b, 0, 1, -2, 0.25, 3);
    CHECK(ebb_tensor_version(b) == version && !ebb_optim_state(optim, 1, 0));
    CHECK_VALUES(ebb_optim_state(optim, 0, 0), 1e-7, 0.1, 0.1, 0.1);
    CHECK_VALUES(ebb_optim_state(optim, 0, 1), 1e-9, 1e-3, 1e-3, 1e-3);
    CHECK(!ebb_optim_state(optim, 0, 2) && !ebb_optim_state(optim, 2, 0));
    CHECK(ebb_optim_zero_grad(optim) == EBB_OK && !ebb_tensor_grad(a));
    ebb_optim_free(optim);
}

EBB_TEST(a_step_is_seen_by_what_was_saved) {
    ebb_tensor *a = first(EBB_F32);
    ebb_optim *optim = ebb_sgd(EBB_LIST(a), .lr = 0.5);
    ebb_tensor *loss = ebb_sum(ebb_mul(a, a));
    CHECK(ebb_backward(loss, .retain_graph = true) == EBB_OK);
    CHECK(ebb_optim_step(optim) == EBB_OK);
    CHECK(ebb_backward(loss) == EBB_ERR_VERSION);
    ebb_clear_error();
    ebb_optim_free(optim);
}

EBB_TEST(gradients_may_lie_in_any_order) {
    ebb_tensor *b = second(EBB_F64);
    ebb_optim *optim = ebb_sgd(EBB_LIST(b), .lr = 1);
    ebb_tensor *g = ebb_from_data((const double[]){1, 2, 3, 4}, EBB_F64, EBB_DIMS(2, 2));
    CHECK(ebb_set_grad(b, ebb_transpose(g, 0, 1)) == EBB_OK);
    CHECK(ebb_optim_step(optim) == EBB_OK);
    CHECK_VALUES(b, 0, 0, -5, -1.75, -1);
    ebb_optim_free(optim);
}

EBB_TEST(the_learning_rate_changes) {
    ebb_tensor *a = first(EBB_F64);
    ebb_optim *optim = ebb_sgd(EBB_LIST(a), .lr = 1);
    CHECK(ebb_optim_set_lr(optim, 0.25) == EBB_OK && ebb_optim_lr(optim) == 0.25);
    CHECK(ebb_backward(ebb_sum(a)) == EBB_OK && ebb_optim_step(optim) == EBB_OK);
    CHECK_VALUES(a, 0, 0.25, -1.5, 1.75);
    CHECK(ebb_optim_set_lr(optim, -2) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "must not be negative");
    CHECK(strcmp(ebb_optim_name(optim), "sgd") == 0);
    ebb_optim_free(optim);
}

/* An optimizer of the user's own: the sign of the gradient. */
static ebb_status update_sign(const struct ebb_optim_update *u) {
    double *p = u->parameter;
    const double *g = u->grad;
    if (u->t > 2) return ebb_fail(EBB_ERR_CALLBACK, "enough");
    for (int64_t i = 0; i < u->n; i++) p[i] -= u->lr * (double)((g[i] > 0) - (g[i] < 0));
    return EBB_OK;
}

EBB_TEST(a_users_own_optimizer) {
    static const struct ebb_optim_type sign = {"sign", 0, 0, update_sign};
    ebb_tensor *a = first(EBB_F64);
    ebb_optim *optim = ebb_optim_new(&sign, EBB_LIST(a), 0.5, NULL);
    CHECK(ebb_backward(ebb_sum(ebb_mul(a, a))) == EBB_OK);
    CHECK(ebb_optim_step(optim) == EBB_OK);
    CHECK_VALUES(a, 0, 0, -0.75, 1.5);
    CHECK(ebb_optim_step(optim) == EBB_OK && ebb_optim_step(optim) == EBB_ERR_CALLBACK);
    CHECK_ERROR(EBB_ERR_CALLBACK, "enough");
    ebb_optim_free(optim);
}

EBB_TEST(what_cannot_be_optimized) {
    ebb_tensor *a = first(EBB_F32), *plain = ebb_zeros(EBB_DIMS(2)), *whole = ebb_zeros(EBB_DIMS(2), .dtype = EBB_I64);
    ebb_tensor *turned = ebb_requires_grad_(ebb_transpose(ebb_zeros(EBB_DIMS(2, 3)), 0, 1), true);
    CHECK(!ebb_sgd(EBB_LIST(a, plain)));
    CHECK_ERROR(EBB_ERR_GRAPH, "parameter 1 does not require gradients");
    CHECK(!ebb_sgd(EBB_LIST(ebb_mul(a, 2.0))));
    CHECK_ERROR(EBB_ERR_GRAPH, "parameter 0 was computed");
    CHECK(!ebb_adam(EBB_LIST(whole)));
    CHECK_ERROR(EBB_ERR_DTYPE, "is int64");
    CHECK(!ebb_adamw(EBB_LIST(turned)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "not contiguous");
    CHECK(!ebb_sgd(EBB_LIST(a, a)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "parameters 0 and 1 are one");
    ebb_list none = {0, NULL};
    CHECK(!ebb_sgd(none));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "at least one");
    CHECK(!ebb_sgd(EBB_LIST(a), .nesterov = true));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "nesterov needs momentum");
    CHECK(!ebb_sgd(EBB_LIST(a), .lr = -0.5));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "lr must not be negative");
    CHECK(!ebb_adam(EBB_LIST(a), .beta2 = 1.0));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "beta2 must be in [0, 1)");
    CHECK(!ebb_adam(EBB_LIST((ebb_tensor *)NULL)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "parameter 0 is NULL");
    CHECK(ebb_optim_step(NULL) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "optim is NULL");
    CHECK(!ebb_optim_free(NULL));
}

static void train_a_little(void) {
    EBB_SCOPE {
        ebb_tensor *a = first(EBB_F32), *b = second(EBB_F32);
        ebb_optim *optim = ebb_adam(EBB_LIST(a, b));
        ebb_backward(loss_of(a, b));
        ebb_optim_step(optim);
        ebb_optim_free(optim);
    }
}

EBB_TEST(every_allocation_may_fail) { CHECK_ALLOCATIONS_FAILING(train_a_little, 0); }

EBB_TEST(initial_values) {
    ebb_manual_seed(7);
    ebb_tensor *w = ebb_requires_grad_(ebb_zeros(EBB_DIMS(50, 6)), true);
    CHECK(ebb_init_kaiming_uniform_(w) == w && ebb_tensor_is_leaf(w));
    const float *v = ebb_tensor_data(w);
    double most = 0, square = 0;
    for (int i = 0; i < 300; i++) {
        most = v[i] > most ? (double)v[i] : -v[i] > most ? (double)-v[i] : most;
        square += (double)v[i] * (double)v[i] / 300;
    }
    CHECK(most <= 1 && most > 0.95);
    CHECK_CLOSE(square, 1.0 / 3, 0.05); /* the variance 2 / fan */
    CHECK(ebb_tensor_version(w) > 0);
    CHECK(!ebb_init_kaiming_uniform_(ebb_zeros(EBB_DIMS(3))));
    CHECK_ERROR(EBB_ERR_SHAPE, "at least two dimensions");
    CHECK(!ebb_init_uniform_(ebb_zeros(EBB_DIMS(3), .dtype = EBB_I64), 0, 1));
    CHECK_ERROR(EBB_ERR_DTYPE, "floating-point");
    CHECK(!ebb_init_uniform_(w, 1, -1));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "no range");
}

EBB_TEST_MAIN
