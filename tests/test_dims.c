/* What `ebb dims` tells of expressions: shapes, strides, places in the storage, and how gradients come back. */
#include "explain/dims.h"
#include "tests/output.h"
#include <ebb/ebb.h>
#include <ebb/expr.h>

static ebb_status dims(const char *text, ebb_explain_options o) {
    o.to = output_begin();
    ebb_status status = (ebb_explain_dims)(text, o);
    output_end(o.to);
    return status;
}
#define DIMS(...) DIMS_(__VA_ARGS__, .limit = 0)
#define DIMS_(text, ...) dims(text, (ebb_explain_options){__VA_ARGS__})

EBB_TEST(an_expression_call_by_call) {
    CHECK(!DIMS("arange(24).view(2,3,4).permute(2,0,1)"));
    CHECK_OUTPUT("     before  x  shape (2×3×4)  strides (12, 4, 1)  offset 0  contiguous      the y of step 2\n"
                 "     after   y  shape (4×2×3)  strides (1, 12, 4)  offset 0  not contiguous\n"
                 "     y: shares the storage of x\n");
    CHECK_OUTPUT("     element y   0   6  12  18   1   7  13");
    CHECK_OUTPUT("y[i, j, k] lies at i + 12·j + 4·k of the storage");
    CHECK_OUTPUT("dL/dx = permute(dL/dy, (1, 2, 0))");
    CHECK_OK();
    CHECK_NO_LEAK();
}

#define VALUE(text) .values = (const char *const[]){text}, .n_values = 1

EBB_TEST(sentences_are_true_of_the_shapes) {
    CHECK(!DIMS("x.squeeze()", VALUE("x=randn(2,3)")));
    CHECK_OUTPUT("Nothing changes: shape, strides and offset are as they were.", "the gradient as it is",
                 "dL/dx = dL/dy\n");
    CHECK(!strstr(output, "size 1"));
    CHECK(!DIMS("x.expand(2, 3).view(2, 3)[:]", VALUE("x=randn(2,3)")));
    CHECK(!strstr(output, "stride 0") && !strstr(output, "sum_to_size") && !strstr(output, "other dimensions"));
    CHECK_OUTPUT("before  w  shape (2×3)  strides (3, 1)  offset 0  contiguous  the y of step 1");
    CHECK(!DIMS("x.expand(2, 3)", VALUE("x=randn(3)")));
    CHECK_OUTPUT("The new dimensions in front");
    CHECK(!DIMS("x.expand(3, 2)", VALUE("x=randn(3,1)")));
    CHECK_OUTPUT("A dimension of size 1 becomes longer");
    CHECK(!DIMS("x.sum(1)", VALUE("x=randn(2,3)")));
    CHECK_OUTPUT("The dimensions that are reduced go",
                 "dL/dx = expand(unsqueeze(dL/dy, 1), (2, 3))   (2) → (2×1) → (2×3)");
    CHECK(!DIMS("x.sum(1, True)", VALUE("x=randn(2,3)")));
    CHECK_OUTPUT("stay with size 1 (keepdim)", "dL/dx = expand(dL/dy, (2, 3))");
    CHECK(!DIMS("x @ ones(3)", VALUE("x=randn(2,3)")));
    CHECK_OUTPUT("A vector counts as a row on the left");
    CHECK(!DIMS("ones(1) + 1"));
    CHECK_OUTPUT("a new storage of 1 element\n");
    CHECK_OK();
    CHECK_NO_LEAK();
}

EBB_TEST(gradients_of_parts) {
    CHECK(!DIMS("x[1:, ::2]", VALUE("x=randn(3,4)")));
    CHECK_OUTPUT("dL/dx = zeros(3, 4)[1:, ::2] ← dL/dy   (2×2) → (3×4)");
    CHECK(!DIMS("x[[2, 2, 0]]", VALUE("x=randn(3)")));
    CHECK_OUTPUT("what was read twice gets both", "dL/dx = zeros(3)[[2, 2, 0]] += dL/dy");
    CHECK(!DIMS("split(x, [2, 3], 1)", VALUE("x=randn(2,5)")));
    CHECK_OUTPUT("dL/dx = cat([dL/dy[0], dL/dy[1]], 1)");
    CHECK(!DIMS("unbind(x)", VALUE("x=randn(2,5)")));
    CHECK_OUTPUT("dL/dx = stack([dL/dy[0], dL/dy[1]], 0)");
    CHECK(!DIMS("ones(5, 1, 2, 3) @ ones(6, 3, 4)"));
    CHECK_OUTPUT("dL/dx = dL/dy · wᵀ   summed over dim 1, where x was broadcast: (5×6×2×3) → (5×1×2×3)",
                 "dL/dw = xᵀ · dL/dy   summed over dim 0, where w was broadcast: (5×6×3×4) → (6×3×4)");
    CHECK(!DIMS("ones(2, 3, 4) @ ones(4, 5)"));
    CHECK_OUTPUT("dL/dw = xᵀ · dL/dy   summed over dim 0, where w was broadcast: (2×4×5) → (4×5)");
    CHECK(!DIMS("x[1:, ::2]", VALUE("x=randn(3,4)"), .format = EBB_EXPLAIN_JSON));
    CHECK_OUTPUT("\\mathbf{0}_{(3, 4)}[1{:}, {:}{:}2] \\\\leftarrow");
    CHECK_OK();
    CHECK_NO_LEAK();
}

EBB_TEST(views_copies_and_what_fails) {
    CHECK(!DIMS("arange(6).view(2, 3).t().reshape(6)"));
    CHECK_OUTPUT("y: a new storage of 6 elements");
    CHECK_OUTPUT("No strides describe the new shape in the old storage");
    CHECK_OUTPUT("Dims 0 and 1 of x cannot become one: a step in dim 0 is 1 in the storage, all of dim 1 is 2·3 = 6.");
    CHECK(DIMS("arange(6).view(2, 3).t().view(6)") == EBB_ERR_SHAPE);
    /* the calls before, */
    CHECK_OUTPUT("y is not contiguous: to be counted row by row its strides would have to be (2, 1).");
    /* and the one that fails */
    CHECK_OUTPUT("  4  .view(6)\n     before  x  shape (3×2)");
    CHECK_OUTPUT("view may not copy, reshape would.\n     Dims 0 and 1 of x cannot become one");
    CHECK_ERROR(EBB_ERR_SHAPE, "column 26: view");
    CHECK(!DIMS("x[1:, ::2]", .values = (const char *const[]){"x=randn(3,4)"}, .n_values = 1));
    CHECK_OUTPUT("strides (4, 2)  offset 4  not contiguous");
    CHECK(!DIMS("x.expand(3, 4) + w", .values = (const char *const[]){"x=randn(3,1)", "w=randn(4)"}, .n_values = 2));
    CHECK_OUTPUT("strides (1, 0)");
    CHECK_OUTPUT("dL/dw = dL/dy");
    CHECK_OUTPUT("summed over dim 0, where w was broadcast: (3×4) → (4)");
    CHECK(!DIMS("max(x, dim=0).values", .values = (const char *const[]){"x=randn(3,4)"}, .n_values = 1));
    CHECK_OUTPUT("after   y.indices  shape (4)");
    CHECK(DIMS("max(x, dim=0).valuse", .values = (const char *const[]){"x=randn(3,4)"}, .n_values = 1) == EBB_ERR_NAME);
    CHECK_ERROR(EBB_ERR_NAME, "a list has no attribute valuse; did you mean values?; there are: values, indices");
    CHECK(!DIMS("a, b = split(arange(10).view(2, 5), [2, 3], 1); cat([b, a], 1)"));
    CHECK_OUTPUT("y[1]  shape (2×3)  strides (5, 1)  offset 2  not contiguous");
    CHECK_OUTPUT("dL/db = dL/dy[:, 0:3]");
    CHECK_OK();
    CHECK_NO_LEAK();
}

/* Its error is the thread's, with its place, though the derivatives of the calls before were computed after it. */
EBB_TEST(what_fails_is_told_and_returned) {
    char caret[256];
    for (int page = 0; page < 2; page++) {
        CHECK(DIMS("arange(6.).view(2, 3).t().view(6)", .format = page ? EBB_EXPLAIN_HTML : EBB_EXPLAIN_JSON) ==
              EBB_ERR_SHAPE);
        CHECK_ERROR(EBB_ERR_SHAPE, "column 27: view: view of shape [6]");
        CHECK(ebb_eval_caret(caret, sizeof caret) && strstr(caret, "\n                          ^^^^"));
        CHECK_OUTPUT("\"failure\": \"column 27: view: view of shape [6]");
        CHECK_OUTPUT("\"formula\": \"t(dL/dy)\"");
        CHECK_OUTPUT("\"outputs\": []");
        CHECK_OUTPUT(page ? "\"zh\": \"x 的第 0 维与第 1 维无法合并"
                          : "\"why_no_view\": \"Dims 0 and 1 of x cannot become one");
    }
    CHECK(DIMS("arange(6).view(2, 3); w", .format = EBB_EXPLAIN_JSON) == EBB_ERR_NAME); /* no call */
    CHECK_ERROR(EBB_ERR_NAME, "w has no value");
    CHECK_OUTPUT("\"failure\": \"column 23: w has no value; give it one, as in w=2\"");
    CHECK(DIMS("arange(6).view(2, 3", .format = EBB_EXPLAIN_HTML) == EBB_ERR_FORMAT);
    CHECK_ERROR(EBB_ERR_FORMAT, "column");
    CHECK(output[0] == '\0'); /* no half of a page */
    CHECK_NO_LEAK();
}

/* Which shapes a tensor can be viewed in is what view itself says, and the reason is there when it cannot. */
EBB_TEST(a_clash_is_why_view_fails) {
    static const char *const tensors[] = {"arange(24.).view(2, 3, 4).permute(2, 0, 1)",
                                          "arange(24.).view(4, 6).t()",
                                          "arange(24.).view(2, 12)[:, ::2]",
                                          "arange(2.).view(2, 1, 1).expand(2, 3, 4)",
                                          "arange(24.).view(2, 1, 12).transpose(0, 1)",
                                          "arange(24.).view(2, 3, 4)[:, 1:]",
                                          "zeros(0, 3).t()",
                                          "arange(24.)",
                                          "arange(24.).view(1, 24, 1).expand(2, 24, 1)"};
    static const ebb_dims shapes[] = {{{-1}, 1},    {{2, -1}, 2},    {{-1, 2}, 2}, {{2, 3, -1}, 3},
                                      {{4, -1}, 2}, {{-1, 2, 2}, 3}, {{3, -1}, 2}};
    int views = 0, clashes = 0;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) EBB_SCOPE {
                ebb_tensor *t = ebb_eval(tensors[i]), *copy = ebb_reshape(t, shapes[k]);
                struct ebb__dims_clash clash;
                if (!copy) { /* another number of elements */
                    ebb_clear_error();
                    continue;
                }
                bool clashing = ebb__dims_clash(t, ebb_tensor_shape(copy), &clash),
                     viewed = ebb_view(t, shapes[k]) != NULL;
                ebb_clear_error();
                CHECK(viewed == !clashing);
                views += viewed;
                clashes += clashing;
                if (clashing)
                    CHECK(clash.outer < clash.inner && clash.outer_stride != clash.inner_size * clash.inner_stride);
            }
    CHECK(views > 15 && clashes > 15);
    CHECK_NO_LEAK();
}

EBB_TEST(matmul_is_aligned) {
    CHECK(!DIMS("ones(5, 1, 2, 3) @ ones(6, 3, 4)"));
    CHECK_OUTPUT("     x        5    1    2    3\n     w             6    3    4\n     y        5    6    2    4\n");
    CHECK(!DIMS("A @ A", .values = (const char *const[]){"A=randn(2,2)"}, .n_values = 1));
    CHECK_OUTPUT("     A        2    2\n     A        2    2\n     y        2    2\n", "dL/dA += Aᵀ · dL/dy");
    CHECK(!DIMS("ones(2, 3) @ ones(3)"));
    CHECK_OUTPUT("     x        2    3\n     w        3\n     y        2\n");
    CHECK_NO_LEAK();
}

EBB_TEST(values_are_those_of_their_time) {
    CHECK(!DIMS("x = arange(6); x[0] = 9; x.view(2, 3)"));
    CHECK_OUTPUT("     y = [0  1  2  3  4  5]\n", "     y = [9  1  2]\n         [3  4  5]\n");
    CHECK(!DIMS("1 + 2"));
    CHECK_OUTPUT("there are no dimensions to show");
    CHECK_NO_LEAK();
}

EBB_TEST(the_companion) {
    for (int lang = 0; lang < 2; lang++) {
        CHECK(!DIMS(NULL, .lang = (enum ebb_language)lang));
        CHECK_OUTPUT(lang ? "此处出错：第 26 列：view：形状不相容。\n     库的原文：view of shape [6]"
                          : "This fails: column 26: view: view of shape [6]");
        CHECK(!strstr(output, "of step") && !strstr(output, "步的")); /* those before the last are not shown */
        CHECK_OUTPUT(lang ? "广播：形状不同也能运算" : "Broadcasting: shapes that differ");
        CHECK(!DIMS(NULL, .lang = (enum ebb_language)lang, .format = EBB_EXPLAIN_JSON));
        CHECK_OUTPUT("\"format\": \"ebb-dims\"");
        CHECK_OUTPUT("\"failure\"");
    }
    CHECK(DIMS(NULL, .format = EBB_EXPLAIN_SVG) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "text, JSON or a page");
    CHECK_NO_LEAK();
}

/* In JSON the places are those that the values come from. */
EBB_TEST(places_are_where_the_elements_are) {
    struct ebb__dims_report r = {0};
    const ebb_explain_options o = {.seed = 0};
    EBB_SCOPE {
        CHECK(!ebb__dims_make(&r, "arange(24).view(2, 3, 4).permute(2, 0, 1)[1:, :, ::2].flip(0).transpose(0, 2)", &o));
        CHECK(r.n == 6);
        for (int64_t k = 0; k < r.n; k++) {
            ebb_tensor *t = r.steps[k].out[0].t, *whole = r.storages[r.steps[k].out[0].storage].t;
            for (int64_t i = 0; i < ebb_tensor_numel(t); i++) {
                double at = ebb_at_index(ebb_reshape(t, EBB_DIMS(-1)), EBB_DIMS(i));
                CHECK(at == ebb_at_index(ebb_reshape(whole, EBB_DIMS(-1)), EBB_DIMS(ebb__dims_place(t, i))));
            }
        }
    }
    ebb__dims_free(&r);
    CHECK_OK();
    CHECK_NO_LEAK();
}

static void all(void) {
    (void)DIMS("x.t().reshape(-1)[2:] + w", .values = (const char *const[]){"x=randn(2,3)", "w=randn(4)"},
               .n_values = 2);
    if (ebb_error()) return;
    if (DIMS("x.t().view(6)", .values = (const char *const[]){"x=randn(2,3)"}, .n_values = 1,
             .format = EBB_EXPLAIN_HTML) == EBB_ERR_SHAPE)
        ebb_clear_error(); /* as it should */
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(all, 100000); }

EBB_TEST_MAIN
