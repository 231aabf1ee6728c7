"""Convolutions and poolings: see bench/convolutions.c."""
from data import uniform
from sides import family, sizes, work

BATCH = 8


@family("conv", "torch", "jax")
def conv(side, size, mode):
    c, s, out, kernel, stride, *groups = sizes(size)
    groups = groups[0] if groups else 1
    result = (s + 2 * (kernel // 2) - kernel) // stride + 1
    x = side.array(uniform("x", (BATCH, c, s, s), 1.0))
    w = side.array(uniform("weight", (out, c // groups, kernel, kernel), 1.0))
    g = side.array(uniform("g", (BATCH, out, result, result), 1.0))
    if side.kind == "torch":
        import torch

        def f():
            return torch.nn.functional.conv2d(x, w, None, stride, kernel // 2, 1, groups)

        if mode == "forward":
            return work(side, f)
        subject = w if mode == "weight" else x
        subject.requires_grad_()
        y = f()
        return work(side, lambda: torch.autograd.grad(y, subject, g, retain_graph=True)[0])
    lax = side.jax.lax

    def f(x, w):
        return lax.conv_general_dilated(x, w, (stride, stride), [(kernel // 2, kernel // 2)] * 2,
                                        dimension_numbers=("NCHW", "OIHW", "NCHW"), feature_group_count=groups)

    if mode == "forward":
        return work(side, side.call(f, x, w))
    if mode == "weight":
        return work(side, side.call(lambda x, w, g: side.jax.vjp(lambda w: f(x, w), w)[1](g)[0], x, w, g))
    return work(side, side.call(lambda x, w, g: side.jax.vjp(lambda x: f(x, w), x)[1](g)[0], x, w, g))


@family("pool", "torch")
def pool(side, op, mode):
    import torch
    import torch.nn.functional as F

    channels, size = (512, 7) if op == "adaptive" else (64, 112) if op == "max" else (64, 56)
    x = side.array(uniform("x", (BATCH, channels, size, size), 1.0))
    f = {"max": lambda: F.max_pool2d(x, 3, 2, 1), "average": lambda: F.avg_pool2d(x, 2),
         "adaptive": lambda: F.adaptive_avg_pool2d(x, 1), "nearest": lambda: F.interpolate(x, scale_factor=2),
         "bilinear": lambda: F.interpolate(x, scale_factor=2, mode="bilinear")}[op]
    if mode == "forward":
        return work(side, f)
    x.requires_grad_()
    y = f()
    g = side.array(uniform("g", tuple(y.shape), 1.0))
    return work(side, lambda: torch.autograd.grad(y, x, g, retain_graph=True)[0])
