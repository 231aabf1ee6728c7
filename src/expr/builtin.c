/* What can be called or looked at and is no operator: functions of numbers, tensor(…), what a tensor is like, the
 * dtypes and constants, and PyTorch's second names. */
#include "expr/value.h"
#include <ebb/autograd.h>
#include <ebb/ops.h>

#include <math.h>
#include <string.h>

static const struct ebb__value unset = {.kind = EBB__UNSET};

static struct ebb__value of_int(int64_t i) { return (struct ebb__value){.kind = EBB__V_INT, .as.i = i}; }
static struct ebb__value of_float(double f) { return (struct ebb__value){.kind = EBB__V_FLOAT, .as.f = f}; }
static struct ebb__value of_bool(bool b) { return (struct ebb__value){.kind = EBB__V_BOOL, .as.i = b}; }
static struct ebb__value of_dtype(ebb_dtype d) { return (struct ebb__value){.kind = EBB__V_DTYPE, .as.i = d}; }

/* ---- names ---- */

static const struct {
    const char *name;
    ebb_dtype dtype;
} dtypes[] = {{"float", EBB_F32}, {"double", EBB_F64}, {"half", EBB_F16}, {"long", EBB_I64}, {"int", EBB_I32}};

static ebb_dtype dtype_of(const char *name) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0) return dtypes[i].dtype;
    return ebb_dtype_from_name(name);
}

struct ebb__value ebb__value_of_member(const char *name) {
    static const char *const modules[] = {"nn", "functional", "linalg", "special", "Tensor"};
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strcmp(modules[i], name) == 0) return (struct ebb__value){.kind = EBB__V_MODULE};
    if (strcmp(name, "torch") == 0) return unset;
    return ebb__value_of_name(name);
}

struct ebb__value ebb__value_of_name(const char *name) {
    if (strcmp(name, "pi") == 0) return of_float(3.14159265358979323846);
    if (strcmp(name, "inf") == 0) return of_float((double)INFINITY);
    if (strcmp(name, "nan") == 0) return of_float((double)NAN);
    if (strcmp(name, "torch") == 0 || strcmp(name, "F") == 0 || strcmp(name, "math") == 0)
        return (struct ebb__value){.kind = EBB__V_MODULE};
    ebb_dtype d = dtype_of(name);
    return d ? of_dtype(d) : unset;
}

/* ---- attributes ---- */

static struct ebb__value transposed(struct ebb__run *r, int32_t id, ebb_tensor *t, bool matrices) {
    int n = ebb_tensor_ndim(t);
    struct ebb__argument args[3] = {{.value = ebb__value_tensor(t), .object = true}};
    if (matrices || n == 2) {
        if (n < 2) return ebb__wrong(r, id, EBB_ERR_SHAPE, "mT needs two dimensions or more, not %d", n);
        args[1].value = of_int(matrices ? -2 : 0);
        args[2].value = of_int(matrices ? -1 : 1);
        return ebb__do_call(r, id, "transpose", args, 3);
    }
    if (n < 2) return ebb__value_tensor(t);
    ebb_dims backwards = {{0}, n};
    for (int i = 0; i < n; i++) backwards.d[i] = n - 1 - i;
    args[1].value = ebb__value_dims(r, backwards);
    return ebb__do_call(r, id, "permute", args, 2);
}

/* There is no such attribute: what there is that reads like it, and the names of results. */
static struct ebb__value no_attribute(struct ebb__run *r, int32_t id, const struct ebb__value *of, const char *name,
                                      const char *const *names, int n) {
    const char *all[32], *meant;
    char list[160] = "";
    size_t at = 0;
    for (int i = 0; i < n; i++) all[i] = names[i];
    for (int64_t i = 0; of->names && i < of->n; i++) {
        all[n++] = of->names[i];
        at +=
            (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : ebb__said("; there are: "), of->names[i]);
    }
    meant = ebb_did_you_mean(name, all, n);
    for (int i = 0; i < n && !meant && !of->names && of->kind == EBB__V_TENSOR; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : ebb__said("; there are: "), all[i]);
    return ebb__wrong(r, id, EBB_ERR_NAME, "%s has no attribute %s%s%s", ebb__value_kind_name(of), name,
                      ebb__meant(meant), list);
}

struct ebb__value ebb__do_attribute(struct ebb__run *r, int32_t id, const struct ebb__value *of, const char *name) {
    static const char *const names[] = {"T", "mT", "shape", "ndim", "dtype", "requires_grad", "is_leaf"};
    for (int64_t i = 0; of->names && i < of->n; i++) /* what max(x, 0) gives has values and indices */
        if (strcmp(name, of->names[i]) == 0) return of->as.list[i];
    ebb_tensor *t = of->kind == EBB__V_TENSOR || of->kind == EBB__V_RESULTS ? ebb__value_as_tensor(of, NULL) : NULL;
    if (t && strcmp(name, "T") == 0) return transposed(r, id, t, false);
    if (t && strcmp(name, "mT") == 0) return transposed(r, id, t, true);
    if (t && strcmp(name, "shape") == 0) return ebb__value_dims(r, ebb_tensor_shape(t));
    if (t && strcmp(name, "ndim") == 0) return of_int(ebb_tensor_ndim(t));
    if (t && strcmp(name, "dtype") == 0) return of_dtype(ebb_tensor_dtype(t));
    if (t && strcmp(name, "requires_grad") == 0) return of_bool(ebb_tensor_requires_grad(t));
    if (t && strcmp(name, "is_leaf") == 0) return of_bool(ebb_tensor_is_leaf(t));
    if (ebb_error()) return unset;
    if (ebb_op_find(name)) return ebb__wrong(r, id, EBB_ERR_NAME, "%s is a method: it is called as .%s(…)", name, name);
    return no_attribute(r, id, of, name, names, (int)(sizeof names / sizeof *names));
}

/* ---- functions of numbers ---- */

static double sign(double x) { return (double)((x > 0) - (x < 0)); }
static double square(double x) { return x * x; }

static const struct {
    const char *name;
    double (*one)(double);
    double (*two)(double, double);
} functions[] = {
    {"sqrt", sqrt, NULL},   {"exp", exp, NULL},     {"log", log, NULL},     {"log2", log2, NULL},
    {"log10", log10, NULL}, {"sin", sin, NULL},     {"cos", cos, NULL},     {"tan", tan, NULL},
    {"asin", asin, NULL},   {"acos", acos, NULL},   {"atan", atan, NULL},   {"sinh", sinh, NULL},
    {"cosh", cosh, NULL},   {"tanh", tanh, NULL},   {"floor", floor, NULL}, {"ceil", ceil, NULL},
    {"trunc", trunc, NULL}, {"erf", erf, NULL},     {"sign", sign, NULL},   {"square", square, NULL},
    {"log1p", log1p, NULL}, {"expm1", expm1, NULL}, {"pow", NULL, pow},     {"atan2", NULL, atan2},
};

/* abs, min and max keep integers. */
static bool of_numbers(const char *called, const struct ebb__argument *args, int64_t n, struct ebb__value *ret_value) {
    if (n == 1 && strcmp(called, "abs") == 0) {
        const struct ebb__value *v = &args[0].value;
        *ret_value = v->kind == EBB__V_FLOAT || v->as.i == INT64_MIN ? of_float(fabs(ebb__value_float(v)))
                                                                     : of_int(v->as.i < 0 ? -v->as.i : v->as.i);
        return true;
    }
    if (n >= 2 && (strcmp(called, "min") == 0 || strcmp(called, "max") == 0)) {
        *ret_value = args[0].value;
        for (int64_t i = 1; i < n; i++) {
            double a = ebb__value_float(ret_value), b = ebb__value_float(&args[i].value);
            if (called[1] == 'i' ? b < a : b > a) *ret_value = args[i].value;
        }
        return true;
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(functions[i].name, called) != 0) continue;
        if (n == 1 && functions[i].one) *ret_value = of_float(functions[i].one(ebb__value_float(&args[0].value)));
        else if (n == 2 && functions[i].two)
            *ret_value = of_float(functions[i].two(ebb__value_float(&args[0].value), ebb__value_float(&args[1].value)));
        else return false;
        return true;
    }
    return false;
}

/* ---- functions of their own ---- */

static ebb_tensor *tensor_of(const struct ebb__argument *arg) { return ebb__value_as_tensor(&arg->value, NULL); }

struct ebb__value ebb__wrong_argument(struct ebb__run *r, const struct ebb__argument *arg, const char *wanted) {
    (void)ebb__fail_at(r->program->text, arg->place, EBB_ERR_ARGUMENT, "expected %s, not %s", ebb__said(wanted),
                       ebb__value_kind_name(&arg->value));
    return unset;
}

/* tensor(data, dtype=None, requires_grad=False) */
static struct ebb__value make_tensor(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    ebb_dtype dtype = EBB_DTYPE_NONE;
    bool requires_grad = false;
    for (int64_t i = 1; i < n; i++) {
        const struct ebb__value *v = &args[i].value;
        bool is_dtype = args[i].name && strcmp(args[i].name, "dtype") == 0;
        if (is_dtype && v->kind == EBB__V_DTYPE) dtype = (ebb_dtype)v->as.i;
        else if (args[i].name && strcmp(args[i].name, "requires_grad") == 0 && v->kind == EBB__V_BOOL)
            requires_grad = v->as.i != 0;
        else return ebb__wrong_argument(r, &args[i], "dtype=… or requires_grad=… after the data");
    }
    ebb_tensor *t = tensor_of(&args[0]);
    if (!t)
        return ebb_error() || ebb__say_uneven(r, args[0].place)
                   ? unset
                   : ebb__wrong_argument(r, &args[0], "a number, or lists of numbers of one length");
    ebb_dtype own = ebb_tensor_dtype(t);
    if (args[0].value.kind == EBB__V_FLOAT) own = ebb_default_dtype();
    t = ebb_detach(ebb_clone(ebb_to(t, dtype ? dtype : own)));
    if (requires_grad) t = (ebb_requires_grad_)(t, true);
    if (!t) (void)ebb__fail_here(r->program->text, ebb__ast_of(r, id)->place, NULL);
    return ebb__value_tensor(t);
}

static struct ebb__value length(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    (void)id;
    (void)n;
    const struct ebb__value *v = &args[0].value;
    if (v->kind == EBB__V_LIST || v->kind == EBB__V_RESULTS) return of_int(v->n);
    if (v->kind == EBB__V_TENSOR && ebb_tensor_ndim(v->as.t) > 0) return of_int(ebb_tensor_shape(v->as.t).d[0]);
    return ebb__wrong_argument(r, &args[0], "a list, or a tensor of one dimension or more");
}

/* x.size(), x.size(dim), and the same of strides. */
static struct ebb__value one_or_all(struct ebb__run *r, ebb_dims dims, const struct ebb__argument *args, int64_t n) {
    if (n == 1) return ebb__value_dims(r, dims);
    const struct ebb__value *v = &args[1].value;
    int64_t d = v->kind == EBB__V_INT ? v->as.i < 0 ? v->as.i + dims.n : v->as.i : -1;
    return d >= 0 && d < dims.n ? of_int(dims.d[d]) : ebb__wrong_argument(r, &args[1], "a dimension of the tensor");
}

static struct ebb__value size(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    (void)id;
    return one_or_all(r, ebb_tensor_shape(tensor_of(args)), args, n);
}

static struct ebb__value stride(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    (void)id;
    return one_or_all(r, ebb_tensor_strides(tensor_of(args)), args, n);
}

static struct ebb__value ndim(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    (void)r;
    (void)id;
    (void)n;
    return of_int(ebb_tensor_ndim(tensor_of(args)));
}

static struct ebb__value numel(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    (void)r;
    (void)id;
    (void)n;
    return of_int(ebb_tensor_numel(tensor_of(args)));
}

static struct ebb__value offset(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    (void)r;
    (void)id;
    (void)n;
    return of_int(ebb_tensor_storage_offset(tensor_of(args)));
}

static struct ebb__value is_contiguous(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    (void)r;
    (void)id;
    (void)n;
    return of_bool(ebb_tensor_is_contiguous(tensor_of(args)));
}

static struct ebb__value item(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    ebb_tensor *t = tensor_of(args);
    (void)n;
    (void)id;
    if (ebb_tensor_numel(t) != 1) {
        (void)ebb__fail_at(r->program->text, args->place, EBB_ERR_ARGUMENT,
                           "expected a tensor of one element, not of %lld", (long long)ebb_tensor_numel(t));
        return unset;
    }
    if (ebb_dtype_is_floating(ebb_tensor_dtype(t))) return of_float((ebb_item)(t));
    int64_t i = (ebb_item_i64)(t);
    return ebb_tensor_dtype(t) == EBB_BOOL ? of_bool(i != 0) : of_int(i);
}

static struct ebb__value detach(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    (void)r;
    (void)id;
    (void)n;
    return ebb__value_tensor(ebb_detach(tensor_of(args)));
}

static struct ebb__value requires_grad(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    bool on = n < 2 || args[1].value.kind != EBB__V_BOOL || args[1].value.as.i;
    ebb_tensor *t = (ebb_requires_grad_)(tensor_of(args), on);
    if (!t) (void)ebb__fail_here(r->program->text, ebb__ast_of(r, id)->place, NULL);
    return ebb__value_tensor(t);
}

/* range(stop), range(start, stop): a list of integers. */
static struct ebb__value range(struct ebb__run *r, int32_t id, const struct ebb__argument *args, int64_t n) {
    enum { MAX_LENGTH = 4096 };
    for (int64_t i = 0; i < n; i++)
        if (args[i].value.kind != EBB__V_INT) return ebb__wrong_argument(r, &args[i], "an integer");
    int64_t start = n > 1 ? args[0].value.as.i : 0, stop = args[n - 1].value.as.i;
    if (stop < start) stop = start;
    if (start < -MAX_LENGTH || stop > MAX_LENGTH) return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "this list is too long");
    struct ebb__value *room = ebb__arena_get(&r->arena, (size_t)(stop - start) * sizeof *room);
    for (int64_t i = start; room && i < stop; i++) room[i - start] = of_int(i);
    return (struct ebb__value){.kind = room ? EBB__V_LIST : EBB__UNSET, .as.list = room, .n = stop - start};
}

static const struct ebb__builtin builtins[] = {
    {"tensor", 1, 3, false, make_tensor, NULL},
    {"len", 1, 1, false, length, NULL},
    {"size", 1, 2, true, size, NULL},
    {"stride", 1, 2, true, stride, NULL},
    {"dim", 1, 1, true, ndim, NULL},
    {"numel", 1, 1, true, numel, NULL},
    {"nelement", 1, 1, true, numel, NULL},
    {"storage_offset", 1, 1, true, offset, NULL},
    {"item", 1, 1, true, item, NULL},
    {"is_contiguous", 1, 1, true, is_contiguous, NULL},
    {"detach", 1, 1, true, detach, NULL},
    {"requires_grad_", 1, 2, true, requires_grad, NULL},
    {"range", 1, 2, false, range, NULL},
};

static const struct ebb__builtin *find(const char *name) {
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        if (strcmp(builtins[i].name, name) == 0) return &builtins[i];
    for (const struct ebb__builtin *b = ebb__formula_builtins; b->name; b++)
        if (strcmp(b->name, name) == 0) return b;
    return NULL;
}

/* ---- second names ---- */

static const char *first_name(const char *name) {
    static const char *const names[][2] = {
        {"absolute", "abs"},       {"multiply", "mul"},       {"subtract", "sub"},     {"divide", "div"},
        {"true_divide", "div"},    {"negative", "neg"},       {"arccos", "acos"},      {"arcsin", "asin"},
        {"arctan", "atan"},        {"arccosh", "acosh"},      {"arcsinh", "asinh"},    {"arctanh", "atanh"},
        {"arctan2", "atan2"},      {"clip", "clamp"},         {"concat", "cat"},       {"concatenate", "cat"},
        {"swapaxes", "transpose"}, {"swapdims", "transpose"}, {"moveaxis", "movedim"}, {"ravel", "flatten"},
        {"fix", "trunc"},          {"greater", "gt"},         {"greater_equal", "ge"}, {"less", "lt"},
        {"less_equal", "le"},      {"not_equal", "ne"},       {"row_stack", "vstack"}, {"linalg_inv", "inv"},
        {"inverse", "inv"},        {"expit", "sigmoid"},      {"gammaln", "lgamma"},   {"psi", "digamma"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], name) == 0) return names[i][1];
    return NULL;
}

/* x.float(), and x.type(float64) */
static bool conversion(struct ebb__run *r, int32_t id, const char *called, const struct ebb__argument *args, int64_t n,
                       struct ebb__value *ret_value) {
    bool by_type = strcmp(called, "type") == 0 && n == 2 && args[1].value.kind == EBB__V_DTYPE;
    ebb_dtype d = by_type ? (ebb_dtype)args[1].value.as.i : dtype_of(called);
    if (!d || !(by_type || n == 1)) return false;
    if (ebb__value_is_number(&args[0].value)) { /* float(2), int(2.5) */
        double f = ebb__value_float(&args[0].value);
        bool whole = !ebb_dtype_is_floating(d) && d != EBB_BOOL && fabs(f) < 9e18;
        *ret_value = whole ? of_int((int64_t)f) : d == EBB_BOOL ? of_bool(f != 0) : of_float(f);
        return true;
    }
    struct ebb__argument to[2] = {args[0], {.value = of_dtype(d)}};
    *ret_value = ebb__do_call(r, id, "to", to, 2);
    return true;
}

static struct ebb__value wrong_count(struct ebb__run *r, int32_t id, const struct ebb__builtin *b, int64_t n) {
    if (b->least < b->most)
        return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "%s takes %d to %d arguments, not %d", b->name, b->least, b->most,
                          (int)n);
    if (b->least == 1) return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "%s takes one argument, not %d", b->name, (int)n);
    return ebb__wrong(r, id, EBB_ERR_ARGUMENT, "%s takes %d arguments, not %d", b->name, b->least, (int)n);
}

bool ebb__do_builtin(struct ebb__run *r, int32_t id, const char *called, const struct ebb__argument *args, int64_t n,
                     struct ebb__value *ret_value) {
    bool numbers = n > 0;
    for (int64_t i = 0; i < n; i++) numbers = numbers && ebb__value_is_number(&args[i].value) && !args[i].name;
    *ret_value = unset;
    if (numbers && of_numbers(called, args, n, ret_value)) return true;
    const struct ebb__builtin *b = find(called);
    if (b) {
        bool tensor = n > 0 && (args[0].value.kind == EBB__V_TENSOR || args[0].value.kind == EBB__V_RESULTS);
        if (n < b->least || n > b->most) *ret_value = wrong_count(r, id, b, n);
        else if (b->tensor && !tensor) *ret_value = ebb__wrong_argument(r, &args[0], "a tensor");
        else *ret_value = b->function(r, id, args, n);
        return true;
    }
    if (n > 0 && conversion(r, id, called, args, n, ret_value)) return true;
    const char *first = ebb_op_find(called) ? NULL : first_name(called);
    if (first) *ret_value = ebb__do_call(r, id, first, args, n);
    return first != NULL;
}
