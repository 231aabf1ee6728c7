/* The expression language: what it computes, what it refuses and where it points, and that it survives hostile
 * texts. */
#include "tests/check.h"
#include <ebb/autograd.h>
#include <ebb/expr.h>
#include <ebb/ops.h>
#include <math.h>

/* x = [[1, 2, 3], [4, 5, 6]] and v = [1, -2, 3] in float64, both requiring gradients; n = 3. */
static ebb_tensor *x, *v;

static ebb_tensor *evaluate(const char *text) {
    return ebb_eval(text, EBB_ARGS(EBB_ARG("x", x), EBB_ARG("v", v), EBB_ARG("n", 3)));
}

static void with_variables(void (*body)(void)) {
    EBB_SCOPE {
        x = ebb_requires_grad_(ebb_from_data(((double[]){1, 2, 3, 4, 5, 6}), EBB_F64, EBB_DIMS(2, 3)), true);
        v = ebb_requires_grad_(ebb_from_data(((double[]){1, -2, 3}), EBB_F64, EBB_DIMS(3)), true);
        body();
    }
    ebb_thread_release();
    CHECK_NO_LEAK();
}

/* ---- what texts are worth ---- */

struct worth {
    const char *text;
    double value;
};

/* The sum of all elements, so that one number tells. */
static void check_worth(const struct worth *w, size_t n) {
    for (size_t i = 0; i < n; i++) EBB_SCOPE {
            ebb_tensor *t = evaluate(w[i].text);
            if (!t) print_error("%s: %s\n", w[i].text, ebb_error() ? ebb_error()->message : "");
            CHECK(t != NULL);
            double got = ebb_item(ebb_sum(ebb_to(ebb_detach(t), EBB_F64)));
            if (fabs(got - w[i].value) > 1e-9) print_error("%s is %g, expected %g\n", w[i].text, got, w[i].value);
            CHECK(fabs(got - w[i].value) <= 1e-9);
        }
}
#define CHECK_WORTH(...) \
    check_worth((const struct worth[]){__VA_ARGS__}, sizeof((const struct worth[]){__VA_ARGS__}) / sizeof(struct worth))

static void precedence(void) {
    CHECK_WORTH({"1 + 2*3", 7}, {"(1 + 2)*3", 9}, {"-2**2", -4}, {"2**-1", 0.5}, {"2**3**2", 512}, {"-2**-2", -0.25},
                {"7 // 2", 3}, {"-7 // 2", -4}, {"-7 % 3", 2}, {"7 % -3", -2}, {"2*3 % 4", 2}, {"1 - 2 - 3", -4},
                {"8 / 4 / 2", 1}, {"~5", -6}, {"6 & 3 | 8", 10}, {"6 ^ 3 & 1", 7}, {"- - 3", 3}, {"+3", 3},
                {"1 < 2 < 3", 1}, {"1 < 2 > 3", 0}, {"1 == 1.0", 1}, {"not 1 == 2", 1}, {"0 or 5", 5}, {"3 and 0", 0},
                {"not 0 and 2", 2}, {"1 if 0 else 2", 2}, {"1 if n > 2 else 1/0", 1}, {"1 if 0 else 2 if 0 else 3", 3},
                {"1.5e3", 1500}, {".5 + 2.", 2.5}, {"True + True", 2}, {"abs(-3)", 3}, {"max(2, 3, 1)", 3},
                {"9223372036854775807", 9223372036854775807.0}, {"sqrt(4)", 2}, {"float(2) + int(2.7)", 4});
}

static void tensors(void) {
    CHECK_WORTH(
        {"x", 21}, {"x + v", 25}, {"x @ v", 6 + 12}, {"v @ v", 14}, {"x.T @ [1, 1]", 21}, {"x @ v.T", 18},
        {"sum(x * 2, 0)", 42}, {"x.sum(0, True).shape", 4}, {"x.sum(0, keepdim=true).shape", 4},
        {"sum(x, dim=[0, 1])", 21}, {"mean(x)", 3.5}, {"x ** 2", 91}, {"2 ** v", 2 + 0.25 + 8}, {"-v", -2},
        {"x // 2", 9}, {"x % 2", 3}, {"x > 3", 3}, {"1 < x <= 4", 3}, {"x > 1 and x < 3", 1}, {"not x > 3", 3},
        {"~(x > 3)", 3}, {"v == [1, 0, 3]", 2}, {"[[1, 2], [3, 4]] @ [1., 1.]", 10},
        {"tensor([[1, 2], [3, 4]]).T[0]", 4}, {"arange(5)", 10}, {"arange(2, 5)", 9}, {"arange(0., 1, 0.25)", 1.5},
        {"zeros(2, 3) + 1", 6}, {"full((2, 2), 3)", 12}, {"eye(3)", 3}, {"cat([x, x], 1).shape", 8},
        {"stack([v, v]).shape", 5}, {"where(x > 2, x, 0)", 18}, {"einsum('ij,j->i', x, v)", 18},
        {"x.view(3, 2).shape", 5}, {"x.permute(1, 0).shape", 5}, {"x.reshape(-1).shape", 6}, {"relu(v)", 4},
        {"v.clamp(0, 2)", 3}, {"clamp(v, max=0)", -2}, {"softmax(x, dim=1)", 2},
        {"x.shape[0] + x.size(1) + x.ndim + x.numel()", 13}, {"len(x)", 2},
        {"torch.nn.functional.relu(v) + F.relu(v)", 8}, {"torch.pi - pi", 0}, {"x.mT.shape", 5}, {"max(x, 1)[0]", 9},
        {"a, b = max(x, 1); b", 4}, {"max(x, 0).indices", 3}, {"max(x)", 6}, {"max(x, dim=0).values", 15},
        {"sort(v, descending=True).indices", 0 + 1 + 2}, {"topk(x, 2).values", 16}, {"eigh(x @ x.T).eigenvalues", 91},
        {"torch.linalg.svd(x).S ** 2", 91}, {"slogdet(eye(2).double() * 3).logabsdet", log(9)},
        {"slogdet(eye(2)).sign", 1}, {"qr(x).R.shape", 5}, {"r = qr(x); r.Q @ r.R", 21}, {"var_mean(x).mean", 3.5},
        {"eigh(x @ x.T).shape", 2}, {"matrix_norm(x, 1, (1, 0), True).shape", 2},
        {"m = max(x, 0); m.values + m.indices", 15 + 3}, {"tensordot(x, x)", 91}, {"tensordot(x, v, dims=1)", 18},
        {"tensordot(x, v, 1)", 18}, {"tensordot(x, x, dims=[[0], [0]]).shape", 6},
        {"tensordot(x, x, ([0, 1], [0, 1]))", 91}, {"torch.tensordot(x, x.T, dims=([1], [0]))", 14 + 32 + 32 + 77},
        {"F.max_pool1d(x, 3)", 9}, {"F.relu(v, inplace=False)", 4},
        {"mse_loss(x, x, size_average=None, reduce=None)", 0}, {"zeros(2, device='cpu')", 0},
        {"avg_pool2d(x[None], 2, divisor_override=None)", 3}, {"adaptive_avg_pool2d(x[None], (None, 1)).shape[-2]", 2},
        {"max_pool1d(x, 3, return_indices=True).indices", 4}, {"y, i = max_pool1d(x, 3, return_indices=True); i", 4},
        {"unique([1, 2, 1], return_counts=True)[1]", 3}, {"chunk(x, 3, 1)[2]", 9}, {"split(x, [1, 2], dim=1)[1]", 16},
        {"sort(v, descending=True)[0]", 2}, {"gather(x, 1, [[0, 2], [1, 1]])", 1 + 3 + 5 + 5},
        {"index_select(x, 0, tensor([1]))", 15}, {"scatter(zeros(2, 2), 0, [[0, 1]], 5.)", 10},
        {"layer_norm(x, (3,))", 0}, {"x.to(float32).double()", 21}, {"mse_loss(x, x + 2, reduction='sum')", 24},
        {"v.detach().item() if len(v) == 1 else 7", 7}, {"v.where(v > 0, 9)", 13}, {"polygamma(1, [1.]) - pi**2/6", 0},
        {"tensor([1.]).polygamma(1) - pi**2/6", 0}, {"concat([v, v])", 4}, {"x.swapaxes(0, 1).shape", 5},
        {"sum_to_size(x, (1, 3)).shape", 4}, {"div(v, 2, rounding_mode='floor')", -1 + 1}, {"x.dtype == float64", 1},
        {"[1, 2] + [3]", 6});
}

static void subscripts(void) {
    CHECK_WORTH({"x[0]", 6}, {"x[-1, -1]", 6}, {"x[1:]", 15}, {"x[:, 1]", 7}, {"x[:, ::2]", 14}, {"x[..., 0]", 5},
                {"x[None].shape", 6}, {"x[0, None, 1:].shape", 3}, {"x[x > 2]", 18}, {"x[[0, 0]]", 12},
                {"x[:, [0, 2]]", 14}, {"x[(1, 2)]", 6}, {"x[1:2, 0:2]", 9}, {"x.shape[1:]", 3}, {"[1, 2, 3][-1]", 3},
                {"x[tensor([1]), tensor([2])]", 6}, {"x[0][1]", 2});
}

static void statements(void) {
    CHECK_WORTH({"h = x @ v; h * 2", 36}, {"h = x\nh = h + 1\nh", 27}, {"# nothing\nx # the rest is a remark", 21},
                {"b = 1 if 0 else 2", 2}, {"a, b = [1, 2]; a + b*10", 21}, {"(a, b) = (1, 2); b", 2},
                {"h = x * 1; h[0] = 0; h", 15}, {"h = x * 1; h += 1; h", 27}, {"h = x * 1; h[:, 0] *= 10; h", 21 + 45},
                {"k = 2; k += 3; k **= 2; k", 25}, {"(x\n + 1\n).sum()", 27}, {"x \\\n + 1", 27}, {";;x;", 21},
                {"ŷ = x; ŷ", 21}, {"h = x * 1; h.mul_(2); h", 42}, {"h = x * 2", 42});
}

static void gradients(void) {
    EBB_SCOPE {
        ebb_tensor *z = evaluate("sum((x @ v + sin(v[0]))**2)"), *g[2];
        CHECK(z && !ebb_grad(EBB_LIST(z), EBB_LIST(x, v), g));
        double s = sin(1.0), a = 2 * (6 + s), b = 2 * (12 + s);
        CHECK_VALUES(g[0], 1e-12, a, -2 * a, 3 * a, b, -2 * b, 3 * b);
        CHECK_VALUES(g[1], 1e-12, a + 4 * b + (a + b) * cos(1.0), 2 * a + 5 * b, 3 * a + 6 * b);
    }
}

EBB_TEST(precedence_is_pythons) { with_variables(precedence); }
EBB_TEST(operators_by_name_in_pythons_syntax) { with_variables(tensors); }
EBB_TEST(subscripts_are_pythons) { with_variables(subscripts); }
EBB_TEST(statements_assign_and_change) { with_variables(statements); }
EBB_TEST(what_is_evaluated_is_recorded) { with_variables(gradients); }

EBB_TEST(randomness_is_the_threads) {
    EBB_SCOPE {
        ebb_manual_seed(3);
        ebb_tensor *a = ebb_eval("randn(2, 3)");
        ebb_manual_seed(3);
        ebb_tensor *b = ebb_randn(EBB_DIMS(2, 3));
        CHECK(ebb_item(ebb_sum(ebb_abs(ebb_sub(a, b)))) == 0);
    }
    ebb_thread_release();
}

/* Every operator can be called without names in the order that it says. */
EBB_TEST(orders_name_arguments) {
    int orders = 0;
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *op = ebb_op_get(i);
        for (const char *word = op->order; word && *word; word += strspn(word, ", ")) {
            size_t n = strcspn(word, ", ");
            bool found = false;
            for (int k = 0; k < op->n_in; k++)
                found = found || (strlen(op->in[k].name) == n && strncmp(op->in[k].name, word, n) == 0);
            for (int k = 0; k < op->n_attrs; k++)
                found = found || (strlen(op->attrs[k].name) == n && strncmp(op->attrs[k].name, word, n) == 0);
            if (!found) print_error("%s: its order names %s, which is no argument\n", op->name, word);
            CHECK(found);
            word += n;
            orders++;
        }
    }
    CHECK(orders > 50);
}

/* ---- errors ---- */

struct refused {
    const char *text, *message;
    int before, length; /* where the carets are */
};

static void check_refused(const struct refused *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char caret[800], want[800], line[256] = "";
        const struct refused *r = &list[i];
        bool refused = evaluate(r->text) == NULL && ebb_error();
        if (!refused) print_error("%s is evaluated\n", r->text);
        CHECK(refused);
        if (strcmp(ebb_error()->message, r->message) != 0)
            print_error("%s\n  says     %s\n  expected %s\n", r->text, ebb_error()->message, r->message);
        CHECK(strcmp(ebb_error()->message, r->message) == 0);
        ebb_clear_error();
        (void)ebb_eval_caret(caret, sizeof caret);
        const char *last = strrchr(r->text, '\n');
        (void)snprintf(line, sizeof line, "%s", last ? last + 1 : r->text);
        (void)snprintf(want, sizeof want, "%s\n%*s%.*s", line, r->before, "", r->length,
                       "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
        if (strcmp(caret, want) != 0) print_error("got\n%s\nexpected\n%s\n", caret, want);
        CHECK(strcmp(caret, want) == 0);
    }
}
#define CHECK_REFUSED(...) \
    check_refused((const struct refused[]){__VA_ARGS__}, \
                  sizeof((const struct refused[]){__VA_ARGS__}) / sizeof(struct refused))

static void syntax(void) {
    CHECK_REFUSED(
        {"x + ", "column 5: expected a value, found the end of the text", 4, 1},
        {"(x", "column 1: this bracket is not closed", 0, 1},
        {"sum(x, 0", "column 4: this bracket is not closed", 3, 1},
        {"x x", "column 3: an operator is missing here; for a product write *, between statements ;", 2, 1},
        {"x)", "column 2: this bracket closes none that is open", 1, 1},
        {"1\n2x", "line 2, column 1: a name may not begin with a digit; write 2*x for a product", 0, 2},
        {"x·v", "column 2: write * for a product, @ for a product of matrices", 1, 1},
        {"x²", "column 2: write **2", 1, 1}, {"x − 1", "column 3: write - (this is the sign of printed text)", 2, 1},
        {"x && v", "column 3: write `and`", 2, 2}, {"!x", "column 1: write `not`, or != to compare", 0, 1},
        {"x $ v", "column 3: this sign has no meaning here", 2, 1}, {"'abc", "column 1: this string has no end", 0, 4},
        {"99999999999999999999", "column 1: this integer is too large; write it with a point to have a float", 0, 20},
        {"f(a=1, 2)", "column 8: an argument without a name follows one with a name", 7, 1},
        {"x.T = 3", "column 1: only names and parts of tensors, x[…], can be assigned to; to compare, write ==", 0, 3},
        {"1 + (2 = 3)", "column 8: expected an operator, ',' or ')', found '='", 7, 1},
        {"x[]", "column 3: expected an index, found ']'", 2, 1},
        {"x.", "column 3: expected a name after the point, found the end of the text", 2, 1},
        {"1 if 2", "column 7: expected `else`, found the end of the text", 6, 1},
        {"lambda", "column 1: expected a value, found 'lambda'", 0, 6},
        {"1 * not 2", "column 5: expected a value (put `not …` in brackets), found 'not'", 4, 3});
}

static void meanings(void) {
    CHECK_REFUSED(
        {"x*y + 1", "column 3: y has no value; give it one, as in y=2", 2, 1},
        {"long_name = 1; lnog_name", "column 16: lnog_name has no value; did you mean long_name?", 15, 9},
        {"sinn(x)", "column 1: there is no function sinn; did you mean sin?", 0, 4},
        {"x.vieww(3)", "column 3: there is no function vieww; did you mean view?", 2, 5},
        {"sin", "column 1: sin is a function: it is called as sin(…)", 0, 3},
        {"x.sum", "column 3: sum is a method: it is called as .sum(…)", 2, 3},
        {"eigh(x @ x.T).eigenvalue",
         "column 15: a list has no attribute eigenvalue; did you mean eigenvalues?; there are: eigenvalues, eigenvectors",
         14, 10},
        {"r = qr(x); r.S", "column 14: a list has no attribute S; there are: Q, R", 13, 1},
        {"tensordot(x, x, [[0], [1], [2]])", "column 17: tensordot: dims must be an integer, not a list", 16, 15},
        {"relu(x, inplace=True)", "column 9: relu has no argument inplace: use relu_", 8, 12},
        {"l1_loss(x, x, reduce=True)", "column 15: l1_loss has no argument reduce: use reduction", 14, 11},
        {"x.shap", "column 3: a tensor has no attribute shap; did you mean shape?", 2, 4},
        {"x(2)", "column 1: x is no function, but a tensor; for a product write *", 0, 1},
        {"(x + 1)(2)", "column 4: only functions and methods can be called", 3, 1},
        {"softmax(x)", "column 1: softmax: dim is missing; it takes (self, dim, dtype=none)", 0, 7},
        {"softmax(x, dmi=0)",
         "column 12: softmax has no argument dmi; it takes (self, dim, dtype=none); did you mean dim?", 11, 5},
        {"softmax(x, 0.5)", "column 12: softmax: dim must be an integer, not a float", 11, 3},
        {"sum(x, 0, dim=1)", "column 11: sum: dim is given twice", 10, 5},
        {"sin(x, v, 2)", "column 8: sin takes one argument", 7, 1},
        {"mse_loss(x, x, reduction='all')",
         "column 1: mse_loss: argument 'reduction' must be one of mean, sum, none, not str 'all'", 0, 8},
        {"x @ [1, 2]",
         "column 3: matmul: inner dimensions of [2, 3] and [2] differ: 3 and 2; inputs: self float64 [2, 3], other float64 [2]",
         2, 1},
        {"x.view(4)", "column 3: view: shape [4] does not fit 6 elements; inputs: self float64 [2, 3]", 2, 4},
        {"x[5]", "column 2: getitem: index 5 is out of range for dimension 0 of size 2; inputs: self float64 [2, 3]", 1,
         3},
        {"x['a']",
         "column 3: an index is an integer, a slice, None, `...`, or a tensor of integers or bools, not a string", 2,
         3},
        {"x[1.5:]", "column 3: a slice is made of integers, not of a float", 2, 3},
        {"[1, 2][5]", "column 7: index 5 is out of range of a list of length 2", 6, 3},
        {"1/0", "column 2: division of a number by zero", 1, 1},
        {"2**64", "column 2: this integer is too large; write one of them with a point", 1, 2},
        {"None + 1", "column 6: + cannot be applied to None and an int", 5, 1},
        {"-None", "column 1: - cannot be applied to None", 0, 1},
        {"1 @ 2", "column 3: @ cannot be applied to an int and an int", 2, 1},
        {"a, b = x", "column 1: 2 names are assigned to, but there is one value, a tensor", 0, 4},
        {"a, b = [1]", "column 1: 2 names are assigned to, but the list has length 1", 0, 4},
        {"1 if x > 0 else 2",
         "column 6: a tensor of 6 elements is neither true nor false; where(…) chooses element by element", 5, 5},
        {"tensor([[1, 2], [3]])",
         "column 17: this list has length 1, those before it 2: all rows of a tensor are of one length", 16, 3},
        {"sum([1, [2]])", "column 9: expected a number, as those before it, not a list", 8, 3},
        {"x + [[1], 2]", "column 11: expected a list, as those before it, not an int", 10, 1},
        {"x ^ 2", "column 3: ^ is the exclusive or of integers; for a power write **", 2, 1},
        {"v.item()", "column 1: expected a tensor of one element, not of 3", 0, 1},
        {"h = x*1; h @= x", "column 10: matmul has no form in place", 9, 1},
        {"relu('x')", "column 6: relu: self must be a tensor, not a string", 5, 3},
        {"cat(1)", "column 5: cat: tensors must be a list of tensors, not an int", 4, 1});
}

EBB_TEST(errors_of_syntax_point_at_the_place) { with_variables(syntax); }
EBB_TEST(errors_of_meaning_point_and_suggest) { with_variables(meanings); }

EBB_TEST(errors_before_are_kept) {
    (void)ebb_fail(EBB_ERR_SHAPE, "before");
    CHECK(ebb_eval("1 +") == NULL);
    CHECK_ERROR(EBB_ERR_SHAPE, "before");
    CHECK((ebb_eval)(NULL, (ebb_eval_options){.variables = {0, NULL}}) == NULL);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the text is NULL");
    CHECK(ebb_eval("") == NULL);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "no expression");
    CHECK(ebb_eval("'text'") == NULL);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "a string, not a tensor");
    ebb_thread_release();
}

/* ---- hostile texts ---- */

static void check_nested(const char *open, const char *close, int n, bool fails) {
    size_t a = strlen(open), b = strlen(close);
    char *text = malloc((a + b) * (size_t)n + 2), *p = text;
    if (!text) abort();
    for (int i = 0; i < n; i++, p += a) memcpy(p, open, a);
    *p++ = '1';
    for (int i = 0; i < n; i++, p += b) memcpy(p, close, b);
    *p = '\0';
    EBB_SCOPE {
        ebb_tensor *t = ebb_eval(text);
        CHECK((t == NULL) == fails);
        if (fails) CHECK(strstr(ebb_error()->message, "nested too deeply") != NULL);
        ebb_clear_error();
    }
    free(text);
}

EBB_TEST(nesting_is_bounded) {
    check_nested("(", ")", 100, false);
    check_nested("(", ")", 20000, true);
    check_nested("[", "]", 20000, true);
    check_nested("-", "", 20000, true);
    check_nested("not ", "", 20000, true);
    check_nested("2**", "", 20000, true);
    check_nested("sin(", ")", 20000, true);
    check_nested("1 if 1 else ", "", 20000, true);
    check_nested("x[", "]", 20000, true);
    check_nested("1+", "", 20000, false); /* a long sum is not deep */
    ebb_thread_release();
}

static void body_of_failing(void) {
    EBB_SCOPE {
        (void)ebb_eval("h = relu([[1., 2.], [3, -4]] @ arange(2.)); a, b = max(stack([h, h]), 1); h[0] += 1; "
                       "cat([a, h]).sum(dim=0, keepdim=True)[None, ...] if len(a) > 1 else 0");
    }
}

EBB_TEST(every_allocation_may_fail) { CHECK_ALLOCATIONS_FAILING(body_of_failing, 0); }

EBB_TEST_MAIN
