"""Matrix products: see bench/products.c."""
import numpy as np

from data import uniform
from sides import family, sizes, work


def _operand(side, name, layout, shape, dtype):
    if layout == "t":
        shape = shape[:-2] + [shape[-1], shape[-2]]
    x = side.array(uniform(name, shape, 1.0, dtype))
    if layout != "t":
        return x
    return x.transpose(-2, -1) if side.kind == "torch" else np.swapaxes(x, -2, -1) if side.kind == "numpy" else x


def _product(side, dtype, layout, batch, m, n, k):
    half = dtype == "bf16"
    if half and side.kind != "torch":
        return None
    dtype = {"f32": np.float32, "bf16": np.float32, "f64": np.float64}[dtype]
    a = _operand(side, "a", layout[0], batch + [m, k], dtype)
    b = _operand(side, "b", layout[1], batch + [k, n], dtype)
    if half:  # keeps strides
        a, b = a.bfloat16(), b.bfloat16()
    if side.kind != "jax":
        return work(side, side.call(lambda a, b: a @ b, a, b))
    flip = [layout[0] == "t", layout[1] == "t"]  # arrays of JAX have no strides: the transpose is in the program
    swap = side.jax.numpy.swapaxes
    return work(side, side.call(
        lambda a, b: (swap(a, -2, -1) if flip[0] else a) @ (swap(b, -2, -1) if flip[1] else b), a, b))


@family("gemm", "torch", "jax", "numpy")
def gemm(side, dtype, layout, size):
    return _product(side, dtype, layout, [], *sizes(size))


@family("bmm", "torch", "jax", "numpy")
def bmm(side, dtype, layout, size):
    batch, *rest = sizes(size)
    return _product(side, dtype, layout, [batch], *rest)
