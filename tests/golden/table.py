"""Which operators the golden vectors are made of, by family, and what is said about each: read by make_golden.py.

A name is Ebb's; its samples come from the OpInfo entries of PyTorch's tests that have that name, bare or behind linalg.,
special. or nn.functional., and from samples.py."""
import torch

import parts

FAMILIES = {
    "unary": """abs neg exp exp2 expm1 log log1p log2 log10 sqrt rsqrt square reciprocal sin cos tan asin acos atan sinh cosh
        tanh asinh acosh atanh sigmoid logit erf erfc erfinv lgamma digamma sign floor ceil round trunc frac nan_to_num isnan
        isinf isfinite sinc signbit positive deg2rad rad2deg polygamma isposinf isneginf sgn mvlgamma i0 i0e i1 i1e ndtr
        ndtri log_ndtr entr erfcx bitwise_not logical_not""",
    "binary": """add sub mul div pow fmod remainder floor_divide atan2 hypot maximum minimum fmax fmin copysign lerp addcmul
        addcdiv where clamp clamp_min clamp_max masked_fill xlogy xlog1py logaddexp logaddexp2 eq ne lt le gt ge logical_and
        logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift float_power
        heaviside nextafter gcd lcm isclose rsub true_divide ldexp""",
    "reduction": """sum mean prod var std var_mean std_mean amax amin max min argmax argmin logsumexp norm vector_norm cumsum
        cumprod cummax cummin logcumsumexp trace any all count_nonzero nansum nanmean median nanmedian mode aminmax quantile
        diff dist""",
    "shape": """reshape view permute transpose movedim flatten unflatten squeeze unsqueeze expand broadcast_to repeat tile flip
        fliplr flipud roll rot90 narrow select slice as_strided unfold diagonal diag diag_embed diagflat tril triu split chunk
        unbind tensor_split cat stack hstack vstack dstack column_stack pad contiguous clone repeat_interleave meshgrid
        broadcast_tensors view_as expand_as reshape_as t swapaxes swapdims ravel atleast_1d atleast_2d atleast_3d mT block_diag
        to select_scatter slice_scatter diagonal_scatter squeeze_dims moveaxis vander cartesian_prod combinations
        hsplit vsplit dsplit sum_to_size""",
    "indexing": """index index_put index_select index_add index_copy index_fill gather scatter scatter_add scatter_reduce
        take take_along_dim put masked_select masked_scatter sort argsort topk kthvalue msort nonzero argwhere searchsorted
        bucketize one_hot embedding unique unique_consecutive bincount isin histc embedding_bag index_reduce""",
    "linalg": """mm bmm matmul mv dot vdot outer inner addmm addmv addr addbmm baddbmm multi_dot chain_matmul einsum tensordot
        kron cross linalg_cross matrix_power det slogdet logdet inv solve solve_triangular cholesky cholesky_solve cholesky_inverse qr
        eigh eigvalsh svd svdvals lstsq pinv matrix_norm vecdot linear bilinear matrix_exp tensorinv tensorsolve lu_factor
        lu_solve inv_ex cholesky_ex""",
    "activation": """relu relu6 leaky_relu elu selu celu gelu silu mish softplus softsign hardtanh hardswish hardsigmoid
        logsigmoid prelu glu softmax log_softmax softmin threshold hardshrink softshrink tanhshrink""",
    "layer": """conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d max_pool1d max_pool2d max_pool3d
        avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
        adaptive_max_pool2d adaptive_max_pool3d batch_norm layer_norm group_norm instance_norm rms_norm normalize
        local_response_norm dropout alpha_dropout interpolate pixel_shuffle pixel_unshuffle channel_shuffle im2col fold
        cosine_similarity pairwise_distance cdist pdist scaled_dot_product_attention grid_sample affine_grid lp_pool1d
        lp_pool2d lstm_cell""",
    "loss": """mse_loss l1_loss smooth_l1_loss huber_loss nll_loss cross_entropy binary_cross_entropy
        binary_cross_entropy_with_logits kl_div cosine_embedding_loss triplet_margin_loss hinge_embedding_loss
        margin_ranking_loss soft_margin_loss multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss
        gaussian_nll_loss poisson_nll_loss ctc_loss""",
    "creation": """zeros ones full empty eye arange linspace logspace rand randn randint randperm bernoulli multinomial normal
        zeros_like ones_like full_like empty_like rand_like randn_like randint_like tril_indices triu_indices copy fill zero
        poisson""",
    "parts": parts.FAMILY,
}

# Names whose OpInfo entry is not found by the rule above, or where the rule finds too much: "name" or "name.variant".
SOURCES = {
    "max": ["max.reduction_with_dim", "max.reduction_no_dim"],
    "min": ["min.reduction_with_dim", "min.reduction_no_dim"],
    "im2col": ["nn.functional.unfold"],
    "unfold": ["unfold"],
    "norm": ["norm", "norm.inf", "norm.fro"],
    "normalize": ["nn.functional.normalize"],
    "bilinear": ["nn.functional.bilinear"],
    "true_divide": ["true_divide"],
    "cross": ["cross"], "linalg_cross": ["linalg.cross"],
    "copy": [], "fill": [], "zero": [], "index": [], "t": ["t"],
    "conv3d": ["nn.functional.conv3d"],
    "native_dropout_backward": [],  # of integers, which are not differentiated
}
PREFER_LINALG = set("""cholesky qr svd inv det slogdet solve eigh eigvalsh svdvals lstsq pinv matrix_norm vector_norm
    matrix_power multi_dot vecdot solve_triangular tensorinv tensorsolve lu_factor lu_solve inv_ex cholesky_ex vander""".split())

# An argument, and what it goes through before the call. PyTorch's gradient of ctc_loss is that of log_probs before
# log_softmax, and of a matrix that is symmetric or triangular it fills what another formula leaves empty: behind these
# functions all mean the same.
PREPARED = {"ctc_loss": ("log_probs", "log_softmax"), "native_ctc_loss": ("log_probs", "log_softmax"), "pinv": ("self", "symmetric"), "cholesky_solve": ("input2", "tril")}

# Which of equal elements is found is not specified: of those only the values are compared, unless the sort is stable.
TIED = set("sort argsort topk kthvalue median nanmedian mode".split())

# Of a matrix whose rows are all equal these are not defined, or only rounding is left of them.
DECOMPOSED = PREFER_LINALG - {"vander", "vecdot", "multi_dot", "matrix_norm", "vector_norm"} | {
    "logdet", "cholesky_solve", "cholesky_inverse", "matrix_exp"}

# What lies between a tensor's elements can be read by these.
STORAGE_READ = {"as_strided", "reshape_alias"}

# Compared in shape, dtype and range only: PyTorch's random bits, and memory that is not filled.
VALUES_FREE = set("""rand randn randint bernoulli multinomial normal rand_like randn_like randint_like empty empty_like
    poisson""".split())

# PyTorch reads beyond what it is given of another shape: none are derived.
UNCHECKED = set(parts.FAMILY.split())

# A permutation is compared sorted.
UP_TO_ORDER = {"randperm"}

# Eigenvectors and singular vectors are defined up to sign: the absolute values of outputs are compared and differentiated.
UP_TO_SIGN = {"eigh", "svd"}

# Arguments that say nothing here: dropped.
DROPPED = {"device", "pin_memory", "_stacklevel", "generator", "inplace", "non_blocking",
           "copy", "output_size", "driver",
           "norm_type", "compute_mode"}
# ... but for operators where it does.
NOT_DROPPED = {("adaptive_" + kind + f"_pool{n}d", "output_size") for kind in ("avg", "max") for n in (1, 2, 3)}
NOT_DROPPED |= {(f"adaptive_avg_pool{n}d_backward", "output_size") for n in (2, 3)}
NOT_DROPPED |= {("fold", "output_size"), ("lstsq", "driver"), ("embedding", "norm_type")}

# Defaults of arguments that a call in C always writes.
ALWAYS = {
    "slice": {"dim": 0, "start": 0, "end": 2**63 - 1},
    "rot90": {"k": 1, "dims": [0, 1]},
    "diagonal_copy": {"offset": 0, "dim1": 0, "dim2": 1},
}

# PyTorch's argument of a type that has another name in Ebb, where C has one type for each name.
RENAMED = {(f"conv{n}d", "padding", "str"): "auto_padding" for n in (1, 2, 3)}
RENAMED |= {("split", "tensor", "Tensor"): "self", ("split", "split_size_or_sections", "int"): "split_size"}
RENAMED |= {("split", "split_size_or_sections", kind): "split_sizes" for kind in ("list", "tuple")}
RENAMED |= {("scatter", "value", kind): "src" for kind in ("int", "float", "bool", "Tensor")}

# At their poles PyTorch's derivatives are what rounding leaves of infinity, and NaN beyond the largest number.
POLES = {"digamma", "lgamma", "polygamma", "mvlgamma"}

# At 0 PyTorch's second derivative takes the slope of the other side: in float64, where it is compared, 0 is left out.
ZERO_FREE = {"prelu"}

# PyTorch's vector code and its scalar code, for what is left of a tensor behind full vectors, differ in the derivative at NaN.
NAN_FREE = set("relu6 hardtanh elu selu celu hardswish hardsigmoid hardshrink softshrink threshold".split())

# Numbers that PyTorch also takes as tensors, and Ebb as numbers.
NUMBERS = {(name, argument) for name in ("narrow", "linspace", "logspace") for argument in ("start", "end")}
NUMBERS |= {("pinv", "atol"), ("pinv", "rtol")}
NUMBERS |= {("tensor_split", "tensor_indices_or_sections")}

# Arguments that Ebb does not have, by intention: samples with them are counted and left out.
WITHOUT = {
    "as_tuple": "an operator of its own",
    "out": "results are returned",
    "memory_format": "one memory format",
    "layout": "dense tensors only",
    "names": "no named dimensions",
    "size_average": "deprecated for reduction",
    "reduce": "deprecated for reduction",
    "sparse": "dense gradients only",
    "sparse_grad": "dense gradients only",
}
SAYS_NOTHING = [None, False, torch.strided, torch.contiguous_format, torch.preserve_format]
# Operators that have an argument of such a name that is not the deprecated one.
NOT_WITHOUT = {("scatter", "reduce"), ("scatter_reduce", "reduce"), ("index_reduce", "reduce")}
