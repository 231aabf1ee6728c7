"""Operators that move more than they compute: see bench/arrays.c."""
import numpy as np

from data import indices, uniform
from sides import family, work


def _matrix_of(n):
    n = int(float(n))
    columns = 100 if n <= 10000 else 1000
    return n // columns, columns


def _matrix(side, name, shape, layout):
    r, c = shape
    if layout == "contiguous":
        return side.array(uniform(name, (r, c), 1.0))
    if layout == "row":
        return side.array(uniform(name, (c,), 1.0))
    if layout == "sliced":
        return side.array(uniform(name, (r, 2 * c), 1.0))[:, ::2]
    return side.array(uniform(name, (c, r), 1.0)).T


@family("elementwise", "torch", "jax", "numpy")
def elementwise(side, op, n, layout):
    if side.kind == "jax" and layout not in ("contiguous", "row"):
        return None  # arrays of JAX have no strides
    x = _matrix(side, "x", _matrix_of(n), "contiguous" if layout == "row" else layout)
    y = _matrix(side, "y", _matrix_of(n), "row" if layout == "row" else "contiguous")
    c = side.array(side.numpy(y) > 0)
    if op == "log":
        y = y + 2
    if side.kind == "torch":
        import torch as t

        f = {"add": lambda: x + y, "mul": lambda: x * y, "lt": lambda: x < y, "where": lambda: t.where(c, x, y),
             "scale": lambda: x * 0.5, "relu": lambda: t.relu(x), "exp": lambda: t.exp(x), "log": lambda: t.log(y),
             "sin": lambda: t.sin(x), "tanh": lambda: t.tanh(x), "sigmoid": lambda: t.sigmoid(x),
             "gelu": lambda: t.nn.functional.gelu(x)}[op]
        return work(side, f)
    xp = np if side.kind == "numpy" else side.jax.numpy
    f = {"add": lambda x, y, c: x + y, "mul": lambda x, y, c: x * y, "lt": lambda x, y, c: x < y,
         "where": lambda x, y, c: xp.where(c, x, y), "scale": lambda x, y, c: x * np.float32(0.5),
         "relu": lambda x, y, c: xp.maximum(x, np.float32(0)), "exp": lambda x, y, c: xp.exp(x),
         "log": lambda x, y, c: xp.log(y), "sin": lambda x, y, c: xp.sin(x), "tanh": lambda x, y, c: xp.tanh(x)}
    if side.kind == "jax":
        f["sigmoid"] = lambda x, y, c: side.jax.nn.sigmoid(x)
        f["gelu"] = lambda x, y, c: side.jax.nn.gelu(x, approximate=False)
    return work(side, side.call(f[op], x, y, c)) if op in f else None


@family("reduce", "torch", "jax", "numpy")
def reduce(side, op, over, n, layout):
    if side.kind == "jax" and layout != "contiguous":
        return None
    x = _matrix(side, "x", _matrix_of(n), layout)
    axis = {"all": None, "last": 1, "first": 0}[over]
    if side.kind == "torch":
        dims = (0, 1) if axis is None else (axis,)
        f = {"sum": lambda: x.sum(dims), "amax": lambda: x.amax(dims), "argmax": lambda: x.argmax(axis),
             "var": lambda: x.var(dims), "logsumexp": lambda: x.logsumexp(dims)}[op]
        return work(side, f)
    xp = np if side.kind == "numpy" else side.jax.numpy
    f = {"sum": lambda x: xp.sum(x, axis), "amax": lambda x: xp.max(x, axis), "argmax": lambda x: xp.argmax(x, axis),
         "var": lambda x: xp.var(x, axis, ddof=1)}
    if side.kind == "jax":
        f["logsumexp"] = lambda x: side.jax.nn.logsumexp(x, axis)
    return work(side, side.call(f[op], x)) if op in f else None


@family("rowwise", "torch", "jax")
def rowwise(side, op, n, mode):
    shape = _matrix_of(n)
    x, g = side.array(uniform("x", shape, 2.0)), side.array(uniform("g", shape, 1.0))
    w, b = side.array(uniform("weight", shape[1:], 1.0)), side.array(uniform("bias", shape[1:], 1.0))
    target = side.array(indices("target", shape[1], shape[:1]))
    if side.kind == "torch":
        import torch
        import torch.nn.functional as F

        f = {"softmax": lambda: F.softmax(x, 1), "log_softmax": lambda: F.log_softmax(x, 1),
             "layer_norm": lambda: F.layer_norm(x, shape[1:], w, b), "cross_entropy": lambda: F.cross_entropy(x, target)}[op]
        if mode == "forward":
            return work(side, f)
        x.requires_grad_()

        def gradient():
            y = f()
            return torch.autograd.grad(y, x, g if y.ndim else None)[0]

        return work(side, gradient)
    nn, jnp = side.jax.nn, side.jax.numpy

    def layer_norm(x):
        mean, var = jnp.mean(x, 1, keepdims=True), jnp.var(x, 1, keepdims=True)
        return (x - mean) * side.jax.lax.rsqrt(var + np.float32(1e-5)) * w + b

    def cross_entropy(x):
        return -jnp.mean(jnp.take_along_axis(nn.log_softmax(x, 1), target[:, None], 1))

    f = {"softmax": lambda x: nn.softmax(x, 1), "log_softmax": lambda x: nn.log_softmax(x, 1), "layer_norm": layer_norm,
         "cross_entropy": cross_entropy}[op]
    if mode == "forward":
        return work(side, side.call(f, x))
    if op == "cross_entropy":
        return work(side, side.call(side.jax.grad(f), x))
    return work(side, side.call(lambda x, g: side.jax.vjp(f, x)[1](g)[0], x, g))


@family("move", "torch", "jax", "numpy")
def move(side, op, n):
    shape = r, c = _matrix_of(n)
    x, y = side.array(uniform("x", shape, 1.0)), side.array(uniform("y", shape, 1.0))
    places, rows = side.array(indices("places", c, shape)), side.array(indices("rows", r, (r,)))
    if side.kind == "torch":
        import torch

        f = {"clone": lambda: x.clone(), "transpose": lambda: x.t().contiguous(),
             "heads": lambda: x.view(r // 10, 10, 10, c // 10).permute(0, 2, 1, 3).contiguous(),
             "cat": lambda: torch.cat([x, y], 1), "gather": lambda: torch.gather(x, 1, places),
             "scatter_add": lambda: torch.scatter_add(y, 1, places, x), "index_select": lambda: torch.index_select(x, 0, rows),
             "index_add": lambda: torch.index_add(y, 0, rows, x)}[op]
        return work(side, f)
    if side.kind == "numpy":
        f = {"clone": lambda: x.copy(), "transpose": lambda: np.ascontiguousarray(x.T),
             "heads": lambda: np.ascontiguousarray(x.reshape(r // 10, 10, 10, c // 10).transpose(0, 2, 1, 3)),
             "cat": lambda: np.concatenate([x, y], 1), "gather": lambda: np.take_along_axis(x, places, 1),
             "index_select": lambda: np.take(x, rows, 0)}
        return work(side, f[op]) if op in f else None
    jnp = side.jax.numpy
    i = jnp.arange(r)[:, None]
    f = {"clone": lambda x, y, p, q: jnp.copy(x), "transpose": lambda x, y, p, q: x.T,
         "heads": lambda x, y, p, q: x.reshape(r // 10, 10, 10, c // 10).transpose(0, 2, 1, 3),
         "cat": lambda x, y, p, q: jnp.concatenate([x, y], 1), "gather": lambda x, y, p, q: jnp.take_along_axis(x, p, 1),
         "scatter_add": lambda x, y, p, q: y.at[i, p].add(x), "index_select": lambda x, y, p, q: jnp.take(x, q, 0),
         "index_add": lambda x, y, p, q: y.at[q].add(x)}[op]
    return work(side, side.call(f, x, y, places, rows))
