/* Typesetting of calls: functions with signs of their own, sums, masks, parts of tensors. */
#include "explain/typeset_private.h"

#include <stdlib.h>

/* where(c, a, 0) is a · 1(c). */
static void put_where(struct ebb__typeset *t, const struct ebb__ast *a, int level) {
    int32_t condition = kid(t, a, 1), yes = kid(t, a, 2), no = kid(t, a, 3);
    const struct ebb__value *v = worth(t, condition);
    if (v->kind == EBB__V_BOOL) {
        ebb__typeset(t, v->as.i ? yes : no, level);
        return;
    }
    bool only_yes = ebb__typeset_is_just(t, no, 0), only_no = ebb__typeset_is_just(t, yes, 0);
    if (only_yes || only_no) {
        const struct ebb__ast *c = node(t, condition);
        bool brackets = level > PRODUCT, scalar = ebb__typeset_is_scalar(t, condition);
        if (brackets) open_bracket(t);
        ebb__typeset(t, only_yes ? yes : no, PRODUCT);
        PUT(t, latex(t) ? "%s\\mathbf{1}\\left(" : " %s 1(",
            latex(t) ? scalar ? " \\cdot " : " \\odot "
            : scalar ? "·"
                     : "⊙");
        bool written = c->kind == EBB__AST_COMPARE && ebb__typeset_comparison(t, c, only_no);
        if (!written) {
            if (only_no) PUT(t, latex(t) ? "\\neg " : "not ");
            ebb__typeset(t, condition, only_no ? ATOM : 0);
        }
        PUT(t, latex(t) ? "\\right)" : ")");
        if (brackets) close_bracket(t);
        return;
    }
    PUT(t, latex(t) ? "\\begin{cases} " : "{");
    ebb__typeset(t, yes, 0);
    PUT(t, latex(t) ? " & " : " if ");
    ebb__typeset(t, condition, 0);
    PUT(t, latex(t) ? " \\\\ " : " else ");
    ebb__typeset(t, no, 0);
    PUT(t, latex(t) ? " & \\text{else} \\end{cases}" : "}");
}

/* Functions with a sign of their own before the bracket. */
static const struct {
    const char *name, *shown[EBB__N_SCRIPTS];
} signs[] = {
    {"sigmoid", {"σ", "\\sigma"}}, {"relu", {"ReLU", "\\operatorname{ReLU}"}},
    {"digamma", {"ψ", "\\psi"}},   {"log", {"log", "\\log"}},
    {"sin", {"sin", "\\sin"}},     {"cos", {"cos", "\\cos"}},
    {"tan", {"tan", "\\tan"}},     {"sinh", {"sinh", "\\sinh"}},
    {"cosh", {"cosh", "\\cosh"}},  {"tanh", {"tanh", "\\tanh"}},
    {"exp", {"exp", "\\exp"}},
};

static void put_function(struct ebb__typeset *t, const char *name) {
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (strcmp(signs[i].name, name) != 0) continue;
        PUT(t, "%s", signs[i].shown[t->script]);
        return;
    }
    if (!latex(t)) {
        PUT(t, "%s", name);
        return;
    }
    PUT(t, "\\operatorname{");
    for (; *name; name++) PUT(t, *name == '_' ? "\\_" : "%c", *name);
    PUT(t, "}");
}

/* The next of "self, dim=all, keepdim=false": its name, and its default, which has no length where there is none. */
static bool next_param(const char **at, struct ebb__text *name, const char **ret_default, size_t *ret_n) {
    *at += strspn(*at, ", ");
    size_t all = strcspn(*at, ","), n = strcspn(*at, ",=");
    if (!all) return false;
    ebb__text_cut(name, 0);
    ebb__text_add(name, *at, n);
    *ret_default = *at + n + (n < all);
    *ret_n = all - n - (n < all);
    *at += all;
    return true;
}

static bool is_word(const char *text, size_t n, const char *word) {
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

/* Whether a value is what it would be without being given. */
static bool is_default(const struct ebb__value *v, const char *otherwise, size_t n) {
    switch (v->kind) {
    case EBB__V_NONE: return true;
    case EBB__V_BOOL: return is_word(otherwise, n, v->as.i ? "true" : "false");
    case EBB__V_STRING: return is_word(otherwise, n, v->as.s);
    case EBB__V_LIST: return v->n == 0 && n > 0;
    case EBB__V_INT:
    case EBB__V_FLOAT: {
        char *end;
        double value = n ? strtod(otherwise, &end) : 0;
        return n && end == otherwise + n && value == ebb__value_float(v);
    }
    default: return false;
    }
}

/* "reverse=" */
static void put_param(struct ebb__typeset *t, const char *name) {
    PUT(t, latex(t) ? "\\text{" : "");
    for (; *name; name++) PUT(t, latex(t) && *name == '_' ? "\\_" : "%c", *name);
    PUT(t, latex(t) ? "}=" : "=");
}

/* A dimension counted from the front, as the forward pass has it. */
static int64_t from_front(const struct ebb__typeset *t, int32_t of, int64_t dim) {
    const struct ebb__value *v = worth(t, of);
    int ndim = v->kind == EBB__V_TENSOR ? ebb_tensor_ndim(v->as.t) : 0;
    return dim < 0 && dim + ndim >= 0 ? dim + ndim : dim;
}

/* f(x, …): of a method its object first. Arguments that are as they would be without being given are left out; those
 * behind them, and True and False, have their names. */
static void put_call(struct ebb__typeset *t, const struct ebb__ast *a) {
    const struct ebb__ast *c = node(t, kid(t, a, 0));
    bool method = c->kind == EBB__AST_ATTR && worth(t, kid(t, c, 0))->kind != EBB__V_MODULE, named = false, known;
    const char *called = ebb__ast_name(program(t), c), *otherwise = "";
    char list[320];
    const char *params = method ? NULL : ebb__call_params(called, list, sizeof list);
    struct ebb__text name = {0};
    size_t n = 0;
    int put = 0;
    put_function(t, called);
    open_bracket(t);
    if (method) ebb__typeset(t, kid(t, c, 0), 0);
    put = method;
    for (int32_t i = 1; i < a->n; i++) {
        const struct ebb__value *v = worth(t, kid(t, a, i));
        bool keyword = node(t, kid(t, a, i))->kind == EBB__AST_KEYWORD;
        known = params && !keyword && next_param(&params, &name, &otherwise, &n);
        bool plain = ebb__value_is_number(v) && v->kind != EBB__V_BOOL && !named; /* a dimension is of interest */
        if (known && !plain && is_default(v, otherwise, n)) {
            named = true;
            continue;
        }
        if (put++) PUT(t, ", ");
        if (known && (named || v->kind == EBB__V_BOOL || v->kind == EBB__V_DTYPE)) put_param(t, ebb__text_of(&name));
        if (known && v->kind == EBB__V_INT && v->as.i < 0 && strcmp(ebb__text_of(&name), "dim") == 0)
            PUT(t, "%lld", (long long)from_front(t, kid(t, a, 1), v->as.i));
        else ebb__typeset(t, kid(t, a, i), 0);
    }
    close_bracket(t);
    ebb__text_free(&name);
}

/* Which dimensions a node adds: those that a reduction took away, or where None stands. False when a size says so. */
static bool added_dims(const struct ebb__typeset *t, int32_t id, int from, int to, int64_t *ret_dim) {
    const struct ebb__ast *a = node(t, id);
    ebb_dims dims = {0};
    int at = 0;
    if (to != from + 1) return false;
    if (a->kind == EBB__AST_CALL) {
        bool known = a->n > 3 && ebb__value_as_ints(worth(t, kid(t, a, 3)), &dims) && dims.n < 2;
        *ret_dim = !dims.n ? 0 : dims.d[0] < 0 ? dims.d[0] + to : dims.d[0];
        return known;
    }
    for (int32_t i = 1; i < a->n; i++) {
        uint8_t kind = node(t, kid(t, a, i))->kind;
        if (kind == EBB__AST_NONE) break;
        at = kind == EBB__AST_ELLIPSIS ? from - (a->n - 1 - i - 1) : at + 1; /* one None stands behind it */
    }
    *ret_dim = at;
    return true;
}

/* unsqueeze(x, 1), or reshape(x, (2, 1, 1)) for several. */
void ebb__typeset_added(struct ebb__typeset *t, int32_t id) {
    const struct ebb__ast *a = node(t, id);
    int32_t of = kid(t, a, a->kind == EBB__AST_INDEX ? 0 : 1);
    ebb_dims to = ebb_tensor_shape(worth(t, id)->as.t), from = ebb_tensor_shape(worth(t, of)->as.t);
    int64_t dim;
    bool one = added_dims(t, id, from.n, to.n, &dim);
    put_function(t, one ? "unsqueeze" : "reshape");
    open_bracket(t);
    ebb__typeset(t, of, 0);
    PUT(t, ", ");
    if (one) PUT(t, "%lld", (long long)dim);
    else ebb__typeset_dims(t->out, to);
    close_bracket(t);
}

/* Σ₁(x), mean₁(x): the dimensions below the sign; those that stay, with one element, are said to. */
static void put_reduction(struct ebb__typeset *t, int32_t id, const char *sign, const char *latex_sign) {
    const struct ebb__ast *a = node(t, id);
    ebb_dims dims = {0};
    const struct ebb__value *of = worth(t, kid(t, a, 1)), *result = worth(t, id);
    int ndim = of->kind == EBB__V_TENSOR ? ebb_tensor_ndim(of->as.t) : 0;
    if (a->n > 2) (void)ebb__value_as_ints(worth(t, kid(t, a, 2)), &dims);
    for (int i = 0; i < dims.n; i++)
        if (dims.d[i] < 0) dims.d[i] += ndim;
    PUT(t, "%s", latex(t) ? latex_sign : sign);
    if (latex(t) && dims.n) PUT(t, "_{\\text{dim }");
    for (int i = 0; i < dims.n; i++) {
        if (latex(t)) PUT(t, "%s%lld", i ? "," : "", (long long)dims.d[i]);
        else {
            if (i) PUT(t, "₊");
            ebb__typeset_small(t, dims.d[i], false);
        }
    }
    if (latex(t) && dims.n) PUT(t, "}");
    open_bracket(t);
    ebb__typeset_truth(t, kid(t, a, 1));
    if (ndim > 0 && result->kind == EBB__V_TENSOR && ebb_tensor_ndim(result->as.t) == ndim)
        PUT(t, latex(t) ? ", \\text{keepdim}" : ", keepdim");
    close_bracket(t);
}

/* "[:, 1:3]": an index along one dimension. */
static void put_place(struct ebb__typeset *t, int64_t dim, int64_t start, int64_t end, int64_t step, bool one) {
    PUT(t, "[");
    for (int64_t i = 0; i < dim; i++) PUT(t, "%s, ", colon(t));
    PUT(t, "%lld", (long long)start);
    if (!one) PUT(t, "%s", colon(t));
    if (!one && end < INT32_MAX) PUT(t, "%lld", (long long)end);
    if (!one && step != 1) PUT(t, "%s%lld", colon(t), (long long)step);
    PUT(t, "]");
}

static int64_t int_of(const struct ebb__typeset *t, const struct ebb__ast *a, int32_t i, int64_t otherwise) {
    const struct ebb__value *v = i < a->n ? worth(t, kid(t, a, i)) : NULL;
    return v && v->kind == EBB__V_INT ? v->as.i : otherwise;
}

/* select, slice and narrow as subscripts; their adjoints as "zeros of a shape with g in a place". */
static bool put_part(struct ebb__typeset *t, int32_t id, const struct ebb__ast *a) {
    bool back = is_called(t, id, "select_backward") || is_called(t, id, "slice_backward");
    bool select = is_called(t, id, "select") || is_called(t, id, "select_backward");
    bool slice = is_called(t, id, "slice") || is_called(t, id, "slice_backward");
    if ((!select && !slice) || a->n < 4 + back) return false;
    int64_t start = int_of(t, a, 3 + back, 0), end = int_of(t, a, 4 + back, EBB_END);
    int64_t dim = int_of(t, a, 2 + back, 0), step = int_of(t, a, 5 + back, 1);
    if (dim < 0) return false;
    if (back) { /* zeros of a shape, with g put into a place */
        PUT(t, latex(t) ? "\\mathbf{0}_{" : "zeros");
        ebb__typeset_constant(t, kid(t, a, 2), 0);
        PUT(t, latex(t) ? "}" : "");
    } else ebb__typeset(t, kid(t, a, 1), ATOM);
    put_place(t, dim, start, end, step, select);
    if (!back) return true;
    PUT(t, latex(t) ? " \\leftarrow " : " ← ");
    ebb__typeset(t, kid(t, a, 1), 0);
    return true;
}

static bool put_part_of(struct ebb__typeset *t, const struct ebb__ast *a) {
    const struct ebb__value *list = worth(t, kid(t, a, 2));
    int64_t k = int_of(t, a, 3, -1), dim = int_of(t, a, 4, -1), start = 0, size = 0;
    if (list->kind != EBB__V_LIST || k < 0 || k >= list->n || dim < 0) return false;
    for (int64_t i = 0; i <= k; i++) {
        ebb_dims shape = ebb_tensor_shape(ebb__value_as_tensor(&list->as.list[i], NULL));
        if (dim >= shape.n) return false;
        start += size;
        size = shape.d[dim];
    }
    ebb__typeset(t, kid(t, a, 1), ATOM);
    put_place(t, dim, start, start + size, 1, false);
    return true;
}

/* expand(g, shape): a scalar times a tensor of ones. */
static void put_expand(struct ebb__typeset *t, const struct ebb__ast *a, int level) {
    int32_t of = kid(t, a, 1);
    ebb_dims shape, own = {0};
    const struct ebb__value *v = worth(t, of);
    bool known = ebb__value_as_ints(worth(t, kid(t, a, 2)), &shape);
    int64_t n = v->kind == EBB__V_TENSOR ? ebb_tensor_numel(v->as.t) : 1, wanted = 1;
    if (v->kind == EBB__V_TENSOR) own = ebb_tensor_shape(v->as.t);
    for (int i = 0; known && i < shape.n; i++) wanted *= shape.d[i];
    if (known && n == wanted && shape.n == own.n) {
        t->rank = 0; /* nothing is broadcast */
        ebb__typeset(t, of, level);
        return;
    }
    if (!known || n != 1) {
        put_call(t, a);
        return;
    }
    if (level > PRODUCT) open_bracket(t);
    ebb__typeset(t, of, PRODUCT);
    if (latex(t)) {
        PUT(t, " \\cdot \\mathbf{1}_{");
        for (int i = 0; i < shape.n; i++) PUT(t, "%s%lld", i ? " \\times " : "", (long long)shape.d[i]);
        PUT(t, "}");
    } else {
        PUT(t, " · ones");
        ebb__typeset_dims(t->out, shape);
    }
    if (level > PRODUCT) close_bracket(t);
}

/* Zeros of a shape, of which one is enough where it is broadcast. */
static void put_zeros(struct ebb__typeset *t, int32_t like) {
    const struct ebb__value *v = worth(t, like);
    bool whole = t->depth > 1 && t->rank == 0 && v->kind == EBB__V_TENSOR;
    PUT(t, whole ? latex(t) ? "\\mathbf{0}_{" : "zeros" : "0");
    if (whole) ebb__typeset_dims(t->out, ebb_tensor_shape(v->as.t));
    if (whole && latex(t)) PUT(t, "}");
}

static void put_between(struct ebb__typeset *t, const char *left, int32_t id, const char *right) {
    PUT(t, "%s", left);
    ebb__typeset(t, id, 0);
    PUT(t, "%s", right);
}

/* What gives a tensor a shape that it has already. */
static bool is_same_shape(const struct ebb__typeset *t, int32_t id, const struct ebb__ast *a) {
    if (!is_called(t, id, "reshape") && !is_called(t, id, "sum_to_size")) return false;
    const struct ebb__value *of = a->n > 1 ? worth(t, kid(t, a, 1)) : NULL, *result = worth(t, id);
    if (!of || of->kind != EBB__V_TENSOR || result->kind != EBB__V_TENSOR) return false;
    ebb_dims from = ebb_tensor_shape(of->as.t), to = ebb_tensor_shape(result->as.t);
    return from.n == to.n && memcmp(from.d, to.d, (size_t)to.n * sizeof *to.d) == 0;
}

void ebb__typeset_call(struct ebb__typeset *t, int32_t id, const struct ebb__ast *a, int level) {
    int32_t first = a->n > 1 ? kid(t, a, 1) : -1;
    if (is_called(t, id, "where") && a->n == 4) put_where(t, a, level);
    else if (is_called(t, id, "sum") && first >= 0) put_reduction(t, id, "Σ", "\\textstyle\\sum");
    else if (is_called(t, id, "mean") && first >= 0) put_reduction(t, id, "mean", "\\operatorname{mean}");
    else if (is_called(t, id, "abs") && first >= 0)
        put_between(t, latex(t) ? "\\left\\lvert " : "|", first, latex(t) ? "\\right\\rvert " : "|");
    else if (is_called(t, id, "exp") && first >= 0 && latex(t)) put_between(t, "e^{", first, "}");
    else if (is_called(t, id, "sqrt") && first >= 0 && latex(t)) put_between(t, "\\sqrt{", first, "}");
    else if (is_called(t, id, "sqrt") && first >= 0) {
        PUT(t, "√");
        ebb__typeset(t, first, ATOM);
    } else if (is_called(t, id, "outer") && a->n == 3) {
        if (level > PRODUCT) open_bracket(t);
        ebb__typeset(t, first, PRODUCT);
        PUT(t, latex(t) ? " \\, " : " · ");
        ebb__typeset_transposed(t, kid(t, a, 2));
        if (level > PRODUCT) close_bracket(t);
    } else if (is_same_shape(t, id, a)) ebb__typeset(t, first, level);
    else if (is_called(t, id, "expand") && a->n == 3) put_expand(t, a, level);
    else if (ebb__typeset_adds(t->run, id)) ebb__typeset_added(t, id);
    else if (is_called(t, id, "zeros_like") && first >= 0) put_zeros(t, first);
    else if (is_called(t, id, "part_of") && a->n == 5 && put_part_of(t, a)) return;
    else if (!put_part(t, id, a)) put_call(t, a);
}
