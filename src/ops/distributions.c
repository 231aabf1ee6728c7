/* Random numbers of a distribution in the shape of a tensor, and in place of its values. */
#define EBB_FAMILY "Random"
#include "ops/create.h"
#include <math.h>

/* ---- what a draw becomes ---- */

enum distribution { UNIFORM, NORMAL, LOG_NORMAL, CAUCHY, EXPONENTIAL, GEOMETRIC };

/* Two parameters: of uniform the range, of the normal ones mean and deviation, of Cauchy's median and half width, of
 * exponential the mean, of geometric the mean of the exponential distribution whose ceiling it is. */
struct drawing {
    enum distribution what;
    double a, b;
    void *numbers;
    ebb_dtype dtype;
};

#define TRANSFORM(T, F) \
    static void transform_##T(const struct drawing *d, int64_t n, T *x) { \
        const T a = (T)d->a, b = (T)d->b; \
        switch (d->what) { \
        case UNIFORM: \
            for (int64_t i = 0; i < n; i++) { \
                T y = a + (b - a) * x[i]; \
                x[i] = y < b ? y : a; /* rounded up to the end: as likely at the beginning */ \
            } \
            break; \
        case NORMAL: \
            for (int64_t i = 0; i < n; i++) x[i] = a + b * x[i]; \
            break; \
        case LOG_NORMAL: \
            for (int64_t i = 0; i < n; i++) x[i] = F(exp)(a + b * x[i]); \
            break; \
        case CAUCHY: \
            for (int64_t i = 0; i < n; i++) \
                x[i] = (T)(d->a + d->b * tan(3.14159265358979323846 * ((double)x[i] - 0.5))); \
            break; \
        case EXPONENTIAL: \
            for (int64_t i = 0; i < n; i++) x[i] *= a; \
            break; \
        case GEOMETRIC: \
            for (int64_t i = 0; i < n; i++) { \
                T y = F(ceil)(a * x[i]); \
                x[i] = y < 1 ? 1 : y; \
            } \
            break; \
        } \
    }
#define AS_F32(name) name##f
#define AS_F64(name) name
TRANSFORM(float, AS_F32)
TRANSFORM(double, AS_F64)

static void transform(void *context, int64_t first, int64_t last) {
    const struct drawing *d = context;
    if (d->dtype == EBB_F32) transform_float(d, last - first, (float *)d->numbers + first);
    else transform_double(d, last - first, (double *)d->numbers + first);
}

/* Into `out`: through double precision where it is of integers. */
static ebb_status draw(ebb_tensor *out, enum distribution what, double a, double b) {
    static const ebb__random from[] = {
        [UNIFORM] = EBB__UNIFORM, [NORMAL] = EBB__NORMAL,           [LOG_NORMAL] = EBB__NORMAL,
        [CAUCHY] = EBB__UNIFORM,  [EXPONENTIAL] = EBB__EXPONENTIAL, [GEOMETRIC] = EBB__EXPONENTIAL};
    bool direct = ebb__is_floating(out->dtype);
    size_t bytes = (size_t)out->numel * sizeof(double);
    struct drawing d = {what, a, b, direct ? out->data : ebb__alloc(bytes), direct ? (ebb_dtype)out->dtype : EBB_F64};
    if (!d.numbers) return ebb_error_status();
    ebb_status status = ebb__draw(from[what], d.dtype, out->numel, d.numbers);
    if (!status) ebb__parallel_for(out->numel, 1 << 13, transform, &d);
    if (direct) return status;
    const int64_t strides[] = {(int64_t)ebb__dtype_sizes[out->dtype], sizeof(double)};
    ebb__loops_cast[out->dtype][EBB_F64](out->numel, (char *const[]){out->data, d.numbers}, strides, NULL);
    ebb__free(d.numbers, bytes);
    return status;
}

/* ---- the operators: parameters alone; of self only shape and dtype count ---- */

/* The signature has `more` attributes; `valid` of the attributes a is what they must be, said by `rule`. */
#define DISTRIBUTION(name, more, dtypes_, valid, rule, draw_call, ...) \
    static ebb_status infer_##name(struct ebb_infer *f) { \
        const struct ebb__attrs_##name *a = f->attrs; \
        f->out[0].shape = f->in[0].shape; \
        return valid ? EBB_OK : ebb_fail(EBB_ERR_ARGUMENT, "needs " rule); \
    } \
    static ebb_status forward_##name(struct ebb_forward *f) { \
        const struct ebb__attrs_##name *a = f->attrs; \
        return draw_call; \
    } \
    const struct ebb_op ebb_op_##name = {EBB_SIGNATURE(name, "Tensor self, " more " -> Tensor"), \
                                         .dtypes = dtypes_, \
                                         .inplace = true, \
                                         .batch = ebb_batch_random, \
                                         .infer = infer_##name, \
                                         .forward = forward_##name, \
                                         .no_derivative = true, \
                                         .vjp = ebb__zero_vjp, \
                                         .formula = EBB_FORMULAS("0"), \
                                         __VA_ARGS__};

#define LIKE_SELF " in the shape and dtype of self, whose values do not count."

DISTRIBUTION(uniform, "float from=0, float? to=1", EBB_FLOATING,
             a->from <= a->to.value && isfinite(a->to.value - a->from), "from <= to, both finite",
             draw(f->out[0], UNIFORM, a->from, a->to.value),
             .doc = EBB_TEXT("Independent numbers, uniform in [from, to)," LIKE_SELF),
             .torch = EBB_TEXT("torch.Tensor.uniform_"), .node = "UniformBackward0",
             .samples = EBB_SAMPLES("(2,3)", "() from=-1 to=0", "(0,3)", "(3) from=2 to=2", "! (3) from=1 to=0",
                                    "! i5(3)"))
DISTRIBUTION(
    normal_functional, "float mean=0, float? std=1", EBB_FLOATING, a->std.value >= 0, "std >= 0",
    draw(f->out[0], NORMAL, a->mean, a->std.value),
    .doc = EBB_TEXT("Independent numbers of the normal distribution with this mean and standard deviation," LIKE_SELF),
    .torch = EBB_TEXT("torch.Tensor.normal_"), .overload = "normal", .node = "NormalBackward0",
    .samples = EBB_SAMPLES("(2,3)", "() mean=1 std=0", "(0,3)", "(3) mean=-5 std=0.5", "! (3) std=-1", "! i5(3)"))
DISTRIBUTION(
    log_normal, "float? mean=1, float? std=2", EBB_FLOATING, a->std.value > 0, "std > 0",
    draw(f->out[0], LOG_NORMAL, a->mean.value, a->std.value),
    .doc = EBB_TEXT(
        "Independent numbers whose logarithms have the normal distribution with this mean and standard deviation," LIKE_SELF),
    .torch = EBB_TEXT("torch.Tensor.log_normal_"), .node = "LogNormalBackward0",
    .samples = EBB_SAMPLES("(2,3)", "() mean=0 std=0.5", "(0,3)", "! (3) std=0", "! i5(3)"))
DISTRIBUTION(
    cauchy, "float median=0, float? sigma=1", EBB_FLOATING, a->sigma.value > 0, "sigma > 0",
    draw(f->out[0], CAUCHY, a->median, a->sigma.value),
    .doc = EBB_TEXT("Independent numbers of Cauchy's distribution with this median and half width sigma," LIKE_SELF),
    .torch = EBB_TEXT("torch.Tensor.cauchy_"), .node = "CauchyBackward0",
    .samples = EBB_SAMPLES("(2,3)", "() median=1 sigma=0.5", "(0,3)", "! (3) sigma=0", "! i5(3)"))
DISTRIBUTION(exponential, "float? lambd=1", EBB_FLOATING, a->lambd.value > 0, "lambd > 0",
             draw(f->out[0], EXPONENTIAL, 1 / a->lambd.value, 0),
             .doc = EBB_TEXT("Independent numbers of the exponential distribution with mean 1 / lambd," LIKE_SELF),
             .torch = EBB_TEXT("torch.Tensor.exponential_"), .node = "ExponentialBackward0",
             .samples = EBB_SAMPLES("(2,3)", "() lambd=0.5", "(0,3)", "! (3) lambd=0", "! i5(3)"))
DISTRIBUTION(
    geometric, "float p", EBB_NUMERIC, a->p > 0 && a->p < 1, "0 < p < 1",
    draw(f->out[0], GEOMETRIC, -1 / log1p(-a->p), 0),
    .doc = EBB_TEXT(
        "How many independent trials that succeed with probability p it takes to succeed, 1 or more," LIKE_SELF),
    .torch = EBB_TEXT("torch.Tensor.geometric_"), .node = "GeometricBackward0",
    .samples = EBB_SAMPLES("(2,3) p=0.5", "() p=0.1", "(0,3) p=0.9", "i5(3) p=0.5", "! (3) p=0", "! (3) p=1"))

/* ---- bernoulli ---- */

/* 1 where a uniform number is below the element of p, which is broadcast to `like`; 0 elsewhere. */
static ebb_tensor *bernoulli(ebb_tensor *like, ebb_tensor *p) {
    ebb_tensor *fits = ebb_logical_and(ebb_ge(p, 0), ebb_le(p, 1)); /* false for NaN */
    ebb_tensor *outside = fits ? ebb_sum(ebb_logical_not(fits)) : NULL;
    if (!outside) return NULL;
    if (ebb_item_i64(outside)) {
        ebb_fail(EBB_ERR_ARGUMENT, "probabilities must lie between 0 and 1");
        return NULL;
    }
    ebb_tensor *u = ebb_rand(ebb_tensor_shape(like), .dtype = EBB_F64);
    return ebb_to(ebb_lt(u, ebb_expand(p, ebb_tensor_shape(like))), ebb_tensor_dtype(like));
}

static bool is_floating(const ebb_tensor *t, const char *name) {
    if (ebb__is_floating(t->dtype)) return true;
    ebb_fail(EBB_ERR_DTYPE, "%s must be floating point, got %s", name, ebb_dtype_name((ebb_dtype)t->dtype));
    return false;
}

static ebb_tensor *compose_bernoulli(struct ebb_forward *f) {
    return is_floating(f->in[0], "self") ? bernoulli(f->in[0], f->in[0]) : NULL;
}

const struct ebb_op ebb_op_bernoulli = {
    EBB_SIGNATURE(bernoulli, "Tensor self -> Tensor"),
    .doc = EBB_TEXT(
        "Independent draws of 0 and 1: each element is 1 with the probability that self has there. (bernoulli_ has the "
        "probability as its argument, as in PyTorch.)"),
    .torch = EBB_TEXT("torch.bernoulli"),
    .node = "BernoulliBackward0",
    .compose = compose_bernoulli,
    .no_derivative = true,
    .vjp = ebb__zero_vjp,
    .batch = ebb_batch_random,
    .formula = EBB_FORMULAS("0"),
    .samples = EBB_SAMPLES("(2,3)", "()", "(0,3)", "! i5(3)"),
    .domain = {0, 1},
};

static ebb_tensor *compose_bernoulli_p(struct ebb_forward *f) {
    ebb_tensor *p = f->in[1] ? f->in[1] : ebb_number_f64(0.5);
    return p && (ebb_tensor_is_number(p) || is_floating(p, "p")) ? bernoulli(f->in[0], p) : NULL;
}

static const char *node_bernoulli_p(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    return in[1] && !ebb_tensor_is_number(in[1]) ? "BernoulliBackward1" : "BernoulliBackward2";
}

const struct ebb_op ebb_op_bernoulli_p = {
    EBB_SIGNATURE(bernoulli_p, "Tensor self, Number? p -> Tensor"),
    .doc = EBB_TEXT(
        "Independent draws of 0 and 1 in the shape and dtype of self, each 1 with probability p (0.5 where it is not given), "
        "a number or a tensor that is broadcast; the values of self do not count."),
    .torch = EBB_TEXT("torch.Tensor.bernoulli_"),
    .overload = "bernoulli",
    .node = "BernoulliBackward2",
    .node_variant = node_bernoulli_p,
    .inplace = true,
    .compose = compose_bernoulli_p,
    .no_derivative = true,
    .vjp = ebb__zero_vjp,
    .batch = ebb_batch_random,
    .formula = EBB_FORMULAS("0", "0"),
    .samples = EBB_SAMPLES("(2,3)", "(2,3) 0.25", "() 1", "(0,3) 0.5", "i5(4) 0.5", "(2,3) (3)", "! (3) 1.5",
                           "! (3) -0.5", "! (3) i5(3)", "! (3) (2,3)"),
    .domain = {0, 1},
};

/* ---- normal ---- */

static ebb_tensor *compose_normal(struct ebb_forward *f) {
    const struct ebb__attrs_normal *a = f->attrs;
    ebb_tensor *mean = f->in[0], *std = f->in[1];
    bool numbers = ebb_tensor_is_number(mean) && ebb_tensor_is_number(std);
    ebb_tensor *like = ebb_tensor_is_number(mean) ? std : mean;
    ebb_dtype dtype = numbers ? a->dtype ? a->dtype : ebb_default_dtype() : ebb_tensor_dtype(like);
    ebb_dims shape = a->size, other = ebb_tensor_shape(std);
    if (!numbers) {
        if (a->size.n || a->dtype)
            ebb_fail(EBB_ERR_ARGUMENT, "size and dtype are for a mean and a std that are numbers");
        if (a->size.n || a->dtype || !is_floating(like, "mean, or std,")) return NULL;
        shape = ebb_tensor_shape(mean);
        if (!ebb__broadcast(&shape, &other)) {
            ebb_fail(EBB_ERR_SHAPE, "shapes do not broadcast");
            return NULL;
        }
    }
    ebb_tensor *negative = ebb_sum(ebb_lt(std, 0));
    if (!negative || ebb_item_i64(negative)) {
        if (negative) ebb_fail(EBB_ERR_ARGUMENT, "std must not be negative");
        return NULL;
    }
    ebb_tensor *z = ebb_randn(shape, .dtype = dtype);
    return ebb_to(ebb_add(ebb_mul(z, std), mean), dtype);
}

static const char *node_normal(const void *attrs, ebb_tensor *const *in) {
    (void)attrs;
    if (ebb_tensor_is_number(in[1])) return "NormalBackward1";
    return ebb_tensor_is_number(in[0]) ? "NormalBackward2" : "NormalBackward3";
}

const struct ebb_op ebb_op_normal = {
    EBB_SIGNATURE(normal, "Number mean, Number std[=1], shape size=(), dtype dtype=none -> Tensor"),
    .doc = EBB_TEXT(
        "Independent numbers of the normal distribution, each with the mean and standard deviation that stand at its place of "
        "the tensors, which are broadcast; of two numbers a tensor of this size. (normal_ fills a tensor.)"),
    .torch = EBB_TEXT("torch.normal"),
    .node = "NormalBackward3",
    .node_variant = node_normal,
    .compose = compose_normal,
    .no_derivative = true,
    .vjp = ebb__zero_vjp,
    .batch = ebb_batch_random,
    .formula = EBB_FORMULAS("0", "0"),
    .samples =
        EBB_SAMPLES("(2,3) (2,3)", "(3) 1.5", "0 (2,3)", "(2,3) (3)", "() ()", "0 1 size=(2,3)",
                    "0 1 size=(2) dtype=float64", "(0,3) 1", "! (3) -1", "! i5(3) 1", "! (3) 1 size=(3)", "! (2) (3)"),
    .domain = {0, 2},
};
