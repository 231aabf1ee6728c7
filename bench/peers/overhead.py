"""What a call costs besides its arithmetic: see bench/overhead.c."""
import ctypes
import subprocess
import sys
import time

from data import norm_and_signs
from sides import Work, clock, family

CHAIN = 2000


def _chain(torch, x, k, ones, multiply):
    start = clock()
    y = x
    if multiply:
        for _ in range(CHAIN):
            y = y * k
    else:
        for _ in range(CHAIN):
            y = y + k
    forward = clock() - start
    start = clock()
    y.backward(ones, retain_graph=True)
    backward = clock() - start
    start = clock()
    del y
    free = clock() - start
    grad, x.grad = x.grad, None
    return {"forward": forward / CHAIN, "backward": backward / CHAIN, "free": free / CHAIN}, grad


@family("chain", "torch")
def chain(side, op, size, part):
    torch = side.torch
    shape = (1024,) if size == "1024" else ()
    x, k, ones = torch.full(shape, 1.0, requires_grad=True), torch.full(shape, 0.999), torch.ones(shape)
    grad = _chain(torch, x, k, ones, op == "mul")[1]
    return Work(timed=lambda: _chain(torch, x, k, ones, op == "mul")[0][part], results=norm_and_signs(grad))


@family("graph", "torch")
def graph(side, op, size):
    """From what the process grows by, over a chain long enough to see it."""
    torch = side.torch

    def bytes_a_node(n=200000):
        x, k = torch.full((), 1.0, requires_grad=True), torch.full((), 0.999)
        y = x
        ctypes.CDLL(None).malloc_trim(0)  # so that memory freed before is not used again unseen
        before = _resident()
        for _ in range(n):
            y = y * k if op == "mul" else y + k
        return (_resident() - before) / n

    return Work(timed=bytes_a_node)


def _resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])


@family("startup", "torch", "jax", "numpy")
def startup(side, _):
    program = {
        "torch": "import torch; w = torch.tensor(2.0, requires_grad=True); (w * w).backward(); print(w.grad)",
        "jax": "import jax; print(jax.grad(lambda w: w * w)(2.0))",
        "numpy": "import numpy; print(numpy.float32(2.0) * 2)",
    }[side.kind]

    def timed():
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    return None if side.tuned and side.kind == "torch" else Work(timed=timed)


@family("library", "torch")
def library(side, _):
    import os

    path = os.path.join(os.path.dirname(side.torch.__file__), "lib", "libtorch_cpu.so")
    return None if side.tuned else Work(timed=lambda: os.path.getsize(path))
