/* The formula of what a rule gives, with the names of the graph in the places of the signature's, and the shapes in
 * it. */
#include "explain/report.h"
#include "explain/words.h"

#include <string.h>

/* ---- what the formula's names are shown as ---- */

struct symbols {
    struct ebb__symbol list[2 * EBB_OP_MAX_IN + 4 * EBB_OP_MAX_OUT];
    int64_t n;
};

static void add(struct symbols *s, const char *name, const struct ebb__shown *shown) {
    if (!name || !name[0] || s->n == (int64_t)(sizeof s->list / sizeof *s->list)) return;
    s->list[s->n++] = (struct ebb__symbol){name, {shown->in[EBB__UNICODE], shown->in[EBB__LATEX]}};
}

static bool is_list(enum ebb_input_kind kind) { return kind == EBB_INPUT_LIST || kind == EBB_INPUT_OPTIONAL_LIST; }

/* A list being written, "[a, b, …, z]": of a long one the middle is left out. */
static void put_entry(struct ebb__report *r, struct ebb__shown *list, const struct ebb__shown *name, int64_t i,
                      int64_t n) {
    enum { MOST = 8 };
    bool left_out = n > MOST && i == MOST - 2;
    if (n > MOST && i >= MOST - 1 && i < n - 1) return;
    for (int script = 0; script < EBB__N_SCRIPTS && list->in[script]; script++)
        list->in[script] = ebb__arena_print(&r->arena, "%s%s%s%s", i ? list->in[script] : "[", i ? ", " : "",
                                            left_out ? script == EBB__LATEX ? "\\ldots" : "…" : name->in[script],
                                            i + 1 == n ? "]" : "");
}

/* The entries of a list of inputs from the `first` on; what is absent stands for a whole dimension, as in x[:, i]. */
static struct ebb__shown entries_of(struct ebb__report *r, const struct ebb__report_node *n, int64_t first) {
    static const struct ebb__shown all = {{":", "{:}"}};
    struct ebb__shown shown = {{"", ""}};
    int64_t entry, end = first;
    int list = ebb__formula_declared(n->op, n->n_in, first, &entry);
    while (end < n->n_in && ebb__formula_declared(n->op, n->n_in, end, &entry) == list) end++;
    for (int64_t i = first; i < end; i++)
        put_entry(r, &shown, n->in[i].node < 0 ? &all : &ebb__report_of(r, n->in[i].node, n->in[i].output)->name,
                  i - first, end - first);
    return shown;
}

static void symbols_of(struct ebb__report *r, const struct ebb__report_step *step, struct symbols *s) {
    const struct ebb__report_node *n = &r->nodes[step->node];
    int64_t entry;
    for (int64_t i = 0; i < n->n_in; i++) {
        int declared = ebb__formula_declared(n->op, n->n_in, i, &entry);
        if (is_list(n->op->in[declared].kind)) {
            const struct ebb__shown list = entries_of(r, n, i);
            if (entry == 0 && list.in[EBB__UNICODE] && list.in[EBB__LATEX]) add(s, n->in[i].role, &list);
        } else if (n->in[i].node >= 0) add(s, n->in[i].role, &ebb__report_of(r, n->in[i].node, n->in[i].output)->name);
    }
    if (n->op->n_out == EBB_OUT_LIST) {
        static const struct ebb__shown zero = {{"0", "0"}};
        struct ebb__shown y = {{"", ""}}, g = {{"", ""}};
        for (int64_t k = 0; k < n->n_out; k++) put_entry(r, &y, &n->out[k].name, k, n->n_out);
        for (int64_t k = 0; k < n->n_out; k++)
            put_entry(r, &g, step->upstream[k] ? &step->symbol[k] : &zero, k, n->n_out);
        if (y.in[EBB__UNICODE] && y.in[EBB__LATEX]) add(s, "y", &y);
        if (g.in[EBB__UNICODE] && g.in[EBB__LATEX]) add(s, "g", &g);
        return;
    }
    add(s, "y", &n->out[0].name);
    add(s, "g", &step->symbol[0]);
    for (int64_t k = 0; k < n->n_out && k < EBB_OP_MAX_OUT; k++) {
        const char *output = ebb_op_output_name(n->op, k);
        add(s, output, &n->out[k].name);
        if (output && output[0]) add(s, ebb__arena_print(&r->arena, "g_%s", output), &step->symbol[k]);
    }
}

/* ---- shapes ---- */

struct shapes {
    const struct ebb__run *run;
    struct ebb__arena *arena;
    struct ebb__text out;
    int factors, rank; /* dimensions that factors are broadcast to */
};

static const struct ebb__ast *node(const struct shapes *s, int32_t id) { return &s->run->program->ast[id]; }
static int32_t kid(const struct shapes *s, const struct ebb__ast *a, int32_t i) {
    return ebb__ast_kid(s->run->program, a, i);
}

static bool is_call_of(const struct shapes *s, const struct ebb__ast *a, const char *name) {
    if (a->kind != EBB__AST_CALL) return false;
    const struct ebb__ast *c = node(s, kid(s, a, 0));
    return c->kind == EBB__AST_NAME && strcmp(ebb__ast_name(s->run->program, c), name) == 0;
}

static ebb_tensor *tensor(const struct shapes *s, int32_t id) {
    const struct ebb__value *v = &s->run->values[id];
    return v->kind == EBB__V_TENSOR ? v->as.t : NULL;
}

static const char *shape_of(const struct shapes *s, int32_t id) {
    return ebb__report_shape(s->arena, ebb_tensor_shape(tensor(s, id)));
}

/* Products of matrices and of elements, factor by factor; anything else is one factor. */
static void put_shapes(struct shapes *s, int32_t id, int depth) {
    const struct ebb__ast *a = node(s, id = ebb__typeset_through(s->run, id, s->rank));
    bool product = a->kind == EBB__AST_BINARY && a->op == EBB__OP_MUL;
    bool matrices = a->kind == EBB__AST_BINARY && a->op == EBB__OP_MATMUL;
    bool elements = product && tensor(s, kid(s, a, 0)) && tensor(s, kid(s, a, 1));
    if ((matrices || elements) && depth < 20) {
        int rank = s->rank;
        if (matrices) s->rank = 0;
        put_shapes(s, kid(s, a, 0), depth + 1);
        bool numbers = false;
        for (int i = 0; i < 2; i++)
            numbers = numbers || ebb_tensor_ndim(tensor(s, ebb__typeset_through(s->run, kid(s, a, i), s->rank))) == 0;
        ebb__text_put(&s->out, elements && !numbers ? " ⊙ " : " · ");
        put_shapes(s, kid(s, a, 1), depth + 1);
        s->rank = rank;
        return;
    }
    if (product && depth < 20) { /* a number changes no shape */
        put_shapes(s, kid(s, a, tensor(s, kid(s, a, 0)) ? 0 : 1), depth + 1);
        return;
    }
    if (is_call_of(s, a, "outer") && a->n == 3) { /* a column times a row */
        ebb_dims x = ebb_tensor_shape(tensor(s, kid(s, a, 1))), y = ebb_tensor_shape(tensor(s, kid(s, a, 2)));
        ebb__text_put(&s->out, "(%lld×1) · (1×%lld)", (long long)x.d[0], (long long)y.d[0]);
        s->factors += 2;
        return;
    }
    ebb__text_put(&s->out, "%s", shape_of(s, id));
    s->factors++;
}

/* What a call that only gives its input another shape, or puts it into a larger one, is called with; -1 for others. */
static int32_t reshaped(const struct shapes *s, int32_t id) {
    static const char *const names[] = {"expand",  "restore",   "reshape",         "transpose",      "permute",
                                        "squeeze", "unsqueeze", "select_backward", "slice_backward", "sum_to_size"};
    const struct ebb__ast *a = node(s, id);
    bool transposed = a->kind == EBB__AST_ATTR && (strcmp(ebb__ast_name(s->run->program, a), "mT") == 0 ||
                                                   strcmp(ebb__ast_name(s->run->program, a), "T") == 0);
    if (transposed || (a->kind == EBB__AST_INDEX && ebb__typeset_adds(s->run, id))) return kid(s, a, 0);
    if (a->kind == EBB__AST_UNARY) return kid(s, a, 0);
    if (a->kind == EBB__AST_BINARY && (a->op == EBB__OP_MUL || a->op == EBB__OP_DIV)) {
        int k = tensor(s, kid(s, a, 0)) ? 0 : 1;
        return tensor(s, kid(s, a, 1 - k)) ? -1 : kid(s, a, k);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_call_of(s, a, names[i]) && a->n > 1) return kid(s, a, 1);
    return -1;
}

/* "(2) → (2×1) → (2×3)": the shapes that one tensor goes through, each time that they change. */
static void put_changes(struct shapes *s, int32_t id, int rank, int depth) {
    enum { LONGEST = 24 };
    id = ebb__typeset_through(s->run, id, rank);
    int32_t of = depth < LONGEST ? reshaped(s, id) : -1;
    uint8_t kind = node(s, id)->kind;
    const char *shape = shape_of(s, id);
    if (of >= 0 && tensor(s, of) && (kind == EBB__AST_BINARY || kind == EBB__AST_UNARY)) {
        put_changes(s, of, rank, depth + 1);
        return;
    }
    if (of >= 0 && tensor(s, of)) {
        put_changes(s, of, is_call_of(s, node(s, id), "expand") ? ebb_tensor_ndim(tensor(s, id)) : 0, depth + 1);
        size_t n = strlen(shape), all = (size_t)s->out.n;
        if (all >= n && strcmp(ebb__text_of(&s->out) + all - n, shape) == 0) return;
        ebb__text_put(&s->out, " → ");
    }
    ebb__text_put(&s->out, "%s", shape);
    s->factors++;
}

static const char *shapes_of(struct ebb__report *r, const struct ebb__run *run, ebb_dims result) {
    struct shapes s = {.run = run, .arena = &r->arena};
    const struct ebb__typeset written = {.run = run};
    int64_t last = run->program->n_statements - 1;
    int32_t root = last < 0 ? -1 : run->program->statements[last].root;
    if (root < 0 || !tensor(&s, root)) return NULL;
    const char *text = NULL;
    s.rank = ebb__typeset_rank(&written, root, 0);
    put_shapes(&s, root, 0);
    if (s.factors > 1 && strpbrk(ebb__text_of(&s.out), "0123456789")) /* scalars have none */
        text = ebb__arena_print(&r->arena, "%s → %s", ebb__text_of(&s.out), ebb__report_shape(&r->arena, result));
    if (s.factors == 1) {
        ebb__text_cut(&s.out, 0);
        s.factors = 0;
        put_changes(&s, root, 0, 0);
        if (s.factors > 1) text = ebb__arena_copy(&r->arena, ebb__text_of(&s.out), (size_t)s.out.n);
    }
    ebb__text_free(&s.out);
    return text;
}

/* ---- typesetting ---- */

/* A name that a formula defines, and that something in the graph has, gets a prime. */
static void rename_definitions(struct ebb__report *r, const struct ebb__program *p, struct symbols *symbols) {
    for (int64_t i = 0; i < p->n_statements; i++)
        for (int32_t k = 0; k < p->statements[i].n; k++) {
            const char *name = ebb__arena_print(&r->arena, "%s", p->names[p->kids[p->statements[i].targets + k]]);
            bool taken = false;
            for (int64_t n = 0; n < r->n_nodes && name; n++)
                for (int64_t o = 0; o < r->nodes[n].n_out; o++)
                    taken = taken || strcmp(r->nodes[n].out[o].name.in[EBB__UNICODE], name) == 0;
            if (!taken) continue;
            const char *latex = ebb__latex_name(&r->arena, name);
            add(symbols, name,
                &(struct ebb__shown){{ebb__arena_print(&r->arena, "%s′", name),
                                      ebb__arena_print(&r->arena, "%s'", latex ? latex : name)}});
        }
}

static void typeset(struct ebb__report *r, const struct ebb__run *run, struct symbols *symbols,
                    struct ebb__report_give *give) {
    rename_definitions(r, run->program, symbols);
    for (int script = 0; script < EBB__N_SCRIPTS; script++) {
        struct ebb__text text = {0};
        struct ebb__typeset t = {.out = &text,
                                 .script = (enum ebb__script)script,
                                 .run = run,
                                 .symbols = symbols->list,
                                 .n_symbols = symbols->n};
        ebb__typeset_program(&t);
        give->formula.in[script] = ebb__arena_copy(&r->arena, ebb__text_of(&text), (size_t)text.n);
        ebb__text_cut(&text, 0);
        ebb__typeset_definitions(&t);
        if (text.n) give->definitions.in[script] = ebb__arena_copy(&r->arena, ebb__text_of(&text), (size_t)text.n);
        ebb__text_free(&text);
    }
    give->shapes = shapes_of(r, run, give->shape);
}

/* Over which dimensions what the formula gives is summed, since the input was broadcast. */
static void fit(const struct ebb__report *r, const struct ebb__run *run, struct ebb__report_give *give) {
    ebb_dims from, to = ebb__report_of(r, give->to, give->output)->shape;
    if (run->last.kind != EBB__V_TENSOR) return;
    from = ebb_tensor_shape(run->last.as.t);
    if (from.n < to.n) return; /* one number for all elements, as 0 */
    give->shape = from;
    for (int i = 0; i < from.n; i++) {
        int k = i - (from.n - to.n);
        if (k < 0 || (to.d[k] == 1 && from.d[i] != 1)) give->summed.d[give->summed.n++] = i;
    }
}

/* A formula that cannot be evaluated, as for a shape that it does not hold for, is not shown: the rule's value is. */
static void evaluate(struct ebb__report *r, const char *formula, ebb_args names, struct symbols *symbols,
                     struct ebb__report_give *give) {
    struct ebb__program p;
    struct ebb__run run = {0};
    ebb_status status = ebb__program_parse(&p, formula);
    if (!status) status = ebb__eval_begin(&run, &p);
    for (int64_t i = 0; !status && i < names.n; i++) status = ebb__eval_set(&run, &names.arg[i]);
    if (!status) status = ebb__eval_all(&run);
    if (!status) fit(r, &run, give);
    if (!status) typeset(r, &run, symbols, give);
    ebb__eval_end(&run);
    ebb__program_free(&p);
    if (status && status != EBB_ERR_MEMORY) ebb_clear_error();
}

/* A sentence with what the names are shown as in their places. */
static const char *with_names(struct ebb__report *r, const char *sentence, const struct symbols *symbols) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    struct ebb__text text = {0};
    for (const char *at = sentence; *at;) {
        size_t n = strspn(at, letters), gap = strcspn(at + n, letters);
        const char *shown = NULL;
        for (int64_t i = 0; i < symbols->n && n && !shown; i++)
            if (strlen(symbols->list[i].name) == n && memcmp(symbols->list[i].name, at, n) == 0)
                shown = symbols->list[i].shown[EBB__UNICODE];
        if (shown) ebb__text_put(&text, "%s", shown);
        else ebb__text_add(&text, at, n);
        ebb__text_add(&text, at + n, gap);
        at += n + gap;
    }
    const char *copy = ebb__arena_copy(&r->arena, ebb__text_of(&text), (size_t)text.n);
    ebb__text_free(&text);
    return copy;
}

ebb_status ebb__report_formula(struct ebb__report *r, const struct ebb__report_step *step,
                               struct ebb__report_give *give, const struct ebb__formula_call *call) {
    ebb_args names;
    struct symbols symbols = {.n = 0};
    const char *formula = ebb__formula_of(&r->arena, call, give->input, &names);
    if (!formula) return ebb_error_status();
    symbols_of(r, step, &symbols);
    if (ebb__formula_is_words(formula)) {
        const char *sentence = ebb__arena_copy(&r->arena, formula + 1, strlen(formula) - 2);
        for (int lang = 0; lang < 2 && sentence; lang++)
            give->words[lang] = with_names(r, ebb__formula_words((enum ebb_language)lang, sentence), &symbols);
        return ebb_error_status();
    }
    evaluate(r, formula, names, &symbols, give);
    return ebb_error_status();
}
