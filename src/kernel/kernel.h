/* The kernel layer: arithmetic on raw pointers and strides. It knows no tensor, no shape rule and no gradient.
 *
 * Callers have resolved shapes, broadcasting and promotion; kernels trust what they are given. Pointers are aligned to
 * their element's size. Zero elements are legal everywhere. What may fail returns an ebb_status and has reported the
 * error.
 *
 * Two promises hold for every function here. A result does not depend on the number of threads: work is cut by shape
 * only. And what an elementwise loop gives for an element does not depend on its position, on n, or on strides: a
 * strided sin gives bit for bit what the contiguous one gives. Between instruction sets values may differ within the
 * error bounds, except for random numbers, which are the same everywhere.
 *
 * There are two kinds of tables of functions, both indexed by dtype, whose entries are NULL where something is not
 * defined: ebb__loops_NAME, the elementwise loops declared here, which operators call, and ebb__isa (isa.h), the inner
 * functions of everything else, for the files of this layer only. Every entry starts with code for the baseline CPU;
 * ebb__kernel_init() overwrites it with what the CPU has (dispatch.c). Files named *.isa.c are compiled once for each
 * instruction set, with -DEBB_ISA_NAME=baseline|avx2|avx512; *_bf16.isa.c only once, for CPUs that multiply bfloat16 as
 * well, avx512bf16. */
#ifndef EBB_KERNEL_KERNEL_H
#define EBB_KERNEL_KERNEL_H

#include <ebb/tensor.h>

/* ---- instruction sets (dispatch.c) ---- */

/* Choose by CPU, or by the environment's EBB_ISA=baseline|avx2|avx512|avx512bf16. Runs by itself at load where the
 * compiler has constructors; elsewhere call it once before the first kernel. Calling it again does nothing. */
void ebb__kernel_init(void);
/* For tests: use this instruction set from now on. False, and no change, when the CPU or the build lacks it. */
bool ebb__kernel_use(const char *isa);
/* "baseline", "avx2", "avx512" or "avx512bf16". */
const char *ebb__kernel_isa(void);

/* ---- elementwise loops (arith, compare, cast, transcendental.isa.c) ----
 * loop(n, p, stride, param): for i in [0, n), element i of argument j is at p[j] + i * stride[j], strides in bytes, 0
 * to repeat one element. p[0] is the output. The output may be the very memory of an input (same address, same stride),
 * and must not overlap one otherwise. A loop runs in the calling thread; callers cut large n themselves. */
typedef void (*ebb__loop)(int64_t n, char *const *p, const int64_t *stride, const void *param);

/* Every loop by name: ebb__loops_NAME[dtype], the dtype in which it computes; NULL where it is not defined.
 * Inputs and output have that dtype unless said otherwise. Floating point follows IEEE 754; integers wrap. */
typedef ebb__loop ebb__loop_table[EBB_DTYPE_COUNT];

/* Unary, of numbers (not bool, but sign). relu keeps NaN, the sign of NaN is 0. */
extern ebb__loop_table ebb__loops_neg, ebb__loops_abs, ebb__loops_relu, ebb__loops_square, ebb__loops_sign;
/* Unary, floating only; exp and log within 1.05 ulp, sin, cos and erf within 1.6, tanh and sigmoid within
 * 2.5. */
extern ebb__loop_table ebb__loops_sqrt, ebb__loops_rsqrt, ebb__loops_reciprocal, ebb__loops_floor, ebb__loops_exp,
    ebb__loops_log, ebb__loops_sin, ebb__loops_cos, ebb__loops_tanh, ebb__loops_sigmoid, ebb__loops_erf;
/* Activations, within 4 ulp of the formula: x / (1 + exp(-x)); min(x, 0) - log(1 + exp(-|x|)); x times the normal
 * distribution, and its approximation by tanh. */
extern ebb__loop_table ebb__loops_silu, ebb__loops_gelu, ebb__loops_gelu_tanh, ebb__loops_logsigmoid;
/* Binary, of every dtype but sub, which bool lacks. For bool add is or, mul is and. maximum and minimum are NaN if
 * either input is. */
extern ebb__loop_table ebb__loops_add, ebb__loops_sub, ebb__loops_mul, ebb__loops_maximum, ebb__loops_minimum;
/* Floating only: PyTorch promotes integers first. */
extern ebb__loop_table ebb__loops_div;
/* Of numbers; within 1 ulp. Exponents 2, 3 and 1/2 are a * a, a * a * a and sqrt(a), as PyTorch has it for exponents
 * that are numbers. Integers with an exponent < 0 give 0, except that 1 and -1 give 1 and +-1. */
extern ebb__loop_table ebb__loops_pow;
/* p[1] + alpha * p[2], of every dtype; param: an ebb_setting, alpha. */
extern ebb__loop_table ebb__loops_add_scaled;
/* Comparisons, of every dtype; the output is bool. With NaN false, but ne true. */
extern ebb__loop_table ebb__loops_eq, ebb__loops_ne, ebb__loops_lt, ebb__loops_le, ebb__loops_gt, ebb__loops_ge;
/* Of bool, where all but 0 is true. */
extern ebb__loop_table ebb__loops_logical_not, ebb__loops_logical_and, ebb__loops_logical_or, ebb__loops_logical_xor;
/* Of every dtype. where: p[1] (bool) ? p[2] : p[3]. fill: no inputs; param points at the value, in the dtype itself. */
extern ebb__loop_table ebb__loops_where, ebb__loops_fill;
/* Floating only, and nothing is written but the atomic_bool that param points to a pointer to: true when an element of
 * p[0] is a NaN or an infinity. */
extern ebb__loop_table ebb__loops_nonfinite;
/* Backward, floating only; p[1] is the upstream gradient g, p[2] forward's output y. threshold (relu): y > 0 or NaN ? g
 * : 0; sigmoid: g * (1 - y) * y; tanh: g * (1 - y * y). */
extern ebb__loop_table ebb__loops_threshold_backward, ebb__loops_sigmoid_backward, ebb__loops_tanh_backward;
/* The same, but p[2] is forward's input: g times the derivative of gelu, and of its approximation by tanh. */
extern ebb__loop_table ebb__loops_gelu_backward, ebb__loops_gelu_tanh_backward;

/* ---- the same of seldom used functions (pointwise.c), compiled once ----
 * Parameters are ebb_setting (settings), double or int64_t, in the order given. */

/* Unary, floating only, within libm's errors; polygamma's param: int64_t n; logit's: setting eps. */
extern ebb__loop_table ebb__loops_exp2, ebb__loops_expm1, ebb__loops_log1p, ebb__loops_log2, ebb__loops_log10,
    ebb__loops_tan, ebb__loops_asin, ebb__loops_acos, ebb__loops_atan, ebb__loops_sinh, ebb__loops_cosh,
    ebb__loops_asinh, ebb__loops_acosh, ebb__loops_atanh, ebb__loops_erfc, ebb__loops_erfinv, ebb__loops_lgamma,
    ebb__loops_digamma, ebb__loops_polygamma, ebb__loops_logit, ebb__loops_frac, ebb__loops_sinc;
/* Unary, of every dtype, copies of what is no floating point. round: int64_t decimals; nan_to_num: settings nan,
 * posinf, neginf. */
extern ebb__loop_table ebb__loops_ceil, ebb__loops_round, ebb__loops_trunc, ebb__loops_nan_to_num;
/* Activations, floating only, hardtanh and threshold of numbers. Settings: leaky_relu negative_slope; elu, celu alpha;
 * softplus beta, threshold; hardtanh min, max; hardshrink, softshrink lambd. threshold: settings threshold, value. */
extern ebb__loop_table ebb__loops_leaky_relu, ebb__loops_elu, ebb__loops_celu, ebb__loops_mish, ebb__loops_softplus,
    ebb__loops_hardtanh, ebb__loops_hardswish, ebb__loops_hardsigmoid, ebb__loops_threshold, ebb__loops_hardshrink,
    ebb__loops_softshrink;
/* Binary, floating only; prelu: a above 0, else b a. */
extern ebb__loop_table ebb__loops_atan2, ebb__loops_hypot, ebb__loops_copysign, ebb__loops_xlogy, ebb__loops_logaddexp,
    ebb__loops_prelu;
/* Binary, of numbers: C's remainder, the one of the divisor's sign, quotients rounded to 0 and down. Integers divided
 * by 0 give 0: callers refuse them. */
extern ebb__loop_table ebb__loops_fmod, ebb__loops_remainder, ebb__loops_div_trunc, ebb__loops_floor_divide;
/* Binary, of every dtype: NaN only where both are. */
extern ebb__loop_table ebb__loops_fmax, ebb__loops_fmin;
/* Of integers: by as many bits as there are, or more, or less than none, everything is shifted out. */
extern ebb__loop_table ebb__loops_bitwise_left_shift, ebb__loops_bitwise_right_shift;
/* Of integers and bool. */
extern ebb__loop_table ebb__loops_bitwise_and, ebb__loops_bitwise_or, ebb__loops_bitwise_xor, ebb__loops_bitwise_not;
/* Ternary: a + c (b - a), floating only; a + value b c, of numbers, and a + value b / c, floating only; setting
 * value. */
extern ebb__loop_table ebb__loops_lerp, ebb__loops_addcmul, ebb__loops_addcdiv;

/* Conversion, [to][from], defined for all pairs. To bool: != 0. Floating to integer truncates; what is out of range
 * gives the type's least value for i32 and i64 and the low byte for u8, NaN like out of range: what x86 and PyTorch
 * give there. */
extern ebb__loop ebb__loops_cast[EBB_DTYPE_COUNT][EBB_DTYPE_COUNT];

/* ---- copies (copy.c) ----
 * Copy `shape` elements, converting; strides in bytes, any sign, source strides may be 0. Source and destination must
 * not overlap. Threads are used when it is worth it. */
void ebb__copy(int ndim, const int64_t *shape, ebb_dtype to, void *dst, const int64_t *dst_stride, ebb_dtype from,
               const void *src, const int64_t *src_stride);

/* ---- reductions (reduce.c) ----
 * Over `shape`, of up to EBB_MAX_NDIM dimensions: src_stride and dst_stride in bytes; dst_stride 0 marks a dimension
 * that is reduced. Every element of dst is written. */

/* in f32 gives f32, f64 gives f64, integers and bool give i64, and so does every count (else EBB_ERR_DTYPE). Floating
 * sums are blocked and pairwise: the error grows with log(n). No elements give 0, of a product 1. */
typedef enum ebb__fold {
    EBB__FOLD_SUM,
    EBB__FOLD_PROD,
    EBB__FOLD_SQUARES, /* sum of squares; floating only */
    EBB__FOLD_COUNT,   /* of what is not 0 */
    EBB__FOLD_NANSUM,  /* floating only, from here on: sum of what is not NaN */
    EBB__FOLD_ABS,     /* sum of absolute values */
    EBB__FOLD_MAX_ABS, /* the largest and the smallest absolute value; NaN if any is */
    EBB__FOLD_MIN_ABS,
    EBB__FOLDS
} ebb__fold;
ebb_status ebb__reduce_fold(ebb__fold what, int ndim, const int64_t *shape, ebb_dtype in, const void *src,
                            const int64_t *src_stride, ebb_dtype out, void *dst, const int64_t *dst_stride);
/* The fold that is a sum. */
ebb_status ebb__reduce_sum(int ndim, const int64_t *shape, ebb_dtype in, const void *src, const int64_t *src_stride,
                           ebb_dtype out, void *dst, const int64_t *dst_stride);

/* The variance, or its root: squared deviations from the mean, summed in double precision, by max(0, count -
 * correction); f32 and f64. The mean goes to `mean`, which may be NULL, at the same strides. NaN of no elements. */
ebb_status ebb__reduce_var(int ndim, const int64_t *shape, ebb_dtype dtype, const void *src, const int64_t *src_stride,
                           double correction, bool root, void *dst, void *mean, const int64_t *dst_stride);

/* log(sum(exp(x))), the largest element taken out before; f32 and f64. Of no elements -inf. */
ebb_status ebb__reduce_logsumexp(int ndim, const int64_t *shape, ebb_dtype dtype, const void *src,
                                 const int64_t *src_stride, void *dst, const int64_t *dst_stride);

/* Maximum, minimum, of any dtype. NaN is both. `index` may be NULL; else it receives, at index_stride (bytes, 0 for the
 * reduced dimensions), the row-major number, counted over the reduced dimensions, of the first element that is the
 * maximum; dst may be NULL then. Reducing nothing to something is EBB_ERR_SHAPE. */
ebb_status ebb__reduce_max(int ndim, const int64_t *shape, ebb_dtype dtype, const void *src, const int64_t *src_stride,
                           void *dst, const int64_t *dst_stride, int64_t *index, const int64_t *index_stride);
ebb_status ebb__reduce_min(int ndim, const int64_t *shape, ebb_dtype dtype, const void *src, const int64_t *src_stride,
                           void *dst, const int64_t *dst_stride, int64_t *index, const int64_t *index_stride);

/* ---- scans (scan.c) ----
 * All arrays contiguous, seen as (outer, n, inner), along n. Floating point is carried in double precision. */
typedef enum ebb__scan { EBB__SCAN_SUM, EBB__SCAN_PROD, EBB__SCAN_LOGSUMEXP, EBB__SCANS } ebb__scan;

/* What came of x[0] ... x[k], for every k. Numbers; logsumexp floating only (else EBB_ERR_DTYPE). y may be x. */
ebb_status ebb__scan_run(ebb__scan what, ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x,
                         void *y);
/* The maximum or minimum so far, of any dtype, and where it last was; a NaN is both, and stays. */
void ebb__scan_extreme(bool max, ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, void *y,
                       int64_t *index);
/* y[k] = x[k] + a[k] y[k - 1], in reverse y[k] = x[k] + a[k + 1] y[k + 1]; f32, f64. `one`: a has one element. */
ebb_status ebb__scan_linear(bool reverse, ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x,
                            const void *a, bool one, void *y);

/* ---- medians (select.c) ----
 * The lower median of each of `rows` rows of n >= 1 numbers and the place of its first occurrence. A NaN is the median,
 * unless it is to be skipped; of NaNs only it is NaN. `work` has the size of x and is overwritten. */
ebb_status ebb__median(ebb_dtype dtype, int64_t rows, int64_t n, const void *x, void *work, bool skip_nan, void *values,
                       int64_t *index);

/* ---- softmax (softmax.c) ----
 * All arrays contiguous, seen as (outer, n, inner), along n; f32 and f64 (else EBB_ERR_DTYPE). y may be x, dx may be
 * g. */
ebb_status ebb__softmax(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, void *y);
ebb_status ebb__log_softmax(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, void *y);
/* y * (g - sum(g * y)) */
ebb_status ebb__softmax_backward(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *g, const void *y,
                                 void *dx);
/* g - exp(y) * sum(g) */
ebb_status ebb__log_softmax_backward(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *g,
                                     const void *y, void *dx);

/* ---- normalization (normalization.c) ----
 * x is contiguous, f32 or f64, seen as (outer, sets, channels, run). The elements of one of the `sets` are normalized
 * together: y = (x - mean) * rstd * weight + bias with rstd = 1 / sqrt(var + eps). Weight and bias have groups *
 * channels elements, those of channel k of set r being at r % groups * channels + k; both may be NULL. mean and rstd
 * have an element for each set. Where `centered` is not set there is no mean: it counts as 0, and mean is NULL. */
struct ebb__norm {
    ebb_dtype dtype;
    int64_t outer, sets, groups, channels, run;
    bool centered;
    double eps;
};
/* var may be NULL; else it receives the variances (divided by the count). */
void ebb__norm_forward(const struct ebb__norm *d, const void *x, const void *weight, const void *bias, void *y,
                       void *mean, void *rstd, double *var);
/* The same with a mean and rstd that are given. */
void ebb__norm_apply(const struct ebb__norm *d, const void *x, const void *mean, const void *rstd, const void *weight,
                     const void *bias, void *y);
/* The gradients of x, weight and bias, each of which may be NULL when it is not wanted, from g, that of y. */
ebb_status ebb__norm_backward(const struct ebb__norm *d, const void *g, const void *x, const void *mean,
                              const void *rstd, const void *weight, void *dx, void *dweight, void *dbias);

/* ---- matrix products (gemm.c, blas.c) ----
 * c = a b, or added to c, with a (m, k), b (k, n) and c (m, n). Strides in elements: row stride, column stride, any
 * value for a and b (0 and negative too); c has unit column stride and row stride ldc >= n.
 * f32, f64, bf16, f16, i64, i32, u8 (bool: EBB_ERR_DTYPE). c must not overlap a or b. Vector products are m or n = 1.
 * Sums of 16-bit operands are float32, rounded once at the end: where the CPU has AVX512-BF16 by its instruction, which
 * takes subnormal numbers for 0 and gives them as 0, elsewhere by way of float32 copies. */
ebb_status ebb__gemm(ebb_dtype dtype, int64_t m, int64_t n, int64_t k, const void *a, int64_t a_rs, int64_t a_cs,
                     const void *b, int64_t b_rs, int64_t b_cs, bool accumulate, void *c, int64_t ldc);
/* What a product is added to: any strides, so that a row, a column or a number need not be copied all over c first. */
typedef struct ebb__gemm_begin {
    const void *data;
    int64_t bs, rs, cs;
} ebb__gemm_begin;
/* `batch` products; a_bs, b_bs, c_bs are the strides from one to the next, 0 to use the same a or b for all. c is not
 * read: c = a b, plus *begin unless that is NULL. What begins may be c itself, as it lies, and must not overlap it
 * otherwise. */
ebb_status ebb__gemm_batched(ebb_dtype dtype, int64_t batch, int64_t m, int64_t n, int64_t k, const void *a,
                             int64_t a_bs, int64_t a_rs, int64_t a_cs, const void *b, int64_t b_bs, int64_t b_rs,
                             int64_t b_cs, const ebb__gemm_begin *begin, void *c, int64_t c_bs, int64_t ldc);

/* ---- random numbers (random.c) ----
 * Fill n contiguous elements from the Philox stream of `seed`, from block number `first` on (take them with
 * ebb__rng_take(ebb__random_blocks(...))). Element i depends on (seed, first, i) only; the same on every machine. */
typedef enum ebb__random {
    EBB__UNIFORM,     /* f32: k / 2^24; f64: k / 2^53; in [0, 1) */
    EBB__NORMAL,      /* f32, f64: mean 0, variance 1 (Box and Muller 1958) */
    EBB__EXPONENTIAL, /* f32, f64: mean 1, > 0 */
    EBB__INTEGER      /* i64: lo <= value < hi, each equally likely */
} ebb__random;
uint64_t ebb__random_blocks(ebb__random what, ebb_dtype dtype, int64_t n);
ebb_status ebb__random_uniform(ebb_dtype dtype, uint64_t seed, uint64_t first, int64_t n, void *out);
ebb_status ebb__random_exponential(ebb_dtype dtype, uint64_t seed, uint64_t first, int64_t n, void *out);
ebb_status ebb__random_normal(ebb_dtype dtype, uint64_t seed, uint64_t first, int64_t n, void *out);
void ebb__random_integer(uint64_t seed, uint64_t first, int64_t n, int64_t lo, int64_t hi, int64_t *out); /* lo < hi */

/* ---- attention (attention.c) ----
 * For each of the heads, contiguous f32 or f64: query (queries, width), key (keys, width), value (keys, value_width).
 * The scores are query key^T * scale, plus the mask, whose element (i, j) for head h is at mask_at[h] + i * mask_row +
 * j * mask_col; with `causal` query i sees the keys up to i only. NULL: no mask. */
struct ebb__attention {
    ebb_dtype dtype;
    int64_t heads, queries, keys, width, value_width;
    double scale;
    bool causal;
    const void *query, *key, *value, *mask;
    const int64_t *mask_at;
    int64_t mask_row, mask_col;
};
/* out = softmax(scores) value (heads, queries, value_width), and lse (heads, queries), the logarithms of the sums of
 * the scores' exponentials. A query that sees no key gives 0 and -inf. */
void ebb__attention_forward(const struct ebb__attention *a, void *out, void *lse);
/* The gradients of query, key and value from those of out and of lse (which may be NULL). */
struct ebb__attention_backward {
    const void *grad, *grad_lse, *out, *lse;
    void *dquery, *dkey, *dvalue;
};
void ebb__attention_backward(const struct ebb__attention *a, const struct ebb__attention_backward *b);

/* ---- long short-term memory (lstm.c) ----
 * Contiguous f32 or f64: gates (steps, batch, 4 units) are the sums of the input, forget, change and output gates, but
 * for the part of the states before; weight (4 units, units) is what that is multiplied by. Without a weight gates are
 * complete. cx and hx (batch, units) are cell and state before the first step, hx with a weight only. */
struct ebb__lstm {
    ebb_dtype dtype;
    int64_t steps, batch, units;
    const void *weight;
};
/* activations (steps, batch, 4 units): sigmoid(i), sigmoid(f), tanh(g), sigmoid(o); cells: f * before + i * g; output:
 * o * tanh(cells). */
ebb_status ebb__lstm_forward(const struct ebb__lstm *shape, const void *gates, const void *cx, const void *hx,
                             void *output, void *cells, void *activations);
/* The gradients of gates, cx and hx (with a weight) from those of the results, each of which may be NULL. */
struct ebb__lstm_backward {
    const void *cx, *cells, *activations, *grad_output, *grad_cells, *grad_activations;
    void *grad_gates, *grad_cx, *grad_hx;
};
ebb_status ebb__lstm_backward(const struct ebb__lstm *shape, const struct ebb__lstm_backward *b);

/* ---- connectionist temporal classification (ctc.c) ----
 * log_probs (frames, batch, classes), f32 or f64; sequence n has input_lengths[n] frames and the target_lengths[n]
 * labels from targets[offsets[n]] on. All have been checked by callers. */
struct ebb__ctc {
    ebb_dtype dtype;
    int64_t frames, batch, classes, blank;
    const void *log_probs;
    const int64_t *targets, *offsets, *input_lengths, *target_lengths;
    bool zero_infinity;
};
/* Minus the logarithm of the probability of each sequence's labels. */
ebb_status ebb__ctc_loss(const struct ebb__ctc *c, double *ret_loss);
/* The gradient of the sum of scale[n] times the loss of n; of infinite losses 0 with zero_infinity. */
ebb_status ebb__ctc_backward(const struct ebb__ctc *c, const double *scale, void *ret_grad);

/* ---- dropout (dropout.c) ----
 * mask[i] is 0 with probability p < 1, else 1; y[i] = mask[i] ? x[i] / (1 - p) : x[i] * 0. Whether element i is kept
 * depends on (seed, first, i) only; take the blocks as for the functions above. y may be x. */
uint64_t ebb__dropout_blocks(int64_t n);
void ebb__dropout(ebb_dtype dtype, uint64_t seed, uint64_t first, int64_t n, double p, const void *x, void *y,
                  uint8_t *mask);
/* p[1] * scale where p[2] (bool) is true, else p[1] * 0; param: const double scale. */
extern ebb__loop_table ebb__loops_masked_scale;

/* ---- negative log likelihood (nll.c) ----
 * logp (rows, classes) contiguous, f32 or f64; `weight` has `classes` elements of the same dtype, or is NULL for ones.
 * Rows whose target is `ignore_index` count nothing. */

/* row_loss[i] = -weight[t] * logp[i, t] with t = target[i] (row_loss may be NULL); *ret_sum is the sum of all and
 * *ret_weight the sum of their weights. Returns -1, or the first row whose target is no class; then nothing is
 * written. */
int64_t ebb__nll_forward(ebb_dtype dtype, int64_t rows, int64_t classes, const void *logp, const int64_t *target,
                         const void *weight, int64_t ignore_index, void *row_loss, double *ret_sum, double *ret_weight);
/* dlogp[i, t] = -weight[t] * scale * grad[i * grad_stride], zero elsewhere; grad_stride in elements, 0 for a mean or
 * sum. Targets have been checked by forward. */
void ebb__nll_backward(ebb_dtype dtype, int64_t rows, int64_t classes, const void *grad, int64_t grad_stride,
                       double scale, const int64_t *target, const void *weight, int64_t ignore_index, void *dlogp);

#endif
