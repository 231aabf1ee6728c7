/* What the report calls things: names that are given or made up, each once, and operations written with them. */
#include "explain/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers below and above the line ---- */

static const char *small_number(struct ebb__arena *a, int64_t value, bool above) {
    static const char *const digits[2][10] = {{"₀", "₁", "₂", "₃", "₄", "₅", "₆", "₇", "₈", "₉"},
                                              {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"}};
    char text[24], small[96] = "";
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    for (const char *c = text; *c; c++) {
        const char *sign = above ? "⁻" : "₋";
        (void)strncat(small, *c == '-' ? sign : digits[above][*c - '0'], sizeof small - strlen(small) - 1);
    }
    const char *copy = ebb__arena_copy(a, small, strlen(small));
    return copy ? copy : "";
}

/* ---- names ---- */

static const char *or_empty(const char *text) { return text ? text : ""; }

/* How many outputs before this one have a name. */
static int64_t count_before(const struct ebb__report *r, int32_t id, int64_t k, const char *name) {
    int64_t n = 0;
    for (int32_t i = 0; i <= id; i++)
        for (int64_t o = 0; o < (i < id ? r->nodes[i].n_out : k); o++) {
            const char *other = r->nodes[i].out[o].role; /* the name as given is kept there meanwhile */
            n += other && strcmp(other, name) == 0;
        }
    return n;
}

/* The first letter of names that are made up: none that is given looks like them. */
static const char *free_letter(const struct ebb__report *r) {
    static const char *const letters[] = {"t", "u", "v", "s", "r"};
    for (size_t l = 0; l < sizeof letters / sizeof *letters; l++) {
        bool taken = false;
        for (int64_t i = 0; i < r->n_nodes && !taken; i++)
            for (int64_t k = 0; k < r->nodes[i].n_out && !taken; k++) {
                const char *name = or_empty(r->nodes[i].out[k].role);
                taken = name[0] == letters[l][0] && (!name[1] || strspn(name + 1, "0123456789") == strlen(name + 1));
            }
        if (!taken) return letters[l];
    }
    return "tmp";
}

static bool is_taken(const struct ebb__report *r, const char *name) {
    for (int64_t i = 0; i < r->n_nodes; i++)
        for (int64_t k = 0; k < r->nodes[i].n_out; k++)
            if (strcmp(or_empty(r->nodes[i].out[k].role), name) == 0) return true;
    return false;
}

static void set_name(struct ebb__report *r, struct ebb__report_output *o, const char *name, int64_t before) {
    struct ebb__arena *a = &r->arena;
    const char *latex = ebb__latex_name(a, name);
    bool second = before == 1 && !r->second;
    if (second) r->second_of = name;
    o->name.in[EBB__UNICODE] = before ? ebb__arena_print(a, "%s%s", name, small_number(a, before + 1, false)) : name;
    o->name.in[EBB__LATEX] =
        before && latex ? ebb__arena_print(a, "{%s}^{(%lld)}", latex, (long long)before + 1) : latex;
    if (second) r->second = o->name.in[EBB__UNICODE];
}

/* A number is written out. */
static void set_number(struct ebb__report *r, struct ebb__report_output *o) {
    for (int script = 0; script < EBB__N_SCRIPTS; script++) {
        struct ebb__text text = {0};
        ebb__typeset_number(&text, (enum ebb__script)script, (ebb_item)(o->value));
        o->name.in[script] = ebb__arena_copy(&r->arena, ebb__text_of(&text), (size_t)text.n);
        ebb__text_free(&text);
    }
}

/* Output k of an operation of several: "t3.values", "t3[1]". */
static void set_part(struct ebb__report *r, struct ebb__report_node *n, int64_t k, const char *role, const char *name) {
    struct ebb__arena *a = &r->arena;
    const char *latex = ebb__latex_name(a, name);
    struct ebb__shown *shown = &n->out[k].name;
    if (role[0]) {
        shown->in[EBB__UNICODE] = ebb__arena_print(a, "%s.%s", name, role);
        shown->in[EBB__LATEX] = ebb__arena_print(a, "%s.\\text{%s}", or_empty(latex), role);
    } else {
        shown->in[EBB__UNICODE] = ebb__arena_print(a, "%s[%lld]", name, (long long)k);
        shown->in[EBB__LATEX] = ebb__arena_print(a, "%s_{[%lld]}", or_empty(latex), (long long)k);
    }
}

/* Names as they are given go to `role` for a while, so that they can be looked for; the roles are in `roles`. */
static bool take_given(struct ebb__report *r, const struct ebb__report_source *s, const char **roles) {
    int64_t at = 0;
    for (int64_t i = 0; i < r->n_nodes; i++) {
        struct ebb__report_node *n = &r->nodes[i];
        for (int64_t k = 0; k < n->n_out; k++) {
            struct ebb__report_output *o = &n->out[k];
            ebb_tensor *leaf = n->kind == EBB__VARIABLE ? ebb_node_variable(n->node) : NULL;
            const char *name = NULL;
            if (n->kind == EBB__CONSTANT) name = o->name.in[EBB__UNICODE];
            else if (leaf && ebb_tensor_name(leaf)[0]) name = ebb_tensor_name(leaf);
            else if (s->name_of) name = s->name_of(s->context, n->last, k, leaf);
            if (!name && s->name_of && n->last != n->node) name = s->name_of(s->context, n->node, k, leaf);
            roles[at++] = o->role;
            o->role = NULL;
            if (name && !n->number && !(o->role = ebb__arena_copy(&r->arena, name, strlen(name)))) return false;
        }
    }
    return true;
}

static const char *root_name(const struct ebb__report *r) {
    static const char *const names[] = {"L", "loss", "result", "root"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!is_taken(r, names[i])) return names[i];
    return "L_";
}

static void name_outputs(struct ebb__report *r, const char *const *roles) {
    const char *letter = free_letter(r), *for_root = root_name(r);
    int64_t at = 0, made = 0, constants = 0, leaves = 0;
    for (int32_t i = 0; i < r->n_nodes; i++) {
        struct ebb__report_node *n = &r->nodes[i];
        const char *own = NULL; /* of an operation of several results, made up */
        for (int64_t k = 0; k < n->n_out; k++, at++) {
            struct ebb__report_output *o = &n->out[k];
            if (n->number) set_number(r, o);
            else if (o->role) set_name(r, o, o->role, count_before(r, i, k, o->role));
            else if (i == r->root && k == r->root_output) set_name(r, o, for_root, 0);
            else if (n->kind == EBB__CONSTANT)
                set_name(r, o, or_empty(ebb__arena_print(&r->arena, "c%lld", (long long)++constants)), 0);
            else if (n->kind == EBB__VARIABLE)
                set_name(r, o, or_empty(ebb__arena_print(&r->arena, "leaf%lld", (long long)++leaves)), 0);
            else {
                if (!own) own = or_empty(ebb__arena_print(&r->arena, "%s%lld", letter, (long long)++made));
                if (n->n_out == 1) set_name(r, o, own, 0);
                else set_part(r, n, k, roles[at], own);
            }
        }
    }
}

/* ---- attributes ---- */

static void put_value(struct ebb__text *out, const struct ebb_attr *a, const ebb_arg *v) {
    if (a->kind == EBB_ATTR_DIMS && v->kind == EBB_VALUE_DIMS && v->value.dims.n == 1) { /* dim=1 */
        ebb__text_put(out, "%lld", (long long)v->value.dims.d[0]);
        return;
    }
    switch (v->kind) {
    case EBB_VALUE_BOOL: ebb__text_put(out, v->value.i ? "True" : "False"); return;
    case EBB_VALUE_INT: ebb__text_put(out, "%lld", (long long)v->value.i); return;
    case EBB_VALUE_FLOAT: ebb__text_put(out, "%.6g", v->value.f); return;
    case EBB_VALUE_DIMS: ebb__typeset_dims(out, v->value.dims); return;
    case EBB_VALUE_STRING: ebb__text_put(out, "'%s'", v->value.text); return;
    case EBB_VALUE_DTYPE: ebb__text_put(out, "%s", ebb_dtype_name((ebb_dtype)v->value.i)); return;
    case EBB_VALUE_INTS:
    case EBB_VALUE_FLOATS: {
        int64_t n = v->kind == EBB_VALUE_INTS ? v->value.ints.n : v->value.floats.n;
        ebb__text_put(out, "(");
        for (int64_t i = 0; i < n && i < 8; i++) {
            if (v->kind == EBB_VALUE_INTS) ebb__text_put(out, "%s%lld", i ? ", " : "", (long long)v->value.ints.d[i]);
            else ebb__text_put(out, "%s%.6g", i ? ", " : "", v->value.floats.d[i]);
        }
        ebb__text_put(out, n > 8 ? ", …)" : ")");
        return;
    }
    default: ebb__text_put(out, "None"); return;
    }
}

/* Whether an attribute is what it would be without being given. */
static bool is_default(const struct ebb_attr *a, const ebb_arg *v) {
    if (v->kind == EBB_VALUE_NONE) return true;
    if (a->kind == EBB_ATTR_DIMS && v->value.dims.n == 0) return true;
    if (a->required) return false;
    if ((a->kind == EBB_ATTR_SETTING || a->kind == EBB_ATTR_COUNT) && a->fallback.given)
        return v->kind == EBB_VALUE_FLOAT ? v->value.f == a->fallback.value : v->value.i == a->fallback.whole;
    if (v->kind == EBB_VALUE_FLOAT) return v->value.f == 0;
    if (v->kind == EBB_VALUE_DIMS) return v->value.dims.n == 0;
    if (v->kind == EBB_VALUE_INTS) return v->value.ints.n == 0;
    if (v->kind == EBB_VALUE_FLOATS) return v->value.floats.n == 0;
    if (v->kind == EBB_VALUE_STRING) return a->values && strncmp(a->values, v->value.text, strlen(v->value.text)) == 0;
    if (a->kind == EBB_ATTR_INT && a->otherwise) return v->value.i == strtoll(a->otherwise, NULL, 10);
    return v->value.i == 0 && a->kind != EBB_ATTR_DIM && a->kind != EBB_ATTR_NEWDIM;
}

static const char *attributes(struct ebb__report *r, const struct ebb__report_node *n) {
    struct ebb__text text = {0};
    const void *attrs = ebb_node_attrs(n->node);
    for (int i = 0; attrs && i < n->op->n_attrs; i++) {
        ebb_arg v = ebb__formula_attribute(&r->arena, &n->op->attrs[i], attrs);
        if (is_default(&n->op->attrs[i], &v)) continue;
        ebb__text_put(&text, "%s%s=", text.n ? ", " : "", n->op->attrs[i].name);
        put_value(&text, &n->op->attrs[i], &v);
    }
    const char *copy = ebb__arena_copy(&r->arena, ebb__text_of(&text), (size_t)text.n);
    ebb__text_free(&text);
    return or_empty(copy);
}

/* ---- operations ---- */

enum { PLUS_MINUS = 1, TIMES, MATRICES, QUOTIENT, POWER_OF };

static const struct {
    const char *op, *sign;
    int kind;
} infix[] = {{"add", "+", PLUS_MINUS},   {"sub", "-", PLUS_MINUS}, {"mul", NULL, TIMES},   {"div", "/", QUOTIENT},
             {"matmul", NULL, MATRICES}, {"mm", NULL, MATRICES},   {"mv", NULL, MATRICES}, {"bmm", NULL, MATRICES},
             {"dot", NULL, MATRICES},    {"pow", NULL, POWER_OF}};

struct text {
    struct ebb__report *r;
    const struct ebb__report_node *n;
    enum ebb__script script;
    struct ebb__text out;
};

#define PUT(t, ...) ebb__text_put(&(t)->out, __VA_ARGS__)

static const char *name_of(const struct text *t, int64_t i) {
    const struct ebb__report_input *in = &t->n->in[i];
    if (in->node < 0) return "…";
    return or_empty(ebb__report_of(t->r, in->node, in->output)->name.in[t->script]);
}

static bool is_scalar(const struct text *t, int64_t i) {
    const struct ebb__report_input *in = &t->n->in[i];
    return in->node >= 0 && ebb__report_of(t->r, in->node, in->output)->shape.n == 0;
}

/* A name as an operand; a negative number in brackets. */
static void put_operand(struct text *t, int64_t i) {
    const char *name = name_of(t, i);
    PUT(t, name[0] == '-' ? "(%s)" : "%s", name);
}

static bool put_power(struct text *t) {
    const struct ebb__report_input *in = &t->n->in[1];
    bool number = in->node >= 0 && t->r->nodes[in->node].number;
    double e = number ? (ebb_item)(ebb__report_of(t->r, in->node, 0)->value) : 0;
    bool above = number && e == floor(e) && fabs(e) < 1000;
    put_operand(t, 0);
    if (t->script == EBB__LATEX) PUT(t, "^{%s}", name_of(t, 1));
    else if (above) PUT(t, "%s", small_number(&t->r->arena, (int64_t)e, true));
    else PUT(t, "^%s", name_of(t, 1));
    return true;
}

static bool put_infix(struct text *t) {
    bool latex = t->script == EBB__LATEX;
    for (size_t i = 0; i < sizeof infix / sizeof *infix; i++) {
        if (strcmp(infix[i].op, t->n->op->name) != 0 || t->n->n_in != 2 || t->n->attributes[0]) continue;
        int kind = infix[i].kind;
        const char *sign = infix[i].sign;
        if (kind == POWER_OF) return put_power(t);
        if (kind == QUOTIENT && latex) {
            PUT(t, "\\frac{%s}{%s}", name_of(t, 0), name_of(t, 1));
            return true;
        }
        bool scalars = is_scalar(t, 0) || is_scalar(t, 1);
        if (kind == MATRICES) sign = latex ? "\\," : "·";
        if (kind == TIMES) sign = latex ? scalars ? "\\cdot" : "\\odot" : scalars ? "·" : "⊙";
        put_operand(t, 0);
        PUT(t, " %s ", sign);
        put_operand(t, 1);
        return true;
    }
    return false;
}

static int64_t attribute(const struct text *t, const char *name) {
    const void *attrs = ebb_node_attrs(t->n->node);
    for (int i = 0; attrs && i < t->n->op->n_attrs; i++)
        if (strcmp(t->n->op->attrs[i].name, name) == 0)
            return ebb__formula_attribute(&t->r->arena, &t->n->op->attrs[i], attrs).value.i;
    return 0;
}

/* x[:, 1], x[2:4], xᵀ */
static bool put_part(struct text *t) {
    const char *op = t->n->op->name;
    bool select = strcmp(op, "select") == 0, slice = strcmp(op, "slice") == 0;
    const struct ebb__report_input *in = &t->n->in[0];
    if (in->node < 0) return false;
    ebb_dims shape = ebb__report_of(t->r, in->node, in->output)->shape;
    if (shape.n == 2 && (strcmp(op, "t") == 0 || strcmp(op, "transpose") == 0)) {
        put_operand(t, 0);
        PUT(t, t->script == EBB__LATEX ? "^{\\top}" : "ᵀ");
        return true;
    }
    if (!select && !slice) return false;
    int64_t dim = attribute(t, "dim"), start = attribute(t, "start"), end = attribute(t, "end");
    const char *colon = t->script == EBB__LATEX ? "{:}" : ":";
    put_operand(t, 0);
    PUT(t, "[");
    for (int64_t i = 0; i < dim; i++) PUT(t, "%s, ", colon);
    if (select) PUT(t, "%lld]", (long long)attribute(t, "index"));
    else {
        if (start) PUT(t, "%lld", (long long)start);
        PUT(t, "%s", colon);
        if (dim < shape.n && end < shape.d[dim]) PUT(t, "%lld", (long long)end);
        if (attribute(t, "step") != 1) PUT(t, "%s%lld", colon, (long long)attribute(t, "step"));
        PUT(t, "]");
    }
    return true;
}

static void put_latex_word(struct text *t, const char *word) {
    for (; *word; word++) PUT(t, *word == '_' ? "\\_" : "%c", *word);
}

/* What an operation is called as; the kinds of views that compositions make all are views. */
static const char *called(const struct ebb__report_node *n) {
    bool view = strcmp(n->op->name, "unsafe_view") == 0 || strcmp(n->op->name, "reshape_alias") == 0;
    return n->part_of && view ? "view" : ebb__op_called(n->op);
}

/* f(x, dim=0) */
static void put_call(struct text *t) {
    bool latex = t->script == EBB__LATEX;
    if (latex) PUT(t, "\\operatorname{");
    if (latex) put_latex_word(t, called(t->n));
    else PUT(t, "%s", called(t->n));
    PUT(t, latex ? "}(" : "(");
    int64_t put = 0;
    for (int64_t i = 0; i < t->n->n_in; i++) {
        bool last = t->n->n_in > 12 && i == 10; /* of long lists the middle is left out */
        if (last) i = t->n->n_in - 1;
        if (t->n->in[i].node < 0 && !t->n->in[i].gradient) continue;
        PUT(t, "%s%s%s", put++ ? ", " : "", last ? "…, " : "", name_of(t, i));
    }
    if (t->n->attributes[0]) {
        PUT(t, put ? ", " : "");
        if (latex) PUT(t, "\\text{");
        if (latex) put_latex_word(t, t->n->attributes);
        else PUT(t, "%s", t->n->attributes);
        if (latex) PUT(t, "}");
    }
    PUT(t, ")");
}

static const char *write_operation(struct ebb__report *r, const struct ebb__report_node *n, enum ebb__script script) {
    struct text t = {r, n, script, {0}};
    if (strcmp(n->op->name, "neg") == 0) {
        PUT(&t, "-");
        put_operand(&t, 0);
    } else if (!put_infix(&t) && !put_part(&t)) put_call(&t);
    const char *copy = ebb__arena_copy(&r->arena, ebb__text_of(&t.out), (size_t)t.out.n);
    bool failed = t.out.failed;
    ebb__text_free(&t.out);
    return failed ? NULL : copy;
}

ebb_status ebb__report_name_all(struct ebb__report *r, const struct ebb__report_source *source) {
    int64_t n_out = 0;
    for (int64_t i = 0; i < r->n_nodes; i++) n_out += r->nodes[i].n_out;
    const char **roles = ebb__arena_get(&r->arena, (size_t)n_out * sizeof *roles);
    if (!roles || !take_given(r, source, roles)) return ebb_error_status();
    name_outputs(r, roles);
    for (int64_t i = 0, at = 0; i < r->n_nodes; i++)
        for (int64_t k = 0; k < r->nodes[i].n_out; k++) r->nodes[i].out[k].role = roles[at++];
    for (int64_t i = 0; i < r->n_nodes; i++) {
        struct ebb__report_node *n = &r->nodes[i];
        bool site = source->program && n->file == ebb__expr_site;
        if (site && n->line >= 0 && n->line < source->program->n_ast) n->place = source->program->ast[n->line].place;
        if (site) n->file = "";
        if (site) n->line = 0;
        if (n->kind != EBB__OPERATION) continue;
        n->attributes = attributes(r, n);
        for (int script = 0; script < EBB__N_SCRIPTS; script++)
            n->text.in[script] = write_operation(r, n, (enum ebb__script)script);
    }
    return ebb_error_status();
}
