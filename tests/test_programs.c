/* Random programs over the graph compared with PyTorch: hooks of every kind, hooks on saved tensors, operators of one's
 * own, checkpoints, views and writes in place, passes. tests/programs.txt has the programs and what PyTorch made of
 * them; programs.py wrote it, and says what a line means. EBB_PROGRAMS names another file in its place. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>

enum { MAX_VALUES = 128, MAX_HOOKS = 64, MAX_BLOCKS = 4, MAX_NOTES = 4096, LINE = 65536 };

static double notes[MAX_NOTES];
static int n_notes;
static bool quiet; /* rules, functions and hooks on saved tensors note nothing */
static void note(double x) {
    if (n_notes < MAX_NOTES) notes[n_notes++] = x;
}
static void note_unless_quiet(double x) {
    if (!quiet) note(x);
}

/* The sum of the elements, each times its place: what stands for a tensor. */
static double number(const ebb_tensor *t) {
    double sum = 0, *x = malloc((size_t)(ebb_tensor_numel(t) + 1) * sizeof *x);
    if (!x || ebb_tensor_read(t, EBB_F64, x)) sum = NAN;
    for (int64_t i = 0; x && i < ebb_tensor_numel(t); i++) sum += x[i] * (double)(i + 1);
    free(x);
    return sum;
}

/* ---- operators of one's own ---- */

static const double *in_of(const struct ebb_forward *f, int i) {
    return i < f->n_in ? ebb_tensor_data(f->in[i]) : NULL;
}
static ebb_status same_shape(struct ebb_infer *f) {
    for (int64_t k = 0; k < f->n_out; k++) f->out[k].shape = f->in[0].shape;
    return EBB_OK;
}

#define FORWARD(name, first, second) \
    static ebb_status name##_forward(struct ebb_forward *f) { \
        const double *x = in_of(f, 0), *y = in_of(f, 1); \
        double *out = ebb_tensor_data(f->out[0]), *other = f->n_out > 1 ? ebb_tensor_data(f->out[1]) : NULL; \
        for (int64_t i = 0; i < ebb_tensor_numel(f->in[0]); i++) { \
            const double a = x[i], b = y ? y[i] : 0; \
            (void)b; \
            if (other) other[i] = second; \
            out[i] = first; \
        } \
        return EBB_OK; \
    }
FORWARD(two, a *b, a + b)
FORWARD(product, a *b, 0)
FORWARD(sum, a + b, 0)
FORWARD(triple, a * 3, a * 5)
FORWARD(square, a *a, 0)

static void two_vjp(struct ebb_vjp_call *v) {
    note_unless_quiet(v->op->undefined_grads ? 21 : 20);
    note_unless_quiet(v->grad[0] != NULL);
    note_unless_quiet(v->grad[1] != NULL);
    for (int i = 0; i < 2; i++) {
        if (!v->needs[i]) continue;
        ebb_tensor *g = v->grad[0] ? ebb_mul(v->grad[0], v->in[1 - i]) : NULL;
        if (v->grad[1]) g = g ? ebb_add(g, v->grad[1]) : v->grad[1];
        ebb_vjp_give(v, i, g);
    }
}
static void needs_vjp(struct ebb_vjp_call *v) {
    note_unless_quiet(22);
    note_unless_quiet(v->needs[0]);
    note_unless_quiet(v->needs[1]);
    for (int i = 0; i < 2; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_mul(v->grad[0], v->in[1 - i]));
}
static void dirty_vjp(struct ebb_vjp_call *v) {
    note_unless_quiet(23);
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], 3.0));
}
static void constant_vjp(struct ebb_vjp_call *v) {
    note_unless_quiet(24);
    note_unless_quiet(v->grad[1] && number(v->grad[1]) == 0);
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], 3.0));
}
static void once_vjp(struct ebb_vjp_call *v) {
    note_unless_quiet(25);
    ebb_vjp_give(v, 0, ebb_mul(ebb_mul(v->grad[0], v->in[0]), 2.0));
}
static void output_vjp(struct ebb_vjp_call *v) {
    note_unless_quiet(26);
    ebb_vjp_give(v, 0, ebb_mul(v->grad[0], v->out[0]));
}
static void nothing_vjp(struct ebb_vjp_call *v) {
    note_unless_quiet(27);
    ebb_vjp_give(v, 0, v->grad[0]);
}

#define ONE .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}), .n_in = 1
#define PAIR .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}, {"y", EBB_INPUT_TENSOR}), .n_in = 2
#define ON_DOUBLES .promote = EBB_PROMOTE_COMMON, .dtypes = EBB_DTYPES(EBB_F64), .contiguous = true, .infer = same_shape
#define BOTH .saves = {EBB_IN(0) | EBB_IN(1), EBB_IN(0) | EBB_IN(1)}
static const struct ebb_op own[] = {
    {.name = "two",
     .node = "TwoBackward",
     PAIR,
     .n_out = 2,
     .out = EBB_OUTPUTS({.name = "p"}, {.name = "s"}),
     .forward = two_forward,
     .vjp = two_vjp,
     BOTH,
     ON_DOUBLES},
    {.name = "two_raw",
     .node = "TwoRawBackward",
     PAIR,
     .n_out = 2,
     .out = EBB_OUTPUTS({.name = "p"}, {.name = "s"}),
     .forward = two_forward,
     .vjp = two_vjp,
     .undefined_grads = true,
     BOTH,
     ON_DOUBLES},
    {.name = "needs", .node = "NeedsBackward", PAIR, .forward = product_forward, .vjp = needs_vjp, BOTH, ON_DOUBLES},
    {.name = "dirty",
     .node = "DirtyBackward",
     ONE,
     .forward = triple_forward,
     .vjp = dirty_vjp,
     .inplace = true,
     ON_DOUBLES},
    {.name = "constant",
     .node = "ConstantBackward",
     ONE,
     .n_out = 2,
     .out = EBB_OUTPUTS({.name = "y"}, {.name = "z"}),
     .forward = triple_forward,
     .vjp = constant_vjp,
     .constant_outs = EBB_OUT(1),
     ON_DOUBLES},
    {.name = "once",
     .node = "OnceBackward",
     ONE,
     .forward = square_forward,
     .vjp = once_vjp,
     .saves = {EBB_IN(0)},
     .once_differentiable = true,
     ON_DOUBLES},
    {.name = "output",
     .node = "OutputBackward",
     ONE,
     .forward = square_forward,
     .vjp = output_vjp,
     .saves = {EBB_OUT(0)},
     ON_DOUBLES},
    {.name = "nothing", .node = "NothingBackward", PAIR, .forward = sum_forward, .vjp = nothing_vjp, ON_DOUBLES},
};

static const struct ebb_op *own_op(const char *name) {
    for (size_t k = 0; k < sizeof own / sizeof *own; k++)
        if (!strcmp(own[k].name, name)) return &own[k];
    return NULL;
}

/* ---- functions that are called again ---- */

static int kinds[7] = {0, 1, 2, 3, 4, 5, 6};
static int calls; /* since the last checkpoint */

static ebb_status body(ebb_list in, ebb_outputs *ret_out, void *context) {
    const int kind = *(int *)context;
    ebb_tensor *x = in.t[0], *y = in.t[1], *z = NULL;
    note_unless_quiet(40 + kind);
    const bool again = calls++ > 0;
    switch (kind) {
    case 0: z = ebb_mul(ebb_sin(x), y); break;
    case 1: z = ebb_add(ebb_mul(ebb_exp(ebb_sin(x)), ebb_tanh(y)), x); break;
    case 2: z = ebb_mul(ebb_checkpoint(body, &kinds[0], EBB_LIST(x, y)).t[0], ebb_sin(x)); break;
    case 3: z = ebb_mul(ebb_sin_(ebb_mul(x, y)), x); break;
    case 4: z = again ? ebb_mul(x, 2.0) : ebb_mul(ebb_sin(ebb_exp(ebb_sin(x))), y); break;
    case 5:
        z = ebb_mul(ebb_sin(x), y);
        z = again ? ebb_exp(z) : z;
        break;
    default: z = ebb_mul(ebb_sin(again ? ebb_sum(x) : x), ebb_sum(y));
    }
    ret_out->t[ret_out->n++] = z;
    return ebb_error_status();
}

/* ---- hooks ---- */

struct packed {
    ebb_tensor *t;
};
static void *pack(ebb_tensor *t, void *context) {
    const char *kind = context;
    struct packed *p = malloc(sizeof *p);
    note_unless_quiet(30);
    EBB_SCOPE {
        ebb_tensor *kept = ebb_detach(t); /* with its history it could own itself, when it is written later */
        kept = *kind == 't' ? ebb_mul(kept, 2.0) : *kind == 's' ? ebb_to(kept, EBB_F32) : ebb_clone(kept);
        if (p) p->t = ebb_keep(kept);
    }
    return p;
}
static ebb_tensor *unpack(void *packed, void *context) {
    note_unless_quiet(31);
    ebb_tensor *t = ((struct packed *)packed)->t;
    return *(const char *)context == 's' ? ebb_to(t, EBB_F64) : t;
}
static void release(void *packed, void *context) {
    (void)context;
    ebb_drop(((struct packed *)packed)->t);
    free(packed);
}

static ebb_tensor *look(ebb_tensor *g, void *context) {
    (void)context;
    note(50);
    note(number(g));
    return NULL;
}
static ebb_tensor *scale(ebb_tensor *g, void *context) { return look(g, context) ? NULL : ebb_mul(g, 0.5); }
static ebb_tensor *shift(ebb_tensor *g, void *context) { return look(g, context) ? NULL : ebb_add(g, 1.0); }
static void gathered(ebb_tensor *leaf, void *context) {
    (void)context;
    note(53);
    note(number(ebb_tensor_grad(leaf)));
}
static void before(ebb_node *node, ebb_tensor **grad, void *context) {
    (void)context;
    for (int64_t k = 0; k < ebb_node_n_outputs(node); k++)
        if (grad[k]) grad[k] = ebb_mul(grad[k], 2.0);
}
static void after(ebb_node *node, ebb_tensor **grad_in, ebb_tensor *const *grad_out, void *context) {
    (void)context;
    (void)grad_out;
    double sum = 0;
    for (int64_t k = 0; k < ebb_node_n_inputs(node); k++) {
        if (!grad_in[k]) continue;
        sum += number(grad_in[k]);
        grad_in[k] = ebb_mul(grad_in[k], 0.5);
    }
    note(52);
    note(sum);
}

/* ---- running a program ---- */

static const struct {
    const char *name;
    ebb_tensor *(*call)(ebb_tensor *x);
    bool in_place;
} unary[] = {{"sin", ebb_sin, false},       {"tanh", ebb_tanh, false},   {"sigmoid", ebb_sigmoid, false},
             {"neg", ebb_neg, false},       {"clone", ebb_clone, false}, {"exp", ebb_exp, false},
             {"square", ebb_square, false}, {"sin_", ebb_sin_, true},    {"exp_", ebb_exp_, true},
             {"tanh_", ebb_tanh_, true},    {"zero_", ebb_zero_, true}};

static struct {
    ebb_tensor *value[MAX_VALUES];
    int n;
    ebb_hook hook[MAX_HOOKS];
    int n_hooks;
    struct {
        bool no_grad;
        ebb_grad_mode mode;
        ebb_saved_hooks_block saved;
    } block[MAX_BLOCKS];
    int n_blocks;
} p;

static void push(ebb_tensor *t) {
    if (t && p.n < MAX_VALUES) p.value[p.n++] = t;
}

static void make(char *words, bool requires_grad) {
    ebb_dims shape = {0};
    double data[64];
    int n = 0;
    if (*words == '-') words++;
    for (; *words && *words != ' '; words += *words == ',') shape.d[shape.n++] = strtoll(words, &words, 10);
    for (char *end; n < 64; n++, words = end) {
        data[n] = strtod(words, &end);
        if (end == words) break;
    }
    push(ebb_requires_grad_(ebb_from_data(data, EBB_F64, shape), requires_grad));
}

static void open_block(const char *kind) {
    static char names[][8] = {"count", "twice", "single"};
    const int b = p.n_blocks++;
    if ((p.block[b].no_grad = !strcmp(kind, "no_grad"))) {
        p.block[b].mode = ebb_grad_mode_open(false);
        return;
    }
    for (int k = 0; k < 3; k++)
        if (!strcmp(kind, names[k]))
            p.block[b].saved = ebb_saved_hooks_open(
                (ebb_saved_hooks){.pack = pack, .unpack = unpack, .release = release, .context = names[k]});
}

static void close_block(void) {
    const int b = --p.n_blocks;
    if (p.block[b].no_grad) ebb_grad_mode_close(&p.block[b].mode);
    else ebb_saved_hooks_close(&p.block[b].saved);
}

static void add_hook(const char *kind, ebb_tensor *t) {
    ebb_hook h = 0;
    if (!strcmp(kind, "gathered")) h = ebb_register_post_accumulate_grad_hook(t, gathered, NULL, NULL);
    else if (!strcmp(kind, "before")) h = ebb_node_register_prehook(ebb_tensor_grad_fn(t), before, NULL, NULL);
    else if (!strcmp(kind, "after")) h = ebb_node_register_hook(ebb_tensor_grad_fn(t), after, NULL, NULL);
    else h = ebb_register_hook(t, !strcmp(kind, "look") ? look : !strcmp(kind, "scale") ? scale : shift, NULL, NULL);
    if (h) p.hook[p.n_hooks++] = h;
}

static void run_pass(const char *kind, ebb_tensor *t, const char *flags, ebb_list inputs) {
    const bool retain = flags[0] == '1', create = flags[1] == '1';
    ebb_tensor *grads[2] = {NULL};
    if (*kind == 'b') (void)ebb_backward(t, .retain_graph = retain, .create_graph = create);
    else if (*kind == 'i') (void)ebb_backward(t, .retain_graph = retain, .create_graph = create, .inputs = inputs);
    else if (!ebb_grad(EBB_LIST(t), inputs, grads, .retain_graph = retain, .create_graph = create,
                       .allow_unused = true))
        for (int64_t i = 0; i < inputs.n; i++) push(grads[i]);
}

static void call_own(const struct ebb_op *op, ebb_tensor **in) {
    ebb_tensor *out[2] = {NULL};
    if (op->inplace) (void)ebb_call_op_inplace(op, in, op->n_in, NULL);
    else if (!ebb_call_op(op, in, op->n_in, NULL, out))
        for (int k = 0; k < (op->n_out ? op->n_out : 1); k++) push(out[k]);
}

/* One instruction, in words that are values' numbers where `in` has them. */
static void instruction(char *line) {
    char name[32], word[2][32] = {"", ""};
    int at = 0, place[3] = {0};
    ebb_tensor *in[3] = {NULL};
    (void)sscanf(line, "%31s %n", name, &at);
    char *rest = line + at;
    (void)sscanf(rest, "%31s %31s", word[0], word[1]);
    const int n = sscanf(rest, "%d %d %d", &place[0], &place[1], &place[2]);
    for (int i = 0; i < n; i++)
        if (place[i] >= 0 && place[i] < p.n) in[i] = p.value[place[i]];
    for (size_t k = 0; k < sizeof unary / sizeof *unary; k++) {
        if (strcmp(name, unary[k].name) != 0) continue;
        ebb_tensor *y = unary[k].call(in[0]);
        if (!unary[k].in_place) push(y);
        return;
    }
    if (own_op(name)) call_own(own_op(name), in);
    else if (!strcmp(name, "leaf") || !strcmp(name, "data")) make(rest, *name == 'l');
    else if (!strcmp(name, "add")) push(ebb_add(in[0], in[1]));
    else if (!strcmp(name, "sub")) push(ebb_sub(in[0], in[1]));
    else if (!strcmp(name, "mul")) push(ebb_mul(in[0], in[1]));
    else if (!strcmp(name, "sum")) push(ebb_sum(in[0]));
    else if (!strcmp(name, "select")) push(ebb_select(in[0], 0, place[1]));
    else if (!strcmp(name, "slice")) {
        const int64_t last = ebb_tensor_size(in[0], -1);
        push(last > 1 ? ebb_narrow(in[0], -1, 0, last - 1) : ebb_narrow(in[0], 0, 0, 1));
    } else if (!strcmp(name, "flat")) push(ebb_view(in[0], EBB_DIMS(-1)));
    else if (!strcmp(name, "mul_")) (void)ebb_mul_(in[0], in[1]);
    else if (!strcmp(name, "add_")) (void)ebb_add_(in[0], in[1]);
    else if (!strcmp(name, "copy_")) (void)ebb_copy_(in[0], in[1]);
    else if (!strcmp(name, "fill_")) (void)ebb_fill_(in[0], 0.75);
    else if (!strcmp(name, "checkpoint")) {
        calls = 0;
        push(ebb_checkpoint(body, &kinds[place[0]], EBB_LIST(in[1], in[2])).t[0]);
    } else if (!strcmp(name, "open")) open_block(word[0]);
    else if (!strcmp(name, "close")) close_block();
    else if (!strcmp(name, "quiet")) quiet = true;
    else if (!strcmp(name, "retain")) (void)ebb_retain_grad(in[0]);
    else if (!strcmp(name, "hook")) add_hook(word[0], p.value[atoi(word[1])]);
    else if (!strcmp(name, "remove")) ebb_remove_hook(p.hook[place[0]]);
    else if (!strcmp(name, "clear")) (void)ebb_set_grad(in[0], NULL);
    else { /* backward, into, grad: a value, flags, inputs */ int inputs[2] = {0};
        const int n_inputs = sscanf(rest, "%*d %*s %d %d", &inputs[0], &inputs[1]);
        ebb_tensor *of[2] = {p.value[inputs[0]], p.value[inputs[1]]};
        run_pass(name, in[0], word[1], (ebb_list){n_inputs > 0 ? n_inputs : 0, of});
    }
}

/* ---- comparing ---- */

static bool close_to(double got, double want) {
    return got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= 1e-9 * (1 + fabs(want));
}

/* What differs at a line, as text; false when nothing does. */
static bool notes_differ(char *line, char *why, size_t size) {
    int k = 0;
    char *end, *at = line;
    for (double want = strtod(at, &end); end != at; at = end, want = strtod(at, &end), k++) {
        if (k < n_notes && close_to(notes[k], want)) continue;
        (void)snprintf(why, size, "note %d is %g, in PyTorch %g", k, k < n_notes ? notes[k] : (double)NAN, want);
        return true;
    }
    if (k == n_notes) return false;
    (void)snprintf(why, size, "%d notes, in PyTorch %d: the next is %g", n_notes, k, notes[k]);
    return true;
}

/* PyTorch numbers the overloads of an operator, its forms in place among them. */
static bool same_node(const char *got, const char *want) {
    const size_t n = strcspn(got, "0123456789");
    return strcspn(want, "0123456789") == n && !strncmp(got, want, n);
}

static bool value_differs(int k, const char *line, char *why, size_t size) {
    int requires_grad, version;
    char node[64], of_value[64], of_grad[64];
    const ebb_tensor *t = k < p.n ? p.value[k] : NULL;
    if (sscanf(line, "%d %d %63s %63s %63s", &requires_grad, &version, node, of_value, of_grad) != 5 || !t) {
        (void)snprintf(why, size, "value %d is missing", k);
        return true;
    }
    const ebb_node *n = ebb_tensor_grad_fn(t);
    const ebb_tensor *g = ebb_tensor_grad(t);
    const char *name = n ? ebb_node_name(n) : "-";
    const double got = number(t), grad = g ? number(g) : 0;
    const char *views[] = {"SelectBackward0", "SliceBackward0", "ViewBackward0"};
    for (int i = 0; i < 3 && !strcmp(node, "AsStridedBackward0");
         i++) /* PyTorch makes them anew when versions differ */
        if (!strcmp(name, views[i])) name = node;
    if (ebb_tensor_requires_grad(t) != (requires_grad != 0) ||
        (version >= 0 && (int)ebb_tensor_version(t) != version) || !same_node(name, node) ||
        !close_to(got, strtod(of_value, NULL)) || !g != (*of_grad == '-' && !of_grad[1]) ||
        (g && !close_to(grad, strtod(of_grad, NULL)))) {
        (void)snprintf(why, size, "value %d: %d %d %s %.12g %s%.12g, in PyTorch %s", k, ebb_tensor_requires_grad(t),
                       (int)ebb_tensor_version(t), name, got, g ? "" : "no ", grad, line);
        return true;
    }
    return false;
}

/* A program up to the next one, or the end of the file. False when something differs, and `why` says what. */
static bool run_program(FILE *file, char *line, char *why, size_t size) {
    int shown = 0;
    char nothing[] = "";
    bool differs = false, untold = false;
    memset(&p, 0, sizeof p);
    quiet = false;
    n_notes = 0;
    EBB_SCOPE {
        while (fgets(line, LINE, file) && strncmp(line, "program ", 8) != 0) {
            line[strcspn(line, "\n")] = 0;
            if (differs) continue;
            if (*line == '>') {
                differs = notes_differ(line + 1, why, size);
                n_notes = 0;
            } else if (*line == '=') {
                differs = notes_differ(nothing, why, size) || value_differs(shown++, line + 2, why, size);
            } else if (!strcmp(line, "...")) {
                untold = true;
            } else {
                const size_t length = strlen(line);
                const bool fails = length > 2 && line[length - 1] == '!';
                differs = notes_differ(nothing, why, size);
                if (differs) continue;
                instruction(line);
                const ebb_error_info *e = ebb_error();
                differs = fails != (e != NULL);
                if (differs)
                    (void)snprintf(why, size, "\"%s\" %s%s", line, e ? "fails: " : "does not fail",
                                   e ? e->message : "");
                ebb_clear_error();
            }
        }
        if (!differs) differs = notes_differ(nothing, why, size);
        if (!differs && (differs = shown != (untold ? 0 : p.n)))
            (void)snprintf(why, size, "%d values, in PyTorch %d", p.n, shown);
        while (p.n_blocks) close_block();
        for (int k = 0; k < p.n; k++) (void)ebb_set_grad(p.value[k], NULL); /* with create_graph they lead back to it */
    }
    return !differs;
}

EBB_TEST(what_differs_is_told) {
    static const char start[] = "leaf 2 1 2\nhook look 0\nsum 0\nbackward 1 00\n";
    static const struct {
        const char *rest, *why;
    } programs[] = {{"> 50 3\n= 1 0 - 5 3\n= 1 0 SumBackward0 3 -\n", ""},
                    {"= 1 0 - 5 3\n= 1 0 SumBackward0 3 -\n", "2 notes, in PyTorch 0"},
                    {"neg 0\n", "2 notes, in PyTorch 0"},
                    {"", "2 notes, in PyTorch 0"},
                    {"> 50 4\n", "note 1 is 3, in PyTorch 4"},
                    {"> 50 3\n= 1 0 - 5 3\n", "2 values, in PyTorch 1"},
                    {"> 50 3\n= 1 0 - 5 3\n= 1 0 SumBackward0 3 -\n= 1 0 - 5 3\n", "value 2 is missing"},
                    {"> 50 3\n= 1 0 - 5 4\n", "value 0: "}};
    char *line = malloc(LINE);
    CHECK(line);
    for (size_t k = 0; k < sizeof programs / sizeof *programs; k++) {
        char why[1024] = "";
        FILE *file = tmpfile();
        CHECK(file && fputs(start, file) >= 0 && fputs(programs[k].rest, file) >= 0);
        rewind(file);
        CHECK(run_program(file, line, why, sizeof why) == !*programs[k].why);
        CHECK(!strncmp(why, programs[k].why, strlen(programs[k].why)));
        (void)fclose(file);
        CHECK_NO_LEAK();
    }
    free(line);
}

EBB_TEST(programs_come_out_as_in_pytorch) {
    const char *path = getenv("EBB_PROGRAMS");
    FILE *file = fopen(path ? path : "tests/programs.txt", "r");
    char *line = malloc(LINE), why[1024];
    int n = 0, bad = 0;
    CHECK(file && line);
    while (fgets(line, LINE, file) && strncmp(line, "program ", 8) != 0) {}
    while (!feof(file)) {
        const int k = atoi(line + 8);
        n++;
        const int64_t live = ebb_memory().live;
        bool same = run_program(file, line, why, sizeof why);
        ebb_thread_release();
        if (same && ebb_memory().live != live) {
            (void)snprintf(why, sizeof why, "leaks %lld blocks", (long long)(ebb_memory().live - live));
            same = false;
        }
        if (same) continue;
        bad++;
        print_error("program %d: %s\n", k, why);
    }
    free(line);
    (void)fclose(file);
    if (bad) print_error("%d of %d programs differ\n", bad, n);
    CHECK(n > 0 && !bad);
}

/* The same programs when memory runs out, from the n-th allocation on: what they come to is another matter. */
EBB_TEST(every_allocation_failing) {
    FILE *file = fopen("tests/programs.txt", "r");
    char *line = malloc(LINE), why[1024];
    CHECK(file && line);
    while (fgets(line, LINE, file) && strncmp(line, "program ", 8) != 0) {}
    for (int k = 0; k < 100 && !feof(file); k++) {
        const long start = ftell(file);
        bool failed = true;
        for (int64_t n = 1; failed; n += CHECK_STEP(3)) {
            CHECK(!fseek(file, start, SEEK_SET));
            ebb_memory_fail_after(n);
            (void)run_program(file, line, why, sizeof why);
            failed = ebb_memory_fail_after(0) >= n;
            ebb_clear_error();
            CHECK_NO_LEAK();
        }
    }
    free(line);
    (void)fclose(file);
}

EBB_TEST_MAIN
