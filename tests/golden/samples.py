"""Samples written by hand: of what PyTorch's tests leave out, and special values of elementwise operators; arguments.py has
those that go through an operator's arguments."""
import math
import zlib

import torch
import torch.nn.functional as F

import arguments
import parts
import table
from arguments import rand

inf, nan = math.inf, math.nan
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 6.0, 1.5, 2.5, 3.75, -3.75, 1e-8, -1e-8, 1e-300, 5e-324, 20.0, -20.0,
           21.0, 40.0, -40.0, 800.0, -800.0, 1e10, -1e15, 1e300, -1e300, inf, -inf, nan]
PAIRS = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.0, -3.0, 3.5, 1e-300, 1e200, inf, -inf, nan]
INTEGERS = [0, 1, -1, 2, -2, 3, -7, 10, 2**40 + 1]


def values(numbers, dtype=torch.float64, grad=True):
    t = torch.tensor(numbers, dtype=dtype)
    return t.requires_grad_(grad and dtype.is_floating_point)


def function(name):
    for module in (F, torch.special, torch):
        if hasattr(module, name):
            return getattr(module, name)
    return None


def special(name):
    """Elementwise operators at zeros, infinities, NaN and the ends of the number range."""
    f = function(name)
    if name in ("polygamma", "mvlgamma"):
        return
    integral = name.startswith("bitwise") or name in ("gcd", "lcm")
    if name in (table.FAMILIES["unary"] + table.FAMILIES["activation"]).split():
        if name in ("prelu", "glu", "softmax", "log_softmax", "softmin", "threshold"):
            return
        numbers = [x for x in SPECIAL if name not in table.POLES or math.isfinite(x) and not (x <= 0 and x == round(x))]
        numbers = [x for x in numbers if name not in table.NAN_FREE or not math.isnan(x)]
        numbers = [x for x in numbers if name != "sinc" or abs(x) != 1e-8]  # what is left there is PyTorch's rounding
        if not integral:
            yield lambda: f(values(numbers)), True
            yield lambda: f(values(numbers, torch.float32)), True
    elif name in table.FAMILIES["binary"].split() and name not in (
            "lerp", "addcmul", "addcdiv", "where", "clamp", "clamp_min", "clamp_max", "masked_fill", "isclose", "ldexp"):
        pairs = [x for x in PAIRS if name != "copysign" or x != 1e-300]  # whose second derivative is what rounding leaves of 0
        if not integral:
            yield lambda: f(values(pairs).reshape(-1, 1), values(pairs)), True
            for x in (0.0, 1.0, -1.0, 0.5, 2.0, 3, -2, inf, nan):
                if name not in ("atan2", "hypot", "maximum", "minimum", "fmax", "fmin", "logaddexp", "logaddexp2", "nextafter",
                                "heaviside", "logical_and", "logical_or", "logical_xor"):
                    yield lambda x=x: f(values(pairs), x), True
        if name in ("atan2", "hypot", "float_power", "nextafter", "logaddexp", "logaddexp2", "xlog1py", "xlogy", "ldexp", "pow",
                    "bitwise_left_shift", "bitwise_right_shift"):
            return
        if name in ("div", "true_divide", "floor_divide", "fmod", "remainder"):
            yield lambda: f(values(INTEGERS, torch.int64).reshape(-1, 1), values(INTEGERS[1:], torch.int64)), True
        else:
            yield lambda: f(values(INTEGERS, torch.int64).reshape(-1, 1), values(INTEGERS, torch.int64)), True


TIES = [[1.0, 3.0, 3.0, -1.0], [2.0, 2.0, 2.0, 2.0], [nan, 1.0, nan, 5.0], [-inf, -inf, inf, inf]]


def index_samples():
    x = lambda *s: rand(*s)  # noqa: E731
    i = torch.tensor
    at = torch.ops.aten.index.Tensor
    yield lambda: at(x(4, 3), [i([0, -1, 2])])
    yield lambda: at(x(4, 3), [i([[0, -1], [2, 2]])])
    yield lambda: at(x(4, 3), [None, i([2, 0])])
    yield lambda: at(x(4, 3), [i([0, 3]), i([2, 0])])
    yield lambda: at(x(4, 3), [i([[0], [3]]), i([2, 0])])
    yield lambda: at(x(2, 3, 4), [i([0, 1]), None, i([2, 0])])
    yield lambda: at(x(2, 3, 4), [None, i([2, 0]), i([-1, 0])])
    yield lambda: at(x(2, 3), [i([[True, False, True], [False, True, False]])])
    yield lambda: at(x(4, 3), [i([True, False, True, False])])
    yield lambda: at(x(3, 4), [None, i([True, False, True, False])])
    yield lambda: at(x(4, 3), [i([True, False, True, False]), i([2, 0])])
    yield lambda: at(x(4, 3), [i([], dtype=torch.int64)])
    yield lambda: at(torch.arange(12).reshape(3, 4), [i([2, 0]), i([-1, 1])])
    yield lambda: at(x(3).detach(), [i([0, 1], dtype=torch.int32)])


def index_put_samples():
    i = torch.tensor
    put = torch.index_put
    yield lambda: put(rand(4, 3), [i([0, 2])], rand(2, 3))
    yield lambda: put(rand(4, 3), [i([0, 2])], rand(3))
    yield lambda: put(rand(4, 3), [i([0, 0, 2])], rand(3, 3), accumulate=True)
    yield lambda: put(rand(4, 3), [i([0, -1]), i([2, 0])], rand(2))
    yield lambda: put(rand(4, 3), [i([0, 0]), i([2, 2])], rand(2), accumulate=True)
    yield lambda: put(rand(2, 3), [i([[True, False, True], [False, True, False]])], rand(3))
    yield lambda: put(rand(2, 3), [i([[True, False, True], [False, True, False]])], rand())


def hand(name):
    """Of one operator, by its name."""
    long = lambda *v: torch.tensor(v)  # noqa: E731
    simple = {
        "softmin": lambda: [lambda: F.softmin(rand(3, 4), 1), lambda: F.softmin(rand(2, 3), -2), lambda: F.softmin(rand(4), 0)],
        "relu6": lambda: [lambda: F.relu6(values([-1.0, 0.0, 3.0, 6.0, 7.0]))],
        "isnan": lambda: [lambda: torch.isnan(values([1, 2], torch.int64))],
        "std": lambda: [lambda c=c, d=d: torch.std(rand(3, 4), d, correction=c) for c in (0, 1, 2, 0.5) for d in (None, 0, (0, 1))],
        "var": lambda: [lambda c=c, d=d: torch.var(rand(3, 4), d, correction=c) for c in (0, 1, 2, 0.5, 4) for d in (None, 0, (0, 1))],
        "max": lambda: [lambda: torch.max(values(TIES), 1), lambda: torch.max(values(TIES)), lambda: torch.max(values(TIES[:2]))],
        "min": lambda: [lambda: torch.min(values(TIES), 1), lambda: torch.min(values(TIES)), lambda: torch.min(values(TIES[:2]))],
        "amax": lambda: [lambda: torch.amax(values(TIES), 1), lambda: torch.amax(values(TIES[:2]), (0, 1))],
        "amin": lambda: [lambda: torch.amin(values(TIES), 1), lambda: torch.amin(values(TIES[:2]), (0, 1))],
        "argmax": lambda: [lambda: torch.argmax(values(TIES), 1), lambda: torch.argmax(values(TIES), 0, keepdim=True)],
        "argmin": lambda: [lambda: torch.argmin(values(TIES), 1), lambda: torch.argmin(values(TIES), 0, keepdim=True)],
        "cummax": lambda: [lambda: torch.cummax(values(TIES), 1), lambda: torch.cummax(values(TIES), 0)],
        "cummin": lambda: [lambda: torch.cummin(values(TIES), 1), lambda: torch.cummin(values(TIES), 0)],
        "median": lambda: [lambda: torch.median(values(TIES), 1), lambda: torch.median(values(TIES[:2]))],
        "sort": lambda: [lambda d=d: torch.sort(values(TIES), 1, descending=d) for d in (False, True)]
        + [lambda: torch.sort(values(TIES), stable=True, dim=0, descending=True)],
        "argsort": lambda: [lambda: torch.argsort(values(TIES[0] + TIES[2]), stable=True)],
        "prod": lambda: [lambda d=d: torch.prod(values([[0.0, 2, 3], [0, 0, 1], [4, 5, 6]]), d) for d in (0, 1)]
        + [lambda: torch.prod(values([0.0, 2.0, 3.0])), lambda: torch.prod(values([0.0, 0.0, 3.0]))],
        "cumprod": lambda: [lambda d=d: torch.cumprod(values([[0.0, 2, 3], [0, 0, 1], [4, 5, 6]]), d) for d in (0, 1)],
        "logsumexp": lambda: [lambda: torch.logsumexp(values([[inf, 1], [-inf, -inf], [800, 801], [nan, 0]]), 1)],
        "logcumsumexp": lambda: [lambda: torch.logcumsumexp(values([[-inf, 1], [-inf, -inf], [800, 801], [nan, 0]]), 1)],
        "vector_norm": lambda: [lambda p=p: torch.linalg.vector_norm(values([[0.0, 0, 0], [3, 0, -4], [1, 1, -1]]), p, 1)
                                for p in (0, 0.5, 1, 1.5, 2, 3, inf, -inf, -1)],
        "norm": lambda: [lambda p=p: torch.norm(values([[0.0, 0, 0], [3, 0, -4], [1, 1, -1]]), p, 1)
                         for p in (0, 0.5, 1, 2, 3, inf, -inf)],
        "dropout": lambda: [lambda: F.dropout(rand(3, 4), 0.5, False), lambda: F.dropout(rand(3, 4), 0.0),
                            lambda: F.dropout(rand(3, 4), 1.0)],
        "alpha_dropout": lambda: [lambda: F.alpha_dropout(rand(3, 4), 0.5, False)],
        "poisson": lambda: [lambda: torch.poisson(rand(3, 4, low=0.0, high=9.0)), lambda: torch.poisson(rand(3, low=-1.0, high=-0.5))],
        "view": lambda: [lambda d=d: rand(2, 4, grad=False).view(d) for d in (torch.int64, torch.float32, torch.int32, torch.uint8)],
        "t": lambda: [lambda: rand(3, 4).t(), lambda: rand(3).t(), lambda: rand().t()],
        "where": lambda: [lambda: torch.where(torch.tensor([True, False]), 1.0, rand(2)),
                          lambda: torch.where(torch.tensor([True, False]), rand(2), 2),
                          lambda: torch.where(torch.tensor([True, False]), values([1, 2], torch.int64), 2.5)],
        "clamp": lambda: [lambda a=a, b=b: torch.clamp(values(SPECIAL), a, b) for a, b in
                          ((-1.0, 1.0), (None, 0.5), (-0.5, None), (2, -2), (nan, 1.0), (-inf, inf))]
        + [lambda: torch.clamp(values([-3, 5, 2], torch.int64), 0, 3), lambda: torch.clamp(values([-3, 5, 2], torch.int64), 0.5)],
        "lerp": lambda: [lambda: torch.lerp(rand(3), rand(3), w) for w in (0.0, 0.3, 0.5, 0.7, 1.0, 2.0)],
        "arange": lambda: [lambda: torch.arange(5), lambda: torch.arange(1, 6), lambda: torch.arange(1.0, 3.0, 0.25),
                           lambda: torch.arange(5, 0, -2), lambda: torch.arange(3, dtype=torch.float64)],
        "linspace": lambda: [lambda: torch.linspace(-1, 1, 5, dtype=torch.float64), lambda: torch.linspace(0, 10, 7),
                             lambda: torch.linspace(3, 3, 1), lambda: torch.linspace(0, 1, 0)],
        "logspace": lambda: [lambda: torch.logspace(-1, 2, 5, dtype=torch.float64),
                             lambda: torch.logspace(0, 3, 4, base=2.0, dtype=torch.float64)],
        "full": lambda: [lambda: torch.full((2, 3), 2.5), lambda: torch.full((2,), 3), lambda: torch.full((), True)],
        "eye": lambda: [lambda: torch.eye(3), lambda: torch.eye(2, 4, dtype=torch.float64), lambda: torch.eye(0)],
        "multinomial": lambda: [lambda: torch.multinomial(rand(3, 4, low=0.0, high=1.0, grad=False), 2)],
        "threshold": lambda: [lambda: F.threshold(values([-1.0, 0.0, 0.5, 1.0, nan]), 0.5, 20.0)],
        "affine_grid": lambda: [lambda c=c: F.affine_grid(rand(2, 2, 3), (2, 1, 3, 4), align_corners=c) for c in (False, True)],
        "triplet_margin_loss": lambda: [lambda: F.triplet_margin_loss(rand(3, 4), rand(3, 4), rand(3, 4), p=1.0, swap=True)],
        "smooth_l1_loss": lambda: [lambda b=b: F.smooth_l1_loss(values([0.0, 1, 2, -1]), values([0.0, 0, 0, 0]), beta=b,
                                                                reduction="none") for b in (0.0, 1.0, 2.0)],
        "huber_loss": lambda: [lambda: F.huber_loss(values([0.0, 1, 2, -1]), values([0.0, 0, 0, 0]), reduction="none")],
        "binary_cross_entropy": lambda: [lambda: F.binary_cross_entropy(values([0.0, 1, 0.5, 1e-300]), values([1.0, 0, 0.5, 1]),
                                                                        reduction="none")],
        "kl_div": lambda: [lambda: F.kl_div(rand(3, 4), rand(3, 4), log_target=True, reduction="batchmean"),
                           lambda: F.kl_div(rand(4), values([0.0, 0.25, 0.75, 0.0]), reduction="none")],
        "nll_loss": lambda: [lambda r=r: F.nll_loss(rand(4, 3), long(0, 2, -100, 1), rand(3, low=0.5, grad=False), reduction=r)
                             for r in ("mean", "sum", "none")]
        + [lambda: F.nll_loss(rand(2, 3, 2), torch.tensor([[0, 2], [1, 1]])), lambda: F.nll_loss(rand(3), torch.tensor(1))],
        "cross_entropy": lambda: [lambda r=r, s=s: F.cross_entropy(rand(4, 3), long(0, 2, -100, 1), rand(3, low=0.5, grad=False),
                                                                   reduction=r, label_smoothing=s)
                                  for r in ("mean", "sum", "none") for s in (0.0, 0.1)]
        + [lambda r=r: F.cross_entropy(rand(2, 3, 2), rand(2, 3, 2, low=0.0), rand(3, low=0.5, grad=False), reduction=r,
                                       label_smoothing=0.2) for r in ("mean", "none")],
        "nonzero": lambda: [lambda: torch.nonzero(torch.tensor([[1.0, 0], [nan, -0.0]])), lambda: torch.nonzero(torch.tensor(3))],
        "repeat_interleave": lambda: [lambda: torch.repeat_interleave(rand(2, 3), torch.tensor([2, 0, 1]), 1)],
        "round": lambda: [lambda d=d: torch.round(values([0.5, 1.5, 2.5, -0.5, 1.25, 1234.5678]), decimals=d) for d in (1, -2, 3)],
        "cov": lambda: [], "channel_shuffle": lambda: [lambda: F.channel_shuffle(rand(1, 4, 2, 2), 2)],
    }
    if name == "index":
        return list(index_samples())
    if name == "index_put":
        return list(index_put_samples())
    return simple[name]() if name in simple else []


def of(name):
    """Pairs: what makes the call, and whether its results are compared each by itself."""
    torch.manual_seed(zlib.crc32(name.encode()))
    return [(thunk, False) for thunk in [*hand(name), *(parts.of(name) or arguments.of(name))]] + list(special(name))
