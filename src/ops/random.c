/* Random tensors, from the thread's generator: the same for a seed on every machine and with any number of threads. */
#define EBB_FAMILY "Random"
#include "ops/create.h"
#include <math.h>

#define NEW "dtype dtype=none, bool requires_grad=false -> Tensor"

/* ---- uniform and normal ---- */

ebb_status ebb__draw(ebb__random what, ebb_dtype dtype, int64_t n, void *out) {
    uint64_t seed = ebb_get_rng_state().seed, first = ebb__rng_take(ebb__random_blocks(what, dtype, n));
    return (what == EBB__NORMAL        ? ebb__random_normal
            : what == EBB__EXPONENTIAL ? ebb__random_exponential
                                       : ebb__random_uniform)(dtype, seed, first, n, out);
}

void ebb__zero_vjp(struct ebb_vjp_call *v) {
    for (int64_t i = 0; i < v->n_in; i++)
        if (v->needs[i]) ebb_vjp_give(v, i, ebb_zeros(ebb_vjp_shape(v, i), .dtype = ebb_vjp_dtype(v, i)));
}

/* An operator NAME and its form NAME_like. */
#define RANDOM(name, what, text) \
    static ebb_status infer_##name(struct ebb_infer *f) { \
        const struct ebb__attrs_##name *a = f->attrs; \
        return ebb__new_meta(f, &a->size, a->dtype, EBB_DTYPE_NONE, EBB_FLOATING); \
    } \
    static ebb_status infer_##name##_like(struct ebb_infer *f) { \
        const struct ebb__attrs_##name##_like *a = f->attrs; \
        return ebb__new_meta(f, &f->in[0].shape, a->dtype, f->in[0].dtype, EBB_FLOATING); \
    } \
    static ebb_status forward_##name(struct ebb_forward *f) { \
        ebb_tensor *out = f->out[0]; \
        return ebb__draw(what, (ebb_dtype)out->dtype, out->numel, out->data); \
    } \
    const struct ebb_op ebb_op_##name = { \
        EBB_SIGNATURE(name, "shape size, " NEW), \
        .doc = EBB_TEXT(text " Floating point only; the dtype is the default one where none is given."), \
        .batch = ebb_batch_random, \
        .torch = EBB_TEXT("torch." #name), \
        .infer = infer_##name, \
        .forward = forward_##name, \
        .no_derivative = true, \
        .samples = \
            EBB_SAMPLES("size=(2,3)", "size=()", "size=(0,3) dtype=float64", "! size=(2) dtype=int64", "! size=(-1)"), \
    }; \
    const struct ebb_op ebb_op_##name##_like = { \
        EBB_SIGNATURE(name##_like, "Tensor input, " NEW), \
        .doc = EBB_TEXT(text " Floating point only; shape, and dtype where none is given, are those of input."), \
        .batch = ebb_batch_random, \
        .torch = EBB_TEXT("torch." #name "_like"), \
        .infer = infer_##name##_like, \
        .forward = forward_##name, \
        .no_derivative = true, \
        .samples = EBB_SAMPLES("(2,3)", "()", "i5(3) dtype=float32", "! i5(3)"), \
    };

RANDOM(rand, EBB__UNIFORM, "Independent numbers, uniform in [0, 1).")
RANDOM(randn, EBB__NORMAL, "Independent numbers of the normal distribution with mean 0 and variance 1.")

/* ---- integers ---- */

/* Convert whole numbers to the dtype of `out` and release them, unless they are its own. */
static void store_integers(ebb_tensor *out, int64_t *numbers) {
    if ((char *)numbers == out->data) return;
    const int64_t strides[] = {(int64_t)ebb__dtype_sizes[out->dtype], (int64_t)sizeof *numbers};
    char *const p[] = {out->data, (char *)numbers};
    ebb__loops_cast[out->dtype][EBB_I64](out->numel, p, strides, NULL);
    ebb__free(numbers, (size_t)out->numel * sizeof *numbers);
}

static int64_t *integers_of(ebb_tensor *out) {
    return out->dtype == EBB_I64 ? (int64_t *)(void *)out->data : ebb__alloc((size_t)out->numel * sizeof(int64_t));
}

/* The integers that a dtype tells apart. */
static const struct {
    int64_t least, most;
} ranges[EBB_DTYPE_COUNT] = {
    [EBB_BOOL] = {0, 1},
    [EBB_U8] = {0, UINT8_MAX},
    [EBB_I32] = {INT32_MIN, INT32_MAX},
    [EBB_I64] = {INT64_MIN, INT64_MAX},
    [EBB_F16] = {-(INT64_C(1) << 11), INT64_C(1) << 11},
    [EBB_BF16] = {-(INT64_C(1) << 8), INT64_C(1) << 8},
    [EBB_F32] = {-(INT64_C(1) << 24), INT64_C(1) << 24},
    [EBB_F64] = {-(INT64_C(1) << 53), INT64_C(1) << 53},
};

/* The integers from least to most must be told apart in the dtype. */
static ebb_status check_range(ebb_dtype dtype, int64_t least, int64_t most) {
    if (least >= ranges[dtype].least && most <= ranges[dtype].most) return EBB_OK;
    return ebb_fail(EBB_ERR_ARGUMENT, "integers from %lld to %lld do not fit in %s", (long long)least, (long long)most,
                    ebb_dtype_name(dtype));
}

/* Integers from `low` to before `high`, where INT64_MIN stands for 2^63. */
static ebb_status fill_integers(ebb_tensor *out, int64_t low, int64_t high) {
    int64_t *numbers = integers_of(out);
    if (!numbers) return ebb_error_status();
    uint64_t seed = ebb_get_rng_state().seed,
             first = ebb__rng_take(ebb__random_blocks(EBB__INTEGER, EBB_I64, out->numel));
    ebb__random_integer(seed, first, out->numel, low, high, numbers);
    store_integers(out, numbers);
    return EBB_OK;
}

static ebb_status infer_integers(struct ebb_infer *f, const ebb_dims *size, ebb_dtype dtype, ebb_dtype otherwise,
                                 int64_t low, int64_t high) {
    ebb_status status = ebb__new_meta(f, size, dtype, otherwise, EBB_ANY_DTYPE);
    if (status) return status;
    if (low >= high)
        return ebb_fail(EBB_ERR_ARGUMENT, "low must be less than high: %lld, %lld", (long long)low, (long long)high);
    return check_range(f->out[0].dtype, low, high - 1);
}

static ebb_status infer_randint(struct ebb_infer *f) {
    const struct ebb__attrs_randint *a = f->attrs;
    return infer_integers(f, &a->size, a->dtype, EBB_I64, a->low, a->high);
}

static ebb_status forward_randint(struct ebb_forward *f) {
    const struct ebb__attrs_randint *a = f->attrs;
    return fill_integers(f->out[0], a->low, a->high);
}

const struct ebb_op ebb_op_randint = {
    EBB_SIGNATURE(randint, "int low[=0], int high, shape size, dtype dtype=int64, bool requires_grad=false -> Tensor"),
    .doc = EBB_TEXT("Independent integers, each of low, ..., high - 1 equally likely; int64 where no dtype is given."),
    .torch = EBB_TEXT("torch.randint"),
    .infer = infer_randint,
    .forward = forward_randint,
    .halves = true,
    .no_derivative = true,
    .batch = ebb_batch_random,
    .samples = EBB_SAMPLES("low=0 high=10 size=(2,3)", "low=-5 high=5 size=()", "low=0 high=2 size=(4) dtype=bool",
                           "low=0 high=1 size=(0)", "low=0 high=100 size=(3) dtype=float32", "! low=3 high=3 size=(2)",
                           "! low=0 high=257 size=(2) dtype=uint8"),
};

static ebb_status infer_randint_like(struct ebb_infer *f) {
    const struct ebb__attrs_randint_like *a = f->attrs;
    return infer_integers(f, &f->in[0].shape, a->dtype, f->in[0].dtype, a->low, a->high);
}

static ebb_status forward_randint_like(struct ebb_forward *f) {
    const struct ebb__attrs_randint_like *a = f->attrs;
    return fill_integers(f->out[0], a->low, a->high);
}

const struct ebb_op ebb_op_randint_like = {
    EBB_SIGNATURE(randint_like,
                  "Tensor input, int low[=0], int high, dtype dtype=none, bool requires_grad=false -> Tensor"),
    .doc = EBB_TEXT(
        "Independent integers, each of low, ..., high - 1 equally likely; shape, and dtype where none is given, are those "
        "of input."),
    .torch = EBB_TEXT("torch.randint_like"),
    .infer = infer_randint_like,
    .forward = forward_randint_like,
    .halves = true,
    .no_derivative = true,
    .batch = ebb_batch_random,
    .samples = EBB_SAMPLES("(2,3) low=0 high=1", "() low=0 high=1 dtype=int64", "i5(0) low=0 high=2",
                           "! (3) low=3 high=3", "! (2) low=0 high=257 dtype=uint8"),
};

/* The integers that random draws from: all that the dtype tells apart, from 0 on, where `to` is not given. */
static void random_range(const struct ebb__attrs_random *a, ebb_dtype dtype, int64_t *ret_last) {
    *ret_last = ranges[dtype].most;
    if (a->to.given) *ret_last = ebb__to_i64(a->to.value) - 1;
}

static ebb_status infer_random(struct ebb_infer *f) {
    const struct ebb__attrs_random *a = f->attrs;
    int64_t last;
    f->out[0].shape = f->in[0].shape;
    if (a->to.given && !(fabs(a->to.value) < 0x1p63))
        return ebb_fail(EBB_ERR_ARGUMENT, "to is out of range: %g", a->to.value);
    random_range(a, f->dtype, &last);
    if (a->from > last)
        return ebb_fail(EBB_ERR_ARGUMENT, "from must be less than to: %lld, %lld", (long long)a->from,
                        (long long)last + 1);
    return check_range(f->out[0].dtype, a->from, last);
}

static ebb_status forward_random(struct ebb_forward *f) {
    const struct ebb__attrs_random *a = f->attrs;
    int64_t last;
    random_range(a, (ebb_dtype)f->out[0]->dtype, &last);
    return fill_integers(f->out[0], a->from, (int64_t)((uint64_t)last + 1));
}

static const char *node_random(const void *attrs, ebb_tensor *const *in) {
    const struct ebb__attrs_random *a = attrs;
    (void)in;
    return a->from ? "RandomBackward0" : a->to.given ? "RandomBackward1" : "RandomBackward2";
}

const struct ebb_op ebb_op_random = {
    EBB_SIGNATURE(random, "Tensor self, int from=0, float? to=none -> Tensor"),
    .doc = EBB_TEXT(
        "Independent integers, each of from, ..., to - 1 equally likely, in the shape and dtype of self; without `to` up to the "
        "largest that the dtype tells apart from its neighbours: 2^24 for float32."),
    .torch = EBB_TEXT("torch.Tensor.random_"),
    .node = "RandomBackward0",
    .node_variant = node_random,
    .inplace = true,
    .infer = infer_random,
    .forward = forward_random,
    .halves = true,
    .no_derivative = true,
    .vjp = ebb__zero_vjp,
    .batch = ebb_batch_random,
    .formula = EBB_FORMULAS("0"),
    .samples = EBB_SAMPLES("(2,3) to=9", "() from=-2 to=2", "(3) to=1", "i5(3) from=-3 to=0", "i5(3)", "b(4)", "(0,3)",
                           "! (3) from=1 to=1", "! (3) to=1e300", "! i5(3) from=5 to=2"),
};

static ebb_status infer_randperm(struct ebb_infer *f) {
    const struct ebb__attrs_randperm *a = f->attrs;
    if (a->n < 0) return ebb_fail(EBB_ERR_ARGUMENT, "n must not be negative: %lld", (long long)a->n);
    ebb_status status = ebb__new_meta(f, &EBB_DIMS(a->n), a->dtype, EBB_I64, EBB_NUMERIC);
    return status ? status : check_range(f->out[0].dtype, 0, a->n > 0 ? a->n - 1 : 0);
}

/* Fisher and Yates's shuffle (Durstenfeld 1964): place i gets one of the n - i numbers left. With 53 random bits for
 * each choice, none is likelier than another by more than n / 2^53 of its chance. */
static ebb_status forward_randperm(struct ebb_forward *f) {
    ebb_tensor *out = f->out[0];
    int64_t n = out->numel, *numbers = integers_of(out);
    size_t bytes = (size_t)n * sizeof(double);
    double *u = numbers ? ebb__alloc(bytes) : NULL;
    ebb_status status = u ? EBB_OK : ebb_error_status();
    if (u) {
        status = ebb__draw(EBB__UNIFORM, EBB_F64, n, u);
        for (int64_t i = 0; i < n; i++) numbers[i] = i;
        for (int64_t i = 0; i < n; i++) {
            int64_t k = i + (int64_t)(u[i] * (double)(n - i)), chosen = numbers[k];
            numbers[k] = numbers[i];
            numbers[i] = chosen;
        }
        ebb__free(u, bytes);
    }
    if (numbers) store_integers(out, numbers);
    return status;
}

const struct ebb_op ebb_op_randperm = {
    EBB_SIGNATURE(randperm, "int n, dtype dtype=int64, bool requires_grad=false -> Tensor"),
    .doc = EBB_TEXT(
        "The numbers 0, ..., n - 1 in an order drawn at random, all orders equally likely; int64 where no dtype is given."),
    .torch = EBB_TEXT("torch.randperm"),
    .infer = infer_randperm,
    .forward = forward_randperm,
    .halves = true,
    .no_derivative = true,
    .batch = ebb_batch_random,
    .samples = EBB_SAMPLES("n=5", "n=0", "n=4 dtype=float32", "! n=-1", "! n=300 dtype=uint8"),
};
