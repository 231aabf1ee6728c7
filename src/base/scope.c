/* Scopes: a stack of owned tensors in each thread, cut into scopes by marks.
 *
 * An entry of the stack is a tensor, a tensor with bit 0 set (handed to the parent scope), NULL (one that was taken),
 * or a scope's mark: its serial number with bit 1 set. Tensors are aligned to 16 bytes, so these bits are free. The
 * serial number tells whether a scope is still open, wherever its ebb_scope was copied and whatever was closed round
 * it. Releasing a tensor may run callbacks that use scopes, so every entry leaves the stack before it is released and
 * nothing is remembered across a release. */
#include "base/base.h"
#include "base/thread.h"

#include <limits.h>
#include <string.h>

enum { HANDED = 1, MARK = EBB__SCOPE_MARK, STACK_LARGE = 1 << 16 };

static bool is_mark(const ebb_tensor *entry) { return ((uintptr_t)entry & MARK) != 0; }

static bool is_handed(const ebb_tensor *entry) { return ((uintptr_t)entry & (HANDED | MARK)) == HANDED; }

static ebb_tensor *mark_of(int serial) { return (ebb_tensor *)(((uintptr_t)(unsigned)serial << 2) | MARK); }

static ebb_tensor *handed(ebb_tensor *t) { return (ebb_tensor *)((uintptr_t)t | HANDED); }

static ebb_tensor *unhanded(ebb_tensor *entry) { return (ebb_tensor *)((uintptr_t)entry & ~(uintptr_t)HANDED); }

bool ebb__scope_push_slow(ebb_tensor *t) {
    struct ebb__thread *th = &ebb__thread;
    void *stack = th->scope;
    if (!ebb__grow(&stack, &th->scope_capacity, th->scope_n + 1, sizeof *th->scope)) return false;
    th->scope = stack;
    th->scope[th->scope_n++] = t;
    return true;
}

/* A scope that once held millions of tensors shall not keep its stack for ever. Costs nothing on balance: that many
 * tensors were released just now. */
static EBB_NOINLINE void shrink_stack(struct ebb__thread *th) {
    size_t capacity = th->scope_n * 2 + 64;
    struct ebb__error *before = th->error;
    ebb_tensor **stack = ebb__alloc(capacity * sizeof *stack);
    if (!stack) {
        if (!before) ebb_clear_error(); /* the large stack does as well: this is nobody's error */
        return;
    }
    if (th->scope_n) memcpy(stack, th->scope, th->scope_n * sizeof *stack);
    ebb__free(th->scope, th->scope_capacity * sizeof *stack);
    th->scope = stack;
    th->scope_capacity = capacity;
}

ebb_scope ebb_scope_open(void) {
    struct ebb__thread *th = &ebb__thread;
    int serial = th->scope_serial < INT_MAX >> 2 ? th->scope_serial + 1 : 1;
    ebb_scope scope = {th->scope_n, serial};
    th->scope_serial = serial;
    /* Without memory for the mark the tensors made inside fall to the scope around, and closing finds no mark. */
    if (ebb__scope_push(mark_of(serial))) th->scope_depth++;
    return scope;
}

/* Move the handed tensors of the scope marked at `mark` below its mark, to the parent; returns where the mark is
 * then. */
static size_t move_handed(struct ebb__thread *th, size_t mark) {
    ebb_tensor **stack = th->scope;
    for (size_t i = mark + 1; i < th->scope_n && !is_mark(stack[i]); i++) {
        if (!is_handed(stack[i])) continue;
        ebb_tensor *t = unhanded(stack[i]);
        stack[i] = stack[mark + 1];
        stack[mark + 1] = stack[mark];
        stack[mark++] = t;
    }
    return mark;
}

static void pop_and_release(struct ebb__thread *th) {
    ebb_tensor *entry = th->scope[--th->scope_n];
    if (is_mark(entry)) th->scope_depth--;
    else if (ebb__scope_release) ebb__scope_release(unhanded(entry));
}

void ebb_scope_close(ebb_scope *scope) {
    struct ebb__thread *th = &ebb__thread;
    if (!scope || !scope->open) return;
    ebb_tensor *own = mark_of(scope->open);
    size_t mark = scope->mark;
    scope->open = 0;
    if (mark >= th->scope_n || th->scope[mark] != own) return; /* closed with a scope around it */
    mark = move_handed(th, mark);
    /* A callback may close this scope with one around it: the mark is looked at again after each release. */
    while (mark < th->scope_n && th->scope[mark] == own) pop_and_release(th);
    if (EBB_UNLIKELY(th->scope_capacity > STACK_LARGE) && th->scope_n < th->scope_capacity / 8) shrink_stack(th);
}

ebb_tensor *ebb_scope_hand(ebb_tensor *t) {
    struct ebb__thread *th = &ebb__thread;
    if (!t || !th->scope_depth) return t;
    for (size_t i = th->scope_n; i-- > 0 && !is_mark(th->scope[i]);) {
        if (th->scope[i] != t) continue;
        th->scope[i] = handed(t);
        break;
    }
    return t;
}

void ebb__scope_release_all(void) {
    struct ebb__thread *th = &ebb__thread;
    while (th->scope_n) pop_and_release(th);
    ebb__free(th->scope, th->scope_capacity * sizeof *th->scope);
    th->scope = NULL;
    th->scope_capacity = 0;
}
