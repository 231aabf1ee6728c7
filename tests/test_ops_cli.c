/* `ebb ops` and `ebb gradcheck`: what they print, and their exit statuses. */
#include "tests/program.h"
#include <ebb/ebb.h>

EBB_TEST(every_operator_is_listed_once) {
    CHECK(ebb("ops") == 0);
    for (int i = 0; i < ebb_op_count(); i++) {
        char line[96];
        (void)snprintf(line, sizeof line, "\n  %s(", ebb_op_get(i)->name);
        CHECK_OUTPUT(line);
        CHECK(strstr(strstr(output, line) + 1, line) == NULL);
    }
    CHECK_OUTPUT("\nReductions\n");
    CHECK(strstr(output, "Others") == NULL); /* every file of operators names its family */
}

EBB_TEST(one_operator) {
    CHECK(ebb("ops softmax mse_loss flatten") == 0);
    CHECK_OUTPUT("softmax(Tensor self, dim dim, dtype dtype=none) -> Tensor\n");
    CHECK_OUTPUT("PyTorch     torch.softmax");
    CHECK_OUTPUT("Node        SoftmaxBackward0");
    CHECK_OUTPUT("gradient: ");
    CHECK_OUTPUT("dim               dim      must be given");
    CHECK_OUTPUT("dtype             dtype    default none");
    CHECK_OUTPUT("(3,4) dim=1");
    CHECK_OUTPUT("enum     one of mean,sum,none; default mean");
    CHECK_OUTPUT("end_dim           dim      default -1");
    CHECK(ebb("ops add_") == 0);
    CHECK_OUTPUT("add(Number self");
    CHECK_OUTPUT("In place    add_");
    CHECK(ebb("ops matmul_") != 0); /* has no such form */
    CHECK(ebb("ops max") == 0);
    CHECK_OUTPUT("Overload    max_dim");
    CHECK(ebb("ops max_dim") == 0);
    CHECK_OUTPUT("Overload of max");
    CHECK_OUTPUT("Outputs\n      values\n      indices\n");
    CHECK(ebb("ops max_pool2d triplet_margin_loss matmul") == 0);
    CHECK_OUTPUT("Outputs\n      output\n      indices           given by name with return_indices\n");
    CHECK_OUTPUT("Derivative  that of its parts\n    Formula     d = pairwise_distance(anchor, negative, p, eps)\n");
    CHECK_OUTPUT("Formula     'dot, mv, mm or bmm");
}

EBB_TEST(operators_as_json) {
    CHECK(ebb("ops sum --json") == 0);
    CHECK_OUTPUT("\"name\": \"sum\"");
    CHECK_OUTPUT("\"kind\": \"dims\",\n        \"required\": false,\n        \"default\": \"all\"");
    CHECK(output[0] == '[');
}

EBB_TEST(gradients_of_some) {
    CHECK(ebb("gradcheck mul softmax eq cat split") == 0);
    CHECK_OUTPUT("operator ");
    CHECK_OUTPUT("softmax ");
    CHECK_OUTPUT("no derivative by nature");
    CHECK_OUTPUT("4 operators with derivatives");
    CHECK_OUTPUT(", 0 failures");
    CHECK(strstr(output, "FAIL") == NULL);
    CHECK(ebb("gradcheck matmul --seed 7 --full --json") == 0);
    CHECK_OUTPUT("\"failures\": []");
    CHECK_OUTPUT("\"ok\": true");
}

EBB_TEST(differences_are_told) { /* what no finite differences reach */
    CHECK(ebb("gradcheck exp --atol 1e-15 --rtol 1e-15") == 1);
    CHECK_OUTPUT(
        "FAIL  exp \"(3,4)\", first order: the gradient of output 0 at [0, 0] by input 0 at [0, 0]: backward gives ");
    CHECK_OUTPUT("finite differences give ");
    CHECK(ebb("gradcheck exp --atol 0 --rtol 0") == 1);
    CHECK(ebb("gradcheck exp --nondet-tol 1e-12") == 0);
    CHECK(ebb("gradcheck exp --atol 1e-15 --rtol 1e-15 --json") == 1);
    CHECK_OUTPUT("\"check\": \"second order\"");
    CHECK_OUTPUT("\"ok\": false");
}

EBB_TEST(wrong_command_lines) {
    static const char *const cases[][2] = {
        {"ops sofmax", "ebb ops: there is no operator \"sofmax\"; did you mean \"softmax\"?"},
        {"ops --jsn", "unknown option \"--jsn\"; did you mean \"--json\"?"},
        {"gradcheck", "names of operators, or --all"},
        {"gradcheck sum --all", "names of operators, or --all"},
        {"gradcheck summ", "ebb gradcheck: there is no operator \"summ\"; did you mean \"sum\"?"},
        {"gradcheck sum --eps 0", "--eps needs a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(ebb(cases[i][0]) == 2);
        CHECK_OUTPUT(cases[i][1]);
    }
    CHECK(ebb("help ops") == 0);
    CHECK_OUTPUT("ebb ops [NAME...] [options]");
    CHECK(ebb("gradcheck --help") == 0);
    CHECK_OUTPUT("--rtol X");
}

EBB_TEST_MAIN
