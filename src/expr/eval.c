/* Running a program: statement by statement, each tree from its leaves up with a stack of its own, so that long sums
 * need no deep recursion; of a condition only the side that is chosen. */
#if defined(__unix__) || defined(__APPLE__)
#include <dirent.h>
#define HAVE_FOLDERS 1
#else
#define HAVE_FOLDERS 0
#endif
#include "expr/value.h"
#include <ebb/expr.h>
#include <ebb/io.h>
#include <ebb/ops.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char ebb__expr_site[] = "expression";

static const struct ebb__value unset = {.kind = EBB__UNSET};

struct ebb__value ebb__wrong(struct ebb__run *r, int32_t id, ebb_status status, const char *format, ...) {
    char message[320];
    const struct ebb__ast *a = ebb__ast_of(r, id);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, ebb__said(format), arguments);
    va_end(arguments);
    (void)ebb__fail_at(r->program->text, a->mark.end ? a->mark : a->place, status, "%s", message);
    return unset;
}

/* ---- calls of operators ---- */

ebb_list ebb__call(struct ebb__run *r, int32_t id, const char *name, const char *called, ebb_args args) {
    ebb_list results = {0, NULL};
    if (r->sites) (void)ebb_at(ebb__expr_site, id);
    ebb_tensor *first =
        (ebb_call)(name, (ebb_list){0, NULL}, (ebb_call_options){.args = args, .ret_outputs = &results});
    if (!first && ebb_error()) {
        const struct ebb__ast *a = ebb__ast_of(r, id);
        (void)ebb__fail_here(r->program->text, a->mark.end ? a->mark : a->place, called);
        if (r->observer.failed) r->observer.failed(r->observer.context, id, name, args);
        return (ebb_list){0, NULL};
    }
    if (r->observer.called) r->observer.called(r->observer.context, id, name, args, results);
    return results;
}

ebb_tensor *ebb__call1(struct ebb__run *r, int32_t id, const char *name, ebb_tensor *a, ebb_tensor *b) {
    const struct ebb_op *op = ebb_op_find(name);
    if (!op || !a) return NULL;
    ebb_arg args[2] = {ebb__arg_tensor(op->in[0].name, a), ebb__arg_tensor(b ? op->in[1].name : "", b)};
    ebb_list results = ebb__call(r, id, name, name, (ebb_args){b ? 2 : 1, args});
    return results.n ? results.t[0] : NULL;
}

/* ---- one node, its children having values ---- */

static const struct ebb__value *kid(const struct ebb__run *r, const struct ebb__ast *a, int32_t i) {
    return &r->values[ebb__ast_kid(r->program, a, i)];
}

static struct ebb__value do_name(struct ebb__run *r, int32_t id) {
    const struct ebb__ast *a = ebb__ast_of(r, id);
    struct ebb__value v = r->variables[a->name];
    const char *name = ebb__ast_name(r->program, a);
    if (v.kind == EBB__UNSET) v = ebb__value_of_name(name);
    if (v.kind != EBB__UNSET) return v;
    if (ebb_op_find(name))
        return ebb__wrong(r, id, EBB_ERR_NAME, "%s is a function: it is called as %s(…)", name, name);
    const char *names[512];
    int64_t n = 0;
    for (int64_t i = 0; i < r->program->n_names && n < 512; i++)
        if (r->variables[i].kind != EBB__UNSET) names[n++] = r->program->names[i];
    const char *meant = ebb_did_you_mean(name, names, n);
    if (!meant) return ebb__wrong(r, id, EBB_ERR_NAME, "%s has no value; give it one, as in %s=2", name, name);
    return ebb__wrong(r, id, EBB_ERR_NAME, "%s has no value%s", name, ebb__meant(meant));
}

static struct ebb__value do_list(struct ebb__run *r, const struct ebb__ast *a) {
    struct ebb__value *room = ebb__arena_get(&r->arena, (size_t)a->n * sizeof *room);
    if (!room) return unset;
    for (int32_t i = 0; i < a->n; i++) room[i] = *kid(r, a, i);
    return (struct ebb__value){.kind = EBB__V_LIST, .literal = true, .as.list = room, .n = a->n};
}

/* "torch.nn.functional" and the like. */
static bool is_module(const struct ebb__run *r, int32_t id) { return r->values[id].kind == EBB__V_MODULE; }

static struct ebb__value do_call(struct ebb__run *r, int32_t id) {
    enum { MAX_ARGUMENTS = 64 };
    const struct ebb__ast *a = ebb__ast_of(r, id);
    int32_t called = ebb__ast_kid(r->program, a, 0);
    const struct ebb__ast *c = ebb__ast_of(r, called);
    struct ebb__argument args[MAX_ARGUMENTS];
    int64_t n = 0;
    if (c->kind != EBB__AST_NAME && c->kind != EBB__AST_ATTR)
        return ebb__wrong(r, called, EBB_ERR_FORMAT, "only functions and methods can be called");
    if (c->kind == EBB__AST_NAME && r->variables[c->name].kind != EBB__UNSET &&
        !ebb_op_find(ebb__ast_name(r->program, c)))
        return ebb__wrong(r, called, EBB_ERR_NAME, "%s is no function, but %s; for a product write *",
                          ebb__ast_name(r->program, c), ebb__value_kind_name(&r->variables[c->name]));
    if (c->kind == EBB__AST_ATTR && !is_module(r, ebb__ast_kid(r->program, c, 0))) /* a method: x.f(…) is f(x, …) */
        args[n++] = (struct ebb__argument){
            .value = *kid(r, c, 0), .place = ebb__ast_of(r, ebb__ast_kid(r->program, c, 0))->place, .object = true};
    if (a->n - 1 + n > MAX_ARGUMENTS)
        return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "more than %d arguments; put them in a list", MAX_ARGUMENTS - 1);
    for (int32_t i = 1; i < a->n; i++) {
        const struct ebb__ast *arg = ebb__ast_of(r, ebb__ast_kid(r->program, a, i));
        bool keyword = arg->kind == EBB__AST_KEYWORD;
        args[n++] = (struct ebb__argument){
            .name = keyword ? ebb__ast_name(r->program, arg) : NULL, .value = *kid(r, a, i), .place = arg->place};
    }
    return ebb__do_call(r, id, ebb__ast_name(r->program, c), args, n);
}

static struct ebb__value do_attribute(struct ebb__run *r, int32_t id) {
    const struct ebb__ast *a = ebb__ast_of(r, id);
    const char *name = ebb__ast_name(r->program, a);
    if (!is_module(r, ebb__ast_kid(r->program, a, 0))) return ebb__do_attribute(r, id, kid(r, a, 0), name);
    struct ebb__value v = ebb__value_of_member(name);
    return v.kind != EBB__UNSET ? v : ebb__wrong(r, id, EBB_ERR_NAME, "there is no %s here", name);
}

enum { MAX_PATH = 512 };

static bool is_missing(const char *path) {
    FILE *file = fopen(path, "rb");
    bool missing = !file && errno == ENOENT;
    if (file) (void)fclose(file);
    return missing;
}

/* The file of the same folder whose name is most like that of a path; NULL when none is, or folders are not read. */
static const char *similar_file(const char *path, char ret_path[MAX_PATH]) {
#if HAVE_FOLDERS
    enum { MOST = 256 };
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *names[MOST];
    char folder[MAX_PATH];
    struct ebb__arena a = {0};
    int n = 0;
    (void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && n < MOST && (entry = readdir(dir));) {
        names[n] = ebb__arena_copy(&a, entry->d_name, strlen(entry->d_name));
        if (names[n]) n++;
    }
    if (dir) (void)closedir(dir);
    const char *meant = ebb_did_you_mean(name, names, n);
    if (meant) (void)snprintf(ret_path, MAX_PATH, "%.*s%s", (int)(name - path), path, meant);
    ebb__arena_free(&a);
    return meant ? ret_path : NULL;
#else
    (void)path, (void)ret_path;
    return NULL;
#endif
}

/* @x.npy: the file's tensor, where files are read. */
static struct ebb__value do_path(struct ebb__run *r, int32_t id) {
    const struct ebb__ast *a = ebb__ast_of(r, id);
    if (!r->files) return ebb__wrong(r, id, EBB_ERR_UNSUPPORTED, "files are not read here");
    const char *path = ebb__ast_name(r->program, a);
    ebb_tensor *t = (ebb_npy_load)(path);
    if (!t && ebb_error_status() == EBB_ERR_IO && is_missing(path)) {
        char meant[MAX_PATH];
        ebb_clear_error();
        return ebb__wrong(r, id, EBB_ERR_IO, "there is no file %s%s", path, ebb__meant(similar_file(path, meant)));
    }
    if (!t) (void)ebb__fail_here(r->program->text, a->place, NULL);
    return ebb__value_tensor(t);
}

/* Whether `and` or `or` has its value from its left side, which is no tensor: then the right one is not evaluated. */
static bool is_decided(struct ebb__run *r, const struct ebb__ast *a) {
    if (a->kind != EBB__AST_BINARY || (a->op != EBB__OP_AND && a->op != EBB__OP_OR)) return false;
    const struct ebb__value *left = kid(r, a, 0);
    if (left->kind == EBB__V_TENSOR || left->kind == EBB__V_RESULTS) return false;
    return ebb__value_truth(r, left, a->place) == (a->op == EBB__OP_OR);
}

static struct ebb__value do_node(struct ebb__run *r, int32_t id) {
    const struct ebb__ast *a = ebb__ast_of(r, id);
    struct ebb__value in[2];
    switch ((enum ebb__ast_kind)a->kind) {
    case EBB__AST_INT: return (struct ebb__value){.kind = EBB__V_INT, .literal = true, .as.i = a->i};
    case EBB__AST_FLOAT: return (struct ebb__value){.kind = EBB__V_FLOAT, .literal = true, .as.f = a->f};
    case EBB__AST_BOOL: return (struct ebb__value){.kind = EBB__V_BOOL, .literal = true, .as.i = a->i};
    case EBB__AST_STRING: return (struct ebb__value){.kind = EBB__V_STRING, .as.s = ebb__ast_name(r->program, a)};
    case EBB__AST_NAME: return do_name(r, id);
    case EBB__AST_PATH: return do_path(r, id);
    case EBB__AST_LIST:
    case EBB__AST_TUPLE: return do_list(r, a);
    case EBB__AST_UNARY: in[0] = *kid(r, a, 0); return ebb__do_operator(r, id, a->op, in);
    case EBB__AST_BINARY:
        if (is_decided(r, a)) return *kid(r, a, 0);
        in[0] = *kid(r, a, 0);
        in[1] = *kid(r, a, 1);
        return ebb__do_operator(r, id, a->op, in);
    case EBB__AST_COMPARE: return ebb__do_compare(r, id);
    case EBB__AST_ATTR: return do_attribute(r, id);
    case EBB__AST_CALL: return do_call(r, id);
    case EBB__AST_KEYWORD: return *kid(r, a, 0);
    case EBB__AST_INDEX: return ebb__do_index(r, id);
    case EBB__AST_IF:
    case EBB__AST_NONE:
    case EBB__AST_SLICE:
    case EBB__AST_ELLIPSIS:
    case EBB__AST_NOTHING: break;
    }
    return (struct ebb__value){.kind = EBB__V_NONE};
}

/* ---- the stack ---- */

struct frame {
    int32_t id, next; /* the child that is evaluated next */
};

/* The child of a node that is to be evaluated next; -1 when all have been, -2 after an error. */
static int32_t next_kid(struct ebb__run *r, struct frame *f) {
    const struct ebb__ast *a = ebb__ast_of(r, f->id);
    int32_t i = f->next++;
    if (a->kind == EBB__AST_IF) { /* the condition, then one of the sides */
        if (i == 0) return ebb__ast_kid(r->program, a, 1);
        if (i > 1) return -1;
        int32_t condition = ebb__ast_kid(r->program, a, 1);
        int truth = ebb__value_truth(r, &r->values[condition], ebb__ast_of(r, condition)->place);
        return truth < 0 ? -2 : ebb__ast_kid(r->program, a, truth ? 0 : 2);
    }
    if (i >= a->n || (i == 1 && is_decided(r, a))) return -1;
    int32_t id = ebb__ast_kid(r->program, a, i);
    const struct ebb__ast *k = ebb__ast_of(r, id);
    if (a->kind == EBB__AST_CALL && i == 0) { /* what is called has no value itself, but a method's object has */
        if (k->kind != EBB__AST_ATTR) return next_kid(r, f);
        return ebb__ast_kid(r->program, k, 0);
    }
    return id;
}

static bool evaluate(struct ebb__run *r, int32_t root) {
    struct frame *stack = NULL;
    int64_t n = 0, room = 0;
    bool ok = ebb__array_grow(&stack, &room, 1, sizeof *stack);
    if (ok) stack[n++] = (struct frame){root, 0};
    while (ok && n > 0) {
        struct frame *f = &stack[n - 1];
        int32_t kid_id = next_kid(r, f);
        if (kid_id >= 0) {
            ok = ebb__array_grow(&stack, &room, n + 1, sizeof *stack);
            if (ok) stack[n++] = (struct frame){kid_id, 0};
            continue;
        }
        const struct ebb__ast *a = ebb__ast_of(r, f->id);
        if (kid_id == -2) ok = false;
        else if (a->kind == EBB__AST_IF) {
            int32_t condition = ebb__ast_kid(r->program, a, 1);
            int truth = ebb__value_truth(r, &r->values[condition], ebb__ast_of(r, condition)->place);
            r->values[f->id] = r->values[ebb__ast_kid(r->program, a, truth ? 0 : 2)];
        } else {
            r->values[f->id] = do_node(r, f->id);
            ok = r->values[f->id].kind != EBB__UNSET;
        }
        n--;
    }
    ebb__array_free(stack, room, sizeof *stack);
    if (!ok && !ebb_error()) (void)ebb__wrong(r, root, EBB_ERR_ARGUMENT, "this has no value");
    return ok;
}

/* ---- statements ---- */

static void set(struct ebb__run *r, int32_t root, int32_t name, const struct ebb__value *v) {
    r->variables[name] = *v;
    if (r->observer.assigned) r->observer.assigned(r->observer.context, root, r->program->names[name], v);
}

static bool assign(struct ebb__run *r, const struct ebb__statement *s) {
    const struct ebb__value *v = &r->values[s->root];
    const int32_t *names = r->program->kids + s->targets;
    bool list = v->kind == EBB__V_LIST || v->kind == EBB__V_RESULTS;
    if (s->n == 1) {
        set(r, s->root, names[0], v);
        return true;
    }
    if (!list || v->n != s->n) {
        if (list)
            (void)ebb__fail_at(r->program->text, s->target, EBB_ERR_ARGUMENT,
                               "%d names are assigned to, but the list has length %lld", (int)s->n, (long long)v->n);
        else
            (void)ebb__fail_at(r->program->text, s->target, EBB_ERR_ARGUMENT,
                               "%d names are assigned to, but there is one value, %s", (int)s->n,
                               ebb__value_kind_name(v));
        return false;
    }
    for (int32_t i = 0; i < s->n; i++) set(r, s->root, names[i], &v->as.list[i]);
    return true;
}

/* Whether a value is a view of the tensor that is indexed: then what was written into it is there. */
static bool is_part_of(const struct ebb__run *r, const struct ebb__ast *index, const struct ebb__value *v) {
    const struct ebb__value *whole = kid(r, index, 0);
    return v->kind == EBB__V_TENSOR && whole->kind == EBB__V_TENSOR && ebb_tensor_shares_storage(v->as.t, whole->as.t);
}

/* x += v, x[items] = v, x[items] += v */
static bool change(struct ebb__run *r, const struct ebb__statement *s) {
    const struct ebb__ast *left = &r->program->ast[s->left];
    bool part = left->kind == EBB__AST_INDEX;
    struct ebb__value v = r->values[s->root];
    if (s->op < EBB__N_OPERATORS) {
        if (!evaluate(r, s->left)) return false;
        struct ebb__value before = r->values[s->left], in[2] = {before, v};
        if (before.kind == EBB__V_TENSOR) { /* in place, as in Python */
            char name[64];
            struct ebb__argument args[2] = {{.value = before, .place = s->target, .object = true},
                                            {.value = v, .place = r->program->ast[s->root].place}};
            (void)snprintf(name, sizeof name, "%s_", ebb__operators[s->op].function);
            v = ebb__do_call(r, s->left, name, args, 2);
        } else {
            v = ebb__do_operator(r, s->left, s->op, in);
        }
        if (v.kind == EBB__UNSET) return false;
    } else if (part) { /* everything but the node of the index itself */
        for (int32_t i = 0; i < left->n; i++)
            if (!evaluate(r, ebb__ast_kid(r->program, left, i))) return false;
    }
    bool written = s->op < EBB__N_OPERATORS && part && is_part_of(r, left, &v);
    if (part && !written && ebb__do_set_index(r, s->left, &v)) return false;
    if (!part) set(r, s->root, left->name, &v);
    r->values[s->root] = v;
    return true;
}

static bool statement(struct ebb__run *r, const struct ebb__statement *s) {
    if (!evaluate(r, s->root)) return false;
    if (s->kind == EBB__ASSIGN && !assign(r, s)) return false;
    if (s->kind == EBB__CHANGE && !change(r, s)) return false;
    r->last = r->values[s->root];
    r->result = s->kind == EBB__VALUE ? r->last : unset;
    return true;
}

ebb_status ebb__eval_all(struct ebb__run *r) {
    ebb__caret_forget();
    for (int64_t i = 0; i < r->program->n_statements; i++)
        if (!statement(r, &r->program->statements[i])) return ebb_error_status();
    return EBB_OK;
}

/* ---- beginning and end ---- */

ebb_status ebb__eval_begin(struct ebb__run *r, const struct ebb__program *p) {
    *r = (struct ebb__run){.program = p};
    r->variables = ebb__arena_get(&r->arena, (size_t)(p->n_names + 1) * sizeof *r->variables);
    r->values = ebb__arena_get(&r->arena, (size_t)(p->n_ast + 1) * sizeof *r->values);
    return r->variables && r->values ? EBB_OK : ebb_error_status();
}

void ebb__eval_end(struct ebb__run *r) {
    ebb__arena_free(&r->arena);
    *r = (struct ebb__run){0};
}

static struct ebb__value value_numbers(struct ebb__run *r, const ebb_arg *list) {
    bool whole = list->kind == EBB_VALUE_INTS;
    int64_t n = whole ? list->value.ints.n : list->value.floats.n;
    struct ebb__value *room = ebb__arena_get(&r->arena, (size_t)n * sizeof *room);
    if (!room) return unset;
    for (int64_t i = 0; i < n; i++) {
        room[i] = (struct ebb__value){.kind = whole ? EBB__V_INT : EBB__V_FLOAT};
        if (whole) room[i].as.i = list->value.ints.d[i];
        else room[i].as.f = list->value.floats.d[i];
    }
    return (struct ebb__value){.kind = EBB__V_LIST, .as.list = room, .n = n};
}

static struct ebb__value value_lists(struct ebb__run *r, ebb_lists lists) {
    struct ebb__value *room = ebb__arena_get(&r->arena, (size_t)lists.n * sizeof *room);
    for (int64_t i = 0; room && i < lists.n; i++) {
        const ebb_arg one = ebb__arg_ints(NULL, lists.d[i]);
        room[i] = value_numbers(r, &one);
        if (room[i].kind == EBB__UNSET) return unset;
    }
    return (struct ebb__value){.kind = room ? EBB__V_LIST : EBB__UNSET, .as.list = room, .n = lists.n};
}

ebb_status ebb__eval_set(struct ebb__run *r, const ebb_arg *variable) {
    int32_t name = ebb__program_find(r->program, variable->name ? variable->name : "");
    struct ebb__value v = unset;
    if (name < 0) return EBB_OK;
    switch (variable->kind) {
    case EBB_VALUE_NONE: v.kind = EBB__V_NONE; break;
    case EBB_VALUE_BOOL: v = (struct ebb__value){.kind = EBB__V_BOOL, .as.i = variable->value.i != 0}; break;
    case EBB_VALUE_INT: v = (struct ebb__value){.kind = EBB__V_INT, .as.i = variable->value.i}; break;
    case EBB_VALUE_FLOAT: v = (struct ebb__value){.kind = EBB__V_FLOAT, .as.f = variable->value.f}; break;
    case EBB_VALUE_DIMS: v = ebb__value_dims(r, variable->value.dims); break;
    case EBB_VALUE_INTS:
    case EBB_VALUE_FLOATS: v = value_numbers(r, variable); break;
    case EBB_VALUE_LISTS: v = value_lists(r, variable->value.lists); break;
    case EBB_VALUE_STRING:
    case EBB_VALUE_TEXT: v = (struct ebb__value){.kind = EBB__V_STRING, .as.s = variable->value.text}; break;
    case EBB_VALUE_DTYPE: v = (struct ebb__value){.kind = EBB__V_DTYPE, .as.i = variable->value.i}; break;
    case EBB_VALUE_TENSOR: v = ebb__value_tensor(variable->value.tensor); break;
    case EBB_VALUE_TENSORS: v = ebb__value_tensors(r, variable->value.tensors); break;
    }
    if (v.kind == EBB__UNSET)
        return ebb_error() ? ebb_error_status() : ebb__fail_said(EBB_ERR_ARGUMENT, "eval: %s is NULL", variable->name);
    r->variables[name] = v;
    return EBB_OK;
}
