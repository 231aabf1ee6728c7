/* Explaining a graph that a program built: names from its source, values from the leaves where nobody watched. */
#include "explain/report_view.h"
#include <ebb/ops.h>

#include <ctype.h>
#include <string.h>

/* ---- names from the lines that made them ---- */

struct line {
    const char *file;
    int number;
    const char *name; /* what the line assigns to; NULL: nothing */
};

struct naming {
    struct ebb__arena arena;
    struct ebb__addresses last; /* of nodes that are the last of their line: the number of the line */
    struct line *lines;
    int64_t n, room;
    bool failed;
};

static bool is_letter(char c) { return c == '_' || isalnum((unsigned char)c) || (unsigned char)c >= 0x80; }

/* "ebb_tensor *h1 = ebb_add(…);" assigns to h1; what is in brackets, members and comparisons do not count. */
static const char *assigned(struct ebb__arena *a, const char *text) {
    for (const char *c = strchr(text, '='); c; c = strchr(c + 1, '=')) {
        const char *end = c, *start;
        if (c[1] == '=' || c == text || strchr("=!<>+-*/%&|^", c[-1])) return NULL;
        while (end > text && isspace((unsigned char)end[-1])) end--;
        for (start = end; start > text && is_letter(start[-1]);) start--;
        if (start == end || isdigit((unsigned char)*start) || (start > text && strchr(".>])", start[-1]))) return NULL;
        for (const char *b = text; b < start; b++)
            if (*b == '(' || *b == '"' || *b == '[') return NULL;
        return ebb__arena_copy(a, start, (size_t)(end - start));
    }
    return NULL;
}

/* The text of a line of a file; false when there is none. Compilers are called in folders beside the sources, so that
 * the way to a file may begin with some "../" too many. */
static bool read_line(const char *file, int number, char *text, size_t size) {
    FILE *in = fopen(file, "r");
    bool found = false;
    while (!in && strncmp(file, "../", 3) == 0) in = fopen(file += 3, "r");
    for (int i = 1; in && i <= number; i++) {
        found = fgets(text, (int)size, in) != NULL;
        if (!found) break;
        if (!strchr(text, '\n') && !feof(in)) /* the rest of a long line */
            for (int c = fgetc(in); c != '\n' && c != EOF;) c = fgetc(in);
    }
    if (in) (void)fclose(in);
    return found;
}

static int64_t line_of(struct naming *n, const ebb_node *node) {
    const char *file = ebb_node_file(node);
    int number = ebb_node_line(node);
    char text[1024];
    for (int64_t i = 0; i < n->n; i++)
        if (n->lines[i].number == number && strcmp(n->lines[i].file, file) == 0) return i;
    if (!ebb__array_grow(&n->lines, &n->room, n->n + 1, sizeof *n->lines)) return -1;
    n->lines[n->n] = (struct line){file, number, NULL};
    if (file[0] && read_line(file, number, text, sizeof text)) n->lines[n->n].name = assigned(&n->arena, text);
    return n->n++;
}

/* The last node that a line recorded is what it assigns: those of its calls' arguments come before. A line that runs
 * again names one each time: the last one before another line's. */
static ebb_status find_names(struct naming *n, const struct ebb__report *r) {
    int64_t previous = -1, at;
    for (int64_t i = r->n_forward; i-- > 0;) {
        const ebb_node *node = r->nodes[r->forward[i]].node;
        if ((at = line_of(n, node)) < 0) return ebb_error_status();
        if (at != previous && n->lines[at].name && !ebb__addresses_set(&n->last, node, at)) return ebb_error_status();
        previous = at;
    }
    return EBB_OK;
}

static const char *name_of(void *context, const ebb_node *node, int64_t k, const ebb_tensor *t) {
    const struct naming *n = context;
    if (!node) return NULL;
    if (t) return ebb_tensor_name(t)[0] ? ebb_tensor_name(t) : NULL;
    const char *given = ebb_node_output_name(node, k);
    if (given[0]) return given;
    int64_t line = k == 0 && ebb_node_n_outputs(node) == 1 ? ebb__addresses_find(&n->last, node) : -1;
    return line < 0 ? NULL : n->lines[line].name;
}

/* ---- values that nobody kept ---- */

static bool draws(const struct ebb_op *op) {
    static const char *const words[] = {"dropout",     "rrelu",   "bernoulli", "normal",      "poisson",
                                        "multinomial", "uniform", "rand",      "exponential", "gumbel"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(op->name, words[i])) return true;
    return false;
}

/* The values that a node saved: of its inputs, and its own. */
static ebb_status take_saved(struct ebb__report *r, struct ebb__report_node *n) {
    ebb_node *node = (ebb_node *)(uintptr_t)n->node;
    for (int64_t s = 0; s < ebb_node_n_saved(node); s++) {
        const char *name = ebb_node_saved_name(node, s);
        struct ebb__report_output *of = NULL;
        for (int64_t i = 0; i < n->n_in && n->n_in == n->op->n_in; i++)
            if (n->in[i].node >= 0 && strcmp(n->in[i].role, name) == 0)
                of = ebb__report_of(r, n->in[i].node, n->in[i].output);
        for (int64_t k = 0; k < n->n_out && k < EBB_OP_MAX_OUT; k++)
            if (strcmp(n->out[k].role[0] ? n->out[k].role : "result", name) == 0) of = &n->out[k];
        if (!of || of->value) continue;
        ebb_tensor *t = (ebb_node_saved)(node, s);
        if (!t || !(of->value = ebb__report_keep(r, ebb__copy_kept(ebb_detach(t))))) return ebb_error_status();
    }
    return EBB_OK;
}

/* Compute a node's outputs from inputs whose values are known; nothing when they are not. */
static ebb_status compute(struct ebb__report *r, struct ebb__report_node *n, ebb_tensor **in) {
    for (int64_t i = 0; i < n->n_in; i++) {
        in[i] = n->in[i].node < 0 ? NULL : ebb__report_of(r, n->in[i].node, n->in[i].output)->value;
        if (!in[i]) return EBB_OK;
    }
    ebb_list out = ebb_call_op_list(n->op, in, n->n_in, ebb_node_attrs(n->node));
    if (ebb_error_status() == EBB_ERR_MEMORY) return EBB_ERR_MEMORY;
    ebb_clear_error(); /* it cannot be called so: not known */
    for (int64_t k = 0; k < out.n && k < n->n_out && out.n == n->n_out; k++) {
        ebb_dims a = ebb_tensor_shape(out.t[k]), b = n->out[k].shape;
        if (a.n != b.n || memcmp(a.d, b.d, (size_t)a.n * sizeof *a.d) != 0) return EBB_OK;
        if (!(n->out[k].value = ebb__report_keep(r, ebb__copy_kept(out.t[k])))) return ebb_error_status();
    }
    return EBB_OK;
}

/* What is saved; the rest from the leaves up. When the root does not come out as it is, a leaf was written since: then
 * nothing is known. */
static ebb_status recompute(struct ebb__report *r, ebb_tensor *root) {
    struct ebb__report_output *o = ebb__report_of(r, r->root, r->root_output);
    ebb_status status = EBB_OK;
    for (int64_t i = 0; i < r->n_forward && !status; i++) status = take_saved(r, &r->nodes[r->forward[i]]);
    for (int64_t i = 0; i < r->n_forward && !status; i++) {
        struct ebb__report_node *n = &r->nodes[r->forward[i]];
        ebb_tensor **in = ebb__arena_get(&r->arena, (size_t)n->n_in * sizeof(ebb_tensor *));
        ebb_scope scope = ebb_scope_open();
        if (!in) status = ebb_error_status();
        else if (!n->out[0].value && !draws(n->op)) status = compute(r, n, in);
        ebb_scope_close(&scope);
    }
    bool same = true;
    if (!status && o->value) {
        ebb_scope scope = ebb_scope_open();
        same = (ebb_item)(ebb_all(ebb_eq(o->value, ebb_detach(root)))) != 0;
        ebb_scope_close(&scope);
    }
    for (int64_t i = 0; i < r->n_forward && !same; i++)
        for (int64_t k = 0; k < r->nodes[r->forward[i]].n_out; k++) r->nodes[r->forward[i]].out[k].value = NULL;
    if (!status && !(o->value = ebb__report_keep(r, ebb__copy_kept(root)))) status = ebb_error_status();
    return status ? status : ebb_error_status();
}

/* ---- the calls ---- */

struct ebb_explain_recording {
    struct ebb__trace trace;
};

ebb_explain_recording *ebb_explain_begin(void) {
    ebb_explain_recording *recording = ebb_alloc(sizeof *recording);
    if (!recording) return NULL;
    *recording = (ebb_explain_recording){0};
    ebb__trace_open(&recording->trace);
    return recording;
}

void ebb_explain_end(ebb_explain_recording *recording) {
    if (!recording) return;
    ebb_watch_close(&recording->trace.watch);
    ebb__trace_free(&recording->trace);
    ebb_free(recording, sizeof *recording);
}

ebb_status(ebb_explain)(ebb_tensor *root, ebb_explain_options options) {
    struct ebb__report r = {0};
    struct naming naming = {.failed = false};
    if (!root || ebb_error())
        return ebb_error() ? ebb_error_status() : ebb__fail_said(EBB_ERR_ARGUMENT, "explain: the tensor is NULL");
    const struct ebb__report_source source = {.root = root,
                                              .trace = options.recording ? &options.recording->trace : NULL,
                                              .name_of = name_of,
                                              .context = &naming};
    bool before = ebb__say_in_chinese(options.lang == EBB_CHINESE);
    ebb_scope scope = ebb_scope_open();
    ebb_grad_mode mode = ebb_grad_mode_open(true);
    ebb_status status = ebb__report_gather(&r, &source);
    ebb_grad_mode closed = ebb_grad_mode_open(false);
    if (!status) status = recompute(&r, root);
    if (!status) status = find_names(&naming, &r);
    ebb_grad_mode_close(&closed);
    if (!status) status = ebb__report_derive(&r, &source);
    if (!status) status = ebb__report_write(&r, &options);
    ebb_grad_mode_close(&mode);
    ebb__report_free(&r);
    ebb__addresses_free(&naming.last);
    ebb__array_free(naming.lines, naming.room, sizeof *naming.lines);
    ebb__arena_free(&naming.arena);
    ebb_scope_close(&scope);
    ebb__say_end(before);
    return status;
}
