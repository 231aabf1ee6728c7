/* Calls by name: values of every kind, inputs by name, overloads, in-place forms, lists, and what is refused. */
#include "tests/check.h"
#include <ebb/ebb.h>

static ebb_tensor *matrix(void) {
    static const double v[] = {1, 2, 3, 4, 5, 6};
    return ebb_from_data(v, EBB_F64, EBB_DIMS(2, 3));
}

EBB_TEST(attributes_of_every_kind) {
    ebb_tensor *x = matrix(), *y;
    CHECK_VALUES(ebb_call("sum", EBB_LIST(x)), 0, 21);
    CHECK_VALUES(ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", EBB_DIMS(0, 1)))), 0, 21);
    y = ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", 1), EBB_ARG("keepdim", true)));
    CHECK_SHAPE(y, 2, 1);
    CHECK_VALUES(y, 0, 6, 15);
    y = ebb_call("sum", EBB_LIST(x),
                 EBB_ARGS(EBB_ARG("axis", -1), EBB_ARG("keepdims", false), EBB_ARG("dtype", EBB_F32)));
    CHECK(ebb_tensor_dtype(y) == EBB_F32);
    CHECK(ebb_tensor_dtype(ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("dtype", "float32")))) == EBB_F32);
    CHECK_VALUES(ebb_call("leaky_relu", EBB_LIST(ebb_neg(x)), EBB_ARGS(EBB_ARG("negative_slope", 1))), 0, -1, -2, -3,
                 -4, -5, -6);
    CHECK_VALUES(ebb_call("mse_loss", EBB_LIST(x, x), EBB_ARGS(EBB_ARG("reduction", "sum"))), 0, 0);
    CHECK_VALUES(ebb_call("mse_loss", EBB_LIST(x, x), EBB_ARGS(EBB_ARG("reduction", EBB_REDUCTION_MEAN))), 0, 0);
    CHECK_SHAPE(ebb_call("view", EBB_LIST(x), EBB_ARGS(EBB_ARG("size", EBB_DIMS(3, 2)))), 3, 2);
    y = ebb_call("zeros", EBB_LIST(NULL), EBB_ARGS(EBB_ARG("size", 4)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "takes at most 0 inputs in order, got 1");
    const ebb_list none = {0, NULL};
    y = ebb_call("zeros", none, EBB_ARGS(EBB_ARG("size", 4), EBB_ARG("requires_grad", true)));
    CHECK_SHAPE(y, 4);
    CHECK(ebb_tensor_requires_grad(y));
}

EBB_TEST(attributes_as_text) {
    ebb_tensor *x = matrix();
    CHECK_VALUES(ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG_TEXT("dim", "(0,1)"), EBB_ARG_TEXT("dtype", "none"))), 0,
                 21);
    CHECK_VALUES(ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG_TEXT("dim", "none"))), 0, 21);
    CHECK_SHAPE(ebb_call("mse_loss", EBB_LIST(x, x), EBB_ARGS(EBB_ARG_TEXT("reduction", "none"))), 2, 3);
    CHECK_VALUES(ebb_call("clamp", EBB_LIST(x), EBB_ARGS(EBB_ARG_TEXT("min", "2.5"), EBB_ARG_TEXT("max", "5"))), 0, 2.5,
                 2.5, 3, 4, 5, 5);
    CHECK(!ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG_TEXT("dim", "(0,"))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "sum: argument 'dim' must be a list of at most 8 ints, not text '(0,'");
}

EBB_TEST(parameters_of_C_have_defaults) {
    ebb_tensor *x = matrix();
    CHECK_SHAPE(ebb_call("cat", EBB_LIST(x, x)), 4, 3);
    CHECK_SHAPE(ebb_call("flatten", EBB_LIST(x)), 6);
    CHECK_SHAPE(ebb_call("flatten", EBB_LIST(ebb_call("stack", EBB_LIST(x, x))), EBB_ARGS(EBB_ARG("start_dim", 1))), 2,
                6);
    CHECK_VALUES(ebb_call("diagonal", EBB_LIST(x), EBB_ARGS(EBB_ARG("offset", 1))), 0, 2, 6);
    CHECK_VALUES(ebb_call("diagonal", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim1", NULL))), 0, 1, 5);
}

EBB_TEST(none_keeps_a_size) {
    ebb_tensor *x = ebb_ones(EBB_DIMS(1, 2, 5, 4)), *v = ebb_ones(EBB_DIMS(1, 2, 3, 5, 4));
    CHECK_SHAPE(ebb_call("adaptive_avg_pool2d", EBB_LIST(x), EBB_ARGS(EBB_ARG_TEXT("output_size", "(none,2)"))), 1, 2,
                5, 2);
    CHECK_SHAPE(ebb_call("adaptive_max_pool2d", EBB_LIST(x), EBB_ARGS(EBB_ARG_TEXT("output_size", "(3, none)"))), 1, 2,
                3, 4);
    CHECK_SHAPE(ebb_call("adaptive_avg_pool3d", EBB_LIST(v), EBB_ARGS(EBB_ARG_TEXT("output_size", "(none,1,none)"))), 1,
                2, 3, 1, 4);
    CHECK_SHAPE(ebb_call("adaptive_max_pool2d", EBB_LIST(x), EBB_ARGS(EBB_ARG("output_size", EBB_DIMS(-1, 2)))), 1, 2,
                5, 2);
    CHECK(!ebb_call("adaptive_avg_pool2d", EBB_LIST(x), EBB_ARGS(EBB_ARG_TEXT("output_size", "(nono,2)"))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "output_size");
    CHECK(!ebb_call("adaptive_avg_pool2d", EBB_LIST(x), EBB_ARGS(EBB_ARG("output_size", NULL))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "output_size");
    CHECK(!ebb_call("view", EBB_LIST(x), EBB_ARGS(EBB_ARG_TEXT("size", "(none,2)"))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "size");
}

EBB_TEST(none_is_the_default) {
    ebb_tensor *x = matrix();
    CHECK_VALUES(ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", NULL), EBB_ARG("dtype", NULL))), 0, 21);
    CHECK(!ebb_call("softmax", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", NULL))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "softmax: argument 'dim' must be an int, not None");
}

EBB_TEST(inputs_by_name) {
    ebb_tensor *x = matrix(), *mask = ebb_gt(x, 2.0);
    CHECK_VALUES(ebb_call("sub", EBB_LIST(x), EBB_ARGS(EBB_ARG("other", 1))), 0, 0, 1, 2, 3, 4, 5);
    CHECK_VALUES(ebb_call("sub", EBB_LIST(EBB_NUM(1.0)), EBB_ARGS(EBB_ARG("self", x))), 0, 0, 1, 2, 3, 4, 5);
    CHECK_VALUES(ebb_call("sub", EBB_LIST(x, EBB_NUM(1))), 0, 0, 1, 2, 3, 4, 5);
    CHECK_VALUES(ebb_call("exp", (ebb_list){0}, EBB_ARGS(EBB_ARG("input", ebb_mul(x, 0.0)))), 0, 1, 1, 1, 1, 1, 1);
    CHECK_VALUES(ebb_call("clamp", EBB_LIST(x), EBB_ARGS(EBB_ARG("max", 2.5))), 0, 1, 2, 2.5, 2.5, 2.5, 2.5);
    CHECK_VALUES(ebb_call("clamp", EBB_LIST(x), EBB_ARGS(EBB_ARG("min", ebb_full_like(x, 4)), EBB_ARG("max", NULL))), 0,
                 4, 4, 4, 4, 5, 6);
    CHECK_VALUES(ebb_call("where", EBB_LIST(mask), EBB_ARGS(EBB_ARG("input", x), EBB_ARG("other", 0))), 0, 0, 0, 3, 4,
                 5, 6);
    ebb_tensor *w = ebb_ones(EBB_DIMS(4, 3), .dtype = EBB_F64), *b = ebb_ones(EBB_DIMS(4), .dtype = EBB_F64);
    CHECK_VALUES(ebb_call("linear", EBB_LIST(x, w)), 0, 6, 6, 6, 6, 15, 15, 15, 15);
    CHECK_VALUES(ebb_call("linear", EBB_LIST(x, w, NULL)), 0, 6, 6, 6, 6, 15, 15, 15, 15);
    CHECK_VALUES(ebb_call("linear", EBB_LIST(x, w), EBB_ARGS(EBB_ARG("bias", b))), 0, 7, 7, 7, 7, 16, 16, 16, 16);
    CHECK(ebb_tensor_dtype(ebb_call("add", EBB_LIST(ebb_call("to", EBB_LIST(x), EBB_ARGS(EBB_ARG("dtype", EBB_I64)))),
                                    EBB_ARGS(EBB_ARG("other", 1)))) == EBB_I64);
}

EBB_TEST(lists_of_tensors) {
    ebb_tensor *x = matrix();
    CHECK_SHAPE(ebb_call("cat", EBB_LIST(x, x, x), EBB_ARGS(EBB_ARG("dim", 1))), 2, 9);
    CHECK_SHAPE(ebb_call("cat", (ebb_list){0}, EBB_ARGS(EBB_ARG("tensors", EBB_LIST(x, x)), EBB_ARG("dim", 0))), 4, 3);
    ebb_tensor *many[40];
    for (int i = 0; i < 40; i++) many[i] = x;
    CHECK_SHAPE(ebb_call("cat", ((ebb_list){40, many}), EBB_ARGS(EBB_ARG("dim", 0))), 80, 3);
    CHECK(!ebb_call("cat", (ebb_list){0}, EBB_ARGS(EBB_ARG("tensors", x), EBB_ARG("dim", 0))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'tensors' must be a list of Tensors, not Tensor");
}

EBB_TEST(all_outputs) {
    ebb_tensor *x = matrix();
    ebb_list out = {0};
    CHECK_VALUES(ebb_call("max", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", 0)), .ret_outputs = &out), 0, 4, 5, 6);
    CHECK(out.n == 2);
    CHECK_VALUES(out.t[1], 0, 1, 1, 1);
    CHECK_VALUES(ebb_call("unbind", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", 0)), .ret_outputs = &out), 0, 1, 2, 3);
    CHECK(out.n == 2);
    CHECK_VALUES(ebb_call("exp", EBB_LIST(ebb_mul(x, 0)), .ret_outputs = &out), 0, 1, 1, 1, 1, 1, 1);
    CHECK(out.n == 1);
}

EBB_TEST(outputs_that_are_asked_for) {
    ebb_tensor *x = ebb_reshape(ebb_arange(0.0, 16, 1, .dtype = EBB_F64), EBB_DIMS(1, 1, 4, 4)), *at;
    static const char *const pools[] = {"max_pool2d", "adaptive_max_pool2d"};
    for (int i = 0; i < 2; i++) {
        ebb_list out = {0};
        const char *size = i ? "output_size" : "kernel_size";
        CHECK_VALUES(ebb_call(pools[i], EBB_LIST(x), EBB_ARGS(EBB_ARG(size, 2)), .ret_outputs = &out), 0, 5, 7, 13, 15);
        CHECK(out.n == 1);
        (void)ebb_call(pools[i], EBB_LIST(x), EBB_ARGS(EBB_ARG(size, 2), EBB_ARG("return_indices", false)),
                       .ret_outputs = &out);
        CHECK(out.n == 1);
        (void)ebb_call(pools[i], EBB_LIST(x), EBB_ARGS(EBB_ARG(size, 2), EBB_ARG("return_indices", true)),
                       .ret_outputs = &out);
        CHECK(out.n == 2);
        CHECK_VALUES(out.t[1], 0, 5, 7, 13, 15);
    }
    CHECK_VALUES(ebb_max_pool2d(x, EBB_DIMS(2), .ret_indices = &at), 0, 5, 7, 13, 15); /* in C by its place */
    CHECK_VALUES(at, 0, 5, 7, 13, 15);
    ebb_tensor *list = ebb_reshape(ebb_fmod(x, 3.0), EBB_DIMS(-1));
    ebb_list out = {0};
    CHECK_VALUES(ebb_call("unique", EBB_LIST(list), .ret_outputs = &out), 0, 0, 1, 2);
    CHECK(out.n == 1);
    (void)ebb_call("unique", EBB_LIST(list), EBB_ARGS(EBB_ARG("return_counts", true)), .ret_outputs = &out);
    CHECK(out.n == 2);
    CHECK_VALUES(out.t[1], 0, 6, 5, 5);
}

EBB_TEST(arguments_of_pytorch_that_are_not_here) {
    ebb_tensor *x = matrix();
    CHECK_VALUES(ebb_call("relu", EBB_LIST(x), EBB_ARGS(EBB_ARG("inplace", false))), 0, 1, 2, 3, 4, 5, 6);
    CHECK(!ebb_call("relu", EBB_LIST(x), EBB_ARGS(EBB_ARG("inplace", true))));
    CHECK_ERROR(EBB_ERR_NAME, "relu: has no argument 'inplace': use relu_");
    CHECK(!ebb_call("dropout", EBB_LIST(x), EBB_ARGS(EBB_ARG("inplace", true))));
    CHECK_ERROR(EBB_ERR_NAME, "dropout: has no argument 'inplace': dropout has no in-place form");
    CHECK(!ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("inplace", false))));
    CHECK_ERROR(EBB_ERR_NAME, "sum: has no argument 'inplace'; there are: self, dim, keepdim, dtype");
    const ebb_args none = EBB_ARGS(EBB_ARG("size_average", NULL), EBB_ARG("reduce", NULL));
    CHECK_VALUES(ebb_call("mse_loss", EBB_LIST(x, x), none), 0, 0);
    CHECK(!ebb_call("mse_loss", EBB_LIST(x, x), EBB_ARGS(EBB_ARG("size_average", false))));
    CHECK_ERROR(EBB_ERR_NAME, "mse_loss: has no argument 'size_average': use reduction");
    CHECK(!ebb_call("embedding", EBB_LIST(ebb_arange(0, 2, 1), x), EBB_ARGS(EBB_ARG_TEXT("sparse", "true"))));
    CHECK_ERROR(EBB_ERR_NAME, "embedding: has no argument 'sparse': gradients are dense");
    const ebb_args device = EBB_ARGS(EBB_ARG("size", 2), EBB_ARG("device", "cpu"), EBB_ARG("pin_memory", false));
    CHECK_SHAPE(ebb_call("ones", ((ebb_list){0, NULL}), device), 2);
    CHECK(!ebb_call("ones", ((ebb_list){0, NULL}), EBB_ARGS(EBB_ARG("size", 2), EBB_ARG("device", "cuda"))));
    CHECK_ERROR(EBB_ERR_NAME, "ones: has no argument 'device': tensors are in the memory of the CPU");
    CHECK(!ebb_call("exp", EBB_LIST(x), EBB_ARGS(EBB_ARG("out", x))));
    CHECK_ERROR(EBB_ERR_NAME, "exp: has no argument 'out': results are returned");
}

/* In C 0 is an option that is not given; by name it is 0. */
EBB_TEST(zero_is_no_default_by_name) {
    ebb_tensor *x = ebb_ones(EBB_DIMS(1, 1, 4)), *w = ebb_ones(EBB_DIMS(1, 1, 2));
    CHECK_SHAPE(ebb_call("conv1d", EBB_LIST(x, w), EBB_ARGS(EBB_ARG("groups", 1))), 1, 1, 3);
    CHECK(!ebb_call("conv1d", EBB_LIST(x, w), EBB_ARGS(EBB_ARG("groups", 0))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "conv1d: argument 'groups' must be an int other than 0, not int 0");
    CHECK(!ebb_call("conv1d", EBB_LIST(x, w), EBB_ARGS(EBB_ARG_TEXT("groups", "0"))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "conv1d: argument 'groups' must be an int other than 0, not text '0'");
    x = ebb_ones(EBB_DIMS(1, 2, 2));
    CHECK_VALUES(
        ebb_call("avg_pool2d", EBB_LIST(x), EBB_ARGS(EBB_ARG("kernel_size", 2), EBB_ARG("divisor_override", 2))), 0, 2);
    CHECK_VALUES(
        ebb_call("avg_pool2d", EBB_LIST(x), EBB_ARGS(EBB_ARG("kernel_size", 2), EBB_ARG("divisor_override", NULL))), 0,
        1);
    CHECK(!ebb_call("avg_pool2d", EBB_LIST(x), EBB_ARGS(EBB_ARG("kernel_size", 2), EBB_ARG("divisor_override", 0))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'divisor_override' must be an int other than 0, not int 0");
}

EBB_TEST(overloads) {
    ebb_tensor *x = matrix();
    CHECK_VALUES(ebb_call("max", EBB_LIST(x)), 0, 6);
    CHECK_VALUES(ebb_call("max", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", 1), EBB_ARG("keepdim", true))), 0, 3, 6);
    CHECK(!ebb_call("max", EBB_LIST(x), EBB_ARGS(EBB_ARG("keepdim", true))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "max: missing the argument 'dim'");
    CHECK(!ebb_call("max", EBB_LIST(x), EBB_ARGS(EBB_ARG("dimm", 1))));
    CHECK_ERROR(EBB_ERR_NAME, "max: has no argument 'dimm'; did you mean 'dim'?; there are: self, dim, keepdim");
}

EBB_TEST(in_place_forms) {
    ebb_tensor *x = matrix();
    ebb_list out = {0};
    CHECK(ebb_call("add_", EBB_LIST(x, EBB_NUM(1)), .ret_outputs = &out) == x);
    CHECK(out.n == 1 && out.t[0] == x);
    CHECK(ebb_call("clamp_", EBB_LIST(x), EBB_ARGS(EBB_ARG("max", 3))) == x);
    CHECK_VALUES(x, 0, 2, 3, 3, 3, 3, 3);
    CHECK(!ebb_call("sum_", EBB_LIST(x)));
    CHECK_ERROR(EBB_ERR_NAME, "sum_: sum has no in-place form");
}

EBB_TEST(graphs_are_the_same) {
    ebb_tensor *x = ebb_requires_grad_(matrix(), true);
    ebb_tensor *y = ebb_call("sum", EBB_LIST(ebb_call("mul", EBB_LIST(x, x))));
    CHECK(!strcmp(ebb_node_name(ebb_tensor_grad_fn(y)), "SumBackward0"));
    CHECK(ebb_node_line(ebb_tensor_grad_fn(y)) == __LINE__ - 2);
    CHECK(!ebb_backward(y));
    CHECK_VALUES(ebb_tensor_grad(x), 0, 2, 4, 6, 8, 10, 12);
    CHECK(!ebb_set_grad(x, NULL));
}

EBB_TEST(what_is_refused) {
    ebb_tensor *x = matrix();
    CHECK(!ebb_call("smu", EBB_LIST(x)));
    CHECK(ebb_error()->line == __LINE__ - 1);
    CHECK_ERROR(EBB_ERR_NAME, "there is no operator 'smu'");
    CHECK(!ebb_call("logsumexpp", EBB_LIST(x)));
    CHECK_ERROR(EBB_ERR_NAME, "there is no operator 'logsumexpp'; did you mean 'logsumexp'?");
    CHECK(!ebb_call(NULL, EBB_LIST(x)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the operator's name is NULL");
    CHECK(!ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("dims", 1))));
    CHECK_ERROR(EBB_ERR_NAME, "sum: has no argument 'dims'; did you mean 'dim'?; there are: self, dim, keepdim, dtype");
    CHECK(!ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", "a"))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'dim' must be a list of at most 8 ints, not str 'a'");
    CHECK(!ebb_call("softmax", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", 1.0))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'dim' must be an int, not float");
    CHECK(!ebb_call("softmax", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", (bool)1))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'dim' must be an int, not bool");
    CHECK(!ebb_call("softmax", EBB_LIST(x)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "missing the argument 'dim'");
    CHECK(!ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("keepdim", 2))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'keepdim' must be a bool, not int");
    CHECK(!ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("dtype", 77))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'dtype' must be a dtype, not int");
    CHECK(!ebb_call("mse_loss", EBB_LIST(x, x), EBB_ARGS(EBB_ARG("reduction", 3))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'reduction' must be one of mean, sum, none, not int");
    CHECK(!ebb_call("mm", EBB_LIST(x), EBB_ARGS(EBB_ARG("mat2", 2))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'mat2' must be a Tensor, not int");
    CHECK(!ebb_call("mm", EBB_LIST(x)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "missing the input 'mat2'");
    CHECK(!ebb_call("mm", EBB_LIST(x, x, x)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "takes at most 2 inputs in order, got 3");
    CHECK(!ebb_call("mm", EBB_LIST(x, x)));
    CHECK_ERROR(EBB_ERR_SHAPE, "mm");
    CHECK(!ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", 1), EBB_ARG("axis", 1))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 'axis' is given twice");
    CHECK(!ebb_call("sum", EBB_LIST(NULL)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "self is NULL");
    CHECK(!ebb_call("sum", ((ebb_list){2, NULL})));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "list of inputs is NULL");
    CHECK(!ebb_call("sum", EBB_LIST(x), ((ebb_args){1, NULL})));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "list of arguments is NULL");
    CHECK(!ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG(NULL, 1))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "argument 0 has no name");
}

EBB_TEST(every_allocation_may_fail) {
    for (int64_t n = 1; n < 60; n++) EBB_SCOPE {
            ebb_tensor *x = matrix();
            ebb_memory_fail_after(n);
            ebb_tensor *y = ebb_call("clamp", EBB_LIST(x), EBB_ARGS(EBB_ARG("min", 1), EBB_ARG("max", 2)));
            ebb_memory_fail_after(0);
            CHECK(y ? !ebb_error() : ebb_error_status() == EBB_ERR_MEMORY);
            ebb_clear_error();
        }
}

EBB_TEST(kinds_have_names) {
    CHECK(!strcmp(ebb_input_kind_name(EBB_INPUT_OPTIONAL_NUMBER), "Number?"));
    CHECK(!strcmp(ebb_attr_kind_name(EBB_ATTR_SETTING), "number") &&
          !strcmp(ebb_attr_kind_name(EBB_ATTR_FLOATS), "floats"));
    CHECK(!strcmp(ebb_attr_kind_name((enum ebb_attr_kind)99), "unknown"));
    CHECK(!strcmp(ebb_op_did_you_mean("sofmax"), "softmax"));
    CHECK(!ebb_op_did_you_mean("nothing like it") && !ebb_op_did_you_mean(NULL));
}

EBB_TEST_MAIN
