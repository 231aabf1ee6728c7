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
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .input_edges = {3, e}, .retain_graph = true));
        CHECK_VALUES(g[0], 0, 0, 0, 0, 15, 15, 15);
        CHECK_VALUES(g[1], 0, 0, 0, 0, 5, 5, 5);
        CHECK_VALUES(g[2], 0, 5, 5, 5);
        CHECK_VALUES(g[3], 0, 0, 0, 0, 15, 15, 15);
        CHECK(!ebb_grad(EBB_LIST(y), ((ebb_list){0, NULL}), g, .input_edges = {1, e + 1})); /* edges alone */
        CHECK_VALUES(g[0], 0, 5, 5, 5);
        CHECK(!ebb_tensor_grad(x));
    }
}

EBB_TEST(edges_that_are_unused_or_wrong) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *w = ebb_ones(EBB_DIMS(2), .requires_grad = true), *y = ebb_mul(x, x), *g[2];
        ebb_edge unused = ebb_gradient_edge(ebb_mul(w, 2.0)), none = ebb_gradient_edge(ebb_ones(EBB_DIMS(1)));
        CHECK(!none.node && !ebb_gradient_edge(NULL).node);
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .input_edges = {1, &unused}, .retain_graph = true) ==
              EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "input 1 (an edge) was not used");
        CHECK(!ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .input_edges = {1, &unused}, .retain_graph = true,
                        .materialize_grads = true));
        CHECK_VALUES(g[1], 0, 0, 0);
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .input_edges = {1, &none}) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "input edge 0 has no node");
        unused.output = 1;
        CHECK(ebb_grad(EBB_LIST(y), EBB_LIST(x), g, .input_edges = {1, &unused}) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "without a floating-point output 1");
        CHECK(!ebb_backward(y));
    }
}

static double difference(ebb_tensor *a, ebb_tensor *b) { return ebb_item(ebb_max(ebb_abs(ebb_sub(a, b)))); }

EBB_TEST(edges_as_roots) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2), .dtype = EBB_F64, .requires_grad = true), *ones = ebb_ones_like(x), *g[2];
        ebb_node *kept = NULL;
        ebb_edge between, of_x = ebb_gradient_edge(x), sum;
        EBB_SCOPE { /* in two steps, without the tensors */
            ebb_tensor *y = ebb_exp(ebb_mul(x, 2.0)), *out = ebb_sum(ebb_sin(y));
            between = ebb_gradient_edge(y);
            sum = ebb_gradient_edge(out);
            kept = ebb_node_keep(sum.node);
        }
        CHECK(!ebb_grad((ebb_list){0}, (ebb_list){0}, g, .output_edges = EBB_EDGES(sum),
                        .input_edges = EBB_EDGES(between, of_x), .retain_graph = true));
        ebb_tensor *whole = g[1];
        CHECK(!ebb_grad((ebb_list){0}, EBB_LIST(x), g, .output_edges = EBB_EDGES(between),
                        .grad_outputs = EBB_LIST(g[0]), .retain_graph = true));
        CHECK(difference(g[0], whole) == 0);
        CHECK(ebb_backward_list((ebb_list){0}, .root_edges = EBB_EDGES(between)) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "the edge has shape [2]: only a tensor of one element has an implicit");
        CHECK(!ebb_backward_list((ebb_list){0}, .root_edges = EBB_EDGES(sum), .retain_graph = true));
        CHECK(difference(ebb_tensor_grad(x), whole) == 0);
        ebb_set_grad(x, NULL); /* of tensors and edges, a leaf's among them, and one that gradients go through */
        CHECK(!ebb_backward_list(EBB_LIST(ebb_sum(ebb_mul(x, 3.0))), .root_edges = EBB_EDGES(of_x, sum),
                                 .gradients = EBB_LIST(NULL, ones, NULL), .retain_graph = true));
        CHECK(difference(ebb_tensor_grad(x), ebb_add(whole, 4.0)) < 1e-14);
        ebb_tensor *three = ebb_ones(EBB_DIMS(3, 2), .dtype = EBB_F64);
        CHECK(!ebb_grad((ebb_list){0}, EBB_LIST(x), g, .output_edges = EBB_EDGES(between),
                        .grad_outputs = EBB_LIST(three), .is_grads_batched = true));
        CHECK(ebb_tensor_ndim(g[0]) == 2 && ebb_tensor_size(g[0], 0) == 3);
        CHECK_CLOSE(ebb_at_index(g[0], EBB_DIMS(2, 1)), 2 * 7.38905609893065, 1e-14);
        ebb_node_drop(kept);
    }
}

EBB_TEST(roots_that_are_no_edges) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, x), *g[1];
        CHECK(ebb_backward_list((ebb_list){0}, .root_edges = EBB_EDGES(ebb_gradient_edge(ebb_scalar(1.0)))) ==
              EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "backward: root edge 0 has no node");
        ebb_edge e = {ebb_tensor_grad_fn(y), 1};
        CHECK(ebb_grad((ebb_list){0}, EBB_LIST(x), g, .output_edges = EBB_EDGES(e)) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "without a floating-point output 1");
        ebb_tensor *max = ebb_max_dim(ebb_stack(EBB_LIST(x, y), 0), 0);
        e = ebb_gradient_edge(max);
        e.output = 1; /* the indices */
        CHECK(ebb_backward_list((ebb_list){0}, .root_edges = EBB_EDGES(e)) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "without a floating-point output 1");
        CHECK(ebb_backward_list((ebb_list){0}) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "at least one tensor or edge");
        CHECK(ebb_backward_list((ebb_list){0}, .root_edges = {1, NULL}) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "the list of edges to start from is NULL");
        CHECK(ebb_backward(y, .input_edges = {1, NULL}) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "the list of input edges is NULL");
        e = ebb_gradient_edge(y);
        CHECK(ebb_backward_list(EBB_LIST(y), .root_edges = {1, &e}, .gradients = EBB_LIST(NULL)) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "2 outputs but 1 gradients");
    }
}

EBB_TEST(roots_that_are_no_edges_of_batches) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_ones(EBB_DIMS(2), .requires_grad = true), *y = ebb_mul(x, x), *g[1];
        ebb_tensor *three = ebb_ones(EBB_DIMS(3, 2)), *max = ebb_max_dim(ebb_stack(EBB_LIST(x, y), 0), 0);
        const ebb_edge bad[] = {
            {NULL, 0}, {ebb_tensor_grad_fn(y), 1}, {ebb_tensor_grad_fn(y), -1}, {ebb_tensor_grad_fn(max), 1}};
        for (int i = 0; i < 4; i++) {
            CHECK(ebb_grad((ebb_list){0}, EBB_LIST(x), g, .output_edges = EBB_EDGES(bad[i]),
                           .grad_outputs = EBB_LIST(three), .is_grads_batched = true) == EBB_ERR_ARGUMENT);
            CHECK_ERROR(EBB_ERR_ARGUMENT, "grad: root edge 0 has no node, or one without a floating-point output");
        }
        CHECK(ebb_grad((ebb_list){0}, EBB_LIST(x), g, .output_edges = {1, NULL}, .grad_outputs = EBB_LIST(three),
                       .is_grads_batched = true) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "the list of edges to start from is NULL");
    }
}

static void count(ebb_node *node, ebb_tensor **grad_outputs, void *context) {
    (void)node;
    (void)grad_outputs;
    ++*(int *)context;
}

/* Those of leaves are accumulated into, nodes of others are run, and store nothing unless they retain. */
EBB_TEST(backward_into_edges) {
    EBB_SCOPE {
        int ran = 0;
        ebb_tensor *x = leaf(2), *w = leaf(3), *a = ebb_mul(x, 5.0), *y = ebb_mul(a, w);
        CHECK(ebb_node_register_prehook(ebb_tensor_grad_fn(a), count, &ran, NULL));
        CHECK(!ebb_backward(y, .input_edges = EBB_EDGES(ebb_gradient_edge(x)), .retain_graph = true));
        CHECK(ebb_item(ebb_tensor_grad(x)) == 15 && !ebb_tensor_grad(w) && ran == 1);
        CHECK(!ebb_backward(y, .inputs = EBB_LIST(w), .input_edges = EBB_EDGES(ebb_gradient_edge(a)),
                            .retain_graph = true));
        CHECK(ebb_item(ebb_tensor_grad(x)) == 15 && ebb_item(ebb_tensor_grad(w)) == 10 && !ebb_tensor_grad(a));
        CHECK(ran == 2);
        CHECK(!ebb_retain_grad(a));
        CHECK(!ebb_backward_list(EBB_LIST(y), .input_edges = EBB_EDGES(ebb_gradient_edge(a))));
        CHECK(ebb_item(ebb_tensor_grad(a)) == 3 && ebb_item(ebb_tensor_grad(x)) == 15);
    }
}

/* The gradient by the value that a tensor had before it was written. */
EBB_TEST(an_edge_stays_with_the_value) {
    EBB_SCOPE {
        ebb_tensor *x = leaf(2), *y = ebb_mul(x, 3.0), *g[2];
        ebb_edge before = ebb_gradient_edge(y);
        ebb_mul_(y, 5.0);
        CHECK(!ebb_grad(EBB_LIST(ebb_mul(y, 7.0)), EBB_LIST(y), g, .input_edges = {1, &before}));
        CHECK(ebb_item(g[0]) == 7 && ebb_item(g[1]) == 35);
    }
}

EBB_TEST_MAIN
