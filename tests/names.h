/* Calls as text, by PyTorch's names, in tests/names.txt and tests/autocast.txt:
 *
 *     FUNCTION [as NAME] ARGUMENT=VALUE ...
 *
 * FUNCTION is PyTorch's; NAME is Ebb's where it is not its last part. A tensor is f(2,3) of float64, g(2,3) of float32,
 * i5(3) of int64 from 0 to 4, b(3) of bool, spd(3,3) positive definite, full6(2) of that int64; a list of them is
 * [f(2),none]; all else is text that the argument reads. */
#ifndef EBB_TESTS_NAMES_H
#define EBB_TESTS_NAMES_H

#include "tests/check.h"
#include <ebb/ebb.h>

enum { NAMES_ARGS = 16, NAMES_LINE = 512, NAMES_NUMEL = 256 };

/* The dtypes that the first floating-point tensor of a call, and the others, have in place of their own; how many there
 * were. */
static struct {
    ebb_dtype dtypes[2];
    int n;
} names_floating;

/* ---- values ---- */

static inline ebb_dims names_shape(char *text) {
    ebb_dims shape = {0};
    for (char *p = text; *p && *p != ')'; p += *p == ',') shape.d[shape.n++] = strtoll(p, &p, 10);
    return shape;
}

/* "f(2,3)" and the like; NULL for what is no tensor. */
static inline ebb_tensor *names_tensor(char *text) {
    char *open = strchr(text, '(');
    if (!open || open == text) return NULL;
    ebb_dims shape = names_shape(open + 1);
    bool spd = strncmp(text, "spd", 3) == 0;
    bool full = strncmp(text, "full", 4) == 0;
    int64_t n = 1, number = strtoll(text + (full ? 4 : 1), NULL, 10), whole[NAMES_NUMEL];
    double values[NAMES_NUMEL];
    for (int i = 0; i < shape.n; i++) n *= shape.d[i];
    for (int64_t i = 0; i < n && i < NAMES_NUMEL; i++) {
        values[i] = (double)(i * 5 % 9) / 10 + 0.1;
        whole[i] = full ? number : i * 7 % (number ? number : 1);
    }
    if (n > NAMES_NUMEL) return NULL;
    if (full || *text == 'i') return ebb_from_data(whole, EBB_I64, shape);
    ebb_tensor *x =
        spd ? ebb_add(ebb_mul(ebb_eye(shape.d[0], .dtype = EBB_F64), 3), 0.5) : ebb_from_data(values, EBB_F64, shape);
    if (*text == 'b') return ebb_gt(x, 0.4);
    const ebb_dtype own = *text == 'g' ? EBB_F32 : EBB_F64, asked = names_floating.dtypes[names_floating.n > 0];
    names_floating.n++;
    return ebb_to(x, asked ? asked : own);
}

/* The end of a value's text: the comma after it, or its end. */
static inline char *names_end(char *text) {
    int depth = 0;
    for (; *text && (depth || *text != ','); text++) depth += (*text == '(') - (*text == ')');
    return text;
}

static inline ebb_arg names_list(const char *name, char *text) {
    int n = 0;
    ebb_tensor **room = ebb_list_room(8);
    text[strlen(text) - 1] = 0;
    for (char *p = text + 1, *end; room && *p && n < 8; p = end) {
        end = names_end(p);
        if (*end) *end++ = 0;
        room[n++] = names_tensor(p);
    }
    return EBB_ARG(name, ((ebb_list){n, room}));
}

static inline ebb_arg names_argument(char *word) {
    char *value = strchr(word, '=');
    *value++ = 0;
    if (*value == '[') return names_list(word, value);
    ebb_tensor *t = *value == '(' ? NULL : names_tensor(value);
    return t ? EBB_ARG(word, t) : EBB_ARG_TEXT(word, value);
}

/* ---- a call ---- */

/* The call in `words`, which are cut apart; its results are in the scope. */
static inline ebb_list names_call(char *words) {
    ebb_arg args[NAMES_ARGS];
    int n = 0;
    char *function = strtok(words, " "), *name = strrchr(function, '.') ? strrchr(function, '.') + 1 : function;
    names_floating.n = 0;
    for (char *word; (word = strtok(NULL, " ")) && n < NAMES_ARGS;) {
        if (strcmp(word, "as") == 0) name = strtok(NULL, " ");
        else args[n++] = names_argument(word);
    }
    ebb_list out = {0, NULL};
    ebb_manual_seed(1);
    (void)ebb_call(name, ((ebb_list){0, NULL}), .args = {n, args}, .ret_outputs = &out);
    return out;
}

#endif
