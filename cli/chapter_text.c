/* The chapter told to a person, in English or Chinese: each example in four steps. */
#include "cli/chapter.h"
#include "cli/cli.h"
#include "tool/terminal.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

/* ---- the texts ---- */

enum text {
    T_TITLE,
    T_DTYPE,
    T_SEED,
    T_RULE,
    T_STOP,
    T_COLON,
    T_EXAMPLE,
    T_SCALAR,
    T_LINEAR,
    T_NETWORK,
    T_FORWARD,
    T_ENGINE,
    T_BY_HAND,
    T_COMPARISON,
    T_STEP_0,
    T_STEP_1,
    T_STEP_2,
    T_STEP_3,
    T_STEP_4,
    T_UPSTREAM,
    T_VJP,
    T_CHECK,
    T_OUT,
    T_MASK,
    T_LEAF,
    T_CONSTANT,
    T_UPSTREAM_OF,
    T_RETAINED,
    T_HEAD_GRADIENT,
    T_HEAD_SHAPE,
    T_HEAD_DIFF,
    T_HEAD_FD,
    T_HEAD_TRIED,
    T_ALL_ENTRIES,
    T_SOME_ENTRIES,
    T_AGREE,
    T_DISAGREE,
    T_ALL_AGREE,
    T_NOT_ALL,
    T_GRAPH,
    T_NO_PICTURE,
    N_TEXTS
};

static const char *const texts[N_TEXTS][2] = {
    [T_TITLE] = {"Chapter 1: the computational graph and automatic differentiation", "第一章：计算图与自动微分"},
    [T_DTYPE] = {"dtype", "数据类型"},
    [T_SEED] = {", seed", "，随机种子"},
    [T_RULE] = {"A difference is max |automatic − by hand| / max(1, |by hand|); it must be at most",
                "误差定义为 max |自动 − 手工| / max(1, |手工|)，须不超过"},
    [T_STOP] = {".", "。"},
    [T_COLON] = {": ", "："},
    [T_EXAMPLE] = {"Example", "例"},
    [T_SCALAR] = {"a scalar function", "标量复合函数"},
    [T_LINEAR] = {"a fully connected layer", "全连接层（Linear Layer）"},
    [T_NETWORK] = {"a four-layer network", "四层神经网络"},
    [T_FORWARD] = {"Forward: values, and the graph nodes that are recorded as they are computed",
                   "前向传播：边计算数值，边记录计算图的节点"},
    [T_ENGINE] = {"Gradients by the engine: one backward pass from",
                  "自动微分：引擎从根节点出发做一次反向传播，根节点为"},
    [T_BY_HAND] = {"Gradients by hand: the derived formulas as plain tensor operations, nothing recorded",
                   "手工推导：把推出的公式直接写成张量运算，不记录计算图"},
    [T_COMPARISON] = {"Comparison, with central finite differences in float64 as another witness",
                      "对比：另请 float64 中心差分作证"},
    [T_STEP_0] = {"Step 0: where backward begins, L = (ŷ − y)²", "Step 0：反向传播起点，L = (ŷ − y)²"},
    [T_STEP_1] = {"Step 1: the fourth layer, linear, ŷ = W3·h3 + b3", "Step 1：第四层 Linear，ŷ = W3·h3 + b3"},
    [T_STEP_2] = {"Step 2: the third layer, linear, h3 = W2·h2 + b2", "Step 2：第三层 Linear，h3 = W2·h2 + b2"},
    [T_STEP_3] = {"Step 3: ReLU, which cuts gradients off, h2 = ReLU(h1)", "Step 3：ReLU 会“截断梯度”，h2 = ReLU(h1)"},
    [T_STEP_4] = {"Step 4: the first layer, linear, h1 = W1·x + b1", "Step 4：第一层 Linear，h1 = W1·x + b1"},
    [T_UPSTREAM] = {"upstream gradient", "上游梯度"},
    [T_VJP] = {"vector-Jacobian product", "VJP（向量 × 雅可比）"},
    [T_CHECK] = {"dimension check", "维度检查"},
    [T_OUT] = {"gradient out", "传出的梯度"},
    [T_MASK] = {"; its mask", "；掩码"},
    [T_LEAF] = {"leaf", "叶子节点"},
    [T_CONSTANT] = {"constant", "常量"},
    [T_UPSTREAM_OF] = {"upstream gradient, given", "给定的上游梯度"},
    [T_RETAINED] = {"intermediate, retained", "中间量，保留梯度"},
    [T_HEAD_GRADIENT] = {"gradient", "梯度"},
    [T_HEAD_SHAPE] = {"shape", "形状"},
    [T_HEAD_DIFF] = {"engine − by hand", "自动 − 手工"},
    [T_HEAD_FD] = {"engine − differences", "自动 − 差分"},
    [T_HEAD_TRIED] = {"differences tried at", "差分所试的元素"},
    [T_ALL_ENTRIES] = {"every entry", "全部元素"},
    [T_SOME_ENTRIES] = {"entries and one direction through all", "个元素，外加一个遍及全部元素的方向"},
    [T_AGREE] = {"agrees", "一致"},
    [T_DISAGREE] = {"DOES NOT AGREE", "不一致"},
    [T_ALL_AGREE] = {"All gradients agree: by the engine, by hand, and by finite differences.",
                     "全部梯度一致：自动微分、手工推导、有限差分，三者相符。"},
    [T_NOT_ALL] = {"The gradients do NOT all agree.", "并非所有梯度都一致！"},
    [T_GRAPH] = {"The graph of example 3 is drawn in", "例 3 的计算图已画入"},
    [T_NO_PICTURE] = {"No picture is made", "没有生成图片"},
};

struct teller {
    FILE *to;
    int language;
    const char *bold, *dim, *good, *bad, *title, *plain;
};

static const char *say(const struct teller *t, enum text text) { return texts[text][t->language]; }

static void verdict(const struct teller *t, bool ok) {
    (void)fprintf(t->to, "%s%s%s", ok ? t->good : t->bad, ok ? "✓" : "✗", t->plain);
}

/* ---- values ---- */

struct line {
    char text[512];
    size_t n;
};

static EBB_PRINTF(2, 3) void put(struct line *l, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(l->text + l->n, sizeof l->text - l->n, format, arguments);
    va_end(arguments);
    l->n += n > 0 ? (size_t)n : 0;
    if (l->n >= sizeof l->text) l->n = sizeof l->text - 1;
}

/* "(32×128)" */
static void put_shape(struct line *l, ebb_dims shape) {
    put(l, "(");
    for (int i = 0; i < shape.n; i++) put(l, "%s%" PRId64, i ? "×" : "", shape.d[i]);
    put(l, ")");
}

static bool is_small(const ebb_tensor *t) { return ebb_tensor_numel(t) <= 8 && ebb_tensor_ndim(t) <= 2; }

static void put_elements(struct line *l, const ebb_tensor *t, ebb_dims index, int dim) {
    if (dim == ebb_tensor_ndim(t)) {
        put(l, "%.5g", ebb_at_index(t, index) + 0.0); /* no negative zero */
        return;
    }
    put(l, "[");
    for (int64_t i = 0; i < ebb_tensor_size(t, dim); i++) {
        index.d[dim] = i;
        put(l, i ? ", " : "");
        put_elements(l, t, index, dim + 1);
    }
    put(l, "]");
}

/* All elements of a small tensor; of a larger one the shape, the first element and the Euclidean norm. */
static void put_value(struct line *l, ebb_tensor *t) {
    ebb_dims index = {{0}, ebb_tensor_ndim(t)};
    if (is_small(t)) {
        put_elements(l, t, index, 0);
        return;
    }
    double norm = NAN;
    EBB_SCOPE { norm = sqrt(ebb_item(ebb_sum(ebb_square(ebb_to(ebb_detach(t), EBB_F64))))); }
    put_shape(l, ebb_tensor_shape(t));
    put(l, "  [%.4g, …]  ‖·‖ = %.6g", ebb_at_index(t, index), norm);
}

static void pad_line(const struct teller *t, const struct line *l, int columns) { ebb__pad(t->to, l->text, columns); }

/* ---- the parts ---- */

static void heading(const struct teller *t, int number, enum text text, const char *more) {
    (void)fprintf(t->to, "\n  %s%d  %s%s%s%s\n", t->bold, number, say(t, text), more ? " " : "", more ? more : "",
                  t->plain);
}

static void put_gradient_name(struct line *l, const struct chapter_result *r, int i) {
    put(l, "∂%s/∂%s", r->example->target, r->example->variables[i].label);
}

/* "name   value   note" */
static void tell_value(const struct teller *t, const struct line *name, ebb_tensor *value, const char *note) {
    struct line shown = {"", 0};
    put_value(&shown, value);
    (void)fputs("     ", t->to);
    pad_line(t, name, 18);
    pad_line(t, &shown, 47);
    (void)fprintf(t->to, "%s%s%s\n", t->dim, note, t->plain);
}

/* The dimension check of the product in a forward pass. */
static void tell_product(const struct teller *t, const struct chapter_result *r) {
    ebb_dims left = ebb_tensor_shape(r->value[r->example->product[0]]);
    ebb_dims right = ebb_tensor_shape(r->value[r->example->product[1]]), out = ebb_tensor_shape(r->value[r->root]);
    bool fits = left.d[1] == right.d[0] && out.d[0] == left.d[0] && out.d[1] == right.d[1];
    struct line check = {"", 0};
    put_shape(&check, left);
    put(&check, "·");
    put_shape(&check, right);
    put(&check, " → ");
    put_shape(&check, out);
    (void)fprintf(t->to, "     %s%s%s ", say(t, T_CHECK), say(t, T_COLON), check.text);
    verdict(t, fits);
    (void)fputc('\n', t->to);
}

static void tell_forward(const struct teller *t, const struct chapter_result *r) {
    static const enum text roles[] = {[CHAPTER_CONSTANT] = T_CONSTANT, [CHAPTER_LEAF] = T_LEAF};
    heading(t, 1, T_FORWARD, NULL);
    for (int i = 0; i < r->example->n; i++) {
        const struct chapter_variable *v = &r->example->variables[i];
        ebb_node *node = v->formula ? ebb_tensor_grad_fn(r->value[i]) : NULL;
        struct line name = {"", 0};
        put(&name, "%s%s%s", v->label, v->formula ? " = " : "", v->formula ? v->formula : "");
        tell_value(t, &name, r->value[i], node ? ebb_node_name(node) : say(t, roles[v->role]));
    }
    if (r->upstream_given) {
        struct line name = {"", 0};
        put_gradient_name(&name, r, r->root);
        tell_value(t, &name, r->upstream, say(t, T_UPSTREAM_OF));
    }
    if (r->example->product[1]) tell_product(t, r);
}

static void tell_engine(const struct teller *t, const struct chapter_result *r) {
    heading(t, 2, T_ENGINE, r->example->variables[r->root].label);
    for (int i = 0; i < r->example->n; i++) {
        const struct chapter_variable *v = &r->example->variables[i];
        if (!v->gradient) continue;
        struct line name = {"", 0};
        put_gradient_name(&name, r, i);
        tell_value(t, &name, r->automatic[i], say(t, v->role == CHAPTER_LEAF ? T_LEAF : T_RETAINED));
    }
}

/* A step's columns: what comes in, the product, its dimension check, what goes out. */
enum { IN, VJP, CHECK, OUT, N_COLUMNS };

static void put_step(const struct chapter_result *r, const struct chapter_step *s, struct line column[N_COLUMNS]) {
    ebb_tensor *upstream = s->from == r->root ? r->upstream : r->by_hand[s->from];
    for (int i = 0; i < N_COLUMNS; i++) column[i] = (struct line){"", 0};
    put_gradient_name(&column[IN], r, s->from);
    put(&column[IN], is_small(upstream) ? " = " : " ");
    if (is_small(upstream)) put_value(&column[IN], upstream);
    else put_shape(&column[IN], ebb_tensor_shape(upstream));
    put_gradient_name(&column[VJP], r, s->to);
    put(&column[VJP], " = %s", s->vjp);
    put_shape(&column[CHECK], s->left.n ? s->left : ebb_tensor_shape(upstream));
    if (s->left.n) {
        put(&column[CHECK], "·");
        put_shape(&column[CHECK], s->right);
    }
    put(&column[CHECK], " → ");
    put_shape(&column[CHECK], s->left.n ? EBB_DIMS(s->left.d[0], s->right.d[1]) : ebb_tensor_shape(r->by_hand[s->to]));
    put(&column[CHECK], " %s", s->fits ? "✓" : "✗");
    put_value(&column[OUT], r->by_hand[s->to]);
}

static void tell_step(const struct teller *t, struct line column[N_COLUMNS], const int width[N_COLUMNS], bool fits) {
    (void)fputs("     ", t->to);
    for (int i = 0; i < N_COLUMNS; i++) {
        (void)fputs(i != CHECK ? "" : fits ? t->good : t->bad, t->to);
        ebb__pad(t->to, column[i].text, i == OUT ? 0 : width[i] + 2);
        (void)fputs(i == CHECK ? t->plain : "", t->to);
    }
    (void)fputc('\n', t->to);
}

static void tell_by_hand(const struct teller *t, const struct chapter_result *r) {
    static const enum text heads[N_COLUMNS] = {T_UPSTREAM, T_VJP, T_CHECK, T_OUT};
    bool numbered = r->steps[r->n_steps - 1].number > 0;
    struct line column[N_COLUMNS];
    int width[N_COLUMNS];
    heading(t, 3, T_BY_HAND, NULL);
    for (int i = 0; i < N_COLUMNS; i++) width[i] = ebb__columns(say(t, heads[i]));
    for (int k = 0; k < r->n_steps; k++) {
        put_step(r, &r->steps[k], column);
        for (int i = 0; i < N_COLUMNS; i++)
            if (ebb__columns(column[i].text) > width[i]) width[i] = ebb__columns(column[i].text);
    }
    (void)fprintf(t->to, "     %s", t->dim);
    for (int i = 0; i < N_COLUMNS; i++) ebb__pad(t->to, say(t, heads[i]), i == OUT ? 0 : width[i] + 2);
    (void)fprintf(t->to, "%s\n", t->plain);
    for (int k = 0; k < r->n_steps; k++) {
        int number = r->steps[k].number;
        if (numbered && (k == 0 || number != r->steps[k - 1].number)) {
            (void)fprintf(t->to, "   %s%s%s", t->bold, say(t, (enum text)(T_STEP_0 + number)), t->plain);
            if (r->mask && number == 3) {
                struct line mask = {"", 0};
                put_value(&mask, r->mask);
                (void)fprintf(t->to, "%s 1(h1 > 0) = %s", say(t, T_MASK), mask.text);
            }
            (void)fputc('\n', t->to);
        }
        put_step(r, &r->steps[k], column);
        tell_step(t, column, width, r->steps[k].fits);
    }
}

enum { NAME_COLUMNS = 12, SHAPE_COLUMNS = 12, DIFF_COLUMNS = 18, FD_COLUMNS = 22 };

static void tell_comparison(const struct teller *t, const struct chapter_result *r, const struct chapter_report *all) {
    heading(t, 4, T_COMPARISON, NULL);
    (void)fprintf(t->to, "     %s", t->dim);
    ebb__pad(t->to, say(t, T_HEAD_GRADIENT), NAME_COLUMNS);
    ebb__pad(t->to, say(t, T_HEAD_SHAPE), SHAPE_COLUMNS);
    ebb__pad(t->to, say(t, T_HEAD_DIFF), DIFF_COLUMNS);
    ebb__pad(t->to, say(t, T_HEAD_FD), FD_COLUMNS);
    (void)fprintf(t->to, "%s%s\n", say(t, T_HEAD_TRIED), t->plain);
    for (int i = 0; i < r->example->n; i++) {
        if (!r->example->variables[i].gradient) continue;
        struct line name = {"", 0}, shape = {"", 0}, diff = {"", 0}, fd = {"", 0}, tried = {"", 0};
        put_gradient_name(&name, r, i);
        put_shape(&shape, ebb_tensor_shape(r->value[i]));
        put(&diff, "%.2g", r->diff[i]);
        put(&fd, "%.2g", r->diff_fd[i]);
        if (r->tried[i] == ebb_tensor_numel(r->value[i])) put(&tried, "%s", say(t, T_ALL_ENTRIES));
        else put(&tried, "%" PRId64 " %s", r->tried[i], say(t, T_SOME_ENTRIES));
        (void)fputs("   ", t->to);
        verdict(t, r->diff[i] <= all->limit && r->diff_fd[i] <= all->limit_fd);
        (void)fputs(" ", t->to);
        pad_line(t, &name, NAME_COLUMNS);
        pad_line(t, &shape, SHAPE_COLUMNS);
        pad_line(t, &diff, DIFF_COLUMNS);
        pad_line(t, &fd, FD_COLUMNS);
        (void)fprintf(t->to, "%s%s%s\n", t->dim, tried.text, t->plain);
    }
    (void)fprintf(t->to, "     %s%s%s  %.2g ≤ %g, %.2g ≤ %g\n", r->ok ? t->good : t->bad,
                  say(t, r->ok ? T_AGREE : T_DISAGREE), t->plain, r->max_diff, all->limit, r->max_diff_fd,
                  all->limit_fd);
}

static struct teller teller(FILE *to, enum chapter_language language) {
    return (struct teller){.to = to,
                           .language = (int)language,
                           .bold = ebb__style(to, EBB__BOLD),
                           .dim = ebb__style(to, EBB__DIM),
                           .good = ebb__style(to, EBB__GOOD),
                           .bad = ebb__style(to, EBB__BAD),
                           .title = ebb__style(to, EBB__TITLE),
                           .plain = ebb__style(to, EBB__PLAIN)};
}

void chapter_print(FILE *to, const struct chapter_report *report, const struct chapter_options *options,
                   enum chapter_language language) {
    struct teller t = teller(to, language);
    (void)fprintf(to, "%s%s%s\n", t.bold, say(&t, T_TITLE), t.plain);
    (void)fprintf(to, "%s %s%s %" PRIu64 "\n%s %g%s\n", say(&t, T_DTYPE), ebb_dtype_name(options->dtype),
                  say(&t, T_SEED), options->seed, say(&t, T_RULE), report->limit, say(&t, T_STOP));
    for (int i = 0; i < report->n; i++) {
        const struct chapter_result *r = &report->results[i];
        int index = (int)(r->example - chapter_examples);
        (void)fprintf(to, "\n%s── %s %d%s%s ──%s\n   %s\n", t.title, say(&t, T_EXAMPLE), index + 1, say(&t, T_COLON),
                      say(&t, (enum text)(T_SCALAR + index)), t.plain, r->example->formula);
        tell_forward(&t, r);
        tell_engine(&t, r);
        tell_by_hand(&t, r);
        tell_comparison(&t, r, report);
    }
    (void)fprintf(to, "\n%s%s%s\n", report->ok ? t.good : t.bad, say(&t, report->ok ? T_ALL_AGREE : T_NOT_ALL),
                  t.plain);
}

void chapter_print_files(FILE *to, const struct chapter_files *files, enum chapter_language language) {
    struct teller t = teller(to, language);
    if (!files->dot[0]) return;
    (void)fprintf(to, "%s %s%s%s\n", say(&t, T_GRAPH), files->dot, files->svg[0] ? ", " : "", files->svg);
    if (files->why[0]) (void)fprintf(to, "%s%s%s\n", say(&t, T_NO_PICTURE), say(&t, T_COLON), files->why);
}
