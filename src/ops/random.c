/* Random tensors, from the thread's generator: the same for a seed on every machine and with any number of threads. */
#define EBB_FAMILY "Random"
#include "ops/create.h"

#define NEW "dtype dtype=none, bool requires_grad=false -> Tensor"

/* ---- uniform and normal ---- */

static ebb_status fill_random(ebb_tensor *out, ebb__random what) {
    ebb_dtype dtype = (ebb_dtype)out->dtype;
    uint64_t seed = ebb_get_rng_state().seed, first = ebb__rng_take(ebb__random_blocks(what, dtype, out->numel));
    return (what == EBB__NORMAL ? ebb__random_normal : ebb__random_uniform)(dtype, seed, first, out->numel, out->data);
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
    static ebb_status forward_##name(struct ebb_forward *f) { return fill_random(f->out[0], what); } \
    const struct ebb_op ebb_op_##name = { \
        EBB_SIGNATURE(name, "shape size, " NEW), \
        .doc = text " Floating point only; the dtype is the default one where none is given.", \
        .torch = "torch." #name, \
        .infer = infer_##name, \
        .forward = forward_##name, \
        .no_derivative = true, \
        .samples = {"size=(2,3)", "size=()", "size=(0,3) dtype=float64", "! size=(2) dtype=int64", "! size=(-1)"}, \
    }; \
    const struct ebb_op ebb_op_##name##_like = { \
        EBB_SIGNATURE(name##_like, "Tensor input, " NEW), \
        .doc = text " Floating point only; shape, and dtype where none is given, are those of input.", \
        .torch = "torch." #name "_like", \
        .infer = infer_##name##_like, \
        .forward = forward_##name, \
        .no_derivative = true, \
        .samples = {"(2,3)", "()", "i5(3) dtype=float32", "! i5(3)"}, \
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

/* The integers from least to most must be told apart in the dtype. */
static ebb_status check_range(ebb_dtype dtype, int64_t least, int64_t most) {
    static const struct {
        int64_t least, most;
    } ranges[EBB_DTYPE_COUNT] = {
        [EBB_BOOL] = {0, 1},
        [EBB_U8] = {0, UINT8_MAX},
        [EBB_I32] = {INT32_MIN, INT32_MAX},
        [EBB_I64] = {INT64_MIN, INT64_MAX},
        [EBB_F32] = {-(INT64_C(1) << 24), INT64_C(1) << 24},
        [EBB_F64] = {-(INT64_C(1) << 53), INT64_C(1) << 53},
    };
    if (least >= ranges[dtype].least && most <= ranges[dtype].most) return EBB_OK;
    return ebb_fail(EBB_ERR_ARGUMENT, "integers from %lld to %lld do not fit in %s", (long long)least, (long long)most,
                    ebb_dtype_name(dtype));
}

static ebb_status infer_randint(struct ebb_infer *f) {
    const struct ebb__attrs_randint *a = f->attrs;
    ebb_status status = ebb__new_meta(f, &a->size, a->dtype, EBB_I64, EBB_ANY_DTYPE);
    if (status) return status;
    if (a->low >= a->high)
        return ebb_fail(EBB_ERR_ARGUMENT, "low must be less than high: %lld, %lld", (long long)a->low,
                        (long long)a->high);
    return check_range(f->out[0].dtype, a->low, a->high - 1);
}

static ebb_status forward_randint(struct ebb_forward *f) {
    const struct ebb__attrs_randint *a = f->attrs;
    ebb_tensor *out = f->out[0];
    int64_t *numbers = integers_of(out);
    if (!numbers) return ebb_error_status();
    uint64_t seed = ebb_get_rng_state().seed,
             first = ebb__rng_take(ebb__random_blocks(EBB__INTEGER, EBB_I64, out->numel));
    ebb__random_integer(seed, first, out->numel, a->low, a->high, numbers);
    store_integers(out, numbers);
    return EBB_OK;
}

const struct ebb_op ebb_op_randint = {
    EBB_SIGNATURE(randint, "int low, int high, shape size, dtype dtype=int64, bool requires_grad=false -> Tensor"),
    .doc = "Independent integers, each of low, ..., high - 1 equally likely; int64 where no dtype is given.",
    .torch = "torch.randint",
    .infer = infer_randint,
    .forward = forward_randint,
    .no_derivative = true,
    .samples = {"low=0 high=10 size=(2,3)", "low=-5 high=5 size=()", "low=0 high=2 size=(4) dtype=bool",
                "low=0 high=1 size=(0)", "low=0 high=100 size=(3) dtype=float32", "! low=3 high=3 size=(2)",
                "! low=0 high=257 size=(2) dtype=uint8"},
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
        uint64_t seed = ebb_get_rng_state().seed, first = ebb__rng_take(ebb__random_blocks(EBB__UNIFORM, EBB_F64, n));
        status = ebb__random_uniform(EBB_F64, seed, first, n, u);
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
    .doc =
        "The numbers 0, ..., n - 1 in an order drawn at random, all orders equally likely; int64 where no dtype is given.",
    .torch = "torch.randperm",
    .infer = infer_randperm,
    .forward = forward_randperm,
    .no_derivative = true,
    .samples = {"n=5", "n=0", "n=4 dtype=float32", "! n=-1", "! n=300 dtype=uint8"},
};
