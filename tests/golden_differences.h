/* Where Ebb means to differ from what the golden vectors say, how, and why: read by test_golden. What is no longer so
 * fails there. */
#ifndef EBB_TESTS_GOLDEN_DIFFERENCES_H
#define EBB_TESTS_GOLDEN_DIFFERENCES_H

#include <stddef.h>

enum what { CALL, FORWARD, GRADIENT, SECOND, UPSTREAM, SINGLE, SINGLE_GRADIENT, WHATS }; /* UPSTREAM: ddv */
#define SECONDS (1u << SECOND | 1u << UPSTREAM)
#define DERIVATIVES (1u << GRADIENT | SECONDS | 1u << SINGLE_GRADIENT)
#define ALL 0xffu

/* How a result may differ: by no more than a bound; or where PyTorch has NaN, and Ebb a number; or in that the call is
 * computed where PyTorch refuses it, is refused where PyTorch computes it, or gives another shape. */
enum how { BY, FOR_NAN, COMPUTED, REFUSED, SHAPE };

/* Where Ebb means to differ: how, and by how much (as it is compared: see size_of) at most, in which results of an
 * operator's samples whose text has these words, or both halves of them around "...". What differs more, or in another
 * way, fails. In place of a NaN stands 0, or what `numbers` says; in another shape the same elements, in order. */
static const struct difference {
    const char *op, *words;
    unsigned what;
    enum how how;
    double most;
    const char *reason;
} differences[] = {
    {"digamma", "float32", DERIVATIVES, BY, 3e-5, "PyTorch's trigamma in float32 loses four digits near its poles"},
    {"polygamma", "float32", ALL, BY, 2e-5, "PyTorch's trigamma in float32 loses four digits near its poles"},
    {"polygamma", "i n 1; g self float64", ALL, BY, 5e-10, "PyTorch's trigamma is good to 4.9e-10; Ebb's is to 5e-16"},
    {"sinc", "", SECONDS, FOR_NAN, 0, "at 0 PyTorch divides by 0"},
    {"sinc", "float32", DERIVATIVES, BY, 3e-5, "near 0 PyTorch's are what cancellation leaves"},
    {"gelu", "each", SECONDS, FOR_NAN, 0, "PyTorch multiplies infinity by 0 for the largest numbers"},
    {"mish", "", SECONDS, FOR_NAN, 0, "PyTorch multiplies infinity by 0 for large numbers"},
    {"logaddexp", "", SECONDS, FOR_NAN, 0, "PyTorch's exponentials overflow where self and other are far apart"},
    {"norm", "", SECONDS, FOR_NAN, 0, "PyTorch divides by the norm where it is 0"},
    {"vector_norm", "", SECONDS, FOR_NAN, 0, "PyTorch divides by the norm where it is 0"},
    {"copysign", "each", DERIVATIVES, FOR_NAN, 0, "PyTorch divides the result by self: NaN where self is infinite"},
    {"copysign", "float64(9)", DERIVATIVES, FOR_NAN, 0,
     "PyTorch divides the result by self: NaN where self is infinite"},
    {"eigh", "sample float32", 1u << SINGLE_GRADIENT, BY, 1e-5,
     "computed in double precision; PyTorch's gradients show float32's rounding"},
    {"logsumexp", "(4,2)", DERIVATIVES, FOR_NAN, 0,
     "0 where all elements are -inf, where PyTorch has NaN: rows that are masked out"},
    {"logcumsumexp", "(4,2)", DERIVATIVES, FOR_NAN, 0,
     "0 where all elements are -inf, where PyTorch has NaN: rows that are masked out"},
    {"logcumsumexp", "sample float32", DERIVATIVES, BY, 3e-4,
     "PyTorch goes through logarithms of gradients: at 10000 four digits are left"},
    {"squeeze", "l dim ;", ALL, SHAPE, 0,
     "an empty list of dimensions is all of them, as for sums; PyTorch's squeeze leaves all"},
    {"adaptive_avg_pool1d", "fails...l output_size -1", ALL, COMPUTED, 0, "-1 keeps the size, as None does"},
    {"adaptive_avg_pool2d", "fails...l output_size -1", ALL, COMPUTED, 0, "-1 keeps the size, as None does"},
    {"adaptive_avg_pool3d", "fails...l output_size -1", ALL, COMPUTED, 0, "-1 keeps the size, as None does"},
    {"adaptive_max_pool1d", "fails...l output_size -1", ALL, COMPUTED, 0, "-1 keeps the size, as None does"},
    {"adaptive_max_pool2d", "fails...l output_size -1", ALL, COMPUTED, 0, "-1 keeps the size, as None does"},
    {"adaptive_max_pool3d", "fails...l output_size -1", ALL, COMPUTED, 0, "-1 keeps the size, as None does"},
    {"layer_norm", "float32(1)", DERIVATIVES, BY, 1e-2, "of one element 1 / sqrt(eps) times what rounding leaves of 0"},
    {"batch_norm", "(0)", ALL, REFUSED, 0, "one dimension is no (N, C); PyTorch lets it through where it is empty"},
    {"unique_consecutive", "fails...input float64()@", ALL, COMPUTED, 0,
     "dim may be 0 or -1 of a number, as elsewhere"},
    {"bincount", "self int32(0)...weights float32(5)", ALL, REFUSED, 0,
     "PyTorch does not look at weights where self is empty"},
    {"adaptive_avg_pool1d", ",0)@...i output_size 1;", ALL, REFUSED, 0, "PyTorch takes the mean of nothing for NaN"},
    {"adaptive_avg_pool2d", ",0)@...i output_size 1;", ALL, REFUSED, 0, "PyTorch takes the mean of nothing for NaN"},
    {"adaptive_avg_pool3d", ",0)@...i output_size 1;", ALL, REFUSED, 0, "PyTorch takes the mean of nothing for NaN"},
    {"fill", "fails...value float64(1)@", ALL, COMPUTED, 0, "value broadcasts"},
    {"batch_norm", ",0)@...t running_mean", ALL, REFUSED, 0,
     "PyTorch does not look at statistics where the input is empty"},
    {"batch_norm", "fails; g input float64(2,0)", ALL, COMPUTED, 0,
     "PyTorch looks for the first weight where there is none"},
    {"instance_norm", "fails; g input float64(0,", ALL, COMPUTED, 0,
     "PyTorch looks for the first weight where there is none"},
    {"group_norm", ",0)@", DERIVATIVES, FOR_NAN, 0, "the gradient of weight is a sum of nothing: PyTorch has NaN"},
    {"std", "self float64()", SECONDS, FOR_NAN, 0, "PyTorch divides by the deviation where it is 0"},
    {"index_add", "self float64(3,0)...i dim -1", ALL, REFUSED, 0,
     "PyTorch does not look at indices where self is empty"},
    {"lstsq", "self float64(2,0)...driver gels;", 1u << FORWARD, BY, 1e5,
     "without unknowns the residuals are those of 0, as PyTorch's other drivers have it; with gels it gives 0"},
    {"pixel_unshuffle", "self float64(0,", ALL, SHAPE, 0, "PyTorch gives an empty input as it is"},
    {"pixel_unshuffle", ",0)@", ALL, SHAPE, 0, "PyTorch gives an empty input as it is"},
    {"scaled_dot_product_attention", "key float64(0,", ALL, REFUSED, 0,
     "batches that do not broadcast with none: PyTorch gives zeros"},
    {"scaled_dot_product_attention", "key float32(0,", ALL, REFUSED, 0,
     "batches that do not broadcast with none: PyTorch gives zeros"},
    {"scaled_dot_product_attention", "t attn_mask...b is_causal 1;", ALL, COMPUTED, 0,
     "a mask and is_causal both apply"},
    {"copy", "fails...()@", ALL, COMPUTED, 0, "self broadcasts, too, unless it is written to"},
    {"copy", "fails...self float64(3)@", ALL, COMPUTED, 0, "self broadcasts, too, unless it is written to"},
    {"normal", "expanded fails", ALL, COMPUTED, 0,
     "the result does not overlap itself, as PyTorch's does where self does"},
    {"take_along_dim", "transposed fails", ALL, COMPUTED, 0, "PyTorch's view fails where the elements must be copied"},
    {"kron", "transposed fails", ALL, COMPUTED, 0, "PyTorch's view fails where the elements must be copied"},
    {"kron", "mixed fails", ALL, COMPUTED, 0, "PyTorch's view fails where the elements must be copied"},
    {"celu", "alpha 0.8", DERIVATIVES, BY, 1e-7, "PyTorch rounds 1 / alpha to float32"},
    {"hardsigmoid", "float64", DERIVATIVES, BY, 4e-8, "PyTorch rounds 1 / 6 to float32"},
    {"binary_cross_entropy", "float64", DERIVATIVES, BY, 5e-9,
     "PyTorch rounds the bound 1e-12 to float32, and adds it to input * (1 - input) in the second derivative"},
};

/* What stands in place of PyTorch's NaNs where that is not 0: expressions in the inputs self and other, the upstream
 * gradient v, and that of the second pass w; summed to the shape of what is compared. */
#define SIGNS "copysign(1.0, self) * copysign(1.0, other)"
static const struct {
    const char *op;
    enum what what;
    const char *number;
} numbers[] = {
    {"sinc", SECOND, "-(pi ** 2) / 3 * v * w"},
    {"sinc", UPSTREAM, "-(pi ** 2) / 3 * self * w"},
    {"copysign", GRADIENT, "v * " SIGNS},
    {"copysign", UPSTREAM, "w * " SIGNS},
};

/* In float64 all is compared to 1e-12, but the derivatives of these to 1e-9: for what PyTorch's own are good to, or
 * where rounding is all there is. */
static const struct {
    const char *op, *reason;
} coarse[] = {
    {"lgamma", "the second is PyTorch's trigamma, good to 4.9e-10; Ebb's is to 5e-16"},
    {"digamma", "the first is PyTorch's trigamma, good to 4.9e-10; Ebb's is to 5e-16"},
    {"sinc", "near 0 PyTorch's are what cancellation leaves"},
    {"logcumsumexp", "PyTorch goes through logarithms of gradients"},
    {"layer_norm", "of one or two elements: 1 / sqrt(eps) times what rounding leaves of 0"},
    {"group_norm", "of one element: 1 / sqrt(eps) times what rounding leaves of 0"},
    {"normalize", "of one element: what rounding leaves of 0"},
};
#define N_COARSE (sizeof coarse / sizeof *coarse)

/* What is a difference of nearly equal numbers: an element is compared relative to the one it was computed from, whose
 * rounding is all that is left of it near 0, in PyTorch as here; whose tanh it is decides the last bit. */
static const struct {
    const char *op, *reason;
} cancelling[] = {
    {"tanhshrink", "self - tanh(self), near 0 the rounding of tanh"},
};
#define N_CANCELLING (sizeof cancelling / sizeof *cancelling)

/* The operators without vectors that are not an overload of one that has some. */
static const struct {
    const char *op, *reason;
} without[] = {
    {"ctc_loss_backward",
     "PyTorch's is that of log_softmax before it; it is what ctc_loss and native_ctc_loss are compared by"},
    {"lstm_recurrence_backward", "the gradient and second derivatives of lstm_recurrence are compared"},
    {"linear_recurrence", "no counterpart in PyTorch"},
    {"cauchy", "random: test_random"},
    {"exponential", "random: test_random"},
    {"feature_alpha_dropout", "random: test_random"},
    {"feature_dropout", "random: test_random"},
    {"geometric", "random: test_random"},
    {"log_normal", "random: test_random"},
    {"random", "random: test_random"},
    {"uniform", "random: test_random"},
};
#define N_WITHOUT (sizeof without / sizeof *without)

#define N_DIFFERENCES (sizeof differences / sizeof *differences)

#endif
