"""Objectives in float64: see bench/objectives.c."""
import math

import numpy as np

from data import indices, norm_and_signs, uniform  # noqa: F401
from sides import Work, family, sizes


def _work(side, mode, function, wanted, rest):
    """function(*wanted, *rest), differentiated by the wanted ones."""
    wanted, rest = [side.array(v) for v in wanted], [side.array(v) for v in rest]
    if side.kind == "torch":
        import torch

        f = torch.compile(function) if side.compiled else function
        for w in wanted:
            w.requires_grad_()

        def once():
            if mode == "function":
                with torch.no_grad():
                    return f(*wanted, *rest), []
            y = f(*wanted, *rest)
            return y, torch.autograd.grad(y, wanted)

    else:
        jax = side.jax
        f = jax.jit(function if mode == "function" else jax.value_and_grad(function, tuple(range(len(wanted)))))

        def once():
            y = jax.block_until_ready(f(*wanted, *rest))
            return y if mode == "gradient" else (y, [])

    y, gradients = once()
    results = [y.item()]
    for g in gradients:
        results += norm_and_signs(side.numpy(g))
    return Work(once, results=results)


@family("gmm", "torch", "torch-compile", "jax")
def gmm(side, mode, size):
    d, k, n = sizes(size)
    below = d * (d - 1) // 2
    places = np.full((d, d), below)
    place = 0
    for column in range(d):
        for row in range(column + 1, d):
            places[row, column] = place
            place += 1
    wanted = [uniform("alphas", (k,), 1.0, np.float64), uniform("means", (k, d), 1.0, np.float64),
              uniform("icf", (k, d + below), 0.3, np.float64)]
    rest = [uniform("x", (n, d), 1.0, np.float64), places.reshape(-1)]
    if side.kind == "torch":
        import torch

        def function(alphas, means, icf, x, places):
            logs, lower = icf[:, :d], icf[:, d:]
            diagonal = torch.exp(logs)
            padded = torch.cat([lower, torch.zeros(k, 1, dtype=torch.float64)], 1)
            q = torch.index_select(padded, 1, places).view(k, d, d) + torch.diag_embed(diagonal)
            shift = torch.matmul(q, -means.unsqueeze(2))
            y = torch.addmm(shift.view(k * d, 1), q.view(k * d, d), x.T).view(k, d, n)
            inner = torch.add((alphas + logs.sum(1)).unsqueeze(1), torch.square(y).sum(1), alpha=-0.5)
            likelihood = torch.logsumexp(inner, 0).sum() - n * torch.logsumexp(alphas, 0)
            prior = 0.5 * (torch.square(diagonal).sum() + torch.square(lower).sum())
            return likelihood + prior - 0.5 * n * d * math.log(2 * math.pi)

    else:
        jax, jnp = side.jax, side.jax.numpy

        def function(alphas, means, icf, x, places):
            logs, lower = icf[:, :d], icf[:, d:]
            diagonal = jnp.exp(logs)
            padded = jnp.concatenate([lower, jnp.zeros((k, 1))], 1)
            q = padded[:, places].reshape(k, d, d) + jax.vmap(jnp.diag)(diagonal)
            # Of the two orders of the product's dimensions each mode has the one that XLA is faster with.
            if mode == "function":
                q = jnp.swapaxes(q, 1, 2)
                squares = jnp.square(jnp.matmul(x, q) - jnp.matmul(means[:, None, :], q)).sum(2)
            else:
                y = q.reshape(k * d, d) @ x.T - jnp.matmul(q, means[:, :, None]).reshape(k * d, 1)
                squares = jnp.square(y.reshape(k, d, n)).sum(1)
            inner = (alphas + logs.sum(1))[:, None] - 0.5 * squares
            likelihood = jax.nn.logsumexp(inner, 0).sum() - n * jax.nn.logsumexp(alphas, 0)
            prior = 0.5 * (jnp.square(diagonal).sum() + jnp.square(lower).sum())
            return likelihood + prior - 0.5 * n * d * math.log(2 * math.pi)

    return _work(side, mode, function, wanted, rest)


@family("kmeans", "torch", "torch-compile", "jax")
def kmeans(side, mode, size):
    d, k, n = sizes(size)
    wanted, rest = [uniform("centres", (k, d), 1.0, np.float64)], [uniform("x", (n, d), 1.0, np.float64)]
    if side.kind == "torch":
        import torch

        def function(c, x):
            return (x * x).sum() + torch.addmm((c * c).sum(1), x, (-2 * c).T).amin(1).sum()

    else:

        def function(c, x):
            return (x * x).sum() + ((c * c).sum(1) + x @ (-2 * c).T).min(1).sum()

    return _work(side, mode, function, wanted, rest)


@family("logsumexp", "torch", "torch-compile", "jax")
def logsumexp(side, mode, n):
    wanted = [uniform("x", (int(float(n)),), 3.0, np.float64)]
    if side.kind == "torch":
        import torch

        return _work(side, mode, lambda x: torch.logsumexp(x, 0), wanted, [])
    return _work(side, mode, lambda x: side.jax.nn.logsumexp(x), wanted, [])


@family("lstm", "torch", "jax")
def lstm(side, mode, size):
    layers, b, c = sizes(size)
    wanted = [uniform("main", (2 * layers, 4, b), 1.0, np.float64), uniform("extra", (3, b), 1.0, np.float64)]
    rest = [uniform("state", (2 * layers, b), 1.0, np.float64), uniform("sequence", (c, b), 1.0, np.float64)]
    if side.kind == "torch":
        import torch

        def function(main, extra, state, sequence):
            rows, (e0, e1, e2), state = main.unbind(), extra.unbind(), state.unbind()
            inputs = (sequence[:-1] * e0).unbind()
            w, bias = [r.unbind() for r in rows[::2]], [r.unbind() for r in rows[1::2]]
            hs, cs, last = list(state[::2]), list(state[1::2]), []

            def gate(f, x, i, j):
                return f(torch.addcmul(bias[i][j], x, w[i][j]))

            for t in range(c - 1):
                x = inputs[t]
                for i in range(layers):
                    forget, into = gate(torch.sigmoid, x, i, 0), gate(torch.sigmoid, hs[i], i, 1)
                    out, change = gate(torch.sigmoid, x, i, 2), gate(torch.tanh, hs[i], i, 3)
                    cs[i] = torch.addcmul(cs[i] * forget, into, change)
                    x = hs[i] = out * torch.tanh(cs[i])
                last.append(x)
            y = torch.stack(last) * e1 + e2
            y = y - torch.log(torch.exp(y).sum(1, keepdim=True) + 2)
            return -(sequence[1:] * y).sum() / ((c - 1) * b)

    else:
        jax, jnp = side.jax, side.jax.numpy

        def function(main, extra, state, sequence):
            w, bias = main[::2], main[1::2]

            def step(carry, x):
                hs, cs = carry
                h_new, c_new = [], []
                for i in range(layers):
                    forget, into = jax.nn.sigmoid(x * w[i, 0] + bias[i, 0]), jax.nn.sigmoid(hs[i] * w[i, 1] + bias[i, 1])
                    out, change = jax.nn.sigmoid(x * w[i, 2] + bias[i, 2]), jnp.tanh(hs[i] * w[i, 3] + bias[i, 3])
                    c_new.append(cs[i] * forget + into * change)
                    x = out * jnp.tanh(c_new[-1])
                    h_new.append(x)
                return (jnp.stack(h_new), jnp.stack(c_new)), x

            last = jax.lax.scan(step, (state[::2], state[1::2]), sequence[:-1] * extra[0])[1]
            y = last * extra[1] + extra[2]
            y = y - jnp.log(jnp.exp(y).sum(1, keepdims=True) + 2)
            return -(sequence[1:] * y).sum() / ((c - 1) * b)

    return _work(side, mode, function, wanted, rest)
