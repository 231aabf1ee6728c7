/* Operators between values: numbers as Python's, exact integers among them; with a tensor, the library's operator. */
#include "expr/value.h"

#include <math.h>
#include <string.h>

static struct ebb__value of_int(int64_t i) {
    return (struct ebb__value){.kind = EBB__V_INT, .literal = true, .as.i = i};
}
static struct ebb__value of_float(double f) {
    return (struct ebb__value){.kind = EBB__V_FLOAT, .literal = true, .as.f = f};
}
static struct ebb__value of_bool(bool b) {
    return (struct ebb__value){.kind = EBB__V_BOOL, .literal = true, .as.i = b};
}

/* ---- integers ---- False when the result is too large. */

static bool add(int64_t a, int64_t b, int64_t *ret) {
    if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return false;
    *ret = a + b;
    return true;
}

static bool multiply(int64_t a, int64_t b, int64_t *ret) {
    if (a == 0 || b == 0) {
        *ret = 0;
        return true;
    }
    if ((a == -1 && b == INT64_MIN) || (b == -1 && a == INT64_MIN)) return false;
    int64_t product = (int64_t)((uint64_t)a * (uint64_t)b);
    if (product / b != a) return false;
    *ret = product;
    return true;
}

static bool power(int64_t a, int64_t n, int64_t *ret) {
    int64_t result = 1;
    for (; n > 0; n >>= 1) {
        if ((n & 1) && !multiply(result, a, &result)) return false;
        if (n > 1 && !multiply(a, a, &a)) return false;
    }
    *ret = result;
    return true;
}

static bool divides(int64_t a, int64_t b) { return b != 0 && !(b == -1 && a == INT64_MIN); }

static bool integers(int op, int64_t a, int64_t b, int64_t *ret) {
    int64_t whole, rest;
    switch (op) {
    case EBB__OP_ADD: return add(a, b, ret);
    case EBB__OP_SUB: return b != INT64_MIN && add(a, -b, ret);
    case EBB__OP_MUL: return multiply(a, b, ret);
    case EBB__OP_POW: return power(a, b, ret);
    case EBB__OP_BITAND: *ret = a & b; return true;
    case EBB__OP_BITOR: *ret = a | b; return true;
    case EBB__OP_BITXOR: *ret = a ^ b; return true;
    default: break;
    }
    if (!divides(a, b)) return false;
    whole = a / b;
    rest = a % b;
    if (rest != 0 && (rest < 0) != (b < 0)) { /* rounded down, as Python does */
        whole--;
        rest += b;
    }
    *ret = op == EBB__OP_FLOORDIV ? whole : rest;
    return true;
}

/* ---- numbers ---- */

static double floats(int op, double a, double b) {
    switch (op) {
    case EBB__OP_ADD: return a + b;
    case EBB__OP_SUB: return a - b;
    case EBB__OP_MUL: return a * b;
    case EBB__OP_DIV: return a / b;
    case EBB__OP_POW: return pow(a, b);
    case EBB__OP_FLOORDIV: return floor(a / b);
    default: {
        double rest = fmod(a, b);
        return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    }
}

/* ^ of floats, which other languages have for powers. */
static struct ebb__value not_power(struct ebb__run *r, int32_t id) {
    return ebb__wrong(r, id, EBB_ERR_FORMAT, "^ is the exclusive or of integers; for a power write **");
}

static struct ebb__value no_operator(struct ebb__run *r, int32_t id, int op, const struct ebb__value *in) {
    const struct ebb__operator_info *o = &ebb__operators[op];
    if (ebb__say_uneven(r, ebb__ast_of(r, id)->place)) return (struct ebb__value){.kind = EBB__UNSET};
    if (op == EBB__OP_BITXOR) return not_power(r, id);
    if (o->unary)
        return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "%s cannot be applied to %s", o->text, ebb__value_kind_name(&in[0]));
    return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "%s cannot be applied to %s and %s", o->text,
                      ebb__value_kind_name(&in[0]), ebb__value_kind_name(&in[1]));
}

static struct ebb__value numbers(struct ebb__run *r, int32_t id, int op, const struct ebb__value *in) {
    bool whole = in[0].kind != EBB__V_FLOAT && in[1].kind != EBB__V_FLOAT;
    bool bits = op == EBB__OP_BITAND || op == EBB__OP_BITOR || op == EBB__OP_BITXOR;
    double a = ebb__value_float(&in[0]), b = ebb__value_float(&in[1]);
    int64_t i = 0;
    if (op == EBB__OP_MATMUL || (bits && !whole)) return no_operator(r, id, op, in);
    if ((op == EBB__OP_DIV || op == EBB__OP_FLOORDIV || op == EBB__OP_MOD) && b == 0)
        return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "division of a number by zero");
    if (op == EBB__OP_DIV || !whole || (op == EBB__OP_POW && in[1].as.i < 0)) return of_float(floats(op, a, b));
    if (!integers(op, in[0].as.i, in[1].as.i, &i))
        return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "this integer is too large; write one of them with a point");
    return bits && in[0].kind == EBB__V_BOOL && in[1].kind == EBB__V_BOOL ? of_bool(i != 0) : of_int(i);
}

static struct ebb__value one_number(struct ebb__run *r, int32_t id, int op, const struct ebb__value *in) {
    const struct ebb__value zero = {.kind = EBB__V_INT};
    const struct ebb__value both[2] = {zero, in[0]};
    if (op == EBB__OP_INVERT) return in[0].kind == EBB__V_FLOAT ? no_operator(r, id, op, in) : of_int(~in[0].as.i);
    if (op == EBB__OP_NEG && in[0].kind == EBB__V_FLOAT) return of_float(-in[0].as.f);
    if (op == EBB__OP_NEG) return numbers(r, id, EBB__OP_SUB, both);
    return in[0].kind == EBB__V_BOOL ? of_int(in[0].as.i) : in[0];
}

/* ---- lists ---- [1, 2] + [3], (0,) * 2 */

static struct ebb__value lists(struct ebb__run *r, int32_t id, int op, const struct ebb__value *in) {
    enum { MAX_LENGTH = 1 << 20 };
    bool sum = op == EBB__OP_ADD && in[0].kind == EBB__V_LIST && in[1].kind == EBB__V_LIST;
    bool multiple = op == EBB__OP_MUL && in[0].kind == EBB__V_LIST && in[1].kind == EBB__V_INT && in[1].as.i >= 0;
    if (!sum && !multiple) return no_operator(r, id, op, in);
    int64_t n = 0;
    bool fits = sum ? add(in[0].n, in[1].n, &n) : multiply(in[0].n, in[1].as.i, &n);
    if (!fits || n > MAX_LENGTH) return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "this list is too long");
    struct ebb__value *room = ebb__arena_get(&r->arena, (size_t)n * sizeof *room);
    if (!room) return (struct ebb__value){.kind = EBB__UNSET};
    for (int64_t i = 0; i < n; i++)
        room[i] = i < in[0].n ? in[0].as.list[i] : sum ? in[1].as.list[i - in[0].n] : in[0].as.list[i % in[0].n];
    return (struct ebb__value){.kind = EBB__V_LIST, .literal = true, .as.list = room, .n = n};
}

/* ---- any values ---- */

static bool is_tensor(const struct ebb__value *v) { return v->kind == EBB__V_TENSOR || v->kind == EBB__V_RESULTS; }

/* Both as tensors; a list of numbers as it is written takes the other's floating dtype. */
static struct ebb__value tensors(struct ebb__run *r, int32_t id, int op, const struct ebb__value *in) {
    const struct ebb__operator_info *o = &ebb__operators[op];
    int n = o->unary ? 1 : 2;
    ebb_tensor *t[2] = {NULL, NULL};
    for (int i = 0; i < n; i++)
        if (is_tensor(&in[i]) || in[i].kind == EBB__V_LIST) t[i] = ebb__value_as_tensor(&in[i], NULL);
    for (int i = 0; i < n; i++) {
        if (!t[i] || in[i].kind == EBB__V_LIST) t[i] = ebb__value_as_tensor(&in[i], t[1 - i]);
        if (!t[i]) return ebb_error() ? (struct ebb__value){.kind = EBB__UNSET} : no_operator(r, id, op, in);
    }
    if (op == EBB__OP_POS) return ebb__value_tensor(t[0]);
    for (int i = 0; i < n && op == EBB__OP_BITXOR; i++)
        if (ebb_dtype_is_floating(ebb_tensor_dtype(t[i]))) return not_power(r, id);
    const char *name = op == EBB__OP_INVERT && ebb_tensor_dtype(t[0]) == EBB_BOOL ? "logical_not" : o->function;
    return ebb__value_tensor(ebb__call1(r, id, name, t[0], t[1]));
}

/* Python's `and` and `or` of values that are no tensors, and `not`. */
static struct ebb__value logic(struct ebb__run *r, int32_t id, int op, const struct ebb__value *in) {
    int truth = ebb__value_truth(r, &in[0], ebb__ast_of(r, id)->place);
    if (truth < 0) return (struct ebb__value){.kind = EBB__UNSET};
    if (op == EBB__OP_NOT) return of_bool(!truth);
    return truth == (op == EBB__OP_OR) ? in[0] : in[1];
}

struct ebb__value ebb__do_operator(struct ebb__run *r, int32_t id, int op, const struct ebb__value *in) {
    bool unary = ebb__operators[op].unary;
    const struct ebb__value *a = &in[0], *b = unary ? a : &in[1];
    if (is_tensor(a) || is_tensor(b)) return tensors(r, id, op, in);
    if (op == EBB__OP_AND || op == EBB__OP_OR || op == EBB__OP_NOT) return logic(r, id, op, in);
    if (ebb__value_is_number(a) && ebb__value_is_number(b))
        return unary ? one_number(r, id, op, in) : numbers(r, id, op, in);
    if (op == EBB__OP_MATMUL && a->kind == EBB__V_LIST && b->kind == EBB__V_LIST) return tensors(r, id, op, in);
    if (unary && a->kind == EBB__V_LIST) return tensors(r, id, op, in);
    return unary ? no_operator(r, id, op, in) : lists(r, id, op, in);
}

/* ---- comparisons ---- */

static bool same(const struct ebb__value *a, const struct ebb__value *b) {
    if (ebb__value_is_number(a) && ebb__value_is_number(b)) return ebb__value_float(a) == ebb__value_float(b);
    if (a->kind != b->kind) return false;
    if (a->kind == EBB__V_STRING) return strcmp(a->as.s, b->as.s) == 0;
    if (a->kind == EBB__V_DTYPE) return a->as.i == b->as.i;
    ebb_dims x, y;
    if (ebb__value_as_ints(a, &x) && ebb__value_as_ints(b, &y))
        return x.n == y.n && memcmp(x.d, y.d, (size_t)x.n * sizeof *x.d) == 0;
    return a->kind == EBB__V_NONE;
}

/* None is compared with tensors as `is` would: an argument that is absent. */
static struct ebb__value compare_two(struct ebb__run *r, int32_t id, int op, const struct ebb__value *in) {
    bool equality = op == EBB__OP_EQ || op == EBB__OP_NE;
    bool none = in[0].kind == EBB__V_NONE || in[1].kind == EBB__V_NONE;
    if (!(none && equality) && (is_tensor(&in[0]) || is_tensor(&in[1]))) return tensors(r, id, op, in);
    if (equality) return of_bool(same(&in[0], &in[1]) == (op == EBB__OP_EQ));
    if (!ebb__value_is_number(&in[0]) || !ebb__value_is_number(&in[1])) return no_operator(r, id, op, in);
    double a = ebb__value_float(&in[0]), b = ebb__value_float(&in[1]);
    return of_bool(op == EBB__OP_LT ? a < b : op == EBB__OP_LE ? a <= b : op == EBB__OP_GT ? a > b : a >= b);
}

struct ebb__value ebb__do_compare(struct ebb__run *r, int32_t id) {
    const struct ebb__ast *a = ebb__ast_of(r, id);
    struct ebb__value all = {.kind = EBB__UNSET};
    for (int32_t i = 0; i + 1 < a->n; i++) {
        struct ebb__value in[2] = {r->values[ebb__ast_kid(r->program, a, i)],
                                   r->values[ebb__ast_kid(r->program, a, i + 1)]};
        struct ebb__value next = compare_two(r, id, a->ops[i], in), both[2] = {all, next};
        if (next.kind == EBB__UNSET) return next;
        all = i == 0 ? next : ebb__do_operator(r, id, EBB__OP_AND, both);
        if (all.kind == EBB__UNSET) return all;
    }
    return all;
}
