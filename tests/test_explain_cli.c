/* The commands `ebb explain` and `ebb dims`, as a person runs them. */
#include "tests/program.h"
#include <ebb/ebb.h>
#include <unistd.h>

EBB_TEST(explain_an_expression) {
    CHECK(ebb("explain 'z = x*y + sin(x)' x=2 y=3") == 0);
    CHECK_OUTPUT("dz/dx += dz/dt1 · y = 3   the 2nd of 2, together dz/dx = 2.58385");
    CHECK_OUTPUT("The gradients agree with central finite differences in float64");
    CHECK(ebb("explain 'z = x*y + sin(x)' x=2 y=3 --lang=zh --grad-of x --order 2 --forward-mode --dtype float32") ==
          0);
    CHECK_OUTPUT("以 float32 计算，给出的整数也先转换；随机种子 0");
    CHECK_OUTPUT("d²z/dx²");
    CHECK(ebb("explain 'sum(x)' x='randn(3)' --seed 7 --format json") == 0);
    CHECK_OUTPUT("\"seed\": 7");
}

EBB_TEST(values_from_files) {
    char arguments[128], path[64];
    (void)snprintf(path, sizeof path, "build/explain_%ld.npy", (long)getpid());
    EBB_SCOPE { CHECK(!ebb_npy_save(path, ebb_from_data((double[]){1, 2, 3}, EBB_F64, EBB_DIMS(3)))); }
    (void)snprintf(arguments, sizeof arguments, "explain 'sum(w * w)' w=@%s", path);
    CHECK(ebb(arguments) == 0);
    CHECK_OUTPUT("dL/dw     (3)    [2  4  6]");
    CHECK(remove(path) == 0);
    CHECK(ebb(arguments) == 1);
    CHECK_OUTPUT("the value of w: column 2");
    ebb_thread_release();
}

EBB_TEST(errors_point_at_their_place) {
    CHECK(ebb("explain 'z = x*y + sinn(x)' x=2 y=3") == 1);
    CHECK_OUTPUT("ebb explain: column 11: there is no function sinn; did you mean sin?\n\n"
                 "    z = x*y + sinn(x)\n"
                 "              ^^^^\n");
    CHECK(ebb("explain") == 2);
    CHECK_OUTPUT("an expression is missing");
    CHECK(ebb("explain x x=1 --formt json") == 2);
    CHECK_OUTPUT("did you mean \"--format\"?");
    CHECK(ebb("explain 'weight * y' wieght=2 y=3") == 1);
    CHECK_OUTPUT("ebb explain: the expression has no wieght; did you mean weight?\n\n    wieght=2\n    ^^^^^^\n");
    CHECK(ebb("explain 'x * y' x=2 y=1 x=3") == 1);
    CHECK_OUTPUT("ebb explain: x is given twice; leave out one of its values\n\n    x=3\n    ^\n");
    CHECK(ebb("explain x 'x 2'") == 1);
    CHECK_OUTPUT("\"x 2\" gives no name a value, as x=2 does\n\n    x 2\n    ^^^\n");
    CHECK(ebb("explain 'x + y' x=2 y=") == 1);
    CHECK_OUTPUT("the value of y: nothing stands after the =; write it as y=2\n");
    CHECK(ebb("explain x x=1 --formt json --lang zh") == 2);
    CHECK_OUTPUT("ebb explain: 没有这个选项 \"--formt\"；是不是 \"--format\"？\n请看 \"ebb explain --help\"。\n");
    CHECK(ebb("explain x x=1 --order 7 --lang=zh") == 2);
    CHECK_OUTPUT("ebb explain: --order 须为从 1 到 2 的整数，不能是 \"7\"");
    CHECK(ebb("explain --lang zh") == 2);
    CHECK_OUTPUT("ebb explain: 缺少表达式");
    CHECK(ebb("explain 'a @ b' a='randn(2,3)' b='randn(4)' --lang zh") == 1);
    CHECK_OUTPUT("ebb explain: 第 3 列：matmul：形状不相容。\n    库的原文：inner dimensions of [2, 3] and [4] differ");
    CHECK(ebb("explain --help") == 0);
    CHECK_OUTPUT("--forward-mode");
}

EBB_TEST(drawings_need_graphviz) {
    if (ebb("explain 'x * x' x=2 --format svg") == 0) CHECK_OUTPUT("</svg>");
    else CHECK_OUTPUT("Graphviz");
    CHECK(ebb("explain 'x * x' x=2 --format dot") == 0);
    CHECK_OUTPUT("digraph ebb {");
}

EBB_TEST(dims_of_an_expression) {
    CHECK(ebb("dims 'arange(24).view(2,3,4).permute(2,0,1)'") == 0);
    CHECK_OUTPUT("y[i, j, k] lies at i + 12·j + 4·k of the storage");
    CHECK(ebb("dims 'x.t().view(6)' x='randn(2,3)'") == 1);
    CHECK_OUTPUT("ebb dims: column 7: view");
    CHECK(ebb("dims --format json --lang zh | head -c 400") == 0);
    CHECK_OUTPUT("\"title\": \"维度：形状、步长与存储\"");
}

EBB_TEST_MAIN
