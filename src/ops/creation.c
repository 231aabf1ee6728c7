/* New tensors: of one value, or counting. */
#define EBB_FAMILY "Creation"
#include "base/number.h"
#include "ops/create.h"
#include <math.h>
#include <string.h>

/* ---- shared with random.c ---- */

ebb_status ebb__new_meta(struct ebb_infer *f, const ebb_dims *shape, ebb_dtype dtype, ebb_dtype otherwise,
                         uint32_t accepted) {
    ebb_meta *out = &f->out[0];
    out->shape = *shape;
    out->dtype = dtype ? dtype : otherwise ? otherwise : ebb_default_dtype();
    if (ebb_dtype_size(out->dtype) == 0) return ebb_fail(EBB_ERR_DTYPE, "%d is not a dtype", (int)out->dtype);
    if (accepted && !(accepted & EBB_DTYPES(out->dtype)))
        return ebb_fail(EBB_ERR_DTYPE, "not defined for %s", ebb_dtype_name(out->dtype));
    return EBB_OK;
}

ebb_status ebb__check_number(ebb_dtype dtype, const ebb_setting *number) {
    static const struct {
        double least, end;
    } ranges[EBB_DTYPE_COUNT] = {[EBB_U8] = {0, 0x1p8}, [EBB_I32] = {-0x1p31, 0x1p31}, [EBB_I64] = {-0x1p63, 0x1p63}};
    double value = trunc(number->value);
    bool whole = dtype == EBB_I64 && number->dtype == EBB_I64;
    if (!(EBB_INTEGRAL & EBB_DTYPES(dtype)) || whole || (value >= ranges[dtype].least && value < ranges[dtype].end))
        return EBB_OK;
    return ebb_fail(EBB_ERR_ARGUMENT, "%g does not fit in %s", number->value, ebb_dtype_name(dtype));
}

struct filling {
    ebb__loop loop;
    char *data;
    int64_t size;
    const void *value;
};

static void fill_piece(void *context, int64_t first, int64_t last) {
    const struct filling *c = context;
    char *const p[] = {c->data + first * c->size};
    c->loop(last - first, p, &c->size, c->value);
}

ebb_status ebb__fill(ebb_tensor *t, ebb_setting number) {
    _Alignas(8) char element[8] = {0};
    struct filling c = {ebb__loops_fill[t->dtype], t->data, (int64_t)ebb__dtype_sizes[t->dtype], element};
    ebb__store_number(element, (ebb_dtype)t->dtype, &number);
    ebb__parallel_for(t->numel, 1 << 16, fill_piece, &c);
    return EBB_OK;
}

/* ---- of one value ---- */

#define NEW "dtype dtype=none, bool requires_grad=false -> Tensor"

/* The dtype of a tensor filled with a number, where none is given: torch.full's. */
static ebb_dtype dtype_of(const ebb_setting *number) {
    return number->dtype == EBB_F64 ? EBB_DTYPE_NONE : number->dtype;
}

/* An operator NAME and its form NAME_like, filled by the statement `fill` from the attributes a into out; `check` of
 * the dtype out->dtype may refuse. `more` are attributes between the size and the options; the dtype is `otherwise`
 * where it is not given, or the default one. */
#define FILLED(name, more, text, default_text, otherwise, check, fill) \
    static ebb_status infer_##name(struct ebb_infer *f) { \
        const struct ebb__attrs_##name *a = f->attrs; \
        ebb_status status = ebb__new_meta(f, &a->size, a->dtype, otherwise, EBB_ANY_DTYPE); \
        return status ? status : check; \
    } \
    static ebb_status forward_##name(struct ebb_forward *f) { \
        const struct ebb__attrs_##name *a = f->attrs; \
        ebb_tensor *out = f->out[0]; \
        (void)a, (void)out; \
        return fill; \
    } \
    static ebb_status infer_##name##_like(struct ebb_infer *f) { \
        const struct ebb__attrs_##name##_like *a = f->attrs; \
        ebb_status status = ebb__new_meta(f, &f->in[0].shape, a->dtype, f->in[0].dtype, EBB_ANY_DTYPE); \
        return status ? status : check; \
    } \
    static ebb_status forward_##name##_like(struct ebb_forward *f) { \
        const struct ebb__attrs_##name##_like *a = f->attrs; \
        ebb_tensor *out = f->out[0]; \
        (void)a, (void)out; \
        return fill; \
    } \
    const struct ebb_op ebb_op_##name = { \
        EBB_SIGNATURE(name, "shape size, " more NEW), \
        .doc = EBB_TEXT(text default_text), \
        .torch = EBB_TEXT("torch." #name), \
        .infer = infer_##name, \
        .forward = forward_##name, \
        .no_derivative = true, \
        .samples = \
            EBB_SAMPLES("size=(2,3)" SAMPLE_##name, "size=()" SAMPLE_##name, "size=(2,0) dtype=float64" SAMPLE_##name, \
                        "size=(3) dtype=int64" SAMPLE_##name, MORE_##name "! size=(-1)" SAMPLE_##name), \
    }; \
    const struct ebb_op ebb_op_##name##_like = { \
        EBB_SIGNATURE(name##_like, "Tensor input, " more NEW), \
        .doc = EBB_TEXT(text " Shape, and dtype where none is given, are those of input."), \
        .batch = ebb_batch_leading, \
        .torch = EBB_TEXT("torch." #name "_like"), \
        .infer = infer_##name##_like, \
        .forward = forward_##name##_like, \
        .no_derivative = true, \
        .samples = EBB_SAMPLES("(2,3)" SAMPLE_##name, "()" SAMPLE_##name, "i5(2,0)" SAMPLE_##name, \
                               "(3) dtype=bool" SAMPLE_##name), \
    };

#define SAMPLE_zeros
#define SAMPLE_ones
#define SAMPLE_empty
#define SAMPLE_full " fill_value=1.5"
#define MORE_zeros
#define MORE_ones
#define MORE_empty
#define MORE_full \
    "size=(2) fill_value=3", "size=(2) fill_value=true", "size=() fill_value=9007199254740993", \
        "! size=(2) fill_value=300 dtype=uint8",

#define DEFAULT " The dtype is the default one where none is given."
FILLED(zeros, "", "A tensor of zeros.", DEFAULT, EBB_DTYPE_NONE, EBB_OK, ebb__fill(out, EBB_SET(0)))
FILLED(ones, "", "A tensor of ones.", DEFAULT, EBB_DTYPE_NONE, EBB_OK, ebb__fill(out, EBB_SET(1)))
FILLED(empty, "", "A tensor whose elements are not set: whatever is in the memory.", DEFAULT, EBB_DTYPE_NONE, EBB_OK,
       EBB_OK)
FILLED(full, "number fill_value, ", "A tensor of one value everywhere; in integers its fraction is cut off.",
       " Where no dtype is given, that of a whole number is int64, of a bool bool, of another the default one: 2.0 in "
       "place of 2 makes floating point.",
       dtype_of(&a->fill_value), ebb__check_number(f->out[0].dtype, &a->fill_value), ebb__fill(out, a->fill_value))

static ebb_status infer_scalar(struct ebb_infer *f) {
    const struct ebb__attrs_scalar *a = f->attrs;
    ebb_status status = ebb__new_meta(f, &EBB_NO_DIMS, a->dtype, EBB_DTYPE_NONE, EBB_ANY_DTYPE);
    return status ? status : ebb__check_number(f->out[0].dtype, &a->value);
}

static ebb_status forward_scalar(struct ebb_forward *f) {
    const struct ebb__attrs_scalar *a = f->attrs;
    ebb__store_number(f->out[0]->data, (ebb_dtype)f->out[0]->dtype, &a->value);
    return EBB_OK;
}

const struct ebb_op ebb_op_scalar = {
    EBB_SIGNATURE(scalar, "number value, " NEW),
    .doc = EBB_TEXT(
        "A 0-d tensor of one value: ebb_scalar(2.0, .requires_grad = true). The dtype is the default one where none is given, also "
        "of whole numbers."),
    .torch = EBB_TEXT("torch.tensor"),
    .infer = infer_scalar,
    .forward = forward_scalar,
    .no_derivative = true,
    .samples = EBB_SAMPLES("value=2.5", "value=-3 dtype=int64", "value=1 dtype=float64", "! value=300 dtype=uint8"),
};

static ebb_status infer_eye(struct ebb_infer *f) {
    const struct ebb__attrs_eye *a = f->attrs;
    int64_t m = a->m.given ? a->m.whole : a->n;
    if (a->n < 0 || m < 0)
        return ebb_fail(EBB_ERR_SHAPE, "n and m must not be negative: %lld, %lld", (long long)a->n, (long long)m);
    return ebb__new_meta(f, &EBB_DIMS(a->n, m), a->dtype, EBB_DTYPE_NONE, EBB_ANY_DTYPE);
}

static ebb_status forward_eye(struct ebb_forward *f) {
    ebb_tensor *out = f->out[0];
    ebb__fill(out, EBB_SET(0));
    for (int64_t i = 0; i < out->dims[0] && i < out->dims[1]; i++)
        ebb__store(out->data + i * (out->dims[1] + 1) * (int64_t)ebb__dtype_sizes[out->dtype], (ebb_dtype)out->dtype,
                   1);
    return EBB_OK;
}

const struct ebb_op ebb_op_eye = {
    EBB_SIGNATURE(eye, "int n, int? m=none, " NEW),
    .doc = EBB_TEXT(
        "A matrix of n rows and m columns (n where m is not given), ones on its diagonal and zeros elsewhere."),
    .torch = EBB_TEXT("torch.eye"),
    .infer = infer_eye,
    .forward = forward_eye,
    .no_derivative = true,
    .samples = EBB_SAMPLES("n=3", "n=2 m=4", "n=4 m=2 dtype=int64", "n=0", "n=2 m=0", "! n=-1"),
};

/* ---- counting ---- */

#define COUNTABLE EBB_NUMERIC /* not bool */

static bool is_integer(ebb_dtype dtype) { return EBB_INTEGRAL & EBB_DTYPES(dtype); }

/* How many lie from start to before end, counted in 64 bits, whatever they are stored in, as PyTorch does. */
static ebb_status count_whole(const ebb_setting *of[3], int64_t *ret_n) {
    for (int i = 0; i < 3; i++)
        if (ebb__check_number(EBB_I64, of[i])) return EBB_ERR_ARGUMENT;
    int64_t start = ebb__whole(of[0]), end = ebb__whole(of[1]), step = ebb__whole(of[2]);
    if (step == 0) return ebb_fail(EBB_ERR_ARGUMENT, "step must not be 0");
    if (step > 0 ? end < start : end > start)
        return ebb_fail(EBB_ERR_ARGUMENT, "the step %lld does not lead from %lld to %lld", (long long)step,
                        (long long)start, (long long)end);
    uint64_t way = step > 0 ? (uint64_t)end - (uint64_t)start : (uint64_t)start - (uint64_t)end,
             size = step > 0 ? (uint64_t)step : 0 - (uint64_t)step, n = way / size + (way % size != 0);
    if (n > INT64_MAX / 8)
        return ebb_fail(EBB_ERR_MEMORY, "%llu elements are too many to be addressed", (unsigned long long)n);
    *ret_n = (int64_t)n;
    return EBB_OK;
}

static ebb_status count_floating(double start, double end, double step, int64_t *ret_n) {
    if (!isfinite(start) || !isfinite(end) || isnan(step))
        return ebb_fail(EBB_ERR_ARGUMENT, "start, end and step must be finite: %g, %g, %g", start, end, step);
    if (!(fabs(step) > 0)) return ebb_fail(EBB_ERR_ARGUMENT, "step must not be 0");
    if (step > 0 ? end < start : end > start)
        return ebb_fail(EBB_ERR_ARGUMENT, "the step %g does not lead from %g to %g", step, start, end);
    double n = ceil((end - start) / step);
    if (!(n < 0x1p60)) return ebb_fail(EBB_ERR_MEMORY, "%g elements are too many to be addressed", n);
    *ret_n = (int64_t)n;
    return EBB_OK;
}

static ebb_status infer_arange(struct ebb_infer *f) {
    const struct ebb__attrs_arange *a = f->attrs;
    const ebb_setting *of[] = {&a->start, &a->end, &a->step};
    bool whole = true;
    for (int i = 0; i < 3; i++) whole = whole && of[i]->dtype != EBB_F64;
    ebb_status status = ebb__new_meta(f, &EBB_DIMS(0), a->dtype, whole ? EBB_I64 : EBB_DTYPE_NONE, COUNTABLE);
    if (status) return status;
    int64_t *n = &f->out[0].shape.d[0];
    return is_integer(f->out[0].dtype) ? count_whole(of, n)
                                       : count_floating(a->start.value, a->end.value, a->step.value, n);
}

static ebb_status forward_arange(struct ebb_forward *f) {
    const struct ebb__attrs_arange *a = f->attrs;
    ebb_tensor *out = f->out[0];
    ebb_dtype dtype = (ebb_dtype)out->dtype;
    uint64_t start = (uint64_t)ebb__whole(&a->start), step = (uint64_t)ebb__whole(&a->step);
    char *p = out->data;
    for (int64_t i = 0; i < out->numel; i++, p += ebb__dtype_sizes[dtype])
        if (is_integer(dtype)) ebb__store_i64(p, dtype, (int64_t)(start + (uint64_t)i * step));
        else ebb__store(p, dtype, a->start.value + (double)i * a->step.value);
    return EBB_OK;
}

const struct ebb_op ebb_op_arange = {
    EBB_SIGNATURE(arange, "number start[=0], number end, number step[=1], " NEW),
    .doc = EBB_TEXT(
        "start, start + step, ... up to before end: ceil((end - start) / step) elements. Without a dtype it is int64 "
        "where start, end and step are whole numbers, and the default dtype where one is floating: "
        "ebb_arange(0, 3, 1) is 0, 1, 2, and ebb_arange(0.0, 3, 1) is 0., 1., 2."),
    .torch = EBB_TEXT("torch.arange"),
    .infer = infer_arange,
    .forward = forward_arange,
    .no_derivative = true,
    .samples = EBB_SAMPLES("start=0 end=5 step=1", "start=0 end=1 step=0.25", "start=5 end=-1 step=-2",
                           "start=0. end=3 step=1", "start=0 end=3 step=1 dtype=float32", "start=2 end=2 step=1",
                           "start=0 end=7 step=2 dtype=uint8", "start=9007199254740993 end=9007199254740999 step=3",
                           "! start=0 end=5 step=0", "! start=5 end=0 step=1"),
};

static ebb_status infer_linspace(struct ebb_infer *f) {
    const struct ebb__attrs_linspace *a = f->attrs;
    if (a->steps < 0) return ebb_fail(EBB_ERR_ARGUMENT, "steps must not be negative: %lld", (long long)a->steps);
    ebb_status status = ebb__new_meta(f, &EBB_DIMS(a->steps), a->dtype, EBB_DTYPE_NONE, COUNTABLE);
    if (!status) status = ebb__check_number(f->out[0].dtype, &EBB_SET(a->start));
    return status ? status : ebb__check_number(f->out[0].dtype, &EBB_SET(a->end));
}

/* Counted from both ends, so that both are met exactly and the points lie symmetrically. */
static ebb_status forward_linspace(struct ebb_forward *f) {
    const struct ebb__attrs_linspace *a = f->attrs;
    ebb_tensor *out = f->out[0];
    ebb_dtype dtype = (ebb_dtype)out->dtype;
    int64_t n = out->numel;
    double step = n > 1 ? (a->end - a->start) / (double)(n - 1) : 0;
    char *p = out->data;
    for (int64_t i = 0; i < n; i++, p += ebb__dtype_sizes[dtype])
        ebb__store(p, dtype, i < n / 2 || n == 1 ? a->start + step * (double)i : a->end - step * (double)(n - 1 - i));
    return EBB_OK;
}

const struct ebb_op ebb_op_linspace = {
    EBB_SIGNATURE(linspace, "float start, float end, int steps, " NEW),
    .doc = EBB_TEXT("`steps` numbers at equal distances, from start to end, both included."),
    .torch = EBB_TEXT("torch.linspace"),
    .infer = infer_linspace,
    .forward = forward_linspace,
    .no_derivative = true,
    .samples = EBB_SAMPLES("start=0 end=1 steps=5", "start=3 end=-2 steps=4 dtype=float64", "start=1 end=2 steps=1",
                           "start=1 end=2 steps=0", "start=0 end=10 steps=4 dtype=int64", "! start=0 end=1 steps=-1"),
};

static ebb_status infer_logspace(struct ebb_infer *f) {
    const struct ebb__attrs_logspace *a = f->attrs;
    if (a->steps < 0) return ebb_fail(EBB_ERR_ARGUMENT, "steps must not be negative: %lld", (long long)a->steps);
    return ebb__new_meta(f, &EBB_DIMS(a->steps), a->dtype, EBB_DTYPE_NONE, COUNTABLE);
}

/* The exponents counted from both ends, as in linspace; whole ones for integers, as PyTorch has it. */
static ebb_status forward_logspace(struct ebb_forward *f) {
    const struct ebb__attrs_logspace *a = f->attrs;
    ebb_tensor *out = f->out[0];
    ebb_dtype dtype = (ebb_dtype)out->dtype;
    int64_t n = out->numel;
    double step = n > 1 ? (a->end - a->start) / (double)(n - 1) : 0;
    char *p = out->data;
    for (int64_t i = 0; i < n; i++, p += ebb__dtype_sizes[dtype]) {
        double x = i < n / 2 || n == 1 ? a->start + step * (double)i : a->end - step * (double)(n - 1 - i);
        ebb__store(p, dtype, pow(a->base.value, x));
    }
    return EBB_OK;
}

const struct ebb_op ebb_op_logspace = {
    EBB_SIGNATURE(logspace, "float start, float end, int steps, float? base=10, " NEW),
    .doc = EBB_TEXT("`steps` powers of base at equal ratios, from base^start to base^end, both included."),
    .torch = EBB_TEXT("torch.logspace"),
    .infer = infer_logspace,
    .forward = forward_logspace,
    .no_derivative = true,
    .samples = EBB_SAMPLES("start=0 end=2 steps=3", "start=-1 end=1 steps=4 dtype=float64",
                           "start=0 end=3 steps=4 base=2", "start=1 end=2 steps=1", "start=1 end=2 steps=0",
                           "start=0 end=4 steps=5 base=2 dtype=int64", "! start=0 end=1 steps=-1"),
};
