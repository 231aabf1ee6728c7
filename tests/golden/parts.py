"""Samples of the operators that others are made of, mostly gradients that are operators of their own: PyTorch has them with
other arguments, so each is a function with Ebb's that calls PyTorch's, and a sample is a call of that function."""
from functools import partial

import torch

from arguments import draw, ints, rand

aten = torch.ops.aten
FAMILY = """adaptive_avg_pool2d_backward adaptive_avg_pool3d_backward avg_pool2d_backward avg_pool3d_backward max_pool_backward
    convolution convolution_weight upsample upsample_backward pad_backward normalization_backward native_dropout
    native_dropout_backward flash_attention flash_attention_backward softmax_backward log_softmax_backward sigmoid_backward
    tanh_backward threshold_backward prelu_kernel div_trunc nll_loss_backward native_ctc_loss diagonal_backward diagonal_copy select_backward
    slice_backward unfold_backward reshape_alias unsafe_view to_copy scalar lu_permutation gelu_backward lstm_recurrence
    lstm_layer"""


def constant(*shape):
    return rand(*shape, grad=False)


def listed(size, n):
    return [size] * n if isinstance(size, int) else list(size) * (n if len(size) == 1 else 1)


# ---- as Ebb has them ----


def adaptive_avg_pool2d_backward(grad_output, input_size, output_size):
    return aten._adaptive_avg_pool2d_backward(grad_output, grad_output.new_zeros(input_size))


def adaptive_avg_pool3d_backward(grad_output, input_size, output_size):
    return aten._adaptive_avg_pool3d_backward(grad_output, grad_output.new_zeros(input_size))


def avg_pool2d_backward(grad_output, input_size, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True,
                        divisor_override=None):
    return aten.avg_pool2d_backward(grad_output, grad_output.new_zeros(input_size), listed(kernel_size, 2), listed(stride, 2),
                                    listed(padding, 2), ceil_mode, count_include_pad, divisor_override)


def avg_pool3d_backward(grad_output, input_size, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True,
                        divisor_override=None):
    return aten.avg_pool3d_backward(grad_output, grad_output.new_zeros(input_size), listed(kernel_size, 3), listed(stride, 3),
                                    listed(padding, 3), ceil_mode, count_include_pad, divisor_override)


def max_pool_backward(grad_output, indices, input_size, dims):
    kernel = [n // k for n, k in zip(input_size[-dims:], grad_output.shape[-dims:])]  # of windows side by side
    f = {2: aten.max_pool2d_with_indices_backward, 3: aten.max_pool3d_with_indices_backward}[dims]
    return f(grad_output, grad_output.new_zeros(input_size), kernel, kernel, [0] * dims, [1] * dims, False, indices)


def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    return torch.convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)


def convolution_weight(grad_output, input, weight_size, stride=1, padding=0, dilation=1, groups=1):
    f = {1: torch.nn.grad.conv1d_weight, 2: torch.nn.grad.conv2d_weight, 3: torch.nn.grad.conv3d_weight}[input.ndim - 2]
    return f(input, weight_size, grad_output, stride, padding, dilation, groups)


def resampling(mode, n, antialias, backward):
    linear = {1: "upsample_linear1d", 2: "upsample_bilinear2d", 3: "upsample_trilinear3d"}
    name = {"nearest": f"upsample_nearest{n}d", "nearest-exact": f"_upsample_nearest_exact{n}d", "linear": linear[n],
            "cubic": f"upsample_bicubic{n}d"}[mode]
    return getattr(aten, f"_{name}_aa" * antialias + name * (not antialias) + "_backward" * backward)


def upsample(input, size, mode="nearest", align_corners=False, antialias=False, scales=None):
    n = input.ndim - 2
    corners = [align_corners] * (mode in ("linear", "cubic"))
    return resampling(mode, n, antialias, False)(input, listed(size, n), *corners, *(listed(scales, n) if scales else [None] * n))


def upsample_backward(grad_output, input_size, mode="nearest", align_corners=False, antialias=False, scales=None):
    n = grad_output.ndim - 2
    corners = [align_corners] * (mode in ("linear", "cubic"))
    return resampling(mode, n, antialias, True)(grad_output, grad_output.shape[2:], input_size, *corners,
                                                *(listed(scales, n) if scales else [None] * n))


def pad_backward(grad, input_sizes, pad, mode):
    kind = {"reflect": "reflection", "replicate": "replication"}[mode]
    return getattr(aten, f"{kind}_pad{len(pad) // 2}d_backward")(grad, grad.new_zeros(input_sizes), pad)


def normalization_backward(grad_output, input, rstd, mean, weight, view, wanted):
    outer, batch, groups, channels, run = view
    grad_output, input, rstd, mean, weight = (t.contiguous() for t in (grad_output, input, rstd, mean, weight))
    if outer > 1:
        return aten.native_batch_norm_backward(grad_output, input, weight, None, None, mean, rstd, True, 0.0, [True] * 3)
    if groups > 1 or run > 1:
        return aten.native_group_norm_backward(grad_output, input, mean, rstd, weight, batch, groups * channels, run, groups, [True] * 3)
    return aten.native_layer_norm_backward(grad_output, input, [channels], mean, rstd, weight, torch.zeros_like(weight), [True] * 3)


def native_dropout(input, p):
    return torch.native_dropout(input, p, True)


def native_dropout_backward(grad_output, mask, scale):
    return aten.native_dropout_backward(grad_output, mask, scale)


def flash_attention(query, key, value, attn_mask=None, is_causal=False, scale=None):
    query, key, value = (t.contiguous() for t in (query, key, value))
    return aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, is_causal, attn_mask=attn_mask, scale=scale)


def flash_attention_backward(grad_output, query, key, value, output, logsumexp, attn_mask=None, is_causal=False, scale=None):
    tensors = [t.contiguous() for t in (grad_output, query, key, value, output, logsumexp)]
    return aten._scaled_dot_product_flash_attention_for_cpu_backward(*tensors, 0.0, is_causal, attn_mask=attn_mask, scale=scale)


def softmax_backward(grad_output, output, dim):
    return torch._softmax_backward_data(grad_output, output, dim, output.dtype)


def log_softmax_backward(grad_output, output, dim):
    return torch._log_softmax_backward_data(grad_output, output, dim, output.dtype)


def sigmoid_backward(grad_output, output):
    return aten.sigmoid_backward(grad_output, output)


def tanh_backward(grad_output, output):
    return aten.tanh_backward(grad_output, output)


def threshold_backward(grad_output, output):
    return aten.threshold_backward(grad_output, output, 0)


def gelu_backward(grad_output, self, approximate="none"):
    return aten.gelu_backward(grad_output, self, approximate=approximate)


def lstm_recurrence(gates, cx, hx=None, w_hh=None):
    steps, (c, h), results = gates if gates.ndim == 3 else [gates], (cx, hx), []
    for sums in steps:
        i, f, g, o = (sums if w_hh is None else sums + h @ w_hh.T).chunk(4, -1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        h = o * c.tanh()
        results.append((h, c, torch.cat([i, f, g, o], -1)))
    return tuple(torch.stack(r) if gates.ndim == 3 else r[0] for r in zip(*results))


def lstm_layer(input, hx, cx, w_ih, w_hh, b_ih=None, b_hh=None):
    weights = [w_ih, w_hh] + ([b_ih, b_hh] if b_ih is not None else [])
    output, h, c = torch.lstm(input, (hx[None], cx[None]), weights, b_ih is not None, 1, 0.0, False, False, False)
    return output, h[0], c[0]


def prelu_kernel(self, weight):
    return torch._prelu_kernel(self, weight)


def div_trunc(self, other):
    return torch.div(self, other, rounding_mode="trunc")


def nll_loss_backward(grad_output, target, total_weight, weight, size, ignore_index, reduction):
    f = aten.nll_loss2d_backward if len(size) == 4 else aten.nll_loss_backward
    return f(grad_output, grad_output.new_zeros(size), target, weight, ["none", "mean", "sum"].index(reduction),
             ignore_index[0], total_weight)


def native_ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, zero_infinity=False):
    return torch._ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)[0]


def diagonal_backward(grad, input_sizes, offset, dim1, dim2):
    return aten.diagonal_backward(grad, input_sizes, offset, dim1, dim2)


def diagonal_copy(self, offset, dim1, dim2):
    return torch.diagonal_copy(self, offset, dim1, dim2)


def select_backward(grad, input_sizes, dim, index):
    return aten.select_backward(grad, input_sizes, dim, index)


def slice_backward(grad, input_sizes, dim, start, end, step=1):
    return aten.slice_backward(grad, input_sizes, dim, start, end, step)


def unfold_backward(grad_in, input_sizes, dimension, size, step):
    return aten.unfold_backward(grad_in, input_sizes, dimension, size, step)


def reshape_alias(self, size):
    strides = [1]
    for n in reversed(size[1:]):
        strides.insert(0, strides[0] * n)
    return aten._reshape_alias(self, size, strides)


def unsafe_view(self, size):
    return aten._unsafe_view(self.clone(memory_format=torch.contiguous_format), size)


def to_copy(self, dtype):
    return aten._to_copy(self, dtype=dtype)


def scalar(value, dtype=None):
    return torch.tensor(value, dtype=dtype or torch.get_default_dtype())


def lu_permutation(pivots, rows):
    order = torch.lu_unpack(torch.zeros(*pivots.shape[:-1], rows, pivots.shape[-1], dtype=torch.float64), pivots, unpack_data=False)[0]
    return order.argmax(-2)


# ---- samples ----


def pooling():
    yield adaptive_avg_pool2d_backward, [(rand(2, 3, 2, 3), [2, 3, 5, 4], [2, 3]), (rand(2, 4, 4), [2, 3, 3], [4, 4]),
                                         (rand(0, 2, 2, 2), [0, 2, 3, 4], [2, 2])]
    yield adaptive_avg_pool3d_backward, [(rand(1, 2, 2, 2, 2), [1, 2, 3, 4, 3], [2, 2, 2]), (rand(2, 1, 1, 1), [2, 3, 2, 2], [1, 1, 1])]
    yield avg_pool2d_backward, [(rand(2, 3, 2, 3), [2, 3, 4, 6], 2), (rand(1, 2, 3, 2), [1, 2, 5, 4], [2, 3], [2, 1], [1, 0]),
                                (rand(2, 3, 3), [2, 5, 5], 3, 2, 1, False, False), (rand(1, 1, 2, 3), [1, 1, 3, 5], 2, 2, 0, True),
                                (rand(1, 1, 2, 2), [1, 1, 4, 4], 2, 2, 0, False, True, 3)]
    yield avg_pool3d_backward, [(rand(1, 2, 2, 1, 2), [1, 2, 4, 3, 5], 2), (rand(1, 2, 2, 2), [1, 3, 3, 3], 2, 1),
                                (rand(1, 1, 2, 2, 2), [1, 1, 3, 3, 3], 2, 2, 1, False, False)]
    flat = lambda *shape: draw(4, *shape)  # noqa: E731
    yield max_pool_backward, [(rand(1, 2, 2, 2), torch.stack([flat(2, 2), flat(2, 2)])[None], [1, 2, 4, 4], 2),
                              (rand(2, 1, 3), flat(2, 1, 3), [2, 2, 6], 2), (rand(1, 2, 1, 2, 2), flat(1, 2, 1, 2, 2), [1, 2, 2, 4, 4], 3)]


def convolutions():
    yield convolution, [(rand(2, 2, 5), rand(3, 2, 3), rand(3), [1], [0], [1], False, [0], 1),
                        (rand(1, 2, 4, 5), rand(2, 1, 3, 2), None, [2, 1], [1, 0], [1, 2], False, [0, 0], 2),
                        (rand(1, 2, 3, 3), rand(2, 3, 2, 2), rand(3), [2, 2], [1, 0], [1, 1], True, [1, 0], 1),
                        (rand(1, 1, 3, 3, 2), rand(2, 1, 2, 2, 2), None, [1, 1, 1], [0, 1, 0], [1, 1, 1], False, [0, 0, 0], 1),
                        (rand(2, 2, 5), rand(3, 3, 3), None, [1], [0], [1], False, [0], 1)]
    yield convolution_weight, [(rand(2, 3, 3), rand(2, 2, 5), [3, 2, 3]), (rand(1, 2, 2, 3), rand(1, 2, 5, 4), [2, 2, 3, 2], 2, [0, 1]),
                               (rand(2, 4, 2, 2), rand(2, 2, 5, 3), [4, 1, 2, 2], [2, 1], 0, 1, 2),
                               (rand(1, 2, 4), rand(1, 1, 7), [2, 1, 2], 1, 0, 3)]


def resized():
    yield upsample, [(rand(1, 2, 3), [6]), (rand(1, 2, 3, 4), [6, 7]), (rand(1, 1, 2, 2, 3), [3, 4, 5]), (rand(1, 2, 3, 3), [5, 2], "nearest-exact"),
                     (rand(2, 3, 5), [3], "linear"), (rand(1, 1, 2, 3, 2), [3, 4, 5], "linear"), (rand(1, 2, 4, 3), [6, 6], "linear", True),
                     (rand(1, 2, 4, 3), [7, 5], "cubic"), (rand(1, 1, 4, 3), [7, 5], "cubic", True),
                     (rand(1, 2, 4, 3), [6, 4], "linear", False, False, [1.6, 1.4]), (rand(1, 1, 3), [5], "nearest", False, False, [1.7]),
                     (rand(1, 1, 7, 5), [3, 6], "linear", False, True), (rand(1, 1, 5, 9), [4, 3], "cubic", False, True)]
    yield upsample_backward, [(rand(1, 2, 6, 7), [1, 2, 3, 4]), (rand(1, 2, 5), [1, 2, 3], "nearest-exact"), (rand(1, 2, 5), [1, 2, 3], "linear"),
                              (rand(1, 2, 6, 6), [1, 2, 4, 3], "linear", True), (rand(1, 2, 5, 7), [1, 2, 4, 3], "cubic"),
                              (rand(1, 1, 3, 6), [1, 1, 7, 5], "linear", False, True), (rand(1, 1, 3, 4, 2), [1, 1, 2, 3, 4], "linear"),
                              (rand(1, 2, 6, 4), [1, 2, 4, 3], "linear", False, False, [1.6, 1.4])]


def layers():
    yield pad_backward, [(rand(2, 10), [2, 5], [2, 3], "reflect"), (rand(2, 4, 5), [2, 3, 4], [-1, 2, 1, 0], "reflect"),
                         (rand(2, 9), [2, 3], [2, 4], "replicate"), (rand(1, 2, 4, 4), [1, 2, 3, 2], [1, 1, 0, 1], "replicate"),
                         (rand(1, 4, 4, 5), [1, 2, 3, 4], [0, 1, 1, 0, 1, 1], "reflect")]
    row = (constant(3, 1), constant(3, 1))
    yield normalization_backward, [
        (constant(3, 4), constant(3, 4), *row, constant(4), [1, 3, 1, 4, 1], 7),
        (constant(2, 4, 3), constant(2, 4, 3), constant(2, 2), constant(2, 2), constant(4), [1, 2, 2, 2, 3], 7),
        (constant(2, 3, 4), constant(2, 3, 4), constant(3), constant(3), constant(3), [2, 1, 3, 1, 4], 7)]
    yield native_dropout, [(rand(3, 4), 0.0), (rand(3, 4), 1.0), (rand(), 0.0), (rand(3), -0.1), (rand(3), 1.5)]
    yield native_dropout_backward, [(rand(3, 4), torch.rand(3, 4) < 0.5, 2.0), (rand(), torch.tensor(True), 1.5)]
    q, k, v = (1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 4)
    yield flash_attention, [(rand(*q), rand(*k), rand(*v)), (rand(*q), rand(*q), rand(*q), None, True),
                            (rand(*q), rand(*k), rand(*v), constant(3, 5), False, 0.3)]
    for mask, causal in ((None, False), (None, True), (constant(3, 5), False)):
        leaves = [constant(*s) for s in (q, q if causal else k, q if causal else v)]
        results = flash_attention(*leaves, mask, causal)
        yield flash_attention_backward, [(constant(*q), *leaves, *results, mask, causal)]


def elementwise():
    for f in (softmax_backward, log_softmax_backward):
        yield f, [(rand(3, 4), rand(3, 4), 1), (rand(2, 3, 4), rand(2, 3, 4), -2), (rand(), rand(), 0), (rand(0, 3), rand(0, 3), 1)]
    for f in (sigmoid_backward, tanh_backward, threshold_backward):
        yield f, [(rand(3, 4), rand(3, 4)), (rand(), rand()), (rand(0, 3), rand(0, 3))]
    for approximate in ("none", "tanh"):
        for dtype in (torch.float64, torch.float32):
            yield gelu_backward, [(rand(*shape, dtype=dtype), rand(*shape, low=-6, high=6, dtype=dtype), approximate)
                                  for shape in ((3, 4), (), (0, 3))]
    yield div_trunc, [(rand(3, 4), rand(3, 4, low=0.3)), (rand(3, 1), rand(4, low=0.3)), (rand(), 0.3), (ints(7, -7, 8), ints(2, 2, -3))]
    yield prelu_kernel, [(rand(3, 4), rand(3, 4)), (rand(3, 4), rand(4)), (rand(), rand())]


def recurrences():
    for dtype in (torch.float64, torch.float32):
        r = partial(rand, dtype=dtype)
        yield lstm_recurrence, [(r(8), r(2)), (r(3, 8), r(3, 2)), (r(3, 8), r(3, 2), r(3, 2), r(8, 2)),
                                (r(4, 3, 8), r(3, 2), r(3, 2), r(8, 2)), (r(3, 2, 8), r(2, 2)),
                                (r(5, 9, 72), r(9, 18), r(9, 18), r(72, 18)), (r(2, 0, 8), r(0, 2), r(0, 2), r(8, 2))]
        yield lstm_layer, [(r(5, 3, 4), r(3, 2), r(3, 2), r(8, 4), r(8, 2), r(8), r(8)),
                           (r(2, 3, 4), r(3, 1), r(3, 1), r(4, 4), r(4, 1))]


def losses():
    weight = rand(4, low=0.5, grad=False)
    yield nll_loss_backward, [(rand(), draw(4, 3), torch.tensor(3.0, dtype=torch.float64), None, [3, 4], [-100], "mean"),
                              (rand(), draw(4, 3), torch.tensor(0.0, dtype=torch.float64), None, [3, 4], [0], "sum"),
                              (rand(3), draw(4, 3), torch.tensor(0.0, dtype=torch.float64), weight, [3, 4], [-100], "none"),
                              (rand(2, 2, 3), draw(4, 2, 2, 3), torch.tensor(0.0, dtype=torch.float64), weight, [2, 4, 2, 3], [1], "none")]
    yield native_ctc_loss, [(rand(6, 2, 4), ints(1, 2, 2, 3, 1, 1).reshape(2, 3), ints(6, 4), ints(3, 2)),
                            (rand(5, 2, 4), ints(1, 2, 3, 1).reshape(2, 2), ints(5, 5), ints(2, 2), 0, True)]


def shapes():
    yield diagonal_backward, [(rand(3), [3, 4], 0, 0, 1), (rand(2, 2), [3, 2, 4], 1, 0, 2), (rand(2), [3, 2], -1, 0, 1)]
    yield diagonal_copy, [(rand(3, 4), 0, 0, 1), (rand(3, 2, 4), 1, 0, 2), (rand(3, 4), -1, 1, 0), (rand(0, 3), 0, 0, 1)]
    yield select_backward, [(rand(4), [3, 4], 0, 1), (rand(3), [3, 4], 1, -1), (rand(), [3], 0, -1)]
    yield slice_backward, [(rand(2, 4), [5, 4], 0, 1, 3), (rand(3), [5], 0, 0, 5, 2), (rand(2, 2), [2, 5], 1, -3, -1), (rand(0, 4), [5, 4], 0, 3, 3)]
    yield unfold_backward, [(rand(3, 3), [5], 0, 3, 1), (rand(3, 2, 2), [3, 7], 1, 2, 3)]
    for f in (reshape_alias, unsafe_view):
        yield f, [(rand(3, 4), [2, 6]), (rand(), [1]), (rand(0, 3), [3, 0])]
    yield to_copy, [(rand(3, 4), torch.float32), (rand(), torch.float64), (rand(0, 3), torch.int64), (draw(5, 4), torch.float32),
                    (constant(3), torch.bool)]
    yield scalar, [(2.5,), (-3, torch.int64), (True,), (1, torch.float64)]
    yield lu_permutation, [(torch.tensor([3, 3, 3], dtype=torch.int32), 3), (torch.tensor([[2, 4], [1, 2]], dtype=torch.int32), 4)]


def of(name):
    """The calls of an operator."""
    found = []
    for group in (pooling, convolutions, resized, layers, elementwise, recurrences, losses, shapes) if name in FAMILY.split() else ():
        for function, calls in group():
            if function.__name__ == name:
                found += [partial(function, *call) for call in calls]
    return found
