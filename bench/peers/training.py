"""Training steps, and the loss alone: see bench/training.c. Layers and optimizers of PyTorch and of JAX."""
import numpy as np

from data import indices, uniform
from models import ADAMW_LR, KINDS, SGD_LR
from sides import Work, family


class Tensors:
    """What a model asks for, made when it first does, found by its name afterwards."""

    def __init__(self, side):
        self.side, self.parameters, self.others = side, {}, {}

    def __call__(self, name, shape, scale, offset=0.0):
        if name not in self.parameters:
            p = self.side.array(uniform(name, shape, scale, offset=offset))
            self.parameters[name] = p.requires_grad_() if self.side.kind == "torch" else p
        return self.parameters[name]

    def _other(self, name, make):
        if name not in self.others:
            self.others[name] = self.side.array(make())
        return self.others[name]

    def data(self, name, shape, scale):
        return self._other(name, lambda: uniform(name, shape, scale))

    def indices(self, name, bound, shape):
        return self._other(name, lambda: indices(name, bound, shape))

    def buffer(self, name, shape, value):
        return self._other(name, lambda: np.full(shape, value, np.float32))


class TorchLayers:
    def __init__(self):
        import torch

        self.t, self.F = torch, torch.nn.functional
        self.relu = self.F.relu
        self.mse = self.F.mse_loss
        self.cross_entropy = self.F.cross_entropy

    def linear(self, p, x, name, out):
        n = x.shape[-1]
        return self.F.linear(x, p(name + ".weight", (out, n), n**-0.5), p(name + ".bias", (out,), n**-0.5))

    def conv(self, p, x, name, out, kernel, stride, padding, bias):
        n = x.shape[1]
        scale = (n * kernel * kernel) ** -0.5
        b = p(name + ".bias", (out,), scale) if bias else None
        return self.F.conv2d(x, p(name + ".weight", (out, n, kernel, kernel), scale), b, stride, padding)

    def max_pool(self, x):
        return self.F.max_pool2d(x, 2)

    def layer_norm(self, p, x, name):
        w = x.shape[-1:]
        return self.F.layer_norm(x, w, p(name + ".weight", w, 0.1, 1.0), p(name + ".bias", w, 0.1))

    def batch_norm(self, p, x, name):
        w = (x.shape[1],)
        mean, var = p.buffer(name + ".mean", w, 0.0), p.buffer(name + ".var", w, 1.0)
        return self.F.batch_norm(x, mean, var, p(name + ".weight", w, 0.1, 1.0), p(name + ".bias", w, 0.1), True)

    def embedding(self, i, w):
        return self.F.embedding(i, w)

    def gelu(self, x):
        return self.F.gelu(x, approximate="tanh")

    def three(self, qkv):
        return qkv.permute(2, 0, 3, 1, 4).unbind()

    def attention(self, q, k, v):
        return self.F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)

    def lstm(self, x, weights):
        zero = x.new_zeros(1, x.shape[1], x.shape[2])
        return self.t.lstm(x, (zero, zero), weights, True, 1, 0.0, True, False, False)[0]


class JaxLayers(TorchLayers):
    def __init__(self, jax):
        self.jax, self.np, self.nn, self.lax = jax, jax.numpy, jax.nn, jax.lax
        self.relu = jax.nn.relu

    def mse(self, x, y):
        return self.np.mean(self.np.square(x - y))

    def cross_entropy(self, x, target):
        return -self.np.mean(self.np.take_along_axis(self.nn.log_softmax(x, 1), target[:, None], 1))

    def linear(self, p, x, name, out):
        n = x.shape[-1]
        return x @ p(name + ".weight", (out, n), n**-0.5).T + p(name + ".bias", (out,), n**-0.5)

    def conv(self, p, x, name, out, kernel, stride, padding, bias):
        n = x.shape[1]
        scale = (n * kernel * kernel) ** -0.5
        w = p(name + ".weight", (out, n, kernel, kernel), scale)
        y = self.lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2,
                                          dimension_numbers=("NCHW", "OIHW", "NCHW"))
        return y + p(name + ".bias", (out,), scale)[:, None, None] if bias else y

    def max_pool(self, x):
        return self.lax.reduce_window(x, -np.float32(np.inf), self.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def layer_norm(self, p, x, name):
        w = x.shape[-1:]
        mean, var = self.np.mean(x, -1, keepdims=True), self.np.var(x, -1, keepdims=True)
        return (x - mean) * self.lax.rsqrt(var + np.float32(1e-5)) * p(name + ".weight", w, 0.1, 1.0) + p(name + ".bias", w, 0.1)

    def batch_norm(self, p, x, name):  # without running statistics, which training does not read
        w = (x.shape[1],)
        mean, var = self.np.mean(x, (0, 2, 3), keepdims=True), self.np.var(x, (0, 2, 3), keepdims=True)
        weight, bias = p(name + ".weight", w, 0.1, 1.0)[:, None, None], p(name + ".bias", w, 0.1)[:, None, None]
        return (x - mean) * self.lax.rsqrt(var + np.float32(1e-5)) * weight + bias

    def embedding(self, i, w):
        return self.np.take(w, i, axis=0)

    def gelu(self, x):
        return self.nn.gelu(x, approximate=True)

    def three(self, qkv):
        return qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]

    def attention(self, q, k, v):
        return self.nn.dot_product_attention(q, k, v, is_causal=True)

    def lstm(self, x, weights):
        w_ih, w_hh, b_ih, b_hh = weights
        gates = x @ w_ih.T + b_ih
        zero = self.np.zeros((x.shape[1], x.shape[2]), x.dtype)

        def step(state, gate):
            h, c = state
            i, f, g, o = self.np.split(gate + h @ w_hh.T + b_hh, 4, -1)
            c = self.nn.sigmoid(f) * c + self.nn.sigmoid(i) * self.np.tanh(g)
            h = self.nn.sigmoid(o) * self.np.tanh(c)
            return (h, c), h

        return self.lax.scan(step, (zero, zero), gates)[1]


# ---- PyTorch ----


def _torch(side, name, train, autocast=False):
    import torch

    model, size, (optimizer, settings) = KINDS[name]
    p, layers = Tensors(side), TorchLayers()
    with torch.no_grad():
        model(p, layers, *size)  # makes the parameters

    def loss():
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return model(p, layers, *size)

    if side.compiled:
        loss = torch.compile(loss)
    if not train:

        def once():
            with torch.no_grad():
                return loss()

        return Work(once, results=[once().item()])
    fused = {"fused": True} if side.tuned else {}
    parameters = list(p.parameters.values())
    if optimizer == "sgd":
        optim = torch.optim.SGD(parameters, lr=SGD_LR, **settings, **fused)
    else:
        optim = torch.optim.AdamW(parameters, lr=ADAMW_LR, **settings, **fused)

    def once():
        y = loss()
        y.backward()
        optim.step()
        optim.zero_grad()

    results = []
    for _ in range(3):
        y = loss()
        y.backward()
        squares = sum(float(w.grad.double().square().sum()) for w in parameters)
        results += [y.item(), squares**0.5]
        optim.step()
        optim.zero_grad()
    return Work(once, results=results)


# ---- JAX ----


def _jax_optimizer(jax, optimizer, settings):
    np_, tree = jax.numpy, jax.tree_util.tree_map
    momentum, decay = settings.get("momentum", 0.0), settings.get("weight_decay", 0.0)
    lr, beta1, beta2, eps, adamw_decay = ADAMW_LR, 0.9, 0.999, 1e-8, 0.01

    def sgd(p, g, state):
        t, v = state
        if decay:
            g = tree(lambda g, p: g + decay * p, g, p)
        if momentum:
            v = g = tree(lambda v, g: momentum * v + g, v, g)
        return tree(lambda p, g: p - SGD_LR * g, p, g), (t, v)

    def adamw(p, g, state):
        t, (m, v) = state
        t = t + 1
        m = tree(lambda m, g: beta1 * m + (1 - beta1) * g, m, g)
        v = tree(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, g)
        c1, c2 = (1 - beta1**t).astype(np_.float32), (1 - beta2**t).astype(np_.float32)
        p = tree(lambda p, m, v: p * np.float32(1 - lr * adamw_decay) - np.float32(lr) * (m / c1) / (np_.sqrt(v / c2) + np.float32(eps)), p, m, v)
        return p, (t, (m, v))

    def start(p):
        zeros = tree(np_.zeros_like, p)
        return np_.float64(0), (zeros if optimizer == "sgd" else (zeros, tree(np_.zeros_like, p)))

    return (sgd if optimizer == "sgd" else adamw), start


class _Given(Tensors):
    """The same tensors, with the parameters that are differentiated in their place."""

    def __init__(self, tensors, parameters):
        self.side, self.parameters, self.others = tensors.side, parameters, tensors.others


def _jax(side, name, train):
    jax = side.jax
    model, size, (optimizer, settings) = KINDS[name]
    made, layers = Tensors(side), JaxLayers(jax)
    model(made, layers, *size)  # makes the parameters
    parameters = made.parameters

    def loss(parameters, others):
        given = _Given(made, parameters)
        given.others = others
        return model(given, layers, *size)

    if not train:
        f = jax.jit(loss)
        return Work(lambda: jax.block_until_ready(f(parameters, made.others)), results=[float(f(parameters, made.others))])
    update, start = _jax_optimizer(jax, optimizer, settings)
    results, p, state = [], parameters, start(parameters)
    gradient, change = jax.jit(jax.value_and_grad(loss)), jax.jit(update)
    for _ in range(3):
        y, g = gradient(p, made.others)
        squares = sum(float(jax.numpy.sum(jax.numpy.square(v.astype(jax.numpy.float64)))) for v in g.values())
        results += [float(y), squares**0.5]
        p, state = change(p, g, state)

    def step(p, state, others):
        y, g = jax.value_and_grad(loss)(p, others)
        return (*update(p, g, state), y)

    step = jax.jit(step, donate_argnums=(0, 1))
    made.parameters = None  # donated from here on
    now = [jax.tree_util.tree_map(jax.numpy.copy, p), jax.tree_util.tree_map(jax.numpy.copy, state)]

    def once():
        now[0], now[1], y = step(now[0], now[1], made.others)
        jax.block_until_ready(y)

    return Work(once, results=results)


@family("train", "torch", "torch-compile", "jax")
def train(side, name):
    return _torch(side, name, True) if side.kind == "torch" else _jax(side, name, True)


@family("autocast", "torch", "torch-compile")
def autocast(side, name):
    return _torch(side, name, True, True)


@family("loss", "torch", "torch-compile", "jax")
def loss(side, name):
    return _torch(side, name, False) if side.kind == "torch" else _jax(side, name, False)
