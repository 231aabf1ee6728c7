/* Walking the graph: nodes, their names, inputs, lines and saved values; edges in place of tensors. */
#include "tests/check.h"
#include <ebb/ebb.h>

static ebb_tensor *leaf(double v) { return ebb_scalar(v, .requires_grad = true, .dtype = EBB_F64); }

EBB_TEST(nodes_and_their_inputs) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *c = ebb_scalar(3.0, .dtype = EBB_F64);
        int line = __LINE__ + 1;
        ebb_tensor *a = ebb_exp(x), *y = ebb_add(ebb_mul(a, c), a);
        ebb_node *add = ebb_tensor_grad_fn(y), *mul = ebb_node_input(add, 0), *exp = ebb_node_input(add, 1);
        CHECK(!strcmp(ebb_node_name(add), "AddBackward0") && !strcmp(ebb_node_name(mul), "MulBackward0"));
        CHECK(exp == ebb_tensor_grad_fn(a) && ebb_node_input(mul, 0) == exp && !ebb_node_input(mul, 1));
        ebb_node *gather = ebb_node_input(exp, 0);
        CHECK(!strcmp(ebb_node_name(gather), "AccumulateGrad") && ebb_node_variable(gather) == x);
        CHECK(!ebb_node_variable(exp) && !ebb_node_op(gather) && ebb_node_op(exp) == ebb_op_find("exp"));
        CHECK(ebb_node_n_inputs(add) == 2 && ebb_node_n_inputs(gather) == 0 && ebb_node_n_outputs(add) == 1);
        CHECK(ebb_node_line(exp) == line && ebb_node_line(add) == line && strstr(ebb_node_file(mul), "test_walk.c"));
        CHECK(ebb_node_sequence(exp) < ebb_node_sequence(mul) && ebb_node_sequence(mul) < ebb_node_sequence(add));
        CHECK(ebb_node_sequence(gather) == UINT64_MAX); /* as in PyTorch: leaves come first in a pass */
        CHECK(!ebb_node_input(add, 2) && !ebb_node_input(add, -1) && !ebb_node_input(NULL, 0));
        CHECK(!ebb_tensor_grad_fn(x) && !ebb_tensor_grad_fn(c) && ebb_tensor_gradient_node(x) == gather);
        CHECK(!ebb_tensor_gradient_node(c));
    }
}

EBB_TEST(outputs_of_a_node) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3), .requires_grad = true);
        ebb_list part = ebb_unbind(x);
        ebb_tensor *y = ebb_mul(part.t[1], 2.0);
        ebb_node *mul = ebb_tensor_grad_fn(y), *unbind = ebb_node_input(mul, 0);
        CHECK(ebb_node_input_output(mul, 0) == 1 && ebb_node_n_outputs(unbind) == 2);
        CHECK(ebb_node_output_shape(unbind, 1).n == 1 && ebb_node_output_shape(unbind, 1).d[0] == 3);
        CHECK(ebb_node_output_dtype(unbind, 0) == EBB_F32 && ebb_node_output_dtype(unbind, 2) == EBB_DTYPE_NONE);
    }
}

EBB_TEST(a_node_keeps_what_is_below_it) {
    ebb_node *n = NULL;
    EBB_SCOPE {
        ebb_tensor *x = leaf(2);
        n = ebb_node_keep(ebb_tensor_grad_fn(ebb_mul(ebb_exp(x), 2.0)));
    }
    CHECK(!strcmp(ebb_node_name(ebb_node_input(n, 0)), "ExpBackward0"));
    CHECK(ebb_node_variable(ebb_node_input(ebb_node_input(n, 0), 0)));
    ebb_node_drop(n);
    ebb_node_drop(ebb_node_keep(NULL));
}

/* ---- what is saved ---- */

EBB_TEST(saved_values_by_name) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *w = leaf(3), *y = ebb_mul(x, w), *e = ebb_exp(y);
        ebb_node *mul = ebb_tensor_grad_fn(y), *exp = ebb_tensor_grad_fn(e);
        CHECK(ebb_node_n_saved(mul) == 2 && ebb_node_n_saved(exp) == 1);
        CHECK(!strcmp(ebb_node_saved_name(mul, 0), "self") && !strcmp(ebb_node_saved_name(mul, 1), "other"));
        CHECK(!strcmp(ebb_node_saved_name(exp, 0), "result") && !strcmp(ebb_node_saved_name(exp, 1), ""));
        CHECK(ebb_node_saved_named(mul, "other") == w && ebb_node_saved(mul, 0) == x); /* the leaves themselves */
        ebb_tensor *result = ebb_node_saved_named(exp, "result");
        CHECK(ebb_tensor_data(result) == ebb_tensor_data(e) && ebb_tensor_grad_fn(result) == exp);
        EBB_NO_GRAD CHECK(!ebb_tensor_requires_grad(ebb_node_saved(exp, 0)));
        CHECK(ebb_node_n_saved(ebb_tensor_grad_fn(ebb_add(x, w))) == 0);
        CHECK(ebb_node_n_saved(ebb_tensor_gradient_node(x)) == 0 && ebb_node_n_saved(NULL) == 0);
    }
}

EBB_TEST(saved_values_that_are_not_to_be_had) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, x), *e = ebb_exp(y);
        ebb_node *mul = ebb_tensor_grad_fn(y), *exp = ebb_tensor_grad_fn(e);
        CHECK(!ebb_node_saved(mul, 2));
        CHECK_ERROR(EBB_ERR_INDEX, "MulBackward0 saves 2 tensors, number 2 was asked for");
        CHECK(!ebb_node_saved_named(mul, "weight"));
        CHECK_ERROR(EBB_ERR_NAME, "MulBackward0 does not save \"weight\"");
        CHECK(!ebb_node_saved(NULL, 0));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "node_saved: node is NULL");
        ebb_mul_(e, 2.0);
        CHECK(!ebb_node_saved(exp, 0));
        CHECK_ERROR(EBB_ERR_VERSION, "ExpBackward0");
        CHECK(!ebb_backward(y) && !ebb_node_saved(mul, 0));
        CHECK_ERROR(EBB_ERR_FREED, "MulBackward0");
    }
}

/* ---- edges ---- */

EBB_TEST(edges_as_inputs) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3), .dtype = EBB_F64, .requires_grad = true), *g[4];
        ebb_edge e[3];
        ebb_tensor *y = NULL;
        EBB_SCOPE { /* what the edges are of need not be there any more */
            ebb_tensor *a = ebb_mul(x, 3.0);
            ebb_list rows = ebb_unbind(a);
            e[0] = ebb_gradient_edge(a);
            e[1] = ebb_gradient_edge(rows.t[1]);
            e[2] = ebb_gradient_edge(x);
            y = ebb_scope_hand(ebb_sum(ebb_mul(rows.t[1], 5.0)));
        }
        CHECK(e[1].output == 1 && e[2].node == ebb_tensor_gradient_node(x));
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .edges = {3, e}, .retain_graph = true));
        CHECK_VALUES(g[0], 0, 0, 0, 0, 15, 15, 15);
        CHECK_VALUES(g[1], 0, 0, 0, 0, 5, 5, 5);
        CHECK_VALUES(g[2], 0, 5, 5, 5);
        CHECK_VALUES(g[3], 0, 0, 0, 0, 15, 15, 15);
        CHECK(!ebb_grad(EBB_LIST(y), ((ebb_list){0, NULL}), g, .edges = {1, e + 1})); /* edges alone */
        CHECK_VALUES(g[0], 0, 5, 5, 5);
        CHECK(!ebb_tensor_grad(x));
    }
}

EBB_TEST(edges_that_are_unused_or_wrong) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *w = ebb_ones(EBB_DIMS(2), .requires_grad = true), *y = ebb_mul(x, x), *g[2];
        ebb_edge unused = ebb_gradient_edge(ebb_mul(w, 2.0)), none = ebb_gradient_edge(ebb_ones(EBB_DIMS(1)));
        CHECK(!none.node && !ebb_gradient_edge(NULL).node);
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .edges = {1, &unused}, .retain_graph = true) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "input 1 (an edge) was not used");
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .edges = {1, &unused}, .retain_graph = true,
                        .materialize_grads = true));
        CHECK_VALUES(g[1], 0, 0, 0);
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .edges = {1, &none}) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "edge 0 has no node");
        unused.output = 1;
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .edges = {1, &unused}) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "without output 1");
        CHECK(!ebb_backward(y));
    }
}

/* The gradient by the value that a tensor had before it was written. */
EBB_TEST(an_edge_stays_with_the_value) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0), *g[2];
        ebb_edge before = ebb_gradient_edge(y);
        ebb_mul_(y, 5.0);
        CHECK(!ebb_grad(EBB_LIST(ebb_mul(y, 7.0)), EBB_LIST(y), g, .edges = {1, &before}));
        CHECK(ebb_item(g[0]) == 7 && ebb_item(g[1]) == 35);
    }
}

EBB_TEST_MAIN
