"""Calls that go through an operator's arguments, for those of which PyTorch's tests have few samples, or large ones only. What
PyTorch refuses of them, Ebb must refuse."""
import itertools
import math

import torch
import torch.nn.functional as F

inf = math.inf


def rand(*shape, dtype=torch.float64, grad=True, low=-2.0, high=2.0):
    return (torch.rand(shape, dtype=dtype) * (high - low) + low).requires_grad_(grad)


def ints(*values, dtype=torch.int64):
    return torch.tensor(values, dtype=dtype)


def draw(most, *shape, dtype=torch.int64):
    return torch.randint(0, most, shape, dtype=dtype)


# ---- layers ----


def attention():
    def call(q, k, v, mask=None, dtype=torch.float64, **options):
        tensors = [rand(*s, dtype=dtype) for s in (q, k, v)]
        return F.scaled_dot_product_attention(*tensors, attn_mask=mask and mask(), **options)

    def sees(*shape):
        return lambda: torch.rand(shape) < 0.7

    def adds(*shape, grad=False, dtype=torch.float64):
        return lambda: rand(*shape, grad=grad, dtype=dtype)

    plain, heads = [(2, 3, 4), (2, 5, 4), (2, 5, 2)], [(2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3)]
    long = [(70, 3), (90, 3), (90, 2)]
    yield lambda: call(*plain)
    yield lambda: call(*plain, dropout_p=0.0)
    for scale in (0.3, 1.0, -0.5):
        yield lambda scale=scale: call(*plain, scale=scale)
    for q, k in ((3, 3), (3, 5), (5, 3), (1, 4), (4, 1)):
        yield lambda q=q, k=k: call((2, q, 4), (2, k, 4), (2, k, 4), is_causal=True)
    yield lambda: call(*heads)
    yield lambda: call(*heads, is_causal=True, scale=0.4)
    for shape in ((3, 5), (1, 5), (3, 1), (1, 3, 5), (2, 3, 5), (2, 1, 5)):
        yield lambda shape=shape: call(*plain, sees(*shape))
        yield lambda shape=shape: call(*plain, adds(*shape))
    for shape in ((3, 5), (2, 3, 5), (2, 1, 3, 5), (1, 2, 3, 5), (2, 2, 1, 5), (1, 1, 3, 5)):
        yield lambda shape=shape: call(*heads, sees(*shape))
        yield lambda shape=shape: call(*heads, adds(*shape, grad=True))
    yield lambda: call(*plain, lambda: ints(1, 1, 0, 0, 1).bool().reshape(1, 5).repeat(3, 1).logical_and(ints(1, 0, 1).bool()[:, None]))
    yield lambda: call(*plain, lambda: torch.zeros(3, 5, dtype=torch.float64).index_fill(1, ints(1, 4), -inf))
    yield lambda: call(*plain, adds(3, 5), scale=0.25)
    yield lambda: call(*plain, sees(3, 5), is_causal=True)
    yield lambda: call(*plain, adds(3, 5), is_causal=True)
    yield lambda: call((2, 3, 0), (2, 5, 0), (2, 5, 2))
    yield lambda: call((2, 4, 3, 2), (2, 2, 5, 2), (2, 2, 5, 2), enable_gqa=True)
    yield lambda: call((1, 6, 3, 2), (1, 2, 3, 2), (1, 2, 3, 4), enable_gqa=True, is_causal=True)
    yield lambda: call((2, 4, 3, 2), (2, 4, 5, 2), (2, 4, 5, 2), enable_gqa=True)
    yield lambda: call((2, 4, 3, 2), (2, 1, 5, 2), (2, 1, 5, 2), sees(3, 5), enable_gqa=True)
    yield lambda: call((2, 1, 3, 4), (1, 2, 5, 4), (2, 2, 5, 4))
    yield lambda: call((3, 4), (5, 4), (5, 4))
    yield lambda: call((3, 4), (5, 4), (5, 4), sees(3, 5))
    yield lambda: call((2, 1, 2, 3, 4), (2, 1, 2, 5, 4), (2, 1, 2, 5, 4))
    yield lambda: call(*long)
    yield lambda: call(*long, is_causal=True)
    yield lambda: call(*long, sees(70, 90))
    for dtype in (torch.float32,):
        yield lambda: call(*heads, dtype=dtype)
        yield lambda: call(*heads, dtype=dtype, is_causal=True)
        yield lambda: call(*heads, sees(3, 5), dtype=dtype)
        yield lambda: call(*heads, adds(3, 5, dtype=dtype, grad=True), dtype=dtype)
        yield lambda: call(*long, dtype=dtype, is_causal=True)
    for wrong in ([(2, 3, 4), (2, 5, 3), (2, 5, 2)], [(2, 3, 4), (3, 5, 4), (3, 5, 4)], [(4,), (4,), (4,)]):
        yield lambda wrong=wrong: call(*wrong)
    yield lambda: call(*plain, sees(2, 5))
    yield lambda: call(*plain, lambda: draw(2, 3, 5))
    yield lambda: call((2, 3, 3, 2), (2, 2, 3, 2), (2, 2, 3, 2), enable_gqa=True)


def folds():
    shapes = [((2, 12, 4), (3, 3), (2, 2), {}), ((8, 4), (4, 4), 2, {"stride": 2}), ((1, 8, 9), (5, 5), (2, 2), {"dilation": 2}),
              ((1, 4, 9), (4, 4), 2, {"padding": 1, "stride": 2}), ((4, 9), (4, 4), 2, {"padding": 1, "stride": 2}),
              ((2, 6, 8), (3, 5), (2, 3), {"stride": (1, 2), "padding": (0, 1)}),
              ((1, 12, 6), (5, 7), (3, 2), {"stride": (2, 2), "dilation": (1, 2), "padding": (0, 0)}),
              ((2, 4, 4), 4, 2, {"stride": 2}), ((1, 3, 12), (3, 4), 1, {}), ((1, 9, 1), (3, 3), 3, {}),
              ((1, 4, 25), (4, 4), 2, {"padding": 1}), ((1, 18, 4), (4, 4), (3, 3), {"stride": 1}),
              ((1, 6, 4), (4, 3), (3, 2), {}), ((1, 2, 3), (1, 4), (1, 2), {})]
    for shape, size, kernel, options in shapes:
        yield lambda a=(shape, size, kernel), o=options: F.fold(rand(*a[0]), a[1], a[2], **o)
    for shape in ((2, 12, 4), (4, 9)):
        kernel = 2
        yield lambda s=shape: F.fold(rand(*s, dtype=torch.float32), (3, 3) if len(s) == 3 else (4, 4), kernel,
                                     padding=0 if len(s) == 3 else 1, stride=1 if len(s) == 3 else 2)
    for shape, size, kernel, options in (((2, 12, 5), (3, 3), 2, {}), ((2, 13, 4), (3, 3), 2, {}), ((2, 12, 4), (3, 3), 2, {"stride": 0}),
                                         ((1, 2, 12, 4), (3, 3), 2, {}), ((12, 4), (1, 1), 2, {}), ((2, 12, 4), (3, 3), 2, {"padding": -1})):
        yield lambda a=(shape, size, kernel), o=options: F.fold(rand(*a[0]), a[1], a[2], **o)


def adaptive(n, kind):
    f = getattr(F, f"adaptive_{kind}_pool{n}d")
    image = (5, 4, 3)[:n]
    sizes = [1, 2, (2, 3, 2)[:n], (5, 4, 3)[:n], (3, 2, 1)[:n], (6, 5, 4)[:n]]
    if n > 1:
        sizes += [(None, 2, None)[:n], (2, None, 1)[:n], (None,) * n]
    for batch, size in itertools.product(((2, 2), (2,)), sizes):
        yield lambda batch=batch, size=size: f(rand(*batch, *image), size)
    yield lambda: f(rand(2, 2, *image, dtype=torch.float32), sizes[2])
    yield lambda: f(rand(2, *image), (0,) * n)
    yield lambda: f(rand(2, *image), (2,) * (n + 1))
    yield lambda: f(rand(2, *image), (-2,) * n)
    yield lambda: f(rand(*image), 2)


def transposed_convolution():
    f = F.conv_transpose3d
    for options in ({}, {"stride": 2}, {"padding": 1}, {"stride": (1, 2, 1), "output_padding": (0, 1, 0)}, {"dilation": 2},
                    {"groups": 2}, {"stride": 2, "padding": 1, "output_padding": 1, "dilation": (1, 2, 1)}):
        yield lambda o=options: f(rand(1, 2, 2, 3, 2), rand(2, 1, 2, 2, 2), rand(2 if "groups" in o else 1), **o)
    yield lambda: f(rand(2, 2, 3, 2), rand(2, 2, 1, 2, 2))


def shuffles(name):
    f = getattr(F, name)
    shapes = [(1, 4, 2, 3), (4, 2, 1), (2, 8, 1, 2), (2, 1, 4, 1, 2)] if name == "pixel_shuffle" else [(1, 1, 4, 6), (3, 2, 4), (2, 2, 2, 2),
                                                                                                    (2, 1, 3, 4, 2)]
    for shape in shapes:
        yield lambda s=shape: f(rand(*s), 2)
    yield lambda: f(rand(*((18, 1, 2) if name == "pixel_shuffle" else (2, 3, 6))), 3)
    yield lambda: f(rand(2, 3, 4), 1)
    for shape, factor in (((1, 3, 3, 5), 2), ((4, 4), 2), ((4, 4, 4), 0), ((4, 4, 4), -2)):
        yield lambda s=shape, n=factor: f(rand(*s), n)


def normalizations(name):
    f = getattr(F, name)
    if name in ("layer_norm", "rms_norm"):
        for shape, size in (((3, 4), (4,)), ((2, 3, 4), (3, 4)), ((4,), (4,)), ((2, 3, 4), (2, 3, 4)), ((2, 20), (20,))):
            yield lambda s=shape, n=size: f(rand(*s), n)
            yield lambda s=shape, n=size: f(rand(*s), n, rand(*n))
            yield lambda s=shape, n=size: f(rand(*s, dtype=torch.float32), n, eps=0.1)
        if name == "layer_norm":
            yield lambda: f(rand(3, 4), (4,), rand(4), rand(4), 0.01)
            yield lambda: f(rand(3, 4), (4,), None, rand(4))
        for shape, size, weight in (((3, 4), (3,), None), ((3, 4), (), None), ((3, 4), (4,), (3,)), ((4,), (3, 4), None)):
            yield lambda s=shape, n=size, w=weight: f(rand(*s), n, rand(*w) if w else None)
        return
    shapes = ((3, 4), (2, 4, 3), (2, 4, 2, 3), (1, 4, 2, 1, 2))
    if name == "group_norm":
        for shape, groups in itertools.product(shapes, (1, 2, 4)):
            yield lambda s=shape, n=groups: f(rand(*s), n)
            yield lambda s=shape, n=groups: f(rand(*s), n, rand(4), rand(4), 0.01)
        yield lambda: f(rand(2, 4, 3, dtype=torch.float32), 2, rand(4, dtype=torch.float32))
        for shape, groups, weight in (((2, 4, 3), 3, None), ((4,), 2, None), ((2, 4, 3), 0, None), ((2, 4, 3), 2, (3,))):
            yield lambda s=shape, n=groups, w=weight: f(rand(*s), n, rand(*w) if w else None)
        return
    batch = name == "batch_norm"
    means = lambda n=4: (rand(n, grad=False), rand(n, low=0.5, grad=False))  # noqa: E731
    for shape, own in itertools.product(shapes if batch else shapes[1:], (True, False)):
        yield lambda s=shape, o=own: f(rand(*s), *means(), None, None, o)
        yield lambda s=shape, o=own: f(rand(*s), *means(), rand(4), rand(4), o, 0.3, 0.01)
    yield lambda: f(rand(2, 4, 3), None, None, rand(4), None, True)
    yield lambda: f(rand(2, 4, 3), None, None, None, rand(4), True, 0.0)
    yield lambda: f(rand(2, 4, 3, dtype=torch.float32), None, None, None, None, True)
    yield lambda: f(rand(2, 4, 3), None, None, None, None, False)
    yield lambda: f(rand(2, 4, 3), *means(3), None, None, True)
    yield lambda: f(rand(2, 4, 3), None, None, rand(3), None, True)
    yield lambda: f(rand(1, 4, 1), None, None, None, None, True)
    yield lambda: f(rand(4), *means(), None, None, True)


# ---- losses ----


def ctc():
    def call(shape, targets, inputs, lengths, **options):
        return F.ctc_loss(rand(*shape), targets(), inputs() if callable(inputs) else inputs,
                          lengths() if callable(lengths) else lengths, **options)

    two = ((6, 2, 4), lambda: ints(1, 2, 2, 3, 1, 1).reshape(2, 3))
    lengths = (lambda: ints(6, 4), lambda: ints(3, 2))
    for reduction, zero in itertools.product(("mean", "sum", "none"), (False, True)):
        yield lambda r=reduction, z=zero: call(*two, *lengths, reduction=r, zero_infinity=z)
        yield lambda r=reduction, z=zero: call((3, 2, 3), lambda: ints(1, 1, 2, 1).reshape(2, 2), lambda: ints(2, 3), lambda: ints(2, 2),
                                               reduction=r, zero_infinity=z)
    for blank in (1, 3):
        yield lambda b=blank: call((6, 2, 4), lambda: ints(0, 2, 2, 0, 2, 2).reshape(2, 3), *lengths, blank=b)
    yield lambda: call(*two, [6, 4], [3, 2])
    yield lambda: call(*two, (5, 6), (1, 3), reduction="none")
    yield lambda: call(*two, [6, 4], [3, 2], blank=0, zero_infinity=True, reduction="sum")
    yield lambda: call((5, 2, 4), lambda: ints(1, 2, 3, 1), lambda: ints(5, 5), lambda: ints(3, 1), blank=0)
    yield lambda: call((5, 2, 4), lambda: ints(1, 2, 3, 1), [5, 4], [1, 3], reduction="none")
    yield lambda: call((5, 2, 4), lambda: ints(1, 2, 3, 1, dtype=torch.int32), lambda: ints(5, 5, dtype=torch.int32),
                       lambda: ints(3, 1, dtype=torch.int32))
    yield lambda: call((2, 1, 4), lambda: ints(1, 1), lambda: ints(2), lambda: ints(2), reduction="sum", zero_infinity=True)
    yield lambda: call((5, 4), lambda: ints(1, 2, 2), lambda: torch.tensor(5), lambda: torch.tensor(3))
    yield lambda: call((5, 4), lambda: ints(3), lambda: torch.tensor(4), lambda: torch.tensor(1), reduction="none")
    for reduction in ("mean", "sum", "none"):  # targets without labels
        yield lambda r=reduction: call((4, 2, 3), lambda: ints(1, 2, 0, 0).reshape(2, 2), lambda: ints(4, 3), lambda: ints(2, 0), reduction=r)
        yield lambda r=reduction: call((4, 2, 3), lambda: torch.zeros(2, 0, dtype=torch.int64), [4, 4], [0, 0], reduction=r)
    yield lambda: call((1, 1, 3), lambda: ints(2).reshape(1, 1), [1], [1])
    yield lambda: F.ctc_loss(rand(6, 2, 4, dtype=torch.float32), two[1](), ints(6, 4), ints(3, 2))
    yield lambda: call((5, 2, 4), two[1], lambda: ints(6, 4), lambda: ints(3, 2))  # more frames than there are
    yield lambda: call(*two, lambda: ints(6), lambda: ints(3, 2))
    yield lambda: call(*two, *lengths, blank=4)
    yield lambda: call(*two, [6, 4], [4, 2])
    yield lambda: call((6, 2, 4), lambda: ints(1, 2, 2), [6, 4], [3, 2])


def multilabel_soft_margin():
    f = F.multilabel_soft_margin_loss
    for reduction, weight in itertools.product(("mean", "sum", "none"), (None, (3,), (2, 3))):
        yield lambda r=reduction, w=weight: f(rand(2, 3), torch.rand(2, 3, dtype=torch.float64).round(),
                                              rand(*w, low=0.5, grad=False) if w else None, reduction=r)
    yield lambda: f(rand(3), torch.rand(3, dtype=torch.float64).round())
    yield lambda: f(rand(2, 2, 3), torch.rand(2, 2, 3, dtype=torch.float64).round(), reduction="none")
    yield lambda: f(rand(2, 3), rand(2, 2, grad=False))


def margins(name):
    f = getattr(F, name)
    of = lambda *shape: draw(3, *shape) if name == "multi_margin_loss" else draw(3, *shape, 3)  # noqa: E731
    for reduction, shape in itertools.product(("mean", "sum", "none"), ((), (4,), (0,))):
        if shape != (0,) or reduction != "mean":
            yield lambda r=reduction, s=shape: f(rand(*s, 3), of(*s), reduction=r)
    yield lambda: f(rand(4, 3, dtype=torch.float32), of(4))
    yield lambda: f(rand(4, 0), torch.zeros(4, *(0,) * (name != "multi_margin_loss"), dtype=torch.int64))
    yield lambda: f(rand(4, 3), of(3))
    yield lambda: f(rand(2, 4, 3), of(2))


# ---- indexing ----


def embedding():
    options = ({}, {"padding_idx": 0}, {"padding_idx": 4}, {"padding_idx": -1}, {"padding_idx": -5}, {"scale_grad_by_freq": True},
               {"padding_idx": 2, "scale_grad_by_freq": True})
    for o, shape in itertools.product(options, ((), (7,), (2, 4))):
        yield lambda o=o, shape=shape: F.embedding(draw(5, *shape), rand(5, 3), **o)
    yield lambda: F.embedding(ints(1, 1, 1, 0, dtype=torch.int32), rand(5, 3), scale_grad_by_freq=True)
    yield lambda: F.embedding(draw(5, 2, 2, 3), rand(5, 1))
    yield lambda: F.embedding(draw(5, 0), rand(5, 3), padding_idx=1)
    yield lambda: F.embedding(draw(5, 6), rand(5, 3, dtype=torch.float32), padding_idx=1)
    for norm, p in ((1.0, 2.0), (0.5, 1.0), (2.0, 3.0), (100.0, 2.0), (0.7, inf)):
        yield lambda norm=norm, p=p: F.embedding(ints(3, 0, 3), rand(5, 3), max_norm=norm, norm_type=p)
    yield lambda: F.embedding(ints(3, 1, 3), rand(5, 3), padding_idx=1, max_norm=1.0, scale_grad_by_freq=True)
    for wrong in (lambda: F.embedding(ints(5), rand(5, 3)), lambda: F.embedding(ints(-1), rand(5, 3)), lambda: F.embedding(ints(0), rand(5)),
                  lambda: F.embedding(ints(0), rand(5, 3), padding_idx=5), lambda: F.embedding(ints(0), rand(5, 3), padding_idx=-6),
                  lambda: F.embedding(rand(2), rand(5, 3))):
        yield wrong


def one_hot():
    for shape, classes in (((4,), -1), ((4,), 3), ((2, 3), 4), ((2, 3), -1), ((), 3), ((2, 1, 2), 3), ((0,), 3), ((2, 0), 4)):
        yield lambda s=shape, c=classes: F.one_hot(draw(3, *s), c)
    yield lambda: F.one_hot(ints(0, 3), 3)
    yield lambda: F.one_hot(ints(0, -1), 3)
    yield lambda: F.one_hot(draw(3, 0))
    yield lambda: F.one_hot(ints(0, 1, dtype=torch.int32), 3)
    yield lambda: F.one_hot(ints(0, 1), 0)


def bincount():
    for size, least in ((0, 0), (0, 4), (1, 0), (9, 0), (9, 3), (9, 12)):
        yield lambda s=size, m=least: torch.bincount(draw(6, s), minlength=m)
        yield lambda s=size, m=least: torch.bincount(draw(6, s), rand(s, grad=False), m)
    for dtype in (torch.float32, torch.int64, torch.int32, torch.uint8, torch.bool):
        yield lambda d=dtype: torch.bincount(draw(4, 5, dtype=torch.int32), draw(2, 5).to(d))
    yield lambda: torch.bincount(ints(1, -1))
    yield lambda: torch.bincount(draw(3, 2, 2))
    yield lambda: torch.bincount(draw(3, 4), rand(3, grad=False))
    yield lambda: torch.bincount(draw(3, 4), minlength=-1)
    yield lambda: torch.bincount(rand(3, grad=False))


def slices():
    at = torch.ops.aten.slice.Tensor
    for dim, start, end, step in ((0, 1, 3, 1), (1, 0, 4, 2), (-1, -2, 2**63 - 1, 1), (1, 3, 1, 1), (0, -100, 100, 1), (1, 1, -1, 3),
                                  (0, 2, 3, 7), (1, 5, 9, 1), (0, 0, 0, 1), (1, None, 2, 1), (1, 1, None, 1)):
        yield lambda a=(dim, start, end, step): at(rand(3, 5), *a)
    yield lambda: at(draw(9, 4, 2), 0, 1, 4, 2)
    yield lambda: at(torch.rand(5) < 0.5, 0, 1, 3, 1)
    for wrong in ((2, 0, 1, 1), (-3, 0, 1, 1), (0, 0, 1, 0), (0, 0, 1, -1)):
        yield lambda a=wrong: at(rand(3, 5), *a)


def contained():
    for dtype, assume, invert in itertools.product((torch.int64, torch.float64), (False, True), (False, True)):
        yield lambda d=dtype, a=assume, i=invert: torch.isin(torch.arange(6).reshape(2, 3).to(d), ints(4, 1, 9).to(d), assume_unique=a,
                                                             invert=i)
    yield lambda: torch.isin(draw(4, 3, 3), draw(4, 2, 2))
    yield lambda: torch.isin(draw(4, 3), 2)
    yield lambda: torch.isin(3, draw(4, 5))
    yield lambda: torch.isin(draw(4, 3), draw(4, 30))


def distinct():
    for t in (draw(3, 0), draw(4, 9), draw(3, 2, 4)):
        for inverse, counts in itertools.product((False, True), (False, True)):
            yield lambda t=t, i=inverse, c=counts: torch.unique(t, sorted=True, return_inverse=i, return_counts=c)
    yield lambda: torch.unique(draw(2, 5, 2), dim=0)


# ---- linear algebra ----


def regular(*shape, dtype=torch.float64):
    """Matrices far from singular, with a positive determinant."""
    return rand(*shape, dtype=dtype, low=-1, high=1) + 3 * torch.eye(shape[-1], dtype=dtype)


def symmetric(*shape, dtype=torch.float64):
    a = regular(*shape, dtype=dtype) + torch.diag(torch.arange(shape[-1], dtype=dtype))
    return a + a.mT


def factorization(name):
    f = {"logdet": torch.logdet}.get(name) or getattr(torch.linalg, name)
    matrix = symmetric if name in ("eigh", "eigvalsh", "cholesky") else regular
    shapes = ((1, 1), (2, 2), (5, 5), (2, 3, 3), (2, 1, 2, 2), (0, 0), (2, 0, 0))
    for shape, dtype in itertools.product(shapes, (torch.float64, torch.float32)):
        yield lambda s=shape, d=dtype: f(matrix(*s, dtype=d))
    options = {"eigh": [{"UPLO": c} for c in "LUlu"], "eigvalsh": [{"UPLO": c} for c in "LU"], "inv_ex": [{"check_errors": True}],
               "cholesky": [{"upper": b} for b in (False, True)], "svd": [{"full_matrices": False}]}
    for o in options.get(name, ()):
        yield lambda o=o: f(matrix(3, 3), **o)
        yield lambda o=o: f(matrix(2, 4, 4), **o)
    if name in ("svd", "pinv"):
        more = {"full_matrices": False} if name == "svd" else {}
        for shape in ((4, 2), (2, 4), (2, 3, 2), (1, 5), (3, 0)):
            yield lambda s=shape: f(rand(*s), **more)
    else:
        yield lambda: f(rand(2, 3))
    if name == "pinv":
        yield lambda: f(torch.tensor([[1.0, 2, 0], [2, 4, 0], [1, 0, 1], [0, 1, -1]], dtype=torch.float64).requires_grad_(), rtol=1e-6)
        yield lambda: f(rand(4, 3), atol=0.01)
        yield lambda: f(symmetric(3, 3), hermitian=True)
        yield lambda: f(symmetric(2, 3, 3), hermitian=True, rtol=1e-10)
    if name == "det":  # singular, in a shape of its own
        yield lambda: f(torch.tensor([[[1.0, 2], [2, 4]]], dtype=torch.float64).requires_grad_())
    if name in ("inv", "cholesky", "inv_ex"):
        yield lambda: f(torch.zeros(2, 2, dtype=torch.float64), **{"check_errors": True} if name == "inv_ex" else {})
    if name in ("eigh", "eigvalsh"):
        yield lambda: f(symmetric(3, 3), UPLO="x")
    yield lambda: f(rand(3))
    yield lambda: f(draw(9, 2, 2))


# ---- products ----


def products(name, shapes, wrong):
    f = getattr(torch, name)
    for a, b in shapes:
        yield lambda a=a, b=b: f(rand(*a), rand(*b))
    for a, b in shapes[1:3]:
        yield lambda a=a, b=b: f(rand(*a, dtype=torch.float32), rand(*b, dtype=torch.float32))
        yield lambda a=a, b=b: f(draw(9, *a), draw(9, *b))
    for a, b in wrong:
        yield lambda a=a, b=b: f(rand(*a), rand(*b))
    a, b = shapes[0]
    yield lambda: f(rand(*a), draw(9, *b))


PRODUCTS = {
    "mm": ([((2, 3), (3, 4)), ((1, 1), (1, 1)), ((9, 8), (8, 7)), ((1, 9), (9, 1)), ((5, 1), (1, 6)), ((17, 19), (19, 13)), ((3, 0), (0, 2)),
            ((0, 3), (3, 2)), ((3, 2), (2, 0))], [((2, 3), (2, 3)), ((3,), (3, 2)), ((2, 2, 3), (3, 2))]),
    "mv": ([((3, 4), (4,)), ((1, 5), (5,)), ((5, 1), (1,)), ((20, 7), (7,)), ((0, 4), (4,)), ((3, 0), (0,))],
           [((3, 4), (3,)), ((3, 4), (4, 1)), ((4,), (4,))]),
    "dot": ([((4,), (4,)), ((1,), (1,)), ((37,), (37,)), ((0,), (0,))], [((4,), (3,)), ((2, 2), (4,)), ((), ())]),
    "outer": ([((3,), (4,)), ((1,), (5,)), ((6,), (1,)), ((0,), (3,)), ((3,), (0,))], [((3, 1), (4,)), ((), (3,))]),
    "inner": ([((4,), (4,)), ((3, 4), (4,)), ((2, 3), (4, 3)), ((2, 2, 3), (3,)), ((2, 2, 3), (2, 3)), ((), (3,)), ((2, 0), (0,))],
              [((3,), (4,)), ((2, 3), (2, 4))]),
    "kron": ([((2, 3), (3, 2)), ((2, 3), (4,)), ((3,), (4,)), ((), (2, 3)), ((2, 1, 2), (3, 2)), ((0, 2), (2, 2))], []),
    "bmm": ([((2, 3, 4), (2, 4, 5)), ((1, 3, 1), (1, 1, 2)), ((3, 1, 4), (3, 4, 1)), ((2, 3, 0), (2, 0, 4)), ((0, 2, 3), (0, 3, 2)),
             ((2, 9, 8), (2, 8, 7))], [((2, 3, 4), (3, 4, 5)), ((2, 3, 4), (2, 3, 5)), ((3, 4), (4, 5))]),
}


# ---- elementwise, reductions ----


def bits(name):
    f = getattr(torch, name)
    kinds = (torch.int64, torch.int32, torch.uint8, torch.bool)
    if name == "bitwise_not":
        for dtype, shape in itertools.product(kinds, ((7,), (2, 3), ())):
            yield lambda d=dtype, s=shape: f(draw(250, *s).to(d))
        yield lambda: f(rand(3))
        return
    if name.endswith("shift"):
        for a, b in itertools.product((torch.int64, torch.int32, torch.uint8), (torch.int64, torch.int32)):
            yield lambda a=a, b=b: f(draw(250, 2, 3).to(a), draw(7, 3).to(b))
        for dtype, bits in ((torch.int64, 64), (torch.int32, 32), (torch.uint8, 8)):
            yield lambda d=dtype, n=bits: f(ints(5, 5, 5, 5, 200, 1).to(d), ints(0, 1, n - 1, n, 2, n + 3).to(d))
        yield lambda: f(ints(-1, -8, -9, 7, -1), ints(1, 2, 3, -1, 64))
        yield lambda: f(draw(250, 4), 3)
        yield lambda: f(3, draw(5, 4))
        yield lambda: f(rand(3), draw(3, 3))
        return
    for a, b in itertools.product(kinds, kinds):
        yield lambda a=a, b=b: f(draw(250, 2, 3).to(a), draw(250, 3).to(b))
    yield lambda: f(draw(250, 2, 3), 12)
    yield lambda: f(draw(250, 2, 3, dtype=torch.uint8), -3)
    yield lambda: f(12, draw(250, 3))
    yield lambda: f(torch.rand(3) < 0.5, True)
    yield lambda: f(rand(3), 1)
    yield lambda: f(draw(9, 3), 1.5)


def gelus():
    for approximate, shape in itertools.product(("none", "tanh"), ((), (7,), (2, 3, 5))):
        yield lambda a=approximate, s=shape: F.gelu(rand(*s, low=-6, high=6), approximate=a)
        yield lambda a=approximate, s=shape: F.gelu(rand(*s, low=-6, high=6, dtype=torch.float32), approximate=a)


def lstm_cells():
    for shape, biases in itertools.product(((3, 4, 5), (1, 2, 1), (0, 3, 2)), (True, False)):

        def cell(dtype=torch.float64, shape=shape, biases=biases):
            batch, inputs, units = shape
            weights = [rand(4 * units, inputs, dtype=dtype), rand(4 * units, units, dtype=dtype)]
            weights += [rand(4 * units, dtype=dtype) for _ in range(2 * biases)]
            state = [rand(batch, units, dtype=dtype) for _ in range(2)]
            return torch.lstm_cell(rand(batch, inputs, dtype=dtype), state, *weights)

        yield cell
        yield lambda cell=cell: cell(torch.float32)


def leaky_relu():
    for slope, shape in itertools.product((0.2, 0.0, 1.0, 3, -0.5), ((9,), (2, 3))):
        yield lambda a=slope, s=shape: F.leaky_relu(rand(*s), a)
    yield lambda: F.leaky_relu(rand(3, 3, dtype=torch.float32), 0.1)
    yield lambda: F.leaky_relu(draw(9, 3), 0.1)


def hardswish():
    for shape in ((), (9,), (2, 3, 4)):
        yield lambda s=shape: F.hardswish(rand(*s, low=-4, high=4))
        yield lambda s=shape: F.hardswish(rand(*s, low=-4, high=4, dtype=torch.float32))
    yield lambda: F.hardswish(draw(9, 3))


def logcumsumexp():
    for dim, shape in ((0, (6,)), (0, (3, 4)), (1, (3, 4)), (-1, (2, 3, 2)), (1, (2, 3, 2)), (0, ()), (-1, ()), (1, (2, 0)), (0, (0, 3))):
        yield lambda d=dim, s=shape: torch.logcumsumexp(rand(*s), d)
    yield lambda: torch.logcumsumexp(rand(3, 4), 2)
    yield lambda: torch.logcumsumexp(draw(9, 3), 0)


def msort():
    for shape in ((), (1,), (7,), (3, 4), (2, 3, 2), (0, 3)):
        yield lambda s=shape: torch.msort(rand(*s))
    for dtype in (torch.int64, torch.int32, torch.uint8, torch.bool):
        yield lambda d=dtype: torch.msort(draw(9, 6, 2).to(d))


# ---- creation ----


SIZES = ((), (0,), (1,), (50,), (2, 3), (2, 0, 3), (4, 1, 5, 2))


def of_size(name):
    f = getattr(torch, name)
    for size, dtype in itertools.product(SIZES, (None, torch.float64)):
        yield lambda s=size, d=dtype: f(s, dtype=d) if d else f(s)
    yield lambda: f((2, -1))
    yield lambda: f((2,), dtype=torch.int64)


def randint():
    for low, high, size in ((0, 10, (30,)), (-5, 5, (2, 3)), (7, 8, (4,)), (-(2**40), 2**40, (20,)), (0, 2, ())):
        for dtype in (torch.int64, torch.float64, torch.int32) if high < 2**31 else (torch.int64,):
            yield lambda a=(low, high, size), d=dtype: torch.randint(*a, dtype=d)
    yield lambda: torch.randint(256, (40,), dtype=torch.uint8)
    yield lambda: torch.randint(3, 3, (2,))
    yield lambda: torch.randint(3, 2, (2,))
    yield lambda: torch.randint(300, (2,), dtype=torch.uint8)


def randperm():
    for n, dtype in itertools.product((0, 1, 2, 7, 40), (torch.int64, torch.int32, torch.float64)):
        yield lambda n=n, d=dtype: torch.randperm(n, dtype=d)
    yield lambda: torch.randperm(5)
    yield lambda: torch.randperm(-1)
    yield lambda: torch.randperm(300, dtype=torch.uint8)


def likes(name):
    f = getattr(torch, name)
    more = {"full_like": (2.5,), "randint_like": (9,)}.get(name, ())
    for dtype in (torch.float32, torch.float64):
        yield lambda d=dtype: f(rand(4, 5, grad=False), *more, dtype=d)
        yield lambda d=dtype: f(draw(9, 30), *more, dtype=d)


def bernoulli():
    for shape in ((40,), (2, 3), (), (0, 2)):
        yield lambda s=shape: torch.bernoulli(rand(*s, low=0.0, high=1.0))
        yield lambda s=shape: torch.bernoulli(torch.zeros(s, dtype=torch.float64))
        yield lambda s=shape: torch.bernoulli(torch.ones(s))
    yield lambda: torch.bernoulli(torch.tensor([0.5, 1.5]))
    yield lambda: torch.bernoulli(draw(1, 3))


def overwritten(name):
    kinds = (torch.float64, torch.float32, torch.int64, torch.int32, torch.uint8, torch.bool)
    at = {"copy": torch.ops.aten.copy.default, "zero": torch.ops.aten.zero.default, "fill": torch.fill}[name]
    of = lambda dtype, *shape: rand(*shape, dtype=dtype) if dtype.is_floating_point else draw(9, *shape).to(dtype)  # noqa: E731
    if name == "copy":
        for a, b in itertools.product(kinds, kinds):
            yield lambda a=a, b=b: at(of(a, 2, 3), of(b, 3))
        for shape in ((2, 3), (2, 1), (1, 3), (1,), (1, 1)):
            yield lambda s=shape: at(rand(2, 3), rand(*s))
        yield lambda: at(rand(2, 3), rand(2))
        yield lambda: at(rand(3), rand(2, 3))
    for dtype, shape in itertools.product(kinds, ((2, 3), (), (0, 2))):
        if name == "zero":
            yield lambda d=dtype, s=shape: at(of(d, *s))
        if name == "fill":
            yield lambda d=dtype, s=shape: at(of(d, *s), 3)
            yield lambda d=dtype, s=shape: at(of(d, *s), torch.tensor(2, dtype=d))
    if name == "fill":
        yield lambda: at(rand(2, 3), rand(1))
        yield lambda: at(draw(9, 3), 2.7)
        yield lambda: at(rand(3), 2)


def broadcast_to():
    for a, b in (((3,), (2, 3)), ((1, 3), (4, 3)), ((), (2, 2)), ((0, 3), (2, 0, 3)), ((1,), (0,)), ((2, 1, 3), (5, 2, 4, 3)), ((2, 3), (2, 3))):
        yield lambda a=a, b=b: torch.broadcast_to(rand(*a), b)
    for a, b in (((2,), (3,)), ((2, 3), (3,)), ((0,), (2,)), ((2,), (2, -3))):
        yield lambda a=a, b=b: torch.broadcast_to(rand(*a), b)


def triangle(name):
    f = getattr(torch, name)
    for row, col, offset in ((3, 3, 0), (3, 4, 1), (4, 3, -1), (3, 4, 5), (4, 2, -5), (1, 5, 2), (5, 1, -2), (0, 3, 0), (3, 0, 0), (2, 7, -1)):
        yield lambda a=(row, col, offset): f(*a)
    yield lambda: f(3, 4, 1, dtype=torch.int32)
    yield lambda: f(-1, 3)


def of(name):
    simple = {"scaled_dot_product_attention": attention, "fold": folds, "conv_transpose3d": transposed_convolution, "ctc_loss": ctc,
              "multilabel_soft_margin_loss": multilabel_soft_margin, "embedding": embedding, "one_hot": one_hot, "bincount": bincount,
              "slice": slices, "isin": contained, "unique": distinct, "gelu": gelus, "lstm_cell": lstm_cells, "leaky_relu": leaky_relu, "hardswish": hardswish,
              "broadcast_to": broadcast_to, "im2col": lambda: [lambda: F.unfold(rand(), 2), lambda: F.unfold(rand(1, 2, 3, 4), (2, 3), padding=1)],
              "logcumsumexp": logcumsumexp, "msort": msort, "randint": randint, "randperm": randperm, "bernoulli": bernoulli}
    if name in simple:
        return simple[name]()
    if name in PRODUCTS:
        return products(name, *PRODUCTS[name])
    if name in ("det", "slogdet", "logdet", "inv", "inv_ex", "eigh", "eigvalsh", "svd", "cholesky", "pinv"):
        return factorization(name)
    if name in ("layer_norm", "rms_norm", "group_norm", "batch_norm", "instance_norm"):
        return normalizations(name)
    if name in ("pixel_shuffle", "pixel_unshuffle"):
        return shuffles(name)
    if name in ("multi_margin_loss", "multilabel_margin_loss"):
        return margins(name)
    if name.startswith("adaptive_"):
        return adaptive(int(name[-2]), name[9:12])
    if name.startswith("bitwise_"):
        return bits(name)
    if name in ("rand", "randn", "ones", "zeros", "empty"):
        return of_size(name)
    if name in ("rand_like", "randn_like", "ones_like", "zeros_like", "full_like", "empty_like", "randint_like"):
        return likes(name)
    if name in ("copy", "zero", "fill"):
        return overwritten(name)
    if name in ("tril_indices", "triu_indices"):
        return triangle(name)
    return ()
