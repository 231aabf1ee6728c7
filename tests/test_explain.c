/* Reports of gradients: what is in them, against what the engine computes; and that nothing leaks or breaks when memory
 * ends. */
#include "explain/expression.h"
#include "tests/output.h"
#include <ctype.h>
#include <ebb/ebb.h>
#include <math.h>

static ebb_status explain(const char *text, ebb_explain_options o) {
    o.to = output_begin();
    ebb_status status = (ebb_explain_expression)(text, o);
    output_end(o.to);
    return status;
}

#define VALUES(...) \
    .values = (const char *const[]){__VA_ARGS__}, \
    .n_values = (int64_t)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
#define EXPLAIN(text, ...) explain(text, (ebb_explain_options){.format = EBB_EXPLAIN_JSON, __VA_ARGS__})

/* ---- watching ---- */

struct seen {
    int calls;
    int64_t n_in, n_out;
    const char *names[8];
};

static void see(ebb_node *node, ebb_list in, ebb_list out, void *context) {
    struct seen *s = context;
    if (s->calls < 8) s->names[s->calls] = ebb_node_name(node);
    s->calls++;
    s->n_in = in.n;
    s->n_out = out.n;
    CHECK(!ebb_is_grad_enabled());
    CHECK(ebb_tensor_grad_fn(out.t[0]) == node);
}

EBB_TEST(watches_see_what_is_recorded) {
    struct seen outer = {0}, inner = {0};
    ebb_watch a, b;
    EBB_SCOPE {
        ebb_tensor *x = ebb_scalar(2.0, .requires_grad = true);
        (void)ebb_mul(x, x);
        ebb_watch_open(&a, see, &outer);
        (void)ebb_add(ebb_mul(x, x), 1.0);
        ebb_watch_open(&b, see, &inner);
        EBB_NO_GRAD { (void)ebb_exp(x); }
        (void)ebb_sin(x);
        ebb_watch_close(&b);
        ebb_watch_close(&a);
        ebb_watch_close(&a);
        (void)ebb_cos(x);
    }
    CHECK(inner.calls == 1 && strcmp(inner.names[0], "SinBackward0") == 0 && inner.n_in == 1);
    CHECK(outer.calls == 3 && strcmp(outer.names[0], "MulBackward0") == 0);
    CHECK(strcmp(outer.names[1], "AddBackward0") == 0 && strcmp(outer.names[2], "SinBackward0") == 0);
    CHECK_OK();
    CHECK_NO_LEAK();
}

static void see_parts(ebb_node *node, ebb_list in, ebb_list out, void *context) {
    struct seen *s = context;
    const struct ebb_op *whole = ebb_watch_parts_of();
    (void)in;
    (void)out;
    CHECK((whole != NULL) == (strcmp(ebb_node_name(node), "SinBackward0") != 0));
    if (whole && s->calls < 8) s->names[s->calls++] = whole->name;
}

EBB_TEST(watches_know_of_what_something_is_a_part) {
    struct seen seen = {0};
    ebb_watch watch;
    EBB_SCOPE {
        ebb_tensor *a = ebb_requires_grad_(ebb_ones(EBB_DIMS(2, 3, 4)), true), *w = ebb_ones(EBB_DIMS(5, 4));
        ebb_watch_open(&watch, see_parts, &seen);
        (void)ebb_linear(ebb_sin(a), w); /* the outermost, of matmul inside of linear */
        (void)ebb_sin(a);
        ebb_watch_close(&watch);
    }
    CHECK(seen.calls >= 3 && strcmp(seen.names[0], "linear") == 0 && strcmp(seen.names[2], "linear") == 0);
    CHECK(!ebb_watch_parts_of());
    CHECK_OK();
    CHECK_NO_LEAK();
}

/* ---- reports ---- */

EBB_TEST(the_two_examples_of_the_chapter) {
    CHECK(!EXPLAIN("z = x*y + sin(x)", VALUES("x=2", "y=3")));
    CHECK_OUTPUT("\"symbol\": \"dz/dx\"");
    CHECK_OUTPUT("\"formula\": \"dz/dt1 · y\"");
    CHECK_OUTPUT("\"formula\": \"dz/dt2 · cos(x)\"");
    CHECK_OUTPUT("\"data\": [2.5838531634528574]"); /* 3 + cos(2) */
    CHECK_OUTPUT("\"arrival\": 2");
    CHECK_OUTPUT("\"ok\": true");
    CHECK(!strstr(output, "\"ok\": false"));
    CHECK(!EXPLAIN("L = sum((W3 @ (W2 @ relu(W1 @ x + b1) + b2) + b3 - y)**2)",
                   VALUES("x=[1,2]", "y=0.5", "W1=randn(2,2)", "W2=randn(2,2)", "W3=randn(1,2)", "b1=randn(2)",
                          "b2=randn(2)", "b3=randn(1)")));
    CHECK_OUTPUT("\"symbol\": \"dL/dW1\"");
    CHECK_OUTPUT("\"formula\": \"dL/dt1 · xᵀ\"");
    CHECK_OUTPUT("\"shapes\": \"(2×1) · (1×2) → (2×2)\"");
    CHECK_OUTPUT("\"formula_latex\": \"\\\\frac{\\\\partial L}{\\\\partial t_{1}} \\\\, x^{\\\\top}\"");
    CHECK_OUTPUT("\"summed\": [0]"); /* y is subtracted from a vector of one */
    CHECK_OUTPUT("\"mask\"");
    CHECK(!strstr(output, "\"ok\": false"));
    CHECK_OK();
    CHECK_NO_LEAK();
}

/* The report's gradients are those of ebb_grad. */
static void compare(const char *text, const char *const *values, int64_t n) {
    struct ebb__expression e;
    EBB_SCOPE {
        const ebb_explain_options o = {.values = values, .n_values = n};
        (void)ebb_set_default_dtype(EBB_F64);
        CHECK(!ebb__expression_begin(&e, text, &o) && !ebb__expression_choose(&e, NULL));
        ebb_tensor *root = ebb__expression_value(&e, e.tensors, NULL), *grad[8];
        CHECK(root && e.n <= 8);
        CHECK(!EXPLAIN(text, .values = values, .n_values = n));
        CHECK(!ebb_grad(EBB_LIST(ebb_sum(root)), ((ebb_list){e.n, e.tensors}), grad));
        for (int64_t i = 0; i < e.n; i++) {
            char wanted[64];
            (void)snprintf(wanted, sizeof wanted, "%.17g",
                           ebb_at_index(ebb_reshape(grad[i], EBB_DIMS(-1)), EBB_DIMS(0)));
            CHECK_OUTPUT(wanted);
        }
        CHECK(!strstr(output, "\"ok\": false"));
        (void)ebb_set_default_dtype(EBB_F32);
        ebb__expression_end(&e);
    }
    CHECK_OK();
}
#define COMPARE(text, ...) \
    compare(text, (const char *const[]){__VA_ARGS__}, \
            (int64_t)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

EBB_TEST(gradients_are_the_engine_s) {
    COMPARE("s = softmax(x @ W + b, dim=-1); mean((s - s.mean(0))**2)", "x=randn(4,3)", "W=randn(3,2)", "b=randn(2)");
    COMPARE("A = x @ x.mT; sum(A * exp(-A), dim=(1, 2))", "x=randn(2,3,4)"); /* batch matmul, a shared subexpression */
    COMPARE("u = x * w; v = u + u.T; sum(max(v, 1).values) + std(u)", "x=randn(3,3)", "w=randn(3)");
    COMPARE("r = qr(x); sum(r.R ** 3) + slogdet(x).logabsdet + svd(x + w).S[0]", "x=randn(3,3)", "w=randn(3)");
    COMPARE("h = x[:, 1:]; h = h * 2; h = cat([h, h.flip(0)], 1); prod(h, 1)", "x=randn(2,3)");
    CHECK_NO_LEAK();
}

EBB_TEST(in_place_writes_are_followed) {
    CHECK(!EXPLAIN("h = x * x; h += y; h[0] = y[1]; sum(h * h)", VALUES("x=[1,2]", "y=[3,4]")));
    CHECK(!strstr(output, "\"ok\": false"));
    CHECK_OUTPUT("CopySlices");
    CHECK_OK();
    CHECK_NO_LEAK();
}

EBB_TEST(values) {
    CHECK(!EXPLAIN("sum(embedding(i, w)) + x.sum()",
                   VALUES("i=tensor([1, 0, 1])", "w=randn(2,3)", "x=arange(4).view(2,2)")));
    CHECK_OUTPUT("\"kind\": \"constant\"");
    CHECK(!strstr(output, "\"ok\": false"));
    CHECK(!EXPLAIN("x * y", VALUES("x=2", "y=3"), .grad_of = "y"));
    CHECK(!strstr(output, "dL/dx"));
    CHECK(!EXPLAIN("x.sum()", VALUES("x=randn(40,50)"))); /* large ones as a grid */
    CHECK_OUTPUT("\"grid\"");
    CHECK(!EXPLAIN("x.sum()", VALUES("x=[1,2]"), .dtype = EBB_F32));
    CHECK_OUTPUT("\"dtype\": \"float32\"");
    CHECK(ebb_default_dtype() == EBB_F32);
    CHECK_OK();
    CHECK_NO_LEAK();
}

EBB_TEST(text_markdown_latex_and_dot) {
    static const char *const values[] = {"x=2", "y=3"};
    ebb_explain_options o = {.values = values, .n_values = 2, .order = 2, .forward_mode = true};
    CHECK(!explain("z = x*y + sin(x)", o));
    CHECK_OUTPUT("dz/dx += dz/dt1 · y = 3   the 2nd of 2, together dz/dx = 2.58385",
                 "dz/dx  = dz/dt2 · cos(x) = -0.416147", "d²z/dx²    (1×1)  -0.909297", "d²z/dx dy  (1×1)  1",
                 "z     6.9093    2.58385    2\n", "The gradients agree with central finite differences");
    o.lang = EBB_CHINESE;
    CHECK(!explain("z = x*y + sin(x)", o));
    CHECK_OUTPUT("共 2 条中的第 2 条，累加得 dz/dx = 2.58385", "梯度与 float64 中心差分一致");
    o.format = EBB_EXPLAIN_MARKDOWN;
    CHECK(!explain("z = x*y + sin(x)", o));
    CHECK_OUTPUT("# z = x\\*y + sin(x)\n", "| 1 | $t_{1} = x \\cdot y$ | $()$ | $6$ | $x$, $y$ |\n",
                 "$$\\frac{\\partial z}{\\partial y} = \\frac{\\partial z}{\\partial t_{1}} \\cdot x = 2$$");
    o.format = EBB_EXPLAIN_LATEX;
    CHECK(!explain("z = x*y + sin(x)", o));
    CHECK_OUTPUT("\\usepackage{ctex}",
                 "\\[ \\frac{\\partial^2 z}{\\partial x\\,\\partial y} = \\begin{bmatrix} 1 \\end{bmatrix} \\]",
                 "\\end{document}");
    o.format = EBB_EXPLAIN_DOT;
    CHECK(!explain("z = x*y + sin(x)", o));
    CHECK_OUTPUT("digraph ebb {", "n0 -> n2", "label=<<b>x</b>", "dz/dx = 2.58385");
    CHECK_OK();
    CHECK_NO_LEAK();
}

/* ---- whole outputs ---- In tests/explain; written anew when EBB_WRITE_EXPECTED is set. */

/* Rounding errors, which machines differ in: "1.3e-11" becomes "~". */
static void forget_errors(char *text) {
    char *to = text;
    for (const char *c = text; *c;) {
        bool error = isdigit((unsigned char)c[0]) && c[1] == '.' && isdigit((unsigned char)c[2]) && c[3] == 'e' &&
                     (c[4] == '-' || c[4] == '+');
        *to++ = error ? '~' : *c;
        c += error ? 7 : 1;
    }
    *to = '\0';
}

static void compare_file(const char *name) {
    static char expected[sizeof output];
    char path[128];
    const char *write = getenv("EBB_WRITE_EXPECTED");
    forget_errors(output);
    (void)snprintf(path, sizeof path, "tests/explain/%s", name);
    FILE *file = fopen(path, write ? "w" : "r");
    CHECK(file != NULL);
    if (write) (void)fputs(output, file);
    else {
        size_t n = fread(expected, 1, sizeof expected - 1, file);
        expected[n] = '\0';
        if (strcmp(output, expected) != 0) print_error("%s is not what is written: %s\n", path, output);
        CHECK(strcmp(output, expected) == 0);
    }
    (void)fclose(file);
}

EBB_TEST(whole_outputs) {
#define NETWORK \
    VALUES("x=[1, 2]", "y=0.5", "W1=randn(2,2)", "W2=randn(2,2)", "W3=randn(1,2)", "b1=randn(2)", "b2=randn(2)", \
           "b3=randn(1)")
    const struct {
        const char *file, *text;
        ebb_explain_options o;
    } cases[] = {
        {"scalar.txt", "z = x*y + sin(x)", {.limit = 0, VALUES("x=2", "y=3"), .order = 2, .forward_mode = true}},
        {"scalar.zh.txt",
         "z = x*y + sin(x)",
         {.limit = 0, VALUES("x=2", "y=3"), .lang = EBB_CHINESE, .order = 2, .forward_mode = true}},
        {"scalar.md", "z = x*y + sin(x)", {.limit = 0, VALUES("x=2", "y=3"), .format = EBB_EXPLAIN_MARKDOWN}},
        {"scalar.tex",
         "z = x*y + sin(x)",
         {.limit = 0, VALUES("x=2", "y=3"), .format = EBB_EXPLAIN_LATEX, .lang = EBB_CHINESE}},
        {"network.txt", "L = sum((W3 @ (W2 @ relu(W1 @ x + b1) + b2) + b3 - y)**2)", {.limit = 0, NETWORK}},
        {"network.dot",
         "L = sum((W3 @ (W2 @ relu(W1 @ x + b1) + b2) + b3 - y)**2)",
         {.limit = 0, NETWORK, .format = EBB_EXPLAIN_DOT}},
        {"softmax.txt",
         "s = softmax(x @ W + b, dim=-1); L = mean((s + s.mean(0))**2)",
         {.limit = 0, VALUES("x=randn(4,3)", "W=randn(3,2)", "b=[0.1, -0.2]")}},
        {"batch.zh.txt",
         "A = x @ x.mT; sum(A * exp(-A), dim=(1, 2))",
         {.limit = 0, VALUES("x=randn(2,2,3)"), .lang = EBB_CHINESE}},
        {"reduce.txt",
         "z = sum(x, 1); z = z - z.mean(); L = prod(z) + x[i, 0].sum()",
         {.limit = 0, VALUES("x=[[1, 2, 3], [4, 5, 6], [7, 8, 0]]", "i=[2, 0]")}},
        {"batch.md",
         "A = a @ b; L = sum(softmax(A, -1) * A)",
         {.limit = 0, VALUES("a=randn(2,3,4)", "b=randn(4,2)"), .format = EBB_EXPLAIN_MARKDOWN, .order = 2}},
        {"norm.txt",
         "v = (x**2).mean(1, keepdim=True); L = sum(w * (x / sqrt(v + 1e-5) * g))",
         {.limit = 0, VALUES("x=randn(2,3)", "g=[1, 2, 0.5]", "w=randn(2,3)"), .grad_of = "x, g"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(!explain(cases[i].text, cases[i].o));
        compare_file(cases[i].file);
    }
    CHECK_OK();
    CHECK_NO_LEAK();
}

/* ---- formulas whose shapes fit ---- */

#define TEXT(text, ...) explain(text, (ebb_explain_options){__VA_ARGS__})

EBB_TEST(dimensions_that_a_gradient_gets_back_are_written) {
    CHECK(!TEXT("z = sum(x, 1); L = sum(z * z)", VALUES("x=[[1,2,3],[4,5,6]]")));
    CHECK_OUTPUT("dL/dx  = expand(unsqueeze(dL/dz, 1), (2, 3))", "(2) → (2×1) → (2×3), the shape of x ✓");
    CHECK(!TEXT("z = sum(x, -2); L = sum(z * z)", VALUES("x=[[1,2,3],[4,5,6]]"))); /* broadcasting adds it */
    CHECK_OUTPUT("dL/dx  = expand(dL/dz, (2, 3))", "(3) → (2×3), the shape of x ✓");
    CHECK(!TEXT("z = sum(x, 1, keepdim=True); L = sum(z * z)", VALUES("x=[[1,2,3],[4,5,6]]")));
    CHECK_OUTPUT("dL/dx  = expand(dL/dz, (2, 3))", "(2×1) → (2×3), the shape of x ✓");
    CHECK(!TEXT("z = mean(x, (1, 2)); L = sum(z * z)", VALUES("x=randn(2,3,2)")));
    CHECK_OUTPUT("expand(reshape(dL/dz, (2, 1, 1)) / 6, (2, 3, 2))", "(2) → (2×1×1) → (2×3×2), the shape of x");
    CHECK(!TEXT("sum(x)", VALUES("x=[3]")));
    CHECK_OUTPUT("dL/dx  = unsqueeze(dL/dL, 0)", "() → (1), the shape of x ✓");
    CHECK(!TEXT("sum(x)", VALUES("x=[[3]]")));
    CHECK_OUTPUT("dL/dx  = reshape(dL/dL, (1, 1))");
    CHECK(!TEXT("sum(x)", VALUES("x=[3, 4]")));
    CHECK_OUTPUT("dL/dx  = dL/dL · ones(2)", "() → (2), the shape of x ✓");
    CHECK(!TEXT("z = logsumexp(x, 1); L = sum(z * z)", VALUES("x=randn(2,3)")));
    CHECK_OUTPUT("unsqueeze(dL/dz, 1) ⊙ exp(x - unsqueeze(z, 1))", "(2×1) ⊙ (2×3) → (2×3), the shape of x ✓");
    CHECK(!TEXT("z = logsumexp(x, 0); L = sum(z * z)", VALUES("x=randn(2,3)")));
    CHECK_OUTPUT("dL/dz ⊙ exp(x - z)", "(3) ⊙ (2×3) → (2×3), the shape of x ✓");
    CHECK(!TEXT("z = amax(x, 1); L = sum(z * z)", VALUES("x=[[1, 2], [4, 3]]")));
    CHECK_OUTPUT("unsqueeze(dL/dz, 1) ⊙ m / Σ₁(m, keepdim)", "with m = 1(x = unsqueeze(z, 1))");
    CHECK(!TEXT("max(x, 1).values.sum()", VALUES("x=[[1, 2], [4, 3]]")));
    CHECK_OUTPUT("scatter(zeros(2, 2), 1, unsqueeze(t1.indices, 1), unsqueeze(dL/dt1.values, 1))", "= max(x, dim=1)");
    CHECK(!TEXT("slogdet(x).logabsdet.sum()", VALUES("x=randn(2,3,3)")));
    CHECK_OUTPUT("reshape(dL/dt1.logabsdet, (2, 1, 1)) ⊙ inv(x)ᵀ");
    CHECK(!TEXT("softmax(x, -1).sum()", VALUES("x=randn(2,3)")));
    CHECK_OUTPUT("t1 ⊙ (dL/dt1 - Σ₁(dL/dt1 ⊙ t1, keepdim))");
    CHECK(!TEXT("z = sum(x, 1); L = sum(z * z)", VALUES("x=[[1,2,3],[4,5,6]]"), .format = EBB_EXPLAIN_LATEX));
    CHECK_OUTPUT("\\operatorname{expand}\\left(\\operatorname{unsqueeze}\\left(\\frac{\\partial L}{\\partial z}, "
                 "1\\right), (2, 3)\\right)");
    CHECK(!TEXT("solve(a, b).sum()", VALUES("a=[[2, 1], [1, 3]]", "b=[1, 2]"))); /* b is the user's */
    CHECK_OUTPUT("= -unsqueeze(b′, 1) ⊙ t1.output", "with b′ = solve(aᵀ, dL/dt1.output)\n");
    CHECK(!TEXT("conv2d(x, w).sum()", VALUES("x=randn(1,1,3,3)", "w=randn(1,1,2,2)")));
    CHECK_OUTPUT("dL/dx  = convolution_input(dL/dt1, w, (1, 1, 3, 3)) ");
    CHECK(!TEXT("conv2d(x, w, groups=2).sum()", VALUES("x=randn(1,2,3,3)", "w=randn(2,1,2,2)")));
    CHECK_OUTPUT("dL/dx  = convolution_input(dL/dt1, w, (1, 2, 3, 3), groups=2)");
    CHECK(!TEXT("topk(x, 2).values.sum() + trace(y)", VALUES("x=[3, 1, 2]", "y=randn(2,2)")));
    CHECK_OUTPUT("scatter(zeros(3), 0, t1.indices, dL/dt1.values)", "dL/dt3 · eye(2, 2, dtype=float64)");
    CHECK(!TEXT("norm(x)", VALUES("x=[3, 4]")));
    CHECK_OUTPUT("() · (2) → (2), the shape of x ✓");
    CHECK_OK();
    CHECK_NO_LEAK();
}

EBB_TEST(products_with_zeros_have_their_true_formula) {
    CHECK(!TEXT("prod(x, 1).sum()", VALUES("x=[[1, 2], [4, 3]]")));
    CHECK_OUTPUT("unsqueeze(dL/dt1 ⊙ t1, 1) / x");
    CHECK(!TEXT("prod(x, 1).sum()", VALUES("x=[[1, 0], [4, 3]]")));
    CHECK_OUTPUT("unsqueeze(dL/dt1, 1) ⊙ products_of_others(x, 1)", "The gradients agree");
    CHECK(!TEXT("prod(x)", VALUES("x=[[0, 0], [4, 3]]")));
    CHECK_OUTPUT("dL/dL · products_of_others(x)", "The gradients agree");
    CHECK(!TEXT("cumprod(x, 0).sum()", VALUES("x=[2, 0, 4]")));
    CHECK_OUTPUT("products_before(x, 0) ⊙ linear_recurrence(dL/dt1, x, 0, reverse=True)", "The gradients agree");
    EBB_SCOPE {
        double data[] = {2, 0, 4, 5}, before[] = {1, 2, 0, 0}, others[] = {0, 40, 0, 0};
        ebb_tensor *x = ebb_from_data(data, EBB_F64, EBB_DIMS(4));
        ebb_tensor *b = ebb_eval("products_before(x, 0)", EBB_ARGS(EBB_ARG("x", x)));
        ebb_tensor *o = ebb_eval("products_of_others(x, -1)", EBB_ARGS(EBB_ARG("x", x)));
        CHECK(b && o && ebb_item(ebb_sum(ebb_abs(ebb_sub(b, ebb_from_data(before, EBB_F64, EBB_DIMS(4)))))) == 0);
        CHECK(ebb_item(ebb_sum(ebb_abs(ebb_sub(o, ebb_from_data(others, EBB_F64, EBB_DIMS(4)))))) == 0);
        CHECK(!ebb_eval("products_of_others(x, 1)", EBB_ARGS(EBB_ARG("x", x))));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "expected a dimension of the tensor");
    }
    CHECK_OK();
    CHECK_NO_LEAK();
}

EBB_TEST(what_is_not_finite_is_told) {
    CHECK(!TEXT("L = sum(log(x))", VALUES("x=[-1, 2]")));
    CHECK_OUTPUT("t1 = log(x) is not finite: nan at [0].", "only what the formula gives");
    CHECK(!TEXT("1 / x", VALUES("x=0")));
    CHECK_OUTPUT("L = 1 / x is not finite: inf.", "The gradient dL/dx is not finite, although what comes in is: -inf.");
    CHECK(!TEXT("sqrt(x)", VALUES("x=0"), .lang = EBB_CHINESE));
    CHECK_OUTPUT("传入的梯度有限，而 dL/dx 不是有限数：inf。");
    CHECK(!strstr(output, "定义域"));
    CHECK(!EXPLAIN("sqrt(x)", VALUES("x=0")));
    CHECK_OUTPUT("\"not_finite\": \"The gradient dL/dx");
    CHECK(!TEXT("log(x)", VALUES("x=1")));
    CHECK(!strstr(output, "not finite"));
    CHECK_OK();
    CHECK_NO_LEAK();
}

EBB_TEST(integers_stay_where_they_are_needed) {
    CHECK(!TEXT("sum(x[:, i] * y)", VALUES("x=[[1, 2, 3]]", "i=[0, 2]", "y=2")));
    CHECK_OUTPUT("computed in float64, also where integers were given; seed 0",
                 "constant: int64 cannot be differentiated by", "index_put(zeros(1, 3), [:, i], ", "x.grad += dL/dx",
                 "y.grad += dL/dy", "The gradients agree");
    CHECK(!TEXT("cross_entropy(x, t)", VALUES("x=randn(2,3)", "t=[0, 2]")));
    CHECK_OUTPUT("The gradients agree", "computed in float64, seed 0");
    CHECK(!TEXT("x * y", VALUES("x=2", "y=3")));
    CHECK(!strstr(output, "constant"));
    (void)TEXT("x ^ 2", VALUES("x=2"));
    CHECK_ERROR(EBB_ERR_FORMAT, "column 3: ^ is the exclusive or of integers; for a power write **");
    (void)TEXT("x @ w", VALUES("x=[1, 2]", "w=[1, 2, 3]")); /* no dtype would help */
    CHECK_ERROR(EBB_ERR_SHAPE, "inner dimensions");
    CHECK_NO_LEAK();
}

EBB_TEST(what_a_composition_adds_is_left_out_or_marked) {
    CHECK(!TEXT("L = sum(a @ b)", VALUES("a=randn(2,3,4)", "b=randn(2,4,2)")));
    CHECK_OUTPUT("Forward: 2 operations", "t1    = a · b", "a.grad += dL/da", "dL/da  = dL/dt1 · bᵀ",
                 "nothing beyond the variables");
    CHECK(!strstr(output, "view") && !strstr(output, "expand") && !strstr(output, "✗"));
    CHECK(!TEXT("a @ b", VALUES("a=randn(2,3,4)", "b=randn(2,4,2)"), .grad_of = "b", .forward_mode = true));
    CHECK_OUTPUT("Forward: 1 operation, recorded as it is computed", "L     = a · b", "a     (2×3×4)",
                 "as they must be");
    CHECK(!TEXT("y = a.view(2,3).expand(2, 3) * 2; y.sum()", VALUES("a=randn(2,3)"))); /* the user's own stay */
    CHECK_OUTPUT("view(a, size=(2, 3))", "expand(t1, size=(2, 3))");
    CHECK(!TEXT("x.detach() * x", VALUES("x=2"))); /* no view of the value that was given */
    CHECK_OUTPUT("L     = c1 · x");
    static const enum ebb_explain_format formats[] = {EBB_EXPLAIN_TEXT, EBB_EXPLAIN_MARKDOWN, EBB_EXPLAIN_LATEX,
                                                      EBB_EXPLAIN_DOT};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        CHECK(!TEXT("sum(a @ b)", VALUES("a=randn(2,3,4)", "b=randn(4,2)"), .format = formats[i]));
        CHECK_OUTPUT("inserted by matmul");
        CHECK(!strstr(output, "unsafe") && !strstr(output, "part of"));
    }
    CHECK(!TEXT("sum(a @ b)", VALUES("a=randn(2,3,4)", "b=randn(4,2)"), .lang = EBB_CHINESE));
    CHECK_OUTPUT("由 matmul 插入");
    CHECK(!EXPLAIN("sum(a @ b)", VALUES("a=randn(2,3,4)", "b=randn(4,2)")));
    CHECK_OUTPUT("\"part_of\": \"matmul\"");
    CHECK_OK();
    CHECK_NO_LEAK();
}

EBB_TEST(what_matmul_adds_is_left_out_of_graphs_of_programs) {
    for (int watched = 0; watched < 2; watched++) EBB_SCOPE {
            ebb_tensor *a = ebb_requires_grad_(ebb_ones(EBB_DIMS(2, 3, 4), .dtype = EBB_F64), true);
            ebb_tensor *b = ebb_requires_grad_(ebb_ones(EBB_DIMS(2, 4, 2), .dtype = EBB_F64), true);
            ebb_explain_recording *recording = watched ? ebb_explain_begin() : NULL;
            ebb_tensor *product = ebb_matmul(a, b);
            ebb_tensor *loss = ebb_sum(product);
            FILE *to = output_begin();
            CHECK(!ebb_explain(loss, .recording = recording, .to = to));
            output_end(to);
            ebb_explain_end(recording);
            CHECK_OUTPUT("product  = leaf1 · leaf2", "[4  4]");
            CHECK(!strstr(output, "view") && !strstr(output, "expand"));
        }
    CHECK_OK();
    CHECK_NO_LEAK();
}

/* ---- graphs of C programs ---- */

static ebb_status explain_graph(ebb_tensor *t, ebb_explain_options o) {
    o.to = output_begin();
    ebb_status status = (ebb_explain)(t, o);
    output_end(o.to);
    return status;
}

EBB_TEST(graphs_have_the_names_of_their_lines) {
    EBB_SCOPE {
        double w[] = {0.5, -1, 2, 0.25};
        ebb_tensor *W = ebb_name(ebb_requires_grad_(ebb_from_data(w, EBB_F64, EBB_DIMS(2, 2)), true), "W");
        ebb_tensor *x = ebb_requires_grad_(ebb_ones(EBB_DIMS(2), .dtype = EBB_F64), true);
        ebb_explain_recording *recording = ebb_explain_begin();
        ebb_tensor *hidden = ebb_tanh(ebb_matmul(W, x));
        ebb_tensor *named = ebb_name(ebb_mul(hidden, 3.0), "three");
        ebb_tensor *loss = ebb_sum(ebb_mul(named, hidden));
        CHECK(!explain_graph(loss, (ebb_explain_options){.recording = recording}));
        CHECK_OUTPUT("The graph of loss", "hidden = tanh(t1)   TanhBackward0, ",
                     "tests/test_explain.c:", "= dloss/dt1 · leaf1ᵀ", "three = hidden · 3",
                     "leaf1.grad += dloss/dleaf1", "that needs the function");
        ebb_explain_end(recording);
        /* nothing watched: computed again, but for constants */
        CHECK(!explain_graph(loss, (ebb_explain_options){.format = EBB_EXPLAIN_TEXT}));
        CHECK_OUTPUT("hidden  = tanh(t1)", "three   = hidden · 3", "[-1.3864  2.9341]");
        ebb_tensor *shifted = ebb_add(hidden, 0.5); /* saves neither */
        CHECK(!explain_graph(ebb_sum(ebb_mul(shifted, shifted)), (ebb_explain_options){.format = EBB_EXPLAIN_TEXT}));
        CHECK_OUTPUT("shifted  = hidden + …", "[0.037883  1.478]");
        CHECK(!ebb_tensor_grad(W));
        CHECK(!ebb_backward(loss)); /* the graph is as it was */
        CHECK(explain_graph(loss, (ebb_explain_options){.format = EBB_EXPLAIN_TEXT}) == EBB_ERR_FREED);
        ebb_clear_error();
        CHECK(explain_graph(ebb_ones(EBB_DIMS(2)), (ebb_explain_options){.limit = 0}) == EBB_ERR_GRAPH);
        ebb_clear_error();
    }
    CHECK_NO_LEAK();
}

static void explain_a_graph(void) {
    FILE *nowhere = fopen("/dev/null", "w");
    EBB_SCOPE {
        ebb_tensor *x = ebb_scalar(2.0, .requires_grad = true);
        ebb_explain_recording *recording = ebb_explain_begin();
        ebb_tensor *y = ebb_mul(ebb_sin(x), x);
        if (y && recording) (void)ebb_explain(y, .recording = recording, .to = nowhere);
        ebb_explain_end(recording);
    }
    if (nowhere) (void)fclose(nowhere);
}

EBB_TEST(every_allocation_failing_of_a_graph) { CHECK_ALLOCATIONS_FAILING(explain_a_graph, 100000); }

EBB_TEST(second_derivatives_and_tangents) {
    CHECK(!EXPLAIN("h = tanh(W @ x); h = h + x.sum(); sum(h * h)", VALUES("x=[1,2]", "W=randn(3,2)"), .order = 2,
                   .forward_mode = true));
    CHECK_OUTPUT("\"hessian\"", "\"tangents\"", "\"shape\": [3, 2, 3, 2]");
    CHECK(!explain("h = tanh(W @ x); h = h + x.sum(); sum(h * h)",
                   (ebb_explain_options){VALUES("x=[1,2]", "W=randn(3,2)"), .order = 2, .forward_mode = true}));
    CHECK_OUTPUT("They agree with finite differences of the gradients", "as they must be");
    CHECK(!explain("sum(x**3)", (ebb_explain_options){VALUES("x=randn(200)"), .order = 2}));
    CHECK_OUTPUT("The variables have 200 elements together");
    CHECK_OK();
    CHECK_NO_LEAK();
}

EBB_TEST(large_graphs_are_cut_short) {
    enum { STEPS = 2500 };
    static char text[32 * STEPS];
    size_t n = 0;
    for (int i = 0; i < STEPS; i++) n += (size_t)snprintf(text + n, sizeof text - n, "x = x * 1.0001 + y;");
    CHECK(!explain(text, (ebb_explain_options){VALUES("x=2", "y=[0.5, 0.25]")}));
    CHECK_OUTPUT("Forward: 5000 operations, recorded as they are computed", "… 4940 operations are left out here",
                 "… 4912 steps are left out here");
    CHECK(strlen(output) < 1 << 16 && !strstr(output, "NOT"));
    CHECK_OK();
    CHECK_NO_LEAK();
}

/* Graphviz would take minutes for this graph, in which one node leads to many. */
EBB_TEST(a_variable_that_is_used_everywhere) {
    enum { STEPS = 60 };
    static char text[32 * STEPS];
    size_t n = 0;
    for (int i = 0; i < STEPS; i++) n += (size_t)snprintf(text + n, sizeof text - n, "x = tanh(W @ x + b);");
    CHECK(!explain(
        text, (ebb_explain_options){VALUES("x=[1, 2]", "W=[[1, 2], [3, 4]]", "b=0.5"), .format = EBB_EXPLAIN_HTML}));
    CHECK_OUTPUT("\"svg\":"); /* and no tape */
    CHECK_OK();
}

EBB_TEST(tangents_of_many_variables_say_how_many) {
    CHECK(!explain("a + b + c + d + f + g + h + i + j + k",
                   (ebb_explain_options){VALUES("a=1", "b=1", "c=1", "d=1", "f=1", "g=1", "h=1", "i=1", "j=1", "k=1"),
                                         .forward_mode = true}));
    CHECK_OUTPUT("2 variables are left out here");
    CHECK_OK();
}

EBB_TEST(nothing_to_compare_is_not_right) {
    CHECK(!explain("sqrt(x)", (ebb_explain_options){VALUES("x=-1"), .order = 2, .forward_mode = true}));
    CHECK_OUTPUT("There is no check", "Second derivatives", "Forward mode", "There is no check");
    CHECK(!strstr(output, "agree") && !strstr(output, "differ by at most"));
    CHECK(!EXPLAIN("sqrt(x)", VALUES("x=-1"), .order = 2, .forward_mode = true));
    CHECK_OUTPUT("\"ok\": null", "\"verdict\": \"There is no check", "\"ok\": null", "\"ok\": null");
    CHECK_OK();
}

EBB_TEST(errors) {
    (void)EXPLAIN("h = tanh(x); h += 1; h * 2", VALUES("x=2"));
    CHECK_ERROR(EBB_ERR_VERSION, "overwritten in place by add_ at column 14");

    (void)EXPLAIN("z = x*y + sinn(x)", VALUES("x=2", "y=3"));
    CHECK_ERROR(EBB_ERR_NAME, "column 11: there is no function sinn; did you mean sin?");
    (void)EXPLAIN("x * y", VALUES("x=2"));
    CHECK_ERROR(EBB_ERR_NAME, "y has no value");
    (void)EXPLAIN("weight * y", VALUES("wieght=2", "y=3"));
    CHECK_ERROR(EBB_ERR_NAME, "has no wieght; did you mean weight?");
    (void)EXPLAIN("x * 2", VALUES("x=[1, [2]]"));
    CHECK_ERROR(EBB_ERR_SHAPE, "the value of x: column 5: expected a number, as those before it, not a list");
    (void)EXPLAIN("x * y", VALUES("x=1", "x=2", "y=1"));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "x is given twice");
    (void)EXPLAIN("x = 3; x * y", VALUES("x=1", "y=1"));
    CHECK_ERROR(EBB_ERR_NAME, "column 1: x is given a value, and gets another one here before it is read");
    CHECK(!EXPLAIN("x = x * 3; x * y", VALUES("x=1", "y=1")));
    (void)EXPLAIN(" ; ", VALUES("x=1"));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the expression is empty; write one");
    (void)EXPLAIN("x", VALUES("x="));
    CHECK_ERROR(EBB_ERR_FORMAT, "the value of x: nothing stands after the =");
    (void)EXPLAIN("x", VALUES("=3"));
    CHECK_ERROR(EBB_ERR_FORMAT, "before the = of \"=3\" there is no name");
    (void)EXPLAIN("x", VALUES("x='a'"));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the value of x: column 1: expected a number, a list of numbers or a tensor");
    (void)EXPLAIN("x", VALUES("x=@READM.md"));
    CHECK_ERROR(EBB_ERR_IO, "the value of x: column 2: there is no file READM.md; did you mean README.md?");
    (void)EXPLAIN("x * 2", VALUES("x=1 +"));
    CHECK_ERROR(EBB_ERR_FORMAT, "the value of x: column");
    (void)EXPLAIN("x * 2", VALUES("3"));
    CHECK_ERROR(EBB_ERR_FORMAT, "gives no name a value");
    (void)EXPLAIN("x > 2", VALUES("x=1"));
    CHECK_ERROR(EBB_ERR_GRAPH, "does not depend on a variable");
    (void)EXPLAIN("x * 2", VALUES("x=1"), .grad_of = "w");
    CHECK_ERROR(EBB_ERR_NAME, "there is no variable w");
    (void)EXPLAIN("1 + 2", .limit = 0);
    CHECK_ERROR(EBB_ERR_GRAPH, "no variable to differentiate by");
    (void)EXPLAIN("x + 1", VALUES("x=@/nowhere/at/all.npy"));
    CHECK_ERROR(EBB_ERR_IO, "nowhere");
    CHECK_NO_LEAK();
}

/* Beside a tie there is one value more, which x has no element for. */
EBB_TEST(what_is_not_defined_nearby_is_not_checked) {
    CHECK(!explain("sum(x * unique(v))", (ebb_explain_options){VALUES("v=[3, 1, 2, 2, 0]", "x=[1, 2, 3, 4]")}));
    CHECK_OUTPUT("Differences were taken for 3 of 5 elements.");
    CHECK_OUTPUT("The gradients agree");
    CHECK(!EXPLAIN("sum(x * unique(v))", VALUES("v=[2, 2]", "x=[1]"), .grad_of = "v", .order = 2));
    CHECK_OK();
    CHECK_NO_LEAK();
}

static void explain_all(void) {
    (void)EXPLAIN("h = W @ x; h += 1; a, i = max(relu(h), 0); sum(h * a)", VALUES("x=[1,2]", "W=randn(3,2)"));
}

EBB_TEST(every_allocation_failing) { CHECK_ALLOCATIONS_FAILING(explain_all, 100000); }

EBB_TEST_MAIN
